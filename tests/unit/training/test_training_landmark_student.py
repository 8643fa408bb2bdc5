"""Distillation of the landmark student."""

from __future__ import annotations

import shutil

import numpy as np
import torch
from tiny_data import sections, tiny_config

from eap.data.layout import PreparedData
from eap.data.pseudo_labels import read_landmarks
from eap.models.lip_landmarks import LandmarkStudent
from eap.schemas import read_table, to_table, write_table
from eap.stage import no_log
from eap.training.build import load_student
from eap.training.landmark_student import augment, calibrate, draw_frames, train_student


def test_landmarks_move_with_the_picture():
    """Bright blobs at known points are found, after augmentation, at the points it returns."""
    side, rng = 64, np.random.default_rng(0)
    points = torch.rand(8, 2, 2) * 90 + 83
    grid = (torch.arange(side) + 0.5) * 256 / side
    y, x = torch.meshgrid(grid, grid, indexing="ij")
    distance = (points[..., 0, None, None] - x) ** 2 + (points[..., 1, None, None] - y) ** 2
    blobs = torch.exp(-distance / (2 * 10**2))
    frames = torch.cat([blobs, torch.zeros(8, 1, side, side)], 1)
    changed, moved = augment(frames, points, rng)
    assert (moved - points).norm(dim=-1).mean() > 3
    weight = (changed[:, :2] - changed[:, :2].amin((2, 3), keepdim=True)).square()
    mass = weight.sum((2, 3))
    found = torch.stack([(weight * x).sum((2, 3)) / mass, (weight * y).sum((2, 3)) / mass], -1)
    torch.testing.assert_close(found, moved, atol=1.0, rtol=0)


def test_augmented_frames_stay_images(store):
    frames, points = draw_frames(store, store.ids("train"), np.random.default_rng(1), 12)
    changed, moved = augment(frames, points, np.random.default_rng(2))
    assert changed.shape == frames.shape
    assert moved.shape == points.shape == (12, 68, 2)
    assert changed.abs().max() <= 1
    again, _ = augment(frames, points, np.random.default_rng(2))
    assert torch.equal(changed, again)


def test_calibration_gives_layers_equal_weight_and_moves_no_landmark():
    torch.manual_seed(0)
    student, frames = LandmarkStudent(4, 32, torch.rand(68, 2) * 256), torch.rand(6, 3, 32, 32) * 2 - 1
    before = student(frames).detach()
    calibrate(student, frames)
    first = student.feature_scale.clone()
    assert [round(f.mean().item(), 4) for f in student.features(frames)] == [1] * 5
    torch.testing.assert_close(student(frames), before, atol=1e-3, rtol=0)
    calibrate(student, frames)  # measured on raw activations, not on scaled ones
    torch.testing.assert_close(student.feature_scale, first)


def test_the_student_learns_and_its_calibration_fits(student_file, store):
    student = load_student(student_file, tiny_config())
    frames, points = draw_frames(store, store.ids("validation"), np.random.default_rng(0), 40)
    error = (student(frames) - points).norm(dim=-1)[:, 48:].mean()
    mean_error = (student.mean_shape - points).norm(dim=-1)[:, 48:].mean()
    assert error < 0.6 * mean_error
    features = [f.mean().item() for f in student.features(frames)]
    np.testing.assert_allclose(features, 1, atol=0.3)


def test_two_trainings_are_one(tiny_data, tmp_path):
    config = sections("train-student", {"student": {"steps": 12, "batch_size": 4}})
    results = []
    for name in "ab":
        model = tmp_path / f"{name}.safetensors"
        result = train_student(config, tiny_data, model, tmp_path / f"{name}.parquet", tmp_path / name, no_log)
        results.append((load_student(model, config).state_dict(), result.metrics))
    assert results[0][1] == results[1][1]
    assert {"train_error_px", "validation_lip_error_px"} <= set(results[0][1])
    assert all(torch.equal(value, results[1][0][key]) for key, value in results[0][0].items())


def test_other_points_are_learnt_anew(tiny_data, store, tmp_path):
    """Same settings, same files' names, other rows: the checkpoint of the first training does not count."""
    config = sections("train-student", {"student": {"steps": 3, "batch_size": 4}})
    moved = PreparedData(tmp_path / "data")
    shutil.copytree(tiny_data.root, moved.root)
    landmarks = read_landmarks(moved, set(store.ids("train") + store.ids("validation") + store.ids("test")))
    tables = [
        to_table("labels", rows.assign(points=list((landmarks[clip_id] + 20).reshape(len(rows), -1))))
        for clip_id, rows in read_table(moved.labels, "labels").groupby("clip_id")
    ]
    write_table(moved.labels, "labels", tables)
    weights = []
    for data in (tiny_data, tiny_data, moved):
        model = tmp_path / "model.safetensors"
        train_student(config, data, model, tmp_path / "history.parquet", tmp_path / "checkpoints", no_log)
        weights.append(load_student(model, config).state_dict())
    once, again, other = weights
    assert all(torch.equal(value, again[key]) for key, value in once.items())
    assert (other["mean_shape"] - once["mean_shape"]).min() > 15
    assert not torch.equal(other["head.0.weight"], once["head.0.weight"])

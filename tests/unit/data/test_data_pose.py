"""Similarity transforms and pose-only landmarks."""

from __future__ import annotations

import numpy as np
import pytest
from tiny_data import landmarks

from eap.data.pose import (
    LIPS,
    RIGID,
    apply_transform,
    canonical_transform,
    fit_similarity,
    invert_transform,
    pose_only_landmarks,
    pose_transform,
    to_canonical,
)


def similarity(angle: float, scale: float, shift: tuple[float, float]) -> np.ndarray:
    c, s = scale * np.cos(angle), scale * np.sin(angle)
    return np.array([[[c, -s, shift[0]], [s, c, shift[1]]]])


@pytest.fixture
def face():
    return landmarks("ann/neutral-0.mp4")[0].astype(np.float64) * 4


@pytest.mark.parametrize("angle", [0, 0.4, -2.5])
@pytest.mark.parametrize("scale", [0.2, 1, 7])
def test_a_similarity_is_recovered_exactly(face, angle, scale):
    known = similarity(angle, scale, (13.0, -40.0))
    moved = apply_transform(known, face)
    np.testing.assert_allclose(fit_similarity(face[None], moved), known, atol=1e-9)
    np.testing.assert_allclose(apply_transform(invert_transform(known), moved)[0], face, atol=1e-9)


def test_fit_minimises_the_squared_distance(face):
    rng = np.random.default_rng(0)
    noisy = face + rng.normal(0, 5, face.shape)
    best = fit_similarity(face[None], noisy[None])

    def error(turn, grow, right, down):
        c, s = best[0, 0, 0] + grow, best[0, 1, 0] + turn
        changed = np.array([[[c, -s, best[0, 0, 2] + right], [s, c, best[0, 1, 2] + down]]])
        return ((apply_transform(changed, face) - noisy) ** 2).sum()

    for i in range(4):
        for sign in (-1, 1):
            change = [0.0] * 4
            change[i] = sign * 1e-3
            assert error(*change) > error(0, 0, 0, 0)


def test_no_reflection():
    square = np.array([[[0, 0], [1, 0], [1, 1], [0, 1]]], float)
    transform = fit_similarity(square, square * [-1, 1])
    assert np.linalg.det(transform[0, :, :2]) >= 0


def test_canonical_frame(face):
    tilted = apply_transform(similarity(0.3, 1.7, (50.0, 9.0)), face)
    canonical = to_canonical(tilted)[0]
    rigid = canonical[list(RIGID)]
    np.testing.assert_allclose(rigid.mean(0), 0, atol=1e-9)
    assert np.sqrt((rigid**2).sum(1).mean()) == pytest.approx(1)
    assert canonical[45, 1] == pytest.approx(canonical[36, 1])
    assert canonical[45, 0] > canonical[36, 0]
    np.testing.assert_allclose(canonical, to_canonical(face[None])[0], atol=1e-9)
    np.testing.assert_allclose(apply_transform(canonical_transform(tilted), tilted)[0], canonical)


def test_pose_only_landmarks_show_pose_and_hide_expression(face):
    shape = to_canonical(face[None])[0]
    known = similarity(-0.2, 1.1, (5.0, 3.0))
    driving = apply_transform(known, face)
    np.testing.assert_allclose(pose_only_landmarks(driving, shape), driving, atol=1e-8)
    speaking = driving.copy()
    speaking[:, LIPS] += np.random.default_rng(0).normal(0, 20, (20, 2))
    speaking[:, 17:27] += 15  # brows
    speaking[:, 3:14] += 9  # lower jaw
    np.testing.assert_allclose(pose_only_landmarks(speaking, shape), driving, atol=1e-8)
    np.testing.assert_allclose(apply_transform(pose_transform(speaking, shape), shape), driving, atol=1e-8)


def test_pose_of_a_drawn_clip_is_its_sway():
    """The drawn head turns by 0.06 sin(0.25 t + 1) about the picture's centre."""
    points = landmarks("ann/angry-1.mp4")
    neutral = landmarks("ann/neutral-0.mp4")
    found = pose_transform(points, to_canonical(neutral).mean(0))
    angle = np.arctan2(found[:, 1, 0], found[:, 0, 0])
    expected = 0.06 * np.sin(0.25 * np.arange(30) + 1)
    assert np.corrcoef(angle, expected)[0, 1] > 0.99
    np.testing.assert_allclose(np.diff(angle), np.diff(expected), atol=2e-3)


def test_missing_faces_stay_missing(face):
    with np.errstate(invalid="ignore"):
        both = to_canonical(np.stack([face, np.full_like(face, np.nan)]), to_canonical(face[None])[0])
    assert np.isfinite(both[0]).all()
    assert np.isnan(both[1]).all()

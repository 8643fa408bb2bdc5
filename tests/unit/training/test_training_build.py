"""Networks from configuration and files."""

from __future__ import annotations

import pytest
import torch
from tiny_data import tiny_config

from eap.stage import StageError
from eap.training.build import (
    build_ant,
    build_discriminator,
    build_era,
    load_face_judge,
    load_student,
    load_sync_expert,
)


def test_student_comes_frozen_with_its_mean_shape(student_file, store):
    student = load_student(student_file, tiny_config())
    assert not student.training
    assert not any(p.requires_grad for p in student.parameters())
    mean = torch.stack([torch.from_numpy(store[c].landmarks_TP2).mean(0) for c in store.ids("train")]).mean(0)
    torch.testing.assert_close(student.mean_shape, mean, atol=1e-3, rtol=0)
    assert not torch.equal(student.feature_scale, torch.ones(5))


def test_a_student_of_another_size_or_another_kind_of_model_is_refused(student_file, sync_file):
    with pytest.raises(StageError, match=r"trained on frames of 32 px, but model\.image_size is 64; run train-student"):
        load_student(student_file, tiny_config({"model": {"image_size": 64}}))
    with pytest.raises(StageError, match="expected a model of stage train-student, found one of stage train-sync"):
        load_student(sync_file, tiny_config())


def test_a_judge_of_another_size_is_refused_and_knows_its_classes(faces_file):
    with pytest.raises(StageError, match=r"trained on frames of 32 px, but model\.image_size is 64; run train-judge"):
        load_face_judge(faces_file, tiny_config({"model": {"image_size": 64}}))
    judge, classes = load_face_judge(faces_file, tiny_config())
    assert classes == ("neutral", "happy", "angry")
    assert not judge.training
    assert not any(p.requires_grad for p in judge.parameters())


def test_expert_comes_frozen_in_evaluation_mode(sync_file):
    expert = load_sync_expert(sync_file)
    assert not expert.training
    assert not any(p.requires_grad for p in expert.parameters())


def test_sections_decide_the_networks():
    config = tiny_config({"model": {"d_emotion": 24, "max_skip_px": 16}, "audio": {"content_context": 1}})
    assert build_ant(config).style_emotion.weight.shape == (32, 24)
    assert build_ant(config).generator.skip_strides == (2, 4, 8)
    assert set(build_era(config)) == {"emotion_encoder", "backbone", "theta", "phi", "psi"}
    for branches in (1, 3):
        assert build_discriminator(config, branches)(torch.zeros(1, 3, 32, 32)).shape[1] == branches

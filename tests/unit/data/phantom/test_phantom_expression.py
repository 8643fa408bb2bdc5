"""The face of an emotion is a function of valence and arousal, from which both can be read."""

from __future__ import annotations

import numpy as np
import pytest

from eap.data.phantom.expression import ACTIONS, actions, column
from eap.data.pseudo_labels import DIRECTION_DEG


def _at(emotion: str, intensity: float = 1.0) -> np.ndarray:
    angle = np.deg2rad(DIRECTION_DEG[emotion])
    return intensity * np.array([[np.cos(angle), np.sin(angle)]])


def test_rest_is_rest() -> None:
    assert not actions(np.zeros((3, 2))).any()


@pytest.mark.parametrize(
    ("emotion", "action"),
    [
        ("happy", "corner_up"),
        ("sad", "corner_down"),
        ("angry", "brow_down"),
        ("surprised", "brow_outer_up"),
        ("fear", "brow_inner_up"),
        ("disgusted", "nose_up"),
        ("contempt", "corner_aside"),
    ],
)
def test_each_emotion_has_its_action(emotion: str, action: str) -> None:
    assert column(actions(_at(emotion)), action)[0] == pytest.approx(1.0)


def test_strength_follows_intensity_in_proportion() -> None:
    assert np.allclose(actions(_at("fear", 0.3)), 0.3 * actions(_at("fear")))


def test_between_two_directions_both_are_seen() -> None:
    halfway = np.deg2rad((DIRECTION_DEG["fear"] + DIRECTION_DEG["angry"]) / 2)
    face = actions(np.array([[np.cos(halfway), np.sin(halfway)]]))
    assert np.allclose(face, (actions(_at("fear")) + actions(_at("angry"))) / 2)


def test_classes_cannot_be_mistaken_for_each_other() -> None:
    faces = np.concatenate([actions(_at(emotion)) for emotion in DIRECTION_DEG])
    assert faces.shape == (len(DIRECTION_DEG), len(ACTIONS))
    between = np.linalg.norm(faces[:, None] - faces[None], axis=-1) + 9 * np.eye(len(faces))
    assert between.min() > 0.3

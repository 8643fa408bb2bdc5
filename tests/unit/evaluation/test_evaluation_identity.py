"""Identity by dlib's embedding, on rendered people."""

from __future__ import annotations

import numpy as np
import pytest

from eap.data.phantom.identity import make_identity
from eap.data.phantom.render import Renderer
from eap.data.phantom.take import act
from eap.evaluation.identity import compare_faces, embed_faces


@pytest.fixture(scope="module")
def faces() -> dict[int, np.ndarray]:
    """Embeddings of two frames of two people."""
    found = {}
    for index in (0, 1):
        person = make_identity(0, index)
        renderer, performance = Renderer(person, 256), act(person, "neutral", 1, 0, (0, index, 0)).performance
        points = renderer.landmarks(performance)[[0, 25]]
        images = [image for i, image in enumerate(renderer.frames(performance)) if i in (0, 25)]
        found[index] = embed_faces(np.stack(images), points)
    return found


def test_a_person_is_nearer_to_itself_than_to_another(faces) -> None:
    first, second = faces[0], faces[1]
    assert compare_faces(first, first) == (pytest.approx(1), 0, 2)
    own, other = compare_faces(first[:1], first[1:]), compare_faces(first, second)
    assert own[0] > other[0]
    assert own[1] < other[1]
    assert own[1] < 0.6  # dlib's rule for one person


def test_hand_values() -> None:
    # cosine 0.6 and 1, distances sqrt(0.4^2 + 0.8^2) and 1
    generated, reference = np.array([[0.6, 0.8], [2.0, 0.0]]), np.array([[1.0, 0.0], [1.0, 0.0]])
    cosine, distance, n = compare_faces(generated, reference)
    assert (cosine, distance, n) == (pytest.approx(0.8), pytest.approx((0.8**0.5 + 1) / 2), 2)


def test_frames_without_a_face_do_not_count() -> None:
    landmarks = np.full((2, 68, 2), np.nan, np.float32)
    none = embed_faces(np.zeros((2, 64, 64, 3), np.uint8), landmarks)
    assert none.shape == (2, 128)
    cosine, distance, n = compare_faces(none, np.ones((2, 128)))
    assert np.isnan([cosine, distance]).all()
    assert n == 0

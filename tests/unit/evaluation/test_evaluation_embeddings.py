"""The projection of the embedding map."""

from __future__ import annotations

import numpy as np
import pytest

from eap.evaluation.embeddings import project


def test_two_axes_of_a_plane_in_space():
    rng = np.random.default_rng(0)
    plane = rng.normal(size=(50, 2)) * [5, 1]
    axes = np.linalg.qr(rng.normal(size=(8, 2)))[0].T
    places, explained = project(plane @ axes + 3)
    assert explained == pytest.approx(1)
    # Distances are kept, the longer axis comes first.
    np.testing.assert_allclose(
        np.linalg.norm(places[:, None] - places, axis=-1), np.linalg.norm(plane[:, None] - plane, axis=-1), atol=1e-9
    )
    assert places.var(0)[0] > places.var(0)[1]


def test_the_map_does_not_flip():
    z = np.random.default_rng(1).normal(size=(30, 5))
    there, back = project(z)[0], project(z[::-1])[0][::-1]
    np.testing.assert_allclose(there, back, atol=1e-9)


def test_one_clip_and_equal_clips():
    assert project(np.ones((1, 4)))[0].tolist() == [[0, 0]]
    places, explained = project(np.ones((3, 4)))
    assert places.tolist() == [[0, 0]] * 3
    assert np.isnan(explained)

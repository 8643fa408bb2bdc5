"""Phantom people: pure functions of a seed, hundreds of them, none like another."""

from __future__ import annotations

import numpy as np

from eap.data.phantom.identity import MEAN_SHAPE_P2, Identity, make_identity

PX = 40  # face units to px of a 256 px picture


def _colours(person: Identity) -> np.ndarray:
    return np.concatenate([person.skin, person.lips, person.iris, person.hair])


def test_a_person_depends_on_seed_and_number_alone() -> None:
    first, again, other = make_identity(3, 7), make_identity(3, 7), make_identity(4, 7)
    assert np.array_equal(first.shape_P2, again.shape_P2)
    assert first.voice == again.voice
    assert not np.array_equal(first.shape_P2, other.shape_P2)


def test_three_hundred_people_differ_in_shape_and_colour() -> None:
    people = [make_identity(0, i) for i in range(300)]
    assert len({p.name for p in people}) == 300
    shapes = np.stack([p.shape_P2 for p in people]) * PX
    between = np.linalg.norm(shapes[:, None] - shapes[None], axis=-1).mean(-1)
    colours = np.stack([_colours(p) for p in people])
    contrast = np.abs(colours[:, None] - colours[None]).mean(-1)
    # Two are alike only if both bone and colour are: half a pixel per landmark, or 2 % of the colour range, tells them
    alike = (between < 0.5) & (contrast < 0.02)
    assert alike.sum() == 300  # each with itself


def test_faces_stay_faces() -> None:
    for index in range(300):
        shape = make_identity(0, index).shape_P2
        assert np.abs(shape - MEAN_SHAPE_P2).max() < 0.45
        assert shape[36, 0] < shape[39, 0] < shape[42, 0] < shape[45, 0]  # eyes: outer, inner, inner, outer corner
        assert shape[17:27, 1].max() < shape[36:48, 1].min()  # brows above the lids
        assert shape[33, 1] < shape[51, 1] < shape[57, 1] < shape[8, 1]  # nose, upper lip, lower lip, chin


def test_both_sexes_and_many_styles() -> None:
    people = [make_identity(0, i) for i in range(100)]
    assert sum(p.female for p in people) == 50
    assert len({p.hair_style for p in people}) == 7
    assert len({p.voice.variant for p in people}) == 13

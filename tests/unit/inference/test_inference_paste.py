"""The face in the whole picture."""

from __future__ import annotations

import numpy as np
import pytest

from eap.data.crop import CropBox, crop_image
from eap.inference.paste import Paster, even_sides, limit_side, soft_mask


def smooth_picture(height=120, width=160):
    y, x = np.mgrid[:height, :width]
    return np.stack([60 + x, 200 - y, 80 + 0.5 * (x + y)], -1).round().astype(np.uint8)


@pytest.mark.parametrize(
    "box", [CropBox(40, 30, 64), CropBox(-20, -10, 64), CropBox(120, 80, 64), CropBox(-40, -60, 300)]
)
def test_the_own_crop_changes_nothing_that_can_be_seen(box):
    """Also where the square reaches beyond the picture."""
    picture = smooth_picture()
    pasted = Paster(picture, box)(crop_image(picture, box, 64))
    assert pasted.shape == picture.shape
    assert np.abs(pasted.astype(int) - picture).max() <= 4


def test_outside_the_square_every_bit_is_kept():
    picture = np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)
    pasted = Paster(picture, CropBox(40, 30, 64))(np.zeros((32, 32, 3), np.uint8))
    changed = (pasted != picture).any(-1)
    assert changed[62, 72]
    outside = np.ones((120, 160), bool)
    outside[30:94, 40:104] = False
    assert not changed[outside].any()


def test_a_colour_shift_is_taken_out_and_content_is_kept():
    picture = smooth_picture()
    box = CropBox(40, 30, 64)
    face = crop_image(picture, box, 64).astype(int)
    face[28:36, 28:36] += 40
    pasted = Paster(picture, box)((face + np.array([12, -9, 5])).clip(0, 255).astype(np.uint8)).astype(int)
    difference = pasted - picture
    assert np.abs(difference[30:50]).max() <= 3
    np.testing.assert_allclose(difference[60:64, 70:74].mean((0, 1)), [40, 40, 40], atol=3)


def test_the_first_face_decides_the_colours():
    """No flicker: what changes later is the face, not its correction."""
    picture, box = smooth_picture(), CropBox(40, 30, 64)
    face = crop_image(picture, box, 64)
    paster = Paster(picture, box)
    first, later = paster(face), paster((face.astype(int) + 10).clip(0, 255).astype(np.uint8))
    np.testing.assert_allclose(later[62, 72].astype(int) - first[62, 72], 10, atol=1)


def test_the_mask_is_soft_and_symmetric():
    mask = soft_mask(100)
    assert mask[50, 50] == 1
    assert mask[0].max() < 0.02
    np.testing.assert_array_equal(mask, mask.T)
    np.testing.assert_array_equal(mask, mask[::-1])
    assert np.abs(np.diff(mask[50])).max() < 0.12


def test_sizes():
    picture = smooth_picture(101, 51)
    assert even_sides(picture).shape == (102, 52, 3)
    np.testing.assert_array_equal(even_sides(picture)[:101, :51], picture)
    assert even_sides(smooth_picture(100, 50)).shape == (100, 50, 3)
    assert limit_side(picture, 50).shape == (50, 25, 3)
    assert limit_side(picture, 101) is picture

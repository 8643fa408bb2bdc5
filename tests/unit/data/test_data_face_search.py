"""`eap.data.face_search`: dlib's box of the doubled picture, from a reduced one."""

import cv2
import numpy as np
import pytest
from media_files import CLIPS

from eap.data.face_search import find_face, lattice_box, reduced_level
from eap.data.faces import FaceBox, detect_faces

assert CLIPS  # these tests need the real clips


def test_the_box_is_that_of_the_doubled_picture_to_the_pixel(crops):
    """The grid of the windows, and the mapping between dlib's levels, as measured over 1,291 real and moved frames."""
    shifted = [np.roll(crops[i], (dy, dx), (0, 1)) for i, (dy, dx) in enumerate([(0, 0), (9, -14), (-8, 12), (4, 24)])]
    for image in shifted:
        reduced, whole = find_face(image), detect_faces(image, 1)[0]
        assert (reduced.left, reduced.top, reduced.right, reduced.bottom) == (
            whole.left, whole.top, whole.right, whole.bottom,
        )  # fmt: skip


def test_hand_computed_lattice():
    """Window at 13 (x) and 21 (y) of level 9, 72 wide; dlib's doubled picture gives 35, 57, 221, 242 at 256 px."""
    found = FaceBox(24, 37, 148, 162, 1.5)  # the same window in the picture of level 6, 171 px
    assert lattice_box(found, 6) == FaceBox(35, 57, 221, 242, 1.5)


@pytest.mark.parametrize(("side", "level"), [(256, 6), (512, 9), (128, 2), (84, 0)])
def test_level(side, level):
    assert reduced_level(side) == level


def test_small_faces_take_the_whole_pyramid_and_noise_shows_none(crops):
    small = np.zeros_like(crops[0])
    small[80:176, 80:176] = cv2.resize(crops[0], (96, 96), interpolation=cv2.INTER_AREA)
    assert find_face(small) == detect_faces(small, 1)[0]
    assert find_face(np.random.default_rng(0).integers(0, 255, (256, 256, 3), dtype=np.uint8)) is None

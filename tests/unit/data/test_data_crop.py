"""`eap.data.crop`: the square around the face, and clips without exactly one face."""

import av
import cv2
import numpy as np
import pytest
from media_files import CREMA, GRID, real_images

from eap.data.crop import CropBox, FaceLocator, crop_box, crop_image, find_faces
from eap.data.faces import predict_landmarks
from eap.data.media import MediaError


@pytest.fixture(scope="module")
def images():
    return real_images(GRID, 21)[::10]


def locate_face(images: list[np.ndarray], crop_scale: float = 1.8) -> CropBox:
    """The square for pictures which are all key frames."""
    locator = FaceLocator(1)
    for index, image in enumerate(images):
        locator.visit(index, _frame(image))
    return locator.crop_box([_frame(image) for image in images], crop_scale)


def _frame(image: np.ndarray) -> av.VideoFrame:
    return av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")


def _landmarks_in_crop(image: np.ndarray, box: CropBox) -> np.ndarray:
    crop = crop_image(image, box, 256)
    return predict_landmarks(crop, find_faces(crop, 0)[0])


@pytest.mark.parametrize("name", [GRID, CREMA])
def test_the_whole_face_is_inside_and_of_the_same_size_for_both_datasets(name):
    images = real_images(name, 21)[::10]
    box = locate_face(images)
    points = _landmarks_in_crop(images[1], box)
    height = np.ptp(points[:, 1])
    assert 256 / 1.8 * 0.9 < height < 256 / 1.8 * 1.1
    assert points[:, 1].min() > 0.5 * height  # the forehead, about half a landmark height, is in
    assert points[:, 1].max() < 256 - 10  # and so is the chin
    assert abs(points[:, 0].mean() - 128) < 15


def test_a_shifted_picture_shifts_the_square(images):
    moved = [np.roll(image, (8, -16), (0, 1)) for image in images]
    here, there = locate_face(images), locate_face(moved)
    assert (there.x - here.x, there.y - here.y) == pytest.approx((-16, 8), abs=2)
    assert there.size == pytest.approx(here.size, abs=3)


def test_box_is_a_median_over_frames():
    landmarks = np.zeros((5, 68, 2), np.float32)
    landmarks[:, 1] = (80, 100)
    landmarks[4] += 1000
    assert crop_box(landmarks, 2.0) == CropBox(x=-60, y=-70, size=200)


def test_a_square_beyond_the_picture_continues_its_border():
    image = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    crop = crop_image(image, CropBox(-2, -3, 8), 8)
    np.testing.assert_array_equal(crop[3:7, 2:6], image)
    np.testing.assert_array_equal(crop[0, 0], image[0, 0])
    np.testing.assert_array_equal(crop[7, 7], image[3, 3])


def test_no_face(images):
    noise = [np.random.default_rng(0).integers(0, 255, (288, 360, 3), dtype=np.uint8)] * 4
    with pytest.raises(MediaError, match="no face: found in 0 of 4 key frames"):
        locate_face(noise)
    with pytest.raises(MediaError, match="no face: found in 1 of 3"):
        locate_face([images[0], *noise[:2]])


def test_two_faces_in_half_of_the_frames_only(images):
    other = real_images("grid/unk_M1_lbax4n.mpg", 1)[0]
    both = np.concatenate([images[0], other], 1)
    alone = np.concatenate([images[0], np.zeros_like(other)], 1)
    with pytest.raises(MediaError, match=r"two faces: 2 of 4 key frames show more than one \(up to 2\)"):
        locate_face([both, both, alone, alone])
    assert locate_face([both, alone, alone]).x < 180


def test_a_small_face_is_found_by_doubling_the_picture(images):
    small = [cv2.resize(image, None, fx=0.35, fy=0.35, interpolation=cv2.INTER_AREA) for image in images]
    assert not find_faces(small[0], 0)
    box = locate_face(small)
    assert box.size == pytest.approx(0.35 * locate_face(images).size, abs=8)


def test_only_key_frames_are_looked_at(images):
    locator = FaceLocator(3)
    for index, image in enumerate([images[0], *[np.zeros_like(images[0])] * 2] * 2):
        locator.visit(index, _frame(image))
    assert locator.crop_box([], 1.8) == locate_face(images[:1])  # a miss would have been one half


def test_large_pictures_are_searched_at_reduced_size(images):
    large = cv2.resize(images[0], None, fx=4, fy=4)
    here, there = find_faces(images[0], 0)[0], find_faces(large, 0)[0]
    centre = (there.left + there.right) / 2, (there.top + there.bottom) / 2
    assert centre == pytest.approx((2 * (here.left + here.right), 2 * (here.top + here.bottom)), abs=40)
    assert there.right - there.left == pytest.approx(4 * (here.right - here.left), rel=0.25)

"""Pictures of every kind, and the face in them."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageCms

from eap.data.crop import crop_box
from eap.data.pose import apply_transform
from eap.inference.source import find_source, read_picture
from eap.stage import StageError

GRADIENT = np.stack(np.broadcast_arrays(np.arange(40)[:, None] * 6, np.arange(30) * 8, 77), -1).astype(np.uint8)


def saved(path, image, **options):
    image.save(path, **options)
    return path


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path, orientation):
    """What the camera stored, turned by what EXIF says, is the upright picture."""
    undo = {1: (), 2: (0,), 3: (3,), 4: (1,), 5: (5,), 6: (2,), 7: (6,), 8: (4,)}[orientation]
    stored = Image.fromarray(GRADIENT)
    for step in undo:
        stored = stored.transpose(Image.Transpose(step))
    exif = Image.Exif()
    exif[0x112] = orientation
    picture, notes = read_picture(saved(tmp_path / "p.png", stored, exif=exif))
    np.testing.assert_array_equal(picture, GRADIENT)
    assert notes == ()


def test_transparent_parts_are_white(tmp_path):
    alpha = np.full((40, 30), 255, np.uint8)
    alpha[:, :10], alpha[:, 10:20] = 0, 128
    rgba = np.concatenate([GRADIENT, alpha[..., None]], -1)
    picture, _ = read_picture(saved(tmp_path / "p.png", Image.fromarray(rgba)))
    assert (picture[:, :10] == 255).all()
    np.testing.assert_allclose(picture[:, 10:20], 255 - (255 - GRADIENT[:, 10:20].astype(float)) * 128 / 255, atol=1)
    np.testing.assert_array_equal(picture[:, 20:], GRADIENT[:, 20:])


@pytest.mark.parametrize("kind", ["grey", "grey16", "palette", "cmyk", "webp", "bmp"])
def test_other_kinds_of_pictures(tmp_path, kind):
    image = Image.fromarray(GRADIENT)
    grey = np.asarray(image.convert("L"))
    made = {
        "grey": lambda: saved(tmp_path / "p.png", image.convert("L")),
        "grey16": lambda: saved(tmp_path / "p.png", Image.fromarray(grey.astype(np.uint16) * 257)),
        "palette": lambda: saved(tmp_path / "p.gif", image.quantize(256)),
        "cmyk": lambda: saved(tmp_path / "p.tif", image.convert("CMYK")),
        "webp": lambda: saved(tmp_path / "p.webp", image, lossless=True),
        "bmp": lambda: saved(tmp_path / "p.bmp", image),
    }
    picture, _ = read_picture(made[kind]())
    expected = np.repeat(grey[..., None], 3, -1) if kind.startswith("grey") else GRADIENT
    assert picture.dtype == np.uint8
    np.testing.assert_allclose(picture.astype(int), expected, atol=12 if kind == "palette" else 1)


def test_a_colour_profile_is_applied_and_a_broken_one_is_told(tmp_path):
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image = Image.fromarray(GRADIENT)
    picture, notes = read_picture(saved(tmp_path / "p.png", image, icc_profile=srgb))
    np.testing.assert_allclose(picture.astype(int), GRADIENT, atol=1)
    assert notes == ()
    picture, notes = read_picture(saved(tmp_path / "q.png", image, icc_profile=b"no profile"))
    np.testing.assert_array_equal(picture, GRADIENT)
    assert "colour profile cannot be used" in notes[0]


@pytest.mark.parametrize("content", [None, b"", b"no picture"])
def test_what_is_no_picture_is_refused(tmp_path, content):
    if content is not None:
        (tmp_path / "p.jpg").write_bytes(content)
    with pytest.raises(StageError, match=r"--image: .*p\.jpg (is not a file|cannot be read as a picture)"):
        read_picture(tmp_path / "p.jpg")


@pytest.fixture(scope="module")
def scene(clip):
    """The face twice in a wide picture: large on the right, at half its size on the left."""
    canvas = np.full((320, 480, 3), 90, np.uint8)
    canvas[20:276, 210:466] = clip.frames_THWC[0]
    canvas[100:228, 20:148] = clip.frames_THWC[0][::2, ::2]
    return canvas


def test_the_crop_is_that_of_preparation_and_landmarks_are_true(clip, model):
    source = find_source(clip.frames_THWC[0], model.config, model.neutral_shape)
    truth = clip.truth_TP2[0]
    expected = crop_box(truth[None], model.config.video.crop_scale)
    box = source.box
    found, wanted = (box.x, box.y, box.size), (expected.x, expected.y, expected.size)
    np.testing.assert_allclose(found, wanted, atol=12)
    assert source.crop_HWC.shape == (32, 32, 3)
    in_crop = (truth - (source.box.x, source.box.y)) * 256 / source.box.size
    assert np.linalg.norm(source.points_P2 - in_crop, axis=1).mean() < 8
    # the neutral shape in the source's pose lies over the landmarks
    placed = apply_transform(source.transform_23[None], model.shape_P2)[0]
    assert np.linalg.norm(placed.mean(0) - source.points_P2.mean(0)) < 20


def test_the_largest_of_several_faces_is_used_and_told(scene, model):
    source = find_source(scene, model.config, model.neutral_shape)
    assert source.box.x > 180
    assert source.notes[0] == "2 faces were found; the largest is used, number 2 from the left (--face)"
    left = find_source(scene, model.config, model.neutral_shape, chosen=1)
    assert left.box.x + left.box.size < 210
    assert left.notes == ()
    with pytest.raises(StageError, match=r"--face: 3, but 2 face\(s\) were found; allowed: 1 to 2"):
        find_source(scene, model.config, model.neutral_shape, chosen=3)


def test_no_face_is_told(model):
    with pytest.raises(StageError, match="no face was found in the picture of 200 x 100 px; it must show one from the"):
        find_source(np.full((100, 200, 3), 80, np.uint8), model.config, model.neutral_shape)

"""The source face: from a picture of any kind to the crop, landmarks and pose that the model takes."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from eap.data.cached_frames import resize_frame
from eap.data.clip_landmarks import detector_weights, load_predictor
from eap.data.crop import CropBox, crop_box, crop_image, find_faces
from eap.data.faces import FaceBox, predict_landmarks
from eap.data.pose import LANDMARK_SCALE_PX, pose_transform
from eap.stage import StageError

BACKGROUND = (255, 255, 255)
"""What shows through transparent pictures."""


@dataclass(frozen=True)
class SourceFace:
    """All that is known of the source: computed once, in `find_source`."""

    picture_HWC: np.ndarray
    """The whole picture, upright uint8 RGB."""
    box: CropBox
    """The face's square in it."""
    crop_HWC: np.ndarray
    """That square at the model's size."""
    points_P2: np.ndarray
    """68 landmarks, float32 ``[68, 2]``, px at a 256 scale of the crop."""
    transform_23: np.ndarray
    """Head pose: from the canonical frame to the crop at a 256 scale."""
    shape_P2: np.ndarray
    """The person's neutral shape in the canonical frame, as far as one picture tells it."""
    notes: tuple[str, ...]
    """What a user should know."""


def read_picture(path: Path) -> tuple[np.ndarray, tuple[str, ...]]:
    """A picture as upright uint8 RGB ``[H, W, 3]``, in sRGB; and what a user should know about it.

    EXIF orientation is applied, transparent parts become white, grey and 16-bit pictures are converted, and of several
    pictures in a file the first is taken.

    Raises
    ------
    StageError
        If the file is absent or not a picture that Pillow reads.
    """
    if not path.is_file():
        raise StageError(f"--image: {path} is not a file")
    try:
        with Image.open(path) as opened:
            picture = ImageOps.exif_transpose(opened)
            picture.load()
            profile = opened.info.get("icc_profile")
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError) as error:
        known = "JPEG, PNG, WebP, AVIF, TIFF, BMP and GIF do"
        raise StageError(f"--image: {path} cannot be read as a picture ({error}); {known}") from None
    picture, notes = _to_srgb(_to_8_bit(picture), profile)
    return np.array(_opaque(picture)), notes


def find_source(
    picture_HWC: np.ndarray,
    config: Any,
    neutral_shape: Callable[[np.ndarray], np.ndarray],
    chosen: int | None = None,
) -> SourceFace:
    """Find the face and crop it as preparation does.

    Parameters
    ----------
    config
        Sections ``video`` (crop_scale, size), ``model`` (image_size), ``landmarks`` (detector).
    neutral_shape
        From landmarks to the person's neutral shape (`eap.inference.checkpoint.LoadedModel.neutral_shape`).
    chosen
        Which face, counted from the left, 1 first; None: the largest.

    Raises
    ------
    StageError
        If there is no face, or no such face.
    """
    faces = find_faces(picture_HWC, 0) or find_faces(picture_HWC, 1)
    box, notes = _choose(faces, chosen, picture_HWC.shape)
    crop = crop_box(predict_landmarks(picture_HWC, box)[None], config.video.crop_scale)
    large = crop_image(picture_HWC, crop, config.video.size)
    scale = config.video.size / crop.size
    predictor = load_predictor(config.landmarks.detector, detector_weights(config.landmarks))
    points = predictor(large, _within(box, crop, scale))
    points = (points * (LANDMARK_SCALE_PX / config.video.size)).astype(np.float32)
    if crop.size < config.model.image_size:
        notes = (*notes, f"the face's square has {crop.size} px, the model draws {config.model.image_size} px: blurred")
    shape = neutral_shape(points)
    return SourceFace(
        picture_HWC, crop, resize_frame(large, config.model.image_size), points,
        pose_transform(points[None], shape)[0], shape, notes,
    )  # fmt: skip


def largest(faces: list[FaceBox]) -> FaceBox:
    """The face with the largest box."""
    return max(faces, key=lambda box: (box.right - box.left) * (box.bottom - box.top))


def _choose(faces: list[FaceBox], chosen: int | None, shape: tuple[int, ...]) -> tuple[FaceBox, tuple[str, ...]]:
    if not faces:
        raise StageError(
            f"--image: no face was found in the picture of {shape[1]} x {shape[0]} px; it must show one from the "
            "front, upright, at least 40 px large, with brows, eyes, nose and mouth in view"
        )
    from_left = sorted(faces, key=lambda box: box.left)
    if chosen is not None:
        if not 1 <= chosen <= len(faces):
            raise StageError(f"--face: {chosen}, but {len(faces)} face(s) were found; allowed: 1 to {len(faces)}")
        return from_left[chosen - 1], ()
    box = largest(faces)
    if len(faces) == 1:
        return box, ()
    number = from_left.index(box) + 1
    return box, (f"{len(faces)} faces were found; the largest is used, number {number} from the left (--face)",)


def _within(box: FaceBox, crop: CropBox, scale: float) -> FaceBox:
    """A face's box in px of its scaled crop."""
    return FaceBox(
        (box.left - crop.x) * scale,
        (box.top - crop.y) * scale,
        (box.right - crop.x) * scale,
        (box.bottom - crop.y) * scale,
        box.score,
    )


def _to_8_bit(picture: Image.Image) -> Image.Image:
    """16- and 32-bit grey as 8 bits (Pillow's own conversion would clip them)."""
    if not picture.mode.startswith(("I", "F")):
        return picture
    values = np.asarray(picture, np.float64)
    top = 65535 if values.max() > 255 else 255 if values.max() > 1 else 1
    return Image.fromarray((values / top * 255).round().clip(0, 255).astype(np.uint8))


def _to_srgb(picture: Image.Image, profile: bytes | None) -> tuple[Image.Image, tuple[str, ...]]:
    """Colours of another colour space (photos of phones: Display P3) as sRGB."""
    if profile is None or picture.mode not in ("RGB", "RGBA", "CMYK"):
        return picture, ()
    try:
        own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        mode = "RGBA" if picture.mode == "RGBA" else "RGB"
        return ImageCms.profileToProfile(picture, own, ImageCms.createProfile("sRGB"), outputMode=mode), ()
    except (ImageCms.PyCMSError, OSError) as error:
        return picture, (f"the picture's colour profile cannot be used ({error}): its numbers are taken for sRGB",)


def _opaque(picture: Image.Image) -> Image.Image:
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    rgba = picture.convert("RGBA")
    white = Image.new("RGBA", rgba.size, (*BACKGROUND, 255))
    return Image.alpha_composite(white, rgba).convert("RGB")

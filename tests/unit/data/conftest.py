"""Puts this folder on the import path, so that tests in the folders below find `media_files`; crops of a real face."""

import numpy as np
import pytest
from media_files import CREMA, real_images


@pytest.fixture(scope="session")
def crops():
    """The first 31 frames of a real clip, cropped: uint8 ``[31, 256, 256, 3]``."""
    from eap.data.crop import FaceLocator, crop_image

    images = real_images(CREMA, 31)
    locator = FaceLocator(10)
    for image in images[::10]:
        locator.look(image)
    box = locator.crop_box([], 1.5)
    return np.stack([crop_image(image, box, 256) for image in images])

"""Makes `media_files` importable, and a short talking phantom for the tests of `eap score`."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "data"))


@pytest.fixture(scope="session")
def talking():
    """16 frames of a rendered face, uint8 ``[16, 160, 160, 3]``, and its sound at 16 kHz."""
    import numpy as np

    from eap.data.phantom.identity import make_identity
    from eap.data.phantom.render import Renderer
    from eap.data.phantom.take import act

    person = make_identity(0, 0)
    performance = (take := act(person, "happy", 2, 0, (0, 0, 0))).performance
    frames = []
    for image in Renderer(person, 160).frames(performance):
        frames.append(image)
        if len(frames) == 24:
            break
    return np.stack(frames[8:]), take.waveform[8 * 640 : 24 * 640]


@pytest.fixture
def clip(talking):
    """`clip(path, ...)` writes the talking phantom; see `media_files.write_media`."""
    from media_files import write_media

    def write(path: Path, frames=None, waveform=None, silent: bool = False, **options) -> Path:
        images, sound = talking
        sound = None if silent else sound if waveform is None else waveform
        return write_media(path, images if frames is None else frames, sound, **options)

    return write


@pytest.fixture
def settings():
    """The defaults of `eap score` with changes."""
    from eap.evaluation.score.settings import Settings

    def make(**changes) -> Settings:
        return Settings(**{"crop": "whole", "sync_protocol": "whole", "min_track": 13, "voice": "generated", **changes})

    return make


@pytest.fixture(scope="session")
def syncnet_file(tmp_path_factory) -> Path:
    """Random weights of the published shapes in the published form of file."""
    from collections import OrderedDict

    import torch

    from eap.evaluation.bench import random_syncnet

    path = tmp_path_factory.mktemp("syncnet") / "syncnet_v2.model"
    # an ordered dict in torch's older format, without counters of batches
    state = OrderedDict((k, v) for k, v in random_syncnet(0).state_dict().items() if "num_batches" not in k)
    torch.save(state, path, _use_new_zipfile_serialization=False)
    return path

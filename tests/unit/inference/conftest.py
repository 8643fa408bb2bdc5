"""A rendered talking face, as a clip and as a picture; the tiny trained model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from eap.data.encode import write_video
from eap.data.phantom.identity import make_identity
from eap.data.phantom.render import Renderer
from eap.data.phantom.take import act


@dataclass(frozen=True)
class Rendered:
    """A phantom clip of 25 frames."""

    path: Path
    frames_THWC: np.ndarray
    truth_TP2: np.ndarray
    pcm16: np.ndarray


@pytest.fixture(scope="session")
def clip(tmp_path_factory) -> Rendered:
    person = make_identity(0, 1)
    take, renderer = act(person, "happy", 3, 0, (0, 1, 0)), Renderer(person, 256)
    frames = np.stack([frame for frame, _ in zip(renderer.frames(take.performance), range(25), strict=False)])
    pcm16 = np.round(take.waveform * 32767).astype(np.int16)[: 25 * 640]
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    write_video(path, frames, 25, 12, pcm16, 16000, "test", "ultrafast")
    return Rendered(path, frames, renderer.landmarks(take.performance)[:25], pcm16)


@pytest.fixture(scope="session")
def portrait(clip, tmp_path_factory) -> Path:
    """Its first frame, as a picture."""
    path = tmp_path_factory.mktemp("picture") / "face.png"
    Image.fromarray(clip.frames_THWC[0]).save(path)
    return path


@pytest.fixture(scope="session")
def model(era_file):
    """The tiny trained model."""
    from eap.inference.checkpoint import load_checkpoint

    return load_checkpoint(era_file, "cpu", 1)

"""Two phantom takes, rendered once per session: short clips with sound that the frame stage accepts."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def takes(tmp_path_factory) -> list[Path]:
    """An angry and a neutral take of one person."""
    import numpy as np
    from real_clips import CHECKOUT

    from eap.config import load_config
    from eap.data.encode import write_video
    from eap.data.phantom.identity import make_identity
    from eap.data.phantom.render import Renderer
    from eap.data.phantom.speech import SAMPLE_RATE
    from eap.data.phantom.take import act
    from eap.data.phantom.truth import FPS

    phantom = load_config({"phantom": {"size": 192}}, CHECKOUT / "workflow" / "presets").phantom
    person = make_identity(phantom.seed, 0)
    renderer = Renderer(person, phantom.size)
    folder = tmp_path_factory.mktemp("takes")
    paths = []
    for n, (emotion, level) in enumerate([("angry", 3), ("neutral", 1)]):
        take = act(person, emotion, level, n, (phantom.seed, 0, n), 0)
        frames = np.stack(list(renderer.frames(take.performance)))
        sound = np.round(take.waveform * 32767).astype(np.int16)
        paths.append(folder / f"{emotion}.mp4")
        write_video(paths[-1], frames, FPS, 18, sound, SAMPLE_RATE, "phantom", "veryfast")
    return paths

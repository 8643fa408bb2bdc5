"""`eap bench long-clip`: the clip is as long as asked, and memory is that of a whole family of processes."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import psutil
from media_files import sections

from eap.data.media import iterate_images, read_timeline
from eap.data.memory_bench import _memory, write_long_clip
from eap.data.sound import read_sound


def test_the_clip_loops_to_its_length(tmp_path):
    phantom = sections("render-phantom", tmp_path, {"phantom": {"size": 128}}).phantom
    path = write_long_clip(tmp_path / "long.mp4", phantom, 400)
    assert len(read_timeline(path, 60).times_s) == 400
    assert abs(read_sound(path, 60).end_s - 16) < 0.04
    images = np.stack([image for image in iterate_images(path)]).astype(int)
    steps = np.abs(np.diff(images, axis=0)).mean((1, 2, 3))
    assert steps.max() < 12  # to and fro: no cut
    assert steps.mean() > 0.1


def test_memory_is_summed_over_the_family():
    take = "import time; held = bytearray(60_000_000); held[::4096] = b'1' * len(held[::4096]); print(1, flush=True)"
    before = _memory(os.getpid())
    with subprocess.Popen([sys.executable, "-c", f"{take}; time.sleep(60)"], stdout=subprocess.PIPE) as child:
        child.stdout.readline()
        now = _memory(os.getpid())
        child.kill()
    assert 55 < now.rss - before.rss < 110
    assert before.pss <= before.rss
    assert _memory(next(pid for pid in range(100_000, 4_000_000) if not psutil.pid_exists(pid))) == (0, 0)

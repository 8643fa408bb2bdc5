"""Scores of the published SyncNet against the published scorer's own way, on random weights of its shapes."""

from __future__ import annotations

import numpy as np
import pytest

from eap.evaluation.bench import published_scores, random_syncnet
from eap.evaluation.syncnet import embed_sound, mfcc, n_windows, score_sync, to_syncnet_frame
from eap.models.syncnet_v2 import FoldedSyncNet


@pytest.fixture(scope="module")
def networks():
    network = random_syncnet(3)
    return network, FoldedSyncNet(network)


def _material(n_frames: int, n_samples: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (n_frames, 224, 224, 3), dtype=np.uint8)
    return frames, (3000 * rng.normal(size=n_samples)).astype(np.int16)


@pytest.mark.parametrize(("n_frames", "n_samples"), [(13, 13 * 640), (12, 14 * 640), (14, 10 * 640 + 639)])
def test_gives_the_published_scorers_numbers(networks, n_frames: int, n_samples: int) -> None:
    network, folded = networks
    frames, pcm16 = _material(n_frames, n_samples)
    expected, found = published_scores(network, frames, pcm16), score_sync(folded, frames, pcm16)
    assert expected.lse_d > 1
    for name in ("lse_d", "lse_c", "at_zero"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name), abs=1e-3)
    assert found.offset == expected.offset


def test_windows_are_counted_as_published() -> None:
    # L = min(frames, floor(samples / 640)), windows i = 0 .. L - 6
    assert n_windows(75, 75 * 640) == 70
    assert n_windows(75, 60 * 640 + 639) == 55
    assert n_windows(5, 5 * 640) == n_windows(0, 640) == 0


def test_mfcc_are_13_per_10_ms_of_int16_values() -> None:
    _, pcm16 = _material(1, 16000)
    found = mfcc(pcm16)
    # 1 + ceil((16000 - 400) / 160)
    assert found.shape == (99, 13)
    # the first is the log of the energy: a signal twice as loud has 2 ln 2 more, the others stay
    louder = mfcc(2 * pcm16.astype(np.int32))
    np.testing.assert_allclose(louder[:, 0] - found[:, 0], 2 * np.log(2), atol=1e-6)
    np.testing.assert_allclose(louder[:, 1:], found[:, 1:], atol=1e-6)


def test_frames_become_bgr_and_224_px_without_scaling() -> None:
    image = np.zeros((100, 300, 3), np.uint8)
    image[...] = (250, 120, 7)
    frame = to_syncnet_frame(image)
    assert frame.shape == (224, 224, 3)
    assert frame.dtype == np.uint8
    assert frame[0, 0].tolist() == [7, 120, 250]


def test_the_sound_of_a_window_is_its_own(networks) -> None:
    """Window i reads columns 4 i .. 4 i + 19, so sound that is cut to start at frame 3 gives windows 3, 4, ..."""
    _, pcm16 = _material(1, 20 * 640)
    whole, later = (embed_sound(networks[1], part, n) for part, n in ((pcm16, 12), (pcm16[3 * 640 :], 9)))
    # pre-emphasis sees one sample before the cut, so the very first column differs
    np.testing.assert_allclose(later[1:], whole[4:], atol=1e-4)


@pytest.mark.parametrize(("n_frames", "n_samples"), [(5, 9 * 640), (9, 5 * 640 + 639), (9, 0)])
def test_what_is_too_short_is_refused(networks, n_frames: int, n_samples: int) -> None:
    with pytest.raises(ValueError, match="too short for SyncNet"):
        score_sync(networks[1], *_material(n_frames, n_samples))

"""Scores of known distortions of the phantom corpus's exact truth."""

from __future__ import annotations

import numpy as np
import pytest
from real_clips import CHECKOUT

from eap.config import load_config
from eap.data.mel import log_mel
from eap.data.phantom.identity import make_identity
from eap.data.phantom.render import Renderer
from eap.data.phantom.take import act
from eap.evaluation.intensity import ccc
from eap.evaluation.lip_distance import lmd
from eap.evaluation.lip_sync import sync_distances, sync_scores

OFFSETS = range(-6, 7)
EMOTIONS = ("neutral", "happy", "sad", "angry")
WINDOW = 5


class Spoken:
    """One take: its landmarks, its sound, its emotion."""

    def __init__(self, person: int, sentence: int) -> None:
        identity = make_identity(7, person)
        take = act(identity, EMOTIONS[sentence % 4], 2, sentence, (7, person, sentence))
        self.landmarks = Renderer(identity, 256).landmarks(take.performance)
        self.waveform, self.va = take.waveform, take.va_T2

    def lips(self) -> np.ndarray:
        """Windows of five frames of the lips' shape in face widths, ``[L, 200]``."""
        lips = self.landmarks[:, 48:68] - self.landmarks[:, 33:34]
        lips = lips / np.linalg.norm(self.landmarks[:, 16] - self.landmarks[:, 0], axis=-1)[:, None, None]
        return _windows(lips.reshape(len(lips), -1))

    def sound(self, audio, offset: int = 0) -> np.ndarray:
        """Windows of the five mel columns of the same frames, the sound being late by `offset` frames."""
        moved = np.zeros_like(self.waveform)
        shift = 640 * offset
        moved[max(shift, 0) : len(moved) + min(shift, 0)] = self.waveform[max(-shift, 0) : len(moved) - max(shift, 0)]
        return _windows(log_mel(moved, audio))


def _windows(values_TD: np.ndarray) -> np.ndarray:
    rows = np.arange(len(values_TD) - WINDOW + 1)[:, None] + np.arange(WINDOW)
    return values_TD[rows].reshape(len(rows), -1)


@pytest.fixture(scope="module")
def takes() -> list[Spoken]:
    return [Spoken(person, sentence) for person in range(4) for sentence in range(6)]


def test_an_injected_offset_is_found_by_the_sync_score(takes) -> None:
    """What a sync network learns, in closed form: the canonical correlations of lips and sound, from other people."""
    audio = load_config({}, CHECKOUT / "workflow" / "presets").audio
    known, unseen = takes[:18], takes[18:]
    x, y = (np.concatenate(part) for part in zip(*((t.sound(audio), t.lips()) for t in known), strict=True))
    mean, to_heard, to_seen = x.mean(0), *_correlate(x, y)
    found = []
    for take in unseen:
        seen = take.lips() @ to_seen
        for offset in OFFSETS:
            heard = (take.sound(audio, offset) - mean) @ to_heard
            distances = sync_distances(seen - seen.mean(0), heard - heard.mean(0))
            found.append(sync_scores(distances).offset == offset)
    assert len(found) == 6 * 13
    assert np.mean(found) >= 0.95


def _correlate(x: np.ndarray, y: np.ndarray, n: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """Maps of two series to their first n canonical variates, the first scaled by how well it tells the second."""
    x, y = x - x.mean(0), y - y.mean(0)
    white_x, white_y = _whiten(x, 0.3), _whiten(y, 0.01)
    left, correlation, right = np.linalg.svd(white_x @ (x.T @ y / len(x)) @ white_y)
    return white_x @ left[:, :n] * correlation[:n], white_y @ right[:n].T


def _whiten(x: np.ndarray, ridge: float) -> np.ndarray:
    covariance = x.T @ x / len(x)
    values, vectors = np.linalg.eigh(covariance + ridge * np.trace(covariance) / len(covariance) * np.eye(x.shape[1]))
    return (vectors / np.sqrt(values)) @ vectors.T


def test_lmd_of_the_truth_is_0_and_grows_with_noise(takes) -> None:
    truth = takes[0].landmarks.astype(float)
    rng = np.random.default_rng(0)
    noise = rng.normal(size=truth.shape)
    for alignment in ("none", "center", "interocular"):
        values = [lmd(truth + sigma * noise, truth, alignment).value for sigma in (0, 0.25, 0.5, 1, 2, 4, 8)]
        assert values[0] == 0
        assert (np.diff(values) > 0).all()
    # the mean length of a plane Gaussian is sigma sqrt(pi / 2)
    assert lmd(truth + 2 * noise, truth).value == pytest.approx(2 * np.sqrt(np.pi / 2), rel=0.05)


@pytest.mark.parametrize(("scale", "shift"), [(1.0, 0.2), (0.5, 0.0), (-0.7, 0.1), (1.8, -0.3)])
def test_ccc_of_an_affine_distortion_is_its_closed_form(takes, scale: float, shift: float) -> None:
    """CCC(s y + c, y) = 2 s v / (s^2 v + v + ((s - 1) m + c)^2) with mean m and variance v of y."""
    for y in takes[1].va.T.astype(float):
        mean, variance = y.mean(), y.var()
        expected = 2 * scale * variance / (scale**2 * variance + variance + ((scale - 1) * mean + shift) ** 2)
        assert ccc(scale * y + shift, y) == pytest.approx(expected, abs=1e-9)

"""The voice carries the emotion: from moment to moment, more at each level, in each class's own way."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from eap.data.phantom.identity import make_identity
from eap.data.phantom.speech import SAMPLE_RATE
from eap.data.phantom.take import act
from eap.data.phantom.voice import LEVEL_DB, colour, levelled, prosody, sound
from eap.data.pseudo_labels import DIRECTION_DEG

NOISE = np.random.default_rng(0).normal(0, 0.02, SAMPLE_RATE).astype(np.float32)


def _rng() -> np.random.Generator:
    return np.random.default_rng(1)


def _va(emotion: str, intensity: float) -> np.ndarray:
    angle = np.deg2rad(DIRECTION_DEG[emotion])
    return intensity * np.array([np.cos(angle), np.sin(angle)])


def _gain(changed: np.ndarray, low_hz: int, high_hz: int) -> float:
    """Power in a band relative to the plain noise's; one bin of the transform is 1 Hz."""
    power = np.abs(np.fft.rfft(changed)) ** 2
    return float(power[low_hz:high_hz].sum() / (np.abs(np.fft.rfft(NOISE)) ** 2)[low_hz:high_hz].sum())


def _spectrum(emotion: str, intensity: float) -> np.ndarray:
    """Mean log power of 16 bands of noise that is spoken with an emotion."""
    va = _va(emotion, intensity)
    changed = sound(NOISE, lambda times: np.repeat(va[None], len(times), 0), 25, _rng())
    power = np.abs(np.fft.rfft(changed)[:8000]) ** 2
    return 10 * np.log10(power.reshape(16, -1).mean(1))


def test_nothing_asked_for_is_nothing_changed() -> None:
    assert np.allclose(colour(NOISE, rng=_rng()), np.tanh(NOISE), atol=1e-6)
    assert all(p.pitch == p.pitch_range == p.rate == 0 for p in prosody(np.zeros((3, 2))))


def test_each_quality_is_where_it_should_be() -> None:
    assert _gain(colour(NOISE, gain=6.0, rng=_rng()), 50, 7000) == pytest.approx(4, rel=0.05)
    bright = colour(NOISE, tilt=6.0, rng=_rng())
    assert _gain(bright, 5000, 7000) > 3
    assert _gain(bright, 50, 300) < 1.1
    ringing = colour(NOISE, ring=1.0, rng=_rng())
    assert _gain(ringing, 2500, 3500) > 4
    assert _gain(ringing, 100, 600) < 1.2
    nasal = colour(NOISE, nasal=1.0, rng=_rng())
    assert _gain(nasal, 250, 350) > 3
    assert _gain(nasal, 900, 1300) < 0.4
    breathy = colour(NOISE, breath=1.0, rng=_rng())
    assert _gain(breathy, 4000, 7000) > 1.5
    assert _gain(breathy, 100, 600) < 1.05


@pytest.mark.parametrize(("quality", "hz"), [("tremble", 6), ("creak", 20), ("laugh", 10), ("rough", 70)])
def test_modulations_have_their_rates(quality: str, hz: int) -> None:
    ones = np.full(4 * SAMPLE_RATE, 0.1)
    changed = np.arctanh(colour(ones, **{quality: 0.5}, rng=_rng()).astype(np.float64))
    middle = SAMPLE_RATE // 2  # the filters of a constant die out in the first half second
    spectrum = np.abs(np.fft.rfft(changed[middle:] - changed[middle:].mean()))
    assert np.argmax(spectrum) / (len(changed) - middle) * SAMPLE_RATE == pytest.approx(hz, abs=0.5)


def test_the_colour_follows_the_moment() -> None:
    calm_then_angry = lambda times: np.outer(times > 0.5, _va("angry", 0.9))  # noqa: E731
    changed = sound(NOISE, calm_then_angry, 25, _rng())
    half = SAMPLE_RATE // 2
    assert np.allclose(changed[: half - 1000], np.tanh(NOISE[: half - 1000]), atol=1e-6)
    assert (changed[half + 1000 :] ** 2).mean() > 3 * (changed[: half - 1000] ** 2).mean()


@pytest.mark.parametrize("emotion", [e for e in DIRECTION_DEG if e != "calm"])
def test_every_level_is_further_from_neutral(emotion: str) -> None:
    away = [np.abs(_spectrum(emotion, i) - _spectrum("happy", 0)).mean() for i in (0.35, 0.62, 0.92)]
    assert 0.3 < away[0] < away[1] < away[2]


def test_neighbours_on_the_circumplex_sound_different() -> None:
    near = ["surprised", "fear", "angry", "disgusted", "contempt", "sad"]
    spectra = [_spectrum(e, 0.62) for e in near]
    assert min(np.abs(a - b).max() for a, b in itertools.pairwise(spectra)) > 3  # dB


def test_people_are_levelled_to_their_own_loudness() -> None:
    said = np.concatenate([NOISE, np.zeros(SAMPLE_RATE // 2, np.float32)])
    for offset in (-2.0, 3.0):
        once, twice = levelled(said, offset), levelled(0.1 * said, offset)
        assert np.allclose(once, twice, rtol=1e-5)
        loud = 20 * np.log10(np.sqrt((once[:SAMPLE_RATE] ** 2).mean()))
        assert loud == pytest.approx(LEVEL_DB + offset, abs=0.5)
    assert len({make_identity(0, i).voice.loudness_db for i in range(20)}) == 20


def test_levels_of_one_sentence_are_heard_in_speech() -> None:
    person = make_identity(0, 4)
    power = [float((act(person, "angry", level, 8, (0, 4, 1)).waveform ** 2).mean()) for level in (1, 2, 3)]
    assert power[0] < power[1] < power[2]

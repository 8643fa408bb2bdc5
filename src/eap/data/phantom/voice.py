"""How emotion sounds: each class's way of speaking, and the colouring of a waveform that follows valence and arousal.

CHOSEN, after the directions that Juslin & Laukka (2003) and Gobl & Ni Chasaide (2003) report: fear is high, breathy and
trembles; disgust is low, slow and creaks; contempt is flat and nasal; sadness slow, soft, dull and falling; happiness
wide and bright; anger loud, tense and rough; surprise high, rising and breathy. Everything is proportional to the
intensity and interpolated between the classes (`expression.around_circumplex`), so that the voice, like the face, is a
function of (valence, arousal) from moment to moment.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.ndimage import uniform_filter1d
from scipy.signal import butter, sosfilt

from eap.data.phantom.expression import around_circumplex, class_table
from eap.data.phantom.speech import SAMPLE_RATE, Prosody

WAYS = ("pitch", "range", "speed", "gain", "tilt", "rough", "tremble", "breath", "creak", "nasal", "ring", "laugh")
"""What of a voice an emotion changes; `colour` explains all but the first three, which are `speech.Prosody`'s."""

# fmt: off
_TABLE = class_table(
    {  # pitch, range, speed: fractions; gain, tilt: dB; the others: depth, about 0 to 1; all at intensity 1
        "happy":     (0.60,  1.0,  0.12,   6.0,   4.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.6, 0.9),
        "surprised": (0.80,  0.9,  0.05,   5.0,   4.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0),
        "fear":      (0.50, -0.2,  0.28,  -1.0,  -4.0, 0.0, 1.0, 0.9, 0.0, 0.0, 0.0, 0.0),
        "angry":     (0.10,  0.5,  0.15,  13.0,   9.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.4, 0.0),
        "disgusted": (-0.40, 0.0, -0.30,   3.0,  -6.0, 0.6, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0),
        "contempt":  (-0.20, -0.9, -0.20, -5.0,   6.0, 0.0, 0.0, 0.5, 0.0, 1.2, 0.0, 0.0),
        "sad":       (-0.20, -0.6, -0.28, -10.0, -14.0, 0.0, 0.2, 0.0, 0.0, 0.0, -0.6, 0.0),
        "calm":      (-0.08, -0.3, -0.15, -4.0,  -5.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
    }
)
# fmt: on
LEVEL_DB = -24.0
"""Loudness of every sentence before emotion and person: root mean square of its louder half, relative to full scale.

espeak-ng's own differs by 10 dB between voices; the recording level of real corpora is set per speaker, too."""
ONSET = 0.65
"""Exponent of the intensity: a voice gives a slight emotion away sooner than a face does."""
_FADE_S = 0.02
"""Time constant of the envelope that breath follows."""


def prosody(va_W2: np.ndarray) -> list[Prosody]:
    """How words are said at each word's valence and arousal ``[W, 2]``."""
    return [Prosody(*way[:3]) for way in _ways(va_W2)]


def sound(
    waveform: np.ndarray, va_of: Callable[[np.ndarray], np.ndarray], fps: int, rng: np.random.Generator
) -> np.ndarray:
    """A waveform in the colour of the emotion of each moment.

    Parameters
    ----------
    waveform
        Float ``[L]``, speech among silence.
    va_of
        Valence and arousal ``[N, 2]`` at times in s ``[N]``; asked for at `fps` times per second.
    rng
        Draws the breath's noise.
    """
    times = np.arange(len(waveform) * fps // SAMPLE_RATE + 1) / fps
    at = np.arange(len(waveform)) / SAMPLE_RATE
    ways = _ways(va_of(times))
    named = {name: np.interp(at, times, ways[:, WAYS.index(name)]) for name in WAYS[3:]}
    return colour(waveform, rng=rng, **named)


def _ways(va_N2: np.ndarray) -> np.ndarray:
    """`WAYS` at each valence and arousal, ``[N, 12]``."""
    radius = np.hypot(*va_N2.T)[:, None]
    return around_circumplex(_TABLE, va_N2 * np.maximum(radius, 1e-9) ** (ONSET - 1))


def levelled(waveform: np.ndarray, offset_db: float) -> np.ndarray:
    """A sentence at `LEVEL_DB` plus a person's own offset."""
    power = uniform_filter1d(waveform.astype(np.float64) ** 2, SAMPLE_RATE // 25)
    loud = np.sqrt(power[power >= np.median(power)].mean())
    return waveform * (10 ** ((LEVEL_DB + offset_db) / 20) / max(loud, 1e-6))


def colour(
    waveform: np.ndarray,
    *,
    gain: np.ndarray | float = 0.0,
    tilt: np.ndarray | float = 0.0,
    rough: np.ndarray | float = 0.0,
    tremble: np.ndarray | float = 0.0,
    breath: np.ndarray | float = 0.0,
    creak: np.ndarray | float = 0.0,
    nasal: np.ndarray | float = 0.0,
    ring: np.ndarray | float = 0.0,
    laugh: np.ndarray | float = 0.0,
    rng: np.random.Generator,
) -> np.ndarray:
    """Loudness and timbre; every value is a number or ``[L]``, as the waveform is.

    Parameters
    ----------
    gain
        Loudness, dB.
    tilt
        Level above 1.5 kHz relative to below, dB: positive is bright and tense, negative dull and soft.
    tremble, creak, laugh
        Depth, 0 to 1, of a modulation of the amplitude: 6 Hz, pulses of 20 Hz, 10 Hz.
    rough
        Depth of a modulation of 70 Hz, and noise from 0.8 to 3 kHz that follows the envelope, relative to it.
    breath
        The same above 3 kHz.
    nasal
        1: 9 dB more around 300 Hz, 18 dB less from 700 to 1600 Hz.
    ring
        1: 10 dB more from 2.2 to 3.8 kHz; negative: less.
    """
    x = waveform.astype(np.float64)
    t = np.arange(len(x)) / SAMPLE_RATE
    shaped = x + _band(x, 1500, None) * (_ratio(tilt) - 1)
    shaped += _band(x, 200, 420) * (_ratio(9 * np.asarray(nasal)) - 1)
    shaped += _band(x, 700, 1600) * (_ratio(-18 * np.asarray(nasal)) - 1)
    shaped += _band(x, 2200, 3800) * (_ratio(10 * np.asarray(ring)) - 1)
    envelope = np.sqrt(uniform_filter1d(x**2, round(_FADE_S * SAMPLE_RATE)).clip(0))
    noise = rng.standard_normal(len(x))
    shaped += envelope * (breath * _band(noise, 3000, None) + rough * _band(noise, 800, 3000))
    shaped *= _ratio(gain)
    shaped *= 1 - rough * (0.5 + 0.5 * np.sin(2 * np.pi * 70 * t))
    shaped *= 1 - tremble * (0.5 + 0.5 * np.sin(2 * np.pi * 6 * t))
    shaped *= 1 - laugh * (0.5 + 0.5 * np.sin(2 * np.pi * 10 * t))
    shaped *= 1 - creak * (1 - np.exp(4 * (np.cos(2 * np.pi * 20 * t) - 1)))
    return np.tanh(shaped).astype(np.float32)


def _ratio(decibels: np.ndarray | float) -> np.ndarray:
    return 10 ** (np.asarray(decibels) / 20)


def _band(x: np.ndarray, low_hz: float, high_hz: float | None) -> np.ndarray:
    """The part of a sound between two frequencies (second order; above `low_hz` without the other)."""
    if high_hz is None:
        return sosfilt(butter(1, low_hz, "high", fs=SAMPLE_RATE, output="sos"), x)
    return sosfilt(butter(1, (low_hz, high_hz), "band", fs=SAMPLE_RATE, output="sos"), x)

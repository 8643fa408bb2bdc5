"""One clip before it is drawn: a person says a sentence with an emotion, and voice and face follow the same curve."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import PchipInterpolator
from scipy.ndimage import gaussian_filter1d

from eap.data.phantom.expression import actions, column
from eap.data.phantom.face import Pose
from eap.data.phantom.identity import Identity
from eap.data.phantom.render import Performance
from eap.data.phantom.sentences import SENTENCES
from eap.data.phantom.speech import SAMPLE_RATE, speak
from eap.data.phantom.truth import FPS
from eap.data.phantom.visemes import Segment, mouth_track, to_visemes, viseme_at
from eap.data.phantom.voice import levelled, prosody, sound
from eap.data.pseudo_labels import DIRECTION_DEG

Curve = Callable[[np.ndarray], np.ndarray]
"""Valence and arousal ``[T, 2]`` at times in s."""

MIN_FRAMES = 32
"""A short call is followed by silence."""
LEVEL_INTENSITY = {1: 0.35, 2: 0.62, 3: 0.92}
"""Peak intensity of each level (CHOSEN)."""


@dataclass(frozen=True)
class Take:
    """Sound, movement and ground truth of one clip of T frames."""

    sentence: str
    waveform: np.ndarray
    """Float32 ``[640 T]`` in [-1, 1], 16 kHz."""
    performance: Performance
    va_T2: np.ndarray
    """Valence and arousal of each frame."""
    visemes: tuple[str, ...]
    av_offset: int
    """Frames by which the mouth comes after the sound."""


def act(person: Identity, emotion: str, level: int, sentence: int, seed: tuple[int, ...], av_offset: int = 0) -> Take:
    """Let a person say a sentence.

    Parameters
    ----------
    emotion, level
        Class and 1 to 3; neutral has level 1 and intensity 0.
    sentence
        Index into `sentences.SENTENCES`.
    seed
        What makes this take differ from others of the same.
    av_offset
        Frames by which the mouth lags behind the sound; negative: runs ahead.
    """
    rng = np.random.default_rng([*seed, 3])
    words = SENTENCES[sentence].split()
    at_words = _emotion_curve(len(words), emotion, level, rng)
    said = speak(words, prosody(at_words), person.voice)
    lead_s = float(rng.uniform(0.12, 0.30))
    n_frames = max(int(np.ceil((lead_s + len(said.waveform) / SAMPLE_RATE + 0.1) * FPS)), MIN_FRAMES)
    times = (np.arange(n_frames) + 0.5) / FPS
    heard = [index for index, _ in said.words]
    va_of = _curve_in_time(np.array([start for _, start in said.words]) + lead_s, at_words[heard])
    va = va_of(times)
    padded = np.zeros(n_frames * SAMPLE_RATE // FPS, np.float32)
    start = round(lead_s * SAMPLE_RATE)
    padded[start : start + len(said.waveform)] = levelled(said.waveform, person.voice.loudness_db)
    waveform = sound(padded, va_of, FPS, np.random.default_rng([*seed, 5]))
    visemes = to_visemes([Segment(p.name, p.start_s + lead_s, p.end_s + lead_s) for p in said.phonemes])
    visemes = [Segment("sil", 0.0, visemes[0].start_s), *visemes, Segment("sil", visemes[-1].end_s, n_frames / FPS)]
    late = times - av_offset / FPS
    moves = actions(va)
    mouth = mouth_track(visemes, late)
    effort = 0.85 + 0.25 * va[:, 1]
    mouth[:, 0] = np.clip(mouth[:, 0] * effort + column(moves, "jaw") * (1 - mouth[:, 3]), 0, 1.15)
    loud = _loudness(waveform, n_frames)
    performance = Performance(moves, mouth, _blinks(n_frames, rng), _gaze(n_frames, rng), _pose(va, loud, rng))
    return Take(SENTENCES[sentence], waveform, performance, va, tuple(viseme_at(visemes, late)), av_offset)


def _emotion_curve(n_words: int, emotion: str, level: int, rng: np.random.Generator) -> np.ndarray:
    """Valence and arousal at each word ``[W, 2]``: the class's direction, an intensity that rises and falls."""
    if emotion == "neutral":
        return np.zeros((n_words, 2))
    swell = rng.uniform(0.45, 1.0, max(n_words // 2, 2))
    swell /= swell.max()
    envelope = np.interp(np.linspace(0, 1, n_words), np.linspace(0, 1, len(swell)), swell)
    radius = np.clip(LEVEL_INTENSITY[level] + rng.normal(0, 0.03), 0, 1) * envelope
    angle = np.deg2rad(DIRECTION_DEG[emotion] + np.cumsum(rng.normal(0, 1.5, n_words)).clip(-4, 4))
    return radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], -1)


def _curve_in_time(starts_s: np.ndarray, va_W2: np.ndarray) -> Curve:
    """The emotion at any time: smooth and without overshoot between the words, steady before and after."""
    if len(starts_s) < 2:
        return lambda times: np.repeat(va_W2[:1], len(times), 0)
    curve = PchipInterpolator(starts_s, va_W2)
    return lambda times: curve(np.clip(times, starts_s[0], starts_s[-1]))


def _loudness(waveform: np.ndarray, n_frames: int) -> np.ndarray:
    """Smoothed loudness of each frame, about 0 to 1."""
    power = np.sqrt((waveform.reshape(n_frames, -1) ** 2).mean(1))
    return gaussian_filter1d(power, 1.5) / 0.15


def _blinks(n_frames: int, rng: np.random.Generator) -> np.ndarray:
    blink, at = np.zeros(n_frames), int(rng.uniform(5, 70))
    while at < n_frames:
        shape = (0.45, 1.0, 0.8, 0.3)
        stop = min(at + len(shape), n_frames)
        blink[at:stop] = shape[: stop - at]
        at += int(rng.uniform(50, 130))
    return blink


def _gaze(n_frames: int, rng: np.random.Generator) -> np.ndarray:
    n_looks = n_frames // 20 + 1
    looks = rng.normal(0, (0.025, 0.010), (n_looks, 2)).clip(-0.06, 0.06)
    return np.repeat(looks, 20, 0)[:n_frames]


def _pose(va: np.ndarray, loud: np.ndarray, rng: np.random.Generator) -> Pose:
    """Small smooth head motion, livelier with arousal, nodding with the voice."""
    n = len(va)

    def drift(deviation: float, base: float) -> np.ndarray:
        noise = gaussian_filter1d(rng.standard_normal(n + 60), 9)[30 : 30 + n]
        return deviation * (1 + 0.5 * va[:, 1].clip(-0.8)) * noise / 0.178 + rng.normal(0, base)

    return Pose(
        yaw_T=drift(0.040, 0.050).clip(-0.20, 0.20),
        pitch_T=(drift(0.025, 0.025) + 0.03 * np.clip(loud, 0, 1.5)).clip(-0.12, 0.14),
        roll_T=drift(0.022, 0.025).clip(-0.12, 0.12),
        shift_T2=np.stack([drift(0.02, 0.04), drift(0.015, 0.03)], -1).clip(-0.2, 0.2),
        scale_T=1 + drift(0.004, 0.012).clip(-0.04, 0.04),
    )

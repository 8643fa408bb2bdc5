"""Speech with timed phonemes from espeak-ng, shaped word by word.

The library comes with the package `espeakng-loader`. Its licence is GPL-3; it is loaded at run time and is no part of
this project.
"""

from __future__ import annotations

import _ctypes
import ctypes
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple
from xml.sax.saxutils import escape

import espeakng_loader
import numpy as np

from eap.data.phantom.identity import Voice
from eap.data.phantom.visemes import Segment
from eap.data.sound import resample

SAMPLE_RATE = 16000

_RETRIEVE, _PHONEME_EVENTS = 1, 1  # audio goes to the callback; events of phonemes are wanted
_UTF8, _SSML = 1, 0x10
_RATE, _PITCH = 1, 3
_END, _WORD, _PHONEME = 0, 1, 7
_SEED = 1
LEAST_SAID = 0.9
"""Share of an evenly spoken sentence's sounds below which words are missing (its prosody may drop a few)."""


@dataclass(frozen=True)
class Prosody:
    """How one word is said, relative to the voice's own way."""

    pitch: float = 0.0
    """Change of the pitch, fraction: 0.2 is 20 % higher."""
    pitch_range: float = 0.0
    """Change of the intonation's width, fraction."""
    rate: float = 0.0
    """Change of the speed, fraction."""


@dataclass(frozen=True)
class Utterance:
    """Speech and what is heard when."""

    waveform: np.ndarray
    """Float32 ``[L]`` in [-1, 1] at `SAMPLE_RATE`."""
    phonemes: tuple[Segment, ...]
    """espeak-ng's phonemes, pauses included."""
    words: tuple[tuple[int, float], ...]
    """Index and start (s) of each word that begins with a sound of its own; espeak-ng says "from the" as one."""


class _Identifier(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    """espeak-ng's `espeak_EVENT` (speak_lib.h)."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Identifier),
    )


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event), use_errno=False
)


def speak(words: Sequence[str], prosody: Sequence[Prosody], voice: Voice) -> Utterance:
    """Say words, each in its own way.

    The same arguments give the same samples: the library, which keeps a state from one utterance to the next, is
    loaded anew for each.

    Where pitch, range and speed all change at words that it joins ("about the"), espeak-ng loses most of a clause, up
    to all of it: a tenth of the sentences. These are said without change of the range.

    Raises
    ------
    RuntimeError
        If espeak-ng refuses the voice or the text, or loses words in either way.
    """
    whole = _n_sounds(_say(words, [Prosody()] * len(words), voice))
    for shaped in (prosody, [replace(p, pitch_range=0.0) for p in prosody]):
        said = _say(words, shaped, voice)
        if _n_sounds(said) >= LEAST_SAID * whole:
            return said
    raise RuntimeError(f"espeak-ng says {_n_sounds(said)} of {whole} sounds of {' '.join(words)!r}")


def _n_sounds(said: Utterance) -> int:
    return sum(not phoneme.name.startswith("_") for phoneme in said.phonemes)


def _say(words: Sequence[str], prosody: Sequence[Prosody], voice: Voice) -> Utterance:
    """What espeak-ng makes of it."""
    spoken = [
        f'<prosody pitch="{100 * p.pitch:+.0f}%" range="{100 * p.pitch_range:+.0f}%" rate="{100 + 100 * p.rate:.0f}%">'
        f"{escape(word)}</prosody>"
        for word, p in zip(words, prosody, strict=True)
    ]
    text = f"<speak>{' '.join(spoken)}</speak>"
    ends = np.cumsum([len(part) + 1 for part in spoken]) + len("<speak>")
    samples, events, rate = _synthesize(text, voice)
    heard_rate = rate * voice.tract
    waveform = resample(samples.astype(np.float32) / 32768, round(heard_rate), SAMPLE_RATE)
    end_s = len(samples) / heard_rate
    timed = [(event.sample / heard_rate, event.phoneme) for event in events if event.kind == _PHONEME]
    edges = [*(start for start, _ in timed[1:]), end_s]
    phonemes = tuple(Segment(name, start, end) for (start, name), end in zip(timed, edges, strict=True) if end > start)
    heard = tuple(
        (int(np.searchsorted(ends, event.position)), event.sample / heard_rate)
        for event in events
        if event.kind == _WORD
    )
    return Utterance(waveform, phonemes, heard)


class _Heard(NamedTuple):
    kind: int
    phoneme: str
    position: int  # of the word's first character in the text, from 1
    sample: int


def _synthesize(text: str, voice: Voice) -> tuple[np.ndarray, list[_Heard], int]:
    """int16 samples, events, sample rate."""
    blocks: list[np.ndarray] = []
    events: list[_Heard] = []

    def receive(samples: ctypes.Array, count: int, event: ctypes.Array) -> int:
        if samples and count:
            blocks.append(np.ctypeslib.as_array(samples, (count,)).copy())
        i = 0
        while event[i].type != _END:
            name = event[i].id.string.decode() if event[i].type == _PHONEME else ""
            events.append(_Heard(event[i].type, name, event[i].text_position, event[i].sample))
            i += 1
        return 0

    library = ctypes.CDLL(espeakng_loader.get_library_path())
    callback = _Callback(receive)
    try:
        rate = library.espeak_Initialize(_RETRIEVE, 0, espeakng_loader.get_data_path().encode(), _PHONEME_EVENTS)
        if rate <= 0:
            raise RuntimeError(f"espeak-ng could not start with its data in {espeakng_loader.get_data_path()!r}")
        library.espeak_ng_SetRandSeed(ctypes.c_long(_SEED))
        library.espeak_SetSynthCallback(callback)
        if library.espeak_SetVoiceByName(voice.variant.encode()):
            raise RuntimeError(f"espeak-ng has no voice {voice.variant!r}")
        library.espeak_SetParameter(_PITCH, voice.pitch, 0)
        library.espeak_SetParameter(_RATE, voice.words_per_minute, 0)
        data = text.encode()
        if library.espeak_Synth(data, len(data) + 1, 0, 1, 0, _UTF8 | _SSML, None, None):
            raise RuntimeError(f"espeak-ng could not say {text!r}")
        library.espeak_Synchronize()
    finally:
        library.espeak_Terminate()
        _ctypes.dlclose(library._handle)  # the next utterance must not hear this one's state
    if not blocks:
        raise RuntimeError(f"espeak-ng said nothing for {text!r}")
    return np.concatenate(blocks), events, rate

"""Speech: sounds with times, the same again for the same arguments, and a voice that can be shaped."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from eap.data.phantom.identity import Voice, make_identity
from eap.data.phantom.sentences import SENTENCES
from eap.data.phantom.speech import SAMPLE_RATE, Prosody, speak
from eap.data.phantom.visemes import to_visemes

VOICE = make_identity(0, 0).voice
WORDS = ["mama", "buys", "a", "boat"]
PLAIN = [Prosody()] * 4


def _pitch_hz(waveform: np.ndarray) -> float:
    """Strongest repetition of the loudest tenth of a second, between 70 and 400 Hz."""
    frame = SAMPLE_RATE // 10
    loudest = max(
        range(0, len(waveform) - frame, frame // 2), key=lambda i: float((waveform[i : i + frame] ** 2).sum())
    )
    part = waveform[loudest : loudest + frame]
    echo = np.correlate(part, part, "full")[frame - 1 :]
    low, high = SAMPLE_RATE // 400, SAMPLE_RATE // 70
    return SAMPLE_RATE / (low + int(echo[low:high].argmax()))


def test_the_same_words_sound_the_same_whatever_was_said_before() -> None:
    first = speak(WORDS, PLAIN, VOICE)
    speak(["something", "else"], [Prosody(0.4)] * 2, make_identity(0, 1).voice)
    again = speak(WORDS, PLAIN, VOICE)
    assert np.array_equal(first.waveform, again.waveform)
    assert first.phonemes == again.phonemes


def test_phonemes_follow_each_other_through_the_whole_sound() -> None:
    said = speak(WORDS, PLAIN, VOICE)
    assert 0.7 < len(said.waveform) / SAMPLE_RATE < 3
    edges = [(p.start_s, p.end_s) for p in said.phonemes]
    assert all(a[1] == b[0] and a[0] < a[1] for a, b in itertools.pairwise(edges))
    assert edges[-1][1] == pytest.approx(len(said.waveform) / SAMPLE_RATE, abs=0.01)
    visemes = [v.name for v in to_visemes(said.phonemes)]
    assert visemes.count("PP") == 4  # m, m, b, b
    assert [index for index, _ in said.words] == [0, 1, 2, 3]


def test_sound_is_where_its_phoneme_is() -> None:
    said = speak(["mama"], PLAIN[:1], VOICE)
    vowel = next(p for p in said.phonemes if p.name.lstrip("',").startswith(("a", "A")))
    inside = said.waveform[int(vowel.start_s * SAMPLE_RATE) : int(vowel.end_s * SAMPLE_RATE)]
    assert (inside**2).mean() > 2 * (said.waveform**2).mean() * 0.8


def test_prosody_is_heard() -> None:
    plain = speak(WORDS, PLAIN, VOICE)
    fast, high = speak(WORDS, [Prosody(rate=0.4)] * 4, VOICE), speak(WORDS, [Prosody(pitch=0.5)] * 4, VOICE)
    assert len(fast.waveform) < 0.9 * len(plain.waveform)
    assert _pitch_hz(high.waveform) > 1.2 * _pitch_hz(plain.waveform)


def test_an_absent_voice_is_named() -> None:
    with pytest.raises(RuntimeError, match="no voice 'xx-nowhere'"):
        speak(["a"], [Prosody()], Voice("xx-nowhere", 50, 170, 1.0))


def test_every_sentence_of_every_corpus_can_be_said() -> None:
    assert len(set(SENTENCES)) == 40
    lengths = []
    for sentence in SENTENCES:
        said = speak(sentence.split(), [Prosody()] * len(sentence.split()), VOICE)
        to_visemes(said.phonemes)  # raises on an unknown phoneme
        lengths.append(len(said.phonemes))
    assert np.std(lengths) > 3  # of varied rhythm: their lengths alone say that


@pytest.mark.parametrize("sentence", [1, 10, 11, 20, 26])
def test_no_word_is_lost_where_everything_changes_at_once(sentence: int) -> None:
    """Sentences of which espeak-ng said a few sounds, or silence, when pitch, range and speed changed at each word."""
    words = SENTENCES[sentence].split()
    shaped = [Prosody(0.10 + 0.02 * i, -0.10 + 0.03 * i, -0.02 - 0.01 * i) for i in range(len(words))]
    for person in (0, 1):
        voice = make_identity(0, person).voice
        said, plain = speak(words, shaped, voice), speak(words, [Prosody()] * len(words), voice)
        assert len(said.phonemes) >= 0.85 * len(plain.phonemes)
        assert np.abs(said.waveform).max() > 0.1
        assert len(said.waveform) > 0.7 * len(plain.waveform)

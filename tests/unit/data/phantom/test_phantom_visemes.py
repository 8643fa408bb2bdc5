"""Mouths of sounds: bilabials close, vowels open, neighbours colour each other."""

from __future__ import annotations

import numpy as np
import pytest

from eap.data.phantom.visemes import CHANNELS, TARGETS, Segment, mouth_track, to_visemes, viseme_at

OPEN, ROUND, PRESS = CHANNELS.index("open"), CHANNELS.index("round"), CHANNELS.index("press")
AMA = [Segment("sil", 0, 0.1), Segment("aa", 0.1, 0.3), Segment("PP", 0.3, 0.38), Segment("aa", 0.38, 0.6)]


def test_a_diphthong_is_two_visemes_and_stress_marks_do_not_count() -> None:
    assert to_visemes([Segment("'aI", 1.0, 1.2)]) == [Segment("aa", 1.0, 1.1), Segment("ih", 1.1, 1.2)]


def test_an_unknown_phoneme_is_named() -> None:
    with pytest.raises(ValueError, match="'qq' has no viseme"):
        to_visemes([Segment("qq", 0, 0.1)])


def test_a_bilabial_between_open_vowels_shuts_the_lips() -> None:
    mouth = mouth_track(AMA, np.array([0.2, 0.34, 0.49]))
    assert mouth[1, OPEN] == 0
    assert mouth[1, PRESS] == 1
    assert mouth[[0, 2], OPEN].min() > 0.7


@pytest.mark.parametrize("phase", np.linspace(0, 0.04, 9))
def test_a_video_frame_always_sees_the_closure(phase: float) -> None:
    track = mouth_track(AMA, np.arange(phase, 0.6, 0.04))
    assert track[:, OPEN].min() == 0


def test_a_rounded_neighbour_rounds_a_consonant_before_its_own_time() -> None:
    at = np.array([0.05])
    before_ou = mouth_track([Segment("SS", 0, 0.1), Segment("ou", 0.1, 0.25)], at)[0, ROUND]
    before_ih = mouth_track([Segment("SS", 0, 0.1), Segment("ih", 0.1, 0.25)], at)[0, ROUND]
    assert before_ou > before_ih + 0.1


def test_a_long_sound_reaches_its_target_and_stays_within_all_targets() -> None:
    track = mouth_track(
        [Segment("sil", 0, 0.2), Segment("oh", 0.2, 0.8), Segment("sil", 0.8, 1.0)], np.linspace(0, 1, 99)
    )
    assert np.allclose(track[49], TARGETS["oh"], atol=0.02)
    assert track.min() >= 0
    assert track.max() <= 1


def test_which_sound_is_heard() -> None:
    assert viseme_at(AMA, np.array([0.05, 0.35, 0.7, -1.0])) == ["sil", "PP", "sil", "sil"]

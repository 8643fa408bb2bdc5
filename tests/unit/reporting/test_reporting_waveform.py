"""The waveform's outline, by hand."""

from __future__ import annotations

import numpy as np

from eap.reporting.waveform import waveform_path


def test_outline_goes_forth_above_and_back_below() -> None:
    pcm16 = np.array([0, 100, -50, 0, 200, 0, 0, -200], np.int16)  # two bins of 4 samples at 400 Hz, BIN_S = 0.01
    assert waveform_path(pcm16, 400) == "M0.005,-0.5L0.015,-1L0.015,1L0.005,0.25Z"


def test_silence_and_too_little_sound_have_no_outline() -> None:
    assert waveform_path(np.zeros(800, np.int16), 400) == ""
    assert waveform_path(np.ones(3, np.int16), 400) == ""

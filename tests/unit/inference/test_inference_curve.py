"""Curves of valence and arousal."""

from __future__ import annotations

import numpy as np
import pytest

from eap.inference.curve import read_curve, sample_curve
from eap.stage import StageError


def written(tmp_path, text):
    path = tmp_path / "curve.csv"
    path.write_text(text)
    return path


def test_linear_between_points_and_held_outside(tmp_path):
    curve = read_curve(written(tmp_path, "time_s, arousal, valence\n0.1, 0, -0.5\n0.3, 0.8, 0.5\n"))
    values = sample_curve(curve, 0, 10, 25)  # frames at 0.02, 0.06, 0.10, 0.14 ... 0.38 s
    assert values.dtype == np.float32
    np.testing.assert_allclose(values[:3], [[-0.5, 0]] * 3, atol=1e-6)
    np.testing.assert_allclose(values[4], [-0.5 + 0.08 / 0.2, 0.8 * 0.08 / 0.2], atol=1e-6)
    np.testing.assert_allclose(values[8:], [[0.5, 0.8]] * 2, atol=1e-6)
    np.testing.assert_array_equal(sample_curve(curve, 4, 6, 25), values[4:6])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("time_s,valence,arousal\n0,0,0\n1,0,1.2\n", "line 3: time_s must be"),
        ("time_s,valence,arousal\n0,0,0\n0,0,0\n", "line 3"),
        ("time_s,valence,arousal\n-1,0,0\n", "line 2"),
        ("time_s,valence,arousal\n0,x,0\n", "line 2"),
        ("time_s,valence,arousal\n0,,0\n", "line 2"),
        ("time_s,valence,arousal\n", "0 rows"),
        ("t,v,a\n0,0,0\n", "columns t, v, a; needed are time_s,valence,arousal"),
        ("", "not a CSV file"),
        ("a,b\nc\nd,e,f\n", "not a CSV file"),
    ],
)
def test_a_wrong_curve_is_refused_with_its_line(tmp_path, text, message):
    with pytest.raises(StageError, match=rf"--va: .*curve\.csv.*{message}"):
        read_curve(written(tmp_path, text))


def test_an_absent_curve_is_refused(tmp_path):
    with pytest.raises(StageError, match="is not a file"):
        read_curve(tmp_path / "curve.csv")

"""Metrics that prove nothing on this data are flagged."""

from __future__ import annotations

import pandas as pd
import pytest

from eap.evaluation.flags import controls_of, flag
from eap.evaluation.statistics import clip_sample


def samples(metric: str, **values: list[float | None]):
    """Variant -> value of each of the speakers."""
    return {
        (variant, metric): clip_sample(
            pd.DataFrame(
                [{"seed": None, "clip_id": f"{i}/1", "speaker_id": str(i), "value": v} for i, v in enumerate(per_clip)]
            )
        )
        for variant, per_clip in values.items()
    }


REAL, STILL, CLOSE = [1.0, 1.1, 0.9, 1.0], [3.0, 3.2, 2.9, 3.1], [1.1, 0.9, 1.0, 1.0]


def test_a_metric_that_ranks_real_video_first_is_not_flagged():
    assert flag("lmd", "lower", samples("lmd", real=REAL, still=STILL, shifted=STILL)) is None


def test_what_is_not_told_apart_is_named():
    found = flag("lmd", "lower", samples("lmd", real=REAL, still=STILL, shifted=CLOSE))
    assert found == "cannot tell real video from its own pictures 5 frames late on this data"
    found = flag("lmd", "lower", samples("lmd", real=REAL, still=CLOSE, shifted=CLOSE))
    assert found.startswith("cannot tell real video from a copied still frame or from its own pictures")


def test_the_wrong_order_is_no_telling_apart():
    assert flag("psnr", "higher", samples("psnr", real=REAL, still=STILL)) is not None


def test_what_was_not_measured_or_has_no_value_is_no_reason():
    assert flag("lmd", "lower", samples("lmd", real=REAL)) is None
    assert flag("lmd", "lower", samples("lmd", still=REAL)) is None
    assert flag("lmd", "lower", samples("lmd", real=REAL, still=[None] * 4)) is None


@pytest.mark.parametrize(
    ("metric", "controls"),
    [("lmd_center", ("still", "shifted")), ("opening_correlation", ("shifted",)), ("opening_amplitude", ("still",)),
     ("lse_at_zero_expert", ("still", "shifted")), ("coverage", ()), ("ccc_valence/era", ("still",)),
     ("ssim", ("still",))],
)  # fmt: skip
def test_which_controls_a_metric_must_tell_from_real(metric, controls):
    assert controls_of(metric) == controls

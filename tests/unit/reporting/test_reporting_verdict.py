"""The headline follows the table, whichever way it falls."""

from __future__ import annotations

import pandas as pd
import pytest

from eap.evaluation.samples import build_samples
from eap.reporting.comparison import summary_rows
from eap.reporting.verdict import Verdict, lmd_bars, verdict
from eap.schemas import SCHEMAS


def table(values: dict[tuple[str, str], list[float | None]]) -> pd.DataFrame:
    rows = [
        {"seed": seed, "variant": variant, "metric": metric, "scope": "clip", "clip_id": "a", "speaker_id": "s",
         "value": value, "reason": "no face was found" if value is None else None}
        for (variant, metric), per_seed in values.items() for seed, value in enumerate(per_seed)
    ]  # fmt: skip
    return pd.DataFrame(rows).astype({"value": "float64"})


def summarised(scores: pd.DataFrame) -> pd.DataFrame:
    curves = pd.DataFrame({name: pd.Series(dtype="float64") for name in SCHEMAS["curves"].names})
    return pd.DataFrame(summary_rows(build_samples(scores, curves)))


def judge(values: dict[tuple[str, str], list[float | None]]) -> Verdict:
    scores = table(values)
    return verdict(summarised(scores), scores)


def test_lower_lmd() -> None:
    found = judge({("generated", "lmd"): [1.9, 2.1], ("still", "lmd"): [3.0, 3.1]})
    assert found.holds is True
    assert found.headline == (
        "The generated video has a lower LMD (2.000\u00a0px) than the copied still frame (3.050\u00a0px)."
    )
    assert found.details == ("The generated video's LMD is lower in 2 of 2 seeds.",)


@pytest.mark.parametrize("still", [2.0, 1.5])
def test_equal_or_higher_lmd_is_said_plainly(still: float) -> None:
    found = judge({("generated", "lmd"): [2.0, 2.0], ("still", "lmd"): [still, still]})
    assert found.holds is False
    assert found.headline.startswith("The generated video does not have a lower LMD (2.000\u00a0px)")
    assert "lower in 0 of 2 seeds" in found.details[0]


def test_difference_within_the_spread_is_said() -> None:
    found = judge({("generated", "lmd"): [1.0, 2.8], ("still", "lmd"): [2.0, 2.0]})
    assert found.holds is True
    assert "lower in 1 of 2 seeds" in found.details[0]
    assert "smaller than the standard deviation between seeds (1.273\u00a0px)" in found.details[1]


def test_centred_lmd_may_contradict_the_headline() -> None:
    found = judge({("generated", "lmd"): [2.0], ("still", "lmd"): [3.0],
                   ("generated", "lmd_center"): [1.7], ("still", "lmd_center"): [1.6]})  # fmt: skip
    assert found.holds is True
    assert found.details[-1].endswith("1.700\u00a0px against 1.600\u00a0px, not lower.")


def test_undefined_lmd_gives_no_verdict_but_the_reason() -> None:
    found = judge({("generated", "lmd"): [None, None], ("still", "lmd"): [3.0, 3.0]})
    assert found.holds is None
    assert found.headline == "No verdict: the LMD of the generated video is undefined (no face was found)."


def test_absent_control_gives_no_verdict() -> None:
    found = judge({("generated", "lmd"): [2.0, 2.0]})
    assert found.holds is None
    assert "copied still frame is undefined (it was not measured)" in found.headline


def test_bars_share_one_scale_and_leave_out_the_undefined() -> None:
    scores = table({("still", "lmd"): [4.0, 4.0], ("generated", "lmd"): [1.0, 1.0], ("neutral", "lmd"): [None, None]})
    bars = lmd_bars(summarised(scores), scores)
    assert [(bar.variant, bar.length, bar.whisker) for bar in bars] == [("generated", 25, 0), ("still", 100, 0)]

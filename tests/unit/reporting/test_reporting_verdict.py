"""The headline follows the table, whichever way it falls."""

from __future__ import annotations

import pandas as pd
import pytest

from eap.evaluation.samples import build_samples
from eap.reporting.comparison import summary_rows
from eap.reporting.verdict import Verdict, lmd_bars, verdict
from eap.schemas import SCHEMAS, to_table

FEW = "2 speakers are too few"


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


def comparisons(called: str | None, reason: str | None = None) -> pd.DataFrame:
    """Table "comparisons": the generated video's LMD against the still frame's, and a row that must not be read."""
    row = {"experiment": "base", "variant": "generated", "other": "base", "other_variant": "still", "metric": "lmd"}
    rows = [{**row, "experiment": "other", "other": "other", "verdict": "worse"}]
    if called is not None:
        rows.append({**row, "verdict": called, "reason": reason})
    return to_table("comparisons", rows).to_pandas()


def judge(values: dict[tuple[str, str], list[float | None]], called: str | None = "better") -> Verdict:
    scores = table(values)
    return verdict(summarised(scores), scores, comparisons(called, FEW if called == "not distinguishable" else None))


def test_lower_lmd() -> None:
    found = judge({("generated", "lmd"): [1.9, 2.1], ("still", "lmd"): [3.0, 3.1]})
    assert found.holds is True
    assert found.headline == (
        "The generated video has a lower LMD (2.000\u00a0px) than the copied still frame (3.050\u00a0px)."
    )
    assert found.details == (
        "Paired test over speakers: better.",
        "The generated video's LMD is lower in 2 of 2 seeds.",
    )


@pytest.mark.parametrize("still", [2.0, 1.5])
def test_equal_or_higher_lmd_is_said_plainly(still: float) -> None:
    found = judge({("generated", "lmd"): [2.0, 2.0], ("still", "lmd"): [still, still]}, "worse")
    assert found.holds is False
    assert found.headline.startswith("The generated video does not have a lower LMD (2.000\u00a0px)")
    assert "lower in 0 of 2 seeds" in found.details[1]


def test_a_difference_that_may_be_chance_is_called_so() -> None:
    found = judge({("generated", "lmd"): [1.0, 2.8], ("still", "lmd"): [2.0, 2.0]}, "not distinguishable")
    assert found.holds is None
    assert found.headline.endswith("than the copied still frame (2.000\u00a0px), but that may be chance.")
    assert found.details[0] == f"Paired test over speakers: not distinguishable ({FEW})."
    assert "lower in 1 of 2 seeds" in found.details[1]


def test_without_a_test_nothing_is_claimed() -> None:
    found = judge({("generated", "lmd"): [1.0], ("still", "lmd"): [2.0]}, None)
    assert found.holds is None
    assert found.details[0] == "There is no paired test of this difference."


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
    summary = summarised(scores)
    summary.loc[summary.variant == "still", ["low", "high"]] = (3.0, 5.0)
    bars = lmd_bars(summary, scores)
    assert [(bar.variant, bar.length, bar.low, bar.high) for bar in bars] == [
        ("generated", 20, None, None), ("still", 80, 60, 100),
    ]  # fmt: skip

import numpy as np
import pandas as pd
import pytest

from eap.evaluation.statistics import summarise_seeds
from eap.schemas import TableError, read_table, write_table


def _row(seed, metric, value, clip_id=None, variant="generated"):
    scope = "pooled" if clip_id is None else "clip"
    reason = "constant" if value is None else None
    return {
        "seed": seed, "variant": variant, "metric": metric, "scope": scope, "clip_id": clip_id,
        "speaker_id": "s", "emotion": "happy", "value": value, "n": 10, "reason": reason,
    }  # fmt: skip


def _summary(rows, tmp_path):
    """Through Parquet, as the report does."""
    write_table(tmp_path / "scores.parquet", "scores", rows)
    summary = summarise_seeds(read_table(tmp_path / "scores.parquet", "scores"))
    write_table(tmp_path / "summary.parquet", "summary", summary)
    return read_table(tmp_path / "summary.parquet", "summary").set_index(["variant", "metric"])


def test_clips_are_averaged_per_seed_first(tmp_path):
    # Seed 0: clips 1, 3, mean 2. Seed 1: clips 4, 4, 10, mean 6. Mean 4 (of all rows: 4.4).
    # Deviations -2, 2: std sqrt((4 + 4) / 1) = 2.828427.
    rows = [_row(0, "lmd", 1.0, "a"), _row(0, "lmd", 3.0, "b")]
    rows += [_row(1, "lmd", 4.0, "a"), _row(1, "lmd", 4.0, "b"), _row(1, "lmd", 10.0, "c")]
    result = _summary(rows, tmp_path).loc["generated", "lmd"]
    assert result["mean"] == pytest.approx(4)
    assert result["std"] == pytest.approx(2.828427)
    assert (result["n_seeds"], result["n_undefined"]) == (2, 0)


def test_pooled_scores_are_taken_as_they_are(tmp_path):
    # 0.1, 0.2, 0.6: mean 0.3, deviations -0.2, -0.1, 0.3, squares sum to 0.14, / 2 = 0.07, root 0.264575.
    result = _summary([_row(seed, "ccc", value) for seed, value in enumerate((0.1, 0.2, 0.6))], tmp_path)
    assert result.loc["generated", "ccc"].tolist() == pytest.approx([0.3, 0.264575, 3, 0])


def test_one_seed_has_no_standard_deviation(tmp_path):
    result = _summary([_row(3, "ccc", 0.4)], tmp_path).loc["generated", "ccc"]
    assert result["mean"] == pytest.approx(0.4)
    assert np.isnan(result["std"])
    assert result["n_seeds"] == 1


def test_undefined_values_are_counted(tmp_path):
    # Seed 0: clips 2, undefined, infinite: mean 2. Seed 1: clips 4, 6: mean 5. Seed 2: nothing defined.
    rows = [_row(0, "opening", 2.0, "a"), _row(0, "opening", None, "b"), _row(0, "opening", float("inf"), "c")]
    rows += [_row(1, "opening", 4.0, "a")]
    rows += [_row(1, "opening", 6.0, "b"), _row(2, "opening", None, "a"), _row(2, "opening", None, "b")]
    result = _summary(rows, tmp_path).loc["generated", "opening"]
    assert result["mean"] == pytest.approx(3.5)
    assert (result["n_seeds"], result["n_undefined"]) == (2, 4)


def test_nothing_defined_stays_in_the_table(tmp_path):
    result = _summary([_row(0, "pcc", None), _row(1, "pcc", None)], tmp_path).loc["generated", "pcc"]
    assert np.isnan(result["mean"])
    assert np.isnan(result["std"])
    assert (result["n_seeds"], result["n_undefined"]) == (0, 2)


def test_variants_and_metrics_stay_apart_in_order_of_appearance(tmp_path):
    rows = [_row(0, "lmd", 1.0, "a", variant="still"), _row(0, "lmd", 2.0, "a"), _row(0, "ccc", 3.0)]
    summary = _summary(rows, tmp_path)
    assert list(summary.index) == [("still", "lmd"), ("generated", "lmd"), ("generated", "ccc")]
    assert summary["mean"].tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([_row(0, "lmd", 1.0, "a"), _row(0, "lmd", 2.0)], "'lmd' of 'generated' has both clip and pooled rows"),
        ([_row(0, "lmd", 1.0, "a"), _row(0, "lmd", 2.0, "a")], "stands twice for seed 0, clip a"),
        ([_row(0, "ccc", 1.0), _row(0, "ccc", 2.0)], "stands twice for seed 0"),
        ([{**_row(0, "ccc", 1.0), "scope": "frame"}], r"scope \['frame'\] is unknown; allowed: clip, pooled"),
    ],
)
def test_what_would_be_counted_wrongly_is_refused(rows, message):
    with pytest.raises(TableError, match=message):
        summarise_seeds(pd.DataFrame(rows))


def test_no_scores_give_an_empty_summary(tmp_path):
    assert _summary([_row(0, "lmd", 1.0, "a")][:0], tmp_path).empty

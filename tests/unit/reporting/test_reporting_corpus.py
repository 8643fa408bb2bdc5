"""What the page says of the prepared data agrees with the tables; its sheet shows the right frames and stays small."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from report_results import FPS, make_results

from eap.data.layout import PreparedData
from eap.reporting import corpus
from eap.reporting.corpus import Corpus, describe_corpus, histogram, level_table, read_intensities
from eap.schemas import read_table, to_table, write_table


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> PreparedData:
    return PreparedData(make_results(tmp_path_factory.mktemp("results"), seeds=(0,)) / "data")


@pytest.fixture(scope="module")
def clips(data: PreparedData) -> pd.DataFrame:
    return read_table(data.clips, "clips")


@pytest.fixture(scope="module")
def found(data: PreparedData, clips: pd.DataFrame) -> Corpus:
    return describe_corpus(data, clips, FPS, 256)


def test_facts_are_those_of_the_used_clips(found: Corpus) -> None:
    assert dict(found.facts) == {
        "Clips": "6", "Speakers": "2", "Video": "0.2 min", "Frames": "330 at 25 per second",
        "Data sets": "crema_d, grid", "Licences": "CC BY 4.0 (3), not stated (3)",
    }  # fmt: skip


def test_histograms_count_every_clip_once_and_say_what_was_enlarged(found: Corpus) -> None:
    durations, faces, coverage = found.histograms
    for drawn in found.histograms:
        assert sum(int(label.rpartition(": ")[2].split()[0]) for label, _ in drawn.bars) == 6
        assert max(height for _, height in drawn.bars) == 100
    assert "6 clips from 1.2 to 3.2 s, median 2.2 s" in durations.description
    assert "2 are smaller than the cache's 256 px" in faces.description
    assert coverage.bars[-1][0] == "99.5 to 100 %: 1 clips"


@pytest.mark.parametrize(
    ("values", "within", "expected"),
    [
        ([0.0, 1.0, 1.0, 2.4], None, {"0 to 0.1": 1, "1 to 1.1": 2, "2.3 to 2.4": 1}),
        ([7.0, 7.0], None, {"7 to 7.7": 2}),
        ([0.0], None, {"0 to 0.1": 1}),
        ([100.0, 99.0], (90, 100), {"99 to 99.5": 1, "99.5 to 100": 1}),
        ([40.0], (90, 100), {"40 to 45": 1}),
    ],
)
def test_bins_are_round_and_the_highest_value_is_in_the_last(
    values: list[float], within: tuple[float, float] | None, expected: dict[str, int]
) -> None:
    bars = histogram("t", pd.Series(values), "", within=within).bars
    counts = {name: int(n.split()[0]) for name, _, n in (label.partition(": ") for label, _ in bars)}
    assert {name: n for name, n in counts.items() if n} == expected
    assert len(bars) <= corpus.MAX_BINS + 1


def test_no_values_no_histogram() -> None:
    assert histogram("t", pd.Series([], dtype=float), "s") is None


def test_levels_are_columns_only_where_there_are_some(clips: pd.DataFrame) -> None:
    used = clips[clips["status"] == "used"]
    levels, rows = level_table(used, ["neutral", "happy", "sad"])
    assert levels == ("low", "high", "no level")
    assert dict(rows) == {"neutral": (0, 0, 3, 3), "happy": (1, 1, 0, 2), "sad": (0, 1, 0, 1)}
    assert level_table(used.assign(intensity_level=None), ["sad"]) == ((), (("sad", (1,)),))


def test_intensities_are_counted_by_emotion_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpus, "BATCH_ROWS", 3)
    va = {
        "a": [(0, 0), (0, 0)],
        "b": [(0.6, 0.8), (0.03, 0.04), (np.nan, 0)],
        "c": [(-1, 1), (0.3, -0.4)],
        "x": [(1, 1)],
    }
    tables = [
        to_table("labels", pd.DataFrame({"clip_id": c, "frame": range(len(v)), "valence": [x for x, _ in v],
                                         "arousal": [y for _, y in v]})) for c, v in va.items()
    ]  # fmt: skip
    write_table(tmp_path / "labels.parquet", "labels", tables)
    emotion_of = pd.Series({"a": "neutral", "b": "happy", "c": "happy"})
    found, peaks = read_intensities(tmp_path / "labels.parquet", emotion_of, {"b", "c"})
    counts, mean = found["happy"]
    assert {int(i): int(n) for i, n in enumerate(counts) if n} == {0: 1, 9: 1, 19: 1, 28: 1}  # 0.05, 0.5, 1, sqrt(2)
    assert mean == pytest.approx((1 + 0.05 + 2**0.5 + 0.5) / 4, abs=1e-4)
    assert found["neutral"][0][0] == 2
    assert peaks == {"b": 0, "c": 0}

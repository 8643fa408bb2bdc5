"""The map keeps distances; its number is about neighbours in the whole space, across speakers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from report_probes import embedding_rows

from eap.reporting.embedding_map import LABEL_SIZE, embedding_maps, nearest_agreement, spread_labels


def rows(z: list[list[float]], emotions: str, speakers: str) -> pd.DataFrame:
    return pd.DataFrame({"z": z, "emotion": list(emotions), "speaker_id": list(speakers)})


def test_separate_classes_agree_fully_and_luck_is_said() -> None:
    agree, luck, who = nearest_agreement(pd.DataFrame(embedding_rows(0)))
    assert (agree, who) == (1.0, "of another speaker")
    assert luck == pytest.approx(2 / 6)  # of six clips of the other speaker, two share the class


def test_neighbours_of_the_same_speaker_do_not_count() -> None:
    # Each clip's nearest is its own speaker's, of its own emotion; the other speaker's nearest is of another one.
    z = [[0.0], [0.1], [5.0], [5.1]]
    assert nearest_agreement(rows(z, "aabb", "xxyy")) == (0.0, 0.0, "of another speaker")
    assert nearest_agreement(rows(z, "aabb", "xxxx"))[0] == 1.0


def test_a_single_clip_has_no_neighbour() -> None:
    assert nearest_agreement(rows([[0.0]], "a", "x")) is None


def test_one_map_per_seed_with_equal_scales_and_every_clip() -> None:
    table = pd.DataFrame([*embedding_rows(0), *embedding_rows(1)])
    maps = embedding_maps(table)
    assert [found.seed for found in maps] == [0, 1]
    points = maps[0].points
    assert len(points) == 12
    xy = table[table.seed == 0][["x", "y"]].to_numpy()
    drawn = np.array([[p.x, -p.y] for p in points])
    scale = np.linalg.norm(drawn[0] - drawn[4]) / np.linalg.norm(xy[0] - xy[4])
    assert np.linalg.norm(drawn[0] - drawn[8]) / np.linalg.norm(xy[0] - xy[8]) == pytest.approx(scale, rel=1e-2)
    assert all(0 <= p.x <= 100 and 0 <= p.y <= maps[0].height for p in points)
    assert points[0].told == "neutral<0>.mp4: neutral, speaker p0"
    assert points[1].told == "neutral<1>.mp4: neutral, high, speaker p1"
    assert "90 % of the variance" in maps[0].explained


def test_equal_embeddings_are_drawn_in_the_middle() -> None:
    table = pd.DataFrame(embedding_rows(0)).assign(x=1.0, y=1.0, explained=np.nan)
    (found,) = embedding_maps(table)
    assert {(p.x, p.y) for p in found.points} == {(50, found.height / 2)}
    assert found.explained == "all are equal"


def test_labels_do_not_cover_each_other() -> None:
    placed = spread_labels({name: np.array([50.0, 50.0]) for name in "abcd"})
    heights = sorted(y for _, _, y in placed)
    assert np.diff(heights).min() > LABEL_SIZE[1] - 0.1


def test_labels_stay_on_the_map() -> None:
    (_, x, y), (_, right, low) = spread_labels({"a": np.array([0.0, -3.0]), "b": np.array([100.0, 104.0])})
    assert min(x, 100 - right) >= LABEL_SIZE[0] / 2
    assert min(y, 100 - low) >= LABEL_SIZE[1] / 2

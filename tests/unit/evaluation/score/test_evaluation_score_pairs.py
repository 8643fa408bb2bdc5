"""Which videos belong together."""

from __future__ import annotations

from pathlib import Path

import pytest

from eap.evaluation.score.pair import Task
from eap.evaluation.score.pairs import pair_by_name, read_pairs
from eap.stage import StageError


def _touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def test_pairs_have_one_path_whatever_the_suffix(tmp_path: Path) -> None:
    reference = _touch(tmp_path / "r", "a/1.mpg", "b/1.mp4", "notes.txt", ".hidden.mp4")
    generated = _touch(tmp_path / "g", "a/1.mp4", "b/1.MP4")
    tasks, unpaired = pair_by_name(reference, generated)
    assert tasks == [
        Task("a/1", reference / "a/1.mpg", generated / "a/1.mp4"),
        Task("b/1", reference / "b/1.mp4", generated / "b/1.MP4"),
    ]
    assert unpaired == {}


def test_what_has_no_partner_is_told(tmp_path: Path) -> None:
    reference = _touch(tmp_path / "r", "1.mp4", "2.mp4", "3.mp4")
    generated = _touch(tmp_path / "g", "1.mp4", "3.mp4", "3.avi", "4.mp4")
    tasks, unpaired = pair_by_name(reference, generated)
    assert [task.clip_id for task in tasks] == ["1"]
    assert list(unpaired) == ["2", "3", "4"]
    assert "no generated video" in unpaired["2"]
    assert "several videos of one name (3.mp4, 3.avi, 3.mp4)" in unpaired["3"]
    assert "no reference" in unpaired["4"]


def test_no_pair_at_all_is_an_error(tmp_path: Path) -> None:
    reference, generated = _touch(tmp_path / "r", "1.mp4"), _touch(tmp_path / "g", "2.mp4")
    with pytest.raises(StageError, match="--pairs"):
        pair_by_name(reference, generated)
    with pytest.raises(StageError, match="holds no video"):
        pair_by_name(reference, _touch(tmp_path / "empty", "x.txt"))


def test_a_table_names_pairs_and_emotions(tmp_path: Path) -> None:
    table = tmp_path / "pairs.csv"
    table.write_text("reference,generated,emotion\nreal/1.mp4, out/x.mp4,happy\nreal/1.mp4,out/y.mp4,\n")
    found = read_pairs(table, Path("r"), Path("g"))
    assert found == [
        Task("out/x", Path("r/real/1.mp4"), Path("g/out/x.mp4"), "happy"),
        Task("out/y", Path("r/real/1.mp4"), Path("g/out/y.mp4"), None),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("reference,other\na,b\n", "needs rows with the columns reference, generated; found reference, other"),
        ("reference,generated\n", "needs rows"),
        ("reference,generated\na.mp4,\n", "line 2: reference or generated is empty"),
        ("reference,generated\na.mp4,c.mp4\nb.mp4,c.avi\n", "clip 'c' comes twice"),
    ],
)
def test_a_wrong_table_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "pairs.csv").write_text(text)
    with pytest.raises(StageError, match=message):
        read_pairs(tmp_path / "pairs.csv", Path("r"), Path("g"))

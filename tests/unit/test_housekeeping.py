"""`eap.housekeeping`: only what nothing needs may go, and only when it is old."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from eap.cli import app
from eap.files import atomic_path
from eap.housekeeping import disk_use, find_damage, find_leftovers, parse_age
from eap.stage import StageError

DAY = 86400.0
NOW = time.time()
NEEDED = (
    "results/data/clips.parquet", "results/data/frames/shard=0000.parquet", "results/ant/base/seed=0/model.safetensors",
    "results/ant/base/seed=0/history.parquet", "results/evaluation/base/seed=0/videos/a/real.mp4",
    "results/report/index.html", "results/comparison/summary.parquet", "results/controls/base/judge.parquet",
    "results/mlflow/mlflow.db", "results/mlflow/artifacts/eap/run/model.log",
    "results/benchmarks/train_ant/base/seed=0.tsv",
    "results/checkpoints/ant/base/seed=1/0123456789ab.pt",
    "results/checkpoints/ant/base/seed=2/0123456789ab.warm-up.pt",
    ".snakemake/metadata/x.log", "data/clips/.a.0123.mp4",
)  # fmt: skip
MAY_GO = (
    ".snakemake/log/old.snakemake.log", ".snakemake/slurm_logs/rule_mel/12.log",
    "results/checkpoints/ant/base/seed=0/0123456789ab.pt",
    "results/checkpoints/ant/base/seed=0/ab9876543210.warm-up.pt",
    "results/logs/train_ant/base/seed=0.log",
)  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Every file is 10 days old; training of seed 0 is finished, those of seeds 1 and 2 are not."""
    with atomic_path(tmp_path / "results/data/mel/shard=0001.parquet") as half_written:
        half_written.touch()
    (tmp_path / "results/data/mel/shard=0001.parquet").rename(half_written)  # as a kill leaves it: nobody removed it
    half_written.write_bytes(b"half")
    for name in (*NEEDED, *MAY_GO):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"12345")
    for path in tmp_path.rglob("*"):
        os.utime(path, (NOW - 10 * DAY, NOW - 10 * DAY))
    return tmp_path


def test_only_what_nothing_needs_is_found(folder: Path) -> None:
    found = find_leftovers(folder, 9 * DAY, NOW)
    names = [leftover.path.relative_to(folder).as_posix() for leftover in found]
    (half,) = [name for name in names if name not in MAY_GO]
    assert half.startswith("results/data/mel/.shard=0001.")
    assert set(names) - {half} == set(MAY_GO)
    assert sum(leftover.size_bytes for leftover in found) == 5 * len(MAY_GO) + 4


def test_what_is_younger_stays(folder: Path) -> None:
    assert find_leftovers(folder, 11 * DAY, NOW) == []
    fresh = folder / MAY_GO[0]
    os.utime(fresh, (NOW, NOW))
    assert fresh not in [leftover.path for leftover in find_leftovers(folder, 9 * DAY, NOW)]


def test_a_checkpoint_younger_than_the_model_stays(folder: Path) -> None:
    """The model was made with other values, and training goes on."""
    checkpoint = folder / "results/checkpoints/ant/base/seed=0/0123456789ab.pt"
    os.utime(checkpoint, (NOW - 9.5 * DAY, NOW - 9.5 * DAY))
    assert checkpoint not in [leftover.path for leftover in find_leftovers(folder, 9 * DAY, NOW)]


def test_the_command_lists_first_and_deletes_when_told(folder: Path) -> None:
    before = {path for path in folder.rglob("*") if path.is_file()}
    arguments = ["clean", "--older-than", "1h", "--directory", str(folder)]
    listed = CliRunner().invoke(app, arguments)
    assert listed.exit_code == 0
    assert f"{len(MAY_GO) + 1} files" in listed.output
    assert "nothing was deleted" in listed.output
    assert {path for path in folder.rglob("*") if path.is_file()} == before
    assert CliRunner().invoke(app, [*arguments, "--delete"]).exit_code == 0
    left = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert left == set(NEEDED)


@pytest.mark.parametrize(("text", "seconds"), [("12h", 43_200), ("30d", 30 * DAY), ("2w", 14 * DAY)])
def test_ages(text: str, seconds: float) -> None:
    assert parse_age(text) == seconds


@pytest.mark.parametrize("text", ["", "30", "0d", "-1d", "1.5d", "1y"])
def test_other_ages_are_refused(text: str) -> None:
    with pytest.raises(StageError, match="write a number and h, d or w"):
        parse_age(text)


def test_a_folder_without_results_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StageError, match="holds no folder `results`"):
        find_leftovers(tmp_path, DAY)


def test_disk_use_by_folder(tmp_path: Path) -> None:
    for name, size in {"data/frames/a": 30, "data/frames/b": 3, "data/clips.parquet": 7, "era/seed=0/m": 20}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x" * size)
    assert list(disk_use(tmp_path).items()) == [("data/frames", 33), ("era", 20), ("data", 7)]
    assert disk_use(tmp_path, without=["data"]) == {"era": 20}


@pytest.mark.parametrize("how", ["flipped", "cut"])
def test_a_damaged_table_is_found_refused_and_removed_when_told(tmp_path: Path, how: str) -> None:
    from eap.schemas import TableError, read_table, write_table

    rows = [{"clip_id": f"c{i}", "speaker_id": "s", "emotion": "neutral", "split": "train"} for i in range(500)]
    for name in ("good", "bad"):
        write_table(tmp_path / f"{name}.parquet", "splits", rows)
    path = tmp_path / "bad.parquet"
    whole = path.read_bytes()
    place = len(whole) // 4
    path.write_bytes(
        whole[:-100] if how == "cut" else whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]
    )  # fmt: skip
    with pytest.raises(TableError, match=r"bad\.parquet: damaged .*`eap verify --delete` removes it"):
        read_table(path, "splits")
    assert [found for found, _ in find_damage(tmp_path)] == [path]
    asked = ["verify", "--results", str(tmp_path)]
    assert CliRunner().invoke(app, asked).exit_code == 3
    assert path.is_file()
    assert CliRunner().invoke(app, [*asked, "--delete"]).exit_code == 0
    assert [found.name for found in tmp_path.iterdir()] == ["good.parquet"]


def test_delivered_logs_may_go(tmp_path: Path) -> None:
    folder = tmp_path / "results" / "tracking"
    folder.mkdir(parents=True)
    for name, done in (("1-x-a", "true"), ("2-x-b", "false")):
        (folder / f"{name}.jsonl").write_text("{}\n")
        (folder / f"{name}.0123.cursor").write_text(f'{{"done": {done}}}')
    for store, done in (("0123", "true"), ("4567", "false")):  # another store waits for it still
        (folder / "3-x-c.jsonl").write_text("{}\n")
        (folder / f"3-x-c.{store}.cursor").write_text(f'{{"done": {done}}}')
    found = find_leftovers(tmp_path, 0, time.time() + 10)
    assert [leftover.path.name for leftover in found] == ["1-x-a.0123.cursor", "1-x-a.jsonl"]

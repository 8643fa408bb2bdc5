"""`eap.tracking.run_log`: nothing that a job says is lost, and nothing that goes wrong with it ends the job."""

from __future__ import annotations

import fcntl
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from eap.config import load_config, load_stage, stage_sections
from eap.digest import value_digest
from eap.schemas import table_digest, write_table
from eap.stage import StageResult
from eap.tracking.run_log import RunLog, flatten, log_summaries, stage_log

PRESETS = Path(__file__).parents[3] / "workflow" / "presets"


@pytest.fixture(scope="module")
def sections() -> object:
    return load_stage("train-ant", stage_sections(load_config({}, PRESETS), "train-ant"))


def lines(folder: Path) -> list[dict[str, object]]:
    (log,) = folder.glob("*.jsonl")
    return [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]


def test_a_stage_says_what_it_is_what_it_measured_and_how_it_ended(tmp_path: Path, sections: object) -> None:
    table, model = tmp_path / "splits.parquet", tmp_path / "model.txt"
    write_table(table, "splits", [])
    model.write_text("weights")
    with stage_log(tmp_path / "logs", "eap", "base", "train-ant", sections, [table], 3) as run:
        run.log({"train/lip": 0.1, "train/per": math.nan}, 10)
        run.finish(StageResult({"lip": 0.5}, (model,)))
    header, first, last, artifact, end = lines(tmp_path / "logs")
    assert (header["experiment"], header["parent"], header["name"]) == ("eap", "base", "train-ant seed=3")
    assert header["params"]["optimizer.betas"] == "[0.5, 0.999]"
    assert header["tags"]["config_digest"] == value_digest(sections.model_dump(mode="json"))
    assert header["tags"]["data_digest"] == value_digest([table_digest(table)])
    assert (first["m"]["train/lip"], first["s"]) == (0.1, 10)
    assert math.isnan(first["m"]["train/per"])
    assert (last["m"], last["s"]) == ({"lip": 0.5}, 0)
    assert (artifact["artifact"], artifact["size"]) == (str(model), 7)
    assert end["end"] == "FINISHED"
    assert header["start_ms"] <= first["t"] <= end["t"]


@pytest.mark.parametrize(("error", "status"), [(ZeroDivisionError, "FAILED"), (KeyboardInterrupt, "KILLED")])
def test_a_stage_that_ends_badly_says_so_and_raises(
    tmp_path: Path, sections: object, error: type[BaseException], status: str
) -> None:
    def fail() -> None:
        with stage_log(tmp_path, "eap", "base", "labels", sections, [], None):
            raise error

    with pytest.raises(error):
        fail()
    assert lines(tmp_path)[-1]["end"] == status


def test_infinities_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    RunLog(tmp_path, "x", {"run": "0" * 32}).log({"fine": 1.0, "blown": math.inf}, 7)
    assert "step 7: infinite" in caplog.text
    assert "blown" in caplog.text
    assert "fine" not in caplog.text


def test_a_killed_job_loses_no_line_and_its_lock(tmp_path: Path) -> None:
    script = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom eap.tracking.run_log import RunLog\n"
        "run = RunLog(Path(sys.argv[1]), 'x', {'run': '0' * 32})\n"
        "for step in range(1000):\n    run.log({'a': float(step)}, step)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False).returncode == -9
    assert [line["s"] for line in lines(tmp_path)[1:]] == [*range(1000)]
    (log,) = tmp_path.glob("*.jsonl")
    with open(log, "r+b") as file:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_full_disk_ends_no_job_and_is_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Linux's device that is always full; afterwards lines are whole again."""
    run = RunLog(tmp_path, "x", {"run": "0" * 32})
    room, run._file = run._file, os.open("/dev/full", os.O_WRONLY)
    for step in range(3):
        run.log({"a": 1.0}, step)
    run._file = room
    real = os.write
    monkeypatch.setattr(os, "write", lambda file, line: real(file, line[:10]))
    run.log({"a": 1.0}, 3)  # the disk takes the beginning of a line
    monkeypatch.undo()
    run.log({"a": 1.0}, 4)
    run.end("FINISHED")
    (log,) = tmp_path.glob("*.jsonl")
    kept = [line for line in log.read_bytes().splitlines() if line.endswith(b"}")]
    assert [json.loads(line).get("s") for line in kept] == [None, 4, None]
    assert "No space left on device" in caplog.text
    assert "4 lines could not be written" in caplog.text


def test_a_folder_that_cannot_be_made_ends_no_job(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").touch()
    run = RunLog(tmp_path / "file" / "logs", "x", {"run": "0" * 32})
    run.log({"a": 1.0}, 0)
    run.end("FINISHED")
    assert "3 lines could not be written" in caplog.text


def test_flatten_names_nested_keys() -> None:
    assert flatten({"a": {"b": 1, "c": {"d": None}}, "e": "x"}) == {"a.b": "1", "a.c.d": "null", "e": "x"}


def test_summaries_use_the_names_of_the_seeds(tmp_path: Path) -> None:
    rows = [
        {"experiment": "base", "metric": "lmd", "mean": 2.0, "std": 0.1, "low": 1.5, "high": 2.6},
        {"experiment": "base", "variant": "real", "metric": "ccc_valence/era", "mean": 0.5, "low": 0.4, "high": 0.6},
    ]
    write_table(tmp_path / "summary.parquet", "summary", [{"variant": "generated", **row} for row in rows])
    log_summaries(tmp_path, "eap", tmp_path / "summary.parquet")
    header, metrics, end = lines(tmp_path)
    assert (header["summary_of"], end["end"]) == ("base", "FINISHED")
    assert metrics["m"] == {
        "generated/lmd": 2.0, "generated/lmd/std": 0.1, "generated/lmd/low": 1.5, "generated/lmd/high": 2.6,
        "real/ccc_valence/era": 0.5, "real/ccc_valence/era/low": 0.4, "real/ccc_valence/era/high": 0.6,
    }  # fmt: skip

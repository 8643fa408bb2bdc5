"""The whole workflow on a few real clips: to the report, then nothing to do, then exactly what a change asks for."""

from __future__ import annotations

import csv
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from real_clips import CLIPS
from workflow_checkout import Checkout

from eap.schemas import read_table

pytestmark = pytest.mark.timeout(1500)  # the whole run is one fixture: two minutes alone, more on a busy machine

NAMES = {
    "crema_d/1001_DFA_NEU_XX.flv": "crema_d/-rf; touch pwned 'one' \"two\" $(touch pwned) `touch pwned` | x.flv",
    "crema_d/1001_DFA_ANG_XX.flv": "crema_d/line\nbreak\t{shard} %s ünï 😀.flv",
    "crema_d/1001_DFA_HAP_XX.flv": "--config/-o=x.flv",
    "crema_d/1001_DFA_SAD_XX.flv": "crema_d/<script>alert(1)</script>&amp;.flv",
    "grid/s1_bbaf2n.mpg": "grid/s1_bbaf2n.mpg",
    "grid/s1_bbbs7a.mpg": "grid/*?[a] ~ #.mpg",
}
"""Names that some shell, path, pattern or page could stumble over; a folder of clips is not always one's own."""
USED = list(NAMES.values())
SET_ASIDE = {
    "../outside.mpg": "leads out of data.root",
    "grid/absent.mpg": "no such clip",
    "grid/noise.mpg": "",
    "grid/silent_about_me.mpg": "does not mention it",
    "grid/twin.mpg": "the same bytes as 'grid/s1_bbaf2n.mpg'",
}
TINY = {
    "preset": "clips",
    "seeds": [0],
    "data": {"shards": 2},
    "video": {"detect_every": 25},
    "split": {"test": 0.3},
    "model": {
        "image_size": 32, "base_channels": 8, "max_channels": 16, "residual_blocks": 1, "d_model": 16,
        "d_feedforward": 16, "layers": 1, "heads": 2, "d_emotion": 8, "emotion_channels": 8,
        "discriminator_channels": 8,
    },
    "student": {"channels": 8, "steps": 3, "batch_size": 2},
    "sync": {"channels": 8, "d_embedding": 8, "steps": 3, "clips_per_batch": 2, "windows_per_clip": 2},
    "ant": {"epochs": 1, "batch_size": 2},
    "era": {"epochs": 1, "batch_size": 2},
    "evaluation": {"max_clips": 1},
}  # fmt: skip
FINAL = ("results/report/index.html", "results/report/summary.parquet")


@dataclass(frozen=True)
class Run:
    """A finished run, and the command that asks what there is to do."""

    checkout: Checkout
    folder: Path
    output: str

    def planned(self, *arguments: str) -> dict[str, int]:
        return self.checkout.planned(self.folder, "--configfile", "tiny.yaml", *arguments)

    @contextmanager
    def edited(self, module: str, addition: str) -> Iterator[None]:
        """Some lines more at the end of a module of the package."""
        path = self.checkout.root / "src" / "eap" / module
        before = path.read_text(encoding="utf-8")
        path.write_text(before + addition, encoding="utf-8")
        try:
            yield
        finally:
            path.write_text(before, encoding="utf-8")


def make_clips(root: Path) -> None:
    """Six good clips and five that cannot be used."""
    with open(CLIPS / "manifest.csv", encoding="utf-8", newline="") as file:
        lines = {line["path"]: line for line in csv.DictReader(file)}
    for path, name in NAMES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(CLIPS / path, root / name)
    shutil.copyfile(CLIPS / "grid/s1_bbbz8n.mpg", root / "../outside.mpg")
    (root / "grid/noise.mpg").write_bytes(b"not a video at all\n" * 50)
    shutil.copyfile(root / USED[-2], root / "grid/twin.mpg")
    shutil.copyfile(root / USED[-1], root / "grid/silent_about_me.mpg")
    rows = [{**lines[path], "path": name} for path, name in NAMES.items()]
    rows += [{**rows[-1], "path": path, "sha256": ""} for path in SET_ASIDE if "silent" not in path]
    with open(root / "manifest.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture(scope="module")
def run(checkout: Checkout, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("it's one; $(touch pwned) ü")
    make_clips(folder / "data" / "clips")
    (folder / "tiny.yaml").write_text(yaml.safe_dump(TINY))
    local = checkout.root / "workflow" / "profiles" / "local"
    arguments = ("--cores", "2", "--configfile", "tiny.yaml", "--workflow-profile", str(local), "all")
    output = checkout.snakemake(folder, *arguments)
    return Run(checkout, folder, output)


def test_the_run_reaches_the_report(run: Run) -> None:
    for name in FINAL:
        assert (run.folder / name).stat().st_size > 0
    assert len(read_table(run.folder / FINAL[1], "summary")) > 0


def test_every_clip_is_accounted_for(run: Run) -> None:
    clips = read_table(run.folder / "results/data/clips.parquet", "clips").set_index("clip_id")
    assert sorted(clips.index[clips.status == "used"]) == sorted(USED)
    assert sorted(clips.index[clips.status == "set_aside"]) == sorted(SET_ASIDE)
    for clip_id, reason in SET_ASIDE.items():
        assert clips.reason[clip_id], clip_id
        assert reason in clips.reason[clip_id]
    page = (run.folder / "results/report/index.html").read_text(encoding="utf-8")
    assert "grid/noise.mpg" in page


def test_each_stage_said_how_far_it_was(run: Run) -> None:
    assert re.search(r"^extract_frames: 1 of 2 done, about \d+ (s|min) left$", run.output, flags=re.MULTILINE)
    for line in ("extract_frames: 2 of 2 done", "train_ant: 1 of 1 done"):
        assert line in run.output.splitlines()


def test_names_are_only_names(run: Run) -> None:
    """No shell ran what stands in a name, and the page shows a name as text."""
    assert list(run.folder.rglob("pwned")) == []
    page = (run.folder / "results/report/index.html").read_text(encoding="utf-8")
    assert "<script>alert" not in page
    assert "../outside.mpg" in page


def test_nothing_is_to_do_afterwards(run: Run) -> None:
    assert run.planned() == {}


def test_a_comment_a_docstring_and_another_store_rerun_nothing(run: Run) -> None:
    with run.edited("data/frames.py", '\n# A comment.\n"""A bare string."""\n'):
        assert run.planned("--config", "tracking={uri: 'sqlite:///elsewhere.db', experiment: other}") == {}


def test_code_reruns_the_stages_that_run_it(run: Run) -> None:
    with run.edited("evaluation/stage.py", "\nADDED = 1\n"):
        assert run.planned() == {"evaluate": 1, "build_report": 1}


def test_a_training_value_reruns_training_and_what_follows(run: Run) -> None:
    jobs = run.planned("--config", "ant={epochs: 2}")
    assert jobs == {"train_ant": 1, "train_era": 1, "evaluate": 1, "build_report": 1}


def test_one_more_seed_reruns_no_other_seed(run: Run) -> None:
    jobs = run.planned("--config", "seeds=[0, 1]")
    assert jobs == {"train_ant": 1, "train_era": 1, "evaluate": 1, "build_report": 1}


def test_an_added_clip_starts_from_the_source(run: Run) -> None:
    added = run.folder / "data/clips/grid/added.mpg"
    shutil.copyfile(CLIPS / "grid/s1_bbbz8n.mpg", added)
    try:
        jobs = run.planned()
    finally:
        added.unlink()
    assert jobs["download_data"] == 1
    assert jobs["train_ant"] == 1


def test_every_job_is_tracked_once_and_finished(run: Run) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{run.folder}/results/mlflow/mlflow.db")
    experiment = client.get_experiment_by_name("eap")
    runs = client.search_runs([experiment.experiment_id])
    names = sorted(found.info.run_name for found in runs)
    assert {found.info.status for found in runs} == {"FINISHED"}
    sharded = [stage for stage in ("frames", "landmarks", "mel") for _ in range(2)]
    once = ["catalog", "download", "index", "labels", "report", "split", "train-student", "train-sync"]
    seeded = [f"{stage} seed=0" for stage in ("train-ant", "train-era", "evaluate")]
    assert names == sorted([*sharded, *once, *seeded])


def test_snakemakes_own_report_is_made(run: Run) -> None:
    run.checkout.snakemake(run.folder, "--configfile", "tiny.yaml", "--report", "workflow.zip")
    assert (run.folder / "workflow.zip").stat().st_size > 0

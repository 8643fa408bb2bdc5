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
from workflow_checkout import SMALL, Checkout, copy_checkout

from eap.data.catalog import shard_of
from eap.data.layout import PreparedData
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
    "split": {"test": 0.3},
    **SMALL,
    "ant": {"epochs": 1, "batch_size": 2, "warmup_steps": 2},
    "era": {"epochs": 1, "batch_size": 2, "warmup_steps": 2},
    "evaluation": {"max_clips": 1, "bias_clips": 1},
    "experiments": {"no_metric": {"loss": {"metric": 0}}},
}  # fmt: skip
FINAL = ("results/report/index.html", "results/comparison/summary.parquet")
LAST = {"compare_experiments": 1, "build_report": 1}


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
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """One whose folder has an odd name too."""
    return copy_checkout(tmp_path_factory.mktemp("someone's $checkout; ü"))


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
    summary = read_table(run.folder / FINAL[1], "summary")
    assert set(summary.experiment) == {"base", "no_metric"}
    assert set(summary.variant) == {
        "generated",
        "neutral",
        "shuffled",
        "rolled",
        "real",
        "reencoded",
        "still",
        "shifted",
    }


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
        assert run.planned() == {"evaluate": 2, **LAST}


def test_a_training_value_reruns_training_and_what_follows(run: Run) -> None:
    """ANT is trained once for both experiments."""
    jobs = run.planned("--config", "ant={epochs: 2}")
    assert jobs == {"train_ant": 1, "train_era": 2, "evaluate": 2, **LAST}


def test_one_more_seed_reruns_no_other_seed(run: Run) -> None:
    jobs = run.planned("--config", "seeds=[0, 1]")
    assert jobs == {"train_ant": 1, "train_era": 2, "evaluate": 2, **LAST}


@pytest.mark.parametrize(
    "experiments",
    ["{no_metric: {loss: {metric: 1}}}", "{no_cls: {loss: {cls: 0}}}"],
    ids=["a changed value", "one more"],
)
def test_an_experiment_reruns_no_other_experiment(run: Run, experiments: str) -> None:
    jobs = run.planned("--config", f"experiments={experiments}")
    assert jobs == {"train_era": 1, "evaluate": 1, **LAST}


def test_an_experiment_makes_what_it_changes_and_no_more(run: Run) -> None:
    assert run.planned("--config", "experiments={wide: {model: {d_model: 32}}}") == {
        "train_ant": 1, "train_era": 1, "evaluate": 1, **LAST,
    }  # fmt: skip
    jobs = run.planned("--config", "experiments={labelled: {labels: {percentile: 90}}}")
    assert jobs["extract_frames"] == 2
    assert (jobs["build_catalog"], jobs["label_clips"], jobs["train_student"], jobs["score_controls"]) == (1, 1, 1, 1)
    assert "download_data" not in jobs
    assert (jobs["train_era"], jobs["evaluate"]) == (1, 1)


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
    once = ["catalog", "download", "index", "labels", "report", "split", "controls"]
    once += ["train-student", "train-sync", "train-judge"]
    seeded = [f"{stage} seed=0" for stage in ("train-ant", "train-era", "evaluate", "train-era", "evaluate")]
    assert names == sorted([*sharded, *once, *seeded, "compare", "base", "no_metric"])
    by_name = {found.info.run_name: found for found in runs if "mlflow.parentRunId" not in found.data.tags}
    assert sorted(by_name) == ["base", "no_metric"]
    nested = [
        r.info.run_name for r in runs if r.data.tags.get("mlflow.parentRunId") == by_name["no_metric"].info.run_id
    ]
    assert sorted(nested) == ["evaluate seed=0", "train-era seed=0"]
    scored = next(found for found in runs if found.info.run_name == "evaluate seed=0")
    shared = by_name["base"].data.metrics.keys() & scored.data.metrics.keys()
    assert {"generated/lse_d_expert", "neutral/rmse_valence/era"} <= shared


def test_snakemakes_own_report_is_made(run: Run) -> None:
    run.checkout.snakemake(run.folder, "--configfile", "tiny.yaml", "--report", "workflow.zip")
    assert (run.folder / "workflow.zip").stat().st_size > 0


def test_an_added_clip_is_prepared_and_no_other(run: Run) -> None:
    """The last test here: it leaves the run with one clip more."""
    added, root = "grid/s1_bbbz8n.mpg", run.folder / "data/clips"
    shard = shard_of(added, TINY["data"]["shards"])
    data = PreparedData(run.folder / "results/data")
    tables = ("listing", "frames", "audio", "media", "landmarks", "landmark_clips", "mel")
    others = {data.shard(table, 1 - shard) for table in tables}
    before = {path: path.stat().st_mtime_ns for path in others}
    n_before = len(read_table(data.shard("media", shard), "media"))
    n_landmarks = len(read_table(data.shard("landmark_clips", shard), "landmark_clips"))
    shutil.copyfile(CLIPS / added, root / added)
    with open(root / "manifest.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    with open(root / "manifest.csv", "a", encoding="utf-8", newline="") as file:
        csv.DictWriter(file, rows[0]).writerow({**rows[-1], "path": added})
    arguments = ("--configfile", "tiny.yaml", "--until", "index_clips", "--", "all")
    run.checkout.snakemake(run.folder, "--cores", "2", *arguments)
    clips = read_table(data.clips, "clips").set_index("clip_id")
    assert sorted(clips.index[clips.status == "used"]) == sorted([*USED, added])
    logs = run.folder / "results/logs/data"
    for rule, copied in (("extract_frames", n_before), ("cache_landmarks", n_landmarks)):
        assert f"n_copied = {copied}\n" in (logs / rule / f"shard={shard:04d}.log").read_text()
        assert "n_copied = 0\n" in (logs / rule / f"shard={1 - shard:04d}.log").read_text()  # of the first run
    assert {path: path.stat().st_mtime_ns for path in others} == before
    assert run.planned("--until", "index_clips", "--", "all") == {}

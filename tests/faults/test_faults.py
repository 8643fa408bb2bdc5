"""Faults, each caused for real, and what is left after a rerun: `make test-faults`; it prints a table.

FAULT_KILLS says how many kills (20; CI: 2), FAULT_EACH in how many stages the disk is full, in how many ways shards are
damaged and how many in each way (0: all; CI: 1), FAULT_SEED when the kills come and which stages and shards these are.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from fault_chain import Chain, family, jobs_of, kill, sleep_while, wait_until_gone
from mlflow_server import Server
from workflow_checkout import Checkout

pytestmark = [pytest.mark.faults, pytest.mark.timeout(7200)]

N_KILLS = int(os.environ.get("FAULT_KILLS", "20"))
EACH = int(os.environ.get("FAULT_EACH", "0"))
SEED = int(os.environ.get("FAULT_SEED", "6"))
KINDS = ("workflow", "job", "training step", "everything")
MADE_BY = {
    "build_report": "report/index.html", "compare_experiments": "comparison/summary.parquet",
    "evaluate": "evaluation/base/seed=0/scores.parquet", "score_controls": "controls/base/scores.parquet",
    "train_era": "era/base/seed=0/model.safetensors", "train_ant": "ant/base/seed=0/model.safetensors",
    "train_sync": "sync/base/model.safetensors", "train_judge": "judge/base/model.safetensors",
    "train_student": "student/base/model.safetensors",
    "split_clips": "data/splits.parquet", "label_clips": "data/labels.parquet", "index_clips": "data/clips.parquet",
    "compute_mel": "data/mel/shard=0000.parquet", "cache_landmarks": "data/landmarks/shard=0000.parquet",
    "extract_frames": "data/frames/shard=0000.parquet", "build_catalog": "data/catalog.parquet",
    "download_data": "data/inventory.parquet",
}  # fmt: skip
"""A file of each stage, last stages first: so nothing before the stage is to be made when its turn comes."""
SHARDS = ("frames", "audio", "mel", "landmarks")
DAMAGES = ("truncated", "bit-flipped", "bit-flipped, time kept")


@dataclass
class Row:
    """What happened to one fault."""

    fault: str
    how: str
    caused: int = 0
    survived: int = 0


TABLE: list[Row] = []


def entry(fault: str, how: str) -> Row:
    """A new row of the table; a test that fails leaves in it what was caused and not survived."""
    TABLE.append(Row(fault, how))
    return TABLE[-1]


def chosen(names: Sequence[str], salt: str) -> list[str]:
    """All of them, or `EACH` of them, in their order."""
    few = random.Random(f"{SEED} {salt}").sample(names, EACH) if EACH else names
    return [name for name in names if name in few]


@pytest.fixture(scope="module", autouse=True)
def table() -> Iterator[None]:
    """Print what happened, whether or not a test failed."""
    yield
    width = max((len(row.fault) for row in TABLE), default=0)
    print(f"\n\n{'fault':{width}} caused survived lost  how")
    for row in TABLE:
        print(f"{row.fault:{width}} {row.caused:6} {row.survived:8} {row.caused - row.survived:4}  {row.how}")


@pytest.fixture(scope="module")
def undisturbed(checkout: Checkout, tmp_path_factory: pytest.TempPathFactory) -> Chain:
    chain = Chain(checkout, tmp_path_factory.mktemp("undisturbed"))
    began = time.monotonic()
    chain.complete()
    chain.took_s = time.monotonic() - began
    return chain


@pytest.fixture
def copy(undisturbed: Chain, checkout: Checkout, tmp_path: Path) -> Chain:
    """A finished run of its own, as the undisturbed one left it."""
    shutil.copytree(undisturbed.folder, tmp_path / "copy", symlinks=True)
    chain = Chain.__new__(Chain)
    chain.checkout, chain.folder = checkout, tmp_path / "copy"
    return chain


def test_kills(undisturbed: Chain, checkout: Checkout, tmp_path: Path) -> None:
    """`kill -9` at random moments, of Snakemake, a job, a training or all at once, over as many chains as it takes."""
    moments, killed, rounds, unlocked = random.Random(SEED), 0, 0, 0
    rows = {kind: entry(f"kill -9 of {'a ' * (kind in KINDS[1:3])}{kind}", "") for kind in KINDS}
    while killed < N_KILLS:
        rounds += 1
        chain = Chain(checkout, tmp_path / f"{rounds}")
        while killed < N_KILLS:
            kind = KINDS[killed % len(KINDS)]
            workflow = chain.start("all")
            running = sleep_while(workflow, moments.uniform(0.05, 0.35) * undisturbed.took_s)
            while running and not (victims := _victims(workflow.pid, kind)):
                running = sleep_while(workflow, 0.05)  # no such process at this moment
            if not running:
                assert workflow.returncode == 0 or "--unlock" in (chain.folder / "output.txt").read_text()
                if workflow.returncode == 0:
                    break  # this chain is through: another one
                assert chain.run("--unlock")[0] == 0
                unlocked += 1
                continue
            relatives = family(workflow.pid)
            hit = [kill(victim) for victim in victims]
            workflow.wait()
            wait_until_gone([one for one in relatives if one.pid != workflow.pid])
            if any(hit):
                killed += 1
                rows[kind].caused += 1
                print(f"kill {killed} of {N_KILLS}: {kind}", flush=True)
            assert chain.torn() == []
        chain.complete()
        assert chain.digests() == undisturbed.digests(), f"chain {rounds}"
        for row in rows.values():
            row.survived = row.caused
            row.how = f"bit-identical ({rounds} chains, {unlocked} x `snakemake --unlock`, as its message says)"


def _victims(workflow: int, kind: str) -> list[psutil.Process]:
    try:
        if kind == "workflow":
            return [psutil.Process(workflow)]
        if kind == "everything":
            return family(workflow)
        return jobs_of(workflow, " train-" if kind == "training step" else " -m eap ")[:1]
    except psutil.NoSuchProcess:
        return []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 MB."""
    mount = tmp_path / "disk"
    mount.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(mount)], capture_output=True, text=True
    )
    if done.returncode:
        pytest.fail(f"a small file system cannot be mounted here (root is needed): {done.stderr.strip()}")
    yield mount
    subprocess.run(["umount", "--lazy", str(mount)], check=True)


def test_full_disk(undisturbed: Chain, copy: Chain, small_disk: Path) -> None:
    """The disk of the results is full when a stage makes its files anew."""
    shutil.copytree(copy.folder / "results", small_disk, dirs_exist_ok=True)
    shutil.rmtree(copy.folder / "results")
    (copy.folder / "results").symlink_to(small_disk)
    stages = chosen([*MADE_BY], "disk")
    where = "in each stage" if len(stages) == len(MADE_BY) else f"in {', '.join(stages)}"
    row = entry(f"disk full (tmpfs), {where}", "said; nothing torn; bit-identical after the rerun")
    for stage in stages:
        made = MADE_BY[stage]
        (small_disk / made).unlink()
        ballast = small_disk / "ballast"
        _fill(ballast)
        row.caused += 1
        code, output = copy.run(f"results/{made}")
        assert code != 0, f"{stage} took no notice of a full disk: {output[-2000:]}"
        assert f"FAILED: {stage}" in output, output[-3000:]
        assert "is full: make room" in output or "No space left on device" in output, f"{stage}: {output[-3000:]}"
        assert copy.torn() == [], stage
        ballast.unlink()
        code, output = copy.run(f"results/{made}")
        assert code == 0, f"{stage}: {output[-5000:]}"
        print(f"disk full: {stage}", flush=True)
    copy.complete()
    assert copy.digests() == undisturbed.digests()
    row.survived = row.caused


def _fill(ballast: Path) -> None:
    with open(ballast, "wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError:
                continue


def test_mlflow_server_killed_during_training(undisturbed: Chain, copy: Chain, tmp_path: Path) -> None:
    """The server dies while ANT trains and comes back: each metric of each run is there once."""
    from mlflow import MlflowClient

    row = entry("MLflow server killed in training", "")
    server = Server(tmp_path / "server")
    try:
        server.start()
        copy.untrain()
        workflow = copy.start("all", variables={"MLFLOW_TRACKING_URI": server.uri})
        while workflow.poll() is None and not jobs_of(workflow.pid, " train-ant"):
            time.sleep(0.05)
        assert workflow.poll() is None
        server.kill()
        row.caused += 1
        time.sleep(5)
        server.start()
        assert workflow.wait() == 0, (copy.folder / "output.txt").read_text()[-3000:]
        command = [sys.executable, "-m", "eap", "--tracking", server.uri, "track", "deliver"]
        while True:  # the workflow's own delivery may be at its last round
            done = subprocess.run(command, cwd=copy.folder, capture_output=True, text=True, check=False)
            if "another process delivers" not in done.stdout:
                break
            time.sleep(1)
        assert done.returncode == 0, done.stdout + done.stderr
        client = MlflowClient(server.uri)
        runs = client.search_runs([client.get_experiment_by_name("eap").experiment_id], "tags.`eap.log` != ''")
        logs = sorted((copy.folder / "results/tracking").glob("*.jsonl"))
        n_metrics = 0
        for run in runs:
            (log,) = [log for log in logs if run.data.tags["eap.log"][:8] in log.name]
            n_metrics += _compare(client, run.info.run_id, log)
            assert run.info.status == "FINISHED"
        assert len(runs) == len([log for log in logs if "-summary-" not in log.name])
        assert len(client.search_model_versions("name = 'eap-base'")) == 1
        assert copy.digests() == undisturbed.digests()
        row.survived, row.how = 1, f"{n_metrics} metrics of {len(runs)} runs, each once"
    finally:
        server.kill()


def _compare(client: object, run_id: str, log: Path) -> int:
    """A run's metrics are exactly its log's; how many there are."""
    import json
    from collections import Counter

    lines = [json.loads(line) for line in log.read_text().splitlines()]
    wanted = Counter((name, line["s"], line["t"]) for line in lines if "m" in line for name in line["m"])
    names = {name for name, _, _ in wanted}
    found = Counter(
        (name, entry.step, entry.timestamp) for name in names for entry in client.get_metric_history(run_id, name)
    )
    assert found == wanted
    return wanted.total()


def test_two_workflows_at_once(undisturbed: Chain, copy: Chain) -> None:
    row = entry("two workflows at once", "the second refused (LockException), the first unharmed")
    copy.untrain()
    first = copy.start("all")
    while first.poll() is None and not jobs_of(first.pid):
        time.sleep(0.05)
    output = copy.folder / "output.txt"
    kept = output.rename(copy.folder / "first.txt")
    second = copy.start("all")
    row.caused += 1
    assert second.wait() != 0
    said = output.read_text()
    assert "cannot be locked" in said, said[-2000:]
    assert "Traceback" not in said
    assert first.wait() == 0, kept.read_text()[-3000:]
    copy.complete()
    assert copy.digests() == undisturbed.digests()
    row.survived += 1


@pytest.mark.parametrize("how", chosen(DAMAGES, "how"))
def test_damaged_shards(undisturbed: Chain, copy: Chain, how: str) -> None:
    """One shard of each kind; whoever reads it names it, `eap verify --delete` removes it, and it is made anew."""
    names = chosen(SHARDS, how)
    row = entry(f"shard {how}", f"{', '.join(names)}: detected by page digests, removed, rebuilt identically")
    for name in names:
        path = copy.folder / "results/data" / name / "shard=0000.parquet"
        before, whole = path.stat(), path.read_bytes()
        if how == "truncated":
            path.write_bytes(whole[: len(whole) // 2])
        else:
            place = len(whole) // 3
            path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        row.caused += 1
        if how.endswith("kept"):
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        else:
            code, output = copy.run()
            assert code != 0
            assert "damaged" in output, output[-3000:]
            assert "eap verify --delete" in output
        command = [sys.executable, "-m", "eap", "verify", "--delete"]
        done = subprocess.run(command, cwd=copy.folder, capture_output=True, text=True, check=False)
        assert f"{name}/shard=0000.parquet: damaged" in done.stdout
        asked = f"all results/data/{name}/shard=0000.parquet"
        assert done.stdout.rstrip().endswith(asked)
        code, output = copy.run(*asked.split())
        assert code == 0, output[-3000:]
        copy.complete()
        assert copy.digests() == undisturbed.digests(), name
        row.survived += 1
        print(f"{how}: {name}", flush=True)


def test_interrupted_by_a_person(undisturbed: Chain, copy: Chain) -> None:
    """Ctrl-C: the jobs end too, no lock stays."""
    row = entry("Ctrl-C in a training", "no lock left; bit-identical after the rerun")
    copy.untrain()
    workflow = copy.start("all")
    while workflow.poll() is None and not jobs_of(workflow.pid, " train-"):
        time.sleep(0.05)
    os.killpg(workflow.pid, signal.SIGINT)
    row.caused += 1
    assert workflow.wait() != 0
    code, output = copy.run()
    assert code == 0, output[-3000:]
    assert copy.digests() == undisturbed.digests()
    row.survived += 1

"""Faults, each caused for real, and what is left after a rerun: `make test-faults`; it prints a table.

FAULT_KILLS says how many kills (20; CI: 3), FAULT_SEED when they come.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from fault_chain import Chain, family, jobs_of, kill, sleep_while, wait_until_gone
from mlflow_server import Server
from workflow_checkout import Checkout

pytestmark = [pytest.mark.faults, pytest.mark.timeout(7200)]

N_KILLS = int(os.environ.get("FAULT_KILLS", "20"))
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
TABLE: list[tuple[str, int, int, str]] = []
"""Fault, caused, survived, how."""


@pytest.fixture(scope="module", autouse=True)
def table() -> Iterator[None]:
    """Print what happened, whether or not a test failed."""
    yield
    width = max((len(row[0]) for row in TABLE), default=0)
    print(f"\n\n{'fault':{width}} caused survived lost  how")
    for fault, caused, survived, how in TABLE:
        print(f"{fault:{width}} {caused:6} {survived:8} {caused - survived:4}  {how}")


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
    moments, counts = random.Random(SEED), dict.fromkeys(KINDS, 0)
    killed, rounds, unlocked = 0, 0, 0
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
                counts[kind] += 1
            assert chain.torn() == []
        chain.complete()
        assert chain.digests() == undisturbed.digests(), f"chain {rounds}"
    how = f"over {rounds} chains; bit-identical after reruns; {unlocked} x `snakemake --unlock`, as its message says"
    for kind, count in counts.items():
        TABLE.append((f"kill -9 of {'a ' * (kind in KINDS[1:3])}{kind}", count, count, how))


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
    """The disk of the results is full when each stage makes its files anew."""
    shutil.copytree(copy.folder / "results", small_disk, dirs_exist_ok=True)
    shutil.rmtree(copy.folder / "results")
    (copy.folder / "results").symlink_to(small_disk)
    for number, (stage, made) in enumerate(MADE_BY.items()):
        (small_disk / made).unlink()
        ballast = small_disk / "ballast"
        _fill(ballast)
        code, output = copy.run(f"results/{made}")
        assert code != 0, f"{stage} took no notice of a full disk: {output[-2000:]}"
        assert f"FAILED: {stage}" in output, output[-3000:]
        assert "is full: make room" in output or "No space left on device" in output, f"{stage}: {output[-3000:]}"
        assert copy.torn() == [], stage
        ballast.unlink()
        code, output = copy.run(f"results/{made}")
        assert code == 0, f"{stage}: {output[-5000:]}"
        TABLE[:] = [row for row in TABLE if not row[0].startswith("disk full")]
        TABLE.append(("disk full (tmpfs), in each stage", number + 1, number + 1, "said; nothing torn; rerun complete"))
    copy.complete()
    assert copy.digests() == undisturbed.digests()


def _fill(ballast: Path) -> None:
    with open(ballast, "wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError:
                continue


def test_mlflow_server_killed_during_training(checkout: Checkout, undisturbed: Chain, tmp_path: Path) -> None:
    """The server dies while ANT trains and comes back: each metric of each run is there once."""
    from mlflow import MlflowClient

    server = Server(tmp_path / "server")
    try:
        server.start()
        chain = Chain(checkout, tmp_path / "chain", tracking={"uri": server.uri})
        workflow = chain.start("all")
        while workflow.poll() is None and not jobs_of(workflow.pid, " train-ant"):
            time.sleep(0.05)
        assert workflow.poll() is None
        server.kill()
        time.sleep(5)
        server.start()
        assert workflow.wait() == 0, (chain.folder / "output.txt").read_text()[-3000:]
        command = [sys.executable, "-m", "eap", "--tracking", server.uri, "track", "deliver"]
        while True:  # the workflow's own delivery may be at its last round
            done = subprocess.run(command, cwd=chain.folder, capture_output=True, text=True, check=False)
            if "another process delivers" not in done.stdout:
                break
            time.sleep(1)
        assert done.returncode == 0, done.stdout + done.stderr
        client = MlflowClient(server.uri)
        runs = client.search_runs([client.get_experiment_by_name("eap").experiment_id], "tags.`eap.log` != ''")
        logs = sorted((chain.folder / "results/tracking").glob("*.jsonl"))
        n_metrics = 0
        for run in runs:
            (log,) = [log for log in logs if run.data.tags["eap.log"][:8] in log.name]
            n_metrics += _compare(client, run.info.run_id, log)
            assert run.info.status == "FINISHED"
        assert len(runs) == len([log for log in logs if "-summary-" not in log.name])
        assert len(client.search_model_versions("name = 'eap-base'")) == 1
        assert chain.digests() == undisturbed.digests()
    finally:
        server.kill()
    TABLE.append(("MLflow server killed in training", 1, 1, f"{n_metrics} metrics of {len(runs)} runs, each once"))


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


def test_two_workflows_at_once(undisturbed: Chain, checkout: Checkout, tmp_path: Path) -> None:
    chain = Chain(checkout, tmp_path / "chain")
    first = chain.start("all")
    while first.poll() is None and not jobs_of(first.pid):
        time.sleep(0.05)
    output = chain.folder / "output.txt"
    kept = output.rename(chain.folder / "first.txt")
    second = chain.start("all")
    assert second.wait() != 0
    said = output.read_text()
    assert "cannot be locked" in said, said[-2000:]
    assert "Traceback" not in said
    assert first.wait() == 0, kept.read_text()[-3000:]
    chain.complete()
    assert chain.digests() == undisturbed.digests()
    TABLE.append(("two workflows at once", 1, 1, "the second refused (LockException), the first unharmed"))


@pytest.mark.parametrize("how", ["truncated", "bit-flipped", "bit-flipped, time kept"])
def test_damaged_shards(undisturbed: Chain, copy: Chain, how: str) -> None:
    """One shard of each kind; whoever reads it names it, `eap verify --delete` removes it, and it is made anew."""
    for name in SHARDS:
        path = copy.folder / "results/data" / name / "shard=0000.parquet"
        before, whole = path.stat(), path.read_bytes()
        if how == "truncated":
            path.write_bytes(whole[: len(whole) // 2])
        else:
            place = len(whole) // 3
            path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
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
    TABLE.append((f"shard {how}", len(SHARDS), len(SHARDS), "detected by page digests, removed, rebuilt identically"))


def test_interrupted_by_a_person(undisturbed: Chain, checkout: Checkout, tmp_path: Path) -> None:
    """Ctrl-C: the jobs end too, no lock stays."""
    chain = Chain(checkout, tmp_path / "chain")
    workflow = chain.start("all")
    while workflow.poll() is None and not jobs_of(workflow.pid, " train-"):
        time.sleep(0.05)
    os.killpg(workflow.pid, signal.SIGINT)
    assert workflow.wait() != 0
    code, output = chain.run()
    assert code == 0, output[-3000:]
    assert chain.digests() == undisturbed.digests()
    TABLE.append(("Ctrl-C in a training", 1, 1, "no lock left; bit-identical after the rerun"))

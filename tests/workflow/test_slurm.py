"""The tiny workflow, from rendering to the report, through a real Slurm: its jobs, and the results of a local run.

Run by `make test-slurm`, which installs Slurm where it is absent.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from slurm_cluster import CLIENTS, DAEMONS, Cluster, running_cluster
from workflow_checkout import SMALL, Checkout, digests

from eap.digest import file_sha256

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(3600)]

TINY = {
    "preset": "demo",
    "seeds": [0],
    "phantom": {"identities": 2, "neutral_takes": 2, "size": 128},
    "video": {"size": 128, "detect_every": 25},
    "split": {"by": "clip", "test": 0.3},
    **SMALL,
    "ant": {"epochs": 1, "warmup_steps": 3},
    "era": {"epochs": 1},
    "evaluation": {"max_clips": 1},
}  # fmt: skip
PARTITIONS = {"partitions": {"cpu": {"max_runtime": 1_000_000}, "gpu": {"max_runtime": 1_000_000, "max_gpu": 2}}}
GPUS = {"train_student": 1, "train_sync": 1, "train_judge": 1, "train_ant": 2, "train_era": 2}
GROUPS = {"extract_frames": "shard", "cache_landmarks": "shard", "compute_mel": "shard",
          "index_clips": "clips", "split_clips": "clips"}  # fmt: skip
STARVED = "build_catalog"
"""At its first attempt this rule gets far less memory than Python takes."""
STARVED_MB = 40


@dataclass(frozen=True)
class Submitted:
    """A workflow that has run on the cluster."""

    folder: Path
    output: str
    states: dict[str, dict[str, str]]
    """Slurm's own record of each job, by its id."""

    @property
    def ids(self) -> dict[str, list[str]]:
        """Slurm's job ids by rule or group, from the names of Slurm's logs."""
        found: dict[str, list[str]] = {}
        for path in sorted((self.folder / ".snakemake" / "slurm_logs").rglob("*.log")):
            kind = path.relative_to(self.folder / ".snakemake" / "slurm_logs").parts[0]
            # group_NAME_RULE_RULE... or rule_NAME
            name = kind.split("_")[1] if kind.startswith("group_") else kind.removeprefix("rule_")
            found.setdefault(name, []).append(path.stem)
        return found


@pytest.fixture(scope="module")
def local(checkout: Checkout, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("local")
    (folder / "tiny.yaml").write_text(yaml.safe_dump(TINY))
    profile = checkout.root / "workflow" / "profiles" / "local"
    checkout.snakemake(
        folder, "--cores", "2", "--configfile", "tiny.yaml", "--workflow-profile", str(profile), "all"
    )  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    absent = [name for name in (*DAEMONS, *CLIENTS) if shutil.which(name) is None]
    if absent:
        pytest.fail(f"{', '.join(absent)}: not installed; `make test-slurm` installs them")
    with tempfile.TemporaryDirectory(prefix="eap-slurm-") as folder, running_cluster(Path(folder)) as running:
        yield running


@pytest.fixture(scope="module")
def submitted(checkout: Checkout, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Submitted:
    folder = tmp_path_factory.mktemp("slurm")
    (folder / "tiny.yaml").write_text(yaml.safe_dump(TINY))
    (folder / "partitions.yaml").write_text(yaml.safe_dump(PARTITIONS))
    profile = checkout.root / "workflow" / "profiles" / "slurm"
    asked = [f"{rule}:gpu={n}" for rule, n in GPUS.items()]
    asked.append(f"{STARVED}:mem_mb={STARVED_MB} * 50 ** (attempt - 1)")
    output = checkout.snakemake(
        folder, "--configfile", "tiny.yaml", "--workflow-profile", str(profile), "--set-resources", *asked,
        "--latency-wait", "10", "--", "all",
        variables=cluster.environment | {"SNAKEMAKE_SLURM_PARTITIONS": str(folder / "partitions.yaml")},
    )  # fmt: skip
    return Submitted(folder, output, cluster.jobs())


def test_slurm_completed_every_job(submitted: Submitted) -> None:
    """Each rule's jobs were submitted, alone or in their group, and Slurm says of each that it completed."""
    planned = {name: int(count) for name, count in re.findall(r"^(\w+) +(\d+)$", submitted.output, flags=re.M)}
    del planned["total"], planned["all"]  # rule `all` has no work
    assert set(planned) >= {"render_phantom", "extract_frames", "train_ant", "evaluate", "build_report"}
    expected = Counter({rule: count for rule, count in planned.items() if rule not in GROUPS})
    expected.update({"shard": planned["extract_frames"], "clips": planned["index_clips"], STARVED: 1})
    assert {name: len(ids) for name, ids in submitted.ids.items()} == expected
    states = Counter(submitted.states[job]["JobState"] for ids in submitted.ids.values() for job in ids)
    assert states == {"COMPLETED": expected.total() - 1, "FAILED": 1}
    for job in submitted.states:
        assert f"SLURM jobid {job} " in submitted.output


def test_every_job_gets_its_partition_and_its_gpus(submitted: Submitted) -> None:
    for name, ids in submitted.ids.items():
        for job in ids:
            state = submitted.states[job]
            found = re.search(r"gpu:(\d+)", state.get("TresPerJob", ""))
            assert int(found[1] if found else 0) == GPUS.get(name, 0), name
            assert state["Partition"] == ("gpu" if name in GPUS else "cpu")


def test_a_job_killed_for_memory_comes_back_with_more(submitted: Submitted) -> None:
    first, second = sorted(submitted.ids[STARVED], key=int)
    assert submitted.states[first]["JobState"] == "FAILED"
    assert submitted.states[first]["MinMemoryNode"] == f"{STARVED_MB}M"
    log = next((submitted.folder / ".snakemake" / "slurm_logs").rglob(f"{first}.log")).read_text()
    assert "exceeded memory limit" in log
    assert submitted.states[second]["JobState"] == "COMPLETED"
    assert submitted.states[second]["MinMemoryNode"] == f"{STARVED_MB * 50}M"


def test_the_generic_profile_submits_watches_and_finishes(
    checkout: Checkout, cluster: Cluster, submitted: Submitted
) -> None:
    """One job anew, by the profile `cluster`, whose commands are sbatch and squeue."""
    splits = submitted.folder / "results" / "data" / "splits.parquet"
    before = file_sha256(splits)
    profile = checkout.root / "workflow" / "profiles" / "cluster"
    output = checkout.snakemake(
        submitted.folder, "--configfile", "tiny.yaml", "--workflow-profile", str(profile), "--latency-wait", "10",
        "--forcerun", "split_clips", "--until", "split_clips", variables=cluster.environment,
    )  # fmt: skip
    (job,) = re.findall(r"external jobid '(\d+)'", output)
    assert cluster.jobs()[job]["JobState"] == "COMPLETED"
    assert (submitted.folder / ".snakemake" / f"cluster-{job}.log").stat().st_size > 0
    assert file_sha256(splits) == before


def test_results_are_bit_identical_to_a_local_run(local: Path, submitted: Submitted) -> None:
    """Everything but the logs, times and MLflow's store, which carry times and paths."""
    here, there = digests(local / "results"), digests(submitted.folder / "results")
    assert sorted(here) == sorted(there)
    assert {"data/clips.parquet", "era/base/seed=0/model.safetensors", "comparison/summary.parquet",
            "report/index.html", "evaluation/base/seed=0/scores.parquet"} <= set(here)  # fmt: skip
    assert [name for name in here if here[name] != there[name]] == []

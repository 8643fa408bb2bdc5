"""A Slurm cluster of one node on loopback: its own key, configuration, state and logs in one folder, fake GPUs.

Debian's `slurm-wlm` and `munge` are needed, and root (slurmd starts jobs as their users). Nothing outside the folder is
read or written, so a cluster that the machine may have already is not touched.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

CLIENTS = ("sbatch", "srun", "squeue", "scancel", "scontrol", "sinfo")
DAEMONS = ("munged", "slurmctld", "slurmd")
MUNGE_FILES = {"key-file": ".key", "socket": ".sock", "pid-file": ".pid", "log-file": "d.log", "seed-file": ".seed"}
N_GPUS = 2
MEMORY_MB = 64_000
"""What the node claims to have, so that jobs wait for cores only."""

# No cgroups and no accounting. The memory of jobs is polled, and a job that takes more than it asked for is killed, as
# on a real cluster. A job that ended stays known for an hour.
CONFIGURATION = """
ClusterName=eaptest
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock
CryptoType=crypto/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
ReturnToService=2
SlurmdParameters=config_overrides
MinJobAge=3600
GresTypes=gpu
NodeName=localhost NodeAddr=127.0.0.1 CPUs={cores} RealMemory={memory} Gres=gpu:{gpus} State=UNKNOWN
PartitionName=cpu Nodes=localhost Default=YES MaxTime=INFINITE State=UP
PartitionName=gpu Nodes=localhost MaxTime=INFINITE State=UP
"""


@dataclass(frozen=True)
class Cluster:
    """A running cluster."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """Variables of a process that uses it; its commands come first on PATH."""
        return {
            "PATH": f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "SLURM_CONF": str(self.folder / "slurm.conf"),
        }

    def command(self, *arguments: str) -> str:
        """Output of one of Slurm's commands."""
        environment = os.environ | self.environment
        return subprocess.run(arguments, env=environment, check=True, capture_output=True, text=True).stdout

    def jobs(self) -> dict[str, dict[str, str]]:
        """What Slurm knows of each job, by its id: JobState, Partition, TresPerJob, MinMemoryNode, ..."""
        lines = self.command("scontrol", "--oneliner", "show", "job").splitlines()
        found = [dict(pair.split("=", 1) for pair in line.split() if "=" in pair) for line in lines]
        return {job["JobId"]: job for job in found if "JobId" in job}


@contextmanager
def running_cluster(folder: Path) -> Iterator[Cluster]:
    """Start the daemons, wait until the node is idle, and stop them in the end, whatever happens in between."""
    cluster = Cluster(folder)
    _write(folder)
    conf = ("-f", str(folder / "slurm.conf"))
    munge = [f"--{name}={folder}/munge{suffix}" for name, suffix in MUNGE_FILES.items()]
    daemons: list[subprocess.Popen[bytes]] = []
    try:
        for command in (("munged", "--foreground", "--force", *munge), ("slurmctld", "-D", *conf),
                        ("slurmd", "-D", *conf, "-N", "localhost")):  # fmt: skip
            daemons.append(_start(folder, *command))
            if command[0] == "munged":
                _wait_for(lambda: (folder / "munge.sock").is_socket(), cluster, "munged answers")
        _wait_for(lambda: "idle" in cluster.command("sinfo", "--noheader", "--format=%T"), cluster, "the node is idle")
        yield cluster
    finally:
        _stop(cluster, daemons)


def _write(folder: Path) -> None:
    for name in ("state", "spool", "bin"):
        (folder / name).mkdir(parents=True)
    folder.chmod(0o755)
    key = folder / "munge.key"
    key.write_bytes(secrets.token_bytes(128))
    key.chmod(0o400)
    values = {"folder": folder, "cores": os.cpu_count(), "memory": MEMORY_MB, "gpus": N_GPUS}
    (folder / "slurm.conf").write_text(
        CONFIGURATION.format(controller_port=_free_port(), node_port=_free_port(), **values)
    )
    for number in range(N_GPUS):
        # Slurm refuses GPUs without a device file: these are /dev/null by other names.
        os.mknod(folder / f"fakegpu{number}", 0o666 | 0o020000, os.makedev(1, 3))
    (folder / "gres.conf").write_text(f"Name=gpu File={folder}/fakegpu[0-{N_GPUS - 1}]\n")
    for name in CLIENTS:
        # The executor plugin removes SLURM_CONF from a job's environment, so the commands must know it themselves.
        wrapper = folder / "bin" / name
        wrapper.write_text(f'#!/bin/sh\nexport SLURM_CONF="{folder}/slurm.conf"\nexec {shutil.which(name)} "$@"\n')
        wrapper.chmod(0o755)


def _start(folder: Path, name: str, *arguments: str) -> subprocess.Popen[bytes]:
    """A daemon in the foreground; the kernel ends it if this process is killed and cannot do so itself."""
    with open(folder / f"{name}.out", "wb") as out:
        return subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", shutil.which(name) or name, *arguments], stdout=out, stderr=out
        )


def _wait_for(condition: Callable[[], bool], cluster: Cluster, what: str, patience_s: float = 60) -> None:
    until = time.monotonic() + patience_s
    while time.monotonic() < until:
        try:
            if condition():
                return
        except subprocess.CalledProcessError:
            pass  # the controller does not answer yet
        time.sleep(0.2)
    said = "\n".join(path.read_text(errors="replace")[-2000:] for path in sorted(cluster.folder.glob("*.out")))
    raise RuntimeError(f"waited {patience_s} s in vain until {what}:\n{said}")


def _stop(cluster: Cluster, daemons: list[subprocess.Popen[bytes]]) -> None:
    """End the jobs, then the daemons, last started first."""
    try:
        cluster.command("scancel", "--quiet", "--user=root")
        time.sleep(1)
    except subprocess.CalledProcessError:
        pass  # no controller: no job that it could end
    for daemon in reversed(daemons):
        daemon.terminate()
        try:
            daemon.wait(10)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]

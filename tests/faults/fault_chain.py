"""A small chain from clips to the report, its processes, and the comparison of what it leaves."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import psutil
import yaml
from real_clips import CLIPS
from workflow_checkout import SMALL, Checkout, digests

CHOSEN = (
    "crema_d/1001_DFA_NEU_XX.flv", "crema_d/1001_DFA_ANG_XX.flv", "crema_d/1001_DFA_HAP_XX.flv",
    "crema_d/1001_DFA_SAD_XX.flv", "grid/s1_bbaf2n.mpg", "grid/s1_bbbs7a.mpg",
)  # fmt: skip
TINY = {
    "preset": "clips",
    "seeds": [0],
    "data": {"shards": 2},
    "split": {"test": 0.3},
    **SMALL,
    "student": {**SMALL["student"], "steps": 6},
    "sync": {**SMALL["sync"], "steps": 6},
    "judge": {**SMALL["judge"], "steps": 6},
    "ant": {"epochs": 4, "batch_size": 2, "warmup_steps": 4, "checkpoint_every": 2},
    "era": {"epochs": 4, "batch_size": 2, "warmup_steps": 4, "checkpoint_every": 2},
    "evaluation": {"max_clips": 1, "bias_clips": 1},
}  # fmt: skip


class Chain:
    """The workflow in a working directory of its own."""

    def __init__(self, checkout: Checkout, folder: Path, **values: object) -> None:
        self.checkout, self.folder = checkout, folder
        for path in CHOSEN:
            (folder / "data/clips" / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(CLIPS / path, folder / "data/clips" / path)
        shutil.copyfile(CLIPS / "manifest.csv", folder / "data/clips/manifest.csv")
        self._keep_only_what_is_listed()
        (folder / "tiny.yaml").write_text(yaml.safe_dump({**TINY, **values}))

    def _keep_only_what_is_listed(self) -> None:
        manifest = self.folder / "data/clips/manifest.csv"
        head, *lines = manifest.read_text(encoding="utf-8").splitlines()
        manifest.write_text("\n".join([head, *[line for line in lines if any(name in line for name in CHOSEN)]]) + "\n")

    def start(self, *arguments: str, variables: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """Snakemake, in a session of its own."""
        local = self.checkout.root / "workflow" / "profiles" / "local"
        command = [
            sys.executable, "-m", "snakemake", "--snakefile", str(self.checkout.root / "Snakefile"), "--directory",
            str(self.folder), "--cores", "2", "--configfile", "tiny.yaml", "--workflow-profile", str(local), *arguments,
        ]  # fmt: skip
        environment = {
            **os.environ,
            "PYTHONPATH": str(self.checkout.root / "src"),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            **(variables or {}),
        }
        with open(self.folder / "output.txt", "w") as out:
            return subprocess.Popen(
                command, cwd=self.folder, env=environment, stdout=out, stderr=out, text=True, start_new_session=True,
                preexec_fn=heed_interrupts,
            )  # fmt: skip

    def run(self, *arguments: str, variables: Mapping[str, str] | None = None) -> tuple[int, str]:
        """Exit code and output of a whole run."""
        code = self.start(*(arguments or ("all",)), variables=variables).wait()
        return code, (self.folder / "output.txt").read_text(encoding="utf-8", errors="replace")

    def untrain(self) -> None:
        """Forget ANT, all that follows, what training left, and the logs of former runs; a run then begins at ANT.

        All that follows, since Snakemake makes no absent file anew that nothing asks for.
        """
        for name in ("ant", "era", "evaluation", "comparison", "report", "checkpoints", "tracking"):
            shutil.rmtree(self.folder / "results" / name)

    def complete(self) -> None:
        """Run to the end as a user does after a fault: by the command that the message names, if it names one."""
        code, output = self.run()
        if code and "--unlock" in output:
            assert self.run("--unlock")[0] == 0
            code, output = self.run()
        assert code == 0, output[-5000:]
        assert "Nothing to be done" in self.run("all", "--dry-run")[1]

    def digests(self) -> dict[str, str]:
        """SHA-256 of each result."""
        return digests(self.folder / "results")

    def torn(self) -> list[Path]:
        """Files that look complete by their name and are not: none, ever."""
        from eap.housekeeping import find_damage

        return [path for path, _ in find_damage(self.folder / "results")]


def heed_interrupts() -> None:
    """A shell's background jobs, and all that they start, ignore Ctrl-C; a terminal's do not."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def jobs_of(workflow: int, containing: str = " -m eap ") -> list[psutil.Process]:
    """The running stages below a Snakemake process."""
    found = []
    for process in psutil.Process(workflow).children(recursive=True):
        try:
            line = " ".join(process.cmdline())
        except psutil.Error:
            continue
        if "python" in line.split(" ")[0] and " -m eap " in f"{line} " and containing in line and " track " not in line:
            found.append(process)
    return found


def wait_until_gone(processes: list[psutil.Process]) -> None:
    """Orphans of a killed workflow may still work."""
    psutil.wait_procs(processes, timeout=300)


def family(workflow: int) -> list[psutil.Process]:
    """Snakemake and everything below it."""
    process = psutil.Process(workflow)
    return [process, *process.children(recursive=True)]


def kill(process: psutil.Process) -> bool:
    """`kill -9`; False if it has ended by itself."""
    try:
        process.kill()
    except psutil.NoSuchProcess:
        return False
    return True


def sleep_while(process: subprocess.Popen[str], seconds: float) -> bool:
    """Sleep, unless the process ends before; whether it still runs."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if process.poll() is not None:
            return False
        time.sleep(0.02)
    return process.poll() is None

"""A real MLflow server and a real PostgreSQL on loopback, for tests that kill them."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil
import requests

PATIENCE_S = 180


class Server:
    """`eap track serve` on a port of its own; `kill` and `start` may be called again and again."""

    def __init__(self, folder: Path, *options: str, variables: Mapping[str, str] | None = None) -> None:
        self.folder, self.options = folder, options
        self.variables = {**os.environ, **(variables or {})}
        self.port = free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        tracking = self.options[:2] if self.options[:1] == ("--tracking",) else ()
        command = [
            sys.executable, "-m", "eap", *tracking, "track", "serve", "--folder", str(self.folder), "--port",
            str(self.port), *self.options[len(tracking) :],
        ]  # fmt: skip
        self.folder.mkdir(parents=True, exist_ok=True)
        with open(self.folder / "server.log", "ab") as log:
            self._process = subprocess.Popen(command, env=self.variables, stdout=log, stderr=log)
        until = time.monotonic() + PATIENCE_S
        while not self.answers():
            assert self._process.poll() is None, (self.folder / "server.log").read_text()[-3000:]
            assert time.monotonic() < until, (self.folder / "server.log").read_text()[-3000:]
            time.sleep(0.2)

    def answers(self) -> bool:
        try:
            return requests.get(f"{self.uri}/health", timeout=5).ok
        except requests.RequestException:
            return False

    def kill(self) -> None:
        """`kill -9` of it and its workers."""
        if self._process is None:
            return
        family = psutil.Process(self._process.pid)
        for process in [*family.children(recursive=True), family]:
            process.kill()
        self._process.wait()
        self._process = None


@contextmanager
def running_server(folder: Path, *options: str, variables: Mapping[str, str] | None = None) -> Iterator[Server]:
    """A server that ends with the block."""
    server = Server(folder, *options, variables=variables)
    try:
        server.start()
        yield server
    finally:
        server.kill()


@contextmanager
def running_postgresql(folder: Path) -> Iterator[str]:
    """URI of an empty database of a PostgreSQL of its own; root gives it to Debian's user `postgres`."""
    folder.mkdir(parents=True)
    as_user: tuple[str, ...] = ()
    if os.getuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
        user = pwd.getpwnam("postgres")
        as_user = ("setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--init-groups")
    port, password = free_port(), "a-secret-of-this-test"
    (folder / "password").write_text(password)
    shutil.chown(folder / "password", user.pw_uid, user.pw_gid) if as_user else None

    def run(name: str, *arguments: str) -> None:
        done = subprocess.run([*as_user, binary(name), *arguments], cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, f"{name}: {done.stdout}{done.stderr}"

    data = str(folder / "data")
    run("initdb", "-D", data, "-U", "eap", "--auth=scram-sha-256", f"--pwfile={folder}/password", "-E", "UTF8")
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder}"
    run("pg_ctl", "-D", data, "-l", f"{folder}/log", "-w", "-o", options, "start")
    try:
        yield f"postgresql://eap:{password}@127.0.0.1:{port}/postgres"
    finally:
        run("pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")


def binary(name: str) -> str:
    """One of PostgreSQL's programs; Debian keeps them off PATH."""
    found = shutil.which(name) or next(map(str, sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))[-1:]), None)
    assert found, f"{name}: not installed; `make test-tracking` installs it"
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]

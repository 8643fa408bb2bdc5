"""How MLflow's server is started: for one machine on sqlite, for a team on PostgreSQL behind names and passwords."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from eap.config import ConfigError
from eap.files import atomic_path, write_text

PASSWORD = "MLFLOW_AUTH_ADMIN_PASSWORD"
MIN_PASSWORD = 12
"""Characters; MLflow asks for as many."""


@dataclass(frozen=True)
class Server:
    """What was asked for."""

    folder: Path
    """Database (if none is named), artifacts, and what authentication needs."""
    store: str | None
    """Database URI with its secrets filled in; None: sqlite in the folder."""
    host: str
    port: int
    auth: bool


def command(server: Server, environment: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
    """The command and the environment that start the server.

    Raises
    ------
    ConfigError
        If others could reach it without a password, or there is no password yet.
    """
    if not server.auth and not is_loopback(server.host):
        raise ConfigError(
            f"--host {server.host} lets others in, and without --auth anyone may read, change and delete: add --auth, "
            "or keep 127.0.0.1 and let them come by ssh -L"
        )
    store = server.store or f"sqlite:///{(server.folder / 'mlflow.db').absolute()}"
    # One worker is enough for one deliverer per workflow; its database URI stands in no command line
    arguments = [
        sys.executable, "-m", "mlflow", "server", "--host", server.host, "--port", str(server.port), "--workers", "1",
        "--serve-artifacts", "--artifacts-destination", (server.folder / "artifacts").absolute().as_uri(),
    ]  # fmt: skip
    variables = {
        **environment,
        "MLFLOW_BACKEND_STORE_URI": store,
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
    }
    variables.pop("MLFLOW_TRACKING_URI", None)  # a client's setting
    if not is_loopback(server.host):
        arguments += ["--allowed-hosts", environment.get("MLFLOW_SERVER_ALLOWED_HOSTS", "*")]
    if server.auth:
        arguments += ["--app-name", "basic-auth"]
        variables |= _authentication(server, environment)
    return arguments, variables


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches it."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _authentication(server: Server, environment: Mapping[str, str]) -> dict[str, str]:
    """Users in a database of their own, the key of sessions in a file that the owner alone reads."""
    users, settings, key = (server.folder / name for name in ("users.db", "auth.ini", "session.key"))
    if not users.is_file() and len(environment.get(PASSWORD, "")) < MIN_PASSWORD:
        raise ConfigError(
            f"--auth: export {PASSWORD} (at least {MIN_PASSWORD} characters) for the first start; the user is `admin`, "
            "and `eap track user NAME` makes the others"
        )
    server.folder.mkdir(parents=True, exist_ok=True)
    write_text(
        settings,
        f"[mlflow]\ndefault_permission = READ\ndatabase_uri = sqlite:///{users.absolute()}\nadmin_username = admin\n"
        "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n",
    )
    if not key.is_file():
        with atomic_path(key) as temporary, open(os.open(temporary, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
            file.write(secrets.token_hex(32))
    return {
        "MLFLOW_AUTH_CONFIG_PATH": str(settings.absolute()),
        "MLFLOW_FLASK_SERVER_SECRET_KEY": key.read_text(encoding="utf-8"),
    }

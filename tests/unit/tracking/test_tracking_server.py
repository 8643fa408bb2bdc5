"""How the server is started; that it then serves is tested by `make test-system`."""

from __future__ import annotations

from pathlib import Path

import pytest

from eap.config import ConfigError
from eap.tracking.server import Server, command


def test_one_machine_gets_sqlite_on_its_own_address(tmp_path: Path) -> None:
    arguments, environment = command(Server(tmp_path, None, "127.0.0.1", 5001, False), {"MLFLOW_TRACKING_URI": "x"})
    given = dict(zip(arguments[4::2], arguments[5::2], strict=False))
    assert (given["--host"], given["--port"]) == ("127.0.0.1", "5001")
    assert environment["MLFLOW_BACKEND_STORE_URI"] == f"sqlite:///{tmp_path}/mlflow.db"
    assert "MLFLOW_TRACKING_URI" not in environment
    assert "--app-name" not in arguments


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.1.2.3", "node7"])
def test_others_get_in_with_a_password_only(tmp_path: Path, host: str) -> None:
    with pytest.raises(ConfigError, match=r"add --auth, or keep 127\.0\.0\.1"):
        command(Server(tmp_path, None, host, 5000, False), {})


def test_a_password_is_needed_once_and_stands_in_no_command(tmp_path: Path) -> None:
    server = Server(tmp_path, "postgresql://eap:s3cret@db/mlflow", "0.0.0.0", 5000, True)
    with pytest.raises(ConfigError, match="export MLFLOW_AUTH_ADMIN_PASSWORD"):
        command(server, {"MLFLOW_AUTH_ADMIN_PASSWORD": "short"})
    arguments, environment = command(server, {"MLFLOW_AUTH_ADMIN_PASSWORD": "a long pass phrase"})
    assert arguments[-2:] == ["--app-name", "basic-auth"]
    assert "s3cret" not in " ".join(arguments)
    assert environment["MLFLOW_BACKEND_STORE_URI"] == "postgresql://eap:s3cret@db/mlflow"
    assert (tmp_path / "session.key").stat().st_mode & 0o077 == 0
    key = environment["MLFLOW_FLASK_SERVER_SECRET_KEY"]
    assert len(key) == 64
    (tmp_path / "users.db").touch()
    assert command(server, {})[1]["MLFLOW_FLASK_SERVER_SECRET_KEY"] == key  # sessions outlive a restart

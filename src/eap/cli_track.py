"""`eap track NAME`: runs on their way to MLflow, and its server."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from eap.cli_options import DELIVERY_S, LOGS, Tracking, store_of
from eap.urls import mask

app = typer.Typer(no_args_is_help=True, help="Runs on their way to MLflow, and its server.")


@app.command("deliver")
def track_deliver(
    context: typer.Context,
    follow: Annotated[
        int | None, typer.Option(help="Go on until the process of this number has ended, then end.")
    ] = None,
    every: Annotated[float, typer.Option(min=0.1, help="Seconds between two rounds, with --follow.")] = 2.0,
) -> None:
    """Send to MLflow what the local logs hold and it has not yet got, each metric once."""
    from eap.tracking.pending import note, only_one, wait

    tracking: Tracking = context.obj
    uri, folder = store_of(tracking), tracking.log or LOGS
    with only_one(folder, tracking.uri) as lock:
        if lock is None:
            typer.echo(mask(f"{folder}: another process delivers to {tracking.uri} already"))
            return
        from eap.tracking.delivery import Delivery
        from eap.tracking.delivery import follow as follow_logs

        def say(text: str) -> None:
            typer.echo(mask(f"tracking: {text}"))

        delivery = Delivery(folder, uri, tracking.uri, say)
        complete = follow_logs(delivery, _alive(follow), every, lambda trouble: note(lock, trouble))
    typer.echo(mask(wait(folder, tracking.uri, 0)))
    if not complete:
        raise typer.Exit(1)


def _alive(process: int | None) -> Callable[[], bool]:
    """Whether a process still lives; its number may have been given to another since."""
    import psutil

    try:
        found = None if process is None else psutil.Process(process)
    except psutil.NoSuchProcess:
        found = None
    return lambda: found is not None and found.is_running() and found.status() != psutil.STATUS_ZOMBIE


@app.command("serve")
def track_serve(
    context: typer.Context,
    folder: Annotated[Path, typer.Option(file_okay=False, help="Database, artifacts, users.")] = Path("results/mlflow"),
    host: Annotated[str, typer.Option(help="Address to listen on; others than this machine's need --auth.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=1, max=65535)] = 5000,
    auth: Annotated[bool, typer.Option("--auth", help="Ask for name and password (HTTP basic; put TLS in front).")] = (
        False
    ),
) -> None:
    """Start MLflow's server. Its database is --tracking URI before the command, or sqlite in --folder."""
    from eap.tracking.server import Server, command

    tracking: Tracking = context.obj
    store = None if tracking.uri is None else store_of(tracking)
    arguments, environment = command(Server(folder, store, host, port, auth), os.environ)
    folder.mkdir(parents=True, exist_ok=True)
    os.execvpe(arguments[0], arguments, environment)


@app.command("user")
def track_user(
    context: typer.Context, name: Annotated[str, typer.Argument(help="Name of a new user of a server with --auth.")]
) -> None:
    """Make a user. MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD are the admin's; the password is asked for."""
    from eap.tracking.store import create_user

    password = typer.prompt("password", hide_input=True, confirmation_prompt=True)
    create_user(store_of(context.obj), name, password)


@app.command("wait")
def track_wait(
    context: typer.Context,
    patience: Annotated[float, typer.Option(min=0, help="Seconds.")] = DELIVERY_S,
) -> None:
    """Wait until the delivery at work has sent everything; say what is left if it cannot."""
    from eap.tracking.pending import wait

    tracking: Tracking = context.obj
    store_of(tracking)
    typer.echo(mask(wait(tracking.log or LOGS, tracking.uri, patience)))

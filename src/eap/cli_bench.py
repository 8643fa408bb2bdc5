"""`eap bench NAME`: measurements, one JSON line each; peers are measured in the same run."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from eap.cli_options import N_CORES, PRESETS, Checkout, Override, Prepared, Preset, Presets, Workers, configured
from eap.config import Config, ConfigError

if TYPE_CHECKING:
    from eap.data.layout import PreparedData

app = typer.Typer(no_args_is_help=True, help="Measurements, one JSON line each.")


@app.command("phantom")
def bench_phantom(
    preset: Preset = "demo",
    presets: Presets = PRESETS,
    override: Override = [],  # noqa: B006
    frames: Annotated[int, typer.Option(min=1, help="Frames in which dlib looks for the face.")] = 2000,
) -> None:
    """The phantom corpus: frames per second on one core, and how well dlib finds its faces."""
    from eap.data.phantom.bench import measure

    typer.echo(json.dumps(measure(configured(preset, presets, override).phantom, frames)))


@app.command("prepare")
def bench_prepare(
    clips: Annotated[Path, typer.Option(exists=True, file_okay=False, help="Folder of clips, at any depth.")],
    preset: Preset = "paper",
    presets: Presets = PRESETS,
    override: Override = [],  # noqa: B006
    workers: Workers = N_CORES,
    rounds: Annotated[int, typer.Option(min=1, help="Measurements of each, in turns; medians count.")] = 3,
) -> None:
    """Frames per second from decoding to Parquet, beside dlib's usual call on every frame and beside decoding alone."""
    from eap.data.prepare_bench import measure

    typer.echo(json.dumps(measure(configured(preset, presets, override), clips, workers, rounds)))


@app.command("score")
def bench_score(
    frames: Annotated[int, typer.Option(min=30, help="Frames of the rendered clip.")] = 65,
    rounds: Annotated[int, typer.Option(min=1, help="Repetitions; medians are given.")] = 5,
    threads: Annotated[int, typer.Option(min=1, help="Threads of torch.")] = N_CORES,
) -> None:
    """Each metric's frames per second; SyncNet beside its published batch-20 scorer, in turns on the same cores."""
    from eap.evaluation.bench import measure

    typer.echo(json.dumps(measure(frames, rounds, threads)))


@app.command("long-clip")
def bench_long_clip(
    minutes: Annotated[float, typer.Option(min=0.1, help="Length of the clip.")] = 10,
    preset: Preset = "paper",
    presets: Presets = PRESETS,
    override: Override = [],  # noqa: B006
) -> None:
    """Peak memory of preparing one long clip, `video.max_frames` being raised to its length."""
    from eap.data.memory_bench import measure

    typer.echo(json.dumps(measure(configured(preset, presets, override), minutes)))


@app.command("loader")
def bench_loader(
    data: Prepared = None,
    preset: Preset = "demo",
    presets: Presets = PRESETS,
    override: Override = [],  # noqa: B006
    workers: Workers = N_CORES,
) -> None:
    """Training windows per second from the cache, beside what training steps consume; memory over 10 epochs."""
    from eap.training.loader_bench import measure

    typer.echo(json.dumps(measure(configured(preset, presets, override), data, workers)))


@app.command("step")
def bench_step(preset: Preset = "paper", presets: Presets = PRESETS, override: Override = []) -> None:  # noqa: B006
    """One full ANT step and one full ERA step on random data: seconds, parameters, GFLOPs per part."""
    from eap.training.bench import time_steps

    typer.echo(json.dumps(time_steps(configured(preset, presets, override))))


@app.command("synthesize")
def bench_synthesize(
    generator: Annotated[
        str | None,
        typer.Option(help="tiny, realtime, full, or a preset, whose `model` section is built with random weights."),
    ] = None,
    size: Annotated[int | None, typer.Option(help="model.image_size; without: the preset's.")] = None,
    checkpoint: Annotated[Path | None, typer.Option(help="A trained model instead of --generator.")] = None,
    presets: Presets = PRESETS,
    override: Override = [],  # noqa: B006
    seconds: Annotated[float, typer.Option(min=0.1, help="Length of the voice.")] = 8.0,
    repeats: Annotated[int, typer.Option(min=1, help="Videos that are made; the median counts.")] = 3,
    device: Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="As in `eap synthesize`.")] = "cpu",
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 2,
) -> None:
    """Frames per second from decoded inputs to an encoded file, GFLOPs per frame, peak memory."""
    from eap.inference.bench import GENERATORS, measure

    if (generator is None) == (checkpoint is None):
        raise ConfigError("give --generator PRESET (random weights) or --checkpoint FILE, one of the two")
    if checkpoint is not None and (size is not None or override):
        raise ConfigError("--size and --override belong to --generator: a trained model has its own values")
    config = None
    if generator is not None:
        at_size = [f"model.image_size={size}"] if size is not None else []
        config = configured(GENERATORS.get(generator, generator), presets, [*override, *at_size])
    typer.echo(json.dumps(measure(config, checkpoint, seconds, repeats, device, threads)))


@app.command("train")
def bench_train(
    preset: Preset = "demo",
    presets: Presets = PRESETS,
    override: Override = [],  # noqa: B006
    data: Prepared = None,
    checkout: Checkout = Path(),
) -> None:
    """ANT's steps per second, the share of them spent waiting for data, and their FLOP/s over bare convolutions'."""
    from eap.training.train_bench import measure

    config = configured(preset, presets, override)
    with _prepared(config, data, checkout) as (prepared, _):
        typer.echo(json.dumps(measure(config, prepared)))


@app.command("tracking")
def bench_tracking(
    preset: Preset = "demo",
    presets: Presets = PRESETS,
    override: Override = [],  # noqa: B006
    data: Prepared = None,
    pairs: Annotated[int, typer.Option(min=1, help="Rounds of each kind.")] = 12,
    seconds: Annotated[float, typer.Option(min=0.1, help="Length of a round.")] = 5.0,
    checkout: Checkout = Path(),
) -> None:
    """What tracking costs a training: with MLflow's server up, and with the server down."""
    from eap.tracking.bench import measure

    config = configured(preset, presets, override)
    with _prepared(config, data, checkout) as (prepared, folder):
        typer.echo(json.dumps(measure(config, prepared, folder, pairs, seconds)))


@app.command("dag")
def bench_dag(
    clips: Annotated[int, typer.Option(min=1, help="Clips of the made-up corpus; MEAD has 280,000.")] = 280_000,
    checkout: Checkout = Path(),
) -> None:
    """Seconds, memory and jobs of `snakemake -n` over a corpus of MEAD's size, preset paper, once it is cataloged."""
    from eap.workflow_bench import measure

    typer.echo(json.dumps(measure(checkout, clips)))


@contextmanager
def _prepared(config: Config, data: Path | None, checkout: Path) -> Iterator[tuple[PreparedData, Path]]:
    """Prepared clips, and a folder for the time of the measurement; a device that is missing is told first."""
    from eap.data.layout import PreparedData
    from eap.training.processes import require_device
    from eap.workflow_bench import prepare_phantom

    require_device(config.compute.device)
    with tempfile.TemporaryDirectory() as folder:
        yield PreparedData(data or prepare_phantom(checkout, Path(folder))), Path(folder)

"""The command line: `python -m eap STAGE ...`. The workflow's rules call exactly these commands.

Global options go before the stage: `eap --tracking sqlite:///mlflow.db --experiment eap train-ant ...`.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from eap.config import Config, ConfigError, deep_merge, json_schema, load_config, load_stage, read_yaml
from eap.stage import Log, StageError, StageResult, no_log
from eap.urls import fill_in, mask

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False, help=__doc__)
bench = typer.Typer(no_args_is_help=True, help="Measurements, one JSON line each.")
app.add_typer(bench, name="bench")

ConfigOption = Annotated[str, typer.Option("--config", help="The stage's sections: JSON, or a YAML file's path.")]
Shard = Annotated[int, typer.Option(min=0, help="Which shard of the catalog.")]
Seed = Annotated[int, typer.Option(help="Seed of this run.")]
In = Annotated[Path, typer.Option(exists=True, dir_okay=False)]
Out = Annotated[Path, typer.Option(dir_okay=False)]
DataFolder = Annotated[Path, typer.Option("--data", help="Folder of the prepared data.")]
Workers = Annotated[int, typer.Option(min=1, help="Processes.")]
Preset = Annotated[str, typer.Option(help="Preset whose values are taken.")]
Presets = Annotated[Path, typer.Option(exists=True, file_okay=False, help="Folder of the presets.")]
Override = Annotated[list[str], typer.Option(help="section.key=value on top of the preset; may be repeated.")]

PRESETS = Path("workflow/presets")
N_CORES = os.cpu_count() or 1


@dataclass(frozen=True)
class Tracking:
    """Where runs are logged; `uri` None: nowhere."""

    uri: str | None = None
    experiment: str = "eap"


@app.callback()
def _global_options(
    context: typer.Context,
    tracking: Annotated[str | None, typer.Option(help="MLflow tracking URI; without it nothing is tracked.")] = None,
    experiment: Annotated[str, typer.Option(help="MLflow experiment.")] = "eap",
) -> None:
    context.obj = Tracking(tracking, experiment)


def _run(
    context: typer.Context,
    stage: str,
    config: str,
    inputs: Sequence[Path],
    work: Callable[[Any, Log], StageResult],
    seed: int | None = None,
) -> None:
    """Validate the stage's sections, run the stage inside a tracking run, print its summary."""
    sections = load_stage(stage, config)
    tracking: Tracking = context.obj
    if tracking.uri is None:
        result = work(sections, no_log)
    else:
        from eap.tracking import stage_run

        with stage_run(fill_in(tracking.uri), tracking.experiment, stage, sections, inputs, seed) as run:
            result = work(sections, run.log)
            run.finish(result)
    for name, value in result.metrics.items():
        typer.echo(f"{stage}: {name} = {value:.6g}")


@app.command()
def render_phantom(context: typer.Context, config: ConfigOption, summary: Out, workers: Workers = 1) -> None:
    """Render the phantom corpus into `data.root`, where `data.dataset` is phantom; see `eap phantom`."""
    from eap.data.phantom.corpus import render_phantom

    _run(context, "render-phantom", config, [], lambda c, _: render_phantom(c, summary, workers))


@app.command()
def download(context: typer.Context, config: ConfigOption, inventory: Out) -> None:
    """List the files of the source with size and SHA-256 (a local folder; remote sources are fetched first)."""
    from eap.data.download import list_source

    _run(context, "download", config, [], lambda c, _: list_source(c, inventory))


@app.command()
def catalog(context: typer.Context, config: ConfigOption, inventory: In, catalog: Out) -> None:
    """Describe each clip: speaker, emotion, sentence, licence, shard."""
    from eap.data.catalog import build_catalog

    _run(context, "catalog", config, [inventory], lambda c, _: build_catalog(c, inventory, catalog))


@app.command()
def frames(
    context: typer.Context, config: ConfigOption, catalog: In, shard: Shard, frames: Out, audio: Out, media: Out
) -> None:
    """Decode one shard: face crops at the constant frame rate, 16 kHz mono audio, one status per clip."""
    from eap.data.frames import extract_frames

    _run(context, "frames", config, [catalog], lambda c, _: extract_frames(c, catalog, shard, frames, audio, media))


@app.command()
def landmarks(context: typer.Context, config: ConfigOption, frames: In, landmarks: Out, clips: Out) -> None:
    """68 landmarks of each frame of one shard, and each clip's coverage."""
    from eap.data.landmarks import cache_landmarks

    _run(context, "landmarks", config, [frames], lambda c, _: cache_landmarks(c, frames, landmarks, clips))


@app.command()
def mel(context: typer.Context, config: ConfigOption, audio: In, mel: Out) -> None:
    """Mel spectrogram of each clip of one shard: one column per frame."""
    from eap.data.mel import cache_mel

    _run(context, "mel", config, [audio], lambda c, _: cache_mel(c, audio, mel))


@app.command()
def index(context: typer.Context, config: ConfigOption, data: DataFolder, clips: Out) -> None:
    """The catalog with each clip's final status and reason."""
    from eap.data.index import index_clips
    from eap.data.layout import PreparedData

    prepared = PreparedData(data)
    _run(context, "index", config, [prepared.catalog], lambda c, _: index_clips(c, prepared, clips))


@app.command()
def labels(context: typer.Context, config: ConfigOption, data: DataFolder, labels: Out, shapes: Out) -> None:
    """Pseudo labels of valence and arousal per frame, and each speaker's mean neutral shape."""
    from eap.data.layout import PreparedData
    from eap.data.pseudo_labels import label_clips

    prepared = PreparedData(data)
    _run(context, "labels", config, [prepared.clips], lambda c, _: label_clips(c, prepared, labels, shapes))


@app.command()
def split(context: typer.Context, config: ConfigOption, clips: In, splits: Out) -> None:
    """Training, validation and test clips; refuses a split that cannot train."""
    from eap.data.splits import split_clips

    _run(context, "split", config, [clips], lambda c, _: split_clips(c, clips, splits))


@app.command()
def train_student(context: typer.Context, config: ConfigOption, data: DataFolder, model: Out, history: Out) -> None:
    """Distil the cached landmarks into the differentiable network that L_lip (and L_per, if chosen) uses."""
    from eap.data.layout import PreparedData
    from eap.training.landmark_student import train_student

    prepared = PreparedData(data)
    _run(
        context,
        "train-student",
        config,
        [prepared.splits, prepared.clips],
        lambda c, log: train_student(c, prepared, model, history, log),
    )


@app.command()
def train_sync(context: typer.Context, config: ConfigOption, data: DataFolder, model: Out, history: Out) -> None:
    """Train the sync expert that LSE-D and LSE-C use."""
    from eap.data.layout import PreparedData
    from eap.training.sync_expert import train_sync

    prepared = PreparedData(data)
    _run(
        context,
        "train-sync",
        config,
        [prepared.splits, prepared.clips],
        lambda c, log: train_sync(c, prepared, model, history, log),
    )


@app.command()
def train_ant(
    context: typer.Context,
    config: ConfigOption,
    seed: Seed,
    data: DataFolder,
    student: In,
    model: Out,
    history: Out,
    checkpoints: Annotated[Path, typer.Option(file_okay=False, help="Folder of resumable checkpoints.")],
) -> None:
    """Train ANT, the audio-driven neutral face."""
    from eap.data.layout import PreparedData
    from eap.training.ant import train_ant

    prepared = PreparedData(data)
    _run(
        context,
        "train-ant",
        config,
        [prepared.splits, prepared.labels],
        lambda c, log: train_ant(c, seed, prepared, student, model, history, checkpoints, log),
        seed,
    )


@app.command()
def train_era(
    context: typer.Context,
    config: ConfigOption,
    seed: Seed,
    data: DataFolder,
    student: In,
    ant: In,
    model: Out,
    history: Out,
    checkpoints: Annotated[Path, typer.Option(file_okay=False, help="Folder of resumable checkpoints.")],
) -> None:
    """Train ERA on top of ANT: emotion heard in the voice."""
    from eap.data.layout import PreparedData
    from eap.training.era import train_era

    prepared = PreparedData(data)
    _run(
        context,
        "train-era",
        config,
        [prepared.splits, prepared.labels],
        lambda c, log: train_era(c, seed, prepared, student, ant, model, history, checkpoints, log),
        seed,
    )


@app.command()
def evaluate(
    context: typer.Context,
    config: ConfigOption,
    seed: Seed,
    data: DataFolder,
    era: In,
    sync: In,
    scores: Out,
    curves: Out,
    videos: Out,
) -> None:
    """Score the test clips with their controls; write videos beside the `--videos` table."""
    from eap.data.layout import PreparedData
    from eap.evaluation.stage import evaluate

    prepared = PreparedData(data)
    _run(
        context,
        "evaluate",
        config,
        [prepared.splits, prepared.labels],
        lambda c, _: evaluate(c, seed, prepared, era, sync, scores, curves, videos),
        seed,
    )


@app.command()
def report(
    context: typer.Context,
    config: ConfigOption,
    results: Annotated[Path, typer.Option(exists=True, file_okay=False, help="Folder of all results.")],
    summary: Out,
    page: Out,
) -> None:
    """Aggregate the seeds and write the page."""
    from eap.reporting.page import build_report

    _run(context, "report", config, [], lambda c, _: build_report(c, results, summary, page))


@app.command()
def check(
    data: DataFolder = Path("results/data"),
    as_json: Annotated[bool, typer.Option("--json", help="The counts as JSON.")] = False,
) -> None:
    """What the data holds: clips per speaker and emotion, what is set aside and why."""
    import json

    from rich.console import Console

    from eap.reporting.check import check_data, print_check

    found = check_data(data)
    if as_json:
        typer.echo(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        print_check(found, Console(markup=False, highlight=False, emoji=False))


@app.command()
def doctor(
    config: Annotated[Path, typer.Option(exists=True, dir_okay=False, help="The run's config.yaml.")] = Path(
        "config.yaml"
    ),
    presets: Presets = PRESETS,
    override: Override = [],  # noqa: B006
) -> None:
    """Look at what a run needs: versions, cores, GPU, disk, data, weights, MLflow; each with the remedy."""
    from eap.doctor import examine

    findings = examine(_configured(read_yaml(config), presets, override), Path())
    for finding in findings:
        mark = "ok  " if finding.remedy is None else "FAIL" if finding.fatal else "warn"
        typer.echo(
            f"{mark} {finding.what}: {finding.found}" + (f"\n     -> {finding.remedy}" if finding.remedy else "")
        )
    if any(finding.fatal and finding.remedy for finding in findings):
        raise typer.Exit(1)


@app.command()
def clean(
    older_than: Annotated[str, typer.Option(help="Age: a number and h, d or w, e.g. 30d.")],
    directory: Annotated[Path, typer.Option(exists=True, file_okay=False, help="The working directory.")] = Path(),
    delete: Annotated[bool, typer.Option("--delete", help="Delete what is listed.")] = False,
) -> None:
    """List (with --delete: remove) old logs, half-written files and checkpoints of finished trainings; nothing else.

    What the report or a registered model is made from is never among them.
    """
    from eap.housekeeping import disk_use, find_leftovers, parse_age

    leftovers = find_leftovers(directory, parse_age(older_than))
    for leftover in leftovers:
        if delete:
            leftover.path.unlink(missing_ok=True)
        typer.echo(
            f"{leftover.path}: {leftover.size_bytes} bytes, {leftover.age_s / 86400:.1f} days: {leftover.reason}"
        )
    total = sum(leftover.size_bytes for leftover in leftovers)
    done = "deleted" if delete else "could go; nothing was deleted (--delete does it)"
    typer.echo(f"{len(leftovers)} files, {total / 1e6:.1f} MB {done}")
    for name, size in disk_use(directory / "results").items():
        typer.echo(f"results/{name}: {size / 1e6:.1f} MB")


@app.command()
def init_tracking(context: typer.Context) -> None:
    """Create the tracking database and experiment once, before parallel jobs use them."""
    from eap.tracking import initialise

    tracking: Tracking = context.obj
    if tracking.uri is None:
        raise ConfigError("init-tracking needs --tracking URI before the command")
    initialise(fill_in(tracking.uri), tracking.experiment)


@app.command()
def config_schema() -> None:
    """Print the JSON schema of the configuration."""
    import json

    typer.echo(json.dumps(json_schema(), indent=2, sort_keys=True))


@app.command()
def phantom(
    out: Annotated[Path, typer.Option(file_okay=False, help="Folder of the corpus; complete people there are kept.")],
    preset: Preset = "demo",
    presets: Presets = PRESETS,
    override: Override = [],  # noqa: B006
    workers: Workers = N_CORES,
    picture: Annotated[
        Path | None, typer.Option(dir_okay=False, help="Also draw all people and emotions (.png, .jpg).")
    ] = None,
) -> None:
    """Render the phantom corpus: talking faces with exact ground truth, for nothing but a seed."""
    from eap.data.phantom.corpus import render_corpus
    from eap.data.phantom.gallery import write_gallery

    config = _configured(preset, presets, override)
    made = render_corpus(config.phantom, out, workers)
    typer.echo(f"{out}: {made['n_clips']:.0f} clips, {made['n_frames']:.0f} frames; {made['n_rendered']:.0f} new")
    if picture is not None:
        write_gallery(config.phantom, picture)


@bench.command("phantom")
def bench_phantom(
    preset: Preset = "demo",
    presets: Presets = PRESETS,
    override: Override = [],  # noqa: B006
    frames: Annotated[int, typer.Option(min=1, help="Frames in which dlib looks for the face.")] = 2000,
) -> None:
    """The phantom corpus: frames per second on one core, and how well dlib finds its faces."""
    import json

    from eap.data.phantom.bench import measure

    typer.echo(json.dumps(measure(_configured(preset, presets, override).phantom, frames)))


@bench.command("step")
def bench_step(preset: Preset = "paper", presets: Presets = PRESETS, override: Override = []) -> None:  # noqa: B006
    """One full ANT step and one full ERA step on random data: seconds, parameters, GFLOPs per part."""
    import json

    from eap.training.bench import time_steps

    typer.echo(json.dumps(time_steps(_configured(preset, presets, override))))


@bench.command("dag")
def bench_dag(
    clips: Annotated[int, typer.Option(min=1, help="Clips of the made-up corpus; MEAD has 280,000.")] = 280_000,
    checkout: Annotated[Path, typer.Option(exists=True, file_okay=False, help="Folder of the Snakefile.")] = Path(),
) -> None:
    """Seconds, memory and jobs of `snakemake -n` over a corpus of MEAD's size, preset paper, once it is cataloged."""
    import json

    from eap.workflow_bench import measure

    typer.echo(json.dumps(measure(checkout, clips)))


def _configured(preset: str | Mapping[str, Any], presets: Path, override: Sequence[str]) -> Config:
    """A preset, or the values of a config.yaml, with values laid over it."""
    import yaml

    values: dict[str, Any] = deep_merge({}, {"preset": preset} if isinstance(preset, str) else preset)
    for item in override:
        key, equals, value = item.partition("=")
        section, dot, name = key.partition(".")
        if not (equals and dot):
            raise ConfigError(f"--override {item!r}: write section.key=value, e.g. phantom.identities=60")
        values.setdefault(section, {})[name] = yaml.safe_load(value)
    return load_config(values, presets)


def main() -> None:
    """Run the command line; faults meant for people end in one message and exit code 1, others in a traceback.

    Either way secrets of URLs are masked: what is printed here stands in a job's log.
    """
    from eap.schemas import TableError

    try:
        app()
    except (ConfigError, StageError, TableError) as error:
        typer.echo(mask(f"error: {error}"), err=True)
        sys.exit(1)
    except Exception:
        typer.echo(mask(traceback.format_exc()), err=True)
        sys.exit(1)

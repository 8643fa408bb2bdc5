"""The command line: `python -m eap STAGE ...`. The workflow's rules call exactly these commands.

Global options go before the stage: `eap --tracking sqlite:///mlflow.db --experiment eap train-ant ...`.
"""

from __future__ import annotations

import errno
import os
import shlex
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from eap import cli_bench, cli_track
from eap.cli_options import (
    DELIVERY_S,
    LOGS,
    N_CORES,
    PRESETS,
    Override,
    Preset,
    Presets,
    Tracking,
    Workers,
    configured,
    store_of,
)
from eap.config import ConfigError, json_schema, load_stage, read_yaml
from eap.experiments import BASE
from eap.stage import Log, StageError, StageResult, no_log
from eap.urls import fill_in, mask

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False, help=__doc__)
app.add_typer(cli_bench.app, name="bench")
app.add_typer(cli_track.app, name="track")

ConfigOption = Annotated[str, typer.Option("--config", help="The stage's sections: JSON, or a YAML file's path.")]
Seed = Annotated[int, typer.Option(help="Seed of this run.")]
In = Annotated[Path, typer.Option(exists=True, dir_okay=False)]
Out = Annotated[Path, typer.Option(dir_okay=False)]
OutFolder = Annotated[Path, typer.Option(file_okay=False, help="Folder for the stage's tables.")]
DataFolder = Annotated[Path, typer.Option("--data", help="Folder of the prepared data.")]
Checkpoints = Annotated[Path, typer.Option(file_okay=False, help="Folder of resumable checkpoints.")]

NOT_ALL_SCORED = 3
"""Exit code of `eap score` if anything failed (1: a fault of what was asked; 2: of the command line)."""
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""
FIRST_PROCESS = os.environ.get("RANK", "0") == "0"
"""Of those that torchrun starts; it alone tracks and prints."""


@app.callback()
def _global_options(
    context: typer.Context,
    tracking: Annotated[str | None, typer.Option(help="MLflow tracking URI, to which the run is delivered.")] = None,
    log: Annotated[
        Path | None,
        typer.Option(file_okay=False, help=f"Folder of the runs' local logs. With --tracking: {LOGS} if not given."),
    ] = None,
    experiment: Annotated[str, typer.Option(help="MLflow experiment.")] = "eap",
    parent: Annotated[str, typer.Option(help="Run that this one is nested under: the configured experiment.")] = BASE,
) -> None:
    context.obj = Tracking(tracking, experiment, parent, log or (LOGS if tracking else None))


def _run(
    context: typer.Context,
    stage: str,
    config: str,
    inputs: Sequence[Path],
    work: Callable[[Any, Log], StageResult],
    seed: int | None = None,
    model: Callable[[], Mapping[str, Any]] | None = None,
) -> None:
    """Validate the stage's sections, run the stage with a local log, print its summary.

    `model`: what the registry is told of a trained model.
    """
    sections = load_stage(stage, config)
    tracking: Tracking = context.obj
    if tracking.log is None or not FIRST_PROCESS:
        result = work(sections, no_log)
    else:
        from eap.tracking.run_log import stage_log

        names = (tracking.log, tracking.experiment, tracking.parent)
        with _delivered(tracking), stage_log(*names, stage, sections, inputs, seed) as run:
            result = work(sections, run.log)
            run.finish(result)
            if model is not None:
                run.model(model())
    for name, value in result.metrics.items():
        typer.echo(f"{stage}: {name} = {value:.6g}")


@contextmanager
def _delivered(tracking: Tracking) -> Iterator[None]:
    """Inside, a process of its own delivers the local logs, where a store is named; in the end it is waited for."""
    if tracking.uri is None or tracking.log is None:
        yield
        return
    from eap.tracking.pending import wait

    store_of(tracking)  # a fault of the URI is said now, not in the background
    arguments = ("--tracking", tracking.uri, "--log", str(tracking.log), "track", "deliver")
    command = [sys.executable, "-m", "eap", *arguments, "--follow", str(os.getpid())]
    quiet = subprocess.DEVNULL
    # It ends by itself once this process has ended
    delivery = subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet)
    try:
        yield
    finally:
        typer.echo(mask(wait(tracking.log, tracking.uri, DELIVERY_S, lambda: delivery.poll() is None)))


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
def frames(context: typer.Context, config: ConfigOption, listing: In, frames: Out, audio: Out, media: Out) -> None:
    """Decode one shard: face crops at the constant frame rate, 16 kHz mono audio, one status per clip.

    Clips that stand in the tables already, made from the same bytes, settings and code, are copied.
    """
    from eap.data.frames import extract_frames

    _run(context, "frames", config, [listing], lambda c, _: extract_frames(c, listing, frames, audio, media))


@app.command()
def landmarks(context: typer.Context, config: ConfigOption, frames: In, media: In, landmarks: Out, clips: Out) -> None:
    """68 landmarks of each frame of one shard, and each clip's coverage."""
    from eap.data.landmarks import cache_landmarks

    _run(context, "landmarks", config, [frames], lambda c, _: cache_landmarks(c, frames, media, landmarks, clips))


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
def train_student(
    context: typer.Context, config: ConfigOption, data: DataFolder, model: Out, history: Out, checkpoints: Checkpoints
) -> None:
    """Distil the cached landmarks into the differentiable network that L_lip (and L_per, if chosen) uses."""
    from eap.data.layout import PreparedData
    from eap.training.landmark_student import train_student

    prepared = PreparedData(data)
    _run(
        context,
        "train-student",
        config,
        [prepared.splits, prepared.clips],
        lambda c, log: train_student(c, prepared, model, history, checkpoints, log),
    )


@app.command()
def train_sync(
    context: typer.Context, config: ConfigOption, data: DataFolder, model: Out, history: Out, checkpoints: Checkpoints
) -> None:
    """Train the sync expert that LSE-D and LSE-C use."""
    from eap.data.layout import PreparedData
    from eap.training.sync_expert import train_sync

    prepared = PreparedData(data)
    _run(
        context,
        "train-sync",
        config,
        [prepared.splits, prepared.clips],
        lambda c, log: train_sync(c, prepared, model, history, checkpoints, log),
    )


@app.command()
def train_judge(
    context: typer.Context, config: ConfigOption, data: DataFolder, model: Out, history: Out, checkpoints: Checkpoints
) -> None:
    """Train judge "faces", who reads emotion in pictures of people whom no model learns from."""
    from eap.data.layout import PreparedData
    from eap.training.face_judge import train_judge

    prepared = PreparedData(data)
    _run(
        context,
        "train-judge",
        config,
        [prepared.splits, prepared.clips],
        lambda c, log: train_judge(c, prepared, model, history, checkpoints, log),
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
    checkpoints: Checkpoints,
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
    checkpoints: Checkpoints,
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
def controls(
    context: typer.Context, config: ConfigOption, data: DataFolder, sync: In, faces: In, out: OutFolder
) -> None:
    """Score what no training touches: real video, re-encoded, late, and a copied still frame; fit judge "points"."""
    from eap.data.layout import PreparedData
    from eap.evaluation.controls import score_controls

    prepared = PreparedData(data)
    _run(
        context,
        "controls",
        config,
        [prepared.splits, prepared.labels],
        lambda c, _: score_controls(c, prepared, sync, faces, out),
    )


@app.command()
def evaluate(
    context: typer.Context,
    config: ConfigOption,
    seed: Seed,
    data: DataFolder,
    era: In,
    sync: In,
    judge: In,
    faces: In,
    out: OutFolder,
) -> None:
    """Score the test clips, test for input bias and saturation; write tables, videos and pictures."""
    from eap.data.layout import PreparedData
    from eap.evaluation.stage import evaluate

    prepared = PreparedData(data)
    scores = [out / "scores.parquet", judge.with_name("scores.parquet")]
    _run(
        context,
        "evaluate",
        config,
        [prepared.splits, prepared.labels],
        lambda c, _: evaluate(c, seed, prepared, era, sync, judge, faces, out),
        seed,
        lambda: _model_record(context.obj, era, data, scores, out / "model_card.md"),
    )


def _model_record(tracking: Tracking, era: Path, data: Path, scores: list[Path], card: Path) -> Mapping[str, Any]:
    from eap.data.layout import PreparedData
    from eap.tracking.trained import describe_model

    return describe_model(f"{tracking.experiment}-{tracking.parent}", era, PreparedData(data), scores, card)


@app.command()
def compare(
    context: typer.Context,
    config: ConfigOption,
    experiments: Annotated[str, typer.Option(help="What eap.experiments says of each experiment: JSON.")],
    results: Annotated[Path, typer.Option(exists=True, file_okay=False, help="Folder of all results.")],
) -> None:
    """All experiments and seeds: means with intervals, paired tests, input bias, saturation; into `comparison`."""
    import json

    from eap.reporting.comparison import compare

    described = json.loads(experiments)
    _run(context, "compare", config, [], lambda c, _: compare(c, described, results, results / "comparison"))
    _log_summaries(context.obj, results / "comparison" / "summary.parquet")


def _log_summaries(tracking: Tracking, summary: Path) -> None:
    from eap.tracking.run_log import log_summaries

    if tracking.log is not None:
        with _delivered(tracking):
            log_summaries(tracking.log, tracking.experiment, summary)


@app.command()
def report(
    context: typer.Context,
    config: ConfigOption,
    results: Annotated[Path, typer.Option(exists=True, file_okay=False, help="Folder of all results.")],
    page: Out,
) -> None:
    """Write the page."""
    from eap.reporting.page import build_report

    _run(context, "report", config, [], lambda c, _: build_report(c, results, page))


@app.command()
def runs(
    results: Annotated[Path, typer.Option(file_okay=False, help="Folder of all results.")] = Path("results"),
    store: Annotated[str | None, typer.Option(help="Read this MLflow store instead of the files.")] = None,
    experiment: Annotated[str, typer.Option(help="MLflow experiment, read with --store.")] = "eap",
    metric: Annotated[list[str], typer.Option(help="Show this metric; may be repeated.")] = [],  # noqa: B006
    every: Annotated[bool, typer.Option("--all", help="Show every metric.")] = False,
) -> None:
    """Compare the experiments: means with 95 % intervals beside the controls, and what the paired tests say."""
    from rich.console import Console

    from eap.reporting.runs import print_runs, read_comparison

    if store is None:
        summary, comparisons = read_comparison(results)
    else:
        from eap.tracking.store import read_summaries

        summary, comparisons = read_summaries(fill_in(store), experiment), None
    print_runs(summary, comparisons, Console(markup=False, highlight=False, emoji=False), metric, every)


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

    findings = examine(configured(read_yaml(config), presets, override), Path())
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
def verify(
    results: Annotated[Path, typer.Option(exists=True, file_okay=False, help="Folder of all results.")] = Path(
        "results"
    ),
    delete: Annotated[bool, typer.Option("--delete", help="Delete what is damaged; the workflow makes it anew.")] = (
        False
    ),
) -> None:
    """Compare every table with its checksums: truncated or altered files are named. Exit code 3: there are some."""
    from eap.housekeeping import find_damage

    damaged = list(find_damage(results))
    for path, reason in damaged:
        if delete:
            path.unlink()
        typer.echo(f"{path}: damaged: {reason}{'; deleted' if delete else ''}")
    typer.echo(f"{len(damaged)} damaged tables")
    if damaged and delete:  # Snakemake makes a file that is absent only if it is asked for it, or something needs it
        paths = " ".join(shlex.quote(str(path)) for path, _ in damaged)
        typer.echo(f"make them anew: snakemake --cores {N_CORES} all {paths}")
    if damaged and not delete:
        raise typer.Exit(NOT_ALL_SCORED)


@app.command()
def score(
    reference: Annotated[Path, typer.Option(exists=True, file_okay=False, help="Folder of the real videos.")],
    generated: Annotated[Path, typer.Option(exists=True, file_okay=False, help="Folder of the videos to score.")],
    out: Annotated[Path, typer.Option(file_okay=False, help="Folder of the results; what is scored there is kept.")],
    pairs: Annotated[
        Path | None,
        typer.Option(
            dir_okay=False, help="CSV: reference, generated, and if wanted emotion, clip_id. Without: by name."
        ),
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Processes.")] = N_CORES,
    crop: Annotated[
        Literal["whole", "face"], typer.Option(help="Compare whole frames, or a square around the face.")
    ] = "whole",
    sync_protocol: Annotated[
        Literal["whole", "track"], typer.Option(help="SyncNet sees whole frames, or the published face track.")
    ] = "whole",
    min_track: Annotated[int, typer.Option(min=13, help="Frames that a face track needs.")] = 40,
    voice: Annotated[
        Literal["generated", "reference"], typer.Option(help="Whose sound goes with the generated lips.")
    ] = "generated",
    controls: Annotated[
        bool, typer.Option("--controls", help="Also score controls made from the references (five times the work).")
    ] = False,
    syncnet_weights: Annotated[Path | None, typer.Option(help="syncnet_v2.model, for LSE-D, LSE-C, offset.")] = None,
    emonet_weights: Annotated[Path | None, typer.Option(help="emonet_8.pth, for intensity and emotion.")] = None,
    lpips_weights: Annotated[Path | None, typer.Option(help="alexnet-owt-7be5be79.pth, for LPIPS.")] = None,
    inception_weights: Annotated[
        Path | None, typer.Option(help="weights-inception-2015-12-05-6726825d.pth, for FID.")
    ] = None,
) -> None:
    """Score anyone's videos against their references. Exit code 0: all scored; 3: something was not (reasons)."""
    from rich.console import Console

    from eap.evaluation.score.pairs import pair_by_name, read_pairs
    from eap.evaluation.score.run import score_all
    from eap.evaluation.score.settings import Settings, find_weights
    from eap.evaluation.score.table import print_summary

    given = {
        "syncnet": syncnet_weights,
        "emonet": emonet_weights,
        "lpips": lpips_weights,
        "inception": inception_weights,
    }
    settings = Settings(
        crop, sync_protocol, min_track, voice, **{kind: find_weights(kind, path) for kind, path in given.items()}
    )
    tasks, unpaired = (
        pair_by_name(reference, generated) if pairs is None else (read_pairs(pairs, reference, generated), {})
    )
    try:
        summary = score_all(
            tasks, unpaired, out, settings, jobs, lambda line: typer.echo(line, err=True), controls
        )  # fmt: skip
    except KeyboardInterrupt:
        typer.echo(f"interrupted; what was scored is kept in {out}: the same command goes on from there", err=True)
        raise typer.Exit(INTERRUPTED) from None
    print_summary(summary, Console(markup=False, highlight=False, emoji=False))
    if summary["counts"]["clips"] > summary["counts"]["scored"]:
        raise typer.Exit(NOT_ALL_SCORED)


@app.command()
def card(
    checkpoint: Annotated[Path, typer.Option(exists=True, dir_okay=False, help="The model that train-era wrote.")],
    scores: Annotated[
        list[Path],
        typer.Option(exists=True, dir_okay=False, help="Its table of scores; again for the controls' table."),
    ],
    data: DataFolder = Path("results/data"),
    out: Annotated[Path | None, typer.Option(help="Without: model_card.md beside the checkpoint.")] = None,
) -> None:
    """Write the model card of a checkpoint: data, licence, scores with controls, limits, digests."""
    from eap.data.layout import PreparedData
    from eap.reporting.card import write_card

    card = out or checkpoint.with_name("model_card.md")
    write_card(checkpoint, PreparedData(data), scores, card)
    typer.echo(f"{card} written")


@app.command()
def results(
    preset: Annotated[str, typer.Option(help="Name of the preset that was run.")],
    root: Annotated[Path, typer.Option(file_okay=False, help="Its results.")] = Path("results"),
    out: Annotated[Path, typer.Option(file_okay=False, help="Folder of results.md and results.json.")] = Path("docs"),
    only_kept: Annotated[bool, typer.Option("--kept", help="From the tables kept in OUT/measured alone.")] = False,
    presets: Presets = PRESETS,
) -> None:
    """Write what was asked for beside what was measured: results.md and results.json.

    The tables of the run's seeds are added to those that OUT/measured/PRESET keeps: seeds may be run one by one.
    """
    from eap.experiments import load_experiments
    from eap.reporting.measured import keep, kept
    from eap.reporting.targets import figures, write_results

    experiments, measured = load_experiments({"preset": preset}, presets), out / "measured" / preset
    if not only_kept:
        added = keep(root, experiments, measured)
        typer.echo(f"{measured}: seeds {', '.join(map(str, added))} kept")
    there = kept(measured, experiments)
    made_by = f"{there.text(experiments.base.seeds)} From `measured/{preset}` alone: option `--kept`."
    run = f"snakemake --cores 2 --config preset={preset} -- all\npython -m eap results --preset {preset}"
    write_results(preset, figures(measured, experiments, there.seeds), made_by, run, out)
    typer.echo(f"{out / 'results.md'} written, from seeds {', '.join(map(str, there.seeds))}")


@app.command()
def synthesize(
    checkpoint: Annotated[Path, typer.Option(help="The model that train-era wrote.")],
    image: Annotated[Path, typer.Option(help="A picture with a face from the front, of any expression.")],
    audio: Annotated[Path, typer.Option(help="Speech: an audio file, or a video with sound.")],
    out: Annotated[Path, typer.Option(help="The video, .mp4.")],
    intensity: Annotated[float, typer.Option(help="0: neutral; 1: as the voice sounds; up to 2: more.")] = 1.0,
    neutral: Annotated[bool, typer.Option("--neutral", help="No emotion, whatever picture and voice show.")] = False,
    va: Annotated[
        Path | None, typer.Option(help="CSV with time_s, valence, arousal (-1 to 1): emotion from here, not the voice.")
    ] = None,
    pose: Annotated[
        Path | None, typer.Option(help="Video whose head movement is taken; without: the picture's pose.")
    ] = None,
    paste_back: Annotated[
        bool, typer.Option("--paste-back", help="The whole picture, not only the face's square.")
    ] = False,
    face: Annotated[int | None, typer.Option(help="Which face, counted from the left; without: the largest.")] = None,
    max_side: Annotated[int, typer.Option(min=64, max=4096, help="Longer side of the video, px at most.")] = 1920,
    no_mark: Annotated[
        bool, typer.Option("--no-mark", help="No visible label; the metadata still say that it is AI-generated.")
    ] = False,
    crf: Annotated[int, typer.Option(min=0, max=51, help="x264 quality; lower is better.")] = 18,
    device: Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="auto: the GPU if there is one.")] = "auto",
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = N_CORES,
) -> None:
    """Make the face in a picture speak with a voice."""
    from eap.inference.progress import ProgressLine
    from eap.inference.synthesize import Request, synthesize

    request = Request(
        checkpoint, image, audio, out, intensity, neutral, va, pose, paste_back, face, max_side, not no_mark, crf,
        device, threads,
    )  # fmt: skip
    with ProgressLine(sys.stderr) as line:
        done = synthesize(request, lambda note: line.say(f"note: {note}"), line.update)
    typer.echo(f"{out}: {done.metrics['n_frames']:.0f} frames, {done.metrics['frames_per_s']:.1f} frames/s")


@app.command()
def provenance(video: Annotated[Path, typer.Argument(exists=True, dir_okay=False)]) -> None:
    """Print the record that a video made by `eap synthesize` carries, as JSON."""
    import json

    from eap.inference.provenance import read_provenance

    typer.echo(json.dumps(read_provenance(video), indent=2, sort_keys=True))


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

    config = configured(preset, presets, override)
    made = render_corpus(config.phantom, out, workers)
    typer.echo(f"{out}: {made['n_clips']:.0f} clips, {made['n_frames']:.0f} frames; {made['n_rendered']:.0f} new")
    if picture is not None:
        write_gallery(config.phantom, picture)


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
    except OSError as error:
        if error.errno not in NO_ROOM:
            typer.echo(mask(traceback.format_exc()), err=True)
        else:
            typer.echo(mask(f"error: {error}: make room (eap clean lists what may go), then run again"), err=True)
        sys.exit(1)
    except Exception:
        typer.echo(mask(traceback.format_exc()), err=True)
        sys.exit(1)

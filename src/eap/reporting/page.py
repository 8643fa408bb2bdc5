"""The report: reads the files of a run, writes the summary over seeds and one self-contained page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from eap.data.layout import PreparedData
from eap.evaluation.statistics import summarise_seeds
from eap.files import write_text
from eap.housekeeping import disk_use
from eap.reporting import figures, tables
from eap.reporting.corpus import describe_corpus
from eap.reporting.metrics import definitions, describe, judge_key
from eap.reporting.verdict import lmd_bars, verdict
from eap.schemas import read_table, source_digest, write_table
from eap.stage import StageError, StageResult

MAX_LISTED = 300
"""Clips set aside that are listed one by one; the counts always cover all."""

ONCE = {"student": "Landmark student", "sync": "Sync expert"}
PER_SEED = {"ant": "ANT, the neutral face", "era": "ERA, emotion from the voice"}
NO_RESULTS = ("logs", "benchmarks", "mlflow", "checkpoints", "report")
"""Folders that differ between two runs of the same results."""
EVALUATED = ("scores", "curves", "videos")


@dataclass(frozen=True)
class Results:
    """What the page is made from; the keys of the last two are seeds."""

    files: tuple[tuple[str, Path], ...]  # table name, path
    clips: pd.DataFrame
    splits: pd.DataFrame
    shapes: pd.DataFrame
    histories: dict[str, dict[int | None, pd.DataFrame]]
    scores: pd.DataFrame
    curves: pd.DataFrame
    videos: dict[int, pd.DataFrame]


def build_report(config: Any, results: Path, summary: Path, page: Path) -> StageResult:
    """Aggregate the seeds and write the page.

    Parameters
    ----------
    config
        The sections of `eap.config.STAGES["report"]`.
    results
        Folder of all results of the run.
    summary, page
        Where the table over seeds and the HTML file go.

    Raises
    ------
    StageError
        If a seed or a stage has left no file, or a file contradicts the configuration.
    """
    found = read_results(results, config.seeds)
    over_seeds = summarise_seeds(found.scores)
    sources = [path for name, path in found.files if name == "scores"]
    write_table(summary, "summary", over_seeds, sources=sources, config={"seeds": list(config.seeds)})
    text = render(config, found, over_seeds, results)
    write_text(page, text)
    metrics = {
        "page_megabytes": len(text.encode()) / 1e6,
        "clips_used": float((found.clips["status"] == "used").sum()),
        "clips_set_aside": float((found.clips["status"] == "set_aside").sum()),
    }
    return StageResult(metrics, (summary, page))


def read_results(results: Path, seeds: Sequence[int]) -> Results:
    """Read every table that the page shows."""
    data = PreparedData(results / "data")
    files: list[tuple[str, Path]] = []

    def read(name: str, path: Path, seed: int | None = None) -> pd.DataFrame:
        files.append((name, existing(path, seed)))
        table = read_table(path, name)
        if "seed" in table and not set(table["seed"].dropna()) <= {seed}:
            raise StageError(f"{path}: holds rows of another seed than {seed}; run the evaluation of this seed again")
        return table

    clips, splits, shapes = (read(name, getattr(data, name)) for name in ("clips", "splits", "shapes"))
    files.append(("labels", existing(data.labels)))  # too long to be held in memory as a whole
    histories: dict[str, dict[int | None, pd.DataFrame]] = {
        stage: {None: read("history", results / stage / "history.parquet")} for stage in ONCE
    }
    for stage in PER_SEED:
        histories[stage] = {
            seed: read("history", results / stage / f"seed={seed}" / "history.parquet", seed) for seed in seeds
        }
    evaluated = {
        name: {seed: read(name, evaluation_folder(results, seed) / f"{name}.parquet", seed) for seed in seeds}
        for name in EVALUATED
    }
    scores = pd.concat(evaluated["scores"].values(), ignore_index=True)
    if scores.empty:
        raise StageError(f"{results / 'evaluation'}: no seed has a score; run the evaluation again")
    curves = pd.concat(evaluated["curves"].values(), ignore_index=True)
    return Results(tuple(files), clips, splits, shapes, histories, scores, curves, evaluated["videos"])


def existing(path: Path, seed: int | None = None) -> Path:
    """The path of a table that the page needs; an error if there is none."""
    if not path.is_file():
        remedy = "" if seed is None else f", or take {seed} out of `seeds`"
        raise StageError(f"{path}: missing, and the report needs it; run the workflow to its end{remedy}")
    return path


def evaluation_folder(results: Path, seed: int) -> Path:
    """Where the evaluation of a seed lies."""
    return results / "evaluation" / f"seed={seed}"


def render(config: Any, found: Results, summary: pd.DataFrame, results: Path) -> str:
    """The page as HTML; the same input gives the same text."""
    aside = found.clips[found.clips["status"] == "set_aside"].sort_values("clip_id")
    emotions, matrix = tables.clip_matrix(found.splits)
    environment = Environment(
        loader=PackageLoader("eap.reporting"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["score"] = tables.score_text
    used = found.clips[found.clips["status"] == "used"]
    corpus = describe_corpus(PreparedData(results / "data"), found.clips, config.video.fps, config.video.size)
    return environment.get_template("page.html").render(
        config=config,
        n_used=len(used),
        n_unlabelled=int((~used["labelled"].fillna(False).astype(bool)).sum()),
        aside=aside.head(MAX_LISTED).to_dict("records"),
        n_aside=len(aside),
        aside_counts=tables.stage_counts(found.clips),
        split_statement=tables.split_statement(config.split.by, found.splits),
        verdict=verdict(summary, found.scores),
        bars=lmd_bars(summary, found.scores),
        score_tables=tables.score_tables(summary, found.scores),
        undefined_clips=tables.undefined_clips(found.scores),
        describe=describe,
        definitions=definitions(summary["metric"].unique()),
        emotions=emotions,
        matrix=matrix,
        corpus=corpus,
        losses=_losses(found),
        cards=_cards(config, found, results),
        judges=sorted(found.curves["judge"].unique(), key=judge_key),
        shapes=found.shapes.sort_values("speaker_id").to_dict("records"),
        disk=disk_use(results, without=NO_RESULTS),
        files=[(path.relative_to(results).as_posix(), name, source_digest(path)) for name, path in found.files],
    )


def _losses(found: Results) -> list[dict[str, Any]]:
    titles = {**ONCE, **PER_SEED}
    return [
        {"title": titles[stage], "charts": figures.loss_charts(history), "seeds": [s for s in history if s is not None]}
        for stage, history in found.histories.items()
    ]


def _cards(config: Any, found: Results, results: Path) -> list[dict[str, Any]]:
    """One card per shown clip: its media for each seed, and its curves."""
    shown = pd.concat(found.videos.values(), ignore_index=True)
    cards = []
    for clip_id in figures.spread_clips(shown, config.report.max_videos):
        rows = shown[shown["clip_id"] == clip_id]
        first = rows.iloc[0]
        rounds = [
            {
                "seed": seed,
                "source_clip_id": part["source_clip_id"].iloc[0],
                "source_emotion": part["source_emotion"].iloc[0],
                "media": figures.media(part, evaluation_folder(results, seed)),
            }
            for seed, part in rows.groupby("seed")
        ]
        charts = {
            quantity: figures.curve_charts(found.curves, clip_id, config.video.fps, quantity)
            for quantity in ("intensity", "valence", "arousal")
        }
        cards.append({"clip_id": clip_id, "speaker_id": first["speaker_id"], "emotion": first["emotion"],
                      "rounds": rounds, "charts": charts})  # fmt: skip
    return cards

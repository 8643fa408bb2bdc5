"""The report: reads the files of a run and writes one self-contained page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from eap.evaluation.pairs import PRIMARY
from eap.experiments import BASE
from eap.files import write_text
from eap.housekeeping import disk_use
from eap.reporting import score_tables, tables
from eap.reporting.bias import Matrix, bias_matrices, seen_tables, share_plots
from eap.reporting.breakdown import PARTS, breakdown_panels
from eap.reporting.cards import clip_cards
from eap.reporting.cautions import cautions
from eap.reporting.claims import claims
from eap.reporting.corpus import describe_corpus
from eap.reporting.downloads import downloads
from eap.reporting.embedding_map import embedding_maps
from eap.reporting.grid import grids
from eap.reporting.losses import loss_panels
from eap.reporting.metrics import VARIANTS, definitions, describe, judge_key, variant_key
from eap.reporting.offsets import offset_view
from eap.reporting.paired import call_rows, control_calls, experiment_calls, experiment_rows
from eap.reporting.probes import probe_rows
from eap.reporting.provenance import configuration, file_rows, program
from eap.reporting.results import Results, read_results
from eap.reporting.saturation import saturations
from eap.reporting.verdict import lmd_bars, verdict
from eap.stage import StageResult

NO_RESULTS = ("logs", "benchmarks", "mlflow", "tracking", "checkpoints", "report")
"""Folders that differ between two runs of the same results."""
MAX_LISTED = 300
"""Clips set aside that are listed one by one; the counts always cover all."""


def build_report(config: Any, results: Path, page: Path) -> StageResult:
    """Write the page.

    Parameters
    ----------
    config
        The sections of `eap.config.STAGES["report"]`.
    results
        Folder of all results of the run.
    page
        Where the HTML file goes.

    Raises
    ------
    StageError
        If a seed or a stage has left no file, or a file contradicts the configuration.
    """
    found = read_results(results, config.seeds)
    text = render(config, found)
    write_text(page, text)
    metrics = {
        "page_megabytes": len(text.encode()) / 1e6,
        "clips_used": float((found.clips["status"] == "used").sum()),
        "clips_set_aside": float((found.clips["status"] == "set_aside").sum()),
    }
    return StageResult(metrics, (page,))


def render(config: Any, found: Results) -> str:
    """The page as HTML; the same input gives the same text."""
    environment = Environment(
        loader=PackageLoader("eap.reporting"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["score"] = score_tables.score_text
    environment.filters["number"] = lambda value: f"{value:,}"
    losses = loss_panels(found.histories)
    values = {
        **summary_values(config, found),
        **score_values(found),
        **figure_values(config, found),
        **data_values(config, found),
        "config": config,
        "describe": describe,
        "primary": PRIMARY,
        "label_kind": "exact label" if config.labels.source == "phantom" else "pseudo label",
        "variants": VARIANTS,
        "losses": losses,
        "loss_choices": [(panel["experiment"], panel["experiment"]) for panel in losses],
        "definitions": definitions(found.own_summary["metric"].unique()),
        "configuration": configuration(config),
        "files": file_rows(found),
        "program": program(),
        "downloads": downloads(found),
    }
    return environment.get_template("page.html").render(values)


def summary_values(config: Any, found: Results) -> dict[str, Any]:
    """What stands on top."""
    own = found.own_summary
    flags = own.dropna(subset=["flag"]).drop_duplicates("metric").set_index("metric")["flag"].to_dict()
    return {
        "verdict": verdict(own, found.scores, found.comparisons),
        "bars": lmd_bars(own, found.scores),
        "claims": claims(found.comparisons, found.probes, flags),
        "cautions": cautions(found, config.seeds, config.evaluation.weights),
        "headline": score_tables.headline_table(found.summary, BASE, found.scores),
        "experiments": experiment_rows(found.experiments),
    }


def score_values(found: Results) -> dict[str, Any]:
    """Sections of numbers."""
    panels = breakdown_panels(found.breakdown[found.breakdown["experiment"] == BASE])
    return {
        "score_tables": score_tables.score_tables(found.own_summary, found.scores),
        "undefined_clips": score_tables.undefined_clips(found.scores),
        "offsets": offset_view(found.offsets),
        "control_calls": control_calls(found.comparisons),
        "experiment_calls": experiment_calls(found.comparisons),
        "call_rows": call_rows(found.comparisons),
        "panels": panels,
        "parts": [(part, label) for part, label in PARTS.items() if any(panel.part == part for panel in panels)],
        "part_metrics": list(dict.fromkeys(panel.metric for panel in panels)),
        "measured_variants": sorted(found.own_summary["variant"].unique(), key=variant_key),
    }


def figure_values(config: Any, found: Results) -> dict[str, Any]:
    """Sections of pictures."""
    matrices = bias_matrices(found.bias)
    return {
        "cards": clip_cards(found, config.report.max_videos, config.video.fps, config.audio.sample_rate),
        "judges": sorted(found.curves["judge"].unique(), key=judge_key),
        "grids": grids(found, config.seeds[0]),
        "maps": embedding_maps(found.embeddings),
        "map_emotions": tables.emotion_order(found.embeddings["emotion"]),
        "matrices": matrices,
        "matrix_choices": {key: _choices(matrices, key) for key in ("judge", "quantity", "gain")},
        "seen_tables": seen_tables(found.bias),
        "share_plots": share_plots(found.probes[found.probes["experiment"] == BASE]),
        "saturations": saturations(found.saturation),
        "probe_rows": probe_rows(found.probes),
    }


def _choices(matrices: list[Matrix], key: str) -> list[tuple[str, str]]:
    """Value and label of each choice; g = 1 is the first to be shown."""
    values = dict.fromkeys(getattr(matrix, key) for matrix in matrices)
    return [(value, value) for value in (reversed(values) if key == "gain" else values)]


def data_values(config: Any, found: Results) -> dict[str, Any]:
    """The data page."""
    aside = found.clips[found.clips["status"] == "set_aside"].sort_values("clip_id")
    used = found.clips[found.clips["status"] == "used"]
    emotions, matrix = tables.clip_matrix(found.splits)
    return {
        "n_used": len(used),
        "n_unlabelled": int((~used["labelled"].fillna(False).astype(bool)).sum()),
        "aside": aside.head(MAX_LISTED).to_dict("records"),
        "n_aside": len(aside),
        "aside_counts": tables.stage_counts(found.clips),
        "split_statement": tables.split_statement(config.split.by, found.splits),
        "emotions": emotions,
        "matrix": matrix,
        "corpus": describe_corpus(found.data, found.clips, config.video.fps, config.video.size),
        "shapes": found.shapes.sort_values("speaker_id").to_dict("records"),
        "disk": disk_use(found.root, without=NO_RESULTS),
    }

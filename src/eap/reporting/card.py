"""The model card of one checkpoint, from files: what it learnt from, how it scored, what it must not be used for.

Every figure comes from the model file's record, the prepared data's tables and the scores' tables.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined

from eap.data.index import used_datasets
from eap.data.layout import PreparedData
from eap.digest import file_sha256, value_digest
from eap.evaluation.scores import require_model
from eap.files import write_text
from eap.reporting.metrics import VARIANTS, Metric, describe, group_title, sort_key, variant_key
from eap.reporting.score_tables import score_text
from eap.reporting.tables import SPLITS
from eap.schemas import TableFile, check_table, read_table
from eap.stage import StageError
from eap.training.checkpoint import read_record

INHERITED = {
    ("landmarks", "detector", "dlib"): "dlib's 68-point landmark model, by which faces are found and cropped, was "
    "trained on iBUG 300-W, whose licence excludes **commercial use**",
    ("landmarks", "detector", "fan"): "face-alignment's FAN, by which faces are found and cropped, was trained on data "
    "for **research**",
    ("loss", "lip_estimator", "fan"): "L_lip looked through face-alignment's FAN, which was trained on data for "
    "**research**",
    ("perceptual", "weights", "imagenet"): "the perceptual loss used torchvision's ImageNet weights of VGG19, under "
    "torchvision's and ImageNet's terms",
}
"""Terms that a configuration's value brings with it: (section, key, value)."""

DETECTED_POINTS = {
    "dlib": "ANT's landmarks and the landmark student were learnt from points that dlib's model found",
    "fan": "ANT's landmarks and the landmark student were learnt from points that FAN found",
}
"""Terms of points that a detector found; points of a corpus that was drawn from them bring none."""

INHERITED_LABELS = {
    "emonet": "the emotion labels come from EmoNet (CC BY-NC-ND 4.0, **non-commercial**)",
}
"""Terms that a source of labels brings with it."""


def write_card(checkpoint: Path, data: PreparedData, scores: Sequence[Path], card: Path) -> None:
    """Write the card.

    Parameters
    ----------
    checkpoint
        File that ERA's training wrote.
    data
        The prepared data that it was trained on.
    scores
        Tables ``scores`` of this checkpoint's evaluation: its own, and that of the controls if it is another file.
    card
        Markdown file, with the YAML header that model hubs read.

    Raises
    ------
    StageError
        If the data or the scores are not this checkpoint's.
    """
    record = read_record(checkpoint, "train-era")
    found = data.digest()
    if record["data"] != found:
        raise StageError(
            f"{checkpoint} was trained on data with the digest {record['data']}, but {data.root} has {found}; give "
            "the folder of its own data, or train it again"
        )
    model_sha256 = file_sha256(checkpoint)
    corpus, rows = describe_data(data), read_scores(scores, record["seed"], model_sha256)
    corpus["earlier"] = [own for own in record["ant_datasets"] if own not in corpus["datasets"]]
    licence = licence_terms(record, corpus)
    environment = Environment(
        loader=PackageLoader("eap.reporting"), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )  # fmt: skip
    text = environment.get_template("card.md").render(
        header=yaml.safe_dump(header(record, corpus, rows), sort_keys=False, allow_unicode=True).strip(),
        record=record,
        config=record["config"],
        corpus=corpus,
        licence=licence,
        groups=score_groups(rows),
        findings=findings(rows),
        n_clips=rows["clip_id"].nunique(),
        splits=SPLITS,
        model_sha256=model_sha256,
        model_mb=f"{checkpoint.stat().st_size / 1e6:.1f}",
        config_digest=value_digest(record["config"]),
        config_yaml=yaml.safe_dump(record["config"], sort_keys=True).strip(),
    )
    write_text(card, text)


def describe_data(data: PreparedData) -> dict[str, Any]:
    """What the model learnt from: datasets with licences, clips and speakers per split, labels, what was set aside."""
    clips = read_table(data.clips, "clips", ["dataset", "labelled", "status"])
    splits = read_table(data.splits, "splits")
    used = clips[clips.status == "used"]
    check_table(data.labels, "labels")
    label = TableFile(data.labels).read_row_group(0, columns=["source", "source_version"]).slice(0, 1)
    per_split = {name: splits[splits.split == name] for name in SPLITS}
    shared = splits.groupby("speaker_id")["split"].nunique()
    return {
        "datasets": used_datasets(data),
        "n_unlabelled": int((~used["labelled"].fillna(False).astype(bool)).sum()),
        "clips": {name: len(own) for name, own in per_split.items()},
        "speakers": {name: own.speaker_id.nunique() for name, own in per_split.items()},
        "emotions": {name: int(n) for name, n in per_split["train"]["emotion"].value_counts().sort_index().items()},
        "speaker_disjoint": bool((shared == 1).all()),
        "n_set_aside": int((clips.status == "set_aside").sum()),
        "label_source": label["source"][0].as_py(),
        "label_version": label["source_version"][0].as_py(),
        "synthetic": set(used.dataset) == {"phantom"},
    }


def read_scores(paths: Sequence[Path], seed: int, model_sha256: str) -> pd.DataFrame:
    """All rows of the given score tables; those of the controls carry no seed, and no model made them."""
    tables = [read_table(path, "scores") for path in paths]
    rows = pd.concat(tables, ignore_index=True)
    foreign = sorted(set(rows["seed"].dropna().astype(int)) - {seed})
    if foreign or rows.empty:
        raise StageError(
            f"{', '.join(map(str, paths))}: scores of seed {foreign or 'none'}, but the checkpoint's seed is {seed}"
        )
    for path, table in zip(paths, tables, strict=True):
        if table["seed"].notna().any():
            require_model(path, model_sha256)
    return rows


def licence_terms(record: dict[str, Any], corpus: dict[str, Any]) -> list[str]:
    """What the model inherits from data, weights and labels."""
    config, datasets = record["config"], [*corpus["datasets"], *corpus["earlier"]]
    terms = [f"data `{own['name']}`: {own['licence']} ({own['n_clips']} clips)" for own in datasets]
    terms += [text for (section, key, value), text in INHERITED.items() if config.get(section, {}).get(key) == value]
    terms += [DETECTED_POINTS[config["landmarks"]["detector"]]] if not record["exact_points"] else []
    return terms + [text for source, text in INHERITED_LABELS.items() if corpus["label_source"] == source]


def header(record: dict[str, Any], corpus: dict[str, Any], rows: pd.DataFrame) -> dict[str, Any]:
    """The YAML header: fields that model hubs know."""
    name = "+".join(sorted({own["name"] for own in corpus["datasets"]}))
    generated = means(rows[rows.variant == "generated"])
    metrics = [
        {"name": _name(describe(metric)), "type": metric, "value": round(float(value), 4)}
        for (_, metric), (value, _) in sorted(generated.items(), key=lambda item: sort_key(item[0][1]))
        if value is not None
    ]
    result = {
        "task": {"type": "audio-driven-talking-face", "name": "Audio-driven emotional talking face"},
        "dataset": {"name": name, "type": name, "split": "test"},
        "metrics": metrics,
    }
    return {
        "license": "other",
        "license_name": "see-section-licence",
        "library_name": "eap",
        "tags": ["talking-face", "audio-driven", "emotion", "ai-generated-media"],
        "datasets": sorted({own["name"] for own in corpus["datasets"]}),
        "model-index": [{"name": f"eap-{name}-seed{record['seed']}", "results": [result]}],
    }


def means(rows: pd.DataFrame) -> dict[tuple[str, str], tuple[float | None, int]]:
    """Mean of the defined values, and how many they are, of each (variant, metric); None where none is defined."""
    found = {}
    for key, values in rows.groupby(["variant", "metric"])["value"]:
        finite = values.astype("float64")
        finite = finite[np.isfinite(finite)]
        found[key] = (float(finite.mean()) if len(finite) else None), len(finite)
    return found


def score_groups(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """One table per group of metrics: variants (the model, then its controls) as rows, metrics as columns."""
    values = means(rows)
    groups: dict[str, list[Metric]] = {}
    for name in sorted(rows["metric"].unique(), key=sort_key):
        groups.setdefault(describe(name).group, []).append(describe(name))
    tables = []
    for group, metrics in groups.items():
        lines = []
        for variant in sorted(rows["variant"].unique(), key=variant_key):
            cells = [values.get((variant, metric.name)) for metric in metrics]
            if any(cells):
                lines.append((*VARIANTS.get(variant, (variant, "")), [_cell(*pair) for pair in zip(cells, metrics)]))  # noqa: B905
        title, note = group_title(group)
        tables.append({"title": title, "note": note, "heads": [_head(metric) for metric in metrics], "rows": lines})
    return tables


def findings(rows: pd.DataFrame) -> list[str]:
    """What the scores say about the model's limits, whichever way it falls."""
    values = means(rows)

    def mean(variant: str, metric: str) -> float | None:
        return values.get((variant, metric), (None, 0))[0]

    said = []
    for metric in ("lmd", "lmd_center"):
        own, still = mean("generated", metric), mean("still", metric)
        if own is not None and still is not None:
            verb = "better" if own < still else "**no better**"
            label = describe(metric).label
            said.append(
                f"{label}: {verb} than a copied still frame ({score_text(own)} against {score_text(still)} px)."
            )
    own, shuffled = mean("generated", "opening_correlation"), mean("shuffled", "opening_correlation")
    if own is not None:
        beside = "; a shuffled voice was not scored" if shuffled is None else f" ({score_text(shuffled)} if shuffled)"
        said.append(f"The mouth's opening correlates with the real video's at {score_text(own)}{beside}.")
    return said


def _name(metric: Metric) -> str:
    """A label that is unique: judges share theirs."""
    judge = metric.name.partition("/")[2]
    return f"{metric.label} (judge: {judge})" if judge else metric.label


def _cell(found: tuple[float | None, int] | None, metric: Metric) -> str:
    if found is None:
        return "–"
    return "undefined" if found[0] is None else score_text(found[0], metric.decimals)


def _head(metric: Metric) -> str:
    arrow = {"lower": " ↓", "higher": " ↑", None: ""}[metric.better]
    return f"{metric.label}{f' [{metric.unit}]' if metric.unit else ''}{arrow}"

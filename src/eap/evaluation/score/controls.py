"""What the same metrics give for videos of which everybody knows what they are worth (`eap score --controls`).

Made from the references alone: each against itself, re-encoded, one frame of it repeated, with another clip's sound,
and with its pictures five frames late. A metric that does not rank the recording above the controls that it should is
flagged: on these videos, its value says nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from eap.data.encode import write_video
from eap.data.media import MediaError
from eap.digest import file_sha256, value_digest
from eap.evaluation.flags import CONTROL_NAMES, controls_of
from eap.evaluation.pairs import Direction, tells_apart
from eap.evaluation.score.metrics import METRICS
from eap.evaluation.score.pair import Task
from eap.evaluation.score.settings import Settings
from eap.evaluation.score.video import Source, draw_frames, open_source, scoring_size, whole_frame
from eap.evaluation.statistics import Sample, clip_sample
from eap.evaluation.syncnet import FPS, SAMPLE_RATE
from eap.evaluation.variants import SHIFT_FRAMES, delay
from eap.files import safe_name
from eap.schemas import read_table

CONTROLS = ("real", "reencoded", "still", "shuffled", "shifted")
CRF, LOSSLESS_CRF = 23, 4
"""x264's default for "reencoded"; as good as lossless for the others (CHOSEN)."""
NAMES = {**CONTROL_NAMES, "shuffled": "its own pictures with another clip's sound"}

Score = Callable[[list[Task], Path], dict[str, Any]]


def score_controls(tasks: Sequence[Task], out: Path, settings: Settings, score: Score) -> dict[str, Any]:
    """Keys ``controls`` (variant -> metric -> value) and ``flags`` (metric -> why it says nothing) of the summary.

    Videos and scores lie in ``controls/<variant>`` under `out`; what is there already is kept.

    Parameters
    ----------
    score
        Scores pairs into a folder and returns their summary.
    """
    folder = out / "controls"
    made: dict[str, list[Task]] = {name: [] for name in CONTROLS}
    for variant, task in make_controls(tasks, folder):
        made[variant].append(task)
    if settings.voice == "reference":  # the sound of the video that is scored is not looked at
        del made["shuffled"]
    found = {variant: score(own, folder / variant) for variant, own in made.items() if own}
    values = {name: {m: metric["value"] for m, metric in s["metrics"].items()} for name, s in found.items()}
    samples = {name: _samples(folder / name / "clips.parquet") for name in found}
    return {"controls": values, "flags": find_flags(samples)}


def make_controls(tasks: Sequence[Task], folder: Path) -> Iterator[tuple[str, Task]]:
    """Variant and pair of each control of each reference; a reference that cannot be read has none."""
    usable: list[tuple[Task, str]] = []
    for task in {task.reference: task for task in reversed(tasks)}.values():
        try:
            open_source(task.reference)
        except MediaError:
            continue  # its own row says why
        usable.append((task, file_sha256(task.reference)))
    usable.sort(key=lambda one: one[0].clip_id)
    for number, (task, digest) in enumerate(usable):
        yield "real", Task(task.clip_id, task.reference, task.reference, task.emotion)
        other, other_digest = usable[number - 1]
        for variant in CONTROLS[1:]:
            if variant == "shuffled" and len(usable) == 1:
                continue
            made_from = value_digest([variant, digest, other_digest, CRF, LOSSLESS_CRF, SHIFT_FRAMES])
            path = folder / variant / "videos" / f"{safe_name(task.clip_id)[:150]}-{made_from[:12]}.mp4"
            if not path.is_file():
                _write(path, variant, open_source(task.reference), other.reference)
            yield variant, Task(task.clip_id, task.reference, path, task.emotion)


def find_flags(samples: dict[str, dict[str, Sample]]) -> dict[str, str]:
    """Metrics that do not rank the recordings above the controls that they should, with the reason.

    Parameters
    ----------
    samples
        Variant -> metric -> its values, each clip standing for a person of its own.
    """
    flags = {}
    for metric, real in samples.get("real", {}).items():
        better = METRICS[metric].better
        direction: Direction | None = None if better == "zero" else better
        failed = [
            NAMES[name]
            for name in (*controls_of(metric), *(("shuffled",) if metric.startswith("lse") else ()))
            if metric in samples.get(name, {}) and tells_apart(real, samples[name][metric], direction) is False
        ]
        if failed:
            flags[metric] = f"cannot tell the recordings from {' or from '.join(failed)}"
    return flags


def _samples(clips: Path) -> dict[str, Sample]:
    rows = read_table(clips, "score_clips").assign(seed=None)
    rows["speaker_id"] = rows["clip_id"]
    measured = [name for name in METRICS if name in rows and rows[name].notna().any()]
    return {name: clip_sample(pd.DataFrame(rows), name) for name in measured}


def _write(path: Path, variant: str, source: Source, other: Path) -> None:
    width, height = (side - side % 2 for side in scoring_size(source))
    (frames,) = draw_frames(source, whole_frame((width, height)))
    sound = source.pcm16
    if variant == "still":
        frames = np.broadcast_to(frames[len(frames) // 2], frames.shape)
    elif variant == "shifted":
        frames = delay(frames)
    elif variant == "shuffled":
        theirs = open_source(other).pcm16
        sound = None if sound is None or theirs is None else np.resize(theirs, len(sound))
    crf = CRF if variant == "reencoded" else LOSSLESS_CRF
    comment = f"control of eap score: {variant}"
    write_video(path, frames, FPS, crf, sound, SAMPLE_RATE, comment, "veryfast", repeatable=True)

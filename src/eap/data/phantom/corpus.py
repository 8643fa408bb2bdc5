"""The phantom corpus on disk: a folder of clips with a manifest, like any other, and its ground truth beside them.

::

    P000/happy_2_s17.mp4 ...   clips, H.264 and AAC
    P000/truth.parquet         per frame: landmarks, valence, arousal, viseme, pose
    P000/takes.csv             the person's lines of the manifest; written last, so it says that the person is complete
    manifest.csv
    LICENSE.txt
"""

from __future__ import annotations

import csv
import io
import json
import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa

from eap.data.encode import write_video
from eap.data.phantom.identity import make_identity
from eap.data.phantom.render import Renderer
from eap.data.phantom.sentences import SENTENCES
from eap.data.phantom.speech import SAMPLE_RATE
from eap.data.phantom.take import LEVEL_INTENSITY, Take, act
from eap.data.phantom.truth import FPS, MANIFEST, TRUTH
from eap.digest import code_digest, file_sha256, value_digest
from eap.files import write_text
from eap.schemas import to_table, write_table
from eap.stage import StageError, StageResult

TAKES = "takes.csv"
EMOTIONS = ("neutral", "happy", "sad", "angry", "fear", "disgusted", "surprised", "contempt")
"""The eight emotions of MEAD."""
COLUMNS = ("path", "dataset", "identity", "emotion", "intensity", "sentence", "n_frames", "licence", "sha256")
LICENCE = "CC0-1.0"
_LICENCE_TEXT = """Phantom corpus: rendered faces and synthetic speech of people who do not exist.
To the extent possible under law, its makers waive all rights to it (CC0 1.0,
https://creativecommons.org/publicdomain/zero/1.0/). Speech: espeak-ng.
"""
_SPEED = "veryfast"


def render_corpus(phantom: Any, root: Path, workers: int) -> dict[str, float]:
    """Render the corpus; people that are complete already, made with the same settings and code, are kept.

    Parameters
    ----------
    phantom
        Section ``phantom`` of the configuration.
    root
        Folder to fill: absent, empty, or a phantom corpus.
    workers
        Processes; each renders one person at a time.

    Returns
    -------
    dict
        n_clips, n_frames, n_rendered (clips that were rendered now).

    Raises
    ------
    StageError
        If the folder holds something else.
    """
    _claim(root)
    # Not of how many people there are: more of them leave the others as they are
    made_with = value_digest([phantom.model_dump(mode="json", exclude={"identities"}), code_digest(__name__)])
    work = partial(_render_person, phantom=phantom, root=root, made_with=made_with)
    people = range(phantom.identities)
    if workers == 1:
        done = list(map(work, people))
    else:
        # spawn: forked children would inherit OpenCV's threads in an undefined state
        with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
            done = list(pool.map(work, people))
    lines = [line for _, person_lines in done for line in person_lines]
    write_text(root / MANIFEST, _csv(lines))
    n_frames = sum(int(line["n_frames"]) for line in lines)
    return {"n_clips": len(lines), "n_frames": n_frames, "n_rendered": float(sum(count for count, _ in done))}


def render_phantom(config: Any, summary: Path, workers: int) -> StageResult:
    """Stage ``render-phantom``: the corpus in `data.root`, and how large it is in `summary` (JSON)."""
    made = render_corpus(config.phantom, Path(config.data.root), workers)
    size = {name: round(made[name]) for name in ("n_clips", "n_frames")}
    write_text(summary, json.dumps(size | {"phantom": config.phantom.model_dump(mode="json")}, indent=2) + "\n")
    return StageResult(made)


def _claim(root: Path) -> None:
    """Mark a folder as ours before anything is written to it; a folder of other things stays untouched."""
    mark = root / "LICENSE.txt"
    ours = mark.is_file() and mark.read_text(encoding="utf-8", errors="replace") == _LICENCE_TEXT
    if root.exists() and not ours and (not root.is_dir() or any(root.iterdir())):
        raise StageError(
            f"{root} is not empty and no phantom corpus, so nothing is rendered into it; "
            "name another folder (data.root, or --out)"
        )
    write_text(mark, _LICENCE_TEXT)


def takes_of(phantom: Any, person: int) -> Iterator[tuple[str, int, int]]:
    """Emotion, level and sentence of each of a person's clips.

    A take of an emotion says one sentence at every level, so that levels differ in nothing else; no other take of the
    person says it while there are enough sentences.
    """
    order = np.random.default_rng([phantom.seed, person, 4]).permutation(len(SENTENCES))
    plan = [("neutral", (1,))] * phantom.neutral_takes
    plan += [(emotion, tuple(LEVEL_INTENSITY)) for emotion in EMOTIONS[1:] for _ in range(phantom.takes)]
    for n, (emotion, levels) in enumerate(plan):
        for level in levels:
            yield emotion, level, int(order[n % len(SENTENCES)])


def _render_person(index: int, phantom: Any, root: Path, made_with: str) -> tuple[int, list[dict[str, str]]]:
    cv2.setNumThreads(1)
    person = make_identity(phantom.seed, index)
    folder = root / person.name
    known = _complete(folder, made_with)
    if known is not None:
        return 0, known
    renderer = Renderer(person, phantom.size)
    lines: list[dict[str, str]] = []

    def truth() -> Iterator[pa.Table]:
        for n, (emotion, level, sentence) in enumerate(takes_of(phantom, index)):
            take = act(person, emotion, level, sentence, (phantom.seed, index, n), phantom.av_offset)
            path = folder / f"{emotion}_{level}_n{n:02d}.mp4"
            _write_clip(path, take, renderer, phantom.crf)
            clip_id = path.relative_to(root).as_posix()
            values = (clip_id, "phantom", person.name, emotion, f"level_{level}", take.sentence, len(take.va_T2))
            line = dict(zip(COLUMNS, [*map(str, values), LICENCE, file_sha256(path)], strict=True))
            lines.append(line)
            yield _truth(clip_id, take, renderer)

    write_table(folder / TRUTH, "truth", truth(), config=made_with)
    write_text(folder / TAKES, f"# {made_with}\n" + _csv(lines))
    return len(lines), lines


def _complete(folder: Path, made_with: str) -> list[dict[str, str]] | None:
    """The person's lines, if they were made with these settings and every file is there."""
    path = folder / TAKES
    if not path.is_file() or not (folder / TRUTH).is_file():
        return None
    first, _, rest = path.read_text(encoding="utf-8").partition("\n")
    lines = list(csv.DictReader(io.StringIO(rest)))
    whole = all((folder.parent / line["path"]).is_file() for line in lines)
    return lines if first == f"# {made_with}" and whole else None


def _write_clip(path: Path, take: Take, renderer: Renderer, crf: int) -> None:
    frames = np.stack(list(renderer.frames(take.performance)))
    pcm16 = np.round(take.waveform * 32767).astype(np.int16)
    write_video(path, frames, FPS, crf, pcm16, SAMPLE_RATE, "Rendered face, synthetic speech (eap phantom)", _SPEED)


def _truth(clip_id: str, take: Take, renderer: Renderer) -> pa.Table:
    pose, n = take.performance.pose, len(take.va_T2)
    points = renderer.landmarks(take.performance).reshape(n, -1)
    return to_table(
        "truth",
        [
            {
                "clip_id": clip_id,
                "frame": i,
                "landmarks": points[i],
                "valence": take.va_T2[i, 0],
                "arousal": take.va_T2[i, 1],
                "viseme": take.visemes[i],
                "yaw_rad": pose.yaw_T[i],
                "pitch_rad": pose.pitch_T[i],
                "roll_rad": pose.roll_T[i],
                "av_offset_frames": take.av_offset,
            }
            for i in range(n)
        ],
    )


def _csv(lines: list[dict[str, str]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()

"""A small, valid folder of results for the tests of the report: real Parquet tables, real pictures and videos."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import cv2
import numpy as np
import pandas as pd
from report_probes import draw_face, write_probes

from eap.config import deep_merge, load_stage, merge_values, stage_sections, validate_config
from eap.data.jpeg import encode_jpeg
from eap.reporting.comparison import compare
from eap.schemas import to_table, write_table

PRESETS = Path(__file__).parents[3] / "workflow" / "presets"
FPS = 25
N_FRAMES = 40
ODD_CLIP = 'crema_d/<script>document.title="x"</script><b>1001</b> & "odd" {{ 7*7 }}.flv'
CLIPS = [
    ("grid/s1_bbaf2n.mpg", "s1", "neutral", "train"),
    ("grid/s1_bbbz8n.mpg", "s1", "neutral", "validation"),
    ("grid/s1_bbie8n.mpg", "s1", "neutral", "test"),
    ("crema_d/1001_DFA_SAD_XX.flv", "1001", "sad", "train"),
    ("crema_d/1001_DFA_HAP_XX.flv", "1001", "happy", "train"),
    (ODD_CLIP, "1001", "happy", "test"),
]
ASIDE = [("grid/short.mpg", "frames", "18 frames are fewer than the 25 of video.min_frames"),
         ("grid/hidden.mpg", "landmarks", "a face in 31 of 75 frames, under landmarks.min_coverage 0.8")]  # fmt: skip
LEVELS = {"crema_d/1001_DFA_SAD_XX.flv": "high", "crema_d/1001_DFA_HAP_XX.flv": "low", ODD_CLIP: "high"}
TEST_CLIPS = [clip for clip in CLIPS if clip[3] == "test"]
SHORT = "5 frames, the sync expert needs 6"
TOO_SHORT = ("lse_d_expert", "neutral")
FLAT = "a constant has no correlation"
SCORES = {
    "lmd": {"generated": 1.904, "neutral": 1.977, "real": 0.478, "still": 3.041},
    "lmd_center": {"generated": 1.262, "neutral": 1.301, "real": 0.531, "still": 1.634},
    "lmd_interocular": {"generated": 0.0312, "neutral": 0.0325, "real": 0.0079, "still": 0.0501},
    "coverage": {"generated": 1.0, "neutral": 0.9875, "real": 1.0, "still": 1.0},
    "opening_correlation": {"generated": 0.716, "neutral": 0.688, "real": 0.957, "still": None},
    "lse_d_expert": {"generated": 7.612, "neutral": 7.703, "real": 6.915, "still": 9.233},
    "lse_c_expert": {"generated": 2.118, "neutral": 2.046, "real": 3.402, "still": 0.271},
    "offset_expert": {"generated": 1.0, "neutral": 1.5, "real": 0.0, "still": 8.0},
    "rmse_intensity/era": {"generated": 0.1731, "neutral": 0.4213, "real": 0.1205, "still": 0.3961},
    "pcc_intensity/era": {"generated": 0.6127, "neutral": 0.1014, "real": 0.7713, "still": None},
    "ccc_valence/era": {"generated": -0.0004, "neutral": 0.0511, "real": 0.7152, "still": 0.0},
    "ccc_intensity/landmarks": {"generated": 0.4412, "neutral": 0.0731, "real": 0.9913, "still": 0.0},
    "ccc_valence/audio": {"generated": 0.5023},
    "blink_rate": {"generated": 123.456, "real": 131.5},
}
"""A value for each metric and variant; None: undefined. `blink_rate` is a metric that the report does not know."""


CONTROLS = ("real", "still")
"""Variants that no training touches: their scores carry no seed, but for what the model's own judge reads."""
BASE_ONLY = {"base": {"changes": {}, **dict.fromkeys(("data", "student", "sync", "ant", "era", "controls"), "base")}}
"""What `eap.experiments` says of a run without experiments."""


def is_control(variant: str, metric: str) -> bool:
    """Whether a score is written once, by stage ``controls``."""
    return variant in CONTROLS and not metric.endswith(("/era", "/audio"))


def report_config(seeds: tuple[int, ...] = (0, 1), by: str = "clip", max_videos: int = 8) -> Any:
    """What `load_stage("report", ...)` gives for preset clips, with some values of its own."""
    values = merge_values({"preset": "clips", "seeds": list(seeds), "split": {"by": by}}, PRESETS)
    values = deep_merge(values, {"report": {"max_videos": max_videos}})
    return load_stage("report", stage_sections(validate_config(values), "report"))


def make_results(root: Path, seeds: tuple[int, ...] = (0, 1), lmd_generated: float = 1.904) -> Path:
    """Fill `root` as the workflow does; the seeds' scores lie symmetrically about `SCORES`."""
    _write_data(root / "data")
    for stage, terms in {"student": ("lip",), "sync": ("total", "chance"), "judge": ("rmse",)}.items():
        write_table(root / stage / "base" / "history.parquet", "history", _history(terms, 0))
    for seed in seeds:
        for stage, terms in {"ant": ("lip", "per", "adv", "total"), "era": ("total", "inten", "cls", "metric")}.items():
            path = root / stage / "base" / f"seed={seed}" / "history.parquet"
            write_table(path, "history", _history(terms, seed))
        folder = root / "evaluation" / "base" / f"seed={seed}"
        offset = 0.02 * (seeds.index(seed) - (len(seeds) - 1) / 2)
        write_table(folder / "scores.parquet", "scores", _scores(seed, offset, lmd_generated))
        write_table(folder / "curves.parquet", "curves", _curves(seed))
        write_table(folder / "videos.parquet", "videos", _videos(seed, folder))
        write_probes(folder, seed)
    write_table(root / "controls" / "base" / "scores.parquet", "scores", _scores(None, 0, lmd_generated))
    write_table(root / "controls" / "base" / "curves.parquet", "curves", _curves(None))
    write_table(root / "controls" / "base" / "offsets.parquet", "offsets", _offsets())
    compare(SimpleNamespace(seeds=seeds), BASE_ONLY, root, root / "comparison")
    return root


def _write_data(folder: Path) -> None:
    used = [{"clip_id": clip, "speaker_id": speaker, "emotion": emotion, "labelled": speaker == "1001",
             "status": "used", "shard": index % 2, "n_frames": 30 + 10 * index, "crop_size_px": 180 + 40 * index,
             "coverage": 1 - 0.02 * index, "intensity_level": LEVELS.get(clip), "dataset": clip.split("/")[0],
             "licence": "CC BY 4.0" if speaker == "s1" else None}
            for index, (clip, speaker, emotion, _) in enumerate(CLIPS)]  # fmt: skip
    aside = [{"clip_id": clip, "speaker_id": "s1", "emotion": "neutral", "labelled": False, "status": "set_aside",
              "stage": stage, "reason": reason} for clip, stage, reason in ASIDE]  # fmt: skip
    write_table(folder / "clips.parquet", "clips", used + aside)
    _write_frames_and_labels(folder, used)
    _write_sound(folder, used)
    names = ("clip_id", "speaker_id", "emotion", "split")
    write_table(folder / "splits.parquet", "splits", [dict(zip(names, clip, strict=True)) for clip in CLIPS])
    shapes = [("s1", 225, "3 neutral clips"), ("1001", 180, "all clips: no neutral clip")]
    names = ("speaker_id", "n_frames", "made_from", "shape")
    rows = [dict(zip(names, (*shape, [0.0] * 136), strict=True)) for shape in shapes]
    write_table(folder / "shapes.parquet", "shapes", [{**row, "detected_shape": row["shape"]} for row in rows])


def _offsets() -> list[dict]:
    """Every lag is found in the first test clip; in the second one is missed by a frame."""
    return [{"clip_id": clip, "speaker_id": speaker, "emotion": emotion, "injected": offset,
             "found": offset + (clip == ODD_CLIP and offset == 6)}
            for clip, speaker, emotion, _ in TEST_CLIPS for offset in range(-6, 7)]  # fmt: skip


def strongest(clip: dict) -> int:
    """The frame at which a clip's labels are strongest."""
    return clip["n_frames"] // 2


def _write_frames_and_labels(folder: Path, used: list[dict]) -> None:
    """Faces that turn red, and labels that rise, towards the clip's middle; neutral labels stay 0."""
    labels = []
    for clip in used:
        rise = 1 - np.abs(np.arange(clip["n_frames"]) - strongest(clip)) / clip["n_frames"]
        valence = np.zeros_like(rise) if clip["emotion"] == "neutral" else rise
        rows = {"clip_id": clip["clip_id"], "frame": range(len(rise)), "valence": valence, "arousal": 0.0}
        labels.append(to_table("labels", pd.DataFrame(rows)))
    write_table(folder / "labels.parquet", "labels", labels)
    for shard in (0, 1):
        frames = []
        for clip in (clip for clip in used if clip["shard"] == shard):
            jpegs = []
            for frame in range(clip["n_frames"]):
                image = draw_face(0.3, 1.0 if clip["emotion"] == "happy" else 0.0, 0)
                image[..., 0] = 255 if frame == strongest(clip) else image[..., 0]
                jpegs.append(encode_jpeg(image, 90))
            rows = {"clip_id": clip["clip_id"], "frame": range(len(jpegs)), "jpeg": jpegs}
            frames.append(to_table("frames", pd.DataFrame(rows)))
        write_table(folder / "frames" / f"shard={shard:04d}.parquet", "frames", frames)


def _write_sound(folder: Path, used: list[dict]) -> None:
    """A tone that swells towards the clip's middle and fades again."""
    for shard in (0, 1):
        sounds = []
        for clip in (clip for clip in used if clip["shard"] == shard):
            time = np.arange(clip["n_frames"] * 640) / 16000
            tone = 9000 * np.sin(2 * np.pi * 220 * time) * np.sin(np.pi * time / time[-1]) ** 2
            pcm16 = tone.astype(np.int16).tobytes()
            rows = {"clip_id": [clip["clip_id"]], "n_samples": [len(time)], "pcm16": [pcm16]}
            sounds.append(to_table("audio", pd.DataFrame(rows)))
        write_table(folder / "audio" / f"shard={shard:04d}.parquet", "audio", sounds)


def _history(terms: tuple[str, ...], seed: int) -> list[dict]:
    rng = np.random.default_rng(seed)
    rows = []
    for index, term in enumerate(terms):
        for step in range(0, 800, 2):
            value = (3 + index) * np.exp(-step / 200) + 0.4 + 0.12 * rng.standard_normal()
            rows.append({"step": step, "epoch": step // 40, "part": "train", "term": term, "value": value})
            if step % 40 == 0:
                rows.append({"step": step, "epoch": step // 40, "part": "validation", "term": term,
                             "value": (3 + index) * np.exp(-step / 240) + 0.6 + 0.03 * seed})  # fmt: skip
    return rows


def _scores(seed: int | None, offset: float, lmd_generated: float) -> list[dict]:
    rows = []
    for metric, values in SCORES.items():
        for variant, value in values.items():
            if is_control(variant, metric) != (seed is None):
                continue
            value = lmd_generated if (metric, variant) == ("lmd", "generated") else value
            value = None if value is None else value + offset * (variant == "generated")
            common = {"seed": seed, "variant": variant, "metric": metric, "n": N_FRAMES}
            if "/" in metric:
                rows.append({**common, "scope": "pooled", "value": value, "reason": FLAT if value is None else None})
                continue
            for index, (clip, speaker, emotion, _) in enumerate(TEST_CLIPS):
                missing = value is None or (metric, variant, clip) == (*TOO_SHORT, ODD_CLIP)
                # The clips lie symmetrically about the mean, except where one of them is missing.
                apart = 0 if (metric, variant) == TOO_SHORT else 0.01 * (index - (len(TEST_CLIPS) - 1) / 2)
                rows.append({**common, "scope": "clip", "clip_id": clip, "speaker_id": speaker, "emotion": emotion,
                             "value": None if missing else value + apart,
                             "reason": (FLAT if value is None else SHORT) if missing else None})  # fmt: skip
    return rows


def _curves(seed: int | None) -> list[dict]:
    time = np.arange(N_FRAMES) / FPS
    rows = []
    for clip, *_ in TEST_CLIPS:
        truth = 0.5 + 0.35 * np.sin(4 * time)
        for variant, scale in {"generated": 0.8, "neutral": 0.2, "real": 0.95}.items():
            for judge, shift in {"era": 0.1, "landmarks": 0.3, "audio": 0.0}.items():
                if is_control(variant, f"/{judge}") != (seed is None):
                    continue
                guess = scale * (0.5 + 0.35 * np.sin(4 * time + shift + 0.2 * (seed or 0)))
                rows += [
                    {"seed": seed, "clip_id": clip, "variant": variant, "judge": judge, "frame": frame,
                     "valence": 0.8 * guess[frame], "arousal": 0.6 * guess[frame], "intensity": guess[frame],
                     "true_valence": 0.8 * truth[frame], "true_arousal": 0.6 * truth[frame],
                     "true_intensity": truth[frame]} for frame in range(N_FRAMES)
                ]  # fmt: skip
    return rows


def _videos(seed: int, folder: Path) -> list[dict]:
    rows = []
    for index, (clip, speaker, emotion, _) in enumerate(TEST_CLIPS):
        common = {"seed": seed, "clip_id": clip, "speaker_id": speaker, "emotion": emotion,
                  "source_clip_id": CLIPS[0][0], "source_emotion": "neutral"}  # fmt: skip
        for variant, smile in {"source": 0.0, "real": 0.8, "neutral": 0.0, "emotional": 0.6}.items():
            name = f"videos/{index}/{variant}{'.png' if variant == 'source' else '.mp4'}"
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            if variant == "source":
                cv2.imwrite(str(folder / name), draw_face(0.3, 0.0, seed)[..., ::-1])
            else:
                encode(folder / name, [draw_face(np.sin(frame / 2) ** 2, smile, seed) for frame in range(N_FRAMES)])
            rows.append({**common, "variant": variant, "path": name})
    return rows


def encode(path: Path, frames: list[np.ndarray]) -> None:
    """H.264 and AAC, as the evaluation writes them."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=FPS, options={"crf": "28", "threads": "1"})
        video.width, video.height, video.pix_fmt = 96, 96, "yuv420p"
        audio = container.add_stream("aac", rate=16000, layout="mono")
        for index, image in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, FPS)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        tone = np.sin(2 * np.pi * 220 * np.arange(len(frames) * 640) / 16000) * 3000
        sound = av.AudioFrame.from_ndarray(tone.astype(np.int16)[None], format="s16", layout="mono")
        sound.sample_rate, sound.pts, sound.time_base = 16000, 0, Fraction(1, 16000)
        container.mux(audio.encode(sound))
        container.mux(audio.encode(None))

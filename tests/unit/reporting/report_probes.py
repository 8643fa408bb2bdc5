"""Tables "bias", "saturation", "embeddings" and "grid" of one small evaluation, with pictures and videos."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from eap.data.encode import write_video
from eap.schemas import write_table

VOICES = [("v/angry.mp4", "p1", "angry"), ("v/happy.mp4", "p2", "happy"), ("v/<i>sad</i>.mp4", "p1", "sad")]
SOURCES = ("neutral", "happy", "sad")
GAINS = (0.0, 0.5, 1.0, 1.5)
LEVELS = {"low": 0.3, "medium": 0.5, "high": 0.8}
LEAK = {"neutral": 0.0, "happy": 0.1, "sad": -0.05}
"""What each source adds to the intensity of its videos."""


def write_probes(folder: Path, seed: int) -> None:
    """All four; intensity at gain g is 0.4 g and the source's leak."""
    write_table(folder / "bias.parquet", "bias", bias_rows(seed))
    write_table(folder / "saturation.parquet", "saturation", saturation_rows(seed))
    write_table(folder / "embeddings.parquet", "embeddings", embedding_rows(seed))
    write_table(folder / "grid.parquet", "grid", grid_rows(folder, seed))


def bias_rows(seed: int) -> list[dict]:
    """Judge "points" reads no class; it finds no face in what the sad source makes at g = 0."""
    rows = []
    for clip, speaker, emotion in VOICES:
        for judge in ("era", "points"):
            for gain in (0.0, 1.0):
                for source in SOURCES:
                    intensity = 0.2 + 0.4 * gain + LEAK[source] + 0.01 * seed
                    lost = judge == "points" and source == "sad" and gain == 0
                    rows.append({
                        "seed": seed, "variant": "generated", "clip_id": clip, "speaker_id": speaker,
                        "emotion": emotion, "source_clip_id": f"{speaker}/{source}.mp4", "source_emotion": source,
                        "gain": gain, "judge": judge, "valence": None if lost else -0.5 * intensity,
                        "arousal": None if lost else 0.3 * intensity, "intensity": None if lost else intensity,
                        "predicted": (emotion if gain else source) if judge == "era" else None, "n": 40,
                    })  # fmt: skip
            rows.append({"seed": seed, "variant": "real", "clip_id": f"{speaker}/n.mp4", "speaker_id": speaker,
                         "emotion": "neutral", "judge": judge, "valence": 0.0, "arousal": 0.05, "intensity": 0.05,
                         "predicted": "neutral" if judge == "era" else None, "n": 40})  # fmt: skip
    return list({(r["clip_id"], r["judge"], r.get("gain"), r.get("source_emotion")): r for r in rows}.values())


def saturation_rows(seed: int) -> list[dict]:
    """Two groups of three levels; the generated videos show half of the labels' rise."""
    rows = []
    for group, speaker in (("p1 / angry", "p1"), ("p2 / happy", "p2")):
        for level, true in LEVELS.items():
            common = {"seed": seed, "clip_id": f"{group}/{level}.mp4", "speaker_id": speaker,
                      "emotion": group.split(" / ")[1], "level": level, "sentence": "a", "group_id": group,
                      "same_sentence": True, "true_intensity": true, "n": 40}  # fmt: skip
            for judge in ("era", "points"):
                rows.append({**common, "variant": "real", "gain": None, "judge": judge, "intensity": true + 0.05})
                rows += [{**common, "variant": "generated", "gain": g, "judge": judge,
                          "intensity": 0.2 + g * true / 2 + 0.02 * seed} for g in GAINS]  # fmt: skip
            rows.append({**common, "variant": "generated", "gain": 1.0, "judge": "audio", "intensity": true})
    return rows


def embedding_rows(seed: int) -> list[dict]:
    """Three classes in corners of their own, four clips of two speakers each."""
    rng, rows = np.random.default_rng(seed), []
    for emotion, middle in {"neutral": (0, 0), "happy": (3, 0), "sad": (0, 2)}.items():
        for number in range(4):
            x, y = np.array(middle) + 0.2 * rng.standard_normal(2)
            rows.append({"seed": seed, "clip_id": f"{emotion}<{number}>.mp4", "speaker_id": f"p{number % 2}",
                         "emotion": emotion, "level": "high" if number else None, "z": [x, y, 0.0], "x": x, "y": y,
                         "explained": 0.9, "true_intensity": 0.25 * number})  # fmt: skip
    return rows


def grid_rows(folder: Path, seed: int) -> list[dict]:
    """One voice from each source at each gain; the cell of the sad source at g = 1.5 is missing."""
    clip, speaker, emotion = VOICES[0]
    common = {"seed": seed, "clip_id": clip, "speaker_id": speaker, "emotion": emotion, "level": "high"}
    rows = _write(folder, {**common, "gain": None}, "real", 0.7, True)
    for source in SOURCES:
        own = {**common, "source_clip_id": f"{speaker}/{source}.mp4", "source_emotion": source}
        rows += _write(folder, {**own, "gain": None}, f"source-{source}", 0.0, False)
        for gain in GAINS:
            if (source, gain) != ("sad", 1.5):
                rows += _write(folder, {**own, "gain": gain}, f"{source}-g{gain:g}", gain / 1.5, True)
    return rows


def _write(folder: Path, row: dict, name: str, smile: float, moving: bool) -> list[dict]:
    (folder / "grid").mkdir(parents=True, exist_ok=True)
    picture, video = f"grid/{name}.jpg", f"grid/{name}.mp4"
    cv2.imwrite(str(folder / picture), draw_face(0.5, smile, row["seed"])[..., ::-1])
    rows = [{**row, "kind": "picture", "frame": 3, "path": picture}]
    if moving:
        frames = np.stack([draw_face(np.sin(frame / 2) ** 2, smile, row["seed"]) for frame in range(25)])
        tone = (3000 * np.sin(np.arange(25 * 640) / 12)).astype(np.int16)
        write_video(folder / video, frames, 25, 30, tone, 16000, "drawn")
        rows.append({**row, "kind": "video", "frame": None, "path": video})
    return rows


def draw_face(opening: float, smile: float, seed: int) -> np.ndarray:
    """A drawn face, RGB 96 x 96."""
    image = np.full((96, 96, 3), (176, 186, 190), np.uint8)
    cv2.ellipse(image, (48, 50), (30, 38), 0, 0, 360, (224 - 20 * seed, 184, 160), -1, cv2.LINE_AA)
    for x in (37, 59):
        cv2.circle(image, (x, 42), 3, (50, 40, 40), -1, cv2.LINE_AA)
    cv2.ellipse(image, (48, 66), (9 + int(4 * smile), 2 + int(6 * opening)), 0, 0, 360, (120, 40, 50), -1, cv2.LINE_AA)
    return image

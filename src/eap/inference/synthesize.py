"""`eap synthesize`: a picture and a voice to a video file."""

from __future__ import annotations

import importlib.metadata
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from eap.data.encode import open_video
from eap.digest import file_sha256, git_sha
from eap.inference.checkpoint import Device, LoadedModel, load_checkpoint
from eap.inference.curve import read_curve, sample_curve
from eap.inference.mark import Mark
from eap.inference.paste import Paster, even_sides, limit_side
from eap.inference.pose import Poses, driven_pose, read_driving, still_pose
from eap.inference.provenance import provenance_tags
from eap.inference.source import SourceFace, find_source, read_picture
from eap.inference.stream import Emotion, given_emotion, hear_voice, heard_emotion, stream_frames
from eap.inference.voice import Voice, open_voice
from eap.stage import StageError, StageResult

MAX_INTENSITY = 2.0
"""Training never shows more than g = 1; twice that is still a face (CHOSEN)."""

Say = Callable[[str], None]
Progress = Callable[[int, int], None]
"""Called with frames done and frames in all."""


@dataclass(frozen=True)
class Request:
    """What is asked for; paths and values as on the command line."""

    checkpoint: Path
    image: Path
    audio: Path
    out: Path
    intensity: float = 1.0
    neutral: bool = False
    va: Path | None = None
    pose: Path | None = None
    paste_back: bool = False
    face: int | None = None
    max_side: int = 1920
    mark: bool = True
    crf: int = 18
    device: Device = "auto"
    threads: int = 1

    def __post_init__(self) -> None:
        if self.out.suffix.lower() != ".mp4":
            raise StageError(f"--out: {self.out} must end in .mp4 (H.264 and AAC)")
        if self.out.resolve() in {path.resolve() for path in (self.image, self.audio, self.pose) if path}:
            raise StageError(f"--out: {self.out} is one of the inputs and would be replaced; name another file")
        if not 0 <= self.intensity <= MAX_INTENSITY:
            raise StageError(f"--intensity: {self.intensity}; allowed: 0 (neutral) to {MAX_INTENSITY:g}")
        if self.neutral and (self.va is not None or self.intensity != 1):
            raise StageError("--neutral is --intensity 0 and leaves nothing to --intensity or --va: give one of them")
        if self.va is not None and self.intensity == 0:
            raise StageError("--va has no effect with --intensity 0: give one of them")


def synthesize(request: Request, say: Say, progress: Progress) -> StageResult:
    """Make the video; nothing appears at `request.out` unless it is complete.

    Parameters
    ----------
    say
        Takes each thing that the user should know, one line each.
    progress
        Called after each block of frames.

    Raises
    ------
    StageError
        Naming the option, what is wrong with it, and what is allowed.
    """
    picture, notes = read_picture(request.image)
    curve = read_curve(request.va) if request.va is not None else None
    model = load_checkpoint(request.checkpoint, request.device, request.threads)
    if curve is not None and not model.imagines:
        raise StageError(
            f"--va: {request.checkpoint} never learnt to show a given curve (it was trained with loss.decode: 0); "
            "leave --va away, or train with a loss.decode above 0"
        )
    voice = open_voice(request.audio, model.config.audio)
    source = find_source(picture, model.config, model.neutral_shape, request.face)
    for note in (*notes, *source.notes):
        say(note)
    if model.exact_points:
        say(
            "this model learnt from the exact points of rendered faces; those of this picture are detected, and lie "
            "some px elsewhere (labels.points), so that even a neutral face may come out a little changed"
        )
    fps = model.config.video.fps
    poses, pose_notes = _poses(request, model, source, voice.n_frames)
    for note in pose_notes:
        say(note)
    gain = 0.0 if request.neutral else request.intensity
    face = model.face
    finish, size = finishing(source, request.paste_back, request.max_side, request.mark, say)
    began = time.monotonic()
    emotion = (
        voice_emotion(model, voice, gain)
        if curve is None
        else given_emotion(face, gain, lambda start, stop: sample_curve(curve, start, stop, fps))
    )
    frames = draw_video(model, source, voice, poses, emotion)
    tags = provenance_tags(_facts(request, model, gain))
    try:
        write_frames(request.out, map(finish, frames), voice, size, fps, request.crf, tags, progress)
    except OSError as error:
        raise StageError(f"--out: {request.out} cannot be written ({error})") from error
    elapsed = time.monotonic() - began
    return StageResult({"n_frames": voice.n_frames, "frames_per_s": voice.n_frames / elapsed}, (request.out,))


def voice_emotion(model: LoadedModel, voice: Voice, gain: float) -> Emotion:
    """What the voice says; where the model hears a frame against its voice, that is decoded once more for it."""
    mean = hear_voice(model.face, voice.mel_blocks(model.config.audio), voice.n_frames)
    return heard_emotion(model.face, gain, mean)


def draw_video(
    model: LoadedModel, source: SourceFace, voice: Voice, poses: Poses, emotion: Emotion
) -> Iterator[np.ndarray]:
    """The frames of the face's square, uint8 RGB ``[H, W, 3]``, drawn when asked for."""
    still = still_pose(source.transform_23, source.shape_P2)(0, 1)[0]
    identity = model.face.encode(source.crop_HWC, source.points_P2, still)
    mel = voice.mel_blocks(model.config.audio)
    for block in stream_frames(model.face, identity, mel, voice.n_frames, poses, emotion):
        yield from block


def finishing(
    source: SourceFace, paste_back: bool, max_side: int, mark: bool, say: Say
) -> tuple[Callable[[np.ndarray], np.ndarray], tuple[int, int]]:
    """What happens to each frame after it is drawn, and the video's width and height."""
    paste: Callable[[np.ndarray], np.ndarray] = Paster(source.picture_HWC, source.box) if paste_back else np.asarray

    def resize(frame: np.ndarray) -> np.ndarray:
        return even_sides(limit_side(frame, max_side))

    height, width = resize(source.picture_HWC if paste_back else source.crop_HWC).shape[:2]
    if paste_back and max(source.picture_HWC.shape[:2]) > max_side:
        was = "{1} x {0}".format(*source.picture_HWC.shape)
        say(f"the picture of {was} px is reduced to {width} x {height} px (--max-side)")
    draw_mark: Callable[[np.ndarray], np.ndarray] = Mark(height, width) if mark else np.asarray
    return (lambda face: draw_mark(resize(paste(face)))), (width, height)


def write_frames(
    out: Path,
    frames: Iterator[np.ndarray],
    voice: Voice,
    size: tuple[int, int],
    fps: int,
    crf: int,
    tags: dict[str, str],
    progress: Progress,
) -> None:
    """Encode frames with the voice: equally many frames' worth of both."""
    with open_video(
        out, size, fps, crf, sample_rate=voice.sample_rate, channels=voice.channels, metadata=tags
    ) as video:  # fmt: skip
        sound = voice.sound_blocks(fps)
        for number, frame in enumerate(frames, start=1):
            video.add_frame(frame)
            video.add_sound(next(sound))
            progress(number, voice.n_frames)


def _poses(request: Request, model: LoadedModel, source: SourceFace, n_frames: int) -> tuple[Poses, tuple[str, ...]]:
    if request.pose is None:
        return still_pose(source.transform_23, source.shape_P2), ()
    driving, notes = read_driving(request.pose, n_frames, model.config, model.shape_P2)
    return driven_pose(source.transform_23, source.shape_P2, driving), notes


def _facts(request: Request, model: LoadedModel, gain: float) -> dict[str, Any]:
    inputs = {name: getattr(request, name) for name in ("image", "audio", "va", "pose")}
    return {
        "tool_version": importlib.metadata.version("eap"),
        "tool_git_sha": git_sha(),
        **model.facts,
        "inputs_sha256": {name: file_sha256(path) for name, path in inputs.items() if path is not None},
        "intensity": gain,
        "emotion_from": "curve" if request.va is not None else "voice",
        "visible_mark": request.mark,
    }

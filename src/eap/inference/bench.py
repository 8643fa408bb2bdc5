"""How fast a model speaks: frames per second, operations per frame and peak memory, all included."""

from __future__ import annotations

import platform
import resource
import statistics
import tempfile
import time
import wave
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from eap.config import Config
from eap.data.crop import CropBox
from eap.data.pose import LANDMARK_SCALE_PX, N_POINTS, apply_transform
from eap.inference.checkpoint import Device, LoadedModel, load_checkpoint
from eap.inference.pose import still_pose
from eap.inference.source import SourceFace
from eap.inference.stream import hear_voice, heard_emotion
from eap.inference.synthesize import draw_video, finishing, voice_emotion, write_frames
from eap.inference.voice import Voice, open_voice
from eap.models.neutral_shape import NeutralShape
from eap.seeding import seed_everything
from eap.synthesis import RENDER_FRAMES, Part
from eap.training.build import build_ant, build_era
from eap.training.checkpoint import save_model

CRF = 18
GENERATORS = {"tiny": "demo", "realtime": "realtime", "full": "paper"}
"""Generator sizes and the presets whose `model` section they are."""


def measure(
    config: Config | None, checkpoint: Path | None, seconds: float, repeats: int, device: Device, threads: int
) -> dict[str, Any]:
    """Draw, mark and encode a video of `seconds` from a face and a voice that are already decoded, `repeats` times.

    Parameters
    ----------
    config
        Whose `model` section is built with random weights; None if `checkpoint` is given. Weights do not change speed.
    checkpoint
        A trained model instead.

    Returns
    -------
    dict
        ``frames_per_s`` (median over the repeats), ``gflops_per_frame`` (2 per multiply-add; the identity encoder, once
        a video, apart in ``gflops_per_video``), ``peak_rss_mb`` of this process, ``cpu_s_per_frame`` over all threads
        (which a busy machine hardly changes), and what was measured.
    """
    seed_everything(0, threads)
    with tempfile.TemporaryDirectory() as folder:
        path = checkpoint or write_random_model(config, Path(folder, "model.safetensors"))
        model = load_checkpoint(path, device, threads)
        sample_rate, fps = model.config.audio.sample_rate, model.config.video.fps
        voice = open_voice(write_noise(Path(folder, "voice.wav"), seconds, sample_rate), model.config.audio)
        warm = open_voice(
            write_noise(Path(folder, "warm.wav"), 2 * RENDER_FRAMES / fps, sample_rate), model.config.audio
        )
        source = noise_face(model)
        _timed(model, source, warm, Path(folder, "warm.mp4"))
        used = time.process_time()
        took = [_timed(model, source, voice, Path(folder, f"{i}.mp4")) for i in range(repeats)]
        used = time.process_time() - used
        per_frame, per_video = count_gflops(model, source)
    return {
        "model": str(checkpoint) if checkpoint else f"{config.preset}, random weights",
        "size": model.config.model.image_size,
        "frames_per_s": round(voice.n_frames / statistics.median(took), 2),
        "gflops_per_frame": round(per_frame, 3),
        "gflops_per_video": round(per_video, 3),
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        "cpu_s_per_frame": round(used / repeats / voice.n_frames, 4),
        "n_frames": voice.n_frames,
        "frames_per_s_runs": [round(voice.n_frames / seconds_taken, 2) for seconds_taken in took],
        "device": model.config.compute.device,
        "threads": threads,
        "machine": platform.machine(),
    }


def write_random_model(config: Config, path: Path) -> Path:
    """A model file like a trained one, but for its weights."""
    record = {
        "stage": "train-era",
        "config": config.model_dump(mode="json"),
        "neutral_shape": np.random.default_rng(0).normal(0, 0.7, (N_POINTS, 2)).tolist(),
        "neutral_fit": {},
    }
    save_model(path, {"ant": build_ant(config), **build_era(config), "neutral_shape": NeutralShape()}, record)
    return path


def write_noise(path: Path, seconds: float, sample_rate: int) -> Path:
    """Noise of changing loudness as 16-bit wav."""
    rng = np.random.default_rng(0)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        total = round(seconds * sample_rate)
        for start in range(0, total, sample_rate):  # a second at a time: long voices must cost no memory
            times = np.arange(start, min(start + sample_rate, total)) / sample_rate
            samples = rng.normal(0, 0.1, len(times)) * np.sin(5 * times) ** 2
            file.writeframes((samples.clip(-1, 1) * 32767).astype("<i2").tobytes())
    return path


def noise_face(model: LoadedModel) -> SourceFace:
    """A source of noise in the middle of its crop."""
    side = model.config.model.image_size
    crop = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
    pose = np.array([[60.0, 0, LANDMARK_SCALE_PX / 2], [0, 60.0, LANDMARK_SCALE_PX / 2]])
    points = apply_transform(pose[None], model.shape_P2)[0].astype(np.float32)
    return SourceFace(crop, CropBox(0, 0, side), crop, points, pose, model.shape_P2, ())


@torch.inference_mode()
def count_gflops(model: LoadedModel, source: SourceFace) -> tuple[float, float]:
    """Operations per frame, motion, emotion and rendering together, and those that a video costs once."""
    face, audio = model.face, model.config.audio
    length = 8 * RENDER_FRAMES  # a block amid others
    poses = still_pose(source.transform_23, model.shape_P2)
    low = max(3 * RENDER_FRAMES - face.reach, 0)
    part = Part(3 * RENDER_FRAMES, 4 * RENDER_FRAMES, length, low)
    columns = min(part.stop + face.reach, length) - low
    mel = np.random.default_rng(0).normal(0, 1, (columns, audio.n_mels)).astype(np.float32)
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # the counter does not know the fused transformer layer
    try:
        with FlopCounterMode(display=False) as once:
            identity = face.encode(source.crop_HWC, source.points_P2, poses(0, 1)[0])
        with FlopCounterMode(display=False) as block:
            mean = hear_voice(face, [mel[:RENDER_FRAMES]], RENDER_FRAMES)
            emotion = heard_emotion(face, 1.0, mean)
            face.draw(identity, mel, poses(0, columns), emotion(mel, part), part)
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)
    return block.get_total_flops() / RENDER_FRAMES / 1e9, once.get_total_flops() / 1e9


def _timed(model: LoadedModel, source: SourceFace, voice: Voice, out: Path) -> float:
    poses = still_pose(source.transform_23, model.shape_P2)
    finish, size = finishing(source, False, source.crop_HWC.shape[0], True, lambda note: None)
    began = time.perf_counter()
    frames = draw_video(model, source, voice, poses, voice_emotion(model, voice, 1.0))
    fps = model.config.video.fps
    write_frames(out, map(finish, frames), voice, size, fps, CRF, {}, lambda done, total: None)
    return time.perf_counter() - began

"""How many frames per second each metric scores, and how much faster SyncNet is than its published scorer."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
import torchvision
from torch import nn
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

from eap.data.clip_landmarks import detect_landmarks
from eap.data.emonet import EmoNet
from eap.data.phantom.identity import make_identity
from eap.data.phantom.render import Renderer
from eap.data.phantom.take import act
from eap.evaluation.frechet import FEATURES, InceptionFeatures
from eap.evaluation.identity import EVERY, embed_faces
from eap.evaluation.image import psnr, ssim
from eap.evaluation.lip_distance import lmd
from eap.evaluation.lip_sync import SyncScores
from eap.evaluation.perceptual import PerceptualDistance
from eap.evaluation.score.emotion import read_emotion
from eap.evaluation.syncnet import MAX_OFFSET, mfcc, n_windows, score_sync, to_syncnet_frame
from eap.models.syncnet_v2 import STEPS, STEPS_PER_FRAME, WINDOW, FoldedSyncNet, SyncNet

PUBLISHED_BATCH = 20
SLOW_FRAMES = 8
"""Frames for the networks that take half a second each."""


def measure(n_frames: int, rounds: int, threads: int) -> dict[str, Any]:
    """Score one rendered clip and, in turns with the published scorer, its lips.

    Networks have random weights of the published shapes. Medians over rounds; the two scorers take turns, so that
    whatever else the machine does meets both.

    Parameters
    ----------
    n_frames
        Frames of the clip, at most as many as it has.
    rounds
        Repetitions.
    threads
        Of torch, for both scorers alike.

    Returns
    -------
    dict
        ``frames_per_s`` per metric; ``syncnet_windows_per_s`` and ``published_windows_per_s``; ``syncnet_speedup``;
        ``syncnet_max_diff``: largest difference of LSE-D, LSE-C and m(0); ``threads``, ``n_frames``, ``rounds``.
    """
    torch.set_num_threads(threads)
    take = act(make_identity(0, 0), "happy", 2, 0, (0, 0, 0))
    frames = np.stack(list(islice(Renderer(make_identity(0, 0), 256).frames(take.performance), n_frames)))
    pcm16 = np.round(take.waveform * 32767).astype(np.int16)[: 640 * len(frames)]
    network = random_syncnet(0)
    folded = FoldedSyncNet(network)
    small = np.stack([to_syncnet_frame(frame) for frame in frames])
    published, ours, found = _in_turn(
        rounds, lambda: published_scores(network, small, pcm16), lambda: score_sync(folded, small, pcm16)
    )
    n = n_windows(len(frames), len(pcm16))
    differences = [abs(getattr(found[0], name) - getattr(found[1], name)) for name in ("lse_d", "lse_c", "at_zero")]
    return {
        "frames_per_s": _metric_speeds(frames, rounds) | {"syncnet": round(len(frames) / ours, 1)},
        "syncnet_windows_per_s": round(n / ours, 1),
        "published_windows_per_s": round(n / published, 1),
        "syncnet_speedup": round(published / ours, 3),
        "syncnet_max_diff": max(differences),
        "same_offset": found[0].offset == found[1].offset,
        "threads": threads,
        "n_cores": os.cpu_count(),
        "n_frames": len(frames),
        "rounds": rounds,
    }


def published_scores(network: SyncNet, frames_THWC: np.ndarray, pcm16: np.ndarray) -> SyncScores:
    """The published scorer's way (SyncNetInstance.evaluate): 20 windows a batch from a list, both branches, torch.

    Restated for comparison, on pixels instead of JPEG files; the offset has our sign.
    """
    images = torch.from_numpy(np.transpose(np.stack(frames_THWC, axis=3)[None], (0, 3, 4, 1, 2)).astype(float)).float()
    columns = torch.from_numpy(np.stack(list(zip(*mfcc(pcm16), strict=True)))[None, None].astype(float)).float()
    last = n_windows(len(frames_THWC), len(pcm16))
    lips, sounds = [], []
    for start in range(0, last, PUBLISHED_BATCH):
        batch = range(start, min(last, start + PUBLISHED_BATCH))
        windows = torch.cat([images[:, :, i : i + WINDOW] for i in batch], 0)
        lips.append(network.embed_lips(windows).data)
        first = [STEPS_PER_FRAME * i for i in batch]
        sounds.append(network.embed_sound(torch.cat([columns[..., i : i + STEPS] for i in first], 0)).data)
    lip, sound = torch.cat(lips, 0), F.pad(torch.cat(sounds, 0), (0, 0, MAX_OFFSET, MAX_OFFSET))
    span = 2 * MAX_OFFSET + 1
    distances = [F.pairwise_distance(lip[[i]].repeat(span, 1), sound[i : i + span]) for i in range(len(lip))]
    mean = torch.mean(torch.stack(distances, 1), 1)
    smallest, at = torch.min(mean, 0)
    confidence = float(torch.median(mean) - smallest)
    return SyncScores(float(smallest), confidence, int(at) - MAX_OFFSET, float(mean[MAX_OFFSET]))


def random_syncnet(seed: int) -> SyncNet:
    """The published network with random weights that keep activations of ordinary size, for inference."""
    generator = torch.Generator().manual_seed(seed)
    network = SyncNet()
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Conv2d | nn.Conv3d | nn.Linear):
                fan_in = module.weight[0].numel()
                module.weight.copy_(torch.randn(module.weight.shape, generator=generator) * (2 / fan_in) ** 0.5)
            elif isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d):
                module.running_mean.copy_(0.1 * torch.randn(module.running_mean.shape, generator=generator))
                module.running_var.copy_(0.5 + torch.rand(module.running_var.shape, generator=generator))
        network.netcnnlip[1].running_var.mul_(150.0**2)  # pixels come as 0-255
    return network.eval()


def _metric_speeds(frames: np.ndarray, rounds: int) -> dict[str, float]:
    """Frames of the generated video per second, for everything but SyncNet; the reference is scored alike."""
    rng = np.random.default_rng(0)
    other = np.clip(frames + rng.normal(0, 4, frames.shape), 0, 255).astype(np.uint8)
    points, _ = detect_landmarks(frames)
    some = min(SLOW_FRAMES, len(frames))
    tasks: dict[str, tuple[Callable[[], object], int]] = {
        "landmarks": (lambda: detect_landmarks(frames), len(frames)),
        "lmd": (lambda: lmd(points + 1, points), len(frames)),
        "psnr": (lambda: psnr(other, frames), len(frames)),
        "ssim": (lambda: ssim(other, frames), len(frames)),
        "identity": (lambda: embed_faces(frames[::EVERY], points[::EVERY]), len(frames)),
        "lpips": (_lpips(other[:some], frames[:some]), some),
        "fid": (_fid(frames[:some]), some),
        "emotion": (_emotion(frames[:some]), some),
    }
    return {name: round(n / _median(rounds, task), 1) for name, (task, n) in tasks.items()}


def _lpips(generated: np.ndarray, reference: np.ndarray) -> Callable[[], object]:
    distance = PerceptualDistance(torchvision.models.alexnet(weights=None).state_dict())
    return lambda: distance(generated, reference)


class _BlankInception(FeatureExtractorInceptionV3):
    """FID's network as it is before weights are loaded."""

    def load_state_dict(self, *_: Any, **__: Any) -> None:
        """Keep the random ones."""


def _fid(frames: np.ndarray) -> Callable[[], object]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "inception.pth")
        torch.save({}, path)
        torch.save(_BlankInception("inception-v3-compat", [str(FEATURES)], str(path)).state_dict(), path)
        features = InceptionFeatures(path)
    return lambda: features(frames)


def _emotion(frames: np.ndarray) -> Callable[[], object]:
    network = EmoNet().eval()
    return lambda: read_emotion(network, frames)


def _in_turn(rounds: int, *works: Callable[[], Any]) -> tuple[float, float, list[Any]]:
    """Median seconds of two works that take turns, and their results; one turn goes first unmeasured."""
    results = [work() for work in works]
    seconds: list[list[float]] = [[] for _ in works]
    for _ in range(rounds):
        for own, work in zip(seconds, works, strict=True):
            own.append(_seconds(work))
    first, second = (float(np.median(own)) for own in seconds)
    return first, second, results


def _median(rounds: int, work: Callable[[], object]) -> float:
    work()
    return float(np.median([_seconds(work) for _ in range(rounds)]))


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started

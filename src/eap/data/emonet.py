"""EmoNet: valence and arousal of a face in a picture (Toisoul et al., Nature Machine Intelligence 3, 2021).

The network of 8 classes, written anew so that the published state dict loads strictly (KNOWN: names, shapes and
order of operations, github.com/face-analysis/emonet). Two hourglasses find the landmarks; their features, weighted by
the landmarks' heatmaps, are read by a small network that tells class, valence and arousal.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from eap.data.cached_frames import resize_frame
from eap.data.weights import EMONET, find_weights, load_state
from eap.digest import file_sha256

CLASSES = ("neutral", "happy", "sad", "surprised", "fear", "disgusted", "angry", "contempt")
"""Meaning of the class logits, in our names (KNOWN)."""

SIZE = 256
"""Side of the pictures, px (KNOWN)."""

BATCH = 32
"""Frames per forward pass (CHOSEN)."""

WIDTH, LEVELS, STACKS, HEAT_MAPS = 256, 4, 2, 68


class Block(nn.Module):
    """Three 3 x 3 convolutions, each after normalisation and ReLU, whose outputs stand side by side on a shortcut."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        widths = (n_in, n_out // 2, n_out // 4, n_out // 4)
        for i, (before, after) in enumerate(pairwise(widths), start=1):
            self.add_module(f"bn{i}", nn.BatchNorm2d(before))
            self.add_module(f"conv{i}", nn.Conv2d(before, after, 3, padding=1, bias=False))
        self.downsample = None
        if n_in != n_out:
            self.downsample = nn.Sequential(
                nn.BatchNorm2d(n_in), nn.ReLU(), nn.Conv2d(n_in, n_out, kernel_size=1, bias=False)
            )

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """``[N, n_in, H, W]`` to ``[N, n_out, H, W]``."""
        x, outputs = x_NCHW, []
        for bn, conv in ((self.bn1, self.conv1), (self.bn2, self.conv2), (self.bn3, self.conv3)):
            x = conv(F.relu(bn(x)))
            outputs.append(x)
        shortcut = x_NCHW if self.downsample is None else self.downsample(x_NCHW)
        return torch.cat(outputs, dim=1) + shortcut


class Hourglass(nn.Module):
    """Down through four halvings and up again, with a shortcut at each level."""

    def __init__(self) -> None:
        super().__init__()
        for level in range(LEVELS, 0, -1):
            for part in ("b1", "b2", "b3"):
                self.add_module(f"{part}_{level}", Block(WIDTH, WIDTH))
        self.b2_plus_1 = Block(WIDTH, WIDTH)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """``[N, 256, H, W]``, H and W multiples of 16; the same shape."""
        x, shortcuts = x_NCHW, []
        for level in range(LEVELS, 0, -1):
            shortcuts.append(self.get_submodule(f"b1_{level}")(x))
            x = self.get_submodule(f"b2_{level}")(F.max_pool2d(x, 2))
        x = self.b2_plus_1(x)
        for level in range(1, LEVELS + 1):
            x = shortcuts.pop() + F.interpolate(self.get_submodule(f"b3_{level}")(x), scale_factor=2)
        return x


@dataclass(frozen=True)
class Emotion:
    """What EmoNet reads in N pictures."""

    expression_NK: Tensor
    """Logits of `CLASSES`, ``[N, 8]``."""
    valence_N: Tensor
    """In [-1, 1]."""
    arousal_N: Tensor
    """In [-1, 1]."""


class EmoNet(nn.Module):
    """The published network of 8 classes; module names are those of its state dict."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, kernel_size=7, stride=2, padding=3)
        self.bn1 = nn.BatchNorm2d(64)
        self.conv2, self.conv3, self.conv4 = Block(64, 128), Block(128, 128), Block(128, WIDTH)
        for i in range(STACKS):
            self.add_module(f"m{i}", Hourglass())
            self.add_module(f"top_m_{i}", Block(WIDTH, WIDTH))
            self.add_module(f"conv_last{i}", nn.Conv2d(WIDTH, WIDTH, 1))
            self.add_module(f"bn_end{i}", nn.BatchNorm2d(WIDTH))
            self.add_module(f"l{i}", nn.Conv2d(WIDTH, HEAT_MAPS, 1))
        self.bl0, self.al0 = nn.Conv2d(WIDTH, WIDTH, 1), nn.Conv2d(HEAT_MAPS, WIDTH, 1)
        self.conv1x1_input_emo_2 = nn.Conv2d((STACKS + 1) * WIDTH, WIDTH, 1)
        self.emo_net_2 = nn.Sequential(*(part for _ in range(4) for part in (Block(WIDTH, WIDTH), nn.MaxPool2d(2))))
        self.emo_fc_2 = nn.Sequential(
            nn.Linear(WIDTH, 128), nn.BatchNorm1d(128), nn.ReLU(), nn.Linear(128, len(CLASSES) + 2)
        )

    def forward(self, images_NCHW: Tensor) -> Emotion:
        """RGB in [0, 1], ``[N, 3, 256, 256]``."""
        x = F.relu(self.bn1(self.conv1(images_NCHW)))
        x = self.conv4(self.conv3(F.max_pool2d(self.conv2(x), 2)))
        first, heat = self._stack(0, x)
        first = self.bl0(first)
        second, heat = self._stack(1, x + first + self.al0(heat))
        attention = heat.sum(1, keepdim=True)
        x = self.conv1x1_input_emo_2(torch.cat([x, first * attention, second * attention], dim=1))
        x = self.emo_fc_2(self.emo_net_2(x).mean((2, 3)))
        return Emotion(x[:, :-2], x[:, -2].clamp(-1, 1), x[:, -1].clamp(-1, 1))

    def _stack(self, i: int, x_NCHW: Tensor) -> tuple[Tensor, Tensor]:
        """Features and heatmaps of one hourglass."""
        x = self.get_submodule(f"top_m_{i}")(self.get_submodule(f"m{i}")(x_NCHW))
        x = F.relu(self.get_submodule(f"bn_end{i}")(self.get_submodule(f"conv_last{i}")(x)))
        return x, self.get_submodule(f"l{i}")(x)


class EmoNetReader:
    """EmoNet with its published weights, for uint8 frames.

    Parameters
    ----------
    settings
        Section ``labels.emonet``: path, url, sha256.
    compute
        Section ``compute``: device and threads.

    Raises
    ------
    StageError
        If the weights cannot be had, or are not those that the settings or the network want.
    """

    def __init__(self, settings: Any, compute: Any) -> None:
        path = find_weights(settings, EMONET)
        self.weights_sha256 = file_sha256(path)
        """Of the file that was read."""
        torch.set_num_threads(compute.threads)
        self._device = torch.device(compute.device)
        self._network = load_emonet(path).to(self._device)

    @torch.inference_mode()
    def __call__(self, frames_THWC: np.ndarray) -> np.ndarray:
        """Valence and arousal, float32 ``[T, 2]`` in [-1, 1], of RGB uint8 face crops ``[T, S, S, 3]``."""
        parts = []
        for start in range(0, len(frames_THWC), BATCH):
            images = np.stack([resize_frame(frame, SIZE) for frame in frames_THWC[start : start + BATCH]])
            batch = torch.from_numpy(images).to(self._device)
            emotion = self._network(batch.permute(0, 3, 1, 2).float() / 255)
            parts.append(torch.stack([emotion.valence_N, emotion.arousal_N], dim=1).cpu())
        return torch.cat(parts).numpy()


def load_emonet(path: Path) -> EmoNet:
    """The network with the weights of a published file, for inference.

    Raises
    ------
    StageError
        If the file holds no tensors or those of another network.
    """
    network = EmoNet()
    load_state(network, path, "wanted: the published emonet_8.pth (labels.emonet)")
    return network

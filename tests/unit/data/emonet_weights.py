"""Random weights of EmoNet that do not depend on torch's initialisation, and the published form of its file."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from eap.data.emonet import EmoNet


def random_state(seed: int = 0) -> dict[str, Tensor]:
    """Weights that keep activations of ordinary size: drawn by numpy, tensor after tensor in the order of names."""
    rng = np.random.default_rng(seed)
    state = {}
    for name, value in sorted(EmoNet().state_dict().items()):
        shape = tuple(value.shape)
        if name.endswith("num_batches_tracked"):
            drawn = np.array(1)
        elif name.endswith("running_var"):
            drawn = rng.uniform(0.8, 1.2, shape)
        elif len(shape) > 1:
            drawn = rng.normal(0, 0.7 / np.sqrt(np.prod(shape[1:])), shape)
        else:
            drawn = rng.normal(float(name.endswith(".weight")), 0.1, shape)
        if name.startswith("emo_fc_2.3"):
            drawn = drawn * 0.01  # valence and arousal stay within [-1, 1]
        state[name] = torch.as_tensor(drawn, dtype=value.dtype)
    return state


def save_published(state: dict[str, Tensor], path: Path, prefix: str = "module.") -> Path:
    """As the authors saved it: an ordered dict with the names of `DataParallel`, in torch's older file format."""
    named = OrderedDict((prefix + name, value) for name, value in state.items())
    torch.save(named, path, _use_new_zipfile_serialization=False)
    return path


def pictures() -> np.ndarray:
    """Two smooth pictures, uint8 ``[2, 256, 256, 3]``."""
    y, x = np.mgrid[:256, :256] / 255
    first = np.stack([x, y, 1 - x], -1)
    second = np.stack([np.sin(9 * x) ** 2, x * y, np.cos(7 * y) ** 2], -1)
    return np.round(255 * np.stack([first, second])).astype(np.uint8)

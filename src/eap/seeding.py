"""One place where randomness starts."""

from __future__ import annotations

import random

import numpy as np
import torch


def seed_everything(seed: int, threads: int) -> None:
    """Seed Python, NumPy and torch, fix the number of CPU threads and ask torch for deterministic kernels."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    # Otherwise every new tensor is filled before it is written: 4 % of a demo step, for programs that read unset ones.
    torch.utils.deterministic.fill_uninitialized_memory = False

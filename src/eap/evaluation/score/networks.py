"""Networks from the given weights, loaded once per process."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from eap.data.emonet import EmoNet, load_emonet
from eap.evaluation.frechet import InceptionFeatures
from eap.evaluation.perceptual import PerceptualDistance
from eap.evaluation.score.settings import WEIGHTS, Settings
from eap.models.syncnet_v2 import FoldedSyncNet, SyncNet
from eap.stage import StageError


def check_weights(settings: Settings) -> None:
    """Load every network once, so that wrong weights are one message and not the fault of each clip.

    Raises
    ------
    StageError
        Naming the file, the option, and what was wanted.
    """
    loaders = {"syncnet": load_syncnet, "emonet": load_emotions, "lpips": load_lpips, "inception": load_inception}
    for kind, load in loaders.items():
        if (given := settings.weights(kind)) is not None:
            try:
                load(given.path)
            except (ValueError, StageError) as error:
                wanted = WEIGHTS[kind]
                first = str(error).splitlines()[0]
                raise StageError(f"{wanted.option} {given.path}: {first}; wanted is {wanted.url}") from error


@cache
def load_syncnet(path: Path) -> FoldedSyncNet:
    """The published network; a `ValueError` if the file holds another one."""
    network = SyncNet()
    try:
        # A plain dict: where the file counts no batches, torch then fills the counters of batch normalisation in
        network.load_state_dict(dict(read_state(path)))
    except RuntimeError as error:
        raise ValueError(f"the weights of another network ({str(error).splitlines()[1].strip()})") from error
    return FoldedSyncNet(network.eval())


@cache
def load_emotions(path: Path) -> EmoNet:
    """EmoNet."""
    return load_emonet(path)


@cache
def load_lpips(path: Path) -> PerceptualDistance:
    """LPIPS on the given AlexNet."""
    return PerceptualDistance(read_state(path))


@cache
def load_inception(path: Path) -> InceptionFeatures:
    """FID's Inception; read here first, since torch-fidelity would unpickle anything."""
    read_state(path)
    return InceptionFeatures(path)


def read_state(path: Path) -> Mapping[str, Tensor]:
    """A file's state dict; nothing else is unpickled. A `ValueError` if it holds none."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError, OSError) as error:
        raise ValueError(f"not a file of weights ({(str(error).splitlines() or ['empty'])[0]})") from error
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise ValueError(f"holds a {type(state).__name__}, not a state dict")
    return state

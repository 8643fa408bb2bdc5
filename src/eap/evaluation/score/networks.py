"""Networks from the given weights, loaded once per process."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from eap.data.emonet import EmoNet, load_emonet
from eap.data.weights import load_state, read_state
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
    """The published network; a `StageError` if the file holds another one."""
    network = SyncNet()
    load_state(network, path, "wanted: the published syncnet_v2.model")
    return FoldedSyncNet(network)


@cache
def load_emotions(path: Path) -> EmoNet:
    """EmoNet."""
    return load_emonet(path)


@cache
def load_lpips(path: Path) -> PerceptualDistance:
    """LPIPS on the given AlexNet."""
    return PerceptualDistance(read_state(path, "wanted: AlexNet's"))


@cache
def load_inception(path: Path) -> InceptionFeatures:
    """FID's Inception; read here first, since torch-fidelity would unpickle anything."""
    read_state(path, "wanted: Inception's")
    return InceptionFeatures(path)

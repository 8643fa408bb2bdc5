"""Published weights that this program does not bring along: found, checked, and read without running any code."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from eap.digest import file_sha256, text_digest
from eap.stage import StageError
from eap.urls import fill_in, mask


@dataclass(frozen=True)
class Wanted:
    """A file of weights, as a message names it."""

    who: str
    """Whose weights."""
    key: str
    """Where in the configuration path, url and sha256 stand."""
    instead: str
    """What else could be done."""

    def remedy(self, url: str) -> str:
        """What a person can do about its absence."""
        return f"download {url} and set {self.key}.path to the file, or {self.instead}"


FAN = Wanted(
    "face-alignment's 2DFAN-4", "landmarks.fan", "set landmarks.detector: dlib and loss.lip_estimator: student"
)
EMONET = Wanted("EmoNet", "labels.emonet", "choose another labels.source")
VGG19 = Wanted("the ImageNet VGG19", "perceptual", "choose another perceptual.network or .weights")


def find_weights(settings: Any, wanted: Wanted) -> Path:
    """The file: `path`, or a copy of `url` in torch's folder of downloads; checked by what is known of its digest.

    Parameters
    ----------
    settings
        Keys path, url, sha256 (all digits of it, the first ones, or None: any; `file_sha256` then tells which it was,
        and records keep that).

    Raises
    ------
    StageError
        If it can be had from neither, or has another SHA-256: with the file, the URL and the config key.
    """
    remedy = wanted.remedy(settings.url)
    if settings.path is not None:
        path = Path(settings.path)
        if not path.is_file():
            raise StageError(f"{wanted.key}.path: {path} is not a file; {remedy}")
    else:
        path = cached_weights(settings)
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                url = fill_in(settings.url)
                torch.hub.download_url_to_file(url, str(path), hash_prefix=settings.sha256, progress=False)
            except (OSError, RuntimeError, ValueError) as error:
                raise StageError(
                    f"{wanted.who} could not be fetched to {path} ({mask(str(error))}); {remedy}"
                ) from None
    found = file_sha256(path)
    if settings.sha256 is not None and not found.startswith(settings.sha256):
        raise StageError(
            f"{path} has SHA-256 {found}, but {wanted.key}.sha256 is {settings.sha256}; {remedy}; for weights of "
            f"your own set {wanted.key}.sha256 to their digest, or to null"
        )
    return path


def cached_weights(settings: Any) -> Path:
    """Where the copy of `url` lies once it is fetched: torchvision's or face-alignment's own copy, if there is one."""
    name = urlsplit(settings.url).path.rpartition("/")[2]
    folder = Path(torch.hub.get_dir(), "checkpoints")
    theirs = folder / name
    return theirs if theirs.is_file() else folder / f"{text_digest(settings.url)}-{name}"


def read_state(path: Path, wanted: str) -> dict[str, Tensor]:
    """A file's tensors by name, of a safetensors file or of one that torch saved; no other object is unpickled.

    Parameters
    ----------
    wanted
        What the file should be, for the message.

    Raises
    ------
    StageError
        If it holds no tensors.
    """
    try:
        if path.suffix == ".safetensors":
            return safetensors.torch.load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError, OSError, SafetensorError) as error:
        first = (str(error).splitlines() or ["empty"])[0]
        raise StageError(f"{path}: not a file of weights ({first}); {wanted}") from error
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise StageError(f"{path}: holds a {type(state).__name__}, not a state dict; {wanted}")
    # A plain dict: where the file counts no batches, torch then fills the counters of batch normalisation in
    return {name.removeprefix("module."): value for name, value in state.items()}


def load_state(network: torch.nn.Module, path: Path, wanted: str) -> torch.nn.Module:
    """The network with a file's weights, frozen, for inference.

    Raises
    ------
    StageError
        If the file holds no tensors or those of another network.
    """
    state = read_state(path, wanted)
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise StageError(f"{path}: the weights of another network; {wanted}\n{error}") from error
    return network.eval().requires_grad_(False)

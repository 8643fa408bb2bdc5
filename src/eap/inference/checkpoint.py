"""A trained model from its file alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from safetensors import SafetensorError

from eap.config import ConfigError, validate_sections
from eap.data.pose import to_canonical
from eap.digest import file_sha256
from eap.models.neutral_shape import NeutralShape
from eap.stage import StageError
from eap.synthesis import Synthesizer
from eap.training.checkpoint import load_model, read_record

SECTIONS = ("emotions", "video", "audio", "landmarks", "model", "compute")
"""What synthesis reads of the configuration that the model was trained with."""

Device = Literal["auto", "cpu", "cuda"]


@dataclass(frozen=True)
class LoadedModel:
    """A model that is ready to speak, and what its file says."""

    face: Synthesizer
    config: Any
    """`SECTIONS`."""
    shape_P2: np.ndarray
    """Mean neutral shape of the training data's people, canonical frame, ``[68, 2]``."""
    guess: NeutralShape
    """From one face to its neutral shape."""
    exact_points: bool
    """Whether it learnt from points that no detector finds in a picture (`labels.points`)."""
    imagines: bool
    """Whether it learnt psi, from given valence and arousal to e (`loss.decode`)."""
    facts: dict[str, Any]
    """Where it comes from, for the provenance record."""

    def neutral_shape(self, points_P2: np.ndarray) -> np.ndarray:
        """The neutral shape, canonical frame, ``[68, 2]``, of a person never seen, from 68 landmarks in px.

        The mean over people where the model was trained on that (``model.pose_shape: mean``).
        """
        if self.config.model.pose_shape == "mean":
            return self.shape_P2
        face = torch.from_numpy(to_canonical(np.asarray(points_P2)[None]).astype(np.float32))
        return to_canonical(self.guess(face).numpy())[0].astype(np.float32)


def load_checkpoint(path: Path, device: Device, threads: int) -> LoadedModel:
    """Load the model file that ERA's training wrote; all settings come from its record.

    Parameters
    ----------
    device
        ``auto``: the GPU if torch sees one.
    threads
        CPU threads of torch.

    Raises
    ------
    StageError
        If it is no such file, or was written by another version of this program.
    """
    if not path.is_file():
        raise StageError(
            f"--checkpoint: {path} is not a file; training writes results/era/<experiment>/seed=*/model.safetensors"
        )
    try:
        record = read_record(path, "train-era")
    except SafetensorError as error:
        raise StageError(f"--checkpoint: {path} is not a safetensors file ({error})") from None
    if "neutral_shape" not in record or "neutral_fit" not in record:
        raise StageError(
            f"--checkpoint: {path} was written before model files carried what synthesis knows of strangers' neutral "
            "shapes; train it again"
        )
    try:
        values = {name: record["config"][name] for name in SECTIONS}
        values["compute"] = {**values["compute"], "device": pick_device(device), "threads": threads}
        config = validate_sections(values, SECTIONS)
        imagines = record["config"]["loss"]["decode"] > 0
    except (KeyError, ConfigError) as error:
        raise StageError(
            f"--checkpoint: {path} was trained by another version of this program (git {record.get('git_sha', '?')}); "
            f"use that version, or train it again ({error})"
        ) from None
    torch.set_num_threads(threads)
    shape = np.asarray(record["neutral_shape"], np.float32)
    facts = {"model_sha256": file_sha256(path), "model_git_sha": record["git_sha"]}
    guess = NeutralShape()
    load_model(path, {"neutral_shape": guess})
    exact = record.get("exact_points", False)  # absent: from before there were such
    return LoadedModel(Synthesizer(path, config), config, shape, guess, exact, imagines, facts)


def pick_device(device: Device) -> str:
    """The device that is meant.

    Raises
    ------
    StageError
        If it is ``cuda`` and torch sees no GPU.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise StageError("--device: cuda, but torch sees no GPU; use --device cpu")
    return ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device

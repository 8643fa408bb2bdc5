"""Intensity, valence, arousal and class, as EmoNet reads them in both videos."""

from __future__ import annotations

import numpy as np
import torch

from eap.data.emonet import BATCH, CLASSES, EmoNet
from eap.evaluation.score.metrics import Measured
from eap.evaluation.score.networks import load_emotions
from eap.evaluation.score.pair import Pair
from eap.evaluation.scores import AGREEMENT, QUANTITIES

UNLABELLED = "no emotion label: give one in the column emotion of --pairs"


def measure(pair: Pair) -> Measured:
    """Agreement of each clip's curves, the share of frames of one class, and whether the clip shows its label.

    Arrays ``reference`` and ``generated``: valence and arousal, float32 ``[T, 2]``.

    Raises
    ------
    MediaError
        If no frame shows a face in both videos.
    """
    assert pair.settings.emonet is not None
    pair.require_faces()
    network = load_emotions(pair.settings.emonet.path)
    (va_r, logits_r), (va_g, logits_g) = (read_emotion(network, faces) for faces in pair.face_crops())
    values = agreement(va_g, va_r)
    values["emotion_agreement"] = float((logits_r.argmax(1) == logits_g.argmax(1)).mean())
    reasons = {name: "a curve is constant" for name, value in values.items() if value != value}
    label = pair.task.emotion
    shown = CLASSES[int(logits_g.mean(0).argmax())]
    values["emotion_accuracy"] = float(shown == label) if label in CLASSES else float("nan")
    if label is None:
        reasons["emotion_accuracy"] = UNLABELLED
    elif label not in CLASSES:
        reasons["emotion_accuracy"] = f"EmoNet knows no class {label!r}, only {', '.join(CLASSES)}"
    return Measured(values, reasons, {"reference": va_r, "generated": va_g})


def agreement(generated_T2: np.ndarray, reference_T2: np.ndarray) -> dict[str, float]:
    """RMSE, PCC and CCC of intensity, valence and arousal between two ``[T, 2]`` curves; NaN where not defined."""
    values = {}
    for quantity in QUANTITIES:
        generated, reference = (curve(va, quantity) for va in (generated_T2, reference_T2))
        for name, function in AGREEMENT.items():
            values[f"{name}_{quantity}"] = function(generated, reference)
    return values


def curve(va_T2: np.ndarray, quantity: str) -> np.ndarray:
    """Intensity ``|(v, a)|``, valence or arousal of each frame, ``[T]``."""
    if quantity == "intensity":
        return np.linalg.norm(va_T2, axis=1)
    return va_T2[:, QUANTITIES.index(quantity) - 1]


@torch.inference_mode()
def read_emotion(network: EmoNet, faces_THWC: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Valence and arousal ``[T, 2]`` and class logits ``[T, 8]`` of RGB uint8 faces ``[T, 256, 256, 3]``."""
    va, logits = [], []
    for part in torch.from_numpy(np.ascontiguousarray(faces_THWC)).split(BATCH):
        emotion = network(part.permute(0, 3, 1, 2).float() / 255)
        va.append(torch.stack([emotion.valence_N, emotion.arousal_N], dim=1))
        logits.append(emotion.expression_NK)
    return torch.cat(va).numpy(), torch.cat(logits).numpy()

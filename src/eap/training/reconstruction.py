"""L_lip, L_per and L_mouth on generated and real frames, with the networks that they need."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from eap.data.batch import Batch
from eap.data.fan import load_fan
from eap.data.pose import LIPS
from eap.data.weights import FAN, VGG19, find_weights, read_state
from eap.digest import file_sha256
from eap.losses.lip import lip_loss
from eap.losses.mouth import mouth_loss
from eap.losses.perceptual import perceptual_loss, pyramid
from eap.models.fan import FanLandmarks
from eap.models.geometry import driving_landmarks, to_grid
from eap.models.lip_landmarks import LandmarkStudent
from eap.models.perceptual import Vgg19Features

PIXEL_SCALE = 0.25
"""The student is blind to colour, which says nothing of landmarks: under it, pixels count as one more layer at each
scale, divided by this. CHOSEN (ADR 5)."""


class Reconstruction(nn.Module):
    """The frozen judges of a frame against its target.

    Parameters
    ----------
    student
        Landmark estimator of L_lip unless `fan` is given; also the network under L_per if `vgg` is None.
    scales
        Resolutions of L_per: 1, 1/2, 1/4, ...
    """

    def __init__(
        self, student: LandmarkStudent, vgg: Vgg19Features | None, scales: int, fan: FanLandmarks | None = None
    ) -> None:
        super().__init__()
        self.student, self.vgg, self.scales, self.fan = student, vgg, scales, fan
        self.requires_grad_(False).eval()

    def terms(self, generated_BTCHW: Tensor, batch: Batch) -> dict[str, Tensor]:
        """L_lip (Eq. 1), L_per (Eq. 2) and L_mouth of frames against the batch's own, over the valid ones."""
        mask_BT, real_BTCHW = batch.mask_BT, batch.target_BRCHW
        shape = mask_BT.shape
        lips = to_grid(driving_landmarks(batch.pose_BTP2, batch.shape_BTP2)[:, :, LIPS])
        generated_lips, generated = self._judge(generated_BTCHW.flatten(0, 1))
        with torch.no_grad():
            real_lips, real = self._judge(real_BTCHW.flatten(0, 1))
        return {
            "lip": lip_loss(generated_lips.unflatten(0, shape), real_lips.unflatten(0, shape), mask_BT),
            "per": perceptual_loss(generated, real, mask_BT.flatten()),
            "mouth": mouth_loss(generated_BTCHW, real_BTCHW.detach(), lips, mask_BT),
        }

    def _judge(self, frames_NCHW: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Lip landmarks ``[N, 20, 2]`` and perceptual features at every scale."""
        whole, *smaller = pyramid(frames_NCHW, self.scales)
        network = self.vgg if self.vgg is not None else self.student
        features = first = network.features(whole)
        if self.fan is not None:
            landmarks = self.fan(whole)
        else:
            landmarks = self.student.landmarks(first if self.vgg is None else self.student.features(whole))
        for frames in smaller:
            features = features + network.features(frames)
        if self.vgg is None:
            features += [frames / PIXEL_SCALE for frames in (whole, *smaller)]
        return landmarks[:, LIPS], features


def build_reconstruction(config: Any, student: LandmarkStudent) -> Reconstruction:
    """From the sections `perceptual`, `loss` and `landmarks`.

    Raises
    ------
    StageError
        If weights that they name cannot be had: with the file, the URL and the config key.
    """
    section, fan, vgg = config.perceptual, None, None
    if config.loss.lip_estimator == "fan":
        fan = FanLandmarks(load_fan(find_weights(config.landmarks.fan, FAN)))
    if section.network == "vgg19":
        vgg = Vgg19Features(load_imagenet_vgg19(section) if section.weights == "imagenet" else None)
    return Reconstruction(student, vgg, section.scales, fan)


def load_imagenet_vgg19(section: Any) -> dict[str, Tensor]:
    """torchvision's ImageNet weights of VGG19, from a local file or from torchvision's pinned URL.

    Raises
    ------
    StageError
        If they can be had from neither; it names the file, the URL and the config key.
    """
    return read_state(find_weights(section, VGG19), f"wanted: {VGG19.who}'s weights ({VGG19.key})")


def judges_sha256(config: Any) -> dict[str, str]:
    """SHA-256 of every downloaded file of weights that the losses look through, for a model's record."""
    files = {}
    if config.loss.lip_estimator == "fan":
        files["fan"] = find_weights(config.landmarks.fan, FAN)
    if config.perceptual.network == "vgg19" and config.perceptual.weights == "imagenet":
        files["vgg19"] = find_weights(config.perceptual, VGG19)
    return {name: file_sha256(path) for name, path in files.items()}

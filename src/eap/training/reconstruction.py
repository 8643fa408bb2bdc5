"""L_lip, L_per and L_mouth on generated and real frames, with the networks that they need."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models import VGG19_Weights

from eap.data.batch import Batch
from eap.data.pose import LIPS
from eap.digest import file_sha256
from eap.losses.lip import lip_loss
from eap.losses.mouth import mouth_loss
from eap.losses.perceptual import perceptual_loss, pyramid
from eap.models.geometry import driving_landmarks, to_grid
from eap.models.lip_landmarks import LandmarkStudent
from eap.models.perceptual import Vgg19Features
from eap.stage import StageError

PIXEL_SCALE = 0.25
"""The student is blind to colour, which says nothing of landmarks: under it, pixels count as one more layer at each
scale, divided by this. CHOSEN (ADR 5)."""


class Reconstruction(nn.Module):
    """The frozen judges of a frame against its target.

    Parameters
    ----------
    student
        Landmark estimator of L_lip; also the network under L_per if `vgg` is None.
    scales
        Resolutions of L_per: 1, 1/2, 1/4, ...
    """

    def __init__(self, student: LandmarkStudent, vgg: Vgg19Features | None, scales: int) -> None:
        super().__init__()
        self.student, self.vgg, self.scales = student, vgg, scales
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
        student = self.student.features(whole)
        network = self.vgg if self.vgg is not None else self.student
        features = list(student) if self.vgg is None else network.features(whole)
        for frames in smaller:
            features += network.features(frames)
        if self.vgg is None:
            features += [frames / PIXEL_SCALE for frames in (whole, *smaller)]
        return self.student.landmarks(student)[:, LIPS], features


def build_reconstruction(config: Any, student: LandmarkStudent) -> Reconstruction:
    """From the `perceptual` section."""
    section = config.perceptual
    if section.network == "student":
        return Reconstruction(student, None, section.scales)
    state = load_imagenet_vgg19(section.path) if section.weights == "imagenet" else None
    return Reconstruction(student, Vgg19Features(state), section.scales)


def load_imagenet_vgg19(path: str | None) -> dict[str, Tensor]:
    """torchvision's ImageNet weights of VGG19, from a local file or from torchvision's pinned URL.

    Raises
    ------
    StageError
        If they can be had from neither; it names the file, the URL and the config key.
    """
    url = VGG19_Weights.IMAGENET1K_V1.url
    remedy = f"download {url} and set perceptual.path to the file, or choose another perceptual.network or .weights"
    if path is not None:
        if not Path(path).is_file():
            raise StageError(f"perceptual.path: {path} is not a file; {remedy}")
        pinned = Path(url).stem.rpartition("-")[2]  # torchvision puts the first digits of the SHA-256 into the name
        if not (found := file_sha256(path)).startswith(pinned):
            raise StageError(f"perceptual.path: {path} has SHA-256 {found[:12]}..., not {pinned}...; {remedy}")
        return torch.load(path, map_location="cpu", weights_only=True)
    try:
        return torch.hub.load_state_dict_from_url(url, map_location="cpu", check_hash=True, weights_only=True)
    except (OSError, RuntimeError) as error:
        raise StageError(f"the ImageNet weights of VGG19 could not be fetched ({error}); {remedy}") from error

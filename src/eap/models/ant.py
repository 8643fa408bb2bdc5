"""ANT, the audio-to-neutral talking face, with the door (W_e) through which ERA adds emotion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from eap.models.generator import Generator
from eap.models.geometry import driving_landmarks, guide_maps, landmark_flow, to_grid
from eap.models.identity_encoder import IdentityEncoder, stride_channels
from eap.models.layers import MelEncoder, time_code
from eap.models.pose_encoder import PoseEncoder, affine_grids, pose_warp, resize_maps, warp_maps

N_POINTS = 68
SHAPE_SCALE = 0.1
"""Canonical units per unit of the shape layers' output: about how far speech and emotion move a point."""


def unit_components(e: Tensor) -> Tensor:
    """e, whose norm is an intensity of 0 .. 1 whatever its width D, times sqrt(D): components of about 1.

    The doors' weights then have to grow to about 1, not to sqrt(D), for which Adam needs sqrt(D) times as many steps.
    """
    return e * e.shape[-1] ** 0.5


@dataclass(frozen=True)
class Identity:
    """The source face as ANT sees it."""

    maps: dict[int, Tensor]
    """The picture (stride 1) and its feature maps ``[B, C, H / s, W / s]``, by stride s."""
    token_BD: Tensor
    points_BP2: Tensor
    """Landmarks, expression included, px at a 256 scale."""
    pose_BP2: Tensor
    """Pose-only landmarks, same units."""


class ANT(nn.Module):
    """Convolution and transformer layers (KNOWN) around a generator; the graph is CHOSEN (ADR 3 and 20).

    The style of frame i is ``s_i = W_m m_i + W_e e_i`` (e in `unit_components`). W_e has no bias and starts at zero, so
    that e = 0 *is* neutral. The deviation of frame i's landmarks from the person's neutral shape is ``H m_i + H_e e_i``
    in the same manner.

    Parameters
    ----------
    n_mels, mel_width
        Shape of a content window, ``[M, W]``.
    skip_strides
        Strides at which the source's maps enter the decoder (see `eap.models.generator.Generator`).
    warp
        How the identity maps reach the driving frame before they are decoded (config key ``model.warp``): ``none``, as
        they are; ``pose``, by the similarity between the poses; ``landmarks``, by a flow from the source's landmarks to
        those that pose, speech and emotion imply. CHOSEN (ADR 20).
    flow_px
        Side of the grid on which the flow of ``landmarks`` is computed, at most.
    paint_px
        Side at which the source is encoded and the decoder paints. Where that is less than the picture's, the warped
        picture keeps its own resolution and the paint that is added to it is enlarged.
    separable
        G's convolutions are one kernel per channel and then 1 x 1 (config key ``model.convolution``).
    mouth_only
        G paints the mouth and nothing else (config key ``model.paint``).
    """

    def __init__(
        self,
        *,
        n_mels: int,
        mel_width: int,
        base_channels: int,
        max_channels: int,
        residual_blocks: int,
        d_model: int,
        d_feedforward: int,
        layers: int,
        heads: int,
        dropout: float,
        d_emotion: int,
        skip_strides: tuple[int, ...],
        warp: Literal["none", "pose", "landmarks"],
        flow_px: int,
        paint_px: int,
        separable: bool = False,
        mouth_only: bool = False,
    ) -> None:
        super().__init__()
        self.warp, self.flow_px, self.paint_px = warp, flow_px, paint_px
        self.identity_encoder = IdentityEncoder(base_channels, max_channels)
        self.identity_token = nn.Linear(stride_channels(base_channels, max_channels)[16], d_model)
        self.audio_encoder = MelEncoder(n_mels, mel_width, max(d_model // 8, 8), d_model)
        self.pose_encoder = PoseEncoder(N_POINTS, d_model)
        self.modality = nn.Parameter(torch.randn(3, d_model) * 0.02)
        layer = nn.TransformerEncoderLayer(
            d_model, heads, d_feedforward, dropout, activation="gelu", batch_first=True, norm_first=True
        )
        self.transformer = nn.TransformerEncoder(layer, layers, nn.LayerNorm(d_model), enable_nested_tensor=False)
        self.shape_motion = nn.Linear(d_model, 2 * N_POINTS)
        self.shape_emotion = nn.Linear(d_emotion, 2 * N_POINTS, bias=False)
        self.style_motion = nn.Linear(d_model, d_model)
        self.style_emotion = nn.Linear(d_emotion, d_model, bias=False)
        for door in (self.style_emotion, self.shape_emotion):
            nn.init.zeros_(door.weight)
        guided = warp == "landmarks"
        self.generator = Generator(
            base_channels, max_channels, residual_blocks, d_model, skip_strides, guided, separable, mouth_only
        )

    def encode_identity(self, source_BCHW: Tensor, source_points_BP2: Tensor, source_pose_BP2: Tensor) -> Identity:
        """The source face, once per clip.

        Parameters
        ----------
        source_BCHW
            ``[B, 3, H, W]`` in [-1, 1], H = W a multiple of 16.
        source_points_BP2, source_pose_BP2
            Landmarks and pose-only landmarks of that frame, ``[B, 68, 2]``, px at a 256 scale.
        """
        maps = self.identity_encoder(resize_maps(source_BCHW, self.paint_px))
        token = self.identity_token(maps[16].mean((2, 3)))
        return Identity({1: source_BCHW, **maps}, token, source_points_BP2, source_pose_BP2)

    def motion(self, identity: Identity, mel_BTMW: Tensor, pose_BTP2: Tensor, mask_BT: Tensor) -> Tensor:
        """m_i, the motion of each frame, ``[B, T, D]``, from tokens [identity; audio x T; pose x T]."""
        b, t = mask_BT.shape
        audio, pose = self.audio_encoder(mel_BTMW), self.pose_encoder(pose_BTP2)
        time = time_code(t, audio.shape[-1], audio.device)
        tokens = torch.cat(
            [
                identity.token_BD[:, None] + self.modality[0],
                audio + time + self.modality[1],
                pose + time + self.modality[2],
            ],
            dim=1,
        )
        padding = ~torch.cat([mask_BT.new_ones(b, 1), mask_BT, mask_BT], dim=1)
        out = self.transformer(tokens, src_key_padding_mask=padding)
        return out[:, 1 : 1 + t] + out[:, 1 + t :]

    def motion_parameters(self) -> list[nn.Parameter]:
        """What turns voice and pose into motion and landmarks; the rest encodes and paints pictures."""
        parts = (self.audio_encoder, self.pose_encoder, self.identity_token, self.transformer, self.shape_motion)
        return [self.modality, *(p for part in parts for p in part.parameters())]

    def shape(self, motion_BTD: Tensor, emotion_BTD: Tensor | None) -> Tensor:
        """How far m_i and e_i move the landmarks from the neutral shape: ``[B, T, 68, 2]``, canonical units."""
        deviation = self.shape_motion(motion_BTD)
        if emotion_BTD is not None:
            deviation = deviation + self.shape_emotion(unit_components(emotion_BTD))
        return SHAPE_SCALE * deviation.unflatten(-1, (N_POINTS, 2))

    def render(
        self,
        identity: Identity,
        motion_BTD: Tensor,
        pose_BTP2: Tensor,
        emotion_BTD: Tensor | None,
        deviation_BTP2: Tensor | None = None,
    ) -> Tensor:
        """Frames ``[B, T, 3, H, W]`` from motion and emotion e ``[B, T, d_e]`` (None: e = 0, neutral).

        `deviation_BTP2` says how far landmarks lie from the neutral shape; None: as motion and emotion imply (`shape`).
        Warps other than ``landmarks`` draw at none.
        """
        b, t = motion_BTD.shape[:2]
        style = self.style_motion(motion_BTD)
        if emotion_BTD is not None:
            style = style + self.style_emotion(unit_components(emotion_BTD))
        maps = {stride: identity.maps[stride] for stride in (16, *self.generator.skip_strides)}
        guides = None
        if self.warp == "none":
            maps = {stride: x[:, None].expand(b, t, *x.shape[1:]).flatten(0, 1) for stride, x in maps.items()}
        elif self.warp == "pose":
            transform = pose_warp(identity.pose_BP2, pose_BTP2)
            maps = {stride: warp_maps(x, affine_grids(transform, x.shape[-1])) for stride, x in maps.items()}
        else:
            if deviation_BTP2 is None:
                deviation_BTP2 = self.shape(motion_BTD, emotion_BTD)
            flow, guides = self.flow(identity, pose_BTP2, deviation_BTP2)
            maps = {stride: warp_maps(x, flow) for stride, x in maps.items()}
        frames = self.generator(maps, style.flatten(0, 1), guides)
        return frames.unflatten(0, (b, t))

    def flow(self, identity: Identity, pose_BTP2: Tensor, deviation_BTP2: Tensor) -> tuple[Tensor, Tensor]:
        """The flow from the source to each frame ``[B, T, h, h, 2]`` and its `guide_maps` ``[B T, 4, h, h]``."""
        b, t = pose_BTP2.shape[:2]
        with torch.autocast(pose_BTP2.device.type, enabled=False):  # bfloat16 tells places apart by a pixel in 256
            driving = to_grid(driving_landmarks(pose_BTP2, deviation_BTP2)).flatten(0, 1)
            source = to_grid(identity.points_BP2)[:, None].expand(b, t, N_POINTS, 2).flatten(0, 1)
            transform = pose_warp(identity.pose_BP2, pose_BTP2).flatten(0, 1)
            flow = landmark_flow(source, driving, transform, min(identity.maps[1].shape[-1], self.flow_px))
            return flow.unflatten(0, (b, t)), guide_maps(driving, flow)

    def forward(
        self,
        source_BCHW: Tensor,
        source_points_BP2: Tensor,
        source_pose_BP2: Tensor,
        mel_BTMW: Tensor,
        pose_BTP2: Tensor,
        mask_BT: Tensor,
        emotion_BTD: Tensor | None = None,
    ) -> Tensor:
        """Generated frames v^(g), ``[B, T, 3, H, W]`` in [-1, 1]."""
        identity = self.encode_identity(source_BCHW, source_points_BP2, source_pose_BP2)
        motion = self.motion(identity, mel_BTMW, pose_BTP2, mask_BT)
        return self.render(identity, motion, pose_BTP2, emotion_BTD)

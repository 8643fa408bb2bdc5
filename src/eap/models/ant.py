"""ANT, the audio-to-neutral talking face, with the door (W_e) through which ERA adds emotion."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from eap.models.generator import Generator
from eap.models.identity_encoder import IdentityEncoder, stride_channels
from eap.models.layers import MelEncoder, time_code
from eap.models.pose_encoder import PoseEncoder, pose_warp, warp_maps

N_POINTS = 68
N_LIPS = 20


@dataclass(frozen=True)
class Identity:
    """The source face as ANT sees it."""

    maps: dict[int, Tensor]
    """The picture (stride 1) and its feature maps ``[B, C, H / s, W / s]``, by stride s."""
    token_BD: Tensor
    pose_BP2: Tensor


class ANT(nn.Module):
    """Convolution and transformer layers (KNOWN) around a generator; the graph is CHOSEN (method 2).

    The style of frame i is ``s_i = W_m m_i + W_e e_i``. W_e has no bias and starts at zero, so that e = 0 *is* neutral.

    Parameters
    ----------
    n_mels, mel_width
        Shape of a content window, ``[M, W]``.
    skip_strides
        Strides at which the source's maps enter the decoder (see `eap.models.generator.Generator`).
    warp
        Warp the identity maps by the driving pose before decoding (config key ``model.pose_warp``). **Deviation** from
        method 2's table, which leaves pose to the style alone: a similarity warp needs no learning.
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
        warp: bool,
    ) -> None:
        super().__init__()
        self.warp = warp
        self.identity_encoder = IdentityEncoder(base_channels, max_channels)
        self.identity_token = nn.Linear(stride_channels(base_channels, max_channels)[16], d_model)
        self.audio_encoder = MelEncoder(n_mels, mel_width, max(d_model // 8, 8), d_model)
        self.pose_encoder = PoseEncoder(N_POINTS, d_model)
        self.modality = nn.Parameter(torch.randn(3, d_model) * 0.02)
        layer = nn.TransformerEncoderLayer(
            d_model, heads, d_feedforward, dropout, activation="gelu", batch_first=True, norm_first=True
        )
        self.transformer = nn.TransformerEncoder(layer, layers, nn.LayerNorm(d_model), enable_nested_tensor=False)
        self.lip_shape = nn.Linear(d_model, 2 * N_LIPS)
        self.style_motion = nn.Linear(d_model, d_model)
        self.style_emotion = nn.Linear(d_emotion, d_model, bias=False)
        nn.init.zeros_(self.style_emotion.weight)
        self.generator = Generator(base_channels, max_channels, residual_blocks, d_model, skip_strides)

    def encode_identity(self, source_BCHW: Tensor, source_pose_BP2: Tensor) -> Identity:
        """The source face, once per clip.

        Parameters
        ----------
        source_BCHW
            ``[B, 3, H, W]`` in [-1, 1], H = W a multiple of 16.
        source_pose_BP2
            Pose-only landmarks of that frame, ``[B, 68, 2]``, px at a 256 scale.
        """
        maps = self.identity_encoder(source_BCHW)
        return Identity({1: source_BCHW, **maps}, self.identity_token(maps[16].mean((2, 3))), source_pose_BP2)

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

    def lips(self, motion_BTD: Tensor) -> Tensor:
        """Lip points that m_i implies, less the neutral mean: ``[B, T, 20, 2]``, canonical units (for L_shape)."""
        return self.lip_shape(motion_BTD).unflatten(-1, (N_LIPS, 2))

    def render(self, identity: Identity, motion_BTD: Tensor, pose_BTP2: Tensor, emotion_BTD: Tensor | None) -> Tensor:
        """Frames ``[B, T, 3, H, W]`` from motion and emotion e ``[B, T, d_e]`` (None: e = 0, neutral)."""
        b, t = motion_BTD.shape[:2]
        style = self.style_motion(motion_BTD)
        if emotion_BTD is not None:
            style = style + self.style_emotion(emotion_BTD)
        maps = {stride: identity.maps[stride] for stride in (16, *self.generator.skip_strides)}
        if self.warp:
            transform = pose_warp(identity.pose_BP2, pose_BTP2)
            maps = {stride: warp_maps(x, transform) for stride, x in maps.items()}
        else:
            maps = {stride: x[:, None].expand(b, t, *x.shape[1:]).flatten(0, 1) for stride, x in maps.items()}
        frames = self.generator(maps, style.flatten(0, 1))
        return frames.unflatten(0, (b, t))

    def forward(
        self,
        source_BCHW: Tensor,
        source_pose_BP2: Tensor,
        mel_BTMW: Tensor,
        pose_BTP2: Tensor,
        mask_BT: Tensor,
        emotion_BTD: Tensor | None = None,
    ) -> Tensor:
        """Generated frames v^(g), ``[B, T, 3, H, W]`` in [-1, 1]."""
        identity = self.encode_identity(source_BCHW, source_pose_BP2)
        motion = self.motion(identity, mel_BTMW, pose_BTP2, mask_BT)
        return self.render(identity, motion, pose_BTP2, emotion_BTD)

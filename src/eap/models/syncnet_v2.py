"""The published SyncNet (Chung & Zisserman, "Out of time", ACCV-W 2016), and a folded form of it that is faster.

KNOWN (github.com/joonson/syncnet_python, file ``syncnet_v2.model``): layers, shapes and the names of the state dict.
Lips: five BGR frames of 224 x 224, 0-255. Sound: 13 MFCC of 20 steps of 10 ms. Both to 1024 numbers, not normalised.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WINDOW = 5
"""Frames of a window (KNOWN)."""
SIDE = 224
"""Side of the frames, px (KNOWN)."""
STEPS_PER_FRAME, STEPS = 4, 20
"""MFCC steps per video frame and per window (KNOWN)."""
EMBEDDING = 1024


class SyncNet(nn.Module):
    """The published network; module names are those of its state dict."""

    def __init__(self) -> None:
        super().__init__()
        self.netcnnaud = nn.Sequential(
            *_block2d(1, 64, 3, padding=1), nn.MaxPool2d(1, 1),
            *_block2d(64, 192, 3, padding=1), nn.MaxPool2d(3, (1, 2)),
            *_block2d(192, 384, 3, padding=1),
            *_block2d(384, 256, 3, padding=1),
            *_block2d(256, 256, 3, padding=1), nn.MaxPool2d(3, 2),
            *_block2d(256, 512, (5, 4)),
        )  # fmt: skip
        self.netfcaud, self.netfclip = _head(), _head()
        self.netcnnlip = nn.Sequential(
            *_block3d(3, 96, (5, 7, 7), stride=(1, 2, 2)), nn.MaxPool3d((1, 3, 3), (1, 2, 2)),
            *_block3d(96, 256, (1, 5, 5), stride=(1, 2, 2), padding=(0, 1, 1)),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2), padding=(0, 1, 1)),
            *_block3d(256, 256, (1, 3, 3), padding=(0, 1, 1)),
            *_block3d(256, 256, (1, 3, 3), padding=(0, 1, 1)),
            *_block3d(256, 256, (1, 3, 3), padding=(0, 1, 1)), nn.MaxPool3d((1, 3, 3), (1, 2, 2)),
            *_block3d(256, 512, (1, 6, 6)),
        )  # fmt: skip

    def embed_lips(self, frames_LCWHW: Tensor) -> Tensor:
        """Windows ``[L, 3, 5, 224, 224]``, BGR, 0-255, to ``[L, 1024]``."""
        return self.netfclip(self.netcnnlip(frames_LCWHW).flatten(1))

    def embed_sound(self, mfcc_L1CS: Tensor) -> Tensor:
        """Windows ``[L, 1, 13, 20]`` to ``[L, 1024]``."""
        return self.netfcaud(self.netcnnaud(mfcc_L1CS).flatten(1))


class FoldedSyncNet:
    """The same numbers to rounding, faster on a CPU.

    Batch normalisation is folded into the convolutions; the five frames are channels of a plane convolution; its 7 x 7
    kernel of stride 2 becomes a 4 x 4 kernel of stride 1 over 2 x 2 blocks of pixels (12 channels a frame instead of 3,
    which vector units fill better); planes lie channels last; ReLU comes after each maximum, where there is less to do.

    Parameters
    ----------
    network
        Its weights are copied.
    batch
        Windows at once.
    """

    def __init__(self, network: SyncNet, batch: int = 8) -> None:
        lips = [_folded(conv, norm) for conv, norm in _convolutions(network.netcnnlip)]
        first, bias = lips[0]
        self._first = _last(_blocks_kernel(first)), bias
        self._middle = [(_last(weight[:, :, 0]), bias) for weight, bias in lips[1:5]]
        self._lip_fc = (_as_matrix(lips[5][0][:, :, 0]), lips[5][1])
        sound = [_folded(conv, norm) for conv, norm in _convolutions(network.netcnnaud)]
        self._sound = [(_last(weight), bias) for weight, bias in sound[:5]]
        self._sound_fc = (_as_matrix(sound[5][0]), sound[5][1])
        self._heads = {"lip": _folded_head(network.netfclip), "sound": _folded_head(network.netfcaud)}
        self.batch = batch

    @torch.inference_mode()
    def embed_lips(self, frames_THWC: Tensor) -> Tensor:
        """Every window of consecutive BGR uint8 frames ``[T, 224, 224, 3]``: ``[T - 4, 1024]``."""
        if frames_THWC.shape[1:] != (SIDE, SIDE, 3) or len(frames_THWC) < WINDOW:
            raise ValueError(f"frames: need [T >= {WINDOW}, {SIDE}, {SIDE}, 3], got shape {tuple(frames_THWC.shape)}")
        n_windows = len(frames_THWC) - WINDOW + 1
        parts = []
        for start in range(0, n_windows, self.batch):
            stop = min(start + self.batch, n_windows)
            planes = _blocks(frames_THWC[start : stop + WINDOW - 1])
            windows = torch.cat([planes[i : i + stop - start] for i in range(WINDOW)], dim=-1)
            parts.append(self._lips(windows.permute(0, 3, 1, 2)))
        return torch.cat(parts)

    @torch.inference_mode()
    def embed_sound(self, mfcc_L1CS: Tensor) -> Tensor:
        """Windows ``[L, 1, 13, 20]`` to ``[L, 1024]``."""
        return torch.cat([self._sounds(part) for part in mfcc_L1CS.split(8 * self.batch)])

    def _lips(self, x: Tensor) -> Tensor:
        x = F.relu_(F.max_pool2d(F.conv2d(x, *self._first), 3, 2))
        x = F.relu_(F.max_pool2d(F.conv2d(x, *self._middle[0], stride=2, padding=1), 3, 2, 1))
        x = F.relu_(F.conv2d(x, *self._middle[1], padding=1))
        x = F.relu_(F.conv2d(x, *self._middle[2], padding=1))
        x = F.relu_(F.max_pool2d(F.conv2d(x, *self._middle[3], padding=1), 3, 2))
        return self._head(F.relu_(F.linear(_rows(x), *self._lip_fc)), "lip")

    def _sounds(self, x: Tensor) -> Tensor:
        x = F.relu_(F.conv2d(_last(x), *self._sound[0], padding=1))
        x = F.relu_(F.max_pool2d(F.conv2d(x, *self._sound[1], padding=1), 3, (1, 2)))
        x = F.relu_(F.conv2d(x, *self._sound[2], padding=1))
        x = F.relu_(F.conv2d(x, *self._sound[3], padding=1))
        x = F.relu_(F.max_pool2d(F.conv2d(x, *self._sound[4], padding=1), 3, 2))
        return self._head(F.relu_(F.linear(_rows(x), *self._sound_fc)), "sound")

    def _head(self, x: Tensor, branch: str) -> Tensor:
        hidden, out = self._heads[branch]
        return F.linear(F.relu_(F.linear(x, *hidden)), *out)


def _block2d(n_in: int, n_out: int, kernel: int | tuple[int, int], padding: int = 0) -> list[nn.Module]:
    return [nn.Conv2d(n_in, n_out, kernel, padding=padding), nn.BatchNorm2d(n_out), nn.ReLU()]


def _block3d(n_in: int, n_out: int, kernel: tuple[int, int, int], **place: tuple[int, int, int]) -> list[nn.Module]:
    return [nn.Conv3d(n_in, n_out, kernel, **place), nn.BatchNorm3d(n_out), nn.ReLU()]


def _head() -> nn.Sequential:
    return nn.Sequential(nn.Linear(512, 512), nn.BatchNorm1d(512), nn.ReLU(), nn.Linear(512, EMBEDDING))


def _convolutions(layers: nn.Sequential) -> list[tuple[nn.Module, nn.Module]]:
    return [(layers[i], layers[i + 1]) for i in range(len(layers)) if isinstance(layers[i], nn.Conv2d | nn.Conv3d)]


def _folded(layer: nn.Module, norm: nn.Module) -> tuple[Tensor, Tensor]:
    """Weight and bias of a layer with the normalisation after it, worked out in double precision."""
    scale = norm.weight.double() / torch.sqrt(norm.running_var.double() + norm.eps)
    weight = layer.weight.double() * scale.view(-1, *[1] * (layer.weight.dim() - 1))
    bias = (layer.bias.double() - norm.running_mean.double()) * scale + norm.bias.double()
    return weight.float().detach(), bias.float().detach()


def _folded_head(head: nn.Sequential) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    return _folded(head[0], head[1]), (head[3].weight.detach().clone(), head[3].bias.detach().clone())


def _blocks(frames_THWC: Tensor) -> Tensor:
    """Frames ``[T, 224, 224, 3]`` as 2 x 2 blocks, float ``[T, 112, 112, 12]``."""
    t, h, w, c = frames_THWC.shape
    blocks = frames_THWC.view(t, h // 2, 2, w // 2, 2, c).permute(0, 1, 3, 2, 4, 5)
    return blocks.reshape(t, h // 2, w // 2, 4 * c).float()


def _blocks_kernel(kernel_OCWHW: Tensor) -> Tensor:
    """The kernel ``[96, 3, 5, 7, 7]`` for five frames of such blocks, ``[96, 60, 4, 4]``; a row and a column are 0."""
    o, c, t, h, w = F.pad(kernel_OCWHW, (0, 1, 0, 1)).shape
    blocks = F.pad(kernel_OCWHW, (0, 1, 0, 1)).view(o, c, t, h // 2, 2, w // 2, 2)
    return blocks.permute(0, 2, 4, 6, 1, 3, 5).reshape(o, t * 4 * c, h // 2, w // 2)


def _last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)


def _rows(x_NCHW: Tensor) -> Tensor:
    """One row per picture, channels innermost, as it lies in memory."""
    return x_NCHW.permute(0, 2, 3, 1).flatten(1)


def _as_matrix(kernel_OCHW: Tensor) -> Tensor:
    """A kernel as large as its input, for `_rows`."""
    return kernel_OCHW.permute(0, 2, 3, 1).flatten(1).contiguous()

"""What every loss asks of its inputs: padding is taken out and wrong shapes are refused here, in one place."""

from __future__ import annotations

import torch
from torch import Tensor


def valid_frames(values_BT: Tensor, mask_BT: Tensor, name: str) -> Tensor:
    """The entries of real frames only.

    Selecting, unlike multiplying by the mask, keeps a padded NaN out of the value and out of the gradient.

    Parameters
    ----------
    values_BT
        ``[B, T, ...]``, or ``[N, ...]`` with a mask ``[N]``.
    mask_BT
        True where a frame is real: bool ``[B, T]`` or ``[N]``.
    name
        What `values_BT` is, for the message.

    Returns
    -------
    Tensor
        ``[n, ...]`` with n the number of real frames, in order.

    Raises
    ------
    ValueError
        If the mask is not bool, does not fit, or has no real frame.
    """
    shape = tuple(mask_BT.shape)
    check_mask(mask_BT)
    if tuple(values_BT.shape[: mask_BT.dim()]) != shape:
        raise ValueError(f"{name}: shape {tuple(values_BT.shape)} does not start with the mask's {shape}")
    return values_BT[mask_BT]


def check_mask(mask_BT: Tensor) -> None:
    """Raise `ValueError` unless the mask is bool and has a real frame."""
    if mask_BT.dtype != torch.bool:
        raise ValueError(f"mask: must be bool (True = real frame), got {mask_BT.dtype}")
    if not mask_BT.any():
        raise ValueError(f"mask: no real frame in shape {tuple(mask_BT.shape)}; a loss needs at least one")


def check_same_shape(a: Tensor, b: Tensor, name_a: str, name_b: str) -> None:
    """Raise `ValueError` unless two tensors have one shape (torch would broadcast without a word)."""
    if a.shape != b.shape:
        raise ValueError(f"{name_a} and {name_b}: shapes differ, {tuple(a.shape)} and {tuple(b.shape)}")


def check_shape(values: Tensor, shape: tuple[int | None, ...], name: str) -> None:
    """Raise `ValueError` unless `values` has the shape (None: any size)."""
    found = tuple(values.shape)
    if len(found) != len(shape) or any(want not in (None, got) for want, got in zip(shape, found, strict=True)):
        wanted = ", ".join("any" if size is None else str(size) for size in shape)
        raise ValueError(f"{name}: expected shape [{wanted}], got {list(found)}")


def check_classes(emotion_N: Tensor, n_samples: int, n_classes: int) -> None:
    """Raise `ValueError` unless there is one class index per sample, each of an existing class."""
    if emotion_N.dtype != torch.int64 or tuple(emotion_N.shape) != (n_samples,):
        raise ValueError(f"emotion: expected int64 [{n_samples}], got {emotion_N.dtype} {list(emotion_N.shape)}")
    if n_samples and (emotion_N.min() < 0 or emotion_N.max() >= n_classes):
        raise ValueError(f"emotion: {emotion_N.tolist()} has a class outside 0 .. {n_classes - 1}")

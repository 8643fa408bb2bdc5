"""PSNR and SSIM of videos, by torchmetrics.

Frame by frame in RGB, then the mean over frames. SSIM as its authors define it (Wang et al. 2004): Gaussian window of
sigma 1.5, 11 x 11, K = (0.01, 0.03), population moments, without the border of 5 px that the window does not fill;
the mean over channels (CHOSEN; some report grey levels, or a 7 x 7 box: their values differ). torchmetrics is given
single precision, which is off by less than 1e-4 in flat pictures and 40 times as fast as double.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

BORDER_PX = 5
"""Half of SSIM's window."""


def psnr(generated_THWC: np.ndarray, reference_THWC: np.ndarray, mask_THW: np.ndarray | None = None) -> np.ndarray:
    """Peak signal-to-noise ratio of each frame, dB.

    Parameters
    ----------
    generated_THWC, reference_THWC
        ``[T, H, W, 3]``: uint8 in 0 .. 255, or float in 0 .. 1.
    mask_THW
        Bool ``[T, H, W]``: pixels that count; all without.

    Returns
    -------
    np.ndarray
        Float64 ``[T]``; infinite for equal frames, NaN where no pixel counts.

    Raises
    ------
    ValueError
        If shapes or types differ, or floats leave 0 .. 1.
    """
    generated, reference = _pictures(generated_THWC, reference_THWC)
    mask = _mask(mask_THW, generated_THWC.shape[:3])
    values = np.full(len(generated), np.nan)
    for i in range(len(generated)):
        if mask is None or mask[i].any():
            pair = (generated[i], reference[i]) if mask is None else (generated[i][mask[i]], reference[i][mask[i]])
            values[i] = float(peak_signal_noise_ratio(*(_unit(part) for part in pair), data_range=1.0))
    return values


def mean_psnr(decibels_T: np.ndarray) -> tuple[float, int]:
    """Mean over the frames that differ from the reference's, and their number; NaN and 0 if none does.

    A frame that equals its reference has an infinite PSNR, which no mean survives: it is left out (CHOSEN), which
    cannot flatter.
    """
    finite = decibels_T[np.isfinite(decibels_T)]
    return (float(finite.mean()), len(finite)) if len(finite) else (float("nan"), 0)


def ssim(generated_THWC: np.ndarray, reference_THWC: np.ndarray, mask_THW: np.ndarray | None = None) -> np.ndarray:
    """Structural similarity of each frame, -1 .. 1; parameters and errors as `psnr`.

    With a mask, the map of similarities is averaged over the pixels that count; each is worked out from all pixels
    around it.

    Returns
    -------
    np.ndarray
        Float64 ``[T]``; NaN where no pixel counts.
    """
    generated, reference = _pictures(generated_THWC, reference_THWC)
    if min(generated.shape[1:3]) <= 2 * BORDER_PX:
        raise ValueError(f"frames: SSIM needs sides above {2 * BORDER_PX} px, got {generated.shape[1:3]}")
    mask = _mask(mask_THW, generated_THWC.shape[:3])
    values = np.full(len(generated), np.nan)
    for i in range(len(generated)):  # one by one: the maps of several frames do not fit into the cache
        map_HW = _ssim_map(generated[i], reference[i])
        if mask is not None:
            map_HW = map_HW[mask[i, BORDER_PX:-BORDER_PX, BORDER_PX:-BORDER_PX]]
        if map_HW.size:
            values[i] = map_HW.mean()
    return values


@torch.inference_mode()
def _ssim_map(generated_HWC: np.ndarray, reference_HWC: np.ndarray) -> np.ndarray:
    """Float64 ``[H - 10, W - 10]``, the mean over channels."""
    pair = (_unit(part).float().permute(2, 0, 1)[None] for part in (generated_HWC, reference_HWC))
    _, full = structural_similarity_index_measure(*pair, data_range=1.0, return_full_image=True)
    return full[0, :, BORDER_PX:-BORDER_PX, BORDER_PX:-BORDER_PX].double().mean(0).numpy()


def _unit(values: np.ndarray) -> Tensor:
    """As float64 in 0 .. 1."""
    tensor = torch.from_numpy(np.ascontiguousarray(values)).double()
    return tensor / 255 if values.dtype == np.uint8 else tensor


def _pictures(generated: np.ndarray, reference: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if generated.shape != reference.shape or generated.ndim != 4 or generated.shape[-1] != 3:
        raise ValueError(f"frames: need [T, H, W, 3] twice, got shapes {generated.shape} and {reference.shape}")
    if (generated.dtype == np.uint8) != (reference.dtype == np.uint8):
        raise ValueError(f"frames: need one type, got {generated.dtype} and {reference.dtype}")
    for frames in (generated, reference):
        if frames.dtype != np.uint8 and frames.size and not 0 <= frames.min() <= frames.max() <= 1:
            raise ValueError(f"frames: floats must lie in 0 .. 1, found {frames.min():.3g} .. {frames.max():.3g}")
    return generated, reference


def _mask(mask_THW: np.ndarray | None, shape: tuple[int, ...]) -> np.ndarray | None:
    if mask_THW is not None and (mask_THW.shape != shape or mask_THW.dtype != bool):
        raise ValueError(f"mask: need bool of shape {shape}, got {mask_THW.dtype} of shape {mask_THW.shape}")
    return mask_THW

"""PSNR and SSIM against scikit-image, an independent implementation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from eap.evaluation.image import psnr, ssim


def _frames(dtype: str) -> tuple[np.ndarray, np.ndarray]:
    """Smooth pictures and noisy ones."""
    rng = np.random.default_rng(0)
    smooth = gaussian_filter(rng.uniform(0, 255, (3, 40, 52, 3)), (0, 4, 4, 0)) * 3 - 255
    reference = np.clip(smooth, 0, 255)
    generated = np.clip(reference + rng.normal(0, 6, reference.shape), 0, 255)
    if dtype == "uint8":
        return np.round(generated).astype(np.uint8), np.round(reference).astype(np.uint8)
    return (generated / 255).astype(dtype), (reference / 255).astype(dtype)


def _theirs(generated: np.ndarray, reference: np.ndarray, full: bool = False):
    return structural_similarity(
        generated,
        reference,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=255 if generated.dtype == np.uint8 else 1.0,
        channel_axis=-1,
        full=full,
    )


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
def test_equal_to_scikit_image(dtype: str) -> None:
    generated, reference = _frames(dtype)
    span = 255 if dtype == "uint8" else 1.0
    pairs = list(zip(generated, reference, strict=True))
    expected = [peak_signal_noise_ratio(r, g, data_range=span) for g, r in pairs]
    np.testing.assert_allclose(psnr(generated, reference), expected, atol=1e-4)
    np.testing.assert_allclose(ssim(generated, reference), [_theirs(g, r) for g, r in pairs], atol=1e-4)


def test_masked_pixels_do_not_count() -> None:
    generated, reference = _frames("uint8")
    mask = np.zeros(generated.shape[:3], bool)
    mask[:2, 10:30, 8:44] = True
    error = (generated[0].astype(float) - reference[0])[10:30, 8:44]
    expected = 10 * np.log10(255**2 / (error**2).mean())
    spoilt = np.where(mask[..., None], generated, 255 - generated)
    assert psnr(spoilt, reference, mask)[0] == pytest.approx(expected, abs=1e-4)
    _, map_HWC = _theirs(generated[0], reference[0], full=True)
    assert ssim(generated, reference, mask)[0] == pytest.approx(map_HWC[10:30, 8:44].mean(), abs=1e-4)
    # the third frame has no pixel that counts
    assert np.isnan(psnr(generated, reference, mask)).tolist() == [False, False, True]
    assert np.isnan(ssim(generated, reference, mask)).tolist() == [False, False, True]


def test_one_frame_and_equal_frames() -> None:
    generated, reference = _frames("uint8")
    assert psnr(generated[:1], reference[:1]).shape == ssim(generated[:1], reference[:1]).shape == (1,)
    assert np.isinf(psnr(reference, reference)).all()
    np.testing.assert_allclose(ssim(reference, reference), 1, atol=1e-6)
    flat = np.full((1, 20, 20, 3), 100, np.uint8)
    assert ssim(flat, flat)[0] == pytest.approx(1, abs=1e-6)


def test_uint8_does_not_wrap() -> None:
    dark, light = np.full((1, 16, 16, 3), 1, np.uint8), np.full((1, 16, 16, 3), 255, np.uint8)
    # 1 - 255 wraps to 2 in uint8: 42 dB instead of 0.03
    assert psnr(dark, light)[0] == pytest.approx(10 * np.log10(255**2 / 254**2), abs=1e-5)


def test_faults_are_named() -> None:
    generated, reference = _frames("uint8")
    with pytest.raises(ValueError, match="got shapes"):
        psnr(generated[:2], reference)
    with pytest.raises(ValueError, match="one type"):
        ssim(generated, reference / 255)
    with pytest.raises(ValueError, match=r"0 \.\. 1"):
        psnr(generated.astype(float), reference.astype(float))
    with pytest.raises(ValueError, match="mask"):
        psnr(generated, reference, np.ones((3, 40, 51), bool))
    with pytest.raises(ValueError, match="above 10 px"):
        ssim(generated[:, :10], reference[:, :10])

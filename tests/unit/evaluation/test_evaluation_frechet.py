"""FID against its formula, and the loading of its network."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

from eap.evaluation.frechet import FrechetDistance, InceptionFeatures


def _distance(reference: np.ndarray, generated: np.ndarray) -> float:
    metric = FrechetDistance(reference.shape[1])
    for part in np.array_split(reference, 3):
        metric.add(part, real=True)
    metric.add(generated, real=False)
    assert metric.n == (len(reference), len(generated))
    return metric.compute()


def test_a_shift_is_its_squared_length() -> None:
    features = np.random.default_rng(0).normal(size=(50, 4))
    # equal covariances: |(3, 4, 0, 0)|^2
    assert _distance(features, features + np.array([3, 4, 0, 0])) == pytest.approx(25, abs=1e-6)
    assert _distance(features, features) == pytest.approx(0, abs=1e-6)


def test_equals_the_formula_by_scipy() -> None:
    rng = np.random.default_rng(1)
    reference, generated = rng.normal(size=(60, 5)), rng.normal(1, 2, (80, 5)) @ rng.normal(size=(5, 5))
    cov_r, cov_g = np.cov(reference.T), np.cov(generated.T)
    expected = ((reference.mean(0) - generated.mean(0)) ** 2).sum()
    expected += np.trace(cov_r + cov_g - 2 * np.real(sqrtm(cov_r @ cov_g)))
    assert _distance(reference, generated) == pytest.approx(expected, rel=1e-6)


def test_loads_a_file_of_the_published_shapes(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "inception.pth"
    torch.save({}, path)
    torch.manual_seed(0)
    with monkeypatch.context() as patch:  # the network without weights exists only inside its constructor
        patch.setattr(FeatureExtractorInceptionV3, "load_state_dict", lambda self, state: None)
        blank = FeatureExtractorInceptionV3("inception-v3-compat", ["2048"], str(path))
    torch.save(blank.state_dict(), path)
    frames = np.random.default_rng(0).integers(0, 256, (2, 64, 48, 3), dtype=np.uint8)
    features = InceptionFeatures(path)(frames)
    assert features.shape == (2, 2048)
    assert features.dtype == np.float32
    assert np.abs(features[0] - features[1]).max() > 0.01 * features.max()  # not one answer to everything
    torch.save({"fc.weight": torch.zeros(3)}, path)
    with pytest.raises(ValueError, match="not the weights of torch-fidelity's Inception"):
        InceptionFeatures(path)

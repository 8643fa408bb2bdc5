"""LPIPS: the backbone from a file, the calibration from the package."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torchmetrics.functional.image.lpips import _LPIPS
from torchvision.models import alexnet

from eap.evaluation.perceptual import PerceptualDistance


@pytest.fixture(scope="module")
def backbone() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return alexnet(weights=None).state_dict()


def test_equals_torchmetrics_on_the_same_backbone(backbone) -> None:
    generated, reference = np.random.default_rng(0).integers(0, 256, (2, 3, 72, 64, 3), dtype=np.uint8)
    other = _LPIPS(net="alex", pnet_rand=True).eval()
    parts = {name: "features." + name.split(".", 1)[1] for name in other.net.state_dict()}
    other.net.load_state_dict({ours: backbone[theirs] for ours, theirs in parts.items()})
    pair = (torch.from_numpy(f).permute(0, 3, 1, 2).float() / 127.5 - 1 for f in (generated, reference))
    with torch.no_grad():
        expected = other(*pair).flatten().numpy()
    found = PerceptualDistance(backbone)(generated, reference)
    assert found.shape == (3,)
    assert found.min() > 1e-4
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_equal_frames_are_at_distance_0_and_no_frame_is_no_value(backbone) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3), dtype=np.uint8)
    assert PerceptualDistance(backbone)(frames, frames).tolist() == [0]
    assert PerceptualDistance(backbone)(frames[:0], frames[:0]).shape == (0,)


def test_other_weights_are_refused(backbone) -> None:
    with pytest.raises(ValueError, match=r"AlexNet: no features\.0"):
        PerceptualDistance({"conv1.weight": torch.zeros(1)})
    with pytest.raises(ValueError, match=r"AlexNet: .*size mismatch"):
        PerceptualDistance({**backbone, "features.0.weight": torch.zeros(64, 3, 3, 3)})

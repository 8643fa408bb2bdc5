"""Scores of pictures, and the published networks that some of them need."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torchvision.models import alexnet

from eap.evaluation import pictures as module
from eap.evaluation.bench import random_syncnet
from eap.evaluation.frechet import FrechetDistance
from eap.evaluation.networks import Networks, load_networks
from eap.evaluation.perceptual import PerceptualDistance
from eap.evaluation.pictures import Pictures
from eap.evaluation.syncnet import score_sync, to_syncnet_frame
from eap.evaluation.weights import absent
from eap.models.syncnet_v2 import FoldedSyncNet
from eap.stage import StageError

CLIP = "ann/happy-0.mp4"
NAMES = ("syncnet", "emonet", "lpips", "inception")


class MeanColour:
    """Stands in for Inception: the mean colour of each frame."""

    def __call__(self, frames_THWC):
        return frames_THWC.reshape(len(frames_THWC), -1, 3).mean(1).astype(np.float32)


def weights(**given):
    return SimpleNamespace(**{**dict.fromkeys(NAMES), **given})


@pytest.fixture
def clip(store):
    return store[CLIP]


def test_published_networks_score_what_they_would_alone(clip) -> None:
    torch.manual_seed(0)
    syncnet, lpips = FoldedSyncNet(random_syncnet(0)), PerceptualDistance(alexnet(weights=None).state_dict())
    pcm16 = (8000 * np.sin(np.arange(len(clip) * 640) / 20)).astype(np.int16)
    darker = clip.frames_THWC // 2
    pictures = Pictures(Networks(syncnet=syncnet, lpips=lpips))
    rows = {row["metric"]: row for row in pictures.rows(clip, "generated", darker, clip.landmarks_TP2, pcm16, "high")}
    alone = score_sync(syncnet, np.stack([to_syncnet_frame(frame) for frame in darker]), pcm16)
    assert (rows["lse_d"]["value"], rows["lse_c"]["value"]) == pytest.approx((alone.lse_d, alone.lse_c))
    assert rows["offset"]["value"] == abs(alone.offset)
    assert rows["lpips"]["value"] == pytest.approx(lpips(darker, clip.frames_THWC).mean())
    assert {row["level"] for row in rows.values()} == {"high"}
    assert "fid" not in rows
    assert pictures.pooled_rows() == []


def test_fid_is_one_number_for_each_variant(clip, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MIN_FRAMES", 2 * len(clip))
    monkeypatch.setattr(module, "FrechetDistance", lambda: FrechetDistance(3))
    pictures = Pictures(Networks(inception=MeanColour()))
    silence = np.zeros(len(clip) * 640, np.int16)
    for _ in range(2):
        pictures.rows(clip, "real", clip.frames_THWC, clip.landmarks_TP2, silence)
        pictures.rows(clip, "bluer", clip.frames_THWC - np.uint8([0, 0, 9]), clip.landmarks_TP2, silence)
    pictures.rows(clip, "rare", clip.frames_THWC, clip.landmarks_TP2, silence)
    found = {row["variant"]: row for row in pictures.pooled_rows()}
    assert found["real"]["value"] == pytest.approx(0, abs=1e-6)
    alone = FrechetDistance(3)
    for frames, real in ((clip.frames_THWC, True), (clip.frames_THWC - np.uint8([0, 0, 9]), False)):
        for _ in range(2):
            alone.add(MeanColour()(frames), real=real)
    assert found["bluer"]["value"] == pytest.approx(alone.compute())
    assert found["bluer"]["value"] > 50  # nearly equal covariances: about the squared shift
    assert found["bluer"]["n"] == 2 * len(clip)
    assert found["rare"]["value"] is None
    assert found["rare"]["reason"] == f"refused: {len(clip)} frames, needed are {2 * len(clip)}"


def test_a_face_that_is_lost_has_no_identity_and_a_reason(clip) -> None:
    lost = np.full_like(clip.landmarks_TP2, np.nan)
    silence = np.zeros(len(clip) * 640, np.int16)
    rows = {row["metric"]: row for row in Pictures(Networks()).rows(clip, "x", clip.frames_THWC, lost, silence)}
    assert rows["identity_cosine"]["value"] is None
    assert rows["identity_cosine"]["reason"] == "no face was found in any frame that is compared"


def test_what_has_no_weights_is_named_with_its_key() -> None:
    told = absent(weights(lpips="a.pth"))
    assert list(told) == [f"evaluation.weights.{name}" for name in ("syncnet", "emonet", "inception")]
    assert told["evaluation.weights.inception"] == "FID"
    assert load_networks(weights()) == (Networks(), {})


def test_wrong_weights_are_one_message(tmp_path) -> None:
    torch.save({"fc.weight": torch.zeros(2)}, tmp_path / "x.pth")
    for name in NAMES:
        with pytest.raises(StageError, match=rf"evaluation\.weights\.{name}: .*x\.pth: .*; wanted is http"):
            load_networks(weights(**{name: str(tmp_path / "x.pth")}))
    with pytest.raises(StageError, match=r"evaluation\.weights\.lpips: nowhere\.pth is not a file; .*null: without it"):
        load_networks(weights(lpips="nowhere.pth"))

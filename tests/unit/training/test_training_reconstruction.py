"""L_lip and L_per with their frozen judges."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from face_alignment.models import FAN
from safetensors.torch import save_file
from tiny_data import tiny_config
from torchvision.models import VGG19_Weights

from eap.digest import file_sha256
from eap.losses.lip import lip_loss
from eap.losses.perceptual import pyramid
from eap.stage import StageError
from eap.training.bench import random_batch
from eap.training.build import load_student
from eap.training.reconstruction import Reconstruction, build_reconstruction, judges_sha256, load_imagenet_vgg19


@pytest.fixture
def reconstruction(student_file):
    return build_reconstruction(tiny_config(), load_student(student_file, tiny_config()))


@pytest.fixture
def clip(store):
    from eap.data.windows import to_image

    return to_image(store["ann/happy-0.mp4"].frames_THWC[:8]).reshape(2, 4, 3, 32, 32)


MASK = torch.ones(2, 4, dtype=torch.bool)


def against(frames, mask=MASK):
    """The batch whose targets are these frames."""
    torch.manual_seed(0)
    batch = random_batch(tiny_config(), *mask.shape)
    return replace(batch, target_BRCHW=frames, mask_BT=mask)


def test_equal_frames_lose_nothing(reconstruction, clip):
    terms = reconstruction.terms(clip, against(clip))
    assert {name: term.item() for name, term in terms.items()} == {"lip": 0, "per": 0, "mouth": 0}


def test_lip_is_the_distance_of_the_students_lip_points(reconstruction, clip):
    student = reconstruction.student
    other = clip.flip(1)
    points = [student(x.flatten(0, 1)).unflatten(0, (2, 4))[:, :, 48:68] for x in (other, clip)]
    terms = reconstruction.terms(other, against(clip))
    assert terms["lip"].item() == pytest.approx(lip_loss(*points, MASK).item(), rel=1e-5)
    assert terms["lip"] > 1


def test_per_counts_every_layer_at_every_scale(reconstruction, clip):
    student, other = reconstruction.student, clip.flip(1)
    expected = sum(
        (f - g).abs().mean()
        for a, b in zip(pyramid(other.flatten(0, 1), 3), pyramid(clip.flatten(0, 1), 3), strict=True)
        for f, g in zip((4 * a, *student.features(a)), (4 * b, *student.features(b)), strict=True)
    )
    assert reconstruction.terms(other, against(clip))["per"].item() == pytest.approx(expected.item(), rel=1e-4)


def test_gradient_reaches_the_generated_frames_only(reconstruction, clip):
    generated, real = clip.flip(1).requires_grad_(), clip.clone().requires_grad_()
    sum(reconstruction.terms(generated, against(real)).values()).backward()
    assert generated.grad.abs().sum() > 0
    assert real.grad is None
    assert all(p.grad is None and not p.requires_grad for p in reconstruction.parameters())


def test_padded_frames_do_not_count(reconstruction, clip):
    mask = torch.tensor([[True, True, True, False], [True, False, False, False]])
    spoilt = clip.flip(1).clone()
    plain = reconstruction.terms(spoilt, against(clip, mask))
    spoilt[~mask] = 0.3
    again = reconstruction.terms(spoilt, against(clip, mask))
    for term in plain:
        assert again[term].item() == pytest.approx(plain[term].item(), rel=1e-5)


def test_vgg_weights_that_are_not_there_are_named(student_file):
    config = tiny_config({"perceptual": {"network": "vgg19", "weights": "imagenet", "path": "absent/vgg19.pth"}})
    with pytest.raises(
        StageError, match=r"perceptual\.path: absent/vgg19\.pth is not a file; download https://.*vgg19"
    ):
        build_reconstruction(config, load_student(student_file, tiny_config()))


def test_vgg_weights_that_cannot_be_fetched_are_named(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    section = vgg19(url="http://127.0.0.1:9/vgg19-dcbb9e9d.pth")
    with pytest.raises(StageError, match=r"VGG19 could not be fetched .*; download http://127.*perceptual\.path"):
        load_imagenet_vgg19(section)


def vgg19(**keys):
    """Section `perceptual` with the ImageNet VGG19."""
    return tiny_config({"perceptual": {"network": "vgg19", "weights": "imagenet", **keys}}).perceptual


def test_the_address_of_vgg19_is_torchvisions() -> None:
    assert VGG19_Weights.IMAGENET1K_V1.url == vgg19().url
    assert vgg19().url.endswith(f"-{vgg19().sha256}.pth")


def test_vgg_weights_from_a_local_file(tmp_path):
    path = tmp_path / "vgg.pth"
    torch.save({"x": torch.ones(2)}, path)
    with pytest.raises(StageError, match=r"has SHA-256 [0-9a-f]{64}, but perceptual\.sha256 is dcbb9e9d; download"):
        load_imagenet_vgg19(vgg19(path=str(path)))
    own = vgg19(path=str(path), sha256=file_sha256(path))
    assert torch.equal(load_imagenet_vgg19(own)["x"], torch.ones(2))
    save_file({"x": torch.ones(2)}, tmp_path / "vgg.safetensors")
    assert torch.equal(
        load_imagenet_vgg19(vgg19(path=str(tmp_path / "vgg.safetensors"), sha256=None))["x"], torch.ones(2)
    )


class Constant(torch.nn.Module):
    """Stands for FAN: its points move with the picture's mean."""

    def forward(self, frames_NCHW):
        return frames_NCHW.mean((1, 2, 3))[:, None, None].expand(-1, 68, 2) * 10


def test_fan_takes_the_students_place_under_l_lip_alone(student_file, clip):
    student = load_student(student_file, tiny_config())
    other = clip.flip(1).clone().requires_grad_()
    plain = Reconstruction(student, None, 3).terms(other, against(clip))
    by_fan = Reconstruction(student, None, 3, Constant()).terms(other, against(clip))
    distance = 10 * 2**0.5 * (other.mean((2, 3, 4)) - clip.mean((2, 3, 4))).abs().mean()
    assert by_fan["lip"].item() == pytest.approx(distance.item(), rel=1e-4)
    assert by_fan["per"].item() == pytest.approx(plain["per"].item())
    by_fan["lip"].backward()
    assert other.grad.abs().sum() > 0


def test_fan_is_built_from_a_checked_file_and_recorded(student_file, tmp_path):
    torch.manual_seed(0)
    path = tmp_path / "fan.tar"
    torch.save(FAN(4).state_dict(), path)
    config = tiny_config(
        {"loss": {"lip_estimator": "fan"}, "landmarks": {"fan": {"path": str(path), "sha256": file_sha256(path)}}}
    )
    judges = build_reconstruction(config, load_student(student_file, tiny_config()))
    assert torch.equal(judges.fan.network.l3.bias, torch.load(path, weights_only=True)["l3.bias"])
    assert not any(p.requires_grad for p in judges.parameters())
    assert judges_sha256(config) == {"fan": file_sha256(path)}
    assert judges_sha256(tiny_config()) == {}

"""`eap.data.emonet`: the published network's names, shapes and outputs, and how its weights are found."""

from __future__ import annotations

import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
from emonet_weights import pictures, random_state, save_published
from media_files import sections

from eap.data.emonet import CLASSES, EmoNet, EmoNetReader, load_emonet
from eap.data.weights import EMONET, find_weights
from eap.digest import file_sha256
from eap.stage import StageError

SHAPES = {
    "conv1.weight": (64, 3, 7, 7),
    "conv1.bias": (64,),
    "bn1.running_var": (64,),
    "conv2.conv1.weight": (64, 64, 3, 3),
    "conv2.conv3.weight": (32, 32, 3, 3),
    "conv2.downsample.0.weight": (64,),
    "conv2.downsample.2.weight": (128, 64, 1, 1),
    "conv3.conv2.weight": (32, 64, 3, 3),
    "conv4.downsample.2.weight": (256, 128, 1, 1),
    "m0.b1_4.bn1.weight": (256,),
    "m0.b2_plus_1.conv1.weight": (128, 256, 3, 3),
    "m1.b3_1.conv3.weight": (64, 64, 3, 3),
    "top_m_0.conv2.weight": (64, 128, 3, 3),
    "conv_last1.weight": (256, 256, 1, 1),
    "bn_end0.num_batches_tracked": (),
    "l1.bias": (68,),
    "bl0.weight": (256, 256, 1, 1),
    "al0.weight": (256, 68, 1, 1),
    "conv1x1_input_emo_2.weight": (256, 768, 1, 1),
    "emo_net_2.6.bn3.running_mean": (64,),
    "emo_fc_2.0.weight": (128, 256),
    "emo_fc_2.1.running_mean": (128,),
    "emo_fc_2.3.weight": (10, 128),
}
"""Some of the published file's names; those that are not here follow the same pattern."""
TOP = {
    *("conv1", "bn1", "conv2", "conv3", "conv4", "m0", "top_m_0", "conv_last0", "bn_end0", "l0", "bl0", "al0"),
    *("m1", "top_m_1", "conv_last1", "bn_end1", "l1", "conv1x1_input_emo_2", "emo_net_2", "emo_fc_2"),
}
PUBLISHED_BYTES = 56_087_163


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_published(random_state(), tmp_path_factory.mktemp("emonet") / "emonet_8.pth")


def settings(tmp_path: Path, **keys: str | None):
    """Section `labels.emonet`."""
    return sections("labels", tmp_path, {"labels": {"source": "emonet", "emonet": keys}}).labels.emonet


def test_names_and_shapes_are_the_published_ones() -> None:
    state = EmoNet().state_dict()
    assert {name: tuple(state[name].shape) for name in SHAPES} == SHAPES
    assert {name.partition(".")[0] for name in state} == TOP
    parts = {name.split(".")[1] for name in state if name.startswith("m0.")}
    assert parts == {*(f"b{part}_{level}" for part in (1, 2, 3) for level in (1, 2, 3, 4)), "b2_plus_1"}
    assert CLASSES == ("neutral", "happy", "sad", "surprised", "fear", "disgusted", "angry", "contempt")


def test_the_file_is_as_large_as_the_published_one(weights: Path) -> None:
    """Values, names and container: another network, or another form of the file, would differ by more."""
    assert weights.stat().st_size == pytest.approx(PUBLISHED_BYTES, abs=2000)


def test_outputs_are_those_of_the_authors_implementation(weights: Path) -> None:
    """The numbers were made by the published code with these very weights and pictures."""
    images = torch.from_numpy(pictures()).permute(0, 3, 1, 2).float() / 255
    with torch.inference_mode():
        emotion = load_emonet(weights)(images)
    np.testing.assert_allclose(emotion.valence_N, [0.396371, 0.380542], atol=1e-4)
    np.testing.assert_allclose(emotion.arousal_N, [0.597562, 0.477735], atol=1e-4)
    first = [-0.288627, -0.077377, -0.447081, 0.492344, -0.178554, -0.159460, -0.023908, -0.267576]
    np.testing.assert_allclose(emotion.expression_NK[0], first, atol=1e-4)


def test_valence_and_arousal_stay_within_one_and_the_newer_file_format_is_read(tmp_path: Path) -> None:
    state = random_state()
    state["emo_fc_2.3.bias"] += torch.tensor([0.0] * 8 + [3.0, -3.0])
    torch.save(state, tmp_path / "new.pth")  # no prefix either
    images = torch.from_numpy(pictures()[:1]).permute(0, 3, 1, 2).float() / 255
    with torch.inference_mode():
        emotion = load_emonet(tmp_path / "new.pth")(images)
    assert (emotion.valence_N.item(), emotion.arousal_N.item()) == (1.0, -1.0)


def test_frames_are_read_in_batches_at_the_networks_size(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eap.data.emonet.BATCH", 2)
    config = sections(
        "labels", tmp_path, {"labels": {"source": "emonet", "emonet": {"path": str(weights), "sha256": None}}}
    )
    reader = EmoNetReader(config.labels.emonet, config.compute)
    large = pictures().repeat(2, axis=1).repeat(2, axis=2)  # each px twice: reduced by areas, it is the picture again
    values = reader(large[[0, 1, 0]])
    assert values.dtype == np.float32
    np.testing.assert_allclose(values, [[0.396371, 0.597562], [0.380542, 0.477735], [0.396371, 0.597562]], atol=1e-4)
    assert reader.weights_sha256 == file_sha256(weights)


def test_weights_are_fetched_once_and_checked(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    handler = partial(SimpleHTTPRequestHandler, directory=weights.parent)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/emonet_8.pth"
        with pytest.raises(StageError, match=rf"could not be fetched .*{url} .*labels\.emonet\.path"):
            find_weights(settings(tmp_path, url=url, sha256="0" * 64), EMONET)
        with pytest.raises(StageError, match=r"404.*labels\.emonet\.path"):
            find_weights(settings(tmp_path, url=f"{url}.absent", sha256=None), EMONET)
        assert not list(tmp_path.rglob("*.pth"))  # nothing of a failed download stays
        found = find_weights(settings(tmp_path, url=url, sha256=file_sha256(weights)), EMONET)
        server.shutdown()
    assert found.is_relative_to(tmp_path)
    assert find_weights(settings(tmp_path, url=url, sha256=file_sha256(weights)), EMONET) == found  # the server is gone
    with pytest.raises(StageError, match=r"has SHA-256 .*labels\.emonet\.sha256"):
        find_weights(settings(tmp_path, url=url, sha256="0" * 64), EMONET)


def test_a_wrong_file_says_which_file_is_wanted_from_where_and_for_which_key(weights: Path, tmp_path: Path) -> None:
    with pytest.raises(StageError, match=r"labels\.emonet\.path: .*absent\.pth is not a file; download https://"):
        find_weights(settings(tmp_path, path=str(tmp_path / "absent.pth")), EMONET)
    with pytest.raises(StageError, match=r"has SHA-256 .*, but labels\.emonet\.sha256 is 52918cff"):
        find_weights(settings(tmp_path, path=str(weights)), EMONET)
    (tmp_path / "page.pth").write_text("<!doctype html>")
    with pytest.raises(StageError, match="not a file of weights"):
        load_emonet(tmp_path / "page.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(StageError, match="holds a list"):
        load_emonet(tmp_path / "list.pth")
    torch.save({"module.conv1.weight": torch.zeros(64, 3, 7, 7)}, tmp_path / "part.pth")
    with pytest.raises(StageError, match=r"another network[^$]*bn1\.weight"):
        load_emonet(tmp_path / "part.pth")

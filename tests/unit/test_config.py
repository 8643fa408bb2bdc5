"""Presets, validation, and what reaches a stage."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from eap.config import STAGES, Config, ConfigError, deep_merge, load_config, load_stage, read_yaml, stage_sections

PRESETS = Path(__file__).parents[2] / "workflow" / "presets"
OVERLAYS = sorted(path for path in PRESETS.glob("*.yaml") if path.stem != "paper")


def set_keys(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Leaves of a nested mapping as dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat.update(set_keys(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value})
    return flat


def test_paper_preset_states_the_supplement() -> None:
    """Suppl. B.2, literally."""
    paper = load_config({}, PRESETS)
    assert paper.preset == "paper"
    assert (paper.video.fps, paper.video.size, paper.model.image_size) == (25, 256, 256)
    assert (paper.audio.sample_rate, paper.audio.win_length, paper.audio.hop_length) == (16000, 640, 640)
    assert paper.optimizer.name == "Adam"
    assert (paper.ant.lr, paper.era.lr_ant, paper.era.lr_backbone, paper.era.lr_heads) == (2e-4, 5e-5, 2e-5, 5e-4)
    loss = paper.loss
    assert (loss.per, loss.inten) == (10, 10)
    assert (loss.lip, loss.adv, loss.metric, loss.e_adv, loss.cls) == (5, 5, 5, 5, 5)
    assert (paper.ant.batch_size, paper.era.batch_size) == (4, 4)
    assert (paper.ant.epochs, paper.era.epochs) == (500, 500)
    assert len(paper.seeds) == 5
    assert (paper.perceptual.network, paper.perceptual.weights) == ("vgg19", "imagenet")
    assert paper.ant.neutralization


def test_paper_preset_is_complete() -> None:
    complete = Config.model_validate({"preset": "paper", **read_yaml(PRESETS / "paper.yaml")})
    assert complete == load_config({"preset": "paper"}, PRESETS)


@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda path: path.stem)
def test_overlays_are_valid_and_list_only_deviations(overlay: Path) -> None:
    load_config({"preset": overlay.stem}, PRESETS)
    values = read_yaml(overlay)
    base = set_keys(load_config({"preset": values.pop("base", "paper")}, PRESETS).model_dump(mode="json"))
    laid_over = values.pop("experiments", {}).values()  # each over the overlay itself
    own = base | set_keys(values)
    repeated = [key for key, value in set_keys(values).items() if base[key] == value]
    repeated += [key for overlaid in laid_over for key, value in set_keys(overlaid).items() if own[key] == value]
    assert repeated == []


def test_a_key_that_is_given_wins_over_preset_and_paper() -> None:
    config = load_config({"preset": "clips", "ant": {"epochs": 3}}, PRESETS)
    clips = load_config({"preset": "clips"}, PRESETS)
    assert config.ant.epochs == 3
    assert config.ant.lr == clips.ant.lr != load_config({}, PRESETS).ant.lr


def test_merge_replaces_lists_and_merges_mappings() -> None:
    base = {"a": {"b": 1, "c": [1, 2]}, "d": 4}
    assert deep_merge(base, {"a": {"c": [3]}}) == {"a": {"b": 1, "c": [3]}, "d": 4}
    assert base == {"a": {"b": 1, "c": [1, 2]}, "d": 4}


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ({"preset": "papre"}, ["preset", "'papre'", "clips", "paper"]),
        ({"ant": {"epoch": 3}}, ["ant.epoch", "unknown key", "3", "epochs"]),
        ({"model": {"layers": 0}}, ["model.layers", "0", "greater than 0"]),
        ({"loss": {"lip": -1}}, ["loss.lip", "-1", "greater than or equal to 0"]),
        ({"ant": {"lr": "fast"}}, ["ant.lr", "'fast'", "number"]),
        ({"ant": {"lr": float("nan")}}, ["ant.lr", "nan", "finite"]),
        ({"optimizer": {"name": "AdamW"}}, ["optimizer.name", "'AdamW'", "'Adam'"]),
        ({"seeds": []}, ["seeds", "at least 1"]),
        ({"seeds": [1, 1]}, ["seeds", "once", "[1, 1]"]),
        ({"emotions": ["happy", "sad"]}, ["emotions", "neutral"]),
        ({"emotions": ["neutral", "bored"]}, ["emotions.1", "'bored'", "'happy'"]),
        ({"audio": {"hop_length": 320}}, ["audio.hop_length", "320", "video.fps", "25", "16000"]),
        ({"audio": {"win_length": 800}}, ["audio", "win_length (800)", "n_fft (640)"]),
        ({"audio": {"n_fft": 1024}}, ["audio", "n_fft (1024)", "hop_length (640)"]),
        ({"audio": {"fmax_hz": 9000}}, ["audio", "9000", "8000"]),
        ({"video": {"min_frames": 5}}, ["video.min_frames (5)", "at least 24"]),
        ({"ant": {"rendered_frames": 25}}, ["ant.rendered_frames (25)", "ant.frames (24)"]),
        ({"model": {"heads": 3}}, ["model", "d_model (512)", "heads (3)"]),
        ({"model": {"paint_px": 64}}, ["model", "paint_px (64)", "max_skip_px 64", "image_size (256)"]),
        ({"model": {"paint": "mouth"}}, ["model", "paint: mouth", "max_skip_px 64", "image_size 256"]),
        ({"model": {"paint": "lips"}}, ["model.paint", "'lips'", "'everywhere' or 'mouth'"]),
        ({"model": {"image_size": 100}}, ["model.image_size", "100", "multiple of 16"]),
        ({"split": {"test": 0.5, "validation": 0.6}}, ["split", "0.6", "0.5", "below 1"]),
        ({"perceptual": {"network": "student"}}, ["perceptual", "'student'", "trained", "'imagenet'"]),
        ({"labels": {"source": "phantom"}}, ["labels.source", "'phantom'", "data.dataset", "'folder'", "'landmarks'"]),
        ({"labels": {"points": "phantom"}}, ["labels.points 'phantom'", "'folder'", "labels.points: landmarks"]),
        ({"labels": {"source": "ratings"}}, ["labels.source", "'ratings'", "'emonet'"]),
        ({"labels": {"emonet": {"sha256": "52918c"}}}, ["labels.emonet.sha256", "'52918c'", "[0-9a-f]{8,64}"]),
        ({"labels": {"emonet": {"file": "x.pth"}}}, ["labels.emonet.file", "unknown key", "path, sha256, url"]),
        ({"perceptual": {"weights": "random", "path": "x.pth"}}, ["perceptual", "path", "'random'"]),
        ({"loss": {"lip_estimator": "dlib"}}, ["loss.lip_estimator", "'dlib'", "'student' or 'fan'"]),
        ({"loss": {"inten_target": "intensity"}}, ["loss", "decode is 1", "psi", "set loss.decode: 0"]),
        ({"loss": {"inten": 0}}, ["loss", "inten is 0", "psi", "set loss.decode: 0"]),
        ({"perceptual": {"scales": 6}, "model": {"image_size": 144}}, ["perceptual.scales (6)", "144", "5 times"]),
        ({"era": {"ant": "frozen"}}, ["era.lr_motion", "era.ant is 'frozen'", "set era.lr_motion: 0"]),
        ({"landmarks": {"fan": {"path": "x.pth"}}}, ["landmarks.fan.path", "'dlib'", "'student'", "null"]),
        ({"labels": {"emonet": {"path": "x.pth"}}}, ["labels.emonet.path", "'landmarks'", "null"]),
        ({"loss": {"intensity": "max", "norm": 0}}, ["loss", "'max'", "loss.norm", "set intensity: norm"]),
        ({"loss": {"drawn_at": "real"}, "model": {"warp": "pose"}}, ["loss.drawn_at: real", "found pose", "implied"]),
        ({"loss": {"drawn_at": "real", "shape": 0}}, ["loss.drawn_at: real", "loss.shape", "found 0", "implied"]),
        ({"loss": {"metric_form": "angular"}}, ["loss.metric_form", "'angular'", "'triplet' or 'contrastive'"]),
        ({"critics": {"form": "wgan"}}, ["critics.form", "'wgan'", "'hinge'"]),
        ({"critics": {"emotion_head": "concat"}}, ["critics.emotion_head", "'concat'", "'projection'"]),
        ({"critics": {"real": "all"}}, ["critics.real", "'all'", "'targets' or 'any'"]),
        ({"era": {"ant": "off"}}, ["era.ant", "'off'", "'tuned' or 'frozen'"]),
        ({"model": {"pose_shape": "full"}}, ["model.pose_shape", "'full'", "'own' or 'mean'"]),
        ({"engine": {"precision": "int8"}}, ["engine.precision", "'int8'", "'bf16'"]),
        ({"loss": {"shape": 0, "concord": 10}, "ant": {"warmup_steps": 0}}, ["concord (10.0)", "set loss.concord: 0"]),
        ({"engine": {"accumulate": 3}}, ["ant.batch_size (4)", "multiple of engine.accumulate (3)"]),
        ({"compute": {"gpus": 3}}, ["ant.batch_size (4)", "multiple of compute.gpus (3)", "equal"]),
        (
            {"compute": {"gpus": 2}, "engine": {"accumulate": 4}},
            ["ant.batch_size (4)", "multiple of compute.gpus (2) x engine.accumulate (4)"],
        ),
        ({"compute": {"gpus": 2, "device": "cpu"}}, ["gpus (2) needs device 'cuda'", "set gpus: 1"]),
        ({"engine": {"ema_decay": 1.0}}, ["engine.ema_decay", "1.0", "less than 1"]),
        ({"engine": {"compile": True}}, ["engine.compile", "True", "'inductor'"]),
        ({"engine": {"early_stopping": {"patienc": 3}}}, ["engine.early_stopping.patienc", "min_delta_px, patience"]),
        (
            {"engine": {"precision": "fp16"}, "compute": {"device": "cpu"}},
            ["engine.precision 'fp16'", "compute.device 'cuda'", "'bf16'"],
        ),
        (
            {"engine": {"early_stopping": {"patience": 3, "min_delta_px": 0}}, "split": {"validation": 0}},
            ["engine.early_stopping", "split.validation is 0"],
        ),
    ],
)
def test_a_wrong_configuration_is_refused_by_key_value_and_remedy(overrides: dict, said: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(overrides, PRESETS)
    for part in said:
        assert part in str(caught.value)


def test_the_engine_leaves_the_papers_recipe_as_it_is() -> None:
    """Full precision, one step per batch of 4, no clipping, no averages, all 500 epochs."""
    engine = load_config({}, PRESETS).engine
    assert engine.model_dump() == {
        "precision": "fp32", "accumulate": 1, "clip_norm": None, "ema_decay": None, "compile": "off",
        "early_stopping": None,
    }  # fmt: skip


def test_truth_at_another_frame_rate_is_refused() -> None:
    slow = {"preset": "demo", "video": {"fps": 20}, "audio": {"hop_length": 800, "n_fft": 800, "win_length": 800}}
    with pytest.raises(ConfigError, match=r"known at 25 fps, but video\.fps is 20"):
        load_config(slow, PRESETS)


def test_a_preset_stands_on_its_base_and_that_on_paper(tmp_path: Path) -> None:
    for name in ("paper", "demo"):
        (tmp_path / f"{name}.yaml").write_text((PRESETS / f"{name}.yaml").read_text())
    (tmp_path / "mine.yaml").write_text("base: demo\nant: {epochs: 2}\n")
    config = load_config({"preset": "mine", "era": {"epochs": 9}}, tmp_path)
    demo, paper = load_config({"preset": "demo"}, tmp_path), load_config({"preset": "paper"}, tmp_path)
    assert (config.ant.epochs, config.era.epochs) == (2, 9)
    assert config.model == demo.model != paper.model
    assert config.optimizer == paper.optimizer


@pytest.mark.parametrize("base", ["mine", "nowhere"])
def test_a_base_that_cannot_be_one_is_named(tmp_path: Path, base: str) -> None:
    (tmp_path / "paper.yaml").write_text((PRESETS / "paper.yaml").read_text())
    (tmp_path / "mine.yaml").write_text(f"base: {base}\n")
    with pytest.raises(ConfigError, match=rf"base: '{base}' cannot be its base; allowed: paper"):
        load_config({"preset": "mine"}, tmp_path)


def test_every_fault_is_named_at_once() -> None:
    with pytest.raises(ConfigError, match=r"(?s)ant\.epochs.*era\.frames"):
        load_config({"ant": {"epochs": 0}, "era": {"frames": 0}}, PRESETS)


def test_the_configuration_is_frozen() -> None:
    config = load_config({}, PRESETS)
    with pytest.raises(ValidationError, match="frozen"):
        config.ant.epochs = 1  # type: ignore[misc]


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_gets_exactly_its_sections(stage: str) -> None:
    config = load_config({}, PRESETS)
    text = stage_sections(config, stage)
    assert tuple(sorted(json.loads(text))) == tuple(sorted(STAGES[stage]))
    sections = load_stage(stage, text)
    for name in STAGES[stage]:
        assert getattr(sections, name) == getattr(config, name)


def test_sections_are_one_canonical_line() -> None:
    """The rerun trigger is this text: the same values must give the same text."""
    one = load_config({"ant": {"epochs": 3, "frames": 9}}, PRESETS)
    two = load_config({"ant": {"frames": 9, "epochs": "3"}}, PRESETS)
    assert stage_sections(one, "train-ant") == stage_sections(two, "train-ant")
    assert "\n" not in stage_sections(one, "train-ant")


def test_one_changed_value_reaches_only_the_stages_that_read_it() -> None:
    before, after = load_config({}, PRESETS), load_config({"ant": {"epochs": 3}}, PRESETS)
    changed = {stage for stage in STAGES if stage_sections(before, stage) != stage_sections(after, stage)}
    assert changed == {stage for stage, sections in STAGES.items() if "ant" in sections} >= {"train-ant"}
    assert "train-era" not in changed


def test_a_stage_takes_a_whole_configuration_file_but_no_unknown_key(tmp_path: Path) -> None:
    whole = tmp_path / "whole.yaml"
    whole.write_text(yaml.safe_dump(load_config({}, PRESETS).model_dump(mode="json")))
    assert load_stage("mel", str(whole)).audio.n_mels == 80
    whole.write_text(whole.read_text() + "melody: 1\n")
    with pytest.raises(ConfigError, match="melody: unknown key"):
        load_stage("mel", str(whole))


def test_a_whole_configuration_file_is_checked_across_sections(tmp_path: Path) -> None:
    """Stage train-ant reads both sections, but neither alone is wrong."""
    whole = tmp_path / "whole.yaml"
    values = deep_merge(read_yaml(PRESETS / "paper.yaml"), {"engine": {"accumulate": 3}})
    whole.write_text(yaml.safe_dump(values))
    with pytest.raises(ConfigError, match=r"ant\.batch_size \(4\) must be a multiple of engine\.accumulate \(3\)"):
        load_stage("train-ant", str(whole))
    assert load_stage("train-ant", str(PRESETS / "paper.yaml")).ant.batch_size == 4


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{not json", "not valid JSON"),
        ("{}", "missing"),
        ("absent.yaml", r"absent\.yaml: cannot be read"),
    ],
)
def test_a_stage_refuses_broken_sections(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load_stage("mel", text)


@pytest.mark.parametrize(("text", "said"), [("a: [1", "not valid YAML"), ("- 1\n", "found a list")])
def test_a_yaml_file_must_be_a_mapping(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=said):
        read_yaml(path)


@pytest.mark.parametrize("dataset", ["mead", "folder"])
def test_only_what_may_be_fetched_can_be_downloaded(dataset: str) -> None:
    with pytest.raises(ConfigError, match=rf"'{dataset}' cannot be downloaded \(allowed: crema_d, ravdess, grid\)"):
        load_config({"data": {"dataset": dataset}, "download": {"enabled": True}}, PRESETS)


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"download": {"mirror": "file:///data"}}, "download.mirror"),
        ({"data": {"views": ["behind"]}}, r"data\.views"),
        ({"data": {"dataset": "lrs2"}}, "'ravdess'"),
    ],
)
def test_wrong_values_of_data_and_download_are_named(section: dict, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load_config(section, PRESETS)


def test_a_mirror_reruns_the_download_alone() -> None:
    before = load_config({"data": {"dataset": "grid"}}, PRESETS)
    after = load_config({"data": {"dataset": "grid"}, "download": {"mirror": "https://example.org/grid"}}, PRESETS)
    changed = {stage for stage in STAGES if stage_sections(before, stage) != stage_sections(after, stage)}
    assert changed == {"download"}

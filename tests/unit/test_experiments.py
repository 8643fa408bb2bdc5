"""Several experiments in one configuration: who makes what, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from eap.config import ConfigError
from eap.experiments import BASE, ERA_LOSSES, MADE, load_experiments
from eap.losses.objective import ant_weights

PRESETS = Path(__file__).parents[2] / "workflow" / "presets"
DEMO = {"preset": "demo"}


def load(**experiments: dict):
    return load_experiments({**DEMO, "experiments": experiments}, PRESETS)


def test_a_run_without_experiments_is_the_base() -> None:
    found = load_experiments(DEMO, PRESETS)
    assert list(found.configs) == [BASE]
    assert all(found.makers(thing) == [BASE] for thing in MADE)
    assert found.changes(BASE) == {}


@pytest.mark.parametrize(
    ("overlay", "own"),
    [
        ({"loss": {"metric": 0}}, {"era"}),
        ({"era": {"epochs": 3}}, {"era"}),
        ({"loss": {"lip": 1}}, {"ant", "era"}),
        ({"ant": {"neutralization": False}}, {"ant", "era"}),
        ({"model": {"d_model": 48}}, {"ant", "era"}),
        ({"model": {"image_size": 32}}, {"student", "sync", "ant", "era", "controls"}),
        ({"student": {"steps": 7}}, {"student", "ant", "era"}),
        ({"audio": {"content_context": 4}}, set(MADE)),
        ({"labels": {"source": "landmarks"}}, set(MADE)),
        ({"critics": {"form": "hinge"}}, {"ant", "era"}),
        ({"engine": {"clip_norm": 1.0}}, {"ant", "era"}),
        ({"loss": {"metric_form": "contrastive"}}, {"era"}),
        ({"era": {"ant": "frozen", "lr_motion": 0}}, {"era"}),
    ],
)
def test_what_an_experiment_makes_itself(overlay: dict, own: set[str]) -> None:
    found = load(changed=overlay)
    assert {thing for thing in MADE if found.maker(thing, "changed") == "changed"} == own
    assert {found.maker(thing, "changed") for thing in MADE} <= {BASE, "changed"}


def test_the_earlier_of_two_equals_makes_it() -> None:
    found = load(a={"ant": {"epochs": 3}}, b={"ant": {"epochs": 3}, "era": {"epochs": 9}})
    assert found.maker("ant", "b") == "a"
    assert found.makers("ant") == [BASE, "a"]
    assert found.makers("era") == [BASE, "a", "b"]


def test_ant_reads_none_of_the_losses_that_keep_it() -> None:
    words = {
        "metric_form": "contrastive", "inten_form": "mse", "inten_target": "intensity", "intensity": "max", "decode": 0,
        "judged_at": "implied",
    }  # fmt: skip
    found = load(changed={"loss": {**dict.fromkeys(ERA_LOSSES, 3), **words}})
    base, changed = (ant_weights(found.configs[name].loss) for name in (BASE, "changed"))
    assert base == changed


def test_changes_name_key_and_value() -> None:
    found = load(a={"loss": {"metric": 0}, "ant": {"epochs": 3}})
    assert found.changes("a") == {"loss.metric": 0.0, "ant.epochs": 3}
    told = json.loads(found.describe())
    assert told["a"]["changes"] == {"loss.metric": 0.0, "ant.epochs": 3}
    assert (told["a"]["ant"], told["a"]["sync"], told[BASE]["ant"]) == ("a", BASE, BASE)


def test_another_preset_keeps_the_runs_own_keys() -> None:
    """The paper's losses and optimizers on the demo's corpus."""
    own = {**DEMO, "seeds": [4], "data": {"dataset": "phantom", "root": "data/phantom", "shards": 2}}
    own |= {
        "phantom": {"identities": 12, "takes": 1, "neutral_takes": 4},
        "labels": {"source": "phantom"},
        "split": {"test": 0.2},
    }
    shared = load_experiments(own, PRESETS).base.evaluation.model_dump()
    found = load_experiments({**own, "evaluation": shared, "experiments": {"paper": {"preset": "paper"}}}, PRESETS)
    assert found.configs["paper"].seeds == (4,)
    assert found.configs["paper"].model.image_size == 256
    assert found.configs["paper"].data == found.base.data


@pytest.mark.parametrize(
    ("experiments", "said"),
    [
        ({"a": {"losss": {"metric": 0}}}, r"experiments\.a: (.|\n)*losss: unknown key"),
        ({"a": {"loss": {"metrik": 0}}}, r"experiments\.a: (.|\n)*loss\.metrik: unknown key"),
        ({"a": {"ant": {"epochs": "many"}}}, r"experiments\.a: (.|\n)*ant\.epochs: 'many'"),
        ({"a": {"preset": "nowhere"}}, r"experiments\.a: preset: 'nowhere' is not a preset"),
        ({"a": {"split": {"test": 0.5}}}, r"experiments\.a\.split: all experiments share"),
        ({"a": {"preset": "clips"}}, r"experiments\.a\.data: all experiments share"),
        ({"a": {"seeds": [7]}}, r"experiments\.a\.seeds: all experiments share"),
        ({"a": {"loss": {"metric": 5}}}, r"experiments\.a: trains exactly what 'base' trains"),
        ({"a": {"era": {"epochs": 3}}, "b": {"era": {"epochs": 3}}}, r"experiments\.b: trains exactly what 'a' trains"),
        ({"a": {"sync": {"steps": 3}}}, r"experiments\.a: trains exactly what 'base' trains"),
        ({"base": {"era": {"epochs": 3}}}, r"experiments\.base: this name is taken"),
        ({"a": {"experiments": {"b": {}}}}, r"experiments\.a\.experiments: an experiment cannot hold experiments"),
        ({"a b": {"era": {"epochs": 3}}}, r"experiments\.a b"),
        ({"a": 3}, r"experiments\.a: 3 is not allowed"),
    ],
)  # fmt: skip
def test_what_cannot_be_compared_or_understood_is_refused(experiments: dict, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load(**experiments)

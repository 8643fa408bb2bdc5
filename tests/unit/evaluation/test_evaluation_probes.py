"""Input bias and saturation in single numbers, by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from eap.evaluation.probes import PROBES, bias_samples, eta_squared, probe_rows

EMPTY_SATURATION = pd.DataFrame(
    columns=["seed", "variant", "clip_id", "speaker_id", "level", "group_id", "gain", "judge", "intensity",
             "true_intensity"]
)  # fmt: skip
SOURCES = ("happy", "neutral", "sad")


def bias(value, clips=("a/1", "b/1", "c/1"), seeds=(0,), gains=(0.0, 1.0)) -> pd.DataFrame:
    """`value(clip, source, gain)` as valence; arousal constant; intensity = |valence|."""
    rows = []
    for seed in seeds:
        for clip in clips:
            for source in SOURCES:
                for gain in gains:
                    v = value(clip, source, gain)
                    rows.append({"seed": seed, "variant": "generated", "clip_id": clip, "speaker_id": clip[0],
                                 "source_emotion": source, "gain": gain, "judge": "era", "valence": v, "arousal": 0.5,
                                 "intensity": abs(v)})  # fmt: skip
    return pd.DataFrame(rows)


def number(rows, probe, **keys):
    found = [r for r in rows if r["probe"] == probe and all(r.get(k) == v for k, v in keys.items())]
    assert len(found) == 1, [r for r in rows if r["probe"] == probe]
    return found[0]


def test_eta_squared_by_hand():
    # Groups (1, 3) and (5, 7): mean 4, total 9 + 1 + 1 + 9 = 20; between 2 (2 - 4)^2 + 2 (6 - 4)^2 = 16.
    values = np.array([1.0, 3, 5, 7])
    between = 4**2 / 2 + 12**2 / 2
    assert eta_squared(np.array(4), values.sum(), (values**2).sum(), np.array(between)) == pytest.approx(0.8)
    assert np.isnan(eta_squared(np.array(2), np.array(6.0), np.array(18.0), np.array(18.0)))


def test_all_source_or_all_voice():
    leaks = {"happy": 0.8, "neutral": 0.0, "sad": -0.6}
    rows = probe_rows(bias(lambda clip, source, gain: leaks[source]), EMPTY_SATURATION)
    share = number(rows, "source_share", quantity="valence", gain=1.0)
    assert (share["mean"], share["low"], share["high"]) == pytest.approx((1, 1, 1))
    assert number(rows, "voice_share", quantity="valence", gain=1.0)["mean"] == pytest.approx(0, abs=1e-9)
    heard = {"a/1": 0.8, "b/1": 0.0, "c/1": -0.6}
    rows = probe_rows(bias(lambda clip, source, gain: heard[clip]), EMPTY_SATURATION)
    assert number(rows, "source_share", quantity="valence", gain=1.0)["mean"] == pytest.approx(0, abs=1e-9)
    assert number(rows, "voice_share", quantity="valence", gain=1.0)["mean"] == pytest.approx(1)


def test_shares_of_an_additive_output_add_up_and_chance_stands_beside_them():
    leak, heard = {"happy": 0.3, "neutral": 0.0, "sad": -0.3}, {"a/1": 0.4, "b/1": 0.0, "c/1": -0.4}
    rows = probe_rows(bias(lambda clip, source, gain: leak[source] + heard[clip], seeds=(0, 1)), EMPTY_SATURATION)
    source, voice = (number(rows, f"{name}_share", quantity="valence", gain=0.0) for name in ("source", "voice"))
    # Variances 0.06 and 0.1067 of the two parts.
    assert source["mean"] == pytest.approx(0.06 / (0.06 + 0.32 / 3))
    assert source["mean"] + voice["mean"] == pytest.approx(1)
    # Of what the other factor leaves, three exchanged labels explain a third
    assert (source["chance"], voice["chance"]) == pytest.approx(((1 - voice["mean"]) / 3, (1 - source["mean"]) / 3))
    assert (source["n"], source["n_speakers"], source["n_seeds"]) == (3, 3, 2)


def test_chance_is_what_exchanged_sources_give():
    """Outputs of voices and noise alone: over many draws of the noise the source's share is its luck on average."""
    rng = np.random.default_rng(0)
    heard = {"a/1": 0.6, "b/1": 0.0, "c/1": -0.6}
    found = []
    for _ in range(200):
        table = bias(lambda clip, source, gain: heard[clip] + 0.2 * rng.standard_normal(), gains=(1.0,))
        samples = [(names, sample) for names, sample in bias_samples(table) if names["quantity"] == "valence"]
        (row, sample) = next(found for found in samples if found[0]["probe"] == "source_share")
        found.append((sample.per_seed[0], row["chance"]))
    share, chance = np.mean(found, 0)
    assert share == pytest.approx(chance, rel=0.15)
    assert chance < 0.1  # and not the 2 / 8 of sources that are not crossed with voices


def test_a_voice_without_the_others_sources_is_left_out():
    """d has a neutral source only and a face of its own: "neutral" must not stand for d."""
    leak = {"happy": 0.3, "neutral": 0.0, "sad": -0.3}
    heard = {"a/1": 0.4, "b/1": 0.0, "c/1": -0.4, "d/1": 0.9}
    table = bias(lambda clip, source, gain: leak[source] + heard[clip], clips=tuple(heard))
    table = table[(table.clip_id != "d/1") | (table.source_emotion == "neutral")]
    share = number(probe_rows(table, EMPTY_SATURATION), "source_share", quantity="valence", gain=1.0)
    assert share["mean"] == pytest.approx(0.06 / (0.06 + 0.32 / 3))
    assert share["n"] == 3
    alone = table[table.source_emotion == "neutral"]
    share = number(probe_rows(alone, EMPTY_SATURATION), "source_share", quantity="valence", gain=1.0)
    assert share["reason"] == "no two voices were spoken from sources of the same two emotions"
    one = table[table.clip_id == "a/1"]  # of one voice, the source explains everything
    share = number(probe_rows(one, EMPTY_SATURATION), "source_share", quantity="valence", gain=1.0)
    assert share["reason"] == "no two voices were spoken from sources of the same two emotions"


def test_a_quantity_that_never_varies_has_no_share():
    rows = probe_rows(bias(lambda clip, source, gain: 0.1 if source == "sad" else 0.2), EMPTY_SATURATION)
    share = number(rows, "source_share", quantity="arousal", gain=1.0)
    assert np.isnan(share["mean"])
    assert "do not vary" in share["reason"]


def test_intensity_at_zero_beside_real_neutral_clips():
    made = bias(lambda clip, source, gain: 0.1 + gain)
    neutral = [{"seed": 0, "variant": "real", "clip_id": f"{p}/n{i}", "speaker_id": p, "judge": "era",
                "intensity": 0.04 * (i + 1)} for p in "abc" for i in range(2)]  # fmt: skip
    rows = probe_rows(pd.concat([made, pd.DataFrame(neutral)], ignore_index=True), EMPTY_SATURATION)
    assert number(rows, "intensity_at_zero")["mean"] == pytest.approx(0.1)
    assert number(rows, "intensity_real_neutral")["mean"] == pytest.approx(0.06)
    excess = number(rows, "intensity_excess")
    assert excess["mean"] == pytest.approx(0.04)
    assert excess["low"] < 0.04 < excess["high"]


def test_without_real_neutral_clips_the_reason_stands_there():
    rows = probe_rows(bias(lambda clip, source, gain: 0.1 + gain), EMPTY_SATURATION)
    for probe in ("intensity_real_neutral", "intensity_excess"):
        assert number(rows, probe)["reason"] == "no real neutral test clip of these people"


def saturation(intensity, groups=("a / happy", "b / sad"), levels=("low", "medium", "high")) -> pd.DataFrame:
    """`intensity(group, rank of the level, gain)`."""
    rows = []
    for group in groups:
        for rank, level in enumerate(levels):
            common = {"seed": 0, "clip_id": f"{group[0]}/{level}", "speaker_id": group[0], "level": level,
                      "group_id": group, "true_intensity": 0.3 * (rank + 1)}  # fmt: skip
            rows.append({**common, "variant": "real", "judge": "era", "gain": None, "intensity": rank})
            for gain in (0.0, 0.5, 1.0, 1.5):
                value = intensity(group, rank, gain)
                rows.append({**common, "variant": "generated", "judge": "era", "gain": gain, "intensity": value})
            rows.append({**common, "variant": "generated", "judge": "audio", "gain": 1.0, "intensity": 1 - rank})
    return pd.DataFrame(rows)


def test_shares_of_ordered_gains_and_levels():
    def intensity(group, rank, gain):
        if group == "b / sad":  # saturated: the strongest level shows no more than the middle one
            return gain * min(rank + 1, 2)
        return gain * (rank + 1) if rank else 1 - gain  # and a's weakest falls with the gain

    rows = probe_rows(bias(lambda *_: 0.0)[:0].assign(variant="generated"), saturation(intensity))
    gains = number(rows, "gains_ordered")
    assert gains["mean"] == pytest.approx(5 / 6)
    assert gains["chance"] == pytest.approx(1 / 24)
    assert gains["n"] == 6
    levels = number(rows, "levels_ordered", judge="era")
    assert levels["mean"] == pytest.approx(1 / 2)
    assert levels["chance"] == pytest.approx(1 / 6)
    # a: 0 < 2 < 3 all three; b: 1 < 2 and 1 < 2 but not 2 < 2.
    assert number(rows, "level_pairs_ordered", judge="era")["mean"] == pytest.approx((1 + 2 / 3) / 2)
    assert number(rows, "levels_ordered", judge="audio")["mean"] == 0
    assert number(rows, "levels_ordered_real")["mean"] == 1
    assert number(rows, "levels_ordered_truth")["mean"] == 1


def test_without_levels_gains_are_still_told():
    rows = probe_rows(bias(lambda *_: 0.0)[:0], saturation(lambda group, rank, gain: gain, levels=("high",)))
    assert number(rows, "gains_ordered")["mean"] == 1
    assert "differ in level" in number(rows, "levels_ordered")["reason"]


def test_a_face_that_is_not_found_leaves_the_group_out():
    table = saturation(lambda group, rank, gain: gain * (rank + 1))
    table.loc[(table.clip_id == "a/low") & (table.variant == "generated"), "intensity"] = np.nan
    rows = probe_rows(bias(lambda *_: 0.0)[:0], table)
    assert (number(rows, "gains_ordered")["n"], number(rows, "levels_ordered", judge="era")["n"]) == (5, 1)


def test_every_probe_is_described():
    rows = probe_rows(bias(lambda *_: 0.1), saturation(lambda group, rank, gain: gain))
    assert {row["probe"] for row in rows} == set(PROBES)

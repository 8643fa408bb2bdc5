"""The paper's promises as questions, each answered from the tables, whichever way the answer falls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from eap.experiments import BASE
from eap.reporting.metrics import describe
from eap.reporting.score_tables import score_text, text_of

Answer = Literal["yes", "no", "not distinguishable", "not measured"]
INDEPENDENT_JUDGES = ("faces", "points", "landmarks")
"""Who took no part in training the generator. Judge "era" did, so it is asked last."""


@dataclass(frozen=True)
class Claim:
    """A question, its answer, and the numbers that it rests on."""

    question: str
    answer: Answer
    evidence: str


def claims(comparisons: pd.DataFrame, probes: pd.DataFrame, flags: dict[str, str]) -> list[Claim]:
    """The base's answers.

    Parameters
    ----------
    comparisons, probes
        Those tables; of all experiments.
    flags
        By metric, why it proves nothing on this data.
    """
    own = comparisons[(comparisons["experiment"] == BASE) & (comparisons["other"] == BASE)]
    probed = probes[probes["experiment"] == BASE]
    judges = ranked_judges(own)
    return [
        _tested("Is the mouth where the real one is, more than in a copied still frame?", own, "still",
                ("lmd",), flags),
        _tested("Do the lips follow this voice, more than when another clip's voice is put in?", own, "shuffled",
                ("opening_correlation", "lmd_center"), flags),
        _tested("Does the strength of the emotion follow this voice, more than another clip's?", own, "shuffled",
                tuple(f"ccc_intensity/{judge}" for judge in judges), flags),
        _leak(probed, judges),
        _levels(probed, judges),
    ]  # fmt: skip


def ranked_judges(own: pd.DataFrame) -> tuple[str, ...]:
    """Who is asked first: of the independent judges the one that reads real video best, by CCC of intensity.

    Parameters
    ----------
    own
        The base's rows of table "comparisons"; those against real video hold what each judge reads there.
    """
    real = own[own["other_variant"] == "real"].drop_duplicates("metric").set_index("metric")["other_mean"]
    worth = {judge: real.get(f"ccc_intensity/{judge}", float("nan")) for judge in INDEPENDENT_JUDGES}
    ranked = sorted(INDEPENDENT_JUDGES, key=lambda judge: (pd.isna(worth[judge]), -worth[judge]))
    return (*ranked, "era")


def _tested(
    question: str, comparisons: pd.DataFrame, rival: str, metrics: tuple[str, ...], flags: dict[str, str]
) -> Claim:
    """From the paired test of the first of `metrics` that was tested."""
    rows = comparisons[comparisons["other_variant"] == rival].set_index("metric")
    tested = [name for name in metrics if name in rows.index and pd.notna(rows.loc[name, "difference"])]
    if not tested:
        return Claim(question, "not measured", f"There is no paired test against {rival!r}.")
    name = tested[0]
    row, metric = rows.loc[name], describe(name)
    unit = f"\u00a0{metric.unit}" if metric.unit else ""
    numbers = (
        f"{metric.label} {score_text(row['mean'], metric.decimals)}{unit} against "
        f"{score_text(row['other_mean'], metric.decimals)}{unit}"
    )
    if "/" in name:
        numbers += f", judge {name.partition('/')[2]}"
    answers: dict[str, Answer] = {"better": "yes", "worse": "no"}
    reason = f"; {row['reason']}" if text_of(row["reason"]) else ""
    caution = f" But this metric {flags[name]}." if name in flags else ""
    return Claim(question, answers.get(row["verdict"], "not distinguishable"), f"{numbers}{reason}.{caution}")


def _leak(probes: pd.DataFrame, judges: tuple[str, ...]) -> Claim:
    question = "Is the source face's own emotion kept out of the result?"
    row = _asked(probes[(probes["quantity"] == "intensity") & (probes["gain"] == 1)], "source_share", judges)
    if row is None:
        why = probes[probes["probe"] == "source_share"]["reason"].dropna()
        return Claim(question, "not measured", f"{_sentence(why.iloc[0])}." if len(why) else "Not tested.")
    text = f"The source explains {_percent(row['mean'])} of the variance of intensity at g = 1 (luck: "
    text += f"{_percent(row['chance'])}), judge {row['judge']}"
    if pd.isna(row["low"]) or pd.isna(row["chance"]):
        return Claim(question, "not distinguishable", f"{text}; no interval.")
    text += f"; 95 % interval {_percent(row['low'])} to {_percent(row['high'])}."
    if row["low"] > row["chance"]:
        return Claim(question, "no", text)
    return Claim(question, "yes" if row["high"] <= row["chance"] else "not distinguishable", text)


def _levels(probes: pd.DataFrame, judges: tuple[str, ...]) -> Claim:
    question = "Does intensity rise with the level that was acted, rather than saturate?"
    row = _asked(probes, "level_pairs_ordered", judges)
    if row is None:
        missing = probes[probes["probe"] == "levels_ordered"]["reason"].dropna()
        return Claim(question, "not measured", f"{_sentence(missing.iloc[0])}." if len(missing) else "Not tested.")
    text = f"{_percent(row['mean'])} of the pairs of levels are in the right order (luck: {_percent(row['chance'])}), "
    text += f"judge {row['judge']}, {int(row['n'])} groups"
    if pd.isna(row["low"]):
        return Claim(question, "not distinguishable", f"{text}; too few for an interval.")
    text += f"; 95 % interval {_percent(row['low'])} to {_percent(row['high'])}."
    if row["low"] > row["chance"]:
        return Claim(question, "yes", text)
    return Claim(question, "no" if row["high"] < row["chance"] else "not distinguishable", text)


def _asked(probes: pd.DataFrame, probe: str, judges: tuple[str, ...]) -> Any:
    """The row of the first of the judges with a value, or None."""
    rows = probes[(probes["probe"] == probe) & probes["mean"].notna()].set_index("judge")
    judge = next((judge for judge in judges if judge in rows.index), None)
    if judge is None:
        return None
    found = rows.loc[[judge]].iloc[0]
    return {**found.to_dict(), "judge": judge}


def _percent(value: float) -> str:
    return f"{100 * value:.0f}\u00a0%"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]

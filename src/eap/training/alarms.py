"""The alarm "nothing learnt": marks of a training that runs without error and teaches nothing.

At every validation each rule that applies leaves a row in the history (part ``alarm``, value 1 raised, 0 not), a raised
one a line in the log; the stage's summary carries the last as ``alarm_<rule>``, and the report shows it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from eap.losses.adversarial import FORMS

NEAR_CHANCE = 0.98
"""A loss above this share of chance's is chance's."""
CRITIC_WON = 0.02
"""L_adv of D below which G's gradient has all but vanished from what D can still teach."""
STILL = 0.1
"""Motion of generated frames, as a share of the real ones', below which they stand still."""

CHANCE = "critic_chance"
"""L_adv of a D that cannot tell (`eap.losses.adversarial.GanForm.chance`; 2 ln 2 for Eqs. 3, 5)."""

Values = Mapping[str, float]


@dataclass(frozen=True)
class Alarm:
    """One rule, over the means of training terms since the last validation and the validation's terms."""

    name: str
    meaning: str
    needs: tuple[str, ...]
    """Terms without which it does not apply, as ``part/term``."""
    rule: Callable[[Values], bool]


def _critic(term: str, who: str) -> tuple[Alarm, Alarm]:
    key = f"train/{term}"
    return (
        Alarm(
            f"{term}_at_chance",
            f"{who} cannot tell real from generated frames (loss 2 ln 2, or its form's): it learnt nothing, or G all",
            (key, CHANCE),
            lambda v: abs(v[key] / v[CHANCE] - 1) < 1 - NEAR_CHANCE,
        ),
        Alarm(
            f"{term}_won",
            f"{who} tells real from generated frames without fail (its loss is 0): G learns nothing from it",
            (key,),
            lambda v: v[key] < CRITIC_WON,
        ),
    )


RULES = (
    Alarm(
        "sync_at_chance",
        "the sync expert finds held-out sound no better than chance (ln of the number of windows; ln 2 for two): it "
        "has learnt nothing, and its scores mean nothing",
        ("validation/loss", "validation/chance_loss"),
        lambda v: v["validation/loss"] > NEAR_CHANCE * v["validation/chance_loss"],
    ),
    *_critic("discriminator", "D"),
    *_critic("emotion_discriminator", "D_E"),
    Alarm(
        "frames_constant",
        "generated held-out frames hardly change in time: G ignores its driving signals",
        ("validation/motion",),
        lambda v: v["validation/motion"] < STILL,
    ),
)
MEANING = {alarm.name: alarm.meaning for alarm in RULES}
LOOKS_AT_HELD_OUT = {"sync": "sync_at_chance", "ant": "frames_constant", "era": "frames_constant"}
"""The rule of each training that needs held-out clips, and is silent without any."""


def judge(values: Values, form: str = "non_saturating") -> dict[str, bool]:
    """Whether each rule that applies to these values (by ``part/term``) is raised; `form` of the adversarial losses."""
    values = {**values, CHANCE: FORMS[form].chance}
    return {alarm.name: alarm.rule(values) for alarm in RULES if all(key in values for key in alarm.needs)}


def recent_values(history: Sequence[Sequence[Any]], since: int) -> dict[str, float]:
    """Means by ``part/term`` of the history's rows after step `since`."""
    rows: dict[str, list[float]] = {}
    for step, _, part, term, value in history:
        if step > since:
            rows.setdefault(f"{part}/{term}", []).append(value)
    return {key: sum(values) / len(values) for key, values in rows.items()}


def raised_at_end(history: pd.DataFrame) -> list[str]:
    """What the alarms say that stand raised at the end of a history (table `history`), for the report."""
    rows = history[history["part"] == "alarm"]
    last = rows[rows["step"] == rows["step"].max()]
    return [MEANING.get(term, term) for term in last[last["value"] > 0]["term"]]


def unjudged_at_end(stage: str, history: pd.DataFrame) -> str | None:
    """The rule that a training (`LOOKS_AT_HELD_OUT`) could not be judged by, having no held-out clip; None: it was."""
    rule = LOOKS_AT_HELD_OUT.get(stage)
    judged = history.loc[history["part"] == "alarm", "term"]
    return None if rule in set(judged) else rule

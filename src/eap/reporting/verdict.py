"""The page's first sentence: what the scores say, computed from them, whichever way it falls."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from eap.experiments import BASE
from eap.reporting.metrics import VARIANTS, variant_key
from eap.reporting.score_tables import Score, score_cells, score_text, text_of


@dataclass(frozen=True)
class Verdict:
    """What the scores say about the claim that the generated video beats a copied still frame."""

    holds: bool | None
    headline: str
    details: tuple[str, ...]


@dataclass(frozen=True)
class Bar:
    """One row of the chart of LMD; lengths in percent of the axis; `low`, `high` None: no interval."""

    variant: str
    label: str
    text: str
    length: float
    low: float | None
    high: float | None


def verdict(summary: pd.DataFrame, scores: pd.DataFrame, comparisons: pd.DataFrame) -> Verdict:
    """Whether the generated video has a lower LMD than the copied still frame, in words, with its qualifications.

    Parameters
    ----------
    summary, scores
        One experiment's.
    comparisons
        All paired tests: the base's decides whether the difference counts.
    """
    cells = score_cells(summary, scores)
    generated, still = cells.get(("generated", "lmd")), cells.get(("still", "lmd"))
    for name, cell in (("generated video", generated), ("copied still frame", still)):
        if cell is None or cell.mean is None:
            why = "it was not measured" if cell is None else cell.note
            return Verdict(None, f"No verdict: the LMD of the {name} is undefined ({why}).", ())
    called, reason = _called(comparisons)
    holds = {"better": True, "worse": False}.get(called)
    x, y = _px(generated.mean), _px(still.mean)
    has = "has a lower LMD" if generated.mean < still.mean else "does not have a lower LMD"
    doubt = ", but that may be chance" if holds is None and generated.mean < still.mean else ""
    headline = f"The generated video {has} ({x}) than the copied still frame ({y}){doubt}."
    details = [_tested(called, reason), _seed_agreement(scores), _centred(cells), _opening(cells), _bound(cells)]
    return Verdict(holds, headline, tuple(text for text in details if text))


def _called(comparisons: pd.DataFrame) -> tuple[str | None, str]:
    """Verdict and reason of the paired test against the still frame; None if there is none."""
    rows = comparisons[(comparisons["experiment"] == BASE) & (comparisons["other"] == BASE)]
    rows = rows[(rows["other_variant"] == "still") & (rows["metric"] == "lmd")]
    return (None, "") if rows.empty else (rows["verdict"].iloc[0], text_of(rows["reason"].iloc[0]))


def _tested(called: str | None, reason: str) -> str:
    if called is None:
        return "There is no paired test of this difference."
    return f"Paired test over speakers: {called}{f' ({reason})' if reason else ''}."


def _px(value: float) -> str:
    return f"{score_text(value)}\u00a0px"  # kept on one line


def _seed_agreement(scores: pd.DataFrame) -> str:
    rows = scores[(scores["metric"] == "lmd") & scores["value"].notna()]
    still = rows.loc[rows["variant"] == "still", "value"].mean()
    pairs = [(own["value"].mean(), still) for _, own in rows[rows["variant"] == "generated"].groupby("seed")]
    if len(pairs) == 1:
        return "One seed: nothing is known about the spread between runs."
    return f"The generated video's LMD is lower in {sum(x < y for x, y in pairs)} of {len(pairs)} seeds."


def _centred(cells: dict[tuple[str, str], Score]) -> str:
    x, y = (_mean(cells, variant, "lmd_center") for variant in ("generated", "still"))
    if x is None or y is None:
        return ""
    also = "lower" if x < y else "not lower"
    return f"Lips alone, with the mouths' centres aligned: {_px(x)} against {_px(y)}, {also}."


def _opening(cells: dict[tuple[str, str], Score]) -> str:
    x = _mean(cells, "generated", "opening_correlation")
    return "" if x is None else f"Its mouth opening correlates with the real one at r = {score_text(x)}."


def _bound(cells: dict[tuple[str, str], Score]) -> str:
    x = _mean(cells, "real", "lmd")
    return "" if x is None else f"The real recording at the model's resolution reaches {_px(x)}: the bound."


def _mean(cells: dict[tuple[str, str], Score], variant: str, metric: str) -> float | None:
    cell = cells.get((variant, metric))
    return None if cell is None else cell.mean


def lmd_bars(summary: pd.DataFrame, scores: pd.DataFrame) -> list[Bar]:
    """LMD of each variant that has one, for the small chart under the verdict."""
    cells = {variant: cell for (variant, metric), cell in score_cells(summary, scores).items() if metric == "lmd"}
    defined = {variant: cells[variant] for variant in sorted(cells, key=variant_key) if cells[variant].mean is not None}
    longest = max((max(cell.mean, cell.high or 0) for cell in defined.values()), default=0) or 1

    def share(value: float | None) -> float | None:
        return None if value is None else round(100 * value / longest, 2)

    return [
        Bar(variant, VARIANTS.get(variant, (variant, ""))[0], score_text(cell.mean), share(cell.mean),
            share(cell.low), share(cell.high))
        for variant, cell in defined.items()
    ]  # fmt: skip

"""The page's first sentence: what the scores say, computed from them, whichever way it falls."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from eap.reporting.metrics import VARIANTS, variant_key
from eap.reporting.tables import Score, score_cells, score_text


@dataclass(frozen=True)
class Verdict:
    """What the scores say about the claim that the generated video beats a copied still frame."""

    holds: bool | None
    headline: str
    details: tuple[str, ...]


@dataclass(frozen=True)
class Bar:
    """One row of the chart of LMD; lengths in percent of the longest bar with its whisker."""

    variant: str
    label: str
    text: str
    length: float
    whisker: float


def verdict(summary: pd.DataFrame, scores: pd.DataFrame) -> Verdict:
    """Whether the generated video has a lower LMD than the copied still frame, in words, with its qualifications."""
    cells = score_cells(summary, scores)
    generated, still = cells.get(("generated", "lmd")), cells.get(("still", "lmd"))
    for name, cell in (("generated video", generated), ("copied still frame", still)):
        if cell is None or cell.mean is None:
            why = "it was not measured" if cell is None else cell.note
            return Verdict(None, f"No verdict: the LMD of the {name} is undefined ({why}).", ())
    holds = generated.mean < still.mean
    x, y = _px(generated.mean), _px(still.mean)
    has = "has a lower LMD" if holds else "does not have a lower LMD"
    headline = f"The generated video {has} ({x}) than the copied still frame ({y})."
    details = [_seed_agreement(scores), _spread(generated, still)]
    details += [_centred(cells), _opening(cells), _bound(cells)]
    return Verdict(holds, headline, tuple(text for text in details if text))


def _px(value: float) -> str:
    return f"{score_text(value)}\u00a0px"  # kept on one line


def _seed_agreement(scores: pd.DataFrame) -> str:
    rows = scores[(scores["metric"] == "lmd") & scores["value"].notna()]
    still = rows.loc[rows["variant"] == "still", "value"].mean()
    pairs = [(own["value"].mean(), still) for _, own in rows[rows["variant"] == "generated"].groupby("seed")]
    if len(pairs) == 1:
        return "One seed: nothing is known about the spread between runs."
    return f"The generated video's LMD is lower in {sum(x < y for x, y in pairs)} of {len(pairs)} seeds."


def _spread(generated: Score, still: Score) -> str:
    gap = abs(generated.mean - still.mean)
    if generated.std is None or gap >= generated.std:
        return ""
    return f"The difference ({_px(gap)}) is smaller than the standard deviation between seeds ({_px(generated.std)})."


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
    longest = max((cell.mean + (cell.std or 0) for cell in defined.values()), default=0) or 1
    return [
        Bar(
            variant,
            VARIANTS.get(variant, (variant, ""))[0],
            score_text(cell.mean) + (f" ± {score_text(cell.std)}" if cell.std is not None else ""),
            round(100 * cell.mean / longest, 2),
            round(100 * (cell.std or 0) / longest, 2),
        )
        for variant, cell in defined.items()
    ]

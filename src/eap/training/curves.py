"""Loss curves of one training run as a picture, for the tracking run's artifacts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from eap.files import atomic_path

COLUMNS = 4


def draw_curves(path: Path, history: Sequence[Sequence[Any]], title: str) -> None:
    """One panel per term: training as a line, held-out data as dots.

    Parameters
    ----------
    history
        Rows of `eap.training.engine.run_steps`: step, epoch, part, term, value.
    """
    curves: dict[str, dict[str, list[tuple[int, float]]]] = defaultdict(lambda: defaultdict(list))
    for step, _, part, term, value in history:
        if part != "alarm":
            curves[term][part].append((step, value))
    rows = -(-len(curves) // COLUMNS)
    figure = Figure(figsize=(4 * COLUMNS, 2.6 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title)
    for number, (term, parts) in enumerate(curves.items()):
        axes = figure.add_subplot(rows, COLUMNS, number + 1, title=term, xlabel="step")
        for part, points in parts.items():
            axes.plot(*zip(*points, strict=True), "o" if part == "validation" else "-", markersize=3, label=part)
        axes.legend(fontsize="small")
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=80)

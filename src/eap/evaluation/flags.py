"""Which metrics prove nothing on this data: those that cannot rank real video above the controls that they should.

A score is worth reading only where it tells a recording from a fake that is wrong in the very way that it measures.
"""

from __future__ import annotations

from eap.evaluation.pairs import Direction, tells_apart
from eap.evaluation.samples import Samples

CONTROL_NAMES = {
    "still": "a copied still frame",
    "shifted": "its own pictures 5 frames late",
}

CHECKED = {
    "lmd": ("still", "shifted"),
    "opening_correlation": ("shifted",),  # of a still mouth it is undefined
    "width_correlation": ("shifted",),
    "opening_amplitude": ("still",),  # a mouth that moves late moves as much
    "lse": ("still", "shifted"),
    "offset": ("shifted",),
    "abs_offset": ("shifted",),
    "coverage": (),  # of a face that is found says nothing about what it does
    "identity": (),  # a still frame, and the recording late, show the same person
    "emotion_accuracy": ("still",),  # its source shows another emotion, where there is one
}
"""Beginning of a metric's name -> controls that it must tell from real video. All others: the still frame."""


def flag(metric: str, better: Direction | None, samples: Samples) -> str | None:
    """Why a metric proves nothing on this data, or None if it ranks real video above its controls.

    Parameters
    ----------
    samples
        All scores of one experiment. A control that was not measured, or has no value, is no reason.
    """
    real = samples.get(("real", metric))
    failed = []
    for control in controls_of(metric):
        other = samples.get((control, metric))
        if real is not None and other is not None and tells_apart(real, other, better) is False:
            failed.append(CONTROL_NAMES[control])
    return f"cannot tell real video from {' or from '.join(failed)} on this data" if failed else None


def controls_of(metric: str) -> tuple[str, ...]:
    """The controls that a metric must tell from real video."""
    return next((controls for start, controls in CHECKED.items() if metric.startswith(start)), ("still",))

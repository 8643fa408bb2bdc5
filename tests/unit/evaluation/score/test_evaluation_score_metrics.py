"""The list of metrics and the table's columns are one."""

from __future__ import annotations

from importlib import import_module

from eap.evaluation.score.metrics import GROUPS, METRICS
from eap.evaluation.score.settings import WEIGHTS
from eap.schemas import SCHEMAS, SCORE_METRICS


def test_every_metric_of_a_clip_has_a_column() -> None:
    assert {name for name, metric in METRICS.items() if metric.per_clip} == set(SCORE_METRICS)
    assert set(SCORE_METRICS) < set(SCHEMAS["score_clips"].names)


def test_every_group_can_be_measured() -> None:
    for group in GROUPS.values():
        assert callable(import_module(group.module).measure)
        assert group.weights is None or group.weights in WEIGHTS

"""The next step's value is computed ahead, and is always that of the function."""

from __future__ import annotations

import threading

import pytest

from eap.data.prefetch import Prefetched


def test_values_are_those_of_the_function_in_any_order():
    draw = Prefetched(lambda step: 10 * step)
    assert [draw(step) for step in (0, 1, 2, 7, 8, 3, 3)] == [0, 10, 20, 70, 80, 30, 30]


def test_the_next_step_is_computed_before_it_is_asked_for():
    ready = [threading.Event() for _ in range(3)]

    def compute(step: int) -> int:
        ready[step].set()
        return step

    draw = Prefetched(compute)
    draw(0)
    assert ready[1].wait(10)
    assert not ready[2].is_set()
    assert draw(1) == 1
    assert ready[2].wait(10)


def test_a_fault_reaches_the_caller_at_its_step():
    def compute(step: int) -> int:
        if step == 1:
            raise ValueError("no clip")
        return step

    draw = Prefetched(compute)
    assert draw(0) == 0
    with pytest.raises(ValueError, match="no clip"):
        draw(1)

"""Batches drawn ahead."""

from __future__ import annotations

import threading

import pytest

from eap.training.prefetch import Prefetcher


@pytest.mark.parametrize("depth", [0, 1, 2, 5])
def test_batches_come_in_order_and_not_further_ahead_than_asked(depth):
    drawn: list[int] = []
    with Prefetcher(lambda i: drawn.append(i) or 10 * i, 3, 9, depth) as batches:
        for number in range(3, 9):
            assert batches.take() == 10 * number
            batches.settle()
            assert drawn == list(range(3, min(number + depth, 8) + 1))
    assert batches.waited_s > 0


def test_drawing_does_not_disturb_the_step():
    """While a step runs the next batch is drawn, in another thread; after `settle` that thread rests."""
    started, go_on, owners = threading.Event(), threading.Event(), set()

    def draw(number):
        owners.add(threading.current_thread().name)
        if number == 1:
            started.set()
            assert go_on.wait(30)
        return number

    with Prefetcher(draw, 0, 3, 1) as batches:
        assert batches.take() == 0
        assert started.wait(30)  # batch 1 is being drawn although nobody has asked for it
        go_on.set()
        batches.settle()
        assert [batches.take(), batches.take()] == [1, 2]
    assert len(owners) == 1
    assert threading.current_thread().name not in owners


def test_an_error_is_raised_where_the_batch_is_taken():
    def draw(number):
        if number == 1:
            raise ValueError("clip 1 is broken")
        return number

    with Prefetcher(draw, 0, 4) as batches:
        assert batches.take() == 0
        with pytest.raises(ValueError, match="clip 1 is broken"):
            batches.take()

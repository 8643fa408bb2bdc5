"""`eap.data.clip_pool`: clips that hang or crash their process take nothing else with them."""

from __future__ import annotations

import ctypes
import os
import signal
import time

import pytest

from eap.data import faces
from eap.data.clip_pool import HUGE_PAGES, ClipFault, ClipPool, shared


def work(clip: str) -> str:
    """What a decoder may do to its process."""
    if clip == "hangs":
        time.sleep(600)
    if clip == "crashes":
        ctypes.string_at(0)  # reads address 0: a segmentation fault
    if clip == "is killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if clip == "is wrong":
        raise KeyError(clip)
    return f"{clip} in {os.environ.get('GLIBC_TUNABLES', '')}"


def loaded_models(_: str) -> int:
    """How many of dlib's models this process has without having asked for one."""
    return sum(model.cache_info().currsize for model in (faces._detector, faces._predictor))


def test_faults_are_told_in_their_place_and_everything_else_is_done():
    clips = ["first", "crashes", *[f"good {i}" for i in range(6)], "hangs", "is killed", "last"]
    with ClipPool(2, 5) as pool:
        found = dict(zip(clips, pool.run(work, clips), strict=True))
        assert list(pool.run(work, ["again"])) == [f"again in {HUGE_PAGES}"]
    assert found.pop("crashes") == ClipFault("crashed the process that read it (SIGSEGV)")
    assert found.pop("is killed") == ClipFault("crashed the process that read it (SIGKILL)")
    assert found.pop("hangs") == ClipFault("took longer than 5 s (data.clip_limit_s) and was stopped")
    assert list(found.values()) == [f"{clip} in {HUGE_PAGES}" for clip in found]
    assert "GLIBC_TUNABLES" not in os.environ


def test_a_fault_of_the_code_stops_the_run():
    with ClipPool(1, 60) as pool, pytest.raises(KeyError, match="is wrong"):
        list(pool.run(work, ["good", "is wrong"]))


def test_items_are_taken_as_they_are_needed():
    taken = []

    def items():
        for i in range(50):
            taken.append(i)
            yield f"{i}"

    with ClipPool(1, 60) as pool:
        results = pool.run(work, items())
        next(results)
        assert len(taken) <= 4
        assert sum(1 for _ in results) == 49


def test_a_shared_pool_is_left_running():
    with ClipPool(1, 60) as pool:
        with shared(pool, 1, 1) as same:
            assert same is pool
            assert len(list(same.run(work, ["a"]))) == 1
        assert len(list(pool.run(work, ["b"]))) == 1
    with shared(None, 1, 60) as own:
        assert own.limit_s == 60


def test_models_are_loaded_once_for_all_processes():
    with ClipPool(2, 60) as pool:
        assert list(pool.run(loaded_models, "abcd")) == [2, 2, 2, 2]

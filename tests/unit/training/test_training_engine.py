"""The training loop."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from eap.schemas import read_table
from eap.stage import no_log
from eap.training.checkpoint import Checkpoint
from eap.training.engine import (
    LOG_EVERY,
    frozen,
    optimise,
    run_steps,
    sample_frames,
    write_history,
)


def run(steps, step=None, validate=None, checkpoint=None, every=10, log=no_log, early_stop=None):
    return run_steps(
        name="test",
        steps=steps,
        steps_per_epoch=4,
        draw=lambda i: i,
        step=lambda batch, i: (step or (lambda i: {"loss": float(i)}))(batch),
        validate=validate or dict,
        checkpoint=checkpoint,
        checkpoint_every=every,
        log=log,
        early_stop=early_stop,
    )


def test_history_holds_means_epochs_and_validation():
    calls = []
    rows = run(23, validate=lambda: calls.append(1) or {"loss": 7.0}, every=20)
    train = [row for row in rows if row[2] == "train"]
    # steps 1-10, 11-20 and the rest; step i logged i - 1
    assert train == [[10, 2, "train", "loss", 4.5], [20, 4, "train", "loss", 14.5], [23, 5, "train", "loss", 21.0]]
    assert [row for row in rows if row[2] == "validation"] == [
        [20, 4, "validation", "loss", 7.0],
        [23, 5, "validation", "loss", 7.0],
    ]
    assert len(calls) == 2


def test_every_record_is_logged():
    logged = []
    run(LOG_EVERY, validate=lambda: {"loss": 1.0}, log=lambda metrics, step: logged.append((dict(metrics), step)))
    assert logged == [({"train/loss": 4.5}, 10), ({"validation/loss": 1.0}, 10)]


@pytest.mark.parametrize("every", [3, 7, 10, 1000])
def test_checkpoints_come_as_often_as_configured(tmp_path, every):
    """Also where the interval is no multiple of the logging interval."""
    checkpoint = Checkpoint(tmp_path, "x", {}, {})
    saved = []
    checkpoint.save = lambda step, history: saved.append(step)
    run(25, checkpoint=checkpoint, every=every)
    assert saved == [*range(every, 25, every), 25]


@pytest.mark.parametrize("every", [3, 7, 10])
def test_interrupted_history_is_the_uninterrupted_one(tmp_path, every):
    whole = run(25, every=every)

    def failing(i):
        if i == 22:
            raise KeyboardInterrupt
        return {"loss": float(i)}

    with pytest.raises(KeyboardInterrupt):
        run(25, failing, checkpoint=Checkpoint(tmp_path, "x", {}, {}), every=every)
    seen = []
    resumed = run(
        25, lambda i: seen.append(i) or {"loss": float(i)}, checkpoint=Checkpoint(tmp_path, "x", {}, {}), every=every
    )
    assert resumed == whole
    assert seen == list(range(22 // every * every, 25))


def test_a_finished_run_is_not_repeated(tmp_path):
    whole = run(5, checkpoint=Checkpoint(tmp_path, "x", {}, {}))

    def never(i):
        raise AssertionError(i)

    assert run(5, never, checkpoint=Checkpoint(tmp_path, "x", {}, {})) == whole


def test_alarms_are_told_kept_and_pass(capsys):
    """D's loss is 2 ln 2 up to step 10, 1 after: the history has the alarm of the first validation only."""
    logged = []
    rows = run(
        20,
        step=lambda i: {"discriminator": 1.386 if i < 10 else 1.0},
        validate=lambda: {"motion": 0.01},
        log=lambda metrics, step: logged.append((dict(metrics), step)),
    )
    alarms = {(step, term): value for step, _, part, term, value in rows if part == "alarm"}
    assert alarms == {
        (10, "discriminator_at_chance"): 1, (10, "discriminator_won"): 0, (10, "frames_constant"): 1,
        (20, "discriminator_at_chance"): 0, (20, "discriminator_won"): 0, (20, "frames_constant"): 1,
    }  # fmt: skip
    told = [line for line in capsys.readouterr().out.splitlines() if "ALARM" in line]
    assert [line.split(":")[1] for line in told] == [" ALARM at step 10"] * 2 + [" ALARM at step 20"]
    assert "D cannot tell real from generated" in told[0]
    assert (
        {"alarm/discriminator_at_chance": 1, "alarm/discriminator_won": 0, "alarm/frames_constant": 1},
        10,
    ) in logged


def test_progress_tells_rate_time_left_waiting_and_losses(capsys):
    run(20)
    first, last = capsys.readouterr().out.splitlines()
    pattern = r"test: step %d/20, [\d.]+ steps/s, 0:00:00 left, \d+%% waiting for data, loss=%s"
    assert re.fullmatch(pattern % (10, "4.5"), first)
    assert re.fullmatch(pattern % (20, "14.5"), last)


class StopAfter:
    """An early stop that has seen enough after some validations."""

    def __init__(self, validations):
        self.left, self.best_step = validations, 10

    @property
    def stopped(self):
        return self.left <= 0

    def see(self, values, step):
        self.left -= 1

    def state_dict(self):
        return {"left": self.left}

    def load_state_dict(self, state):
        self.left = state["left"]


def test_an_early_stop_ends_the_run_and_it_is_not_taken_up_again(tmp_path, capsys):
    stop = StopAfter(3)
    rows = run(100, checkpoint=Checkpoint(tmp_path, "x", {}, {}, {"stop": stop}), early_stop=stop)
    assert rows[-1][0] == 30
    assert "stopped at step 30: held-out LMD was lowest at step 10" in capsys.readouterr().out
    again = StopAfter(3)

    def never(i):
        raise AssertionError(i)

    assert run(100, never, checkpoint=Checkpoint(tmp_path, "x", {}, {}, {"stop": again}), early_stop=again) == rows


def test_history_table(tmp_path: Path):
    picture = write_history(tmp_path / "h.parquet", run(12), [], "a title")
    table = read_table(tmp_path / "h.parquet", "history")
    assert table.value.tolist() == [4.5, 10.5]
    assert table.step.tolist() == [10, 12]
    assert picture.parent == tmp_path
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_frozen_lets_gradients_through_and_restores():
    torch.manual_seed(0)
    first, second = torch.nn.Linear(3, 3), torch.nn.Linear(3, 1)
    second.bias.requires_grad_(False)
    with pytest.raises(RuntimeError, match="stop"), frozen(second):
        raise RuntimeError("stop")
    with frozen(second):
        out = second(first(torch.ones(1, 3)))
    assert [p.requires_grad for p in second.parameters()] == [True, False]
    out.sum().backward()
    assert first.weight.grad.abs().sum() > 0
    assert second.weight.grad is None


def test_one_real_frame_of_each_clip():
    torch.manual_seed(0)
    frames = torch.arange(3 * 5).float().reshape(3, 5, 1, 1, 1)
    mask = torch.tensor([[True] * 5, [True, True, False, False, False], [False] * 4 + [True]])
    drawn = torch.stack([sample_frames(frames, mask).flatten() for _ in range(200)])
    assert set(drawn[:, 0].tolist()) == {0, 1, 2, 3, 4}
    assert set(drawn[:, 1].tolist()) == {5, 6}
    assert set(drawn[:, 2].tolist()) == {14}


def test_optimise_takes_one_step():
    weight = torch.nn.Parameter(torch.tensor(2.0))
    optimizer = torch.optim.SGD([weight], lr=0.1)
    for _ in range(2):  # gradients do not add up
        optimise(optimizer, 3 * weight)
    assert weight.item() == pytest.approx(2 - 2 * 0.3)

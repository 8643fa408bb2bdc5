"""Motion and LMD of held-out frames, and the early stop."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_data import PRESETS, tiny_config
from torch import nn

from eap.config import EarlyStopping, EngineConfig, load_config
from eap.stage import StageError
from eap.training.held_out import EarlyStop, enlarge, held_out_batches, held_out_lmd, motion, release, shown_frames
from eap.training.updates import Updates

OFF = tiny_config().engine


def test_motion_is_a_share_of_the_real_ones():
    torch.manual_seed(0)
    real = torch.rand(2, 4, 3, 8, 8)
    still = real[:, :1].expand_as(real)
    assert motion([(real, real)]) == {"motion": 1.0}
    assert motion([(still, real)]) == {"motion": 0.0}
    assert motion([(0.5 * real, real), (0.5 * real, real)])["motion"] == pytest.approx(0.5)
    assert motion([(real[:, :1], real[:, :1])]) == {}  # one frame has no motion


def face_of(offset):
    points = np.arange(136, dtype=np.float32).reshape(68, 2)
    return points + offset


def detect_brightness(frames_THWC):
    """A face that lies as far to the right and down as the frame is bright; a black frame has none."""
    levels = frames_THWC.reshape(len(frames_THWC), -1).mean(1)
    found = [face_of(level) if level > 0 else np.full((68, 2), np.nan) for level in levels]
    return np.stack(found).astype(np.float32), []


@pytest.mark.parametrize(("rendered", "frames", "shown"), [(1, 24, 2), (4, 24, 4), (1, 1, 1)])
def test_two_frames_are_shown_where_one_is_rendered_in_training(rendered, frames, shown):
    config = load_config({"ant": {"rendered_frames": rendered, "frames": frames}}, PRESETS)
    assert shown_frames(config.ant) == shown


def test_lmd_by_hand():
    """Levels 10 against 13, 10 against 10, and one frame in which no face is found: (3 sqrt 2 + 0) / 2 px."""
    level = torch.tensor([10.0, 10.0, 0.0]) / 127.5 - 1
    other = torch.tensor([13.0, 10.0, 10.0]) / 127.5 - 1
    frames = [values[None, :, None, None, None].expand(1, 3, 3, 8, 8) for values in (level, other)]
    values = held_out_lmd([tuple(frames)], detect_brightness)
    assert values == {"lmd": pytest.approx(3 * 2**0.5 / 2), "lmd_coverage": pytest.approx(2 / 3)}
    black = torch.full((1, 3, 3, 8, 8), -1.0)
    assert held_out_lmd([(black, frames[1])], detect_brightness) == {"lmd_coverage": 0.0}


def test_frames_are_looked_at_as_in_the_evaluation():
    frames = torch.tensor([-1.0, 0.2, 1.5])[:, None, None, None].expand(3, 3, 16, 16)
    large = enlarge(frames)
    assert large.shape == (3, 256, 256, 3)
    assert large.dtype == np.uint8
    assert [set(np.unique(frame)) for frame in large] == [{0}, {153}, {255}]


def stopper(patience=2, min_delta_px=0.1, engine=OFF):
    module = nn.Linear(1, 1, bias=False)
    updates = Updates(engine, "cpu", {"m": module}, averaged=["m"])
    return (
        module,
        updates,
        EarlyStop(EarlyStopping(patience=patience, min_delta_px=min_delta_px), {"m": module}, updates),
    )


def test_stops_when_lmd_has_not_fallen_and_keeps_the_best():
    module, updates, stop = stopper()
    for step, lmd in enumerate([3.0, 2.5, 2.45, None], 1):  # 2.45 is not lower by 0.1
        assert not stop.stopped
        nn.init.constant_(module.weight, float(step))
        stop.see({"lmd_coverage": 0.0} if lmd is None else {"lmd": lmd, "lmd_coverage": 1.0}, step)
    assert stop.stopped
    assert release(updates, stop) == {"best_step": 2.0, "best_lmd": 2.5}
    assert module.weight.item() == 2


def test_a_resumed_stop_is_the_same(tmp_path):
    module, _, stop = stopper()
    nn.init.constant_(module.weight, 7.0)
    stop.see({"lmd": 2.0, "lmd_coverage": 1.0}, 5)
    stop.see({"lmd": 2.0, "lmd_coverage": 1.0}, 6)
    torch.save(stop.state_dict(), tmp_path / "s.pt")
    other, _, again = stopper()
    again.load_state_dict(torch.load(tmp_path / "s.pt", weights_only=True))
    again.see({"lmd": 1.95, "lmd_coverage": 1.0}, 7)
    assert again.stopped
    again.restore()
    assert other.weight.item() == 7


def test_no_face_at_all_is_no_best_step():
    _, updates, stop = stopper(patience=1)
    stop.see({"lmd_coverage": 0.0}, 1)
    assert stop.stopped
    with pytest.raises(StageError, match=r"no face in any held-out generated frame.*early_stopping: null"):
        release(updates, stop)


def test_faces_that_are_no_longer_found_do_not_lower_the_lmd():
    _, _, stop = stopper(patience=9)
    for step, (lmd, coverage, best) in enumerate([(1.0, 0.2, 1), (2.0, 0.97, 2), (1.5, 0.5, 2), (1.8, 0.94, 4)], 1):
        stop.see({"lmd": lmd, "lmd_coverage": coverage}, step)
        assert stop.best_step == best


def test_the_best_weights_are_the_averaged_ones():
    module, updates, stop = stopper(engine=OFF.model_copy(update={"ema_decay": 0.5}))
    for value in (0.0, 8.0):
        nn.init.constant_(module.weight, value)
        updates.averages["m"].update_parameters(module)
    stop.see({"lmd": 1.0, "lmd_coverage": 1.0}, 1)
    assert module.weight.item() == 8
    release(updates, stop)
    assert module.weight.item() == 4


def test_batches_are_drawn_where_there_are_clips_and_missed_where_not(capsys):
    assert held_out_batches(lambda number: number, ["a"], OFF) == [0, 1, 2, 3]
    assert capsys.readouterr().out == ""
    assert held_out_batches(lambda number: number, [], OFF) == []
    assert "no held-out clip" in capsys.readouterr().out
    asked = EngineConfig(**OFF.model_dump() | {"early_stopping": {"patience": 3, "min_delta_px": 0.0}})
    with pytest.raises(StageError, match=r"early_stopping: there is no held-out clip .* raise split\.validation"):
        held_out_batches(lambda number: number, [], asked)


def test_wanted_only_if_configured():
    _, updates, _ = stopper()
    assert EarlyStop.wanted(OFF, {}, updates) is None
    asked = EngineConfig(**OFF.model_dump() | {"early_stopping": {"patience": 3, "min_delta_px": 0.0}})
    assert EarlyStop.wanted(asked, {}, updates).settings.patience == 3

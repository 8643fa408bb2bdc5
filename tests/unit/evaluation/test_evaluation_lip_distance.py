import numpy as np
import pytest
import torch

from eap.evaluation.lip_distance import lmd, mouth_opening, mouth_width, opening_correlation, width_correlation
from eap.losses.lip import lip_loss


def _face(n_frames):
    face = np.random.default_rng(0).uniform(60, 200, (n_frames, 68, 2))
    face[:, 36], face[:, 45] = (80, 100), (160, 160)  # 80 across, 60 down: outer eye corners 100 px apart
    return face


def _with_openings(openings):
    face = _face(len(openings))
    for upper, lower in ((61, 67), (62, 66), (63, 65)):
        face[:, upper, 1], face[:, lower, 1] = 150, 150 + np.asarray(openings)
    return face


def test_hand_value():
    # Two frames. Frame 0: ten lip points off by (3, 4), ten exact: mean 2.5. Frame 1: all off by (0, 2): 2. Mean 2.25.
    reference = _face(2)
    generated = reference.copy()
    generated[0, 48:58] += (3, 4)
    generated[1, 48:68] += (0, 2)
    result = lmd(generated, reference)
    assert (result.value, result.coverage, result.n) == (pytest.approx(2.25), 1.0, 2)
    # Eye corners 100 px apart: 2.25 / 100.
    assert lmd(generated, reference, "interocular").value == pytest.approx(0.0225)
    # Frame 0: the mean offset is (1.5, 2), so every point is off by (1.5, 2) or (-1.5, -2): 2.5. Frame 1: 0.
    assert lmd(generated, reference, "center").value == pytest.approx(1.25)


def test_zero_at_the_optimum_and_blind_to_other_points():
    reference = _face(3)
    generated = reference.copy()
    generated[:, :48] += 7
    for alignment in ("none", "center", "interocular"):
        assert lmd(generated, reference, alignment).value == 0


def test_equals_the_loss_of_the_same_equation():
    # KNOWN (suppl. B.1): LMD is Eq. 1 with another estimator.
    reference = _face(4)
    generated = reference + np.random.default_rng(1).normal(size=reference.shape)
    lips = [torch.tensor(x[None, :, 48:68]) for x in (generated, reference)]
    loss = lip_loss(*lips, torch.ones(1, 4, dtype=torch.bool))
    assert lmd(generated, reference).value == pytest.approx(loss.item())


def test_missed_frames_are_left_out_and_counted():
    reference = _face(4)
    generated = reference.copy()
    generated[:, 48:68] += np.array([1.0, 10.0, 10.0, 3.0])[:, None, None] * (1, 0)
    generated[1], reference[2] = np.nan, np.nan
    result = lmd(generated, reference)
    # Frames 0 and 3 count: (1 + 3) / 2.
    assert (result.value, result.coverage, result.n) == (pytest.approx(2.0), 0.5, 2)


def test_no_frame_gives_nan():
    reference = _face(2)
    result = lmd(np.full_like(reference, np.nan), reference, "interocular")
    assert np.isnan(result.value)
    assert (result.coverage, result.n) == (0.0, 0)


def test_inputs_are_not_changed():
    generated, reference = _face(2) + 1, _face(2)
    before = generated.copy(), reference.copy()
    for alignment in ("none", "center", "interocular"):
        lmd(generated, reference, alignment)
    assert np.array_equal(generated, before[0])
    assert np.array_equal(reference, before[1])


def test_wrong_input_is_refused():
    with pytest.raises(ValueError, match="alignment: 'eyes' is unknown; allowed: none, center, interocular"):
        lmd(_face(2), _face(2), "eyes")
    for generated, reference in ((_face(2), _face(3)), (_face(0), _face(0)), (_face(2)[:, 48:], _face(2)[:, 48:])):
        with pytest.raises(ValueError, match=r"landmarks: need \[T, 68, 2\]"):
            lmd(generated, reference)
    flat = _face(2)
    flat[1, 36] = flat[1, 45]
    with pytest.raises(ValueError, match="eye corners coincide in 1 frames"):
        lmd(_face(2), flat, "interocular")


def test_mouth_opening_hand_value():
    face = _with_openings([0, 6])
    face[1, 66, 1] += 3  # the middle pair is 9 apart: (6 + 9 + 6) / 3
    assert mouth_opening(face).tolist() == pytest.approx([0, 7])
    assert np.isnan(mouth_opening(np.full((1, 68, 2), np.nan))).all()


def test_opening_correlation():
    openings = np.array([0.0, 5, 2, 8, 1])
    assert opening_correlation(_with_openings(0.5 * openings + 3), _with_openings(openings)) == pytest.approx(1)
    assert opening_correlation(_with_openings(10 - openings), _with_openings(openings)) == pytest.approx(-1)


def test_opening_correlation_is_undefined_for_a_still_mouth():
    openings = np.array([0.0, 5, 2, 8, 1])
    assert np.isnan(opening_correlation(_with_openings(np.full(5, 4.0)), _with_openings(openings)))
    assert np.isnan(opening_correlation(np.full((5, 68, 2), np.nan), _with_openings(openings)))


def test_opening_correlation_leaves_missed_frames_out():
    openings = np.array([0.0, 5, 2, 8, 1])
    generated, reference = _with_openings(openings), _with_openings(openings)
    generated[1], reference[3] = np.nan, np.nan
    assert opening_correlation(generated, reference) == pytest.approx(1)


def test_width_of_the_mouth_and_how_it_follows():
    face = _face(4)
    face[:, 48], face[:, 54] = (100, 150), np.transpose([[130, 140, 150, 160], [190, 150, 150, 150]])
    # frame 0: 30 across and 40 down
    np.testing.assert_allclose(mouth_width(face), [50, 40, 50, 60])
    wider = face.copy()
    wider[:, 54, 0] += 5
    wider[0, 54] = (100 + 55, 150)
    assert width_correlation(wider, face) == pytest.approx(1)
    wider[1] = np.nan
    assert width_correlation(wider, face) == pytest.approx(1)
    still = np.repeat(_face(1), 3, axis=0)
    assert np.isnan(width_correlation(still, still))  # a mouth that does not move

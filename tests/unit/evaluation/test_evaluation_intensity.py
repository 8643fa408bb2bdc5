import numpy as np
import pytest
from scipy.stats import pearsonr

from eap.evaluation.intensity import ccc, drop_undefined, pcc, rmse


def _series(seed, n=200):
    return np.random.default_rng(seed).normal(size=n)


def test_hand_values():
    # Prediction 0, 1, 2, 1 and target 0, 2, 4, 2: errors 0, 1, 2, 1, RMSE sqrt(6 / 4) = 1.224745.
    # Means 1, 2; covariance (2 + 0 + 2 + 0) / 4 = 1; population variances 0.5, 2; PCC 1 / sqrt(1) = 1;
    # CCC 2 / (0.5 + 2 + 1) = 0.571429 (sample variances would give 8/3 / (10/3 + 1) = 0.615385).
    predicted, target = np.array([0.0, 1, 2, 1]), np.array([0.0, 2, 4, 2])
    assert rmse(predicted, target) == pytest.approx(1.224745, abs=1e-6)
    assert pcc(predicted, target) == pytest.approx(1.0)
    assert ccc(predicted, target) == pytest.approx(0.571429, abs=1e-6)


def test_hand_values_of_an_opposite_and_an_unrelated_series():
    target = np.array([0.0, 1, 0, 1])
    # Reversed: covariance -0.25, variances 0.25: PCC -1, CCC -0.5 / 0.5 = -1, RMSE 1.
    assert (pcc(1 - target, target), ccc(1 - target, target), rmse(1 - target, target)) == pytest.approx((-1, -1, 1))
    # Unrelated but varying: the covariance is 0 and so are both, which is defined.
    unrelated = np.array([0.0, 0, 1, 1])
    assert (pcc(unrelated, target), ccc(unrelated, target)) == (0, 0)


def test_pcc_equals_scipy():
    for seed in range(5):
        x, y = _series(seed), 0.3 * _series(seed) + _series(seed + 100) + 2
        assert pcc(x, y) == pytest.approx(pearsonr(x, y).statistic, abs=1e-12)


def test_pcc_forgives_shift_and_scale_but_ccc_does_not():
    x = _series(0)
    assert pcc(0.2 * x + 5, x) == pytest.approx(1)
    assert ccc(x, x) == pytest.approx(1)
    assert ccc(x + 1, x) < 0.9
    assert ccc(0.5 * x, x) < 0.9
    assert ccc(0.5 * x, x) == ccc(x, 0.5 * x)


@pytest.mark.parametrize("metric", [pcc, ccc])
def test_a_constant_series_has_no_correlation(metric):
    x, constant = _series(0), np.full(200, 0.3)
    for pair in (
        (constant, x),
        (x, constant),
        (constant, constant),
        (np.zeros(200), x),
        (x[:1], x[:1]),
        (x[:0], x[:0]),
    ):
        assert np.isnan(metric(*pair))
    # Noise of float32 arithmetic is no signal; a small variation is.
    assert np.isnan(metric(constant + 1e-8 * _series(1), x))
    assert not np.isnan(metric(constant + 1e-4 * _series(1), x))


def test_rmse_of_constant_series_is_defined_and_of_none_is_not():
    assert rmse(np.full(3, 0.5), np.full(3, 0.2)) == pytest.approx(0.3)
    assert np.isnan(rmse(np.empty(0), np.empty(0)))


@pytest.mark.parametrize("metric", [rmse, pcc, ccc])
def test_nan_is_refused_until_it_is_dropped(metric):
    predicted, target = np.array([0.0, np.nan, 2, 1, 5]), np.array([0.0, 2, 4, 2, np.nan])
    with pytest.raises(ValueError, match="2 of 5 pairs are not finite; leave NaN out with drop_undefined"):
        metric(predicted, target)
    kept_predicted, kept_target = drop_undefined(predicted, target)
    assert kept_predicted.tolist() == [0, 2, 1]
    assert kept_target.tolist() == [0, 4, 2]
    assert np.isfinite(metric(kept_predicted, kept_target))


@pytest.mark.parametrize("metric", [rmse, pcc, ccc, drop_undefined])
@pytest.mark.parametrize("shapes", [((3,), (4,)), ((3,), (1,)), ((3, 2), (3, 2))])
def test_wrong_shapes_are_refused(metric, shapes):
    with pytest.raises(ValueError, match="two series of one length"):
        metric(np.zeros(shapes[0]), np.zeros(shapes[1]))

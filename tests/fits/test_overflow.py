"""Numbers at the ends of the range of their type: the right answer, or an error."""

import numpy as np
import pytest

import gmm
from gmm import BayesianGaussianMixture, GaussianMixture, select
from inside import SPHERICAL, ArraySource, EStep, WhitenedMixture
from tables import blobs, cases, refused

X = blobs(120, 2, 2)
BROKEN = np.zeros(250, dtype=[("a", "f8", (2,)), ("b", "f4")])  # of strides that are no whole items
ROUND = WhitenedMixture(SPHERICAL, np.zeros(1), np.zeros((1, 2)), np.ones(1))


def weighted(weight, rows=X):
    GaussianMixture(2).fit(rows, sample_weight=np.full(120, weight))


def test_float32_attributes_that_float32_cannot_hold_are_float64():
    rows = (X * 1e25).astype(np.float32)
    mixture = GaussianMixture(2, random_state=0).fit(rows)
    assert mixture.means_.dtype == np.float32
    assert np.isfinite(mixture.covariances_).all()
    assert (np.diagonal(mixture.covariances_, axis1=1, axis2=2) > 0).all()


@cases(
    *((lambda w=w: weighted(w), "Divide it by its m") for w in (5e-324, 1e-310, 1e306)),
    (lambda: GaussianMixture(2, means_init=np.full((2, 2), 1e300)).fit(X), "too large"),
    (lambda: weighted(1e10, X * 1e149), r"weights sum to 1.2e\+12, and X has .* at row \d+, column \d.*Divide"),
    (lambda: GaussianMixture(1).fit(np.array([[0.0], [1.0], [-1e200], [1e200], [1e200]])), "row 2"),
    (lambda: GaussianMixture.from_parameters([1.0], [[0.0]], [[[1.0]]]).sample(10**30), "n_samples"),
    (lambda: EStep(ArraySource(BROKEN["a"]), SPHERICAL)(ROUND), "got 20 and 8"),
)
def test_what_overflows_or_lies_otherwise_in_memory_is_refused(call, told):
    refused(told, call)


@pytest.mark.parametrize("unit", [1e-60, 1e-40, 1e-30, 1e30, 1e38, 1e60])
@pytest.mark.parametrize("weight", [np.ones(len(X)), np.linspace(0.2, 3, len(X))], ids=["equal", "uneven"])
def test_float32_rows_take_weights_that_float32_cannot_hold(weight, unit):
    rows, weights = X.astype(np.float32), (weight, weight * unit)
    one, other = (GaussianMixture(2, tol=1e-8, random_state=0).fit(rows, sample_weight=each) for each in weights)
    assert other.lower_bound_ == pytest.approx(one.lower_bound_, abs=1e-6)
    np.testing.assert_allclose(other.means_, one.means_, rtol=1e-5)
    np.testing.assert_allclose(other.covariances_, one.covariances_, rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("covariance_type", ["full", "diag", "spherical"])
def test_float32_rows_and_weights_that_overflow_together_are_computed_in_float64(covariance_type):
    signs, weight = np.random.default_rng(0).choice([-1, 1], size=(2000, 3)), np.full(2000, 9e11)
    fit, rows = GaussianMixture(1, covariance_type=covariance_type).fit, 9.5e11 * signs
    single, double = (fit(each, sample_weight=weight).lower_bound_ for each in (rows.astype(np.float32), rows))
    assert single == pytest.approx(double, rel=1e-6)


@pytest.mark.filterwarnings("ignore:reg_covar hides groups")
def test_a_ridge_whose_sum_over_the_rows_overflows_is_refused():
    rows, heavy = np.random.default_rng(0).normal(size=(9, 2)), np.r_[np.ones(8), 1e200]
    for call in (GaussianMixture(reg_covar=1e300).fit, lambda X, **how: select(X, [1, 2], reg_covar=1e300, **how)):
        refused(r"reg_covar.*1e[+]300.*weight 1e[+]200", call, rows, sample_weight=heavy)
    GaussianMixture(reg_covar=1e300).fit(rows)


@pytest.mark.filterwarnings("ignore:The weights sum to", "ignore:reg_covar hides groups")
@pytest.mark.parametrize("cls", [GaussianMixture, BayesianGaussianMixture])
def test_numbers_of_a_narrower_type_are_what_they_say(cls):
    """Found by fuzzing: largest scatters and weights of 1e-161 are no numbers of float32."""
    X, weight = [[0.0], [1.0], [5.0]], [3e-161, 1e-161, 0.0]
    fits = (cls(tol=of(0.5), reg_covar=of(0.25)).fit(X, sample_weight=weight) for of in (float, np.float32))
    assert len({each.covariances_.tobytes() for each in fits}) == 1


@pytest.mark.filterwarnings("ignore::gmm.ConvergenceWarning")
@cases(([1, 2], {"reg_covar": 1e-300}), ([2], {"prior": gmm.NormalInverseWishart([6e30], 1e-6), "reg_covar": 0.0}))
def test_a_search_of_rows_whose_weights_differ_by_all_that_numbers_can(counts, how):
    """Found by fuzzing: of infinite promises, and weights times precisions, numpy warned."""
    rows = np.random.default_rng(0).normal(size=(8, 1)) + np.c_[[6, 6, 6, 6, 0, 6, 6, 0]]
    weight = np.r_[np.random.default_rng(0).random(8)[:1:-1], 1e200, 1e200]
    best = select(rows, counts, "full", sample_weight=weight, random_state=0, max_iter=12, **how).best
    assert np.isfinite(best.means_).all()

"""Rows too far for the squares of their distances: the right number where there is one, else −∞, never NaN."""

from fractions import Fraction

import numpy as np
import pytest

import reference
from gmm import GaussianMixture

every_type = pytest.mark.parametrize("covariance_type", ["full", "tied", "diag", "spherical"])

LARGEST = float(np.finfo(np.float64).max)
WEIGHTS = np.array([0.5, 0.3, 0.2])
MEANS = np.array([[0.0, 0], [3, 1], [-2, 5]])
COVARIANCES = np.array([[[1.0, 0.3], [0.3, 2]], [[2, 0.1], [0.1, 2.5]], [[1, 0.5], [0.5, 0.7]]])
FAR = [[1e150, 1e150], [1e153, -2e153], [-1e154, 2e154], [1.2e154, 0], [-1e155, 3e155], [1e160, 1e150]]
FAR = np.array([*FAR, [0, 1e300], [-LARGEST, LARGEST]])


def mixture_of(covariance_type, scale=1.0, means=MEANS, weights=WEIGHTS):
    covariances = reference.in_layout(scale * COVARIANCES, covariance_type)
    return GaussianMixture.from_parameters(weights, means, covariances, covariance_type=covariance_type)


def squares(mixture, row):
    """Mahalanobis distances from the components, squared, without rounding."""
    dense = reference.dense(mixture.covariances_, mixture.covariance_type, *mixture.means_.shape)
    found = []
    for mean, covariance in zip(mixture.means_, dense, strict=True):
        (a, b), (_, c) = [[Fraction(float(x)) for x in part] for part in covariance]
        y, z = (Fraction(float(x)) - Fraction(float(m)) for x, m in zip(row, mean, strict=True))
        found.append((c * y * y - 2 * b * y * z + a * z * z) / (a * c - b * b))
    return found


@pytest.mark.usefixtures("kernel")
@every_type
@pytest.mark.parametrize("scale", [1e-200, 1e-3, 1.0, 1e8])
def test_log_densities_are_right_or_infinite_and_the_nearest_component_takes_all(covariance_type, scale):
    mixture = mixture_of(covariance_type, scale)
    shares, labels = mixture.predict_proba(FAR), mixture.predict(FAR)
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-15)
    for row, value, share, label in zip(FAR, mixture.score_samples(FAR), shares, labels, strict=True):
        exact = squares(mixture, row)
        highest = -min(exact) / 2
        assert value == (pytest.approx(float(highest), rel=1e-12) if highest > -Fraction(LARGEST) else -np.inf)
        near = np.array([square <= min(exact) * (1 + Fraction(1, 10**12)) for square in exact])
        assert near[label]
        assert not share[~near].any()


@pytest.mark.parametrize("covariance_type", ["full", "spherical"])
def test_sums_over_far_rows_are_infinite_and_rows_of_no_weight_count_nothing(covariance_type):
    mixture, rows = mixture_of(covariance_type), np.concatenate([FAR, MEANS])
    assert mixture.score(rows) == mixture.log_likelihood(rows, classified=True) == -np.inf
    assert mixture.bic(rows) == mixture.criteria(rows)["icl"] == mixture.aic(rows) == np.inf
    weight = np.r_[np.zeros(len(FAR)), np.ones(len(MEANS))]
    assert mixture.score(rows, sample_weight=weight) == pytest.approx(mixture.score(MEANS))
    for classified in (False, True):
        got = mixture.log_likelihood(rows, weight, classified=classified)
        assert got == pytest.approx(mixture.log_likelihood(MEANS, classified=classified))
    same = np.tile(FAR[3], (4, 1))  # the sum of whose log densities is nearly the largest number
    assert mixture.score(same) == pytest.approx(mixture.score_samples(same[:1])[0])
    mixture = mixture_of(covariance_type, weights=[0.5, 0, 0.5])
    assert not mixture.predict_proba(FAR)[:, 1].any()
    assert not (mixture.predict(FAR) == 1).any()


@pytest.mark.usefixtures("kernel")
@every_type
def test_rows_in_single_precision_are_as_far_as_in_double(covariance_type):
    mixture = mixture_of(covariance_type)
    rows = np.array([[1e18, 0], [1e19, 1e19], [1e25, 0], [-3e38, 3e38], [1, 1]], dtype=np.float32)
    wide = mixture.score_samples(rows.astype(np.float64))
    with np.errstate(over="ignore"):
        np.testing.assert_allclose(mixture.score_samples(rows), wide.astype(np.float32), rtol=1e-5)
    assert np.isneginf(mixture.score_samples(rows)[2:4]).all()
    np.testing.assert_allclose(mixture.predict_proba(rows), mixture.predict_proba(rows.astype(np.float64)), atol=1e-6)


@pytest.mark.filterwarnings("ignore::gmm.ConvergenceWarning")
@every_type
@pytest.mark.parametrize("acceleration", ["auto", None])
@pytest.mark.parametrize("variance", [1e-20, 1e100])
def test_a_fit_that_begins_far_from_all_rows_climbs(covariance_type, acceleration, variance):
    """Of the start all log densities are −∞, or so low that their squares overflow."""
    rows = 1e145 * np.random.default_rng(0).normal(size=(200, 2)) + 1e146 * np.repeat([[0.0, 0], [1, 1]], 100, axis=0)
    thin = np.linalg.inv(variance * COVARIANCES[:2])
    precisions = reference.in_layout(thin, covariance_type) / (2 if covariance_type == "tied" else 1)
    asked = {"means_init": [[0.0, 0], [1e146, 1e146]], "weights_init": [0.5, 0.5], "precisions_init": precisions}
    how = {"covariance_type": covariance_type, "acceleration": acceleration, **asked}
    mixture = GaussianMixture(2, **how).fit(rows)
    bounds = np.array(mixture.history_.lower_bounds)
    assert bounds[0] < -1e180 if variance > 1 else bounds[0] == -np.inf
    assert mixture.converged_
    assert mixture.lower_bound_ > -1e3
    assert not np.isnan(bounds).any()
    assert GaussianMixture(2, max_iter=0, **how).fit(rows).lower_bound_ == bounds[0]

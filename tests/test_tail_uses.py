"""What mixtures with heavy tails are used for, against formulas of Student's t distributions, quadrature and draws."""

import numpy as np
import pytest
from scipy import stats

import gmm
from gmm import GaussianMixture


def mixture_of(weights, means, covariances, degrees, kind="full"):
    """A mixture of Student's t distributions."""
    return GaussianMixture.from_parameters(
        weights, means, covariances, covariance_type=kind, degrees_of_freedom=degrees
    )


def test_a_mixture_of_given_parameters_has_their_tails():
    one = mixture_of([1.0], [[1.0, 2]], [[[2.0, 1], [1, 2]]], 5)
    rows = np.random.default_rng(0).normal(size=(20, 2))
    expected = stats.multivariate_t([1, 2], [[2, 1], [1, 2]], df=5).logpdf(rows)
    np.testing.assert_allclose(one.score_samples(rows), expected, rtol=1e-12)
    assert one.get_params()["tails"] == "t"
    with pytest.raises(ValueError, match="degrees_of_freedom"):
        mixture_of([1.0], [[0.0]], [1.0], 0.5, "spherical")


def test_the_overlap_is_that_of_draws():
    two = mixture_of([0.5, 0.5], [[0.0], [2.0]], [1.0, 1.0], 3, "spherical")
    beyond = stats.t.sf(1, 3)
    np.testing.assert_allclose(gmm.analysis.overlap(two), [[0, beyond], [beyond, 0]], atol=0.005)

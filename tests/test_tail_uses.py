"""What mixtures with heavy tails are used for, against formulas of Student's t distributions, quadrature and draws."""

import numpy as np
import pytest
from scipy import stats

import gmm
import reference
from gmm import GaussianMixture
from gmm._values.covariance import PARSIMONIOUS

EVERY_TYPE = [*PARSIMONIOUS, "full", "tied", "diag", "spherical", *reference.OF_FACTORS]
K, D = 3, 3


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


# --- Some columns given the others -------------------------------------------------------------------


@pytest.fixture(scope="module", params=EVERY_TYPE)
def fitted(request):
    """A mixture of any covariance type, fitted with heavy tails."""
    rng = np.random.default_rng(0)
    normal = rng.normal(size=(300, D)) @ (np.eye(D) + 0.3 * rng.normal(size=(D, D)))
    rows = np.repeat([[0.0, 0, 0], [6, 1, 0], [1, 7, 3]], 100, axis=0) + normal / np.sqrt(
        rng.chisquare(4, (300, 1)) / 4
    )
    return GaussianMixture(K, covariance_type=request.param, tails="t", random_state=0).fit(rows)


def test_a_conditional_density_is_the_joint_one_over_the_marginal(fitted):
    rows = np.random.default_rng(1).normal(1, 4, (20, D))
    for known, others in (([0], [1, 2]), ([2, 1], [0])):
        before = fitted.marginal(known).score_samples(rows[:, known])
        for row, joint, of_known in zip(rows, fitted.score_samples(rows), before, strict=True):
            given = fitted.condition(dict(zip(known, row[known], strict=True)))
            assert given.score_samples(row[None, others])[0] == pytest.approx(joint - of_known, rel=1e-11)
            assert given.degrees_of_freedom_ == pytest.approx(fitted.degrees_of_freedom_ + len(known))


def test_predictions_are_those_of_quadrature(fitted):
    rows = np.array([[0.0, 0], [6, 1], [3, 4], [-30, 20]])
    found = fitted.predict_from(rows, known=[0, 1], level=0.9)
    for i, row in enumerate(rows):
        for side, level in enumerate((0.05, 0.95)):
            mean, variance, quantile = reference.conditional_by_quadrature(fitted.score_samples, row[None], level)
            assert found.means[i, 0] == pytest.approx(mean, rel=1e-4, abs=1e-4)
            assert found.deviations[i, 0] ** 2 == pytest.approx(variance, rel=1e-3)
            assert found.intervals[i, 0, side] == pytest.approx(quantile, rel=1e-3, abs=1e-3)


def test_predictions_are_moments_of_the_conditional_mixture(fitted):
    given, found = fitted.condition({0: 2.0}), fitted.predict_from([[2.0]], known=0)
    np.testing.assert_allclose(found.means[0], given.weights_ @ given.means_, rtol=1e-12)
    scales = reference.dense(given.covariances_, given.covariance_type, K, D - 1)
    nu = given.degrees_of_freedom_
    variances = np.diagonal(scales, axis1=1, axis2=2) * nu / (nu - 2) + (given.means_ - found.means[0]) ** 2
    np.testing.assert_allclose(found.deviations[0] ** 2, given.weights_ @ variances, rtol=1e-10)


def test_many_degrees_of_freedom_condition_as_normal_components():
    parts = [0.4, 0.6], [[0.0, 0], [3, 4]], [[[2.0, 1], [1, 2]], [[1.0, 0], [0, 3]]]
    t, normal = mixture_of(*parts, 200), GaussianMixture.from_parameters(*parts)
    of_t, of_normal = (each.predict_from([[1.0], [2.5]], known=0, level=0.9) for each in (t, normal))
    np.testing.assert_allclose(of_t.means, of_normal.means, rtol=0.01)
    np.testing.assert_allclose(of_t.intervals, of_normal.intervals, rtol=0.02, atol=0.02)
    assert t.condition({0: 1.0}).degrees_of_freedom_ == 200, "as many as a file takes"


def test_a_conditional_mixture_is_one_like_others(tmp_path):
    given = mixture_of([0.4, 0.6], [[0.0, 0], [3, 4]], [[2.0, 1], [1, 2]], 3, "tied").condition({0: 1.5})
    given.save(tmp_path / "given.gmm")
    assert gmm.load(tmp_path / "given.gmm").score_samples([[2.0]]) == given.score_samples([[2.0]])
    rows, labels = given.sample(20_000, random_state=0)
    scale = np.sqrt(given.covariances_[1, 0, 0])
    assert stats.kstest((rows[labels == 1, 0] - given.means_[1, 0]) / scale, "t", (4,)).pvalue > 1e-3


def test_without_a_variance_the_deviation_is_infinite():
    found = mixture_of([1.0], [[0.0, 0]], [[[1.0, 0.5], [0.5, 1]]], 1).predict_from([[3.0]], known=0, level=0.5)
    assert found.means[0, 0] == pytest.approx(1.5)
    assert found.deviations[0, 0] == np.inf
    assert np.isfinite(found.intervals).all()


def test_rows_with_gaps_predict_from_what_they_have():
    mixture = mixture_of([0.4, 0.6], [[0.0, 0, 0], [3, 4, 5]], np.tile(np.eye(3) + 0.5, (2, 1, 1)), 5)
    mixture.set_params(missing="em")
    known = np.array([[1.0, np.nan], [np.nan, np.nan], [1.0, 2.0]])
    found = mixture.predict_from(known, known=[0, 1])
    assert found.means[0] == pytest.approx(mixture.predict_from([[1.0]], known=0, target=2).means[0])
    assert found.means[1] == pytest.approx(3.0)
    assert found.deviations[1] == pytest.approx(np.sqrt(1.5 * 5 / 3 + 0.24 * 25))

"""What mixtures with heavy tails are used for, against formulas of Student's t distributions, quadrature and draws."""

from dataclasses import replace

import numpy as np
import pytest
from benchmarks.datasets import breast_cancer_axes, bundled, faithful, projected
from scipy import stats

import gmm
import reference
from gmm import GaussianMixture, GaussianMixtureSearch, select
from gmm.plotting import plot_criteria, plot_selection
from inside import PARSIMONIOUS
from tables import cases, refused, reloaded

EVERY_TYPE = [*PARSIMONIOUS, "full", "tied", "diag", "spherical", *reference.OF_FACTORS]
K, D = 3, 3


def mixture_of(weights, means, covariances, degrees, kind="full"):
    """A mixture of Student's t distributions."""
    how = {"covariance_type": kind, "degrees_of_freedom": degrees}
    return GaussianMixture.from_parameters(weights, means, covariances, **how)


def test_a_mixture_of_given_parameters_has_their_tails():
    parts = [1.0], [[1.0, 2]], [[[2.0, 1], [1, 2]]]
    one, rows = mixture_of(*parts, 5), np.random.default_rng(0).normal(size=(20, 2))
    expected = stats.multivariate_t([1, 2], [[2, 1], [1, 2]], df=5).logpdf(rows)
    np.testing.assert_allclose(one.score_samples(rows), expected, rtol=1e-12)
    assert one.get_params()["tails"] == "t"
    for wrong in ("each", 0.5):
        refused(rf"degrees_of_freedom to be a number in \[1, 1000000\], got {wrong!r}", mixture_of, *parts, wrong)
    two = mixture_of([0.5, 0.5], [[0.0], [2.0]], [1.0, 1.0], 3, "spherical")
    beyond = stats.t.sf(1, 3)  # the overlap is that of draws
    np.testing.assert_allclose(gmm.analysis.overlap(two), [[0, beyond], [beyond, 0]], atol=0.005)


@pytest.fixture(scope="module", params=EVERY_TYPE)
def fitted(request):
    """A mixture of any covariance type, fitted with heavy tails."""
    rng = np.random.default_rng(0)
    normal = rng.normal(size=(300, D)) @ (np.eye(D) + 0.3 * rng.normal(size=(D, D)))
    heavy = normal / np.sqrt(rng.chisquare(4, (300, 1)) / 4)
    rows = np.repeat([[0.0, 0, 0], [6, 1, 0], [1, 7, 3]], 100, axis=0) + heavy
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


def test_many_degrees_of_freedom_condition_as_normal_components_and_one_leaves_no_variance():
    parts = [0.4, 0.6], [[0.0, 0], [3, 4]], [[[2.0, 1], [1, 2]], [[1.0, 0], [0, 3]]]
    t, normal = mixture_of(*parts, 200), GaussianMixture.from_parameters(*parts)
    of_t, of_normal = (each.predict_from([[1.0], [2.5]], known=0, level=0.9) for each in (t, normal))
    np.testing.assert_allclose(of_t.means, of_normal.means, rtol=0.01)
    np.testing.assert_allclose(of_t.intervals, of_normal.intervals, rtol=0.02, atol=0.02)
    found = mixture_of([1.0], [[0.0, 0]], [[[1.0, 0.5], [0.5, 1]]], 1).predict_from([[3.0]], known=0, level=0.5)
    assert (found.means[0, 0], found.deviations[0, 0]) == (pytest.approx(1.5), np.inf)
    assert np.isfinite(found.intervals).all()


@pytest.mark.parametrize("degrees", [4.5, 190.0, 200.0])
def test_many_known_columns_add_to_the_degrees_of_freedom(degrees):
    """The conditional density is the joint one by the marginal one, beyond what a fit estimates as well."""
    rng = np.random.default_rng(0)
    root, q = rng.normal(size=(32, 32)) / 6 + np.eye(32), 30
    covariance, known = root @ root.T, rng.normal(size=30)
    t = mixture_of([1.0], np.zeros((1, 32)), covariance[None], degrees)
    given, rows = t.condition(dict(enumerate(known))), 2 * rng.normal(size=(20, 2))
    joint = stats.multivariate_t(np.zeros(32), covariance, df=degrees).logpdf(np.c_[np.tile(known, (20, 1)), rows])
    expected = joint - stats.multivariate_t(np.zeros(q), covariance[:q, :q], df=degrees).logpdf(known)
    assert given.degrees_of_freedom_ == degrees + q
    np.testing.assert_allclose(given.score_samples(rows), expected, rtol=1e-10)
    predicted = t.predict_from([known], known=list(range(q)), level=0.9).intervals[0]
    marginal = [given.marginal([j]) for j in range(2)]
    quantiles = stats.t(degrees + q).ppf([0.05, 0.95])
    ends = [each.means_[0, 0] + quantiles * each.covariances_[0, 0] ** 0.5 for each in marginal]
    np.testing.assert_allclose(predicted, np.ravel(ends).reshape(predicted.shape), rtol=1e-6)
    np.testing.assert_array_equal(reloaded(given).score_samples(rows), given.score_samples(rows))
    np.testing.assert_allclose(given.freeze().score_samples(rows), expected, rtol=1e-10)


def test_a_conditional_mixture_is_one_like_others():
    given = mixture_of([0.4, 0.6], [[0.0, 0], [3, 4]], [[2.0, 1], [1, 2]], 3, "tied").condition({0: 1.5})
    rows, labels = given.sample(20_000, random_state=0)
    scale = np.sqrt(given.covariances_[1, 0, 0])
    assert stats.kstest((rows[labels == 1, 0] - given.means_[1, 0]) / scale, "t", (4,)).pvalue > 1e-3
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.standard_t(3, (150, 2)), 7 + rng.standard_t(9, (100, 2))])
    fitted = GaussianMixture(2, tails="t", degrees_of_freedom="each", random_state=0).fit(X)
    given = fitted.condition({0: 0.5})
    np.testing.assert_array_equal(given.degrees_of_freedom_, fitted.degrees_of_freedom_ + 1)
    again = reloaded(given)
    np.testing.assert_array_equal(again.degrees_of_freedom_, given.degrees_of_freedom_)
    assert again.fit(X[:, :1]).degrees_of_freedom_.shape == (2,)


def test_rows_with_gaps_predict_from_what_they_have():
    mixture = mixture_of([0.4, 0.6], [[0.0, 0, 0], [3, 4, 5]], np.tile(np.eye(3) + 0.5, (2, 1, 1)), 5)
    mixture.set_params(missing="em")
    found = mixture.predict_from(np.array([[1.0, np.nan], [np.nan, np.nan], [1.0, 2.0]]), known=[0, 1])
    assert found.means[0] == pytest.approx(mixture.predict_from([[1.0]], known=0, target=2).means[0])
    assert found.means[1] == pytest.approx(3.0)
    assert found.deviations[1] == pytest.approx(np.sqrt(1.5 * 5 / 3 + 0.24 * 25))


def heavy_tailed_groups():
    """Three groups that are Student's t with three degrees of freedom."""
    rng = np.random.default_rng(5)
    return np.array([[0.0, 0, 0], [7, 0, 0], [0, 7, 7]])[rng.integers(3, size=400)] + rng.standard_t(3, (400, 3))


# Log-likelihoods with four degrees of freedom where studenttmixture 1.11 (Python) ends, from k-means at tol=1e-10.
OF_PEER = {
    "iris": (3, bundled("iris"), -301.3353),
    "wine, 5 axes": (3, lambda: projected(bundled("wine")(), 5), -1295.8979),
    "breast cancer, 6 axes": (2, breast_cancer_axes, -6259.1469),
    "heavy-tailed groups": (3, heavy_tailed_groups, -2576.2915),
    "Old Faithful": (2, faithful, -1140.5330),
}


@pytest.mark.parametrize(("K", "load", "theirs"), OF_PEER.values(), ids=OF_PEER)
def test_a_fit_ends_no_lower_than_other_softwares(K, load, theirs):
    rows = np.ascontiguousarray(load(), dtype=float)
    fit = GaussianMixture(K, tails="t", degrees_of_freedom=4, tol=1e-9, random_state=0).fit(rows)
    assert fit.log_likelihood(rows) > theirs - 1e-3


def test_one_component_is_that_of_r():
    """MASS 7.3, cov.trob(faithful, nu = 4, tol = 1e-12): MASS estimates location and scale of a multivariate t."""
    one = GaussianMixture(tails="t", degrees_of_freedom=4, reg_covar=0, tol=1e-12).fit(faithful())
    np.testing.assert_allclose(one.means_[0], [3.6109173156, 72.1566295845], rtol=1e-6)
    scale = [[1.16262924121, 12.43809857114], [12.43809857114, 159.7790283004]]
    np.testing.assert_allclose(one.covariances_[0], scale, rtol=1e-5)


@pytest.mark.parametrize(("degrees", "names"), [(None, ["degrees of freedom"]), (4, [])])
def test_standard_errors_are_of_scales_and_of_degrees_of_freedom_that_were_estimated(degrees, names):
    rows = heavy_tailed_groups()
    fit = GaussianMixture(3, tails="t", degrees_of_freedom=degrees, random_state=0).fit(rows)
    errors = gmm.inference.standard_errors(fit, rows, n_replicates=4, random_state=0)
    table = errors.to_frame()
    assert [*dict.fromkeys(table["parameter"])] == ["weight", "mean", "scale", *names]
    part = table[table["parameter"] == "degrees of freedom"]
    assert (part["estimate"] == fit.degrees_of_freedom_).all()
    np.testing.assert_array_equal(part["standard_error"], errors.degrees_of_freedom)
    assert (part["low"] <= part["high"]).all()
    assert errors.degrees_of_freedom.shape == (3 * len(names),)
    assert (errors.degrees_of_freedom > 0).all()


@pytest.mark.parametrize("far", [1e151, 1e155, 1e300])
def test_known_columns_too_far_for_squares_are_refused(fitted, far):
    """Scales grow by these squares, and infinite ones would look like few degrees of freedom."""
    assert np.isfinite(fitted.predict_from([[1e145]], known=0, level=0.9).intervals).all()
    refused(r"row 1 overflows.*known columns", fitted.predict_from, [[0.0], [far]], known=0, level=0.9)
    refused(r"overflows.*known columns", fitted.condition, {0: far})


# --- Searches over tails ---------------------------------------------------------------------------


BOTH = ("normal", "t")
CENTRES = np.array([[0.0, 0], [7, 1], [1, 8]])


def groups(n=500, seed=0, degrees=None):
    """Rows of three groups, with heavy tails if there are degrees of freedom."""
    rng = np.random.default_rng(seed)
    factors = 0.3 * rng.normal(size=(3, 2, 2)) + np.eye(2)
    group = rng.integers(3, size=n)
    rows = np.einsum("ni,nij->nj", rng.normal(size=(n, 2)), factors[group])
    stretch = 1 if degrees is None else np.sqrt(rng.chisquare(degrees, (n, 1)) / degrees)
    return CENTRES[group] + rows / stretch


@pytest.fixture(scope="module")
def heavy():
    return select(groups(degrees=4), range(1, 5), ["EEE", "VVV"], tails=BOTH, random_state=0)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("degrees", "name"), [(None, "normal"), (4, "t")])
def test_the_tails_of_the_truth_are_chosen_and_so_are_its_groups_in_any_units(degrees, name, seed):
    rows = groups(seed=seed, degrees=degrees) * [1, 1000]
    how = {"tails": BOTH, "standardize": seed < 2, "random_state": 0}
    best = GaussianMixtureSearch((2, 3, 4), ["VVI", "VVV"], **how).fit(rows).best_estimator_
    assert (best.tails, best.n_components) == (name, 3)


def test_cells_have_every_tail_and_count_their_parameter(heavy):
    assert heavy.tails == BOTH * 8
    normal, t = (np.array(heavy.tails) == name for name in BOTH)
    np.testing.assert_array_equal(heavy.n_parameters[t], heavy.n_parameters[normal] + 1)
    for cell, name, loglik in zip(heavy.estimators, heavy.tails, heavy.loglik, strict=True):
        assert (cell.tails, np.isfinite(cell.degrees_of_freedom_)) == (name, name == "t")
        assert cell.log_likelihood(groups(degrees=4)) == pytest.approx(loglik)
    given = select(groups(), 3, "EII", tails=BOTH, degrees_of_freedom=4, random_state=0)
    assert [cell.degrees_of_freedom_ for cell in given.estimators] == [np.inf, 4]
    assert given.n_parameters[0] == given.n_parameters[1]


def test_what_is_printed_and_stored_names_the_tails(heavy, tmp_path):
    assert heavy.kinds[heavy.best_index] == "VVV t"
    for told, text in {
        "3 components, VVV t": repr(heavy),
        "EEE t": repr(heavy),
        "VVV t": heavy._repr_html_(),
        "chooses 3 components, VVV t": plot_selection(heavy).get_title(),
        " VVV t": plot_criteria(heavy).get_title(),
        "covariance type EEE t": plot_criteria(heavy, covariance_type="EEE t").get_title(),
    }.items():
        assert told in text
    back = reloaded(heavy)
    assert (back.tails, repr(back)) == (heavy.tails, repr(heavy))
    replace(heavy, tails=BOTH[::-1] * 8).save(tmp_path / "wrong.gmm")
    refused("'tails'", gmm.load, tmp_path / "wrong.gmm")


@pytest.mark.parametrize("criterion", ["icl", "nec", "held_out"])
def test_criteria_compare_tails_but_for_nec(criterion):
    """NEC compares with one component of the same tails, and normal ones gain more from being several."""
    found = select(groups(degrees=3), (2, 3), "VVV", tails=BOTH, criterion=criterion, random_state=0)
    assert np.isfinite(found.scores).all()
    assert found.best.tails == ("normal" if criterion == "nec" else "t")


@cases(
    *(({"tails": wrong}, "tails") for wrong in [(), ("t", "u"), 3, [["t"]]]),
    ({"tails": "t", "degrees_of_freedom": "each"}, r"degrees_of_freedom of a search.*'each'"),
    ({"degrees_of_freedom": 4}, "tails='t'"),
    ({"tails": BOTH, "noise": True}, "heavy tails"),
)
def test_other_tails_are_refused(how, told):
    refused(told, select, groups(), 2, **how)


def test_components_that_heavy_tails_keep_above_the_ridge_are_degenerate():
    """Of a rounded column, they settle on values; few rows with others, far out in the tails, widen them a little."""
    rng = np.random.default_rng(10)
    X = np.concatenate([rng.normal(0, 1, (12, 2)), rng.normal(4, 1, (12, 2))])
    X = np.column_stack([X[:, 0].round(), X[:, 1], rng.normal(size=24)])
    found = select(X, range(1, 5), ["VEI", "VVI"], tails="t", random_state=0)
    assert found.best.covariances_.min() > 1e-3
    assert any("degenerate" in status for status in found.status)

"""Rows with known errors: equal to the published steps, and what must not matter does not."""

import functools
import re
from functools import partial
from itertools import product

import numpy as np
import pandas as pd
import pytest

import gmm
import inside
import reference
from gmm import GaussianMixture
from inside import ArraySource, EStep, IncompleteSource, as_source, fitted_parameters
from origins import stream
from tables import cases, refused, reloaded, with_gaps
from test_missing import as_mixture, check_pass, mixture, written_out

TYPES, KINDS = (*inside.PARSIMONIOUS, *reference.OF_FACTORS), ("shared", "own", "both")
kinds = pytest.mark.parametrize("kind", KINDS)


def blurred(n=400, d=4, seed=0, kind="both", matrices=True, gaps=False):
    """Rows of two groups with errors that some share, or all have for themselves."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) + 5 * (rng.uniform(size=(n, 1)) < 0.4)
    A = rng.normal(size=(n, d, d)) * rng.uniform(0.1, 1, size=(n, 1, 1))
    errors = A @ A.transpose(0, 2, 1)
    shares = {"shared": n, "own": 0, "both": n // 2}[kind]
    errors[:shares] = errors[rng.integers(2, size=shares)]
    errors = errors if matrices else errors * np.eye(d)
    X = values + np.einsum("nij,nj->ni", np.linalg.cholesky(errors + 1e-12 * np.eye(d)), rng.normal(size=(n, d)))
    return with_gaps(X, 0.3, seed + 1) if gaps else X, errors if matrices else np.einsum("nii->ni", errors).copy()


def uncertain(X, errors, weight=None):
    rows = ArraySource(X, weight)
    rows = IncompleteSource.from_rows(rows) if np.isnan(X).any() else rows
    return IncompleteSource.with_errors(rows, errors, None)


def as_matrices(errors):
    return errors if errors.ndim == 3 else errors[:, :, None] * np.eye(errors.shape[1])


def joint_of(X, errors, parameters):
    return reference.log_joint_blurred(X, as_matrices(errors), *written_out(parameters))


def start(K=2, **how):
    rng = np.random.default_rng(3)
    means = rng.normal(size=(K, 4)) * 3
    given = {"weights_init": np.full(K, 1 / K), "means_init": means, "precisions_init": np.tile(np.eye(4), (K, 1, 1))}
    return GaussianMixture(K, **(given | {"random_state": 0} | how))


PASSES = [("full", 4, *way) for way in product(KINDS, *[(False, True)] * 3)]
PASSES += [(name, 4, "both", matrices, True, False) for name in TYPES for matrices in (False, True)]
PASSES += [(name, d, "both", False, gaps, False) for name in ("diag", "EVI") for d in (9, 20) for gaps in (False, True)]
PASSES += [("full", d, "own", matrices, False, False) for d in (1, 2, 8, 9, 12) for matrices in (False, True)]


@functools.cache
def rows_and_joint(covariance_type, d, **how):
    """Rows, their errors, a mixture, and its joint log density by the twin, which all kernels are compared with."""
    (X, errors), parameters = blurred(150, d, **how), mixture(covariance_type, d)
    return X, errors, parameters, joint_of(X, errors, parameters)


@pytest.mark.usefixtures("kernel")
@pytest.mark.parametrize(("covariance_type", "d", "kind", "matrices", "gaps", "hard"), PASSES)
def test_a_pass_is_the_twins(covariance_type, d, kind, matrices, gaps, hard):
    X, errors, parameters, joint = rows_and_joint(covariance_type, d, kind=kind, matrices=matrices, gaps=gaps)
    weight = np.random.default_rng(1).uniform(0.5, 2, len(X))
    with EStep(uncertain(X, errors, weight), parameters.model.layout) as e_step:
        got = e_step(parameters.whitened(), hard=hard)
    given = weight, written_out(parameters), got.origins
    of_rows = X, as_matrices(errors)
    check_pass(got, joint, weight, lambda r: reference.statistics_blurred(*of_rows, r, *given), covariance_type, hard)


@kinds
def test_rows_and_criteria_are_the_twins(kind):
    X, errors = blurred(kind=kind, gaps=True)
    model, beside = start(missing="em").fit(X, error_covariance=errors), {"error_covariance": errors}
    joint, p = joint_of(X, errors, fitted_parameters(model)), model.n_parameters_
    log_evidence, r = reference.log_evidence(joint), reference.responsibilities(joint)
    total, classified = log_evidence.sum(), joint.max(axis=1).sum()
    np.testing.assert_allclose(model.score_samples(X, **beside), log_evidence, rtol=1e-11)
    np.testing.assert_allclose(model.predict_proba(X, **beside), r, atol=1e-10)
    np.testing.assert_array_equal(model.predict(X, **beside), joint.argmax(axis=1))
    assert model.score(X, **beside) == pytest.approx(log_evidence.mean(), rel=1e-12)
    assert model.log_likelihood(X, **beside) == pytest.approx(total, rel=1e-12)
    assert model.log_likelihood(X, classified=True, **beside) == pytest.approx(classified, rel=1e-12)
    assert model.bic(X, **beside) == pytest.approx(-2 * total + p * np.log(len(X)), rel=1e-12)
    assert model.aic(X, **beside) == pytest.approx(-2 * total + 2 * p, rel=1e-12)
    one = GaussianMixture(1, missing="em", acceleration=None, tol=1e-12, max_iter=2000).fit(X, **beside)
    nec = -(r * np.log(np.maximum(r, 1e-300))).sum() / (total - one.log_likelihood(X, **beside))
    got, icl = model.criteria(X, **beside), -2 * classified + p * np.log(len(X))
    assert got["nec"] == pytest.approx(nec, rel=1e-6)
    assert (got["icl"], got["bic"]) == pytest.approx((icl, model.bic(X, **beside)), rel=1e-12)


@pytest.mark.parametrize("acceleration", ["auto", None])
@pytest.mark.parametrize("covariance_type", ["full", "tied", "diag", "VVE", "factor1"])
def test_the_objective_never_falls(covariance_type, acceleration):
    X, errors = blurred(n=200, gaps=True)
    how = {"covariance_type": covariance_type, "acceleration": acceleration, "reg_covar": 0 if acceleration else 1e-6}
    model = GaussianMixture(2, tol=1e-4, max_iter=400, random_state=0, missing="em", **how)
    model.fit(X, error_covariance=errors)
    assert model.converged_
    assert np.diff(model.lower_bounds_).min() > -1e-9


@pytest.mark.parametrize("shape", ["columns", "rows", "matrix", "matrices"])
@pytest.mark.parametrize("covariance_type", ["full", "tied", "diag", "spherical"])
def test_no_error_is_the_ordinary_fit(covariance_type, shape):
    X, _ = blurred()
    n, d = X.shape
    zero = np.zeros({"columns": (d,), "rows": (n, d), "matrix": (d, d), "matrices": (n, d, d)}[shape])
    how = {"covariance_type": covariance_type, "means_init": [[0, 0, 0, 0], [5, 5, 5, 5]], "acceleration": None}
    model = GaussianMixture(2, tol=1e-12, max_iter=400, **how)
    bound, means = model.fit(X).lower_bound_, model.means_
    assert model.fit(X, error_covariance=zero).lower_bound_ == pytest.approx(bound, rel=1e-9)
    np.testing.assert_allclose(model.means_, means, atol=1e-3)
    np.testing.assert_allclose(model.score_samples(X, error_covariance=zero), model.score_samples(X), rtol=1e-12)


def test_a_few_rows_of_a_stream_are_filled_although_few_of_them_share_an_error():
    X, errors = blurred(kind="shared", gaps=True)
    sources = (as_source(rows, estimator="x", missing="em", error_covariance=errors) for rows in (X, stream(X)))
    np.testing.assert_array_equal(*(each.without_gaps.select_rows(np.arange(3)).rows for each in sources))


def test_a_prior_keeps_variances_that_errors_explain():
    rng = np.random.default_rng(1)
    X, errors = rng.normal(size=(300, 2)), np.ones((300, 2))
    model = GaussianMixture(1, tol=1e-6).fit(X, error_covariance=errors)
    assert np.linalg.eigvalsh(model.covariances_[0])[0] > 1e-3
    assert "shrunk" in str(model)


@pytest.mark.parametrize("covariance_type", ["full", "tied", "diag", "spherical", "VEE"])
def test_the_default_prior_is_weak_where_groups_lie_apart(covariance_type):
    """It is of the variances within clusters, and errors that are nothing change next to nothing."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 2)) * [1, 30] + 100 * (np.arange(300)[:, None] % 3) * [1, 30]
    how = {"n_components": 3, "covariance_type": covariance_type, "random_state": 0}
    without, with_errors = GaussianMixture(**how).fit(X), GaussianMixture(**how).fit(X, error_covariance=[1e-6, 1e-6])
    np.testing.assert_allclose(with_errors.covariances_, without.covariances_, rtol=0.15, atol=3)
    found = gmm.select(X, range(1, 6), ["EII", "VVI"], error_covariance=[1e-3, 1.0], random_state=0)
    assert found.best.n_components == 3


@pytest.mark.parametrize("covariance_type", ["full", "diag"])
def test_a_fit_beside_errors_says_how_strong_its_prior_was(covariance_type):
    X = np.random.default_rng(0).normal(size=(200, 2)) * [1, 10] + 50 * (np.arange(200)[:, None] % 2)
    fit = GaussianMixture(2, covariance_type=covariance_type, random_state=0).fit(X, error_covariance=[0.2, 20.0])
    told = re.search(r"counts as 10 rows of each component, with standard deviations of ([\d.]+), ([\d.]+);", str(fit))
    within = np.sqrt([X[:, j][i::2].var() for i in range(2) for j in range(2)]).reshape(2, 2)
    expected = np.sqrt((within**2).mean(axis=0) - [0.2, 20])
    np.testing.assert_allclose([float(each) for each in told.groups()], expected, rtol=0.02)
    assert told[0] in str(fit.summary(X, error_covariance=[0.2, 20.0]))
    assert told[0] in str(reloaded(fit))
    assert "worth" not in str(fit.set_params(acceleration=None).fit(X, error_covariance=[0.2, 20.0]))


@pytest.mark.parametrize("again", ["bic", "aic", "criteria", "standard_errors"])
def test_rows_of_a_fit_beside_errors_need_them_again(again):
    X, errors = blurred()
    fit = start().fit(X, error_covariance=errors)
    for model in (fit, reloaded(fit)):
        call = getattr(model, again, partial(gmm.inference.standard_errors, model, n_replicates=2))
        refused(r"expected the error_covariance of these rows, got None.*zeros", call, X)
        call(X, error_covariance=errors)
        model.means_ = model.means_ + 1  # by hand, of whatever
        call(X)


@pytest.mark.parametrize(("method", "close"), [("bootstrap", 0.2), ("weighted-bootstrap", 0.2), ("information", 1e-3)])
def test_standard_errors_know_the_errors(method, close):
    rng = np.random.default_rng(4)
    values, errors = rng.normal(size=(500, 1)), rng.uniform(0.5, 4, size=(500, 1))
    X = values + rng.normal(size=values.shape) * np.sqrt(errors)
    how = {"acceleration": None, "tol": 1e-10, "max_iter": 1000} if method == "information" else {}
    fit = GaussianMixture(1, **how).fit(X, error_covariance=errors)
    of = gmm.inference.standard_errors(fit, X, error_covariance=errors, method=method, random_state=0)
    expected = np.sqrt(1 / (1 / (fit.covariances_[0] + errors)).sum())  # of a weighted mean
    np.testing.assert_allclose(of.means, expected, rtol=close)
    if method != "information":
        assert abs(of.replicates.covariances.mean() - fit.covariances_).max() < 0.1
        refused("a prior", gmm.inference.standard_errors, fit, X, error_covariance=errors, method="information")


@kinds
def test_true_values_are_conditional(kind):
    (X, errors), parameters = blurred(n=80, kind=kind, gaps=True), mixture("full")
    got = gmm.analysis.true_values(as_mixture(parameters).set_params(missing="em"), X, errors)
    np.testing.assert_array_equal(got.covariances, got.covariances.transpose(0, 2, 1))
    joint = joint_of(X, errors, parameters)
    for i, r in enumerate(reference.responsibilities(joint)):
        means, covariances = reference.true_values(X[i], errors[i], parameters.means, parameters.covariances)
        mean = r @ means
        second = np.einsum("k,kij->ij", r, covariances + means[:, :, None] * means[:, None])
        np.testing.assert_allclose(got.means[i], mean, atol=1e-9)
        np.testing.assert_allclose(got.covariances[i], second - np.outer(mean, mean), atol=1e-8)


@pytest.mark.parametrize("far", [1e6, 1e9, 1e160])
def test_rows_beyond_all_components_have_probabilities_and_true_values(far):
    two = GaussianMixture.from_parameters([0.5, 0.5], [[0, -5.0], [0, 5]], [np.eye(2)] * 2)
    exact, blurred_by_one = np.zeros(2), np.ones(2)
    np.testing.assert_array_equal(two.predict_proba([[far, 0]], error_covariance=exact), [[0.5, 0.5]])
    np.testing.assert_allclose(gmm.analysis.true_values(two, [[far, 0]], exact).means, [[far, 0]], rtol=1e-15)
    np.testing.assert_allclose(gmm.analysis.true_values(two, [[far, 0]], blurred_by_one).means, [[far / 2, 0]])


@pytest.mark.parametrize(("large", "small"), [(1e17, 1.0), (1e12, 1e-4), (1e17, 1e40), (1e300, 1e-10)])
def test_an_error_that_columns_share_spoils_no_other_column(large, small):
    V, errors = np.array([[1, 0.5, 0.3], [0.5, 1, 0.4], [0.3, 0.4, 1]]), np.zeros((1, 3, 3))
    errors[:, :2, :2], errors[:, 2, 2] = large, small
    x = np.array([1.0, -0.5, 3.0])
    got = gmm.analysis.true_values(GaussianMixture.from_parameters([1.0], np.zeros((1, 3)), [V]), [x], errors)
    A = np.array([[1.0, -1, 0], [0, 0, 1]])  # what is measured beside the shared error, which says nothing
    slopes = V @ A.T @ np.linalg.inv(A @ V @ A.T + np.diag([0, small]))
    np.testing.assert_allclose(got.means[0], slopes @ A @ x, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(got.covariances[0], V - slopes @ A @ V, rtol=1e-9, atol=1e-9)


@pytest.mark.filterwarnings("ignore::gmm.ConvergenceWarning")
def test_nothing_overflows_where_components_are_nearly_flat_or_rows_are_heavy():
    draws = np.random.default_rng(0)
    X = draws.normal(size=(60, 2)) @ draws.normal(size=(2, 4))
    fits = (GaussianMixture(2, reg_covar=1e-14, random_state=seed).fit(X) for seed in range(5))
    assert all(np.isfinite(gmm.analysis.true_values(each, X, np.ones(4)).covariances).all() for each in fits)
    heavy = GaussianMixture(1).fit(np.arange(8.0)[:, None], None, np.full(8, 1e200), error_covariance=[1e148])
    assert 0 < heavy.covariances_[0] < 1e4
    for unit in (1.0, 1e-150):  # an exact row among worthless ones, and only worthless ones
        for exact in (0.0, 1e148):
            errors = np.append(exact, np.full(59, 1e148))[:, None]
            fit = GaussianMixture(2, reg_covar=1e-6 * unit**2, random_state=0)
            fit.fit(unit * X[:, :1], error_covariance=errors)
            assert np.isfinite(fit.means_ / unit).all()


def test_a_true_value_without_error_has_no_variance():
    draws = np.random.default_rng(2)
    for _ in range(50):
        A = draws.normal(size=(3, 3))
        one = GaussianMixture.from_parameters([1.0], np.zeros((1, 3)), [A @ A.T + np.eye(3)])
        values = gmm.analysis.true_values(one, np.ones((1, 3)), [[1.0, 0.0, 1e-17]])
        np.testing.assert_allclose(values.covariances[0, [1, 2], [1, 2]], [0, 1e-17], rtol=1e-2, atol=1e-29)
        assert "nan" not in str(values)


def test_a_value_that_is_missing_needs_no_error():
    X, errors = np.random.default_rng(2).normal(size=(2, 90, 3))
    X[::4, 1], errors = np.nan, errors**2 / 9
    mixture = GaussianMixture(1, missing="em", tol=1e-12, max_iter=1000)
    expected = mixture.fit(X, error_covariance=errors).covariances_
    without = np.where(np.isnan(X), np.nan, errors)
    matrices = without[:, :, None] * np.where(np.eye(3) > 0, 1, np.where(np.isnan(without), np.nan, 0)[:, None])
    for each in (without, matrices):
        np.testing.assert_allclose(mixture.fit(X, error_covariance=each).covariances_, expected, atol=1e-7)
    assert np.isnan(without[::4, 1]).all(), "what was given stays as it is"
    without[1, 2] = np.nan
    told = r"got nan at row 1, column 2 of error_covariance\. Where an error is unknown"
    refused(told, mixture.fit, X, error_covariance=without)


@cases(
    (np.ones(3), r"\(400, 4\).*got \(3,\)"),
    (np.array([1, -1, 1, 1]), r"0 or more.*-1 at index 1 of error_covariance"),
    (np.full((400, 4), np.inf), r"finite.*inf at row 0, column 0 of error_covariance.*missing='em'"),
    (np.full(4, np.inf), r"finite.*inf at index 0 of error_covariance.*drop the column"),
    (np.diag([1, 1, -1, 1]), r"0 or more.*-1 at row 2, column 2 of error_covariance"),
    (np.triu(np.ones((4, 4))), "not symmetric: error_covariance$"),
    (2 * np.ones((400, 4, 4)) - np.eye(4), "not positive semidefinite: index 0 of error_covariance"),
    (["a"] * 4, "error_covariance"),
)
def test_errors_that_are_none_are_refused(errors, says):
    X, _ = blurred()
    refused(says, start().fit, X, error_covariance=errors, error=(ValueError, TypeError))
    square = np.arange(16.0).reshape(4, 4) ** 2
    refused(r"shape \(4, 4\) may be", GaussianMixture().fit, square, error_covariance=np.eye(4))  # of rows or columns


def test_a_single_row_of_a_single_column_is_no_ambiguity():
    fit = GaussianMixture(1).fit(np.arange(9.0)[:, None])
    one, two = (fit.score_samples([[0.5]] * n, error_covariance=[[0.1]] * n) for n in (1, 2))
    np.testing.assert_array_equal(one, two[:1])


def test_float32_rows_have_errors_too():
    X, errors = blurred(n=3000)
    single = start().fit(X.astype(np.float32), error_covariance=errors)
    assert single.means_.dtype == np.float32
    np.testing.assert_allclose(single.means_, start().fit(X, error_covariance=errors).means_, atol=1e-2)
    assert fitted_parameters(single).means.dtype == np.float64


@kinds
def test_rows_of_known_class_are_no_noise_beside_errors(kind):
    rng, n = np.random.default_rng(0), 350
    X = np.concatenate([rng.normal(size=(200, 2)), rng.normal([6, 0], size=(150, 2))])
    X[:10], X[60:70] = rng.uniform(-30, 30, (2, 10, 2))
    labels = np.where(np.arange(n) % 200 < 40, np.arange(n) // 200, -1)
    shares = {"shared": n, "own": 0, "both": n // 2}[kind]
    errors = 1e-10 * np.where(np.arange(n) < shares, 1.0, rng.uniform(0.5, 1.5, n))[:, None] * np.ones(2)
    model = GaussianMixture(2, noise=True, acceleration=None, tol=1e-9, max_iter=1000, random_state=0)
    bound, covariances = model.fit(X, labels=labels).lower_bound_, model.covariances_
    model.fit(X, labels=labels, error_covariance=errors)
    assert model.lower_bound_ == pytest.approx(bound, abs=1e-7)
    np.testing.assert_allclose(model.covariances_, covariances, rtol=1e-4)


def test_labels_of_a_fit_are_those_of_a_prediction_with_the_same_errors():
    X, errors = blurred()
    mixture = GaussianMixture(2, random_state=0)
    labels = mixture.fit_predict(X, error_covariance=errors)
    np.testing.assert_array_equal(labels, mixture.predict(X, error_covariance=errors))
    assert (labels != mixture.predict(X)).any()


@pytest.mark.parametrize("last", [lambda X: np.ones(len(X)), lambda X: 2 * X[:, 0]])
def test_a_column_without_spread_of_its_own_is_no_error(last):
    rows = np.random.default_rng(0).normal(size=(80, 2))
    mixture = GaussianMixture(1, random_state=0).fit(np.column_stack([rows, last(rows)]), error_covariance=np.ones(3))
    assert np.isfinite(mixture.lower_bound_)


TABLE = pd.DataFrame(np.random.default_rng(0).normal(size=(80, 2)), columns=["a", "b"])


def test_a_data_frame_of_errors_has_the_columns_of_the_rows():
    fit, errors = GaussianMixture(1).fit, pd.DataFrame(np.full((80, 2), 0.1), columns=["b", "a"])
    matrix = pd.DataFrame([[1.0, 0.5], [0.5, 2.0]], index=["a", "b"], columns=["a", "b"])
    swapped = (errors, "column"), (pd.Series([1.0, 2.0], ["b", "a"]), "value"), (matrix.iloc[::-1], "row")
    for wrong, side in swapped:
        refused(f"'b' instead of 'a' as {side} 0", fit, TABLE, error_covariance=wrong)
    for plain in (errors[["a", "b"]], pd.Series([1.0, 2.0]), pd.Series([1.0, 2.0], ["a", "b"]), matrix):
        means = (fit(TABLE, error_covariance=errors).means_ for errors in (plain, plain.to_numpy()))
        np.testing.assert_array_equal(*means)


def test_labelled_parameters_have_the_columns_of_the_rows():
    swapped = pd.DataFrame([[0.0, 1.0], [1.0, 0.0]], columns=["b", "a"])
    prior = gmm.NormalInverseWishart(mean=swapped.loc[0])
    for fit in (
        lambda: GaussianMixture(2, means_init=swapped).fit(TABLE),
        lambda: GaussianMixture(2, noise=swapped).fit(TABLE),
        lambda: GaussianMixture(2, prior=prior).fit(TABLE),
        lambda: gmm.BayesianGaussianMixture(n_components=2, mean_prior=swapped.loc[0]).fit(TABLE),
    ):
        refused("with the columns of X, got 'b' instead of 'a' as", fit)
    GaussianMixture(2, means_init=swapped[["a", "b"]]).fit(TABLE)


def test_what_knows_nothing_of_errors_says_so():
    X, errors = blurred(kind="shared")
    rows, mixture = gmm.sources.checked_rows(X, error_covariance=errors), GaussianMixture(2, random_state=0).fit(X)
    refused("drift does not support errors", gmm.analysis.drift, mixture, rows, X)


@pytest.mark.parametrize("scale", [0.0, 1e-162, 1e-200])
def test_rows_that_do_not_vary_are_refused_in_words(scale):
    rows = scale * np.random.default_rng(0).normal(size=(50, 2))
    told = "error_covariance needs rows that vary, but their largest variance is"
    refused(told, GaussianMixture(1).fit, rows, error_covariance=[0.1, 0.1])

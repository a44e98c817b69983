"""`MixtureRegressor`: least squares with one component, `predict_from` with several, scikit-learn's contract."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t
from sklearn.metrics import r2_score

from gmm import GaussianMixture, InvalidParameterError, MixtureRegressor, open_rows
from inside import PARSIMONIOUS
from tables import cases, refused, warned

RNG = np.random.default_rng(5)
X = RNG.normal(size=(300, 3)) * [1, 20, 0.1] + [0, 300, 0]
Y = np.column_stack([X @ [2.0, -0.1, 30.0] + 7, np.abs(X[:, 0])]) + RNG.normal(size=(300, 2)) * [0.5, 0.1]
WEIGHTS = RNG.integers(0, 4, 300).astype(float)


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
@pytest.mark.parametrize("targets", [0, [0, 1]], ids=["one", "two"])
def test_one_component_is_least_squares(targets, weights):
    y = Y[:, targets]
    fit = MixtureRegressor(reg_covar=0).fit(X, y, weights)
    root, design = np.sqrt(np.ones(300) if weights is None else weights)[:, None], np.column_stack([np.ones(300), X])
    coefficients = np.linalg.lstsq(design * root, y.reshape(300, -1) * root, rcond=None)[0]
    expected = (design @ coefficients).reshape(y.shape)
    np.testing.assert_allclose(fit.predict(X), expected, rtol=1e-8, atol=1e-8)
    assert fit.score(X, y, weights) == pytest.approx(r2_score(y, expected, sample_weight=weights), abs=1e-8)
    n = 300 if weights is None else np.sum(weights)
    spread = np.sqrt(np.average((y - expected) ** 2, axis=0, weights=weights) * n / (n - 4))
    leverages = (design @ np.linalg.inv((design * root).T @ (design * root)) * design).sum(axis=1)
    widths = spread * np.sqrt(1 + leverages).reshape(-1, *[1] * (y.ndim - 1))
    ends = expected[..., None] + t.ppf([0.1, 0.9], n - 4) * widths.reshape(*y.shape, 1)
    got = fit.predict_interval(X, coverage=0.8)
    np.testing.assert_allclose(got, ends.reshape(got.shape), rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("name", PARSIMONIOUS)
def test_predictions_are_those_of_the_mixture_of_all_columns(name):
    how = {"n_components": 3, "covariance_type": name, "random_state": 0, "tol": 1e-2}
    fit = MixtureRegressor(**how).fit(X, Y)
    whole = GaussianMixture(**how, reg_covar=fit.mixture_.reg_covar).fit(np.column_stack([X, Y]))
    np.testing.assert_array_equal(fit.mixture_.means_, whole.means_)
    expected = whole.predict_from(X, target=[3, 4], level=0.95)
    np.testing.assert_array_equal(fit.predict(X), expected.means)
    np.testing.assert_array_equal(fit.predict_interval(X), expected.intervals)


@pytest.mark.parametrize(("n", "told"), [(16, ["9 parameters for 16 rows"] * 20), (40, []), (160, [])])
def test_intervals_hold_their_level_but_of_very_few_rows_for_each_parameter(n, told):
    held, texts = [], []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        rows = rng.uniform(-3, 3, (n + 1000, 1))
        truth = np.abs(rows[:, 0]) + rng.normal(0, 0.25, n + 1000)
        fit, _ = warned(MixtureRegressor(3, max_iter=1000, random_state=seed).fit, rows[:n], truth[:n])
        ends, of_ends = warned(fit.predict_interval, rows[n:], coverage=0.9)
        held.append(np.mean((ends[:, 0] < truth[n:]) & (truth[n:] < ends[:, 1])))
        texts += of_ends + warned(fit.mixture_.predict_from, rows[n:], target=1, level=0.9)[1]
        fit.predict(rows[n:])
    given = GaussianMixture.from_parameters([1.0], [[0.0, 0.0]], [np.eye(2)])  # of an unknown number of rows
    texts += warned(given.predict_from, [[1.0]], target=1, level=0.9)[1]
    assert [text[:24] for text in texts] == told
    assert np.mean(held) == pytest.approx(0.9, abs=0.1 if told else 0.04)


def test_gaps_in_features_and_targets_are_integrated_out():
    features, targets = X.copy(), Y.copy()
    features[::7, 2], targets[::5, 1] = np.nan, np.nan
    fit = MixtureRegressor(missing="em").fit(features, targets)
    assert np.isfinite(fit.predict(features)).all()
    assert fit.score(X, Y) > 0.4
    refused("Input y contains NaN", MixtureRegressor().fit, X, targets)
    targets[3, 0] = np.inf
    refused(r"infinity.*row 3, column 0", MixtureRegressor(missing="em").fit, features, targets)


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
def test_rows_with_a_target_alone_say_where_targets_lie(weights):
    features, targets = X.copy(), Y[:, 1] + np.where(np.arange(300) % 4, 0, 2)
    features[::4] = np.nan
    how = {"missing": "em", "covariance_type": "diag", "random_state": 0, "tol": 1e-9}
    fit = MixtureRegressor(**how).fit(features, targets, weights)
    how["reg_covar"] = fit.mixture_.reg_covar
    whole = GaussianMixture(**how).fit(np.column_stack([features, targets]), sample_weight=weights)
    np.testing.assert_array_equal(fit.mixture_.means_, whole.means_)
    np.testing.assert_allclose(fit.predict([[np.nan] * 3]), [np.average(targets, weights=weights)], rtol=1e-6)


def test_types_shapes_and_sources_are_kept(tmp_path):
    single = MixtureRegressor().fit(X.astype(np.float32), Y[:, 0].astype(np.float32))
    assert single.predict(X.astype(np.float32)).dtype == np.float32
    assert MixtureRegressor().fit(X, Y[:, :1]).predict(X).shape == (300, 1)
    fit = MixtureRegressor(2, random_state=0).fit(X, Y[:, 0])
    assert fit.predict(X).shape == (300,)
    assert fit.predict_interval(X).shape == (300, 2)
    np.save(tmp_path / "X.npy", X)
    np.testing.assert_array_equal(fit.predict(open_rows(tmp_path / "X.npy")), fit.predict(X))
    assert "MixtureRegressor" in fit._repr_html_()
    frame, constant = pd.DataFrame(X, columns=["a", "b", "c"]), np.full(300, 2.0)
    fit.fit(frame, Y[:, 0])
    assert fit.feature_names_in_.tolist() == ["a", "b", "c"]
    assert fit.score(frame, constant) == r2_score(constant, fit.predict(frame)) == 0
    assert fit.score(frame[:1], fit.predict(frame[:1])) == 1
    refused("feature names", fit.predict, frame[["b", "a", "c"]])


@cases(
    (lambda: MixtureRegressor().fit(X, Y[:9]), ValueError, r"\(300,\) or \(300, m\).*got \(9, 2\)"),
    (lambda: MixtureRegressor().fit(X, Y[:, 0]).score(X, Y), ValueError, "1 targets, as in the fit, got 2"),
    (lambda: MixtureRegressor("2").fit(X, Y), InvalidParameterError, "n_components.*MixtureRegressor"),
    (lambda: MixtureRegressor().fit(X, Y).predict_interval(X, coverage=95), ValueError, "a coverage between 0 and"),
    (lambda: MixtureRegressor(missing="em").fit(X, Y * [1, np.nan]), ValueError, "all values of target 1 in y are"),
    (lambda: MixtureRegressor().fit(X, Y * [1, 1e200]), ValueError, "magnitudes .* at row 0, column 1 of y: "),
)
def test_wrong_input_is_named(call, kind, words):
    refused(words, call, error=kind)

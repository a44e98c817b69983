"""Marginals, conditionals and mixture regression: equal to the twin, and consistent with each other."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

import gmm
import inside
import reference
from gmm import GaussianMixture
from inside import PARSIMONIOUS, covariance_model
from tables import dense as written_out
from tables import groups, parameters, refused

K, D = 3, 5
KNOWN, OTHERS = [3, 0], [1, 2, 4]
NAMES = ["a", "b", "c", "d", "e"]
every_type = pytest.mark.parametrize("covariance_type", [*PARSIMONIOUS, *reference.OF_FACTORS])


def table(shift=0.0):
    return groups(300, D, K, apart=4) + shift


def fitted(covariance_type, names=None, **how):
    X = table(**how)
    rows = X if names is None else pd.DataFrame(X, columns=names)
    return GaussianMixture(K, covariance_type=covariance_type, random_state=0).fit(rows), X


def of_parameters(covariance_type):
    """The same parameters, of no fit: intervals take them for the truth."""
    fit, X = fitted(covariance_type)
    told = fit.weights_, fit.means_, fit.covariances_
    return GaussianMixture.from_parameters(*told, covariance_type=covariance_type), X


@every_type
def test_a_marginal_keeps_weights_means_and_covariances_of_its_columns(covariance_type):
    mixture, X = fitted(covariance_type)
    part = mixture.marginal(KNOWN)
    np.testing.assert_array_equal(part.weights_, mixture.weights_)
    np.testing.assert_array_equal(part.means_, mixture.means_[:, KNOWN])
    np.testing.assert_array_equal(written_out(part), written_out(mixture)[:, KNOWN][:, :, KNOWN])
    joint = reference.log_joint(X[:, KNOWN], part.weights_, part.means_, written_out(part))
    np.testing.assert_allclose(part.score_samples(X[:, KNOWN]), reference.log_evidence(joint), rtol=1e-10)


@every_type
def test_columns_keep_the_constraint_that_all_columns_have_or_their_layout_alone(covariance_type):
    model = covariance_model(covariance_type)
    mixture, X = fitted(covariance_type)
    for part in (mixture.marginal(KNOWN), mixture.condition(dict(zip(KNOWN, X[0, KNOWN], strict=True)))):
        kept = covariance_model(part.covariance_type)
        assert kept.layout is model.layout
        free = np.asarray(part.covariances_)
        again = kept.constrained(free.astype(float), np.full(K, 100.0), previous=free.astype(float))
        np.testing.assert_allclose(again, free, rtol=1e-9, atol=1e-12)


@every_type
@pytest.mark.parametrize(("shift", "near"), [(0.0, 1e-9), (1e6, 1e-6)])
def test_a_condition_is_the_twins(covariance_type, shift, near):
    mixture, X = fitted(covariance_type, shift=shift)
    for row in X[:5, KNOWN]:
        given = mixture.condition(dict(zip(KNOWN, row, strict=True)))
        expected = reference.conditional(*parameters(mixture), KNOWN, OTHERS, row)
        for value, twin in zip(parameters(given), expected, strict=True):
            np.testing.assert_allclose(value, twin, rtol=near, atol=near)


@every_type
def test_predictions_are_moments_and_quantiles_of_the_conditions(covariance_type):
    mixture, X = of_parameters(covariance_type)
    predicted = mixture.predict_from(X[:20, KNOWN], KNOWN, level=0.8)
    assert predicted.columns == ("x1", "x2", "x4")
    for i, row in enumerate(X[:20]):
        given = mixture.condition(dict(zip(KNOWN, row[KNOWN], strict=True)))
        mean = given.weights_ @ given.means_
        variances = np.diagonal(written_out(given), axis1=1, axis2=2)
        second = given.weights_ @ (variances + (given.means_ - mean) ** 2)
        np.testing.assert_allclose(predicted.means[i], mean, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(predicted.deviations[i], np.sqrt(second), rtol=1e-9)
        for side, level in enumerate((0.1, 0.9)):
            below = norm.cdf((predicted.intervals[i, :, side] - given.means_) / np.sqrt(variances))
            np.testing.assert_allclose(given.weights_ @ below, level, rtol=1e-9)


@every_type
def test_predictions_are_from_the_known_columns_that_a_row_has(covariance_type):
    mixture, X = of_parameters(covariance_type)
    known = X[:40, KNOWN].copy()
    known[::3, 0], known[1::3, 1] = np.nan, np.nan
    refused("missing='em'", mixture.predict_from, known, KNOWN)
    predicted = mixture.set_params(missing="em").predict_from(known, KNOWN, level=0.8)
    for rows, there in ((slice(0, None, 3), 1), (slice(1, None, 3), 0), (slice(2, None, 3), [0, 1])):
        columns = np.atleast_1d(np.array(KNOWN)[there])
        there_alone = known[rows][:, there].reshape(-1, len(columns))
        part = mixture.marginal([*columns, *OTHERS]).predict_from(there_alone, range(len(columns)), level=0.8)
        for got, expected in zip(predicted[1:], part[1:], strict=True):
            np.testing.assert_allclose(got[rows], expected, rtol=1e-9, atol=1e-9)
    without = mixture.predict_from([[1.0, 1.0], [np.nan, np.nan]], KNOWN).means[1]
    np.testing.assert_allclose(without, mixture.weights_ @ mixture.means_[:, OTHERS])


@pytest.mark.parametrize(("covariance_type", "q"), [("full", 3), ("tied", 5 / 3), ("diag", 1), ("spherical", 1)])
def test_intervals_of_a_fit_are_those_of_new_rows_beside_its_own(covariance_type, q):
    mixture, X = fitted(covariance_type)
    ends = mixture.predict_from(X[:10, KNOWN], KNOWN, level=0.8).intervals
    given = parameters(mixture), KNOWN, covariance_type == "tied"
    for row, of_row in zip(X, ends, strict=False):
        for column, pair in zip(OTHERS, of_row, strict=True):
            for end, level in zip(pair, (0.1, 0.9), strict=True):
                below = reference.prediction_below((column, end), row[KNOWN], len(X), q, *given[0], *given[1:])
                assert below == pytest.approx(level, rel=1e-8)


def test_intervals_of_two_peaks_reach_over_the_gap():
    mixture = GaussianMixture.from_parameters([0.5, 0.5], [[0, -10], [0, 10]], [1.0, 1.0], covariance_type="spherical")
    mean, deviation, ends = (part[0, 0] for part in mixture.predict_from([[0.0]], [0], level=0.5)[1:])
    assert mean == pytest.approx(0, abs=1e-12)
    assert deviation == pytest.approx(np.sqrt(101))
    # A quarter of all lies below: half of the lower peak.
    np.testing.assert_allclose(ends, [-10, 10], atol=1e-9)


@pytest.mark.parametrize("far", [1e15, 1e20, 1e100])
def test_an_improbable_component_far_away_does_not_blur_an_interval(far):
    scales = np.array([[1, 1e-12], [1, 1]])
    two = GaussianMixture.from_parameters([1 - 1e-12, 1e-12], [[0, 0], [0, far]], scales, covariance_type="diag")
    ends = two.predict_from([[0.0]], known=[0], target=[1], level=0.95).intervals
    np.testing.assert_allclose(ends, [[norm.ppf([[0.025, 0.975]])[0] * 1e-6]], rtol=1e-9)


def test_columns_go_by_name():
    mixture, X = fitted("VVV", NAMES)
    part = mixture.marginal(["d", "a"])
    assert list(part.feature_names_in_) == ["d", "a"]
    assert list(mixture.marginal("c").feature_names_in_) == ["c"]
    given = mixture.condition({"d": X[0, 3], 0: X[0, 0]})
    assert list(given.feature_names_in_) == ["b", "c", "e"]
    frame = pd.DataFrame(X[:, KNOWN], columns=["d", "a"])
    by_name, by_index = mixture.predict_from(frame), mixture.predict_from(frame, [3, 0])
    assert by_name.columns == ("b", "c", "e")
    np.testing.assert_array_equal(by_name.means, by_index.means)
    refused("should match", mixture.predict_from, frame, ["a", "d"])


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
def test_results_are_fitted_mixtures():
    settings = {"missing": "em", "reg_covar": 1e-3, "n_threads": 1, "random_state": 0}
    mixture = fitted("VEE", NAMES)[0].set_params(**settings)
    for part in (mixture.marginal(["b", "e"]), mixture.condition({"a": 1.0, "b": 0.0, "c": 0.0})):
        assert part.get_params().items() >= settings.items()
        assert part.sample(50, random_state=0)[0].shape == (50, 2)
        assert "2 features" in str(part)


def test_float32_in_float32_out():
    X = table().astype(np.float32)
    mixture = GaussianMixture(K, random_state=0).fit(X)
    single = mixture.predict_from(X[:, KNOWN], KNOWN, level=0.9)
    double = mixture.predict_from(X[:, KNOWN].astype(float), KNOWN, level=0.9)
    for one, other in zip(single[1:], double[1:], strict=True):
        assert one.dtype == np.float32
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)
    assert mixture.marginal(KNOWN).means_.dtype == np.float32


def test_rows_of_a_file_in_many_blocks(tmp_path, monkeypatch):
    mixture, X = fitted("VVV")
    whole = mixture.predict_from(X[:, KNOWN], KNOWN, level=0.9)
    np.save(tmp_path / "known.npy", X[:, KNOWN])
    monkeypatch.setattr(inside.conditional, "_NUMBERS_AT_ONCE", 100)
    in_blocks = mixture.predict_from(gmm.open_rows(tmp_path / "known.npy"), KNOWN, level=0.9)
    for one, two in zip(whole[1:], in_blocks[1:], strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-12, atol=1e-12)


def test_far_values_go_to_the_nearest_component():
    mixture = GaussianMixture.from_parameters([0.5, 0.5], [[0, 1], [9, 2]], [1.0, 1.0], covariance_type="spherical")
    np.testing.assert_array_equal(mixture.condition({0: 1e10}).weights_, [0, 1])
    np.testing.assert_array_equal(mixture.predict_from([[-1e10], [1e10]], [0]).means, [[1], [2]])
    # From here, both means are equally far.
    np.testing.assert_array_equal(mixture.condition({0: 1e200}).weights_, [0.5, 0.5])
    steep = GaussianMixture.from_parameters([1.0], [[0, 0]], [[1, 1e3], [1e3, 2e6]], covariance_type="tied")
    refused("row 1 overflows float64", steep.predict_from, [[1.0], [1e307]], [0])
    refused("overflows", steep.condition, {0: 1e307})
    beside = [[1, 1e3, 0], [1e3, 2e6, 0], [0, 0, 1]]
    steep = GaussianMixture.from_parameters([1.0], [[0, 0, 0]], beside, covariance_type="tied")
    rows = [[1.0, 1.0], [np.nan, 1.0], [1e307, np.nan]]
    refused("row 2 overflows float64", steep.set_params(missing="em").predict_from, rows, [0, 2])


def test_what_cannot_be_predicted():
    (mixture, X), (named, _) = fitted("VVV"), fitted("VVV", NAMES)
    for attempt, error, words in (
        (lambda: named.marginal([]), ValueError, "at least one column"),
        (lambda: named.marginal([0, -5]), ValueError, "each column once, got -5 again"),
        (lambda: named.marginal("f"), ValueError, "'a', 'b', 'c', 'd', 'e', each name once, got 'f'"),
        (lambda: named.marginal([1.0]), TypeError, "the name of a column or its index, got 1.0"),
        (lambda: mixture.marginal("a"), ValueError, "columns 'x0', 'x1', 'x2', 'x3', 'x4', each name once, got 'a'"),
        (lambda: mixture.predict_from(X[:, KNOWN]), ValueError, "no column names: expected `known`"),
        (lambda: mixture.predict_from(X, range(5)), ValueError, "^known: .* got all 5 columns"),
        (lambda: mixture.predict_from(X[:, :3], KNOWN), ValueError, "has 3.*but 2"),
        (lambda: mixture.predict_from(X[:, KNOWN], KNOWN, [3]), ValueError, "column 'x3' is both"),
        (lambda: mixture.predict_from(X[:, KNOWN], KNOWN, [5]), ValueError, "columns from 0 to 4, got 5"),
        (lambda: mixture.predict_from(X[:, KNOWN], KNOWN, level=1.0), ValueError, "between 0 and 1"),
        (lambda: mixture.condition([1.0]), TypeError, "mapping of columns to values"),
        (lambda: mixture.condition({}), ValueError, "at least one column"),
        (lambda: GaussianMixture().marginal(0), gmm.NotFittedError, None),
    ):
        refused(words, attempt, error=error)


def test_targets_are_the_columns_to_predict_in_their_order():
    mixture, X = fitted("VVV")
    every = mixture.predict_from(X[:9, KNOWN], KNOWN, level=0.5)
    some = mixture.predict_from(X[:9, KNOWN], KNOWN, target=[OTHERS[2], OTHERS[0]], level=0.5)
    assert some.columns == (every.columns[2], every.columns[0])
    for one, other in zip(some[1:], every[1:], strict=True):
        np.testing.assert_allclose(one, other[:, [2, 0]], rtol=1e-9)
    alone = mixture.predict_from(np.delete(X[:9], 2, axis=1), target="x2")  # as summaries name it
    np.testing.assert_array_equal(alone.means, mixture.predict_from(np.delete(X[:9], 2, axis=1), [0, 1, 3, 4]).means)


def test_a_frame_names_what_is_known():
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(90, 3)), columns=["a", "b", "c"])
    mixture = GaussianMixture(2, random_state=0).fit(frame)
    assert mixture.predict_from(frame[["c"]]).columns == ("a", "b")
    assert mixture.predict_from(frame[["c"]], target="b").columns == ("b",)
    refused("column 'b' is both", mixture.predict_from, frame[["b", "c"]], target="b")
    refused("feature names", mixture.predict_from, pd.DataFrame({"z": [2.0]}), ["c"])
    from_list = mixture.predict_from([[2.0]], ["c"])  # and no warning, which is an error here
    np.testing.assert_array_equal(from_list.means, mixture.predict_from(pd.DataFrame({"c": [2.0]})).means)
    one, other = mixture.condition({"a": 1.5}), mixture.condition(pd.Series({"a": 1.5}))
    np.testing.assert_array_equal(one.means_, other.means_)
    for wrong in ("x", None, np.nan, np.inf):
        refused("finite number for column 'a'", mixture.condition, {"a": wrong})

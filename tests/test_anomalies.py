"""Thresholds at a stated rate: what share of new rows lies below them."""

import numpy as np
import pytest
from scipy.stats import beta

import gmm
from gmm import GaussianMixture
from gmm.analysis import anomaly_threshold

ONE = GaussianMixture.from_parameters([1.0], [[0.0]], [[[1.0]]])


def test_the_rate_of_false_alarms_is_beta_distributed():
    rng, n, rate = np.random.default_rng(0), 199, 0.05
    many = ONE.score_samples(rng.normal(size=(20_000, 1)))
    rates, inside = [], 0
    for _ in range(300):
        threshold = anomaly_threshold(ONE, rng.normal(size=(n, 1)), rate)
        rates.append((many < threshold.log_density).mean())
        inside += threshold.low < rates[-1] < threshold.high
    expected = beta(10, 190)
    assert np.mean(rates) == pytest.approx(rate, abs=0.003)
    assert np.std(rates) == pytest.approx(expected.std(), rel=0.15)
    assert 0.9 < inside / 300 < 0.99
    assert (threshold.low, threshold.high) == pytest.approx(tuple(expected.ppf([0.025, 0.975])), rel=1e-9)


@pytest.mark.parametrize("rate", [0, 1, -0.1, "x", None, True, np.nan])
def test_rates_that_are_none(rate):
    with pytest.raises(ValueError, match=r"number in .0, 1."):
        anomaly_threshold(ONE, [[0.0]], rate)


def test_it_is_a_score_of_the_rows():
    X = np.random.default_rng(0).normal(size=(99, 2))
    mixture = GaussianMixture(2, random_state=0).fit(X)
    scores = np.sort(mixture.score_samples(X))
    for rate, place in ((0.01, 0), (0.05, 4), (0.5, 49)):
        assert anomaly_threshold(mixture, X, rate).log_density == scores[place]
    with pytest.raises(ValueError, match=r"least 99.*of 0\.01, got 98"):
        anomaly_threshold(mixture, X[:98], 0.01)
    with pytest.raises(gmm.NotFittedError):
        anomaly_threshold(GaussianMixture(), X, 0.5)


@pytest.mark.parametrize("rate", [0.5, 0.3, 1 / 3, 0.07, 0.05, 0.01, np.nextafter(0.01, 0), 0.0099])
def test_the_fewest_rows_of_a_rate_are_those_that_the_message_says(rate):
    """The lowest of n scores is below a new one with a probability of 1 / (n + 1)."""
    least = next(n for n in range(1, 200) if rate * (n + 1) > 1 - 1e-9)
    anomaly_threshold(ONE, np.zeros((least, 1)), rate)
    if least > 1:
        with pytest.raises(ValueError, match=f"at least {least} rows"):
            anomaly_threshold(ONE, np.zeros((least - 1, 1)), rate)


def test_rows_that_lack_the_same_columns_are_those_of_the_marginal_mixture():
    """Of others a threshold says nothing: rows with fewer columns have higher densities."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(500, 3)) * [1, 0.01, 5]
    mixture = GaussianMixture(2, random_state=0, missing="em").fit(X)
    X[:, 1] = np.nan
    expected = anomaly_threshold(mixture.marginal([0, 2]), X[:, [0, 2]], 0.05)
    assert anomaly_threshold(mixture, X, 0.05).log_density == pytest.approx(expected.log_density, rel=1e-12)
    X[7, 0] = np.nan
    for rows in (X, gmm.open_rows(lambda: np.array_split(X, 3))):
        with pytest.raises(ValueError, match=r"missing values.* impute\(X, draw=True\)"):
            anomaly_threshold(mixture, rows, 0.05)


def test_rows_without_the_columns_of_the_threshold_are_not_judged():
    """A density of fewer columns is of other units: one row with a gap would never be an anomaly."""
    X = np.random.default_rng(0).normal(size=(500, 3)) * [1, 0.01, 5]
    mixture = GaussianMixture(2, random_state=0, missing="em").fit(X)
    far = np.array([[50.0, 0.0, 0.0]])
    gap, pair = np.where([False, True, False], np.nan, far), np.where([False, True, False], np.nan, X)
    whole, fewer = anomaly_threshold(mixture, X, 0.05), anomaly_threshold(mixture, pair, 0.05)
    assert whole.columns.tolist() == [0, 1, 2]
    assert fewer.columns.tolist() == [0, 2]
    assert whole.predict(far).tolist() == fewer.predict(gap).tolist() == [True]
    for threshold, rows in ((whole, gap), (fewer, far), (fewer, np.vstack([gap, gap * np.nan]))):
        with pytest.raises(ValueError, match=r"missing values.* impute\(X, draw=True\)"):
            threshold.predict(rows)
    for judge in (whole.predict, lambda rows: anomaly_threshold(mixture, rows, 0.5)):
        with pytest.raises(ValueError, match="at least one row with a value, got 1"):
            judge(far * np.nan)

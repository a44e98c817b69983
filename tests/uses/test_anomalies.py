"""Thresholds at a stated rate, and whether new rows have drifted: false alarms, power, and what is named."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import beta

import gmm
import reference
from gmm import BayesianGaussianMixture, GaussianMixture
from gmm.analysis import anomaly_threshold, drift
from inside import PARSIMONIOUS, STATISTICS
from tables import cases, refused

MEANS = np.array([[0.0, 0.0], [6.0, 0.0], [0.0, 6.0]])
WEIGHTS = np.array([0.5, 0.3, 0.2])


def week(n, seed, weights=WEIGHTS, means=MEANS, dof=None):
    draws = np.random.default_rng(seed)
    z = draws.normal(size=(n, 2))
    if dof:
        z /= np.sqrt(draws.chisquare(dof, size=(n, 1)) / dof)
    return means[draws.choice(3, n, p=weights)] + z


FIT = GaussianMixture.from_parameters(WEIGHTS, MEANS, [np.eye(2)] * 3)
REFERENCE = week(4000, 1)


@pytest.mark.parametrize("dof", [None, 6])
@pytest.mark.parametrize(("n", "n_reference", "weeks"), [(300, 2000, 60), (100, 100, 120)])
def test_false_alarms_come_at_the_stated_rate_also_under_heavy_tails(n, n_reference, weeks, dof):
    tables = ((week(n, 1000 + i, dof=dof), week(n_reference, 2000 + i, dof=dof)) for i in range(weeks))
    p_values = np.array([drift(FIT, *pair, n_replicates=99).p_value for pair in tables])
    assert np.mean(p_values <= 0.1) < 0.1 + 3.5 * np.sqrt(0.09 / weeks)
    assert np.mean(p_values <= 0.5) == pytest.approx(0.5, abs=3.5 * np.sqrt(0.25 / weeks))


@cases(*((GaussianMixture, name) for name in PARSIMONIOUS), (BayesianGaussianMixture, "full"))
def test_what_changed_is_named(kind, name):
    fit = kind(n_components=3, covariance_type=name, random_state=0).fit(REFERENCE)
    order = np.argmin(((fit.means_[:, None] - MEANS) ** 2).sum(axis=2), axis=0)
    calm = drift(fit, week(1000, 2), REFERENCE, n_replicates=99)
    assert not calm.alarm
    assert "none at level 0.01" in repr(calm)
    grown = drift(fit, week(1000, 3, weights=[0.4, 0.3, 0.3]), REFERENCE, n_replicates=99)
    assert (grown.alarm, np.argmax(grown.growth)) == (True, order[2])
    assert f"component {order[2]} grew" in repr(grown)
    moved = drift(fit, week(1000, 4, means=MEANS + np.array([0, 0.4])), REFERENCE, n_replicates=99)
    assert moved.alarm
    assert "x1 rose" in moved.changes()[0]
    assert moved.shifts == pytest.approx([0, 0.4], abs=0.15)


def test_the_statistics_are_those_written_out():
    rows, n, N = week(500, 5), 500, len(REFERENCE)
    found = drift(FIT, rows, REFERENCE, n_replicates=400)
    here, replicates = reference.drift_statistics(FIT, rows, REFERENCE, 400, np.random.RandomState(0))
    standard = (here - replicates.mean(axis=0)) / replicates.std(axis=0)
    np.testing.assert_allclose([found.statistics[name] for name in STATISTICS], standard, rtol=1e-6, atol=1e-9)
    largest = ((replicates - replicates.mean(axis=0)) / replicates.std(axis=0)).max(axis=1)
    assert found.p_value == (1 + (largest >= standard.max()).sum()) / 401
    assert found.shares.sum() == pytest.approx(1)
    shares = [FIT.predict_proba(each) for each in (rows, REFERENCE)]
    errors = shares[1].std(axis=0) * np.sqrt(1 / n + 1 / N)
    np.testing.assert_allclose(found.growth, (shares[0].mean(axis=0) - shares[1].mean(axis=0)) / errors)


def test_new_rows_far_away_are_an_alarm_by_the_tail():
    rows = week(1000, 6)
    rows[:20] = 30
    found = drift(FIT, rows, REFERENCE)
    assert found.p_value == 0.001
    assert found.statistics["tail"] > 3
    rows[0] = 1e150
    far = drift(FIT, rows, REFERENCE)
    assert far.alarm
    assert len(repr(far)) < 300


def test_columns_have_their_names():
    tables = REFERENCE, week(400, 7, means=MEANS - [0.5, 0])
    before, after = (pd.DataFrame(rows, columns=["speed", "load"]) for rows in tables)
    found = drift(GaussianMixture(3, random_state=0).fit(before), after, before)
    assert found.columns == ("speed", "load")
    assert found.changes()[0].startswith("speed fell")


def test_noise_and_components_without_rows_are_no_obstacle():
    rows = np.concatenate([REFERENCE, np.random.default_rng(0).uniform(-20, 20, (80, 2))])
    noisy = GaussianMixture(3, noise=True, random_state=0).fit(rows)
    calm, moved = week(400, 8), week(400, 8, means=MEANS + 0.8)
    assert not drift(noisy, rows[::5], rows).alarm
    assert drift(noisy, moved, rows).alarm
    empty = GaussianMixture.from_parameters([*WEIGHTS * 0.999, 0.001], [*MEANS, [90.0, 90.0]], [np.eye(2)] * 4)
    for fit in (empty, FIT.from_parameters([1], [[0, 0]], [np.eye(2) * 9])):
        assert not drift(fit, calm, REFERENCE).alarm
        assert drift(fit, moved, REFERENCE).alarm


def test_more_directions_than_the_reference_bears_are_left_out():
    draws = np.random.default_rng(0)
    fit = GaussianMixture(3, covariance_type="diag", random_state=0).fit(draws.normal(size=(700, 30)))
    tables = ((draws.normal(size=(200, 30)), draws.normal(size=(600, 30))) for _ in range(30))
    assert np.mean([drift(fit, *pair, n_replicates=99).p_value <= 0.1 for pair in tables]) < 0.3


GAPS = np.where(np.arange(8000).reshape(4000, 2) % 7 == 3, np.nan, REFERENCE)


@cases(
    (REFERENCE[:49], REFERENCE, {}, "50 rows or more in X, got 49"),
    (REFERENCE, REFERENCE, {"level": 0.001, "n_replicates": 100}, r"at least 999 replicates for level=0\.001"),
    (REFERENCE, REFERENCE, {"level": 1e-320}, "replicates"),
    (GAPS, REFERENCE, {}, r"NaN.* in X, the first in row 1: impute both tables by impute\(X, draw=True\)"),
    (REFERENCE, GAPS, {}, "in the reference, the first in row 1: "),
    (REFERENCE[:, :1], REFERENCE, {}, "features"),
)
def test_what_is_refused(rows, reference, how, told):
    refused(told, drift, FIT, rows, reference, **how)


ONE = GaussianMixture.from_parameters([1.0], [[0.0, 0.0]], [np.eye(2)])


def beside_a_constant(n, seed, value=0.1, shift=0.0):
    return np.column_stack([np.random.default_rng(seed).normal(shift, 1, n), np.full(n, value)])


@pytest.mark.parametrize("shift", [0.0, 0.5])
def test_a_constant_column_changes_no_verdict(shift):
    for n, n_reference in ((300, 500), (30_000, 40_000)):
        new, old = beside_a_constant(n, 0, shift=shift), beside_a_constant(n_reference, 100)
        alone = drift(ONE.marginal([0]), new[:, :1], old[:, :1], n_replicates=199)
        got = drift(ONE, new, old, n_replicates=199)
        assert got.alarm == alone.alarm == bool(shift)
        np.testing.assert_allclose(got.p_value, alone.p_value)
        assert got.movement[1] == 0


def test_what_is_constant_no_more_has_moved_but_one_odd_row_is_no_drift():
    old = beside_a_constant(500, 100)
    assert drift(ONE, beside_a_constant(300, 0, value=0.2), old).alarm
    odd = beside_a_constant(300, 0)
    odd[7, 1] = 0.2
    assert not drift(ONE, odd, old).alarm
    one, old = ONE.marginal([0]), np.repeat([-1.0, 1.0], 250)[:, None]  # whose scores are all equal
    assert drift(one, 3 * old, old).alarm
    assert not drift(one, old[::2], old).alarm


def test_components_of_few_rows_each_are_left_out():
    draws = np.random.default_rng(0)
    centres = np.stack(np.meshgrid(np.arange(10, 100, 20), np.arange(12.5, 100, 25)), axis=-1).reshape(20, 2)
    many = GaussianMixture.from_parameters(np.full(20, 0.05), centres, np.full((20, 2), 60.0), covariance_type="diag")
    few = drift(many, draws.uniform(0, 100, (50, 2)), draws.uniform(0, 100, (50, 2)))
    assert few.statistics["weights"] == few.statistics["means"] == 0


# --- Thresholds ---------------------------------------------------------------------------------

NORMAL = GaussianMixture.from_parameters([1.0], [[0.0]], [[[1.0]]])


def test_the_rate_of_false_alarms_is_beta_distributed():
    rng, n, rate = np.random.default_rng(0), 199, 0.05
    many = NORMAL.score_samples(rng.normal(size=(20_000, 1)))
    rates, inside = [], 0
    for _ in range(300):
        threshold = anomaly_threshold(NORMAL, rng.normal(size=(n, 1)), rate)
        rates.append((many < threshold.log_density).mean())
        inside += threshold.low < rates[-1] < threshold.high
    expected = beta(10, 190)
    assert np.mean(rates) == pytest.approx(rate, abs=0.003)
    assert np.std(rates) == pytest.approx(expected.std(), rel=0.15)
    assert 0.9 < inside / 300 < 0.99
    assert (threshold.low, threshold.high) == pytest.approx(tuple(expected.ppf([0.025, 0.975])), rel=1e-9)


def test_it_is_a_score_of_the_rows():
    X = np.random.default_rng(0).normal(size=(99, 2))
    mixture = GaussianMixture(2, random_state=0).fit(X)
    for rate, place in ((0.01, 0), (0.05, 4), (0.5, 49)):
        assert anomaly_threshold(mixture, X, rate).log_density == np.sort(mixture.score_samples(X))[place]
    refused(r"least 99.*of 0\.01, got 98", anomaly_threshold, mixture, X[:98], 0.01)
    refused(r"number in .0, 1.", anomaly_threshold, mixture, X, 1)
    refused(None, anomaly_threshold, GaussianMixture(), X, 0.5, error=gmm.NotFittedError)


@pytest.mark.parametrize("rate", [0.5, 0.3, 1 / 3, 0.07, 0.05, 0.01, np.nextafter(0.01, 0), 0.0099])
def test_the_fewest_rows_of_a_rate_are_those_that_the_message_says(rate):
    """The lowest of n scores is below a new one with a probability of 1 / (n + 1)."""
    least = next(n for n in range(1, 200) if rate * (n + 1) > 1 - 1e-9)
    anomaly_threshold(NORMAL, np.zeros((least, 1)), rate)
    if least > 1:
        refused(f"at least {least} rows", anomaly_threshold, NORMAL, np.zeros((least - 1, 1)), rate)


def test_rows_that_lack_the_same_columns_are_judged_by_the_marginal_mixture_and_others_not():
    """A density of fewer columns is of other units: one row with a gap would never be an anomaly."""
    X, far = np.random.default_rng(0).normal(size=(500, 3)) * [1, 0.01, 5], np.array([[50.0, 0.0, 0.0]])
    mixture = GaussianMixture(2, random_state=0, missing="em").fit(X)
    gap, pair = (np.where([False, True, False], np.nan, rows) for rows in (far, X))
    whole, fewer = (anomaly_threshold(mixture, rows, 0.05) for rows in (X, pair))
    expected = anomaly_threshold(mixture.marginal([0, 2]), X[:, [0, 2]], 0.05)
    assert fewer.log_density == pytest.approx(expected.log_density, rel=1e-12)
    assert (whole.columns.tolist(), fewer.columns.tolist()) == ([0, 1, 2], [0, 2])
    assert whole.predict(far).tolist() == fewer.predict(gap).tolist() == [True]
    told, mixed = r"missing values.* impute\(X, draw=True\)", np.vstack([X, gap])
    for threshold, rows in ((whole, gap), (fewer, far), (fewer, np.vstack([gap, gap * np.nan]))):
        refused(told, threshold.predict, rows)
    for rows in (mixed, gmm.open_rows(lambda: np.array_split(mixed, 3))):
        refused(told, anomaly_threshold, mixture, rows, 0.05)
    for judge in (whole.predict, lambda rows: anomaly_threshold(mixture, rows, 0.5)):
        refused("at least one row with a value, got 1", judge, far * np.nan)

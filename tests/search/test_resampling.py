"""Held-out folds, the bootstrap test, the split likelihood ratio and stability, against what they promise."""

import threading
import zlib
from functools import partial
from itertools import permutations
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import inside
from gmm import GaussianMixture, InvalidParameterError, inference, select
from gmm.inference import bootstrap_lrt, held_out_log_likelihood, split_lrt, stability
from gmm.plotting import plot_selection
from inside import PARSIMONIOUS, folds_of, resampling, solutions, threads
from tables import assert_contains, cases, interrupt, noted, refused, reloaded

rng = np.random.default_rng(0)
X = np.concatenate([rng.normal(-4, 1, (60, 2)), rng.normal(4, 1, (40, 2))])
WEIGHTS = rng.integers(1, 4, len(X)).astype(float)
FEW = {"n_replicates": 9, "n_init": 1, "random_state": 0}
HALVES = {"n_splits": 4, "n_init": 2, "random_state": 0}


class Uniform:
    """A density that remembers what it was asked for, and knows no weights."""

    seen: ClassVar = []

    def __init__(self, width=1.0):
        self.width = width

    def get_params(self, deep=True):
        return {"width": self.width}

    def fit(self, rows):
        self.fitted_ = rows
        return self

    def score_samples(self, rows):
        Uniform.seen.append((self.fitted_, rows))
        return np.full(len(rows), -np.log(self.width))


@given(st.integers(4, 30), st.data())
def test_each_row_is_held_out_once_and_never_fitted_then(n, data):
    n_splits = data.draw(st.integers(2, n // 2))
    rows = np.arange(float(n))[:, None]
    Uniform.seen.clear()
    found = held_out_log_likelihood(Uniform(2.0), rows, n_splits=n_splits, random_state=1)
    assert len(Uniform.seen) == len(found.folds) == n_splits
    for fitted, held in Uniform.seen:
        np.testing.assert_array_equal(np.sort(np.concatenate([fitted, held]), axis=0), rows)
    np.testing.assert_array_equal(np.sort(np.concatenate([held for _, held in Uniform.seen]), axis=0), rows)
    assert (found.mean, found.weights.sum()) == (pytest.approx(-np.log(2)), n)


@pytest.mark.parametrize("name", PARSIMONIOUS)
def test_a_fold_is_scored_by_a_fit_to_the_others(name):
    estimator = GaussianMixture(2, covariance_type=name, random_state=3)
    weights = WEIGHTS + 0.5
    found = held_out_log_likelihood(estimator, X, n_splits=4, random_state=7, sample_weight=weights)
    fold = np.array_split(np.random.RandomState(7).permutation(len(X)), 4)[1]
    rest = np.setdiff1d(np.arange(len(X)), fold)
    alone = GaussianMixture(2, covariance_type=name, random_state=3).fit(X[rest], sample_weight=weights[rest])
    assert found.folds[1] == pytest.approx(alone.score(X[fold], sample_weight=weights[fold]), rel=1e-9)
    assert found.mean == pytest.approx(found.folds @ found.weights / weights.sum())
    assert found.weights[1] == weights[fold].sum()
    assert not estimator.__sklearn_is_fitted__()


def is_table(rows, table=X):
    """Whether rows are those of a table, in units of whatever size."""
    return np.array_equal(rows.argsort(axis=0), table.argsort(axis=0))


@pytest.fixture
def pairs(monkeypatch):
    """The rows of each pair of fits, and the mixture that they were drawn from."""
    return noted(monkeypatch, resampling, "_pair", lambda rows, K, how, seed, truth=None: (rows, truth))


def test_tables_to_which_nothing_can_be_fitted_are_left_out(monkeypatch):
    seen, told, parts = set(), [], 3

    def collapsing(source, settings, seeds, **how):
        rows = source.rows
        if settings.n_components == 2 and not is_table(rows) and zlib.crc32(rows.tobytes()) % parts == 0:
            seen.add(rows.tobytes())
            raise inside.SingularMatrixError(0)

    noted(monkeypatch, resampling, "fit_mixture", collapsing)
    how = {"n_replicates": 15, "n_init": 1, "random_state": 0, "n_threads": 1}
    test = bootstrap_lrt(X, 2, callback=told.append, **how)
    assert test.n_left_out == len(seen) > 0
    assert [np.isnan(replicate.statistic) for replicate in told].count(True) == test.n_left_out
    assert len(test.replicates) == 15 - test.n_left_out
    expected = (1 + (test.replicates >= test.statistic).sum()) / (1 + len(test.replicates))
    assert test.p_value == told[-1].p_value == expected
    assert f"{test.n_left_out} more could not be fitted" in repr(test)
    parts = 1  # none can be fitted
    refused(r"9 drawn tables .* larger reg_covar", bootstrap_lrt, X, 2, **FEW)


@pytest.mark.parametrize("first", [True, False])
def test_what_goes_wrong_is_not_taken_for_a_singular_covariance(monkeypatch, first):
    def broken(source, settings, seeds, **how):
        if settings.n_components == 3 and is_table(source.rows) is first:
            raise ValueError("a request that cannot be")

    noted(monkeypatch, resampling, "fit_mixture", broken)
    refused("a request that cannot be", bootstrap_lrt, X, 2, **FEW)


def test_fits_begin_at_splits_and_at_the_mixture_drawn_from(monkeypatch):
    fits = noted(monkeypatch, resampling, "fit_mixture", lambda source, settings, _, **__: (source, settings))
    bootstrap_lrt(X, 2, **FEW | {"n_replicates": 3, "n_threads": 1})
    begun = [(settings.n_components, is_table(source.rows)) for source, settings in fits]
    assert [begun.count(each) for each in ((2, True), (3, True), (2, False), (3, False))] == [1, 2, 6, 6]


@cases(
    (X, 2.5, "n_splits to be a whole number from 2, got 2.5"),
    (X[:1], 2, "1 sample.*a minimum of 2"),
    (X[:4], 5, "as many rows as folds, n_splits=5, got 4"),
    (X[:2], 2, "2 rows in n_splits=2 folds leave 1 to fit, expected at least 3"),
    (X[:5], 2, "5 rows in n_splits=2 folds leave 2 to fit, expected at least 3"),
    (np.where(np.arange(len(X))[:, None] == 17, np.nan, X), 5, "row 17"),
)
def test_folds_that_cannot_be_are_refused(rows, n_splits, told):
    refused(told, held_out_log_likelihood, GaussianMixture(3), rows, n_splits=n_splits)
    wrong = GaussianMixture(2, tol=-1.0)
    failure = refused("'tol' parameter", held_out_log_likelihood, wrong, X, error=InvalidParameterError)
    assert failure.__notes__ == ["In fold 1 of 5, fitted to 80 rows."]


def test_results_are_told():
    found = held_out_log_likelihood(GaussianMixture(2, random_state=0), X, random_state=0)
    assert repr(found) == f"HeldOut({found.mean:.4f} ± {found.standard_error:.4f} nats per row, 5 folds)"
    assert found.standard_error == pytest.approx(np.std(found.folds, ddof=1) / 5**0.5)
    found = bootstrap_lrt(X, 1, n_replicates=39, random_state=0)
    assert (found.p_value, found.null.n_components, found.alternative.n_components) == (1 / 40, 1, 2)
    assert repr(found).startswith("BootstrapLRT of 1 against 2 components, VVV (full): p = 0.025\n−2 log λ = ")
    assert "of 39 tables drawn from 1 component, half have more than" in repr(found)


@pytest.mark.filterwarnings("ignore:The statistic is 0")
@cases(
    *((name, np.float64, 1e-6) for name in PARSIMONIOUS),
    *((name, np.float32, 1e-6) for name in ("full", "EVE")),
    ("full", np.float64, 0.1),
)
def test_the_statistic_is_what_it_says_and_never_negative(name, dtype, ridge):
    rows, K = X.astype(dtype), 1 if "I" in name else 3
    found = bootstrap_lrt(rows, K, covariance_type=name, reg_covar=ridge, **FEW)
    gain = found.alternative.log_likelihood(rows) - found.null.log_likelihood(rows)
    assert found.statistic == pytest.approx(2 * gain, abs=(1e-5 if dtype == np.float32 else 1e-9) * len(X))
    assert min(found.statistic, *found.replicates) >= 0
    assert len(found.replicates) + found.n_left_out == 9
    assert found.p_value == (1 + np.sum(found.replicates >= found.statistic)) / (10 - found.n_left_out)
    assert found.alternative.predict(rows).max() <= K


@pytest.mark.filterwarnings("ignore:The statistic is 0")
def test_under_the_null_p_values_are_uniform():
    p_values = []
    for seed in range(60):
        rows = np.random.default_rng(seed).normal(size=(30, 1))
        p_values.append(bootstrap_lrt(rows, 1, n_replicates=9, n_init=1, random_state=seed).p_value)
    # 60 that are uniform on 0.1, 0.2, …, 1 have a mean within 0.55 ± 3 · 0.037, and 6 ± 3 · 2.3 of them are 0.1.
    assert abs(np.mean(p_values) - 0.55) < 0.11
    assert np.sum(np.array(p_values) <= 0.1) <= 13


def refits(n_threads=None, **how):
    fit = GaussianMixture(2, random_state=0, n_threads=n_threads).fit(X)
    return inference.standard_errors(fit, X, n_replicates=9, random_state=0, **how)


REPLICATED = {  # a call, what it replicates, and what is told of three replicates
    "bootstrap_lrt": (partial(bootstrap_lrt, X, 2, **FEW), lambda found: found.replicates, "of 3 of 9 tables drawn"),
    "split_lrt": (partial(split_lrt, X, 1, **HALVES), lambda found: found.splits.T, "3 of 4 splits"),
    "stability": (partial(stability, X, [2, 3], **HALVES), lambda found: found.splits.T, "3 of 4 splits"),
    "standard_errors": (refits, lambda found: found.replicates.means, "over 3 refits"),
}


@pytest.mark.parametrize("name", REPLICATED)
def test_threads_change_nothing_and_a_callback_ends_what_is_replicated(name, monkeypatch):
    monkeypatch.setattr(threads, "REPLICATES_WORTH_THREADS", 0)
    (call, values, told), seen, before = REPLICATED[name], [], threading.active_count()
    alone = values(call(n_threads=1))
    np.testing.assert_array_equal(values(call(n_threads=3)), alone)
    for n_threads in (1, 2):
        seen.clear()
        part = call(n_threads=n_threads, callback=lambda *so_far: seen.append(so_far) or len(seen) == 3)
        np.testing.assert_array_equal(values(part), alone[:3])
        assert told in repr(part)
        refused(None, call, error=KeyboardInterrupt, n_threads=n_threads, callback=interrupt)
        assert threading.active_count() == before


def test_more_replicates_keep_the_first_and_a_callback_sees_each():
    few, many = (bootstrap_lrt(X, 1, **FEW | {"n_replicates": n}) for n in (3, 6))
    np.testing.assert_array_equal(few.replicates, many.replicates[:3])
    other = bootstrap_lrt(X, 1, **FEW | {"random_state": 1})
    assert (few.replicates != other.replicates[:3]).all()
    told = []
    found = bootstrap_lrt(X, 2, callback=told.append, **FEW)
    expected = [(n, 9, statistic) for n, statistic in enumerate(found.replicates)]
    assert [(each.number, each.n_replicates, each.statistic) for each in told] == expected
    assert told[-1].p_value == found.p_value


def test_fits_that_collapse_on_ties_are_not_compared():
    answers = np.repeat([[0.0], [1.0]], 40, axis=0)
    with pytest.warns(UserWarning, match="The statistic is 0: no valid fit"):
        found = bootstrap_lrt(answers, 1, **FEW)
    assert found.statistic == 0
    refused("a degenerate component", bootstrap_lrt, answers, 2, **FEW)


def answers(n=1500, seed=0):
    """Sums of answers on scales of four: two groups, in five columns of few values."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, 1)) * 0.7 + np.where(rng.uniform(size=(n, 1)) < 0.4, 1, -0.5)
    items = (z + 0.8 * rng.normal(size=(n, 14)) + 2.5).round().clip(1, 4)
    return np.column_stack([part.mean(axis=1) for part in np.split(items, [1, 5, 9], axis=1)])


@pytest.mark.parametrize("n_init", [1, 3])
def test_a_degenerate_start_does_not_hide_a_sound_one(n_init):
    """Of more starts, the one of the highest likelihood is degenerate: p was 1, with a statistic of 0."""
    found = bootstrap_lrt(answers(seed=1), 1, n_init=n_init, n_replicates=19, random_state=0)
    assert found.statistic > 100
    assert found.p_value == 0.05


def test_drawn_tables_have_the_steps_of_the_data(monkeypatch):
    rows = np.column_stack([np.round(X[:, 0] / 0.25) * 0.25, X[:, 1]])
    tables = noted(monkeypatch, resampling, "fit_mixture", lambda source, *_, **__: source.rows)
    bootstrap_lrt(rows, 2, **FEW | {"n_threads": 1})
    drawn = [each for each in tables if not np.array_equal(each, tables[0])]
    assert len(drawn) > 9
    steps = 4 * np.ptp(rows[:, 0]) / np.ptp(tables[0][:, 0])  # fits are in units of their own
    for table in drawn:
        np.testing.assert_allclose(table[:, 0] * steps, np.round(table[:, 0] * steps), atol=1e-9)
        assert len(np.unique(table[:, 1])) == len(X)


@cases(
    (bootstrap_lrt, {"n_components": 1, "n_replicates": 5}, "replicates"),
    (partial(held_out_log_likelihood, GaussianMixture(2, random_state=0)), {}, "folds"),
    (split_lrt, {"n_components": [2, 3], "n_splits": 3}, "splits"),
    (stability, {"n_components": [2, 3], "n_splits": 3}, "splits"),
)
def test_weights_are_numbers_of_rows(call, how, kept):
    weights = np.where(np.arange(len(X)) % 3, WEIGHTS, 0)
    weighted = call(X, sample_weight=weights, random_state=0, **how)
    plain = call(np.repeat(X, weights.astype(int), axis=0), random_state=0, **how)
    np.testing.assert_array_equal(getattr(weighted, kept), getattr(plain, kept))


@pytest.mark.parametrize("call", [bootstrap_lrt, split_lrt, stability])
@pytest.mark.parametrize(
    ("weight", "got"), [(0.5, r"0\.5 in row 3, and 99\.5 in all"), (1e8, r"1 in row 0, and 1e\+08")]
)
def test_weights_of_rows_that_are_drawn_say_how_often(call, weight, got):
    weights = np.where(np.arange(len(X)) == 3, weight, 1.0)
    told = f"{call.__name__} draws from the rows: expected whole numbers in sample_weight.*{got}"
    refused(told, call, X, 2, sample_weight=weights)


def test_names_of_features_are_kept():
    table = pd.DataFrame(X, columns=["length", "width"])
    found = bootstrap_lrt(table, 2, **FEW)
    assert found.null.feature_names_in_.tolist() == ["length", "width"]
    found.alternative.predict(table)  # without a warning of names


def test_rows_with_gaps_are_compared_with_tables_with_the_same_gaps(pairs):
    gaps = np.random.default_rng(1).uniform(size=X.shape) < 0.3
    gaps[gaps.all(axis=1), 0] = False
    holed = np.where(gaps, np.nan, X)
    refused("missing='em'", bootstrap_lrt, holed, 1)
    one = bootstrap_lrt(holed, 1, missing="em", n_threads=1, **FEW)
    assert one.p_value == 0.1
    fits = [GaussianMixture(K, missing="em", random_state=0, tol=1e-5, max_iter=1000).fit(holed) for K in (1, 2)]
    assert one.statistic == pytest.approx(2 * np.diff([fit.log_likelihood(holed) for fit in fits])[0], rel=1e-3)
    assert len(pairs) == 10
    for rows, _ in pairs:
        np.testing.assert_array_equal(np.isnan(rows), gaps)
    two = bootstrap_lrt(holed, 2, missing="em", n_threads=1, **FEW)
    # Drawn rows are in no order of their components, so gaps come in each alike.
    assert all(abs(np.nanmean(rows[:50, 0]) - np.nanmean(rows[50:, 0])) < 4 for rows, _ in pairs[-9:])
    assert two.p_value > 0.1
    assert bootstrap_lrt(X, 1, missing="em", **FEW).statistic == bootstrap_lrt(X, 1, **FEW).statistic


# --- Halves of the rows ---------------------------------------------------------------------------


def test_log_e_values_are_those_of_the_definition():
    halves = X[::2], X[1::2]
    fits = [[GaussianMixture(K, random_state=0).fit(rows) for K in (1, 2, 3)] for rows in halves]
    fits[0][1].fit(halves[0] + 9)  # so that a smaller one is more likely
    for value, K in zip(resampling._log_e_values(halves, fits, [1, 2]), (1, 2), strict=True):
        ratios = []
        for here, away in ((0, 1), (1, 0)):
            best = min(fits[away][K:], key=lambda each: each.bic(halves[away]))
            highest = max(null.log_likelihood(halves[here]) for null in fits[here][:K])
            ratios.append(best.log_likelihood(halves[here]) - highest)
        assert value == pytest.approx(np.logaddexp(*ratios) - np.log(2), abs=1e-8)


def test_halves_may_have_gaps():
    holed = X.copy()
    holed[::7, 0] = np.nan
    refused("NaN", split_lrt, holed, 1, **HALVES)
    assert split_lrt(holed, 1, **HALVES, missing="em").p_values[0] < 1e-6


def test_e_values_are_at_most_one_on_average_where_components_suffice():
    draws = np.random.default_rng(1)
    how = {"n_splits": 2, "n_init": 1, "random_state": 0}
    values = [split_lrt(draws.normal(size=(40, 1)), 1, **how).e_values[0] for _ in range(60)]
    assert np.mean(values) < 1
    assert max(values) < 20


def test_means_are_over_splits_and_do_not_overflow():
    test = inference.SplitLRT(np.array([1, 2]), np.array([[0.0, np.log(3.0)], [2000.0, 0.0]]), 2)
    np.testing.assert_allclose(test.e_values, [2, np.inf])
    np.testing.assert_allclose(test.p_values, [0.5, 0])
    assert "at most  1 component : e = 2, p ≤ 0.5" in repr(test)


@pytest.mark.parametrize("K", [2, 3, 5])
def test_disagreement_is_that_after_the_best_renumbering(K):
    labels, others = np.random.default_rng(K).integers(K, size=(2, 40))
    least = min(np.mean(np.array(order)[labels] != others) for order in permutations(range(K)))
    assert solutions.share_moved(labels, others) == pytest.approx(least)
    assert solutions.share_moved(labels, (labels + 1) % K) == 0


def test_the_groups_that_are_there_come_back():
    draws = np.random.default_rng(0)
    rows = np.concatenate([draws.normal(centre, 1, (60, 2)) for centre in (-8, 0, 8)])
    result = stability(rows, [2, 3, 4], **HALVES)
    assert (result.best, result.curve[1]) == (3, 0)
    assert result.curve[2] > 0.1
    assert "★  3 components: 0.000 ± 0.000" in repr(result)
    equal = inference.Stability(np.array([2, 3, 4]), np.array([[0.0], [0.0], [0.2]]), 1)
    assert equal.best == 3  # the largest
    of_one = stability(np.random.default_rng(0).normal(size=(200, 2)), 4, **HALVES)
    assert 0.3 < of_one.curve[0] < 1.2
    both, alone = (stability(X, K, **HALVES).splits for K in ([2, 3], 3))  # other numbers of components change nothing
    np.testing.assert_array_equal(alone, both[1:])


def test_noise_is_a_label_of_its_own():
    for others, share in (([-1, 1, 0, 0], 0), ([0, 1, -1, -1], 0), ([1, 1, 0, 0], 0.25)):
        assert solutions.share_moved(np.array([-1, 0, 1, 1]), np.array(others)) == share
    assert stability(X, 2, **HALVES, noise=True).curve[0] < 0.2


def of_test(n_components=1, **how):
    return lambda: bootstrap_lrt(X, n_components, **how)


@cases(
    (of_test(1.5), ValueError, "n_components to be a whole number from 1, got 1.5"),
    (of_test(100), ValueError, "n_components = 101, n_samples = 100"),
    (of_test(patience=3), TypeError, "bootstrap_lrt has no parameter 'patience'; it has those of Gauss"),
    (of_test(fixed={"weights": True}), TypeError, "^fixed applies to a single fit"),
    (lambda: bootstrap_lrt([[1e308], [0.0]], 1), ValueError, "for bootstrap_lrt: .* got 1e.308 at row 0"),
    (lambda: split_lrt(X, 0), ValueError, "n_components"),
    (lambda: stability(X, [1, 2]), ValueError, "n_components"),
    (lambda: split_lrt(X, 1, means_init=[[0, 0]]), TypeError, "means_init applies to a single fit.*split_lrt"),
    (lambda: split_lrt(X, 1, **HALVES).confidence_set(1), ValueError, "level"),
)
def test_what_cannot_be_compared_is_refused(call, error, part):
    refused(part, call, error=error)


# --- A search by the likelihood of held-out rows --------------------------------------------------


RNG = np.random.default_rng(0)
THREE = np.concatenate([RNG.normal(centre, 1, (70, 3)) for centre in (-4, 0, 4)])
SEED = 3


@pytest.fixture(scope="module")
def found():
    return select(THREE, range(1, 6), ["diag", "full"], criterion="held_out", random_state=SEED)


def test_it_chooses_the_smallest_and_tables_prints_pictures_and_files_have_it_alone(found):
    assert found.best_index == int(np.argmin(found.held_out))
    assert (found.best.n_components, found.scores.tolist()) == (3, found.held_out.tolist())
    assert found.best_by("bic").n_components == 3
    assert (found.held_out > -2 * found.loglik).all()
    assert found.columns()["held_out"].tolist() == found.held_out.tolist()
    for text in (repr(found), plot_selection(found).get_ylabel(), found._repr_html_()):
        assert "held-out deviance" in text
    again = reloaded(found)
    assert (again.held_out.tolist(), repr(again)) == (found.held_out.tolist(), repr(found))
    other = select(THREE, [1, 2], "diag", random_state=0)
    assert np.isnan(other.held_out).all()
    assert "held_out" not in other.columns()
    refused(r"expected a criterion among.*held_out", other.ranked, "held_out")


def test_of_one_component_it_is_what_folds_give_by_hand():
    found = select(THREE, 1, ["diag", "full"], criterion="held_out", n_splits=4, random_state=SEED, reg_covar=0)
    expected = np.zeros(2)
    for fold in folds_of(len(THREE), 4, np.random.default_rng(SEED)):
        for n, name in enumerate(("diag", "full")):
            alone = GaussianMixture(covariance_type=name, reg_covar=0).fit(np.delete(THREE, fold, axis=0))
            expected[n] -= 2 * alone.log_likelihood(THREE[fold])
    np.testing.assert_allclose(found.held_out, expected, rtol=1e-9)


def test_units_move_it_as_they_move_the_likelihood_and_neither_threads_nor_rows_without_weight(found):
    again = select(THREE, range(1, 6), ["diag", "full"], criterion="held_out", random_state=SEED, n_threads=1)
    np.testing.assert_array_equal(again.held_out, found.held_out)
    units, how = np.array([1e-3, 1.0, 1e3]), {"criterion": "held_out", "random_state": SEED}
    one, other = (select(rows, [2, 3], "diag", standardize=True, **how) for rows in (THREE, THREE * units))
    np.testing.assert_allclose(other.held_out - one.held_out, 2 * len(THREE) * np.log(units).sum(), atol=1e-4)
    weighted = select(THREE, [1, 2], "diag", sample_weight=np.repeat([1.0, 0.0], [150, 60]), **how)
    np.testing.assert_allclose(weighted.held_out, select(THREE[:150], [1, 2], "diag", **how).held_out)


def test_a_cell_without_a_fold_has_none():
    found = select(THREE[::30], [1, 6], "EII", criterion="held_out", n_splits=4, random_state=0)
    assert (found.held_out[1], found.best.n_components) == (np.inf, 1)


def test_folds_of_a_search_that_cannot_be_are_refused():
    for K, n_splits, told in ((1, 300, "as many rows as folds"), (106, 2, "leave 105 to fit, expected at least 106")):
        refused(told, select, THREE, K, "diag", criterion="held_out", n_splits=n_splits)
    told = "n_splits goes with criterion='held_out', got criterion='bic' and n_splits=4"
    refused(told, select, THREE, 1, "diag", n_splits=4, error=(TypeError, ValueError))


def test_a_callback_is_told_of_folds_and_may_end_them():
    told = []
    how = {"criterion": "held_out", "n_splits": 3, "random_state": 0}
    select(THREE[::10], [1, 2], ["EII", "VVI"], callback=lambda p: told.append((p.fold, p.cell)), **how)
    assert told == [(fold, cell) for fold in (1, 2, 3, 0) for cell in range(4)]
    told.clear()
    how |= {"callback": lambda p: told.append((p.fold, p.cell)) or p.fold == 2}
    found = select(THREE[::10], [1, 2], "EII", **how)
    assert told == [(1, 0), (1, 1), (2, 0)]
    assert not found.complete
    assert (found.status, found.best.n_components) == (("ok", "not tried"), 1)
    assert np.isfinite(select(THREE[::10], 1, "EII", **how | {"callback": lambda p: p.fold == 1}).held_out).all()


@pytest.fixture(scope="module")
def rain():
    """Amounts of rain, of which two in five are 0, beside another column."""
    rng = np.random.default_rng(0)
    return np.column_stack([np.where(rng.random(300) < 0.4, 0, rng.gamma(2, 3, 300)), rng.normal(size=300)])


def test_a_component_on_ties_is_chosen_if_rows_held_out_have_these_ties_too(rain):
    found = select(rain, [1, 2, 3], "diag", criterion="held_out", random_state=0)
    assert found.status[1].startswith("degenerate")
    assert found.best_index == found.ranked()[0] == int(np.argmin(found.held_out)) > 0
    assert found.best_by("bic").n_components == 1
    cause = "no variance but reg_covar in x0:"
    assert_contains(repr(found), "the best is degenerate: component", f"({cause}", "evaluated on held-out rows")
    assert str(found.best).count(cause) == 1
    assert "degenerate" not in plot_selection(found).get_legend_handles_labels()[1]
    assert reloaded(found).best_index == found.best_index


def test_where_sound_cells_end_is_told_with_a_remedy(rain):
    found = select(rain, [1, 2, 3], "diag", random_state=0)
    assert found.best.n_components == 1
    told = "more than 1 component is degenerate", "(no variance but reg_covar in x0:", "try prior='conjugate'"
    assert_contains(repr(found), *told)
    assert select(rain, [1, 2, 3], "diag", prior="conjugate", random_state=0).best.n_components > 1

"""Cells that help each other: laws of the search, its targets, its ends and its file."""

import gc
import itertools
import threading
import weakref
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from sklearn.datasets import load_wine
from sklearn.preprocessing import StandardScaler

import gmm
import inside
from fuzz_files import saved
from gmm import GaussianMixture, GaussianMixtureSearch, Selection, select
from inside import CLASSIC, CRITERIA, DIAGONAL, FULL, PARSIMONIOUS, STARTS, TIED, ArraySource, column_notes, loop
from tables import BLOBS, IRIS, IRIS_BIC, assert_contains, cases, copies, noted, python, refused, warned

ROUNDING = 1e-6  # nats in all
METHODS = "predict", "predict_proba", "score_samples", "score"


def overlapping(n=600, d=3, seed=0):
    rng = np.random.default_rng(seed)
    means = 2.5 * rng.normal(size=(4, d))
    return np.concatenate([rng.normal(size=(n // 4, d)) @ rng.normal(size=(d, d)) + mean for mean in means])


ROWS = overlapping()


@pytest.fixture(autouse=True)
def threads_for_few_rows(monkeypatch):
    monkeypatch.setattr(loop, "_NUMBERS_PER_WORKER", 1)


@pytest.fixture(scope="module")
def iris():
    return select(IRIS, range(1, 10), CLASSIC, random_state=0)


@pytest.fixture(scope="module")
def small():
    return select(ROWS, range(1, 6), CLASSIC, random_state=0)


def cell(found, K, name):
    return next(i for i, k in enumerate(found.n_components) if k == K and found.covariance_type[i] == name)


def same_table(one, other):
    assert one.status == other.status
    for name in ("loglik", "n_parameters", *CRITERIA):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


# --- Laws ---------------------------------------------------------------------------------------


GAPPY = np.where(np.random.default_rng(0).random(ROWS.shape) < 0.05, np.nan, ROWS)
SOME = (np.random.default_rng(2).random(len(ROWS)) < 0.8).astype(float)
SOURCES = {
    "rows": (ROWS, {}, {}),
    "float32": (ROWS.astype(np.float32), {}, {}),
    "weights": (ROWS, {"sample_weight": np.random.default_rng(0).uniform(0, 2, len(ROWS))}, {}),
    "gaps": (GAPPY, {}, {"missing": "em"}),
    "errors": (ROWS, {"error_covariance": np.full(3, 0.1)}, {}),
    "errors of rows": (ROWS, {"error_covariance": np.random.default_rng(1).uniform(0.01, 1, ROWS.shape)}, {}),
    "gaps, and weights of 0": (GAPPY, {"sample_weight": SOME}, {"missing": "em"}),
    "empty rows": (np.where(SOME[:, None] > 0, GAPPY, np.nan), {}, {"missing": "em"}),
    "errors, and weights of 0": (ROWS, {"sample_weight": SOME, "error_covariance": np.full(3, 0.1)}, {}),
    "noise": (ROWS, {}, {"noise": True}),
    "tails": (ROWS, {}, {"tails": ("normal", "t")}),
    "a prior": (ROWS, {}, {"prior": "conjugate"}),
    "a ratio": (ROWS, {}, {"max_ratio": 20, "covariance_type": "all"}),
    "known means": (ROWS, {}, {"fixed": {"means": True}, "means_init": ROWS[:1], "covariance_type": ["full", "VVI"]}),
    "factors": (ROWS, {}, {"covariance_type": ["factor", "full"], "n_factors": [1, 2]}),
    "one column": (ROWS[:, :1], {}, {"covariance_type": "all"}),
    "EM": (ROWS, {}, {"acceleration": None, "n_components": [1, 2]}),
    "moves": (ROWS, {}, {"refine": "split-merge"}),
    "seeds": (ROWS, {}, {"n_init": 3, "random_state": 7}),
    **{f"{start} starts": (ROWS, {}, {"init_params": start}) for start in STARTS if start != "kmeans"},
    **{criterion: (ROWS, {}, {"criterion": criterion}) for criterion in CRITERIA},
    "held out": (ROWS, {}, {"criterion": "held_out", "covariance_type": ["full", "tied"]}),
    "many rows": (overlapping(24_000), {}, {"n_components": [1, 4, 6], "covariance_type": ["EII", "full", "VVI"]}),
    "twice": (np.repeat(np.round(ROWS[:200]), 2, axis=0), {}, {"covariance_type": "all"}),
}
ALONE = {"weights_init": None, "means_init": None, "precisions_init": None, "init_params": "kmeans", "random_state": 0}


def is_degenerate(mixture, rows, **of_rows):
    """Tell whether a mixture is, or would be among several numbers of components, which a search tries."""
    alone = bool(mixture.summary(rows, **of_rows).degenerate)
    if alone or of_rows or np.isnan(rows).any():
        return alone
    parameters = inside.fitted_parameters(mixture)
    resolution = inside.Resolution.from_source(ArraySource(rows), mixture.reg_covar)
    return inside.Degeneracy(parameters.model, resolution, inside.DegeneracyRule.CRITERION)(parameters).any()


@pytest.mark.filterwarnings("ignore:Best performing initialization did not converge:gmm.ConvergenceWarning")
@pytest.mark.parametrize(("source", "n_threads"), [*zip(SOURCES, itertools.cycle((1, 2)), strict=False)])
def test_each_cell_is_a_fit_that_its_parameters_repeat_and_no_lower_than_a_single_one(source, n_threads):
    """It is measured as its estimator measures."""
    rows, of_rows, how = SOURCES[source]
    asked = {"n_components": range(1, 5), "covariance_type": PARSIMONIOUS[::3], "random_state": 0} | how
    found = select(rows, **asked, **of_rows, n_threads=n_threads)
    cells = [(number, mixture) for number, mixture in enumerate(found.estimators) if mixture is not None]
    assert len(cells) > 3
    for number, mixture in cells:
        again = GaussianMixture(**mixture.get_params()).fit(rows, **of_rows)
        for name in ("weights_", "means_", "covariances_", "lower_bound_", "lower_bounds_"):
            np.testing.assert_array_equal(getattr(again, name), getattr(mixture, name), err_msg=repr(mixture))
        measured = mixture.criteria(rows, **of_rows) | {"loglik": mixture.log_likelihood(rows, **of_rows)}
        assert {name: getattr(found, name)[number] for name in measured} == pytest.approx(measured, rel=1e-7, abs=1e-9)
        assert (found.n_components[number], found.n_parameters[number]) == (len(mixture.means_), mixture.n_parameters_)
        if found.status[number] == "ok" and mixture.fixed is None:
            alone = GaussianMixture(**mixture.get_params() | ALONE).fit(rows, **of_rows)
            lower = len(rows) * (alone.lower_bound_ - mixture.lower_bound_)
            assert lower < 0.05 or is_degenerate(alone, rows, **of_rows), mixture
    best = found.best_index
    assert best == found.ranked()[0] == np.argmin(np.where(np.array(found.status) == "ok", found.scores, np.inf))
    assert found[int(found.n_components[best]), found.covariance_type[best], found.tails[best]] is found.best


def test_a_cell_is_taken_by_its_number_of_components_and_type(small):
    assert small[2, "tied"] is small.estimators[cell(small, 2, "tied")]
    refused("got .9, 'tied'.: 0 cells have this name", small.__getitem__, (9, "tied"), error=KeyError)
    two = select(ROWS, [1], "full", tails=("normal", "t"), random_state=0)
    refused("2 cells have this name", two.__getitem__, (1, "full"), error=KeyError)
    assert two[1, "full", "t"].tails == "t"


@pytest.mark.parametrize("n_threads", [2, 3, None])
def test_cells_on_threads_of_their_own_change_nothing(monkeypatch, n_threads, small):
    monkeypatch.setattr(loop, "usable_threads", lambda: 4)
    seen = noted(monkeypatch, loop.Cell, "run_to_end", lambda *_: threading.get_ident())
    asked = noted(monkeypatch, loop, "EStep", lambda *_, n_threads: n_threads)
    same_table(select(ROWS, range(1, 6), CLASSIC, random_state=0, n_threads=n_threads), small)
    assert len(set(seen)) > 1
    assert set(asked) == {1}
    monkeypatch.setattr(loop, "_NUMBERS_PER_WORKER", ROWS.size + 1)  # cells of few rows share one thread
    seen.clear()
    select(ROWS, [1, 2], CLASSIC, random_state=0, n_threads=n_threads)
    assert len(set(seen)) == 1


def test_order_and_precision_of_the_rows_change_no_choice(small):
    for rows, rtol in ((np.random.default_rng(1).permutation(ROWS), 1e-9), (ROWS.astype(np.float32), 1e-4)):
        found = select(rows, range(1, 6), CLASSIC, random_state=0)
        np.testing.assert_allclose(found.bic, small.bic, rtol=rtol)
        assert (found.best_index, found.best.means_.dtype) == (small.best_index, rows.dtype)


# --- Every cell at its best ---------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_iris_is_at_its_best(seed, iris):
    """Up to three components as published, and at four, where the cells of a large search help each other."""
    found = iris if seed == 0 else select(IRIS, range(1, 4), CLASSIC, random_state=seed)
    for name, values in IRIS_BIC.items():
        for K, value in enumerate(values[: found.n_components.max()], 1):
            assert found.bic[cell(found, K, name)] <= value + 0.01, (K, name)
            assert K > 2 or found.bic[cell(found, K, name)] == pytest.approx(value, abs=0.01), name
            assert K > 3 or found.status[cell(found, K, name)] == "ok"


def test_the_blog_example_is_at_its_best_in_every_row():
    published = (6366.27, 5551.61, 4414.90, 4111.27, 4148.57, 4185.43, 4224.16, 4260.07, 4294.57, 4335.98)
    found = select(BLOBS, range(1, 11), "full", random_state=0)
    assert (found.best.n_components, found.bic[3]) == (4, pytest.approx(4111.261, abs=0.005))
    assert (found.bic <= np.array(published) + 0.01).all()


def test_refine_goes_to_every_cell_if_asked(iris):
    found = select(IRIS, [2, 4], CLASSIC, random_state=0, refine="split-merge")
    assert all(estimator.history_.refinement is not None for estimator in found.estimators)
    assert sum(estimator.history_.refinement is not None for estimator in iris.estimators if estimator) <= 6


@pytest.mark.parametrize("more", [{"n_init": 3}, {"refine": "split-merge"}])
@pytest.mark.parametrize("rows", [IRIS, load_wine().data[:, :5]], ids=["iris", "wine"])
def test_the_winner_is_no_worse_with_more_work(rows, more):
    less, result = (select(rows, range(1, 6), CLASSIC, random_state=1, **how) for how in ({}, more))
    assert result.bic[result.best_index] <= less.bic[less.best_index] + ROUNDING * len(rows)


def test_poorer_moments_do_not_tell_richer_ones():
    for have, want in ((TIED, DIAGONAL), (inside.SPHERICAL, DIAGONAL), (DIAGONAL, FULL), (DIAGONAL, TIED)):
        statistics = inside.from_responsibilities(ArraySource(ROWS), np.ones((len(ROWS), 1)), have)
        refused("expected moments that determine", statistics.reduced, want)


# --- Its ends -----------------------------------------------------------------------------------


def test_no_time_leaves_one_cell_and_says_so():
    found = select(ROWS, range(1, 6), CLASSIC, random_state=0, time_limit=0, n_threads=1)
    assert not found.complete
    assert "(incomplete)" in repr(found)
    assert found.status == ("ok", *("not tried",) * 19)
    assert found.best.predict(ROWS).shape == (len(ROWS),)
    assert np.isnan(found.bic[[status == "not tried" for status in found.status]]).all()


def test_time_ends_between_fits(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(loop.time, "perf_counter", lambda: now.__setitem__(0, now[0] + 1.0) or now[0])
    few, more = (select(ROWS, range(1, 5), CLASSIC, random_state=0, time_limit=limit) for limit in (40, 120))
    assert 0 < few.status.count("ok") < more.status.count("ok")
    assert not few.complete


def test_the_notes_on_columns_count_towards_the_time_limit(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(loop.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(column_notes, "copies", lambda *_: now.__setitem__(0, 9.0) or ["a note"])
    found = select(ROWS, [1, 2], CLASSIC, random_state=0, time_limit=5, n_threads=1)
    assert (found.status.count("not tried"), found.notes) == (7, ("a note",))


def test_a_direction_without_variance_loses_cells_and_not_the_search():
    """One component has no likelihood there, which NEC compares with; rounding is no variance, nor are few rows."""
    found = select(np.c_[ROWS, ROWS[:, 0]], [1, 2], ["EII", "VVI", "VVV"], reg_covar=0, random_state=0)
    assert [status == "ok" for status in found.status] == [True, True, False] * 2
    assert found.status[5].startswith("failed: Fitting the mixture model failed because some components have ill-def")
    prior = gmm.NormalInverseWishart(scale=1.0)
    with pytest.warns(UserWarning, match="Some columns are constant"):
        with_prior = select(np.c_[ROWS, np.ones(len(ROWS))], [2], ["VVV"], prior=prior, reg_covar=0, random_state=0)
    assert (with_prior.status, with_prior.nec[0]) == (("ok",), np.inf)
    assert np.isfinite(with_prior.bic[0])
    with pytest.warns(UserWarning, match="constant"):  # a prior that one model cannot have is the failure of its cells
        found = select(np.c_[BLOBS[:, :1], np.ones(len(BLOBS))], [1], ["full", "spherical"], prior="conjugate")
    assert found.status[1] == "ok"
    assert "column 1 is constant" in found.status[0]
    rows = ROWS[:, :2]
    found = select(np.c_[rows, rows @ [1, 2]], [1, 2, 3], ["EVE", "VVE", "EII"], reg_covar=0, random_state=0)
    assert [status == "ok" for status in found.status] == [name == "EII" for name in found.covariance_type]
    found = select(np.random.default_rng(0).normal(size=(10, 30)), [1, 2], ["EII", "EEE", "VVV"], random_state=0)
    assert (found.n_components[found.best_index], found.covariance_type[found.best_index]) == (1, "EII")
    assert found.status[1] == found.status[2] == "degenerate: component 0"


def test_a_step_without_a_finite_length_is_not_taken():
    """In another process, which an endless loop would not hold up."""
    code = (
        "import numpy as np, gmm; X, prior = np.random.default_rng(0).normal(size=(9, 1)), gmm.NormalInverseWishart("
        "shrinkage=1e200); best = gmm.select(X, 3, 'full', random_state=0, prior=prior, reg_covar=0, max_iter=12).best;"
        "print(np.isfinite(best.lower_bound_))"
    )
    assert python("-c", code, timeout=60) == "True\n"


def test_the_most_components_tried_are_told_where_they_are_the_best():
    told = "components are the most that were tried"
    assert f"3 {told}: try n_components up to 8" in repr(select(BLOBS[::5], [2, 3], "full", random_state=0))
    assert told not in repr(select(BLOBS[::5], [3, 4, 5], "full", random_state=0))
    assert told not in repr(select(BLOBS[::5], [3], ["full", "tied"], random_state=0))
    tailed = repr(select(np.exp(BLOBS[::5]), [2, 3], "full", random_state=0))
    assert f"3 {told}: take logarithms of long tails first, then try n_components up to 8" in tailed


def test_time_may_be_up_anywhere(monkeypatch):
    """Whatever was the last thing that there was time for, what is found is told."""
    asked = []

    def ended_after(n):
        asked.clear()
        monkeypatch.setattr(loop.Clock, "is_up", lambda clock: asked.append(1) or (clock.has_fit and len(asked) > n))
        rows = np.random.default_rng(4).normal(size=(60, 2))
        return select(rows, range(1, 4), ["EII", "full"], random_state=0, time_limit=9)

    whole = ended_after(10**9)
    assert whole.complete
    assert len(asked) > 15
    for n in range(len(asked)):
        found = ended_after(n)
        assert not found.complete
        assert found.best.converged_
        assert found.bic[found.best_index] >= whole.bic.min() - 1e-6


def test_a_file_and_a_pickle_hold_all_of_it(small):
    small = replace(small, n_new_starts=5, n_found_again=4)
    for again in (*copies(small), Selection.load(saved(small))):
        same_table(again, small)
        assert repr(again) == repr(small)
        assert (again.best_index, again.criterion, again.complete) == (small.best_index, small.criterion, True)
        assert (again.n_new_starts, again.n_found_again) == (5, 4)
        for one, other in zip(again.estimators, small.estimators, strict=True):
            np.testing.assert_array_equal(one.predict_proba(ROWS), other.predict_proba(ROWS))
            assert one.history_ == other.history_
            began = {name for name in one.get_params() if name.endswith("_init")}  # arrays, which no file has
            one, other = (mixture.get_params() for mixture in (one, other))
            assert all(one[name] == other[name] for name in one.keys() - began)
    for kind, other in ((Selection, small.best), (GaussianMixture, small)):
        refused(f"contains '{type(other).__name__}', expected '{kind.__name__}'", kind.load, saved(other))
    told = "expected 'n_found_again' from 0 to 'n_new_starts', got 4 and 1"
    refused(told, Selection.load, saved(replace(small, n_new_starts=1)))


def test_the_estimator_is_the_search(small):
    how = {"criterion": "aic", "tol": 1e-4, "n_init": 2, "random_state": 1, "refine": "split-merge"}
    search = GaussianMixtureSearch([2], "diag", **how).fit(ROWS)
    same_table(search.selection_, select(ROWS, [2], "diag", init_params="kmeans", **how))
    search = GaussianMixtureSearch(range(1, 6), CLASSIC, random_state=0).fit(ROWS)
    same_table(search.selection_, small)
    assert search.best_estimator_ is search.selection_.best
    assert (search.n_components_, search.covariance_type_) == (search.best_estimator_.n_components, "full")
    for name in METHODS:
        np.testing.assert_array_equal(getattr(search, name)(ROWS), getattr(small.best, name)(ROWS), err_msg=name)
    np.testing.assert_array_equal(search.fit_predict(ROWS), search.predict(ROWS))
    assert search.results_["rank"][search.best_index_] == 1
    assert set(search.results_["rank"]) == set(range(1, 21))
    refused("not fitted yet", getattr, GaussianMixtureSearch(), "results_", error=gmm.NotFittedError)
    assert not hasattr(GaussianMixtureSearch(), "results_")


def test_the_text_tells_how_far_the_next_cells_are(small):
    ranked = small.ranked()
    gap = small.bic[ranked[1]] - small.bic[ranked[0]]
    assert ranked[:2] == np.argsort(small.bic)[:2].tolist()
    assert f"{small.n_components[ranked[1]]} {small.covariance_type[ranked[1]]} +{gap:.2f}" in repr(small)
    assert small.ambiguous == [n for n in ranked[1:] if small.scores[n] <= small.scores.min() + 10]
    assert f"{len(small.ambiguous)} other cell" in repr(small) or not small.ambiguous


@pytest.mark.parametrize("seed", range(4))
def test_the_best_mixture_improves_no_cell_of_as_many_components(seed):
    """Moves may find it last; cells of other covariance models are then fitted from it."""
    X = StandardScaler().fit_transform(load_wine().data)
    found = select(X, 3, ["EVE", "VVE"], random_state=seed)
    how = {f"{part}_init": getattr(found.best, f"{part}_") for part in ("weights", "means", "precisions")}
    how |= {"tol": 1e-6, "max_iter": 1000, "reg_covar": found.best.reg_covar}
    for bic, name in zip(found.bic, found.covariance_type, strict=True):
        assert bic < GaussianMixture(3, covariance_type=name, **how).fit(X).bic(X) + 0.1


def test_cells_are_ranked_by_any_criterion_and_spikes_come_last():
    found = select(StandardScaler().fit_transform(load_wine().data), (2, 9), ["VVI", "VVV"], random_state=0)
    smallest = {name: found.status[np.argmin(getattr(found, name))] for name in CRITERIA}
    assert all(smallest[name].startswith("degenerate") for name in ("aic", "nec"))  # what a plain argmin takes
    for name in CRITERIA:
        places, scores = found.ranked(name), getattr(found, name)
        assert sorted(places) == list(range(4))
        assert [found.status[n] == "ok" for n in places] == [True, True, False, False]
        for part in (places[:2], places[2:]):
            assert scores[part[0]] <= scores[part[1]]
        assert found.best_by(name) is found.estimators[places[0]]
    assert (found.ranked(), found.ranked()[0]) == (found.ranked("bic"), found.best_index)
    for call in (found.ranked, found.best_by):
        refused(r"expected a criterion among .*, got 'dic'", call, "dic")


def test_a_cell_whose_components_must_all_be_degenerate_is_not_fitted(monkeypatch):
    """As many rows as columns: they span no axes that turn, whatever a component takes."""
    rows = np.random.default_rng(0).normal(size=(30, 30))
    fits = noted(monkeypatch, loop.Cell, "fit", lambda self, *_: self.key[:2])
    turned = ["EEE", "VVE", "EEV", "VVV"]
    found = select(rows, [1, 2, 3], ["VVI", *turned], random_state=0, n_threads=1)
    assert {name for K, name in fits if K > 1} == {"VVI"}
    few = "too few distinct rows for covariances of so many columns (30)"
    assert [status == f"failed: {few}" for status in found.status] == [False] * 5 + [False, *[True] * 4] * 2
    assert f"K = 2 to 3 of EEE, VVE, EEV, VVV skipped: {few}" in repr(found)
    alone = select(rows, [2], turned, random_state=0, n_threads=1)  # there is no other cell
    assert all(status.startswith("degenerate") for status in alone.status)
    has_errors = select(rows, [2], ["EEE", "EII"], error_covariance=np.full(30, 0.5), random_state=0)
    assert not any(status.startswith("failed") for status in has_errors.status)
    for name in turned:  # as fits are
        mixture, _ = warned(GaussianMixture(2, covariance_type=name, reg_covar=1e-9, random_state=0).fit, rows)
        assert mixture.summary().degenerate
    assert (found.best.n_components, found.best.covariance_type) == (1, "VVI")
    fits.clear()
    select(rows, [2], "VVV", prior="conjugate", random_state=0, n_threads=1)  # which no number of rows leaves unbounded
    assert len(fits) > 1


# --- The cells near the best --------------------------------------------------------------------


def test_a_best_cell_that_no_fresh_start_finds_again_is_told(small):
    alone = replace(select(ROWS, [3], "full", random_state=0), n_new_starts=12, n_found_again=0)
    told = "none of 12 new random starts found the same solution\nall ended lower: treat it with care"
    assert_contains(str(alone), told, without=["try"])
    for changed, told in (
        ({"n_found_again": 2}, "2 of 12 new random starts found the same solution   none found a better one"),
        ({"status": ("not converged",)}, f"has not converged: try max_iter={10 * alone.best.max_iter}"),
        ({"status": ("degenerate: component 1",)}, "degenerate: component 1; try fewer components or a prior"),
    ):
        assert told in str(replace(alone, **changed))


@pytest.mark.parametrize("seed", range(10))
def test_what_is_told_of_fresh_starts_is_what_single_fits_find(seed, monkeypatch):
    """Of those since the winner was found; no sound end of any is higher. Five of the tables are hard."""
    rng = np.random.default_rng(seed)
    seeds = noted(monkeypatch, loop.Search, "_fit_from_seed", lambda self, cell: (cell.key, self._seeds[cell.n_seeds]))
    n, d = 90 + 30 * (seed % 3), 2 + seed % 3
    X = rng.standard_t(4, (n, d)) @ rng.normal(size=(d, d)) + 1.5 * rng.integers(0, 4, (n, 1))
    found = select(X, range(2, 6), CLASSIC, random_state=seed, n_threads=1)
    best, gains = found.best, []
    how = {name: getattr(best, name) for name in ("n_components", "covariance_type", "tol", "max_iter", "reg_covar")}
    of_best = best.n_components, best.covariance_type
    for one in [seed for key, seed in seeds if key[:2] == of_best]:
        alone = GaussianMixture(**how, random_state=one).fit(X)
        gains.append(-np.inf if is_degenerate(alone, X) else n * (alone.lower_bound_ - best.lower_bound_))
    assert max(gains) < 0.25
    again = np.abs(gains[len(gains) - found.n_new_starts :]) < 0.25
    assert (len(again), again.sum()) == (found.n_new_starts, found.n_found_again)
    assert f"{again.sum() or 'none'} of {len(again)} new random start" in repr(found) or not len(again)


@pytest.mark.parametrize("error", [AssertionError(), RecursionError("deep")])
@pytest.mark.parametrize("first", [True, False])
def test_a_cell_that_fails_is_a_failed_cell(first, error, monkeypatch):
    """Whatever the error: the other cells stand, and the status or a warning tells what it was."""
    run_to_end = loop.Cell.run_to_end

    def failing(cell, run, stop_target):
        if cell.key.name == "tied" and (first or cell.best is not None):
            raise error
        run_to_end(cell, run, stop_target)

    monkeypatch.setattr(loop.Cell, "run_to_end", failing)
    with pytest.warns(RuntimeWarning, match=f"components of tied: {type(error).__name__}"):
        found = select(BLOBS, [2, 3], ["full", "tied"], random_state=0)
    failed = [status for status in found.status if status.startswith(f"failed: {type(error).__name__}")]
    assert len(failed) == (2 if first else 0)
    assert found.best.covariance_type == "full" or not first


def test_a_cell_whose_first_fit_fails_is_fitted_from_other_mixtures(monkeypatch):
    run_to_end, failed = loop.Cell.run_to_end, set()

    def failing_once(cell, run, stop_target):
        if cell.key.name == "tied" and cell.key not in failed:
            failed.add(cell.key)
            raise ValueError("a covariance is singular")
        run_to_end(cell, run, stop_target)

    monkeypatch.setattr(loop.Cell, "run_to_end", failing_once)
    found = select(BLOBS, [2, 3], ["full", "tied"], random_state=0)
    assert (len(failed), set(found.status)) == (2, {"ok"})


@cases(KeyboardInterrupt(), OSError("the file is gone"), SystemExit(), AssertionError("told nowhere else"))
def test_what_is_no_matter_of_a_cell_or_is_that_of_all_ends_the_search(error, monkeypatch):
    def failing(*given):
        raise error

    monkeypatch.setattr(loop.Cell, "run_to_end", failing)
    search = partial(select, BLOBS, [1, 2], "full", random_state=0)
    if isinstance(error, AssertionError):  # of all cells, the first error is the cause
        with pytest.warns(RuntimeWarning, match="Please report"):
            assert refused(str(error), search).__cause__ is error
    else:
        assert refused(None, search, error=type(error)) is error


def test_a_search_of_many_rows_is_gone_when_it_ends(monkeypatch):
    """Rows would stay in memory until the garbage collector comes."""
    searches = noted(monkeypatch, loop.Search, "run", lambda search, **_: weakref.ref(search))
    gc.disable()
    try:
        select(np.random.default_rng(0).normal(size=(20_001, 1)), [1], ["VVV"], random_state=0)
        assert searches[0]() is None
    finally:
        gc.enable()

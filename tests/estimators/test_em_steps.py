"""Climbs told start by start and pass by pass: `histories_`, `em.steps`, and what the logger "gmm" says of them."""

import logging
import threading
from itertools import pairwise, product

import numpy as np
import pytest

import gmm
import reference
from fuzz_files import saved
from gmm import BayesianGaussianMixture, GaussianMixture, em, select
from inside import PARSIMONIOUS
from tables import DATA, blobs, cases, copies, refused, reloaded

quiet = pytest.mark.filterwarnings("ignore::gmm.ConvergenceWarning")


def overlapping(seed, n=400, d=2, K=3, distance=2.0):
    """Rows of K Gaussians that are not told apart: EM takes its time."""
    return blobs(n, d, K, seed, distance)


RANDOM_STARTS = {"init_params": "random_from_data", "random_state": 0}


@pytest.mark.parametrize(("rows", "K"), [(overlapping(0), 3), (overlapping(1, n=20_000, d=3, K=6, distance=4.0), 6)])
def test_every_start_that_was_climbed_has_a_history(rows, K, capsys):
    """And one that was left out, of many rows, has none."""
    ended, model = [], GaussianMixture(K, n_init=6, verbose=1, **RANDOM_STARTS)
    model.fit(rows, callback=lambda iteration: ended.append((iteration.start, iteration.lower_bound)) and None)
    left = capsys.readouterr().out.count("dropped")
    assert (left > 0) == (K == 6)
    assert [trace.start for trace in model.histories_] == sorted({start for start, _ in ended})
    assert len(model.histories_) == 6 - left
    for trace in model.histories_:
        assert list(trace.lower_bounds) == [bound for start, bound in ended if start == trace.start]
    assert sum(trace is model.history_ for trace in model.histories_) == 1
    if K == 3:  # where their last passes are of all rows
        assert model.history_.lower_bounds[-1] in {trace.lower_bounds[-1] for trace in model.histories_}
    model.weights_ = np.full(K, 1 / K)
    model.predict(rows)
    for without in (model, GaussianMixture(2), GaussianMixture.from_parameters([1.0], [[0.0]], [[[1.0]]])):
        assert not hasattr(without, "histories_")


def test_a_refinement_stands_where_its_start_stood():
    X = overlapping(1, n=900, K=6, distance=5.0)
    asked = RANDOM_STARTS | {"n_init": 3, "max_iter": 500, "random_state": 1}
    plain = GaussianMixture(6, **asked).fit(X)
    refined = GaussianMixture(6, refine="split-merge", **asked).fit(X)
    assert refined.history_.refinement.moves
    assert [trace.start for trace in refined.histories_] == [trace.start for trace in plain.histories_]
    for before, after in zip(plain.histories_, refined.histories_, strict=True):
        assert (after is refined.history_) == (before is plain.history_)
        assert after is refined.history_ or after.passes == before.passes


def test_a_callback_that_ends_the_fit_leaves_the_climbs_so_far():
    model = GaussianMixture(3, n_init=4, **RANDOM_STARTS)
    model.fit(overlapping(0), callback=lambda iteration: iteration.start == 1 and iteration.n_iter == 2)
    assert [trace.start for trace in model.histories_] == [0, 1]
    assert model.histories_[1].reason == "stopped by the callback"


@quiet
def test_a_warm_start_tells_of_its_one_climb():
    X = overlapping(2)
    warm = GaussianMixture(3, n_init=3, max_iter=1, tol=0, warm_start=True, random_state=0)
    assert len(warm.fit(X).histories_) == 3
    for _ in range(2):
        assert warm.fit(X).histories_ == (warm.history_,)


def test_histories_go_to_files_and_pickles_and_back():
    model = GaussianMixture(3, n_init=4, **RANDOM_STARTS).fit(overlapping(0))
    for copy in copies(model):
        assert copy.histories_ == model.histories_
        assert copy.history_ == model.history_
        assert any(trace is copy.history_ for trace in copy.histories_)
    assert saved(reloaded(model)) == saved(model)
    found = select(overlapping(0), [2, 3], ["full", "tied"], random_state=0)
    before = gmm.load(DATA / "model-v1.gmm")  # from when there was one history
    for model in (before, *found.estimators, *reloaded(found).estimators):
        assert model.histories_ == (model.history_,)


def parts(step):
    return step.weights, step.means, step.covariances


@quiet
@pytest.mark.parametrize("name", [*PARSIMONIOUS, *reference.OF_FACTORS])
@pytest.mark.parametrize("acceleration", [None, "auto"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("max_iter", [7, 300])
def test_steps_are_the_passes_of_fit(name, acceleration, dtype, max_iter):
    X = overlapping(5).astype(dtype)
    weight = np.random.default_rng(2).uniform(0.5, 2, len(X))
    asked = {"covariance_type": name, "acceleration": acceleration, "random_state": 0}
    asked |= {"max_iter": max_iter, "tol": 1e-3}
    fitted = GaussianMixture(3, **asked).fit(X, sample_weight=weight)
    steps = list(em.steps(X, 3, sample_weight=weight, responsibilities=True, **asked))
    assert [step.lower_bound for step in steps] == fitted.lower_bounds_
    assert [step.accepted for step in steps] == list(fitted.history_.accepted)
    assert len(steps) == fitted.n_iter_
    assert [step.reason for step in steps[:-1]] == [None] * (len(steps) - 1)
    assert steps[-1].reason == fitted.history_.reason
    if acceleration is None and dtype == np.float64:
        for one, two in pairwise(steps):
            assert (two.means != one.means).any()
            np.testing.assert_allclose(two.weights, one.counts / weight.sum(), rtol=1e-12)
            assert two.lower_bound > one.lower_bound - 1e-9
        for step in steps:
            model = GaussianMixture.from_parameters(*parts(step), covariance_type=name)
            np.testing.assert_allclose(step.responsibilities, model.predict_proba(X), atol=1e-12)
            np.testing.assert_allclose(weight @ step.responsibilities, step.counts, rtol=1e-9)
            assert step.lower_bound == pytest.approx(model.score(X, sample_weight=weight), rel=1e-12)
    assert next(em.steps(X, 3)).responsibilities is None
    if fitted.converged_:
        for ours, theirs in zip(parts(steps[-1]), (fitted.weights_, fitted.means_, fitted.covariances_), strict=True):
            np.testing.assert_array_equal(ours, theirs)
            assert ours.dtype == theirs.dtype == dtype
        np.testing.assert_array_equal(steps[-1].responsibilities, fitted.predict_proba(X))
    assert fitted.converged_ or max_iter == 7


def test_steps_from_components_that_are_nearly_equal_go_on_until_these_part():
    rows = np.random.default_rng(0).normal(size=(400, 2)) + 7 * (np.arange(400) % 2)[:, None]
    bounds = [step.lower_bound for step in em.steps(rows, 2, init_params="random", random_state=0)]
    assert bounds[1] - bounds[0] < 1e-3
    assert bounds[-1] == pytest.approx(GaussianMixture(2, random_state=0).fit(rows).lower_bound_, abs=1e-6)


def test_nothing_is_computed_before_it_is_asked_for_and_one_that_is_closed_leaves_no_thread():
    calls, before = [], set(threading.enumerate())

    def start(rows, K, rng):
        calls.append(K)
        return rng.dirichlet(np.ones(K), len(rows))

    steps = em.steps(overlapping(0, n=60_000, d=8, K=4), 4, init_params=start, random_state=0, n_threads=2)
    assert calls == []
    assert next(steps).n_iter == 1
    assert calls == [4]
    assert [thread.name for thread in set(threading.enumerate()) - before]
    steps.close()
    assert set(threading.enumerate()) == before
    assert list(em.steps(overlapping(0), 2, max_iter=0)) == []  # no pass is no step


def test_what_a_step_tells_cannot_be_written_into():
    step = next(em.steps(overlapping(0), 2, responsibilities=True))
    for array in (*parts(step), step.counts, step.responsibilities):
        refused("read-only", array.__setitem__, ..., 0)
    refused(None, setattr, step, "n_iter", 2, error=AttributeError)


@cases(
    ({"n_clusters": 3}, TypeError, "no parameter 'n_clusters'; expected some of acceleration, covariance_type"),
    ({"n_init": 2}, ValueError, "has no parameter n_init: the steps are those of a single start.*Got n_init=2"),
    ({"warm_start": True}, ValueError, "has no parameter warm_start.*weights_init, means_init and precisions_init"),
    ({"verbose": 1}, ValueError, "has no parameter verbose: print the fields of each step instead"),
    ({"X": GaussianMixture(2)}, TypeError, "makes its own estimator: expected rows"),
    ({"tol": -1.0}, ValueError, "'tol' parameter of GaussianMixture must be a float in the range"),
    ({"X": [[np.nan, 0.0], [1.0, 1.0], [0.0, 0.0]]}, ValueError, "NaN"),
)
def test_bad_input_is_refused_at_the_call(asked, error, match):
    refused(match, em.steps, error=error, **{"X": overlapping(0), "n_components": 2} | asked)
    for default in ({"n_init": 1, "warm_start": False}, {"n_init": np.int64(1), "warm_start": np.bool_(False)}):
        assert next(em.steps(overlapping(0), 2, refine=None, **default)).n_iter == 1  # which mean nothing here


AS_GIVEN = {
    "single": overlapping(5).astype(np.float32),
    "by columns": np.asfortranarray(overlapping(5)),
    "reversed": overlapping(5)[::-2, ::-1],
    "list": list(overlapping(5)),
}


@pytest.mark.parametrize("rows", AS_GIVEN.values(), ids=AS_GIVEN)
def test_what_becomes_of_the_rows_after_the_call_changes_no_step(rows):
    """An object's own memory, too, is not looked at again, nor by a start that is a function of the rows."""

    class Held:
        def __array__(self, dtype=None, copy=None):
            return rows

    def bounds(steps, later):
        for step in steps:
            yield step.lower_bound
            rows[0] = rows[-1] = later

    kept = np.array(rows)
    starts = "kmeans", lambda X, K, rng: np.where(np.argsort(np.argsort(X[:, :1], 0), 0) % K == np.arange(K), 1.0, 0)
    for X, start in product([rows, Held()] if isinstance(rows, np.ndarray) else [rows], starts):
        runs = [em.steps(X, 3, init_params=start, random_state=0, max_iter=5, tol=0.0) for _ in range(3)]
        expected = [*bounds(runs[0], kept[0])]
        assert [*bounds(runs[1], kept[1])] == expected
        rows[:] = list(0 * kept)
        assert [*bounds(runs[2], kept[1])] == expected
        rows[:] = list(kept)


# --- The logger "gmm" -----------------------------------------------------------------------------


X = blobs(d=2, K=2, apart=9.0)


def lines(caplog, level):
    return [record.getMessage() for record in caplog.records if record.name == "gmm" and record.levelno == level]


def test_a_fit_tells_how_it_begins_and_how_each_start_ends_and_a_search_every_cell(caplog):
    caplog.set_level(logging.INFO, "gmm")
    fitted = GaussianMixture(2, n_init=2, refine="split-merge", random_state=0).fit(X)
    told = lines(caplog, logging.INFO)
    assert told[0] == "fit: rows 200, features 2, components 2, full"
    ends = [line for line in told if f"({fitted.history_.reason})" in line]
    assert len(ends) == len(fitted.histories_)
    assert ends[0].startswith("start 1/2  converged")
    assert "split-merge" in told[-1]
    assert not lines(caplog, logging.DEBUG)
    BayesianGaussianMixture(n_components=3, random_state=0).fit(X)
    assert "lower bound" in lines(caplog, logging.INFO)[-1]
    gmm.select(X, [1, 2], ["full", "diag"], random_state=0)
    told = "\n".join(lines(caplog, logging.INFO))
    for name in ("full", "diag"):
        assert f"search: components 2, {name}  log-likelihood" in told


@pytest.mark.parametrize("acceleration", ["auto", None])
def test_every_pass_is_told_at_debug_and_changes_nothing(caplog, acceleration):
    mixture = GaussianMixture(3, acceleration=acceleration, random_state=0)
    quiet = mixture.fit(X).means_
    caplog.set_level(logging.DEBUG, "gmm")
    loud = mixture.fit(X)
    passes = lines(caplog, logging.DEBUG)
    assert len(passes) == loud.n_iter_
    assert passes[0].startswith("start 1/1  pass    1  ")
    assert ["step rejected" not in line for line in passes] == list(loud.history_.accepted)
    np.testing.assert_array_equal(loud.means_, quiet)


def test_nothing_is_printed_unless_asked(capfd):
    GaussianMixture(2, random_state=0).fit(X)
    gmm.select(X, 1)
    assert capfd.readouterr() == ("", "")
    assert [type(handler) for handler in logging.getLogger("gmm").handlers] == [logging.NullHandler]

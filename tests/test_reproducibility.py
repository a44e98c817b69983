"""However a fit is watched, fed and continued, its bits are the same: for every model, wide or not."""

import itertools
import pickle

import numpy as np
import pytest

import gmm
import inside
from gmm import BayesianGaussianMixture, GaussianMixture
from inside import CLASSIC, PARSIMONIOUS
from tables import blobs, groups, noted, warned

N, PASSES = 60, 9


def table(d):
    return np.vstack([np.random.default_rng(d).uniform(-8, 12, (6, d)), groups(N - 6, d)])


def fit_of(mixture, rows, **how):
    return warned(mixture.fit, rows, **how)[0]


def numbers(mixture):
    """The parameters, as values that are equal only if all their bits are."""
    names = "weights_", "means_", "covariances_", "precisions_cholesky_", "noise_weight_", "degrees_of_freedom_"
    return [np.asarray(getattr(mixture, name, 0)).tobytes() for name in names]


def facts(mixture):
    """All that a fit came to."""
    counted = getattr(mixture, "n_parameters_", None)
    return numbers(mixture), mixture.lower_bound_, mixture.lower_bounds_, repr(mixture.history_.passes), counted


BESIDE = {
    "alone": lambda d: ({}, {}),
    "noise": lambda d: ({"noise": True}, {}),
    "prior": lambda d: ({"prior": "conjugate"}, {}),
    "labels": lambda d: ({}, {"labels": np.where(np.arange(N) % 4, -1, np.arange(N) % 2)}),
    "fixed": lambda d: ({"fixed": {"means": [True, False, False]}, "means_init": table(d)[[9, 10, 11]]}, {}),
    "weights": lambda d: ({}, {"sample_weight": np.random.default_rng(4).random(N)}),
    "gaps": lambda d: ({"missing": "em"}, {}),
    "t": lambda d: ({"tails": "t"}, {}),
    "t of each": lambda d: ({"tails": "t", "degrees_of_freedom": "each"}, {}),
    "limit": lambda d: ({"max_ratio": 9}, {}),
    "errors": lambda d: ({}, {"error_covariance": np.random.default_rng(5).random((N, d))}),
}
BAYESIAN = ("alone", "noise", "labels", "weights", "gaps")
FITS = [(GaussianMixture, model, beside) for model in PARSIMONIOUS for beside in ("alone", "noise")]
FITS += [(GaussianMixture, model, beside) for model in CLASSIC for beside in BESIDE if beside not in ("alone", "noise")]
FITS.remove((GaussianMixture, "tied", "limit"))
FITS += [(BayesianGaussianMixture, model, beside) for model in CLASSIC for beside in BAYESIAN]
# Of each fit two columns, of every other one column as well, and of both each solver.
SOLVERS = ("auto", None)
WAYS = [(*fit, 2, SOLVERS[number % 2]) for number, fit in enumerate(FITS)]
WAYS += [(*fit, 1, SOLVERS[number % 2]) for number, fit in enumerate(FITS[::2])]
ARRAYS_ALONE = ("weights", "gaps")  # may have these: sources have weights of their own


@pytest.mark.parametrize(
    ("cls", "model", "beside", "d", "acceleration"), WAYS, ids=lambda value: getattr(value, "__name__", value)
)
def test_bits_are_those_of_the_fit_alone(cls, model, beside, d, acceleration):
    rows, (parameters, how) = table(d), BESIDE[beside](d)
    if beside == "gaps" and d > 1:  # a row needs a value
        rows[::5, -1] = np.nan

    def make(**more):
        fixed = {"n_components": 3, "random_state": 0, "max_iter": PASSES, "tol": 0.0}
        return cls(covariance_type=model, acceleration=acceleration, **fixed | parameters | more)

    expected, third = fit_of(make(), rows, **how), PASSES // 3
    whole = {"watched": fit_of(make(), rows, callback=lambda iteration: False, **how)}
    whole["printed"] = fit_of(make(verbose=2, verbose_interval=1), rows, **how)
    if beside not in ARRAYS_ALONE:
        source = gmm.open_rows(lambda: (rows[start : start + 17] for start in range(0, len(rows), 17)))
        whole["read"] = fit_of(make(), source, **how)
    assert [way for way, mixture in whole.items() if facts(mixture) != facts(expected)] == []
    paused, stopped = make(max_iter=third, warm_start=True), make(warm_start=True)
    for _ in range(3):
        paused = fit_of(pickle.loads(pickle.dumps(paused)), rows, **how)
    assert numbers(paused) == numbers(expected)
    if acceleration and beside != "fixed":  # EM alone makes a pass again
        for _ in range(2):
            fit_of(stopped, rows, callback=lambda iteration: iteration.n_iter == third, **how)
        assert numbers(fit_of(stopped.set_params(max_iter=third), rows, **how)) == numbers(expected)


# --- Compiled loops give way where a pass is not like the last one ----------------------------------


def two_parts(n, others, sharp=0.8):
    """Rows of a group and others, and a start in which either has a little of both."""
    rows = np.vstack([blobs(n, 2), others])
    return rows, {"init_params": np.where(np.arange(len(rows))[:, None] < n, [sharp, 1 - sharp], [1 - sharp, sharp])}


LINE, OF_LINE = two_parts(30, np.outer(np.linspace(0, 1, 30), [1.0, 1.0]) + 30.0)
TIES, OF_TIES = two_parts(30, np.full((5, 2), 40.0))
FEW, TWO = blobs(), np.repeat(blobs()[:2], 20, axis=0)
HARD = {
    "float32": (FEW.astype(np.float32), {}),
    "a tolerance": (FEW, {"tol": 1e-3, "max_iter": 500}),
    "three rows": (blobs(3, 1), {"n_components": 1}),
    "many rows": (np.asfortranarray(blobs(5000, 2)), {"max_iter": 6}),
    "many columns": (np.repeat(blobs(300, 20), 2, axis=1)[:, ::2], {"max_iter": 6}),
    "an update that is worth threads": (blobs(400, 60), {"max_iter": 6}),
    "a component far from all rows": (FEW, {"means_init": [*FEW[:2], [1e3] * 3]}),
    "the same without a ridge": (FEW, {"means_init": [*FEW[:2], [1e3] * 3], "reg_covar": 0}),
    "more components than rows": (TWO, {"means_init": blobs()[:5] + 50.0, "max_iter": 60}),
    "a ridge that is not felt": (1e9 * LINE, OF_LINE | {"max_iter": 60}),
    "from one form into another": two_parts(100, np.full((20, 2), 25.0)),
    "a component on a line": (LINE, OF_LINE | {"reg_covar": 0, "max_iter": 90}),
}
# Between these the update of the last pass is singular, by the model.
HARD |= {f"equal rows, {n} passes": (TIES, OF_TIES | {"reg_covar": 0, "max_iter": n}) for n in (3, 4, 5, 8, 12)}


@pytest.mark.usefixtures("kernel")
@pytest.mark.parametrize("acceleration", SOLVERS)
@pytest.mark.parametrize("name", HARD)
@pytest.mark.parametrize("model", PARSIMONIOUS)
def test_a_compiled_climb_is_the_same_pass_by_pass(model, name, acceleration):
    rows, how = HARD[name]
    n_components = 2 if "init_params" in how else len(how.get("means_init", range(3)))
    how = {"n_components": n_components, "random_state": 0, "max_iter": 40, "tol": 0.0} | how
    ends = []
    for callback in (None, lambda iteration: False):
        mixture = GaussianMixture(covariance_type=model, acceleration=acceleration, **how)
        try:
            ends.append(facts(fit_of(mixture, rows, callback=callback)))
        except ValueError as error:
            ends.append(str(error))
    assert ends[0] == ends[1]
    assert isinstance(ends[0], tuple) or (how["reg_covar"] == 0 and "singular" in ends[0])


# What a pass of several lanes reads and adds up, and where a climb goes from one form to another.
LANES = {
    "whole": ({}, {}),
    "tied": ({"covariance_type": "tied"}, {}),
    "low rank": ({"covariance_type": "factor", "n_factors": 1}, {}),
    "textbook": ({"acceleration": None}, {}),
    "fixed": ({"fixed": {"means": [True, False, False]}}, {}),
    "noise": ({"noise": True}, {}),
    "t of each": ({"tails": "t", "degrees_of_freedom": "each"}, {}),
    "labels": ({}, {"labels": np.where(np.arange(20_000) % 4, -1, np.arange(20_000) % 2)}),
    "weights": ({}, {"sample_weight": np.random.default_rng(4).random(20_000)}),
}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", LANES)
def test_threads_of_a_compiled_climb_change_no_bit(name, dtype, monkeypatch):
    """Passes of one loop share their time, so a climb that threads share is one loop as well."""
    (parameters, how), rows = LANES[name], blobs(20_000, 4).astype(dtype)
    rows[:50] *= 30
    shared = noted(monkeypatch, inside.EStep, "start_in_threads", lambda e_step, task, n: n)
    monkeypatch.setattr(inside.threads, "PASS_WORTH_SHARING", 0.0)
    ends, numbers_of_threads = [], (1, 2, 3, 6)
    for n_threads in numbers_of_threads:
        more = {"means_init": rows[100:103], "max_iter": 12, "tol": 0, "n_threads": n_threads, "reg_covar": 1e-3}
        mixture = fit_of(GaussianMixture(3, **more | parameters), rows, **how)
        ends.append(facts(mixture))
        assert n_threads == 1 or len({*mixture.history_.seconds}) == 1
    assert all(end == ends[0] for end in ends[1:])
    assert {n_threads - 1 for n_threads in numbers_of_threads[1:]} <= {*shared}


def test_a_loop_goes_on_alone_and_with_others(monkeypatch):
    """The blocks that a worker has kept for the next pass are those of its share."""
    rows, ends = blobs(8000, 2), []
    monkeypatch.setattr(inside.threads, "PASS_WORTH_SHARING", 0.0)
    monkeypatch.setattr(inside.threads, "PASS_WORTH_THREADS", 0.0)
    for beside in ([0], [1, 1, 0, 0, 1, 2, 1], [2, 0, 1]):
        turns = itertools.cycle(beside)
        monkeypatch.setattr(inside.EStep, "n_other_threads", lambda e_step, lanes, turns=turns: next(turns))
        how = {"means_init": rows[:3], "max_iter": 12, "tol": 0, "n_threads": 3}
        ends.append(facts(fit_of(GaussianMixture(3, **how), rows, callback=lambda iteration: False)))
    assert ends[0] == ends[1] == ends[2]

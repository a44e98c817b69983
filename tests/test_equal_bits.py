"""However a fit is watched, fed and continued, its bits are the same: for every model, wide or not."""

import pickle

import numpy as np
import pytest

import gmm
from gmm import BayesianGaussianMixture, GaussianMixture
from inside import CLASSIC, LIMITED, PARSIMONIOUS
from tables import warned

N, PASSES = 60, 9


def table(d):
    rng = np.random.default_rng(d)
    rows = rng.normal(size=(N, d)) @ rng.normal(size=(d, d)) + 2.0 * rng.integers(0, 3, (N, 1))
    rows[:6] = rng.uniform(-8, 12, (6, d))
    return rows


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


def watched(make, rows, how):
    return fit_of(make(), rows, callback=lambda iteration: False, **how)


def printed(make, rows, how):
    return fit_of(make(verbose=2, verbose_interval=1), rows, **how)


def read(make, rows, how):
    source = gmm.open_rows(lambda: (rows[start : start + 17] for start in range(0, len(rows), 17)))
    return fit_of(make(), source, **how)


def warm(make, rows, how):
    """Pause after each third of the passes, and go on from a pickle."""
    mixture = make(max_iter=PASSES // 3, warm_start=True)
    for _ in range(3):
        mixture = fit_of(pickle.loads(pickle.dumps(mixture)), rows, **how)
    return mixture


def stopped(make, rows, how):
    """Let a callback end the fit after each third of the passes but the last."""
    mixture = make(warm_start=True)
    for _ in range(2):
        fit_of(mixture, rows, callback=lambda iteration: iteration.n_iter == PASSES // 3, **how)
    return fit_of(mixture.set_params(max_iter=PASSES // 3), rows, **how)


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
FITS += [
    (GaussianMixture, model, beside)
    for model in CLASSIC
    for beside in BESIDE
    if beside not in ("alone", "noise") and (beside != "limit" or model in LIMITED)
]
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

    expected = fit_of(make(), rows, **how)
    ways = [watched, printed] + ([read] if beside not in ARRAYS_ALONE else [])
    different = [way.__name__ for way in ways if facts(way(make, rows, how)) != facts(expected)]
    parts = [warm] + ([stopped] if acceleration and beside != "fixed" else [])  # EM alone makes a pass again
    different += [way.__name__ for way in parts if numbers(way(make, rows, how)) != numbers(expected)]
    assert different == []

"""Several starts: which of them are climbed, and that more of them never end lower."""

import re

import numpy as np
import pytest

import inside
from gmm import GaussianMixture
from inside import PARSIMONIOUS, STARTS, ArraySource, Objective, Problem, screen_start, screening_rows
from inside import fitting_fit as fitting
from test_short_runs import mixture

every_type = pytest.mark.parametrize("covariance_type", PARSIMONIOUS)
quiet = pytest.mark.filterwarnings("ignore::gmm.ConvergenceWarning")

K, N_INIT = 6, 6
rng = np.random.default_rng(3)
CENTRES = rng.uniform(-6, 6, size=(K, 2))
ROWS = CENTRES[rng.integers(K, size=6000)] + rng.normal(size=(6000, 2)) * [1, 0.4]


def fitted(X=ROWS, n_init=N_INIT, **asked):
    """Return the mixture, and which of its starts were climbed."""
    climbed = []
    asked = {"init_params": "random_from_data", "random_state": 1} | asked
    fit = GaussianMixture(K, n_init=n_init, **asked)
    return fit.fit(X, callback=lambda iteration: climbed.append(iteration.start)), sorted(set(climbed))


@every_type
@pytest.mark.parametrize("init_params", ["random_from_data", "kmeans"])
def test_more_starts_never_end_lower_and_climb_all_that_fewer_climbed(covariance_type, init_params):
    asked = {"covariance_type": covariance_type, "init_params": init_params}
    fits = [fitted(n_init=n, **asked) for n in range(1, N_INIT + 1)]
    bounds = [mixture.lower_bound_ for mixture, _ in fits]
    assert bounds == sorted(bounds)
    every = fits[-1][1]
    for n, (_, climbed) in enumerate(fits, 1):
        assert climbed == [start for start in every if start < n]


def test_some_starts_are_left_and_little_is_lost(monkeypatch):
    mixture, climbed = fitted(random_state=4)
    monkeypatch.setattr(fitting, "screening_rows", lambda *_: None)
    thorough, every = fitted(random_state=4)
    assert every == list(range(N_INIT))
    assert 1 < len(climbed) < N_INIT
    assert mixture.lower_bound_ > thorough.lower_bound_ - 1e-3
    assert thorough.lower_bound_ > fitted(n_init=1, random_state=4)[0].lower_bound_ + 1e-2, "a problem with luck in it"


@quiet
@pytest.mark.parametrize("init_params", STARTS)
@every_type
def test_the_first_start_is_climbed_as_if_it_were_alone(covariance_type, init_params):
    asked = {"covariance_type": covariance_type, "init_params": init_params, "random_state": 5}
    told = []
    GaussianMixture(K, n_init=3, **asked).fit(ROWS, callback=told.append)
    alone = GaussianMixture(K, **asked).fit(ROWS)
    assert [iteration.lower_bound for iteration in told if iteration.start == 0] == alone.lower_bounds_


@quiet
def test_of_few_rows_or_passes_every_start_is_climbed():
    assert fitted(ROWS[:3999])[1] == list(range(N_INIT))
    assert fitted(ROWS[:4000])[1] != list(range(N_INIT))
    assert fitted(max_iter=inside.SCREENING_PASSES, tol=0)[1] == list(range(N_INIT))


def test_rows_of_the_screening_keep_their_weights_and_those_of_weight_zero_are_not_there():
    rows = np.arange(20_000.0).reshape(10_000, 2)
    weight = np.where(np.arange(10_000) % 2, 0.0, 1 + rows[:, 0])
    first = mixture(np.zeros((2, 2)), "spherical")
    got = screening_rows(ArraySource(rows, weight), first, seed=4)
    np.testing.assert_array_equal(got.rows, screening_rows(ArraySource(rows[::2]), first, seed=4).rows)
    np.testing.assert_array_equal(got.sample_weight, 1 + got.rows[:, 0])
    assert len(np.unique(got.rows[:, 0])) == 2000
    assert not np.array_equal(screening_rows(ArraySource(rows, weight), first, seed=5).rows, got.rows)
    assert screening_rows(ArraySource(rows[:7998], weight[:7998]), first, seed=4) is None


@pytest.mark.parametrize(("rarest", "is_screened"), [(0.011, True), (0.009, False)])
def test_a_rare_component_asks_for_all_rows(rarest, is_screened):
    first = mixture(np.zeros((2, 2)), "spherical", [1 - rarest, rarest])
    assert (screening_rows(ArraySource(ROWS), first, seed=0) is not None) is is_screened


def screened_in_turn(*starts, rows=ROWS, **objective):
    problem = Problem(ArraySource(rows), Objective(starts[0].model, **{"ridge": 1e-6} | objective), 1)
    results = []
    for start in starts:
        results.append(screen_start(problem, start, results))
    return results


def test_a_start_that_leads_where_an_earlier_one_did_is_not_climbed_again():
    assert fitted(means_init=CENTRES, n_init=3)[1] == [0]
    start = mixture(CENTRES, "spherical")
    assert [result.promising for result in screened_in_turn(start, start)] == [True, False]


def test_a_start_that_ends_in_a_singular_covariance_is_left():
    rows = np.concatenate([ROWS, np.full((3, 2), 40.0)])
    sound = mixture([[-3, 0], [3, 0]])
    spike = mixture([[0, 0], [40, 40]])
    first, second = screened_in_turn(sound, spike, rows=rows, ridge=0)
    assert first.promising
    assert np.isfinite(first.lower_bound)
    assert not second.promising
    assert second.lower_bound == -np.inf
    prior = inside.ConjugatePrior(np.zeros(2), 0.01, 4.0, np.ones(2))
    results = screened_in_turn(sound, spike, rows=rows, ridge=0, prior=prior)
    assert np.isfinite([result.lower_bound for result in results]).all()


def test_starts_that_are_not_promising_are_climbed_where_the_others_fail(monkeypatch):
    """Screening compares on a part of the rows: the start that leads there may collapse on all of them."""
    expected = fitted(n_init=3, random_state=4)[0].histories_
    prepare_run, failing = Problem.prepare_run, []

    def run(problem, e_step, begin, settings, *, start=0, **how):
        if problem.rows.n_rows == len(ROWS) and start in {trace.start for trace in expected}:
            failing.append(start)
            raise inside.SingularMatrixError(0)
        return prepare_run(problem, e_step, begin, settings, start=start, **how)

    monkeypatch.setattr(Problem, "prepare_run", run)
    mixture, _ = fitted(n_init=3, random_state=4)
    assert failing == [trace.start for trace in expected]
    assert len(failing) < 3
    assert [trace.start for trace in mixture.histories_] == [min({0, 1, 2} - set(failing))]


@quiet
@pytest.mark.parametrize("acceleration", ["auto", None])
@every_type
def test_more_starts_fail_no_more_often_than_one(covariance_type, acceleration):
    """Without a ridge covariances of so few rows collapse; a start that does is left out."""
    failed = np.zeros((12, 2), dtype=bool)
    for seed, number in np.ndindex(failed.shape):
        rng = np.random.default_rng(seed)
        rows = rng.normal(size=(rng.integers(8, 20), rng.integers(1, 4)))
        asked = {"init_params": ("kmeans", "random", "k-means++")[seed % 3], "random_state": seed, "reg_covar": 0}
        asked |= {"covariance_type": covariance_type, "acceleration": acceleration, "n_init": (1, 4)[number]}
        try:
            GaussianMixture(3, **asked).fit(rows)
        except ValueError:
            failed[seed, number] = True
    assert not (failed[:, 1] & ~failed[:, 0]).any()
    assert failed[:, 1].sum() < max(failed[:, 0].sum(), 1)
    with pytest.raises(ValueError, match="increase reg_covar"):
        GaussianMixture(2, **asked).fit(np.zeros((9, 2)))


def test_a_start_that_fails_or_is_left_is_told(capsys):
    def told():
        return [line for line in capsys.readouterr().out.splitlines() if "dropped" in line]

    rows = np.random.default_rng(17).normal(size=(20, 2))
    GaussianMixture(3, n_init=4, reg_covar=0, random_state=14, max_iter=500, verbose=1).fit(rows)
    dropped = told()
    assert 1 <= len(dropped) <= 3
    assert all(re.fullmatch(r"start [1-4]/4  dropped: a covariance became singular", line) for line in dropped)
    _, climbed = fitted(verbose=1)
    expected = [f"start {n + 1}/{N_INIT}  dropped: log-likelihood -" for n in range(N_INIT) if n not in climbed]
    assert [line[: len(expected[0])] for line in told()] == expected

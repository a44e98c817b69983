"""The accelerated climb of factors without d × d matrices: its twin, and what it must not depend on."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import inside
import reference
from inside import ArraySource, MixtureParameters, Objective, Problem, factor_model, prior_of

every_kind = pytest.mark.parametrize("kind", ["factor", "ppca"])
every_prior = pytest.mark.parametrize("prior", [None, "conjugate"])
few = settings(max_examples=settings.default.max_examples // 2)


def embedded(n, d, K, q, seed=0, apart=0.5):
    """Rows of clusters with factors."""
    rng = np.random.default_rng(seed)
    places, factors = rng.normal(size=(K, d)) * apart, rng.normal(size=(K, q, d))
    clusters = np.arange(n) % K
    return np.stack([places[k] + rng.normal(size=q) @ factors[k] + rng.normal(size=d) for k in clusters])


def problem_of(X, K, q, kind="factor", prior=None, ridge=1e-6, *, weight=None, n_threads=1):
    model, source = factor_model(kind, q, False), ArraySource(X, weight)
    return Problem(source, Objective(model, ridge, prior_of(prior, model, K, source, 1)), n_threads)


def climbed(problem, K, max_iter, *, accelerated=True, tolerance=-np.inf, begin=None):
    """Return the result of a run, from a start of k-means or a mixture."""
    how = inside.SolverSettings(tolerance, max_iter, accelerated)
    with problem.e_step() as e_step:
        if begin is None:
            settings = inside.FitSettings(K, problem.objective, 1, inside.StartSettings("kmeans"))
            rng = np.random.RandomState(0)
            begin = problem.beginning(e_step, inside.start_statistics(problem.rows, settings, rng))
        return problem.run(e_step, begin, how).go().result


def begun(X, K, q, kind, seed):
    """A mixture of factors by chance at rows."""
    rng, d = np.random.default_rng(seed), X.shape[1]
    noise = rng.uniform(0.5, 1.5, (K, 1, 1 if kind == "ppca" else d)) * np.ones((K, 1, d))
    covariances = np.concatenate([noise, rng.normal(size=(K, q, d))], axis=1)
    return MixtureParameters(rng.dirichlet(np.full(K, 9.0)), X[:K].copy(), covariances, factor_model(kind, q, False))


@every_kind
@pytest.mark.parametrize(("d", "q", "seed"), [(3, 1, 0), (5, 2, 1), (6, 3, 2)])
@pytest.mark.parametrize("ridge", [0.0, 0.05])
def test_each_pass_is_the_twins(kind, ridge, d, q, seed):
    X, weight = embedded(300, d, 2, q, seed), np.random.default_rng(seed).uniform(0.5, 2, 300)
    begin, family = begun(X, 2, q, kind, seed), reference.FreeFactors(d, q, ridge, kind == "ppca")
    written_out = begin.weights, begin.means, begin.covariances[:, 1:].transpose(0, 2, 1), begin.covariances[:, 0]
    told = reference.accelerated_em(X, written_out, family, 15, weight=weight)
    trace = climbed(problem_of(X, 2, q, kind, None, ridge, weight=weight), 2, 15, begin=inside.Beginning(begin)).trace
    kept = np.maximum.accumulate([objective for objective, _ in told])
    np.testing.assert_allclose(trace.objective, kept, rtol=1e-7)
    assert list(trace.accepted) == [accepted for _, accepted in told]


@every_kind
@every_prior
@few
@given(seed=st.integers(0, 2**16), K=st.integers(1, 4), d=st.integers(4, 14), q=st.integers(1, 3))
def test_the_objective_never_falls(kind, prior, seed, K, d, q):
    X = embedded(40 * K, d, K, q, seed)
    for ridge in (1e-6, 0.1):
        objective = np.array(climbed(problem_of(X, K, q, kind, prior, ridge), K, 60).trace.objective)
        assert np.diff(objective).min(initial=0) >= -1e-12 * (1 + np.abs(objective).max())


@every_kind
@every_prior
@pytest.mark.parametrize(("n", "d", "K", "q"), [(900, 12, 3, 2), (300, 100, 6, 3)])
def test_it_ends_where_em_rests(kind, prior, n, d, K, q):
    problem = problem_of(embedded(n, d, K, q), K, q, kind, prior, 1e-9)
    end = climbed(problem, K, 600, tolerance=1e-13)
    begin = inside.Beginning(end.parameters)
    after = climbed(problem, K, 30, accelerated=False, begin=begin)
    assert end.trace.converged
    assert "projected remaining gain" in end.trace.reason
    bounds = np.array(after.trace.lower_bounds)
    np.testing.assert_allclose(bounds, bounds[0], atol=1e-7 * d)
    written_out = (mixture.written_out for mixture in (end.parameters, after.parameters))
    np.testing.assert_allclose(*written_out, rtol=0, atol=1e-3)


def test_it_needs_fewer_passes_than_em():
    passes = np.zeros(2)
    for seed in range(3):
        # Clusters far apart: where they overlap, the bits of BLAS decide which of many optima a run ends in.
        X = embedded(900, 10, 3, 3, seed, apart=3)
        bounds = [
            np.array(climbed(problem_of(X, 3, 3, ridge=1e-9), 3, n, accelerated=accelerated).trace.objective)
            for accelerated, n in ((False, 1500), (True, 500))
        ]
        passes += [np.argmax(bound > bound[-1] - 1e-5) for bound in bounds]
        assert bounds[1][-1] > bounds[0][-1] - 1e-7
    assert passes[1] < passes[0] / 5


@every_prior
def test_threads_and_pickles_leave_the_bits(prior):
    X = embedded(6000, 70, 4, 3).astype(np.float32)
    one, two = (climbed(problem_of(X, 4, 3, prior=prior, n_threads=n), 4, 9) for n in (1, 2))
    assert one.trace.objective == two.trace.objective
    state = one.state
    assert isinstance(state, inside.QuasiNewtonState)
    for mine, copied in zip(state.next(), pickle.loads(pickle.dumps(state)).next(), strict=True):
        np.testing.assert_array_equal(mine, copied)


@every_kind
def test_noise_at_its_least_stays_there(kind):
    X = embedded(300, 12, 2, 2)
    X[:, 3] = X[:, 4]
    result = climbed(problem_of(X, 2, 2, kind, ridge=1e-3), 2, 300, tolerance=1e-10)
    assert result.trace.converged
    assert (result.parameters.covariances[:, 0] >= 1e-3).all()
    objective = np.array(result.trace.objective)
    assert np.diff(objective).min() >= -1e-12 * np.abs(objective).max()

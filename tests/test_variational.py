"""Variational Bayes in the one objective: posterior, log offsets and evidence bound are the slow twin's."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import xlogy

import reference
from gmm._fitting.starts import from_responsibilities
from gmm._passes.problem import Problem, SolverSettings
from gmm._rows.sources import ArraySource
from gmm._values.covariance import CLASSIC, covariance_model
from gmm._values.objective import Objective
from gmm._values.variational import VariationalPrior

every_type = pytest.mark.parametrize("name", CLASSIC)
every_prior = pytest.mark.parametrize("sticks", [False, True])
seeds = st.integers(0, 2**32 - 1)


def rows(rng, n=120, d=3, groups=3):
    centres = 3 * rng.normal(size=(groups, d))
    turn = rng.normal(size=(groups, d, d)) / 2 + np.eye(d)
    group = rng.integers(groups, size=n)
    return centres[group] + np.einsum("nij,nj->ni", turn[group], rng.normal(size=(n, d)))


def a_prior(rng, name, d, sticks):
    """A random prior, as the twin and as a fit take it."""
    variances = rng.uniform(0.2, 3, d)
    C = np.diag(np.full(d, variances[0]) if name == "spherical" else variances)
    if name in ("full", "tied"):
        turn = rng.normal(size=(d, d))
        C = C + turn @ turn.T / 3
    mean, beta, dof = rng.normal(size=d), rng.uniform(0.01, 3), d - 1 + rng.uniform(0.05, 4)
    alpha = 10 ** rng.uniform(-2, 1)
    scale = {"full": C, "tied": C, "diag": np.diag(C), "spherical": C[0, 0]}[name]
    twin = reference.VariationalPrior(mean, beta, dof, C, alpha, sticks)
    return twin, VariationalPrior(mean, beta, dof, np.asarray(scale), alpha, sticks)


def a_case(seed, name, sticks, *, K=4, n=120, d=3, weighted=True):
    rng = np.random.default_rng(seed)
    X = rows(rng, n, d)
    weight = rng.uniform(0.1, 2, n) if weighted else None
    r = rng.dirichlet(np.full(K, 0.3), n)
    return X, weight, r, *a_prior(rng, name, d, sticks)


def in_source(X, weight):
    return ArraySource(np.asfortranarray(X), weight)


def posterior_of(X, weight, r, name, prior, ridge=0.0):
    model = covariance_model(name)
    statistics = from_responsibilities(in_source(X, weight), r, model.moments)
    return Objective(model, ridge, prior).update(statistics)


def run(X, weight, r, name, prior, *, max_iter, accelerated, ridge=0.0, tolerance=0.0, n_threads=None):
    objective = Objective(covariance_model(name), ridge, prior)
    problem = Problem(in_source(X, weight), objective, repair_empty=False)
    settings = SolverSettings(tolerance=tolerance, max_iter=max_iter, accelerated=accelerated)
    with problem.e_step() as e_step:
        begin = problem.beginning(e_step, from_responsibilities(problem.rows, r, objective.model.moments))
        return problem.run(e_step, begin, settings).go().result


def written_out(posterior):
    K, d = posterior.means.shape
    dense = posterior.model.layout.dense(posterior.covariances, K, d)
    return reference.VariationalPosterior(
        posterior.counts,
        posterior.mean_precisions,
        posterior.means,
        posterior.dof,
        dense * posterior.dof[:, None, None],
    )


@pytest.mark.parametrize("ridge", [0.0, 0.1])
@every_type
@every_prior
@given(seed=seeds)
def test_the_posterior_is_the_twins(name, sticks, ridge, seed):
    X, weight, r, twin, prior = a_case(seed, name, sticks)
    got = posterior_of(X, weight, r, name, prior, ridge)
    expected = reference.variational_posterior(X, r, weight, name, twin, ridge)
    for part in ("counts", "beta", "means", "dof", "inverse_scales"):
        np.testing.assert_allclose(getattr(written_out(got), part), getattr(expected, part), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(got.weights, reference.expected_weights(expected.counts, twin), rtol=1e-12)


@every_type
@every_prior
@given(seed=seeds)
def test_what_a_pass_reads_is_the_expected_log_density(name, sticks, seed):
    X, weight, r, twin, prior = a_case(seed, name, sticks)
    posterior = posterior_of(X, weight, r, name, prior)
    seen, K, d = posterior.whitened(), *posterior.means.shape
    whiteners = posterior.model.layout.dense(seen.whiteners, K, d)
    got = reference.whitened_log_joint(X, seen.log_offset, seen.centres, whiteners)
    expected = reference.expected_log_joint(X, written_out(posterior), twin)
    np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-9)


@every_type
@every_prior
@given(seed=seeds, weighted=st.booleans(), d=st.integers(1, 5), K=st.integers(1, 6))
def test_the_bound_is_the_brute_force_one(name, sticks, seed, weighted, d, K):
    X, weight, r, twin, prior = a_case(seed, name, sticks, d=d, K=K, weighted=weighted)
    result = run(X, weight, r, name, prior, max_iter=2, accelerated=False)
    w, posterior = (1.0 if weight is None else weight), written_out(result.parameters)
    best = reference.responsibilities(reference.expected_log_joint(X, posterior, twin))
    expected = reference.evidence_bound(X, best, w, posterior, twin)
    assert result.lower_bound * np.broadcast_to(w, len(X)).sum() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("part", ["counts", "beta", "means", "dof", "inverse_scales"])
@every_type
@every_prior
@given(seed=seeds)
def test_the_update_is_no_worse_than_any_neighbour(name, sticks, part, seed):
    """The bound as a function of the posterior, responsibilities given, has its maximum where the twin says."""
    X, weight, r, twin, _ = a_case(seed, name, sticks)
    best = reference.variational_posterior(X, r, weight, name, twin, 0.2)
    most = reference.evidence_bound(X, r, weight, best, twin, 0.2)
    rng, by = np.random.default_rng(seed), getattr(best, part)
    if part == "inverse_scales" and name != "full":
        change = 0.01 * rng.normal()
    elif part == "inverse_scales":
        change = 0.01 * rng.normal(size=(len(by), 1, 1))
    elif part == "dof" and name == "tied":
        change = 0.01 * rng.normal()
    else:
        change = 0.01 * rng.normal(size=by.shape)
    other = replace(best, **{part: by * (1 + change)})
    assert reference.evidence_bound(X, r, weight, other, twin, 0.2) <= most + 1e-11 * abs(most)


@pytest.mark.parametrize("accelerated", [False, True])
@every_type
@every_prior
@given(
    seed=seeds, weighted=st.booleans(), d=st.integers(1, 4), K=st.integers(1, 8), ridge=st.sampled_from([0, 1e-6, 0.3])
)
def test_the_bound_never_falls(name, sticks, accelerated, seed, weighted, d, K, ridge):
    X, weight, r, _, prior = a_case(seed, name, sticks, d=d, K=K, n=60, weighted=weighted)
    ridge = ridge if accelerated else 0.0  # textbook EM sees the rows without the noise of a ridge
    result = run(X, weight, r, name, prior, max_iter=60, accelerated=accelerated, ridge=ridge)
    objective = np.array(result.trace.objective)
    assert (np.diff(objective) >= -1e-12 * (1 + np.abs(objective[1:]))).all()


@pytest.mark.parametrize("ridge", [0.0, 0.1])
@every_type
@every_prior
@given(seed=seeds, d=st.integers(1, 4), K=st.integers(2, 6), weighted=st.booleans())
def test_what_a_merge_promises_is_what_the_bound_gains_but_for_entropy(name, sticks, ridge, seed, d, K, weighted):
    X, weight, r, twin, prior = a_case(seed, name, sticks, d=d, K=K, weighted=weighted)
    weight = np.ones(len(X)) if weight is None else weight
    state = run(X, weight, r, name, prior, max_iter=1, accelerated=True, ridge=ridge).state
    first = written_out(posterior_of(X, weight, r, name, prior, ridge))
    shares = reference.responsibilities(reference.expected_log_joint(X, first, twin, ridge))
    into, gone = sorted(np.random.default_rng(seed).choice(K, 2, replace=False).tolist())
    joint = shares.copy()
    joint[:, into] += joint[:, gone]
    joint = np.hstack([np.delete(joint, gone, axis=1), np.zeros((len(X), 1))])

    def bound(responsibilities):
        posterior = reference.variational_posterior(X, responsibilities, weight, name, twin, ridge)
        return reference.evidence_bound(X, responsibilities, weight, posterior, twin, ridge)

    lost = (weight[:, None] * (xlogy(joint, joint) - xlogy(shares, shares))).sum()
    expected = bound(joint) - bound(shares) + lost
    assert state.promise(into, gone) == pytest.approx(expected, rel=1e-8, abs=1e-7)


def test_a_promise_is_of_two_components_of_a_bound():
    X, weight, r, _, prior = a_case(0, "full", True)
    state = run(X, weight, r, "full", prior, max_iter=1, accelerated=True).state
    for into, gone in ((1, 1), (2, 1), (-1, 0), (0, 4)):
        with pytest.raises(ValueError, match="components of it in order"):
            state.promise(into, gone)

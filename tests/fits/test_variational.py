"""Variational Bayes in the one objective: posterior, log offsets and evidence bound are the slow twin's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import xlogy

import inside
import reference
from inside import ALL_UNKNOWN, CLASSIC, NO_NOISE, KnownClasses, Noise, Problem, SolverSettings, from_responsibilities
from tables import refused

every_type = pytest.mark.parametrize("name", CLASSIC)
every_prior = pytest.mark.parametrize("sticks", [False, True])
cases = {"seed": st.integers(0, 2**32 - 1), "weighted": st.booleans(), "noisy": st.booleans()}


def rows(rng, n=120, d=3, groups=3):
    centres = 3 * rng.normal(size=(groups, d))
    turn = rng.normal(size=(groups, d, d)) / 2 + np.eye(d)
    group = rng.integers(groups, size=n)
    return centres[group] + np.einsum("nij,nj->ni", turn[group], rng.normal(size=(n, d)))


def a_prior(rng, name, d, sticks, log_noise=None):
    """A random prior, as the twin and as a fit take it."""
    variances = rng.uniform(0.2, 3, d)
    C = np.diag(np.full(d, variances[0]) if name == "spherical" else variances)
    if name in ("full", "tied"):
        turn = rng.normal(size=(d, d))
        C = C + turn @ turn.T / 3
    mean, beta, dof = rng.normal(size=d), rng.uniform(0.01, 3), d - 1 + rng.uniform(0.05, 4)
    alpha = 10 ** rng.uniform(-2, 1)
    scale = {"full": C, "tied": C, "diag": np.diag(C), "spherical": C[0, 0]}[name]
    twin = reference.VariationalPrior(mean, beta, dof, C, alpha, sticks, log_noise)
    return twin, inside.VariationalPrior(mean, beta, dof, np.asarray(scale), alpha, sticks)


def a_case(seed, name, sticks, *, K=4, n=120, d=3, weighted=True, noisy=False):
    rng = np.random.default_rng(seed)
    X = rows(rng, n, d)
    weight = rng.uniform(0.1, 2, n) if weighted else None
    r = rng.dirichlet(np.full(K + noisy, 0.3), n)
    return X, weight, r, *a_prior(rng, name, d, sticks, noise_of(X).log_density if noisy else None)


def noise_of(X):
    return Noise(X.min(axis=0), X.max(axis=0))


def of_components(r, noisy):
    """Responsibilities without the column of noise."""
    return np.ascontiguousarray(r[:, : r.shape[1] - noisy])


def objective_of(X, name, prior, ridge, noisy):
    return inside.Objective(inside.covariance_model(name), ridge, prior, noise_of(X) if noisy else NO_NOISE)


def in_source(X, weight):
    return inside.ArraySource(np.asfortranarray(X), weight)


def some_classes(seed, K, n, together=()):
    """Classes of components, those named in one of them, and of rows: of some it is unknown, and of the last class."""
    rng = np.random.default_rng(seed)
    owners = np.sort(rng.integers(0, K, size=K))
    if len(together):
        owners[min(together) : max(together) + 1] = owners[min(together)]
    owners = np.unique(owners, return_inverse=True)[1]
    if seed % 2 and owners.max():
        owners[owners == owners.max()] = -1
    return KnownClasses(rng.integers(0, owners.max() + 2, n).astype(np.intc), owners)


def within(log_joint, known, noisy):
    return reference.within_classes(log_joint, known.codes - 1, [*known.owners, -2] if noisy else known.owners)


def posterior_of(X, weight, r, name, prior, ridge=0.0, noisy=False):
    objective = objective_of(X, name, prior, ridge, noisy)
    shares, moments = of_components(r, noisy), objective.model.layout
    return objective.update(from_responsibilities(in_source(X, weight), shares, moments))


def run(X, weight, r, name, prior, *, max_iter, accelerated, ridge=0.0, noisy=False, known=ALL_UNKNOWN):
    objective, r = objective_of(X, name, prior, ridge, noisy), of_components(r, noisy)
    problem = Problem(in_source(X, weight).with_changes(known=known), objective, repair_empty=False)
    settings = SolverSettings(tolerance=0, max_iter=max_iter, accelerated=accelerated)
    with problem.e_step() as e_step:
        begin = problem.first_update(e_step, from_responsibilities(problem.rows, r, objective.model.layout))
        return problem.prepare_run(e_step, begin, settings).go().result


def written_out(posterior):
    dof, dense = posterior.dof, posterior.model.layout.dense(posterior.covariances, *posterior.means.shape)
    numbers = posterior.counts, posterior.mean_precisions, posterior.means, dof, dense * dof[:, None, None]
    return reference.VariationalPosterior(*numbers, posterior.noise_count)


@pytest.mark.parametrize("ridge", [0.0, 0.1])
@every_type
@every_prior
@given(**cases)
def test_the_posterior_and_what_a_pass_reads_of_it_are_the_twins(name, sticks, ridge, seed, weighted, noisy):
    X, weight, r, twin, prior = a_case(seed, name, sticks, weighted=weighted, noisy=noisy)
    given = np.ones(len(X)) if weight is None else weight
    got = posterior_of(X, weight, r, name, prior, ridge, noisy)
    expected = reference.variational_posterior(X, r, given, name, twin, ridge)
    for part in ("counts", "beta", "means", "dof", "inverse_scales", "n_noise"):
        np.testing.assert_allclose(getattr(written_out(got), part), getattr(expected, part), rtol=1e-9, atol=1e-12)
    weights = reference.expected_weights(expected.counts, twin, expected.n_noise)
    np.testing.assert_allclose(got.weights, weights, rtol=1e-12)
    seen, K, d = got.whitened(), *got.means.shape
    whiteners = got.model.layout.dense(seen.whiteners, K, d)
    joint = reference.whitened_log_joint(X, seen.log_offset, seen.centres, whiteners)
    joint = reference.beside_noise(joint, seen.log_noise) if noisy else joint
    expected = reference.expected_log_joint(X, written_out(got), twin)
    np.testing.assert_allclose(joint, expected, rtol=1e-9, atol=1e-9)


@every_type
@every_prior
@given(**cases, d=st.integers(1, 5), K=st.integers(1, 6), fast=st.booleans())
def test_the_bound_is_the_brute_force_one(name, sticks, seed, weighted, d, K, noisy, fast):
    X, weight, r, twin, prior = a_case(seed, name, sticks, d=d, K=K, weighted=weighted, noisy=noisy)
    known = some_classes(seed, K, len(X))
    result = run(X, weight, r, name, prior, max_iter=2 + 5 * fast, accelerated=fast, noisy=noisy, known=known)
    w, posterior = (1.0 if weight is None else weight), written_out(result.parameters)
    best = reference.responsibilities(within(reference.expected_log_joint(X, posterior, twin), known, noisy))
    expected = reference.evidence_bound(X, best, w, posterior, twin)
    assert result.lower_bound * np.broadcast_to(w, len(X)).sum() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("accelerated", [False, True])
@every_type
@every_prior
@given(**cases, d=st.integers(1, 4), K=st.integers(1, 8), ridge=st.sampled_from([0, 1e-6, 0.3]))
def test_the_bound_never_falls(name, sticks, accelerated, seed, weighted, noisy, d, K, ridge):
    X, weight, r, _, prior = a_case(seed, name, sticks, d=d, K=K, n=60, weighted=weighted, noisy=noisy)
    how = {"accelerated": accelerated, "noisy": noisy, "known": some_classes(seed, K, 60) if seed % 3 else ALL_UNKNOWN}
    ridge = ridge if accelerated else 0.0  # textbook EM sees the rows without the noise of a ridge
    result = run(X, weight, r, name, prior, max_iter=60, ridge=ridge, **how)
    objective = np.array(result.trace.objective)
    assert (np.diff(objective) >= -1e-12 * (1 + np.abs(objective[1:]))).all()
    assert result.parameters.shares.sum() <= 1 + 1e-9


def test_a_pass_has_a_component_left_where_noise_takes_all_rows():
    X, _, r, _, prior = a_case(271, "spherical", False, d=4, K=8, n=60, weighted=False, noisy=True)
    result = run(X, None, r, "spherical", prior, max_iter=60, accelerated=True, noisy=True)
    assert result.parameters.noise_count == pytest.approx(60)
    assert np.isfinite(result.trace.objective).all()


@pytest.mark.parametrize("ridge", [0.0, 0.1])
@every_type
@every_prior
@given(**cases, d=st.integers(1, 4), K=st.integers(2, 6))
def test_a_merge_promises_what_the_bound_gains_but_for_entropy(name, sticks, ridge, seed, d, K, weighted, noisy):
    X, weight, r, twin, prior = a_case(seed, name, sticks, d=d, K=K, weighted=weighted, noisy=noisy)
    weight = np.ones(len(X)) if weight is None else weight
    into, gone = sorted(np.random.default_rng(seed).choice(K, 2, replace=False).tolist())
    known = some_classes(seed, K, len(X), (into, gone))
    last = np.flatnonzero(known.owners == known.owners[gone])[-1]
    how = {"max_iter": 1, "accelerated": True, "ridge": ridge, "noisy": noisy, "known": known}
    state = run(X, weight, r, name, prior, **how).state
    first = written_out(posterior_of(X, weight, r, name, prior, ridge, noisy))
    shares = reference.responsibilities(within(reference.expected_log_joint(X, first, twin, ridge), known, noisy))
    joint = shares.copy()
    joint[:, into] += joint[:, gone]
    joint = np.insert(np.delete(joint, gone, axis=1), last, 0, axis=1)  # those behind it in its class move up

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
        refused("components of it in order", state.promise, into, gone)

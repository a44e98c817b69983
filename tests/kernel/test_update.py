"""Sufficient statistics are values with arithmetic, and what the compiled update makes of them is its twin's."""

import threading
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import inside
import reference
from inside import SPHERICAL, ArraySource, EStep, MStep, Objective, covariance_model, mstep
from tables import refused

every_type = pytest.mark.parametrize("covariance_type", inside.PARSIMONIOUS)
every_layout = pytest.mark.parametrize("name", inside.CLASSIC)


def problem(covariance_type, K, d, seed=0):
    """Rows, responsibilities, weights, and their statistics about origins that are no means."""
    rng, n = np.random.default_rng(seed), max(60, 3 * d * K)
    rows, weight = rng.normal(size=(n, d)) @ rng.normal(size=(d, d)), rng.uniform(0.2, 3.0, n)
    responsibilities = rng.dirichlet(np.full(K, 0.5), size=n)
    return rows, responsibilities, weight, statistics_of(covariance_type, rows, responsibilities, weight)


def statistics_of(covariance_type, rows, responsibilities, weight, origins=None):
    origins = np.full((responsibilities.shape[1], rows.shape[1]), 0.3) if origins is None else origins
    counts, first, second = reference.statistics(rows, responsibilities, weight, origins)
    kept = np.ascontiguousarray(reference.in_layout(second, covariance_type))
    layout = covariance_model(covariance_type).layout
    evidence = float(weight @ rows.sum(axis=1))  # any number that adds up over rows
    return inside.SufficientStatistics(layout, origins, counts, first, kept, evidence, weight.sum())


def compiled_update(statistics, ridge, constraint=0):
    of = statistics
    family = mstep.MixtureFamily(of.layout.code, constraint, *of.first.shape, ridge)
    update = mstep.Update(family, of.origins, of.counts, of.first, np.ravel(of.second), of.weight)
    update.covariances(0, update.n_covariances)
    update.constrain(0, 1)
    return update.finish()


@pytest.mark.parametrize("covariance_type", reference.CLOSED_FORMS)
@settings(max_examples=settings.default.max_examples // 2)
@given(
    K=st.integers(1, 5),
    d=st.sampled_from([1, 2, 3, 4, 7, 15, 16, 17, 18, 30]),
    ridge=st.sampled_from([0.0, 1e-6, 0.25]),
    seed=st.integers(0, 2**16),
)
def test_the_update_is_the_textbooks(covariance_type, K, d, ridge, seed):
    rows, responsibilities, weight, statistics = problem(covariance_type, K, d, seed)
    found, failed = compiled_update(statistics, ridge, covariance_model(covariance_type).constraint)
    weights, means, covariances, whiteners, log_determinants, _ = found
    expected = reference.m_step(rows, responsibilities, weight, covariance_type, ridge)
    assert failed == -1
    np.testing.assert_allclose(weights, expected[0], rtol=1e-11)
    scale = np.abs(rows).max()
    np.testing.assert_allclose(means, expected[1], rtol=0, atol=1e-12 * scale * K)
    shape = covariance_model(covariance_type).layout.shape(K, d)
    dense = reference.dense(covariances.reshape(shape), covariance_type, K, d)
    np.testing.assert_allclose(dense, expected[2], rtol=0, atol=1e-11 * scale**2)
    for k, W in enumerate(reference.dense(whiteners.reshape(shape), covariance_type, K, d)):
        np.testing.assert_array_equal(W, np.tril(W))
        np.testing.assert_array_equal(dense[k], dense[k].T)
        condition = np.linalg.cond(dense[k])
        np.testing.assert_allclose(W @ dense[k] @ W.T, np.eye(d), rtol=0, atol=1e-14 * d * condition)
        of_k = log_determinants[k if len(log_determinants) > 1 else 0]
        assert of_k == pytest.approx(-0.5 * np.linalg.slogdet(dense[k])[1], rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("covariance_type", ["full", "diag", "spherical"])
@pytest.mark.parametrize("d", [1, 2, 16, 17])
def test_the_first_singular_component_is_told(covariance_type, d):
    rows, responsibilities = np.random.default_rng(0).normal(size=(5 * d + 9, d)), np.zeros((5 * d + 9, 3))
    responsibilities[2:, 0] = responsibilities[0, 1] = responsibilities[1, 2] = 1
    statistics = statistics_of(covariance_type, rows, responsibilities, np.ones(len(rows)))
    assert compiled_update(statistics, 0.0)[1] in (1, 2)  # rounding may leave one row a spread
    emptied = np.multiply(statistics.second.T, [1, 0, 0]).T.copy()
    exact = replace(statistics, first=np.zeros_like(statistics.first), second=emptied)
    assert compiled_update(exact, 0.0)[1] == 1
    assert compiled_update(exact, 1e-6)[1] == -1


@pytest.mark.parametrize("covariance_type", inside.CLASSIC)
@pytest.mark.parametrize("bad", [0.0, -1.0, np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("d", [2, 20])
def test_no_positive_definite_matrix_is_told(covariance_type, bad, d):
    layout = covariance_model(covariance_type).layout
    matrices = layout.with_ridge(np.zeros(layout.shape(2, d)), 1.0)
    matrices.reshape(-1)[-1] = bad
    told = refused("not positive definite", layout.whiten, matrices, d, error=inside.SingularMatrixError)
    assert told.component == (0 if layout.pooled else 1)


@every_type
def test_a_component_without_rows_keeps_its_place_and_gets_the_ridge(covariance_type):
    rows, responsibilities, weight, _ = problem(covariance_type, 3, 2)
    responsibilities[:, 0] += responsibilities[:, 2]
    responsibilities[:, 2] = 0
    statistics = statistics_of(covariance_type, rows, responsibilities, weight)
    model = covariance_model(covariance_type)
    got = Objective(model, 0.5).update(statistics)
    np.testing.assert_array_equal(got.means[2], statistics.origins[2])
    assert 0 < got.weights[2] <= np.finfo(float).eps
    assert np.isfinite(got.log_determinants).all()
    if not model.layout.pooled and not model.constraint:
        np.testing.assert_array_equal(model.layout.dense(got.covariances, 3, 2)[2], 0.5 * np.eye(2))


@pytest.mark.parametrize("covariance_type", ["diag", "spherical"])
def test_rounding_leaves_no_negative_variance(covariance_type):
    *_, statistics = problem(covariance_type, 2, 3)
    below = replace(statistics, second=-np.ones_like(statistics.second))
    assert (Objective(covariance_model(covariance_type), 0.25).update(below).covariances == 0.25).all()


@pytest.mark.parametrize("n_threads", [1, 2, 3, None])
@pytest.mark.parametrize("covariance_type", ["full", "tied"])
def test_an_update_that_is_worth_threads_is_the_same_on_any_number(covariance_type, n_threads, monkeypatch):
    monkeypatch.setattr(inside.threads, "PASS_WORTH_THREADS", 1e6)
    (*_, statistics), model, ranges = problem(covariance_type, 5, 100), covariance_model(covariance_type), []
    with EStep(ArraySource(np.zeros((1, 1))), model.layout, n_threads=n_threads) as e_step:

        def share_out(task, n, work):
            assert work > 1e6
            e_step.share_out(lambda *part: ranges.append(part) or task(*part), n, work)

        got = MStep(Objective(model, 1e-6), 0, share_out=share_out)(statistics)
    with inside.single_threaded_blas():  # the threads of older BLAS change the last digits
        expected = Objective(model, 1e-6).update(statistics)
    for name in ("weights", "means", "covariances", "whiteners", "log_determinants"):
        np.testing.assert_array_equal(getattr(got, name), getattr(expected, name))
    if n_threads is not None:
        assert len(ranges) == (1 if covariance_type == "tied" else n_threads)


def test_a_pool_that_began_with_few_ranges_has_room_for_more():
    barrier, e_step = threading.Barrier(3), EStep(ArraySource(np.zeros((1, 1))), SPHERICAL, n_threads=3)
    with e_step:
        e_step.share_out(lambda start, end: None, 2, 1e9)
        e_step.share_out(lambda start, end: barrier.wait(10), 3, 1e9)


# --- The laws of their arithmetic, in every layout ----------------------------------------------


problems = given(K=st.integers(1, 4), d=st.integers(1, 4), n=st.integers(2, 12), seed=st.integers(0, 2**32 - 1))


def rows_of(K, d, n, seed):
    """Rows, their responsibilities, weights and log evidence, and two sets of origins."""
    rng = np.random.default_rng(seed)
    rows, responsibilities = rng.normal(size=(n, d)), rng.dirichlet(np.ones(K), size=n)
    return rows, responsibilities, rng.uniform(0.1, 2, n), *rng.normal(size=(2, K, d))


def assert_close(got, expected):
    for name in ("origins", "counts", "first", "second", "log_evidence", "weight"):
        ours, theirs = getattr(got, name), getattr(expected, name)
        np.testing.assert_allclose(ours, theirs, rtol=1e-11, atol=1e-11, err_msg=name)


@every_layout
@problems
def test_sums_other_origins_and_heavier_rows(name, K, d, n, seed):
    rows, responsibilities, weight, origins, other = rows_of(K, d, n, seed)
    cut = n // 2
    left = statistics_of(name, rows[:cut], responsibilities[:cut], weight[:cut], origins)
    right = statistics_of(name, rows[cut:], responsibilities[cut:], weight[cut:], other)
    whole = statistics_of(name, rows, responsibilities, weight, origins)
    assert_close(left + right, whole)
    assert_close((right + left).recentred(origins), whole)
    assert_close(whole.recentred(other), statistics_of(name, rows, responsibilities, weight, other))
    assert_close(whole.scaled(2.5), statistics_of(name, rows, responsibilities, 2.5 * weight, origins))
    assert_close(whole.recentred(other).recentred(origins), whole)


@every_layout
@problems
def test_means_and_scatter_are_the_textbooks(name, K, d, n, seed):
    rows, responsibilities, weight, origins, _ = rows_of(K, d, n, seed)
    got = statistics_of(name, rows, responsibilities, weight, origins)
    _, means, covariances = reference.m_step(rows, responsibilities, weight, name)
    counts = weight.sum() if name == "tied" else got.counts
    np.testing.assert_allclose(got.means, means, rtol=1e-9, atol=1e-11)
    dense = reference.dense((got.scatter.T / counts).T, name, K, d)
    np.testing.assert_allclose(dense, covariances, rtol=1e-7, atol=1e-10)


@every_layout
@problems
def test_halves_of_a_component_keep_the_moments_of_the_whole_and_one_without_rows_its_place(name, K, d, n, seed):
    rows, responsibilities, weight, origins, _ = rows_of(K, d, n, seed)
    responsibilities = np.column_stack([responsibilities, np.zeros(n)])
    origins = np.vstack([origins, origins[:1] + 5])
    before = statistics_of(name, rows, responsibilities, weight, origins)
    np.testing.assert_array_equal(before.means[K], origins[K])
    assert name == "tied" or not before.scatter[K].any()
    offset = np.random.default_rng(seed).normal(size=d)
    after = before.split(0, K, offset)
    # Each about one common origin: what the two halves hold together is what the one held.
    common = np.zeros((K + 1, d))
    was, now = before.recentred(common), after.recentred(common)
    assert now.counts[0] == now.counts[K] == was.counts[0] / 2
    np.testing.assert_allclose(now.first[0] + now.first[K], was.first[0], rtol=1e-9, atol=1e-10)
    both, one = (now.second, was.second) if name == "tied" else (now.second[0] + now.second[K], was.second[0])
    np.testing.assert_allclose(both, one, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(after.means[K] - after.means[0], 2 * offset, rtol=1e-9, atol=1e-10)
    np.testing.assert_array_equal(after.first[1:K], before.first[1:K])
    assert (after.log_evidence, after.weight) == (before.log_evidence, before.weight)


@every_layout
@problems
def test_a_component_that_is_its_own_donor_moves_alone(name, K, d, n, seed):
    """Where noise has taken all rows, the heaviest component is the empty one."""
    before, step = statistics_of(name, *rows_of(K, d, n, seed)[:-1]), np.ones(d)
    after = before.split(K - 1, K - 1, step)
    np.testing.assert_allclose(after.counts[-1], before.counts[-1] / 2)
    np.testing.assert_allclose(after.means[-1], before.means[-1] + step)
    np.testing.assert_array_equal(after.first[:-1], before.first[:-1])


def test_arithmetic_leaves_its_operands_alone_which_are_equal_to_themselves_alone():
    value, untouched = (statistics_of("full", *rows_of(2, 2, 6, 0)[:-1]) for _ in range(2))
    other = rows_of(2, 2, 6, 0)[-1]
    _ = value + value.recentred(other), value.scaled(2.0), value.split(0, 1, np.ones(2))
    for name in ("counts", "first", "second", "origins"):
        np.testing.assert_array_equal(getattr(value, name), getattr(untouched, name))
    assert value == value
    assert value != untouched
    assert {value: 1}[value] == 1
    np.testing.assert_array_equal(np.add(value, untouched).counts, (value + untouched).counts)

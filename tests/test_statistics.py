"""Sufficient statistics are values with arithmetic: the laws hold in every layout."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import reference
from inside import DIAGONAL, FULL, SPHERICAL, TIED, SufficientStatistics

LAYOUTS = {"full": FULL, "tied": TIED, "diag": DIAGONAL, "spherical": SPHERICAL}
every_layout = pytest.mark.parametrize("name", LAYOUTS)
problems = given(K=st.integers(1, 4), d=st.integers(1, 4), n=st.integers(2, 12), seed=st.integers(0, 2**32 - 1))


def rows_of(K, d, n, seed):
    """Rows, their responsibilities, weights and log evidence, and two sets of origins."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(n, d))
    responsibilities = rng.dirichlet(np.ones(K), size=n)
    return rows, responsibilities, rng.uniform(0.1, 2, n), *rng.normal(size=(2, K, d))


def statistics(name, rows, responsibilities, weight, origins):
    counts, first, second = reference.statistics(rows, responsibilities, weight, origins)
    kept = reference.in_layout(second, name)
    evidence = float(weight @ rows.sum(axis=1))  # any number that adds up over rows
    return SufficientStatistics(LAYOUTS[name], origins, counts, first, kept, evidence, float(weight.sum()))


def assert_close(got, expected):
    for name in ("origins", "counts", "first", "second", "log_evidence", "weight"):
        ours, theirs = getattr(got, name), getattr(expected, name)
        np.testing.assert_allclose(ours, theirs, rtol=1e-11, atol=1e-11, err_msg=name)


@every_layout
@problems
def test_sums_other_origins_and_heavier_rows(name, K, d, n, seed):
    rows, responsibilities, weight, origins, other = rows_of(K, d, n, seed)
    cut = n // 2
    left = statistics(name, rows[:cut], responsibilities[:cut], weight[:cut], origins)
    right = statistics(name, rows[cut:], responsibilities[cut:], weight[cut:], other)
    whole = statistics(name, rows, responsibilities, weight, origins)
    assert_close(left + right, whole)
    assert_close((right + left).recentred(origins), whole)
    assert_close(whole.recentred(other), statistics(name, rows, responsibilities, weight, other))
    assert_close(whole.scaled(2.5), statistics(name, rows, responsibilities, 2.5 * weight, origins))
    assert_close(whole.recentred(other).recentred(origins), whole)


@every_layout
@problems
def test_means_and_scatter_are_the_textbooks(name, K, d, n, seed):
    rows, responsibilities, weight, origins, _ = rows_of(K, d, n, seed)
    got = statistics(name, rows, responsibilities, weight, origins)
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
    before = statistics(name, rows, responsibilities, weight, origins)
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
    before, step = statistics(name, *rows_of(K, d, n, seed)[:-1]), np.ones(d)
    after = before.split(K - 1, K - 1, step)
    np.testing.assert_allclose(after.counts[-1], before.counts[-1] / 2)
    np.testing.assert_allclose(after.means[-1], before.means[-1] + step)
    np.testing.assert_array_equal(after.first[:-1], before.first[:-1])


def test_arithmetic_leaves_its_operands_alone():
    value, untouched = (statistics("full", *rows_of(2, 2, 6, 0)[:-1]) for _ in range(2))
    other = rows_of(2, 2, 6, 0)[-1]
    _ = value + value.recentred(other), value.scaled(2.0), value.split(0, 1, np.ones(2))
    for name in ("counts", "first", "second", "origins"):
        np.testing.assert_array_equal(getattr(value, name), getattr(untouched, name))


def test_statistics_are_equal_to_themselves_alone():
    one, two = (statistics("full", *rows_of(2, 3, 9, 0)[:4]) for _ in range(2))
    assert one == one
    assert one != two
    assert {one: 1}[one] == 1
    np.testing.assert_array_equal(np.add(one, two).counts, (one + two).counts)

"""Ward's clusters, against scipy's, and what weights and ties mean to them."""

import numpy as np
import pytest
from scipy.cluster.hierarchy import cut_tree, linkage

from inside import Hierarchy


def ward(rows, weight, n_clusters):
    return Hierarchy(rows, weight).clusters(n_clusters)


def same_clusters(got, expected):
    return len(set(zip(got, expected, strict=True))) == len(set(got)) == len(set(expected))


def centred(rows, weight):
    return rows - weight @ rows / weight.sum()


@pytest.mark.parametrize(("n", "d"), [(2, 1), (3, 2), (50, 1), (200, 3), (400, 12)])
def test_without_weights_the_clusters_are_scipys(n, d):
    rows = np.random.default_rng(n).normal(size=(n, d)) @ np.diag(np.arange(1, d + 1))
    rows = centred(rows, np.ones(n))
    hierarchy = linkage(rows, method="ward")
    for n_clusters in {1, 2, 3, min(17, n), n}:
        got = ward(rows, np.ones(n), n_clusters)
        assert len(set(got)) == min(n_clusters, n)
        assert same_clusters(got, cut_tree(hierarchy, min(n_clusters, n)).ravel())


@pytest.mark.parametrize("seed", range(5))
def test_a_weight_is_so_many_equal_rows_and_its_unit_is_nothing(seed):
    rng = np.random.default_rng(seed)
    times = rng.integers(1, 6, 80)
    rows, weight = centred(rng.normal(size=(80, 2)), times), times.astype(float)
    repeated = ward(np.repeat(rows, times, axis=0), np.ones(times.sum()), 6)
    for unit in (1e-150, 1, 1e150):
        np.testing.assert_array_equal(np.repeat(ward(rows, weight * unit, 6), times), repeated)
    assert not same_clusters(ward(rows, np.ones(80), 6), ward(rows, weight, 6))


@pytest.mark.parametrize(
    ("rows", "weight", "n_clusters", "expected"),
    [
        ([0, 0.1, 5, 5.1, 9, 9.1], [1e-250] * 2 + [1e90] * 4, 2, [0, 0, 0, 0, 1, 1]),  # they come to an end
        ([0, 10, 11, 1000], [1e-200] * 3 + [1], 3, [0, 1, 1, 2]),  # those without a product are still apart
        ([5, -5, 5.1, -5.1], [1] * 4, 2, [0, 1, 0, 1]),  # numbers are those of the first rows
        ([-1, 1], [1] * 2, 5, [0, 1]),  # there are no more clusters than rows
        ([0], [1], 5, [0]),
    ],
)
def test_of_few_rows_clusters_are_these(rows, weight, n_clusters, expected):
    rows, weight = np.array(rows, float)[:, None], np.array(weight, float)
    np.testing.assert_array_equal(ward(centred(rows, weight), weight, n_clusters), expected)


def test_ties_go_to_the_first_row_whatever_rounding_says():
    grid = np.stack(np.meshgrid(np.arange(12.0), np.arange(12.0)), axis=2).reshape(-1, 2)
    ones = np.ones(len(grid))
    exact = ward(centred(grid, ones), ones, 7)
    for unit in (0.1, 1 / 3, 1e7 + 0.1):
        np.testing.assert_array_equal(ward(centred(grid * unit, ones), ones, 7), exact)


def test_equal_rows_and_rows_that_nearly_are_come_to_an_end():
    rng = np.random.default_rng(0)
    near = np.concatenate([np.zeros((20, 3)), 1e-9 * rng.normal(size=(20, 3)), rng.normal(size=(3, 3))])
    clusters = ward(centred(near, np.ones(43)), np.ones(43), 4)
    assert len(set(clusters[:40])) == 1
    assert len(set(clusters)) == 4

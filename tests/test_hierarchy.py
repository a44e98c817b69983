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
def test_a_weight_is_so_many_equal_rows(seed):
    rng = np.random.default_rng(seed)
    weight = rng.integers(1, 6, 80)
    rows = centred(rng.normal(size=(80, 2)), weight)
    repeated = ward(np.repeat(rows, weight, axis=0), np.ones(weight.sum()), 6)
    np.testing.assert_array_equal(np.repeat(ward(rows, weight.astype(float), 6), weight), repeated)
    assert not same_clusters(ward(rows, np.ones(80), 6), ward(rows, weight.astype(float), 6))


@pytest.mark.parametrize("scale", [1e-150, 1e150])
def test_the_unit_of_the_weights_is_nothing_to_clusters(scale):
    rng = np.random.default_rng(0)
    weight = rng.uniform(size=60)
    rows = centred(rng.normal(size=(60, 3)), weight)
    np.testing.assert_array_equal(ward(rows, weight * scale, 4), ward(rows, weight, 4))


def test_weights_that_vanish_beside_others_come_to_an_end():
    weight = np.array([1e-250, 1e-250, 1e90, 1e90, 1e90, 1e90])
    rows = centred(np.array([[0.0], [0.1], [5.0], [5.1], [9.0], [9.1]]), weight)
    np.testing.assert_array_equal(ward(rows, weight, 2), [0, 0, 0, 0, 1, 1])


def test_light_rows_whose_weights_have_no_product_are_still_apart():
    rows, weight = np.array([[0.0], [10.0], [11.0], [1000.0]]), np.array([1e-200, 1e-200, 1e-200, 1.0])
    np.testing.assert_array_equal(ward(centred(rows, weight), weight, 3), [0, 1, 1, 2])


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


def test_clusters_are_numbered_by_their_first_rows():
    np.testing.assert_array_equal(ward(np.array([[5.0], [-5.0], [5.1], [-5.1]]), np.ones(4), 2), [0, 1, 0, 1])


def test_there_are_no_more_clusters_than_rows():
    np.testing.assert_array_equal(ward(np.array([[-1.0], [1.0]]), np.ones(2), 5), [0, 1])
    np.testing.assert_array_equal(ward(np.zeros((1, 2)), np.ones(1), 5), [0])

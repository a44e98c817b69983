"""Rows of three groups, and where they come from: blocks of any size, and partitions elsewhere."""

import pickle
from functools import reduce
from operator import add

import numpy as np

from gmm import GaussianMixture, open_rows
from gmm.sources import partitioned_rows

N, D, K = 9000, 3, 3
_RNG = np.random.default_rng(3)
ROWS = _RNG.normal(size=(N, D)) + 4 * _RNG.integers(K, size=(N, 1)) + 50
WEIGHTS = _RNG.uniform(0.2, 3, N)
CUTS = 10, 700, 701, 2500, 2500, 7000  # one block is empty
PARAMETERS = "weights_", "means_", "covariances_"


def fitted(rows, weight=None, n_components=K, **how):
    return GaussianMixture(n_components, **{"random_state": 0} | how).fit(rows, sample_weight=weight)


def assert_same(one, other):
    for name in (*PARAMETERS, "lower_bounds_", "converged_"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


def assert_near(one, other, rtol=1e-10):
    assert one.n_iter_ == other.n_iter_
    for name in (*PARAMETERS, "lower_bound_"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=rtol, atol=rtol, err_msg=name)


def in_blocks(rows, weight=None, cuts=CUTS):
    """Return blocks as a factory gives them."""
    blocks = np.split(rows, cuts)
    return blocks if weight is None else list(zip(blocks, np.split(weight, cuts), strict=True))


def stream(rows=ROWS, weight=None, cuts=CUTS):
    blocks = in_blocks(rows, weight, cuts)
    return open_rows(lambda: blocks)


def engine(rows, weight=None, cuts=CUTS):
    """Return a function that adds up a task over partitions; everything is pickled on its way."""
    partitions = in_blocks(rows, weight, cuts)

    def total(task):
        given = pickle.dumps(task)
        results = [pickle.loads(given)(number, part) for number, part in enumerate(partitions)]
        return reduce(add, pickle.loads(pickle.dumps(results)))

    return total


def partitions(rows=ROWS, weight=None, cuts=CUTS):
    return partitioned_rows(engine(rows, weight, cuts))

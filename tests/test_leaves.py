"""Every function of tile.h and what it includes, in every set that this machine has and both types, against numpy.

The functions are called where they lie in the compiled module. Each case goes through all heights of a register tile.
Whatever lies around what a function may read is NaN, and so is what it must not write to.
"""

import ctypes
from ctypes import c_double, c_ssize_t, c_void_p
from pathlib import Path

import numpy as np
import pytest
from scipy.special import entr, logsumexp

from inside import tiles
from tables import refused

LEVELS = tiles.kernels()[1:]
PAD = 256  # bytes: rows come in groups of so many
PANEL = 128  # bytes of results that few.h computes together
GUARD = 64  # bytes before, behind and between two features: the widest vector
SIZES = (*range(1, 9), 11, 12, 13, 23)
GROUPS = (1, 2, 3)
OFFSET = -1.25


def guarded(values, dtype):
    """A copy of (rows, columns) numbers on 64 bytes, each row between NaNs, and the distance of two rows in items."""
    values = np.atleast_2d(np.asarray(values, dtype))
    item, (m, n) = values.itemsize, values.shape
    ld = (-(-n * item // GUARD) * GUARD + GUARD) // item
    room = np.full((m + 1) * ld + 2 * GUARD // item, np.nan, dtype)
    first = (-room.ctypes.data % GUARD + GUARD) // item
    table = np.lib.stride_tricks.as_strided(room[first:], (m, n), (ld * item, item))
    table[...] = values
    return table, ld, room


class Call:
    """What one call of a function was given; `out` are the tables that it may write to."""

    def __init__(self, dtype):
        self.dtype, self.arguments, self.types, self.rooms, self.written = dtype, [], [], [], []

    def table(self, values, ld=True, dtype=None, out=False):
        table, distance, room = guarded(values, dtype or self.dtype)
        self.add(table.ctypes.data, c_void_p)
        if ld:
            self.add(distance, c_ssize_t)
        self.rooms.append(room)
        if out:
            self.written.append((table, room, np.count_nonzero(np.isnan(room))))
        return table

    def vectors(self, *values, **how):
        for each in values:
            self.table(each, ld=False, **how)

    def tile(self, values, **how):
        """A table, its height and width, and the distance of two rows."""
        table = self.table(values, ld=False, **how)
        self.sizes(*table.shape, table.strides[0] // table.itemsize)
        return table

    def sizes(self, *values):
        for value in values:
            self.add(value)

    def add(self, value, kind=c_ssize_t):
        self.arguments.append(value)
        self.types.append(kind)

    def run(self, address, *sizes):
        self.sizes(*sizes)
        ctypes.CFUNCTYPE(None, *self.types)(address)(*self.arguments)
        for table, room, n_around in self.written:
            assert np.isfinite(table).all()
            assert np.count_nonzero(np.isnan(room)) == n_around, "written beyond the end"


def near(own, twin, size, dtype, terms):
    """Equal to the rounding of so many terms, the sum of whose absolute values is `size`."""
    np.testing.assert_array_less(np.abs(own - twin), 2 * (terms + 3) * np.finfo(dtype).eps * (np.abs(size) + 1e-300))


def numbers(rng, dtype, *shape):
    """Numbers of the type, as float64."""
    return rng.normal(size=shape).astype(dtype).astype(float)


def multiply(call, address, rng, size, n):
    k = 1 + size % 7
    a, b = numbers(rng, call.dtype, size, k), numbers(rng, call.dtype, k, n)
    call.table(a)
    call.table(b)
    c = call.table(np.zeros((size, n)), out=True)
    call.run(address, size, n, k)
    near(c, a @ b, np.abs(a) @ np.abs(b), call.dtype, k)


def add_products(call, address, rng, size, n):
    m, k = 1 + size % 6, size
    a, b, before = numbers(rng, call.dtype, m, n), numbers(rng, call.dtype, k, n), rng.normal(size=(m, k))
    call.table(a)
    call.table(b)
    c = call.table(before, dtype=np.float64, out=True)
    call.run(address, m, k, n)
    near(c, before + a @ b.T, np.abs(a) @ np.abs(b).T + np.abs(before), call.dtype, n)


def terms_of(x):
    """[1, x, products of x] of (d, n) numbers."""
    products = [x[i] * x[j] for i in range(len(x)) for j in range(i + 1)]
    return np.vstack([np.ones(x.shape[1]), x, *products])


def quadratic(call, address, rng, size, n):
    K, x = 1 + size % 7, numbers(rng, call.dtype, size, n)
    terms = terms_of(x)
    a = numbers(rng, call.dtype, K, len(terms))
    call.table(a)
    call.table(x)
    c = call.table(np.zeros((K, n)), out=True, ld=False)
    call.run(address, K, size, n)
    near(c, a @ terms, np.abs(a) @ np.abs(terms), call.dtype, len(terms))


def add_quadratic(call, address, rng, size, n):
    K, x = 1 + size % 4, numbers(rng, call.dtype, size, n)
    terms, mass = terms_of(x), np.abs(numbers(rng, call.dtype, K, n))
    before = rng.normal(size=(K, len(terms)))
    call.table(mass, ld=False)
    call.table(np.vstack([np.ones(n), x]))
    sums = call.table(before, dtype=np.float64, out=True)
    call.run(address, K, size, n)
    near(sums, before + mass @ terms.T, np.abs(before) + mass @ np.abs(terms).T, call.dtype, n)


def triangular(call, address, rng, size, n):
    for centred in (False, True):
        again = Call(call.dtype)
        w, x = np.tril(numbers(rng, call.dtype, size, size)), numbers(rng, call.dtype, size, n)
        c = numbers(rng, call.dtype, size) * centred
        again.table(np.where(np.tril(np.ones((size, size), bool)), w, np.nan).ravel(), ld=False)
        again.table(x)
        if centred:
            again.table(c, ld=False)
        else:
            again.add(None, c_void_p)
        again.add(OFFSET, c_double)
        again.table(np.zeros(size * PAD // call.dtype.itemsize), ld=False)
        out = again.table(np.zeros(n), ld=False, out=True)
        again.run(address, size, n)
        z, far = x - c[:, None], np.abs(x) + np.abs(c[:, None])
        bound = 1.25 + ((np.abs(w) @ far) ** 2).sum(axis=0)
        near(out[0], OFFSET - ((w @ z) ** 2).sum(axis=0) / 2, bound, call.dtype, 3 * size)


def add_scatter(call, address, rng, size, n):
    item = call.dtype.itemsize
    ld = (-(-(size + 1) * item // 64) | 1) * 64 // item  # an odd number of cache lines
    x, c = numbers(rng, call.dtype, n, size), numbers(rng, call.dtype, size)
    mass = np.abs(numbers(rng, call.dtype, n))
    mass[-1] = 0
    moments, before = rng.normal(size=1 + size), rng.normal(size=(size, size))
    call.table(np.pad(x, ((0, 0), (0, ld - size))).ravel(), ld=False)
    call.add(ld)
    call.vectors(c, mass, np.full((PAD // item + size + 3) * ld, 7.0))
    row = call.table(moments, ld=False, dtype=np.float64, out=True)
    second = call.table(before.ravel(), ld=False, dtype=np.float64, out=True)
    call.run(address, size, n)
    z, far = np.column_stack([np.ones(n), x - c]), np.column_stack([np.ones(n), np.abs(x) + np.abs(c)])
    near(row[0], moments + mass @ z, np.abs(moments) + mass @ far, call.dtype, n)
    lower = np.tri(size, dtype=bool)
    sums, bound = (z[:, 1:].T * mass) @ z[:, 1:], (far[:, 1:].T * mass) @ far[:, 1:]
    second = second.reshape(size, size)
    near(second[lower], (before + sums)[lower], (np.abs(before) + bound)[lower], call.dtype, n)
    np.testing.assert_array_equal(second[~lower], before[~lower])


def diagonal(call, address, rng, size, n):
    for stride in (0, 1):
        again = Call(call.dtype)
        w = numbers(rng, call.dtype, size if stride else 1)
        x, c = numbers(rng, call.dtype, size, n), numbers(rng, call.dtype, size)
        again.table(w, ld=False)
        again.add(stride)
        again.table(x)
        again.table(c, ld=False)
        again.add(OFFSET, c_double)
        out = again.table(np.zeros(n), ld=False, out=True)
        again.run(address, size, n)
        y = w[:, None] * (x - c[:, None])
        bound = 1.25 + ((np.abs(w[:, None]) * (np.abs(x) + np.abs(c[:, None]))) ** 2).sum(axis=0)
        near(out[0], OFFSET - (y**2).sum(axis=0) / 2, bound, call.dtype, size)


def add_axis_moments(call, address, rng, size, n):
    for stride in (0, 1):
        again = Call(call.dtype)
        x, c = numbers(rng, call.dtype, size, n), numbers(rng, call.dtype, size)
        mass = np.abs(numbers(rng, call.dtype, n))
        before, squares = rng.normal(size=size), rng.normal(size=size if stride else 1)
        again.table(x)
        again.vectors(c, mass)
        first = again.table(before, ld=False, dtype=np.float64, out=True)
        second = again.table(squares, ld=False, dtype=np.float64, out=True)
        again.run(address, stride, size, n)
        z = x - c[:, None]
        far = np.abs(x) + np.abs(c[:, None])
        sums = (mass * z**2).sum(axis=1)
        bound = (mass * far**2).sum(axis=1)
        near(first[0], before + (mass * z).sum(axis=1), np.abs(before) + (mass * far).sum(axis=1), call.dtype, n)
        sums, bound = (sums, bound) if stride else ([sums.sum()], bound.sum())
        near(second[0], squares + sums, np.abs(squares) + bound, call.dtype, n * size)


def subtract(call, address, rng, size, n):
    x, c = numbers(rng, call.dtype, n), float(numbers(rng, call.dtype, 1)[0])
    call.table(x, ld=False)
    call.add(c, np.ctypeslib.as_ctypes_type(call.dtype))
    out = call.table(np.zeros(n), ld=False, out=True)
    call.run(address, n)
    np.testing.assert_array_equal(out[0], (x - c).astype(call.dtype))


def times(call, address, rng, size, n):
    x, y = numbers(rng, call.dtype, n), numbers(rng, call.dtype, n)
    call.vectors(x, y)
    out = call.table(np.zeros(n), ld=False, out=True)
    call.run(address, n)
    np.testing.assert_array_equal(out[0], (x * y).astype(call.dtype))


def choose(call, address, rng, size, n):
    tile = np.round(2 * numbers(rng, call.dtype, size, n))  # some are equal
    call.tile(tile)
    peak = call.table(np.zeros(n), ld=False, out=True)
    best = call.table(np.zeros(n), ld=False, out=True)
    call.run(address)
    np.testing.assert_array_equal(peak[0], tile.max(axis=0))
    np.testing.assert_array_equal(best[0], tile.argmax(axis=0))


def normalise(call, address, rng, size, n):
    tile = (20 * rng.normal(size=(size, n))).astype(call.dtype)
    mass = np.abs(rng.normal(size=n)).astype(call.dtype)
    own = call.tile(tile, out=True)
    call.table(mass, ld=False)
    evidence = call.table(np.zeros(n), ld=False, out=True)
    call.run(address)
    exact = tile.astype(float)
    peak = exact.max(axis=0)
    joint = np.exp(exact - peak)
    expected = mass * joint / joint.sum(axis=0)
    eps = np.finfo(call.dtype).eps
    # The difference from the peak is rounded before its exponential.
    np.testing.assert_allclose(own, expected, rtol=(60 if call.dtype == np.float32 else 200) * eps, atol=1e-36)
    np.testing.assert_allclose(evidence[0], peak + np.log(joint.sum(axis=0)), rtol=4 * eps, atol=4 * eps)


def entropies(call, address, rng, size, n):
    """Some densities but the last are 0, or too far from the largest for their difference."""
    tile = numbers(rng, call.dtype, size, n) * 10.0 ** rng.integers(-1, 3, n)
    tile[:-1][rng.uniform(size=(size - 1, n)) < 0.2] = -np.inf
    tile[:-1][rng.uniform(size=(size - 1, n)) < 0.1] = -1e37 if call.dtype == np.float32 else -1e300
    call.tile(tile)
    evidence, excess, entropy = (call.table(np.zeros(n), ld=False, out=True) for _ in range(3))
    call.run(address)
    exact = tile.astype(call.dtype).astype(float)
    expected = logsumexp(exact, axis=0)
    share, tolerance = np.exp(exact - expected), 4 * np.finfo(call.dtype).eps
    np.testing.assert_allclose(evidence[0], expected, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(excess[0], expected - exact.max(axis=0), rtol=tolerance, atol=200 * tolerance)
    np.testing.assert_allclose(entropy[0], entr(share).sum(axis=0), rtol=200 * tolerance, atol=200 * tolerance)


def heavy_tails(call, address, rng, size, n):
    nu, d, offset = rng.uniform(1, 200, size), 1 + size % 5, rng.normal(size=size)
    square = rng.chisquare(d, (size, n)) * 10.0 ** rng.uniform(-3, 3, (size, n))
    tile = (offset[:, None] - square / 2).astype(call.dtype)
    own = call.tile(tile, out=True)
    call.vectors(offset, nu, dtype=np.float64)
    call.add(float(d), c_double)
    precision = call.table(np.zeros((2 * size, n)), ld=False, out=True)
    call.run(address)
    offset = offset.astype(call.dtype).astype(float)[:, None]
    square = np.maximum(2 * (offset - tile.astype(float)), 0)
    nu, tolerance = nu[:, None], 40 * np.finfo(call.dtype).eps
    u = (nu + d) / (nu + square)
    log_density = -(nu + d) / 2 * np.log1p(square / nu)
    np.testing.assert_allclose(precision[:size], u, rtol=100 * tolerance)
    np.testing.assert_allclose(precision[size:], np.log(u) - u, rtol=100 * tolerance, atol=20 * tolerance)
    np.testing.assert_allclose(own, offset + log_density, rtol=10 * tolerance, atol=100 * tolerance)


def weigh_by_precision(call, address, rng, size, n):
    share, u = rng.uniform(size=(size, n)).astype(call.dtype), rng.uniform(0.1, 2, (size, n)).astype(call.dtype)
    before = rng.normal(size=2 * size)
    own = call.tile(share, out=True)
    excess = np.log(u) - u
    call.table(np.vstack([u, excess]), ld=False)
    sums = call.table(before, ld=False, dtype=np.float64, out=True)
    call.run(address)
    np.testing.assert_array_equal(own, share * u)
    mass = share.astype(float)
    added = np.append(mass.sum(axis=1), (mass * excess).sum(axis=1))
    np.testing.assert_allclose(sums[0], before + added, rtol=0, atol=8 * n * size * np.finfo(call.dtype).eps)


def share_by_powers(call, address, rng, size, n):
    nu, d, offset = 1.0 + size, 1 + size % 5, rng.normal(size=size) * 10 ** rng.uniform(-1, 2)
    square = rng.chisquare(d, (size, n)) * 10.0 ** rng.uniform(-3, 3, (size, n))
    square[:, : n // 8] = rng.uniform(0.1, 1) * (1e36 if call.dtype == np.float32 else 1e299)
    tile = (offset[:, None] - square / 2).astype(call.dtype)
    mass, before = np.abs(rng.normal(size=n)).astype(call.dtype), rng.normal(size=size)
    own = call.tile(tile, out=True)
    call.table(offset, ld=False, dtype=np.float64)
    call.add(nu, c_double)
    call.add(int(nu) + d)
    call.table(mass, ld=False)
    evidence = call.table(np.zeros(n), ld=False, out=True)
    call.table(np.zeros((2 * size, n)), ld=False, out=True)
    sums = call.table(before, ld=False, dtype=np.float64, out=True)
    call.run(address)
    u = (nu + d) / (nu + np.maximum(2 * (offset.astype(call.dtype).astype(float)[:, None] - tile.astype(float)), 0))
    joint = offset[:, None] - (nu + d) / 2 * np.log((nu + d) / nu / u)
    share = mass * np.exp(joint - logsumexp(joint, axis=0))
    tolerance = 40 * (nu + d) * np.finfo(call.dtype).eps
    least = 1e-30 if call.dtype == np.float32 else 1e-290
    np.testing.assert_allclose(own, share * u, rtol=tolerance, atol=least)
    np.testing.assert_allclose(evidence[0], logsumexp(joint, axis=0), rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(sums[0], before + share.sum(axis=1), rtol=0, atol=n * tolerance)


def low_rank(call, address, rng, size, n):
    K, q, d = 1 + size % 3, size, 1 + size % 7
    w, maps, shifts = numbers(rng, call.dtype, K, d), numbers(rng, call.dtype, K, q, d), numbers(rng, call.dtype, K, q)
    c, x, offset = numbers(rng, call.dtype, K, d), numbers(rng, call.dtype, d, n), rng.normal(size=K)
    call.vectors(np.concatenate([w.ravel(), maps.ravel(), shifts.ravel()]), c.ravel())
    call.table(offset, ld=False, dtype=np.float64)
    call.table(x)
    call.table(np.zeros(d * n), ld=False)
    y = call.table(np.zeros((K * q, n)), ld=False, out=True)
    out = call.table(np.zeros((K, n)), ld=False, out=True)
    call.run(address, K, q, d, n)
    factors, far = maps @ x - shifts[..., None], np.abs(maps) @ np.abs(x) + np.abs(shifts[..., None])
    near(y, factors.reshape(K * q, n), far.reshape(K * q, n), call.dtype, d + 1)
    noise, width = w[..., None] * (x - c[..., None]), np.abs(w[..., None]) * (np.abs(x) + np.abs(c[..., None]))
    bound = np.abs(offset)[:, None] + (width**2).sum(axis=1) + (far**2).sum(axis=1)
    near(out, offset[:, None] + ((factors**2).sum(axis=1) - (noise**2).sum(axis=1)) / 2, bound, call.dtype, 2 * d + q)


def few_rows(size, n):
    """Fewer rows than a group, in some number that depends on both."""
    return 1 + (size + n) % 7


def in_panels(matrix, dtype, terms=None):
    """(results, terms) as few.h reads it: by panels of results, term by term; NaN where it must not read."""
    width = PANEL // dtype.itemsize
    panels = []
    for first in range(0, len(matrix), width):
        rows = matrix[first : first + width]
        columns = rows[:, : terms(first + len(rows))] if terms else rows
        panels.append(np.pad(columns.T, ((0, 0), (0, width - len(rows)))))
    return np.concatenate([panel.ravel() for panel in panels])


def few_multiply(call, address, rng, size, n):
    k, n = 1 + size % 7, few_rows(size, n)
    a, b = numbers(rng, call.dtype, 3 * size, k), numbers(rng, call.dtype, n, k)
    call.table(in_panels(a, call.dtype), ld=False)
    call.table(b)
    c = call.table(np.zeros((3 * size, n)), out=True)
    call.run(address, 3 * size, n, k)
    near(c, a @ b.T, np.abs(a) @ np.abs(b).T, call.dtype, k)


def few_quadratic(call, address, rng, size, n):
    K, d, n = 3 * size, 1 + size % 7, few_rows(size, n)
    x = numbers(rng, call.dtype, n, d)
    terms = terms_of(x.T)
    a = numbers(rng, call.dtype, K, len(terms))
    call.table(in_panels(a, call.dtype), ld=False)
    call.table(x)
    c = call.table(np.zeros((K, n)), out=True)
    call.run(address, K, n, d)
    near(c, a @ terms, np.abs(a) @ np.abs(terms), call.dtype, len(terms))


def few_triangular(call, address, rng, size, n):
    d, n = 3 * size, few_rows(size, n)
    w, z = np.tril(numbers(rng, call.dtype, d, d)), numbers(rng, call.dtype, n, d)
    call.table(in_panels(w, call.dtype, terms=lambda end: end), ld=False)
    call.table(z)
    call.add(OFFSET, c_double)
    out = call.table(np.zeros(n), ld=False, out=True)
    call.run(address, d, n)
    bound = 1.25 + ((np.abs(z) @ np.abs(w).T) ** 2).sum(axis=1)
    near(out[0], OFFSET - ((z @ w.T) ** 2).sum(axis=1) / 2, bound, call.dtype, 3 * d)


def few_diagonal(call, address, rng, size, n):
    K, d, n = 3 * size, 1 + size % 5, few_rows(size, n)
    w, c = numbers(rng, call.dtype, K, d), numbers(rng, call.dtype, K, d)
    x, offset = numbers(rng, call.dtype, n, d), rng.normal(size=K)
    pairs = np.stack([c, w], axis=2)  # of each feature the centres of a panel, and the diagonals
    width = PANEL // call.dtype.itemsize
    parts = [pairs[first : first + width] for first in range(0, K, width)]
    panels = [np.pad(part, ((0, width - len(part)), (0, 0), (0, 0))).transpose(1, 2, 0).ravel() for part in parts]
    call.table(np.concatenate(panels), ld=False)
    call.table(x)
    call.table(offset, ld=False, dtype=np.float64)
    tile = call.table(np.zeros((K, n)), out=True)
    call.run(address, K, n, d)
    y = w[:, None] * (x - c[:, None])
    bound = 2 * np.abs(offset)[:, None] + ((np.abs(w[:, None]) * (np.abs(x) + np.abs(c[:, None]))) ** 2).sum(axis=2)
    near(tile, offset[:, None] - (y**2).sum(axis=2) / 2, bound, call.dtype, d)


# In the order of `tile_leaves_double`.
LEAVES = (
    *(multiply, add_products, quadratic, add_quadratic, triangular, add_scatter, diagonal, add_axis_moments),
    *(subtract, times, choose, normalise, entropies, heavy_tails, weigh_by_precision, share_by_powers, low_rank),
    *(few_multiply, few_quadratic, few_triangular, few_diagonal),
)


def test_each_function_has_a_case():
    sets = [tiles.leaf_addresses(level, single) for level in LEVELS for single in (False, True)]
    assert {len(addresses) for addresses in sets} <= {len(LEAVES)}
    assert len({address for addresses in sets for address in addresses}) == len(sets) * len(LEAVES)
    for name in ("blas", "sse5"):
        refused("not in list", tiles.leaf_addresses, name, False)


@pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=["double", "float"])
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("case", LEAVES, ids=lambda case: case.__name__)
def test_each_function_gives_what_numpy_gives(case, level, dtype):
    address = tiles.leaf_addresses(level, dtype == np.float32)[LEAVES.index(case)]
    for size in SIZES:
        for groups in GROUPS:
            rng = np.random.default_rng([size, groups])
            case(Call(np.dtype(dtype)), address, rng, size, groups * PAD // np.dtype(dtype).itemsize)


def test_they_are_compiled_in_one_module_from_which_all_others_have_them():
    source = Path(__file__).parents[1] / "src" / "gmm"
    files = [*source.rglob("*.pyx"), *source.rglob("*.pxd")]
    assert [path.name for path in files if 'extern from "tile.h"' in path.read_text(encoding="utf-8")] == ["tiles.pyx"]

"""Every function of tile.h and what it includes, in every set that this machine has and both types, against numpy.

The functions are called where they lie in the compiled module. Each case goes through all heights of a register tile.
Whatever lies around what a function may read is NaN, and so is what it must not write to.
"""

import ctypes
from ctypes import c_double, c_ssize_t, c_void_p
from itertools import product

import numpy as np
import pytest
from scipy.special import entr, logsumexp

from inside import tiles

LEVELS = tiles.kernels()[1:]
PAD = 256  # bytes: rows come in groups of so many
PANEL = 128  # bytes of results that few_rows.h computes together
GUARD = 64  # bytes before, behind and between two features: the widest vector
OFFSET = -1.25


def guarded(values, dtype):
    """A copy of (rows, columns) numbers on 64 bytes, each row between NaNs, and all that it lies in."""
    values = np.atleast_2d(np.asarray(values, dtype))
    item, (m, n) = values.itemsize, values.shape
    ld = (-(-n * item // GUARD) * GUARD + GUARD) // item
    room = np.full((m + 1) * ld + 2 * GUARD // item, np.nan, dtype)
    first = (-room.ctypes.data % GUARD + GUARD) // item
    table = np.lib.stride_tricks.as_strided(room[first:], (m, n), (ld * item, item))
    table[...] = values
    return table, room


class Call:
    """One call of a function: what it is given, in its order; functions of two kinds of argument have the `other`."""

    def __init__(self, address, dtype, rng, other):
        self.address, self.dtype, self.rng, self.other = address, np.dtype(dtype), rng, other
        self.eps, self.item, self.single = np.finfo(dtype).eps, self.dtype.itemsize, dtype == np.float32
        self.arguments, self.types, self.rooms, self.written = [], [], [], []

    def numbers(self, *shape):
        """Numbers of the type, as float64."""
        return self.rng.normal(size=shape).astype(self.dtype).astype(float)

    def add(self, *values, kind=c_ssize_t):
        self.arguments += values
        self.types += [kind] * len(values)

    def give(self, *tables, strided=False, dtype=None):
        """Give tables, each followed by the distance of two rows if it is `strided`; return the last."""
        for each in tables:
            table, room = guarded(each, dtype or self.dtype)
            self.add(table.ctypes.data, kind=c_void_p)
            self.add(*[table.strides[0] // table.itemsize] * strided)
            self.rooms.append(room)
        return table

    def out(self, before, **how):
        """Give what the function may write to."""
        table = self.give(before, **how)
        self.written.append((table, self.rooms[-1], np.count_nonzero(np.isnan(self.rooms[-1]))))
        return table if np.ndim(before) == 2 else table[0]

    def tile(self, values, give):
        """Give a tile, its height and width, and the distance of two rows."""
        table = give(values)
        self.add(*table.shape, table.strides[0] // table.itemsize)
        return table

    def run(self, *sizes):
        self.add(*sizes)
        ctypes.CFUNCTYPE(None, *self.types)(self.address)(*self.arguments)
        for table, room, n_around in self.written:
            assert np.isfinite(table).all()
            assert np.count_nonzero(np.isnan(room)) == n_around, "written beyond the end"

    def near(self, own, terms, formula, *numbers):
        """Check what is equal to a formula but for the rounding of so many terms.

        Its first argument is the sign of what is subtracted: with none, it sums up the absolute values of the terms.
        """
        size = formula(1, *map(np.abs, numbers)) + 1e-300
        np.testing.assert_array_less(np.abs(own - formula(-1, *numbers)), 2 * (terms + 3) * self.eps * size)


def multiply(call, size, n):
    k = 1 + size % 7
    a, b = call.numbers(size, k), call.numbers(k, n)
    call.give(a, b, strided=True)
    c = call.out(np.zeros((size, n)), strided=True)
    call.run(size, n, k)
    call.near(c, k, lambda _, a, b: a @ b, a, b)


def add_products(call, size, n):
    m = 1 + size % 6
    a, b, before = call.numbers(m, n), call.numbers(size, n), call.rng.normal(size=(m, size))
    call.give(a, b, strided=True)
    c = call.out(before, dtype=float, strided=True)
    call.run(m, size, n)
    call.near(c, n, lambda _, a, b, before: before + a @ b.T, a, b, before)


def terms_of(x):
    """[1, x, products of x] of (d, n) numbers."""
    products = [x[i] * x[j] for i in range(len(x)) for j in range(i + 1)]
    return np.vstack([np.ones(x.shape[1]), x, *products])


def quadratic(call, size, n):
    x, n_terms = call.numbers(size, n), (size + 1) * (size + 2) // 2
    a = call.numbers(1 + size % 7, n_terms)
    call.give(a, x, strided=True)
    c = call.out(np.zeros((len(a), n)))
    call.run(len(a), size, n)
    call.near(c, n_terms, lambda _, a, x: a @ terms_of(x), a, x)


def add_quadratic(call, size, n):
    K, x = 1 + size % 4, call.numbers(size, n)
    mass, before = np.abs(call.numbers(K, n)), call.rng.normal(size=(K, (size + 1) * (size + 2) // 2))
    call.give(mass)
    call.give(np.vstack([np.ones(n), x]), strided=True)
    sums = call.out(before, dtype=float, strided=True)
    call.run(K, size, n)
    call.near(sums, n, lambda _, mass, x, before: before + mass @ terms_of(x).T, mass, x, before)


def log_density(minus, offset, w, x, c):
    """offset − ½‖W (x − c)‖² of (d, n) numbers."""
    return offset + minus * ((w @ (x + minus * c)) ** 2).sum(axis=0) / 2


def triangular(call, size, n):
    w, x = np.tril(call.numbers(size, size)), call.numbers(size, n)
    c = call.numbers(size, 1) * (not call.other)
    call.give(np.where(np.tri(size, dtype=bool), w, np.nan).ravel())
    call.give(x, strided=True)
    if call.other:
        call.add(None, kind=c_void_p)
    else:
        call.give(c.ravel())
    call.add(OFFSET, kind=c_double)
    call.give(np.zeros(size * PAD // call.item))
    out = call.out(np.zeros(n))
    call.run(size, n)
    call.near(out, 3 * size, log_density, OFFSET, w, x, c)


def add_scatter(call, size, n):
    ld = (-(-(size + 1) * call.item // 64) | 1) * 64 // call.item  # an odd number of cache lines
    x, c, mass = call.numbers(n, size), call.numbers(size), np.abs(call.numbers(n))
    mass[-1] = 0
    moments, before = call.rng.normal(size=1 + size), call.rng.normal(size=(size, size))
    call.give(np.pad(x, ((0, 0), (0, ld - size))).ravel())
    call.add(ld)
    call.give(c, mass, np.full((PAD // call.item + size + 3) * ld, 7.0))
    row, second = call.out(moments, dtype=float), call.out(before.ravel(), dtype=float).reshape(size, size)
    call.run(size, n)
    call.near(row[0], n, lambda _, mass, before: before + mass.sum(), mass, moments[0])
    call.near(row[1:], n, lambda minus, x, c, before: before + mass @ (x + minus * c), x, c, moments[1:])
    lower = np.tri(size, dtype=bool)

    def sums(minus, x, c, before):
        return (before + ((x + minus * c).T * mass) @ (x + minus * c))[lower]

    call.near(second[lower], n, sums, x, c, before)
    np.testing.assert_array_equal(second[~lower], before[~lower])


def diagonal(call, size, n):
    w, x, c = call.numbers(1 if call.other else size), call.numbers(size, n), call.numbers(size)
    call.give(w)
    call.add(not call.other)
    call.give(x, strided=True)
    call.give(c)
    call.add(OFFSET, kind=c_double)
    out = call.out(np.zeros(n))
    call.run(size, n)
    call.near(out, size, log_density, OFFSET, w * np.eye(size), x, c[:, None])


def add_axis_moments(call, size, n):
    x, c, mass = call.numbers(size, n), call.numbers(size), np.abs(call.numbers(n))
    before, squares = call.rng.normal(size=size), call.rng.normal(size=1 if call.other else size)
    call.give(x, strided=True)
    call.give(c, mass)
    first, second = call.out(before, dtype=float), call.out(squares, dtype=float)
    call.run(not call.other, size, n)
    parts = np.ones((1, size)) if call.other else np.eye(size)  # of one sum, or each its own
    call.near(first, n, lambda minus, x, c, before: before + (x + minus * c) @ mass, x, c[:, None], before)
    sums = lambda minus, x, c, before: before + parts @ ((x + minus * c) ** 2 @ mass)  # noqa: E731
    call.near(second, n * size, sums, x, c[:, None], squares)


def subtract(call, size, n):
    x, c = call.numbers(n), float(call.numbers(1)[0])
    call.give(x)
    call.add(c, kind=np.ctypeslib.as_ctypes_type(call.dtype))
    out = call.out(np.zeros(n))
    call.run(n)
    np.testing.assert_array_equal(out, (x - c).astype(call.dtype))


def times(call, size, n):
    x, y = call.numbers(n), call.numbers(n)
    call.give(x, y)
    out = call.out(np.zeros(n))
    call.run(n)
    np.testing.assert_array_equal(out, (x * y).astype(call.dtype))


def choose(call, size, n):
    tile = np.round(2 * call.numbers(size, n))  # some are equal
    call.tile(tile, call.give)
    peak, best = call.out(np.zeros(n)), call.out(np.zeros(n))
    call.run()
    np.testing.assert_array_equal(peak, tile.max(axis=0))
    np.testing.assert_array_equal(best, tile.argmax(axis=0))


def normalise(call, size, n):
    tile, mass = 20 * call.rng.normal(size=(size, n)), np.abs(call.numbers(n))
    own = call.tile(tile, call.out)
    exact = own.astype(float)
    call.give(mass)
    evidence = call.out(np.zeros(n))
    call.run()
    expected = logsumexp(exact, axis=0)
    # The difference from the peak is rounded before its exponential.
    rtol = (60 if call.single else 200) * call.eps
    np.testing.assert_allclose(own, mass * np.exp(exact - expected), rtol=rtol, atol=1e-36)
    np.testing.assert_allclose(evidence, expected, rtol=4 * call.eps, atol=4 * call.eps)


def entropies(call, size, n):
    """Some densities but the last are 0, or too far from the largest for their difference."""
    tile = call.numbers(size, n) * 10.0 ** call.rng.integers(-1, 3, n)
    tile[:-1][call.rng.uniform(size=(size - 1, n)) < 0.2] = -np.inf
    tile[:-1][call.rng.uniform(size=(size - 1, n)) < 0.1] = -1e37 if call.single else -1e300
    exact = call.tile(tile, call.give).astype(float)
    evidence, excess, entropy = (call.out(np.zeros(n)) for _ in range(3))
    call.run()
    expected, near = logsumexp(exact, axis=0), 4 * call.eps
    np.testing.assert_allclose(evidence, expected, rtol=near, atol=near)
    np.testing.assert_allclose(excess, expected - exact.max(axis=0), rtol=near, atol=200 * near)
    shares = entr(np.exp(exact - expected)).sum(axis=0)
    np.testing.assert_allclose(entropy, shares, rtol=200 * near, atol=200 * near)


def heavy_tails(call, size, n):
    nu, d, offset = call.rng.uniform(1, 200, size), 1 + size % 5, call.rng.normal(size=size)
    square = call.rng.chisquare(d, (size, n)) * 10.0 ** call.rng.uniform(-3, 3, (size, n))
    own = call.tile(offset[:, None] - square / 2, call.out)
    tile = own.astype(float)
    call.give(offset, nu, dtype=float)
    call.add(float(d), kind=c_double)
    precision = call.out(np.zeros((2 * size, n)))
    call.run()
    offset = offset.astype(call.dtype).astype(float)[:, None]
    square, nu, near = np.maximum(2 * (offset - tile), 0), nu[:, None], 40 * call.eps
    u = (nu + d) / (nu + square)
    np.testing.assert_allclose(precision[:size], u, rtol=100 * near)
    np.testing.assert_allclose(precision[size:], np.log(u) - u, rtol=100 * near, atol=20 * near)
    expected = offset - (nu + d) / 2 * np.log1p(square / nu)
    np.testing.assert_allclose(own, expected, rtol=10 * near, atol=100 * near)


def weigh_by_precision(call, size, n):
    share, u = (call.rng.uniform(low, high, (size, n)).astype(call.dtype) for low, high in ((0, 1), (0.1, 2)))
    excess, before = np.log(u) - u, call.rng.normal(size=2 * size)
    own = call.tile(share, call.out)
    call.give(np.vstack([u, excess]))
    sums = call.out(before, dtype=float)
    call.run()
    np.testing.assert_array_equal(own, share * u)
    mass = share.astype(float)
    expected = before + np.append(mass.sum(axis=1), (mass * excess).sum(axis=1))
    np.testing.assert_allclose(sums, expected, rtol=0, atol=8 * n * size * call.eps)


def share_by_powers(call, size, n):
    nu, d, offset = 1.0 + size, 1 + size % 5, call.rng.normal(size=size) * 10 ** call.rng.uniform(-1, 2)
    square = call.rng.chisquare(d, (size, n)) * 10.0 ** call.rng.uniform(-3, 3, (size, n))
    square[:, : n // 8] = call.rng.uniform(0.1, 1) * (1e36 if call.single else 1e299)
    mass, before = np.abs(call.numbers(n)), call.rng.normal(size=size)
    own = call.tile(offset[:, None] - square / 2, call.out)
    tile = own.astype(float)
    call.give(offset, dtype=float)
    call.add(nu, kind=c_double)
    call.add(int(nu) + d)
    call.give(mass)
    evidence = call.out(np.zeros(n))
    call.out(np.zeros((2 * size, n)))
    sums = call.out(before, dtype=float)
    call.run()
    u = (nu + d) / (nu + np.maximum(2 * (offset.astype(call.dtype).astype(float)[:, None] - tile), 0))
    joint = offset[:, None] - (nu + d) / 2 * np.log((nu + d) / nu / u)
    share = mass * np.exp(joint - logsumexp(joint, axis=0))
    near = 40 * (nu + d) * call.eps
    np.testing.assert_allclose(own, share * u, rtol=near, atol=1e-30 if call.single else 1e-290)
    np.testing.assert_allclose(evidence, logsumexp(joint, axis=0), rtol=near, atol=near)
    np.testing.assert_allclose(sums, before + share.sum(axis=1), rtol=0, atol=n * near)


def low_rank(call, size, n):
    K, q, d = 1 + size % 3, size, 1 + size % 7
    w, c, maps, shifts = (call.numbers(*shape) for shape in ((K, d, 1), (K, d, 1), (K, q, d), (K, q, 1)))
    x, offset = call.numbers(d, n), call.rng.normal(size=(K, 1))
    call.give(np.concatenate([w.ravel(), maps.ravel(), shifts.ravel()]), c.ravel())
    call.give(offset.ravel(), dtype=float)
    call.give(x, strided=True)
    call.give(np.zeros(d * n))
    y, out = call.out(np.zeros((K * q, n))), call.out(np.zeros((K, n)))
    call.run(K, q, d, n)

    def factors(minus, maps, shifts, x):
        return (maps @ x + minus * shifts).reshape(K * q, n)

    def density(minus, offset, w, c, maps, shifts, x):
        squares = (maps @ x + minus * shifts) ** 2
        return offset + (squares.sum(axis=1) + minus * ((w * (x + minus * c)) ** 2).sum(axis=1)) / 2

    call.near(y, d + 1, factors, maps, shifts, x)
    call.near(out, 2 * d + q, density, offset, w, c, maps, shifts, x)


def few_rows(size, n):
    """Fewer rows than a group, in some number that depends on both."""
    return 1 + (size + n) % 7


def in_panels(call, matrix, terms=None):
    """(results, terms, …) as few_rows.h reads it: by panels of results, term by term; NaN where it must not read."""
    width = PANEL // call.item
    panels = []
    for first in range(0, len(matrix), width):
        rows = matrix[first : first + width]
        rows = rows[:, : terms(first + len(rows))] if terms else rows
        panels.append(np.pad(np.moveaxis(rows, 0, -1), [(0, 0)] * (rows.ndim - 1) + [(0, width - len(rows))]))
    return np.concatenate([panel.ravel() for panel in panels])


def few_multiply(call, size, n):
    k, n = 1 + size % 7, few_rows(size, n)
    a, b = call.numbers(3 * size, k), call.numbers(n, k)
    call.give(in_panels(call, a))
    call.give(b, strided=True)
    c = call.out(np.zeros((3 * size, n)), strided=True)
    call.run(3 * size, n, k)
    call.near(c, k, lambda _, a, b: a @ b.T, a, b)


def few_quadratic(call, size, n):
    K, d, n = 3 * size, 1 + size % 7, few_rows(size, n)
    x, a = call.numbers(n, d), call.numbers(K, (d + 1) * (d + 2) // 2)
    call.give(in_panels(call, a))
    call.give(x, strided=True)
    c = call.out(np.zeros((K, n)), strided=True)
    call.run(K, n, d)
    call.near(c, a.shape[1], lambda _, a, x: a @ terms_of(x.T), a, x)


def few_triangular(call, size, n):
    d, n = 3 * size, few_rows(size, n)
    w, z = np.tril(call.numbers(d, d)), call.numbers(n, d)
    call.give(in_panels(call, w, terms=lambda end: end))
    call.give(z, strided=True)
    call.add(OFFSET, kind=c_double)
    out = call.out(np.zeros(n))
    call.run(d, n)
    call.near(out, 3 * d, log_density, OFFSET, w, z.T, 0.0)


def few_diagonal(call, size, n):
    K, d, n = 3 * size, 1 + size % 5, few_rows(size, n)
    w, c, x, offset = call.numbers(K, d), call.numbers(K, d), call.numbers(n, d), call.rng.normal(size=K)
    call.give(in_panels(call, np.stack([c, w], axis=2)))  # of each feature the centres, and the diagonals
    call.give(x, strided=True)
    call.give(offset, dtype=float)
    tile = call.out(np.zeros((K, n)), strided=True)
    call.run(K, n, d)
    for k in range(K):
        call.near(tile[k], d, log_density, offset[k], np.diag(w[k]), x.T, c[k][:, None])


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


@pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=["double", "float"])
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("case", LEAVES, ids=lambda case: case.__name__)
def test_each_function_gives_what_numpy_gives(case, level, dtype):
    address = tiles.leaf_addresses(level, dtype == np.float32)[LEAVES.index(case)]
    for size, groups, other in product((*range(1, 9), 11, 12, 13, 23), (1, 2, 3), (False, True)):
        rng = np.random.default_rng([size, groups, other])
        case(Call(address, dtype, rng, other), size, groups * PAD // np.dtype(dtype).itemsize)

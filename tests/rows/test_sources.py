"""A source that serves rows in pieces gives the bits of one array, and so does a place that is told by `out=`."""

import re

import numpy as np
import pytest

import inside
from gmm import BayesianGaussianMixture, GaussianMixture, sources
from inside import STARTS, ArraySource, Chunk, Source
from origins import ROWS, WEIGHTS, D, K, N, assert_same, fitted
from tables import cases, refused

METHODS = ("predict", "predict_proba", "score_samples")


class Pieces(Source):
    """Rows that are served in chunks of one to three lanes."""

    def __init__(self, rows, sample_weight=None, arranged=list):
        self.rows, self.sample_weight, self.arranged = rows, sample_weight, arranged
        (self.n_rows, self.n_features), self.dtype = rows.shape, rows.dtype

    def chunks(self, lane_rows=1):
        """Serve passes rearranged chunks."""
        chunks, start, lanes = [], 0, 0
        while start < self.n_rows:
            lanes = lanes % 3 + 1
            part = slice(start, start + lanes * (700 if lane_rows == 1 else max(lane_rows, 100)))
            weight = None if self.sample_weight is None else self.sample_weight[part]
            chunks.append(Chunk(start, np.array(self.rows[part], order="F" if lanes == 2 else "C"), weight))
            start = part.stop
        return iter(chunks if lane_rows == 1 else self.arranged(chunks))

    def take(self, indices):
        return self.rows[indices]


class Listed(Source):
    """The least that a source needs: its size, its type and chunks, here of two lanes."""

    def __init__(self, rows, n_rows=N):
        self.rows, self.n_rows, self.n_features, self.dtype = rows, n_rows, rows.shape[1], rows.dtype

    def chunks(self, lane_rows=1):
        step = 2 * lane_rows
        return (Chunk(start, self.rows[start : start + step], None) for start in range(0, len(self.rows), step))


class Days(sources.BlockSource):
    """The least that a source in blocks needs: its width, its type and blocks."""

    n_features, dtype, n_days = D, ROWS.dtype, 9

    def blocks(self, *, weighted):
        return (sources.Block(rows) for rows in np.split(ROWS, 9)[: self.n_days])


@pytest.mark.parametrize("source", [Listed(ROWS), Days()], ids=["chunks", "blocks"])
def test_a_source_needs_no_more_than_the_least(source):
    assert_same(fitted(source), fitted(ROWS))
    indices = np.array([0, 5, 5, N - 1])
    np.testing.assert_array_equal(source.take(indices), ROWS[indices])
    assert source.take(np.array([], dtype=int)).shape == (0, D)
    for error, wrong in ((IndexError, ([-1], [0, N])), (TypeError, ([1, 0], [0.0], [True]))):
        for bad in wrong:
            refused("row numbers", source.take, np.array(bad), error=error)


def test_a_source_that_lacks_rows_is_an_error():
    source, last = Days(), np.array([N - 1])
    refused("expected chunks of all 9000 rows of the source, got the first 8999", Listed(ROWS[1:]).take, last)
    assert (source.n_rows, repr(source)) == (N, "<rows of the blocks: 3 features, float64>")
    source.n_days = 8
    refused("the blocks changed between two readings: 9000 rows the first time, 8000 now", source.take, last)


@pytest.mark.parametrize("gaps", [False, True])
@pytest.mark.parametrize("unit", [1e-9, 1.0, 1e9])
def test_what_is_predicted_of_float32_rows_does_not_depend_on_their_weights(gaps, unit):
    rows, weights = ROWS.astype(np.float32), WEIGHTS * unit
    if gaps:
        rows[::3, 0] = np.nan
        weights[::3] = 0.0  # of a whole pattern
    mixture = fitted(rows, missing="em")
    for name in METHODS:
        np.testing.assert_array_equal(*(getattr(mixture, name)(X) for X in (Pieces(rows, weights), rows)), err_msg=name)


@pytest.mark.parametrize("start", STARTS)
def test_every_start_takes_rows_in_pieces_and_a_warm_one_knows_them_again(start):
    how = {"init_params": start, "n_init": 2, "refine": "split-merge", "random_state": 3, "warm_start": True}
    one, other = (fitted(rows, tol=0.05, **how) for rows in (Pieces(ROWS), ROWS))
    assert_same(one, other)
    assert_same(one.set_params(tol=1e-6).fit(ROWS), other.set_params(tol=1e-6).fit(Pieces(ROWS)))
    assert inside.fingerprint(Pieces(ROWS)) == inside.fingerprint(ArraySource(ROWS))


def test_what_is_wrong_with_a_piece_is_said():
    rows = ROWS.copy()
    rows[8000, 1] = np.nan
    refused("row 8000, column 1", GaussianMixture(K).fit, Pieces(rows))
    mixture = fitted(ROWS)
    refused("expecting 3 features", mixture.predict, Pieces(ROWS[:, :2]))
    refused(r"1 sample\(s\) \(shape=\(1, 3\)\).*of 2", GaussianMixture(1).fit, Pieces(ROWS[:1]))
    refused(r"0 sample\(s\) \(shape=\(0, 3\)\).*of 1", mixture.predict, Pieces(ROWS[:0]))
    refused("sample_weight cannot be combined", mixture.score, Pieces(ROWS), sample_weight=WEIGHTS)


@pytest.mark.parametrize("method", ["predict", "predict_proba", "score_samples", "bic", "criteria", "fit"])
@cases(
    (lambda chunks: chunks[:-1], f"chunks of all {N} rows of the source, got the first"),
    (lambda chunks: [], f"chunks of all {N} rows of the source, got the first 0"),
    (lambda chunks: chunks[::-1], "row 0 next, got one from row"),
    (lambda chunks: [chunks[0], *chunks], "next, got one from row 0"),
)
def test_chunks_that_are_not_all_rows_in_order_are_refused(arranged, message, method):
    refused(message, getattr(fitted(ROWS, means_init=ROWS[:K]), method), Pieces(ROWS, arranged=arranged))


class Given(sources.BlockSource):
    n_features, dtype = 2, np.dtype(float)

    def __init__(self, rows, weights=None, *, weighted=False):
        self.block, self.weighted = (rows, weights), weighted

    def blocks(self, *, weighted):
        yield sources.Block(np.zeros((50, 2)), np.ones(50))
        yield sources.Block(*self.block) if self.block[0] is not None else np.zeros((50, 2))


OF_TWO = np.random.default_rng(0).normal(size=(50, 2))


@cases(
    ((OF_TWO[:, 0],), None, "expected 2 columns in block 1 of the blocks, got 1"),
    ((OF_TWO[:, 0], OF_TWO[:9, 0]), None, "shape (50,) in block 1 of the blocks, got float64 of shape (9,)"),
    (OF_TWO[:, :1], None, "shape (50, 2) in block 1 of the blocks, got float64 of shape (50, 1)"),
    (OF_TWO, None, "shape (50,) in block 1 of the blocks, got a NoneType"),
    (OF_TWO, np.ones(1), "shape (50,) in block 1 of the blocks, got float64 of shape (1,)"),
    (np.ma.masked_array(OF_TWO, OF_TWO > 1), np.ones(50), "got a MaskedArray"),
    (OF_TWO + 1j, np.ones(50), "got complex128 of shape"),
    (OF_TWO.astype("M8[s]"), np.ones(50), "got datetime64[s] of shape"),
    (OF_TWO.tolist(), np.ones(50), "got a list"),
)
def test_a_block_that_is_not_as_declared_is_refused(rows, weights, told):
    assert GaussianMixture(1).fit(Given(OF_TWO, np.ones(50), weighted=True)).means_.shape == (1, 2)
    refused(re.escape(told), GaussianMixture(1).fit, Given(rows, weights, weighted=True))


def test_what_a_source_gives_in_place_of_its_rows_is_named():
    fit = GaussianMixture(1).fit
    refused("expected a Block as block 1 of the blocks, got ndarray", fit, Given(None), error=TypeError)
    integers = Listed(ROWS)
    integers.dtype = np.dtype(np.int64)
    refused("expected a source of float32 or float64 rows, got int64", fit, integers, error=TypeError)
    refused("expected chunks of all 9001 rows of the source, got the first 9000", fit, Listed(ROWS, N + 1))
    given = Listed(ROWS)
    given.chunks = lambda lane_rows=1: iter([Chunk(0, ROWS.tolist(), None)])
    refused(r"shape \(9000, 3\) in a chunk, got a list", fit, given)
    given.chunks = lambda lane_rows=1: iter([ROWS])
    refused("expected a Chunk of the source, got ndarray", fit, given, error=TypeError)


@cases(
    (ROWS.tolist(), None, "array (n, d) of float32 or float64, got [["),
    (ROWS.astype(int), None, "of float32 or float64, got ndarray of shape (9000, 3): gmm.sources.checked_rows"),
    (ROWS[:, 0], None, "array (n, d) of float32 or float64, got ndarray of shape (9000,)"),
    (np.ma.array(ROWS), None, "got MaskedArray of shape"),
    (ROWS, [1.0] * N, "weights of shape (9000,) in an array of float64, got [1.0"),
    (ROWS, np.ones(N, int), "weights of shape (9000,) in an array of float64, got ndarray"),
    (ROWS, np.ones(5), "weights of shape (9000,) in an array of float64, got ndarray of shape (5,)"),
)
def test_an_array_source_of_anything_but_arrays_is_refused(rows, weights, told):
    refused(re.escape(told), ArraySource, rows, weights, error=TypeError)


def test_columns_of_a_table_hold_single_values(tmp_path):
    circle = []
    circle.append(circle)
    for column in (circle, np.array([circle, 1], dtype=object), [{"a": 1}]):
        told = "expected single values in column 'a', got"
        refused(told, sources.write_table, tmp_path / "a.parquet", [{"a": column}])


# --- `out=` of the estimators ---------------------------------------------------------------------

MANY = np.random.default_rng(0).normal(size=(20_000, 3)) + np.repeat([[-4.0, 0, 4], [4.0, 0, 4]], 10_000, axis=0)


@pytest.fixture(scope="module", params=[GaussianMixture, BayesianGaussianMixture])
def mixture(request):
    return request.param(n_components=2, random_state=0).fit(MANY)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [1, 7, 20_000])
def test_the_same_bits_are_written(mixture, dtype, n):
    X, calls = MANY[-n:].astype(dtype), [(method, {}) for method in METHODS]
    if isinstance(mixture, BayesianGaussianMixture):
        calls += [("score_samples", {"density": name}) for name in ("plug-in", "predictive")]
    for rows in (X, np.asfortranarray(X), Pieces(X)) if n > 1 else (X,):
        for method, how in calls:
            expected = getattr(mixture, method)(rows, **how)
            out = np.full_like(expected, 7)
            assert getattr(mixture, method)(rows, out=out, **how) is out
            np.testing.assert_array_equal(out, expected, err_msg=f"{method} {how}")


def test_other_buffers_than_numpys_and_rows_that_are_a_list(mixture):
    room = bytearray(8 * 5)
    out = memoryview(room).cast("d")
    assert mixture.score_samples(MANY[:5], out=out) is out
    np.testing.assert_array_equal(np.frombuffer(room), mixture.score_samples(MANY[:5]))
    out = np.empty((2, 2))
    mixture.predict_proba([[4, 0, 4], [-4, 0, 4]], out=out)
    np.testing.assert_array_equal(out, mixture.predict_proba([[4, 0, 4], [-4, 0, 4]]))


@cases(
    *([[0.0] * 2] * 4, np.zeros((4, 3)), np.zeros(8), np.frombuffer(bytes(64)).reshape(4, 2)),
    *(np.zeros((4, 2), **kind) for kind in ({"dtype": np.float32}, {"dtype": ">f8"}, {"order": "F"})),
)
def test_a_wrong_place_is_refused_as_the_frozen_mixture_refuses_it(out, mixture):
    theirs = refused(None, mixture.freeze().predict_proba, MANY[:4], out=out, error=(TypeError, ValueError))
    assert str(refused(None, mixture.predict_proba, MANY[:4], out=out, error=type(theirs))) == str(theirs)


def test_rows_are_not_written_over_and_refused_rows_leave_the_place_alone(mixture):
    room = MANY[:8].copy()
    refused("expected out to share no memory with X", mixture.score_samples, room, out=room.reshape(-1)[:8])
    np.testing.assert_array_equal(room, MANY[:8])
    out = np.full(2, 7.0)
    refused("NaN", mixture.score_samples, [[0.0, 0, 0], [0, np.nan, 0]], out=out)
    assert (out == 7).all()


@pytest.mark.parametrize(("weight", "error"), [(-2.0, "weights of 0 or more, got"), (np.nan, "NaN"), (np.inf, "inf")])
def test_weights_of_rows_in_memory_are_checked_at_their_use(weight, error):
    refused(error, GaussianMixture(2).fit, ArraySource(ROWS, np.append(np.ones(N - 1), weight)))

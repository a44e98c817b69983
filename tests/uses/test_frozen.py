"""`FrozenMixture`: the estimator's numbers with little around them, for threads, for files and for compiled code."""

import gc
import io
import pickle
import threading
import tracemalloc
import weakref
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import numpy as np
import pytest
from scipy.special import logsumexp

import gmm
import reference
from fuzz_files import saved
from gmm import FrozenMixture, GaussianMixture
from inside import _frozen, load_state, save_state
from tables import a_mixture as mixture
from tables import blobs, cases, copies, noted, parameters, refused, reloaded

METHODS = ("predict", "predict_proba", "score_samples")
LAYOUTS = "full", "tied", "diag", "spherical"
FLOATS = (np.float32, np.float64)
EDGES = 0, 1, 2, 31, 2048, 5000


def rows_of(estimator, n=5000, seed=1):
    return estimator.sample(n, random_state=seed)[0] if n else np.empty((0, estimator.n_features_in_))


ORDERS = {
    "C": np.ascontiguousarray,
    "F": np.asfortranarray,
    "strided": lambda rows: np.repeat(np.repeat(rows, 2, axis=0), 3, axis=1)[::2, 1::3],
    "backwards": lambda rows: rows[::-1, ::-1].copy()[::-1, ::-1],
}
every_dtype = pytest.mark.parametrize("dtype", FLOATS)
every_layout = pytest.mark.parametrize("covariance_type", LAYOUTS)


@pytest.mark.parametrize("order", ORDERS)
@every_dtype
@every_layout
def test_it_has_the_estimators_bits(covariance_type, dtype, order):
    estimator = mixture(covariance_type)
    frozen = estimator.freeze()
    rows = rows_of(estimator)
    # Near rows, thin components, rows far away and farther than squares can be: every form of the pass.
    for scale in (1.0, 300.0, 1e6) if dtype is np.float32 else (1.0, 300.0, 1e6, 1e152):
        X = ORDERS[order]((rows * scale).astype(dtype))
        for method in METHODS:
            theirs, ours = getattr(estimator, method)(X), getattr(frozen, method)(X)
            assert ours.dtype == theirs.dtype
            np.testing.assert_array_equal(ours, theirs, err_msg=f"{method}, {scale}")


@every_dtype
@pytest.mark.parametrize("covariance_type", [*LAYOUTS, "EEI", "VEV"])
def test_it_has_the_estimators_noise(covariance_type, dtype):
    X = np.vstack([blobs(400, 4, 2), np.random.default_rng(5).uniform(-9, 9, (150, 4))]).astype(dtype)
    estimator = GaussianMixture(2, covariance_type=covariance_type, noise=True, random_state=0).fit(X)
    frozen = estimator.freeze()
    assert (frozen.predict(X) == -1).sum() > 20
    for scale, n, method in product((1, 300, 1e6), (1, 5, 33, 550), METHODS):
        rows = (X[:n] * scale).astype(dtype)
        for each in (frozen, *copies(frozen)):
            np.testing.assert_array_equal(getattr(each, method)(rows), getattr(estimator, method)(rows))


@every_dtype
@every_layout
@pytest.mark.parametrize(("K", "d"), [(1, 1), (3, 2), (17, 16), (9, 17), (5, 33), (2, 70)])
def test_a_row_has_the_same_bits_in_a_call_of_any_number(K, d, covariance_type, dtype, kernel):
    # Fewer rows than a group of vectors are scored by another way through the same products.
    estimator = mixture(covariance_type, K, d)
    frozen, rows = estimator.freeze(), rows_of(estimator, 70)
    for scale in (1.0, 300.0, 1e6):
        X = (rows * scale).astype(dtype)
        origin = estimator.weights_ @ estimator.means_
        X[0] = origin + np.abs(X - origin).max(axis=0)  # every call reaches equally far
        for method in (*METHODS, "log_joint"):
            many = getattr(frozen, method)(X)
            for n in (7, 37, 70) if method in METHODS else ():
                np.testing.assert_array_equal(getattr(frozen, method)(X[:n]), getattr(estimator, method)(X[:n]))
            for n in (1, 2, 3, 7, 16, 17, 31, 32, 33, 37, 48, 49, 64, 65):
                few = getattr(frozen, method)(X[:n])
                if kernel == "blas":
                    close = {"rtol": 1e-5, "atol": 1e-4} if dtype is np.float32 else {"rtol": 1e-12, "atol": 1e-12}
                    np.testing.assert_allclose(few, many[:n], **close)
                else:
                    np.testing.assert_array_equal(few, many[:n], err_msg=f"{method}, {scale}, {n}")


@every_dtype
@every_layout
def test_log_joint_is_the_twins(covariance_type, dtype):
    estimator = mixture(covariance_type)
    frozen, X = estimator.freeze(), rows_of(estimator).astype(dtype)
    ours = frozen.log_joint(X)
    assert ours.dtype == dtype
    close = {"rtol": 1e-12, "atol": 1e-12} if dtype is np.float64 else {"rtol": 1e-5, "atol": 1e-4}
    expected = reference.log_joint(X.astype(float), *parameters(estimator))
    assert ours.shape == expected.shape
    np.testing.assert_allclose(ours, expected, **close)
    np.testing.assert_allclose(logsumexp(ours, axis=1), frozen.score_samples(X), **close)


def test_log_joint_is_beyond_numbers_without_weight_and_of_rows_too_far_for_squares():
    frozen = GaussianMixture.from_parameters([0.5, 0.5], [[-1.0], [1.0]], [[[1.0]], [[1.0]]]).freeze()
    X = np.array([[1e140], [1e152], [1e200]])
    expected = [[-0.5e280] * 2, [-0.5e304] * 2, [-np.inf] * 2]
    np.testing.assert_allclose(frozen.log_joint(X), expected, rtol=1e-12)
    np.testing.assert_array_equal(frozen.score_samples(X[2:]), -np.inf)
    thin = GaussianMixture.from_parameters([0.5, 0.5], [[-1.0], [1.0]], [[[1.0]], [[4.0]]]).freeze()
    np.testing.assert_allclose(thin.log_joint(X[1:2]), [[-np.inf, -0.125e304]], rtol=1e-12)
    np.testing.assert_allclose(thin.score_samples(X[1:2]), -0.125e304, rtol=1e-12)
    alone = GaussianMixture.from_parameters([1.0, 0.0], [[0.0], [1.0]], [[[1.0]], [[1.0]]]).freeze()
    np.testing.assert_array_equal(reloaded(alone).predict_proba(np.ones((1, 1))), [[1.0, 0.0]])
    assert alone.log_joint(np.ones((1, 1)))[0, 1] == -np.inf


@pytest.mark.parametrize("method", [*METHODS, "log_joint"])
@every_dtype
@pytest.mark.parametrize("n", EDGES)
def test_it_writes_where_it_is_told(method, dtype, n):
    estimator = mixture()
    frozen, X = estimator.freeze(), rows_of(estimator, n).astype(dtype)
    expected = getattr(frozen, method)(X)
    out = np.full_like(expected, 7)
    assert getattr(frozen, method)(X, out=out) is out
    np.testing.assert_array_equal(out, expected)
    np.testing.assert_array_equal(getattr(frozen, method)(X, n_threads=3), expected)


@every_dtype
@every_layout
def test_a_broken_row_is_marked_and_leaves_the_others_alone(covariance_type, dtype):
    estimator = mixture(covariance_type)
    frozen, X = estimator.freeze(), rows_of(estimator, 100).astype(dtype)
    before = {method: getattr(frozen, method)(X) for method in (*METHODS, "log_joint")}
    broken = {3: np.nan, 40: np.inf, 99: -np.inf}
    for scale in (1.0, 1e30 if dtype is np.float32 else 1e160):
        Y = X.copy()
        Y[7] *= scale
        for row, value in broken.items():
            Y[row, row % 4] = value
        others = np.delete(np.arange(100), [7, *broken])
        near = 0 if scale == 1.0 else 1e-4
        for method, good in before.items():
            ours = getattr(frozen, method)(Y)
            marked = ours[list(broken)]
            assert (marked == -1).all() if method == "predict" else np.isnan(marked).all()
            np.testing.assert_allclose(ours[others], good[others], rtol=near, atol=near)


@cases(
    ([[0.0] * 4], TypeError, r"of float32 or float64, got list: pass numpy\.asarray\(X, float\)"),
    (None, TypeError, "got NoneType"),
    (np.zeros((2, 4), dtype=int), TypeError, r"float32 or float64.*int64 and shape \(2, 4\): pass numpy.req"),
    (np.zeros((2, 4), dtype="V0"), TypeError, "float32 or float64"),
    (np.zeros((2, 4), dtype=np.dtype(float).newbyteorder()), TypeError, "byte order"),
    (np.zeros((2, 4), dtype="M8[s]"), ValueError, "dtype datetime64"),
    (np.zeros(2 * 4 * 8 + 1, dtype="b")[1:].view(float).reshape(2, 4), TypeError, "aligned"),
    (np.zeros(4), ValueError, r"expected X of shape \(n, 4\), got .* shape \(4,\): pass X.reshape\(1, -1\)"),
    (np.zeros((2, 3)), ValueError, r"shape \(n, 4\).*shape \(2, 3\)"),
    (np.zeros((2, 4), dtype="f8,i4")["f0"], TypeError, "aligned"),
    (np.ma.masked_equal(np.eye(2, 4), 1), ValueError, "without masked values, got 2 .* X.filled"),
)
def test_wrong_rows_are_refused_in_words(X, error, message):
    refused(message, mixture().freeze().predict_proba, X, error=error)


@cases(
    ([[0.0] * 4] * 2, TypeError, "expected out to be an array to write to, got list"),
    (np.zeros((2, 4), np.float32), TypeError, "expected out of dtype float64, as X requires.* got .*float32"),
    (np.zeros((2, 3)), ValueError, r"expected out of shape \(2, 4\), got .*\(2, 3\)"),
    (np.zeros((2, 4), order="F"), ValueError, r"C-contiguous.*strides \(8, 16\)"),
    (np.frombuffer(bytes(64)).reshape(2, 4), ValueError, "read-only"),
)
def test_a_wrong_place_to_write_is_refused_in_words(out, error, message):
    refused(message, mixture().freeze().predict_proba, np.zeros((2, 4)), out=out, error=error)


def test_labels_are_int64_threads_one_at_least_and_rows_are_not_written_over():
    frozen, X = mixture().freeze(), np.zeros((3, 4))
    for dtype in (float, np.int32):
        refused("expected out of dtype int64", frozen.predict, X, out=np.zeros(3, dtype), error=TypeError)
    refused(r"expected n_threads of 1.*got 0", frozen.predict, X, n_threads=0)
    for out in (X, X[::-1][::-1], X.reshape(-1)[:12].reshape(3, 4)):
        refused("share no memory with X", frozen.predict_proba, X, out=out)
    room = np.zeros((9, 4))
    refused("share no memory with X", frozen.predict_proba, room[3:][::-1], out=room[:6])
    frozen.predict_proba(room[:3], out=room[3:6])
    assert room[3:].any()


def test_compiled_code_reads_no_further_than_it_was_told():
    refused(r"of 0.*got 0", _frozen.Call().walk_part, 0)
    numbers = {"log_offset": np.zeros(2), "centres": np.zeros((2, 3)), "whiteners": np.ones(2), "origin": np.zeros(3)}
    numbers |= {"tails": np.zeros(2), "log_noise": -np.inf}
    assert repr(FrozenMixture.from_arrays(3, **numbers)) == "FrozenMixture(K=2, d=3)"
    for name, wrong in {"log_offset": np.zeros(1), "whiteners": np.ones(3), "origin": np.zeros(2)}.items():
        refused(f"expected {name} of length", FrozenMixture.from_arrays, 3, **numbers | {name: wrong})
    refused(r"centres \(K, d\)", FrozenMixture.from_arrays, 4, **numbers)
    refused(r"centres \(K, d\)", FrozenMixture.from_arrays, 3, **numbers | {"centres": np.zeros((0, 3))})


def test_it_starts_no_thread_unless_asked(monkeypatch):
    frozen, X = mixture().freeze(), rows_of(mixture(), 20000)
    started = noted(monkeypatch, threading.Thread, "start", lambda thread: thread)
    frozen.predict_proba(X)
    assert not started
    frozen.predict_proba(X, n_threads=2)
    assert 1 <= len(started) <= 2


@every_layout
def test_it_comes_back_from_pickles_and_files(covariance_type, tmp_path):
    estimator, file = mixture(covariance_type), tmp_path / "frozen.gmm"
    frozen, X = estimator.freeze(), rows_of(estimator, 50)
    frozen.save(file)
    pickles = (pickle.dumps(frozen, protocol=n) for n in range(2, pickle.HIGHEST_PROTOCOL + 1))
    for other in (*map(pickle.loads, pickles), FrozenMixture.load(file), gmm.load(file.read_bytes())):
        assert type(other) is FrozenMixture
        for method in (*METHODS, "log_joint"):
            np.testing.assert_array_equal(getattr(other, method)(X), getattr(frozen, method)(X))


@cases(
    ({"layout": 4}, "expected the code of a layout in its header, got 4"),
    ({"layout": 1}, "expected whiteners of shape"),
    ({"origin": np.zeros(3)}, "expected origin of shape"),
    ({"log_offset": np.zeros(3)}, "expected log_offset of shape"),
    ({"log_offset": np.full(4, -np.inf)}, "log offsets"),
    ({"log_offset": np.array([0, 0, 0, np.inf])}, "log offsets"),
    ({"centres": np.zeros((0, 4))}, "expected centres"),
    ({"centres": np.full((4, 4), np.nan)}, "finite"),
    ({"whiteners": np.zeros(64)}, "positive diagonals"),
    ({"whiteners": np.ones(64)}, "lower triangular"),
)
def test_a_file_that_is_no_mixture_is_refused(changed, message):
    state, damaged = load_state(saved(mixture().freeze())), io.BytesIO()
    header, arrays = ({key: changed.get(key, value) for key, value in part.items()} for part in state)
    save_state(damaged, {key: value for key, value in header.items() if not key.startswith("format")}, arrays)
    refused(message, gmm.load, damaged.getvalue())


def test_it_does_not_change_nor_the_rows_which_may_be_any_buffer():
    estimator = mixture()
    frozen, X = estimator.freeze(), rows_of(estimator, 20)
    before = frozen.predict_proba(X)
    X.flags.writeable = False
    np.testing.assert_array_equal(frozen.predict_proba(memoryview(X)), before)
    for name in ("n_components", "anything"):
        refused(None, setattr, frozen, name, 3, error=AttributeError)
    refused("read-only", frozen.arrays[1].__setitem__, 0, 0.0)
    estimator.means_ = estimator.means_ + 1
    np.testing.assert_array_equal(frozen.predict_proba(X), before)
    assert repr(frozen) == "FrozenMixture(K=4, d=4)"


def test_calls_that_write_into_an_array_allocate_nothing():
    for K, d, n in ((4, 4, 1), (32, 64, 1), (8, 64, 20), (8, 8, 300)):
        frozen, rows = mixture("full", K, d).freeze(), np.zeros((n, d))
        calls = [(score, score(rows)) for score in (getattr(frozen, name) for name in METHODS)]
        for _ in range(2):  # the first round keeps what the others use
            tracemalloc.start()
            for score, out in calls:
                score(rows, out=out)
            most = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        assert most < 2000


@pytest.mark.parametrize(("covariance_type", "K", "d"), [("full", 9, 20), ("tied", 5, 3)])
def test_scratch_is_lent_to_one_call_at_a_time(covariance_type, K, d):
    estimator = mixture(covariance_type, K, d)
    frozen, X = estimator.freeze(), rows_of(estimator, 300)
    parts = [slice(start, start + n) for n in (1, 3, 40, 300) for start in range(0, 301 - n, 60)]
    calls = [(method, part) for method in (*METHODS, "log_joint") for part in parts]  # some need more than those before
    expected = [getattr(frozen, method)(X[part]) for method, part in calls]
    with ThreadPoolExecutor(12) as pool:
        for _ in range(10):
            found = pool.map(lambda call: getattr(frozen, call[0])(X[call[1]]), calls)
            for ours, theirs in zip(found, expected, strict=True):
                np.testing.assert_array_equal(ours, theirs)


def test_it_leaves_nothing_behind():
    frozen, X, out = mixture().freeze(), np.zeros((1, 4)), np.empty((1, 4))
    gone = weakref.ref(frozen)
    for _ in range(3):
        frozen.predict_proba(X, out=out)
        refused("shape", frozen.predict_proba, X, out=np.empty((2, 4)))
    X.resize((2, 4), refcheck=False)  # refused while a buffer is held
    del frozen
    gc.collect()
    assert gone() is None

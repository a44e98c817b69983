"""Input of every kind: what is wrong is refused, telling where; what is only unusual works."""

import pickle
import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse
from sklearn.mixture import GaussianMixture as Peer

from gmm import GaussianMixture, MixtureClassifier, NormalInverseWishart, select
from gmm.inference import stability
from gmm.plotting import plot_pairs
from inside import CLASSIC, InvalidParameterError, as_rows, check_real, check_whole
from tables import assert_contains, cases, refused, warned
from test_hostile_calls import VIEWS

rng = np.random.RandomState(0)
ROWS = np.concatenate([rng.normal(size=(30, 3)), rng.normal(8.0, 2.0, size=(30, 3))])
NAMES = ["length", "width", "height"]
FITTED = GaussianMixture(2, random_state=0).fit(ROWS)


def with_value(value, row=7, column=1, rows=ROWS):
    rows = rows.copy() if not isinstance(value, dict | str) else rows.astype(object)
    rows[row, column] = value
    return rows


def frame(rows=ROWS, **more):
    return pd.DataFrame(rows, columns=NAMES).assign(**more)


def mixture(**parameters):
    return GaussianMixture(**{"n_components": 2, "random_state": 0} | parameters)


# Every word must stand in the message. The first are refused by scikit-learn too, in sentences that readers search for.
SHARED = {
    "a number": (5.0, ["Expected 2D array, got scalar array"]),
    "one dimension": (ROWS[0], ["Expected 2D array, got 1D array", "Reshape your data"]),
    "a pandas column": (frame()["width"], ["Expected a 2-dimensional container", "Series", "df[['width']]"]),
    "three dimensions": (ROWS[None], ["dim 3", "dim <= 2 is required by GaussianMixture"]),
    "no rows": (ROWS[:0], ["0 sample(s) (shape=(0, 3))", "GaussianMixture"]),
    "no columns": (ROWS[:, :0], ["0 feature(s) (shape=(60, 0))"]),
    "one row": (ROWS[:1], ["1 sample", "a minimum of 2 is required"]),
    "sparse": (scipy.sparse.csr_array(ROWS), ["Sparse data was passed", "toarray"]),
    "a numpy.matrix": (np.array([[1.0, 2.0], [3.0, 4.0]]).view(np.matrix), ["np.matrix is not supported"]),
    "complex": (ROWS + 1j, ["Complex data not supported", "complex128 of shape (60, 3)"]),
    "rows of unequal length": ([[1.0, 2.0], [3.0]], ["inhomogeneous", "row 1 has 1"]),
    "text among numbers": (with_value("tall"), ["string", "'tall'", "row 7, column 1"]),
    "a dict among numbers": (with_value({"a": 1}), ["argument must be a string", "row 7, column 1"]),
    "names of two kinds": (
        pd.DataFrame(ROWS, columns=["a", 1, "c"]),
        ["Feature names are only supported if all", "['int', 'str']"],
    ),
    "NaN": (with_value(np.nan), ["Input X contains NaN", "row 7, column 1"]),
    "infinity": (with_value(-np.inf), ["Input X contains infinity", "-inf", "row 7, column 1"]),
    "a missing whole number": (pd.DataFrame({"a": pd.array([1, None], "Int64")}), ["NaN", "row 1, column 0 ('a')"]),
}
BAD_ROWS = SHARED | {
    "nothing": (None, ["None"]),
    "a file's name": ("data.csv", ["for X, got text", "data.csv", "gmm.open_rows("]),
    "an object": (object(), ["Expected", "object"]),
    "a dict": ({"a": [1, 2]}, ["Expected", "dict"]),
    "an empty frame": (pd.DataFrame(), ["0 sample(s) (shape=(0, 0))"]),
    "a sparse frame": (frame().astype(pd.SparseDtype(float)), ["Sparse data was passed"]),
    "a complex object": (with_value(2j, rows=ROWS.astype(object)), ["Complex", "row 7, column 1"]),
    "masked": (np.ma.masked_greater(ROWS, 10), ["masked", "row ", "column "]),
    "structured": (np.array([(1, 2.0)], dtype=[("a", int), ("b", float)]), ["structured", "'b'"]),
    "dates": (np.array([["2020-01-01"]], dtype="M8[D]"), ["dates", "datetime64"]),
    "text": (np.array([["1", "a"], ["2", "b"]]), ["could not convert string", "row 0, column 1"]),
    "digits as text": (np.array([["1", "2"], ["3", "4"]]), ["text", "astype(float)"]),
    "too large an int": ([[10**400, 1], [1, 2]], ["too large", "row 0, column 0"]),
    "text in a frame": (frame(width="x"), ["string", "'x'", "column 1 ('width')"]),
    "lists in polars": (pl.DataFrame({"a": [[1.0], [2.0]]}), ["row 0, column 0 ('a')"]),
    "null in Arrow": (pa.table({"a": [True, None]}), ["NaN", "row 1, column 0 ('a')"]),
    "too large to square": (with_value(1e200), ["too large", "row 7, column 1", "1e+200"]),
}
FITS_ALONE = {"one row", "no columns", "too large to square"}  # which a fitted mixture scores, or has another word for


@pytest.mark.filterwarnings("ignore:X has feature names")
@pytest.mark.parametrize("name", BAD_ROWS)
def test_what_cannot_be_rows_is_refused_with_the_word_and_the_place(name):
    X, words = BAD_ROWS[name]
    error = refused(None, mixture().fit, X, error=(TypeError, ValueError))
    told = str(error)
    assert_contains(told, *words)
    assert len(told) < 500
    for method in ("predict", "predict_proba", "score_samples", "score") * (name not in FITS_ALONE):
        refused(None, getattr(FITTED, method), X, error=(TypeError, ValueError))
    if name in {*SHARED, "nothing", "a file's name"}:
        with pytest.raises((TypeError, ValueError)) as theirs:
            Peer(2).fit(X)
        assert isinstance(error, type(theirs.value))
        assert name not in SHARED or told.startswith(str(theirs.value).splitlines()[0])


def test_a_refused_fit_leaves_the_last_one_as_it_was():
    model = mixture().fit(ROWS)
    before = pickle.dumps(model)
    refused("NaN", model.fit, with_value(np.nan)[:, :2])
    assert pickle.dumps(model) == before


@pytest.mark.parametrize("make", [frame, lambda: pl.DataFrame(ROWS, NAMES), lambda: arrow()])
def test_names_are_kept_and_forgotten(make):
    model = mixture().fit(make())
    assert (model.feature_names_in_.tolist(), model.feature_names_in_.dtype) == (NAMES, object)
    model.predict(make())
    model.fit(pd.DataFrame(ROWS))  # columns 0, 1, 2 are no names
    assert not hasattr(model, "feature_names_in_")
    with pytest.warns(UserWarning, match="X has feature names, but GaussianMixture was fitted"):
        model.predict(make())


# --- What is only unusual -----------------------------------------------------------------------


def arrow(rows=ROWS):
    return pa.table(dict(zip(NAMES, rows.T, strict=True)))


SAME_ROWS = {
    "column order": np.asfortranarray,
    "negative strides": lambda rows: rows[::-1, ::-1].copy()[::-1, ::-1],
    "wide strides": VIEWS["every other"],
    "not aligned": VIEWS["not aligned"],
    "another byte order": lambda rows: rows.astype(rows.dtype.newbyteorder()),
    "read-only": lambda rows: np.broadcast_to(rows, rows.shape),
    "objects": lambda rows: rows.astype(object),
    "long double": lambda rows: rows.astype(np.longdouble),
    "nothing masked": np.ma.asarray,
    "a list of rows": list,
    "a memoryview": memoryview,
    "pandas": lambda rows: pd.DataFrame(rows),
    "pandas, nullable": lambda rows: pd.DataFrame(rows).astype("Float64"),
    "pandas, partly sparse": lambda rows: pd.DataFrame(rows).astype({0: pd.SparseDtype(float)}),
    "polars": lambda rows: pl.DataFrame(rows),
    "Arrow": arrow,
}


@pytest.mark.parametrize("name", SAME_ROWS)
def test_the_same_rows_in_other_clothes_give_the_same_fit(name):
    X = SAME_ROWS[name](ROWS)
    model, plain = mixture().fit(X), mixture().fit(ROWS)
    np.testing.assert_array_equal(model.means_, plain.means_)
    np.testing.assert_array_equal(model.covariances_, plain.covariances_)
    np.testing.assert_array_equal(model.score_samples(X), plain.score_samples(ROWS))


@pytest.mark.parametrize("dtype", [bool, "i1", "u2", "i8", "f2", "f4", "f8", ">f4", ">i4"])
def test_types_of_numbers(dtype):
    X = np.rint(ROWS).astype(dtype)
    model = mixture().fit(X)
    results = [getattr(model, f"{name}_") for name in ("weights", "means", "covariances", "precisions")]
    results += [model.precisions_cholesky_, model.predict_proba(X), model.score_samples(X)]
    wanted = np.float32 if np.dtype(dtype).newbyteorder("=") in ("f2", "f4") else np.float64
    assert [each.dtype for each in results] == [wanted] * 7


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["column order", "negative strides", "wide strides", "read-only"])
def test_arrays_are_not_copied(name, dtype):
    X = SAME_ROWS[name](ROWS.astype(dtype))
    rows, _ = as_rows(X, "GaussianMixture")
    assert np.shares_memory(rows, X)
    assert rows.strides == X.strides


BAD_WEIGHTS = {
    "two dimensions": (np.ones((60, 1)), ["Sample weights must be 1D array or scalar, got 2D"]),
    "too few": (np.ones(59), ["sample_weight.shape == (59,), expected (60,)!"]),
    "NaN": (np.where(np.arange(60) == 3, np.nan, 1), ["sample_weight contains NaN", "index 3"]),
    "negative": (1.0 - np.arange(60) / 30, ["Negative values in data passed to", "index 31"]),
    "all zero": (np.zeros(60), ["Sample weights must contain at least one non-zero number"]),
    "complex": (np.ones(60) + 1j, ["Complex data not supported"]),
    "text": (["heavy"] * 60, ["string", "'heavy'", "index 0"]),
    "too large": (np.full(60, 1e308), ["too large", "sum"]),
}


@cases(BAD_WEIGHTS)
def test_weights_that_are_none(weights, words):
    for method in (mixture().fit, FITTED.score, FITTED.bic, FITTED.aic):
        assert_contains(str(refused(None, method, ROWS, sample_weight=weights, error=(TypeError, ValueError))), *words)


@pytest.mark.parametrize("make", [pd.Series, pl.Series, lambda w: w.astype(">f4"), lambda w: w[::-1].copy()[::-1]])
def test_weights_in_other_clothes(make):
    weights = np.arange(60.0) % 4
    one, plain = (mixture().fit(ROWS, sample_weight=each) for each in (make(weights), weights))
    np.testing.assert_array_equal(one.means_, plain.means_)


# --- Parameters ---------------------------------------------------------------------------------

LONG = 10**400  # more than any float
BAD_PARAMETERS = {
    "n_components": ((0, 1.5, True), "an int in the range [1, inf)"),
    "covariance_type": (("round",), "a str among {'full', 'tied', 'diag', 'spherical', 'EII', "),
    "tol": ((-1.0, np.nan, LONG), "a float in the range [0.0, inf)"),
    "init_params": (("best",), "a callable or an array-like"),
    "means_init": (("centre",), "an array-like or None"),
    "random_state": (("seed", -1), "an int in the range [0, 4294967295]"),
    "warm_start": ((1,), "an instance of 'bool' or an instance of 'numpy.bool'"),
    "n_threads": ((0,), "an int in the range [1, inf) or None"),
    "max_ratio": ((LONG,), "a float in the range [1.0, inf] or None"),
    "noise": ((LONG,), "a float in the range (0.0, 1.0)"),
    "prior": ((3,), "an instance of 'gmm.NormalInverseWishart'"),
}


@pytest.mark.parametrize("parameter", BAD_PARAMETERS)
def test_parameters_are_judged_in_fit(parameter):
    values, expected = BAD_PARAMETERS[parameter]
    assert issubclass(InvalidParameterError, ValueError)
    assert issubclass(InvalidParameterError, TypeError)  # both, as scikit-learn's
    for value in values:
        model = mixture(**{parameter: value})  # neither here nor in set_params
        told = str(refused(f"The '{parameter}' parameter of Gaussian", model.fit, ROWS, error=InvalidParameterError))
        assert expected in told
        assert told.endswith(f"Got {value!r} instead.")


def shares(row=None, column=0, value=0.0):
    """Responsibilities, of which one may be wrong."""
    whole = np.repeat(np.eye(2), 30, axis=0)
    return whole if row is None else with_value(value, row, column, whole)


def responsibilities(given):
    return lambda: mixture(init_params=given).fit(ROWS)


def start(**given):
    return lambda: mixture(**{"weights_init": [0.4, 0.6], "means_init": ROWS[[0, -1]]} | given).fit(ROWS)


def numbers(**given):
    right = {"weights": [0.5, 0.5], "means": np.zeros((2, 3)), "covariances": [np.eye(3)] * 2}
    return lambda: GaussianMixture.from_parameters(**right | given)


def prior(**given):
    return lambda: GaussianMixture(2, prior=NormalInverseWishart(**given)).fit(ROWS)


HALVES = np.arange(60) // 30
LOPSIDED = [[2, 1, 0], [0, 2, 0], [0, 0, 2]]
REFUSED = [  # a call, and what is told of it
    (lambda: mixture(n_components=5).fit(ROWS[:4]), "Expected n_samples >= n_components but got n_components = 5, n_s"),
    (lambda: FITTED.predict(ROWS[:, :2]), "X has 2 features, but GaussianMixture is expecting 3 features as input."),
    (start(weights_init=[1.0]), r"'weights' should have the shape of \(2,\), but got \(1,\)"),
    (start(weights_init=[0.5, 0.6]), r"'weights' should be normalized, but got sum\(weights\) = 1\.10"),
    (start(means_init=[[1, 2, 3], [4, np.inf, 6]]), r"parameter.*infinity\. The first is at row 1, column 1"),
    (start(precisions_init=[np.eye(3), LOPSIDED]), r"component 1 has 1 at \(0, 1\) and 0 at \(1, 0\)"),
    (responsibilities(shares()[:, :1]), r"'init_params' should have the shape of \(60, 2\), but got \(60, 1\)"),
    (responsibilities(lambda X, n_components, rng: shares(5, 1, np.nan)), "NaN.*row 5, column 1"),
    (responsibilities(shares(5, 1, 0.5)), r"Each row of init_params should sum to 1, but the sum of row 5 is 1\.5"),
    (numbers(weights=[1.5, -0.5]), r"expected weights in the range \[0, 1\], got 1.5 at index 0 of weights"),
    (numbers(means=with_value(np.nan, 1, 2, np.zeros((2, 3)))), r"NaN\. The first is at row 1, column 2"),
    (numbers(feature_names=["a", "b"]), "Expected 3 feature names, .* got 2"),
    (numbers(covariances=np.eye(3)), r"shape of \(2, 3, 3\), but got \(3, 3\)"),
    (numbers(covariances=[np.eye(3), np.zeros((3, 3))]), "component 1 is not positive-definite"),
    (lambda: MixtureClassifier(1, "full", class_prior=[-0.1, 1.1]).fit(ROWS, HALVES), r"-0\.1 at index 0 of class_pr"),
    (lambda: mixture().fit(ROWS, callback=3), "callback must be a callable"),
    *((lambda n=n: FITTED.sample(n), "Invalid value for 'n_samples'") for n in (0, -1, 1.5, "many")),
    (prior(dof=LONG), "expected prior.dof to be a number in"),
    (lambda: select(ROWS, 1, time_limit=LONG), "time_limit, in seconds, to be a number"),
    (lambda: select(ROWS, standardize=1), "expected standardize to be True or False, got 1"),
    (lambda: FITTED.predict_from(ROWS[:, :1], [0], level=LONG), "level between 0 and 1"),
    (lambda: FITTED.condition({0: LONG}), "a finite number for column 0"),
    (lambda: mixture().fit(Path("rows.parquet")), r"for X, got .*rows.parquet.*gmm\.open_rows\("),
    (lambda: plot_pairs(FITTED, ROWS), r"for X, got GaussianMixture.*A model has no rows"),
    (lambda: stability(FITTED, ROWS), r"in n_components, got ndarray of shape \(60, 3\)$"),
    (lambda: check_whole(ROWS, "n_init"), r"from 1, got ndarray of shape \(60, 3\)$"),
]


@pytest.mark.parametrize(("call", "told"), REFUSED, ids=[told for _, told in REFUSED])
def test_a_value_is_refused_in_words(call, told):
    numbers()()
    refused(told, call, error=(TypeError, ValueError))


@pytest.mark.parametrize("covariance_type", CLASSIC)
def test_matrices_that_have_no_inverse_or_another_shape(covariance_type):
    how, X = {"covariance_type": covariance_type}, rng.normal(size=(50, 3))
    right = mixture(**how).fit(X).precisions_
    told = f"'{covariance_type} precision' should have the shape of.*{re.escape(f'but got {right[:-1].shape}')}$"
    refused(told, mixture(precisions_init=right[:-1], **how).fit, ROWS)
    wrong = right.copy()
    wrong[-1] *= -1
    told = rf"{covariance_type} precision' .*should be .*positive"
    refused(told, mixture(precisions_init=wrong, **how).fit, ROWS)
    one = {"full": [np.eye(2)], "tied": np.eye(2), "diag": [[1.0, 1.0]], "spherical": [1.0]}[covariance_type]
    with pytest.raises(ValueError, match=r"covariance' should be .*positive.*1e-310"):
        GaussianMixture.from_parameters([1.0], [[0.0, 0.0]], np.multiply(one, 1e-310), **how)
    refused("ill-defined", mixture(reg_covar=0, **how).fit, ROWS * 1e-156)
    assert np.isfinite(mixture(reg_covar=0, **how).fit(ROWS * 1e-152).precisions_).all()
    for unit in (1e-155, 1e-158, 1e-161, 1e-165):
        fit, told = warned(mixture(**how).fit, ROWS * unit)
        assert any("hides groups" in text for text in told)
        assert fit.covariances_.max() == pytest.approx(1e-6)


@pytest.mark.parametrize("interval", ["(0, 1)", "[0, 1)", "(0, 1]", "[0, 1]"])
def test_single_numbers_of_an_interval(interval):
    ends = ["[" in interval, "]" in interval]
    inside = [0.5, np.float32(0.25), Fraction(1, 3), *np.array([0, 1])[ends]]
    assert [check_real(value, "x", interval) for value in inside] == [float(value) for value in inside]
    for value in (-1e-300, 2, np.nan, np.inf, 10**400, "0.5", None, True, 0.5j, *np.array([0, 1])[np.invert(ends)]):
        with pytest.raises(InvalidParameterError, match=rf"expected x to be a number in {re.escape(interval)}, got"):
            check_real(value, "x", interval)


def test_single_whole_numbers():
    assert [check_whole(value, "n", 2, 5) for value in (2, np.int8(5))] == [2, 5]
    assert check_whole(10**30, "n") == 10**30
    for value in (1, 6, 2.0, True, "3", None, np.bool_(True)):
        refused("from 2 to 5, got", check_whole, value, "n", 2, 5, error=InvalidParameterError)


@pytest.mark.parametrize("values", [[[1.0], [2.0, 3.0]], [1, [2, 3]], [[["a"]], [["b"], ["c"]]]])
def test_lists_of_unequal_length_are_refused_by_name(values):
    refused("noise", GaussianMixture(2, noise=values).fit, ROWS)
    refused("fixed", GaussianMixture(2, fixed={"weights": values}).fit, ROWS)
    many = values * (len(ROWS) // 2)
    refused("expected labels that are integers, or strings", GaussianMixture(2).fit, ROWS[: len(many)], labels=many)
    refused("expected y that are integers, or strings", MixtureClassifier().fit, ROWS[: len(many)], many)

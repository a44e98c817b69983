"""Input of every kind: what is wrong is refused, telling where; what is only unusual works."""

import re
import warnings
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
from inside import CLASSIC, InvalidParameterError, check_real, check_rows, check_whole

rng = np.random.RandomState(0)
ROWS = np.concatenate([rng.normal(size=(30, 3)), rng.normal(8.0, 2.0, size=(30, 3))])
NAMES = ["length", "width", "height"]
FITTED = GaussianMixture(2, random_state=0).fit(ROWS)
each_type = pytest.mark.parametrize("covariance_type", CLASSIC)


def with_value(value, row=7, column=1, rows=ROWS):
    rows = rows.copy() if not isinstance(value, dict | str) else rows.astype(object)
    rows[row, column] = value
    return rows


def frame(rows=ROWS, **more):
    return pd.DataFrame(rows, columns=NAMES).assign(**more)


def mixture(**parameters):
    return GaussianMixture(**{"n_components": 2, "random_state": 0} | parameters)


def fitted(X=ROWS):
    return mixture().fit(X)


# --- What cannot be rows ------------------------------------------------------------------------

# Every word must stand in the message.
BAD_ROWS = {
    "nothing": (None, ["None"]),
    "a file's name": ("data.csv", ["text", "data.csv"]),
    "a number": (5.0, ["Expected 2D array, got scalar array"]),
    "an object": (object(), ["Expected", "object"]),
    "a dict": ({"a": [1, 2]}, ["Expected", "dict"]),
    "a generator": ((row for row in ROWS), ["Expected", "generator"]),
    "one dimension": (ROWS[0], ["Expected 2D array, got 1D array", "Reshape your data"]),
    "long rows of one dimension": (ROWS.ravel(), ["Expected 2D array, got 1D array", " ... "]),
    "a pandas column": (frame()["width"], ["Expected a 2-dimensional container", "Series", "df[['width']]"]),
    "a polars column": (pl.Series([1.0, 2.0]), ["Expected a 2-dimensional container", "Series"]),
    "three dimensions": (ROWS[None], ["dim 3", "dim <= 2 is required by GaussianMixture"]),
    "no rows": (ROWS[:0], ["0 sample(s) (shape=(0, 3))", "GaussianMixture"]),
    "no columns": (ROWS[:, :0], ["0 feature(s) (shape=(60, 0))"]),
    "an empty frame": (pd.DataFrame(), ["0 sample(s) (shape=(0, 0))"]),
    "one row": (ROWS[:1], ["1 sample", "a minimum of 2 is required"]),
    "sparse": (scipy.sparse.csr_array(ROWS), ["Sparse data was passed", "toarray"]),
    "a sparse frame": (frame().astype(pd.SparseDtype(float)), ["Sparse data was passed"]),
    "a numpy.matrix": (np.array([[1.0, 2.0], [3.0, 4.0]]).view(np.matrix), ["np.matrix is not supported"]),
    "complex": (ROWS + 1j, ["Complex data not supported", "complex128 of shape (60, 3)"]),
    "a complex object": (with_value(2j, rows=ROWS.astype(object)), ["Complex", "row 7, column 1"]),
    "rows of unequal length": ([[1.0, 2.0], [3.0]], ["inhomogeneous", "row 1 has 1"]),
    "masked": (np.ma.masked_greater(ROWS, 10), ["masked", "row ", "column "]),
    "structured": (np.array([(1, 2.0)], dtype=[("a", int), ("b", float)]), ["structured", "'b'"]),
    "dates": (np.array([["2020-01-01"]], dtype="M8[D]"), ["dates", "datetime64"]),
    "durations": (np.array([[1], [2]], dtype="m8[s]"), ["durations", "timedelta64"]),
    "text": (np.array([["1", "a"], ["2", "b"]]), ["could not convert string", "row 0, column 1"]),
    "digits as text": (np.array([["1", "2"], ["3", "4"]]), ["text", "astype(float)"]),
    "text among numbers": (with_value("tall"), ["string", "'tall'", "row 7, column 1"]),
    "a dict among numbers": (
        with_value({"a": 1}),
        ["argument must be a string", "row 7, column 1"],
    ),
    "too large an int": ([[10**400, 1], [1, 2]], ["too large", "row 0, column 0"]),
    "text in a frame": (frame(width="x"), ["string", "'x'", "column 1 ('width')"]),
    "dates in a frame": (frame(width=pd.Timestamp(0)), ["dates", "column 1 ('width')"]),
    "categories": (frame(width=pd.Categorical(["u"] * 60)), ["string", "'u'", "'width'"]),
    "text in polars": (pl.DataFrame({"a": [1.0], "b": ["x"]}), ["string", "column 1 ('b')"]),
    "lists in polars": (pl.DataFrame({"a": [[1.0], [2.0]]}), ["row 0, column 0 ('a')"]),
    "text in Arrow": (pa.table({"a": [1.0], "b": ["x"]}), ["string", "column 1 ('b')"]),
    "names of two kinds": (
        pd.DataFrame(ROWS, columns=["a", 1, "c"]),
        ["Feature names are only supported if all", "['int', 'str']"],
    ),
    "NaN": (with_value(np.nan), ["Input X contains NaN", "row 7, column 1"]),
    "infinity": (with_value(-np.inf), ["Input X contains infinity", "-inf", "row 7, column 1"]),
    "NaN in float32": (with_value(np.nan, rows=ROWS.astype("f4")), ["NaN", "row 7, column 1"]),
    "None among numbers": ([[1.0, None], [2.0, 3.0]], ["NaN", "row 0, column 1"]),
    "NaN in a frame": (frame(with_value(np.nan)), ["NaN", "row 7, column 1 ('width')"]),
    "a missing whole number": (
        pd.DataFrame({"a": pd.array([1, None, 3], dtype="Int64")}),
        ["NaN", "row 1, column 0 ('a')"],
    ),
    "null in polars": (pl.DataFrame({"a": [1, None]}), ["NaN", "row 1, column 0 ('a')"]),
    "null in Arrow": (pa.table({"a": [True, None]}), ["NaN", "row 1, column 0 ('a')"]),
    "too large to square": (with_value(1e200), ["too large", "row 7, column 1", "1e+200"]),
}


@pytest.mark.parametrize("name", BAD_ROWS)
def test_what_cannot_be_rows_is_refused_with_the_word_and_the_place(name):
    X, words = BAD_ROWS[name]
    with pytest.raises((TypeError, ValueError)) as caught:
        mixture().fit(X)
    missing = [word for word in words if word not in str(caught.value)]
    assert not missing, f"{caught.value!r} does not say {missing}"
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    "name",
    [name for name in BAD_ROWS if name not in {"one row", "no columns", "too large to square"}],
)
def test_a_fitted_mixture_refuses_the_same(name):
    X, _ = BAD_ROWS[name]
    model = fitted()
    for method in (model.predict, model.predict_proba, model.score_samples, model.score):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "X has feature names", UserWarning)
            with pytest.raises((TypeError, ValueError)):
                method(X)


# What scikit-learn refuses too, in sentences that readers may search for.
SHARED = [
    "a number",
    "one dimension",
    "a pandas column",
    "three dimensions",
    "no rows",
    "no columns",
    "one row",
    "sparse",
    "a numpy.matrix",
    "complex",
    "rows of unequal length",
    "text among numbers",
    "a dict among numbers",
    "names of two kinds",
    "NaN",
    "infinity",
    "a missing whole number",
    "null in polars",
]


@pytest.mark.parametrize("name", SHARED)
def test_messages_begin_as_those_of_scikit_learn(name):
    X, _ = BAD_ROWS[name]
    with pytest.raises((TypeError, ValueError)) as theirs:
        Peer(2).fit(X)
    with pytest.raises(type(theirs.value)) as ours:
        mixture().fit(X)
    first_line = str(theirs.value).splitlines()[0]
    assert str(ours.value).startswith(first_line)


def test_a_refused_fit_leaves_the_last_one_as_it_was():
    model = fitted()
    means, scores = model.means_.copy(), model.score_samples(ROWS)
    with pytest.raises(ValueError, match="NaN"):
        model.fit(with_value(np.nan)[:, :2])
    assert model.n_features_in_ == 3
    np.testing.assert_array_equal(model.means_, means)
    np.testing.assert_array_equal(model.score_samples(ROWS), scores)


def test_fewer_rows_than_components():
    message = "Expected n_samples >= n_components but got n_components = 5, n_samples = 4"
    with pytest.raises(ValueError, match=message):
        mixture(n_components=5).fit(ROWS[:4])


def test_wrong_number_of_features():
    message = "X has 2 features, but GaussianMixture is expecting 3 features as input."
    with pytest.raises(ValueError, match=message):
        fitted().predict(ROWS[:, :2])


# --- Feature names ------------------------------------------------------------------------------


def test_names_that_differ_are_listed():
    model = fitted(frame())
    with pytest.raises(ValueError, match="names should match") as caught:
        model.predict(frame().rename(columns={"width": "depth"}))
    assert str(caught.value) == (
        "The feature names should match those that were passed during fit.\n"
        "Feature names unseen at fit time:\n- depth\n"
        "Feature names seen at fit time, yet now missing:\n- width\n"
    )
    with pytest.raises(ValueError, match="must be in the same order"):
        model.predict(frame()[NAMES[::-1]])


def test_names_that_come_or_go_warn():
    with pytest.warns(UserWarning, match="X does not have valid feature names, but Gaussian"):
        fitted(frame()).predict(ROWS)
    with pytest.warns(UserWarning, match="X has feature names, but GaussianMixture was fitted"):
        fitted().predict(frame())


@pytest.mark.parametrize("make", [frame, lambda: pl.DataFrame(ROWS, NAMES), lambda: arrow()])
def test_names_are_kept_and_forgotten(make):
    model = fitted(make())
    assert model.feature_names_in_.tolist() == NAMES
    assert model.feature_names_in_.dtype == object
    model.predict(make())
    model.fit(pd.DataFrame(ROWS))  # columns 0, 1, 2 are no names
    assert not hasattr(model, "feature_names_in_")


# --- What is only unusual -----------------------------------------------------------------------


def arrow(rows=ROWS):
    return pa.table(dict(zip(NAMES, rows.T, strict=True)))


def unaligned(rows):
    raw = np.frombuffer(b"x" + rows.tobytes(), dtype=np.uint8)[1:]
    return raw.view(rows.dtype).reshape(rows.shape)


def read_only(rows):
    rows = rows.copy()
    rows.flags.writeable = False
    return rows


def strided(rows):
    wide = np.zeros((2 * rows.shape[0], 3 * rows.shape[1]), rows.dtype)
    wide[::2, 1::3] = rows
    return wide[::2, 1::3]


SAME_ROWS = {
    "byte order": lambda rows: rows.astype(rows.dtype.newbyteorder()),
    "column order": np.asfortranarray,
    "negative strides": lambda rows: rows[::-1, ::-1].copy()[::-1, ::-1],
    "wide strides": strided,
    "read-only": read_only,
    "unaligned": unaligned,
    "nested lists": lambda rows: rows.tolist(),
    "objects": lambda rows: rows.astype(object),
    "long double": lambda rows: rows.astype(np.longdouble),
    "nothing masked": np.ma.asarray,
    "a memory map": lambda rows: rows.view(np.memmap),
    "a list of rows": list,
    "a memoryview": memoryview,
    "pandas": lambda rows: pd.DataFrame(rows),
    "pandas, nullable": lambda rows: pd.DataFrame(rows).astype("Float64"),
    "pandas, partly sparse": lambda rows: pd.DataFrame(rows).astype({0: pd.SparseDtype(float)}),
    "pandas, several types": lambda rows: pd.DataFrame(rows).astype({1: object}),
    "polars": lambda rows: pl.DataFrame(rows),
    "Arrow": arrow,
}


@pytest.mark.parametrize("name", SAME_ROWS)
def test_the_same_rows_in_other_clothes_give_the_same_fit(name):
    X = SAME_ROWS[name](ROWS)
    model, plain = fitted(X), fitted()
    np.testing.assert_array_equal(model.means_, plain.means_)
    np.testing.assert_array_equal(model.covariances_, plain.covariances_)
    np.testing.assert_array_equal(model.score_samples(X), plain.score_samples(ROWS))


@pytest.mark.parametrize("dtype", [bool, "i1", "u2", "i8", "f2", "f4", "f8", ">f4", ">i4"])
def test_types_of_numbers(dtype):
    X = np.rint(ROWS).astype(dtype)
    model = fitted(X)
    wanted = np.float32 if np.dtype(dtype).newbyteorder("=") in ("f2", "f4") else np.float64
    for name in ("weights_", "means_", "covariances_", "precisions_", "precisions_cholesky_"):
        assert getattr(model, name).dtype == wanted, name
    assert model.predict_proba(X).dtype == wanted
    assert model.score_samples(X).dtype == wanted


@each_type
def test_zero_strides(covariance_type):
    X = np.broadcast_to(ROWS[:, :1], (60, 3))  # three equal columns: only the ridge parts them
    model = mixture(covariance_type=covariance_type).fit(X)
    same = mixture(covariance_type=covariance_type).fit(X.copy())
    np.testing.assert_array_equal(model.means_, same.means_)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["column order", "negative strides", "wide strides", "read-only"])
def test_arrays_are_not_copied(name, dtype):
    X = SAME_ROWS[name](ROWS.astype(dtype))
    rows, _ = check_rows(X, estimator="GaussianMixture")
    assert np.shares_memory(rows, X)
    assert rows.strides == X.strides


def test_input_is_never_written_to():
    X, weights = ROWS.copy(), np.linspace(1, 2, 60)
    start = {"weights_init": [0.4, 0.6], "means_init": ROWS[[0, -1]].tolist()}
    model = mixture(**start).fit(X, sample_weight=weights)
    model.predict(X)
    np.testing.assert_array_equal(X, ROWS)
    np.testing.assert_array_equal(weights, np.linspace(1, 2, 60))
    assert model.weights_init == [0.4, 0.6]
    assert model.means_init == ROWS[[0, -1]].tolist()


# --- Weights ------------------------------------------------------------------------------------

BAD_WEIGHTS = {
    "two dimensions": (np.ones((60, 1)), ["Sample weights must be 1D array or scalar, got 2D"]),
    "too few": (np.ones(59), ["sample_weight.shape == (59,), expected (60,)!"]),
    "NaN": (np.where(np.arange(60) == 3, np.nan, 1), ["sample_weight contains NaN", "index 3"]),
    "infinity": (np.where(np.arange(60) == 3, np.inf, 1), ["contains infinity", "index 3"]),
    "negative": (1.0 - np.arange(60) / 30, ["Negative values in data passed to", "index 31"]),
    "a negative number": (-1.0, ["Negative values in data passed to `sample_weight`"]),
    "all zero": (np.zeros(60), ["Sample weights must contain at least one non-zero number"]),
    "complex": (np.ones(60) + 1j, ["Complex data not supported"]),
    "text": (["heavy"] * 60, ["string", "'heavy'", "index 0"]),
    "too large": (np.full(60, 1e308), ["too large", "sum"]),
}


@pytest.mark.parametrize("name", BAD_WEIGHTS)
def test_weights_that_are_none(name):
    weights, words = BAD_WEIGHTS[name]
    model = fitted()
    for method in (mixture().fit, model.score, model.bic, model.aic):
        with pytest.raises((TypeError, ValueError)) as caught:
            method(ROWS, sample_weight=weights)
        missing = [word for word in words if word not in str(caught.value)]
        assert not missing, f"{caught.value!r} does not say {missing}"


@pytest.mark.parametrize(
    "make", [list, pd.Series, pl.Series, lambda w: w.astype(">f4"), lambda w: w[::-1].copy()[::-1]]
)
def test_weights_in_other_clothes(make):
    weights = np.arange(60.0) % 4
    model = mixture().fit(ROWS, sample_weight=make(weights))
    plain = mixture().fit(ROWS, sample_weight=weights)
    np.testing.assert_array_equal(model.means_, plain.means_)


# --- Parameters ---------------------------------------------------------------------------------

BAD_PARAMETERS = [
    ("n_components", 0, "an int in the range [1, inf)"),
    ("n_components", 1.5, "an int in the range [1, inf)"),
    ("n_components", True, "an int in the range [1, inf)"),
    ("covariance_type", "round", "a str among {'full', 'tied', 'diag', 'spherical', 'EII', "),
    ("tol", -1.0, "a float in the range [0.0, inf)"),
    ("tol", np.nan, "a float in the range [0.0, inf)"),
    ("reg_covar", -1e-9, "a float in the range [0.0, inf)"),
    ("reg_covar", np.inf, "a float in the range [0.0, inf)"),
    ("max_iter", -1, "an int in the range [0, inf)"),
    ("n_init", 0, "an int in the range [1, inf)"),
    ("init_params", "best", "a callable or an array-like"),
    ("weights_init", 3, "an array-like or None"),
    ("means_init", "centre", "an array-like or None"),
    ("precisions_init", 1.0, "an array-like or None"),
    ("random_state", "seed", "an int in the range [0, 4294967295]"),
    ("random_state", -1, "an int in the range [0, 4294967295]"),
    ("warm_start", 1, "an instance of 'bool' or an instance of 'numpy.bool'"),
    ("verbose", -1, "an int in the range [0, inf)"),
    ("verbose_interval", 0, "an int in the range [1, inf)"),
    ("n_threads", 0, "an int in the range [1, inf) or None"),
]


@pytest.mark.parametrize(("parameter", "value", "expected"), BAD_PARAMETERS)
def test_parameters_are_judged_in_fit(parameter, value, expected):
    model = mixture(**{parameter: value})  # neither here nor in set_params
    with pytest.raises(ValueError, match=f"The '{parameter}' parameter of Gaussian") as caught:
        model.fit(ROWS)
    assert isinstance(caught.value, TypeError)  # both, as scikit-learn's
    assert f"must be {expected}" in str(caught.value) or expected in str(caught.value)
    assert str(caught.value).endswith(f"Got {value!r} instead.")


def test_parameters_of_numpys_types():
    model = mixture(n_components=np.int32(2), tol=np.float32(1e-3), max_iter=np.uint8(50))
    np.testing.assert_allclose(model.fit(ROWS).means_, fitted().means_)


START = {"weights_init": [0.4, 0.6], "means_init": ROWS[[0, -1]]}
BAD_STARTS = [
    ({"weights_init": [1.0]}, "'weights' should have the shape of (2,), but got (1,)"),
    ({"weights_init": [1.5, -0.5]}, "'weights' should be in the range [0, 1]"),
    ({"weights_init": [0.5, 0.6]}, "'weights' should be normalized, but got sum(weights) = 1.10"),
    ({"weights_init": [np.nan, 0.5]}, "NaN. The first is at index 0"),
    ({"means_init": ROWS[:1]}, "'means' should have the shape of (2, 3), but got (1, 3)"),
    ({"means_init": [[1, 2, 3], [4, np.inf, 6]]}, "infinity. The first is at row 1, column 1"),
]


@pytest.mark.parametrize(("start", "message"), BAD_STARTS)
def test_starting_values(start, message):
    with pytest.raises(ValueError, match="parameter") as caught:
        mixture(**START | start).fit(ROWS)
    assert message in str(caught.value)


def test_weights_outside_of_their_range():
    message = r"'weights' should be in the range \[0, 1\], but got 1.5 at index 0 of weights"
    with pytest.raises(ValueError, match=message):
        GaussianMixture.from_parameters([1.5, -0.5], [[0.0], [1.0]], [1, 1], covariance_type="spherical")
    with pytest.raises(ValueError, match=r"but got -0\.1 at index 0 of class_prior"):
        MixtureClassifier(1, "full", class_prior=[-0.1, 1.1]).fit(ROWS, np.arange(len(ROWS)) % 2)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.ones((3, 2)), "The parameter 'init_params' should have the shape"),
        (np.ones((len(ROWS), 2)), "Each row of init_params should sum to 1"),
    ],
)
def test_responsibilities_are_called_by_their_parameter(values, message):
    for init_params in (values, lambda X, n_components, rng: values):
        with pytest.raises(ValueError, match=message):
            mixture(init_params=init_params).fit(ROWS)


def precisions(covariance_type, n_components=2, n_features=3):
    """Return precisions that are right, by fitting."""
    X = rng.normal(size=(50, n_features))
    return mixture(n_components=n_components, covariance_type=covariance_type).fit(X).precisions_


@each_type
def test_precisions_of_the_wrong_shape(covariance_type):
    wrong = precisions(covariance_type)[:-1]
    model = mixture(covariance_type=covariance_type, precisions_init=wrong)
    message = f"'{covariance_type} precision' should have the shape of"
    with pytest.raises(ValueError, match=message) as caught:
        model.fit(ROWS)
    assert str(caught.value).endswith(f"but got {wrong.shape}")


@each_type
def test_precisions_that_are_not_positive(covariance_type):
    wrong = precisions(covariance_type).copy()
    wrong[-1] *= -1
    model = mixture(covariance_type=covariance_type, precisions_init=wrong)
    with pytest.raises(ValueError, match=f"'{covariance_type} precision' should be .*positive"):
        model.fit(ROWS)


@each_type
def test_variances_whose_inverse_is_infinite_are_refused(covariance_type):
    one = {"full": [np.eye(2)], "tied": np.eye(2), "diag": [[1.0, 1.0]], "spherical": [1.0]}[covariance_type]
    with pytest.raises(ValueError, match=r"covariance' should be .*positive.*1e-310"):
        GaussianMixture.from_parameters([1.0], [[0.0, 0.0]], np.multiply(one, 1e-310), covariance_type=covariance_type)


@each_type
def test_a_fit_to_variances_whose_inverse_is_infinite_fails(covariance_type):
    with pytest.raises(ValueError, match="ill-defined"):
        mixture(covariance_type=covariance_type, reg_covar=0).fit(ROWS * 1e-156)
    assert np.isfinite(mixture(covariance_type=covariance_type, reg_covar=0).fit(ROWS * 1e-152).precisions_).all()


def test_the_component_that_is_not_positive_definite_is_named():
    wrong = np.array([np.eye(3), -np.eye(3)])
    with pytest.raises(ValueError, match="component 1 is not positive-definite"):
        mixture(precisions_init=wrong).fit(ROWS)
    wrong[1] = [[2, 1, 0], [0, 2, 0], [0, 0, 2]]
    with pytest.raises(ValueError, match=r"component 1 has 1 at \(0, 1\) and 0 at \(1, 0\)"):
        mixture(precisions_init=wrong).fit(ROWS)


def responsibilities():
    return np.repeat(np.eye(2), 30, axis=0)


BAD_RESPONSIBILITIES = {
    "shape": (responsibilities()[:, :1], r"shape of \(60, 2\), but got \(60, 1\)"),
    "negative": (with_value(-1, 5, 0, responsibilities()), "row 5, column 0"),
    "sum": (with_value(0.5, 5, 1, responsibilities()), r"sum of row 5 is 1\.5"),
    "NaN": (with_value(np.nan, 5, 1, responsibilities()), "NaN.*row 5, column 1"),
}


@pytest.mark.parametrize("name", BAD_RESPONSIBILITIES)
@pytest.mark.parametrize("called", [False, True], ids=["array", "callable"])
def test_responsibilities_to_begin_with(name, called):
    wrong, message = BAD_RESPONSIBILITIES[name]
    start = (lambda X, n_components, rng: wrong) if called else wrong
    with pytest.raises(ValueError, match=message):
        mixture(init_params=start).fit(ROWS)


def test_a_callback_that_cannot_be_called():
    with pytest.raises(TypeError, match="callback must be a callable"):
        mixture().fit(ROWS, callback=3)


@pytest.mark.parametrize("n_samples", [0, -1, 1.5, "many"])
def test_a_number_of_rows_that_cannot_be_sampled(n_samples):
    with pytest.raises(ValueError, match="Invalid value for 'n_samples'"):
        fitted().sample(n_samples)


# --- A mixture from its numbers -----------------------------------------------------------------


def numbers():
    return {"weights": [0.5, 0.5], "means": np.zeros((2, 3)), "covariances": [np.eye(3)] * 2}


BAD_NUMBERS = [
    ({"weights": [0.5, 0.4]}, r"sum\(weights\) = 0\.90000"),
    ({"means": np.zeros(2)}, r"shape of \(n_components, n_features\), but got \(2,\)"),
    ({"means": with_value(np.nan, 1, 2, np.zeros((2, 3)))}, "NaN. The first is at row 1, column 2"),
    ({"feature_names": ["a", "b"]}, "Expected 3 feature names, .* got 2"),
    ({"covariances": np.eye(3)}, r"shape of \(2, 3, 3\), but got \(3, 3\)"),
    ({"covariances": [np.eye(3), np.zeros((3, 3))]}, "component 1 is not positive-definite"),
]


@pytest.mark.parametrize(("wrong", "message"), BAD_NUMBERS)
def test_numbers_that_make_no_mixture(wrong, message):
    GaussianMixture.from_parameters(**numbers())
    with pytest.raises(ValueError, match=message):
        GaussianMixture.from_parameters(**numbers() | wrong)


@pytest.mark.parametrize("interval", ["(0, 1)", "[0, 1)", "(0, 1]", "[0, 1]"])
def test_single_numbers_of_an_interval(interval):
    ends = ["[" in interval, "]" in interval]
    inside = [0.5, np.float32(0.25), Fraction(1, 3), *np.array([0, 1])[ends]]
    assert [check_real(value, "x", interval) for value in inside] == [float(value) for value in inside]
    for value in (-1e-300, 2, np.nan, np.inf, 10**400, "0.5", None, True, 0.5j, *np.array([0, 1])[np.invert(ends)]):
        with pytest.raises(InvalidParameterError, match=rf"expected x to be a number in {re.escape(interval)}, got"):
            check_real(value, "x", interval)


LONG = 10**400  # more than any float


@pytest.mark.parametrize("parameter", ["tol", "reg_covar", "max_ratio", "degrees_of_freedom", "noise", "trim"])
def test_parameters_are_not_beyond_all_floats(parameter):
    tails = {"tails": "t"} if parameter == "degrees_of_freedom" else {}
    with pytest.raises(InvalidParameterError, match=f"The '{parameter}' parameter"):
        GaussianMixture(2, **tails, **{parameter: LONG}).fit(ROWS)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: GaussianMixture(2, prior=NormalInverseWishart(dof=LONG)).fit(ROWS), "finite number for prior.dof"),
        (lambda: GaussianMixture(2, prior=NormalInverseWishart(scale=LONG)).fit(ROWS), "finite number for prior.scale"),
        (lambda: select(ROWS, 1, time_limit=LONG), "time_limit, in seconds, to be a number"),
        (lambda: FITTED.predict_from(ROWS[:, :1], [0], level=LONG), "level between 0 and 1"),
        (lambda: FITTED.condition({0: LONG}), "a finite number for column 0"),
    ],
)
def test_numbers_beyond_all_floats_are_refused_by_name(call, told):
    with pytest.raises(ValueError, match=told):
        call()


def test_single_whole_numbers():
    assert [check_whole(value, "n", 2, 5) for value in (2, np.int8(5))] == [2, 5]
    assert check_whole(10**30, "n") == 10**30
    for value in (1, 6, 2.0, True, "3", None, np.bool_(True)):
        with pytest.raises(InvalidParameterError, match="from 2 to 5, got"):
            check_whole(value, "n", 2, 5)


@pytest.mark.parametrize("place", ["rows.csv", Path("rows.parquet")], ids=str)
def test_a_path_is_told_how_to_be_opened(place):
    with pytest.raises(TypeError, match=rf"for X, got .*{place}.*gmm\.open_rows\("):
        GaussianMixture(2).fit(place)


def test_a_model_in_the_place_of_rows_and_rows_in_that_of_a_number():
    with pytest.raises(TypeError, match=r"for X, got GaussianMixture.*A model has no rows"):
        plot_pairs(fitted(), ROWS)
    with pytest.raises(TypeError, match=r"in n_components, got ndarray of shape \(60, 3\)$"):
        stability(fitted(), ROWS)
    with pytest.raises(InvalidParameterError, match=r"from 1, got ndarray of shape \(60, 3\)$"):
        check_whole(ROWS, "n_init")

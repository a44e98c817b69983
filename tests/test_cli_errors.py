"""`--errors`: columns of standard errors on the command line."""

import numpy as np
import pandas as pd
import pytest

from command import fails, labels_in, ok, result_in, table, text_in, write
from gmm import GaussianMixture, load, select

pytestmark = pytest.mark.needs("pyarrow", "rich")
SEARCH = ("--components", "1:3", "--covariance", "EEE,VVV")
BOTH = ("--errors", "sx,sy")


@pytest.fixture
def rows(tmp_path, monkeypatch):
    """Rows of two groups with their errors, in the working directory as table.csv."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(300, 2)) * [1, 0.3] + 4 * (rng.uniform(size=(300, 1)) < 0.5)
    errors = rng.uniform(0.1, 1.5, size=values.shape)
    monkeypatch.chdir(tmp_path)
    X = values + errors * rng.normal(size=values.shape)
    written(tmp_path, X, errors)
    return tmp_path, X, errors


def written(place, X, errors):
    write(place / "table.csv", ["x", "y", "sx", "sy"], *X.T.tolist(), *errors.T.tolist())


def fit(*words):
    ok("fit", "table.csv", *SEARCH, "--quiet", "--out", ".", *words)
    return load("model.gmm")


def found(X, errors, **how):
    return select(X, (1, 2, 3), ["EEE", "VVV"], error_covariance=errors**2, random_state=0, **how).best


@pytest.mark.parametrize("how", [(), ("--blocks",), ("--columns", "x,y"), ("--scale",)], ids=" ".join)
def test_the_search_is_that_of_python(rows, how):
    place, X, errors = rows
    best = found(X, errors, standardize="--scale" in how)
    np.testing.assert_array_equal(fit(*BOTH, *how).means_, best.means_)
    np.testing.assert_array_equal(np.int64(labels_in(place)["component"]), best.predict(X, error_covariance=errors**2))
    data = result_in(place)["data"]
    assert data["columns"] == ["x", "y"]
    assert not [note for note in data["notes"] if "missing" in note or "factors" in note]


def test_columns_are_matched_in_the_order_of_the_names_and_rows_keep_their_errors(rows):
    place, X, errors = rows
    turned = fit("--columns", "y,x", "--errors", "sy,sx").means_
    np.testing.assert_allclose(turned, found(X[:, ::-1], errors[:, ::-1]).means_)
    X[::7, 0] = np.nan
    written(place, X, errors)
    left = ~np.isnan(X).any(axis=1)
    np.testing.assert_allclose(fit(*BOTH, "--drop-missing").means_, found(X[left], errors[left]).means_)
    np.testing.assert_allclose(fit(*BOTH, "--missing", "em").means_, found(X, errors, missing="em").means_)


def test_predictions_are_beside_errors_which_missing_values_do_not_need(rows):
    place, X, errors = rows
    GaussianMixture(2, random_state=0).fit(X, error_covariance=errors**2).save("of_python.gmm")
    predict = ("predict", "of_python.gmm", "table.csv", *BOTH, "--out", "p.csv")
    assert not ok(*predict).stderr, "the columns of errors are of use"
    labels = np.int64(table(text_in(place / "p.csv"))["component"])
    np.testing.assert_array_equal(labels, load("of_python.gmm").predict(X, error_covariance=errors**2))
    X[::7, 0] = errors[::7, 0] = np.nan
    written(place, X, errors)
    model = fit(*BOTH, "--missing", "em")
    ok("predict", "model.gmm", *predict[2:])
    labels, frame = np.int64(table(text_in(place / "p.csv"))["component"]), pd.DataFrame(X, columns=["x", "y"])
    np.testing.assert_array_equal(labels, model.predict(frame, error_covariance=errors**2))


@pytest.mark.usefixtures("rows")
def test_what_does_not_go_is_refused():
    for name, *how in (("bayesian", "--bayesian", "--max-components", "2"), ("plain", *SEARCH)):
        ok("fit", "table.csv", "--columns", "x,y", *how, "--out", name)
    search = ("fit", "table.csv", *SEARCH)
    for code, words, parts in (
        (2, (*search, "--errors", "sx"), ["--errors sx", "'x', 'y', 'sy'", "got 1", "--columns"]),
        (1, (*search, "--errors", "sx,nothing"), ["'nothing'", "'sx'"]),
        (2, (*search, *BOTH, "--tails", "t"), ["--tails", "--errors"]),
        (2, ("fit", "table.csv", *BOTH, "--bayesian"), ["--bayesian", "--errors"]),
        (1, (*search, "--columns", "x,y", "--errors", "sx,y"), ["--errors names column 'y', which is fitted"]),
        (2, ("predict", "bayesian/model.gmm", "table.csv", *BOTH), ["cannot be combined with a mixture of --bayesian"]),
        (1, ("predict", "plain/model.gmm", "table.csv", "--errors", "sx,y"), ["column 'y', which is fitted"]),
    ):
        fails(code, *words, tells=parts)


@pytest.mark.parametrize("value", [-1.0, np.nan, np.inf, 1e200])
def test_a_wrong_error_is_named_by_column_and_row(rows, value):
    place, X, errors = rows
    errors[4, 1] = value
    written(place, X, errors)
    fails(1, "fit", "table.csv", *SEARCH, *BOTH, tells=["'sy'", "row 5", "--missing em"])

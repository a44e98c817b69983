"""`--errors`: columns of standard errors on the command line."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gmm import GaussianMixture, load, select
from inside import main

pytestmark = pytest.mark.needs("pyarrow", "rich")
SEARCH = ("--components", "1:3", "--covariance", "EEE,VVV")


@pytest.fixture
def table(tmp_path, monkeypatch):
    """Rows of two groups with their errors, in the working directory as table.csv."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(300, 2)) * [1, 0.3] + 4 * (rng.uniform(size=(300, 1)) < 0.5)
    errors = rng.uniform(0.1, 1.5, size=values.shape)
    monkeypatch.chdir(tmp_path)
    X = values + errors * rng.normal(size=values.shape)
    write("table.csv", np.hstack([X, errors]))
    return X, errors


def write(path, numbers, names="x,y,sx,sy"):
    np.savetxt(path, numbers, delimiter=",", header=names, comments="", fmt="%.17g")


def fit(*words):
    return main(["fit", "table.csv", *SEARCH, "--quiet", "--out", "out", *words])


@pytest.mark.parametrize("how", [(), ("--blocks",), ("--columns", "x,y"), ("--scale",)], ids=" ".join)
def test_the_search_is_that_of_python(table, how):
    X, errors = table
    assert fit("--errors", "sx,sy", *how) == 0
    scale = "--scale" in how
    found = select(X, (1, 2, 3), ["EEE", "VVV"], error_covariance=errors**2, random_state=0, standardize=scale)
    model = load("out/model.gmm")
    np.testing.assert_array_equal(model.means_, found.best.means_)
    labels = np.loadtxt("out/labels.csv", delimiter=",", skiprows=1, usecols=1)
    np.testing.assert_array_equal(labels, found.best.predict(X, error_covariance=errors**2))
    document = json.loads(Path("out/result.json").read_text(encoding="utf-8"))
    assert document["data"]["columns"] == ["x", "y"]
    assert not [note for note in document["data"]["notes"] if "missing" in note or "factors" in note]


def test_columns_are_matched_in_the_order_of_the_names(table):
    X, errors = table
    assert fit("--columns", "y,x", "--errors", "sy,sx") == 0
    found = select(X[:, ::-1], (1, 2, 3), ["EEE", "VVV"], error_covariance=errors[:, ::-1] ** 2, random_state=0)
    np.testing.assert_allclose(load("out/model.gmm").means_, found.best.means_)


def test_predictions_are_beside_errors(table, capsys):
    X, errors = table
    mixture = GaussianMixture(2, random_state=0).fit(X, error_covariance=errors**2)
    mixture.save("model.gmm")
    assert main(["predict", "model.gmm", "table.csv", "--errors", "sx,sy", "--out", "labels.csv"]) == 0
    assert not capsys.readouterr().err, "the columns of errors are of use"
    labels = np.loadtxt("labels.csv", delimiter=",", skiprows=1, usecols=1)
    np.testing.assert_array_equal(labels, mixture.predict(X, error_covariance=errors**2))


def test_rows_that_are_left_out_take_their_errors_along(table):
    X, errors = table
    X[::7, 0] = np.nan
    write("table.csv", np.hstack([X, errors]))
    left = ~np.isnan(X).any(axis=1)
    assert fit("--errors", "sx,sy", "--drop-missing") == 0
    found = select(X[left], (1, 2, 3), ["EEE", "VVV"], error_covariance=errors[left] ** 2, random_state=0)
    np.testing.assert_allclose(load("out/model.gmm").means_, found.best.means_)
    assert fit("--errors", "sx,sy", "--missing", "em") == 0
    found = select(X, (1, 2, 3), ["EEE", "VVV"], error_covariance=errors**2, missing="em", random_state=0)
    np.testing.assert_allclose(load("out/model.gmm").means_, found.best.means_)


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (("--errors", "sx"), ["--errors sx", "'x', 'y', 'sy'", "got 1", "--columns"]),
        (("--errors", "sx,nothing"), ["'nothing'", "'sx'"]),
        (("--errors", "sx,sy", "--bayesian"), ["--bayesian", "--errors"]),
        (("--errors", "sx,sy", "--tails", "t"), ["--tails", "--errors"]),
    ],
    ids=lambda value: " ".join(value),
)
def test_what_does_not_go_is_refused(table, capsys, words, parts):
    bayesian = "--bayesian" in words
    assert main(["fit", "table.csv", *(() if bayesian else SEARCH), *words]) in (1, 2)
    error = capsys.readouterr().err
    assert all(part in error for part in parts), error


def test_a_missing_value_needs_no_error(table):
    X, errors = table
    X[::7, 0] = errors[::7, 0] = np.nan
    write("table.csv", np.hstack([X, errors]))
    assert fit("--errors", "sx,sy", "--missing", "em") == 0
    assert main(["predict", "out/model.gmm", "table.csv", "--errors", "sx,sy", "--out", "labels.csv"]) == 0
    labels, frame = np.loadtxt("labels.csv", delimiter=",", skiprows=1, usecols=1), pd.DataFrame(X, columns=["x", "y"])
    np.testing.assert_array_equal(labels, load("out/model.gmm").predict(frame, error_covariance=errors**2))


def test_a_variational_mixture_predicts_without_errors(table, capsys):
    assert main(["fit", "table.csv", "--columns", "x,y", "--bayesian", "--max-components", "2", "--out", "out"]) == 0
    capsys.readouterr()
    assert main(["predict", "out/model.gmm", "table.csv", "--errors", "sx,sy"]) == 2
    assert "--errors cannot be combined with a mixture of --bayesian" in capsys.readouterr().err


@pytest.mark.parametrize("value", [-1.0, np.nan, np.inf, 1e200])
def test_a_wrong_error_is_named_by_column_and_row(table, capsys, value):
    X, errors = table
    errors[4, 1] = value
    write("table.csv", np.hstack([X, errors]))
    assert fit("--errors", "sx,sy") == 1
    error = capsys.readouterr().err
    assert "'sy'" in error
    assert "row 5" in error
    assert "--missing em" in error


def test_the_errors_are_other_columns_than_those_of_the_model(table, capsys):
    X, _ = table
    GaussianMixture(2, random_state=0).fit(pd.DataFrame(X, columns=["x", "y"])).save("model.gmm")
    assert main(["predict", "model.gmm", "table.csv", "--errors", "sx,y"]) == 1
    assert "--errors names column 'y', which is fitted" in capsys.readouterr().err
    assert fit("--columns", "x,y", "--errors", "sx,y") == 1
    assert "--errors names column 'y', which is fitted" in capsys.readouterr().err

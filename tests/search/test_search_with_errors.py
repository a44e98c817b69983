"""Searches over rows with known errors: every cell is of the values without errors; `--errors` asks for the same."""

import functools

import numpy as np
import pandas as pd
import pytest

from command import fails, labels_in, ok, result_in, table, text_in, write
from gmm import GaussianMixture, GaussianMixtureSearch, load, select
from tables import refused

TYPES = ["EEE", "VVV"]


def blurred(n=400, n_errors=None):
    """Rows of three groups, whose variances of errors are their own or a few."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(n, 2)) * [1, 0.3] + np.array([[0, 0], [4, 0], [2, 3]])[rng.integers(3, size=n)]
    variances = rng.uniform(0.1, 1.2, size=(n_errors or n, 2)) ** 2
    variances = variances if n_errors is None else variances[rng.integers(n_errors, size=n)]
    return values + rng.normal(size=(n, 2)) * np.sqrt(variances), variances


def search(X, variances, n_components=range(1, 5), types=TYPES, **how):
    return select(X, n_components, types, error_covariance=variances, random_state=0, **how)


@functools.cache
def usual(n_errors=None):
    return search(*blurred(n_errors=n_errors))


@pytest.mark.parametrize("n_errors", [None, 10])
def test_the_groups_are_found_and_criteria_are_those_of_each_cell(n_errors):
    X, variances = blurred(n_errors=n_errors)
    found = usual(n_errors)
    for i, mixture in enumerate(found.estimators):
        for name, value in mixture.criteria(X, error_covariance=variances).items():
            assert getattr(found, name)[i] == pytest.approx(value, rel=1e-6)
    assert found.best.n_components == 3
    assert not found.notes, "nothing of factors"


@pytest.mark.parametrize(("criterion", "likely"), [("icl", [3]), ("nec", [2]), ("held_out", [3, 4])])
def test_other_criteria_choose_too(criterion, likely):
    found = search(*blurred(), types=["VVV"], criterion=criterion)
    assert found.best.n_components in likely
    assert np.isfinite(getattr(found, criterion)).all()


def test_units_do_not_matter_to_a_search_in_standard_deviations():
    X, variances = blurred()
    one, other = (search(X * unit, variances * np.square(unit), standardize=True) for unit in ([1, 1], [1, 128]))
    np.testing.assert_allclose(other.bic, one.bic + 2 * len(X) * np.log(128), atol=0.1)
    np.testing.assert_allclose(one.bic, usual().bic, atol=0.5)
    refused("error_covariance", one.best.bic, X)
    np.testing.assert_allclose(search(X, variances[:, :, None] * np.eye(2), standardize=True).bic, one.bic, atol=0.1)


def test_starts_race_on_a_sample_with_its_errors():
    X, variances = blurred(24_000, n_errors=8)
    found = search(X, variances, [3], ["VVV"])
    single = GaussianMixture(3, random_state=0, tol=1e-6, max_iter=1000).fit(X, error_covariance=variances)
    assert found.best.lower_bound_ > single.lower_bound_ - 0.25 / len(X)


def test_the_estimator_takes_them_and_what_does_not_go_with_them_is_refused():
    X, variances = blurred()
    found = GaussianMixtureSearch(range(1, 5), TYPES, random_state=0).fit(X, error_covariance=variances)
    np.testing.assert_array_equal(found.selection_.bic, usual().bic)
    refused(r"error_covariance of shape \(400, 2\)", search, X, variances[:-1])
    refused("heavy tails cannot be combined with error_covariance", search, X, variances, tails=("normal", "t"))


@pytest.mark.parametrize("n_errors", [None, 2])
def test_units_whose_fourth_powers_overflow_change_nothing(n_errors):
    (X, variances), how = blurred(150, n_errors=n_errors), {"types": ["EII", "VVI", "VVV"], "n_components": [1, 3]}
    plain = search(X, variances, **how)
    for exponent in (-260, 255, 460):
        scaled = search(X * 2.0**exponent, variances * 4.0**exponent, **how)
        np.testing.assert_allclose(scaled.bic - 2 * X.size * exponent * np.log(2), plain.bic, atol=1e-3)
        assert scaled.status == plain.status


# --- On the command line --------------------------------------------------------------------------


on_command_line = pytest.mark.needs("pyarrow", "rich")
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


def fit(*words, search=SEARCH):
    ok("fit", "table.csv", *search, "--quiet", "--out", ".", *words)
    return load("model.gmm")


def found(X, errors, **how):
    return select(X, (1, 2, 3), ["EEE", "VVV"], error_covariance=errors**2, random_state=0, **how).best


@on_command_line
@pytest.mark.parametrize("how", [(), ("--columns", "x,y"), ("--scale",)], ids=" ".join)
def test_the_search_is_that_of_python(rows, how):
    place, X, errors = rows
    best = found(X, errors, standardize="--scale" in how)
    np.testing.assert_array_equal(fit(*BOTH, *how).means_, best.means_)
    np.testing.assert_array_equal(np.int64(labels_in(place)["component"]), best.predict(X, error_covariance=errors**2))
    data = result_in(place)["data"]
    assert data["columns"] == ["x", "y"]
    assert not [note for note in data["notes"] if "missing" in note or "factors" in note]


@on_command_line
def test_columns_are_matched_in_the_order_of_the_names_and_rows_keep_their_errors(rows):
    place, X, errors = rows
    turned = fit("--columns", "y,x", "--errors", "sy,sx").means_
    np.testing.assert_allclose(turned, found(X[:, ::-1], errors[:, ::-1]).means_)
    X[::7, 0] = np.nan
    written(place, X, errors)
    left = ~np.isnan(X).any(axis=1)
    np.testing.assert_allclose(fit(*BOTH, "--drop-missing").means_, found(X[left], errors[left]).means_)
    np.testing.assert_allclose(fit(*BOTH, "--missing", "em").means_, found(X, errors, missing="em").means_)


@on_command_line
def test_predictions_are_beside_errors_which_missing_values_do_not_need(rows):
    place, X, errors = rows

    def predicted():
        done = ok("predict", "model.gmm", "table.csv", *BOTH, "--out", "p.csv")
        assert "'sx'" not in done.stderr, "the columns of errors are of use"
        return np.int64(table(text_in(place / "p.csv"))["component"])

    mixture = GaussianMixture(2, random_state=0).fit(X, error_covariance=errors**2)
    mixture.save("model.gmm")
    np.testing.assert_array_equal(predicted(), mixture.predict(X, error_covariance=errors**2))
    X[::7, 0] = errors[::7, 0] = np.nan
    written(place, X, errors)
    frame, mixture = pd.DataFrame(X, columns=["x", "y"]), fit(*BOTH, "--missing", "em")
    np.testing.assert_array_equal(predicted(), mixture.predict(frame, error_covariance=errors**2))


@on_command_line
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


@on_command_line
@pytest.mark.parametrize("value", [-1.0, np.nan, np.inf, 1e200])
def test_a_wrong_error_is_named_by_column_and_row(rows, value):
    place, X, errors = rows
    errors[4, 1] = value
    written(place, X, errors)
    fails(1, "fit", "table.csv", *SEARCH, *BOTH, tells=["'sy'", "row 5", "--missing em"])

"""What fitted mixtures are used for, with rows of which some values are missing."""

import re
from functools import partial

import numpy as np
import pytest

import gmm
import inside
from command import ok, text_in
from gmm import GaussianMixture
from inside import NO_NOISE, box_of, covariance_model, to_search_units
from tables import APPLES, assert_same, groups_with_gaps, incomplete, refused


def test_the_information_is_that_of_the_values_that_are_there():
    """Sizes of 18 apples and worms of 12: of the size, the errors are those of all 18; of the worms, by a Hessian."""
    fit = GaussianMixture(1, missing="em", reg_covar=0, tol=1e-14, max_iter=2000).fit(APPLES)
    errors = gmm.inference.standard_errors(fit, APPLES, method="information")
    mean, S = fit.means_[0], fit.covariances_[0]
    at = np.array([*mean, S[0, 0], S[0, 1], S[1, 1]])

    def log_likelihood(point):
        model = GaussianMixture.from_parameters([1.0], point[None, :2], point[[2, 3, 3, 4]].reshape(1, 2, 2))
        return model.set_params(missing="em").log_likelihood(APPLES)

    steps = np.diag(1e-3 * np.sqrt([S[0, 0], S[1, 1], S[0, 0] ** 2, S[0, 0] * S[1, 1], S[1, 1] ** 2]))
    hessian, signs = np.zeros((5, 5)), [(1, 1), (1, -1), (-1, 1), (-1, -1)]
    for p, q in np.ndindex(5, 5):
        apart = sum(i * j * log_likelihood(at + i * steps[p] + j * steps[q]) for i, j in signs)
        hessian[p, q] = apart / (4 * steps[p, p] * steps[q, q])
    expected = np.sqrt(np.diag(np.linalg.inv(-hessian)))
    np.testing.assert_allclose(errors.means[0], expected[:2], rtol=1e-3)
    np.testing.assert_allclose(errors.covariances[0][np.triu_indices(2)], expected[2:], rtol=1e-3)
    assert errors.means[0, 0] == pytest.approx(np.sqrt(S[0, 0] / 18), rel=1e-6)


@pytest.mark.parametrize("how", [{}, {"noise": True}])
def test_refits_to_rows_with_gaps_agree_with_the_information(how):
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal([-6, 0], 1, (300, 2)), rng.normal([6, 1], [1, 2], (200, 2))])
    if how:
        X = np.concatenate([X, rng.uniform(-20, 20, (40, 2))])
    X[rng.random(len(X)) < 0.4, 1] = np.nan
    fit = GaussianMixture(2, missing="em", tol=1e-9, max_iter=2000, random_state=0, **how).fit(X)
    by_information = gmm.inference.standard_errors(fit, X, method="information")
    for method in ("weighted-bootstrap", "bootstrap"):
        errors = gmm.inference.standard_errors(fit, X, method=method, n_replicates=100, random_state=0)
        assert_same(errors, by_information, rtol=0.25, names=("means", "weights"))
        assert errors.n_left_out == 0
    if not how:  # the column without gaps has the errors that it has alone
        alone = GaussianMixture(2, random_state=0).fit(X[:, :1])
        whole = gmm.inference.standard_errors(alone, X[:, :1], method="information")
        np.testing.assert_allclose(by_information.means[:, 0], whole.means[:, 0], rtol=0.02)


@pytest.mark.needs("jinja2", "matplotlib", "pyarrow", "rich")
def test_a_report_of_rows_with_gaps_says_how_sure_its_numbers_are_and_what_is_missing(tmp_path):
    X = groups_with_gaps(n=150, d=3)
    np.savetxt(tmp_path / "gaps.csv", X, delimiter=",", header="a,b,c", comments="")
    words = "fit gaps.csv --components 2 --covariance VVV --missing em --report --plot p.png"
    done, page = ok(*words.split(), cwd=tmp_path), text_in(tmp_path / "report.html")
    assert "Weights and means ± their standard errors" in page
    assert "groups overlap" in page or "The two groups most alike" in page
    told = f"{np.isnan(X).any(axis=1).sum()} rows have missing values, drawn at their conditional means"
    assert page.count(f"{told}.") == 4
    assert told in done.stderr
    text = re.sub(r"<(style|script|svg).*?</\1>", "", page, flags=re.DOTALL)
    assert "nan" not in re.sub(r"<[^>]+>", " ", text).split()
    assert ">missing</td>" in text  # a value of an uncertain row
    column = X[:, 1][~np.isnan(X[:, 1])]
    lines = text[text.index("how many are missing") :].split("<tr>")
    _, *cells = re.findall(r">([^<>]+)</t[hd]>", next(line for line in lines if ">b</t" in line))
    assert cells[-1] == str(150 - len(column))
    assert float(cells[-2]) == pytest.approx(column.std(), rel=1e-2)


@pytest.mark.needs("jinja2", "matplotlib", "pyarrow", "rich")
def test_a_report_without_refits_says_why_and_keeps_the_overlap(tmp_path):
    np.save(tmp_path / "light.npy", np.column_stack([groups_with_gaps(n=200, share=0.0), np.full(200, 0.01)]))
    words = "fit light.npy --weight-column x4 --components 2 --covariance VVV --report --quiet"
    ok(*words.split(), cwd=tmp_path)
    page = text_in(tmp_path / "report.html")
    assert "Weights and means ± their standard errors" not in page
    assert "fewer rows than free parameters" in page
    assert "sample_weight" not in page.partition("No standard errors are given")[2].partition("</p>")[0]
    assert "groups overlap" in page or "The two groups most alike" in page


def test_directions_are_of_the_values_that_are_there():
    """Of most of a column away, the mean and covariance of completed rows would be far too small in it."""
    X = groups_with_gaps(n=2000, d=3, share=0.0)
    rng = np.random.default_rng(1)
    X[:, 2] += 3 * X[:, 0]
    holed = np.where((rng.random(X.shape) < 0.6) & (np.arange(3) == 2), np.nan, X)
    fit = GaussianMixture(2, missing="em", random_state=0).fit(holed)
    one = GaussianMixture(1, missing="em", reg_covar=0, tol=1e-12, max_iter=1000).fit(holed)
    found = gmm.analysis.directions(fit, holed)
    np.testing.assert_allclose(found.centre, one.means_[0], rtol=1e-5)
    np.testing.assert_allclose(found.scales, np.sqrt(np.diag(one.covariances_[0])), rtol=1e-4)
    unit = found.matrix @ one.covariances_[0] @ found.matrix.T
    np.testing.assert_allclose(unit, np.eye(len(unit)), atol=1e-4)
    np.testing.assert_allclose(found.scales, gmm.analysis.directions(fit, X).scales, rtol=0.05)


@pytest.mark.parametrize("zero", [False, True])
def test_the_box_of_noise_is_that_of_the_values_that_are_there(zero):
    given = np.array([[0.0, 1.0], [1.0, np.nan], [2.0, 4.0], [9.0, 9.0]])
    source = incomplete(given, np.array([1.0, 1.0, 1.0, 0.0 if zero else 2.0]))
    np.testing.assert_array_equal(box_of(source), [[0, 1], [2, 4] if zero else [9, 9]])


@pytest.mark.parametrize("weighted", [False, True])
def test_units_of_a_search_are_those_of_the_values_that_are_there(weighted):
    """So that a cell has the same result whatever other models are searched."""
    X = groups_with_gaps(n=300, d=3, share=0.4) * [1.0, 10.0, 100.0]
    weight = np.random.default_rng(0).integers(0, 3, len(X)).astype(float) if weighted else None
    how = {"missing": "em", "standardize": True, "sample_weight": weight, "random_state": 0}
    alone, beside = (gmm.select(X, [2], models, **how) for models in (["EII"], ["EII", "VVV"]))
    assert alone.bic[0] == pytest.approx(beside.bic[list(beside.covariance_type).index("EII")], abs=0.05)
    w = np.ones(len(X)) if weight is None else weight
    there = ~np.isnan(X) * w[:, None]
    centre = np.nansum(there * np.nan_to_num(X), axis=0) / there.sum(axis=0)
    deviations = np.sqrt(np.nansum(there * (X - centre) ** 2, axis=0) / there.sum(axis=0))
    units = to_search_units(incomplete(X, weight), NO_NOISE, standardize=True)[2]
    np.testing.assert_allclose(units.scales, deviations, rtol=1e-12)


@pytest.mark.parametrize("package", ["pandas", "polars"])
def test_a_data_frame_has_gaps_of_its_own_and_is_filled_as_one(package):
    package = pytest.importorskip(package)
    holed = groups_with_gaps()
    names = [f"column {j}" for j in range(holed.shape[1])]
    columns = [[None if np.isnan(value) else value for value in x] for x in holed.T.tolist()]
    frame = package.DataFrame(dict(zip(names, columns, strict=True)))
    if hasattr(frame, "index"):
        frame.index += 5
    fit, of_array = (GaussianMixture(2, missing="em", random_state=0).fit(rows) for rows in (frame, holed))
    np.testing.assert_array_equal(fit.means_, of_array.means_)
    filled = fit.impute(frame)
    assert type(filled) is type(frame)
    assert list(filled.columns) == names
    assert next(iter(getattr(filled, "index", [5]))) == 5
    np.testing.assert_array_equal(filled.to_numpy(), of_array.impute(holed))
    fit.predict(filled)  # without a warning of names


def test_a_prior_of_gaps_without_variance_is_that_of_filled_rows_and_such_columns_keep_their_unit():
    X = np.array([[0.0, 1.0], [1.0, np.nan], [2.0, 1.0], [3.0, 1.0], [np.nan, 1.0]])
    for part in inside.mean_and_covariance(covariance_model("full"), incomplete(X)):
        assert np.isfinite(part).all()
    X = np.column_stack([groups_with_gaps(n=100, d=2), np.full(100, 1e6)])
    X[::3, 2] = np.nan
    assert to_search_units(incomplete(X), NO_NOISE, standardize=True)[2].scales[2] == 1


@pytest.mark.parametrize("weight", [None, np.repeat([0.0, 1.0], [3, 2])])
def test_rows_that_say_nothing_are_refused_wherever_rows_are_summed(weight):
    X, rows = np.random.default_rng(0).normal(size=(60, 2)), np.full((5, 2), np.nan)
    mixture = GaussianMixture(2, missing="em", random_state=0).fit(X)
    if weight is not None:
        rows[:3] = 1.0
    uses = (partial(use, mixture) for use in (gmm.analysis.combine_components, gmm.analysis.directions))
    for call in (mixture.partial_fit, mixture.score, *uses):
        refused("at least one row with a value, got 5 without any, or of weight 0", call, rows, sample_weight=weight)
    if weight is None:
        refused("at least one row with a value", mixture.partial_fit, gmm.open_rows(lambda: iter([rows])))
    X[1:, 1] = np.nan
    with pytest.raises(ValueError, match="column 1 of X in rows of positive weight are missing"):
        GaussianMixture(2, missing="em").fit(X, sample_weight=np.arange(60.0))


@pytest.mark.parametrize("types", [["VVV"], ["VVV", "VVI", "EII"]])
def test_one_component_beside_noise_is_the_same_for_criteria_and_searches(types):
    """The better of two optima, whatever the gaps of the rows are filled with."""
    rng = np.random.default_rng(33)
    X = np.array([[0.0, 0.0], [5.0, 0.0], [0.0, 6.0]])[rng.integers(0, 3, 100)] + rng.normal(size=(100, 4))[:, :2]
    X[:33] = rng.uniform(-15, 15, (33, 2))
    X[rng.random(X.shape) < 0.2] = np.nan
    found = gmm.select(X, [2], types, noise=True, missing="em", random_state=0)
    for nec, mixture in zip(found.nec, found.estimators, strict=True):
        assert mixture.criteria(X)["nec"] == pytest.approx(nec, rel=1e-6)

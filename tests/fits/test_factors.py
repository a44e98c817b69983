"""Mixtures of factor analysers: against the slow twin, scikit-learn and closed forms, and beside other features."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gmm
import reference
from command import json_of, ok
from gmm import BayesianGaussianMixture, GaussianMixture, GaussianMixtureSearch, NormalInverseWishart, select
from inside import SingularMatrixError, covariance_model, mstep, percent
from tables import cases, factor_groups, refused, reloaded

KINDS = ("factor", "ppca")
every_kind = pytest.mark.parametrize("kind", KINDS)
few = settings(max_examples=settings.default.max_examples // 2)
sizes = {"seed": st.integers(0, 2**16), "d": st.integers(2, 7), "q": st.integers(1, 3), "spread": st.floats(0, 3)}
pytestmark = pytest.mark.filterwarnings("ignore:Best performing initialization")


def scatter(seed, d, n=None, spread=1.0):
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(n or 3 * d, d)) @ (np.eye(d) + rng.normal(size=(d, d)))
    rows *= 10 ** (spread * rng.uniform(size=d))
    return rows.T @ rows / len(rows)


def analysed(kind, free, q, least=0.0, previous=None):
    model = covariance_model(f"{kind}{q}", len(free))
    before = None if previous is None else previous[None]
    return model.constrained(free[None], np.ones(1), previous=before, least=least)[0]


def objective(covariance, free):
    return np.linalg.slogdet(covariance)[1] + np.trace(np.linalg.solve(covariance, free))


def assert_same_variances(found, free, q, least, rtol):
    """Where noise is free: the equations of Lawley & Maxwell (1971), diag Σ = diag C."""
    noise = mstep.noise_of_factors(np.ascontiguousarray(found[None]), q)[0]
    inside = noise > least * np.diag(free)
    np.testing.assert_allclose(np.diag(found)[inside], np.diag(free)[inside], rtol=rtol)


def rows(seed=0, n=400, d=6, q=2, K=2):
    return factor_groups(n, d, q, K, seed)


X = rows()


def fitted(X, kind="factor", q=2, K=2, sample_weight=None, **asked):
    asked = {"random_state": 0} | asked
    return GaussianMixture(K, covariance_type=kind, n_factors=q, **asked).fit(X, sample_weight=sample_weight)


# --- One covariance -----------------------------------------------------------------------------


@few
@given(seed=st.integers(0, 2**16), d=st.integers(3, 8), q=st.integers(1, 2))
def test_variances_are_those_of_the_rows_where_noise_is_free(seed, d, q):
    free = scatter(seed, d, 20 * d, spread=0.5)
    assert_same_variances(analysed("factor", free, q), free, q, 1e-4, 1e-5)


@pytest.mark.parametrize(("d", "q"), [(20, 3), (40, 30), (60, 5)])
def test_variances_of_many_columns_are_those_of_the_rows(d, q):
    """Where products go through BLAS."""
    rng = np.random.default_rng(d)
    X = rng.normal(size=(20 * d, q)) @ rng.normal(size=(q, d)) + rng.normal(size=(20 * d, d)) * rng.uniform(0.3, 1, d)
    free = X.T @ X / len(X)
    found = analysed("factor", free, q)
    assert_same_variances(found, free, q, 1e-3, 1e-6)
    again = objective(analysed("factor", free, q, previous=found), free)
    assert again <= objective(found, free) * (1 + 1e-10)


@few
@given(**sizes)
def test_principal_analysis_is_the_closed_form(seed, d, q, spread):
    q, free = min(q, d - 1), scatter(seed, d, spread=spread)
    expected = reference.principal_analysis(free, q)
    np.testing.assert_allclose(analysed("ppca", free, q), expected, rtol=0, atol=1e-10 * np.abs(expected).max())


@every_kind
@few
@given(**sizes)
def test_covariances_of_the_model_stay_and_are_taken_apart(kind, seed, d, q, spread):
    q, rng = min(q, d - 1), np.random.default_rng(seed)
    loadings = rng.normal(size=(d, q)) * 10 ** (spread * rng.uniform(size=(1, q)) / 2)
    noise = rng.uniform(0.2, 1, d) if kind == "factor" else np.full(d, rng.uniform(0.2, 1))
    covariance = loadings @ loadings.T + np.diag(noise)
    size = np.abs(covariance).max()
    np.testing.assert_allclose(analysed(kind, covariance, q), covariance, rtol=0, atol=1e-8 * size)
    again, beside = (part[0] for part in covariance_model(f"{kind}{q}").factors(covariance[None]))
    np.testing.assert_allclose(again @ again.T + np.diag(beside), covariance, rtol=0, atol=1e-6 * size)
    assert np.abs(np.triu((again / beside[:, None]).T @ again, 1)).max() < 1e-6 * size / beside.min()


def nearly_singular(seed, scale, kind):
    """A free covariance with a ridge that is as good as nothing beside it where the scale is large."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(5 if kind == "few rows" else 40, 8)) * rng.uniform(0.5, 2, 8)
    if kind == "copied columns":
        rows[:, 4:] = rows[:, :4]
    return np.cov(scale * rows.T, bias=True) + 1e-6 * np.eye(8)


@pytest.mark.parametrize("scale", [1e-6, 1e-3, 1.0, 1e3, 1e6])
@pytest.mark.parametrize("kind", ["few rows", "copied columns"])
def test_factors_are_found_at_any_scale(kind, scale):
    """A general minimiser, which works at the same scale, finds another maximum now and then, but no slope."""
    misses = []
    for seed in range(10):
        other, free = (nearly_singular(s, scale, kind) for s in (seed, seed + 100))
        before = analysed("factor", other, 2, 1e-6)
        found = analysed("factor", free, 2, 1e-6, previous=before)
        assert objective(found, free) <= objective(before, free) + 1e-6
        (noise,) = mstep.noise_of_factors(np.ascontiguousarray(found[None]), 2, 1e-6)
        _, slopes = reference.factor_objective(np.log(noise), free, 2)
        inside = noise > 1.01 * np.maximum(1e-6, 1e-8 * np.diag(free))
        np.testing.assert_allclose(slopes[inside], 0, atol=1e-3)
        misses.append(objective(found, free) - reference.factor_maximum(free, 2, 1e-6, n_starts=1))
    assert max(misses) < 1


@every_kind
def test_a_singular_covariance_is_refused(kind):
    refused(None, analysed, kind, np.ones((4, 4)), 1, error=SingularMatrixError)


# --- Whole fits ---------------------------------------------------------------------------------


def test_one_component_is_scikit_learns_factor_analysis():
    decomposition = pytest.importorskip("sklearn.decomposition")
    X = rows(K=1)
    theirs = decomposition.FactorAnalysis(2, tol=1e-12, max_iter=20_000, svd_method="lapack").fit(X)
    ours = fitted(X, K=1, reg_covar=0)
    assert ours.score(X) == pytest.approx(theirs.score(X), abs=1e-8)
    np.testing.assert_allclose(ours.noise_variance_[0], theirs.noise_variance_, rtol=1e-4)
    np.testing.assert_allclose(np.abs(ours.transform(X)), np.abs(theirs.transform(X)), atol=1e-4)


@pytest.mark.parametrize(("K", "d", "q"), [(1, 5, 1), (3, 8, 2), (2, 10, 4)])
def test_numbers_of_parameters(K, d, q):
    for kind, n_noise in (("factor", d), ("ppca", 1)):
        expected = K * (d * q - q * (q - 1) // 2 + n_noise)
        assert covariance_model(f"{kind}{q}").n_parameters(K, d) == expected
    assert covariance_model("factor4").n_parameters(2, 5) == covariance_model("VVV").n_parameters(2, 5)


@every_kind
def test_the_factors_of_rows_are_their_conditional_means_given_what_is_there(kind):
    gaps = np.arange(2400).reshape(400, 6) % 7 == 0
    gaps[3], gaps[4] = True, False
    mixture = fitted(X, kind, missing="em")
    assert (mixture.loadings_.shape, mixture.noise_variance_.shape) == ((2, 6, 2), (2, 6))
    assert (mixture.loadings_.max(axis=1) > -mixture.loadings_.min(axis=1)).all()  # the largest of a factor is positive
    assert (np.ptp(mixture.noise_variance_, axis=1) == 0).all() == (kind == "ppca")
    found, whole = mixture.transform(np.where(gaps, np.nan, X)), ~gaps.any(axis=1)
    for row, without, factors in zip(X[:20], gaps, found, strict=False):
        there = np.flatnonzero(~without)
        shares = mixture.marginal(there).predict_proba(row[None, there])[0] if len(there) else mixture.weights_
        steps = np.linalg.solve(mixture.covariances_[:, there][:, :, there], (row - mixture.means_)[:, there, None])
        of_each = mixture.loadings_[:, there].transpose(0, 2, 1) @ steps
        np.testing.assert_allclose(factors, shares @ of_each[..., 0], atol=1e-9)
    np.testing.assert_allclose(found[whole], mixture.transform(X)[whole], atol=1e-12)
    refused("missing='em'", mixture.set_params(missing="error").transform, np.where(gaps, np.nan, X))
    single = fitted(X.astype(np.float32), kind)
    assert single.transform(X.astype(np.float32)).dtype == single.loadings_.dtype == np.float32


@pytest.mark.filterwarnings("ignore:.*did not converge")
@pytest.mark.parametrize("name", ["factor1", "factor4", "ppca2"])
@pytest.mark.parametrize("gaps", [False, True])
def test_factors_have_the_same_bits_in_any_order_and_in_blocks_of_any_size(name, gaps):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 23)) @ rng.normal(size=(23, 23)) + 5
    if gaps:
        X[np.arange(X.size).reshape(X.shape) % 61 == 0] = np.nan
    mixture = GaussianMixture(2, covariance_type=name, missing="em", max_iter=2, random_state=0).fit(X)
    factors = mixture.transform(X)
    for rows in (np.asfortranarray(X), gmm.open_rows(lambda: np.array_split(X, 5))):
        np.testing.assert_array_equal(mixture.transform(rows), factors)
    if not gaps:
        np.testing.assert_array_equal(np.concatenate([mixture.transform(row[None]) for row in X]), factors)


@pytest.mark.parametrize("container", ["pandas", "polars"])
def test_factors_come_in_data_frames(container):
    package, mixture = pytest.importorskip(container), fitted(X)
    factors = mixture.transform(X)
    assert mixture.get_feature_names_out().tolist() == ["factor0", "factor1"]
    frame = mixture.set_output(transform=container).transform(X)
    assert isinstance(frame, package.DataFrame)
    assert list(frame.columns) == ["factor0", "factor1"]
    np.testing.assert_array_equal(frame.to_numpy(), factors)
    assert isinstance(mixture.set_output().fit_transform(X), package.DataFrame)
    assert isinstance(mixture.set_output(transform="default").transform(X), np.ndarray)
    refused("transform", mixture.set_output, transform="arrow")


def test_pipelines_choose_the_container_and_pandas_keeps_the_index():
    pandas, sklearn = pytest.importorskip("pandas"), pytest.importorskip("sklearn")
    X = pandas.DataFrame(rows(), columns=list("abcdef"), index=range(7, 407))
    unfitted = GaussianMixture(2, covariance_type="factor2", random_state=0)
    steps = sklearn.pipeline.make_pipeline(sklearn.preprocessing.StandardScaler(), unfitted)
    frame = steps.set_output(transform="pandas").fit(X).transform(X)
    assert (list(frame.columns), frame.index[0]) == (["factor0", "factor1"], 7)
    assert steps.get_feature_names_out().tolist() == ["factor0", "factor1"]
    assert isinstance(sklearn.base.clone(steps[-1]).fit(X).transform(X), pandas.DataFrame)
    with sklearn.config_context(transform_output="pandas"):
        assert isinstance(fitted(X).transform(X), pandas.DataFrame)
    of_factors = {"transform", "set_output", "get_feature_names_out", "loadings_", "noise_variance_"}
    for mixture in (GaussianMixture(2), GaussianMixture(2).fit(X), fitted(X).marginal([0, 3])):
        assert not of_factors & {name for name in of_factors if hasattr(mixture, name)}


@every_kind
def test_a_name_with_its_number_is_the_type_with_n_factors(kind):
    one, other = fitted(X, kind), GaussianMixture(2, covariance_type=f"{kind}2", random_state=0).fit(X)
    np.testing.assert_array_equal(one.covariances_, other.covariances_)
    loaded = reloaded(one)
    assert (loaded.covariance_type, loaded.n_factors) == (kind, 2)
    np.testing.assert_array_equal(loaded.loadings_, one.loadings_)
    share = one.noise_variance_[0] / np.diagonal(one.covariances_[0])
    for told in (f"{kind}2 covariance", f"2 factors; noise is {percent(share.mean())}, "):
        assert told in str(loaded)


@cases(
    ({"covariance_type": "factor"}, "needs its number of factors.*n_factors"),
    ({"n_factors": 2}, "'full', got 2.*'factor' or 'ppca'"),
    ({"covariance_type": "factor2", "n_factors": 3}, "'factor2', got 3"),
    ({"covariance_type": "ppca", "n_factors": 6}, "fewer factors than columns, got 6 factors and n_features=6"),
    ({"covariance_type": "factor", "n_factors": 0}, "'n_factors'"),
    ({"covariance_type": "factor", "n_factors": 10**9 - 1}, "fewer factors than columns, got 999,999,999"),
    ({"covariance_type": "factor", "n_factors": 10**9}, "'n_factors'.*Got 1000000000"),
    ({"covariance_type": "factor0"}, "'factor0'"),
    ({"covariance_type": "factors"}, "'factors'.*did you mean 'factor'"),
    ({"covariance_type": "factor1", "rows": X[:, :1]}, "1 factor and n_features=1"),
    ({"covariance_type": "factor2", "kind": BayesianGaussianMixture}, "factor2"),
)
def test_what_does_not_go_together_is_refused(asked, expected):
    given, kind = asked.pop("rows", X), asked.pop("kind", GaussianMixture)
    refused(expected, kind(n_components=2, **asked).fit, given)


def test_a_search_compares_numbers_of_factors_beside_other_models():
    X = rows(1, n=600, d=8)
    found = select(X, [1, 2, 3], ["diag", "factor", "full"], n_factors=[1, 2, 3], random_state=0)
    assert found.covariance_type[:5] == ("diag", "factor1", "factor2", "factor3", "full")
    assert (found.best.n_components, found.best.covariance_type) == (2, "factor2")
    assert np.diff(found.loglik.reshape(3, 5), axis=1).min() > -1e-3  # of each number of components
    assert reloaded(found).covariance_type == found.covariance_type


@cases(
    ("full", [1, 2], ValueError, "n_factors goes with 'factor' or 'ppca'"),
    ("factor", 0, ValueError, "at least 1"),
    ("factor", "two", TypeError, "whole numbers in n_factors"),
    ("factor", [1, 6], ValueError, "fewer factors than columns"),
    *(("factor", number, TypeError, "n_factors.*booleans") for number in (True, [1, True], False)),
)
def test_a_search_refuses_numbers_of_factors_that_no_type_has(covariance_type, n_factors, error, expected):
    refused(expected, select, X, 2, covariance_type, n_factors=n_factors, error=error)
    if "booleans" in expected:
        refused("n_components.*booleans", select, X, n_factors, "factor", n_factors=1, error=error)


@pytest.mark.filterwarnings("ignore")
@every_kind
@pytest.mark.parametrize("ridge", [1e-6, 1e-3])
def test_constant_and_duplicated_columns_leave_the_ridge_as_noise(kind, ridge):
    mixture = fitted(np.c_[X, X[:, :2], np.ones(400)], kind, 3, reg_covar=ridge)
    assert np.isfinite(mixture.lower_bound_)
    assert mixture.noise_variance_.min() > ridge * (1 - 1e-6)
    if kind == "factor":
        np.testing.assert_allclose(mixture.covariances_[:, 8, 8], ridge, rtol=1e-3)


def test_noise_is_at_least_the_ridge_where_it_can_be():
    """The same covariance, once as a fit has it and once without a least variance."""
    loadings = np.random.default_rng(3).normal(size=(4, 3))
    covariance = loadings @ loadings.T + 0.5 * np.eye(4)
    for least in (0.0, 0.1, 0.3, 0.4, 100.0):
        found = covariance_model("factor3").factors(covariance[None], least)
        made = found.loadings[0] @ found.loadings[0].T + np.diag(found.noise[0])
        np.testing.assert_allclose(made, covariance, atol=1e-6)
        assert found.noise.min() >= least * (1 - 1e-9) or least == 100  # which cannot be


@every_kind
def test_noise_has_no_factors(kind):
    noisy = fitted(np.r_[rows(n=300), np.random.default_rng(0).uniform(-30, 30, size=(30, 6))], kind, noise=True)
    assert 0.03 < noisy.noise_weight_ < 0.2
    np.testing.assert_allclose(noisy.transform(np.full((1, 6), 29.0)), 0, atol=1e-6)


@every_kind
def test_a_prior_is_a_density_of_the_noise_whatever_the_width(kind):
    strong = fitted(X, kind, prior=NormalInverseWishart(shrinkage=0, dof=1e6, scale=3e6))
    np.testing.assert_allclose(strong.noise_variance_, 3, rtol=1e-2)
    free = fitted(X, kind)
    assert np.linalg.norm(strong.loadings_) > 0.5 * np.linalg.norm(free.loadings_)
    assert free.set_params(prior="conjugate", warm_start=True).fit(X).score(X) > strong.score(X)


def test_all_is_a_name_among_others():
    found = select(X, [1, 2], ["all", "factor", "full"], n_factors=[1, 2], random_state=0)
    names = found.covariance_type[: len(found.covariance_type) // 2]
    assert names[-3:] == ("factor1", "factor2", "full")
    assert (names.count("VVV"), len(names)) == (1, 17)
    assert select(X[:, :1], [1], ["all", "diag"], random_state=0).covariance_type == ("E", "V", "diag")


def test_the_estimator_of_a_search_and_the_bootstrap_test_take_factors():
    search = GaussianMixtureSearch([1, 2], ["diag", "factor"], n_factors=[1, 2], random_state=0).fit(X)
    assert search.covariance_type_ == "factor2"
    assert search.best_estimator_.loadings_.shape == (2, 6, 2)
    how = {"covariance_type": "factor", "n_factors": 2, "n_replicates": 3, "random_state": 0}
    test = gmm.inference.bootstrap_lrt(rows(K=1), 1, **how)
    assert test.null.loadings_.shape == (1, 6, 2)
    assert "factor2: p" in repr(test)


@pytest.mark.needs("jinja2", "pyarrow", "rich")
def test_the_command_line_shows_loadings_and_noise(tmp_path):
    table = tmp_path / "rows.csv"
    np.savetxt(table, X, delimiter=",", header="a,b,c,d,e,f", comments="")
    how = ("--components", 2, "--covariance", "factor2", "--out", tmp_path / "out", "--report", tmp_path / "page.html")
    file = tmp_path / "out" / "model.gmm"
    shown, described = ok("fit", table, *how).stdout, ok("info", file).stdout
    for text in (shown, described):
        assert text.count("factor 1") == text.count("noise ±") >= 2
    assert "factor2, " in described
    document, mixture = json_of("info", file), gmm.load(file)
    np.testing.assert_allclose(document["loadings"], mixture.loadings_)
    np.testing.assert_allclose(document["noise_variances"], mixture.noise_variance_)
    assert "Loadings of each group" in (tmp_path / "page.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("seed", range(20))
def test_every_saved_model_loads_at_the_ledermann_bound_and_around_it(seed):
    """From (d − q)² ≤ d + q on, factors have any covariance, and an analysis of one may end elsewhere."""
    for rng in np.random.default_rng(seed).spawn(10):
        d = int(rng.integers(3, 9))
        bound = next(q for q in range(1, d) if (d - q) ** 2 <= d + q)
        model = f"{rng.choice(['factor', 'factor', 'ppca'])}{rng.integers(max(bound - 1, 1), d)}"
        X = rng.normal(size=(150, d)) @ rng.normal(size=(d, d))
        X[:, 0] *= rng.random() < 0.7  # else the noise there is at its least
        ridge, K = float(rng.choice([1e-6, 1e-4, 1e-2])), int(rng.integers(1, 3))
        mixture = GaussianMixture(K, covariance_type=model, reg_covar=ridge, max_iter=20, tol=0.1, random_state=0)
        mixture.fit(X + 5 * rng.integers(0, K, (150, 1)))
        np.testing.assert_array_equal(reloaded(mixture).covariances_, mixture.covariances_)

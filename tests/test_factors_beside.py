"""Mixtures of factor analysers beside everything else: awkward rows, other features, other software, searches."""

import warnings

import numpy as np
import pytest

import gmm
from command import json_of, ok
from gmm import GaussianMixture, GaussianMixtureSearch, NormalInverseWishart, exchange, inference, select
from inside import covariance_model, mstep, percent
from tables import refused
from test_factors import every_kind, fitted, rows


def check_parts(mixture, atol=1e-7):
    """The loadings and the noise make the covariances, and no noise is below the ridge."""
    loadings, noise = mixture.loadings_.astype(float), mixture.noise_variance_.astype(float)
    made = loadings @ loadings.swapaxes(1, 2) + noise[:, :, None] * np.eye(noise.shape[1])
    np.testing.assert_allclose(made, mixture.covariances_, atol=atol * np.abs(made).max())
    assert noise.min() > mixture.reg_covar * (1 - 1e-6)


@every_kind
@pytest.mark.parametrize("q", [4, 5])
def test_so_many_factors_that_there_are_several_ways(kind, q):
    """With q = 5 of six columns, and "factor" with 4, every covariance is one of the model."""
    X = rows()
    mixture = fitted(X, kind, q, reg_covar=1e-2)
    check_parts(mixture)
    if kind == "factor" or q == 5:
        assert mixture.n_parameters_ == 2 * 21 + 13
    if q == 5:
        assert mixture.score(X) <= fitted(X, "full", None, reg_covar=1e-2).score(X) + 1e-9


@every_kind
@pytest.mark.parametrize("ridge", [1e-6, 1e-3])
def test_constant_and_duplicated_columns_leave_the_ridge_as_noise(kind, ridge):
    X = rows()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mixture = fitted(np.c_[X, X[:, :2], np.ones(len(X))], kind, 3, reg_covar=ridge)
    assert np.isfinite(mixture.score(np.c_[X, X[:, :2], np.ones(len(X))]))
    assert mixture.noise_variance_.min() > ridge * (1 - 1e-6)
    if kind == "factor":
        np.testing.assert_allclose(mixture.covariances_[:, 8, 8], ridge, rtol=1e-3)


def test_noise_is_at_least_the_ridge_where_it_can_be():
    """The same covariance, once as a fit has it and once without a least variance."""
    rng = np.random.default_rng(3)
    loadings, noise = rng.normal(size=(4, 3)), np.full(4, 0.5)
    covariance = loadings @ loadings.T + np.diag(noise)
    for least in (0.0, 0.1, 0.3, 0.4, 100.0):
        found = covariance_model("factor3").factors(covariance[None], least)
        made = found.loadings[0] @ found.loadings[0].T + np.diag(found.noise[0])
        np.testing.assert_allclose(made, covariance, atol=1e-6)
        assert found.noise.min() >= least * (1 - 1e-9) or least == 100  # which cannot be


@every_kind
def test_labels_noise_and_priors(kind):
    X, y = rows(n=300), np.repeat(["a", "b"], 150)
    labelled = GaussianMixture(3, covariance_type=kind, n_factors=2, random_state=0).fit(X, y)
    assert (labelled.transform(X).shape, labelled.loadings_.shape) == ((300, 2), (3, 6, 2))
    check_parts(labelled)
    scattered = np.r_[X, np.random.default_rng(0).uniform(-30, 30, size=(30, 6))]
    noisy = GaussianMixture(2, covariance_type=kind, n_factors=2, noise=True, random_state=0).fit(scattered)
    check_parts(noisy)
    assert 0.03 < noisy.noise_weight_ < 0.2
    far = np.full((1, 6), 29.0)
    np.testing.assert_allclose(noisy.transform(far), 0, atol=1e-6)  # noise has no factors
    for prior in ("conjugate", NormalInverseWishart(dof=12, scale=np.eye(6))):
        check_parts(fitted(X, kind, prior=prior))


@every_kind
def test_a_prior_is_a_density_of_the_noise_whatever_the_width(kind):
    X = rows()
    strong = fitted(X, kind, prior=NormalInverseWishart(shrinkage=0, dof=1e6, scale=3e6))
    np.testing.assert_allclose(strong.noise_variance_, 3, rtol=1e-2)
    free = fitted(X, kind)
    assert np.linalg.norm(strong.loadings_) > 0.5 * np.linalg.norm(free.loadings_)
    warm = free.set_params(prior="conjugate", warm_start=True).fit(X)
    assert warm.score(X) > strong.score(X)
    with pytest.raises(ValueError, match="a prior of factors cannot be combined with whole covariances"):
        fitted(np.where(X.max() == X, np.nan, X), kind, prior="conjugate", missing="em")
    with pytest.raises(ValueError, match="a prior of factors cannot be combined with whole covariances"):
        GaussianMixture(2, covariance_type=kind, n_factors=2, prior="conjugate").partial_fit(X)


@every_kind
def test_some_columns_and_columns_given_others_are_full(kind):
    X = rows()
    mixture = fitted(X, kind)
    np.testing.assert_allclose(mixture.freeze().score_samples(X), mixture.score_samples(X), atol=1e-10)
    marginal, conditional = mixture.marginal([0, 3]), mixture.condition({1: 0.5, 2: 1.0})
    np.testing.assert_allclose(marginal.covariances_, mixture.covariances_[:, [0, 3]][:, :, [0, 3]], atol=1e-12)
    assert (marginal.covariance_type, conditional.covariance_type) == ("full", "full")
    assert not hasattr(marginal, "transform")
    assert conditional.n_features_in_ == 4


@every_kind
def test_exchange_is_of_full_covariances(kind, tmp_path):
    X = rows()
    mixture = fitted(X, kind)
    exchange.mclust.to_json(mixture, tmp_path / "model.json")
    again = exchange.mclust.from_json(tmp_path / "model.json")
    np.testing.assert_allclose(again.score_samples(X), mixture.score_samples(X), atol=1e-9)
    pytest.importorskip("sklearn")
    theirs = exchange.sklearn.to_sklearn(mixture)
    assert theirs.covariance_type == "full"
    np.testing.assert_allclose(theirs.score_samples(X), mixture.score_samples(X), atol=1e-9)
    pytest.importorskip("onnx")
    exchange.onnx.to_onnx(mixture, str(tmp_path / "model.onnx"))
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(str(tmp_path / "model.onnx"))
    _, probabilities, scores = session.run(None, {"X": X.astype(np.float32)})
    np.testing.assert_allclose(probabilities, mixture.predict_proba(X), atol=1e-3)
    np.testing.assert_allclose(scores.ravel(), mixture.score_samples(X), atol=1e-2)


def test_all_is_a_name_among_others():
    X = rows()
    found = select(X, [1, 2], ["all", "factor", "full"], n_factors=[1, 2], random_state=0)
    names = found.covariance_type[: len(found.covariance_type) // 2]
    assert names[-3:] == ("factor1", "factor2", "full")
    assert (names.count("VVV"), len(names)) == (1, 17)
    assert select(X[:, :1], [1], ["all", "diag"], random_state=0).covariance_type == ("E", "V", "diag")
    search = GaussianMixtureSearch([1, 2], ["diag", "factor"], n_factors=[1, 2], random_state=0).fit(X)
    assert search.covariance_type_ == "factor2"
    assert search.best_estimator_.loadings_.shape == (2, 6, 2)
    assert search.get_params()["n_factors"] == [1, 2]
    test = inference.bootstrap_lrt(rows(K=1), 1, covariance_type="factor", n_factors=2, n_replicates=3, random_state=0)
    assert test.null.loadings_.shape == (1, 6, 2)
    assert "factor2: p" in repr(test)


def test_printed_mixtures_and_reports_show_what_factors_leave():
    X = rows()
    text = str(fitted(X))
    noise = fitted(X).noise_variance_ / np.diagonal(fitted(X).covariances_, axis1=1, axis2=2)
    assert f"2 factors; noise is {percent(noise[0].mean())}, " in text
    assert "factors" not in str(fitted(X, "full", None))


@pytest.mark.parametrize(("d", "q"), [(20, 3), (40, 30), (60, 5)])
def test_wide_updates_are_as_likely_as_a_free_search_finds(d, q):
    """Where products go through BLAS: the gradient is 0 at every ψ above the least one."""
    rng = np.random.default_rng(d)
    X = rng.normal(size=(20 * d, q)) @ rng.normal(size=(q, d)) + rng.normal(size=(20 * d, d)) * rng.uniform(0.3, 1, d)
    free = X.T @ X / len(X)
    found = covariance_model(f"factor{q}").constrained(free[None], np.ones(1))[0]
    noise = mstep.noise_of_factors(np.ascontiguousarray(found[None]), q)[0]
    inside = noise > 1e-3 * np.diag(free)
    np.testing.assert_allclose(np.diag(found)[inside], np.diag(free)[inside], rtol=1e-6)
    again = covariance_model(f"factor{q}").constrained(free[None], np.ones(1), previous=found[None])[0]
    objective = [np.linalg.slogdet(each)[1] + np.trace(np.linalg.solve(each, free)) for each in (found, again)]
    assert objective[1] <= objective[0] + 1e-10 * abs(objective[0])


@pytest.mark.needs("jinja2", "pyarrow", "rich")
def test_the_command_line_shows_loadings_and_noise(tmp_path):
    table = tmp_path / "rows.csv"
    np.savetxt(table, rows(), delimiter=",", header="a,b,c,d,e,f", comments="")
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


def test_the_noise_of_a_matrix_that_is_not_positive_definite_is_an_error():
    good = np.array([[[2.0, 1.0, 0.5], [1.0, 3.0, 0.5], [0.5, 0.5, 1.0]]])
    bad = -np.eye(3)[None]
    refused("component 1 is not positive definite", mstep.noise_of_factors, np.concatenate([good, bad]), 1)

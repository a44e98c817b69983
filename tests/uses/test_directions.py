"""Directions in which components differ: against mclust, the paper's formula, and what must not change them."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.datasets import load_wine
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline

import gmm
import reference
from gmm import BayesianGaussianMixture, GaussianMixture, NotFittedError
from gmm.analysis import directions
from inside import PARSIMONIOUS
from tables import DATA, IRIS, refused

MCLUST = json.loads((DATA / "mclust_directions.json").read_text(encoding="utf-8"))
ROWS = {"iris": IRIS, "wine": load_wine().data}
every_model = pytest.mark.parametrize("covariance_type", PARSIMONIOUS)

K, D = 3, 4
rng = np.random.default_rng(0)
X = np.repeat(3 * rng.normal(size=(K, D)), 100, axis=0) + rng.normal(size=(K * 100, D)) * rng.uniform(0.5, 2, (1, D))
X[:100] *= [1, 3, 1, 1]


def fitted(covariance_type="full", rows=X, **asked):
    return GaussianMixture(K, covariance_type=covariance_type, random_state=0, **asked).fit(rows)


def assert_same_axes(got, expected, atol=1e-9):
    np.testing.assert_allclose(got, np.sign((got * expected).sum(axis=0)) * expected, atol=atol)


@pytest.mark.parametrize("case", [0, 1], ids=["means", "means and covariances"])
@pytest.mark.parametrize("name", ROWS)
def test_eigenvalues_and_directions_are_those_of_mclust(name, case):
    """`MclustDR` of mclust 6.0.0, of its fits VEV to iris and VVE to the wines; λ = 1, its default, and ½."""
    fit, rows = MCLUST[name], ROWS[name]
    expected = fit["cases"][case]
    mixture = GaussianMixture.from_parameters(fit["pro"], fit["mean"], fit["sigma"])
    for weight in (None, np.full(len(rows), 1 / len(rows))):  # of any sum
        got = directions(mixture, rows, weight, balance=expected["lambda"])
        np.testing.assert_allclose(got.eigenvalues, expected["evalues"], rtol=1e-9)
        assert_same_axes(got.matrix.T, np.array(expected["raw"]).T, 1e-9 * np.abs(expected["raw"]).max())
        assert_same_axes(got.unit_vectors[0], np.array(expected["basis1"]))


def test_what_is_printed_has_the_names_of_columns():
    plane = directions(fitted(rows=pd.DataFrame(X, columns=["size", "age", "weight", "height"])))
    headline, _, *lines = str(plane).splitlines()
    assert f"<{headline}>" == repr(plane)
    assert [line.split()[0] for line in lines] == [*plane.feature_names]
    wide = directions(GaussianMixture.from_parameters([0.5, 0.5], np.outer([0, 1], np.ones(25)), [np.eye(25)] * 2))
    assert str(wide).endswith("… and 5 more features")


@every_model
@pytest.mark.parametrize("of_rows", [False, True])
@pytest.mark.parametrize("balance", [0.0, 0.3, 0.5, 1.0])
def test_they_solve_the_papers_equation(covariance_type, of_rows, balance):
    mixture = fitted(covariance_type)
    if balance == 0 and covariance_type in ("EII", "EEI", "EEE"):  # covariances alone, and all are one
        refused("do not differ", directions, mixture, balance=balance)
        return
    got = directions(mixture, X if of_rows else None, balance=balance)
    dense = reference.dense(mixture.covariances_, covariance_type, K, D)
    whole = (X.mean(axis=0), np.cov(X.T, bias=True)) if of_rows else None
    values, vectors, covariance = reference.directions(mixture.weights_, mixture.means_, dense, balance, whole)
    m = len(got.eigenvalues)
    np.testing.assert_allclose(got.eigenvalues, values[:m], rtol=1e-6, atol=1e-9)
    assert (values[m:] < 1e-9).all()
    np.testing.assert_allclose(got.matrix @ covariance @ got.matrix.T, np.eye(m), atol=1e-9)
    residuals = reference.kernel_of_directions(mixture.weights_, mixture.means_, dense, balance, whole) @ got.matrix.T
    np.testing.assert_allclose(residuals, covariance @ got.matrix.T * got.eigenvalues, atol=1e-8)
    if values[0] > 1.01 * values[1]:
        assert_same_axes(got.matrix[0], vectors[:, 0], 1e-6)


@every_model
def test_the_mixture_in_directions_is_exact(covariance_type):
    mixture = fitted(covariance_type)
    got = directions(mixture, n_directions=2)
    dense = reference.dense(mixture.covariances_, covariance_type, K, D)
    np.testing.assert_allclose(got.mixture.weights_, mixture.weights_)
    np.testing.assert_allclose(got.mixture.means_, got.transform(mixture.means_), atol=1e-12)
    np.testing.assert_allclose(got.mixture.covariances_, got.matrix @ dense @ got.matrix.T, atol=1e-12)
    every = directions(mixture)
    if len(every.eigenvalues) == D or covariance_type == "EEE":  # no row changes its component
        np.testing.assert_allclose(every.mixture.predict_proba(every.transform(X)), mixture.predict_proba(X), atol=1e-7)


def test_weights_count_rows_and_rows_may_be_streamed():
    mixture, weight = fitted(), np.arange(len(X)) % 3
    one, other = directions(mixture, X, weight), directions(mixture, np.repeat(X, weight, axis=0))
    np.testing.assert_allclose(one.matrix, other.matrix, atol=1e-12)
    streamed = gmm.open_rows(lambda: np.array_split(X, 7))
    np.testing.assert_array_equal(one.transform(streamed), one.transform(X))
    for rows in (streamed, gmm.sources.partitioned_rows(lambda task: task(0, X[:100]) + task(1, X[100:]))):
        np.testing.assert_allclose(directions(mixture, rows).matrix, directions(mixture, X).matrix, atol=1e-12)
    assert one.transform(X.astype(np.float32)).dtype == np.float32


def test_other_mixtures_and_columns_have_directions():
    assert directions(BayesianGaussianMixture(n_components=5, random_state=0).fit(X), X).mixture.n_components == 5
    clutter = np.concatenate([X, rng.uniform(-15, 15, (60, D))])
    noisy = directions(GaussianMixture(K, noise=True, random_state=0).fit(clutter))
    assert noisy.mixture.weights_.sum() == pytest.approx(1)
    np.testing.assert_allclose(noisy.centre, X.mean(axis=0), atol=0.5)
    best = fitted(tol=1e-12, max_iter=2000, reg_covar=0)  # at a maximum the covariance is that of the rows
    one, other = directions(best), directions(best, X)
    np.testing.assert_allclose(one.matrix, other.matrix, atol=1e-6)
    np.testing.assert_allclose(one.centre, X.mean(axis=0), atol=1e-9)
    for offset in (0.0, 1e6):
        rows = np.column_stack([X, np.full(len(X), 7.0)]) + offset
        got = directions(fitted(rows=rows, reg_covar=1e-6), rows, n_directions=2)
        assert_same_axes(got.transform(rows), directions(fitted(), X, n_directions=2).transform(X), 1e-3)


def test_it_is_a_transformer():
    frame = pd.DataFrame(X, columns=list("abcd"))
    mixture = fitted(rows=frame)
    got, labels = directions(mixture, n_directions=2), mixture.predict(frame)
    assert got.feature_names == tuple("abcd")
    assert clone(got) is got
    pipeline = clone(make_pipeline(got, KNeighborsClassifier()))
    assert pipeline.fit(frame, labels).score(frame, labels) > 0.8
    assert pipeline[:-1].get_feature_names_out().tolist() == ["direction1", "direction2"]
    np.testing.assert_array_equal(got.fit(frame).fit_transform(frame), got.transform(frame))
    refused("feature names", got.transform, frame.rename(columns={"a": "z"}))
    refused("4", directions(fitted()).transform, X[:, :3])


def test_what_cannot_be_is_told():
    mixture = fitted()
    refused(None, directions, GaussianMixture(), error=NotFittedError)
    refused("got FrozenMixture", directions, mixture.freeze(), error=TypeError)
    refused("do not differ", directions, GaussianMixture().fit(X))
    refused(r"number in .0, 1.", directions, mixture, balance=1.5)
    refused(r"n_directions.*from 1", directions, mixture, n_directions=0)
    refused("X with sample_weight", directions, mixture, sample_weight=np.ones(3), error=TypeError)
    for rows in (X[:1], np.ones((5, D)), X * 1e-200, X * 1e200):
        refused("rows that vary and have finite squares", directions, mixture, rows)
    # Found by fuzzing: in units of these rows the components' differences have no finite squares.
    mixture = GaussianMixture.from_parameters([0.5, 0.5], [[0.0, 1.0], [5.0, 1.0]], [np.eye(2)] * 2)
    refused("vary about as much", directions, mixture, [[0, 0], [7e-160, 6e-160]])

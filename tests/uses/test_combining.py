"""Clusters of several components: against mclust, a twin that tries every pair, and laws of the bounds."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import gmm
import reference
from gmm import BayesianGaussianMixture, GaussianMixture, NotFittedError
from gmm.analysis import combine_components
from inside import PARSIMONIOUS, combining
from tables import DATA, refused

MCLUST = json.loads((DATA / "mclust_combi.json").read_text(encoding="utf-8"))["ex4.1"]
X = np.array(MCLUST["X"])
EXAMPLE = GaussianMixture.from_parameters(MCLUST["pro"], MCLUST["mean"], MCLUST["sigma"])


def assert_same(one, other, atol=1e-9):
    np.testing.assert_array_equal(one.merges, other.merges)
    np.testing.assert_allclose(one.entropies, other.entropies, atol=atol)
    np.testing.assert_allclose(one.merged_rows, other.merged_rows)
    assert (one.n_clusters, one.n_clusters_by_rows) == (other.n_clusters, other.n_clusters_by_rows)


def test_the_papers_example_is_that_of_mclust():
    """Example 4.1: six Gaussians, of which two make a cross each; four clusters. `clustCombi` of mclust 6.0.0."""
    got = combine_components(EXAMPLE, X)
    np.testing.assert_allclose(got.entropies, MCLUST["entropies"], rtol=1e-9, atol=1e-10)
    np.testing.assert_array_equal(got.merged_rows, MCLUST["merged"])
    assert (got.n_clusters, got.n_clusters_by_rows) == (MCLUST["suggested"], MCLUST["by_rows"]) == (4, 4)
    for n, labels in enumerate(MCLUST["classification"], start=1):
        np.testing.assert_array_equal(got.predict(X, n), np.array(list(labels), dtype=int))


@given(st.integers(0, 2**32 - 1), st.integers(2, 9), st.floats(0.1, 30), st.booleans())
def test_merges_are_those_of_trying_every_pair(seed, K, sharpness, weighted):
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.full(K, 1 / sharpness), size=40)
    shares *= rng.uniform(0, 1, (40, 1)) if seed % 2 else 1  # with noise
    weight = rng.integers(0, 4, size=40) + 0.5 if weighted else np.ones(40)
    blocks = [(shares[:11].T, weight[:11]), (shares[11:].T, weight[11:])]
    merges = combining._merges(lambda: blocks, np.zeros(K, dtype=bool))
    expected, entropies = reference.combined(shares, weight)
    decided = int((-np.diff(np.array(entropies, dtype=float)) > 1e-9).sum())  # then rounding decides: nothing overlaps
    np.testing.assert_array_equal(merges[:decided], np.array(expected).reshape(-1, 2)[:decided])
    noise = 1 - shares.sum(axis=1) if seed % 2 else np.zeros(40)
    of_noise = -(weight * np.where(noise > 1e-6, noise * np.log(np.maximum(noise, 1e-300)), 0)).sum()
    got, _ = combining._levels(lambda: blocks, merges)
    np.testing.assert_allclose(got[::-1], np.array(entropies, dtype=float) + of_noise, atol=1e-10)


@pytest.mark.parametrize("covariance_type", PARSIMONIOUS)
def test_clusters_add_up_and_nest(covariance_type):
    mixture = GaussianMixture(5, covariance_type=covariance_type, random_state=0).fit(X)
    got = combine_components(mixture, X)
    assert (np.diff(got.entropies) >= -1e-9).all()
    np.testing.assert_allclose(got.predict_proba(X, 5), mixture.predict_proba(X))
    np.testing.assert_array_equal(got.predict(X, 5), mixture.predict(X))
    assert got.clusters(1).tolist() == [0] * 5
    for n in range(1, 6):
        clusters, shares = got.clusters(n), got.predict_proba(X, n)
        assert sorted(set(clusters)) == list(range(n))
        np.testing.assert_allclose(shares.sum(axis=1), 1)
        np.testing.assert_array_equal(got.predict(X, n), shares.argmax(axis=1))
        finer = got.clusters(min(n + 1, 5))
        assert len(set(zip(clusters, finer, strict=True))) == max(finer) + 1  # each finer cluster lies in one
    np.testing.assert_array_equal(got.predict(X), got.predict(X, got.n_clusters))


def test_weights_count_rows_and_rows_may_be_streamed():
    weight = np.arange(len(X)) % 3
    assert_same(combine_components(EXAMPLE, X, weight), combine_components(EXAMPLE, np.repeat(X, weight, axis=0)))
    streamed = gmm.open_rows(lambda: np.array_split(X, 7))
    got = combine_components(EXAMPLE, streamed)
    assert_same(got, combine_components(EXAMPLE, X))
    np.testing.assert_array_equal(got.predict(streamed), got.predict(X))
    small = combine_components(EXAMPLE, X, np.full(len(X), 1e-9))
    assert (small.merges.tolist(), small.n_clusters_by_rows) == (got.merges.tolist(), got.n_clusters_by_rows)


def test_other_mixtures_and_rows_have_clusters():
    frozen = combine_components(EXAMPLE.freeze(), X)
    assert_same(frozen, combine_components(EXAMPLE, X))
    np.testing.assert_array_equal(frozen.predict(X), combine_components(EXAMPLE, X).predict(X))
    assert combine_components(EXAMPLE, X.astype(np.float32)).merges.tolist() == frozen.merges.tolist()
    assert repr(frozen) == "<CombinedComponents: 4 clusters of components 0 + 5, 1, 2 + 3, 4>"
    one, two = (combine_components(GaussianMixture(K, random_state=0).fit(X), X) for K in (1, 2))
    assert (one.n_clusters, one.n_clusters_by_rows, len(one.merges)) == (1, 1, 0)
    assert (one.predict(X) == 0).all()
    assert (two.n_clusters, two.merges.tolist()) == (2, [[0, 1]])


def test_dask_collections_are_predicted_lazily():
    da = pytest.importorskip("dask.array")
    got = combine_components(EXAMPLE, X)
    labels = got.predict(da.from_array(X, chunks=(100, 2)))
    assert labels.chunks == ((100,) * 6,)
    np.testing.assert_array_equal(labels.compute(), got.predict(X))


def test_components_without_rows_are_merged_first_and_suggest_nothing():
    bayesian = BayesianGaussianMixture(n_components=12, random_state=0).fit(X)
    n = bayesian.n_effective_components_
    got = combine_components(bayesian, X)
    assert len(np.unique(got.predict(X, n))) == n
    assert 2 <= got.n_clusters <= n < 12


@pytest.mark.parametrize("share", [1e-8, 1e-5, 3e-5, 1e-4, 1e-3])
@pytest.mark.parametrize(("place", "variance"), [((4, 0), 1), ((4, 4), 9), ((8, 0), 1), ((8, 0), 100)])
def test_a_component_without_rows_joins_no_groups(share, place, variance):
    """However many rows it shares a little: it is the most probable component of none."""
    means = np.array([[0, 0], [8, 0], [0, 20], [20, 20], place], dtype=float)
    rows = means[np.arange(400) % 4] + np.random.default_rng(0).normal(size=(400, 2))
    spreads = np.eye(2) * np.array([1, 1, 1, 1, variance])[:, None, None]
    weights = np.array([1, 1, 1, 1, 4 * share]) / (4 + 4 * share)
    for n_components, weight in ((4, None), (5, None), (5, np.full(400, 3.0)), (5, np.full(400, 1e-9))):
        parts = weights[:n_components] / weights[:n_components].sum(), means[:n_components], spreads[:n_components]
        got = combine_components(GaussianMixture.from_parameters(*parts), rows, weight)
        assert (got.n_present, got.n_clusters, got.n_clusters_by_rows) == (4, 4, 4)
        np.testing.assert_array_equal(np.unique(got.clusters()[:4]), np.arange(4))


def test_noise_stays_noise():
    rng = np.random.default_rng(0)
    clutter = np.concatenate([X, rng.uniform(X.min(0) - 20, X.max(0) + 20, (100, 2))])
    noisy = GaussianMixture(6, noise=True, random_state=0, n_init=3).fit(clutter)
    got = combine_components(noisy, clutter)
    np.testing.assert_array_equal(got.predict(clutter, 6), noisy.predict(clutter))
    labels = got.predict(clutter)
    # Rows between two components may become the cluster's; no other does.
    assert ((noisy.predict(clutter) == -1) >= (labels == -1)).all()
    assert (labels == -1).sum() > 20
    noisy = GaussianMixture(2, noise=[[-99, -99], [99, 99]], random_state=0).fit(X)
    refused(r"3 rows.*noise.*rows of the fit", combine_components, noisy, [[90, 90], [-90, 90], [90, -90]])
    assert combine_components(noisy, np.vstack([X[:50], [[90, 90]]])).n_clusters == 2


def test_what_cannot_be_is_told():
    refused(None, combine_components, GaussianMixture(), X, error=NotFittedError)
    told = r"expected a GaussianMixture or .*, got Selection; .*\.best of a Selection"
    refused(told, combine_components, gmm.select(X, n_components=2, covariance_type="EII"), X, error=TypeError)
    refused(r"n_clusters.*from 1 to 6", combine_components(EXAMPLE, X).predict, X, 7)
    partitions = gmm.sources.partitioned_rows(lambda task: task(0, X))
    refused("cannot be fetched", combine_components, EXAMPLE, partitions, error=TypeError)

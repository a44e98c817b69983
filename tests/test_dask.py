"""Dask collections: fits on a cluster of two processes, one of which may die, and functions of rows mapped lazily."""

import os
import signal
import warnings

import numpy as np
import pytest

import gmm
from gmm import BayesianGaussianMixture, GaussianMixture, LostClusterError

dask = pytest.importorskip("dask")
distributed = pytest.importorskip("distributed")
da = pytest.importorskip("dask.array")

rng = np.random.default_rng(5)
N, D, K = 9000, 3, 3
ROWS = rng.normal(size=(N, D)) + 4 * rng.integers(K, size=(N, 1)) + 100
WEIGHTS = np.where(rng.uniform(size=N) < 0.1, 0, rng.uniform(0.2, 3, N))


@pytest.fixture(scope="module")
def client():
    """Two processes; nothing of a cluster's own warnings fails a test."""
    with (
        warnings.catch_warnings(action="ignore"),
        dask.config.set({"distributed.scheduler.allowed-failures": 10}),
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def in_chunks(rows=ROWS, size=2000):
    return da.from_array(rows, chunks=(size, 2)).persist()


def assert_near(one, other, rtol=1e-10):
    assert one.n_iter_ == other.n_iter_
    for name in ("weights_", "means_", "covariances_", "lower_bound_"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=rtol, atol=rtol, err_msg=name)


def test_a_fit_on_a_cluster_is_the_fit_in_memory(client):
    for weight in (None, WEIGHTS):
        mixture = GaussianMixture(K, random_state=0)
        there, here = mixture.fit(in_chunks(), sample_weight=weight), GaussianMixture(K, random_state=0)
        assert_near(there, here.fit(ROWS, sample_weight=weight))
        for size in (2000, 200):  # added in one task, and in a tree of them
            assert there.score(in_chunks(size=size), sample_weight=weight) == pytest.approx(
                here.score(ROWS, sample_weight=weight), rel=1e-10
            )
    again = GaussianMixture(K, random_state=0).fit(in_chunks(), sample_weight=da.from_array(WEIGHTS, chunks=500))
    np.testing.assert_array_equal(again.means_, there.means_)


def test_a_worker_that_is_killed_costs_time_not_the_fit(client):
    X, killed = in_chunks(), []
    expected = GaussianMixture(K, random_state=0, tol=1e-7).fit(X)

    def kill(iteration):
        if iteration.n_iter == 3:
            pid = next(iter(client.run(os.getpid).values()))
            os.kill(pid, getattr(signal, "SIGKILL", signal.SIGTERM))  # which on Windows ends a process as well
            killed.append(pid)

    mixture = GaussianMixture(K, random_state=0, tol=1e-7).fit(X, callback=kill)
    assert killed
    np.testing.assert_array_equal(mixture.means_, expected.means_)
    np.testing.assert_array_equal(mixture.lower_bounds_, expected.lower_bounds_)


def test_a_cluster_that_is_lost_leaves_the_last_parameters():
    def lose(iteration):
        if iteration.n_iter == 2:
            cluster.close()

    with (
        warnings.catch_warnings(action="ignore"),
        distributed.LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None) as cluster,
        distributed.Client(cluster),
        pytest.raises(LostClusterError, match=r"after pass 2 of start 1.*warm_start") as caught,
    ):
        GaussianMixture(K, random_state=0, tol=1e-7).fit(in_chunks(), callback=lose)
    mixture = caught.value.mixture
    assert mixture.set_params(warm_start=True).fit(ROWS).converged_
    assert mixture.score(ROWS) == pytest.approx(GaussianMixture(K, random_state=0, tol=1e-7).fit(ROWS).score(ROWS))


def test_rows_that_a_living_scheduler_gave_up_are_dasks_own_error(client):
    X = in_chunks()
    client.cancel(X, force=True)
    with pytest.raises(distributed.CancelledError, match="lost dependencies"):
        GaussianMixture(K, random_state=0).fit(X)
    assert GaussianMixture(K, random_state=0).fit(in_chunks()).converged_, "the cluster is there"


@pytest.mark.parametrize("kind", [GaussianMixture, BayesianGaussianMixture])
def test_what_each_row_gets_is_a_dask_array(kind):
    for rows in (ROWS, ROWS.astype(np.float32)):
        X, mixture = da.from_array(rows, chunks=(4000, 2)), kind(n_components=K, random_state=0).fit(rows)
        for name in ("predict", "predict_proba", "score_samples"):
            here, there = getattr(mixture, name)(rows), getattr(mixture, name)(X)
            assert isinstance(there, da.Array)
            assert (there.dtype, there.shape) == (here.dtype, here.shape), name
            # A partition may be computed in another form than the whole.
            near = 1e-5 if rows.dtype == np.float32 else 1e-12
            np.testing.assert_allclose(there.compute(), here, rtol=near, atol=near, err_msg=name)
            with pytest.raises(TypeError, match="out=None with a Dask collection"):
                getattr(mixture, name)(X, out=here)
    assert isinstance(kind(n_components=K, random_state=0).fit_predict(X), da.Array)


def test_data_frames_have_names_and_may_have_empty_partitions():
    pd, dd = pytest.importorskip("pandas"), pytest.importorskip("dask.dataframe")
    frame = pd.DataFrame(ROWS, columns=list("abc"))
    X = dd.from_pandas(frame, npartitions=5)
    X = X[X.a > X.a.min().compute()]
    frame = frame[frame.a > frame.a.min()]
    mixture = GaussianMixture(K, random_state=0).fit(X)
    assert list(mixture.feature_names_in_) == list("abc")
    assert_near(mixture, GaussianMixture(K, random_state=0).fit(frame))
    np.testing.assert_array_equal(mixture.predict(X).compute(), mixture.predict(frame))
    empty = X[X.a > 0].map_partitions(lambda part: part[part.a > 104])
    assert len(mixture.predict(empty).compute()) == len(empty)
    with pytest.raises(ValueError, match="feature names"):
        mixture.score(X.rename(columns={"a": "z"}))
    with pytest.raises(TypeError, match="sizes are unknown"):
        GaussianMixture(K).fit(X, sample_weight=np.ones(len(frame)))
    weights = X.a - X.a + 2
    assert_near(GaussianMixture(K, random_state=0).fit(X, sample_weight=weights), mixture, 1e-6)


def test_what_is_wrong_with_a_collection_is_said():
    X = da.from_array(ROWS, chunks=2000)
    with pytest.raises(ValueError, match="standardize cannot be combined"):
        gmm.select(X, 2, "full", standardize=True)
    broken = ROWS.copy()
    broken[8000, 1] = np.nan
    with pytest.raises(ValueError, match="row 8000, column 1"):
        GaussianMixture(K).fit(da.from_array(broken, chunks=(2000, 3)))
    with pytest.raises(ValueError, match="Expected 2D array, got 1D"):
        GaussianMixture(K).fit(X[:, 0])
    with pytest.raises(TypeError, match="got a Dask Delayed"):
        GaussianMixture(K).fit(dask.delayed(1))
    with pytest.raises(ValueError, match=r"sample_weight.shape == \(3,\), expected \(9000,\)"):
        GaussianMixture(K).fit(X, sample_weight=np.ones(3))
    with pytest.raises(TypeError, match=r"needs its rows in memory"):
        gmm.em.steps(X, 2)

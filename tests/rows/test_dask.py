"""Dask collections: fits on a cluster of two processes, one of which may die, and functions of rows mapped lazily."""

import os
import signal
import warnings

import numpy as np
import pytest

import gmm
from gmm import BayesianGaussianMixture, GaussianMixture, LostClusterError
from origins import ROWS, K, N, assert_near, fitted
from origins import WEIGHTS as POSITIVE
from tables import refused

dask = pytest.importorskip("dask")
distributed = pytest.importorskip("distributed")
da = pytest.importorskip("dask.array")

HOW = {"distributed.scheduler.allowed-failures": 10}
if os.name == "posix":  # whose processes may share one import
    HOW["distributed.worker.multiprocessing-method"] = "forkserver"
WEIGHTS = np.where(np.arange(N) % 10 == 3, 0, POSITIVE)


@pytest.fixture(scope="module")
def client():
    """Two processes; nothing of a cluster's own warnings fails a test."""
    with (
        warnings.catch_warnings(action="ignore"),
        dask.config.set(HOW),
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def in_chunks(rows=ROWS, size=2000):
    return da.from_array(rows, chunks=(size, 2)).persist()


@pytest.mark.usefixtures("client")
def test_a_fit_on_a_cluster_is_the_fit_in_memory():
    for weight in (None, WEIGHTS):
        there, here = fitted(in_chunks(), weight), fitted(ROWS, weight)
        assert_near(there, here)
        expected = pytest.approx(here.score(ROWS, sample_weight=weight), rel=1e-10)
        for size in (2000, 200):  # added in one task, and in a tree of them
            assert there.score(in_chunks(size=size), sample_weight=weight) == expected
    np.testing.assert_array_equal(fitted(in_chunks(), da.from_array(WEIGHTS, chunks=500)).means_, there.means_)


def test_a_worker_that_is_killed_costs_time_not_the_fit(client):
    X, killed = in_chunks(), []
    expected = fitted(X, tol=1e-7)

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
    assert mixture.score(ROWS) == pytest.approx(fitted(ROWS, tol=1e-7).score(ROWS))


def test_rows_that_a_living_scheduler_gave_up_are_dasks_own_error(client):
    X = in_chunks()
    client.cancel(X, force=True)
    refused("lost dependencies", fitted, X, error=distributed.CancelledError)
    assert fitted(in_chunks()).converged_, "the cluster is there"


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
            refused("out=None with a Dask collection", getattr(mixture, name), X, out=here, error=TypeError)
    assert isinstance(kind(n_components=K, random_state=0).fit_predict(X), da.Array)


def test_data_frames_have_names_and_may_have_empty_partitions():
    pd, dd = pytest.importorskip("pandas"), pytest.importorskip("dask.dataframe")
    frame = pd.DataFrame(ROWS, columns=list("abc"))
    X = dd.from_pandas(frame, npartitions=5)
    X = X[X.a > X.a.min().compute()]
    frame = frame[frame.a > frame.a.min()]
    mixture = fitted(X)
    assert list(mixture.feature_names_in_) == list("abc")
    assert_near(mixture, fitted(frame))
    np.testing.assert_array_equal(mixture.predict(X).compute(), mixture.predict(frame))
    empty = X[X.a > 0].map_partitions(lambda part: part[part.a > 54])
    assert len(mixture.predict(empty).compute()) == len(empty)
    refused("feature names", mixture.score, X.rename(columns={"a": "z"}))
    refused("sizes are unknown", GaussianMixture(K).fit, X, sample_weight=np.ones(len(frame)), error=TypeError)
    assert_near(fitted(X, X.a - X.a + 2), mixture, 1e-6)


def test_what_is_wrong_with_a_collection_is_said():
    X, broken = da.from_array(ROWS, chunks=2000), ROWS.copy()
    broken[8000, 1] = np.nan
    for rows, weight, error, words in (
        (da.from_array(broken, chunks=(2000, 3)), None, ValueError, "row 8000, column 1"),
        (X[:, 0], None, ValueError, "Expected 2D array, got 1D"),
        (dask.delayed(1), None, TypeError, "got a Dask Delayed"),
        (X, np.ones(3), ValueError, r"sample_weight.shape == \(3,\), expected \(9000,\)"),
    ):
        refused(words, fitted, rows, weight, error=error)
    refused(r"needs its rows in memory", gmm.em.steps, X, 2, error=TypeError)

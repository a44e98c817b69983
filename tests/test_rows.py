"""Rows from files and functions: the bits of an array in memory, and faults in words."""

import functools
import itertools

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.dataset
import pyarrow.feather
import pyarrow.parquet
import pytest

import gmm
from gmm import GaussianMixture
from gmm.rows import blocks
from gmm.rows.entrance import as_source
from gmm.rows.npy import NpySource
from gmm.values.covariance import CLASSIC

rng = np.random.default_rng(3)
N, D, K = 9000, 3, 3
ROWS = rng.normal(size=(N, D)) + 4 * rng.integers(K, size=(N, 1)) + 50
WEIGHTS = rng.uniform(0.2, 3, N)
NAMES = ["a", "b", "c"]
PARTS = ("weights_", "means_", "covariances_", "lower_bounds_", "converged_")


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch):
    """A pass reads a few lanes at a time, so that it has many chunks."""
    monkeypatch.setattr(blocks, "_CHUNK_BYTES", 1 << 12)
    monkeypatch.setattr(blocks, "_FEWEST_LANES", 1)


def table_of(rows, weight=None):
    columns = dict(zip(NAMES, rows.T, strict=True))
    return pa.table(columns if weight is None else columns | {"w": weight})


def parquet(rows, weight, folder, size):
    pa.parquet.write_table(table_of(rows, weight), folder / "a.parquet", row_group_size=max(size, 100))
    return gmm.rows(folder / "a.parquet", weight=None if weight is None else "w")


def folder_of_parquet(rows, weight, folder, size):
    (folder / "part" / "b").mkdir(parents=True, exist_ok=True)
    (folder / "part" / "_SUCCESS").touch()
    for name, part in zip(("a", "b/a", "b/b"), np.split(np.arange(len(rows)), [1, 4000]), strict=True):
        table = table_of(rows[part], None if weight is None else weight[part])
        pa.parquet.write_table(table, folder / "part" / f"{name}.parquet", row_group_size=max(size, 100))
    return gmm.rows(folder / "part", weight=None if weight is None else "w")


def arrow(rows, weight, folder, size):
    pa.feather.write_feather(table_of(rows, weight), folder / "a.arrow", chunksize=size)
    return gmm.rows(str(folder / "a.arrow"), columns=NAMES, weight=None if weight is None else "w")


def arrow_stream(rows, weight, folder, size):
    table = table_of(rows, weight)
    with pa.ipc.new_stream(folder / "a.arrows", table.schema) as writer:
        writer.write_table(table, max_chunksize=size)
    return gmm.rows(folder / "a.arrows", weight=None if weight is None else "w")


def delimited(rows, weight, folder, size):
    columns = [*rows.astype(np.float64).T, *([] if weight is None else [weight])]
    lines = ["a;b;c" + ("" if weight is None else ";w")] + [
        ";".join(map(repr, map(float, row))) for row in zip(*columns, strict=True)
    ]
    (folder / "a.csv").write_text("\n".join(lines) + "\n")
    return gmm.rows(folder / "a.csv", weight=None if weight is None else "w")


def npy(rows, weight, folder, size):
    np.save(folder / "a.npy", np.asarray(rows, order="C" if size % 2 else "F"))
    mapped = np.load(folder / "a.npy", mmap_mode="r")
    return gmm.rows(folder / "a.npy") if weight is None else NpySource(mapped, weight)


def factory(rows, weight, folder, size):
    def made():
        for start in range(0, len(rows), size):
            block = rows[start : start + size]
            yield block if weight is None else (block, weight[start : start + size])

    return gmm.rows(made)


def factory_of_frames(rows, weight, folder, size):
    def made():
        for start in range(0, len(rows), max(size, 300)):
            block = pd.DataFrame(rows[start : start + max(size, 300)], columns=NAMES)
            yield block if weight is None else (block, weight[start : start + max(size, 300)])

    return gmm.rows(made)


def dataset(rows, weight, folder, size):
    folder_of_parquet(rows, weight, folder, size)
    data = pa.dataset.dataset(folder / "part", format="parquet")
    return data if weight is None else gmm.rows(data, weight="w")


def table(rows, weight, folder, size):
    batches = table_of(rows, weight).to_batches(max_chunksize=size)
    return gmm.rows(pa.Table.from_batches(batches), weight=None if weight is None else "w")


SOURCES = [parquet, folder_of_parquet, arrow, arrow_stream, delimited, npy, factory, factory_of_frames, dataset, table]
BLOCK_SIZES = [1, 30, 1000, 2049, 10**6]


@functools.cache
def in_memory(covariance_type, dtype, weighted, given):
    rows = ROWS.astype(dtype)
    return fitted(rows, WEIGHTS if weighted else None, covariance_type, given)


def fitted(X, weight, covariance_type, given, **how):
    start = {"means_init": ROWS[[0, 10, 20]]} if given else {}
    return GaussianMixture(K, covariance_type=covariance_type, random_state=0, **start, **how).fit(
        X, sample_weight=weight
    )


def assert_same(one, other):
    for name in PARTS:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
@pytest.mark.parametrize("make", SOURCES)
@pytest.mark.parametrize("covariance_type", CLASSIC)
def test_a_fit_has_the_bits_of_one_in_memory(covariance_type, make, tmp_path):
    turns = itertools.cycle(itertools.product((np.float64, np.float32), (False, True), (False, True)))
    for size, threads in itertools.product(BLOCK_SIZES, (1, 2, 5)):
        dtype, weighted, given = next(turns)
        if size == 1 and threads > 1:
            continue
        rows = ROWS.astype(dtype)
        if make is delimited:
            dtype = np.float64
            rows = ROWS
        source = make(rows, WEIGHTS if weighted else None, tmp_path, size)
        one = fitted(source, None, covariance_type, given, n_threads=threads)
        assert_same(one, in_memory(covariance_type, dtype, weighted, given))


@pytest.mark.parametrize("make", SOURCES)
def test_rows_are_scored_alike(make, tmp_path):
    whole = in_memory("full", np.float64, False, False)
    source = make(ROWS, WEIGHTS, tmp_path, 1000)
    model = fitted(source, None, "full", False)
    known = in_memory("full", np.float64, True, False)
    for name in ("predict", "predict_proba", "score_samples"):
        np.testing.assert_array_equal(getattr(model, name)(source), getattr(known, name)(ROWS), err_msg=name)
    for name in ("score", "bic", "aic", "icl", "nec"):
        assert getattr(model, name)(source) == getattr(known, name)(ROWS, sample_weight=WEIGHTS), name
    assert source.n_rows == N
    assert source.fingerprint == as_source(ROWS, WEIGHTS, estimator="a test")[0].fingerprint
    assert whole.n_features_in_ == D

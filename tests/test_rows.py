"""Rows from files and functions: the bits of an array in memory, and faults in words."""

import functools
import itertools
import math
import os
import pickle
import re
import sys
from contextlib import nullcontext

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.dataset
import pyarrow.feather
import pyarrow.parquet
import pytest

import gmm
import inside
import reference
from gmm import GaussianMixture
from gmm.em import Iteration
from inside import CLASSIC, ArraySource, FileTable, NpySource, TextFormat, as_source, checksum, progress
from inside import delimited as delimited_module
from inside import npy as npy_module
from origins import ROWS, WEIGHTS, D, K, N, assert_same, fitted, in_blocks, stream
from tables import refused

pytestmark = pytest.mark.usefixtures("_small_chunks")
posix = pytest.mark.skipif(os.name != "posix", reason="a file that is mapped changes, as POSIX lets it")
NAMES = ["a", "b", "c"]


def written_to(path):
    if path.suffix in (".csv", ".tsv"):
        how = pa.csv.ParseOptions(delimiter="\t" if path.suffix == ".tsv" else ",")
        return pa.csv.read_csv(path, parse_options=how).to_pandas()
    return pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_feather(path)


def table_of(rows, weight=None):
    columns = dict(zip(NAMES, rows.T, strict=True))
    return pa.table(columns if weight is None else columns | {"w": weight})


def opened(data, weight):
    return gmm.open_rows(data, weight=None if weight is None else "w")


def parquet(rows, weight, folder, size):
    pa.parquet.write_table(table_of(rows, weight), folder / "a.parquet", row_group_size=max(size, 100))
    return opened(folder / "a.parquet", weight)


def folder_of_parquet(rows, weight, folder, size):
    (folder / "part" / "b").mkdir(parents=True, exist_ok=True)
    (folder / "part" / "_SUCCESS").touch()
    for name, part in zip(("a", "b/a", "b/b"), np.split(np.arange(len(rows)), [1, len(rows) // 2]), strict=True):
        table = table_of(rows[part], None if weight is None else weight[part])
        pa.parquet.write_table(table, folder / "part" / f"{name}.parquet", row_group_size=max(size, 100))
    return opened(folder / "part", weight)


def arrow(rows, weight, folder, size):
    pa.feather.write_feather(table_of(rows, weight), folder / "a.arrow", chunksize=size)
    return gmm.open_rows(str(folder / "a.arrow"), columns=NAMES, weight=None if weight is None else "w")


def arrow_stream(rows, weight, folder, size):
    table = table_of(rows, weight)
    with pa.ipc.new_stream(folder / "a.arrows", table.schema) as writer:
        writer.write_table(table, max_chunksize=size)
    return opened(folder / "a.arrows", weight)


def delimited(rows, weight, folder, size):
    table_of(rows, weight).to_pandas().to_csv(folder / "a.csv", sep=";", index=False)
    return opened(folder / "a.csv", weight)


def npy(rows, weight, folder, size):
    path = folder / f"{len(list(folder.iterdir()))}.npy"  # Windows writes no file anew that is mapped
    np.save(path, np.asarray(rows, order="C" if size % 2 else "F"))
    return gmm.open_rows(path) if weight is None else NpySource(np.load(path, mmap_mode="r"), weight)


def factory(rows, weight, folder, size):
    """Of the blocks the first is empty."""
    return gmm.open_rows(lambda: in_blocks(rows, weight, [0, *range(size, len(rows), size)]))


def factory_of_frames(rows, weight, folder, size):
    cuts = range(300, len(rows), max(size, 300))
    frames = [pd.DataFrame(block, columns=NAMES) for block in np.split(rows, cuts)]
    return gmm.open_rows(lambda: frames if weight is None else zip(frames, np.split(weight, cuts), strict=True))


def dataset(rows, weight, folder, size):
    folder_of_parquet(rows, weight, folder, size)
    data = pa.dataset.dataset(folder / "part", format="parquet")
    return data if weight is None else gmm.open_rows(data, weight="w")


def table(rows, weight, folder, size):
    batches = table_of(rows, weight).to_batches(max_chunksize=size)
    return opened(pa.Table.from_batches(batches), weight)


SOURCES = [parquet, folder_of_parquet, arrow, arrow_stream, delimited, npy, factory, factory_of_frames, dataset, table]
SOURCES += [lambda rows, weight, folder, size: ArraySource(rows, weight)]
BLOCK_SIZES = [1, 30, 1000, 2049, 10**6]
FEWER = 2100  # rows: more than each size of blocks but the last, and a dozen chunks


@functools.cache
def in_memory(covariance_type="full", dtype=np.float64, *, weighted=False, given=False, n=N):
    return fitted(ROWS[:n].astype(dtype), WEIGHTS[:n] if weighted else None, **start_of(covariance_type, given=given))


def start_of(covariance_type, *, given):
    return {"covariance_type": covariance_type} | ({"means_init": ROWS[[0, 10, 20]]} if given else {})


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
@pytest.mark.parametrize("make", SOURCES)
@pytest.mark.parametrize("covariance_type", CLASSIC)
def test_a_fit_has_the_bits_of_one_in_memory(covariance_type, make, tmp_path):
    """Each size of blocks with each covariance type, and over these with other threads, types and weights in turn."""
    turns = itertools.cycle(itertools.product((np.float64, np.float32), (False, True), (False, True)))
    threads = itertools.cycle((1, 2, 5))
    ways = zip(turns, threads, BLOCK_SIZES * len(CLASSIC), strict=False)
    first = CLASSIC.index(covariance_type) * len(BLOCK_SIZES)
    for (dtype, weighted, given), n_threads, size in itertools.islice(ways, first, first + len(BLOCK_SIZES)):
        if size == 1 and covariance_type != "full":
            continue
        dtype = np.float64 if make is delimited else dtype
        source = make(ROWS[:FEWER].astype(dtype), WEIGHTS[:FEWER] if weighted else None, tmp_path, size)
        one = fitted(source, n_threads=n_threads, **start_of(covariance_type, given=given))
        assert_same(one, in_memory(covariance_type, dtype, weighted=weighted, given=given, n=FEWER))


@pytest.mark.parametrize("make", SOURCES)
def test_rows_are_scored_alike(make, tmp_path):
    source = make(ROWS, WEIGHTS, tmp_path, 1000)
    model, known = fitted(source), in_memory(weighted=True)
    for name in ("predict", "predict_proba", "score_samples"):
        np.testing.assert_array_equal(getattr(model, name)(source), getattr(known, name)(ROWS), err_msg=name)
    for name in ("score", "bic", "aic", "criteria"):
        assert getattr(model, name)(source) == getattr(known, name)(ROWS, sample_weight=WEIGHTS), name
    assert source.n_rows == N
    assert inside.fingerprint(source) == inside.fingerprint(ArraySource(ROWS, WEIGHTS))


def test_there_are_two_looks_before_the_first_pass_of_a_default_fit_and_one_of_a_given_start():
    """The survey and the sample."""
    given = {"means_init": ROWS[:K], "weights_init": [1 / K] * K, "precisions_init": [np.eye(D)] * K}
    ways = [(2, {"covariance_type": name}) for name in ("full", "diag", "spherical")]
    for expected, how in [*ways, (1, given)]:
        looks, seen = [], []
        source = gmm.open_rows(lambda looks=looks: looks.append(1) or [ROWS[:100], ROWS[100:]])
        mixture = GaussianMixture(K, random_state=0, **how)
        mixture.fit(source, callback=lambda _, looks=looks, seen=seen: seen.append(len(looks)) or True)
        assert seen[0] - 1 == expected


FIRST = ROWS[:50], WEIGHTS[:50]


@pytest.mark.parametrize(
    ("blocks", "kind", "message"),
    [
        ([], ValueError, "one block of rows"),
        ([ROWS[:0]], ValueError, r"0 sample\(s\) \(shape=\(0, 3\)\)"),
        ([ROWS[:50], ROWS[:5, :2]], ValueError, "block 1 of the factory <lambda>: X has 2 features, .* is expecting 3"),
        ([ROWS[:50], ROWS[:5].astype("f4")], ValueError, "block 1 .*: expected float64, as in the first .*float32"),
        ([ROWS[:50], ROWS[:5].astype(str)], ValueError, "block 1 of the factory"),
        ([ROWS[:50], ROWS[:5].astype("M8[s]")], TypeError, "block 1 .* dates"),
        ([ROWS[:50], FIRST], ValueError, "block 1 .*: expected rows without weights, .* got a tuple of 2"),
        ([ROWS[:50], ROWS[0]], ValueError, "block 1 .*: Expected 2D array, got 1D array"),
        ([ROWS[:50], np.full((5, D), np.nan)], ValueError, r"NaN[^$]*row 50, column 0"),
        ([FIRST, (ROWS[:5], WEIGHTS[:4])], ValueError, "shape"),
        ([FIRST, (ROWS[:5], np.full(5, np.nan))], ValueError, "NaN"),
        ([FIRST, (ROWS[:5], None)], (TypeError, ValueError), "weights"),
        ([(ROWS[:50], -WEIGHTS[:50])], ValueError, "Negative values"),
    ],
)
def test_blocks_that_cannot_be_are_refused(blocks, kind, message):
    refused(message, lambda: GaussianMixture(K).fit(gmm.open_rows(lambda: blocks)), error=kind)


def test_what_gives_its_rows_once_is_refused():
    refused("got a generator", gmm.open_rows, (block for block in [ROWS]), error=TypeError)
    once = iter([ROWS[:50], ROWS[50:]])
    refused("gave 9000 rows the first", GaussianMixture(K).fit, gmm.open_rows(lambda: once))
    refused("expected an iterable of blocks", gmm.open_rows, lambda: ROWS, error=TypeError)


@pytest.mark.parametrize(
    ("later", "message"),
    [
        (ROWS[:-1], "9000 rows the first time, 8999 now"),
        (np.vstack([ROWS, ROWS[:1]]), "9000 rows the first time, and more than that now"),
        (np.vstack([ROWS[:-1], ROWS[-1:] * (1 + 1e-15)]), "9000 rows each time, but other values"),
        (np.roll(ROWS, 700, axis=0), "9000 rows each time, but other values, or in another order"),
        (ROWS[:, [1, 0, 2]], "9000 rows each time, .* in another order of rows or columns"),
    ],
)
def test_a_source_that_changes_between_passes_is_noticed(later, message):
    turns = itertools.chain([ROWS, ROWS, ROWS, ROWS], itertools.repeat(later))

    def made():
        return np.array_split(next(turns), 7)

    mixture = GaussianMixture(K, random_state=0, max_iter=3, tol=0)
    refused(f"changed between two readings: {message}", mixture.fit, gmm.open_rows(made))
    assert not hasattr(mixture, "means_"), "a fit that fails leaves the estimator as it was"


@pytest.mark.parametrize("kind", ["parquet", "csv", "arrow"])
def test_names_that_change_places_in_a_file_are_noticed(kind, tmp_path):
    path = tmp_path / f"a.{kind}"

    def write_under(names):
        table = table_of(ROWS).rename_columns(names)
        write = {"parquet": pa.parquet.write_table, "csv": pa.csv.write_csv, "arrow": pa.feather.write_feather}
        write[kind](table, path)

    write_under(NAMES)
    source = gmm.open_rows(path)
    assert source.n_rows == N
    write_under(["b", "a", "c"])
    fit = GaussianMixture(K, random_state=0).fit
    refused(rf"a\.{kind} changed between two readings: .* another order of rows or columns", fit, source)
    write_under(["a", "b", "d"])
    refused(rf"no column 'c' in .*a\.{kind}|a\.{kind}: no column 'c' in it", fit, source)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("order", "CF")
@pytest.mark.parametrize("d", [1, 2, 3, 5, 8, 31, 32, 40])
def test_a_checksum_is_that_of_its_slow_twin_in_pieces_too(d, order, dtype):
    rows = np.asarray(np.random.default_rng(d).normal(size=(1500, d)), dtype, order)
    expected = reference.checksum(rows)
    assert checksum(rows, 0) == expected
    for step in (1, 7, 256, 300, 1024):
        parts = (checksum(rows[start : start + step], start) for start in range(0, len(rows), step))
        assert sum(parts) % 2**64 == expected
    assert checksum(rows[:0], 0) == 0
    if d > 1:
        assert checksum(rows[:, ::-1].copy(order), 0) != expected


def test_a_parquet_file_that_is_truncated_or_damaged_inside_is_named(tmp_path):
    source, path = parquet(ROWS, None, tmp_path, 1000), tmp_path / "a.parquet"
    content = path.read_bytes()
    half = len(content) // 2
    path.write_bytes(content[:half] + bytes(2000) + content[half + 2000 :])
    refused(r"a\.parquet", GaussianMixture(K).fit, source)
    for at in (100, half, -1, -9):
        path.write_bytes(content[:at])
        refused(r"a\.parquet is not .* Parquet file", gmm.open_rows, path)


@pytest.mark.parametrize("how", ["path", "data set", "filtered", "command line"])
def test_a_page_that_is_not_what_its_checksum_says_is_an_error(how, tmp_path):
    path, how_written = tmp_path / "a.parquet", {"use_dictionary": False, "compression": "none"}
    pa.parquet.write_table(table_of(ROWS), path, write_page_checksum=True, **how_written)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1  # a bit of a value
    path.write_bytes(content)
    data = pa.dataset.dataset(path)
    if how == "command line":
        refused(r"a\.parquet .*page integrity", FileTable(path, TextFormat(), whole=True).numbers(NAMES).array)
        return
    opened = {"path": path, "filtered": data.filter(pa.dataset.field("a") > -math.inf)}.get(how, data)
    refused(r"(a\.parquet|the FileSystemDataset).*integrity", GaussianMixture(K).fit, gmm.open_rows(opened))
    assert how != "filtered" or not data.format.default_fragment_scan_options.page_checksum_verification


@pytest.mark.parametrize("filtered", [False, True])
def test_what_a_data_set_says_of_its_files_is_kept(filtered, tmp_path):
    """Limits of a scan that the file does not keep are an error, as in the data set's own reading."""
    wide = pa.table({f"column {j}": ROWS[:10, 0] for j in range(2000)})
    pa.parquet.write_table(wide, tmp_path / "a.parquet")
    options = pa.dataset.ParquetFragmentScanOptions(thrift_container_size_limit=500)
    schema, kind = wide.schema, pa.dataset.ParquetFileFormat(default_fragment_scan_options=options)
    data = pa.dataset.dataset(tmp_path / "a.parquet", format=kind, schema=schema)
    if filtered:
        data = data.filter(pa.dataset.field("column 0") > -math.inf)
    refused("size limit", data.to_table, error=OSError)
    refused("size limit", GaussianMixture(1).fit, gmm.open_rows(data))


@pytest.mark.parametrize("number", [2, 8002, 70_000])
@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1.5;seven;2.5", r"a\.csv: line {}, column 'b': expected a number, got 'seven'"),
        ("1.5;2.5", r"a\.csv.*: line {} has 2 fields, expected 3"),
    ],
)
def test_a_bad_row_of_a_text_is_named(line, message, number, tmp_path):
    lines = ["a;b;c", *["1.25;-3.125;4.0625"] * 80_000]
    lines[number - 1] = line
    (tmp_path / "a.csv").write_text("\n".join(lines))
    refused(message.format(number), lambda: GaussianMixture(K).fit(gmm.open_rows(tmp_path / "a.csv")))


@posix
def test_npy_files_are_tables_like_others(tmp_path):
    for number, part in enumerate(np.array_split(np.column_stack([ROWS, WEIGHTS]), 3)):
        np.save(tmp_path / f"{number}.npy", part)
    source = gmm.open_rows(tmp_path, columns=["x2", "x1", "x0"], weight="x3")
    assert source.feature_names.tolist() == ["x2", "x1", "x0"]
    assert_same(fitted(source), fitted(np.array(ROWS[:, ::-1]), WEIGHTS))
    assert gmm.open_rows(tmp_path / "0.npy", columns=["x1"]).n_features == 1
    np.save(tmp_path / "0.npy", ROWS[:, 0])
    assert gmm.open_rows(tmp_path / "0.npy").n_features == 1
    refused(r"no column 'x7' in .*0\.npy", gmm.open_rows, tmp_path / "0.npy", columns=["x7"])


@posix
@pytest.mark.parametrize("gaps", [False, True])
def test_rows_with_errors_in_a_file_have_the_bits_of_an_array(gaps, tmp_path):
    """Also the prior that the mean error tells."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(N, D)) + 4 * (rng.random((N, 1)) < 0.4)
    of_rows = rng.choice([0.1, 0.4, 0.3], size=(N, 1)) * np.ones(D)
    rows[rng.random((N, D)) < 0.1 * gaps] = np.nan
    np.save(tmp_path / "a.npy", rows)
    one, other = (
        GaussianMixture(2, random_state=0, missing="em", tol=0.1).fit(each, error_covariance=of_rows)
        for each in (rows, gmm.open_rows(tmp_path / "a.npy"))
    )
    assert_same(one, other)


@posix
@pytest.mark.parametrize("columns", [None, ["x1", "x0"]])
@pytest.mark.parametrize("looked", [False, True])
@pytest.mark.parametrize(
    "change",
    [
        lambda path: np.save(path, np.vstack([ROWS, ROWS[:5]])),
        lambda path: np.save(path, np.asfortranarray(ROWS)),
        lambda path: path.write_bytes(path.read_bytes() + bytes(8 * D)),
    ],
    ids=["more rows", "order", "longer"],
)
def test_an_npy_file_that_changed_is_noticed(change, looked, columns, tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, ROWS)
    source = gmm.open_rows(path, columns=columns)
    assert not looked or source.survey.n_used == N
    path.rename(tmp_path / "b.npy")
    path.write_bytes((tmp_path / "b.npy").read_bytes())
    change(path)
    told = r"a\.npy changed between two readings: .* bytes"
    refused(told, GaussianMixture(K).fit, source)
    if columns is None:  # else it is no array
        refused(told, gmm.inference.held_out_log_likelihood, GaussianMixture(1), source)


@posix
@pytest.mark.parametrize("kind", ["csv", "parquet", "npy"])
def test_a_file_that_is_gone_is_told_as_such(kind, tmp_path):
    make = {"csv": delimited, "parquet": parquet, "npy": npy}[kind]
    source = make(ROWS, None, tmp_path, 1000)
    (path,) = tmp_path.iterdir()
    path.unlink()
    refused(path.name, GaussianMixture(K).fit, source, error=FileNotFoundError)


def test_a_truncated_npy_file_is_named(tmp_path):
    source = npy(ROWS, None, tmp_path, 1)
    content = (tmp_path / "0.npy").read_bytes()
    (tmp_path / "0.npy").write_bytes(content[:-1000])
    refused(r"0\.npy changed .* bytes now", GaussianMixture(K).fit, source)
    refused(r"0\.npy .* an array of numbers", gmm.open_rows, tmp_path / "0.npy")


def test_data_sets_may_be_filtered_or_in_parts_by_folders(tmp_path):
    part = np.arange(N) // 3000
    folders = pa.dataset.partitioning(pa.schema([("w", pa.int64())]), flavor="hive")
    pa.dataset.write_dataset(table_of(ROWS, part), tmp_path / "parts", format="parquet", partitioning=folders)
    data = pa.dataset.dataset(tmp_path / "parts", partitioning="hive")
    assert_same(fitted(gmm.open_rows(data, columns=NAMES)), in_memory())
    with_part = fitted(gmm.open_rows(data, columns=["a", "w"]), covariance_type="diag")
    assert_same(with_part, fitted(np.column_stack([ROWS[:, 0], part]), covariance_type="diag"))
    some = data.filter(pa.dataset.field("w") != 1)
    assert_same(fitted(gmm.open_rows(some, columns=NAMES)), fitted(ROWS[part != 1]))


def test_columns_are_checked(tmp_path):
    path, table = tmp_path / "a.parquet", table_of(ROWS, WEIGHTS)
    pa.parquet.write_table(table.append_column("species", pa.array(["setosa"] * N)), path)
    (tmp_path / "a.sav").touch()
    for data, how, error, words in (
        (path, {"columns": ["a", "d"]}, ValueError, "no column 'd' in .*parquet, which has 'a', 'b', 'c', 'w', 'spec"),
        (path, {}, ValueError, r"column 'species' of .* holds string, expected numbers"),
        (path, {"columns": ["a", "w"], "weight": "w"}, ValueError, "expected distinct columns"),
        (tmp_path / "a.sav", {}, ValueError, r"unknown file type '\.sav'"),
        (ROWS, {}, TypeError, "frame is passed to fit"),
    ):
        refused(words, gmm.open_rows, data, error=error, **how)
    for absent in ("b.parquet", "b.csv", "b.npy", "b"):
        refused(f"No such file or directory: .*{absent}", gmm.open_rows, tmp_path / absent, error=FileNotFoundError)
    chosen = fitted(gmm.open_rows(path, columns=["c", "a"], weight="w"))
    assert list(chosen.feature_names_in_) == ["c", "a"]
    assert_same(chosen, fitted(ROWS[:, [2, 0]], WEIGHTS))
    refused("must be in the same order", chosen.predict, gmm.open_rows(path, columns=["a", "c"]))


def test_integers_and_missing_values_of_columns():
    table = pa.table({"a": [1, 2, 3, None], "b": pa.array([1, 0, 1, 1]).cast(pa.bool_()), "c": [0.5, 1, 2, 3]})
    source = gmm.open_rows(table)
    np.testing.assert_array_equal(source.take(np.arange(4)), [[1, 1, 0.5], [2, 0, 1], [3, 1, 2], [np.nan, 1, 3]])


def test_a_large_memory_map_is_read_and_not_touched(tmp_path, monkeypatch):
    monkeypatch.setattr(npy_module, "_WORTH_READING", 1000)
    npy(ROWS, None, tmp_path, 1)
    mapped = np.load(tmp_path / "0.npy", mmap_mode="r")
    assert isinstance(gmm.open_rows(mapped), NpySource)
    assert isinstance(as_source(mapped, estimator="a test"), NpySource)
    assert not isinstance(as_source(mapped[1:], estimator="a test"), NpySource), "a part begins elsewhere"
    assert_same(fitted(mapped), in_memory())
    assert_same(fitted(mapped, WEIGHTS), in_memory(weighted=True))
    refused("rows beyond memory", gmm.select, mapped, [2], ["full"])
    changed = np.load(tmp_path / "0.npy", mmap_mode="c")
    changed[:] += 1
    assert not isinstance(as_source(changed, estimator="a test"), NpySource), "its changes are in memory alone"


@posix
def test_a_memory_map_whose_file_is_gone_or_another_is_an_array(tmp_path, monkeypatch):
    monkeypatch.setattr(npy_module, "_WORTH_READING", 1000)
    np.save(tmp_path / "0.npy", ROWS)
    mapped = np.load(tmp_path / "0.npy", mmap_mode="r")
    np.save(tmp_path / "b.npy", ROWS[::-1])
    (tmp_path / "b.npy").replace(tmp_path / "0.npy")
    assert not isinstance(as_source(mapped, estimator="a test"), NpySource)
    (tmp_path / "0.npy").unlink()
    assert_same(fitted(mapped), in_memory())


def test_numbers_of_any_type_in_a_file_and_one_array_only_where_none_is_converted(tmp_path):
    numbers = np.random.default_rng(0).integers(0, 50, (500, 2))
    types = ("f4", "f8", "i1", "i4", ">i4", ">f8" if sys.byteorder == "little" else "<f8", "f2", "?")
    for number, dtype in enumerate(types):
        path = tmp_path / f"{number}.npy"
        np.save(path, numbers.astype(dtype))
        assert_same(fitted(gmm.open_rows(path), n_components=2), fitted(np.load(path), n_components=2))
        with nullcontext() if dtype in ("f4", "f8") else pytest.raises(TypeError, match="needs its rows"):
            next(gmm.em.steps(gmm.open_rows(path), 2))


def test_the_best_of_a_sample_is_fitted_to_all_rows():
    source = stream()
    refused("select cannot be combined with rows beyond memory", gmm.select, source)
    refused("select cannot be combined with rows beyond memory", gmm.GaussianMixtureSearch().fit, source)
    sample = source.take(np.arange(0, N, 3))
    found = gmm.select(sample, range(1, 5), ["full", "EII", "VVI"], random_state=0)
    of_sample = found.best.score(ROWS)
    mixture = found.best.set_params(warm_start=True).fit(source)
    whole = gmm.select(ROWS, range(1, 5), ["full", "EII", "VVI"], random_state=0)
    assert (mixture.n_components, mixture.covariance_type) == (whole.best.n_components, whole.best.covariance_type)
    assert mixture.score(ROWS) > of_sample
    assert mixture.bic(source) == pytest.approx(whole.bic[whole.best_index], abs=0.1)


GUESSES = {"0,1,2\n5.5,3,1\n4.5,3,2\n": "column names", "1.5,2.5\n3.5,4.5\n": "a row and the columns are named"}


@pytest.mark.parametrize(("text", "said"), GUESSES.items())
def test_a_guess_about_the_first_line_is_a_warning(text, said, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(text)
    told = rf"a\.csv: the first line .*{said}.*; use header=(True|False) if it"
    with pytest.warns(UserWarning, match=told) as caught:
        source = gmm.open_rows(path)
    assert [warning.filename for warning in caught] == [__file__]
    assert source.n_rows == 2
    lines = len(text.splitlines())
    assert [gmm.open_rows(path, header=header).n_rows for header in (True, False)] == [lines - 1, lines]


def test_only_text_has_a_first_line_and_one_that_may_be_either_is_asked_about(tmp_path):
    (tmp_path / "a.csv").write_text("1,2,3\n4,5,6\n")
    refused(r"use header=True.*header=False", gmm.open_rows, tmp_path / "a.csv")
    np.save(tmp_path / "a.npy", ROWS)
    parquet(ROWS, None, tmp_path, 1000)
    told = "header, decimal and na_values apply to delimited text"
    for name in ("a.npy", "a.parquet"):
        refused(f"{name}: {told}", gmm.open_rows, tmp_path / name, header=True)
    for data in (lambda: [ROWS], table_of(ROWS)):
        refused(told, gmm.open_rows, data, header=False, error=TypeError)


@pytest.mark.parametrize("suffix", ["parquet", "arrow", "csv", "tsv"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_predictions_are_written_in_pieces(suffix, dtype, tmp_path, monkeypatch):
    for module in (inside.e_step, inside._frozen_mixture):
        monkeypatch.setattr(module, "_ROWS_AT_ONCE", 3000)
    model, rows, path = in_memory("full", dtype), ROWS.astype(dtype), tmp_path / f"a.{suffix}"
    exact = 0 if dtype == np.float64 or suffix in ("parquet", "arrow") else 1e-6
    for mixture, near in ((model, {"rtol": exact}), (model.freeze(), {"atol": 1e-11 if dtype == np.float64 else 1e-5})):
        for X in (rows, stream(rows)):
            mixture.predict_to(X, path)
            written = written_to(path)
            assert list(written) == ["row", "component", "p_0", "p_1", "p_2"]
            np.testing.assert_array_equal(written["row"], np.arange(N) + 1)
            np.testing.assert_array_equal(written["component"], model.predict(rows))
            np.testing.assert_allclose(written.iloc[:, 2:], model.predict_proba(rows), **near)
        mixture.predict_to(rows, path, responsibilities=False)
        assert list(written_to(path)) == ["row", "component"]


def weighted_blocks():
    return in_blocks(ROWS, WEIGHTS)


@pytest.mark.parametrize("kind", ["parquet", "csv", "npy", "map", "blocks"])
def test_what_was_read_can_be_pickled(kind, tmp_path):
    make = {"parquet": parquet, "csv": delimited}.get(kind, npy)
    weight = WEIGHTS if kind in ("parquet", "map") else None
    source = gmm.open_rows(weighted_blocks) if kind == "blocks" else make(ROWS, weight, tmp_path, 1000)
    for _ in range(2):  # before a reading and after it
        content = pickle.dumps(source)
        assert len(content) < (1.5 * WEIGHTS.nbytes if kind == "map" else 10_000)
        again = pickle.loads(content)
        assert repr(again) == repr(source)
        assert inside.fingerprint(again) == inside.fingerprint(source)
        if source.sample_weight is not None:
            np.testing.assert_array_equal(again.sample_weight, source.sample_weight)
        fitted(source)


def test_predictions_that_fail_leave_the_file_as_it_was(tmp_path):
    model, path = in_memory(), tmp_path / "a.csv"
    path.write_text("before")
    turns = itertools.chain([ROWS], itertools.repeat(ROWS[:5000]))
    refused("changed between two readings", model.predict_to, gmm.open_rows(lambda: [next(turns)]), path)
    assert [file.name for file in tmp_path.iterdir()] == ["a.csv"]
    assert path.read_text() == "before"
    refused(r"a\.txt.*of .csv", model.predict_to, ROWS, tmp_path / "a.txt")
    frozen = model.freeze()
    refused(f"X has {D + 1} features, but FrozenMixture is expecting {D}", frozen.predict_to, np.ones((2, D + 1)), path)
    refused("NaN", frozen.predict_to, np.full((2, D), np.nan), path)
    assert [file.name for file in tmp_path.iterdir()] == ["a.csv"]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-32"])
def test_text_in_another_encoding_is_told(encoding, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("a,b\n1,2\n3,4\n", encoding=encoding)
    for reader in (gmm.open_rows, functools.partial(FileTable, text_format=TextFormat(), whole=True)):
        refused(r"a\.csv is not UTF-8 text.*as in UTF-16.*to UTF-8", reader, str(path))


def test_long_passes_tell_their_pace(capsys, monkeypatch):
    monkeypatch.setattr(progress, "_QUIET", 0.0)
    monkeypatch.setattr(progress, "_LONG", 0.0)
    told = GaussianMixture(5, random_state=0, tol=1e-6, max_iter=1000, verbose=1).fit(gmm.open_rows(lambda: [ROWS]))
    text = capsys.readouterr().out
    assert re.search(r"start 1/1  \d+.% of the rows, [\d,]+ rows/s, the pass ends in 0 s\n", text)
    assert re.search(r"pass    2  log-likelihood .* rows/s  at most \d+ s left\n", text)
    assert_same(told, GaussianMixture(5, random_state=0, tol=1e-6, max_iter=1000).fit(ROWS))


def test_time_left_is_projected_from_the_remaining_gain(capsys):
    mixture = GaussianMixture(verbose=1, verbose_interval=1, tol=1e-6)
    printer = progress.ProgressPrinter(mixture, ("log-likelihood", "nats"), 10**9)
    for n_iter, remaining in enumerate((math.inf, 1e-2, 1e-3, 2e-3, 1e-7), 1):
        printer.step(Iteration(0, n_iter, -1.0, 0.1, 50.0, None, remaining))
    ends = [line.partition("rows/s  ")[2].removesuffix(" left") for line in capsys.readouterr().out.splitlines()]
    assert ends == ["at most 82 min", "at most 82 min", "about 2 min", "at most 80 min", "about 0 s"]
    assert [progress.remaining_passes(1e-3, 1e-2, 1e-6, most) for most in (2, 5)] == [2, 3]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("order", [slice(None), slice(None, None, -1)])
def test_frames_whose_columns_lie_at_equal_distances_are_not_copied(order, dtype):
    rows = np.asfortranarray(ROWS, dtype=dtype)[:, order]
    columns = dict(zip(NAMES, rows.T, strict=True))
    for frame in (pa.table(columns), pl.DataFrame(columns), pd.DataFrame(columns, copy=False)):
        source = as_source(frame, estimator="a test")
        np.testing.assert_array_equal(source.rows, rows)
        assert list(source.feature_names) == NAMES
        if not isinstance(frame, pl.DataFrame):
            assert np.shares_memory(source.rows, rows) or isinstance(frame, pd.DataFrame)
        assert_same(fitted(frame), fitted(rows))


def test_columns_that_lie_elsewhere_are_kept_alive():
    """Equal distances may be chance: the matrix must hold all columns, not the first alone."""
    large = np.random.default_rng(0).normal(size=(3, 1 << 17))
    table = pa.table({name: pa.array(column.copy()) for name, column in zip(NAMES, large, strict=True)})
    source = as_source(table, estimator="a test")
    del table
    for _ in range(20):
        np.full(1 << 17, np.nan)
    np.testing.assert_array_equal(source.rows, large.T)
    twice = pa.table({"a": large[0], "b": large[0]})
    np.testing.assert_array_equal(as_source(twice, estimator="a test").rows, large[[0, 0]].T)


def test_compressed_text_without_names(tmp_path):
    pd.DataFrame(ROWS).to_csv(tmp_path / "a.csv.gz", header=False, index=False)
    source = gmm.open_rows(tmp_path / "a.csv.gz", header=False)
    assert list(source.feature_names) == ["x0", "x1", "x2"]
    assert_same(fitted(source), in_memory())


@pytest.mark.parametrize(
    ("files", "how", "error", "message"),
    [
        ({"a.csv": "a,a,b\n1,2,3\n"}, {}, ValueError, "expected distinct columns of .*a.csv, got 'a', 'a'"),
        ({"a.csv": "a,b\n1,2\n", "b.csv": "a,b,c\n1,2,3\n"}, {}, ValueError, "b.csv has 'c', which .*a.csv lacks"),
        ({"a.csv": "ab,a,b\n1,2,3\n"}, {"columns": "ab"}, TypeError, r"the string 'ab': columns=\['ab'\]"),
        ({"a.csv": "a,w\n1,2\n"}, {"columns": 5}, TypeError, "a list of names of columns, got 5"),
        ({"a.csv": "a,w\n1,2\n"}, {"columns": []}, ValueError, "at least one column"),
        ({"a.csv": "w\n1\n"}, {"weight": "w"}, ValueError, "at least one column"),
        ({"a.csv": "a,b\n"}, {}, ValueError, "0 sample"),
    ],
)
def test_no_column_is_lost_in_silence(files, how, error, message, tmp_path):
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    refused(message, lambda: GaussianMixture(1).fit(gmm.open_rows(tmp_path, **how)), error=error)


@pytest.mark.parametrize("at", [1, 3000, 8999])
def test_a_line_may_be_longer_than_a_block(at, tmp_path, monkeypatch):
    """Also one of whole numbers before it, and of a column that is not read."""
    monkeypatch.setattr(delimited_module, "_BLOCK", 1 << 14)
    lines = ["a,text,b,c", *(f"{x!r},t,{y!r},{z!r}" for x, y, z in ROWS.tolist())]
    lines[at] = lines[at].replace("t", "long " * 100_000)
    (tmp_path / "a.csv").write_text("\n".join(lines))
    source = gmm.open_rows(tmp_path / "a.csv", columns=NAMES)
    assert_same(fitted(source), in_memory())
    whole = FileTable(tmp_path / "a.csv", TextFormat(), whole=True)
    np.testing.assert_array_equal(whole.numbers(["c"]).array()[0], ROWS[:, 2:])


def test_a_line_that_no_block_holds_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(delimited_module, "_BLOCK", 1 << 10)
    monkeypatch.setattr(delimited_module, "_LARGEST_BLOCK", 1 << 12)
    (tmp_path / "a.csv").write_text("a,text\n1,t\n" + "1,t\n" * 3000 + "2," + "long" * 10_000 + "\n")
    refused(r"a\.csv.*than 4,096.*line", GaussianMixture(1).fit, gmm.open_rows(tmp_path / "a.csv", columns=["a"]))
    refused(r"a\.csv.*than 4,096", FileTable, tmp_path / "a.csv", TextFormat(), whole=True)


class FarColumns:
    """A data frame of two columns that lie far apart in memory."""

    columns = "a", "b"

    def __init__(self, rows):
        self._far = np.zeros(10_000_000)  # a place of its own, not on the heap
        self._far[: len(rows)] = rows[:, 1]
        self._here = rows[:, 0].copy()

    def __len__(self):
        return len(self._here)

    def get_column(self, name):
        return self._here if name == "a" else self._far[: len(self)]


def test_columns_far_apart_in_memory_are_one_table():
    """They once became an array of strides for which numpy crashes."""
    rows = np.random.default_rng(0).normal(size=(300, 2))
    mixture = GaussianMixture(2, random_state=0).fit(FarColumns(rows))
    np.testing.assert_array_equal(
        mixture.means_, GaussianMixture(2, random_state=0).fit(np.asfortranarray(rows)).means_
    )

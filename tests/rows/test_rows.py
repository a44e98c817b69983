"""Rows from files, functions and other packages: the bits of an array in memory, and faults in words."""

import functools
import io
import itertools
import math
import os
import pickle
import random
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
import pyarrow.orc
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
from tables import cases, refused, with_gaps

pytestmark = pytest.mark.usefixtures("_small_chunks")
posix = pytest.mark.skipif(os.name != "posix", reason="a file that is mapped changes, as POSIX lets it")
NAMES = ["a", 'b "of" c', "d"]


def written_to(path):
    if path.suffix in (".csv", ".tsv"):
        how = pa.csv.ParseOptions(delimiter="\t" if path.suffix == ".tsv" else ",")
        return pa.csv.read_csv(path, parse_options=how).to_pandas()
    return pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_feather(path)


def table_of(rows, weight=None, **more):
    return pa.table(more | dict(zip(NAMES, rows.T, strict=True)) | ({} if weight is None else {"w": weight}))


# --- Tables, in files and of other packages ------------------------------------------------------


def in_arrows_form(new, table, size):
    content = io.BytesIO()
    with new(content, table.schema) as writer:
        writer.write_table(table, max_chunksize=size)
    return content.getvalue()


WRITERS = {
    "parquet": lambda table, path, size: pa.parquet.write_table(table, path, row_group_size=max(size, 100)),
    "arrow": lambda table, path, size: pa.feather.write_feather(table, path, chunksize=size),
    "arrows": lambda table, path, size: path.write_bytes(in_arrows_form(pa.ipc.new_stream, table, size)),
    "csv": lambda table, path, size: table.to_pandas().to_csv(path, sep=";", index=False),
    "orc": lambda table, path, size: pa.orc.write_table(table, path, stripe_size=1 << 16),
}


def file(suffix, table, folder, size):
    WRITERS[suffix](table, folder / f"a.{suffix}", size)
    return folder / f"a.{suffix}"


parquet = functools.partial(file, "parquet")


def folder_of_parquet(table, folder, size):
    (folder / "part" / "b").mkdir(parents=True, exist_ok=True)
    (folder / "part" / "_SUCCESS").touch()
    half = len(table) // 2
    for name, part in {"a": table[:1], "b/a": table[1:half], "b/b": table[half:]}.items():
        pa.parquet.write_table(part, folder / "part" / f"{name}.parquet", row_group_size=max(size, 100))
    return folder / "part"


class Streamed:
    """What offers Arrow's C stream, and nothing else."""

    def __init__(self, table):
        self.table = table

    def __arrow_c_stream__(self, requested_schema=None):
        return self.table.__arrow_c_stream__(requested_schema)


TABLES = {
    "parquet": parquet,
    "folder": folder_of_parquet,
    "pattern": lambda *how: f"{folder_of_parquet(*how)}/**/*.parquet",
    "arrow": lambda *how: str(file("arrow", *how)),
    "arrow stream": functools.partial(file, "arrows"),
    "delimited": functools.partial(file, "csv"),
    "orc": functools.partial(file, "orc"),
    "data set": lambda *how: pa.dataset.dataset(folder_of_parquet(*how), format="parquet"),
    "table": lambda table, folder, size: table,
    "lazy frame": lambda *how: pl.scan_parquet(parquet(*how)).filter(pl.col("a").is_not_null()),
    "relation": lambda *how: pytest.importorskip("duckdb").connect().sql(f"select * from '{parquet(*how)}'"),
    "streamed": lambda table, folder, size: Streamed(table),
    "scanner": lambda table, folder, size: pa.dataset.dataset(table).scanner(batch_size=size),
    "opened file": lambda table, _, size: pa.ipc.open_file(in_arrows_form(pa.ipc.new_file, table, size)),
}
ONCE = {
    "reader": lambda table, folder, size: table.to_reader(),
    "opened stream": lambda table, _, size: pa.ipc.open_stream(in_arrows_form(pa.ipc.new_stream, table, size)),
    "scanner of a stream": lambda table, folder, size: pa.dataset.Scanner.from_batches(table.to_reader()),
}


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


OTHERS = {"npy": npy, "factory": factory, "factory of frames": factory_of_frames}
OTHERS |= {"array": lambda rows, weight, folder, size: ArraySource(rows, weight)}


def source_of(kind, rows, weight, folder, size, **how):
    """Rows of some kind; the columns of a table have another one, of text, among them."""
    if kind in OTHERS:
        return OTHERS[kind](rows, weight, folder, size)
    table = pa.Table.from_batches(table_of(rows, weight, text=["x"] * len(rows)).to_batches(max_chunksize=size))
    made = (TABLES | ONCE)[kind](table.select([table.num_columns - 1, *range(table.num_columns - 1)]), folder, size)
    how["scratch"] = kind in ONCE or how.get("scratch", False)
    return gmm.open_rows(made, columns=NAMES, weight=None if weight is None else "w", **how)


HOLED = with_gaps(ROWS[:2100], 0.1)  # more rows than each size of blocks but the last, and a dozen chunks
STARTS = {"own": {}, "given": {"means_init": ROWS[[0, 10, 20]]}}


@functools.cache
def in_memory(covariance_type="full", dtype=np.float64, *, weighted=False, start="own", gaps=False, n=N):
    how = how_of(covariance_type, start, "em" if gaps else "error")
    return fitted(rows_of(dtype, gaps, n), WEIGHTS[:n] if weighted else None, **how)


def rows_of(dtype, gaps, n):
    return (HOLED if gaps else ROWS[:n]).astype(dtype)


def how_of(covariance_type, start, missing):
    return {"covariance_type": covariance_type, "missing": missing} | STARTS[start]


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
@pytest.mark.parametrize("size", [1, 30, 2049, 10**6])
@pytest.mark.parametrize("kind", TABLES | ONCE | OTHERS)
def test_rows_of_every_kind_have_the_bits_of_an_array(kind, size, tmp_path):
    """Of each kind, rows in blocks of each size, with each covariance type and what else there is in turns."""
    for covariance_type in CLASSIC[: 1 if size == 1 else None]:
        turn = random.Random(f"{kind} {size} {covariance_type}")
        dtype = np.float64 if kind == "delimited" else turn.choice([np.float64, np.float32])
        weighted, scratch, n_threads = turn.choice([False, True]), turn.choice([False, True]), turn.choice([1, 2, 5])
        start = turn.choice(["own", "given"])
        gaps = turn.choice([False, True])
        missing = "em" if gaps else turn.choice(["error", "em"])
        rows, weight = rows_of(dtype, gaps, len(HOLED)), WEIGHTS[: len(HOLED)] if weighted else None
        source = source_of(kind, rows, weight, tmp_path, size, scratch=scratch)
        one = fitted(source, n_threads=n_threads, **how_of(covariance_type, start, missing))
        known = in_memory(covariance_type, dtype, weighted=weighted, start=start, gaps=gaps, n=len(HOLED))
        assert_same(one, known)
        for name in ("predict", "predict_proba", "score_samples", "impute"):
            np.testing.assert_array_equal(getattr(one, name)(source), getattr(known, name)(rows), err_msg=name)
        for name in ("score", "bic", "aic", "criteria", "log_likelihood"):
            expected = getattr(known, name)(rows, sample_weight=weight)
            assert getattr(one, name)(source) == pytest.approx(expected, rel=0 if dtype == np.float64 else 1e-6), name
        np.testing.assert_array_equal(source.take(np.arange(len(rows))), rows)
        assert inside.fingerprint(source) == inside.fingerprint(ArraySource(rows, weight))
        assert kind in OTHERS or one.feature_names_in_.tolist() == NAMES


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


@cases(
    ([], ValueError, "one block of rows"),
    ([ROWS[:0]], ValueError, r"0 sample\(s\) \(shape=\(0, 3\)\)"),
    ([ROWS[:50], ROWS[:5, :2]], ValueError, "block 1 of the factory <lambda>: X has 2 features, .* is expecting 3"),
    ([ROWS[:50], ROWS[:5].astype("f4")], ValueError, "block 1 .*: expected float64, as in the first .*float32"),
    ([ROWS[:50], ROWS[:5].astype("M8[s]")], TypeError, "block 1 .* dates"),
    ([ROWS[:9], (ROWS[:9], WEIGHTS[:9])], ValueError, "block 1 .*: expected rows without weights, .* got a tuple of 2"),
    ([ROWS[:50], np.full((5, D), np.nan)], ValueError, r"NaN[^$]*row 50, column 0"),
    ([(ROWS[:50], -WEIGHTS[:50])], ValueError, "Negative values"),
)
def test_blocks_that_cannot_be_are_refused(blocks, kind, message):
    refused(message, lambda: GaussianMixture(K).fit(gmm.open_rows(lambda: blocks)), error=kind)


def test_what_gives_its_rows_once_is_refused():
    refused("got a generator", gmm.open_rows, (block for block in [ROWS]), error=TypeError)
    once = iter([ROWS[:50], ROWS[50:]])
    refused("returned 9000 rows the first", GaussianMixture(K).fit, gmm.open_rows(lambda: once))
    refused("expected an iterable of blocks", gmm.open_rows, lambda: ROWS, error=TypeError)
    refused("frame to fit and predict directly", gmm.open_rows, ROWS, error=TypeError)


@cases(
    (ROWS[:-1], "9000 rows the first time, 8999 now"),
    (np.vstack([ROWS, ROWS[:1]]), "9000 rows the first time, and more than that now"),
    (np.vstack([ROWS[:-1], ROWS[-1:] * (1 + 1e-15)]), "9000 rows each time, but other values"),
    (np.roll(ROWS, 700, axis=0), "9000 rows each time, but other values, or in another order"),
    (ROWS[:, [1, 0, 2]], "9000 rows each time, .* in another order of rows or columns"),
)
def test_a_source_that_changes_between_passes_is_noticed(later, message):
    turns = itertools.chain([ROWS, ROWS, ROWS, ROWS], itertools.repeat(later))

    def made():
        return np.array_split(next(turns), 7)

    mixture = GaussianMixture(K, random_state=0, max_iter=3, tol=0)
    refused(f"changed between two readings: {message}", mixture.fit, gmm.open_rows(made))
    assert not hasattr(mixture, "means_"), "a fit that fails leaves the estimator as it was"


@pytest.mark.parametrize("kind", ["parquet", "delimited", "arrow"])
def test_names_that_change_places_in_a_file_are_noticed(kind, tmp_path):
    def written(*names):
        return TABLES[kind](table_of(ROWS).rename_columns(names), tmp_path, 1000)

    source, fit = gmm.open_rows(written("a", "b", "c")), GaussianMixture(K, random_state=0).fit
    assert source.n_rows == N
    written("b", "a", "c")
    refused(r"a\.\w+ changed between two readings: .* another order of rows or columns", fit, source)
    written("a", "b", "d")
    refused(r"no column 'c' in .*a\.\w+|a\.csv: no column 'c' in it", fit, source)


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
    path = parquet(table_of(ROWS), tmp_path, 1000)
    source, content = gmm.open_rows(path), path.read_bytes()
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
    kind = pa.dataset.ParquetFileFormat(default_fragment_scan_options=options)
    data = pa.dataset.dataset(tmp_path / "a.parquet", format=kind, schema=wide.schema)
    if filtered:
        data = data.filter(pa.dataset.field("column 0") > -math.inf)
    refused("size limit", data.to_table, error=OSError)
    refused("size limit", GaussianMixture(1).fit, gmm.open_rows(data))


@pytest.mark.parametrize("number", [2, 8002, 70_000])
@cases(
    ("1.5;seven;2.5", r"a\.csv: line {}, column 'b': expected a number, got 'seven'"),
    ("1.5;2.5", r"a\.csv.*: line {} has 2 fields, expected 3"),
)
def test_a_bad_row_of_a_text_is_named(line, message, number, tmp_path):
    lines = ["a;b;c", *["1.25;-3.125;4.0625"] * 80_000]
    lines[number - 1] = line
    (tmp_path / "a.csv").write_text("\n".join(lines))
    refused(message.format(number), lambda: GaussianMixture(K).fit(gmm.open_rows(tmp_path / "a.csv")))


@posix
def test_npy_files_are_tables_like_others_and_a_truncated_one_is_named(tmp_path):
    for number, part in enumerate(np.array_split(np.column_stack([ROWS, WEIGHTS]), 3)):
        np.save(tmp_path / f"{number}.npy", part)
    source, path = gmm.open_rows(tmp_path, columns=["x2", "x1", "x0"], weight="x3"), tmp_path / "0.npy"
    assert source.feature_names.tolist() == ["x2", "x1", "x0"]
    assert_same(fitted(source), fitted(np.array(ROWS[:, ::-1]), WEIGHTS))
    assert gmm.open_rows(path, columns=["x1"]).n_features == 1
    np.save(path, ROWS[:, 0])
    source = gmm.open_rows(path)
    assert source.n_features == 1
    refused(r"no column 'x7' in .*0\.npy", gmm.open_rows, path, columns=["x7"])
    path.write_bytes(path.read_bytes()[:-1000])
    refused(r"0\.npy changed .* bytes now", fitted, source)
    refused(r"0\.npy .* an array of numbers", gmm.open_rows, path)


@posix
@pytest.mark.parametrize("columns", [None, ["x1", "x0"]])
@pytest.mark.parametrize("looked", [False, True])
@cases(
    lambda path: np.save(path, np.vstack([ROWS, ROWS[:5]])),
    lambda path: np.save(path, np.asfortranarray(ROWS)),
    lambda path: path.write_bytes(path.read_bytes() + bytes(8 * D)),
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
@pytest.mark.parametrize("kind", ["delimited", "parquet", "npy"])
def test_a_file_that_is_gone_is_told_as_such(kind, tmp_path):
    source = source_of(kind, ROWS, None, tmp_path, 1000)
    (path,) = tmp_path.iterdir()
    path.unlink()
    refused(path.name, GaussianMixture(K).fit, source, error=FileNotFoundError)


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


@pytest.mark.parametrize("kind", [kind for kind in TABLES | ONCE if kind != "delimited"])
def test_a_column_of_text_is_named(kind, tmp_path):
    data = (TABLES | ONCE)[kind](table_of(ROWS, text=["x"] * N), tmp_path, 1000)
    refused(r"column 'text' of .* has type .*(string|large|view), expected numbers", gmm.open_rows, data, scratch=True)


def test_integers_and_missing_values_of_columns():
    table = pa.table({"a": [1, 2, 3, None], "b": pa.array([1, 0, 1, 1]).cast(pa.bool_()), "c": [0.5, 1, 2, 3]})
    source = gmm.open_rows(table)
    np.testing.assert_array_equal(source.take(np.arange(4)), [[1, 1, 0.5], [2, 0, 1], [3, 1, 2], [np.nan, 1, 3]])


def test_a_large_memory_map_is_read_while_it_is_what_its_file_holds(tmp_path, monkeypatch):
    monkeypatch.setattr(npy_module, "_WORTH_READING", 1000)
    path, other = tmp_path / "0.npy", tmp_path / "b.npy"
    for place, rows in ((path, ROWS), (other, ROWS[::-1])):
        np.save(place, rows)
    mapped, changed = (np.load(path, mmap_mode=mode) for mode in "rc")
    changed[:] += 1  # in memory alone

    def is_read(rows):
        return isinstance(as_source(rows, estimator="a test"), NpySource)

    assert (is_read(mapped), is_read(mapped[1:]), is_read(changed)) == (True, False, False)
    assert isinstance(gmm.open_rows(mapped), NpySource)
    assert_same(fitted(mapped), in_memory())
    assert_same(fitted(mapped, WEIGHTS), in_memory(weighted=True))
    refused("rows beyond memory", gmm.select, mapped, [2], ["full"])
    if os.name == "posix":  # elsewhere a file that is mapped stays
        other.replace(path)
        assert not is_read(mapped)
        path.unlink()
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


@cases(("0,1,2\n5.5,3,1\n4.5,3,2\n", "column names", 3), ("1.5,2.5\n3.5,4.5\n", "a row and the columns are named", 2))
def test_a_guess_about_the_first_line_is_a_warning(text, said, lines, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.warns(UserWarning, match=rf"a\.csv: the first line .*{said}.*; use header=\w+ if it") as caught:
        assert gmm.open_rows(path).n_rows == 2
    assert [warning.filename for warning in caught] == [__file__]
    assert [gmm.open_rows(path, header=header).n_rows for header in (True, False)] == [lines - 1, lines]


def test_only_text_has_a_first_line_and_one_that_may_be_either_is_asked_about(tmp_path):
    (tmp_path / "a.csv").write_text("1,2,3\n4,5,6\n")
    refused(r"use header=True.*header=False", gmm.open_rows, tmp_path / "a.csv")
    np.save(tmp_path / "a.npy", ROWS)
    parquet(table_of(ROWS), tmp_path, 1000)
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


@pytest.mark.parametrize("kind", ["parquet", "delimited", "npy", "weighted npy", "blocks"])
def test_what_was_read_can_be_pickled(kind, tmp_path):
    weight, name = WEIGHTS if kind in ("parquet", "weighted npy") else None, kind.removeprefix("weighted ")
    source = gmm.open_rows(weighted_blocks) if kind == "blocks" else source_of(name, ROWS, weight, tmp_path, 1000)
    for _ in range(2):  # before a reading and after it
        content = pickle.dumps(source)
        assert len(content) < (1.5 * WEIGHTS.nbytes if kind == "weighted npy" else 10_000)
        again = pickle.loads(content)
        assert (repr(again), inside.fingerprint(again)) == (repr(source), inside.fingerprint(source))
        if source.sample_weight is not None:
            np.testing.assert_array_equal(again.sample_weight, source.sample_weight)
        fitted(source)


def test_predictions_that_fail_leave_the_file_as_it_was(tmp_path):
    model, path = in_memory(), tmp_path / "a.csv"
    path.write_text("before")
    turns = itertools.chain([ROWS], itertools.repeat(ROWS[:5000]))
    refused("changed between two readings", model.predict_to, gmm.open_rows(lambda: [next(turns)]), path)
    refused(r"a\.txt.*of .csv", model.predict_to, ROWS, tmp_path / "a.txt")
    refused("NaN", model.freeze().predict_to, np.full((2, D), np.nan), path)
    assert ([file.name for file in tmp_path.iterdir()], path.read_text()) == (["a.csv"], "before")


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


def test_columns_that_lie_elsewhere_are_one_table_and_kept_alive():
    """Equal distances may be chance; columns far apart are copied, as numpy crashed of an array of such strides."""
    large, room = np.random.default_rng(0).normal(size=(3, 1 << 17)), np.zeros(10_000_000)
    table = pa.table({name: pa.array(column.copy()) for name, column in zip(NAMES, large, strict=True)})
    source = as_source(table, estimator="a test")
    del table
    for _ in range(20):
        np.full(1 << 17, np.nan)
    np.testing.assert_array_equal(source.rows, large.T)
    room[:300] = large[1, :300]
    for here, there in ((large[0], large[0]), (large[0, :300], room[:300]), (room[:300], large[0, :300])):
        rows = as_source(pa.table({"here": here, "there": there}), estimator="a test").rows
        np.testing.assert_array_equal(rows, np.column_stack([here, there]))
        assert not np.shares_memory(rows, room)


@cases(
    ({"a.csv": "a,a,b\n1,2,3\n"}, {}, ValueError, "expected distinct columns of .*a.csv, got 'a', 'a'"),
    ({"a.csv": "a,b\n1,2\n", "b.csv": "a,b,c\n1,2,3\n"}, {}, ValueError, "b.csv has 'c', which .*a.csv lacks"),
    ({"a.csv": "ab,a,b\n1,2,3\n"}, {"columns": "ab"}, TypeError, r"got 'ab': columns=\['ab'\]"),
    ({"a.csv": "a,w\n1,2\n"}, {"columns": []}, ValueError, "at least one column"),
    ({"a.csv": "w\n1\n"}, {"weight": "w"}, ValueError, "at least one column"),
    ({"a.csv": "a,w\n1,2\n"}, {"columns": ["a", "d"]}, ValueError, "no column 'd' in .*csv, which has 'a', 'w'"),
    ({"a.csv": "a,w\n1,2\n"}, {"columns": ["a", "w"], "weight": "w"}, ValueError, "expected distinct columns"),
)
def test_no_column_is_lost_in_silence(files, how, error, message, tmp_path):
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    refused(message, lambda: GaussianMixture(1).fit(gmm.open_rows(tmp_path, **how)), error=error)


@pytest.mark.parametrize("at", [1, 3000, 8999])
def test_a_line_may_be_longer_than_a_block(at, tmp_path, monkeypatch):
    """Also one of whole numbers before it, and of a column that is not read."""
    monkeypatch.setattr(delimited_module, "BLOCK", 1 << 14)
    lines, path = ["a,text,b,c", *(f"{x!r},t,{y!r},{z!r}" for x, y, z in ROWS.tolist())], tmp_path / "a.csv"
    lines[at] = lines[at].replace("t", "long " * 100_000)
    path.write_text("\n".join(lines))
    assert_same(fitted(gmm.open_rows(path, columns=["a", "b", "c"])), in_memory())
    np.testing.assert_array_equal(FileTable(path, TextFormat(), whole=True).numbers(["c"]).array()[0], ROWS[:, 2:])


def test_a_line_that_no_block_holds_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(delimited_module, "BLOCK", 1 << 10)
    monkeypatch.setattr(delimited_module, "LARGEST_BLOCK", 1 << 12)
    (tmp_path / "a.csv").write_text("a,text\n1,t\n" + "1,t\n" * 3000 + "2," + "long" * 10_000 + "\n")
    refused(r"a\.csv.*than 4,096.*line", GaussianMixture(1).fit, gmm.open_rows(tmp_path / "a.csv", columns=["a"]))
    refused(r"a\.csv.*than 4,096", FileTable, tmp_path / "a.csv", TextFormat(), whole=True)

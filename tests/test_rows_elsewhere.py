"""Rows that other packages hold: the bits of an array, and words for what cannot be read as it is."""

import io
import sys

import numpy as np
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet
import pytest

import gmm
from inside import ScratchSource, SlicedSource
from origins import ROWS, WEIGHTS, N, assert_same, fitted, in_blocks
from tables import refused

pytestmark = pytest.mark.usefixtures("_small_chunks")
NAMES = ["a", 'b "of" c', "d"]


def table_of(rows, weight=None):
    columns = dict(zip(NAMES, rows.T, strict=True))
    return pa.table({"text": ["x"] * len(rows)} | columns | ({} if weight is None else {"w": weight}))


def batches_of(rows, weight):
    return pa.Table.from_batches(table_of(rows, weight).to_batches(max_chunksize=700))


def lazy_frame(rows, weight, folder):
    polars = pytest.importorskip("polars")
    pa.parquet.write_table(table_of(rows, weight), folder / "a.parquet", row_group_size=1000)
    return polars.scan_parquet(folder / "a.parquet").filter(polars.col("a").is_not_null())


def relation(rows, weight, folder):
    duckdb = pytest.importorskip("duckdb")
    pa.parquet.write_table(table_of(rows, weight), folder / "a.parquet", row_group_size=2048)
    return duckdb.connect().sql(f"select * from '{folder / 'a.parquet'}'")


class Streamed:
    """What offers Arrow's C stream, and nothing else."""

    def __init__(self, table):
        self.table = table

    def __arrow_c_stream__(self, requested_schema=None):
        return self.table.__arrow_c_stream__(requested_schema)


def of_ipc(new, opened):
    def make(rows, weight, folder):
        table, content = batches_of(rows, weight), io.BytesIO()
        with new(content, table.schema) as writer:
            writer.write_table(table)
        return opened(content.getvalue())

    return make


def orc(rows, weight, folder):
    orc = pytest.importorskip("pyarrow.orc")
    orc.write_table(table_of(rows, weight), folder / "a.orc", stripe_size=1 << 16)
    return folder / "a.orc"


def pattern(rows, weight, folder):
    (folder / "year=1").mkdir()
    for name, part in (("year=1/a", slice(4000)), ("year=1/b", slice(4000, None))):
        table = table_of(rows[part], None if weight is None else weight[part])
        pa.parquet.write_table(table, folder / f"{name}.parquet")
    return str(folder / "*" / "*.parquet")


TABLES = {
    "lazy frame": lazy_frame,
    "relation": relation,
    "streamed": lambda rows, weight, folder: Streamed(batches_of(rows, weight)),
    "scanner": lambda rows, weight, folder: pa.dataset.dataset(batches_of(rows, weight)).scanner(batch_size=300),
    "opened file": of_ipc(pa.ipc.new_file, pa.ipc.open_file),
    "orc": orc,
    "pattern": pattern,
}
ONCE = {
    "reader": lambda rows, weight, folder: batches_of(rows, weight).to_reader(),
    "stream": of_ipc(pa.ipc.new_stream, pa.ipc.open_stream),
    "scanner of a stream": lambda rows, weight, folder: pa.dataset.Scanner.from_batches(
        batches_of(rows, weight).to_reader()
    ),
}
MAKERS = TABLES | ONCE


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", MAKERS)
def test_a_table_of_another_package_has_the_bits_of_the_array(name, dtype, weighted, tmp_path):
    rows, weight = ROWS.astype(dtype), WEIGHTS if weighted else None
    how = {"columns": NAMES[::-1], "weight": "w" if weighted else None, "scratch": name in ONCE}
    source = gmm.open_rows(MAKERS[name](rows, weight, tmp_path), **how)
    mixture = fitted(source)
    assert_same(mixture, fitted(np.ascontiguousarray(rows[:, ::-1]), weight))
    assert list(mixture.feature_names_in_) == NAMES[::-1]
    np.testing.assert_array_equal(source.take(np.arange(N)), rows[:, ::-1])


@pytest.mark.parametrize("name", MAKERS)
def test_a_column_of_text_is_named(name, tmp_path):
    with pytest.raises(ValueError, match=r"column 'text' of .* holds .*(string|large|view).*, expected numbers"):
        gmm.open_rows(MAKERS[name](ROWS, None, tmp_path), scratch=True)


@pytest.mark.parametrize(
    ("name", "chosen"),
    [
        ("lazy frame", lambda data: data.select(["a", "d"])),
        ("relation", lambda data: data.project('a, "d"')),
        ("streamed", lambda data: Streamed(data.table.select(["a", "d"]))),
        ("scanner", lambda data: pa.dataset.dataset(batches_of(ROWS, None)).scanner(columns=["a", "d"])),
    ],
)
def test_a_query_is_rows_for_fit_and_predict_as_it_is(name, chosen, tmp_path):
    data = chosen(TABLES[name](ROWS, None, tmp_path))
    mixture = fitted(data)
    assert_same(mixture, fitted(np.ascontiguousarray(ROWS[:, [0, 2]])))
    assert len(mixture.predict(data)) == N


@pytest.mark.parametrize("name", ["reader", "stream"])
def test_what_can_be_read_once_says_so(name, tmp_path):
    make = ONCE[name]
    refused(r"RecordBatch\w*Reader.*scratch=True", gmm.open_rows, make(ROWS, None, tmp_path), error=TypeError)
    refused("scratch=True keeps a copy", fitted, make(ROWS, None, tmp_path), error=TypeError)
    with pytest.raises(ValueError, match="read again: give scratch=True"):
        fitted(gmm.open_rows(ONCE["scanner of a stream"](ROWS, None, tmp_path), columns=NAMES))


def test_blocks_that_come_once_are_copied():
    source = gmm.open_rows((block for block in in_blocks(ROWS, WEIGHTS)), scratch=True)
    assert isinstance(source, ScratchSource)
    assert repr(source).startswith("<rows of the generator: 3 features, float64")
    assert ": 1 feature, " in repr(gmm.open_rows(iter([ROWS[:, :1]]), scratch=True))
    assert_same(fitted(source), fitted(ROWS, WEIGHTS))
    rows = ROWS.copy()  # also beyond a value that is not finite
    rows[100, 1] = np.nan
    source = gmm.open_rows(iter(np.array_split(rows, 20)), scratch=True)
    refused(r"NaN[^$]*row 100, column 1", fitted, source)
    np.testing.assert_array_equal(source.take(np.arange(N)), rows)


def hdf5(rows, folder):
    file, chunks = pytest.importorskip("h5py").File(folder / "a.h5", "w"), (1000, 2, 1)[: rows.ndim]
    return file.create_dataset("X", data=rows, chunks=chunks, compression="gzip")


def zarr_array(rows, folder):
    zarr, chunks = pytest.importorskip("zarr"), (1000, 2, 1)[: rows.ndim]
    array = zarr.create_array(str(folder / "a.zarr"), shape=rows.shape, dtype=rows.dtype, chunks=chunks)
    array[:] = rows
    return array


def memory_map(rows, folder):
    np.save(folder / "a.npy", rows)
    return np.load(folder / "a.npy", mmap_mode="r")


def part_of_a_memory_map(rows, folder):
    return memory_map(np.repeat(rows, 2, axis=0), folder)[::2]


ARRAYS = [hdf5, zarr_array, memory_map, part_of_a_memory_map]


@pytest.mark.filterwarnings("ignore:.*:ResourceWarning")
@pytest.mark.parametrize("dtype", [np.float64, np.float32, ">f8", np.int16])
@pytest.mark.parametrize("make", ARRAYS)
def test_an_array_of_another_package_has_the_bits_of_the_array(make, dtype, tmp_path):
    rows = (10 * ROWS).astype(dtype)
    array = make(rows, tmp_path)
    source = gmm.open_rows(array)
    assert isinstance(source, SlicedSource)
    mixture = fitted(source)
    assert_same(mixture, fitted(rows))
    np.testing.assert_array_equal(mixture.predict_proba(source), mixture.predict_proba(rows))
    np.testing.assert_array_equal(source.take(np.array([0, 8999])), rows[[0, 8999]])
    refused("weight name columns of a", gmm.open_rows, array, columns=["a"], error=TypeError)


@pytest.mark.filterwarnings("ignore:.*:ResourceWarning")
@pytest.mark.parametrize("make", ARRAYS)
def test_what_is_no_table_of_numbers_is_refused(make, tmp_path):
    with pytest.raises(ValueError, match=r"shape \(rows, columns\), got float64 of shape \(9000, 3, 1\)"):
        gmm.open_rows(make(ROWS[:, :, None], tmp_path))


def test_groups_of_arrays_say_what_to_pass(tmp_path):
    array = hdf5(ROWS, tmp_path)
    refused(r"got File; pass one of its arrays: data\['X'\]", gmm.open_rows, array.file, error=TypeError)
    array.file.close()
    for name, advice in (("a.h5", r"gmm\.open_rows\(h5py\.File"), ("a.xlsx", "read_excel"), ("a.jsonl", "scan_ndjson")):
        (tmp_path / name).touch()
        refused(rf"{name}: unknown file type .*{advice}", gmm.open_rows, tmp_path / name)


def test_urls_and_patterns_without_files_are_told(tmp_path):
    for path in ("s3://bucket/x.parquet", "https://example.org/x.csv", "gs://bucket/*.parquet"):
        for data in (path, [path]):
            refused(r"a URL.*pyarrow\.dataset.*fsspec", gmm.open_rows, data)
    refused(r"No file matches: .*\*\.parquet", gmm.open_rows, tmp_path / "*.parquet", error=FileNotFoundError)


@pytest.mark.skipif(sys.platform == "win32", reason="no file is named so on Windows")
def test_a_file_whose_name_is_a_pattern_is_itself(tmp_path):
    for name in ("[a].csv", "a.csv"):
        (tmp_path / name).write_text(f"x,y\n{len(name)},2\n3,4\n")
    assert gmm.open_rows(tmp_path / "[a].csv").take(np.array([0]))[0, 0] == 7


@pytest.mark.parametrize("as_pattern", [False, True])
def test_files_of_another_kind_in_a_folder_are_told(as_pattern, tmp_path):
    for name, part in (("a", ROWS[:4000]), ("b", ROWS[4000:])):
        pa.parquet.write_table(pa.table(dict(zip("abc", part.T, strict=True))), tmp_path / f"{name}.parquet")
    for name in ("README.md", "notes.txt", "a.parquet.crc", ".hidden", "_SUCCESS"):
        (tmp_path / name).write_text("no table")
    path = tmp_path / "*" if as_pattern else tmp_path
    (tmp_path / "_SUCCESS").unlink()
    told = r"of another kind are not read: 'README\.md', 'a\.parquet\.crc', 'notes\.txt'$"
    with pytest.warns(UserWarning, match=told):
        source = gmm.open_rows(path)
    assert_same(fitted(source), fitted(ROWS))
    for file in tmp_path.glob("*.parquet"):
        file.unlink()
    (tmp_path / "notes.txt").unlink()
    refused(r"but 'README\.md', 'a\.parquet\.crc'", gmm.open_rows, path)

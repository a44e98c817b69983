"""Rows that other packages hold: the bits of an array, and words for what cannot be read as it is."""

import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

import gmm
from inside import ScratchSource, SlicedSource
from origins import ROWS, WEIGHTS, N, assert_same, fitted, in_blocks
from tables import refused
from test_rows import ONCE, TABLES, table_of

pytestmark = pytest.mark.usefixtures("_small_chunks")


@pytest.mark.parametrize("name", ["lazy frame", "relation", "streamed", "scanner"])
def test_a_query_is_rows_for_fit_and_predict_as_it_is(name, tmp_path):
    data = TABLES[name](table_of(ROWS).select(["a", "d"]), tmp_path, 1000)
    mixture = fitted(data)
    assert_same(mixture, fitted(np.ascontiguousarray(ROWS[:, [0, 2]])))
    assert len(mixture.predict(data)) == N


def test_what_can_be_read_once_says_so(tmp_path):
    for name in ("reader", "opened stream"):
        for use in (gmm.open_rows, fitted):
            told = r"RecordBatch\w*Reader.*scratch=True stores a copy"
            refused(told, use, ONCE[name](table_of(ROWS), tmp_path, 1000), error=TypeError)
    scanner = ONCE["scanner of a stream"](table_of(ROWS), tmp_path, 1000)
    refused("read again: pass scratch=True", fitted, gmm.open_rows(scanner))


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


@pytest.mark.filterwarnings("ignore:.*:ResourceWarning")
@pytest.mark.parametrize("dtype", [np.float64, np.float32, ">f8", np.int16])
@pytest.mark.parametrize("make", [hdf5, zarr_array, memory_map, part_of_a_memory_map])
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


def test_groups_of_arrays_say_what_to_pass(tmp_path):
    array = hdf5(ROWS, tmp_path)
    refused(r"got File; pass one of its arrays: data\['X'\]", gmm.open_rows, array.file, error=TypeError)
    array.file.close()
    instead = {"h5": r"gmm\.open_rows\(h5py\.File", "xlsx": "read_excel", "jsonl": "scan_ndjson", "sav": "read_spss"}
    for suffix, advice in instead.items():
        path = tmp_path / f"a.{suffix}"
        path.touch()
        refused(rf"a\.{suffix}: unknown file type .*{advice}", gmm.open_rows, path)
    told = r"shape \(rows, columns\), got float64 of shape \(9000, 3, 1\)"
    refused(told, gmm.open_rows, memory_map(ROWS[:, :, None], tmp_path))


def test_urls_and_names_without_files_are_told(tmp_path):
    for path in ("s3://bucket/x.parquet", "https://example.org/x.csv", "gs://bucket/*.parquet"):
        for data in (path, [path]):
            refused(r"a URL.*pyarrow\.dataset.*fsspec", gmm.open_rows, data)
    refused(r"No file matches: .*\*\.parquet", gmm.open_rows, tmp_path / "*.parquet", error=FileNotFoundError)
    for absent in ("b.parquet", "b.csv", "b.npy", "b"):
        refused(f"No such file or directory: .*{absent}", gmm.open_rows, tmp_path / absent, error=FileNotFoundError)


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

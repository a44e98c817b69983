"""Rows that are decoded once: the bits of those that are decoded for every pass, and no file that stays."""

import copy
import errno
import os
import pickle
import signal
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import gmm
from gmm import GaussianMixture
from inside import ScratchSource, scratch
from inside import blocks as blocks_module

RNG = np.random.default_rng(3)
ROWS = RNG.normal(size=(9000, 3)) + 4 * RNG.integers(3, size=(9000, 1)) + 50
WEIGHT = RNG.uniform(0.2, 3, 9000)


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch):
    monkeypatch.setattr(blocks_module, "_CHUNK_BYTES", 1 << 12)
    monkeypatch.setattr(blocks_module, "_FEWEST_LANES", 1)
    monkeypatch.setattr(scratch, "_BLOCK_BYTES", 1000)


class Counted:
    """A function that gives blocks, and how often it was called."""

    def __init__(self, rows=ROWS, weight=None, size=700):
        self.rows, self.weight, self.size, self.calls = rows, weight, size, 0

    def __call__(self):
        self.calls += 1
        for start in range(0, len(self.rows), self.size):
            part = slice(start, start + self.size)
            yield self.rows[part] if self.weight is None else (self.rows[part], self.weight[part])


def bits(mixture):
    parts = (mixture.weights_, mixture.means_, mixture.covariances_)
    return [part.tobytes() for part in parts], mixture.lower_bounds_


def fit(rows, weight=None, covariance_type="full"):
    return GaussianMixture(3, covariance_type=covariance_type, random_state=0).fit(rows, sample_weight=weight)


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["plain", "weighted"])
def test_rows_with_gaps_are_read_once_too(weight):
    rows = np.where(np.random.default_rng(0).uniform(size=ROWS.shape) < 0.1, np.nan, ROWS)
    data = Counted(rows, weight)
    mixture = GaussianMixture(3, missing="em", random_state=0)
    here = bits(mixture.fit(rows, sample_weight=weight))
    for source, calls in ((gmm.open_rows(data(), scratch=True), 1), (gmm.open_rows(data, scratch=True), 3)):
        data.calls = 0
        assert bits(mixture.fit(source)) == here
        assert mixture.score(source) == mixture.score(rows, sample_weight=weight)
        assert data.calls <= calls


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("covariance_type", ["full", "tied", "diag", "spherical"])
def test_the_bits_are_those_in_memory_and_the_data_are_read_once(covariance_type, dtype, weighted):
    rows, weight = ROWS.astype(dtype), WEIGHT if weighted else None
    data = Counted(rows, weight)
    source = gmm.open_rows(data, scratch=True)
    mixture = fit(source, covariance_type=covariance_type)
    assert bits(mixture) == bits(fit(rows, weight, covariance_type))
    np.testing.assert_array_equal(mixture.predict_proba(source), mixture.predict_proba(rows))
    assert mixture.bic(source) == mixture.bic(rows, weight)
    np.testing.assert_array_equal(source.take(np.array([0, 5, 8999])), rows[[0, 5, 8999]])
    assert data.calls == 1
    assert f"{rows.nbytes / 1e6:,.1f} MB of scratch>" in repr(source)


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".npy"])
def test_files_of_all_kinds(suffix, tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    path, folder = tmp_path / f"rows{suffix}", tmp_path / "scratch"
    folder.mkdir()
    if suffix == ".csv":
        path.write_text("a,b,c\n" + "\n".join(",".join(map(repr, row)) for row in ROWS.tolist()))
    elif suffix == ".parquet":
        import pyarrow.parquet

        pyarrow.parquet.write_table(pyarrow.table(dict(zip("abc", ROWS.T, strict=True))), path)
    else:
        np.save(path, ROWS)
    source = gmm.open_rows(path, scratch=folder)
    expected = fit(ROWS)
    assert source.n_rows == 9000
    if suffix != ".npy" or os.name == "posix":  # elsewhere a file that is mapped stays as it is
        path.write_bytes(b"")  # nothing reads it again
    assert bits(fit(source)) == bits(expected)
    assert (source.feature_names is None) == (suffix == ".npy")


def test_a_reading_that_ends_early_is_begun_again():
    data = Counted()
    source = gmm.open_rows(data, scratch=True)
    first = source.blocks(weighted=False)
    next(first)
    first.close()
    calls = data.calls
    assert source.n_rows == 9000
    assert data.calls == calls + 1
    assert bits(fit(source)) == bits(fit(ROWS))


def test_a_second_reading_beside_the_first_reads_the_data():
    source = gmm.open_rows(Counted(), scratch=True)
    one, other = source.blocks(weighted=False), source.blocks(weighted=False)
    both = [np.concatenate([block.rows for block in pair]) for pair in zip(*zip(one, other, strict=True), strict=True)]
    np.testing.assert_array_equal(both[0], ROWS)
    np.testing.assert_array_equal(both[1], ROWS)


def test_threads_share_it():
    source = gmm.open_rows(Counted(), scratch=True)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: bits(fit(source)), range(4)))
    assert all(one == bits(fit(ROWS)) for one in found)


def test_a_pickle_reads_the_data_anew():
    source = gmm.open_rows(Counted(), scratch=True)
    expected = bits(fit(source))
    again = pickle.loads(pickle.dumps(source))
    assert isinstance(again, ScratchSource)
    assert bits(fit(again)) == expected


@pytest.mark.parametrize("copied", [pickle.dumps, copy.copy, copy.deepcopy])
def test_the_only_copy_of_a_stream_is_not_copied(copied):
    source = gmm.open_rows(iter([ROWS]), scratch=True)
    with pytest.raises(
        TypeError, match=r"the list_iterator can be read only once, .* expected rows that can be read again"
    ):
        copied(source)
    assert bits(fit(source)) == bits(fit(ROWS))


def fill_disk(monkeypatch, room):
    """Let files of scratch have so many bytes."""
    move = ScratchSource._move

    def moved(self, at_place, in_turn, rows, first):
        if in_turn == "write" and (first * rows.shape[1] * rows.itemsize + rows.nbytes) > room:
            raise OSError(errno.ENOSPC, "No space left on device")
        move(self, at_place, in_turn, rows, first)

    monkeypatch.setattr(ScratchSource, "_move", moved)


def test_where_files_have_no_reading_at_a_place_they_are_read_in_turn(monkeypatch):
    """As on Windows."""
    for name in ("preadv", "pwritev"):
        monkeypatch.delattr(os, name, raising=False)
    assert bits(fit(gmm.open_rows(Counted(), scratch=True))) == bits(fit(ROWS))


@pytest.mark.parametrize("room", [0, 100_000])
def test_without_room_each_pass_reads_the_data(room, monkeypatch):
    fill_disk(monkeypatch, room)
    data = Counted()
    source = gmm.open_rows(data, scratch=True)
    with pytest.warns(RuntimeWarning, match="Cannot write a scratch file of .*No space left on device"):
        assert source.n_rows == 9000
    mixture = fit(source)
    assert bits(mixture) == bits(fit(ROWS))
    assert data.calls > mixture.n_iter_
    assert "0.0 MB of scratch>" in repr(source)
    with pytest.raises(OSError, match="copy of the list_iterator: No"):
        gmm.open_rows(iter([ROWS]), scratch=True)


def test_a_folder_that_is_none_is_told(tmp_path):
    with pytest.raises(NotADirectoryError, match=r"got '.*nowhere'"):
        gmm.open_rows(Counted(), scratch=tmp_path / "nowhere")


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
def test_no_file_stays_behind_a_process_that_is_killed(tmp_path):
    code = f"""
        import numpy as np, gmm
        def blocks():
            for seed in range(20):
                yield np.random.default_rng(seed).normal(size=(1000, 3))
        source = gmm.open_rows(blocks, scratch={str(tmp_path)!r})
        gmm.GaussianMixture(3, tol=0, max_iter=10**9).fit(source, callback=lambda i: print(i.n_iter, flush=True))
    """
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True)
    process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert list(tmp_path.iterdir()) == []

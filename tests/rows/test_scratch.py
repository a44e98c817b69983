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
from inside import CLASSIC, ScratchSource
from origins import ROWS, WEIGHTS, assert_same, fitted, in_blocks
from tables import refused, with_gaps

pytestmark = pytest.mark.usefixtures("_small_chunks")


class Counted:
    """A function that gives blocks, and how often it was called."""

    def __init__(self, rows=ROWS, weight=None):
        self.blocks, self.calls = in_blocks(rows, weight, range(700, len(rows), 700)), 0

    def __call__(self):
        self.calls += 1
        return iter(self.blocks)


@pytest.mark.parametrize("gaps", [False, True])
@pytest.mark.parametrize("covariance_type", CLASSIC)
def test_the_bits_are_those_in_memory_and_the_data_are_read_once(covariance_type, gaps):
    weight = WEIGHTS if covariance_type in ("tied", "diag") else None
    rows = with_gaps(ROWS, 0.1) if gaps else ROWS
    rows = rows.astype(np.float32 if covariance_type in ("tied", "spherical") else np.float64)
    data, how = Counted(rows, weight), {"covariance_type": covariance_type, "missing": "em"}
    source = gmm.open_rows(data, scratch=True)
    mixture = fitted(source, **how)
    assert_same(mixture, fitted(rows, weight, **how))
    np.testing.assert_array_equal(mixture.predict_proba(source), mixture.predict_proba(rows))
    assert mixture.bic(source) == mixture.bic(rows, weight)
    np.testing.assert_array_equal(source.take(np.array([0, 5, 8999])), rows[[0, 5, 8999]])
    assert data.calls == 1
    assert f"{rows.nbytes / 1e6:,.1f} MB of scratch>" in repr(source)


def test_a_reading_that_ends_early_starts_again():
    data = Counted()
    source = gmm.open_rows(data, scratch=True)
    first = source.blocks(weighted=False)
    next(first)
    first.close()
    calls = data.calls
    assert (source.n_rows, data.calls) == (9000, calls + 1)
    assert_same(fitted(source), fitted(ROWS))


def test_threads_share_it_and_pickles_have_their_own():
    source = gmm.open_rows(Counted(), scratch=True)
    with ThreadPoolExecutor(4) as pool:
        for one in pool.map(lambda _: fitted(source), range(4)):
            assert_same(one, fitted(ROWS))
    again = pickle.loads(pickle.dumps(source))  # reads the data anew
    assert isinstance(again, ScratchSource)
    assert_same(fitted(again), one)


def test_copies_share_it():
    """A fit with labels, or one that prints, makes a copy of its rows."""
    data = Counted()
    source = gmm.open_rows(data, scratch=True)
    for rows in (source, source.with_changes(on_reading=None), source):
        assert_same(fitted(rows), fitted(ROWS))
    assert data.calls == 1


@pytest.mark.parametrize("copied", [pickle.dumps, copy.copy, copy.deepcopy])
def test_the_only_copy_of_a_stream_is_not_copied(copied):
    source = gmm.open_rows(iter([ROWS]), scratch=True)
    told = r"the list_iterator can be read only once, .* expected rows that can be read again"
    refused(told, copied, source, error=TypeError)
    assert_same(fitted(source), fitted(ROWS))


def test_where_files_have_no_reading_at_a_place_they_are_read_in_turn(monkeypatch):
    """As on Windows."""
    for name in ("preadv", "pwritev"):
        monkeypatch.delattr(os, name, raising=False)
    assert_same(fitted(gmm.open_rows(Counted(), scratch=True)), fitted(ROWS))


@pytest.mark.parametrize("n_bytes", [0, 100_000])
def test_on_a_full_disk_each_pass_reads_the_data(n_bytes, monkeypatch):
    move, data = ScratchSource._move, Counted()

    def move_while_there_is_space(self, at_place, in_turn, rows, first):
        if in_turn == "write" and (first * rows.shape[1] * rows.itemsize + rows.nbytes) > n_bytes:
            raise OSError(errno.ENOSPC, "No space left on device")
        move(self, at_place, in_turn, rows, first)

    monkeypatch.setattr(ScratchSource, "_move", move_while_there_is_space)
    source = gmm.open_rows(data, scratch=True)
    with pytest.warns(RuntimeWarning, match="A scratch file cannot be written"):
        assert source.n_rows == 9000
    mixture = fitted(source)
    assert_same(mixture, fitted(ROWS))
    assert data.calls > mixture.n_iter_
    assert "0.0 MB of scratch>" in repr(source)
    refused("copy of the list_iterator: No", gmm.open_rows, iter([ROWS]), error=OSError, scratch=True)


def test_a_folder_that_is_none_is_told(tmp_path):
    refused("got '.*nowhere'", gmm.open_rows, Counted(), error=NotADirectoryError, scratch=tmp_path / "nowhere")


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

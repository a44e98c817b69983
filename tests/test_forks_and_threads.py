"""Sources that are read inside each other, from several threads and in forks: no lock that others wait for."""

import os
import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest

from gmm import GaussianMixture, open_rows, select
from gmm.inference import bootstrap_lrt
from inside import cached_property

posix = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks, as POSIX has them")


def run(code, *arguments):
    """Run code in a process of its own, which a deadlock would keep for ever."""
    command = [sys.executable, "-W", "ignore", "-c", textwrap.dedent(code), *map(str, arguments)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.mark.needs("pyarrow")
def test_a_data_set_may_score_another_source(tmp_path):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(500, 2)))
    code = """
        import sys, numpy as np, pyarrow as pa, gmm
        rows = np.load(sys.argv[1])
        base = gmm.GaussianMixture(2, random_state=0).fit(rows)

        class Scores:
            schema = pa.schema([("a", pa.float64())])

            def to_batches(self):
                yield pa.record_batch({"a": base.score_samples(gmm.open_rows(sys.argv[1]))})

        nested = gmm.GaussianMixture(2, random_state=0).fit(gmm.open_rows(Scores()))
        alone = gmm.GaussianMixture(2, random_state=0).fit(base.score_samples(rows)[:, None])
        print((nested.means_ == alone.means_).all())
    """
    assert run(code, tmp_path / "x.npy") == "True\n"


def test_an_engine_may_score_another_one():
    code = """
        from concurrent.futures import ThreadPoolExecutor
        import numpy as np, gmm
        rows = np.random.default_rng(0).normal(size=(500, 2))
        base = gmm.GaussianMixture(2, random_state=0).fit(rows)

        def inner(task):
            return task(0, rows)

        def outer(task):
            with ThreadPoolExecutor(1) as pool:
                return pool.submit(lambda: (base.score(gmm.sources.partitioned_rows(inner)), task(0, rows))[1]).result()

        print(gmm.GaussianMixture(2, random_state=0).fit(gmm.sources.partitioned_rows(outer)).converged_)
    """
    assert run(code) == "True\n"


@posix
@pytest.mark.parametrize("scratch", [False, True])
def test_a_fork_during_a_first_look_reads_on_its_own(scratch):
    code = """
        import os, sys, threading, numpy as np, gmm
        rows = np.random.default_rng(0).normal(size=(500, 2))
        begun, forked = threading.Event(), threading.Event()

        def blocks():
            yield rows[:200]
            begun.set()
            forked.wait()
            yield rows[200:]

        source = gmm.open_rows(blocks, scratch=sys.argv[1] == "True")
        thread = threading.Thread(target=lambda: source.n_rows)
        thread.start()
        begun.wait()
        child = os.fork()
        if not child:
            forked = threading.Event()  # the other thread may hold the lock inside the one that is copied
        forked.set()
        fitted = gmm.GaussianMixture(2, random_state=0, n_threads=1).fit(source)
        same = bool((fitted.means_ == gmm.GaussianMixture(2, random_state=0).fit(rows).means_).all())
        if not child:
            os._exit(0 if same else 1)
        thread.join()
        print(same, os.waitpid(child, 0)[1])
    """
    assert run(code, scratch) == "True 0\n"


@posix
def test_forks_read_a_scratch_file_side_by_side():
    """Two processes that share the file must not share the place in it."""
    code = """
        import os, numpy as np, gmm
        from gmm._rows import blocks
        blocks._BLOCK_BYTES = 1000
        rows = np.random.default_rng(0).normal(size=(20_000, 3))
        source = gmm.open_rows(lambda: [rows], scratch=True)
        assert source.n_rows == len(rows)
        expected = gmm.GaussianMixture(2, random_state=0, max_iter=3, tol=0, n_threads=1)
        children = []
        for _ in range(4):
            child = os.fork()
            if not child:
                for _ in range(20):
                    for first, block, _ in source.chunks():
                        if not np.array_equal(block, rows[first : first + len(block)]):
                            os._exit(1)
                os._exit(0)
            children.append(child)
        print([os.waitpid(child, 0)[1] for child in children])
    """
    assert run(code) == "[0, 0, 0, 0]\n"


@posix
def test_a_fork_makes_a_scratch_file_of_its_own():
    code = """
        import os, numpy as np, gmm
        turn = [0]

        def blocks():
            for start in range(0, 9000, 10):
                yield np.full((10, 2), turn[0]) + np.arange(start, start + 10)[:, None]

        source = gmm.open_rows(blocks, scratch=True)
        next(source.blocks(weighted=False))  # makes a file, and ends early
        child = os.fork()
        turn[0] = 0 if child else 5
        same = all((chunk.rows[0, 0] == turn[0] + chunk.first) for _ in range(20) for chunk in source.chunks())
        if not child:
            os._exit(0 if same else 1)
        print(same, os.waitpid(child, 0)[1])
    """
    assert run(code) == "True 0\n"


def test_what_is_computed_once_is_one_object_for_all_threads():
    together = threading.Barrier(4)

    class Slow:
        @cached_property
        def value(self):
            together.wait()
            return object()

    slow, seen = Slow(), []
    threads = [threading.Thread(target=lambda: seen.append(slow.value)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(map(id, seen))) == 1
    assert slow.value is seen[0]
    assert isinstance(Slow.value, cached_property)


@pytest.mark.parametrize("allowed", [0, 1, 2])
def test_fewer_threads_than_asked_for_give_the_same_bits(allowed, monkeypatch, tmp_path):
    """A process with little memory may start none, or some."""
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(size=(20_000, 4)), rng.normal(3, 1, (20_000, 4))])
    np.save(tmp_path / "x.npy", X)

    def results():
        how = {"n_threads": 4, "random_state": 0}
        yield GaussianMixture(3, **how).fit(X).means_
        yield GaussianMixture(2, **how).fit(open_rows(lambda: iter([X]))).means_
        yield GaussianMixture(2, **how).fit(open_rows(tmp_path / "x.npy")).means_
        yield select(X, [1, 2, 3], ["EII", "VVI"], **how).bic
        yield bootstrap_lrt(X[::5], 2, n_replicates=3, n_init=1, **how).p_value

    expected, start, n_started = [*results()], threading.Thread.start, 0

    def limited(self):
        nonlocal n_started
        n_started += 1
        if n_started > allowed:
            raise RuntimeError("can't start new thread")
        start(self)

    monkeypatch.setattr(threading.Thread, "start", limited)
    for result, wanted in zip(results(), expected, strict=True):
        np.testing.assert_array_equal(result, wanted)
        n_started = 0

"""Ctrl-C, BLAS's threads, forks and Python's threads: a fit is a good guest in its process, and waits for no lock."""

import contextlib
import gc
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import weakref
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

import gmm
import inside
from gmm import GaussianMixture, open_rows, select
from gmm.inference import bootstrap_lrt
from inside import ArraySource, Scorer, read_ahead, single_threaded_blas, starts, usable_threads
from inside import _blas as blas
from tables import blobs, cases, interrupt, noted, python, refused

posix = pytest.mark.skipif(os.name != "posix", reason="signals and forks as POSIX has them")
quiet = pytest.mark.filterwarnings("ignore:Best performing initialization")

LONG_FIT = """
    import signal, threading, time, numpy as np
    from threadpoolctl import threadpool_info
    from gmm import GaussianMixture

    def blas():
        return [library["num_threads"] for library in threadpool_info()]

    signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell's background jobs ignore
    rng = np.random.default_rng(0)
    X = rng.standard_normal(({n}, {d}), dtype=np.float32)
    before = blas()
    try:
        {what}
        print("finished", flush=True)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
    assert blas() == before, (before, blas())
    deadline = time.monotonic() + 5  # a thread caught while it started may need a moment
    while sum(thread.is_alive() for thread in threading.enumerate()) > 1:
        assert time.monotonic() < deadline, threading.enumerate()
        time.sleep(0.01)
    small = GaussianMixture(2, random_state=0).fit(X[:500, :2])
    print("intact" if np.isfinite(small.score(X[:, :2])) else "broken", flush=True)
"""
SOON = 8  # seconds: some tenths of one, but on a busy machine
# One pass of the first takes longer, so that it must look up in between.
ENDLESS = "8, max_iter=10**9, tol=0"
MANY = "n = 20_000; how = {'weights_init': np.full(n, 1 / n), 'precisions_init': np.ones((n, 64))}"
FILE = "import gmm, os, tempfile; path = os.path.join(tempfile.mkdtemp(), 'X.npy'); np.save(path, X)"
SLOW = (
    "import gmm, pyarrow as pa; table = pa.table(dict(a=X[:, 0], b=X[:, 1])); "
    "slow = type('Slow', (), dict(schema=table.schema, to_batches=lambda _: (time.sleep(3) or "
    "print('read', flush=True) or batch for batch in table.to_batches())))"
)
LONG = {  # rows, columns, what is made before, parameters of a mixture, and what it is fitted to
    "one long pass": (300_000, 64, MANY, "n, covariance_type='diag', means_init=X[:n], max_iter=99, tol=0, **how", "X"),
    "many short passes": (20_000, 4, "", ENDLESS, "X"),
    "one compiled climb": (300, 2, "", ENDLESS.replace("8", "3"), "X"),
    "many starts": (5_000, 4, "", "8, n_init=10**6", "X"),
    "passes over a file": (100_000, 4, FILE, ENDLESS, "gmm.open_rows(path)"),
    "a slow reader": (1000, 2, SLOW, "2", "slow()"),
}


def long_fit(kind, n_threads):
    """Numbers of rows and columns, and a line of Python that says when it is ready for an interrupt."""
    n, d, before, asked, rows = LONG[kind]
    fit = f"GaussianMixture({asked}, n_threads={n_threads}).fit({rows})"
    return n, d, "; ".join([*filter(None, [before]), "print('ready', flush=True)", fit])


def command(code, *arguments):
    return ["-W", "ignore", "-c", textwrap.dedent(code), *map(str, arguments)]


def run(code, *arguments):
    """Run code in a process of its own, which a deadlock would keep for ever."""
    return python(*command(code, *arguments), timeout=120)


@posix
@pytest.mark.parametrize(
    ("kind", "n_threads"),
    [
        pytest.param(kind, n, marks=[pytest.mark.needs("pyarrow")] if "pyarrow" in LONG[kind][2] else [])
        for kind, n in [("one long pass", 1), *zip(LONG, (2, 1, 1, 2, 2, 1), strict=True)]  # one climb is not worth two
    ],
)
def test_ctrl_c_stops_a_fit_in_between_and_leaves_the_process_intact(kind, n_threads):
    n, d, what = long_fit(kind, n_threads)
    code = [sys.executable, *command(LONG_FIT.format(n=n, d=d, what=what))]
    with subprocess.Popen(code, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline().strip() == "ready"
        time.sleep(0.4)
        process.send_signal(signal.SIGINT)
        began = time.perf_counter()
        answer = process.stdout.readline()
        seconds = time.perf_counter() - began
        rest, errors = process.stdout.read(), process.stderr.read()  # communicate() forgets what was buffered
    told = [line for line in (answer + rest).split() if line != "read"]  # the slow reader ends its block
    assert told == ["interrupted", "intact"], errors
    assert seconds < SOON
    assert process.returncode == 0, errors


def test_no_wait_for_rows_takes_a_lock_between_whose_lines_ctrl_c_may_come(monkeypatch, tmp_path):
    """Queues and semaphores in Python keep their lock then, and whoever asks for it next waits for ever."""
    np.save(tmp_path / "X.npy", np.random.default_rng(0).normal(size=(5000, 2)))
    takers = noted(monkeypatch, threading.Condition, "__enter__", lambda _: sys._getframe(2).f_code.co_qualname)
    assert list(read_ahead(n for n in range(9))) == list(range(9))
    GaussianMixture(2, random_state=0, n_threads=1).fit(gmm.open_rows(tmp_path / "X.npy"))
    assert not [each for each in takers if each.startswith(("Queue", "Semaphore"))]


def test_ctrl_c_while_a_sample_waits_for_its_reader_is_not_lost(monkeypatch):
    """The rows are complete then, and an exception in the destructor of a generator would be ignored."""

    def blocks():
        yield X
        gate.wait(10)
        yield X

    def interrupted(thread, timeout=None):
        gate.set()
        interrupt()

    X, gate = np.zeros((100, 2)), threading.Event()
    gate.set()
    monkeypatch.setattr(inside.blocks, "_CHUNK_BYTES", X.nbytes)
    rows = gmm.open_rows(blocks)
    monkeypatch.setattr(rows, "reads_ahead", True)
    assert rows.n_rows == 200
    gate.clear()
    monkeypatch.setattr(threading.Thread, "join", interrupted)
    refused(None, rows.take, np.arange(3), error=KeyboardInterrupt)
    monkeypatch.undo()


def test_an_error_of_the_items_keeps_neither_itself_nor_an_item_alive():
    class DiskError(OSError):
        def __init__(self):
            references.append(weakref.ref(self))

    def items():
        yield np.zeros(3)
        raise DiskError

    references = []
    gc.collect()
    gc.disable()
    try:
        with contextlib.suppress(DiskError):
            references.extend(weakref.ref(item) for item in read_ahead(items()))
        assert [reference() for reference in references] == [None, None]
    finally:
        gc.enable()


def test_a_reader_is_collected_on_its_own_thread_without_a_word():
    def items():
        yield 1
        begun.wait(10)
        gc.collect()
        collected.set()
        yield 2

    begun, collected = threading.Event(), threading.Event()
    cycle = [read_ahead(items())]
    cycle.append(cycle)
    assert next(cycle[0]) == 1
    del cycle
    begun.set()
    assert collected.wait(10)


# As if Ctrl-C came while a thread starts: the work is handed over, and nobody has its future, or the pool its thread.
INTERRUPTED_START = """from concurrent.futures import ThreadPoolExecutor as Pool; from threading import Thread

        def interrupted(beginner, *task):
            begun = begin(beginner, *task)
            if {where} == "{name}":
                time.sleep(0.1)
                signal.raise_signal(signal.SIGINT)
            return begun

        begin, began = {begin}, time.process_time()
        {begin} = interrupted
        try:
            {what}
        finally:
            {begin} = begin
            print(time.process_time() - began, flush=True)"""
OF_POOL = {"begin": "Pool.submit", "where": "beginner._thread_name_prefix"}
FOR_EVER = "n_threads=2, tol=0, max_iter=10**6"


@cases(
    ({**OF_POOL, "name": "gmm"}, *long_fit("one long pass", 2)),
    ({"begin": "Thread.start", "where": "beginner.name", "name": "gmm_0"}, *long_fit("one long pass", 2)),
    ({**OF_POOL, "name": "gmm"}, 20_000, 4, f"GaussianMixture(3, means_init=X[:3], {FOR_EVER}).fit(X)"),
    ({**OF_POOL, "name": "gmm-cell"}, 200_000, 4, f"import gmm; gmm.select(X, 8, ['full', 'diag'], {FOR_EVER})"),
    ids=["pass", "pass of a thread", "climb", "search"],
)
def test_ctrl_c_while_a_thread_starts_ends_its_work_too(begin, n, d, what):
    what = INTERRUPTED_START.format(**begin, what=what)
    *_, seconds, outcome, after = run(LONG_FIT.format(n=n, d=d, what=what)).split()
    assert (outcome, after) == ("interrupted", "intact")
    assert float(seconds) < SOON


WORK = {
    "search": lambda X: select(X, [2, 3], ["full", "diag"], n_threads=2, random_state=0),
    "replicates": lambda X: bootstrap_lrt(X, 1, n_replicates=4, n_threads=2, random_state=0),
    "passes": lambda X: GaussianMixture(8, n_threads=2, max_iter=5, random_state=0).fit(X),
}


@pytest.mark.parametrize("use", WORK)
@quiet
def test_no_wait_for_a_task_is_without_a_limit(use, monkeypatch):
    # Windows interrupts no wait, and a signal just before a wait is lost to it everywhere.
    waits = noted(monkeypatch, Future, "result", lambda task, timeout=None: task.done() or timeout is not None)
    WORK[use](np.random.default_rng(0).normal(size=(20_000, 4)))
    assert {*waits} == {True}


# --- BLAS's threads -----------------------------------------------------------------------------


def blas_threads():
    return [lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"]


controllable = pytest.mark.skipif(not blas_threads(), reason="Apple's Accelerate tells nobody of its threads")


# Features enough for BLAS to want threads of its own.
WIDE = np.random.default_rng(0).normal(size=(3000, 64)) + 3 * (np.arange(3000) < 1500)[:, None]


@controllable
@quiet
@pytest.mark.parametrize("init_params", ["kmeans", "hierarchical"])
def test_starts_hold_blas_to_one_thread(init_params, monkeypatch):
    """BLAS would use all cores for the products of a start, whatever `n_threads` says."""
    seen = noted(monkeypatch, starts, "order_components", lambda _: set(blas_threads()))
    with threadpool_limits(2, user_api="blas"):
        GaussianMixture(2, init_params=init_params, n_threads=1, random_state=0).fit(WIDE[:, :30])
    assert seen
    assert all(numbers == {1} for numbers in seen)


@quiet
def test_blas_has_its_threads_while_results_are_handed_out(monkeypatch):
    monkeypatch.setattr(blas, "BLAS_STAYS_SINGLE", -1)
    mixture = GaussianMixture(2, means_init=WIDE[[0, -1]], max_iter=3, tol=0).fit(WIDE)
    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        for _ in Scorer(inside.fitted_parameters(mixture)).blocks(ArraySource(WIDE), labels=True):
            assert blas_threads() == before


@controllable
@pytest.mark.parametrize("first_to_leave", [0, 1])
def test_blas_is_held_to_one_thread_until_the_last_holder_leaves(first_to_leave):
    """Whichever thread that is: some versions of threadpoolctl listen to one thread at a time."""
    before = blas_threads()
    with ThreadPoolExecutor(1) as one, ThreadPoolExecutor(1) as other:  # whose threads live until the end
        threads, holders = [one, other], [single_threaded_blas(), single_threaded_blas()]
        for thread, holder in zip(threads, holders, strict=True):
            thread.submit(holder.__enter__).result(10)
            assert set(blas_threads()) == {1}
        threads[first_to_leave].submit(holders[first_to_leave].__exit__, None, None, None).result(10)
        assert set(blas_threads()) == {1}
        threads[1 - first_to_leave].submit(holders[1 - first_to_leave].__exit__, None, None, None).result(10)
        assert blas_threads() == before


@controllable
def test_usable_threads_honours_the_affinity_and_the_limit_of_blas(monkeypatch):
    for affinity, limit, usable in (({0, 1, 2}, 2, 2), ({5}, 2, 1), ({0, 1, 2}, 1, 1)):
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid, affinity=affinity: affinity, raising=False)
        with threadpool_limits(limit, user_api="blas"):
            assert usable_threads() == usable


# --- Forks and Python's threads -----------------------------------------------------------------


@quiet
def test_fits_in_two_python_threads_are_those_of_one():
    def fit(n_features):
        X = WIDE[:, :n_features]
        mixture = GaussianMixture(2, means_init=X[[0, -1]], max_iter=3, tol=0, n_threads=2)
        return [mixture.fit(X).lower_bounds_ for _ in range(5)]

    features = [64, 50, 3, 64]
    alone, before = [fit(d) for d in features], blas_threads()
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(fit, features)) == alone
    assert blas_threads() == before


@quiet
@pytest.mark.parametrize("init_params", ["kmeans", "k-means++", "random", "random_from_data", "hierarchical"])
def test_one_thread_is_one_thread(monkeypatch, init_params):
    X = np.random.default_rng(0).normal(size=(9000, 16))
    started = noted(monkeypatch, threading.Thread, "start", lambda thread: thread)
    mixture = GaussianMixture(8, init_params=init_params, max_iter=2, random_state=0)
    with threadpool_limits(2, user_api="blas"):
        for n_threads in (2, 1):
            started.clear()
            mixture.set_params(n_threads=n_threads).fit(X).predict(X)
            assert bool(started) == (n_threads > 1), "this test needs a problem that is worth threads"


# --- Sources that are read inside each other, from several threads and in forks -------------------


@pytest.mark.needs("pyarrow")
def test_a_data_set_and_an_engine_may_score_other_sources(tmp_path):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(500, 2)))
    code = """
        import sys, numpy as np, pyarrow as pa, gmm
        from concurrent.futures import ThreadPoolExecutor
        rows = np.load(sys.argv[1])
        base = gmm.GaussianMixture(2, random_state=0).fit(rows)

        class Scores:
            schema = pa.schema([("a", pa.float64())])

            def to_batches(self):
                yield pa.record_batch({"a": base.score_samples(gmm.open_rows(sys.argv[1]))})

        def inner(task):
            return task(0, rows)

        def outer(task):
            with ThreadPoolExecutor(1) as pool:
                return pool.submit(lambda: (base.score(gmm.sources.partitioned_rows(inner)), task(0, rows))[1]).result()

        nested = gmm.GaussianMixture(2, random_state=0).fit(gmm.open_rows(Scores()))
        alone = gmm.GaussianMixture(2, random_state=0).fit(base.score_samples(rows)[:, None])
        print((nested.means_ == alone.means_).all())
        print(gmm.GaussianMixture(2, random_state=0).fit(gmm.sources.partitioned_rows(outer)).converged_)
    """
    assert run(code, tmp_path / "x.npy") == "True\nTrue\n"


FIRST_LOOK = """
    rows = np.random.default_rng(0).normal(size=(500, 2))
    begun, forked = threading.Event(), threading.Event()

    def blocks():
        yield rows[:200]
        begun.set()
        forked.wait()
        yield rows[200:]

    source = gmm.open_rows(blocks, scratch={scratch})
    thread = threading.Thread(target=lambda: source.n_rows)
    thread.start()
    begun.wait()
    children = [os.fork()]
    if 0 in children:
        forked = threading.Event()  # the other thread may hold the lock inside the one that is copied
    forked.set()
    means = [gmm.GaussianMixture(2, random_state=0, n_threads=1).fit(X).means_ for X in (source, rows)]
    same = np.array_equal(*means)
    if 0 not in children:
        thread.join()
"""
FORKS = {  # code after which children, and the process itself, say whether what they compute is the same
    "behind a fit": """
        X = np.random.default_rng(0).normal(size=(20_000, 64))
        mixture = gmm.GaussianMixture(4, max_iter=2, tol=0, n_threads=2, random_state=0)
        expected = mixture.fit(X).means_
        children = [os.fork()]
        same = np.array_equal(mixture.fit(X).means_, expected)
    """,
    "during a first look": FIRST_LOOK.format(scratch=False),
    "while a scratch file is made": FIRST_LOOK.format(scratch=True),
    "that share a scratch file, but not the place in it": """
        blocks._BLOCK_BYTES = 1000
        rows = np.random.default_rng(0).normal(size=(20_000, 3))
        source = gmm.open_rows(lambda: [rows], scratch=True)
        assert source.n_rows == len(rows)
        children = []
        while len(children) < 4 and 0 not in children:
            children.append(os.fork())
        same = all(np.array_equal(rows[c.first :][: len(c.rows)], c.rows) for _ in range(20) for c in source.chunks())
    """,
    "each with a scratch file of its own": """
        turn = [0]

        def blocks():
            for start in range(0, 9000, 10):
                yield np.full((10, 2), turn[0]) + np.arange(start, start + 10)[:, None]

        source = gmm.open_rows(blocks, scratch=True)
        next(source.blocks(weighted=False))  # makes a file, and ends early
        children = [os.fork()]
        turn[0] = 5 if 0 in children else 0
        same = all(chunk.rows[0, 0] == turn[0] + chunk.first for _ in range(20) for chunk in source.chunks())
    """,
}


@posix
@pytest.mark.parametrize("when", FORKS)
def test_forks_do_what_their_parent_does(when):
    code = f"""
import os, signal, threading, numpy as np, gmm
from gmm._rows import blocks
signal.alarm(60)  # who hangs is killed, and so are children
{textwrap.dedent(FORKS[when])}
if 0 in children:
    os._exit(not same)
print(same, {{os.waitpid(child, 0)[1] for child in children}})
"""
    assert run(code) == "True {0}\n"


def test_what_is_computed_once_is_one_object_for_all_threads():
    together = threading.Barrier(4)

    class Slow:
        @inside.cached_property
        def value(self):
            together.wait()
            return object()

    slow = Slow()
    with ThreadPoolExecutor(4) as pool:
        seen = {*pool.map(lambda _: slow.value, range(4))}
    assert seen == {slow.value}
    assert isinstance(Slow.value, inside.cached_property)


@pytest.mark.parametrize("allowed", [0, 1, 2])
def test_fewer_threads_than_asked_for_give_the_same_bits(allowed, monkeypatch, tmp_path):
    """A process with little memory may start none, or some."""
    X = blobs(40_000, 4, 2)
    np.save(tmp_path / "x.npy", X)

    def results():
        how = {"n_threads": 4, "random_state": 0}
        yield GaussianMixture(3, **how).fit(X).means_
        yield GaussianMixture(2, **how).fit(open_rows(lambda: iter([X]))).means_
        yield GaussianMixture(2, **how).fit(open_rows(tmp_path / "x.npy")).means_
        yield select(X, [1, 2, 3], ["EII", "VVI"], **how).bic
        yield bootstrap_lrt(X[::5], 2, n_replicates=3, n_init=1, **how).p_value

    def limited(thread):
        if len(started) >= allowed:
            raise RuntimeError("can't start new thread")

    expected, started = [*results()], noted(monkeypatch, threading.Thread, "start", limited)
    for result, wanted in zip(results(), expected, strict=True):
        np.testing.assert_array_equal(result, wanted)
        started.clear()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")  # polars keeps threads
def test_a_child_forked_while_blas_is_held_does_not_wait_for_its_parents_threads():
    with single_threaded_blas():
        child = os.fork()
        if child == 0:
            os._exit(single_threaded_blas._holders)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.parametrize("fit", [GaussianMixture(2).fit, partial(select, n_components=[1, 2])])
def test_fits_of_many_columns_wake_no_threads_of_blas(fit):
    """They spin after each call between two passes: fits of 351 rows of 32 columns took up to 50 times the time."""
    holders = []
    X = np.random.default_rng(0).normal(size=(300, 32))
    fit(X, callback=lambda _: holders.append(single_threaded_blas._holders))
    assert min(holders) > 0

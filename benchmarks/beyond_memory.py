"""What does a fit cost whose rows are in a file, and never in memory?

A Parquet file is made in the temporary folder. Its default fit is compared with the same fit of the rows in memory,
with reading the file alone, and with scikit-learn on as many rows as fit the same memory.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

from benchmarks.measure import MB, Reading, Worker, WorkerError
from benchmarks.peers import BASELINE, ESTIMATORS, OURS, estimator_peer
from benchmarks.report import Report, Settings, cpus, number

PEERS, THREADS = ESTIMATORS, (1,)
ROWS, SMOKE_ROWS, FEATURES, COMPONENTS = 20_000_000, 300_000, 8, 8
ROW_GROUP = 1 << 20
MOST_MB = 400  # for the whole process, imports included
MOST_PASS = 1.3  # times the slower of reading alone and of a pass over rows in memory
PROBES = (20_000, 120_000)  # rows, from which scikit-learn's memory is projected


class Climbed(NamedTuple):
    """A fit: seconds of its passes and of everything, and a digest of its parameters."""

    pass_seconds: float
    n_passes: int
    fit_seconds: float
    digest: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this question."""
    parser.add_argument("--rows", type=int, help=f"rows of the file; {ROWS:,} by default")


def run(settings: Settings, report: Report) -> bool:
    """Print the table; return whether memory, bits and seconds are within their bounds."""
    n = settings.arguments.rows or (SMOKE_ROWS if settings.smoke else ROWS)
    path = settings.folder / "rows.parquet"
    make(path, n)
    report.note(f"{n:,} × {FEATURES} float64, {path.stat().st_size / MB:.0f} MB of Parquet, K={COMPONENTS}, full")
    report.note(f"bounds: {MOST_MB} MB for the process, {MOST_PASS} × the slower of reading alone and a pass in memory")
    report.header("what", "threads", "CPUs", "rows", "ms per pass", "passes", "fit s", "peak MB")
    kept = True
    for n_threads in settings.threads:
        kept &= compared(path, n, n_threads, report)
        if BASELINE in settings.peers:
            peer_in_the_same_memory(path, n, n_threads, report)
    return kept


def make(path: Path, n_rows: int) -> None:
    """Write rows from a mixture, one row group after the other."""
    import pyarrow as pa
    import pyarrow.parquet

    rng = np.random.default_rng(0)
    centres = 4 * rng.normal(size=(COMPONENTS, FEATURES))
    schema = pa.schema([(f"x{j}", pa.float64()) for j in range(FEATURES)])
    with pa.parquet.ParquetWriter(path, schema) as writer:
        for start in range(0, n_rows, ROW_GROUP):
            size = min(ROW_GROUP, n_rows - start)
            X = rng.normal(size=(size, FEATURES)) + centres[rng.integers(COMPONENTS, size=size)]
            writer.write_table(pa.table(dict(zip(schema.names, X.T, strict=True))), row_group_size=ROW_GROUP)


def compared(path: Path, n: int, n_threads: int, report: Report) -> bool:
    """Measure reading alone, the fit in memory and that of the file; return whether bits and bounds are kept."""
    reading = asked(1, DecodedRows, path)
    row(report, "reading alone, row group by row group", 1, 1, n, reading, None)
    memory = asked(n_threads, Fit, OURS, n_threads, path, None)
    row(report, "gmm, rows in memory", n_threads, n_threads, n, memory, memory.value)
    with_reader = min(n_threads + 1, len(cpus()))
    file = asked(with_reader, FileFit, path, n_threads)
    row(report, "gmm, rows in the file", n_threads, with_reader, n, file, file.value)
    bound = max(reading.seconds, memory.value.pass_seconds)
    ratio = file.value.pass_seconds / bound
    same = file.value.digest == memory.value.digest
    report.note(f"threads: {n_threads}: a pass takes {ratio:.2f} × the bound's basis; same bits as in memory: {same}")
    return same and (n < ROWS or (file.peak_mb <= MOST_MB and ratio <= MOST_PASS))


def peer_in_the_same_memory(path: Path, n: int, n_threads: int, report: Report) -> None:
    """Fit scikit-learn to the first rows, as many as its memory in two smaller fits lets expect within the bound."""
    try:
        peaks = [asked(n_threads, Fit, BASELINE, n_threads, path, rows).peak_mb for rows in PROBES]
        slope = (peaks[1] - peaks[0]) / (PROBES[1] - PROBES[0])
        rows = min(n, int(PROBES[1] + (MOST_MB - peaks[1]) / slope))
        fitted = asked(n_threads, Fit, BASELINE, n_threads, path, rows)
        row(report, "scikit-learn, as many rows as fit", n_threads, n_threads, rows, fitted, fitted.value)
    except WorkerError as reason:
        report.skipped(BASELINE, str(reason))


def asked(n_cpus: int, task: Callable[..., Any], *arguments: Any) -> Reading:
    """Run a task once in a process of its own."""
    with Worker(n_cpus, task, *arguments) as worker:
        return worker()


def row(report: Report, what: str, threads: int, on: int, n: int, reading: Reading, fit: Climbed | None) -> None:
    """Print a row of the table."""
    seconds = reading.seconds if fit is None else fit.pass_seconds
    of_fit = ("–", "–") if fit is None else (str(fit.n_passes), number(fit.fit_seconds))
    report.row(what, str(threads), str(on), f"{n:,}", number(1e3 * seconds), *of_fit, number(reading.peak_mb))


class DecodedRows:
    """Reads all row groups, one after the other, on one thread."""

    def __init__(self, path: Path) -> None:
        import pyarrow.parquet

        self.file = pyarrow.parquet.ParquetFile(path)
        self()

    def __call__(self) -> int:
        """Return the number of rows."""
        groups = range(self.file.num_row_groups)
        return sum(self.file.read_row_group(i, use_threads=False).num_rows for i in groups)


class Fit:
    """The default fit of the first rows, in memory."""

    def __init__(self, peer: str, n_threads: int, path: Path, n_rows: int | None) -> None:
        self.peer = estimator_peer(peer)
        self.peer.version()
        self.n_threads = n_threads
        self.X: Any = first_rows(path, n_rows)

    def __call__(self) -> Climbed:
        """Fit."""
        parameters = {"n_components": COMPONENTS, "random_state": 0}
        estimator = self.peer.estimator(self.n_threads, **parameters)
        begin = perf_counter()
        estimator.fit(self.X)
        seconds = perf_counter() - begin
        history = getattr(estimator, "history_", None)
        of_pass = seconds / estimator.n_iter_ if history is None else median(history.seconds)
        arrays = (estimator.weights_, estimator.means_, estimator.covariances_)
        digest = hashlib.blake2b(b"".join(array.tobytes() for array in arrays)).hexdigest()
        return Climbed(of_pass, estimator.n_iter_, seconds, digest)


class FileFit(Fit):
    """Our default fit of the rows in the file."""

    def __init__(self, path: Path, n_threads: int) -> None:
        import gmm

        self.peer, self.n_threads, self.X = estimator_peer(OURS), n_threads, gmm.open_rows(path)


def first_rows(path: Path, n_rows: int | None) -> np.ndarray:
    """Read the first rows, or all, without having any twice."""
    import pyarrow.parquet

    file = pyarrow.parquet.ParquetFile(path)
    n = file.metadata.num_rows if n_rows is None else n_rows
    X, done = np.empty((n, FEATURES)), 0
    for batch in file.iter_batches(1 << 16, use_threads=False):
        stop = min(n, done + batch.num_rows)
        for j, column in enumerate(batch.columns):
            X[done:stop, j] = column.to_numpy()[: stop - done]
        done = stop
        if done == n:
            break
    return X

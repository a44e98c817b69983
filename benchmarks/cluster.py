"""What does a pass cost whose rows lie in partitions on a Dask cluster?

A local cluster of processes with one thread each. Seconds are of the CPU, which other programs do not change much:
those of the passes on the workers, and those of the client and the scheduler, in one process here, for each partition.
Wall times of one and of two workers are compared where the cores are free.
"""

from __future__ import annotations

import os
import pickle
from dataclasses import dataclass
from functools import partial
from statistics import median
from time import perf_counter, process_time, thread_time
from typing import Any

import numpy as np

from benchmarks.report import Report, Settings, cpus, number

PEERS, THREADS = ("gmm",), (1,)
FEATURES, AT_ONCE = 8, 250_000  # rows of a partition
CELLS = ((1_000_000, 8), (4_000_000, 8), (4_000_000, 32), (8_000_000, 32))  # rows, K
SMOKE_CELLS = ((20_000, 3),)
IDLE = 0.5  # load of the machine below which its cores are free
LONG, LEAST_RATIO = 0.5, 1.7  # seconds of a pass from which two workers are to be so many times as fast as one
PROJECTED, WORKERS, LARGE, PER_SECOND = 1_000_000_000, 64, 1_000_000, 1e9  # rows, of a partition; bytes on the network


@dataclass(frozen=True)
class Timed:
    """A task that returns its seconds of CPU instead of its result."""

    task: Any

    def __call__(self, number: int, given: Any) -> list[float]:
        began = thread_time()
        self.task(number, given)
        return [thread_time() - began]


@dataclass(frozen=True)
class Cost:
    """Of a pass: bytes of its task and of a result, CPU seconds of all partitions and of the rest, and wall seconds."""

    task: int
    result: int
    rows: float
    rest: float
    wall: float


def run(settings: Settings, report: Report) -> bool:
    """Print the table and a projection; return whether two workers are as fast as they should be, where measured."""
    free = len(cpus()) >= 2 and os.getloadavg()[0] < IDLE
    if not free:
        report.note(
            f"load {os.getloadavg()[0]:.1f} on {len(cpus())} CPUs: no comparison of workers, the cores are not free"
        )
    report.header(
        "rows",
        "K",
        "partitions",
        "task KB",
        "result KB",
        "CPU ms of the passes",
        "other CPU ms per partition",
        "ms, 1 worker",
        "ms, 2 workers",
        "ratio",
    )
    kept = True
    for n, K in SMOKE_CELLS if settings.smoke else CELLS:
        size = n // 4 if settings.smoke else AT_ONCE
        one = measured(1, n, K, size, settings.repeats)
        two = measured(2, n, K, size, settings.repeats) if free else None
        ratio = one.wall / two.wall if two is not None else np.nan
        kept &= two is None or one.wall < LONG or ratio >= LEAST_RATIO
        walls = (number(1e3 * one.wall), "–" if two is None else number(1e3 * two.wall))
        parts = -(-n // size)
        report.row(
            f"{n:,}",
            str(K),
            str(parts),
            number(one.task / 1e3),
            number(one.result / 1e3),
            number(1e3 * one.rows),
            number(1e3 * one.rest / parts),
            *(walls if free else ("not measured",) * 2),
            f"{ratio:.2f}" if two is not None else "not measured",
        )
    report.note(projection(one, n, K, parts))
    return kept


def measured(n_workers: int, n: int, K: int, size: int, repeats: int) -> Cost:
    """Measure passes on a cluster of so many workers."""
    import dask.array as da
    from distributed import Client, LocalCluster

    from gmm import GaussianMixture
    from gmm._em import Plan
    from gmm._rows.dask import DaskSource
    from gmm._rows.partitions import pass_sums

    with LocalCluster(n_workers=n_workers, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster):
        rows = da.random.default_rng(0).normal(size=(n, FEATURES), chunks=(size, FEATURES)).persist()
        source = DaskSource(rows)
        model = GaussianMixture(K, max_iter=0, random_state=0).fit(rows)
        whitened, origin = model._parameters.whitened(), source.survey.centre
        plan = Plan(whitened, whitened.layout, origin, source.survey.reach(origin), single=False)
        source.summed(plan)
        walls, rests = [], []
        for _ in range(repeats):
            wall, rest = perf_counter(), process_time()
            sums = source.summed(plan)
            walls.append(perf_counter() - wall)
            rests.append(process_time() - rest)
        task = partial(pass_sums, plan, source.reader)
        seconds = median(sum(source.total(Timed(task))) for _ in range(repeats))
    return Cost(len(pickle.dumps(task)), sums.nbytes, seconds, median(rests), median(walls))


def projection(cost: Cost, n: int, K: int, parts: int) -> str:
    """Project a pass over many rows from the last cell."""
    tasks = PROJECTED / LARGE
    rows, rest = cost.rows / n * PROJECTED / WORKERS, cost.rest / parts * tasks
    moved = tasks * cost.result + WORKERS * cost.task
    return (
        f"projected: a pass over {PROJECTED:,} × {FEATURES}, K={K}, on {WORKERS} workers in partitions of {LARGE:,} "
        f"rows: {rows:.1f} s on the rows, {rest:.1f} s of client and scheduler, {moved / 1e6:.1f} MB moved "
        f"({moved / PER_SECOND:.2f} s at {PER_SECOND / 1e9:g} GB/s)"
    )

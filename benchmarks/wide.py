"""What do factor analysers cost with hundreds of columns: a pass beside the machine's limit, a start, a climb, memory?

Rows are drawn from factor analysers about random places, where each row is one component's, or from components that are
alike and share all rows. A pass is that of the mixture that draws; its limit is 2dq + 4d multiply-adds for each row and
component, at the rate of the same process. What comes before the first pass of a fit's climb is its start.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.beside_factors import RIDGE, Imported
from benchmarks.limit import absence, multiply_adds_a_second
from benchmarks.measure import MB, Worker, WorkerError
from benchmarks.report import Report, number
from benchmarks.settings import Settings

PEERS, THREADS = ("gmm",), (1,)
MOST_MB, MOST_OF_LIMIT = 500, 1.5  # of 20,000 × 1000
TRIES = 5


@dataclass(frozen=True)
class Wide:
    """Sizes of rows and of the mixture, whether its components differ, and whether they are fitted to the rows."""

    n: int
    d: int
    n_components: int
    n_factors: int
    clear: bool = True
    fitted: bool = False

    @property
    def name(self) -> str:
        """The sizes in words."""
        return f"{self.n:,} × {self.d}, K={self.n_components}, q={self.n_factors}, {'clear' if self.clear else 'alike'}"

    @property
    def multiply_adds(self) -> int:
        """Of a pass, densities and moments."""
        return self.n * self.n_components * self.d * (2 * self.n_factors + 4)

    def draw(self, dtype: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return rows, drawn some at a time so that little is beside them, and the places and [ψ, Λᵀ] behind them."""
        rng, (K, d, q) = np.random.default_rng(0), (self.n_components, self.d, self.n_factors)
        places, stored = 0.4 * rng.normal(size=(K, d)), 0.27 * rng.normal(size=(K, 1 + q, d))
        stored[:, 0] = rng.uniform(0.2, 1, (K, d))
        if not self.clear:
            places[1:], stored[1:] = places[0], stored[0]
        rows = np.empty((self.n, d), dtype)
        for part in np.array_split(rows, max(1, self.n // 1000)):
            owner = rng.integers(K, size=len(part))
            part[...] = places[owner] + np.sqrt(stored[owner, 0]) * rng.normal(size=part.shape)
            part += np.einsum("nq,nqd->nd", rng.normal(size=(len(part), q)), stored[owner, 1:])
        return rows, places, stored


PROBLEMS = (
    Wide(20_000, 64, 10, 4),
    Wide(20_000, 64, 10, 4, clear=False),
    Wide(20_000, 384, 200, 5),
    Wide(20_000, 384, 200, 5, clear=False),
    Wide(20_000, 1000, 10, 5, fitted=True),
    Wide(20_000, 1000, 10, 5, clear=False),
    Wide(20_000, 1536, 200, 5, fitted=True),
)
SMOKE = (Wide(300, 64, 3, 2, fitted=True), Wide(300, 64, 3, 2, clear=False))


class Costs:
    """Passes with the mixture that draws rows and, if that is asked for, a fit to them."""

    def __init__(self, problem: Wide, dtype: str) -> None:
        self.problem, self.dtype = problem, dtype
        self.rows, self.places, self.stored = problem.draw(dtype)

    def __call__(self) -> tuple[float, ...]:
        """Return seconds of a pass, of its limit, of the start and the climb of a fit, and the passes of this."""
        seconds, rates = self.passes(), [multiply_adds_a_second(self.dtype) for _ in range(TRIES)]
        limit = self.problem.multiply_adds / max(rates)
        return seconds, limit, *(self.fit(seconds) if self.problem.fitted else (np.nan, np.nan, 0))

    def passes(self) -> float:
        """Return the seconds of the shortest of several passes."""
        from gmm._passes.e_step import EStep
        from gmm._rows.sources import ArraySource
        from gmm._values.layouts import low_rank
        from gmm._values.whitened import WhitenedMixture

        layout, seconds = low_rank(self.problem.n_factors), []
        whiteners, log_offset = layout.whiten(self.stored, self.problem.d)
        mixture = WhitenedMixture(layout, log_offset - np.log(len(log_offset)), self.places, whiteners)
        with EStep(ArraySource(self.rows), layout, n_threads=1) as e_step:
            for _ in range(TRIES):
                begin = time.process_time()
                e_step(mixture)
                seconds.append(time.process_time() - begin)
        return min(seconds)

    def fit(self, seconds: float) -> tuple[float, float, int]:
        """Return the seconds of the start and of the climb, and the passes of this."""
        from gmm import GaussianMixture

        how: dict[str, Any] = {"n_factors": self.problem.n_factors, "reg_covar": RIDGE, "random_state": 0}
        mixture, times = GaussianMixture(self.problem.n_components, covariance_type="factor", n_threads=1, **how), []
        begin = time.process_time()
        mixture.fit(self.rows, callback=lambda _: times.append(time.process_time()))
        first = times[0] - seconds
        return first - begin, time.process_time() - first, len(times)


def run(settings: Settings, report: Report) -> bool:
    """Print a row for each problem and type; return whether goals are met that one core's speed does not decide."""
    if reason := absence():
        report.skipped("all", reason)
        return True
    report.header("rows", "type", "pass, s", "÷ limit", "start, s", "climb, s", "passes", "data MB", "peak MB")
    right = True
    for problem in SMOKE if settings.smoke else PROBLEMS:
        for dtype in settings.dtypes if settings.only in problem.name else ():
            try:
                with Worker(1, Imported, "gmm", Costs, problem, dtype) as worker:
                    reading = worker()
            except WorkerError as reason:
                report.failed(f"{problem.name}, {dtype}", str(reason))
                continue
            right &= compared(problem, dtype, reading, report) or settings.smoke
    return right


def compared(problem: Wide, dtype: str, reading: Any, report: Report) -> bool:
    """Print a row; return whether the start is shorter than the climb, and 1000 columns within memory and limit."""
    seconds, limit, start, climb, n_passes = reading.value
    data = problem.n * problem.d * np.dtype(dtype).itemsize / MB
    figures = number(seconds), number(seconds / limit), number(start), number(climb), str(n_passes or "–")
    report.row(problem.name, dtype, *figures, number(data), number(reading.peak_mb))
    modest = reading.peak_mb < MOST_MB and seconds / limit < MOST_OF_LIMIT
    return not start > climb and (modest or problem.d != 1000)

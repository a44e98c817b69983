"""`ProgressPrinter`: the lines that `verbose` prints during a fit, and that are logged; how many passes are left."""

from __future__ import annotations

import math
from time import perf_counter

from gmm import _fitting as fitting
from gmm._log import LOGGER, follows_passes
from gmm._passes.solver import Iteration, SolverResult
from gmm._text.amounts import duration, percent

_QUIET = 10.0  # seconds without a line, at most
_LONG = 1.0  # seconds: the speed of shorter passes is not told


class ProgressPrinter:
    """Prints a line every `interval` passes or ten seconds, and one at the end of each of `n_init` starts.

    With `verbose` 0 it prints nothing, above 1 the elapsed time as well. Whatever `verbose` is, the logger "gmm" gets
    every pass (DEBUG) and the ends of starts (INFO). `objective` is the name of what is maximised,
    and its unit. Of long passes it tells the speed, and the time left of this start: until the remaining gain is below
    `tol`, from how fast it falls, or until there were `max_iter` passes.

    Attributes
    ----------
    latest : Iteration or None
        The last pass.
    unit : str
        That of what is maximised.
    """

    def __init__(
        self,
        verbose: int,
        interval: int,
        n_init: int,
        objective: tuple[str, str],
        *,
        n_rows: int,
        tol: float,
        max_iter: int,
    ) -> None:
        self._verbose = verbose
        self._interval = interval
        self._n_init = n_init
        self._name, self.unit = objective
        self._n_rows = n_rows
        self._tol = tol
        self._max_iter = max_iter
        self.latest: Iteration | None = None
        self._seconds = 0.0
        self._remaining = math.inf
        self._start = 0
        self._said = perf_counter()

    def reading(self, n_read: int, seconds: float) -> None:
        """Print how far a pass has come, if there was no line for some time."""
        if self._verbose and perf_counter() - self._said >= _QUIET and n_read < self._n_rows:
            remainder = seconds * (self._n_rows - n_read) / n_read
            pace = f"{percent(n_read / self._n_rows)} of the rows, {n_read / seconds:,.0f} rows/s"
            self._print(self._start, f"{pace}, the pass ends in {duration(remainder)}")

    def step(self, iteration: Iteration) -> None:
        """Print a pass, if it is one of every `interval` or there was no line for some time."""
        self.latest = iteration
        self._seconds += iteration.seconds
        before, self._remaining, self._start = self._remaining, iteration.remaining, iteration.start
        due = iteration.n_iter % self._interval == 0 or perf_counter() - self._said >= _QUIET
        if (self._verbose and due) or follows_passes():
            text = f"move {iteration.move:>3}  " if iteration.move else ""
            text += f"pass {iteration.n_iter:>4}  {self._name} {iteration.lower_bound:.6f}"
            if not iteration.accepted:
                text += "  step rejected"
            elif iteration.n_iter > 1:
                text += f"  gain {iteration.gain:+.2e}"
            if iteration.remaining < float("inf"):
                text += f"  remaining {iteration.remaining:.2e}"
            LOGGER.debug("%s  %s", self._of(iteration.start), text)
            if self._verbose and due:
                self._print(iteration.start, text + self._pace(iteration, before))

    def end(self, result: SolverResult) -> None:
        """Print how one start ended."""
        bound = f"{self._name} {result.lower_bound:.6f} {self.unit}"
        self._tell(result.trace.start, f"{result.trace.ending} ({result.trace.reason}), {bound}")

    def refined(self, result: SolverResult) -> None:
        """Print the result of split–merge, if it ran."""
        tally = result.trace.refinement
        if tally is not None:
            self._tell(
                result.trace.start,
                f"split-merge: {len(tally.moves)} of {tally.tried} moves kept, {tally.passes:.0f} passes in total, "
                f"{self._name} {result.lower_bound:.6f} {self.unit}",
            )

    def skip(self, start: int, screened: fitting.screening.Screened | None) -> None:
        """Print that a start was dropped after its trial; with None, that a covariance became singular."""
        if screened is None:
            self._tell(start, "dropped: a covariance became singular")
            return
        self._tell(
            start,
            f"dropped: {self._name} {screened.lower_bound:.6f} on a sample of the rows, "
            f"where an earlier start reached {screened.record:.6f}",
        )

    def _pace(self, iteration: Iteration, before: float) -> str:
        """Rows per second of a long pass, and the time left: projected if the remaining gain falls, else at most."""
        if iteration.seconds < _LONG:
            return ""
        most = self._max_iter - iteration.n_iter
        passes = remaining_passes(iteration.remaining, before, self._tol, most)
        word, passes = ("about", passes) if passes < most else ("at most", most)
        pace = f"  {self._n_rows / iteration.seconds:,.0f} rows/s"
        return f"{pace}  {word} {duration(passes * iteration.seconds)} left"

    def _of(self, start: int) -> str:
        return f"start {start + 1}/{self._n_init}"

    def _tell(self, start: int, text: str) -> None:
        """Log what happens a few times a fit, and print it."""
        LOGGER.info("%s  %s", self._of(start), text)
        if self._verbose:
            self._print(start, text)

    def _print(self, start: int, text: str) -> None:
        clock = f"  {self._seconds:.3f} s" if self._verbose > 1 else ""
        print(f"{self._of(start)}  {text}{clock}", flush=True)
        self._said = perf_counter()


def remaining_passes(remaining: float, before: float, tol: float, most: int) -> float:
    """Project after how many passes the remaining gain, of which there was more before, is below `tol`.

    It is no more than `most`, and NaN if unknown.
    """
    if remaining <= tol:
        return 0.0
    if tol > 0 and remaining < before < math.inf:
        return min(most, math.ceil(math.log(tol / remaining) / math.log(remaining / before)))
    return math.nan

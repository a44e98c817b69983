"""`ProgressPrinter`: the lines that `verbose` prints during a fit."""

from __future__ import annotations

from gmm.em.solver import Iteration, SolverResult
from gmm.fitting.screening import Screened


class ProgressPrinter:
    """Prints a line every `interval` passes, and one at the end of each of `n_init` starts.

    With `verbose` 0 it prints nothing, above 1 the elapsed time as well. `objective` is the name of what is maximised,
    and its unit.
    """

    def __init__(self, verbose: int, interval: int, n_init: int, objective: tuple[str, str]) -> None:
        self._verbose = verbose
        self._interval = interval
        self._n_init = n_init
        self._name, self._unit = objective
        self._seconds = 0.0

    def step(self, iteration: Iteration) -> None:
        """Print a pass, if it is one of every `interval`."""
        self._seconds += iteration.seconds
        if self._verbose and iteration.n_iter % self._interval == 0:
            text = f"move {iteration.move:>3}  " if iteration.move else ""
            text += f"pass {iteration.n_iter:>4}  {self._name} {iteration.lower_bound:.6f}"
            if not iteration.accepted:
                text += "  step rejected"
            elif iteration.n_iter > 1:
                text += f"  gain {iteration.gain:+.2e}"
            if iteration.remaining < float("inf"):
                text += f"  remaining {iteration.remaining:.2e}"
            self._print(iteration.start, text)

    def end(self, result: SolverResult) -> None:
        """Print how one start ended."""
        if self._verbose:
            self._print(
                result.trace.start,
                f"{result.trace.ending} ({result.trace.reason}), {self._name} {result.lower_bound:.6f} {self._unit}",
            )

    def refined(self, result: SolverResult) -> None:
        """Print the result of split–merge, if it ran."""
        done = result.trace.refinement
        if self._verbose and done is not None:
            self._print(
                result.trace.start,
                f"split-merge: {len(done.moves)} of {done.tried} moves kept, {done.passes:.0f} passes in total, "
                f"{self._name} {result.lower_bound:.6f} {self._unit}",
            )

    def skip(self, start: int, screened: Screened) -> None:
        """Print that a start was dropped after its trial."""
        if self._verbose:
            self._print(
                start,
                f"dropped: {self._name} {screened.lower_bound:.6f} on a sample of the rows, "
                f"where an earlier start reached {screened.record:.6f}",
            )

    def _print(self, start: int, text: str) -> None:
        clock = f"  {self._seconds:.3f} s" if self._verbose > 1 else ""
        print(f"start {start + 1}/{self._n_init}  {text}{clock}", flush=True)

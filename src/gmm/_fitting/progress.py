"""How far a fit has come: what it needs, with its rows and settings, to continue with the same bits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

from gmm._fitting.split_merge import Refined
from gmm._passes.solver import Iteration, SolverResult, SolverRun
from gmm._passes.trace import Trace

Stage = Literal["starts", "order", "refinement", "ended"]


class MixtureFit(NamedTuple):
    """The best result, the components that its run had to give a new place, and the trace of every run."""

    result: SolverResult
    repaired: tuple[int, ...]
    traces: tuple[Trace, ...] = ()

    def improved(self, result: SolverResult) -> MixtureFit:
        """Return the fit with a result that continues the best one; its trace replaces that of its start."""
        start = self.result.trace.start
        traces = tuple(result.trace if trace.start == start else trace for trace in self.traces)
        return self._replace(result=result, traces=traces)


class FitProgress(NamedTuple):
    """Where a fit stands.

    Parameters
    ----------
    seeds : tuple of int
        Of all starts.
    stage : {"starts", "order", "refinement", "ended"}
    fit : MixtureFit, optional
        The runs that ended.
    run : SolverResult, optional
        The run in progress.
    refined : Refined, optional
        How far the refinement has come.
    """

    seeds: tuple[int, ...]
    stage: Stage = "starts"
    fit: MixtureFit | None = None
    run: SolverResult | None = None
    refined: Refined | None = None

    @property
    def mixture_fit(self) -> MixtureFit:
        """The runs that ended, of which there is one at least."""
        assert self.fit is not None  # n_init is at least 1
        return self.fit

    @property
    def n_decided(self) -> int:
        """Number of starts up to the last that ended, or to the one in progress, which is not among them."""
        ended = 0 if self.fit is None else self.fit.traces[-1].start + 1
        return ended if self.run is None else max(ended, self.run.trace.start)

    def with_end(self, result: SolverResult) -> FitProgress:
        """Return the progress once the run of a start has ended."""
        if self.fit is None:
            return self._replace(fit=MixtureFit(result, result.repaired, (result.trace,)), run=None)
        traces = (*self.fit.traces, result.trace)
        if result.lower_bound > self.fit.result.lower_bound:
            return self._replace(fit=MixtureFit(result, result.repaired, traces), run=None)
        return self._replace(fit=self.fit._replace(traces=traces), run=None)


class Journal:
    """The progress of one fit, and who is told of it.

    Parameters
    ----------
    progress : FitProgress or sequence of int
        Where the fit continues, or the seeds of its starts.
    keep : callable, optional
        Called with the journal wherever the fit could be continued from its `progress`.
    """

    def __init__(
        self, progress: FitProgress | Sequence[int], keep: Callable[[Journal], object] = lambda journal: None
    ) -> None:
        self._progress = progress if isinstance(progress, FitProgress) else FitProgress(tuple(progress))
        self._run: SolverRun | None = None
        self._keep = keep

    @property
    def progress(self) -> FitProgress:
        """Where the fit stands now."""
        return self._progress if self._run is None else self._progress._replace(run=self._run.result)

    def pause(self, run: SolverRun) -> None:
        """Note that a run could be continued from here."""
        self._run = run
        self._keep(self)

    def drop_run(self) -> None:
        """Forget the run in progress, which has failed."""
        self._run = None

    def note(self, progress: FitProgress) -> None:
        """Note how far the fit has come between two runs."""
        self._progress, self._run = progress if progress.run is None else progress._replace(run=None), None
        self._keep(self)


class Listener:
    """A callback, and whether it has ended the fit."""

    def __init__(self, callback: Callable[[Iteration], object] | None) -> None:
        self._callback = callback
        self.stopped = False

    def __call__(self, iteration: Iteration) -> bool:
        """Return whether the callback ends the fit after this pass."""
        self.stopped = self._callback is not None and bool(self._callback(iteration))
        return self.stopped

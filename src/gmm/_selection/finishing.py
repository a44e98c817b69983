"""Rows beyond memory: a search runs on a sample of them, and its best cells are finished on all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from math import inf, nan
from typing import Any

import numpy as np

from gmm._estimators import criteria
from gmm._estimators.estimated import set_fitted
from gmm._estimators.fitted import fitted_parameters
from gmm._estimators.mixture import GaussianMixture
from gmm._estimators.progress import remaining_passes
from gmm._estimators.scorer import Scorer
from gmm._fitting.degenerate import degenerate_under
from gmm._fitting.fit import FitSettings, fit_mixture
from gmm._fitting.progress import Journal
from gmm._fitting.sampling import sample_indices
from gmm._passes.problem import Beginning
from gmm._passes.solver import Iteration, SolverResult
from gmm._passes.trace import PassRecord
from gmm._persistence.checkpoints import SearchCheckpoint
from gmm._rows.sources import Source
from gmm._rows.together import Ended, together
from gmm._selection.bar import Bar
from gmm._selection.failure import Failure
from gmm._selection.grid import distinct
from gmm._selection.keeping import name_on_all_rows
from gmm._selection.keys import Key
from gmm._selection.request import Request
from gmm._selection.status import has_failed, is_behind, is_degenerate, status_of
from gmm._selection.table import Entry, Progress, Selection
from gmm._values.layouts import SingularMatrixError
from gmm._values.objective import Objective
from gmm._values.parameters import MixtureParameters

SEARCHED = 200_000  # rows
_FINISHED = 3  # cells, of different models
_READINGS_OF_CRITERIA = 1


def rows_to_search(source: Source, seed: int) -> Source:
    """Return the rows, as an array, if they are in memory or few; else a sample of them."""
    if source.without_gaps.resident is not None:
        return source
    whole = source.n_rows <= SEARCHED
    return source.part(
        np.arange(source.n_rows) if whole else sample_indices(source, SEARCHED, np.random.default_rng(seed))
    )


def finished(
    search: Selection,
    request: Request,
    is_up: Callable[[], bool],
    file: SearchCheckpoint | None,
    callback: Callable[[Progress], object] | None,
) -> Selection:
    """Return the best cells of a search on a sample, fitted to all rows from where they ended there.

    They are fitted side by side, and one that cannot come near the best of the others is left. By held-out likelihood,
    which the sample alone tells, there is one.

    Parameters
    ----------
    search : Selection
    request : Request
        With all rows.
    is_up : callable
        Tells whether the time is up; then, or if the search was ended, only the best is finished.
    file : SearchCheckpoint, optional
        Keeps how far each has come.
    callback : callable, optional
        Called for each cell before the first pass, and after each pass, on the thread of its cell, of which one goes on
        at a time; a true value is as the time.
    """
    several = search.complete and search.criterion != criteria.HELD_OUT
    numbers = distinct(search)[: _FINISHED if several else 1]
    finish = _Finish(search, request, file, callback)
    for number in numbers:
        finish.report(number)
    entries: dict[int, Entry] = {}
    waiting, complete = numbers, search.complete
    while waiting:
        tasks = [partial(finish.entry, number) for number in waiting] + finish.tasks_of_one(waiting)
        ended = together(request.source, tasks, lambda: finish.is_over or is_up(), finish.keep)
        finish.keep()
        news = {number: finish.timed(number, one) for number, one in zip(waiting, ended, strict=False) if one}
        entries |= news
        complete &= len(news) == len(waiting)
        # A cell that collapses may have set the bar that others were left by.
        collapsed = any(is_degenerate(one.status) or has_failed(one.status) for one in news.values())
        waiting = [number for number, one in news.items() if collapsed and is_behind(one.status)]
    selection = Selection.of([entries[number] for number in sorted(entries)], search.criterion, complete=complete)
    if sorted(entries)[selection.best_index] != search.best_index:  # of that cell alone, the starts are known
        return selection
    return replace(selection, n_fresh_starts=search.n_fresh_starts, n_found_again=search.n_found_again)


class _Finish:
    """Cells that are fitted to all rows side by side: the criterion of each so far, and what a file will keep.

    Attributes
    ----------
    is_over : bool
        Whether the callback has ended the search.
    """

    def __init__(
        self,
        search: Selection,
        request: Request,
        file: SearchCheckpoint | None,
        callback: Callable[[Progress], object] | None,
    ) -> None:
        self._search, self._request, self._source = search, request, request.source
        self._file, self._callback = file, callback
        self._readings = search.best.n_iter_ + _READINGS_OF_CRITERIA
        self._scores: dict[int, float] = {}
        self._exits: dict[int, SolverResult] = {}
        self._seconds = dict(enumerate(search.seconds.tolist()))
        self._unwritten: dict[str, tuple[dict[str, Any], SolverResult]] = {}
        self.is_over = False

    def keep(self) -> None:
        """Write how far the cells have come. All wait for the same reading, so that they go on as they would have."""
        if self._file is not None and self._unwritten:
            self._file.add_together(self._unwritten)
            self._unwritten = {}

    def report(self, number: int, iteration: Iteration | None = None, seconds_left: float = nan) -> None:
        """Tell the callback of a cell, and of its last pass."""
        search = self._search
        speed = nan if iteration is None else self._source.n_rows / iteration.seconds
        cell = Progress(
            number,
            len(search.status),
            int(search.n_components[number]),
            search.covariance_type[number],
            search.tails[number],
            search.status[number],
            iteration,
            speed,
            seconds_left,
            self._readings,
        )
        self.is_over |= self._callback is not None and bool(self._callback(cell))

    def tasks_of_one(self, numbers: Sequence[int]) -> list[Callable[[Source], float | None]]:
        """Return tasks that fit one component of each model while the cells are on their way: NEC compares with it."""
        kinds, mixtures = self._search.kinds, self._search.estimators
        of_kind = {kinds[number]: mixtures[number] for number in numbers if self._search.n_components[number] > 1}
        fits = [fitted_parameters(mixture) for mixture in of_kind.values() if mixture]  # ranked cells have one
        return [partial(self._request.log_likelihood_of_one, fit) for fit in fits]

    def timed(self, number: int, ended: Ended) -> Entry:
        """Return an entry with all the seconds that its cell has taken."""
        self._seconds[number] += ended.seconds
        return replace(ended.result, seconds=self._seconds[number])

    def entry(self, number: int, source: Source) -> Entry:
        """Fit a cell to all rows."""
        try:
            return self._entry(number, source)
        except SingularMatrixError as error:
            search, name = self._search, self._search.covariance_type[number]
            self._scores.pop(number, None)
            kind = int(search.n_components[number]), name, search.tails[number]
            return Entry(*kind, Failure(error).status(name), 0.0, error=error)

    def _entry(self, number: int, source: Source) -> Entry:
        on_sample = self._search.estimators[number]
        assert on_sample is not None  # ranked cells have a fit
        begin, n_threads = fitted_parameters(on_sample), self._request.template.n_threads
        (tails,) = (each for each in self._request.tails if each.name == begin.tails.name)
        settings = self._request.settings(Key(begin.n_components, begin.model, tails), source, n_threads)
        settings = settings._replace(refine=None)
        result = self._result(number, source, settings, begin)
        scorer, objective = Scorer(result.parameters, n_threads), settings.objective
        totals = scorer.totals(source)
        n_parameters, n = result.parameters.n_parameters, source.survey.weight
        of_one = self._request.log_likelihood_of_one(begin, source)
        held_out = {criteria.HELD_OUT: float(self._search.held_out[number])}
        estimator = GaussianMixture(**on_sample.get_params())
        set_fitted(estimator, result, source, self._request.features, objective)
        return Entry(
            n_components=begin.n_components,
            covariance_type=self._search.covariance_type[number],
            tails=begin.tails.name,
            status=status_of(result.trace, self._first_degenerate(result, objective)),
            seconds=0.0,
            estimator=estimator,
            loglik=totals.log_likelihood,
            n_parameters=n_parameters,
            scores=held_out | criteria.evaluate(totals, n_parameters, n, of_one),
        )

    def _result(self, number: int, source: Source, settings: FitSettings, begin: MixtureParameters) -> SolverResult:
        name = name_on_all_rows(begin)
        before = self._file and self._file.find(name, settings.problem(source), begin.n_components)
        pause = before[1] if before else None
        if pause is not None:
            self._set_score(number, pause, settings.objective)
            if is_behind(pause.trace.reason) and number not in self._exits:
                self._exits[number] = pause
                return pause
        pause = self._exits.pop(number, pause)
        watch = _Watch(self, number, settings, () if pause is None else pause.trace.passes)

        def note(result: SolverResult) -> None:
            self._set_score(number, result, settings.objective)
            self._unwritten[name] = {}, result
            if not self._source.here:  # one cell after the other, without readings
                self.keep()

        def note_progress(journal: Journal) -> None:
            note(journal.progress.run or journal.progress.mixture_fit.result)

        journal = Journal((), note_progress)
        beginning = Beginning.at_pause(pause) if pause else Beginning(begin)
        result = fit_mixture(source, settings, journal, beginning=beginning, callback=watch).result
        if watch.reason_to_leave is not None and not result.trace.converged:
            self._exits[number] = result = replace(result, trace=replace(result.trace, reason=watch.reason_to_leave))
            note(result)
        return result

    def _set_score(self, number: int, result: SolverResult, objective: Objective) -> None:
        """Note the criterion that a cell has reached; a degenerate one, or one with a prior, has none."""
        weight, criterion = self._source.survey.weight, self._search.criterion
        score = criteria.least(criterion, weight * result.lower_bound, result.parameters.n_parameters, weight)
        self._scores[number] = inf if objective.prior or self._first_degenerate(result, objective) >= 0 else score

    def _first_degenerate(self, result: SolverResult, objective: Objective) -> int:
        bad = degenerate_under(objective, self._source, result.parameters, result.statistics, self._request.judge)
        return int(bad.argmax()) if bad.any() else -1

    def bar(self, number: int) -> Bar | None:
        """Return what a cell has to come near; None if passes do not tell its criterion."""
        criterion = self._search.criterion
        if criterion not in criteria.BY_LIKELIHOOD:
            return None
        best = min((score for other, score in self._scores.items() if other != number), default=inf)
        return Bar(criterion, best, self._source.survey.weight)


class _Watch:
    """Follows the passes of a cell on all rows, and ends it once it cannot come near the best of the others.

    Attributes
    ----------
    reason_to_leave : str or None
        Why the cell was ended; None before.
    """

    def __init__(self, finish: _Finish, number: int, settings: FitSettings, passes: Sequence[PassRecord]) -> None:
        self._finish, self._number, self._settings = finish, number, settings
        self._passes = list(passes)
        self.reason_to_leave: str | None = None

    def __call__(self, iteration: Iteration) -> bool:
        """Tell of a pass; return whether it is the last."""
        finish, number, parameters = self._finish, self._number, iteration.parameters
        before = self._passes[-1].remaining if self._passes else inf
        self._passes.append(PassRecord(iteration.lower_bound, nan, iteration.remaining, iteration.accepted))
        bar = None if self._settings.objective.prior else finish.bar(number)
        self.reason_to_leave = None if bar is None else bar.reason_to_leave(self._passes, parameters.n_parameters)
        most = 0 if self.reason_to_leave else self._settings.solver.max_iter - iteration.n_iter
        passes = remaining_passes(iteration.remaining, before, self._settings.solver.tolerance, most) if most else 0.0
        finish.report(number, iteration, iteration.seconds * passes)
        return self.reason_to_leave is not None

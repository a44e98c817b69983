"""`select` and `GaussianMixtureSearch`: a request becomes cells, which the engine fits and a criterion compares.

At last the cells near the best are solved again and again from fresh starts. Rows beyond memory are searched on a
sample, and the best cells are finished on all of them.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass, field, replace
from functools import partial
from math import inf, nan
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gmm._blas import blas_alone_in_fit
from gmm._estimators import criteria
from gmm._estimators.contract import Estimator, record_features
from gmm._estimators.estimated import set_fitted
from gmm._estimators.fitted import fitted_parameters
from gmm._estimators.mixture import GaussianMixture
from gmm._estimators.outcome import remaining_passes, warn_of_light_rows
from gmm._estimators.scorer import Scorer
from gmm._fitting.degenerate import degenerate_under
from gmm._fitting.fit import Journal, fit_mixture
from gmm._fitting.moments import completed, never_observed_together, warn_of_unobserved_pairs
from gmm._fitting.sampling import common_seed, sample_indices, start_seeds
from gmm._fitting.starts import FitSettings
from gmm._kernel.first_look import distinct_rows
from gmm._passes.e_step import Totals
from gmm._passes.problem import Beginning
from gmm._passes.solver import Iteration, PassRecord, SolverResult
from gmm._persistence import Writable
from gmm._persistence.checkpoints import SearchCheckpoint
from gmm._rows.ahead import Ended, together
from gmm._rows.entrance import Names, as_source_to_fit
from gmm._rows.sources import ArraySource, Source, box_of, relative_ridge
from gmm._selection.candidates import Starts, as_model
from gmm._selection.cell import Bar, SearchRows, Solution, Worker
from gmm._selection.engine import (
    Clock,
    Engine,
    Failure,
    TaskPool,
    name_on_all_rows,
    search_file,
    workers_and_threads,
)
from gmm._selection.grid import (
    FAILED,
    MORE_THAN_ROWS,
    NOT_TRIED,
    check_criterion,
    distinct,
    has_failed,
    is_behind,
    is_degenerate,
    near,
    status_of,
)
from gmm._selection.held_out import deviances, repeated
from gmm._selection.request import (
    Key,
    Request,
    check_cells,
    fixed_components,
    n_rows_of,
    requested_components,
    requested_folds,
    requested_tails,
    requested_types,
    template_of,
)
from gmm._selection.standard import in_units, note_on_shrinkage, restored, warn_of_constants
from gmm._selection.table import Entry, Progress, Selection, html_parts
from gmm._text.html import Html
from gmm._validation.column_notes import error_values, note_on_identifiers, notes_on, singular_columns
from gmm._validation.given import check_noise
from gmm._validation.parameters import check_callback, check_is_fitted, check_labels_of_columns
from gmm._validation.scalars import check_real
from gmm._values.covariance import covariance_model
from gmm._values.layouts import SingularMatrixError
from gmm._values.objective import Objective
from gmm._values.parameters import MixtureParameters
from gmm._values.priors import NormalInverseWishart
from gmm._values.tails import Tails

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
        return ended.result._replace(seconds=self._seconds[number])

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
            self._exits[number] = result = result._replace(trace=replace(result.trace, reason=watch.reason_to_leave))
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


# A cell is settled once so many fresh starts have led to its solution again, or so many of them to nothing better.
_NEAR, _FARTHER = (3, 12), (1, 4)
_BATCH = 3  # fresh starts of a cell between two looks at the others
_HALFWAY = 2  # starts between solution and random partition behind each fresh one, until one of those finds it again
_MOST_ROUNDS = 20


class Attempts(NamedTuple):
    """What became of starts that were made for a cell once its solution had been found.

    Parameters
    ----------
    solution : Solution
    n_fresh, n_again : int
        Fresh starts since this solution was found, and how many of them led to it again.
    n_starts : int
        Starts in all.
    """

    solution: Solution
    n_fresh: int = 0
    n_again: int = 0
    n_starts: int = 0

    def settled(self, again: int, fresh: int) -> bool:
        """Tell whether the solution was found `again`, or after `fresh` starts; a single component has one solution."""
        single = self.solution.parameters.n_components == 1
        return single or self.n_again >= again or self.n_fresh >= fresh

    def after(self, solution: Solution, *, fresh: bool, same: bool) -> Attempts:
        """Return what is known after one more start."""
        total = self.n_starts + 1
        if not same and solution is not self.solution:
            return Attempts(solution, n_starts=total)
        return Attempts(solution, self.n_fresh + fresh, self.n_again + (fresh and same), total)


class Contenders:
    """The cells whose criterion is near the best, and how often each was solved again.

    `scores` gives the criterion of all cells that count; up to a distance of `near` a cell contests the best, and up to
    twice that it may come to do so.
    """

    def __init__(self, engine: Engine, starts: Starts, scores: Callable[[], Mapping[Key, float]], near: float) -> None:
        self._engine = engine
        self._starts = starts
        self._scores = scores
        self._near = near
        self.attempts: dict[Key, Attempts] = {}

    def settle(self) -> None:
        """Solve contenders again until all are settled; what is new is refined, and the others begin from it."""
        for _ in range(_MOST_ROUNDS):
            worth = self._worth()
            open_keys = [key for key, enough in worth.items() if not self.of(key).settled(*enough)]
            results = self._engine.retry({key: partial(self._attempted, key, worth[key]) for key in open_keys})
            if not results:
                return
            self.attempts |= results
            changed = [key for key in results if self._engine.renew(key, results[key].solution)]
            if changed:
                self._engine.refine(changed)
                self._engine.exchange(list(worth))

    def of(self, key: Key) -> Attempts:
        """Return what is known of a cell's present solution."""
        attempts, solution = self.attempts.get(key), self._engine.outcomes[key]
        assert isinstance(solution, Solution)  # cells without one have no score
        if attempts is None:
            return Attempts(solution)
        return attempts if attempts.solution is solution else Attempts(solution, n_starts=attempts.n_starts)

    def _worth(self) -> dict[Key, tuple[int, int]]:
        """Return the contenders, each with what settles it."""
        scores = self._scores()
        least = min(scores.values(), default=0.0)
        behind = {key: score - least for key, score in scores.items()}
        return {key: _NEAR if by <= self._near else _FARTHER for key, by in behind.items() if by <= 2 * self._near}

    def _attempted(self, key: Key, enough: tuple[int, int], worker: Worker) -> Attempts:
        cell, attempts = self._engine.cell(key), self.of(key)
        until = attempts.n_starts + _BATCH * (1 + _HALFWAY)
        while attempts.n_starts < until and not attempts.settled(*enough) and not cell.time_is_up():
            number, solution = attempts.n_starts, attempts.solution
            fresh = attempts.n_again > 0 or number % (1 + _HALFWAY) == 0
            if fresh:
                start = self._starts.fresh(cell.settings, number, worker.n_threads)
            else:
                start = self._starts.halfway(cell.moments(worker, solution), number, worker.n_threads)
            end, same = cell.retried(worker, start, solution)
            attempts = attempts.after(end, fresh=fresh, same=same)
        return attempts


_REFINED = 3  # cells at most, …
_REACH = 0.02  # … that become the best if their log-likelihood grows by this, in nats per row


def select(
    X: Any,
    n_components: int | Iterable[int] = range(1, 10),
    covariance_type: str | Sequence[str] = "all",
    *,
    n_factors: int | Iterable[int] | None = None,
    tails: str | Sequence[str] = "normal",
    degrees_of_freedom: float | None = None,
    criterion: str = "bic",
    n_splits: int | None = None,
    n_init: int = 1,
    random_state: Any = None,
    n_threads: int | None = None,
    sample_weight: ArrayLike | None = None,
    callback: Callable[[Progress], object] | None = None,
    time_limit: float | None = None,
    standardize: bool = False,
    checkpoint: str | os.PathLike[str] | None = None,
    resume: bool = False,
    error_covariance: ArrayLike | None = None,
    **parameters: Any,
) -> Selection:
    """Choose the number of components, the covariance type and the tails of a mixture, and fit it.

    Each requested number of components is fitted with each requested covariance type; such a pair is a *cell* of the
    search. With several `tails`, a cell has one of them. All cells are fitted together and reuse each other's
    solutions:

    - starts are made once per number of components, and the best of them are used for each type;
    - a cell also starts from the fit with one component less, with the worst-fitting components split, and from the
      fits of the most similar types;
    - if a special case of a cell's model has a higher likelihood, the cell continues from that fit;
    - the best cells are refined by split–merge moves;
    - the cells within 20 of the best criterion (NEC: 0.2) are solved again from fresh starts, until they stay.

    A cell may therefore reach a higher likelihood than a single fit of `GaussianMixture`. On many rows (from some ten
    thousands on), a cell is left before it converges once its projected gain cannot bring it within 40 of the best
    criterion so far; its status says so. Cells with a `prior`, searches by NEC and, of rows beyond memory, by ICL are
    finished in any case.

    Parameters
    ----------
    X : array-like or data frame of shape (n, d), data set, or what `open_rows` returns
        Rows. If they are beyond memory, the search runs on 200,000 of them, drawn at random; the three best cells are
        then finished on all rows, and are the result.
    n_components : int or iterable of int, default=range(1, 10)
        Numbers of components to try.
    covariance_type : str or sequence of str, default="all"
        Covariance types to try; "all", alone or among others, are the 14 models, of one column the two that there are,
        "E" and "V". "factor" and "ppca" are not among them.
    n_factors : int or iterable of int, default=None
        Numbers of factors to try for "factor" and "ppca". In the table these are covariance types with the number
        behind the name, such as "factor2", and may be asked for so.
    tails : str or sequence of str, default="normal"
        Tails to try, among "normal", "t" and "contaminated", as in `GaussianMixture`; "VVV t" stands for the covariance
        type VVV with heavy tails. Their cells also start beside noise, as single fits, and are not refined by moves.
    degrees_of_freedom : float, default=None
        Of heavy tails; None estimates it in each cell, which counts as a parameter.
    criterion : {"bic", "aic", "aicc", "icl", "nec", "held_out"}, default="bic"
        Criterion that chooses the best mixture; smaller is better. "held_out" is minus twice the log-likelihood of all
        rows, each under a mixture that has not seen it (Smyth 2000): choose by it where the density counts, not the
        clusters. The cells are then fitted `n_splits` times more. Of rows beyond memory, it is that of the sample,
        brought to all rows, and the best cell alone is finished.
    n_splits : int, default=None
        Number of folds of "held_out", dealt by `random_state`; None is 5. For no other criterion.
    n_init : int, default=1
        Number of seeds for the starts. With each one after the first, the search continues from two further k-means
        partitions per number of components and another start of each cell, and cells keep what is better: with an int
        as `random_state`, no cell ends lower than with fewer.
    random_state : int, RandomState, Generator or None, default=None
        Seed of the starts. With an int, results are reproducible.
    n_threads : int or None, default=None
        Number of threads; None uses all available cores. Results do not depend on it.
    sample_weight : array-like of shape (n,), default=None
        Weights of the rows; the criteria use their sum as the sample size. Not with what `open_rows` returns, which has
        its own.
    callback : callable, default=None
        Called with a `Progress` for each cell, once it is fitted for the first time, in each fold of "held_out" before.
        A true return value ends the search, once all cells with this number of components are fitted, with the fits
        made so far; in a fold, with the folds so far and the first number of components. Of rows beyond
        memory, it is also called before the best cells are finished on all rows, with about how many readings of them
        that takes, and after each pass over them, on other threads; a true value then ends all cells but the best.
    time_limit : float or None, default=None
        Time limit in seconds, after which the search ends with the fits made so far, at least one. See
        ``Selection.complete``. The folds of "held_out" take half of it; those made by then stand for all. Of rows
        beyond memory, the best cell is finished on all rows in any case, and the others if the time allows.
    standardize : bool, default=False
        Search in units of each column's standard deviation, so that units do not matter; mixtures, likelihoods and
        criteria are those of the original columns. A `NormalInverseWishart` is in these units about the mean, a box of
        `noise` is in the original ones. The mixtures found have the prior in the original units, as further fits need
        it, and the ridge in the smallest of them. Six models (EII, VII, EVE, VVE, EEV, VEV) are
        others in original units: their mixtures come as EEI, VEI, EVV, VVV, EVV and VVV there, which count more
        parameters than the table, whose names and numbers of parameters are those of the models searched; so does
        "ppca", which comes as "factor".
    checkpoint : path, default=None
        File in which to keep what the search has found and, of rows beyond memory, how far its best cells are finished:
        from time to time, at most 2 % of it, and at its end. It is replaced as a whole.
    resume : bool, default=False
        Continue the search of the file `checkpoint` to the result that it would have had; begin it if there is no such
        file. X, its weights, the version of gmm and all other parameters must be the same, but for `n_threads`,
        `callback` and `time_limit`, which counts anew. Starts are made again, what was solved is not.
    error_covariance : array-like, default=None
        Of the rows' measurement errors, as in `GaussianMixture.fit`: every cell is a mixture of the values without
        errors, and criteria are of rows with theirs.
    **parameters
        Further parameters of `GaussianMixture`, used for all cells: ``init_params`` (a name), ``acceleration``,
        ``prior``, ``noise``, ``missing``, ``refine="split-merge"`` to refine every cell at last, ``tol``, ``max_iter``
        and ``max_ratio``, with which "all" are "full", "diag" and "spherical". The defaults here are ``tol=None``,
        which is 1e-5, reduced on large tables so that criteria are accurate to about 0.05, and ``max_iter=1000``.
        ``reg_covar``, here 1e-6 too, is a share of the squared width of the narrowest column that varies: its number of
        different values times the median gap between them, over 2.6, which is the deviation of normal values. So units
        do not matter; the mixtures found have the product as their `reg_covar`. ``fixed={"means": True}`` fixes
        the m rows of ``means_init`` as means of the first m components of every cell, and the search is over how many
        others there are, from none on: classes that are known beside new ones. ``fixed={"means": True, "covariances":
        True}`` fixes as well the ``precisions_init`` of these m, in the shape of `covariance_type`, "full", "diag" or
        "spherical" where there are others; a mask of m fixes some of them. Criteria count free parameters, and each
        mixture has what it holds as `means_init` and masks for all its components, as further fits need them.

    Returns
    -------
    Selection
        Table of all cells, with the best one. The status of a cell says if it could not be fitted.

    Raises
    ------
    ValueError
        If the data, a name or a number is invalid, or no cell could be fitted.
    TypeError
        If `GaussianMixture` has no such parameter, or it does not apply to a search.

    References
    ----------
    P. Smyth (2000). Model selection for probabilistic clustering using cross-validated likelihood. *Statistics and
    Computing* 10, 63-72.

    Examples
    --------
    >>> import numpy as np
    >>> from gmm import select
    >>> rng = np.random.default_rng(0)
    >>> X = np.concatenate([rng.normal(-4, 1, (100, 2)), rng.normal(4, 1, (100, 2))])
    >>> selection = select(X, range(1, 4), random_state=0)
    >>> selection.best.n_components
    2
    >>> known = select(X, range(1, 4), "full", fixed={"means": True}, means_init=[[4, 4]], random_state=0)
    >>> known.best.means_.round(1)
    array([[ 4. ,  4. ],
           [-4.1, -3.9]])
    """
    check_criterion(criterion, criteria.OF_SEARCHES)
    callback = check_callback(callback)
    clock = Clock(None if time_limit is None else check_real(time_limit, "time_limit, in seconds,", "[0, inf]"))
    counts = requested_components(n_components)
    template = template_of(parameters | {"n_init": n_init, "n_threads": n_threads, "random_state": random_state})
    given, features = _given(X, sample_weight, template, error_covariance, criterion)
    types = requested_types(covariance_type, given.n_features, n_factors, limited=template.max_ratio is not None)
    folds, seed = requested_folds(n_splits, criterion), common_seed(random_state)
    cells = counts, types, requested_tails(template, tails, degrees_of_freedom, given), criterion, folds
    opened = _rows_of_cells(given, features, types, template)
    check_cells(template, counts, types, opened, standardize=standardize, n_splits=folds)
    noise = check_noise(template.noise, opened.n_features, partial(box_of, opened))
    fixed = fixed_components(template, counts, types, opened.n_features, standardize=standardize)
    opened, noise, units = in_units(opened, noise, standardize=standardize)
    request = Request(*cells, template, opened, features, parameters.get("tol"), noise, fixed)
    with search_file(template, opened, request.facts, seed, checkpoint=checkpoint, resume=resume) as file:
        template.random_state = seed = seed if file is None else file.seed
        selection, rows = _searched(request, seed, clock, callback, file)
    warn_of_light_rows(opened, int(selection.n_parameters[selection.best_index]))
    names = [f"x{j}" for j in range(given.n_features)] if features is None else list(map(str, features))
    whole = None if given.one_array is None else given.one_array.rows
    in_own_units = rows[:0] if units is not None else rows
    notes = (
        *(() if whole is None else note_on_identifiers(whole, names)),
        *(() if whole is None else singular_columns(whole, names)),
        *notes_on(rows, names, errors=bool(opened.errors)),
        *error_values(in_own_units if whole is None else whole, names),
        *note_on_shrinkage(selection.estimators),
    )
    return replace(restored(selection, units, opened), notes=notes)


def _given(X: Any, sample_weight: Any, template: GaussianMixture, errors: Any, criterion: str) -> tuple[Source, Names]:
    """Return the rows to search, and the names of their features; of folds, rows as often as their weights say."""
    how: dict[str, Any] = {"estimator": select.__name__, "missing": template.missing}
    source, names = as_source_to_fit(X, sample_weight, error_covariance=errors, **how)
    check_labels_of_columns(template, names)
    if criterion == criteria.HELD_OUT and source.sample_weight is not None and source.one_array and not source.errors:
        table = repeated(replace(source.one_array, sample_weight=source.sample_weight))
        source = source if table is None else as_source_to_fit(table.rows, None, **how)[0]
    return source, names


def _rows_of_cells(
    source: Source, names: NDArray[Any] | None, types: Sequence[str], template: GaussianMixture
) -> Source:
    """Return the rows that tell of cells, gaps filled for starts; warn of columns that do not."""
    models = [covariance_model(name) for name in types]
    warn_of_constants(source, names)
    warn_of_unobserved_pairs(never_observed_together(source, names, models))
    ridge = relative_ridge(source, template.reg_covar) if source.unfilled else 0.0
    return completed(source.informative, models, ridge, template.n_threads)


def _searched(
    request: Request,
    seed: int,
    clock: Clock,
    callback: Callable[[Progress], object] | None,
    file: SearchCheckpoint | None,
) -> tuple[Selection, NDArray[Any]]:
    """Return the search, and the rows in memory that it looked at."""
    opened, template = request.source, request.template
    here, reports = replace(request, source=rows_to_search(opened, seed)), _Reports(request, callback)
    template.reg_covar = relative_ridge(here.source, template.reg_covar)
    with _opened(here, seed, clock, file, _deviances(here, seed, clock, reports)) as search:
        selection = search.run(reports)
    if here.source.n_rows != opened.n_rows:
        share = opened.survey.weight / here.source.survey.weight
        selection = replace(selection, held_out=selection.held_out * share)
        selection = finished(selection, request, clock.is_up, file, callback)
        selection = replace(selection, n_searched=here.source.n_rows)
    return selection, next(iter(here.source.chunks())).rows


@contextmanager
def _opened(
    request: Request, seed: int, clock: Clock, file: SearchCheckpoint | None, held_out: Mapping[Key, float]
) -> Iterator[_Search]:
    template, most = request.template, max(request.n_components)
    rows = SearchRows.of(request.source, most, seed)
    whole = rows.sample.without_gaps.resident
    assert whole is not None  # a search is over rows in memory
    if whole is not rows.sample:  # rows with gaps or errors, which are no weighted set
        whole = ArraySource(*distinct_rows(np.ascontiguousarray(whole.rows, np.float64), whole.sample_weight))
    seeds, places = start_seeds(seed, template.n_init), None if request.fixed is None else request.fixed.means
    starts = Starts(whole, template, request.models, seeds, request.noise, places)
    work = workers_and_threads(rows, len(request.types) * len(request.tails), most, template.n_threads)
    with blas_alone_in_fit(request.source.n_features), TaskPool(rows, *work, clock) as pool:
        yield _Search(request, rows, starts, Engine(request, rows, starts, pool, file), pool, held_out)


def _deviances(request: Request, seed: int, clock: Clock, reports: _Reports) -> Mapping[Key, float]:
    """Return the held-out deviance of each cell, if that is the criterion; the folds' own cells are not refined."""
    nothing = defaultdict[Key, float](lambda: nan)
    if request.n_splits is None:
        return nothing
    half, rng = clock.half(), np.random.default_rng(seed)

    def solve(part: Source, fold: int) -> dict[Key, MixtureParameters]:
        reports.begin(fold)
        with _opened(replace(request, source=part), seed, half, None, nothing) as search:
            return search.mixtures(reports)

    def is_up() -> bool:
        return half.is_up() or reports.is_over

    of_folds = deviances(request.source, request.n_splits, rng, solve, is_up, request.template.n_threads)
    reports.begin(0)
    return of_folds


class _Search:
    def __init__(
        self,
        request: Request,
        rows: SearchRows,
        starts: Starts,
        engine: Engine,
        pool: TaskPool,
        held_out: Mapping[Key, float],
    ) -> None:
        self._request, self._rows, self._engine, self._pool, self._held_out = request, rows, engine, pool, held_out
        self._evaluations: dict[Key, tuple[Solution, dict[str, float]]] = {}
        self._contenders = Contenders(engine, starts, self._scores, near(request.criterion))

    def mixtures(self, reports: _Reports) -> dict[Key, MixtureParameters]:
        """Return where the starts lead that cells share and make of each other."""
        for number in range(self._request.template.n_init):
            if self._solve_all(number, reports):
                break
        outcomes = self._engine.outcomes.items()
        return {key: one.parameters for key, one in outcomes if isinstance(one, Solution)}

    def run(self, reports: _Reports) -> Selection:
        stopped = False
        for number in range(self._request.template.n_init):
            stopped = self._solve_all(number, reports)
            if stopped:
                break
            self._polish()
        self._measure(self._engine.outcomes)
        entries = [self._entry(*cell) for cell in self._request.cells]
        complete = not stopped and not self._pool.clock.is_up()
        selection = Selection.of(entries, self._request.criterion, complete=complete)
        attempts = self._contenders.of(self._request.key(*self._request.cells[selection.best_index]))
        return replace(selection, n_fresh_starts=attempts.n_fresh, n_found_again=attempts.n_again)

    def _solve_all(self, number: int, reports: _Reports) -> bool:
        """Fit every number of components, in rising order, by one seed; return whether the callback ended the search.

        Cells that have solutions keep them unless there are better ones.
        """
        request, engine, n_rows = self._request, self._engine, n_rows_of(self._request.source)
        for K in sorted(set(request.n_components)):
            keys = request.keys(K)
            if n_rows < K:
                reason = ValueError(f"{MORE_THAN_ROWS.removeprefix(FAILED)} ({n_rows:,})")
                engine.outcomes |= dict.fromkeys(keys, Failure(reason))
            else:
                self._set_bar()
                engine.solve(keys, number, reports)
            for key in keys:
                reports(key, engine.outcomes.get(key))
            if reports.is_over:
                return True
            if self._pool.clock.is_up():
                break
        return False

    def _polish(self) -> None:
        """Let cells begin from each other, refine the best ones, and then all if requested."""
        self._set_bar()
        self._grow_and_shrink()
        self._set_bar()
        scores = self._scores()
        reach = min(scores.values(), default=inf) + 2 * _REACH * self._rows.all_rows.survey.weight
        self._refine(sorted((key for key in scores if scores[key] <= reach), key=scores.__getitem__)[:_REFINED])
        if self._request.template.refine is not None:
            self._refine(list(self._scores()))

    def _refine(self, keys: Sequence[Key]) -> None:
        """Refine cells, improve those that their special cases now surpass, and settle the best."""
        self._engine.refine(keys)
        self._set_bar()
        self._engine.unstick(sorted(self._engine.outcomes, key=self._size))
        self._contenders.settle()

    def _grow_and_shrink(self) -> None:
        """Let cells begin from new solutions of one component more, and of one component fewer."""
        outcomes, engine = self._engine.outcomes, self._engine
        # With too few rows for a number of components, its cells stay failed: they get no start from others.
        counts = sorted({key.n_components for key in outcomes if isinstance(outcomes[key], Solution)})
        for K in reversed(counts):
            engine.shrink(self._request.keys(K))
        for K in counts:
            engine.grow(self._request.keys(K))

    def _scores(self) -> dict[Key, float]:
        """Return the criterion of cells with a solution without degenerate components."""
        outcomes = self._engine.outcomes.items()
        keys = [key for key, one in outcomes if isinstance(one, Solution) and not one.is_degenerate]
        self._measure(keys)
        return {key: self._evaluations[key][1][self._request.criterion] for key in keys}

    def _set_bar(self) -> None:
        """Let cells of many rows end once they cannot come near the best; few rows are worth the whole table."""
        if not self._rows.whole:
            best = min(self._scores().values(), default=inf)
            self._engine.bar = Bar(self._request.criterion, best, self._rows.all_rows.survey.weight)

    def _size(self, key: Key) -> tuple[int, int]:
        K, model, tails = key
        return K, model.n_parameters(K, self._request.source.n_features) + tails.n_parameters(K)

    def _measure(self, keys: Iterable[Key]) -> None:
        """Compute the log-likelihood and criteria of solutions that do not have them yet."""
        tasks = {}
        for key in keys:
            solution = self._engine.outcomes[key]
            if isinstance(solution, Solution) and self._evaluations.get(key, (None, {}))[0] is not solution:
                tasks[key] = partial(_totals, solution)
        n = self._rows.all_rows.survey.weight
        for key, (solution, totals) in self._pool(tasks, in_any_case=True).items():
            of_one = self._request.log_likelihood_of_one(solution.parameters, self._rows.all_rows)
            scores = criteria.evaluate(totals, solution.parameters.n_parameters, n, of_one)
            scores |= {"loglik": totals.log_likelihood, criteria.HELD_OUT: self._held_out[key]}
            self._evaluations[key] = (solution, scores)

    def _entry(self, n_components: int, name: str, tails: Tails) -> Entry:
        request, key = self._request, self._request.key(n_components, name, tails)
        result, model = self._engine.outcomes.get(key), request.model(name, tails)
        entry = Entry(n_components, name, tails.name, _status(result, name), self._pool.seconds.get(key, 0.0))
        if not isinstance(result, Solution):
            return entry if result is None else entry._replace(error=result.error)
        scores = self._evaluations[key][1]
        parameters = as_model(result.parameters, model)
        estimator = GaussianMixture(**request.parameters(n_components, name, tails))
        fit, objective = result.result._replace(parameters=parameters), self._engine.cell(key).settings.objective
        set_fitted(estimator, fit, request.source, request.features, objective.stored_for(model))
        if request.fixed is not None:
            estimator.set_params(**request.fixed.parameters(estimator))
        return entry._replace(
            estimator=estimator, loglik=scores["loglik"], n_parameters=parameters.n_parameters, scores=scores
        )


class _Reports:
    """Tells the callback of every cell once, when its first outcome is there, and so in each fold.

    Attributes
    ----------
    is_over : bool
        Whether the callback has ended the search.
    """

    def __init__(self, request: Request, callback: Callable[[Progress], object] | None) -> None:
        self._request, self._callback = request, callback
        self.is_over = False
        self.begin(0)

    def begin(self, fold: int) -> None:
        """Begin with all cells of a fold, from 1, or of all rows, 0."""
        self._left = [] if self._callback is None else list(enumerate(self._request.cells))
        self._fold = fold

    def __call__(self, key: Key, outcome: Solution | Failure | None) -> None:
        """Tell of the cells that share an outcome."""
        request = self._request
        for cell in [cell for cell in self._left if request.key(*cell[1]) == key]:
            self._left.remove(cell)
            number, (K, name, tails) = cell
            progress = Progress(
                number, len(request.cells), K, name, tails.name, _status(outcome, name), fold=self._fold
            )
            self.is_over = self.is_over or bool(self._callback and self._callback(progress))


def _totals(solution: Solution, worker: Worker) -> tuple[Solution, Totals]:
    return solution, Scorer(solution.parameters, worker.n_threads).totals(worker.search_rows.all_rows)


def _status(result: Solution | Failure | None, name: str) -> str:
    if result is None:
        return NOT_TRIED
    if isinstance(result, Failure):
        return result.status(name)
    return status_of(result.result.trace, result.degenerate)


@dataclass(eq=False, repr=False)
class GaussianMixtureSearch(Estimator):
    """Search over numbers of components and covariance types, as an estimator.

    `fit` runs `select`; predictions and scores are those of the best mixture.

    Parameters
    ----------
    n_components : int or iterable of int, default=(1, ..., 9)
        Numbers of components to try.
    covariance_type : str or sequence of str, default="all"
        Covariance types to try; "all", alone or among others, are the 14 models, of one column the two that there are,
        "E" and "V". "factor" and "ppca" are not among them.
    n_factors : int or iterable of int, default=None
        Numbers of factors to try for "factor" and "ppca"; see `select`.
    tails : str or sequence of str, default="normal"
        Tails to try, among "normal", "t" and "contaminated"; see `select`.
    degrees_of_freedom : float, default=None
        Of heavy tails; None estimates it in each cell.
    criterion : {"bic", "aic", "aicc", "icl", "nec", "held_out"}, default="bic"
        Criterion that chooses the best mixture; smaller is better.
    n_splits : int, default=None
        Number of folds of "held_out"; see `select`.
    tol : float or None, default=None
        As in `GaussianMixture`; None is 1e-5, reduced on large tables so that criteria can be compared.
    reg_covar : float, default=1e-6
        Added to the diagonal of the covariances, times the squared width of the narrowest column; see `select`.
    max_iter : int, default=1000
        Maximum number of passes per fit.
    n_init : int, default=1
        Number of seeds for the starts; see `select`.
    init_params : str, default="kmeans"
        Name of a start, as in `GaussianMixture`; "kmeans" takes several kinds of partition.
    random_state : int, RandomState, Generator or None, default=None
        Seed of the starts.
    n_threads : int or None, default=None
        Number of threads; None uses all available cores.
    time_limit : float or None, default=None
        Time limit in seconds, after which the search ends with the fits made so far.
    acceleration : {"auto", None}, default="auto"
        As in `GaussianMixture`.
    refine : {"split-merge"} or None, default=None
        "split-merge" tries split–merge moves in every cell; None only in the best ones.
    prior : {"conjugate"}, NormalInverseWishart or None, default=None
        As in `GaussianMixture`.
    noise : bool, float or array-like of shape (2, d), default=False
        As in `GaussianMixture`.
    standardize : bool, default=False
        Whether to search in units of each column's standard deviation; see `select`.
    missing : {"error", "em"}, default="error"
        What NaN is; "em" integrates missing values out, as in `GaussianMixture`.
    means_init, precisions_init, fixed
        Known components, the first of every cell; see `select`.
    max_ratio : float, default=None
        As in `GaussianMixture`; "all" are then "full", "diag" and "spherical".

    Attributes
    ----------
    best_estimator_ : GaussianMixture
        The best mixture.
    selection_ : Selection
        Result of the search.
    results_ : dict of str to ndarray of shape (n_cells,)
        Columns of the table: ``n_components``, ``covariance_type``, ``loglik``, ``n_parameters``, the criteria by name,
        ``status``, ``seconds``, ``tails``, and ``rank``, which is 1 for the best cell and 0 where there is no fit.
    best_index_ : int
        Index of the best cell.
    n_components_ : int
        Number of components of the best mixture.
    covariance_type_ : str
        Covariance type of the best mixture.
    n_features_in_ : int
        Number of features, d.
    feature_names_in_ : ndarray of str, shape (d,)
        Names of the features, if all columns of X had string names.

    See Also
    --------
    select : The search itself.

    Examples
    --------
    >>> import numpy as np
    >>> from gmm import GaussianMixtureSearch
    >>> rng = np.random.default_rng(0)
    >>> X = np.concatenate([rng.normal(-4, 1, (100, 2)), rng.normal(4, 1, (100, 2))])
    >>> search = GaussianMixtureSearch(range(1, 4), random_state=0).fit(X)
    >>> search.n_components_, len(search.results_["bic"]) // 3 > 1
    (2, True)
    >>> np.bincount(search.predict(X)).tolist()
    [100, 100]
    """

    best_estimator_: GaussianMixture = field(init=False)
    selection_: Selection = field(init=False)
    best_index_: int = field(init=False)
    n_components_: int = field(init=False)
    covariance_type_: str = field(init=False)

    n_components: int | Iterable[int] = tuple(range(1, 10))
    covariance_type: str | Sequence[str] = "all"
    _: KW_ONLY
    n_factors: int | Iterable[int] | None = None
    tails: str | Sequence[str] = "normal"
    degrees_of_freedom: float | None = None
    criterion: str = "bic"
    n_splits: int | None = None
    tol: float | None = None
    reg_covar: float = 1e-6
    max_iter: int = 1000
    n_init: int = 1
    init_params: str = "kmeans"
    random_state: int | np.random.RandomState | np.random.Generator | None = None
    n_threads: int | None = None
    time_limit: float | None = None
    acceleration: str | None = "auto"
    refine: str | None = None
    prior: str | NormalInverseWishart | None = None
    noise: bool | float | ArrayLike = False
    standardize: bool = False
    missing: str = "error"
    means_init: ArrayLike | None = None
    precisions_init: ArrayLike | None = None
    fixed: Mapping[str, bool | ArrayLike] | None = None
    max_ratio: float | None = None

    @property
    def results_(self) -> dict[str, NDArray[Any]]:
        """Columns of the table, and the ranks of its cells."""
        ranks = np.zeros(len(self.selection_.status), dtype=np.int64)
        ranked = self.selection_.ranked()
        ranks[ranked] = np.arange(1, len(ranked) + 1)
        return self.selection_.columns() | {"rank": ranks}

    def fit(
        self,
        X: ArrayLike,
        y: object = None,
        sample_weight: ArrayLike | None = None,
        callback: Callable[[Progress], object] | None = None,
        *,
        checkpoint: str | os.PathLike[str] | None = None,
        resume: bool = False,
        error_covariance: ArrayLike | None = None,
    ) -> GaussianMixtureSearch:
        """Search for the best mixture.

        Parameters
        ----------
        X : array-like or data frame of shape (n, d), data set, or what `open_rows` returns
            Rows.
        y : ignored
        sample_weight : array-like of shape (n,), default=None
            Weights of the rows; a row of weight 2 counts as two rows.
        callback : callable, default=None
            Called with a `Progress` for each cell; a true return value ends the search.
        checkpoint : path, default=None
            File in which to keep how far the search has come, as of `select`.
        resume : bool, default=False
            Continue the search of the file `checkpoint`; begin it if there is no such file.
        error_covariance : array-like, default=None
            Of the rows' measurement errors, as in `GaussianMixture.fit`; ``best_estimator_.predict`` takes some too.

        Returns
        -------
        GaussianMixtureSearch
            The estimator itself.

        Raises
        ------
        ValueError, TypeError
            As `select`.
        """
        of_fit: dict[str, Any] = {"checkpoint": checkpoint, "resume": resume, "error_covariance": error_covariance}
        selection = select(X, sample_weight=sample_weight, callback=callback, **of_fit, **self.get_params())
        best, index = selection.best, selection.best_index
        self.selection_, self.best_estimator_, self.best_index_ = selection, best, index
        self.n_components_ = int(selection.n_components[index])
        self.covariance_type_ = selection.covariance_type[index]
        record_features(self, best.n_features_in_, getattr(best, "feature_names_in_", None))
        return self

    def fit_predict(
        self,
        X: ArrayLike,
        y: object = None,
        sample_weight: ArrayLike | None = None,
        callback: Callable[[Progress], object] | None = None,
    ) -> NDArray[np.intp]:
        """Search and return ``fit(X).predict(X)``, the most probable component of each row, (n,)."""
        return self.fit(X, y, sample_weight, callback).predict(X)

    def predict(self, X: ArrayLike) -> NDArray[np.intp]:
        """Predict the most probable component of the best mixture for each row, (n,)."""
        return self._best().predict(X)

    def predict_proba(self, X: ArrayLike) -> NDArray[Any]:
        """Compute the responsibilities of the best mixture's components, (n, K), in the dtype of X."""
        return self._best().predict_proba(X)

    def score_samples(self, X: ArrayLike) -> NDArray[Any]:
        """Compute the log-likelihood of each row under the best mixture, (n,), in nats and the dtype of X."""
        return self._best().score_samples(X)

    def score(self, X: ArrayLike, y: object = None, sample_weight: ArrayLike | None = None) -> float:
        """Compute the mean log-likelihood under the best mixture, in nats per unit weight."""
        return self._best().score(X, y, sample_weight)

    def save(self, file: Writable, *, metadata: Mapping[str, Any] | None = None) -> None:
        """Write the search's table and all its mixtures to a file, which `load` opens as a `Selection`.

        Parameters
        ----------
        file : str, os.PathLike or binary file
            A path, used as given, or a file open for writing.
        metadata : dict of JSON values, optional
            What else people or programs should know.
        """
        check_is_fitted(self)
        self.selection_.save(file, metadata=metadata)

    def to_sklearn(self) -> Any:
        """Return the best mixture as scikit-learn's estimator, by `gmm.exchange.sklearn.to_sklearn`."""
        from gmm._exchange.scikit_learn import to_sklearn

        return to_sklearn(self._best())

    def __str__(self) -> str:
        """Return the constructor call and, once fitted, the table of the search below it."""
        return f"{self!r}\n{self.selection_!r}" if "selection_" in vars(self) else super().__str__()

    def _html_parts(self) -> Sequence[Html]:
        return html_parts(self.selection_) if "selection_" in vars(self) else ()

    def _best(self) -> GaussianMixture:
        check_is_fitted(self)
        return self.best_estimator_

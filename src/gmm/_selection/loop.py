"""A search: a loop of fits.

Every cell is fitted from one seed, and the two best of each number of components from two more; if all fits have a
degenerate component, every cell is. The cells of one number are then fitted from these two mixtures, and from mixtures
with one component fewer, the best one and their own, with one of the components that fit worst halved; the two best
continue by split–merge moves, unless they are far behind. Finally, the cells near the best are fitted from more seeds,
from each other and by moves, until enough seeds have found nothing new, and those around the best from its mixture,
until it does not improve. A cell stores the best of its fits, and the parameters by which `GaussianMixture.fit` repeats
it to the bits.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import zip_longest
from logging import INFO
from math import inf, isfinite, nan
from operator import attrgetter
from threading import get_ident
from typing import NamedTuple

import numpy as np

from gmm._blas import single_threaded_blas
from gmm._em import LOWERED, StopTarget
from gmm._estimators import criteria
from gmm._estimators.mixture import GaussianMixture
from gmm._estimators.outcome import set_fitted
from gmm._estimators.scorer import Scorer
from gmm._exceptions import warn
from gmm._fitting.degenerate import Degeneracy, DegeneracyRule, Resolution
from gmm._fitting.fit import first_mixture
from gmm._fitting.sampling import start_seeds
from gmm._fitting.split_merge import halve_worst, split_and_merge
from gmm._fitting.starts import Clusterings, FitSettings, StartSettings, first_start
from gmm._kernel.mstep import cached_property
from gmm._log import LOGGER
from gmm._passes.e_step import EStep, result_of, submit_all, usable_threads
from gmm._passes.em import SolverRun
from gmm._passes.problem import Problem
from gmm._passes.solver import Iteration, SolverResult
from gmm._rows.sources import column_widths
from gmm._selection.progress import MORE_THAN_ROWS, TOO_FEW_ROWS, Ending, ProgressReporter, Status, is_fault
from gmm._selection.request import CRITERION_ACCURACY, Clock, Key, Request, n_rows_of
from gmm._selection.result import Entry, Selection
from gmm._selection.solutions import Solution, group_solutions
from gmm._text.words import counted
from gmm._values.layouts import Array, Layout, SingularMatrixError
from gmm._values.parameters import MixtureParameters, n_parameters

_SEEDS = 3  # of the best cells of a number of components, or of all if none is valid
_BEST = 2  # mixtures of as many components that cells start from
_HALVES_OF_BEST, _HALVES_OF_OWN = 1, 4  # of one component fewer, the best and the cell's own: starts by halving one
_AROUND = 10  # times "near": cells of as many components as the best, or one more, that are fitted from it
_MORE_SEEDS, _FOUND_AGAIN = 12, 4  # of a cell near the best: so many, or until so many have found its best fit again
_MOVES = "split-merge"
_SMALL_RIDGE = 1e-5  # of the squared width of the narrowest column
_SAME = 0.25  # nats in all: fits that differ by less ended at one optimum
_LARGE = 20_000  # numbers in the rows: with more, a fit stops that cannot come near the best
_NUMBERS_PER_WORKER = 4_000  # with fewer, a fit is mostly Python, of which one thread runs at a time
_CHECKED = 32  # passes between two checks for degenerate components
_FIRST_CHECKED, _SAFETY = 4, 5  # first pass that may stop a fit, if it is below its target by so many projected gains


class Start(NamedTuple):
    """The start of a fit: a seed or, if they are given, weights, means and precisions."""

    seed: int
    parts: Mapping[str, Array] = {}
    refine: str | None = None


class FitOutcome(NamedTuple):
    """A fit of a cell: its result and start, a degenerate component or −1, and its criterion.

    Its `rank` is 0 if it is valid, 1 if a component is degenerate only by the stricter rule for several numbers of
    components, and 2 if one is by both rules, or if an update lowered the objective, which may end a run anywhere. If
    `stopped`, the fit has not converged, as it would not come near the best criterion.
    """

    result: SolverResult
    start: Start
    degenerate: int
    rank: int
    score: float
    stopped: bool = False


class Near(NamedTuple):
    """Fits of a cell that ended at one optimum near the best criterion: the first of them, and the seeds of all."""

    result: SolverResult
    start: Start
    score: float
    seeds: set[int]


class Cell:
    """One number of components, covariance type and tails, and the best of its fits so far.

    Attributes
    ----------
    key : Key
    best, valid : FitOutcome or None
        The best fit; the same if it is valid.
    error : Exception or None
        The reason if there is none.
    n_seeds : int
        Number of seeds that it was fitted from.
    n_new, n_again : int
        Number of seeds since the best fit was found, and of those that found it again.
    has_one_end : bool
        Whether every start leads to the same mixture.
    near : list of Near
        Optima near the best criterion.
    tried : set of MixtureParameters
        Mixtures that it was fitted from, and its own ones whose moves were tried.
    seconds : float
        Time of its fits.
    model : CovarianceModel
    n_threads : int, optional
        Number of threads of each pass.
    held_out : float
        Minus twice the log-likelihood of held-out rows; NaN with other criteria.
    scores : dict of str to float
        Log-likelihood and criteria by name, once all fits are made.
    """

    def __init__(self, key: Key, request: Request, held_out: float, n_threads: int | None) -> None:
        self.key, self.held_out, self.n_threads, self._request = key, held_out, n_threads, request
        self.model = request.model(key.name, key.tails)
        self.has_one_end = key.n_components == 1 and not (request.noise or key.tails)
        self.best: FitOutcome | None = None
        self.valid: FitOutcome | None = None
        self.error: Exception | None = None
        self.n_seeds = self.n_new = self.n_again = 0
        self.near = list[Near]()
        self.tried = set[MixtureParameters]()
        self.seconds = 0.0
        self.scores: dict[str, float] = {}
        self.accuracy = CRITERION_ACCURACY / request.source.survey.weight  # of a lower bound

    @cached_property
    def settings(self) -> FitSettings:
        """The settings of its fits."""
        return self._request.settings(self.key)._replace(n_threads=self.n_threads)

    @cached_property
    def problem(self) -> Problem:
        """The rows and the objective of its fits."""
        return self.settings.problem(self._request.source)

    @cached_property
    def _degeneracy(self) -> Degeneracy:
        return Degeneracy.for_fits(self.settings.objective, self._request.source, self._request.degeneracy_rule)

    @cached_property
    def _single_degeneracy(self) -> Degeneracy:
        return Degeneracy.for_fits(self.settings.objective, self._request.source)

    def _degenerate(self, fit: SolverRun | SolverResult, reason: str) -> tuple[int, int]:
        """Return a degenerate component of a fit or −1, and the rank of the fit: see `FitOutcome`."""
        component = self._degeneracy.first(fit)
        if component < 0:
            return component, 2 if LOWERED in reason else 0
        return component, 1 if self._single_degeneracy.first(fit) < 0 else 2

    @cached_property
    def n_parameters(self) -> int:
        """Number of free parameters."""
        return n_parameters(self.settings.objective, self.key.n_components, self._request.source.n_features)

    @property
    def is_settled(self) -> bool:
        """Whether more seeds would hardly find anything new."""
        return self.has_one_end or self.n_again >= _FOUND_AGAIN or self.n_seeds >= self._request.n_seeds + _MORE_SEEDS

    def fit(
        self,
        e_step: EStep,
        start: Start,
        stop_target: StopTarget,
        clusterings: Clusterings,
        callback: Callable[[Iteration], object] | None,
    ) -> SolverRun | SolverResult:
        """Make the fit that `fit_mixture` makes from one start; a run that the target stops has not ended."""
        settings, problem, seed = self.settings, self.problem, 0
        if start.parts:
            settings = settings._replace(start=StartSettings("", start.parts))
        else:
            seed = start_seeds(start.seed, 1)[0]
            settings = settings._replace(start=settings.start._replace(clusterings=clusterings))
        initial = first_start(problem, settings, seed, e_step)
        run = problem.prepare_run(e_step, initial, settings.solver, callback=callback)
        del initial  # as large as a mixture
        self.run_to_end(run, stop_target)
        return self.refine(e_step, run.result, callback) if start.refine and run.converged else run

    def refine(
        self, e_step: EStep, result: SolverResult, callback: Callable[[Iteration], object] | None
    ) -> SolverResult:
        """Continue the result of a run by split–merge moves, as `fit_mixture` does."""
        arguments = self._request.source, self.settings, result, e_step
        return split_and_merge(*arguments, callback=callback, stop_requested=lambda: False)

    def run_to_end(self, run: SolverRun, stop_target: StopTarget) -> None:
        """Make the passes of a run, until it cannot reach the target, or is still degenerate after many."""
        run.go(_CHECKED, stop_target)
        while not (run.ended or run.cannot_reach_target(stop_target) or self._degeneracy.first(run) >= 0):
            run.go(_CHECKED, stop_target)

    def offer(self, fit: SolverRun | SolverResult, start: Start, *, stopped: bool = False) -> None:
        """Store a fit if it is better than the best so far: valid, or higher."""
        is_higher = self.best is None or fit.lower_bound > self.best.result.lower_bound + self.accuracy
        if self.valid and not is_higher:
            return
        degenerate, rank = self._degenerate(fit, fit.why if isinstance(fit, SolverRun) else fit.trace.reason)
        if self.best and (rank > self.best.rank or (rank == self.best.rank and not is_higher)):
            return
        result = fit.result if isinstance(fit, SolverRun) else fit
        self.set_best(FitOutcome(result, start, degenerate, rank, self._score(result), stopped))
        self.error, self.n_new, self.n_again = None, 0, 0
        if LOGGER.isEnabledFor(INFO):
            fields = self.key.n_components, self.key.kind, fit.lower_bound, self.status()
            LOGGER.info("search: components %d, %s  log-likelihood %.6f nats per unit weight, %s", *fields)

    def set_best(self, outcome: FitOutcome) -> None:
        """Make a fit the best one."""
        self.best, self.valid = outcome, outcome if outcome.rank == 0 else None

    def measure(self) -> None:
        """Compute the log-likelihood and the criteria of the best fit."""
        if self.best is not None:
            self.scores = self._scores(self.best.result.parameters)

    def status(self) -> Status:
        """Return the status of the cell."""
        if self.best is None:
            return Status(Ending.NOT_TRIED) if self.error is None else Status.of_error(self.error, self.key.name)
        if self.best.degenerate >= 0:
            return Status(Ending.DEGENERATE, f"component {self.best.degenerate}")
        if self.best.stopped:
            return Status(Ending.NOT_PURSUED)
        if self.best.rank > 0:
            return Status(Ending.LOWERED)
        return Status(Ending.OK if self.best.result.trace.converged else Ending.NOT_CONVERGED)

    def entry(self) -> Entry:
        """Return the cell as a row of the table, with an estimator whose `fit` repeats the best of its fits."""
        (K, name, tails), outcome = self.key, self.best
        entry = Entry(K, name, tails.name, self.status(), self.seconds, error=self.error)
        if outcome is None:
            return entry
        return entry._replace(estimator=self.estimator(outcome), n_parameters=self.n_parameters, scores=self.scores)

    def estimator(self, outcome: FitOutcome) -> GaussianMixture:
        """Return an outcome as an estimator, whose `fit` repeats it."""
        (K, name, tails), request, result, settings = self.key, self._request, outcome.result, self.settings
        arguments = {"n_components": K, "covariance_type": name, "n_init": 1, "tol": settings.solver.tolerance}
        arguments |= {"max_iter": len(result.trace)} if outcome.stopped else {}
        arguments |= {"fixed": request.fixed.masks(K)} if request.fixed else {}
        arguments |= {"random_state": outcome.start.seed, "refine": outcome.start.refine}
        arguments |= {f"{part}_init": values for part, values in outcome.start.parts.items()}
        estimator = GaussianMixture(**request.template.get_params() | {**tails.parameters} | arguments)
        objective = settings.objective.stored_for(result.parameters.model)
        # Several numbers of components are checked by the stricter rule.
        is_known = outcome.degenerate < 0 and request.degeneracy_rule is not DegeneracyRule.HELD_OUT
        causes = np.zeros(K, np.uint8) if is_known else None
        set_fitted(estimator, result, request.source, request.features, objective, causes=causes)
        return estimator

    def is_valid(self, result: SolverResult) -> bool:
        """Return whether a fit has no degenerate component, and did not end because an update lowered the objective."""
        return self._degenerate(result, result.trace.reason)[1] == 0

    def is_same(self, one: SolverRun | SolverResult, other: SolverRun | SolverResult) -> bool:
        """Return whether two fits ended at one likelihood."""
        return abs(one.lower_bound - other.lower_bound) * self._request.source.survey.weight < _SAME

    def note(self, fit: SolverRun | SolverResult, start: Start, limit: float) -> None:
        """Record the optimum of a fit, if its criterion follows from its likelihood and is within a limit."""
        is_near = self.valid is not None and self.valid.score <= limit  # no fit of the cell is better
        if not is_near or not self._follows_from_likelihood or (score := self._score(fit)) > limit:
            return
        seeds = set() if start.parts else {start.seed}
        for near in self.near:
            if self.is_same(near.result, fit):
                near.seeds.update(seeds)
                return
        self.near.append(Near(fit.result if isinstance(fit, SolverRun) else fit, start, score, seeds))

    @cached_property
    def _follows_from_likelihood(self) -> bool:
        return self._request.criterion in criteria.OF_LIKELIHOOD and not self.settings.objective.prior

    def _score(self, fit: SolverRun | SolverResult) -> float:
        """Return the criterion of a fit, by the likelihood of its last pass if that is enough."""
        request, n = self._request, self._request.source.survey.weight
        if self._follows_from_likelihood:
            return criteria.best_possible(request.criterion, n * fit.lower_bound, self.n_parameters, n)
        return self._scores(fit.parameters)[request.criterion]

    def _scores(self, mixture: MixtureParameters) -> dict[str, float]:
        request, source = self._request, self._request.source
        totals = Scorer(mixture, self.n_threads).totals(source)
        single = request.single_log_likelihood(mixture)
        scores = criteria.evaluate(totals, self.n_parameters, source.survey.weight, single)
        return scores | {"loglik": totals.log_likelihood, criteria.HELD_OUT: self.held_out}


class Search:
    """The loop: the order and the starts of the fits. Threads change no result, unless time is up."""

    def __init__(
        self, request: Request, clock: Clock, reports: ProgressReporter, held_out: Mapping[Key, float]
    ) -> None:
        self._request, self._clock, self._reports, self._source = request, clock, reports, request.source
        seed = request.template.random_state
        assert isinstance(seed, int)  # as `template_of` sets it
        self._seeds = seed, *start_seeds(seed, request.n_seeds + _MORE_SEEDS)[1:]
        self._criterion, self._weight = criteria.CRITERION[request.criterion], request.source.survey.weight
        self._best = inf  # criterion so far
        self._limit = inf  # up to which cells of large tables are finished
        usable, size = request.template.n_threads or usable_threads(), request.source.n_rows * request.source.n_features
        self._is_large = size > _LARGE
        self._n_workers = min(usable, len(request.types) * len(request.tails), 1 + size // _NUMBERS_PER_WORKER)
        self._n_threads = request.template.n_threads if self._n_workers == 1 else usable // self._n_workers
        self._cells = [Cell(key, request, held_out.get(key, nan), self._n_threads) for key in request.keys]
        self._by_key = {cell.key: cell for cell in self._cells}
        self._first = {self._by_key[key]: self._by_key[first] for key, first in request.first_of_model.items()}
        self._refusals = self._find_refusals()
        self._halves_of: dict[MixtureParameters, list[MixtureParameters]] = {}
        # Caches of one step, which models share: the clusterings of a seed, and the parts of a mixture.
        self._clusterings: Clusterings = {}
        self._parts: dict[tuple[MixtureParameters, Layout], Mapping[str, Array]] = {}
        self._e_steps: dict[tuple[int, Layout], EStep] = {}  # open ones of each thread
        self._pool: ThreadPoolExecutor | None = None
        self._is_interrupted = False

    @property
    def _is_over(self) -> bool:
        return self._reports.is_over or self._clock.is_up()

    def _find_refusals(self) -> dict[Cell, str]:
        """Return the cells that are not fitted: with more components than rows, or degenerate, if there are others.

        Distinct rows that are not more than columns span no free axes. A prior, errors or a large ridge may also give
        components a width there.
        """
        request, source, n = self._request, self._source, n_rows_of(self._source)
        refused = {cell: f"{MORE_THAN_ROWS} ({n:,})" for cell in self._cells if cell.key.n_components > n}
        n_distinct, d = Resolution.from_source(source, 0.0).n_distinct, source.n_features
        several = [cell for cell in self._cells if cell.key.n_components > 1 and not cell.key.tails]
        few = [cell for cell in several if n_distinct <= cell.model.degenerate_rows(d)]
        is_special = request.fixed or request.noise or source.patterns or request.template.prior is not None
        if not few or is_special or request.degeneracy_rule is DegeneracyRule.HELD_OUT:
            return refused
        if request.template.reg_covar > _SMALL_RIDGE * column_widths(source).min() ** 2:
            return refused
        both = dict.fromkeys(few, f"{TOO_FEW_ROWS} ({n_distinct:,.0f})") | refused
        return both if len(both) < len(self._cells) else refused

    def run(self, *, separately: bool = False) -> Selection:
        """Fit every cell, then those near the best from more seeds, each other and by moves; return the table.

        With `separately`, cells are not fitted from each other, and from additional seeds only if no cell of their
        number of components is valid.
        """
        with self._threads():
            self._fit_every_cell(separately=separately)
            self._update_best()
            before = inf
            while not (separately or self._is_over) and self._best < before:
                before = self._best
                self._fit_around_best()
                self._pursue_near_best()
            self._for_each([cell for cell, first in self._first.items() if cell is not first], self._fit_same_model)
            is_complete = not self._is_over
            self._for_each(self._cells, Cell.measure)
        compared = {"loglik", self._request.criterion, *criteria.OF_LIKELIHOOD}
        for cell, first in self._first.items():  # fits of one model differ only by their convergence
            if cell.best and first.best and abs(cell.scores["loglik"] - first.scores["loglik"]) < CRITERION_ACCURACY:
                cell.scores |= {name: first.scores[name] for name in compared & cell.scores.keys()}
        entries = [cell.entry() for cell in self._cells]
        selection = Selection.of(entries, self._request.criterion, complete=is_complete)
        best = self._cells[selection.best_index]
        others = () if separately else self._solutions(best)
        return replace(selection, n_new_starts=best.n_new, n_found_again=best.n_again, others=others)

    def _solutions(self, best: Cell) -> tuple[Solution, ...]:
        """Return the other solutions near the best: see `gmm._selection.solutions`."""
        if best.valid is None:
            return ()
        limit = best.valid.score + self._criterion.near
        cells = dict.fromkeys(self._first.values())
        found = [(near, cell) for cell in cells for near in cell.near if near.score <= limit]
        found = [(near, cell) for near, cell in found if cell.is_valid(near.result)]
        found.sort(key=lambda each: each[0].score)
        mixtures = [best.valid.result.parameters, *(near.result.parameters for near, _ in found)]
        solutions = []
        for members, share in group_solutions(mixtures, self._source, self._n_threads)[1:]:
            parts = [found[number - 1] for number in members]
            first, cell = parts[0]
            n_starts = len(set[int]().union(*(near.seeds for near, other in parts if other is cell)))
            estimator = cell.estimator(FitOutcome(first.result, first.start, -1, 0, first.score))
            solutions.append(Solution(estimator, first.score, n_starts, cell.n_seeds, share))
        return tuple(solutions)

    def mixtures(self) -> dict[Key, MixtureParameters]:
        """Fit every cell; return the mixtures of those that have one."""
        with self._threads():
            self._fit_every_cell()
        return {cell.key: cell.best.result.parameters for cell in self._cells if cell.best}

    def _fit_every_cell(self, *, separately: bool = False) -> None:
        """Fit the cells of each number of components, in increasing order: from seeds, then from other mixtures."""
        for K in sorted(set(self._request.n_components)):
            self._for_each(self._cells_of(K), self._fit_alone, self._reports)
            cells = [cell for cell in self._cells_of(K) if cell not in self._refusals]
            best = self._best_of(K)[:_BEST]
            if not (separately and best):
                self._for_each(best or cells, partial(self._fit_alone, n_seeds=_SEEDS))
            if not separately:
                self._fit_from_best(K, cells)
                self._for_each(self._best_of(K)[:_BEST], self._refine)
            same = [cell for cell, first in self._first.items() if cell is not first and cell.key.n_components == K]
            self._for_each(same, self._fit_same_model, self._reports)
            self._print(f"K={K}")
            if self._is_over:
                break

    def _pursue_near_best(self) -> None:
        """Fit the cells near the best from more seeds, from each other and by moves, until all are settled."""
        while not self._is_over and (near := [cell for cell in self._near_best() if not cell.is_settled]):
            self._for_each(near, self._fit_from_more_seeds)
            for K in sorted({cell.key.n_components for cell in near}):
                self._fit_from_best(K, [cell for cell in near if cell.key.n_components == K])
            self._for_each(near, self._refine)
            self._print(f"{counted(len(near), 'cell')} near the best")

    def _fit_around_best(self) -> None:
        """Fit the cells around the best from its mixture, which moves may have found last; refine those near it."""
        for best in self._best_of()[:1]:
            limit = best.valid.score + _AROUND * self._criterion.near if best.valid else inf
            for K in (best.key.n_components, best.key.n_components + 1):
                self._fit_from_best(K, [cell for cell in self._cells_of(K) if cell.valid and cell.valid.score <= limit])
        self._for_each(self._near_best(), self._refine)

    def _print(self, done: str) -> None:
        """Print what has been done, and the best cell so far, if requested."""
        if not self._reports.prints:
            return
        for cell in self._best_of()[:1]:
            if cell.valid and isfinite(score := cell.valid.score):  # in a fold, there is no held-out criterion
                text = self._criterion.text(score)
                done += f"  best {cell.key.n_components} {cell.key.kind}, {self._criterion.title} {text}"
        self._reports.print(done)

    def _fit_from_best(self, K: int, cells: Sequence[Cell]) -> None:
        """Fit cells of K components from the best mixtures of K, and from the best of K − 1 with a component halved."""
        mixtures = [outcome.result.parameters for cell in self._best_of(K)[:_BEST] if (outcome := cell.valid)]
        for smaller in self._best_of(K - 1)[:1]:
            if smaller.valid:
                mixtures += self._halves(smaller.valid.result.parameters)[:_HALVES_OF_BEST]
        cells = [cell for cell in cells if not cell.has_one_end]
        self._for_each(cells, partial(self._fit_from_others, mixtures))

    def _cells_of(self, n_components: int) -> list[Cell]:
        """Return the cells of a number of components; only the first of those of one model."""
        return [cell for cell, first in self._first.items() if cell is first and cell.key.n_components == n_components]

    def _best_of(self, n_components: int | None = None) -> list[Cell]:
        """Return the cells, or those of a number of components, that have valid fits, the best first."""
        cells = list(self._first.values()) if n_components is None else self._cells_of(n_components)
        return sorted({cell: None for cell in cells if cell.valid}, key=attrgetter("valid.score"))

    def _near_best(self) -> list[Cell]:
        """Return the cells near the best."""
        self._update_best()
        limit = self._best + self._criterion.near
        return [cell for cell in self._best_of() if cell.valid and cell.valid.score <= limit]

    def _is_within(self, cell: Cell, distance: float) -> bool:
        """Return whether a cell has a valid fit within this distance of the best."""
        return cell.valid is not None and cell.valid.score <= self._best + distance

    # --- Fits of a cell ----------------------------------------------------------------------------

    def _fit_alone(self, cell: Cell, n_seeds: int = 1) -> None:
        """Fit a cell from its first seeds: so many, or as many as requested."""
        if cell in self._refusals:
            cell.error = ValueError(self._refusals[cell])
            return
        enough = 1 if cell.has_one_end else max(n_seeds, self._request.n_seeds)
        while cell.n_seeds < enough and self._fit_from_seed(cell):
            pass

    def _fit_same_model(self, cell: Cell) -> None:
        """Fit a cell from the best fit of the first cell of its model, unless its own is as high."""
        first, before = self._first[cell], cell.best
        if first.best is None:
            cell.error = first.error
        elif cell.has_one_end:
            self._fit_alone(cell)
        elif before is None or first.best.result.lower_bound > before.result.lower_bound + cell.accuracy:
            self._fit_from([first.best.result.parameters], cell)
        if first.best and cell.best and cell.is_same(cell.best.result, first.best.result):
            # One model has one rule.
            cell.set_best(cell.best._replace(degenerate=first.best.degenerate, rank=first.best.rank))

    def _fit_from_more_seeds(self, cell: Cell) -> None:
        while not cell.is_settled and self._fit_from_seed(cell):
            pass

    def _fit_from_seed(self, cell: Cell) -> bool:
        """Fit a cell from its next seed; return whether there was time."""
        before, number = cell.best, cell.n_seeds
        fit = self._fit(cell, lambda: self._start_by_seed(cell, self._seeds[number]))
        if fit is None and self._clock.is_up():
            return False
        cell.n_seeds += 1
        if before is not None and cell.best is before:
            cell.n_new += 1
            cell.n_again += fit is not None and cell.is_same(fit, before.result)
        return True

    def _start_by_seed(self, cell: Cell, seed: int) -> Start:
        """Return the start of a seed; with fixed components, as parts of its first mixture."""
        request, start = self._request, Start(seed, refine=self._request.template.refine)
        if request.fixed is None:
            return start
        initial = first_mixture(self._source, request.settings(cell.key, fixed=False), start_seeds(seed, 1)[0])
        return start._replace(parts=request.parts(initial, cell.model))

    def _fit_from_others(self, mixtures: Sequence[MixtureParameters], cell: Cell) -> None:
        """Fit a cell from mixtures of other cells, and from its own mixture of K − 1 with a component halved."""
        smaller = self._by_key.get(cell.key._replace(n_components=cell.key.n_components - 1))
        outcome = None if smaller is None else smaller.valid
        halves = self._halves(outcome.result.parameters)[:_HALVES_OF_OWN] if outcome else []
        self._fit_from([*mixtures, *halves], cell)

    def _fit_from(self, mixtures: Sequence[MixtureParameters], cell: Cell) -> None:
        """Fit a cell from mixtures, except its own one and those that it was fitted from before."""
        for mixture in mixtures:
            is_best = cell.best is not None and mixture is cell.best.result.parameters
            if not (is_best or mixture in cell.tried):
                cell.tried.add(mixture)
                self._fit(cell, partial(self._start_at, cell, mixture))

    def _start_at(self, cell: Cell, mixture: MixtureParameters) -> Start:
        """Return the start at the parts of a mixture."""
        key = mixture, cell.model.layout
        if key not in self._parts:
            self._parts[key] = self._request.parts(mixture, cell.model)
        return Start(self._seeds[0], self._parts[key], self._request.template.refine)

    def _halves(self, mixture: MixtureParameters) -> list[MixtureParameters]:
        """Return a few mixtures with one more component, the same in each call; none if a covariance is singular."""
        if mixture not in self._halves_of:
            try:
                found = halve_worst(mixture, self._source, self._e_step(mixture.model.layout), _HALVES_OF_OWN)
            except SingularMatrixError:
                found = []
            self._halves_of.setdefault(mixture, found)  # another thread may have set it
        return self._halves_of[mixture]

    def _refine(self, cell: Cell) -> None:
        """Refine the best fit of a cell by split–merge moves, unless it is far behind, as a fit from the same start."""
        moves = cell.model.stores_dense and not (cell.key.tails or cell.has_one_end)
        if not (moves and cell.valid and self._is_within(cell, self._criterion.of_interest)):
            return
        result, start = cell.valid.result, cell.valid.start
        if start.refine is None and result.trace.converged and result.parameters not in cell.tried:
            cell.tried.add(result.parameters)
            self._fit(cell, lambda: start._replace(refine=_MOVES), before=result)

    def _fit(
        self, cell: Cell, initial: Callable[[], Start], before: SolverResult | None = None
    ) -> SolverRun | SolverResult | None:
        """Make a fit, which the cell stores if it is the best; return None if it failed, or there is no time.

        For a fit that refines, the run may have been made `before`.
        """
        began = time.perf_counter()
        try:
            self._end_if_over()
            start = initial()
            # A callback interrupts long runs: other threads do not see Ctrl-C, nor does a pass see the time.
            watch = self._end_if_over if self._is_large else None
            fit: SolverRun | SolverResult
            if before is None:
                fit = cell.fit(
                    self._e_step(cell.model.layout), start, self._stop_target(cell, start), self._clusterings, watch
                )
            else:
                fit = cell.refine(self._e_step(cell.model.layout), before, watch)
            if isinstance(fit, SolverResult) or fit.ended:
                cell.offer(fit, start)
                cell.note(fit, start, self._best + self._criterion.near)
            elif not cell.valid:  # a stopped fit is better than none
                cell.offer(fit.ended_here(), start, stopped=True)
            self._clock.has_fit = True
            return fit
        except InterruptedError:
            if self._is_interrupted:
                raise
            return None  # time is up
        except OSError:  # rows that cannot be read
            raise
        except Exception as error:
            self._close([(get_ident(), cell.model.layout)])  # their state after an error is unknown
            if cell.best is None:
                cell.error = error
            if is_fault(error):  # at once, as the cell may have another fit
                warn(
                    "fault",
                    f"A part of the search failed and is omitted, {cell.key.n_components} components of "
                    f"{cell.key.kind}: {type(error).__name__}: {error}. Please report this.",
                )
            return None
        finally:
            cell.seconds += time.perf_counter() - began

    def _stop_target(self, cell: Cell, start: Start) -> StopTarget:
        """Return the bound that a fit must reach: above that of the cell and, for large tables, near the best.

        Fits from seeds of a cell near the best need not exceed its own, as those that find it again are counted.
        """
        target = -inf
        is_compared = start.parts or not self._is_within(cell, self._criterion.near)
        if cell.valid and is_compared and not start.refine:
            target = cell.valid.result.lower_bound + cell.accuracy
        if self._limit < inf:
            name = self._request.criterion
            excess = criteria.best_possible(name, 0.0, cell.n_parameters, self._weight) - self._limit
            if isfinite(excess):
                target = max(target, excess / self._criterion.per_nat / self._weight)
        return StopTarget(target=target, safety=_SAFETY, first=_FIRST_CHECKED)

    # --- On several threads ------------------------------------------------------------------------

    @contextmanager
    def _threads(self) -> Iterator[None]:
        """Open the threads that fit cells, and stop them if an error ends the search."""
        with single_threaded_blas():  # BLAS must not change its number of threads during a call
            if self._n_workers > 1:
                self._pool = ThreadPoolExecutor(self._n_workers, thread_name_prefix="gmm-cell")
            try:
                yield
            except BaseException:
                self._is_interrupted = True
                raise
            finally:
                if self._pool is not None:
                    self._pool.shutdown(cancel_futures=True)
                self._close(list(self._e_steps))

    def _for_each(
        self, cells: Sequence[Cell], task: Callable[[Cell], object], report: Callable[[Key, Status], None] | None = None
    ) -> None:
        """Run a task for each of some independent cells, in several threads if there are any."""
        self._update_best()
        self._clusterings.clear()
        self._parts.clear()
        pool = self._pool if len(cells) > 1 else None
        futures = [] if pool is None else submit_all(pool, task, [(cell,) for cell in cells])
        for cell, future in zip_longest(cells, futures):
            if future is None:
                task(cell)
            else:
                result_of(future)
            if report is not None:
                report(cell.key, cell.status())
        self._close(list(self._e_steps))

    def _e_step(self, layout: Layout) -> EStep:
        """Return passes with second moments in a layout, which cells share in a thread."""
        key = get_ident(), layout
        if key not in self._e_steps:
            self._e_steps[key] = EStep(self._source, layout, n_threads=self._n_threads)
        return self._e_steps[key]

    def _close(self, keys: Iterable[tuple[int, Layout]]) -> None:
        """Close passes that no thread makes now."""
        for key in keys:
            if (e_step := self._e_steps.pop(key, None)) is not None:
                e_step.__exit__(None, None, None)

    def _update_best(self) -> None:
        """Update the best criterion, and the limit for cells of large tables; those of small tables are finished."""
        request, criterion = self._request, self._criterion
        # Criteria do not include a prior, nor does the likelihood bound each of them.
        is_bounded = criterion.value and criterion.per_nat and request.template.prior is None
        self._best = min([cell.valid.score for cell in self._cells if cell.valid], default=inf)
        if self._is_large and is_bounded and request.fixed is None and not self._source.errors:
            self._limit = self._best + criterion.of_interest

    def _end_if_over(self, _: object = None) -> None:
        if self._is_interrupted or self._clock.is_up():
            raise InterruptedError

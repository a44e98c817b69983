"""A search: a loop of fits.

Every cell is fitted by itself, from a seed, and the two best of each number of components from two more; all are, if
none of these ends without a degenerate component. The cells of one number are then fitted from these two mixtures, and
from mixtures of one component fewer, the best one and their own, with one of the components that fit worst halved; the
two best go on by split–merge moves, unless they are far behind. At last the cells near the best are fitted from more
seeds, from each other and by moves, until enough seeds have told nothing new. A cell keeps the best of its fits, and
the parameters by which `GaussianMixture.fit` repeats it to the bits.
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
from gmm._fitting.split_merge import halves, split_merged
from gmm._fitting.starts import Clusterings, FitSettings, StartSettings, first_start
from gmm._kernel.mstep import cached_property
from gmm._log import LOGGER
from gmm._passes.e_step import EStep, result_of, submitted, usable_threads
from gmm._passes.em import SolverRun
from gmm._passes.problem import Problem
from gmm._passes.solver import Iteration, SolverResult
from gmm._rows.sources import column_widths
from gmm._selection.progress import MORE_THAN_ROWS, TOO_FEW_ROWS, Ending, Reports, Status, is_fault
from gmm._selection.request import CRITERION_ACCURACY, Clock, Key, Request, n_rows_of
from gmm._selection.result import Entry, Selection
from gmm._selection.solutions import Solution, grouped
from gmm._text.words import counted
from gmm._values.layouts import Array, Layout, SingularMatrixError
from gmm._values.parameters import MixtureParameters, n_parameters

_SEEDS = 3  # of the best of a number of components, or of all if none is sound
_BEST = 2  # mixtures of as many components that cells begin from
_OF_BEST, _OF_OWN = 1, 4  # of those of one fewer, the best and the cell's own: how many of the worst are halved in turn
_MORE_SEEDS, _FOUND_AGAIN = 12, 4  # of a cell near the best: so many, or until so many have led to its end again
_MOVES = "split-merge"
_SMALL_RIDGE = 1e-5  # of the squared width of the narrowest column
_SAME = 0.25  # nats in all: an end so near to another is the same
_LARGE = 20_000  # numbers in the rows: of more, a fit is left that cannot come near the best
_OF_A_WORKER = 4_000  # of fewer, a fit is mostly Python, of which one thread runs at a time
_CHECKED = 32  # passes between two looks for degenerate components
_FIRST_ASKED, _SAFETY = 4, 5  # pass from which a fit is left that would miss its aim by so many times what it projects


class Start(NamedTuple):
    """Where a fit begins: a seed or, as far as they are given, weights, means and precisions."""

    seed: int
    parts: Mapping[str, Array] = {}
    refine: str | None = None


class End(NamedTuple):
    """A fit of a cell: where it ended and began, a degenerate component or −1, and its criterion.

    Its `rank` is 0 if it is sound, 1 if it is only by the stricter rule for several numbers of components that one is
    degenerate, and 2 if one is anyway, or an update lowered the objective, which ends a run anywhere. One that
    `is_left` has not converged, as it would not come near the best criterion.
    """

    result: SolverResult
    start: Start
    degenerate: int
    rank: int
    score: float
    is_left: bool = False


class Near(NamedTuple):
    """Where fits of a cell ended near the best criterion: the first of them, and the seeds that led there."""

    result: SolverResult
    start: Start
    score: float
    seeds: set[int]


class Cell:
    """One number of components, covariance type and tails, and the best of its fits so far.

    Attributes
    ----------
    key : Key
    end, sound : End or None
        The best one; the same if it is sound.
    error : Exception or None
        Why there is none.
    n_seeds : int
        How many seeds it was fitted from.
    n_fresh, n_again : int
        Seeds since the best end was found, and how many of them led to it again.
    near : list of Near
        Where fits ended near the best criterion.
    begun : set of MixtureParameters
        Mixtures that it was fitted from, and its own ends whose moves were tried.
    seconds : float
        Time of its fits.
    model : CovarianceModel
    n_threads : int, optional
        Of each pass.
    held_out : float
        Minus twice the log-likelihood of rows held out; NaN where these do not judge.
    scores : dict of str to float
        Log-likelihood and criteria by name, once all fits are made.
    """

    def __init__(self, key: Key, request: Request, held_out: float, n_threads: int | None) -> None:
        self.key, self.held_out, self.n_threads, self._request = key, held_out, n_threads, request
        self.model = request.model(key.name, key.tails)
        self.end: End | None = None
        self.sound: End | None = None
        self.error: Exception | None = None
        self.n_seeds = self.n_fresh = self.n_again = 0
        self.near = list[Near]()
        self.begun = set[MixtureParameters]()
        self.seconds = 0.0
        self.scores: dict[str, float] = {}
        self.accuracy = CRITERION_ACCURACY / request.source.survey.weight  # of a lower bound

    @cached_property
    def settings(self) -> FitSettings:
        """How it is fitted."""
        return self._request.settings(self.key)._replace(n_threads=self.n_threads)

    @cached_property
    def problem(self) -> Problem:
        """The rows, and what its fits maximise."""
        return self.settings.problem(self._request.source)

    @cached_property
    def _degeneracy(self) -> Degeneracy:
        return Degeneracy.of_fits(self.settings.objective, self._request.source, self._request.degeneracy_rule)

    @cached_property
    def _degeneracy_alone(self) -> Degeneracy:
        return Degeneracy.of_fits(self.settings.objective, self._request.source)

    def _degenerate(self, fit: SolverRun | SolverResult, reason: str) -> tuple[int, int]:
        """Return a degenerate component of a fit or −1, and the rank of the fit, as an `End` has them."""
        component = self._degeneracy.first(fit)
        if component < 0:
            return component, 2 if LOWERED in reason else 0
        return component, 1 if self._degeneracy_alone.first(fit) < 0 else 2

    @cached_property
    def n_parameters(self) -> int:
        """How many parameters are free."""
        return n_parameters(self.settings.objective, self.key.n_components, self._request.source.n_features)

    @property
    def has_one_end(self) -> bool:
        """Whether every start leads to the same mixture."""
        return self.key.n_components == 1 and not (self._request.noise or self.key.tails)

    @property
    def is_settled(self) -> bool:
        """Whether more seeds would hardly tell anything new."""
        return self.has_one_end or self.n_again >= _FOUND_AGAIN or self.n_seeds >= self._request.n_seeds + _MORE_SEEDS

    def fit(
        self,
        e_step: EStep,
        start: Start,
        stop_target: StopTarget,
        clusterings: Clusterings,
        callback: Callable[[Iteration], object] | None,
    ) -> SolverRun | SolverResult:
        """Make the fit that `fit_mixture` makes from one start; a run that is left on its way has not ended."""
        settings, problem, seed = self.settings, self.problem, 0
        if start.parts:
            settings = settings._replace(start=StartSettings("", start.parts))
        else:
            seed = start_seeds(start.seed, 1)[0]
            settings = settings._replace(start=settings.start._replace(clusterings=clusterings))
        where = first_start(problem, settings, seed, e_step)
        run = problem.prepare_run(e_step, where, settings.solver, callback=callback)
        del where  # as large as a mixture
        self.climb(run, stop_target)
        return self.moved(e_step, run.result, callback) if start.refine and run.converged else run

    def moved(
        self, e_step: EStep, result: SolverResult, callback: Callable[[Iteration], object] | None
    ) -> SolverResult:
        """Go on from where a run has ended by split–merge moves, as `fit_mixture` does."""
        where = self._request.source, self.settings, result, e_step
        return split_merged(*where, callback=callback, stop_requested=lambda: False)

    def climb(self, run: SolverRun, stop_target: StopTarget) -> None:
        """Make the passes of a run, until it cannot reach the target, or is still degenerate after many."""
        run.go(_CHECKED, stop_target)
        while not (run.ended or run.cannot_reach_target(stop_target) or self._degeneracy.first(run) >= 0):
            run.go(_CHECKED, stop_target)

    def take(self, fit: SolverRun | SolverResult, start: Start, *, is_left: bool = False) -> None:
        """Keep a fit if it is better than the best so far: sound, or higher."""
        is_higher = self.end is None or fit.lower_bound > self.end.result.lower_bound + self.accuracy
        if self.sound and not is_higher:
            return
        degenerate, rank = self._degenerate(fit, fit.why if isinstance(fit, SolverRun) else fit.trace.reason)
        if self.end and (rank > self.end.rank or (rank == self.end.rank and not is_higher)):
            return
        result = fit.result if isinstance(fit, SolverRun) else fit
        self.keep(End(result, start, degenerate, rank, self._score(result), is_left))
        self.error, self.n_fresh, self.n_again = None, 0, 0
        if LOGGER.isEnabledFor(INFO):
            of_fit = self.key.n_components, self.key.kind, fit.lower_bound, self.status()
            LOGGER.info("search: components %d, %s  log-likelihood %.6f nats per unit weight, %s", *of_fit)

    def keep(self, end: End) -> None:
        """Make an end the best one."""
        self.end, self.sound = end, end if end.rank == 0 else None

    def measure(self) -> None:
        """Compute the log-likelihood and the criteria of the best end."""
        if self.end is not None:
            self.scores = self._scores(self.end.result.parameters)

    def status(self) -> Status:
        """Return what became of it."""
        if self.end is None:
            return Status(Ending.NOT_TRIED) if self.error is None else Status.of_error(self.error, self.key.name)
        if self.end.degenerate >= 0:
            return Status(Ending.DEGENERATE, f"component {self.end.degenerate}")
        if self.end.is_left:
            return Status(Ending.LEFT)
        if self.end.rank > 0:
            return Status(Ending.LOWERED)
        return Status(Ending.OK if self.end.result.trace.converged else Ending.NOT_CONVERGED)

    def entry(self) -> Entry:
        """Return it as a row of the table, with an estimator whose `fit` repeats the best of its fits."""
        (K, name, tails), end = self.key, self.end
        entry = Entry(K, name, tails.name, self.status(), self.seconds, error=self.error)
        if end is None:
            return entry
        return entry._replace(estimator=self.estimator(end), n_parameters=self.n_parameters, scores=self.scores)

    def estimator(self, end: End) -> GaussianMixture:
        """Return an end as an estimator, whose `fit` repeats it."""
        (K, name, tails), request, result, settings = self.key, self._request, end.result, self.settings
        how = {"n_components": K, "covariance_type": name, "n_init": 1, "tol": settings.solver.tolerance}
        how |= {"max_iter": len(result.trace)} if end.is_left else {}
        how |= {"fixed": request.fixed.masks(K)} if request.fixed else {}
        how |= {"random_state": end.start.seed, "refine": end.start.refine}
        how |= {f"{part}_init": values for part, values in end.start.parts.items()}
        estimator = GaussianMixture(**request.template.get_params() | {**tails.parameters} | how)
        objective = settings.objective.stored_for(result.parameters.model)
        # What several numbers of components are judged by is the stricter rule.
        is_known = end.degenerate < 0 and request.degeneracy_rule is not DegeneracyRule.HELD_OUT
        causes = np.zeros(K, np.uint8) if is_known else None
        set_fitted(estimator, result, request.source, request.features, objective, causes=causes)
        return estimator

    def is_sound(self, result: SolverResult) -> bool:
        """Whether a fit has no degenerate component, and has not ended since an update lowered the objective."""
        return self._degenerate(result, result.trace.reason)[1] == 0

    def is_same(self, one: SolverRun | SolverResult, other: SolverRun | SolverResult) -> bool:
        """Whether two fits ended at one likelihood."""
        return abs(one.lower_bound - other.lower_bound) * self._request.source.survey.weight < _SAME

    def note(self, fit: SolverRun | SolverResult, start: Start, limit: float) -> None:
        """Remember where a fit has ended, if its criterion is within a limit and its likelihood tells that."""
        is_near = self.sound is not None and self.sound.score <= limit  # which no end of the cell betters
        if not is_near or not self._is_of_likelihood or (score := self._score(fit)) > limit:
            return
        seeds = set() if start.parts else {start.seed}
        for near in self.near:
            if self.is_same(near.result, fit):
                near.seeds.update(seeds)
                return
        self.near.append(Near(fit.result if isinstance(fit, SolverRun) else fit, start, score, seeds))

    @cached_property
    def _is_of_likelihood(self) -> bool:
        return self._request.criterion in criteria.OF_LIKELIHOOD and not self.settings.objective.prior

    def _score(self, fit: SolverRun | SolverResult) -> float:
        """Return the criterion of a fit; the likelihood of its last pass decides most."""
        request, n = self._request, self._request.source.survey.weight
        if self._is_of_likelihood:
            return criteria.least(request.criterion, n * fit.lower_bound, self.n_parameters, n)
        return self._scores(fit.parameters)[request.criterion]

    def _scores(self, mixture: MixtureParameters) -> dict[str, float]:
        request, source = self._request, self._request.source
        totals = Scorer(mixture, self.n_threads).totals(source)
        of_one = request.log_likelihood_of_one(mixture)
        scores = criteria.evaluate(totals, self.n_parameters, source.survey.weight, of_one)
        return scores | {"loglik": totals.log_likelihood, criteria.HELD_OUT: self.held_out}


class Search:
    """The loop: which cells are fitted when, and from what. Threads change nothing, but for when time is up."""

    def __init__(self, request: Request, clock: Clock, reports: Reports, held_out: Mapping[Key, float]) -> None:
        self._request, self._clock, self._reports, self._source = request, clock, reports, request.source
        seed = request.template.random_state
        assert isinstance(seed, int)  # as `template_of` sets it
        self._seeds = seed, *start_seeds(seed, request.n_seeds + _MORE_SEEDS)[1:]
        self._criterion, self._weight = criteria.CRITERION[request.criterion], request.source.survey.weight
        self._best = inf  # criterion so far
        self._limit = inf  # up to which cells of large tables are finished
        usable, size = request.template.n_threads or usable_threads(), request.source.n_rows * request.source.n_features
        self._is_large = size > _LARGE
        self._n_workers = min(usable, len(request.types) * len(request.tails), 1 + size // _OF_A_WORKER)
        self._n_threads = request.template.n_threads if self._n_workers == 1 else usable // self._n_workers
        self._cells = [Cell(key, request, held_out.get(key, nan), self._n_threads) for key in request.keys]
        self._by_key = {cell.key: cell for cell in self._cells}
        self._first = {self._by_key[key]: self._by_key[first] for key, first in request.first_of_model.items()}
        self._refusals = self._refused()
        self._halves_of: dict[MixtureParameters, list[MixtureParameters]] = {}
        # Of the fits at present: models have in common the clusterings of a seed, and the parts of a mixture.
        self._clusterings: Clusterings = {}
        self._parts: dict[tuple[MixtureParameters, Layout], Mapping[str, Array]] = {}
        self._e_steps: dict[tuple[int, Layout], EStep] = {}  # open ones of each thread
        self._pool: ThreadPoolExecutor | None = None
        self._is_interrupted = False

    @property
    def _is_over(self) -> bool:
        return self._reports.is_over or self._clock.is_up()

    def _refused(self) -> dict[Cell, str]:
        """Return the cells that are not fitted: of more components than rows, or degenerate ones, if there are others.

        No more distinct rows than columns span no axes that turn. Something else than rows may give components a width
        there: a prior, errors, or a large ridge.
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

    def run(self, *, apart: bool = False) -> Selection:
        """Fit every cell, then those near the best from more seeds, each other and by moves; return the table.

        Cells that are fitted `apart` learn nothing of each other; more seeds than asked for are left to numbers of
        components of which no cell is sound.
        """
        with self._threads():
            self._fit_every_cell(apart=apart)
            while not (apart or self._is_over) and (near := self._near_best()):
                self._each(near, self._fit_from_more_seeds)
                for K in sorted({cell.key.n_components for cell in near}):
                    self._share(K, [cell for cell in near if cell.key.n_components == K])
                self._each(near, self._refine)
                self._print(f"{counted(len(near), 'cell')} near the best")
            self._each([cell for cell, first in self._first.items() if cell is not first], self._follow)
            is_complete = not self._is_over
            self._each(self._cells, Cell.measure)
        compared = {"loglik", self._request.criterion, *criteria.OF_LIKELIHOOD}
        for cell, first in self._first.items():  # fits of one model differ by where they have converged
            if cell.end and first.end and abs(cell.scores["loglik"] - first.scores["loglik"]) < CRITERION_ACCURACY:
                cell.scores |= {name: first.scores[name] for name in compared & cell.scores.keys()}
        entries = [cell.entry() for cell in self._cells]
        selection = Selection.of(entries, self._request.criterion, complete=is_complete)
        best = self._cells[selection.best_index]
        others = () if apart else self._solutions(best)
        return replace(selection, n_fresh_starts=best.n_fresh, n_found_again=best.n_again, others=others)

    def _solutions(self, best: Cell) -> tuple[Solution, ...]:
        """Return the other solutions within reach of the best: see `gmm._selection.solutions`."""
        if best.sound is None:
            return ()
        limit = best.sound.score + self._criterion.near
        cells = dict.fromkeys(self._first.values())
        found = [(near, cell) for cell in cells for near in cell.near if near.score <= limit]
        found = [(near, cell) for near, cell in found if cell.is_sound(near.result)]
        found.sort(key=lambda each: each[0].score)
        mixtures = [best.sound.result.parameters, *(near.result.parameters for near, _ in found)]
        solutions = []
        for members, moved in grouped(mixtures, self._source, self._n_threads)[1:]:
            parts = [found[number - 1] for number in members]
            first, cell = parts[0]
            n_starts = len(set[int]().union(*(near.seeds for near, of in parts if of is cell)))
            estimator = cell.estimator(End(first.result, first.start, -1, 0, first.score))
            solutions.append(Solution(estimator, first.score, n_starts, cell.n_seeds, moved))
        return tuple(solutions)

    def mixtures(self) -> dict[Key, MixtureParameters]:
        """Fit every cell; return the mixtures of those that have one."""
        with self._threads():
            self._fit_every_cell()
        return {cell.key: cell.end.result.parameters for cell in self._cells if cell.end}

    def _fit_every_cell(self, *, apart: bool = False) -> None:
        """Fit the cells of each number of components, from few to many: from seeds, then from other mixtures."""
        for K in sorted(set(self._request.n_components)):
            self._each(self._cells_of(K), self._fit_alone, self._reports)
            cells = [cell for cell in self._cells_of(K) if cell not in self._refusals]
            best = self._best_of(K)[:_BEST]
            if not (apart and best):
                self._each(best or cells, partial(self._fit_alone, n_seeds=_SEEDS))
            if not apart:
                self._share(K, cells)
                self._each(self._best_of(K)[:_BEST], self._refine)
            same = [cell for cell, first in self._first.items() if cell is not first and cell.key.n_components == K]
            self._each(same, self._follow, self._reports)
            self._print(f"K={K}")
            if self._is_over:
                break

    def _print(self, done: str) -> None:
        """Print what has been done, and the best cell so far, if anybody asked."""
        if not self._reports.prints:
            return
        for cell in self._best_of()[:1]:
            if cell.sound and isfinite(score := cell.sound.score):  # of a fold, rows held out have not judged it
                text = self._criterion.text(score)
                done += f"  best {cell.key.n_components} {cell.key.kind}, {self._criterion.title} {text}"
        self._reports.print(done)

    def _share(self, K: int, cells: Sequence[Cell]) -> None:
        """Fit cells of K components from the best mixtures of as many, and from halves of the best of fewer."""
        mixtures = [end.result.parameters for cell in self._best_of(K)[:_BEST] if (end := cell.sound)]
        for smaller in self._best_of(K - 1)[:1]:
            if smaller.sound:
                mixtures += self._halves(smaller.sound.result.parameters)[:_OF_BEST]
        cells = [cell for cell in cells if not cell.has_one_end]
        self._each(cells, partial(self._fit_from_others, mixtures))

    def _cells_of(self, n_components: int) -> list[Cell]:
        """Return the cells of a number of components, of those that are one model the first."""
        return [cell for cell, first in self._first.items() if cell is first and cell.key.n_components == n_components]

    def _best_of(self, n_components: int | None = None) -> list[Cell]:
        """Return the cells, or those of a number of components, that have sound ends, the best first."""
        cells = list(self._first.values()) if n_components is None else self._cells_of(n_components)
        return sorted({cell: None for cell in cells if cell.sound}, key=attrgetter("sound.score"))

    def _near_best(self) -> list[Cell]:
        """Return the cells near the best that more seeds may better."""
        self._look_at_best()
        return [cell for cell in self._best_of() if self._is_within(cell, self._criterion.near) and not cell.is_settled]

    def _is_within(self, cell: Cell, distance: float) -> bool:
        """Whether a cell is sound, and so near the best."""
        return cell.sound is not None and cell.sound.score <= self._best + distance

    # --- What is done with a cell ------------------------------------------------------------------

    def _fit_alone(self, cell: Cell, n_seeds: int = 1) -> None:
        """Fit it from its first seeds: so many, or those that are asked for."""
        if cell in self._refusals:
            cell.error = ValueError(self._refusals[cell])
            return
        enough = 1 if cell.has_one_end else max(n_seeds, self._request.n_seeds)
        while cell.n_seeds < enough and self._fit_from_seed(cell):
            pass

    def _follow(self, cell: Cell) -> None:
        """Fit it from where the first cell of its model has ended, unless it has ended as high."""
        first, before = self._first[cell], cell.end
        if first.end is None:
            cell.error = first.error
        elif cell.has_one_end:
            self._fit_alone(cell)
        elif before is None or first.end.result.lower_bound > before.result.lower_bound + cell.accuracy:
            self._fit_from([first.end.result.parameters], cell)
        if first.end and cell.end and cell.is_same(cell.end.result, first.end.result):
            cell.keep(cell.end._replace(degenerate=first.end.degenerate, rank=first.end.rank))  # one model, one rule

    def _fit_from_more_seeds(self, cell: Cell) -> None:
        while not cell.is_settled and self._fit_from_seed(cell):
            pass

    def _fit_from_seed(self, cell: Cell) -> bool:
        """Fit it from its next seed; return whether there was time."""
        before, number = cell.end, cell.n_seeds
        fit = self._fit(cell, lambda: self._seeded(cell, self._seeds[number]))
        if fit is None and self._clock.is_up():
            return False
        cell.n_seeds += 1
        if before is not None and cell.end is before:
            cell.n_fresh += 1
            cell.n_again += fit is not None and cell.is_same(fit, before.result)
        return True

    def _seeded(self, cell: Cell, seed: int) -> Start:
        """Return a start by a seed; beside fixed components, as the parts that it leads to."""
        request, start = self._request, Start(seed, refine=self._request.template.refine)
        if request.fixed is None:
            return start
        begun = first_mixture(self._source, request.settings(cell.key, fixed=False), start_seeds(seed, 1)[0])
        return start._replace(parts=request.parts(begun, cell.model))

    def _fit_from_others(self, mixtures: Sequence[MixtureParameters], cell: Cell) -> None:
        """Fit it from mixtures of other cells, and from halves of its own mixture of a component fewer."""
        smaller = self._by_key.get(cell.key._replace(n_components=cell.key.n_components - 1))
        end = None if smaller is None else smaller.sound
        self._fit_from([*mixtures, *(self._halves(end.result.parameters)[:_OF_OWN] if end else ())], cell)

    def _fit_from(self, mixtures: Sequence[MixtureParameters], cell: Cell) -> None:
        """Fit it from mixtures, but for its own and those that it was fitted from before: it would end there again."""
        for mixture in mixtures:
            is_own = cell.end is not None and mixture is cell.end.result.parameters
            if not (is_own or mixture in cell.begun):
                cell.begun.add(mixture)
                self._fit(cell, partial(self._parted, cell, mixture))

    def _parted(self, cell: Cell, mixture: MixtureParameters) -> Start:
        """Return a start by the parts of a mixture."""
        place = mixture, cell.model.layout
        if place not in self._parts:
            self._parts[place] = self._request.parts(mixture, cell.model)
        return Start(self._seeds[0], self._parts[place], self._request.template.refine)

    def _halves(self, mixture: MixtureParameters) -> list[MixtureParameters]:
        """Return a few mixtures of a component more, each time the same; none where a covariance is singular."""
        if mixture not in self._halves_of:
            try:
                found = halves(mixture, self._source, self._e_step(mixture.model.layout), max(_OF_BEST, _OF_OWN))
            except SingularMatrixError:
                found = []
            self._halves_of.setdefault(mixture, found)  # which another thread may have set
        return self._halves_of[mixture]

    def _refine(self, cell: Cell) -> None:
        """Go on from its best end, unless far behind, by split–merge moves: a fit from the same start that refines."""
        moves = cell.model.stored_whole and not (cell.key.tails or cell.has_one_end)
        is_far = not self._is_within(cell, self._criterion.of_interest)
        if moves and not is_far and cell.sound is not None and cell.sound.start.refine is None:
            result, start = cell.sound.result, cell.sound.start._replace(refine=_MOVES)
            if result.trace.converged and result.parameters not in cell.begun:
                cell.begun.add(result.parameters)
                self._fit(cell, lambda: start, before=result)

    def _fit(
        self, cell: Cell, begin: Callable[[], Start], before: SolverResult | None = None
    ) -> SolverRun | SolverResult | None:
        """Make a fit, which the cell keeps if it is the best; return None if it failed, or there is no time.

        Of one that refines, its climb may have been made `before`.
        """
        began = time.perf_counter()
        try:
            self._end_if_over()
            start = begin()
            # Long passes are followed: other threads do not see Ctrl-C, nor does a pass see the time.
            watch = self._end_if_over if self._is_large else None
            fit: SolverRun | SolverResult
            if before is None:
                fit = cell.fit(
                    self._e_step(cell.model.layout), start, self._stop_target(cell, start), self._clusterings, watch
                )
            else:
                fit = cell.moved(self._e_step(cell.model.layout), before, watch)
            if isinstance(fit, SolverResult) or fit.ended:
                cell.take(fit, start)
                cell.note(fit, start, self._best + self._criterion.near)
            elif not cell.sound:  # what has been left is better than nothing
                cell.take(fit.ended_here(), start, is_left=True)
            self._clock.has_fit = True
            return fit
        except InterruptedError:
            if self._is_interrupted:
                raise
            return None  # time is up
        except OSError:  # rows that cannot be read
            raise
        except Exception as error:
            self._close([(get_ident(), cell.model.layout)])  # whatever the error has left
            if cell.end is None:
                cell.error = error
            if is_fault(error):  # told at once, as the cell may have another fit
                warn(
                    "fault",
                    f"A part of the search failed, {cell.key.n_components} components of {cell.key.kind}: "
                    f"{type(error).__name__}: {error}. The search goes on without it; please report this.",
                )
            return None
        finally:
            cell.seconds += time.perf_counter() - began

    def _stop_target(self, cell: Cell, start: Start) -> StopTarget:
        """Return what a fit has to reach: of large tables, to near the best; and more than the cell has.

        Seeds of a cell near the best need not: how many lead to its end again is counted.
        """
        target = -inf
        is_compared = start.parts or not self._is_within(cell, self._criterion.near)
        if cell.sound and is_compared and not start.refine:
            target = cell.sound.result.lower_bound + cell.accuracy
        if self._limit < inf:
            name = self._request.criterion
            excess = criteria.least(name, 0.0, cell.n_parameters, self._weight) - self._limit
            if isfinite(excess):
                target = max(target, excess / self._criterion.per_nat / self._weight)
        return StopTarget(target=target, safety=_SAFETY, first=_FIRST_ASKED)

    # --- On several threads ------------------------------------------------------------------------

    @contextmanager
    def _threads(self) -> Iterator[None]:
        """Open the threads on which cells are fitted, and end what they do if an error ends the search."""
        with single_threaded_blas():  # whose number of threads must not change beside a call
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

    def _each(
        self, cells: Sequence[Cell], task: Callable[[Cell], object], report: Callable[[Key, Status], None] | None = None
    ) -> None:
        """Do a task with each of some cells, of which none reads another, on several threads if there are some."""
        self._look_at_best()
        self._clusterings.clear()
        self._parts.clear()
        pool = self._pool if len(cells) > 1 else None
        futures = [] if pool is None else submitted(pool, task, [(cell,) for cell in cells])
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
        place = get_ident(), layout
        if place not in self._e_steps:
            self._e_steps[place] = EStep(self._source, layout, n_threads=self._n_threads)
        return self._e_steps[place]

    def _close(self, places: Iterable[tuple[int, Layout]]) -> None:
        """Close passes, which no thread makes now."""
        for place in places:
            if (e_step := self._e_steps.pop(place, None)) is not None:
                e_step.__exit__(None, None, None)

    def _look_at_best(self) -> None:
        """Set the criterion that cells of large tables have to reach; small ones are worth the whole table."""
        request, criterion = self._request, self._criterion
        # A prior is no part of the criteria, nor does the likelihood bound each of them.
        is_bounded = criterion.value and criterion.per_nat and request.template.prior is None
        self._best = min([cell.sound.score for cell in self._cells if cell.sound], default=inf)
        if self._is_large and is_bounded and request.fixed is None and not self._source.errors:
            self._limit = self._best + criterion.of_interest

    def _end_if_over(self, _: object = None) -> None:
        if self._is_interrupted or self._clock.is_up():
            raise InterruptedError

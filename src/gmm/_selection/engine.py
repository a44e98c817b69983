"""The order of a search: components from few to many, and for each number the models in stages that share starts.

At last the cells near the best are solved again and again from fresh starts. The order depends on results alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from itertools import chain
from math import inf, nan
from typing import Any

import numpy as np

from gmm._blas import blas_alone_in_fit
from gmm._em import OFFSET
from gmm._estimators import criteria
from gmm._estimators.fitted import set_fitted
from gmm._estimators.mixture import GaussianMixture
from gmm._estimators.scorer import Scorer
from gmm._fitting.sampling import start_seeds
from gmm._fitting.starts import Start
from gmm._passes.e_step import CELLS_WORTH_THREADS, Totals, usable_threads
from gmm._selection import candidates
from gmm._selection.cell import (
    MORE_THAN_ROWS,
    BestScore,
    Cell,
    Clock,
    SearchRows,
    Solution,
    Task,
    TaskPool,
    Worker,
    status_of,
)
from gmm._selection.request import Key, Request, as_model, folds_of, n_rows_of
from gmm._selection.result import Entry, Progress, Selection
from gmm._values.covariance import special_case
from gmm._values.parameters import MixtureParameters
from gmm._values.tails import Tails


class Reports:
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
        self._left, self._fold = defaultdict[Key, list[tuple[int, str]]](list), fold
        for number, (K, name, tails) in enumerate(self._request.cells if self._callback is not None else []):
            self._left[self._request.key(K, name, tails)].append((number, name))

    def __call__(self, cell: Cell, outcome: Solution | Exception | None) -> None:
        """Tell of the requested cells that share an outcome."""
        K, _, tails = cell.key
        for number, name in self._left.pop(cell.key, ()):
            status = str(status_of(outcome, name))
            if self._callback is not None and not self.is_over:
                progress = Progress(number, len(self._request.cells), K, name, tails.name, status, self._fold)
                self.is_over = bool(self._callback(progress))


_OWN = 1 << 20  # number of a cell's first start of its own; those made to solve it again count from 0
_NEAR_MEAN = 0.3  # standard deviations from the mean of the whole to that of each half: the likelihood hardly changes
_REFINED = 3  # cells at most, …
_REACH = 0.02  # … that become the best if their log-likelihood grows by this, in nats per row
# A cell is settled once so many fresh starts have led to its solution again, or so many of them to nothing better.
_OF_NEAR, _OF_FARTHER = (3, 12), (1, 4)
_MOST_ROUNDS = 20

Diagnosed = tuple[Solution, candidates.Diagnosis]
Begin = Callable[[Worker], Sequence[Start]]


class Engine:
    """A search over rows in memory: which cells are solved when, and from what."""

    def __init__(self, request: Request, starts: candidates.Starts, pool: TaskPool) -> None:
        self._request, self._rows, self._starts, self._tasks = request, pool.rows, starts, pool
        self._cells: dict[Key, Cell] = {}
        self._of_number: dict[int, list[Cell]] = {}
        self._below: dict[Cell, list[Cell]] = {}
        self._held_out: Mapping[Key, float] = defaultdict(lambda: nan)

    def mixtures(self, reports: Reports) -> dict[Key, MixtureParameters]:
        """Return where the starts lead that cells share and make of each other."""
        for number in range(self._request.template.n_init):
            if self._solve_all(number, reports):
                break
        return {key: cell.solution.result.parameters for key, cell in self._cells.items() if cell.solution}

    def run(self, reports: Reports, held_out: Mapping[Key, float]) -> Selection:
        """Search by every seed, and return the table of all cells, whose `held_out` deviances these are."""
        self._held_out, stopped = held_out, False
        for number in range(self._request.template.n_init):
            stopped = self._solve_all(number, reports)
            if stopped:
                break
            self._polish()
        self._measure(self._cells.values())
        request = self._request
        entries = [self._entry(*cell) for cell in request.cells]
        complete = not stopped and not self._tasks.clock.is_up()
        selection = Selection.of(entries, request.criterion, complete=complete)
        attempts = self._cells[request.key(*request.cells[selection.best_index])].attempts
        return replace(selection, n_fresh_starts=attempts.n_fresh, n_found_again=attempts.n_again)

    def _solve_all(self, number: int, reports: Reports) -> bool:
        """Fit every number of components, in rising order, by one seed; return whether the callback ended the search.

        The models of a number begin from the starts of this seed, from one component fewer, and then from each other.
        Cells that have solutions keep them unless there are better ones.
        """
        request, n_rows = self._request, n_rows_of(self._request.source)
        for K in sorted(set(request.n_components)):
            cells = self._cells_of(K)
            if n_rows < K:
                for cell in cells:
                    cell.outcome = ValueError(f"{MORE_THAN_ROWS} ({n_rows:,})")
            else:
                self._set_best()
                shared = self._starts.of(K, number)
                layouts = {cell.moments for cell in cells}
                starts = {layout: [one.reduced(layout) for one in shared] for layout in layouts}
                new = self._new_solutions({cell: self._near(cell, -1) for cell in cells})
                first = {cell: partial(self._first, cell, new[cell], starts[cell.moments], number) for cell in cells}
                self._improve(first, reports)
                self._share(cells)
                self.unstick(cells)
            for cell in cells:
                reports(cell, cell.outcome)
            if reports.is_over:
                return True
            if self._tasks.clock.is_up():
                break
        return False

    def _cells_of(self, n_components: int) -> list[Cell]:
        if n_components not in self._of_number:
            keys = self._request.keys(n_components)
            self._of_number[n_components] = [Cell(key, self._request, self._tasks) for key in keys]
            self._cells |= zip(keys, self._of_number[n_components], strict=True)
        return self._of_number[n_components]

    def _polish(self) -> None:
        """Let cells begin from each other, refine the best ones, and then all if requested."""
        self._set_best()
        # With too few rows for a number of components, its cells stay failed: they get no start from others.
        counts = sorted({cell.key.n_components for cell in self._cells.values() if cell.solution})
        for more, order in ((1, counts[::-1]), (-1, counts)):
            for K in order:
                cells = self._cells_of(K)
                self._improve_by({cell: self._near(cell, more) for cell in cells})
                self._share(cells)
        self._set_best()
        scores = self._scores()
        reach = min(scores.values(), default=inf) + 2 * _REACH * self._rows.all_rows.survey.weight
        self._refine_and_settle(sorted((c for c in scores if scores[c] <= reach), key=scores.__getitem__)[:_REFINED])
        if self._request.template.refine is not None:
            self._refine_and_settle(list(self._scores()))

    def _refine_and_settle(self, cells: Sequence[Cell]) -> None:
        """Refine cells, improve those that their special cases now surpass, and settle the best."""
        self.refine(cells)
        self._set_best()
        self.unstick(sorted(self._cells.values(), key=self._size))
        self.settle()

    def settle(self) -> None:
        """Solve cells near the best again until all are settled; what is new is refined, and the others begin from it.

        Up to a distance of `near` a cell contests the best, and up to twice that it may come to do so.
        """
        near = criteria.CRITERION[self._request.criterion].near
        for _ in range(_MOST_ROUNDS):
            scores = self._scores()
            best = min(scores.values(), default=0.0)
            behind = {cell: score - best for cell, score in scores.items() if score - best <= 2 * near}
            enough = {cell: _OF_NEAR if by <= near else _OF_FARTHER for cell, by in behind.items()}
            unsettled = [cell for cell in enough if not cell.attempts.settled(*enough[cell])]
            results = self._tasks({cell: partial(cell.retry, self._starts, enough[cell]) for cell in unsettled})
            attempts = {cell: found for cell, found in results.items() if not isinstance(found, Exception)}
            if not attempts:
                return
            changed = [cell for cell, found in attempts.items() if found.solution is not cell.solution]
            for cell, found in attempts.items():
                cell.keep(found.solution)
                cell.attempts = found
            if changed:
                self.refine(changed)
                self._improve_by({one: [other for other in enough if other.key.is_next_to(one.key)] for one in enough})

    def unstick(self, cells: Iterable[Cell]) -> None:
        """Improve cells that are stuck: a cell whose model contains theirs as a special case has a higher likelihood.

        The cell starts from that mixture, as it is or with one component split by a little, and is then refined by
        split–merge.
        """
        for cell in cells:
            below, was_stuck = self._below.get(cell) or self._below.setdefault(cell, self._all_below(cell)), False
            for lower in below:
                if self._stuck(cell, lower):
                    was_stuck = True
                    self._diagnose([lower])
                    if lower.diagnosed is not None:  # there was time for the pass
                        begin = partial(self._beginning, cell, [lower.diagnosed], offset=_NEAR_MEAN)
                        self._improve({cell: begin})
            if was_stuck and any(self._stuck(cell, lower) for lower in below):
                self.refine([cell])

    def refine(self, cells: Iterable[Cell]) -> None:
        """Improve cells without degenerate components by split–merge."""
        # Refining a solution again that no move improves would find the same.
        results = self._tasks(
            {
                cell: partial(cell.refined, solution=cell.sound)
                for cell in cells
                if cell.sound and cell.refined_solution is not cell.solution
            }
        )
        for cell, result in results.items():
            cell.keep(result)
            if isinstance(result, Solution):
                cell.refined_solution = result

    def _share(self, cells: Sequence[Cell]) -> None:
        """Start cells of one number of components from each other's solutions, special cases first."""
        if cells[0].key.n_components == 1 or len(cells) == 1:
            return
        for tails in self._request.tails:
            by_model = {cell.key.model: cell for cell in cells if cell.key.tails is tails}
            models, others = tuple(by_model), [cell for cell in cells if cell.key.tails is not tails]
            for level in candidates.levels(models):
                sources: dict[Cell, list[Cell]] = {}
                for model in level:
                    cell = by_model[model]
                    sources[cell] = list(map(by_model.__getitem__, candidates.neighbours(model, models)))
                    sources[cell] += [other for other in others if other.key.has_other_tails(cell.key)]
                self._improve_by(sources)

    def _new_solutions(self, sources: Mapping[Cell, Sequence[Cell]]) -> dict[Cell, list[Diagnosed]]:
        """Return for each cell the solutions of other cells, its sources, from which it has not started yet."""
        self._diagnose(chain.from_iterable(sources.values()))
        new: dict[Cell, list[Diagnosed]] = {cell: [] for cell in sources}
        for cell, others in sources.items():
            for source in others:
                pair = source.diagnosed
                if pair and pair[0] is source.outcome is not cell.begun_from.get(source.key):
                    cell.begun_from[source.key] = pair[0]
                    new[cell].append(pair)
        return new

    def _improve_by(self, sources: Mapping[Cell, Sequence[Cell]]) -> None:
        """Solve again the cells for which other cells, their sources, have new solutions."""
        new = self._new_solutions(sources).items()
        self._improve({cell: partial(self._beginning, cell, pairs) for cell, pairs in new if pairs})

    def _first(
        self, cell: Cell, new: list[Diagnosed], shared: Sequence[Start], number: int, worker: Worker
    ) -> list[Start]:
        """Return starts that all models share, one of the cell's own, and those made from solutions of other cells."""
        begins = [*shared, *self._beginning(cell, new, worker)]
        if cell.key.n_components > 1:
            begins.append(self._starts.fresh(cell.settings, _OWN + number, worker.n_threads))
        return begins

    def _beginning(
        self, cell: Cell, new: Iterable[Diagnosed], worker: Worker, *, offset: float = OFFSET
    ) -> list[Start]:
        """Return starts made from solutions of other cells; halves of a component are at this offset."""
        model, begins = cell.key.model, list[Start]()
        for solution, diagnosis in new:
            parameters = solution.result.parameters
            more = cell.key.n_components - len(parameters.weights)
            if more > 0:
                begins += candidates.splits(diagnosis, as_model(parameters, model), offset)
            elif more < 0:
                e_step = worker.e_step(self._rows.sample, model.layout)
                begins += candidates.drops(e_step, diagnosis, parameters)
            else:
                begins.append(candidates.of_other_model(parameters, diagnosis.statistics, model))
        return begins

    def _improve(self, begins: Mapping[Cell, Begin], report: Reports | None = None) -> None:
        """Solve cells from new starts; a cell keeps its present solution unless a better one comes of them."""

        def solved(cell: Cell, begin: Begin, worker: Worker) -> Solution:
            present = cell.solution
            if present is not None and cell.is_settled:
                return present
            return cell.solved(worker, begin(worker), present)

        tasks = {cell: partial(solved, cell, begin) for cell, begin in begins.items()}
        for cell, result in self._tasks(tasks, report).items():
            cell.keep(result)

    def _diagnose(self, cells: Iterable[Cell]) -> None:
        """Make the pass that other cells need, over solutions that are new."""

        def diagnosed(parameters: MixtureParameters, worker: Worker) -> candidates.Diagnosis:
            rows = self._rows.sample
            return candidates.diagnosed(rows, worker.e_step(rows, self._starts.moments), parameters)

        tasks: dict[Cell, Task] = {}
        for cell in cells:
            if cell.solution and (cell.diagnosed is None or cell.diagnosed[0] is not cell.solution):
                tasks[cell] = partial(diagnosed, cell.solution.result.parameters)
        for cell, diagnosis in self._tasks(tasks).items():
            if cell.solution and not isinstance(diagnosis, Exception):
                cell.diagnosed = cell.solution, diagnosis

    def _near(self, cell: Cell, more: int) -> list[Cell]:
        """Return the cell of so many components more, or fewer, if it was begun."""
        if cell.key.n_components + more < 1:
            return []
        key = cell.key.with_more(more, self._rows.all_rows.n_features)
        return [self._cells[key]] if key in self._cells else []

    def _all_below(self, cell: Cell) -> list[Cell]:
        """Return the cells whose mixtures are all mixtures of this cell, or limits of them."""
        K, model, tails = cell.key
        of_tails = [other for other in self._cells_of(K) if other.key.tails is tails]
        return self._near(cell, -1) + [other for other in of_tails if special_case(other.key.model, model)]

    def _stuck(self, cell: Cell, lower: Cell) -> bool:
        if cell.sound is None or lower.sound is None:
            return False
        behind = lower.sound.result.lower_bound - cell.settings.solver.tolerance
        # With a prior, each cell has its own objective.
        return cell.sound.result.lower_bound < behind and not cell.settings.objective.prior

    def _scores(self) -> dict[Cell, float]:
        """Return the criterion of cells with a solution without degenerate components."""
        cells = [cell for cell in self._cells.values() if cell.sound]
        self._measure(cells)
        return {cell: cell.scores[self._request.criterion] for cell in cells}

    def _set_best(self) -> None:
        """Let cells of many rows end once they cannot come near the best; few rows are worth the whole table."""
        if not self._rows.whole:
            score = min(self._scores().values(), default=inf)
            best = BestScore(self._request.criterion, score, self._rows.all_rows.survey.weight)
            for cell in self._cells.values():
                cell.best = best

    def _size(self, cell: Cell) -> tuple[int, int]:
        K, model, tails = cell.key
        return K, model.n_parameters(K, self._request.source.n_features) + tails.n_parameters(K)

    def _measure(self, cells: Iterable[Cell]) -> None:
        """Compute the log-likelihood and criteria of solutions that do not have them yet."""

        def totals_of(parameters: MixtureParameters, worker: Worker) -> Totals:
            return Scorer(parameters, worker.n_threads).totals(rows)

        rows, n = self._rows.all_rows, self._rows.all_rows.survey.weight
        new = {cell: cell.solution for cell in cells if cell.solution and cell.scored is not cell.solution}
        tasks = {cell: partial(totals_of, solution.result.parameters) for cell, solution in new.items()}
        for cell, totals in self._tasks(tasks, in_any_case=True).items():
            parameters, cell.scored = new[cell].result.parameters, new[cell]
            of_one = self._request.log_likelihood_of_one(parameters, rows)
            scores = criteria.evaluate(totals, parameters.n_parameters, n, of_one)
            cell.scores = scores | {"loglik": totals.log_likelihood, criteria.HELD_OUT: self._held_out[cell.key]}

    def _entry(self, n_components: int, name: str, tails: Tails) -> Entry:
        request, cell = self._request, self._cells.get(self._request.key(n_components, name, tails))
        outcome, seconds = (None, 0.0) if cell is None else (cell.outcome, cell.seconds)
        entry = Entry(n_components, name, tails.name, status_of(outcome, name), seconds)
        if cell is None or cell.solution is None:
            return entry._replace(error=outcome if isinstance(outcome, Exception) else None)
        parameters = as_model(cell.solution.result.parameters, request.model(name, tails))
        kind: dict[str, Any] = {"n_components": n_components, "covariance_type": name, **tails.parameters}
        estimator = GaussianMixture(**request.template.get_params() | kind)
        objective = cell.settings.objective.stored_for(parameters.model)
        fit = cell.solution.result._replace(parameters=parameters)
        set_fitted(estimator, fit, request.source, request.features, objective)
        if request.fixed is not None:
            estimator.set_params(**request.fixed.parameters(estimator))
        return entry._replace(estimator=estimator, n_parameters=parameters.n_parameters, scores=cell.scores)


@contextmanager
def opened_search(request: Request, seed: int, clock: Clock) -> Iterator[Engine]:
    """Draw the rows on which starts race, make what all cells begin from, and start the threads of a search."""
    template, most = request.template, max(request.n_components)
    rows = SearchRows.of(request.source, most, seed)
    starts = candidates.Starts(rows.sample, request, start_seeds(seed, template.n_init))
    # Cells are independent: so many are solved at a time, the passes of each on so many threads.
    usable, d = usable_threads() if template.n_threads is None else template.n_threads, request.source.n_features
    work = rows.all_rows.n_rows * most * (d + 1) * (d + 2) / 2
    n_workers = min(usable, len(request.types) * len(request.tails)) if work > CELLS_WORTH_THREADS else 1
    n_threads = template.n_threads if n_workers == 1 else max(1, usable // n_workers)
    with blas_alone_in_fit(d), closing(TaskPool(rows, n_workers, n_threads, clock)) as pool:
        yield Engine(request, starts, pool)


def held_out_deviances(request: Request, seed: int, clock: Clock, reports: Reports) -> Mapping[Key, float]:
    """Return minus twice the log-likelihood of all rows, each under the mixture of a cell that has not seen it.

    The folds take half of the time that is left: no further fold is begun then, those so far stand for all, and one
    that is cut counts only if it is the first. The deviance is ∞ for a cell without a mixture in one of them, and NaN
    where the search is by another criterion.
    """
    if request.n_splits is None:
        return defaultdict(lambda: nan)
    source, n_threads, half = request.source, request.template.n_threads, clock.half()
    used, weight, sums = np.flatnonzero(source.weights), 0.0, dict[Key, float]()
    folds = folds_of(len(used), request.n_splits, np.random.default_rng(seed))
    for number, fold in enumerate(folds, 1):
        if weight and (half.is_up() or reports.is_over):
            break
        others, part = source.part(np.delete(used, fold)), source.part(used[fold])
        reports.begin(number)
        with opened_search(request.over(others), seed, half) as search:
            mixtures = search.mixtures(reports)
        if weight and (half.is_up() or reports.is_over):  # which cut the fold: it lacks larger numbers of components
            break
        of_fold = {key: Scorer(mixture, n_threads).log_likelihood(part) for key, mixture in mixtures.items()}
        sums = {key: sums.get(key, 0.0) + of_fold[key] for key in of_fold if not weight or key in sums}
        weight += part.survey.weight
    reports.begin(0)
    return defaultdict(lambda: inf, {key: -2 * value * source.survey.weight / weight for key, value in sums.items()})

"""The order of a search: components from few to many, and for each number the models in stages that share starts.

It keeps how far it has come, nowhere or in a checkpoint. The order depends on results alone. So a search that goes on
is made again, and what was kept is not solved again: each cell counts what it asks for.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import chain, zip_longest
from queue import SimpleQueue
from typing import Any, NamedTuple

import numpy as np

from gmm._estimators.estimated import what_must_be_same
from gmm._estimators.mixture import GaussianMixture
from gmm._estimators.outcome import ill_defined
from gmm._exceptions import warn
from gmm._fitting.split_merge import OFFSET
from gmm._fitting.starts import Start
from gmm._log import LOGGER
from gmm._passes.e_step import CELLS_WORTH_THREADS, ComponentDiagnostics, result_of, submitted, usable_threads
from gmm._passes.problem import Problem
from gmm._passes.solver import Iteration
from gmm._persistence import item
from gmm._persistence.checkpoints import SearchCheckpoint
from gmm._rows.sources import Source
from gmm._selection.candidates import (
    Starts,
    as_model,
    diagnosed,
    drops,
    levels,
    neighbours,
    of_other_model,
    special_cases,
    splits,
)
from gmm._selection.cell import Bar, Cell, SearchRows, Solution, Solve, Worker
from gmm._selection.grid import FAILED
from gmm._selection.request import Key, Request
from gmm._validation.scalars import check_boolean
from gmm._values.covariance import covariance_model
from gmm._values.layouts import SingularMatrixError
from gmm._values.parameters import MixtureParameters


@contextmanager
def search_file(
    template: GaussianMixture,
    source: Source,
    request: Mapping[str, Any],
    seed: int,
    *,
    checkpoint: str | os.PathLike[str] | None,
    resume: bool,
) -> Iterator[SearchCheckpoint | None]:
    """Open the file that keeps a search, if there is to be one; close it at the end of the search.

    Parameters
    ----------
    template : GaussianMixture
        With the parameters of all cells, and the random state as it was given.
    source : Source
    request : mapping of str to JSON values
        What else must be the same to go on.
    seed : int
        Of the search; the file's own if it goes on.
    checkpoint, resume
        As for `GaussianMixture.fit`.
    """
    resume = check_boolean(resume, "resume")
    if checkpoint is None:
        if resume:
            raise ValueError("resume=True continues a search from a file: expected its path as checkpoint, got None")
        yield None
        return
    file = SearchCheckpoint(checkpoint, what_must_be_same(template, source) | dict(request), seed)
    if resume:
        file.resume()
    else:
        file.check_place()
    with file.during_work(file.write):
        yield file


class KeptCell:
    """Results of one cell, kept in the order in which it asks for them."""

    def __init__(self, file: SearchCheckpoint, name: str, problem: Problem, n_components: int) -> None:
        self._file, self._name, self._of = file, name, (problem, n_components)
        self._asked = 0

    def __call__(self, solve: Solve, present: Solution | None, time_is_up: Callable[[], bool]) -> tuple[Solution, bool]:
        """Return what is kept, or what `solve` returns: a solution, which may be the present one, and an answer."""
        name, self._asked = f"{self._name}, {self._asked}", self._asked + 1
        entry = self._file.find(name, *self._of)
        if entry is None:
            solution, answer = solve()
            if not time_is_up():  # else it might have become better
                beside: dict[str, Any] = {"answer": bool(answer), "degenerate": solution.degenerate}
                beside["race_bound"] = repr(solution.race_bound)
                result = None if solution is present else solution.result._replace(state=None)
                self._file.add(name, beside, result)
            return solution, answer
        values, of_run = entry
        answer = item(values, "answer", bool)
        if of_run is None:
            assert present is not None  # it was kept
            return present, answer
        return Solution(of_run, item(values, "degenerate", int), float(item(values, "race_bound", str))), answer


def name_on_all_rows(begin: MixtureParameters) -> str:
    """Return the name of the run that finishes a cell on all rows, from there: an ended search begins elsewhere."""
    digest = hashlib.blake2b(b"".join(part.tobytes() for part in begin.as_estimate()[:-1]), digest_size=8).hexdigest()
    return f"{begin.n_components} {begin.model.name} on all rows, from {digest}"


# What rows, numbers and sizes may lead to, in words; any other error is a fault of this package.
_REFUSALS = ValueError, ArithmeticError, MemoryError


class Failure(NamedTuple):
    """Why a cell has no solution."""

    error: Exception

    @property
    def is_fault(self) -> bool:
        """Whether the package failed, rather than refused."""
        return not isinstance(self.error, _REFUSALS) or isinstance(self.error, np.linalg.LinAlgError)

    def status(self, covariance_type: str) -> str:
        """Return the status of a cell of this type."""
        error, text = self.error, str(self.error)
        if isinstance(error, SingularMatrixError):
            text = str(ill_defined(error, covariance_model(covariance_type)))
        text = " ".join(text.split())
        return FAILED + (f"{type(error).__name__}: {text}".rstrip(": ") if self.is_fault or not text else text)

    def __str__(self) -> str:
        """Return a line for the log."""
        return f"failed: {self.error}"


class Clock:
    """The time limit of a search, in seconds from now; it does not end before there is a solution."""

    def __init__(self, seconds: float | None) -> None:
        self._end = None if seconds is None else time.perf_counter() + seconds
        self.has_solution = False

    def half(self) -> Clock:
        """Return a clock of half the time that is left."""
        return Clock(None if self._end is None else max(self._end - time.perf_counter(), 0.0) / 2)

    def is_up(self) -> bool:
        """Tell whether to begin nothing more."""
        return self.has_solution and self._end is not None and time.perf_counter() >= self._end


_OWN = 1 << 20  # number of a cell's first start of its own; those of contenders count from 0
_NEAR = 0.3  # standard deviations from the mean of the whole to that of each half: the likelihood hardly changes


Outcomes = dict[Key, Solution | Failure]
Diagnosed = tuple[Solution, ComponentDiagnostics]
Task = Callable[[Worker], Any]
Report = Callable[[Key, Solution | Failure], object]
Begin = Callable[[Key, Worker], Sequence[Start]]


class TaskPool:
    """Run tasks for cells, on several threads if there are several workers, and time them.

    `n_workers` cells are solved at a time, the passes of each on `n_threads`.
    """

    def __init__(self, rows: SearchRows, n_workers: int, n_threads: int | None, clock: Clock) -> None:
        self.clock = clock
        self._workers: SimpleQueue[Worker] = SimpleQueue()
        self._all = [Worker(rows, n_threads) for _ in range(n_workers)]
        for worker in self._all:
            self._workers.put(worker)
        self._pool = ThreadPoolExecutor(n_workers, thread_name_prefix="gmm-cell") if n_workers > 1 else None
        self._interrupted = False
        self.seconds: dict[Key, float] = {}

    @property
    def watch(self) -> Callable[[Iteration], None] | None:
        """A callback for each pass, which ends cells on other threads once this one is interrupted."""
        return None if self._pool is None else self._end_if_interrupted

    def __enter__(self) -> TaskPool:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown()
        for worker in self._all:
            worker.close()

    def __call__(
        self, tasks: Mapping[Key, Task], *, in_any_case: bool = False, report: Report | None = None
    ) -> dict[Key, Any]:
        """Return results in task order; tasks not started before the time limit are left out, or run `in_any_case`.

        `report` is called with each, in this order, once those before are there.
        """
        run, results = partial(self._run, in_any_case=in_any_case), dict[Key, Any]()

        def add(key: Key, result: Any, tried: bool) -> None:
            if tried:
                results[key] = result
                if report is not None:
                    report(key, result)

        if self._pool is None or len(tasks) == 1:
            for key, task in tasks.items():
                add(key, *run(key, task))
        else:
            try:
                futures = submitted(self._pool, run, tasks.items())
                for (key, task), future in zip_longest(tasks.items(), futures):
                    add(key, *(run(key, task) if future is None else result_of(future)))
            except BaseException:
                self._interrupted = True
                self._pool.shutdown(cancel_futures=True)
                raise
        return results

    def _run(self, key: Key, task: Task, *, in_any_case: bool) -> tuple[Any, bool]:
        if self.clock.is_up() and not in_any_case:
            return None, False
        worker, began = self._workers.get(), time.perf_counter()
        try:
            result = task(worker)
        except OSError:  # rows that cannot be read, or the end of an interrupted search
            raise
        except Exception as error:
            result = _failure(key, error)
        finally:
            self._workers.put(worker)
            self.seconds[key] = self.seconds.get(key, 0.0) + time.perf_counter() - began
        if isinstance(result, Solution):
            self.clock.has_solution = True
        return result, True

    def _end_if_interrupted(self, _: Iteration) -> None:
        if self._interrupted:
            raise InterruptedError


def workers_and_threads(
    rows: SearchRows, n_cells: int, most_components: int, n_threads: int | None
) -> tuple[int, int | None]:
    """Return how many of `n_cells` independent cells to solve at a time, and the number of threads for each."""
    usable = usable_threads() if n_threads is None else n_threads
    d = rows.all_rows.n_features
    work = rows.all_rows.n_rows * most_components * (d + 1) * (d + 2) / 2
    n_workers = min(usable, n_cells) if work > CELLS_WORTH_THREADS else 1
    return (1, n_threads) if n_workers == 1 else (n_workers, max(1, usable // n_workers))


class Engine:
    """A search over cells: which are solved when, and from what.

    Attributes
    ----------
    outcomes : dict of Key to Solution or Failure
    bar : Bar or None
        What cells have to come near, fixed for a stage; None finishes each.
    """

    def __init__(
        self, request: Request, rows: SearchRows, starts: Starts, pool: TaskPool, file: SearchCheckpoint | None
    ) -> None:
        self._request, self._rows, self._n_features = request, rows, rows.all_rows.n_features
        self._starts, self._tasks, self._file = starts, pool, file
        self._cells: dict[Key, Cell] = {}
        self.outcomes: Outcomes = {}
        self.bar: Bar | None = None
        self._diagnosed: dict[Key, Diagnosed] = {}
        self._served: dict[tuple[Key, Key], Solution] = {}
        self._refined: dict[Key, Solution] = {}

    def solve(self, keys: Sequence[Key], number: int, report: Report) -> None:
        """Fit one number of components by some models: from starts, from one component fewer, and from each other.

        The starts are those of the seed of this `number`; `report` is called with the first outcome of each.
        """
        self._diagnose(chain.from_iterable(map(self._less, keys)))
        first = partial(self._first, self._starts.of(keys[0].n_components, number), number)
        self._improve({key: partial(first, self._new_solutions(key, self._less(key))) for key in keys}, report)
        self._share(keys)
        self.unstick(keys)

    def grow(self, keys: Sequence[Key]) -> None:
        """Continue from solutions of one component fewer that are new."""
        self._continue_from({key: self._less(key) for key in keys})

    def shrink(self, keys: Sequence[Key]) -> None:
        """Continue from solutions of one component more."""
        self._continue_from({key: [key.beside(1, self._n_features)] for key in keys})

    def _continue_from(self, sources: Mapping[Key, Sequence[Key]]) -> None:
        self._diagnose(chain.from_iterable(sources.values()))
        self._improve_by(sources)
        self._share(list(sources))

    def exchange(self, keys: Sequence[Key]) -> None:
        """Start cells from each other's new solutions: of other models, and of one component more or fewer."""
        self._diagnose(keys)
        self._improve_by({key: [other for other in keys if other.is_next_to(key)] for key in keys})

    def _share(self, keys: Sequence[Key]) -> None:
        """Start cells of one number of components from each other's solutions, special cases first."""
        if keys[0].n_components == 1 or len(keys) == 1:
            return
        self._diagnose(keys)
        for tails in dict.fromkeys(key.tails for key in keys):
            models = tuple(key.model for key in keys if key.tails is tails)
            for level in levels(models):
                here = [key for key in keys if key.tails is tails and key.model in level]
                nearest = {key: [key._replace(model=model) for model in neighbours(key.model, models)] for key in here}
                self._improve_by(
                    {key: nearest[key] + [other for other in keys if other.has_other_tails(key)] for key in here}
                )
                self._diagnose(here)

    def _new_solutions(self, key: Key, sources: Iterable[Key]) -> list[Diagnosed]:
        """Return the sources' solutions from which a cell has not started yet."""
        news: list[Diagnosed] = []
        for source in sources:
            pair = self._diagnosed.get(source)
            if pair and pair[0] is self.outcomes[source] is not self._served.get((key, source)):
                self._served[key, source] = pair[0]
                news.append(pair)
        return news

    def _improve_by(self, sources: Mapping[Key, Iterable[Key]]) -> None:
        """Solve again the cells for which other cells, their sources, have new solutions."""
        news = {key: self._new_solutions(key, of_key) for key, of_key in sources.items()}
        self._improve({key: partial(self._beginning, of_key) for key, of_key in news.items() if of_key})

    def _first(
        self, shared: Sequence[Start], number: int, news: list[Diagnosed], key: Key, worker: Worker
    ) -> list[Start]:
        """Return starts that all models share, one of the cell's own, and those made from solutions of other cells."""
        begins = [*shared, *self._beginning(news, key, worker)]
        if key.n_components > 1:
            begins.append(self._starts.fresh(self._whole_cell(key).settings, _OWN + number, worker.n_threads))
        return begins

    def _beginning(self, news: Iterable[Diagnosed], key: Key, worker: Worker, *, offset: float = OFFSET) -> list[Start]:
        """Return starts made from solutions of other cells; halves of a component are at this offset."""
        begins: list[Start] = []
        for solution, diagnostics in news:
            more = key.n_components - solution.parameters.n_components
            if more > 0:
                begins += splits(diagnostics, as_model(solution.parameters, key.model), offset)
            elif more < 0:
                begins += drops(worker.sample(key.model.moments), diagnostics, solution.parameters)
            else:
                begins.append(of_other_model(solution.parameters, diagnostics.statistics, key.model))
        return begins

    def unstick(self, keys: Iterable[Key]) -> None:
        """Improve cells that are stuck: a cell whose model contains theirs as a special case has a higher likelihood.

        The cell starts from that mixture, as it is or with one component split by a little, and is then refined by
        split–merge.
        """
        for key in keys:
            below = self._below(key)
            for lower in below:
                if self._stuck(key, lower):
                    self._diagnose([lower])
                    if lower in self._diagnosed:  # there was time for the pass
                        self._improve({key: partial(self._beginning, [self._diagnosed[lower]], offset=_NEAR)})
            if any(self._stuck(key, lower) for lower in below):
                self.refine([key])

    def refine(self, keys: Iterable[Key]) -> None:
        """Improve cells without degenerate components by split–merge."""
        tasks: dict[Key, Task] = {}
        for key in keys:
            solution = self.outcomes[key]
            # Refining a solution again that no move improves would find the same.
            if isinstance(solution, Solution) and not solution.is_degenerate and self._refined.get(key) is not solution:
                tasks[key] = partial(self.cell(key).refined, solution=solution)
        results = self._tasks(tasks)
        self._keep(results)
        self._refined |= {key: result for key, result in results.items() if isinstance(result, Solution)}

    def cell(self, key: Key) -> Cell:
        """Return how a cell is solved; with a prior it is finished, whatever the others have."""
        cell = self._whole_cell(key)
        return cell if self.bar is None or cell.settings.objective.prior else replace(cell, bar=self.bar)

    def _whole_cell(self, key: Key) -> Cell:
        """Return how a cell is solved if it is finished, with what a file keeps of it."""
        if key not in self._cells:
            request, rows, memory = self._request, self._rows.all_rows, None
            settings = request.settings(key, rows)
            if self._file is not None:
                name = f"{key.n_components} {key.kind}"
                memory = KeptCell(self._file, name, settings.problem(rows), key.n_components)
            pool = self._tasks
            self._cells[key] = Cell(settings, self._rows, pool.watch, pool.clock.is_up, memory, judge=request.judge)
        return self._cells[key]

    def retry(self, tasks: Mapping[Key, Task]) -> dict[Key, Any]:
        """Run tasks that look for better solutions of cells; return what they found, without those that failed."""
        return {key: result for key, result in self._tasks(tasks).items() if not isinstance(result, Failure)}

    def renew(self, key: Key, solution: Solution) -> bool:
        """Keep a solution of a cell; return whether it is another one."""
        other = solution is not self.outcomes[key]
        self._keep({key: solution})
        return other

    def _improve(self, begins: Mapping[Key, Begin], report: Report | None = None) -> None:
        """Solve cells from new starts; a cell keeps its present solution unless a better one comes of them."""
        tasks: dict[Key, Task] = {}
        for key, begin in begins.items():
            outcome = self.outcomes.get(key)
            present = outcome if isinstance(outcome, Solution) else None
            tasks[key] = partial(self._solved, key, begin, present)
        self._keep(self._tasks(tasks, report=report))

    def _solved(self, key: Key, begin: Begin, present: Solution | None, worker: Worker) -> Solution:
        cell = self.cell(key)
        if present is not None and cell.is_settled:
            return present
        return cell.solved(worker, begin(key, worker), present)

    def _keep(self, results: Mapping[Key, Solution | Failure]) -> None:
        for key, result in results.items():
            before = self.outcomes.get(key)
            if isinstance(result, Solution) or not isinstance(before, Solution):
                self.outcomes[key] = result
                if result is not before:
                    LOGGER.info("search: components %d, %s  %s", key.n_components, key.kind, result)

    def _diagnose(self, keys: Iterable[Key]) -> None:
        """Make the pass that other cells need, over solutions that are new."""
        tasks: dict[Key, Task] = {}
        for key in keys:
            solution = self.outcomes.get(key)
            if isinstance(solution, Solution) and self._diagnosed.get(key, (None,))[0] is not solution:
                tasks[key] = partial(self._with_diagnostics, solution)
        results = self._tasks(tasks)
        self._diagnosed |= {key: result for key, result in results.items() if not isinstance(result, Failure)}

    def _with_diagnostics(self, solution: Solution, worker: Worker) -> Diagnosed:
        return solution, diagnosed(worker.sample(self._starts.moments), solution.parameters)

    def _less(self, key: Key) -> list[Key]:
        """Return the cell of one component fewer, if it was fitted."""
        less = [key.beside(-1, self._n_features)] if key.n_components > 1 else []
        return [other for other in less if other in self.outcomes]

    def _below(self, key: Key) -> list[Key]:
        """Return the fitted cells whose mixtures are all mixtures of this cell, or limits of them."""
        K, tails = key.n_components, key.tails
        models = [other.model for other in self.outcomes if other.n_components == K and other.tails is tails]
        return self._less(key) + [key._replace(model=model) for model in special_cases(key.model, models)]

    def _stuck(self, key: Key, lower: Key) -> bool:
        solution, below = self.outcomes.get(key), self.outcomes.get(lower)
        if not isinstance(solution, Solution) or not isinstance(below, Solution):
            return False
        settings = self._whole_cell(key).settings
        # With a prior, each cell has its own objective.
        comparable = not (solution.is_degenerate or below.is_degenerate or settings.objective.prior)
        return comparable and solution.lower_bound < below.lower_bound - settings.solver.tolerance


def _failure(key: Key, error: Exception) -> Failure:
    """Record why a task of a cell failed; a fault is told at once, as the cell may have a solution that hides it."""
    failure = Failure(error)
    if failure.is_fault:
        warn(
            f"A part of the search failed, {key.n_components} components of {key.model.name}: "
            f"{type(error).__name__}: {error}. The search goes on without it; please report this.",
            RuntimeWarning,
        )
    return failure

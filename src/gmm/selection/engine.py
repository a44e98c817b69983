"""The order of a search: components from few to many, and for each number the models in stages that share starts.

A stage is a list of tasks, one for each cell, none of which sees what another of its stage does: so it makes no
difference how many threads there are.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from queue import SimpleQueue
from typing import Any, NamedTuple

from gmm.em.e_step import ComponentDiagnostics
from gmm.em.solver import Iteration
from gmm.em.threads import CELLS_WORTH_THREADS, usable_threads
from gmm.fitting.fit import FitSettings, prior_of
from gmm.selection.candidates import Starts, as_model, diagnosed, drops, levels, neighbours, special_cases, splits
from gmm.selection.climbing import Cell, SearchRows, Solution, Worker
from gmm.values.covariance import CovarianceModel, same_as
from gmm.values.priors import NormalInverseWishart
from gmm.values.statistics import SufficientStatistics

_NEAR = 0.3  # standard deviations between the halves' means: so the likelihood is near that before a split


class Key(NamedTuple):
    """A cell that is fitted: every requested cell is one, or means the same as one."""

    n_components: int
    model: CovarianceModel


@dataclass(frozen=True)
class Failure:
    """Why a cell has no solution."""

    error: Exception


Found = dict[Key, Solution | Failure]
Task = Callable[[Worker], Any]
Begin = Callable[[Key, Worker], list[SufficientStatistics]]


class Clock:
    """Whether time is up; never before something is found.

    Parameters
    ----------
    seconds : float or None
        From now; None is for ever.
    """

    def __init__(self, seconds: float | None) -> None:
        self._end = None if seconds is None else time.perf_counter() + seconds
        self.found = False

    def is_up(self) -> bool:
        """Whether to begin nothing more."""
        return self.found and self._end is not None and time.perf_counter() >= self._end


class TaskPool:
    """Runs tasks for cells, on threads where that is worth it, and takes their times.

    Parameters
    ----------
    rows : SearchRows
    n_workers : int
        Cells at a time.
    n_threads : int or None
        Of one cell's passes.
    clock : Clock
    """

    def __init__(self, rows: SearchRows, n_workers: int, n_threads: int | None, clock: Clock) -> None:
        self._clock = clock
        self._workers: SimpleQueue[Worker] = SimpleQueue()
        self._all = [Worker(rows, n_threads) for _ in range(n_workers)]
        for worker in self._all:
            self._workers.put(worker)
        self._pool = ThreadPoolExecutor(n_workers, thread_name_prefix="gmm-cell") if n_workers > 1 else None
        self._interrupted = False
        self.seconds: dict[Key, float] = {}

    @property
    def watch(self) -> Callable[[Iteration], None] | None:
        """What to call after each pass, so that a cell on another thread ends when this one is interrupted."""
        return None if self._pool is None else self._end_if_interrupted

    def __enter__(self) -> TaskPool:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown()
        for worker in self._all:
            worker.close()

    def __call__(self, tasks: Mapping[Key, Task], *, in_any_case: bool = False) -> dict[Key, Any]:
        """What each task returns, in their order; without those for which there was no time, unless it is no matter."""
        run = partial(self._run, in_any_case=in_any_case)
        if self._pool is None or len(tasks) == 1:
            done = {key: run(key, task) for key, task in tasks.items()}
        else:
            futures = {key: self._pool.submit(run, key, task) for key, task in tasks.items()}
            try:
                done = {key: future.result() for key, future in futures.items()}
            except BaseException:
                self._interrupted = True
                self._pool.shutdown(wait=False, cancel_futures=True)
                wait([future for future in futures.values() if not future.cancelled()])
                raise
        return {key: result for key, (result, tried) in done.items() if tried}

    def _run(self, key: Key, task: Task, *, in_any_case: bool) -> tuple[Any, bool]:
        if self._clock.is_up() and not in_any_case:
            return None, False
        worker, began = self._workers.get(), time.perf_counter()
        try:
            result = task(worker)
        except (ValueError, ArithmeticError, MemoryError) as error:
            result = Failure(error)
        finally:
            self._workers.put(worker)
            self.seconds[key] = self.seconds.get(key, 0.0) + time.perf_counter() - began
        if isinstance(result, Solution):
            self._clock.found = True
        return result, True

    def _end_if_interrupted(self, _: Iteration) -> None:
        if self._interrupted:
            raise InterruptedError


def workers_and_threads(
    rows: SearchRows, n_cells: int, most_components: int, n_threads: int | None
) -> tuple[int, int | None]:
    """How many cells are climbed at a time, and on how many threads each: the one place that decides.

    Parameters
    ----------
    rows : SearchRows
    n_cells : int
        That do not depend on each other.
    most_components : int
    n_threads : int or None
    """
    usable = usable_threads() if n_threads is None else n_threads
    d = rows.all_rows.n_features
    work = rows.all_rows.n_rows * most_components * (d + 1) * (d + 2) / 2
    n_workers = min(usable, n_cells) if work > CELLS_WORTH_THREADS else 1
    return (1, n_threads) if n_workers == 1 else (n_workers, max(1, usable // n_workers))


class Cells:
    """The cells of a search, as they are climbed.

    Parameters
    ----------
    settings : FitSettings
        Of every cell, but for its components, its model and what its prior becomes by them.
    rows : SearchRows
    prior : NormalInverseWishart or str, optional
    watch : callable, optional
        Called after each pass; it may raise.
    time_is_up : callable
        Asked between the legs of a climb.
    """

    def __init__(
        self,
        settings: FitSettings,
        rows: SearchRows,
        prior: NormalInverseWishart | str | None,
        watch: Callable[[Iteration], object] | None,
        time_is_up: Callable[[], bool],
    ) -> None:
        self._settings = settings
        self._rows = rows
        self._told = watch, time_is_up
        self._known: dict[Key, Cell] = {}
        self.prior = prior
        self.tol = settings.tol
        self.n_features = rows.all_rows.n_features

    def __call__(self, key: Key) -> Cell:
        """The cell of this key."""
        if key not in self._known:
            K, model = key
            of_cell = None if self.prior is None else prior_of(self.prior, model, K, self._rows.all_rows, 1)
            settings = replace(self._settings, n_components=K, model=model, prior=of_cell)
            self._known[key] = Cell(settings, self._rows, *self._told)
        return self._known[key]


class Engine:
    """A search over cells.

    Parameters
    ----------
    cells : Cells
    starts : Starts
    pool : TaskPool
    """

    def __init__(self, cells: Cells, starts: Starts, pool: TaskPool) -> None:
        self._cells = cells
        self._starts = starts
        self._tasks = pool
        self.found: Found = {}
        self._looks: dict[Key, tuple[Solution, ComponentDiagnostics]] = {}
        self._served: dict[tuple[Key, Key], Solution] = {}
        self._refined: dict[Key, Solution] = {}

    def solve(self, keys: Sequence[Key]) -> None:
        """Fit one number of components by some models: from starts, from one component less, and from each other."""
        less = {key: self._less(key) for key in keys}
        self._looked(chain.from_iterable(less.values()))
        starts = self._starts.of(keys[0].n_components)
        self._improve({key: partial(self._beginning, starts, self._news(key, less[key])) for key in keys})
        self._share(keys)
        self.free(keys)

    def go_on(self, keys: Sequence[Key]) -> None:
        """Go on from what was found for one component less since."""
        self._go({key: self._less(key) for key in keys})

    def go_back(self, keys: Sequence[Key]) -> None:
        """Go on from what was found for one component more."""
        d = self._cells.n_features
        self._go({key: [Key(key.n_components + 1, same_as(key.model, key.n_components + 1, d))] for key in keys})

    def _go(self, sources: Mapping[Key, Sequence[Key]]) -> None:
        self._looked(chain.from_iterable(sources.values()))
        news = {key: self._news(key, of_key) for key, of_key in sources.items()}
        self._improve({key: partial(self._beginning, [], told) for key, told in news.items() if told})
        self._share(list(sources))

    def _share(self, keys: Sequence[Key]) -> None:
        """Let cells of one number of components begin from each other, the special cases first."""
        models = tuple(key.model for key in keys)
        if keys[0].n_components == 1 or len(models) == 1:
            return
        self._looked(keys)
        for level in levels(models):
            here = [Key(keys[0].n_components, model) for model in level]
            news = {
                key: self._news(key, [Key(key.n_components, m) for m in neighbours(key.model, models)]) for key in here
            }
            self._improve({key: partial(self._beginning, [], told) for key, told in news.items() if told})
            self._looked(here)

    def _news(self, key: Key, sources: Iterable[Key]) -> list[tuple[Solution, ComponentDiagnostics]]:
        """The sources' solutions from which a cell has not begun yet."""
        told: list[tuple[Solution, ComponentDiagnostics]] = []
        for source in sources:
            looked = self._looks.get(source)
            if looked is not None and looked[0] is self.found[source] is not self._served.get((key, source)):
                self._served[key, source] = looked[0]
                told.append(looked)
        return told

    def _beginning(
        self,
        starts: Sequence[SufficientStatistics],
        told: Iterable[tuple[Solution, ComponentDiagnostics]],
        key: Key,
        worker: Worker,
    ) -> list[SufficientStatistics]:
        """Starts, and what comes of solutions of other cells."""
        begins = list(starts)
        for solution, seen in told:
            more = key.n_components - solution.parameters.n_components
            if more > 0:
                begins += splits(seen, as_model(solution.parameters, key.model))
            elif more < 0:
                begins += drops(worker.sample(key.model.moments), seen, solution.parameters)
            else:
                begins.append(seen.statistics)
        return begins

    def free(self, keys: Iterable[Key]) -> None:
        """Go on from what is a mixture of a cell's model too, and higher, where there is such: cells are stuck there.

        Of one component less, split by a little; of a special case of the model, as it is; and then by split–merge.
        """
        for key in keys:
            below = self._below(key)
            for lower in below:
                if self._stuck(key, lower):
                    self._looked([lower])
                    if lower in self._looks:  # there was time to look
                        self._improve({key: partial(self._from_below, self._looks[lower])})
            if any(self._stuck(key, lower) for lower in below):
                self.refine([key])

    def refine(self, keys: Iterable[Key]) -> None:
        """Improve cells without spikes by split–merge."""
        tasks: dict[Key, Task] = {}
        for key in keys:
            solution = self.found[key]
            # To refine again what no move leads on from would find the same.
            if isinstance(solution, Solution) and not solution.is_degenerate and self._refined.get(key) is not solution:
                tasks[key] = partial(self._cells(key).refined, solution=solution)
        results = self._tasks(tasks)
        self._keep(results)
        self._refined |= {key: result for key, result in results.items() if isinstance(result, Solution)}

    def _improve(self, begins: Mapping[Key, Begin]) -> None:
        """Solve cells, each from where it may begin, unless all that comes of it is lower than what stands."""
        tasks: dict[Key, Task] = {}
        for key, begin in begins.items():
            found = self.found.get(key)
            standing = found if isinstance(found, Solution) else None
            tasks[key] = partial(_solved, self._cells(key), partial(begin, key), standing)
        self._keep(self._tasks(tasks))

    def _keep(self, results: Mapping[Key, Solution | Failure]) -> None:
        for key, result in results.items():
            if isinstance(result, Solution) or not isinstance(self.found.get(key), Solution):
                self.found[key] = result

    def _looked(self, keys: Iterable[Key]) -> None:
        """Look at solutions that were not looked at before."""
        tasks: dict[Key, Task] = {}
        for key in keys:
            solution = self.found.get(key)
            if isinstance(solution, Solution) and self._looks.get(key, (None,))[0] is not solution:
                tasks[key] = partial(self._seen, solution)
        self._looks |= {key: seen for key, seen in self._tasks(tasks).items() if not isinstance(seen, Failure)}

    def _seen(self, solution: Solution, worker: Worker) -> tuple[Solution, ComponentDiagnostics]:
        return solution, diagnosed(worker.sample(self._starts.moments), solution.parameters)

    def _less(self, key: Key) -> list[Key]:
        """The cell of one component less, if it was fitted."""
        K = key.n_components - 1
        less = Key(K, same_as(key.model, K, self._cells.n_features)) if K else key
        return [less] if K and less in self.found else []

    def _below(self, key: Key) -> list[Key]:
        """The cells whose every mixture is one of this cell's, or its limit."""
        models = [other.model for other in self.found if other.n_components == key.n_components]
        special = [Key(key.n_components, other) for other in special_cases(key.model, models)]
        return self._less(key) + special

    def _from_below(
        self, looked: tuple[Solution, ComponentDiagnostics], key: Key, worker: Worker
    ) -> list[SufficientStatistics]:
        lower, seen = looked
        if lower.parameters.n_components == key.n_components:
            return [seen.statistics]
        return splits(seen, as_model(lower.parameters, key.model), offset=_NEAR)

    def _stuck(self, key: Key, lower: Key) -> bool:
        solution, below = self.found.get(key), self.found.get(lower)
        if not isinstance(solution, Solution) or not isinstance(below, Solution):
            return False
        # A prior is another for each cell, and so is what is climbed.
        told = not (solution.is_degenerate or below.is_degenerate) and self._cells.prior is None
        return told and solution.lower_bound < below.lower_bound - self._cells.tol


def _solved(
    cell: Cell, begin: Callable[[Worker], list[SufficientStatistics]], standing: Solution | None, worker: Worker
) -> Solution:
    return cell.solved(worker, begin(worker), standing)

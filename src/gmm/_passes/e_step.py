"""The E-step: one pass over the rows, for statistics or for numbers of every row, and its threads."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing, suppress
from dataclasses import replace
from itertools import zip_longest
from types import TracebackType
from typing import Any, Literal, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from gmm import _em
from gmm._blas import blas_alone, single_threaded_blas
from gmm._em import SLICE
from gmm._kernel.mstep import MixtureFamily, cached_property, identity
from gmm._passes.solver import GainBelow
from gmm._rows.sources import LOOK_UP, ArraySource, Source, chunks_in_order
from gmm._values.layouts import SPHERICAL, TIED, Array, Layout
from gmm._values.parameters import Estimate, MixtureParameters
from gmm._values.statistics import SufficientStatistics
from gmm._values.whitened import WhitenedMixture

T = TypeVar("T")

# Multiply-adds. A pass with fewer stays on one thread: starting others costs more than it saves.
PASS_WORTH_THREADS = 1.2e7
# In one loop, sharing costs less: threads wait for the next pass without Python.
PASS_WORTH_SHARING = 2e6
# Replicates of a bootstrap run side by side if a pass of one is between these: with fewer they wait for each other in
# Python, with more each pass has threads of its own.
REPLICATES_WORTH_THREADS, REPLICATES_LEFT_TO_PASSES = 1e5, 2e7
# Multiply-adds in which a file's number is decoded, several times over.
READING = 500


def usable_threads() -> int:
    """Return how many cores this process may use, given its affinity and the limit set on BLAS."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    return int(min([cores, *single_threaded_blas.outside()]))


def iter_replicates(
    task: Callable[[int, int | None], T], seeds: Sequence[int], *, work: float, n_threads: int | None
) -> Generator[T, None, None]:
    """Yield ``task(seed, n_threads)`` for each seed in order, in parallel if passes of this work are worth it.

    Parameters
    ----------
    task : callable
        Accepts a seed and the number of threads for its passes.
    seeds : sequence of int
    work : float
        Multiply-adds of one pass.
    n_threads : int, optional
        None for all usable cores.
    """
    n_workers = n_threads or usable_threads()
    if n_workers == 1 or not REPLICATES_WORTH_THREADS < work < REPLICATES_LEFT_TO_PASSES:
        yield from (task(seed, n_threads) for seed in seeds)
        return
    pool = ThreadPoolExecutor(n_workers, thread_name_prefix="gmm")
    try:
        for seed, replicate in zip_longest(seeds, submit_all(pool, task, [(seed, 1) for seed in seeds])):
            yield task(seed, 1) if replicate is None else result_of(replicate)
    finally:
        pool.shutdown(cancel_futures=True)


def submit_all(
    pool: ThreadPoolExecutor, task: Callable[..., T], arguments: Iterable[tuple[Any, ...]]
) -> list[Future[T]]:
    """Submit a task with each of these arguments; if threads lack memory, submit and finish only the first ones."""
    futures: list[Future[T]] = []
    try:
        futures.extend(pool.submit(task, *each) for each in arguments)
    except RuntimeError:
        pool.shutdown()  # it would still start the task that it has no thread for, and now accepts no other
    return futures


def result_of(future: Future[T]) -> T:
    """Return or raise the outcome of a task once it has one; check for Ctrl-C meanwhile."""
    while not future.done():
        wait([future], LOOK_UP)
    return future.result()


Output = Literal[True] | NDArray[Any] | None


class RowResults(NamedTuple):
    """Numbers for every row; None where they were not requested.

    Parameters
    ----------
    labels : int array of shape (n,)
        The most probable component.
    log_evidence : array of shape (n,)
        log Σ_k ρ_ik, in nats, float64.
    responsibilities : array of shape (n, K)
        In the type of the rows.
    largest : array of shape (n,)
        The largest responsibility of each row, in the type of the rows.
    """

    labels: NDArray[np.intp] | None = None
    log_evidence: Array | None = None
    responsibilities: NDArray[Any] | None = None
    largest: NDArray[Any] | None = None

    @staticmethod
    def allocate(
        n: int,
        K: int,
        dtype: np.dtype[Any],
        labels: Output = None,
        log_evidence: Output = None,
        responsibilities: Output = None,
        largest: Output = None,
    ) -> RowResults:
        """Allocate numbers of n rows: True stands for a new array, and an array is used as it is."""
        return RowResults(
            np.empty(n, np.intp) if labels is True else labels,
            np.empty(n) if log_evidence is True else log_evidence,
            np.empty((n, K), dtype) if responsibilities is True else responsibilities,
            np.empty(n, dtype) if largest is True else largest,
        )

    def requested(self) -> dict[str, Output]:
        """Return the numbers that were requested, as arguments of `allocate`."""
        return {name: True for name, into in self._asdict().items() if into is not None}

    def put(self, index: slice | NDArray[np.intp], some: RowResults) -> None:
        """Store the numbers of some rows."""
        into: Any
        for into, values in zip(self, some, strict=True):
            if into is not None:
                into[index] = values


class Totals(NamedTuple):
    """Sums over rows, in nats.

    Parameters
    ----------
    log_likelihood : float
        Σ_i w_i log Σ_k ρ_ik.
    classification : float
        Σ_i w_i max_k log ρ_ik.
    entropy : float
        −Σ_i w_i Σ_k r_ik log r_ik.
    """

    log_likelihood: float
    classification: float
    entropy: float


class PassBatch(NamedTuple):
    """Results of consecutive passes.

    Parameters
    ----------
    bounds : list of float
        Mean log evidence of each pass.
    statistics : SufficientStatistics
        From the last pass.
    parameters : MixtureParameters
        The mixture that the last pass measured.
    before : tuple of MixtureParameters and array of shape (K,), optional
        The mixture and counts of the pass before, if there were several and the last one fell.
    """

    bounds: list[float]
    statistics: SufficientStatistics
    parameters: MixtureParameters
    before: tuple[MixtureParameters, Array] | None = None


class ComponentDiagnostics(NamedTuple):
    """Deviations of each component from a Gaussian, and the loss of the fit without it.

    Parameters
    ----------
    statistics : SufficientStatistics
        From the same pass.
    log_rest : array of shape (K,)
        Σ_i w_i log(1 − r_ik), in nats: the loss of dropping the component.
    powers : array of shape (3, K, d)
        Σ_i w_i r_ik y^p for p = 2, 3, 4, y the coordinates from the component's centre along its axes.
    """

    statistics: SufficientStatistics
    log_rest: Array
    powers: Array


_ROWS_AT_ONCE = 1 << 17  # in each result of `row_blocks`
_LARGEST_FALL = 1e-3  # of an objective by rounding near a singular covariance: the default `tol`
# Forms of a pass: −1 lets the pass choose; else bit 0 is the linear form, bit 1 float32 arithmetic.
_CHOOSE = -1
CENTRED_DOUBLE = 0


def _without_values(mixture: WhitenedMixture, dtype: np.dtype[Any]) -> RowResults:
    """Return the results of a row without a value, which follow from the weights of the mixture."""
    from gmm._values.completion import Completion

    weights = Completion.from_mixture(mixture, np.ones(mixture.centres.shape[1], dtype=bool)).observed
    log_weights, noise = weights.log_offset, weights.log_noise
    log_evidence = np.logaddexp.reduce([*log_weights, noise], keepdims=True)
    responsibilities = np.exp(log_weights - log_evidence)[None].astype(dtype)
    largest = np.exp(np.maximum(log_weights.max(), noise) - log_evidence).astype(dtype)
    labels = np.array([log_weights.argmax() if log_weights.max() >= noise else -1])
    return RowResults(labels, log_evidence, responsibilities, largest)


class EStep:
    """Passes over one source, with second moments in the layout `moments`.

    If the mixture has a component for each owner of the known classes, rows of a class belong to its components only.

    The object owns scratch memory and, if the work is worth it, a pool of threads for a fit. The result is bitwise the
    same for every `n_threads`.

    Parameters
    ----------
    source : Source
    moments : Layout
    n_threads : int, optional
        None for all usable cores.
    origin : array of shape (d,), optional
        Origin of the linear form; the rows' centre by default.
    form : int
        Form to use instead of the one that the pass would choose: see `gmm._em.Plan`.
    """

    def __init__(
        self,
        source: Source,
        moments: Layout,
        *,
        n_threads: int | None = None,
        origin: Array | None = None,
        form: int = _CHOOSE,
    ) -> None:
        self._source, survey = source, source.survey
        self._origin = survey.centre if origin is None else origin
        self._reach = survey.reach(self._origin)
        self._single = source.dtype == np.float32 and survey.suits_single
        self._moments = moments
        self._n_threads = n_threads
        self._form = form
        self._known = source.known
        self._scratches: list[_em.Scratch] = []
        self._pool: ThreadPoolExecutor | None = None
        self._total_scatter: Array | None = None
        self._tables: dict[Layout, list[_em.ObservedRows]] = {}

    __enter__ = identity

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown()

    def __call__(
        self, mixture: WhitenedMixture, *, hard: bool = False, given: Array | None = None
    ) -> SufficientStatistics:
        """Compute the sufficient statistics of the responsibilities under `mixture`.

        Parameters
        ----------
        mixture : WhitenedMixture
        hard : bool
            Assign every row to its most probable component (classification EM); ``log_evidence`` is then
            Σ_i w_i max_k log ρ_ik.
        given : array of shape (n, K), optional
            Use these responsibilities. Only the centres of `mixture` then matter, as origins, and there is no evidence.
        """
        return self.rounded(mixture, hard=hard, given=given)[0]

    def rounded(
        self, mixture: WhitenedMixture, *, hard: bool = False, given: Array | None = None
    ) -> tuple[SufficientStatistics, float]:
        """Return the statistics of a pass, and the relative rounding error of the mean log evidence.

        Given responsibilities are those of rows with imputed values.
        """
        if given is not None and self._source.patterns:
            with self._imputed() as complete:
                return complete.rounded(mixture, given=given)
        if mixture.layout is self._moments and not hard and given is None and (loop := self.resident) is not None:
            with blas_alone(loop.largest_product):
                measured = loop.measure(mixture, self.common_scatter)
            if measured is not None:
                return measured
        plan, scatter = self._plan_for_moments(mixture, hard=hard, given=given is not None)
        return self._collected(plan, scatter, given=given), plan.rounding

    def measure(self, parameters: MixtureParameters, family: MixtureFamily) -> SufficientStatistics:
        """Make a pass whose evidence includes the terms that the objective of `family` adds."""
        statistics = self(parameters.whitened())
        weights, means, _, whiteners, log_determinants, _ = parameters.as_estimate()
        term = family.parameter_term(weights, means, whiteners, log_determinants)
        return replace(statistics, log_evidence=statistics.log_evidence + term)

    def run_em(
        self,
        parameters: MixtureParameters,
        stopping: GainBelow,
        bounds: list[float],
        at_most: int,
        *,
        family: MixtureFamily,
        repair_empty: bool,
    ) -> PassBatch:
        """Make passes and updates in turn from `parameters`, as many as one compiled loop is worth.

        The loop makes a single pass if that takes long or if the rows are not in memory.
        It ends early after a pass that falls by more than `doubt` or whose update needs help; see `gmm._em.Loop`.

        Parameters
        ----------
        parameters : MixtureParameters
        stopping : GainBelow
        bounds : list of float
            Lower bounds of earlier passes.
        at_most : int
        family : MixtureFamily
            The mixtures to choose among, with ridge and prior.
        repair_empty : bool
            Whether the loop ends when a component loses its rows, so that it can be moved.
        """
        passed = None
        if (loop := self.resident) is not None:
            before = bounds[-1] if bounds else np.nan
            settings: Any = {"before": before, "tolerance": stopping.tolerance, "doubt": self.doubt}
            with blas_alone(max(loop.largest_product, family.work)):
                mixture, estimate = parameters.whitened(), parameters.as_estimate()
                rest = family, self, at_most
                passed = loop.run_em(mixture, estimate, *rest, repair_empty=repair_empty, **settings)
        if passed is None:
            statistics = self.measure(parameters, family)
            return PassBatch([statistics.mean_log_evidence], statistics, parameters)
        measured, statistics, last, fallen = passed

        def mixture_of(estimate: Estimate | None) -> MixtureParameters:
            return parameters.updated(estimate) if estimate else parameters

        earlier = None if fallen is None else (mixture_of(fallen[0]), fallen[1])
        return PassBatch(measured, statistics, mixture_of(last), earlier)

    @property
    def doubt(self) -> float:
        """Relative fall of the objective that rounding explains for any covariances."""
        return 1e-5 if self._single else 1e-9

    def slack(self, mixture: MixtureParameters, bound: float) -> float:
        """Return the fall of the objective that rounding explains, in nats per unit weight."""
        return self.doubt * (1 + abs(bound)) + min(float(mixture.rounding.max()), _LARGEST_FALL)

    def diagnostics(self, mixture: WhitenedMixture, axes: Array) -> ComponentDiagnostics:
        """Make a pass that also measures how far the components are from Gaussian, in float64.

        Parameters
        ----------
        mixture : WhitenedMixture
            A mixture of at least two components.
        axes : array in the shape of the mixture's whiteners
            One row for each axis: coordinates are its products with x − c_k. If the axes are the features', one number
            for each feature, or for all.
        """
        if self._source.patterns:  # the result only orders the moves
            with self._imputed() as complete:
                return complete.diagnostics(mixture, axes)._replace(statistics=self(mixture))
        plan, scatter = self._plan_for_moments(mixture, axes=axes)
        with blas_alone(plan.largest_product):
            sums = self._sums(plan)
            statistics = plan.collect(sums, scatter)
        K, d = statistics.first.shape
        log_rest, powers = np.split(sums[-2 - K - 3 * K * d : -2], [K])
        powers = np.ascontiguousarray(powers.reshape(K, 3, d).transpose(1, 0, 2))
        return ComponentDiagnostics(statistics, log_rest, powers)

    def totals(self, mixture: WhitenedMixture) -> Totals:
        """Compute the sums that criteria need, by one pass."""
        plan = self.plan(mixture, totals=True)
        with blas_alone(plan.largest_product):
            classification, entropy, log_likelihood, _ = self._sums(plan).tolist()
        return Totals(log_likelihood, classification, entropy)

    def rows(self, mixture: WhitenedMixture, **wanted: Output) -> RowResults:
        """Compute numbers for every row, requested as arguments of `RowResults.allocate`."""
        plan = self.plan(mixture, rows_only=True)
        results = RowResults.allocate(self._source.n_rows, mixture.n_components, self._source.dtype, **wanted)
        if self._source.patterns:
            for window, some in self._windows(plan, mixture, results.requested()):
                results.put(slice(window.chunk.first, window.chunk.first + len(window.order)), some)
            return results
        with blas_alone(plan.largest_product):
            self._run(plan, **results._asdict())
        return results

    def row_blocks(self, mixture: WhitenedMixture, **wanted: Output) -> Iterator[tuple[int, RowResults]]:
        """Yield the index of the first of consecutive rows, and their numbers, with the same bits as by `rows`."""
        plan = self.plan(mixture, rows_only=True)
        if self._source.patterns:
            yield from ((window.chunk.first, some) for window, some in self._windows(plan, mixture, wanted))
            return
        scratches = self.scratches(plan, self._source.n_rows)
        step = plan.lane_rows * max(1, _ROWS_AT_ONCE // plan.lane_rows)
        with closing(chunks_in_order(self._source, plan.lane_rows)) as chunks:
            for chunk in chunks:
                for part in chunk._replace(sample_weight=None).pieces(step):
                    results = RowResults.allocate(len(part.rows), mixture.n_components, self._source.dtype, **wanted)
                    with blas_alone(plan.largest_product):
                        settings: Any = results._asdict() | {"first_lane": part.first // plan.lane_rows}
                        self.walk(plan, scratches, _em.RowTable(part.rows, **settings))
                    yield part.first, results

    def _windows(
        self, plan: _em.Plan, mixture: WhitenedMixture, wanted: dict[str, Output]
    ) -> Iterator[tuple[Any, RowResults]]:
        """Yield the windows of rows that have patterns, and the numbers for each row."""
        source: Any = self._source
        K, dtype, scratches = mixture.n_components, source.dtype, self.scratches(plan, source.n_rows)
        for window in source.windows():
            results = RowResults.allocate(len(window.order), K, dtype, **wanted)
            has_values = ~window.missing.all(axis=1)
            if has_values.any():
                positions = window.rows_of(has_values)
                some = RowResults.allocate(len(positions), K, dtype, **results.requested())
                table = self._table_of(window, has_values, plan.of_patterns, **some._asdict())
                with blas_alone(plan.largest_product):
                    self.walk(plan, scratches, table)
                results.put(positions, some)
            if not has_values.all():
                results.put(window.rows_of(~has_values), _without_values(mixture, dtype))
            yield window, results

    def plan(
        self, mixture: WhitenedMixture, *, form: int | None = None, axes: Array | None = None, **kwargs: Any
    ) -> _em.Plan:
        """Prepare a pass; one that adds up no moments ignores the weights of rows."""
        if self._source.patterns:
            errors, adds_moments = self._source.errors, not (kwargs.get("rows_only") or kwargs.get("totals"))
            mixture = mixture.stored_in(self._moments) if adds_moments and not errors else mixture.to_dense()
            of_patterns = errors.layout(self._moments) if errors else mixture.layout
            kwargs |= {"of_patterns": of_patterns, "with_errors": bool(errors)}
        single = self._single or bool(kwargs.get("rows_only") and self._source.dtype == np.float32)
        return _em.Plan(
            mixture,
            self._moments,
            self._origin,
            self._reach,
            single=single and axes is None,
            form=self._form if form is None else form,
            axes=axes,
            allowed=self._known.table(len(mixture.log_offset)),
            **kwargs,
        )

    def _table_of(self, window: Any, some: NDArray[np.bool_], layout: Layout, **kwargs: Any) -> _em.ObservedRows:
        """Return the rows of some patterns of a window, for passes in a layout."""
        source: Any = self._source
        return source.observed_rows(window, some, layout, self._origin, self._reach, **kwargs)

    def _imputed(self) -> EStep:
        """Open passes over the rows with imputed values."""
        return EStep(self._source.without_gaps, self._moments, n_threads=self._n_threads, origin=self._origin)

    def _plan_for_moments(
        self, mixture: WhitenedMixture, *, axes: Array | None = None, **kwargs: bool
    ) -> tuple[_em.Plan, Array | None]:
        """Return the plan of a pass for moments, and the scatter of the rows if the pass needs it."""
        pooled = mixture.layout is TIED and self._moments is TIED and not self._source.patterns
        plan = self.plan(mixture, common_scatter=pooled, axes=axes, **kwargs)
        return plan, self.common_scatter() if plan.common_scatter else None

    @cached_property
    def resident(self) -> _em.Loop | None:
        """The compiled loop of passes, if the rows are in memory.

        Each call gets the scatter of the rows: a loop that stored it would form a reference cycle with this `EStep`,
        and rows would stay in memory until the garbage collector runs.
        """
        if self._source.patterns:
            if self._source.storage != "memory":
                return None
            tables = list(self._tables_of_patterns(self._source.errors.layout(self._moments)))
            return self.loop_over(tables[0], SLICE) if len(tables) == 1 else None
        if not isinstance(rows := self._source, ArraySource):
            return None
        table = _em.RowTable(rows.rows, rows.sample_weight, self._known.codes if self._known else None)
        return self.loop_over(table, SLICE if self._n_threads == 1 else PASS_WORTH_THREADS)

    def loop_over(self, table: _em.RowTable | _em.ObservedRows, pass_limit: float) -> _em.Loop:
        """Return the loop over rows; passes above `pass_limit` multiply-adds are made one at a time."""
        return _em.Loop(
            table,
            self._moments,
            self._origin,
            self._reach,
            single=self._single,
            form=self._form,
            allowed=self._known.table if self._known else None,
            pass_limit=pass_limit,
            share_limit=PASS_WORTH_SHARING,
            call_limit=SLICE,
            update_limit=PASS_WORTH_THREADS,
        )

    def common_scatter(self) -> Array:
        """Return the rows' scatter about their centre, from which pooled second moments follow."""
        if self._total_scatter is None:
            self._total_scatter = self.single_component_statistics().second
        return self._total_scatter

    def single_component_statistics(self) -> SufficientStatistics:
        """Return the statistics of all rows as one component, about the origin."""
        if (loop := self.resident) is not None:
            with blas_alone(loop.largest_product):
                if (measured := loop.of_one()) is not None:
                    return measured
        one = WhitenedMixture(SPHERICAL, np.zeros(1), self._origin[None], np.ones(1))
        return self._collected(self.plan(one, form=CENTRED_DOUBLE, hard=True))

    def _collected(
        self, plan: _em.Plan, scatter: Array | None = None, **arrays: NDArray[Any] | None
    ) -> SufficientStatistics:
        """Return the statistics of a pass over all rows; raise if remote rows have changed."""
        with blas_alone(plan.largest_product):
            statistics = plan.collect(self._sums(plan, **arrays), scatter)
        if self._source.storage == "remote":  # others may change them
            partitions: Any = self._source
            partitions.check_unchanged(statistics)
        return statistics

    def _sums(self, plan: _em.Plan, **arrays: NDArray[Any] | None) -> Array:
        """Return the sums of a pass over all rows, on the cluster for remote rows."""
        source: Any = self._source
        return source.summed(plan) if source.storage == "remote" else plan.sums(self._run(plan, **arrays))

    def _run(self, plan: _em.Plan, **arrays: Any) -> _em.Scratch:
        """Process all rows; return the scratch with the sums."""
        scratches = self.scratches(plan, self._source.n_rows)
        arrays["code"] = self._known.codes if plan.classified else None
        if self._source.patterns:
            for table in self._tables_of_patterns(plan.of_patterns):
                self.walk(plan, scratches, table)
            return scratches[0]
        with closing(chunks_in_order(self._source, plan.lane_rows)) as chunks:
            for chunk in chunks:
                index = slice(chunk.first, chunk.first + len(chunk.rows))
                settings: Any = {"first_lane": chunk.first // plan.lane_rows, "weight": chunk.sample_weight}
                settings |= {name: array[index] for name, array in arrays.items() if array is not None}
                self.walk(plan, scratches, _em.RowTable(chunk.rows, **settings))
        return scratches[0]

    def _tables_of_patterns(self, layout: Layout) -> Iterator[_em.ObservedRows]:
        """Yield the rows of positive weight, window by window; the tables of rows in memory are cached."""
        source: Any = self._source
        if source.storage == "memory" and layout in self._tables:
            yield from self._tables[layout]
            return
        first, tables = 0, []
        for window in source.windows():
            if not (weighs := window.weights > 0).any():
                continue
            settings: Any = {"with_scatter": layout is TIED, "first_lane": first}
            table = self._table_of(window, weighs, layout, **settings)
            first += table.n_lanes
            if source.storage == "memory":
                tables.append(table)
            yield table
        if source.storage == "memory":
            self._tables[layout] = tables

    def walk(self, plan: _em.Plan, scratches: list[_em.Scratch], table: _em.RowTable | _em.ObservedRows) -> None:
        """Process the lanes of a table, a consecutive share in each worker; the first scratch gets all sums."""
        n_lanes, n_workers = plan.n_lanes(table), len(scratches)
        if n_workers == 1:
            plan.walk(scratches[0], table, 0, n_lanes)
            return

        def walk(worker: int, start: int, end: int) -> None:
            plan.walk(scratches[worker], table, start, end)

        self._side_by_side(walk, n_lanes, plan.work, n_workers)
        plan.join(scratches)

    def share_out(self, task: Callable[[int, int], None], n: int, work: float, product: float | None = None) -> None:
        """Run ``task(start, end)`` over all of 0 … n − 1, in threads if `work`, in multiply-adds, is worth them.

        `product` is the work of the largest call of BLAS, if that is less.
        """
        with blas_alone(work if product is None else product):
            self._side_by_side(lambda _, start, end: task(start, end), n, work / n, self._n_workers(n, work / n))

    def _n_workers(self, n_tasks: int, work: float) -> int:
        if n_tasks == 1 or n_tasks * work < PASS_WORTH_THREADS:
            return 1
        return 1 + self.n_other_threads(n_tasks)

    def n_other_threads(self, n_tasks: int) -> int:
        """Return the number of threads for so many tasks, without this one."""
        if self._n_threads is None:
            self._n_threads = usable_threads()
        return min(self._n_threads, n_tasks) - 1

    def start_in_threads(self, task: Callable[[int], None], n: int) -> list[Future[None]]:
        """Start ``task(0) … task(n − 1)`` in threads, or only the first ones if there is no memory for more."""
        futures: list[Future[None]] = []
        with suppress(RuntimeError):  # `submit_all` would wait for tasks that wait for the caller
            futures.extend(self._threads(n).submit(task, i) for i in range(n))
        return futures

    @staticmethod
    def wait_for(futures: list[Future[None]]) -> None:
        """Wait for the tasks of `start_in_threads`."""
        for future in futures:
            result_of(future)

    def _threads(self, n: int) -> ThreadPoolExecutor:
        if self._pool is None:
            # The pool is sized for the largest request; threads start on demand.
            self._pool = ThreadPoolExecutor((self._n_threads or n + 1) - 1, thread_name_prefix="gmm")
        return self._pool

    def scratches(self, plan: _em.Plan, n_rows: int) -> list[_em.Scratch]:
        """Return prepared scratch for each worker of a pass over so many rows."""
        n_workers = self._n_workers(-(-n_rows // plan.lane_rows), plan.work)
        # Where rows are read ahead, the reader is a thread as well.
        if self._source.reads_ahead and plan.work < n_workers * READING * plan.lane_rows * self._source.n_features:
            n_workers = max(1, n_workers - 1)
        while len(self._scratches) < n_workers:
            self._scratches.append(_em.Scratch())
        scratches = self._scratches[:n_workers]
        for scratch in scratches:
            plan.start(scratch, n_rows)
        return scratches

    def _side_by_side(self, task: Callable[[int, int, int], None], n: int, work: float, n_workers: int) -> None:
        """Run ``task(worker, start, end)`` over all of 0 … n − 1, each of so much `work`, in this thread and others.

        Each worker has a consecutive share, in short steps. After an exception no thread goes on.
        """
        waiting, is_stopped = deque(range(n_workers)), False
        step = max(1, int(SLICE / work))

        def share() -> None:
            while not is_stopped:
                try:
                    worker = waiting.popleft()
                except IndexError:
                    return
                last = n * (worker + 1) // n_workers
                for start in range(n * worker // n_workers, last, step):
                    if is_stopped:
                        return
                    task(worker, start, min(start + step, last))

        if n_workers == 1:
            share()
            return
        pool = self._threads(n_workers - 1)
        try:
            others = submit_all(pool, share, [()] * (n_workers - 1))
            share()
            for other in others:
                result_of(other)
        except BaseException:
            is_stopped = True  # an interrupted start leaves a running thread for which no pool waits
            pool.shutdown(cancel_futures=True)
            self._pool = None
            raise

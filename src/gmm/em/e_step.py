"""The E-step: one pass over a source, from a whitened mixture to sufficient statistics or to numbers for every row."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmm import _em
from gmm._kernel.mstep import Ascent, MixtureFamily
from gmm.em.stopping import GainBelow, Stopping
from gmm.em.threads import single_threaded_blas, usable_threads
from gmm.rows.sources import ArraySource
from gmm.values.layouts import SPHERICAL, TIED, Array, Layout
from gmm.values.parameters import MixtureParameters
from gmm.values.statistics import SufficientStatistics
from gmm.values.whitened import WhitenedMixture

# Multiply-adds below which starting threads costs more than it saves.
_WORTH_THREADS = 2e6
# Multiply-adds between two looks at Ctrl-C: some tens of milliseconds.
_SLICE = 2e8
# Multiply-adds up to which OpenBLAS stays on the calling thread by itself.
_BLAS_STAYS_SINGLE = 2e5
# Forms of a pass: −1 lets it choose; else bit 0 is the linear form, bit 1 float32 arithmetic.
_CHOOSE = -1
CENTRED_DOUBLE = 0


@dataclass(frozen=True, eq=False)
class RowResults:
    """What a pass found for every row; None where it was not asked for.

    Parameters
    ----------
    labels : int array of shape (n,)
        The likeliest component.
    log_evidence : array of shape (n,)
        log Σ_k ρ_ik, in nats, float64.
    responsibilities : array of shape (n, K)
        In the type of the rows.
    """

    labels: NDArray[np.intp] | None = None
    log_evidence: Array | None = None
    responsibilities: NDArray[Any] | None = None


@dataclass(frozen=True, eq=False)
class Burst:
    """Passes in a row.

    Parameters
    ----------
    bounds : list of float
        The mean log evidence of each.
    statistics : SufficientStatistics
        Of the last one.
    estimate : tuple of arrays or None
        What the last one measured, as `gmm._kernel.mstep.Update` returns it; None where that is the mixture given.
    """

    bounds: list[float]
    statistics: SufficientStatistics
    estimate: tuple[Array, Array, Array, Array, Array] | None


@dataclass(frozen=True, eq=False)
class Shapes:
    """How far from Gaussian each component is, and what it is there for.

    Parameters
    ----------
    statistics : SufficientStatistics
        Of the same pass.
    log_rest : array of shape (K,)
        Σ_i w_i log(1 − r_ik), in nats: what its rows lose without the component.
    powers : array of shape (3, K, d)
        Σ_i w_i r_ik y^p for p = 2, 3, 4, y the coordinates from the component's centre along its axes.
    """

    statistics: SufficientStatistics
    log_rest: Array
    powers: Array


@dataclass(frozen=True, eq=False)
class Partition:
    """Where k-means stands.

    Parameters
    ----------
    centres : array of shape (K, d)
    spread : float
        Of the rows about their centres in one feature, so that a pass knows how exact it has to be.
    total : float
        Σ w ‖x − mean‖² of all rows about one centre.
    inertia : float
        Σ w ‖x − c‖² over the pass before; infinite if there was none.
    """

    centres: Array
    spread: float
    total: float
    inertia: float = float("inf")


def _blas_alone(largest_product: float) -> AbstractContextManager[None]:
    """BLAS held to one thread, where it would take more by itself for so many multiply-adds."""
    return single_threaded_blas() if largest_product > _BLAS_STAYS_SINGLE else nullcontext()


class EStep:
    """Passes over one source, adding up the second moments in the layout `moments`.

    Holds what lives as long as a fit: scratch memory and, where the work is worth it, a pool of threads. The result is
    bitwise the same for every `n_threads`.

    Parameters
    ----------
    source : ArraySource
    moments : Layout
    n_threads : int, optional
        None for all usable cores.
    origin : array of shape (d,), optional
        Where the linear form stands; the rows' centre by default.
    form : int
        A form to use instead of the one that the pass would choose: see `gmm._em.Pass`.
    """

    def __init__(
        self,
        source: ArraySource,
        moments: Layout,
        *,
        n_threads: int | None = None,
        origin: Array | None = None,
        form: int = _CHOOSE,
    ) -> None:
        self._source = source
        self._origin = source.survey.centre if origin is None else origin
        self._reach = source.survey.reach(self._origin)
        self._single = source.single
        self._moments = moments
        self._n_threads = n_threads
        self._form = form
        self._scratches: list[_em.Scratch] = []
        self._pool: ThreadPoolExecutor | None = None
        self._stopped = False  # for workers to see, when another has failed
        self._total_scatter: Array | None = None

    def __enter__(self) -> EStep:
        return self

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
        """The statistics of the responsibilities under `mixture`.

        Parameters
        ----------
        mixture : WhitenedMixture
        hard : bool
            Give every row to its likeliest component (classification EM); ``log_evidence`` is then
            Σ_i w_i max_k log ρ_ik.
        given : array of shape (n, K), optional
            Take these responsibilities; of `mixture` only the centres matter, as origins, and nothing is measured.
        """
        one_pass, scatter = self._plan_for_moments(mixture, hard=hard, given=given is not None)
        with _blas_alone(one_pass.largest_product):
            return self.statistics(*one_pass.collect(self._run(one_pass, given=given), scatter))

    def burst(
        self,
        parameters: MixtureParameters,
        stopping: Stopping,
        bounds: list[float],
        at_most: int,
        *,
        family: MixtureFamily,
        refills: bool,
    ) -> Burst:
        """Passes from `parameters` on, each after the update by the one before, as many as are worth a compiled loop.

        That is one where its work is worth threads or `stopping` is not known to the loop, and the last is one after
        which an update needs help: see `gmm._em.Pass.climb`.

        Parameters
        ----------
        parameters : MixtureParameters
        stopping : Stopping
        bounds : list of float
            What earlier passes measured.
        at_most : int
        family : MixtureFamily
            What updates choose among and maximise.
        refills : bool
            Whether the loop ends for components without rows, to give them a new place.
        """
        one_pass, scatter = self._plan_for_moments(parameters.whitened())
        with _blas_alone(max(one_pass.largest_product, family.work)):
            used = self._run(one_pass)
            measured, moments, estimate = one_pass.climb(
                used,
                self._source.rows,
                self._source.sample_weight,
                scatter,
                min(at_most, self._worth_a_loop(one_pass, len(used), family.work))
                if isinstance(stopping, GainBelow)
                else 1,
                family,
                np.ascontiguousarray(parameters.means),
                np.ravel(parameters.covariances),
                parameters.log_determinants,
                bounds[-1] if bounds else np.nan,
                stopping.tolerance if isinstance(stopping, GainBelow) else np.nan,
                refills,
            )
        return Burst(measured, self.statistics(*moments), estimate)

    def ascend(self, ascent: Ascent, at_most: int, *, refills: bool) -> list[tuple[float, float, float, bool]]:
        """Passes between which `ascent` chooses the next mixture, as many as are worth a compiled loop.

        Parameters
        ----------
        ascent : Ascent
            Of mixtures in the layout of the moments.
        at_most : int
        refills : bool
            Whether the loop ends for components without rows, to give them a new place.

        Returns
        -------
        list of tuple
            For each pass what `gmm._em.Pass.ascend` tells of it.
        """
        source, moments = self._source, self._moments
        # What `_plan` does: a climb has many such bursts, and most of them are short.
        one_pass = _em.Pass(
            *ascent.next(),
            moments.code,
            self._origin,
            self._reach,
            self._single,
            common_scatter=moments is TIED,
            form=self._form,
        )
        scatter = self._common_scatter() if one_pass.common_scatter else None
        work = ascent.work
        with _blas_alone(max(one_pass.largest_product, work)):
            used = self._run(one_pass)
            at_most = min(at_most, self._worth_a_loop(one_pass, len(used), work))
            return one_pass.ascend(used, source.rows, source.sample_weight, scatter, at_most, ascent, refills)

    def lloyd(self, partition: Partition, least_gain: float, at_most: int) -> tuple[Partition, int, bool]:
        """Passes of k-means (Lloyd 1982) from a partition on, as many as are worth a compiled loop.

        Returns
        -------
        partition : Partition
        passes : int
        ended : bool
            Whether the last one gained less than a `least_gain` of what the partition explains: total − inertia.
        """
        K = len(partition.centres)
        mixture = WhitenedMixture(SPHERICAL, np.zeros(K), partition.centres, np.full(K, 1 / partition.spread))
        one_pass = self._plan(mixture, hard=True)
        with _blas_alone(one_pass.largest_product):
            used = self._run(one_pass)
            passes, ended, centres, spread, inertia = one_pass.lloyd(
                used,
                self._source.rows,
                self._source.sample_weight,
                min(at_most, self._worth_a_loop(one_pass, len(used), 0.0)),
                partition.centres,
                partition.spread,
                partition.inertia,
                partition.total,
                least_gain,
            )
        return Partition(centres, spread, partition.total, inertia), passes, ended

    def shapes(self, mixture: WhitenedMixture, axes: Array) -> Shapes:
        """A pass that also tells the components' shapes, in float64.

        Parameters
        ----------
        mixture : WhitenedMixture
            Of two components at least.
        axes : array in the shape of the mixture's whiteners
            A row for each: coordinates are its products with x − c_k. A number for each feature, or for all, where the
            axes are the features'.
        """
        one_pass, scatter = self._plan_for_moments(mixture, axes=np.ravel(axes))
        with _blas_alone(one_pass.largest_product):
            scratches = self._run(one_pass)
            statistics = self.statistics(*one_pass.collect(scratches, scatter))
            log_rest, powers = one_pass.shapes(scratches)
        return Shapes(statistics, log_rest, np.ascontiguousarray(powers.transpose(1, 0, 2)))

    def rows(
        self,
        mixture: WhitenedMixture,
        *,
        labels: bool = False,
        log_evidence: bool = False,
        responsibilities: bool = False,
    ) -> RowResults:
        """What `mixture` says of every row."""
        n, K = self._source.n_rows, mixture.n_components
        results = RowResults(
            np.empty(n, dtype=np.intp) if labels else None,
            np.empty(n) if log_evidence else None,
            np.empty((n, K), dtype=self._source.dtype) if responsibilities else None,
        )
        one_pass = self._plan(mixture, rows_only=True)
        with _blas_alone(one_pass.largest_product):
            self._run(
                one_pass,
                label=results.labels,
                log_evidence=results.log_evidence,
                responsibility=results.responsibilities,
            )
        return results

    def _plan(
        self, mixture: WhitenedMixture, *, form: int | None = None, axes: Array | None = None, **how: bool
    ) -> _em.Pass:
        return _em.Pass(
            mixture.log_offset,
            np.ascontiguousarray(mixture.centres),
            np.ravel(mixture.whiteners),
            mixture.layout.code,
            self._moments.code,
            self._origin,
            self._reach,
            self._single and axes is None,
            form=self._form if form is None else form,
            axes=axes,
            **how,
        )

    def _plan_for_moments(
        self, mixture: WhitenedMixture, *, axes: Array | None = None, **how: bool
    ) -> tuple[_em.Pass, Array | None]:
        """A pass that adds up moments, and the rows' scatter where it needs that."""
        pooled = mixture.layout is TIED and self._moments is TIED
        one_pass = self._plan(mixture, common_scatter=pooled, axes=axes, **how)
        return one_pass, self._common_scatter() if one_pass.common_scatter else None

    def statistics(
        self, origins: Array, counts: Array, first: Array, second: Array, log_evidence: float, weight: float
    ) -> SufficientStatistics:
        """Compiled moments, `second` flat, as the value they are."""
        second = second.reshape(self._moments.shape(*origins.shape))
        return SufficientStatistics(self._moments, origins, counts, first, second, log_evidence, weight)

    def _worth_a_loop(self, one_pass: _em.Pass, n_workers: int, update_work: float) -> int:
        """How many passes one call may walk, the first of which `n_workers` did."""
        if n_workers > 1 or update_work > _WORTH_THREADS:
            return 1
        return 1 + int(_SLICE / (self._n_lanes(one_pass) * one_pass.work + update_work))

    def _n_lanes(self, one_pass: _em.Pass) -> int:
        return -(-self._source.n_rows // one_pass.lane_rows)

    def _common_scatter(self) -> Array:
        """The rows' scatter about their centre, which pooled second moments never change from."""
        if self._total_scatter is None:
            d = self._source.n_features
            one = WhitenedMixture(TIED, np.zeros(1), self._origin[None], np.eye(d))
            one_pass = self._plan(one, form=CENTRED_DOUBLE)
            with _blas_alone(one_pass.largest_product):
                self._total_scatter = one_pass.collect(self._run(one_pass))[3].reshape(d, d)
        return self._total_scatter

    def _run(self, one_pass: _em.Pass, **outputs: NDArray[Any] | None) -> list[_em.Scratch]:
        """Walk all lanes, each worker a consecutive share, and return the scratches in order."""
        n_lanes = self._n_lanes(one_pass)
        n_workers = self._n_workers(n_lanes, one_pass.work)
        scratches = self._prepared_scratches(one_pass, n_workers)
        step = max(1, int(_SLICE / one_pass.work))
        source = self._source

        def walk(worker: int) -> None:
            last = n_lanes * (worker + 1) // n_workers
            for lane in range(n_lanes * worker // n_workers, last, step):
                if self._stopped:
                    return
                to = min(lane + step, last)
                one_pass.walk(scratches[worker], source.rows, lane, to, weight=source.sample_weight, **outputs)

        self._spread(walk, n_workers)
        return scratches

    def spread(self, task: Callable[[int, int], None], n: int, work: float) -> None:
        """Run ``task(start, end)`` over all of 0 … n − 1, in threads where `work`, multiply-adds, is worth them."""
        n_workers = self._n_workers(n, work / n)
        step = max(1, int(_SLICE * n / work))

        def share(worker: int) -> None:
            last = n * (worker + 1) // n_workers
            for start in range(n * worker // n_workers, last, step):
                task(start, min(start + step, last))

        with _blas_alone(work):
            self._spread(share, n_workers)

    def _n_workers(self, n_tasks: int, work: float) -> int:
        if n_tasks == 1 or self._n_threads == 1 or n_tasks * work < _WORTH_THREADS:
            return 1
        if self._n_threads is None:
            self._n_threads = usable_threads()
        return min(self._n_threads, n_tasks)

    def _prepared_scratches(self, one_pass: _em.Pass, n_workers: int) -> list[_em.Scratch]:
        while len(self._scratches) < n_workers:
            self._scratches.append(_em.Scratch())
        for scratch in self._scratches[:n_workers]:
            one_pass.begin(scratch, self._source.n_rows)
        return self._scratches[:n_workers]

    def _spread(self, walk: Callable[[int], None], n_workers: int) -> None:
        """Run ``walk(0) … walk(n_workers − 1)``, the first here; leave no thread running on an exception."""
        if n_workers == 1:
            walk(0)
            return
        if self._pool is None:
            # Room for all, whoever comes first: threads start when there is work for them.
            self._pool = ThreadPoolExecutor((self._n_threads or n_workers) - 1, thread_name_prefix="gmm")
        others = [self._pool.submit(walk, worker) for worker in range(1, n_workers)]
        try:
            walk(0)
            for other in others:
                other.result()
        except BaseException:
            self._stopped = True
            wait(others)
            self._stopped = False
            raise

"""`Scorer`: log densities, labels and responsibilities of rows under a fixed mixture."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from typing import TYPE_CHECKING, Any, Literal, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from gmm import _em
from gmm import _fitting as fitting
from gmm._frozen import check_place
from gmm._passes.e_step import PASS_WORTH_THREADS, EStep, Output, RowResults, Totals
from gmm._passes.problem import Problem
from gmm._persistence import Predicted
from gmm._rows.input import check_any
from gmm._rows.sources import ArraySource, Source
from gmm._validation.checks import check_tails
from gmm._validation.combinations import check_compatible
from gmm._values.covariance import same_as
from gmm._values.layouts import Array, Layout, SingularMatrixError
from gmm._values.objective import Objective
from gmm._values.parameters import MixtureParameters
from gmm._values.row_data import weights_of
from gmm._values.statistics import SufficientStatistics
from gmm._values.whitened import WhitenedMixture

if TYPE_CHECKING:
    from gmm._frozen_mixture import FrozenMixture


class Prepared(NamedTuple):
    """A mixture prepared for scoring, independent of the rows.

    Parameters
    ----------
    mixture : WhitenedMixture
    origin : array of shape (d,)
        The mixture's mean: the centre of the rows would depend on which rows are scored together.
    plans : list of Plan
        One for each form of the pass that rows have needed so far. It scores rows too few for threads; for more, it
        gives the work and the lanes.
    """

    mixture: WhitenedMixture
    origin: Array
    plans: list[_em.Plan]


# Stored as long as the mixture exists; not in the estimator, which scoring must not change, nor in its pickles.
_PREPARED: WeakKeyDictionary[MixtureParameters, Prepared] = WeakKeyDictionary()


class Scorer(NamedTuple):
    """Scores rows under a mixture; preparations are cached for the mixture's lifetime."""

    parameters: MixtureParameters
    n_threads: int | None = None

    def rows(self, source: Source, **wanted: Output) -> RowResults:
        """Return `labels`, `log_evidence`, `responsibilities` or `largest` of each row, as requested."""
        if isinstance(source, ArraySource):
            plan = self._plan(source)
            if source.n_rows * plan.work < PASS_WORTH_THREADS * plan.lane_rows:
                results = RowResults.allocate(source.n_rows, self.parameters.n_components, source.dtype, **wanted)
                plan.score(_em.RowTable(source.rows, None, None, *results))
                return results
        with self._e_step(source) as e_step:
            return e_step.rows(self._prepared.mixture, **wanted)

    def blocks(self, source: Source, **wanted: Output) -> Iterator[tuple[int, RowResults]]:
        """Yield blocks of rows: the number of the first, and the results as of `rows`."""
        with self._e_step(source) as e_step:
            yield from e_step.row_blocks(self._prepared.mixture, **wanted)

    def predicted(self, source: Source, *, responsibilities: bool) -> Iterator[Predicted]:
        """Yield blocks of rows: the number of the first, labels and responsibilities."""
        for first, results in self.blocks(source, labels=True, responsibilities=True if responsibilities else None):
            assert results.labels is not None  # they were requested
            yield first, results.labels, results.responsibilities

    def log_likelihood(self, source: Source) -> float:
        """Compute Σ_i w_i log Σ_k ρ_ik, in nats; the same bits from every source of the rows."""
        check_any(source)
        if source.storage == "remote":
            return self.totals(source).log_likelihood
        sums, lane_rows, in_memory = list[Array](), self._plan(source).lane_rows, isinstance(source, ArraySource)
        parts = [(0, self.rows(source, log_evidence=True))] if in_memory else self.blocks(source, log_evidence=True)
        for first, results in parts:  # from the first row of a lane on
            values = results.log_evidence
            assert values is not None  # it was requested
            weight = weights_of(source.sample_weight, slice(first, first + len(values)))
            with np.errstate(over="ignore", invalid="ignore"):
                # A row of weight 0 may be −∞.
                weighted = values if weight is None else np.where(weight > 0, weight * values, 0.0)
                sums.append(np.add.reduceat(weighted, np.arange(0, len(values), lane_rows), dtype=np.float64))
        return float(np.concatenate(sums).sum())

    def score(self, source: Source) -> float:
        """Compute the mean log evidence per unit weight; in float32, as scikit-learn, for such rows without weights."""
        if isinstance(source, ArraySource) and source.dtype == np.float32 and source.sample_weight is None:
            return mean_of(log_evidence_of(self, source, True))
        return self.log_likelihood(source) / source.survey.weight

    def classification_log_likelihood(self, source: Source) -> float:
        """Compute Σ_i w_i max_k log ρ_ik, in nats."""
        check_any(source)
        with self._e_step(source) as e_step:
            return e_step(self._prepared.mixture, hard=True).log_evidence

    def statistics(self, source: Source) -> SufficientStatistics:
        """Compute the moments that the model needs, about the mixture's means; ValueError if they overflow."""
        check_any(source)
        mixture = self._prepared.mixture.to_dense()
        with (
            self._e_step(source, self.parameters.model.dense.layout) as e_step,
            np.errstate(over="ignore", invalid="ignore"),
        ):
            statistics = e_step(mixture).recentred(mixture.centres)
        if not np.isfinite(statistics.second).all():
            raise ValueError(
                "Input X contains a value so far from the means of the mixture that the sum of squares overflows. Drop "
                "the row, or divide the column by its standard deviation from the fit on."
            )
        return statistics

    def totals(self, source: Source) -> Totals:
        """Sum what the criteria need, in one pass."""
        check_any(source)
        with self._e_step(source) as e_step:
            return e_step.totals(self._prepared.mixture)

    def labels(self, source: Source, out: Output = True) -> NDArray[np.intp]:
        """Return the most probable component of each row, −1 for noise, (n,)."""
        return self._results("labels", source, out)

    def responsibilities(self, source: Source, out: Output = True) -> NDArray[Any]:
        """Return the probability of each component given each row, (n, K), in the type of the rows."""
        return self._results("responsibilities", source, out)

    def log_densities(self, source: Source) -> NDArray[Any]:
        """Return the log density of each row under each component, (n, K), in the type of the rows."""
        mixture, columns = self.parameters.densities(), list[NDArray[Any]]()
        with self._e_step(source) as e_step:
            for k in range(mixture.n_components):
                values = e_step.rows(mixture.component(k), log_evidence=True).log_evidence
                assert values is not None  # it was requested
                columns.append(convert_output(values, source, True))
        return np.stack(columns, axis=1)

    def largest_responsibilities(self, source: Source) -> Array:
        """Return the largest responsibility of each row, (n,)."""
        return self._results("largest", source, True).astype(np.float64, copy=False)

    def single_log_likelihood(self, source: Source, ridge: float, **limits: Any) -> float | None:
        """Fit one component of the same model, with the same noise, ridge and limits; return its log-likelihood.

        None for a mixture of one component. Infinite if the rows have no variance in some direction and there is no
        ridge.
        """
        noise, old_tails = self.parameters.noise._replace(share=0.0), self.parameters.tails
        if self.parameters.n_components == 1:
            return None
        model = same_as(self.parameters.model, 1, source.n_features)
        by_moments = model.stores_dense and not (noise or old_tails or source.patterns)
        one = fitting.moments.component_with_noise if noise else fitting.moments.one_component
        # Estimated tails start from their default.
        tails = check_tails(old_tails.name, old_tails.parameters.get("degrees_of_freedom"))
        problem = Problem(source, Objective(model, ridge, noise=noise, tails=tails, **limits), self.n_threads)
        try:
            if by_moments:
                return fitting.moments.single_log_likelihood(problem)
            return Scorer(one(problem), self.n_threads).log_likelihood(source)
        except SingularMatrixError:
            return inf

    def frozen(self) -> FrozenMixture:
        """Return the mixture as a `FrozenMixture`, which scores rows with the same bits."""
        from gmm._frozen_mixture import FrozenMixture

        mixture, origin, _ = self._prepared
        numbers = mixture.log_offset, mixture.centres, mixture.whiteners, origin, mixture.log_noise
        return FrozenMixture.from_arrays(
            mixture.layout.code, *numbers, self.parameters.tails.numbers(mixture.n_components)
        )

    def _results(self, name: str, source: Source, out: Output) -> NDArray[Any]:
        """Return a field of `RowResults` by its name."""
        values: NDArray[Any] = getattr(self.rows(source, **{name: out}), name)
        return values

    @property
    def _prepared(self) -> Prepared:
        prepared = _PREPARED.get(self.parameters)
        if prepared is None:
            origin = np.asarray(self.parameters.weights @ self.parameters.means)
            prepared = _PREPARED[self.parameters] = Prepared(self.parameters.whitened(), origin, [])
        return prepared

    def _plan(self, source: Source) -> _em.Plan:
        mixture, origin, plans = self._prepared
        survey, single = source.survey, source.dtype == np.float32
        for plan in plans:
            if plan.suits(survey, single):
                return plan
        plans.append(_em.Plan(mixture, None, origin, survey.reach(origin), single=single, rows_only=True))
        return plans[-1]

    def _e_step(self, source: Source, moments: Layout | None = None) -> EStep:
        others = {"error_covariance": source.errors, "missing values": source.patterns}
        check_compatible("heavy tails", others if self.parameters.tails else {})
        layout = moments or self.parameters.model.layout
        return EStep(source, layout, n_threads=self.n_threads, origin=self._prepared.origin)


def check_output(out: Any, source: Source, *, n_columns: int = 0, labels: bool = False) -> Literal[True] | NDArray[Any]:
    """Check an array to write results of the rows to; True, for a new array, if `out` is None.

    Raises
    ------
    TypeError, ValueError
        As those of `FrozenMixture`, if the results do not fit into `out`.
    """
    if out is None:
        return True
    rows = source.rows if isinstance(source, ArraySource) else np.broadcast_to(source.dtype.type(0), (source.n_rows, 1))
    check_place(out, rows, n_columns=n_columns, labels=labels)
    return np.asarray(out)


def log_evidence_of(scorer: Scorer, source: Source, out: Output) -> NDArray[Any]:
    """Return the log-likelihood of each row, (n,), in the type of the rows."""
    values = scorer._results("log_evidence", source, out if source.dtype == np.float64 else True)
    return convert_output(values, source, out)


def convert_output(values: Array, source: Source, out: Output) -> NDArray[Any]:
    """Return float64 values in the type of the rows, written to an array if there is one."""
    with np.errstate(over="ignore"):
        if not isinstance(out, np.ndarray):
            return values.astype(source.dtype, copy=False)
        if out is not values:
            out[...] = values
        return out


def mean_of(values: NDArray[Any], weight: Array | None = None) -> float:
    """Return the mean, weighted in float64, or summed in it if the sum overflows the type of the values."""
    if weight is not None:
        has_weight = weight > 0  # a row of weight 0 may be −∞
        return float(weight[has_weight] @ values[has_weight].astype(np.float64) / weight[has_weight].sum())
    with np.errstate(over="ignore"):
        mean = float(values.mean())
    return mean if np.isfinite(mean) else float((values.astype(np.float64) / len(values)).sum())

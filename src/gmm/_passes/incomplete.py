"""Passes over rows with missing values or errors: one for each pattern of columns and of errors, with its mixture.

If each row has an error of its own, it has a factorisation for each component.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gmm import _em
from gmm._blas import blas_alone
from gmm._kernel import tiles
from gmm._kernel.mstep import cached_property
from gmm._passes.e_step import ComponentDiagnostics, EStep, Output, RowResults, Totals
from gmm._rows.incomplete import LANES, IncompleteSource
from gmm._rows.sources import ArraySource, Piece, chunks_in_order
from gmm._values.completion import Blur, BlurredMixture, Completion, Deconvolution, Gaps
from gmm._values.errors import lower_triangle
from gmm._values.layouts import FULL, TIED, Array, Layout
from gmm._values.statistics import SufficientStatistics
from gmm._values.weights import in_full
from gmm._values.whitened import WhitenedMixture

_NUMBERS_AT_ONCE = 1 << 14  # in the matrices of a component, of all patterns that are prepared together
_NUMBERS_PREPARED = 1 << 23  # in the mixtures of patterns whose rows come in any order
_ROUNDING = 1e-14  # of passes over rows with individual errors


class _Group(NamedTuple):
    """Patterns that are prepared together: their keys, their columns, and passes over the rows of each."""

    keys: tuple[bytes, ...]
    gaps: Gaps
    parts: tuple[EStep, ...]


class _Prepared(NamedTuple):
    """A mixture as rows of the patterns in a group see it, if a pass needs that, and plans of passes over each."""

    completion: Completion | Deconvolution | None
    plans: list[Any]


class IncompleteEStep(EStep):
    """Passes over rows with missing values, which are integrated out.

    A pass over the rows of a pattern gives the statistics of their columns; those of all columns follow linearly, so
    patterns add up (Ghahramani & Jordan 1994).

    Parameters
    ----------
    source : IncompleteSource
    moments : Layout
    n_threads : int, optional
    origin : array of shape (d,), optional
    """

    _source: IncompleteSource

    def __init__(
        self, source: IncompleteSource, moments: Layout, *, n_threads: int | None = None, origin: Array | None = None
    ) -> None:
        origin = source.survey.centre if origin is None else origin
        self._hub = EStep(source, moments, n_threads=n_threads, origin=origin)
        how: dict[str, Any] = {"n_threads": n_threads, "beside": self._hub}
        super().__init__(source, moments, origin=origin, **how)
        self._over_all = how | {"origin": origin}
        of_rows = source.errors.layout(moments)
        parts = {
            key: EStep(source, of_rows, origin=np.ascontiguousarray(origin[of.observed]), pattern=of, **how)
            for key, of in source.by_key.items()
            if len(of.observed)
        }
        self._groups = _together(source, parts, of_rows)
        weighing = {key: part for key, part in parts.items() if source.by_key[key].weight > 0}
        self._weighing = _together(source, weighing, of_rows)
        self._scatters: dict[bytes, Array] = {}

    def __exit__(self, *problem: Any) -> None:
        self._hub.__exit__(*problem)

    def rounded(
        self, mixture: WhitenedMixture, *, hard: bool = False, given: Array | None = None
    ) -> tuple[SufficientStatistics, float]:
        """Compute the expected statistics of all columns; those of given responsibilities, of the completed rows."""
        if given is not None:
            return self._without_gaps.rounded(mixture, given=given)
        pooled = mixture.layout is TIED and self._moments is TIED and not self._source.errors
        if pooled and not self._scatters:
            passes = self._swept(lambda group: _Prepared(None, [part.plan_of_one() for part in group.parts]))
            self._scatters = {key: plan.collect(sums).second for _, some in passes for key, plan, sums in some}
        total, roundings = None, []
        for completion, some in self._swept(self._prepare(mixture, hard=hard, common_scatter=pooled)):
            statistics = [
                plan.collect(sums, self._scatters[key] if plan.common_scatter else None) for key, plan, sums in some
            ]
            with self._blas(mixture):
                expanded = completion.expanded(statistics).reduced(self._moments)
            total = expanded if total is None else total + expanded
            roundings += [plan.rounding for _, plan, _ in some]
        assert total is not None  # some row weighs something
        return total, max(roundings)

    def diagnostics(self, mixture: WhitenedMixture, axes: Array) -> ComponentDiagnostics:
        """Measure how far the components are from Gaussian in the completed rows; it only orders what is tried."""
        return self._without_gaps.diagnostics(mixture, axes)._replace(statistics=self(mixture))

    @cached_property
    def _without_gaps(self) -> EStep:
        """Passes over the rows with their gaps filled."""
        return EStep(self._source.without_gaps, self._moments, **self._over_all)

    def totals(self, mixture: WhitenedMixture) -> Totals:
        """Compute the sums that criteria need."""
        passes = self._swept(self._prepare(mixture, totals=True))
        totals = np.sum([sums for _, some in passes for _, _, sums in some], axis=0)
        classification, entropy, log_likelihood, _ = totals.tolist()
        return Totals(log_likelihood, classification, entropy)

    def rows(self, mixture: WhitenedMixture, **wanted: Output) -> RowResults:
        """Compute numbers for every row, given its observed columns."""
        results = RowResults.room(self._source.n_rows, mixture.n_components, self._source.dtype, **wanted)
        score = self._scoring(mixture)
        for piece in self._source.pieces():
            score(piece, piece.indices, results)
        return results

    def row_blocks(self, mixture: WhitenedMixture, **wanted: Output) -> Iterator[tuple[int, RowResults]]:
        """Yield the numbers for consecutive rows, with the number of the first; as for whole rows, whole lanes."""
        score, lane_rows = self._scoring(mixture), self.plan(mixture, rows_only=True).lane_rows
        with closing(chunks_in_order(self._source, lane_rows)) as chunks:
            for chunk in chunks:
                results = RowResults.room(len(chunk.rows), mixture.n_components, self._source.dtype, **wanted)
                for piece in self._source.split(chunk):
                    score(piece, piece.indices - chunk.first, results)
                yield chunk.first, results

    def _prepare(self, mixture: WhitenedMixture, **how: Any) -> Callable[[_Group], _Prepared]:
        def prepare(group: _Group) -> _Prepared:
            with self._blas(mixture):
                completion = group.gaps.for_mixture(mixture)
            allowed = self._known.table(len(mixture.centres))
            pairs: Any = zip(group.parts, completion.marginals, strict=True)
            plans = [
                _Plan(marginal, allowed, how) if isinstance(marginal, BlurredMixture) else part.plan(marginal, **how)
                for part, marginal in pairs
            ]
            return _Prepared(completion, plans)

        return prepare

    def _swept(self, prepare: Callable[[_Group], _Prepared]) -> Iterator[tuple[Any, list[tuple[bytes, Any, Array]]]]:
        """Read the rows once; yield the completion of each group in order, and keys, plans and sums of its patterns.

        A group is prepared when its first lane is walked.
        """
        places = {key: (group, i) for group in self._weighing for i, key in enumerate(group.keys)}
        prepared: dict[tuple[bytes, ...], _Prepared] = {}
        heads: dict[bytes, _em.Scratch] = {}
        some: list[tuple[bytes, Any, Array]] = []

        def plan_of(key: bytes) -> _em.Plan:
            group, i = places[key]
            if group.keys not in prepared:
                prepared[group.keys] = prepare(group)
            return prepared[group.keys].plans[i]

        for first, piece in self._source.lanes(list(places), lambda key: plan_of(key).lane_rows):
            key, (group, i), plan = piece.pattern, places[piece.pattern], plan_of(piece.pattern)
            n_rows, head = self._source.by_key[key].n_rows, heads.pop(key, None)
            ends = first + len(piece.indices) == n_rows
            if not ends and head is None:
                head = _em.Scratch()
                plan.begin(head, n_rows)
            head = self._walk(group.parts[i], plan, first, piece, head)
            if not ends:
                heads[key] = head
                continue
            some.append((key, plan, plan.sums(head)))
            if key == group.keys[-1]:
                yield prepared.pop(group.keys).completion, some
                some = []

    def _walk(
        self, part: EStep, plan: _em.Plan, first: int, piece: Piece, head: _em.Scratch | None = None, **arrays: Any
    ) -> _em.Scratch:
        """Walk rows of a pattern; return the scratch that has their sums, or those in `head` with theirs."""
        indices, rows, source = piece.indices, piece.rows.rows, self._source
        pattern = source.by_key[piece.pattern]
        n_rows = len(indices) if arrays else pattern.n_rows
        code = source.known.codes[indices] if plan.classified else None
        where: Any = {"first_lane": first // plan.lane_rows, "weight": piece.rows.sample_weight, "code": code}
        if own := pattern.error == source.errors.own:
            where |= {"error": source.errors.codes[indices], "outputs": RowResults(**arrays)}
        table = _Table(rows, **where) if own else _em.RowTable(rows, **where, **arrays)
        with blas_alone(plan.largest_product):
            scratches = part.scratches(plan, n_rows, head)
            part.walk(plan, scratches, table, len(indices))
        return scratches[0]

    def _scoring(self, mixture: WhitenedMixture) -> Callable[[Piece, Any, RowResults], None]:
        """Return what writes the numbers of some rows of a pattern to their places."""
        places = {key: (at, i) for at, group in enumerate(self._groups) for i, key in enumerate(group.keys)}
        K, d = mixture.centres.shape
        at_most = max(2, _NUMBERS_PREPARED // (3 * K * max(_NUMBERS_AT_ONCE, d * d)))
        prepared = lru_cache(at_most)(lambda at: self._prepare(mixture, rows_only=True)(self._groups[at]))

        def score(piece: Piece, where: Any, results: RowResults) -> None:
            if not piece.rows.n_features:
                missing = np.ones((1, d), dtype=bool)
                (weights,) = Gaps(missing).for_mixture(mixture).marginals
                outputs = _without_values(weights, self._source.dtype)
            else:
                at, i = places[piece.pattern]
                needs: dict[str, Output] = {name: True for name, into in results._asdict().items() if into is not None}
                outputs = RowResults.room(len(piece.indices), K, self._source.dtype, **needs)
                plan = prepared(at).plans[i]
                unweighed = piece._replace(rows=ArraySource(piece.rows.rows))
                self._walk(self._groups[at].parts[i], plan, 0, unweighed, **outputs._asdict())
            for into, of_rows in zip(results, outputs, strict=True):
                if into is not None and of_rows is not None:
                    into[where] = of_rows

        return score

    @staticmethod
    def _blas(mixture: WhitenedMixture) -> AbstractContextManager[None]:
        return blas_alone(mixture.centres.shape[1] ** 3)


def _without_values(weights: WhitenedMixture, dtype: np.dtype[Any]) -> RowResults:
    """Return what the weights say of a row without a value."""
    log_weights, noise = weights.log_offset, weights.log_noise
    log_evidence = np.logaddexp.reduce([*log_weights, noise], keepdims=True)
    responsibilities = np.exp(log_weights - log_evidence)[None].astype(dtype)
    largest = np.exp(np.maximum(log_weights.max(), noise) - log_evidence).astype(dtype)
    labels = np.array([log_weights.argmax() if log_weights.max() >= noise else -1])
    return RowResults(labels, log_evidence, responsibilities, largest)


def _together(source: IncompleteSource, parts: dict[bytes, EStep], layout: Layout) -> list[_Group]:
    """Group patterns that are prepared together: as many as are worth loops of numpy."""
    patterns, errors = source.by_key, source.errors
    keys = sorted(parts, key=lambda key: int(patterns[key].missing.sum()))
    step = max(1, _NUMBERS_AT_ONCE // source.n_features**2)
    groups = []
    for start in range(0, len(keys), step):
        some = tuple(keys[start : start + step])
        missing = np.array([patterns[key].missing for key in some])
        gaps = Blur(missing, errors, [patterns[key].error for key in some], layout) if errors else Gaps(missing)
        groups.append(_Group(some, gaps, tuple(parts[key] for key in some)))
    return groups


# --- Rows with individual errors -----------------------------------------------------------------


class _Table(NamedTuple):
    """Rows, and where numbers of each go, as in `gmm._em.RowTable`; `error` says which of the errors each has."""

    rows: NDArray[Any]
    first_lane: int
    weight: Array | None
    code: NDArray[Any] | None
    error: NDArray[np.intp]
    outputs: RowResults

    def lane(self, number: int) -> _Table:
        """Return the rows of a lane, in float64."""
        part, first = slice(number * LANES, (number + 1) * LANES), self.first_lane + number
        arrays: tuple[Any, ...] = self.weight, self.code, *self.outputs
        weight, code, *outputs = (None if array is None else array[part] for array in arrays)
        rows = np.ascontiguousarray(self.rows[part], dtype=np.float64)
        return _Table(rows, first, weight, code, self.error[part], RowResults(*outputs))


class _Plan:
    """A `gmm._em.Plan` for rows with errors of their own; it keeps the sums of their lanes."""

    common_scatter, rounding, lane_rows = False, _ROUNDING, LANES

    def __init__(self, mixture: BlurredMixture, allowed: Array | None, how: dict[str, bool]) -> None:
        self.mixture, self.allowed, self.classified = mixture, allowed, allowed is not None
        self.totals, self.hard = how.get("totals", False), how.get("hard", False)
        K, d = mixture.centres.shape
        self.work = self.largest_product = float(LANES) * K * d**3
        self._of_lanes: dict[int, Array] = {}

    def begin(self, *_: object) -> None:
        """Do nothing: the sums are here."""

    join = begin

    def walk(self, scratch: _em.Scratch, table: _Table, start: int, stop: int) -> None:
        """Walk some lanes of a table."""
        for lane in map(table.lane, range(start, stop)):
            if any(into is not None for into in lane.outputs):
                self.write(lane)
            else:
                self._of_lanes[lane.first_lane] = self.sums_of(lane)

    def sums(self, scratch: _em.Scratch) -> Array:
        """Return the sums over all rows, lane by lane in order, for the same bits with any number of threads."""
        return np.asarray(sum(map(self._of_lanes.__getitem__, sorted(self._of_lanes)), 0.0))

    def collect(self, sums: Array, scatter: Array | None = None) -> SufficientStatistics:
        """Return Σ r, Σ r w and Σ r (w wᵀ − T⁻¹) in the place of moments."""
        K, d = self.mixture.centres.shape
        parts = sums[:-2].reshape(K, -1)
        second = parts[:, 1 + d :]
        if self.mixture.layout is FULL:  # lower triangles row by row
            triangles, second, (i, j) = second, np.empty((K, d, d)), lower_triangle(d)
            second[:, i, j] = second[:, j, i] = triangles
        return SufficientStatistics(
            self.mixture.layout, self.mixture.centres, parts[:, 0], parts[:, 1 : 1 + d], second, *sums[-2:].tolist()
        )

    def blocks_of(self, lane: _Table) -> tuple[Array, Array]:
        """Return the joint log densities of the components and of noise, which rows of known class are not."""
        mixture, of_rows = self.mixture, (lane.rows, lane.error)
        joint = tiles.log_densities(*of_rows, mixture.errors, mixture.centres, mixture.covariances, mixture.log_offset)
        noise = np.full((len(joint), tiles.BLOCK), mixture.log_noise)
        if self.allowed is not None and lane.code is not None:
            codes = np.pad(lane.code, (0, -len(lane.code) % tiles.BLOCK), mode="edge").reshape(noise.shape)
            joint += self.allowed[:, codes].swapaxes(0, 1)
            noise[codes > 0] = -np.inf
        return joint, noise

    def densities(self, lane: _Table) -> tuple[Array, Array, Array]:
        """Return joint log densities of the components and, last, of noise, (K + 1, m), responsibilities, and evidence.

        A row beyond all densities belongs to each component alike.
        """
        (joint, noise), n = self.blocks_of(lane), len(lane.rows)
        log_evidence = tiles.normalise(joint.copy(), noise).ravel()[:n]
        of_components = joint.swapaxes(0, 1).reshape(joint.shape[1], -1)[:, :n]
        log_joint = np.concatenate([of_components, noise.reshape(1, -1)[:, :n]])
        most = log_joint.max(axis=0)  # not the log evidence, whose rounding is large where densities are tiny
        r = np.exp(log_joint - np.where(np.isfinite(most), most, 0.0))
        r[:-1, ~np.isfinite(most)] = 1.0
        return log_joint, np.asarray(r / r.sum(axis=0)), log_evidence

    def write(self, lane: _Table) -> None:
        """Write what is asked for of a lane to its place."""
        log_joint, r, log_evidence = self.densities(lane)
        best = log_joint.argmax(axis=0)
        labels = np.where(best == len(r) - 1, -1, best)
        for into, value in zip(lane.outputs, (labels, log_evidence, r[:-1].T, r.max(axis=0)), strict=True):
            if into is not None:
                into[...] = value

    def sums_of(self, lane: _Table) -> Array:
        """Return the sums of a lane."""
        weights = in_full(lane.weight, len(lane.rows))
        if self.totals:
            joint, r, log_evidence = self.densities(lane)
            entropy = -weights @ np.where(r > 0, r * np.log(np.maximum(r, 1e-300)), 0.0).sum(axis=0)
            return np.array([weights @ joint.max(axis=0), entropy, weights @ log_evidence, weights.sum()])
        shares, noise = self.blocks_of(lane)
        if self.hard:
            best, most = shares.argmax(axis=1), shares.max(axis=1)
            evidence = np.maximum(most, noise)
            shares = ((np.arange(shares.shape[1])[:, None] == best[:, None]) & (most >= noise)[:, None]) * 1.0
        else:
            evidence = tiles.normalise(shares, noise)
        mixture, of_rows = self.mixture, (lane.rows, lane.error)
        sums = tiles.scores(*of_rows, mixture.errors, mixture.centres, mixture.covariances, weights, shares)
        return np.concatenate([sums.ravel(), [weights @ evidence.ravel()[: len(weights)], weights.sum()]])

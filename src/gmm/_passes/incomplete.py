"""Passes over rows with missing values or errors: one for each pattern of columns and of errors, with its mixture.

If each row has an error of its own, it has a factorisation for each component.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gmm import _em
from gmm._blas import blas_alone
from gmm._em import SLICE
from gmm._kernel import tiles
from gmm._kernel.mstep import cached_property
from gmm._passes.e_step import ComponentDiagnostics, EStep, Output, RowResults, Totals
from gmm._rows.incomplete import LANES, IncompleteSource
from gmm._rows.sources import ArraySource, Chunk, Piece, chunks_in_order
from gmm._values.completion import Completion
from gmm._values.errors import lower_triangle, packed
from gmm._values.layouts import FULL, TIED, Array, Layout
from gmm._values.statistics import SufficientStatistics
from gmm._values.weights import in_full
from gmm._values.whitened import WhitenedMixture

_ROUNDING = 1e-14  # of passes over rows with individual errors


class _Prepared(NamedTuple):
    """A mixture as rows of a pattern see it, and the plan and the threads of passes over them."""

    seen: _em.SeenMixture
    plan: Any
    part: EStep


class IncompleteEStep(EStep):
    """Passes over rows with missing values or errors, which are integrated out.

    A pass over the rows of a pattern gives the statistics of their columns; those of all columns follow linearly, so
    patterns add up (Ghahramani & Jordan 1994). Those of rows in memory are one compiled loop; others, and rows with
    errors of their own, go pattern by pattern, with the same bits.

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
        super().__init__(source, moments, n_threads=n_threads, origin=origin, beside=self._hub)
        self._over_all: dict[str, Any] = {"n_threads": n_threads, "beside": self._hub, "origin": origin}
        self._of_rows = source.errors.layout(moments)

    @cached_property
    def resident(self) -> _em.Loop | None:
        """Passes in turn, if the rows are in memory and have no errors of their own."""
        if (of_rows := self._source.rows_in_memory) is None:
            return None
        return self.loop_over(self._source.observed_rows(self._origin, self._reach, self._of_rows, *of_rows), SLICE)

    @cached_property
    def _weighing(self) -> list[bytes]:
        """The keys of patterns that weigh something, in the order of passes: those that lack least come first."""
        weighing = {key: of.missing.sum() for key, of in self._source.by_key.items() if of.weight > 0}
        return sorted(weighing, key=weighing.__getitem__)

    @cached_property
    def _scatters(self) -> dict[bytes, Array]:
        """The scatter of the rows of each pattern about the origin, which tied moments need."""
        source = self._source
        found = {key: np.zeros((len(source.by_key[key].observed),) * 2) for key in self._weighing}
        for piece in source.pieces():
            if (scatter := found.get(piece.pattern)) is not None:
                origin = self._origin[~piece.missing]
                _em.add_scatter(piece.rows.rows, piece.rows.sample_weight, origin, scatter)
        for scatter in found.values():
            scatter += np.tril(scatter, -1).T
        return found

    def __exit__(self, *problem: Any) -> None:
        self._hub.__exit__(*problem)

    def rounded(
        self, mixture: WhitenedMixture, *, hard: bool = False, given: Array | None = None
    ) -> tuple[SufficientStatistics, float]:
        """Compute the expected statistics of all columns; those of given responsibilities, of the completed rows."""
        if given is not None:
            return self._without_gaps.rounded(mixture, given=given)
        if mixture.layout is self._moments and not hard and (loop := self.resident) is not None:
            with blas_alone(loop.largest_product):
                measured = loop.measure(mixture, None)
            if measured is not None:
                return measured
        pooled = mixture.layout is TIED and self._of_rows is TIED
        mixture = mixture.whole() if self._source.errors else mixture.stored_in(self._moments)
        total, roundings = _em.CompleteSums(self._of_rows, np.ascontiguousarray(mixture.centres)), []
        for key, (seen, plan, _), sums in self._swept(mixture, hard=hard, common_scatter=pooled):
            total.add(seen, plan.collect(sums, self._scatters[key] if plan.common_scatter else None))
            roundings.append(plan.rounding)
        return total.statistics(self._moments), max(roundings)

    def diagnostics(self, mixture: WhitenedMixture, axes: Array) -> ComponentDiagnostics:
        """Measure how far the components are from Gaussian in the completed rows; it only orders what is tried."""
        return self._without_gaps.diagnostics(mixture, axes)._replace(statistics=self(mixture))

    @cached_property
    def _without_gaps(self) -> EStep:
        """Passes over the rows with their gaps filled."""
        return EStep(self._source.without_gaps, self._moments, **self._over_all)

    def totals(self, mixture: WhitenedMixture) -> Totals:
        """Compute the sums that criteria need."""
        totals = np.sum([sums for _, _, sums in self._swept(mixture.whole(), totals=True)], axis=0)
        classification, entropy, log_likelihood, _ = totals.tolist()
        return Totals(log_likelihood, classification, entropy)

    def rows(self, mixture: WhitenedMixture, **wanted: Output) -> RowResults:
        """Compute numbers for every row, given its observed columns."""
        results = RowResults.room(self._source.n_rows, mixture.n_components, self._source.dtype, **wanted)
        with closing(chunks_in_order(self._source, 1)) as chunks:
            for chunk in chunks:
                self._write(mixture.whole(), chunk, results, chunk.first)
        return results

    def row_blocks(self, mixture: WhitenedMixture, **wanted: Output) -> Iterator[tuple[int, RowResults]]:
        """Yield the numbers for consecutive rows, with the number of the first; as for whole rows, whole lanes."""
        with closing(chunks_in_order(self._source, self.plan(mixture, rows_only=True).lane_rows)) as chunks:
            for chunk in chunks:
                results = RowResults.room(len(chunk.rows), mixture.n_components, self._source.dtype, **wanted)
                self._write(mixture.whole(), chunk, results, 0)
                yield chunk.first, results

    def _write(self, mixture: WhitenedMixture, chunk: Chunk, results: RowResults, first: int) -> None:
        """Write the numbers of a chunk's rows from place `first` on."""
        source, errors, arranged = self._source, self._source.errors, self._source.arranged(chunk)
        K, has_none = mixture.n_components, np.asarray(arranged.missing.all(axis=1))
        has_own = ~has_none & (arranged.kinds == errors.own)
        needs: dict[str, Output] = {name: True for name, into in results._asdict().items() if into is not None}

        def put(some: NDArray[np.bool_], outputs: RowResults) -> None:
            for into, values in zip(results, outputs, strict=True):
                if into is not None and values is not None:
                    into[first + arranged.rows_of(some)] = values

        if has_none.any():
            weights = Completion.from_mixture(mixture, np.ones(source.n_features, dtype=bool)).observed
            put(has_none, _without_values(weights, source.dtype))
        if (shared := ~(has_none | has_own)).any():
            where = self._origin, self._reach, self._of_rows if errors else mixture.layout
            observed = source.observed_rows(*where, arranged, shared)
            outputs = RowResults.room(observed.n_rows, K, source.dtype, **needs)
            log_noise = mixture.log_noise + np.zeros(observed.n_patterns)
            log_noise += mixture.noise.log_volumes(arranged.missing[shared])
            how: Any = outputs._asdict() | {"single": source.dtype == np.float32, "allowed": self._known.table(K)}
            task = partial(observed.write, mixture, log_noise, **how)
            self.share_out(task, observed.n_patterns, observed.n_rows * K * float(source.n_features + 2) ** 2)
            put(shared, outputs)
        for number in np.flatnonzero(has_own):
            some = np.arange(len(has_own)) == number
            here = arranged.rows_of(some)
            outputs = RowResults.room(len(here), K, source.dtype, **needs)
            prepared = self._prepare(mixture, arranged.missing[number], errors.own, rows_only=True)
            rows = ArraySource(np.ascontiguousarray(chunk.rows[here][:, ~arranged.missing[number]]))
            piece = Piece(arranged.keys[number], arranged.missing[number], chunk.first + here, rows)
            self._walk(prepared, 0, piece, errors.own, len(here), **outputs._asdict())
            put(some, outputs)

    def _prepare(self, mixture: WhitenedMixture, missing: NDArray[np.bool_], error: int, **how: Any) -> _Prepared:
        """Prepare a pass over the rows of a pattern with an error, with a mixture of whole matrices."""
        errors, layout, columns, own = self._source.errors, self._of_rows, np.flatnonzero(~missing), False
        part = EStep(self._source, layout, columns=columns, **self._over_all)
        if errors:
            stored, own = errors.stored(layout), error == errors.own
            seen = _em.SeenMixture(mixture, missing.view(np.uint8), layout, None if own else stored[error])
        else:
            seen, layout = _em.SeenMixture(mixture, missing.view(np.uint8)), mixture.layout
        log_noise = mixture.log_noise + float(np.sum(mixture.noise.log_volumes(missing[None])))
        if own:
            covariances, of_errors = (
                packed(layout.for_columns(matrices, columns), layout) for matrices in (seen.covariances, stored)
            )
            of_rows = BlurredMixture(layout, seen.log_offset, seen.centres, covariances, of_errors, log_noise)
            return _Prepared(seen, _Plan(of_rows, self._known.table(len(mixture.centres)), how), part)
        parts = layout, seen.log_offset, seen.centres, seen.whiteners, log_noise
        return _Prepared(seen, part.plan(WhitenedMixture(*parts), **how), part)

    def _swept(self, mixture: WhitenedMixture, **how: Any) -> Iterator[tuple[bytes, _Prepared, Array]]:
        """Read the rows once; yield the key of each pattern that weighs something in order, its plan, and its sums.

        A pattern is prepared when its first lane is walked.
        """
        heads, ready, patterns = dict[bytes, _em.Scratch](), dict[bytes, _Prepared](), self._source.by_key

        def prepared(key: bytes) -> _Prepared:
            if key not in ready:
                ready[key] = self._prepare(mixture, patterns[key].missing, patterns[key].error, **how)
            return ready[key]

        for first, piece in self._source.lanes(self._weighing, lambda key: int(prepared(key).plan.lane_rows)):
            key, plan, pattern = piece.pattern, prepared(piece.pattern).plan, patterns[piece.pattern]
            head = heads.pop(key, None)
            ends = first + len(piece.indices) == pattern.n_rows
            if not ends and head is None:
                head = _em.Scratch()
                plan.begin(head, pattern.n_rows)
            head = self._walk(prepared(key), first, piece, pattern.error, pattern.n_rows, head)
            if ends:
                yield key, ready.pop(key), plan.sums(head)
            else:
                heads[key] = head

    def _walk(
        self,
        prepared: _Prepared,
        first: int,
        piece: Piece,
        error: int,
        n_rows: int,
        head: _em.Scratch | None = None,
        **arrays: Any,
    ) -> _em.Scratch:
        """Walk rows of a pattern of so many; return the scratch that has their sums, or those in `head` with theirs."""
        (_, plan, part), indices, rows, source = prepared, piece.indices, piece.rows.rows, self._source
        code = source.known.codes[indices] if plan.classified else None
        where: Any = {"first_lane": first // plan.lane_rows, "weight": piece.rows.sample_weight, "code": code}
        if own := error == source.errors.own:
            where |= {"error": source.errors.codes[indices], "outputs": RowResults(**arrays)}
        table = _Table(rows, **where) if own else _em.RowTable(rows, **where, **arrays)
        with blas_alone(plan.largest_product):
            scratches = part.scratches(plan, n_rows, head)
            part.walk(plan, scratches, table, len(indices))
        return scratches[0]


def _without_values(weights: WhitenedMixture, dtype: np.dtype[Any]) -> RowResults:
    """Return what the weights say of a row without a value."""
    log_weights, noise = weights.log_offset, weights.log_noise
    log_evidence = np.logaddexp.reduce([*log_weights, noise], keepdims=True)
    responsibilities = np.exp(log_weights - log_evidence)[None].astype(dtype)
    largest = np.exp(np.maximum(log_weights.max(), noise) - log_evidence).astype(dtype)
    labels = np.array([log_weights.argmax() if log_weights.max() >= noise else -1])
    return RowResults(labels, log_evidence, responsibilities, largest)


# --- Rows with individual errors -----------------------------------------------------------------


class BlurredMixture(NamedTuple):
    """A mixture of true values as rows with errors of their own see it, which add these to its covariances.

    Parameters
    ----------
    layout : Layout
        DIAGONAL or FULL.
    log_offset : array of shape (K,)
        log π_k − q/2·log 2π, in nats.
    centres : array of shape (K, q)
    covariances : array of shape (K, p)
        As lower triangles row by row, or variances.
    errors : array of shape (E, p)
        The covariances of the errors of these columns, likewise.
    log_noise : float
    """

    layout: Layout
    log_offset: Array
    centres: Array
    covariances: Array
    errors: Array
    log_noise: float


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
        counts, first, second = map(np.ascontiguousarray, (parts[:, 0], parts[:, 1 : 1 + d], second))
        rest = sums[-2:].tolist()
        return SufficientStatistics(self.mixture.layout, self.mixture.centres, counts, first, second, *rest)

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

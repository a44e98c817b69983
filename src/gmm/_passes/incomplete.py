"""Passes over rows with missing values: one for each pattern of observed columns, with the mixture of these."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import reduce
from operator import add
from typing import Any

import numpy as np

from gmm._blas import blas_alone
from gmm._passes.e_step import EStep
from gmm._passes.results import ComponentDiagnostics, Output, RowResults, Totals
from gmm._rows.incomplete import IncompleteSource
from gmm._rows.sources import Pattern, Source
from gmm._values.completion import Completion, Gaps
from gmm._values.layouts import Array, Layout
from gmm._values.noise import NO_NOISE, Noise
from gmm._values.statistics import SufficientStatistics
from gmm._values.whitened import WhitenedMixture

__all__ = ["IncompleteEStep", "e_step_over"]

_NUMBERS_AT_ONCE = 1 << 12  # in the matrices of a component, of all patterns that are prepared together

Part = tuple[Pattern, EStep]


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
    noise : Noise
        What the log density of the noise in mixtures is of.
    """

    def __init__(
        self,
        source: IncompleteSource,
        moments: Layout,
        *,
        n_threads: int | None = None,
        origin: Array | None = None,
        noise: Noise = NO_NOISE,
    ) -> None:
        origin = source.survey.centre if origin is None else origin
        self._completed = EStep(source.without_gaps, moments, n_threads=n_threads, origin=origin)
        how: dict[str, Any] = {"n_threads": n_threads, "beside": self._completed}
        super().__init__(source, moments, origin=origin, **how)
        parts: list[Part] = []
        self._empty = [pattern for pattern in source.patterns if not len(pattern.observed)]
        for pattern in source.patterns:
            if not len(pattern.observed):
                continue
            rows = pattern.rows.with_known(source.known.of_rows(pattern.indices))
            about = np.ascontiguousarray(origin[pattern.observed])
            parts.append((pattern, EStep(rows, moments, origin=about, **how)))
        self._parts = _together(parts)
        self._weighing = _together([part for part in parts if part[0].weight > 0])
        self._shape, self._noise = (source.n_rows, source.dtype), noise

    def __exit__(self, *problem: Any) -> None:
        self._completed.__exit__(*problem)

    def rounded(
        self, mixture: WhitenedMixture, *, hard: bool = False, given: Array | None = None
    ) -> tuple[SufficientStatistics, float]:
        """Compute the expected statistics of all columns; those of given responsibilities, of the completed rows."""
        if given is not None:
            return self._completed.rounded(mixture, given=given)
        sums, roundings = [], []
        for seen, parts in self._seen(mixture, self._weighing):
            found = [part.rounded(known, hard=hard) for (_, part), known in zip(parts, seen.known, strict=True)]
            with self._blas(mixture):
                sums.append(seen.expanded([statistics for statistics, _ in found]))
            roundings += [rounding for _, rounding in found]
        return reduce(add, sums), max(roundings)

    def diagnostics(self, mixture: WhitenedMixture, axes: Array) -> ComponentDiagnostics:
        """Measure how far the components are from Gaussian in the completed rows; it only orders what is tried."""
        return replace(self._completed.diagnostics(mixture, axes), statistics=self(mixture))

    def totals(self, mixture: WhitenedMixture) -> Totals:
        """Compute the sums that criteria need."""
        found = [
            part.totals(known)
            for seen, parts in self._seen(mixture, self._weighing)
            for (_, part), known in zip(parts, seen.known, strict=True)
        ]
        return Totals(*np.sum(found, axis=0).tolist())

    def rows(self, mixture: WhitenedMixture, **wanted: Output) -> RowResults:
        """Compute numbers for every row, given its observed columns."""
        n, dtype = self._shape
        results = RowResults.room(n, mixture.n_components, dtype, **wanted)
        asked: dict[str, Output] = {name: True for name, value in wanted.items() if value is not None}
        for seen, parts in self._seen(mixture, self._parts):
            for (pattern, part), known in zip(parts, seen.known, strict=True):
                for into, of_part in zip(results, part.rows(known, **asked), strict=True):
                    if into is not None and of_part is not None:
                        into[pattern.indices] = of_part
        for pattern in self._empty:
            (weights,) = Completion.of(mixture, Gaps(pattern.missing[None]), self._noise).known
            for into, of_all in zip(results, _without_values(weights, dtype), strict=True):
                if into is not None and of_all is not None:
                    into[pattern.indices] = of_all
        return results

    def row_blocks(self, mixture: WhitenedMixture, **wanted: Output) -> Iterator[tuple[int, RowResults]]:
        """Yield the numbers for all rows at once."""
        yield 0, self.rows(mixture, **wanted)

    def _seen(
        self, mixture: WhitenedMixture, together: list[tuple[Gaps, list[Part]]]
    ) -> Iterator[tuple[Completion, list[Part]]]:
        """Yield the mixture as rows of some patterns see it, and these."""
        for gaps, parts in together:
            with self._blas(mixture):
                seen = Completion.of(mixture, gaps, self._noise)
            yield seen, parts

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


def _together(parts: list[Part]) -> list[tuple[Gaps, list[Part]]]:
    """Group patterns that are prepared together: as many as are worth loops of numpy."""
    if not parts:
        return []
    parts = sorted(parts, key=lambda part: int(part[0].missing.sum()))
    step = max(1, _NUMBERS_AT_ONCE // len(parts[0][0].missing) ** 2)
    groups = [parts[start : start + step] for start in range(0, len(parts), step)]
    return [(Gaps(np.array([pattern.missing for pattern, _ in group])), group) for group in groups]


def e_step_over(
    source: Source,
    moments: Layout,
    *,
    n_threads: int | None = None,
    origin: Array | None = None,
    noise: Noise = NO_NOISE,
) -> EStep:
    """Open passes over rows, of which values may be missing; `noise` is that of the mixtures."""
    if isinstance(source, IncompleteSource):
        return IncompleteEStep(source, moments, n_threads=n_threads, origin=origin, noise=noise)
    return EStep(source, moments, n_threads=n_threads, origin=origin)

"""Passes over rows with missing values: one for each pattern of observed columns, with the mixture of these."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import reduce
from operator import add
from typing import Any

import numpy as np

from gmm import _em
from gmm.em.e_step import EStep
from gmm.em.results import ComponentDiagnostics, RowResults, Totals, Wanted
from gmm.em.threads import blas_alone
from gmm.rows.incomplete import IncompleteSource, Pattern
from gmm.rows.sources import Source
from gmm.values.classes import KnownClasses
from gmm.values.completion import Completion
from gmm.values.layouts import Array, Layout
from gmm.values.noise import UniformNoise
from gmm.values.statistics import SufficientStatistics
from gmm.values.whitened import WhitenedMixture

__all__ = ["IncompleteEStep", "e_step_over"]


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
    noise : UniformNoise, optional
        What the log density of the noise in mixtures is of.
    known : KnownClasses, optional
        Of the rows.
    """

    def __init__(
        self,
        source: IncompleteSource,
        moments: Layout,
        *,
        n_threads: int | None = None,
        origin: Array | None = None,
        noise: UniformNoise | None = None,
        known: KnownClasses | None = None,
    ) -> None:
        super().__init__(source, moments, n_threads=n_threads, origin=origin)
        origin = source.survey.centre if origin is None else origin
        how: dict[str, Any] = {"n_threads": n_threads, "beside": self}
        self._parts: list[tuple[Pattern, EStep]] = []
        for pattern in source.patterns:
            there = None if known is None else replace(known, codes=known.codes[pattern.indices])
            about = np.ascontiguousarray(origin[pattern.observed])
            self._parts.append((pattern, EStep(pattern.rows, moments, origin=about, known=there, **how)))
        self._weighing = [part for part in self._parts if part[0].rows.survey.weight > 0]
        self._completed = EStep(source.without_gaps, moments, origin=origin, known=known, **how)
        self._shape, self._noise = (source.n_rows, source.dtype), noise

    def rounded(
        self, mixture: WhitenedMixture, *, hard: bool = False, given: Array | None = None
    ) -> tuple[SufficientStatistics, float]:
        """Compute the expected statistics of all columns; those of given responsibilities, of the completed rows."""
        if given is not None:
            return self._completed.rounded(mixture, given=given)
        found, roundings = [], []
        for pattern, part in self._weighing:
            seen = self._seen(mixture, pattern)
            statistics, rounding = part.rounded(mixture if seen is None else seen.known, hard=hard)
            with blas_alone(mixture.centres.shape[1] ** 3):
                statistics = statistics.recentred(mixture.centres) if seen is None else seen.expanded(statistics)
            found.append(statistics)
            roundings.append(rounding)
        return reduce(add, found), max(roundings)

    def diagnostics(self, mixture: WhitenedMixture, axes: Array) -> ComponentDiagnostics:
        """Measure how far the components are from Gaussian in the completed rows; it only orders what is tried."""
        return replace(self._completed.diagnostics(mixture, axes), statistics=self(mixture))

    def totals(self, mixture: WhitenedMixture) -> Totals:
        """Compute the sums that criteria need."""
        found = [part.totals(self._of_observed(mixture, pattern)) for pattern, part in self._weighing]
        return Totals(*np.sum(found, axis=0).tolist())

    def rows(self, mixture: WhitenedMixture, *, plan: _em.Plan | None = None, **wanted: Wanted) -> RowResults:
        """Compute numbers for every row, given its observed columns."""
        n, dtype = self._shape
        results = RowResults.room(n, mixture.n_components, dtype, **wanted)
        asked: dict[str, Wanted] = {name: True for name, value in wanted.items() if value is not None}
        for pattern, part in self._parts:
            found = part.rows(self._of_observed(mixture, pattern), plan=None, **asked)
            for into, of_part in zip(results, found, strict=True):
                if into is not None and of_part is not None:
                    into[pattern.indices] = of_part
        return results

    def row_blocks(
        self, mixture: WhitenedMixture, plan: _em.Plan | None = None, **wanted: Wanted
    ) -> Iterator[tuple[int, RowResults]]:
        """Yield the numbers for all rows at once; the plan, which would be for whole rows, does not matter."""
        yield 0, self.rows(mixture, plan=plan, **wanted)

    def _of_observed(self, mixture: WhitenedMixture, pattern: Pattern) -> WhitenedMixture:
        seen = self._seen(mixture, pattern)
        return mixture if seen is None else seen.known

    def _seen(self, mixture: WhitenedMixture, pattern: Pattern) -> Completion | None:
        """Return the mixture as rows of a pattern see it; None if they see all of it."""
        if not len(pattern.missing):
            return None
        with blas_alone(mixture.centres.shape[1] ** 3):
            return Completion.of(mixture, pattern.observed, pattern.missing, self._noise)


def e_step_over(
    source: Source,
    moments: Layout,
    *,
    n_threads: int | None = None,
    origin: Array | None = None,
    noise: UniformNoise | None = None,
    known: KnownClasses | None = None,
) -> EStep:
    """Open passes over rows, of which values may be missing; `noise` is that of the mixtures, if any has noise."""
    if isinstance(source, IncompleteSource):
        return IncompleteEStep(source, moments, n_threads=n_threads, origin=origin, noise=noise, known=known)
    return EStep(source, moments, n_threads=n_threads, origin=origin, known=known)

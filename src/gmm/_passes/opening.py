"""`e_step_over`: passes over rows, whose values may be missing or have errors."""

from __future__ import annotations

from collections.abc import Callable

from gmm._passes.e_step import EStep
from gmm._rows.sources import Source
from gmm._values.layouts import Array, Layout


def e_step_over(source: Source, moments: Layout, *, n_threads: int | None = None, origin: Array | None = None) -> EStep:
    """Open passes over rows; what takes out gaps and errors is loaded where there are some."""
    steps: Callable[..., EStep] = EStep
    if source.in_patterns:
        from gmm._passes.incomplete import ElsewhereEStep, IncompleteEStep

        steps = IncompleteEStep if source.here else ElsewhereEStep
    return steps(source, moments, n_threads=n_threads, origin=origin)

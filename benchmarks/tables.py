"""The tables that whole fits are timed on: real and made, everyday sizes first, in two sets.

Choices are tuned on the first set and judged on the second.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from benchmarks.datasets import bundled, digits_axes, faithful, pixels
from benchmarks.problems import TYPES, Problem, generate
from benchmarks.synthetic import blobs, four, overlap, rare

COMPONENTS = (2, 3, 5, 10, 20)
SEEDS, FEW_SEEDS = 10, 2
TUNED, JUDGED = "tuned on", "judged on"


@dataclass(frozen=True)
class Table:
    """Rows by name, in one of the two sets, and the fits that are asked for."""

    name: str
    group: str
    load: Callable[[], np.ndarray]
    n_components: tuple[int, ...] = COMPONENTS
    types: tuple[str, ...] = TYPES
    seeds: int = SEEDS


def large(problem: Problem) -> Callable[[], np.ndarray]:
    """Return a loader of a problem's rows."""
    return lambda: generate(problem)[0]


def unscaled_wine() -> np.ndarray:
    """Return the wine set in its own units, one column a thousand times as wide as another."""
    return bundled("wine", scaled=False)()


TABLES = (
    Table("iris", TUNED, bundled("iris")),
    Table("wine", TUNED, bundled("wine")),
    Table("breast cancer", TUNED, bundled("breast_cancer")),
    Table("digits, 10 axes", TUNED, partial(digits_axes, 10)),
    Table("china, pixels", TUNED, pixels("china")),
    Table("overlap 5000 × 2", TUNED, partial(overlap, 5000, 2, 5, 0.8, 1.0)),
    Table("four blobs", TUNED, four),
    Table("digits, 41 axes", TUNED, partial(digits_axes, 41), (110,), ("full",)),
    Table("200k × 16", TUNED, large(Problem(200_000, 16, 64, "diag")), (64,), ("diag",), FEW_SEEDS),
    Table("wine, own units", JUDGED, unscaled_wine),
    Table("diabetes", JUDGED, bundled("diabetes", slice(2, 8))),
    Table("Old Faithful", JUDGED, faithful),
    Table("digits, 30 axes", JUDGED, partial(digits_axes, 30)),
    Table("flower, pixels", JUDGED, pixels("flower")),
    Table("overlap 5000 × 8", JUDGED, partial(overlap, 5000, 8, 8, 0.8, 0.5)),
    Table("blobs 4000 × 8", JUDGED, partial(blobs, 4000, 8, 16, 2.5)),
    Table("rare 40k × 4", JUDGED, rare, (3, 5, 10), seeds=FEW_SEEDS),
    Table("overlap 5000 × 60", JUDGED, partial(overlap, 5000, 60, 6, 0.2, 0.5), (3, 10), seeds=FEW_SEEDS),
    Table("200k × 8", JUDGED, large(Problem(200_000, 8, 16, "full")), (16,), ("full", "tied"), FEW_SEEDS),
)

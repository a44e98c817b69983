"""Solutions near the best one: fits with about the same criterion that assign rows to other groups."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gmm._estimators.criteria import adjusted_rand_index, cross_table
from gmm._estimators.mixture import GaussianMixture
from gmm._estimators.scorer import Scorer
from gmm._lazy import reduced_at_home
from gmm._rows.sources import Source
from gmm._values.parameters import MixtureParameters

ALIKE = 0.9  # adjusted Rand index of two fits of one solution
_MOST_ROWS = 5_000  # on which partitions are compared


class Solution(NamedTuple):
    """A partition of the rows, and the best fit with it.

    Attributes
    ----------
    mixture : GaussianMixture
        The fitted mixture; `fit` to the same rows gives the same bits.
    criterion : float
        The criterion of the search.
    n_starts, n_seeds : int
        Number of random starts that found this solution, and of those of its cell.
    share_moved : float
        Share of rows that it assigns to other groups than the best solution, after the best renumbering.
    """

    mixture: GaussianMixture
    criterion: float
    n_starts: int
    n_seeds: int
    share_moved: float

    @classmethod
    def from_state(cls, mixture: GaussianMixture | None, facts: Any) -> Solution:
        """Make a solution of a mixture and the facts of a file, and check these."""
        numbers = isinstance(facts, list) and [type(fact) for fact in facts] == [float, int, int, float]
        if mixture is None or not numbers or not (0 <= facts[1] <= facts[2] and 0 <= facts[3] <= 1):
            raise ValueError(
                f"expected a mixture, and its criterion, starts, seeds and share in 'others', got {facts!r:.60}"
            )
        return cls(mixture, *facts)


Solution.__module__ = "gmm.inference"
Solution.__reduce_ex__ = reduced_at_home  # type: ignore[method-assign]


def group_solutions(
    mixtures: Iterable[MixtureParameters], source: Source, n_threads: int | None
) -> list[tuple[list[int], float]]:
    """Return the mixtures of each solution, the best first, and the share of rows in other groups than in the first."""
    used = np.flatnonzero(source.weights)
    rows = source.select_rows(used[:: -(-len(used) // _MOST_ROWS)])
    solutions: list[tuple[list[int], NDArray[np.intp]]] = []
    for number, mixture in enumerate(mixtures):
        labels = Scorer(mixture, n_threads).rows(rows, labels=True).labels
        assert labels is not None  # they were requested
        for members, first in solutions:
            if adjusted_rand_index(_cross_table(first, labels)) >= ALIKE:
                members.append(number)
                break
        else:
            solutions.append(([number], labels))
    (members, first), *others = solutions
    return [(members, 0.0), *((members, share_moved(first, labels)) for members, labels in others)]


def _cross_table(labels: NDArray[np.intp], others: NDArray[np.intp]) -> NDArray[np.number]:
    return cross_table(labels, others, (int(labels.max()) + 2, int(others.max()) + 2))


def share_moved(labels: NDArray[np.intp], others: NDArray[np.intp]) -> float:
    """Return the share of rows with another label after the best renumbering (Lange et al. 2004, eq. 5)."""
    from scipy.optimize import linear_sum_assignment

    table = _cross_table(labels, others)
    return float(1 - table[linear_sum_assignment(-table)].sum() / len(labels))

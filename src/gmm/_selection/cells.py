"""`SearchTable`: the cells of a search, column by column, and their order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gmm._estimators.criteria import CRITERIA, HELD_OUT, OF_SEARCHES
from gmm._estimators.mixture import GaussianMixture
from gmm._selection.status import is_eligible
from gmm._validation.scalars import check_choice
from gmm._values.tails import NORMAL_TAILS


@dataclass(frozen=True, eq=False, repr=False)
class SearchTable:
    """The columns of a `Selection`, which describes them."""

    criterion: str
    n_components: NDArray[np.int64]
    covariance_type: tuple[str, ...]
    tails: tuple[str, ...]
    loglik: NDArray[np.float64]
    n_parameters: NDArray[np.int64]
    bic: NDArray[np.float64]
    aic: NDArray[np.float64]
    aicc: NDArray[np.float64]
    icl: NDArray[np.float64]
    nec: NDArray[np.float64]
    held_out: NDArray[np.float64]
    scores: NDArray[np.float64]
    status: tuple[str, ...]
    seconds: NDArray[np.float64]
    estimators: tuple[GaussianMixture | None, ...]
    best_index: int
    complete: bool = True
    n_fresh_starts: int = 0
    n_found_again: int = 0
    standardized: bool = False
    n_searched: int = 0
    notes: tuple[str, ...] = ()

    @property
    def best(self) -> GaussianMixture:
        """Fitted mixture of the best cell."""
        best = self.estimators[self.best_index]
        assert best is not None  # best_index is that of a fitted cell
        return best

    @property
    def kinds(self) -> tuple[str, ...]:
        """Covariance type and tails of each cell, in short."""
        return tuple(map(kind_of, self.covariance_type, self.tails))

    @property
    def criteria(self) -> tuple[str, ...]:
        """Names of the criteria that the table has; "held_out" is among them if the search was by it."""
        return OF_SEARCHES if self.criterion == HELD_OUT else CRITERIA

    def ranked(self, criterion: str | None = None) -> list[int]:
        """Rank the fitted cells, best first; degenerate ones come last, unless held-out rows judge them.

        Parameters
        ----------
        criterion : str, default=None
            "bic", "aic", "aicc", "icl", "nec" or, of a search by it, "held_out"; None takes the criterion of the
            search.

        Returns
        -------
        list of int
            Indices of the cells.

        Raises
        ------
        ValueError
            For any other criterion.

        Examples
        --------
        >>> import numpy as np
        >>> from gmm import select
        >>> selection = select(np.random.default_rng(0).normal(size=(50, 2)), (1, 2), ["EII", "VVV"], random_state=0)
        >>> for cell in selection.ranked("icl")[:2]:
        ...     print(selection.n_components[cell], selection.covariance_type[cell])
        1 EII
        1 VVV
        """
        name = self.criterion if criterion is None else check_criterion(criterion, self.criteria)
        scores = self.scores if criterion is None else getattr(self, name)
        fitted = [number for number, estimator in enumerate(self.estimators) if estimator is not None]
        return sorted(fitted, key=lambda n: (not is_eligible(self.status[n], name), np.isnan(scores[n]), scores[n]))


def kind_of(covariance_type: str, tails: str) -> str:
    """Return a covariance type and tails in short: "VVV", or "VVV t"."""
    return covariance_type if tails == NORMAL_TAILS.name else f"{covariance_type} {tails}"


def check_criterion(criterion: object, among: tuple[str, ...] = CRITERIA) -> str:
    """Return the name of a criterion; raise a ValueError if it is none of these."""
    return check_choice(criterion, "a criterion", among)

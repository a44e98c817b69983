"""`ContaminatedTails`: components of which a share of the rows is spread more widely."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import exp, log, sqrt
from types import MappingProxyType
from typing import Any

import numpy as np

from gmm._values.layouts import Array
from gmm._values.tails import Rng, Tails, range_of

LEAST_GOOD, MOST_GOOD = 0.5, 0.999  # share of good rows, and …
LEAST_INFLATION, MOST_INFLATION = 5.0, 1e8  # … how many times the others vary, as in `_kernel/tails.pxd`
CONTAMINATION = (
    f"shares of good rows from {LEAST_GOOD} to {MOST_GOOD} and inflations from {LEAST_INFLATION:g} to "
    f"{MOST_INFLATION:g}"
)


@dataclass(frozen=True, eq=False)
class ContaminatedTails(Tails):
    """Contaminated normal components, α N(μ, Σ) + (1 − α) N(μ, η Σ), of which a fit chooses α and η of each.

    A. Punzo, P. D. McNicholas (2016). Parsimonious mixtures of multivariate contaminated normal distributions.
    *Biometrical Journal* 58, 1506-1537.

    Parameters
    ----------
    good_shares : float or array of shape (K,)
        α, of rows that are no outliers.
    inflations : float or array of shape (K,)
        η, of the covariances of outliers.
    """

    good_shares: float | Array = 1.0
    inflations: float | Array = 1.0

    name = "contaminated"
    kind = "contaminated normal"
    free = 3
    estimates = ("good share", "inflation")
    ranges = (LEAST_GOOD, MOST_GOOD), (LEAST_INFLATION, MOST_INFLATION)
    parameters = MappingProxyType({"tails": name})

    def __bool__(self) -> bool:
        return True

    @property
    def text(self) -> str:
        """How heavy they are, in words."""
        percent = range_of(100 * (1 - np.asarray(self.good_shares)))
        return f"{percent} % outliers with {range_of(self.inflations)} times the covariance"

    @property
    def described(self) -> dict[str, float | Array]:
        """Their numbers by name."""
        return {"good_shares": self.good_shares, "inflations": self.inflations}

    def numbers(self, n_components: int) -> Array:
        """Return α and η of each component, (2, K)."""
        numbers = np.empty((2, n_components))
        numbers[0], numbers[1] = self.good_shares, self.inflations
        return numbers

    def with_numbers(self, numbers: Array) -> ContaminatedTails:
        """Return the tails of an update with these numbers, (2, K)."""
        return ContaminatedTails(*numbers)

    def beginning(self, squares: Array) -> ContaminatedTails:
        """Return where a fit begins, given squares of outliers in the mean of columns of each component, (K,)."""
        return ContaminatedTails(self.good_shares, np.clip(squares, LEAST_INFLATION, MOST_INFLATION))

    def of_components(self, components: Any) -> ContaminatedTails:
        """Return the tails of one component, or of some."""
        if np.ndim(self.inflations) == 0:
            return self
        return ContaminatedTails(*self.numbers(len(np.atleast_1d(self.inflations)))[:, components])

    def n_parameters(self, n_components: int) -> int:
        """Free parameters."""
        return 2 * n_components

    def equals(self, other: Tails) -> bool:
        """Whether a fit of the one may continue that of the other."""
        return self.name == other.name

    def stretched(self, rows: Array, rng: Rng) -> Array:
        """Return rows of components, drawn about their centres with normal tails, with these."""
        good = rng.uniform(size=(len(rows), 1)) < self.good_shares
        return np.where(good, rows, np.sqrt(self.inflations) * rows)

    def radius(self, content: float) -> float:
        """Return how far from its centre, in its scales, a component of two columns has a share of its rows."""
        return _root(lambda r: self._beyond(r) - (1 - content), float(self.inflations))

    def content(self, fall: float) -> float:
        """Return the share of a component of two columns within a log density `fall`, at most 0, from its highest."""
        good, bad, eta = self.good_shares, 1 - self.good_shares, self.inflations
        peak = good + bad / eta

        def excess(r: float) -> float:
            return log(good * exp(-r * r / 2) / peak + bad / eta * exp(-r * r / (2 * eta)) / peak) - fall

        return 1 - self._beyond(_root(excess, float(eta)))

    def _beyond(self, radius: float) -> float:
        good = self.good_shares
        return float(good * exp(-(radius**2) / 2) + (1 - good) * exp(-(radius**2) / (2 * self.inflations)))

    def limits(self, n_columns: int) -> Array:
        """Return the squares beyond which rows of each component are more likely outliers than not, (K,)."""
        eta, odds = np.asarray(self.inflations), np.asarray(self.good_shares) / (1 - np.asarray(self.good_shares))
        return np.asarray(2 * eta / (eta - 1) * (np.log(odds) + n_columns / 2 * np.log(eta)))


def is_contamination(numbers: Array) -> bool:
    """Whether numbers (2, K) are those of contaminated tails."""
    good, inflations = numbers
    within = (good >= LEAST_GOOD) & (good <= MOST_GOOD)
    return bool((within & (inflations >= LEAST_INFLATION) & (inflations <= MOST_INFLATION)).all())


def _root(falling: Callable[[float], float], inflation: float) -> float:
    """Return where a function of a radius falls to zero."""
    from scipy.optimize import brentq

    return 0.0 if falling(0.0) <= 0 else float(brentq(falling, 0, 35 * sqrt(inflation), xtol=1e-12))

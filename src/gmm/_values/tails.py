"""`Tails` of components: normal ones, and heavier ones, `StudentTails` and `ContaminatedTails`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import exp, expm1, log, log1p, sqrt
from types import MappingProxyType
from typing import Any

import numpy as np

from gmm._values.layouts import Array

Rng = np.random.RandomState | np.random.Generator

LEAST_DEGREES, MOST_DEGREES = 1, 1_000_000  # of freedom
MOST_ESTIMATED = 200  # of them by a fit, as in `_kernel/tails.pxd`
OF_EACH = "each"  # component its own degrees of freedom, as `GaussianMixture` takes it


class Tails:
    """Normal tails, which are false; subclasses have heavier ones."""

    name = "normal"  # as `GaussianMixture` takes it
    kind = "normal"  # in sentences
    degrees: float | Array = np.inf  # of freedom, of all components or of each
    good_shares: float | Array = 1.0  # of rows that are no outliers …
    inflations: float | Array = 1.0  # … and how many times as large the covariances of outliers are
    free = 0  # what a fit chooses, as the compiled core takes it: one ν for all components, one for each, or α and η
    estimates: tuple[str, ...] = ()  # what a fit chooses of each component: the first of its numbers
    ranges: tuple[tuple[float, float], ...] = ()  # of these, as far as a fit goes
    parameters: Mapping[str, Any] = MappingProxyType({})  # as `GaussianMixture` takes them, besides its defaults

    def __bool__(self) -> bool:
        return type(self) is not Tails

    @property
    def text(self) -> str:
        """How heavy they are, in words."""
        return ""

    def numbers(self, n_components: int) -> Array:
        """Return what the compiled core reads, (2, K): see `WhitenedMixture`."""
        return np.zeros((2, n_components))

    def for_components(self, components: Any) -> Tails:
        """Return the tails of one component, or of some."""
        return self

    @property
    def described(self) -> dict[str, float | Array]:
        """Their numbers by name."""
        return {}

    def n_parameters(self, n_components: int) -> int:
        """Free parameters."""
        return (0, 1, n_components, 2 * n_components)[self.free]

    def with_numbers(self, numbers: Array) -> Tails:
        """Return the tails of an update with these numbers, (2, K)."""
        return self

    def beginning(self, squares: Array) -> Tails:
        """Return where a fit begins, given squares of outliers in the mean of columns of each component, (K,)."""
        return self

    def equals(self, other: Tails) -> bool:
        """Whether a fit of the one may continue that of the other."""
        same = self.name == other.name and self.free == other.free
        return same and (self.free > 0 or np.array_equal(self.degrees, other.degrees))

    def stretched(self, rows: Array, rng: Rng) -> Array:
        """Return rows of components, drawn about their centres with normal tails, with these."""
        return rows

    def radius(self, content: float) -> float:
        """Return how far from its centre, in its scales, a component of two columns has a share of its rows."""
        return sqrt(-2 * log1p(-content))

    def content(self, fall: float) -> float:
        """Return the share of a component of two columns within a log density `fall`, at most 0, from its highest."""
        return -expm1(fall)

    def given(self, n_columns: int) -> Tails:
        """Return those of other columns given so many."""
        return self

    @property
    def variance(self) -> Array:
        """Of columns beside their squared scales, in each component, (K, 1, 1) or (1, 1, 1)."""
        return np.ones((1, 1, 1))

    def quantile(self, level: float) -> Array:
        """Return a quantile of columns in their scales, in each component, (K, 1, 1) or (1, 1, 1)."""
        from scipy.special import ndtri

        return np.full((1, 1, 1), ndtri(level))

    def share_below(self, steps: Array) -> Array:
        """Return the shares below some steps from the means in their scales, (K, n, m)."""
        from scipy.special import ndtr

        return np.asarray(ndtr(steps))


NORMAL_TAILS = Tails()


def range_of(values: float | Array) -> str:
    """Return the least and the largest of some values in words."""
    return " to ".join(dict.fromkeys(f"{end:.4g}" for end in (np.min(values), np.max(values))))


class StudentTails(Tails):
    """Student-t components, with degrees of freedom that all share, or with their own (Peel & McLachlan 2000).

    Parameters
    ----------
    degrees : float or array of shape (K,)
        Of freedom ν; where a fit begins, if they are estimated.
    estimated : bool
        Whether a fit chooses them.
    shared : bool
        Whether those of all components are the same.
    """

    name = "t"
    kind = "Student-t"
    ranges = ((LEAST_DEGREES, MOST_ESTIMATED),)

    def __init__(self, degrees: float | Array, estimated: bool = False, shared: bool = True) -> None:
        self.degrees = degrees
        self.estimated = estimated
        self.shared = shared
        self.free = int(estimated) * (1 if shared else 2)
        self.estimates = ("degrees of freedom",) if estimated else ()

    @property
    def parameters(self) -> Mapping[str, Any]:  # type: ignore[override]
        """As `GaussianMixture` takes them."""
        estimated = None if self.shared else OF_EACH
        return {"tails": self.name, "degrees_of_freedom": estimated if self.estimated else self.degrees}

    @property
    def text(self) -> str:
        """How heavy they are, in words."""
        normal = ", as good as normal" if np.min(self.degrees) >= MOST_ESTIMATED else ""
        return f"{range_of(self.degrees)} degrees of freedom{normal}"

    def numbers(self, n_components: int) -> Array:
        """Return ν of each component and zeros, (2, K)."""
        numbers = np.zeros((2, n_components))
        numbers[0] = self.degrees
        return numbers

    @property
    def described(self) -> dict[str, float | Array]:
        """Their numbers by name."""
        return {"degrees_of_freedom": self.degrees}

    def for_components(self, components: Any) -> StudentTails:
        """Return the tails of one component, or of some."""
        if np.ndim(self.degrees) == 0:
            return self
        return StudentTails(np.asarray(self.degrees)[components], self.estimated, self.shared)

    def with_numbers(self, numbers: Array) -> StudentTails:
        """Return the tails of an update with these numbers, (2, K)."""
        return StudentTails(float(numbers[0, 0]) if self.shared else numbers[0], self.estimated, self.shared)

    def stretched(self, rows: Array, rng: Rng) -> Array:
        """Return rows of components, drawn about their centres with normal tails, with these."""
        return np.asarray(rows / np.sqrt(rng.chisquare(self.degrees, (len(rows), 1)) / self.degrees))

    def radius(self, content: float) -> float:
        """Return how far from its centre, in its scales, a component of two columns has a share of its rows."""
        return sqrt(self.degrees * expm1(-2 / self.degrees * log1p(-content)))

    def content(self, fall: float) -> float:
        """Return the share of a component of two columns within a log density `fall`, at most 0, from its highest."""
        return -expm1(fall * self.degrees / (self.degrees + 2))

    def given(self, n_columns: int) -> StudentTails:
        """Return those of other columns given so many: ν + q degrees of freedom (Ding 2016)."""
        # Those that are given are one number.
        return StudentTails(self.degrees + n_columns, estimated=not self.shared, shared=self.shared)

    def widening(self, squares: Array, n_columns: int) -> Array:
        """Return by how much scale matrices grow given so many columns at these squares, (K, n): 1 / u."""
        return np.asarray((self._of_each[:, 0] + squares) / (self._of_each[:, 0] + n_columns))

    @property
    def variance(self) -> Array:
        """Of columns beside their squared scales, in each component, (K, 1, 1) or (1, 1, 1)."""
        with np.errstate(divide="ignore"):
            return np.where(self._of_each > 2, self._of_each / (self._of_each - 2), np.inf)

    def quantile(self, level: float) -> Array:
        """Return a quantile of columns in their scales, in each component, (K, 1, 1) or (1, 1, 1)."""
        from scipy.special import stdtrit

        return np.asarray(stdtrit(self._of_each, level))

    def share_below(self, steps: Array) -> Array:
        """Return the shares below some steps from the means in their scales, (K, n, m)."""
        from scipy.special import stdtr

        return np.asarray(stdtr(self._of_each, steps))

    @property
    def _of_each(self) -> Array:
        return np.reshape(np.asarray(self.degrees, dtype=np.float64), (-1, 1, 1))


LEAST_GOOD, MOST_GOOD = 0.5, 0.999  # share of good rows, and …
LEAST_INFLATION, MOST_INFLATION = 5.0, 1e8  # … how many times the others vary, as in `_kernel/tails.pxd`
CONTAMINATION = (
    f"shares of good rows from {LEAST_GOOD} to {MOST_GOOD} and inflations from {LEAST_INFLATION:g} to "
    f"{MOST_INFLATION:g}"
)


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

    name = "contaminated"
    kind = "contaminated normal"
    free = 3
    estimates = ("good share", "inflation")
    ranges = (LEAST_GOOD, MOST_GOOD), (LEAST_INFLATION, MOST_INFLATION)
    parameters = MappingProxyType({"tails": name})

    def __init__(self, good_shares: float | Array, inflations: float | Array) -> None:
        self.good_shares = good_shares
        self.inflations = inflations

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

    def for_components(self, components: Any) -> ContaminatedTails:
        """Return the tails of one component, or of some."""
        if np.ndim(self.inflations) == 0:
            return self
        return ContaminatedTails(*self.numbers(len(np.atleast_1d(self.inflations)))[:, components])

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

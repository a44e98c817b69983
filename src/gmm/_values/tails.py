"""`Tails` of components: normal ones, and the heavier `StudentTails`."""

from __future__ import annotations

from collections.abc import Mapping
from math import expm1, log1p, sqrt
from types import MappingProxyType
from typing import Any

import numpy as np

from gmm._values.layouts import Array

Rng = np.random.RandomState | np.random.Generator

LEAST_DEGREES, MOST_DEGREES = 1, 1_000_000  # of freedom
MOST_ESTIMATED = 200  # the most that a fit estimates, as in `_kernel/tails.pxd`
OF_EACH = "each"  # argument of `GaussianMixture`: each component has its degrees of freedom


class Tails:
    """Tails of components: normal ones, as `NORMAL_TAILS`, which is false; subclasses have heavier ones."""

    name = "normal"  # argument of `GaussianMixture`
    degrees: float | Array = np.inf  # of freedom, of all components or of each
    free = 0  # parameters of a fit, as in the compiled core: none, one ν for all components, or one for each
    parameters: Mapping[str, Any] = MappingProxyType({})  # those of `GaussianMixture` that are not defaults

    def __bool__(self) -> bool:
        return True

    @property
    def text(self) -> str:
        """The degrees of freedom, as text."""
        return ""

    def numbers(self, n_components: int) -> Array:
        """Return the numbers of the compiled core, (K,): see `WhitenedMixture`."""
        return np.zeros(n_components)

    def for_components(self, components: Any) -> Tails:
        """Return the tails of one component, or of some."""
        return self

    def n_parameters(self, n_components: int) -> int:
        """Return the number of free parameters."""
        return (0, 1, n_components)[self.free]

    def with_numbers(self, numbers: Array) -> Tails:
        """Return the tails of an update with these numbers, (K,)."""
        return self

    def equals(self, other: Tails) -> bool:
        """Return whether a fit with one may continue a fit with the other."""
        if self is other:
            return True
        same = self.name == other.name and self.free == other.free
        return same and (self.free > 0 or np.array_equal(self.degrees, other.degrees))

    def stretched(self, rows: Array, rng: Rng) -> Array:
        """Return rows with these tails, made of centred rows with normal tails."""
        return rows

    def radius(self, content: float) -> float:
        """Return the radius, in scales, within which a component of two columns has a share of its rows."""
        return sqrt(-2 * log1p(-content))

    def content(self, fall: float) -> float:
        """Return the share of a component of two columns within a log density `fall`, at most 0, from its highest."""
        return -expm1(fall)

    def given(self, n_columns: int) -> Tails:
        """Return the tails of the other columns given `n_columns`."""
        return self

    @property
    def variance(self) -> Array:
        """Variance of columns, in their squared scales, in each component, (K, 1, 1) or (1, 1, 1)."""
        return np.ones((1, 1, 1))

    def quantile(self, level: float) -> Array:
        """Return a quantile of columns in their scales, in each component, (K, 1, 1) or (1, 1, 1)."""
        from scipy.special import ndtri

        return np.full((1, 1, 1), ndtri(level))

    def share_below(self, steps: Array) -> Array:
        """Return the shares below some steps from the means in their scales, (K, n, m)."""
        from scipy.special import ndtr

        return np.asarray(ndtr(steps))


class _NormalTails(Tails):
    __bool__ = staticmethod(bool)  # false


NORMAL_TAILS: Tails = _NormalTails()


class StudentTails(Tails):
    """Student-t components, with degrees of freedom that all share, or with their own (Peel & McLachlan 2000).

    Parameters
    ----------
    degrees : float or array of shape (K,)
        Degrees of freedom ν; their initial values, if they are estimated.
    estimated : bool
        Whether a fit estimates them.
    shared : bool
        Whether all components have the same.
    """

    name = "t"

    def __init__(self, degrees: float | Array, estimated: bool = False, shared: bool = True) -> None:
        self.degrees = degrees
        self.estimated = estimated
        self.shared = shared
        self.free = int(estimated) * (1 if shared else 2)

    @property
    def parameters(self) -> Mapping[str, Any]:  # type: ignore[override]
        """Parameters of `GaussianMixture`."""
        estimated = None if self.shared else OF_EACH
        return {"tails": self.name, "degrees_of_freedom": estimated if self.estimated else self.degrees}

    @property
    def text(self) -> str:
        """The degrees of freedom, as text."""
        normal = ", nearly normal" if np.min(self.degrees) >= MOST_ESTIMATED else ""
        ends = dict.fromkeys(f"{end:.4g}" for end in (np.min(self.degrees), np.max(self.degrees)))
        return f"{' to '.join(ends)} degrees of freedom{normal}"

    def numbers(self, n_components: int) -> Array:
        """Return ν of each component, (K,)."""
        return np.full(n_components, self.degrees, dtype=np.float64)

    def for_components(self, components: Any) -> StudentTails:
        """Return the tails of one component, or of some."""
        if np.ndim(self.degrees) == 0:
            return self
        return StudentTails(np.asarray(self.degrees)[components], self.estimated, self.shared)

    def with_numbers(self, numbers: Array) -> StudentTails:
        """Return the tails of an update with these numbers, (K,)."""
        return StudentTails(float(numbers[0]) if self.shared else numbers, self.estimated, self.shared)

    def stretched(self, rows: Array, rng: Rng) -> Array:
        """Return rows with these tails, made of centred rows with normal tails."""
        return np.asarray(rows / np.sqrt(rng.chisquare(self.degrees, (len(rows), 1)) / self.degrees))

    def radius(self, content: float) -> float:
        """Return the radius, in scales, within which a component of two columns has a share of its rows."""
        return sqrt(self.degrees * expm1(-2 / self.degrees * log1p(-content)))

    def content(self, fall: float) -> float:
        """Return the share of a component of two columns within a log density `fall`, at most 0, from its highest."""
        return -expm1(fall * self.degrees / (self.degrees + 2))

    def given(self, n_columns: int) -> StudentTails:
        """Return the tails of the other columns given q: ν + q degrees of freedom (Ding 2016)."""
        return StudentTails(self.degrees + n_columns, estimated=not self.shared, shared=self.shared)

    def widening(self, squares: Array, n_columns: int) -> Array:
        """Return the factors of scale matrices given columns with these squared distances, (K, n): 1 / u."""
        return np.asarray((self._per_component[:, 0] + squares) / (self._per_component[:, 0] + n_columns))

    @property
    def variance(self) -> Array:
        """Variance of columns, in their squared scales, in each component, (K, 1, 1) or (1, 1, 1)."""
        with np.errstate(divide="ignore"):
            return np.where(self._per_component > 2, self._per_component / (self._per_component - 2), np.inf)

    def quantile(self, level: float) -> Array:
        """Return a quantile of columns in their scales, in each component, (K, 1, 1) or (1, 1, 1)."""
        from scipy.special import stdtrit

        return np.asarray(stdtrit(self._per_component, level))

    def share_below(self, steps: Array) -> Array:
        """Return the shares below some steps from the means in their scales, (K, n, m)."""
        from scipy.special import stdtr

        return np.asarray(stdtr(self._per_component, steps))

    @property
    def _per_component(self) -> Array:
        return np.reshape(np.asarray(self.degrees, dtype=np.float64), (-1, 1, 1))

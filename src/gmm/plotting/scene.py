"""`Scene`: what a picture is of, a fitted mixture and rows, checked and thinned; nothing is drawn here.

How far the axes of a view reach, and where a mixture is evaluated for curves and contours, are told here as well.
"""

from __future__ import annotations

import numbers
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gmm.estimators.contract import names_of_features
from gmm.estimators.fitted import FittedMixture, fitted_parameters, source_of
from gmm.estimators.mixture import GaussianMixture
from gmm.estimators.scorer import Scorer
from gmm.exceptions import InvalidParameterError, raisable
from gmm.plotting.view import View
from gmm.rows.sources import ArraySource
from gmm.selection import Selection
from gmm.validation.parameters import check_is_fitted, check_random_state
from gmm.values.layouts import Array
from gmm.values.parameters import MixtureParameters

_REACH = 3.0  # standard deviations of a component that a picture has room for
_CORE = 0.9  # of the weight: what the heaviest components that have it need, settles how far the axes may reach
_BEYOND = 2.0  # so many times that width may stand beside it, on either side
_FINE = 4  # as many points per standard deviation stand about a component that the grid would miss
_MOST_POINTS = 1_000_000  # of a grid, and fewer where there are many components


@dataclass(frozen=True, eq=False)
class Scene:
    """A fitted mixture, and rows.

    Attributes
    ----------
    mixture : MixtureParameters
    names : tuple of str
        Of the features.
    source : ArraySource
        All rows (n, d) and their weights (n,) or None.
    shown : array of shape (s,)
        Numbers of the rows that are drawn one by one.
    responsibilities : array of shape (s, K)
        Of the rows shown, by all features.
    n_threads : int or None
        What the estimator scores rows with.
    """

    mixture: MixtureParameters
    names: tuple[str, ...]
    source: ArraySource
    shown: NDArray[np.intp]
    responsibilities: Array
    n_threads: int | None

    @property
    def n_components(self) -> int:
        """K."""
        return self.mixture.n_components

    @property
    def rows(self) -> NDArray[Any]:
        """All rows, (n, d)."""
        return self.source.rows

    @property
    def sample_weight(self) -> Array | None:
        """Their weights, (n,)."""
        return self.source.sample_weight

    @cached_property
    def weighted(self) -> tuple[NDArray[Any], Array]:
        """The rows that have a weight, (n_used, d), and their weights, (n_used,): the others are as if not there."""
        if self.sample_weight is None:
            return self.rows, np.ones(len(self.rows))
        counted = self.sample_weight > 0
        return self.rows[counted], self.sample_weight[counted]

    @property
    def uncertainty(self) -> Array:
        """One minus the largest responsibility of each row shown, (s,)."""
        return np.asarray(1 - self.responsibilities.max(axis=1))

    @cached_property
    def uncertainty_of_all(self) -> Array:
        """The same of all rows, (n,); a pass over them."""
        return 1 - Scorer(self.mixture, self.n_threads).largest_responsibilities(ArraySource(self.rows))

    @property
    def certainty(self) -> Array:
        """From 0, where all components are as probable, to 1, (s,)."""
        return certainty(self.responsibilities)

    @cached_property
    def counts(self) -> Array:
        """Weight of the rows of which each component is the most probable, (K,); a pass over all rows."""
        labels = Scorer(self.mixture, self.n_threads).rows(self.source, labels=True).labels
        assert labels is not None  # it was asked for
        return np.bincount(labels, self.sample_weight, minlength=self.n_components).astype(np.float64)

    @property
    def relative_weight(self) -> Array:
        """Weights of the rows shown over the mean of all that have one, (s,)."""
        weight = self.sample_weight
        return np.ones(len(self.shown)) if weight is None else weight[self.shown] * (self.source.n_used / weight.sum())

    @property
    def present(self) -> NDArray[np.intp]:
        """Numbers of the components that have a weight, (up to K,)."""
        return np.flatnonzero(self.mixture.weights > 0)


def scene_of(
    model: Any, X: ArrayLike, *, sample_weight: ArrayLike | None = None, max_points: int = 5000, random_state: Any = 0
) -> Scene:
    """A mixture and rows, or the estimator's own error for rows that it cannot score.

    Parameters
    ----------
    model : GaussianMixture or GaussianMixtureSearch
        Fitted.
    X : array-like or data frame of shape (n, d)
    sample_weight : array-like of shape (n,), default=None
    max_points : int, default=5000
        Most rows that are drawn one by one; of more, as many are drawn without replacement.
    random_state : int, RandomState, Generator or None, default=0

    Raises
    ------
    NotFittedError, TypeError
        As `fitted_mixture`.
    ValueError
        For rows that the mixture cannot score, and a `max_points` below 1.
    """
    mixture = fitted_mixture(model)
    if not isinstance(max_points, numbers.Integral) or int(max_points) < 1:
        raise raisable(InvalidParameterError)(f"max_points must be an int of at least 1, got {max_points!r}")
    return staged(
        fitted_parameters(mixture),
        names_of_features(mixture),
        source_of(mixture, X, sample_weight),
        max_points=int(max_points),
        random_state=random_state,
        n_threads=mixture.n_threads,
    )


def staged(
    mixture: MixtureParameters,
    names: tuple[str, ...],
    source: ArraySource,
    *,
    max_points: int,
    random_state: Any,
    n_threads: int | None,
) -> Scene:
    """The scene of checked rows; of more than `max_points` that have a weight, as many are shown."""
    weight = source.sample_weight
    shown = np.arange(source.n_rows) if weight is None else np.flatnonzero(weight)
    if len(shown) > max_points:
        shown = np.sort(check_random_state(random_state).choice(shown, max_points, replace=False))
    responsibilities, _ = scored(mixture, np.ascontiguousarray(source.rows[shown]), n_threads)
    return Scene(mixture, names, source, shown, responsibilities, n_threads)


def fitted_mixture(model: Any) -> FittedMixture:
    """The mixture, or the best one of a search.

    Raises
    ------
    NotFittedError
        Where it is not fitted.
    TypeError
        For anything else.
    """
    if hasattr(model, "__sklearn_is_fitted__") and not isinstance(model, type):
        check_is_fitted(model)
    found = getattr(model, "best_estimator_", model)
    if not isinstance(found, FittedMixture):
        raise TypeError(f"expected a fitted GaussianMixture or GaussianMixtureSearch, got {_told(model)}")
    return found


def _told(model: Any) -> str:
    """What came in place of a mixture, and what to do."""
    if isinstance(model, type):
        return f"the class {model.__name__}: make one of it and fit it, as in {model.__name__}().fit(X)"
    name = type(model).__name__
    if isinstance(model, Selection):
        return f"a {name}: give its best mixture, found.best"
    if name != GaussianMixture.__name__:
        return name
    return (
        f"{type(model).__module__}.{name}: import it from gmm instead, or take over what is fitted, by "
        "GaussianMixture.from_parameters(m.weights_, m.means_, m.covariances_, covariance_type=m.covariance_type)"
    )


def scored(mixture: MixtureParameters, rows: NDArray[Any], n_threads: int | None = None) -> tuple[Array, Array]:
    """Responsibilities (n, K) and log densities (n,) of rows, in nats."""
    found = Scorer(mixture, n_threads).rows(ArraySource(rows), responsibilities=True, log_evidence=True)
    assert found.responsibilities is not None  # they were asked for
    assert found.log_evidence is not None
    return found.responsibilities.astype(np.float64, copy=False), found.log_evidence


def certainty(responsibilities: Array) -> Array:
    """How far the largest responsibility is on the way from 1/K to 1."""
    K = responsibilities.shape[-1]
    largest = responsibilities.max(axis=-1)
    return np.ones_like(largest) if K == 1 else np.clip((largest - 1 / K) / (1 - 1 / K), 0, 1)


def limits(scene: Scene, view: View) -> Array:
    """How far each axis reaches, (m, 2).

    As far as all rows and components do, but no farther, on either side, than twice the width that the heaviest
    components need: what lies beyond would squeeze all else, and is told.
    """
    seen, mixture = view.project(scene.weighted[0]), view.marginal(scene.mixture)
    reach = _REACH * np.sqrt(np.einsum("kjj->kj", mixture.covariances))
    low, high = mixture.means - reach, mixture.means + reach
    order = np.argsort(-mixture.weights, kind="stable")
    before = np.cumsum(mixture.weights[order]) - mixture.weights[order]
    core = order[before < _CORE - 1e-9]
    core_low, core_high = low[core].min(axis=0), high[core].max(axis=0)
    room, margin = _BEYOND * (core_high - core_low), 0.02 * (core_high - core_low)
    least, most = core_low - room, core_high + room
    points = np.concatenate([seen, low[scene.present], high[scene.present]])
    # What lies beyond does not even stretch the axes: they end at the last that is seen.
    near = (points >= least) & (points <= most)
    low, high = points.min(axis=0, initial=np.inf, where=near), points.max(axis=0, initial=-np.inf, where=near)
    return np.stack([low - margin, high + margin], axis=1)


def beyond(scene: Scene, view: View, edges: Array) -> tuple[int, list[int]]:
    """How many rows lie outside of the axes, and which components' means."""
    seen = view.project(scene.weighted[0])
    means = view.project(scene.mixture.means)[scene.present]
    rows, components = (((a < edges[:, 0]) | (a > edges[:, 1])).any(axis=1) for a in (seen, means))
    return int(np.count_nonzero(rows)), scene.present[components].tolist()


def coordinates(mixture: MixtureParameters, edges: Array, n: int = 240) -> list[Array]:
    """Coordinates along each axis at which a mixture of full covariances is evaluated.

    Evenly spaced from edge to edge, and closer about components that are thin beside the spacing: about the heaviest
    of them, where all would be too many.
    """
    spreads = np.sqrt(np.einsum("kjj->kj", mixture.covariances))
    offsets = np.linspace(-6, 6, 12 * _FINE + 1)
    most = n + (_MOST_POINTS / max(1, len(spreads) / 8)) ** (1 / len(edges)) / 2
    found = []
    for j, (low, high) in enumerate(edges):
        thin = np.flatnonzero((spreads[:, j] < 4 * (high - low) / n) & (mixture.weights > 0))
        thin = thin[np.argsort(-mixture.weights[thin], kind="stable")][: int(most / len(offsets))]
        about = (mixture.means[thin, j, None] + offsets * spreads[thin, j, None]).ravel()
        found.append(np.unique(np.concatenate([np.linspace(low, high, n), about[(about > low) & (about < high)]])))
    return found


def grid(axes: list[Array]) -> Array:
    """All points of a grid, (n_0 · n_1 …, m), the first axis the fastest."""
    return np.stack([part.ravel() for part in np.meshgrid(*axes)], axis=1)

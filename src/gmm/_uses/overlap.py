"""`overlap` and `column_overlap`: how far apart the components of a mixture are, together and column by column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtr

from gmm._estimators.contract import names_of_features
from gmm._estimators.exclusions import checked_without
from gmm._estimators.fitted import FittedMixture, fitted_parameters
from gmm._estimators.scorer import Scorer
from gmm._fitting.sampling import Rng
from gmm._public import publish
from gmm._rows.sources import ArraySource
from gmm._text.frames import data_frame
from gmm._text.lists import beginning
from gmm._validation.parameters import check_n_samples, check_random_state
from gmm._values.layouts import Array

_NUMBERS_AT_ONCE = 2_000_000
_GRID = np.linspace(-9, 9, 181)  # in standard deviations; most crossings of two densities are alone between two points
_COLUMNS_SHOWN = 6
_MOST_LOG = 700.0  # of a density that no weight multiplies
_BISECTIONS = 40  # where densities cross, an error of the place is squared in the area


@dataclass(frozen=True, eq=False, repr=False)
class ColumnOverlap:
    """Overlap of each component with the rest, column by column.

    Attributes
    ----------
    areas : ndarray of shape (K, d)
        0 where a column tells a component from all others, 1 where it does not tell at all.
    feature_names : tuple of str
        Names of the columns.
    """

    areas: Array
    feature_names: tuple[str, ...]

    def to_frame(self) -> Any:
        """Return one row for each component, with a column of areas for each feature.

        Returns
        -------
        pandas.DataFrame or polars.DataFrame
        """
        areas = dict(zip(self.feature_names, self.areas.T, strict=True))
        return data_frame({"component": np.arange(len(self.areas))} | areas)

    def __repr__(self) -> str:
        """Return the areas as a table."""
        rows = ([f"{area:.3f}" for area in areas[:_COLUMNS_SHOWN]] for areas in self.areas)
        shown, d = self.feature_names[:_COLUMNS_SHOWN], len(self.feature_names)
        more = f", {len(shown)} of {d} columns" if len(shown) < d else ""
        title = f"ColumnOverlap{more}, 0 (apart) to 1 (alike)"
        return "\n".join([title, *beginning(shown, rows, len(self.areas))])


def overlap(model: FittedMixture, *, n_samples: int = 100_000, random_state: int | Rng | None = 0) -> Array:
    """Compute how often rows of one component look more like those of another.

    Parameters
    ----------
    model : GaussianMixture or BayesianGaussianMixture
        A fitted mixture; noise is left aside.
    n_samples : int, default=100_000
        Number of rows drawn from each component; the standard error of a probability p is √(p (1 − p) / n_samples).
    random_state : int, RandomState, Generator or None, default=0
        Seed of the draws.

    Returns
    -------
    ndarray of shape (K, K)
        In row i, column j: the probability that a row of component i has the larger joint density with component j,
        ω_{j|i} of Maitra & Melnykov (2010), whose overlap of two components is ω_{j|i} + ω_{i|j}. 0 on the diagonal.

    References
    ----------
    R. Maitra, V. Melnykov (2010). Simulating data to study performance of finite mixture modeling and clustering
    algorithms. *Journal of Computational and Graphical Statistics* 19, 354-376.

    Examples
    --------
    >>> from gmm import GaussianMixture
    >>> from gmm.analysis import overlap
    >>> mixture = GaussianMixture.from_parameters([0.5, 0.5], [[0.0], [2.0]], [1, 1], covariance_type="spherical")
    >>> overlap(mixture).round(2)
    array([[0.  , 0.16],
           [0.16, 0.  ]])
    """
    mixture = fitted_parameters(model)
    n_samples = check_n_samples(n_samples)
    (K, d), rng = mixture.means.shape, check_random_state(random_state)
    counts, scorer = np.zeros((K, K)), Scorer(mixture, model.n_threads)
    step = max(1, _NUMBERS_AT_ONCE // max(d, K))
    for k in range(K):
        for first in range(0, n_samples, step):
            white = rng.standard_normal((min(step, n_samples - first), d))
            away = mixture.model.layout.coloured(mixture.whiteners, k, white)
            rows = mixture.means[k] + mixture.tails.of_components(k).stretched(away, rng)
            shares = scorer.responsibilities(ArraySource(rows))
            counts[k] += (shares > shares[:, k : k + 1]).sum(axis=0)
    return counts / n_samples


def column_overlap(model: FittedMixture) -> ColumnOverlap:
    """Compute which columns tell a component from the rest.

    Parameters
    ----------
    model : GaussianMixture or BayesianGaussianMixture
        A fitted mixture of two components or more; noise is left aside.

    Returns
    -------
    ColumnOverlap
        Its areas are ∫ min(f, g): what the density f of a component in this column alone has in common with g, that of
        the other components together (Inman & Bradley 1989). Columns that only tell together, such as correlated ones,
        all have a large overlap. 0 as well for a component beside which no other has any weight. Accurate to 1e-10, or
        to 1e-5 where two densities cross twice within a tenth of a standard deviation.

    References
    ----------
    H. F. Inman, E. L. Bradley (1989). The overlapping coefficient as a measure of agreement between probability
    distributions and point estimation of the overlap of two normal densities. *Communications in Statistics – Theory
    and Methods* 18, 3851-3874.

    Examples
    --------
    >>> from gmm import GaussianMixture
    >>> from gmm.analysis import column_overlap
    >>> means = [[0.0, 0.0], [2.0, 0.0]]
    >>> mixture = GaussianMixture.from_parameters([0.5, 0.5], means, [1, 1], covariance_type="spherical")
    >>> column_overlap(mixture)
    ColumnOverlap, 0 (apart) to 1 (alike)
            x0     x1
      0  0.317  1.000
      1  0.317  1.000
    """
    mixture = checked_without(model, "column_overlap", "heavy tails")
    K = mixture.n_components
    if K < 2:
        raise ValueError("expected a mixture of two components or more")
    spreads = np.sqrt(mixture.column_variances)
    others = (1 - np.eye(K)) * mixture.weights
    total = others.sum(axis=1, keepdims=True)
    others /= np.where(total > 0, total, 1)
    columns = zip(mixture.means.T, spreads.T, strict=True)
    areas = np.stack([_common_areas(others, *column) for column in columns], axis=1)
    return ColumnOverlap(np.where(total > 0, areas, 0.0), names_of_features(model))


def _common_areas(others: Array, means: Array, deviations: Array) -> Array:
    """Return ∫ min(f, g) in one column for each component, (K,): what changes where the densities cross."""
    grid = np.sort((means[:, None] + deviations[:, None] * _GRID).ravel())
    densities = _densities(grid, others, means, deviations)
    above = densities > densities @ others.T
    left, own = np.nonzero(above[1:] != above[:-1])
    low, high, falls, rows = grid[left], grid[left + 1], above[left, own], np.arange(len(own))
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        densities = _densities(middle, others, means, deviations)
        before = (densities[rows, own] > (densities * others[own]).sum(axis=1)) == falls
        low, high = np.where(before, middle, low), np.where(before, high, middle)
    below = ndtr((low[:, None] - means) / deviations)
    ahead = below[rows, own] - (below * others[own]).sum(axis=1)  # ∫ (f − g) up to a crossing
    areas = np.ones(len(means))
    np.add.at(areas, own, np.where(falls, -ahead, ahead))
    return np.clip(areas, 0.0, 1.0)


def _densities(x: Array, others: Array, means: Array, deviations: Array) -> Array:
    """Return the densities of all components at some places, (n, K), relative to the highest of those with weight."""
    z = (x[:, None] - means) / deviations
    logs = -0.5 * z * z - np.log(deviations)
    highest = logs[:, others.any(axis=0)].max(axis=1, keepdims=True)
    return np.asarray(np.exp(np.minimum(logs - highest, _MOST_LOG)))


publish("gmm.analysis", [ColumnOverlap, column_overlap, overlap])

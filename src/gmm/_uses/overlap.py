"""Overlap of components, in all columns and in each, and clusters of components that overlap (`combine_components`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from gmm._estimators.attributes import check_is_mixture, checked_for, fitted_parameters, source_of
from gmm._estimators.contract import names_of_features
from gmm._estimators.fitted import FittedMixture
from gmm._estimators.scorer import Scorer
from gmm._fitting.sampling import Rng
from gmm._frozen_mixture import FrozenMixture, predicted_blocks
from gmm._persistence import Predicted
from gmm._rows.input import as_source, check_any
from gmm._rows.sources import ArraySource
from gmm._text.frames import data_frame
from gmm._text.table import Table
from gmm._text.words import counted
from gmm._validation.parameters import check_n_samples, check_random_state
from gmm._validation.scalars import check_whole
from gmm._values.layouts import Array

_NUMBERS_AT_ONCE = 2_000_000
_GRID = np.linspace(-9, 9, 181)  # in standard deviations; few intervals have two crossings of densities
_COLUMNS_SHOWN = 6
_MOST_LOG = 700.0  # of a density of weight 0
_BISECTIONS = 40  # an error of the crossing is squared in the area


@dataclass(frozen=True, eq=False, repr=False)
class ColumnOverlap:
    """Overlap of each component with the rest, column by column.

    Attributes
    ----------
    areas : ndarray of shape (K, d)
        0 if a column separates a component from all others, 1 if it does not distinguish them.
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
        return str(Table.beginning(shown, rows, len(self.areas), title))


def overlap(model: FittedMixture, *, n_samples: int = 100_000, random_state: int | Rng | None = 0) -> Array:
    """Compute how often rows of one component are more probable under another.

    Parameters
    ----------
    model : GaussianMixture or BayesianGaussianMixture
        A fitted mixture; noise is ignored.
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
            steps = mixture.model.layout.coloured(mixture.whiteners, k, white)
            rows = mixture.means[k] + mixture.tails.for_components(k).stretched(steps, rng)
            shares = scorer.responsibilities(ArraySource(rows))
            counts[k] += (shares > shares[:, k : k + 1]).sum(axis=0)
    return counts / n_samples


def column_overlap(model: FittedMixture) -> ColumnOverlap:
    """Compute which columns distinguish a component from the others.

    Parameters
    ----------
    model : GaussianMixture or BayesianGaussianMixture
        A fitted mixture of two components or more; noise is ignored.

    Returns
    -------
    ColumnOverlap
        Its areas are ∫ min(f, g) for the density f of a component in one column and that of the other components
        together, g (Inman & Bradley 1989). Columns that separate only in combination, such as correlated ones, all have
        a large overlap. It is 0 if no other component has any weight. The accuracy is 1e-10, or 1e-5 if two densities
        cross twice within a tenth of a standard deviation.

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
    mixture = checked_for(model, "column_overlap")
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
    """Return ∫ min(f, g) in one column for each component, (K,), by the crossings of the densities."""
    grid = np.sort((means[:, None] + deviations[:, None] * _GRID).ravel())
    densities = _densities(grid, others, means, deviations)
    above = densities > densities @ others.T
    left, k = np.nonzero(above[1:] != above[:-1])
    low, high, falls, rows = grid[left], grid[left + 1], above[left, k], np.arange(len(k))
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        densities = _densities(middle, others, means, deviations)
        before = (densities[rows, k] > (densities * others[k]).sum(axis=1)) == falls
        low, high = np.where(before, middle, low), np.where(before, high, middle)
    below = ndtr((low[:, None] - means) / deviations)
    ahead = below[rows, k] - (below * others[k]).sum(axis=1)  # ∫ (f − g) up to a crossing
    areas = np.ones(len(means))
    np.add.at(areas, k, np.where(falls, -ahead, ahead))
    return np.clip(areas, 0.0, 1.0)


def _densities(x: Array, others: Array, means: Array, deviations: Array) -> Array:
    """Return the densities of all components at points, (n, K), relative to the highest of those with weight."""
    z = (x[:, None] - means) / deviations
    logs = -0.5 * z * z - np.log(deviations)
    highest = logs[:, others.any(axis=0)].max(axis=1, keepdims=True)
    return np.asarray(np.exp(np.minimum(logs - highest, _MOST_LOG)))


ColumnOverlap.__module__ = column_overlap.__module__ = overlap.__module__ = "gmm.analysis"


_UNDECIDED = np.log(2)  # entropy of a row with equal probabilities of two clusters

Blocks = Callable[[], Iterable[tuple[Array, Array]]]  # responsibilities (K, n) and weights (n,) of some rows
Pair = tuple[frozenset[int], frozenset[int]]


@dataclass(frozen=True, eq=False, repr=False)
class CombinedComponents:
    """Clusters of one or several components of a mixture, for every number of clusters.

    Attributes
    ----------
    model : GaussianMixture, BayesianGaussianMixture or FrozenMixture
    merges : ndarray of int, shape (K − 1, 2)
        The two clusters that each merge joins, from K clusters to 1, each by its first component.
    entropies : ndarray of shape (K,)
        −Σ_i w_i Σ_c t_ic log t_ic of 1, 2, … K clusters, in nats; t_ic is the probability of cluster c given row i.
    merged_rows : ndarray of shape (K − 1,)
        Weight of the rows in the two clusters that are merged into 1, 2, … K − 1 clusters.
    n_clusters : int
        The suggested number: the change point of two straight lines fitted to the entropies against the number of
        clusters, or more if merges down to there remove less than log 2 nats each, the entropy of one undecided row.
    n_clusters_by_rows : int
        The same against the number of rows merged so far, which does not overrate merges of large clusters.
    n_present : int
        Number of components that are the most probable one of some row; the suggestions are for these.
    """

    model: FittedMixture | FrozenMixture
    merges: NDArray[np.intp]
    entropies: NDArray[np.float64]
    merged_rows: NDArray[np.float64]
    n_clusters: int
    n_clusters_by_rows: int
    n_present: int

    def __repr__(self) -> str:
        """Return the components of each cluster."""
        clusters = self.clusters()
        members = (" + ".join(map(str, np.flatnonzero(clusters == c))) for c in range(self.n_clusters))
        return f"<CombinedComponents: {counted(self.n_clusters, 'cluster')} of components {', '.join(members)}>"

    def clusters(self, n_clusters: int | None = None) -> NDArray[np.intp]:
        """Return the cluster of each component, (K,): numbered from 0, in the order of their first components.

        Parameters
        ----------
        n_clusters : int, default=None
            From 1 to K; None for the suggested number.
        """
        K = len(self.entropies)
        n = check_whole(self.n_clusters if n_clusters is None else n_clusters, "n_clusters", 1, K)
        return clusters_after(self.merges[: K - n], K)

    def at(self, n_clusters: int) -> Self:
        """Return the same hierarchy with another number of clusters, for predictions and pictures."""
        self.clusters(n_clusters)
        return replace(self, n_clusters=n_clusters)

    def predict_proba(self, X: ArrayLike, n_clusters: int | None = None) -> NDArray[Any]:
        """Compute the probability of each cluster given each row: the sum of its components' responsibilities.

        Parameters
        ----------
        X : array-like or data frame of shape (n, d), data set, or what `open_rows` returns
        n_clusters : int, default=None
            From 1 to K; None for the suggested number.

        Returns
        -------
        ndarray of shape (n, n_clusters)
        """
        return shares_of(self.clusters(n_clusters), self.model.predict_proba(X))

    def predict(self, X: ArrayLike, n_clusters: int | None = None) -> NDArray[np.intp]:
        """Predict the most probable cluster of each row, −1 for noise; as `predict_proba`.

        Parameters
        ----------
        X : array-like or data frame of shape (n, d), data set, or what `open_rows` returns
        n_clusters : int, default=None

        Returns
        -------
        ndarray of int, shape (n,)
        """
        shares = self.predict_proba(X, n_clusters)
        labels: NDArray[np.intp] = shares.argmax(axis=1)
        if getattr(self.model, "noise_weight_", 0) > 0:
            labels[1 - shares.sum(axis=1) > shares.max(axis=1)] = -1
        return labels


def combine_components(
    model: FittedMixture | FrozenMixture, X: ArrayLike, sample_weight: ArrayLike | None = None
) -> CombinedComponents:
    """Merge components into clusters, at each step the two whose merge removes the most entropy.

    BIC chooses as many Gaussians as a density needs; a cluster that is not Gaussian needs several. This function does
    not change the density, but groups components between which rows are undecided.

    Parameters
    ----------
    model : GaussianMixture, BayesianGaussianMixture or FrozenMixture
        A fitted mixture. Its noise is never merged.
    X : array-like or data frame of shape (n, d), data set, or what `open_rows` returns
        Rows, usually those of the fit.
    sample_weight : array-like of shape (n,), default=None

    Returns
    -------
    CombinedComponents
        The hierarchy, and two suggested numbers of clusters. The rule always finds a change point: check the entropies
        (`gmm.plotting.plot_entropies`). It never suggests 1 cluster of several components, and merges none between
        which less than one row is undecided.

    Raises
    ------
    NotFittedError
        If the model is not fitted.
    TypeError, ValueError
        If the model or the rows are invalid, or all rows are noise.

    Notes
    -----
    Responsibilities of rows in memory are stored, (n, K) numbers. Other rows are read at most K + 2 times: each pass
    also computes the entropies that predicted merges remove, so that a few passes are usual. Components without rows
    are merged first.

    References
    ----------
    J.-P. Baudry, A. E. Raftery, G. Celeux, K. Lo, R. Gottardo (2010). Combining mixture components for clustering.
    *Journal of Computational and Graphical Statistics* 19, 332-353. R: ``clustCombi`` of mclust.

    Examples
    --------
    >>> import numpy as np, gmm
    >>> rng = np.random.default_rng(0)
    >>> cross = rng.normal(size=(400, 2)) * np.repeat([[6, 1], [1, 6]], 200, axis=0)
    >>> X = np.concatenate([cross, rng.normal(size=(400, 2)) + np.repeat([[30, 0], [0, 30]], 200, axis=0)])
    >>> mixture = gmm.GaussianMixture(4, n_init=5, random_state=0).fit(X)
    >>> combined = gmm.analysis.combine_components(mixture, X)
    >>> combined.n_clusters, sorted(np.bincount(combined.predict(X)).tolist())
    (3, [200, 200, 400])
    """
    if isinstance(model, FrozenMixture):
        predicted: Callable[..., Iterator[Predicted]] = partial(predicted_blocks, model)
        source = as_source(X, sample_weight, estimator=model, n_features=model.n_features)
    else:
        check_is_mixture(model)
        source = source_of(model, X, sample_weight)
        predicted = Scorer(fitted_parameters(model), model.n_threads).predicted
    check_any(source)

    def read() -> Iterator[tuple[Array, Array]]:
        weight = source.weights
        for first, _, shares in predicted(source, responsibilities=True):
            assert shares is not None  # they were requested
            yield np.ascontiguousarray(shares.T, dtype=np.float64), weight[first : first + len(shares)]

    copies = list(read()) if source.storage == "memory" else None
    blocks: Blocks = read if copies is None else lambda: copies
    empty = np.ones(model.n_components, dtype=bool)
    for shares, weight in blocks():
        is_noise = shares.max(axis=0) < 1 - shares.sum(axis=0)
        empty[shares.argmax(axis=0)[~is_noise & (weight > 0)]] = False
    if empty.all():
        raise ValueError(
            f"expected rows of some component, got {counted(source.n_rows, 'row')} that are all more probably noise: "
            "pass the rows of the fit, or similar ones"
        )
    merges = _merges(blocks, empty)
    entropies, merged_rows = _levels(blocks, merges)
    n = int((~empty).sum())  # without clusters that have no rows
    cumulative = np.concatenate([[0.0], np.cumsum(merged_rows)])[:n]
    row = min(1.0, source.survey.weight / source.survey.n_used)  # weights below 1 are shares, not numbers of rows
    overlap = np.append(np.diff(entropies[:n]) >= _UNDECIDED * row, True)
    n_separate = 1 + int(overlap.argmax())  # clusters, any two of which share less than a row
    by_number, by_rows = (max(n_separate, _change_point(x, entropies[:n])) for x in (np.arange(1.0, n + 1), cumulative))
    return CombinedComponents(model, merges, entropies, merged_rows, by_number, by_rows, n)


def _merges(blocks: Blocks, empty: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Return the pairs that are merged, (K − 1, 2).

    Each pass computes the entropies that the next merges, and those predicted after them, remove.
    """
    removed: dict[Pair, float] = {}
    while True:
        merges, unknown = _path(empty, removed)
        if not unknown:
            return np.array(merges, dtype=np.intp).reshape(-1, 2)
        removed |= zip(unknown, _removed(blocks, unknown), strict=True)


def _path(empty: NDArray[np.bool_], removed: dict[Pair, float]) -> tuple[list[tuple[int, int]], list[Pair]]:
    """Merge by known entropies, or else by estimates; return the merges and the pairs that were not known."""
    K, empty = len(empty), empty.copy()
    sets = [frozenset([k]) for k in range(K)]
    singles = [(sets[a], sets[b]) for b in range(K) for a in range(b)]
    if not all(pair in removed for pair in singles):
        return [], singles
    gains = np.full((K, K), -np.inf)  # each pair once, below the diagonal; ties follow its order
    gains[np.tril_indices(K, -1)] = [removed[pair] for pair in singles]
    merges: list[tuple[int, int]] = []
    unknown: list[Pair] = []
    alive = list(range(K))
    while len(merges) < K - 1:
        allowed = empty[:, None] | empty | ~empty.any()  # those without rows first
        b, a = map(int, np.unravel_index(int(np.where(allowed, gains, -np.inf).argmax()), gains.shape))
        merges.append((a, b))
        sets[a] |= sets[b]
        alive.remove(b)
        for c in alive:
            if c == a:
                continue
            index = max(a, c), min(a, c)
            pair = sets[index[1]], sets[index[0]]
            if pair not in removed:
                unknown.append(pair)
            # The gain is between the larger of these two and their sum (docs/mathematics.md).
            parts = gains[index], gains[max(b, c), min(b, c)]
            gains[index] = removed.get(pair, max(parts) + min(parts) / 2)
        gains[b] = gains[:, b] = -np.inf
        empty[a], empty[b] = empty[a] and empty[b], False
    return merges, unknown


def _removed(blocks: Blocks, pairs: list[Pair]) -> Array:
    """Return the entropy that each of some merges removes, by one pass."""
    from scipy.special import entr

    removed, sets = np.zeros(len(pairs)), {each for pair in pairs for each in pair}
    for shares, weight in blocks():
        merged = {each: shares[list(each)].sum(axis=0) for each in sets}
        entropies = {each: entr(values) for each, values in merged.items()}
        removed += [weight @ (entropies[a] + entropies[b] - entr(merged[a] + merged[b])) for a, b in pairs]
    return np.maximum(removed, 0.0)


def _levels(blocks: Blocks, merges: NDArray[np.intp]) -> tuple[Array, Array]:
    """Return the entropies of 1, 2, … K clusters and the weights of the rows merged into 1, 2, … K − 1, by one pass."""
    from scipy.special import entr

    K = len(merges) + 1
    entropies, merged_rows = np.zeros(K), np.zeros(K - 1)
    for shares, weight in blocks():
        noise = np.maximum(0.0, 1 - shares.sum(axis=0))
        every = np.vstack([shares, np.where(noise > 1e-6, noise, 0.0)])  # else it is rounding
        entropies += entr(every).sum(axis=0) @ weight
        for n, (a, b) in zip(range(K - 1, 0, -1), merges, strict=True):
            labels = every.argmax(axis=0)
            merged_rows[n - 1] += weight[(labels == a) | (labels == b)].sum()
            joined = every[a] + every[b]
            entropies[:n] -= weight @ (entr(every[a]) + entr(every[b]) - entr(joined))
            every[a], every[b] = joined, 0.0
    return np.maximum(entropies, 0.0), merged_rows


def _change_point(x: Array, y: Array) -> int:
    """Return the number of points up to the common one of the two straight lines that fit best."""
    errors = [_squares(x[: c + 1], y[: c + 1]) + _squares(x[c:], y[c:]) for c in range(1, len(x) - 1)]
    return 2 + int(np.argmin(errors)) if errors else len(x)


def _squares(x: Array, y: Array) -> float:
    """Return the sum of squared errors of a straight line."""
    x, y = x - x.mean(), y - y.mean()
    slope = x @ y / (x @ x) if x @ x > 0 else 0.0
    return float(((y - slope * x) ** 2).sum())


def clusters_after(merges: NDArray[np.intp], n_leaves: int) -> NDArray[np.intp]:
    """Return the cluster of each leaf after some merges, numbered from 0 in the order of first leaves."""
    first = np.arange(n_leaves)
    for a, b in merges:
        first[first == b] = a
    return np.unique(first, return_inverse=True)[1].astype(np.intp)


def shares_of(clusters: NDArray[np.intp], responsibilities: Any) -> NDArray[Any]:
    """Return the probabilities of clusters, (n, n_clusters), for responsibilities (n, K), which may be lazy."""
    return responsibilities @ np.eye(int(clusters.max()) + 1, dtype=responsibilities.dtype)[clusters]


CombinedComponents.__module__ = combine_components.__module__ = "gmm.analysis"

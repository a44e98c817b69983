"""`reduce`: a mixture of fewer components that is nearly the same, or one of several mixtures together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gmm._estimators.exclusions import checked_without
from gmm._estimators.fitted import FittedMixture, estimator_of, lasting_settings
from gmm._estimators.mixture import GaussianMixture
from gmm._public import publish
from gmm._uses.distances import check_same_names, gaussians, kullback_leibler
from gmm._validation.scalars import check_whole
from gmm._values.covariance import CovarianceModel, stored_as
from gmm._values.layouts import FULL, Array, SingularMatrixError
from gmm._values.objective import Objective
from gmm._values.parameters import MixtureParameters
from gmm._values.statistics import SufficientStatistics

_NEIGHBOURS = 8
_MOST_AT_ONCE = 0.2  # of the components are merged in a round; half of them is worse
_CANDIDATES = 16  # groups that a component may move to
_MOST_ROUNDS = 100
_NUMBERS_AT_ONCE = 2_000_000

Indices = NDArray[np.intp]


def reduce(
    model: FittedMixture | list[FittedMixture] | tuple[FittedMixture, ...],
    n_components: int,
    *,
    weights: ArrayLike | None = None,
) -> GaussianMixture:
    """Reduce a mixture to fewer components, or several mixtures to one, without rows.

    Parameters
    ----------
    model : GaussianMixture or BayesianGaussianMixture, or a list or tuple of them
        Fitted mixtures without noise; of several, all of the same columns and covariance type.
    n_components : int
        Number of components, at most as many as have any weight.
    weights : array-like of shape (m,), default=None
        Of the mixtures, if there are several: as a rule, how many rows each was fitted to. Equal by default.

    Returns
    -------
    GaussianMixture
        With the covariance type of `model`, and its mean. With "full" and "tied" its covariance is that of `model` as
        well; other types keep at most what they store of it.

    Raises
    ------
    NotFittedError
        If a mixture is not fitted.
    TypeError, ValueError
        If the mixtures do not go together, have noise, or an argument is unusable.

    Notes
    -----
    First, pairs are merged whose merger costs least by Runnalls' bound of the Kullback–Leibler divergence. In a round,
    each component is compared with its 8 nearest neighbours, and at most a fifth of the components is merged, so
    10,000 components become 1,000 in seconds. Then hard EM between mixtures goes on: each component belongs to the one
    that describes it best, which gets the moments of its group, until no component moves.

    Several mixtures are a fit to rows in several places, of which only the mixtures were exchanged: fit in each place
    more components than in the end. Statistics lose nothing, but take a message in each pass: see `gmm.em.e_step`.

    References
    ----------
    A. R. Runnalls (2007). Kullback-Leibler approach to Gaussian mixture reduction. *IEEE Transactions on Aerospace and
    Electronic Systems* 43, 989-999.

    J. Goldberger, S. Roweis (2004). Hierarchical clustering of a mixture model. *Advances in Neural Information
    Processing Systems* 17.

    Examples
    --------
    >>> import numpy as np, gmm
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(3000, 1)) + np.repeat([[1], [9], [20]], 1000, axis=0)
    >>> many = gmm.GaussianMixture(12, random_state=0, max_iter=20, tol=1).fit(X)
    >>> few = gmm.analysis.reduce(many, 3)
    >>> np.sort(few.means_.ravel()).round()
    array([ 1.,  9., 20.])
    """
    models = model if isinstance(model, list | tuple) else [model]
    mixtures = [checked_without(each, "reduce", "noise", "heavy tails").plugged_in().whole() for each in models]
    if not mixtures:
        raise ValueError("expected at least one mixture, got none")
    for each in models[1:]:
        check_same_names(models[0], each)
    if weights is not None and models is not model:
        raise TypeError("expected weights=None with one mixture: they are of several")
    components, kind = _union(mixtures, _shares(weights, len(mixtures))), mixtures[0].model
    K = check_whole(n_components, "n_components", 1, len(components.weights))
    try:
        mixture = _hard_em(components, _groups(components, K), kind, K)
    except SingularMatrixError:
        raise ValueError(
            "expected components whose groups have covariances of full rank, got some so narrow and far apart that a "
            "group is flat to rounding: fit with a larger reg_covar, or reduce to more components"
        ) from None
    first = models[0]
    names, how = vars(first).get("feature_names_in_"), lasting_settings(first)
    return estimator_of(GaussianMixture, mixture, names, first.means_.dtype, **how)


def _shares(weights: ArrayLike | None, n: int) -> Array:
    """Return weights of mixtures that sum to 1."""
    given = np.ones(n) if weights is None else np.ma.asarray(weights, dtype=np.float64).filled(np.nan)
    if given.shape != (n,) or not (given >= 0).all() or not 0 < given.max(initial=0) < np.inf:
        raise ValueError(
            f"expected a weight from 0 on for each of {n} mixtures, some of them above 0, got {weights!r:.80}"
        )
    given = given / given.max()
    return given / given.sum()


def _union(mixtures: Sequence[MixtureParameters], shares: Array) -> MixtureParameters:
    """Return the components of several mixtures that have any weight, each with a covariance of its own."""
    kind, d = mixtures[0].model, mixtures[0].n_features
    for mixture in mixtures:
        if mixture.model is not kind or mixture.n_features != d:
            raise ValueError(
                f"expected mixtures of the same covariance type and columns, got {kind.type_name!r} of {d} and "
                f"{mixture.model.type_name!r} of {mixture.n_features}"
            )
    layout = FULL if kind.layout.pooled else kind.layout
    weights = np.concatenate([share * each.weights for share, each in zip(shares, mixtures, strict=True)])
    covariances = [
        kind.layout.dense(each.covariances, each.n_components, d) if kind.layout.pooled else each.covariances
        for each in mixtures
    ]
    there, means = weights > 0, np.concatenate([each.means for each in mixtures])
    return MixtureParameters(weights[there], means[there], np.concatenate(covariances)[there], stored_as(layout))


def _groups(components: MixtureParameters, K: int) -> Indices:
    """Return the group of each component, after rounds of the cheapest disjoint mergers of neighbours."""
    labels = np.arange(components.n_components)
    while (n := components.n_components) > K:
        pairs = _neighbours(components)
        order = np.argsort(_costs(components, *pairs), kind="stable")
        at_most = min(n - K, max(1, int(_MOST_AT_ONCE * n)))
        first, group = np.unique(_first_of_each(pairs[:, order], n, at_most), return_inverse=True)
        components, labels = _merger(components, group, len(first)), group[labels]
    return labels


def _neighbours(components: MixtureParameters) -> Indices:
    """Return pairs i < j of near means, (2, m)."""
    from scipy.spatial import cKDTree

    n, places = components.n_components, _places(components, components.means)
    near = cKDTree(places).query(places, min(n, _NEIGHBOURS + 1))[1]
    pairs = np.sort(np.stack([np.repeat(np.arange(n), near.shape[1]), near.ravel()]), axis=0)
    i, j = pairs[:, pairs[0] < pairs[1]]
    return np.stack(np.divmod(np.unique(i * n + j), n))


def _places(components: MixtureParameters, means: Array) -> Array:
    """Return means in the units of the mean covariance within components."""
    layout, d = components.model.layout, components.n_features
    within = np.average(components.covariances, axis=0, weights=components.weights)
    return layout.whitened(layout.whiten(within[None], d)[0], 0, means - components.means[0])


@np.errstate(over="ignore")  # of means so far apart that a merger costs more than any number
def _costs(components: MixtureParameters, i: Indices, j: Indices) -> Array:
    """Return Runnalls' bounds of what mergers of i and j cost (2007, equation 21)."""
    layout, d, weights = components.model.layout, components.n_features, components.weights
    both = weights[i] + weights[j]
    share = weights[j] / both
    step = np.sqrt(share * (1 - share))[:, None] * (components.means[j] - components.means[i])
    share = share.reshape((-1,) + (1,) * (components.covariances.ndim - 1))
    within = (1 - share) * components.covariances[i] + share * components.covariances[j]
    logs = components.log_determinants  # of whiteners, minus half of those of covariances
    if layout.axis_aligned:
        merged = layout.whiten(within + layout.outer(step, step), d)[1]
    else:  # |W + s sᵀ| = |W| (1 + sᵀ W⁻¹ s), where means so far apart that the sum is singular do no harm
        whiteners, merged = layout.whiten(np.ascontiguousarray(within), d)
        merged = merged - 0.5 * np.log1p(((whiteners @ step[:, :, None]) ** 2).sum(axis=(1, 2)))
    return np.asarray(weights[i] * logs[i] + weights[j] * logs[j] - both * merged)


def _first_of_each(pairs: Indices, n: int, at_most: int) -> Indices:
    """Return the first component in the group of each, (n,), after some mergers of pairs, of which none share one."""
    first, free = np.arange(n), np.ones(n, dtype=bool)
    for i, j in pairs.T.tolist():
        if free[i] and free[j]:
            free[i] = free[j] = False
            first[j] = i
            at_most -= 1
            if not at_most:
                break
    return first


def _merger(components: MixtureParameters, labels: Indices, n: int) -> MixtureParameters:
    """Return n components instead of as many groups, with the moments of these."""
    moments = _moments(components, labels, n)
    covariances = moments.layout.per_count(moments.second, moments.counts)
    return MixtureParameters(moments.counts, moments.origins, covariances, components.model)


def _moments(components: MixtureParameters, labels: Indices, n: int) -> SufficientStatistics:
    """Return the moments of n groups of components, none of which is empty, about their means."""
    order = np.argsort(labels, kind="stable")
    first, layout = np.searchsorted(labels[order], np.arange(n)), components.model.layout
    weights = np.add.reduceat(components.weights[order], first)
    means = np.add.reduceat((components.weights[:, None] * components.means)[order], first) / weights[:, None]
    steps = components.means - means[labels]
    shares = components.weights.reshape((-1,) + (1,) * (components.covariances.ndim - 1))
    second = shares * (components.covariances + layout.outer(steps, steps))
    second = np.add.reduceat(second[order], first)
    return SufficientStatistics(layout, means, weights, np.zeros_like(means), second, 0.0, float(weights.sum()))


def _hard_em(components: MixtureParameters, labels: Indices, model: CovarianceModel, K: int) -> MixtureParameters:
    """Return the mixture of K groups after hard EM from some groups, which ends when no component moves."""
    objective, mixture = Objective(model), None
    for _ in range(_MOST_ROUNDS):
        mixture = objective.update(_moments(components, labels, K).reduced(model.moments), mixture)
        before, labels = labels, _reassigned(components, mixture, labels)
        if np.array_equal(labels, before):
            break
    assert mixture is not None  # there is a round
    return mixture


def _reassigned(components: MixtureParameters, mixture: MixtureParameters, labels: Indices) -> Indices:
    """Return the group that describes each component best, of those near it and its own; none becomes empty."""
    from scipy.spatial import cKDTree

    K, n, origin, aligned = mixture.n_components, len(labels), components.means[0], components.model.layout.axis_aligned
    tree = cKDTree(_places(components, mixture.means))
    near = tree.query(_places(components, components.means), min(K, _CANDIDATES))[1].reshape(n, -1)
    near = np.concatenate([labels[:, None], near], axis=1)
    own, targets = (gaussians(each, aligned, origin, 1.0) for each in (components, mixture))
    groups, gains, logs = labels.copy(), np.zeros(n), np.log(mixture.weights)
    step = max(1, _NUMBERS_AT_ONCE // (near.shape[1] * targets.roots[0].size))
    for first in range(0, n, step):
        part = slice(first, first + step)
        values = kullback_leibler(own.at((part, None)), targets.at(near[part])) - logs[near[part]]
        best = values.argmin(axis=1)[:, None]
        groups[part] = np.take_along_axis(near[part], best, axis=1)[:, 0]
        gains[part] = values[:, 0] - values.min(axis=1)
    while (empty := np.flatnonzero(np.bincount(groups, minlength=K) == 0)).size:  # one that stays may empty another
        for k in empty:  # whoever gains least by leaving stays
            members = np.flatnonzero(labels == k)
            groups[members[gains[members].argmin()]] = k
    return groups


publish("gmm.analysis", [reduce])

"""`adapt` and `fisher_vector`: updates and gradients of a fitted mixture by other rows."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gmm._estimators.attributes import checked_for, derived_estimator, fitted_parameters, source_of
from gmm._estimators.fitted import FittedMixture
from gmm._estimators.mixture import GaussianMixture
from gmm._estimators.scorer import Scorer
from gmm._passes.stepwise import implied_statistics
from gmm._text.words import quoted, suggestion
from gmm._validation.checks import check_statistics
from gmm._validation.scalars import as_list, check_boolean, check_real, check_whole
from gmm._values.layouts import DIAGONAL
from gmm._values.objective import Objective
from gmm._values.parameters import PARTS, MixtureParameters
from gmm._values.statistics import SufficientStatistics


def adapt(
    model: FittedMixture,
    X: ArrayLike | SufficientStatistics,
    sample_weight: ArrayLike | None = None,
    *,
    relevance: float = 16.0,
    parameters: Collection[str] = ("means",),
    n_iter: int = 1,
) -> GaussianMixture:
    """Adapt a fitted mixture to few new rows: MAP estimates, with the mixture as prior.

    Each component counts as `relevance` rows of its own distribution. So components with new rows move, the others do
    not, and component k of two adapted mixtures is comparable. The means of a mixture of many components, adapted to
    one recording, are the supervector of its speaker.

    Parameters
    ----------
    model : GaussianMixture or BayesianGaussianMixture
        A fitted mixture, which is not changed.
    X : array-like or data frame of shape (n, d), data set, what `open_rows` returns, or SufficientStatistics
        The new rows, or `gmm.em.e_step` of them under `model`.
    sample_weight : array-like of shape (n,), default=None
    relevance : float, default=16.0
        Rows that a component counts as, above 0.
    parameters : collection of {"weights", "means", "covariances"}, default=("means",)
        The parts to adapt. The others do not change, nor does the weight of noise. Covariances without means are about
        the old means, α E(x − μ)² + (1 − α) σ². Equation 13 subtracts the square of a mean from E x², which is a
        variance only about the adapted mean; with the old mean it may be negative.
    n_iter : int, default=1
        Number of passes. After the first, responsibilities are those of the adapted mixture; the prior does not change.

    Returns
    -------
    GaussianMixture
        The adapted mixture, with the covariance type of `model`.

    Raises
    ------
    NotFittedError
        If the model is not fitted.
    ValueError, TypeError
        If the rows or an argument are invalid; the message states where.

    See Also
    --------
    GaussianMixture.partial_fit : Update a mixture by blocks of rows.
    fisher_vector : The gradient of the likelihood of rows.

    References
    ----------
    D. A. Reynolds, T. F. Quatieri, R. B. Dunn (2000). Speaker verification using adapted Gaussian mixture models.
    *Digital Signal Processing* 10, 19-41, equations 7 to 13.

    Examples
    --------
    >>> import numpy as np, gmm
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(1000, 1)) + np.repeat([[0], [9]], 500, axis=0)
    >>> everybody = gmm.GaussianMixture(2, means_init=[[0], [9]]).fit(X)
    >>> somebody = gmm.analysis.adapt(everybody, rng.normal(10, 1, (16, 1)))
    >>> (somebody.means_ - everybody.means_).ravel().round(1)
    array([0. , 0.4])
    """
    mixture = checked_for(model, "adapt")
    parts = frozenset(map(str, as_list(parameters)))
    if not parts or not parts <= set(PARTS):
        near = "".join(suggestion(part, PARTS) for part in sorted(parts - set(PARTS))[:1])
        raise ValueError(f"expected parameters to name some of {quoted(PARTS)}, got {parameters!r:.80}{near}")
    relevance, n_iter = check_real(relevance, "relevance", "(0, inf)"), check_whole(n_iter, "n_iter")
    before = mixture.plugged_in().to_dense()
    if isinstance(X, SufficientStatistics):
        if n_iter > 1:
            raise TypeError("expected rows for more than one pass, got statistics, which are of one")
        adapted = _update(before, _statistics(model, X, sample_weight), relevance, parts)
    else:
        source, adapted = source_of(model, X, sample_weight), before
        for _ in range(n_iter):
            adapted = _update(before, Scorer(adapted, model.n_threads).statistics(source), relevance, parts)
    return derived_estimator(model, GaussianMixture, adapted)


def fisher_vector(
    model: FittedMixture,
    X: ArrayLike | SufficientStatistics,
    sample_weight: ArrayLike | None = None,
    *,
    normalise: bool = True,
) -> NDArray[np.float64]:
    """Describe a set of any number of rows by one vector, the gradient of its mean log-likelihood.

    Parameters
    ----------
    model : GaussianMixture
        A fitted mixture with diagonal covariances: "diag", or EEI, VEI, EVI, VVI.
    X : array-like or data frame of shape (n, d), data set, what `open_rows` returns, or SufficientStatistics
        The set of rows, or `gmm.em.e_step` of them.
    sample_weight : array-like of shape (n,), default=None
    normalise : bool, default=True
        Whether to take signed square roots, and divide by the length.

    Returns
    -------
    ndarray of shape (K + 2 K d,)
        Derivatives by weights (K,), means (K, d) and standard deviations (K, d), divided by the roots of their Fisher
        information, for responsibilities of 0 and 1: if the mixture is true, they have equal variances.

    Raises
    ------
    NotFittedError
        If the model is not fitted.
    ValueError
        If its covariances are not diagonal, or the rows are invalid.

    References
    ----------
    J. Sánchez, F. Perronnin, T. Mensink, J. Verbeek (2013). Image classification with the Fisher vector: theory and
    practice. *International Journal of Computer Vision* 105, 222-245, equations 16 to 18.

    Examples
    --------
    >>> import numpy as np, gmm
    >>> rng = np.random.default_rng(0)
    >>> mixture = gmm.GaussianMixture(3, covariance_type="diag", random_state=0).fit(rng.normal(size=(1000, 2)))
    >>> gmm.analysis.fisher_vector(mixture, rng.normal(size=(50, 2)) + 1).shape
    (15,)
    """
    mixture = checked_for(model, "fisher_vector")
    if mixture.model.layout is not DIAGONAL:
        raise ValueError(
            f'fisher_vector needs diagonal covariances: expected covariance_type="diag", got {mixture.model.type_name}'
        )
    statistics = _statistics(model, X, sample_weight).reduced(DIAGONAL).recentred(mixture.means)
    statistics = statistics.scaled(1 / statistics.weight)
    present = np.maximum(mixture.weights, np.finfo(np.float64).tiny)  # components of weight 0 have no derivatives
    roots, deviations = np.sqrt(present), np.sqrt(mixture.covariances)
    with np.errstate(over="ignore", invalid="ignore"):
        by_weight = (statistics.counts - mixture.weights) / roots
        by_mean = statistics.first / deviations / roots[:, None]
        by_deviation = (statistics.second / mixture.covariances - statistics.counts[:, None]) / roots[:, None]
        vector = np.concatenate([by_weight, by_mean.ravel(), by_deviation.ravel() / np.sqrt(2)])
        if not np.abs(vector).sum() < np.inf:
            raise ValueError(
                "expected rows nearer to the mixture: squares of their distances, in standard deviations, overflow"
            )
    if not check_boolean(normalise, "normalise"):
        return vector
    vector = np.sign(vector) * np.sqrt(np.abs(vector))
    length = float(np.linalg.norm(vector))
    return vector / length if length > 0 else vector


def _statistics(
    model: FittedMixture, X: ArrayLike | SufficientStatistics, sample_weight: ArrayLike | None
) -> SufficientStatistics:
    """Return the given statistics, checked, or those of rows."""
    mixture = fitted_parameters(model)
    if not isinstance(X, SufficientStatistics):
        return Scorer(mixture, model.n_threads).statistics(source_of(model, X, sample_weight))
    if sample_weight is not None:
        raise TypeError("expected no sample_weight with statistics, which include the weights")
    check_statistics(X, mixture.means.shape, mixture.model.layout)
    return X


def _update(
    before: MixtureParameters, statistics: SufficientStatistics, relevance: float, parts: frozenset[str]
) -> MixtureParameters:
    """Return the mixture with the chosen parts updated by the rows and `relevance` rows of each component."""
    model, K, objective = before.model, before.n_components, Objective(before.model)
    rows = statistics.reduced(model.layout).recentred(before.means)
    uniform = before.with_other(weights=np.full(K, 1 / K))
    total = 1 + relevance  # without it, a high relevance would be infinite rows
    both = rows.scaled(1 / total) + implied_statistics(uniform, objective).scaled(relevance / total * K)
    weights, means, covariances = before.weights, before.means, before.covariances
    if "weights" in parts:
        share = rows.counts / (rows.counts + relevance)  # α of equation 10
        weights = share * rows.counts / rows.weight + (1 - share) * before.weights
        weights *= before.weights.sum() / weights.sum()
    if "means" in parts:
        means = both.means
    else:  # covariances about the old means
        both = replace(both, first=np.zeros_like(both.first))
    if "covariances" in parts:
        covariances = objective.update(both, before).covariances
    return before.with_other(weights=weights, means=means, covariances=covariances)


adapt.__module__ = fisher_vector.__module__ = "gmm.analysis"

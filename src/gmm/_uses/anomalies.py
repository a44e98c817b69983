"""Rare rows: `anomaly_threshold`, below which they are rarer than a stated rate, and `outliers` of wider spread."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gmm._estimators.exclusions import checked_without
from gmm._estimators.fitted import FittedMixture, fitted_parameters, source_of
from gmm._estimators.scorer import Scorer
from gmm._public import publish
from gmm._rows.entrance import check_any
from gmm._text.amounts import percent
from gmm._validation.combinations import refuse
from gmm._validation.scalars import check_real
from gmm._values.layouts import Array
from gmm._values.tails import ContaminatedTails

_CONFIDENCE = 0.95


@dataclass(frozen=True, eq=False, repr=False)
class AnomalyThreshold:
    """A threshold for `score_samples`, with an interval for its rate of false alarms.

    Attributes
    ----------
    model : GaussianMixture or BayesianGaussianMixture
        The mixture, whose scores are compared.
    rate : float
        Share of false alarms that was asked for.
    log_density : float
        Rows below it are rarer than the rate, in nats.
    low, high : float
        95 % confidence interval of the rate of false alarms among new rows like those that gave the threshold.
    columns : ndarray of int, shape (q,)
        The columns in which those rows had values: all d, if none was missing.
    """

    model: FittedMixture
    rate: float
    log_density: float
    low: float
    high: float
    columns: NDArray[np.intp]

    def predict(self, X: ArrayLike) -> NDArray[np.bool_]:
        """Tell which rows are anomalies: those with a density below the threshold.

        Parameters
        ----------
        X : array-like or data frame of shape (n, d), data set, or what `open_rows` returns

        Returns
        -------
        ndarray of bool, shape (n,)
            True for an anomaly.

        Raises
        ------
        ValueError
            If a row has a value where those that gave the threshold had none, or none where they had one, as a row
            without any: its density is of other units, and says nothing beside the threshold.
        """
        return np.asarray(_scores(self.model, X, self.columns)[0] < self.log_density)

    def __repr__(self) -> str:
        """Return the threshold with its rate in one line."""
        span = f"{percent(self.low)} to {percent(self.high)}"
        return f"AnomalyThreshold(log density {self.log_density:.6g}, rate {percent(self.rate)}, 95 % sure: {span})"


def anomaly_threshold(model: FittedMixture, X: ArrayLike, rate: float) -> AnomalyThreshold:
    """Find the log density below which a share `rate` of new normal rows is expected.

    Parameters
    ----------
    model : GaussianMixture or BayesianGaussianMixture
        A fitted mixture.
    X : array-like or data frame of shape (n, d), data set, or what `open_rows` returns
        Normal rows that the mixture was not fitted to: those of the fit score too well.
    rate : float
        Share of false alarms, such as 0.01; (n + 1) · `rate` must be at least 1, and should be 10 or more.

    Returns
    -------
    AnomalyThreshold
        A score of X. Whatever the distribution of new rows like X, one of them scores below with a probability of at
        most `rate` on average; ``low`` and ``high`` say how far that may be off for this X, if the scores do not tie.

    Raises
    ------
    ValueError, TypeError
        If the rows do not fit the mixture, are too few for the rate, the rate is not between 0 and 1, or the mixture
        has noise, under whose density no row lies: there, ``predict(X) == -1`` tells rows of no component. Also if some
        rows lack values that others have: densities of fewer columns are higher, and of other units. Fill such rows,
        here and in `predict`, by ``model.impute(X, draw=True)``: then they are alike, and the rate holds.

    References
    ----------
    V. Vovk (2012). Conditional validity of inductive conformal predictors. *Asian Conference on Machine Learning*,
    475-490.

    Examples
    --------
    >>> import numpy as np
    >>> from gmm import GaussianMixture
    >>> from gmm.analysis import anomaly_threshold
    >>> rng = np.random.default_rng(1)
    >>> mixture = GaussianMixture().fit(rng.normal(size=(1000, 2)))
    >>> threshold = anomaly_threshold(mixture, rng.normal(size=(2000, 2)), 0.01)
    >>> alarms = threshold.predict(rng.normal(size=(50_000, 2)))
    >>> bool(threshold.low < alarms.mean() < threshold.high)
    True
    """
    from scipy.special import betaincinv

    rate = check_real(rate, "rate", "(0, 1)")
    checked_without(model, "anomaly_threshold", "noise")
    scores, columns = _scores(model, X)
    scores, n = np.sort(scores), len(scores)
    up = rate * (1 + 1e-12)  # 1/k times k may be less than 1
    rank = min(int(up * (n + 1)), n)
    if rank < 1:
        least = int(np.ceil(1 / up)) - 1
        raise ValueError(f"expected at least {least:,} rows for a rate of {rate:g}, got {n:,}")
    tails = (1 - _CONFIDENCE) / 2, (1 + _CONFIDENCE) / 2
    # New rows fall below the k-th of n scores at a rate that is Beta(k, n + 1 − k) distributed.
    low, high = (float(betaincinv(rank, n + 1 - rank, tail)) for tail in tails)
    return AnomalyThreshold(model, rate, float(scores[rank - 1]), low, high, columns)


def _scores(
    model: FittedMixture, X: ArrayLike, expected: NDArray[np.intp] | None = None
) -> tuple[Array, NDArray[np.intp]]:
    """Return the log density of each row, (n,), and the columns of their values, which all rows share."""
    source = source_of(model, X)
    check_any(source)
    scores, (first, *others) = np.asarray(model.score_samples(X)), source.patterns
    differ = others or not (expected is None or np.array_equal(first.observed, expected))
    without = len(scores) > source.n_rows  # rows elsewhere lack those without a value
    refuse("missing values", {"anomaly_threshold": differ or without})
    return scores, first.observed


def outliers(model: FittedMixture, X: ArrayLike) -> NDArray[np.bool_]:
    """Tell which rows are outliers of a mixture with ``tails="contaminated"``.

    Parameters
    ----------
    model : GaussianMixture
        Fitted with ``tails="contaminated"``.
    X : array-like or data frame of shape (n, d), data set, or what `open_rows` returns

    Returns
    -------
    ndarray of bool, shape (n,)
        True for a row that is more likely one of the outliers of its most probable component than one of its good rows.

    Raises
    ------
    ValueError
        If the mixture has other tails, or the rows do not fit it.

    References
    ----------
    A. Punzo, P. D. McNicholas (2016). Parsimonious mixtures of multivariate contaminated normal distributions.
    *Biometrical Journal* 58, 1506-1537.

    Examples
    --------
    >>> import numpy as np
    >>> from gmm import GaussianMixture
    >>> from gmm.analysis import outliers
    >>> X = np.random.default_rng(0).normal(size=(200, 2))
    >>> X[:3] = [[20, 0], [0, -30], [25, 25]]
    >>> mixture = GaussianMixture(tails="contaminated", random_state=0).fit(X)
    >>> np.flatnonzero(outliers(mixture, X))
    array([0, 1, 2])
    """
    mixture = fitted_parameters(model)
    tails = mixture.tails
    if not isinstance(tails, ContaminatedTails):
        raise ValueError(
            f"expected a mixture with tails='contaminated', got tails={tails.name!r}; beside noise, rows with the "
            "label -1 are outliers, and anomaly_threshold finds rare rows of any mixture without noise"
        )
    # Where a row is as likely good as not, both densities are the same.
    highest = mixture.whitened().log_offset + np.log(2 * np.asarray(tails.good_shares))
    limits = highest - tails.limits(mixture.n_features) / 2
    parts = Scorer(mixture, model.n_threads).blocks(source_of(model, X), labels=True, log_evidence=True, largest=True)
    marks = []
    for _, rows in parts:
        assert rows.labels is not None
        assert rows.log_evidence is not None
        assert rows.largest is not None
        marks.append(np.log(rows.largest) + rows.log_evidence < limits[rows.labels])
    return np.concatenate(marks)


publish("gmm.analysis", [AnomalyThreshold, anomaly_threshold, outliers])

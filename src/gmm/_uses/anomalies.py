"""`anomaly_threshold`: the log density below which rows are rarer than a stated rate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gmm._estimators.exclusions import checked_without
from gmm._estimators.fitted import FittedMixture, source_of
from gmm._public import publish
from gmm._rows.entrance import check_any
from gmm._text.amounts import percent
from gmm._validation.combinations import refuse
from gmm._validation.scalars import check_real
from gmm._values.layouts import Array

__all__ = ["AnomalyThreshold", "anomaly_threshold"]

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


publish("gmm.analysis", [AnomalyThreshold, anomaly_threshold])

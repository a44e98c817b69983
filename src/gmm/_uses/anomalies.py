"""`anomaly_threshold`, for rare rows, and `drift`, a test whether new rows differ from others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gmm._estimators.attributes import checked_for, fitted_parameters, source_of
from gmm._estimators.contract import names_of_features
from gmm._estimators.fitted import FittedMixture
from gmm._estimators.scorer import Scorer
from gmm._fitting.sampling import Rng
from gmm._rows.input import as_one_array, check_any
from gmm._text.words import percent, with_minus
from gmm._validation.combinations import check_compatible
from gmm._validation.parameters import check_random_state
from gmm._validation.scalars import MOST_REPLICATES, check_real, check_whole
from gmm._values.layouts import Array

_CONFIDENCE = 0.95


@dataclass(frozen=True, eq=False, repr=False)
class AnomalyThreshold:
    """A threshold for `score_samples`, with an interval for its rate of false alarms.

    Attributes
    ----------
    model : GaussianMixture or BayesianGaussianMixture
        The mixture, whose scores are compared.
    rate : float
        Requested share of false alarms.
    log_density : float
        Rows below it are rarer than the rate, in nats.
    low, high : float
        95 % confidence interval of the rate of false alarms among new rows like those of the threshold.
    columns : ndarray of int, shape (q,)
        The columns in which those rows had values: all d, unless some were missing.
    """

    model: FittedMixture
    rate: float
    log_density: float
    low: float
    high: float
    columns: NDArray[np.intp]

    def predict(self, X: ArrayLike) -> NDArray[np.bool_]:
        """Return which rows are anomalies: those with a density below the threshold.

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
            If a row has values in other columns than those of the threshold, or none: its density has other units, and
            cannot be compared with the threshold.
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
        Normal rows to which the mixture was not fitted: those of the fit have too high densities.
    rate : float
        Share of false alarms, such as 0.01; (n + 1) · `rate` must be at least 1, and should be 10 or more.

    Returns
    -------
    AnomalyThreshold
        A score of X. For any distribution of new rows like X, the probability of a lower score is at most `rate` on
        average; ``low`` and ``high`` bound it for this X, if no scores are equal.

    Raises
    ------
    ValueError, TypeError
        If the rows do not fit the mixture, are too few for the rate, the rate is not between 0 and 1, or the mixture
        has noise, below whose density no row is: use ``predict(X) == -1`` for rows of no component. Also if some rows
        lack values that others have: densities of fewer columns are higher, and have other units. Impute such rows,
        here and in `predict`, by ``model.impute(X, draw=True)``; the rate then holds.

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
    checked_for(model, "anomaly_threshold")
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
    scores, patterns = np.asarray(model.score_samples(X)), source.patterns
    columns = patterns[0].observed if patterns else np.arange(source.n_features)
    differ = len(patterns) > 1 or not (expected is None or np.array_equal(columns, expected))
    check_compatible("missing values", {"anomaly_threshold": differ})
    return scores, columns


AnomalyThreshold.__module__ = anomaly_threshold.__module__ = "gmm.analysis"


STATISTICS = ("score", "tail", "weights", "means")
_TAIL = 0.01  # share of all rows with scores below their quantile
_FEWEST = 50  # rows, of either kind
_EXPECTED = 10.0  # rows of a component; with fewer, variances are unreliable
_ROWS_PER_DIRECTION = 20  # with fewer, whitening overfits
_ROUNDING = 1e-14  # of responsibilities of 1, by which a constant column is multiplied
_FLAT = 1e-8  # variance of a direction, relative to the largest
_MOST_PERMUTED = 20_000  # rows: standardised statistics are then near their limit
_FAR = 1e100  # nats; squares of scores are finite
_LONG = 1e5  # numbers from here on are printed with an exponent
_SURE = 0.01  # level of all named changes together


@dataclass(frozen=True, eq=False, repr=False)
class Drift:
    """Result of a test for drift, printed as one line.

    Attributes
    ----------
    p_value : float
        Probability of statistics as large as these among rows like the reference.
    level : float
        Requested rate of false alarms.
    statistics : dict of str to float
        "score", "tail", "weights" and "means", in standard deviations from their means among rows like the reference.
        The largest determines the p-value.
    shares, reference_shares : ndarray of shape (K,)
        Mean responsibilities of the components in the new rows and in the reference.
    growth : ndarray of shape (K,)
        The difference of the two in standard errors.
    shifts : ndarray of shape (d,)
        Shifts of the columns within the components, in their units.
    movement : ndarray of shape (d,)
        The same in standard errors.
    columns : tuple of str
        Names of the columns.
    """

    p_value: float
    level: float
    statistics: dict[str, float]
    shares: NDArray[np.float64]
    reference_shares: NDArray[np.float64]
    growth: NDArray[np.float64]
    shifts: NDArray[np.float64]
    movement: NDArray[np.float64]
    columns: tuple[str, ...]

    @property
    def alarm(self) -> bool:
        """Whether the p-value is at most the level."""
        return self.p_value <= self.level

    @property
    def limit(self) -> float:
        """Standard errors above which a change is named: without drift, one in a hundred tests exceeds them."""
        from scipy.special import ndtri

        return -float(ndtri(_SURE / (2 * (len(self.growth) + len(self.movement)))))

    def __repr__(self) -> str:
        """Return the decision, the statistics and, if there is an alarm, the significant changes."""
        values = ", ".join(f"{name} {_short(value)}" for name, value in self.statistics.items())
        changes = "".join(f"; {change}" for change in self.changes()) if self.alarm else ""
        decision = "alarm" if self.alarm else "none"
        return f"<Drift: {decision} at level {self.level:g}, p = {self.p_value:.2g} ({values}){changes}>"

    def changes(self) -> list[str]:
        """Return which components grew or shrank and which columns moved, the most significant first."""
        errors = np.concatenate([self.growth, self.movement])
        words = [f"component {k} {'grew' if z > 0 else 'shrank'}" for k, z in enumerate(self.growth)]
        words += [f"{name} {'rose' if z > 0 else 'fell'}" for name, z in zip(self.columns, self.movement, strict=True)]
        ranked = np.argsort(-np.abs(errors), kind="stable")
        return [f"{words[i]} ({_short(errors[i], '+')} s.e.)" for i in ranked if abs(errors[i]) > self.limit]


def drift(
    model: FittedMixture,
    X: ArrayLike,
    reference: ArrayLike,
    *,
    level: float = 0.01,
    n_replicates: int = 999,
    random_state: int | Rng | None = 0,
) -> Drift:
    """Test whether new rows still have the distribution of reference rows.

    Parameters
    ----------
    model : GaussianMixture or BayesianGaussianMixture
        A fitted mixture. It need not be true: it only defines the statistics.
    X : array-like or data frame of shape (n, d)
        New rows, 50 or more, that are independent. Impute missing values of both tables by
        ``model.impute(..., draw=True)``.
    reference : array-like or data frame of shape (N, d)
        Rows without drift, 50 or more, preferably none of the fit. Rows of the fit are usable if they are many compared
        with the parameters.
    level : float, default=0.01
        Rate of false alarms.
    n_replicates : int, default=999
        Random divisions of all rows into new and old; the least p-value is 1 / (n_replicates + 1).
    random_state : int, RandomState, Generator or None, default=0
        Seed of the divisions.

    Returns
    -------
    Drift
        ``alarm``, the p-value, which components grew, and which columns moved.

    Raises
    ------
    NotFittedError
        If the model is not fitted.
    TypeError, ValueError
        If the rows are invalid, lack values or are too few, or replicates are too few for the level.

    Notes
    -----
    The test is the maximum of four statistics, each in standard deviations of its own: "score", the change of the mean
    log-likelihood; "tail", the share of rows below the 1 % quantile of all rows; "weights", √T² of Hotelling of the
    mean responsibilities; and "means", √T² of the mean gradients by the means. They are compared with those of random
    divisions of all rows into as many new and old ones (a permutation test), so that the level holds for tables of any
    size. With draws of the mixture it would not: with tails heavier than a Gaussian's, they give an alarm in two of
    five tests without drift.

    Without drift, one p-value in a hundred is below 0.01. Tests with one reference depend on it: the rate holds on
    average over references. In 1000 pairs of 200 rows without drift, 1.1 % were at most 0.01 and 5.0 % at most 0.05.
    Dependent rows, such as those of one customer, have the information of fewer rows, and give false alarms; as do
    rows of the fit as the reference, if they are few compared with the parameters.

    References
    ----------
    H. Hotelling (1931). The generalization of Student's ratio. *Annals of Mathematical Statistics* 2, 360-378.

    T. S. Jaakkola, D. Haussler (1999). Exploiting generative models in discriminative classifiers. *Advances in Neural
    Information Processing Systems* 11, 487-493.

    Examples
    --------
    >>> import numpy as np, gmm
    >>> rng = np.random.default_rng(0)
    >>> def week(n, share=0.5):
    ...     return rng.normal(size=(n, 2)) + 5 * (rng.uniform(size=(n, 1)) < share)
    >>> mixture = gmm.GaussianMixture(2, means_init=[[0, 0], [5, 5]]).fit(week(2000))
    >>> reference = week(2000)
    >>> gmm.analysis.drift(mixture, week(500), reference).alarm
    False
    >>> gmm.analysis.drift(mixture, week(500, share=0.7), reference).growth > 3
    array([False,  True])
    """
    level = check_real(level, "level", "(0, 1)")
    n_replicates = check_whole(n_replicates, "n_replicates", 1, MOST_REPLICATES)
    if level * (n_replicates + 1) < 1:
        least = float(np.ceil(1 / level)) - 1
        raise ValueError(f"expected at least {least:,.15g} replicates for level={level:g}, got {n_replicates:,}")
    rng = check_random_state(random_state)
    new, old = (_scores_and_gradients(model, *each) for each in ((X, "X"), (reference, "the reference")))
    coordinates, sizes = _coordinates(old, new)
    n_old, n_new, n = len(old.scores), len(new.scores), len(coordinates)
    some = coordinates if n <= _MOST_PERMUTED else coordinates[rng.choice(n, _MOST_PERMUTED, replace=False)]
    size = min(max(round(len(some) * n_new / n), 1), len(some) - 1)
    orders = (rng.permutation(len(some))[:size] for _ in range(n_replicates))
    means = np.array([some[order].mean(axis=0) for order in orders]) - some.mean(axis=0)
    replicates = _statistics(means * np.sqrt(size / (1 - size / len(some))), sizes)
    observed = _statistics(coordinates[n_old:].mean(axis=0) * np.sqrt(n_new / (1 - n_new / n)), sizes)
    centre, spread = replicates.mean(axis=0), replicates.std(axis=0)
    spread[spread == 0] = 1.0
    standard, largest = (observed - centre) / spread, ((replicates - centre) / spread).max(axis=1)
    p_value = (1 + int((largest >= standard.max()).sum())) / (1 + n_replicates)
    shifts = new.residuals.mean(axis=0) - old.residuals.mean(axis=0)
    shares, before = new.shares.mean(axis=0), old.shares.mean(axis=0)
    unit = 1 / np.sqrt(1 / n_new + 1 / n_old)
    growth, movement = (
        unit * np.divide(step, deviation, out=np.zeros_like(step), where=deviation > 0)
        for step, deviation in ((shares - before, _deviations(old.shares)), (shifts, _deviations(old.residuals)))
    )
    values = dict(zip(STATISTICS, standard.tolist(), strict=True))
    return Drift(p_value, level, values, shares, before, growth, shifts, movement, names_of_features(model))


def _short(value: float, sign: str = "-") -> str:
    """Return a number with one decimal, or a large one with four digits."""
    return with_minus(format(value, f"{sign}.1f" if abs(value) < _LONG else f"{sign}.4g"))


class _RowStatistics(NamedTuple):
    """Rows under a mixture: scores (n,), responsibilities (n, K), r_ik u_ik (x_i − μ_k) and their sums over k.

    The precisions u_ik of normal components are 1.
    """

    scores: Array
    shares: Array
    gradients: Array
    residuals: Array


def _scores_and_gradients(model: FittedMixture, rows: ArrayLike, name: str) -> _RowStatistics:
    mixture = fitted_parameters(model)
    source = source_of(model, rows, missing="em")
    if any(pattern.missing.any() for pattern in source.patterns):
        row = min(int(indices[0]) for pattern, indices, _ in source.iter_patterns() if pattern.missing.any())
        raise ValueError(
            f"expected complete rows for drift, got missing values (NaN) in {name}, the first in row {row}: impute "
            "both tables by impute(X, draw=True) of the mixture, or drop such rows from both"
        )
    source = as_one_array(source, "drift")
    if source.n_rows < _FEWEST:
        raise ValueError(f"expected {_FEWEST} rows or more in {name}, got {source.n_rows}")
    results = Scorer(mixture, model.n_threads).rows(source, log_evidence=True, responsibilities=True)
    scores, shares = (
        np.asarray(values, dtype=np.float64) for values in (results.log_evidence, results.responsibilities)
    )
    steps = np.asarray(source.rows, dtype=np.float64)[:, None] - mixture.means
    gradients = (shares / mixture.widenings(steps.swapaxes(0, 1)).T)[:, :, None] * steps
    return _RowStatistics(np.maximum(scores, -_FAR), shares, gradients, gradients.sum(axis=1))


def _coordinates(old: _RowStatistics, new: _RowStatistics) -> tuple[Array, list[int]]:
    """Return coordinates of all rows, old ones first, and the number of coordinates of each statistic.

    They have mean 0, variance 1, and no correlations within a statistic.
    """
    scores, shares, gradients, _ = map(np.concatenate, zip(old, new, strict=True))
    usual = shares.sum(axis=0) >= _EXPECTED
    parts = [
        scores[:, None],
        (scores < np.quantile(scores, _TAIL))[:, None].astype(np.float64),
        shares[:, usual],
        gradients[:, usual].reshape(len(scores), -1),
    ]
    whitened = list(map(_whiten, parts))
    return np.concatenate(whitened, axis=1), [values.shape[1] for values in whitened]


def _whiten(values: Array) -> Array:
    """Return centred values along their principal axes, in standard deviations."""
    spread = _deviations(values)
    varies = spread > 0
    standard = (values[:, varies] - values[:, varies].mean(axis=0)) / spread[varies]
    variances, axes = np.linalg.eigh(standard.T @ standard / len(values))
    wide = variances > _FLAT * variances.max(initial=0)
    wide[: max(0, len(wide) - max(1, len(values) // _ROWS_PER_DIRECTION))] = False
    return np.asarray(standard @ (axes[:, wide] / np.sqrt(variances[wide])))


def _deviations(values: Array) -> Array:
    """Return the standard deviations of columns; 0 if one is constant up to rounding."""
    deviations = (values - values[:1]).std(axis=0)  # about the first row: a constant is exactly zero
    return np.where(deviations > _ROUNDING * np.abs(values).max(axis=0, initial=0), deviations, 0.0)


def _statistics(means: Array, sizes: list[int]) -> Array:
    """Return the statistics of means of coordinates in standard errors, (…, 4)."""
    score, tail, weights, gradients = np.split(means, np.cumsum(sizes)[:-1], axis=-1)
    lengths = (np.sqrt((values**2).sum(axis=-1)) for values in (weights, gradients))
    return np.stack([np.abs(score.sum(axis=-1)), tail.sum(axis=-1), *lengths], axis=-1)


Drift.__module__ = drift.__module__ = "gmm.analysis"

"""Prediction of columns from others: conditional means, deviations and intervals of a mixture; imputed values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gmm import _fitting as fitting
from gmm._estimators.scorer import Scorer
from gmm._exceptions import warn
from gmm._rows.incomplete import IncompleteSource
from gmm._rows.sources import ArraySource, Source
from gmm._text.frames import data_frame
from gmm._text.table import Table
from gmm._text.words import amount, counted, form_of, percent, plus_minus
from gmm._validation.rows import first_index
from gmm._values.completion import Columns, Completion, Regression, marginal
from gmm._values.covariance import CovarianceModel
from gmm._values.layouts import Array
from gmm._values.noise import Noise
from gmm._values.parameters import MixtureParameters
from gmm._values.tails import StudentTails

_NUMBERS_AT_ONCE = 1 << 20  # of rows times components times columns
_MOST_HALVINGS = 2200  # from one end of all floats to the other
_PRECISION = 2.0**-60  # of the narrowest scale
_COLUMNS_SHOWN = 6
_ROWS_PER_PARAMETER = 2.0  # below it, intervals of 90 % contained 64 to 85 % of new rows
_NORMAL = 10_000  # degrees of freedom, from which on quantiles are normal to four digits
_FEW_ROWS = "{} for {} rows: intervals of {} contain fewer new rows than that. Use fewer components or columns."


class ConditionalPrediction(NamedTuple):
    """Predictions of some columns from the others, for each row.

    Attributes
    ----------
    columns : tuple of str
        Names of the m predicted columns.
    means : ndarray of shape (n, m)
        Conditional means: the predictions of least expected squared error if the mixture is right.
    deviations : ndarray of shape (n, m)
        Conditional standard deviations; infinite for t components with at most two degrees of freedom.
    intervals : ndarray of shape (n, m, 2), or None
        Lower and upper ends of central intervals, if a level was given: quantiles of the conditional mixture. After a
        fit, those of a normal component are prediction intervals of least squares with its n_k rows: t with n_k − q
        degrees of freedom for q coefficients, about an uncertain line.
    """

    columns: tuple[str, ...]
    means: NDArray[Any]
    deviations: NDArray[Any]
    intervals: NDArray[Any] | None

    def to_frame(self) -> Any:
        """Return a table with one row for each prediction.

        Returns
        -------
        pandas.DataFrame or polars.DataFrame
            For each column, its means under its own name, ``… sd`` and, with intervals, ``… low`` and ``… high``.
        """
        table: dict[str, Any] = {}
        for j, name in enumerate(self.columns):
            table |= {name: self.means[:, j], f"{name} sd": self.deviations[:, j]}
            if self.intervals is not None:
                table |= {f"{name} low": self.intervals[:, j, 0], f"{name} high": self.intervals[:, j, 1]}
        return data_frame(table)

    def __repr__(self) -> str:
        """Return the first rows as a table, and how many there are."""
        n, shown = len(self.means), self.columns[:_COLUMNS_SHOWN]
        more = f", {len(shown)} of {len(self.columns)} columns" if len(shown) < len(self.columns) else ""
        rows = ([self._cell(i, j) for j in range(len(shown))] for i in range(n))
        title = f"ConditionalPrediction of {counted(n, 'row')}{more}, mean ± standard deviation"
        return str(Table.beginning(shown, rows, n, title))

    def _cell(self, i: int, j: int) -> str:
        (text,) = plus_minus([self.means[i, j]], [self.deviations[i, j]], 2)
        if self.intervals is None:
            return text
        form = form_of(float(self.deviations[i, j]), float(np.abs(self.intervals[i, j]).max()), 2)
        return f"{text} ({self.intervals[i, j, 0]:{form}} to {self.intervals[i, j, 1]:{form}})"


def conditional_mixture(regression: Regression, source: Source) -> MixtureParameters:
    """Return the mixture of the other columns given the one row of a source.

    Raises
    ------
    ValueError
        If a mean overflows.
    """
    weights = Scorer(regression.predictors).responsibilities(source)
    with np.errstate(over="ignore", invalid="ignore"):
        # Far away, noise has all the weight, and 0 has no logarithm.
        shares = weights[0] if weights[0].any() else np.full(len(weights[0]), np.finfo(np.float64).tiny)
        rows = source.take(np.arange(1))
        _check_finite(regression.widenings(rows).T)
        mixture = regression.conditional(rows[0], shares)
    _check_finite(mixture.means)
    return mixture


def predicted(
    mixture: MixtureParameters,
    source: Source,
    predictors: Columns,
    others: Columns,
    names: tuple[str, ...],
    level: float | None,
    weight: float,
    n_threads: int | None,
) -> ConditionalPrediction:
    """Predict the columns `others`, of these names, for all rows of a source of the `predictors`, in its type.

    `weight` is that of the rows of the fit, 0 where it is unknown: few rows cause a warning.

    Raises
    ------
    ValueError
        If a prediction overflows.
    """
    if level is not None:
        n_parameters = _n_parameters(mixture.model, mixture.n_components, len(predictors), len(others))
        if 0 < weight * len(others) < _ROWS_PER_PARAMETER * n_parameters:
            sizes = counted(n_parameters, "parameter"), amount(weight), percent(level)
            warn("narrow intervals", _FEW_ROWS.format(*sizes))
    shape = source.n_rows, len(others)
    means, deviations = np.empty(shape, source.dtype), np.empty(shape, source.dtype)
    intervals = None if level is None else np.empty((*shape, 2), source.dtype)
    regressions = dict[bytes, Regression]()
    for pattern, indices, rows in source.iter_patterns():
        key = pattern.missing.tobytes()
        if key not in regressions:
            columns = predictors[pattern.observed]
            part = marginal(mixture, np.concatenate([columns, others]))
            regressions[key] = Regression.from_mixture(part, *np.split(np.arange(part.n_features), [len(columns)]))
        for part_of_rows, conditional in _conditionals(regressions[key], rows, n_threads, weight):
            index = indices[part_of_rows]
            with np.errstate(over="ignore", invalid="ignore"):
                means[index], deviations[index] = conditional.means, conditional.deviations
                if intervals is not None and level is not None:
                    ends = [conditional.quantiles((1 + side * level) / 2) for side in (-1, 1)]
                    intervals[index] = np.stack(ends, axis=2)
    _check_finite(means + np.where(np.isinf(deviations), 0, deviations) if mixture.tails else means + deviations)
    return ConditionalPrediction(names, means, deviations, intervals)


def _n_parameters(model: CovarianceModel, n_components: int, n_known: int, n_others: int) -> int:
    """Count the parameters of other columns given known ones."""
    all_columns, known_columns = (model.n_parameters(n_components, d) for d in (n_known + n_others, n_known))
    return all_columns - known_columns + n_components * n_others


def _conditionals(
    regression: Regression, source: Source, n_threads: int | None, weight: float
) -> Iterator[tuple[slice, _Conditional]]:
    """Yield the rows of a source in parts, with the conditional mixtures of the other columns."""
    scorer, (K, m) = Scorer(regression.predictors, n_threads), regression.means.shape
    step = max(1, _NUMBERS_AT_ONCE // (K * (m + source.n_features)))
    for chunk in source.chunks():
        for first, part, _ in chunk.pieces(step):
            rows = slice(first, first + len(part))
            if source.n_features:
                responsibilities = scorer.responsibilities(ArraySource(part))
            else:
                responsibilities = np.tile(regression.predictors.weights, (len(part), 1))
            with np.errstate(over="ignore", invalid="ignore"):
                shares = responsibilities.T.astype(np.float64)
                yield rows, _Conditional(regression, part.astype(np.float64), shares, weight)


def imputed(
    mixture: MixtureParameters, source: Source, n_threads: int | None, rng: fitting.sampling.Rng | None = None
) -> NDArray[Any]:
    """Return rows with their missing values replaced by conditional means or, with a generator, by draws."""
    rows = np.empty((source.n_rows, source.n_features), source.dtype)
    for first, part, _ in source.chunks():
        rows[first : first + len(part)] = part
    if not source.patterns:
        return rows
    if source.storage != "memory":  # products then have the rounding of rows in memory
        source = IncompleteSource.from_rows(ArraySource(rows.copy()))
    responsibilities = Scorer(mixture, n_threads).responsibilities(source)
    whitened = mixture.whitened()
    for pattern, indices, _ in source.iter_patterns():
        if pattern.missing.any():
            completion = Completion.from_mixture(whitened, pattern.missing)
            step = max(1, _NUMBERS_AT_ONCE // (mixture.n_components * source.n_features))
            for start in range(0, len(indices), step):
                part = indices[start : start + step]
                observed = rows[np.ix_(part, pattern.observed)].astype(np.float64)
                shares = responsibilities[part].T.astype(np.float64)
                rows[np.ix_(part, pattern.missing)] = _imputed_values(completion, observed, shares, mixture.noise, rng)
    _check_finite(rows)
    return rows


def _imputed_values(
    completion: Completion, rows: Array, shares: Array, noise: Noise, rng: fitting.sampling.Rng | None
) -> Array:
    """Return the missing columns of rows (n, q) with responsibilities `shares` (K, n); noise has the rest."""
    (missing,) = np.nonzero(completion.missing)
    box = noise.for_columns(missing)
    with np.errstate(over="ignore", invalid="ignore"):
        if rng is None:
            means = (shares[:, :, None] * completion.conditional_means(rows)).sum(axis=0)
            return np.asarray(means + (1 - shares.sum(axis=0))[:, None] * box.means)
        values, K = np.empty((len(rows), len(missing))), len(shares)
        total, last = (1.0, K) if box else (shares.sum(axis=0), K - 1)  # the sum of the shares is rounded
        components = (np.cumsum(shares, axis=0) <= total * rng.uniform(size=len(rows))).sum(axis=0)
        components = np.minimum(components, last)
        for component in np.unique(components):
            is_drawn = components == component
            part = rows[is_drawn]
            shape = (len(part), len(missing))
            values[is_drawn] = completion.draw(int(component), part, rng) if component < K else box.sample(shape, rng)
        return values


class _Conditional:
    """The conditional mixtures of some rows: weights (K, n, 1), component means (K, n, m), squared scales (K, n, m).

    Noise has the rest of the weight, (n, 1). `weight` is that of the rows of the fit, 0 where it is unknown.
    """

    def __init__(self, regression: Regression, rows: Array, responsibilities: Array, weight: float) -> None:
        layout, m = regression.model.layout, regression.means.shape[1]
        self._weights, self._noise = responsibilities[:, :, None], regression.noise
        self._means = regression.conditional_means(rows)
        self._tails = regression.predictors.tails.given(rows.shape[1])
        self._variances = layout.diagonal(regression.covariances, m)[:, None]
        if self._tails:
            widenings = regression.widenings(rows)[:, :, None]
            self._means = np.where(np.isinf(widenings), np.inf, self._means)  # so that the row is an error
            self._variances = self._variances * widenings
        self.means = (self._weights * self._means).sum(axis=0)
        if self._noise:
            self._rest = np.maximum(1 - self._weights.sum(axis=0), 0)
            self.means += self._rest * self._noise.means
        spread = self._tails.variance * self._variances + (self._means - self.means) ** 2
        variances = (self._weights * spread).sum(axis=0)
        if self._noise:
            variances += self._rest * (self._noise.variances + (self._noise.means - self.means) ** 2)
        self.deviations = np.where(np.isinf(self._tails.variance).any(), np.inf, np.sqrt(variances))
        if weight and not self._tails:
            self._widen(regression, rows, weight)

    def _widen(self, regression: Regression, rows: Array, weight: float) -> None:
        """Widen quantiles to those of a new row, as in least squares with the rows of each component.

        The residual variance has n_k − q degrees of freedom for q coefficients of each column, intercept included; a
        tied one has those of all rows. The intercept adds a variance of 1 / n_k, and slopes add more off the centre.
        """
        model, (K, m), known = regression.predictors.model, regression.means.shape, rows.shape[1]
        n_variances = _n_parameters(model, K, 0, m) - K * m
        q = max((_n_parameters(model, K, known, m) - n_variances) / (K * m), 1.0)
        n = np.maximum(weight * regression.predictors.weights, 1)[:, None, None]
        total, n_coefficients = (np.full_like(n, weight), K * q) if model.layout.pooled else (n, q)
        degrees, leverage = np.maximum(total - n_coefficients, 1), 1 / n
        if regression.slopes is not None:
            steps = rows - regression.predictors.means[:, None]
            leverage = leverage + regression.predictors.squares(steps)[:, :, None] / total
        self._variances = self._variances * total / degrees * (1 + leverage)
        if degrees.min() < _NORMAL:
            self._tails = StudentTails(degrees[:, 0, 0])

    def quantiles(self, level: float) -> Array:
        """Return the quantiles of each row and column, (n, m), by bisection."""
        scales = np.sqrt(self._variances)
        # A quantile of the mixture is between the least and the largest of its components'.
        ends = self._means + self._tails.quantile(level) * scales
        present = self._weights > 0
        low = np.where(present, ends, np.inf).min(axis=0)
        high = np.where(present, ends, -np.inf).max(axis=0)
        if self._noise:
            low, high = np.minimum(low, self._noise.box[0]), np.maximum(high, self._noise.box[1])
        precision = _PRECISION * np.where(present, scales, np.inf).min(axis=0)
        precision[np.isinf(precision)] = 0  # noise alone
        for _ in range(_MOST_HALVINGS):
            middle = low + 0.5 * (high - low)
            if not ((low < middle) & (middle < high) & (high - low > precision)).any():
                break
            share = (self._weights * self._tails.share_below((middle - self._means) / scales)).sum(axis=0)
            if self._noise:
                share += self._rest * self._noise.share_below(middle)
            below = share < level
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        return np.asarray(low + 0.5 * (high - low))


def _check_finite(predictions: NDArray[Any]) -> None:
    if (index := first_index(~np.isfinite(predictions).all(axis=1))) is not None:
        raise ValueError(
            f"the prediction from row {index[0]} overflows {predictions.dtype}: its known columns are too far "
            "from the mixture"
        )


ConditionalPrediction.__module__ = "gmm"

"""`standard_errors` of weights, means, covariances and the clustering, given the rows of a fit."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gmm._estimators.attributes import fitted_parameters, record_of, rows_of_fit
from gmm._estimators.classes import restored_classes
from gmm._estimators.contract import names_of_features
from gmm._estimators.criteria import adjusted_rand_index, cross_table
from gmm._estimators.mixture import GaussianMixture
from gmm._estimators.request import fit_settings
from gmm._estimators.scorer import Scorer
from gmm._fitting.degenerate import Degeneracy
from gmm._fitting.sampling import Rng, common_seed
from gmm._passes.e_step import iter_replicates
from gmm._passes.problem import Continuation, Problem
from gmm._rows.input import as_one_array
from gmm._rows.sources import Source
from gmm._text.frames import data_frame
from gmm._text.table import Column, Table
from gmm._text.words import counted, omissions, plus_minus
from gmm._validation.combinations import check_compatible
from gmm._validation.parameters import check_callback, check_is_fitted, check_level, features_of
from gmm._validation.scalars import MOST_REPLICATES, check_choice, check_whole
from gmm._values.layouts import SPHERICAL, Array, SingularMatrixError
from gmm._values.objective import Objective
from gmm._values.parameters import PARTS, MixtureParameters
from gmm._values.row_data import KnownClasses
from gmm._values.statistics import SufficientStatistics

Method = Literal["bootstrap", "weighted-bootstrap", "information"]
Callback = Callable[[int, int], object]
Labels = NDArray[np.intp]

_METHODS = {
    "bootstrap": "refits to resampled rows",
    "weighted-bootstrap": "refits to weighted rows",
    "information": "the information",
}
_LARGEST_REACH = 1e140
_NATS_LEFT = 1e-3  # tolerance of refits: a few hundredths of a standard error
_FEWEST_PASSES, _MOST_ROWS = 1000, 1e15
_FEATURES_SHOWN = 6
_MOST_NUMBERS = 2000  # the information needs two passes for each, and matrices of that size
_UNDETERMINED = "the likelihood has no maximum here that determines all parameters"


class ParameterArrays(NamedTuple):
    """Numbers of weights (…K…), means (…K, d…), covariances in the storage of their type, and tails (…K…)."""

    weights: Array
    means: Array
    covariances: Array
    degrees_of_freedom: Array


@dataclass(frozen=True, eq=False, repr=False)
class StandardErrors:
    """Standard errors of a mixture's estimates.

    Attributes
    ----------
    model : GaussianMixture
        The mixture, whose `weights_`, `means_` and `covariances_` are the estimates.
    method : {"bootstrap", "weighted-bootstrap", "information"}
    weights : ndarray of shape (K,)
    means : ndarray of shape (K, d)
    covariances : ndarray in the shape of ``model.covariances_``
        The standard errors; with heavy tails, of scale matrices.
    degrees_of_freedom : ndarray of shape (K,)
        Those of heavy tails; empty if the fit did not estimate them.
    replicates : named tuple of ndarrays, or None
        ``weights``, ``means``, ``covariances`` and ``degrees_of_freedom`` of each refit along the first axis; None
        without refits.
    adjusted_rand : ndarray of shape (number of replicates,), or None
        Agreement of the clustering by each refit with that by the mixture, on all rows: 1 if it is the same.
    n_left_out : int
        Number of refits with a degenerate component, which are omitted.
    """

    model: GaussianMixture
    method: Method
    weights: Array
    means: Array
    covariances: Array
    degrees_of_freedom: Array
    replicates: ParameterArrays | None = None
    adjusted_rand: Array | None = None
    n_left_out: int = 0

    def intervals(self, level: float = 0.95) -> ParameterArrays:
        """Compute confidence intervals.

        Parameters
        ----------
        level : float, default=0.95

        Returns
        -------
        named tuple of ndarrays
            ``weights``, ``means``, ``covariances`` and ``degrees_of_freedom`` with the lower and upper ends along the
            last axis: the quantiles of the replicates or, by the information, those of normal distributions of means,
            covariances and log odds of weights. For variances, they are those of normal distributions of their
            logarithms, by refits about the estimate less the mean step from it to the replicates: for groups five
            deviations apart with 17 to 25 rows each, intervals of 95 % contained 88 to 92 % of the variances (60 tables
            of each of three kinds); quantiles of replicates 71 to 84 %.
        """
        from scipy.special import expit, ndtri

        ends = np.array([(1 - check_level(level)) / 2, (1 + float(level)) / 2])
        mixture, steps = fitted_parameters(self.model).to_dense(), ndtri(ends)
        weights, variances = mixture.weights[:, None], mixture.covariances[..., None]
        diagonal = True if mixture.model.layout.axis_aligned else np.eye(mixture.n_features, dtype=bool)[..., None]
        if self.replicates is not None:
            parts = [np.moveaxis(np.quantile(part, ends, axis=0), 0, -1) for part in self.replicates]
            with np.errstate(divide="ignore", invalid="ignore"):  # of covariances
                logs = np.log(self.replicates.covariances / mixture.covariances)
                factors = variances * np.exp(steps * logs.std(axis=0)[..., None] - logs.mean(axis=0)[..., None])
            return ParameterArrays(parts[0], parts[1], np.where(diagonal, factors, parts[2]), parts[3])
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            slope = self.weights[:, None] / (weights * (1 - weights))
            odds = np.where(weights < 1, expit(np.log(weights / (1 - weights)) + steps * slope), weights)
            factors = variances * np.exp(steps * self.covariances[..., None] / variances)
        means = mixture.means[..., None] + steps * self.means[..., None]
        plain = variances + steps * self.covariances[..., None]
        return ParameterArrays(odds, means, np.where(diagonal, factors, plain), np.empty((0, 2)))

    def to_frame(self, level: float = 0.95) -> Any:
        """Return one row for each parameter, with its standard error and confidence interval.

        Parameters
        ----------
        level : float, default=0.95
            Confidence level of the intervals.

        Returns
        -------
        pandas.DataFrame or polars.DataFrame
            Columns ``component``, ``parameter`` ("weight", "mean", "variance" or "covariance", with heavy tails "scale"
            in place of both, and "degrees of freedom" that were estimated), ``feature`` (of a covariance, two with a
            comma), ``estimate``, ``standard_error``, ``low`` and ``high``.
        """
        mixture, ends = fitted_parameters(self.model).to_dense(), self.intervals(level)
        names = names_of_features(self.model)
        K, d = mixture.means.shape
        pairs = [(i, j) for i in range(d) for j in range(i + 1) if i == j or not mixture.model.layout.axis_aligned]
        labels = [("weight", ""), *(("mean", name) for name in names)]
        for i, j in pairs:
            spread = "scale" if mixture.tails else "variance" if i == j else "covariance"
            labels.append((spread, names[i] if i == j else f"{names[j]}, {names[i]}"))
        labels += [("degrees of freedom", "")] if mixture.tails.free else []
        numbers = {
            "estimate": ParameterArrays(mixture.weights, mixture.means, mixture.covariances, _degrees(mixture)),
            "standard_error": ParameterArrays(self.weights, self.means, self.covariances, self.degrees_of_freedom),
            "low": ParameterArrays(*(part[..., 0] for part in ends)),
            "high": ParameterArrays(*(part[..., 1] for part in ends)),
        }
        columns: dict[str, Any] = {"component": np.repeat(np.arange(K), len(labels))}
        columns |= zip(("parameter", "feature"), map(list, zip(*labels * K, strict=True)), strict=True)
        lower = tuple(np.array(pairs).T)
        for name, (weights, means, covariances, degrees) in numbers.items():
            dense = mixture.model.layout.dense(covariances, K, d)[:, *lower]
            columns[name] = np.concatenate([weights[:, None], means, dense, degrees.reshape(K, -1)], axis=1).ravel()
        return data_frame(columns)

    def __repr__(self) -> str:
        """Return a table of weights and means with their standard errors."""
        mixture, names = fitted_parameters(self.model), names_of_features(self.model)[:_FEATURES_SHOWN]
        weights = [f"{weight:.4f} ± {error:.4f}" for weight, error in zip(mixture.weights, self.weights, strict=True)]
        columns = [Column("", range(mixture.n_components)), Column("weight", weights)]
        means = zip(names, mixture.means.T, self.means.T, strict=False)
        columns += [Column(name, plus_minus(values, errors, 2)) for name, values, errors in means]
        notes = omissions(feature=mixture.n_features - len(names))
        if self.adjusted_rand is not None:
            low, high = np.quantile(self.adjusted_rand, [0.025, 0.975])
            omitted = f", {self.n_left_out} omitted" if self.n_left_out else ""
            notes.append(
                f"clustering: adjusted Rand index {self.adjusted_rand.mean():.3f} ({low:.3f} to {high:.3f}) over "
                + counted(len(self.adjusted_rand), "refit")
                + omitted
            )
        return str(Table(columns, f"StandardErrors by {_METHODS[self.method]}", notes=notes))


def standard_errors(
    model: GaussianMixture,
    X: ArrayLike,
    sample_weight: ArrayLike | None = None,
    *,
    labels: ArrayLike | None = None,
    error_covariance: ArrayLike | None = None,
    method: Method = "weighted-bootstrap",
    n_replicates: int = 200,
    random_state: int | Rng | None = None,
    callback: Callback | None = None,
) -> StandardErrors:
    """Compute standard errors of weights, means, covariances and tails, and the stability of the clustering.

    Parameters
    ----------
    model : GaussianMixture
        The mixture that was fitted to these rows.
    X : array-like or data frame of shape (n, d), or what `open_rows` returns
        The rows of the fit. Refits need them in memory or in an .npy file.
    sample_weight : array-like of shape (n,), default=None
        Weights of the rows; a row of weight 2 counts as two rows.
    labels : array-like of shape (n,), default=None
        Those of the fit, if any: the errors are then those of the semi-supervised likelihood.
    error_covariance : array-like, default=None
        That of the fit, if any.
    method : {"bootstrap", "weighted-bootstrap", "information"}, default="weighted-bootstrap"
        "bootstrap": refits to rows drawn with replacement. "weighted-bootstrap": refits to the same rows with random
        weights, the weighted likelihood bootstrap, which omits no row, so that small components survive. "information":
        no refits, but two passes for each parameter; the observed information matrix (Louis 1982), computed by Meng &
        Rubin's SEM. It requires many rows and well separated components, and does not evaluate the clustering.
    n_replicates : int, default=200
        Number of refits.
    random_state : int, RandomState, Generator or None, default=None
        Seed of the refits. A generator is advanced by one draw.
    callback : callable, default=None
        Called after each refit, in order, with the number of refits so far and of all. If it returns True, those so far
        are the result.

    Returns
    -------
    StandardErrors

    Raises
    ------
    NotFittedError
        If the model is not fitted.
    TypeError
        For a `BayesianGaussianMixture`, which has `credible_intervals`.
    ValueError
        If an argument is invalid, if the mixture was fitted with other labels, if the weights sum to less than the
        number of parameters, if fewer than two refits have no degenerate component, or if the information does not
        determine all parameters.

    Notes
    -----
    Refits start from the mixture, so components keep their numbers; exchanged ones are matched by their common rows.
    The errors are those around this optimum; `n_init` and `select` search for others. They assume that the number of
    components and the covariance type are known.

    References
    ----------
    T. A. Louis (1982). Finding the observed information matrix when using the EM algorithm. *Journal of the Royal
    Statistical Society* B 44, 226-233. A. O'Hagan, T. B. Murphy, L. Scrucca, I. C. Gormley (2019). Investigation of
    parameter uncertainty in clustering using a Gaussian mixture model via jackknife, bootstrap and weighted likelihood
    bootstrap. *Computational Statistics* 34, 1779-1813. M. A. Newton, A. E. Raftery (1994). Approximate Bayesian
    inference with the weighted likelihood bootstrap. *Journal of the Royal Statistical Society* B 56, 3-48. X.-L. Meng,
    D. B. Rubin (1991). Using EM to obtain asymptotic variance-covariance matrices: the SEM algorithm. *Journal of the
    American Statistical Association* 86, 899-909.

    Examples
    --------
    >>> import numpy as np, gmm
    >>> rng = np.random.default_rng(0)
    >>> X = np.concatenate([rng.normal(-4, 1, (100, 1)), rng.normal(4, 1, (100, 1))])
    >>> mixture = gmm.GaussianMixture(2, random_state=0).fit(X)
    >>> gmm.inference.standard_errors(mixture, X, method="information")
    StandardErrors by the information
                  weight              x0
      0  0.5000 ± 0.0354  -3.919 ± 0.096
      1  0.5000 ± 0.0354   3.949 ± 0.096
    """
    if not isinstance(model, GaussianMixture):
        raise TypeError(f"expected a GaussianMixture, got {type(model).__name__}; a posterior has credible_intervals")
    check_is_fitted(model)
    callback = check_callback(callback)
    check_choice(method, "a method", tuple(_METHODS))
    n_replicates = check_whole(n_replicates, "n_replicates", 2, MOST_REPLICATES)
    source, mixture = rows_of_fit(model, X, sample_weight, error_covariance), fitted_parameters(model)
    _check_rows(source, mixture.n_parameters)
    labelled = source.with_changes(known=restored_classes(model, labels, source))
    if method == "information":
        others = {"a prior": record_of(model).shrunk} | features_of(model)
        check_compatible(
            "method='information'", others | {"fixed parameters": mixture.fixed, "heavy tails": mixture.tails}
        )
        errors = deviations_by_information(mixture.to_dense(), labelled, model.reg_covar, model.n_threads)
        return StandardErrors(model, method, *errors, _degrees(mixture))
    array = as_one_array(source, standard_errors.__name__, gaps=True)
    rows = source if source.patterns else array
    seeds = np.random.default_rng(common_seed(random_state)).integers(2**63, size=n_replicates).tolist()
    made = list[_Replicate | None]()
    with closing(_refits(model, rows, labelled.known, method == "bootstrap", seeds)) as refits:  # also on Ctrl-C
        for replicate in refits:
            made.append(replicate)
            if callback is not None and callback(len(made), n_replicates):
                break
    valid = [replicate for replicate in made if replicate is not None]
    n_left_out = len(made) - len(valid)
    if len(valid) < 2:
        raise SingularMatrixError(
            0,
            f"{n_left_out} of {len(made)} refits have a degenerate component: expected two refits or more without. "
            "Use fewer components, another covariance type or a prior.",
        )
    parts, stability = zip(*valid, strict=True)
    replicates = ParameterArrays(*map(np.array, zip(*parts, strict=True)))
    weights, means, covariances, degrees = map(_deviations, replicates)
    return StandardErrors(
        model, method, weights, means, covariances, degrees, replicates, np.array(stability), n_left_out
    )


def _check_rows(source: Source, n_parameters: int) -> None:
    """Check that rows are enough for so many parameters, and that sums over them are finite."""
    if not n_parameters <= source.survey.weight < _MOST_ROWS:
        raise ValueError(
            f"expected rows whose weights sum to at least the number of parameters, {n_parameters}, and to "
            f"less than {_MOST_ROWS:g}, got {source.survey.weight:.6g}; a row of weight 2 counts as two rows"
        )
    if not source.survey.extent < _LARGEST_REACH:
        raise ValueError(
            f"expected rows within {_LARGEST_REACH:g} of their centre, so that squares can be summed: drop the rest"
        )


_Replicate = tuple[ParameterArrays, float]  # and the adjusted Rand index


def _refits(
    model: GaussianMixture, rows: Source, known: KnownClasses, draw_rows: bool, seeds: list[int]
) -> Generator[_Replicate | None, None, None]:
    """Yield fits to rows in memory with random weights, in order; None for one with a degenerate component."""
    mixture, weight = fitted_parameters(model), rows.weights
    settings = fit_settings(model, rows, mixture.model)
    problem = Problem(rows.with_changes(known=known), settings.objective.for_mixture(mixture), settings.n_threads)
    passes = max(model.max_iter, _FEWEST_PASSES)
    solver = settings.solver._replace(tolerance=_NATS_LEFT, max_iter=passes, bound_is_total=True)
    K, total, clusters = mixture.n_components, weight.sum(), Scorer(mixture, model.n_threads).labels(rows)
    degenerate = Degeneracy.for_fits(problem.objective, rows)

    def refit(seed: int, n_threads: int | None) -> _Replicate | None:
        rng = np.random.default_rng(seed)
        if draw_rows:
            random = rng.multinomial(round(total), weight / total).astype(np.float64)
        else:
            shares = rng.standard_gamma(weight + 0.0)  # for w rows, the sum of w exponentials; −0 raises
            random = shares * (total / shares.sum())
        reweighed = problem._replace(rows=rows.with_changes(sample_weight=random, known=known), n_threads=n_threads)
        try:
            with reweighed.e_step() as e_step:
                end = reweighed.prepare_run(e_step, Continuation(mixture), solver).go().parameters
        except SingularMatrixError:
            return None
        if degenerate(end).any():
            return None
        return _match_components(end, Scorer(end, n_threads).labels(rows), clusters, weight, known)

    return iter_replicates(refit, seeds, work=float(rows.n_rows * K * mixture.n_features**2), n_threads=model.n_threads)


def _match_components(
    mixture: MixtureParameters, labels: Labels, clusters: Labels, weight: Array, known: KnownClasses
) -> _Replicate:
    """Return a refit, with its components in the order of the clusters before, and its agreement with these."""
    from scipy.optimize import linear_sum_assignment

    K = mixture.n_components
    table = cross_table(clusters, labels, (K + 1, K + 1), weight)
    shared = table[:K, :K].astype(np.float64)
    if known:  # components stay with their class
        shared[known.owners[:, None] != known.owners] = -np.inf
    order = linear_sum_assignment(shared, maximize=True)[1]
    covariances = mixture.model.layout.written_out(mixture.covariances_of(order))
    arrays = ParameterArrays(mixture.weights[order], mixture.means[order], covariances, _degrees(mixture, order))
    return arrays, adjusted_rand_index(table)


def _degrees(mixture: MixtureParameters, order: NDArray[np.intp] | slice = slice(None)) -> Array:
    """Return the degrees of freedom, if the fit estimated them."""
    return mixture.tails.numbers(mixture.n_components)[order] if mixture.tails.free else np.empty(0)


def _deviations(replicates: Array) -> Array:
    """Return the standard deviations over the first axis; squares of numbers near 1 do not overflow."""
    _, exponents = np.frexp(np.abs(replicates).max(axis=0))
    return np.asarray(np.ldexp(np.ldexp(replicates, -exponents).std(axis=0, ddof=1), exponents))


# By the information matrix, from the derivative of EM's map (Meng & Rubin 1991): with the covariance V that the
# estimates would have if the component of each row were known, and the derivative D of one iteration of EM, they have
# (I − D)⁻¹V. Both follow from passes and updates of fits, for all covariance types, noise, weights and sources of rows.


class LocalCoordinates:
    """Mixtures near a given one as numbers v, u, S: π_k (1 + v_k), μ_k + L_k u_k and L_k (I + S_k) L_kᵀ = Σ_k + ….

    S is stored as the entries of its upper triangle, those off the diagonal times √2, or as the layout's numbers.
    """

    def __init__(self, mixture: MixtureParameters) -> None:
        self.mixture, d = mixture, mixture.n_features
        rows, columns = np.triu_indices(d)
        self._triangle = rows, columns, np.where(rows == columns, 1.0, np.sqrt(2))
        # L_k and their inverses, (K, d, d) or (1, d, d); for variances their roots, (K, d).
        if mixture.model.layout.axis_aligned:
            roots: Array = np.sqrt(mixture.model.layout.diagonal(mixture.covariances, d))
            self._factors = roots, 1 / roots
        else:
            whiteners = mixture.whiteners.reshape(-1, d, d)
            self._factors = np.asarray(np.linalg.inv(whiteners), dtype=np.float64), whiteners

    def matrices(self, changes: Array) -> Array:
        """Return S of changes of the covariances, (m, …) in the shape of the layout: (m, number of entries)."""
        if self.mixture.model.layout.axis_aligned:
            return np.asarray((changes / self.mixture.covariances).reshape(len(changes), -1))
        rows, columns, scale = self._triangle
        whiteners, d = self._factors[1], self.mixture.n_features
        white = whiteners @ changes.reshape(len(changes), -1, d, d) @ whiteners.transpose(0, 2, 1)
        return np.asarray((white[:, :, rows, columns] * scale).reshape(len(changes), -1))

    def covariances(self, entries: Array) -> Array:
        """Return the changes of the covariances for S, (m, number of entries): (m, …) in the shape of the layout."""
        shape, d = self.mixture.covariances.shape, self.mixture.n_features
        if self.mixture.model.layout.axis_aligned:
            return np.asarray(entries.reshape(-1, *shape) * self.mixture.covariances)
        rows, columns, scale = self._triangle
        packed = entries.reshape(len(entries), -1, len(rows)) / scale
        dense = np.empty((*packed.shape[:2], d, d))
        dense[:, :, rows, columns] = dense[:, :, columns, rows] = packed
        return np.asarray(self._factors[0] @ dense @ self._factors[0].transpose(0, 2, 1)).reshape(-1, *shape)

    def coordinates(self, other: MixtureParameters) -> Array:
        """Return the coordinates of another mixture."""
        mixture = self.mixture
        steps = self._times(self._factors[1], (other.means - mixture.means)[None])
        entries = self.matrices((other.covariances - mixture.covariances)[None])
        return np.concatenate([other.weights / mixture.weights - 1, steps.ravel(), entries.ravel()])

    def mixture_at(self, point: Array) -> MixtureParameters:
        """Return the mixture at these coordinates."""
        changes = zip(PARTS, self.changes(point[None]), strict=True)
        return self.mixture.with_other(**{part: getattr(self.mixture, part) + change[0] for part, change in changes})

    def changes(self, points: Array) -> tuple[Array, Array, Array]:
        """Return the changes of weights (m, K), means (m, K, d) and covariances (m, …) for coordinates, (m, …)."""
        K, d = self.mixture.means.shape
        weights, steps, entries = np.split(points, [K, K + K * d], axis=1)
        return weights * self.mixture.weights, self._times(self._factors[0], steps), self.covariances(entries)

    def _times(self, factors: Array, steps: Array) -> Array:
        steps = steps.reshape(len(steps), *self.mixture.means.shape)
        return np.asarray(factors * steps if factors.ndim == 2 else (factors @ steps[..., None])[..., 0])


def deviations_by_information(
    mixture: MixtureParameters, source: Source, ridge: float, n_threads: int | None
) -> tuple[Array, Array, Array]:
    """Return standard deviations of the estimates of weights (K,), means (K, d) and covariances in the layout's shape.

    Raises
    ------
    ValueError
        If there are too many parameters, or the mixture is no maximum that determines them all.
    """
    local, model, step = LocalCoordinates(mixture), mixture.model, float(np.finfo(source.dtype).eps) ** 0.25
    number = len(mixture.weights) + mixture.means.size + local.matrices(0 * mixture.covariances[None]).size
    if number > _MOST_NUMBERS:
        raise ValueError(
            f'method="information" makes two passes for each parameter: expected up to {_MOST_NUMBERS:,} numbers in '
            f"weights, means and covariances, got {number:,}; the bootstrap has no such limit"
        )
    objective = Objective(model, ridge).for_mixture(mixture)
    with Problem(source, objective, n_threads).e_step() as e_step:

        def em(point: Array) -> Array:
            statistics = e_step(local.mixture_at(point).whitened())
            return local.coordinates(objective.update(statistics, mixture, share_out=e_step.share_out))

        statistics = e_step(mixture.whitened())
        counts = statistics.counts
        if not (counts > statistics.least_count).all():
            raise ValueError(f"component {int(counts.argmin())} has no rows: {_UNDETERMINED}")
        free = model.layout.with_ridge(model.layout.per_count(statistics.scatter, counts), ridge)
        axes, complete = _complete_data_covariance(local, free, ridge, statistics)
        derivative = axes.T @ _derivative(em, axes, step)
    observed = np.linalg.solve(np.eye(len(complete)) - derivative, complete)
    observed = 0.5 * (observed + observed.T)
    if not (np.isfinite(observed).all() and np.linalg.eigvalsh(observed)[0] > 0):
        raise ValueError(f"{_UNDETERMINED}; fit again with a smaller tol or fewer components")
    weights, means, covariances = (_deviations_along(part, observed) for part in local.changes(axes.T))
    return weights, means, covariances


def _deviations_along(part: Array, covariance: Array) -> Array:
    """Return the standard deviations of parameters that change by `part`, (m, …), along m axes of this covariance."""
    largest = float(np.abs(part).max(initial=0)) or 1.0  # its square may overflow
    flat = part.reshape(len(part), -1) / largest
    variances = np.einsum("aj,ab,bj->j", flat, covariance, flat, optimize=True)
    return np.asarray(largest * np.sqrt(variances).reshape(part.shape[1:]))


def _derivative(function: Callable[[Array], Array], axes: Array, step: float) -> Array:
    """Return the derivatives at 0 along axes, the columns, by central differences."""
    return np.array([(function(step * axis) - function(-step * axis)) / (2 * step) for axis in axes.T]).T


def _complete_data_covariance(
    local: LocalCoordinates, free: Array, ridge: float, statistics: SufficientStatistics
) -> tuple[Array, Array]:
    """Return axes of the free parameters, as columns, and their covariance if components were known."""
    from scipy.linalg import block_diag

    mixture, model, counts = local.mixture, local.mixture.model, statistics.counts
    K, d = mixture.means.shape
    weight_part = (np.diag(1 / mixture.weights) - 1) / statistics.weight
    entries = local.matrices(free[None] - mixture.covariances)[0]
    n_rows = np.array([counts.sum()]) if model.layout.pooled else counts
    entry_part = np.repeat(2 / n_rows, entries.size // len(n_rows)) / (d if model.layout is SPHERICAL else 1)
    covariance = block_diag(weight_part, np.diag(np.repeat(1 / counts, d)), np.diag(entry_part))
    blocks = [_span(weight_part, K - (not mixture.noise)), np.eye(K * d)]
    if not model.constraint:
        blocks.append(np.eye(entries.size))
    else:

        def constrain(change: Array) -> Array:
            nearby = free + local.covariances(change[None])[0]
            fit = model.constrained(nearby, counts, previous=mixture.covariances, least=ridge)
            return local.matrices(fit[None] - mixture.covariances)[0]

        first = K + K * d
        change = _derivative(constrain, np.eye(entries.size), float(np.finfo(np.float64).eps) ** 0.25)
        covariance[first:, first:] = change * entry_part
        blocks.append(_span(covariance[first:, first:], model.n_parameters(K, d)))
    axes = np.asarray(block_diag(*blocks))
    return axes, axes.T @ covariance @ axes


def _span(covariance: Array, rank: int) -> Array:
    """Return an orthonormal basis, as columns, of the range of a covariance of this rank."""
    vectors = np.linalg.eigh(0.5 * (covariance + covariance.T))[1]
    return np.asarray(vectors[:, len(vectors) - rank :])


StandardErrors.__module__ = standard_errors.__module__ = "gmm.inference"

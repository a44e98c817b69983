"""`BayesianGaussianMixture`: a variational posterior over mixtures, its predictive density, draws and intervals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar, NamedTuple, NoReturn

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gmm import _fitting as fitting
from gmm._estimators.attributes import derived_estimator, fitted_parameters, source_of
from gmm._estimators.contract import names_of_features
from gmm._estimators.fitted import FittedMixture
from gmm._estimators.mixture import GaussianMixture
from gmm._estimators.scorer import Scorer, check_output, convert_output, log_evidence_of, mean_of
from gmm._passes.e_step import Output
from gmm._rows.input import is_dask
from gmm._rows.sources import Source
from gmm._text.frames import data_frame
from gmm._text.table import Table
from gmm._text.words import counted, form_of, omissions, percent
from gmm._validation.checks import DIRICHLET_PROCESS
from gmm._validation.parameters import check_density, check_level, check_n_samples, check_random_state
from gmm._values.completion import Completion
from gmm._values.covariance import DEFAULT_COVARIANCE_TYPE
from gmm._values.layouts import SPHERICAL, Array
from gmm._values.priors import MixturePosterior
from gmm._values.whitened import WhitenedMixture

_FEATURES_SHOWN = 6
_DRAWS = 10_000  # of products of beta variables, which have no quantiles in closed form


class PosteriorSample(NamedTuple):
    """Draws from a variational posterior.

    Attributes
    ----------
    weights : ndarray of shape (n, K)
    means : ndarray of shape (n, K, d)
    covariances : ndarray of shape (n, K, d, d)
        Full matrices for every covariance type: a type restricts the scale of the posterior, not its draws.
    """

    weights: Array
    means: Array
    covariances: Array

    def __repr__(self) -> str:
        """Return the sizes of the draws in one line."""
        n, K, d = self.means.shape
        return f"PosteriorSample of {counted(n, 'draw')}: {counted(K, 'component')}, {counted(d, 'feature')}"


@dataclass(frozen=True, eq=False, repr=False)
class CredibleIntervals:
    """Central intervals of the marginals of a variational posterior: lower and upper ends along the last axis.

    Attributes
    ----------
    weights : ndarray of shape (K, 2)
    means : ndarray of shape (K, d, 2)
    level : float
        Their probability.
    feature_names : tuple of str
        Names of the d features.
    """

    weights: Array
    means: Array
    level: float
    feature_names: tuple[str, ...]

    def to_frame(self) -> Any:
        """Return one row for each weight and mean.

        Returns
        -------
        pandas.DataFrame or polars.DataFrame
            Columns ``component``, ``parameter`` ("weight" or "mean"), ``feature``, ``low`` and ``high``.
        """
        (K, d), names = self.means.shape[:2], np.array(self.feature_names, object)
        ends = np.concatenate([self.weights, self.means.reshape(K * d, 2)])
        columns = {
            "component": np.concatenate([np.arange(K), np.repeat(np.arange(K), d)]),
            "parameter": np.repeat(np.array(["weight", "mean"], object), [K, K * d]),
            "feature": np.concatenate([np.full(K, "", object), np.tile(names, K)]),
        }
        return data_frame(columns | {"low": ends[:, 0], "high": ends[:, 1]})

    def __repr__(self) -> str:
        """Return a table of the intervals."""
        names = self.feature_names[:_FEATURES_SHOWN]
        rows, ends = [], self.means[:, : len(names)]
        widths, largest = np.median(np.ptp(ends, axis=2), axis=0), np.abs(ends).max(axis=(0, 2))
        forms = [form_of(float(width) / 4, float(most), 2) for width, most in zip(widths, largest, strict=True)]
        for k, (weight, means) in enumerate(zip(self.weights, ends, strict=True)):
            spans = [f"{low:{form}} to {high:{form}}" for (low, high), form in zip(means, forms, strict=True)]
            rows.append([k, f"{weight[0]:.4f} to {weight[1]:.4f}", *spans])
        notes = omissions(feature=len(self.feature_names) - len(names))
        return str(Table.of(["", "weight", *names], rows, f"CredibleIntervals of {percent(self.level)}", notes=notes))


def log_predictive(posterior: MixturePosterior, source: Source) -> Array:
    """Compute the log density of each row under Student's t distributions (Bishop 2006, 10.81), and noise: (n,).

    For a row with gaps, that of its observed columns, under the marginal t distributions.
    """
    layout, noise = posterior.model.layout, posterior.noise
    log_determinants = np.array(np.broadcast_to(posterior.log_determinants, posterior.n_components))
    numbers = log_determinants, posterior.means, posterior.whiteners, noise.log_density
    scales = WhitenedMixture(layout, *numbers, noise=noise)
    log_densities = np.empty(source.n_rows)
    for pattern, indices, part in source.iter_patterns():
        missing, of_columns = pattern.missing, scales
        if missing.any():
            of_columns = Completion.from_mixture(scales, missing).observed
            of_columns = of_columns._replace(log_offset=of_columns.log_offset - missing.sum() / 2 * np.log(2 * np.pi))
        log_densities[indices] = _log_predictive(posterior, of_columns, part.rows.astype(np.float64))
    return log_densities


def _log_predictive(posterior: MixturePosterior, scales: WhitenedMixture, rows: Array) -> Array:
    """Log density of rows (n, q); `scales` has whiteners of q columns, their log determinants, and that of noise."""
    from scipy.special import gammaln, logsumexp

    d, q, layout = posterior.n_features, rows.shape[1], scales.layout
    columns = []
    with np.errstate(divide="ignore"):
        log_weights = np.log(posterior.weights)
    for k, (nu, beta) in enumerate(zip(posterior.dof, posterior.mean_precisions, strict=True)):
        free = nu + 1 - d
        # Of L_k = free β / (1 + β) W_k (10.82), with Σ_k⁻¹ = ν W_k.
        factor = beta / (1 + beta) / nu
        steps, exponents = scaled(rows / 2 - scales.centres[k] / 2)  # the halves' difference is finite
        z, more = scaled(layout.whitened(scales.whiteners, k, steps))
        with np.errstate(divide="ignore"):
            log_square = np.log(np.einsum("ij,ij->i", z, z)) + 2 * np.log(2) * (exponents + more + 1)
        power = (nu + 1 - (d - q)) / 2
        constant = gammaln(power) - gammaln(free / 2) + scales.log_offset[k] + q / 2 * np.log(factor / np.pi)
        columns.append(constant - power * np.logaddexp(0, np.log(factor) + log_square))
    if posterior.noise:
        columns.append(np.full(len(rows), scales.log_noise))
        log_weights = np.append(log_weights, np.log(posterior.noise_weight))
    return np.asarray(logsumexp(np.stack(columns, axis=1) + log_weights, axis=1))


def scaled(rows: Array) -> tuple[Array, Array]:
    """Divide each row by the power of two that leaves its largest number below 1; return the exponents too."""
    exponents = np.frexp(np.abs(rows).max(axis=1, initial=0))[1]
    return np.ldexp(rows, -exponents[:, None]), exponents


def draws(posterior: MixturePosterior, n: int, rng: fitting.sampling.Rng) -> PosteriorSample:
    """Draw n mixtures."""
    K, d = posterior.means.shape
    dof, beta = posterior.dof, posterior.mean_precisions
    means, covariances = np.empty((n, K, d)), np.empty((n, K, d, d))
    white = posterior.model.layout.dense(posterior.whiteners, K, d)
    for k in range(K):
        # Bartlett: Λ = Lᵀ A Aᵀ L with W_k = Lᵀ L; so B = (Aᵀ L)⁻¹ has B Bᵀ = Λ⁻¹.
        A = np.tril(rng.standard_normal((n, d, d)), -1)
        A[:, np.arange(d), np.arange(d)] = np.sqrt(rng.chisquare(dof[k] - np.arange(d), (n, d)))
        B = np.linalg.inv(np.swapaxes(A, 1, 2) @ (white[k] / np.sqrt(dof[k])))
        covariances[:, k] = B @ np.swapaxes(B, 1, 2)
        means[:, k] = posterior.means[k] + (B @ rng.standard_normal((n, d, 1)))[..., 0] / np.sqrt(beta[k])
    return PosteriorSample(_weights(posterior, n, rng), means, covariances)


def _weights(posterior: MixturePosterior, n: int, rng: fitting.sampling.Rng) -> Array:
    prior, counts = posterior.prior, posterior.counts
    if prior.sticks:
        parts = rng.beta(*prior.sticks_of(counts), (n, len(counts)))
        weights = parts * np.cumprod(np.concatenate([np.ones((n, 1)), 1 - parts[:, :-1]], axis=1), axis=1)
        weights = weights / weights.sum(axis=1, keepdims=True)
    else:
        weights = rng.dirichlet(prior.concentration + counts, n)
    if posterior.noise:  # the components share the rest
        weights = weights * rng.beta(1 + posterior.weight - posterior.noise_count, 1 + posterior.noise_count, (n, 1))
    return weights


def intervals(
    posterior: MixturePosterior, level: float, rng: fitting.sampling.Rng, names: tuple[str, ...]
) -> CredibleIntervals:
    """Return central intervals that hold `level` of the posterior probability."""
    from scipy.special import betaincinv, stdtrit

    prior, d = posterior.prior, posterior.n_features
    tails = np.array([(1 - level) / 2, (1 + level) / 2])
    if prior.sticks or posterior.noise:
        weights = np.quantile(_weights(posterior, _DRAWS, rng), tails, axis=0).T
    else:
        own = (prior.concentration + posterior.counts)[:, None]
        weights = betaincinv(own, own.sum() - own, tails)
    # μ_k has a t distribution with ν_k + 1 − d degrees of freedom.
    free = posterior.dof + 1 - d
    scale = np.sqrt(posterior.column_variances * (posterior.dof / (posterior.mean_precisions * free))[:, None])
    means = posterior.means[..., None] + scale[..., None] * stdtrit(free[:, None], tails)[:, None, :]
    return CredibleIntervals(weights, means, level, names)


CredibleIntervals.__module__ = PosteriorSample.__module__ = "gmm"


@dataclass(eq=False, repr=False)
class BayesianGaussianMixture(FittedMixture):
    """Variational Bayesian mixture of Gaussians, which empties the components that it does not need.

    A drop-in replacement for ``sklearn.mixture.BayesianGaussianMixture``: the same parameters, attributes and methods.
    Additions are marked *beyond*.

    The fit maximises a lower bound of the log evidence over a posterior of weights, means and precisions. By default it
    takes quasi-Newton steps on EM's sufficient statistics, and merges two components where that raises the bound,
    unless their rows lie apart. Where it converges, it tries all merges that are left, sorts the components of a
    Dirichlet process by their rows, and goes on as long as that raises the bound. With ``acceleration=None`` it makes
    the updates of scikit-learn, pass by pass.

    Every covariance type is one model, a full Wishart distribution for each precision, whose posterior has a common
    scale ("tied"), a diagonal one, or a multiple of the identity. So bounds compare numbers of components, priors and
    starts, but not covariance types: with the same `covariance_prior`, the best bound of "full" is never below that of
    another.

    Parameters
    ----------
    n_components : int, default=1
        Largest number of components, K.
    covariance_type : {"full", "tied", "diag", "spherical"}, default="full"
        As for `GaussianMixture`, whose ten constrained models have no conjugate prior.
    tol : float, default=1e-3
        Convergence threshold, in nats in all (not per row, unlike that of `GaussianMixture`): per row, a fit would stop
        before it empties components. Stop when the estimated remaining gain has stayed below `tol` for three to five
        passes; without `acceleration`, when one pass changes the bound by less.
    reg_covar : float, default=1e-6
        Added to the covariance of the rows of each component, in squared units of the data. With `acceleration`, it is
        noise of that variance on the rows, which the bound and `counts_` include and ``predict_proba`` does not: where
        it is not small against the components' variances, set `acceleration` to None for scikit-learn's fixed point.
    max_iter : int, default=100
        Maximum number of passes over the rows. 0 returns the start.
    n_init : int, default=1
        Number of starts; the fit with the highest bound is kept.
    init_params : str, array-like of shape (n, K) or callable, default="kmeans"
        How to start, as for `GaussianMixture`.
    weight_concentration_prior_type : {"dirichlet_process", "dirichlet_distribution"}, default="dirichlet_process"
        Prior of the weights: stick breaking, or a symmetric Dirichlet distribution.
    weight_concentration_prior : float, default=None
        Its concentration, γ or α_0: the lower, the fewer components. None is 1 / K.
    mean_precision_prior : float, default=None
        Precision β_0 of the prior of the means, in rows. None is 1.
    mean_prior : array-like of shape (d,), default=None
        Mean of that prior. None is the mean of the rows.
    degrees_of_freedom_prior : float, default=None
        Degrees of freedom ν_0 of the Wishart prior of the precisions, above d − 1. None is d.
    covariance_prior : float or array-like, default=None
        Inverse of that prior's scale: (d, d) for "full" and "tied", (d,) for "diag", a number for "spherical". None is
        the unbiased covariance of the rows, with `reg_covar` on its diagonal if it is singular. Of weights that add up
        to less than 2, it does not depend on their scale.
    random_state : int, RandomState, Generator or None, default=None
        Seed of the starts, of `sample` and of `sample_posterior`.
    warm_start : bool, default=False
        Continue from the previous fit in the next call of `fit`.
    verbose : int, default=0
        1 prints the passes, 2 also prints the elapsed time.
    verbose_interval : int, default=10
        Number of passes between two lines.
    n_threads : int, default=None
        *Beyond*: number of threads; the result is bitwise the same for every number.
    acceleration : {"auto", None}, default="auto"
        *Beyond*: "auto" takes quasi-Newton steps and merges components; the objective never decreases. None is
        coordinate ascent with scikit-learn's stopping rule, where `reg_covar` may lower the bound.
    noise : bool, float or array-like of shape (2, d), default=False
        *Beyond*: uniform noise added to the components, as for `GaussianMixture`. The prior of its weight is uniform.
    missing : {"error", "em"}, default="error"
        *Beyond*: how NaN is treated; "em" integrates missing values out, as in `GaussianMixture`.

    Attributes
    ----------
    weights_ : ndarray of shape (K,)
        Expected weights; those of a Dirichlet process are renormalised. With `noise`, they sum to 1 less its weight.
    noise_weight_ : float
        *Beyond*: expected weight of the noise; 0 without.
    means_ : ndarray of shape (K, d)
        Expected means.
    covariances_, precisions_, precisions_cholesky_ : ndarray
        Inverses of the expected precisions; the expected precisions; and their upper triangular factors. In the shapes
        of `GaussianMixture`.
    weight_concentration_ : ndarray of shape (K,), or a tuple of two
        Parameters of the posterior of the weights: of a Dirichlet distribution, or the two of the beta distribution of
        each stick.
    mean_precision_ : ndarray of shape (K,)
        β_k = β_0 + n_k.
    degrees_of_freedom_ : ndarray of shape (K,), or a number for "tied"
        ν_k = ν_0 + n_k.
    weight_concentration_prior_, mean_precision_prior_, mean_prior_, degrees_of_freedom_prior_, covariance_prior_
        The prior that was used.
    counts_ : ndarray of shape (K,)
        *Beyond*: expected numbers of rows n_k, or their weight.
    n_effective_components_ : int
        *Beyond*: number of components that expect one row at least, n_k ≥ 1.
    converged_ : bool
        Whether the stopping rule was met before `max_iter`.
    n_iter_ : int
        Number of passes of the best start.
    lower_bound_ : float
        Lower bound of the log evidence, in nats, all constants included; scikit-learn's lacks some. `reg_covar` is part
        of it with `acceleration` alone.
    lower_bounds_ : list of float
        Lower bound measured by each pass, before its update.
    history_, histories_, remarks_, classes_, component_classes_, n_parameters_, n_features_in_, feature_names_in_
        As for `GaussianMixture`, in nats in all.

    See Also
    --------
    GaussianMixture : Maximum likelihood, for a known number of components.
    select : Choose the number of components and the covariance type by a criterion.

    References
    ----------
    C. M. Bishop (2006). *Pattern Recognition and Machine Learning*, section 10.2. D. M. Blei, M. I. Jordan (2006).
    Variational inference for Dirichlet process mixtures. *Bayesian Analysis* 1, 121-143.

    Examples
    --------
    >>> import numpy as np
    >>> from gmm import BayesianGaussianMixture
    >>> rng = np.random.default_rng(0)
    >>> X = np.concatenate([rng.normal(0, 1, (60, 2)), rng.normal(8, 1, (40, 2))])
    >>> mixture = BayesianGaussianMixture(n_components=5, random_state=0).fit(X)
    >>> mixture.n_effective_components_
    2
    >>> mixture.counts_.round(1)
    array([60., 40.,  0.,  0.,  0.])
    >>> mixture.predict([[0, 0], [9, 7]])
    array([0, 1])
    """

    _variational: ClassVar[bool] = True
    _objective: ClassVar[tuple[str, str]] = ("lower bound", "nats")

    _: KW_ONLY
    n_components: int = 1
    covariance_type: str = DEFAULT_COVARIANCE_TYPE
    tol: float = 1e-3
    reg_covar: float = 1e-6
    max_iter: int = 100
    n_init: int = 1
    init_params: str | ArrayLike | Callable[..., ArrayLike] = "kmeans"
    weight_concentration_prior_type: str = DIRICHLET_PROCESS
    weight_concentration_prior: float | None = None
    mean_precision_prior: float | None = None
    mean_prior: ArrayLike | None = None
    degrees_of_freedom_prior: float | None = None
    covariance_prior: float | ArrayLike | None = None
    random_state: int | np.random.RandomState | np.random.Generator | None = None
    warm_start: bool = False
    verbose: int = 0
    verbose_interval: int = 10
    n_threads: int | None = None
    acceleration: str | None = "auto"
    noise: bool | float | ArrayLike = False
    missing: str = "error"

    def score_samples(
        self, X: ArrayLike, *, out: Any = None, error_covariance: Any = None, density: str = "variational"
    ) -> NDArray[Any]:
        """Compute the log density of each row.

        Parameters
        ----------
        X : array-like or data frame of shape (n, d), data set, or what `open_rows` returns
        out : C-contiguous array of the result's dtype, shape (n,), default=None
            *Beyond*: where to write; it is also returned.
        error_covariance : None
            Refused, as in `fit`.
        density : {"variational", "plug-in", "predictive"}, default="variational"
            "variational": scikit-learn's log Σ_k exp E log ρ_ik, which is no density: its integral is below 1.
            *Beyond*: "plug-in", of the mixture of ``weights_``, ``means_`` and ``covariances_``; "predictive", of the
            posterior, a mixture of Student's t distributions (Bishop 2006, 10.81). For rows with missing values, each
            is the density of the observed values.

        Returns
        -------
        ndarray of shape (n,)
            In nats; float32 for float32 rows, else float64.
        """
        if is_dask(X) and error_covariance is None:
            return self._lazily("score_samples", X, out, density=density)
        source = source_of(self, X, error_covariance=error_covariance)
        values = self._log_density(source, density, check_output(out, source))
        return values if out is None else out

    def score(
        self,
        X: ArrayLike,
        y: object = None,
        sample_weight: ArrayLike | None = None,
        *,
        error_covariance: Any = None,
        density: str = "variational",
    ) -> float:
        """Compute the mean of `score_samples`, weighted by `sample_weight` (*beyond*).

        Parameters
        ----------
        X : array-like or data frame of shape (n, d), data set, or what `open_rows` returns
        y : ignored
        sample_weight : array-like of shape (n,), default=None
        error_covariance : None
            Refused, as in `fit`.
        density : {"variational", "plug-in", "predictive"}, default="variational"

        Returns
        -------
        float
            In nats per unit weight.
        """
        source = source_of(self, X, sample_weight, error_covariance=error_covariance)
        if check_density(density) == "predictive":
            return mean_of(self._log_density(source, density), source.sample_weight)
        return self._scorer_of(density).score(source)

    def sample_posterior(
        self, n_samples: int = 1, random_state: int | np.random.RandomState | np.random.Generator | None = None
    ) -> PosteriorSample:
        """Draw mixtures from the posterior; *beyond*.

        Parameters
        ----------
        n_samples : int, default=1
            Number of mixtures, n.
        random_state : int, RandomState, Generator or None, default=None
            Seed; None uses the estimator's `random_state`.

        Returns
        -------
        PosteriorSample
            ``weights`` (n, K), ``means`` (n, K, d) and ``covariances`` (n, K, d, d), which are full matrices for every
            covariance type. With noise, weights sum to 1 less its weight.
        """
        posterior, n = posterior_of(self), check_n_samples(n_samples)
        return draws(posterior, n, check_random_state(self.random_state if random_state is None else random_state))

    def credible_intervals(self, level: float = 0.95) -> CredibleIntervals:
        """Compute central credible intervals of the weights and of the means' coordinates; *beyond*.

        They are those of the variational posterior, which is narrower than the exact one.

        Parameters
        ----------
        level : float, default=0.95
            Posterior probability of each interval.

        Returns
        -------
        CredibleIntervals
            ``weights`` (K, 2) and ``means`` (K, d, 2). Intervals of the weights of a Dirichlet process, or with noise,
            are quantiles of 10 000 draws, the same in every call.
        """
        posterior, names = posterior_of(self), names_of_features(self)
        return intervals(posterior, check_level(level), np.random.default_rng(0), names)

    def plug_in(self) -> GaussianMixture:
        """Return the mixture of ``weights_``, ``means_`` and ``covariances_``, without their uncertainty; *beyond*.

        Its log density is ``score_samples(X, density="plug-in")``. It has methods that a posterior lacks:
        `GaussianMixture.criteria`, `GaussianMixture.marginal`, `GaussianMixture.condition` and
        `GaussianMixture.predict_from`.

        Returns
        -------
        GaussianMixture
        """
        return derived_estimator(self, GaussianMixture, posterior_of(self).plugged_in())

    @property
    def weight_concentration_(self) -> NDArray[Any] | tuple[NDArray[Any], NDArray[Any]]:
        """Parameters of the posterior of the weights."""
        posterior = posterior_of(self)
        if not posterior.prior.sticks:
            return self._public_array(posterior.prior.concentration + posterior.counts)
        first, second = posterior.prior.sticks_of(posterior.counts)
        return self._public_array(first), self._public_array(second)

    @property
    def mean_precision_(self) -> NDArray[Any]:
        """Precisions β_k of the means, (K,)."""
        return self._public_array(posterior_of(self).mean_precisions)

    @property
    def degrees_of_freedom_(self) -> NDArray[Any] | float:
        """Degrees of freedom ν_k, (K,), or a number that all components share."""
        posterior = posterior_of(self)
        return float(posterior.dof[0]) if posterior.model.layout.pooled else self._public_array(posterior.dof)

    @property
    def weight_concentration_prior_(self) -> float:
        """Concentration of the prior of the weights."""
        return posterior_of(self).prior.concentration

    @property
    def mean_precision_prior_(self) -> float:
        """Precision β_0 of the prior of the means."""
        return posterior_of(self).prior.shrinkage

    @property
    def mean_prior_(self) -> NDArray[Any]:
        """Mean of the prior of the means, (d,)."""
        return self._public_array(posterior_of(self).prior.mean)

    @property
    def degrees_of_freedom_prior_(self) -> float:
        """Degrees of freedom ν_0 of the prior of the precisions."""
        return posterior_of(self).prior.dof

    @property
    def covariance_prior_(self) -> NDArray[Any] | float:
        """Inverse of the scale of the prior of the precisions."""
        posterior = posterior_of(self)
        scale = posterior.prior.scale
        return float(scale) if posterior.model.layout is SPHERICAL else self._public_array(scale)

    @property
    def counts_(self) -> NDArray[Any]:
        """Expected numbers of rows n_k, (K,)."""
        return self._public_array(posterior_of(self).counts)

    @property
    def n_effective_components_(self) -> int:
        """Number of components that expect at least one row."""
        return posterior_of(self).n_effective

    def _assign(self, name: str, values: ArrayLike) -> NoReturn:
        raise AttributeError(
            f"cannot assign {name}_ of a {type(self).__name__}: it follows from the posterior. "
            "Use GaussianMixture.from_parameters for given parameters."
        )

    def _log_density(self, source: Source, density: str, out: Output = True) -> NDArray[Any]:
        if check_density(density) == "predictive":
            return convert_output(log_predictive(posterior_of(self), source), source, out)
        return log_evidence_of(self._scorer_of(density), source, out)

    def _scorer_of(self, density: str) -> Scorer:
        """Return the scorer for the variational or the plug-in density."""
        return self._scorer() if density == "variational" else Scorer(posterior_of(self).plugged_in(), self.n_threads)


def posterior_of(mixture: BayesianGaussianMixture) -> MixturePosterior:
    """Return the posterior of a fitted estimator.

    Raises
    ------
    NotFittedError
        If there is none yet.
    """
    posterior = fitted_parameters(mixture)
    assert isinstance(posterior, MixturePosterior)  # a fit sets no other
    return posterior


BayesianGaussianMixture.__module__ = "gmm"

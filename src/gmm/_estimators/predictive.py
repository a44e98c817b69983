"""The posterior predictive density of rows, and draws and intervals of a variational posterior."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from gmm import _fitting as fitting
from gmm._public import publish
from gmm._rows.sources import Source
from gmm._text.amounts import counted, form_of, percent
from gmm._text.frames import data_frame
from gmm._text.lists import aligned
from gmm._values.completion import Completion, Gaps
from gmm._values.layouts import Array
from gmm._values.variational import MixturePosterior
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
        cells, ends = [["", "weight", *names]], self.means[:, : len(names)]
        widths, largest = np.median(np.ptp(ends, axis=2), axis=0), np.abs(ends).max(axis=(0, 2))
        forms = [form_of(float(width) / 4, float(most), 2) for width, most in zip(widths, largest, strict=True)]
        for k, (weight, means) in enumerate(zip(self.weights, ends, strict=True)):
            spans = [f"{low:{form}} to {high:{form}}" for (low, high), form in zip(means, forms, strict=True)]
            cells.append([str(k), f"{weight[0]:.4f} to {weight[1]:.4f}", *spans])
        more = len(self.feature_names) - len(names)
        notes = [f"  … and {counted(more, 'more feature')}"] * (more > 0)
        return "\n".join([f"CredibleIntervals of {percent(self.level)}", *aligned(cells), *notes])


def log_predictive(posterior: MixturePosterior, source: Source) -> Array:
    """Log density of each row under Student's t distributions (Bishop 2006, 10.81), and noise: (n,).

    Of a row with gaps, that of the columns that it has, under the marginal t distributions.
    """
    layout, noise = posterior.model.layout, posterior.noise
    log_determinants = np.array(np.broadcast_to(posterior.log_determinants, posterior.n_components))
    numbers = log_determinants, posterior.means, posterior.whiteners, noise.log_density
    scales = WhitenedMixture(layout, *numbers, noise=noise)
    log_densities = np.empty(source.n_rows)
    for number, indices, part in source.pieces():
        missing, of_columns = source.patterns[number].missing, scales
        if missing.any():
            (of_columns,) = Completion.of(scales, Gaps(missing[None])).marginals
            of_columns = replace(of_columns, log_offset=of_columns.log_offset - missing.sum() / 2 * np.log(2 * np.pi))
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
    weights = _shares(posterior, n, rng)
    if posterior.noise:
        weights = weights * rng.beta(1 + posterior.weight - posterior.noise_count, 1 + posterior.noise_count, (n, 1))
    return weights


def _shares(posterior: MixturePosterior, n: int, rng: fitting.sampling.Rng) -> Array:
    """Draw the weights as shares of what noise leaves."""
    prior, counts = posterior.prior, posterior.counts
    if not prior.sticks:
        return rng.dirichlet(prior.concentration + counts, n)
    parts = rng.beta(*prior.sticks_of(counts), (n, len(counts)))
    remainder = np.cumprod(np.concatenate([np.ones((n, 1)), 1 - parts[:, :-1]], axis=1), axis=1)
    weights = parts * remainder
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


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


publish("gmm", [CredibleIntervals, PosteriorSample])

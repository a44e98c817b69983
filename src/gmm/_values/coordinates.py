"""`Coordinates`: rows after an affine map, such as that of scalers, and mixtures brought back from there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmm._values.covariance import stored_as
from gmm._values.layouts import FULL, Array
from gmm._values.noise import Noise
from gmm._values.parameters import MixtureParameters
from gmm._values.priors import NormalInverseWishart


@dataclass(frozen=True, eq=False)
class Coordinates:
    """Coordinates y of rows x, with x = centre + scales y.

    Parameters
    ----------
    centre : array of shape (d,)
    scales : array of shape (d,) or (d, d)
        One number for each column by itself, or a matrix that mixes columns.
    """

    centre: Array
    scales: Array

    def of_rows(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Return rows (n, d) in these coordinates, in their own type. For scales of columns."""
        return np.asarray((rows - self.centre) / self.scales, dtype=rows.dtype)

    def of_noise(self, noise: Noise) -> Noise:
        """Return noise in these coordinates. For scales of columns."""
        return noise.mapped(lambda corner: (corner - self.centre) / self.scales)

    def restored_prior(self, prior: NormalInverseWishart) -> NormalInverseWishart:
        """Return a prior on mixtures of y as one on those of x; what is None stays so. For scales of columns."""
        mean, scale = prior.mean, prior.scale
        if mean is not None:
            mean = self.centre + self.scales * np.asarray(mean)
        if scale is not None:
            squares = np.asarray(scale) if np.ndim(scale) else np.diag(np.full(len(self.scales), scale))
            scale = squares * np.outer(self.scales, self.scales)
        return replace(prior, mean=mean, scale=scale)

    def restored(self, mixture: MixtureParameters) -> MixtureParameters:
        """Return a mixture of y as one of x, of the model that its covariances have there.

        Noise is kept where columns are scaled one by one; elsewhere its box would not stay one.
        """
        scales, model, layout = self.scales, mixture.model, mixture.model.layout
        if scales.ndim == 2:
            covariances = layout.projected(mixture.covariances, mixture.n_components, scales)
            means = self.centre + mixture.means @ scales.T
            full = np.ascontiguousarray(covariances)
            return MixtureParameters(mixture.weights, means, full, stored_as(FULL), tails=mixture.tails)
        if mixture.n_features > 1:
            model = model.of_scaled_columns
        stored = mixture.covariances if model.layout is layout else mixture.covariances[:, None]
        noise = mixture.noise.mapped(lambda corner: self.centre + scales * corner)
        return MixtureParameters(
            mixture.weights,
            self.centre + scales * mixture.means,
            stored * layout.multipliers(scales),
            model,
            noise=noise,
            tails=mixture.tails,
        )

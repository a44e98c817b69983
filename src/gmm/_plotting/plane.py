"""The plane in which the components of a mixture differ most, computed from its parameters alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gmm._values.directions import complement, differences, leading
from gmm._values.layouts import Array
from gmm._values.parameters import MixtureParameters

_MIN_BETWEEN = 0.05  # least share of a direction's variance between the means, for it to separate the components
_MIN_EIGENVALUE = 1e-10  # of the kernel: below it, components differ only by rounding


@dataclass(frozen=True, eq=False)
class Plane:
    """Two directions in feature space.

    Attributes
    ----------
    matrix : array of shape (2, d)
        Scaled so that the mixture has unit variance along each and zero covariance between them.
    centre, scales : arrays of shape (d,)
        The mixture's mean, and its standard deviation in each feature.
    kinds : tuple of str
        "discriminating" or "principal", for each direction.
    """

    matrix: Array
    centre: Array
    scales: Array
    kinds: tuple[str, str]


def plane_of(mixture: MixtureParameters) -> Plane:
    """Compute the two directions in which the components' means and covariances differ most.

    The first choice are directions that separate the means: B v = λ Σ v with the largest λ, where B is the covariance
    of the means, and Σ that of the mixture; λ is the share of the variance between the means. If fewer than two have
    λ ≥ 0.05, the next choice are directions, uncorrelated with these, in which means or covariances differ most
    (`Differences.kernel`, balance ½). Means come first, as in Scrucca 2014, since spreads differ without bound, and
    components with one centre but different spreads overlap in the plot. If components do not differ in two directions
    (one component, or two that share a covariance), the remaining directions are those of the largest variance of the
    standardised features.

    Parameters
    ----------
    mixture : MixtureParameters
        A mixture of at least two features.

    References
    ----------
    L. Scrucca (2014). Graphical tools for model-based mixture discriminant analysis. *Advances in Data Analysis and
    Classification* 8, 147-165.
    """
    apart = differences(mixture)
    separating = leading(apart.between, _MIN_BETWEEN)[1][:, :2]
    rest = complement(separating)
    others = rest @ leading(rest.T @ apart.kernel(0.5) @ rest, _MIN_EIGENVALUE)[1]
    telling = np.hstack([separating, others])[:, :2]
    vectors = np.hstack([telling, _principal(apart.axes, telling)])[:, :2]
    first, second = ("discriminating" if telling.shape[1] > i else "principal" for i in range(2))
    return Plane(apart.in_features(vectors), apart.centre, apart.scales, (first, second))


def _principal(axes: Array, discriminating: Array) -> Array:
    """Return directions of largest variance, uncorrelated with the discriminating ones, (m, up to 2).

    In whitened coordinates they are orthogonal directions u that maximise vᵀΣv / vᵀv for v = T u.
    """
    rest = complement(discriminating)
    basis = axes @ rest
    return np.asarray(rest @ np.linalg.eigh(basis.T @ basis)[1][:, :2])

"""`View`: a linear map onto one or two axes, in which the marginal of a mixture of d features is exact.

Views for plots, projections of rows and mixtures, and the ellipse of a Gaussian. This module draws nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gmm._exceptions import InvalidParameterError, raisable
from gmm._text.words import counted
from gmm._uses.directions import Directions
from gmm._validation.scalars import check_real, is_whole
from gmm._values.coordinates import complement, differences, leading, projected_mixture
from gmm._values.layouts import Array
from gmm._values.parameters import MixtureParameters

MOST_PAIRED = 6  # features in a grid of pairs
_LONGEST = 40  # characters in a line of a label
_LONGEST_OF_SEVERAL = 18  # characters of a feature's name in a label of several
_MIN_BETWEEN = 0.05  # least share of a direction's variance between the means, for it to separate the components
_MIN_EIGENVALUE = 1e-10  # of the kernel: below it, components differ only by rounding


class View(NamedTuple):
    """A linear view y = A (x − c) of rows x.

    Attributes
    ----------
    matrix : array of shape (m, d)
        A; m is 1 or 2.
    centre : array of shape (d,)
        c; zeros if the axes are features, so that the axes show the features' own values.
    labels : tuple of str
        One for each axis, escaped for matplotlib (`literal`).
    of_features : bool
        Whether each axis is a feature. Otherwise both are directions.
    """

    matrix: Array
    centre: Array
    labels: tuple[str, ...]
    of_features: bool

    @property
    def n_axes(self) -> int:
        """Number of axes, m."""
        return len(self.matrix)

    @property
    def whole(self) -> bool:
        """Whether the view has as many axes as there are features."""
        return self.n_axes == self.matrix.shape[1]

    def project(self, rows: NDArray[Any]) -> Array:
        """Project rows (n, d) onto the axes, (n, m), in float64."""
        if self.of_features:
            return np.asarray(rows[:, self.matrix.argmax(axis=1)], dtype=np.float64)
        return np.asarray((rows - self.centre) @ self.matrix.T)

    def marginal(self, mixture: MixtureParameters) -> MixtureParameters:
        """Return the projected mixture: weights π_k, means A (μ_k − c), full covariances A Σ_k Aᵀ."""
        means = np.ascontiguousarray(self.project(mixture.means))
        covariances = mixture.model.layout.projected(mixture.covariances, mixture.n_components, self.matrix)
        return projected_mixture(mixture.weights, means, covariances).with_other(tails=mixture.tails)


def axis_deviations(mixture: MixtureParameters) -> Array:
    """Return the standard deviation of each component along each axis, (K, m), for full covariances."""
    return np.asarray(np.sqrt(np.einsum("kjj->kj", mixture.covariances)))


def view_of(mixture: MixtureParameters, names: Sequence[str], view: Any = None) -> View:
    """Return the view that a caller requested.

    Parameters
    ----------
    mixture : MixtureParameters
    names : sequence of str
        Names of the d features.
    view : None, int, str, pair of int or str, "discriminating", Directions, or View
        None selects the features if there are at most two, else the discriminating plane. A feature is given by
        index or name. Of directions, the first two are seen.

    Raises
    ------
    InvalidParameterError
        If a feature does not exist or is given twice, or `view` is anything else.
    """
    if isinstance(view, View):
        return view
    if isinstance(view, Directions):
        matrix = view.matrix[:2]
        if matrix.shape[1] != len(names):
            raise _view_error(f"directions of {counted(matrix.shape[1], 'feature')}", names)
        labels = tuple(_label(row * view.scales, f"direction {i + 1}", names) for i, row in enumerate(matrix))
        return View(matrix, view.centre, labels, of_features=False)
    if view is None:
        view = "discriminating" if len(names) > 2 else tuple(range(len(names)))
    if isinstance(view, str) and view == "discriminating":
        return discriminating(mixture, names)
    return _view_of_features(view, names)


def is_of_pairs(view: Any) -> bool:
    """Return whether a view is a grid of pairs: all of them, or those of three and more features."""
    if isinstance(view, str | bytes):
        return view == "pairs"
    return isinstance(view, Sequence | np.ndarray) and len(view) > 2


def discriminating(mixture: MixtureParameters, names: Sequence[str]) -> View:
    """Return the plane in which the components differ most (`plane_of`), or the only feature.

    The axes of the plane measure the distance from the mixture's mean in the mixture's standard deviations.
    """
    if mixture.n_features == 1:
        return _view_of_features(0, names)
    plane = plane_of(mixture)
    labels = tuple(
        _label(plane.matrix[i] * plane.scales, f"{plane.kinds[i]} direction {i + 1}", names) for i in range(2)
    )
    return View(plane.matrix, plane.centre, labels, of_features=False)


def ellipse(mixture: MixtureParameters, k: int | np.intp, content: float) -> Array:
    """Return the ellipse that holds the share `content` of component k in a plane, as a polygon (181, 2)."""
    angles = np.linspace(0, 2 * np.pi, 181)
    variances, axes = np.linalg.eigh(mixture.covariances[k])
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    radius = mixture.tails.of_components(k).radius(content)
    return np.asarray(mixture.means[k] + radius * circle * np.sqrt(np.maximum(variances, 0)) @ axes.T)


def check_contents(content: Any) -> list[float]:
    """Check one share or several; return them without duplicates, in ascending order."""
    return sorted({check_real(part, "content", "(0, 1)") for part in np.atleast_1d(np.asarray(content, dtype=object))})


def content_label(content: float) -> str:
    """Format the content of a region in per cent, with all digits given: ``50 %``, ``99.5 %``."""
    return f"{100 * content:.6g}\N{NO-BREAK SPACE}%"


def literal(name: str, longest: int = _LONGEST, among: Iterable[str] = ()) -> str:
    """Shorten the middle of a long feature name, and escape each $, which would begin a formula.

    What is left of it differs from what is left of others `among` which it stands.
    """
    alike = [other for other in among if _shortened(other, longest) == _shortened(name, longest)]
    first = next((i for i, letters in enumerate(zip(name, *alike, strict=False)) if len({*letters}) > 1), len(name))
    if first < len(name) > longest:
        start = max(0, min(first - longest // 3, len(name) - longest + 1))
        middle = name[start : start + longest - 2]
        return f"…{middle}{'…' * (start + longest - 2 < len(name))}".replace("$", r"\$")
    return _shortened(name, longest).replace("$", r"\$")


def _shortened(name: str, longest: int) -> str:
    tail = longest // 3
    return name if len(name) <= longest else f"{name[: longest - 1 - tail]}…{name[-tail:]}"


def columns_of(view: Any, names: Sequence[str]) -> list[int]:
    """Return the indices of a feature, or of several different ones.

    Raises
    ------
    InvalidParameterError
        If one does not exist or is given twice, or they are none or more than six.
    """
    several = isinstance(view, Sequence | np.ndarray) and not isinstance(view, str | bytes | bytearray)
    features = list(view) if several else [view]
    if not 1 <= len(features) <= MOST_PAIRED:
        raise _view_error(f"{len(features)} features", names)
    columns = [column for feature in features if (column := _column(feature, names)) is not None]
    if len(columns) < len(features):
        missing = " and no ".join(repr(feature) for feature in features if _column(feature, names) is None)
        raise _view_error(f"{view!r}, and there is no {missing}" if several else repr(view), names)
    if len(set(columns)) < len(columns):
        twice = next(j for j in columns if columns.count(j) > 1)
        raise _view_error(f"the feature {names[twice]!r} twice", names)
    return columns


def _view_of_features(view: Any, names: Sequence[str]) -> View:
    columns = columns_of(view, names)
    if len(columns) > 2:
        raise _view_error(f"{len(columns)} features", names)
    labels = tuple(literal(names[j], among=names) for j in columns)
    matrix = np.zeros((len(columns), len(names)))
    matrix[np.arange(len(columns)), columns] = 1
    return View(matrix, np.zeros(len(names)), labels, of_features=True)


def _column(feature: Any, names: Sequence[str]) -> int | None:
    if isinstance(feature, str) and feature in names:
        return list(names).index(feature)
    if is_whole(feature) and 0 <= int(feature) < len(names):
        return int(feature)
    return None


def _view_error(got: str, names: Sequence[str]) -> InvalidParameterError:
    listed = ", ".join(map(repr, names[:12])) + (", …" if len(names) > 12 else "")
    return raisable(InvalidParameterError)(
        f"view must be None, a feature, two to {MOST_PAIRED} features, 'discriminating', directions or 'pairs'; got "
        f"{got}. The features are 0 to {len(names) - 1}: {listed}"
    )


def _label(loadings: Array, heading: str, names: Sequence[str]) -> str:
    size = np.abs(loadings)
    heaviest = [j for j in np.argsort(-size, kind="stable")[:3] if size[j] >= 0.3 * size.max()]
    signed = [f"{'−' if loadings[j] < 0 else '+'}{literal(names[j], _LONGEST_OF_SEVERAL, names)}" for j in heaviest]
    lines = [signed[0]]
    for part in signed[1:]:
        fits = len(lines[-1]) + len(part) <= _LONGEST
        lines = [*lines[:-1], f"{lines[-1]}  {part}"] if fits else [*lines, part]
    return "\n".join([heading, *lines])


# --- The plane in which components differ most ---------------------------------------------------


class Plane(NamedTuple):
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

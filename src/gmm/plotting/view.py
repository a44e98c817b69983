"""`View`: one or two axes on which a mixture of d features is seen, and what the mixture is there, exactly.

Which view a picture takes, rows and mixtures in it, and the ellipse of a Gaussian; nothing is drawn here.
"""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmm.covariance import DEFAULT_COVARIANCE_TYPE, covariance_model
from gmm.exceptions import InvalidParameterError, raisable
from gmm.layouts import FULL, Array, SingularMatrixError
from gmm.parameters import MixtureParameters
from gmm.plotting.plane import directions

_LONGEST = 40  # characters of a line of a label
_LONGEST_OF_SEVERAL = 18  # of a feature's name where there are others beside it


@dataclass(frozen=True, eq=False)
class View:
    """A linear view y = A (x − c) of rows x.

    Attributes
    ----------
    matrix : array of shape (m, d)
        A; m is 1 or 2.
    centre : array of shape (d,)
        c; zeros where the axes are features, whose values are then read from them as they are.
    labels : tuple of str
        One for each axis, as matplotlib writes them literally (`literal`).
    of_features : bool
        Whether each axis is a feature; else both are directions.
    """

    matrix: Array
    centre: Array
    labels: tuple[str, ...]
    of_features: bool

    @property
    def n_axes(self) -> int:
        """How many axes there are, m."""
        return len(self.matrix)

    @property
    def whole(self) -> bool:
        """Whether nothing is left out: as many axes as features."""
        return self.n_axes == self.matrix.shape[1]

    def project(self, rows: NDArray[Any]) -> Array:
        """Rows (n, d) as they are seen, (n, m), in float64."""
        if self.of_features:
            return np.asarray(rows[:, self.matrix.argmax(axis=1)], dtype=np.float64)
        return np.asarray((rows - self.centre) @ self.matrix.T)

    def marginal(self, mixture: MixtureParameters) -> MixtureParameters:
        """The mixture of what is seen: weights π_k, means A (μ_k − c), full covariances A Σ_k Aᵀ."""
        means = np.ascontiguousarray(self.project(mixture.means))
        covariances = mixture.model.layout.projected(mixture.covariances, mixture.n_components, self.matrix)
        return mixture_seen(mixture.weights, means, covariances)


def mixture_seen(weights: Array, means: Array, covariances: Array) -> MixtureParameters:
    """The mixture of covariances (K, m, m) as a linear map made them: those that rounding made singular are widened."""
    covariances = np.ascontiguousarray(0.5 * (covariances + covariances.transpose(0, 2, 1)))
    model = covariance_model(DEFAULT_COVARIANCE_TYPE)
    try:
        return MixtureParameters(weights, means, covariances, model)
    except SingularMatrixError:
        ridge = np.maximum(1e-14 * np.trace(covariances, axis1=1, axis2=2), 1e-300)
        return MixtureParameters(weights, means, FULL.with_ridge(covariances, ridge), model)


def view_of(mixture: MixtureParameters, names: Sequence[str], view: Any = None) -> View:
    """The view that a caller asks for.

    Parameters
    ----------
    mixture : MixtureParameters
    names : sequence of str
        Of the d features.
    view : None, int, str, pair of int or str, "discriminating", or View
        None takes the features where there are at most two, else the discriminating plane. A feature is told by its
        number or by its name.

    Raises
    ------
    InvalidParameterError
        For a feature that is not there, one that is named twice, and anything else.
    """
    if isinstance(view, View):
        return view
    if view is None:
        view = "discriminating" if len(names) > 2 else tuple(range(len(names)))
    if isinstance(view, str) and view == "discriminating":
        return discriminating(mixture, names)
    return _view_of_features(view, names)


def discriminating(mixture: MixtureParameters, names: Sequence[str]) -> View:
    """The plane in which components differ most (`plane.directions`); of one feature, that feature.

    Its axes are in standard deviations of the mixture along them, from its mean.
    """
    if mixture.n_features == 1:
        return _view_of_features(0, names)
    found = directions(mixture)
    labels = tuple(_label(found.matrix[i] * found.scales, found.kinds[i], i, names) for i in range(2))
    return View(found.matrix, found.centre, labels, of_features=False)


def ellipse(mean: Array, covariance: Array, content: float, n_vertices: int = 181) -> Array:
    """The ellipse that holds `content` of a Gaussian of two features, as a polygon (n_vertices, 2).

    Its radius in standard deviations is √(−2 log(1 − content)), the quantile of χ² with two degrees of freedom.

    Parameters
    ----------
    mean : array of shape (2,)
    covariance : array of shape (2, 2)
    content : float
        Between 0 and 1.
    n_vertices : int, default=181

    Raises
    ------
    InvalidParameterError
        For a content that is not between 0 and 1.
    """
    radius = np.sqrt(-2 * np.log1p(-check_content(content)))
    angles = np.linspace(0, 2 * np.pi, n_vertices)
    variances, axes = np.linalg.eigh(covariance)
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return np.asarray(mean + radius * circle * np.sqrt(np.maximum(variances, 0)) @ axes.T)


def check_content(content: Any) -> float:
    """The content of a region, or an error that says what it may be."""
    if not isinstance(content, numbers.Real) or not 0 < float(content) < 1:
        raise raisable(InvalidParameterError)(f"content must be between 0 and 1, both excluded; got {content!r}")
    return float(content)


def check_contents(content: Any) -> list[float]:
    """One content or several, each once, the smallest first."""
    return sorted({check_content(part) for part in np.atleast_1d(np.asarray(content, dtype=object))})


def content_told(content: float) -> str:
    """The content of a region as it was given, in per cent: ``50 %``, ``99.5 %``."""
    return f"{100 * content:.6g}\N{NO-BREAK SPACE}%"


def literal(name: str, longest: int = _LONGEST) -> str:
    """A feature's name as it is written in a picture: its ends where it is long, and a $ begins no formula."""
    tail = longest // 3
    short = name if len(name) <= longest else f"{name[: longest - 1 - tail]}…{name[-tail:]}"
    return short.replace("$", r"\$")


def _view_of_features(view: Any, names: Sequence[str]) -> View:
    several = isinstance(view, Sequence | np.ndarray) and not isinstance(view, str | bytes | bytearray)
    chosen = list(view) if several else [view]
    if len(chosen) not in (1, 2):
        raise _refusal(f"{len(chosen)} features", names)
    columns = [column for feature in chosen if (column := _column(feature, names)) is not None]
    if len(columns) < len(chosen):
        missing = " and no ".join(repr(feature) for feature in chosen if _column(feature, names) is None)
        raise _refusal(f"{view!r}, and there is no {missing}" if several else repr(view), names)
    if len(set(columns)) < len(columns):
        raise _refusal(f"the feature {names[columns[0]]!r} twice", names)
    labels = tuple(literal(names[j]) for j in columns)
    matrix = np.zeros((len(columns), len(names)))
    matrix[np.arange(len(columns)), columns] = 1
    return View(matrix, np.zeros(len(names)), labels, of_features=True)


def _column(feature: Any, names: Sequence[str]) -> int | None:
    if isinstance(feature, str) and feature in names:
        return list(names).index(feature)
    whole = isinstance(feature, numbers.Integral) and not isinstance(feature, bool | np.bool_)
    if whole and 0 <= int(feature) < len(names):
        return int(feature)
    return None


def _refusal(got: str, names: Sequence[str]) -> InvalidParameterError:
    listed = ", ".join(map(repr, names[:12])) + (", …" if len(names) > 12 else "")
    return raisable(InvalidParameterError)(
        f"view must be None, a feature, a pair of features, 'discriminating' or 'pairs'; got {got}. "
        f"The features are 0 to {len(names) - 1}: {listed}"
    )


def _label(loadings: Array, kind: str, axis: int, names: Sequence[str]) -> str:
    """What a direction is, and below it the features, one to three, that weigh most, with their signs."""
    size = np.abs(loadings)
    heaviest = [j for j in np.argsort(-size, kind="stable")[:3] if size[j] >= 0.3 * size.max()]
    signed = [f"{'−' if loadings[j] < 0 else '+'}{literal(names[j], _LONGEST_OF_SEVERAL)}" for j in heaviest]
    lines = [signed[0]]
    for one in signed[1:]:
        fits = len(lines[-1]) + len(one) <= _LONGEST
        lines = [*lines[:-1], f"{lines[-1]}  {one}"] if fits else [*lines, one]
    return "\n".join([f"{kind} direction {axis + 1}", *lines])

"""What pictures show, without drawing it: a `Scene`, the fitted mixture and checked rows, and a `View` of it.

A `View` is a linear map onto few axes, in which the marginal of a mixture of d features is exact. Pictures of pipelines
are in the units of the rows.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gmm._estimators.attributes import fitted_parameters, source_of
from gmm._estimators.conditional import imputed
from gmm._estimators.contract import names_of_features
from gmm._estimators.fitted import FittedMixture
from gmm._estimators.mixture import GaussianMixture
from gmm._estimators.scorer import Scorer
from gmm._exceptions import InvalidParameterError, invalid
from gmm._kernel.mstep import cached_property
from gmm._plotting.style import colours
from gmm._rows.input import as_one_array, as_source
from gmm._rows.sources import ArraySource, Source
from gmm._selection import MixtureClassifier, Selection
from gmm._text.words import column_names, counted
from gmm._uses.directions import Directions
from gmm._uses.overlap import CombinedComponents, shares_of
from gmm._validation.parameters import check_is_fitted, check_random_state
from gmm._validation.scalars import as_list, check_whole, is_whole
from gmm._values.coordinates import Coordinates, complement, differences, discrimination, leading, projected_mixture
from gmm._values.layouts import Array
from gmm._values.parameters import MixtureParameters

_MOST_PAIRED = 6  # features in a grid of pairs
_LONGEST = 40  # characters in a line of a label
LONGEST_OF_SEVERAL = 18  # characters of one of several names
_MIN_BETWEEN = 0.05  # least share of a direction's variance between the means, for it to separate the components
_MIN_EIGENVALUE = 1e-10  # of the kernel: below it, components differ only by rounding


class View(NamedTuple):
    """A linear view y = A (x − c) of rows x.

    Attributes
    ----------
    matrix : array of shape (m, d)
        A; m is 1 or 2, or up to 6 of a grid of pairs.
    centre : array of shape (d,)
        c; zeros if the axes are features, so that the axes show the features' own values.
    labels : tuple of str
        One for each axis, escaped for matplotlib (`literal`).
    of_features : bool
        Whether each axis is a feature. Otherwise both are directions.
    of_pairs : bool
        Whether the axes are those of a grid of pairs.
    """

    matrix: Array
    centre: Array
    labels: tuple[str, ...]
    of_features: bool
    of_pairs: bool = False

    @property
    def n_axes(self) -> int:
        """Number of axes, m."""
        return len(self.matrix)

    @property
    def shows_all(self) -> bool:
        """Whether the view has as many axes as there are features."""
        return self.n_axes == self.matrix.shape[1]

    def of_axes(self, axes: list[int]) -> View:
        """Return the view along some of the axes."""
        return View(self.matrix[axes], self.centre, tuple(self.labels[i] for i in axes), self.of_features)

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


def view_of(mixture: MixtureParameters, names: Sequence[str], view: Any = None) -> View:
    """Return the view that a caller requested.

    Parameters
    ----------
    mixture : MixtureParameters
    names : sequence of str
        Names of the d features.
    view : None, int, str, sequence of int or str, "discriminating", "pairs" or Directions
        None selects the features if there are at most two, else the discriminating plane. A feature is given by
        index or name; three and more are a grid of pairs. Of directions, the first two are seen.

    Raises
    ------
    InvalidParameterError
        If a feature does not exist or is given twice, or `view` is anything else.
    """
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
    if isinstance(view, str) and view == "pairs":
        most = np.argsort(-discrimination(mixture), kind="stable")[:_MOST_PAIRED]
        return _feature_view(sorted(most.tolist()), names, of_pairs=True)
    columns = columns_of(view, names)
    return _feature_view(columns, names, of_pairs=len(columns) > 2)


def discriminating(mixture: MixtureParameters, names: Sequence[str]) -> View:
    """Return the plane in which the components' means and covariances differ most, or the only feature.

    The axes of the plane measure the distance from the mixture's mean in the mixture's standard deviations; the mixture
    has unit variance along each and zero covariance between them.

    The first choice are directions that separate the means: B v = λ Σ v with the largest λ, where B is the covariance
    of the means, and Σ that of the mixture; λ is the share of the variance between the means. If fewer than two have
    λ ≥ 0.05, the next choice are directions, uncorrelated with these, in which means or covariances differ most
    (`Differences.kernel`, balance ½). Means come first, as in Scrucca 2014, since spreads differ without bound, and
    components with one centre but different spreads overlap in the plot. If components do not differ in two directions
    (one component, or two that share a covariance), the remaining directions are those of the largest variance of the
    standardised features.

    References
    ----------
    L. Scrucca (2014). Graphical tools for model-based mixture discriminant analysis. *Advances in Data Analysis and
    Classification* 8, 147-165.
    """
    if mixture.n_features == 1:
        return _feature_view([0], names)
    apart = differences(mixture)
    separating = leading(apart.between, _MIN_BETWEEN)[1][:, :2]
    rest = complement(separating)
    others = rest @ leading(rest.T @ apart.kernel(0.5) @ rest, _MIN_EIGENVALUE)[1]
    discriminating = np.hstack([separating, others])[:, :2]
    rest = complement(discriminating)
    # In whitened coordinates, principal ones are orthogonal directions u that maximise vᵀΣv / vᵀv for v = T u.
    basis = apart.axes @ rest
    principal = np.asarray(rest @ np.linalg.eigh(basis.T @ basis)[1][:, :2])
    matrix = apart.in_features(np.hstack([discriminating, principal])[:, :2])
    kinds = ["discriminating" if i < discriminating.shape[1] else "principal" for i in range(2)]
    labels = tuple(_label(matrix[i] * apart.scales, f"{kinds[i]} direction {i + 1}", names) for i in range(2))
    return View(matrix, apart.centre, labels, of_features=False)


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
    """Return the indices of a feature, or of several different ones; of None, of the first six.

    Raises
    ------
    InvalidParameterError
        If one does not exist or is given twice, or they are none or more than six.
    """
    if view is None:
        return list(range(min(len(names), _MOST_PAIRED)))
    features = as_list(view)
    if not 1 <= len(features) <= _MOST_PAIRED:
        raise _view_error(f"{len(features)} features", names)
    columns, missing = list[int](), list[str]()
    for feature in features:
        if isinstance(feature, str) and feature in names:
            columns.append(list(names).index(feature))
        elif is_whole(feature) and 0 <= int(feature) < len(names):
            columns.append(int(feature))
        else:
            missing.append(repr(feature))
    if missing:
        absent = f"{view!r}, and there is no {' and no '.join(missing)}"
        raise _view_error(absent if len(features) > 1 else repr(view), names)
    if len(set(columns)) < len(columns):
        twice = next(j for j in columns if columns.count(j) > 1)
        raise _view_error(f"the feature {names[twice]!r} twice", names)
    return columns


def _feature_view(columns: list[int], names: Sequence[str], *, of_pairs: bool = False) -> View:
    labels = tuple(literal(names[j], LONGEST_OF_SEVERAL if of_pairs else _LONGEST, names) for j in columns)
    matrix = np.zeros((len(columns), len(names)))
    matrix[np.arange(len(columns)), columns] = 1
    return View(matrix, np.zeros(len(names)), labels, of_features=True, of_pairs=of_pairs)


def _view_error(got: str, names: Sequence[str]) -> InvalidParameterError:
    listed = ", ".join(map(repr, names[:12])) + (", …" if len(names) > 12 else "")
    return invalid(
        f"view must be None, a feature, two to {_MOST_PAIRED} features, 'discriminating', directions or 'pairs'; got "
        f"{got}. The features are 0 to {len(names) - 1}: {listed}"
    )


def _label(loadings: Array, heading: str, names: Sequence[str]) -> str:
    size = np.abs(loadings)
    heaviest = [j for j in np.argsort(-size, kind="stable")[:3] if size[j] >= 0.3 * size.max()]
    signed = [f"{'−' if loadings[j] < 0 else '+'}{literal(names[j], LONGEST_OF_SEVERAL, names)}" for j in heaviest]
    lines = [signed[0]]
    for part in signed[1:]:
        fits = len(lines[-1]) + len(part) <= _LONGEST
        lines = [*lines[:-1], f"{lines[-1]}  {part}"] if fits else [*lines, part]
    return "\n".join([heading, *lines])


_CHECKED = 200  # rows on which a step is compared with an affine map
_AFFINE = {4: 1e-3, 8: 1e-7}  # largest difference for numbers of so many bytes, in the spread of what comes out
_SINGULAR = 1e12  # condition number above which a step, once columns have one unit, loses a direction


def split_pipeline(model: Any) -> tuple[list[tuple[str, Any]], Any]:
    """Return the steps of a pipeline before its last one, and the last; what is no pipeline is a last step alone."""
    steps = None if isinstance(model, type) else getattr(model, "steps", None)
    if not steps:
        return [], model
    return [(name, step) for name, step in steps[:-1] if step is not None and step != "passthrough"], steps[-1][1]


def undo_steps(
    steps: list[tuple[str, Any]], mixture: MixtureParameters, X: Any
) -> tuple[MixtureParameters, Any, tuple[str, ...] | None]:
    """Return a mixture behind steps as one in front of them, with the rows there and their names, if steps give any.

    Steps are taken back from the last on, up to one that does not leave as many directions as it gets, such as a PCA of
    few components: then rows and mixture are those behind that one.

    Raises
    ------
    ValueError
        If one of those steps is not affine, or would turn a box of noise, or values are missing behind them.
    """
    tables = [X]
    for _, step in steps:
        tables.append(step.transform(tables[-1]))
    try:
        gaps = bool(np.isnan(np.asarray(tables[-1], dtype=np.float64)).any())
    except (TypeError, ValueError):  # no numbers
        gaps = False
    if gaps:
        raise ValueError(
            "a picture needs complete rows, and values are missing: drop such rows, or draw the mixture pipeline[-1] "
            "with the rows pipeline[-1].impute(pipeline[:-1].transform(X))"
        )
    for (name, step), rows, transformed in reversed(list(zip(steps, tables, tables[1:], strict=False))):
        coordinates = _coordinates(name, step, rows, transformed)
        if coordinates is None:
            named = getattr(step, "get_feature_names_out", None)
            return mixture, transformed, None if named is None else tuple(map(str, named()))
        if coordinates.scales.ndim == 2 and mixture.noise:
            raise ValueError(f"step {name!r} rotates the box of noise: draw pipeline[-1] with the rows that it gets")
        mixture = coordinates.restored(mixture)
    return mixture, X, None


def _coordinates(name: str, step: Any, rows: Any, transformed: Any) -> Coordinates | None:
    """Return the coordinates that a step changes to, by trying it at d + 1 points; None if it loses directions."""
    try:
        values, expected = np.asarray(rows, dtype=np.float64), np.asarray(transformed)
    except ValueError:  # words, which no map of numbers reads
        raise _not_affine(name, step) from None
    centre, widths = values.mean(axis=0), values.std(axis=0)
    widths[widths == 0] = 1
    at = _tried(step, rows, np.vstack([centre, centre + np.diag(widths)]))
    matrix = (at[1:] - at[0]).T / widths
    some = np.unique(np.linspace(0, len(values) - 1, _CHECKED).astype(np.intp))
    away = np.abs(at[0] + (values[some] - centre) @ matrix.T - expected[some])
    spread = np.maximum(np.ptp(expected, axis=0), np.abs(at[1:] - at[0]).max(axis=0))
    if not (away <= _AFFINE[max(4, min(8, expected.dtype.itemsize))] * spread).all():
        raise _not_affine(name, step)
    if matrix.shape[0] != matrix.shape[1]:
        return None
    sizes = np.linalg.norm(matrix * widths, axis=1, keepdims=True)
    if np.linalg.cond(matrix * widths / np.where(sizes > 0, sizes, 1)) > _SINGULAR:
        return None
    diagonal = matrix.diagonal()
    if np.array_equal(matrix, np.diag(diagonal)) and (diagonal > 0).all():
        return Coordinates(centre - at[0] / diagonal, 1 / diagonal)
    inverse = np.linalg.inv(matrix)
    return Coordinates(centre - inverse @ at[0], inverse)


def _not_affine(name: str, step: Any) -> ValueError:
    return ValueError(
        f"step {name!r} ({type(step).__name__}) is not affine, so the mixture has no picture in front of it; draw what "
        "the last step sees: the mixture pipeline[-1] with the rows pipeline[:-1].transform(X)"
    )


def _tried(step: Any, rows: Any, points: Array) -> Array:
    """Return what a step makes of points, which it gets in the form of the rows: with their names, if they have any."""
    table: Any = points
    if hasattr(rows, "columns"):  # a data frame of pandas, or of polars
        names = {"columns" if hasattr(rows, "iloc") else "schema": list(rows.columns)}
        table = type(rows)(points, **names)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names that the points do not have
        return np.asarray(step.transform(table), dtype=np.float64)


class Scene:
    """A fitted mixture and the checked rows to draw with it, of which at most `max_points` are drawn as points.

    Attributes
    ----------
    mixture : MixtureParameters
    names : tuple of str
        Feature names.
    given : Source
        All rows, from which the weights of components follow.
    source : ArraySource
        The same as an array (n, d), missing values filled, and their weights (n,) or None.
    used : ArraySource
        The rows of positive weight.
    scorer : Scorer
        Those of the mixture.
    present : array of int
        Indices of the components that are not empty.
    clusters : array of int, shape (K,)
        The cluster of each component; each is one, unless they are combined. Of a classifier, its class.
    classes : tuple of str
        The names of a classifier's classes; else empty.
    n_components, n_clusters : int
    combined : bool
        Whether there are clusters of several components.
    kind : pair of str
        What a cluster is, a component, a cluster or a class, and the plural.
    cluster_shades : array of shape (n_clusters, 3)
        Colours of the clusters: that of the first component of each; of classes, in their order.
    shades : array of shape (K, 3)
        Colours of the components: those of their clusters.
    sample_index : array of shape (s,)
        Indices of the rows drawn as individual points.
    sample_rows : array of shape (s, d)
        These rows.
    responsibilities : array of shape (s, K)
        Responsibilities of the drawn rows, computed from all features.
    """

    def __init__(
        self,
        mixture: MixtureParameters,
        names: tuple[str, ...],
        given: Source,
        n_threads: int | None,
        max_points: int,
        random_state: Any,
        clusters: NDArray[np.intp] | None = None,
        classes: tuple[str, ...] = (),
    ) -> None:
        if given.patterns:
            source = ArraySource(imputed(mixture, given, n_threads), given.sample_weight)
        else:
            given = source = as_one_array(given, "a picture")
        sample = np.flatnonzero(source.weights)
        if not len(sample):
            raise ValueError(
                f"expected rows to draw, got {counted(source.n_rows, 'row')} without a value or a weight: pass others"
            )
        self.mixture, self.names, self.source, self.used = mixture, names, source, source.select_rows(sample)
        self.given, self.scorer = given, Scorer(mixture, n_threads)
        self.present, self.n_components, self.classes = mixture.present, mixture.n_components, classes
        self.clusters = np.arange(self.n_components) if clusters is None else clusters
        self.n_clusters = int(self.clusters.max()) + 1
        self.combined = self.n_clusters < self.n_components
        several = ("cluster", "clusters") if self.combined else ("component", "components")
        self.kind = ("class", "classes") if classes else several
        firsts = np.arange(self.n_clusters) if classes else np.unique(self.clusters, return_index=True)[1]
        self.cluster_shades = colours(self.n_components)[firsts]
        self.shades = self.cluster_shades[self.clusters]
        if len(sample) > max_points:
            sample = np.sort(check_random_state(random_state).choice(sample, max_points, replace=False))
        self.sample_index, self.sample_rows = sample, np.ascontiguousarray(source.rows[sample])
        if given.patterns:
            self.responsibilities = self.scorer.responsibilities(given)[sample].astype(np.float64)
        else:
            self.responsibilities = scored(mixture, self.sample_rows, n_threads)[0]

    def shares_of(self, responsibilities: Array) -> Array:
        """Return the probabilities of the clusters, and of noise if there is any, by responsibilities (n, K)."""
        merged = shares_of(self.clusters, responsibilities) if self.combined else responsibilities
        if not self.mixture.noise:
            return merged
        return np.column_stack([merged, np.maximum(0, 1 - responsibilities.sum(axis=1))])

    @cached_property
    def uncertainty_of_all(self) -> Array:
        """One minus the largest probability of a cluster, or of noise, for every row, (n,); costs a pass over them."""
        if self.combined:
            return np.asarray(1 - self.shares_of(self.scorer.responsibilities(self.given)).max(axis=1))
        return 1 - self.scorer.largest_responsibilities(self.given)

    @cached_property
    def counts(self) -> Array:
        """Total weight of the rows assigned to noise and to each cluster, (1 + n_clusters,); costs a pass over them."""
        if self.combined:
            labels = self.shares_of(self.scorer.responsibilities(self.given)).argmax(axis=1)
            labels[labels == self.n_clusters] = -1  # noise
        else:
            labels = self.scorer.labels(self.given)
        return np.bincount(labels + 1, self.source.sample_weight, minlength=self.n_clusters + 1).astype(np.float64)


def scene_of(
    model: Any, X: ArrayLike, sample_weight: ArrayLike | None = None, max_points: int = 5000, random_state: Any = 0
) -> Scene:
    """Check a model and rows, and make a scene of them.

    Parameters
    ----------
    model : GaussianMixture, GaussianMixtureSearch, MixtureClassifier, a pipeline of one, or CombinedComponents
        The fitted model.
    X : array-like or data frame of shape (n, d)
        Rows, as for ``model.predict``. Missing values are drawn at their conditional means, if the mixture was fitted
        with ``missing="em"``; rows without a value are not drawn.
    sample_weight : array-like of shape (n,), default=None
    max_points : int, default=5000
        Maximum number of rows drawn as points. Larger tables are subsampled without replacement.
    random_state : int, RandomState, Generator or None, default=0

    Raises
    ------
    NotFittedError, TypeError
        As `fitted_mixture`; also if the rows are not in memory.
    ValueError
        If the mixture cannot score the rows, `max_points` is below 1, or a step of a pipeline is not affine.
    """
    steps, last = split_pipeline(model)
    clusters, classes = None, tuple[str, ...]()
    if isinstance(last, CombinedComponents):
        clusters, last = last.clusters(), last.model
    elif isinstance(last, MixtureClassifier):
        last = last.as_mixture()
        clusters, classes = np.searchsorted(last.classes_, last.component_classes_), tuple(map(str, last.classes_))
    mixture = fitted_mixture(last)
    max_points = check_whole(max_points, "max_points")
    parameters, names = fitted_parameters(mixture), names_of_features(mixture)
    if steps:
        parameters, X, feature_names = undo_steps(steps, parameters, X)
        given = as_source(X, sample_weight, estimator=model)
        names = feature_names or column_names(given.feature_names, parameters.n_features)
    else:
        given = source_of(mixture, X, sample_weight)
    return Scene(parameters, names, given, mixture.n_threads, max_points, random_state, clusters, classes)


def fitted_mixture(model: Any) -> FittedMixture:
    """Return a fitted mixture, or the best mixture of a fitted search; of a pipeline, that of its last step.

    Raises
    ------
    NotFittedError
        If the model is not fitted.
    TypeError
        If it is none of these.
    """
    _, model = split_pipeline(model)
    if hasattr(model, "__sklearn_is_fitted__") and not isinstance(model, type):
        check_is_fitted(model)
    mixture = getattr(model, "best_estimator_", model)
    if not isinstance(mixture, FittedMixture):
        raise TypeError(f"expected a fitted GaussianMixture or GaussianMixtureSearch, got {_description(model)}")
    return mixture


def _description(model: Any) -> str:
    if isinstance(model, type):
        return f"the class {model.__name__}: create an instance and fit it, as in {model.__name__}().fit(X)"
    name = type(model).__name__
    if isinstance(model, Selection):
        return f"a {name}: pass its best mixture, selection.best"
    if name != GaussianMixture.__name__:
        return name
    return (
        f"{type(model).__module__}.{name}: import it from gmm instead, or convert the fitted mixture with "
        "gmm.GaussianMixture.from_parameters(m.weights_, m.means_, m.covariances_, covariance_type=m.covariance_type)"
    )


def scored(mixture: MixtureParameters, rows: NDArray[Any], n_threads: int | None = None) -> tuple[Array, Array]:
    """Return the responsibilities (n, K) and log densities (n,) of rows, in nats."""
    scores = Scorer(mixture, n_threads).rows(ArraySource(rows), responsibilities=True, log_evidence=True)
    assert scores.responsibilities is not None  # requested above
    assert scores.log_evidence is not None
    return scores.responsibilities.astype(np.float64, copy=False), scores.log_evidence

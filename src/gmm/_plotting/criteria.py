"""`plot_criteria`: criteria against the number of components, with their minima."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray

from gmm._estimators.criteria import CRITERIA, title
from gmm._estimators.mixture import GaussianMixture
from gmm._exceptions import InvalidParameterError, raisable
from gmm._plotting.legends import legend_of_labels
from gmm._plotting.lines import Line, draw_line, label_ends, limit_height, mark_best, set_counts_axis
from gmm._plotting.scene import fitted_mixture
from gmm._plotting.selection import cells_of, indices_of, table_of
from gmm._plotting.style import axes_of, colours
from gmm._public import publish
from gmm._selection import GaussianMixtureSearch, Selection
from gmm._selection.cells import check_criterion
from gmm._text.amounts import counted


def plot_criteria(
    models: Selection | GaussianMixtureSearch | Sequence[GaussianMixture],
    X: ArrayLike | None = None,
    *,
    ax: Axes | None = None,
    criteria: Sequence[str] = ("bic", "aic"),
    covariance_type: str | None = None,
    sample_weight: ArrayLike | None = None,
) -> Axes:
    """Draw criteria against the number of components, and mark the minimum of each.

    Parameters
    ----------
    models : Selection, GaussianMixtureSearch, or sequence of GaussianMixture
        A search, of which the cells of one covariance type are drawn; or fitted mixtures with different numbers of
        components.
    X : array-like of shape (n, d), optional
        Rows on which to evaluate fitted mixtures. Not allowed with a search, which has its criteria already.
    ax : Axes, optional
        Axes to draw on; None makes a new figure.
    criteria : sequence of str, default=("bic", "aic")
        One or more of "bic", "aic", "aicc", "icl" and "nec".
    covariance_type : str, optional
        Covariance type to draw of a search; None selects that of its best cell.
    sample_weight : array-like of shape (n,), optional
        Weights of the rows in X.

    Returns
    -------
    Axes
        Smaller is better. Lines may continue above the axes, where grey triangles say so. Cells with a degenerate
        component are left out, since their criteria are meaningless.

    Raises
    ------
    NotFittedError
        If the search or a mixture is not fitted.
    TypeError
        If `models` is neither a selection, a search nor a list of mixtures.
    ValueError
        If a criterion or the covariance type does not exist, a criterion is not finite for any non-degenerate cell, X
        is missing, or two mixtures have the same number of components; or if X or weights are given with a search, or
        `covariance_type` with mixtures.

    Examples
    --------
    >>> import numpy as np
    >>> from gmm import GaussianMixture
    >>> from gmm.plotting import plot_criteria
    >>> X = np.concatenate([np.arange(9.0), np.arange(40.0, 49.0)])[:, None]
    >>> models = [GaussianMixture(K, random_state=0).fit(X) for K in (1, 2)]
    >>> plot_criteria(models, X).get_title()
    'BIC chooses 2 components, AIC 2'
    """
    names = _checked_criteria(criteria)
    _check_not_names(X)
    if isinstance(models, Selection | GaussianMixtureSearch):
        _check_omitted("fitted mixtures; a search has its criteria already", X=X, sample_weight=sample_weight)
        counts, values, suffix = _of_type(table_of(models), names, covariance_type)
    else:
        _check_omitted("a search, to choose the type to draw", covariance_type=covariance_type)
        counts, values = _of_mixtures(models, X, sample_weight, names)
        suffix = ""
    with axes_of(ax) as target:
        lines = [
            Line((title(name),), counts, of_name, colour)
            for name, of_name, colour in zip(names, values, colours(len(names)), strict=True)
        ]
        for line in lines:
            draw_line(target, line)
            best = int(np.nanargmin(line.values))
            target.axvline(counts[best], color=line.colour, lw=0.8, ls=(0, (4, 3)), zorder=1)
            mark_best(target, counts[best], line.values[best], line.colour)
        limit_height(target, lines)
        set_counts_axis(target, counts)
        label_ends(target, lines)
        target.set_ylabel(f"{' and '.join(line.label for line in lines)} (smaller is better)")
        target.set_title(_minima(lines) + suffix)
        legend_of_labels(target, own=ax is None)
    return target


def _checked_criteria(criteria: Any) -> list[str]:
    listed = [criteria] if isinstance(criteria, str) else criteria
    if not isinstance(listed, Iterable):
        raise TypeError(f"criteria must be one or more of {CRITERIA}, got {type(criteria).__name__}")
    names = [check_criterion(name) for name in listed]
    if not names:
        raise raisable(InvalidParameterError)(f"criteria must be one or more of {CRITERIA}, got none")
    return names


def _check_not_names(X: Any) -> None:
    """Catch criteria passed as second argument, in place of the rows."""
    if isinstance(X, str) or (isinstance(X, list | tuple) and X and all(isinstance(name, str) for name in X)):
        raise raisable(InvalidParameterError)(
            f"X must be the rows on which to evaluate fitted mixtures, got {X!r}; did you mean criteria={X!r}?"
        )


def _check_omitted(meant_for: str, **arguments: Any) -> None:
    for name, value in arguments.items():
        if value is not None:
            raise raisable(InvalidParameterError)(f"{name} is only for {meant_for}")


def _minima(lines: Sequence[Line]) -> str:
    smallest = [line.counts[np.nanargmin(line.values)] for line in lines]
    first = f"{lines[0].label} chooses {counted(smallest[0], 'component')}"
    return ", ".join([first, *(f"{line.label} {count}" for line, count in zip(lines[1:], smallest[1:], strict=True))])


def _of_type(
    selection: Selection, names: Sequence[str], covariance_type: str | None
) -> tuple[NDArray[np.int64], list[NDArray[np.float64]], str]:
    kind = selection.kinds[selection.best_index] if covariance_type is None else covariance_type
    of_type = indices_of(selection, kind)
    if not len(of_type):
        listed = ", ".join(dict.fromkeys(selection.kinds))
        raise raisable(InvalidParameterError)(
            f"this selection has no cell of covariance_type {kind!r}; it has {listed}"
        )
    values = [cells_of(selection, name).values[of_type] for name in names]
    for name, of_name in zip(names, values, strict=True):
        if np.isnan(of_name).all():
            raise raisable(InvalidParameterError)(
                f"no non-degenerate cell of covariance_type {kind!r} has a finite {title(name)}: draw other criteria"
            )
    return selection.n_components[of_type], values, f"\ncovariance type {kind}"


def _of_mixtures(
    models: Sequence[GaussianMixture], X: ArrayLike | None, sample_weight: ArrayLike | None, names: Sequence[str]
) -> tuple[NDArray[np.int64], list[NDArray[np.float64]]]:
    mixtures = _mixtures(models)
    if X is None:
        raise raisable(InvalidParameterError)(
            "fitted mixtures are evaluated on rows: pass X, or a Selection, which has its criteria already"
        )
    ordered = sorted(mixtures, key=lambda model: len(model.weights_))
    counts = np.array([len(model.weights_) for model in ordered], dtype=np.int64)
    if not len(counts) or (np.diff(counts) == 0).any():
        raise raisable(InvalidParameterError)(
            f"expected fitted mixtures, one for each number of components; got these numbers: {counts.tolist()}"
        )
    scores = [model.criteria(X, sample_weight) for model in ordered]
    values = [np.array([of_model[name] for of_model in scores]) for name in names]
    for name, of_name in zip(names, values, strict=True):
        if not np.isfinite(of_name).any():
            raise raisable(InvalidParameterError)(
                f"{title(name)} is not finite for any of these mixtures: draw other criteria"
            )
    return counts, [np.where(np.isfinite(of_name), of_name, np.nan) for of_name in values]


def _mixtures(models: Any) -> list[GaussianMixture]:
    expected = "expected a Selection, a fitted GaussianMixtureSearch, or a list of fitted mixtures; got "
    if not isinstance(models, Iterable) or isinstance(models, str | Mapping):
        raise TypeError(expected + type(models).__name__)
    mixtures = []
    for model in models:
        try:
            mixture = fitted_mixture(model)
        except TypeError:
            raise TypeError(f"{expected}{type(models).__name__} with {type(model).__name__}") from None
        if not isinstance(mixture, GaussianMixture):
            raise TypeError(f"{expected}{type(mixture).__name__}, whose number of components has no criterion")
        mixtures.append(mixture)
    return mixtures


publish("gmm.plotting", [plot_criteria])

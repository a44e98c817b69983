"""`plot_criteria`: criteria against the number of components, and where each is smallest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray

from gmm.estimators.criteria import CRITERIA
from gmm.estimators.fitted import FittedMixture
from gmm.estimators.mixture import GaussianMixture
from gmm.exceptions import InvalidParameterError, raisable
from gmm.plotting.lines import Line, as_high_as_the_best, counts_axis, name_at_the_end
from gmm.plotting.scene import fitted_mixture
from gmm.plotting.selection import cells_of, checked_criterion, places_of, table_of
from gmm.plotting.style import axes_of, colours, inks_of
from gmm.selection import GaussianMixtureSearch, Selection
from gmm.selection.grid import title
from gmm.text.amounts import counted


def plot_criteria(
    models: Selection | GaussianMixtureSearch | Sequence[GaussianMixture],
    X: ArrayLike | None = None,
    *,
    ax: Axes | None = None,
    criteria: Sequence[str] = ("bic", "aic"),
    covariance_type: str | None = None,
    sample_weight: ArrayLike | None = None,
) -> Axes:
    """Draw criteria against the number of components, and mark where each is smallest.

    Parameters
    ----------
    models : Selection, GaussianMixtureSearch, or sequence of GaussianMixture
        A search, whose cells of one covariance type are drawn; or fitted mixtures of different numbers of components.
    X : array-like of shape (n, d), optional
        The rows by which fitted mixtures are judged; a `Selection` needs none.
    ax : Axes, optional
        Where to draw; a new figure if None.
    criteria : sequence of str, default=("bic", "aic")
        Of "bic", "aic", "aicc", "icl" and "nec".
    covariance_type : str, optional
        Of a `Selection`, which type; None for that of its best cell.
    sample_weight : array-like of shape (n,), optional
        Weights of the rows, with X.

    Returns
    -------
    Axes
        Smaller is better; lines may go on above the picture. Cells of a `Selection` that hold a spike are left out:
        their criteria mean nothing.

    Raises
    ------
    NotFittedError
        For a search or a mixture that is not fitted.
    TypeError
        For what is no selection, no search and no list of mixtures.
    ValueError
        If there is no such criterion or type, it is finite for no sound cell, X is missing, or two mixtures have the
        same number of components; and for X or weights with a search, or a `covariance_type` with mixtures.

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
        _check_left_out("fitted mixtures; a search has its criteria already", X=X, sample_weight=sample_weight)
        counts, values, told = _of_type(table_of(models), names, covariance_type)
    else:
        _check_left_out("a search, of whose types one is drawn", covariance_type=covariance_type)
        counts, values = _of_mixtures(models, X, sample_weight, names)
        told = ""
    with axes_of(ax) as ax:
        lines = [
            Line((title(name),), counts, of_name, colour)
            for name, of_name, colour in zip(names, values, colours(len(names)), strict=True)
        ]
        for line in lines:
            ax.plot(line.counts, line.values, color=line.colour, lw=1.8, marker="o", ms=4.5, zorder=3)
            best = int(np.nanargmin(line.values))
            ax.axvline(counts[best], color=line.colour, lw=0.8, ls=(0, (4, 3)), zorder=1)
            ax.plot(counts[best], line.values[best], "*", ms=16, mfc=line.colour, mec=inks_of(ax).paper, zorder=7)
        as_high_as_the_best(ax, lines)
        counts_axis(ax, counts)
        name_at_the_end(ax, lines)
        ax.set_ylabel(f"{' and '.join(line.label for line in lines)} (smaller is better)")
        ax.set_title(_minima(lines) + told)
    return ax


def _checked_criteria(criteria: Any) -> list[str]:
    listed = [criteria] if isinstance(criteria, str) else criteria
    if not isinstance(listed, Iterable):
        raise TypeError(f"expected one of {CRITERIA} or several as criteria, got {type(criteria).__name__}")
    names = [checked_criterion(name) for name in listed]
    if not names:
        raise raisable(InvalidParameterError)(f"expected one of {CRITERIA} or several as criteria, got none")
    return names


def _check_not_names(X: Any) -> None:
    """Criteria are easily given second, where rows are."""
    if isinstance(X, str) or (isinstance(X, list | tuple) and X and all(isinstance(name, str) for name in X)):
        raise raisable(InvalidParameterError)(
            f"X is the rows by which fitted mixtures are judged; did you mean criteria={X!r}?"
        )


def _check_left_out(meant_for: str, **arguments: Any) -> None:
    for name, value in arguments.items():
        if value is not None:
            raise raisable(InvalidParameterError)(f"{name} is for {meant_for}")


def _minima(lines: Sequence[Line]) -> str:
    smallest = [line.counts[np.nanargmin(line.values)] for line in lines]
    first = f"{lines[0].label} chooses {counted(smallest[0], 'component')}"
    return ", ".join([first, *(f"{line.label} {count}" for line, count in zip(lines[1:], smallest[1:], strict=True))])


def _of_type(
    found: Selection, names: Sequence[str], covariance_type: str | None
) -> tuple[NDArray[np.int64], list[NDArray[np.float64]], str]:
    wanted = found.covariance_type[found.best_index] if covariance_type is None else covariance_type
    of_type = places_of(found, wanted)
    if not len(of_type):
        listed = ", ".join(dict.fromkeys(found.covariance_type))
        raise raisable(InvalidParameterError)(
            f"this selection has no cell of covariance_type {wanted!r}; it has {listed}"
        )
    values = [cells_of(found, name).values[of_type] for name in names]
    for name, of_name in zip(names, values, strict=True):
        if np.isnan(of_name).all():
            raise raisable(InvalidParameterError)(
                f"no sound cell of covariance_type {wanted!r} has a finite {title(name)}: draw other criteria"
            )
    return found.n_components[of_type], values, f" (of {wanted})"


def _of_mixtures(
    models: Sequence[GaussianMixture], X: ArrayLike | None, sample_weight: ArrayLike | None, names: Sequence[str]
) -> tuple[NDArray[np.int64], list[NDArray[np.float64]]]:
    mixtures = _mixtures(models)
    if X is None:
        raise raisable(InvalidParameterError)(
            "fitted mixtures are judged by rows: give X, or a Selection, which has its criteria"
        )
    ordered = sorted(mixtures, key=lambda model: len(model.weights_))
    counts = np.array([len(model.weights_) for model in ordered], dtype=np.int64)
    if not len(counts) or (np.diff(counts) == 0).any():
        raise raisable(InvalidParameterError)(
            "expected fitted mixtures, one for each number of components; got these numbers of components: "
            f"{counts.tolist()}"
        )
    values = [np.array([getattr(model, name)(X, sample_weight) for model in ordered]) for name in names]
    for name, of_name in zip(names, values, strict=True):
        if not np.isfinite(of_name).any():
            raise raisable(InvalidParameterError)(
                f"{title(name)} is finite for none of these mixtures: draw other criteria"
            )
    return counts, [np.where(np.isfinite(of_name), of_name, np.nan) for of_name in values]


def _mixtures(models: Any) -> list[FittedMixture]:
    expected = "expected a Selection, a fitted GaussianMixtureSearch, or a list of fitted mixtures; got "
    if not isinstance(models, Iterable) or isinstance(models, str | Mapping):
        raise TypeError(expected + type(models).__name__)
    found = []
    for model in models:
        try:
            found.append(fitted_mixture(model))
        except TypeError:
            raise TypeError(f"{expected}{type(models).__name__} with {type(model).__name__}") from None
    return found

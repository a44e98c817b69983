"""Validation of an estimator's parameters and state, with scikit-learn's messages, and of names of columns.

`given` checks parameters whose shape depends on the data.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cache, partial
from itertools import chain
from numbers import Number
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gmm._exceptions import NotFittedError, answer_of, invalid, raisable
from gmm._text.words import quoted, suggestion
from gmm._validation.checks import DIRICHLET, DIRICHLET_PROCESS, TAILS
from gmm._validation.rows import check_same_columns
from gmm._validation.scalars import as_list, as_real, check_choice, excerpt, is_whole, is_within, name_of
from gmm._values.covariance import COVARIANCE_CHOICES, MOST_FACTORS, names_factors
from gmm._values.priors import NormalInverseWishart
from gmm._values.tails import LEAST_DEGREES, MOST_DEGREES, OF_EACH


class Values(NamedTuple):
    """Values of one kind that a parameter may have.

    Attributes
    ----------
    text : str
    holds : callable
        Returns whether a value is one of them.
    names : tuple of str
        If they are strings: these, of which a message suggests the nearest.
    bounds : tuple of (float, float), optional
        If they are numbers: the least and the greatest.
    """

    text: str
    holds: Callable[[Any], bool]
    names: tuple[str, ...] = ()
    bounds: tuple[float, float] | None = None


Alternatives: TypeAlias = tuple[Values, ...]


def _an_int(least: int, most: float = math.inf) -> Alternatives:
    text = f"an int in the range [{least}, {f'{int(most)}]' if most < math.inf else 'inf)'}"
    return (Values(text, partial(is_whole, least=least, most=most), bounds=(least, most)),)


def _a_float(interval: str) -> Alternatives:
    low, high = map(float, interval[1:-1].split(", "))
    text = f"a float in the range {interval}"
    return (Values(text, lambda value: is_within(as_real(value), interval), bounds=(low, high)),)


def _is_array_like(value: Any) -> bool:
    sized = hasattr(value, "__len__") or hasattr(value, "shape") or hasattr(value, "__array__")
    return sized and not np.isscalar(value) and not hasattr(value, "nnz")


def _an_instance(cls: type) -> Alternatives:
    place = "gmm" if cls.__module__.startswith("gmm.") else cls.__module__  # public names are the package's
    name = cls.__qualname__ if place == "builtins" else f"{place}.{cls.__qualname__}"
    return (Values(f"an instance of '{name}'", lambda value: isinstance(value, cls)),)


def _a_str_among(names: Collection[str], is_other: Callable[[str], bool] = lambda name: False) -> Alternatives:
    def holds(value: Any) -> bool:
        return isinstance(value, str) and (value in names or is_other(value))

    return (Values(f"a str among {{{', '.join(map(repr, names))}}}", holds, tuple(names)),)


_NONE = (Values("None", lambda value: value is None),)
_BOOLEAN = _an_instance(bool) + _an_instance(np.bool_)
_MAPPING = (Values("a mapping of names to masks", lambda value: isinstance(value, Mapping)),)
_CALLABLE = (Values("a callable", callable),)
_ARRAY = (Values("an array-like", _is_array_like),)
_FLOAT, _POSITIVE = _a_float("[0.0, inf)"), _a_float("(0.0, inf)")
_SHARE = _a_float("(0.0, 1.0)")
_DEGREES, _RATIO = _a_float(f"[{LEAST_DEGREES:.1f}, {MOST_DEGREES:.1f}]"), _a_float("[1.0, inf]")
MOST_STARTS = 10**6
_SEED = _an_int(0, 2**32 - 1) + _an_instance(np.random.RandomState) + _an_instance(np.random.Generator) + _NONE
_PRIOR = _an_instance(NormalInverseWishart)


class Option(NamedTuple):
    """A parameter of the estimators.

    Attributes
    ----------
    values : tuple of Values
        The values that it may have, kind by kind.
    roles : tuple of str
        "objective": part of the objective, as model and ridge are. "posterior": only of `BayesianGaussianMixture`.
        "columns": it has a value for each column. "single": of one fit, not of those of a search. "start": where a fit
        starts. "components": a search uses it for its first components. "dense": it needs dense covariances.
        "persistent": also of a fitted mixture. "classes": of each class of a classifier. "feature": some combinations
        exclude it.
    steps : str
        Why fits in steps accept only its default, and what to do instead; empty if they accept others.
    feature : str
        Its name in `combinations`, unless it has its default.
    """

    values: Alternatives
    roles: tuple[str, ...] = ()
    steps: str = ""
    feature: str = ""


STARTS = "kmeans", "k-means++", "random", "random_from_data", "hierarchical"
_MANY_FITS = "a refinement runs many fits; use GaussianMixture instead"
_FROM_A_MIXTURE = "to continue from a mixture, pass it as weights_init, means_init and precisions_init"
_INSTEAD = {"contaminated": ": for single far rows use tails='t' or noise=True"}  # by values of R's packages
_STEPS_ARE_RECORDS = "print the fields of each step instead"
OPTIONS: Mapping[str, Option] = {
    "n_components": Option(_an_int(1)),
    "covariance_type": Option(_a_str_among(COVARIANCE_CHOICES, names_factors)),
    "n_factors": Option(_an_int(1, MOST_FACTORS) + _NONE),
    "tol": Option(_FLOAT, ("classes",)),
    "reg_covar": Option(_FLOAT, ("persistent", "classes")),
    "max_iter": Option(_an_int(0), ("classes",)),
    "n_init": Option(
        _an_int(1, MOST_STARTS), ("classes",), "the steps are those of a single start; call it once per random_state"
    ),
    "weights_init": Option(_ARRAY + _NONE, ("single", "start")),
    "means_init": Option(_ARRAY + _NONE, ("single", "start", "components", "columns")),
    "precisions_init": Option(_ARRAY + _NONE, ("single", "start", "components", "columns", "dense")),
    "fixed": Option(_MAPPING + _NONE, ("single", "components", "dense", "feature"), feature="fixed parameters"),
    "init_params": Option(_a_str_among(STARTS) + _CALLABLE + _ARRAY, ("start",)),
    "random_state": Option(_SEED, ("persistent", "classes")),
    "refine": Option(_a_str_among(("split-merge",)) + _NONE, ("dense", "feature"), _MANY_FITS, "refine"),
    "warm_start": Option(_BOOLEAN, ("single",), _FROM_A_MIXTURE),
    "verbose": Option(_an_int(0) + _BOOLEAN, ("single",), _STEPS_ARE_RECORDS),
    "verbose_interval": Option(_an_int(1), ("single",), _STEPS_ARE_RECORDS),
    "n_threads": Option(_an_int(1) + _NONE, ("persistent", "classes")),
    "acceleration": Option(_a_str_among(("auto",)) + _NONE),
    "prior": Option(
        _a_str_among(("conjugate",)) + _PRIOR + _NONE, ("objective", "classes", "feature"), feature="a prior"
    ),
    "max_ratio": Option(_RATIO + _NONE, ("objective", "feature"), feature="max_ratio"),
    "weight_concentration_prior_type": Option(_a_str_among((DIRICHLET_PROCESS, DIRICHLET)), ("objective", "posterior")),
    "weight_concentration_prior": Option(_POSITIVE + _NONE, ("objective", "posterior")),
    "mean_precision_prior": Option(_POSITIVE + _NONE, ("objective", "posterior")),
    "mean_prior": Option(_ARRAY + _NONE, ("objective", "posterior", "columns")),
    "degrees_of_freedom_prior": Option(_POSITIVE + _NONE, ("objective", "posterior")),
    "covariance_prior": Option(_ARRAY + _POSITIVE + _NONE, ("objective", "posterior", "columns")),
    "noise": Option(_BOOLEAN + _ARRAY + _SHARE, ("objective", "columns", "feature"), feature="noise"),
    "tails": Option(_a_str_among(TAILS), ("objective", "dense", "feature"), feature="heavy tails"),
    "degrees_of_freedom": Option(_DEGREES + _a_str_among((OF_EACH,)) + _NONE, ("objective",)),
    "missing": Option(_a_str_among(("error", "em")), ("persistent", "classes")),
}


@cache
def options_with(role: str) -> tuple[str, ...]:
    """Return the names of the options that have a role."""
    return tuple(name for name, option in OPTIONS.items() if role in option.roles)


@cache
def _options_of(cls: Any, role: str = "") -> tuple[tuple[str, Any, Option], ...]:
    """Return the options of a class of estimators, of all or a role, with their defaults, or the class without one."""
    named = ((name, getattr(cls, name, cls), OPTIONS[name]) for name in cls._get_param_names() if name in OPTIONS)
    return tuple(each for each in named if not role or role in each[2].roles)


def is_default(value: object, default: object) -> bool:
    """Return whether an option has its default; an array never has, even if it equals it element by element."""
    return value is default or (isinstance(value, Number | np.bool_ | str) and bool(value == default))


def features_of(estimator: Any, role: str = "feature") -> dict[str, Any]:
    """Return the features, as `combinations` names them, of the options with a role that are not their defaults."""
    features = {}
    for name, default, option in _options_of(estimator.__class__, role):
        if (value := getattr(estimator, name)) is not default and not is_default(value, default):
            features[option.feature] = True
    return features


def check_parameters(estimator: Any, only: Collection[str] = OPTIONS.keys()) -> None:
    """Check the types and values of an estimator's parameters, of all options or of some by name.

    Raises
    ------
    InvalidParameterError
        For the first invalid parameter, in order of names.
    """
    for parameter, default, option in _options_of(estimator.__class__):
        value = getattr(estimator, parameter)
        if value is default or parameter not in only:
            continue
        alternatives = option.values
        for each in alternatives:  # any() would make a generator for each value
            if each.holds(value):
                break
        else:
            *others, last = (each.text for each in alternatives)
            expected = f"{', '.join(others)} or {last}" if others else last
            names = [*chain.from_iterable(each.names for each in alternatives)]
            near = suggestion(value, names) or _INSTEAD.get(str(value), ".")
            raise invalid(
                f"The {parameter!r} parameter of {name_of(estimator)} must be {expected}. Got {value!r} instead{near}"
            )


def check_labels_of_columns(estimator: object, names: NDArray[np.object_]) -> None:
    """Check the labels of the parameters that have values for each column.

    Raises
    ------
    ValueError
        As `check_same_columns`.
    """
    prior = getattr(estimator, "prior", None)
    for owner, parameters in ((estimator, options_with("columns")), (prior, ("mean", "scale"))):
        for parameter in parameters:
            check_same_columns(getattr(owner, parameter, None), names, f"{'prior.' * (owner is prior)}{parameter}")


def check_callback(callback: Any) -> Callable[..., bool] | None:
    """Check that a callback is None or callable; return it with a check of its results.

    Raises
    ------
    TypeError
        If it is neither.
    """
    if callback is None:
        return None
    if not callable(callback):
        raise TypeError(f"callback must be a callable or None. Got {callback!r} instead.")

    def checked(*arguments: Any) -> bool:
        answer = answer_of(callback, *arguments, name="callback", hint="return True to stop")
        try:
            return bool(answer)
        except (TypeError, ValueError) as error:
            raise TypeError(
                f"expected callback to return True to stop, or False or None, got {excerpt(answer)}"
            ) from error

    return checked


def check_n_samples(n_samples: object) -> int:
    """Check the number of rows to sample.

    Raises
    ------
    ValueError
        If it is not a positive integer.
    """
    if is_whole(n_samples, 1, sys.maxsize):
        return int(n_samples)
    raise ValueError(
        f"Invalid value for 'n_samples': {n_samples!r} . The sampling requires at least one sample, at "
        f"most {sys.maxsize}."
    )


def check_level(level: object, name: str = "level") -> float:
    """Check the probability of an interval.

    Raises
    ------
    ValueError
        If it is not a number between 0 and 1.
    """
    number = as_real(level)
    if not 0 < number < (1 + number) / 2 < 1:
        raise ValueError(f"expected a {name} between 0 and 1, got {level!r}")
    return number


def check_density(density: object) -> str:
    """Check the name of a density of a variational posterior.

    Raises
    ------
    ValueError
        If there is no such density.
    """
    return check_choice(density, "density", ("variational", "plug-in", "predictive"))


def check_random_state(seed: Any) -> np.random.RandomState | np.random.Generator:
    """Return the random number generator for a seed.

    Parameters
    ----------
    seed : None, int, RandomState or Generator
        None stands for numpy's global state; an int seeds a new `RandomState`; a generator is returned itself.

    Returns
    -------
    RandomState or Generator

    Raises
    ------
    ValueError
        If `seed` is anything else.
    """
    if seed is None or seed is np.random:
        # numpy has no public name for the global state that `np.random.seed` sets.
        return np.random.mtrand._rand
    if isinstance(seed, np.random.RandomState | np.random.Generator):
        return seed
    if is_whole(seed):
        return np.random.RandomState(int(seed))
    raise ValueError(f"{seed!r} cannot be used to seed a numpy.random.RandomState instance")


def check_is_fitted(estimator: Any) -> None:
    """Check that an estimator is fitted.

    Raises
    ------
    NotFittedError
        If `estimator.__sklearn_is_fitted__()` is false.
    """
    if not estimator.__sklearn_is_fitted__():
        raise raisable(NotFittedError)(
            f"This {name_of(estimator)} instance is not fitted yet. Call 'fit' with appropriate "
            "arguments before using this estimator."
        )


def check_columns(columns: Any, names: Sequence[str]) -> NDArray[np.intp]:
    """Check some of the columns of a fitted mixture.

    Parameters
    ----------
    columns : str, int or iterable of these
        Names of the fit, or indices from 0; negative ones count from the end.
    names : sequence of str, length d
        Names of the fit; of one without any x0, x1, ….

    Returns
    -------
    ndarray of intp
        Indices, in the order given.

    Raises
    ------
    ValueError
        If there are none, one is not a column, or one comes twice.
    TypeError
        If one is neither text nor an integer.
    """
    if not (chosen := as_list(columns)):
        raise ValueError("expected at least one column, got none")
    indices = [_index(column, names) for column in chosen]
    repeated = [column for i, column in enumerate(chosen) if indices[i] in indices[:i]]
    if repeated:
        raise ValueError(f"expected each column once, got {repeated[0]!r} again")
    return np.array(indices, dtype=np.intp)


def check_known_columns(known: Any, target: Any, names: Sequence[str]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Check known columns and targets, one of which is None for all others, in the order of the fit; return indices.

    Raises
    ------
    ValueError, TypeError
        As `check_columns`; also if both are None, there are no others, or a target is known.
    """
    if known is None and target is None:
        raise ValueError("X has no column names: expected `known`, the columns of X, or `target`")
    every = np.arange(len(names), dtype=np.intp)
    targets = every[:0] if target is None else check_columns(target, names)
    columns = np.setdiff1d(every, targets) if known is None else check_columns(known, names)
    others = np.setdiff1d(every, columns) if target is None else targets
    if not len(others) or not len(columns):
        name, what = ("known", "known") if not len(others) else ("target", "a target")
        raise ValueError(f"{name}: expected a column that is not {what}, got all {len(names)} columns")
    both = np.intersect1d(columns, others)
    if len(both):
        name = repr(names[both[0]])
        raise ValueError(f"expected targets that are not known, but column {name} is both: drop it from X")
    return columns, others


def _index(column: object, names: Sequence[str]) -> int:
    if isinstance(column, str):
        if names.count(column) == 1:
            return names.index(column)
        near = suggestion(column, names)
        raise ValueError(f"expected one of the columns {quoted(names)}, each name once, got {column!r}{near}")
    if not is_whole(column):
        raise TypeError(f"expected the name of a column or its index, got {column!r:.80}: give one, or a list")
    if not -len(names) <= int(column) < len(names):
        raise ValueError(f"expected columns from 0 to {len(names) - 1}, got {column!r}")
    return int(column) % len(names)

"""Errors and warnings that this package raises.

If scikit-learn is already imported, `raisable` returns a class that also derives from scikit-learn's class of the
same name, so that code written for either package catches it. scikit-learn is never imported here.
"""

from __future__ import annotations

import functools
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar, cast

_E = TypeVar("_E", bound=Exception)


class NotFittedError(ValueError, AttributeError):
    """Raised when a method that needs a fitted mixture is called before `fit`."""


class ConvergenceWarning(UserWarning):
    """Issued when a fit ends at `max_iter` with `tol` or more left to gain, or a component has lost its rows."""


class DegenerateWarning(UserWarning):
    """Issued when a fit ends with a component on so few rows, or so thin, that its likelihood says nothing."""


class InvalidParameterError(ValueError, TypeError):
    """Raised when a parameter of an estimator has an invalid type or value."""


class LostClusterError(ConnectionError):
    """Raised when the cluster that holds the rows is gone.

    Attributes
    ----------
    mixture : GaussianMixture, BayesianGaussianMixture or None
        With the parameters that the fit had reached; None if there was no pass.
    """

    mixture: Any = None


_PEER_MODULES: dict[type[Exception], str] = {
    NotFittedError: "sklearn.exceptions",
    ConvergenceWarning: "sklearn.exceptions",
    InvalidParameterError: "sklearn.utils._param_validation",
}


def raisable(own: type[_E]) -> type[_E]:
    """Return the class to raise for `own`, compatible with scikit-learn's class where that is imported.

    Parameters
    ----------
    own : type
        `NotFittedError`, `ConvergenceWarning` or `InvalidParameterError`.

    Returns
    -------
    type
        `own` itself, or a class that derives from both `own` and scikit-learn's class of the same name.
    """
    peer = getattr(sys.modules.get(_PEER_MODULES[own]), own.__name__, None)
    return own if peer is None else cast(type[_E], _joined(cast(Any, own), peer))


def invalid(message: str) -> InvalidParameterError:
    """Return the error of an invalid parameter, to be raised."""
    return raisable(InvalidParameterError)(message)


@functools.cache
def _joined(own: type[Exception], peer: type[Exception]) -> type[Exception]:
    def reduced(self: Exception) -> tuple[Any, ...]:
        return _rebuilt, (own, self.args)

    # `pickle` cannot find this class by name, so pickling (in joblib's workers) goes through `own`.
    body = {"__module__": own.__module__, "__doc__": own.__doc__, "__reduce__": reduced}
    return type(own.__name__, (own, peer), body)


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Issue a warning that points at the line of user code that called this package."""
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_globals.get("__name__", "").split(".")[0] == "gmm":
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)


@contextmanager
def quiet_fits() -> Iterator[None]:
    """Leave unsaid what each of many fits that are compared would warn of."""
    with warnings.catch_warnings():
        for category in (ConvergenceWarning, DegenerateWarning):
            warnings.simplefilter("ignore", category)
        yield


def _rebuilt(own: type[_E], args: tuple[Any, ...]) -> _E:
    return raisable(own)(*args)


def answer_of(function: Callable[..., Any], *arguments: Any, name: str, hint: str) -> Any:
    """Call a function of the user, whose StopIteration a generator on the way would take for its own.

    Raises
    ------
    RuntimeError
        In place of StopIteration, with the function's name and what to do.
    """
    try:
        return function(*arguments)
    except StopIteration as error:
        raise RuntimeError(f"{name} raised StopIteration: {hint}") from error

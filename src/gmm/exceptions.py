"""The errors and warnings that this package raises; every room may import it.

Once scikit-learn's own class of the same name is loaded, what is raised is both: `raisable`
joins the two, so code written for either package catches it. scikit-learn is never imported here.
"""

from __future__ import annotations

import functools
import sys
import warnings
from typing import Any, TypeVar, cast

__all__ = ["ConvergenceWarning", "InvalidParameterError", "NotFittedError", "raisable", "warn"]

_E = TypeVar("_E", bound=Exception)


class NotFittedError(ValueError, AttributeError):
    """A method that needs a fitted mixture was called before `fit`."""


class ConvergenceWarning(UserWarning):
    """A fit ended at `max_iter`, before its stopping rule was met."""


class InvalidParameterError(ValueError, TypeError):
    """A parameter of an estimator has a type or a value that it cannot have."""


_PEER_MODULES: dict[type[Exception], str] = {
    NotFittedError: "sklearn.exceptions",
    ConvergenceWarning: "sklearn.exceptions",
    InvalidParameterError: "sklearn.utils._param_validation",
}


def raisable(own: type[_E]) -> type[_E]:
    """Return the class to raise for `own`: scikit-learn's subclass too, where that is loaded.

    Parameters
    ----------
    own : type
        `NotFittedError`, `ConvergenceWarning` or `InvalidParameterError`.

    Returns
    -------
    type
        `own` itself, or a class that derives from `own` and from scikit-learn's class of its name.
    """
    peer = getattr(sys.modules.get(_PEER_MODULES[own]), own.__name__, None)
    return own if peer is None else cast(type[_E], _joined(cast(Any, own), peer))


@functools.cache
def _joined(own: type[Exception], peer: type[Exception]) -> type[Exception]:
    def reduced(self: Exception) -> tuple[Any, ...]:
        return _rebuilt, (own, self.args)

    # The class cannot be found by its name, so pickling (joblib's workers) goes through `own`.
    body = {"__module__": own.__module__, "__doc__": own.__doc__, "__reduce__": reduced}
    return type(own.__name__, (own, peer), body)


def warn(message: str, category: type[Warning]) -> None:
    """Warn where the user's code called this package, however deep inside it we are."""
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_globals.get("__name__", "").split(".")[0] == "gmm":
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)


def _rebuilt(own: type[_E], args: tuple[Any, ...]) -> _E:
    return raisable(own)(*args)

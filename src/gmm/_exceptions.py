"""Errors and warnings that this package raises.

If scikit-learn is already imported, `raisable` returns a class that also derives from scikit-learn's class of the
same name, so that code written for either package catches it. scikit-learn is never imported here.
"""

from __future__ import annotations

import functools
import sys
import warnings
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any, TypeVar, cast

_E = TypeVar("_E", bound=Exception)


class NotFittedError(ValueError, AttributeError):
    """Raised when a method that needs a fitted mixture is called before `fit`."""


class ConvergenceWarning(UserWarning):
    """Issued when a fit stops at `max_iter` with `tol` or more left to gain, or a component has lost its rows."""


class DegenerateWarning(UserWarning):
    """Issued when a component has so few rows, or is so narrow, that its likelihood is no evidence of a group."""


class DataConversionWarning(UserWarning):
    """Issued when classes are passed as a column."""


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


# The text of each cause, most serious first: one short sentence, always the same, so that Python shows it once a line.
# Numbers and names are notes of the warning. Where the text is empty, the note replaces it.
_TEXTS: dict[type[Warning], dict[str, str]] = {
    DegenerateWarning: {
        "degenerate": "A component is degenerate (see summary()): try fewer components, another model or a prior.",
    },
    ConvergenceWarning: {
        "singular": "Covariances are nearly singular: try a larger reg_covar, fewer columns or fewer components.",
        "not converged": "Best performing initialization did not converge. Try different init parameters, or increase "
        "max_iter, tol, or check for degenerate data.",  # scikit-learn's
        "all noise": "All rows are noise: set a box that is not much smaller than that of the rows.",
        "no rows": "Some components have no rows: use fewer, at most as many as there are distinct rows.",
        "lost rows": "Some components lost all rows and were restarted: try fewer components or another start.",
        "equal": "Some components are equal: start from other means or responsibilities, or use fewer components.",
        "few rows": "The first block has fewer rows than the mixture has parameters: pass more rows, or use a prior.",
    },
    UserWarning: {
        "degenerate class": "A component of a class is degenerate: use a prior, fewer components or more rows.",
        "classes of -1": "Rows of class -1 are treated as unlabelled: give the class another number, or pass None for "
        "unlabelled rows.",
        "ridge": "reg_covar hides groups in narrow columns: multiply these by a power of 10, or lower reg_covar.",
        "constant": "Some columns are constant, so criteria depend on reg_covar or a prior: drop them.",
        "never together": "No row has values in both of two columns: drop one, or fit a model without correlations.",
        "light rows": "The weights sum to less than the number of parameters: if they compare rows, make their mean 1.",
        "class without weight": "Some classes have no row with a positive weight and are not fitted.",
        "many patterns": "Rows with values in very many sets of columns make passes slow: drop sparse columns.",
        "narrow intervals": "Few rows make these intervals too narrow: use fewer components or columns.",
        "statistic of 0": "The statistic is 0: no valid fit with one more component is better.",
        "feature names": "",  # scikit-learn's, of the class of the estimator
        "file": "",  # how it was read
    },
    RuntimeWarning: {
        "no scratch file": "A scratch file cannot be written, so each pass reads the rows again.",
        "fault": "",  # an error to be reported
    },
    DataConversionWarning: {
        "column of classes": "A column-vector y was passed when a 1d array was expected. Please change the shape of y "
        "to (n_samples,)",  # scikit-learn's
    },
}
WARNINGS = {cause: (category, text) for category, texts in _TEXTS.items() for cause, text in texts.items()}
_PEER_MODULES: dict[type[Exception], str] = {
    NotFittedError: "sklearn.exceptions",
    ConvergenceWarning: "sklearn.exceptions",
    DataConversionWarning: "sklearn.exceptions",
    InvalidParameterError: "sklearn.utils._param_validation",
}


def raisable(own: type[_E]) -> type[_E]:
    """Return the class to raise for `own`, compatible with scikit-learn's class where that is imported.

    Parameters
    ----------
    own : type
        `NotFittedError`, `ConvergenceWarning`, `InvalidParameterError` or any other class.

    Returns
    -------
    type
        `own` itself, or a class that derives from both `own` and scikit-learn's class of the same name.
    """
    peer = getattr(sys.modules.get(_PEER_MODULES.get(own, "")), own.__name__, None)
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


FOUND: ContextVar[dict[str, str] | None] = ContextVar("found", default=None)  # warnings that a block of code collects


def warn(cause: str, note: str = "") -> None:
    """Issue a warning that points at the line of user code that called this package, or collect it.

    Parameters
    ----------
    cause : str
        A key of `WARNINGS`.
    note : str, default=""
        Details, such as names and numbers; by default the text of the cause.
    """
    found, note = FOUND.get(), note or WARNINGS[cause][1]
    if found is None:
        issue({cause: note})
    else:
        found[cause] = f"{found.get(cause, '')} {note}".strip()


def issue(found: Mapping[str, str]) -> None:
    """Issue one warning: the text of the most serious cause, with the notes of all."""
    causes = sorted(found, key=list(WARNINGS).index)
    category, text = WARNINGS[causes[0]]
    warning = raisable(category)(text or found[causes[0]])
    for cause in causes:
        warning.add_note(found[cause])
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_globals.get("__name__", "").split(".")[0] == "gmm":
        level, frame = level + 1, frame.f_back
    warnings.warn(warning, stacklevel=level)


def _rebuilt(own: type[_E], args: tuple[Any, ...]) -> _E:
    return raisable(own)(*args)


def answer_of(function: Callable[..., Any], *arguments: Any, name: str, hint: str) -> Any:
    """Call a function of the user, whose warnings are not collected.

    Its StopIteration would end a generator that calls it.

    Raises
    ------
    RuntimeError
        In place of StopIteration, with the function's name and what to do.
    """
    token = FOUND.set(None)
    try:
        return function(*arguments)
    except StopIteration as error:
        raise RuntimeError(f"{name} raised StopIteration: {hint}") from error
    finally:
        FOUND.reset(token)

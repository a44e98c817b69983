"""`Estimator`: scikit-learn's estimator contract without a dependency on scikit-learn.

Parameters, tags, metadata routing, feature names and the dtype of results. Only methods that scikit-learn calls import
it.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from gmm._text.words import column_names, suggestion
from gmm._values.layouts import Array

_EM = "gmm.em.steps, or a loop of your own over gmm.em.e_step and gmm.em.m_step"
_START = "init_params, which may be a function that returns responsibilities"
_DENSITY = "component_log_density for other code, as components of a fit are normal or Student's t"
_STEPS = {  # of a fit of scikit-learn's mixtures, with their replacement
    "_initialize_parameters": _START,
    "_initialize": _START,
    "_e_step": _EM,
    "_m_step": _EM,
    "_compute_lower_bound": _EM,
    "_estimate_weights": "fixed, prior or gmm.em",
    "_estimate_means": "fixed, prior or gmm.em",
    "_estimate_precisions": "fixed, prior or gmm.em",
    "_estimate_log_prob": _DENSITY,
    "_estimate_weighted_log_prob": _DENSITY,
    "_estimate_log_prob_resp": _DENSITY,
    "_estimate_log_weights": "fixed or weights_init",
    "_check_parameters": "fit, which may check and then call the fit of its base class",
    "_get_parameters": "the callback of fit",
    "_set_parameters": "the callback of fit",
}
_Self = TypeVar("_Self", bound="Estimator")
_ROUTED = ("fit", "score")
_VARIADIC = inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD
_MAX_LENGTH = 400  # characters of a parameter's value in HTML


class RequestSetter:
    """Descriptor of the method `set_<method>_request`, which exists only once scikit-learn is loaded.

    Parameters
    ----------
    method : str
        The method whose metadata, its parameters other than X and y, are requested.
    """

    def __init__(self, method: str) -> None:
        self.method = method

    def __get__(self, instance: Estimator | None, owner: type[Estimator]) -> Callable[..., Any]:
        if "sklearn" not in sys.modules:
            raise AttributeError(f"{owner.__name__} has set_{self.method}_request only where scikit-learn is loaded")
        bound = () if instance is None else (instance,)
        return functools.partial(_set_request, *bound, method=self.method)


class Estimator:
    """Base class of the estimators: parameters are those of `__init__`, and fitted attributes end in "_".

    Subclasses are dataclasses, which store each parameter unchanged under its own name, and validate it in `fit`.
    """

    n_features_in_: int
    feature_names_in_: NDArray[np.object_]
    set_fit_request = RequestSetter("fit")
    set_score_request = RequestSetter("score")

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters of the estimator.

        Parameters
        ----------
        deep : bool, default=True
            Include the parameters of nested estimators, as "parameter__name".

        Returns
        -------
        dict
            Values by name, in alphabetical order.
        """
        params: dict[str, Any] = {}
        for name in self._get_param_names():
            value = getattr(self, name)
            if deep and hasattr(value, "get_params") and not isinstance(value, type):
                params.update((f"{name}__{k}", v) for k, v in value.get_params().items())
            params[name] = value
        return params

    def set_params(self: _Self, **params: Any) -> _Self:
        """Set parameters of the estimator.

        Parameters
        ----------
        **params
            Values by name; "parameter__name" sets a parameter of a nested estimator.

        Returns
        -------
        Estimator
            The estimator itself.

        Raises
        ------
        ValueError
            If a name is not a parameter.
        """
        names = self._get_param_names()
        nested: dict[str, dict[str, Any]] = {}
        for key, value in params.items():
            name, inner, inner_name = key.partition("__")
            if name not in names:
                raise ValueError(
                    f"Invalid parameter {name!r} for estimator {self!r}. Valid parameters are: {names!r}"
                    f"{suggestion(name, names) or '.'}"
                )
            if inner:
                nested.setdefault(name, {})[inner_name] = value
            else:
                setattr(self, name, value)
        for name, inner_params in nested.items():
            getattr(self, name).set_params(**inner_params)
        return self

    def get_metadata_routing(self) -> Any:
        """Return the metadata that `fit` and `score` request, for scikit-learn's meta-estimators.

        Returns
        -------
        sklearn.utils.metadata_routing.MetadataRequest
            A copy; `set_fit_request` and `set_score_request` change the original.
        """
        from sklearn.utils.metadata_routing import MetadataRequest, get_routing_for_object

        if "_metadata_request" in vars(self):
            return get_routing_for_object(vars(self)["_metadata_request"])
        request = MetadataRequest(owner=self)
        for method in _ROUTED:
            for name in _metadata_names(type(self), method):
                getattr(request, method).add_request(param=name, alias=None)
        return request

    def __repr__(self) -> str:
        """Return the constructor call, with the parameters that differ from their defaults."""
        changed = [
            f"{name}={_value_text(getattr(self, name))}"
            for name, default in _defaults(type(self)).items()
            if not _is_default(getattr(self, name), default)
        ]
        return f"{type(self).__name__}({', '.join(changed)})"

    def _repr_html_(self) -> str:
        """Return HTML for notebooks: the constructor call, the fitted result, and all parameters in a fold."""
        from gmm._text.html import Html, block, details, escaped, line
        from gmm._text.table import TEXT, Cell, Table

        call, rows = line(Html(f"<code>{escaped(_shortened(repr(self)))}</code>")), []
        for name, default in _defaults(type(self)).items():
            value = getattr(self, name)
            kind = "" if _is_default(value, default) else "strong"
            rows.append([Cell(name, kind=kind), Cell(_shortened(_value_text(value)), kind=f"long {kind}".rstrip())])
        return block(call, *self._html_parts(), details("parameters", Table.of((), rows, kinds=(TEXT, TEXT))))

    def _html_parts(self) -> Sequence[object]:
        """Return the fitted result as parts of a page; none before a fit."""
        return ()

    def __sklearn_is_fitted__(self) -> bool:
        return any(name.endswith("_") and not name.startswith("_") for name in vars(self))

    def __sklearn_tags__(self) -> Any:
        """Return scikit-learn's tags: a density estimator of dense data, finite unless values may be missing."""
        from sklearn.utils import InputTags, Tags, TargetTags, TransformerTags

        return Tags(
            estimator_type="density_estimator",
            target_tags=TargetTags(required=False),
            transformer_tags=TransformerTags() if hasattr(self, "transform") else None,
            classifier_tags=None,
            regressor_tags=None,
            input_tags=InputTags(allow_nan=getattr(self, "missing", None) == "em"),
        )

    @classmethod
    @functools.cache
    def _get_param_names(cls) -> list[str]:
        """Return the names of the parameters; a RuntimeError, as scikit-learn's, if some have none."""
        kind: Any = cls
        if variadic := _signature(kind)[1]:
            raise RuntimeError(
                "estimators should always specify their parameters in the signature of their __init__ (no varargs), as "
                f"scikit-learn's do: {cls.__name__}.__init__ has {', '.join(variadic)}"
            )
        return sorted(_defaults(cls))


@functools.cache
def check_overrides(cls: Any, base: Any) -> None:
    """Check that no subclass overrides a private step of scikit-learn's fit, which this package would not call.

    Raises
    ------
    TypeError
        If one does.
    """
    for name, instead in _STEPS.items():
        if getattr(cls, name, None) is not getattr(base, name, None):
            raise TypeError(f"{cls.__name__} overrides {name}, which fit does not call: use {instead}")


@functools.cache
def _signature(cls: Any) -> tuple[dict[str, Any], list[str]]:
    """Return the parameters of an estimator by name, in order, with their defaults; and those that have no names."""
    parameters = list(inspect.signature(cls.__init__).parameters.values())[1:]
    named = {each.name: each.default for each in parameters if each.kind not in _VARIADIC}
    return named, [str(each) for each in parameters if each.kind in _VARIADIC]


def _defaults(cls: Any) -> dict[str, Any]:
    return _signature(cls)[0]


def record_features(estimator: Estimator, n_features: int, names: NDArray[np.object_] | None) -> None:
    """Set the features of a fit, and delete the names of an earlier one."""
    estimator.n_features_in_ = n_features
    if names is not None:
        estimator.feature_names_in_ = names
    else:
        estimator.__dict__.pop("feature_names_in_", None)


def given_names(estimator: Estimator) -> list[str]:
    """Return the names of the columns that an estimator was fitted to; none if they had none.

    Raises
    ------
    ValueError
        If another number of names was assigned.
    """
    names, d = [str(name) for name in getattr(estimator, "feature_names_in_", ())], estimator.n_features_in_
    if len(names) not in (0, d):
        raise ValueError(
            f"expected {d} names in feature_names_in_, one for each feature, got {len(names)}: {names!r:.80}"
        )
    return names


def names_of_features(estimator: Estimator) -> tuple[str, ...]:
    """Return the names of a fitted estimator's d features: those of the columns, or x0, x1, … if they had none."""
    return column_names(given_names(estimator), estimator.n_features_in_)


def _is_default(value: Any, default: Any) -> bool:
    return value is default or (type(value) is type(default) and bool(value == default))


def _value_text(value: Any) -> str:
    with np.printoptions(threshold=8, edgeitems=2, precision=4):
        return repr(value)


def _shortened(text: str) -> str:
    return text if len(text) <= _MAX_LENGTH else f"{text[:_MAX_LENGTH]} …"


def _metadata_names(cls: type, method: str) -> list[str]:
    names = inspect.signature(getattr(cls, method)).parameters
    return [name for name in names if name not in ("self", "X", "y")]


def _set_request(estimator: _Self, /, *, method: str, **requests: Any) -> _Self:
    from sklearn import get_config
    from sklearn.utils.metadata_routing import UNCHANGED

    if not get_config()["enable_metadata_routing"]:
        raise RuntimeError(
            "This method is only available when metadata routing is enabled. You can enable it "
            "using sklearn.set_config(enable_metadata_routing=True)."
        )
    options = set(_metadata_names(type(estimator), method))
    if not options.issuperset(requests):
        raise TypeError(f"Unexpected args: {set(requests) - options} in {method}. Accepted arguments are: {options}")
    routing = estimator.get_metadata_routing()
    for name, alias in requests.items():
        if alias is not UNCHANGED:
            getattr(routing, method).add_request(param=name, alias=alias)
    vars(estimator)["_metadata_request"] = routing
    return estimator


def as_public_array(values: Array, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return read-only values in `dtype`, as `as_dtype` does: writing into an attribute's array would be lost."""
    array = as_dtype(values, dtype)
    array.flags.writeable = False
    return array


def as_dtype(values: Array, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return the values in `dtype`, or in float64 if they overflow or underflow it."""
    limits = np.finfo(dtype)
    largest = np.abs(values).max()
    fits = largest == 0 or limits.tiny <= largest <= limits.max
    return values.astype(dtype if fits else np.float64, copy=False)

"""Files of fitted mixtures: the header and the arrays that `save` writes, and the estimator that they make."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from gmm import _fitting as fitting
from gmm import _persistence as archive
from gmm._estimators import attributes
from gmm._estimators.attributes import FitRecord, MixtureEstimator
from gmm._estimators.classes import classes_of, sorted_classes
from gmm._estimators.contract import given_names
from gmm._estimators.outcome import SHRUNK
from gmm._persistence import values
from gmm._validation import checks
from gmm._validation import parameters as options
from gmm._validation.rows import check_feature_names
from gmm._validation.scalars import check_choice
from gmm._values.covariance import covariance_model, of_low_rank
from gmm._values.priors import MixturePosterior
from gmm._versions import __version__

_Mixture = TypeVar("_Mixture", bound=MixtureEstimator)


def state_of(mixture: MixtureEstimator) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return the content of a saved file: a header of JSON values, and arrays by their names.

    Raises
    ------
    NotFittedError
        If the mixture has no parameters yet.
    ValueError
        If a parameter of the estimator is invalid.
    """
    parameters = attributes.fitted_parameters(mixture)
    # They may have been set after the fit, and `load` refuses invalid ones.
    options.check_parameters(mixture)
    header: dict[str, Any] = {
        "gmm_version": __version__,
        "class": type(mixture).__name__,
        "parameters": archive.to_json_values(mixture.get_params()),
        "covariance_model": parameters.model.name,
        "dtype": mixture.means_.dtype.name,
        "feature_names": given_names(mixture),
    }
    header |= {} if parameters.model.stores_dense else {"low_rank": True}
    arrays = values.mixture_to_state(parameters)
    if isinstance(parameters, MixturePosterior):
        entries, members = values.posterior_to_state(parameters)
        header, arrays = header | entries, arrays | members
    if "history_" in vars(mixture):
        traces, passes = values.traces_to_state(mixture.history_, mixture.histories_)
        header |= {**traces, "lower_bound": mixture.lower_bound_}
        arrays |= passes
    if "classes_" in vars(mixture):
        classes = header["classes"] = mixture.classes_.tolist()
        owners = [classes.index(label) if label in classes else -1 for label in mixture.component_classes_.tolist()]
        header["owners"] = owners
    record = attributes.record_of(mixture)
    known = {"weight_seen": record.weight, "shrunk": record.shrunk, "has_errors": record.has_errors}
    header |= {name: value for name, value in known.items() if value}
    optional = {name: getattr(record, name) for name in ("shrunk_by", "steps", "causes")}
    arrays |= {name: values for name, values in optional.items() if values is not None}
    if record.stream is not None:
        header["stream"], members = values.stream_to_state(record.stream)
        arrays |= members
    return header, arrays


def states_of(mixtures: Iterable[MixtureEstimator | None]) -> tuple[list[Any], dict[str, NDArray[Any]]]:
    """Return the states of several mixtures, None without one; names of arrays start with the mixture's number."""
    states = [(None, {}) if mixture is None else state_of(mixture) for mixture in mixtures]
    arrays = archive.bundle({number: members for number, (_, members) in enumerate(states)})
    return [header for header, _ in states], arrays


def from_state(cls: type[_Mixture], header: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> _Mixture:
    """Make the estimator whose `state_of` this is.

    Raises
    ------
    KeyError, ValueError
        If something is missing or invalid.
    """
    model = covariance_model(archive.item(header, "covariance_model", str))
    if "low_rank" in header and archive.item(header, "low_rank", bool):
        model = of_low_rank(model)
    parameters = values.mixture_from_state(arrays, model)
    # Arrays among the parameters are not saved.
    arguments = archive.from_json_values(archive.item(header, "parameters", dict))
    implied: dict[str, Any] = {"noise": parameters.noise.parameter}
    if cls._variational:
        parameters = values.posterior_from_state(header, arrays, parameters)
        implied |= {"mean_prior": parameters.prior.mean, "covariance_prior": parameters.prior.scale}
    implied |= parameters.tails.parameters
    if parameters.fixed:
        implied["fixed"] = parameters.fixed.masks
    accepted = cls._get_param_names()  # a subclass may have others
    estimator = cls(**{name: value for name, value in implied.items() if name in accepted} | arguments)
    names = check_feature_names(archive.item(header, "feature_names", list) or None, parameters.n_features)
    if header["dtype"] not in ("float32", "float64"):
        raise ValueError(f"expected dtype float32 or float64, got {header['dtype']!r}")
    options.check_parameters(estimator)
    d, ridge, described = parameters.n_features, estimator.reg_covar, dict[str, Any]()
    readers: dict[str, Callable[[], Any]] = {
        "shrunk": lambda: check_choice(archive.item(header, "shrunk", str), "shrunk", tuple(SHRUNK)),
        "shrunk_by": lambda: checks.check_numbers(arrays["shrunk_by"], "shrunk_by", (1 + d,)),
        "has_errors": lambda: archive.item(header, "has_errors", bool),
        "weight_seen": lambda: archive.positive(header, "weight_seen"),
        "steps": lambda: _steps(arrays["steps"], d),
        "causes": lambda: fitting.degenerate.check_causes(arrays["causes"], parameters.n_components),
        "stream": lambda: values.stream_from_state(archive.item(header, "stream", dict), arrays, parameters, ridge),
    }
    fields = {name: reader() for name, reader in readers.items() if name in header or name in arrays}
    record = FitRecord(parameters, weight=fields.pop("weight_seen", 0.0), **fields)
    if "lower_bound" in header:
        best, traces = values.traces_from_state(header, arrays)
        record = record._replace(trace=best)
        described = attributes.fit_attributes(best, archive.item(header, "lower_bound", float), traces)
    attributes.set_mixture(estimator, parameters, names, np.dtype(header["dtype"]), _last_fit=record, **described)
    if "classes" in header:
        classes, owners = sorted_classes(archive.item(header, "classes", list)), archive.item(header, "owners", list)
        n = len(classes)
        if len(owners) != parameters.n_components or not all(type(one) is int and -1 <= one < n for one in owners):
            raise ValueError(f"expected the index of a class, or -1, for each component, got {owners!r:.80}")
        estimator.classes_ = classes
        estimator.component_classes_ = classes_of(classes, np.array(owners, dtype=np.intp))
    return estimator


def _steps(values: NDArray[Any], n_features: int) -> NDArray[np.float64]:
    if values.shape != (n_features,) or values.dtype != np.float64 or not (values >= 0).all() or np.isinf(values).any():
        raise ValueError(
            f"expected {n_features} numbers of at least 0 in 'steps', got {values.dtype} of {values.shape}"
        )
    return values

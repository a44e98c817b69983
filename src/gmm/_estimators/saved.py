"""Fitted mixtures that go to files and come from them; `save` and `load` are methods of theirs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from gmm._estimators.contract import given_names
from gmm._estimators.fitted import FittedMixture, classes_of, fitted_parameters, record_of, set_mixture, sorted_classes
from gmm._estimators.outcome import SHRUNK, FitRecord, fit_attributes
from gmm._persistence import (
    Readable,
    Writable,
    bundle,
    from_json_values,
    item,
    load_object,
    mask,
    positive,
    save_object,
    to_json_values,
)
from gmm._validation.given import check_numbers
from gmm._validation.parameters import check_parameters
from gmm._validation.rows import check_feature_names
from gmm._validation.scalars import check_choice
from gmm._values.covariance import covariance_model, of_low_rank
from gmm._values.priors import MixturePosterior

_Mixture = TypeVar("_Mixture", bound=FittedMixture)


def save(self: FittedMixture, file: Writable, *, metadata: Mapping[str, Any] | None = None) -> None:
    """Write the fitted mixture to a file that holds only numbers and text; *beyond*.

    Constructor parameters are saved if they are numbers, names or a prior. Generators, callables and arrays that
    describe a start are not saved.

    Parameters
    ----------
    file : str, os.PathLike or binary file
        A path, used as given (no suffix is added), or a file open for writing, which need not be seekable.
    metadata : dict of JSON values, optional
        What else people or programs should know: names, dates, the number of rows, scores of the rows. None writes
        those of the file that this comes from. Nothing is added, so the same object gives the same bytes.

    Raises
    ------
    TypeError
        If `metadata` holds something that JSON has no form for; the message says where.
    ValueError
        If a constructor parameter is invalid, so that `load` would refuse the file, or a number of `metadata` is
        not finite.
    """
    save_object(self, file, metadata, *state_of(self))


def load(cls: type[_Mixture], file: Readable) -> _Mixture:
    """Read a mixture that `save` wrote; *beyond*.

    Parameters
    ----------
    file : str, os.PathLike, binary file or bytes
        A path, a file open for reading, which is read to its end, or the content of such a file.

    Returns
    -------
    GaussianMixture or BayesianGaussianMixture
        Of the class that it is called on.

    Raises
    ------
    ValueError
        If the file is not a saved model, was written by a newer version, or does not hold a valid mixture; the
        message says which. Loading runs no code from the file, so files from others are safe to open.
    """
    return load_object(file, {cls.__name__: partial(from_state, cls)})


def state_of(self: FittedMixture) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return what `save` writes: a header of JSON values, and arrays by their names.

    Raises
    ------
    NotFittedError
        If the mixture has no parameters yet.
    ValueError
        If a parameter of the estimator is invalid.
    """
    parameters = fitted_parameters(self)
    # They may have been set after the fit, and `load` refuses invalid ones.
    check_parameters(self)
    from gmm._persistence import values
    from gmm._versions import __version__

    header: dict[str, Any] = {
        "gmm_version": __version__,
        "class": type(self).__name__,
        "parameters": to_json_values(self.get_params()),
        "covariance_model": parameters.model.name,
        "dtype": self._dtype.name,
        "feature_names": given_names(self),
    }
    header |= {} if parameters.model.stored_whole else {"low_rank": True}
    arrays = values.mixture_to_state(parameters)
    if isinstance(parameters, MixturePosterior):
        posterior, of_posterior = values.posterior_to_state(parameters)
        header, arrays = header | posterior, arrays | of_posterior
    if "history_" in vars(self):
        traces, passes = values.traces_to_state(self.history_, self.histories_)
        header |= {**traces, "lower_bound": self.lower_bound_}
        arrays |= passes
    if "classes_" in vars(self):
        classes = header["classes"] = self.classes_.tolist()
        owners = [classes.index(label) if label in classes else -1 for label in self.component_classes_.tolist()]
        header["owners"] = owners
    record = record_of(self)
    known = {"weight_seen": record.weight, "shrunk": record.shrunk, "beside_errors": record.beside_errors}
    header |= {name: value for name, value in known.items() if value}
    of_rows = {"shrunk_by": record.shrunk_by, "trimmed": record.trimmed, "steps": record.steps}
    arrays |= {name: values for name, values in of_rows.items() if values is not None}
    if record.stream is not None:
        header["stream"], of_stream = values.stream_to_state(record.stream)
        arrays |= of_stream
    return header, arrays


def states_of(mixtures: Iterable[FittedMixture | None]) -> tuple[list[Any], dict[str, NDArray[Any]]]:
    """Return the states of several mixtures, None without one; names of arrays begin with the number of theirs."""
    states = [(None, {}) if mixture is None else state_of(mixture) for mixture in mixtures]
    return [header for header, _ in states], bundle({number: arrays for number, (_, arrays) in enumerate(states)})


def from_state(cls: type[_Mixture], header: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> _Mixture:
    """Make the estimator whose `state_of` this is.

    Raises
    ------
    KeyError, ValueError
        If something is missing or invalid.
    """
    from gmm._persistence import values

    model = covariance_model(item(header, "covariance_model", str))
    if "low_rank" in header and item(header, "low_rank", bool):
        model = of_low_rank(model)
    parameters = values.mixture_from_state(arrays, model)
    # Arrays among the parameters are not saved.
    arguments = from_json_values(item(header, "parameters", dict))
    implied: dict[str, Any] = {"noise": parameters.noise.parameter}
    if cls._variational:
        parameters = values.posterior_from_state(header, arrays, parameters)
        implied |= {"mean_prior": parameters.prior.mean, "covariance_prior": parameters.prior.scale}
    implied |= parameters.tails.parameters
    if parameters.fixed:
        implied["fixed"] = parameters.fixed.masks
    own = cls._get_param_names()  # those of a subclass may be others
    estimator = cls(**{name: value for name, value in implied.items() if name in own} | arguments)
    names = check_feature_names(item(header, "feature_names", list) or None, parameters.n_features)
    if header["dtype"] not in ("float32", "float64"):
        raise ValueError(f"expected dtype float32 or float64, got {header['dtype']!r}")
    check_parameters(estimator)
    d, ridge, of_fit = parameters.n_features, estimator.reg_covar, dict[str, Any]()
    read: dict[str, Callable[[], Any]] = {
        "shrunk": lambda: check_choice(item(header, "shrunk", str), "shrunk", tuple(SHRUNK)),
        "shrunk_by": lambda: check_numbers(arrays["shrunk_by"], "shrunk_by", (1 + d,)),
        "beside_errors": lambda: item(header, "beside_errors", bool),
        "weight_seen": lambda: positive(header, "weight_seen"),
        "steps": lambda: _steps(arrays["steps"], d),
        "trimmed": lambda: mask(arrays, "trimmed"),
        "stream": lambda: values.stream_from_state(item(header, "stream", dict), arrays, parameters, ridge),
    }
    kept = {name: read_it() for name, read_it in read.items() if name in header or name in arrays}
    record = FitRecord(parameters, weight=kept.pop("weight_seen", 0.0), **kept)
    if "lower_bound" in header:
        best, traces = values.traces_from_state(header, arrays)
        of_fit, record = fit_attributes(best, item(header, "lower_bound", float), traces), record._replace(trace=best)
    set_mixture(estimator, parameters, names, np.dtype(header["dtype"]), _last_fit=record, **of_fit)
    if "classes" in header:
        classes, owners = sorted_classes(item(header, "classes", list)), item(header, "owners", list)
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

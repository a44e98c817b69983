"""`FittedMixture`: everything a mixture does once it has parameters, however they were estimated.

Parameters as attributes, scores of rows, samples, saving and loading. Subclasses add the fit.
"""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar, Self, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gmm.em.results import Wanted
from gmm.em.solver import SolverResult
from gmm.em.stepwise import Stream
from gmm.em.trace import Trace
from gmm.estimators.attributes import ParameterAttributes, fitted_parameters, without_noise
from gmm.estimators.contract import (
    as_dtype,
    given_names,
    names_of_features,
    record_features,
)
from gmm.estimators.scorer import Scorer, log_evidence_of, place
from gmm.estimators.summary import Summary
from gmm.fitting.starts import STARTS
from gmm.frozen import FrozenMixture
from gmm.persistence import (
    Readable,
    Writable,
    check_weight,
    from_json_values,
    given_prior,
    item,
    load_object,
    mixture_from_state,
    mixture_to_state,
    posterior_from_state,
    posterior_to_state,
    save_state,
    stream_from_state,
    stream_to_state,
    to_json_values,
    traces_from_state,
    traces_to_state,
)
from gmm.rows.entrance import as_source, is_dask
from gmm.rows.sources import Source
from gmm.text.html import Html
from gmm.validation.parameters import check_is_fitted, check_n_samples, check_parameters, check_random_state
from gmm.validation.rows import check_feature_names
from gmm.values.covariance import covariance_model
from gmm.values.parameters import MixtureParameters
from gmm.values.variational import MixturePosterior
from gmm.versions import __version__

__all__ = ["FittedMixture", "fitted_parameters", "source_of", "without_noise"]

_Mixture = TypeVar("_Mixture", bound="FittedMixture")
_DOUBLE = np.dtype(np.float64)


class FittedMixture(ParameterAttributes):
    """Base class of estimators that hold one mixture once they are fitted."""

    random_state: int | np.random.RandomState | np.random.Generator | None
    n_threads: int | None
    reg_covar: float
    converged_: bool
    n_iter_: int
    lower_bound_: float
    lower_bounds_: list[float]
    history_: Trace
    histories_: tuple[Trace, ...]

    _takes_posterior: ClassVar[bool] = False
    _bound_name: ClassVar[str] = "mean log-likelihood"
    _objective: ClassVar[tuple[str, str]] = ("log-likelihood", "nats per row")
    _parameters: MixtureParameters | None
    _dtype: np.dtype[Any]
    _bounds_before: tuple[float, ...]
    _ascent_of: tuple[object, ...] = ()
    _stream: Stream | None = None  # of `_parameters`, or else out of date
    _weight_seen: float

    def predict(self, X: ArrayLike, *, out: Any = None) -> NDArray[np.intp]:
        """Predict the most probable component of each row.

        Parameters
        ----------
        X : array-like or data frame of shape (n, d), data set, or what `rows` returns
        out : array of intp, shape (n,), default=None
            *Beyond*: where to write; it is also returned.

        Returns
        -------
        ndarray of int, shape (n,)
        """
        if is_dask(X):
            return self._lazily("predict", X, out, np.dtype(np.intp))
        source = source_of(self, X)
        labels = self._scorer().rows(source, labels=place(out, source, labels=True)).labels
        assert labels is not None  # it was asked for
        return labels if out is None else out

    def predict_proba(self, X: ArrayLike, *, out: Any = None) -> NDArray[Any]:
        """Compute the responsibilities: the probability of each component given each row.

        A row may be so far away that its log density underflows float64 for every component. It then belongs to the
        nearest component, with distances in each component's own standard deviations; components equally near share it.

        Parameters
        ----------
        X : array-like or data frame of shape (n, d), data set, or what `rows` returns
        out : C-contiguous array of the result's dtype, shape (n, K), default=None
            *Beyond*: where to write; it is also returned.

        Returns
        -------
        ndarray of shape (n, K)
            Rows sum to 1. float32 for float32 rows, else float64.
        """
        if is_dask(X):
            return self._lazily("predict_proba", X, out, shape=(fitted_parameters(self).n_components,))
        source = source_of(self, X)
        where = place(out, source, n_columns=fitted_parameters(self).n_components)
        responsibilities = self._scorer().rows(source, responsibilities=where).responsibilities
        assert responsibilities is not None  # it was asked for
        return responsibilities if out is None else out

    def score_samples(self, X: ArrayLike, *, out: Any = None) -> NDArray[Any]:
        """Compute the log-likelihood of each row.

        Parameters
        ----------
        X : array-like or data frame of shape (n, d), data set, or what `rows` returns
        out : C-contiguous array of the result's dtype, shape (n,), default=None
            *Beyond*: where to write; it is also returned.

        Returns
        -------
        ndarray of shape (n,)
            In nats; float32 for float32 rows, else float64. −∞ where it underflows that type: beyond about 1e154
            standard deviations in float64 and 2e19 in float32.
        """
        if is_dask(X):
            return self._lazily("score_samples", X, out)
        source = source_of(self, X)
        values = self._log_evidence(source, place(out, source))
        return values if out is None else out

    def score(self, X: ArrayLike, y: object = None, sample_weight: ArrayLike | None = None) -> float:
        """Compute the mean log-likelihood of the rows.

        Parameters
        ----------
        X : array-like or data frame of shape (n, d), data set, or what `rows` returns
        y : ignored
        sample_weight : array-like of shape (n,), default=None
            *Beyond*: weights of the rows.

        Returns
        -------
        float
            In nats per unit weight; without weights, the mean of ``score_samples(X)``.
        """
        source = source_of(self, X, sample_weight)
        return self._scorer().log_likelihood(source) / source.survey.weight

    def log_likelihood(
        self, X: ArrayLike, sample_weight: ArrayLike | None = None, *, classified: bool = False
    ) -> float:
        """Compute the total log-likelihood of the rows; *beyond*.

        Parameters
        ----------
        X : array-like or data frame of shape (n, d), data set, or what `rows` returns
        sample_weight : array-like of shape (n,), default=None
        classified : bool, default=False
            Count each row under its most probable component only: the classification log-likelihood, which `icl` uses.

        Returns
        -------
        float
            In nats: Σ_i w_i log Σ_k ρ_ik or, if `classified`, Σ_i w_i max_k log ρ_ik, where ρ_ik is the joint density
            of row i and component k.
        """
        source = source_of(self, X, sample_weight)
        scorer = self._scorer()
        return scorer.classification_log_likelihood(source) if classified else scorer.log_likelihood(source)

    def sample(
        self,
        n_samples: int = 1,
        random_state: int | np.random.RandomState | np.random.Generator | None = None,
    ) -> tuple[NDArray[Any], NDArray[np.intp]]:
        """Draw rows from the mixture.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows.
        random_state : int, RandomState, Generator or None, default=None
            *Beyond*: seed of this draw; None uses the estimator's `random_state`.

        Returns
        -------
        X : ndarray of shape (n_samples, d)
            Rows, ordered by component.
        y : ndarray of int, shape (n_samples,)
            The component that each row was drawn from.
        """
        parameters = fitted_parameters(self)
        n = check_n_samples(n_samples)
        rng = check_random_state(self.random_state if random_state is None else random_state)
        rows, labels = parameters.sample(n, rng)
        return as_dtype(rows, self._dtype), labels

    def freeze(self) -> FrozenMixture:
        """Make an immutable copy that scores rows in a service, in microseconds; *beyond*.

        Returns
        -------
        FrozenMixture
            Its results are those of this estimator's methods, and later changes of the estimator do not reach it.
        """
        without_noise(self, "freeze")
        return self._scorer().frozen()

    def save(self, file: Writable) -> None:
        """Write the fitted mixture to a file that holds only numbers and text; *beyond*.

        Constructor parameters are saved if they are numbers, names or a prior. Generators, callables and arrays that
        describe a start are not saved.

        Parameters
        ----------
        file : str, os.PathLike or binary file
            A path, used as given (no suffix is added), or a file open for writing, which need not be seekable.

        Raises
        ------
        ValueError
            If a constructor parameter is invalid, so that `load` would refuse the file.
        """
        save_state(file, *state_of(self))

    @classmethod
    def load(cls, file: Readable) -> Self:
        """Read a mixture that `save` wrote; *beyond*.

        Parameters
        ----------
        file : str, os.PathLike, binary file or bytes
            A path, a file open for reading, which is read to its end, or the content of such a file.

        Returns
        -------
        GaussianMixture

        Raises
        ------
        ValueError
            If the file is not a saved model, was written by a newer version, or does not hold a valid mixture; the
            message says which. Loading runs no code from the file, so files from others are safe to open.
        """
        return load_object(file, {cls.__name__: partial(from_state, cls)})

    def __str__(self) -> str:
        """Return the constructor call and, once fitted, a summary of the mixture below it."""
        return super().__str__() if self._parameters is None else f"{self!r}\n{self._summary()}"

    def _html_parts(self) -> list[Html]:
        return fitted_html(self)

    def _summary(self) -> Summary:
        history, lower_bound = vars(self).get("history_"), vars(self).get("lower_bound_")
        parameters, names = fitted_parameters(self), names_of_features(self)
        return Summary.of(parameters, history, lower_bound, names, objective=self._bound_name)

    def _lazily(
        self,
        method: str,
        X: Any,
        out: Any,
        dtype: np.dtype[Any] | None = None,
        shape: tuple[int, ...] = (),
        **how: str,
    ) -> Any:
        """Return a Dask array of what a method gives for each partition of a Dask collection."""
        from gmm.rows.dask import mapped

        if out is not None:
            raise TypeError(f"expected out=None with a Dask collection, whose {method} is a Dask array")
        kind: Any = type(self)
        other = kind(n_components=self.n_components, covariance_type=self.covariance_type, n_threads=1)
        hold(other, fitted_parameters(self), vars(self).get("feature_names_in_"))
        return mapped(partial(getattr(other, method), **how), X, dtype, shape)

    def _scorer(self) -> Scorer:
        return Scorer(fitted_parameters(self), self.n_threads)

    def _log_evidence(self, source: Source, where: Wanted = True) -> NDArray[Any]:
        """Return the log-likelihood of each row, (n,), in the type of the rows; an array is where to write."""
        return log_evidence_of(self._scorer(), source, where)

    def _record_climb(self, trace: Trace, lower_bound: float, traces: tuple[Trace, ...]) -> None:
        self.history_ = trace
        self.histories_ = traces
        self.converged_ = trace.converged
        self.n_iter_ = len(trace)
        self.lower_bound_ = lower_bound
        self.lower_bounds_ = list(trace.lower_bounds)


def source_of(mixture: FittedMixture, X: ArrayLike, sample_weight: ArrayLike | None = None) -> Source:
    """Check rows that a fitted mixture is to score.

    Parameters
    ----------
    mixture : FittedMixture
    X : array-like of shape (n, d) or a source of rows
    sample_weight : array-like of shape (n,), optional

    Returns
    -------
    Source
        The rows and their weights.

    Raises
    ------
    NotFittedError
        If the mixture has no parameters yet.
    ValueError, TypeError
        If the rows or weights are invalid, or do not have the features that the mixture was fitted on.
    """
    check_is_fitted(mixture)
    names = vars(mixture).get("feature_names_in_")
    source, _ = as_source(X, sample_weight, estimator=mixture, n_features=mixture.n_features_in_, feature_names=names)
    return source


def hold(
    mixture: FittedMixture,
    parameters: MixtureParameters,
    names: NDArray[np.object_] | None,
    dtype: np.dtype[Any] = _DOUBLE,
) -> None:
    """Set the parameters of an estimator, the names of their features, and the type of its arrays."""
    mixture._parameters = parameters
    mixture._dtype = dtype
    record_features(mixture, parameters.n_features, names)


def set_fitted(
    mixture: FittedMixture,
    result: SolverResult,
    source: Source,
    names: NDArray[np.object_] | None,
    traces: tuple[Trace, ...] = (),
) -> None:
    """Set the parameters of an estimator to those of a result, and its attributes that describe the fit."""
    hold(mixture, result.parameters, names, source.dtype)
    bounds = result.trace.lower_bounds or mixture._bounds_before
    mixture._bounds_before, mixture._weight_seen = bounds, source.survey.weight
    mixture._record_climb(result.trace, result.lower_bound, traces or (result.trace,))


def state_of(mixture: FittedMixture) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return what `save` writes: a header of JSON values, and arrays by their names.

    Raises
    ------
    NotFittedError
        If the mixture has no parameters yet.
    ValueError
        If a parameter of the estimator is invalid.
    """
    parameters = fitted_parameters(mixture)
    check_parameters(mixture, STARTS)  # they may have been set after the fit, and `load` refuses invalid ones
    header: dict[str, Any] = {
        "gmm_version": __version__,
        "class": type(mixture).__name__,
        "parameters": to_json_values(mixture.get_params()),
        "covariance_model": parameters.model.name,
        "dtype": mixture._dtype.name,
        "feature_names": given_names(mixture),
    }
    arrays = mixture_to_state(parameters)
    if isinstance(parameters, MixturePosterior):
        posterior, of_posterior = posterior_to_state(parameters)
        header, arrays = header | posterior, arrays | of_posterior
    if "history_" in vars(mixture):
        traces, passes = traces_to_state(mixture.history_, mixture.histories_)
        header |= {**traces, "lower_bound": mixture.lower_bound_}
        arrays |= passes
    header |= {"weight_seen": mixture._weight_seen} if mixture._weight_seen else {}
    if mixture._stream is not None and mixture._stream.parameters is parameters:
        header["stream"], of_stream = stream_to_state(mixture._stream)
        arrays |= of_stream
    return header, arrays


def from_state(cls: type[_Mixture], header: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> _Mixture:
    """Make the estimator whose `state_of` this is.

    Raises
    ------
    KeyError, ValueError
        If something is missing or invalid.
    """
    model = covariance_model(item(header, "covariance_model", str))
    parameters = mixture_from_state(arrays, model)
    asked = from_json_values(item(header, "parameters", dict))
    if cls._takes_posterior:
        parameters = posterior_from_state(header, arrays, parameters)
        asked = given_prior(parameters.prior) | asked  # arrays are not saved among the parameters
    if parameters.noise is not None:
        asked = {"noise": parameters.noise.box} | asked  # arrays are not saved among the parameters
    estimator = cls(**asked)
    names = check_feature_names(item(header, "feature_names", list) or None, parameters.n_features)
    hold(estimator, parameters, names)
    check_parameters(estimator, STARTS)
    if header["dtype"] not in ("float32", "float64"):
        raise ValueError(f"expected dtype float32 or float64, got {header['dtype']!r}")
    estimator._dtype = np.dtype(header["dtype"])
    if "lower_bound" in header:
        best, traces = traces_from_state(header, arrays)
        estimator._record_climb(best, item(header, "lower_bound", float), traces)
    estimator._weight_seen = check_weight(header, "weight_seen") if "weight_seen" in header else 0.0
    if "stream" in header:
        estimator._stream = stream_from_state(item(header, "stream", dict), arrays, parameters)
    return estimator


def fitted_html(mixture: FittedMixture) -> list[Html]:
    """Return the summary of a fitted mixture as parts of a page; none before a fit."""
    return [] if mixture._parameters is None else mixture._summary().html()

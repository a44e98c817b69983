"""`FittedMixture`: what every fitted mixture can say, however it was fitted.

Its parameters as attributes, scores of rows, samples, and its way to a file and back. Fitting is
the affair of the classes above.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gmm._kernel.mstep import QuasiNewtonState
from gmm.em.solver import SolverResult
from gmm.em.trace import Trace
from gmm.estimators import criteria
from gmm.estimators.contract import Estimator, record_features
from gmm.estimators.scorer import Scorer
from gmm.estimators.summary import Summary
from gmm.fitting.starts import STARTS
from gmm.persistence import (
    Readable,
    Writable,
    item,
    loaded,
    loaded_traces,
    plain,
    restored,
    save_state,
    saved_traces,
)
from gmm.rows.entrance import as_source
from gmm.rows.sources import Source
from gmm.text.html import Html
from gmm.validation.given import check_mixture, check_parameters_given, check_precisions_init
from gmm.validation.parameters import check_is_fitted, check_n_samples, check_parameters, check_random_state
from gmm.validation.rows import check_feature_names
from gmm.values.covariance import DEFAULT_COVARIANCE_TYPE, CovarianceModel, covariance_model
from gmm.values.layouts import Array
from gmm.values.parameters import MixtureParameters
from gmm.versions import __version__

__all__ = ["FittedMixture"]

_PARTS = ("weights", "means", "covariances")


class FittedMixture(Estimator):
    """A mixture with parameters, or one that will have them."""

    n_components: int
    covariance_type: str
    random_state: int | np.random.RandomState | np.random.Generator | None
    n_threads: int | None
    reg_covar: float
    converged_: bool
    n_iter_: int
    lower_bound_: float
    lower_bounds_: list[float]
    history_: Trace
    histories_: tuple[Trace, ...]

    _parameters: MixtureParameters | None = None
    _dtype: np.dtype[Any] = np.dtype(np.float64)
    _bounds_before: tuple[float, ...] = ()
    _ascent: QuasiNewtonState | None = None
    _ascent_of: tuple[object, ...] = ()

    def predict(self, X: ArrayLike) -> NDArray[np.intp]:
        """The most probable component of each row, (n,)."""
        source = self._source(X)
        labels = self._scorer().rows(source, labels=True).labels
        assert labels is not None  # it was asked for
        return labels

    def predict_proba(self, X: ArrayLike) -> NDArray[Any]:
        """The responsibilities of the components for each row, (n, K), in the type of X.

        A row so far away that its log density is below the range of float64 for every component belongs to the nearest
        one, each distance being measured in that component's own spread; components that are as near share it.
        """
        source = self._source(X)
        responsibilities = self._scorer().rows(source, responsibilities=True).responsibilities
        assert responsibilities is not None  # it was asked for
        return responsibilities

    def score_samples(self, X: ArrayLike) -> NDArray[Any]:
        """The log-likelihood of each row, (n,), in nats and the type of X.

        It is −∞ where it is below the range of that type: for rows beyond some 1e154 standard deviations in float64,
        and 2e19 in float32.
        """
        source = self._source(X)
        log_evidence = self._scorer().rows(source, log_evidence=True).log_evidence
        assert log_evidence is not None  # it was asked for
        with np.errstate(over="ignore"):
            return log_evidence.astype(source.dtype, copy=False)

    def score(self, X: ArrayLike, y: object = None, sample_weight: ArrayLike | None = None) -> float:
        """The mean log-likelihood, in nats per unit weight; without weights ``score_samples(X).mean()``."""
        if sample_weight is None:
            return _mean(self.score_samples(X))
        source = self._source(X, sample_weight)
        return self._scorer().log_likelihood(source) / source.survey.weight

    def log_likelihood(
        self, X: ArrayLike, sample_weight: ArrayLike | None = None, *, classified: bool = False
    ) -> float:
        """The total log-likelihood Σ_i w_i log Σ_k ρ_ik, in nats; *beyond*.

        With `classified`, each row counts under its likeliest component alone: Σ_i w_i max_k log ρ_ik.
        """
        source = self._source(X, sample_weight)
        scorer = self._scorer()
        return scorer.classification_log_likelihood(source) if classified else scorer.log_likelihood(source)

    def bic(self, X: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """The Bayesian information criterion, smaller is better; n is the sum of the weights."""
        source = self._source(X, sample_weight)
        return criteria.bic(self._scorer().log_likelihood(source), self.n_parameters_, source.survey.weight)

    def aic(self, X: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Akaike's information criterion, smaller is better."""
        return criteria.aic(self.log_likelihood(X, sample_weight), self.n_parameters_)

    def aicc(self, X: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Akaike's criterion corrected for few rows, smaller is better; *beyond*.

        n is the sum of the weights; infinite where n ≤ p + 1 (Hurvich & Tsai 1989).
        """
        source = self._source(X, sample_weight)
        return criteria.aicc(self._scorer().log_likelihood(source), self.n_parameters_, source.survey.weight)

    def icl(self, X: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """The integrated completed likelihood, smaller is better; *beyond*.

        BIC with the classification log-likelihood Σ_i w_i max_k log ρ_ik (Biernacki, Celeux & Govaert 2000).
        """
        source = self._source(X, sample_weight)
        loglik = self._scorer().classification_log_likelihood(source)
        return criteria.icl(loglik, self.n_parameters_, source.survey.weight)

    def nec(self, X: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """The normalised entropy criterion, smaller is better; *beyond*.

        The entropy of the responsibilities over what the mixture gains on one component of the same covariance model,
        fitted to X with the same `reg_covar` (Celeux & Soromenho 1996); 1 for one component (Biernacki, Celeux &
        Govaert 1999).
        """
        source, scorer = self._source(X, sample_weight), self._scorer()
        loglik, loglik_of_one = scorer.log_likelihood(source), scorer.log_likelihood_of_one(source, self.reg_covar)
        return criteria.nec(scorer.entropy(source), loglik, loglik_of_one)

    def sample(
        self,
        n_samples: int = 1,
        random_state: int | np.random.RandomState | np.random.Generator | None = None,
    ) -> tuple[NDArray[Any], NDArray[np.intp]]:
        """Draw rows from the mixture.

        Parameters
        ----------
        n_samples : int, default=1
        random_state : int, RandomState, Generator or None, default=None
            *Beyond*: seeds this draw; None uses the estimator's own.

        Returns
        -------
        X : ndarray of shape (n_samples, d)
            Ordered by component.
        y : ndarray of shape (n_samples,)
            The component of each row.
        """
        parameters = self._fitted()
        n = check_n_samples(n_samples)
        rng = check_random_state(self.random_state if random_state is None else random_state)
        rows, labels = parameters.sample(n, rng)
        return held(rows, self._dtype), labels

    @classmethod
    def from_parameters(
        cls,
        weights: ArrayLike,
        means: ArrayLike,
        covariances: ArrayLike,
        *,
        covariance_type: str = DEFAULT_COVARIANCE_TYPE,
        feature_names: Sequence[str] | None = None,
    ) -> Self:
        """A fitted estimator from given numbers; *beyond*.

        Parameters
        ----------
        weights : array-like of shape (K,)
        means : array-like of shape (K, d)
        covariances : array-like
            In the shape that `covariance_type` has.
        covariance_type : str, default="full"
        feature_names : sequence of str, default=None

        Raises
        ------
        ValueError
            If the numbers are no mixture, saying which.

        Examples
        --------
        >>> from gmm import GaussianMixture
        >>> mixture = GaussianMixture.from_parameters([0.5, 0.5], [[-1.0], [1.0]], [[[1.0]], [[1.0]]])
        >>> round(mixture.score([[0.0]]), 4)
        -1.4189
        """
        model = covariance_model(covariance_type)
        parameters = MixtureParameters(*check_parameters_given(weights, means, covariances, model), model)
        mixture = cls(**{"n_components": parameters.n_components, "covariance_type": covariance_type})
        hold(mixture, parameters, check_feature_names(feature_names, parameters.n_features))
        return mixture

    def save(self, file: Writable) -> None:
        """Write the fitted mixture to `file`, in a format that holds numbers and text only; *beyond*.

        Parameters that say how to fit are saved where they are a number, a name or a prior; a generator, a callable
        and the arrays of a start are not.

        Parameters
        ----------
        file : str, os.PathLike or binary file
            A path, to which nothing is appended, or a file opened for writing, which need not be able to seek.
        """
        save_state(file, *self._state())

    def _state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """What `save` writes: what JSON holds, and arrays."""
        parameters = self._fitted()
        header: dict[str, Any] = {
            "gmm_version": __version__,
            "class": type(self).__name__,
            "parameters": plain(self.get_params()),
            "covariance_model": parameters.model.name,
            "dtype": self._dtype.name,
            "feature_names": [str(name) for name in getattr(self, "feature_names_in_", ())],
        }
        arrays: dict[str, NDArray[Any]] = {name: getattr(parameters, name) for name in _PARTS}
        if "history_" in vars(self):
            told, passes = saved_traces(self.history_, self.histories_)
            header |= {**told, "lower_bound": self.lower_bound_}
            arrays |= passes
        return header, arrays

    @classmethod
    def load(cls, file: Readable) -> Self:
        """Read what `save` wrote; *beyond*.

        Parameters
        ----------
        file : str, os.PathLike, binary file or bytes
            A path, a file opened for reading, which is read to its end, or what such a file holds.

        Raises
        ------
        ValueError
            If the file is no saved model, or of a newer version, or what it holds is no mixture; it says what is wrong.
            A file can do no other harm, whoever wrote it.
        """
        return loaded(file, {cls.__name__: cls._from_state})

    @classmethod
    def _from_state(cls, header: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Self:
        model = covariance_model(item(header, "covariance_model", str))
        weights, means, covariances = (arrays[name] for name in _PARTS)
        parameters = MixtureParameters(*check_mixture(weights, means, covariances, model), model)
        estimator = cls(**restored(item(header, "parameters", dict)))
        names = check_feature_names(item(header, "feature_names", list) or None, parameters.n_features)
        hold(estimator, parameters, names)
        check_parameters(estimator, STARTS)
        if header["dtype"] not in ("float32", "float64"):
            raise ValueError(f"expected dtype float32 or float64, got {header['dtype']!r}")
        estimator._dtype = np.dtype(header["dtype"])
        if "lower_bound" in header:
            best, traces = loaded_traces(header, arrays)
            estimator._record_climb(best, item(header, "lower_bound", float), traces)
        return estimator

    @property
    def weights_(self) -> NDArray[Any]:
        """π_k, (K,)."""
        return self._shown(self._fitted().weights)

    @weights_.setter
    def weights_(self, values: ArrayLike) -> None:
        self._assign(weights=values)

    @property
    def means_(self) -> NDArray[Any]:
        """μ_k, (K, d)."""
        return self._shown(self._fitted().means)

    @means_.setter
    def means_(self, values: ArrayLike) -> None:
        self._assign(means=values)

    @property
    def covariances_(self) -> NDArray[Any]:
        """Σ_k, in the shape of the covariance type."""
        return self._shown(self._fitted().covariances)

    @covariances_.setter
    def covariances_(self, values: ArrayLike) -> None:
        self._assign(covariances=values)

    @property
    def precisions_(self) -> NDArray[Any]:
        """The covariances' inverses, in their shape."""
        parameters = self._fitted()
        return self._shown(parameters.model.layout.gram(parameters.whiteners))

    @precisions_.setter
    def precisions_(self, values: ArrayLike) -> None:
        model = self._model()
        K, d = self._shape_for(values, model)
        precisions = check_precisions_init(values, K, d, model)
        self._assign(covariances=model.layout.inverse(precisions, d))

    @property
    def precisions_cholesky_(self) -> NDArray[Any]:
        """Upper triangular factors of the precisions, or 1/σ, in their shape."""
        parameters = self._fitted()
        return self._shown(parameters.model.layout.transposed(parameters.whiteners))

    @precisions_cholesky_.setter
    def precisions_cholesky_(self, values: ArrayLike) -> None:
        layout = self._model().layout
        factors = np.array(values, dtype=np.float64)
        if factors.ndim != len(layout.shape(1, 1)):
            raise ValueError(
                f"The parameter 'precisions_cholesky_' should have {len(layout.shape(1, 1))} "
                f"dimensions, but got the shape {factors.shape}"
            )
        self.precisions_ = layout.gram(layout.transposed(factors))

    @property
    def n_parameters_(self) -> int:
        """Number of free parameters."""
        return self._fitted().n_parameters

    def __sklearn_is_fitted__(self) -> bool:
        """Tell whether there is a mixture to score with."""
        return self._parameters is not None

    def __str__(self) -> str:
        """The call that makes the estimator; once fitted, the mixture below it."""
        return super().__str__() if self._parameters is None else f"{self!r}\n{self._summary()}"

    def _described(self) -> list[Html]:
        return [] if self._parameters is None else self._summary().html()

    def _summary(self) -> Summary:
        history, lower_bound = vars(self).get("history_"), vars(self).get("lower_bound_")
        return Summary.of(self._fitted(), history, lower_bound, getattr(self, "feature_names_in_", None))

    def _fitted(self) -> MixtureParameters:
        check_is_fitted(self)
        assert self._parameters is not None  # this is what was checked
        return self._parameters

    def _model(self) -> CovarianceModel:
        if self._parameters is not None:
            return self._parameters.model
        return covariance_model(self.covariance_type)

    def _shape_for(self, values: ArrayLike, model: CovarianceModel) -> tuple[int, int]:
        """K and d of the mixture, or what an unfitted one would have by these covariances."""
        if self._parameters is not None:
            return self._parameters.n_components, self._parameters.n_features
        shape = np.shape(values)
        return self.n_components, shape[-1] if len(shape) > 1 else 1

    def _shown(self, values: Array) -> NDArray[Any]:
        """An attribute's array; writing into it would be lost."""
        return shown(values, self._dtype)

    def _assign(self, **given: ArrayLike) -> None:
        """Take parameters set by hand; an unfitted estimator becomes fitted with the last of the three."""
        model = self._model()
        parts = dict(vars(self).get("_assigned", {}))
        if self._parameters is not None:
            parts = {name: getattr(self._parameters, name) for name in _PARTS}
        parts |= given
        if len(parts) < len(_PARTS):
            self._assigned = parts
            return
        checked = check_parameters_given(**parts, model=model)
        d = checked[1].shape[1] if self._parameters is None else self._parameters.n_features
        expected = (self.n_components if self._parameters is None else self._parameters.n_components, d)
        if checked[1].shape != expected:
            raise ValueError(f"expected means of shape {expected}, as the mixture has, got {checked[1].shape}")
        self._parameters = MixtureParameters(*checked, model)
        self._bounds_before, self._ascent = (), None
        # What is told of the fit is not told of these parameters.
        for name in ("history_", "histories_", "converged_", "n_iter_", "lower_bound_", "lower_bounds_"):
            vars(self).pop(name, None)
        if "n_features_in_" not in vars(self):
            record_features(self, self._parameters.n_features, None)

    def _scorer(self) -> Scorer:
        return Scorer(self._fitted(), self.n_threads)

    def _source(self, X: ArrayLike, sample_weight: ArrayLike | None = None) -> Source:
        """Rows to score."""
        check_is_fitted(self)
        names = vars(self).get("feature_names_in_")
        source, _ = as_source(X, sample_weight, estimator=self, n_features=self.n_features_in_, feature_names=names)
        return source

    def _record_climb(self, trace: Trace, lower_bound: float, traces: tuple[Trace, ...]) -> None:
        self.history_ = trace
        self.histories_ = traces
        self.converged_ = trace.converged
        self.n_iter_ = len(trace)
        self.lower_bound_ = lower_bound
        self.lower_bounds_ = list(trace.lower_bounds)


def hold(mixture: FittedMixture, parameters: MixtureParameters, names: NDArray[np.object_] | None) -> None:
    """Set the parameters of an estimator, and the names of their features."""
    mixture._parameters = parameters
    record_features(mixture, parameters.n_features, names)


def set_fitted(
    mixture: FittedMixture,
    result: SolverResult,
    source: Source,
    names: NDArray[np.object_] | None,
    traces: tuple[Trace, ...] = (),
) -> None:
    """Set the parameters of an estimator to those of a result, and its attributes that describe the fit."""
    hold(mixture, result.parameters, names)
    mixture._dtype = source.dtype
    mixture._bounds_before = result.trace.lower_bounds or mixture._bounds_before
    mixture._record_climb(result.trace, result.lower_bound, traces or (result.trace,))


def shown(values: Array, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Values in the type of the data, or in float64 where that cannot hold them; writing into them is refused."""
    array = held(values, dtype)
    array.flags.writeable = False
    return array


def held(values: Array, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Values in the type of the data, or in float64 where that cannot hold them."""
    limits = np.finfo(dtype)
    largest = np.abs(values).max()
    fits = largest == 0 or limits.tiny <= largest <= limits.max
    return values.astype(dtype if fits else np.float64, copy=False)


def _mean(values: NDArray[Any]) -> float:
    """The mean in the values' own type, unless its sum is out of their range."""
    with np.errstate(over="ignore"):
        mean = float(values.mean())
    return mean if np.isfinite(mean) else float((values.astype(np.float64) / len(values)).sum())

"""`GaussianMixture`: scikit-learn's estimator on this package's core."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gmm import criteria
from gmm._estimator import Estimator
from gmm._validation import (
    check_callback,
    check_enough_rows,
    check_is_fitted,
    check_means_init,
    check_n_samples,
    check_parameters,
    check_parameters_given,
    check_precisions_init,
    check_random_state,
    check_responsibilities,
    check_rows,
    check_sample_weight,
    check_weights_init,
    raise_nonfinite,
    raise_too_large,
)
from gmm.covariance import DEFAULT_COVARIANCE_TYPE, CovarianceModel, covariance_model
from gmm.exceptions import ConvergenceWarning, raisable
from gmm.fitting import FitSettings, GivenStart, MixtureFit, fit_mixture
from gmm.inference import Iteration, Trace
from gmm.initialization import STARTS, Rng
from gmm.layouts import Array, SingularMatrixError
from gmm.parameters import MixtureParameters
from gmm.persistence import load_state, save_state
from gmm.progress import ProgressPrinter
from gmm.scorer import Scorer
from gmm.sources import ArraySource, as_source
from gmm.summary import summary

__all__ = ["GaussianMixture"]

# Distances from the centre whose squares, summed over rows, stay finite.
_LARGEST_REACH = 1e150

_PARTS = ("weights", "means", "covariances")

_ILL_DEFINED = (
    "Fitting the mixture model failed because some components have ill-defined empirical covariance (for instance "
    "caused by singleton or collapsed samples). Try to decrease the number of components, increase reg_covar, or scale "
    "the input data."
)
_NOT_CONVERGED = (
    "Best performing initialization did not converge. Try different init parameters, or increase max_iter, tol, or "
    "check for degenerate data."
)


class GaussianMixture(Estimator):
    """Gaussian mixture Σ_k π_k N(μ_k, Σ_k), fitted by expectation-maximisation.

    The parameters, attributes and methods are those of scikit-learn's class of the same name; what is beyond them is
    marked *beyond*.

    Parameters
    ----------
    n_components : int, default=1
        Number of components, K.
    covariance_type : {"full", "tied", "diag", "spherical"}, default="full"
        A covariance per component; one for all; variances per component and feature; one variance per component.
    tol : float, default=1e-3
        The fit has converged when a pass changes the mean log-likelihood by less, in nats per row. 0 never stops
        before `max_iter`.
    reg_covar : float, default=1e-6
        Added to the diagonal of the covariances, in squared units of the data. Above 0, a fit does not fail on
        degenerate data.
    max_iter : int, default=100
        Most passes over the rows. 0 keeps the start.
    n_init : int, default=1
        Number of starts; the fit with the highest likelihood is kept. The first start is that of ``n_init=1``.
    init_params : {"kmeans", "k-means++", "random", "random_from_data"}, array or callable, default="kmeans"
        Where to begin. *Beyond*: an (n, K) array of responsibilities, or a callable ``(X, K, rng)`` that returns one.
    weights_init : array-like of shape (K,), default=None
    means_init : array-like of shape (K, d), default=None
        Given alone, every row begins with the nearest of them.
    precisions_init : array-like, default=None
        In the shape of ``precisions_``.
    random_state : int, RandomState, Generator or None, default=None
        Seeds the starts and `sample`. None follows numpy's global state; a generator that is passed advances.
    warm_start : bool, default=False
        Whether the next `fit` continues where the last one ended: thirty fits of one pass are one fit of thirty.
    verbose : int, default=0
        1 prints the passes, 2 their times as well.
    verbose_interval : int, default=10
        Passes between two lines.
    n_threads : int, default=None
        *Beyond*: threads of a pass; None takes all usable cores, and no more than BLAS is allowed by
        ``threadpoolctl``. The result is bitwise the same for every number.

    Attributes
    ----------
    weights_ : ndarray of shape (K,)
    means_ : ndarray of shape (K, d)
    covariances_, precisions_, precisions_cholesky_ : ndarray
        (K, d, d) for "full", (d, d) for "tied", (K, d) for "diag", (K,) for "spherical". These five are read-only in
        place; assigned anew they change the mixture, or are refused.
    converged_ : bool
    n_iter_ : int
        Passes of the best start.
    lower_bound_ : float
        Mean log-likelihood of the returned parameters, in nats per unit weight.
    lower_bounds_ : list of float
        What each pass measured, before its update.
    history_ : Trace
        *Beyond*: objective and seconds of each pass, and the reason for stopping.
    n_parameters_ : int
        *Beyond*: number of free parameters.
    n_features_in_ : int
    feature_names_in_ : ndarray of str
        Where all columns had text names.

    References
    ----------
    A. P. Dempster, N. M. Laird, D. B. Rubin (1977). Maximum likelihood from incomplete data via the EM algorithm.
    *Journal of the Royal Statistical Society B* 39, 1-38. C. M. Bishop (2006). *Pattern Recognition and Machine
    Learning*, section 9.2.

    Examples
    --------
    >>> import numpy as np
    >>> from gmm import GaussianMixture
    >>> X = np.array([[1, 2], [1, 4], [1, 0], [10, 2], [10, 4], [10, 0]])
    >>> mixture = GaussianMixture(n_components=2, random_state=0).fit(X)
    >>> mixture.means_.round(6)
    array([[10.,  2.],
           [ 1.,  2.]])
    >>> mixture.predict([[0, 0], [12, 3]])
    array([1, 0])
    """

    converged_: bool
    n_iter_: int
    lower_bound_: float
    lower_bounds_: list[float]
    history_: Trace

    _parameters: MixtureParameters | None = None
    _dtype: np.dtype[Any] = np.dtype(np.float64)
    _bounds_before: tuple[float, ...] = ()

    def __init__(
        self,
        n_components: int = 1,
        *,
        covariance_type: str = DEFAULT_COVARIANCE_TYPE,
        tol: float = 1e-3,
        reg_covar: float = 1e-6,
        max_iter: int = 100,
        n_init: int = 1,
        init_params: str | ArrayLike | Callable[..., ArrayLike] = "kmeans",
        weights_init: ArrayLike | None = None,
        means_init: ArrayLike | None = None,
        precisions_init: ArrayLike | None = None,
        random_state: int | np.random.RandomState | np.random.Generator | None = None,
        warm_start: bool = False,
        verbose: int = 0,
        verbose_interval: int = 10,
        n_threads: int | None = None,
    ) -> None:
        self.n_components = n_components
        self.covariance_type = covariance_type
        self.tol = tol
        self.reg_covar = reg_covar
        self.max_iter = max_iter
        self.n_init = n_init
        self.init_params = init_params
        self.weights_init = weights_init
        self.means_init = means_init
        self.precisions_init = precisions_init
        self.random_state = random_state
        self.warm_start = warm_start
        self.verbose = verbose
        self.verbose_interval = verbose_interval
        self.n_threads = n_threads

    def fit(
        self,
        X: ArrayLike,
        y: object = None,
        sample_weight: ArrayLike | None = None,
        callback: Callable[[Iteration], object] | None = None,
    ) -> GaussianMixture:
        """Estimate the mixture from rows.

        Parameters
        ----------
        X : array-like of shape (n, d)
            Rows. float32 gives float32 results; whole numbers are taken as float64.
        y : ignored
        sample_weight : array-like of shape (n,), default=None
            *Beyond*: a row of weight 2 counts as two rows.
        callback : callable, default=None
            *Beyond*: called with an `Iteration` after each pass; a true answer ends the fit.

        Returns
        -------
        GaussianMixture
            The estimator itself.

        Raises
        ------
        ValueError, TypeError
            For input that cannot be used, and where it is at fault; and with ``reg_covar=0`` for a component whose
            covariance is singular. The estimator is then what it was before.

        Warns
        -----
        ConvergenceWarning
            If `max_iter` passes did not meet `tol`, or a component lost its rows and was given a new place.
        """
        check_parameters(self, STARTS)
        check_callback(callback)
        source, names = self._source_to_fit(X, sample_weight)
        model = covariance_model(self.covariance_type)
        printer = ProgressPrinter(int(self.verbose), self.verbose_interval, self.n_init)

        def watched(iteration: Iteration) -> bool:
            printer.step(iteration)
            return callback is not None and bool(callback(iteration))

        resume = self._resumed(model, source.n_features)
        try:
            fit = fit_mixture(
                source,
                self._settings(source, model),
                check_random_state(self.random_state),
                resume=resume,
                before=self._bounds_before if resume else (),
                callback=watched,
                on_end=printer.end,
            )
        except SingularMatrixError as error:
            raise ValueError(f"{_ILL_DEFINED} {_where(error.component, model)}") from None
        self._adopt(fit, source, names)
        return self

    def fit_predict(
        self,
        X: ArrayLike,
        y: object = None,
        sample_weight: ArrayLike | None = None,
        callback: Callable[[Iteration], object] | None = None,
    ) -> NDArray[np.intp]:
        """Fit, and return the most probable component of each row, (n,); as ``fit(X).predict(X)``."""
        return self.fit(X, y, sample_weight, callback).predict(X)

    def predict(self, X: ArrayLike) -> NDArray[np.intp]:
        """The most probable component of each row, (n,)."""
        source = self._source(X)
        labels = self._scorer().rows(source, labels=True).labels
        assert labels is not None  # it was asked for
        return labels

    def predict_proba(self, X: ArrayLike) -> NDArray[Any]:
        """The responsibilities of the components for each row, (n, K), in the type of X."""
        source = self._source(X)
        responsibilities = self._scorer().rows(source, responsibilities=True).responsibilities
        assert responsibilities is not None  # it was asked for
        return responsibilities

    def score_samples(self, X: ArrayLike) -> NDArray[Any]:
        """The log-likelihood of each row, (n,), in nats and the type of X."""
        source = self._source(X)
        log_evidence = self._scorer().rows(source, log_evidence=True).log_evidence
        assert log_evidence is not None  # it was asked for
        return log_evidence.astype(source.dtype, copy=False)

    def score(
        self, X: ArrayLike, y: object = None, sample_weight: ArrayLike | None = None
    ) -> float:
        """The mean log-likelihood, in nats per unit weight."""
        source = self._source(X, sample_weight)
        return self._scorer().log_likelihood(source) / source.survey.weight

    def bic(self, X: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """The Bayesian information criterion, smaller is better; n is the sum of the weights."""
        source = self._source(X, sample_weight)
        loglik = self._scorer().log_likelihood(source)
        return criteria.bic(loglik, self.n_parameters_, source.survey.weight)

    def aic(self, X: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Akaike's information criterion, smaller is better."""
        source = self._source(X, sample_weight)
        return criteria.aic(self._scorer().log_likelihood(source), self.n_parameters_)

    def icl(self, X: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """The integrated completed likelihood, smaller is better; *beyond*.

        BIC with the classification log-likelihood Σ_i w_i max_k log ρ_ik (Biernacki, Celeux & Govaert 2000).
        """
        source = self._source(X, sample_weight)
        loglik = self._scorer().classification_log_likelihood(source)
        return criteria.icl(loglik, self.n_parameters_, source.survey.weight)

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
        return rows.astype(self._dtype, copy=False), labels

    @classmethod
    def from_parameters(
        cls,
        weights: ArrayLike,
        means: ArrayLike,
        covariances: ArrayLike,
        *,
        covariance_type: str = DEFAULT_COVARIANCE_TYPE,
        feature_names: Sequence[str] | None = None,
    ) -> GaussianMixture:
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
        parameters = MixtureParameters(
            *check_parameters_given(weights, means, covariances, model), model
        )
        estimator = cls(parameters.n_components, covariance_type=covariance_type)
        estimator._parameters = parameters
        names = None if feature_names is None else np.array(feature_names, dtype=object)
        estimator._record_features(parameters.n_features, names)
        return estimator

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted mixture to `path`, in a format that holds numbers only; *beyond*.

        A `random_state` or `init_params` that is more than a number or a name is not saved.
        """
        parameters = self._fitted()
        header = {
            "class": type(self).__name__,
            "parameters": {k: v for k, v in self.get_params().items() if _is_plain(v)},
            "covariance_model": parameters.model.name,
            "dtype": self._dtype.name,
            "feature_names": [str(name) for name in getattr(self, "feature_names_in_", ())],
        }
        arrays = {
            "weights": parameters.weights,
            "means": parameters.means,
            "covariances": parameters.covariances,
        }
        if "history_" in vars(self):
            trace = self.history_
            header |= {"reason": trace.reason, "converged": trace.converged, "start": trace.start}
            header["lower_bound"] = self.lower_bound_
            arrays["lower_bounds"] = np.array(trace.lower_bounds)
            arrays["seconds"] = np.array(trace.seconds)
        save_state(path, header, arrays)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> GaussianMixture:
        """Read what `save` wrote; *beyond*.

        Raises
        ------
        ValueError
            If the file is no saved model, or of a newer version.
        """
        header, arrays = load_state(path)
        if header.get("class") != cls.__name__:
            raise ValueError(f"{path} holds {header.get('class')!r}, expected {cls.__name__!r}")
        estimator = cls.from_parameters(
            arrays["weights"],
            arrays["means"],
            arrays["covariances"],
            covariance_type=header["covariance_model"],
            feature_names=header["feature_names"] or None,
        )
        estimator.set_params(**header["parameters"])
        estimator._dtype = np.dtype(header["dtype"])
        if "lower_bound" in header:
            trace = Trace(
                tuple(arrays["lower_bounds"].tolist()),
                tuple(arrays["seconds"].tolist()),
                header["reason"],
                header["converged"],
                header["start"],
            )
            estimator._record_climb(trace, header["lower_bound"])
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
        precisions = np.array(values, dtype=np.float64)
        self._assign(covariances=self._model().layout.inverse(precisions, precisions.shape[-1]))

    @property
    def precisions_cholesky_(self) -> NDArray[Any]:
        """Upper triangular factors of the precisions, or 1/σ, in their shape."""
        parameters = self._fitted()
        return self._shown(parameters.model.layout.transposed(parameters.whiteners))

    @precisions_cholesky_.setter
    def precisions_cholesky_(self, values: ArrayLike) -> None:
        layout = self._model().layout
        self.precisions_ = layout.gram(layout.transposed(np.array(values, dtype=np.float64)))

    @property
    def n_parameters_(self) -> int:
        """Number of free parameters."""
        return self._fitted().n_parameters

    def __sklearn_is_fitted__(self) -> bool:
        """Tell whether there is a mixture to score with."""
        return self._parameters is not None

    def __repr__(self) -> str:
        """The call that makes the estimator; once fitted, the mixture below it."""
        call = super().__repr__()
        if self._parameters is None:
            return call
        history, names = vars(self).get("history_"), getattr(self, "feature_names_in_", None)
        return f"{call}\n{summary(self._parameters, history, names)}"

    def _fitted(self) -> MixtureParameters:
        check_is_fitted(self)
        assert self._parameters is not None  # this is what was checked
        return self._parameters

    def _model(self) -> CovarianceModel:
        if self._parameters is not None:
            return self._parameters.model
        return covariance_model(self.covariance_type)

    def _shown(self, values: Array) -> NDArray[Any]:
        """An attribute's array, in the type of the data; writing into it would be lost, so it is refused."""
        shown = values.astype(self._dtype, copy=False)
        shown.flags.writeable = False
        return shown

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
        self._parameters = MixtureParameters(*check_parameters_given(**parts, model=model), model)
        self._bounds_before = ()
        if "n_features_in_" not in vars(self):
            self._record_features(self._parameters.n_features, None)

    def _scorer(self) -> Scorer:
        return Scorer(self._fitted(), self.n_threads)

    def _source(self, X: ArrayLike, sample_weight: ArrayLike | None = None) -> ArraySource:
        """Rows to score."""
        rows = self._rows(X)
        source = as_source(rows, check_sample_weight(sample_weight, len(rows)))
        if source.survey.nonfinite is not None:
            names = getattr(self, "feature_names_in_", None)
            raise_nonfinite(rows, *source.survey.nonfinite, estimator=self, feature_names=names)
        return source

    def _source_to_fit(
        self, X: ArrayLike, sample_weight: ArrayLike | None
    ) -> tuple[ArraySource, NDArray[np.object_] | None]:
        rows, names = check_rows(X, estimator=self, min_rows=2)
        weight = check_sample_weight(sample_weight, len(rows))
        n_used = len(rows) if weight is None else int(np.count_nonzero(weight))
        check_enough_rows(n_used, self.n_components)
        source = as_source(rows, weight)
        survey = source.survey
        if survey.nonfinite is not None:
            raise_nonfinite(rows, *survey.nonfinite, estimator=self, feature_names=names)
        reach = survey.reach(survey.centre)
        column = int(np.argmax(reach))
        if not reach[column] < _LARGEST_REACH:
            row = int(np.argmax(np.abs(rows[:, column])))
            raise_too_large(
                rows, row, column, centre=survey.centre[column], estimator=self, feature_names=names
            )
        return source, names

    def _settings(self, source: ArraySource, model: CovarianceModel) -> FitSettings:
        K, d = self.n_components, source.n_features
        given = GivenStart(
            None if self.weights_init is None else check_weights_init(self.weights_init, K),
            None if self.means_init is None else check_means_init(self.means_init, K, d),
            None
            if self.precisions_init is None
            else check_precisions_init(self.precisions_init, K, d, model),
            None if isinstance(self.init_params, str) else self._responsibilities(source.rows),
        )
        return FitSettings(
            K,
            model,
            self.tol,
            self.reg_covar,
            self.max_iter,
            self.n_init,
            str(self.init_params) if given.responsibilities is None else "",
            given,
            self.n_threads,
        )

    def _responsibilities(self, rows: NDArray[Any]) -> Callable[[Rng], Array]:
        """What `init_params` gives when it is no name."""

        def given(rng: Rng) -> Array:
            start = self.init_params
            values = start(rows, self.n_components, rng) if callable(start) else start
            return check_responsibilities(values, len(rows), self.n_components)

        return given

    def _resumed(self, model: CovarianceModel, n_features: int) -> MixtureParameters | None:
        """The parameters that a warm start continues from."""
        if not self.warm_start or self._parameters is None:
            return None
        now = self._parameters
        fitted = (now.n_components, now.model.name, now.n_features)
        asked = (self.n_components, model.name, n_features)
        if fitted != asked:
            raise ValueError(
                "warm_start continues a fit of the same shape: expected (n_components, covariance_type, n_features) = "
                f"{fitted}, got {asked}. Set warm_start=False to begin anew."
            )
        return now

    def _adopt(
        self, fit: MixtureFit, source: ArraySource, names: NDArray[np.object_] | None
    ) -> None:
        climb = fit.climb
        self._parameters = climb.parameters
        self._dtype = source.dtype
        self._record_features(source.n_features, names)
        self._bounds_before = climb.trace.lower_bounds or self._bounds_before
        self._record_climb(climb.trace, climb.lower_bound)
        warn_about(fit, self.max_iter)

    def _record_climb(self, trace: Trace, lower_bound: float) -> None:
        self.history_ = trace
        self.converged_ = trace.converged
        self.n_iter_ = len(trace)
        self.lower_bound_ = lower_bound
        self.lower_bounds_ = list(trace.lower_bounds)


def warn_about(fit: MixtureFit, max_iter: int) -> None:
    """Warn of a fit that did not converge, and of components that lost their rows."""
    if not fit.climb.trace.converged and max_iter > 0:
        warnings.warn(_NOT_CONVERGED, raisable(ConvergenceWarning), stacklevel=4)
    if fit.repaired:
        listed = ", ".join(map(str, dict.fromkeys(fit.repaired)))
        warnings.warn(
            f"Component(s) {listed} lost all rows during the fit and were given half of the heaviest component. Fewer "
            "components, or another start, may suit the data better.",
            raisable(ConvergenceWarning),
            stacklevel=4,
        )


def _where(component: int, model: CovarianceModel) -> str:
    if model.layout.pooled:
        return "The covariance that all components share is singular."
    return f"The covariance of component {component} is singular."


def _is_plain(value: object) -> bool:
    return value is None or isinstance(value, str | int | float)

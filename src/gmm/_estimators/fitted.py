"""`FittedMixture`: everything a mixture does once it has parameters, however they were estimated.

Parameters as attributes, scores of rows, samples. Subclasses say what a fit maximises; their methods for fits and files
are the functions of `estimated` and `saved`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gmm._estimators.contract import (
    Estimator,
    as_dtype,
    as_public_array,
    given_names,
    names_of_features,
    record_features,
)
from gmm._estimators.outcome import FitRecord
from gmm._estimators.scorer import Scorer, log_evidence_of, place
from gmm._exceptions import warn
from gmm._passes.solver import Trace
from gmm._persistence import describe, metadata_of
from gmm._persistence.places import write_predictions
from gmm._rows.entrance import as_source, is_dask
from gmm._rows.sources import Source
from gmm._validation.combinations import refuse
from gmm._validation.given import check_array, check_precision_factors, check_spread, check_user_mixture
from gmm._validation.parameters import check_is_fitted, check_n_samples, check_random_state, options_with
from gmm._validation.scalars import check_whole
from gmm._values.covariance import CovarianceModel, covariance_model, with_factors
from gmm._values.layouts import Array
from gmm._values.objective import Objective
from gmm._values.parameters import PARTS, MixtureParameters
from gmm._values.tails import ContaminatedTails

if TYPE_CHECKING:
    from gmm._estimators.summary import Figures, Summary
    from gmm._frozen_mixture import FrozenMixture

_Mixture = TypeVar("_Mixture", bound="FittedMixture")
_DOUBLE: np.dtype[Any] = np.dtype(np.float64)
_INSTEAD = {  # of private methods of scikit-learn's classes, which subclasses override there
    "gmm.em.e_step and m_step are for a loop of your own; fixed, prior and max_ratio restrict updates": """
        _e_step _m_step _compute_lower_bound _get_parameters _set_parameters _estimate_means _estimate_precisions
        _estimate_weights _estimate_wishart_full _estimate_wishart_tied _estimate_wishart_diag
        _estimate_wishart_spherical""",
    "init_params may be a callable, and means_init an array": "_initialize _initialize_parameters",
    "noise and tails change the density of a fit; score_samples and predict_proba may be overridden":
        "_estimate_log_prob _estimate_log_prob_resp _estimate_log_weights _estimate_weighted_log_prob",
    "fit takes a callback": "_print_verbose_msg_init_beg _print_verbose_msg_init_end _print_verbose_msg_iter_end",
    "override fit": """
        _check_parameters _check_means_parameters _check_precision_parameters _check_weights_parameters
        _checkcovariance_prior_parameter""",
    "override bic and aic": "_n_parameters",
}  # fmt: skip


class FittedMixture(Estimator):
    """Base class of estimators that hold one mixture once they are fitted, whose parameters say how."""

    n_components: int
    covariance_type: str
    random_state: int | np.random.RandomState | np.random.Generator | None
    n_threads: int | None
    reg_covar: float
    n_init: int
    tol: float
    max_iter: int
    init_params: str | ArrayLike | Callable[..., ArrayLike]
    warm_start: bool
    verbose: int
    verbose_interval: int
    acceleration: str | None
    noise: bool | float | ArrayLike
    missing: str
    converged_: bool
    n_iter_: int
    lower_bound_: float
    classes_: NDArray[Any]
    component_classes_: NDArray[Any]
    lower_bounds_: list[float]
    history_: Trace
    histories_: tuple[Trace, ...]
    metadata = property(metadata_of)

    _variational: ClassVar[bool] = False  # whether a posterior is fitted; its bounds and `tol` are nats in all
    _bound_name: ClassVar[str] = "mean log-likelihood"
    _objective: ClassVar[tuple[str, str]] = ("log-likelihood", "nats per row")
    _parameters: MixtureParameters | None = None
    _dtype: np.dtype[Any] = _DOUBLE
    _last_fit: FitRecord = FitRecord()

    def __init_subclass__(cls, **how: Any) -> None:
        """Warn of private methods of scikit-learn's class that a subclass defines, since nothing calls them here."""
        super().__init_subclass__(**how)
        ours = [base for base in cls.__bases__ if issubclass(base, FittedMixture)]
        for instead, names in _INSTEAD.items():
            for name in names.split():
                if hasattr(cls, name) and not any(hasattr(base, name) for base in ours):
                    warn(f"{cls.__name__}.{name} overrides nothing, and is never called: {instead}", UserWarning)

    def predict(self, X: ArrayLike, *, out: Any = None, error_covariance: Any = None) -> NDArray[np.intp]:
        """Predict the most probable component of each row.

        Parameters
        ----------
        X : array-like or data frame of shape (n, d), data set, or what `open_rows` returns
        out : array of intp, shape (n,), default=None
            *Beyond*: where to write; it is also returned.
        error_covariance : array-like, default=None
            *Beyond*: of the rows' measurement errors, as in `fit` of a `GaussianMixture`; the rows are then compared
            with the mixture and their errors.

        Returns
        -------
        ndarray of int, shape (n,)
            −1 where noise is more probable than any component.
        """
        if is_dask(X) and error_covariance is None:
            return self._lazily("predict", X, out, np.dtype(np.intp))
        source = source_of(self, X, error_covariance=error_covariance)
        labels = self._scorer().labels(source, place(out, source, labels=True))
        return labels if out is None else out

    def predict_to(self, X: ArrayLike, path: str | os.PathLike[str], *, responsibilities: bool = True) -> None:
        """Write the most probable component of each row to a file, and its responsibilities, by blocks; *beyond*.

        Parameters
        ----------
        X : array-like or data frame of shape (n, d), data set, or what `open_rows` returns
        path : str or os.PathLike
            Its suffix tells the format: .parquet, .arrow, .feather, .csv or .tsv. The file appears when it is complete.
        responsibilities : bool, default=True
            Whether to write them, as the columns p_0, p_1, ..., behind the columns row (numbers from 1) and component
            (from 0). ``gmm predict`` writes the same columns.

        Raises
        ------
        ValueError, TypeError
            If the rows are not those of the fit, or the suffix is unknown.
        OSError
            If the file cannot be written; one that was there is left as it was.
        ModuleNotFoundError
            If pyarrow is not installed.

        Examples
        --------
        >>> import gmm
        >>> from importlib.resources import files
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> faithful = gmm.open_rows(files("gmm") / "data" / "faithful.csv")
        >>> mixture = gmm.GaussianMixture(2, random_state=0).fit(faithful)
        >>> with TemporaryDirectory() as folder:
        ...     mixture.predict_to(faithful, Path(folder) / "labels.csv", responsibilities=False)
        ...     print((Path(folder) / "labels.csv").read_text()[:30])
        row,component
        1,0
        2,1
        3,0
        4,1
        """
        write_predictions(path, self._scorer().predicted(source_of(self, X), responsibilities=responsibilities))

    def predict_proba(self, X: ArrayLike, *, out: Any = None, error_covariance: Any = None) -> NDArray[Any]:
        """Compute the responsibilities: the probability of each component given each row.

        A row may be so far away that its log density underflows float64 for every component. It then belongs to the
        nearest component, with distances in each component's own standard deviations; components equally near share it.

        Parameters
        ----------
        X : array-like or data frame of shape (n, d), data set, or what `open_rows` returns
        out : C-contiguous array of the result's dtype, shape (n, K), default=None
            *Beyond*: where to write; it is also returned.
        error_covariance : array-like, default=None
            *Beyond*: as in `predict`.

        Returns
        -------
        ndarray of shape (n, K)
            Rows sum to 1 or, beside noise, to less: the rest is the probability of noise. float32 for float32 rows,
            else float64.
        """
        K = fitted_parameters(self).n_components
        if is_dask(X) and error_covariance is None:
            return self._lazily("predict_proba", X, out, shape=(K,))
        source = source_of(self, X, error_covariance=error_covariance)
        responsibilities = self._scorer().responsibilities(source, place(out, source, n_columns=K))
        return responsibilities if out is None else out

    def score_samples(self, X: ArrayLike, *, out: Any = None, error_covariance: Any = None) -> NDArray[Any]:
        """Compute the log-likelihood of each row.

        Parameters
        ----------
        X : array-like or data frame of shape (n, d), data set, or what `open_rows` returns
        out : C-contiguous array of the result's dtype, shape (n,), default=None
            *Beyond*: where to write; it is also returned.
        error_covariance : array-like, default=None
            *Beyond*: as in `predict`.

        Returns
        -------
        ndarray of shape (n,)
            The log density, in nats: positive where the density is above 1 per unit of the columns, as where these vary
            little. float32 for float32 rows, else float64. −∞ where it underflows that type: beyond about 1e154
            standard deviations in float64 and 2e19 in float32. With heavy tails or factors in low rank, rows beyond
            1e150 standard deviations count as if they were there.
        """
        if is_dask(X) and error_covariance is None:
            return self._lazily("score_samples", X, out)
        source = source_of(self, X, error_covariance=error_covariance)
        values = log_evidence_of(self._scorer(), source, place(out, source))
        return values if out is None else out

    def score(
        self, X: ArrayLike, y: object = None, sample_weight: ArrayLike | None = None, *, error_covariance: Any = None
    ) -> float:
        """Compute the mean log-likelihood of the rows.

        Parameters
        ----------
        X : array-like or data frame of shape (n, d), data set, or what `open_rows` returns
        y : ignored
        sample_weight : array-like of shape (n,), default=None
            *Beyond*: weights of the rows.
        error_covariance : array-like, default=None
            *Beyond*: as in `predict`.

        Returns
        -------
        float
            In nats per unit weight; without weights, the mean of ``score_samples(X)``.
        """
        return self._scorer().score(source_of(self, X, sample_weight, error_covariance=error_covariance))

    def log_likelihood(
        self, X: ArrayLike, sample_weight: Any = None, *, classified: bool = False, error_covariance: Any = None
    ) -> float:
        """Compute the total log-likelihood of the rows; *beyond*.

        Parameters
        ----------
        X : array-like or data frame of shape (n, d), data set, or what `open_rows` returns
        sample_weight : array-like of shape (n,), default=None
        classified : bool, default=False
            Count each row under its most probable component only: the classification log-likelihood, which ICL uses.
        error_covariance : array-like, default=None
            As in `predict`.

        Returns
        -------
        float
            In nats: Σ_i w_i log Σ_k ρ_ik or, if `classified`, Σ_i w_i max_k log ρ_ik, where ρ_ik is the joint density
            of row i and component k.
        """
        source, scorer = source_of(self, X, sample_weight, error_covariance=error_covariance), self._scorer()
        refuse("heavy tails", {"classified=True": classified and fitted_parameters(self).tails})
        return scorer.classification_log_likelihood(source) if classified else scorer.log_likelihood(source)

    def sample(
        self, n_samples: int = 1, random_state: int | np.random.RandomState | np.random.Generator | None = None
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
            Its results are those of this estimator's methods, but for rows with missing values, which get NaN and the
            label −1. Later changes of the estimator do not reach it. Its `metadata` are this estimator's, and
            "feature_names" if the estimator knows them.
        """
        names = given_names(self)
        return describe(self._scorer().frozen(), ({"feature_names": names} if names else {}) | self.metadata)

    @property
    def weights_(self) -> NDArray[Any]:
        """Weights π_k, (K,), read-only; assign a changed copy."""
        return self._public(fitted_parameters(self).weights)

    @weights_.setter
    def weights_(self, values: ArrayLike) -> None:
        self._assign(weights=values)

    @property
    def means_(self) -> NDArray[Any]:
        """Means μ_k, (K, d), read-only; assign a changed copy."""
        return self._public(fitted_parameters(self).means)

    @means_.setter
    def means_(self, values: ArrayLike) -> None:
        self._assign(means=values)

    @property
    def covariances_(self) -> NDArray[Any]:
        """Covariances Σ_k, in the shape of the covariance type, read-only; assign a changed copy."""
        return self._public(fitted_parameters(self).written_out)

    @covariances_.setter
    def covariances_(self, values: ArrayLike) -> None:
        self._assign(covariances=values)

    @property
    def precisions_(self) -> NDArray[Any]:
        """Inverses of the covariances, in the same shape."""
        parameters = fitted_parameters(self)
        return self._public(parameters.model.layout.gram(parameters.whiteners))

    @precisions_.setter
    def precisions_(self, values: ArrayLike) -> None:
        model = self._model()
        K, d = self._shape_for(values)
        precisions, _ = check_spread(values, "precision", K, d, model)
        self._assign(covariances=model.layout.inverse(precisions, d))

    @property
    def precisions_cholesky_(self) -> NDArray[Any]:
        """Upper triangular factors of the precisions, or 1/σ, in the same shape."""
        parameters = fitted_parameters(self)
        return self._public(parameters.model.layout.transposed(parameters.whiteners))

    @precisions_cholesky_.setter
    def precisions_cholesky_(self, values: ArrayLike) -> None:
        self.precisions_ = check_precision_factors(values, *self._shape_for(values), self._model().layout)

    @property
    def n_parameters_(self) -> int:
        """Number of free parameters."""
        return fitted_parameters(self).n_parameters

    def _objective_of(self, source: Source, model: CovarianceModel) -> Objective:
        """What the parameters ask to maximise over mixtures of the rows."""
        raise NotImplementedError

    def __sklearn_is_fitted__(self) -> bool:
        return self._parameters is not None

    def __str__(self) -> str:
        """Return the constructor call and, once fitted, a summary of the mixture below it."""
        return super().__str__() if self._parameters is None else f"{self!r}\n{summary_of(self)}"

    def _html_parts(self) -> list[object]:
        return [] if self._parameters is None else summary_of(self).html()

    def _model(self) -> CovarianceModel:
        return model_of(self) if self._parameters is None else self._parameters.model.whole

    def _shape_for(self, values: ArrayLike) -> tuple[int, int]:
        """K and d of the mixture or, before a fit, those that such covariances imply."""
        if self._parameters is not None:
            return self._parameters.n_components, self._parameters.n_features
        shape = np.shape(values)
        return check_whole(self.n_components, "n_components"), shape[-1] if len(shape) > 1 else 1

    def _public(self, values: Array) -> NDArray[Any]:
        return as_public_array(values, self._dtype)

    def _assign(self, **given: ArrayLike) -> None:
        """Set parameters by hand; an unfitted estimator counts as fitted once it has all three."""
        before, parts = self._parameters and self._parameters.whole(), dict(vars(self).get("_assigned", {}))
        if before is not None:
            refuse("noise", {"assigned parameters": before.noise})
            parts = {name: getattr(before, name) for name in PARTS}
            given = {name: check_array(values, f"{name}_", parts[name].shape) for name, values in given.items()}
        parts |= given
        if len(parts) < len(PARTS):
            self._assigned = parts
            return
        checked = check_user_mixture(**parts, model=self._model())
        if before is None and len(checked.means) != (K := check_whole(self.n_components, "n_components")):
            raise ValueError(f"expected means_ of {K} components, got {len(checked.means)}")
        self._parameters = checked if before is None else checked.with_other(tails=before.tails)
        # The record of the fit does not describe these parameters.
        for name in ("history_", "histories_", "converged_", "n_iter_", "lower_bound_", "lower_bounds_", "_metadata"):
            vars(self).pop(name, None)
        if "n_features_in_" not in vars(self):
            record_features(self, checked.n_features, None)

    @property
    def noise_weight_(self) -> float:
        """Weight of the noise, which the components leave; 0 without."""
        return fitted_parameters(self).noise_weight

    def _lazily(
        self, method: str, X: Any, out: Any, dtype: np.dtype[Any] | None = None, shape: tuple[int, ...] = (), **how: str
    ) -> Any:
        """Return a Dask array of what a method gives for each partition of a Dask collection."""
        from gmm._rows.dask import mapped

        if out is not None:
            raise TypeError(f"expected out=None with a Dask collection, whose {method} is a Dask array")
        names, settings = vars(self).get("feature_names_in_"), {"missing": self.missing, "n_threads": 1}
        other = estimator_of(type(self), fitted_parameters(self), names, self._dtype, **settings)
        return mapped(partial(getattr(other, method), **how), X, dtype, shape)

    def _scorer(self) -> Scorer:
        return Scorer(fitted_parameters(self), self.n_threads)


def model_of(mixture: FittedMixture, n_features: int | None = None) -> CovarianceModel:
    """Return the covariance model that the parameters of an estimator ask for, checked for rows of so many features.

    Raises
    ------
    ValueError
        If there is none.
    """
    return covariance_model(with_factors(mixture.covariance_type, vars(mixture).get("n_factors")), n_features)


def objective_of(mixture: FittedMixture, source: Source, model: CovarianceModel) -> Objective:
    """Return what the parameters of an estimator ask to maximise over mixtures of the rows."""
    return mixture._objective_of(source, model)


def fitted_parameters(mixture: FittedMixture) -> MixtureParameters:
    """Return the parameters of a fitted mixture.

    Raises
    ------
    NotFittedError
        If the mixture has no parameters yet.
    """
    check_is_mixture(mixture)
    check_is_fitted(mixture)
    assert mixture._parameters is not None  # this is what was checked
    return mixture._parameters


def check_is_mixture(mixture: object) -> None:
    """Check that this is a mixture of this package, fitted or not.

    Raises
    ------
    TypeError
        If it is something else.
    """
    if not isinstance(mixture, FittedMixture):
        what = f"the class {mixture.__name__}" if isinstance(mixture, type) else type(mixture).__name__
        raise TypeError(
            f"expected a GaussianMixture or a BayesianGaussianMixture, got {what}; of a pipeline pass the last step, "
            "of a search its mixture: .best of a Selection, .best_estimator_ of an estimator"
        )


def record_of(mixture: FittedMixture) -> FitRecord:
    """Return what continues from the present mixture; that of an estimator without one has no parameters."""
    record, parameters = mixture._last_fit, mixture._parameters
    return record if record.parameters is parameters else FitRecord(parameters)


def source_of(
    mixture: FittedMixture,
    X: ArrayLike,
    sample_weight: Any = None,
    *,
    missing: Any = None,
    error_covariance: Any = None,
) -> Source:
    """Check rows that a fitted mixture is to score.

    Parameters
    ----------
    mixture : FittedMixture
    X : array-like of shape (n, d) or a source of rows
    sample_weight : array-like of shape (n,), optional
    missing : {"error", "em"}, optional
        What NaN is; None takes the mixture's parameter.
    error_covariance : array-like, optional
        Of the rows' measurement errors.

    Returns
    -------
    Source
        The rows, their weights and their errors.

    Raises
    ------
    NotFittedError
        If the mixture has no parameters yet.
    ValueError, TypeError
        If the rows or weights are invalid, or do not have the features that the mixture was fitted on.
    """
    fitted_parameters(mixture)
    refuse("error_covariance", {"BayesianGaussianMixture": error_covariance is not None and mixture._variational})
    missing, names = mixture.missing if missing is None else missing, vars(mixture).get("feature_names_in_")
    how: dict[str, Any] = {"feature_names": names, "missing": missing, "error_covariance": error_covariance}
    return as_source(X, sample_weight, estimator=mixture, n_features=mixture.n_features_in_, **how)[0]


def rows_of_fit(mixture: FittedMixture, X: ArrayLike, sample_weight: Any, error_covariance: Any) -> Source:
    """Check rows as `source_of` does, for what depends on the errors that the rows of the fit have.

    Raises
    ------
    ValueError
        If the rows of the fit had errors, and these have none.
    """
    source = source_of(mixture, X, sample_weight, error_covariance=error_covariance)
    if record_of(mixture).beside_errors and not source.errors:
        raise ValueError(
            "the mixture was fitted to rows with errors: expected the error_covariance of these rows, got None; give "
            "zeros for true values"
        )
    return source


def set_mixture(
    mixture: FittedMixture,
    parameters: MixtureParameters,
    names: NDArray[np.object_] | None,
    dtype: np.dtype[Any],
    **fit: Any,
) -> None:
    """Set the parameters of an estimator, the names of their features, the type of its arrays, and what else is given.

    All at once, so that fits in several threads do not mix.
    """
    vars(mixture).pop("_metadata", None)  # of other parameters
    vars(mixture).update(fit | {"_parameters": parameters, "_dtype": dtype})
    record_features(mixture, parameters.n_features, names)


def estimator_of(
    kind: type[_Mixture],
    parameters: MixtureParameters,
    names: NDArray[np.object_] | None = None,
    dtype: np.dtype[Any] = _DOUBLE,
    **settings: Any,
) -> _Mixture:
    """Return an estimator that has a mixture, with these parameters of a fit and those that follow from the mixture."""
    own = {"covariance_type": parameters.model.type_name, "noise": parameters.noise.parameter}
    own |= parameters.tails.parameters
    make: Callable[..., _Mixture] = kind
    mixture = make(**{"n_components": parameters.n_components} | own | settings)
    set_mixture(mixture, parameters, names, dtype)
    return mixture


def lasting_settings(model: Estimator) -> dict[str, Any]:
    """Return the parameters that do not end with a fit: a mixture that is made of this one has them too."""
    return {name: getattr(model, name) for name in options_with("lasting")}


def summary_of(mixture: FittedMixture, figures: Figures | None = None) -> Summary:
    """Return the summary of a fitted mixture with figures of rows; without, with those of its fit."""
    from gmm._estimators.summary import Summary

    of_mixture = fitted_parameters(mixture), record_of(mixture), names_of_features(mixture), mixture._bound_name
    return Summary.of(vars(mixture), *of_mixture, figures)


def checked_for(mixture: FittedMixture, use: str) -> MixtureParameters:
    """Return the parameters of a fitted mixture, for a use that may exclude features of it.

    Raises
    ------
    NotFittedError
        If the mixture has no parameters yet.
    CombinationError
        If it has one of these.
    """
    parameters = fitted_parameters(mixture)
    noise, tails = parameters.noise, parameters.tails
    refuse(use, {"noise": noise, "heavy tails": tails, "tails='contaminated'": tails.name == ContaminatedTails.name})
    return parameters

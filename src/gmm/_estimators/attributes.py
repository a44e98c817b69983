"""`MixtureEstimator`: the mixture of an estimator as attributes to read and assign, and the record of its last fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gmm import _persistence as archive
from gmm._estimators import contract
from gmm._estimators.contract import Estimator, given_names
from gmm._kernel.mstep import QuasiNewtonState
from gmm._passes.solver import Trace
from gmm._rows.input import rows_for
from gmm._rows.sources import Source
from gmm._validation import checks
from gmm._validation import parameters as options
from gmm._validation.combinations import check_compatible
from gmm._validation.rows import as_array, as_floats
from gmm._values.covariance import CovarianceModel, covariance_model
from gmm._values.layouts import Array
from gmm._values.parameters import MixtureParameters

if TYPE_CHECKING:
    from gmm._passes.stepwise import Stream

_Mixture = TypeVar("_Mixture", bound="MixtureEstimator")
_DOUBLE: np.dtype[Any] = np.dtype(np.float64)
CLASS_ATTRIBUTES = "classes_", "component_classes_"
_TRACE_ATTRIBUTES = "history_", "histories_", "converged_", "n_iter_", "lower_bound_", "lower_bounds_", "remarks_"
_FIT_ATTRIBUTES = *_TRACE_ATTRIBUTES, *CLASS_ATTRIBUTES, "_metadata"
_NUMBERS: dict[str, Callable[[MixtureParameters], Array]] = {
    "weights": lambda mixture: mixture.weights,
    "means": lambda mixture: mixture.means,
    "covariances": lambda mixture: mixture.written_out,
    "precisions": lambda mixture: mixture.model.layout.gram(mixture.whiteners),
    "precisions_cholesky": lambda mixture: mixture.model.layout.transposed(mixture.whiteners),
}


class FitRecord(NamedTuple):
    """What a fit stores for one that continues it.

    It is one value, for one mixture, so that threads that share an estimator never see parts of two fits.

    Parameters
    ----------
    parameters : MixtureParameters, optional
        The mixture that the fit found; the record is ignored if the estimator has another one.
    trace : Trace, optional
        Its passes.
    weight : float
        Weight of the rows; 0 where unknown.
    steps : array of shape (d,), optional
        Steps of the columns of the rows: `Survey.steps`.
    causes : array of uint8, shape (K,), optional
        Why components are degenerate: `Degeneracy.causes`.
    has_errors : bool
        Whether the rows had errors, so that the mixture is of true values.
    solver_state : QuasiNewtonState, optional
        Where an accelerated fit can continue.
    problem : tuple
        What `solver_state` maximises.
    stream : Stream, optional
        Statistics of rows that came block by block, or with a prior.
    prior_parts : tuple
        Prior and noise of `stream`; empty once it was loaded.
    shrunk : {"", "rows", "errors"}
        Why the fit has a prior that was not requested: rows that are few, or have errors.
    shrunk_by : array of shape (1 + d,), optional
        With errors: how many rows that prior counts as, and their standard deviations.
    """

    parameters: MixtureParameters | None = None
    trace: Trace | None = None
    weight: float = 0.0
    steps: Array | None = None
    causes: NDArray[np.uint8] | None = None
    has_errors: bool = False
    solver_state: QuasiNewtonState | None = None
    problem: tuple[object, ...] = ()
    stream: Stream | None = None
    prior_parts: tuple[object, ...] = ()
    shrunk: str = ""
    shrunk_by: NDArray[np.float64] | None = None

    @property
    def bounds(self) -> tuple[float, ...]:
        """The lower bound after each pass."""
        return self.trace.lower_bounds if self.trace else ()


class MixtureEstimator(Estimator):
    """Base class of estimators of one mixture, whose numbers can be read and assigned as attributes."""

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
    remarks_: dict[str, str]
    metadata = property(archive.metadata_of)
    _variational: ClassVar[bool] = False  # whether a posterior is fitted; its bounds and `tol` are nats in all
    _objective: ClassVar[tuple[str, str]] = ("log-likelihood", "nats per row")
    _mixture: MixtureParameters | None = None
    # Arrays that were read or assigned, their bytes at the last use, None before it, and whether they were assigned.
    _public: Mapping[str, tuple[NDArray[Any], bytes | None, bool]] = MappingProxyType({})
    _dtype: np.dtype[Any] = _DOUBLE
    _last_fit: FitRecord = FitRecord()

    @property
    def weights_(self) -> NDArray[Any]:
        """Weights π_k, (K,)."""
        return self._attribute("weights")

    @weights_.setter
    def weights_(self, values: ArrayLike) -> None:
        self._assign("weights", values)

    @property
    def means_(self) -> NDArray[Any]:
        """Means μ_k, (K, d)."""
        return self._attribute("means")

    @means_.setter
    def means_(self, values: ArrayLike) -> None:
        self._assign("means", values)

    @property
    def covariances_(self) -> NDArray[Any]:
        """Covariances Σ_k, in the shape of the covariance type."""
        return self._attribute("covariances")

    @covariances_.setter
    def covariances_(self, values: ArrayLike) -> None:
        self._assign("covariances", values)

    @property
    def precisions_(self) -> NDArray[Any]:
        """Inverses of the covariances, in the same shape."""
        return self._attribute("precisions")

    @precisions_.setter
    def precisions_(self, values: ArrayLike) -> None:
        self._assign("precisions", values)

    @property
    def precisions_cholesky_(self) -> NDArray[Any]:
        """Upper triangular factors of the precisions, or 1/σ, in the same shape."""
        return self._attribute("precisions_cholesky")

    @precisions_cholesky_.setter
    def precisions_cholesky_(self, values: ArrayLike) -> None:
        self._assign("precisions_cholesky", values)

    @property
    def n_parameters_(self) -> int:
        """Number of free parameters."""
        return fitted_parameters(self).n_parameters

    def __sklearn_is_fitted__(self) -> bool:
        assigned = self._public.keys()
        return self._mixture is not None or bool({"weights", "means"} <= assigned and assigned & checks.SPREADS)

    def __getstate__(self) -> dict[str, Any]:
        """Return the state of pickles and copies: the mixture, updated, and no array that others may change."""
        return vars(self) | ({} if self._parameters is None else {"_public": {}})

    def _public_array(self, values: Array) -> NDArray[Any]:
        return contract.as_public_array(values, self._dtype)

    def _attribute(self, name: str) -> NDArray[Any]:
        """Return the array that was assigned or read before, or else the mixture's numbers; changes of it count."""
        if name in self._public:
            return self._public[name][0]
        mixture = self._mixture or fitted_parameters(self)
        values = self._public_array(_NUMBERS[name](mixture))
        if self._variational or mixture.noise or np.ndim(mixture.tails.degrees):
            return values
        public: dict[str, Any] = vars(self).setdefault("_public", {})
        return public.setdefault(name, (values.copy(), values.tobytes(), False))[0]

    def _assign(self, name: str, values: ArrayLike) -> None:
        if self._mixture is not None:
            each = bool(np.ndim(self._mixture.tails.degrees))
            check_compatible("assigned parameters", {"noise": self._mixture.noise, "degrees_of_freedom='each'": each})
        others = {other: array for other, array in self._public.items() if other != name}
        self._public = others | {name: (as_floats(as_array(values, f"{name}_"), f"{name}_"), None, True)}

    @property
    def _parameters(self) -> MixtureParameters | None:
        """The mixture, with what was assigned or written into its arrays since its last use; None before a fit."""
        if not self._public:
            return self._mixture
        read = tuple(self._public.items())
        changed = {name: array for name, (array, seen, _) in read if seen != array.tobytes()}
        if not changed or not self.__sklearn_is_fitted__():
            return self._mixture
        before = None if self._mixture is None else self._mixture.to_dense()
        model = model_of(self) if before is None else before.model
        mixture = checks.check_assigned(changed, before, model)
        spreads, others = checks.SPREADS & changed.keys(), checks.SPREADS - changed.keys()
        used = [name for name, (_, seen, assigned) in read if assigned and seen is not None and name in others]
        for name in spreads if used else ():
            present = self._public_array(_NUMBERS[name](self._mixture or mixture))
            checks.check_sorted_once(name, changed[name], present, used[0])
        # The record of the fit does not describe these parameters.
        for name in _FIT_ATTRIBUTES:
            vars(self).pop(name, None)
        last = [(name, array, assigned or name in changed) for name, (array, _, assigned) in read]
        stale = others if spreads else ()
        self._public = {name: (array, array.tobytes(), assigned) for name, array, assigned in last if name not in stale}
        self._mixture = mixture
        if "n_features_in_" not in vars(self):
            contract.record_features(self, mixture.n_features, None)
        return mixture

    @property
    def noise_weight_(self) -> float:
        """Weight of the noise, 1 less the sum of `weights_`; 0 without noise."""
        return fitted_parameters(self).noise_weight


def fitted_parameters(mixture: object) -> MixtureParameters:
    """Return the parameters of a fitted mixture.

    Raises
    ------
    NotFittedError
        If the mixture has no parameters yet.
    """
    parameters = mixture._parameters if isinstance(mixture, MixtureEstimator) else None
    if parameters is None:
        check_is_mixture(mixture)
        options.check_is_fitted(mixture)
    assert parameters is not None  # it was checked
    return parameters


def check_is_mixture(mixture: object) -> None:
    """Check that this is a mixture of this package, fitted or not.

    Raises
    ------
    TypeError
        If it is something else.
    """
    if not isinstance(mixture, MixtureEstimator):
        found = f"the class {mixture.__name__}" if isinstance(mixture, type) else type(mixture).__name__
        raise TypeError(
            f"expected a GaussianMixture or a BayesianGaussianMixture, got {found}; pass the last step of a "
            "pipeline, and the mixture of a search: .best of a Selection, .best_estimator_ of an estimator"
        )


def model_of(mixture: MixtureEstimator, n_features: int | None = None) -> CovarianceModel:
    """Return the covariance model that the parameters of an estimator name, checked for rows of so many features.

    Raises
    ------
    ValueError
        If there is none.
    """
    return covariance_model(mixture.covariance_type, n_features, getattr(mixture, "n_factors", None))


def checked_for(mixture: MixtureEstimator, use: str) -> MixtureParameters:
    """Return the parameters of a fitted mixture, for a use that may not support its noise or tails.

    Raises
    ------
    NotFittedError
        If the mixture has no parameters yet.
    CombinationError
        If the use does not support them.
    """
    parameters = fitted_parameters(mixture)
    check_compatible(use, {"noise": parameters.noise, "heavy tails": parameters.tails})
    return parameters


def record_of(mixture: MixtureEstimator) -> FitRecord:
    """Return the record of the present mixture; without one it has no parameters."""
    record, parameters = mixture._last_fit, mixture._parameters
    return record if record.parameters is parameters else FitRecord(parameters)


def source_of(
    mixture: MixtureEstimator,
    X: ArrayLike,
    sample_weight: Any = None,
    *,
    missing: Any = None,
    error_covariance: Any = None,
) -> Source:
    """Check rows that a fitted mixture will score.

    Parameters
    ----------
    mixture : MixtureEstimator
    X : array-like of shape (n, d) or a source of rows
    sample_weight : array-like of shape (n,), optional
    missing : {"error", "em"}, optional
        How NaN is treated; None uses the mixture's parameter.
    error_covariance : array-like, optional
        Covariance of the rows' measurement errors.

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
    if error_covariance is not None:
        check_compatible("error_covariance", {"BayesianGaussianMixture": mixture._variational})
    return rows_for(mixture, X, sample_weight, missing=missing, error_covariance=error_covariance)


def rows_of_fit(mixture: MixtureEstimator, X: ArrayLike, sample_weight: Any, error_covariance: Any) -> Source:
    """Check rows as `source_of` does, and that they have errors if the rows of the fit had some.

    Raises
    ------
    ValueError
        If the rows of the fit had errors, and these have none.
    """
    source = source_of(mixture, X, sample_weight, error_covariance=error_covariance)
    if record_of(mixture).has_errors and not source.errors:
        raise ValueError(
            "the mixture was fitted to rows with errors: expected the error_covariance of these rows, got None; pass "
            "zeros for true values"
        )
    return source


def set_mixture(
    mixture: MixtureEstimator,
    parameters: MixtureParameters,
    names: NDArray[np.object_] | None,
    dtype: np.dtype[Any],
    **fit: Any,
) -> None:
    """Set the parameters of an estimator, the names of their features, the type of its arrays, and further attributes.

    They are set at once, so that fits in several threads do not mix.
    """
    vars(mixture).pop("_metadata", None)  # it describes other parameters
    vars(mixture).update(fit | {"_mixture": parameters, "_public": {}, "_dtype": dtype})
    contract.record_features(mixture, parameters.n_features, names)


def fit_attributes(trace: Trace, lower_bound: float, traces: tuple[Trace, ...]) -> dict[str, Any]:
    """Return the attributes that describe how a fit went."""
    bounds = trace.records[:, 0].tolist()
    return {
        "history_": trace,
        "histories_": traces,
        "converged_": trace.converged,
        "n_iter_": len(bounds),
        "lower_bound_": lower_bound,
        "lower_bounds_": bounds,
        "remarks_": {},
    }


def estimator_of(
    kind: type[_Mixture],
    parameters: MixtureParameters,
    names: NDArray[np.object_] | None = None,
    dtype: np.dtype[Any] = _DOUBLE,
    **settings: Any,
) -> _Mixture:
    """Return an estimator with a mixture, with these settings and those that follow from the mixture."""
    implied = {"covariance_type": parameters.model.type_name, "noise": parameters.noise.parameter}
    implied |= parameters.tails.parameters
    make: Callable[..., _Mixture] = kind
    mixture = make(**{"n_components": parameters.n_components} | implied | settings)
    set_mixture(mixture, parameters, names, dtype)
    return mixture


def derived_estimator(
    mixture: MixtureEstimator,
    kind: type[_Mixture],
    parameters: MixtureParameters,
    columns: Any = slice(None),
    **kwargs: Any,
) -> _Mixture:
    """Return an estimator of another mixture of the same components, and of the same columns or some of them.

    It has their classes and names, the parameters that do not end with a fit, and those in `kwargs`.
    """
    names = given_names(mixture)
    new_names = np.array(names, object)[columns] if names else None
    other = estimator_of(kind, parameters, new_names, mixture._dtype, **persistent_settings(mixture) | kwargs)
    vars(other).update({name: vars(mixture)[name] for name in CLASS_ATTRIBUTES if name in vars(mixture)})
    return other


def persistent_settings(model: Estimator) -> dict[str, Any]:
    """Return the parameters that do not end with a fit: a mixture derived from this one has them too."""
    return {name: getattr(model, name) for name in options.options_with("persistent")}

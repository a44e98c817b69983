"""The validated request of a search: its cells, their common parameters, fixed components, and the time limit."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, product
from operator import index
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gmm._estimators.criteria import HELD_OUT
from gmm._estimators.mixture import GaussianMixture
from gmm._estimators.request import check_features, check_ridge, settings_of, stored_model
from gmm._estimators.scorer import Scorer
from gmm._fitting.degenerate import DegeneracyRule
from gmm._fitting.fit import COMPARISON_DEFAULTS
from gmm._fitting.moments import prior_of
from gmm._fitting.sampling import common_seed
from gmm._fitting.starts import FitSettings, StartSettings
from gmm._rows.sources import ArraySource, Source
from gmm._text.words import suggestion
from gmm._validation import checks
from gmm._validation.combinations import check_all_compatible, check_compatible
from gmm._validation.parameters import STARTS, check_parameters, options_with
from gmm._validation.scalars import as_list, check_whole, excerpt
from gmm._values import covariance
from gmm._values.covariance import CovarianceModel, covariance_model
from gmm._values.layouts import FULL, Array
from gmm._values.noise import Noise
from gmm._values.objective import Objective
from gmm._values.parameters import MixtureParameters
from gmm._values.tails import NORMAL_TAILS, StudentTails, Tails

CRITERION_ACCURACY = 0.025  # nats in all, to which a fit converges: 0.05 of a criterion


def kind_of(covariance_type: str, tails: str) -> str:
    """Return the short name of a covariance type and tails: "VVV", or "VVV t"."""
    return covariance_type if tails == NORMAL_TAILS.name else f"{covariance_type} {tails}"


class Key(NamedTuple):
    """The request of a cell."""

    n_components: int
    name: str
    tails: Tails = NORMAL_TAILS

    @property
    def kind(self) -> str:
        """Short name of the covariance type and tails."""
        return kind_of(self.name, self.tails.name)


class FixedComponents(NamedTuple):
    """The first components of every cell, with fixed means, and possibly fixed covariances.

    `mixture` has these components; its covariances are arbitrary if none is fixed. `precisions` are the given ones;
    None if none is fixed.
    """

    mixture: MixtureParameters
    precisions: Array | None = None

    def anchor(self, n_components: int, model: CovarianceModel) -> MixtureParameters:
        """Return a mixture with the fixed parameters; the others are arbitrary."""
        K, (n, d), first, layout = n_components, self.mixture.means.shape, self.mixture, model.layout
        order, weights = np.append(np.arange(n), np.zeros(K - n, np.intp)), np.full(K, 1 / K)
        covariances = first.covariances_of(order)
        if first.model.layout is not layout:
            dense = np.ascontiguousarray(first.model.layout.dense(covariances, K, d))
            covariances = layout.reduced(dense, FULL, d) / (K if layout.pooled else 1)
        if self.precisions is not None:
            covariances = model.constrained(covariances, weights)
        return MixtureParameters(weights, first.means[order], covariances, model, fixed=first.fixed.with_others(K - n))

    def masks(self, n_components: int) -> dict[str, NDArray[np.bool_]]:
        """Return the masks of a mixture of so many components, as the parameter `fixed` of `GaussianMixture`."""
        return self.mixture.fixed.with_others(n_components - self.mixture.n_components).masks

    def parts(self, mixture: MixtureParameters, model: CovarianceModel, source: Source) -> dict[str, Array]:
        """Return the parts of a mixture in which the fixed components replace the nearest ones, and are the first."""
        from scipy.optimize import linear_sum_assignment

        fixed, n = self.mixture.means, self.mixture.n_components
        low, high = source.survey.box
        steps = (fixed[:, None] - mixture.means) / np.where(high > low, high - low, 1.0)
        first = linear_sum_assignment(np.square(steps).sum(axis=-1))[1]
        order = np.append(first, np.setdiff1d(np.arange(mixture.n_components), first))
        parts = parts_of(mixture.for_components(order), model)
        parts["means"] = np.concatenate([fixed, parts["means"][n:]])
        if self.precisions is not None:
            others = parts["precisions"][:0] if model.layout.pooled else parts["precisions"][n:]
            parts["precisions"] = np.concatenate([self.precisions, others]).reshape(parts["precisions"].shape)
        return parts


def parts_of(mixture: MixtureParameters, model: CovarianceModel) -> dict[str, Array]:
    """Return the parts of a mixture from which a fit of a model starts; with factors stored, the means."""
    if not model.stores_dense:
        return {"means": mixture.means}
    (K, d), layout, stored = mixture.means.shape, model.layout, mixture.model.layout
    weights = mixture.weights / mixture.weights.sum()
    if stored is layout:
        return {"weights": weights, "means": mixture.means, "precisions": layout.gram(mixture.whiteners)}
    dense = np.ascontiguousarray(stored.dense(mixture.covariances, K, d))
    covariances = layout.reduced(dense * weights[:, None, None] if layout.pooled else dense, FULL, d)
    return {"weights": weights, "means": mixture.means, "precisions": layout.inverse(covariances, d)}


def fixed_components(
    template: GaussianMixture, counts: Sequence[int], types: Sequence[str], n_features: int, *, standardize: bool
) -> FixedComponents | None:
    """Return the components that the parameters of all cells, numbers of components × types, fix; None without any.

    Raises
    ------
    ValueError
        If a fixed part is not given, a mean is not fixed, or a cell cannot have the fixed components.
    """
    models, means_init, d = [covariance_model(name) for name in types], template.means_init, n_features
    parts = [means_init] if means_init is not None else (template.fixed or {}).values()
    n = max([1, *(len(np.atleast_1d(np.asarray(part))) for part in parts)])
    fixed = checks.check_fixed(template.fixed, n, models[0])
    if not fixed and means_init is None and template.precisions_init is None:
        return None
    features = {"fixed weights": fixed.weights.any(), "fixed covariances": fixed.covariances.any(), "select": True}
    features |= {"fixed parameters": True, "max_ratio": template.max_ratio is not None, "standardize": standardize}
    check_all_compatible(features)
    values = {"means": means_init, "precisions": template.precisions_init}
    checks.check_fixed_start(fixed, [name for name, value in values.items() if value is not None])
    if not fixed.means.all():
        raise ValueError(
            "fixed: a search fixes all means in means_init, and may fix their covariances: expected "
            f"{{'means': True}}, got {template.fixed!r:.80}"
        )
    if min(counts) < n:
        raise ValueError(f"expected n_components of {n} or more, the fixed components in means_init, got {min(counts)}")
    weights, means = np.full(n, 1 / n), checks.check_coordinates(means_init, "means", (n, d))
    if not fixed.covariances.any():
        unit = np.tile(np.eye(d), (n, 1, 1))
        return FixedComponents(MixtureParameters(weights, means, unit, covariance.stored_as(FULL), fixed=fixed))
    for model in models:
        checks.check_fixed_table(fixed.with_others(max(counts) - n).table, model)
    (precisions, _), *_ = [checks.check_spread(template.precisions_init, "precision", n, d, model) for model in models]
    stored = covariance.stored_as(models[0].layout)
    covariances = stored.layout.inverse(precisions, d)
    return FixedComponents(MixtureParameters(weights, means, covariances, stored, fixed=fixed), precisions)


_FOLDS = 5
MOST_REPEATED = 10_000_000  # rows that weights may count
_SMALLEST_TOL = 1e-9  # nats per row, above rounding errors
_FIXABLE, _SINGLE_FIT_ONLY = options_with("components"), options_with("single")
_IN_PARTS = "search one number of components after the other, and save each Selection"
_INSTEAD = {
    "checkpoint": _IN_PARTS,
    "resume": _IN_PARTS,
    "labels": "GaussianMixture.fit accepts labels, and MixtureClassifier searches with them",
    "models": "use covariance_type to choose the models",
    "modelNames": "covariance_type accepts the names of the models",
    "G": "n_components accepts the numbers of components",
    "trim": "for outliers use noise=True or tails='t'",
}


class Request(NamedTuple):
    """The validated request; `template` holds the parameters that all cells share, with normal tails.

    `tol` is the requested tolerance; None is one that depends on the number of rows. `noise` and `fixed` are those of
    every cell. `single_log_likelihoods` caches log-likelihoods of single components on these rows.
    """

    n_components: list[int]
    types: list[str]
    tails: list[Tails]
    criterion: str
    n_splits: int | None
    template: GaussianMixture
    source: Source
    features: NDArray[np.object_] | None
    tol: float | None
    noise: Noise
    fixed: FixedComponents | None
    single_log_likelihoods: dict[tuple[CovarianceModel, str, bool], float | None]

    @property
    def keys(self) -> list[Key]:
        """The cells, as requested."""
        return [Key(*cell) for cell in product(self.n_components, self.types, self.tails)]

    @property
    def first_of_model(self) -> dict[Key, Key]:
        """The cells, and the first cell of the same model for each."""
        first, d = dict[Any, Key](), self.source.n_features
        models = {key: covariance.same_as(self.model(key.name, key.tails), key.n_components, d) for key in self.keys}
        return {key: first.setdefault((key.n_components, model, key.tails), key) for key, model in models.items()}

    @property
    def n_seeds(self) -> int:
        """Number of seeds from which every cell is fitted."""
        return max(1, int(self.template.n_init))

    @property
    def degeneracy_rule(self) -> DegeneracyRule:
        """The rule by which mixtures are compared."""
        if self.criterion == HELD_OUT:
            return DegeneracyRule.HELD_OUT
        return DegeneracyRule.CRITERION if len(self.n_components) > 1 else DegeneracyRule.ONE_NUMBER

    def single_log_likelihood(self, parameters: MixtureParameters) -> float | None:
        """Return the log-likelihood of one component of the same model and tails, for `nec`; computed once."""
        template, model = self.template, covariance.same_as(parameters.model, 1, self.source.n_features)
        kind = model, parameters.tails.name, parameters.n_components > 1
        if kind not in self.single_log_likelihoods:
            scorer = Scorer(parameters, template.n_threads)
            limits = checks.check_limits(template, parameters.model, 1)
            self.single_log_likelihoods[kind] = scorer.single_log_likelihood(self.source, template.reg_covar, **limits)
        return self.single_log_likelihoods[kind]

    def model(self, name: str, tails: Tails) -> CovarianceModel:
        """Return the model of a requested type, in the storage of its covariances."""
        model = covariance_model(name)
        return stored_model(self.template, model, self.source) if model.n_factors and not tails else model

    def parts(self, mixture: MixtureParameters, model: CovarianceModel) -> dict[str, Array]:
        """Return the parts of a mixture from which a fit of a model starts, with the fixed components."""
        return parts_of(mixture, model) if self.fixed is None else self.fixed.parts(mixture, model, self.source)

    def settings(self, key: Key, *, fixed: bool = True) -> FitSettings:
        """Return the settings of the fits of a cell, with the fixed components or without."""
        (K, name, tails), template, rows = key, self.template, self.source
        model, accelerated = self.model(name, tails), template.acceleration is not None
        prior = prior_of(template.prior, model, K, rows, 1, accelerated=accelerated)
        limits = checks.check_limits(template, model, K)
        objective = Objective(model, template.reg_covar, prior, self.noise, tails=tails, **limits)
        if self.fixed is not None and fixed:
            objective = objective.with_anchor(self.fixed.anchor(K, model))
        settings, tol = settings_of(template, objective, StartSettings(method=str(template.init_params))), self.tol
        if tol is None:
            tol = min(settings.solver.tolerance, max(CRITERION_ACCURACY / rows.survey.weight, _SMALLEST_TOL))
        return settings._replace(n_components=K, solver=settings.solver._replace(tolerance=float(tol)))


class Clock:
    """The time limit of a search, in seconds from now; it does not end before there is a fit."""

    def __init__(self, seconds: float | None) -> None:
        self._end = None if seconds is None else time.perf_counter() + seconds
        self.has_fit = False

    def half(self) -> Clock:
        """Return a clock with half of the remaining time."""
        return Clock(None if self._end is None else max(self._end - time.perf_counter(), 0.0) / 2)

    def is_up(self) -> bool:
        """Return whether the time is over, so that no further fit starts."""
        return self.has_fit and self._end is not None and time.perf_counter() >= self._end


def template_of(parameters: dict[str, Any]) -> GaussianMixture:
    """Return an unfitted mixture with the parameters that all cells share, the seed among them.

    Raises
    ------
    TypeError, ValueError
        If one is unknown, invalid or for a single fit.
    """
    optional = {*_FIXABLE, "tol"}  # dropped if None
    parameters = {name: value for name, value in parameters.items() if name not in optional or value is not None}
    check_comparable(parameters, "select", fixable=_FIXABLE)
    template = GaussianMixture(**COMPARISON_DEFAULTS | parameters)
    check_parameters(template)
    if not isinstance(template.init_params, str):
        raise TypeError(
            f"expected the name of a start in init_params, among {STARTS}, since a search needs starts for "
            f"every number of components; got {type(template.init_params).__name__}"
        )
    template.random_state = common_seed(template.random_state)
    return template


def check_comparable(parameters: Mapping[str, Any], caller: str, fixable: Sequence[str] = ()) -> None:
    """Check the names of parameters of fits that are compared; those that are `fixable` require `fixed`.

    Raises
    ------
    TypeError
        If one is unknown or belongs to a single fit.
    """
    allowed = fixable if "fixed" in parameters else ()
    inapplicable = [name for name in _SINGLE_FIT_ONLY if name in parameters and name not in allowed]
    if inapplicable:
        unless = ", or name its components by fixed" if inapplicable[0] in fixable else ""
        raise TypeError(
            f"{inapplicable[0]} applies to a single fit, not to those that {caller} compares: drop it{unless}"
        )
    names = GaussianMixture().get_params().keys()
    unknown = sorted(parameters.keys() - names)
    if unknown:
        near = suggestion(unknown[0], names - {*_SINGLE_FIT_ONLY} | {*fixable})
        hint = f"; {_INSTEAD[unknown[0]]}" if unknown[0] in _INSTEAD else near or "; it has those of GaussianMixture"
        raise TypeError(f"{caller} has no parameter {unknown[0]!r}{hint}")


def requested_components(values: int | Iterable[int], name: str = "n_components") -> list[int]:
    """Return the numbers of components, or of factors, as a list without duplicates.

    Raises
    ------
    TypeError, ValueError
        If one is not a whole number of at least 1.
    """
    try:
        many = as_list(values)
        requested = [index(value) for value in many if not isinstance(value, bool)]
    except TypeError as error:
        raise TypeError(f"expected whole numbers in {name}, got {excerpt(values)}") from error
    if len(requested) < len(many):
        raise TypeError(f"expected whole numbers in {name}, not booleans, got {excerpt(values)}")
    if not requested:
        raise ValueError(f"expected at least one number in {name}, got {excerpt(values)}, which is empty")
    if min(requested) < 1:
        raise ValueError(f"expected {name} of at least 1, got {excerpt(values)}")
    return list(dict.fromkeys(requested))


def requested_folds(n_splits: int | None, criterion: str) -> int | None:
    """Return the number of folds, None for a criterion without folds; raise a ValueError if it is given some."""
    if criterion == HELD_OUT:
        return _FOLDS if n_splits is None else n_splits
    if n_splits is not None:
        raise ValueError(
            f"n_splits goes with criterion='held_out', got criterion={criterion!r} and n_splits={n_splits!r:.40}"
        )
    return None


def requested_tails(template: GaussianMixture, tails: Any, degrees_of_freedom: Any, source: Source) -> list[Tails]:
    """Return the tails to try, without duplicates; the degrees of freedom are for heavy ones.

    Raises
    ------
    ValueError
        If one is unknown, or excluded by the other parameters or the rows.
    """
    names = as_list(tails)
    if not (names and all(isinstance(name, str) for name in names)):
        raise ValueError(f"expected the tails of components by name, such as ('normal', 't'), got {excerpt(tails)}")
    if isinstance(degrees_of_freedom, str):
        raise ValueError(
            f"expected degrees_of_freedom of a search as a number, or None to estimate one in each cell, "
            f"got {degrees_of_freedom!r:.80}. Fit the chosen number of components with it instead."
        )
    every = dict[str, Tails]()
    for name in names:
        is_other = name != StudentTails.name and StudentTails.name in names
        arguments = {"tails": name, "degrees_of_freedom": None if is_other else degrees_of_freedom}
        mixture = GaussianMixture(**template.get_params() | arguments)
        check_parameters(mixture)
        check_features(mixture, source)
        every.setdefault(name, checks.check_tails(name, arguments["degrees_of_freedom"]))
    return list(every.values())


def requested_types(
    covariance_type: str | Iterable[str],
    n_features: int | None,
    n_factors: int | Iterable[int] | None = None,
    *,
    limited: bool = False,
) -> list[str]:
    """Return the covariance types as a list of names without duplicates.

    "all" is every model of so many features (None means several), or each that a ratio of eigenvalues may limit if
    `limited`; "factor" and "ppca" stand for a model with each number of factors.

    Raises
    ------
    TypeError, ValueError
        If one is unknown.
    """
    requested = as_list(covariance_type)
    if not all(isinstance(name, str) for name in requested):
        raise TypeError(f'expected covariance types by name, or "all", got {covariance_type!r}')
    every: tuple[str, ...] = covariance.LIMITED if limited else covariance.PARSIMONIOUS
    if n_features == 1:
        every = covariance.OF_ONE_FEATURE[1:] if limited else covariance.OF_ONE_FEATURE
    names: list[str] = list(chain.from_iterable(every if name == "all" else (name,) for name in requested))
    if not names:
        raise ValueError(f"expected a covariance type among {covariance.COVARIANCE_TYPES}, got none")
    if n_factors is not None:
        numbers = requested_components(n_factors, "n_factors")
        if not any(name in covariance.OF_FACTORS for name in names):
            expected = " or ".join(map(repr, covariance.OF_FACTORS))
            raise ValueError(f"n_factors goes with {expected} in covariance_type, got {names}")
        names = covariance.model_names(names, numbers)
    for name in names:
        covariance_model(name, n_features)
    return list(dict.fromkeys(names))


def n_rows_of(source: Source) -> int:
    """Return the number of rows of positive weight or, if larger, their weight."""
    return max(source.survey.n_used, int(source.survey.weight))


def check_folds(n_rows: int, n_splits: int, n_components: int) -> None:
    """Check that rows of positive weight suffice for the folds, and without each fold for so many components.

    Raises
    ------
    ValueError
        If they do not suffice.
    """
    check_whole(n_splits, "n_splits", 2)
    if n_rows < n_splits:
        raise ValueError(
            f"expected as many rows as folds, n_splits={n_splits}, got {n_rows} (without those of weight 0)"
        )
    needed, n_training = max(2, n_components), n_rows - -(-n_rows // n_splits)
    if n_training < needed:
        raise ValueError(
            f"{n_rows} rows in n_splits={n_splits} folds leave {n_training} to fit, expected at least {needed}, one "
            "for each component. Use more folds or fewer components."
        )


def repeated(table: ArraySource) -> ArraySource | None:
    """Return rows without weights, each repeated by its weight; None if weights are not whole, or too large."""
    weight = table.sample_weight
    if weight is None:
        return table
    if (weight != np.floor(weight)).any() or weight.sum() > MOST_REPEATED:
        return None
    return ArraySource(np.repeat(table.rows, weight.astype(np.intp), axis=0))


def folds_of(n_rows: int, n_splits: int, rng: np.random.RandomState | np.random.Generator) -> list[NDArray[np.intp]]:
    """Return the rows of each fold, in their order."""
    return [np.sort(fold) for fold in np.array_split(rng.permutation(n_rows), n_splits)]


def check_cells(
    template: GaussianMixture, counts: Sequence[int], types: Sequence[str], source: Source, *, standardize: bool
) -> None:
    """Raise an error if rows are too few, or a cell does not go with prior, ridge or limit."""
    fewest = min(counts)
    if n_rows_of(source) < fewest:
        weighted = " with a positive weight" if source.survey.n_used < source.n_rows else ""
        raise ValueError(
            f"{fewest:,} components need at least {fewest:,} rows; the table has {source.survey.n_used:,}{weighted}"
        )
    check_ridge(template.reg_covar, source.survey.weight)
    for name in types:
        checks.check_limits(template, covariance_model(name), max(counts))
    checks.check_given_prior(template.prior, [covariance_model(name) for name in types], source.survey.centre)
    check_compatible("max_ratio", {"standardize": template.max_ratio is not None and standardize})

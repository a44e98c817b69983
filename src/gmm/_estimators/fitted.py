"""`FittedMixture`: what mixtures do, however they are estimated: fits, parameters as attributes, scores, samples.

Subclasses say what a fit maximises. Below the class: the summary of rows under a mixture, how its fits begin, which
settings they have, what they leave, and how they go to files and come from them.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import copy
from dataclasses import dataclass
from functools import partial
from logging import INFO
from math import nan
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gmm import _fitting as fitting
from gmm import _persistence as archive
from gmm._estimators import contract, criteria, outcome
from gmm._estimators.contract import Estimator, given_names, names_of_features
from gmm._estimators.outcome import SHRUNK, FitRecord, ProgressPrinter, fit_attributes
from gmm._estimators.scorer import Scorer, log_evidence_of, place
from gmm._exceptions import LostClusterError, answer_of
from gmm._kernel.mstep import cached_property
from gmm._lazy import reduced_at_home
from gmm._log import LOGGER, follows_passes
from gmm._passes.problem import Continuation, SolverSettings
from gmm._passes.solver import Iteration, SolverResult, Trace
from gmm._rows.entrance import Names, as_source_to_fit, is_dask, rows_for
from gmm._rows.sources import ArraySource, Source, box_of, fingerprint
from gmm._text.frames import data_frame, framed_like
from gmm._validation import given
from gmm._validation import parameters as options
from gmm._validation.combinations import check_together, refuse
from gmm._validation.rows import as_array, as_floats, check_feature_names
from gmm._validation.scalars import check_boolean, check_choice
from gmm._values.covariance import CovarianceModel, covariance_model, of_low_rank, stored_for
from gmm._values.layouts import Array, SingularMatrixError
from gmm._values.noise import Noise
from gmm._values.objective import Objective
from gmm._values.parameters import NOTHING_FIXED, Fixed, MixtureParameters
from gmm._values.priors import ConjugatePrior, MixturePosterior, NormalInverseWishart, parts
from gmm._values.weights import ALL_UNKNOWN, KnownClasses

if TYPE_CHECKING:
    from gmm._estimators.summary import Figures, Summary
    from gmm._frozen_mixture import FrozenMixture

_Mixture = TypeVar("_Mixture", bound="FittedMixture")
_DOUBLE: np.dtype[Any] = np.dtype(np.float64)
_OF_CLASSES = "classes_", "component_classes_"
_OF_TRACE = "history_", "histories_", "converged_", "n_iter_", "lower_bound_", "lower_bounds_", "remarks_"
_OF_FIT = *_OF_TRACE, *_OF_CLASSES, "_metadata"
_NUMBERS: dict[str, Callable[[MixtureParameters], Array]] = {
    "weights": lambda mixture: mixture.weights,
    "means": lambda mixture: mixture.means,
    "covariances": lambda mixture: mixture.written_out,
    "precisions": lambda mixture: mixture.model.layout.gram(mixture.whiteners),
    "precisions_cholesky": lambda mixture: mixture.model.layout.transposed(mixture.whiteners),
}


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
    remarks_: dict[str, str]
    metadata = property(archive.metadata_of)

    _variational: ClassVar[bool] = False  # whether a posterior is fitted; its bounds and `tol` are nats in all
    _bound_name: ClassVar[str] = "mean log-likelihood"
    _objective: ClassVar[tuple[str, str]] = ("log-likelihood", "nats per row")
    _mixture: MixtureParameters | None = None
    # Arrays that were read or assigned, what they held at the last use, None before it, and whether they were assigned.
    _public: Mapping[str, tuple[NDArray[Any], bytes | None, bool]] = MappingProxyType({})
    _dtype: np.dtype[Any] = _DOUBLE
    _last_fit: FitRecord = FitRecord()

    @outcome.with_remarks
    def fit(
        self,
        X: ArrayLike,
        y: object = None,
        sample_weight: ArrayLike | None = None,
        callback: Callable[[Iteration], object] | None = None,
        *,
        labels: ArrayLike | None = None,
        components_per_class: int | Mapping[Any, int] = 1,
        error_covariance: ArrayLike | None = None,
    ) -> Self:
        """Fit the mixture to rows.

        Parameters
        ----------
        X : array-like or data frame of shape (n, d), data set, or what `open_rows` returns
            Rows. float32 rows give float32 results; integers are converted to float64.
        y : ignored
        sample_weight : array-like of shape (n,), default=None
            *Beyond*: weights of the rows; a row of weight 2 counts as two rows. Not with what `open_rows` returns,
            which has its own.
        callback : callable, default=None
            *Beyond*: called with an `Iteration` after each pass. A true return value ends the fit.
        labels : array-like of shape (n,), default=None
            *Beyond*: the classes of rows, integers or strings; −1, None, NaN and masked values are unknown. Rows of a
            class belong to its components alone, and the others to any: semi-supervised EM. The likelihood of a row of
            known class is that of its class's part of the mixture. Components come in the order of the sorted classes,
            and behind them those of no class, which hold rows of unknown class alone.
        components_per_class : int or mapping of classes to int, default=1
            *Beyond*: how many components each class has, or some classes have if not 1. The rest of `n_components`
            belong to no class.
        error_covariance : array-like, default=None
            *Beyond*: what is known of measurement errors: variances of each column, (d,) in all rows or (n, d) row by
            row, or covariances, (d, d) or (n, d, d). The fit is then of the values without errors (extreme
            deconvolution: Bovy, Hogg & Roweis 2011). With `acceleration` and without a `prior`, covariances have a weak
            one, worth ten rows or more with the variances within k-means clusters, since errors may explain all spread
            in a direction; `print` tells how strong it was. Not for `BayesianGaussianMixture`.

        Returns
        -------
        Self
            The estimator itself.

        Raises
        ------
        ValueError, TypeError
            If the input is unusable; the message says where. With ``reg_covar=0``, also if a covariance becomes
            singular from every start. The estimator is then unchanged.
        LostClusterError
            If the rows lie on a cluster that is gone. Its attribute `mixture` has the parameters of the last pass.

        Warns
        -----
        DegenerateWarning
            If a component has so few rows, or is so thin, that its likelihood says nothing.
        ConvergenceWarning
            If `max_iter` passes left `tol` or more to gain, by ``history_.remaining``, or a component lost all its rows
            and was reseeded.
        UserWarning
            If `reg_covar` hides groups in a column, or no row of a class has a positive weight, so that it is left out.
            There is one warning at most, of the first of these. `remarks_` and `summary` have the details of all, such
            as how much is left to gain, and at which pass scikit-learn's rule would have ended the fit.
        """
        options.check_parameters(self)
        kind: Any = type(self)
        contract.check_overrides(kind, FittedMixture)
        callback = options.check_callback(callback)
        source = source_to_fit(self, X, sample_weight, error_covariance)
        classes, restriction = known_classes(labels, components_per_class, self.n_components, source)
        source = source.with_changes(known=restriction) if restriction else source
        printer = ProgressPrinter(self, self._objective, source.n_rows)

        def watched(iteration: Iteration) -> bool:
            printer.step(iteration)
            return callback is not None and callback(iteration)

        is_told = self.verbose or LOGGER.isEnabledFor(INFO)
        is_followed = callback is not None or (is_told and (self.verbose or follows_passes()))
        settings = fit_settings(self, source)
        objective = settings.objective
        continuation = continuation_of(self, objective, source) if self.warm_start else None
        sizes = source.n_rows, source.n_features, settings.n_components
        if is_told:
            LOGGER.info("fit: rows %d, features %d, components %d, %s", *sizes, objective.model.type_name)
        try:
            best = fitting.fit.fit_mixture(
                source.with_changes(on_reading=printer.reading) if self.verbose else source,
                settings,
                () if continuation else seeds_of(self, self.n_init),
                continuation=continuation,
                callback=watched if is_followed or source.place != "memory" else None,
                on_end=printer.end if is_told else fitting.fit.ignored,
                on_skip=printer.skip,
            )
        except SingularMatrixError as error:
            raise outcome.ill_defined(error, objective.model) from None
        except LostClusterError as error:
            raise _report(self, error, printer, source.feature_names) from error
        if is_told:
            printer.refined(best.result)
        problem = problem_of(self, source, objective.model) if self.warm_start else None
        fit = self, best.result, source, source.feature_names, objective
        record = set_fitted(*fit, traces=best.traces, problem=problem)
        for name in _OF_CLASSES:  # those of an earlier fit do not outlive it
            vars(self).pop(name, None)
        if classes is not None:
            owners = source.known.owner_of_each(self.n_components)
            self.classes_, self.component_classes_ = classes, classes_of(classes, owners)
        outcome.warn_about(best, record.causes, source, objective, self)
        return self

    def fit_predict(
        self,
        X: ArrayLike,
        y: object = None,
        sample_weight: ArrayLike | None = None,
        callback: Callable[[Iteration], object] | None = None,
        **how: Any,
    ) -> NDArray[np.intp]:
        """Return ``fit(X, …).predict(X)`` for the same arguments: the most probable component of each row, (n,)."""
        estimator: Any = self  # whose `fit` may be a subclass's
        known = {"error_covariance": how["error_covariance"]} if "error_covariance" in how else {}
        labels: NDArray[np.intp] = estimator.fit(X, y, sample_weight, callback, **how).predict(X, **known)
        return labels

    def impute(
        self,
        X: ArrayLike,
        *,
        draw: bool = False,
        random_state: int | np.random.RandomState | np.random.Generator | None = None,
    ) -> Any:
        """Fill missing values from the others in their row; *beyond*.

        Parameters
        ----------
        X : array-like or data frame of shape (n, d), data set, or what `open_rows` returns
            NaN stands for a missing value, whatever `missing` is; a row without any value gets the mean of the mixture.
            The rows of a Dask collection come here.
        draw : bool, default=False
            False gives conditional means, which have the least expected squared error; they vary less than values do.
            True draws from the conditional distribution: several such tables are multiple imputations (Rubin 1987),
            but for the uncertainty of the mixture itself.
        random_state : int, RandomState, Generator or None, default=None
            Seed of the draws; None uses the estimator's `random_state`.

        Returns
        -------
        ndarray or data frame of shape (n, d)
            A data frame of pandas or polars if X is one. float32 for float32 rows, else float64; values that are there
            stay.

        Examples
        --------
        >>> from gmm import GaussianMixture
        >>> mixture = GaussianMixture.from_parameters([1.0], [[0.0, 0.0]], [[[1.0, 0.9], [0.9, 1.0]]])
        >>> mixture.impute([[2.0, float("nan")], [1.0, 1.0]])
        array([[2. , 1.8],
               [1. , 1. ]])
        """
        draw = check_boolean(draw, "draw")
        rows: Any = X
        if is_dask(X):
            rows = rows.compute()  # passes over a collection leave out rows without a value
        source = source_of(self, rows, missing="em")
        rng = options.check_random_state(self.random_state if random_state is None else random_state) if draw else None

        from gmm._estimators.conditional import imputed

        return framed_like(rows, imputed(checked_for(self, "impute"), source, self.n_threads, rng))

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
        archive.write_predictions(path, self.predict_blocks(X, responsibilities=responsibilities))

    def predict_blocks(
        self, X: ArrayLike, *, responsibilities: bool = True
    ) -> Iterator[tuple[int, NDArray[np.intp], NDArray[Any] | None]]:
        """Predict rows block by block, as they are read; *beyond*.

        Parameters
        ----------
        X : array-like or data frame of shape (n, d), data set, or what `open_rows` returns
        responsibilities : bool, default=True
            Whether to compute them.

        Yields
        ------
        first : int
            Index of the first row of the block.
        labels : ndarray of int
            The most probable component of each row, −1 for noise.
        responsibilities : ndarray of shape (n_rows, K), or None

        Raises
        ------
        ValueError, TypeError
            If the rows are not those of the fit.

        Examples
        --------
        >>> import numpy as np, gmm
        >>> mixture = gmm.GaussianMixture.from_parameters([0.5, 0.5], [[0.0], [9.0]], [[[1.0]], [[1.0]]])
        >>> rows = gmm.open_rows(lambda: [np.zeros((2, 1)), np.full((1, 1), 8.0)])
        >>> for first, labels, _ in mixture.predict_blocks(rows):
        ...     print(first, labels)
        0 [0 0 1]
        """
        wanted = check_boolean(responsibilities, "responsibilities")
        return self._scorer().predicted(source_of(self, X), responsibilities=wanted)

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

    def component_log_density(self, X: ArrayLike, *, error_covariance: Any = None) -> NDArray[Any]:
        """Compute the log density of each row under each component, without the weights; *beyond*.

        Parameters
        ----------
        X : array-like or data frame of shape (n, d), data set, or what `open_rows` returns
        error_covariance : array-like, default=None
            As in `predict`.

        Returns
        -------
        ndarray of shape (n, K)
            log p(x_i | component k), in nats; of a `BayesianGaussianMixture`, its expectation. float32 for float32
            rows, else float64. Without `noise`, ``score_samples(X)`` is the log of the sum of their exponentials,
            weighted by ``weights_``.

        Examples
        --------
        >>> from gmm import GaussianMixture
        >>> mixture = GaussianMixture.from_parameters([0.5, 0.5], [[0.0], [2.0]], [[[1.0]], [[1.0]]])
        >>> mixture.component_log_density([[0.0], [1.0]]).round(2)
        array([[-0.92, -2.92],
               [-1.42, -1.42]])
        """
        return self._scorer().log_densities(source_of(self, X, error_covariance=error_covariance))

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
        classified = check_boolean(classified, "classified")
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
        n = options.check_n_samples(n_samples)
        rng = options.check_random_state(self.random_state if random_state is None else random_state)
        rows, labels = parameters.sample(n, rng)
        return contract.as_dtype(rows, self._dtype), labels

    def summary(
        self, X: ArrayLike | None = None, sample_weight: ArrayLike | None = None, *, error_covariance: Any = None
    ) -> MixtureSummary:
        """Summarise rows under the mixture: likelihood, criteria, rows of each component; *beyond*.

        Parameters
        ----------
        X : array-like or data frame of shape (n, d), data set, or what `open_rows` returns, default=None
            Rows, usually those of the fit. None takes what the mixture remembers of its fit, as ``print(mixture)``
            does: their weight and log-likelihood, but not the rows of each component.
        sample_weight : array-like of shape (n,), default=None
            Weights of the rows; the criteria use their sum as the sample size.
        error_covariance : array-like, default=None
            Of the rows' measurement errors, as in `fit`; needed where the rows of the fit had some.

        Returns
        -------
        MixtureSummary
            It prints, and has its numbers as attributes and as a data frame.

        Examples
        --------
        >>> import numpy as np
        >>> from gmm import GaussianMixture
        >>> rng = np.random.default_rng(0)
        >>> X = np.concatenate([rng.normal(-4, 1, (100, 1)), rng.normal(4, 1, (50, 1))])
        >>> mixture = GaussianMixture(2, random_state=0).fit(X)
        >>> mixture.summary(X)
        2 components, 1 feature, V (full) covariance, 5 free parameters
        150 rows, log-likelihood -301.92 (-2.0128 per row), BIC 628.90, ICL 628.90, AIC 613.85
        converged after 1 pass (projected remaining gain 0 below tol=0.001), mean log-likelihood -2.01283 nats
             rows  weight              x0
          0   100  0.6667  -3.919 ± 0.962
          1    50  0.3333   4.027 ± 0.951
          mean ± standard deviation
          no component is degenerate
        """
        if X is None:
            for name, given_value in {"sample_weight": sample_weight, "error_covariance": error_covariance}.items():
                if given_value is not None:
                    raise ValueError(f"{name}: expected X, the rows that it belongs to, got None")
            return _remembered(copy(self))
        source, scorer = rows_of_fit(self, X, sample_weight, error_covariance), self._scorer()
        parameters, weight, totals = scorer.parameters, source.survey.weight, scorer.totals(source)
        scores = criteria.evaluate(totals, parameters.n_parameters, weight, None)
        shown = () if self._variational else ("bic", "icl", "aic")
        counts = np.zeros(parameters.n_components + 1, np.int64)
        for _, results in scorer.blocks(source, labels=True):
            assert results.labels is not None  # they were requested
            counts += np.bincount(results.labels + 1, minlength=len(counts))
        verdict, is_plain = fitting.degenerate, not (source.errors or getattr(self, "prior", None))
        of_pass = scorer.statistics(source) if is_plain and parameters.model.depends_on_moments else None
        rows = verdict.Resolution.from_source(source, self.reg_covar)
        causes = verdict.Degeneracy(parameters.model, rows).causes(parameters, of_pass)
        reasons = verdict.reasons_of(causes, parameters, rows, names_of_features(self))
        numbers = source.n_rows, weight, totals.log_likelihood, {name: scores[name] for name in shown}
        return MixtureSummary(copy(self), *numbers, counts[1:], int(counts[0]), reasons)

    def freeze(self) -> FrozenMixture:
        """Make an immutable copy that scores rows in a service, in microseconds; *beyond*.

        Returns
        -------
        FrozenMixture
            Its results are those of this estimator's methods, but for rows with missing values, which get NaN and the
            label −1. Later changes of the estimator do not reach it. Its `metadata` are this estimator's, and
            "feature_names" if the estimator knows them.
        """
        frozen, names = self._scorer().frozen(), given_names(self)
        return archive.describe(frozen, ({"feature_names": names} if names else {}) | self.metadata)

    def save(self, file: archive.Writable, *, metadata: Mapping[str, Any] | None = None) -> None:
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
        archive.save_object(self, file, metadata, *state_of(self))

    @classmethod
    def load(cls, file: archive.Readable) -> Self:
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
        return archive.load_object(file, {cls.__name__: partial(from_state, cls)})

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

    def _estimate_log_prob(self, X: ArrayLike) -> NDArray[Any]:  # this and the next three under scikit-learn's names
        return self.component_log_density(X)

    def _estimate_log_weights(self) -> NDArray[Any]:
        return fitted_parameters(self).log_weights

    def _estimate_weighted_log_prob(self, X: ArrayLike) -> NDArray[Any]:
        return self._estimate_log_prob(X) + self._estimate_log_weights()

    def _estimate_log_prob_resp(self, X: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
        log_densities = self.score_samples(X)
        return log_densities, self._estimate_weighted_log_prob(X) - log_densities[:, None]

    def _objective_of(self, source: Source, model: CovarianceModel) -> Objective:
        """What the parameters ask to maximise over mixtures of the rows."""
        raise NotImplementedError

    def __sklearn_is_fitted__(self) -> bool:
        assigned = self._public.keys()
        return self._mixture is not None or bool({"weights", "means"} <= assigned and assigned & given.SPREADS)

    def __getstate__(self) -> dict[str, Any]:
        """Return what pickles and copies have: the mixture as it would be used, and no array that others may change."""
        return vars(self) | ({} if self._parameters is None else {"_public": {}})

    def __str__(self) -> str:
        """Return the constructor call and, once fitted, a summary of the mixture below it."""
        return super().__str__() if self._parameters is None else f"{self!r}\n{summary_of(self)}"

    def _html_parts(self) -> list[object]:
        return [] if self._parameters is None else summary_of(self).html()

    def _public_array(self, values: Array) -> NDArray[Any]:
        return contract.as_public_array(values, self._dtype)

    def _attribute(self, name: str) -> NDArray[Any]:
        """Return the array that was assigned or read before, or else the mixture's numbers; writing into it counts."""
        if name in self._public:
            return self._public[name][0]
        mixture = self._mixture or fitted_parameters(self)
        own = self._public_array(_NUMBERS[name](mixture))
        if self._variational or mixture.noise or np.ndim(mixture.tails.degrees):
            return own
        public: dict[str, Any] = vars(self).setdefault("_public", {})
        return public.setdefault(name, (own.copy(), own.tobytes(), False))[0]

    def _assign(self, name: str, values: ArrayLike) -> None:
        if self._mixture is not None:
            each = bool(np.ndim(self._mixture.tails.degrees))
            refuse("assigned parameters", {"noise": self._mixture.noise, "degrees_of_freedom='each'": each})
        others = {other: array for other, array in self._public.items() if other != name}
        self._public = others | {name: (as_floats(as_array(values, f"{name}_"), f"{name}_"), None, True)}

    @property
    def _parameters(self) -> MixtureParameters | None:
        """The mixture, of what was assigned or written into its arrays since its last use; None before there is one."""
        if not self._public:
            return self._mixture
        read = tuple(self._public.items())
        changed = {name: array for name, (array, own, _) in read if own != array.tobytes()}
        if not changed or not self.__sklearn_is_fitted__():
            return self._mixture
        before = None if self._mixture is None else self._mixture.whole()
        model = model_of(self) if before is None else before.model
        mixture = given.check_assigned(changed, before, model)
        spreads, others = given.SPREADS & changed.keys(), given.SPREADS - changed.keys()
        used = [name for name, (_, own, assigned) in read if assigned and own is not None and name in others]
        for name in spreads if used else ():
            present = self._public_array(_NUMBERS[name](self._mixture or mixture))
            given.check_sorted_once(name, changed[name], present, used[0])
        # The record of the fit does not describe these parameters.
        for name in _OF_FIT:
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


@dataclass(frozen=True, eq=False, repr=False)
class MixtureSummary:
    """A fitted mixture with rows: how well it describes them, and how many belong to each component.

    Attributes
    ----------
    model : GaussianMixture or BayesianGaussianMixture
        The mixture.
    n_rows : int or None
        Number of rows; None of a fit, which does not remember it.
    total_weight : float
        Sum of their weights; without weights, their number.
    log_likelihood : float
        Of all rows, in nats; NaN where a mixture remembers none.
    criteria : dict of str to float
        "bic", "icl" and "aic", of a fit "bic" and "aic"; smaller is better. Empty for a `BayesianGaussianMixture`.
    counts : ndarray of int, shape (K,), or None
        Rows of each component, by the most probable one; None of a fit.
    n_noise : int or None
        Rows that are noise; None of a fit.
    degenerate : dict of int to str
        Components that have collapsed, and why; their likelihood means nothing.
    """

    model: FittedMixture
    n_rows: int | None
    total_weight: float
    log_likelihood: float
    criteria: dict[str, float]
    counts: NDArray[np.int64] | None
    n_noise: int | None
    degenerate: dict[int, str]
    __reduce_ex__ = reduced_at_home

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the columns, (d,): those of the fit, or x0, x1, … if they had none."""
        return names_of_features(self.model)

    @property
    def standard_deviations(self) -> NDArray[np.float64]:
        """Of each component and column, (K, d); under heavy tails, their scales."""
        return np.sqrt(fitted_parameters(self.model).column_variances)

    @property
    def covariances(self) -> NDArray[Any] | None:
        """The mixture's `covariances_`; None where factors and noise stand for them, of many columns."""
        return self.model.covariances_ if fitted_parameters(self.model).model.stored_whole else None

    @property
    def strongest_correlations(self) -> list[tuple[int, int, float] | None]:
        """Of each component: two columns and their correlation; None where no columns are correlated."""
        parameters, spreads = fitted_parameters(self.model), self.standard_deviations
        layout, (K, d) = parameters.model.whole.layout, spreads.shape  # as `covariances_` are written out
        if layout.axis_aligned:
            return [None] * K
        dense = layout.dense(np.asarray(self.model.covariances_, dtype=np.float64), K, d)
        strongest = list[tuple[int, int, float] | None]()
        for covariance, spread in zip(dense, spreads, strict=False):
            correlations = covariance / np.outer(spread, spread)
            size = np.abs(np.triu(correlations, k=1))
            i, j = divmod(int(size.argmax()), d)
            strongest.append((i, j, float(correlations[i, j])) if size.any() else None)
        return strongest * (K // len(strongest))  # a common covariance is one

    @property
    def covariance_model(self) -> str:
        """The covariance model, as it is printed."""
        mixture = fitted_parameters(self.model)
        return mixture.model.printed(mixture.n_features)

    @property
    def tails(self) -> str:
        """How heavy the tails of the components are; empty if they are normal."""
        return fitted_parameters(self.model).tails.text

    @property
    def ending(self) -> str:
        """How the fit ended, such as ``converged after 12 passes``."""
        if not hasattr(self.model, "history_"):
            return "parameters given, not fitted"
        few = record_of(self.model).shrunk == "rows"
        shrunk = ", noise and means shrunk (few rows for each component)" if few else ""
        heavy = f", Student-t components with {self.tails}, ± their scale" if self.tails else ""
        return f"{self.model.history_.ending}{shrunk}{heavy}"

    @property
    def figures(self) -> str:
        """The number of rows, their log-likelihood and the criteria in one line; empty where no rows are known."""
        return "" if self._figures is None else self._figures.line

    @property
    def verdict(self) -> str:
        """Which components are degenerate, and why; empty if none is and nobody asked."""
        return "" if self._figures is None else self._figures.verdict

    def to_frame(self) -> Any:
        """Return one row for each component.

        Returns
        -------
        pandas.DataFrame or polars.DataFrame
            Columns ``component``, ``rows`` (but of a fit), ``weight``, ``degenerate`` (why; empty if it is not) and,
            for each feature, its mean and standard deviation, such as ``waiting mean`` and ``waiting sd``; with heavy
            tails ``waiting scale`` in place of the latter.
        """
        mixture, spreads = fitted_parameters(self.model), self.standard_deviations
        K = mixture.n_components
        spread = "scale" if mixture.tails else "sd"
        rows = {} if self.counts is None else {"rows": self.counts}
        columns = {"component": np.arange(K), **rows, "weight": mixture.weights}
        columns["degenerate"] = np.array([self.degenerate.get(k, "") for k in range(K)], object)
        for j, name in enumerate(self.feature_names):
            columns |= {f"{name} mean": mixture.means[:, j], f"{name} {spread}": spreads[:, j]}
        return data_frame(columns)

    def __repr__(self) -> str:
        """Return the summary as lines of text."""
        return str(self._summary)

    def _repr_html_(self) -> str:
        from gmm._text.html import block

        return block(*self._summary.html())

    @cached_property
    def _figures(self) -> Figures | None:
        from gmm._estimators.summary import Figures

        if self.n_rows is None:
            return _figures_of_fit(self.model)
        numbers = self.total_weight, self.log_likelihood, self.criteria, self.degenerate
        n_noise = self.n_noise if fitted_parameters(self.model).noise else None
        return Figures(*numbers, self.total_weight != self.n_rows, self.n_rows, self.counts, n_noise)

    @property
    def _summary(self) -> Summary:
        return summary_of(self.model, self._figures)


MixtureSummary.__module__ = "gmm.analysis"


def _figures_of_fit(mixture: FittedMixture) -> Figures | None:
    """Return what a mixture remembers of the rows of its fit; None if it does not, or with a prior."""
    from gmm._estimators.summary import Figures

    if vars(mixture).get("prior") is not None:
        return None
    own, of_fit = vars(mixture), (fitted_parameters(mixture), record_of(mixture))
    return Figures.of_fit(*of_fit, own.get("lower_bound_"), own["reg_covar"], names_of_features(mixture))


def _remembered(mixture: FittedMixture) -> MixtureSummary:
    """Return the summary of the rows of its fit that a mixture remembers."""
    told, (loglik, scores, reasons) = _figures_of_fit(mixture), (nan, dict[str, float](), dict[int, str]())
    if told is not None:
        loglik, scores, reasons = told.loglik, dict(told.criteria), dict(told.degenerate)
    return MixtureSummary(mixture, None, record_of(mixture).weight, loglik, scores, None, None, reasons)


def model_of(mixture: FittedMixture, n_features: int | None = None) -> CovarianceModel:
    """Return the covariance model that the parameters of an estimator ask for, checked for rows of so many features.

    Raises
    ------
    ValueError
        If there is none.
    """
    return covariance_model(mixture.covariance_type, n_features, getattr(mixture, "n_factors", None))


def stored_beside(mixture: FittedMixture, model: CovarianceModel, source: Source) -> CovarianceModel:
    """Return a model as an estimator stores it: factors and noise, unless other parameters need whole covariances."""
    if source.patterns or options.features_of(mixture, "whole"):
        return model
    return stored_for(model, source.n_features, has_prior="a prior" in options.features_of(mixture))


def fitted_parameters(mixture: object) -> MixtureParameters:
    """Return the parameters of a fitted mixture.

    Raises
    ------
    NotFittedError
        If the mixture has no parameters yet.
    """
    parameters = mixture._parameters if isinstance(mixture, FittedMixture) else None
    if parameters is None:
        check_is_mixture(mixture)
        options.check_is_fitted(mixture)
    assert parameters is not None  # this is what was checked
    return parameters


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
    if error_covariance is not None:
        refuse("error_covariance", {"BayesianGaussianMixture": mixture._variational})
    return rows_for(mixture, X, sample_weight, missing=missing, error_covariance=error_covariance)


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
    vars(mixture).update(fit | {"_mixture": parameters, "_public": {}, "_dtype": dtype})
    contract.record_features(mixture, parameters.n_features, names)


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
    return {name: getattr(model, name) for name in options.options_with("lasting")}


def summary_of(mixture: FittedMixture, figures: Figures | None = None) -> Summary:
    """Return the summary of a fitted mixture with figures of rows; without, with those of its fit."""
    from gmm._estimators.summary import Summary

    figures = _figures_of_fit(mixture) if figures is None else figures
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
    refuse(use, {"noise": parameters.noise, "heavy tails": parameters.tails})
    return parameters


def prior_parts(mixture: FittedMixture) -> tuple[object, ...]:
    """Return the parameters that describe prior, noise, tails and limit, as values that compare equal."""
    return tuple(_described(vars(mixture)[name]) for name in options.options_with("objective") if name in vars(mixture))


def _described(value: Any) -> Any:
    if value is None or isinstance(value, str | int | float | np.generic):
        return value
    if isinstance(value, NormalInverseWishart):
        return parts(value)
    array = np.ascontiguousarray(value, dtype=np.float64)
    return f"an array of shape {array.shape}, {hashlib.blake2b(array.data, digest_size=8).hexdigest()}"


def check_same(
    mixture: FittedMixture, previous: MixtureParameters, model: CovarianceModel, source: Source, who: str, instead: str
) -> None:
    """Check that the parameters of the estimator still describe its mixture, which `who` continues."""
    expected = (previous.n_components, previous.model.type_name, previous.n_features, bool(previous.noise))
    requested = (mixture.n_components, model.type_name, source.n_features, not options.is_default(mixture.noise, False))
    if requested != expected:
        raise ValueError(
            f"{who} continues the previous fit: expected the same (n_components, covariance_type, n_features, "
            f"noise) = {expected}, got {requested}. {instead} to start over."
        )


def problem_of(mixture: FittedMixture, source: Source, model: CovarianceModel) -> tuple[object, ...]:
    """What must not change for an accelerated fit to continue: rows, weights, classes, storage, ridge, prior, limit."""
    of_rows = fingerprint(source), source.known.fingerprint
    return *of_rows, model.stored_whole, mixture.reg_covar, *prior_parts(mixture)


def continuation_of(mixture: FittedMixture, objective: Objective, source: Source) -> Continuation | None:
    """Where a warm start continues; None if there is nothing. One that had converged ends where it is."""
    record = record_of(mixture)
    if (previous := record.parameters) is None:
        return None
    check_same(mixture, previous, objective.model, source, "warm_start", "Set warm_start=False")
    previous = previous.for_model(objective.model)
    same = objective.noise.equals(previous.noise) and objective.tails.equals(previous.tails)
    if not (same and objective.fixed.equals(previous.fixed)):
        return Continuation(previous.with_other(noise=objective.noise))
    if record.problem and record.problem != problem_of(mixture, source, objective.model):
        return Continuation(previous)
    if record.solver_state is None or mixture.acceleration is None:
        return Continuation(previous, record.bounds)
    solver_state = copy(record.solver_state)  # a fit that fails leaves the estimator as it was
    solver_state.tolerance = float(mixture.tol) / (source.survey.weight if objective.prior.variational else 1.0)
    last = record.trace.records[-1:] if solver_state.converged and record.trace else None
    return Continuation(previous, record.bounds, solver_state, records=last)


def _report(mixture: FittedMixture, loss: LostClusterError, printer: ProgressPrinter, names: Names) -> LostClusterError:
    """Return the error that tells how far the fit had come."""
    if (latest := printer.latest) is None:
        return loss
    report = LostClusterError(
        f"{loss}; after pass {latest.n_iter} of start {latest.start + 1} the fit had come to "
        f"{latest.lower_bound:.6g} {printer.unit}, whose parameters the attribute `mixture` has; "
        "mixture.set_params(warm_start=True).fit(X) continues from there"
    )
    report.mixture = type(mixture)(**mixture.get_params())
    set_mixture(report.mixture, latest.parameters, names, np.dtype(np.float64))
    return report


def _responsibilities(mixture: FittedMixture, source: Source) -> Callable[[int], Array]:
    """Responsibilities for a seed, from an `init_params` that is an array or a callable."""
    start, whole = mixture.init_params, source.without_gaps
    make_rng = np.random.default_rng if isinstance(mixture.random_state, np.random.Generator) else np.random.RandomState

    def responsibilities(seed: int) -> Array:
        values = start
        if callable(start) and isinstance(whole, ArraySource):
            hint = f"expected responsibilities of shape {(source.n_rows, mixture.n_components)}"
            arguments = whole.rows, mixture.n_components, make_rng(seed)
            values = answer_of(start, *arguments, name="init_params", hint=hint)
        beside_noise = not options.is_default(mixture.noise, False)
        return given.check_responsibilities(values, source.n_rows, mixture.n_components, beside_noise=beside_noise)

    return responsibilities


def noise_of(mixture: FittedMixture, source: Source) -> Noise:
    """Return the noise that the parameters ask for, in the box of the rows unless they give one."""
    return given.check_noise(mixture.noise, source.n_features, partial(box_of, source))


def check_features(mixture: FittedMixture, source: Source, fixed: Fixed = NOTHING_FIXED) -> bool:
    """Tell whether a fit to the rows has a feature; raise a `CombinationError` if two of them exclude each other."""
    start = mixture.init_params
    features = options.features_of(mixture) | {
        "BayesianGaussianMixture": "mean_prior" in vars(mixture),
        "fixed weights": "weights" in fixed.masks,
        "fixed covariances": "covariances" in fixed.masks,
        "a callable init_params": callable(start),
        "responsibilities as init_params": not isinstance(start, str),
        "error_covariance": source.errors,
        "missing values": source.patterns,
        "rows beyond memory": source.place != "memory",
        "rows in partitions": source.place == "elsewhere",
    }
    check_together(features)
    return any(features.values())


def seeds_of(mixture: FittedMixture, n_init: int = 1) -> tuple[int, ...]:
    """Return the seeds of starts. One that is given draws nothing, so that None leaves numpy's generator as it is."""
    drawn = isinstance(mixture.init_params, str) or callable(mixture.init_params)
    is_given = not drawn or getattr(mixture, "means_init", None) is not None
    seed = 0 if is_given and mixture.random_state is None else mixture.random_state
    return fitting.sampling.start_seeds(seed, n_init)


def source_to_fit(
    mixture: FittedMixture, X: ArrayLike, sample_weight: ArrayLike | None, error_covariance: ArrayLike | None = None
) -> Source:
    """Return the rows that an estimator is to be fitted to."""
    source = as_source_to_fit(
        X,
        sample_weight,
        estimator=mixture,
        n_components=int(mixture.n_components),
        missing=mixture.missing,
        error_covariance=error_covariance,
    )
    if source.patterns:
        unobserved = fitting.moments.never_observed_together(source, source.feature_names, [model_of(mixture)])
        if unobserved:
            fitting.moments.warn_of_unobserved_pairs(unobserved)
    return source


def set_fitted(
    mixture: FittedMixture,
    result: SolverResult,
    source: Source,
    names: Names,
    objective: Objective,
    *,
    traces: tuple[Trace, ...] = (),
    problem: tuple[object, ...] | None = None,
    causes: NDArray[np.uint8] | None = None,
) -> FitRecord:
    """Let an estimator hold the result of a fit: its parameters, how it went, and what continues it, which is returned.

    A `problem` to be continued keeps its bounds and the state of the accelerated solver. `causes` are those of
    degenerate components, where they are known.
    """
    parameters, weight, prior = result.parameters, source.survey.weight, objective.prior
    degeneracy = fitting.degenerate.Degeneracy.of_fits(objective, source)
    # A prior sees to it that components are sound.
    if prior:
        causes = None
    elif causes is None:
        causes = degeneracy.causes(parameters, result.statistics)
    record = FitRecord(parameters, None, weight, degeneracy.rows.steps, causes, bool(source.errors))
    if problem is not None:
        trace = result.trace or record_of(mixture).trace
        record = record._replace(trace=trace, solver_state=result.state, problem=problem)
    if prior and not prior.variational:
        if parameters.model.stored_whole and not source.errors:
            from gmm._passes.stepwise import Stream

            stream = Stream.from_mixture(parameters, weight, objective)
            record = record._replace(stream=stream, prior_parts=prior_parts(mixture))
        if getattr(mixture, "prior", None) is None:
            shrunk_by = prior.as_rows(parameters.model) if source.errors and isinstance(prior, ConjugatePrior) else None
            record = record._replace(shrunk="rows" if shrunk_by is None else "errors", shrunk_by=shrunk_by)
    of_fit = fit_attributes(result.trace, result.lower_bound, traces or (result.trace,))
    set_mixture(mixture, parameters, names, source.dtype, _last_fit=record, **of_fit)
    return record


def fit_settings(
    mixture: FittedMixture, source: Source, model: CovarianceModel | None = None
) -> fitting.starts.FitSettings:
    """Return how the parameters of an estimator ask to fit the rows; those that depend on the rows are checked here.

    A `model` takes the place of the one that they ask for.
    """
    if model is None:
        model = model_of(mixture, source.n_features)
        model = stored_beside(mixture, model, source) if model.n_factors else model
    given.check_ridge(mixture.reg_covar, source.survey.weight)
    objective, K, d = mixture._objective_of(source, model), int(mixture.n_components), source.n_features
    asked = vars(mixture)
    parts: dict[str, Array] = {}
    if (weights := asked.get("weights_init")) is not None:
        parts["weights"] = given.check_weights_init(weights, K)
    if (means := asked.get("means_init")) is not None:
        parts["means"] = given.check_coordinates(means, "means", (K, d))
    if (precisions := asked.get("precisions_init")) is not None:
        parts["precisions"] = given.check_spread(precisions, "precision", K, d, model)[0]
    if isinstance(mixture.init_params, str):
        start = fitting.starts.StartSettings(str(mixture.init_params), parts)
    else:
        start = fitting.starts.StartSettings("", parts, _responsibilities(mixture, source))
    return settings_of(mixture, objective, start)


def settings_of(
    mixture: FittedMixture, objective: Objective, start: fitting.starts.StartSettings
) -> fitting.starts.FitSettings:
    """Return how the parameters of an estimator ask to maximise an objective from a start."""
    # In Python's types: products of a narrower one would overflow.
    numbers, accelerated = (float(mixture.tol), int(mixture.max_iter)), mixture.acceleration is not None
    how = {"bound_is_total": objective.prior.variational, "resumable": bool(mixture.warm_start)}
    solver = SolverSettings(*numbers, accelerated, **how)
    K = int(mixture.n_components)
    return fitting.starts.FitSettings(K, objective, mixture.n_threads, start, solver, getattr(mixture, "refine", None))


def known_classes(
    labels: Any, components_per_class: Any, n_components: int, source: Source
) -> tuple[NDArray[Any] | None, KnownClasses]:
    """Return the classes in labels, None without labels, and which components rows may belong to.

    Raises
    ------
    ValueError
        If the labels are unusable, do not go with the number of components, or the rows lie in partitions.
    """
    if labels is None:
        if not options.is_default(components_per_class, 1):
            raise ValueError("components_per_class needs rows of known class: expected labels, got None")
        return None, ALL_UNKNOWN
    refuse("labels", {"rows in partitions": source.place == "elsewhere"})
    classes, codes = given.check_labels(labels, source.n_rows)
    if source.survey.n_used < source.n_rows:
        classes, codes = given.classes_with_weight(classes, codes, source.weights > 0)
    if not len(classes):
        return classes, ALL_UNKNOWN
    owners = given.check_components_per_class(components_per_class, classes, codes[source.weights > 0], n_components)
    return classes, KnownClasses((codes + 1).astype(np.intc), owners)


def known_again(mixture: FittedMixture, labels: Any, source: Source) -> KnownClasses:
    """Return which components of a fitted mixture rows may belong to, given the labels of its fit.

    Raises
    ------
    ValueError
        If a fit with labels comes without them or with others, or a fit without labels with some.
    """
    fitted = vars(mixture).get("classes_")
    if (labels is None) != (fitted is None):
        remedy = "without labels: expected labels=None" if fitted is None else "with labels: expected these as labels"
        raise ValueError(f"the mixture was fitted {remedy}")
    if fitted is None:
        return ALL_UNKNOWN
    owners, others = mixture.component_classes_.tolist(), f"expected the labels of the fit, of classes {fitted}"
    if not np.isin(fitted, given.check_labels(labels, source.n_rows)[0]).all():
        raise ValueError(others)
    per_class = {label: owners.count(label) for label in fitted.tolist()}
    classes, restriction = known_classes(labels, per_class, mixture.n_components, source)
    again = restriction.owner_of_each(mixture.n_components)
    if classes is None or not np.array_equal(classes, fitted) or classes_of(classes, again).tolist() != owners:
        raise ValueError(others)
    return restriction


def with_mixture(
    mixture: FittedMixture, kind: type[_Mixture], parameters: MixtureParameters, columns: Any = slice(None), **how: Any
) -> _Mixture:
    """Return an estimator of another mixture of the same components, and of the same columns or some of them.

    It has their classes and names, the parameters that last, and others in `how`.
    """
    names = given_names(mixture)
    of_columns = np.array(names, object)[columns] if names else None
    other = estimator_of(kind, parameters, of_columns, mixture._dtype, **lasting_settings(mixture) | how)
    vars(other).update({name: vars(mixture)[name] for name in _OF_CLASSES if name in vars(mixture)})
    return other


def sorted_classes(labels: list[Any]) -> NDArray[Any]:
    """Return the classes that a file names.

    Raises
    ------
    ValueError
        If they are none, or not sorted.
    """
    classes, codes = given.check_labels(labels, len(labels), "classes", unknown=None)
    if not np.array_equal(codes, np.arange(len(codes))):
        raise ValueError(f"expected sorted classes in 'classes' in its header, got {labels!r:.60}")
    return classes


def classes_of(classes: NDArray[Any], owners: NDArray[np.intp]) -> NDArray[Any]:
    """Return the class of each component; −1, or None beside classes that are no integers, where it has none."""
    none = -1 if classes.dtype.kind in "if" else None
    labels = [*classes.tolist(), none]
    return np.array([labels[owner] for owner in owners], dtype=object if none is None and -1 in owners else None)


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
    # They may have been set after the fit, and `load` refuses invalid ones.
    options.check_parameters(mixture)
    from gmm._persistence import values
    from gmm._versions import __version__

    header: dict[str, Any] = {
        "gmm_version": __version__,
        "class": type(mixture).__name__,
        "parameters": archive.to_json_values(mixture.get_params()),
        "covariance_model": parameters.model.name,
        "dtype": mixture._dtype.name,
        "feature_names": given_names(mixture),
    }
    header |= {} if parameters.model.stored_whole else {"low_rank": True}
    arrays = values.mixture_to_state(parameters)
    if isinstance(parameters, MixturePosterior):
        posterior, of_posterior = values.posterior_to_state(parameters)
        header, arrays = header | posterior, arrays | of_posterior
    if "history_" in vars(mixture):
        traces, passes = values.traces_to_state(mixture.history_, mixture.histories_)
        header |= {**traces, "lower_bound": mixture.lower_bound_}
        arrays |= passes
    if "classes_" in vars(mixture):
        classes = header["classes"] = mixture.classes_.tolist()
        owners = [classes.index(label) if label in classes else -1 for label in mixture.component_classes_.tolist()]
        header["owners"] = owners
    record = record_of(mixture)
    known = {"weight_seen": record.weight, "shrunk": record.shrunk, "beside_errors": record.beside_errors}
    header |= {name: value for name, value in known.items() if value}
    of_rows = {name: getattr(record, name) for name in ("shrunk_by", "steps", "causes")}
    arrays |= {name: values for name, values in of_rows.items() if values is not None}
    if record.stream is not None:
        header["stream"], of_stream = values.stream_to_state(record.stream)
        arrays |= of_stream
    return header, arrays


def states_of(mixtures: Iterable[FittedMixture | None]) -> tuple[list[Any], dict[str, NDArray[Any]]]:
    """Return the states of several mixtures, None without one; names of arrays begin with the number of theirs."""
    states = [(None, {}) if mixture is None else state_of(mixture) for mixture in mixtures]
    arrays = archive.bundle({number: of_one for number, (_, of_one) in enumerate(states)})
    return [header for header, _ in states], arrays


def from_state(cls: type[_Mixture], header: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> _Mixture:
    """Make the estimator whose `state_of` this is.

    Raises
    ------
    KeyError, ValueError
        If something is missing or invalid.
    """
    from gmm._persistence import values

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
    own = cls._get_param_names()  # those of a subclass may be others
    estimator = cls(**{name: value for name, value in implied.items() if name in own} | arguments)
    names = check_feature_names(archive.item(header, "feature_names", list) or None, parameters.n_features)
    if header["dtype"] not in ("float32", "float64"):
        raise ValueError(f"expected dtype float32 or float64, got {header['dtype']!r}")
    options.check_parameters(estimator)
    d, ridge, of_fit = parameters.n_features, estimator.reg_covar, dict[str, Any]()
    read: dict[str, Callable[[], Any]] = {
        "shrunk": lambda: check_choice(archive.item(header, "shrunk", str), "shrunk", tuple(SHRUNK)),
        "shrunk_by": lambda: given.check_numbers(arrays["shrunk_by"], "shrunk_by", (1 + d,)),
        "beside_errors": lambda: archive.item(header, "beside_errors", bool),
        "weight_seen": lambda: archive.positive(header, "weight_seen"),
        "steps": lambda: _steps(arrays["steps"], d),
        "causes": lambda: fitting.degenerate.check_causes(arrays["causes"], parameters.n_components),
        "stream": lambda: values.stream_from_state(archive.item(header, "stream", dict), arrays, parameters, ridge),
    }
    kept = {name: read_it() for name, read_it in read.items() if name in header or name in arrays}
    record = FitRecord(parameters, weight=kept.pop("weight_seen", 0.0), **kept)
    if "lower_bound" in header:
        best, traces = values.traces_from_state(header, arrays)
        record = record._replace(trace=best)
        of_fit = fit_attributes(best, archive.item(header, "lower_bound", float), traces)
    set_mixture(estimator, parameters, names, np.dtype(header["dtype"]), _last_fit=record, **of_fit)
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

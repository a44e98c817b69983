"""`FittedMixture`: methods of all mixtures, however they are estimated: fits, scores, samples, summaries, files."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from copy import copy
from functools import partial
from logging import INFO
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gmm import _fitting as fitting
from gmm import _persistence as archive
from gmm._estimators import attributes, contract, outcome
from gmm._estimators.attributes import MixtureEstimator, fitted_parameters, source_of
from gmm._estimators.contract import given_names
from gmm._estimators.outcome import ProgressPrinter
from gmm._estimators.request import continuation_of, fit_settings, problem_of, seeds_of, source_to_fit
from gmm._estimators.scorer import Scorer, check_output, log_evidence_of
from gmm._exceptions import LostClusterError
from gmm._log import LOGGER, follows_passes
from gmm._passes.solver import Iteration
from gmm._rows.input import is_dask
from gmm._validation import parameters as options
from gmm._validation.combinations import check_compatible
from gmm._validation.scalars import check_boolean
from gmm._values.layouts import SingularMatrixError

if TYPE_CHECKING:
    from gmm._estimators.summary import MixtureSummary
    from gmm._frozen_mixture import FrozenMixture


class FittedMixture(MixtureEstimator):
    """Base class of `GaussianMixture` and `BayesianGaussianMixture`, with their methods."""

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
            *Beyond*: called with an `Iteration` after each pass. A true return value stops the fit.
        labels : array-like of shape (n,), default=None
            *Beyond*: the classes of rows, integers or strings; −1, None, NaN and masked values are unknown. Rows of a
            class belong only to its components, and the others to any: semi-supervised EM. The likelihood of a row of
            known class is that of its class's part of the mixture. Components are in the order of the sorted classes,
            followed by those of no class, which have only rows of unknown class.
        components_per_class : int or mapping of classes to int, default=1
            *Beyond*: how many components each class has, or some classes have if not 1. The rest of `n_components`
            belong to no class.
        error_covariance : array-like, default=None
            *Beyond*: covariance of the measurement errors: variances of each column, (d,) in all rows or (n, d) row by
            row, or covariances, (d, d) or (n, d, d). The fit is then of the values without errors (extreme
            deconvolution: Bovy, Hogg & Roweis 2011). With `acceleration` and without a `prior`, covariances have a weak
            one, which counts as ten rows or more with the variances within k-means clusters, since errors may explain
            all variance in a direction; `print` shows how strong it was. Not for `BayesianGaussianMixture`.

        Returns
        -------
        Self
            The estimator itself.

        Raises
        ------
        ValueError, TypeError
            If the input is invalid; the message gives the place. With ``reg_covar=0``, also if a covariance becomes
            singular from every start. The estimator is then unchanged.
        LostClusterError
            If the rows are on a cluster that is gone. Its attribute `mixture` has the parameters of the last pass.

        Warns
        -----
        DegenerateWarning
            If a component has so few rows, or is so narrow, that its likelihood is no evidence of a group.
        ConvergenceWarning
            If `max_iter` passes left `tol` or more to gain, by ``history_.remaining``, or a component lost all its rows
            and was reseeded.
        UserWarning
            If `reg_covar` hides groups in a column, or no row of a class has a positive weight, so that it is not
            fitted. There is at most one warning, of the first of these. `remarks_` and `summary` have the details of
            all, such as the remaining gain, and the pass at which scikit-learn's rule would have stopped the fit.
        """
        options.check_parameters(self)
        kind: Any = type(self)
        contract.check_overrides(kind, FittedMixture)
        callback = options.check_callback(callback)
        source = source_to_fit(self, X, sample_weight, error_covariance)
        classes = None
        if labels is not None or not options.is_default(components_per_class, 1):
            from gmm._estimators.classes import classes_of, known_classes

            classes, known = known_classes(labels, components_per_class, self.n_components, source)
            source = source.with_changes(known=known)
        printer = ProgressPrinter(self, self._objective, source.n_rows)

        def watched(iteration: Iteration) -> bool:
            printer.step(iteration)
            return callback is not None and callback(iteration)

        is_logged = self.verbose or LOGGER.isEnabledFor(INFO)
        is_followed = callback is not None or (is_logged and (self.verbose or follows_passes()))
        settings = fit_settings(self, source)
        objective = settings.objective
        continuation = continuation_of(self, objective, source) if self.warm_start else None
        sizes = source.n_rows, source.n_features, settings.n_components
        if is_logged:
            LOGGER.info("fit: rows %d, features %d, components %d, %s", *sizes, objective.model.type_name)
        try:
            best = fitting.fit.fit_mixture(
                source.with_changes(on_reading=printer.reading) if self.verbose else source,
                settings,
                () if continuation else seeds_of(self, self.n_init),
                continuation=continuation,
                callback=watched if is_followed or source.storage != "memory" else None,
                on_end=printer.end if is_logged else fitting.fit.no_op,
                on_skip=printer.skip,
            )
        except SingularMatrixError as error:
            raise outcome.ill_defined(error, objective.model) from None
        except LostClusterError as error:
            raise outcome.lost_cluster(self, error, printer, source.feature_names) from error
        if is_logged:
            printer.refined(best.result)
        problem = problem_of(self, source, objective.model) if self.warm_start else None
        fit = self, best.result, source, source.feature_names, objective
        record = outcome.set_fitted(*fit, traces=best.traces, problem=problem)
        for name in attributes.CLASS_ATTRIBUTES:  # of an earlier fit
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
        **kwargs: Any,
    ) -> NDArray[np.intp]:
        """Return ``fit(X, …).predict(X)`` for the same arguments: the most probable component of each row, (n,)."""
        estimator: Any = self  # whose `fit` may be a subclass's
        known = {"error_covariance": kwargs["error_covariance"]} if "error_covariance" in kwargs else {}
        labels: NDArray[np.intp] = estimator.fit(X, y, sample_weight, callback, **kwargs).predict(X, **known)
        return labels

    def impute(
        self,
        X: ArrayLike,
        *,
        draw: bool = False,
        random_state: int | np.random.RandomState | np.random.Generator | None = None,
    ) -> Any:
        """Impute missing values from the others in their row; *beyond*.

        Parameters
        ----------
        X : array-like or data frame of shape (n, d), data set, or what `open_rows` returns
            NaN stands for a missing value, whatever `missing` is; a row without any value gets the mean of the mixture.
            The rows of a Dask collection are computed locally.
        draw : bool, default=False
            False imputes conditional means, which have the least expected squared error; they vary less than values do.
            True draws from the conditional distribution: several such tables are multiple imputations (Rubin 1987),
            except for the uncertainty of the mixture.
        random_state : int, RandomState, Generator or None, default=None
            Seed of the draws; None uses the estimator's `random_state`.

        Returns
        -------
        ndarray or data frame of shape (n, d)
            A data frame of pandas or polars if X is one. float32 for float32 rows, else float64; observed values
            are unchanged.

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
            rows = rows.compute()  # passes over a collection drop rows without a value
        source = source_of(self, rows, missing="em")
        rng = options.check_random_state(self.random_state if random_state is None else random_state) if draw else None

        from gmm._estimators.conditional import imputed
        from gmm._text.frames import framed_like

        return framed_like(rows, imputed(attributes.checked_for(self, "impute"), source, self.n_threads, rng))

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
        labels = self._scorer().labels(source, check_output(out, source, labels=True))
        return labels if out is None else out

    def predict_to(self, X: ArrayLike, path: str | os.PathLike[str], *, responsibilities: bool = True) -> None:
        """Write the most probable component of each row to a file, and its responsibilities, by blocks; *beyond*.

        Parameters
        ----------
        X : array-like or data frame of shape (n, d), data set, or what `open_rows` returns
        path : str or os.PathLike
            Its suffix gives the format: .parquet, .arrow, .feather, .csv or .tsv. The file appears when it is complete.
        responsibilities : bool, default=True
            Whether to write them, as the columns p_0, p_1, ..., after the columns row (numbers from 1) and component
            (from 0). ``gmm predict`` writes the same columns.

        Raises
        ------
        ValueError, TypeError
            If the rows are not those of the fit, or the suffix is unknown.
        OSError
            If the file cannot be written; an existing one is unchanged.
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
            Rows sum to 1 or, with noise, to less: the rest is the probability of noise. float32 for float32 rows,
            else float64.
        """
        K = fitted_parameters(self).n_components
        if is_dask(X) and error_covariance is None:
            return self._lazily("predict_proba", X, out, shape=(K,))
        source = source_of(self, X, error_covariance=error_covariance)
        responsibilities = self._scorer().responsibilities(source, check_output(out, source, n_columns=K))
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
            1e150 standard deviations are treated as if at that distance.
        """
        if is_dask(X) and error_covariance is None:
            return self._lazily("score_samples", X, out)
        source = source_of(self, X, error_covariance=error_covariance)
        values = log_evidence_of(self._scorer(), source, check_output(out, source))
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
        check_compatible("heavy tails", {"classified=True": classified and fitted_parameters(self).tails})
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
            Rows, usually those of the fit. None uses what the mixture stores of its fit, as ``print(mixture)`` does:
            their weight and log-likelihood, but not the rows of each component.
        sample_weight : array-like of shape (n,), default=None
            Weights of the rows; the criteria use their sum as the sample size.
        error_covariance : array-like, default=None
            Covariance of the rows' measurement errors, as in `fit`; required if the rows of the fit had some.

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
        from gmm._estimators.summary import summary_of_fit, summary_of_rows

        if X is None:
            for name, given_value in {"sample_weight": sample_weight, "error_covariance": error_covariance}.items():
                if given_value is not None:
                    raise ValueError(f"{name}: expected its rows as X, got None")
            return summary_of_fit(copy(self))
        return summary_of_rows(copy(self), attributes.rows_of_fit(self, X, sample_weight, error_covariance))

    def freeze(self) -> FrozenMixture:
        """Make an immutable copy that scores rows in a service, in microseconds; *beyond*.

        Returns
        -------
        FrozenMixture
            Its results are those of this estimator's methods, except for rows with missing values, which get NaN and
            the label −1. Later changes of the estimator do not affect it. Its `metadata` are this estimator's, with
            "feature_names" if the estimator has them.
        """
        frozen, names = self._scorer().frozen(), given_names(self)
        return archive.describe(frozen, ({"feature_names": names} if names else {}) | self.metadata)

    def save(self, file: archive.Writable, *, metadata: Mapping[str, Any] | None = None) -> None:
        """Write the fitted mixture to a file of numbers and text; *beyond*.

        Constructor parameters are saved if they are numbers, names or a prior. Generators, callables and arrays that
        describe a start are not saved.

        Parameters
        ----------
        file : str, os.PathLike or binary file
            A path, used as given (no suffix is added), or a file open for writing, which need not be seekable.
        metadata : dict of JSON values, optional
            Further information, such as names, dates, the number of rows or scores. None writes the metadata of the
            file that this comes from. Nothing is added, so the same object gives the same bytes.

        Raises
        ------
        TypeError
            If `metadata` contains a value that JSON cannot represent; the message gives its place.
        ValueError
            If a constructor parameter is invalid, so that `load` would refuse the file, or a number of `metadata` is
            not finite.
        """
        from gmm._estimators.saved import state_of

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
            An instance of the class that this is called on.

        Raises
        ------
        ValueError
            If the file is not a saved model, was written by a newer version, or does not contain a valid mixture; the
            message gives the reason. Loading runs no code from the file, so files from others are safe to open.
        """
        from gmm._estimators.saved import from_state

        return archive.load_object(file, {cls.__name__: partial(from_state, cls)})

    def _estimate_log_prob(self, X: ArrayLike) -> NDArray[Any]:  # the name, and the next three, are scikit-learn's
        return self.component_log_density(X)

    def _estimate_log_weights(self) -> NDArray[Any]:
        return fitted_parameters(self).log_weights

    def _estimate_weighted_log_prob(self, X: ArrayLike) -> NDArray[Any]:
        return self._estimate_log_prob(X) + self._estimate_log_weights()

    def _estimate_log_prob_resp(self, X: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
        log_densities = self.score_samples(X)
        return log_densities, self._estimate_weighted_log_prob(X) - log_densities[:, None]

    def __str__(self) -> str:
        """Return the constructor call and, once fitted, a summary of the mixture below it."""
        from gmm._estimators.summary import summary_of

        return super().__str__() if self._parameters is None else f"{self!r}\n{summary_of(self)}"

    def _html_parts(self) -> list[object]:
        from gmm._estimators.summary import summary_of

        return [] if self._parameters is None else summary_of(self).html()

    def _lazily(
        self,
        method: str,
        X: Any,
        out: Any,
        dtype: np.dtype[Any] | None = None,
        shape: tuple[int, ...] = (),
        **kwargs: str,
    ) -> Any:
        """Return the results of a method for each partition of a Dask collection, as a Dask array."""
        from gmm._rows.dask import mapped

        if out is not None:
            raise TypeError(f"expected out=None with a Dask collection, whose {method} is a Dask array")
        names, settings = vars(self).get("feature_names_in_"), {"missing": self.missing, "n_threads": 1}
        other = attributes.estimator_of(type(self), fitted_parameters(self), names, self._dtype, **settings)
        return mapped(partial(getattr(other, method), **kwargs), X, dtype, shape)

    def _scorer(self) -> Scorer:
        return Scorer(fitted_parameters(self), self.n_threads)

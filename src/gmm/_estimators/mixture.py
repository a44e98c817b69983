"""`GaussianMixture`: the estimator with the interface of scikit-learn's, and factors."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import KW_ONLY, dataclass
from time import perf_counter
from types import MethodType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gmm import _fitting as fitting
from gmm._estimators import attributes, criteria, request
from gmm._estimators.attributes import fitted_parameters
from gmm._estimators.contract import as_dtype, names_of_features
from gmm._estimators.fitted import FittedMixture
from gmm._estimators.outcome import ill_defined, warn_of_repairs, with_remarks
from gmm._exceptions import warn
from gmm._passes.solver import Trace, plain_records
from gmm._rows.input import as_source, check_any
from gmm._rows.sources import ArraySource, Source, check_names, chunks_in_order
from gmm._validation.checks import check_limits, check_tails, check_user_mixture
from gmm._validation.combinations import check_compatible
from gmm._validation.parameters import check_columns, check_known_columns, check_level, check_parameters, features_of
from gmm._validation.rows import check_feature_names
from gmm._validation.scalars import check_choice, check_real
from gmm._values import covariance
from gmm._values.covariance import DEFAULT_COVARIANCE_TYPE, CovarianceModel, covariance_model
from gmm._values.layouts import Array, SingularMatrixError
from gmm._values.objective import Objective
from gmm._values.parameters import MixtureParameters
from gmm._values.priors import NormalInverseWishart
from gmm._values.tails import LEAST_DEGREES, MOST_DEGREES

if TYPE_CHECKING:
    from gmm._estimators.conditional import ConditionalPrediction
    from gmm._passes.stepwise import Stream

_ENDED = "one step for each block"
_LARGEST_SQUARES = 1e300
_CONTAINERS = "default", "pandas", "polars"
_OUTPUT = "_sklearn_output_config"  # scikit-learn's name, which its `clone` copies


class FactorMethod:
    """Descriptor of a method that only mixtures with factors have, as scikit-learn's ``available_if``."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function, self.__doc__ = function, function.__doc__

    def __get__(self, instance: FittedMixture | None, owner: type[FittedMixture]) -> Callable[..., Any]:
        if instance is None:
            return self.function
        _check_has_factors(instance, self.function.__name__)
        return MethodType(self.function, instance)


@dataclass(eq=False, repr=False)
class GaussianMixture(FittedMixture):
    """Gaussian mixture model Σ_k π_k N(μ_k, Σ_k), fitted by expectation–maximisation (EM).

    A drop-in replacement for ``sklearn.mixture.GaussianMixture``: the same parameters, attributes and methods.
    Additions are marked *beyond*.

    By default a fit makes quasi-Newton steps on EM's sufficient statistics and needs fewer passes over the rows than
    EM. With ``acceleration=None`` and the same initial weights, means and precisions, it runs the passes of
    scikit-learn, but returns the parameters that the last pass evaluated, not the update after it. The default starts
    differ from scikit-learn's; their trial passes are not counted in ``n_iter_``.

    Parameters
    ----------
    n_components : int, default=1
        Number of components, K.
    covariance_type : str, default="full"
        "full": one covariance matrix per component; "tied": one matrix for all; "diag": variances per component and
        feature; "spherical": one variance per component. *Beyond*: any of the 14 models Σ_k = λ_k D_k A_k D_kᵀ, named
        by three letters for the volumes λ_k, the shapes A_k and the orientations D_k. Each is equal in all components
        (E), variable (V) or the identity (I): EII, VII, EEI, VEI, EVI, VVI, EEE, VEE, EVE, VVE, EEV, VEV, EVV, VVV.
        scikit-learn's four are VVV, EEE, VVI and VII. Of one column: "E", equal variances, and "V". "factor": factor
        analysers, Σ_k = Λ_k Λ_kᵀ + Ψ_k with loadings Λ_k (d, `n_factors`) and a diagonal Ψ_k; "ppca": principal
        component analysers, where Ψ_k = σ_k² I. A number after these names, as in "factor2", sets `n_factors`.
    n_factors : int, default=None
        *Beyond*: number of factors of each component, from 1 to d − 1, only for "factor" and "ppca".
    tol : float, default=1e-3
        Convergence threshold, in nats per row. Stop when the estimated remaining gain has stayed below `tol` for three
        to five passes; without `acceleration`, when one pass changes the mean log-likelihood by less than `tol`. With
        0, run until `max_iter`.
    reg_covar : float, default=1e-6
        Added to the diagonal of the covariances, in squared units of the data. A fit with a positive value does not
        fail on degenerate data. It is also the least variance not explained by factors.
    max_iter : int, default=100
        Maximum number of passes over the rows, including rejected ones. 0 returns the start.
    n_init : int, default=1
        Number of starts. The fit with the highest likelihood is kept, less what chance gives to degenerate components,
        so more starts may give a lower likelihood; the first start is the one of ``n_init=1``. A start whose covariance
        becomes singular, without a ridge or a prior, is dropped. *Beyond*: on large tables, each further start is
        first tried for some passes on a sample of the rows, and dropped unless it comes close to the best one so far.
    init_params : str, array-like of shape (n, K) or callable, default="kmeans"
        How to start: "kmeans", the best of a few clusterings by k-means; "k-means++"; "random"; "random_from_data".
        *Beyond*: "hierarchical", Ward's clustering of up to 1000 rows, which is deterministic for tables of at most
        1000 rows; an array of responsibilities; or a callable ``(X, K, rng)`` that returns one, where ``rng`` is a
        RandomState, or a Generator if `random_state` is one. With `noise`, a row's rest up to 1 is noise.
    weights_init : array-like of shape (K,), default=None
        Initial weights.
    means_init : array-like of shape (K, d), default=None
        Initial means. Without the others, each row starts in the component of the nearest mean (*beyond*;
        scikit-learn gets the rest from `init_params`).
    precisions_init : array-like, default=None
        Initial precisions, in the shape of ``precisions_``.
    random_state : int, RandomState, Generator or None, default=None
        Seed of the starts and of `sample`. None uses numpy's global state, unless the start is given; a generator is
        advanced.
    warm_start : bool, default=False
        Continue from the previous fit in the next call of `fit`. Thirty fits with ``max_iter=1`` give the same result
        as one with ``max_iter=30``, also ``converged_``: a converged fit does not change until `tol` is reduced.
    verbose : int, default=0
        1 prints the passes, 2 also prints the elapsed time.
    verbose_interval : int, default=10
        Number of passes between two lines.
    n_threads : int, default=None
        *Beyond*: number of threads. None uses all available cores, within the limit that ``threadpoolctl`` sets for
        BLAS. The result is bitwise the same for every number of threads.
    acceleration : {"auto", None}, default="auto"
        *Beyond*: "auto" makes quasi-Newton steps on EM's sufficient statistics. The objective never decreases, except
        when an empty component is reseeded; it includes `reg_covar`, as noise of that variance added to the rows.
        None is textbook EM with scikit-learn's stopping rule, where `reg_covar` may lower the likelihood.
    refine : {"split-merge"} or None, default=None
        *Beyond*: "split-merge" tries to improve the converged fit: it drops one component, splits another in its place,
        fits again, and accepts moves that raise the likelihood without a degenerate component. It needs about 5 to 15
        times the passes of the fit; see ``history_.refinement``. A fit that did not converge is not refined. A callback
        is called after the passes of moves too; each move counts them from 1.
    prior : {"conjugate"}, NormalInverseWishart or None, default=None
        *Beyond*: prior on the component means and covariances. The fit then maximises the posterior density (MAP)
        instead of the likelihood. "conjugate" is `NormalInverseWishart` with unset hyperparameters estimated from the
        data; with it no covariance becomes singular, even with ``reg_covar=0``; a component of too few rows is still
        called degenerate. Scores and criteria do not include the prior.
    noise : bool, float or array-like of shape (2, d), default=False
        *Beyond*: True adds uniform noise over the box of the rows, to which rows may belong instead of to a component
        (Banfield & Raftery 1993), as mclust does. A float is the share of noise that the fit starts from, 0.05 by
        default; an array, the lower and upper corner of the box. Its density is the same outside of the box.
    missing : {"error", "em"}, default="error"
        *Beyond*: how NaN is treated. "em": as a missing value, which EM integrates out, so that the fit maximises the
        likelihood of the observed values, as do scores, predictions and criteria. This is valid if values are missing
        at random: whether one is missing depends only on the observed values of its row (Little & Rubin 2019). Each
        column needs a value. A row without any has no weight in a fit, a score or a criterion; its responsibilities
        are the weights of the mixture, and its log-likelihood is 0.
    fixed : mapping of {"weights", "means", "covariances"} to bool or array-like of shape (K,), default=None
        *Beyond*: parameters that a fit does not change, of all components or where a mask is True. Their values are
        `weights_init`, `means_init` and `precisions_init`, which are then required, or with `warm_start` those of the
        previous fit or of `from_parameters`. The others are the best given these: free weights share the rest, and
        free covariances are about fixed means. Passes are those of ``acceleration=None``. Covariances that depend on
        each other are all fixed or none; weights are not fixed with `noise`. ``n_parameters_`` counts free ones.
    max_ratio : float, default=None
        *Beyond*: limit, at least 1, of the ratio of the largest eigenvalue of all covariances to the smallest one
        (García-Escudero et al. 2008), for "full", "diag" and "spherical". It prevents collapse: the likelihood
        has a maximum, even with ``reg_covar=0``; another `reg_covar` is added before the covariances are limited. 50 is
        a good value where columns have one unit; others are divided by their standard deviations first.
    tails : {"normal", "t"}, default="normal"
        *Beyond*: "t" makes the components Student's t distributions (Peel & McLachlan 2000), whose tails are heavier:
        rows far away move them little. The covariances are then scale matrices.
    degrees_of_freedom : float or "each", default=None
        *Beyond*: ν of all components with ``tails="t"``, 1 or more; None estimates it, up to 200, "each" one for each
        component. Small values make heavy tails.

    Attributes
    ----------
    weights_ : ndarray of shape (K,)
        Mixture weights π_k; with `noise`, they sum to 1 less its weight.
    noise_weight_ : float
        *Beyond*: weight of the noise; 0 without.
    means_ : ndarray of shape (K, d)
        Means μ_k.
    covariances_, precisions_, precisions_cholesky_ : ndarray
        Covariances Σ_k, their inverses, and the upper triangular Cholesky factors of the inverses. (K, d, d) for "full"
        and VEE, EVE, VVE, EEV, VEV, EVV, "factor" and "ppca"; (d, d) for "tied"; (K, d) for "diag" and EEI, VEI, EVI;
        (K,) for "spherical" and EII. These arrays, the weights and the means may be assigned and changed in place, as
        those of scikit-learn. The next use of the mixture checks the numbers; of covariances, precisions and factors
        the last assigned counts, and until then the others do not change. With `noise` they are read-only.
    loadings_ : ndarray of shape (K, d, q)
        *Beyond*: loadings Λ_k of "factor" and "ppca", the most informative factor first, such that Λ_kᵀ Ψ_k⁻¹ Λ_k is
        diagonal. Their signs are arbitrary; the largest loading of each factor is positive. With so many factors that
        Λ_k has more numbers than Σ_k determines, Λ_k and Ψ_k are one choice among many.
    noise_variance_ : ndarray of shape (K, d)
        *Beyond*: the diagonals of Ψ_k.
    converged_ : bool
        Whether the stopping rule was met before `max_iter`.
    n_iter_ : int
        Number of passes of the best start or, after a refinement, of its last fit.
    lower_bound_ : float
        Mean log-likelihood of the fitted parameters, in nats per unit weight. With `acceleration` it is a lower bound,
        too low by the order of (`reg_covar` / variance)²; `score` is exact. With a `prior`, its log density per unit
        weight is added.
    lower_bounds_ : list of float
        Lower bound measured by each pass, before its update; a rejected pass repeats the last accepted value. If the
        fit ends at `max_iter`, the last update is evaluated by one more pass, which is not in the list.
    history_ : Trace
        *Beyond*: the objective, estimated remaining gain, acceptance and time of each pass; the reason for stopping;
        and the result of a refinement.
    histories_ : tuple of Trace
        *Beyond*: traces of the starts that were fitted in full, in order; ``history_`` is that of the best. After a
        refinement, the trace of its last fit, which is then ``history_``, replaces that of its start.
    remarks_ : dict of str to str
        *Beyond*: the warnings of the fit by cause, with numbers and names, as in `summary`. They are not saved.
    classes_ : ndarray
        *Beyond*: the classes in the `labels` of `fit`, sorted; only after a fit with labels.
    component_classes_ : ndarray of shape (K,)
        *Beyond*: the class of each component, so that ``component_classes_[predict(X)]`` are the classes of rows; −1,
        or None if classes are strings, for a component without a class.
    n_parameters_ : int
        *Beyond*: number of free parameters.
    degrees_of_freedom_ : float or ndarray of shape (K,)
        *Beyond*: ν of all components, or with "each" of every one; infinite for normal components.
    n_features_in_ : int
        Number of features, d.
    feature_names_in_ : ndarray of str, shape (d,)
        Names of the features, if all columns of X had string names.

    See Also
    --------
    select : Choose the number of components and the covariance type.
    gmm.em.steps : Run a fit one pass at a time.

    References
    ----------
    A. P. Dempster, N. M. Laird, D. B. Rubin (1977). Maximum likelihood from incomplete data via the EM algorithm.
    *Journal of the Royal Statistical Society B* 39, 1-38. N. Ueda, R. Nakano, Z. Ghahramani, G. E. Hinton (2000). SMEM
    algorithm for mixture models. *Neural Computation* 12, 2109-2128. G. Celeux, G. Govaert (1995). Gaussian
    parsimonious clustering models. *Pattern Recognition* 28, 781-793. C. Fraley, A. E. Raftery (2007). Bayesian
    regularization for normal mixture estimation and model-based clustering. *Journal of Classification* 24, 155-181. Z.
    Ghahramani, G. E. Hinton (1996). The EM algorithm for mixtures of factor analyzers. Technical report CRG-TR-96-1,
    University of Toronto. D. Peel, G. J. McLachlan (2000). Robust mixture modelling using the t distribution.
    *Statistics and Computing* 10, 339-348. M. E. Tipping, C. M. Bishop (1999). Mixtures of probabilistic principal
    component analysers. *Neural Computation* 11, 443-482. L. A. García-Escudero, A. Gordaliza, C. Matrán, A. Mayo-Iscar
    (2008). A general trimming approach to robust cluster analysis. *Annals of Statistics* 36, 1324-1345. H. Fritz, L.
    A. García-Escudero, A. Mayo-Iscar (2013). A fast algorithm for robust constrained clustering. *Computational
    Statistics and Data Analysis* 61, 124-136. J. D. Banfield, A. E. Raftery (1993). Model-based Gaussian and
    non-Gaussian clustering. *Biometrics* 49, 803-821. R. J. A. Little, D. B. Rubin (2019). *Statistical Analysis with
    Missing Data*, third edition. J. Bovy, D. W. Hogg, S. T. Roweis (2011). Extreme deconvolution. *Annals of Applied
    Statistics* 5, 1657-1677. C. M. Bishop (2006). *Pattern Recognition and Machine Learning*, section 9.2.

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

    n_components: int = 1
    _: KW_ONLY
    covariance_type: str = DEFAULT_COVARIANCE_TYPE
    n_factors: int | None = None
    tol: float = 1e-3
    reg_covar: float = 1e-6
    max_iter: int = 100
    n_init: int = 1
    init_params: str | ArrayLike | Callable[..., ArrayLike] = "kmeans"
    weights_init: ArrayLike | None = None
    means_init: ArrayLike | None = None
    precisions_init: ArrayLike | None = None
    random_state: int | np.random.RandomState | np.random.Generator | None = None
    warm_start: bool = False
    verbose: int = 0
    verbose_interval: int = 10
    n_threads: int | None = None
    acceleration: str | None = "auto"
    refine: str | None = None
    prior: str | NormalInverseWishart | None = None
    noise: bool | float | ArrayLike = False
    missing: str = "error"
    fixed: Mapping[str, bool | ArrayLike] | None = None
    max_ratio: float | None = None
    tails: str = "normal"
    degrees_of_freedom: float | str | None = None

    @classmethod
    def from_parameters(
        cls,
        weights: ArrayLike,
        means: ArrayLike,
        covariances: ArrayLike,
        *,
        covariance_type: str = DEFAULT_COVARIANCE_TYPE,
        degrees_of_freedom: float | None = None,
        feature_names: Sequence[str] | None = None,
    ) -> Self:
        """Make a fitted estimator from known parameters; *beyond*.

        Parameters
        ----------
        weights : array-like of shape (K,)
            Non-negative, with the sum 1.
        means : array-like of shape (K, d)
        covariances : array-like
            Positive definite, in the shape of ``covariances_`` for `covariance_type`.
        covariance_type : str, default="full"
        degrees_of_freedom : float, default=None
            Of Student's t components, whose scale matrices `covariances` then are; None makes normal ones.
        feature_names : sequence of str, default=None
            Names of the d features.

        Returns
        -------
        GaussianMixture

        Raises
        ------
        ValueError
            If the numbers are not a mixture; the message names the entry that is wrong.

        Examples
        --------
        >>> from gmm import GaussianMixture
        >>> mixture = GaussianMixture.from_parameters([0.5, 0.5], [[-1.0], [1.0]], [[[1.0]], [[1.0]]])
        >>> round(mixture.score([[0.0]]), 4)
        -1.4189
        """
        model = covariance_model(covariance_type, np.shape(means)[-1] if np.ndim(means) else 1)
        parameters = check_user_mixture(weights, means, covariances, model)
        names = check_feature_names(feature_names, parameters.n_features)
        if degrees_of_freedom is not None:
            degrees = check_real(degrees_of_freedom, "degrees_of_freedom", f"[{LEAST_DEGREES}, {MOST_DEGREES}]")
            parameters = parameters.with_other(tails=check_tails("t", degrees))
        return attributes.estimator_of(cls, parameters, names, covariance_type=covariance_type)

    @with_remarks
    def partial_fit(
        self, X: ArrayLike, y: object = None, sample_weight: ArrayLike | None = None, *, decay: float = 0.0
    ) -> Self:
        """Update the mixture with a block of rows, which is not stored; *beyond*.

        This is stepwise EM: one pass over the block with the present mixture, whose statistics are averaged with those
        of the blocks before it, and one update. A block of weight w, after rows of weight W, has the share
        1 − (W / (W + w))³ in the average, about 3 w / W: the statistics under early, poorer mixtures are forgotten,
        and blocks may be of any size. The mixtures need not be averaged in addition: the shares already average, and
        the last third of the rows has 70 %.

        The first call starts from its block, by `init_params` or from the given weights, means and precisions; pass
        several rows for each free parameter, as the start counts as three rows for each. A mixture that was fitted or
        loaded continues: its past counts as the weight of the rows of that fit, and a `prior` counts once in addition;
        one of `from_parameters` is a start. `tol`, `max_iter`, `n_init`, `acceleration` and `refine` have no effect.
        Unset values of a `prior`, and the box of `noise`, are those of the fit or the first block. Parameters that are
        `fixed` do not change; which these are may change between blocks.

        Parameters
        ----------
        X : array-like or data frame of shape (n, d), data set, or what `open_rows` returns
            An array is one block, of at least one row, and of at least K rows in the first call. Rows beyond memory
            have one block for each 8 MB.
        y : ignored
        sample_weight : array-like of shape (n,), default=None
            Weights of the rows; a row of weight 2 counts as two rows.
        decay : float, default=0
            Share of the past that each unit of weight replaces, below 1, for streams that drift: the mixture then
            follows about the last 1 / `decay` rows. With 0, steps become ever shorter.

        Returns
        -------
        Self
            The estimator itself. ``lower_bounds_`` has the mean log-likelihood of each block of this call before its
            update, ``lower_bound_`` the last of them; ``n_iter_`` is their number, and ``converged_`` is False.

        Raises
        ------
        ValueError, TypeError
            If the block is invalid; the message gives the place. With ``reg_covar=0``, also if a covariance becomes
            singular. The estimator is then unchanged.

        Warns
        -----
        ConvergenceWarning
            If a component lost all its rows and was reseeded; also if the first block has fewer rows than the mixture
            has free parameters, so that the start overfits them, without `precisions_init` or a `prior`.

        References
        ----------
        O. Cappé, E. Moulines (2009). On-line expectation–maximization algorithm for latent data models. *Journal of the
        Royal Statistical Society B* 71, 593-613. R. M. Neal, G. E. Hinton (1998). A view of the EM algorithm that
        justifies incremental, sparse, and other variants. *Learning in Graphical Models*, 355-368.

        Examples
        --------
        >>> import numpy as np
        >>> from gmm import GaussianMixture
        >>> rng = np.random.default_rng(0)
        >>> mixture = GaussianMixture(n_components=2, random_state=0)
        >>> for day in range(20):
        ...     block = rng.normal(size=(300, 1)) + 6 * (rng.uniform(size=(300, 1)) < 0.25)
        ...     mixture = mixture.partial_fit(block)
        >>> mixture.weights_.round(2), mixture.means_.ravel().round(1)
        (array([0.76, 0.24]), array([0., 6.]))
        """
        check_parameters(self)
        from gmm._rows.incomplete import IncompleteSource

        decay = check_real(decay, "decay", "[0, 1)")
        record = attributes.record_of(self)
        check_compatible("partial_fit", features_of(self) | {"error_covariance": record.has_errors})
        if record.parameters is None:
            source = request.source_to_fit(self, X, sample_weight)
            names = source.feature_names
        else:
            source, names = attributes.source_of(self, X, sample_weight), vars(self).get("feature_names_in_")
            check_any(source)
            model = attributes.model_of(self)
            request.check_same(self, record.parameters, model, source, "partial_fit", "Clone the estimator")
            _check_near(record.parameters.means, source)
        model = attributes.model_of(self, source.n_features)
        bounds, seconds, repaired = list[float](), list[float](), list[int]()
        try:
            stream = self._stream_so_far(source, model, record)
            with closing(chunks_in_order(source, 1)) as chunks:
                for chunk in chunks:
                    start, rows = perf_counter(), ArraySource(chunk.rows, chunk.sample_weight)
                    block = IncompleteSource.from_rows(rows) if source.patterns else rows
                    if block.survey.n_used:
                        stream, bound, empty = stream.after(block, decay=decay, n_threads=self.n_threads)
                        bounds.append(bound)
                        repaired += empty
                        seconds.append(perf_counter() - start)
        except SingularMatrixError as error:
            raise ill_defined(error, model) from None
        trace = Trace(plain_records(bounds, seconds), _ENDED, False)
        record = attributes.FitRecord(stream.parameters, trace, stream=stream, prior_parts=request.prior_parts(self))
        described = attributes.fit_attributes(trace, bounds[-1], (trace,))
        attributes.set_mixture(self, stream.parameters, names, source.dtype, _last_fit=record, **described)
        warn_of_repairs(tuple(repaired))
        return self

    def bic(
        self, X: ArrayLike, sample_weight: ArrayLike | None = None, *, error_covariance: ArrayLike | None = None
    ) -> float:
        """Compute the Bayesian information criterion (BIC); smaller is better.

        Parameters
        ----------
        X : array-like or data frame of shape (n, d), data set, or what `open_rows` returns
        sample_weight : array-like of shape (n,), default=None
            *Beyond*: weights of the rows; their sum then replaces n.
        error_covariance : array-like, default=None
            *Beyond*: covariance of the rows' measurement errors, as in `fit`; required if the fit had some.

        Returns
        -------
        float
            On the scale of −2 log-likelihood: a difference of 2 is one nat.
        """
        source, scorer = attributes.rows_of_fit(self, X, sample_weight, error_covariance), self._scorer()
        return criteria.bic(scorer.log_likelihood(source), scorer.parameters.n_parameters, source.survey.weight)

    def aic(
        self, X: ArrayLike, sample_weight: ArrayLike | None = None, *, error_covariance: ArrayLike | None = None
    ) -> float:
        """Compute Akaike's information criterion (AIC), with the parameters of `bic`; smaller is better."""
        source, scorer = attributes.rows_of_fit(self, X, sample_weight, error_covariance), self._scorer()
        return criteria.aic(scorer.log_likelihood(source), scorer.parameters.n_parameters)

    def criteria(
        self, X: ArrayLike, sample_weight: ArrayLike | None = None, *, error_covariance: ArrayLike | None = None
    ) -> dict[str, float]:
        """Compute all criteria; smaller is better for each; *beyond*.

        The rows are read once, and once or twice more for the mixture of one component that "nec" needs.

        Parameters
        ----------
        X : array-like or data frame of shape (n, d), data set, or what `open_rows` returns
        sample_weight : array-like of shape (n,), default=None
            Weights of the rows; their sum then replaces n.
        error_covariance : array-like, default=None
            As in `bic`.

        Returns
        -------
        dict of str to float
            "bic" and "aic", the same as by the methods, up to rounding. "aicc", AIC with the small-sample correction,
            infinite unless n > p + 1 for p free parameters (Hurvich & Tsai 1989). "icl", the integrated completed
            likelihood: BIC with the classification log-likelihood Σ_i w_i max_k log ρ_ik (Biernacki, Celeux & Govaert
            2000). "nec", the normalised entropy criterion: the entropy of the responsibilities, divided by the gain in
            log-likelihood over a single component of the same covariance type, fitted to X with the same `reg_covar`
            (Celeux & Soromenho 1996). It is 1 for one component (Biernacki, Celeux & Govaert 1999), and has no unit;
            the others are on the scale of −2 log-likelihood: a difference of 2 is one nat. With `noise`, the single
            component has the same noise, and the responsibilities include that of the noise.

        Examples
        --------
        >>> from gmm import GaussianMixture
        >>> mixture = GaussianMixture.from_parameters([0.5, 0.5], [[-2.0], [2.0]], [[[1.0]], [[1.0]]])
        >>> {name: round(value, 2) for name, value in mixture.criteria([[-3.0], [-1.0], [1.0], [3.0]] * 2).items()}
        {'bic': 44.05, 'aic': 43.65, 'aicc': 73.65, 'icl': 44.19, 'nec': 0.37}
        """
        source, scorer = attributes.rows_of_fit(self, X, sample_weight, error_covariance), self._scorer()
        limits, totals = check_limits(self, scorer.parameters.model, 1), scorer.totals(source)
        one = scorer.single_log_likelihood(source, self.reg_covar, **limits)
        return criteria.evaluate(totals, scorer.parameters.n_parameters, source.survey.weight, one)

    def marginal(self, columns: Any) -> Self:
        """Return the mixture of some columns; *beyond*.

        Numbers and weights of components do not change. Covariances that are equal or proportional remain so; those of
        EVI, and of EVE, VVE, EEV, VEV and EVV, become those of "diag" and "full", as a part of them has no constraint.

        Parameters
        ----------
        columns : str, int or sequence of these
            Names of the fit (x0, x1, … if it had none), or indices from 0, in the order of the result.

        Returns
        -------
        GaussianMixture
            It has all methods of a fitted one, but no record of a fit.

        Examples
        --------
        >>> from gmm import GaussianMixture
        >>> mixture = GaussianMixture.from_parameters([0.5, 0.5], [[0, 0], [3, 4]], [1, 1], covariance_type="spherical")
        >>> mixture.marginal(1).means_
        array([[0.],
               [4.]])
        """
        parameters = fitted_parameters(self)
        indices = check_columns(columns, names_of_features(self))
        from gmm._values.completion import marginal

        return self._derived(marginal(parameters, indices), indices)

    def condition(self, values: Mapping[Any, float]) -> Self:
        """Return the mixture of the other columns, given values of some; *beyond*.

        Numbers of components do not change; their weights are the responsibilities of the values by `predict_proba` of
        the `marginal`. Covariance types are those of `marginal`. Degrees of freedom of t components increase by the
        number of values, and values far from the mean of a component make it wider (Ding 2016).

        Parameters
        ----------
        values : mapping of columns to numbers
            Columns by the names of the fit, or by index.

        Returns
        -------
        GaussianMixture
            The mixture of the columns that `values` does not name, in the order of the fit.

        References
        ----------
        P. Ding (2016). On the conditional distribution of the multivariate t distribution. *The American Statistician*
        70, 293-295.

        Examples
        --------
        >>> from gmm import GaussianMixture
        >>> covariances = [[[1.0, 0.9], [0.9, 1.0]]]
        >>> mixture = GaussianMixture.from_parameters([1.0], [[0.0, 0.0]], covariances, feature_names=["x", "y"])
        >>> given = mixture.condition({"x": 2.0})
        >>> given.means_.round(2), given.covariances_.round(2)
        (array([[1.8]]), array([[[0.19]]]))
        """
        if not hasattr(values, "keys"):
            raise TypeError(f"expected a mapping of columns to values, got {values!r:.80}")
        parameters = attributes.checked_for(self, "condition")
        numbers = {column: _number(column, value) for column, value in dict(values).items()}
        inputs, others = check_known_columns(list(numbers), None, names_of_features(self))
        source = as_source(np.array([list(numbers.values())]), estimator=self)
        from gmm._estimators.conditional import conditional_mixture
        from gmm._values.completion import Regression

        regression = Regression.from_mixture(parameters, inputs, others)
        return self._derived(conditional_mixture(regression, source), others)

    def predict_from(
        self, X: ArrayLike, known: Any = None, target: Any = None, *, level: float | None = None
    ) -> ConditionalPrediction:
        """Predict some columns from others, row by row: mixture regression; *beyond*.

        A row's prediction is the mean of `condition` for its values: the components' linear regressions, weighted by
        their responsibilities for the known values. Noise predicts the middle of its box. `MixtureRegressor` predicts
        the same columns from the same others, with scikit-learn's methods.

        Parameters
        ----------
        X : array-like or data frame of shape (n, q), data set, or what `open_rows` returns
            Values of q known columns; with ``missing="em"``, of those that a row has.
        known : str, int or sequence of these, default=None
            The columns of the fit that X has, in its order. None uses the names of X or, without names, all columns
            but `target`.
        target : str, int or sequence of these, default=None
            The columns to predict, in this order. None predicts all that are not known, in the order of the fit.
        level : float, default=None
            Probability of central intervals, such as 0.9; None computes none.

        Returns
        -------
        ConditionalPrediction
            ``columns``, ``means``, ``deviations`` and ``intervals`` of the predicted columns.

        Warns
        -----
        UserWarning
            If intervals are requested, and the fit had fewer than 2 rows for each parameter of the predicted columns
            given the others.

        Examples
        --------
        >>> from gmm import GaussianMixture
        >>> mixture = GaussianMixture.from_parameters([1.0], [[0.0, 0.0]], [[[1.0, 0.9], [0.9, 1.0]]])
        >>> mixture.predict_from([[2.0], [-1.0]], target=1).means.round(2)
        array([[ 1.8],
               [-0.9]])
        """
        level = None if level is None else check_level(level)
        parameters, weight = attributes.checked_for(self, "predict_from"), attributes.record_of(self).weight
        source = as_source(X, estimator=self, missing=self.missing)
        fitted_names, names = names_of_features(self), source.feature_names
        columns, targets = check_known_columns(names if known is None else known, target, fitted_names)
        if known is not None and names is not None and hasattr(self, "feature_names_in_"):
            check_names(names, np.array(fitted_names, object)[columns], self)
        if source.n_features != len(columns):
            raise ValueError(f"X has {source.n_features} columns, but {len(columns)} are known")
        target_names = tuple(fitted_names[j] for j in targets)
        from gmm._estimators.conditional import predicted

        return predicted(parameters, source, columns, targets, target_names, level, weight, self.n_threads)

    @FactorMethod
    def transform(self, X: ArrayLike) -> NDArray[Any]:
        """Compute the expected factors of each row, weighted by the responsibilities; *beyond*.

        With "factor" or "ppca", component k draws a row as x = μ_k + Λ_k u + ε from q factors u ~ N(0, I) and noise ε ~
        N(0, Ψ_k). The expected factors of a row are Σ_k r_ik Λ_kᵀ Σ_k⁻¹ (x_i − μ_k). Factors differ between components,
        so compare rows of one component. Where values are missing (``missing="em"``), x_i, μ_k, Σ_k and Λ_k are those
        of the observed columns. Other covariance types do not have this method.

        Parameters
        ----------
        X : array-like or data frame of shape (n, d)

        Returns
        -------
        ndarray of shape (n, q)
            float32 for float32 rows, else float64; a data frame if `set_output` or scikit-learn's configuration
            requires one.

        Examples
        --------
        >>> from gmm import GaussianMixture
        >>> covariances = [[[2.0, 1.0], [1.0, 2.0]]]
        >>> mixture = GaussianMixture.from_parameters([1.0], [[0, 0]], covariances, covariance_type="ppca1")
        >>> mixture.transform([[3.0, 3.0], [1.0, 0.0]]).round(2)
        array([[2.  ],
               [0.33]])
        """
        source = attributes.source_of(self, X)
        mixture, loadings = fitted_parameters(self), factors_of(self, "transform").loadings
        responsibilities = self._scorer().responsibilities(source)
        factors, maps = np.zeros((source.n_rows, loadings.shape[2])), dict[bytes, NDArray[Any]]()
        for pattern, indices, part in source.iter_patterns():
            columns, key = pattern.observed, pattern.missing.tobytes()
            if key not in maps:
                covariances = mixture.model.layout.for_columns(mixture.covariances, columns)
                slopes = np.linalg.solve(covariances, loadings[:, columns])
                maps[key] = np.ascontiguousarray(slopes.swapaxes(1, 2))
            for share, mean, map_ in zip(
                responsibilities[indices].T, mixture.means[:, columns], maps[key], strict=True
            ):
                # A sum in one order; BLAS has one for each number of rows.
                centred = np.subtract(part.rows, mean, order="C")
                factors[indices] += share[:, None] * np.einsum("ij,kj->ik", centred, map_)
        factors = as_dtype(factors, source.dtype)
        default = sys.modules["sklearn"].get_config()["transform_output"] if "sklearn" in sys.modules else "default"
        container = vars(self).get(_OUTPUT, {}).get("transform", default)
        if container == "default":
            return factors
        from gmm._text.frames import frame_of

        names = self.get_feature_names_out().tolist()
        framed: Any = frame_of(container, factors, names, X)  # pandas frames have the index of X
        return framed

    @FactorMethod
    def fit_transform(self, X: ArrayLike, y: object = None, **kwargs: Any) -> NDArray[Any]:
        """Return ``fit(X, …).transform(X)`` for the same arguments, the factors of each row; *beyond*."""
        estimator: Any = self  # whose `fit` may be a subclass's
        factors: NDArray[Any] = estimator.fit(X, y, **kwargs).transform(X)
        return factors

    @FactorMethod
    def get_feature_names_out(self, input_features: object = None) -> NDArray[np.object_]:
        """Return the names of what `transform` returns: factor0, factor1, …; *beyond*."""
        n_factors = fitted_parameters(self).model.n_factors
        return np.array([f"factor{j}" for j in range(n_factors)], dtype=object)

    @FactorMethod
    def set_output(self, *, transform: str | None = None) -> Self:
        """Choose what `transform` returns, as scikit-learn's transformers do; *beyond*.

        Parameters
        ----------
        transform : {"default", "pandas", "polars"} or None, default=None
            An array, or a data frame of one of these packages; None changes nothing.

        Returns
        -------
        GaussianMixture
            The estimator itself.
        """
        if transform is not None:
            vars(self)[_OUTPUT] = {"transform": check_choice(transform, "transform", _CONTAINERS)}
        return self

    @property
    def degrees_of_freedom_(self) -> float | NDArray[Any]:
        """Degrees of freedom ν, one number or one of each component; infinite without Student's t."""
        return fitted_parameters(self).tails.degrees

    @property
    def loadings_(self) -> NDArray[Any]:
        """Loadings Λ_k, (K, d, q), of "factor" and "ppca"."""
        return self._public_array(factors_of(self, "loadings_").loadings)

    @property
    def noise_variance_(self) -> NDArray[Any]:
        """Variances not explained by factors, the diagonals of Ψ_k, (K, d), of "factor" and "ppca"."""
        return self._public_array(factors_of(self, "noise_variance_").noise)

    def _n_parameters(self) -> int:  # the name is scikit-learn's
        return self.n_parameters_

    def _derived(self, parameters: MixtureParameters, columns: NDArray[np.intp]) -> Self:
        """Return an estimator of a mixture of some of the columns."""
        is_same = attributes.model_of(self) is parameters.model
        settings = {"covariance_type": self.covariance_type, "n_factors": self.n_factors} if is_same else {}
        return attributes.derived_estimator(self, type(self), parameters, columns, **settings)

    def _stream_so_far(self, source: Source, model: CovarianceModel, record: attributes.FitRecord) -> Stream:
        """Return the stream before a block: of the blocks so far, of a mixture without a stream, or of the start."""
        from gmm._passes.stepwise import Stream

        if record.stream is not None:
            if record.prior_parts not in ((), request.prior_parts(self)):
                raise ValueError(
                    "partial_fit continues a stream with its first prior, noise and max_ratio, but these have changed. "
                    "Clone the estimator to start over."
                )
            parts = model, self.reg_covar, record.stream.objective.prior, record.stream.objective.noise
            return record.stream._replace(objective=Objective(*parts, **request.restrictions_of(self, source, model)))
        if record.parameters is not None:
            prior, noise = request.prior_of(self, source, model), record.parameters.noise
            objective = Objective(model, self.reg_covar, prior, noise, **request.restrictions_of(self, source, model))
            return Stream.from_mixture(record.parameters.to_dense(), record.weight, objective)
        settings = request.fit_settings(self, source, model)
        start, prior = fitting.fit.first_mixture(source, settings, *request.seeds_of(self)), settings.objective.prior
        if source.survey.n_used < start.n_parameters and "precisions" not in settings.start.parts and not prior:
            size = f"{source.survey.n_used} rows for {start.n_parameters} free parameters"
            warn("few rows", f"The first block has {size}: the start overfits these rows.")
        return Stream.from_mixture(start, 0.0, settings.objective)


def _check_near(means: Array, source: Source) -> None:
    """Check that sums of squares about the means are finite."""
    reach = source.survey.reach(means.mean(axis=0)) + np.ptp(means, axis=0)
    column = int(np.argmax(reach))
    with np.errstate(over="ignore"):
        squares = source.survey.weight * reach[column] ** 2
    if not squares < _LARGEST_SQUARES:
        raise ValueError(
            f"Input X contains a value too far from the means of the mixture: {reach[column]:g} in column {column}, so "
            "that the sum of squares overflows. Drop the row, or divide the column by its standard deviation from the "
            "first block on."
        )


def _number(column: Any, value: Any) -> float:
    """Return the value of a known column.

    Raises
    ------
    ValueError
        If it is no finite number.
    """
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = np.nan
    if not np.isfinite(number):
        raise ValueError(f"expected a finite number for column {column!r}, got {value!r:.80}; name only known columns")
    return number


def factors_of(mixture: FittedMixture, name: str) -> covariance.Factors:
    """Return the loadings and the noise of a fitted mixture, for an attribute or a method of this name.

    Raises
    ------
    AttributeError
        If its covariances have no factors, or it is not fitted.
    """
    _check_has_factors(mixture, name)
    parameters = fitted_parameters(mixture)
    assert isinstance(parameters.model, covariance.FactorModel)  # it was checked
    return parameters.model.factors(parameters.covariances, mixture.reg_covar)


def _check_has_factors(mixture: FittedMixture, name: str) -> None:
    requested = mixture.covariance_type
    if mixture.__sklearn_is_fitted__():
        requested = fitted_parameters(mixture).model.name
    if requested not in covariance.OF_FACTORS and not covariance.names_factors(requested):
        types = " or ".join(map(repr, covariance.OF_FACTORS))
        raise AttributeError(f"{type(mixture).__name__} has {name} only with covariance_type {types}")

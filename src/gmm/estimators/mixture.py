"""`GaussianMixture`: the estimator, with the interface of scikit-learn's."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gmm.em.problem import Beginning
from gmm.em.solver import Iteration
from gmm.estimators.fitted import FittedMixture, set_fitted
from gmm.estimators.progress import ProgressPrinter
from gmm.exceptions import ConvergenceWarning, raisable, warn
from gmm.fitting.fit import FitSettings, GivenStart, MixtureFit, fit_mixture, prior_of, start_seeds
from gmm.fitting.starts import STARTS
from gmm.rows.entrance import as_source_to_fit
from gmm.rows.sources import Source
from gmm.validation.given import (
    check_means_init,
    check_precisions_init,
    check_responsibilities,
    check_weights_init,
)
from gmm.validation.parameters import check_callback, check_parameters
from gmm.values.covariance import DEFAULT_COVARIANCE_TYPE, CovarianceModel, covariance_model
from gmm.values.layouts import Array, SingularMatrixError
from gmm.values.priors import NormalInverseWishart, parts

__all__ = ["GaussianMixture"]

_ILL_DEFINED = (
    "Fitting the mixture model failed because some components have ill-defined empirical covariance (for instance "
    "caused by singleton or collapsed samples). Try to decrease the number of components, increase reg_covar, or scale "
    "the input data."
)
_NOT_CONVERGED = (
    "Best performing initialization did not converge. Try different init parameters, or increase max_iter, tol, or "
    "check for degenerate data."
)


class GaussianMixture(FittedMixture):
    """Gaussian mixture model Σ_k π_k N(μ_k, Σ_k), fitted by expectation–maximisation (EM).

    A drop-in replacement for ``sklearn.mixture.GaussianMixture``: the same parameters, attributes and methods.
    Additions are marked *beyond*.

    By default a fit takes quasi-Newton steps on EM's sufficient statistics and needs fewer passes over the rows than
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
        scikit-learn's four are VVV, EEE, VVI and VII.
    tol : float, default=1e-3
        Convergence threshold, in nats per row. Stop when the estimated remaining gain has stayed below `tol` for three
        to five passes; without `acceleration`, when one pass changes the mean log-likelihood by less than `tol`. With
        0, run until `max_iter`.
    reg_covar : float, default=1e-6
        Added to the diagonal of the covariances, in squared units of the data. A fit with a positive value does not
        fail on degenerate data.
    max_iter : int, default=100
        Maximum number of passes over the rows, including rejected ones. 0 returns the start.
    n_init : int, default=1
        Number of starts; the fit with the highest likelihood is kept. The first start is the one of ``n_init=1``, so
        more starts never give a lower likelihood. *Beyond*: on large tables, each further start is first tried for
        some passes on a sample of the rows, and dropped unless it comes close to the best one so far.
    init_params : str, array-like of shape (n, K) or callable, default="kmeans"
        How to start: "kmeans", the best of twelve candidates from k-means; "k-means++"; "random"; "random_from_data".
        *Beyond*: "hierarchical", Ward's clustering of up to 1000 rows, which is deterministic for tables of at most
        1000 rows; an array of responsibilities; or a callable ``(X, K, rng)`` that returns one, where ``rng`` is a
        RandomState, or a Generator if `random_state` is one.
    weights_init : array-like of shape (K,), default=None
        Initial weights.
    means_init : array-like of shape (K, d), default=None
        Initial means. Given alone, each row starts in the component of the nearest mean (*beyond*; scikit-learn takes
        the rest from `init_params`).
    precisions_init : array-like, default=None
        Initial precisions, in the shape of ``precisions_``.
    random_state : int, RandomState, Generator or None, default=None
        Seed of the starts and of `sample`. None uses numpy's global state; a generator is advanced.
    warm_start : bool, default=False
        Continue from the previous fit in the next call of `fit`. Thirty fits with ``max_iter=1`` give the same result
        as one with ``max_iter=30``.
    verbose : int, default=0
        1 prints the passes, 2 also prints the elapsed time.
    verbose_interval : int, default=10
        Number of passes between two lines.
    n_threads : int, default=None
        *Beyond*: number of threads. None uses all available cores, within the limit that ``threadpoolctl`` sets for
        BLAS. The result is bitwise the same for every number of threads.
    acceleration : {"auto", None}, default="auto"
        *Beyond*: "auto" takes quasi-Newton steps on EM's sufficient statistics. The objective never decreases, except
        when an empty component is reseeded; it includes `reg_covar`, as noise of that variance added to the rows.
        None is textbook EM with scikit-learn's stopping rule.
    refine : {"split-merge"} or None, default=None
        *Beyond*: "split-merge" tries to improve the converged fit: it drops one component, splits another in its place,
        fits again, and keeps moves that raise the likelihood without a degenerate component. It takes about 5 to 15
        times the passes of the fit; see ``history_.refinement``. A fit that did not converge is not refined.
    prior : {"conjugate"}, NormalInverseWishart or None, default=None
        *Beyond*: prior on the component means and covariances. The fit then maximises the posterior density (MAP)
        instead of the likelihood. "conjugate" is `NormalInverseWishart` with unset hyperparameters estimated from the
        data; with it no component degenerates, even with ``reg_covar=0``. Scores and criteria do not include the prior.

    Attributes
    ----------
    weights_ : ndarray of shape (K,)
        Mixture weights π_k.
    means_ : ndarray of shape (K, d)
        Means μ_k.
    covariances_, precisions_, precisions_cholesky_ : ndarray
        Covariances Σ_k, their inverses, and the upper triangular Cholesky factors of the inverses. (K, d, d) for "full"
        and VEE, EVE, VVE, EEV, VEV, EVV; (d, d) for "tied"; (K, d) for "diag" and EEI, VEI, EVI; (K,) for "spherical"
        and EII. These arrays, the weights and the means are read-only; assign a new array to change the mixture.
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
    n_parameters_ : int
        *Beyond*: number of free parameters.
    n_features_in_ : int
        Number of features, d.
    feature_names_in_ : ndarray of str, shape (d,)
        Names of the features, if all columns of X had string names.

    See Also
    --------
    select : Choose the number of components and the covariance type.
    em_steps : Run a fit one pass at a time.

    References
    ----------
    A. P. Dempster, N. M. Laird, D. B. Rubin (1977). Maximum likelihood from incomplete data via the EM algorithm.
    *Journal of the Royal Statistical Society B* 39, 1-38. N. Ueda, R. Nakano, Z. Ghahramani, G. E. Hinton (2000). SMEM
    algorithm for mixture models. *Neural Computation* 12, 2109-2128. G. Celeux, G. Govaert (1995). Gaussian
    parsimonious clustering models. *Pattern Recognition* 28, 781-793. C. Fraley, A. E. Raftery (2007). Bayesian
    regularization for normal mixture estimation and model-based clustering. *Journal of Classification* 24, 155-181.
    C. M. Bishop (2006). *Pattern Recognition and Machine Learning*, section 9.2.

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
        acceleration: str | None = "auto",
        refine: str | None = None,
        prior: str | NormalInverseWishart | None = None,
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
        self.acceleration = acceleration
        self.refine = refine
        self.prior = prior

    def fit(
        self,
        X: ArrayLike,
        y: object = None,
        sample_weight: ArrayLike | None = None,
        callback: Callable[[Iteration], object] | None = None,
    ) -> GaussianMixture:
        """Fit the mixture to rows.

        Parameters
        ----------
        X : array-like of shape (n, d)
            Rows. float32 rows give float32 results; integers are converted to float64.
        y : ignored
        sample_weight : array-like of shape (n,), default=None
            *Beyond*: weights of the rows; a row of weight 2 counts as two rows.
        callback : callable, default=None
            *Beyond*: called with an `Iteration` after each pass, including the passes of a refinement's moves, each of
            which counts from 1. A true return value ends the fit.

        Returns
        -------
        GaussianMixture
            The estimator itself.

        Raises
        ------
        ValueError, TypeError
            If the input is unusable; the message says where. With ``reg_covar=0``, also if a covariance becomes
            singular. The estimator is then unchanged.

        Warns
        -----
        ConvergenceWarning
            If the fit did not converge within `max_iter` passes, or a component lost all its rows and was reseeded.
        """
        check_parameters(self, STARTS)
        check_callback(callback)
        source, names = as_source_to_fit(X, sample_weight, estimator=self, n_components=self.n_components)
        model = covariance_model(self.covariance_type)
        printer = ProgressPrinter(int(self.verbose), self.verbose_interval, self.n_init)

        def watched(iteration: Iteration) -> bool:
            printer.step(iteration)
            return callback is not None and bool(callback(iteration))

        resume = self._resumed(model, source)
        try:
            fit = fit_mixture(
                source,
                fit_settings(self, source, model),
                () if resume else start_seeds(self.random_state, self.n_init),
                resume=resume,
                callback=watched if self.verbose or callback is not None else None,
                on_end=printer.end,
                on_skip=printer.skip,
            )
        except SingularMatrixError as error:
            raise ValueError(ill_defined(error, model)) from None
        printer.refined(fit.result)
        self._adopt(fit, source, names)
        return self

    def fit_predict(
        self,
        X: ArrayLike,
        y: object = None,
        sample_weight: ArrayLike | None = None,
        callback: Callable[[Iteration], object] | None = None,
    ) -> NDArray[np.intp]:
        """Fit the mixture and return ``fit(X).predict(X)``, the most probable component of each row, (n,)."""
        return self.fit(X, y, sample_weight, callback).predict(X)

    def _responsibilities(self, source: Source) -> Callable[[int], Array]:
        """Responsibilities for a seed, from an `init_params` that is an array or a callable."""
        start, resident = self.init_params, source.resident
        if callable(start) and resident is None:
            raise ValueError(
                "a callable init_params needs X as an array, but these rows are not in memory: pass the name of a start"
            )
        make_rng = (
            np.random.default_rng if isinstance(self.random_state, np.random.Generator) else np.random.RandomState
        )

        def responsibilities(seed: int) -> Array:
            values = start
            if callable(start) and resident is not None:
                values = start(resident.rows, self.n_components, make_rng(seed))
            return check_responsibilities(values, source.n_rows, self.n_components)

        return responsibilities

    def _resumed(self, model: CovarianceModel, source: Source) -> Beginning | None:
        """Where a warm start continues; None if there is none."""
        if not self.warm_start or self._parameters is None:
            return None
        previous = self._parameters
        expected = (previous.n_components, previous.model.known_as, previous.n_features)
        requested = (self.n_components, model.known_as, source.n_features)
        if requested != expected:
            raise ValueError(
                "warm_start continues the previous fit: expected the same (n_components, covariance_type, n_features) "
                f"= {expected}, got {requested}. Set warm_start=False to start over."
            )
        if self._ascent is None or self._ascent_of != self._problem(source) or self.acceleration is None:
            return Beginning(previous, self._bounds_before)
        ascent = copy(self._ascent)  # a fit that fails leaves the estimator as it was
        ascent.tolerance = self.tol
        return Beginning(previous, self._bounds_before, ascent)

    def _problem(self, source: Source) -> tuple[object, ...]:
        """What must not change for an accelerated fit to continue: rows, weights, ridge and prior."""
        prior = parts(self.prior) if isinstance(self.prior, NormalInverseWishart) else self.prior
        return source.fingerprint, self.reg_covar, prior

    def _adopt(self, fit: MixtureFit, source: Source, names: NDArray[np.object_] | None) -> None:
        set_fitted(self, fit.result, source, names, fit.traces)
        self._ascent, self._ascent_of = (fit.result.state, self._problem(source)) if self.warm_start else (None, ())
        warn_about(fit, self.max_iter)


def fit_settings(mixture: GaussianMixture, source: Source, model: CovarianceModel) -> FitSettings:
    """Return how the parameters of an estimator, which are checked here, ask to fit the rows."""
    K, d = mixture.n_components, source.n_features
    weights, means, precisions = mixture.weights_init, mixture.means_init, mixture.precisions_init
    given = GivenStart(
        weights=None if weights is None else check_weights_init(weights, K),
        means=None if means is None else check_means_init(means, K, d),
        precisions=None if precisions is None else check_precisions_init(precisions, K, d, model),
        responsibilities=None if isinstance(mixture.init_params, str) else mixture._responsibilities(source),
    )
    return FitSettings(
        n_components=K,
        model=model,
        tol=mixture.tol,
        reg_covar=mixture.reg_covar,
        max_iter=mixture.max_iter,
        init_params=str(mixture.init_params) if given.responsibilities is None else "",
        given=given,
        n_threads=mixture.n_threads,
        acceleration=mixture.acceleration,
        refine=mixture.refine,
        prior=None if mixture.prior is None else prior_of(mixture.prior, model, K, source, mixture.n_threads),
    )


def warn_about(fit: MixtureFit, max_iter: int) -> None:
    """Warn if a fit did not converge or components lost all their rows."""
    trace = fit.result.trace
    if not trace.converged and 0 < max_iter <= len(trace):
        warn(_NOT_CONVERGED, raisable(ConvergenceWarning))
    warn_of_repairs(fit.repaired)


def warn_of_repairs(repaired: tuple[int, ...]) -> None:
    """Warn if there are components that lost all their rows."""
    if repaired:
        listed = ", ".join(map(str, dict.fromkeys(repaired)))
        warn(
            f"Component(s) {listed} lost all rows during the fit and were given half of the heaviest component. Fewer "
            "components or another start may suit the data better.",
            raisable(ConvergenceWarning),
        )


def ill_defined(error: SingularMatrixError, model: CovarianceModel) -> str:
    """The error message for a singular covariance: scikit-learn's sentence, and which covariance it is."""
    if model.layout.pooled:
        return f"{_ILL_DEFINED} The covariance that all components share is singular."
    return f"{_ILL_DEFINED} The covariance of component {error.component} is singular."

"""`GaussianMixture`: scikit-learn's estimator on this package's core."""

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
    """Gaussian mixture Σ_k π_k N(μ_k, Σ_k), fitted by expectation-maximisation.

    The parameters, attributes and methods are those of scikit-learn's class of the same name; what is beyond them is
    marked *beyond*.

    From the same weights, means and precisions ``acceleration=None`` makes scikit-learn's passes, but returns what the
    last pass measured, not the update after it. Starts differ, and their trial passes are counted nowhere.

    Parameters
    ----------
    n_components : int, default=1
        Number of components, K.
    covariance_type : str, default="full"
        "full", "tied", "diag" or "spherical": a covariance per component; one for all; variances per component and
        feature; one variance per component. *Beyond*: one of the 14 models Σ_k = λ_k D_k A_k D_kᵀ by the letters of its
        volumes λ_k, shapes A_k and orientations D_k, each equal in all components (E), variable (V) or the identity
        (I): EII, VII, EEI, VEI, EVI, VVI, EEE, VEE, EVE, VVE, EEV, VEV, EVV, VVV. scikit-learn's four are VVV, EEE,
        VVI and VII.
    tol : float, default=1e-3
        The fit has converged when less than this remains to be gained, in nats per row, as three to five passes in a
        row project; without `acceleration` when a pass changes the mean log-likelihood by less. 0 never stops before
        `max_iter`.
    reg_covar : float, default=1e-6
        Added to the diagonal of the covariances, in squared units of the data. Above 0, a fit does not fail on
        degenerate data.
    max_iter : int, default=100
        Most passes over the rows, rejected ones included. 0 keeps the start.
    n_init : int, default=1
        Number of starts; the fit with the highest likelihood is kept. The first is that of ``n_init=1``, and more of
        them never end lower. *Beyond*: of many rows, a start after the first is tried for some passes on a part of
        them, and is climbed, from where that led, only if it comes near the best before it or beyond.
    init_params : str, array or callable, default="kmeans"
        Where to begin: "kmeans", the best of up to four k-means partitions; "k-means++"; "random"; "random_from_data".
        *Beyond*: "hierarchical", Ward's clusters of the rows, or of 1000 of them, which leave nothing to chance where
        there are no more; an (n, K) array of responsibilities; or a callable ``(X, K, rng)`` that returns one, whose
        ``rng`` is a RandomState, or a Generator where `random_state` is one.
    weights_init : array-like of shape (K,), default=None
    means_init : array-like of shape (K, d), default=None
        Given alone, every row begins with the nearest of them (*beyond*; scikit-learn runs its start for the rest).
    precisions_init : array-like, default=None
        In the shape of ``precisions_``.
    random_state : int, RandomState, Generator or None, default=None
        Seeds the starts and `sample`. None follows numpy's global state; a generator that is passed advances.
    warm_start : bool, default=False
        Whether the next `fit` continues where the last one ended: thirty fits with ``max_iter=1`` equal one with
        ``max_iter=30``.
    verbose : int, default=0
        1 prints the passes, 2 their times as well.
    verbose_interval : int, default=10
        Passes between two lines.
    n_threads : int, default=None
        *Beyond*: threads of a pass; None takes all usable cores, and no more than BLAS is allowed by
        ``threadpoolctl``. The result is bitwise the same for every number.
    acceleration : {"auto", None}, default="auto"
        *Beyond*: ``"auto"`` climbs by quasi-Newton steps on EM's sufficient statistics, in a fraction of its passes,
        and never downwards, unless a component is given a new place: what it climbs includes `reg_covar`, as noise of
        that variance through which the rows are seen. None is textbook EM, its stop scikit-learn's.
    refine : {"split-merge"} or None, default=None
        *Beyond*: what to do from where the best start converged. "split-merge" drops one component and splits another
        in its place, again and again, and keeps what raises the likelihood without collapsing a component on a few
        rows. It takes some 5 to 15 times the passes of the fit; ``history_.refinement`` tells. A fit that did not
        converge is not refined.
    prior : {"conjugate"}, NormalInverseWishart or None, default=None
        *Beyond*: what is believed of means and covariances; the fit is then the most probable mixture (MAP) instead of
        the most likely one. "conjugate" is ``NormalInverseWishart()``, whose parts the rows tell; with it no component
        collapses, be it with ``reg_covar=0``. Scores, BIC and the like are of the likelihood alone.

    Attributes
    ----------
    weights_ : ndarray of shape (K,)
    means_ : ndarray of shape (K, d)
    covariances_, precisions_, precisions_cholesky_ : ndarray
        (K, d, d) for "full" and VEE, EVE, VVE, EEV, VEV, EVV; (d, d) for "tied"; (K, d) for "diag" and EEI, VEI, EVI;
        (K,) for "spherical" and EII. These five are read-only in place; assigned anew they change the mixture, or are
        refused.
    converged_ : bool
    n_iter_ : int
        Passes of the best start, or of the climb that a refinement ended with.
    lower_bound_ : float
        Mean log-likelihood of the returned parameters, in nats per unit weight. With `acceleration` it is a lower bound
        of that, below it by the order of (`reg_covar` / variance)²; ``score`` is exact. With a `prior`, its log density
        per unit weight is added.
    lower_bounds_ : list of float
        What each pass measured, before its update; a rejected one repeats what stood. A fit that ends at `max_iter`
        measures the last update as well, by a pass that is not listed.
    history_ : Trace
        *Beyond*: of each pass the objective, the projected remaining gain, whether it was accepted, and its seconds;
        the reason for stopping, and what a refinement did.
    histories_ : tuple of Trace
        *Beyond*: one for each start that was climbed, in their order; ``history_`` is that of the best. A start that a
        trial on a part of the rows left out has none. After a refinement ``history_`` is the climb that it ended with,
        and stands in the place of its start's.
    n_parameters_ : int
        *Beyond*: number of free parameters.
    n_features_in_ : int
    feature_names_in_ : ndarray of str
        Where all columns had text names.

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
        """Estimate the mixture from rows.

        Parameters
        ----------
        X : array-like of shape (n, d)
            Rows. float32 gives float32 results; whole numbers are taken as float64.
        y : ignored
        sample_weight : array-like of shape (n,), default=None
            *Beyond*: a row of weight 2 counts as two rows.
        callback : callable, default=None
            *Beyond*: called with an `Iteration` after each pass, those of a refinement's moves included, which each
            count from 1; a true answer ends the fit.

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
        """Fit, and return the most probable component of each row, (n,); as ``fit(X).predict(X)``."""
        return self.fit(X, y, sample_weight, callback).predict(X)

    def _responsibilities(self, source: Source) -> Callable[[int], Array]:
        """What `init_params` gives when it is no name."""
        start, resident = self.init_params, source.resident
        if callable(start) and resident is None:
            raise ValueError("init_params is called with X as an array, but these rows are not in memory: pass a name")
        of_a_seed = (
            np.random.default_rng if isinstance(self.random_state, np.random.Generator) else np.random.RandomState
        )

        def given(seed: int) -> Array:
            values = start
            if callable(start) and resident is not None:
                values = start(resident.rows, self.n_components, of_a_seed(seed))
            return check_responsibilities(values, source.n_rows, self.n_components)

        return given

    def _resumed(self, model: CovarianceModel, source: Source) -> Beginning | None:
        """Where a warm start continues."""
        if not self.warm_start or self._parameters is None:
            return None
        now = self._parameters
        fitted = (now.n_components, now.model.known_as, now.n_features)
        asked = (self.n_components, model.known_as, source.n_features)
        if fitted != asked:
            raise ValueError(
                "warm_start continues a fit of the same shape: expected (n_components, covariance_type, n_features) = "
                f"{fitted}, got {asked}. Set warm_start=False to begin anew."
            )
        if self._ascent is None or self._ascent_of != self._problem(source) or self.acceleration is None:
            return Beginning(now, self._bounds_before)
        ascent = copy(self._ascent)  # a fit that fails leaves the estimator as it was
        ascent.tolerance = self.tol
        return Beginning(now, self._bounds_before, ascent)

    def _problem(self, source: Source) -> tuple[object, ...]:
        """What an accelerated climb must find unchanged to go on: rows, their weights, the ridge, and the prior."""
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
    """Warn of a fit that did not converge, and of components that lost their rows."""
    trace = fit.result.trace
    if not trace.converged and 0 < max_iter <= len(trace):
        warn(_NOT_CONVERGED, raisable(ConvergenceWarning))
    warn_of_repairs(fit.repaired)


def warn_of_repairs(repaired: tuple[int, ...]) -> None:
    """Warn of components that lost their rows, if there are any."""
    if repaired:
        listed = ", ".join(map(str, dict.fromkeys(repaired)))
        warn(
            f"Component(s) {listed} lost all rows during the fit and were given half of the heaviest component. Fewer "
            "components, or another start, may suit the data better.",
            raisable(ConvergenceWarning),
        )


def ill_defined(error: SingularMatrixError, model: CovarianceModel) -> str:
    """What to say where a covariance is singular: scikit-learn's sentence, and which one it is."""
    if model.layout.pooled:
        return f"{_ILL_DEFINED} The covariance that all components share is singular."
    return f"{_ILL_DEFINED} The covariance of component {error.component} is singular."

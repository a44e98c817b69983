"""`em_steps`: a fit one pass at a time, to look at and to learn by."""

from __future__ import annotations

import numbers
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gmm.estimators.fitted import shown
from gmm.estimators.mixture import GaussianMixture, fit_settings, ill_defined, warn_of_repairs
from gmm.estimators.scorer import Scorer
from gmm.exceptions import InvalidParameterError, raisable
from gmm.fitting.fit import FitSettings, SteppedPass, iter_passes, start_seeds
from gmm.fitting.starts import STARTS
from gmm.rows.entrance import as_source_to_fit, in_memory
from gmm.rows.sources import ArraySource
from gmm.validation.parameters import check_parameters
from gmm.values.covariance import covariance_model
from gmm.values.layouts import SingularMatrixError

__all__ = ["EMStep", "em_steps"]

_MEANINGLESS = {
    "n_init": "steps are those of one start; call it once for each random_state",
    "warm_start": "steps begin at their start; give the mixture to go on from as weights_init, means_init and "
    "precisions_init",
    "refine": "a refinement tries many climbs; fit a GaussianMixture for that",
    "verbose": "print what each step tells",
    "verbose_interval": "print what each step tells",
}


@dataclass(frozen=True, eq=False)
class EMStep:
    """One pass of EM: the mixture that it measured, and what it found.

    Arrays are read-only and, `counts` apart, in the type of the rows.

    Attributes
    ----------
    n_iter : int
        Which pass, from 1. The first measures the start.
    weights : ndarray of shape (K,)
    means : ndarray of shape (K, d)
    covariances : ndarray
        In the shape of the covariance type, as ``GaussianMixture.covariances_``.
    counts : ndarray of shape (K,)
        Rows that each component answers for, Σ_i w_i r_ik, in float64. Textbook EM's next weights are these over their
        sum.
    lower_bound : float
        Mean log-likelihood of this mixture, in nats per unit weight; see ``GaussianMixture.lower_bound_``.
    responsibilities : ndarray of shape (n, K) or None
        r_ik, the probability of component k once row i is seen, where they were asked for.
    accepted : bool
        False where an accelerated step went down and was taken back; the other fields are then those of the mixture
        that stands.
    reason : str or None
        Why this step is the last; None before.
    """

    n_iter: int
    weights: NDArray[Any]
    means: NDArray[Any]
    covariances: NDArray[Any]
    counts: NDArray[np.float64]
    lower_bound: float
    responsibilities: NDArray[Any] | None = None
    accepted: bool = True
    reason: str | None = None


def em_steps(
    X: ArrayLike,
    n_components: int,
    *,
    sample_weight: ArrayLike | None = None,
    responsibilities: bool = False,
    **parameters: Any,
) -> Generator[EMStep, None, None]:
    """Fit a mixture, one pass at a time.

    The steps are the passes of ``GaussianMixture(n_components, **parameters).fit(X)``, bit for bit, and as many as its
    ``n_iter_``; each is made when it is asked for. A step holds the mixture before its update: where the fit converged,
    the last one is what `fit` returns; where it ran out of passes, `fit` returns the update after it.

    Parameters
    ----------
    X : array-like of shape (n, d)
        Rows.
    n_components : int
        Number of components, K.
    sample_weight : array-like of shape (n,), default=None
        A row of weight 2 counts as two rows.
    responsibilities : bool, default=False
        Whether each step has the responsibilities of its mixture; they cost a pass more.
    **parameters
        Further parameters of `GaussianMixture` for one start: ``covariance_type``, ``init_params``, ``means_init``,
        ``tol``, ``max_iter`` and so on. Here ``acceleration=None``, textbook EM, unless given.

    Returns
    -------
    generator of EMStep
        Input is judged at once and copied, so what becomes of the caller's arrays later changes no step; starts and
        passes are made from the first ``next`` on.

    Raises
    ------
    ValueError, TypeError
        At the call, for input that cannot be used, and for parameters that mean nothing here; with ``reg_covar=0``
        later, for a component whose covariance is singular.

    Warns
    -----
    ConvergenceWarning
        If a component lost its rows and was given a new place. A climb that ends at `max_iter` says so in `reason`.

    Examples
    --------
    One E-step and one M-step by hand: what the second step has follows from the first one's responsibilities.

    >>> import numpy as np
    >>> from gmm import em_steps
    >>> X = np.array([[0.0], [1.0], [4.0], [5.0]])
    >>> steps = em_steps(X, 2, means_init=[[1.0], [5.0]], responsibilities=True)
    >>> one, two = next(steps), next(steps)
    >>> one.weights, one.means.ravel()
    (array([0.5, 0.5]), array([1., 5.]))

    The E-step shares each row between the components, by weight times density.

    >>> variances = one.covariances.ravel()
    >>> density = np.exp(-((X - one.means.T) ** 2) / (2 * variances)) / np.sqrt(2 * np.pi * variances)
    >>> joint = one.weights * density
    >>> r = joint / joint.sum(axis=1, keepdims=True)
    >>> np.allclose(r, one.responsibilities), np.allclose(np.log(joint.sum(axis=1)).mean(), one.lower_bound)
    (True, True)

    The M-step takes shares, means and variances of the rows as they were shared.

    >>> counts = r.sum(axis=0)
    >>> np.allclose(counts / len(X), two.weights), np.allclose(r.T @ X / counts[:, None], two.means)
    (True, True)
    """
    climb = climb_to_be(X, n_components, sample_weight, parameters, caller=em_steps.__name__)
    return _steps(climb, bool(responsibilities))


@dataclass(frozen=True, eq=False)
class ClimbToBe:
    """A fit from one start that is checked and not begun.

    Parameters
    ----------
    source : ArraySource
    feature_names : array of shape (d,) or None
    settings : FitSettings
    seed : int
    """

    source: ArraySource
    feature_names: NDArray[np.object_] | None
    settings: FitSettings
    seed: int

    def __iter__(self) -> Generator[SteppedPass, None, None]:
        """Make its passes, each when it is asked for; what goes wrong is told as `fit` tells it."""
        repaired: tuple[int, ...] = ()
        try:
            with closing(iter_passes(self.source, self.settings, self.seed)) as made:
                for stride in made:
                    repaired = stride.repaired
                    yield stride
        except SingularMatrixError as error:
            raise ValueError(ill_defined(error, self.settings.model)) from None
        warn_of_repairs(repaired)


def climb_to_be(
    X: ArrayLike, n_components: int, sample_weight: ArrayLike | None, parameters: dict[str, Any], *, caller: str
) -> ClimbToBe:
    """What `em_steps` is asked for by the same arguments, or its errors, in the name of `caller`."""
    if hasattr(X, "get_params"):
        first = type(X).__name__
        raise TypeError(
            f"{caller} fits by itself: expected rows first, then the number of components, got {first} first"
        )
    estimator = _estimator(n_components, parameters, caller)
    judged, names = as_source_to_fit(X, sample_weight, estimator=estimator, n_components=n_components)
    mine = in_memory(judged, caller)
    source = replace(mine, rows=mine.rows.copy(order="K"))  # the caller's may change between two passes
    settings = fit_settings(estimator, source, covariance_model(estimator.covariance_type))
    if settings.given.responsibilities is not None and not callable(estimator.init_params):
        # An array is judged, and copied, now; what a callable returns is when it is called.
        start = settings.given.responsibilities(0).copy()
        settings = replace(settings, given=replace(settings.given, responsibilities=lambda seed: start))
    (seed,) = start_seeds(estimator.random_state, 1)
    return ClimbToBe(source, names, settings, seed)


def _estimator(n_components: int, parameters: dict[str, Any], caller: str) -> GaussianMixture:
    """The estimator whose fit it is, or an error that tells which parameter is out of place."""
    known = GaussianMixture().get_params()
    unknown = sorted(parameters.keys() - known.keys())
    if unknown:
        there = ", ".join(sorted(known.keys() - _MEANINGLESS.keys() - {"n_components"}))
        raise TypeError(f"{caller} has no parameter {unknown[0]!r}; expected some of {there}")
    for name, instead in _MEANINGLESS.items():
        if name in parameters and not _is(parameters[name], known[name]):
            message = f"{caller} takes no {name}: {instead}. Got {name}={parameters[name]!r}."
            raise raisable(InvalidParameterError)(message)
    estimator = GaussianMixture(n_components, **{"acceleration": None} | parameters)
    check_parameters(estimator, STARTS)
    return estimator


def _is(value: object, default: object) -> bool:
    """Whether a value is the default; an array is not, though it may equal it element by element."""
    return value is default or (isinstance(value, numbers.Number | np.bool_) and bool(value == default))


def _steps(climb: ClimbToBe, responsibilities: bool) -> Generator[EMStep, None, None]:
    with closing(iter(climb)) as made:
        for stride in made:
            yield _step(stride, climb, _responsibilities(stride, climb) if responsibilities else None)


def _responsibilities(stride: SteppedPass, climb: ClimbToBe) -> NDArray[Any]:
    scorer = Scorer(stride.iteration.parameters, climb.settings.n_threads)
    found = scorer.rows(climb.source, responsibilities=True).responsibilities
    assert found is not None  # it was asked for
    found.flags.writeable = False
    return found


def _step(stride: SteppedPass, climb: ClimbToBe, responsibilities: NDArray[Any] | None) -> EMStep:
    iteration, counts, dtype = stride.iteration, np.array(stride.statistics.counts), climb.source.dtype
    counts.flags.writeable = False
    parameters = iteration.parameters
    return EMStep(
        iteration.n_iter,
        shown(parameters.weights, dtype),
        shown(parameters.means, dtype),
        shown(parameters.covariances, dtype),
        counts,
        iteration.lower_bound,
        responsibilities,
        iteration.accepted,
        stride.reason,
    )

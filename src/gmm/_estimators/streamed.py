"""`StreamedMixture`: a mixture that follows a stream of rows."""

from __future__ import annotations

from contextlib import closing
from time import perf_counter
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from gmm import _fitting as fitting
from gmm._estimators.estimated import EstimatedMixture, fit_settings, ill_defined, rows_to_fit, warn_of_repairs
from gmm._estimators.fitted import Past, fit_attributes, past_of, set_mixture, source_of
from gmm._exceptions import ConvergenceWarning, raisable, warn
from gmm._passes.stepwise import Stream
from gmm._passes.trace import PassRecord, Trace
from gmm._rows.entrance import Names
from gmm._rows.incomplete import IncompleteSource
from gmm._rows.sources import ArraySource, Source, chunks_in_order
from gmm._validation.combinations import refusal
from gmm._validation.parameters import check_parameters
from gmm._validation.scalars import check_real
from gmm._values.covariance import CovarianceModel, covariance_model
from gmm._values.fixed import Fixed
from gmm._values.layouts import Array, SingularMatrixError
from gmm._values.objective import Objective
from gmm._values.parameters import MixtureParameters
from gmm._values.priors import Prior

_ENDED = "one step for each block"
_FEW_ROWS = (
    "The first block has {} rows for {} free parameters, so the start fits these rows alone, and the stream may not "
    "recover. Begin with more rows, with given parameters or with a prior."
)
_LARGEST_SQUARES = 1e300


class StreamedMixture(EstimatedMixture):
    """Base class of estimators that can learn from one block of rows after the other."""

    def partial_fit(
        self, X: ArrayLike, y: object = None, sample_weight: ArrayLike | None = None, *, decay: float = 0.0
    ) -> Self:
        """Update the mixture by a block of rows, which are not needed again; *beyond*.

        This is stepwise EM: one pass over the block with the present mixture, whose statistics are averaged with those
        of the blocks before it, and one update. A block of weight w, after rows of weight W, has the share
        1 − (W / (W + w))³ in the average, about 3 w / W: what early, poorer mixtures made of their rows is forgotten,
        and blocks may be of any size. The mixtures need not be averaged in addition:
        the shares already average, and the last third of the rows has 70 %.

        The first call starts from its block, by `init_params` or from what is given of weights, means and precisions;
        give it some rows for each free parameter, as three of which the start counts. A mixture that was fitted or
        loaded goes on, and its past counts as the weight of the rows of that fit, beside which a `prior` counts once;
        one of given parameters, as a start. `tol`, `max_iter`,
        `n_init`, `acceleration` and `refine` do not matter here. What is not set of a `prior`, and the box of `noise`,
        come from the fit or the first block.

        Parameters
        ----------
        X : array-like or data frame of shape (n, d), data set, or what `open_rows` returns
            An array is one block, of one row at least and of as many as components in the first call. Of rows beyond
            memory, each 8 MB are one.
        y : ignored
        sample_weight : array-like of shape (n,), default=None
            Weights of the rows; a row of weight 2 counts as two rows.
        decay : float, default=0
            Share of the past that each unit of weight replaces, below 1, for streams that drift: the mixture then
            follows about the last 1 / `decay` rows. With 0, steps shorten for ever.

        Returns
        -------
        Self
            The estimator itself. ``lower_bounds_`` holds the mean log-likelihood of each block of this call before its
            update, ``lower_bound_`` the last of them; ``n_iter_`` is their number, and ``converged_`` is False.

        Raises
        ------
        ValueError, TypeError
            If the block is unusable; the message says where. With ``reg_covar=0``, also if a covariance becomes
            singular. The estimator is then unchanged.

        Warns
        -----
        ConvergenceWarning
            If a component lost all its rows and was reseeded; also if the first block has fewer rows than the mixture
            has free parameters, so that the start fits them alone, without `precisions_init` or a `prior`.

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
        check_parameters(self, fitting.starts.STARTS)
        decay = check_real(decay, "decay", "[0, 1)")
        past = past_of(self)
        source, names = self._block(X, sample_weight, past.parameters)
        model = covariance_model(self.covariance_type, source.n_features)
        if self._fixed(model):
            raise refusal("fixed parameters", "partial_fit")
        try:
            stream, bounds, seconds, repaired = self._steps(self._begun(source, model, past), source, decay)
        except SingularMatrixError as error:
            raise ValueError(ill_defined(error, model)) from None
        past = Past(stream.parameters, tuple(bounds), stream=stream, prior_parts=self._prior_parts())
        trace = Trace(tuple(PassRecord(bound, bound) for bound in bounds), tuple(seconds), _ENDED, False)
        of_fit = fit_attributes(trace, bounds[-1], (trace,))
        set_mixture(self, stream.parameters, names, source.dtype, _last_fit=past, **of_fit)
        warn_of_repairs(tuple(repaired))
        return self

    def _prior(self, source: Source, model: CovarianceModel) -> Prior:
        raise NotImplementedError

    def _fixed(self, model: CovarianceModel) -> Fixed:
        raise NotImplementedError

    def _block(
        self, X: ArrayLike, sample_weight: ArrayLike | None, previous: MixtureParameters | None
    ) -> tuple[Source, Names]:
        """Check the rows of a block; return them, and the names of the features."""
        if previous is None:
            return rows_to_fit(self, X, sample_weight)
        source = source_of(self, X, sample_weight)
        model = covariance_model(self.covariance_type)
        self._check_same(previous, model, source, "partial_fit", "Clone the estimator")
        _check_near(previous.means, source)
        return source, vars(self).get("feature_names_in_")

    def _begun(self, source: Source, model: CovarianceModel, past: Past) -> Stream:
        """Return the stream so far; of a first call, the start, and of a mixture from elsewhere, the mixture."""
        if past.stream is not None:
            if past.prior_parts not in ((), self._prior_parts()):
                raise ValueError(
                    "partial_fit continues a stream with the prior and noise that it began with, and these are others. "
                    "Clone the estimator to start over."
                )
            return past.stream
        if past.parameters is not None:
            objective = Objective(model, self.reg_covar, self._prior(source, model))
            return Stream.from_mixture(past.parameters, past.weight, objective)
        (seed,) = fitting.seeds.start_seeds(self.random_state, 1)
        settings = fit_settings(self, source, model)
        start, prior = fitting.fit.first_mixture(source, settings, seed), settings.objective.prior
        if source.n_used < start.n_parameters and settings.start.precisions is None and not prior:
            warn(_FEW_ROWS.format(source.n_used, start.n_parameters), raisable(ConvergenceWarning))
        return Stream.from_mixture(start, 0.0, settings.objective)

    def _steps(
        self, stream: Stream, source: Source, decay: float
    ) -> tuple[Stream, list[float], list[float], list[int]]:
        bounds: list[float] = []
        seconds: list[float] = []
        repaired: list[int] = []
        how: dict[str, Any] = {"ridge": self.reg_covar, "decay": decay, "n_threads": self.n_threads}
        with closing(chunks_in_order(source, 1)) as chunks:
            for chunk in chunks:
                began = perf_counter()
                rows = ArraySource(chunk.rows, chunk.sample_weight)
                block = IncompleteSource.of(rows) if source.has_gaps else rows
                if block.n_used:
                    stream, bound, empty = stream.taken(block, **how)
                    bounds.append(bound)
                    repaired += empty
                    seconds.append(perf_counter() - began)
        return stream, bounds, seconds, repaired


def _check_near(means: Array, source: Source) -> None:
    """Check that sums of squares about the means stay finite."""
    centre = means.mean(axis=0)
    reach = source.survey.reach(centre) + np.ptp(means, axis=0)
    column = int(np.argmax(reach))
    with np.errstate(over="ignore"):
        squares = source.survey.weight * reach[column] ** 2
    if not squares < _LARGEST_SQUARES:
        raise ValueError(
            f"Input X contains a value too far from the means of the mixture: {reach[column]:g} in column {column}, so "
            "that the sum of squares overflows. Drop the row, or divide the column by its standard deviation from the "
            "first block on."
        )

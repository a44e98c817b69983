"""`WhitenedMixture`: the input of a pass, for any mixture of Gaussian form."""

from __future__ import annotations

from math import inf
from typing import NamedTuple

import numpy as np

from gmm._values.layouts import FULL, Array, Layout
from gmm._values.noise import NO_NOISE, Noise


class WhitenedMixture(NamedTuple):
    """Any Gaussian mixture, as input of a pass: log ρ_ik = log_offset_k − ½‖W_k (x_i − c_k)‖².

    For maximum likelihood, log_offset_k = log π_k + log|W_k| − d/2·log 2π. Other estimates of this form use the same
    pass.

    Parameters
    ----------
    layout : Layout
        Layout of the whiteners.
    log_offset : array of shape (K,)
        In nats.
    centres : array of shape (K, d)
    whiteners : array in the shape of `layout`
        W_k, lower triangular if stored as matrices.
    log_noise : float
        Log density of uniform noise, including its weight; −∞ for none.
    tails : array of shape (K,), optional
        None or zeros for normal components; ν_k of Student-t ones, with q = ‖W_k (x_i − c_k)‖²: log ρ_ik =
        log_offset_k − ½(ν_k + d) log(1 + q/ν_k).
    fits_tails : bool
        Whether an update estimates ν_k.
    noise : Noise
        The noise of `log_noise`; for rows with missing values, its box has only the observed columns.
    """

    layout: Layout
    log_offset: Array
    centres: Array
    whiteners: Array
    log_noise: float = -inf
    tails: Array | None = None
    fits_tails: bool = False
    noise: Noise = NO_NOISE

    def to_dense(self) -> WhitenedMixture:
        """Return the mixture with d × d whiteners in place of factors and noise."""
        if self.layout.stores_dense:
            return self
        whiteners = self.layout.transposed(self.whiteners).transpose(0, 2, 1)
        return self._replace(layout=FULL, whiteners=np.ascontiguousarray(whiteners))

    def stored_in(self, layout: Layout) -> WhitenedMixture:
        """Return the mixture with whiteners in a layout of more numbers: full matrices, or diagonals of spheres."""
        dense, (K, d) = self.to_dense(), self.centres.shape
        if dense.layout is layout:
            return dense
        before, whiteners = dense.layout, dense.whiteners
        whiteners = before.diagonal(whiteners, d) if layout.axis_aligned else before.dense(whiteners, K, d)
        return dense._replace(layout=layout, whiteners=np.ascontiguousarray(whiteners))

    def component(self, k: int) -> WhitenedMixture:
        """Return the mixture of one component."""
        one = slice(k, k + 1)
        whiteners = self.whiteners if self.layout.pooled else self.whiteners[one]
        tails = None if self.tails is None else self.tails[one]
        return self._replace(
            log_offset=self.log_offset[one], centres=self.centres[one], whiteners=whiteners, tails=tails
        )

    @property
    def n_components(self) -> int:
        """K."""
        return len(self.log_offset)

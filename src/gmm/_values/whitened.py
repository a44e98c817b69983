"""`WhitenedMixture`: the input of a pass, for any mixture of Gaussian form."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf

import numpy as np

from gmm._values.layouts import FULL, Array, Layout
from gmm._values.noise import NO_NOISE, Noise


@dataclass(frozen=True, eq=False)
class WhitenedMixture:
    """Any Gaussian mixture as a pass reads it: log ρ_ik = log_offset_k − ½‖W_k (x_i − c_k)‖².

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
        Log density of uniform noise, its weight included, to which rows belong as well; −∞ for none.
    degrees : float
        Of freedom ν, of Student-t components: log ρ_ik = log_offset_k − ½(ν + d) log(1 + ‖W_k (x_i − c_k)‖²/ν). 0 if
        they are normal.
    fits_degrees : bool
        Whether an update estimates ν, from sums of log u.
    noise : Noise
        The noise of `log_noise`, which rows with gaps see in their columns alone.
    """

    layout: Layout
    log_offset: Array
    centres: Array
    whiteners: Array
    log_noise: float = -inf
    degrees: float = 0.0
    fits_degrees: bool = False
    noise: Noise = NO_NOISE

    def whole(self) -> WhitenedMixture:
        """Return the mixture with whiteners as whole matrices where factors and noise are stored instead."""
        if self.layout.whole:
            return self
        whiteners = self.layout.transposed(self.whiteners).transpose(0, 2, 1)
        return replace(self, layout=FULL, whiteners=np.ascontiguousarray(whiteners))

    @property
    def n_components(self) -> int:
        """K."""
        return len(self.log_offset)

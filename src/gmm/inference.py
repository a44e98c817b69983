"""Certainty of a fit: standard errors and intervals, tests of the number of components, held-out likelihoods."""

from gmm._selection.resampling import (
    BootstrapLRT,
    HeldOut,
    Replicate,
    SplitLRT,
    Stability,
    bootstrap_lrt,
    held_out_log_likelihood,
    split_lrt,
    stability,
)
from gmm._uses.standard_errors import StandardErrors, standard_errors

__all__ = [
    "BootstrapLRT",
    "HeldOut",
    "Replicate",
    "SplitLRT",
    "Stability",
    "StandardErrors",
    "bootstrap_lrt",
    "held_out_log_likelihood",
    "split_lrt",
    "stability",
    "standard_errors",
]

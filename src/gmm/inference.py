"""Certainty of a fit: standard errors, tests of the number of components, held-out likelihoods, agreement of labels."""

from gmm._estimators.criteria import adjusted_rand_index
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
from gmm._selection.solutions import Solution
from gmm._uses.standard_errors import StandardErrors, standard_errors

__all__ = [
    "BootstrapLRT",
    "HeldOut",
    "Replicate",
    "Solution",
    "SplitLRT",
    "Stability",
    "StandardErrors",
    "adjusted_rand_index",
    "bootstrap_lrt",
    "held_out_log_likelihood",
    "split_lrt",
    "stability",
    "standard_errors",
]

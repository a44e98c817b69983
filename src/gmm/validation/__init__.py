"""Validation of input: one `check_` function for each argument that callers pass.

A compiled survey of the rows finds values of X that are not finite; the `raise_` functions word the errors.
"""

from gmm.validation.given import (
    check_means_init,
    check_mixture,
    check_parameters_given,
    check_precisions_init,
    check_responsibilities,
    check_sample_weight,
    check_weights_init,
)
from gmm.validation.parameters import (
    check_callback,
    check_is_fitted,
    check_n_samples,
    check_parameters,
    check_random_state,
)
from gmm.validation.prior import check_prior
from gmm.validation.rows import (
    check_enough_rows,
    check_feature_names,
    check_rows,
    raise_nonfinite,
    raise_too_heavy,
    raise_too_large,
)

__all__ = [
    "check_callback",
    "check_enough_rows",
    "check_feature_names",
    "check_is_fitted",
    "check_means_init",
    "check_mixture",
    "check_n_samples",
    "check_parameters",
    "check_parameters_given",
    "check_precisions_init",
    "check_prior",
    "check_random_state",
    "check_responsibilities",
    "check_rows",
    "check_sample_weight",
    "check_weights_init",
    "raise_nonfinite",
    "raise_too_heavy",
    "raise_too_large",
]

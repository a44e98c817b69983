"""The only place that rejects input: every check a caller needs, by the name of what it checks.

Whether the values of X are finite is found by the compiled survey; the words for it are here.
"""

from gmm._validation.given import (
    check_means_init,
    check_mixture,
    check_parameters_given,
    check_precisions_init,
    check_responsibilities,
    check_sample_weight,
    check_weights_init,
)
from gmm._validation.parameters import (
    check_callback,
    check_is_fitted,
    check_n_samples,
    check_parameters,
    check_random_state,
)
from gmm._validation.prior import check_prior
from gmm._validation.rows import (
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

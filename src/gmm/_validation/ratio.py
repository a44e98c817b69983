"""Validation of a limit on the ratio of eigenvalues."""

from __future__ import annotations

from math import inf

from gmm._values.covariance import LIMITED, CovarianceModel


def check_max_ratio(max_ratio: float | None, model: CovarianceModel, n_components: int) -> float:
    """Return the limit on the ratio of eigenvalues of all covariances; ∞ for None.

    Raises
    ------
    ValueError
        If the model has no exact update under the limit.
    """
    if max_ratio is None:
        return inf
    if model.n_factors or (model.joint and n_components > 1):
        alias = f" ({model.name})" if model.alias else ""
        raise ValueError(
            f"max_ratio: expected a covariance_type among {', '.join(map(repr, LIMITED))}, whose update under the "
            f"limit is exact, got {model.type_name!r}{alias}: choose one of them, or leave max_ratio out"
        )
    return float(max_ratio)

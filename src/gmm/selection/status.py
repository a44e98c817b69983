"""What may be said of a cell of a search: these words, or what begins with them and tells more."""

OK = "ok"
NOT_CONVERGED = "not converged"
NOT_TRIED = "not tried"
SPIKE = "spike: "
FAILED = "failed: "


def is_known(status: object) -> bool:
    """Whether it is one of these."""
    if not isinstance(status, str):
        return False
    return status in (OK, NOT_CONVERGED, NOT_TRIED) or is_spike(status) or has_failed(status)


def is_spike(status: str) -> bool:
    """Whether a component has collapsed in every fit of the cell, so that its criterion means nothing."""
    return status.startswith(SPIKE)


def has_failed(status: str) -> bool:
    """Whether the cell has no fit for a reason that is told."""
    return status.startswith(FAILED)

"""The status of a cell of a search: one of these words, or one followed by details."""

from gmm._estimators.criteria import HELD_OUT
from gmm._passes.trace import Trace

OK = "ok"
NOT_CONVERGED = "not converged"
NOT_TRIED = "not tried"
DEGENERATE = "degenerate: "
FAILED = "failed: "
LEFT = "left: "
MORE_THAN_ROWS = FAILED + "more components than rows"


def status_of(trace: Trace, degenerate: int) -> str:
    """Return the status of a cell with a fit, of which this is the first degenerate component, −1 if there is none."""
    if degenerate >= 0:
        return f"{DEGENERATE}component {degenerate}"
    if trace.reason.startswith(LEFT):
        return trace.reason
    return OK if trace.converged else NOT_CONVERGED


def is_status(status: str) -> bool:
    """Return whether this is the status of a cell."""
    return status in (OK, NOT_CONVERGED, NOT_TRIED) or is_degenerate(status) or has_failed(status) or is_behind(status)


def is_degenerate(status: str) -> bool:
    """Return whether every fit of the cell has a degenerate component: only rows held out can judge it."""
    return status.startswith(DEGENERATE)


def is_eligible(status: str, criterion: str) -> bool:
    """Return whether the criterion of a cell with a fit may choose it."""
    return criterion == HELD_OUT or not is_degenerate(status)


def is_behind(status: str) -> bool:
    """Return whether the cell was left before it converged, since it could not come near the best."""
    return status.startswith(LEFT)


def has_failed(status: str) -> bool:
    """Return whether the cell has no fit because fitting failed."""
    return status.startswith(FAILED)

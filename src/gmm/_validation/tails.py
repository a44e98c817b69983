"""Validation of the tails that a user asks for."""

from __future__ import annotations

from typing import Any

from gmm._values.tails import NORMAL_TAILS, OF_EACH, ContaminatedTails, StudentTails, Tails

TAILS = NORMAL_TAILS.name, StudentTails.name, ContaminatedTails.name
_FIRST = 8.0  # degrees of freedom where a fit begins that estimates them
_FIRST_CONTAMINATION = ContaminatedTails(0.95, 10.0)


def check_tails(tails: str, degrees_of_freedom: Any) -> Tails:
    """Return the tails that two parameters ask for.

    Parameters
    ----------
    tails : {"normal", "t", "contaminated"}
    degrees_of_freedom : float or "each", optional
        Of "t"; None estimates those that components share, "each" those of each.

    Raises
    ------
    ValueError
        If other tails have degrees of freedom.
    """
    if tails != StudentTails.name:
        if degrees_of_freedom is not None:
            raise ValueError(
                f"expected no degrees_of_freedom with tails={tails!r}, got {degrees_of_freedom!r:.80}; pass tails='t' "
                "with them"
            )
        return NORMAL_TAILS if tails == NORMAL_TAILS.name else _FIRST_CONTAMINATION
    if degrees_of_freedom is None or degrees_of_freedom == OF_EACH:
        return StudentTails(_FIRST, True, degrees_of_freedom is None)
    return StudentTails(float(degrees_of_freedom))

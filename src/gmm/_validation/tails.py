"""Validation of the tails that a user asks for."""

from __future__ import annotations

from typing import Any

from gmm._values.tails import NORMAL_TAILS, StudentTails, Tails

__all__ = ["TAILS", "check_tails"]

TAILS = "normal", "t"
_FIRST = 8.0  # degrees of freedom where a fit begins that estimates them


def check_tails(tails: str, degrees_of_freedom: Any) -> Tails:
    """Return the tails that two parameters ask for.

    Parameters
    ----------
    tails : {"normal", "t"}
    degrees_of_freedom : float, optional
        Of "t"; None estimates them.

    Raises
    ------
    ValueError
        If normal tails have degrees of freedom.
    """
    if tails == NORMAL_TAILS.name:
        if degrees_of_freedom is not None:
            raise ValueError(
                f"expected no degrees_of_freedom with tails='normal', got {degrees_of_freedom!r:.80}; pass tails='t' "
                "with them"
            )
        return NORMAL_TAILS
    estimated = degrees_of_freedom is None
    return StudentTails(_FIRST if estimated else float(degrees_of_freedom), estimated)

"""Failures a command reports in one line, each with its exit code, and how they name things."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["CommandError", "UsageError", "listed", "quoted"]

_LISTED = 20


class CommandError(Exception):
    """The work failed; the message is for the person at the terminal."""

    exit_code = 1


class UsageError(CommandError):
    """The command line itself asks for something that does not exist."""

    exit_code = 2


def quoted(names: Iterable[str], most: int = _LISTED) -> str:
    """List names for a message.

    Parameters
    ----------
    names : iterable of str
        The names.
    most : int, default=20
        How many are named; the others are counted.

    Returns
    -------
    str
        ``'a', 'b' and 3 more``.
    """
    return listed(map(repr, names), most)


def listed(texts: Iterable[str], most: int) -> str:
    """List what a message names, and count the rest.

    Parameters
    ----------
    texts : iterable of str
    most : int
        How many are named.

    Returns
    -------
    str
        ``a, b and 3 more``.
    """
    told = list(texts)
    more = f" and {len(told) - most:,} more" if len(told) > most else ""
    return ", ".join(told[:most]) + more

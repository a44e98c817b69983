"""Failures a command reports in one line, each with its exit code, and how they name things."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["CommandError", "UsageError", "quoted"]

_LISTED = 20


class CommandError(Exception):
    """The work failed; the message is for the person at the terminal."""

    exit_code = 1


class UsageError(CommandError):
    """The command line itself asks for something that does not exist."""

    exit_code = 2


def quoted(names: Iterable[str]) -> str:
    """List names for a message.

    Parameters
    ----------
    names : iterable of str
        The names.

    Returns
    -------
    str
        ``'a', 'b'``, cut after twenty.
    """
    listed = [repr(name) for name in names]
    more = f" and {len(listed) - _LISTED} more" if len(listed) > _LISTED else ""
    return ", ".join(listed[:_LISTED]) + more

"""Errors that commands report in one line, with their exit codes."""

from __future__ import annotations

import argparse
from collections.abc import Iterable

__all__ = ["CommandError", "UsageError", "refuse"]


class CommandError(Exception):
    """Raised when a command fails; the message is shown to the user."""

    exit_code = 1


class UsageError(CommandError):
    """Raised when the arguments are invalid for the given files."""

    exit_code = 2


def refuse(options: argparse.Namespace, names: Iterable[str], why: str) -> None:
    """Check that none of some options is there.

    Raises
    ------
    UsageError
        If one is.
    """
    for name in names:
        if vars(options).get(name) not in (None, False):
            raise UsageError(f"--{name.replace('_', '-')}: {why}")

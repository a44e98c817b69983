"""Errors that commands report in one line, with their exit codes."""

from __future__ import annotations

__all__ = ["CommandError", "UsageError"]


class CommandError(Exception):
    """Raised when a command fails; the message is shown to the user."""

    exit_code = 1


class UsageError(CommandError):
    """Raised when the arguments are invalid for the given files."""

    exit_code = 2

"""The command line: what ``gmm`` does, and how it ends.

Here live the entry point, the exit codes and the one line an error becomes. Each command
has its own module; what needs an optional dependency is imported only when it runs.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence

from gmm.cli.arguments import parse
from gmm.cli.failures import CommandError
from gmm.versions import EXTRAS, install_line

__all__ = ["main"]

OK, FAILED, INTERRUPTED = 0, 1, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``gmm`` and return its exit code.

    Parameters
    ----------
    arguments : sequence of str, default=None
        The command line after the program's name; None takes it from ``sys.argv``.

    Returns
    -------
    int
        0 when all went well, 1 when the work failed, 130 when it was interrupted. Bad
        usage leaves by ``SystemExit(2)``, help and version by ``SystemExit(0)``.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # an ASCII terminal gets ? for Δ, no traceback
    options = parse(arguments)
    try:
        code = int(options.run(options))
        sys.stdout.flush()
    except BrokenPipeError:
        _discard_output()
        return OK
    except KeyboardInterrupt:
        return _complain(options.command, "interrupted", INTERRUPTED)
    except Exception as error:
        if options.debug:
            traceback.print_exc()
        return _complain(options.command, f"error: {_reason(error)}", _exit_code(error))
    return code


def _reason(error: Exception) -> str:
    """Say in one line what failed."""
    if isinstance(error, ModuleNotFoundError) and error.name is not None:
        package = error.name.partition(".")[0]
        for extra, packages in EXTRAS.items():
            if package in packages:
                return f"{package} is not installed: {install_line(extra)}"
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    told = " ".join(str(error).split())
    if isinstance(error, CommandError | ValueError | OSError):
        return told
    return f"{type(error).__name__}: {told} (--debug shows where)"


def _exit_code(error: Exception) -> int:
    return error.exit_code if isinstance(error, CommandError) else FAILED


def _complain(command: str, line: str, code: int) -> int:
    print(f"gmm {command}: {line}", file=sys.stderr)
    return code


def _discard_output() -> None:
    """Keep the interpreter from flushing into a closed pipe as it exits."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

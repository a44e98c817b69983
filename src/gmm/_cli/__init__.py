"""The command ``gmm``: entry point, exit codes and one-line error messages.

Modules that need an optional dependency are imported only when a command uses them.
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Sequence

from gmm import InvalidParameterError
from gmm._cli.arguments import IN_PYTHON, CommandError, UsageError, in_options, parse
from gmm._text.words import printable, printable_lines

OK, FAILED, INTERRUPTED = 0, 1, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``gmm`` and return its exit code.

    Parameters
    ----------
    arguments : sequence of str, default=None
        The arguments after the program's name; None stands for ``sys.argv[1:]``.

    Returns
    -------
    int
        0 on success, 1 on failure, 2 if the arguments contradict the data or each other, 130 on interrupt.

    Raises
    ------
    SystemExit
        With code 2 if the arguments cannot be parsed, with code 0 after ``--help`` and ``--version``.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # it is closed
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # an ASCII terminal shows ? for Δ
    options = parse(arguments)
    try:
        if options.command == "fit":
            from gmm._cli.fit import fit

            fit(options)
        else:
            from gmm._cli import apply

            uses = {"predict": apply.predict, "sample": apply.sample, "info": apply.info, "export": apply.export}
            uses["plot"] = apply.plot
            uses[options.command](options)
        sys.stdout.flush()
    except BrokenPipeError:
        # so that the interpreter does not flush into a closed pipe at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except KeyboardInterrupt:
        failure, code = "interrupted", INTERRUPTED
    except Exception as error:
        if options.debug:
            print(printable_lines(traceback.format_exc()), end="", file=sys.stderr)
        code = error.exit_code if isinstance(error, CommandError) else FAILED
        code = UsageError.exit_code if isinstance(error, InvalidParameterError) else code
        failure = f"error: {_reason(error, options)}"
    else:
        return OK
    print(printable(f"gmm {options.command}: {failure}"), file=sys.stderr)
    return code


def _reason(error: Exception, options: argparse.Namespace) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name is not None:
        package = error.name.partition(".")[0]
        if package in IN_PYTHON.installs:
            return f"{package} is not installed: {IN_PYTHON.installs[package]}"
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    message = " ".join(str(error).split())
    if isinstance(error, MemoryError):
        fewer = "draw fewer rows at a time" if options.command == "sample" else "--blocks reads a file block by block"
        return f"not enough memory ({message or 'of this process'}): {fewer}"
    if isinstance(error, CommandError):
        return message
    if isinstance(error, ValueError | OSError):
        return in_options(message, options)
    return f"{type(error).__name__}: {message} (--debug shows the traceback)"

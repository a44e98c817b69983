"""Errors that commands report in one line, with their exit codes, in the words of the command line."""

from __future__ import annotations

import argparse
import re

from gmm._cli.arguments import OPTIONS, PICTURES
from gmm._validation.combinations import EXCLUSIONS

# Options by what Python calls them.
_OPTIONS = {option.parameter: option.flag for option in OPTIONS.values() if option.parameter}
_OPTIONS |= {
    f"{option.parameter}={value!r}": option.flag if value is True else f"{option.flag} {value}"
    for option in OPTIONS.values()
    if option.parameter
    for value in (*option.choices, option.value)
    if isinstance(value, str | bool)
}
_OPTIONS |= {function: f"--kind {kind}" for kind, function in reversed(PICTURES.items())}
_OPTIONS |= {
    "BayesianGaussianMixture": "--bayesian",
    "MixtureClassifier": "--class-column",
    "a range of components": "--components",
    "a table of rows": "FILE",
    "error_covariance": "--errors",
    "predict_from": "--known",
    "rows beyond memory": "--blocks",
    "with noise=False": "without --noise",
}
_WORDS = [name for name in _OPTIONS if name in ("tol", "trim") or re.search("[_=]", name)]  # no English ones
_IN_TEXT = re.compile(rf"(?<![\w'\"./-])({'|'.join(map(re.escape, _WORDS))})(?![\w'\"./-]\w|[\w'\"])")


class CommandError(Exception):
    """Raised when a command fails; the message is shown to the user."""

    exit_code = 1


class UsageError(CommandError):
    """Raised when the arguments are invalid for the given files."""

    exit_code = 2


def in_options(text: str, options: argparse.Namespace | None = None) -> str:
    """Name options of the command line in the place of parameters of Python."""
    is_bayesian = options is not None and bool(options.bayesian)
    names = _OPTIONS | ({"n_components": "--max-components"} if is_bayesian else {})
    return _IN_TEXT.sub(lambda name: names[name[0]], text)


def check_together(options: argparse.Namespace, **models: str) -> None:
    """Check that options go together, also with `models`, named by their classes.

    Raises
    ------
    UsageError
        If one needs another, or two exclude each other.
    """
    given = {name: value for name, value in vars(options).items() if name in OPTIONS and value not in (None, False)}
    there = {*models.values(), *(f"--tails {name}" for name in given.get("tails", ()))}
    for name, value in given.items():
        flag = "FILE" if name == "file" else OPTIONS[name].flag
        there |= {flag, f"{flag} {value}"}
    for option in (OPTIONS[name] for name in given):
        if option.needs and not {option.needs, option.needs.removesuffix(" FILE")} & there:
            raise UsageError(f"{option.flag}: expected with {option.needs}")
    names = _OPTIONS | models
    if heavy := [name for name in given.get("tails", ()) if name != "normal"]:
        names["heavy tails"] = f"--tails {heavy[0]}"
    if (criterion := given.get("criterion", "bic")) not in ("bic", "held_out"):
        names["another criterion than BIC and held_out"] = f"--criterion {criterion}"
    for row in EXCLUSIONS:
        if {names.get(row.first, row.first), names.get(row.second, row.second)} <= there:
            raise UsageError(in_options(row.message(names), options))

"""Errors that commands report in one line, with their exit codes, in the words of the command line."""

from __future__ import annotations

import argparse
import re

from gmm._validation.combinations import EXCLUSIONS

# Options by what Python calls them.
_OPTIONS = {
    "BayesianGaussianMixture": "--bayesian",
    "MixtureClassifier": "--class-column",
    "a range of components": "--components",
    "a table of rows": "FILE",
    "checkpoint": "--checkpoint",
    "covariance_type": "--covariance",
    "criterion": "--criterion",
    "error_covariance": "--errors",
    "degrees_of_freedom": "--degrees-of-freedom",
    "max_iter": "--max-iter",
    "max_ratio": "--max-ratio",
    "missing='em'": "--missing em",
    "n_components": "--components",
    "n_factors": "--n-factors",
    "n_init": "--n-init",
    "noise": "--noise",
    "noise=True": "--noise",
    "with noise=False": "without --noise",
    "plot_clusters": "--kind clusters",
    "plot_convergence": "--kind convergence",
    "plot_decision_boundaries": "--kind boundaries",
    "plot_density": "--kind density",
    "plot_uncertainty": "--kind uncertainty",
    "predict_from": "--known",
    "prior": "--prior",
    "prior='conjugate'": "--prior conjugate",
    "random_state": "--seed",
    "refine": "--refine",
    "reg_covar": "--reg-covar",
    "resume=True": "--resume",
    "rows beyond memory": "--blocks",
    "standardize": "--scale",
    "tails='contaminated'": "--tails contaminated",
    "tails='normal'": "--tails normal",
    "tails='t'": "--tails t",
    "time_limit": "--time-limit",
    "tol": "--tol",
    "trim": "--trim",
}
_WORDS = [name for name in _OPTIONS if name in ("tol", "trim") or re.search("[_=]", name)]  # no English ones
_IN_TEXT = re.compile(rf"(?<![\w'\"./-])({'|'.join(map(re.escape, _WORDS))})(?![\w'\"./-]\w|[\w'\"])")
_NEEDS = {
    "--resume": "--checkpoint FILE",
    "--max-components": "--bayesian",
    "--level": "--known",
    "--degrees-of-freedom": "--tails t",
}


class CommandError(Exception):
    """Raised when a command fails; the message is shown to the user."""

    exit_code = 1


class UsageError(CommandError):
    """Raised when the arguments are invalid for the given files."""

    exit_code = 2


def in_options(text: str, options: argparse.Namespace | None = None) -> str:
    """Name options of the command line in the place of parameters of Python."""
    is_bayesian = options is not None and bool(vars(options).get("bayesian"))
    names = _OPTIONS | ({"n_components": "--max-components"} if is_bayesian else {})
    return _IN_TEXT.sub(lambda name: names[name[0]], text)


def check_together(options: argparse.Namespace, **models: str) -> None:
    """Check that options go together, also with `models`, named by their classes.

    Raises
    ------
    UsageError
        If one needs another, or two exclude each other.
    """
    there = set(models.values())
    for name, value in vars(options).items():
        if value not in (None, False):
            option = "FILE" if name == "file" else f"--{name.replace('_', '-')}"
            there |= {option, f"{option} {value}"}
    tails = [f"--tails {name}" for name in vars(options).get("tails") or ()]
    there |= {*tails}
    for option, other in _NEEDS.items():
        if option in there and not {other, other.partition(" FILE")[0]} & there:
            raise UsageError(f"{option}: expected with {other}")
    names = _OPTIONS | models
    if heavy := [name for name in tails if name != "--tails normal"]:
        names["heavy tails"] = heavy[0]
    if (criterion := vars(options).get("criterion")) not in (None, "bic", "held_out"):
        names["another criterion than BIC and held_out"] = f"--criterion {criterion}"
    for row in EXCLUSIONS:
        if {names.get(row.first, row.first), names.get(row.second, row.second)} <= there:
            raise UsageError(in_options(row.message_with(names), options))

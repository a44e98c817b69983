"""``gmm fit``: read a table, search, write files and print the result."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

from gmm import _selection as selection
from gmm._cli.bayesian import fit_posterior
from gmm._cli.classes import fit_classes
from gmm._cli.drawn import Drawings
from gmm._cli.failures import CommandError, UsageError
from gmm._cli.result import Result, fit_parameters, make_directory
from gmm._cli.rows import Rows, rows_to_fit
from gmm._cli.show import Screen
from gmm._estimators.criteria import CRITERIA
from gmm._text.amounts import counted
from gmm._text.lists import suggestion
from gmm._values.covariance import COVARIANCE_TYPES, OF_FACTORS, OF_ONE_FEATURE, PARSIMONIOUS, names_factors

__all__ = ["fit"]

_COMPONENTS = range(1, 10)


def fit(options: argparse.Namespace) -> None:
    """Run ``gmm fit``.

    Raises
    ------
    CommandError
        If no fit converged, after everything has been written and printed; and if the table or an option is invalid.
    """
    screen = Screen(options.quiet)
    if options.resume and options.checkpoint is None:
        raise UsageError("--resume: expected with --checkpoint FILE, where the fit was kept")
    if options.class_column is not None:
        fit_classes(screen, options, _covariance_types(options) or "all")
        return
    if options.bayesian:
        fit_posterior(screen, options)
        return
    if options.max_components is not None:
        raise UsageError("--max-components: expected with --bayesian; a search takes --components")
    options.components, options.criterion = options.components or list(_COMPONENTS), options.criterion or CRITERIA[0]
    names = _covariance_types(options)
    Drawings.check(options)
    rows = rows_to_fit(screen, options)
    out = make_directory(options.out)
    drawings = Drawings.of(options, out)
    types = (OF_ONE_FEATURE if len(rows.names) == 1 else PARSIMONIOUS) if names is None else names
    started = time.perf_counter()
    outcome, warned = _search(screen, rows, types, options)
    result = Result(rows, options, warned, time.perf_counter() - started, outcome)
    if result.parameter_warning:
        screen.note(result.parameter_warning)
    result.finish(screen, out)
    drawings.write(result, screen)
    _require_convergence(outcome, options)


def _covariance_types(options: argparse.Namespace) -> list[str] | None:
    option = "--covariance" if options.models is None else "--models"
    names = options.covariance or options.models or ["all"]
    choices = (*COVARIANCE_TYPES, *OF_ONE_FEATURE, *OF_FACTORS)
    unknown = [name for name in names if name not in (*choices, "all") and not names_factors(name)]
    if unknown:
        near = suggestion(unknown[0], choices)
        raise UsageError(f"{option} {','.join(unknown)}: expected all, or names among {','.join(choices)}{near}")
    if any(name in OF_FACTORS for name in names) != (options.n_factors is not None):
        raise UsageError(f"--n-factors: expected with {option} {' or '.join(OF_FACTORS)}, and with these alone")
    names = [each for name in names for each in _with_factors(name, options.n_factors)]
    return None if "all" in names else list(dict.fromkeys(names))


def _with_factors(name: str, numbers: Sequence[int] | None) -> list[str]:
    return [f"{name}{number}" for number in numbers or ()] if name in OF_FACTORS else [name]


def _search(
    screen: Screen, rows: Rows, types: Sequence[str], options: argparse.Namespace
) -> tuple[selection.Selection, tuple[str, ...]]:
    """Run the search, and print and return its warnings."""
    same = {
        name: vars(options)[name] for name in ("criterion", "time_limit", "checkpoint", "resume", "refine", "prior")
    }
    same |= {"noise": bool(options.noise), "standardize": bool(options.scale), **fit_parameters(options, None)}
    with screen.warnings() as warned, screen.progress(options.components, len(types)) as advance:
        outcome = selection.select(rows.source, options.components, types, callback=advance, **same)
    return outcome, tuple(warned)


def _require_convergence(outcome: selection.Selection, options: argparse.Namespace) -> None:
    if not any(mixture is not None and mixture.converged_ for mixture in outcome.estimators):
        raise CommandError(
            f"no fit converged in {counted(options.max_iter, 'pass', 'passes')}; the results are those of the last "
            "pass: raise --max-iter or --tol"
        )

"""``gmm fit``: read a table, fit, write files and print the result."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace

from gmm import _selection as selection
from gmm._cli.classes import fit_classes
from gmm._cli.columns import unsaid
from gmm._cli.drawn import Drawings
from gmm._cli.failures import CommandError, UsageError, check_together
from gmm._cli.result import Posterior, Result, fit_parameters, make_directory
from gmm._cli.rows import Rows, rows_to_fit
from gmm._cli.show import Screen
from gmm._cli.trimmed import Trimmed
from gmm._estimators.bayesian import BayesianGaussianMixture
from gmm._estimators.criteria import CRITERIA
from gmm._estimators.mixture import GaussianMixture
from gmm._selection.request import requested_types
from gmm._text.amounts import counted
from gmm._text.lists import suggestion
from gmm._values.covariance import (
    CLASSIC,
    COVARIANCE_CHOICES,
    DEFAULT_COVARIANCE_TYPE,
    OF_FACTORS,
    model_names,
    names_factors,
)
from gmm._values.tails import NORMAL_TAILS

__all__ = ["fit"]

_COMPONENTS = range(1, 10)
_MAX_COMPONENTS, _BOUND_TOL = 20, 1e-3  # of a variational fit
_TOL = 1e-5  # of a trimmed one, in nats per row


def fit(options: argparse.Namespace) -> None:
    """Run ``gmm fit``: a search, one trimmed or variational fit, or a classifier.

    Raises
    ------
    CommandError
        If no fit converged, after everything has been written and printed; and if the table or an option is invalid.
    """
    screen = Screen(options.quiet)
    check_together(options)
    if options.keep and options.out is None:
        raise UsageError("--keep: expected with --out DIR, whose table of labels the columns go to")
    names = _covariance_types(options)
    _check_single(names, options)
    if options.class_column is not None:
        fit_classes(screen, options, names or "all")
        return
    Drawings.check(options)
    rows = rows_to_fit(screen, options)
    out = make_directory(options.out)
    drawings = Drawings.of(options, out)
    result = _outcome(screen, rows, names, options)
    try:
        result.finish(screen, out)
    finally:  # also for a reader that has gone, as head -1 has
        drawings.write(result, screen)
    if not result.converged:
        raise CommandError(
            f"no fit converged in {counted(options.max_iter, 'pass', 'passes')}; the results are those of the last "
            "pass: raise --max-iter or --tol"
        )


def _covariance_types(options: argparse.Namespace) -> list[str] | None:
    """Return the covariance models by their names, among which "all" may be; None is the default."""
    names = options.covariance or ["all"]
    if options.bayesian and options.covariance is not None and (len(names) > 1 or names[0] not in CLASSIC):
        raise UsageError(f"--covariance {','.join(names)}: expected one of {', '.join(CLASSIC)} with --bayesian")
    unknown = [name for name in names if name not in (*COVARIANCE_CHOICES, "all") and not names_factors(name)]
    if unknown:
        near = suggestion(unknown[0], COVARIANCE_CHOICES)
        raise UsageError(
            f"--covariance {','.join(unknown)}: expected all, or names among {','.join(COVARIANCE_CHOICES)}{near}"
        )
    of_factors = [name for name in names if name in OF_FACTORS]
    if of_factors and options.n_factors is None:
        raise UsageError(
            f"--covariance {of_factors[0]}: expected --n-factors, or their number in the name: {of_factors[0]}2"
        )
    if not of_factors and options.n_factors is not None:
        raise UsageError(f"--n-factors: expected with --covariance {' or '.join(OF_FACTORS)}, whose factors it counts")
    return None if names == ["all"] else model_names(sorted(names, key="all".__ne__), options.n_factors or ())


def _check_single(names: Sequence[str] | None, options: argparse.Namespace) -> None:
    """Check that --trim has one mixture to fit."""
    single = len(options.components or ()) == len(names or ()) == 1 and len(options.tails or [""]) == 1
    if options.trim is not None and (not single or names == ["all"]):
        raise UsageError(
            "--trim: expected one mixture to fit, such as --components 3 --covariance full, got a search: mixtures "
            "that leave out other rows cannot be compared; fit each by itself"
        )


def _outcome(
    screen: Screen, rows: Rows, names: Sequence[str] | None, options: argparse.Namespace
) -> Result | Posterior | Trimmed:
    """Fit what the options ask for."""
    started = time.perf_counter()
    with screen.warnings(options) as warned:
        if options.bayesian:
            posterior = _posterior(screen, rows, names, options)
            return Posterior(rows, options, warned, time.perf_counter() - started, posterior)
        if options.trim is not None:
            mixture = _trimmed(screen, rows, names, options)
            trimmed = Trimmed(rows, options, warned, time.perf_counter() - started, mixture)
            screen.notes(trimmed.doubts)
            return trimmed
        search = _search(screen, rows, names, options)
        more = unsaid(search.notes, rows.notes, named=options.columns is not None)
        screen.notes(more)
        rows = replace(rows, notes=(*rows.notes, *more))
        return Result(rows, options, warned, time.perf_counter() - started, search)


def _search(
    screen: Screen, rows: Rows, names: Sequence[str] | None, options: argparse.Namespace
) -> selection.Selection:
    options.components, options.criterion = options.components or list(_COMPONENTS), options.criterion or CRITERIA[0]
    types = requested_types(names or "all", len(rows.names), limited=options.max_ratio is not None)
    shared = "criterion", "time_limit", "checkpoint", "resume", "refine", "prior", "max_ratio", "degrees_of_freedom"
    same = {name: vars(options)[name] for name in shared}
    same |= {"noise": bool(options.noise), "standardize": bool(options.scale), **fit_parameters(options, None)}
    same["tails"] = options.tails or [NORMAL_TAILS.name]
    with screen.progress(options.components, len(types) * len(same["tails"])) as advance:
        return selection.select(rows.source, options.components, types, callback=advance, **same)


def _trimmed(screen: Screen, rows: Rows, names: Sequence[str] | None, options: argparse.Namespace) -> GaussianMixture:
    assert names is not None  # as `_check_single` says
    shared = "refine", "prior", "max_ratio", "trim"
    tails = {"tails": (options.tails or [NORMAL_TAILS.name])[0], "degrees_of_freedom": options.degrees_of_freedom}
    same = {name: vars(options)[name] for name in shared if vars(options)[name] is not None} | tails
    model = GaussianMixture(options.components[0], covariance_type=names[0], **same, **fit_parameters(options, _TOL))
    with screen.working("fitting"):
        return model.fit(rows.source)


def _posterior(
    screen: Screen, rows: Rows, names: Sequence[str] | None, options: argparse.Namespace
) -> BayesianGaussianMixture:
    model = BayesianGaussianMixture(
        n_components=min(options.max_components or _MAX_COMPONENTS, rows.n_rows),
        covariance_type=(names or [DEFAULT_COVARIANCE_TYPE])[0],
        noise=bool(options.noise),
        **fit_parameters(options, _BOUND_TOL),
    )
    with screen.working("fitting"):
        return model.fit(rows.source, checkpoint=options.checkpoint, resume=options.resume)

"""``gmm fit``: read, search, write, show."""

from __future__ import annotations

import argparse
import time
import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from gmm import selection
from gmm.amounts import counted
from gmm.cli import pictures
from gmm.cli.failures import CommandError, UsageError
from gmm.cli.report import Origin, written
from gmm.cli.result import Result
from gmm.cli.rows import Rows, numeric_rows
from gmm.cli.show import Screen
from gmm.cli.tables import faithful, read
from gmm.cli.write import check_place, check_suffix, text_to, to_json
from gmm.covariance import COVARIANCE_TYPES, PARSIMONIOUS, covariance_model, same_as

__all__ = ["fit"]

_REPORT = "report.html"


def fit(options: argparse.Namespace) -> int:
    """Fit every requested cell to a table, choose, write and show.

    Parameters
    ----------
    options : argparse.Namespace
        The options of ``gmm fit``.

    Returns
    -------
    int
        0; 1 when no cell converged, after everything has been written and shown.
    """
    screen = Screen(options.quiet)
    names = _covariance_types(options)
    _check_pictures(options)
    table, notes = (faithful(), ()) if options.file is None else read(options.file, options.header)
    rows = numeric_rows(
        table,
        columns=options.columns,
        exclude=options.exclude or (),
        label_column=options.label_column,
        weight_column=options.weight_column,
        drop_missing=options.drop_missing,
    )
    for note in (*notes, *rows.notes):
        screen.note(note)
    out = _directory(options.out)
    place = _report_place(options.report, out)
    report = None if place is None else (place, Origin.of(options))
    types = _distinct_types(len(rows.names)) if names is None else names
    begun = time.perf_counter()
    found, warned = _search(screen, rows, types, options)
    result = Result(rows, found, options, (*notes, *rows.notes), warned, time.perf_counter() - begun)
    if result.doubt:
        screen.note(result.doubt)
    if out is not None:
        result.write(out, options.format)
    if options.json:
        to_json(None, result.document())
    else:
        result.show(screen, out)
    tell = screen.note if options.json else screen.line
    if options.plot is not None:
        pictures.save(result.drawn(pictures.drawing().plot_clusters), options.plot)
        tell(f"picture written to {options.plot}")
    if report is not None:
        text_to(report[0], written(result, report[1]))
        tell(f"report written to {report[0]}")
    return _verdict(found, options)


def _covariance_types(options: argparse.Namespace) -> list[str] | None:
    """The names that were given, checked; None for all."""
    option = "--covariance" if options.models is None else "--models"
    names = options.covariance or options.models or ["all"]
    unknown = [name for name in names if name not in (*COVARIANCE_TYPES, "all")]
    if unknown:
        raise UsageError(f"{option} {','.join(unknown)}: expected all, or some of {','.join(COVARIANCE_TYPES)}")
    return None if "all" in names else list(dict.fromkeys(names))


def _distinct_types(n_columns: int) -> list[str]:
    """All models; of one column there are fewer that differ."""
    return list(dict.fromkeys(same_as(covariance_model(name), 2, n_columns).name for name in PARSIMONIOUS))


def _directory(path: str | None) -> Path | None:
    """Make the directory before the work, so that a bad path costs nothing."""
    if path is None:
        return None
    out = Path(path)
    out.mkdir(parents=True, exist_ok=True)
    return out


def _check_pictures(options: argparse.Namespace) -> None:
    """Refuse, before the work, places for pictures that cannot be, and pictures without matplotlib."""
    if isinstance(options.report, str) and Path(options.report).suffix.lower() not in (".html", ".htm"):
        raise UsageError(
            f"--report {options.report}: expected a name ending in .html; a table to be fitted stands before it, as in "
            "gmm fit FILE --report"
        )
    if options.plot is not None:
        check_suffix("--plot", options.plot, pictures.SUFFIXES)
        check_place(options.plot)
    if options.plot is not None or options.report is not None:
        pictures.drawing()


def _report_place(path: str | bool | None, out: Path | None) -> Path | None:
    """Where the report goes: what was named, else (True) into the directory of the results, else here."""
    if path is None:
        return None
    place = Path(path) if isinstance(path, str) else (out or Path()) / _REPORT
    check_place(place)
    return place


def _search(
    screen: Screen, rows: Rows, types: Sequence[str], options: argparse.Namespace
) -> tuple[selection.Selection, tuple[str, ...]]:
    """The search, and what it warned of, which is shown as well."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with screen.progress(options.components, len(types)) as advance:
            found = selection.select(
                rows.frame,
                options.components,
                types,
                criterion=options.criterion,
                n_init=options.n_init,
                random_state=options.seed,
                n_threads=options.threads,
                sample_weight=rows.weights,
                callback=advance,
                time_limit=options.time_limit,
                max_iter=options.max_iter,
                tol=options.tol,
                refine=options.refine,
                reg_covar=options.reg_covar,
                prior=options.prior,
            )
    told = Counter(str(warning.message) for warning in caught)
    warned = tuple(text if times == 1 else f"{text} ({times} times)" for text, times in told.items())
    for text in warned:
        screen.note(text)
    return found, warned


def _verdict(found: selection.Selection, options: argparse.Namespace) -> int:
    if any(mixture is not None and mixture.converged_ for mixture in found.estimators):
        return 0
    raise CommandError(
        f"no cell converged in {counted(options.max_iter, 'pass', 'passes')}; the results are those of the last "
        "pass: raise --max-iter or --tol"
    )

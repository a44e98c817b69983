"""``gmm fit``: read a table, fit, write files and print the result."""

from __future__ import annotations

import argparse
import time
from collections import deque
from collections.abc import Callable, Iterable
from math import inf
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from gmm import BayesianGaussianMixture, GaussianMixture, MixtureClassifier, Selection, select
from gmm._cli import output
from gmm._cli.arguments import IN_PYTHON, PARAMETERS, CommandError, UsageError, check_options, checked
from gmm._cli.outcome import NORMAL, Classes, MixtureOutcome, Outcome, Posterior, Result, Single, classes_of
from gmm._cli.rows import Rows, rows_to_fit
from gmm._cli.show import Screen
from gmm._text.words import counted, percent
from gmm.em import Iteration
from gmm.sources import check_target, relative_ridge

_PAGES = (".html", ".htm")
_COMPONENTS = range(1, 10)
_MAX_COMPONENTS = 20  # of a variational fit
_TOL = 1e-5  # of a single one, in nats per row
# Parameters of which a search has several.
_SEVERAL = "n_components", "covariance_type", "n_factors", "tails"


def fit(options: argparse.Namespace) -> None:
    """Run ``gmm fit``: a search, one fit, or a classifier.

    Raises
    ------
    CommandError
        If no fit converged, after everything has been written and printed; and if the table or an option is invalid.
    """
    screen = Screen(options.quiet)
    _check(options)
    reports = _check_drawings(options)
    options.proba = True  # the labels in DIR have probabilities
    rows = rows_to_fit(screen, options)
    classes = None if options.class_column is None else classes_of(rows, options.class_column)
    out, report, origin = None if options.out is None else Path(options.out), Path(), {}
    if out is not None:
        if out.is_file():
            raise CommandError(f"--out {options.out}: expected a directory, got a file")
        out.mkdir(parents=True, exist_ok=True)
    if reports is not None:
        report = Path(options.report) if isinstance(options.report, str) else (out or Path()) / "report.html"
        check_target(report, _PAGES)
        origin = reports.provenance(options)
    result = _outcome(screen, rows, classes, options)
    try:
        files = []
        if out is not None:
            with screen.working("writing"):
                files = result.write(out)
        if options.json:
            output.write_json(None, result.document())
        else:
            result.show(screen)
            for line in ("", f"written to {out}: {', '.join(files)}") if files else ():
                screen.line(line)
    finally:  # also for a reader that has gone, as head -1 has
        if isinstance(result, MixtureOutcome):
            written = []  # is printed last: a reader that has gone shall not keep a file from being written
            if options.plot is not None:
                output.save_picture(output.drawing().plot_clusters(result.model, rows.source), options.plot)
                if note := rows.filled_note:
                    screen.note(f"in the picture, {note[0].lower()}{note[1:].rstrip('.')}")
                written.append(f"picture written to {options.plot}")
            if reports is not None:
                output.write_text(report, reports.render_report(result, origin))
                written.append(f"report written to {report}")
            for line in written:
                (screen.note if options.json else screen.line)(line)
    if isinstance(result, MixtureOutcome) and not result.converged:
        if result.model.n_iter_ < options.max_iter:
            raise CommandError(f"no fit converged: {result.model.history_.reason}; leave out rows far from all others")
        raise CommandError(
            f"no fit converged in {counted(options.max_iter, 'pass', 'passes')}; the results are those of the last "
            "pass: raise --max-iter or --tol"
        )


def _check(options: argparse.Namespace) -> None:
    """Check, before the work, that options go together, and that there are such covariance models."""
    check_options(options)
    if options.keep and options.out is None:
        raise UsageError("--keep needs --out DIR, as its columns are written with the labels in DIR")
    names = options.covariance_type or ["all"]
    conjugate = IN_PYTHON.conjugate_types
    if options.bayesian and options.covariance_type and (len(names) > 1 or names[0] not in conjugate):
        raise UsageError(f"--covariance {','.join(names)}: expected one of {', '.join(conjugate)} with --bayesian")
    with checked(f"--covariance {','.join(names)}"):
        types = _types(options)
    single = len(options.n_components or ()) == len(types) == len(options.tails or [""]) == 1
    if options.blocks and not single and not options.bayesian:
        raise UsageError(
            "--blocks: expected one mixture to fit, such as --components 3 --covariance full, got a search, which "
            "would read the table thousands of times. Search a sample of the rows without --blocks, then fit the "
            "model that it chooses to all rows"
        )


def _types(options: argparse.Namespace, n_features: int | None = None) -> list[str]:
    """Return the covariance models, of rows with so many columns, that the options request."""
    names = sorted(options.covariance_type or ["all"], key="all".__ne__)
    return IN_PYTHON.covariance_types(names, n_features, options.n_factors, limited=options.max_ratio is not None)


def _check_drawings(options: argparse.Namespace) -> Any:
    """Reject paths that cannot be written and options whose packages are not installed, before the work.

    Returns the module of reports if one is requested, because nothing else needs Jinja2.
    """
    if isinstance(options.report, str) and Path(options.report).suffix.lower() not in _PAGES:
        raise UsageError(
            f"--report {options.report!r}: expected a name ending in .html; if it is the table to fit, put it first: "
            "gmm fit FILE --report"
        )
    output.check_place("--plot", options.plot, output.PICTURES)
    if options.plot is not None or options.report is not None:
        output.drawing()
    if options.report is None:
        return None
    from gmm._cli import report

    return report


def _outcome(screen: Screen, rows: Rows, classes: NDArray[Any] | None, options: argparse.Namespace) -> Outcome:
    """Fit what the options request."""
    started = time.perf_counter()
    kind: type[Outcome]
    with screen.warnings(options) as warned:
        if classes is None and not options.bayesian and not options.blocks:
            kind, fitted = Result, _search(screen, rows, options)
        else:
            with screen.working("fitting") as show_progress:
                kind, fitted = _single_fit(rows, classes, options, show_progress)
        result = kind(rows, options, warned, time.perf_counter() - started, fitted)
        screen.note(*result.doubts)
        return result


def _parameters(options: argparse.Namespace, names: Iterable[str]) -> dict[str, Any]:
    """Return the parameters of these names that the options have, but for those of which they may have several."""
    given = {name: vars(options).get(name) for name in names if name not in _SEVERAL}
    return {name: value for name, value in given.items() if value is not None}


def _search(screen: Screen, rows: Rows, options: argparse.Namespace) -> Selection:
    options.n_components = options.n_components or list(_COMPONENTS)
    types, tails = _types(options, len(rows.names)), options.tails or [NORMAL]
    parameters = _parameters(options, PARAMETERS)
    with screen.progress(options.n_components, len(types) * len(tails)) as advance:
        return select(rows.source, options.n_components, types, tails=tails, callback=advance, **parameters)


def _single_fit(
    rows: Rows, classes: NDArray[Any] | None, options: argparse.Namespace, show_progress: Callable[[str], None]
) -> tuple[type[Outcome], Any]:
    """Fit a classifier, a variational mixture or another; the ridge of mixtures is in the units of the rows.

    Show the progress of passes over rows that are read block by block.
    """
    if classes is not None:
        types = _types(options, len(rows.names)) if options.covariance_type else "all"
        parameters = _parameters(options, MixtureClassifier().get_params())
        return Classes, MixtureClassifier(options.n_components or 1, types, **parameters).fit(rows.source, classes)
    kind = BayesianGaussianMixture if options.bayesian else GaussianMixture
    parameters = _parameters(options, kind().get_params())
    parameters["reg_covar"] = relative_ridge(rows.source, options.reg_covar)
    X, follow, latest = rows.source, dict[str, Any](), deque[Iteration](maxlen=1)
    if options.blocks:

        def read(n_read: int, seconds: float) -> None:
            number, left = (latest[0].n_iter, latest[0].remaining) if latest else (0, inf)
            pace = f"pass {number + 1}, {percent(n_read / rows.n_rows, 0)}, {n_read / seconds:,.0f} rows/s"
            show_progress(
                pace + (f", {left:.1e} nats{'' if options.bayesian else '/row'} to gain" if left < inf else "")
            )

        X, follow["callback"] = X.with_changes(on_reading=read), latest.append
    if options.bayesian:
        n_components = min(options.max_components or _MAX_COMPONENTS, rows.n_rows)
        parameters |= {"covariance_type": options.covariance_type[0]} if options.covariance_type else {}
        return Posterior, BayesianGaussianMixture(n_components=n_components, **parameters).fit(X, **follow)
    parameters |= {"covariance_type": _types(options, len(rows.names))[0], "tails": (options.tails or [NORMAL])[0]}
    return Single, GaussianMixture(options.n_components[0], **{"tol": _TOL} | parameters).fit(X, **follow)

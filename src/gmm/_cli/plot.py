"""``gmm plot``: a picture of a saved model with the rows of a table."""

from __future__ import annotations

import argparse
from typing import Any

from gmm._cli import pictures
from gmm._cli.failures import CommandError, UsageError, check_together
from gmm._cli.rows import Rows, bundled, rows_for
from gmm._cli.saved import load_mixture
from gmm._cli.show import Screen
from gmm._cli.write import check_suffix, check_writable
from gmm._estimators.contract import names_of_features
from gmm._estimators.fitted import FittedMixture
from gmm._text.lists import quoted
from gmm._uses.combining import combine_components

__all__ = ["plot"]

_FUNCTIONS = {
    "clusters": "plot_clusters",
    "pairs": "plot_clusters",
    "density": "plot_density",
    "boundaries": "plot_decision_boundaries",
    "uncertainty": "plot_uncertainty",
    "combined": "plot_clusters",
}
_MOST_FEATURES = 6


def plot(options: argparse.Namespace) -> None:
    """Run ``gmm plot``, which draws a saved model."""
    out = f"{options.kind}.png" if options.out is None else options.out
    check_suffix("--out", out, pictures.SUFFIXES)
    check_writable(out)
    check_together(options)
    drawing = pictures.drawing()
    screen = Screen(options.quiet)
    model = load_mixture(options.model, options.file)
    if options.kind not in _FUNCTIONS:
        picture = _convergence(drawing, model, options)
    else:
        view = _view(model, options)
        rows = _rows(screen, model, options)
        mixture = combine_components(model, rows.source) if options.kind == "combined" else model
        picture = getattr(drawing, _FUNCTIONS[options.kind])(mixture, rows.source, view=view)
        if rows.filled_note:
            screen.note(f"in the picture, {rows.filled_note.rstrip('.')}")
    pictures.save(picture, out)
    screen.line(f"picture written to {out}")


def _convergence(drawing: Any, model: FittedMixture, options: argparse.Namespace) -> Any:
    if not hasattr(model, "history_"):
        raise CommandError(f"{options.model}: its parameters were given, not fitted, so it has no passes to draw")
    return drawing.plot_convergence(model)


def _rows(screen: Screen, model: FittedMixture, options: argparse.Namespace) -> Rows:
    """Read the rows of the table; without one, a model of the Old Faithful data is drawn with the bundled rows."""
    if options.file is None:
        if list(getattr(model, "feature_names_in_", ())) != list(bundled().fields):
            raise UsageError(f"--kind {options.kind} needs a table of rows: gmm plot MODEL FILE")
        screen.note("no FILE: the picture shows the bundled rows of Old Faithful")
    return rows_for(model, options, screen)


def _view(model: FittedMixture, options: argparse.Namespace) -> Any:
    """Return the `view` argument of `gmm.plotting`."""
    if options.features is None:
        return "pairs" if options.kind == "pairs" else None
    names = names_of_features(model)
    unknown = [name for name in options.features if name not in names]
    if unknown or not 1 <= len(set(options.features)) == len(options.features) <= _MOST_FEATURES:
        features = ",".join(options.features)
        raise UsageError(
            f"--features {features}: expected one to {_MOST_FEATURES} different columns among {quoted(names)}"
        )
    columns = [names.index(name) for name in options.features]
    return columns[0] if len(columns) == 1 else tuple(columns)

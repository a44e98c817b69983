"""``gmm plot``: a saved model and the rows of a table as a picture."""

from __future__ import annotations

import argparse
from typing import Any

from gmm.cli import pictures
from gmm.cli.failures import CommandError, UsageError, quoted
from gmm.cli.rows import rows_for
from gmm.cli.show import Screen
from gmm.cli.tables import faithful
from gmm.cli.write import check_place, check_suffix
from gmm.estimators.contract import names_of_features
from gmm.estimators.mixture import GaussianMixture

__all__ = ["plot"]

_DRAWN_BY = {
    "clusters": "plot_clusters",
    "pairs": "plot_clusters",
    "density": "plot_density",
    "boundaries": "plot_decision_boundaries",
    "uncertainty": "plot_uncertainty",
}


def plot(options: argparse.Namespace) -> int:
    """Draw a saved model.

    Parameters
    ----------
    options : argparse.Namespace
        The options of ``gmm plot``.

    Returns
    -------
    int
        0.
    """
    out = f"{options.kind}.png" if options.out is None else options.out
    check_suffix("--out", out, pictures.SUFFIXES)
    check_place(out)
    _check_unused(options)
    drawing = pictures.drawing()
    screen = Screen(options.quiet)
    model = GaussianMixture.load(options.model)
    if options.kind not in _DRAWN_BY:
        drawn = _convergence(drawing, model, options)
    else:
        view = _view(model, options)
        drawn = getattr(drawing, _DRAWN_BY[options.kind])(model, _rows(screen, model, options), view=view)
    pictures.save(drawn, out)
    screen.line(f"picture written to {out}")
    return 0


def _check_unused(options: argparse.Namespace) -> None:
    """Refuse what the kind of picture would not look at."""
    if options.kind == "pairs" and options.features is not None:
        raise UsageError("--features: the pairs of all columns are drawn by --kind pairs")
    if options.kind == "convergence":
        given = {options.file: options.file, "--features": options.features, "--drop-missing": options.drop_missing}
        unused = [str(name) for name, value in given.items() if value]
        if unused:
            raise UsageError(f"{unused[0]}: no rows and no columns are drawn by --kind convergence, only passes")


def _convergence(drawing: Any, model: GaussianMixture, options: argparse.Namespace) -> Any:
    if not hasattr(model, "history_"):
        raise CommandError(f"{options.model} was given its parameters: there are no passes of a fit to draw")
    return drawing.plot_convergence(model)


def _rows(screen: Screen, model: GaussianMixture, options: argparse.Namespace) -> Any:
    """The rows of the table, with their names where the model has names; a model of the eruptions has them at hand."""
    if options.file is None and list(getattr(model, "feature_names_in_", ())) != faithful().column_names:
        raise UsageError(f"--kind {options.kind} needs the rows of a table: gmm plot MODEL FILE")
    return rows_for(model, options, screen)[1]


def _view(model: GaussianMixture, options: argparse.Namespace) -> Any:
    """What of the columns is shown, as `gmm.plotting` takes it."""
    if options.kind == "pairs":
        return "pairs"
    if options.features is None:
        return None
    names = names_of_features(model)
    unknown = [name for name in options.features if name not in names]
    if unknown or not 1 <= len(set(options.features)) == len(options.features) <= 2:
        told = ",".join(options.features)
        raise UsageError(f"--features {told}: expected one or two different ones of {quoted(names)}")
    places = [names.index(name) for name in options.features]
    return places[0] if len(places) == 1 else tuple(places)

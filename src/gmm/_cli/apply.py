"""``gmm predict``, ``gmm sample``, ``gmm info``, ``gmm plot`` and ``gmm export``, which use a saved model."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterable, Mapping
from typing import Any
from zipfile import is_zipfile

import numpy as np

from gmm import BayesianGaussianMixture, GaussianMixture, MixtureClassifier, load
from gmm._cli import arguments, output
from gmm._cli.arguments import CommandError, UsageError, check_options, checked
from gmm._cli.rows import Rows, bundled, rows_for
from gmm._cli.show import Mixture, Screen
from gmm._text.words import counted, noise_of_weight
from gmm.analysis import combine_components
from gmm.exchange.mclust import to_json
from gmm.exchange.onnx import to_onnx

_CALLED = {"BayesianGaussianMixture": "a mixture of --bayesian", "MixtureClassifier": "a classifier"}
_MOST_FEATURES = 6


def _load(path: str, table: str | None = None, *, mixture: bool = True) -> Any:
    """Load a mixture of either kind or, unless that is wanted, a classifier; `table` is the file named behind it.

    Raises
    ------
    CommandError
        If the file holds something else.
    UsageError
        If the two files are in the wrong order.
    ValueError
        As `load`.
    """
    if os.path.isdir(path):
        inside = os.path.join(path, "model.gmm")
        hint = f", {inside}" if os.path.exists(inside) else ""
        raise CommandError(f"{path} is a folder: expected a saved model{hint}")
    if table is not None and not is_zipfile(path) and os.path.isfile(path) and is_zipfile(table):
        raise UsageError(f"{path} is no saved model, but {table} may be one: expected the model first, then the table")
    model = load(path)
    if not isinstance(model, GaussianMixture | BayesianGaussianMixture | MixtureClassifier):
        raise CommandError(f"{path} holds a {type(model).__name__}, expected a mixture")
    if mixture and isinstance(model, MixtureClassifier):
        raise CommandError(f"{path} holds a classifier: gmm predict and gmm info take it")
    return model


def predict(options: argparse.Namespace) -> None:
    """Run ``gmm predict``, which labels the rows of a table or predicts columns that it has not."""
    output.check_place("--out", options.out)
    existing = [path for path in (options.file, options.out) if path is not None and os.path.isfile(path)]
    if len(existing) == 2 and os.path.samefile(*existing):
        raise UsageError(f"--out {options.out}: this is the table itself, which it would replace: name another file")
    check_options(options)
    model, screen = _load(options.model, options.file, mixture=False), Screen(options.quiet)
    if (kind := type(model).__name__) in _CALLED:
        check_options(options, **{kind: _CALLED[kind]})
    if options.density and (options.known or isinstance(model, MixtureClassifier)):
        raise UsageError("--density cannot be combined with --known, nor with a classifier")
    if options.known:
        rows, blocks = _predicted_columns(screen, model, options)
    else:
        rows = rows_for(model, options, screen)
        blocks = output.predictions(model, rows, options, options.out)
    with Screen(options.quiet or options.out is None).working("writing"):
        output.write_with_others(options.out, rows, options, blocks)


def _predicted_columns(
    screen: Screen, model: GaussianMixture | BayesianGaussianMixture, options: argparse.Namespace
) -> tuple[Rows, Iterable[Mapping[str, Any]]]:
    mixture = _plug_in(model)
    with checked("--known", CommandError):
        known = mixture.marginal(options.known)
    rows = rows_for(known, options, screen, mixture.summary().feature_names)
    with screen.warnings(options):
        prediction = mixture.predict_from(rows.source, options.known, level=options.level)
    columns = output.distinct(prediction.columns, {"row": rows.numbers(0, rows.n_rows)})
    for j, name in enumerate(prediction.columns):
        ends = () if prediction.intervals is None else zip(("low", "high"), prediction.intervals[:, j].T, strict=True)
        others = [*columns, *prediction.columns]
        columns[name] = prediction.means[:, j]
        spread = {f"{name}_sd": prediction.deviations[:, j]} | {f"{name}_{end}": values for end, values in ends}
        columns |= output.distinct(others, spread)
    return rows, [columns]


def _plug_in(model: GaussianMixture | BayesianGaussianMixture) -> GaussianMixture:
    return model if isinstance(model, GaussianMixture) else model.plug_in()


def sample(options: argparse.Namespace) -> None:
    """Run ``gmm sample``, which draws rows from a saved model."""
    output.check_place("--out", options.out)
    model = _load(options.model)
    X, components = model.sample(options.rows, random_state=options.random_state)
    columns = dict(zip(model.summary().feature_names, X.T, strict=True))
    if options.component:
        columns |= output.distinct(columns, {"component": components})
    output.write_table(options.out, [columns])


def info(options: argparse.Namespace) -> None:
    """Run ``gmm info``, which prints the parameters of a saved model."""
    model = _load(options.model, mixture=False)
    with np.load(options.model) as members:
        header = json.loads(members["header"].tobytes())
    is_classifier = isinstance(model, MixtureClassifier)
    if options.json:
        versions = {key: header.get(key) for key in ("format_version", "gmm_version")}
        facts = output.class_json(model) if is_classifier else output.mixture_json(model)
        output.write_json(None, versions | facts)
        return
    screen = Screen(options.quiet)
    saved_by = f"saved by gmm {header['gmm_version']}, " if "gmm_version" in header else ""
    saved_by += f"format {header['format_version']}"
    if is_classifier:
        headline, *table = output.class_lines(model)
        for line in (headline, saved_by, "", *table):
            screen.line(line)
        return
    counts = model.counts_ if isinstance(model, BayesianGaussianMixture) else np.ones(model.n_components)
    shown = np.flatnonzero(np.asarray(counts) >= 1).tolist()
    of_all = f" of {model.n_components} in use" if len(shown) < model.n_components else ""
    facts, noise = model.summary(), model.noise_weight_
    screen.line(
        f"{counted(len(shown), 'component')}{of_all}, {facts.covariance_model}"
        f"{f', {noise_of_weight(noise)}' if noise else ''}, {counted(model.n_features_in_, 'column')}, "
        f"{counted(model.n_parameters_, 'parameter')}: {facts.ending}"
    )
    screen.line(saved_by)
    screen.line()
    screen.mixture(model, shown=shown)


def export(options: argparse.Namespace) -> None:
    """Run ``gmm export``, which writes a saved model for other software."""
    output.check_place("--out", options.out, (".json", ".onnx"))
    model = _load(options.model)
    if options.out.lower().endswith(".onnx"):
        to_onnx(model, options.out)
    else:
        to_json(_plug_in(model), options.out)
    if os.path.isfile(options.out):  # else it may be the terminal
        Screen(options.quiet).line(f"written to {options.out}")


def plot(options: argparse.Namespace) -> None:
    """Run ``gmm plot``, which draws a saved model."""
    out = f"{options.kind}.png" if options.out is None else options.out
    output.check_place("--out", out, output.PICTURES)
    check_options(options)
    plotting = output.drawing()
    screen = Screen(options.quiet)
    model = _load(options.model, options.file)
    if options.kind == "convergence":
        if not hasattr(model, "history_"):
            raise CommandError(f"{options.model}: its parameters were given, not fitted, so it has no passes to draw")
        picture = plotting.plot_convergence(model)
    else:
        view = _view(model, options)
        rows = _rows(screen, model, options)
        mixture = combine_components(model, rows.source) if options.kind == "combined" else model
        picture = getattr(plotting, arguments.PICTURES[options.kind])(mixture, rows.source, view=view)
        if rows.filled_note:
            screen.note(f"in the picture, {rows.filled_note.rstrip('.')}")
    output.save_picture(picture, out)
    screen.line(f"picture written to {out}")


def _rows(screen: Screen, model: Mixture, options: argparse.Namespace) -> Rows:
    """Read the rows of the table; without one, a model of the Old Faithful data is drawn with the bundled rows."""
    if options.file is None:
        if list(getattr(model, "feature_names_in_", ())) != list(bundled().fields):
            raise UsageError(f"--kind {options.kind} needs a table of rows: gmm plot MODEL FILE")
        screen.note("no FILE: the picture shows the bundled rows of Old Faithful")
    return rows_for(model, options, screen)


def _view(model: Mixture, options: argparse.Namespace) -> Any:
    """Return the `view` argument of `gmm.plotting`."""
    if options.features is None:
        return "pairs" if options.kind == "pairs" else None
    with checked(f"--features {','.join(options.features)}"):
        _plug_in(model).marginal(options.features)
    if len(options.features) > _MOST_FEATURES:
        raise UsageError(f"--features: expected one to {_MOST_FEATURES} columns, got {len(options.features)}")
    return options.features[0] if len(options.features) == 1 else tuple(options.features)

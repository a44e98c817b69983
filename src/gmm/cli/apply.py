"""``gmm predict``, ``gmm sample`` and ``gmm info``: what is done with a saved model."""

from __future__ import annotations

import argparse

import numpy as np
import pyarrow as pa

from gmm.cli.describe import MixtureFacts, ended, mixture_json
from gmm.cli.rows import rows_for
from gmm.cli.show import Screen
from gmm.cli.write import check_table, labels_table, table_to, to_json
from gmm.estimators.contract import names_of_features
from gmm.estimators.mixture import GaussianMixture
from gmm.persistence import load_state
from gmm.text.amounts import counted

__all__ = ["info", "predict", "sample"]


def predict(options: argparse.Namespace) -> int:
    """Label the rows of a table by a saved model.

    Parameters
    ----------
    options : argparse.Namespace
        The options of ``gmm predict``.

    Returns
    -------
    int
        0.
    """
    check_table("--out", options.out)
    model = GaussianMixture.load(options.model)
    rows, X = rows_for(model, options, Screen(options.quiet))
    proba = model.predict_proba(X) if options.proba else None
    table_to(options.out, labels_table(rows.numbers, np.asarray(model.predict(X)), proba))
    return 0


def sample(options: argparse.Namespace) -> int:
    """Draw rows from a saved model.

    Parameters
    ----------
    options : argparse.Namespace
        The options of ``gmm sample``.

    Returns
    -------
    int
        0.
    """
    check_table("--out", options.out)
    model = GaussianMixture.load(options.model)
    X, components = model.sample(options.rows, random_state=options.seed)
    columns = dict(zip(names_of_features(model), X.T, strict=True))
    if options.component:
        columns["component"] = components
    table_to(options.out, pa.table({name: pa.array(column) for name, column in columns.items()}))
    return 0


def info(options: argparse.Namespace) -> int:
    """Show what a saved model holds.

    Parameters
    ----------
    options : argparse.Namespace
        The options of ``gmm info``.

    Returns
    -------
    int
        0.
    """
    model = GaussianMixture.load(options.model)
    header, _ = load_state(options.model)
    if options.json:
        versions = {key: header.get(key) for key in ("format_version", "gmm_version")}
        to_json(None, {**versions, **mixture_json(model)})
        return 0
    screen = Screen(options.quiet)
    screen.line(
        f"{counted(model.n_components, 'component')}, {model.covariance_type}, "
        f"{counted(model.n_features_in_, 'column')}, {counted(model.n_parameters_, 'parameter')}: "
        f"{ended(model)}"
    )
    by = f"saved by gmm {header['gmm_version']}, " if "gmm_version" in header else ""
    screen.line(f"{by}format {header['format_version']}")
    screen.line()
    screen.mixture(MixtureFacts.of(model))
    return 0

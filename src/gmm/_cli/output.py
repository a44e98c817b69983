"""Output for scripts: tables, text and JSON, written atomically, and checks of output paths."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from codecs import getincrementaldecoder
from collections.abc import Iterable, Iterator, Mapping, Sequence
from io import RawIOBase
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from gmm import GaussianMixture, MixtureClassifier, Selection, sources
from gmm._cli.arguments import UsageError
from gmm._cli.rows import Rows
from gmm._cli.show import Mixture
from gmm._text.words import printable_lines
from gmm.sources import check_target, prediction_columns, write_to

PICTURES = (".png", ".svg", ".pdf")


def drawing() -> Any:
    """Import `gmm.plotting` for drawing without a display.

    Returns
    -------
    module

    Raises
    ------
    ModuleNotFoundError
        If matplotlib is not installed.
    """
    # matplotlib reads this at import. An interactive backend would fail without a display, or open windows.
    os.environ["MPLBACKEND"] = "agg"
    from gmm import plotting

    return plotting


def save_picture(picture: Any, path: str) -> None:
    """Write a picture atomically, in the format of the path's suffix.

    Parameters
    ----------
    picture : Axes or ndarray of Axes
        Returned by `gmm.plotting`.
    path : str

    Raises
    ------
    OSError
        If the path cannot be written.
    """
    content = drawing().encoded(picture, check_target(path, PICTURES).lstrip("."))
    write_to(path, lambda file: file.write(content))


_DECIMALS = 6  # of probabilities in text; all digits are three times as long
_RARE = re.compile(r"[^ -~\n]")


def check_place(option: str, path: str | None, suffixes: Sequence[str] | None = None) -> None:
    """Check the path that an option gives, if it does, as `check_target` does.

    Raises
    ------
    UsageError
        If it has another suffix.
    OSError
        If no file can be written there.
    """
    try:
        if path is not None:
            check_target(path, suffixes)
    except ValueError as error:
        raise UsageError(f"{option} {error}") from None


def write_table(path: str | os.PathLike[str] | None, blocks: Iterable[Mapping[str, Any]]) -> None:
    """Write blocks of columns in the format of the path's suffix, or as CSV to standard output if the path is None.

    Raises
    ------
    OSError
        If the path cannot be written.
    """
    place: Any = path
    if path is None:
        sys.stdout.flush()
        place = _Terminal() if sys.stdout.isatty() else sys.stdout.buffer
    sources.write_table(place, blocks)


class _Terminal(RawIOBase):
    """Standard output as a binary file, which shows control characters of a table in place of obeying them."""

    def __init__(self) -> None:
        self._decoder = getincrementaldecoder("utf-8")()

    def writable(self) -> bool:
        return True

    def write(self, content: Any) -> int:
        sys.stdout.write(printable_lines(self._decoder.decode(content)))
        return len(content)


def predictions(
    model: Mixture | MixtureClassifier,
    rows: Rows,
    options: argparse.Namespace,
    path: Path | str | None,
) -> Iterator[dict[str, Any]]:
    """Yield blocks of columns for a table at a path: component or class of each row, and what the options request.

    Probabilities in text have six decimals, unless the options request all digits.
    """
    is_short = not options.all_digits and (path is None or check_target(path) in (".csv", ".tsv"))
    if isinstance(model, MixtureClassifier):
        proba = model.predict_proba(rows.source)
        labels, numbers = model.classes_[proba.argmax(axis=1)], rows.numbers(0, rows.n_rows)
        shown = None if not options.proba else proba.round(_DECIMALS) if is_short else proba
        yield prediction_columns(numbers, labels, shown, model.classes_)
        return
    densities = {"log_density": model.score_samples(rows.source)} if options.density else {}
    for first, labels, soft in model.predict_blocks(rows.source, responsibilities=bool(options.proba)):
        stop = first + len(labels)
        shown = soft.round(_DECIMALS) if soft is not None and is_short else soft
        columns = prediction_columns(rows.numbers(first, stop), labels, shown)
        yield columns | {name: values[first:stop] for name, values in densities.items()}


def write_with_others(
    path: Path | str | None, rows: Rows, options: argparse.Namespace, blocks: Iterable[Mapping[str, Any]]
) -> None:
    """Write blocks of columns as `write_table` does, behind columns of the table to keep."""
    write_table(path, align_blocks(rows.table_columns(options.keep), blocks) if options.keep else blocks)


def distinct(others: Iterable[str], columns: Mapping[str, Any]) -> dict[str, Any]:
    """Return columns whose names differ from all others and from each other, where necessary by underscores."""
    names, named = set(others), dict[str, Any]()
    for name, values in columns.items():
        while name in names:
            name += "_"
        names.add(name)
        named[name] = values
    return named


def align_blocks(tables: Iterator[pa.Table], blocks: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield blocks of columns behind the same rows of a table, which come in tables of other lengths.

    Raises
    ------
    ValueError
        If the table ends before the blocks.
    """
    unused = None
    for block in blocks:
        n = len(next(iter(block.values())))
        while unused is None or unused.num_rows < n:
            more = next(tables, None)
            if more is None:
                raise ValueError("the table changed between two readings: it has fewer rows now")
            unused = more if unused is None else pa.concat_tables([unused, more])
        same, unused = unused.slice(0, n), unused.slice(n)
        own = dict(zip(same.column_names, same.columns, strict=True))
        yield {**own, **distinct(own, block)}


def write_json(path: Path | None, document: Mapping[str, Any]) -> None:
    """Write JSON values as UTF-8 to a file, or to standard output if the path is None.

    Raises
    ------
    ValueError
        If a number is NaN or infinite.
    OSError
        If the path cannot be written.
    """
    text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    text = _RARE.sub(lambda letter: letter[0] if letter[0].isprintable() else json.dumps(letter[0])[1:-1], text)
    if path is None and hasattr(sys.stdout, "buffer"):
        sys.stdout.flush()
        sys.stdout.buffer.write(_encoded(text))
    elif path is None:  # a stream of text alone, as a notebook's
        sys.stdout.write(_encoded(text).decode())
    else:
        write_text(path, text)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write a text atomically, as UTF-8.

    Raises
    ------
    OSError
        If the path cannot be written.
    """
    content = _encoded(text)
    write_to(path, lambda file: file.write(content))


def _encoded(text: str) -> bytes:
    """Encode as UTF-8; undecodable bytes of a file name become escapes, which JSON can read."""
    return text.encode("utf-8", "backslashreplace")


def mixture_json(model: Mixture) -> dict[str, Any]:
    """Convert a mixture to JSON values.

    Returns
    -------
    dict
        Sizes, convergence, columns, weights, means, covariances (in the shape of ``covariances_``; None where factors
        and noise are stored, of many columns), standard deviations and, if there are factors, loadings and noise.
    """
    facts, fitted, of_factors = model.summary(), hasattr(model, "history_"), {}
    if isinstance(model, GaussianMixture) and hasattr(model, "loadings_"):
        of_factors = {"loadings": model.loadings_.tolist(), "noise_variances": model.noise_variance_.tolist()}
    return {
        "n_components": int(model.n_components),
        "covariance_type": model.covariance_type,
        "n_parameters": int(model.n_parameters_),
        "converged": bool(model.converged_) if fitted else None,
        "n_iter": int(model.n_iter_) if fitted else None,
        "lower_bound": finite_or_none(model.lower_bound_) if fitted else None,
        "columns": list(facts.feature_names),
        "weights": model.weights_.tolist(),
        "noise_weight": model.noise_weight_,
        "tails": getattr(model, "tails", "normal"),
        **({"degrees_of_freedom": np.asarray(model.degrees_of_freedom_).tolist()} if facts.tails else {}),
        "means": model.means_.tolist(),
        "covariances": None if facts.covariances is None else facts.covariances.tolist(),
        "standard_deviations": facts.standard_deviations.tolist(),
        **of_factors,
    }


def class_json(classifier: MixtureClassifier) -> dict[str, Any]:
    """Convert a classifier to JSON values; how a class was fitted is there only where that was by itself."""
    parts: Any = zip(classifier.classes_.tolist(), classifier.class_prior_.tolist(), classifier.mixtures_, strict=True)
    return {
        "loglik": classifier.log_likelihood_,
        "bic": classifier.bic_,
        "n_iter": classifier.n_iter_,
        "classes": [
            {"class": label, "prior": prior}
            | {name: value for name, value in mixture_json(mixture).items() if value is not None}
            for label, prior, mixture in parts
        ],
    }


def class_lines(classifier: MixtureClassifier) -> list[str]:
    """Return what is printed of a classifier, behind its parameters."""
    return str(classifier).removeprefix(f"{classifier!r}\n").splitlines()


def cells_json(search: Selection) -> list[dict[str, Any]]:
    """Convert the cells of a search to JSON values, in order; numbers of cells without a fit are null."""
    columns, first = search.columns(), ("n_components", "covariance_type", "tails", "n_parameters", "loglik")
    cells = {
        name: list(map(finite_or_none, columns[name].tolist()))
        for name in (*first, *search.criteria, "seconds", "status")
    }
    cells["n_parameters"] = [
        n if mixture else None for n, mixture in zip(cells["n_parameters"], search.estimators, strict=True)
    ]
    cells["best"] = [number == search.best_index for number in range(len(search.status))]
    return [dict(zip(cells, cell, strict=True)) for cell in zip(*cells.values(), strict=True)]


def solutions_json(search: Selection) -> list[dict[str, Any]]:
    """Convert the solutions near the best, itself first, to JSON values."""
    facts = ("n_components", "covariance_type", "tails")
    return [
        {name: getattr(one.mixture, name) for name in facts}
        | {name: finite_or_none(value) for name, value in one._asdict().items() if name != "mixture"}
        for one in search.solutions()
    ]


def finite_or_none(value: Any) -> Any:
    """Return a value, or None for NaN and infinities, which JSON cannot hold."""
    return None if isinstance(value, float) and not np.isfinite(value) else value

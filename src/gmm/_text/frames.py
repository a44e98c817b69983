"""`data_frame`, `frame_of` and `framed_like`: results as data frames; no other module imports pandas or polars."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from numpy.typing import NDArray


def data_frame(columns: Mapping[str, Any]) -> Any:
    """Return columns as a data frame of the library that is already imported, else of pandas, else of polars.

    Raises
    ------
    ImportError
        If neither is installed.
    """
    for name in sorted(("pandas", "polars"), key=lambda name: name not in sys.modules):
        try:
            return import_module(name).DataFrame(dict(columns))
        except ImportError:
            continue
    raise ImportError("to_frame needs pandas or polars: install one of them")


def frame_of(package: str, values: NDArray[Any], names: Any, like: object = None) -> Any:
    """Return a matrix as a data frame of pandas or polars; of pandas, with the index of a data frame `like` it."""
    if package == "polars":
        return import_module("polars").DataFrame(values, schema=names, orient="row")
    pandas = import_module("pandas")
    return pandas.DataFrame(values, columns=names, index=like.index if isinstance(like, pandas.DataFrame) else None)


def framed_like(X: Any, values: NDArray[Any]) -> Any:
    """Return a matrix as a data frame of the columns of X, if X is one of pandas or polars, else as it is."""
    for name in ("pandas", "polars"):
        if name in sys.modules and isinstance(X, sys.modules[name].DataFrame):
            return frame_of(name, values, X.columns, X)
    return values

"""`data_frame`: tables as data frames; the only place that imports pandas or polars for results."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Any

__all__ = ["data_frame"]


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

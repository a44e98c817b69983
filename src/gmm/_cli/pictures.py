"""Import of `gmm.plotting` and writing of its pictures to files."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

from gmm._persistence import suffix_to_write, write_atomically

__all__ = ["SUFFIXES", "drawing", "save"]

SUFFIXES = (".png", ".svg", ".pdf")


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
    return import_module("gmm.plotting")


def save(picture: Any, path: str) -> None:
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
    content = import_module("gmm._plotting.files").encoded(picture, suffix_to_write(path, ".png").lstrip("."))
    write_atomically(path, lambda file: file.write(content))

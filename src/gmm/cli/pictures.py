"""Pictures as files, and what may keep them from being drawn; they are drawn by `gmm.plotting`."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import PurePath
from typing import Any

from gmm.persistence import write_atomically

__all__ = ["SUFFIXES", "drawing", "save"]

SUFFIXES = (".png", ".svg", ".pdf")


def drawing() -> Any:
    """Return `gmm.plotting`, ready to draw without a display.

    Returns
    -------
    module
        The package.

    Raises
    ------
    ModuleNotFoundError
        matplotlib is not installed.
    """
    # Read when matplotlib is imported. A backend of windows would fail, or open one, where pictures go to files.
    os.environ["MPLBACKEND"] = "agg"
    return import_module("gmm.plotting")


def save(drawn: Any, path: str) -> None:
    """Write a picture by the path's suffix, whole or not at all.

    Parameters
    ----------
    drawn : Axes or ndarray of Axes
        What `gmm.plotting` returned.
    path : str
        Where to.

    Raises
    ------
    OSError
        The path cannot be written.
    """
    content = import_module("gmm.plotting.files").encoded(drawn, PurePath(path).suffix.lower().lstrip("."))
    write_atomically(path, lambda file: file.write(content))

"""What the command line asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """The same for every question; `folder` is a temporary place for the rows."""

    folder: Path
    peers: tuple[str, ...]
    threads: tuple[int, ...]
    dtypes: tuple[str, ...]
    repeats: int
    only: str
    smoke: bool

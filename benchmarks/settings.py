"""What the command line asked for."""

from __future__ import annotations

import os
from argparse import Namespace
from dataclasses import dataclass, field
from pathlib import Path


class UsageError(ValueError):
    """The command line asks for what is not there."""


@dataclass(frozen=True)
class Settings:
    """The same for every question; `folder` is a temporary place for the rows.

    `arguments` is the whole command line, for a question that has options of its own.
    """

    folder: Path
    peers: tuple[str, ...]
    threads: tuple[int, ...]
    dtypes: tuple[str, ...]
    repeats: int
    only: str
    smoke: bool
    arguments: Namespace = field(default_factory=Namespace)


def cpus() -> list[int]:
    """Return the CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))

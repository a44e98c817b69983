"""Settings from the command line."""

from __future__ import annotations

import os
from argparse import Namespace
from dataclasses import dataclass, field
from pathlib import Path


class UsageError(ValueError):
    """The command line asks for something that does not exist."""


@dataclass(frozen=True)
class Settings:
    """Settings that all questions share; `folder` is a temporary folder for the rows.

    `arguments` is the whole command line, for questions with their own options.
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

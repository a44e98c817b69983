"""What a question is given: settings of the command line, and a report that prints Markdown row by row."""

from __future__ import annotations

import os
import platform
import sys
from argparse import Namespace
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers import BASELINE, OURS, OWN

VS_BASELINE = "vs sklearn"
DISTRIBUTIONS = ("gmm-em", "numpy", "scipy", "scikit-learn", "daal4py")


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


@dataclass
class Report:
    """Prints rows immediately, and notes before or after a table, never inside it."""

    n_rows: int = 0
    failures: list[str] = field(default_factory=list)
    _pending: list[str] | None = None

    def header(self, *titles: str) -> None:
        """Begin a Markdown table: the first column left-aligned, the others right."""
        self._pending = []
        write("", line(titles), rule(len(titles)))

    def row(self, *cells: str) -> None:
        """Print a row of the table."""
        self.n_rows += 1
        write(line(cells))

    def close(self) -> None:
        """End the table."""
        write("", *map(item, self._pending or ()))
        self._pending = None

    def note(self, text: str) -> None:
        """Print a note, after the current table if there is one."""
        if self._pending is None:
            write(item(text))
        else:
            self._pending.append(text)

    def skipped(self, name: str, reason: str) -> None:
        """Report that a peer is left out, and why."""
        self.note(f"{name} left out: {reason}")

    def failed(self, name: str, reason: str) -> None:
        """Report that an available peer failed."""
        self.failures.append(f"{name} failed in row {self.n_rows + 1}: {reason}")
        self.note(self.failures[-1])


def write(*lines: str) -> None:
    """Print lines, and flush them."""
    print(*lines, sep="\n", flush=True)


def item(text: str) -> str:
    """Return a note as Markdown."""
    return f"- {text}"


def line(cells: Iterable[str]) -> str:
    """Return a row of a Markdown table."""
    return f"| {' | '.join(cells)} |"


def rule(n_columns: int) -> str:
    """Return the line below a Markdown table's titles: the first column left-aligned, the others right."""
    return line([":--"] + ["--:"] * (n_columns - 1))


def number(value: float, digits: int = 3) -> str:
    """Format `digits` significant digits without an exponent; return a dash for nan."""
    if not np.isfinite(value):
        return "–"
    decimals = 0 if value == 0 else digits - 1 - int(np.floor(np.log10(abs(value))))
    return f"{value:.{max(decimals, 0)}f}"


def factor(value: float) -> str:
    """Format a ratio."""
    return f"{number(value)}×" if np.isfinite(value) else "–"


def percent(value: float) -> str:
    """Format a share in percent."""
    return f"{100 * value:.0f} %" if np.isfinite(value) else "–"


def ratios(figures: Mapping[str, float]) -> tuple[float, float]:
    """Return the baseline's figure and the best other figure, each divided by ours."""
    ours = figures.get(OURS, np.nan)
    others = [figure for name, figure in figures.items() if name not in OWN]
    return figures.get(BASELINE, np.nan) / ours, min(others, default=np.nan) / ours


def conditions() -> dict[str, Any]:
    """Return the date, the versions and the processor."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "versions": {name: installed for name in DISTRIBUTIONS if (installed := version(name))},
        "cpu": processor(),
        "cpus": os.cpu_count(),
    }


def described(given: Mapping[str, Any]) -> str:
    """Format the conditions in one line, to be copied with the tables."""
    versions = ", ".join(f"{name} {number}" for name, number in given["versions"].items())
    return f"{given['date'][:10]}; {given['cpu']}, {given['cpus']} CPUs; Python {given['python']}, {versions}"


def version(distribution: str) -> str | None:
    """Return the installed version, or None."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def processor() -> str:
    """Return the processor's model name."""
    if sys.platform == "linux":
        for text in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if text.startswith("model name"):
                return text.partition(":")[2].strip()
    return platform.processor() or platform.machine()

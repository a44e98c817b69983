"""What is said: Markdown rows as they are measured, and JSON with the conditions they hold for."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers import BASELINE, OURS, OWN
from benchmarks.settings import Settings

DISTRIBUTIONS = ("gmm-em", "numpy", "scipy", "scikit-learn", "daal4py", "gmmx", "jax", "pomegranate", "tgmm", "torch")


@dataclass
class Report:
    """Prints rows at once, and remembers everything for the JSON file.

    Notes stand before a table or after it, never inside.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    table: list[tuple[str, ...]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    _pending: list[str] | None = None

    def header(self, *titles: str) -> None:
        """Begin a Markdown table: the first column left-aligned, the others right."""
        self._pending = []
        self.table.append(titles)
        say("", line(titles), rule(len(titles)))

    def row(self, cells: Iterable[str], /, **values: Any) -> None:
        """Print the cells, and keep them and the values."""
        self.table.append(tuple(cells))
        say(line(self.table[-1]))
        self.rows.append(values)

    def close(self) -> None:
        """End the table."""
        say("", *map(item, self._pending or ()))
        self._pending = None

    def note(self, text: str) -> None:
        """Say something beside the tables."""
        self.notes.append(text)
        if self._pending is None:
            say(item(text))
        else:
            self._pending.append(text)

    def skipped(self, name: str, reason: str) -> None:
        """Say that a peer is left out, and why."""
        self.note(f"{name} left out: {reason}")

    def failed(self, name: str, reason: str) -> None:
        """Say that a peer that is there gave no answer."""
        self.failures.append(f"{name} failed in row {len(self.rows) + 1}: {reason}")
        self.note(self.failures[-1])

    def write(self, path: Path, question: str, settings: Settings) -> None:
        """Write everything as JSON."""
        asked = {name: value for name, value in asdict(settings).items() if name not in ("folder", "arguments")}
        content = {
            "question": question,
            "settings": asked,
            "conditions": conditions(),
            "rows": self.rows,
            "table": self.table,
            "notes": self.notes,
        }
        path.write_text(json.dumps(finite(content), indent=2) + "\n")


def finite(content: Any) -> Any:
    """Return the content with null for each NaN, which JSON does not know."""
    if isinstance(content, Mapping):
        return {key: finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [finite(value) for value in content]
    return None if isinstance(content, float) and not np.isfinite(content) else content


def say(*lines: str) -> None:
    """Print lines that a pipe sees at once."""
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
    """Return `digits` significant digits without an exponent; a dash for what isn't known."""
    if not np.isfinite(value):
        return "–"
    decimals = 0 if value == 0 else digits - 1 - int(np.floor(np.log10(abs(value))))
    return f"{value:.{max(decimals, 0)}f}"


def factor(value: float) -> str:
    """Return a ratio as a reader expects it."""
    return f"{number(value)}×" if np.isfinite(value) else "–"


def percent(value: float) -> str:
    """Return a share in percent."""
    return f"{100 * value:.0f} %" if np.isfinite(value) else "–"


def ratios(figures: Mapping[str, float]) -> tuple[float, float]:
    """Return how many times ours is below the baseline's and the best other's figure."""
    ours = figures.get(OURS, np.nan)
    others = [figure for name, figure in figures.items() if name not in OWN]
    return figures.get(BASELINE, np.nan) / ours, min(others, default=np.nan) / ours


def conditions() -> dict[str, Any]:
    """Return the versions, BLAS, processor and date."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in DISTRIBUTIONS},
        "blas": blas(),
        "cpu": processor(),
        "cpus": os.cpu_count(),
        "system": platform.platform(),
    }


def version(distribution: str) -> str | None:
    """Return the installed version, or None."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def blas() -> list[str]:
    """Return NumPy's and SciPy's BLAS, with the kernels in use if threadpoolctl can tell."""
    import scipy.linalg  # noqa: F401  (loads the second BLAS)

    try:
        from threadpoolctl import threadpool_info
    except ImportError:
        config = np.show_config(mode="dicts")
        return [str(config["Build Dependencies"]["blas"]["name"])]
    keys = ("internal_api", "version", "architecture", "threading_layer")
    loaded = (pool for pool in threadpool_info() if pool["user_api"] == "blas")
    return sorted(" ".join(str(pool.get(key, "")) for key in keys) for pool in loaded)


def processor() -> str:
    """Return the processor's model name."""
    if sys.platform == "linux":
        for text in Path("/proc/cpuinfo").read_text().splitlines():
            if text.startswith("model name"):
                return text.partition(":")[2].strip()
    return platform.processor() or platform.machine()

"""The picture and the report that ``gmm fit`` writes beside its result."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from gmm._cli import pictures
from gmm._cli.failures import UsageError
from gmm._cli.result import MixtureOutcome
from gmm._cli.show import Screen
from gmm._cli.write import check_suffix, check_writable, write_text

__all__ = ["Drawings"]

_REPORT = "report.html"


@dataclass(frozen=True, eq=False)
class Drawings:
    """What the options ask for; made before the fit, because what cannot be written is an error before the work.

    Attributes
    ----------
    plot : str or None
        Path of the picture.
    report : Path or None
        Path of the report.
    origin : gmm._cli.report.Origin or None
        What the report says of where the rows come from.
    """

    plot: str | None
    report: Path | None
    origin: Any

    @staticmethod
    def check(options: argparse.Namespace) -> None:
        """Reject paths that cannot be written and options whose packages are not installed."""
        if isinstance(options.report, str) and Path(options.report).suffix.lower() not in (".html", ".htm"):
            raise UsageError(
                f"--report {options.report}: expected a name ending in .html; if it is the table to fit, put it first: "
                "gmm fit FILE --report"
            )
        if options.plot is not None:
            check_suffix("--plot", options.plot, pictures.SUFFIXES)
            check_writable(options.plot)
        if options.plot is not None or options.report is not None:
            pictures.drawing()
        if options.report is not None:
            _report_module()

    @classmethod
    def of(cls, options: argparse.Namespace, out: Path | None) -> Drawings:
        """Choose the path of the report, which is checked, and look at the file; `out` is the results' directory."""
        if options.report is None:
            return cls(options.plot, None, None)
        path = Path(options.report) if isinstance(options.report, str) else (out or Path()) / _REPORT
        check_writable(path)
        return cls(options.plot, path, _report_module().Origin.of(options))

    def write(self, result: MixtureOutcome, screen: Screen) -> None:
        """Write what was asked for, and say so."""
        written = []
        if self.plot is not None:
            pictures.save(result.draw(pictures.drawing().plot_clusters), self.plot)
            written.append(f"picture written to {self.plot}")
            if note := result.note_on_pictures:
                screen.note(f"in the picture, {note[0].lower()}{note[1:].rstrip('.')}")
        if self.report is not None:
            write_text(self.report, _report_module().render_report(result, self.origin))
            written.append(f"report written to {self.report}")
        for line in written:
            (screen.note if result.options.json else screen.line)(line)


def _report_module() -> Any:
    """Import `gmm._cli.report` only for a report, because nothing else needs Jinja2."""
    return import_module("gmm._cli.report")

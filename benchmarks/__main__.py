"""The command line: ``python -m benchmarks [grid|memory|starts|predict]``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

# They may choose slower kernels than the machine has, for whoever happens to use OpenBLAS.
for variable in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
    os.environ.pop(variable, None)

QUESTIONS = ("grid", "memory", "starts", "predict")


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("question", nargs="?", default="grid", choices=QUESTIONS)
    parser.add_argument("--smoke", action="store_true", help="tiny sizes, one round: seconds")
    parser.add_argument("--only", default="", help="a part of the name of a problem or data set")
    parser.add_argument("--peers", type=several(str), help="comma-separated")
    parser.add_argument("--threads", type=several(int), help="comma-separated")
    parser.add_argument("--dtypes", type=several(str), help="comma-separated; for the grid")
    parser.add_argument("--repeats", type=int, help="rounds of which the median is taken")
    parser.add_argument("--json", type=Path, help="file to write the figures to")
    return parser.parse_args(argv)


def several(kind: Callable[[str], Any]) -> Callable[[str], tuple[Any, ...]]:
    """Return a reader of comma-separated values."""
    return lambda text: tuple(map(kind, text.split(",")))


def main() -> int:
    """Ask one question; the exit status is 1 where an answer is wrong or a promise broken."""
    given = parse()
    # NumPy is first imported here, after the settings above.
    from benchmarks.peers import ESTIMATORS
    from benchmarks.report import Report
    from benchmarks.settings import Settings
    from benchmarks.tasks import present

    question, report = import_module(f"benchmarks.{given.question}"), Report()
    with TemporaryDirectory() as folder:
        settings = Settings(
            folder=Path(folder),
            peers=present(given.peers or (ESTIMATORS if given.smoke else question.PEERS), report),
            threads=given.threads or ((1,) if given.smoke else question.THREADS),
            dtypes=given.dtypes or (("float64",) if given.smoke else ("float64", "float32")),
            repeats=given.repeats or (1 if given.smoke else 5),
            only=given.only,
            smoke=given.smoke,
        )
        try:
            right = question.run(settings, report) and not report.failures
        finally:
            report.close()
            if given.json:
                report.write(given.json, given.question, settings)
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())

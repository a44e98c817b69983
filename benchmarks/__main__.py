"""The command line: ``python -m benchmarks [QUESTION] [OPTIONS]``; without a question, the grid."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.measure import rounds, worker_pool
from benchmarks.peers import ESTIMATORS, OURS, PEERS
from benchmarks.report import Report, Settings, UsageError, conditions, cpus, described

# Each question is the name of the module that answers it, with hyphens.
TIMED = (
    "grid",
    "predict",
    "few-rows",
    "special",
    "imports",
    "memory",
    "fits",
    "gaps",
    "optima",
    "search",
    "classes",
    "bayes",
    "beyond-memory",
    "cluster",
    "following",
    "how-many",
    "worth",
    "clusterings",
)
QUESTIONS = (*TIMED, "instructions")


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the command line; the question is optional."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    commands = parser.add_subparsers(dest="question", metavar="QUESTION", required=True)
    for name in QUESTIONS:
        module = question_module(name)
        summary = str(module.__doc__).partition("\n")[0]
        command = commands.add_parser(name, help=summary, description=module.__doc__)
        add_options(command)
        if hasattr(module, "add_arguments"):
            module.add_arguments(command)
    named = bool(argv) and (not argv[0].startswith("-") or argv[0] in ("-h", "--help"))
    given = parser.parse_args(argv if named else ["grid", *argv])
    given.everything = given.smoke and not named
    return given


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that all questions share."""
    parser.add_argument("--smoke", action="store_true", help="tiny sizes, one round; alone, every timed question")
    parser.add_argument("--only", default="", help="run only problems or data sets whose name contains this")
    parser.add_argument("--peers", type=several(str), help="comma-separated")
    parser.add_argument("--threads", type=several(int), help="comma-separated")
    parser.add_argument("--dtypes", type=several(str), help="comma-separated; used by the grid")
    parser.add_argument("--repeats", type=int, help="number of rounds, of which the median is reported")


def several(kind: Callable[[str], Any]) -> Callable[[str], tuple[Any, ...]]:
    """Return a parser of comma-separated values."""
    return lambda text: tuple(map(kind, text.split(",")))


def ask(given: argparse.Namespace, folder: Path) -> bool:
    """Ask one question; return whether its answer is right."""
    module, report = question_module(given.question), Report()
    if unknown := set(given.peers or ()) - set(PEERS):
        raise UsageError(f"expected peers among {', '.join(PEERS)}; got {', '.join(sorted(unknown))}")
    asked = given.threads or ((1,) if given.smoke else module.THREADS)
    for n_threads in asked:
        if n_threads > len(cpus()):
            report.skipped(f"threads: {n_threads}", f"only {len(cpus())} CPU available")
    names = given.peers or usual(module.PEERS, given.smoke)
    available = present(names, report)
    if OURS in names and OURS not in available:
        raise UsageError("gmm is not installed: install it into this environment, as README.md describes")
    settings = Settings(
        folder=folder,
        peers=available,
        threads=tuple(n for n in asked if n <= len(cpus())),
        dtypes=given.dtypes or (("float64",) if given.smoke else ("float64", "float32")),
        repeats=given.repeats or (1 if given.smoke else 5),
        only=given.only,
        smoke=given.smoke,
        arguments=given,
    )
    report.note(described(conditions()))
    try:
        return module.run(settings, report) and not report.failures
    finally:
        report.close()


def question_module(name: str) -> Any:
    """Import the module that answers a question."""
    return import_module(f"benchmarks.{name.replace('-', '_')}")


def usual(peers: Sequence[str], smoke: bool) -> Sequence[str]:
    """Return the peers of a question; in a smoke run, only those with scikit-learn's interface."""
    return [name for name in peers if name in ESTIMATORS] if smoke else peers


def present(names: Sequence[str], report: Report) -> tuple[str, ...]:
    """Return the available peers; note their versions, and why the others are missing."""
    versions, reasons = versions_of(tuple(names))
    for name, reason in reasons.items():
        report.skipped(name, reason)
    for name, version in versions.items():
        report.note(f"{name} {version}")
    return tuple(name for name in names if name in versions)


@cache
def versions_of(names: tuple[str, ...]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the versions of the available peers, and why the others are missing, each from its own process."""
    reasons: dict[str, str] = {}
    jobs = {name: (getattr, PEERS[name], "version") for name in names}
    with worker_pool(1, jobs, reasons.__setitem__) as workers:
        versions = rounds(workers, lambda worker, _: str(worker().value), 1, reasons.__setitem__)
    return {name: version for name, (version,) in versions.items()}, reasons


def main() -> int:
    """Run the command; the exit status is 1 if an answer is wrong."""
    given, argv = parse(sys.argv[1:]), sys.argv[1:]
    with TemporaryDirectory() as folder:
        try:
            right = everything(argv, Path(folder)) if given.everything else ask(given, Path(folder))
        except UsageError as reason:
            print(f"python -m benchmarks: {reason}", file=sys.stderr)
            return 2
        return 0 if right else 1


def everything(argv: Sequence[str], folder: Path) -> bool:
    """Ask every timed question; return whether all answers are right."""
    right = True
    for question in TIMED:
        print(f"\n## {question}\n", flush=True)
        place = folder / question
        place.mkdir()
        right &= ask(parse([question, *argv]), place)
    return right


if __name__ == "__main__":
    sys.exit(main())

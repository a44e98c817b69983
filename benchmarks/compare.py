"""Is one commit faster than another? Build both, and time their iterations in turn.

A commit is anything that git resolves to one; ``.`` is the working tree without untracked files.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.grid import cells
from benchmarks.measure import Reading, Worker, crew, rounds, slope
from benchmarks.problems import REFEREE_ROWS, Problem, generate, mean_log_likelihood, stored
from benchmarks.report import Report, number
from benchmarks.settings import Settings
from benchmarks.tasks import BuiltFit

PEERS: tuple[str, ...] = ()
THREADS = (1, 2)
ROOT = Path(__file__).parents[1]
SIDES = ("base", "head")
INSTALL = ("-m", "pip", "install", "--quiet", "--no-build-isolation", "--no-deps", "--target")


def add_arguments(parser: ArgumentParser) -> None:
    """Add the two commits."""
    tree = "a commit, or . for the working tree; %(default)s by default"
    parser.add_argument("base", metavar="BASE", nargs="?", default="HEAD", help=tree)
    parser.add_argument("head", metavar="HEAD", nargs="?", default=".", help=tree)


def run(settings: Settings, report: Report) -> bool:
    """Print a row for each cell; always return True."""
    libraries = installed() if settings.smoke else built(settings, report)
    report.note("HEAD ÷ BASE: ratio of times, median and range over the rounds")
    report.note("Δ: difference in nats per row after the same iterations")
    titles = ("problem", "dtype", "threads", "BASE ms", "HEAD ms", "HEAD ÷ BASE", "range", "Δ")
    report.header(*titles)
    for problem in cells(settings):
        X, start = generate(problem)
        rows = stored(X, settings.folder)
        for n_threads in settings.threads:
            jobs = {side: (BuiltFit, library, problem, rows, start, n_threads) for side, library in libraries.items()}
            with crew(n_threads, jobs, report.failed) as workers:
                results = rounds(workers, partial(one_round, problem), settings.repeats, report.failed)
            if len(results) == len(SIDES):
                show(problem, n_threads, X, results, report)
    return True


def one_round(problem: Problem, worker: Worker, turn: int) -> tuple[float, Reading]:
    """Return seconds per iteration, and the fit."""
    return slope(worker, turn, problem.n_iter)


def installed() -> dict[str, Path]:
    """Return the installed package for both sides, so that a smoke run does not build."""
    spec = importlib.util.find_spec("gmm")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("the package is not installed")
    return dict.fromkeys(SIDES, Path(spec.origin).parents[1])


def built(settings: Settings, report: Report) -> dict[str, Path]:
    """Build both commits with the current interpreter's dependencies; build equal commits once."""
    builds: dict[str, Path] = {}
    libraries = {}
    for side in SIDES:
        name = getattr(settings.arguments, side)
        commit = resolved(name)
        report.note(f"{side.upper()}: {name}, {commit[:10]}")
        if commit not in builds:
            builds[commit] = build(commit, settings.folder / commit)
        libraries[side] = builds[commit]
    return libraries


def resolved(name: str) -> str:
    """Return the commit's hash; for a modified working tree, that of an unreferenced stash."""
    if name == ".":
        return git("stash", "create").strip() or resolved("HEAD")
    return git("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}").strip()


def git(*arguments: str) -> str:
    """Return what git prints."""
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout


def build(commit: str, folder: Path) -> Path:
    """Build a commit's package; return the folder to import it from."""
    source, library = folder / "source", folder / "library"
    source.mkdir(parents=True)
    archive = folder / "source.tar"
    git("archive", "--output", str(archive), commit)
    subprocess.run(["tar", "-xf", str(archive), "-C", str(source)], check=True)
    subprocess.run([sys.executable, *INSTALL, str(library), str(source)], check=True)
    return library


def show(
    problem: Problem,
    n_threads: int,
    X: np.ndarray,
    results: Mapping[str, list[tuple[float, Reading]]],
    report: Report,
) -> None:
    """Print one row."""
    base, head = ([seconds for seconds, _ in results[side]] for side in SIDES)
    ratios = [theirs / ours for ours, theirs in zip(base, head, strict=True)]
    scores = [
        mean_log_likelihood(X[:REFEREE_ROWS], results[side][-1][1].value, problem.covariance_type) for side in SIDES
    ]
    report.row(
        problem.name,
        problem.dtype,
        str(n_threads),
        number(1e3 * median(base)),
        number(1e3 * median(head)),
        f"{median(ratios):.3f}",
        f"{min(ratios):.3f} … {max(ratios):.3f}",
        f"{scores[1] - scores[0]:.0e}",
    )

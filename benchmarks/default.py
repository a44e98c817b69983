"""How quick is a whole default fit, start, climb and stop together, and where does it end?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from benchmarks.datasets import DATASETS
from benchmarks.goals import DEFAULT_FIT, VS_BASELINE
from benchmarks.peers import ESTIMATORS
from benchmarks.problems import TYPES, Problem, generate
from benchmarks.report import Report
from benchmarks.settings import Settings
from benchmarks.starts import Case, table

PEERS, THREADS = ESTIMATORS, (1,)
SMALL = "iris"
LARGE = (Problem(200_000, 8, 16, "full"), Problem(200_000, 16, 64, "diag"))
SEEDS, LARGE_SEEDS = 20, 3


def run(settings: Settings, report: Report) -> bool:
    """Print a row for each case; return whether no likelihood falls short."""
    return table(cases(settings, report), settings, report)


def cases(settings: Settings, report: Report) -> Iterator[Case]:
    """Yield what has a goal and a name that contains `only`; for a smoke run, less of it."""
    for problem in LARGE:
        if settings.only in problem.name:
            asked = replace(problem.tiny(), n_features=2) if settings.smoke else problem
            X, _ = generate(asked)
            seeds = 1 if settings.smoke else LARGE_SEEDS
            yield Case(asked.name, X, asked.n_components, (asked.covariance_type,), seeds, goals(asked.name))
    for dataset in DATASETS:
        if dataset.name == SMALL and settings.only in SMALL:
            try:
                X = dataset.load()
            except ImportError as reason:
                report.skipped(SMALL, str(reason))
                continue
            yield Case(SMALL, X, dataset.n_components, TYPES, 1 if settings.smoke else SEEDS, goals(SMALL))


def goals(name: str) -> dict[str, float]:
    """Return what was promised for this case."""
    return {VS_BASELINE: DEFAULT_FIT[name]} if name in DEFAULT_FIT else {}

"""How many passes does the accelerated climb save? To the same log-likelihood, from the same start.

Both climbs begin with the parameters of a k-means start and go on until nothing is gained. Where they end in the same
optimum, that is 1e-4 nats per row from each other or less, they are to reach the higher end less 1e-6; else the lower
one. The ridge is next to nothing, 1e-12: with an ordinary one the two maximise what differs by more than is asked.
Rejected trials are passes. Fits are slow where plain EM takes more than 200 passes, and easy else; where it does not
arrive in 5000 they are counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

import numpy as np

from benchmarks.climbs import POLISH, Climb, RecordedFit, takes, textbook
from benchmarks.datasets import DATASETS, HARDER, Dataset
from benchmarks.goals import EASY_WORST, PASSES, SLOW_BEST, SLOW_MEDIAN, verdict, word
from benchmarks.health import health
from benchmarks.measure import Reading, Worker, WorkerError, crew
from benchmarks.optima import loaded
from benchmarks.peers import BASELINE, ESTIMATORS, OURS
from benchmarks.problems import stored
from benchmarks.report import Report, factor, number
from benchmarks.settings import Settings
from benchmarks.synthetic import SYNTHETIC

PEERS, THREADS = ESTIMATORS, (1,)
SEEDS = 4
SLOW = 200  # passes of plain EM
SAME = 1e-4  # nats per row between two ends of one optimum
CLOSE = 1e-6  # nats per row to what is to be reached
PLAIN, ACCELERATED = "plain EM", "accelerated"
RIDGE = {"reg_covar": 1e-12}
LONGEST = POLISH["max_iter"]
TOLERANCES = (1e-3, 1e-6)  # at which scikit-learn stops
ORDINARY = {"iris": ("full",), "wine": ("diag",), "digits, 10 axes": ("full",), "china, pixels": ("full",)}
PROBLEMS = (
    *(replace(dataset, types=ORDINARY[dataset.name]) for dataset in DATASETS if dataset.name in ORDINARY),
    *HARDER,
    *SYNTHETIC,
)


@dataclass(frozen=True)
class Comparison:
    """Passes and seconds of both climbs to the same log-likelihood, `target`, and where they ended."""

    target: float
    passes: dict[str, float]
    seconds: dict[str, float]
    ends: dict[str, float]

    @property
    def ratio(self) -> float:
        """Plain EM's passes ÷ the accelerated ones: nan where these are not there, 0 where they do not arrive."""
        return min(self.passes[PLAIN], LONGEST) / self.passes.get(ACCELERATED, np.nan)

    @property
    def gain(self) -> float:
        """How much higher the accelerated climb ends."""
        return self.ends.get(ACCELERATED, np.nan) - self.ends[PLAIN]


def climbs() -> dict[str, dict[str, Any]]:
    """Return the parameters of our climbs by name."""
    return {PLAIN: textbook()} | ({ACCELERATED: {"acceleration": "auto"}} if takes("acceleration") else {})


def run(settings: Settings, report: Report) -> bool:
    """Print a row for each problem, type and seed; then the ratios and their goals."""
    ours = climbs()
    if ACCELERATED not in ours:
        report.note("accelerated left out: this gmm has no `acceleration`")
    report.note(f"to the optimum less {CLOSE:g} nats per row; scikit-learn: where it stops, and how far short of that")
    theirs = [f"sklearn, tol={tol:g}" for tol in TOLERANCES] if BASELINE in settings.peers else []
    columns = [f"{name} {what}" for what in ("passes", "s") for name in ours]
    columns += [f"{name} {what}" for name in theirs for what in ("passes", "s", "short")]
    report.header("problem", "seed", *columns, "class", "plain ÷ accelerated", "end higher by")
    compared: list[Comparison] = []
    for dataset, X in loaded(PROBLEMS, settings, report):
        rows = stored(X, settings.folder)
        jobs = {peer: (RecordedFit, peer, rows, 1) for peer in {OURS, *settings.peers}}
        with crew(1, jobs, report.failed) as workers:
            for covariance_type in dataset.types[: 1 if settings.smoke else None]:
                for seed in range(1 if settings.smoke else SEEDS):
                    case = Case(dataset, covariance_type, len(X), seed, workers)
                    compared += show(case, ours, settings, report)
    summarise(compared, report)
    return True


@dataclass(frozen=True)
class Case:
    """Rows, type and seed, and who fits them."""

    dataset: Dataset
    covariance_type: str
    n_rows: int
    seed: int
    workers: dict[str, Worker]

    def fit(self, peer: str, parameters: dict[str, Any], climb: Climb | None = None) -> Reading:
        """Fit, from where a climb ended if it is given."""
        asked = {"n_components": self.dataset.n_components, "random_state": self.seed, **RIDGE, **parameters}
        return self.workers[peer](self.covariance_type, asked, climb and climb.mixture)

    def compare(self, ours: dict[str, dict[str, Any]], start: Climb, repeats: int) -> Comparison | str:
        """Climb with each of ours from the start; where that makes no sense return why."""
        found = {name: self.fit(OURS, {**asked, **POLISH}, start).value for name, asked in ours.items()}
        sick = [
            name for name, climb in found.items() if not health(climb.mixture, self.covariance_type, self.n_rows).good
        ]
        if sick:
            return f"{' and '.join(sick)} end in a component on too few rows or too thin"
        ends = {name: max(climb.bounds) for name, climb in found.items()}
        target = (max if max(ends.values()) - min(ends.values()) <= SAME else min)(ends.values()) - CLOSE
        passes = {name: climb.passes_to(target) for name, climb in found.items()}
        seconds = {
            name: median(self.seconds_of({**ours[name], "tol": 0.0, "max_iter": int(count)}, start, repeats))
            for name, count in passes.items()
            if np.isfinite(count)
        }
        return Comparison(target, passes, seconds, ends)

    def seconds_of(self, parameters: dict[str, Any], start: Climb, repeats: int) -> Iterator[float]:
        """Yield the seconds of the same fit, again and again."""
        for _ in range(repeats):
            yield self.fit(OURS, parameters, start).seconds


def show(case: Case, ours: dict[str, dict[str, Any]], settings: Settings, report: Report) -> Iterator[Comparison]:
    """Print and keep one row; yield the comparison if there is one."""
    title = case.dataset.title(case.covariance_type)
    try:
        start = case.fit(OURS, {**textbook(), "max_iter": 0}).value
        found = case.compare(ours, start, settings.repeats)
    except WorkerError as reason:
        found = str(reason)
    if isinstance(found, str):
        report.note(f"{title}, seed {case.seed} left out: {found}")
        return
    cells = [count(found.passes[name]) for name in ours] + [number(found.seconds.get(name, np.nan)) for name in ours]
    theirs = {}
    for tol in TOLERANCES if BASELINE in case.workers else ():
        theirs[tol] = stopped(case, tol, start, found.target, settings.repeats)
        cells += [number(theirs[tol][0], 1), number(theirs[tol][1]), f"{theirs[tol][2]:.0e}"]
    kind = "slow" if found.passes[PLAIN] > SLOW else "easy"
    gain = f"{found.gain:+.0e}" if abs(found.gain) > CLOSE else "–"
    report.row(
        (title, str(case.seed), *cells, kind, factor(found.ratio), gain),
        problem=title,
        seed=case.seed,
        passes=found.passes,
        seconds=found.seconds,
        sklearn={str(tol): values for tol, values in theirs.items()},
        ratio=found.ratio,
        gain=found.gain,
    )
    yield found


def count(passes: float) -> str:
    """Return a number of passes."""
    return f"{passes:.0f}" if np.isfinite(passes) else f"> {LONGEST}"


def stopped(case: Case, tol: float, start: Climb, target: float, repeats: int) -> tuple[float, float, float]:
    """Return scikit-learn's passes, seconds, and how far below the optimum it stops; nan where it fails."""
    asked = {"tol": tol, "max_iter": POLISH["max_iter"]}
    try:
        readings = [case.fit(BASELINE, asked, start) for _ in range(repeats)]
    except WorkerError:
        return np.nan, np.nan, np.nan
    climb = readings[0].value
    return climb.n_passes, median(reading.seconds for reading in readings), max(target + CLOSE - climb.score, 0.0)


def summarise(compared: list[Comparison], report: Report) -> None:
    """Say the ratios by class, and what they were to be."""
    for kind, slow in (("slow", True), ("easy", False)):
        chosen = [found for found in compared if (found.passes[PLAIN] > SLOW) == slow]
        report.note(f"{kind} fits: {len(chosen)} of {len(compared)}; {', '.join(ratios(chosen)) or 'nothing compared'}")
    figures = summary(compared)
    for name, goal in PASSES.items():
        judged = verdict({name: goal}, figures)
        report.note(f"{name}: {factor(figures.get(name, np.nan))}; goal {word(name, goal)}: {judged}")
    gains = np.array([found.gain for found in compared])
    counts = [int((gains > SAME).sum()), int((abs(gains) <= SAME).sum()), int((gains < -SAME).sum())]
    report.note(
        f"accelerated ends higher, equal, lower (by {SAME:g} nats per row): {counts[0]}, {counts[1]}, {counts[2]}"
    )


def ratios(compared: list[Comparison]) -> Iterator[str]:
    """Yield the lowest, median and highest ratio in words."""
    known = [found.ratio for found in compared if not np.isnan(found.ratio)]
    if known:
        yield f"plain ÷ accelerated passes {factor(min(known))} … median {factor(median(known))} … {factor(max(known))}"


def summary(compared: list[Comparison]) -> dict[str, float]:
    """Return the figures that have goals: of slow fits plain ÷ accelerated, of easy ones accelerated ÷ plain."""
    known = [found for found in compared if not np.isnan(found.ratio)]
    slow = [found.ratio for found in known if found.passes[PLAIN] > SLOW]
    easy = [found.ratio for found in known if found.passes[PLAIN] <= SLOW]
    figures = {SLOW_MEDIAN: median(slow), SLOW_BEST: max(slow)} if slow else {}
    return figures | ({EASY_WORST: 1 / min(easy) if min(easy) else np.inf} if easy else {})

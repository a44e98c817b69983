"""How many passes does the accelerated climb save? To the same log-likelihood, from the same start.

Both climbs begin with the parameters of a k-means start and go on until nothing is gained. Where they end in the same
optimum, that is 1e-4 nats per row from each other or less, they are to reach the higher end less 1e-6; else the lower
one. The ridge is next to nothing, 1e-12: with an ordinary one the two maximise what differs by more than is asked.
Rejected trials are passes. Fits are slow where plain EM takes more than 200 passes, and easy else; where it does not
arrive in 5000 they are counted.
"""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.climbs import POLISH, RecordedFit, SolverResult, takes, textbook
from benchmarks.datasets import DATASETS, HARDER, Dataset
from benchmarks.goals import EASY_WORST, PASSES, SLOW_BEST, SLOW_MEDIAN, verdict, word
from benchmarks.health import health
from benchmarks.measure import Reading, Worker, WorkerError, crew
from benchmarks.optima import loaded
from benchmarks.peers import BASELINE, ESTIMATORS, OURS
from benchmarks.problems import stored
from benchmarks.publish import LOOKS
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
# One panel each, of the first seed from which both climbs end in one optimum.
DRAWN = {"iris, K=3, full": "easy", "four blobs, K=8, full": "too many components", "overlap2, K=5, full": "overlap"}
LEAST_DRAWN = 1e-8  # nats per row

Bounds = Mapping[str, tuple[float, ...]]  # by climb


@dataclass(frozen=True)
class Comparison:
    """Passes and seconds of both climbs to the same log-likelihood, `target`; their ends, and what passes told."""

    target: float
    passes: dict[str, float]
    seconds: dict[str, float]
    ends: dict[str, float]
    bounds: Bounds = field(default_factory=dict)

    @property
    def ratio(self) -> float:
        """Plain EM's passes ÷ the accelerated ones: nan where these are not there, 0 where they do not arrive."""
        return min(self.passes[PLAIN], LONGEST) / self.passes.get(ACCELERATED, np.nan)

    @property
    def gain(self) -> float:
        """How much higher the accelerated climb ends."""
        return self.ends.get(ACCELERATED, np.nan) - self.ends[PLAIN]


def add_arguments(parser: ArgumentParser) -> None:
    """Add what is only for this question."""
    parser.add_argument("--plot", type=Path, help="PNG to draw three of the climbs to")


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
    drawn: dict[str, Bounds] = {}
    for dataset, X in loaded(PROBLEMS, settings, report):
        rows = stored(X, settings.folder)
        jobs = {peer: (RecordedFit, peer, rows, 1) for peer in {OURS, *settings.peers}}
        with crew(1, jobs, report.failed) as workers:
            for covariance_type in dataset.types[: 1 if settings.smoke else None]:
                for seed in range(1 if settings.smoke else SEEDS):
                    case = Case(dataset, covariance_type, len(X), seed, workers)
                    for found in show(case, ours, settings, report):
                        compared.append(found)
                        if abs(found.gain) <= SAME:
                            drawn.setdefault(case.title, found.bounds)
    summarise(compared, report)
    plot(drawn, settings, report)
    return True


def plot(climbed: Mapping[str, Bounds], settings: Settings, report: Report) -> None:
    """Draw what is to be drawn, and was climbed both ways, if a file is given for it."""
    path = getattr(settings.arguments, "plot", None)
    chosen = {title: climbed[title] for title in DRAWN if len(climbed.get(title, {})) > 1}
    if path and chosen:
        try:
            draw(chosen, path)
        except ImportError as reason:
            report.skipped("the plot", str(reason))


@dataclass(frozen=True)
class Case:
    """Rows, type and seed, and who fits them."""

    dataset: Dataset
    covariance_type: str
    n_rows: int
    seed: int
    workers: dict[str, Worker]

    @property
    def title(self) -> str:
        """What names the problem: rows, K, type."""
        return self.dataset.title(self.covariance_type)

    def fit(self, peer: str, parameters: dict[str, Any], climb: SolverResult | None = None) -> Reading:
        """Fit, from where a climb ended if it is given."""
        asked = {"n_components": self.dataset.n_components, "random_state": self.seed, **RIDGE, **parameters}
        return self.workers[peer](self.covariance_type, asked, climb and climb.mixture)

    def compare(self, ours: dict[str, dict[str, Any]], start: SolverResult, repeats: int) -> Comparison | str:
        """SolverResult with each of ours from the start; where that makes no sense return why."""
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
        return Comparison(target, passes, seconds, ends, {name: climb.bounds for name, climb in found.items()})

    def seconds_of(self, parameters: dict[str, Any], start: SolverResult, repeats: int) -> Iterator[float]:
        """Yield the seconds of the same fit, again and again."""
        for _ in range(repeats):
            yield self.fit(OURS, parameters, start).seconds


def show(case: Case, ours: dict[str, dict[str, Any]], settings: Settings, report: Report) -> Iterator[Comparison]:
    """Print and keep one row; yield the comparison if there is one."""
    try:
        start = case.fit(OURS, {**textbook(), "max_iter": 0}).value
        found = case.compare(ours, start, settings.repeats)
    except WorkerError as reason:
        found = str(reason)
    if isinstance(found, str):
        report.note(f"{case.title}, seed {case.seed} left out: {found}")
        return
    cells = [count(found.passes[name]) for name in ours] + [number(found.seconds.get(name, np.nan)) for name in ours]
    theirs = {}
    for tol in TOLERANCES if BASELINE in case.workers else ():
        theirs[tol] = stopped(case, tol, start, found.target, settings.repeats)
        cells += [number(theirs[tol][0], 1), number(theirs[tol][1]), f"{theirs[tol][2]:.0e}"]
    kind = "slow" if found.passes[PLAIN] > SLOW else "easy"
    gain = f"{found.gain:+.0e}" if abs(found.gain) > CLOSE else "–"
    report.row(
        (case.title, str(case.seed), *cells, kind, factor(found.ratio), gain),
        problem=case.title,
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


def stopped(case: Case, tol: float, start: SolverResult, target: float, repeats: int) -> tuple[float, float, float]:
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


def draw(climbed: Mapping[str, Bounds], path: Path) -> None:
    """Draw what is still to be gained over passes, a panel per problem; passes whose step was taken back as crosses."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot, ticker

    size = {"figsize": (1 + 3.2 * len(climbed), 3.6), "layout": "constrained"}
    figure, grid = pyplot.subplots(1, len(climbed), sharex=True, sharey=True, squeeze=False, **size)
    for axes, (title, bounds) in zip(grid[0], climbed.items(), strict=True):
        draw_panel(axes, bounds)
        axes.set_title(f"{DRAWN[title]}: {title}", fontsize=10)
        axes.set(xscale="log", yscale="log", xlabel="passes over the rows", ylim=(LEAST_DRAWN, None))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter(ticker.NullFormatter())
        axes.grid(which="major", color="#dddddd", linewidth=0.8)
        axes.set_axisbelow(True)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    grid[0, 0].set_ylabel("log-likelihood still to be gained,\nnats per row")
    marks, names = grid[0, 0].get_legend_handles_labels()
    figure.legend(marks, names, loc="outside upper center", ncols=len(names), frameon=False)
    figure.savefig(path, dpi=150)
    pyplot.close(figure)


def draw_panel(axes: Any, bounds: Bounds) -> None:
    """Draw both climbs of one problem, from the same start to where both end, or the higher one."""
    top = max(max(of_climb) for of_climb in bounds.values())
    for name, peer, width in ((PLAIN, BASELINE, 2.5), (ACCELERATED, OURS, 1.5)):
        colour, _ = LOOKS[peer]
        left = remaining(bounds[name], top)
        axes.plot(range(1, len(left) + 1), left, color=colour, linewidth=width, label=name)
    back = np.flatnonzero(np.diff(left) == 0) + 1
    axes.plot(back + 1, left[back], "x", color=colour, markersize=5, label="a step taken back")


def remaining(bounds: tuple[float, ...], top: float) -> np.ndarray:
    """Return what each pass was below `top`, as far as it is worth drawing."""
    left = top - np.array(bounds)
    return left[: int(np.argmax(left < LEAST_DRAWN)) + 1] if (left < LEAST_DRAWN).any() else left

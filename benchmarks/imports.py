"""How long does ``import gmm`` take, compared with numpy and scipy.linalg, which it imports, and scikit-learn?

Each is a process of its own, in turn, of files that were read before and of compiled modules; the figure is the median.
"""

from __future__ import annotations

import os
import subprocess
import sys
from statistics import median
from time import perf_counter

from benchmarks.peers import BASELINE, ESTIMATORS
from benchmarks.report import Report, Settings, number

PEERS, THREADS = ESTIMATORS, (1,)
BASIS = "import numpy, scipy.linalg"
FIT = "import gmm; gmm.GaussianMixture(2, random_state=0).fit([[0.0], [1.0], [5.0], [6.5]])"
CODES = {BASIS: BASIS, "import gmm": "import gmm", "import gmm, and a first fit": FIT}
OF_BASELINE = "import sklearn.mixture"
ROUNDS = 41


def run(settings: Settings, report: Report) -> bool:
    """Print milliseconds of each, less an empty process, and their ratios to the basis."""
    n_rounds = 2 if settings.smoke else settings.arguments.repeats or ROUNDS
    codes = {"": "pass", **CODES, **({OF_BASELINE: OF_BASELINE} if BASELINE in settings.peers else {})}
    rounds = [{name: elapsed(code) for name, code in codes.items()} for _ in range(n_rounds + 1)][1:]
    times = {name: median(each[name] - each[""] for each in rounds) for name in codes if name}
    report.note(f"milliseconds by the clock, less those of an empty process; medians of {n_rounds} rounds")
    report.header("code", "ms", "× numpy and scipy.linalg")
    for name, seconds in times.items():
        report.row(f"`{name}`", number(1e3 * seconds), f"{seconds / times[BASIS]:.2f}")
    return True


def elapsed(code: str) -> float:
    """Return the seconds that a process takes for a line of Python."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    began = perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
    return perf_counter() - began

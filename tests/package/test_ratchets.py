"""What small tasks go through: numbers that may be lowered, never raised.

They do not depend on time, and calls only by a few passes on the processor.
"""

import json
import sys

import numpy as np

from gmm import GaussianMixture, select
from tables import PACKAGE, cases, python

PLACE = str(PACKAGE)
ROWS = np.concatenate([np.random.default_rng(0).normal(mean, 1, (150, 2)) for mean in (0, 4)])
FIT = GaussianMixture(3, random_state=0).fit(ROWS)
GAPS = np.where(np.random.default_rng(1).random(ROWS.shape) < 0.1, np.nan, ROWS)
LABELS = np.where(np.arange(300) % 5 == 0, np.arange(300) // 150, -1)
ERRORS = np.array([[0.1, 0.2], [0.4, 0.1], [0.3, 0.3]])[np.arange(300) % 3]


def fit_of(rows, labels=None, error_covariance=None, **how):
    """Fit three components."""
    return GaussianMixture(3, random_state=0, **how).fit(rows, labels=labels, error_covariance=error_covariance)


USES = {  # at most so many calls of the package's Python, in so many of its modules
    "fit": (lambda: GaussianMixture(3, random_state=0).fit(ROWS), 109, 24),
    "fit beside noise": (lambda: fit_of(ROWS, noise=True), 178, 30),
    "fit of heavy tails": (lambda: fit_of(ROWS, tails="t"), 134, 30),
    "fit of rows with labels": (lambda: fit_of(ROWS, LABELS), 227, 30),
    "fit of rows with gaps": (lambda: fit_of(GAPS, missing="em"), 397, 31),
    "fit of rows with errors": (lambda: fit_of(ROWS, None, ERRORS), 472, 32),
    "fit of one component": (lambda: GaussianMixture(1, random_state=0).fit(ROWS), 80, 24),
    "predict": (lambda: FIT.predict(ROWS), 25, 7),
    "select": (lambda: select(ROWS, [1, 2, 3], random_state=0, n_threads=1), 13_526, 41),
}
AT_IMPORT = """
import dataclasses, json, sys
made = []
process = dataclasses._process_class
dataclasses._process_class = lambda cls, *more, **named: made.append(cls.__module__) or process(cls, *more, **named)
import gmm
json.dump([len([name for name in names if name.startswith("gmm")]) for names in (made, sys.modules)], sys.stdout)
"""


@cases(USES)
def test_a_small_task_makes_few_calls(task, most_calls, most_modules):
    task()  # what is made once
    seen = []

    def watch(frame, event, _):
        if event == "call" and frame.f_code.co_filename.startswith(PLACE):
            seen.append(frame.f_code.co_filename)

    before = sys.getprofile()
    sys.setprofile(watch)
    try:
        task()
    finally:
        sys.setprofile(before)
    assert len(seen) <= most_calls
    assert len(set(seen)) <= most_modules


def test_an_import_makes_few_modules_and_classes():
    dataclasses, modules = json.loads(python("-c", AT_IMPORT))
    assert dataclasses <= 7
    assert modules <= 49

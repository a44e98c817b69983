"""What small tasks go through: numbers that may be lowered, never raised.

They do not depend on time, and calls only by a few passes on the processor.
"""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import gmm
from gmm import GaussianMixture, select

PLACE = str(Path(gmm.__file__).parent)
ROWS = np.concatenate([np.random.default_rng(0).normal(mean, 1, (150, 2)) for mean in (0, 4)])
FIT = GaussianMixture(3, random_state=0).fit(ROWS)
USES = {  # at most so many calls of the package's Python, in so many of its modules
    "fit": (lambda: GaussianMixture(3, random_state=0).fit(ROWS), 114, 26),
    "fit of one component": (lambda: GaussianMixture(1, random_state=0).fit(ROWS), 83, 25),
    "predict": (lambda: FIT.predict(ROWS), 25, 7),
    "select": (lambda: select(ROWS, [1, 2, 3], random_state=0, n_threads=1), 13_780, 39),
}
AT_IMPORT = """
import dataclasses, json, sys
made = []
process = dataclasses._process_class
dataclasses._process_class = lambda cls, *more, **named: made.append(cls.__module__) or process(cls, *more, **named)
import gmm
json.dump([len([name for name in names if name.startswith("gmm")]) for names in (made, sys.modules)], sys.stdout)
"""


@pytest.mark.parametrize("use", USES)
def test_a_small_task_makes_few_calls(use):
    task, most_calls, most_modules = USES[use]
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
    told = subprocess.run([sys.executable, "-c", AT_IMPORT], capture_output=True, text=True, check=True).stdout
    dataclasses, modules = json.loads(told)
    assert dataclasses <= 7
    assert modules <= 49

"""The figures of mclust's vignette, computed by the mclust that is installed."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np

SCRIPT = Path(__file__).with_suffix(".R")


def computed(n_replicates: int) -> dict[str, np.ndarray]:
    """Return mclust's numbers by the name of their figure; bootstraps make so many replicates.

    Raises
    ------
    OSError, RuntimeError
        If R or mclust is not there.
    """
    command = ["Rscript", "--vanilla", str(SCRIPT), str(n_replicates)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode:
        raise RuntimeError(next(iter(answer.stderr.splitlines()), "R ended"))
    pairs = (line.split(" = ") for line in answer.stdout.splitlines())
    return {name: np.array(numbers.replace("NA", "nan").split(), float) for name, numbers in pairs}

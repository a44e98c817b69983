"""`GMM_KERNEL` chooses the instruction set of a process: that one runs, and another one is told."""

import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest

from gmm import GaussianMixture
from inside import tiles
from tables import blobs

SCRIPT = "from test_instruction_sets import told; print(told())"
EACH = "from test_instruction_sets import *; [print(tiles.use_kernel(name) or told()) for name in tiles.kernels()]"


def told():
    """The kernel in use, the fitted means and the bits of all that a fit and a prediction give."""
    X = blobs(300, 3, 2)
    mixture = GaussianMixture(2, tol=1e-9, max_iter=500, random_state=0).fit(X)
    bits = b"".join(array.tobytes() for array in (mixture.means_, mixture.covariances_, mixture.predict_proba(X)))
    numbers = " ".join(map(repr, np.sort(mixture.means_, axis=0).ravel().tolist()))
    return f"{tiles.kernel()}\n{numbers}\n{hashlib.sha256(bits).hexdigest()}"


def run(script, **environment):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment}
    return subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)


def test_the_named_kernel_or_else_the_best_runs_and_each_gives_the_numbers_of_the_twin():
    *answers, unnamed = (run(SCRIPT, GMM_KERNEL=name).stdout for name in [*tiles.kernels(), ""])
    assert unnamed == answers[-1]
    assert "".join(answers) == run(EACH).stdout  # the bits of `use_kernel`, whatever a machine takes by itself
    used, numbers, bits = zip(*(answer.split("\n")[:3] for answer in answers), strict=True)
    assert list(used) == tiles.kernels()
    for own in numbers:
        np.testing.assert_allclose(np.array(own.split(), float), np.array(numbers[0].split(), float), rtol=1e-6)
    assert len(set(bits)) == len(bits), "each rounds in its own way"


@pytest.mark.parametrize("name", ["sse5", "avx2 "])
def test_another_name_is_refused_where_the_package_is_imported(name):
    refused = run("import gmm", GMM_KERNEL=name)
    assert refused.returncode == 1
    last = refused.stderr.strip().splitlines()[-1]
    for word in ("ValueError", "GMM_KERNEL", "this machine", repr(name), *map(repr, tiles.kernels())):
        assert word in last
    with pytest.raises(ValueError, match="GMM_KERNEL"):
        tiles.use_kernel(name)

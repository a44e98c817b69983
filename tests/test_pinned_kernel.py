"""`GMM_KERNEL` chooses the instruction set of a process: that one runs, and another one is told."""

import hashlib
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest

from gmm import GaussianMixture
from inside import DIAGONAL, SPHERICAL, _em, mstep, tiles
from tables import blobs

SCRIPT = "from tests.test_pinned_kernel import told; print(told())"
EACH = "from tests.test_pinned_kernel import *; [print(tiles.use_kernel(name) or told()) for name in tiles.kernels()]"


def told():
    """The kernel in use, the fitted means and the bits of all that a fit and a prediction give."""
    X = blobs(300, 3, 2)
    mixture = GaussianMixture(2, tol=1e-9, max_iter=500, random_state=0).fit(X)
    bits = b"".join(array.tobytes() for array in (mixture.means_, mixture.covariances_, mixture.predict_proba(X)))
    numbers = " ".join(map(repr, np.sort(mixture.means_, axis=0).ravel().tolist()))
    return f"{tiles.kernel()}\n{numbers}\n{hashlib.sha256(bits).hexdigest()}"


def run(script, **environment):
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    path = os.pathsep.join([root, *sys.path])
    environment = {**os.environ, "PYTHONPATH": path, **environment}
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


ROWS = np.random.default_rng(4).normal(size=(500, 3))


def seeds():
    """Of rows that are all there many times: once each is a seed, rounding alone says which the next ones are."""
    rng = np.random.default_rng(3)
    rows = np.repeat(rng.normal(size=(8, 3)), 40, axis=0)
    return _em.kmeans_seeds(rows, np.ones(len(rows)), rng.uniform(size=1 + 49 * 4), 50)


def candidate():
    table = _em.CandidateRows(ROWS, None, np.zeros(3), np.abs(ROWS).max(axis=0))
    one, scratch = _em.Candidate(mstep.MixtureFamily(DIAGONAL.code, 0, 4, 3, 0.0), DIAGONAL), _em.Scratch()
    view = _em.CandidateView(table, SPHERICAL.code, np.ones(1), np.zeros(3))
    one.begin(scratch, table, _em.Clusters(view, ROWS[:4], 1, scratch))
    one.run(scratch, table, 1)
    return one.statistics.second


def fitted():
    return GaussianMixture(4, means_init=ROWS[:4], acceleration=None, tol=1e9).fit(ROWS)


# Sums over rows tell any two instruction sets apart; rows only whether products are rounded before they are added to.
@pytest.mark.parametrize(
    ("use", "sums"),
    [
        (lambda model: seeds(), False),
        (lambda model: candidate(), True),
        (lambda model: fitted().covariances_, True),
        (lambda model: pickle.loads(pickle.dumps(model)).score_samples(ROWS), False),
        (lambda model: model.freeze().score_samples(ROWS), False),
    ],
    ids=["seeds", "candidate", "fit", "scores", "frozen"],
)
def test_a_kernel_is_used_wherever_its_arithmetic_is(use, sums):
    model, levels, bits = fitted(), tiles.kernels()[1:], set()
    for name in levels:
        tiles.use_kernel(name)
        bits.add(use(model).tobytes())
    assert len(bits) == (len(levels) if sums else min(len(levels), 2))

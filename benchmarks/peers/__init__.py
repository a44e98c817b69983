"""Who is compared: one adapter a file, behind one small protocol.

An adapter module defines ``PEER``. Whatever it raises while it is imported or asked for its
version is the reason why the peer is skipped. To add a peer: a file here and a line in `PEERS`.
"""

from __future__ import annotations

from importlib import import_module
from typing import Protocol

import numpy as np

from benchmarks.measure import Timed
from benchmarks.problems import Mixture, Problem

BASELINE = "sklearn"
OURS, TWIN = "gmm", "gmm (blas)"  # the machine's best kernel, and the one of Cython and BLAS alone
OWN = (OURS, TWIN)
PEERS = {
    BASELINE: "sklearn_peer",
    "daal4py": "daal4py_peer",
    OURS: "gmm_peer",
    TWIN: "gmm_blas_peer",
}
ESTIMATORS = (BASELINE, OURS)  # those with scikit-learn's interface


class Peer(Protocol):
    """Something that fits mixtures by EM."""

    def version(self) -> str:
        """Return the version, or raise an error that says why the peer is absent."""

    def supports(self, problem: Problem) -> bool:
        """Tell whether the peer has this covariance type, dtype and, in sane time, size."""

    def fit(self, problem: Problem, X: np.ndarray, start: Mixture, n_iter: int, n_threads: int) -> Mixture | Timed:
        """Do exactly `n_iter` EM iterations from `start`, without any ridge; may time itself."""


def load(name: str) -> Peer:
    """Import the adapter of that name."""
    if name not in PEERS:
        raise ValueError(f"expected a peer out of {', '.join(PEERS)}; got {name!r}")
    peer: Peer = import_module(f"benchmarks.peers.{PEERS[name]}").PEER
    return peer

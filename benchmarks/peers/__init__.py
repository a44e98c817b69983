"""The packages that are compared: one adapter per file, behind a small protocol.

An adapter module defines ``PEER``. If importing it or reading its version raises an error, the peer is skipped for that
reason. To add a peer, add a file here and a line in `PEERS`.
"""

from __future__ import annotations

from importlib import import_module
from typing import Protocol

import numpy as np

from benchmarks.measure import Timed
from benchmarks.problems import Mixture, Problem

BASELINE = "sklearn"
OURS, TWIN = "gmm", "gmm (blas)"  # the best kernel for the machine, and the kernel of Cython and BLAS alone
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
        """Return the version, or raise an error that says why the peer is missing."""

    def supports(self, problem: Problem) -> bool:
        """Return whether the peer can fit this covariance type, dtype and, in reasonable time, size."""

    def fit(self, problem: Problem, X: np.ndarray, start: Mixture, n_iter: int, n_threads: int) -> Mixture | Timed:
        """Run exactly `n_iter` EM iterations from `start`, without a ridge; may time itself."""


def load(name: str) -> Peer:
    """Import the adapter of that name."""
    if name not in PEERS:
        raise ValueError(f"expected a peer among {', '.join(PEERS)}; got {name!r}")
    peer: Peer = import_module(f"benchmarks.peers.{PEERS[name]}").PEER
    return peer

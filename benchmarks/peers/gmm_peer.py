"""This package, on the kernel that it chooses for the machine or on one that it is told."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib import import_module
from inspect import signature
from typing import Any

from benchmarks.peers.estimator import EstimatorPeer
from benchmarks.problems import Mixture, Problem


@dataclass(frozen=True)
class GmmPeer(EstimatorPeer):
    """Our `GaussianMixture`; `kernel` is chosen when the package is first imported, so by the process."""

    module: str = "gmm"
    takes_threads: bool = True
    kernel: str = ""

    def version(self) -> str:
        """Return the version and the kernel in use."""
        if self.kernel:
            os.environ["GMM_KERNEL"] = self.kernel
        version = super().version()
        kernel = getattr(import_module("gmm._em"), "kernel", str)()  # older commits have but one
        if self.kernel not in ("", kernel):
            raise RuntimeError(f"expected kernel {self.kernel}, got {kernel or 'one without a name'}")
        return f"{version}, kernel {kernel}" if kernel else version

    def given(self, problem: Problem, start: Mixture, n_iter: int, n_threads: int) -> Any:
        """Return an estimator of textbook iterations."""
        estimator = super().given(problem, start, n_iter, n_threads)
        if "acceleration" in signature(type(estimator)).parameters:
            estimator.set_params(acceleration=None)
        return estimator


PEER = GmmPeer()

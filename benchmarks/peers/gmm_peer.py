"""This package, with the kernel that it chooses for the machine or with a given one."""

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
    """Our `GaussianMixture`. The kernel is chosen at the first import of the package, so once per process."""

    module: str = "gmm"
    takes_threads: bool = True
    kernel: str = ""

    def version(self) -> str:
        """Return the version and the kernel in use."""
        if self.kernel:
            os.environ["GMM_KERNEL"] = self.kernel
        version = super().version()
        kernel = import_module("gmm._kernel.tiles").kernel()
        if self.kernel not in ("", kernel):
            raise RuntimeError(f"expected kernel {self.kernel}, got {kernel or 'an unnamed one'}")
        return f"{version}, kernel {kernel}" if kernel else version

    def given(self, problem: Problem, start: Mixture, n_iter: int, n_threads: int) -> Any:
        """Return an estimator that runs textbook EM."""
        estimator = super().given(problem, start, n_iter, n_threads)
        if "acceleration" in signature(type(estimator)).parameters:
            estimator.set_params(acceleration=None)
        return estimator


PEER = GmmPeer()

"""Armadillo's gmm_full and gmm_diag (C++), compiled on the spot where its headers are."""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np

from benchmarks.compiled import library
from benchmarks.problems import Mixture, Problem

SOURCE = Path(__file__).with_name("armadillo.cpp")
FLAGS = ("-fopenmp", "-DARMA_NO_DEBUG", "-DARMA_USE_OPENMP", "-DARMA_DONT_USE_WRAPPER", "-lopenblas")
LARGEST_D = 32  # full covariances are summed row by row: beyond, an iteration takes seconds


class ArmadilloPeer:
    """``learn`` with ``keep_existing`` and no k-means; threads come from OpenMP's settings."""

    def version(self) -> str:
        """Return the version of the headers."""
        version = library(SOURCE, *FLAGS).version
        version.restype = ctypes.c_char_p
        return str(version().decode())

    def supports(self, problem: Problem) -> bool:
        """Take float64, full up to `LARGEST_D` features, and diagonal covariances."""
        sane = problem.covariance_type == "diag" or (
            problem.covariance_type == "full" and problem.n_features <= LARGEST_D
        )
        return sane and problem.dtype == "float64"

    def fit(self, problem: Problem, X: np.ndarray, start: Mixture, n_iter: int, n_threads: int) -> Mixture:
        """Fit in place on copies of the start."""
        learn = getattr(library(SOURCE, *FLAGS), f"learn_{problem.covariance_type}")
        mixture = Mixture(start.weights.copy(), start.means.copy(), start.covariances.copy())
        arrays = (mixture.weights, mixture.means, mixture.covariances)
        sizes = (ctypes.c_size_t(size) for size in (*X.shape, problem.n_components))
        pointers = (array.ctypes.data_as(ctypes.c_void_p) for array in arrays)
        X_pointer = X.ctypes.data_as(ctypes.c_void_p)
        if learn(X_pointer, *sizes, *pointers, ctypes.c_size_t(n_iter)):
            raise RuntimeError("Armadillo's learn() failed")
        return mixture


PEER = ArmadilloPeer()

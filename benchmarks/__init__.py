"""Benchmarks of `gmm` against its peers: run ``python -m benchmarks`` from the repository root.

Each question (grid, predict, default, ...) is a file, and so is each adapter of a peer. The package imports nothing
from here.
"""

import os

# Must run before NumPy is imported, here and in every worker: these variables can force slower kernels on packages that
# use OpenBLAS.
for variable in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
    os.environ.pop(variable, None)

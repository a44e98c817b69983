"""Measurements of `gmm` against its peers: ``python -m benchmarks`` from the repository root.

One file per question asked (grid, predict, default, ...), problems apart, peers as adapters.
Nothing here is imported by the package.
"""

import os

# Before NumPy is imported, here and in every worker: they may choose slower kernels than the machine has, for whoever
# happens to use OpenBLAS.
for variable in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
    os.environ.pop(variable, None)

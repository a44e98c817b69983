"""Measurements of `gmm` against its peers: ``python -m benchmarks`` from the repository root.

One file per question asked (grid, memory, starts, predict), problems apart, peers as adapters.
Nothing here is imported by the package.
"""

"""The arithmetic of `tile.h` and `deconvolve.h`, compiled once, and the choice of its instruction set.

A pass and the seeding carry their kernel: another one that is used from then on does not change what is prepared.
"""
from gmm._kernel.leaves cimport Kernel, errors_leaves, tile_leaves_double, tile_leaves_float

import os

cdef extern from "tile.h":
    int tile_best()
    const char* const tile_names[]
    const tile_leaves_double* const tile_double[]
    const tile_leaves_float* const tile_float[]

cdef extern from "deconvolve.h":
    const errors_leaves* const errors_sets[]

cdef Kernel in_use
cdef str name_in_use


cdef Kernel kernel_in_use() noexcept nogil:
    return in_use


def kernels():
    """Return the kernels that this machine can run, the slowest first: "blas", then tile.h by instruction set."""
    return ["blas"] + [tile_names[level].decode() for level in range(tile_best() + 1)]


def kernel():
    """Return the name of the kernel in use."""
    return name_in_use


def use_kernel(str name):
    """Use the kernel called `name` from now on; `GMM_KERNEL` sets it for a process."""
    global in_use, name_in_use
    known = kernels()
    cdef Py_ssize_t level
    if name not in known:
        raise ValueError(f"expected a kernel that this machine can run, one of {known} (GMM_KERNEL, use_kernel), "
                         f"got {name!r}")
    level = known.index(name) - 1
    in_use.doubles = tile_double[level] if level >= 0 else NULL
    in_use.floats = tile_float[level] if level >= 0 else NULL
    in_use.errors = errors_sets[max(level, 0)]
    name_in_use = name


use_kernel(os.environ.get("GMM_KERNEL") or kernels().pop())


def leaf_addresses(str name, bint single):
    """Return where the functions of tile.h start in a kernel but "blas", in their order there: tests call each."""
    cdef Py_ssize_t level = kernels().index(name, 1) - 1, size = sizeof(tile_leaves_double) // sizeof(void*), i
    cdef const void* const* leaf = <const void* const*>tile_float[level] if single \
        else <const void* const*>tile_double[level]
    return [<size_t>leaf[i] for i in range(size)]

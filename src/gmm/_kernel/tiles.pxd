"""The kernel in use, for whoever prepares a pass or seeds."""
from gmm._kernel.leaves cimport Kernel

cdef Kernel kernel_in_use() noexcept nogil

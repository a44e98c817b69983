"""A pool of memory for the next use, from which threads without a common lock may borrow at once.

Its size in bytes lies before it.
"""
from cpython.mem cimport PyMem_RawFree, PyMem_RawMalloc

cdef extern from "swap.h" nogil:
    void* swap_pointer(void** place, void* value)


cdef inline double* borrow(void** places, int n_places, size_t size) noexcept:
    """Return memory of so many bytes, for `give_back`; NULL if there is none."""
    cdef double* found = NULL
    cdef int i
    for i in range(n_places):
        found = <double*>swap_pointer(places + i, NULL)
        if found != NULL:
            break
    if found != NULL and found[0] < size:
        PyMem_RawFree(found)
        found = NULL
    if found == NULL:
        found = <double*>PyMem_RawMalloc(sizeof(double) + size)
        if found == NULL:
            return NULL
        found[0] = size
    return found + 1


cdef inline void give_back(void** places, int n_places, size_t most, double* borrowed) noexcept:
    """Keep memory of at most `most` bytes for the next use, the larger rather than the smaller; free the other."""
    cdef void* memory
    cdef void* other
    cdef double size
    cdef int i
    if borrowed == NULL:
        return
    memory = borrowed - 1
    size = (<double*>memory)[0]
    if size <= most:
        for i in range(n_places):
            other = swap_pointer(places + i, memory)   # from here on, the memory may be another thread's
            if other != NULL and (<double*>other)[0] > size:
                other = swap_pointer(places + i, other)
            if other == NULL:
                return
            memory, size = other, (<double*>other)[0]
    PyMem_RawFree(memory)

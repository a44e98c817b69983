"""Memory that waits in places for its next use, from which threads without a common lock may take it at once.

Its size in bytes lies before it.
"""
from cpython.mem cimport PyMem_RawFree, PyMem_RawMalloc

cdef extern from "swap.h" nogil:
    void* swap_pointer(void** place, void* value)


cdef inline double* borrow(void** places, int n_places, size_t size) noexcept:
    """Return room for so many bytes, to be taken back; NULL if there is no memory."""
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


cdef inline void take_back(void** places, int n_places, size_t most, double* borrowed) noexcept:
    """Let room of at most so many bytes wait, the larger rather than the smaller, and free the other; NULL is none."""
    cdef void* room
    cdef void* other
    cdef double size
    cdef int i
    if borrowed == NULL:
        return
    room = borrowed - 1
    size = (<double*>room)[0]
    if size <= most:
        for i in range(n_places):
            other = swap_pointer(places + i, room)     # from here on, the room may be another thread's
            if other != NULL and (<double*>other)[0] > size:
                other = swap_pointer(places + i, other)
            if other == NULL:
                return
            room, size = other, (<double*>other)[0]
    PyMem_RawFree(room)

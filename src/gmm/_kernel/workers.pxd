"""Threads that walk lanes together with the calling one, pass by pass, without Python between.

A thread that waits looks at a lock for some time before it sleeps: to be woken takes as long as a pass over some
thousand rows.
"""
from cpython.pythread cimport (
    NOWAIT_LOCK, WAIT_LOCK, PyThread_acquire_lock, PyThread_release_lock, PyThread_type_lock,
)

from gmm._kernel.plan cimport PassPlan
from gmm._kernel.rows cimport Rows
from gmm._kernel.workspace cimport Workspace

cdef enum:
    LOOKS = 4000                # of some ten nanoseconds


cdef struct Worker:
    PyThread_type_lock work     # locked until there is a pass, or the pool is dismissed
    PyThread_type_lock rest     # locked until the pass is made
    Workspace* workspace


cdef struct WorkerPool:
    Py_ssize_t n                # threads without the one that calls
    Worker* workers             # (n,)
    const PassPlan* plan
    const Rows* rows
    bint dismissed


cdef inline void await_lock(PyThread_type_lock lock) noexcept nogil:
    cdef int _
    for _ in range(LOOKS):
        if PyThread_acquire_lock(lock, NOWAIT_LOCK):
            return
    PyThread_acquire_lock(lock, WAIT_LOCK)


cdef inline Py_ssize_t first_lane_of(const WorkerPool* pool, Py_ssize_t worker, Py_ssize_t n_lanes) noexcept nogil:
    """Return where the share of a worker starts; the calling thread is worker 0, and `workers[i]` is worker i + 1."""
    return n_lanes * worker // (pool.n + 1)


cdef inline void wake_workers(WorkerPool* pool) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(pool.n):
        PyThread_release_lock(pool.workers[i].work)

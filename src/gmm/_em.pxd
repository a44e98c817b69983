"""The part of the pass that `_frozen.pyx` uses."""
from gmm._kernel.plan cimport PassPlan
from gmm._kernel.rows cimport Rows
from gmm._kernel.workspace cimport Workspace

# Writes the results in `rows` of lanes first … last − 1.
cdef void write_lanes(
    const PassPlan* plan, const Rows* rows, Py_ssize_t first, Py_ssize_t last, Workspace* workspace,
) noexcept nogil

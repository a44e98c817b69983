"""Lengths of arrays, checked before a pointer walks along them: no caller can make compiled code read elsewhere."""


cdef inline int expect(str name, Py_ssize_t found, Py_ssize_t wanted) except -1:
    """Refuse the array called `name` unless it has as many numbers (rows, columns) as the others say."""
    if found != wanted:
        raise ValueError(f"expected {name} of length {wanted}, as the other arguments have it, got {found}")
    return 0


cdef inline int expect_matrix(str name, const double[:, ::1] found, Py_ssize_t rows, Py_ssize_t columns) except -1:
    """Refuse the matrix called `name` unless it is (rows, columns)."""
    if found.shape[0] != rows or found.shape[1] != columns:
        raise ValueError(f"expected {name} of shape {(rows, columns)}, as the other arguments have it, "
                         f"got {(found.shape[0], found.shape[1])}")
    return 0

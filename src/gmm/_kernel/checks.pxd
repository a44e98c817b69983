"""Checks of array lengths before a pointer walks along them, so that no caller makes compiled code read elsewhere."""


cdef inline int expect(str name, Py_ssize_t length, Py_ssize_t wanted) except -1:
    """Raise ValueError unless the array called `name` has the length that the other arguments imply."""
    if length != wanted:
        raise ValueError(f"expected {name} of length {wanted}, as the other arguments have it, got {length}")
    return 0


cdef inline int expect_matrix(str name, const double[:, :] matrix, Py_ssize_t rows, Py_ssize_t columns) except -1:
    """Raise ValueError unless the matrix called `name` is (rows, columns)."""
    if matrix.shape[0] != rows or matrix.shape[1] != columns:
        raise ValueError(f"expected {name} of shape {(rows, columns)}, as the other arguments have it, "
                         f"got {(matrix.shape[0], matrix.shape[1])}")
    return 0

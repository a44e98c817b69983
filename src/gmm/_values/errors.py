"""`RowErrors`: rows whose measurement errors are known."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from gmm._kernel.mstep import cached_property, equal_rows
from gmm._values.layouts import DIAGONAL, FULL, Array, Layout

_SHARED = 64  # rows


class RowErrors:
    """The covariances of the errors of rows; false if rows have none.

    Parameters
    ----------
    codes : int array of shape (n,)
        Which of the covariances each row has.
    covariances : array of shape (E, d) or (E, d, d)
        Variances alone if the errors of different columns are independent.
    """

    def __init__(self, codes: NDArray[np.intp], covariances: Array) -> None:
        self.codes = codes
        self.covariances = covariances

    def __bool__(self) -> bool:
        return True

    @classmethod
    def from_values(cls, values: Array, n_rows: int) -> RowErrors:
        """Return the distinct covariances among those of the rows, (n, …), or of all rows, (1, …), in their order."""
        firsts, codes = equal_rows(np.ascontiguousarray(values.reshape(len(values), -1)))
        return cls(np.ascontiguousarray(np.broadcast_to(codes, n_rows)), values[firsts])

    def for_rows(self, index: NDArray[np.intp] | NDArray[np.bool_]) -> RowErrors:
        """Return the errors of some rows."""
        return RowErrors(self.codes[index], self.covariances) if self else self

    def scaled(self, scales: Array) -> RowErrors:
        """Return the errors of rows whose columns are divided by scales (d,)."""
        squares = scales**2 if self.covariances.ndim == 2 else np.outer(scales, scales)
        return RowErrors(self.codes, self.covariances / squares) if self else self

    @property
    def variances(self) -> Array:
        """Variances of the columns, (E, d)."""
        return self.covariances if self.covariances.ndim == 2 else np.diagonal(self.covariances, axis1=1, axis2=2)

    @property
    def own(self) -> int:
        """The kind of rows with errors of their own."""
        return len(self.covariances)

    @cached_property
    def kinds(self) -> NDArray[np.intp]:
        """Which error rows share with so many others that it is worth a plan, or `own`, (n,)."""
        shared = np.bincount(self.codes, minlength=self.own) >= _SHARED
        return np.where(shared[self.codes], self.codes, self.own)

    def stored(self, layout: Layout) -> Array:
        """Return the covariances in a layout, DIAGONAL or FULL."""
        if layout is DIAGONAL or self.covariances.ndim == 3:
            return self.covariances
        return self.covariances[:, :, None] * np.eye(self.covariances.shape[1])

    def layout(self, moments: Layout) -> Layout:
        """Return the layout of passes over rows with errors, for second moments in another."""
        if not self:
            return moments
        return DIAGONAL if moments.axis_aligned and self.covariances.ndim == 2 else FULL

    @cached_property
    def fingerprint(self) -> str:
        """Digest of both; of no errors, empty."""
        if not self:
            return ""
        digest = hashlib.blake2b(np.ascontiguousarray(self.codes).data, digest_size=16)
        digest.update(np.ascontiguousarray(self.covariances).data)
        return digest.hexdigest()


class _NoErrors(RowErrors):
    __bool__ = staticmethod(bool)  # false


NO_ERRORS: RowErrors = _NoErrors(np.empty(0, dtype=np.intp), np.empty((0, 0)))

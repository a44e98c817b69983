"""Data of rows: weights, where None stands for ones; known classes, `KnownClasses`; and errors, `RowErrors`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmm._kernel.mstep import cached_property, equal_rows
from gmm._values.layouts import DIAGONAL, FULL, Array, Layout

_SHARED = 64  # rows with one error


def in_full(weight: Array | None, n: int) -> Array:
    """Return the weights of n rows as an array."""
    return np.ones(n) if weight is None else weight


def weights_of(weight: Array | None, index: slice | NDArray[Any]) -> Array | None:
    """Return the weights of some rows."""
    return None if weight is None else weight[index]


def joined(parts: Iterable[Array | None]) -> Array | None:
    """Return the weights of concatenated rows, all of which have weights, or none."""
    weights = [part for part in parts if part is not None]
    return np.concatenate(weights) if weights else None


def weighed(values: NDArray[Any], weight: Array | None) -> NDArray[Any]:
    """Return values of rows, (n,) or (n, d), times their weights."""
    return values if weight is None else (values.T * weight).T


class KnownClasses:
    """Known classes of rows, which belong to the components of their class; false if all classes are unknown.

    Parameters
    ----------
    codes : int array of shape (n,)
        c + 1 for rows of class c; 0 where the class is unknown.
    owners : int array of shape (K,)
        The class of each component; −1 for components of no known class.
    """

    def __init__(self, codes: NDArray[np.intc], owners: NDArray[np.intp]) -> None:
        self.codes = codes
        self.owners = owners

    def __bool__(self) -> bool:
        return True

    def for_rows(self, index: NDArray[np.intp] | NDArray[np.bool_]) -> KnownClasses:
        """Return the classes of some rows."""
        return KnownClasses(self.codes[index], self.owners) if self else self

    def table(self, n_components: int) -> Array | None:
        """Return the table `allowed` for mixtures with an owner for each component; None for other mixtures."""
        return self.allowed if len(self.owners) == n_components else None

    @cached_property
    def allowed(self) -> Array:
        """Terms of log densities, (K, number of codes): 0 if rows of a code may belong to a component, otherwise −∞."""
        codes = np.arange(self.owners.max() + 2)
        return np.where((codes == 0) | (codes == self.owners[:, None] + 1), 0.0, -np.inf)

    def owner_of_each(self, n_components: int) -> NDArray[np.intp]:
        """Return the class of each component, −1 for none."""
        return self.owners if self else np.full(n_components, -1)

    @cached_property
    def fingerprint(self) -> str:
        """Digest of both."""
        digest = hashlib.blake2b(np.ascontiguousarray(self.codes).data, digest_size=16)
        digest.update(self.owners.astype(np.int64).data)
        return digest.hexdigest()


class _AllUnknown(KnownClasses):
    __bool__ = staticmethod(bool)  # false


ALL_UNKNOWN: KnownClasses = _AllUnknown(np.empty(0, dtype=np.intc), np.empty(0, dtype=np.intp))


class RowErrors:
    """The covariances of the errors of rows; false if rows have none.

    Parameters
    ----------
    codes : int array of shape (n,)
        The index of the covariance of each row.
    covariances : array of shape (E, d) or (E, d, d)
        Only variances if the errors of different columns are independent.
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
        """The kind of rows whose errors few others have."""
        return len(self.covariances)

    @cached_property
    def kinds(self) -> NDArray[np.intp]:
        """The error of each row, if enough rows have it to be worth a plan, or `own`, (n,)."""
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

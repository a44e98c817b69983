"""Weights of rows, where None stands for ones, and `KnownClasses`: rows of known class and the components of each."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmm._kernel.mstep import cached_property
from gmm._values.layouts import Array


def in_full(weight: Array | None, n: int) -> Array:
    """Return the weights of n rows as an array."""
    return np.ones(n) if weight is None else weight


def weights_of(weight: Array | None, index: slice | NDArray[Any]) -> Array | None:
    """Return the weights of some rows."""
    return None if weight is None else weight[index]


def joined(parts: Iterable[Array | None]) -> Array | None:
    """Return the weights of rows behind each other, which all have weights or none of them."""
    weights = [part for part in parts if part is not None]
    return np.concatenate(weights) if weights else None


def weighed(values: NDArray[Any], weight: Array | None) -> NDArray[Any]:
    """Return values of rows, (n,) or (n, d), times their weights."""
    return values if weight is None else (values.T * weight).T


class KnownClasses:
    """Which components rows may belong to: those of their class, or all where it is unknown; false if all are.

    Parameters
    ----------
    codes : int array of shape (n,)
        c + 1 for rows of class c; 0 where the class is unknown.
    owners : int array of shape (K,)
        The class of each component; −1 of those that rows of no known class may have.
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
        """Return what mixtures with an owner for each component add to log densities; None for other mixtures."""
        return self.allowed if len(self.owners) == n_components else None

    @cached_property
    def allowed(self) -> Array:
        """0 where rows of a code may belong to a component, −∞ where not: (K, number of codes)."""
        codes = np.arange(self.owners.max() + 2)
        return np.where((codes == 0) | (codes == self.owners[:, None] + 1), 0.0, -np.inf)

    def owner_of_each(self, n_components: int) -> NDArray[np.intp]:
        """Return the class of each component, −1 of those of no class."""
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

"""`KnownClasses`: rows whose class is known, and the components that each class has."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gmm._caching import cached_property
from gmm._values.layouts import Array


@dataclass(frozen=True, eq=False)
class KnownClasses:
    """Which components rows may belong to: those of their class, or all where it is unknown; false if all are.

    Parameters
    ----------
    codes : int array of shape (n,)
        c + 1 for rows of class c; 0 where the class is unknown.
    owners : int array of shape (K,)
        The class of each component; −1 of those that rows of no known class may have.
    """

    codes: NDArray[np.intc]
    owners: NDArray[np.intp]

    def __bool__(self) -> bool:
        return len(self.owners) > 0

    def of_rows(self, index: NDArray[np.intp] | NDArray[np.bool_]) -> KnownClasses:
        """Return the classes of some rows."""
        return replace(self, codes=self.codes[index]) if self else self

    def table(self, n_components: int) -> Array | None:
        """Return what mixtures with an owner for each component add to log densities; None for other mixtures."""
        return self.allowed if len(self.owners) == n_components else None

    @cached_property
    def allowed(self) -> Array:
        """0 where rows of a code may belong to a component, −∞ where not: (K, number of codes)."""
        codes = np.arange(self.owners.max() + 2)
        return np.where((codes == 0) | (codes == self.owners[:, None] + 1), 0.0, -np.inf)

    def owner_codes(self, n_components: int) -> NDArray[np.intc] | None:
        """Return the class of each component as the compiled core takes it; None for other mixtures."""
        return self.owners.astype(np.intc) if len(self.owners) == n_components else None

    def owner_of_each(self, n_components: int) -> NDArray[np.intp]:
        """Return the class of each component, −1 of those of no class."""
        return self.owners if self else np.full(n_components, -1)

    @property
    def n_free(self) -> int:
        """Number of components of no class."""
        return int((self.owners < 0).sum())

    @cached_property
    def fingerprint(self) -> str:
        """Digest of both."""
        digest = hashlib.blake2b(np.ascontiguousarray(self.codes).data, digest_size=16)
        digest.update(self.owners.astype(np.int64).data)
        return digest.hexdigest()


ALL_UNKNOWN = KnownClasses(np.empty(0, dtype=np.intc), np.empty(0, dtype=np.intp))

"""`FactorySource`: rows that a caller's function gives block by block, each time anew; those of an iterator, once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any

import numpy as np

from gmm._exceptions import answer_of
from gmm._rows.blocks import Block, BlockSource
from gmm._validation.given import check_array
from gmm._validation.rows import check_rows

Given = Any  # a block as the caller gives it: rows, or a tuple of rows and weights


class FactorySource(BlockSource):
    """Rows from a function that returns an iterable of blocks, each time anew.

    The first block, which is read at once, says how many features there are, and their type and names.

    Parameters
    ----------
    factory : callable
        Its blocks are arrays or data frames of shape (m, d), or tuples (rows, weights).
    """

    reads_ahead = False  # the caller's code runs on the caller's thread

    def __init__(self, factory: Callable[[], Iterable[Given]]) -> None:
        self._factory = factory
        iterator = self._begun()
        first = next(iterator, None)
        if first is None:
            raise ValueError(f"expected at least one block of rows from {self.name}, got none")
        self._first_reading: Iterator[Given] | None = chain([first], iterator)
        self.weighted = isinstance(first, tuple)
        rows, self._names = check_rows(first[0] if self.weighted else first, estimator="block 0", min_rows=0)
        self.feature_names = self._names  # others, where blocks without names are the rows of a source with names
        self._n_features, self._dtype = rows.shape[1], rows.dtype

    def __getstate__(self) -> dict[str, Any]:
        """Pickle the function, not the blocks that it gives."""
        return super().__getstate__() | {"_first_reading": None}

    @property
    def name(self) -> str:
        """The name of the function."""
        return f"the factory {getattr(self._factory, '__name__', type(self._factory).__name__)}"

    @property
    def n_features(self) -> int:
        """Number of features, d."""
        return self._n_features

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the rows."""
        return self._dtype

    def blocks(self, *, weighted: bool) -> Iterator[Block]:
        """Call the factory, and check its blocks."""
        begun, self._first_reading = self._first_reading, None
        for number, block in enumerate(self._begun() if begun is None else begun):
            try:
                yield self._block(block, weighted)
            except (TypeError, ValueError) as error:
                kind = TypeError if isinstance(error, TypeError) else ValueError
                raise kind(f"block {number} of {self.name}: {error}") from error

    def _begun(self) -> Iterator[Given]:
        blocks = answer_of(self._factory, name=self.name, hint="expected an iterable of blocks of rows")
        if isinstance(blocks, np.ndarray) or not isinstance(blocks, Iterable):
            raise TypeError(f"expected an iterable of blocks of rows from {self.name}, got {type(blocks).__name__}")
        return iter(blocks)

    def _block(self, block: Given, weighted: bool) -> Block:
        if isinstance(block, tuple) != self.weighted or (self.weighted and len(block) != 2):
            expected = "a tuple (rows, weights)" if self.weighted else "rows without weights"
            got = f"a tuple of {len(block)}" if isinstance(block, tuple) else type(block).__name__
            raise ValueError(f"expected {expected}, as in the first block, got {got}")
        rows, weight = block if self.weighted else (block, None)
        floats, _ = check_rows(rows, estimator="it", n_features=self._n_features, feature_names=self._names, min_rows=0)
        if floats.dtype != self._dtype:
            raise ValueError(f"expected {self._dtype}, as in the first block, got {floats.dtype}")
        return Block(floats, check_array(weight, "weights", (len(floats),)) if weighted else None)


class OnceSource(FactorySource):
    """Rows from an iterator of blocks, which can be read only once.

    Parameters
    ----------
    iterator : iterator of blocks
        As a factory's.
    """

    once = True

    def __init__(self, iterator: Iterator[Given]) -> None:
        self._kind = type(iterator).__name__
        super().__init__(lambda: iterator)

    @property
    def name(self) -> str:
        """What kind of iterator it is."""
        return f"the {self._kind}"

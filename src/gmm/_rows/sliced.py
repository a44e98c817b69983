"""`SlicedSource`: two-dimensional arrays that are sliced, and not in memory: of h5py, of zarr, parts of memory maps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from gmm._rows.blocks import Block, BlockSource
from gmm._validation.arrays import float_type, to_kernel_floats

_BLOCK_BYTES = 1 << 20


class SlicedSource(BlockSource):
    """Rows of an array, some of which are sliced at a time: whole chunks, if it is stored in chunks.

    Parameters
    ----------
    array : h5py.Dataset, zarr.Array or numpy.memmap of shape (n, d)

    Raises
    ------
    ValueError
        If it does not hold numbers of shape (n, d).
    """

    def __init__(self, array: Any) -> None:
        if len(array.shape) != 2 or array.dtype.kind not in "biuf":
            raise ValueError(
                f"expected numbers of shape (rows, columns), got {array.dtype} of shape {array.shape} in a "
                f"{type(array).__name__}"
            )
        self._array = array

    @property
    def name(self) -> str:
        """What kind of array it is, and its name if it has one."""
        name = getattr(self._array, "name", None)
        return f"the {type(self._array).__name__}" + (f" {name!r}" if name else "")

    @property
    def n_features(self) -> int:
        """Number of features, d."""
        return int(self._array.shape[1])

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the rows: float32 or float64, whatever the array holds."""
        return float_type(self._array.dtype)

    def blocks(self, *, weighted: bool) -> Iterator[Block]:
        """Slice the array from the first row on."""
        n, d = self._array.shape
        step = max(1, _BLOCK_BYTES // (max(d, 1) * self._array.dtype.itemsize))
        chunk = (getattr(self._array, "shards", None) or getattr(self._array, "chunks", None) or (1,))[0]
        step = -(-step // chunk) * chunk  # no chunk is decoded twice
        for start in range(0, n, step):
            yield Block(to_kernel_floats(np.asarray(self._array[start : start + step])))

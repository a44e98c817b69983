"""`FrozenMixture`: a mixture for services, which scores rows with little around the pass; where its C header is."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gmm._frozen import CompiledMixture
from gmm.persistence import Described, Readable, Writable, describe, item, load_object, save_state, with_metadata
from gmm.persistence.predictions import Predicted, write_predictions
from gmm.rows.entrance import as_source
from gmm.rows.sources import Source
from gmm.values.layouts import layout_of_code
from gmm.versions import __version__

__all__ = ["FrozenMixture", "get_include", "predicted_blocks"]

_ARRAYS = ("log_offset", "centres", "whiteners", "origin")
_ROWS_AT_ONCE = 1 << 16


class FrozenMixture(Described, CompiledMixture):
    """A mixture that no longer changes, for services: made by ``GaussianMixture.freeze``, `load` or unpickling.

    It scores float32 and float64 arrays with the estimator's bits, but is no estimator: it checks dtype and shape only,
    starts threads only if `n_threads` asks for them, and writes to `out`. Rows may have any strides, and a row with NaN
    or infinity gets NaN and the label −1. All threads may share it. C and Cython open it by ``gmm_api.h`` and
    ``gmm/api.pxd``.

    Attributes
    ----------
    n_components : int
        K.
    n_features : int
        Number of features, d.
    metadata : dict
        Of the estimator that was frozen, with the names of its features, or of the file.

    See Also
    --------
    GaussianMixture.freeze : Makes one.

    Examples
    --------
    >>> import numpy as np
    >>> from gmm import GaussianMixture
    >>> mixture = GaussianMixture.from_parameters([0.5, 0.5], [[-1.0], [1.0]], [[[1.0]], [[1.0]]])
    >>> frozen = mixture.freeze()
    >>> out = np.empty((1, 2))
    >>> frozen.predict_proba(np.array([[0.0]]), out=out)
    array([[0.5, 0.5]])
    """

    __slots__ = ("__weakref__", "_metadata")

    def __repr__(self) -> str:
        """Return the sizes."""
        return f"{type(self).__name__}(K={self.n_components}, d={self.n_features})"

    def __reduce__(self) -> tuple[type[Self], tuple[Any, ...], dict[str, Any]]:
        """Pickle the numbers that define the mixture and its metadata, no memory of the kernel's."""
        return type(self), self.arrays, self.metadata

    def __setstate__(self, metadata: dict[str, Any]) -> None:
        """Take the metadata of a pickle."""
        describe(self, metadata)

    def save(self, file: Writable, *, metadata: Mapping[str, Any] | None = None) -> None:
        """Write the mixture to a file that holds only numbers and text.

        Parameters
        ----------
        file : str, os.PathLike or binary file
            A path, used as given, or a file open for writing.
        metadata : dict of JSON values, optional
            What else people or programs should know: names, dates, the number of rows, scores of the rows. None writes
            those of the file or the estimator that this comes from. Nothing is added, so the same object gives the
            same bytes.

        Raises
        ------
        TypeError, ValueError
            If `metadata` holds something that JSON has no form for; the message says where.
        """
        layout, *arrays = self.arrays
        header = {"gmm_version": __version__, "class": FrozenMixture.__name__, "layout": layout}
        save_state(file, with_metadata(self, metadata, header), dict(zip(_ARRAYS, arrays, strict=True)))

    def predict_to(self, X: ArrayLike, path: str | os.PathLike[str], *, responsibilities: bool = True) -> None:
        """Write the most probable component of each row to a file, as `GaussianMixture.predict_to`, on this thread.

        Parameters
        ----------
        X : array-like or data frame of shape (n, d), data set, or what `open_rows` returns
            Finite rows.
        path : str or os.PathLike
            Its suffix tells the format: .parquet, .arrow, .feather, .csv or .tsv.
        responsibilities : bool, default=True
            Whether to write them.
        """
        source, _ = as_source(X, estimator=self, n_features=self.n_features)
        write_predictions(path, predicted_blocks(self, source, responsibilities=responsibilities))

    @classmethod
    def load(cls, file: Readable) -> Self:
        """Read a mixture that `save` wrote.

        Parameters
        ----------
        file : str, os.PathLike, binary file or bytes
            A path, a file open for reading, which is read to its end, or the content of such a file.

        Returns
        -------
        FrozenMixture

        Raises
        ------
        ValueError
            If the file is not a saved frozen mixture, or does not hold a valid one; the message says what is wrong.
            Loading runs no code from the file.
        """
        return load_object(file, {FrozenMixture.__name__: cls.from_state})

    @classmethod
    def from_state(cls, header: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Self:
        """Make the mixture whose header and arrays these are; see `load`."""
        code = item(header, "layout", int)
        if not 0 <= code < 4:
            raise ValueError(f"expected layout 0 to 3 in its header, got {code}")
        log_offset, centres, whiteners, origin = (np.asarray(arrays[name], dtype=np.float64) for name in _ARRAYS)
        if centres.ndim != 2 or not centres.size:
            raise ValueError(f"expected centres of shape (K, d), got {centres.shape}")
        K, d = centres.shape
        layout = layout_of_code(code)
        shapes = {"log_offset": (K,), "whiteners": (int(np.prod(layout.shape(K, d))),), "origin": (d,)}
        for name, shape in shapes.items():
            if arrays[name].shape != shape:
                raise ValueError(f"expected {name} of shape {shape}, got {arrays[name].shape}")
        whitener = whiteners.reshape(layout.shape(K, d))
        if not all(np.isfinite(values).all() for values in (centres, whiteners, origin)):
            raise ValueError("expected finite centres, whiteners and origin")
        if not log_offset.max() > -np.inf or not log_offset.max() < np.inf:
            raise ValueError("expected log offsets below infinity, and one of them finite")
        if not (layout.diagonal(whitener, d) > 0).all():
            raise ValueError("expected whiteners with positive diagonals")
        if not layout.axis_aligned and np.triu(whitener, 1).any():
            raise ValueError("expected lower triangular whiteners")
        return cls(code, log_offset, centres, whiteners, origin)


def predicted_blocks(model: FrozenMixture, source: Source, *, responsibilities: bool) -> Iterator[Predicted]:
    """Yield the number of a row, and labels and responsibilities of the rows from there on."""
    for first, rows, _ in source.chunks():
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            part = rows[start : start + _ROWS_AT_ONCE]
            yield first + start, model.predict(part), model.predict_proba(part) if responsibilities else None


def get_include() -> str:
    """Return the folder of ``gmm_api.h``, for the include path of a C or Cython extension."""
    return str(Path(__file__).parent / "include")

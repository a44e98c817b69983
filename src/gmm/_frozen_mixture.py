"""`FrozenMixture`: a mixture for services, which scores rows with little overhead, and the path of its C header."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gmm import _persistence as archive
from gmm._frozen import CompiledMixture, prepare
from gmm._persistence import Readable, Writable
from gmm._rows.input import as_source
from gmm._rows.sources import Source
from gmm._validation.scalars import check_boolean
from gmm._values.covariance import MOST_FACTORS
from gmm._values.layouts import layout_with_code
from gmm._values.tails import LEAST_DEGREES, MOST_DEGREES

_Array = NDArray[np.float64]

_ARRAYS = ("log_offset", "centres", "whiteners", "origin", "log_noise")
_TAILS = "tails"  # only of components that are not normal
_PREPARED_VERSION = 1  # of the order and meaning of prepared numbers
_ROWS_AT_ONCE = 1 << 16


class FrozenMixture(CompiledMixture):
    """An immutable mixture for services: made by ``GaussianMixture.freeze``, `load` or unpickling.

    It scores float32 and float64 arrays with the estimator's bits, but is no estimator: it checks dtype and shape only,
    starts threads only if `n_threads` requires them, and writes to `out`. Rows may have any strides. A row with NaN or
    infinity gets NaN and the label −1, which is that of noise too. All threads may share it. C and Cython open it by
    ``gmm_api.h`` and ``gmm/api.pxd``.

    Attributes
    ----------
    n_components : int
        K.
    n_features : int
        Number of features, d.
    metadata : dict
        That of the estimator that was frozen, with the names of its features, or of the file.

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

    metadata = property(archive.metadata_of)

    def __repr__(self) -> str:
        """Return the sizes."""
        return f"{type(self).__name__}(K={self.n_components}, d={self.n_features})"

    def __reduce__(self) -> tuple[Callable[..., Self], tuple[Any, ...], dict[str, Any]]:
        """Pickle the numbers that define the mixture and its metadata, without the kernel's memory."""
        return self.from_arrays, self.arrays, self.metadata

    def __setstate__(self, metadata: dict[str, Any]) -> None:
        """Restore the metadata of a pickle."""
        archive.describe(self, metadata)

    def save(self, file: Writable, *, prepared: bool = False, metadata: Mapping[str, Any] | None = None) -> None:
        """Write the mixture to a file that holds only numbers and text.

        Parameters
        ----------
        file : str, os.PathLike or binary file
            A path, used as given, or a file open for writing.
        prepared : bool, default=False
            Whether to also write the prepared numbers that scoring reads, for ``load(mmap=True)``; files are then three
            to four times as large.
        metadata : dict of JSON values, optional
            Further information, such as names, dates, the number of rows or scores. None writes the metadata of the
            file or the estimator that this comes from. Nothing is added, so the same object gives the same bytes.

        Raises
        ------
        TypeError, ValueError
            If `metadata` contains a value that JSON cannot represent; the message gives its place.
        """
        layout, *arrays, tails = self.arrays
        header = {"class": FrozenMixture.__name__, "layout": layout}
        members = {name: np.asarray(values) for name, values in zip(_ARRAYS, arrays, strict=True)}
        members |= {_TAILS: tails} if tails.any() else {}
        if check_boolean(prepared, "prepared"):
            header["prepared"], members["prepared"] = _PREPARED_VERSION, self.prepared
        archive.save_object(self, file, metadata, header, members)

    def predict_to(self, X: ArrayLike, path: str | os.PathLike[str], *, responsibilities: bool = True) -> None:
        """Write the most probable component of each row to a file, as `GaussianMixture.predict_to`, on this thread.

        Parameters
        ----------
        X : array-like or data frame of shape (n, d), data set, or what `open_rows` returns
            Finite rows.
        path : str or os.PathLike
            Its suffix selects the format: .parquet, .arrow, .feather, .csv or .tsv.
        responsibilities : bool, default=True
            Whether to write them.
        """
        source = as_source(X, estimator=self, n_features=self.n_features)
        wanted = check_boolean(responsibilities, "responsibilities")
        archive.write_predictions(path, predicted_blocks(self, source, responsibilities=wanted))

    @classmethod
    def load(cls, file: Readable, *, mmap: bool = False) -> Self:
        """Read a mixture that `save` wrote.

        Parameters
        ----------
        file : str, os.PathLike, binary file or bytes
            A path, a file open for reading, which is read to its end, or the content of such a file.
        mmap : bool, default=False
            Whether to score from the file itself, without reading it first: processes share its memory. For a path
            that was saved with ``prepared=True``. Only what is small is checked, so not the checksums. `save` replaces
            a file, which harms no mixture; a file that is cut short in its place ends the processes that use it.

        Returns
        -------
        FrozenMixture

        Raises
        ------
        ValueError
            If the file is not a saved frozen mixture, or does not hold a valid one; the message states what is wrong.
            Loading runs no code from the file.
        """
        maker = cls.from_mapped if check_boolean(mmap, "mmap") else cls.from_state
        return archive.load_object(file, {FrozenMixture.__name__: maker}, mmap=mmap)

    @classmethod
    def from_state(cls, header: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Self:
        """Make the mixture whose header and arrays these are; see `load`."""
        code = _layout_in(header)
        log_offset, centres, whiteners, origin, log_noise = (
            np.asarray(arrays[name], dtype=np.float64) for name in _ARRAYS
        )
        K, d = _sizes(centres)
        layout = layout_with_code(code)
        shapes = {"log_offset": (K,), "whiteners": (int(np.prod(layout.shape(K, d))),), "origin": (d,), "log_noise": ()}
        for name, shape in shapes.items():
            if arrays[name].shape != shape:
                raise ValueError(f"expected {name} of shape {shape}, got {arrays[name].shape}")
        whitener = whiteners.reshape(layout.shape(K, d))
        _check_numbers(log_offset, float(log_noise), centres, whiteners, origin)
        if not (layout.diagonal(whitener, d) > 0).all():
            raise ValueError("expected whiteners with positive diagonals")
        if layout.stores_dense and not layout.axis_aligned and np.triu(whitener, 1).any():
            raise ValueError("expected lower triangular whiteners")
        return cls.from_arrays(code, log_offset, centres, whiteners, origin, float(log_noise), _tails_in(arrays, K))

    @classmethod
    def from_mapped(cls, header: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Self:
        """Make the mixture whose prepared numbers are in a file; the sizes of its centres give their layout."""
        advice = "load it with mmap=False, and save that with prepared=True"
        if "prepared" not in arrays:
            raise ValueError(f"expected the array 'prepared' for mmap=True: {advice}")
        numbers, version = arrays["prepared"], header.get("prepared")
        if version != _PREPARED_VERSION or numbers.dtype != np.float64 or numbers.ndim != 1:
            raise ValueError(
                f"expected float64 numbers prepared by version {_PREPARED_VERSION} of the kernel, got "
                f"{numbers.dtype} by version {version!r:.60}: {advice}"
            )
        try:
            log_noise = float(arrays["log_noise"])
            K, d = _sizes(arrays["centres"])
            frozen = cls(_layout_in(header), K, d, numbers, log_noise, _tails_in(arrays, K))
        except (TypeError, ValueError) as error:
            raise ValueError(f"{error}: {advice}") from None
        _, log_offset, centres, _, origin, log_noise, _ = frozen.arrays
        _check_numbers(log_offset, log_noise, centres, origin)
        return frozen

    @classmethod
    def from_arrays(
        cls,
        code: int,
        log_offset: _Array,
        centres: _Array,
        whiteners: _Array,
        origin: _Array,
        log_noise: float,
        tails: _Array,
    ) -> Self:
        """Prepare a mixture: see `arrays`."""
        K, d = np.shape(centres)
        numbers = prepare(code, log_offset, centres, whiteners, origin, log_noise, tails)
        return cls(code, K, d, numbers, log_noise, tails)


def _layout_in(header: dict[str, Any]) -> int:
    code = archive.item(header, "layout", int)
    if not 0 <= code <= 4 + MOST_FACTORS or code == 4:
        raise ValueError(f"expected the code of a layout in its header, got {code}")
    return code


def _tails_in(arrays: Mapping[str, NDArray[Any]], n_components: int) -> _Array:
    """Return the degrees of freedom, zeros of normal components."""
    if _TAILS not in arrays:
        return np.zeros(n_components)
    tails = np.array(arrays[_TAILS], np.float64)
    if tails.shape != (n_components,) or not ((tails >= LEAST_DEGREES) & (tails <= MOST_DEGREES)).all():
        raise ValueError(
            f"expected degrees of freedom from {LEAST_DEGREES} to {MOST_DEGREES} of each component in {_TAILS!r}, got "
            f"{tails!r:.80}"
        )
    return tails


def _sizes(centres: _Array) -> tuple[int, int]:
    if centres.ndim != 2 or not centres.size:
        raise ValueError(f"expected centres of shape (K, d), got {centres.shape}")
    K, d = centres.shape
    return K, d


def _check_numbers(log_offset: _Array, log_noise: float, *finite: _Array) -> None:
    if not all(np.isfinite(values).all() for values in finite):
        raise ValueError("expected finite centres, whiteners and origin")
    if not log_offset.max() > -np.inf or not log_offset.max() < np.inf:
        raise ValueError("expected log offsets below infinity, and one of them finite")
    if not log_noise < np.inf:
        raise ValueError(f"expected a log density of noise below infinity, got {log_noise}")


def predicted_blocks(model: FrozenMixture, source: Source, *, responsibilities: bool) -> Iterator[archive.Predicted]:
    """Yield for each block the number of its first row, and labels and responsibilities."""
    for chunk in source.chunks():
        for first, rows, _ in chunk.pieces(_ROWS_AT_ONCE):
            yield first, model.predict(rows), model.predict_proba(rows) if responsibilities else None


def get_include() -> str:
    """Return the folder of ``gmm_api.h``, for the include path of a C or Cython extension."""
    return str(Path(__file__).parent / "include")


FrozenMixture.__module__ = get_include.__module__ = "gmm"

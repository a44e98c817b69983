"""Data sets of pyarrow: files wherever they lie, whole or filtered, with columns that folders name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from typing import Any

import pyarrow as pa
import pyarrow.dataset

from gmm._rows.parquet import parquet_batches
from gmm._rows.part import Part

_LIMITS = ("thrift_string_size_limit", "thrift_container_size_limit")


class DatasetPart(Part):
    """A `pyarrow.dataset.Dataset`, scanned by its own options; of Parquet files, checksums of pages are verified.

    Parameters
    ----------
    data : pyarrow.dataset.Dataset
    """

    def __init__(self, data: pa.dataset.Dataset) -> None:
        self.name = f"the {type(data).__name__}"
        self.schema: pa.Schema = data.schema
        self._data = data

    def batches(self, columns: Sequence[str], at_once: int) -> Iterator[pa.RecordBatch]:
        """Begin to read anew."""
        data, names = self._data, list(columns)
        try:
            if (fragments := _parquet_files(data, names)) is None:
                how = {"batch_readahead": 1, "fragment_readahead": 1, "use_threads": False}
                options = _verifying(getattr(data, "format", None))
                yield from data.to_batches(columns=names, batch_size=at_once, fragment_scan_options=options, **how)
                return
            for fragment in fragments:
                row_groups = [group.id for group in fragment.row_groups]
                limits = {name: getattr(fragment.format.default_fragment_scan_options, name) for name in _LIMITS}
                with fragment.open() as file:
                    yield from parquet_batches(file, fragment.path, names, at_once, row_groups, limits)
        except (pa.ArrowException, OSError) as error:
            raise ValueError(f"{self.name} cannot be read: {error}") from error


def _parquet_files(data: pa.dataset.Dataset, names: Sequence[str]) -> list[Any] | None:
    """Return the files of a data set if all are open Parquet and hold the columns; else, or if it is filtered, None.

    The scanner of a data set reads some hundred megabytes ahead, whatever it is told.
    """
    try:
        fragments = list(data.get_fragments())
    except ValueError:  # it is filtered
        return None
    plain = all(
        isinstance(fragment, pa.dataset.ParquetFileFragment)
        and not _is_encrypted(fragment.format.default_fragment_scan_options)
        and set(names) <= set(fragment.physical_schema.names)
        for fragment in fragments
    )
    return fragments if plain else None


def _verifying(kind: pa.dataset.FileFormat | None) -> pa.dataset.ParquetFragmentScanOptions | None:
    """Return the options by which a format is scanned, with checksums verified; None leaves them as they are."""
    if not isinstance(kind, pa.dataset.ParquetFileFormat) or _is_encrypted(kind.default_fragment_scan_options):
        return None  # a copy has no keys
    options = copy(kind.default_fragment_scan_options)
    options.page_checksum_verification = True
    return options


def _is_encrypted(options: pa.dataset.ParquetFragmentScanOptions) -> bool:
    keys = ("parquet_decryption_config", "decryption_properties")
    return any(getattr(options, name, None) is not None for name in keys)

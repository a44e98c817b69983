"""What users write into a file beside the model: JSON values that say where it comes from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from copy import deepcopy
from math import isfinite
from typing import Any, TypeVar

_DEEPEST = 20  # levels; a value that contains itself has no end
_Thing = TypeVar("_Thing")


def metadata_of(thing: object) -> dict[str, Any]:
    """A copy of the `metadata` that `save` wrote into the file."""
    own: dict[str, Any] = getattr(thing, "_metadata", {})
    return deepcopy(own)


def describe(thing: _Thing, metadata: dict[str, Any]) -> _Thing:
    """Set the metadata of something, also if it is immutable otherwise."""
    if metadata:
        object.__setattr__(thing, "_metadata", metadata)
    return thing


def with_metadata(thing: object, metadata: Mapping[str, Any] | None, header: Mapping[str, Any]) -> dict[str, Any]:
    """Return the header of a file with the metadata; None stands for those that `thing` has already.

    Raises
    ------
    TypeError, ValueError
        As `check_metadata`.
    """
    own = metadata_of(thing) if metadata is None else check_metadata(metadata)
    return {**header, **({"metadata": own} if own else {})}


def check_metadata(value: Any) -> dict[str, Any]:
    """Check that a value is a mapping of texts to JSON values, and return a copy of it.

    Raises
    ------
    TypeError, ValueError
        If it is not; the message says where, what is there, and what to pass instead.
    """
    if not isinstance(value, Mapping):
        raise TypeError(f"expected metadata to be a dict of JSON values, got {type(value).__name__}")
    own = dict(value)
    _check(own, "metadata", _DEEPEST)
    copy: dict[str, Any] = json.loads(json.dumps(own))
    return copy


def _check(value: Any, place: str, levels: int) -> None:
    if levels == 0:
        raise ValueError(f"expected metadata of at most {_DEEPEST} levels, got more: does {place:.60} contain itself?")
    if isinstance(value, dict):
        for key, entry in value.items():
            if not isinstance(key, str):
                raise TypeError(f"expected texts as keys of {place}, got {key!r:.60} of type {type(key).__name__}")
            _check(entry, f"{place}[{key!r}]", levels - 1)
    elif isinstance(value, list):
        for index, entry in enumerate(value):
            _check(entry, f"{place}[{index}]", levels - 1)
    elif isinstance(value, float):
        if not isfinite(value):
            raise ValueError(f"expected finite numbers in metadata, got {value} at {place}: pass None, or a text")
    elif value is not None and not isinstance(value, str | int):
        raise TypeError(
            f"expected a JSON value at {place} (dict, list, str, int, float, bool or None), got {type(value).__name__}"
            + _advice(value)
        )


def _advice(value: Any) -> str:
    if hasattr(value, "isoformat"):
        return ": pass its isoformat()"
    if hasattr(value, "tolist"):
        return ": pass its tolist()"
    return ": pass a list" if isinstance(value, tuple | set) else ""

"""Saved models: safe, versioned files of numbers and JSON, without pickle.

Each class decides what it saves; this package only reads and writes files.
"""

from typing import TYPE_CHECKING

from gmm._lazy import attributes_of
from gmm._persistence.archive import (
    FORMAT,
    FORMAT_VERSION,
    build_object,
    item,
    load_object,
    load_state,
    mask,
    positive,
    save_state,
)
from gmm._persistence.metadata import describe, metadata_of, with_metadata
from gmm._persistence.places import Readable, Writable, replaceable, suffix_to_write, write_atomically

if TYPE_CHECKING:
    from gmm._persistence.posterior import posterior_from_state, posterior_to_state, prior_parameters
    from gmm._persistence.streams import stream_from_state, stream_to_state
    from gmm._persistence.values import (
        from_json_values,
        mixture_from_state,
        mixture_to_state,
        to_json_values,
        traces_from_state,
        traces_to_state,
    )

__all__ = [
    "FORMAT",
    "FORMAT_VERSION",
    "Readable",
    "Writable",
    "build_object",
    "describe",
    "from_json_values",
    "item",
    "load_object",
    "load_state",
    "mask",
    "metadata_of",
    "mixture_from_state",
    "mixture_to_state",
    "positive",
    "posterior_from_state",
    "posterior_to_state",
    "prior_parameters",
    "replaceable",
    "save_state",
    "stream_from_state",
    "stream_to_state",
    "suffix_to_write",
    "to_json_values",
    "traces_from_state",
    "traces_to_state",
    "with_metadata",
    "write_atomically",
]

_OF_ESTIMATORS = {
    "posterior": ("posterior_from_state", "posterior_to_state", "prior_parameters"),
    "streams": ("stream_from_state", "stream_to_state"),
    "values": (
        "from_json_values",
        "mixture_from_state",
        "mixture_to_state",
        "to_json_values",
        "traces_from_state",
        "traces_to_state",
    ),
}
__getattr__ = attributes_of(
    __name__, {name: f"{__name__}.{module}" for module, names in _OF_ESTIMATORS.items() for name in names}
)

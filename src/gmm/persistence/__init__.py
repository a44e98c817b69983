"""Saved models: a safe, versioned file of plain values, and nothing that can run code.

What the values mean is the business of the class that gives and takes them.
"""

from gmm.persistence.archive import FORMAT, FORMAT_VERSION, item, load_state, loaded, made, save_state
from gmm.persistence.places import Source, Target, write_whole
from gmm.persistence.values import loaded_traces, plain, restored, saved_traces

__all__ = [
    "FORMAT",
    "FORMAT_VERSION",
    "Source",
    "Target",
    "item",
    "load_state",
    "loaded",
    "loaded_traces",
    "made",
    "plain",
    "restored",
    "save_state",
    "saved_traces",
    "write_whole",
]

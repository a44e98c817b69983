"""What a file holds beside the numbers of a mixture: the parameters of an estimator, priors and traces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmm.inference import PassRecord, Refinement, Trace
from gmm.persistence.archive import Arrays, Header, item
from gmm.priors import NormalInverseWishart, parts

__all__ = ["loaded_traces", "plain", "restored", "saved_traces"]

_LARGEST = 1e300  # of a number in a header: one that a float can hold


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of the values that a header can hold: numbers, names, truths, None, and priors by their parts.

    Parameters
    ----------
    values : mapping of str to object
        Parameters of an estimator, say.

    Returns
    -------
    dict
        The values that are one thing, numpy's scalars as Python's.
    """
    kinds = (str, int, float, np.bool_, np.integer, np.floating, dict)
    named = {name: parts(value) if isinstance(value, NormalInverseWishart) else value for name, value in values.items()}
    held = {name: value for name, value in named.items() if value is None or isinstance(value, kinds)}
    return {name: value.item() if isinstance(value, np.generic) else value for name, value in held.items()}


def restored(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that `plain` was given: those that a header held by their parts are whole again."""
    return {name: NormalInverseWishart(**value) if isinstance(value, dict) else value for name, value in values.items()}


def saved_traces(best: Trace, traces: Sequence[Trace]) -> tuple[Header, Arrays]:
    """Traces for a file, `best` among them: what JSON holds, and arrays."""
    told, arrays = _saved(best)
    others = [_saved(trace) for trace in traces if trace is not best]
    if others:
        told["others"] = [other for other, _ in others]
    for number, (_, passes) in enumerate(others):
        arrays |= {f"{_of_other(number)}{name}": values for name, values in passes.items()}
    return told, arrays


def loaded_traces(header: Header, arrays: Arrays) -> tuple[Trace, tuple[Trace, ...]]:
    """The best trace and all of them, from what `saved_traces` made of them and other things beside that.

    Raises
    ------
    KeyError
        Something is missing.
    ValueError
        Something is no part of a trace, and which.
    """
    best = _loaded(header, arrays)
    others = [
        _loaded(item({"others": other}, "others", dict), arrays, _of_other(number))
        for number, other in enumerate(item({"others": []} | header, "others", list))
    ]
    return best, tuple(sorted([best, *others], key=lambda trace: trace.start))


def _of_other(number: int) -> str:
    """What the names of the arrays of a trace begin with that is not the best."""
    return f"others/{number}/"


def _saved(trace: Trace) -> tuple[Header, Arrays]:
    told: Header = {"reason": trace.reason, "converged": trace.converged, "start": trace.start}
    if trace.refinement is not None:
        told["refinement"] = asdict(trace.refinement)
    passes = np.array(trace.passes, dtype=np.float64).reshape(-1, 4)
    return told, {"passes": passes, "seconds": np.array(trace.seconds, dtype=np.float64)}


def _loaded(told: Header, arrays: Arrays, prefix: str = "") -> Trace:
    passes = _passes(arrays, prefix)
    seconds = arrays[f"{prefix}seconds"]
    if seconds.shape != (len(passes),) or not (seconds >= 0).all():
        raise ValueError(f"expected {len(passes)} times from 0 in '{prefix}seconds', got shape {seconds.shape}")
    start = item(told, "start", int)
    if start < 0:
        raise ValueError(f"expected the number of a start from 0 in 'start', got {start}")
    return Trace(
        passes,
        tuple(seconds.tolist()),
        item(told, "reason", str),
        item(told, "converged", bool),
        start,
        _refinement(item(told, "refinement", dict)) if "refinement" in told else None,
    )


def _passes(arrays: Arrays, prefix: str) -> tuple[PassRecord, ...]:
    if not prefix and "lower_bounds" in arrays:  # before there were objectives
        bounds = _table(arrays, "lower_bounds", ())
        return tuple(PassRecord(bound, bound) for bound in bounds.tolist())
    passes = _table(arrays, f"{prefix}passes", (4,))
    if not np.isin(passes[:, 3], (0, 1)).all():
        raise ValueError(f"expected 0 or 1 in the last column of '{prefix}passes', whether a pass was accepted")
    return tuple(PassRecord(a, b, c, bool(accepted)) for a, b, c, accepted in passes.tolist())


def _table(arrays: Arrays, name: str, row: tuple[int, ...]) -> NDArray[Any]:
    """An array of numbers, one `row` for each pass."""
    values = arrays[name]
    if values.ndim != 1 + len(row) or values.shape[1:] != row:
        raise ValueError(f"expected {('n', *row)} for the shape of {name!r}, got {values.shape}")
    if np.isnan(values).any():
        raise ValueError(f"expected numbers in {name!r}, got NaN at {tuple(np.argwhere(np.isnan(values))[0].tolist())}")
    return values.astype(np.float64)


def _refinement(saved: Header) -> Refinement:
    moves, passes = item(saved, "moves", list), saved["passes"]
    for move in moves:
        if not (isinstance(move, list) and len(move) == 3 and all(map(_is_number, move))):
            raise ValueError(
                f"expected two components and a gain for each of the 'moves' in its header, got {move!r:.60}"
            )
    if not _is_number(passes):
        raise ValueError(f"expected a number for 'passes' in its header, got {passes!r:.60}")
    told = tuple((int(dropped), int(split), float(gain)) for dropped, split, gain in moves)
    return Refinement(told, item(saved, "tried", int), float(passes))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _LARGEST

"""Where a fit keeps how far it has come, and continues: nowhere, or in a checkpoint."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from gmm import _fitting as fitting
from gmm._estimators.contract import Estimator
from gmm._rows.sources import Source
from gmm._validation.combinations import refuse
from gmm._validation.scalars import check_boolean
from gmm._values.priors import NormalInverseWishart, parts

_FREE = ("n_threads", "verbose", "verbose_interval", "warm_start")  # may be others when a fit continues


@contextmanager
def opened(
    estimator: Estimator,
    source: Source,
    settings: fitting.fit.FitSettings,
    seeds: tuple[int, ...],
    *,
    checkpoint: str | os.PathLike[str] | None,
    resume: bool,
) -> Iterator[fitting.progress.Journal]:
    """Open the journal of a fit, at its beginning or where it had come, which a file keeps; close it at the fit's end.

    Raises
    ------
    ValueError
        If the file is damaged or of another fit.
    OSError
        If the file cannot be written.
    """
    resume = check_boolean(resume, "resume")
    if checkpoint is None:
        if resume:
            raise ValueError("resume=True continues a fit from a file: expected its path as checkpoint, got None")
        yield fitting.progress.Journal(seeds)
        return
    refuse("warm_start of a fitted mixture", {"checkpoint": not seeds})
    from gmm._persistence.checkpoints import Checkpoint

    same = what_must_be_same(estimator, source)
    same |= {"a digest of the labels": source.known.fingerprint} if source.known else {}
    file = Checkpoint(checkpoint, same)
    before = None
    if resume:
        before = file.read(settings.problem(source), settings.n_components)
    else:
        file.check_place()
    journal = fitting.progress.Journal(seeds if before is None else before, file.keep)
    with file.during_work(lambda: file.write(journal.progress)):
        yield journal


def what_must_be_same(estimator: Estimator, source: Source) -> dict[str, Any]:
    """Return the facts about an estimator and its rows on which the bits of a fit depend, as JSON values."""
    rows = f"{source.n_rows} × {source.n_features} {source.dtype}"
    same = {"the estimator": type(estimator).__name__, "the shape of X": rows, "a digest of X": source.fingerprint[:16]}
    return same | {name: _described(value) for name, value in estimator.get_params().items() if name not in _FREE}


def _described(value: Any) -> Any:
    """Return a value that fits in JSON and differs where parameters do; generators count as one, for seeds are kept."""
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, NormalInverseWishart):
        return parts(value)
    if isinstance(value, Mapping):
        return {name: _described(each) for name, each in value.items()}
    if isinstance(value, np.random.RandomState | np.random.Generator):
        return "a generator"
    if callable(value):
        return getattr(value, "__qualname__", type(value).__name__)
    array = np.ascontiguousarray(value, dtype=np.float64)
    return f"an array of shape {array.shape}, {hashlib.blake2b(array.data, digest_size=8).hexdigest()}"

"""Where a search keeps how far it has come, and goes on: nowhere, or in a checkpoint.

The order of a search depends on its results alone. So it is made again, and what was kept is not solved again: each
cell counts what it asks for.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from gmm._estimators.keeping import what_must_be_same
from gmm._estimators.mixture import GaussianMixture
from gmm._passes.problem import Problem
from gmm._persistence import item
from gmm._persistence.checkpoints import SearchCheckpoint
from gmm._rows.sources import Source
from gmm._selection.cell import Solution, Solve
from gmm._validation.scalars import check_boolean
from gmm._values.parameters import MixtureParameters


@contextmanager
def search_file(
    template: GaussianMixture,
    source: Source,
    request: Mapping[str, Any],
    seed: int,
    *,
    checkpoint: str | os.PathLike[str] | None,
    resume: bool,
) -> Iterator[SearchCheckpoint | None]:
    """Open the file that keeps a search, if there is to be one; close it at the end of the search.

    Parameters
    ----------
    template : GaussianMixture
        With the parameters of all cells, and the random state as it was given.
    source : Source
    request : mapping of str to JSON values
        What else must be the same to go on.
    seed : int
        Of the search; the file's own if it goes on.
    checkpoint, resume
        As for `GaussianMixture.fit`.
    """
    resume = check_boolean(resume, "resume")
    if checkpoint is None:
        if resume:
            raise ValueError("resume=True continues a search from a file: expected its path as checkpoint, got None")
        yield None
        return
    file = SearchCheckpoint(checkpoint, what_must_be_same(template, source) | dict(request), seed)
    if resume:
        file.resume()
    else:
        file.check_place()
    with file.during_work(file.write):
        yield file


class KeptCell:
    """Results of one cell, kept in the order in which it asks for them."""

    def __init__(self, file: SearchCheckpoint, name: str, problem: Problem, n_components: int) -> None:
        self._file, self._name, self._of = file, name, (problem, n_components)
        self._asked = 0

    def __call__(self, solve: Solve, present: Solution | None, time_is_up: Callable[[], bool]) -> tuple[Solution, bool]:
        """Return what is kept, or what `solve` returns: a solution, which may be the present one, and an answer."""
        name, self._asked = f"{self._name}, {self._asked}", self._asked + 1
        entry = self._file.find(name, *self._of)
        if entry is None:
            solution, answer = solve()
            if not time_is_up():  # else it might have become better
                beside: dict[str, Any] = {"answer": bool(answer), "degenerate": solution.degenerate}
                beside["race_bound"] = repr(solution.race_bound)
                result = None if solution is present else replace(solution.result, state=None)
                self._file.add(name, beside, result)
            return solution, answer
        values, of_run = entry
        answer = item(values, "answer", bool)
        if of_run is None:
            assert present is not None  # it was kept
            return present, answer
        return Solution(of_run, item(values, "degenerate", int), float(item(values, "race_bound", str))), answer


def name_on_all_rows(begin: MixtureParameters) -> str:
    """Return the name of the run that finishes a cell on all rows, from there: an ended search begins elsewhere."""
    digest = hashlib.blake2b(b"".join(part.tobytes() for part in begin.as_estimate()[:-1]), digest_size=8).hexdigest()
    return f"{begin.n_components} {begin.model.name} on all rows, from {digest}"

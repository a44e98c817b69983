"""`Checkpoint`: a file of how far a fit has come, from which it continues with the same bits."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from math import prod
from threading import Lock
from time import perf_counter
from typing import Any, ClassVar, TypeVar, get_args

import numpy as np

from gmm import _persistence as archive
from gmm._exceptions import warn
from gmm._fitting.fit import FitProgress, Journal, MixtureFit, Stage
from gmm._fitting.split_merge import Refined, Tally
from gmm._kernel.mstep import QuasiNewtonState
from gmm._passes.problem import Problem
from gmm._passes.solver import SolverResult, Trace
from gmm._persistence import Arrays, Header, item
from gmm._persistence import values as states
from gmm._validation.given import check_numbers
from gmm._validation.scalars import check_boolean
from gmm._versions import __version__

T = TypeVar("T")

SECONDS = 5.0  # between two writings, at least …
_SHARE = 50  # … and times as long as a writing takes: 2 % of the fit


class _StateFile:
    """The file of one fit, or of one search.

    Parameters
    ----------
    path : str or os.PathLike
    same : mapping of str to JSON values
        What must be the same to continue, by the names that a message has for it.
    resume : bool
        Whether to continue what the file holds, if there is one. Otherwise it may replace nothing but a checkpoint.
    """

    _class: ClassVar[str]
    _what: ClassVar[str]

    def __init__(self, path: str | os.PathLike[str] | None, same: Mapping[str, Any], resume: bool) -> None:
        self._resume = check_boolean(resume, "resume")
        if resume and path is None:
            raise ValueError(
                f"resume=True continues a {self._what} from a file: expected its path as checkpoint, got None"
            )
        if not isinstance(path, str | os.PathLike):
            raise TypeError(f"expected a path or None for checkpoint, got {type(path).__name__}: {path!r:.60}")
        if not archive.replaceable(path):
            raise ValueError(f"expected a file for checkpoint, which is read again, got {os.fspath(path)!r}")
        self._path, self._name = path, archive.name_of_source(path)
        self._same = dict(same)
        self._next_write = 0.0
        self._failed = False

    def _begin(self, build: Callable[[Header, Arrays], T]) -> T | None:
        """Return what is built of the state in the file; None at the beginning.

        Raises
        ------
        ValueError
            If the file is not a checkpoint, is damaged, or is of something else; the message says what differs.
        """
        if not os.path.exists(self._path):
            return None
        if not self._resume:
            kind = None
            with suppress(ValueError):
                kind = archive.load_state(self._path)[0].get("class")
            if kind != self._class and os.path.getsize(self._path) > 0:
                raise ValueError(f"{self._name} is not a checkpoint: expected one, or a path without a file")
            return None
        header, arrays = archive.load_state(self._path)
        if header.get("class") != self._class:
            raise ValueError(
                f"{self._name} is not a checkpoint of a {self._what}: it holds {header.get('class')!r:.60}"
            )
        if header.get("gmm_version") != __version__:
            raise ValueError(
                f"{self._name} was written by version {header.get('gmm_version')!r:.60} of gmm, this is {__version__}, "
                f"which may give other bits: finish the {self._what} with that version, or start over"
            )
        before, state = archive.build_object(
            self._name, self._class, lambda h, _: (item(h, "fit", dict), item(h, "progress", dict)), header, arrays
        )
        differences = [
            f"{key} was {before.get(key)!r:.80} and is {self._same.get(key)!r:.80}"
            for key in {**before, **self._same}
            if before.get(key) != self._same.get(key)
        ]
        if differences:
            raise ValueError(f"{self._name} is a checkpoint of another {self._what}: {'; '.join(differences)}")
        if header.get("digest") != _digest(state, arrays):
            raise ValueError(f"{self._name} is damaged: its content has changed. Start the {self._what} anew")
        return archive.build_object(self._name, self._class, build, state, arrays)

    @contextmanager
    def during_work(self, write: Callable[[], object]) -> Iterator[None]:
        """Write before the work and after it; make Ctrl-C tell how to go on."""
        write()  # what keeps it from being written shows before the first pass
        try:
            yield
        except KeyboardInterrupt as interrupt:
            interrupt.add_note(f"the same {self._what} with resume=True goes on from {self._name}")
            raise
        self._keep(write, now=True)

    def _write(self, state: Header, arrays: Arrays) -> None:
        began = perf_counter()
        header = {"gmm_version": __version__, "class": self._class, "fit": self._same, "progress": state}
        header["digest"] = _digest(state, arrays)
        try:
            archive.save_state(self._path, header, arrays)
        finally:
            now = perf_counter()
            self._next_write = now + max(SECONDS, _SHARE * (now - began))

    def _keep(self, write: Callable[[], object], *, now: bool = False) -> None:
        """Write if it is time; warn once if that fails, since the fit is worth more."""
        if not now and perf_counter() < self._next_write:
            return
        try:
            write()
        except OSError as error:
            if not self._failed:
                warn(
                    f"The checkpoint {self._name} could not be written ({error.strerror}); the previous "
                    f"one is unchanged, and the {self._what} goes on.",
                    RuntimeWarning,
                )
            self._failed = True


class Checkpoint(_StateFile):
    """The file of one fit: how far it has come."""

    _class, _what = "Checkpoint", "fit"

    def begin(self, problem: Problem, n_components: int) -> FitProgress | None:
        """Return how far the fit had come, as `_begin`."""
        return self._begin(lambda header, arrays: _from_state(header, arrays, problem, n_components))

    def write(self, progress: FitProgress) -> None:
        """Replace the file, once the new one is complete.

        Raises
        ------
        OSError
            If it cannot be written; the file that was there stays.
        """
        self._write(*_to_state(progress))

    def keep(self, journal: Journal) -> None:
        """Write how far a fit has come, if it is time."""
        self._keep(lambda: self.write(journal.progress))


class SearchCheckpoint(_StateFile):
    """The file of one search: its seed, which the file tells, and results that its order of work leads to, by names."""

    _class, _what = "SearchCheckpoint", "search"

    def __init__(
        self, path: str | os.PathLike[str] | None, same: Mapping[str, Any], seed: int, *, resume: bool
    ) -> None:
        super().__init__(path, same, resume)
        self.seed, self._headers, self._arrays = seed, dict[str, Header](), dict[str, Arrays]()
        self._lock = Lock()  # cells are solved on several threads

        def build(header: Header, arrays: Arrays) -> None:
            self.seed, self._headers = item(header, "seed", int), item(header, "results", dict)
            self._arrays = archive.parts_of(arrays)

        self._begin(build)

    def find(self, name: str, problem: Problem, n_components: int) -> tuple[Header, SolverResult | None] | None:
        """Return what was added by this name; None if nothing was."""
        with self._lock:
            header, arrays = self._headers.get(name), self._arrays.get(name, {})
        if header is None:
            return None

        def build(header: Header, arrays: Arrays) -> tuple[Header, SolverResult | None]:
            result = _result_from_state(header, arrays, problem, n_components) if arrays else None
            return item(header, "beside", dict), result

        return archive.build_object(self._name, self._class, build, header, arrays)

    def add(self, name: str, beside: Header, result: SolverResult | None) -> None:
        """Keep a result, and what is beside it, by a name, which may have had another; write if it is time."""
        header, arrays = ({}, {}) if result is None else _result_to_state(result)
        with self._lock:
            self._headers[name], self._arrays[name] = header | {"beside": beside}, arrays
            self._keep(self.write)

    def write(self) -> None:
        """Replace the file, once the new one is complete.

        Raises
        ------
        OSError
            If it cannot be written; the file that was there stays.
        """
        self._write({"seed": self.seed, "results": self._headers}, archive.bundle(self._arrays))


def _digest(state: Header, arrays: Arrays) -> str:
    """Return a digest of what a checkpoint holds: no check of single values could tell that all belong together."""
    digest = hashlib.blake2b(json.dumps(state, sort_keys=True).encode(), digest_size=16)
    for name in sorted(arrays):
        values = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {values.dtype.str} {np.shape(arrays[name])}".encode())
        digest.update(values.data)
    return digest.hexdigest()


def _to_state(progress: FitProgress) -> tuple[Header, Arrays]:
    header: Header = {"seeds": list(progress.seeds), "stage": progress.stage}
    parts: dict[str, Arrays] = {}

    def add(name: str, result: SolverResult, traces: Sequence[Trace] = ()) -> Header:
        of_result, parts[name] = _result_to_state(result, traces)
        return of_result

    if (fit := progress.fit) is not None:
        header["fit"] = add("fit", fit.result, fit.traces) | {"starts_repaired": list(fit.repaired)}
    if progress.run is not None:
        header["run"] = add("run", progress.run)
    if progress.refined is not None:
        refined, tally = progress.refined, progress.refined.tally
        counted = {"failed": refined.failed, "runs": tally.runs, "tried": tally.tried, "all_passes": tally.passes}
        header["refined"] = add("refined", refined.best) | counted | {"moves": list(refined.moves)}
    return header, archive.bundle(parts)


def _from_state(header: Header, arrays: Arrays, problem: Problem, n_components: int) -> FitProgress:
    parts = archive.parts_of(arrays)

    def result(name: str) -> SolverResult:
        return _result_from_state(item(header, name, dict), parts[name], problem, n_components)

    stage, fit, refined = item(header, "stage", str), None, None
    if stage not in get_args(Stage):
        raise ValueError(f"expected a stage of a fit in its header, got {stage!r:.60}")
    if "fit" in header:
        best, (trace, traces) = result("fit"), states.traces_from_state(header["fit"], parts["fit"])
        traces = tuple(best.trace if each is trace else each for each in traces)
        fit = MixtureFit(best, _integers(header["fit"], "starts_repaired"), traces)
    if "refined" in header:
        saved = header["refined"]
        moves = tuple((int(dropped), int(split), float(gain)) for dropped, split, gain in item(saved, "moves", list))
        tally = Tally(item(saved, "runs", int), item(saved, "tried", int), item(saved, "all_passes", float))
        refined = Refined(result("refined"), moves, item(saved, "failed", int), tally)
    if stage != "starts" and fit is None:
        raise KeyError("fit")
    run, seeds = result("run") if "run" in header else None, _integers(header, "seeds")
    if not seeds:
        raise ValueError("expected at least one seed in 'seeds' in its header, got none")
    return FitProgress(seeds, stage, fit, run, refined)  # type: ignore[arg-type]


def _integers(header: Header, name: str) -> tuple[int, ...]:
    return tuple(item({name: value}, name, int) for value in item(header, name, list))


def _result_to_state(result: SolverResult, traces: Sequence[Trace] = ()) -> tuple[Header, Arrays]:
    header, arrays = states.traces_to_state(result.trace, traces)
    statistics = result.statistics
    header |= {
        "lower_bound": result.lower_bound,
        "repaired": list(result.repaired),
        "log_evidence": statistics.log_evidence,
        "weight": statistics.weight,
    }
    arrays |= dict(zip(_ESTIMATE, result.parameters.as_estimate(), strict=True))
    arrays["precision"] = statistics.precisions
    arrays |= states.statistics_to_arrays(statistics)
    if result.state is not None:
        _, (_, *settings), (scalars, arrays["state"]) = result.state.__reduce__()
        header["state"] = [*settings, scalars]
    return header, arrays


_ESTIMATE = ("weights", "means", "covariances", "whiteners", "log_determinants", "tails")


def _result_from_state(header: Header, arrays: Arrays, problem: Problem, K: int) -> SolverResult:
    """Rebuild a result; the shapes of its arrays are checked, as are those of the state by the compiled core."""
    model, d = problem.objective.model, problem.rows.n_features
    shapes = {"weights": (K,), "means": (K, d), "log_determinants": (1 if model.layout.pooled else K,)}
    shapes |= {"tails": (2, K), "precision": (2, K)}
    shapes |= dict.fromkeys(("covariances", "whiteners"), (prod(model.layout.shape(K, d)),))
    checked = {name: check_numbers(arrays[name], name, shape) for name, shape in shapes.items()}
    estimate: Any = tuple(checked[name] for name in _ESTIMATE)
    objective = problem.objective
    parameters = objective.prior.mixture(estimate, objective, problem.rows.survey.weight)
    evidence, weight = item(header, "log_evidence", float), item(header, "weight", float)
    statistics = states.statistics_from_arrays(arrays, model.layout, (K, d), evidence, weight)
    statistics = replace(statistics, precision=checked["precision"])
    trace, _ = states.traces_from_state(header, arrays)
    state = None
    if "state" in header:
        tolerance, confirm_stop, scalars = item(header, "state", list)
        state = QuasiNewtonState(problem.family(K), tolerance, confirm_stop)
        try:
            state.__setstate__((scalars, arrays["state"]))
        except OverflowError as error:
            raise ValueError(f"expected the numbers of a solver in 'state' in its header: {error}") from None
    bound, repaired = item(header, "lower_bound", float), _integers(header, "repaired")
    return SolverResult(parameters, statistics, bound, trace, repaired, state)

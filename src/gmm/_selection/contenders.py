"""The last stage of a search: the cells near the best are solved again and again, until nothing changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from gmm._selection.candidates import Starts
from gmm._selection.cell import Solution, Worker
from gmm._selection.engine import Engine
from gmm._selection.keys import Key

# A cell is settled once so many fresh starts have led to its solution again, or so many of them to nothing better.
_NEAR, _FARTHER = (3, 12), (1, 4)
_BATCH = 3  # fresh starts of a cell between two looks at the others
_HALFWAY = 2  # starts between solution and random partition behind each fresh one, until one of those finds it again
_MOST_ROUNDS = 20


@dataclass(frozen=True, eq=False)
class Attempts:
    """What became of starts that were made for a cell once its solution had been found.

    Parameters
    ----------
    solution : Solution
    n_fresh, n_again : int
        Fresh starts since this solution was found, and how many of them led to it again.
    n_starts : int
        Starts in all.
    """

    solution: Solution
    n_fresh: int = 0
    n_again: int = 0
    n_starts: int = 0

    def settled(self, again: int, fresh: int) -> bool:
        """Tell whether the solution was found `again`, or after `fresh` starts; a single component has one solution."""
        single = self.solution.parameters.n_components == 1
        return single or self.n_again >= again or self.n_fresh >= fresh

    def after(self, solution: Solution, *, fresh: bool, same: bool) -> Attempts:
        """Return what is known after one more start."""
        total = self.n_starts + 1
        if not same and solution is not self.solution:
            return Attempts(solution, n_starts=total)
        return Attempts(solution, self.n_fresh + fresh, self.n_again + (fresh and same), total)


class Contenders:
    """The cells whose criterion is near the best, and how often each was solved again.

    `scores` gives the criterion of all cells that count; up to a distance of `near` a cell contests the best, and up to
    twice that it may come to do so.
    """

    def __init__(self, engine: Engine, starts: Starts, scores: Callable[[], Mapping[Key, float]], near: float) -> None:
        self._engine = engine
        self._starts = starts
        self._scores = scores
        self._near = near
        self.attempts: dict[Key, Attempts] = {}

    def settle(self) -> None:
        """Solve contenders again until all are settled; what is new is refined, and the others begin from it."""
        for _ in range(_MOST_ROUNDS):
            worth = self._worth()
            open_keys = [key for key, enough in worth.items() if not self.of(key).settled(*enough)]
            results = self._engine.retry({key: partial(self._attempted, self.of(key), worth[key]) for key in open_keys})
            if not results:
                return
            self.attempts |= results
            changed = [key for key in results if self._engine.renew(key, results[key].solution)]
            if changed:
                self._engine.refine(changed)
                self._engine.exchange(list(worth))

    def of(self, key: Key) -> Attempts:
        """Return what is known of a cell's present solution."""
        attempts, solution = self.attempts.get(key), self._engine.outcomes[key]
        assert isinstance(solution, Solution)  # cells without one have no score
        if attempts is None:
            return Attempts(solution)
        return attempts if attempts.solution is solution else Attempts(solution, n_starts=attempts.n_starts)

    def fresh_attempts(self, key: Key) -> tuple[int, int]:
        """Return how many fresh starts a cell got once its solution had been found, and how many led to it again."""
        attempts = self.of(key)
        return attempts.n_fresh, attempts.n_again

    def _worth(self) -> dict[Key, tuple[int, int]]:
        """Return the contenders, each with what settles it."""
        scores = self._scores()
        least = min(scores.values(), default=0.0)
        behind = {key: score - least for key, score in scores.items()}
        return {key: _NEAR if by <= self._near else _FARTHER for key, by in behind.items() if by <= 2 * self._near}

    def _attempted(self, attempts: Attempts, enough: tuple[int, int], key: Key, worker: Worker) -> Attempts:
        cell, until = self._engine.cell(key), attempts.n_starts + _BATCH * (1 + _HALFWAY)
        while attempts.n_starts < until and not attempts.settled(*enough) and not cell.time_is_up():
            number, solution = attempts.n_starts, attempts.solution
            fresh = attempts.n_again > 0 or number % (1 + _HALFWAY) == 0
            if fresh:
                start = self._starts.fresh(cell.settings, number, worker.n_threads)
            else:
                start = self._starts.halfway(cell.moments(worker, solution), number, worker.n_threads)
            end, same = cell.retried(worker, start, solution)
            attempts = attempts.after(end, fresh=fresh, same=same)
        return attempts

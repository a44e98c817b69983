"""Reading ahead on a thread of its own, and `together`: tasks that read the same rows take turns over one reading."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, suppress
from queue import Empty, SimpleQueue
from threading import Thread, current_thread
from time import perf_counter
from typing import Any, NamedTuple, TypeVar

import numpy as np

from gmm._rows.sources import Chunk, Source, SourceView, chunks_in_order
from gmm._values.weights import joined

T = TypeVar("T")

# Seconds that a thread waits before it looks for Ctrl-C: on Windows a wait is not interrupted, and elsewhere a signal
# just before a wait is lost to it.
LOOK_UP = 0.2
_LAST_WAIT = 0.5


def item_of(queue: SimpleQueue[T]) -> T:
    """Wait for the next item; look for Ctrl-C meanwhile.

    The queue is C. `Queue` and `Semaphore` are Python code, whose lock Ctrl-C may leave taken.
    """
    while True:
        with suppress(Empty):
            return queue.get(timeout=LOOK_UP)


def read_ahead(items: Generator[T, None, None]) -> Generator[T, None, None]:
    """Yield the items: one is used, one waits and one is being made at a time.

    An exception of `items` is raised here. If the caller stops early, the thread ends with the item that it is making,
    and is not waited for longer than half a second.
    """
    ready: SimpleQueue[tuple[T] | BaseException | None] = SimpleQueue()
    places: SimpleQueue[None] = SimpleQueue()  # for items that wait
    is_stopped = False

    def read() -> None:
        try:
            with closing(items):
                for item in items:
                    places.get()
                    if is_stopped:
                        return
                    ready.put((item,))
        except BaseException as error:
            ready.put(error)  # in no variable of this frame, which the error holds
        else:
            ready.put(None)

    thread = Thread(target=read, name="gmm-reader", daemon=True)
    try:
        try:
            thread.start()  # Ctrl-C may come while it waits for the thread to begin
        except RuntimeError:  # there is no memory for it
            yield from items
            return
        places.put(None)
        while True:
            came = item_of(ready)
            places.put(None)
            if isinstance(came, BaseException):
                try:
                    raise came
                finally:
                    del came  # it knows this frame, and all would live until the next collection
            if came is None:
                return
            yield came[0]
    finally:
        is_stopped = True
        places.put(None)  # a thread that waits for a place goes on, and sees that it is to stop
        if thread is not current_thread() and thread.is_alive():  # which the collector may run on
            thread.join(_LAST_WAIT)


_CANCELLED = -1


class Ended(NamedTuple):
    """What a task returned, and the seconds of its turns, without the readings."""

    result: Any
    seconds: float


def together(
    source: Source,
    tasks: Sequence[Callable[[Source], Any]],
    is_up: Callable[[], bool],
    between: Callable[[], object] = lambda: None,
) -> list[Ended | None]:
    """Run tasks over one source, of which one goes on at a time, so that each may use all threads.

    A task sees the rows as it would alone, with the same bits. It waits where it asks for them, and a reading begins
    when all wait: there are as many as in the longest task.

    Parameters
    ----------
    source : Source
    tasks : sequence of callable
        Each is called with a source of the same rows.
    is_up : callable
        Tells whether the time is up: then only the first task goes on.
    between : callable, optional
        Called before each reading, while all tasks wait; never if the source serves no rows.

    Returns
    -------
    list of Ended
        One for each task; None if it did not come to its end.
    """
    if not source.is_local:
        ends: list[Ended | None] = []
        for task in tasks:
            began = perf_counter()
            ends.append(None if ends and is_up() else Ended(task(source), perf_counter() - began))
        return ends
    subscribers: list[_Subscriber] = []
    try:
        for task in tasks:
            subscribers.append(_Subscriber(source, task))
            if len(subscribers) == 1 or not is_up():
                subscribers[-1].resume()
            else:
                subscribers[-1].cancel()
        while waiting := [subscriber for subscriber in subscribers if subscriber.wanted != _CANCELLED]:
            between()
            with closing(chunks_in_order(source.read, 1)) as chunks:
                for chunk in chunks:
                    for subscriber in waiting:
                        if subscriber is not subscribers[0] and is_up():
                            subscriber.cancel()
                        elif subscriber.wanted == chunk.first:
                            subscriber.resume(chunk)
            for subscriber in waiting:
                if subscriber.wanted == source.n_rows:
                    subscriber.resume()
    finally:
        for subscriber in subscribers:
            subscriber.let_go()  # all, as Ctrl-C may come again while one is waited for
        for subscriber in subscribers:
            subscriber.cancel()
    return [
        Ended(subscriber.result, subscriber.seconds) if subscriber.has_ended else None for subscriber in subscribers
    ]


class _LetGo(BaseException):
    """Ends a task that nobody waits for."""


class _Subscriber:
    """A task on a thread of its own, which goes on when it is told to.

    `wanted` is the number of the row that it waits for: 0 for that of a new reading.
    """

    def __init__(self, source: Source, task: Callable[[Source], Any]) -> None:
        self._task, self._source = task, source
        self._turns: SimpleQueue[Chunk | None] = SimpleQueue()
        self._rests: SimpleQueue[None] = SimpleQueue()
        self._is_cancelled = False
        self._errors: list[BaseException] = []
        self.wanted, self.seconds = 0, 0.0
        self.has_ended, self.result = False, None
        self._thread = Thread(target=self._work, name="gmm-task", daemon=True)

    def resume(self, chunk: Chunk | None = None) -> None:
        """Let the task go on, with rows or without, until it waits again or ends."""
        began = perf_counter()
        if self._thread.ident is None:
            self._thread.start()  # Ctrl-C may come while it waits for the thread to begin
        self._turns.put(chunk)
        item_of(self._rests)
        self.seconds += perf_counter() - began
        if self._errors:
            raise self._errors.pop()

    def let_go(self) -> None:
        """Tell the task to end where it waits."""
        self._is_cancelled, self.wanted = True, _CANCELLED
        self._turns.put(None)

    def cancel(self) -> None:
        """End the task where it waits; where it computes, wait for it no longer than half a second."""
        self.let_go()
        if self._thread.is_alive():
            self._thread.join(_LAST_WAIT)

    def _served(self) -> Iterator[Chunk]:
        self.wanted = 0
        while True:
            self._rests.put(None)
            chunk = self._turns.get()
            if self._is_cancelled:
                raise _LetGo
            if chunk is None:
                return
            self.wanted = chunk.first + len(chunk.rows)
            yield chunk

    def _work(self) -> None:
        self._turns.get()
        base = self._source.read
        view = SourceView(base, lambda lane_rows: _in_whole_lanes(self._served(), lane_rows), survey=base.survey)
        try:
            if not self._is_cancelled:
                self.result = self._task(self._source.with_reader(view))
                self.has_ended = True
        except _LetGo:
            pass
        except BaseException as error:
            self._errors.append(error)
        self.wanted = _CANCELLED
        self._rests.put(None)


def _in_whole_lanes(chunks: Iterator[Chunk], lane_rows: int) -> Iterator[Chunk]:
    """Yield the same rows in whole lanes: parts of chunks as they are, and copies of what lies across two."""
    begun: Chunk | None = None
    for chunk in chunks:
        rest = chunk
        if begun is not None:
            missing = lane_rows - len(begun.rows)
            begun, rest = _joined(begun, rest.part(0, missing)), rest.part(missing, len(rest.rows))
            if len(begun.rows) < lane_rows:
                continue
            yield begun
        whole = len(rest.rows) // lane_rows * lane_rows
        if whole:
            yield rest.part(0, whole)
        last = rest.part(whole, len(rest.rows))
        begun = last._replace(rows=last.rows.copy()) if len(last.rows) else None
    if begun is not None:
        yield begun


def _joined(one: Chunk, other: Chunk) -> Chunk:
    weights = joined([one.sample_weight, other.sample_weight])
    return Chunk(one.first, np.concatenate([one.rows, other.rows]), weights)

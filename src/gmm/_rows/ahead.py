"""`read_ahead`: items that are made on a thread of their own, ahead of their use."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing, suppress
from queue import Empty, SimpleQueue
from threading import Thread, current_thread
from typing import TypeVar

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
        coming: Iterator[tuple[T] | BaseException] = iter(lambda: item_of(ready), None)
        for came in coming:
            places.put(None)
            if isinstance(came, BaseException):
                try:
                    raise came
                finally:
                    del came  # it knows this frame, and all would live until the next collection
            yield came[0]
    finally:
        is_stopped = True
        places.put(None)  # a thread that waits for a place goes on, and sees that it is to stop
        if thread is not current_thread() and thread.is_alive():  # which the collector may run on
            thread.join(_LAST_WAIT)

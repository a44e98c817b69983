"""Reading ahead: the next item is made on a thread of its own while the last one is used."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing, suppress
from queue import Empty, Queue
from threading import Event, Thread
from typing import TypeVar

T = TypeVar("T")

# Seconds that a thread waits before it looks for Ctrl-C: on Windows a wait is not interrupted, and elsewhere a signal
# just before a wait is lost to it.
LOOK_UP = 0.2
_LAST_ITEM = 0.5


def read_ahead(items: Generator[T, None, None]) -> Iterator[T]:
    """Yield the items: one is used, one waits and one is being made at a time.

    An exception of `items` is raised here. If the caller stops early, the thread ends with the item that it is making,
    and is not waited for longer than half a second.
    """
    ready: Queue[tuple[T] | BaseException | None] = Queue(maxsize=1)
    stopped = Event()

    def read() -> None:
        end: BaseException | None = None
        try:
            with closing(items):
                for item in items:
                    ready.put((item,))
                    if stopped.is_set():
                        return
        except BaseException as error:
            end = error
        ready.put(end)

    thread = Thread(target=read, name="gmm-reader", daemon=True)
    try:
        thread.start()  # Ctrl-C may come while it waits for the thread to begin
        while True:
            try:
                came = ready.get(timeout=LOOK_UP)
            except Empty:
                continue
            if isinstance(came, BaseException):
                try:
                    raise came
                finally:
                    del came  # it knows this frame, and all would live until the next collection
            if came is None:
                return
            yield came[0]
    finally:
        stopped.set()
        with suppress(Empty):  # a thread that waits to hand something over goes on, and sees that it is to stop
            ready.get_nowait()
        if thread.is_alive():
            thread.join(_LAST_ITEM)

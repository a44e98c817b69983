"""`cached_property`: attributes that are computed when they are first asked for, without a lock."""

from __future__ import annotations

import functools
from typing import Any, TypeVar

T = TypeVar("T")


class cached_property(functools.cached_property[T]):  # noqa: N801  used as a decorator
    """`functools.cached_property` without the lock of Python 3.11, which all objects of a class share.

    Its holder may wait for a thread that asks another object, and a fork leaves it locked for ever. Threads that ask at
    once compute side by side, and all get the value of the first to finish.
    """

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """Compute the value, and keep it in the object."""
        if instance is None:
            return self
        return vars(instance).setdefault(self.attrname, self.func(instance))

"""Public names say that they belong to the package, not to the module that defines them.

Pickles and the documentation carry that place, so a definition may move from one module to another; errors of a call
name the method of the class that was called.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterable
from importlib import import_module
from types import FunctionType
from typing import Any, get_type_hints


def publish(package: str, values: Iterable[Any]) -> None:
    """Set `__module__` of the classes and functions among a package's public `values` to the package."""

    def reduced(self: object, protocol: Any) -> Any:
        """Pickle as any object, once the package is imported: cloudpickle only looks for it."""
        import_module(package)
        return object.__reduce_ex__(self, protocol)

    for value in values:
        if isinstance(value, type):
            own = inspect.get_annotations(value)
            if own:  # strings, which are evaluated in the module that the class names: so before that changes
                hints = get_type_hints(value, include_extras=True)
                value.__annotations__ = {field: hints[field] for field in own}
            _own_methods(value, package)
            value.__reduce_ex__ = reduced  # type: ignore[method-assign, assignment]
        if callable(value):
            value.__module__ = package


def _own_methods(cls: type, package: str) -> None:
    """Give a class functions of its own for its public methods, which errors and pickles then call by its name.

    Methods of classes of other packages stay theirs.
    """
    for name in filter(lambda name: not name.startswith("_"), dir(cls)):
        method, place = inspect.getattr_static(cls, name), f"{cls.__qualname__}.{name}"
        function = method.__func__ if isinstance(method, classmethod | staticmethod) else method
        ours = isinstance(function, FunctionType) and function.__module__.startswith("gmm")
        if ours and function.__qualname__ != place:
            own = FunctionType(function.__code__, function.__globals__, name, None, function.__closure__)
            functools.update_wrapper(own, function, (*functools.WRAPPER_ASSIGNMENTS, "__defaults__", "__kwdefaults__"))
            vars(own).pop("__wrapped__")
            own.__qualname__, own.__module__ = place, package
            setattr(cls, name, own if function is method else type(method)(own))

"""Public names say that they belong to the package, not to the module that defines them.

Pickles and the documentation carry that place, so a definition may move from one module to another.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any, get_type_hints


def publish(package: str, values: Iterable[Any]) -> None:
    """Set `__module__` of the classes and functions among a package's public `values` to the package."""
    for value in values:
        if isinstance(value, type):
            own = inspect.get_annotations(value)
            if own:  # strings, which are evaluated in the module that the class names: so before that changes
                hints = get_type_hints(value, include_extras=True)
                value.__annotations__ = {field: hints[field] for field in own}
        if callable(value):
            value.__module__ = package

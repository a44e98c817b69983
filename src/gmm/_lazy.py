"""Names and modules of a package that are imported at their first use (PEP 562)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Any, SupportsIndex


def attributes_of(
    package: str, modules: Collection[str], homes: Mapping[str, str] = MappingProxyType({})
) -> Callable[[str], Any]:
    """Return the `__getattr__` of a package, which finds its modules, and names in their `homes`, modules below it."""

    def attribute(name: str) -> Any:
        if name in homes:
            value = getattr(import_module(f"{package}.{homes[name]}"), name)
            setattr(sys.modules[package], name, value)
            return value
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return import_module(f"{package}.{name}")

    return attribute


def reduced_at_home(self: object, protocol: SupportsIndex) -> str | tuple[Any, ...]:
    """Pickle an object after importing the public module that its class names: cloudpickle does not import it.

    This is the `__reduce_ex__` of results whose public module is not `gmm`, for programs that import only `gmm`.
    """
    import_module(type(self).__module__)
    return object.__reduce_ex__(self, protocol)

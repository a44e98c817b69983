"""What is made when first asked for: names and modules of a package (PEP 562)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Any, SupportsIndex


def attributes_of(
    package: str, modules: Collection[str], homes: Mapping[str, str] = MappingProxyType({})
) -> Callable[[str], Any]:
    """Return the `__getattr__` of a package: a name is one of its modules, or in its home, a module below `package`."""

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
    """Pickle as any object, once the module that its class names is imported: cloudpickle only looks for it.

    It is the `__reduce_ex__` of what a program gets that has imported `gmm` alone, and whose public module is another.
    """
    import_module(type(self).__module__)
    return object.__reduce_ex__(self, protocol)

"""One fit: starts, solver runs from the promising ones, split–merge moves, and the best result.

Estimators import it when they are fitted: who scores rows with a saved mixture does without.
"""

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gmm._fitting import fit, incomplete, moments, noisy, progress, sampling, screening, seeds, starts

__all__ = ["fit", "incomplete", "moments", "noisy", "progress", "sampling", "screening", "seeds", "starts"]


def __getattr__(name: str) -> ModuleType:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return import_module(f"{__name__}.{name}")

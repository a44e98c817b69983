"""One fit: starts, solver runs from the promising ones, split–merge moves, and the best result.

Estimators import it when they are fitted: who scores rows with a saved mixture does without.
"""

from typing import TYPE_CHECKING

from gmm._lazy import attributes_of

if TYPE_CHECKING:
    from gmm._fitting import (
        degenerate,
        fit,
        incomplete,
        moments,
        noisy,
        progress,
        sampling,
        screening,
        seeds,
        starts,
        trimming,
    )

__all__ = [
    "degenerate",
    "fit",
    "incomplete",
    "moments",
    "noisy",
    "progress",
    "sampling",
    "screening",
    "seeds",
    "starts",
    "trimming",
]

__getattr__ = attributes_of(__name__, {name: f"{__name__}.{name}" for name in __all__})

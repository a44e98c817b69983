"""One fit: starts, solver runs from the promising ones, split–merge moves, and the best result.

Estimators import it when they are fitted; scoring rows with a saved mixture does not need it.
"""

from typing import TYPE_CHECKING

from gmm._lazy import attributes_of

if TYPE_CHECKING:
    from gmm._fitting import degenerate, fit, moments, sampling, starts  # noqa: F401

__getattr__ = attributes_of(__name__, ("degenerate", "fit", "moments", "sampling", "starts"))

"""How to climb: the E-step over rows, the EM loop, and when to stop. Nothing here knows a covariance model."""

from gmm.inference.e_step import CENTRED_DOUBLE, EStep, Partition, RowResults, Shapes
from gmm.inference.em import Climb, Iteration, em
from gmm.inference.split_merge import Ground, Watch, refined
from gmm.inference.stopping import GainBelow, Stopping
from gmm.inference.trace import Refinement, Trace

__all__ = [
    "CENTRED_DOUBLE",
    "Climb",
    "EStep",
    "GainBelow",
    "Ground",
    "Iteration",
    "Partition",
    "Refinement",
    "RowResults",
    "Shapes",
    "Stopping",
    "Trace",
    "Watch",
    "em",
    "refined",
]

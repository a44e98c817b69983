"""How to climb: passes over rows, textbook EM and the accelerated climb. Nothing here knows a covariance model."""

from gmm.inference.climb import Climb, Climber, Iteration, Way, climb
from gmm.inference.e_step import CENTRED_DOUBLE, EStep, Partition, RowResults, Shapes
from gmm.inference.em import BurstFunction, EStepFunction, TextbookEM
from gmm.inference.quasi_newton import QuasiNewton
from gmm.inference.split_merge import OFFSET, Ground, Watch, drop_losses, refined, split_gains, without
from gmm.inference.stopping import GainBelow, Stopping
from gmm.inference.trace import PassRecord, Refinement, Trace

__all__ = [
    "CENTRED_DOUBLE",
    "OFFSET",
    "BurstFunction",
    "Climb",
    "Climber",
    "EStep",
    "EStepFunction",
    "GainBelow",
    "Ground",
    "Iteration",
    "Partition",
    "PassRecord",
    "QuasiNewton",
    "Refinement",
    "RowResults",
    "Shapes",
    "Stopping",
    "TextbookEM",
    "Trace",
    "Watch",
    "Way",
    "climb",
    "drop_losses",
    "refined",
    "split_gains",
    "without",
]

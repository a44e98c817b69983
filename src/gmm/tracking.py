"""Objects that frames of rows show, each with an identity that lasts from one frame to the next."""

from gmm._uses.tracking import Tracker, Tracks

__all__ = ["Tracker", "Tracks"]

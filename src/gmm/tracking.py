"""Objects in frames of rows, each with an identity that lasts from frame to frame."""

from gmm._uses.tracking import Tracker, Tracks

__all__ = ["Tracker", "Tracks"]

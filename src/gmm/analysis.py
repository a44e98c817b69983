"""What a fitted mixture says about rows: clusters, overlap, directions, anomalies, and few new rows for it."""

from gmm.uses.adaptation import adapt, fisher_vector
from gmm.uses.anomalies import AnomalyThreshold, anomaly_threshold
from gmm.uses.combining import CombinedComponents, combine_components
from gmm.uses.directions import Directions, directions
from gmm.uses.overlap import column_overlap, overlap

__all__ = [
    "AnomalyThreshold",
    "CombinedComponents",
    "Directions",
    "adapt",
    "anomaly_threshold",
    "column_overlap",
    "combine_components",
    "directions",
    "fisher_vector",
    "overlap",
]

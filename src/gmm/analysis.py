"""What a fitted mixture says about rows: clusters, overlap, directions, anomalies, and few new rows for it."""

from gmm._uses.adaptation import adapt, fisher_vector
from gmm._uses.anomalies import AnomalyThreshold, anomaly_threshold
from gmm._uses.combining import CombinedComponents, combine_components
from gmm._uses.directions import Directions, directions
from gmm._uses.distances import Distance, distance, match
from gmm._uses.overlap import column_overlap, overlap
from gmm._uses.reduction import reduce

__all__ = [
    "AnomalyThreshold",
    "CombinedComponents",
    "Directions",
    "Distance",
    "adapt",
    "anomaly_threshold",
    "column_overlap",
    "combine_components",
    "directions",
    "distance",
    "fisher_vector",
    "match",
    "overlap",
    "reduce",
]

"""Uses of fitted mixtures: clusters, directions, anomalies, drift, true values, few rows, mixtures beside others."""

from gmm._estimators.mixture_summary import MixtureSummary
from gmm._selection.class_summary import ClassifierSummary
from gmm._uses.adaptation import adapt, fisher_vector
from gmm._uses.anomalies import AnomalyThreshold, anomaly_threshold, outliers
from gmm._uses.combining import CombinedComponents, combine_components
from gmm._uses.directions import Directions, directions
from gmm._uses.distances import Distance, distance, match
from gmm._uses.drift import Drift, drift
from gmm._uses.overlap import ColumnOverlap, column_overlap, overlap
from gmm._uses.reduction import reduce
from gmm._uses.true_values import TrueValues, true_values

__all__ = [
    "AnomalyThreshold",
    "ClassifierSummary",
    "ColumnOverlap",
    "CombinedComponents",
    "Directions",
    "Distance",
    "Drift",
    "MixtureSummary",
    "TrueValues",
    "adapt",
    "anomaly_threshold",
    "column_overlap",
    "combine_components",
    "directions",
    "distance",
    "drift",
    "fisher_vector",
    "match",
    "outliers",
    "overlap",
    "reduce",
    "true_values",
]

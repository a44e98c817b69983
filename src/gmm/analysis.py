"""Uses of fitted mixtures: clusters, directions, anomalies, drift, true values, few rows, comparison of mixtures.

Also the tables that results print, and what a search remarks.
"""

from gmm._estimators.summary import MixtureSummary
from gmm._selection.classifier import ClassifierSummary
from gmm._selection.result import Remarks
from gmm._text.table import Cell, Column, Table
from gmm._uses.adaptation import adapt, fisher_vector
from gmm._uses.anomalies import AnomalyThreshold, Drift, anomaly_threshold, drift
from gmm._uses.directions import Directions, directions
from gmm._uses.distances import Distance, distance, match
from gmm._uses.overlap import ColumnOverlap, CombinedComponents, column_overlap, combine_components, overlap
from gmm._uses.true_values import TrueValues, true_values

__all__ = [
    "AnomalyThreshold",
    "Cell",
    "ClassifierSummary",
    "Column",
    "ColumnOverlap",
    "CombinedComponents",
    "Directions",
    "Distance",
    "Drift",
    "MixtureSummary",
    "Remarks",
    "Table",
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
    "overlap",
    "true_values",
]

"""The metrics in which starts compare rows: the data's own units, and those of their covariance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gmm.layouts import DIAGONAL, SPHERICAL, TIED, Array, Layout
from gmm.sources import ArraySource
from gmm.whitened import WhitenedMixture

# Measured on 200k × 8 and × 16 and 50k × 64 (`python -m benchmarks kmeans`), among 1e-6 … 0.1: to whiten directions of
# little variance in full is to look at their noise.
_SHRINKAGE = 0.03  # of the total variance, added to each variance once every feature is brought to variance 1
# Features up to which diagonal and spherical models look at the sample in units of its whole covariance, too. It costs
# n·d² and d³, far more on wide tables than all their passes. In units of each feature's own instead, fits of ten real
# data sets by six types lose 0.014 (wine, diag) and 0.19 nats per row (breast cancer, EVI), and gain less on others.
_WHOLE_METRIC = 64


@dataclass(frozen=True, eq=False)
class Metric:
    """How far rows are from each other: ‖W (x − y)‖.

    `whitener` is W as `layout` stores it for one component.
    """

    layout: Layout
    whitener: Array

    def about(self, centres: Array) -> WhitenedMixture:
        """The mixture whose likeliest component is the nearest of `centres`, (K, d)."""
        K = len(centres)
        whiteners = self.whitener if self.layout.pooled else np.repeat(self.whitener, K, axis=0)
        return WhitenedMixture(self.layout, np.zeros(K), centres, whiteners)


OWN_UNITS = Metric(SPHERICAL, np.ones(1))


@dataclass(frozen=True, eq=False)
class View:
    """A sample about its centre in the coordinates of a metric: `rows` are W (x − centre)."""

    rows: ArraySource
    metric: Metric

    def in_own_units(self, rows: Array) -> Array:
        """Rows (m, d) of its coordinates as differences from the sample's centre."""
        return self.metric.layout.coloured(self.metric.whitener, 0, rows)


def views_of(sample: ArraySource, moments: Layout) -> tuple[View, View]:
    """The sample in its own units, and in those of its covariance.

    Of many features, models whose moments are variances alone know no others: the second view is then in units of each
    feature's standard deviation.
    """
    rows, weight = sample.rows - sample.survey.centre, sample.sample_weight
    weighted = rows if weight is None else rows * weight[:, None]
    if moments.axis_aligned and sample.n_features > _WHOLE_METRIC:
        variances = np.einsum("ij,ij->j", weighted, rows) / sample.survey.weight
        variances[variances == 0] = 1
        metric = Metric(DIAGONAL, 1 / np.sqrt(variances)[None])
    else:
        metric = _shrunk(weighted.T @ rows / sample.survey.weight)
    seen = metric.layout.whitened(metric.whitener, 0, rows)
    return View(ArraySource(rows, weight), OWN_UNITS), View(ArraySource(seen, weight), metric)


def _shrunk(covariance: Array) -> Metric:
    """The metric of a covariance (d, d), which is used up, shrunk towards its diagonal."""
    d = len(covariance)
    variances = covariance.ravel()[:: d + 1]
    variances *= 1 + d * _SHRINKAGE
    variances[variances == 0] = 1
    return Metric(TIED, TIED.whiten(covariance, d)[0])

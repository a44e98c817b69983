"""Metrics in which starts compare rows: the data's own units, and the units of their covariance."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gmm._rows.sources import ArraySource
from gmm._values.layouts import DIAGONAL, SPHERICAL, TIED, Array, Layout
from gmm._values.whitened import WhitenedMixture

# Measured on 200k × 8 and × 16 and 50k × 64 (`python -m benchmarks kmeans`), among 1e-6 … 0.1: without shrinkage,
# directions of little variance add only noise.
_SHRINKAGE = 0.03  # of the total variance, added to each variance once every feature is brought to variance 1
# Features up to which starts of diagonal and spherical models also use the metric of the whole covariance. It costs
# n·d² and d³, far more on wide tables than all their passes. With each feature's own variance instead, fits of ten real
# data sets by six types lose 0.014 (wine, diag) and 0.19 nats per row (breast cancer, EVI), and gain less on others.
_WHOLE_METRIC = 64
_LEAST_DEVIATION = 1e-50  # of a feature's reach: squares of rows in its units are then finite


class Metric(NamedTuple):
    """A distance between rows, ‖W (x − y)‖.

    `whitener` is W as `layout` stores it for one component.
    """

    layout: Layout
    whitener: Array

    def about(self, centres: Array) -> WhitenedMixture:
        """Return the mixture whose most probable component is the nearest of `centres`, (K, d)."""
        K = len(centres)
        whiteners = self.whitener if self.layout.pooled else np.repeat(self.whitener, K, axis=0)
        return WhitenedMixture(self.layout, np.zeros(K), centres, whiteners)


OWN_UNITS = Metric(SPHERICAL, np.ones(1))


class View(NamedTuple):
    """A sample in the coordinates of a metric, about its centre: `rows` are W (x − centre)."""

    rows: ArraySource
    metric: Metric

    def in_own_units(self, rows: Array) -> Array:
        """Convert rows (m, d) of these coordinates to differences from the sample's centre."""
        return self.metric.layout.coloured(self.metric.whitener, 0, rows)


def views_of(sample: ArraySource, moments: Layout, *, deviations: ArraySource | None = None) -> tuple[View, View]:
    """Return the sample in its own units, and in the units of its covariance.

    For models of variances alone and many features, the second view is in units of each feature's standard deviation.
    The covariance is that of `deviations`, if they are given.
    """
    own = ArraySource(sample.rows - sample.survey.centre, sample.sample_weight)
    spread = own if deviations is None else deviations
    z, weighted, total = spread.rows, spread.weighed(spread.rows), (deviations or sample).survey.weight
    least = (_LEAST_DEVIATION * sample.survey.reach(sample.survey.centre)) ** 2
    if moments.axis_aligned and sample.n_features > _WHOLE_METRIC:
        variances = _positive(np.einsum("ij,ij->j", weighted, z) / total, least)
        metric = Metric(DIAGONAL, 1 / np.sqrt(variances)[None])
    else:
        metric = _shrunk(weighted.T @ z / total, least)
    white = ArraySource(metric.layout.whitened(metric.whitener, 0, own.rows), own.sample_weight)
    return View(own, OWN_UNITS), View(white, metric)


def _positive(variances: Array, least: Array) -> Array:
    """Return variances (d,) that rows can be divided by; that of a constant feature is 1."""
    return np.where(variances > 0, np.maximum(variances, least), 1)


def _shrunk(covariance: Array, least: Array) -> Metric:
    """Return the metric of a covariance (d, d), which is overwritten, shrunk towards its diagonal."""
    d = len(covariance)
    variances = covariance.ravel()[:: d + 1]
    variances[:] = _positive(variances * (1 + d * _SHRINKAGE), least)
    return Metric(TIED, TIED.whiten(covariance, d)[0])

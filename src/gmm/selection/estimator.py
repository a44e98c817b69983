"""`GaussianMixtureSearch`: the search as an estimator, for pipelines."""

from __future__ import annotations


class GaussianMixtureSearch: ...

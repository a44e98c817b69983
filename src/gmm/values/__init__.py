"""Immutable values: mixtures, statistics, priors, covariance models, and how matrices are stored."""

"""Immutable values: mixtures, sufficient statistics, priors, covariance models and matrix layouts."""

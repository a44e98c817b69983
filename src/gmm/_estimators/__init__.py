"""The estimator `GaussianMixture`, its base classes, scores, criteria and printed summaries."""

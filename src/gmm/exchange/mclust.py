"""Mixtures as JSON in the terms of mclust, for R, and back."""

from gmm._exchange.mclust import from_json, to_json

__all__ = ["from_json", "to_json"]

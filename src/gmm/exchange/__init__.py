"""Fitted mixtures to and from other software, with a module for each, which imports its packages only when used."""

from gmm.exchange import mclust, onnx, sklearn

__all__ = ["mclust", "onnx", "sklearn"]

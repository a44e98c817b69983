"""Fitted mixtures for other software and from it, a module for each; its packages are imported only when asked for."""

from gmm.exchange import mclust, onnx, sklearn

__all__ = ["mclust", "onnx", "sklearn"]

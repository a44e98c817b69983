"""Fitted mixtures as ONNX models, for runtimes without Python."""

from gmm._exchange.onnx import to_onnx

__all__ = ["to_onnx"]

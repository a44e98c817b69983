"""Fitted mixtures as ONNX models, for runtimes without Python."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmm._estimators.attributes import fitted_parameters
from gmm._estimators.bayesian import BayesianGaussianMixture
from gmm._estimators.contract import given_names
from gmm._estimators.mixture import GaussianMixture
from gmm._frozen_mixture import FrozenMixture
from gmm._persistence import Writable, write_to
from gmm._validation.combinations import check_compatible
from gmm._validation.scalars import check_choice
from gmm._values.layouts import Array, layout_with_code
from gmm._values.whitened import WhitenedMixture
from gmm._versions import __version__, imported

__all__ = ["to_onnx"]

_OPSET = 13  # the first whose Softmax normalises only one axis; later versions compute the same
_IR_VERSION = 7  # of that opset: a runtime rejects newer versions
_FLOATS = ("float32", "float64")


def to_onnx(
    model: GaussianMixture | BayesianGaussianMixture | FrozenMixture,
    file: Writable,
    *,
    dtype: str = "float32",
    arithmetic: str = "float64",
) -> None:
    """Write a fitted mixture as an ONNX model, for runtimes without Python.

    Its input ``X`` is (n, d), its outputs are ``label`` (n,), ``probabilities`` (n, K) and ``log_likelihood``
    (n,): the results of `predict`, `predict_proba` and `score_samples`, noise included. The operators are those of
    opset 13. Components farther from a row than 1e154 standard deviations (1e19 in float32 arithmetic) are equally far;
    an estimator still finds the nearest.

    Parameters
    ----------
    model : GaussianMixture, BayesianGaussianMixture or FrozenMixture
        A fitted mixture.
    file : str, os.PathLike or binary file
        A path, used as given, or a file open for writing.
    dtype : {"float32", "float64"}, default="float32"
        Type of rows and results.
    arithmetic : {"float64", "float32"}, default="float64"
        Type of the computation; "float32" is for devices without float64, and loses digits.

    Raises
    ------
    ModuleNotFoundError
        If the package ``onnx`` is not installed.
    ValueError
        If a type is unknown, or the mixture's numbers exceed float32 arithmetic.
    """
    if isinstance(model, FrozenMixture):
        code, log_offset, centres, whiteners, _, log_noise, tails = model.arrays
        layout, about = layout_with_code(code), dict[str, object]()
        whiteners = whiteners.reshape(layout.shape(*centres.shape))
        mixture, heavy = WhitenedMixture(layout, log_offset, centres, whiteners, log_noise), bool(tails.any())
    else:
        parameters = fitted_parameters(model)
        mixture, heavy = parameters.whitened(), bool(parameters.tails)
        about = {"covariance_type": parameters.model.type_name, "feature_names": given_names(model)}
    check_compatible("heavy tails", {"ONNX": heavy})
    for name, value in (("dtype", dtype), ("arithmetic", arithmetic)):
        check_choice(value, name, _FLOATS)
    if (dtype, arithmetic) == ("float64", "float32"):
        raise ValueError("expected arithmetic 'float64' for dtype 'float64', got 'float32'")
    onnx = imported("onnx", "onnx")
    noisy = bool(mixture.log_noise > -np.inf)
    numbers = _numbers(mixture, np.dtype(arithmetic))
    kind, inner = (onnx.helper.np_dtype_to_tensor_dtype(np.dtype(name)) for name in (dtype, arithmetic))
    rows, (K, d) = "n", mixture.centres.shape
    results = {
        "label": (onnx.TensorProto.INT64, [rows]),
        "probabilities": (kind, [rows, K]),
        "log_likelihood": (kind, [rows]),
    }
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node(*node, **settings) for *node, settings in _nodes(numbers, kind, inner, noisy=noisy)],
        "mixture",
        [onnx.helper.make_tensor_value_info("X", kind, [rows, d])],
        [onnx.helper.make_tensor_value_info(name, *form) for name, form in results.items()],
        [onnx.numpy_helper.from_array(values, name) for name, values in numbers.items()],
    )
    origin = {"ir_version": _IR_VERSION, "producer_name": "gmm-em", "producer_version": __version__}
    document = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", _OPSET)], **origin)
    onnx.helper.set_model_props(document, {name: json.dumps(value) for name, value in about.items()})
    content = document.SerializeToString(deterministic=True)
    write_to(file, lambda target: target.write(content))


def _numbers(mixture: WhitenedMixture, dtype: np.dtype[Any]) -> dict[str, NDArray[Any]]:
    """Return the constants of the graph by name, in shapes that broadcast to (K, n, d)."""
    layout, d = mixture.layout, mixture.centres.shape[1]
    if layout.axis_aligned:
        whiteners = layout.diagonal(mixture.whiteners, d)[:, None]
    else:
        whiteners = np.ascontiguousarray(layout.transposed(mixture.whiteners).reshape(-1, d, d))
    exact: dict[str, Array] = {
        "centres": mixture.centres[:, None],
        "whiteners": whiteners,
        "log_offset": mixture.log_offset[:, None],
    }
    with np.errstate(over="ignore"):
        numbers = {name: values.astype(dtype) for name, values in exact.items()}
        if dtype != np.float64:  # the rounding of a centre, which may be far from zero
            numbers["rest"] = (exact["centres"] - numbers["centres"]).astype(dtype)
    diagonal = numbers["whiteners"] if layout.axis_aligned else numbers["whiteners"].diagonal(axis1=1, axis2=2)
    if not (all(np.isfinite(numbers[name]).all() for name in ("centres", "whiteners")) and (diagonal > 0).all()):
        raise ValueError(f"the mixture's numbers exceed {dtype}: expected arithmetic='float64'")
    if mixture.log_noise > -np.inf:
        numbers = _add_noise(numbers, mixture.log_noise)
    axes = {"first": np.array([0]), "second": np.array([1])}
    most = np.array(np.finfo(dtype).max)
    return numbers | {"half": np.array(0.5, dtype=dtype), "most": most} | axes


def _add_noise(numbers: dict[str, NDArray[Any]], log_noise: float) -> dict[str, NDArray[Any]]:
    """Return the constants with noise as a further component before the others, at distance 0 of all rows."""
    K = len(numbers["centres"])
    every = {name: np.broadcast_to(values, (K, *values.shape[1:])) for name, values in numbers.items()}
    first = dict.fromkeys(numbers, 0.0) | {"log_offset": log_noise}
    joined = {name: np.concatenate([np.full_like(values[:1], first[name]), values]) for name, values in every.items()}
    return joined | {"last": np.array([K + 1])}


def _nodes(numbers: Mapping[str, NDArray[Any]], kind: int, inner: int, *, noisy: bool) -> list[tuple[Any, ...]]:
    """Return the operators in order, as (type, inputs, outputs, attributes).

    They compute log ρ_ik = log_offset_k − ½‖W_k (x_i − c_k)‖². Noise is a component before the others with W = 0, so
    its index is −1.
    """
    multiply = "Mul" if numbers["whiteners"].shape[1] == 1 else "MatMul"
    rounded = "rest" in numbers
    return [
        ("Cast", ["X"], ["x"], {"to": inner}),
        ("Unsqueeze", ["x", "first"], ["rows"], {}),
        ("Sub", ["rows", "centres"], ["centred"], {}),
        *([("Sub", ["centred", "rest"], ["exactly_centred"], {})] if rounded else []),
        (multiply, ["exactly_centred" if rounded else "centred", "whiteners"], ["white"], {}),
        ("ReduceSumSquare", ["white"], ["distances"], {"axes": [2], "keepdims": 0}),
        ("IsInf", ["distances"], ["beyond"], {}),  # a difference of infinities would be NaN
        ("Where", ["beyond", "most", "distances"], ["numbers"], {}),
        ("Mul", ["half", "numbers"], ["halves"], {}),
        ("Sub", ["log_offset", "halves"], ["by_component"], {}),
        ("Transpose", ["by_component"], ["log_joint"], {"perm": [1, 0]}),
        ("ArgMax", ["log_joint"], ["index" if noisy else "label"], {"axis": 1, "keepdims": 0}),
        *([("Sub", ["index", "second"], ["label"], {})] if noisy else []),
        ("Softmax", ["log_joint"], ["shares" if noisy else "responsibilities"], {"axis": 1}),
        *([("Slice", ["shares", "second", "last", "second"], ["responsibilities"], {})] if noisy else []),
        ("Cast", ["responsibilities"], ["probabilities"], {"to": kind}),
        ("ReduceMax", ["log_joint"], ["largest"], {"axes": [1], "keepdims": 1}),
        ("Sub", ["log_joint", "largest"], ["below"], {}),
        ("ReduceLogSumExp", ["below"], ["above"], {"axes": [1], "keepdims": 1}),
        ("Add", ["largest", "above"], ["column"], {}),
        ("Squeeze", ["column", "second"], ["log_evidence"], {}),
        ("Cast", ["log_evidence"], ["log_likelihood"], {"to": kind}),
    ]

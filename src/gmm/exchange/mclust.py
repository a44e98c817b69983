"""Mixtures to and from JSON in the terms of mclust, for R."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gmm._estimators.attributes import checked_for, rows_of_fit
from gmm._estimators.contract import given_names
from gmm._estimators.criteria import bic
from gmm._estimators.mixture import GaussianMixture
from gmm._estimators.saved import from_state
from gmm._estimators.scorer import Scorer
from gmm._persistence import Readable, Writable, build_object, item, name_of_source, read_bytes, write_to
from gmm._values.covariance import COMMON, IDENTITY, CovarianceModel, covariance_model
from gmm._values.layouts import FULL, Array
from gmm._versions import __version__

__all__ = ["from_json", "to_json"]

State = tuple[dict[str, Any], dict[str, NDArray[Any]]]
_UNLIKE = 1e-5  # relative difference of covariances written with six digits


def to_json(model: GaussianMixture, file: Writable, X: ArrayLike | None = None) -> None:
    """Write a mixture as JSON in the terms of mclust, for R.

    ``modelName``, ``d``, ``G``, ``df`` and ``parameters``: ``pro``, ``mean`` (d × G) and ``variance``, which has
    ``sigma`` (d × d × G) and mclust's decomposition of it. Noise has the last of G + 1 proportions, ``Vinv``, and,
    in addition to mclust's names, the corners of its box as ``noise`` (2 × d). Numbers have all their digits.

    Parameters
    ----------
    model : GaussianMixture
        A fitted mixture.
    file : str, os.PathLike or binary file
        A path, used as given, or a file open for writing.
    X : array-like or data frame of shape (n, d), data set, or what `open_rows` returns, default=None
        The rows, for ``n``, the sum of their weights, ``loglik`` and ``bic``, which has mclust's sign: largest is best.
        None omits these.
    """
    parameters, fit, noise = checked_for(model, "mclust"), {}, {}
    if X is not None:
        source = rows_of_fit(model, X, None, None)
        loglik, n = Scorer(parameters, model.n_threads).log_likelihood(source), source.survey.weight
        fit = {"n": n, "loglik": loglik, "bic": -bic(loglik, parameters.n_parameters, n)}
    K, d = parameters.means.shape
    name = parameters.model.letters if d > 1 else parameters.model.volume
    covariances = parameters.model.layout.dense(parameters.covariances, K, d)
    variance = {"modelName": name, "d": d, "G": K, "sigma": np.moveaxis(covariances, 0, -1)}
    proportions = parameters.weights
    if parameters.noise:
        proportions = np.append(proportions, parameters.noise_weight)
        noise = {"Vinv": float(np.exp(parameters.noise.log_density)), "noise": parameters.noise.box}
    document = {
        "gmm_version": __version__,
        "modelName": name,
        "covariance_type": parameters.model.type_name,
        "d": d,
        "G": K,
        "df": parameters.n_parameters,
        **fit,
        "feature_names": given_names(model),
        "parameters": {
            "pro": proportions,
            "mean": parameters.means.T,
            "variance": variance | _decomposed(covariances, parameters.model),
            **noise,
        },
    }
    content = json.dumps(document, indent=1, ensure_ascii=False, default=np.ndarray.tolist).encode()
    write_to(file, lambda target: target.write(content))


def from_json(file: Readable) -> GaussianMixture:
    """Make a fitted mixture from JSON in the terms of mclust, written by `to_json` or R.

    Parameters
    ----------
    file : str, os.PathLike, binary file or bytes
        A path, a file open for reading, which is read to its end, or the content of such a file.

    Returns
    -------
    GaussianMixture
        The mixture; if `to_json` wrote the file, all numbers have the same bits.

    Raises
    ------
    ValueError
        If the file is not JSON or contains no valid mixture; the message states what is wrong.
    """
    name = name_of_source(file)
    try:
        document = json.loads(read_bytes(file).decode())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{name} is not JSON, or damaged: {error}") from None
    if not isinstance(document, dict):
        raise ValueError(
            f"{name} contains {type(document).__name__}, expected an object with 'modelName' and 'parameters'"
        )
    return build_object(
        name, "mixture in mclust's terms", lambda found, _: from_state(GaussianMixture, *_state(found)), document, {}
    )


def _decomposed(covariances: Array, model: CovarianceModel) -> dict[str, Any]:
    """Return mclust's decomposition of Σ_k: λ_k, A_k and D_k, or the upper triangular factors."""
    d = covariances.shape[-1]
    if model.orientation != IDENTITY and d > 1 and model.volume == model.shape == model.orientation:
        factors = np.moveaxis(np.linalg.cholesky(covariances).transpose(0, 2, 1), 0, -1)
        return {"Sigma": covariances[0], "cholSigma": factors[..., 0]} if model.common else {"cholsigma": factors}
    axes = _axes(covariances, model)
    variances = np.einsum("kji,kjl,kli->ki", axes, covariances, axes)
    scale = np.exp(np.log(variances).mean(axis=1))
    shape = (variances / scale[:, None]).T
    volumes = scale[0] if model.volume == COMMON else scale
    parts: dict[str, Any] = {"scale": volumes}
    if model.shape == IDENTITY or d == 1:
        parts["sigmasq"] = volumes
    else:
        parts["shape"] = shape[:, 0] if model.shape == COMMON else shape
    if model.orientation != IDENTITY and d > 1:
        parts["orientation"] = axes[0] if model.orientation == COMMON else np.moveaxis(axes, 0, -1)
    if model.common:
        parts["Sigma"] = covariances[0]
    return parts


def _axes(covariances: Array, model: CovarianceModel) -> Array:
    """Return orthogonal matrices (K, d, d) whose columns are the covariances' axes, widest first."""
    K, d = covariances.shape[:2]
    if model.orientation == IDENTITY or d == 1:
        return np.broadcast_to(np.eye(d), (K, d, d))
    if model.orientation == COMMON:  # a sum with unequal weights has only their axes
        traces = np.trace(covariances, axis1=1, axis2=2)
        mixed = ((1 / (np.pi + np.arange(K)) / traces)[:, None, None] * covariances).sum(axis=0)
        covariances = np.broadcast_to(mixed, covariances.shape)
    return np.asarray(np.linalg.eigh(covariances)[1][..., ::-1])


def _state(document: dict[str, Any]) -> State:
    """Return the header and the arrays of a saved mixture."""
    parameters = item(document, "parameters", dict)
    variance = item(parameters, "variance", dict)
    model = covariance_model(_covariance_type(document))
    weights, noise = np.atleast_1d(_numbers(parameters, "pro")), _noise_of_json(parameters)
    weights = weights[:-1] if noise else weights
    K, means = len(weights), _numbers(parameters, "mean")
    means = means.reshape(1, K) if means.size == K and means.ndim < 2 else means
    if means.ndim != 2 or means.shape[1] != K:
        raise ValueError(f"expected 'mean' of shape (d, G) with G = {K} as in 'pro', got {means.shape}")
    d = len(means)
    if "sigma" in variance or d > 1:
        sigmas = _numbers(variance, "sigma")
    else:
        sigmas = np.broadcast_to(_numbers(variance, "sigmasq"), (1, 1, K))
    if sigmas.shape != (d, d, K):
        raise ValueError(f"expected 'sigma' of shape (d, d, G) = {(d, d, K)}, got {sigmas.shape}")
    for part in (document, variance):
        if (sizes := (part.get("d", d), part.get("G", K))) != (d, K):
            raise ValueError(
                f"expected d = {d} and G = {K} as in 'mean', got d = {sizes[0]!r:.20} and G = {sizes[1]!r:.20}"
            )
    names = document.get("feature_names") or []
    header = {
        "parameters": {"n_components": K, "covariance_type": model.type_name},
        "covariance_model": model.name,
        "dtype": "float64",
        "feature_names": [names] if isinstance(names, str) else names,  # R unboxes a single one
    }
    covariances = _stored(np.ascontiguousarray(np.moveaxis(sigmas, -1, 0)), model)
    return header, {"weights": weights, "means": np.ascontiguousarray(means.T), "covariances": covariances, **noise}


def _noise_of_json(parameters: dict[str, Any]) -> dict[str, Array]:
    """Return the box of noise, if there is noise.

    Raises
    ------
    ValueError
        If only its density is given.
    """
    if not parameters.get("Vinv") and "noise" not in parameters:  # R writes NULL as {}
        return {}
    if "noise" not in parameters:
        raise ValueError(
            "expected the box of the noise in addition to 'Vinv', which is only its density: add 'noise' to "
            "'parameters', the least and the largest value of each column, [[…], […]]"
        )
    return {"noise": _numbers(parameters, "noise")}


def _covariance_type(document: dict[str, Any]) -> str:
    """Return the covariance type; mclust has X for E with one component, and one letter with one feature."""
    if "covariance_type" in document:
        return item(document, "covariance_type", str)
    name = item(document, "modelName", str)
    name = name.replace("X", COMMON) if name.startswith("X") else name
    return name if len(name) > 1 else name + 2 * IDENTITY


def _stored(covariances: Array, model: CovarianceModel) -> Array:
    """Return matrices (K, d, d) in the model's layout; raise ValueError if it cannot store them."""
    K, d = covariances.shape[:2]
    layout = model.layout
    if layout is FULL:
        return covariances
    stored = covariances[0]
    if layout.axis_aligned:
        stored = np.diagonal(covariances, axis1=1, axis2=2)
        stored = np.ascontiguousarray(stored if len(layout.shape(K, d)) > 1 else stored[:, 0])
    if np.abs(layout.dense(stored, K, d) - covariances).max() > _UNLIKE * np.abs(covariances).max():
        raise ValueError(f"the matrices in 'sigma' do not satisfy the model {model.type_name}")
    return stored


def _numbers(values: dict[str, Any], name: str) -> Array:
    numbers = np.array(values[name])
    if numbers.dtype.kind not in "iuf":
        raise ValueError(f"expected numbers in {name!r}, got {values[name]!r:.60}")
    return numbers.astype(np.float64)

"""Conversion of what stepwise EM remembers to the header and the arrays of a file, and back."""

from __future__ import annotations

import math

import numpy as np

from gmm.em.stepwise import Stream
from gmm.persistence.archive import Arrays, Header, item
from gmm.validation.given import check_array
from gmm.values.parameters import MixtureParameters
from gmm.values.priors import ConjugatePrior
from gmm.values.statistics import SufficientStatistics

__all__ = ["check_weight", "stream_from_state", "stream_to_state"]

_MOMENTS = ("origins", "counts", "first", "second")


def stream_to_state(stream: Stream) -> tuple[Header, Arrays]:
    """Convert all but the mixture to header entries and arrays."""
    statistics, prior = stream.statistics, stream.prior
    header: Header = {"weight": stream.weight}
    arrays: Arrays = {f"stream/{name}": getattr(statistics, name) for name in _MOMENTS}
    if isinstance(prior, ConjugatePrior):
        header["prior"] = {"shrinkage": float(prior.shrinkage), "dof": float(prior.dof)}
        arrays |= {"stream/prior_mean": prior.mean, "stream/prior_scale": prior.scale}
    return header, arrays


def stream_from_state(header: Header, arrays: Arrays, parameters: MixtureParameters) -> Stream:
    """Rebuild the stream whose mixture is `parameters`.

    Raises
    ------
    KeyError
        If an entry is missing.
    ValueError
        If an entry is invalid; the message names it.
    """
    K, d, layout = parameters.n_components, parameters.n_features, parameters.model.moments
    shapes = {"origins": (K, d), "counts": (K,), "first": (K, d), "second": layout.shape(K, d)}
    checked = {name: check_array(arrays[f"stream/{name}"], f"stream/{name}", shape) for name, shape in shapes.items()}
    origins, counts, first, second = (checked[name].astype(np.float64) for name in _MOMENTS)
    if (counts < 0).any() or not 0 < counts.sum() < 2 * max(parameters.weights.sum(), 1e-9):
        raise ValueError("expected counts of the sum 1, or less beside noise, in 'stream/counts'")
    statistics = SufficientStatistics(layout, origins, counts, first, second, 0.0, 1.0)
    prior = None
    if "prior" in header:
        saved = item(header, "prior", dict)
        shape = (d,) if parameters.model.layout.axis_aligned else (d, d)
        mean = check_array(arrays["stream/prior_mean"], "stream/prior_mean", (d,)).astype(np.float64)
        scale = check_array(arrays["stream/prior_scale"], "stream/prior_scale", shape).astype(np.float64)
        prior = ConjugatePrior(mean, item(saved, "shrinkage", float), check_weight(saved, "dof"), scale)
    return Stream(parameters, statistics, check_weight(header, "weight"), prior)


def check_weight(header: Header, name: str) -> float:
    """Return a positive, finite number of a header."""
    value = item(header, name, float)
    if not 0 < value < math.inf:
        raise ValueError(f"expected a positive number for {name!r} in its header, got {value!r}")
    return value

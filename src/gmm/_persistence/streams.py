"""Conversion of what stepwise EM remembers to the header and the arrays of a file, and back."""

from __future__ import annotations

import numpy as np

from gmm._passes.stepwise import Stream
from gmm._persistence.archive import Arrays, Header, item, positive
from gmm._persistence.values import statistics_from_arrays, statistics_to_arrays
from gmm._validation.given import check_array
from gmm._values.objective import Objective
from gmm._values.parameters import MixtureParameters
from gmm._values.priors import FLAT, ConjugatePrior


def stream_to_state(stream: Stream) -> tuple[Header, Arrays]:
    """Convert all but the mixture to header entries and arrays."""
    statistics, prior = stream.statistics, stream.objective.prior
    header: Header = {"weight": stream.weight}
    arrays = statistics_to_arrays(statistics, "stream/")
    if isinstance(prior, ConjugatePrior):
        header["prior"] = {"shrinkage": float(prior.shrinkage), "dof": float(prior.dof)}
        arrays |= {"stream/prior_mean": prior.mean, "stream/prior_scale": prior.scale}
    return header, arrays


def stream_from_state(header: Header, arrays: Arrays, parameters: MixtureParameters, ridge: float) -> Stream:
    """Rebuild the stream whose mixture is `parameters`.

    Raises
    ------
    KeyError
        If an entry is missing.
    ValueError
        If an entry is invalid; the message names it.
    """
    K, d = parameters.means.shape
    statistics = statistics_from_arrays(arrays, parameters.model.moments, (K, d), 0.0, 1.0, "stream/")
    counts, prior = statistics.counts, FLAT
    if (counts < 0).any() or not 0 < counts.sum() < 2 * max(parameters.weights.sum(), 1e-9):
        raise ValueError("expected counts of the sum 1, or less beside noise, in 'stream/counts'")
    if "prior" in header:
        saved = item(header, "prior", dict)
        shape = (d,) if parameters.model.layout.axis_aligned else (d, d)
        mean = check_array(arrays["stream/prior_mean"], "stream/prior_mean", (d,)).astype(np.float64)
        scale = check_array(arrays["stream/prior_scale"], "stream/prior_scale", shape).astype(np.float64)
        prior = ConjugatePrior(mean, item(saved, "shrinkage", float), positive(saved, "dof"), scale)
    objective = Objective(parameters.model, ridge, prior).beside(parameters)
    return Stream(parameters, statistics, positive(header, "weight"), objective)

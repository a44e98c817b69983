"""Conversion of mixtures, posteriors, streams and traces to the header and the arrays of a file, and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmm._passes.solver import Refinement, Trace, plain_records
from gmm._passes.stepwise import Stream
from gmm._persistence import Arrays, Header, bundle, item, positive
from gmm._text.words import printable
from gmm._validation import checks
from gmm._validation.checks import DIRICHLET, DIRICHLET_PROCESS
from gmm._values.covariance import CovarianceModel
from gmm._values.objective import Objective
from gmm._values.parameters import NOTHING_FIXED, PARTS, MixtureParameters
from gmm._values.priors import FLAT, ConjugatePrior, MixturePosterior
from gmm._values.statistics import SufficientStatistics
from gmm._values.tails import LEAST_DEGREES, MOST_DEGREES, NORMAL_TAILS, StudentTails, Tails

_MOMENTS = ("origins", "counts", "first", "second")

_PRIOR_NUMBERS = ("weight_concentration_prior", "mean_precision_prior", "degrees_of_freedom_prior")
_PRIOR_ARRAYS = ("mean_prior", "covariance_prior")
_KIND = "weight_concentration_prior_type"
_LARGEST = 1e300  # JSON integers have no limit; this one fits a float


def mixture_to_state(parameters: MixtureParameters) -> Arrays:
    """Return the arrays of a mixture: weights, means and covariances, the box of its noise, and what was fixed."""
    arrays: dict[str, Any] = {name: getattr(parameters, name) for name in PARTS}
    if parameters.noise:
        arrays["noise"] = np.asarray(parameters.noise.parameter)
    if parameters.fixed:
        arrays["fixed"] = parameters.fixed.table.astype(np.float64)
    if parameters.tails:
        arrays["degrees_of_freedom"] = np.append(parameters.tails.degrees, parameters.tails.free)
    return arrays


def mixture_from_state(arrays: Arrays, model: CovarianceModel) -> MixtureParameters:
    """Make the mixture of saved arrays.

    Raises
    ------
    KeyError
        If an array is missing.
    ValueError
        If an array is invalid.
    """
    weights, means, covariances = (arrays[name] for name in PARTS)
    shares = weights / sum_with_noise(weights, "weights") if "noise" in arrays else weights
    mixture = checks.check_mixture(shares, means, covariances, model)
    fixed = NOTHING_FIXED
    if "fixed" in arrays:
        table = checks.check_array(arrays["fixed"], "fixed", (len(PARTS), mixture.n_components))
        if not np.isin(table, (0, 1)).all():
            raise ValueError("expected 0 or 1 in 'fixed' (1 if a parameter was fixed)")
        fixed = checks.check_fixed_table(table == 1, model)
    if "noise" not in arrays:
        return mixture.with_other(fixed=fixed, tails=_tails(arrays, mixture.n_components))
    noise = checks.check_noise(arrays["noise"], mixture.n_features, lambda: mixture.means)
    return mixture.with_other(weights=np.ascontiguousarray(weights, np.float64), noise=noise, fixed=fixed)


def sum_with_noise(shares: NDArray[Any], name: str) -> float:
    """Return the sum of weights that share 1 with noise.

    Raises
    ------
    ValueError
        If it is not in (0, 1].
    """
    total = float(shares.sum()) if shares.ndim == 1 and shares.dtype.kind == "f" else 0.0
    if not 0 < total <= 1 + 1e-6:
        raise ValueError(f"expected {name} that sum to at most 1, with noise, got others")
    return total


def _tails(arrays: Arrays, n_components: int) -> Tails:
    if "degrees_of_freedom" not in arrays:
        return NORMAL_TAILS
    stored = arrays["degrees_of_freedom"]
    is_separate = stored.size > 0 and stored.flat[-1] == 2
    *degrees, kind = checks.check_array(
        stored, "degrees_of_freedom", (1 + n_components if is_separate else 2,)
    ).tolist()
    if not (all(LEAST_DEGREES <= each <= MOST_DEGREES for each in degrees) and kind in (0, 1, 2)):
        raise ValueError(
            f"expected degrees of freedom from {LEAST_DEGREES} to {MOST_DEGREES} in 'degrees_of_freedom', and 0, 1 or "
            f"2 (1 if they were estimated, 2 for each component), got {stored!r:.80}"
        )
    return StudentTails(np.array(degrees) if is_separate else degrees[0], kind > 0, not is_separate)


def posterior_to_state(posterior: MixturePosterior) -> tuple[Header, Arrays]:
    """Convert a posterior, except its mixture, to header entries and arrays."""
    prior = posterior.prior
    header: Header = {
        "posterior": {
            _KIND: DIRICHLET_PROCESS if prior.sticks else DIRICHLET,
            "weight_concentration_prior": prior.concentration,
            "mean_precision_prior": prior.shrinkage,
            "degrees_of_freedom_prior": prior.dof,
            "weight": posterior.weight,
        }
    }
    return header, {"shares": posterior.shares, "mean_prior": prior.mean, "covariance_prior": np.asarray(prior.scale)}


def posterior_from_state(header: Header, arrays: Arrays, parameters: MixtureParameters) -> MixturePosterior:
    """Rebuild the posterior of which `parameters` is the mixture.

    Raises
    ------
    KeyError
        If an entry is missing.
    ValueError
        If an entry is invalid; the message names it.
    """
    saved, model, d = item(header, "posterior", dict), parameters.model, parameters.n_features
    checks.check_has_posterior(model, "a saved posterior")
    numbers = {name: positive(saved, name) for name in (*_PRIOR_NUMBERS, "weight")}
    if saved[_KIND] not in (DIRICHLET_PROCESS, DIRICHLET):
        raise ValueError(f"expected a prior of weights for {_KIND!r} in its header, got {saved[_KIND]!r:.60}")
    hyperparameters = numbers | {name: arrays[name] for name in _PRIOR_ARRAYS} | {_KIND: saved[_KIND]}
    shares, noise = arrays["shares"], parameters.noise
    total = sum_with_noise(shares, "shares") if noise else 1.0
    checks.check_shares(shares / total, parameters.n_components, "shares")
    shares = shares.astype(np.float64)
    rows_mean = np.resize(arrays["mean_prior"], d)  # its distance from the rows' mean was checked in the fit
    prior = checks.check_variational_prior(hyperparameters, model, len(shares), rows_mean, np.ones(d), 0.0)
    estimate = shares, *parameters.as_estimate()[1:]
    posterior = MixturePosterior.from_shares(estimate, parameters, prior, numbers["weight"])
    if not np.allclose(posterior.weights, parameters.weights, rtol=1e-6, atol=1e-9):
        raise ValueError("expected weights that follow from 'shares' and the prior")
    return posterior


def stream_to_state(stream: Stream) -> tuple[Header, Arrays]:
    """Convert a stream, except its mixture, to header entries and arrays."""
    header: Header = {"weight": stream.weight}
    arrays: Arrays = {f"stream/{name}": getattr(stream.statistics, name) for name in _MOMENTS}
    prior = stream.objective.prior
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
    (K, d), layout, prior = parameters.means.shape, parameters.model.layout, FLAT
    shapes = zip(_MOMENTS, ((K, d), (K,), (K, d), layout.shape(K, d)), strict=True)
    origins, counts, first, second = (
        checks.check_numbers(arrays[f"stream/{name}"], f"stream/{name}", shape) for name, shape in shapes
    )
    statistics = SufficientStatistics(layout, origins, counts, first, second, 0.0, 1.0)
    if (counts < 0).any() or not 0 < counts.sum() < 2 * max(parameters.weights.sum(), 1e-9):
        raise ValueError("expected counts of the sum 1, or less with noise, in 'stream/counts'")
    if "prior" in header:
        saved = item(header, "prior", dict)
        shape = (d,) if parameters.model.layout.axis_aligned else (d, d)
        mean = checks.check_numbers(arrays["stream/prior_mean"], "stream/prior_mean", (d,))
        scale = checks.check_numbers(arrays["stream/prior_scale"], "stream/prior_scale", shape)
        prior = ConjugatePrior(mean, item(saved, "shrinkage", float), positive(saved, "dof"), scale)
    objective = Objective(parameters.model, ridge, prior).for_mixture(parameters)
    return Stream(parameters, statistics, positive(header, "weight"), objective)


def traces_to_state(best: Trace, traces: Sequence[Trace]) -> tuple[Header, Arrays]:
    """Convert traces, which include `best`, to header entries and arrays."""
    header, arrays = _trace_to_state(best)
    others = [_trace_to_state(trace) for trace in traces if trace is not best]
    if others:
        header["others"] = [other for other, _ in others]
    return header, arrays | bundle({f"others/{number}": passes for number, (_, passes) in enumerate(others)})


def traces_from_state(header: Header, arrays: Arrays) -> tuple[Trace, tuple[Trace, ...]]:
    """Rebuild the best trace and all traces; entries that are not part of a trace are ignored.

    Raises
    ------
    KeyError
        If an entry is missing.
    ValueError
        If an entry is invalid; the message names it.
    """
    best = _trace_from_state(header, arrays)
    others = [
        _trace_from_state(item({"others": other}, "others", dict), arrays, f"others/{number}/")
        for number, other in enumerate(item({"others": []} | header, "others", list))
    ]
    return best, tuple(sorted([best, *others], key=lambda trace: trace.start))


def _trace_to_state(trace: Trace) -> tuple[Header, Arrays]:
    header: Header = {"reason": trace.reason, "converged": trace.converged, "start": trace.start}
    if trace.refinement is not None:
        header["refinement"] = trace.refinement._asdict()
    return header, {"passes": trace.records[:, :4].copy(), "seconds": trace.records[:, 4].copy()}


def _trace_from_state(header: Header, arrays: Arrays, prefix: str = "") -> Trace:
    if not prefix and "lower_bounds" in arrays:  # saved before passes recorded an objective
        passes = plain_records(_table(arrays, "lower_bounds", ()), 0.0)[:, :4]
    else:
        passes = _table(arrays, f"{prefix}passes", (4,))
        if not np.isin(passes[:, 3], (0, 1)).all():
            raise ValueError(f"expected 0 or 1 in the last column of '{prefix}passes' (1 if a pass was accepted)")
    seconds = arrays[f"{prefix}seconds"]
    if seconds.shape != (len(passes),) or (seconds < 0).any():
        raise ValueError(f"expected {len(passes)} non-negative times in '{prefix}seconds', got shape {seconds.shape}")
    start = item(header, "start", int)
    if start < 0:
        raise ValueError(f"expected a non-negative number in 'start', got {start}")
    return Trace(
        np.column_stack([passes, seconds]),
        printable(item(header, "reason", str)),
        item(header, "converged", bool),
        start,
        _refinement(item(header, "refinement", dict)) if "refinement" in header else None,
    )


def _table(arrays: Arrays, name: str, row: tuple[int, ...]) -> NDArray[Any]:
    values = arrays[name]
    if values.ndim != 1 + len(row) or values.shape[1:] != row:
        raise ValueError(f"expected shape {('n', *row)} for {name!r}, got {values.shape}")
    if np.isnan(values).any():
        raise ValueError(f"expected numbers in {name!r}, got NaN at {tuple(np.argwhere(np.isnan(values))[0].tolist())}")
    return values.astype(np.float64)


def _refinement(saved: Header) -> Refinement:
    moves, passes = item(saved, "moves", list), saved["passes"]
    for move in moves:
        if not (isinstance(move, list) and len(move) == 3 and all(map(_is_number, move))):
            raise ValueError(
                f"expected two components and a gain in each entry of 'moves' in its header, got {move!r:.60}"
            )
    if not _is_number(passes):
        raise ValueError(f"expected a number for 'passes' in its header, got {passes!r:.60}")
    typed_moves = tuple((int(dropped), int(split), float(gain)) for dropped, split, gain in moves)
    return Refinement(typed_moves, item(saved, "tried", int), float(passes))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _LARGEST

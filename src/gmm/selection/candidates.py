"""Where a cell may begin: partitions, what its own model made of one component less, and what other models made."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from gmm.covariance import CovarianceModel, special_case
from gmm.inference import OFFSET, EStep, Shapes, drop_losses, split_gains, without
from gmm.initialization import STARTS, Portfolio, Rng, Wanted
from gmm.layouts import DIAGONAL, FULL, SPHERICAL, Array, Layout
from gmm.mixture import GaussianMixture
from gmm.parameters import MixtureParameters
from gmm.sources import ArraySource
from gmm.statistics import SufficientStatistics

_SPLITS = 2  # components of the smaller mixture that are split, each in its turn
_DROPS = 2  # components of the larger one


def richest(models: Sequence[CovarianceModel]) -> Layout:
    """The layout of moments that tell those of all `models`."""
    layouts = list(dict.fromkeys(model.moments for model in models))
    if len(layouts) == 1:
        return layouts[0]
    return DIAGONAL if set(layouts) == {DIAGONAL, SPHERICAL} else FULL


def as_model(parameters: MixtureParameters, model: CovarianceModel) -> MixtureParameters:
    """A mixture of one model as that of another, whose mixtures are the same: of one component, or one feature."""
    if parameters.model is model:
        return parameters
    if parameters.model.layout is model.layout:
        return MixtureParameters(parameters.weights, parameters.means, parameters.covariances, model)
    K, d = parameters.n_components, parameters.n_features
    dense = parameters.model.layout.dense(parameters.covariances, K, d)
    share = K if model.layout.pooled else 1
    covariances = model.layout.reduced(np.ascontiguousarray(dense), FULL, d) / share
    return MixtureParameters(parameters.weights, parameters.means, covariances, model)


@cache
def levels(models: tuple[CovarianceModel, ...]) -> list[list[CovarianceModel]]:
    """The models, those of each level after all their special cases."""
    left, found = list(models), []
    while left:
        found.append([model for model in left if not any(special_case(other, model) for other in left)])
        left = [model for model in left if model not in found[-1]]
    return found


def special_cases(model: CovarianceModel, models: Sequence[CovarianceModel]) -> list[CovarianceModel]:
    """Those of `models` whose mixtures are all of `model`."""
    return [other for other in models if special_case(other, model)]


@cache
def neighbours(model: CovarianceModel, models: tuple[CovarianceModel, ...]) -> list[CovarianceModel]:
    """The next special cases of `model` and the next that it is one of: none stands between."""
    below = special_cases(model, models)
    above = [other for other in models if special_case(model, other)]
    nearest = [one for one in below if not any(special_case(one, other) for other in below)]
    return nearest + [one for one in above if not any(special_case(other, one) for other in above)]


class Starts:
    """Statistics of starts on a sample, for any number of components; a cell's model takes what it needs of them.

    Parameters
    ----------
    sample : ArraySource
    template : GaussianMixture
        Says how to start: "kmeans" stands for partitions of several kinds.
    models : sequence of CovarianceModel
    seeds : sequence of int

    Attributes
    ----------
    moments : Layout
        Of the statistics: they tell all models' own.
    """

    def __init__(
        self, sample: ArraySource, template: GaussianMixture, models: Sequence[CovarianceModel], seeds: Sequence[int]
    ) -> None:
        self._sample = sample
        self._start = STARTS[str(template.init_params)]
        self._several = template.init_params == "kmeans"
        self._seeds = seeds
        self.moments = richest(models)
        n_threads = template.n_threads
        self._wanted: dict[str, Any] = {
            "model": models[0],
            "ridge": template.reg_covar,
            "n_threads": n_threads,
            "moments": self.moments,
        }
        self._portfolio = Portfolio(sample, self.moments, np.random.default_rng(seeds[0]), n_threads)

    def of(self, n_components: int) -> list[SufficientStatistics]:
        """The starts of `n_components`."""
        rngs: list[Rng] = [np.random.default_rng([seed, n_components]) for seed in self._seeds]
        if self._several:
            return self._portfolio.partitions(n_components, rngs)
        return [self._start(self._sample, Wanted(n_components, **self._wanted), rng) for rng in rngs]


def look(e_step: EStep, parameters: MixtureParameters) -> Shapes:
    """A pass that tells others what a solution's components are, and which of them to split."""
    if parameters.n_components == 1:
        statistics = e_step(parameters.whitened())
        return Shapes(statistics, np.zeros(1), np.zeros((3, 1, parameters.n_features)))
    return e_step.shapes(parameters.whitened(), parameters.model.layout.principal(parameters.covariances))


def splits(seen: Shapes, parameters: MixtureParameters, offset: float = OFFSET) -> list[SufficientStatistics]:
    """Mixtures of one component more: those that fit worst are split in two, along the axis where they fit worst.

    Parameters
    ----------
    seen : Shapes
        Of `parameters`, as `look` returns it.
    parameters : MixtureParameters
    offset : float
        Of the halves' means, in standard deviations.
    """
    layout, K = parameters.model.layout, parameters.n_components
    principal = layout.principal(parameters.covariances)
    statistics = seen.statistics.reduced(parameters.model.moments).grown()
    gains = split_gains(seen) if K > 1 else _widths(layout, principal, parameters.n_features)
    axes = gains.argmax(axis=1)
    worst = np.argsort(-gains.max(axis=1), kind="stable")[:_SPLITS]
    return [
        statistics.split(int(k), K, offset * layout.deviation(principal, int(k), int(axes[k]), parameters.n_features))
        for k in worst
    ]


def drops(e_step: EStep, seen: Shapes, parameters: MixtureParameters) -> list[SufficientStatistics]:
    """Mixtures of one component less: those that are missed least are dropped, each in its turn.

    Parameters
    ----------
    e_step : EStep
    seen : Shapes
        Of `parameters`, as `look` returns it.
    parameters : MixtureParameters
        Of two components at least.
    """
    least = np.argsort(drop_losses(seen), kind="stable")[:_DROPS]
    left = [np.delete(np.arange(parameters.n_components), j) for j in least]
    return [without(e_step, parameters, int(j)).reordered(rest) for j, rest in zip(least, left, strict=True)]


def _widths(layout: Layout, principal: Array, n_features: int) -> Array:
    """Of one component, of which nothing else is known: the variances along its axes, (1, d)."""
    if layout.axis_aligned:
        return 1 / layout.diagonal(principal, n_features) ** 2
    return np.asarray(1 / (principal**2).sum(axis=-1).reshape(1, n_features))

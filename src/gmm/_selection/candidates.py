"""Candidate starts of a cell: partitions, solutions of its model with a component more or less, and of other models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import NamedTuple

import numpy as np

from gmm._em import OFFSET
from gmm._fitting.degenerate import Judge
from gmm._fitting.split_merge import ComponentDiagnosis, without
from gmm._fitting.starts import (
    STARTS,
    FitSettings,
    Start,
    StartSettings,
    own_start,
    partition,
    partitions,
    raced,
    rows_to_partition,
    views_of,
)
from gmm._passes.e_step import EStep
from gmm._rows.sources import ArraySource, Source
from gmm._selection.request import Request
from gmm._values.covariance import CovarianceModel, special_case, stored_as
from gmm._values.layouts import DIAGONAL, FULL, SPHERICAL, Array
from gmm._values.objective import Objective
from gmm._values.parameters import MixtureParameters
from gmm._values.statistics import SufficientStatistics

_SPLITS = 4  # components of the smaller mixture to split, one in each start
_DROPS = 4  # components of the larger one to drop, one in each start


def of_other_model(parameters: MixtureParameters, statistics: SufficientStatistics, model: CovarianceModel) -> Start:
    """Return the start of a model that a mixture of another one with these statistics is."""
    both = not parameters.model.stored_whole and not model.stored_whole
    return parameters.for_model(model) if both else statistics


@cache
def levels(models: tuple[CovarianceModel, ...]) -> list[list[CovarianceModel]]:
    """Return the models in levels, each after all its special cases."""
    remainder, ordered = list(models), []
    while remainder:
        ordered.append([model for model in remainder if not any(special_case(other, model) for other in remainder)])
        remainder = [model for model in remainder if model not in ordered[-1]]
    return ordered


@cache
def neighbours(model: CovarianceModel, models: tuple[CovarianceModel, ...]) -> list[CovarianceModel]:
    """Return the nearest special cases of `model` and the nearest models that generalise it."""
    below = [other for other in models if special_case(other, model)]
    above = [other for other in models if special_case(model, other)]
    nearest = [one for one in below if not any(special_case(one, other) for other in below)]
    return nearest + [one for one in above if not any(special_case(other, one) for other in above)]


class Starts:
    """Statistics of starts on a sample for any number of components, shared by all models.

    Parameters
    ----------
    sample : Source
    request : Request
        Its template gives the start; "kmeans" stands for several partitions. The first components are those nearest to
        fixed means.
    seeds : sequence of int

    Attributes
    ----------
    moments : Layout
        Layout of the statistics, from which the moments of all models follow.
    """

    def __init__(self, sample: Source, request: Request, seeds: Sequence[int]) -> None:
        template = request.template
        self._sample, self._seeds = sample, seeds
        self._places = None if request.fixed is None else request.fixed.mixture.means
        low, high = sample.survey.box
        self._extent = np.where(high > low, high - low, 1.0)
        layouts = list(dict.fromkeys(model.for_starts.layout for model in request.models))
        of_diagonals = set(layouts) == {DIAGONAL, SPHERICAL}
        self.moments = layouts[0] if len(layouts) == 1 else DIAGONAL if of_diagonals else FULL
        objective = Objective(stored_as(self.moments), template.reg_covar)
        method = StartSettings(str(template.init_params))
        self._settings = FitSettings(1, objective, template.n_threads, method)
        self._rows = [rows for _, rows in rows_to_partition(sample, replace(objective, noise=request.noise))]

    def of(self, n_components: int, number: int) -> list[SufficientStatistics]:
        """Return the starts of `n_components` by the seed of this number."""
        rng = np.random.default_rng([self._seeds[number], n_components])
        settings = self._settings._replace(n_components=n_components)
        return [
            self._in_places(start) for rows in self._enough(n_components) for start in partitions(rows, settings, rng)
        ]

    def _in_places(self, start: SufficientStatistics) -> SufficientStatistics:
        """Return a start whose first components are those nearest to the fixed means, one for each."""
        if self._places is None:
            return start
        from scipy.optimize import linear_sum_assignment

        away = (self._places[:, None] - start.means) / self._extent
        first = linear_sum_assignment((away**2).sum(axis=-1))[1]
        return start.reordered(np.append(first, np.setdiff1d(np.arange(len(start.counts)), first)))

    def _enough(self, n_components: int) -> list[ArraySource]:
        """Return all rows, and those in dense places if they are more than the components."""
        return [rows for rows in self._rows if rows is self._rows[0] or rows.n_rows > n_components]

    def fresh(self, settings: FitSettings, number: int, n_threads: int | None) -> Start:
        """Return one start of a cell by itself, another one for each `number`."""
        K = settings.n_components
        settings, rng = settings._replace(n_threads=n_threads), self._rng(K, number)
        if settings.objective.tails:
            return own_start(settings.problem(self._sample), settings, rng)
        enough = self._enough(K)
        rows = enough[number % len(enough)]
        if self._settings.start.method == "kmeans":
            return self._in_places(raced(settings.start_problem(rows), K, rng, Judge.LIKELIHOOD))
        return self._in_places(STARTS[self._settings.start.method](rows, settings, rng))

    def _rng(self, n_components: int, number: int) -> np.random.Generator:
        """Return what draws a fresh start."""
        return np.random.default_rng([self._seeds[0], n_components, number])

    def halfway(self, statistics: SufficientStatistics, number: int, n_threads: int | None) -> SufficientStatistics:
        """Return the mean of a solution's statistics and of those of a partition about random rows."""
        K, rows = len(statistics.counts), self._rows[0]
        rng = self._rng(K, number)
        view = views_of(rows, self.moments)[int(rng.integers(2))]
        chosen = view.rows.rows[rng.choice(rows.n_rows, K, replace=rows.n_rows < K)]
        centres = view.in_own_units(chosen) + rows.survey.centre
        other = partition(rows, centres, view.metric, statistics.layout, n_threads)
        return other + statistics.scaled(other.weight / statistics.weight)


class Diagnosis(NamedTuple):
    """The pass that other cells need to begin from a mixture, and what it tells of several normal components."""

    statistics: SufficientStatistics
    components: ComponentDiagnosis | None = None


def diagnosed(rows: Source, e_step: EStep, parameters: MixtureParameters) -> Diagnosis:
    """Make the pass over rows that other cells need to begin from a solution."""
    if parameters.n_components == 1 or not parameters.model.stored_whole or parameters.tails:
        return Diagnosis(e_step(parameters.whitened()))
    components = ComponentDiagnosis.of(parameters, rows, e_step)
    return Diagnosis(components.diagnostics.statistics, components)


def splits(diagnosis: Diagnosis, parameters: MixtureParameters, offset: float = OFFSET) -> Sequence[Start]:
    """Return starts of one component more: each splits one of the worst-fitting components along its worst axis.

    The diagnosis is that of `parameters`, from `diagnosed`.
    """
    if not parameters.model.layout.whole:
        return splits_of_widest(parameters, offset)[:_SPLITS]
    if diagnosis.components is None:
        steps = _widest(parameters, offset)
    else:
        gains = diagnosis.components.gains
        axes, worst = gains.argmax(axis=1), (-gains.max(axis=1)).argsort(kind="stable").tolist()
        steps = [(k, diagnosis.components.step(k, int(axes[k]), offset)) for k in worst]
    statistics, K = diagnosis.statistics.reduced(parameters.model.layout), parameters.n_components
    return [statistics.split(k, K, step) for k, step in steps[:_SPLITS]]


def drops(e_step: EStep, diagnosis: Diagnosis, parameters: MixtureParameters) -> Sequence[Start]:
    """Return starts of one component less: each drops one of the free components that cost least to drop.

    Of low rank or with heavy tails, where nothing is fixed, they are the lightest.
    """
    if diagnosis.components is None:
        lightest = np.argsort(parameters.weights, kind="stable")[:_DROPS]
        others = (parameters.for_components(np.arange(parameters.n_components) != j) for j in lightest)
        return [each.with_noise(parameters.noise, parameters.noise_weight) for each in others]
    losses = np.where(parameters.fixed.components, np.inf, diagnosis.components.losses)
    least = [j for j in losses.argsort(kind="stable")[:_DROPS].tolist() if losses[j] < np.inf]
    components, mixture = np.arange(parameters.n_components), parameters.whitened()
    return [without(e_step, mixture, j).reordered(components[components != j]) for j in least]


def splits_of_widest(parameters: MixtureParameters, offset: float) -> list[MixtureParameters]:
    """Return mixtures that split a component along its widest direction, first of many rows and much variance."""
    return [halved(parameters, k, step) for k, step in _widest(parameters, offset)]


def _widest(parameters: MixtureParameters, offset: float) -> list[tuple[int, Array]]:
    """Return components and steps along their widest directions, first those of many rows and much variance."""
    K, d, layout = parameters.n_components, parameters.n_features, parameters.model.layout
    steps = offset * np.stack([layout.widest(parameters.covariances, k, d) for k in range(K)])
    promising = np.argsort(-parameters.weights * np.square(steps).sum(axis=1), kind="stable")
    return [(int(k), steps[k]) for k in promising]


def halved(parameters: MixtureParameters, component: int, step: Array | float = 0.0) -> MixtureParameters:
    """Return a mixture with two halves of a component for it, whose means are a step before and behind."""
    order = np.append(np.arange(parameters.n_components), component)
    weights, means = parameters.weights[order], parameters.means[order]
    weights[[component, -1]] /= 2
    means[component], means[-1] = means[component] - step, means[component] + step
    return parameters.with_other(weights=weights, means=means, covariances=parameters.covariances_of(order))

"""`Film`: the content of an animated fit, pass by pass; this module draws nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gmm._estimators.steps import SteppedFit
from gmm._exceptions import InvalidParameterError, raisable
from gmm._plotting.scene import Scene, make_scene, scored
from gmm._plotting.view import View, view_of
from gmm._values.layouts import Array
from gmm._values.parameters import MixtureParameters

_MOST_ROWS = 2000


@dataclass(frozen=True, eq=False)
class Pass:
    """One pass: the mixture in the view, the responsibilities (s, K) of the drawn rows, and the lower bound."""

    mixture: MixtureParameters
    responsibilities: Array
    lower_bound: float
    accepted: bool


@dataclass(frozen=True, eq=False)
class Film:
    """The content of an animation: the scene of the last mixture, the passes, their objective and why they ended."""

    scene: Scene
    view: View
    passes: tuple[Pass, ...]
    objective: str
    label: str
    reason: str


def film_of(climb: SteppedFit, random_state: Any, requested_view: Any) -> Film:
    """Run a fit to its end, and project each pass onto a view."""
    several = isinstance(requested_view, Sequence | np.ndarray) and not isinstance(requested_view, str | bytes)
    if (several and len(requested_view) > 2) or (isinstance(requested_view, str) and requested_view == "pairs"):
        raise raisable(InvalidParameterError)(
            "an animation has a single view: expected a feature, a pair of features, 'discriminating', directions or "
            f"None as view; got {requested_view!r:.80}"
        )
    steps = list(climb)
    if not steps:
        raise raisable(InvalidParameterError)(
            "expected max_iter of 1 or more, got max_iter=0: a fit without a pass cannot be animated"
        )
    source, last = climb.source, steps[-1]
    default_names = [f"x{j}" for j in range(source.n_features)]
    scene = make_scene(
        last.iteration.parameters,
        tuple(default_names if climb.feature_names is None else climb.feature_names.tolist()),
        source,
        max_points=_MOST_ROWS,
        random_state=random_state if isinstance(random_state, int | None) else 0,  # a generator was used for the start
        n_threads=climb.settings.n_threads,
    )
    view = view_of(scene.mixture, scene.names, requested_view)
    sample_rows = np.ascontiguousarray(scene.sample_rows)
    passes = tuple(
        Pass(
            view.marginal(step.iteration.parameters),
            scored(step.iteration.parameters, sample_rows, scene.n_threads)[0],
            step.iteration.lower_bound,
            step.iteration.accepted,
        )
        for step in steps
    )
    assert last.reason is not None  # the last pass has one
    objective = "log-likelihood and prior" if climb.settings.objective.prior else "log-likelihood"
    label = f"mean {objective} (nats per row)"
    if climb.settings.objective.prior.variational:
        objective, label = "lower bound", "lower bound of the log evidence (nats)"
    return Film(scene, view, passes, objective, label, last.reason)

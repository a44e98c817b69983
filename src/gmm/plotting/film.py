"""`Film`: what an animation of a fit shows, pass by pass; nothing is drawn here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from gmm.estimators.steps import SteppedFit
from gmm.exceptions import InvalidParameterError, raisable
from gmm.plotting.scene import Scene, scored, staged
from gmm.plotting.view import View, view_of
from gmm.values.layouts import Array
from gmm.values.parameters import MixtureParameters

_MOST_ROWS = 2000


@dataclass(frozen=True, eq=False)
class Pass:
    """One pass: the mixture in the view, responsibilities (s, K) of the rows shown, and the bound."""

    mixture: MixtureParameters
    responsibilities: Array
    lower_bound: float
    accepted: bool


@dataclass(frozen=True, eq=False)
class Film:
    """What an animation shows: the last mixture with its rows, the view, the passes, their bounds' name, the end."""

    scene: Scene
    view: View
    passes: tuple[Pass, ...]
    measured: str
    reason: str


def film_of(climb: SteppedFit, random_state: Any, asked_view: Any) -> Film:
    """Make the climb, to its end, and keep what is seen of it in a view."""
    if isinstance(asked_view, str) and asked_view == "pairs":
        raise raisable(InvalidParameterError)("an animation shows one view: a feature, a pair of them, or a plane")
    strides = list(climb)
    if not strides:
        raise raisable(InvalidParameterError)("max_iter=0 makes no pass, so nothing moves: expected 1 or more")
    source, last = climb.source, strides[-1]
    made_up = [f"x{j}" for j in range(source.n_features)]
    scene = staged(
        last.iteration.parameters,
        tuple(made_up if climb.feature_names is None else climb.feature_names.tolist()),
        source,
        max_points=_MOST_ROWS,
        random_state=random_state if isinstance(random_state, int | None) else 0,  # a generator has given the start
        n_threads=climb.settings.n_threads,
    )
    view = view_of(scene.mixture, scene.names, asked_view)
    shown = np.ascontiguousarray(source.rows[scene.shown])
    passes = tuple(
        Pass(
            view.marginal(stride.iteration.parameters),
            scored(stride.iteration.parameters, shown, scene.n_threads)[0],
            stride.iteration.lower_bound,
            stride.iteration.accepted,
        )
        for stride in strides
    )
    assert last.reason is not None  # the last pass has one
    measured = "log-likelihood" if climb.settings.prior is None else "log-likelihood and prior"
    return Film(scene, view, passes, measured, last.reason)

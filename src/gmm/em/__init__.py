"""Passes over rows, parameter updates and solvers."""

from importlib import import_module
from typing import Any

_HOMES = {
    "EMStep": "estimators.steps",
    "Iteration": "em.solver",
    "SufficientStatistics": "values.statistics",
    "Trace": "em.trace",
    "e_step": "estimators.iteration",
    "m_step": "estimators.iteration",
    "steps": "estimators.steps",
}


def __getattr__(name: str) -> Any:  # until the room moves and `gmm.em` is a module of its own
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"gmm.{_HOMES[name]}"), name)

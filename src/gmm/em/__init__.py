"""Passes over rows, parameter updates and solvers."""

from importlib import import_module
from typing import Any

_HOMES = {
    "EMStep": "estimators.steps",
    "Iteration": "em.solver",
    "SufficientStatistics": "values.statistics",
    "Trace": "em.trace",
    "steps": "estimators.steps",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"gmm.{_HOMES[name]}"), name)

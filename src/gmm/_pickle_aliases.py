"""Former module paths of classes, so that pickles written by earlier versions still load.

Only `gmm` itself imports this module; other code uses the current paths.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType

from gmm._kernel.mstep import MixtureFamily, QuasiNewtonState
from gmm.em.solver import Iteration
from gmm.em.trace import PassRecord, Refinement, Trace
from gmm.estimators.mixture import GaussianMixture
from gmm.values.covariance import covariance_model
from gmm.values.layouts import layout_of_code
from gmm.values.parameters import MixtureParameters
from gmm.values.priors import NormalInverseWishart
from gmm.values.statistics import SufficientStatistics

_ALIASES: dict[str, dict[str, object]] = {
    "gmm._mstep": {"Ascent": QuasiNewtonState, "MixtureFamily": MixtureFamily},
    "gmm.covariance": {"covariance_model": covariance_model},
    "gmm.inference.climb": {"Iteration": Iteration},
    "gmm.inference.trace": {"PassRecord": PassRecord, "Refinement": Refinement, "Trace": Trace},
    "gmm.layouts": {"layout_of_code": layout_of_code},
    "gmm.mixture": {"GaussianMixture": GaussianMixture},
    "gmm.parameters": {"MixtureParameters": MixtureParameters},
    "gmm.priors": {"NormalInverseWishart": NormalInverseWishart},
    "gmm.resampling": {"__getattr__": lambda name: getattr(import_module("gmm.selection.resampling"), name)},
    "gmm.statistics": {"SufficientStatistics": SufficientStatistics},
    "gmm.steps": {"__getattr__": lambda name: getattr(import_module("gmm.estimators.steps"), name)},
}


def register() -> None:
    """Register the former modules in `sys.modules`, where `pickle` looks for them."""
    for name, classes in _ALIASES.items():
        module = ModuleType(name, "A former module path; only pickles use it.")
        vars(module).update(classes)
        sys.modules.setdefault(name, module)

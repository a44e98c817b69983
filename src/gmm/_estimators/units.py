"""Mixtures that were fitted in other units than those of the columns."""

from __future__ import annotations

from typing import TypeVar

import numpy as np

from gmm._estimators.fitted import FittedMixture, estimator_of, fitted_parameters, model_of, past_of, set_mixture
from gmm._estimators.outcome import fit_attributes
from gmm._estimators.past import Past
from gmm._values.coordinates import Coordinates
from gmm._values.priors import NormalInverseWishart

_Mixture = TypeVar("_Mixture", bound=FittedMixture)


def in_other_units(self: _Mixture, units: Coordinates, raised: float) -> _Mixture:
    """Return an estimator in the units of the columns, where log densities are larger by a number.

    Its covariance type is that of its mixture there; of its other parameters, a `NormalInverseWishart` comes along, and
    `reg_covar` is that of the column with the smallest unit.
    """
    parameters, arguments = units.restored(fitted_parameters(self)), self.get_params()
    if model_of(self) is not parameters.model:
        arguments["covariance_type"] = parameters.model.name
    arguments["reg_covar"] *= float(units.scales.min()) ** 2
    if isinstance(arguments.get("prior"), NormalInverseWishart):
        arguments["prior"] = units.restored_prior(arguments["prior"])
    names = vars(self).get("feature_names_in_")
    other = estimator_of(type(self), parameters, names, self._dtype, **arguments)
    if "history_" not in vars(self):  # a part of a fit, such as one class of several
        return other
    traces = tuple(trace.raised(raised) for trace in self.histories_)
    trace = self.history_.raised(raised)
    of_fit = fit_attributes(trace, self.lower_bound_ + raised, traces)
    before = past_of(self)
    of_rows = before.weight, None if before.steps is None else before.steps * units.scales, before.beside_errors
    past = Past(parameters, trace, *of_rows, shrunk=before.shrunk)
    if before.shrunk_by is not None:
        past = past._replace(shrunk_by=before.shrunk_by * np.append(1.0, units.scales))
    set_mixture(other, parameters, names, self._dtype, _last_fit=past, **of_fit)
    return other

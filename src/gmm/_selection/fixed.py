"""Fixed parameters in a search: those of the first components of every cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gmm._estimators.mixture import GaussianMixture
from gmm._selection.candidates import as_model
from gmm._validation.combinations import refuse
from gmm._validation.fixed import check_fixed, check_fixed_start, check_fixed_table
from gmm._validation.given import check_means_init, check_precisions_init
from gmm._values.covariance import CovarianceModel, covariance_model, stored_as
from gmm._values.fixed import Fixed
from gmm._values.layouts import FULL, Array
from gmm._values.parameters import MixtureParameters


@dataclass(frozen=True, eq=False)
class FixedComponents:
    """The first components of every cell, whose means are fixed, and maybe their covariances.

    Parameters
    ----------
    means : array of shape (n, d)
    fixed : Fixed
        Of these components.
    precisions, covariances : array, optional
        As they were given, and their inverses; None if none is fixed.
    stored : CovarianceModel
        Of all covariances in this shape.
    """

    means: Array
    fixed: Fixed
    precisions: Array | None
    covariances: Array | None
    stored: CovarianceModel

    def anchor(self, n_components: int, model: CovarianceModel) -> MixtureParameters:
        """Return a mixture that has the fixed parameters; its others are anything."""
        K, (n, d) = n_components, self.means.shape
        more = K - n
        weights, means = np.full(K, 1 / K), np.concatenate([self.means, np.zeros((more, d))])
        if self.covariances is None:
            covariances = model.layout.reduced(np.tile(np.eye(d), (K, 1, 1)), FULL, d)
        else:
            others = np.repeat(self.covariances[:1], more, axis=0)
            matrices = np.concatenate([self.covariances, others]) if more else self.covariances
            matrices = as_model(MixtureParameters(weights, means, matrices, self.stored), model).covariances
            covariances = model.constrained(matrices, weights)
        return MixtureParameters(weights, means, covariances, model, fixed=self.fixed.beside(more))

    def parameters(self, mixture: GaussianMixture) -> dict[str, Any]:
        """Return the parameters by which an estimator fixes the same in the mixture that it holds."""
        n, precisions = len(self.means), self.precisions
        if precisions is not None and mixture.n_components > n:
            precisions = np.concatenate([precisions, mixture.precisions_[n:]])
        masks = self.fixed.beside(mixture.n_components - n).masks
        return {"fixed": masks, "means_init": mixture.means_, "precisions_init": precisions}


def fixed_components(
    template: GaussianMixture, counts: Sequence[int], types: Sequence[str], n_features: int, *, standardize: bool
) -> FixedComponents | None:
    """Return what the parameters of all cells, numbers of components × types, fix; None if nothing.

    Raises
    ------
    ValueError
        If what is fixed is not given, is no mean, or does not go with a cell.
    """
    models, means_init, d = [covariance_model(name) for name in types], template.means_init, n_features
    parts = [means_init] if means_init is not None else (template.fixed or {}).values()
    n = max([1, *(len(np.atleast_1d(np.asarray(part))) for part in parts)])
    fixed = check_fixed(template.fixed, n, models[0])
    if not fixed and means_init is None and template.precisions_init is None:
        return None
    refuse("fixed weights", {"select": fixed.weights.any()})
    refuse("fixed covariances", {"max_ratio": template.max_ratio is not None and fixed.covariances.any()})
    refuse("fixed parameters", {"standardize": standardize})
    values = {"means": means_init, "precisions": template.precisions_init}
    check_fixed_start(fixed, [name for name, value in values.items() if value is not None])
    if not fixed.means.all():
        raise ValueError(
            "fixed: a search fixes all means in means_init, and covariances beside them: expected "
            f"{{'means': True}}, got {template.fixed!r:.80}"
        )
    if min(counts) < n:
        raise ValueError(f"expected n_components of {n} or more, the fixed components in means_init, got {min(counts)}")
    means, stored = check_means_init(means_init, n, d), stored_as(models[0].layout)
    if not fixed.covariances.any():
        return FixedComponents(means, fixed, None, None, stored)
    for model in models:
        check_fixed_table(fixed.beside(max(counts) - n).table, model)
    precisions, *_ = [check_precisions_init(template.precisions_init, n, d, model) for model in models]
    return FixedComponents(means, fixed, precisions, stored.layout.inverse(precisions, d), stored)

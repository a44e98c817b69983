"""The result of ``gmm fit --trim``: one mixture, and which rows its fit left out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gmm._caching import cached_property
from gmm._cli.describe import ending, finite_or_none
from gmm._cli.result import MixtureOutcome
from gmm._estimators.contract import names_of_features
from gmm._estimators.fitted import fitted_parameters, past_of
from gmm._estimators.mixture import GaussianMixture
from gmm._estimators.summary import Figures
from gmm._text.amounts import counted

__all__ = ["Trimmed"]


@dataclass(frozen=True, eq=False)
class Trimmed(MixtureOutcome):
    """A trimmed fit with its rows and options.

    Attributes
    ----------
    mixture : GaussianMixture
    """

    mixture: GaussianMixture

    @property
    def model(self) -> GaussianMixture:
        """The mixture."""
        return self.mixture

    @cached_property
    def figures(self) -> Figures | None:
        """Log-likelihood and criteria of the rows that are left; None with a prior."""
        model = self.mixture
        if model.prior is not None:
            return None
        of_fit = model.lower_bound_, model.reg_covar, names_of_features(model)
        return Figures.of_fit(fitted_parameters(model), past_of(model), *of_fit)

    @property
    def doubts(self) -> list[str]:
        """Which components are degenerate, and why, if any is."""
        verdict = self.figures.verdict if self.figures is not None else ""
        return [verdict] if verdict else []

    def document(self) -> dict[str, Any]:
        """Convert the result to JSON values: beside the mixture, what was left out, and figures of the others."""
        document, figures = super().document(), self.figures
        if figures is not None:
            numbers = {"loglik": figures.loglik, **figures.criteria}
            document["best"] |= {name: finite_or_none(value) for name, value in numbers.items()}
        request = {name: vars(self.options)[name] for name in ("prior", "max_ratio", "trim")}
        return {**document, **request, "n_left_out": self.n_outside}

    @property
    def headline(self) -> str:
        """The mixture in one line."""
        components = f"{counted(self.model.n_components, 'component')}{self._in_clusters}"
        figures = "" if self.figures is None else f"; of the rows that are left, {self.figures.line}"
        return f"{components}, {self.searched}{self._guards}{self.beside}: {ending(self.model)}{figures}"

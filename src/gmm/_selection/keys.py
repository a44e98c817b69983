"""`Key`: which cell of a search is fitted, and which others are next to it."""

from __future__ import annotations

from typing import NamedTuple

from gmm._selection.cells import kind_of
from gmm._values.covariance import CovarianceModel, same_as
from gmm._values.tails import NORMAL_TAILS, Tails


class Key(NamedTuple):
    """A cell that is fitted; requested cells whose models coincide share one. Searches have one value of each tails."""

    n_components: int
    model: CovarianceModel
    tails: Tails = NORMAL_TAILS

    @property
    def kind(self) -> str:
        """Model and tails, in short."""
        return kind_of(self.model.type_name, self.tails.name)

    def beside(self, more: int, n_features: int) -> Key:
        """Return the cell of so many components more."""
        K = self.n_components + more
        return self._replace(n_components=K, model=same_as(self.model, K, n_features))

    def has_other_tails(self, other: Key) -> bool:
        """Tell whether two cells differ in their tails alone; heavy ones may have another storage of the model."""
        same = self.n_components == other.n_components and self.model.name == other.model.name
        return same and self.tails is not other.tails

    def is_next_to(self, other: Key) -> bool:
        """Tell whether two cells differ in their model alone, by one component alone, or in their tails alone."""
        if self.tails is not other.tails:
            return self.has_other_tails(other)
        step = abs(self.n_components - other.n_components)
        return (step == 0) == (self.model is not other.model) and step <= 1

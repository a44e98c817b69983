"""The bar that cells of many rows have to reach: the best criterion so far. One that cannot come near it is left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

from gmm._estimators import criteria
from gmm._estimators.criteria import title
from gmm._fitting.racing import RECENT, foreseen_gain
from gmm._passes.trace import PassRecord
from gmm._selection.grid import of_interest
from gmm._selection.status import LEFT

# A run may gain so many times its projected gain. In 1112 passes of slow runs, up to 239 passes before their end, the
# gain to come exceeded this bound by 20 nats at most, half of `of_interest`: what is left cannot be the best.
_GAIN_SAFETY = 10


@dataclass(frozen=True)
class Bar:
    """The best criterion of other cells.

    Parameters
    ----------
    criterion : str
    score : float
        Infinite if no other cell has one.
    weight : float
        Of all rows.
    """

    criterion: str
    score: float
    weight: float

    def reason_to_leave(self, passes: Sequence[PassRecord], n_parameters: int) -> str | None:
        """Return the status of a run that will not end near the bar; None if it may.

        A mixture without prior is assumed: the bounds of its passes are log-likelihoods.
        """
        recent = passes[-RECENT:]
        gain = foreseen_gain([record.lower_bound for record in recent])
        if not isfinite(gain):
            return None
        gain = min(gain, _GAIN_SAFETY * recent[-1].remaining)
        reached = self.weight * (recent[-1].lower_bound + gain)
        behind = criteria.least(self.criterion, reached, n_parameters, self.weight) - self.score
        if not of_interest(self.criterion) < behind < float("inf"):
            return None
        return f"{LEFT}at least {behind:,.0f} {title(self.criterion)} behind the best"

"""A fitted mixture in words and a small table: facts as text, once for `print` and once for a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gmm.em.trace import Trace
from gmm.text.amounts import counted
from gmm.text.html import Cell, Html, escaped, line, sparkline, table
from gmm.values.parameters import MixtureParameters

_MOST_COMPONENTS = 12
_MOST_FEATURES = 6
_MEANING = "mean ± standard deviation"


@dataclass(frozen=True)
class Summary:
    """Weights, means and spread of the components, and how the fit went.

    Parameters
    ----------
    headline : str
        How many components, features and free parameters, and the covariance model.
    ending : str
        How the fit ended, and where; empty where there was none.
    headings : tuple of str
        Of the table's columns: the component, its weight, features.
    rows : tuple of tuples of str
        Of the table; many components or features are cut short.
    left_out : str
        What was, in words; empty where nothing was.
    weights : tuple of float
        Of the components in the table.
    lower_bounds : tuple of float
        Pass by pass.
    """

    headline: str
    ending: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left_out: str
    weights: tuple[float, ...]
    lower_bounds: tuple[float, ...]

    @classmethod
    def of(
        cls,
        parameters: MixtureParameters,
        trace: Trace | None = None,
        lower_bound: float | None = None,
        feature_names: Sequence[str] | None = None,
    ) -> Summary:
        """Take the facts.

        Parameters
        ----------
        parameters : MixtureParameters
        trace : Trace, optional
            Of the fit, where there was one.
        lower_bound : float, optional
            Of the parameters, where there was a fit.
        feature_names : sequence of str, optional
        """
        K, d = parameters.means.shape
        many, shown = min(K, _MOST_COMPONENTS), min(d, _MOST_FEATURES)
        names = [f"x{j}" for j in range(d)] if feature_names is None else map(str, feature_names)
        told = trace if trace is not None and len(trace) else None
        cut = [counted(K - many, "more component")] if many < K else []
        cut += [counted(d - shown, "more feature")] if d > shown else []
        return cls(
            headline=f"{counted(K, 'component')}, {counted(d, 'feature')}, {parameters.model.known_as} covariance, "
            f"{counted(parameters.n_parameters, 'free parameter')}",
            ending=f"{told.ending} ({told.reason}), mean log-likelihood {lower_bound:.6g} nats" if told else "",
            headings=("", "weight", *list(names)[:shown]),
            rows=_rows(parameters, many, shown),
            left_out=f"… and {', '.join(cut)}" if cut else "",
            weights=tuple(parameters.weights[:many].tolist()),
            lower_bounds=told.lower_bounds if told else (),
        )

    def __str__(self) -> str:
        """Several lines of text."""
        cells = [self.headings, *self.rows]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = [
            "  " + "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in cells
        ]
        notes = [f"  {note}" for note in (self.left_out, f"({_MEANING})") if note]
        return "\n".join([self.headline, *[self.ending] * bool(self.ending), *lines, *notes])

    def html(self) -> list[Html]:
        """The same as parts of a page, with a bar for each weight and a line of the lower bounds."""
        rows = [
            [number, Cell(weight, bar=share), *rest]
            for (number, weight, *rest), share in zip(self.rows, self.weights, strict=True)
        ]
        notes = "; ".join(note for note in (self.left_out, _MEANING) if note)
        parts = [line(self.headline, "title"), table(self.headings, rows), line(notes, "faint")]
        if self.ending:
            curve = sparkline(self.lower_bounds, label=f"mean log-likelihood, pass 1 to {len(self.lower_bounds)}")
            parts.append(line(Html(f"{curve}<span>{escaped(self.ending)}</span>"), "beside"))
        return parts


def _rows(parameters: MixtureParameters, many: int, shown: int) -> tuple[tuple[str, ...], ...]:
    K, d = parameters.means.shape
    variances = parameters.model.layout.diagonal(parameters.covariances, d)
    spreads = np.broadcast_to(np.sqrt(variances), (K, d))
    return tuple(
        (
            str(k),
            f"{parameters.weights[k]:.4f}",
            *(f"{parameters.means[k, j]:.4g} ± {spreads[k, j]:.3g}" for j in range(shown)),
        )
        for k in range(many)
    )

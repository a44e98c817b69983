"""``gmm fit --bayesian``: one variational mixture, which leaves empty the components that it does not need."""

from __future__ import annotations

import argparse
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gmm.cli import pictures
from gmm.cli.describe import agreement_json, ending, mixture_json
from gmm.cli.failures import CommandError, UsageError
from gmm.cli.result import Fitted, make_directory, rows_to_fit
from gmm.cli.show import Screen
from gmm.cli.write import check_suffix, check_writable, write_json
from gmm.estimators.bayesian import BayesianGaussianMixture
from gmm.text.amounts import counted
from gmm.values.covariance import CLASSIC, DEFAULT_COVARIANCE_TYPE

__all__ = ["fit_posterior"]

_MAX_COMPONENTS, _TOL = 20, 1e-3
# Options of a search alone: name, and whether it was given.
_OF_A_SEARCH = ("prior", "refine", "time_limit", "report")


@dataclass(frozen=True, eq=False)
class _Posterior(Fitted):
    mixture: BayesianGaussianMixture

    @property
    def model(self) -> BayesianGaussianMixture:
        """The mixture."""
        return self.mixture

    def document(self) -> dict[str, Any]:
        """Convert the result to JSON values: the data, the mixture, the agreement with labels."""
        model = self.model
        return {
            "data": self.about_data(),
            "seed": self.options.seed,
            "best": {
                **mixture_json(model),
                "n_effective_components": model.n_effective_components_,
                "expected_rows": np.asarray(model.counts_, dtype=np.float64).tolist(),
                "rows_per_component": self.counts.tolist(),
            },
            "agreement": None if self.agreement is None else agreement_json(self.agreement),
        }

    def show(self, screen: Screen, out: Path | None) -> None:
        """Print the size of the data, the mixture and the directory of the files."""
        n, d = self.rows.values.shape
        screen.line(f"{self.source}: {counted(n, 'row')}, {counted(d, 'column')}")
        screen.line()
        model = self.model
        screen.line(
            f"{counted(model.n_effective_components_, 'component')} of {model.n_components} with a row or more, "
            f"{model.covariance_type}: {ending(model)}, lower bound of the log evidence {model.lower_bound_:.2f}"
        )
        screen.line()
        self.show_groups(screen)
        if out is not None:
            screen.line()
            screen.line(f"written to {out}: model.gmm, labels.{self.options.format}, result.json")


def fit_posterior(screen: Screen, options: argparse.Namespace) -> None:
    """Run ``gmm fit --bayesian``.

    Raises
    ------
    CommandError
        If the fit did not converge, after everything has been written and printed; and if the table or an option is
        invalid.
    """
    name = _covariance_type(options)
    for given in _OF_A_SEARCH:
        if getattr(options, given) is not None:
            raise UsageError(f"--{given.replace('_', '-')}: not with --bayesian")
    if options.plot is not None:
        check_suffix("--plot", options.plot, pictures.SUFFIXES)
        check_writable(options.plot)
        pictures.drawing()
    rows, notes = rows_to_fit(screen, options)
    out, started = make_directory(options.out), time.perf_counter()
    model = BayesianGaussianMixture(
        n_components=min(options.max_components or _MAX_COMPONENTS, len(rows.values)),
        covariance_type=name,
        tol=_TOL if options.tol is None else options.tol,
        reg_covar=options.reg_covar,
        max_iter=options.max_iter,
        n_init=options.n_init,
        random_state=options.seed,
        n_threads=options.threads,
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(rows.frame, sample_weight=rows.weights)
    warned = tuple(str(warning.message) for warning in caught)
    result = _Posterior(rows, options, notes, warned, time.perf_counter() - started, model)
    _put_out(result, screen, out, options)
    if not model.converged_:
        raise CommandError(
            f"the fit did not converge in {counted(options.max_iter, 'pass', 'passes')}: raise --max-iter or --tol"
        )


def _covariance_type(options: argparse.Namespace) -> str:
    names = options.covariance or options.models or [DEFAULT_COVARIANCE_TYPE]
    if len(names) != 1 or names[0] not in CLASSIC:
        raise UsageError(f"--covariance {','.join(names)}: expected one of {', '.join(CLASSIC)} with --bayesian")
    return str(names[0])


def _put_out(result: _Posterior, screen: Screen, out: Path | None, options: argparse.Namespace) -> None:
    if out is not None:
        result.write_model(out, options.format)
        write_json(out / "result.json", result.document())
    if options.json:
        write_json(None, result.document())
    else:
        result.show(screen, out)
    if options.plot is not None:
        pictures.save(result.draw(pictures.drawing().plot_clusters), options.plot)
        (screen.note if options.json else screen.line)(f"picture written to {options.plot}")

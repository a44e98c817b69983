"""``gmm fit --bayesian``: one variational mixture, which leaves empty the components that it does not need."""

from __future__ import annotations

import argparse
import time

from gmm._cli.drawn import Drawings
from gmm._cli.failures import CommandError, UsageError, refuse
from gmm._cli.result import Posterior, fit_parameters, make_directory
from gmm._cli.rows import rows_to_fit
from gmm._cli.show import Screen
from gmm._estimators.bayesian import BayesianGaussianMixture
from gmm._text.amounts import counted
from gmm._values.covariance import CLASSIC, DEFAULT_COVARIANCE_TYPE

__all__ = ["fit_posterior"]

_MAX_COMPONENTS, _TOL = 20, 1e-3
# Options of a search alone.
_OF_A_SEARCH = ("criterion", "n_factors", "prior", "refine", "scale", "time_limit")


def fit_posterior(screen: Screen, options: argparse.Namespace) -> None:
    """Run ``gmm fit --bayesian``.

    Raises
    ------
    CommandError
        If the fit did not converge, after everything has been written and printed; and if the table or an option is
        invalid.
    """
    name = _covariance_type(options)
    if options.components is not None:
        raise UsageError("--components: not with --bayesian, which takes --max-components")
    refuse(options, _OF_A_SEARCH, "not with --bayesian")
    Drawings.check(options)
    rows = rows_to_fit(screen, options)
    out = make_directory(options.out)
    drawings, started = Drawings.of(options, out), time.perf_counter()
    model = _model(name, rows.n_rows, options)
    with screen.warnings() as warned, screen.working("fitting"):
        model.fit(rows.source, checkpoint=options.checkpoint, resume=options.resume)
    result = Posterior(rows, options, tuple(warned), time.perf_counter() - started, model)
    result.finish(screen, out)
    drawings.write(result, screen)
    if not model.converged_:
        raise CommandError(
            f"the fit did not converge in {counted(options.max_iter, 'pass', 'passes')}: raise --max-iter or --tol"
        )


def _model(name: str, n_rows: int, options: argparse.Namespace) -> BayesianGaussianMixture:
    return BayesianGaussianMixture(
        n_components=min(options.max_components or _MAX_COMPONENTS, n_rows),
        covariance_type=name,
        noise=bool(options.noise),
        **fit_parameters(options, _TOL),
    )


def _covariance_type(options: argparse.Namespace) -> str:
    names = options.covariance or options.models or [DEFAULT_COVARIANCE_TYPE]
    if len(names) != 1 or names[0] not in CLASSIC:
        raise UsageError(f"--covariance {','.join(names)}: expected one of {', '.join(CLASSIC)} with --bayesian")
    return str(names[0])

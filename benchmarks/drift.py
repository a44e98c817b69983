"""How often is there an alarm without a drift?

Weeks of 1000 rows against a reference of 10,000, or another number; every ten weeks another reference, and another fit
to 10,000 rows. The components are normal, or have tails heavier than the mixture's.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from benchmarks.report import Report
from benchmarks.settings import Settings

PEERS, THREADS = ("gmm",), (1,)
RATES = (0.01, 0.05, 0.2)
WEIGHTS = (0.4, 0.3, 0.2, 0.1)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this question."""
    parser.add_argument("--weeks", type=int, default=500, help="number of weeks")
    parser.add_argument("--reference", type=int, default=10_000, help="number of reference rows")


def run(settings: Settings, report: Report) -> bool:
    """Print the rates of false alarms; return whether none is more than twice and a bit of what was asked for."""
    n_weeks, right = 20 if settings.smoke else settings.arguments.weeks, True
    n_reference = settings.arguments.reference
    report.header("components", "columns", "weeks", *(f"at {rate:.0%}" for rate in RATES))
    for name, dof in (("normal", None), ("t6", 6)):
        for d in (2, 6):
            alarms = [np.mean(p_values(n_weeks, n_reference, d, dof) <= rate) for rate in RATES]
            report.row(name, str(d), str(n_weeks), *(f"{share:.1%}" for share in alarms))
            right &= all(
                got <= 2 * rate + 4 / n_weeks**0.5 * rate**0.5 for got, rate in zip(alarms, RATES, strict=True)
            )
    return right


def p_values(n_weeks: int, n_reference: int, d: int, dof: int | None) -> Any:
    """Return the p-values of weeks without a drift."""
    from gmm import GaussianMixture
    from gmm.analysis import drift

    rng, values = np.random.default_rng(0), []
    K = len(WEIGHTS)
    means, roots = 3 * rng.normal(size=(K, d)), 0.4 * rng.normal(size=(K, d, d)) + np.eye(d)

    def rows(n: int) -> Any:
        k, z = draws.choice(K, n, p=WEIGHTS), draws.normal(size=(n, d))
        if dof:
            z /= np.sqrt(draws.chisquare(dof, size=(n, 1)) / dof)
        return means[k] + np.einsum("nij,nj->ni", roots[k], z)

    for week in range(n_weeks):
        draws = np.random.default_rng(1000 + week)
        if week % 10 == 0:
            mixture = GaussianMixture(K, random_state=0, tol=1e-4).fit(rows(10_000))
            reference = rows(n_reference)
        values.append(drift(mixture, rows(1000), reference, n_replicates=499, random_state=week).p_value)
    return np.array(values)

"""What do known errors cost, and how does a pass compare with astroML's XDGMM, if that is installed?

Times are those of a pass and its update, on one thread, beside the pass over the same rows without errors.
"""

from __future__ import annotations

import warnings
from time import process_time
from typing import Any

import numpy as np

from benchmarks.report import Report
from benchmarks.settings import Settings
from benchmarks.tails import seconds_per_pass

PEERS, THREADS = ("gmm",), (1,)
K = 20
SHAPES = tuple((n, d, apart) for n in (40_000, 200_000) for d in (2, 6) for apart in (2, 6))
KINDS = ("one for all", "20", "each row its own", "variances of its own")
MOST_RATIO = 12.0  # of errors of their own in six columns: 8 on a quiet machine
ROWS_OF_PEER, PASSES_OF_PEER = 4000, 5


def run(settings: Settings, report: Report) -> bool:
    """Print the cost of each kind of errors, then XDGMM's; return whether errors of their own are cheap enough."""
    ratios = []
    report.note(f"{K} full covariances; means have a standard deviation of `apart` in each column, components about 1")
    report.header("rows × columns, apart", "without, ms", *(f"{kind}, ratio" for kind in KINDS))
    for n, d, apart in SHAPES:
        if f"{n}x{d}" not in settings.arguments.only and settings.arguments.only:
            continue
        rows, errors, start = blurred(2000 if settings.smoke else n, d, apart)
        without = seconds_per_pass(rows, **start)
        times = [seconds_per_pass(rows, {"error_covariance": errors[kind]}, **start) for kind in KINDS]
        ratios.append(times[2] / without if d == 6 else 0.0)
        report.row(f"{len(rows)} × {d}, {apart}", f"{1e3 * without:.1f}", *(f"{each / without:.2f}" for each in times))
    report.close()
    beside_peer(settings, report)
    return settings.smoke or max(ratios, default=0) < MOST_RATIO


def blurred(n: int, d: int, apart: float) -> tuple[np.ndarray, dict[str, np.ndarray], dict[str, Any]]:
    """Return rows of components with errors, the kinds of errors by their names, and the start of a fit."""
    rng = np.random.default_rng(0)
    means, labels = apart * rng.normal(size=(K, d)), rng.integers(K, size=n)
    roots = rng.normal(size=(n, d, 2 * d)) * np.sqrt(0.15 / d)
    own = roots @ roots.transpose(0, 2, 1)
    rows = means[labels] + rng.normal(size=(n, d)) + np.einsum("nij,nj->ni", roots, rng.normal(size=(n, 2 * d)))
    of = own[0], own[rng.integers(20, size=n)], own, np.einsum("nii->ni", own).copy()
    start = {"weights_init": np.full(K, 1 / K), "means_init": means, "precisions_init": np.tile(np.eye(d), (K, 1, 1))}
    return rows, dict(zip(KINDS, of, strict=True)), start


def beside_peer(settings: Settings, report: Report) -> None:
    """Print the time of a pass of both, over the same rows."""
    try:
        from astroML.density_estimation import XDGMM
    except ImportError as error:
        report.skipped("XDGMM", f"astroML is not installed ({error})")
        return
    report.header("rows × columns", "gmm, ms", "XDGMM, ms")
    for d in (2, 6):
        rows, errors, start = blurred(400 if settings.smoke else ROWS_OF_PEER, d, 6)
        own, times = errors["each row its own"], dict.fromkeys((1, 1 + PASSES_OF_PEER), np.inf)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for n_passes in times:
                begin = process_time()
                XDGMM(K, max_iter=n_passes, tol=-np.inf, random_state=0).fit(rows, own)
                times[n_passes] = process_time() - begin
        peer = (times[1 + PASSES_OF_PEER] - times[1]) / PASSES_OF_PEER
        ours = seconds_per_pass(rows, {"error_covariance": own}, **start)
        report.row(f"{len(rows)} × {d}", f"{1e3 * ours:.1f}", f"{1e3 * peer:.0f}")
    report.close()

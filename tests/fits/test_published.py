"""Numbers that others published or computed: their data, starts and results."""

import json

import numpy as np
import pytest

from gmm import GaussianMixture
from tables import BLOBS, DATA, FAITHFUL, IRIS, numbers_of

PRECISE = {"tol": 1e-10, "max_iter": 5000, "random_state": 0}
GALAXIES = numbers_of(DATA / "galaxies.csv")[:, None] / 1000
TABLES = {"faithful": FAITHFUL, "iris": IRIS}


def name_of(run):
    return f"{run['dataset']} {run['model']},{run['G']} {run['start']}"


cut_short = pytest.mark.filterwarnings("ignore:Best performing initialization")
every_run = pytest.mark.parametrize("run", json.loads((DATA / "mclust.json").read_text()), ids=name_of)


def climbed(run, callback, **how):
    X, G = TABLES[run["dataset"]], run["G"]
    start = np.eye(G)[numbers_of(DATA / f"{run['dataset']}_partitions.csv")[:, G - 2].astype(int)]
    start = start if run["start"] == "hard" else 0.7 * start + 0.3 / G
    asked = {"covariance_type": run["model"], "reg_covar": 0, "acceleration": None} | how
    return X, GaussianMixture(G, init_params=start, **asked).fit(X, callback=callback)


def matrices(sigma, d):
    """Symmetric matrices from upper triangles given column by column."""
    out = np.zeros((len(sigma), d, d))
    row, column = np.array([(i, j) for j in range(d) for i in range(j + 1)]).T
    out[:, row, column] = out[:, column, row] = sigma
    return out


def as_mclust_stops(n):
    """A callback: the total log-likelihood of `n` rows has all but stopped changing."""
    return lambda record: abs(n * record.gain) < 1e-10 * (1 + abs(n * record.lower_bound))


def assert_parameters(got, expected, rtol):
    np.testing.assert_allclose(got.weights, expected["pro"], rtol=rtol)
    np.testing.assert_allclose(got.means, expected["mean"], rtol=rtol)
    if "sigma" in expected:
        ours = got.model.layout.dense(got.covariances, *got.means.shape)
        theirs = matrices(expected["sigma"], got.n_features)
        np.testing.assert_allclose(ours, theirs, rtol=rtol, atol=rtol * np.abs(theirs).max())


@cut_short
@every_run
def test_mclusts_passes_are_ours(run):
    seen = []
    X, mixture = climbed(run, tol=0, max_iter=6, callback=lambda r: seen.append(r.parameters))
    rtol = {"VEE": 1e-7, "EVE": 1e-6}.get(run["model"], 1e-11)  # mclust ends its inner search of these early
    alike = 0 if run["model"] == "EVE" else 6  # whose updates of ours raise the likelihood, and no more
    for t, loglik in run["loglik"].items():
        if int(t) <= alike:
            assert len(X) * mixture.lower_bounds_[int(t) - 1] == pytest.approx(loglik, rel=rtol)
    if alike:
        assert_parameters(seen[0], run["first"], max(1e-10, 100 * rtol))
        assert_parameters(seen[4], run["fifth"], max(1e-8, 1000 * rtol))
    assert mixture.n_parameters_ == run["df"]


@cut_short
@every_run
def test_mclusts_optima_are_ours(run):
    n = len(TABLES[run["dataset"]])
    X, mixture = climbed(run, tol=0, max_iter=20_000, callback=as_mclust_stops(n))
    expected = run["conv"]
    assert mixture.history_.reason == "stopped by the callback"
    assert n * mixture.score(X) == pytest.approx(expected["loglik"], rel=1e-8)
    assert -mixture.bic(X) == pytest.approx(expected["BIC"], rel=1e-8)
    assert -mixture.criteria(X)["icl"] == pytest.approx(expected["ICL"], rel=1e-6)
    assert_parameters(mixture._parameters, expected, 1e-4)


@cut_short
@pytest.mark.parametrize("run", json.loads((DATA / "exact_orientation.json").read_text()), ids=name_of)
def test_common_orientations_end_where_exact_ones_do(run):
    """An update begins with the axes before and need not be a maximum: the ends are those of exact ones, or higher."""
    n = len(TABLES[run["dataset"]])
    _, mixture = climbed(run, tol=0, max_iter=20_000, callback=as_mclust_stops(n))
    bounds = n * np.array(mixture.lower_bounds_)
    assert (np.diff(bounds) > -1e-9).all()
    lower = 0.15 if name_of(run) == "iris VVE,4 soft" else 1e-8 * abs(run["conv"])  # that one ends in another optimum
    assert bounds[-1] > run["conv"] - lower


OPTIMA = {
    "galaxies": (GALAXIES, 3, "full", 8, -203.1792, 1e-4, 441.6122, 2e-4),
    # mclust stops when the log-likelihood changes by less than 1e-5 of itself.
    "faithful VVV": (FAITHFUL, 2, "full", 11, -1130.264068, 2e-4, 2322.191959, 4e-4),
    # It stops 0.0103 nats early.
    "faithful EEE": (FAITHFUL, 3, "tied", 11, -1126.326 + 0.0101, 1e-3, 2314.316 - 0.0202, 2e-3),
    "blobs": (BLOBS, 4, "full", 23, -1973.625191, 2e-6, 4111.261054, 4e-6),
}


@pytest.mark.parametrize("name", OPTIMA)
def test_published_optima_are_found(name):
    X, K, covariance_type, n_parameters, loglik, near, bic, near_bic = OPTIMA[name]
    mixture = GaussianMixture(K, covariance_type=covariance_type, reg_covar=0, n_init=5, **PRECISE).fit(X)
    assert len(X) * mixture.score(X) == pytest.approx(loglik, abs=near)
    assert mixture.bic(X) == pytest.approx(bic, abs=near_bic)
    assert mixture.n_parameters_ == n_parameters
    if name == "blobs":
        assert mixture.aic(X) == pytest.approx(3993.250381, abs=4e-6)
    elif covariance_type == "tied":
        assert mixture.criteria(X)["icl"] == pytest.approx(2357.824, abs=1)


def test_random_responsibilities_do_not_converge_at_once_where_tol_is_small():
    """A small change is not yet an optimum: the default `tol` stops where nothing is found."""
    asked = {"init_params": "random", "tol": 1e-9, "max_iter": 5000}
    mixture = GaussianMixture(4, n_init=3, random_state=0, **asked).fit(BLOBS)
    assert mixture.bic(BLOBS) < 4500

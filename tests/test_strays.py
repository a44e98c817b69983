"""Few rows far from the others, where all components share one covariance: a group or strays."""

import numpy as np
import pytest

from gmm import GaussianMixture, select
from inside import MixtureParameters, Noise, StudentTails, covariance_model
from test_health import degenerate_of

TYPES = ["EII", "EEI", "EEE"]
RIDGE, N = 1e-6, 200
of_one_covariance = pytest.mark.parametrize("name", TYPES)


def mixture(name, n_far, distance, **beside):
    """Round components at 0 and 5, and one of few rows at a distance."""
    weights = np.array([100.0, N - 100 - n_far, n_far]) / N
    means = np.array([[0.0, 0.0], [5.0, 0.0], [0.0, -distance]])
    model = covariance_model(name)
    covariances = {"EII": np.ones(3), "EEI": np.ones((3, 2)), "EEE": np.eye(2)}[name]
    return MixtureParameters(weights, means, covariances, model, **beside)


def table(n_far, seed=0):
    """Two groups, and few rows near (20, −20)."""
    rng = np.random.default_rng(seed)
    groups = [rng.normal(mean, 1, (100, 2)) for mean in ((0, 0), (6, 0))]
    return np.concatenate([*groups, rng.normal((20, -20), 0.3, (n_far, 2))])


@of_one_covariance
@pytest.mark.parametrize(
    ("n_far", "distance", "strays"),
    [
        (3, 30, False),
        (2, 30, False),
        (3, 5, True),  # as near as the tail of some group
        (1, 1000, True),  # one row is not a group
        (4, 5, False),  # rows enough for the model
    ],
)
def test_rows_nearer_to_each_other_than_chance_puts_them_are_a_group(name, n_far, distance, strays):
    assert degenerate_of(mixture(name, n_far, distance), N, RIDGE).tolist() == [False, False, strays]


@of_one_covariance
def test_two_groups_of_few_rows_beside_each_other_are_strays(name):
    far = mixture(name, 3, 30)
    weights, means = np.append(far.weights, 2 / N), np.append(far.means, [[0, -31.0]], axis=0)
    covariances = np.ones((4, *far.covariances.shape[1:])) if name != "EEE" else far.covariances
    told = degenerate_of(MixtureParameters(weights, means, covariances, far.model), N, RIDGE)
    assert told.tolist() == [False, False, True, True]


@of_one_covariance
@pytest.mark.parametrize("init_params", ["kmeans", "k-means++", "hierarchical"])
def test_a_fit_gives_a_group_of_three_rows_a_component(name, init_params):
    fit = GaussianMixture(3, covariance_type=name, init_params=init_params, random_state=0).fit(table(3))
    assert fit.weights_.min() * 203 == pytest.approx(3, abs=0.01)


@pytest.mark.parametrize("n_far", [2, 3])
@pytest.mark.parametrize("criterion", ["bic", "held_out"])
def test_a_search_gives_a_far_group_of_few_rows_a_component(n_far, criterion):
    found = select(table(n_far), range(1, 5), TYPES, criterion=criterion, random_state=0)
    assert (found.best.n_components, found.status[found.best_index]) == (3, "ok")
    assert found.best.weights_.min() * (200 + n_far) == pytest.approx(n_far, abs=0.01)


BOX = Noise(np.full(2, -40.0), np.full(2, 40.0), 0.01)


@of_one_covariance
@pytest.mark.parametrize("beside", [{"noise": BOX}, {"tails": StudentTails(4.0)}])
def test_far_rows_beside_noise_or_with_heavy_tails_are_strays(name, beside):
    assert degenerate_of(mixture(name, 3, 30, **beside), N, RIDGE).tolist() == [False, False, True]

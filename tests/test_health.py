"""Which components are spikes."""

import numpy as np
import pytest

import reference
from gmm.fitting.degenerate import degenerate_components
from gmm.rows.sources import ArraySource
from gmm.values.covariance import PARSIMONIOUS, covariance_model
from gmm.values.layouts import FULL, TIED
from gmm.values.parameters import MixtureParameters

RIDGE = 1e-6
every_type = pytest.mark.parametrize("name", PARSIMONIOUS)


def mixture(name, weights, variances):
    """Round components of given variances in two features."""
    K, model = len(weights), covariance_model(name)
    covariances = {
        "full": np.array([v * np.eye(2) for v in variances]),
        "tied": variances[0] * np.eye(2),
        "diag": np.array([[v, v] for v in variances]),
        "spherical": np.array(variances),
    }[reference.shape_of(name)]
    return MixtureParameters(np.array(weights), np.arange(2.0 * K).reshape(K, 2), covariances, model)


@every_type
def test_few_rows_are_a_spike(name):
    fewest = 6 if name in ("EVV", "VVV") else 4  # whose components have a matrix of their own
    for rows, expected in ((fewest - 0.49, False), (fewest - 0.51, True)):
        parameters = mixture(name, [1 - rows / 100, rows / 100], [1.0, 1.0])
        assert degenerate_components(parameters, 100, RIDGE).tolist() == [False, expected]


@pytest.mark.parametrize("name", ["full", "diag", "spherical"])
@pytest.mark.parametrize(
    ("variance", "rows", "expected"),
    [
        (2e-4, 20, False),  # thick enough
        (0.4e-4, 20, True),  # thin
        (0.4e-4, 200, False),  # a tight cluster
        (2e-6, 200, True),  # many rows, and nothing but the ridge
    ],
)
def test_a_thin_component_is_a_spike_but_for_a_tight_cluster_of_many_rows(name, variance, rows, expected):
    parameters = mixture(name, [1 - rows / 1000, rows / 1000], [1.0, variance])
    assert degenerate_components(parameters, 1000, RIDGE).tolist() == [False, expected]


def test_one_thin_direction_is_enough_in_any_coordinates():
    rng = np.random.default_rng(0)
    change = rng.normal(size=(3, 3))
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    plane = turn @ np.diag([1, 1, 0.5e-4]) @ turn.T
    covariances = np.array([change @ shape @ change.T for shape in (np.eye(3), plane)])
    parameters = MixtureParameters(np.array([0.9, 0.1]), np.zeros((2, 3)), covariances, covariance_model("full"))
    assert degenerate_components(parameters, 200, RIDGE).tolist() == [False, True]


@every_type
def test_the_only_component_is_no_spike(name):
    assert not degenerate_components(mixture(name, [1.0], [1e-9]), 100, RIDGE).any()


@every_type
def test_the_only_component_has_rows_for_all_its_directions(name):
    """Of no more rows than features a matrix is singular but for the ridge."""
    dense = covariance_model(name).layout in (FULL, TIED)
    assert degenerate_components(mixture(name, [1.0], [RIDGE]), 2, RIDGE).any() == dense
    assert not degenerate_components(mixture(name, [1.0], [RIDGE]), 3, RIDGE).any()
    assert not degenerate_components(mixture(name, [1.0], [1.0]), 2, RIDGE).any()  # a prior's, say


def test_components_far_apart_are_judged_by_their_own_widths():
    parameters = mixture("full", [0.5, 0.5], [1e-8, 1e-8])
    assert not degenerate_components(parameters, 100, 0).any()


def test_rows_of_unequal_weight_say_less():
    rows = np.zeros((4, 1))
    assert ArraySource(rows).n_effective == 4
    assert ArraySource(rows, np.full(4, 1e200)).n_effective == 4
    assert ArraySource(rows, np.array([1.0, 1.0, 0.0, 0.0])).n_effective == 2
    assert ArraySource(rows, np.array([3.0, 1.0, 1.0, 1.0])).n_effective == pytest.approx(3)

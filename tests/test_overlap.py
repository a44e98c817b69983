"""How far apart components are, against closed forms and quadrature."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import quad
from scipy.special import ndtr

import inside
from gmm import GaussianMixture
from gmm.analysis import column_overlap, overlap
from inside import COVARIANCE_TYPES
from tables import refused

rng = np.random.default_rng(0)
X = np.concatenate([rng.normal([-2, 0, 0], [1, 2, 1], (120, 3)), rng.normal([2, 1, 0], [2, 1, 1], (80, 3))])


def test_with_a_shared_covariance_it_is_a_tail_of_the_normal_distribution():
    weights, means, S = np.array([0.2, 0.3, 0.5]), np.array([[0, 0], [1.5, 1], [4, -1]]), np.array([[2, 0.8], [0.8, 1]])
    mixture = GaussianMixture.from_parameters(weights, means, S, covariance_type="tied")
    found = overlap(mixture, n_samples=200_000)
    for i in range(3):
        for j in set(range(3)) - {i}:
            step = means[j] - means[i]
            distance = np.sqrt(step @ np.linalg.solve(S, step))
            expected = ndtr(np.log(weights[j] / weights[i]) / distance - distance / 2)
            assert found[i, j] == pytest.approx(expected, abs=4 * np.sqrt(expected / 200_000))
    assert (np.diag(found) == 0).all()


def inverted(weights, means, covariances, i, j):
    """ω_{j|i} by inversion of the characteristic function of the log ratio of both densities at a row of i."""
    factor, precision, step = np.linalg.cholesky(covariances[i]), np.linalg.inv(covariances[j]), means[i] - means[j]
    slopes = -factor.T @ precision @ step
    curvatures, axes = np.linalg.eigh(0.5 * (np.eye(len(factor)) - factor.T @ precision @ factor))
    slopes = axes.T @ slopes
    logdets = [np.linalg.slogdet(covariances[k])[1] for k in (i, j)]
    constant = np.log(weights[j] / weights[i]) - 0.5 * (step @ precision @ step + logdets[1] - logdets[0])

    def integrand(t):
        s = 1 - 2j * t * curvatures
        return (np.exp(1j * t * constant - 0.5 * t * t * (slopes**2 / s).sum()) / np.prod(np.sqrt(s))).imag / t

    return 0.5 + quad(integrand, 0, np.inf, limit=2000, epsabs=1e-11)[0] / np.pi


def test_iris_by_species_overlaps_as_inversion_says():
    """Davies' inversion is how R's MixSim computes it, for which this is the example of its manual."""
    flowers = np.loadtxt(Path(__file__).parent / "data" / "iris.csv", delimiter=",", skiprows=1).reshape(3, 50, 4)
    means, covariances = flowers.mean(axis=1), np.array([np.cov(species.T) for species in flowers])
    exact = inverted(np.ones(3), means, covariances, 1, 2), inverted(np.ones(3), means, covariances, 2, 1)
    np.testing.assert_allclose(exact, [0.0230231, 0.0262945], atol=1e-7)
    found = overlap(GaussianMixture.from_parameters(np.full(3, 1 / 3), means, covariances), n_samples=400_000)
    np.testing.assert_allclose([found[1, 2], found[2, 1]], exact, atol=8e-4)
    assert found[0].max() < 1e-5


@pytest.mark.parametrize("name", COVARIANCE_TYPES)
def test_the_common_area_in_a_column_is_that_of_quadrature(name):
    mixture = GaussianMixture(3, covariance_type=name, random_state=0).fit(X)
    found = column_overlap(mixture).areas
    assert found.shape == (3, 3)
    for k, j in ((0, 0), (2, 1)):
        one = mixture.marginal(j)
        means, weights = one.means_.ravel(), one.weights_
        deviations = np.sqrt(np.broadcast_to(np.ravel(one.covariances_), 3))

        def least(x, k=k, means=means, weights=weights, deviations=deviations):
            densities = np.exp(-0.5 * ((x - means) / deviations) ** 2) / deviations / np.sqrt(2 * np.pi)
            return min(densities[k], (weights @ densities - weights[k] * densities[k]) / (1 - weights[k]))

        parts = pairwise(np.linspace(-15, 15, 61))
        area = sum(quad(least, a, b, epsabs=1e-13)[0] for a, b in parts)
        assert found[k, j] == pytest.approx(area, abs=1e-9)


def test_the_common_area_of_two_densities_is_that_of_the_closed_form():
    """Inman & Bradley (1989), equal variances: 2 Φ(−δ / 2), however far apart and in whatever units; and others."""
    for unit in (1e-100, 1.0, 1e100):
        for apart in (0.0, 0.3, 2.0, 5.0, 9.0, 40.0):
            mixture = GaussianMixture.from_parameters([0.3, 0.7], [[0.0], [apart * unit]], [[[unit**2]]] * 2)
            np.testing.assert_allclose(column_overlap(mixture).areas, 2 * ndtr(-apart / 2), rtol=0, atol=1e-14)
    for thin in (0.5, 1e-2, 1e-6):
        mixture = GaussianMixture.from_parameters([0.5, 0.5], [[0.0], [1.0]], [[[1.0]], [[thin**2]]])
        a, b, c = 1 - thin**2, -2.0, 1 + 2 * thin**2 * np.log(thin)
        low, high = sorted(np.roots([a, b, c]).real)
        inside = [ndtr(high) - ndtr(low), ndtr((high - 1) / thin) - ndtr((low - 1) / thin)]
        np.testing.assert_allclose(column_overlap(mixture).areas, inside[0] + 1 - inside[1], rtol=0, atol=1e-12)
    # A group between others has its column.
    parts = [0.3, 0.4, 0.3], [[-1, 0], [0, 0], [1, 0]], np.full(3, 0.01)
    found = column_overlap(GaussianMixture.from_parameters(*parts, covariance_type="spherical")).areas
    assert found[:, 0].max() < 1e-5
    np.testing.assert_allclose(found[:, 1], 1, atol=1e-6)


def test_many_rows_are_drawn_in_parts(monkeypatch):
    mixture = GaussianMixture(2, random_state=0).fit(X)
    monkeypatch.setattr(inside.overlap, "_NUMBERS_AT_ONCE", 3000)
    parts = overlap(mixture, n_samples=10_500)
    monkeypatch.undo()
    np.testing.assert_array_equal(parts, overlap(mixture, n_samples=10_500))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("rest", [0.0, 1e-30])
def test_components_of_hardly_any_weight_have_a_density_all_the_same(rest):
    mixture = GaussianMixture.from_parameters([1.0, rest], [[0.0], [5.0]], [1, 1], covariance_type="spherical")
    common = 2 * ndtr(-2.5)
    expected = [[common if rest else 0.0], [common]]
    np.testing.assert_allclose(column_overlap(mixture).areas, expected, atol=2e-4)
    # Found by fuzzing: an infinite density times a weight of zero.
    means, covariances = [[0.0, 1.0], [5.0, 1.0], [0.0, 1.0]], [1e-6 * np.eye(2)] * 3
    mixture = GaussianMixture.from_parameters([1.0, 0.0, 0.0], means, covariances)
    np.testing.assert_allclose(column_overlap(mixture).areas, [[0, 0], [0, 1], [1, 1]], atol=1e-10)


def test_what_is_refused():
    mixture = GaussianMixture(1).fit(X)
    refused("two components or more", column_overlap, mixture)
    assert overlap(mixture).tolist() == [[0]]
    for n_samples in (0, 1.5, True):
        refused("Invalid value for 'n_samples'", overlap, mixture, n_samples=n_samples)


def test_the_overlap_of_columns_has_their_names():
    table = pd.DataFrame(X, columns=["size", "age", "weight"])
    common = column_overlap(GaussianMixture(2, random_state=0).fit(table))
    frame = common.to_frame()
    assert list(frame) == ["component", "size", "age", "weight"]
    np.testing.assert_array_equal(frame["age"], common.areas[:, 1])
    lines = repr(common).splitlines()
    assert lines[1].split() == ["size", "age", "weight"]
    assert lines[3].split() == ["1", *(f"{area:.3f}" for area in common.areas[1])]

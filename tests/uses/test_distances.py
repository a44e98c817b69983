"""Distances, matched components and overlap: against closed forms, quadrature, published code, the twin."""

from itertools import pairwise, permutations

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import quad
from scipy.special import ndtr

import inside
import reference
from gmm import GaussianMixture
from gmm.analysis import column_overlap, distance, match, overlap
from inside import PARSIMONIOUS
from tables import IRIS, refused
from tables import parameters as dense

rng = np.random.default_rng(0)
X = np.concatenate([rng.normal([-2, 0, 0], [1, 2, 1], (120, 3)), rng.normal([2, 1, 0], [2, 1, 1], (80, 3))])
KINDS = ("wasserstein", "kullback-leibler", "bhattacharyya")


def mixture(weights, means, covariances):
    return GaussianMixture.from_parameters(weights, means, covariances)


def one_column(weights, means, variances):
    return mixture(weights, np.reshape(means, (-1, 1)), np.reshape(variances, (-1, 1, 1)))


def numbers_of(found):
    return found.value, found.low, found.high


# Drawn once, rounded.
A = mixture([0.36, 0.64], [[-1.0, 1.0], [1.4, -0.1]], [[[0.4, 0.15], [0.15, 1.2]], [[0.52, 0.1], [0.1, 1.5]]])
B = mixture(
    [0.2, 0.5, 0.3],
    [[0.0, 2.5], [-1.5, 0.3], [3.0, -2.0]],
    [[[1.0, -0.4], [-0.4, 0.8]], [[0.5, 0.2], [0.2, 0.6]], [[2.0, 0.9], [0.9, 1.1]]],
)


def test_it_is_what_pot_computes():
    """POT 0.9.7: √ot.gmm.gmm_ot_loss(means, means, covariances, covariances, weights, weights), and gmm_ot_plan."""
    found = distance(A, B)
    assert found.value == pytest.approx(2.324440710943754, rel=1e-9)
    np.testing.assert_allclose(found.plan, [[0.0, 0.36, 0.0], [0.2, 0.14, 0.3]], atol=1e-9)
    assert (found.standard_error, found.low, found.high) == (0, found.value, found.value)


@pytest.mark.parametrize("name", PARSIMONIOUS)
def test_of_every_type_it_is_the_twin_s(name):
    a, b = (GaussianMixture(K, covariance_type=name, random_state=0).fit(X + K) for K in (3, 2))
    found = distance(a, b)
    assert found.value == pytest.approx(reference.mixture_wasserstein(dense(a), dense(b)), rel=1e-6)
    np.testing.assert_allclose(found.plan.sum(axis=1), a.weights_, atol=1e-9)
    np.testing.assert_allclose(found.plan.sum(axis=0), b.weights_, atol=1e-9)
    assert distance(a, a).value < 1e-12 * np.abs(X).max()
    assert distance(b, a).value == pytest.approx(found.value)


def test_types_may_differ_and_give_what_full_covariances_give():
    a, b = (GaussianMixture(2, covariance_type=name, random_state=0).fit(X) for name in ("diag", "spherical"))
    full = [mixture(*dense(each)) for each in (a, b)]
    for kind in KINDS:
        assert numbers_of(distance(a, b, kind=kind)) == pytest.approx(numbers_of(distance(*full, kind=kind)), rel=1e-9)


def test_bounds_enclose_what_quadrature_gives_and_errors_say_how_far_draws_are_off():
    a = GaussianMixture.from_parameters([0.3, 0.7], [[0], [3]], [1, 0.5], covariance_type="spherical")
    b = GaussianMixture.from_parameters([0.5, 0.2, 0.3], [[0.5], [2], [4]], [2, 1, 1], covariance_type="spherical")

    def density(fit, x):
        return np.exp(fit.score_samples([[x]])[0])

    exact = {
        "kullback-leibler": quad(lambda x: density(a, x) * np.log(density(a, x) / density(b, x)), -9, 12, limit=200)[0],
        "bhattacharyya": -np.log(quad(lambda x: np.sqrt(density(a, x) * density(b, x)), -20, 25, limit=200)[0]),
    }
    for kind, value in exact.items():
        draws = [distance(a, b, kind=kind, n_samples=2000, random_state=seed) for seed in range(40)]
        assert all(found.low <= value <= found.high for found in draws)
        off = [(found.value - value) / found.standard_error for found in draws]
        assert np.std(off) == pytest.approx(1, abs=0.35)
        assert abs(np.mean(off)) < 0.6


def test_bounds_are_the_twin_s_and_tight_where_components_are_apart():
    found = distance(A, B, kind="kullback-leibler")
    assert (found.low, found.high) == pytest.approx(reference.divergence_bounds(dense(A), dense(B)), rel=1e-6)
    far = mixture(A.weights_, A.means_ * 20, A.covariances_)
    wider = mixture(A.weights_[::-1], A.means_[::-1] * 20, A.covariances_[::-1] * 1.5)
    for kind in KINDS[1:]:
        found = distance(far, wider, kind=kind)
        assert found.value == pytest.approx(found.high, abs=5 * found.standard_error + 1e-3)
    assert distance(far, far, kind="bhattacharyya").value == 0


@pytest.mark.parametrize("unit", [1e-120, 1e-6, 1e6, 1e120])
def test_units_scale_the_one_and_leave_the_others(unit):
    moved = [mixture(w, m * unit + 1e3 * unit, S * unit**2) for w, m, S in map(dense, (A, B))]
    assert distance(*moved).value == pytest.approx(unit * distance(A, B).value, rel=1e-9)
    for kind in KINDS[1:]:
        got, expected = (numbers_of(distance(*pair, kind=kind, n_samples=1000)) for pair in (moved, (A, B)))
        assert got == pytest.approx(expected, rel=1e-6)


def test_it_is_between_mixtures_and_not_their_components():
    assert distance(A, mixture([0.18, 0.18, 0.64], A.means_[[0, 0, 1]], A.covariances_[[0, 0, 1]])).value < 1e-7
    places = np.array([0.0, 1e-4, 2e-4, 1.0])  # near components find theirs beside a far one
    one, other = (one_column(np.full(4, 0.25), each, np.full(4, 1e-12)) for each in (places, places[::-1] + 1e-6))
    assert distance(one, other).value == pytest.approx(1e-6, rel=1e-6)
    np.testing.assert_allclose(distance(one, other).plan, 0.25 * np.eye(4)[::-1], atol=1e-12)


@pytest.mark.parametrize("far", [1e4, 1e5, 1e6, 1e9])
@pytest.mark.parametrize("axis", ["mean", "variance"])
def test_a_far_or_broad_component_leaves_the_others_theirs(far, axis):
    draws = np.random.default_rng(0)
    places = draws.normal(size=20)
    order = draws.permutation(20)

    def beside(places):
        means = np.append(places, far if axis == "mean" else 0.0)
        variances = np.append(np.full(20, 0.01), 0.01 if axis == "mean" else far**2)
        return mixture(np.full(21, 1 / 21), means[:, None], variances[:, None, None])

    assert distance(beside(places), beside(places[order])).value < 1e-14 * far
    moved = distance(beside(places), beside(places[order] + 1e-3 * draws.normal(size=20)))
    np.testing.assert_array_equal(moved.plan.argmax(axis=1), np.append(np.argsort(order), 20))


def test_many_pairs_and_rows_are_computed_in_parts(monkeypatch):
    def all_of_them():
        return [numbers_of(distance(A, B, kind=kind)) for kind in KINDS], overlap(A, n_samples=10_500).tolist()

    whole = all_of_them()
    monkeypatch.setattr(inside.distances, "_PAIRED_AT_ONCE", 1)
    monkeypatch.setattr(inside.overlap, "_NUMBERS_AT_ONCE", 3000)
    assert all_of_them() == whole


def test_it_prints_itself():
    assert repr(distance(A, B)) == "<Distance: 2.32444>"
    assert repr(distance(A, B, kind="bhattacharyya")) == "<Distance: 0.369 ± 0.0014, between 0.1828 and 0.5852>"
    assert float(distance(A, B)) == distance(A, B).value


@pytest.mark.parametrize("name", PARSIMONIOUS)
def test_components_of_a_refit_find_theirs(name):
    fit, order = GaussianMixture(3, covariance_type=name, random_state=0).fit(X), np.array([2, 0, 1])
    w, m, S = dense(fit)
    np.testing.assert_array_equal(order[match(fit, mixture(w[order], m[order] + 1e-3, S[order]))], range(3))


def test_components_without_a_partner_are_minus_one_and_one_that_jumped_leaves_the_others_theirs():
    part = A.from_parameters([1], A.means_[1:], A.covariances_[1:])
    assert (match(A, part).tolist(), match(part, A).tolist()) == ([-1, 0], [1])
    far = mixture([0.5, 0.5], [[0, 0], [1e150, 0]], [np.eye(2)] * 2)
    assert match(far, far).tolist() == [0, 1]
    before = one_column(np.full(4, 0.25), [0, 20, 40, 60], np.ones(4))
    for jumped in (1e3, 1e6):
        after = one_column(np.full(4, 0.25), [jumped, 20, 40, 60], np.ones(4))
        assert match(before, after).tolist() == match(after, before).tolist() == [0, 1, 2, 3]


def test_what_is_refused_and_that_names_of_columns_are_compared():
    refused("expected kind among", distance, A, B, kind="euclid")
    tables = (pd.DataFrame(X[:, :2], columns=list(names)) for names in ("uv", "vu", "uw"))
    one, other, third = (GaussianMixture(2, random_state=0).fit(table) for table in tables)
    for function in (distance, match):
        refused("of 2 and one of 3", function, A, GaussianMixture(1).fit(X))
        refused("expected a GaussianMixture", function, A, X, error=TypeError)
        refused("same order", function, one, other)
        refused("unseen at fit time:\n- w", function, one, third)
        function(one, A)


def test_components_without_weight_leave_the_bounds():
    empty, one, other = one_column([1, 0], [0, 3], [1, 1]), one_column([1], [0], [1]), one_column([1], [2], [1])
    for kind in KINDS[1:]:
        for got, expected in (((empty, other), (one, other)), ((other, empty), (other, one))):
            found, known = (numbers_of(distance(*pair, kind=kind))[1:] for pair in (got, expected))
            assert found == pytest.approx(known)


@pytest.mark.parametrize("variance", [1e-200, 1e-300, 1e-307])
@pytest.mark.parametrize("d", [1, 2])
@pytest.mark.filterwarnings("error")
def test_of_any_ratio_the_bounds_are_numbers(variance, d):
    narrow = mixture([0.5, 0.5], [np.zeros(d), np.ones(d)], [np.eye(d), variance * np.eye(d)])
    wide, least = (mixture([1], [np.full(d, 2.0)], [each * np.eye(d)]) for each in (1, variance))
    for kind in KINDS[1:]:
        for pair in ((narrow, wide), (wide, narrow), (narrow, narrow), (wide, least), (least, wide)):
            found = distance(*pair, kind=kind, n_samples=500)
            assert found.low <= found.value <= found.high
            assert found.standard_error >= 0
            assert pair[0] is pair[1] or found.low == pytest.approx(found.high) or found.standard_error > 0
    assert match(narrow, narrow).tolist() == [0, 1]


def test_values_are_between_their_bounds_and_exact_where_these_meet():
    rare = one_column([1 - 1e-7, 1e-7], [0, 1e6], [1, 1])
    found = distance(rare, one_column([1], [0], [1]), kind="kullback-leibler")
    assert found.low <= found.value <= found.high
    assert found.standard_error >= found.low
    for apart in (20.0, 70.0, 78.0, 1e5, 1e150):  # beyond all exponentials
        got = distance(one_column([1], [0], [1]), one_column([1], [apart], [1]), kind="bhattacharyya", n_samples=10)
        assert (got.value, got.standard_error) == (pytest.approx(apart * (apart / 8), rel=1e-12), 0)
    one, other = (one_column([0.4, 0.6], [place, place + 5], [1, 1]) for place in (0.0, 90.0))
    got = distance(one, other, kind="bhattacharyya", n_samples=100)
    exact = 85**2 / 8 - 0.5 * np.log(0.4 * 0.6)  # of the nearest pair; the others have e^-100 of it
    assert got.low - 1e-9 <= exact <= got.high + 1e-9
    assert got.high - got.low < 0.1
    draws = np.random.default_rng(0)
    for _ in range(60):
        one, other = (mixture([0.4, 0.6], draws.normal(size=(2, 2)), [np.eye(2) * v for v in (1, 2)]) for _ in range(2))
        assert distance(one, other, kind="bhattacharyya", n_samples=10).low >= 0


# --- Overlap, against closed forms and quadrature -------------------------------------------------


def test_with_a_shared_covariance_it_is_a_tail_of_the_normal_distribution():
    weights, means, S = np.array([0.2, 0.3, 0.5]), np.array([[0, 0], [1.5, 1], [4, -1]]), np.array([[2, 0.8], [0.8, 1]])
    found = overlap(GaussianMixture.from_parameters(weights, means, S, covariance_type="tied"), n_samples=200_000)
    for i, j in permutations(range(3), 2):
        step = means[j] - means[i]
        apart = np.sqrt(step @ np.linalg.solve(S, step))
        expected = ndtr(np.log(weights[j] / weights[i]) / apart - apart / 2)
        assert found[i, j] == pytest.approx(expected, abs=4 * np.sqrt(expected / 200_000))
    assert (np.diag(found) == 0).all()


def test_iris_by_species_overlaps_as_in_mixsim():
    """R's MixSim computes it by Davies' inversion; this is the example of its manual."""
    flowers = IRIS.reshape(3, 50, 4)
    means, covariances = flowers.mean(axis=1), np.array([np.cov(species.T) for species in flowers])
    found = overlap(GaussianMixture.from_parameters(np.full(3, 1 / 3), means, covariances), n_samples=400_000)
    np.testing.assert_allclose([found[1, 2], found[2, 1]], [0.0230231, 0.0262945], atol=8e-4)
    assert found[0].max() < 1e-5


@pytest.mark.parametrize("name", PARSIMONIOUS)
def test_the_common_area_in_a_column_is_that_of_quadrature(name):
    mixture = GaussianMixture(3, covariance_type=name, random_state=0).fit(X)
    found = column_overlap(mixture).areas
    assert found.shape == (3, 3)
    for k, j in ((0, 0), (2, 1)):
        weights, means, deviations = mixture.weights_, mixture.means_[:, j], np.sqrt(dense(mixture)[2][:, j, j])

        def least(x, k=k, means=means, weights=weights, deviations=deviations):
            densities = np.exp(-0.5 * ((x - means) / deviations) ** 2) / deviations / np.sqrt(2 * np.pi)
            return min(densities[k], (weights @ densities - weights[k] * densities[k]) / (1 - weights[k]))

        area = sum(quad(least, a, b, epsabs=1e-13)[0] for a, b in pairwise(np.linspace(-15, 15, 601)))
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


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("rest", [0.0, 1e-30])
def test_components_of_hardly_any_weight_have_a_density_all_the_same(rest):
    mixture = GaussianMixture.from_parameters([1.0, rest], [[0.0], [5.0]], [1, 1], covariance_type="spherical")
    common = 2 * ndtr(-2.5)
    np.testing.assert_allclose(column_overlap(mixture).areas, [[common if rest else 0.0], [common]], atol=2e-4)
    # Found by fuzzing: an infinite density times a weight of zero.
    means, covariances = [[0.0, 1.0], [5.0, 1.0], [0.0, 1.0]], [1e-6 * np.eye(2)] * 3
    mixture = GaussianMixture.from_parameters([1.0, 0.0, 0.0], means, covariances)
    np.testing.assert_allclose(column_overlap(mixture).areas, [[0, 0], [0, 1], [1, 1]], atol=1e-10)


def test_what_has_no_overlap_is_refused():
    mixture = GaussianMixture(1).fit(X)
    refused("two components or more", column_overlap, mixture)
    assert overlap(mixture).tolist() == [[0]]
    refused("Invalid value for 'n_samples'", overlap, mixture, n_samples=0)


def test_the_overlap_of_columns_has_their_names():
    table = pd.DataFrame(X, columns=["size", "age", "weight"])
    common = column_overlap(GaussianMixture(2, random_state=0).fit(table))
    frame = common.to_frame()
    assert list(frame) == ["component", "size", "age", "weight"]
    np.testing.assert_array_equal(frame["age"], common.areas[:, 1])
    assert repr(common).splitlines()[1].split() == ["size", "age", "weight"]

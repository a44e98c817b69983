"""The low-rank layout, Λ Λᵀ + Ψ without a d × d matrix: against the same matrices written out."""

import pickle

import numpy as np
import pytest

from inside import DIAGONAL, FULL, SPHERICAL, ArraySource, EStep, WhitenedMixture, _em, layouts, low_rank, mstep
from tables import refused

K, D, Q = 3, 7, 2
LAYOUT = low_rank(Q)


def covariances(seed=0, d=D, q=Q, noise=1.0, n_components=K):
    """Of each component, [ψ, Λᵀ]."""
    rng = np.random.default_rng(seed)
    variances = noise * rng.uniform(0.5, 2, (n_components, 1, d))
    return np.concatenate([variances, rng.normal(size=(n_components, q, d))], axis=1)


def written_out(stored):
    return stored[:, 1:].transpose(0, 2, 1) @ stored[:, 1:] + stored[:, 0, :, None] * np.eye(stored.shape[2])


@pytest.mark.parametrize(("d", "q"), [(7, 2), (5, 4), (40, 1), (3, 5)])
def test_its_verbs_are_those_of_the_dense_matrices(d, q):
    stored, layout = covariances(d=d, q=q), low_rank(q)
    dense = written_out(stored)
    whiteners, log_determinants = layout.whiten(stored, d)
    np.testing.assert_allclose(log_determinants, -0.5 * np.linalg.slogdet(dense)[1], rtol=1e-12)
    np.testing.assert_allclose(layout.gram(whiteners), np.linalg.inv(dense), rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(layout.dense(stored, K, d), dense)
    np.testing.assert_allclose(layout.diagonal(stored, d), np.diagonal(dense, axis1=1, axis2=2))
    for k, matrix in enumerate(dense):
        coloured = layout.coloured(whiteners, k, np.eye(d))
        np.testing.assert_allclose(coloured.T @ coloured, matrix, rtol=1e-9, atol=1e-11)
        np.testing.assert_allclose(layout.whitened(whiteners, k, coloured), np.eye(d), rtol=1e-9, atol=1e-11)
    columns, directions = np.array([d - 1, 0]), np.random.default_rng(1).normal(size=(2, d))
    np.testing.assert_allclose(layout.for_columns(stored, columns), dense[:, columns[:, None], columns])
    np.testing.assert_allclose(layout.projected(stored, K, directions), directions @ dense @ directions.T)
    np.testing.assert_allclose(layout.dense(layout.with_ridge(stored, 0.5), K, d), dense + 0.5 * np.eye(d), rtol=1e-12)


@pytest.mark.parametrize("noise", [1e-2, 1e-6, 1e-10])
def test_log_determinants_lose_little_beside_small_noise(noise):
    stored = covariances(noise=noise)
    whiteners, log_determinants = LAYOUT.whiten(stored, D)
    np.testing.assert_allclose(log_determinants, -0.5 * np.linalg.slogdet(written_out(stored))[1], rtol=1e-6)
    assert (np.linalg.norm(whiteners[:, 1:], ord=2, axis=(1, 2)) <= 1 + 1e-12).all()


def test_a_variance_of_zero_is_singular():
    stored = covariances()
    stored[1, 0, 3] = 0
    assert refused(None, LAYOUT.whiten, stored, D, error=layouts.SingularMatrixError).component == 1


def test_the_widest_direction_is_the_first_axis():
    stored = covariances()
    stored[:, 1] *= 3
    for k, dense in enumerate(written_out(stored)):
        variances, axes = np.linalg.eigh(dense)
        step = LAYOUT.widest(stored, k, D)
        np.testing.assert_allclose(np.abs(step @ axes[:, -1]), np.sqrt(variances[-1]), rtol=1e-3)
        np.testing.assert_allclose(np.linalg.norm(step), np.sqrt(variances[-1]), rtol=1e-3)


def test_there_is_one_layout_of_each_number_of_factors():
    assert pickle.loads(pickle.dumps(LAYOUT)) is LAYOUT
    assert low_rank(3) is not LAYOUT
    refused("layout", mstep.whiten, 4, np.ones(D), D)


def test_what_needs_whole_matrices_says_so():
    whiteners, _ = LAYOUT.whiten(covariances(), D)
    for call in (lambda: LAYOUT.outer(np.zeros((K, D)), np.zeros((K, D))), lambda: LAYOUT.inverse(whiteners, D)):
        refused("stored whole", call)


# ------------------------------------------------------------------------------------------ the pass


every_kernel = pytest.mark.usefixtures("kernel")


def problem(n=700, d=D, q=Q, n_components=K, seed=0, noise=1.0, offset=0.0, dtype=np.float64):
    """Rows around centres, weights, and two mixtures of the same densities: of low rank, and of dense whiteners."""
    rng = np.random.default_rng(seed)
    stored = covariances(seed, d, q, noise, n_components)
    centres, owner = rng.normal(size=(n_components, d)) + offset, rng.integers(n_components, size=n)
    rows = centres[owner] + np.einsum("nqd,nq->nd", stored[owner, 1:], rng.normal(size=(n, q)))
    rows = (rows + np.sqrt(stored[owner, 0]) * rng.normal(size=(n, d))).astype(dtype)
    whiteners, log_determinants = low_rank(q).whiten(stored, d)
    offsets = np.log(rng.dirichlet(np.full(n_components, 5.0))) + log_determinants
    layouts = (low_rank(q), whiteners), (FULL, FULL.whiten(written_out(stored), d)[0])
    of_each = (WhitenedMixture(layout, offsets, centres, values) for layout, values in layouts)
    return rows, rng.uniform(0, 2, n), *of_each


def of_pass(rows, weight, mixture, moments, n_threads=1, **how):
    with EStep(ArraySource(rows, weight), moments, n_threads=n_threads) as e_step:
        return e_step(mixture, **how)


def expected_second(mixture, dense):
    """[Σ r x̃², Σ r y x̃ᵀ] about the centres, of full moments of the same pass."""
    scatter = dense.recentred(mixture.centres).second
    maps = mixture.whiteners[:, 1:] * mixture.whiteners[:, :1]
    return np.concatenate([np.diagonal(scatter, axis1=1, axis2=2)[:, None], maps @ scatter], axis=1)


SHAPES = [(D, Q, K, 700), (1, 1, 2, 40), (3, 5, 2, 300), (45, 4, 3, 3000), (100, 3, 11, 2500), (80, 2, 60, 1500)]


@every_kernel
@pytest.mark.parametrize("hard", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("order", "CF")
@pytest.mark.parametrize(("d", "q", "n_components", "n"), SHAPES)
def test_a_pass_is_that_of_the_dense_twin(d, q, n_components, n, order, weighted, hard):
    rows, weight, mixture, twin = problem(n, d, q, n_components)
    rows, weight = np.asarray(rows, order=order), weight if weighted else None
    own, dense = of_pass(rows, weight, mixture, low_rank(q), hard=hard), of_pass(rows, weight, twin, FULL, hard=hard)
    np.testing.assert_allclose(own.log_evidence, dense.log_evidence, rtol=1e-10)
    np.testing.assert_allclose(own.counts, dense.counts, rtol=1e-9, atol=1e-10 * n)
    some = own.counts > 0  # others stay at different origins
    np.testing.assert_allclose(own.means[some], dense.means[some], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(own.second, expected_second(mixture, dense), rtol=1e-8, atol=1e-10 * n)
    np.testing.assert_array_equal(own.origins, mixture.centres)
    if hard or weighted:  # which change no row
        return
    wanted = {"log_evidence": True, "responsibilities": True, "labels": True}
    own, dense = (EStep(ArraySource(rows), each.layout).rows(each, **wanted) for each in (mixture, twin))
    np.testing.assert_allclose(own.log_evidence, dense.log_evidence, rtol=1e-10)
    np.testing.assert_allclose(own.responsibilities, dense.responsibilities, atol=1e-10)
    np.testing.assert_array_equal(own.labels, dense.labels)


@every_kernel
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-9), (np.float32, 1e-4)])
def test_features_that_take_several_strips(dtype, tolerance):
    rows, weight, mixture, twin = problem(300, 700, 3, 3, dtype=dtype)
    own, dense = of_pass(rows, weight, mixture, low_rank(3)), of_pass(rows.astype(float), weight, twin, FULL)
    np.testing.assert_allclose(own.log_evidence, dense.log_evidence, rtol=tolerance)
    np.testing.assert_allclose(own.counts, dense.counts, rtol=tolerance)
    np.testing.assert_allclose(own.means, dense.means, rtol=0, atol=10 * tolerance)
    np.testing.assert_allclose(own.second, expected_second(mixture, dense), rtol=10 * tolerance, atol=300 * tolerance)


@every_kernel
def test_weights_may_be_tiny():
    rows, weight, mixture, _ = problem()
    own, tiny = (of_pass(rows, scale * weight, mixture, LAYOUT) for scale in (1, 2.0**-400))
    for name in ("counts", "first", "second"):
        np.testing.assert_array_equal(getattr(tiny, name) * 2.0**400, getattr(own, name))


@every_kernel
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_threads_do_not_change_a_bit(dtype):
    rows, weight, mixture, _ = problem(40_000, 64, 3, 8, dtype=dtype)
    one, two = (of_pass(rows, weight, mixture, low_rank(3), n_threads=n_threads) for n_threads in (1, 3))
    for name in ("counts", "first", "second", "log_evidence"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))


@pytest.mark.parametrize(("noise", "single"), [(1.0, True), (1e-4, False)])
def test_many_columns_of_float32_are_computed_in_float32_unless_noise_is_small(noise, single):
    rows, _, mixture, _ = problem(500, 384, 3, 3, noise=noise, dtype=np.float32)
    own, exact = EStep(ArraySource(rows), low_rank(3)), EStep(ArraySource(rows.astype(float)), low_rank(3))
    assert own.plan(mixture).single == single
    np.testing.assert_allclose(own(mixture).mean_log_evidence, exact(mixture).mean_log_evidence, rtol=1e-7)


@pytest.mark.parametrize(("noise", "offset", "tolerance"), [(1e-4, 0, 1e-9), (1e-8, 0, 1e-6), (1, 1e6, 1e-8)])
def test_small_noise_and_distant_rows_lose_few_digits(noise, offset, tolerance):
    """The subtraction loses eps times factor variance over noise variance, locations eps times √κ."""
    rows, _, mixture, twin = problem(noise=noise, offset=offset)
    own, dense = of_pass(rows, None, mixture, LAYOUT), of_pass(rows, None, twin, FULL)
    np.testing.assert_allclose(own.log_evidence, dense.log_evidence, rtol=tolerance)
    np.testing.assert_allclose(own.counts, dense.counts, rtol=tolerance)


def test_empty_components_keep_their_place():
    rows, _, mixture, _ = problem()
    added = (np.insert(part, 1, value, axis=0) for part, value in zip(mixture[1:4], (-np.inf, 7, 1), strict=True))
    grown = WhitenedMixture(LAYOUT, *added)
    own, before = of_pass(rows, None, grown, LAYOUT), of_pass(rows, None, mixture, LAYOUT)
    assert not own.second[1].any()
    np.testing.assert_array_equal(np.delete(own.second, 1, axis=0), before.second)


@pytest.mark.parametrize("layout", [SPHERICAL, DIAGONAL], ids=["spherical", "diagonal"])
def test_without_factors_their_products_are_zero(layout):
    rows, weight, mixture, _ = problem()
    plain = WhitenedMixture(layout, np.zeros(K), mixture.centres, np.ones(layout.shape(K, D)))
    own, diagonal = of_pass(rows, weight, plain, LAYOUT), of_pass(rows, weight, plain, DIAGONAL)
    assert not own.second[:, 1:].any()
    np.testing.assert_allclose(own.second[:, 0], diagonal.recentred(own.origins).second, rtol=1e-9, atol=1e-9)
    given = of_pass(rows, weight, mixture, LAYOUT, given=np.full((len(rows), K), 1 / K))
    assert not given.second[:, 1:].any()
    np.testing.assert_allclose(given.counts, weight.sum() / K)


def test_rows_beyond_any_square_are_nobodys():
    rows, _, mixture, _ = problem()
    rows = np.append(rows, np.full((1, D), 1e200), axis=0)
    with EStep(ArraySource(rows), LAYOUT) as e_step:
        assert (e_step.rows(mixture, log_evidence=True).log_evidence[-1]) < -1e200


def test_factors_of_another_number_or_with_axes_are_refused():
    _, _, mixture, _ = problem()
    plain, origin = WhitenedMixture(SPHERICAL, np.zeros(K), np.zeros((K, D)), np.ones(K)), np.zeros(D)
    for of, moments, axes, expected in (
        (mixture, low_rank(1), None, "factors"),
        (mixture, LAYOUT, mixture.whiteners, "factors"),
        (plain, low_rank(D + 1), None, "at most one a column"),
    ):
        refused(expected, _em.Plan, of, moments, origin, origin + 1, single=False, axes=axes)
    _em.Plan(plain, low_rank(D), origin, origin + 1, single=False)

"""The low-rank layout, Λ Λᵀ + Ψ without a d × d matrix: against the same matrices written out."""

import pickle

import numpy as np
import pytest

from gmm._kernel import mstep
from gmm._values.layouts import SingularMatrixError
from gmm._values.low_rank import low_rank

K, D, Q = 3, 7, 2
LAYOUT = low_rank(Q)


def covariances(seed=0, d=D, q=Q, noise=1.0):
    """Of K components, [ψ, Λᵀ]."""
    rng = np.random.default_rng(seed)
    return np.concatenate([noise * rng.uniform(0.5, 2, (K, 1, d)), rng.normal(size=(K, q, d))], axis=1)


def written_out(stored):
    return stored[:, 1:].transpose(0, 2, 1) @ stored[:, 1:] + stored[:, 0, :, None] * np.eye(stored.shape[2])


@pytest.mark.parametrize(("d", "q"), [(7, 2), (5, 4), (40, 1), (3, 5)])
def test_whiteners_are_those_of_the_dense_matrices(d, q):
    stored, layout = covariances(d=d, q=q), low_rank(q)
    dense = written_out(stored)
    whiteners, log_determinants = layout.whiten(stored, d)
    np.testing.assert_allclose(log_determinants, -0.5 * np.linalg.slogdet(dense)[1], rtol=1e-12)
    np.testing.assert_allclose(layout.gram(whiteners), np.linalg.inv(dense), rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(layout.dense(stored, K, d), dense)
    np.testing.assert_allclose(layout.diagonal(stored, d), np.diagonal(dense, axis1=1, axis2=2))


@pytest.mark.parametrize("noise", [1e-2, 1e-6, 1e-10])
def test_log_determinants_lose_little_beside_small_noise(noise):
    stored = covariances(noise=noise)
    whiteners, log_determinants = LAYOUT.whiten(stored, D)
    np.testing.assert_allclose(log_determinants, -0.5 * np.linalg.slogdet(written_out(stored))[1], rtol=1e-6)
    assert (np.linalg.norm(whiteners[:, 1:], ord=2, axis=(1, 2)) <= 1 + 1e-12).all()


def test_a_variance_of_zero_is_singular():
    stored = covariances()
    stored[1, 0, 3] = 0
    with pytest.raises(SingularMatrixError) as caught:
        LAYOUT.whiten(stored, D)
    assert caught.value.component == 1


def test_white_rows_are_coloured_and_whitened_again():
    stored = covariances()
    whiteners, _ = LAYOUT.whiten(stored, D)
    for k, dense in enumerate(written_out(stored)):
        map_ = LAYOUT.coloured(whiteners, k, np.eye(D))
        np.testing.assert_allclose(map_.T @ map_, dense, rtol=1e-9, atol=1e-11)
        rows = np.random.default_rng(k).normal(size=(5, D))
        white = LAYOUT.whitened(whiteners, k, LAYOUT.coloured(whiteners, k, rows))
        np.testing.assert_allclose(white, rows, rtol=1e-9, atol=1e-11)


def test_the_widest_direction_is_the_first_axis():
    stored = covariances()
    stored[:, 1] *= 3
    for k, dense in enumerate(written_out(stored)):
        variances, axes = np.linalg.eigh(dense)
        step = LAYOUT.widest(stored, k, D)
        np.testing.assert_allclose(np.abs(step @ axes[:, -1]), np.sqrt(variances[-1]), rtol=1e-3)
        np.testing.assert_allclose(np.linalg.norm(step), np.sqrt(variances[-1]), rtol=1e-3)


def test_columns_and_directions():
    stored, columns = covariances(), np.array([4, 0, 5])
    dense = written_out(stored)
    some = LAYOUT.of_columns(stored, columns)
    np.testing.assert_allclose(LAYOUT.dense(some, K, 3), dense[:, columns[:, None], columns])
    directions = np.random.default_rng(1).normal(size=(2, D))
    np.testing.assert_allclose(LAYOUT.projected(stored, K, directions), directions @ dense @ directions.T)
    np.testing.assert_allclose(LAYOUT.dense(LAYOUT.with_ridge(stored, 0.5), K, D), dense + 0.5 * np.eye(D), rtol=1e-12)


def test_there_is_one_layout_of_each_number_of_factors():
    assert pickle.loads(pickle.dumps(LAYOUT)) is LAYOUT
    assert low_rank(3) is not LAYOUT
    with pytest.raises(ValueError, match="layout"):
        mstep.whiten(4, np.ones(D), D)


def test_what_needs_whole_matrices_says_so():
    whiteners, _ = LAYOUT.whiten(covariances(), D)
    for call in (
        lambda: LAYOUT.principal(covariances()),
        lambda: LAYOUT.outer(np.zeros((K, D)), np.zeros((K, D))),
        lambda: LAYOUT.transposed(whiteners),
    ):
        with pytest.raises(ValueError, match="stored whole"):
            call()

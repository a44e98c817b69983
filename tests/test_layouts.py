"""Four layouts, one set of verbs: each does what the written-out matrices do."""

import numpy as np
import pytest

import reference
from inside import DIAGONAL, FULL, SPHERICAL, TIED, SingularMatrixError

LAYOUTS = {"full": FULL, "tied": TIED, "diag": DIAGONAL, "spherical": SPHERICAL}
K, D = 3, 4
every_layout = pytest.mark.parametrize("name", LAYOUTS)


def covariances(name, seed=0):
    """Positive definite matrices in the shape of the layout."""
    rng = np.random.default_rng(seed)
    if name in ("diag", "spherical"):
        return rng.uniform(0.1, 9.0, size=LAYOUTS[name].shape(K, D))
    roots = rng.normal(size=(K, D, D))
    matrices = roots @ roots.transpose(0, 2, 1) + 0.1 * np.eye(D)
    return matrices if name == "full" else matrices[0]


def written_out(values, name):
    return reference.dense(values, name, K, D)


@every_layout
def test_the_shape_is_that_of_its_arrays(name):
    shapes = {"full": (3, 4, 4), "tied": (4, 4), "diag": (3, 4), "spherical": (3,)}
    assert LAYOUTS[name].shape(3, 4) == shapes[name]
    assert LAYOUTS[name].pooled == (name == "tied")


def test_the_codes_are_those_of_the_compiled_pass():
    assert [layout.code for layout in (FULL, TIED, DIAGONAL, SPHERICAL)] == [0, 1, 2, 3]


@every_layout
def test_dense_writes_the_matrices_out(name):
    values = covariances(name)
    np.testing.assert_array_equal(LAYOUTS[name].dense(values, K, D), written_out(values, name))


@every_layout
def test_whiteners_are_lower_triangular_and_whiten(name):
    values = covariances(name)
    whiteners, log_determinants = LAYOUTS[name].whiten(values, D)
    assert whiteners.shape == values.shape
    for k, (W, Sigma) in enumerate(zip(written_out(whiteners, name), written_out(values, name), strict=True)):
        np.testing.assert_array_equal(W, np.tril(W))
        np.testing.assert_allclose(W @ Sigma @ W.T, np.eye(D), atol=1e-12)
        expected = -0.5 * np.linalg.slogdet(Sigma)[1]
        got = log_determinants[0 if name == "tied" else k]
        assert got == pytest.approx(expected, rel=1e-12)


@every_layout
def test_gram_and_inverse_are_the_precisions(name):
    values, layout = covariances(name), LAYOUTS[name]
    precisions = np.linalg.inv(written_out(values, name))
    for got in (layout.gram(layout.whiten(values, D)[0]), layout.inverse(values, D)):
        assert got.shape == values.shape
        np.testing.assert_allclose(written_out(got, name), precisions, rtol=1e-9, atol=1e-12)


@every_layout
def test_transposed_is_upper_triangular_and_its_own_inverse(name):
    layout = LAYOUTS[name]
    whiteners, _ = layout.whiten(covariances(name), D)
    turned = layout.transposed(whiteners)
    for matrix in written_out(turned, name):
        np.testing.assert_array_equal(matrix, np.triu(matrix))
    np.testing.assert_array_equal(layout.transposed(turned), whiteners)


@every_layout
def test_coloured_noise_has_the_covariance(name):
    values, layout = covariances(name), LAYOUTS[name]
    whiteners, _ = layout.whiten(values, D)
    for k in range(K):
        # The images of the unit vectors are the columns of a root of the covariance.
        root = layout.coloured(whiteners, k, np.eye(D))
        np.testing.assert_allclose(root.T @ root, written_out(values, name)[k], rtol=1e-9)


@every_layout
def test_diagonal_is_that_of_the_matrices(name):
    values = covariances(name)
    got = LAYOUTS[name].diagonal(values, D)
    expected = np.einsum("kii->ki", written_out(values, name))
    np.testing.assert_array_equal(got, expected[:1] if name == "tied" else expected)


@every_layout
@pytest.mark.parametrize("one_for_each", [False, True])
def test_a_ridge_is_added_to_the_diagonals_of_a_copy(name, one_for_each):
    values, layout = covariances(name), LAYOUTS[name]
    held = values.copy()
    ridge = np.arange(1.0, 2 if name == "tied" else K + 1) if one_for_each else 0.5
    got = written_out(layout.with_ridge(values, ridge), name)
    for k in range(K):
        added = np.broadcast_to(ridge, 1 if name == "tied" else K)[0 if name == "tied" else k]
        np.testing.assert_allclose(got[k], written_out(held, name)[k] + added * np.eye(D))
    np.testing.assert_array_equal(values, held)


@every_layout
def test_outer_is_the_symmetric_part_as_the_layout_keeps_it(name):
    a, b = np.random.default_rng(2).normal(size=(2, K, D))
    products = a[:, :, None] * b[:, None, :]
    symmetric = (products + products.transpose(0, 2, 1)) / 2
    expected = reference.in_layout(symmetric, name)
    np.testing.assert_allclose(LAYOUTS[name].outer(a, b), expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("bad", [0.0, -1.0, np.nan, np.inf])
@every_layout
def test_a_matrix_that_is_not_positive_definite_is_named(name, bad):
    values = covariances(name)
    if name in ("diag", "spherical"):
        values[1] = bad
    else:
        (values[1] if name == "full" else values)[2, 2] = bad
    with pytest.raises(SingularMatrixError, match="not positive definite") as caught:
        LAYOUTS[name].whiten(values, D)
    assert caught.value.component == (0 if name == "tied" else 1)

"""Four layouts, one set of verbs: each does what the written-out matrices do."""

import numpy as np
import pytest

import reference
from inside import DIAGONAL, FULL, SPHERICAL, TIED

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
def test_arrays_have_its_shape_and_are_written_out(name):
    values, layout = covariances(name), LAYOUTS[name]
    shapes = {"full": (3, 4, 4), "tied": (4, 4), "diag": (3, 4), "spherical": (3,)}
    assert layout.shape(3, 4) == shapes[name]
    assert layout.pooled == (name == "tied")
    assert layout.code == [*LAYOUTS].index(name)
    dense = written_out(values, name)
    np.testing.assert_array_equal(layout.dense(values, K, D), dense)
    expected = np.einsum("kii->ki", dense)
    np.testing.assert_array_equal(layout.diagonal(values, D), expected[:1] if name == "tied" else expected)


@every_layout
def test_whiteners_are_lower_triangular_and_whiten_and_their_gram_is_the_precision(name):
    values, layout = covariances(name), LAYOUTS[name]
    whiteners, log_determinants = layout.whiten(values, D)
    turned = layout.transposed(whiteners)
    assert whiteners.shape == values.shape
    np.testing.assert_array_equal(layout.transposed(turned), whiteners)
    for k, (W, Sigma) in enumerate(zip(written_out(whiteners, name), written_out(values, name), strict=True)):
        np.testing.assert_array_equal(W, np.tril(W))
        np.testing.assert_array_equal(written_out(turned, name)[k], W.T)
        np.testing.assert_allclose(W @ Sigma @ W.T, np.eye(D), atol=1e-12)
        expected = -0.5 * np.linalg.slogdet(Sigma)[1]
        assert log_determinants[0 if name == "tied" else k] == pytest.approx(expected, rel=1e-12)
        # The images of the unit vectors are the columns of a root of the covariance.
        root = layout.coloured(whiteners, k, np.eye(D))
        np.testing.assert_allclose(root.T @ root, Sigma, rtol=1e-9)
    precisions = np.linalg.inv(written_out(values, name))
    for got in (layout.gram(whiteners), layout.inverse(values, D)):
        assert got.shape == values.shape
        np.testing.assert_allclose(written_out(got, name), precisions, rtol=1e-9, atol=1e-12)


@every_layout
def test_a_ridge_is_added_to_the_diagonals_of_a_copy(name):
    values, held = covariances(name), covariances(name)
    for ridge in (np.full(1, 0.5), np.arange(1.0, 2 if name == "tied" else K + 1)):
        got = written_out(LAYOUTS[name].with_ridge(values, ridge), name)
        np.testing.assert_allclose(got, written_out(held, name) + np.multiply.outer(ridge, np.eye(D)))
        np.testing.assert_array_equal(values, held)


@every_layout
def test_outer_is_the_symmetric_part_as_the_layout_keeps_it(name):
    a, b = np.random.default_rng(2).normal(size=(2, K, D))
    products = a[:, :, None] * b[:, None, :]
    symmetric = (products + products.transpose(0, 2, 1)) / 2
    expected = reference.in_layout(symmetric, name)
    np.testing.assert_allclose(LAYOUTS[name].outer(a, b), expected, rtol=1e-12, atol=1e-13)

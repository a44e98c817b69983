"""Log-sum-exp on a tile, in every instruction set that this machine can run."""

import mpmath
import numpy as np
import pytest

from inside import TIED, WhitenedMixture, _em


def exact(column):
    """Responsibilities and log evidence of one column, correctly rounded or nearly so."""
    with mpmath.workdps(40):
        joint = [mpmath.exp(mpmath.mpf(float(value))) for value in column]
        total = mpmath.fsum(joint)
        return [float(value / total) for value in joint], float(mpmath.log(total))


def normalised(tile, zero_weights=0):
    """Responsibilities and log evidence of a tile of log densities, (K, n), by a pass in its type.

    In the linear form log ρ_ik of a tied mixture is log_offset_k + c_k·x_i − ½‖c_k‖²: with unit vectors for centres,
    the tile's columns are the rows. Components of weight 0 may follow.
    """
    K = len(tile)
    centres = np.eye(K + zero_weights, K)
    log_offset = np.where(np.arange(K + zero_weights) < K, 0.5, -np.inf)
    mixture = WhitenedMixture(TIED, log_offset, centres, np.eye(K))
    single = tile.dtype == np.float32
    how = {"single": single, "rows_only": True, "common_scatter": True, "form": 3 if single else 1}
    plan = _em.Plan(mixture, None, np.zeros(K), np.ones(K), **how)
    assert plan.linear
    assert plan.single == single
    n = tile.shape[1]
    log_evidence, responsibilities = np.empty(n), np.empty((n, len(log_offset)), dtype=tile.dtype)
    rows = np.ascontiguousarray(tile.T)
    plan.score(_em.RowTable(rows, log_evidence=log_evidence, responsibilities=responsibilities))
    return responsibilities.T, log_evidence


@pytest.mark.parametrize(("dtype", "lowest", "tolerance"), [(np.float64, -700, 1e-15), (np.float32, -80, 4e-7)])
def test_responsibilities_are_as_exact_as_their_type(kernel, dtype, lowest, tolerance):
    # Whole powers of two below the peak: the difference to it is exact, so the error is the exponential's.
    steps = np.linspace(lowest, 0, 401, dtype=np.float32).astype(dtype)
    tile = np.stack([np.zeros_like(steps), steps])
    expected = np.array([exact(column)[0] for column in tile.T]).T
    np.testing.assert_allclose(normalised(tile)[0], expected, rtol=tolerance, atol=0)


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-15), (np.float32, 2e-7)])
def test_the_log_evidence_is_as_exact_as_its_type(kernel, dtype, tolerance):
    rng = np.random.default_rng(0)
    tile = rng.uniform(-30, 0, size=(40, 130)).astype(dtype)
    tile[0] = 0
    expected = [exact(column)[1] for column in tile.T]
    _, log_evidence = normalised(tile)
    np.testing.assert_allclose(log_evidence, expected, rtol=0, atol=4 * tolerance)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_what_is_out_of_range_becomes_nothing(kernel, dtype):
    tile = np.array([[0, -1e3, -1e37], [-1e30, 0, 0]], dtype=dtype)
    responsibilities, log_evidence = normalised(tile, zero_weights=1)
    np.testing.assert_array_equal(responsibilities, [[1, 0, 0], [0, 1, 1], [0, 0, 0]])
    np.testing.assert_array_equal(log_evidence, 0)

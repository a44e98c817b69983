"""`out=` of the estimators: the same numbers where the caller says, or the frozen mixture's words of refusal."""

import numpy as np
import pytest

from gmm import BayesianGaussianMixture, GaussianMixture
from tables import refused
from test_sources import Pieces

METHODS = ("predict", "predict_proba", "score_samples")
FLOATS = (np.float32, np.float64)
CLASSES = (GaussianMixture, BayesianGaussianMixture)
ROWS = np.random.default_rng(0).normal(size=(20_000, 3)) + np.repeat([[-4.0, 0, 4], [4.0, 0, 4]], 10_000, axis=0)


@pytest.fixture(scope="module", params=CLASSES, ids=lambda cls: cls.__name__)
def mixture(request):
    return request.param(n_components=2, random_state=0).fit(ROWS)


def asked(mixture):
    """Return every method, and the densities of a posterior, as (name, keywords)."""
    densities = ("plug-in", "predictive") if isinstance(mixture, BayesianGaussianMixture) else ()
    return [*((method, {}) for method in METHODS), *(("score_samples", {"density": name}) for name in densities)]


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("n", [1, 7, 20_000])
def test_the_same_bits_are_written(mixture, dtype, n):
    X = ROWS[-n:].astype(dtype)
    for rows in (X, np.asfortranarray(X), Pieces(X)) if n > 1 else (X,):
        for method, how in asked(mixture):
            expected = getattr(mixture, method)(rows, **how)
            out = np.full_like(expected, 7)
            assert getattr(mixture, method)(rows, out=out, **how) is out
            np.testing.assert_array_equal(out, expected, err_msg=f"{method} {how}")


def test_other_buffers_than_numpys_and_rows_that_are_a_list(mixture):
    room = bytearray(8 * 5)
    out = memoryview(room).cast("d")
    assert mixture.score_samples(ROWS[:5], out=out) is out
    np.testing.assert_array_equal(np.frombuffer(room), mixture.score_samples(ROWS[:5]))
    out = np.empty((2, 2))
    mixture.predict_proba([[4, 0, 4], [-4, 0, 4]], out=out)
    np.testing.assert_array_equal(out, mixture.predict_proba([[4, 0, 4], [-4, 0, 4]]))


@pytest.mark.parametrize(
    "out",
    [
        [[0.0] * 2] * 4,
        np.zeros((4, 2), dtype=np.float32),
        np.zeros((4, 3)),
        np.zeros(8),
        np.zeros((4, 2), order="F"),
        np.frombuffer(bytes(64)).reshape(4, 2),
        np.zeros((4, 2), dtype=">f8"),
    ],
)
def test_a_wrong_place_is_refused_as_the_frozen_mixture_refuses_it(mixture, out):
    with pytest.raises((TypeError, ValueError)) as theirs:
        mixture.freeze().predict_proba(ROWS[:4], out=out)
    with pytest.raises(type(theirs.value)) as ours:
        mixture.predict_proba(ROWS[:4], out=out)
    assert str(ours.value) == str(theirs.value)


def test_wrong_places_of_the_other_results(mixture):
    refused(r"dtype int64.*asks for.*got.*dtype float64", mixture.predict, ROWS[:4], out=np.zeros(4), error=TypeError)
    refused(r"expected out of shape \(4,\)", mixture.predict, ROWS[:4], out=np.zeros(3, dtype=np.intp))
    for _, how in asked(mixture)[2:]:
        refused(r"expected out of shape \(4,\)", mixture.score_samples, ROWS[:4], out=np.zeros((4, 1)), **how)
        with pytest.raises(TypeError, match="expected out of dtype float32"):
            mixture.score_samples(ROWS[:4].astype(np.float32), out=np.zeros(4), **how)
    refused(r"shape \(20000, 2\)", mixture.predict_proba, Pieces(ROWS), out=np.zeros((4, 2)))


def test_rows_are_not_written_over_and_refused_rows_leave_the_place_alone(mixture):
    room = ROWS[:8].copy()
    refused("expected out to share no memory with X", mixture.score_samples, room, out=room.reshape(-1)[:8])
    np.testing.assert_array_equal(room, ROWS[:8])
    out = np.full(2, 7.0)
    refused("NaN", mixture.score_samples, [[0.0, 0, 0], [0, np.nan, 0]], out=out)
    assert (out == 7).all()

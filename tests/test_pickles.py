"""Pickles hold what a mixture is, and in the midst of a warm start where it stands: no buffer, nothing for scoring."""

import io
import pickle
import pickletools

import numpy as np
import pytest

from gmm import BayesianGaussianMixture, GaussianMixture
from gmm._estimators.fitted import past_of
from gmm._values.covariance import CLASSIC, COVARIANCE_TYPES, covariance_model

RNG = np.random.default_rng(0)
X = RNG.normal(size=(600, 5)) + RNG.integers(0, 3, (600, 1)) * 1.5
CASES = [(GaussianMixture, name) for name in COVARIANCE_TYPES] + [(BayesianGaussianMixture, name) for name in CLASSIC]
of_every_kind = pytest.mark.parametrize(("cls", "covariance_type"), CASES, ids=lambda it: getattr(it, "__name__", it))


def classes_in(content):
    """What a pickle of protocol 2 imports."""
    return {argument.replace(" ", ".") for code, argument, _ in pickletools.genops(content) if code.name == "GLOBAL"}


@pytest.mark.filterwarnings("ignore:Best performing initialization")
@of_every_kind
def test_a_mixture_is_pickled_as_values(cls, covariance_type):
    mixture = cls(n_components=3, covariance_type=covariance_type, random_state=0).fit(X)
    before = pickle.dumps(mixture, protocol=2)
    for use in (mixture.predict_proba, mixture.score_samples, mixture.score):
        use(X)
    assert pickle.dumps(mixture, protocol=2) == before
    own = {name for name in classes_in(before) if name.startswith("gmm.")}
    values = {name for name in own if name.startswith("gmm._values.")}
    assert own - values == {
        f"gmm.{cls.__name__}",
        "gmm.em.Trace",
        "gmm._passes.trace.PassRecord",
        "gmm._estimators.past.Past",
    }
    file = io.BytesIO()
    mixture.save(file)
    # Besides what a file has, the whiteners: they have the bits of the fit's last update.
    assert len(pickle.dumps(mixture)) < 2 * len(file.getvalue())


@pytest.mark.filterwarnings("ignore:Best performing initialization")
@of_every_kind
def test_a_warm_start_goes_on_from_a_pickle_with_the_same_bits(cls, covariance_type):
    asked = {"n_components": 3, "random_state": 0, "warm_start": True, "max_iter": 1, "tol": 0.0}
    alone = cls(covariance_type=covariance_type, **asked)
    carried = cls(covariance_type=covariance_type, **asked)
    for _ in range(12):
        alone.fit(X)
        carried = pickle.loads(pickle.dumps(carried)).fit(X)
        assert alone.lower_bound_ == carried.lower_bound_
        for name in ("weights_", "means_", "covariances_"):
            np.testing.assert_array_equal(getattr(alone, name), getattr(carried, name))


@of_every_kind
def test_a_warm_start_of_em_goes_on_from_a_file_as_from_memory(cls, covariance_type):
    asked = {"n_components": 3, "random_state": 0, "warm_start": True, "tol": 1e-3, "acceleration": None}
    alone = cls(covariance_type=covariance_type, **asked).fit(X)
    alone.save(file := io.BytesIO())
    carried = cls.load(file.getvalue())
    assert past_of(carried).bounds == past_of(alone).bounds
    assert carried.fit(X).lower_bounds_ == alone.fit(X).lower_bounds_
    np.testing.assert_array_equal(carried.means_, alone.means_)


@pytest.mark.filterwarnings("ignore:Best performing initialization")
@of_every_kind
def test_a_warm_start_is_pickled_without_its_scratch(cls, covariance_type):
    asked = {"n_components": 3, "random_state": 0, "warm_start": True, "max_iter": 1, "tol": 0.0, "reg_covar": 1e-3}
    mixture, sizes = cls(covariance_type=covariance_type, **asked), []
    for _ in range(4):
        (scalars, kept) = past_of(mixture.fit(X)).solver_state.__reduce__()[2]
        n_pairs = scalars[1]
        sizes.append((n_pairs, len(kept)))
    # A secant is two states: counts, first moments, and second ones, of matrices their lower triangles.
    second = {(3,): 3, (3, 5): 15, (5, 5): 15, (3, 5, 5): 45}[covariance_model(covariance_type).layout.shape(3, 5)]
    assert {size - n_pairs * 2 * (3 + 3 * 5 + second) for n_pairs, size in sizes} == {sizes[0][1]}
    assert sizes[0][0] == 0 < sizes[-1][0]

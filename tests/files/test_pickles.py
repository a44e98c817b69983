"""Pickles hold what a mixture is, and in the midst of a warm start where it stands: no buffer, nothing for scoring.

Every public value leaves the process that made it, and the same one is the same bytes.
"""

import copy
import importlib
import inspect
import os
import pickle
import subprocess
import sys
from operator import methodcaller

import dask
import joblib
import numpy as np
import pytest
from sklearn.model_selection import cross_validate

import leavers
from fuzz_files import saved
from gmm import BayesianGaussianMixture, GaussianMixture
from gmm.sources import ColumnNote
from inside import CLASSIC, COVARIANCE_TYPES, record_of

RNG = np.random.default_rng(0)
X = RNG.normal(size=(600, 5)) + RNG.integers(0, 3, (600, 1)) * 1.5
CASES = [(GaussianMixture, name) for name in COVARIANCE_TYPES] + [(BayesianGaussianMixture, name) for name in CLASSIC]
of_every_kind = pytest.mark.parametrize(("cls", "covariance_type"), CASES, ids=lambda it: getattr(it, "__name__", it))


def public_classes():
    modules = [importlib.import_module(name) for name in ("gmm", *(f"gmm.{name}" for name in leavers.PUBLIC))]
    found = [getattr(module, name) for module in modules for name in module.__all__]
    return {value for value in found if isinstance(value, type)} - {ColumnNote}  # which leaves as text


@pytest.fixture(scope="module")
def left(tmp_path_factory):
    """What left two processes, whose sets and dicts of texts have other orders."""
    files = [tmp_path_factory.mktemp("left") / f"{seed}" for seed in (1, 2)]
    for seed, file in enumerate(files, 1):
        command = [sys.executable, "-W", "error", leavers.__file__, str(file)]
        subprocess.run(command, check=True, env=os.environ | {"PYTHONHASHSEED": str(seed)})
    return [pickle.loads(file.read_bytes()) for file in files]


def test_values_of_all_public_classes_leave_a_process_that_imported_gmm_alone(left):
    kinds = [type(pickle.loads(out)) for _, _, out, *_ in left[0]]
    assert [own for _, own, *_ in left[0]] == [f"{kind.__module__}.{kind.__name__}" for kind in kinds]
    assert public_classes() <= {above for kind in kinds for above in kind.__mro__}


def test_the_same_value_is_pickled_to_the_same_bytes_in_another_process(left):
    # A pass tells how long it took.
    one, other = ([each for each in values if each[0] != "pass"] for values in left)
    assert one == other


def test_fits_leave_the_workers_of_joblib_scikit_learn_and_dask():
    fit, estimator = methodcaller("fit", X), GaussianMixture(2, random_state=0)
    here = joblib.hash(copy.deepcopy(estimator).fit(X))
    of_joblib = joblib.Parallel(2)(joblib.delayed(fit)(estimator) for _ in range(2))
    of_dask = dask.delayed(fit)(estimator).compute(scheduler="processes", num_workers=1)
    assert [joblib.hash(mixture) for mixture in (*of_joblib, of_dask)] == [here] * 3
    of_folds = cross_validate(estimator, X, n_jobs=2, cv=2, return_estimator=True)
    assert [mixture.converged_ for mixture in of_folds["estimator"]] == [True, True]


def test_methods_of_classes_are_pickled_by_name():
    for kind in public_classes():
        for name in vars(kind):
            if not name.startswith("_") and inspect.isfunction(method := getattr(kind, name)):
                assert pickle.loads(pickle.dumps(method)) == method, method


def test_a_pickle_leaves_times_out_and_a_file_keeps_them():
    mixture = GaussianMixture(2, random_state=0).fit(X)
    again = pickle.loads(pickle.dumps(mixture)).history_
    assert again == mixture.history_
    assert len(again) == len(again.seconds) == np.isnan(again.seconds).sum()
    assert GaussianMixture.load(saved(mixture)).history_.seconds == mixture.history_.seconds


@pytest.mark.filterwarnings("ignore:Best performing initialization")
@of_every_kind
def test_a_mixture_is_pickled_as_values(cls, covariance_type):
    mixture = cls(n_components=3, covariance_type=covariance_type, random_state=0).fit(X)
    before = pickle.dumps(mixture)
    for use in (mixture.predict_proba, mixture.score_samples, mixture.score):
        use(X)
    assert pickle.dumps(mixture) == before
    # Besides what a file has, the whiteners: they have the bits of the fit's last update.
    assert len(before) < 2 * len(saved(mixture))


@of_every_kind
def test_a_warm_start_of_em_goes_on_from_a_file_as_from_memory(cls, covariance_type):
    asked = {"n_components": 3, "random_state": 0, "warm_start": True, "tol": 1e-3, "acceleration": None}
    alone = cls(covariance_type=covariance_type, **asked).fit(X)
    carried = cls.load(saved(alone))
    assert record_of(carried).bounds == record_of(alone).bounds
    assert carried.fit(X).lower_bounds_ == alone.fit(X).lower_bounds_
    np.testing.assert_array_equal(carried.means_, alone.means_)

"""scikit-learn's own mixture tests and estimator checks, run against this package's classes."""

import os
import re
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from gmm import BayesianGaussianMixture, GaussianMixture, GaussianMixtureSearch, MixtureClassifier, MixtureRegressor
from inside import CLASSIC

SUITE = Path(__file__).parent / "sklearn_suite"
ENVIRONMENT = {"SKLEARN_RUN_FLOAT32_TESTS": "1", "SKLEARN_TESTS_GLOBAL_RANDOM_SEED": "42"}


def run(*arguments, cwd, **variables):
    environment = os.environ | ENVIRONMENT | variables
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)


def test_mixture_tests_of_scikit_learn_pass(tmp_path):
    rewritten = run(SUITE / "rewrite.py", tmp_path, cwd=tmp_path)
    assert rewritten.returncode == 0, rewritten.stderr
    arguments = (tmp_path / "arguments").read_text().splitlines()
    options = "-q -p sklearn.conftest -p no:cacheprovider -W ignore --rootdir . -c pytest.ini"
    tested = run("-m", "pytest", *options.split(), *arguments, ".", cwd=tmp_path)
    assert tested.returncode == 0, tested.stdout[-8000:] + tested.stderr
    counts = {word: int(n) for n, word in re.findall(r"(\d+) (\w+)", tested.stdout.splitlines()[-1])}
    assert counts["passed"] >= 60, "most of the suite must have run: " + tested.stdout[-500:]


def estimators():
    kinds = [(mixture, name) for mixture in (GaussianMixture, BayesianGaussianMixture) for name in CLASSIC]
    kinds += [(GaussianMixture, "ppca1")]  # with a transform, which "factor" has as well
    kinds += [(MixtureRegressor, name) for name in ("full", "tied")]  # others predict the means of few components
    # With one component predict() of a mixture is constant, which hides much.
    fits = [estimator(n_components=2, covariance_type=name) for estimator, name in kinds]
    fits += [estimator(n_components=1) for estimator in (GaussianMixture, BayesianGaussianMixture, MixtureRegressor)]
    classifier = MixtureClassifier(covariance_type=["EEE", "VVI"], max_iter=50)
    return [*fits, classifier, GaussianMixtureSearch(range(1, 3), ["full", "diag"], max_iter=50)]


with warnings.catch_warnings():
    # Its base class is not scikit-learn's: the checks say so, and go on.
    warnings.filterwarnings("ignore", ".*does not inherit from.*BaseEstimator", UserWarning)
    checks = parametrize_with_checks(estimators())


@pytest.mark.filterwarnings("ignore:.*does not inherit from.*BaseEstimator:UserWarning")
@pytest.mark.filterwarnings("ignore::gmm.ConvergenceWarning")  # of one group of rows the posterior of two is flat
@pytest.mark.filterwarnings("ignore:Some classes have no row")
@pytest.mark.filterwarnings("ignore:A component of a class")
@checks
def test_estimator_checks_of_scikit_learn_pass(estimator, check):
    check(estimator)


def test_checks_with_array_dispatch_pass(tmp_path):
    pytest.importorskip("scipy", "1.14")  # which scikit-learn asks for
    # SciPy reads the variable once, at its import.
    options = f"-q -p no:cacheprovider -c {os.devnull} -k check_array_api_input".split()
    tested = run("-m", "pytest", *options, __file__, cwd=tmp_path, SCIPY_ARRAY_API="1")
    assert tested.returncode == 0, tested.stdout[-8000:] + tested.stderr
    assert "skipped" not in tested.stdout.splitlines()[-1]

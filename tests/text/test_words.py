"""Words: what is near a misspelt name, and amounts."""

import re

import numpy as np
import pytest

import gmm
from gmm import BayesianGaussianMixture, GaussianMixture
from inside import COVARIANCE_TYPES, OPTIONS, TableSource, amount, counted, percent, plus_minus, suggestion, template_of
from tables import cases, refused

X = np.random.default_rng(0).normal(size=(30, 2))
NAMES = {option: [name for values in row.values for name in values.names] for option, row in OPTIONS.items()}
ESTIMATORS = GaussianMixture, BayesianGaussianMixture


def told(call):
    return re.findall(r"did you mean (.*)\?", str(refused(None, call, error=(ValueError, TypeError))))


@cases(*((cls, option, name) for cls in ESTIMATORS for option in sorted(cls().get_params()) for name in NAMES[option]))
def test_an_estimator_suggests_the_nearest_name(cls, parameter, name):
    for wrong in (name.swapcase(), name[:2] + name[3:])[: 2 if len(name) > 3 else 1]:  # in short names, no letter less
        assert told(lambda wrong=wrong: cls(**{parameter: wrong}).fit(X)) == [repr(name)]


def test_functions_suggest_the_nearest_name():
    fit = GaussianMixture(2, covariance_type="diag", random_state=0).fit(X)
    posterior = BayesianGaussianMixture(n_components=2, random_state=0).fit(X)
    calls = {
        "'VVE'": lambda: gmm.select(X, 2, "vve"),
        "'bic'": lambda: gmm.select(X, 2, criterion="BIC"),
        "'icl'": lambda: gmm.select(X, 1, "EII").ranked("ICL"),
        "'reg_covar'": lambda: gmm.select(X, 2, regcovar=1),
        "'information'": lambda: gmm.inference.standard_errors(fit, X, method="informations"),
        "'predictive'": lambda: posterior.score_samples(X, density="predictiv"),
        "'means'": lambda: gmm.analysis.adapt(fit, X, parameters=["mean"]),
        "'weights'": lambda: GaussianMixture(2, fixed={"weight": True}).fit(X),
        "'n_init'": lambda: fit.set_params(ninit=3),
    }
    for name, call in calls.items():
        assert told(call) == [name]


@pytest.mark.parametrize("wrong", ["xyz", "", None, 3, ["full"], np.nan])
def test_what_is_near_no_name_has_no_suggestion(wrong):
    assert suggestion(wrong, COVARIANCE_TYPES) == ""
    assert told(lambda: template_of({"init_params": wrong if isinstance(wrong, str) else 1.5})) == []


def test_a_source_of_several_tables_says_how_many_more(tmp_path):
    for n in range(10):
        np.savetxt(tmp_path / f"{n}.csv", X, delimiter=",", header="a,b", comments="")
    assert isinstance(source := gmm.open_rows(tmp_path), TableSource)
    assert source.name.endswith("0.csv and 9 more")


@cases(
    (counted(1, "row"), "1 row"),
    (counted(12345, "row"), "12,345 rows"),
    (amount(1234.56), "1,234.6"),
    (percent(0.00351), "0.35\N{NO-BREAK SPACE}%"),
    (plus_minus([2.2, 107.25], [0.388, 0.4]), ["2.200 ± 0.388", "107.250 ± 0.400"]),
    (plus_minus([1.0, 2.0, 3.0], [30.0, 40.0, 0.001]), ["1.0 ± 30.0", "2.0 ± 40.0", "3.0 ± 0.001"]),
    (plus_minus([1e12], [2.5e11]), ["1e+12 ± 2.5e+11"]),
    (plus_minus([1.5], [float("inf")], 2), ["1.5 ± inf"]),
)
def test_amounts(told, expected):
    assert told == expected

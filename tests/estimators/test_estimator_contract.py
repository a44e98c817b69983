"""scikit-learn's contract, and that nothing of scikit-learn is needed for it."""

import pickle
import re
import warnings

import numpy as np
import pandas as pd
import pytest
import sklearn
import sklearn.exceptions
import sklearn.mixture
from sklearn.model_selection import GridSearchCV

import gmm
from gmm import BayesianGaussianMixture, GaussianMixture
from gmm.em import steps
from inside import OPTIONS, STARTS, WARNINGS, InvalidParameterError, raisable
from tables import PACKAGE, blobs, cases, python, refused

ROWS = blobs(80, 2, 2)


def mixture(**parameters):
    return GaussianMixture(**{"n_components": 2, "random_state": 0} | parameters)


LIFE = """
import sys, numpy as np, gmm
X = np.random.RandomState(0).normal(size=(50, 2))
m = gmm.GaussianMixture(2, random_state=0).fit(X); m.predict(X); repr(m); m._repr_html_(); m.bic(X)
try: gmm.GaussianMixture().predict(X)
except gmm.NotFittedError as error: print(type(error) is gmm.NotFittedError, hasattr(m, "set_fit_request"))
print(*{"sklearn", "pandas", "polars", "pyarrow", "matplotlib", "rich", "jinja2"}.intersection(sys.modules))
"""


def test_a_whole_life_imports_nothing_optional_and_its_errors_are_ours_alone():
    assert python("-W", "error", "-c", LIFE).split() == ["True", "False"]


def test_defaults_are_scikit_learns():
    theirs = sklearn.mixture.GaussianMixture().get_params()
    ours = GaussianMixture().get_params()
    assert {name: ours[name] for name in theirs} == theirs
    assert sklearn.utils.get_tags(mixture()) == sklearn.utils.get_tags(sklearn.mixture.GaussianMixture())
    beyond = {"n_factors", "n_threads", "acceleration", "refine", "prior", "noise", "missing", "fixed", "max_ratio"}
    beyond |= {"tails", "degrees_of_freedom"}
    assert ours.keys() - theirs.keys() == beyond
    theirs, ours = (kind().get_params() for kind in (sklearn.mixture.BayesianGaussianMixture, BayesianGaussianMixture))
    assert {name: ours[name] for name in theirs} == theirs


def test_repr_before_the_fit_is_the_call_that_makes_it():
    assert repr(GaussianMixture()) == "GaussianMixture()"
    model = GaussianMixture(3, covariance_type="tied", random_state=5)
    assert repr(model) == "GaussianMixture(n_components=3, covariance_type='tied', random_state=5)"
    assert eval(repr(model)).get_params() == model.get_params()
    assert "..." in repr(GaussianMixture(means_init=np.zeros((100, 2))))


@pytest.mark.parametrize("family", [gmm.NotFittedError, sklearn.exceptions.NotFittedError, ValueError, AttributeError])
@pytest.mark.parametrize("method", ["predict", "predict_proba", "score_samples", "score", "bic", "sample", "save"])
def test_not_fitted(family, method):
    message = "GaussianMixture instance is not fitted yet. Call 'fit' with appropriate arguments before using this"
    refused(message, getattr(mixture(), method), {"sample": 1, "save": "model"}.get(method, ROWS), error=family)


@pytest.mark.parametrize("family", [gmm.ConvergenceWarning, sklearn.exceptions.ConvergenceWarning])
def test_not_converged(family):
    with pytest.warns(family, match="Best performing initialization did not converge. Try diff"):
        mixture(max_iter=1).fit(ROWS)


@pytest.mark.parametrize("cause", WARNINGS)
def test_a_warning_is_one_short_sentence_whatever_the_data(cause):
    _, text = WARNINGS[cause]
    assert len(text) <= 160
    assert "{" not in text
    is_scikit_learns = cause in ("not converged", "column of classes")
    assert is_scikit_learns or not re.search(r"[.?!] ", text)


def test_one_function_warns_and_every_cause_is_one_of_its_own():
    text = " ".join(path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py"))
    assert text.count("warnings.warn(") == 1
    assert set(re.findall(r'\bwarn\(\s*"([^"]+)"', text)) == set(WARNINGS)


DOUBTFUL = np.concatenate([ROWS, [[90.0, 90.0]]]) * [1, 1e-4]  # a row that is a component, and a narrow column


def test_a_fit_warns_once_and_keeps_what_it_found():
    with pytest.warns(gmm.DegenerateWarning, match="A component is degenerate") as caught:
        fit = mixture(n_components=5, max_iter=2, init_params="random_from_data").fit(DOUBTFUL)
    (warning,) = caught
    assert set(fit.remarks_) == {"degenerate", "not converged", "ridge"}
    assert sorted(warning.message.__notes__) == sorted(fit.remarks_.values())
    assert all(text in str(fit) for cause, text in fit.remarks_.items() if cause != "degenerate")
    assert "degenerate: component" in str(fit)
    with pytest.raises(gmm.DegenerateWarning) as caught, warnings.catch_warnings(action="error"):
        fit.fit(DOUBTFUL)
    assert fit.remarks_["ridge"] in caught.value.__notes__
    assert mixture().fit(ROWS).remarks_ == {}


@pytest.mark.parametrize("given", ["callback", "init_params", "blocks", "search"])
def test_what_a_function_of_the_user_warns_of_is_no_remark_of_the_fit_around_it(given):
    def doubtful(*_):
        mixture(max_iter=1, init_params="random", reg_covar=1e-9).fit(DOUBTFUL)

    fits = {
        "callback": lambda: mixture().fit(ROWS, callback=doubtful),
        "init_params": lambda: mixture(init_params=lambda *_: doubtful() or np.tile(np.eye(2), (40, 1))).fit(ROWS),
        "blocks": lambda: mixture().fit(gmm.open_rows(lambda: doubtful() or [ROWS])),
        "search": lambda: gmm.select(ROWS, 2, "full", callback=doubtful).best,
    }
    with pytest.warns(gmm.ConvergenceWarning, match="did not converge"):
        outer = fits[given]()
    assert outer.remarks_ == {}


def test_a_loop_over_tables_shows_each_cause_once():
    rng, tables = np.random.default_rng(0), [DOUBTFUL, np.random.default_rng(1).integers(0, 3, (60, 2))]
    with warnings.catch_warnings(record=True, action="default") as caught:
        for X in (*tables, rng.normal(size=(40, 4))):
            for K in range(1, 10):
                GaussianMixture(K, random_state=0).fit(X).bic(X)
    texts = [str(each.message) for each in caught]
    assert 1 <= len(set(texts)) == len(texts) <= 4


@pytest.mark.parametrize("own", [gmm.NotFittedError, gmm.ConvergenceWarning, InvalidParameterError])
def test_what_is_raised_can_be_pickled(own):
    again = pickle.loads(pickle.dumps(raisable(own)("why")))
    assert type(again) is raisable(own)
    assert again.args == ("why",)
    assert isinstance(again, own)


def test_weights_are_routed_on_request():
    weights, halves = np.arange(80.0), (slice(40), slice(40, 80))
    with sklearn.config_context(enable_metadata_routing=True):
        model = mixture().set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        search = GridSearchCV(pickle.loads(pickle.dumps(model)), {"n_components": [1]}, cv=2, refit=False)
        search.fit(ROWS, sample_weight=weights)
    for number, (held, others) in enumerate((halves, halves[::-1])):
        alone = mixture(n_components=1).fit(ROWS[others], sample_weight=weights[others])
        expected = alone.score(ROWS[held], sample_weight=weights[held])
        assert search.cv_results_[f"split{number}_test_score"] == pytest.approx(expected)


def test_weights_are_not_routed_unasked():
    request = mixture().set_fit_request
    with sklearn.config_context(enable_metadata_routing=True):
        search = GridSearchCV(mixture(), {"n_components": [1]}, cv=2)
        refused("not explicitly set as requested or not requested", search.fit, ROWS, sample_weight=np.ones(80))
        refused(r"Unexpected args: \{'weights'\} in fit", request, weights=True, error=TypeError)
    refused("only available when metadata routing is enabled", request, sample_weight=True, error=RuntimeError)


GIVEN = {"weights_init": [0.5, 0.5], "means_init": ROWS[[0, -1]], "precisions_init": [np.eye(ROWS.shape[1])] * 2}
SHARES = np.repeat([[1.0, 0.0], [0.0, 1.0]], [10, len(ROWS) - 10], axis=0)


@cases((GIVEN, False), ({"means_init": GIVEN["means_init"]}, False), ({"init_params": SHARES}, False), ({}, True))
@pytest.mark.parametrize("n_init", [1, 3])
def test_a_start_that_is_given_draws_nothing_from_numpys_global_state(how, draws, n_init):
    how = how | {"random_state": None}
    fits = [lambda: mixture(n_init=n_init, **how).fit(ROWS), lambda: mixture(**how).partial_fit(ROWS)]
    fits.append(lambda: list(steps(ROWS, 2, **how)))
    if not how.keys() & GIVEN.keys():
        fits.append(lambda: gmm.BayesianGaussianMixture(n_components=2, n_init=n_init, **how).fit(ROWS))
    for fit in fits:
        before = np.random.get_state()[2]
        fit()
        assert (np.random.get_state()[2] != before) == draws


@pytest.mark.parametrize("make", [np.random.RandomState, np.random.default_rng])
def test_a_generator_advances(make):
    model, seeded = (mixture(random_state=seed).fit(ROWS) for seed in (make(0), 5))
    one, other = (model.sample(5)[0] for _ in range(2))
    assert not np.array_equal(one, other)
    one, other = (model.sample(5, random_state=make(7))[0] for _ in range(2))
    np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(seeded.sample(5)[0], seeded.sample(5)[0])  # an int is the same seed in every call


@pytest.mark.parametrize("cls", [GaussianMixture, BayesianGaussianMixture])
@pytest.mark.parametrize("method", ["fit", "fit_predict", "predict", "score", "save", "load", "sample"])
def test_a_misspelt_keyword_is_one_of_the_method_that_was_called(cls, method):
    called = "fit" if method == "fit_predict" else method  # which passes its keywords on
    with pytest.raises(TypeError, match=rf"^\w*Mixture\.{called}\(\) got an unexpected keyword argument 'weihgt'"):
        getattr(cls(), method)(np.zeros((2, 1)), weihgt=1)


def test_every_parameter_of_a_mixture_is_a_row_of_the_options():
    assert {*OPTIONS} == {name for kind in (GaussianMixture, BayesianGaussianMixture) for name in kind().get_params()}
    roles = {role for option in OPTIONS.values() for role in option.roles}
    assert roles == set(re.findall(r'"(\w+)":', type(OPTIONS["tol"]).__doc__)), "each role is explained"
    assert OPTIONS["init_params"].values[0].names == tuple(STARTS)


@pytest.mark.parametrize("method", ["predict", "score", "score_samples", "predict_proba", "bic", "fit", "fit_predict"])
def test_warnings_point_at_the_callers_line(method):
    mixture = GaussianMixture(2, random_state=0).fit(pd.DataFrame(ROWS, columns=["a", "b"]))
    kind, told = UserWarning, "valid feature names"
    if method.startswith("fit"):
        mixture, kind, told = GaussianMixture(2, max_iter=1, tol=0, random_state=0), gmm.ConvergenceWarning, ""
    with pytest.warns(kind, match=told) as caught:
        getattr(mixture, method)(ROWS)
    assert {warning.filename for warning in caught} == {__file__}

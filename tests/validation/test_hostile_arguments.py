"""Every argument of every public function and method, one after the other: what it cannot be is refused in words.

As in `test_hostile_calls`, an error comes of a ``raise`` of this package, never of Python's or numpy's own.
"""

import copy
import inspect
import itertools
from functools import reduce
from operator import add

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

import gmm
from gmm import BayesianGaussianMixture, GaussianMixture, MixtureClassifier, MixtureRegressor
from gmm.exchange import mclust, onnx, sklearn
from gmm.inference import BootstrapLRT, Stability
from tables import cases, refused
from test_hostile_calls import answer

X = np.random.default_rng(0).normal(size=(40, 2)) + 5 * (np.arange(40) % 2)[:, None]
Y = np.arange(40) % 2
HOW = {"random_state": 0, "max_iter": 5, "tol": 1.0}
MODEL = GaussianMixture(2, **HOW).fit(X)
OBJECTS = {
    "": None,
    "GaussianMixture": MODEL,
    "of factors": GaussianMixture(2, covariance_type="factor1", **HOW).fit(X),
    "BayesianGaussianMixture": BayesianGaussianMixture(n_components=2, **HOW).fit(X),
    "FrozenMixture": MODEL.freeze(),
    "GaussianMixtureSearch": gmm.GaussianMixtureSearch([2], "full", **HOW).fit(X),
    "Selection": gmm.select(X, [1, 2], "full", **HOW),
    "MixtureClassifier": MixtureClassifier(1, "full", **HOW).fit(X, Y),
    "MixtureRegressor": MixtureRegressor(2, **HOW).fit(X, Y),
    "CombinedComponents": gmm.analysis.combine_components(MODEL, X),
    "Distance": gmm.analysis.distance(MODEL, MODEL),
    "Drift": gmm.analysis.drift(MODEL, np.repeat(X, 2, axis=0), np.repeat(X, 2, axis=0)),
    "Directions": gmm.analysis.directions(MODEL, X),
    "Tracker": gmm.tracking.Tracker([[0, 0], [9, 9]], motion=1.0),
    "StandardErrors": gmm.inference.standard_errors(MODEL, X, n_replicates=3, random_state=0),
}
# What is right, by the name of the argument.
RIGHT = {"X": X, "y": Y, "X_out": X[:3], "rows": X, "reference": np.repeat(X, 2, axis=0), "data": lambda: iter([X])}
RIGHT |= {"total": lambda task: reduce(add, map(task, range(2), np.split(X, 2))), "error_covariance": [0.1, 0.1]}
RIGHT |= {"model": MODEL, "other": MODEL, "estimator": MODEL, "statistics": gmm.em.e_step(MODEL, X)}
RIGHT |= {"weights": [0.5, 0.5], "means": X[:2], "covariances": [np.eye(2)] * 2}
RIGHT |= {"n_components": 2, "n_replicates": 3, "n_samples": 3, "n_clusters": 1}
RIGHT |= {"source": gmm.sources.checked_rows(X), "counts": [[9, 1], [0, 9]], "reg_covar": 1e-6}
RIGHT |= {"target": "table.csv", "blocks": [{"a": [1.0]}], "write": lambda file: file.write(b"x")}
RIGHT |= {"numbers": [1, 2], "labels": [0, 1]}
RIGHT |= {"rate": 0.9, "level": 0.9, "coverage": 0.9, "criterion": "bic"}
RIGHT |= {"columns": [0], "known": [0], "values": {0: 1.0}, "path": "predictions.csv", "file": "model.gmm"}
WRONG = (None, 5, "x", b"x", object(), [], {}, memoryview(b""), memoryview(np.zeros((2, 2))), np.datetime64("2020"))
WRONG += (np.array("full"), np.array(2.0), np.ma.masked, pd.NA, np.array(["full", "bic"]), np.array([1, 2]))
WRONG += (["full", "bic"], [1, 2], {"full": 1}, pd.Series(["full", "bic"]), pd.Series([1, 2]))
ESTIMATORS = GaussianMixture, GaussianMixture(), make_pipeline(GaussianMixture()), LogisticRegression()
BESIDE = {
    "column_notes": {"rows": RIGHT["source"]},
    "select": {"covariance_type": "full"},
    "fisher_vector": {"model": GaussianMixture(2, covariance_type="diag", **HOW).fit(X)},
    "open_rows": {"data": "predictions.csv"},
    "split_lrt": {"n_splits": 2},
    "stability": {"n_splits": 2},
}
NOT_OF_ONE = ("get_include", "show_versions")  # have no argument
MAKERS = ("from_state", "from_mapped", "from_arrays", "of")  # are called by others of the package
OF_OTHERS = ("get_params", "set_params", "get_metadata_routing", *MAKERS)  # are not called so
FACES = gmm, gmm.analysis, gmm.em, mclust, onnx, sklearn, gmm.inference, gmm.sources
PUBLIC = {name: getattr(face, name) for face in FACES for name in face.__all__}
FUNCTIONS = [name for name, value in PUBLIC.items() if inspect.isfunction(value) and name not in NOT_OF_ONE]


def public_methods(name):
    for method, function in inspect.getmembers(type(OBJECTS[name]), inspect.isroutine):
        if method.startswith(("_", "set_")) or method in OF_OTHERS or inspect.isbuiltin(function):
            continue
        if hasattr(OBJECTS[name], method) and (name != "of factors" or not hasattr(MODEL, method)):
            yield name, method


CALLS = [("", name) for name in FUNCTIONS] + [call for name in OBJECTS if name for call in public_methods(name)]


def arguments(function):
    """The names of the arguments, those of parameters of fits among them, and which a call must have."""
    known = inspect.signature(function).parameters.values()
    named = [each for each in known if each.kind not in (each.VAR_KEYWORD, each.VAR_POSITIONAL)]
    for_fits = [*MODEL.get_params()] * any(str(each).startswith("**parameters") for each in known)
    names = [each.name for each in named] + for_fits
    return [*dict.fromkeys(names)], [each.name for each in named if each.default is each.empty]


@pytest.mark.parametrize(("of", "name"), CALLS)
def test_an_argument_is_right_or_refused_in_words(of, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    MODEL.save("model.gmm")
    np.savetxt("predictions.csv", X, delimiter=",", header="a,b", comments="")
    names, needed = arguments(getattr(OBJECTS[of], name) if of else PUBLIC[name])
    needed += [each for each in ("n_components", "n_replicates") if each in names and each not in needed]
    right = {each: RIGHT[each] for each in needed} | BESIDE.get(name, {})
    for argument in names:
        for wrong in WRONG + (*OBJECTS.values(), *ESTIMATORS) * (argument in ("model", "estimator", "statistics")):
            owner = copy.deepcopy(OBJECTS[of])  # a method may change its object
            function = getattr(owner, name) if of else PUBLIC[name]
            try:
                found = answer(function, **right | {argument: wrong})
            except OSError:  # of a path without a file
                continue
            if inspect.isgenerator(found):
                answer(list, found)


PLOTS = [name for name in gmm.plotting.__all__ if name.startswith(("animate", "plot"))]
DRAWN = {name.lower(): value for name, value in OBJECTS.items()} | {"of": X, "models": OBJECTS["Selection"]}
DRAWN |= {"combined": OBJECTS["CombinedComponents"], "errors": OBJECTS["StandardErrors"]}
DRAWN["test"] = BootstrapLRT(1.0, np.ones(9), MODEL, MODEL, 9)
DRAWN["stability"] = Stability(np.arange(2, 4), np.ones((2, 1)), 1)


@pytest.mark.usefixtures("figures")
@pytest.mark.parametrize("name", PLOTS)
def test_an_argument_of_a_picture_is_right_or_refused_in_words(name):
    plot = getattr(gmm.plotting, name)
    names, needed = arguments(plot)
    right = {each: (RIGHT | DRAWN)[each] for each in needed}
    plot(**right)
    for argument, wrong in itertools.product(names, WRONG[PLOTS.index(name) % 2 :: 2]):
        answer(plot, **right | {argument: wrong})
        plt.close("all")


@pytest.mark.parametrize("name", [name for name in gmm.__all__ if hasattr(getattr(gmm, name), "get_params")])
def test_a_parameter_is_right_or_refused_by_fit(name):
    cls = getattr(gmm, name)
    usual = {"n_components": [2], "covariance_type": ["full"]} if name == "GaussianMixtureSearch" else {}
    usual |= {key: value for key, value in HOW.items() if key in inspect.signature(cls.__init__).parameters}
    for parameter in sorted(cls().get_params()):
        for wrong in WRONG:
            answer(lambda: cls(**usual | {parameter: wrong}).fit(X, Y))  # noqa: B023


@cases(GaussianMixture, BayesianGaussianMixture, MixtureClassifier, gmm.GaussianMixtureSearch)
def test_a_subclass_names_its_parameters(cls):
    """As scikit-learn asks: what is not named would be lost by a copy."""

    class Named(cls):
        def __init__(self, n_components=2, extra=None):
            super().__init__(n_components=n_components)
            self.extra = extra

    class Lost(cls):
        def __init__(self, *rest, **more):
            super().__init__(**more)

    named, lost = Named(extra=3), Lost(random_state=0)
    assert (clone(named).get_params(), repr(named)) == ({"extra": 3, "n_components": 2}, "Named(extra=3)")
    assert repr(lost) == "Lost()"
    for call in (lost.get_params, lambda: clone(lost), lambda: lost.set_params(tol=1), lambda: lost.fit(X, Y)):
        refused(r"no varargs.*Lost.__init__ has \*rest, \*\*more", call, error=RuntimeError)


def test_containers_of_no_numbers_are_refused_in_words():
    dask_bag, pl = pytest.importorskip("dask.bag"), pytest.importorskip("polars")
    pairs = pl.Series("a", X.tolist(), dtype=pl.Array(pl.Float64, 2))
    for rows, told in (
        (dask_bag.from_sequence([1, 2, 3]), "got a Dask Bag"),
        (pl.DataFrame({"a": pairs}), r"column 0 \('a'\).*got Array.*give"),
        (pl.DataFrame({"a": [1.0] * 3, "b": [{"x": 1.0, "y": 2.0}] * 3}), r"column 1 \('b'\).*got"),
    ):
        refused(told, GaussianMixture().fit, rows, error=(TypeError, ValueError))

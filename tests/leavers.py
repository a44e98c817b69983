"""A value of every public class, made in a process of its own, and what leaves that process.

``python tests/leavers.py FILE`` writes them into a file: for each value its name, its class, what cloudpickle makes of
it, and digests of its pickle and by joblib.
"""

import hashlib
import pickle
import sys
from functools import partial
from importlib import import_module
from importlib.resources import files
from itertools import chain
from operator import methodcaller

import cloudpickle
import joblib
import numpy as np

import gmm

PUBLIC = ("analysis", "em", "inference", "sources", "tracking")
RNG = np.random.default_rng(0)
X = np.concatenate([RNG.normal(-3, 1, (60, 3)), RNG.normal(3, 1, (60, 3))])
Y = np.repeat([0, 1], 60)
GAPS = np.where(RNG.uniform(size=X.shape) < 0.1, np.nan, X)
WIDE = RNG.normal(size=(100, 70))
ERRORS = np.full(3, 0.1)


def mixture(rows=X, *, labels=None, error_covariance=None, **how):
    how = {"n_components": 2, "random_state": 0} | how
    return gmm.GaussianMixture(**how).fit(rows, labels=labels, error_covariance=error_covariance)


def fits():
    for name in ("full", "tied", "diag", "spherical", "VVE", "EEV", "factor1"):
        yield name, mixture(covariance_type=name)
    for how in ({"tails": "t"}, {"noise": True}, {"prior": "conjugate"}, {"max_ratio": 10}, {"refine": "split-merge"}):
        yield str(how), mixture(**how)
    yield "stored factors", mixture(WIDE, covariance_type="factor2")
    yield "float32", mixture(X.astype(np.float32))
    yield "gaps", mixture(GAPS, missing="em")
    yield "labels", mixture(labels=np.where(Y == 0, "one", None))
    yield "errors", mixture(error_covariance=ERRORS)
    yield "fixed", mixture(means_init=[[-3.0] * 3, [3.0] * 3], fixed={"means": [True, False]})
    yield "stream", gmm.GaussianMixture(2, random_state=0).partial_fit(X)
    yield "not fitted", gmm.GaussianMixture(2)
    yield "posterior", gmm.BayesianGaussianMixture(n_components=2, random_state=0).fit(X)
    yield "regressor", gmm.MixtureRegressor(2, random_state=0).fit(X[:, :2], X[:, 2])
    yield "classifier", gmm.MixtureClassifier(random_state=0).fit(X, Y)
    yield "search", gmm.GaussianMixtureSearch([1, 2], ["full", "diag"], random_state=0).fit(X)


def of_gmm_alone(fitted):
    full, posterior = fitted["full"], fitted["posterior"]
    yield "selection", (found := fitted["search"].selection_)
    yield "solution", found.solutions()[0]
    yield "table", (table := found.tables()[0])
    yield "column", table.columns[1]
    yield "cell", table.columns[1].entries[0]
    yield "remarks", found.remarks()
    yield "trace", full.history_
    yield "summary", full.summary(X)
    yield "summary of classes", fitted["classifier"].summary(X, Y)
    yield "frozen", full.freeze()
    yield "prediction", full.predict_from(X[:3, :2], known=[0, 1])
    yield "draws", posterior.sample_posterior(5, random_state=0)
    yield "intervals", posterior.credible_intervals()
    yield "prior of a user", gmm.NormalInverseWishart()
    errors = gmm.InvalidParameterError, gmm.LostClusterError, gmm.NotFittedError
    for kind in (gmm.ConvergenceWarning, gmm.DegenerateWarning, *errors):
        yield kind.__name__, kind("why")
    cells, passes = [], []
    gmm.select(X, [1], ["EII"], random_state=0, callback=cells.append)
    gmm.GaussianMixture(2, random_state=0).fit(X, callback=passes.append)
    yield "progress", cells[-1]
    yield "pass", passes[-1]
    yield "rows of a function", gmm.open_rows(partial(iter, [X]))
    yield "rows of a file", gmm.open_rows(files("gmm") / "data" / "faithful.csv")


def of_modules(fitted):
    analysis, em, inference, sources, tracking = (import_module(f"gmm.{module}") for module in PUBLIC)
    full = fitted["full"]
    yield "partitions", sources.partitioned_rows(methodcaller("__call__", 0, X))
    yield "array", sources.ArraySource(X)
    yield "block", sources.Block(X)
    yield "chunk", sources.Chunk(0, X, None)
    *_, step = em.steps(X, 2, random_state=0)
    yield "step", step
    yield "statistics", em.e_step(full, X)
    yield "threshold", analysis.anomaly_threshold(full, X, 0.01)
    yield "overlap by column", analysis.column_overlap(full)
    yield "clusters", analysis.combine_components(full, X)
    yield "directions", analysis.directions(full)
    yield "distance", analysis.distance(full, fitted["diag"])
    yield "drift", analysis.drift(full, X, X[::2])
    yield "true values", analysis.true_values(fitted["errors"], X, error_covariance=ERRORS)
    replicates = []
    how = {"random_state": 0, "n_threads": 1}
    yield "bootstrap test", inference.bootstrap_lrt(X, 1, n_replicates=3, callback=replicates.append, **how)
    yield "replicate", replicates[-1]
    yield "held out", inference.held_out_log_likelihood(gmm.GaussianMixture(2, random_state=0), X, random_state=0)
    yield "test by halves", inference.split_lrt(X, [1, 2], n_splits=2, **how)
    yield "stability", inference.stability(X, [2, 3], n_splits=2, **how)
    yield "standard errors", inference.standard_errors(full, X, n_replicates=10, random_state=0)
    tracker = tracking.Tracker([[-9, -9, -9], [9, 9, 9]], motion=1.0)
    tracker.update(X)
    yield "tracker", tracker
    yield "tracks", tracker.tracks()


def leaving(name, value):
    out = cloudpickle.dumps(value)
    own = f"{type(value).__module__}.{type(value).__name__}"
    return name, own, out, hashlib.sha256(pickle.dumps(value)).hexdigest(), joblib.hash(value)


if __name__ == "__main__":
    fitted = dict(fits())
    made = []
    for each in chain(fitted.items(), of_gmm_alone(fitted)):
        for module in PUBLIC:  # which a value of these may have imported as it left
            sys.modules.pop(f"gmm.{module}", None)
        made.append(leaving(*each))
    made += [leaving(*each) for each in of_modules(fitted)]
    with open(sys.argv[1], "wb") as file:
        pickle.dump(made, file)

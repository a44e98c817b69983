"""Mixtures of factors of many columns, stored as loadings and noise, beside the same mixtures stored whole."""

import pickle

import numpy as np
import pytest

import gmm
from gmm import GaussianMixture, analysis, em, exchange, inference, plotting, tracking
from gmm.exchange.sklearn import from_sklearn, to_sklearn
from inside import fitted_parameters
from tables import PARAMETERS, factor_groups, refused

pytestmark = pytest.mark.filterwarnings("ignore:Best performing initialization")

N, D, K, Q = 900, 70, 3, 2
HOW = {"covariance_type": "factor", "n_factors": Q, "random_state": 0}


X, OTHER = (factor_groups(N, D, Q, K, seed, truth=0, apart=1.0) for seed in (1, 2))
HOLED = np.where(np.random.default_rng(3).uniform(size=X.shape) < 0.02, np.nan, X)
COLUMNS, VALUES, PARTS = [0, 5, 60, 2], {1: 0.5, 40: -1.0}, ("weights", "means", "covariances")


def whole(mixture):
    """The same mixture of factors; a start with precisions is stored whole."""
    start = {"weights_init": mixture.weights_, "means_init": mixture.means_, "precisions_init": mixture.precisions_}
    return GaussianMixture(K, **HOW, **start, max_iter=0).fit(X)


@pytest.fixture(scope="module")
def pairs():
    """Two mixtures as stored in many columns, and the same two stored whole."""
    low_rank = tuple(GaussianMixture(K, **HOW).fit(rows) for rows in (X, OTHER))
    dense = tuple(map(whole, low_rank))
    assert {fitted_parameters(each).model.stores_dense for each in low_rank} == {False}
    assert {fitted_parameters(each).model.stores_dense for each in dense} == {True}
    return low_rank, dense


def copied(mixture, **parameters):
    return pickle.loads(pickle.dumps(mixture)).set_params(**parameters)


def numbers_of(mixture):
    return mixture.weights_, mixture.means_, mixture.covariances_


def saved(mixture, file):
    mixture.save(file)
    return numbers_of(gmm.load(file))


def to_onnx(mixture, file):
    exchange.onnx.to_onnx(mixture, file)
    return file.stat().st_size > 0


def to_json(mixture, file):
    exchange.mclust.to_json(mixture, file)
    return numbers_of(exchange.mclust.from_json(file))


def drawn(draw, mixture):
    """The lines of a picture, as numbers."""
    axes = np.ravel(draw(mixture, X, view=[0, 1]))[0]
    found = [line.get_xydata() for line in axes.lines]
    found += [path.vertices for each in axes.collections for path in each.get_paths()]
    axes.figure.clear()
    return [np.asarray(each, dtype=float) for each in found if len(each)]


def refusal(function, *arguments, **how):
    return str(refused("needs|expected", function, *arguments, **how))


def held_out(n_components):
    return inference.held_out_log_likelihood(GaussianMixture(n_components, **HOW), X, random_state=0).mean


def errors_of(mixture):
    errors = inference.standard_errors(mixture, X, n_replicates=4, random_state=0)
    return errors.weights, errors.means, errors.covariances, errors.intervals(), errors.to_frame()["standard_error"]


# What each public name does with a mixture, another one and a file, as numbers.
OF_ROWS = ("aic", "bic", "component_log_density", "criteria", "predict", "predict_proba", "score")
ATTRIBUTES = ("n_parameters_", "noise_variance_", "noise_weight_", "precisions_", "precisions_cholesky_", *PARAMETERS)
METHODS = {name: lambda m, o, f, name=name: getattr(m, name)(X) for name in OF_ROWS}
METHODS |= {name: lambda m, o, f, name=name: getattr(m, name) for name in ATTRIBUTES}
METHODS |= {
    "condition": lambda m, o, f: numbers_of(m.condition(VALUES)),
    "fit": lambda m, o, f: numbers_of(copied(m, warm_start=True, max_iter=100, tol=1e-9).fit(X)),
    "fit_predict": lambda m, o, f: copied(m, warm_start=True).fit_predict(X),
    "fit_transform": lambda m, o, f: np.abs(copied(m, warm_start=True, max_iter=100, tol=1e-9).fit_transform(X)),
    "freeze": lambda m, o, f: m.freeze().log_joint(X[:9]),
    "from_parameters": lambda m, o, f: GaussianMixture.from_parameters(*numbers_of(m)).score_samples(X),
    "get_feature_names_out": lambda m, o, f: len(m.get_feature_names_out()),
    "impute": lambda m, o, f: copied(m, missing="em").impute(HOLED),
    "load": lambda m, o, f: saved(m, f),
    "loadings_": lambda m, o, f: m.loadings_ @ m.loadings_.transpose(0, 2, 1),
    "log_likelihood": lambda m, o, f: (m.log_likelihood(X), m.log_likelihood(X, classified=True)),
    "marginal": lambda m, o, f: numbers_of(m.marginal(COLUMNS)),
    "partial_fit": lambda m, o, f: copied(m).partial_fit(OTHER).score_samples(X),
    "predict_blocks": lambda m, o, f: next(m.predict_blocks(X))[2],
    "predict_from": lambda m, o, f: m.predict_from(X[:9, :60], list(range(60)), level=0.9),
    "predict_to": lambda m, o, f: (m.predict_to(X, f"{f}.csv"), np.loadtxt(f"{f}.csv", delimiter=",", skiprows=1))[1],
    "sample": lambda m, o, f: m.sample(20_000, random_state=0)[0].mean(axis=0),
    "save": lambda m, o, f: saved(m, f),
    "score_samples": lambda m, o, f: (m.score_samples(X), copied(m, missing="em").score_samples(HOLED)),
    "summary": lambda m, o, f: (m.summary(X).criteria, m.summary(X).counts),
    "transform": lambda m, o, f: np.abs(m.transform(X)),
}
# Parameters and what has to do with them, and what other kinds of mixtures have.
NO_USES = {"degrees_of_freedom_", "metadata", "get_metadata_routing"}
NO_USES |= {"get_params", "set_params", "set_fit_request", "set_score_request", "set_output"}

FUNCTIONS = {
    analysis.adapt: lambda m, o, f: numbers_of(analysis.adapt(m, OTHER, parameters=PARTS)),
    analysis.anomaly_threshold: lambda m, o, f: analysis.anomaly_threshold(m, X, 0.1).predict(OTHER),
    analysis.column_overlap: lambda m, o, f: analysis.column_overlap(m).areas,
    analysis.combine_components: lambda m, o, f: analysis.combine_components(m, X).entropies,
    analysis.directions: lambda m, o, f: [
        (found.eigenvalues, np.abs(found.transform(X))) for found in (analysis.directions(m), analysis.directions(m, X))
    ],
    analysis.distance: lambda m, o, f: [
        (float(each), each.low, each.high)
        for kind in ("wasserstein", "kullback-leibler", "bhattacharyya")
        for each in (analysis.distance(m, other, kind=kind, n_samples=500) for other in (o, m))
    ],
    analysis.drift: lambda m, o, f: analysis.drift(m, OTHER, X, n_replicates=99).statistics,
    analysis.fisher_vector: lambda m, o, f: refusal(analysis.fisher_vector, m, OTHER),
    analysis.match: lambda m, o, f: (analysis.match(m, o), analysis.match(o, m)),
    analysis.overlap: lambda m, o, f: analysis.overlap(m, n_samples=20_000),
    analysis.true_values: lambda m, o, f: analysis.true_values(m, X[:9], np.full(D, 0.1)),
    inference.standard_errors: lambda m, o, f: errors_of(m),
    em.e_step: lambda m, o, f: (em.e_step(m, X).second, em.e_step(m, X).first),
    em.m_step: lambda m, o, f: numbers_of(em.m_step(m, em.e_step(m, X))),
    exchange.mclust.to_json: lambda m, o, f: to_json(m, f),
    exchange.mclust.from_json: lambda m, o, f: to_json(m, f),
    exchange.onnx.to_onnx: lambda m, o, f: to_onnx(m, f),
    to_sklearn: lambda m, o, f: to_sklearn(m).score_samples(X),
    from_sklearn: lambda m, o, f: from_sklearn(to_sklearn(m)).score_samples(X),
}
PICTURES = plotting.plot_clusters, plotting.plot_decision_boundaries, plotting.plot_density, plotting.plot_uncertainty
FUNCTIONS |= {draw: lambda m, o, f, draw=draw: drawn(draw, m) for draw in PICTURES}
# What fits mixtures itself, each with an answer that is known.
FITS = {
    em.steps: lambda: np.all(np.diff([each.lower_bound for each in em.steps(X, K, **HOW, max_iter=5)]) > -1e-9),
    inference.bootstrap_lrt: lambda: inference.bootstrap_lrt(X, 2, n_replicates=9, n_init=1, **HOW).p_value == 0.1,
    inference.held_out_log_likelihood: lambda: held_out(K) > held_out(1) + 1,
    inference.split_lrt: lambda: inference.split_lrt(X, [2, 3], n_splits=2, **HOW).p_values.tolist() == [0, 1],
    inference.stability: lambda: inference.stability(X, [2, 3, 4], n_splits=2, **HOW).best == K,
    plotting.animate_fit: lambda: plotting.animate_fit(X, K, view=[0, 1], max_iter=2, **HOW) is not None,
    tracking.Tracker: lambda: refusal(tracking.Tracker, np.full((2, D), [[-9], [9]]), 1, covariance_type="factor2"),
}
# Answers, of which the functions above are asked, and their pictures.
RESULTS = {
    *(analysis.AnomalyThreshold, analysis.ClassifierSummary, analysis.ColumnOverlap, analysis.CombinedComponents),
    *(analysis.Directions, analysis.Distance, analysis.Drift, analysis.MixtureSummary, analysis.TrueValues),
    *(analysis.Cell, analysis.Column, analysis.Remarks, analysis.Table, inference.adjusted_rand_index),
    *(plotting.colours, plotting.encoded, plotting.inline_svg),
    *(inference.BootstrapLRT, inference.HeldOut, inference.Replicate, inference.SplitLRT, inference.Stability),
    inference.Solution,
    *(inference.StandardErrors, tracking.Tracks, em.EMStep, em.Iteration, em.SufficientStatistics, em.Trace),
    *(plotting.FitAnimation, plotting.plot_bootstrap_lrt, plotting.plot_convergence, plotting.plot_criteria),
    *(plotting.plot_drift, plotting.plot_eigenvalues, plotting.plot_entropies, plotting.plot_hierarchy),
    *(plotting.plot_pairs, plotting.plot_selection, plotting.plot_stability, plotting.plot_standard_errors),
}


def assert_same(ours, theirs, atol):
    if isinstance(ours, dict):
        assert ours.keys() == theirs.keys()
        ours, theirs = [*ours.values()], [*theirs.values()]
    if isinstance(ours, str) or ours is None:
        assert ours == theirs
    elif isinstance(ours, list | tuple):
        assert len(ours) == len(theirs)
        for one, other in zip(ours, theirs, strict=True):
            assert_same(one, other, atol)
    else:
        one, other = np.asarray(ours, dtype=float), np.asarray(theirs, dtype=float)
        size = 1 + np.abs(other[np.isfinite(other)]).max(initial=0)
        np.testing.assert_allclose(one, other, rtol=atol, atol=atol * size)


@pytest.mark.parametrize("use", METHODS | FUNCTIONS, ids=lambda each: getattr(each, "__name__", each))
def test_no_method_attribute_or_function_depends_on_the_storage(pairs, use, tmp_path):
    low_rank, dense = ((METHODS | FUNCTIONS)[use](*mixtures, tmp_path / "file.gmm") for mixtures in pairs)
    # Draws differ: their square roots of a covariance do.
    assert_same(low_rank, dense, {"sample": 0.2, analysis.overlap: 0.02, analysis.distance: 0.1}.get(use, 1e-5))


@pytest.mark.parametrize("function", FITS, ids=lambda each: each.__name__)
def test_what_fits_mixtures_itself_finds_the_groups(function):
    assert FITS[function]()


def test_every_public_use_of_a_mixture_is_in_these_lists(pairs):
    attributes = {name for name in dir(pairs[0][0]) if not name.startswith("_")}
    attributes = {name for name in attributes - pairs[0][0].get_params().keys() if name in dir(GaussianMixture)}
    assert attributes == METHODS.keys() | NO_USES
    modules = analysis, inference, tracking, em, plotting, exchange.mclust, exchange.onnx, exchange.sklearn
    names = {getattr(module, name) for module in modules for name in module.__all__}
    assert names == FUNCTIONS.keys() | FITS.keys() | RESULTS

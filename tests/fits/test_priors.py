"""The conjugate prior: what it says, that fits climb the posterior and end at its modes, and what is refused."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import invgamma, invwishart, multivariate_normal

import gmm
import inside
import reference
from gmm import GaussianMixture, NormalInverseWishart
from inside import Continuation, Objective, Problem, SufficientStatistics, covariance_model
from tables import DATA, IRIS, groups, refused, reloaded
from test_missing import mixture as mixture_of

PARTITIONS = np.loadtxt(DATA / "iris_partitions.csv", delimiter=",", skiprows=1, dtype=int)
MCLUST = json.loads((DATA / "mclust_prior.json").read_text())

K, D = 3, 3
every_model = pytest.mark.parametrize("name", inside.PARSIMONIOUS)
every_way = pytest.mark.parametrize("acceleration", ["auto", None])
pytestmark = pytest.mark.filterwarnings("ignore:Best performing initialization")


def rows(seed=0, n=150, d=D):
    return groups(n, d, seed=seed)


def a_prior(shrinkage=0.3, dof=6.5, d=D):
    scale = np.diag(np.arange(1.0, d + 1)) + 0.4
    return NormalInverseWishart(np.linspace(-1, 2, d), shrinkage, dof, scale)


def known(prior, name):
    """The prior as a fit takes it, for one that leaves nothing open."""
    scale = np.asarray(prior.scale)
    scale = np.diag(scale) if name.endswith("I") else scale
    return inside.ConjugatePrior(np.asarray(prior.mean), prior.shrinkage, prior.dof, scale)


def log_density(name, means, covariances, prior):
    """Of means (K, d) and covariances in their layout's shape, by scipy's distributions."""
    n_components, d = means.shape
    dense = reference.dense(covariances, name, n_components, d)
    total = 0.0
    if prior.shrinkage > 0:
        for mean, covariance in zip(means, dense, strict=True):
            total += multivariate_normal.logpdf(mean, prior.mean, covariance / prior.shrinkage)
    for covariance in dense[:1] if "V" not in name else dense:
        if name.endswith("II"):
            total += invgamma.logpdf(covariance[0, 0], prior.dof / 2, scale=np.diag(prior.scale).mean() / 2)
        elif name.endswith("I"):
            total += invgamma.logpdf(np.diag(covariance), prior.dof / 2, scale=np.diag(prior.scale) / 2).sum()
        else:
            total += invwishart.logpdf(covariance, prior.dof, prior.scale)
    return total


def fitted(name, X, prior, sample_weight=None, n_components=K, **asked):
    asked = {"random_state": 0, "reg_covar": 0, "max_iter": 300} | asked
    mixture = GaussianMixture(n_components, covariance_type=name, prior=prior, **asked)
    return mixture.fit(X, sample_weight=sample_weight)


@pytest.mark.parametrize("d", [1, 2, 5])
@pytest.mark.parametrize("shrinkage", [0.0, 0.01, 3.0])
@every_model
def test_the_log_density_is_scipys(name, shrinkage, d):
    mixture, prior = mixture_of(name, d, seed=1), a_prior(shrinkage, d + 1.5, d)
    family = Objective(mixture.model, 0.0, known(prior, name)).family((K, d))
    weights, means, _, *factors, _ = mixture.as_estimate()
    expected = log_density(name, mixture.means, mixture.covariances, prior)
    assert family.parameter_term(weights, means, *factors) == pytest.approx(expected, rel=1e-10)
    assert Objective(mixture.model, 0.0).family((K, d)).parameter_term(weights, means, *factors) == 0


@pytest.mark.parametrize("prior", ["conjugate", "given"])
@every_way
@every_model
def test_the_objective_is_the_likelihood_and_the_prior_per_unit_weight(name, acceleration, prior):
    X, weight = rows(), np.random.default_rng(0).uniform(0.5, 2, 150)
    told = a_prior() if prior == "given" else defaults(X, weight, name)
    mixture = fitted(name, X, a_prior() if prior == "given" else prior, weight, acceleration=acceleration, tol=1e-6)
    parameter_term = log_density(name, mixture.means_, mixture.covariances_, told)
    expected = mixture.score(X, sample_weight=weight) + parameter_term / weight.sum()
    assert mixture.converged_
    assert mixture.lower_bound_ == pytest.approx(expected, rel=1e-11)
    assert mixture.history_.objective[-1] == pytest.approx(expected, abs=1e-5)


def defaults(X, weight, name):
    """mclust's: Fraley & Raftery (2007), section 3.2."""
    covariance = np.cov(X.T, aweights=weight, ddof=0) * weight.sum() / (weight.sum() - 1)
    d = X.shape[1]
    if name.endswith("I"):
        covariance = np.trace(covariance) / d * np.eye(d)
    return NormalInverseWishart(np.average(X, axis=0, weights=weight), 0.01, d + 2, covariance / K ** (2 / d))


@pytest.mark.parametrize("run", MCLUST, ids=lambda run: f"{run['model']},{run['G']}")
def test_mclusts_first_update_and_optima_with_a_prior_are_ours(run):
    asked = {"n_components": run["G"], "init_params": np.eye(run["G"])[PARTITIONS[:, run["G"] - 2]]}
    ends = {"sigma1": (1e-12, {"max_iter": 0})}
    ends |= {"sigma": (1e-5, {"max_iter": 20_000, "tol": 1e-13, "acceleration": None})} if "loglik" in run else {}
    for name, (near, how) in ends.items():
        mixture = fitted(run["model"], IRIS, "conjugate", **asked, **how)
        dense = reference.dense(mixture.covariances_, run["model"], run["G"], 4)
        np.testing.assert_allclose(dense, np.moveaxis(np.array(run[name]), -1, 0), rtol=0, atol=near)
    if "loglik" in run:
        assert len(IRIS) * mixture.score(IRIS) == pytest.approx(run["loglik"], rel=1e-6)
        np.testing.assert_allclose(mixture.weights_, run["pro"], atol=1e-5)
        np.testing.assert_allclose(mixture.means_, run["mean"], atol=1e-5)


@every_model
@settings(max_examples=settings.default.max_examples // 3)
@given(seed=st.integers(0, 2**32 - 1), shrinkage=st.sampled_from([0.0, 0.5, 20.0]))
def test_the_update_is_no_worse_than_any_neighbour(name, seed, shrinkage):
    """It maximises the expected log-likelihood and the log prior, within its model."""
    rng, prior, model = np.random.default_rng(seed), a_prior(shrinkage), covariance_model(name)
    X, r = rows(seed % 1000, n=40), rng.dirichlet(np.ones(K), size=40)
    counts, first, second = reference.statistics(X, r, np.ones(40), np.zeros((K, D)))
    kept = np.ascontiguousarray(reference.in_layout(second, name))
    statistics = SufficientStatistics(model.layout, np.zeros((K, D)), counts, first, kept, 0.0, 40.0)
    best = Objective(model, prior=known(prior, name)).update(statistics)

    def expected(weights=best.weights, means=best.means, covariances=best.covariances):
        joint = reference.log_joint(X, weights, means, reference.dense(covariances, name, K, D))
        return (r * joint).sum() + log_density(name, means, covariances, prior)

    reached, dense = expected(), reference.dense(best.covariances, name, K, D)
    for size, least in ((1e-3, -1e-9 * abs(reached)), (0.05, 1e-12)):
        others = best.weights * rng.uniform(1 - size, 1 + size, K)
        turns = np.eye(D) + size * rng.normal(size=(K, D, D))
        turned = reference.in_layout(turns @ dense @ turns.transpose(0, 2, 1), name)
        rivals = {"weights": others / others.sum(), "means": best.means + size * rng.normal(size=(K, D))}
        turned = model.constrained(np.ascontiguousarray(turned / (K if name == "EEE" else 1)), counts)
        of_covariances = best.covariances * (1 + size), best.covariances / (1 + size), turned
        values = [expected(**{part: rival}) for part, rival in rivals.items()]
        values += [expected(covariances=rival) for rival in of_covariances]
        assert reached - max(values) >= least


@pytest.mark.parametrize("shrinkage", [0.0, 0.3, 40.0])
@pytest.mark.parametrize("ridge", [0.0, 0.05])
@pytest.mark.parametrize("name", ["VVV", "EEE", "VVI", "VII"])
def test_each_pass_is_the_twins(name, ridge, shrinkage):
    X, prior, begin = rows(1), a_prior(shrinkage), mixture_of(name, D)
    weight = np.random.default_rng(0).uniform(0.5, 2, len(X))
    written_out = (begin.weights, begin.means, reference.dense(begin.covariances, name, K, D))
    family = reference.WholeCovariances(reference.shape_of(name), ridge, believed(name, prior, weight.sum()))
    told = reference.accelerated_em(X, written_out, family, 12, weight=weight)
    objective = Objective(begin.model, ridge, known(prior, name))
    problem = Problem(inside.ArraySource(X, weight), objective, repair_empty=False)
    with problem.e_step() as e_step:
        run = problem.prepare_run(e_step, Continuation(begin), inside.SolverSettings(tolerance=0, max_iter=12))
        reference.check_climb(run.go().result.trace, told)


def believed(name, prior, weight):
    """The prior as the twin takes it: rows for each component, per unit weight."""
    shape = reference.shape_of(name)
    scale, rows_worth = np.asarray(prior.scale), prior.dof + D + 1
    if shape in ("diag", "spherical"):
        scale, rows_worth = np.diag(np.diag(scale)), prior.dof + 2
    if shape == "spherical":
        scale, rows_worth = scale / D, rows_worth / D
    if shape == "tied":  # believed once
        scale, rows_worth = scale / K, rows_worth / K

    def log_prior(_, means, dense):
        covariances = dense[0] if shape == "tied" else reference.in_layout(dense, name)
        return log_density(name, means, covariances, prior) / weight

    rows_for_a_covariance = (rows_worth + (prior.shrinkage > 0)) / weight
    parts = scale / weight, prior.shrinkage / weight, rows_for_a_covariance
    return reference.Belief(np.asarray(prior.mean), *parts, log_prior)


def parameters_of(mixture):
    """What another fit begins with."""
    return {"weights_init": mixture.weights_, "means_init": mixture.means_, "precisions_init": mixture.precisions_}


def gain_of_a_pass(mixture, X, prior):
    """What EM's next pass adds to the mean log posterior density of a mixture without a ridge."""
    asked = {"acceleration": None, "tol": 0, "max_iter": 2} | parameters_of(mixture)
    bounds = fitted(mixture.covariance_type, X, prior, n_components=len(mixture.weights_), **asked).lower_bounds_
    return bounds[1] - bounds[0]


def by_chance(seed):
    """Rows, a number of components, and a prior that may be worth more than the rows."""
    rng = np.random.default_rng(seed)
    n, d, n_components = rng.integers(8, 50), int(rng.integers(1, 4)), int(rng.integers(2, 7))
    X = rng.normal(size=(n, d)) + rng.choice([0, 1, 3]) * rng.integers(0, 3, (n, 1))
    shrinkage, dof, scale = 10 ** rng.uniform([-1, 0, -1], [2, 1.5, 1.5])
    return X, n_components, NormalInverseWishart(2 * rng.normal(size=d), shrinkage, d + dof, scale)


@pytest.mark.parametrize("seed", [54, 253, 285])
def test_no_stop_leaves_a_component_with_few_rows_that_grows(seed):
    """The growth of its weight bounds the gain to come (Lindsay 1983)."""
    told = NormalInverseWishart([0.0], 10.0, 5.0, 1.0)
    rows = np.random.default_rng(172).normal(size=(20, 1))  # the second component loses its rows, but not the prior's
    for name in ("VVV", "VVI", "VII"):
        mixture = fitted(name, rows, told, n_components=2)
        assert mixture.weights_.min() < 1e-3
        assert gain_of_a_pass(mixture, rows, told) < mixture.tol
    X, n_components, prior = by_chance(seed)
    mixture = fitted("VVV", X, prior, n_components=n_components, random_state=seed, init_params="random")
    assert mixture.converged_
    few = len(X) * mixture.weights_ < prior.dof
    assert few.any()
    growth = mixture.predict_proba(X).mean(axis=0)[few] / mixture.weights_[few] - 1
    assert growth.max() < mixture.tol


DEGENERATE = {
    "tied rows": np.concatenate([rows(0, 40), np.tile([[9.0, 9.0, 9.0]], (20, 1))]),
    "two distinct rows": np.repeat([[0.0, 1.0, 2.0], [5.0, 5.0, 5.0]], 10, axis=0),
    "collinear": np.outer(np.arange(20.0), [1.0, 2.0, -1.0]),
    "more features than rows": rows(1, 6, 9),
    "as many rows as components": rows(2, 4),
    "one far row": np.concatenate([rows(0, 30), [[1e7, 0.0, 0.0]]]),
}


@pytest.mark.filterwarnings("ignore::gmm.ConvergenceWarning")
@pytest.mark.parametrize("X", DEGENERATE.values(), ids=DEGENERATE)
@every_way
@every_model
def test_no_covariance_is_singular_without_a_ridge(name, acceleration, X):
    mixture = fitted(name, X, "conjugate", n_components=4, acceleration=acceleration, max_iter=60)
    assert np.isfinite(mixture.lower_bound_)
    dense = reference.dense(mixture.covariances_, name, 4, X.shape[1])
    least = 1e-9 if X is DEGENERATE["collinear"] else 1e-4
    assert np.linalg.eigvalsh(dense).min() > least
    assert np.isfinite(mixture.predict_proba(X)).all()


@every_model
def test_rows_that_are_all_one_row_need_a_scale(name):
    X = np.full((20, D), 7.0)
    refused(r"estimate prior\.scale.*column 0", fitted, name, X, "conjugate")
    mixture = fitted(name, X, NormalInverseWishart(scale=1.0), n_components=1)
    np.testing.assert_allclose(mixture.means_, 7)
    dense = reference.dense(mixture.covariances_, name, 1, D)[0]
    # λ = Λ / (n + ν + 2) of a variance with its mean, which says as much as a row; d + 1 of a whole matrix.
    extra = {"II": 20 * D + D + 5 + 2, "EI": 28, "VI": 28}.get(name[1:], 20 + 5 + 1 + D + 1)
    np.testing.assert_allclose(dense, np.eye(D) / extra, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", ["EEE", "VVV", "EEV", "VEE"])
def test_a_constant_column_is_named_where_the_scale_has_to_come_from_it(name):
    X = rows()
    X[:, 1] = 3.0
    refused("column 1 is constant", fitted, name, X, "conjugate")
    mixture = fitted("VVI", X, "conjugate", random_state=1)  # whose scale is the mean of the variances
    assert (mixture.covariances_ > 0).all()


@pytest.mark.parametrize("before", [None, "conjugate", a_prior()])
@pytest.mark.parametrize("after", [None, "conjugate", a_prior(dof=9.0)])
def test_a_warm_start_with_another_prior_climbs_that_ones_objective(before, after):
    X = rows(7)
    mixture = fitted("VVV", X, before, warm_start=True, reg_covar=1e-9, max_iter=10)
    mixture.set_params(prior=after, max_iter=1000, tol=1e-9).fit(X)
    anew = fitted("VVV", X, after, **parameters_of(mixture), max_iter=0, reg_covar=1e-9)
    assert mixture.lower_bound_ == pytest.approx(anew.lower_bound_, abs=1e-9)


WRONG = {
    "dof too small": ({"dof": 2.0}, r"expected prior.dof to be a number in \(2, 1e\+300\], got 2.0"),
    "dof too large": ({"dof": 1e308}, r"expected prior.dof to be a number in \(2, 1e\+300\], got 1e\+308"),
    "shrinkage too small": ({"shrinkage": 5e-324}, "prior.shrinkage of 0, or of at least 1e-300, got 4.94066e-324"),
    "shrinkage below 0": ({"shrinkage": -0.1}, r"expected prior.shrinkage to be a number in \[0.0, inf\), got -0.1"),
    "shrinkage of no number": ({"shrinkage": np.nan}, "expected prior.shrinkage to be a number in .* got nan"),
    "mean of another length": ({"mean": [1.0, 2.0]}, r"prior\.mean.*\(3,\).*\(2,\)"),
    "mean of no number": ({"mean": [1.0, np.nan, 0.0]}, r"prior\.mean.*NaN"),
    "scale of another shape": ({"scale": np.eye(2)}, r"prior\.scale.*\(3, 3\).*\(2, 2\)"),
    "scale of zero": ({"scale": 0.0}, r"prior\.scale"),
    "scale not symmetric": ({"scale": np.eye(3) + np.eye(3, k=1) / 2}, r"prior\.scale.*symmetric"),
    "scale not positive": ({"scale": np.eye(3) - 1}, r"prior\.scale.*positive"),
    "scale of text": ({"scale": "wide"}, r"prior"),
}


@pytest.mark.parametrize(("parts", "message"), WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("name", ["VVV", "EII", "EVI"])
def test_parts_that_cannot_be_are_refused_by_name(name, parts, message):
    mixture = GaussianMixture(K, covariance_type=name, random_state=0).fit(rows())
    standing = mixture.means_
    mixture.set_params(prior=NormalInverseWishart(**parts))
    refused(message, mixture.fit, rows())
    np.testing.assert_array_equal(mixture.means_, standing)


def test_a_prior_may_be_said_in_several_ways():
    wide = 2.5 * np.eye(D)
    scaled = [NormalInverseWishart(scale=scale) for scale in (2.5, wide, wide.tolist())]
    for ways in (["conjugate", NormalInverseWishart()], scaled):
        first, *others = (fitted("VVV", rows(), prior).covariances_ for prior in ways)
        for other in others:
            np.testing.assert_array_equal(other, first)


def test_an_estimator_with_a_prior_is_told_as_the_call_that_makes_it_and_a_file_keeps_it():
    assert repr(GaussianMixture(2, prior="conjugate")) == "GaussianMixture(n_components=2, prior='conjugate')"
    estimator = GaussianMixture(2, prior=NormalInverseWishart(shrinkage=0, scale=0.5))
    again = eval(repr(estimator))
    assert again.prior.scale == 0.5
    assert repr(again) == repr(estimator)
    wide = NormalInverseWishart(mean=np.zeros(70), scale=np.diag(np.linspace(1, 2, 70)))
    X = np.random.default_rng(0).normal(size=(200, 70))
    mixture = GaussianMixture(1, prior=wide).fit(X)
    loaded = reloaded(mixture)
    assert repr(loaded) == repr(mixture)
    np.testing.assert_array_equal(loaded.prior.scale, wide.scale)
    np.testing.assert_array_equal(loaded.fit(X).covariances_, mixture.covariances_)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("follows", [(2.0, 0.0), (1.0, 1.0), (1e6, -1e-3)], ids=str)
def test_columns_that_follow_from_others_have_a_prior(follows, dtype):
    """Rounding makes their scatter look regular, in some tables of a few hundred."""
    for seed in range(16):
        X = np.random.default_rng(seed).normal(size=(16, 3))
        X[:, 1] = follows[0] * X[:, 0] + follows[1] * X[:, 2]
        X = X.astype(dtype)
        for name in ("VVV", "EEE", "EVV")[seed % 3 :: 3]:
            mixture = GaussianMixture(1 + seed % 2, covariance_type=name, prior="conjugate", random_state=0).fit(X)
            assert np.isfinite(mixture.lower_bound_)
            found = gmm.select(X, [1, 2], name, prior="conjugate", random_state=0)
            assert np.isfinite(found.bic).all()

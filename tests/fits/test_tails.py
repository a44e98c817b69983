"""Components with heavy tails: the pass, the fit and its uses against the twin, scipy's density and outliers."""

import re

import numpy as np
import pytest
from matplotlib.path import Path
from scipy.special import logsumexp
from scipy.stats import kstest, multivariate_t

import gmm
import inside
import reference
from gmm import GaussianMixture
from gmm.plotting import plot_clusters, plot_decision_boundaries, plot_density, plot_uncertainty
from inside import ArraySource, Continuation, EStep, Objective, Problem, StudentTails, covariance_model, ellipse
from tables import refused

every_layout = pytest.mark.parametrize("covariance_type", ["VVV", "EEE", "VVI", "VII", "factor1"])
every_dtype = pytest.mark.parametrize("dtype", [np.float64, np.float32])
estimated = pytest.mark.parametrize("degrees", [None, "each", 3.5], ids=["shared", "each", "given"])
each_or_shared = pytest.mark.parametrize("degrees", [None, "each"], ids=["shared", "each"])
FIRST = np.array([8.0, 4.0, 30.0])  # degrees of freedom where runs begin that estimate one of each component
K, D = 3, 3


def groups(n=600, seed=0, degrees=4.0):
    """Rows of three groups with heavy tails."""
    rng = np.random.default_rng(seed)
    centres = np.array([[0.0, 0, 0], [6, 1, 0], [1, 7, 3]])
    factors = 0.3 * rng.normal(size=(K, D, D)) + np.eye(D)
    group = rng.integers(K, size=n)
    normal = np.einsum("ni,nij->nj", rng.normal(size=(n, D)), factors[group])
    return centres[group] + normal / np.sqrt(rng.chisquare(degrees, (n, 1)) / degrees)


def tails_with(degrees):
    """Tails with degrees of freedom as `GaussianMixture` takes them."""
    return StudentTails(FIRST, True, False) if degrees == "each" else StudentTails(degrees or 8.0, degrees is None)


def mixture_near(covariance_type, degrees=3.5, seed=1):
    """A mixture of any model with heavy tails."""
    rng = np.random.default_rng(seed)
    model = covariance_model(covariance_type, D)
    factors = 0.2 * rng.normal(size=(K, D, D)) + np.eye(D)
    free = model.layout.reduced(factors @ factors.transpose(0, 2, 1), inside.FULL, D)
    weights = rng.dirichlet(np.full(K, 5.0))
    if model.layout.pooled:
        free = free / K
    covariances = model.constrained(free, weights)
    means = np.array([[0.5, 0, 0], [5, 1, 1], [1, 6, 3]])
    return inside.MixtureParameters(weights, means, covariances, model, tails=tails_with(degrees))


def written_out(mixture):
    return reference.dense(mixture.covariances, mixture.model.name, K, D)


@every_layout
@every_dtype
@pytest.mark.parametrize("form", [-1, 0, 1])
@pytest.mark.parametrize("degrees", [3.5, 4.0, 5.0, "each"])
@pytest.mark.usefixtures("kernel")
def test_a_pass_gives_the_twins_moments_and_density(covariance_type, dtype, form, degrees):
    rows, mixture = groups().astype(dtype), mixture_near(covariance_type, degrees)
    weight = np.random.default_rng(2).uniform(0.5, 2, len(rows))
    tolerance = 1e-12 if dtype == np.float64 else 1e-4
    X, parameters = rows.astype(float), (mixture.weights, mixture.means, written_out(mixture))
    with EStep(ArraySource(rows, weight), mixture.model.layout, form=form) as e_step:
        got, scores = e_step(mixture.whitened()), e_step.rows(mixture.whitened(), log_evidence=True)
        totals = e_step.totals(mixture.whitened())
    nu = FIRST if degrees == "each" else np.full(K, degrees)
    joint = reference.student_log_joint(X, *parameters, nu)
    np.testing.assert_allclose(scores.log_evidence, logsumexp(joint, axis=1), rtol=0, atol=100 * tolerance)
    assert got.log_evidence == pytest.approx(weight @ logsumexp(joint, axis=1), rel=10 * tolerance)
    assert totals.log_likelihood == pytest.approx(weight @ logsumexp(joint, axis=1), rel=10 * tolerance)
    counts, first, second, precision = reference.student_statistics(X, *parameters, nu, weight, got.origins)
    np.testing.assert_allclose(got.counts, counts, rtol=0, atol=1000 * tolerance * weight.sum())
    np.testing.assert_allclose(got.first, first, rtol=0, atol=1000 * tolerance * weight.sum())
    second = reference.in_layout(second, mixture.model.name)
    np.testing.assert_allclose(got.second, second, rtol=0, atol=5000 * tolerance * weight.sum())
    if degrees not in (4, 5):  # whole ones that are given need no logarithms
        np.testing.assert_allclose(got.precision, precision, rtol=100 * tolerance)


def test_rows_very_far_away_have_finite_densities_and_begin_a_fit():
    rows = groups()
    rows[0] = 1e150
    fit = GaussianMixture(3, tails="t", degrees_of_freedom=3, random_state=0).fit(rows)
    assert np.isfinite(fit.score_samples(rows)).all()
    np.testing.assert_allclose(np.sort(fit.means_[:, 0]), [0, 1, 6], atol=0.6)
    two = GaussianMixture(2, tails="t", reg_covar=1e-300, random_state=0).fit([[0.0], [1e8]])
    np.testing.assert_array_equal(np.sort(two.means_, axis=0), [[0.0], [1e8]])


def test_a_constant_column_leaves_a_fit_resistant():
    rng = np.random.default_rng(0)
    rows = np.concatenate([rng.normal(0, 1, (300, 2)), rng.normal(6, 1, (200, 2)), rng.uniform(-60, 60, (25, 2))])
    mixture = GaussianMixture(2, tails="t", random_state=0).fit(np.column_stack([rows, np.ones(525)]))
    np.testing.assert_allclose(np.sort(mixture.means_[:, 0]), [0, 6], atol=0.2)


@pytest.mark.parametrize("covariance_type", reference.CLOSED_FORMS)
@estimated
@pytest.mark.parametrize("ridge", [0.0, 0.01])
def test_each_pass_is_the_textbooks(covariance_type, degrees, ridge):
    rows, begin = groups(), mixture_near(covariance_type, degrees)
    weight = np.random.default_rng(2).uniform(0.5, 2, len(rows))
    first = begin.weights, begin.means, written_out(begin), begin.tails.degrees
    how = {"weight": weight, "reg_covar": ridge, "estimated": {None: "shared", "each": "each"}.get(degrees)}
    bounds, path = reference.student_em(rows, first, covariance_type, 8, **how)
    problem = Problem(ArraySource(rows, weight), Objective(begin.model, ridge, tails=tails_with(degrees)))
    with problem.e_step() as e_step:
        settings = inside.SolverSettings(tolerance=0, max_iter=7, accelerated=False)
        got = problem.prepare_run(e_step, Continuation(begin), settings).go().result
    np.testing.assert_allclose(got.trace.lower_bounds, bounds[:7], rtol=1e-11)
    ours, (weights, means, covariances, nu) = got.parameters, path[7]
    np.testing.assert_allclose(ours.weights, weights, rtol=1e-9)
    np.testing.assert_allclose(ours.means, means, rtol=0, atol=1e-9)
    np.testing.assert_allclose(written_out(ours), covariances, rtol=0, atol=1e-9)
    np.testing.assert_allclose(ours.tails.numbers(K), np.broadcast_to(nu, K), rtol=1e-8)


@pytest.mark.parametrize("covariance_type", ["full", "diag", "spherical", "tied"])
def test_statistics_in_another_order_are_those_of_the_mixture_in_that_order(covariance_type):
    order, mixture = np.array([2, 0, 1]), mixture_near(covariance_type, "each")
    model, objective = mixture.model, Objective(mixture.model, tails=tails_with("each"))
    scales = mixture.covariances if model.layout.pooled else mixture.covariances[order]
    parts = mixture.weights[order], mixture.means[order], scales, model
    in_order = inside.MixtureParameters(*parts, tails=mixture.tails.for_components(order))
    with EStep(ArraySource(groups()), model.layout) as e_step:
        one, other = e_step(mixture.whitened()).reordered(order), e_step(in_order.whitened())
    for part in ("counts", "origins", "first", "second", "precision"):
        np.testing.assert_allclose(getattr(one, part), getattr(other, part), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(*(objective.update(each).tails.degrees for each in (one, other)), rtol=1e-9)


@estimated
def test_gross_outliers_hardly_move_the_means(degrees):
    clean = groups(degrees=30)
    rows = np.concatenate([clean, np.random.default_rng(3).uniform(-60, 60, (30, D))])

    def moved(**how):
        before, after = (GaussianMixture(3, random_state=0, **how).fit(each).means_ for each in (clean, rows))
        order = [np.linalg.norm(after - mean, axis=1).argmin() for mean in before]
        return np.linalg.norm(after[order] - before, axis=1).max()

    assert moved(tails="t", degrees_of_freedom=degrees) < 0.1 * moved()


def test_each_component_has_the_tails_of_its_group():
    rng, how = np.random.default_rng(0), {"tails": "t", "random_state": 0}
    rows = [centre + rng.normal(size=(1000, 2)) for centre in ([0, 0], [12, 0], [0, 12])]
    rows[0] = multivariate_t(df=3, shape=np.eye(2)).rvs(1000, random_state=1)  # the others are normal
    rows = np.concatenate(rows)
    shared, each = (GaussianMixture(3, degrees_of_freedom=degrees, **how).fit(rows) for degrees in (None, "each"))
    heavy = np.argmin(np.linalg.norm(each.means_, axis=1))
    assert each.degrees_of_freedom_[heavy] == pytest.approx(3, rel=0.2)
    assert (np.delete(each.degrees_of_freedom_, heavy) > 15).all()
    assert each.n_parameters_ == shared.n_parameters_ + 2
    assert each.score(rows) > shared.score(rows)
    assert each.bic(rows) < shared.bic(rows)
    assert f"{each.degrees_of_freedom_.min():.4g} to {each.degrees_of_freedom_.max():.4g} degrees" in str(each)
    drawn, labels = each.sample(20_000, random_state=0)
    for k, degrees in enumerate(each.degrees_of_freedom_):
        part = (drawn[labels == k] - each.means_[k]) @ each.precisions_cholesky_[k]
        assert kstest(part[:, 0], "t", (degrees,)).pvalue > 1e-3
    np.testing.assert_array_equal(each.marginal([1]).degrees_of_freedom_, each.degrees_of_freedom_)
    of_one = shared.marginal([0])
    of_one.means_ = of_one.means_ + 1
    assert of_one.degrees_of_freedom_ == shared.degrees_of_freedom_


@pytest.fixture(scope="module")
def fitted():
    return GaussianMixture(3, tails="t", random_state=0).fit(groups())


@every_layout
@every_dtype
@pytest.mark.parametrize(("degrees", "n"), [("each", 1), (None, 600)])
def test_a_frozen_mixture_has_the_same_bits(covariance_type, dtype, degrees, n, tmp_path):
    rows, file = groups().astype(dtype), tmp_path / "frozen.gmm"
    how = {"covariance_type": covariance_type, "tails": "t", "degrees_of_freedom": degrees}
    fit = GaussianMixture(3, random_state=0, **how).fit(rows)
    fit.freeze().save(file, prepared=True)
    for each in (fit.freeze(), *(gmm.FrozenMixture.load(file, mmap=mmap) for mmap in (False, True))):
        np.testing.assert_array_equal(each.score_samples(rows[:n]), fit.score_samples(rows[:n]))
        np.testing.assert_array_equal(each.predict_proba(rows[:n]), fit.predict_proba(rows[:n]))


def test_a_file_with_other_degrees_of_freedom_than_there_are_is_refused():
    one = {"weights": np.ones(1), "means": np.zeros((1, 2)), "covariances": np.eye(2)[None]}
    wrong = one | {"degrees_of_freedom": np.array([0.5, 0])}
    refused("from 1 to 1000000", inside.mixture_from_state, wrong, covariance_model("full"))


@pytest.mark.parametrize("wrong", [0.5, 1e7, "4", "all", [4, 5], True, np.nan])
def test_other_degrees_of_freedom_are_refused(wrong):
    refused("degrees_of_freedom", GaussianMixture(tails="t", degrees_of_freedom=wrong).fit, groups())
    refused("tails='t'", GaussianMixture(degrees_of_freedom=4).fit, groups())


def test_a_wrong_choice_of_tails_names_the_way_out():
    told = "must be a str among {'normal', 't'}. Got 'contaminated' instead: for single far rows use tails='t' or noise"
    refused(re.escape(told), GaussianMixture(tails="contaminated").fit, groups())
    refused(re.escape(told), gmm.select, groups(), 2, tails=("normal", "contaminated"))


def test_ellipses_and_levels_hold_their_share_of_the_rows(fitted):
    two = fitted.marginal([0, 1])
    rows, labels = two.sample(60_000, random_state=0)
    tails, rows = two._parameters.tails.for_components(0), rows[labels == 0]
    for content in (0.5, 0.95):
        outline = ellipse(two._parameters, 0, content)
        assert Path(outline).contains_points(rows).mean() == pytest.approx(content, abs=0.02)
    alone = GaussianMixture.from_parameters([1.0], two.means_[:1], two.covariances_[:1])
    alone._mixture = alone._parameters.with_other(tails=two._parameters.tails.for_components([0]))
    fall = alone.score_samples(rows) - alone.score_samples(two.means_[:1])
    for least in (-1, -3, -6):
        assert tails.content(least) == pytest.approx((fall > least).mean(), abs=0.01)


@each_or_shared
def test_pictures_summaries_and_criteria_know_the_tails(degrees):
    fit = GaussianMixture(3, random_state=0, tails="t", degrees_of_freedom=degrees).fit(groups())
    assert 0 < fit.criteria(groups())["nec"] < 1  # beside one component of the same tails
    for picture in (plot_clusters, plot_density, plot_uncertainty, plot_decision_boundaries):
        assert picture(fit, groups()).get_title()
    shared = f"{fit.degrees_of_freedom_:.4g} " if degrees is None else ""
    assert f"{shared}degrees of freedom" in str(fit)
    assert "mean ± scale" in str(fit)
    assert "scale" not in str(GaussianMixture(3, random_state=0).fit(groups()))


LIMIT = "at the limit of a fit: "


@each_or_shared
def test_tails_that_end_at_a_limit_are_told_of(degrees):
    rng, shared = np.random.default_rng(0), degrees is None
    told = f"{LIMIT}degrees of freedom 200 of " + (
        "every component; compare normal" if shared else "component 0; compare"
    )
    bounded = rng.uniform(-3, 3, (300, 2))  # lighter than normal
    rows = np.concatenate([bounded, 20 + (bounded if shared else rng.standard_t(3, (300, 2)))])
    how = {"tails": "t", "degrees_of_freedom": degrees, "tol": 1e-6, "max_iter": 1000}
    fit = GaussianMixture(2, means_init=[[0, 0], [20, 20]], random_state=0, **how).fit(rows)
    assert f"  {told}" in str(fit)
    assert told in repr(fit.summary(rows))
    if shared:
        assert f"\n{told}" in repr(gmm.select(rows, 2, "full", tails="t", random_state=0))
        given = GaussianMixture(2, tails="t", degrees_of_freedom=200, random_state=0).fit(rows)
        assert LIMIT not in str(given)


@pytest.mark.parametrize("seed", range(1, 6))
def test_rounding_of_single_rows_ends_a_fit(seed):
    """Groups so far apart that a squared distance of float32 loses four digits, and crawls to a limit of the tails."""
    rng = np.random.default_rng(seed)
    rows = np.concatenate([rng.normal(-14, 1, (150, 1)), rng.normal(14, 0.8, (150, 1))])
    fits = [GaussianMixture(2, tails="t", random_state=0).fit(rows.astype(dtype)) for dtype in (float, np.float32)]
    assert all(fit.converged_ for fit in fits)
    assert fits[0].lower_bound_ == pytest.approx(fits[1].lower_bound_, abs=1e-3)

"""The compiled update of factors without d × d matrices, and the accelerated climb, against their twins; their laws."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import inside
import reference
from gmm import GaussianMixture, NormalInverseWishart
from inside import ArraySource, EStep, MixtureParameters, MStep, Objective, factor_model, low_rank, mstep, prior_of
from tables import factor_groups, refused

CODES = {"factor": 13, "ppca": 14}
every_kind = pytest.mark.parametrize("kind", CODES)
every_prior = pytest.mark.parametrize("prior", [None, "conjugate"])
few = settings(max_examples=settings.default.max_examples // 2)
sizes = {"seed": st.integers(0, 2**16), "K": st.integers(1, 3), "d": st.integers(2, 9), "q": st.integers(1, 4)}
ridges = st.sampled_from([0.0, 1e-6, 1e-2, 1.0])
priors = st.sampled_from([None, (0.0, 20.0), (3.0, 20.0), (0.5, 3.0)])


def problem(seed, K, d, q, least=0.0, kind="factor"):
    """Rows, responsibilities, weights, and a mixture of factors before."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(12 * K + 3 * d, q)) @ rng.normal(size=(q, d)) * rng.uniform(0, 3)
    X += rng.normal(size=X.shape) * 10 ** rng.uniform(-1.5, 0, d) + rng.integers(K, size=len(X))[:, None]
    noise = np.maximum(rng.uniform(0.1, 1, (K, 1 if kind == "ppca" else d)) * np.ones((K, d)), least)
    loadings = rng.normal(size=(K, d, q)) * 10 ** rng.uniform(-2, 0.5)
    before = np.full(K, 1 / K), X[rng.choice(len(X), K, replace=False)], loadings, noise
    return X, rng.dirichlet(np.full(K, 0.5), len(X)), rng.uniform(0.3, 2, len(X)), before


def embedded(n, d, K, q, seed=0, apart=0.5):
    """Rows of clusters with factors."""
    return factor_groups(n, d, q, K, seed, apart=apart)


def density(X, asked):
    return None if asked is None else reference.FactorPrior(X.mean(axis=0), *asked, X.var(axis=0) * 0.5)


def family_of(kind, K, d, q, ridge, prior):
    of = prior
    moments = None if of is None else (of.mean, of.rows * of.variances, of.shrinkage, of.rows, 0.0)
    return mstep.MixtureFamily(low_rank(q).code, CODES[kind], K, d, ridge, moments, n_factors=q)


def finished(update, K, parts=1):
    """The estimate of an update of all components, in parts."""
    size = -(-K // parts)
    for start in range(0, K, size):
        update.covariances(start, min(start + size, K))
    update.constrain(0, 1)
    estimate, failed = update.finish()
    assert failed == -1
    return estimate


def compiled(kind, X, responsibilities, weight, before, ridge=0.0, prior=None, parts=1):
    """Return weights, means, loadings and noise after the update, and its estimate."""
    loadings, noise = before[2:]
    K, d, q = loadings.shape
    origins = np.full((K, d), 0.3)  # no means: the update must not need those of the pass
    counts, first, _ = reference.statistics(X, responsibilities, weight, origins)
    second = reference.factor_moments(X, responsibilities, weight, origins, loadings, noise)
    before = np.concatenate([noise[:, None], loadings.transpose(0, 2, 1)], axis=1)
    family = family_of(kind, K, d, q, ridge, prior)
    update = mstep.Update(family, origins, counts, first, second.ravel(), weight.sum(), before.ravel())
    estimate = finished(update, K, parts)
    covariances = estimate[2].reshape(K, 1 + q, d)
    return (*estimate[:2], covariances[:, 1:].transpose(0, 2, 1), covariances[:, 0]), estimate


@every_kind
@given(**sizes, ridge=ridges, asked=priors)
def test_an_update_is_that_of_the_twin(kind, seed, K, d, q, ridge, asked):
    X, responsibilities, weight, before = problem(seed, K, d, min(q, d - 1), ridge, kind)
    prior = density(X, asked)
    ours, estimate = compiled(kind, X, responsibilities, weight, before, ridge, prior)
    how = {"ridge": ridge, "isotropic": kind == "ppca", "prior": prior}
    twin = reference.factor_m_step(X, responsibilities, weight, *before[2:], **how)
    np.testing.assert_allclose(ours[0], twin[0], rtol=1e-12)
    np.testing.assert_allclose(ours[1], twin[1], rtol=1e-10, atol=1e-12)
    covariances = reference.factor_covariances(*twin[2:])
    scale = np.abs(covariances).max()
    np.testing.assert_allclose(ours[3], twin[3], rtol=1e-9, atol=1e-10 * scale)
    np.testing.assert_allclose(reference.factor_covariances(*ours[2:]), covariances, rtol=0, atol=1e-10 * scale)
    np.testing.assert_allclose(estimate[4], -np.linalg.slogdet(covariances)[1] / 2, rtol=1e-6, atol=1e-6)


@few
@given(**sizes)
def test_components_are_independent(seed, K, d, q):
    given_rows = problem(seed, K, d, min(q, d - 1))
    whole, apart = (compiled("factor", *given_rows, parts=parts)[1] for parts in (1, K))
    for ours, theirs in zip(whole, apart, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@every_kind
@given(**sizes, ridge=ridges, asked=priors)
def test_no_update_lowers_the_objective(kind, seed, K, d, q, ridge, asked):
    X, _, weight, parameters = problem(seed, K, d, min(q, d - 1), ridge, kind)
    prior = density(X, asked)
    if ridge == 0 and prior is None:
        ridge = 1e-3
        parameters = *parameters[:3], np.maximum(parameters[3], ridge)
    objectives = []
    for _ in range(8):
        joint = reference.factor_log_joint(X, parameters, ridge)
        value = weight @ reference.log_evidence(joint)
        objectives.append(value + (0 if prior is None else reference.log_factor_prior(parameters, prior)))
        parameters, _ = compiled(kind, X, reference.responsibilities(joint), weight, parameters, ridge, prior)
    assert np.diff(objectives).min() > -1e-9 * (1 + np.abs(objectives).max())


@every_kind
@few
@given(**sizes, asked=priors)
def test_the_density_of_the_prior(kind, seed, K, d, q, asked):
    X, responsibilities, weight, before = problem(seed, K, d, min(q, d - 1), 0.0, kind)
    prior = density(X, asked or (1.0, 5.0))
    ours, estimate = compiled(kind, X, responsibilities, weight, before, 1e-3, prior)
    family = family_of(kind, K, d, ours[2].shape[2], 1e-3, prior)
    term = family.parameter_term(*estimate[:2], *estimate[3:5])
    constant = K * d * np.log(prior.shrinkage / (2 * np.pi)) / 2 if prior.shrinkage else 0.0
    assert term == pytest.approx(reference.log_factor_prior(ours, prior) - constant, rel=1e-8, abs=1e-6)


@pytest.mark.parametrize(("kind", "seed"), [("factor", 0), ("factor", 1), ("ppca", 0), ("ppca", 1)])
def test_steps_end_where_the_constraint_on_full_covariances_is(kind, seed):
    d, q, ridge = 7, 2, 0.05  # without a ridge, a noise that falls to 0 takes EM for ever
    X, _, weight, parameters = problem(seed, 1, d, q, ridge, kind)
    ones = np.ones((len(X), 1))
    for _ in range(4000):
        parameters, _ = compiled(kind, X, ones, weight, parameters, ridge)
    mean = weight @ X / weight.sum()
    free = (weight[:, None] * (X - mean)).T @ (X - mean) / weight.sum() + ridge * np.eye(d)
    most_likely = inside.covariance_model(f"{kind}{q}").constrained(free[None], np.ones(1), least=ridge)
    ours = reference.factor_covariances(*parameters[2:])
    of_rows = [np.linalg.slogdet(each[0])[1] + np.trace(np.linalg.solve(each[0], free)) for each in (ours, most_likely)]
    assert of_rows[0] == pytest.approx(of_rows[1], abs=1e-8)


def test_without_a_mixture_before_variances_stay_and_factors_begin():
    K, d, q = 2, 6, 3
    X, responsibilities, weight, _ = problem(3, K, d, q)
    counts, first, second = reference.statistics(X, responsibilities, weight, np.zeros((K, d)))
    moments = np.zeros((K, 1 + q, d))
    moments[:, 0] = np.diagonal(second, axis1=1, axis2=2)
    family = family_of("factor", K, d, q, 0.1, None)
    estimate = finished(mstep.Update(family, np.zeros((K, d)), counts, first, moments.ravel(), weight.sum()), K)
    covariances = estimate[2].reshape(K, 1 + q, d)
    variances = moments[:, 0] / counts[:, None] - estimate[1] ** 2 + 0.1
    np.testing.assert_allclose(covariances[:, 0] + (covariances[:, 1:] ** 2).sum(axis=1), variances, rtol=1e-9)
    assert (np.linalg.svd(covariances[:, 1:], compute_uv=False) > 0.1 * variances.min() ** 0.5).all()


@every_kind
def test_noise_is_no_less_than_a_hundred_millionth_of_the_variance(kind):
    rng = np.random.default_rng(0)
    loadings, ones = rng.normal(size=(1, 5, 1)), np.ones(200)
    X = rng.normal(size=(200, 1)) @ loadings[0].T
    before = np.ones(1), np.zeros((1, 5)), loadings, np.full((1, 5), 1e-14)
    ours, _ = compiled(kind, X, ones[:, None], ones, before)
    least = 1e-8 * X.var(axis=0)
    np.testing.assert_allclose(ours[3][0], least.mean() if kind == "ppca" else least, rtol=1e-5)


@pytest.mark.parametrize("constraint", [0, 11, 13])
def test_a_family_takes_its_own_layout_alone(constraint):
    code = low_rank(2).code if constraint < 13 else 0
    refused("a constraint on it", mstep.MixtureFamily, code, constraint, 2, 6, 0.0, n_factors=2)


def test_few_rows_have_a_prior_by_default_and_many_have_none():
    model, few_rows = factor_model("factor", 3, False), ArraySource(embedded(200, 70, 8, 3))
    prior = prior_of(None, model, 8, few_rows, 1)
    assert (prior.shrinkage, prior.dof, prior.scale.shape) == (3.0, 18.0, (70,))
    assert prior_of(None, model, 1, few_rows, 1) is inside.FLAT
    assert prior_of(None, inside.covariance_model("full"), 8, few_rows, 1) is inside.FLAT
    X = embedded(200, 80, 4, 2)
    few_rows, many = (GaussianMixture(K, covariance_type="factor", n_factors=2, random_state=0) for K in (4, 1))
    assert "shrunk" in str(few_rows.fit(X))
    assert "shrunk" not in str(many.fit(X))


def test_the_default_prior_has_the_variances_within_clusters():
    X = embedded(300, 40, 3, 1, apart=8.0)
    clusters = GaussianMixture(3, covariance_type="diag", random_state=0).fit_predict(X)
    prior = prior_of("conjugate", factor_model("factor", 1, False), 3, ArraySource(X), 1)
    within = sum(X[clusters == k].var(axis=0) * (clusters == k).sum() for k in range(3)) / (len(X) - 3)
    np.testing.assert_allclose(prior.scale, 20 * within, rtol=1e-9)


@pytest.mark.parametrize(("asked", "column"), [({"dof": 0.0}, "dof"), ({"scale": -1.0}, "scale")])
def test_a_prior_of_noise_is_proper_and_checked(asked, column):
    X, model = embedded(100, 30, 2, 1), factor_model("factor", 1, False)
    refused(column, prior_of, NormalInverseWishart(**asked), model, 2, ArraySource(X), 1)
    assert prior_of(NormalInverseWishart(dof=1.0, scale=2.0), model, 2, ArraySource(X), 1).scale.tolist() == [2.0] * 30
    X[:, 4] = 3.0
    assert (prior_of("conjugate", model, 2, ArraySource(X), 1).scale > 0).all()


def test_a_component_without_rows_gets_half_of_the_heaviest():
    X = embedded(600, 20, 2, 2, apart=3.0)
    model = factor_model("factor", 2, False)
    covariances = np.concatenate([np.ones((3, 1, 20)), np.full((3, 2, 20), 0.1) * [[1], [-1]]], axis=1)
    covariances[:, 2, ::2] *= -1
    means = np.stack([X[0], X[1], np.full(20, 1e4)])
    before = MixtureParameters(np.full(3, 1 / 3), means, covariances, model)
    m_step = MStep(Objective(model, 1e-6), 3, weight=len(X))
    with EStep(ArraySource(X), model.layout, n_threads=1) as e_step:
        statistics = e_step(before.whitened())
        after = m_step(statistics, before)
        bounds = [e_step(mixture.whitened()).mean_log_evidence for mixture in (before, after)]
    donor = int(np.argmax(statistics.counts))
    assert m_step.repaired == [2]
    assert after.weights[2] == after.weights[donor] == pytest.approx(statistics.counts[donor] / len(X) / 2)
    np.testing.assert_array_equal(after.covariances[2], after.covariances[donor])
    np.testing.assert_allclose((after.means[2] + after.means[donor]) / 2, statistics.means[donor], rtol=1e-6, atol=1e-9)
    assert bounds[1] > bounds[0]


def test_a_prior_of_a_user_reaches_the_noise():
    X, rest = np.split(embedded(300, 80, 6, 2), [150])
    scores = [
        GaussianMixture(6, covariance_type="factor", n_factors=2, random_state=0, prior=prior).fit(X).score(rest)
        for prior in (NormalInverseWishart(dof=1e-3, scale=1e-6), NormalInverseWishart(), "conjugate")
    ]
    assert scores[1] == scores[2] > scores[0] + 1


def problem_of(X, K, q, kind="factor", prior=None, ridge=1e-6, *, weight=None, n_threads=1):
    model, source = factor_model(kind, q, False), ArraySource(X, weight)
    return inside.Problem(source, Objective(model, ridge, prior_of(prior, model, K, source, 1)), n_threads)


def climbed(problem, K, max_iter, *, accelerated=True, tolerance=-np.inf, begin=None):
    """Return the result of a run, from a start of k-means or a mixture."""
    how = inside.SolverSettings(tolerance, max_iter, accelerated)
    with problem.e_step() as e_step:
        if begin is None:
            settings = inside.FitSettings(K, problem.objective, 1, inside.StartSettings("kmeans"))
            rng = np.random.RandomState(0)
            begin = problem.beginning(e_step, inside.start_statistics(problem.rows, settings, rng))
        return problem.run(e_step, begin, how).go().result


def begun(X, K, q, kind, seed):
    """A mixture of factors by chance at rows."""
    rng, d = np.random.default_rng(seed), X.shape[1]
    noise = rng.uniform(0.5, 1.5, (K, 1, 1 if kind == "ppca" else d)) * np.ones((K, 1, d))
    covariances = np.concatenate([noise, rng.normal(size=(K, q, d))], axis=1)
    return MixtureParameters(rng.dirichlet(np.full(K, 9.0)), X[:K].copy(), covariances, factor_model(kind, q, False))


@every_kind
@pytest.mark.parametrize(("d", "q", "seed"), [(3, 1, 0), (5, 2, 1), (6, 3, 2)])
@pytest.mark.parametrize("ridge", [0.0, 0.05])
def test_each_pass_is_the_twins(kind, ridge, d, q, seed):
    X, weight = embedded(300, d, 2, q, seed), np.random.default_rng(seed).uniform(0.5, 2, 300)
    begin, family = begun(X, 2, q, kind, seed), reference.FreeFactors(d, q, ridge, kind == "ppca")
    written_out = begin.weights, begin.means, begin.covariances[:, 1:].transpose(0, 2, 1), begin.covariances[:, 0]
    told = reference.accelerated_em(X, written_out, family, 15, weight=weight)
    trace = climbed(problem_of(X, 2, q, kind, None, ridge, weight=weight), 2, 15, begin=inside.Beginning(begin)).trace
    reference.check_climb(trace, told)


@every_kind
@every_prior
@few
@given(seed=st.integers(0, 2**16), K=st.integers(1, 4), d=st.integers(4, 14), q=st.integers(1, 3))
def test_the_objective_never_falls(kind, prior, seed, K, d, q):
    X = embedded(40 * K, d, K, q, seed)
    for ridge in (1e-6, 0.1):
        objective = np.array(climbed(problem_of(X, K, q, kind, prior, ridge), K, 60).trace.objective)
        assert np.diff(objective).min(initial=0) >= -1e-12 * (1 + np.abs(objective).max())


@every_kind
@every_prior
@pytest.mark.parametrize(("n", "d", "K", "q"), [(900, 12, 3, 2), (300, 100, 6, 3)])
def test_it_ends_where_em_rests(kind, prior, n, d, K, q):
    problem = problem_of(embedded(n, d, K, q), K, q, kind, prior, 1e-9)
    end = climbed(problem, K, 600, tolerance=1e-13)
    begin = inside.Beginning(end.parameters)
    after = climbed(problem, K, 30, accelerated=False, begin=begin)
    assert end.trace.converged
    assert "projected remaining gain" in end.trace.reason
    bounds = np.array(after.trace.lower_bounds)
    np.testing.assert_allclose(bounds, bounds[0], atol=1e-7 * d)
    written_out = (mixture.written_out for mixture in (end.parameters, after.parameters))
    np.testing.assert_allclose(*written_out, rtol=0, atol=1e-3)


def test_it_needs_fewer_passes_than_em():
    passes = np.zeros(2)
    for seed in range(3):
        # Clusters far apart: where they overlap, the bits of BLAS decide which of many optima a run ends in.
        X = embedded(900, 10, 3, 3, seed, apart=3)
        bounds = [
            np.array(climbed(problem_of(X, 3, 3, ridge=1e-9), 3, n, accelerated=accelerated).trace.objective)
            for accelerated, n in ((False, 1500), (True, 500))
        ]
        passes += [np.argmax(bound > bound[-1] - 1e-5) for bound in bounds]
        assert bounds[1][-1] > bounds[0][-1] - 1e-7
    assert passes[1] < passes[0] / 5


@every_prior
def test_threads_and_pickles_leave_the_bits(prior):
    X = embedded(6000, 70, 4, 3).astype(np.float32)
    one, two = (climbed(problem_of(X, 4, 3, prior=prior, n_threads=n), 4, 9) for n in (1, 2))
    assert one.trace.objective == two.trace.objective
    state = one.state
    assert isinstance(state, inside.QuasiNewtonState)
    for mine, copied in zip(state.next(), pickle.loads(pickle.dumps(state)).next(), strict=True):
        np.testing.assert_array_equal(mine, copied)


@every_kind
def test_noise_at_its_least_stays_there(kind):
    X = embedded(300, 12, 2, 2)
    X[:, 3] = X[:, 4]
    result = climbed(problem_of(X, 2, 2, kind, ridge=1e-3), 2, 300, tolerance=1e-10)
    assert result.trace.converged
    assert (result.parameters.covariances[:, 0] >= 1e-3).all()
    objective = np.array(result.trace.objective)
    assert np.diff(objective).min() >= -1e-12 * np.abs(objective).max()

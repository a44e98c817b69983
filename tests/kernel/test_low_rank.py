"""The low-rank layout, Λ Λᵀ + Ψ without a d × d matrix, and its compiled update: against matrices written out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import inside
import reference
from gmm import GaussianMixture, NormalInverseWishart
from inside import DIAGONAL, FULL, SPHERICAL, ArraySource, EStep, WhitenedMixture, layouts, low_rank, mstep
from tables import factor_groups, pairwise, refused

K, D, Q = 3, 7, 2
LAYOUT = low_rank(Q)


def covariances(seed=0, d=D, q=Q, noise=1.0, n_components=K):
    """Of each component, [ψ, Λᵀ]."""
    rng = np.random.default_rng(seed)
    variances = noise * rng.uniform(0.5, 2, (n_components, 1, d))
    return np.concatenate([variances, rng.normal(size=(n_components, q, d))], axis=1)


def written_out(stored):
    return stored[:, 1:].transpose(0, 2, 1) @ stored[:, 1:] + stored[:, 0, :, None] * np.eye(stored.shape[2])


def test_the_layout_has_the_algebra_of_whole_matrices():
    stored = covariances()
    stored[:, 1] *= 3
    whiteners, _ = LAYOUT.whiten(stored, D)
    for k, dense in enumerate(written_out(stored)):
        variances, axes = np.linalg.eigh(dense)
        step = LAYOUT.widest(stored, k, D)
        np.testing.assert_allclose([abs(step @ axes[:, -1]), np.linalg.norm(step)], np.sqrt(variances[-1]), rtol=1e-3)
        coloured = LAYOUT.coloured(whiteners, k, np.eye(D))
        np.testing.assert_allclose(coloured.T @ coloured, dense, rtol=1e-9, atol=1e-11)


def test_singular_covariances_and_what_needs_whole_matrices_are_refused():
    stored, zeros = covariances(), np.zeros((K, D))
    whiteners, _ = LAYOUT.whiten(stored, D)
    refused("expected d × d covariances", LAYOUT.outer, zeros, zeros)
    refused("expected d × d covariances", LAYOUT.inverse, whiteners, D)
    stored[1, 0, 3] = 0
    assert refused(None, LAYOUT.whiten, stored, D, error=layouts.SingularMatrixError).component == 1


# ------------------------------------------------------------------------------------------ the pass


every_kernel = pytest.mark.usefixtures("kernel")


def problem(n=700, d=D, q=Q, n_components=K, seed=0, noise=1.0, offset=0.0, dtype=np.float64):
    """Rows around centres, weights, and two mixtures of the same densities: of low rank, and of dense whiteners."""
    rng = np.random.default_rng(seed)
    stored = covariances(seed, d, q, noise, n_components)
    centres, owner = rng.normal(size=(n_components, d)) + offset, rng.integers(n_components, size=n)
    rows = centres[owner] + np.einsum("nqd,nq->nd", stored[owner, 1:], rng.normal(size=(n, q)))
    rows = (rows + np.sqrt(stored[owner, 0]) * rng.normal(size=(n, d))).astype(dtype)
    whiteners, log_determinants = low_rank(q).whiten(stored, d)
    offsets = np.log(rng.dirichlet(np.full(n_components, 5.0))) + log_determinants
    layouts = (low_rank(q), whiteners), (FULL, FULL.whiten(written_out(stored), d)[0])
    of_each = (WhitenedMixture(layout, offsets, centres, values) for layout, values in layouts)
    return rows, rng.uniform(0, 2, n), *of_each


def of_pass(rows, weight, mixture, moments, n_threads=1, **how):
    with EStep(ArraySource(rows, weight), moments, n_threads=n_threads) as e_step:
        return e_step(mixture, **how)


SHAPES = [(D, Q, K, 700), (1, 1, 2, 40), (3, 5, 2, 300), (45, 4, 3, 3000), (100, 3, 11, 2500), (80, 2, 60, 1500)]
SHAPES += [(700, 3, 3, 300)]  # whose features take several strips


@every_kernel
@pairwise(shape=SHAPES, order="CF", weighted=[False, True], hard=[False, True])
def test_a_pass_is_that_of_the_dense_twin(shape, order, weighted, hard):
    d, q, n_components, n = shape
    rows, weight, mixture, twin = problem(n, d, q, n_components)
    rows, weight = np.asarray(rows, order=order), weight if weighted else None
    own, dense = of_pass(rows, weight, mixture, low_rank(q), hard=hard), of_pass(rows, weight, twin, FULL, hard=hard)
    np.testing.assert_allclose(own.log_evidence, dense.log_evidence, rtol=1e-10)
    np.testing.assert_allclose(own.counts, dense.counts, rtol=1e-9, atol=1e-10 * n)
    some = own.counts > 0  # others stay at different origins
    np.testing.assert_allclose(own.means[some], dense.means[some], rtol=1e-9, atol=1e-9)
    scatter, maps = dense.recentred(mixture.centres).second, mixture.whiteners[:, 1:] * mixture.whiteners[:, :1]
    expected = np.concatenate([np.diagonal(scatter, axis1=1, axis2=2)[:, None], maps @ scatter], axis=1)
    np.testing.assert_allclose(own.second, expected, rtol=1e-8, atol=1e-10 * n)  # [Σ r x̃², Σ r y x̃ᵀ]
    np.testing.assert_array_equal(own.origins, mixture.centres)
    if hard or weighted:  # which change no row
        return
    wanted = {"log_evidence": True, "responsibilities": True, "labels": True}
    own, dense = (EStep(ArraySource(rows), each.layout).rows(each, **wanted) for each in (mixture, twin))
    np.testing.assert_allclose(own.log_evidence, dense.log_evidence, rtol=1e-10)
    np.testing.assert_allclose(own.responsibilities, dense.responsibilities, atol=1e-10)
    np.testing.assert_array_equal(own.labels, dense.labels)


@every_kernel
def test_weights_may_be_tiny():
    rows, weight, mixture, _ = problem()
    own, tiny = (of_pass(rows, scale * weight, mixture, LAYOUT) for scale in (1, 2.0**-400))
    for name in ("counts", "first", "second"):
        np.testing.assert_array_equal(getattr(tiny, name) * 2.0**400, getattr(own, name))


@every_kernel
@pytest.mark.parametrize(("noise", "single"), [(1.0, True), (1e-4, False)])
def test_many_columns_of_float32_are_computed_in_float32_unless_noise_is_small(noise, single):
    rows, _, mixture, _ = problem(500, 700, 3, 3, noise=noise, dtype=np.float32)
    steps = EStep(ArraySource(rows), low_rank(3)), EStep(ArraySource(rows.astype(float)), low_rank(3))
    assert steps[0].plan(mixture).single == single
    own, exact = (step(mixture) for step in steps)
    np.testing.assert_allclose(own.mean_log_evidence, exact.mean_log_evidence, rtol=1e-7)
    np.testing.assert_allclose(own.means, exact.means, rtol=0, atol=1e-3)
    np.testing.assert_allclose(own.second, exact.second, rtol=1e-3, atol=0.03 / noise)


@pytest.mark.parametrize(("noise", "offset", "tolerance"), [(1e-4, 0, 1e-9), (1e-8, 0, 1e-6), (1, 1e6, 1e-8)])
def test_small_noise_and_distant_rows_lose_few_digits(noise, offset, tolerance):
    """The subtraction loses eps times factor variance over noise variance, locations eps times √κ."""
    rows, _, mixture, twin = problem(noise=noise, offset=offset)
    own, dense = of_pass(rows, None, mixture, LAYOUT), of_pass(rows, None, twin, FULL)
    np.testing.assert_allclose(own.log_evidence, dense.log_evidence, rtol=tolerance)
    np.testing.assert_allclose(own.counts, dense.counts, rtol=tolerance)


def test_empty_components_keep_their_place():
    rows, _, mixture, _ = problem()
    added = (np.insert(part, 1, value, axis=0) for part, value in zip(mixture[1:4], (-np.inf, 7, 1), strict=True))
    grown = WhitenedMixture(LAYOUT, *added)
    own, before = of_pass(rows, None, grown, LAYOUT), of_pass(rows, None, mixture, LAYOUT)
    assert not own.second[1].any()
    np.testing.assert_array_equal(np.delete(own.second, 1, axis=0), before.second)


@pytest.mark.parametrize("layout", [SPHERICAL, DIAGONAL], ids=["spherical", "diagonal"])
def test_without_factors_their_products_are_zero(layout):
    rows, weight, mixture, _ = problem()
    plain = WhitenedMixture(layout, np.zeros(K), mixture.centres, np.ones(layout.shape(K, D)))
    own, diagonal = (of_pass(rows, weight, plain, moments) for moments in (LAYOUT, DIAGONAL))
    np.testing.assert_allclose(own.second[:, 0], diagonal.recentred(own.origins).second, rtol=1e-9, atol=1e-9)
    given = of_pass(rows, weight, mixture, LAYOUT, given=np.full((len(rows), K), 1 / K))
    np.testing.assert_allclose(given.counts, weight.sum() / K)
    assert not own.second[:, 1:].any()
    assert not given.second[:, 1:].any()


def test_rows_beyond_any_square_are_nobodys():
    rows, _, mixture, _ = problem()
    rows = np.append(rows, np.full((1, D), 1e200), axis=0)
    assert EStep(ArraySource(rows), LAYOUT).rows(mixture, log_evidence=True).log_evidence[-1] < -1e200


# --- The compiled update, and the accelerated climb, against their twins; their laws --------------


CODES = {"factor": 13, "ppca": 14}
every_kind = pytest.mark.parametrize("kind", CODES)
every_prior = pytest.mark.parametrize("prior", [None, "conjugate"])
sizes = {"seed": st.integers(0, 2**16), "K": st.integers(1, 3), "d": st.integers(2, 9), "q": st.integers(1, 4)}
priors = st.sampled_from([None, (0.0, 20.0), (3.0, 20.0), (0.5, 3.0)])


def beginning(seed, K, d, q, least=0.0, kind="factor"):
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


def family_of(kind, K, d, q, ridge, prior):
    moments = None
    if prior:
        moments = prior.mean, prior.rows * prior.variances, prior.shrinkage, prior.rows, 0.0
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
    before = counts, origins, before.ravel(), before.ravel(), np.zeros(K), np.zeros(K)  # of which covariances are read
    update = mstep.Update(family, origins, counts, first, second.ravel(), weight.sum(), before)
    estimate = finished(update, K, parts)
    covariances = estimate[2].reshape(K, 1 + q, d)
    return (*estimate[:2], covariances[:, 1:].transpose(0, 2, 1), covariances[:, 0]), estimate


@every_kind
@given(**sizes, ridge=st.sampled_from([0.0, 1e-6, 1e-2, 1.0]), asked=priors)
def test_an_update_and_the_density_of_its_prior_are_those_of_the_twin(kind, seed, K, d, q, ridge, asked):
    X, responsibilities, weight, before = beginning(seed, K, d, min(q, d - 1), ridge, kind)
    prior = None if asked is None else reference.FactorPrior(X.mean(axis=0), *asked, X.var(axis=0) * 0.5)
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
    if prior:
        family = family_of(kind, K, d, ours[2].shape[2], ridge, prior)
        constant = K * d * np.log(prior.shrinkage / (2 * np.pi)) / 2 if prior.shrinkage else 0.0
        term, expected = family.parameter_term(*estimate[:2], *estimate[3:5]), reference.log_factor_prior(ours, prior)
        assert term == pytest.approx(expected - constant, rel=1e-8, abs=1e-6)


def test_without_a_mixture_before_variances_stay_and_factors_begin():
    K, d, q = 2, 6, 3
    X, responsibilities, weight, _ = beginning(3, K, d, q)
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


def prior_of(prior, X, K, q=1, kind="factor"):
    return inside.prior_of(prior, inside.factor_model(kind, q, False), K, ArraySource(X), 1)


def test_few_rows_have_a_prior_by_default_and_many_have_none():
    few_rows = embedded(200, 70, 8, 3)
    prior = prior_of(None, few_rows, 8, 3)
    assert (prior.shrinkage, prior.dof, prior.scale.shape) == (3.0, 18.0, (70,))
    assert prior_of(None, few_rows, 1, 3) is inside.FLAT
    assert inside.prior_of(None, inside.covariance_model("full"), 8, ArraySource(few_rows), 1) is inside.FLAT


def test_the_default_prior_has_the_variances_within_clusters():
    X = embedded(300, 40, 3, 1, apart=8.0)
    clusters = GaussianMixture(3, covariance_type="diag", random_state=0).fit_predict(X)
    prior = prior_of("conjugate", X, 3)
    within = sum(X[clusters == k].var(axis=0) * (clusters == k).sum() for k in range(3)) / (len(X) - 3)
    np.testing.assert_allclose(prior.scale, 20 * within, rtol=1e-9)


@pytest.mark.parametrize(("asked", "column"), [({"dof": 0.0}, "dof"), ({"scale": -1.0}, "scale")])
def test_a_prior_of_noise_is_proper_and_checked(asked, column):
    X = embedded(100, 30, 2, 1)
    refused(column, prior_of, NormalInverseWishart(**asked), X, 2)
    assert prior_of(NormalInverseWishart(dof=1.0, scale=2.0), X, 2).scale.tolist() == [2.0] * 30
    X[:, 4] = 3.0
    assert (prior_of("conjugate", X, 2).scale > 0).all()


def test_a_component_without_rows_gets_half_of_the_heaviest():
    X = embedded(600, 20, 2, 2, apart=3.0)
    model = inside.factor_model("factor", 2, False)
    covariances = np.concatenate([np.ones((3, 1, 20)), np.full((3, 2, 20), 0.1) * [[1], [-1]]], axis=1)
    covariances[:, 2, ::2] *= -1
    covariances[2, 1:] *= 3  # which the half that it gets does not begin at
    means = np.stack([X[0], X[1], np.full(20, 1e4)])
    before = inside.MixtureParameters(np.full(3, 1 / 3), means, covariances, model)
    m_step = inside.MStep(inside.Objective(model, 1e-6), 3, weight=len(X))
    with EStep(ArraySource(X), model.layout, n_threads=1) as e_step:
        statistics = e_step(before.whitened())
        after = m_step(statistics, before)
        bounds = [e_step(mixture.whitened()).mean_log_evidence for mixture in (before, after)]
    donor = int(np.argmax(statistics.counts))
    assert m_step.repaired == [2]
    assert after.weights[2] == after.weights[donor] == pytest.approx(statistics.counts[donor] / len(X) / 2)
    np.testing.assert_array_equal(after.covariances[2], after.covariances[donor])
    np.testing.assert_allclose((after.means[2] + after.means[donor]) / 2, statistics.means[donor], rtol=1e-6, atol=1e-9)
    apart = np.linalg.norm(after.means[2] - after.means[donor])
    assert apart == pytest.approx(np.sqrt(np.linalg.eigvalsh(after.written_out[donor])[-1]), rel=1e-3)
    assert bounds[1] > bounds[0]


def problem_of(X, K, q, kind="factor", prior=None, ridge=1e-6, *, weight=None):
    objective = inside.Objective(inside.factor_model(kind, q, False), ridge, prior_of(prior, X, K, q, kind))
    return inside.Problem(ArraySource(X, weight), objective, 1)


def climbed(problem, K, max_iter, *, accelerated=True, tolerance=-np.inf, begin=None):
    """Return the result of a run, from a start of k-means or a mixture."""
    how = inside.SolverSettings(tolerance, max_iter, accelerated)
    with problem.e_step() as e_step:
        if begin is None:
            settings = inside.FitSettings(K, problem.objective, 1, inside.StartSettings("kmeans"))
            rng = np.random.RandomState(0)
            begin = problem.first_update(e_step, inside.start_statistics(problem.rows, settings, rng))
        return problem.prepare_run(e_step, begin, how).go().result


@every_kind
@pytest.mark.parametrize(("d", "q", "seed"), [(3, 1, 0), (5, 2, 1), (6, 3, 2)])
@pytest.mark.parametrize("ridge", [0.0, 0.05])
def test_each_pass_is_the_twins(kind, ridge, d, q, seed):
    X, rng = embedded(300, d, 2, q, seed), np.random.default_rng(seed)
    weight, noise = rng.uniform(0.5, 2, 300), rng.uniform(0.5, 1.5, (2, 1 if kind == "ppca" else d)) * np.ones((2, d))
    loadings, weights = rng.normal(size=(2, d, q)), rng.dirichlet(np.full(2, 9.0))
    given, family = (weights, X[:2].copy(), loadings, noise), reference.FreeFactors(d, q, ridge, kind == "ppca")
    told = reference.accelerated_em(X, given, family, 15, weight=weight)
    problem = problem_of(X, 2, q, kind, None, ridge, weight=weight)
    stored = np.concatenate([noise[:, None], loadings.transpose(0, 2, 1)], axis=1)
    begin = inside.MixtureParameters(weights, X[:2].copy(), stored, problem.objective.model)
    reference.check_climb(climbed(problem, 2, 15, begin=inside.Continuation(begin)).trace, told)


@every_kind
@every_prior
@settings(max_examples=settings.default.max_examples // 2)
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
    begin = inside.Continuation(end.parameters)
    after = climbed(problem, K, 30, accelerated=False, begin=begin)
    assert end.trace.converged
    assert "projected remaining gain" in end.trace.reason
    bounds = np.array(after.trace.lower_bounds)
    np.testing.assert_allclose(bounds, bounds[0], atol=1e-7 * d)
    written_out = (mixture.written_out for mixture in (end.parameters, after.parameters))
    np.testing.assert_allclose(*written_out, rtol=0, atol=1e-3)


@every_kind
def test_noise_at_its_least_stays_there(kind):
    X = embedded(300, 12, 2, 2)
    X[:, 3] = X[:, 4]
    result = climbed(problem_of(X, 2, 2, kind, ridge=1e-3), 2, 300, tolerance=1e-10)
    assert result.trace.converged
    assert (result.parameters.covariances[:, 0] >= 1e-3).all()
    objective = np.array(result.trace.objective)
    assert np.diff(objective).min() >= -1e-12 * np.abs(objective).max()

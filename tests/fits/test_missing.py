"""Rows with missing values: equal to a direct twin, and what must not matter does not."""

import gc
import pickle
import weakref

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import get_tags

import gmm
import inside
import reference
import test_variational
from gmm import BayesianGaussianMixture, GaussianMixture
from inside import FULL, NO_NOISE, PARSIMONIOUS, EStep, Noise, Survey, posterior_of, source_to_fit
from tables import APPLES, DATA, groups_with_gaps, incomplete, numbers_of, refused, warned

every_type = pytest.mark.parametrize("covariance_type", [*PARSIMONIOUS, *reference.OF_FACTORS])


def mixture(covariance_type, d=4, K=3, seed=0, noise=NO_NOISE):
    rng, model = np.random.default_rng(seed), inside.covariance_model(covariance_type)
    A = rng.normal(size=(K, d, 2 * d))
    free = A @ A.transpose(0, 2, 1) / d
    covariances = model.constrained(model.layout.reduced(free, FULL, d) / (K if model.layout.pooled else 1), np.ones(K))
    weights = rng.dirichlet(np.full(K, 5.0)) * (0.8 if noise else 1)
    return inside.MixtureParameters(weights, rng.normal(size=(K, d)) * 3, covariances, model, noise=noise)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_survey_tells_of_each_column_what_its_values_tell(dtype):
    rows = np.round(4 * groups_with_gaps(seed=2)).astype(dtype) / 4
    rows[:3, 0], rows[40] = np.nan, np.nan
    weight = np.random.default_rng(0).integers(0, 3, len(rows)).astype(float)
    survey = Survey([(0, rows, weight)], 4)
    for j, column in enumerate(rows.T):
        there = ~np.isnan(column)
        alone = Survey([(0, column[there][:, None], weight[there])], 1)
        for name in ("centre", "box", "steps"):
            np.testing.assert_array_equal(getattr(survey, name)[..., j], getattr(alone, name)[..., 0], err_msg=name)
    cuts = [1, 2, 7, 41, 100]
    parts = zip([0, *cuts], np.split(rows, cuts), np.split(weight, cuts), strict=True)
    for other in (Survey(parts, 4), pickle.loads(pickle.dumps(survey))):
        for name in ("centre", "box", "steps", "weight", "heaviest", "n_used", "nonfinite", "infinite"):
            np.testing.assert_array_equal(getattr(other, name), getattr(survey, name), err_msg=name)
    assert (survey.nonfinite, survey.infinite) == ((0, 0), None)
    assert survey.n_used == np.count_nonzero(weight)
    rows[50:, 2] = -np.inf
    assert Survey([(7, rows, weight)], 4).infinite == (57, 2)


def test_a_column_without_values_has_the_centre_0():
    rows = np.array([[np.nan, 1.0], [np.nan, 3.0]])
    np.testing.assert_array_equal(Survey([(0, rows, None)], 2).centre, [0, 2])


def written_out(parameters):
    K, d = parameters.means.shape
    return parameters.weights, parameters.means, parameters.model.layout.dense(parameters.covariances, K, d)


def as_mixture(parameters, **settings):
    """The same as an estimator."""
    written = parameters.weights, parameters.means, parameters.covariances
    return GaussianMixture.from_parameters(*written, covariance_type=parameters.model.type_name).set_params(**settings)


def check_pass(got, joint, weight, expected_moments, layout, hard=False):
    """Hold a pass to the twin's log joint density, and its moments to those of the twin's responsibilities."""
    r = reference.hard_responsibilities(joint) if hard else reference.responsibilities(joint)
    evidence = joint.max(axis=1) if hard else reference.log_evidence(joint)
    counts, first, second = expected_moments(r[:, : len(got.counts)])
    assert got.log_evidence == pytest.approx(weight @ evidence, rel=1e-12)
    assert got.weight == pytest.approx(weight.sum(), rel=1e-14)
    np.testing.assert_allclose(got.counts, counts, rtol=1e-11)
    np.testing.assert_allclose(got.first, first, rtol=1e-10, atol=1e-9)
    np.testing.assert_allclose(got.second, reference.in_layout(second, layout), rtol=1e-10, atol=1e-9)


def joint_of(X, parameters):
    """What the twin knows; with noise, which has a density in the columns that a row has, as the last column."""
    joint, noise = reference.log_joint_given(X, *written_out(parameters)), parameters.noise
    if noise is NO_NOISE:
        return joint
    log_noise = np.log(parameters.noise_weight) - (~np.isnan(X) * np.log(noise.high - noise.low)).sum(axis=1)
    return np.column_stack([joint, log_noise])


@pytest.mark.parametrize("hard", [False, True])
@pytest.mark.parametrize("all_moments", [False, True])
@pytest.mark.parametrize("noise", [NO_NOISE, Noise(np.full(4, -9.0), np.full(4, 14.0))], ids=["alone", "noise"])
@every_type
def test_a_pass_is_the_twins(covariance_type, noise, all_moments, hard):
    X, parameters = groups_with_gaps(), mixture(covariance_type, noise=noise)
    weight = np.random.default_rng(1).uniform(0.5, 2, len(X))
    moments = FULL if all_moments else parameters.model.layout
    with EStep(incomplete(X, weight), moments) as e_step:
        got = e_step(parameters.whitened(), hard=hard)
        rows = e_step.rows(parameters.whitened(), responsibilities=True)
    joint, given = joint_of(X, parameters), (weight, written_out(parameters), got.origins)
    layout = "full" if all_moments else covariance_type
    check_pass(got, joint, weight, lambda r: reference.statistics_given(X, r, *given), layout, hard)
    np.testing.assert_allclose(rows.responsibilities, reference.responsibilities(joint)[:, :3], atol=1e-11)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@every_type
def test_what_rows_get_is_the_twins(covariance_type, dtype):
    X, parameters = groups_with_gaps().astype(dtype), mixture(covariance_type)
    model = as_mixture(parameters, missing="em")
    joint = reference.log_joint_given(X.astype(np.float64), *written_out(parameters))
    evidence, near = reference.log_evidence(joint), 1e-10 if dtype == np.float64 else 2e-4
    np.testing.assert_allclose(model.score_samples(X), evidence, rtol=near, atol=near)
    np.testing.assert_allclose(model.predict_proba(X), reference.responsibilities(joint), atol=near)
    assert model.predict_proba(X).dtype == dtype
    np.testing.assert_array_equal(model.predict(X), model.predict_proba(X).argmax(axis=1))
    assert model.score(X) == pytest.approx(evidence.mean(), rel=near)
    assert model.bic(X) == pytest.approx(-2 * evidence.sum() + model.n_parameters_ * np.log(120), rel=near)
    classified = model.log_likelihood(X, classified=True)
    assert classified == pytest.approx(joint.max(axis=1).sum(), rel=near)
    assert model.score_samples(X[5:6])[0] == pytest.approx(evidence[5], rel=near, abs=near)


def test_a_closed_pass_is_freed_at_once():
    """Scratch memory would else wait for the garbage collector."""
    gc.disable()
    try:
        with EStep(incomplete(groups_with_gaps()), FULL) as e_step:
            e_step(mixture("full").whitened())
        left = weakref.ref(e_step)
        del e_step
        assert left() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("covariance_type", reference.CLOSED_FORMS)
def test_em_is_the_twins(covariance_type):
    weighted = reference.CLOSED_FORMS.index(covariance_type) % 2 == 1
    X, start = groups_with_gaps(), mixture(covariance_type)
    weight = np.random.default_rng(1).uniform(0.5, 2, len(X)) if weighted else np.ones(len(X))
    precisions = start.model.layout.inverse(np.array(start.covariances), 4)
    bounds, path = [], written_out(start)
    for _ in range(4):
        joint = reference.log_joint_given(X, *path)
        bounds.append(weight @ reference.log_evidence(joint) / weight.sum())
        statistics = reference.statistics_given(X, reference.responsibilities(joint), weight, path, np.zeros((3, 4)))
        path = statistics[0] / weight.sum(), *reference.weighed_update(*statistics, covariance_type, 0.01)
    fit = GaussianMixture(3, covariance_type=covariance_type, missing="em", acceleration=None, reg_covar=0.01)
    fit.set_params(weights_init=start.weights, means_init=start.means, precisions_init=precisions, max_iter=4, tol=0)
    with pytest.warns((gmm.ConvergenceWarning, gmm.DegenerateWarning)):
        fit.fit(X, sample_weight=weight)
    np.testing.assert_allclose(fit.lower_bounds_, bounds, rtol=1e-9)
    np.testing.assert_allclose(fit.means_, path[1], rtol=1e-9)
    np.testing.assert_allclose(reference.dense(fit.covariances_, covariance_type, 3, 4), path[2], rtol=1e-9, atol=1e-9)


# Snedecor & Cochran's apples, of which R's package mvnmle prints -2 log-likelihood 148.435 without its constant; and
# Draper & Smith's cement with values knocked out, of which Little & Rubin (1987, example 6.7) print the means.
CEMENT = numbers_of(DATA / "cement_with_gaps.csv")


@pytest.mark.filterwarnings("ignore::gmm.ConvergenceWarning")
@pytest.mark.parametrize("ridge", [1e-6, 1e-2])
@every_type
def test_the_objective_never_falls_with_variances_at_the_ridge(covariance_type, ridge):
    compared = 0
    for seed in (1, 3):
        X = groups_with_gaps(n=60, seed=seed)
        X[~np.isnan(X[:, 0]), 0] = 1.0  # the likelihood alone falls, by up to 0.06
        asked = {"reg_covar": ridge, "init_params": "random_from_data", "random_state": seed, "tol": 1e-8}
        model, told = warned(GaussianMixture(3, covariance_type=covariance_type, missing="em", **asked).fit, X)
        objective = np.array(model.history_.objective)
        if "lost all rows" not in "".join(told):
            compared += 1
            assert np.diff(objective).min(initial=0) >= -1e-9
            assert (np.array(model.lower_bounds_) >= objective - 1e-9).all()
    assert compared


def test_estimates_of_one_gaussian_are_those_that_are_published():
    how = {"missing": "em", "reg_covar": 0, "tol": 1e-14, "max_iter": 1000}
    apples, cement = (GaussianMixture(1, **how).fit(rows) for rows in (APPLES, CEMENT))
    np.testing.assert_allclose(apples.means_[0], [14.72222, 49.33333], atol=1e-4)
    np.testing.assert_allclose(apples.covariances_[0], [[89.534, -90.697], [-90.697, 114.695]], atol=1e-3)
    assert -2 * apples.log_likelihood(APPLES) - 30 * np.log(2 * np.pi) == pytest.approx(148.435, abs=5e-4)
    np.testing.assert_allclose(cement.means_[0], [6.655, 49.965, 11.769, 27.047, 95.423], atol=5e-4)


def test_gaps_are_filled_for_a_start_with_what_rows_like_theirs_have():
    """So that filled columns vary with the others, and among themselves, as given ones do; gaps may come in turns."""
    covariance = np.array([[2.0, 1.2, -0.3], [1.2, 1.5, 0.4], [-0.3, 0.4, 1.0]])
    X = np.random.default_rng(0).multivariate_normal([1, 2, 3], covariance, 40_000)
    X[::2, :2] = np.nan
    source = source_to_fit(GaussianMixture(missing="em"), X, None)
    filled = source.without_gaps.select_rows(np.arange(0, len(X), 2)).rows
    np.testing.assert_allclose(np.cov(filled.T), np.cov(X[1::2].T), atol=0.4)  # of some hundred rows
    np.testing.assert_array_equal(filled[:, 2], X[::2, 2])


@pytest.mark.parametrize("weights", ["dirichlet_process", "dirichlet_distribution"])
@pytest.mark.parametrize("noise", [False, True])
@pytest.mark.parametrize("covariance_type", ["full", "tied", "diag", "spherical"])
def test_the_predictive_density_of_rows_with_gaps_is_the_marginal_t(covariance_type, noise, weights):
    X, how = groups_with_gaps(n=80), {"weight_concentration_prior_type": weights, "noise": noise, "random_state": 0}
    fit = BayesianGaussianMixture(n_components=3, covariance_type=covariance_type, missing="em", **how).fit(X)
    X[5] = np.nan
    posterior = posterior_of(fit)
    box = posterior.noise.high - posterior.noise.low if noise else 1.0
    twin = test_variational.written_out(posterior)
    expected = reference.log_predictive(X, fit.weights_, twin, posterior.noise_weight, box)
    scores = fit.score_samples(X, density="predictive")
    np.testing.assert_allclose(scores, expected, rtol=1e-9, atol=1e-12)
    mean = expected.sum() / 79  # a row without a value has no weight
    assert fit.score(X, density="predictive") == pytest.approx(mean, rel=1e-9)
    blocks = gmm.open_rows(lambda: np.array_split(X, 3))
    np.testing.assert_array_equal(fit.score_samples(blocks, density="predictive"), scores)
    assert scores[5] == pytest.approx(0, abs=1e-12)


@every_type
def test_gaps_are_filled_with_conditional_means(covariance_type):
    X, parameters = groups_with_gaps(), mixture(covariance_type)
    filled = as_mixture(parameters).impute(X)
    np.testing.assert_array_equal(filled[~np.isnan(X)], X[~np.isnan(X)])
    for row, got in zip(X[:40], filled, strict=False):
        o, m = np.flatnonzero(~np.isnan(row)), np.flatnonzero(np.isnan(row))
        weights, means, _ = reference.conditional(*written_out(parameters), o, m, row[o])
        np.testing.assert_allclose(got[m], weights @ means, rtol=1e-9, atol=1e-9)


def test_draws_have_the_conditional_moments():
    parameters, row = mixture("full"), np.array([1.0, np.nan, -0.5, np.nan])
    drawn = as_mixture(parameters).impute(np.tile(row, (200_000, 1)), draw=True, random_state=0)[:, [1, 3]]
    weights, means, covariances = reference.conditional(*written_out(parameters), [0, 2], [1, 3], row[[0, 2]])
    apart = means - weights @ means
    spread = np.einsum("k,kij->ij", weights, covariances + apart[:, :, None] * apart[:, None])
    np.testing.assert_allclose(drawn.mean(axis=0), weights @ means, atol=0.02)
    np.testing.assert_allclose(np.cov(drawn.T), spread, rtol=0.03, atol=0.03)


def test_noise_fills_with_the_middle_of_its_box():
    rng, model = np.random.default_rng(0), GaussianMixture(1, missing="em", noise=[[0, 0], [10, 20]], random_state=0)
    model.fit(np.concatenate([rng.normal([2, 3], 0.1, (80, 2)), rng.uniform([0, 0], [10, 20], (40, 2))]))
    np.testing.assert_allclose(model.impute([[9.0, np.nan]]), [[9.0, 10.0]], atol=1e-6)
    drawn = model.impute(np.tile([9.0, np.nan], (500, 1)), draw=True, random_state=0)[:, 1]
    np.testing.assert_allclose([drawn.min(), drawn.max()], [0, 20], atol=1)


def test_folds_and_pipelines_keep_their_gaps():
    X, fit = groups_with_gaps(n=200), GaussianMixture(2, missing="em", random_state=0)
    assert (get_tags(fit).input_tags.allow_nan, get_tags(GaussianMixture()).input_tags.allow_nan) == (True, False)
    scaled = make_pipeline(StandardScaler(), clone(fit)).fit(X)
    assert scaled.predict(X).shape == (200,)
    folds = gmm.inference.held_out_log_likelihood(fit, X, random_state=0)
    assert fit.fit(X).score(X) - 1 < folds.mean < fit.score(X)


def test_what_cannot_be_learnt_from_is_an_error():
    X, fit = groups_with_gaps(), GaussianMixture(2, missing="em")
    refused(r"missing='em'", GaussianMixture(2).fit, X)
    refused("are missing", fit.fit, np.full((120, 4), np.nan))
    empty = np.where(np.arange(4) == 1, np.nan, np.nan_to_num(X))
    refused(r"column 1 of X are .*: pass X\[:, ~np\.isnan", fit.fit, empty)
    refused(r"column 1 \('b'\) of X are .*: pass X\.dropna", fit.fit, pd.DataFrame(empty, columns=list("abcd")))
    refused("infinity", fit.fit, np.where(np.isnan(X) & (np.arange(4) == 2), np.inf, X))
    refused("needs complete rows", gmm.em.steps, X, 2, missing="em")


def test_predictions_say_what_to_do_about_gaps():
    X = groups_with_gaps()
    fit, first = GaussianMixture(2, random_state=0).fit(np.nan_to_num(X)), np.arange(120)[:, None] == 0
    classifier = gmm.MixtureClassifier().fit(np.nan_to_num(X), np.arange(120) % 2)
    fill = r", impute the others by impute\(X\)"
    for predict, told in (
        (fit.predict, fill),
        (lambda rows: fit.predict_from(rows[:, :3], [0, 1, 2]), ""),
        (classifier.predict, ""),
    ):
        refused(rf"by set_params\(missing='em'\){told}, or drop", predict, X)
    for model, method in ((fit, "predict"), (fit, "impute"), (classifier, "predict")):
        assert len(getattr(model.set_params(missing="em"), method)(np.where(first, np.nan, X))) == len(X)


def apart():
    """Three columns, of which no row that weighs something has the first two together."""
    X = groups_with_gaps(n=200, d=3, share=0.0)
    X[:100, 0], X[100:199, 1] = np.nan, np.nan
    return X, np.append(np.ones(199), 0.0)


def test_a_whitener_that_rounding_made_singular_is_no_warning_of_numpy():
    X = np.outer([1e8 + 8, 1e8, 0.5, 1e8, 1e8, 1e8 + 8, 1e8 + 8, 1e8 + 8, 1e8], np.ones(3))
    X[[0, 1, 3], 2] = X[5, :2] = X[7, 0] = np.nan
    fit = BayesianGaussianMixture(max_iter=12, missing="em", random_state=0).fit(X)
    assert np.isfinite(fit.score(X))


def test_columns_that_no_row_has_together_are_told():
    (X, weight), how = apart(), {"missing": "em", "random_state": 0}
    for fit in (
        GaussianMixture(2, **how).fit,
        GaussianMixture(2, covariance_type="EVE", **how).fit,
        BayesianGaussianMixture(n_components=2, max_iter=500, **how).fit,
        lambda X, sample_weight: gmm.select(X, [1, 2], ["VVI", "VVV"], sample_weight=sample_weight, **how),
        lambda X, sample_weight: GaussianMixture(2, **how).fit(gmm.open_rows(lambda: [(X, sample_weight)])),
    ):
        assert any("or of a prior: 'x0' and 'x1'. Drop" in text for text in warned(fit, X, sample_weight=weight)[1])
    for covariance_type in ("diag", "spherical", "EEI"):
        GaussianMixture(2, covariance_type=covariance_type, **how).fit(X, sample_weight=weight)
    GaussianMixture(2, **how).fit(X)  # in the last row both have values


@pytest.mark.parametrize("acceleration", [None, "auto"])
def test_labels_and_gaps_go_together(acceleration):
    """The bound is the mean over rows of log Σ_k π_k N(x_o) over the components that a row may belong to."""
    X = groups_with_gaps(n=220, d=3, share=0.2, seed=1)
    labels = np.where(np.arange(220) % 5 < 2, 3 + 2 * (X[:, 0] > 2), -1)
    mixture = GaussianMixture(3, missing="em", acceleration=acceleration, tol=1e-9, max_iter=1000, random_state=0)
    mixture.fit(X, labels=labels)
    assert mixture.component_classes_.tolist() == [3, 5, -1]
    joint = reference.log_joint_given(X, mixture.weights_, mixture.means_, mixture.covariances_)
    joint = reference.within_classes(joint, labels, mixture.component_classes_)
    assert mixture.lower_bound_ == pytest.approx(reference.log_evidence(joint).mean(), abs=1e-8)


def with_empty_rows(seed=0):
    """Rows with gaps, and the same with rows between them that have no value; and which these are."""
    X = groups_with_gaps(seed=seed)
    Y = np.insert(X, np.sort(np.random.default_rng(seed).integers(0, len(X) + 1, 25)), np.nan, axis=0)
    return X, Y, np.isnan(Y).all(axis=1)


EMPTY = [{"covariance_type": name} for name in PARSIMONIOUS]
EMPTY += [{"covariance_type": name, "noise": 0.1, "max_iter": 8} for name in ("VVV", "VVI")]
EMPTY += [{"covariance_type": name, "prior": "conjugate"} for name in ("VVV", "VVI")]


@pytest.mark.parametrize("how", [*EMPTY, {"covariance_type": "EEE", "acceleration": None}], ids=str)
@pytest.mark.filterwarnings("ignore::gmm.ConvergenceWarning")
def test_rows_without_a_value_change_no_fit(how):
    (X, Y, empty), how = with_empty_rows(), {"missing": "em", "random_state": 0} | how
    assert empty.sum() == 25
    one, other = (GaussianMixture(2, **how).fit(rows) for rows in (X, Y))
    np.testing.assert_allclose(other.means_, one.means_, rtol=1e-9)
    np.testing.assert_allclose(other.covariances_, one.covariances_, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(other.lower_bounds_, one.lower_bounds_, rtol=1e-10)
    for name in ("score", "bic", "aic", "criteria", "log_likelihood"):
        assert getattr(one, name)(Y) == pytest.approx(getattr(one, name)(X), rel=1e-12), name
    np.testing.assert_array_equal(one.predict_proba(Y)[~empty], one.predict_proba(X))
    np.testing.assert_array_equal(one.impute(Y)[~empty], one.impute(X))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("noise", [False, 0.1, 0.9])
def test_rows_without_a_value_have_the_weights_of_the_mixture(noise, dtype):
    X, Y, empty = with_empty_rows()
    box = Noise(np.full(4, -20.0), np.full(4, 20.0)) if noise else NO_NOISE
    parameters = mixture("VVV", noise=box)
    if box is not None:
        parameters = parameters.with_noise(box, noise)
    fit = GaussianMixture(3, missing="em", random_state=1, noise=bool(noise)).fit(X)
    fit._mixture = parameters
    Y = Y.astype(dtype)
    for rows in (Y[empty], Y[empty][:1]):
        np.testing.assert_allclose(fit.predict_proba(rows), np.tile(parameters.weights, (len(rows), 1)), rtol=1e-6)
        np.testing.assert_allclose(fit.score_samples(rows), 0.0, atol=1e-15)
        most_likely_is_noise = noise and noise > parameters.weights.max()
        assert set(fit.predict(rows)) == {-1 if most_likely_is_noise else parameters.weights.argmax()}
        middle = parameters.weights @ parameters.means
        np.testing.assert_allclose(fit.impute(rows), np.tile(middle, (len(rows), 1)), rtol=1e-5, atol=1e-6)
    refused(r"at least one row with a value, got 25 without any", fit.score, Y[empty])


def test_what_is_predicted_from_nothing_is_the_marginal_mixture():
    X, _, _ = with_empty_rows()
    fit = GaussianMixture(2, missing="em", random_state=0).fit(X)
    known = np.array([[np.nan, np.nan], [1.0, 2.0], [np.nan, 2.0]])
    some, alone = fit.predict_from(known, [0, 1], level=0.9), fit.marginal([2, 3])
    np.testing.assert_allclose(some.means[0], alone.weights_ @ alone.means_, rtol=1e-12)
    variances = alone.weights_ @ (np.diagonal(alone.covariances_, axis1=1, axis2=2) + alone.means_**2)
    np.testing.assert_allclose(some.deviations[0] ** 2 + some.means[0] ** 2, variances, rtol=1e-10)
    others = fit.predict_from(known[1:], [0, 1], level=0.9)
    for name in ("means", "deviations", "intervals"):
        np.testing.assert_array_equal(getattr(some, name)[1:], getattr(others, name))


def test_rows_without_a_value_go_through_searches_classes_and_posteriors():
    X, Y, empty = with_empty_rows(3)
    classes, how = (np.nan_to_num(Y[:, 0]) > 2).astype(int), {"missing": "em", "random_state": 0}
    one, other = (gmm.select(rows, [1, 2], ["VVE", "EEE"], **how) for rows in (X, Y))
    np.testing.assert_allclose(other.scores, one.scores, rtol=1e-12)
    np.testing.assert_allclose(other.best.covariances_, one.best.covariances_, rtol=1e-9)
    one, other = (BayesianGaussianMixture(n_components=3, **how).fit(rows) for rows in (X, Y))
    np.testing.assert_allclose(other.means_, one.means_, rtol=1e-8)
    one, other = gmm.MixtureClassifier(**how).fit(X, classes[~empty]), gmm.MixtureClassifier(**how).fit(Y, classes)
    np.testing.assert_allclose(other.predict_proba(Y)[~empty], one.predict_proba(X), atol=1e-9)
    np.testing.assert_allclose(other.predict_proba(Y)[empty], np.tile(other.class_prior_, (empty.sum(), 1)), rtol=1e-9)
    labels = np.where(np.arange(len(Y)) % 3, None, classes.astype(object))
    for name, values in {"labels": labels, "sample_weight": np.arange(len(Y)) % 4 + 0.5}.items():
        one = GaussianMixture(2, **how).fit(X, **{name: values[~empty]})
        other = GaussianMixture(2, **how).fit(Y, **{name: values})
        np.testing.assert_allclose(other.means_, one.means_, rtol=1e-9)


@pytest.mark.filterwarnings("ignore::gmm.ConvergenceWarning", "ignore::UserWarning")
def test_components_without_weight_need_no_room_that_others_do_not():
    """Of fewer components, products may be made where they are used, in longer blocks."""
    rng, ends = np.random.default_rng(0), []
    X = rng.normal(size=(5000, 2))
    X[::2, 0] = np.nan
    where = {"weights_init": [1.0, 0.0], "means_init": rng.normal(size=(2, 2)), "precisions_init": [np.eye(2)] * 2}
    for rows in (X, X.astype(np.float32)):
        mixture = GaussianMixture(2, missing="em", max_iter=2, **where)
        ends.append([mixture.fit(rows).lower_bound_ for _ in range(10)])
    np.testing.assert_allclose(ends, ends[0][0], atol=1e-5)


@pytest.mark.filterwarnings("ignore:No row has values in both")
@pytest.mark.parametrize("covariance_type", ["full", "diag", "tied"])
def test_gaps_that_no_donor_fills_together_are_filled_by_near_ones(covariance_type):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(600, 4)) + 6 * (np.arange(600) % 2)[:, None]
    for row, lacking in zip(X, rng.integers(3, size=600), strict=True):
        row[[[2, 3], [1, 3], [1, 2]][lacking]] = np.nan
    fit = GaussianMixture(2, missing="em", covariance_type=covariance_type, random_state=0).fit(X)
    assert fit.lower_bound_ > -3.51

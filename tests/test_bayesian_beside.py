"""`BayesianGaussianMixture` alone, beside noise, and of rows with labels: what holds of any fit."""

import copy

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal, multivariate_t

import gmm
import reference
from fuzz_files import saved
from gmm import BayesianGaussianMixture
from inside import posterior_of
from tables import copies, refused
from test_bayesian import FITTED, every_prior, every_type, every_way
from test_variational import written_out

pytestmark = pytest.mark.filterwarnings("ignore:Best performing initialization")
CENTRES = np.array([[0.0, 0.0], [6.0, 1.0], [-4.0, 6.0]])


def table(seed=0, n=450, n_noise=150, share=0.3):
    """Rows of three groups, then of noise; the group of each, −1 of noise; and labels, −1 where they are unknown."""
    rng = np.random.default_rng(seed)
    group = np.append(rng.integers(3, size=n), np.full(n_noise, -1))
    uniform, normal = rng.uniform(-12, 12, (len(group), 2)), CENTRES[group] + rng.normal(size=(len(group), 2))
    return np.where(group[:, None] < 0, uniform, normal), group, np.where(rng.random(len(group)) < share, group, -1)


def mixture_of(covariance_type="full", weights="dirichlet_process", **asked):
    how = {"n_components": 6, "random_state": 0, "max_iter": 500} | asked
    return BayesianGaussianMixture(covariance_type=covariance_type, weight_concentration_prior_type=weights, **how)


BESIDE = {"nothing": ({}, False), "noise": ({"noise": True}, False)}
BESIDE |= {"labels": ({}, True), "both": ({"noise": True}, True)}
every_feature = pytest.mark.parametrize("beside", BESIDE)


def case(beside, *given, seed=0, **asked):
    """Rows, an estimator and the arguments of its fit."""
    parameters, labelled = BESIDE[beside]
    X, _, labels = table(seed, n_noise=150 if parameters else 0)
    how = {"labels": labels, "components_per_class": {0: 2, 2: 2}} if labelled else {}
    return X, mixture_of(*given, **parameters, **asked), how


def taken(how, index):
    return how | ({"labels": how["labels"][index]} if how else {})


def test_components_are_sorted_beside_little_noise_without_a_fall():
    X, *_ = table(n=300, n_noise=0)
    how = {"noise": True, "init_params": "random_from_data", "reg_covar": 0, "tol": 1e-8}
    for seed in range(8):
        mixture = mixture_of("diag", random_state=seed, **how)
        objective = np.array(mixture.fit(X).history_.objective)
        assert (np.diff(objective) >= -1e-12 * np.abs(objective[1:])).all()
        assert mixture.noise_weight_ < 0.02  # fits begin with more


@every_type
@pytest.mark.parametrize(("weights", "acceleration"), [("dirichlet_process", "auto"), ("dirichlet_distribution", None)])
@every_feature
def test_weights_are_repeats(covariance_type, weights, acceleration, beside):
    X, mixture, how = case(beside, covariance_type, weights, acceleration=acceleration, tol=1e-7, max_iter=1000)
    repeats = np.random.default_rng(2).integers(1, 4, len(X))
    index = np.repeat(np.arange(len(X)), repeats)
    one = copy.copy(mixture).fit(X, sample_weight=repeats, **how)
    other = mixture.fit(X[index], **taken(how, index))
    assert one.lower_bound_ == pytest.approx(other.lower_bound_, abs=1e-5)
    np.testing.assert_allclose(one.means_, other.means_, rtol=1e-3, atol=1e-3)
    assert one.noise_weight_ == pytest.approx(other.noise_weight_, abs=1e-5)


@every_type
@every_way
@every_feature
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_threads_and_sources_change_no_bit(tmp_path, covariance_type, acceleration, beside, dtype):
    X, mixture, how = case(beside, covariance_type, acceleration=acceleration, max_iter=30)
    index = np.resize(np.arange(len(X)), 9000)
    X = (X[index] + np.random.default_rng(0).normal(size=(9000, 2)) / 10).astype(dtype)
    np.save(tmp_path / "X.npy", X)
    sources = [(X, 1), (X, 3), (gmm.open_rows(tmp_path / "X.npy"), 1), (gmm.open_rows(lambda: [X[:5000], X[5000:]]), 2)]
    if not how:
        sources.append((gmm.sources.partitioned_rows(lambda task: task(0, X)), 1))
    fits = [copy.copy(mixture).set_params(n_threads=n).fit(rows, **taken(how, index)) for rows, n in sources]
    assert len({fit.means_.tobytes() for fit in fits[:4]}) == 1
    assert len({tuple(fit.lower_bounds_) for fit in fits[:4]}) == 1
    assert fits[-1].lower_bound_ == pytest.approx(fits[0].lower_bound_, rel=1e-6)


@every_type
@every_prior
@every_feature
def test_what_is_saved_comes_back(covariance_type, weights, beside):
    X, mixture, how = case(beside, covariance_type, weights, mean_prior=[0.5, 0])
    for other in (*copies(mixture.fit(X, **how)), BayesianGaussianMixture.load(saved(mixture))):
        for name in (*FITTED, "lower_bound_", "lower_bounds_", "counts_", "noise_weight_"):
            np.testing.assert_array_equal(getattr(other, name), getattr(mixture, name))
        np.testing.assert_array_equal(other.mean_prior, [0.5, 0])
        np.testing.assert_array_equal(other.predict_proba(X), mixture.predict_proba(X))
        np.testing.assert_array_equal(other.predict(X), mixture.predict(X))
        np.testing.assert_array_equal(other.score_samples(X), mixture.score_samples(X))
        assert getattr(other, "component_classes_", None) is None or how
    np.testing.assert_array_equal(mixture.freeze().predict(X), mixture.predict(X))
    refused("GaussianMixture", gmm.GaussianMixture.load, saved(mixture))
    assert (mixture.noise_weight_ > 0.1) == ("noise" in BESIDE[beside][0])


@every_feature
def test_gaps_go_along(beside):
    X, mixture, how = case(beside, "full", "dirichlet_process", missing="em", reg_covar=0)
    whole = copy.copy(mixture).fit(X, **how)
    X[np.random.default_rng(0).random(X.shape) < 0.1] = np.nan
    objective = np.array(mixture.fit(X, **how).history_.objective)
    assert (np.diff(objective) >= -1e-11 * np.abs(objective[1:])).all()
    assert mixture.noise_weight_ == pytest.approx(whole.noise_weight_, abs=0.05)


def seen_through_gaps(X, posterior, twin):
    """ln ρ_nk with a posterior N(·, (E Λ_mm)⁻¹) of the missing values: its energy at their mean, and its entropy."""
    means, precisions = posterior.means, np.linalg.inv(posterior.covariances)
    columns = []
    for k, (m, P) in enumerate(zip(means, precisions, strict=True)):
        full, gain = X.copy(), np.zeros(len(X))
        for row, x in enumerate(X):
            gone = np.isnan(x)
            of_missing = P[np.ix_(gone, gone)]
            full[row, gone] = m[gone] - np.linalg.solve(of_missing, P[np.ix_(gone, ~gone)] @ (x - m)[~gone])
            gain[row] = (gone.sum() * np.log(2 * np.pi) - np.linalg.slogdet(of_missing)[1]) / 2
        columns.append(reference.expected_log_joint(full, posterior, twin)[:, k] + gain)
    return np.stack(columns, axis=1)


@every_type
@every_prior
def test_the_bound_of_rows_with_gaps_is_the_brute_force_one(covariance_type, weights):
    X, *_ = table(n=60, n_noise=0)
    X = np.column_stack([X, X.sum(axis=1) + np.random.default_rng(1).normal(size=len(X))])
    X[np.random.default_rng(0).random(X.shape) < 0.2] = np.nan
    X = X[~np.isnan(X).all(axis=1)]
    mixture = mixture_of(covariance_type, weights, missing="em", max_iter=3, acceleration=None, n_components=3).fit(X)
    prior, posterior = posterior_of(mixture).prior, written_out(posterior_of(mixture))
    C = posterior_of(mixture).model.layout.dense(np.asarray(prior.scale)[None], 1, 3)[0]
    twin = reference.VariationalPrior(prior.mean, prior.shrinkage, prior.dof, C, prior.concentration, prior.sticks)
    of_rows = logsumexp(seen_through_gaps(X, posterior, twin), axis=1).sum()
    without_rows = reference.evidence_bound(X[:0], np.empty((0, 3)), 1.0, posterior, twin)
    assert mixture.lower_bound_ == pytest.approx(of_rows + without_rows, rel=1e-9)


@every_type
@every_prior
def test_clutter_is_labelled(covariance_type, weights):
    X, group, _ = table(n_noise=400)
    mixture = mixture_of(covariance_type, weights, n_components=12, noise=True).fit(X)
    assert ((mixture.predict(X) < 0) == (group < 0)).mean() > 0.9
    assert mixture.n_effective_components_ == 3
    assert mixture.noise_weight_ == pytest.approx(400 / 850, abs=0.04)
    assert mixture.weights_.sum() + mixture.noise_weight_ == pytest.approx(1)
    assert mixture.noise_weight_ == pytest.approx((1 + 850 - mixture.counts_.sum()) / 852)
    _, drawn = mixture.sample(4000, random_state=0)
    assert (drawn == -1).mean() == pytest.approx(mixture.noise_weight_, abs=0.03)
    assert f"noise of weight {mixture.noise_weight_:.4f}" in str(mixture)


def test_noise_may_take_all_rows():
    X = np.random.default_rng(0).uniform(-10, 10, (300, 2))
    with pytest.warns(gmm.ConvergenceWarning, match="noise took all"):
        mixture = mixture_of(noise=[[-10, -10], [10, 10]], n_components=8, covariance_prior=np.eye(2) / 10).fit(X)
    assert mixture.noise_weight_ == pytest.approx(301 / 302, abs=1e-4)
    assert (mixture.predict(X) == -1).all()


@pytest.mark.parametrize("seed", [16, 17, 53, 64])
def test_no_step_gives_components_more_rows_than_there_are(seed):
    """Where noise fades from a large share, long steps would leave it less than nothing."""
    rng, counts = np.random.default_rng(seed), []
    d, K, side = 1 + seed % 2, 1 + seed % 4, (2.5, 4, 6, 10, 30)[seed % 5]
    X, box = rng.normal(size=(80, d)), [[-side] * d, [side] * d]
    start = rng.dirichlet(np.ones(K), 80) * rng.uniform(0.02, 0.9)
    how = {"covariance_type": ("full", "diag", "tied")[seed % 3], "n_components": K, "tol": 1e-9, "max_iter": 80}
    mixture = mixture_of(**how, noise=box, init_params=start, random_state=seed)
    mixture.fit(X, callback=lambda iteration: counts.append(iteration.parameters.counts.sum()))
    assert max(counts) <= 80 * (1 + 1e-9)


@every_prior
def test_merges_beside_noise_end_no_lower_than_plain_passes(weights):
    for seed in range(5):
        X, *_ = table(seed, n=250, n_noise=80)
        how = {"n_components": 12, "noise": True, "random_state": seed}
        plain = mixture_of("full", weights, acceleration=None, **how).fit(X)
        assert mixture_of("full", weights, **how).fit(X).lower_bound_ >= plain.lower_bound_ - 0.1, seed


@pytest.mark.parametrize("seed", [0, 2])
def test_rows_of_noise_put_no_distance_between_components(seed):
    """The scatter of all components is that of their rows alone, of which there are few here."""
    rng = np.random.default_rng(seed)
    group = rng.normal(size=(200, 2))
    halves = np.column_stack([group[:, 0] < 0, group[:, 0] >= 0])
    how = {"covariance_prior": np.eye(2), "mean_precision_prior": 0.01, "n_components": 2, "noise": True}
    mixture = mixture_of("tied", init_params=np.concatenate([halves, np.zeros((800, 2))]), **how)
    assert mixture.fit(np.concatenate([group, rng.uniform(-30, 30, (800, 2))])).n_effective_components_ == 1


@pytest.mark.parametrize("noise", [False, [[-13, -13], [13, 13]]], ids=["alone", "noise"])
@every_type
@every_prior
def test_densities_are_scipys(covariance_type, weights, noise):
    X, *_ = table()
    mixture = mixture_of(covariance_type, weights, noise=noise).fit(X)
    posterior = posterior_of(mixture)
    dense = posterior.model.layout.dense(posterior.covariances, *posterior.means.shape)
    uniform = mixture.noise_weight_ / 26**2
    parts = zip(mixture.weights_, mixture.means_, dense, strict=True)
    expected = np.log(sum(w * multivariate_normal.pdf(X, m, S) for w, m, S in parts) + uniform)
    np.testing.assert_allclose(mixture.score_samples(X, density="plug-in"), expected, rtol=1e-8)
    np.testing.assert_allclose(mixture.plug_in().score_samples(X), expected, rtol=1e-8)
    assert np.isfinite([*mixture.plug_in().criteria(X).values()]).all()
    expected = [np.full(len(X), np.log(uniform))] if noise else []
    for k, (nu, beta) in enumerate(zip(posterior.dof, posterior.mean_precisions, strict=True)):
        shape = dense[k] * nu / (nu - 1) * (1 + beta) / beta
        expected.append(np.log(mixture.weights_[k]) + multivariate_t.logpdf(X, mixture.means_[k], shape, nu - 1))
    got = mixture.score_samples(X, density="predictive")
    np.testing.assert_allclose(got, logsumexp(expected, axis=0), rtol=1e-8)
    refused("expected density", mixture.score, X, density="exact")


@every_prior
def test_draws_leave_noise_its_share(weights):
    X, *_ = table()
    mixture = mixture_of("full", weights, noise=True, n_components=3).fit(X)
    drawn = mixture.sample_posterior(20_000, random_state=0).weights
    left, rows = 1 - drawn.sum(axis=1), len(X) - mixture.counts_.sum()
    exact = (1 + rows) * (1 + len(X) - rows) / (2 + len(X)) ** 2 / (3 + len(X))
    assert left.mean() == pytest.approx(mixture.noise_weight_, abs=5 * np.sqrt(exact / 20_000))
    assert left.var() == pytest.approx(exact, rel=0.1)
    low, high = mixture.credible_intervals(0.9).weights.T
    assert np.abs(((low <= drawn) & (drawn <= high)).mean(axis=0) - 0.9).max() < 0.02


@pytest.mark.parametrize("noise", [False, True])
@every_prior
@every_way
def test_steps_are_the_passes_of_a_fit(weights, acceleration, noise):
    X, *_ = table()
    how = {"noise": noise, "acceleration": acceleration, "random_state": 0, "max_iter": 60}
    mixture = mixture_of("full", weights, **how).fit(X)
    passes = list(gmm.em.steps(X, 6, bayesian=True, weight_concentration_prior_type=weights, **how))
    assert [step.lower_bound for step in passes] == mixture.lower_bounds_
    if not noise:
        assert passes[-1].counts.sum() == pytest.approx(len(X))


@pytest.mark.parametrize("shares", [[0.9, 0.4], [-0.1, 0.5], [0.0, 0.0]])
def test_shares_that_leave_noise_nothing_are_damage(shares):
    X, *_ = table()
    mixture = mixture_of(n_components=2, noise=True).fit(X)
    object.__setattr__(mixture._parameters, "shares", np.array(shares))
    refused("shares", gmm.load, saved(mixture))


def test_rows_of_a_class_are_counted_in_its_components_and_unknown_ones_change_no_bit():
    X, group, _ = table(n_noise=0)
    mixture = mixture_of().fit(X, labels=group, components_per_class=2)
    assert mixture.component_classes_.tolist() == [0, 0, 1, 1, 2, 2]
    np.testing.assert_allclose(np.add.reduceat(mixture.counts_, [0, 2, 4]), np.bincount(group))
    one, other = mixture_of().fit(X), mixture_of().fit(X, labels=np.full(len(X), -1))
    np.testing.assert_array_equal(one.means_, other.means_)
    assert one.lower_bounds_ == other.lower_bounds_


@every_type
@every_prior
def test_classes_in_one_place_stay_apart_and_components_of_one_class_merge(covariance_type, weights):
    rng = np.random.default_rng(0)
    X, labels = rng.normal(size=(400, 2)), np.repeat(["b", "a"], 200)
    mixture = mixture_of(covariance_type, weights, n_components=8).fit(X, labels=labels, components_per_class=4)
    assert mixture.component_classes_.tolist() == ["a"] * 4 + ["b"] * 4
    np.testing.assert_allclose(np.add.reduceat(mixture.counts_, [0, 4]), [200, 200])
    assert mixture.n_effective_components_ == 2
    assert mixture_of(covariance_type, weights, n_components=8).fit(X).n_effective_components_ == 1
    one_each = mixture_of(covariance_type, weights, n_components=2, tol=1e-8).fit(X, labels=labels)
    assert all(one_each.history_.accepted)  # no merge of the two is tried


def test_components_of_a_dirichlet_process_are_sorted_within_their_class():
    """From a start in rising order: where that raises the bound, heavy components lead, class by class."""
    rng = np.random.default_rng(1)
    sharp = {"covariance_prior": np.eye(2), "mean_precision_prior": 1e-3}
    sizes, places = [20, 50, 90, 30, 60, 120], 12 * np.arange(6)
    place = np.repeat(np.arange(6), sizes)
    X, labels = np.column_stack([places[place], np.zeros(370)]) + rng.normal(size=(370, 2)), place // 3
    mixture = mixture_of(init_params=np.eye(6)[place], **sharp).fit(X, labels=labels, components_per_class=3)
    assert mixture.counts_.round().tolist() == [90, 50, 20, 120, 60, 30]
    np.testing.assert_allclose(mixture.component_classes_[mixture.predict(X)], labels)


@every_prior
def test_few_labels_name_the_groups(weights):
    X, group, labels = table(share=0.05, n_noise=0)
    names = np.array(["ash", "birch", "cherry", None], dtype=object)[labels]
    mixture = mixture_of("full", weights, n_components=10).fit(X, labels=names, components_per_class=3)
    assert (mixture.component_classes_[mixture.predict(X)] == np.array(["ash", "birch", "cherry"])[group]).mean() > 0.98
    assert mixture.plug_in().component_classes_.tolist() == mixture.component_classes_.tolist()
    assert not hasattr(mixture.fit(X), "classes_")

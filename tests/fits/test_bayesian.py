"""`BayesianGaussianMixture`: scikit-learn's numbers pass by pass, what it adds, and what holds of any fit."""

import copy
import io
import pickle

import numpy as np
import pytest
import sklearn.mixture
from scipy.special import logsumexp
from scipy.stats import multivariate_normal, multivariate_t

import gmm
import reference
from command import fails, json_of, ok, result_in, write
from fuzz_files import saved
from gmm import BayesianGaussianMixture
from inside import CLASSIC, PARSIMONIOUS, load_state, posterior_of, save_state
from tables import IRIS, assert_same, blobs, cases, copies, refused
from test_variational import a_case, a_prior, rows, written_out

every_type = pytest.mark.parametrize("covariance_type", CLASSIC)
every_prior = pytest.mark.parametrize("weights", ["dirichlet_process", "dirichlet_distribution"])
pytestmark = pytest.mark.filterwarnings("ignore:Best performing initialization")


FITTED = ["weight_concentration_", "mean_precision_", "degrees_of_freedom_", "mean_prior_", "covariance_prior_"]
FITTED += ["weight_concentration_prior_", "mean_precision_prior_", "degrees_of_freedom_prior_"]
FITTED += ["weights_", "means_", "covariances_", "precisions_", "precisions_cholesky_"]


def hyperparameters(covariance_type, twin, prior):
    return {
        "weight_concentration_prior": twin.alpha,
        "mean_precision_prior": twin.beta,
        "mean_prior": twin.mean,
        "degrees_of_freedom_prior": twin.dof,
        "covariance_prior": float(prior.scale) if covariance_type == "spherical" else prior.scale,
    }


def by_scikit_learn(X, r, n_passes, **parameters):
    """Scikit-learn's estimator after so many passes from given responsibilities."""
    theirs = sklearn.mixture.BayesianGaussianMixture(n_components=r.shape[1], **parameters)
    theirs._check_parameters(X)
    theirs._initialize(X, r)
    theirs.bounds = []
    for _ in range(n_passes):
        log_prob_norm, log_resp = theirs._e_step(X)
        theirs._m_step(X, log_resp)
        theirs.bounds.append((log_resp, theirs._compute_lower_bound(log_resp, log_prob_norm)))
    theirs._set_parameters(theirs._get_parameters())
    return theirs


def fitted(X, r, **parameters):
    how = {"n_components": r.shape[1], "init_params": r, "acceleration": None, "tol": 0} | parameters
    return BayesianGaussianMixture(**how).fit(X)


@pytest.mark.parametrize("given", [False, True], ids=["default priors", "given priors"])
@pytest.mark.parametrize("reg_covar", [0, 1e-3])
@pytest.mark.parametrize("n_passes", [1, 5, 50])
@every_type
@every_prior
def test_every_attribute_is_scikit_learns_after_so_many_passes(covariance_type, weights, n_passes, reg_covar, given):
    rng = np.random.default_rng(n_passes)
    X, r = rows(rng, 200, 3, 4), rng.dirichlet(np.full(5, 0.2), 200)
    prior = hyperparameters(covariance_type, *a_prior(np.random.default_rng(3), covariance_type, 3, True))
    how = {"covariance_type": covariance_type, "weight_concentration_prior_type": weights, "reg_covar": reg_covar}
    how |= prior if given else {}
    theirs, ours = by_scikit_learn(X, r, n_passes, **how), fitted(X, r, max_iter=n_passes, **how)
    assert ours.n_iter_ == n_passes
    for name in FITTED:
        got, expected = getattr(ours, name), getattr(theirs, name)
        assert np.shape(got) == np.shape(expected), name
        assert isinstance(got, tuple) == isinstance(expected, tuple), name
        np.testing.assert_allclose(got, expected, rtol=1e-8, atol=1e-8 * np.abs(expected).max(), err_msg=name)
    np.testing.assert_allclose(ours.score_samples(X), theirs.score_samples(X), rtol=1e-8)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-8)


@every_type
@every_prior
def test_scikit_learns_bound_is_the_exact_one_less_a_constant(covariance_type, weights):
    X, _, r, twin, prior = a_case(5, covariance_type, weights == "dirichlet_process", weighted=False)
    how = {"covariance_type": covariance_type, "weight_concentration_prior_type": weights, "reg_covar": 0}
    apart = []
    for log_resp, bound in by_scikit_learn(X, r, 20, **how, **hyperparameters(covariance_type, twin, prior)).bounds:
        given = np.exp(log_resp)
        posterior = reference.variational_posterior(X, given, 1.0, covariance_type, twin)
        apart.append(reference.evidence_bound(X, given, 1.0, posterior, twin) - bound)
    assert np.ptp(apart) < 1e-8


@pytest.mark.filterwarnings("ignore:The weights sum to")
@every_type
def test_the_default_prior_does_not_depend_on_the_scale_of_weights_that_are_shares(covariance_type):
    X, weight = rows(np.random.default_rng(3), 60, 2, 2), np.random.default_rng(4).uniform(0.5, 2, 60)
    fit = BayesianGaussianMixture(n_components=2, covariance_type=covariance_type, max_iter=1, random_state=0).fit
    first, *others = (fit(X, None, total * weight / weight.sum()).covariance_prior_ for total in (2.0, 1e-6, 1.0))
    for prior in others:
        np.testing.assert_allclose(prior, first, rtol=1e-10)


def mixture_of(covariance_type="full", weights="dirichlet_process", **asked):
    how = {"n_components": 6, "random_state": 0, "max_iter": 500} | asked
    return BayesianGaussianMixture(covariance_type=covariance_type, weight_concentration_prior_type=weights, **how)


def some(covariance_type="full", weights="dirichlet_process", n=200, **asked):
    how = {"n_components": 5, "max_iter": 300} | asked
    return rows(np.random.default_rng(1), n, 3, 3), mixture_of(covariance_type, weights, **how)


@every_type
@every_prior
def test_float32_rows_give_nearly_the_same_in_float32(covariance_type, weights):
    X, mixture = some(covariance_type, weights)
    double, single = copy.copy(mixture).fit(X.astype(np.float32).astype(float)), mixture.fit(X.astype(np.float32))
    for name in ("weights_", "means_", "covariances_", "mean_precision_"):
        assert getattr(single, name).dtype == np.float32
    assert single.score_samples(X.astype(np.float32)).dtype == np.float32
    assert single.lower_bound_ == pytest.approx(double.lower_bound_, rel=1e-4)


@every_type
@pytest.mark.parametrize("scale", [1e-100, 1.0, 1e100])
def test_the_predictive_density_falls_by_a_power_of_the_distance_however_far(covariance_type, scale):
    """Far from all rows it is that of the component with the heaviest tail: log p = constant − (ν_k + 1) log ‖x‖."""
    X, mixture = some(covariance_type, n_components=3)
    posterior = mixture.set_params(reg_covar=0).fit(scale * X)._parameters
    directions = np.random.default_rng(3).uniform(-1, 1, (5, 3))
    powers = np.array([20, 60, 150, 154, 155, 200, 300, 308])
    got = np.array([mixture.score_samples(directions * 10.0**power, density="predictive") for power in powers])
    assert np.isfinite(got).all()
    slopes = np.diff(got[2:], axis=0) / np.diff(powers[2:] * np.log(10))[:, None]
    np.testing.assert_allclose(slopes, -(1 + posterior.dof.min()), rtol=1e-9)


@pytest.mark.parametrize("noise", [False, True])
@every_type
@every_prior
def test_draws_have_the_moments_and_intervals_of_the_posterior(covariance_type, weights, noise):
    X, n = table()[0] if noise else rows(np.random.default_rng(1), 200, 3, 3), 20_000
    mixture = mixture_of(covariance_type, weights, noise=noise, n_components=3).fit(X)
    drawn, held = mixture.sample_posterior(n, random_state=0), mixture.credible_intervals(0.9)
    precisions = np.linalg.inv(drawn.covariances).mean(axis=0)
    expected = np.linalg.inv(written_out(mixture._parameters).covariances)
    scale = np.sqrt(np.einsum("kii,kjj->kij", expected, expected))
    assert (np.abs(precisions - expected) < 0.05 * scale).all()
    left, of_noise = 1 - drawn.weights.sum(axis=1), len(X) - mixture.counts_.sum()
    exact = noise * (1 + of_noise) * (1 + len(X) - of_noise) / (2 + len(X)) ** 2 / (3 + len(X))  # its variance
    assert left.mean() == pytest.approx(mixture.noise_weight_, abs=1e-12 + 5 * np.sqrt(exact / n))
    assert left.var() == pytest.approx(exact, rel=0.1, abs=1e-12)
    for draws, (low, high) in ((drawn.weights, held.weights.T), (drawn.means, np.moveaxis(held.means, -1, 0))):
        inside = ((low <= draws) & (draws <= high)).mean(axis=0)
        assert np.abs(inside - 0.9).max() < 5 * np.sqrt(0.09 / n) + 0.01


def test_a_dirichlet_process_is_sorted_where_that_raises_the_bound():
    higher = 0
    for seed in range(10):
        X, mixture = some(n_components=8, random_state=seed, max_iter=1000)
        *_, last = gmm.em.steps(X, 8, bayesian=True, random_state=seed, tol=1e-3, acceleration="auto")
        mixture.fit(X)
        assert mixture.lower_bound_ >= last.lower_bound
        higher += mixture.lower_bound_ > last.lower_bound + 0.01
        assert mixture.n_iter_ == len(mixture.history_) >= last.n_iter
    assert higher


CONSTRAINED = [name for name in PARSIMONIOUS if name not in ("VVV", "EEE", "VVI", "VII")]


@cases(
    *(({"covariance_type": name}, f"no posterior for covariance_type='{name}'") for name in CONSTRAINED),
    ({"degrees_of_freedom_prior": 1.5}, "should be greater than 2"),
    ({"mean_prior": [0.0, 1.0]}, "'mean_prior' should have the shape"),
    ({"mean_prior": [0.0, 2e150, 0.0]}, r"expected mean_prior within 1e\+150 of the mean .* at index 1 of"),
    ({"mean_precision_prior": 0.0}, "'mean_precision_prior' parameter"),
    ({"weight_concentration_prior": -1.0}, "'weight_concentration_prior' parameter"),
    ({"covariance_prior": np.eye(2)}, "covariance_prior' should have the shape"),
    ({"covariance_prior": -np.eye(3)}, "symmetric, positive-definite"),
    # by which the bound would be lost to rounding
    ({"weight_concentration_prior": 1e12}, r"expected weight_concentration_prior of at most 1e\+10, got 1e\+12"),
)
def test_a_prior_or_a_model_that_cannot_be_is_refused_by_name(wrong, message):
    X, mixture = some()
    refused(message, mixture.set_params(**wrong).fit, X)


@every_type
def test_a_constant_column_takes_the_ridge_or_is_refused(covariance_type):
    X, mixture = some(covariance_type)
    X = np.column_stack([X, np.ones(len(X))])
    assert np.isfinite(mixture.fit(X).lower_bound_)
    if covariance_type != "spherical":
        refused("their covariance is singular", mixture.set_params(reg_covar=0).fit, X)


@pytest.mark.parametrize("covariance_type", ["full", "tied"])
@pytest.mark.parametrize("scale", [1.0, 1e3, 1e6])
@pytest.mark.parametrize("factor", [1 / 3, 0.7, 3.0])
def test_a_column_that_follows_from_another_gives_one_bound_in_any_order(covariance_type, scale, factor):
    """Not one with the ridge and one without, by whether rounding leaves a factorisation of their covariance."""
    X = scale * (np.random.default_rng(1).normal(size=(200, 2)) + 6 * (np.arange(200)[:, None] % 2))
    X, bounds = np.column_stack([X, factor * X[:, 0]]), []
    for seed in range(6):
        order = np.random.default_rng(seed).permutation(len(X))
        how = {"covariance_type": covariance_type, "init_params": np.eye(2)[order % 2], "tol": 1e-6, "max_iter": 500}
        bounds.append(BayesianGaussianMixture(n_components=2, **how).fit(X[order]).lower_bound_)
    np.testing.assert_allclose(bounds, bounds[0], rtol=1e-5)


@pytest.mark.parametrize("name", ["shares", "mean_prior", "covariance_prior"])
def test_a_damaged_posterior_is_a_value_error(name):
    X, mixture = some(noise=True, n_components=2)
    header, arrays = load_state(saved(mixture.fit(X)))
    header = {key: value for key, value in header.items() if key not in ("format", "format_version")}
    values = [arrays[name][:-1], np.full_like(arrays[name], np.nan)]
    of_name = {"shares": [[0.9, 0.4], [-0.1, 0.5], [0.0, 0.0]], "covariance_prior": [-arrays["covariance_prior"]]}
    values += map(np.array, of_name.get(name, []))  # the first shares leave noise nothing
    parts = {"weight": -1.0}, {"degrees_of_freedom_prior": 1.0}, {"weight_concentration_prior_type": "flat"}
    states = [(header, arrays | {name: each}) for each in values]
    for state in (*states, *((header | {"posterior": header["posterior"] | part}, arrays) for part in parts)):
        save_state(damaged := io.BytesIO(), *state)
        refused(r"should|expected", gmm.load, damaged.getvalue())


@pytest.mark.needs("pyarrow", "rich")
def test_the_command_line_fits_one(tmp_path):
    rng, out = np.random.default_rng(0), tmp_path / "out"
    X = np.array([[0, 0], [8, 0], [0, 8]])[rng.integers(3, size=300)] + rng.normal(size=(300, 2))
    words = ("fit", write(tmp_path / "rows.csv", "ab", *X.T), "--bayesian")
    told = json_of(*words, "--max-components", 7, "--covariance", "diag", "--out", out)
    assert told == result_in(out)
    mixture, best = gmm.load(out / "model.gmm"), told["best"]
    assert isinstance(mixture, BayesianGaussianMixture)
    found = best["n_effective_components"], best["covariance_type"], best["lower_bound"]
    assert found == (3, "diag", mixture.lower_bound_)
    assert sum(best["rows_per_component"]) == 300
    assert "3 components of 20 in use, VVV (full): converged" in ok(*words).stdout
    assert "components of 7 in use, VVI (diag)" in ok("info", out / "model.gmm").stdout
    few = write(tmp_path / "few.csv", "ab", *X[:3].T)
    assert " of 3 in use" in ok("fit", few, "--bayesian").stdout  # no more than there are rows
    for wrong in ((*words, "--covariance", "VEE"), (*words[:2], "--max-components", 3)):
        assert "bayesian" in fails(2, *wrong)
    i = np.arange(100)
    write(tmp_path / "rows.csv", ["a", "kind"], 10 * (i % 2) + i / 100, "xy" * 50)
    said = ok(*words, "--label-column", "kind").stdout
    assert "2 components of 20" in said
    heading = next(line for line in said.splitlines() if line.strip().startswith("kind"))
    assert len(heading.split()) == 3  # those in use alone are compared with labels


def test_what_is_printed_and_drawn_says_how_many_components_are_left(capsys, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "agg")
    from gmm.plotting import plot_clusters

    X, mixture = some(n_components=8, max_iter=1000, verbose=1, verbose_interval=1)
    left = mixture.fit(X).n_effective_components_
    assert "lower bound -" in capsys.readouterr().out
    assert "the log evidence -" in str(mixture)
    assert f"8 components, 3 features, VVV (full) covariance, {left} components not empty\n" in str(mixture)
    ax, kept = plot_clusters(mixture, X, view=(0, 1)), np.flatnonzero(mixture.counts_ >= 1)
    shown = {f"component {k} content {c}" for k in kept for c in (0.5, 0.95)}
    assert {patch.get_gid() for patch in ax.patches} == shown
    assert ax.get_title() == f"{len(kept)} of 8 components"
    assert 0 < len(kept) == left < 8
    with pytest.raises(AttributeError, match="cannot assign weights_"):  # which follow from the posterior
        mixture.weights_ = np.full(8, 1 / 8)


def assert_climbed(mixture, rounding=1e-12):
    objective = np.array(mixture.history_.objective)
    assert (np.diff(objective) >= -rounding * np.abs(objective[1:])).all()


def corners(n, apart=6, seed=0):
    """Rows of four groups in two columns, and whose they are."""
    rng = np.random.default_rng(seed)
    group = rng.integers(4, size=n)
    return apart * np.array([[0.0, 0], [1, 0], [0, 1], [1, 1]])[group] + rng.normal(size=(n, 2)), group


def test_faded_components_are_left_out_of_passes_until_the_last_looks_at_all():
    X = corners(2000)[0]
    steps = list(gmm.em.steps(X, 20, bayesian=True, random_state=0, max_iter=1000, reg_covar=0, acceleration="auto"))
    empty = [(step.counts == 0).sum() for step in steps]
    assert empty[0] == 0
    assert max(empty) >= 15  # exactly: such a component was not looked at
    assert 0 < steps[-1].counts.min() < 1e-9


@every_prior
@every_type
def test_components_that_share_a_group_do_not_take_hundreds_of_passes(covariance_type, weights):
    X = corners(20_000)[0]
    mixture, few = (mixture_of(covariance_type, weights, n_components=K, max_iter=1000).fit(X) for K in (12, 4))
    assert mixture.n_effective_components_ == few.n_effective_components_ == 4
    assert mixture.n_iter_ < 100
    np.testing.assert_allclose(np.sort(mixture.counts_)[-4:], np.sort(few.counts_), rtol=1e-3)
    assert_climbed(mixture)


def test_a_fit_that_pauses_while_it_merges_is_one_fit():
    X, mixture = corners(3000)[0], BayesianGaussianMixture(n_components=12, random_state=0, max_iter=30, tol=0)
    whole = copy.copy(mixture).fit(X)
    assert whole.n_effective_components_ < 12
    parts = mixture.set_params(max_iter=1, warm_start=True)
    for _ in range(30):
        parts = pickle.loads(pickle.dumps(parts)).fit(X)
    assert_same(parts, whole, names=["means_", "lower_bound_"])


@every_prior
@pytest.mark.parametrize("number", [9, 16, 20, 29])
def test_no_component_of_one_row_is_left_where_a_merge_raises_the_bound(weights, number):
    rng, k, n = np.random.default_rng(10_000 + number), 2 + number % 3, (100, 200, 400)[number // 3 % 3]
    centres, group = 3 * rng.normal(size=(k, 10)), np.arange(n) % k
    shapes = rng.normal(size=(k, 10, 10)) / np.sqrt(10)
    X = centres[group] + np.einsum("nij,nj->ni", shapes[group], rng.normal(size=(n, 10)))
    far = np.vstack([X, 60 * np.ones(10)])  # a row that has nothing to do with the others
    for of_groups, n_groups in ((X, k), (far, k + 1)):
        assert len(np.unique(mixture_of("full", weights, n_components=10).fit_predict(of_groups))) == n_groups


# --- Alone, beside noise, and of rows with labels: what holds of any fit -------------------------------------


CENTRES = np.array([[0.0, 0.0], [6.0, 1.0], [-4.0, 6.0]])


def table(seed=0, n=450, n_noise=150, share=0.3):
    """Rows of three groups, then of noise; the group of each, −1 of noise; and labels, −1 where they are unknown."""
    rng = np.random.default_rng(seed)
    group = np.append(rng.integers(3, size=n), np.full(n_noise, -1))
    uniform, normal = rng.uniform(-12, 12, (len(group), 2)), CENTRES[group] + rng.normal(size=(len(group), 2))
    return np.where(group[:, None] < 0, uniform, normal), group, np.where(rng.random(len(group)) < share, group, -1)


BESIDE = {"nothing": ({}, False), "noise": ({"noise": True}, False)}
BESIDE |= {"labels": ({}, True), "both": ({"noise": True}, True)}
every_feature = pytest.mark.parametrize("beside", BESIDE)


def case(beside, *given, seed=0, **asked):
    """Rows, an estimator and the arguments of its fit."""
    parameters, labelled = BESIDE[beside]
    X, _, labels = table(seed, n_noise=150 if parameters else 0)
    how = {"labels": labels, "components_per_class": {0: 2, 2: 2}} if labelled else {}
    return X, mixture_of(*given, **parameters, **asked), how


@pytest.mark.parametrize("seed", range(8))
def test_components_are_sorted_beside_little_noise_without_a_fall(seed):
    how = {"noise": True, "init_params": "random_from_data", "reg_covar": 0, "tol": 1e-8, "random_state": seed}
    mixture = mixture_of("diag", **how).fit(table(n=300, n_noise=0)[0])
    assert_climbed(mixture)
    assert mixture.noise_weight_ < 0.02  # fits begin with more


@every_type
@every_prior
@every_feature
def test_what_is_saved_comes_back(covariance_type, weights, beside):
    X, mixture, how = case(beside, covariance_type, weights, mean_prior=[0.5, 0])
    for other in (*copies(mixture.fit(X, **how)), BayesianGaussianMixture.load(saved(mixture))):
        for name in (*FITTED, "lower_bound_", "lower_bounds_", "counts_", "noise_weight_"):
            np.testing.assert_array_equal(getattr(other, name), getattr(mixture, name))
        np.testing.assert_array_equal(other.mean_prior, [0.5, 0])
        np.testing.assert_array_equal(other.score_samples(X), mixture.score_samples(X))
        assert getattr(other, "component_classes_", None) is None or how
    np.testing.assert_array_equal(mixture.freeze().predict(X), mixture.predict(X))
    refused("GaussianMixture", gmm.GaussianMixture.load, saved(mixture))
    assert (mixture.noise_weight_ > 0.1) == ("noise" in BESIDE[beside][0])


@every_type
@every_feature
def test_gaps_go_along(beside, covariance_type):
    X, mixture, how = case(beside, covariance_type, "dirichlet_process", missing="em", reg_covar=0)
    whole = copy.copy(mixture).fit(X, **how)
    X[np.random.default_rng(0).random(X.shape) < 0.1] = np.nan
    assert_climbed(mixture.fit(X, **how), 1e-11)
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
    assert (mixture.sample(4000, random_state=0)[1] == -1).mean() == pytest.approx(mixture.noise_weight_, abs=0.03)
    assert f"noise of weight {mixture.noise_weight_:.4f}" in str(mixture)


def test_noise_may_take_all_rows():
    X = np.random.default_rng(0).uniform(-10, 10, (300, 2))
    with pytest.warns(gmm.ConvergenceWarning, match="All rows are noise"):
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


@pytest.mark.parametrize("noise", [False, True])
@every_prior
@pytest.mark.parametrize("acceleration", ["auto", None])
def test_steps_are_the_passes_of_a_fit(weights, acceleration, noise):
    X, *_ = table()
    how = {"noise": noise, "acceleration": acceleration, "random_state": 0, "max_iter": 60, "tol": 1e-3}
    mixture = mixture_of("full", weights, **how).fit(X)
    passes = list(gmm.em.steps(X, 6, bayesian=True, weight_concentration_prior_type=weights, **how))
    assert [step.lower_bound for step in passes] == mixture.lower_bounds_[: len(passes)]  # a fit may sort, and go on
    if not noise:
        assert passes[-1].counts.sum() == pytest.approx(len(X))


def test_rows_of_a_class_are_counted_in_its_components_and_unknown_ones_change_no_bit():
    X, group, _ = table(n_noise=0)
    mixture = mixture_of().fit(X, labels=group, components_per_class=2)
    assert mixture.component_classes_.tolist() == [0, 0, 1, 1, 2, 2]
    np.testing.assert_allclose(np.add.reduceat(mixture.counts_, [0, 2, 4]), np.bincount(group))
    one, other = mixture_of().fit(X), mixture_of().fit(X, labels=np.full(len(X), -1))
    assert_same(one, other, names=["means_", "lower_bounds_"])


@every_type
@every_prior
def test_classes_in_one_place_stay_apart_and_components_of_one_class_merge(covariance_type, weights):
    rng = np.random.default_rng(0)
    X, labels = rng.normal(size=(400, 2)), np.repeat(["b", "a"], 200)
    mixture = mixture_of(covariance_type, weights, n_components=8).fit(X, labels=labels, components_per_class=4)
    assert mixture.component_classes_.tolist() == mixture.plug_in().component_classes_.tolist() == ["a"] * 4 + ["b"] * 4
    np.testing.assert_allclose(np.add.reduceat(mixture.counts_, [0, 4]), [200, 200])
    assert mixture.n_effective_components_ == 2
    assert mixture.fit(X).n_effective_components_ == 1
    assert not hasattr(mixture, "classes_")
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


# --- Merges, beside plain passes and beside every merge that is left ------------------------------


def notes(seed=0, n=160):
    """Rows like the measurements of banknotes: two kinds, one of them in two groups, in six columns."""
    rng = np.random.default_rng(seed)
    shapes = rng.normal(size=(3, 6, 6)) / 2 + np.eye(6)
    centres = np.array([[0, 0, 0, 0, 0, 0], [0, 1, 1, 4, 3, -4], [0, 2, 2, 1, 5, -4]])
    kind = rng.choice(3, p=(0.5, 0.42, 0.08), size=n)
    return centres[kind] + np.einsum("nij,nj->ni", shapes[kind], rng.normal(size=(n, 6)))


TABLES = {"flowers": lambda: IRIS, "notes": notes, "corners": lambda: corners(200, 4)[0]}
TABLES["clouds"] = lambda: blobs(300, K=5, apart=1.5)  # which overlap
every_table = pytest.mark.parametrize("table", TABLES)


def ended(X, K, weights, **options):
    options = {"random_state": 0, "max_iter": 1000, "n_threads": 1, **options}
    return BayesianGaussianMixture(n_components=K, weight_concentration_prior_type=weights, **options).fit(X)


def behind(X, K, weights, **options):
    """By how much a default fit ends below plain passes."""
    plain = ended(X, K, weights, acceleration=None, **options)
    return plain.lower_bound_ - ended(X, K, weights, **options).lower_bound_


@every_prior
@every_type
@every_table
def test_a_default_fit_ends_no_lower_than_plain_passes(table, covariance_type, weights):
    X, lost = TABLES[table](), []
    for seed in range(5):
        part = X[np.random.default_rng(seed).permutation(len(X)) % 5 > 0]
        lost.append(behind(part, 12, weights, covariance_type=covariance_type, random_state=seed))
    assert np.median(lost) < 0.1
    assert max(lost) < 2, "a merge may lead elsewhere"


@every_prior
@pytest.mark.parametrize("seed", range(5))
def test_merges_beside_noise_end_no_lower_than_plain_passes(seed, weights):
    assert behind(table(seed, n=250, n_noise=80)[0], 12, weights, noise=True, random_state=seed) < 0.1


@every_prior
@pytest.mark.parametrize("concentration", [1e-2, None, 1e2])
def test_random_responsibilities_collapse_no_more_than_in_plain_passes(concentration, weights):
    """There all components are alike at first: merges would gain, but less than what is to come."""
    angle = np.linspace(0, np.pi, 150)
    moons = np.concatenate([[np.cos(angle), np.sin(angle)], [1 - np.cos(angle), 0.5 - np.sin(angle)]], axis=1).T
    X = moons + np.random.default_rng(0).normal(0, 0.06, moons.shape)
    how = {"init_params": "random", "weight_concentration_prior": concentration}
    assert max(behind(X, 10, weights, random_state=seed, **how) for seed in range(4)) < 1


@cases(("tied", "dirichlet_process", 4), ("tied", "dirichlet_distribution", 4), ("diag", "dirichlet_distribution", 6))
def test_no_merge_takes_a_component_that_is_about_to_part(covariance_type, weights, seed):
    """Passes gain little for a while, then much more than the merge of two components that still overlap."""
    how = {"covariance_type": covariance_type, "init_params": "random_from_data", "random_state": seed}
    assert behind(IRIS, 4, weights, **how) < 0.1


def merged(shares, j, k):
    """Responsibilities in which k has joined j and the last component is empty."""
    both = shares.copy()
    both[:, j] += both[:, k]
    return np.hstack([np.delete(both, k, axis=1), np.zeros((len(both), 1))])


@every_prior
@every_table
def test_no_merge_that_is_left_raises_the_bound(table, weights):
    X = TABLES[table]()
    for seed in range(3):
        fit = ended(X, 10, weights, random_state=seed)
        shares, left = fit.predict_proba(X), np.flatnonzero(fit.counts_ >= 1)
        assert len(left) > 1
        for n, k in enumerate(left):
            for j in left[:n]:
                again = ended(X, 10, weights, init_params=merged(shares, j, k), acceleration=None, max_iter=100)
                assert again.lower_bound_ <= fit.lower_bound_ + 0.1, (seed, j, k)


@every_prior
@every_type
def test_groups_that_lie_apart_stay_apart(covariance_type, weights):
    for n, apart in ((40, 12), (100, 8), (400, 6), (3000, 6)):
        X, group = corners(n, apart)
        labels = ended(X, 12, weights, covariance_type=covariance_type).predict(X)
        owners = [int(np.bincount(group[labels == k]).argmax()) for k in np.unique(labels)]
        assert sorted(set(owners)) == [0, 1, 2, 3], n

"""Uniform noise: the fit against mclust's published example, and simulated clutter."""

import numpy as np
import pytest

import gmm
import inside
import reference
from gmm import GaussianMixture, select
from inside import STARTS, ArraySource, Scorer, fitted_parameters
from tables import DATA, FAITHFUL, cases, numbers_of, refused, reloaded

K, D = 3, 2


def clutter(n=600, n_noise=300):
    """Rows of some groups in a box of side 20, and of noise in it, last."""
    rng = np.random.default_rng(0)
    centres = rng.uniform(-7, 7, (K, D))
    factors = 0.25 * rng.normal(size=(K, D, D)) + 0.4 * np.eye(D)
    group = rng.integers(K, size=n)
    rows = centres[group] + np.einsum("ni,nij->nj", rng.normal(size=(n, D)), factors[group])
    return np.concatenate([rows, rng.uniform(-10, 10, (n_noise, D))])


# The example of mclust's manual (`?Mclust`, 6.0): faithful, and 100 rows of noise drawn by R after set.seed(0). The
# numbers are mclust's, with the true noise as a start and tol=1e-10: log-likelihood, df, BIC, ICL, weight of the noise.
MCLUST = {
    ("VVV", 2): (-1745.53092658, 13, -3568.00747327, -3677.48350927, 0.358785640057),
    ("EEE", 2): (-1756.2426072, 10, -3571.67415295, -3686.07699169, 0.360318054737),
    ("VEV", 2): (-1749.9434155, 12, -3570.91355725, -3679.61181516, 0.365990270587),
    ("VVI", 2): (-1749.85860077, 11, -3564.82503393, -3677.27385406, 0.374693458312),
    ("EEE", 3): (-1743.45111342, 13, -3563.84784694, -3709.50614872, 0.35977413734),
}


def with_noise():
    noise = numbers_of(DATA / "noise_for_faithful.csv")
    return np.concatenate([FAITHFUL, noise])


@pytest.mark.parametrize(("cell", "expected"), MCLUST.items(), ids=str)
def test_fits_are_mclusts(cell, expected):
    X, (name, n_components) = with_noise(), cell
    loglik, df, bic, icl, weight = expected
    how = {"noise": True, "random_state": 0, "reg_covar": 0, "tol": 1e-10, "max_iter": 5000}
    fit = GaussianMixture(n_components, covariance_type=name, **how).fit(X)
    assert fit.log_likelihood(X) == pytest.approx(loglik, abs=2e-6)
    assert fit.n_parameters_ == df
    assert -fit.bic(X) == pytest.approx(bic, abs=4e-6)
    assert -fit.criteria(X)["icl"] == pytest.approx(icl, abs=0.01)  # it hangs on the last digits of mclust's parameters
    assert fit.noise_weight_ == pytest.approx(weight, abs=5e-5)


def test_a_search_is_never_below_mclusts():
    """Of 126 cells, mclust's best is VVE, 2 with BIC −3563.0929."""
    found = select(with_noise(), range(1, 4), noise=True, random_state=0, reg_covar=0)
    assert -found.bic.min() > -3563.0929
    of_cell = dict(zip(zip(found.covariance_type, found.n_components.tolist(), strict=True), found.loglik, strict=True))
    for cell, (loglik, *_) in MCLUST.items():
        assert of_cell[cell] > loglik - 1e-4
    assert found.best.noise_weight_ == pytest.approx(0.367, abs=0.005)


X = clutter()


@pytest.fixture(scope="module")
def mixture():
    return GaussianMixture(K, noise=True, random_state=0).fit(X)


def test_samples_have_noise(mixture):
    rows, components = mixture.sample(20_000, random_state=0)
    assert (components == -1).mean() == pytest.approx(mixture.noise_weight_, abs=0.01)
    noise = rows[components == -1]
    np.testing.assert_allclose(noise.min(axis=0), X.min(axis=0), atol=0.1)
    np.testing.assert_allclose(noise.std(axis=0), np.ptp(X, axis=0) / np.sqrt(12), rtol=0.02)
    assert mixture.score(rows) == pytest.approx(mixture.score(X), abs=0.1)
    largest = Scorer(fitted_parameters(mixture)).largest_responsibilities(ArraySource(X))
    shares = mixture.predict_proba(X)
    np.testing.assert_allclose(largest, np.maximum(shares.max(axis=1), 1 - shares.sum(axis=1)), atol=1e-12)


def test_columns_of_a_mixture_with_noise(mixture):
    part = mixture.marginal([1])
    assert part.noise_weight_ == pytest.approx(mixture.noise_weight_)
    for made in (gmm.analysis.adapt(mixture, X), part):
        assert made.noise_weight_ > 0
        np.testing.assert_array_equal(made.noise, fitted_parameters(made).noise.box)
    for row in X[:20]:  # p(x, y) = p(y) p(x | y), inside of the box
        given = mixture.condition({1: row[1]})
        both = part.score_samples(row[None, 1:]) + given.score_samples(row[None, :1])
        np.testing.assert_allclose(both, mixture.score_samples(row[None]), rtol=1e-9)
        assert given.weights_.sum() + given.noise_weight_ == pytest.approx(1)
    far = mixture.condition({0: 100.0})
    assert np.isfinite(far.predict_proba([[0.0]])).all()
    assert far.noise_weight_ == pytest.approx(1)
    assert reloaded(far).score([[0.0]]) == far.score([[0.0]])


@pytest.mark.parametrize("apart", [6, 60])
def test_noise_whose_weight_is_lost_is_still_said(apart, mixture):
    rows = np.random.default_rng(0).normal(size=(400, 2)) * 0.3 + np.repeat([[0, 0], [apart, apart]], 200, axis=0)
    lost = GaussianMixture(2, noise=True, random_state=0, tol=1e-12, max_iter=500).fit(rows)
    assert lost.noise_weight_ < 1e-4
    for each, told in ((lost, "below 0.0001"), (mixture, f"{mixture.noise_weight_:.4f}")):
        for text in (str(each), each._repr_html_()):
            assert f"noise of weight {told}" in text


def test_the_bootstrap_test_counts_groups_beside_noise():
    rng = np.random.default_rng(0)
    X = np.vstack([rng.normal(size=(150, 2)), rng.normal(6, 1, size=(150, 2)), rng.uniform(-12, 18, (100, 2))])
    one, two = (gmm.inference.bootstrap_lrt(X, K, noise=True, n_replicates=19, random_state=0) for K in (1, 2))
    assert one.p_value == 0.05
    assert two.p_value > 0.2
    assert one.null.noise_weight_ == pytest.approx(one.alternative.noise_weight_, abs=0.05)
    assert two.statistic == pytest.approx(2 * (two.alternative.score(X) - two.null.score(X)) * len(X))
    assert (two.replicates >= 0).all()


@pytest.mark.parametrize("top", [9, 1])  # of the noise, beside that of the rows
@pytest.mark.parametrize("covariance_type", ["full", "diag", "tied", "VEV"])
def test_noise_takes_part_in_predictions_of_columns(covariance_type, top):
    """Against the density of the mixture, integrated over a grid of the other column."""
    rng = np.random.default_rng(3)
    X = [rng.normal([4, 0], 1, size=(300, 2)), rng.normal(size=(300, 2)) @ [[1, 0.8], [0, 0.5]]]
    X = np.vstack([*X, 12 * rng.uniform(size=(200, 2)) - 4])
    mixture = GaussianMixture(2, covariance_type=covariance_type, noise=[[-5, -5], [9, top]], random_state=0)
    mixture.fit(X, sample_weight=np.full(len(X), 1e6))  # so that intervals take the parameters for the truth
    predicted = mixture.predict_from([[-3.0], [0.5], [4.0], [8.5]], [0], level=0.8)
    grid = np.linspace(-8, 12, 40_001)
    beyond = (np.abs(grid - (top - 5) / 2) > (top + 5) / 2) * mixture.noise_weight_ / (14 * (top + 5))
    for row, x in enumerate([-3.0, 0.5, 4.0, 8.5]):
        density = np.exp(mixture.score_samples(np.column_stack([np.full(len(grid), x), grid]))) - beyond
        density /= density.sum()
        mean, interval = density @ grid, np.interp([0.1, 0.9], np.cumsum(density), grid)
        expected = [mean, np.sqrt(density @ (grid - mean) ** 2), *interval]
        told = [predicted.means[row, 0], predicted.deviations[row, 0], *predicted.intervals[row, 0]]
        np.testing.assert_allclose(told, expected, atol=2e-3)
    unseen = mixture.set_params(missing="em").predict_from([[np.nan]], [0]).means[0, 0]
    expected = mixture.weights_ @ mixture.means_[:, 1] + mixture.noise_weight_ * (top - 5) / 2
    assert unseen == pytest.approx(expected)
    far = mixture.predict_from([[1e100]], [0], level=0.5)
    np.testing.assert_allclose([far.means[0, 0], *far.intervals[0, 0]], np.array([0.5, 0.25, 0.75]) * (top + 5) - 5)


@cases(
    *((noise, "must be") for noise in (0.0, 1.0, "yes", None)),
    ([[0.0, 0.0], [1.0, 0.0]], "above 0 in every column, got 0 at column 1 of noise"),
    ([0.0, 1.0], r"shape of \(2, 2\)"),
    ([[0.0, 0.0], [1.0, np.nan]], "finite"),
)
def test_noise_that_is_none(noise, text):
    refused(text, GaussianMixture(K, noise=noise).fit, X)
    refused("a box with a volume", GaussianMixture(1, noise=True).fit, [[0.0, 1.0], [1.0, 1.0], [2.0, 1.0]])


def test_a_share_and_a_box_to_start_from():
    start = GaussianMixture(K, noise=0.2, means_init=X[:K], max_iter=0).fit(X)
    assert start.noise_weight_ == pytest.approx(0.2)
    low, high = fitted_parameters(start).noise.box
    np.testing.assert_array_equal((low, high), (X.min(axis=0), X.max(axis=0)))
    inner = GaussianMixture(K, noise=[[-10, -10], [10, 10]], random_state=0).fit(X)
    assert fitted_parameters(inner).noise.log_density == pytest.approx(-np.log(400))
    inner.set_params(warm_start=True, max_iter=300, noise=[[-50, -50], [50, 50]]).fit(X)
    assert inner.lower_bound_ == pytest.approx(inner.score(X), abs=1e-5)
    refused("the same", inner.set_params(noise=False).fit, X)
    for flag in (True, False):
        one, other = (GaussianMixture(K, noise=noise, random_state=0).fit(X) for noise in (np.array(flag), flag))
        assert (one.noise_weight_ > 0) == (other.noise_weight_ > 0) == flag


def test_halves_of_an_iteration_know_noise():
    X = clutter(n=6000, n_noise=3000)
    whole = GaussianMixture(K, noise=True, random_state=0, tol=1e-8, max_iter=1000, reg_covar=0).fit(X)
    parts = gmm.em.e_step(whole, X[:4000]) + gmm.em.e_step(whole, X[4000:])
    again = gmm.em.m_step(whole, parts)
    np.testing.assert_allclose(again.means_, whole.means_, rtol=1e-3, atol=1e-4)
    assert again.noise_weight_ == pytest.approx(whole.noise_weight_, abs=1e-4)
    refused("as it has the box of noise", gmm.em.m_step, GaussianMixture(K, noise=True), parts)


def test_rows_of_no_weight_are_outside_of_the_box_of_every_source():
    rows, weight = clutter().astype(np.float32), np.ones(900)
    rows[0] = 1e6
    weight[0] = 0
    fit = GaussianMixture(3, noise=True, random_state=0).fit
    for source, of_rows in ((rows, weight), (gmm.open_rows(lambda: [(rows, weight)]), None)):
        box = fitted_parameters(fit(source, sample_weight=of_rows)).noise.box
        assert box.dtype == np.float64
        np.testing.assert_array_equal(box, [rows[1:].min(axis=0), rows[1:].max(axis=0)])


GROUPS = [np.random.default_rng(5).normal(m, 1, (60, 2)) for m in (-4, 4)]
CLUTTER = np.concatenate([*GROUPS, np.random.default_rng(6).uniform(-20, 20, (40, 2))])


def test_what_responsibilities_leave_is_noise_at_the_start():
    given, number = np.zeros((160, 2)), np.arange(160)[:, None]
    given[:60, 0] = given[60:120, 1] = 1

    def begun(noise=True, max_iter=0, given=given):
        return GaussianMixture(2, noise=noise, init_params=given, max_iter=max_iter).fit(CLUTTER)

    assert begun().noise_weight_ == pytest.approx(0.25)
    np.testing.assert_allclose(begun().means_, [CLUTTER[:60].mean(axis=0), CLUTTER[60:120].mean(axis=0)])
    assert (begun(max_iter=100).predict(CLUTTER) == -1).sum() > 30
    given[120:] = 0.5
    assert begun(0.1).noise_weight_ == pytest.approx(0.1)
    refused(r"most 1.*row 3 is 1\.5", begun, given=np.where(number == 3, 0.75, given))
    refused(r"to 1.*row 7 is 0", begun, False, given=np.where(number == 7, 0, given))


@pytest.mark.parametrize("covariance_type", [*inside.PARSIMONIOUS, *reference.OF_FACTORS])
def test_one_fit_finds_groups_where_most_rows_are_noise(covariance_type):
    how = {"covariance_type": covariance_type, "noise": True, "tol": 1e-6, "max_iter": 1000}
    for seed in (0, 4, 5):
        # Two thin groups that meet at an angle in rows of which four fifths are noise, and their responsibilities.
        rng, n, size = np.random.default_rng(seed), 1100, 110
        along, slope = rng.uniform(10, 50, (2, size)), np.array([[0.8], [-0.8]])
        arms = np.stack([60 + along, 50 + slope * (along - 10) + rng.normal(0, 2, (2, size))], axis=-1).reshape(-1, 2)
        rows = np.concatenate([arms, rng.uniform(0, 120, (n - 2 * size, 2))])
        groups = np.eye(3)[np.repeat([0, 1, 2], [size, size, n - 2 * size])][:, :2]
        fit, known = GaussianMixture(2, random_state=seed, **how), GaussianMixture(2, init_params=groups, **how)
        assert fit.fit(rows).lower_bound_ > known.fit(rows).lower_bound_ - 1 / len(rows)


@pytest.mark.parametrize("n", [4, 10, 40])
@pytest.mark.parametrize("init_params", STARTS)
def test_few_rows_leave_starts_without_their_densest_part(n, init_params):
    rows = np.random.default_rng(n).normal(size=(n, 2))
    assert GaussianMixture(3, noise=True, init_params=init_params, random_state=0).fit(rows).weights_.shape == (3,)
    assert select(rows, [3], ["VII"], noise=True, init_params=init_params, random_state=0).best.n_components == 3


def test_a_start_in_a_dense_place_that_collapses_is_left_out():
    """Without a ridge: the densest rows are ties."""
    rng = np.random.default_rng(0)
    rows = np.concatenate([np.zeros((30, 2)), rng.normal(size=(150, 2)) + 5, rng.uniform(-10, 10, (120, 2))])
    assert np.isfinite(GaussianMixture(1, noise=True, reg_covar=0, random_state=0).fit(rows).lower_bound_)


@pytest.mark.parametrize("covariance_type", ["EII", "VVV", "EEE"])
def test_nec_compares_with_one_component_beside_the_same_noise(covariance_type):
    how = {"covariance_type": covariance_type, "noise": True, "tol": 1e-9, "max_iter": 1000, "random_state": 0}
    one, several = (GaussianMixture(k, **how).fit(CLUTTER) for k in (1, 3))
    shares = several.predict_proba(CLUTTER)
    shares = np.column_stack([shares, 1 - shares.sum(axis=1)])
    entropy = -np.where(shares > 0, shares * np.log(np.maximum(shares, 1e-300)), 0).sum()
    expected = entropy / (several.log_likelihood(CLUTTER) - one.log_likelihood(CLUTTER))
    assert several.criteria(CLUTTER)["nec"] == pytest.approx(expected, rel=1e-4)
    found = select(CLUTTER, [1, 3], covariance_type, noise=True, random_state=0)
    np.testing.assert_allclose(found.nec, [1, found.estimators[1].criteria(CLUTTER)["nec"]], rtol=1e-3)
    assert one.criteria(CLUTTER)["nec"] == 1, "by definition"

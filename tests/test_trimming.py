"""Trimmed fits: the rows of least density are left out, and the rest has the highest likelihood."""

import itertools

import numpy as np
import pytest
from scipy.optimize import linprog

import gmm
import inside
from gmm import GaussianMixture
from inside import save_state, state_of, trimmed
from inside import start_seeds as seeds_of
from tables import refused, reloaded

rng = np.random.default_rng(0)
CLEAN = np.concatenate([rng.normal(0, 1, (60, 2)), rng.normal([8, 0], 1, (40, 2))])
STRAYS = rng.uniform(-60, 60, (10, 2))
ROWS = np.concatenate([CLEAN, STRAYS])
SHARE = 10 / 110


def fit(rows=ROWS, K=2, trim=SHARE, sample_weight=None, **parameters):
    how = {"trim": trim, "random_state": 0, "tol": 1e-8, "max_iter": 2000} | parameters
    return GaussianMixture(K, **how).fit(rows, sample_weight=sample_weight)


def trimmed_likelihood(mixture):
    """The mean log-likelihood of the rows that are left, where a whole number is left out."""
    return np.sort(mixture.score_samples(ROWS))[round(SHARE * len(ROWS)) :].mean()


@pytest.mark.parametrize("share", [0.0, 0.1, 0.37, 0.8])
def test_the_weights_are_the_best_of_their_sum(share):
    """Twin: the linear programme max Σ w_i v_i over 0 ≤ w_i ≤ own weight and Σ w_i = (1 − share) W."""
    rng = np.random.default_rng(1)
    own, values = rng.uniform(0, 3, 40), rng.normal(size=40).round(1)
    weight, left = trimmed(own, values, share), (1 - share) * own.sum()
    best = linprog(-values, A_eq=np.ones((1, 40)), b_eq=[left], bounds=[(0, most) for most in own])
    assert weight.sum() == pytest.approx(left)
    assert ((weight >= 0) & (weight <= own)).all()
    assert weight @ values == pytest.approx(-best.fun)


@pytest.mark.parametrize("n", [7, 100, 290])
def test_equal_values_keep_the_same_part_and_whole_numbers_of_rows_leave_none(n):
    assert trimmed(np.ones(6), np.array([3.0, 1, 1, 1, 1, 2]), 0.5).tolist() == [1, 0.25, 0.25, 0.25, 0.25, 1]
    assert trimmed(np.array([1.0, 0, 2]), np.array([-np.inf, 0.0, 1.0]), 1 / 3).tolist() == [0, 0, 2]
    for out in range(n):
        weight = trimmed(np.ones(n), np.arange(n)[::-1] + 0.0, out / n)
        assert set(weight) <= {0.0, 1.0}
        assert (weight == 0).sum() == out


@pytest.mark.parametrize("seed", range(6))
def test_one_component_is_the_exact_optimum_over_all_subsets(seed):
    """Twin: of all subsets, the one whose maximum likelihood is highest, by brute force."""
    rng = np.random.default_rng(seed)
    rows = np.concatenate([rng.normal(size=(9, 2)), rng.uniform(5, 9, (3, 2)) * rng.choice([-1, 1], (3, 2))])
    mixture = fit(rows, 1, 3 / 12, reg_covar=0)
    volume = {kept: np.linalg.det(np.cov(rows[list(kept)].T)) for kept in itertools.combinations(range(12), 9)}
    best = min(volume, key=volume.get)
    assert np.flatnonzero(~mixture.trimmed_).tolist() == list(best)
    np.testing.assert_allclose(mixture.means_[0], rows[list(best)].mean(axis=0))


@pytest.mark.parametrize("acceleration", ["auto", None])
@pytest.mark.parametrize("trim", [0.02, 0.05, SHARE, 0.2, 0.33])
def test_the_likelihood_of_the_rest_never_falls(acceleration, trim):
    mixture = fit(trim=trim, acceleration=acceleration, reg_covar=0, n_init=2)
    assert (np.diff(mixture.lower_bounds_) > -1e-9).all()
    assert mixture.converged_
    assert mixture.n_iter_ == len(mixture.history_) == len(mixture.lower_bounds_)


@pytest.mark.parametrize("trim", [0.02, SHARE, 0.25])
def test_the_rows_outside_are_those_of_the_least_density(trim):
    mixture = fit(trim=trim)
    values, outside = mixture.score_samples(ROWS), mixture.trimmed_
    assert outside.sum() == int(trim * 110 + 1e-9)
    assert values[outside].max() <= values[~outside].min()
    kept = trimmed(np.ones(110), values, trim)
    assert mixture.lower_bound_ == pytest.approx(kept @ values / kept.sum(), abs=1e-5)


def test_strays_move_nothing():
    clean, among = fit(CLEAN, trim=0), fit()
    assert among.trimmed_.tolist() == [False] * 100 + [True] * 10
    np.testing.assert_allclose(np.sort(among.means_, axis=0), np.sort(clean.means_, axis=0), atol=1e-4)
    assert among.fit_predict(ROWS)[100:].tolist() == [-1] * 10
    assert (among.fit_predict(ROWS)[:100] == among.predict(CLEAN)).all()


@pytest.mark.parametrize("K", [1, 2, 3])
@pytest.mark.filterwarnings("ignore::gmm.ConvergenceWarning")
def test_no_random_start_finds_much_more(K):
    """Against tclust's way: many starts from a few random rows each, and the same turns."""
    rng, best = np.random.default_rng(3), -np.inf
    for _ in range(15):
        means = ROWS[rng.choice(110, K, replace=False)]
        best = max(best, trimmed_likelihood(fit(K=K, means_init=means, max_ratio=12, tol=1e-4)))
    assert trimmed_likelihood(fit(K=K, max_ratio=12)) > best - 0.02


def test_each_start_leaves_rows_out_by_itself(monkeypatch):
    """A fit of several starts is the best of fits of one, whose rows it leaves out."""
    seeds = seeds_of(0, 5)
    several = fit(K=4, n_init=5)
    alone = []
    for seed in seeds:
        with monkeypatch.context() as patch:
            patch.setattr(inside.seeds, "start_seeds", lambda *_, seed=seed: (seed,))
            alone.append(fit(K=4))
    bounds = [mixture.lower_bound_ for mixture in alone]
    assert len(set(bounds)) > 1
    assert [history.lower_bounds for history in several.histories_] == [each.history_.lower_bounds for each in alone]
    best = int(np.argmax(bounds))
    assert [history.start for history in several.histories_] == list(range(5))
    assert (several.history_.start, several.lower_bound_) == (best, bounds[best])
    np.testing.assert_array_equal(several.trimmed_, alone[best].trimmed_)


def assert_same(one, two, scale=1.0, shift=(0, 0), **how):
    """The components in the order of the first column, of rows that may have moved and stretched."""
    orders = [np.argsort(mixture.means_[:, 0]) for mixture in (one, two)]
    for name, by, to in (("weights_", 1, 0), ("means_", scale, shift), ("covariances_", scale**2, 0)):
        ours, theirs = (getattr(each, name)[order] for each, order in zip((one, two), orders, strict=True))
        np.testing.assert_allclose(ours, by * theirs + to, **{"rtol": 1e-6, "atol": 1e-6} | how)


@pytest.mark.parametrize("trim", [0.03, SHARE, 0.3])
def test_repeats_order_shift_and_scale_change_nothing(trim):
    rng = np.random.default_rng(2)
    number, order = rng.integers(0, 3, 110), rng.permutation(110)
    plain = fit(trim=trim, sample_weight=number)
    times = number[order]
    moved = fit(np.repeat(ROWS[order] * 4 + [64, -128], times, axis=0), trim=trim, reg_covar=16e-6)
    assert_same(moved, plain, 4.0, [64, -128], atol=1e-5)
    np.testing.assert_array_equal(np.repeat(plain.trimmed_[order], times), moved.trimmed_)
    assert not plain.trimmed_[number == 0].any()


def test_a_prior_is_completed_by_the_rows_that_are_left():
    far = fit(np.concatenate([CLEAN, 1e4 * STRAYS]), prior="conjugate")
    assert_same(far, fit(prior="conjugate"), atol=1e-3)


def test_rows_of_known_class_are_left_out_too():
    labels = np.repeat([0, 1, 1], [60, 40, 10])
    mixture = GaussianMixture(2, trim=SHARE, random_state=0).fit(ROWS, labels=labels)
    assert mixture.trimmed_[100:].all()
    assert mixture.component_classes_.tolist() == [0, 1]


@pytest.mark.parametrize("components", [1, 2])
def test_a_class_without_rows_that_are_left_is_refused(components):
    X, labels = np.random.default_rng(0).normal(size=(40, 2)), np.repeat([-1, 0], [38, 2])
    X[38:] += 9 * (components == 1)
    mixture = GaussianMixture(components + 2, trim=0.9, random_state=0)
    with pytest.raises(ValueError, match=rf"leaves 0 of the class of row 38 for {components}: .*Trim less"):
        mixture.fit(X, labels=labels, components_per_class=components)


def test_beside_a_ridge_the_rows_of_least_density_are_left_out():
    for seed in (46, 96):
        draws = np.random.default_rng(seed)
        X = draws.normal(size=(60, 1 + seed % 3))
        X[:8] += draws.normal(0, 3, (8, X.shape[1]))
        mixture = GaussianMixture(2, trim=0.13, reg_covar=0.1, tol=1e-11, max_iter=2000, random_state=0).fit(X)
        least = np.argsort(mixture.score_samples(X))[:7]
        np.testing.assert_array_equal(np.flatnonzero(mixture.trimmed_), np.sort(least))


def test_a_warm_start_continues():
    mixture = fit(warm_start=True, trim=0.2)
    again = GaussianMixture(**mixture.get_params()).fit(ROWS)
    again.fit(ROWS)
    assert again.n_iter_ <= mixture.n_iter_
    assert_same(mixture, again)
    begin = {"weights_init": mixture.weights_, "means_init": mixture.means_, "precisions_init": mixture.precisions_}
    assert_same(again.set_params(trim=0.0).fit(ROWS), fit(trim=0.0, **begin), atol=1e-3)


@pytest.mark.filterwarnings("ignore::gmm.ConvergenceWarning")
def test_a_callback_sees_all_turns_and_ends_them_as_max_iter_does():
    seen = []
    mixture = GaussianMixture(2, trim=0.25, random_state=0, tol=1e-8, max_iter=2000)
    mixture.fit(ROWS, callback=seen.append)
    assert [iteration.lower_bound for iteration in seen] == mixture.lower_bounds_
    assert sum(iteration.n_iter == 1 for iteration in seen) > 1, "several turns"
    mixture.fit(ROWS, callback=lambda iteration: True)
    assert mixture.n_iter_ == 1
    for max_iter in (0, 1, 3, 7):
        assert fit(trim=0.25, max_iter=max_iter).n_iter_ <= max_iter


def test_what_is_printed_saved_and_left_behind():
    mixture = fit()
    assert "9.1\N{NO-BREAK SPACE}% of the rows trimmed" in str(mixture)
    assert "n = 100" in str(mixture)
    assert "of the rows that trim leaves" in str(mixture)
    for rows in (ROWS, ROWS[~mixture.trimmed_]):
        summary = str(mixture.summary(rows))
        assert f"{len(rows)} rows" in summary
        assert "of all rows that were passed; trim leaves out none of them" in summary
    loaded = reloaded(mixture)
    assert loaded.trim == SHARE
    np.testing.assert_array_equal(loaded.trimmed_, mixture.trimmed_)
    mixture.means_ = mixture.means_ + 1
    for without in (mixture, fit(trim=0.0)):
        with pytest.raises(AttributeError, match=r"trimmed_.*trim"):
            without.trimmed_  # noqa: B018


@pytest.mark.parametrize("wrong", [np.ones(110), np.ones((110, 1), dtype=bool), np.array(True)])
def test_a_file_marks_each_row(tmp_path, wrong):
    mixture, file = fit(), tmp_path / "damaged.gmm"
    header, arrays = state_of(mixture)
    save_state(file, header, arrays | {"trimmed": wrong})
    refused("expected a vector of booleans in 'trimmed', got", gmm.load, file)


@pytest.mark.parametrize(
    ("call", "error", "told"),
    [
        *(
            (lambda trim=trim: fit(trim=trim), ValueError, r"'trim'.*\[0.0, 1.0\)")
            for trim in (-0.1, 1.0, np.nan, "5 %", None, [0.1])
        ),
        (lambda: fit(CLEAN[:10], 3, 0.95), ValueError, r"n_components = 3, n_samples = [12]"),
        (lambda: gmm.select(ROWS, 2, trim=0.1), TypeError, "trim applies to a single fit.*leave it out"),
        (lambda: gmm.inference.bootstrap_lrt(ROWS, 1, trim=0.1), TypeError, "trim applies to a single fit.*leave it"),
        (lambda: gmm.inference.split_lrt(ROWS, 1, trim=0.1), TypeError, "trim applies to a single fit.*leave it out"),
        (lambda: gmm.em.steps(ROWS, 2, trim=0.1), ValueError, "no trim.*sample_weight"),
    ],
)
def test_what_cannot_be_trimmed_is_refused(call, error, told):
    refused(told, call, error=error)

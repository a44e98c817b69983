"""Starts over every kind of fit: clear groups are found."""

import numpy as np
import pytest

from gmm import BayesianGaussianMixture, GaussianMixture

TYPES = "full", "diag", "tied", "spherical"


def with_gaps(share):
    def table(rng, X, z):
        gaps = rng.random(X.shape) < share
        gaps[gaps.all(axis=1)] = False
        return np.where(gaps, np.nan, X), {"missing": "em"}, {}

    return table


def with_errors(variances):
    """Rows of half the deviation, with errors of variances that are drawn for the rows and their groups."""

    def table(rng, X, z):
        sizes = variances(rng, z)[:, None] * np.ones(X.shape[1])
        inner = X + np.sqrt(sizes) * rng.normal(size=X.shape)
        return inner, {}, {"error_covariance": sizes}

    return table


def labelled(known):
    def table(rng, X, z):
        some = (rng.random(len(z)) < 0.25) & (z >= known)
        for k in range(known, z.max() + 1):
            some[np.argmax(z == k)] = True
        return X, {}, {"labels": np.where(some, z, -1)}

    return table


def beside_noise(rng, X, z):
    noise = rng.uniform(X.min(axis=0) - 3, X.max(axis=0) + 3, (len(X) // 8, X.shape[1]))
    return np.concatenate([X, noise]), {"noise": True}, {}


KINDS = {
    "plain": lambda rng, X, z: (X, {}, {}),
    "float32": lambda rng, X, z: (X.astype(np.float32), {}, {}),
    "weights": lambda rng, X, z: (X, {}, {"sample_weight": rng.integers(1, 5, len(X)).astype(float)}),
    "5 % gaps": with_gaps(0.05),
    "15 % gaps": with_gaps(0.15),
    "equal errors": with_errors(lambda rng, z: np.full(len(z), 0.3)),
    "errors of rows": with_errors(lambda rng, z: 0.05 + rng.exponential(0.3, len(z))),
    "errors of groups": with_errors(lambda rng, z: np.array([0.05, 0.1, 0.5, 1.0, 1.5])[z]),
    "a few large errors": with_errors(lambda rng, z: np.minimum(0.05 + 0.2 * rng.pareto(1.0, len(z)), 400)),
    "labels": labelled(0),
    "a class without labels": labelled(1),
    "noise": beside_noise,
    "heavy tails": lambda rng, X, z: (X + rng.standard_t(3, size=X.shape) / 2, {"tails": "t"}, {}),
}


def easy(kind, seed):
    """Two to five groups seven deviations apart at least; parameters of the estimator and of its fit; the means."""
    rng = np.random.default_rng([len(kind), seed])
    d, K, means = int(rng.integers(2, 9)), int(rng.integers(2, 6)), []
    while len(means) < K:
        mean = rng.uniform(5, 25) * rng.normal(size=d)
        if all(np.linalg.norm(mean - other) >= 8.5 for other in means):
            means.append(mean)
    n = K * int(rng.integers(8 * (d + 1), 40 + 12 * (d + 1)))
    z = np.repeat(np.arange(K), np.maximum(rng.multinomial(n, rng.dirichlet(np.full(K, 4))), 4 * (d + 1)))
    X, how, of_fit = KINDS[kind](rng, np.array(means)[z] + rng.normal(size=(len(z), d)), z)
    return X, how, of_fit, np.array(means)


@pytest.mark.parametrize("kind", KINDS)
def test_no_group_is_lost(kind):
    lost = []
    for seed in range(16):
        X, how, of_fit, means = easy(kind, seed)
        fit = GaussianMixture(len(means), covariance_type=TYPES[seed % 4], random_state=seed, **how).fit(X, **of_fit)
        away = np.linalg.norm(fit.means_ - means[:, None], axis=2)
        if len({*away.argmin(axis=1)}) < len(means) or away.min(axis=1).max() > 3:  # no mean of its own within 3
            lost.append(seed)
    assert not lost


@pytest.mark.parametrize("kind", ["plain", "weights", "15 % gaps"])
def test_no_posterior_is_below_that_of_the_groups(kind):
    for seed in range(8):
        X, how, of_fit, means = easy(kind, seed)
        asked = {"n_components": len(means), "covariance_type": TYPES[seed % 4], "random_state": seed, **how}
        near = np.square(np.nan_to_num(X[:, None] - means)).sum(axis=2).argmin(axis=1)
        found = BayesianGaussianMixture(**asked).fit(X, **of_fit)
        given = BayesianGaussianMixture(**asked, init_params=np.eye(len(means))[near]).fit(X, **of_fit)
        assert found.lower_bound_ > given.lower_bound_ - 1


def repeats(seed, step, value, d, constant, weighted=False):
    """Two groups, and rows on one value of the first column (of all: `constant`); rounded to multiples of a step."""
    rng = np.random.default_rng(seed)
    sizes = (40, 3, 4000, 0), (80, 10, 800, 5)
    groups = [rng.normal((m, *d * [away])[:d], (s, *d * [1])[:d], (n, d)) for m, s, n, away in sizes]
    others = np.zeros((d - 1, 500)) if constant else rng.normal(-3, 1, (d - 1, 500))
    X = np.concatenate([*groups, np.column_stack([np.full(500, value), *others])])
    X = np.round(X / step) * step if step else X
    return np.unique(X, axis=0, return_counts=True) if weighted else (X, None)


@pytest.mark.filterwarnings("ignore::gmm.DegenerateWarning")
@pytest.mark.parametrize("weighted", [False, True], ids=["rows", "counts"])
@pytest.mark.parametrize(("d", "constant"), [(1, True), (2, False), (3, True)])
@pytest.mark.parametrize("value", [0.0, 60.0, 120.0])
@pytest.mark.parametrize("step", [0, 0.1, 0.5, 1])
def test_a_value_that_many_rows_have_is_a_group_beside_others(step, value, d, constant, weighted):
    missed = 0
    for seed in range(3):
        X, counts = repeats(seed, step, value, d, constant, weighted)
        for how in {"covariance_type": "full"}, {"covariance_type": "diag", "n_init": 2}:
            found = GaussianMixture(3, random_state=seed, **how).fit(X, sample_weight=counts).means_[:, 0]
            missed += not np.allclose(np.sort(found), np.sort([40, 80, value]), atol=3)
    assert missed <= 1


@pytest.mark.parametrize("covariance_type", ["full", "diag"])
@pytest.mark.parametrize(("d", "m"), [(20, 30), (25, 50)])
def test_a_far_group_of_few_rows_in_many_columns_is_found(d, m, covariance_type):
    rng = np.random.default_rng(d)
    means = 9 * np.linalg.qr(rng.normal(size=(d, 3)))[0].T
    shapes = [np.eye(d) + rng.normal(size=(d, d)) / (2 * d**0.5) for _ in means]
    labels = np.repeat([0, 1, 2], [10 * m, 10 * m, m])
    X = means[labels] + np.einsum("ni,nij->nj", rng.normal(size=(len(labels), d)), np.array(shapes)[labels])
    for seed in range(5):
        mixture = GaussianMixture(3, covariance_type=covariance_type, random_state=seed)
        found = mixture.fit(X).predict(X)[labels == 2]
        assert np.bincount(found).max() == m
        assert (mixture.predict(X) == found[0]).sum() == m


@pytest.mark.filterwarnings("ignore::gmm.DegenerateWarning", "ignore::gmm.ConvergenceWarning")
@pytest.mark.parametrize("covariance_type", ["full", "diag", "spherical"])
def test_neither_the_scale_of_weights_nor_copies_of_all_rows_change_what_is_found(covariance_type):
    for seed in range(5):
        X = np.random.default_rng(seed).standard_t(2, size=(150, 2))
        how = {"covariance_type": covariance_type, "random_state": seed, "n_init": 2}
        once = GaussianMixture(3, **how).fit(X).lower_bound_
        for weight in (0.25, 64.0):
            weighted = GaussianMixture(3, **how).fit(X, sample_weight=np.full(150, weight))
            assert weighted.lower_bound_ == pytest.approx(once, abs=1e-9)
        assert GaussianMixture(3, **how).fit(np.repeat(X, 50, axis=0)).lower_bound_ == pytest.approx(once, abs=1e-3)

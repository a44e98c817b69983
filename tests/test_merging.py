"""Merges of a variational fit: where fits end, beside plain passes and beside every merge that is left."""

import numpy as np
import pytest

from gmm import BayesianGaussianMixture
from test_bayesian import every_prior, every_type
from test_published import IRIS


def notes(seed=0, n=160):
    """Rows like the measurements of banknotes: two kinds, one of them in two groups, in six columns."""
    rng = np.random.default_rng(seed)
    shapes = rng.normal(size=(3, 6, 6)) / 2 + np.eye(6)
    centres = np.array([[0, 0, 0, 0, 0, 0], [0, 1, 1, 4, 3, -4], [0, 2, 2, 1, 5, -4]])
    kind = rng.choice(3, p=(0.5, 0.42, 0.08), size=n)
    return centres[kind] + np.einsum("nij,nj->ni", shapes[kind], rng.normal(size=(n, 6)))


def corners(n, apart, seed=0):
    """Rows of four groups in two columns, and whose they are."""
    rng = np.random.default_rng(seed)
    group = rng.integers(4, size=n)
    return apart * np.array([[0.0, 0], [1, 0], [0, 1], [1, 1]])[group] + rng.normal(size=(n, 2)), group


def clouds(seed=0, n=300):
    """Rows of groups that overlap."""
    rng = np.random.default_rng(seed)
    return (1.5 * rng.normal(size=(5, 3)))[rng.integers(5, size=n)] + rng.normal(size=(n, 3))


TABLES = {"flowers": lambda: IRIS, "notes": notes, "clouds": clouds, "corners": lambda: corners(200, 4)[0]}
every_table = pytest.mark.parametrize("table", TABLES)


def fitted(X, K, weights, **options):
    options = {"random_state": 0, "max_iter": 1000, "n_threads": 1, **options}
    return BayesianGaussianMixture(n_components=K, weight_concentration_prior_type=weights, **options).fit(X)


@every_prior
@every_type
@every_table
def test_a_default_fit_ends_no_lower_than_plain_passes(table, covariance_type, weights):
    X = TABLES[table]()
    for seed in range(5):
        part = X[np.random.default_rng(seed).permutation(len(X)) % 5 > 0]
        options = {"covariance_type": covariance_type, "random_state": seed}
        plain = fitted(part, 12, weights, acceleration=None, **options)
        assert fitted(part, 12, weights, **options).lower_bound_ >= plain.lower_bound_ - 0.1, seed


@pytest.mark.parametrize(
    ("covariance_type", "weights", "seed"),
    [("tied", "dirichlet_process", 4), ("tied", "dirichlet_distribution", 4), ("diag", "dirichlet_distribution", 6)],
)
def test_no_merge_takes_a_component_that_is_about_to_part(covariance_type, weights, seed):
    """Passes gain little for a while, then much more than the merge of two components that still overlap."""
    options = {"covariance_type": covariance_type, "init_params": "random_from_data", "random_state": seed}
    plain = fitted(IRIS, 4, weights, acceleration=None, **options)
    assert fitted(IRIS, 4, weights, **options).lower_bound_ >= plain.lower_bound_ - 0.1


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
        fit = fitted(X, 10, weights, random_state=seed)
        shares, left = fit.predict_proba(X), np.flatnonzero(fit.counts_ >= 1)
        assert len(left) > 1
        for n, k in enumerate(left):
            for j in left[:n]:
                again = fitted(X, 10, weights, init_params=merged(shares, j, k), acceleration=None, max_iter=100)
                assert again.lower_bound_ <= fit.lower_bound_ + 0.1, (seed, j, k)


@every_prior
def test_twelve_components_of_notes_become_the_groups(weights):
    X = notes()
    fit = fitted(X, 12, weights)
    assert fit.n_effective_components_ == fitted(X, 3, weights).n_effective_components_ == 3


@every_prior
@every_type
def test_groups_that_lie_apart_stay_apart(covariance_type, weights):
    for n, apart in ((40, 12), (100, 8), (400, 6), (3000, 6)):
        X, group = corners(n, apart)
        labels = fitted(X, 12, weights, covariance_type=covariance_type).predict(X)
        owners = [int(np.bincount(group[labels == k]).argmax()) for k in np.unique(labels)]
        assert sorted(set(owners)) == [0, 1, 2, 3], n


def test_four_groups_of_many_rows_stay_four_components():
    X, group = corners(100_000, 6)
    fit = fitted(X, 12, "dirichlet_distribution", n_threads=None)
    assert fit.n_effective_components_ == 4
    assert fit.n_iter_ < 60
    assert (np.bincount(4 * fit.predict(X) + group) > 20_000).sum() == 4

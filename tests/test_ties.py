"""Tables with tied values: no choice rests on the ridge under components that have one value in a column."""

import numpy as np
import pytest
from sklearn.datasets import load_iris, load_wine
from sklearn.metrics import adjusted_rand_score

from gmm import GaussianMixture, select
from inside import PARSIMONIOUS
from tables import dense

IRIS, SPECIES = load_iris(return_X_y=True)
WINE, KINDS = load_wine(return_X_y=True)
RIDGES = 1e-4, 1e-7


def rounded_groups(n=120, seed=0):
    """Two groups with correlations; a column has steps of half a standard deviation."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3)) @ rng.normal(size=(3, 3))
    X[: n // 2, 0] += 6
    return np.column_stack([X[:, :2], np.round(2 * X[:, 2] / X[:, 2].std()) / 2])


def years(n=150, seed=0):
    rng = np.random.default_rng(seed)
    return np.column_stack([rng.normal(size=(n, 2)), rng.choice([2007.0, 2008.0, 2009.0], n)])


TABLES = {
    "setosa": IRIS[SPECIES == 0],
    "versicolor": IRIS[SPECIES == 1],
    "wine of one kind, rounded": np.round(WINE[KINDS == 1][:, [0, 1, 2, 7, 9]], 1),
    "rounded groups": rounded_groups(),
    "years": years(),
}


@pytest.mark.parametrize("name", TABLES)
def test_the_choice_does_not_follow_the_ridge(name):
    """Three decades of the ridge change a spike by 6.9 per row in BIC."""
    fits = [select(TABLES[name], range(1, 4), random_state=0, reg_covar=ridge) for ridge in RIDGES]
    scores = [found.scores[found.best_index] for found in fits]
    assert np.ptp(scores) < 2
    assert {found.status[found.best_index] for found in fits} == {"ok"}


@pytest.mark.parametrize("criterion", ["bic", "aic"])
@pytest.mark.parametrize("seed", range(6))
def test_no_winner_breaks_what_is_noted_of_ties(seed, criterion):
    """AIC likes components that follow the values of a column, and is kept from those of less than rounding."""
    rng, n, step = np.random.default_rng(seed), 70, 0.8 + seed / 10
    rounded = step * np.round((rng.normal(size=n) + 2 * rng.integers(0, 2, n)) / step)
    X, kinds = np.column_stack([rng.normal(size=n), rounded]), ["VVV", "EEE", "EEI", "VVI", "VEI"]
    found = select(X, range(1, 8), kinds, criterion=criterion, random_state=seed)
    assert any("components with less spread there than rounding leaves" in note for note in found.notes)
    spread = dense(found.best)[:, 1, 1]
    assert found.status[found.best_index] == "ok"
    assert ((spread > step**2 / 12) | (4 * spread > rounded.var())).all()


def test_ties_beside_errors_are_not_noted():
    """Components are of true values there, which no step rounds."""
    X = np.round(rounded_groups(n=60))
    assert any("rounding leaves" in note for note in select(X, 1, "diag").notes)
    assert select(X, 1, "diag", error_covariance=np.eye(3) / 12).notes == ()


@pytest.mark.parametrize("kind", PARSIMONIOUS)
def test_no_model_settles_on_years(kind):
    """Three components would each have a year, where all of them have the ridge alone."""
    found = select(years(), range(1, 4), kind, random_state=0)
    assert found.status[found.best_index] == "ok"
    assert np.linalg.eigvalsh(dense(found.best)).min() > 1e-3  # of all components in all directions


@pytest.mark.parametrize("ridge", [1e-4, 1e-6])
def test_one_covariance_that_is_the_ridge_in_a_direction_is_degenerate(ridge):
    """Three distinct rows: two components leave no variance across the line through two of them."""
    rows = np.repeat(np.random.default_rng(0).normal(size=(3, 2)), 50, axis=0)
    result = select(rows, [1, 2, 3], ["EEE"], reg_covar=ridge, random_state=0)
    assert [status.partition(":")[0] for status in result.status] == ["ok", "degenerate", "degenerate"]


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("beside", [False, True])
def test_rows_of_one_value_are_a_group_of_a_fit(place, beside):
    """An appliance that is off, a saturated grey level: no other component is near, and the start is no accident."""
    for seed in range(4):
        rng = np.random.default_rng([seed, place])
        means, group = np.array([60.0, 120.0, 255.0]), np.repeat([0, 1, 2], [300, 200, 120])
        x = means[group] + 6 * rng.normal(size=len(group))
        x[group == place] = means[place]
        X = np.column_stack([x, rng.normal(size=len(x))]) if beside else x[:, None]
        found = GaussianMixture(3, random_state=seed).fit(X)
        assert adjusted_rand_score(group, found.predict(X)) > 0.99
        assert "reg_covar" in str(found.summary(X))

"""Cells of large tables that cannot come near the best are left: what a search costs, and what it says of them."""

import numpy as np
import pytest

import gmm
import inside
from inside import FULL, ArraySource, DegeneracyRule, Problem, loop
from tables import reloaded

RNG = np.random.default_rng(1)
N, D, K = 60_000, 4, 5
MEANS, ROOTS = RNG.normal(size=(K, D)), RNG.normal(size=(K, D, D)) * 0.4 + np.eye(D)
OF = RNG.integers(K, size=N)
ROWS = MEANS[OF] + np.einsum("nij,nj->ni", ROOTS[OF], RNG.normal(size=(N, D)))


def search(n_components=(K, K + 1), covariance_type=("VVV", "VVI"), **how):
    return gmm.select(ROWS, n_components, covariance_type, **{"random_state": 0, "n_threads": 1} | how)


def test_losers_are_left(monkeypatch):
    left = search(n_threads=2)
    monkeypatch.setattr(loop, "_LARGE", N * D)
    whole = search()
    assert left.best.lower_bounds_ == whole.best.lower_bounds_
    of_left = [number for number, status in enumerate(left.status) if status == "not pursued"]
    assert of_left
    assert all(left.scores[number] >= whole.scores[number] - 0.05 for number in of_left)
    assert sum(one.n_iter_ for one in left.estimators) < sum(one.n_iter_ for one in whole.estimators)
    assert {*gmm.select(ROWS[:5000], [1, K, K + 1], ["EII", "VVV"], random_state=0).status} == {"ok"}


def test_a_loser_is_left_on_its_way(monkeypatch):
    """To where it would have ended."""
    left = search([K - 1, K, K + 1], "VVV")
    monkeypatch.setattr(loop, "_LARGE", N * D)
    one, other = (selection.estimators[2] for selection in (left, search([K - 1, K, K + 1], "VVV")))
    alone = gmm.GaussianMixture(**one.get_params() | {"max_iter": 1000}).fit(ROWS)
    assert one.n_iter_ < other.n_iter_
    assert one.lower_bounds_ == alone.lower_bounds_[: one.n_iter_]
    assert (one.converged_, left.status[2]) == (False, "not pursued")
    assert 40 <= alone.bic(ROWS) - left.scores.min() < left.differences[2]


def test_the_table_has_the_criteria_of_each_mixture_whether_left_or_not():
    found = search()
    assert any(status == "not pursued" for status in found.status)
    for i, one in enumerate(found.estimators):
        expected = one.criteria(ROWS)
        assert {name: getattr(found, name)[i] for name in expected} == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("how", [{"criterion": "nec"}, {"prior": "conjugate"}], ids=str)
def test_a_cell_is_finished_where_passes_do_not_tell_its_criterion(how):
    assert not any(status == "not pursued" for status in search(max_iter=30, **how).status)


def test_what_was_left_is_shown_and_saved():
    selection = search([K - 1, K, K + 1], "VVV")
    shown = repr(selection)
    assert "≤ not pursued: cannot reach within 40 of the best" in shown
    assert sum("≤" in line for line in shown.splitlines()) >= 2  # a cell and the legend
    assert selection.status[2] in selection._repr_html_()
    assert selection.best.converged_
    assert reloaded(selection).status == selection.status


def test_an_explicit_tolerance_counts():
    few, how = ROWS[:5000], {"covariance_type": "VVI", "random_state": 0}
    for tol in (1e-2, 1e-7, None):
        selection = gmm.select(few, 3, tol=tol, **how)
        assert selection.best.history_.reason.endswith(f"below tol={tol or 0.025 / len(few):g}")
    default = gmm.select(few, 3, **how)
    np.testing.assert_array_equal(default.best.means_, selection.best.means_)
    search = gmm.GaussianMixtureSearch(3, **how).fit(few)
    np.testing.assert_array_equal(default.best.means_, search.best_estimator_.means_)


@pytest.mark.parametrize("name", ["EVI", "EVE", "EVV"])
def test_a_cell_with_a_component_on_ties_is_degenerate(name):
    """Equal volumes lift the component's variances: the statistics alone tell that it is on ties, as it is finished."""
    rows = np.random.default_rng(0).normal(size=(400, 3))
    rows[:200, 2] = 0.5
    of_rows = Problem(ArraySource(rows), inside.Objective(inside.covariance_model(name), 1e-6), 1)
    degeneracy = inside.Degeneracy.for_fits(of_rows.objective, of_rows.rows, DegeneracyRule.CRITERION)
    for shares, on_ties in ((np.repeat(np.eye(2), 200, axis=0), True), (np.tile(np.eye(2), (200, 1)), False)):
        one = inside.from_responsibilities(of_rows.rows, shares, FULL).reduced(of_rows.objective.model.layout)
        (result,) = inside.short_runs(of_rows, [one], 5)
        assert (degeneracy.first(result) >= 0) == on_ties

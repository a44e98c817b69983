"""Searches over tails: which of them the truth chooses, what cells owe each other, and what a table keeps of them."""

from dataclasses import replace

import numpy as np
import pytest

import gmm
import inside
from gmm import GaussianMixture, GaussianMixtureSearch, select
from gmm.plotting import plot_criteria, plot_selection
from tables import refused

BOTH = ("normal", "t")
CENTRES = np.array([[0.0, 0], [7, 1], [1, 8]])


def groups(n=500, seed=0, degrees=None):
    """Rows of three groups, with heavy tails if there are degrees of freedom."""
    rng = np.random.default_rng(seed)
    factors = 0.3 * rng.normal(size=(3, 2, 2)) + np.eye(2)
    group = rng.integers(3, size=n)
    rows = np.einsum("ni,nij->nj", rng.normal(size=(n, 2)), factors[group])
    if degrees is not None:
        rows /= np.sqrt(rng.chisquare(degrees, (n, 1)) / degrees)
    return CENTRES[group] + rows


@pytest.fixture(scope="module")
def heavy():
    return select(groups(degrees=4), range(1, 5), ["EEE", "VVV"], tails=BOTH, random_state=0)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("degrees", "name"), [(None, "normal"), (4, "t")])
def test_the_tails_of_the_truth_are_chosen_and_so_are_its_groups_in_any_units(degrees, name, seed):
    rows = groups(seed=seed, degrees=degrees) * [1, 1000]
    how = {"tails": BOTH, "standardize": seed < 2, "random_state": 0}
    best = GaussianMixtureSearch((2, 3, 4), ["VVI", "VVV"], **how).fit(rows).best_estimator_
    assert (best.tails, best.n_components) == (name, 3)


def test_cells_have_every_tail_and_count_their_parameter(heavy):
    assert heavy.tails == BOTH * 8
    normal, t = (np.array(heavy.tails) == name for name in BOTH)
    np.testing.assert_array_equal(heavy.n_parameters[t], heavy.n_parameters[normal] + 1)
    for cell, name, loglik in zip(heavy.estimators, heavy.tails, heavy.loglik, strict=True):
        assert cell.tails == name
        assert np.isfinite(cell.degrees_of_freedom_) == (name == "t")
        assert cell.log_likelihood(groups(degrees=4)) == pytest.approx(loglik)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_cell_is_as_high_as_a_single_fit_where_it_matters(seed):
    rows = np.concatenate([groups(seed=seed, degrees=4), np.random.default_rng(seed).uniform(-60, 60, (25, 2))])
    found = select(rows, (2, 3), ["EEE", "VVV"], tails="t", random_state=0)
    for cell, loglik in zip(found.estimators, found.loglik, strict=True):
        single = GaussianMixture(**cell.get_params() | {"random_state": 0, "n_init": 3}).fit(rows)
        assert loglik > single.log_likelihood(rows) - 0.05
    assert found.n_found_again == found.n_fresh_starts == 3


def test_beside_heavy_cells_normal_ones_end_no_lower_and_threads_change_nothing(heavy):
    how = {"n_components": range(1, 5), "covariance_type": ["EEE", "VVV"], "random_state": 0}
    alone = select(groups(degrees=4), **how)
    assert (heavy.loglik[np.array(heavy.tails) == "normal"] > alone.loglik - 0.05).all()
    other = select(groups(degrees=4), **how, tails=BOTH, n_threads=1)
    np.testing.assert_array_equal(other.loglik, heavy.loglik)


@pytest.mark.parametrize("criterion", ["icl", "nec", "held_out"])
def test_criteria_compare_tails_but_for_nec(criterion):
    """NEC compares with one component of the same tails, and normal ones gain more from being several."""
    found = select(groups(degrees=3), (2, 3), "VVV", tails=BOTH, criterion=criterion, random_state=0)
    assert np.isfinite(found.scores).all()
    assert found.best.tails == ("normal" if criterion == "nec" else "t")


def test_a_stored_search_has_its_tails(heavy, tmp_path):
    heavy.save(tmp_path / "both.gmm")
    back = gmm.load(tmp_path / "both.gmm")
    assert back.tails == heavy.tails
    assert repr(back) == repr(heavy)
    np.testing.assert_array_equal(back.best.means_, heavy.best.means_)
    replace(heavy, tails=BOTH[::-1] * 8).save(tmp_path / "wrong.gmm")
    refused("'tails'", gmm.load, tmp_path / "wrong.gmm")
    how = {"tails": "t", "random_state": 0, "checkpoint": tmp_path / "search"}
    select(groups(), 1, "VVV", **how)
    refused("degrees_of_freedom", select, groups(), 1, "VVV", degrees_of_freedom=40, resume=True, **how)


def test_rows_beyond_memory_are_finished_with_their_tails(monkeypatch):
    monkeypatch.setattr(inside.finishing, "SEARCHED", 600)
    rows = groups(3000, degrees=4)
    found = select(gmm.open_rows(lambda: [rows[:2000], rows[2000:]]), (2, 3), "VVV", tails=BOTH, random_state=0)
    assert found.best.tails == "t"
    assert found.n_searched == 600
    assert {*found.tails} == {*BOTH}


def test_what_is_printed_names_the_tails(heavy):
    text, best = repr(heavy), heavy.kinds[heavy.best_index]
    assert best == "VVV t"
    assert f"3 components, {best}" in text
    assert "EEE t" in text
    assert "VVV t" in heavy._repr_html_()
    assert "chooses 3 components, VVV t" in plot_selection(heavy).get_title()
    assert "VVV t" in plot_criteria(heavy).get_title()
    assert "covariance type EEE t" in plot_criteria(heavy, covariance_type="EEE t").get_title()


@pytest.mark.parametrize(
    ("how", "told"),
    [
        *(({"tails": wrong}, "tails") for wrong in [(), ("t", "u"), 3, [["t"]]]),
        ({"tails": "t", "degrees_of_freedom": "each"}, r"degrees_of_freedom of a search.*'each'"),
        ({"degrees_of_freedom": 4}, "tails='t'"),
        ({"tails": BOTH, "noise": True}, "heavy tails"),
    ],
)
def test_other_tails_are_refused(how, told):
    refused(told, select, groups(), 2, **how)


def test_components_that_heavy_tails_keep_above_the_ridge_are_degenerate():
    """Of a rounded column, they settle on values; few rows with others, far out in the tails, widen them a little."""
    rng = np.random.default_rng(10)
    X = np.concatenate([rng.normal(0, 1, (12, 2)), rng.normal(4, 1, (12, 2))])
    X = np.column_stack([X[:, 0].round(), X[:, 1], rng.normal(size=24)])
    found = select(X, range(1, 5), ["VEI", "VVI"], tails="t", random_state=0)
    assert found.best.covariances_.min() > 1e-3
    assert any("degenerate" in status for status in found.status)

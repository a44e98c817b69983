"""Searches by the likelihood of held-out rows."""

import numpy as np
import pytest

import gmm
from gmm import select
from gmm.plotting import plot_selection
from inside import finishing, folds_of
from tables import refused

RNG = np.random.default_rng(0)
X = np.concatenate([RNG.normal(centre, 1, (70, 3)) for centre in (-4, 0, 4)])
SEED = 3


@pytest.fixture(scope="module")
def found():
    return select(X, range(1, 6), ["diag", "full"], criterion="held_out", random_state=SEED)


def test_it_chooses_the_smallest_and_tables_prints_pictures_and_files_have_it_alone(found, tmp_path):
    assert found.criterion == "held_out"
    assert found.best_index == int(np.argmin(found.held_out))
    assert (found.best.n_components, found.scores.tolist()) == (3, found.held_out.tolist())
    assert found.ranked("held_out") == found.ranked()
    assert found.best_by("held_out") is found.best
    assert found.best_by("bic").n_components == 3
    assert (found.held_out > -2 * found.loglik).all()
    assert found.columns()["held_out"].tolist() == found.held_out.tolist()
    for text in (repr(found), plot_selection(found).get_ylabel(), found._repr_html_()):
        assert "held-out deviance" in text
    found.save(tmp_path / "found")
    again = gmm.load(tmp_path / "found")
    np.testing.assert_array_equal(again.held_out, found.held_out)
    assert repr(again) == repr(found)
    other = select(X, [1, 2], "diag", random_state=0)
    assert np.isnan(other.held_out).all()
    assert "held_out" not in other.columns()
    refused(r"expected a criterion among.*held_out", other.ranked, "held_out")


def test_of_one_component_it_is_what_folds_give_by_hand():
    found = select(X, 1, ["diag", "full"], criterion="held_out", n_splits=4, random_state=SEED, reg_covar=0)
    expected = np.zeros(2)
    for fold in folds_of(len(X), 4, np.random.default_rng(SEED)):
        others = np.delete(X, fold, axis=0)
        covariance, away = np.cov(others.T, bias=True), X[fold] - others.mean(axis=0)
        for n, each in enumerate((np.diag(np.diag(covariance)), covariance)):
            squares = np.einsum("ij,jk,ik->", away, np.linalg.inv(each), away)
            expected[n] += squares + len(fold) * np.linalg.slogdet(2 * np.pi * each)[1]
    np.testing.assert_allclose(found.held_out, expected, rtol=1e-9)


def test_units_move_it_as_they_move_the_likelihood_and_neither_threads_nor_rows_without_weight(found):
    again = select(X, range(1, 6), ["diag", "full"], criterion="held_out", random_state=SEED, n_threads=1)
    np.testing.assert_array_equal(again.held_out, found.held_out)
    units, how = np.array([1e-3, 1.0, 1e3]), {"criterion": "held_out", "random_state": SEED}
    one, other = (select(rows, [2, 3], "diag", standardize=True, **how) for rows in (X, X * units))
    np.testing.assert_allclose(other.held_out - one.held_out, 2 * len(X) * np.log(units).sum(), atol=1e-4)
    weighted = select(X, [1, 2], "diag", sample_weight=np.repeat([1.0, 0.0], [150, 60]), **how)
    np.testing.assert_allclose(weighted.held_out, select(X[:150], [1, 2], "diag", **how).held_out)


WAYS = [{"noise": True}, {"prior": "conjugate"}, {"refine": "split-merge"}, {"missing": "em"}]
WAYS += [{"fixed": {"means": True}, "means_init": [[-4, -4, -4]]}]


@pytest.mark.parametrize("how", WAYS, ids=lambda how: next(iter(how)))
def test_it_goes_with(how):
    gaps = ("missing" in how) & (np.random.default_rng(5).uniform(size=X.shape) < 0.1)
    found = select(np.where(gaps, np.nan, X), [2, 3], "full", criterion="held_out", random_state=SEED, **how)
    assert np.isfinite(found.held_out).all()
    assert found.best.n_components == 3


def test_time_for_a_part_is_used_for_the_choice():
    found = select(X, range(1, 6), "all", criterion="held_out", random_state=SEED, time_limit=1e-9)
    assert not found.complete
    assert found.best.n_components >= 1


def test_a_cell_without_a_fold_has_none():
    found = select(X[::30], [1, 6], "EII", criterion="held_out", n_splits=4, random_state=0)
    assert found.held_out[1] == np.inf
    assert found.best.n_components == 1


def test_rows_beyond_memory_are_finished_once(tmp_path, monkeypatch):
    monkeypatch.setattr(finishing, "SEARCHED", 120)
    np.save(tmp_path / "rows.npy", X)
    rows = gmm.open_rows(tmp_path / "rows.npy")
    found = select(rows, [1, 2, 3], "diag", criterion="held_out", random_state=SEED)
    assert found.n_searched == 120
    assert (found.n_components.tolist(), found.status) == ([3], ("ok",))
    assert found.held_out[0] > -2 * found.loglik[0] * 0.9


@pytest.mark.parametrize(
    ("n_splits", "criterion", "message"),
    [
        (1, "held_out", "n_splits"),
        (2.5, "held_out", "n_splits"),
        (300, "held_out", "as many rows as folds"),
        (2, "held_out", "leave 105 to fit, expected at least 106"),
        (4, "bic", "n_splits goes with criterion='held_out', got criterion='bic' and n_splits=4"),
    ],
)
def test_folds_that_cannot_be_are_refused(n_splits, criterion, message):
    with pytest.raises((ValueError, TypeError), match=message):
        select(X, [106] if n_splits == 2 else [1, 2], "diag", criterion=criterion, n_splits=n_splits)


def test_a_callback_is_told_of_folds_and_may_end_them():
    told = []
    how = {"criterion": "held_out", "n_splits": 3, "random_state": 0}
    select(X[::10], [1, 2], ["EII", "VVI"], callback=lambda p: told.append((p.fold, p.cell)), **how)
    assert told == [(fold, cell) for fold in (1, 2, 3, 0) for cell in range(4)]
    told.clear()
    found = select(*(X[::10], [1, 2], "EII"), callback=lambda p: (told.append((p.fold, p.cell)), p.fold == 2)[1], **how)
    assert told == [(1, 0), (1, 1), (2, 0)]
    assert not found.complete
    assert (found.status, found.best.n_components) == (("ok", "not tried"), 1)
    alone = select(X[::10], 1, "EII", callback=lambda p: p.fold == 1, **how)
    assert np.isfinite(alone.held_out).all()


@pytest.fixture(scope="module")
def rain():
    """Amounts of rain, of which two in five are 0, beside another column."""
    rng = np.random.default_rng(0)
    return np.column_stack([np.where(rng.random(300) < 0.4, 0, rng.gamma(2, 3, 300)), rng.normal(size=300)])


def test_a_component_on_ties_is_chosen_if_rows_held_out_have_these_ties_too(rain, tmp_path):
    found = select(rain, [1, 2, 3], "diag", criterion="held_out", random_state=0)
    assert found.status[1].startswith("degenerate")
    assert found.best_index == found.ranked()[0] == int(np.argmin(found.held_out)) > 0
    assert found.best_by("bic").n_components == 1
    for part in ("the best is degenerate: component", "(no spread but reg_covar in x0:", "judged by rows held out"):
        assert part in repr(found)
    assert str(found.best).count("no spread but reg_covar in x0:") == 1
    assert "degenerate" not in plot_selection(found).get_legend_handles_labels()[1]
    found.save(tmp_path / "found")
    assert gmm.load(tmp_path / "found").best_index == found.best_index


def test_where_sound_cells_end_is_told_with_a_remedy(rain):
    found = select(rain, [1, 2, 3], "diag", random_state=0)
    assert found.best.n_components == 1
    for part in ("more than 1 component is degenerate", "(no spread but reg_covar in x0:", "try prior='conjugate'"):
        assert part in repr(found)
    assert select(rain, [1, 2, 3], "diag", prior="conjugate", random_state=0).best.n_components > 1

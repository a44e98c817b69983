"""The search: every cell is a fit of its own, the best is the smallest, failures are told."""

import re
from dataclasses import replace

import numpy as np
import pytest

import gmm
from gmm import NormalInverseWishart, select
from inside import CRITERIA, PARSIMONIOUS, Ending
from tables import assert_contains, cases, interrupt, refused, warned

rng = np.random.default_rng(0)
X = np.concatenate([rng.normal(-4, 1, (60, 2)), rng.normal(4, 1, (40, 2))])


@pytest.fixture(scope="module")
def found():
    return select(X, range(1, 4), random_state=0)


def test_cells_are_ordered_by_components_then_types(found):
    assert found.n_components.tolist() == [1] * 14 + [2] * 14 + [3] * 14
    assert found.covariance_type == PARSIMONIOUS * 3
    assert {status.partition(":")[0] for status in found.status} <= {"ok", "not converged", "degenerate"}
    assert (found.seconds > 0).all()
    refused("read-only", found.bic.__setitem__, 0, 0.0)
    alone = select(X, 2, "diag", random_state=0)
    assert (alone.n_components.tolist(), alone.covariance_type) == ([2], ("diag",))


@pytest.mark.parametrize("make", [np.random.RandomState, np.random.default_rng, np.random.seed])
def test_a_generator_is_drawn_from_once(make):
    """Without a random state, the global one."""
    first, second = (select(X, [3], "full", random_state=make(1)) for _ in range(2))
    np.testing.assert_array_equal(first.best.means_, second.best.means_)
    if make is not np.random.seed:
        used, fresh = make(1), make(1)
        select(X, [1, 2], random_state=used)
        assert used.random() != fresh.random()


def test_a_cell_of_more_components_than_rows_fails_whatever_is_found_for_fewer_and_the_rest_goes_on():
    found = select(X[:5], [1, 9, 2, 5, 6], ["EII", "full", "VVV"], random_state=0)
    for n, K in enumerate(found.n_components):
        assert (found.status[n] == "failed: more components than rows (5)") == (K > 5)
        if K > 5:
            assert found.estimators[n] is None
            assert all(np.isnan(getattr(found, name)[n]) for name in ("loglik", *CRITERIA))
    assert found.n_components[found.best_index] < 6
    assert "K = 6, 9 skipped: more components" in repr(found)


@pytest.mark.parametrize("how", [{}, {"time_limit": 0}], ids=str)
def test_no_cell_at_all_is_an_error(how):
    refused(r"9.*least 9.*has 5$", select, X[:5], [9, 10], **how)
    refused(r"the table has 2 with a positive weight$", select, X[:5], [3], sample_weight=[1, 0, 0, 1, 0], **how)


def test_a_cell_that_did_not_converge_is_marked_without_a_warning():
    found = select(X, [3], ["full", "diag"], max_iter=1, random_state=0)
    assert (found.status, repr(found).count("~")) == (("not converged", "not converged"), 3)


def test_a_degenerate_fit_is_marked_and_not_chosen_unless_it_is_alone():
    rows, how = np.repeat(X[:3], 30, axis=0), {"n_init": 5, "random_state": 0}
    found, alone = (select(rows, counts, "full", **how) for counts in ([1, 3], [3]))
    assert all(one.status[-1].startswith("degenerate: component") for one in (found, alone))
    assert (found.best_index, alone.best.n_components) == (0, 3)
    assert found.bic[1] < found.bic[0]
    assert "^ a component is degenerate: not chosen" in repr(found)


def test_ties_in_a_table_hide_no_sound_mixture():
    """Thirty equal rows beside two groups: alone, they would be a component of no spread."""
    found = select(np.concatenate([X, np.tile([[0.0, 9.0]], (30, 1))]), range(1, 4), "full", random_state=0)
    assert (found.best.n_components, found.status[1]) == (2, "ok")
    assert np.linalg.eigvalsh(found.best.covariances_).min() > 0.1


def test_progress_is_reported_after_each_cell():
    records, how = [], {"covariance_type": ["full", "tied"], "random_state": 0}
    found = select(X, [1, 2], callback=records.append, **how)
    cells = [(0, 4, 1, "full"), (1, 4, 1, "tied"), (2, 4, 2, "full"), (3, 4, 2, "tied")]
    assert [(r.cell, r.n_cells, r.n_components, r.covariance_type) for r in records] == cells
    assert tuple(r.status for r in records) == found.status
    ended = select(X, range(1, 4), callback=lambda r: records.append(r) or len(records) == 7, **how)
    assert (len(records), ended.complete, ended.status[4:]) == (7, False, ("not tried",) * 2)
    refused(None, select, X, [1, 2], callback=interrupt, error=KeyboardInterrupt)  # it is no failed cell


@pytest.mark.parametrize("library", ["pandas", pytest.param("polars", marks=pytest.mark.needs("polars"))])
def test_the_table_is_a_frame(found, library, monkeypatch):
    other = {"pandas": "polars", "polars": "pandas"}[library]
    monkeypatch.setitem(__import__("sys").modules, other, None)
    frame = found.to_frame()
    assert type(frame).__module__.startswith(library)
    columns = ["n_components", "covariance_type", "loglik", "n_parameters", "bic", "aic", "icl"]
    assert list(frame.columns) == [*columns, "status", "aicc", "nec", "seconds", "tails"]
    assert list(frame["covariance_type"]) == list(found.covariance_type)
    for name in ("bic", "aicc", "nec", "seconds"):
        np.testing.assert_array_equal(frame[name].to_numpy(), getattr(found, name))


def test_the_repr_is_a_table_with_the_best_marked(found):
    lines = repr(found).splitlines()
    assert lines[0].startswith("Selection by BIC among 42 cells: 2 components, ")
    assert lines[1].split() == ["model", "K=1", "K=2", "K=3"]
    assert [line.split()[0] for line in lines[3:17]] == list(PARSIMONIOUS)
    assert repr(found).count("★") == 2  # the cell and the legend
    best = next(line for line in lines[3:] if line.startswith(found.covariance_type[found.best_index]))
    assert best.split()[2] == f"★{found.bic.min():.2f}"
    assert max(map(len, lines)) <= 80


def test_decimals_are_left_away_before_the_repr_is_wider_than_a_terminal(found):
    cells, scores = [*range(42)] * 3, np.tile(found.scores, 3) + 10_000
    arrays = {name: getattr(found, name)[cells] for name in ("n_parameters", "loglik", "seconds", *CRITERIA)}
    arrays |= {"n_components": np.repeat(np.arange(1, 10), 14), "scores": scores}
    told = {name: getattr(found, name) * 3 for name in ("covariance_type", "tails", "status", "estimators")}
    lines = repr(replace(found, **arrays | told)).splitlines()
    assert lines[1].split()[-1] == "K=9"
    assert max(map(len, lines[1:17])) <= 80
    assert lines[3].split()[1] == f"{scores[0]:.0f}"


@cases(
    ((X, 0), {}, ValueError, "of at least 1, got 0"),
    ((X, 2.5), {}, TypeError, "whole numbers in n_components, got 2.5"),
    ((X, 2, []), {}, ValueError, "got none"),
    ((X, 2), {"models": ["EII"]}, TypeError, "parameter 'models'; use covariance_type"),
    ((X, 2, None), {}, TypeError, "covariance types by name"),
    ((X, 2), {"weights_init": [1.0]}, TypeError, "weights_init applies to a single fit"),
    ((X, 2), {"checkpoint": "a", "resume": True}, TypeError, "no parameter 'checkpoint'; search .* save each"),
    ((X, 2), {"init_params": lambda X, K, rng: None}, TypeError, "a start in init_params"),
    ((X, 2), {"prior": NormalInverseWishart(mean=np.zeros(99))}, ValueError, r"^The parameter 'prior\.mean'"),
)
def test_bad_requests_are_refused_at_once(arguments, options, error, match):
    refused(match, select, *arguments, error=error, **options)


def test_few_rows_for_each_parameter_are_told_and_cells_that_are_all_infinitely_bad_are_equally_bad():
    assert "rows for each parameter" not in repr(select(X, [1, 2], "EII", random_state=0))
    assert "5.6 rows for each parameter" in repr(select(X[::2], [2], "VVI", random_state=0))
    few = select([[0.0], [1.0], [3.0]], [1, 2], "full", criterion="aicc", random_state=0)
    assert np.isinf(few.scores).all()
    assert "nan" not in f"{few}{few!r}{few._repr_html_()}".lower()


def test_an_end_of_lowered_objective_is_not_chosen_beside_one_that_converged(found):
    number = found.best_index
    status = tuple(str(Ending.LOWERED) if n == number else text for n, text in enumerate(found.status))
    turned = replace(found, status=status)
    assert turned.ranked().index(number) >= sum(text == "ok" for text in status)
    assert f"! {Ending.LOWERED}" in repr(turned)
    alone = replace(select(X, 1, "full", random_state=0), status=(str(Ending.LOWERED),))
    assert_contains(repr(alone), f"the best {Ending.LOWERED}, by rounding: subtract", without=["max_iter"])


# --- Weights are counts ---------------------------------------------------------------------------


draws = np.random.default_rng(3)
GROUPS = np.concatenate([draws.normal(0, 1, (40, 2)), draws.normal(3, 1.2, (30, 2))])
REPEATS = draws.integers(1, 4, len(GROUPS))
GAPS = np.where(draws.uniform(size=GROUPS.shape) < 0.1, np.nan, GROUPS)
GAPS[np.isnan(GAPS).all(axis=1)] = 0.0
FOUR = ["EII", "VVI", "EEE", "VVV"]
TIES = [np.random.default_rng(0).normal(0, 1, 700), np.random.default_rng(1).normal(6, 1.5, 500)]
TIES = np.unique(np.round(np.concatenate(TIES) * 5) / 5, return_counts=True)
SEARCHES = {
    "every model": {},
    # Cells differed by 42 of BIC, since the effective number of rows was less than their weight.
    "few distinct rows": {"rows": TIES[0][:, None], "counts": TIES[1], "n_components": range(1, 6)},
    "three distinct rows": {"rows": np.array([[0.0], [1.0], [2.5]]), "counts": [10, 20, 15]},
    "tails": {"covariance_type": FOUR, "tails": ["normal", "t"]},
    "factors": {"covariance_type": ["factor1", "VII"]},  # of two columns, "ppca1" is the same model
    "prior": {"covariance_type": FOUR, "prior": "conjugate"},
    "moves": {"covariance_type": FOUR, "refine": "split-merge"},
    "gaps": {"rows": GAPS, "missing": "em", "covariance_type": FOUR},
    "gaps beside noise": {"rows": GAPS, "missing": "em", "covariance_type": FOUR, "noise": True, "criterion": "nec"},
    "known components": {"covariance_type": "full", "fixed": {"means": True}, "means_init": [[0, 0]]},
    **{criterion: {"covariance_type": FOUR, "criterion": criterion} for criterion in ("aic", "aicc", "icl", "nec")},
    "held_out": {"covariance_type": FOUR, "criterion": "held_out"},
}


def assert_same(one, other):
    assert (one.status, one.best_index) == (other.status, other.best_index)
    for name in one.criteria:
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-5, atol=1e-5, err_msg=name)
    np.testing.assert_allclose(one.best.means_, other.best.means_, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", SEARCHES)
def test_a_search_takes_weights_for_counts(name):
    how = {"n_components": range(1, 4), "random_state": 0} | SEARCHES[name]
    rows, counts = how.pop("rows", GROUPS), how.pop("counts", REPEATS)
    assert_same(select(rows, sample_weight=counts, **how), select(np.repeat(rows, counts, axis=0), **how))


def test_classes_take_weights_for_counts():
    y, classifier = np.repeat([0, 1], [40, 30]), gmm.MixtureClassifier([1, 2], FOUR, random_state=0)
    rows, counts = GROUPS + 9 * (np.arange(70)[:, None] % 9 == 8), np.where(np.arange(70) % 9 == 8, 0, REPEATS)
    weighted = classifier.fit(rows, y, sample_weight=counts).bic_
    repeated = classifier.fit(np.repeat(rows, counts, axis=0), np.repeat(y, counts)).bic_
    assert weighted == pytest.approx(repeated, rel=1e-9)


def test_weights_that_sum_to_one_are_told_to_be_one_row():
    told = r"weights sum to 1, fewer than the \d+ free parameters .* multiply them by 70, so that their mean is 1"
    search = gmm.GaussianMixtureSearch([1, 2], "full", random_state=0)
    for model in (search, gmm.BayesianGaussianMixture(n_components=2, random_state=0)):
        notes = warned(model.fit, GROUPS, sample_weight=np.full(len(GROUPS), 1 / len(GROUPS)))[1]
        assert any(re.search(told, note) for note in notes)


def test_a_search_prints_how_far_it_is(capsys):
    rows = np.random.default_rng(0).normal(size=(60, 2)) + np.repeat([[0.0], [9.0]], 30, axis=0)
    found = select(rows, (1, 2, 3), ["EII", "VVV"], random_state=0, verbose=1)
    best = rf"  best {found.best.n_components} {found.best.covariance_type}, BIC {found.bic.min():.2f}  \d+\.\d s"
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines[:3]] == ["K=1", "K=2", "K=3"]
    assert all(re.fullmatch(r"\d cells? near the best" + best, line) for line in lines[3:])
    assert re.fullmatch("K=3" + best, lines[2])
    gmm.GaussianMixtureSearch((1, 2), "VVV", criterion="held_out", n_splits=2, random_state=0, verbose=2).fit(rows)
    told = re.sub(r"  \d\.\d s", "", capsys.readouterr().out).splitlines()
    assert told[:4] == ["fold 1  K=1 VVV  ok", "fold 1  K=1", "fold 1  K=2 VVV  ok", "fold 1  K=2"]
    select(rows, 1)
    assert not capsys.readouterr().out
    refused("expected verbose to be a whole number from 0, got -1", select, rows, 1, verbose=-1)

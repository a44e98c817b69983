"""The search: every cell is a fit of its own, the best is the smallest, failures are told."""

import re
from dataclasses import replace
from importlib.resources import files
from itertools import permutations
from math import inf, isnan, nan

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_iris
from sklearn.metrics import adjusted_rand_score

import gmm
from gmm import GaussianMixture, NormalInverseWishart, Selection, select
from inside import COVARIANCE_TYPES, CRITERIA, PARSIMONIOUS, ArraySource, Ending, Scorer, copies, criteria
from tables import DATA, interrupt, refused, reloaded, warned

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
    assert found.status == ("not converged", "not converged")
    assert repr(found).count("~") == 3


def test_a_degenerate_fit_is_marked_and_not_chosen_unless_it_is_alone():
    rows, how = np.repeat(X[:3], 30, axis=0), {"n_init": 5, "random_state": 0}
    found = select(rows, [1, 3], "full", **how)
    assert found.status[1].startswith("degenerate: component")
    assert found.best_index == 0
    assert found.bic[1] < found.bic[0]
    assert "^ a component is degenerate: not chosen" in repr(found)
    alone = select(rows, [3], "full", **how)
    assert alone.status[0].startswith("degenerate: component")
    assert alone.best.n_components == 3


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


@pytest.mark.parametrize(
    ("arguments", "options", "error", "match"),
    [
        ((X, 0), {}, ValueError, "of at least 1, got 0"),
        ((X, 2.5), {}, TypeError, "whole numbers in n_components, got 2.5"),
        ((X, 2, []), {}, ValueError, "got none"),
        ((X, 2), {"models": ["EII"]}, TypeError, "parameter 'models'; use covariance_type"),
        ((X, 2, None), {}, TypeError, "covariance types by name"),
        ((X, 2), {"weights_init": [1.0]}, TypeError, "weights_init applies to a single fit"),
        ((X, 2), {"checkpoint": "a", "resume": True}, TypeError, "no parameter 'checkpoint'; search .* save each"),
        ((X, 2), {"init_params": lambda X, K, rng: None}, TypeError, "a start in init_params"),
        ((X, 2), {"prior": NormalInverseWishart(mean=np.zeros(99))}, ValueError, r"^The parameter 'prior\.mean'"),
    ],
)
def test_bad_requests_are_refused_at_once(arguments, options, error, match):
    refused(match, select, *arguments, error=error, **options)


def test_cells_that_are_all_infinitely_bad_are_equally_bad():
    few = select([[0.0], [1.0], [3.0]], [1, 2], "full", criterion="aicc", random_state=0)
    assert np.isinf(few.scores).all()
    assert "nan" not in f"{few}{few!r}{few._repr_html_()}".lower()


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ({"x0": X[:, 0], "x1": 3.0}, r"^Column\(s\) 'x1' are constant: likelihoods and criteria depend on reg_covar"),
        ({"a": X[:, 0], "b": 0.1, "c": 0.11}, r"^Column\(s\) 'b', 'c' are constant"),
        ({"x0": np.ones(20), "x1": 1.0}, r"^All columns are constant"),
    ],
    ids=["one", "two with names", "all"],
)
def test_columns_that_do_not_vary_are_told(columns, told):
    table = pd.DataFrame(columns)
    with pytest.warns(UserWarning, match="Some columns are constant"):
        found = select(table if "a" in columns else table.to_numpy().copy(), 1, "diag")
    assert re.search(told, found.best.remarks_["constant"])


@pytest.mark.parametrize("standardize", [False, True])
def test_copies_and_rescalings_of_columns_are_noted(standardize):
    named = pd.DataFrame({"a": X[:, 0], "b": X[:, 1], "in": X[:, 0] / 2.54 + 1, "minus": -X[:, 1]})
    (note,) = select(named, 1, "diag", standardize=standardize).notes
    assert "(of 'a'), 'minus' (of 'b')" in note
    named.loc[3, "in"] += 0.01 * X[:, 0].std()
    note, of_rounded = select(named, 1, "diag", standardize=standardize).notes
    assert "'minus' (of 'b')" in note
    assert "'in'" not in note
    assert "column 'in' (of 'a') is a copy or a rescaling but for rounding" in of_rounded
    named.loc[3, "in"] += X[:, 0].std()
    (note,) = select(named, 1, "diag", standardize=standardize).notes
    assert "'in'" not in note
    assert select(named[["a", "b"]][:8], 1, "diag").notes == ()


@pytest.mark.parametrize("step", [0.001, 0.01, 0.05])
def test_rescalings_that_are_rounded_are_noted(step):
    """Strays make correlated columns no copies of each other."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(5, 1, (2, 300))
    rows = np.column_stack([x, y, step * np.round(-2 * x / step), y + 0.2 * rng.normal(size=300)])
    for gaps in (0, 20):
        rows[:gaps, [0, 2]] = np.nan
        (note,) = copies(rows, ["a", "b", "c", "d"])
        assert "'c' (of 'a')" in note
        assert "but for rounding, which can drive the choice" in note
    rows[-1] = 1e6
    assert copies(rows[:, [1, 3]], ["b", "d"]) == ()


def test_notes_are_told_and_saved(tmp_path):
    found = select(np.column_stack([X, CODES]), 1, "diag")
    (note,) = found.notes
    assert note == "column 'x2' (3 distinct values) may be a code, which can drive the choice: try without it"
    assert note in repr(found)
    assert "may be a code" in found._repr_html_()
    assert reloaded(found).notes == found.notes
    replace(found, notes=(3,)).save(tmp_path / "wrong.gmm")
    refused("expected texts in 'notes'", Selection.load, tmp_path / "wrong.gmm")


CODES = np.resize([0.1, 0.2, 0.4], len(X))  # of categories, which may have been scaled
CODED = pd.DataFrame({"a": X[:, 0], "site": CODES, "kind": np.resize([1, 2], len(X))})
draws = np.random.default_rng(0)
SPEND = draws.lognormal(2, 1, 300)  # beside two narrow groups far apart, which are no tail
SPENT = {"groups": draws.normal(np.repeat([1.0, 50.0], [220, 80]), 0.2), "loss": -SPEND[::-1]}
SPENT = pd.DataFrame({"spend": SPEND, **SPENT, "mass": draws.normal(9, 1, 300)})
RAIN, SOME = (np.where(draws.uniform(size=500) < share, 0.0, draws.normal(5, 1, 500)) for share in (0.6, 0.2))
WEATHER = pd.DataFrame({"rain": RAIN, "some": SOME, "heat": draws.normal(size=500)})
ZEROS = f"(0 in {100 * (RAIN == 0).mean():.0f}\N{NO-BREAK SPACE}%)"
IDS = draws.permutation(np.arange(100_001, 101_001))[:200]  # of 200 customers of 1000, in any order
CUSTOMERS = pd.DataFrame({"customer_id": IDS, "a": draws.normal(size=200), "b": draws.normal(size=200)})
SETOSA = pd.read_csv(DATA / "iris.csv").iloc[:50, [0, 1, 3]]  # petal widths are six: three components have one each
FEW = f"column {SETOSA.columns[2]!r} (6 distinct values): components with less spread"
TABLES = {
    "codes": (CODED, ["columns 'site' (3 distinct values), 'kind' (2 distinct values) may be codes"]),
    "no codes": (pd.DataFrame(X), []),
    "codes alone": (CODED[["site"]], ["column 'site' (3 distinct values): components with less spread there than"]),
    "a tail": (SPENT, ["column 'spend' is positive with a long tail: fit its logarithm"]),
    "no tail": (pd.DataFrame({"even": np.geomspace(20, 1, 300), "wait": draws.exponential(size=300)}), []),
    "two tails": (SPENT.assign(basket=draws.lognormal(0, 1, 300)), ["columns 'spend', 'basket' are positive"]),
    "zeros": (WEATHER, [f"column 'rain' {ZEROS} is one value"]),
    "an identifier": (CUSTOMERS, ["column 'customer_id' numbers the rows, like an identifier: leave it out"]),
    "two": (CUSTOMERS.assign(line=range(200)), ["columns 'customer_id', 'line' number the rows, like identifiers: "]),
    "none by its name": (CUSTOMERS.rename(columns={"customer_id": "income"}), []),
    "beside which nothing remains": (CUSTOMERS[["customer_id"]], []),
    "fractions": (SETOSA, [FEW]),
    "a code too": (SETOSA.assign(kind=CODED["kind"][:50]), ["column 'kind' (2 distinct values) may be a code", FEW]),
}


@pytest.mark.parametrize("name", TABLES)
def test_columns_that_can_drive_the_choice_are_noted(name):
    """The rules are those of `gmm fit`."""
    table, beginnings = TABLES[name]
    notes = select(table, 1, "diag").notes
    assert [note[: len(begin)] for note, begin in zip(notes, beginnings, strict=True)] == beginnings


SHARES = np.random.default_rng(1).dirichlet([3, 4, 5], 300)
RARE = np.random.default_rng(1).gamma([4, 3, 9], [10, 7, 0.02], (300, 3))
SINGULAR, ROUNDED = ", which makes covariances singular: leave", " but for rounding, which can drive the choice: leave"


@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize(
    ("columns", "note"),
    [
        (100 * SHARES, f"columns 'a', 'b', 'c' add up to 100{SINGULAR}"),
        (RARE / RARE.sum(axis=1, keepdims=True), f"columns 'a', 'b', 'c' add up to 1{SINGULAR}"),
        (np.where(np.arange(300)[:, None] % 9 == [1, 2, 3], np.nan, SHARES), f"'a', 'b', 'c' add up to 1{SINGULAR}"),
        ((100 * SHARES).round(), f"columns 'a', 'b', 'c' add up to 100{ROUNDED}"),
        (SHARES @ [[1, 0, 1], [0, 1, 1], [0, 0, 0]], f"column 'c' is the sum of columns 'a', 'b'{SINGULAR}"),
        (SHARES @ [[1, 0, 2], [0, 1, 3], [0, 0, 0]], f"columns 'a', 'b', 'c' depend on each other{SINGULAR}"),
        (SHARES + np.random.default_rng(2).normal(0, 0.1, (300, 3)), ""),
    ],
    ids=["shares", "a rare part", "gaps", "rounded", "total", "combination", "noisy"],
)
def test_columns_that_add_up_are_noted(columns, note, standardize):
    table = pd.DataFrame(columns, columns=list("abc")).assign(other=np.random.default_rng(0).normal(size=300))
    notes = select(table, 1, "diag", missing="em", standardize=standardize).notes
    assert [text for text in notes if note in text and "leave" in text] == [*notes][: bool(note)]
    assert len(notes) == bool(note)


def test_a_component_of_error_values_is_doubted():
    """It is small and far wider than the others; a mixture that has noise, or tails, is not doubted."""
    rng = np.random.default_rng(0)
    heat = np.concatenate([rng.normal(60, 1.5, 200), rng.normal(75, 2, 200), np.linspace(-999, 400, 8)])
    rows = pd.DataFrame({"heat": heat, "pressure": rng.normal(4, 0.1, 408)})
    found = select(rows, 3, "diag")
    (doubt,) = [line.strip() for line in repr(found).splitlines() if "noise=True" in line]
    k = int(np.argmin(found.best.weights_))
    assert f"component {k}, of weight 0.0" in doubt
    assert "'heat'" in doubt
    assert doubt in str(found.best)
    assert "noise=True" not in repr(select(rows, 2, "diag", noise=True))
    for name in ("iris", "galaxies"):
        found = select(pd.read_csv(DATA / f"{name}.csv"), range(1, 7), ["full", "diag"])
        assert "times as wide" not in repr(found)
        assert "tail" not in "".join(found.notes)


def with_codes(code, share=0.04, digits=6, n=800):
    """Humidity and temperature, of which a share of the humidities is a code."""
    rng = np.random.default_rng(1)
    rows = rng.normal([60, 20], [5, 4], (n, 2)).round(digits)
    rows[: round(share * n), 0] = code
    return pd.DataFrame(rows, columns=["hum", "temp"])


@pytest.mark.parametrize("code", [-999, 99, 0, -999.9, 1e6])
@pytest.mark.parametrize("how", [{}, {"standardize": True}, {"missing": "em"}])
def test_values_far_from_all_others_that_rows_share_are_noted(code, how):
    table = with_codes(code)
    table.loc[790:, "temp"] = np.nan if how.get("missing") else 20.0
    (note,) = select(table, 1, "diag", **how).notes
    value = {1e6: "1000000"}.get(code, f"{code}")
    assert note.startswith(f"column 'hum' holds {value} in 32 rows, far from all others; if it is a code, put numpy")
    table["dew"] = table["hum"].where(table["hum"] == code, table["hum"] / 2)
    table.loc[:5, "temp"] = 12345
    notes = "\n".join(select(table, 1, "diag", **how).notes)
    assert f"columns 'hum' (32 rows), 'dew' (32 rows) hold {value}, far from all" in notes
    assert "column 'temp' holds 12345 in 6 rows" in notes


def two_groups(value, n_rows, seed=0):
    """Some rows have a value, each in some column."""
    rng = np.random.default_rng(seed)
    X = 100 + 10 * rng.normal(size=(500, 3)) + 60 * np.repeat([0, 1], 250)[:, None]
    rows = rng.choice(500, n_rows, replace=False)
    X[rows, rng.integers(0, 3, n_rows)] = value
    return X, rows


@pytest.mark.parametrize("value", [1e6, -1e8])
@pytest.mark.parametrize("n_rows", [1, 2, 4])
@pytest.mark.parametrize("covariance_type", ["all", "EEE"])
def test_a_value_beyond_any_tail_is_noted_with_its_row_and_hides_no_group(covariance_type, n_rows, value):
    X, rows = two_groups(value, n_rows)
    found = select(X, range(1, 6), covariance_type, random_state=0)
    notes = [note for note in found.notes if "interquartile ranges" in note]
    assert len(notes) == len({int(np.argmax(np.abs(X[row]))) for row in rows})
    assert any(f"holds {value:g} in row {rows[0]} (of those fitted, from 0)" in note for note in notes) or n_rows > 1
    labels = found.best.predict(X)
    assert adjusted_rand_score(np.repeat([0, 1], 250), labels) > 0.96
    assert found.status[found.best_index] == "ok"


@pytest.mark.parametrize("value", [1e12, 1e20, 9.97e36, -1e100])
@pytest.mark.parametrize("n_rows", [1, 6])
def test_no_search_begins_beside_a_value_that_leaves_others_no_digits(n_rows, value):
    X, rows = two_groups(value, n_rows)
    for how in ({}, {"standardize": True}):
        with pytest.raises(
            ValueError, match=rf"got 'x\d' with {re.escape(f'{value:g}')} in row \d+ \(of those fitted, from 0\)"
        ):
            select(X, range(1, 4), **how)
    weight = np.where(np.isin(np.arange(500), rows), 0.0, 1.0)
    assert select(X, range(1, 4), "full", sample_weight=weight, random_state=0).best.n_components == 2
    X[rows] = np.where(X[rows] == value, np.nan, X[rows])
    assert select(X, range(1, 4), "full", missing="em", random_state=0).best.n_components == 2


def test_many_values_far_away_are_a_group_or_a_tail():
    draws = np.random.default_rng(0)
    narrow, wide = 1 + 1e-9 * draws.normal(size=(60, 1)), 10 * draws.normal(size=(40, 1))
    turns = np.stack([1e-6 * draws.normal(size=1000), 1e3 + draws.normal(size=1000)], axis=1).reshape(-1, 1)
    tables = np.r_[narrow, wide], turns, 10 ** draws.uniform(-20, 20, (500, 1)), draws.standard_t(0.4, (3000, 1))
    for table in tables:
        assert "interquartile" not in "".join(select(table, 1, "E").notes)
    alike = np.c_[np.arange(200) % 21, np.arange(200) * 5 % 21].astype(float)
    alike[0] = 1e6
    (note,) = (note for note in select(alike, 1, "diag").notes if "interquartile" in note)
    assert set(note.columns) == {"x0", "x1"}


def test_an_end_of_lowered_objective_is_not_chosen_beside_one_that_converged(found):
    number = found.best_index
    status = tuple(str(Ending.LOWERED) if n == number else text for n, text in enumerate(found.status))
    turned = replace(found, status=status)
    assert turned.ranked().index(number) >= sum(text == "ok" for text in status)
    assert f"! {Ending.LOWERED}" in repr(turned)
    alone = replace(select(X, 1, "full", random_state=0), status=(str(Ending.LOWERED),))
    assert f"the best {Ending.LOWERED}, by rounding: bring" in repr(alone)
    assert "max_iter" not in repr(alone)


def test_values_that_are_no_codes_are_not_noted():
    """One that four rows have, or most; of nines, one; an end of what is between; one of two; beside zeros; tables."""
    few, most, near = with_codes(-1000, 0.005), with_codes(-999, 0.6), with_codes(45)
    flag = with_codes(-999).assign(hum=np.resize([0.0] * 9 + [50.0], 800))
    rare = np.linspace(1, 2, 800) * (np.arange(800) > 640)
    idle = flag.assign(hum=np.where(np.arange(800) < 20, -999, rare))
    bundled = pd.read_csv(files("gmm") / "data" / "faithful.csv")
    for table in (few, with_codes(-999, 1 / 800), most, near, flag, idle, bundled, load_iris(as_frame=True).data):
        assert "far from all others" not in "".join(select(table, 1, "diag").notes)


@pytest.mark.parametrize("code", [-999, 999, 99])
@pytest.mark.parametrize("total", [None, 5e4])
def test_two_nines_far_from_all_others_are_noted_also_beside_a_total(code, total):
    table = with_codes(code, 2 / 800)
    table.loc[799] = [table.loc[799, column] if total is None else total for column in table]
    (note,) = (note for note in select(table, 1, "diag").notes if "far from all others" in note)
    assert note.startswith(f"column 'hum' holds {code} in 2 rows, far from all others")


def test_two_codes_are_noted():
    table = with_codes(-999).astype(np.float32)
    table.loc[700:, "hum"] = np.float32(-9999.9)
    told = ["column 'hum' holds -9999.9 in 100 rows", "column 'hum' holds -999 in 32 rows"]
    assert [note.partition(",")[0] for note in select(table, 1, "diag").notes] == told
    gaps = table.replace({"hum": [np.float32(-999), np.float32(-9999.9)]}, np.nan)
    assert select(gaps, 1, "diag", missing="em").notes == ()


# --- Criteria by their formulas -------------------------------------------------------------------


draws = np.random.default_rng(0)
TABLE = np.concatenate([draws.normal(-1.5, 1, (120, 3)), draws.normal(1.5, [0.5, 1, 2], (80, 3))])
COUNTS = draws.integers(1, 4, len(TABLE)).astype(float)


def test_aicc_is_published_one_and_infinite_for_too_few_rows():
    # Hurvich & Tsai (1989), with σ² among the p parameters: AIC + 2 p (p + 1) / (n − p − 1).
    assert criteria.aicc(-40.0, 3, 10) == pytest.approx(86 + 24 / 6)
    assert criteria.aicc(-40.0, 3, 4) == criteria.aicc(-40.0, 3, 2) == inf
    assert criteria.aicc(-40.0, 3, 4.1) < inf


def test_nec_of_one_component_is_1_and_of_several_that_gain_nothing_infinite():
    assert criteria.nec(0.0, -150.0, -150.0) == 1
    assert criteria.nec(0.0, -150.0, -150.0 * (1 + 1e-14)) == 1
    assert criteria.nec(2.0, -150.0, -150.0) == criteria.nec(2.0, -151.0, -150.0) == inf
    assert criteria.nec(0.0, -100.0, -150.0) == 0
    assert isnan(criteria.nec(nan, -100.0, -150.0))
    assert isnan(criteria.nec(1.0, -100.0, nan))


def entropy(mixture, rows, weights):
    shares = mixture.predict_proba(rows).astype(np.float64)
    logs = np.log(shares, where=shares > 0, out=np.zeros_like(shares))
    return -float(weights @ (shares * logs).sum(axis=1))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", COVARIANCE_TYPES)
def test_the_methods_are_the_formulas(name, dtype):
    rows = TABLE.astype(dtype)
    mixture = GaussianMixture(3, covariance_type=name, random_state=0).fit(rows, sample_weight=COUNTS)
    one = GaussianMixture(1, covariance_type=name).fit(rows, sample_weight=COUNTS)
    loglik, of_one = (fitted.log_likelihood(rows, COUNTS) for fitted in (mixture, one))
    p, n = mixture.n_parameters_, COUNTS.sum()
    assert mixture.criteria(rows, COUNTS)["aicc"] == pytest.approx(criteria.aicc(loglik, p, n), rel=1e-12)
    expected = entropy(mixture, rows, COUNTS) / (loglik - of_one)
    assert mixture.criteria(rows, COUNTS)["nec"] == pytest.approx(expected, rel=1e-5 if dtype == np.float32 else 1e-9)
    assert one.criteria(rows, COUNTS)["nec"] == 1
    for weights in (np.ones(len(TABLE)), COUNTS):
        whole = Scorer(mixture._parameters).totals(ArraySource(rows, weights)).entropy
        assert whole == pytest.approx(entropy(mixture, rows, weights), rel=1e-5 if dtype == np.float32 else 1e-12)
    assert mixture.criteria(rows)["nec"] != pytest.approx(mixture.criteria(rows, COUNTS)["nec"], rel=1e-5)


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
    told = r"weights add up to 1, fewer than the \d+ free parameters .* multiply them by 70, so that their mean is 1"
    search = gmm.GaussianMixtureSearch([1, 2], "full", random_state=0)
    for model in (search, gmm.BayesianGaussianMixture(n_components=2, random_state=0)):
        notes = warned(model.fit, GROUPS, sample_weight=np.full(len(GROUPS), 1 / len(GROUPS)))[1]
        assert any(re.search(told, note) for note in notes)


# --- Solutions ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def of_flowers():
    flowers = load_iris(return_X_y=True)[0]
    flowers = (flowers - flowers.mean(axis=0)) / flowers.std(axis=0)
    return flowers, select(flowers, range(2, 5), ["EEE", "VEV", "VVV"], random_state=0)


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
    with pytest.raises(ValueError, match="expected verbose to be a whole number from 0, got -1"):
        select(rows, 1, verbose=-1)


def test_solutions_divide_the_rows_otherwise_at_about_the_same_criterion(of_flowers):
    flowers, found = of_flowers
    first, *others = found.solutions()
    assert first[1:] == (found.scores[found.best_index], found.n_found_again, found.n_fresh_starts, 0.0)
    assert first.mixture is found.best
    assert len(others) == 1
    for one in others:
        mixture = one.mixture
        assert one.criterion == pytest.approx(mixture.bic(flowers), abs=0.1)
        assert one.criterion <= found.bic.min() + 10
        assert 0 < one.n_starts <= one.n_seeds
        labels, of_best = mixture.predict(flowers), found.best.predict(flowers)
        assert adjusted_rand_score(labels, of_best) < 0.9
        tables = [[np.sum((of_best == a) & (labels == b)) for b in range(3)] for a in range(3)]
        stay = max(sum(tables[a][b] for a, b in enumerate(order)) for order in permutations(range(3)))
        assert one.share_moved == pytest.approx(1 - stay / len(flowers))
        again = GaussianMixture(**mixture.get_params()).fit(flowers)
        np.testing.assert_array_equal(again.means_, mixture.means_)
    told = repr(found)
    assert re.search(r"another solution as near, such as 2 VVV \+\d\.\d+\n", told)
    assert re.search(r"2 VVV: 31.% of rows elsewhere, by \d+ of \d+ starts", told)
    assert "farther cells had few starts" in told
    np.testing.assert_array_equal(found.pursued, found.bic <= found.bic.min() + 10)
    alone = select(flowers, 1, random_state=0)
    assert "farther" not in repr(alone)


def test_solutions_of_standardised_columns_are_those_of_the_columns(of_flowers):
    scales, (flowers, found) = np.array([1e3, 1, 1e-2, 5]), of_flowers
    other = select(flowers * scales, range(2, 5), ["EEE", "VEV", "VVV"], random_state=0, standardize=True)
    (one,), (mine,) = other.others, found.others
    shift = 2 * len(flowers) * np.log(scales).sum()
    assert one.criterion == pytest.approx(mine.criterion + shift, abs=1e-3)
    assert one.mixture.bic(flowers * scales) == pytest.approx(one.criterion, abs=0.1)
    assert repr(other).split("another")[1] == repr(found).split("another")[1]


def test_one_solution_is_all_where_groups_lie_apart_and_criteria_of_rows_tell_none(found, of_flowers):
    assert [one.mixture for one in found.solutions()] == [found.best]
    assert "solution" not in repr(found)
    for how in ({"criterion": "icl"}, {"prior": "conjugate"}):
        assert len(select(of_flowers[0], [2, 3], "VVV", random_state=0, **how).solutions()) == 1


def test_a_file_has_the_other_solutions(of_flowers, tmp_path):
    flowers, found = of_flowers
    found.save(tmp_path / "found.gmm")
    again = Selection.load(tmp_path / "found.gmm")
    assert repr(again) == repr(found)
    for one, other in zip(found.others, again.others, strict=True):
        assert one[1:] == other[1:]
        np.testing.assert_array_equal(one.mixture.predict_proba(flowers), other.mixture.predict_proba(flowers))
    (one,) = found.others
    for wrong in ({"n_starts": 9}, {"share_moved": 1.5}, {"n_seeds": 0.5}):
        replace(found, others=(one._replace(**wrong),)).save(tmp_path / "wrong.gmm")
        refused("'others'", Selection.load, tmp_path / "wrong.gmm")


def test_few_rows_for_each_parameter_are_told(found):
    assert "rows for each parameter" not in repr(select(X, [1, 2], "EII", random_state=0))
    assert "5.6 rows for each parameter" in repr(select(X[::2], [2], "VVI", random_state=0))

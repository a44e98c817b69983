"""Notes on columns: what can drive the choice of a model is noted, and nothing else."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_iris
from sklearn.metrics import adjusted_rand_score

from gmm import Selection, select
from inside import copies
from tables import DATA, PACKAGE, assert_contains, cases, refused, reloaded

rng = np.random.default_rng(0)
X = np.concatenate([rng.normal(-4, 1, (60, 2)), rng.normal(4, 1, (40, 2))])


@cases(
    ({"x0": X[:, 0], "x1": 3.0}, r"^Column\(s\) 'x1' are constant: likelihoods and criteria depend on reg_covar"),
    ({"a": X[:, 0], "b": 0.1, "c": 0.11}, r"^Column\(s\) 'b', 'c' are constant"),
    ({"x0": np.ones(20), "x1": 1.0}, r"^All columns are constant"),
    ids=["one", "two with names", "all"],
)
def test_columns_that_do_not_vary_are_noted(columns, told):
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
    assert_contains(note, "'minus' (of 'b')", without=["'in'"])
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
        assert_contains(note, "'c' (of 'a')", "but for rounding, which can drive the choice")
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
FEW = f"column {SETOSA.columns[2]!r} (6 distinct values): components may collapse"
TABLES = {
    "codes": (CODED, ["columns 'site' (3 distinct values), 'kind' (2 distinct values) may be codes"]),
    "no codes": (pd.DataFrame(X), []),
    "codes alone": (CODED[["site"]], ["column 'site' (3 distinct values): components may collapse on"]),
    "a tail": (SPENT, ["column 'spend' is positive with a long tail: fit its logarithm"]),
    "no tail": (pd.DataFrame({"even": np.geomspace(20, 1, 300), "wait": draws.exponential(size=300)}), []),
    "two tails": (SPENT.assign(basket=draws.lognormal(0, 1, 300)), ["columns 'spend', 'basket' are positive"]),
    "zeros": (WEATHER, [f"column 'rain' {ZEROS} is one value"]),
    "an identifier": (CUSTOMERS, ["column 'customer_id' numbers the rows, like an identifier: drop it"]),
    "two": (CUSTOMERS.assign(line=range(200)), ["columns 'customer_id', 'line' number the rows, like identifiers: "]),
    "none by its name": (CUSTOMERS.rename(columns={"customer_id": "income"}), []),
    "beside which nothing remains": (CUSTOMERS[["customer_id"]], []),
    "fractions": (SETOSA, [FEW]),
    "a code too": (SETOSA.assign(kind=CODED["kind"][:50]), ["column 'kind' (2 distinct values) may be a code", FEW]),
}


@cases(TABLES)
def test_columns_that_can_drive_the_choice_are_noted(table, beginnings):
    """The rules are those of `gmm fit`."""
    notes = select(table, 1, "diag").notes
    assert [note[: len(begin)] for note, begin in zip(notes, beginnings, strict=True)] == beginnings


SHARES = np.random.default_rng(1).dirichlet([3, 4, 5], 300)
RARE = np.random.default_rng(1).gamma([4, 3, 9], [10, 7, 0.02], (300, 3))
SINGULAR, ROUNDED = ", which makes covariances singular: drop", " but for rounding, which can drive the choice: drop"


@pytest.mark.parametrize("standardize", [False, True])
@cases(
    (100 * SHARES, f"columns 'a', 'b', 'c' add up to 100{SINGULAR}"),
    (RARE / RARE.sum(axis=1, keepdims=True), f"columns 'a', 'b', 'c' add up to 1{SINGULAR}"),
    (np.where(np.arange(300)[:, None] % 9 == [1, 2, 3], np.nan, SHARES), f"'a', 'b', 'c' add up to 1{SINGULAR}"),
    ((100 * SHARES).round(), f"columns 'a', 'b', 'c' add up to 100{ROUNDED}"),
    (SHARES @ [[1, 0, 1], [0, 1, 1], [0, 0, 0]], f"column 'c' is the sum of columns 'a', 'b'{SINGULAR}"),
    (SHARES @ [[1, 0, 2], [0, 1, 3], [0, 0, 0]], f"columns 'a', 'b', 'c' depend on each other{SINGULAR}"),
    (SHARES + np.random.default_rng(2).normal(0, 0.1, (300, 3)), ""),
    ids=["shares", "a rare part", "gaps", "rounded", "total", "combination", "noisy"],
)
def test_columns_that_add_up_are_noted(columns, note, standardize):
    table = pd.DataFrame(columns, columns=list("abc")).assign(other=np.random.default_rng(0).normal(size=300))
    notes = select(table, 1, "diag", missing="em", standardize=standardize).notes
    assert [text for text in notes if note in text and "drop" in text] == [*notes][: bool(note)]
    assert len(notes) == bool(note)


def test_a_component_of_error_values_is_doubted():
    """It is small and far wider than the others; a mixture that has noise, or tails, is not doubted."""
    rng = np.random.default_rng(0)
    heat = np.concatenate([rng.normal(60, 1.5, 200), rng.normal(75, 2, 200), np.linspace(-999, 400, 8)])
    rows = pd.DataFrame({"heat": heat, "pressure": rng.normal(4, 0.1, 408)})
    found = select(rows, 3, "diag")
    (doubt,) = [line.strip() for line in repr(found).splitlines() if "noise=True" in line]
    k = int(np.argmin(found.best.weights_))
    assert_contains(doubt, f"component {k}, of weight 0.0", "'heat'")
    assert doubt in str(found.best)
    assert "noise=True" not in repr(select(rows, 2, "diag", noise=True))
    for name in ("iris", "galaxies"):
        found = select(pd.read_csv(DATA / f"{name}.csv"), range(1, 7), ["full", "diag"])
        assert "times as wide" not in repr(found)
        assert "tail" not in "".join(found.notes)


def with_codes(code, share=0.04, digits=6, n=800):
    """Humidity and temperature, of which a share of the humidities is a code."""
    rows = np.random.default_rng(1).normal([60, 20], [5, 4], (n, 2)).round(digits)
    rows[: round(share * n), 0] = code
    return pd.DataFrame(rows, columns=["hum", "temp"])


@pytest.mark.parametrize("code", [-999, 99, 0, -999.9, 1e6])
@pytest.mark.parametrize("how", [{}, {"standardize": True}, {"missing": "em"}])
def test_values_far_from_all_others_that_rows_share_are_noted(code, how):
    table = with_codes(code)
    table.loc[790:, "temp"] = np.nan if how.get("missing") else 20.0
    (note,) = select(table, 1, "diag", **how).notes
    value = {1e6: "1000000"}.get(code, f"{code}")
    assert note.startswith(f"column 'hum' has {value} in 32 rows, far from all others; if it is a code, replace it")
    table["dew"] = table["hum"].where(table["hum"] == code, table["hum"] / 2)
    table.loc[:5, "temp"] = 12345
    notes = "\n".join(select(table, 1, "diag", **how).notes)
    assert f"columns 'hum' (32 rows), 'dew' (32 rows) have {value}, far from all" in notes
    assert "column 'temp' has 12345 in 6 rows" in notes


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
    assert any(f"has {value:g} in row {rows[0]} (of those fitted, from 0)" in note for note in notes) or n_rows > 1
    assert adjusted_rand_score(np.repeat([0, 1], 250), found.best.predict(X)) > 0.96
    assert found.status[found.best_index] == "ok"


@pytest.mark.parametrize("value", [1e12, 1e20, 9.97e36, -1e100])
@pytest.mark.parametrize("n_rows", [1, 6])
def test_no_search_starts_with_a_value_that_leaves_others_no_digits(n_rows, value):
    X, rows = two_groups(value, n_rows)
    for how in ({}, {"standardize": True}):
        told = rf"got 'x\d' with {re.escape(f'{value:g}')} in row \d+ \(of those fitted, from 0\)"
        refused(told, select, X, range(1, 4), **how)
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


def test_values_that_are_no_codes_are_not_noted():
    """One that four rows have, or most; of nines, one; an end of what is between; one of two; beside zeros; tables."""
    few, most, near = with_codes(-1000, 0.005), with_codes(-999, 0.6), with_codes(45)
    flag = with_codes(-999).assign(hum=np.resize([0.0] * 9 + [50.0], 800))
    rare = np.linspace(1, 2, 800) * (np.arange(800) > 640)
    idle = flag.assign(hum=np.where(np.arange(800) < 20, -999, rare))
    bundled = pd.read_csv(PACKAGE / "data" / "faithful.csv")
    for table in (few, with_codes(-999, 1 / 800), most, near, flag, idle, bundled, load_iris(as_frame=True).data):
        assert "far from all others" not in "".join(select(table, 1, "diag").notes)


@pytest.mark.parametrize("code", [-999, 999, 99])
@pytest.mark.parametrize("total", [None, 5e4])
def test_two_nines_far_from_all_others_are_noted_also_beside_a_total(code, total):
    table = with_codes(code, 2 / 800)
    table.loc[799] = [table.loc[799, column] if total is None else total for column in table]
    (note,) = (note for note in select(table, 1, "diag").notes if "far from all others" in note)
    assert note.startswith(f"column 'hum' has {code} in 2 rows, far from all others")


def test_two_codes_are_noted():
    table = with_codes(-999).astype(np.float32)
    table.loc[700:, "hum"] = np.float32(-9999.9)
    told = ["column 'hum' has -9999.9 in 100 rows", "column 'hum' has -999 in 32 rows"]
    assert [note.partition(",")[0] for note in select(table, 1, "diag").notes] == told
    gaps = table.replace({"hum": [np.float32(-999), np.float32(-9999.9)]}, np.nan)
    assert select(gaps, 1, "diag", missing="em").notes == ()

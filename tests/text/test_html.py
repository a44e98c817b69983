"""What a notebook shows: well-formed, escaped, with the model's own numbers, and never an error."""

import itertools
import math
import re
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
import sklearn
from rich.console import Console
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

import inside
from gmm import GaussianMixture, GaussianMixtureSearch, select
from inside import CRITERIA, Cell, Column, Html, Table, block, choice, details, drawn, escaped, line, sparkline, style
from tables import PARAMETERS, assert_contains, reloaded

WICKED = "<b>&\"x'"
RNG = np.random.default_rng(0)
X = np.concatenate([RNG.normal(-3, 1, (60, 2)), RNG.normal(3, 1, (60, 2))])


def parsed(html):
    """The tree of a piece of HTML that is XML as well: every tag closed, every attribute quoted."""
    return ElementTree.fromstring(html)


def texts(tree, tag):
    return ["".join(element.itertext()) for element in tree.iter(tag)]


def shown(estimator):
    return parsed(estimator._repr_html_())


def test_texts_are_escaped_wherever_they_stand():
    cells = [[WICKED, Cell(WICKED, title=WICKED, kind="best", bar=0.5, shade=0.5)]]
    page = parsed(block(line(WICKED), Table.of([WICKED, "1"], cells, WICKED), details(WICKED, WICKED)))
    for tag in ("p", "caption", "summary"):
        assert texts(page, tag) == [WICKED]
    assert (texts(page, "th"), texts(page, "td")) == ([WICKED, "1"], [WICKED, WICKED])
    assert page.findall(".//td")[1].get("title") == WICKED
    picture = parsed(sparkline([0, 1], label=WICKED))
    assert picture.get("aria-label") == picture[0].text == WICKED
    assert not page.findall(".//b")
    once = escaped(WICKED)
    assert isinstance(once, Html)
    assert escaped(once) == once
    assert texts(parsed(line(once)), "p") == [WICKED]


def test_a_table_is_text_as_well():
    words = Column("a\u202e", [Cell("x", kind="best"), "yy"], "text")
    table = Table((Column("", [0, 10], "label"), words, Column("n", ["1", "-22"])), "caption", notes=["… and 2 more"])
    lines = "      a\\u202e    n", "   0  x          1", "  10  yy       -22"
    assert str(table).splitlines() == ["caption", *lines, "  … and 2 more"]
    assert list(Table([Column("K", ["7"], least=3)]).lines("", 1, ruled=True)) == ["  K", "───", "  7"]
    page = parsed(f"<div>{escaped(table)}</div>")
    kinds = [[cell.get("class") for cell in row] for row in page.iter("tr")]
    assert kinds == [[None, best, "gmm-number"] for best in (None, "gmm-best", None)]
    assert texts(page, "p") == ["… and 2 more."]
    usual = parsed(escaped(Table.of(["name", "many"], [["a", 1]]))).iter("tr")
    assert [[cell.get("class") for cell in row] for row in usual] == [[None, "gmm-number"]] * 2
    empty = Table.of(["", "size"], [])
    assert str(empty) == repr(empty) == "    size"
    assert texts(parsed(escaped(empty)), "th") == ["", "size"]


def test_a_terminal_draws_the_same_table_in_colours():
    rows = [["東", 1], ["b", Cell("·", kind="zero")]]
    shown = list(drawn(Table.of(["", "n"], rows, "caption", kinds=["text"], best=0, notes=["end"])))
    assert list(map(str, shown)) == ["caption", "     n", "──────", "東   1", "b    ·", "end"]
    assert [str(shown[line].style) for line in (1, 3, 4)] == ["bold", "bold green", ""]
    assert [(span.start, span.style) for span in shown[4].spans if span.style] == [(5, "dim")]


def test_the_style_touches_nothing_of_the_page():
    sheet = re.sub(r"/\*.*?\*/", "", style(), flags=re.S)
    plain = sheet.replace("@media print", "").replace("@supports (color: color-mix(in oklab, red, blue))", "")
    selectors = [part for rule in plain.split("}") for part in rule.rpartition("{")[0].split("{")[-1].split(",")]
    assert all(part.strip().startswith(".gmm") for part in selectors if part.strip())
    assert "url(" not in sheet
    assert sheet.count("{") == sheet.count("}")


def points(values):
    found = parsed(sparkline(values, label="values")).find("{*}polyline")
    return np.array([]) if found is None else np.array([p.split(",") for p in found.get("points").split()], dtype=float)


def test_a_sparkline_rises_where_the_values_do_and_leaves_out_what_is_not_finite():
    places = points([0.0, 1.0, 3.0, 2.0])
    assert (np.diff(places[:, 0]) > 0).all()
    assert np.argsort(-places[:, 1]).tolist() == [0, 1, 3, 2]  # y points down
    np.testing.assert_allclose(places[1, 1] - places[2, 1], 2 * (places[0, 1] - places[1, 1]), atol=0.11)
    whole, holed = points([0, 1, 2, 3, 4]), points([0, math.nan, 2, -math.inf, 4])
    np.testing.assert_array_equal(holed, whole[::2])
    for values in ([], [1.0], [math.nan], [math.inf, -math.inf]):  # less than two are no line
        assert not points(values).size
        circles = parsed(sparkline(values, label="values")).findall("{*}circle")
        assert len(circles) == sum(map(math.isfinite, values))


def test_a_sparkline_stays_in_its_frame_and_keeps_extremes_when_it_is_thinned():
    for values in ([2.0, 2.0, 2.0], [1e308, -1e308, 0.0], [1e-300, 0.0]):
        places = points(values)
        assert len(places) == len(values)
        np.testing.assert_array_equal(places[[0, -1], 0], points([0, 1, 2])[[0, -1], 0])
        assert ((places >= 0) & (places <= [160, 28])).all()
        assert (np.diff(places[:, 1])[: len(set(values)) - 1] != 0).all()
    assert np.ptp(points([-3.0, -3.0 + 1e-11])[:, 1]) < 0.1 < np.ptp(points([-3.0, -3.0 + 1e-4])[:, 1])
    values = np.sin(np.arange(20_000) / 3000)
    values[7777], values[12_345] = 5, -4
    places, (first, high, low, last) = points(values), points(values[[0, 7777, 12_345, -1]])[:, 1]
    assert len(places) <= 200
    assert places[:, 0].tolist() == sorted(places[:, 0])
    assert (places[:, 1].min(), places[:, 1].max()) == (high, low)
    assert (places[0, 1], places[-1, 1]) == (first, last)


def test_an_unfitted_mixture_shows_its_call_and_all_parameters():
    mixture = GaussianMixture(3, covariance_type="tied", means_init=np.zeros((3, 2)))
    page = shown(mixture)
    assert texts(page, "code") == [repr(mixture)]
    names, values = texts(page, "td")[::2], texts(page, "td")[1::2]
    assert sorted(names) == sorted(mixture.get_params())
    assert dict(zip(names, values, strict=True))["covariance_type"] == "'tied'"
    strong = {cell.text for cell in page.iter("td") if "strong" in cell.get("class", "")}
    assert strong & set(names) == {"n_components", "covariance_type", "means_init"}


def test_a_fitted_mixture_shows_its_own_numbers():
    mixture = GaussianMixture(2, random_state=0).fit(pd.DataFrame(X, columns=[WICKED, "size"]))
    page = shown(mixture)
    assert texts(page, "th") == ["", "weight", WICKED, "size"]
    cells = np.array(texts(page, "td")[:8]).reshape(2, 4)
    np.testing.assert_array_equal(cells[:, 0], ["0", "1"])
    np.testing.assert_allclose(cells[:, 1].astype(float), mixture.weights_, atol=1e-4)
    means, spreads = np.moveaxis(np.array([[cell.split(" ± ") for cell in row] for row in cells[:, 2:]], float), -1, 0)
    np.testing.assert_allclose(means, mixture.means_, rtol=0, atol=6e-3)
    np.testing.assert_allclose(spreads, np.sqrt(np.einsum("kjj->kj", mixture.covariances_)), rtol=1e-2)
    bars = [span.get("style") for span in page.iter("span") if span.get("style")]
    assert bars == [f"width: {100 * weight:.1f}%" for weight in mixture.weights_]
    told = " ".join(texts(page, "p"))
    assert "2 components, 2 features, VVV (full) covariance, 11 free parameters" in told
    assert f"converged after {mixture.n_iter_} passes ({mixture.history_.reason})" in told
    assert f"mean log-likelihood {mixture.lower_bound_:.6g} nats" in told
    assert len(page.find(".//{*}polyline").get("points").split()) == mixture.n_iter_
    text = str(mixture)
    assert text.startswith("GaussianMixture(n_components=2, random_state=0)\n")
    assert all(told in text for told in texts(page, "td")[:8] + texts(page, "th"))
    mixture.weights_ = [0.25, 0.75]  # by which it is another than was fitted
    page = shown(mixture)
    assert texts(page, "td")[1::4][:2] == ["0.2500", "0.7500"]
    assert page.find(".//{*}svg") is None


def test_many_components_and_features_are_cut_and_it_is_told():
    parts = np.full(15, 1 / 15), np.zeros((15, 9)), np.ones(15)
    page = shown(GaussianMixture.from_parameters(*parts, covariance_type="VII"))
    assert len(page.find(".//tbody")) == 12
    assert texts(page, "th") == ["", "weight", *(f"x{j}" for j in range(6))]
    assert "… and 3 more components, 3 more features" in " ".join(texts(page, "p"))
    page = shown(GaussianMixture(1000, means_init=np.ones((1000, 2)).tolist()))
    assert max(map(len, texts(page, "td") + texts(page, "code"))) < 500


@pytest.mark.parametrize("name", inside.COVARIANCE_TYPES)
@pytest.mark.parametrize(("K", "d", "dtype"), [(2, 1, np.float32), (1, 3, np.float64)])
@pytest.mark.filterwarnings("ignore")
def test_every_mixture_can_be_shown(name, K, d, dtype):
    rows = np.random.default_rng(1).normal(size=(60, d)).astype(dtype)
    mixture = GaussianMixture(K, covariance_type=name, max_iter=3, random_state=0).fit(rows)
    loaded, by_hand = reloaded(mixture), GaussianMixture(K, covariance_type=name)
    for part in PARAMETERS:
        shown(by_hand)
        setattr(by_hand, part, getattr(mixture, part))
    given = GaussianMixture.from_parameters(*(getattr(mixture, part) for part in PARAMETERS), covariance_type=name)
    headline = f"{K} component{'s' * (K > 1)}, {d} feature{'s' * (d > 1)}, "
    for each, fitted in ((mixture, True), (loaded, True), (by_hand, False), (given, False)):
        told = " ".join(texts(shown(each), "p"))
        assert headline in told
        assert ("mean log-likelihood" in told) == ("mean log-likelihood" in str(each)) == fitted


@pytest.mark.parametrize("display", ["diagram", "text"])
def test_pipelines_are_shown(display):
    pipeline = Pipeline([("scale", StandardScaler()), ("mixture", GaussianMixture(2, random_state=0))])
    with sklearn.config_context(display=display):
        bundles = pipeline._repr_mimebundle_(), pipeline.fit(X)._repr_mimebundle_()
    for bundle in bundles:
        assert all("GaussianMixture(n_components=2, random_state=0)" in text for text in bundle.values())
        assert len(bundle["text/plain"].splitlines()) == 2
    fitted = ["mean log-likelihood" in bundle.get("text/html", "") for bundle in bundles]
    assert fitted == [False, display == "diagram"]


@pytest.fixture(scope="module")
def found():
    return select(X, range(1, 4), random_state=0)


def grid_of(page):
    """The first table of a page as {(row, column): cell}."""
    first = page.find(".//table")
    names = texts(first.find("thead"), "th")
    rows = first.find("tbody")
    return {(row[0].text, name): cell for row in rows for name, cell in zip(names[1:], row[1:], strict=True)}


def test_a_search_shows_every_cell_and_marks_the_best(found):
    page = shown(found)
    grid = grid_of(page)
    best = {cell for cell, entry in grid.items() if "gmm-best" in entry.get("class")}
    assert best == {(found.best.covariance_type, f"K={found.best.n_components}")}
    cells = [grid[name, f"K={K}"] for name, K in zip(found.covariance_type, found.n_components, strict=True)]
    for cell, score, loglik in zip(cells, found.scores, found.loglik, strict=True):
        assert float(cell.text.lstrip("★^")) == pytest.approx(score, abs=0.005)
        assert f"log-likelihood {loglik:.2f}" in cell.get("title")
    shades = [float(cell.get("style", "0)").rpartition(" ")[2].rstrip(")")) for cell in cells]
    ranked = [shades[number] for number in found.ranked() if not found.status[number].startswith("degenerate")]
    assert sorted(ranked, reverse=True) == ranked  # the nearer to the best, the deeper
    assert ranked[0] > ranked[-1] > 0
    assert page.find(".//summary").text == "the best mixture"
    assert inside.summary_of(found.best).headline in " ".join(texts(page, "p"))
    *_, head, body = page.findall(".//table")[1]  # the next best with their numbers
    assert [row.get("class") for row in body] == ["gmm-best"] + [None] * 5
    assert [cell.get("class") for cell in head[0]][:4] == [None, "gmm-number", None, "gmm-number"]
    rows = [dict(zip(texts(head, "th"), texts(row, "td"), strict=True)) for row in body]
    assert rows[0]["ΔBIC"] == "0.00"
    for row, number in zip(rows, found.ranked(), strict=False):
        assert (int(row["K"]), row["model"]) == (found.n_components[number], found.covariance_type[number])
        expected = [found.bic[number], found.loglik[number], found.n_parameters[number]]
        assert [float(row[name]) for name in ("BIC", "loglik", "df")] == pytest.approx(expected, abs=0.005)


def test_failed_cells_are_muted_and_have_their_reason(found):
    told, estimators = list(found.status), list(found.estimators)
    places = {"degenerate: component 1": 1, f"failed: {WICKED}": 2, "not tried": 15, "not converged": 16}
    for status, number in places.items():
        told[number] = status
        estimators[number] = None if status[0] in "f" or status == "not tried" else estimators[number]
    page = shown(replace(found, status=tuple(told), estimators=tuple(estimators), complete=False))
    grid = grid_of(page)
    for status, number in places.items():
        cell = grid[found.covariance_type[number], f"K={found.n_components[number]}"]
        assert cell.get("title").endswith(f"; {status}")
        assert ("gmm-muted" in cell.get("class")) == (status != "not converged")
        assert (cell.get("style") is None) == (status != "not converged")
    signs = "★ best", "~ not converged", "^ a component is degenerate", "– not tried", "incomplete (ended early)"
    assert_contains(" ".join(texts(page, "p")), *signs, f"1 {found.covariance_type[2]} failed: {WICKED}")


def test_the_notebook_the_text_and_the_terminal_show_one_grid(found):
    for criterion, (counts, names) in itertools.product(CRITERIA, (([2], "VVE"), ([1, 2], ["full", "tied"]))):
        other = select(X, counts, names, criterion=criterion, random_state=0)
        assert len(grid_of(shown(other))) == len(other.status)
    entries = {cell.text for cell in grid_of(shown(found)).values()}
    console = Console(width=1000, color_system=None)
    with console.capture() as terminal:
        console.print(*choice(found, 80), sep="\n")
    for text in (repr(found), terminal.get()):
        assert entries <= set(text.split())


def test_the_estimator_of_a_search_prints_what_it_found(found):
    search = GaussianMixtureSearch(range(1, 4), random_state=0)
    call = "GaussianMixtureSearch(n_components=range(1, 4), random_state=0)"
    assert str(search) == repr(search) == call
    assert not list(shown(search).iter("th"))
    search.fit(X)
    assert (repr(search), str(search)) == (call, f"{call}\n{search.selection_!r}")
    page = shown(search)
    assert (texts(page, "code"), texts(page, "summary")) == ([call], ["the best mixture", "parameters"])
    told, same = ({place: cell.text for place, cell in grid_of(each).items()} for each in (page, shown(found)))
    assert told == same
    assert len(page.findall(".//{*}style")) == 1


def test_values_with_many_numbers_are_short():
    passes = []
    mixture = GaussianMixture(2, random_state=0).fit(X, callback=passes.append)
    history = mixture.history_
    assert repr(history) == f"Trace(converged after {mixture.n_iter_} passes: {history.reason})"
    assert repr(mixture._parameters) == "MixtureParameters(K=2, d=2, full)"
    told = f"Iteration(start=0, n_iter=1, lower_bound={passes[0].lower_bound:.6g}, gain=inf, remaining="
    assert repr(passes[0]).startswith(told)
    assert len(repr(passes[0])) < 100
    assert repr(replace(passes[0], accepted=False, move=2)).endswith("not accepted)")

"""The gallery: its pages name what is public, show what README.md links, and what they claim is so."""

import ast
import operator
import os
import re
import runpy
import types
from pathlib import Path

import numpy as np
import pytest

os.environ.setdefault("MPLBACKEND", "Agg")

from matplotlib import pyplot as plt

import gmm
import gmm.plotting

ROOT = Path(__file__).parents[1]
GALLERY = ROOT / "docs" / "gallery"
GROUPS = ("first_look", "choosing", "applications", "inside")
PAGES = [page for group in GROUPS for page in sorted((GALLERY / group).glob("plot_*.py"))]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PICTURES = runpy.run_path(str(ROOT / "tools" / "pictures.py"))["PICTURES"]
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
IN_ANY_UNITS = ("EEI", "VEI", "EVI", "VVI", "EEE", "VEE", "EVV", "VVV")
MODULES = ("analysis", "em", "inference", "plotting", "tracking")
FACES = {"gmm": gmm} | {f"gmm.{name}": getattr(gmm, name) for name in MODULES}


def source(page):
    return page.read_text(encoding="utf-8")


def flat(text):
    return re.sub(r"\s+", " ", text)


def test_every_page_is_in_a_group_which_are_numbered_in_turn():
    assert sorted(GALLERY.rglob("plot_*.py")) == sorted(PAGES)
    assert sorted(header.parent.name for header in GALLERY.glob("*/GALLERY_HEADER.rst")) == sorted(GROUPS)
    for group in GROUPS:
        numbers = [int(page.stem.split("_")[1]) for page in PAGES if page.parent.name == group]
        assert numbers == list(range(1, len(numbers) + 1)), group


@every_page
def test_a_page_imports_public_names_alone(page):
    tree = ast.parse(source(page))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    ours = [(node.module, name.name) for node in imports for name in node.names if node.module.split(".")[0] == "gmm"]
    assert ours
    for module, name in ours:
        assert name in (*FACES[module].__all__, *MODULES), f"{module}.{name}"
    for node in (node for node in ast.walk(tree) if isinstance(node, ast.Attribute)):
        if isinstance(node.value, ast.Name) and node.value.id == "gmm":
            assert node.attr in (*gmm.__all__, *MODULES), f"gmm.{node.attr}"
        assert not node.attr.startswith("_"), node.attr


@every_page
def test_what_a_page_speaks_of_is_there_and_it_tells_what_to_try_next(page):
    text = source(page)
    named = re.findall(r"(?<!`)`(gmm(?:\.\w+)+)`(?!`)", text)
    assert named
    for name in named:
        operator.attrgetter(name.removeprefix("gmm."))(gmm)
    for group, other in re.findall(r":ref:`sphx_glr_auto_gallery_(\w+?)_(plot_\w+)\.py`", text):
        assert (GALLERY / group / f"{other}.py").exists(), other
    assert "\n# %%\n# What to try next\n# ----------------\n" in text
    assert text.count("# %%") == text.count("\n\n# %%\n")  # else it is read as a word
    told = flat(text[text.index("# Used here:") :])
    for name in set(re.findall(r"\b(plot_\w+|animate_fit)\(", text)):
        assert f"`gmm.plotting.{name}`" in told, name


def test_pictures_of_the_readme_are_made_by_the_tool_and_there():
    linked = re.findall(r"docs/pictures/([\w.-]+)", README)
    assert sorted(set(linked)) == sorted(picture.name for picture in PICTURES)
    for picture in PICTURES:
        path = ROOT / "docs" / "pictures" / picture.name
        assert path.stat().st_size < (1_500_000 if path.suffix == ".gif" else 100_000), picture.name
    assert {path.name for path in (ROOT / "docs" / "pictures").iterdir()} == set(linked)


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.name)
def test_a_picture_stands_with_its_call_and_its_page(picture):
    page = GALLERY / f"{picture.page}.py"
    assert picture.call in flat(source(page))
    cell = next(cell for cell in re.split(r"<td|</td>", README) if f"docs/pictures/{picture.name}" in cell)
    assert f"docs/gallery/{picture.page}.py" in cell
    assert f"<code>{picture.call}</code>" in cell


def told(found, names):
    """The cell of a search with this number of components and covariance type."""
    cells = zip(found.n_components, found.covariance_type, strict=True)
    return next(number for number, cell in enumerate(cells) if cell == names)


def round_and_stretched(names):
    wrong, tables = names["wrong"], names["tables"]
    counts = [wrong(names["KMeans"](4, n_init=10, random_state=0).fit_predict(X)) for X in tables.values()]
    assert counts[0] < 5 < counts[1] < counts[2]
    assert names["scores"]["silhouette"].idxmax() == "k-means, K=3"  # of the last, most stretched table
    fitted = [gmm.GaussianMixture(4, random_state=0).fit_predict(X) for X in tables.values()]
    assert len({wrong(labels) for labels in fitted}) == 1
    distances = np.linalg.norm(names["X"][:, None] - names["kmeans"].means_, axis=2)
    np.testing.assert_array_equal(names["kmeans"].predict(names["X"]), distances.argmin(axis=1))


def soft_assignments(names):
    assert (names["largest"] > 0.99).mean() > 0.9
    assert names["wrong"].sum() < 2 * (1 - names["largest"]).sum()


def full_and_spherical(names):
    X = names["X"]
    assert names["full"].bic(X) < names["spherical"].bic(X)


def how_many(names):
    bic, aic = ([getattr(fit, name)(names["X"]) for fit in names["by_em"]] for name in ("bic", "aic"))
    assert np.argmin(bic) == np.argmin(aic) == 1
    found = names["found"]
    assert found.n_components[found.bic.argmin()] == 4 < found.n_components[found.aic.argmin()]
    scores = [fit.score(names["X"]) for fit in names["by_em"]]
    assert np.diff(scores).min() < 0  # the page says that one climb ended too low
    fifth = 2 * (found.loglik[2] - found.loglik[1])
    assert 12 < fifth < 6 * np.log(len(names["X"]))


def shared_shape(names):
    found, four = names["found"], names["four"]
    assert (found.best.n_components, found.best.covariance_type) == (4, "EEE")
    assert four.best.covariance_type == "tied"
    kinds = np.array(found.covariance_type)
    chosen = {kind: found.n_components[np.where(kinds == kind, found.bic, np.inf).argmin()] for kind in kinds}
    assert {kind for kind, K in chosen.items() if K != 4} == {"EII", "VII"}
    assert four.loglik[told(four, (4, "full"))] > four.loglik[told(four, (4, "tied"))]


def convergence(names):
    em, accelerated = names["em"], names["accelerated"]
    ends = np.array([[trace.lower_bounds[-1] for trace in fit.histories_] for fit in (em, accelerated)])
    assert len(ends[0]) == 8
    assert np.ptp(ends[0]) > 0.1
    assert abs(em.lower_bound_ - accelerated.lower_bound_) < 1e-5
    (higher,) = np.flatnonzero(ends[1] - ends[0] > 0.1)  # the one that goes on
    assert ends[1, higher] > accelerated.lower_bound_ - 1e-5
    assert not all(accelerated.history_.accepted)
    assert sum(map(len, accelerated.histories_)) < sum(map(len, em.histories_)) / 2


def galaxies(names):
    table = np.loadtxt(ROOT / "tests" / "data" / "galaxies.csv", skiprows=1)
    np.testing.assert_array_equal(names["velocity"], table / 1000)
    found = names["found"]
    assert (found.best.n_components, found.best.covariance_type) == (3, "V")
    seven = told(found, (7, "V"))
    assert found.status[seven].startswith("degenerate")
    assert found.bic[seven] < found.bic[found.best_index]
    assert 0 < found.bic[names["four"]] - found.bic[found.best_index] < 2


def old_faithful(names):
    assert (names["best"].n_components, names["best"].covariance_type) == (3, "EEE")


def iris(names):
    found, table = names["found"], names["table"]
    assert (found.best.n_components, names["three"].n_components) == (2, 3)
    assert np.diff(np.sort(table["bic"])[:2]) < 1
    assert names["largest"][names["strays"]].mean() < names["largest"].mean()


def colours(names):
    assert names["mixture"].n_components == 5


def anomalies(names):
    drawn = names["normal"].iloc[:0].reindex(range(100_000))
    drawn[:], _ = names["pump"].sample(len(drawn))
    assert abs(np.quantile(names["pump"].score_samples(drawn), 0.01) - names["threshold"]) < 0.2  # the line drawn
    assert names["interval"].low <= names["rate"] <= names["interval"].high
    assert names["pump"].n_components == 3
    for rows in names["faults"].values():
        assert (names["pump"].score_samples(rows) < names["threshold"]).mean() > 0.95
        assert ((rows >= names["low"]) & (rows <= names["high"])).all(axis=None)


def weights(names):
    by_counts, by_rows, exact = names["by_counts"], names["by_rows"], names["exact"]
    np.testing.assert_allclose(by_counts.means_, by_rows.means_, rtol=1e-5)
    added = np.sort(by_counts.covariances_.ravel()) - np.sort(exact.covariances_.ravel())
    np.testing.assert_allclose(added, names["width"] ** 2 / 12, rtol=0.35)


def prediction(names):
    widths = np.diff(names["line"].intervals[:, 0]).ravel()
    assert 66 < names["minutes"][widths.argmax()] < 68
    assert widths.max() > 2 * np.median(widths)
    of_eruptions, of_wine = names["rmse"], names["rmse_wine"]
    assert of_eruptions["mixture"] < min(of_eruptions["line"], of_eruptions["forest"])
    assert of_wine["mixture"] > max(of_wine["line"], of_wine["forest"])
    assert names["inside"] > 0.88 > 0.85 > names["inside_wine"]


def clutter(names):
    scores, of_moons = names["scores"], names["scores_of_moons"]
    assert scores["mixture with noise"] > max(scores["mixture without"], scores["HDBSCAN"])
    assert of_moons["mixture with noise"] < of_moons["HDBSCAN"]
    assert names["noisy"].n_components == 3
    assert abs(names["noisy"].noise_weight_ - 250 / 850) < 0.02


def gaps(names):
    index, error = (dict(zip(names["names"], names[each], strict=True)) for each in ("index", "error"))
    others = list(names["imputers"])
    assert all((index['missing="em"'][1:] > index[name][1:]).all() for name in others)
    assert all((error['missing="em"'] < error[name]).all() for name in others)
    assert abs(index['missing="em"'][0] - index["regressions"][0]) < 0.1
    by_em, dropped = zip(*names["estimates"].values(), strict=True)
    assert np.abs(by_em[:2]).max() < 0.05
    assert by_em[2] < -0.3
    assert dropped[1] < -0.4
    of_wine = names["errors_of_wine"]
    assert of_wine["tied"] < of_wine["regressions"] < of_wine["full"] > of_wine["neighbours"]


def few_labels(names):
    scores = names["scores"]
    assert names["right"] > 0.96
    for name in ("linear", "quadratic", "logistic"):
        assert scores["iris", "mixture", 0.05] > scores["iris", name, 0.05] + 0.05
        assert scores["wine", "mixture", 0.05] > scores["wine", name, 0.05] + 0.02
    for table in ("iris", "wine", "cancer"):
        assert abs(scores[table, "mixture", 1] - scores[table, "linear", 1]) < 0.003
    assert all(scores["cancer", "logistic", share] > scores["cancer", "mixture", share] for share in names["shares"])


def by_hand(names):
    np.testing.assert_allclose(names["responsibilities"], names["first"].responsibilities)
    np.testing.assert_allclose(names["means"], names["second"].means)
    np.testing.assert_allclose(names["variances"] + 1e-6, names["second"].covariances.ravel())
    assert len(names["passes"]) == names["mixture"].n_iter_


def many_columns(names):
    found, best = names["found"], names["found"].best
    assert (best.n_components, best.covariance_type) == (3, "VVE")
    four = told(found, (4, "VVE"))
    assert found.status[four].startswith("degenerate")
    assert found.bic[four] < found.bic[found.best_index]
    assert names["three"].n_parameters_ == 158 < len(names["wine"].data) < found.n_parameters[four] == 185
    assert gmm.GaussianMixture(3, prior="conjugate", random_state=0).fit(names["wine"].data).n_parameters_ == 314
    score, kinds = names["adjusted_rand_score"], names["wine"].target
    agreement = {name: score(kinds, labels) for name, labels in names["partitions"].items()}
    assert agreement["VVE"] == 1 > agreement["VVE, scaled"]
    assert agreement["VEE"] == agreement["VEE, scaled"]
    for search in (names["found"], names["found_scaled"]):
        in_any_units = [n for n in search.ranked() if search.covariance_type[n] in IN_ANY_UNITS]
        assert next(search.covariance_type[n] for n in in_any_units if search.n_components[n] == 3) == "VEE"


def fading(names):
    assert names["mixture"].n_effective_components_ == names["found"].best.n_components == 4
    assert names["film"].n_frames < 100  # the fit converged


def directions(names):
    assert names["same"].all()
    principal = gmm.GaussianMixture(3, random_state=0).fit_predict(names["principal"])
    assert abs(names["adjusted_rand_score"](names["group"], principal)) < 0.02
    assert names["adjusted_rand_score"](names["group"], names["mixture"].predict(names["rows"])) > 0.95
    table = names["table"]
    assert table["with all columns"].iloc[2] == 1
    assert table["last eigenvalue"].is_monotonic_decreasing
    assert names["one"].bic(names["nothing"]) < names["imagined"].bic(names["nothing"])
    test, score = names["cultivar"][names["test"]], names["adjusted_rand_score"]
    scores = [score(test, each) for each in names["agreement"].values()]
    assert scores[0] > scores[1]


def combining(names):
    assert names["found"].best.n_components == 6
    assert names["combined"].n_clusters == names["combined"].n_clusters_by_rows == 4
    assert names["index"] > 0.9
    assert names["apart"].best.n_components == names["three"].n_clusters == 3
    assert names["three"].entropies.max() < 0.01
    suggested, two, dense = names["scores"]  # of the noisier moons
    assert suggested < dense < two


def how_sure(names):
    assert names["three"].bic(names["eruptions"]) < names["two"].bic(names["eruptions"])
    sure, unsure = names["sure"], names["unsure"]
    assert sure.adjusted_rand.mean() > 0.98 > 0.92 > unsure.adjusted_rand.mean()
    assert unsure.means[2, 1] > 3.5 * unsure.means[0, 1]
    assert 0.18 < names["shares"][2, 0] < 0.25
    assert names["common"].areas[2, 1] > 0.5
    covered = names["pd"].DataFrame(names["covered"])
    assert (covered["4 apart"] > 0.85).all()
    assert (covered["2 apart"] < 0.82).all()


def following(names):
    assert set(names["tracks"].track) == set(range(5))
    scores = names["scores"]
    for title in ("as above", "8 points"):
        (misses, _, switches, mota), baseline = scores[title, "tracker"], scores[title, "frame by frame"]
        assert misses < baseline[0]
        assert switches < baseline[2] / 5
        assert mota > baseline[3]
    assert scores["as above", "tracker"][3] > 0.98
    assert scores["8 points", "tracker"][0] > 30  # the page says that few points are missed
    assert names["limits"][3.0] > names["limits"][1.0] + 0.1


def topics(names):
    assert "few rows" in str(names["topics"])
    scores = names["scores"]
    assert scores["diag"][0] + 0.03 < scores["factor5"][0] < scores["k-means"][0]
    assert scores["factor5"][1] > scores["diag"][1] + 20
    shares = [int(told.split()[-1].rstrip("%")) for told in names["table"]["subpackage"]]
    assert np.median(shares) > 75


# Pages and the functions above that have their names.
CLAIMS = {page: claim for page in PAGES if (claim := globals().get(page.stem.split("_", 2)[2]))}


def test_no_other_page_has_lost_its_claims():
    without = [page.stem.split("_", 2)[2] for page in PAGES if page not in CLAIMS]
    assert without == ["customers", "speakers", "errors", "learning"]


@pytest.mark.filterwarnings("ignore:Best performing initialization:gmm.ConvergenceWarning")
@pytest.mark.parametrize("page", CLAIMS, ids=lambda page: page.stem)
def test_what_a_page_claims_is_so(page, monkeypatch, capsys):
    """Except for the animation and the command line, which the build of the documentation runs."""
    monkeypatch.chdir(GALLERY)
    monkeypatch.syspath_prepend(ROOT)  # for a page's benchmark
    plt.close("all")
    names = runpy.run_path(str(page))
    try:
        CLAIMS[page](types.MappingProxyType(names))
    finally:
        plt.close("all")
    assert capsys.readouterr().out

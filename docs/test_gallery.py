"""The gallery: its pages name what is public, show what README.md links, and what they claim is so."""

import operator
import re
import runpy
import types
from pathlib import Path

import numpy as np
import pytest

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
    imports = re.findall(r"^ *from (gmm[.\w]*) import ([\w, ]+)", source(page), re.M)
    ours = [(module, name) for module, names in imports for name in names.split(", ")]
    assert ours or "import gmm\n" in source(page)
    for module, name in (*ours, *(("gmm", name) for name in re.findall(r"\bgmm\.(\w+)", source(page)))):
        assert name in (*FACES[module].__all__, *MODULES), f"{module}.{name}"
    assert not re.search(r"\w\._[a-z]", source(page))


@every_page
def test_what_a_page_speaks_of_is_there_with_what_to_try_next(page):
    text = source(page)
    named = re.findall(r"(?<!`)`(gmm(?:\.\w+)+)`(?!`)", text)
    assert named
    for name in named:
        operator.attrgetter(name.removeprefix("gmm."))(gmm)
    for group, other in re.findall(r":ref:`sphx_glr_auto_gallery_(\w+?)_(plot_\w+)\.py`", text):
        assert (GALLERY / group / f"{other}.py").exists(), other
    assert "\n# %%\n# What to try next\n# ----------------\n" in text
    assert text.count("# %%") == text.count("\n\n# %%\n")  # else it is read as a word
    listed = flat(text[text.index("# Used here:") :])
    for name in set(re.findall(r"\b(plot_\w+|animate_fit)\(", text)):
        assert f"`gmm.plotting.{name}`" in listed, name


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


def cell_position(found, wanted):
    """The number of a search's cell with this number of components and covariance type."""
    return [*zip(found.n_components, found.covariance_type, strict=True)].index(wanted)


def round_and_stretched(page):
    tables = page.tables.values()
    counts = [page.wrong(page.KMeans(4, n_init=10, random_state=0).fit_predict(X)) for X in tables]
    assert counts[0] < 5 < counts[1] < counts[2]
    assert page.scores["silhouette"].idxmax() == "k-means, K=3"  # of the last, most stretched table
    assert len({page.wrong(gmm.GaussianMixture(4, random_state=0).fit_predict(X)) for X in tables}) == 1
    distances = np.linalg.norm(page.X[:, None] - page.kmeans.means_, axis=2)
    np.testing.assert_array_equal(page.kmeans.predict(page.X), distances.argmin(axis=1))


def soft_assignments(page):
    assert (page.largest > 0.99).mean() > 0.9
    assert page.wrong.sum() < 2 * (1 - page.largest).sum()


def full_and_spherical(page):
    assert page.full.bic(page.X) < page.spherical.bic(page.X)


def how_many(page):
    bic, aic = ([getattr(fit, name)(page.X) for fit in page.by_em] for name in ("bic", "aic"))
    assert np.argmin(bic) == np.argmin(aic) == 1
    found = page.found
    assert found.n_components[found.bic.argmin()] == 4 < found.n_components[found.aic.argmin()]
    assert np.diff([fit.score(page.X) for fit in page.by_em]).min() < 0  # one climb ended too low
    assert 12 < 2 * (found.loglik[2] - found.loglik[1]) < 6 * np.log(len(page.X))


def shared_shape(page):
    found, four = page.found, page.four
    assert (found.best.n_components, found.best.covariance_type) == (4, "EEE")
    assert four.best.covariance_type == "tied"
    kinds = np.array(found.covariance_type)
    chosen = {kind: found.n_components[np.where(kinds == kind, found.bic, np.inf).argmin()] for kind in kinds}
    assert {kind for kind, K in chosen.items() if K != 4} == {"EII", "VII"}
    assert four.loglik[cell_position(four, (4, "full"))] > four.loglik[cell_position(four, (4, "tied"))]


def convergence(page):
    em, accelerated = page.em, page.accelerated
    ends = np.array([[trace.lower_bounds[-1] for trace in fit.histories_] for fit in (em, accelerated)])
    assert len(ends[0]) == 8
    assert np.ptp(ends[0]) > 0.1
    assert abs(em.lower_bound_ - accelerated.lower_bound_) < 1e-5
    (higher,) = np.flatnonzero(ends[1] - ends[0] > 0.1)  # the one that goes on
    assert ends[1, higher] > accelerated.lower_bound_ - 1e-5
    assert not all(accelerated.history_.accepted)
    assert sum(map(len, accelerated.histories_)) < sum(map(len, em.histories_)) / 2


def galaxies(page):
    table = np.loadtxt(ROOT / "tests" / "data" / "galaxies.csv", skiprows=1)
    np.testing.assert_array_equal(page.velocity, table / 1000)
    found, six = page.found, cell_position(page.found, (6, "E"))
    assert (found.best.n_components, found.best.covariance_type) == (3, "V")
    assert found.status[six].startswith("degenerate")
    assert found.bic[found.best_index] < found.bic[page.four] < found.bic[found.best_index] + 12


def old_faithful(page):
    assert (page.best.n_components, page.best.covariance_type) == (3, "EEE")


def iris(page):
    assert (page.found.best.n_components, page.three.n_components) == (2, 3)
    assert np.diff(page.table["bic"].iloc[page.found.ranked()[:2]]) < 1
    assert page.largest[page.misplaced].mean() < page.largest.mean()


def colours(page):
    assert page.mixture.n_components == 5


def anomalies(page):
    drawn = page.normal.iloc[:0].reindex(range(100_000))
    drawn[:], _ = page.pump.sample(len(drawn))
    assert abs(np.quantile(page.pump.score_samples(drawn), 0.01) - page.threshold) < 0.2  # the line drawn
    assert page.interval.low <= page.rate <= page.interval.high
    assert page.pump.n_components == 3
    for rows in page.faults.values():
        assert (page.pump.score_samples(rows) < page.threshold).mean() > 0.95
        assert ((rows >= page.low) & (rows <= page.high)).all(axis=None)


def weights(page):
    np.testing.assert_allclose(page.by_counts.means_, page.by_rows.means_, rtol=1e-5)
    added = np.sort(page.by_counts.covariances_.ravel()) - np.sort(page.exact.covariances_.ravel())
    np.testing.assert_allclose(added, page.width**2 / 12, rtol=0.35)


def prediction(page):
    widths = np.diff(page.line.intervals[:, 0]).ravel()
    assert 66 < page.minutes[widths.argmax()] < 68
    assert widths.max() > 2 * np.median(widths)
    assert page.rmse["mixture"] < min(page.rmse["line"], page.rmse["forest"])
    assert page.rmse_wine["mixture"] > max(page.rmse_wine["line"], page.rmse_wine["forest"])
    assert min(page.inside, page.inside_wine) > 0.88


def clutter(page):
    assert page.scores["mixture with noise"] > max(page.scores["mixture without"], page.scores["HDBSCAN"])
    assert page.scores_of_moons["mixture with noise"] < page.scores_of_moons["HDBSCAN"]
    assert page.noisy.n_components == 3
    assert abs(page.noisy.noise_weight_ - 250 / 850) < 0.02


def gaps(page):
    index, error = (dict(zip(page.names, each, strict=True)) for each in (page.index, page.error))
    for name in page.imputers:
        assert (index['missing="em"'][1:] > index[name][1:]).all()
        assert (error['missing="em"'] < error[name]).all()
    assert index['missing="em"'][0] > index["regressions"][0] - 0.1
    by_em, dropped = zip(*page.estimates.values(), strict=True)
    assert np.abs(by_em[:2]).max() < 0.05
    assert by_em[2] < -0.3
    assert dropped[1] < -0.4
    of_wine = page.errors_of_wine
    assert of_wine["tied"] < of_wine["regressions"] < of_wine["full"] > of_wine["neighbours"]


def few_labels(page):
    scores = page.scores
    assert page.right > 0.96
    for name in ("linear", "quadratic", "logistic"):
        assert scores["iris", "mixture", 0.05] > scores["iris", name, 0.05] + 0.05
        assert scores["wine", "mixture", 0.05] > scores["wine", name, 0.05] + 0.02
    for table in ("iris", "wine", "cancer"):
        assert abs(scores[table, "mixture", 1] - scores[table, "linear", 1]) < 0.003
    assert all(scores["cancer", "logistic", share] > scores["cancer", "mixture", share] for share in page.shares)


def by_hand(page):
    np.testing.assert_allclose(page.responsibilities, page.first.responsibilities)
    np.testing.assert_allclose(page.means, page.second.means)
    np.testing.assert_allclose(page.variances + 1e-6, page.second.covariances.ravel())
    assert len(page.passes) == page.mixture.n_iter_


def many_columns(page):
    found, rows = page.found, page.wine.data
    assert (found.best.n_components, found.best.covariance_type) == (3, "VVE")
    four = cell_position(found, (4, "VVE"))
    assert found.status[four].startswith("degenerate")
    assert page.three.n_parameters_ == 158 < len(rows) < found.n_parameters[four] == 185
    assert gmm.GaussianMixture(3, prior="conjugate", random_state=0).fit(rows).n_parameters_ == 314
    agreement = {name: page.adjusted_rand_score(page.wine.target, each) for name, each in page.partitions.items()}
    assert agreement["VVE"] == 1 > agreement["VVE, scaled"]
    assert agreement["VEE"] == agreement["VEE, scaled"]
    for search in (found, page.found_scaled):
        of_three = [search.covariance_type[n] for n in search.ranked() if search.n_components[n] == 3]
        assert next(name for name in of_three if name in IN_ANY_UNITS) == "VEE"


def fading(page):
    assert page.mixture.n_effective_components_ == page.found.best.n_components == 4
    assert page.film.n_frames < 100  # the fit converged


def directions(page):
    assert page.same.all()
    principal = gmm.GaussianMixture(3, random_state=0).fit_predict(page.principal)
    assert abs(page.adjusted_rand_score(page.group, principal)) < 0.02
    assert page.adjusted_rand_score(page.group, page.mixture.predict(page.rows)) > 0.95
    assert page.table["with all columns"].iloc[2] == 1
    assert page.table["last eigenvalue"].is_monotonic_decreasing
    assert page.one.bic(page.nothing) < page.imagined.bic(page.nothing)
    scores = [page.adjusted_rand_score(page.cultivar[page.test], each) for each in page.agreement.values()]
    assert scores[0] > scores[1]


def combining(page):
    assert page.found.best.n_components == 6
    assert page.combined.n_clusters == page.combined.n_clusters_by_rows == 4
    assert page.index > 0.9
    assert page.apart.best.n_components == page.three.n_clusters == 3
    assert page.three.entropies.max() < 0.01
    suggested, two, dense = page.scores  # of the noisier moons
    assert suggested < dense < two


def how_sure(page):
    assert page.three.bic(page.eruptions) < page.two.bic(page.eruptions)
    assert page.sure.adjusted_rand.mean() > 0.98 > 0.92 > page.unsure.adjusted_rand.mean()
    assert page.unsure.means[2, 1] > 3.5 * page.unsure.means[0, 1]
    assert 0.18 < page.shares[2, 0] < 0.25
    assert page.common.areas[2, 1] > 0.5
    covered = page.pd.DataFrame(page.covered)
    assert (covered["4 apart"] > 0.85).all()
    assert (covered["2 apart"] < 0.82).all()


def following(page):
    assert set(page.tracks.track) == set(range(5))
    for title in ("as above", "8 points"):
        (misses, _, switches, mota), others = page.scores[title, "tracker"], page.scores[title, "frame by frame"]
        assert misses < others[0]
        assert switches < others[2] / 5
        assert mota > others[3]
    assert page.scores["as above", "tracker"][3] > 0.98
    assert page.scores["8 points", "tracker"][0] > 30  # few points are missed
    assert page.limits[3.0] > page.limits[1.0] + 0.1


def topics(page):
    assert "few rows" in str(page.topics)
    assert page.scores["diag"][0] + 0.02 < page.scores["factor5"][0] < page.scores["k-means"][0] + 0.01
    assert page.scores["factor5"][1] > page.scores["diag"][1] + 20
    shares = [int(each.split()[-1].rstrip("%")) for each in page.table["subpackage"]]
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
    CLAIMS[page](types.SimpleNamespace(**runpy.run_path(str(page))))
    assert capsys.readouterr().out

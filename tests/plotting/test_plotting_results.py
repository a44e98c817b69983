"""Pictures of classifiers, pipelines, rows before a fit, and of what tests and standard errors say."""

import inspect

import numpy as np
import pandas as pd
import polars as pl
import pytest
from matplotlib import pyplot as plt
from matplotlib.collections import PathCollection
from matplotlib.colors import to_rgb
from scipy.cluster.hierarchy import fcluster, linkage
from sklearn import preprocessing
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, PolynomialFeatures, StandardScaler

import gmm
from gmm import BayesianGaussianMixture, GaussianMixture, GaussianMixtureSearch, MixtureClassifier, NotFittedError
from gmm.analysis import combine_components, directions
from gmm.inference import BootstrapLRT, Stability, standard_errors
from gmm.plotting import plot_clusters, plot_hierarchy, plot_pairs, plot_stability, plot_standard_errors
from inside import DARKER, Scorer, colours, scene_of
from pictures import dots, legend, line_data, lines, markers, tints
from tables import refused

RNG = np.random.default_rng(0)
X = np.concatenate([RNG.normal(mean, 1, (60, 2)) for mean in ([-5, 0], [5, 0], [0, 6])])
WORDS = np.repeat(["out", "out", "in"], 60)
TABLE = pd.DataFrame(X, columns=["size", "age"])
PLOTS = [name for name in gmm.plotting.__all__ if name.startswith(("animate", "plot"))]
pytestmark = pytest.mark.usefixtures("figures")


@pytest.fixture(scope="module")
def classifier():
    return MixtureClassifier(range(1, 3), "VVV", random_state=0).fit(TABLE, WORDS)


@pytest.fixture(scope="module")
def combined():
    return combine_components(GaussianMixture(6, random_state=0).fit(X), X)


def test_the_mixture_of_all_classes_is_that_of_each_by_its_probability(classifier):
    mixture = classifier.as_mixture()
    densities = np.stack([part.score_samples(TABLE) for part in classifier.mixtures_], axis=1)
    joint = np.logaddexp.reduce(densities + np.log(classifier.class_prior_), axis=1)
    np.testing.assert_allclose(mixture.score_samples(TABLE), joint, rtol=1e-9)
    assert mixture.component_classes_.tolist() == ["in", "out", "out"]
    proba, whose = mixture.predict_proba(TABLE), mixture.component_classes_
    of_classes = np.column_stack([proba[:, whose == label].sum(axis=1) for label in classifier.classes_])
    np.testing.assert_allclose(of_classes, classifier.predict_proba(TABLE), atol=1e-9)
    assert directions(mixture, TABLE).matrix.shape == (2, 2)


@pytest.mark.parametrize("plot", [plot_clusters, gmm.plotting.plot_decision_boundaries, gmm.plotting.plot_uncertainty])
@pytest.mark.parametrize("view", [None, "size"])
def test_a_classifier_is_drawn(plot, view, classifier):
    ax = plot(classifier, TABLE, view=view)
    ax.figure.draw_without_rendering()
    assert ax.get_xlabel() == "size"
    if plot is gmm.plotting.plot_uncertainty:
        mean = 1 - classifier.predict_proba(TABLE).max(axis=1).mean()
        assert view or f"mean {mean:.2g}" in ax.get_title() + " ".join(legend(ax))
    else:
        assert "2 classes of 3 components" in ax.get_title()
        assert [text.partition(":")[0] for text in legend(ax)[1:3]] == ["in (0)", "out (1 + 2)"]


def test_regions_of_a_classifier_are_those_that_it_predicts(classifier):
    ax = gmm.plotting.plot_decision_boundaries(classifier, TABLE)
    points, shades = (each[::97] for each in tints(ax))
    predicted = np.searchsorted(classifier.classes_, classifier.predict(pd.DataFrame(points, columns=TABLE.columns)))
    np.testing.assert_allclose(shades[:, :3], colours(2)[predicted], atol=0.01)
    proba = classifier.predict_proba(pd.DataFrame(np.concatenate(lines(ax).get_segments()), columns=TABLE.columns))
    np.testing.assert_allclose(proba[:, 0], 0.5, atol=0.15)


def test_boundaries_part_clusters_which_have_a_colour_each(combined):
    ax = gmm.plotting.plot_decision_boundaries(combined, X)
    assert f"{combined.n_clusters} clusters of 6 components" in ax.get_title()
    assert "two clusters equally probable" in legend(ax)
    shares = np.sort(combined.predict_proba(np.concatenate(lines(ax).get_segments())), axis=1)
    assert (shares[:, -1] - shares[:, -2] < 0.15).mean() > 0.6  # but for corners
    drawn = [patch.get_edgecolor()[:3] for patch in plot_clusters(combined, X).patches[::2]]
    firsts = np.unique(combined.clusters(), return_index=True)[1]  # of a cluster, the first component gives the colour
    np.testing.assert_allclose(drawn, DARKER * colours(6)[firsts[combined.clusters()]])


def test_pairs_before_a_fit():
    table = TABLE.assign(weight=np.where(np.arange(180) % 9 == 0, np.nan, X[:, 0] ** 2))
    grid = plot_pairs(table, WORDS, max_points=50)
    assert (grid.shape, [ax.get_xlabel() for ax in grid[2]]) == ((3, 3), ["size", "age", "weight"])
    points = dots(grid[1, 0])
    assert len(points.get_offsets()) == 50
    assert {tuple(shade[:3]) for shade in points.get_facecolors()} == {tuple(shade) for shade in colours(2)}
    assert "50 of 180 rows" in grid[0, 0].figure.get_suptitle()
    assert legend(grid[0, 0]) == ["in", "out"]
    assert sum(patch.get_data().values.sum() for patch in grid[2, 2].patches[:1]) == 160  # rows with a value
    of_classes = [patch.get_data().values.sum() for patch in grid[0, 0].patches[1:]]
    assert of_classes == [np.sum(np.array(WORDS) == word) for word in ("in", "out")]
    assert plot_pairs(X, [None] * 179 + [1])[1, 0].collections[0].get_facecolors()[0][:3].tolist() == list(to_rgb("k"))
    assert plot_pairs(table, columns=["age"]).shape == (1, 1)
    assert "6 of 9 columns" in plot_pairs(RNG.normal(size=(20, 9)))[0, 0].figure.get_suptitle()


def test_standard_errors_are_bars():
    errors = standard_errors(GaussianMixture(3, random_state=0).fit(TABLE), TABLE, method="information")
    axes, ends = plot_standard_errors(errors, level=0.9), errors.intervals(0.9)
    assert [ax.get_title() for ax in axes] == ["weight", "size", "age"]
    assert "columns" not in axes[0].figure.get_suptitle()
    for k in range(3):
        np.testing.assert_allclose(axes[2].lines[2 * k].get_xdata(), ends.means[k, 1])
        np.testing.assert_allclose(axes[0].lines[2 * k].get_xdata(), ends.weights[k])
    wide = RNG.normal(size=(100, 14))
    errors = standard_errors(GaussianMixture(1, covariance_type="diag").fit(wide), wide, method="information")
    axes = plot_standard_errors(errors)
    assert f"{len(axes) - 1} of 14 columns" in axes[0].figure.get_suptitle()


def test_a_bootstrap_test_is_a_histogram_and_eigenvalues_are_bars():
    model = GaussianMixture(3, random_state=0).fit(X)
    test = BootstrapLRT(12.5, RNG.chisquare(4, 99), model, model, 99)
    ax = gmm.plotting.plot_bootstrap_lrt(test)
    assert [line.get_xdata()[0] for line in ax.lines] == [np.quantile(test.replicates, 0.95), 12.5]
    assert ax.patches[0].get_data().values.sum() == 99
    assert f"p = {test.p_value:.2g}" in ax.get_title()
    view = directions(model, X)
    ax = gmm.plotting.plot_eigenvalues(view)
    np.testing.assert_allclose([bar.get_height() for bar in ax.patches], view.eigenvalues)
    assert "the first two have 100" in ax.get_title()


@pytest.mark.parametrize("by", ["clusters", "rows"])
def test_entropies_are_drawn_with_their_bend(combined, by):
    ax = gmm.plotting.plot_entropies(combined, by=by)
    x = np.arange(1, 7) if by == "clusters" else np.append(0, np.cumsum(combined.merged_rows))
    best = combined.n_clusters if by == "clusters" else combined.n_clusters_by_rows
    assert line_data(ax)[-1] == (tuple(x), tuple(combined.entropies))
    assert markers(ax, "*") == [(x[best - 1], combined.entropies[best - 1])]
    left, right = line_data(ax)[:2]
    assert (len(left[0]), len(right[0])) == (best, 7 - best)
    np.testing.assert_allclose(np.polyval(np.polyfit(x[:best], combined.entropies[:best], 1), x[:best]), left[1])
    assert ax.get_title() == f"{best} clusters suggested of 6 components"
    one = combine_components(GaussianMixture().fit(X), X)
    assert gmm.plotting.plot_entropies(one, by=by).get_title() == "1 cluster suggested of 1 component"
    refused("'clusters', 'rows', got 'x'", gmm.plotting.plot_entropies, one, by="x", error=gmm.InvalidParameterError)


def test_the_changes_of_a_drift_are_bars_beside_what_chance_does():
    rows = np.random.default_rng(0).normal(size=(600, 2))
    found = gmm.analysis.drift(GaussianMixture(2, random_state=0).fit(rows), rows[:200] + 1, rows)
    ax = gmm.plotting.plot_drift(found)
    np.testing.assert_allclose([bar.get_width() for bar in ax.patches], [*found.growth, *found.movement])
    assert [label.get_text() for label in ax.get_yticklabels()] == ["component 0", "component 1", "x0", "x1"]
    assert [line.get_xdata()[0] for line in ax.lines] == [-found.limit, found.limit, 0]
    assert ax.get_legend() is None  # it would cover bars
    assert "alarm at level 0.01" in ax.get_title()
    assert len(found.changes()) == sum(abs(bar.get_width()) > found.limit for bar in ax.patches)


def test_stability_is_a_curve():
    splits = np.array([[0.3, 0.4], [0.1, 0.0], [0.6, 0.8]])
    ax, own = plot_stability(Stability(np.array([2, 3, 4]), splits, 2)), plt.figure().subplots()
    assert markers(ax, "*") == [(3, pytest.approx(0.05))]
    assert "3 components" in ax.get_title()
    assert plot_stability(Stability(np.array([2, 3]), splits[:2, :1], 1), ax=own) is own
    np.testing.assert_allclose(own.lines[0].get_ydata(), [0.3, 0.1])


@pytest.mark.parametrize("name", sorted({*PLOTS} - {"animate_fit", "plot_pairs", "plot_hierarchy"}))
def test_what_is_of_another_kind_or_not_fitted_is_refused(name):
    plot = getattr(gmm.plotting, name)
    of_rows = "X" in inspect.signature(plot).parameters and name != "plot_criteria"
    for what in ("x", 3, None):
        told = rf"expected (a|the|what gmm\.\w+\.\w+ returns).* got {type(what).__name__}"
        assert not isinstance(refused(told, plot, *[what, X][: 1 + of_rows], error=TypeError), ValueError)
    if of_rows or name in ("plot_convergence", "plot_selection", "plot_criteria"):
        for what in [GaussianMixtureSearch(), MixtureClassifier()][: 1 + of_rows]:
            refused("instance is not fitted yet", plot, *[what, X][: 1 + of_rows], error=NotFittedError)
    assert not plt.get_fignums()


def heights_of(ax):
    return [segment[1, 1] for segment in lines(ax).get_segments()]


def test_the_tree_of_rows_is_wards():
    """In units in which the mean variance of the rows is one; scipy's heights."""
    rows = np.sort(RNG.normal(size=(25, 1)), axis=0)
    ax = plot_hierarchy(rows, 3)
    expected = linkage(rows / rows.std(), "ward")
    np.testing.assert_allclose(heights_of(ax), expected[:, 2], rtol=1e-9)
    assert [text.get_text() for text in ax.get_xticklabels()] == ["1"] * 25
    clusters = fcluster(expected, 3, "maxclust")
    same = {(*shade, cluster) for shade, cluster in zip(dots(ax).get_facecolors(), clusters, strict=True)}
    assert len(same) == 3  # leaves from left to right are the sorted rows
    assert ax.get_title() == "3 clusters of 25 rows"


def test_the_tree_of_many_rows_has_its_last_clusters():
    rows = np.concatenate([RNG.normal(mean, 1, (2000, 2)) for mean in ([-9, 0], [9, 0])])
    ax = plot_hierarchy(rows, 2)
    assert sum(float(text.get_text()) for text in ax.get_xticklabels()) == 1000
    assert len(heights_of(ax)) == 29
    assert ax.get_title() == "2 clusters of 1,000 of 4,000 rows"
    assert plot_hierarchy(rows[:1]).get_title() == "1 row"


def test_the_tree_of_combined_components_counts_clusters(combined):
    ax = plot_hierarchy(combined)
    assert heights_of(ax) == [1, 2, 3, 4, 5]
    leaves = [int(text.get_text()) for text in ax.get_xticklabels()]
    assert sorted(leaves) == [*range(6)]
    expected = colours(combined.n_clusters)[combined.clusters()[leaves]]
    np.testing.assert_allclose(dots(ax).get_facecolors()[:, :3], expected)
    (line,) = [each for each in ax.lines if each.get_linestyle() == "--"]
    assert 6 - combined.n_clusters < line.get_ydata()[0] < 7 - combined.n_clusters
    ax.figure.draw_without_rendering()
    assert [text.get_text() for text in ax.get_yticklabels()][::5] == ["6", "1"]
    refused("n_clusters to be a whole number from 1 to 6, got 7", plot_hierarchy, combined, 7)
    refused("NaN", plot_hierarchy, [[1.0], [np.nan]])


def test_filled_values_are_marked_in_pairs():
    gaps = X.copy()
    gaps[::6, 0], gaps[3::18, 1] = np.nan, np.nan
    whole = GaussianMixture(3, missing="em", random_state=0).fit(gaps).impute(gaps)
    grid = plot_pairs(gaps, WORDS, filled=whole)
    _, crosses = [each for each in grid[1, 0].collections if isinstance(each, PathCollection)]
    np.testing.assert_array_equal(crosses.get_offsets(), whole[np.isnan(gaps).any(axis=1)])
    assert legend(grid[0, 0]) == ["in", "out", "filled"]
    inside = grid[0, 0].patches[1].get_data().values.sum()
    assert 25 <= inside <= 30  # of the filled values, those within the range of the others
    refused(r"filled of shape \(180, 2\), as X has, got \(180, 1\)", plot_pairs, gaps, filled=whole[:, :1])


# --- Pipelines: the mixture in the units of the rows in front of affine steps ---------------------


draws = np.random.default_rng(0)
ROWS = np.concatenate([draws.normal(m, 1, (60, 3)) @ np.diag([1, 5, 0.2]) for m in (-3, 0, 4)]) + np.array([0, 1000, 3])
FRAME = pd.DataFrame(ROWS, columns=["width", "height", "depth"])
AFFINE = {
    "standard": [StandardScaler()],
    "min and max": [MinMaxScaler()],
    "robust, rotated": [preprocessing.RobustScaler(), PCA(random_state=0)],
    "whitened": [PCA(whiten=True, random_state=0), "passthrough"],
    "permuted": [ColumnTransformer([("last", StandardScaler(), [2]), ("first", "passthrough", [1, 0])])],
    "reflected": [FunctionTransformer(lambda rows: 2 - rows)],
    "nested": [make_pipeline(StandardScaler(), MinMaxScaler())],
}


def piped(steps, covariance_type="full", rows=ROWS):
    return make_pipeline(*steps, GaussianMixture(3, covariance_type=covariance_type, random_state=0)).fit(rows)


@pytest.mark.parametrize("steps", AFFINE.values(), ids=AFFINE)
@pytest.mark.parametrize("covariance_type", ["full", "VII"])
def test_the_mixture_in_front_of_the_steps_has_the_same_responsibilities(steps, covariance_type):
    pipeline = piped(steps, covariance_type)
    scene = scene_of(pipeline, ROWS)
    assert scene.names == ("x0", "x1", "x2")
    np.testing.assert_array_equal(scene.source.rows, ROWS)
    np.testing.assert_allclose(scene.responsibilities, pipeline.predict_proba(ROWS), atol=1e-8)
    density = Scorer(scene.mixture).rows(scene.source, log_evidence=True).log_evidence
    jacobian = density - pipeline.score_samples(ROWS)
    moved = pipeline[:-1].transform(np.vstack([ROWS[:1], ROWS[:1] + np.eye(3)]))
    np.testing.assert_allclose(jacobian, np.linalg.slogdet(moved[1:] - moved[0])[1], atol=1e-7)


def test_names_are_those_of_the_columns():
    pipeline = piped([StandardScaler()], rows=FRAME)
    assert scene_of(pipeline, FRAME).names == ("width", "height", "depth")
    assert plot_clusters(pipeline, FRAME, view=("height", "depth")).get_xlabel() == "height"
    columns = ColumnTransformer([("scaled", StandardScaler(), ["depth", "width"])], remainder="passthrough")
    of_names = piped([columns], rows=FRAME)
    np.testing.assert_allclose(scene_of(of_names, FRAME).responsibilities, of_names.predict_proba(FRAME), atol=1e-9)
    polar = pl.DataFrame(ROWS, schema=["width", "height", "depth"])
    assert scene_of(pipeline.fit(polar), polar).names == ("width", "height", "depth")


def test_behind_a_step_that_loses_directions_what_it_leaves_is_drawn():
    pipeline = piped([StandardScaler(), PCA(2, random_state=0), MinMaxScaler()])
    scene = scene_of(pipeline, ROWS)
    assert scene.names == ("pca0", "pca1")
    np.testing.assert_allclose(scene.source.rows, pipeline[:2].transform(ROWS))
    np.testing.assert_allclose(scene.responsibilities, pipeline.predict_proba(ROWS), atol=1e-9)
    assert scene_of(piped([PolynomialFeatures(1)]), ROWS).names == ("1", "x0", "x1", "x2")


@pytest.mark.parametrize("step", [FunctionTransformer(np.arcsinh), PolynomialFeatures(2)], ids=["arcsinh", "squares"])
def test_steps_that_are_not_affine_are_refused(step):
    told = r"step '\w+' \(\w+\).*rows pipeline\[:-1\].transform\(X\)"
    refused(told, plot_clusters, piped([StandardScaler(), step]), ROWS)
    words = pd.DataFrame({"a": ROWS[:, 0], "b": ["x", "y", "z"] * 60})
    coded = ColumnTransformer([("a", "passthrough", ["a"]), ("b", preprocessing.OneHotEncoder(), ["b"])])
    refused("step 'columntransformer'", plot_clusters, piped([coded], rows=words), words)
    refused(None, plot_clusters, make_pipeline(StandardScaler(), GaussianMixture(2)), ROWS, error=NotFittedError)
    refused("GaussianMixtureSearch, got PCA", plot_clusters, make_pipeline(PCA(2)).fit(ROWS), ROWS, error=TypeError)


def test_noise_keeps_its_box_where_it_is_one():
    clutter = np.concatenate([ROWS, draws.uniform(ROWS.min(axis=0), ROWS.max(axis=0), (40, 3))])
    noisy = GaussianMixture(3, noise=True, random_state=0)
    scene = scene_of(make_pipeline(StandardScaler(), noisy).fit(clutter), clutter)
    np.testing.assert_allclose(scene.mixture.noise.box, [clutter.min(axis=0), clutter.max(axis=0)])
    turned = make_pipeline(PCA(random_state=0), noisy).fit(clutter)
    refused("step 'pca' rotates the box of noise", scene_of, turned, clutter)


def test_the_last_step_may_be_a_classifier_a_search_or_a_posterior():
    classes = make_pipeline(StandardScaler(), MixtureClassifier(covariance_type="VVV")).fit(TABLE, WORDS)
    assert plot_clusters(classes, TABLE).get_title() == "2 classes"
    search = make_pipeline(StandardScaler(), GaussianMixtureSearch([3], "EII", random_state=0)).fit(ROWS)
    np.testing.assert_allclose(scene_of(search, ROWS).responsibilities, search.predict_proba(ROWS), atol=1e-9)
    posterior = make_pipeline(StandardScaler(), BayesianGaussianMixture(n_components=3, random_state=0)).fit(ROWS)
    plugged = posterior[-1].plug_in().predict_proba(posterior[0].transform(ROWS))
    np.testing.assert_allclose(scene_of(posterior, ROWS).responsibilities, plugged, atol=1e-9)
    assert gmm.plotting.plot_convergence(search).get_xlabel() == "pass"
    np.testing.assert_allclose(gmm.plotting.plot_selection(search).lines[0].get_ydata(), search[-1].selection_.bic)


def test_missing_values_are_named_before_steps():
    gaps = ROWS.copy()
    gaps[3, 1] = np.nan
    for rows in (gaps, pd.DataFrame(gaps), pl.DataFrame(gaps)):
        pipeline = make_pipeline(StandardScaler(), GaussianMixture(2, missing="em", random_state=0)).fit(rows)
        refused("needs complete rows", plot_clusters, pipeline, rows)
    imputing = make_pipeline(SimpleImputer(), GaussianMixture(2)).fit(gaps)
    refused("step 'simpleimputer' .* is not affine", plot_clusters, imputing, gaps)

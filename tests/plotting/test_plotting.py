"""Pictures by their properties: what is drawn where, what legends say, and what is left alone."""

import re

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from matplotlib.collections import LineCollection
from matplotlib.contour import ContourSet
from matplotlib.path import Path as Outline

import gmm
import inside
import pictures
from gmm import BayesianGaussianMixture, GaussianMixture, select
from gmm.analysis import combine_components, directions
from gmm.plotting import plot_clusters, plot_decision_boundaries, plot_density, plot_uncertainty
from inside import InvalidParameterError, colours, fitted_parameters, names_of_features, percent, scene_of, view_of
from pictures import PLOTS, areas, assert_ellipse_holds, bars, dots, draw, each_plot, legend, legend_of, numbers, tints
from tables import a_mixture, assert_contains, refused

pytestmark = pytest.mark.usefixtures("figures")


def with_rows(K=3, d=2, n=400, **more):
    model = a_mixture(K=K, d=d, **more)
    return model, model.sample(n, random_state=1)[0]


def outlines(ax):
    return {patch.get_gid(): patch for patch in ax.patches if (patch.get_gid() or "").startswith("component")}


@pytest.mark.parametrize(("d", "view"), [(2, None), (4, None), (4, (3, 1))])
def test_drawn_ellipses_hold_what_the_legend_says(d, view):
    model, X = with_rows(d=d)
    ax = plot_clusters(model, X, view=view, content=(0.3, 0.9))
    seen = view_of(fitted_parameters(model), names_of_features(model), view)
    drawn = outlines(ax)
    assert len(drawn) == 6
    for k, (mean, covariance) in enumerate(zip(model.means_, model.covariances_, strict=True)):
        expected = seen.project(mean[None])[0], seen.matrix @ covariance @ seen.matrix.T
        for content in (0.3, 0.9):
            assert_ellipse_holds(drawn[f"component {k} content {content:g}"], content, *expected)
    assert legend(ax)[-2:] == ["30\N{NO-BREAK SPACE}% of a component", "90\N{NO-BREAK SPACE}% of a component"]


@pytest.mark.parametrize(("d", "view"), [(2, None), (4, None), (4, (0, 1))])
def test_rows_stand_where_they_are_in_mixed_colours_of_all_features_and_uncertain_ones_are_paler(d, view):
    model, X = with_rows(d=d)
    drawn, shares = dots(plot_clusters(model, X, view=view)), model.predict_proba(X)
    assert d > 2 or (drawn.get_offsets() == X).all()
    np.testing.assert_allclose(drawn.get_facecolor()[:, :3], shares @ colours(3), atol=1e-12)
    opacity = drawn.get_facecolor()[np.argsort(shares.max(axis=1)), 3]
    assert (np.diff(opacity) >= -1e-12).all()
    assert opacity[0] < opacity[-1]


def test_a_histogram_is_a_density_and_its_curves_add_up():
    model, X = with_rows(d=1, n=3000)
    ax = plot_clusters(model, X)
    heights, bins, _ = bars(ax)
    assert heights @ np.diff(bins) == pytest.approx(1)
    total, *parts = ax.lines
    x, density = total.get_data()
    np.testing.assert_allclose(density, np.exp(model.score_samples(x[:, None])), rtol=1e-9)
    for part, area in zip(parts, areas(ax), strict=True):
        assert (np.interp(part.get_xdata(), x, density) >= part.get_ydata() - 1e-12).all()
        assert area.get_paths()[0].vertices[:, 1].max() == part.get_ydata().max()
    assert np.trapezoid(density, x) == pytest.approx(1, abs=0.02)


def test_a_histogram_of_weights_is_that_of_repeated_rows():
    model, X = with_rows(K=1, d=1, n=2000)  # whose quartiles settle the bins
    weight = np.where(X[:, 0] > model.means_[0, 0], 5, 1) * (np.arange(2000) % 5 > 0)
    weighted = plot_clusters(model, X, sample_weight=weight)
    repeated = plot_clusters(model, np.repeat(X, weight, axis=0))
    for ours, theirs in zip(bars(weighted)[:2], bars(repeated)[:2], strict=True):
        np.testing.assert_allclose(ours, theirs)
    np.testing.assert_allclose(weighted.axis(), repeated.axis())
    assert legend(weighted)[1:2] == legend(repeated)[1:2]
    out_of_sight = [*model.means_, [5e3]], [*model.covariances_, [[1e-6]]]  # a spike, which makes no bins narrow
    spiked = GaussianMixture.from_parameters([0.99, 0.01], *out_of_sight)
    assert len({len(bars(plot_clusters(fit, X)).values) for fit in (model, spiked)}) == 1


@each_plot
@pytest.mark.parametrize("d", [1, 2])
def test_a_row_of_weight_0_changes_nothing(plot, d):
    model, X = with_rows(d=d, n=60)
    plain, weight = plot(model, X, sample_weight=np.ones(60)), np.append(np.ones(60), 0)
    for far in (1e6, X.max() + 1):
        ax = plot(model, np.append(X, np.full((1, d), far), axis=0), sample_weight=weight)
        assert (ax.get_xlim(), legend(ax)) == (plain.get_xlim(), legend(plain))
        for ours, theirs in zip([*ax.lines, *ax.patches], [*plain.lines, *plain.patches], strict=True):
            np.testing.assert_allclose(ours.get_path().vertices, theirs.get_path().vertices)


@pytest.mark.parametrize(("K", "d", "view"), [(2, 2, None), (5, 2, None), (3, 4, None), (4, 4, (2, 0)), (12, 2, None)])
def test_boundaries_are_where_two_responsibilities_are_equal(K, d, view):
    model, X = with_rows(K=K, d=d, apart=2.5)
    points = np.concatenate(pictures.lines(plot_decision_boundaries(model, X, view=view)).get_segments())
    marginal = view_of(fitted_parameters(model), names_of_features(model), view).marginal(fitted_parameters(model))
    seen = GaussianMixture.from_parameters(marginal.weights, marginal.means, marginal.covariances)
    second, first = np.sort(seen.predict_proba(points), axis=1)[:, -2:].T
    assert len(points) > 50
    assert np.quantile(first - second, 0.99) < 1e-9
    assert (first - second).max() < 1e-2


@pytest.mark.parametrize("K", [2, 3, 5])
def test_boundaries_part_the_regions_and_none_is_drawn_twice(K):
    """Between neighbours on a fine grid with different labels there is a line, and nowhere are two."""
    model, X = with_rows(K=K, apart=2.0)
    edges = inside.limits(scene_of(model, X), view_of(fitted_parameters(model), ("x0", "x1")))
    lines, span = inside.boundaries(fitted_parameters(model), edges), edges[:, 1] - edges[:, 0]
    x, y = (np.linspace(*edge, 120) for edge in edges)
    labels = model.predict(np.stack(np.meshgrid(x, y), axis=2).reshape(-1, 2)).reshape(120, 120)
    rows, columns = np.nonzero(labels[:, 1:] != labels[:, :-1])
    changes = np.column_stack([(x[columns] + x[columns + 1]) / 2, y[rows]])
    away = np.abs((changes[:, None] - np.concatenate(lines)[None]) / span * 119).max(axis=2).min(axis=1)
    assert away.max() < 1.5
    number = np.repeat(np.arange(len(lines)), [len(line) - 1 for line in lines])
    middles = np.concatenate([(line[1:] + line[:-1]) / 2 for line in lines]) / span
    away = np.abs(middles[:, None] - middles[None]).max(axis=2)
    away[number[:, None] == number] = np.inf
    assert (away.min(axis=1) < 1e-3).mean() < 0.05


def test_boundaries_along_one_axis_and_of_a_spike_are_exact():
    model = GaussianMixture.from_parameters([0.3, 0.7], [[0.0], [3.0]], [[[1.0]], [[4.0]]])
    ax = plot_decision_boundaries(model, model.sample(100, random_state=0)[0])
    drawn = sorted(segment[0, 0] for segment in pictures.lines(ax).get_segments())
    # The roots of log 0.3 − x²/2 = log 0.7 − log 2 − (x − 3)²/8, both of which are in sight.
    roots = np.sort(np.roots([-0.5 + 0.125, -0.75, np.log(0.3) - np.log(0.7) + np.log(2) + 9 / 8]))
    np.testing.assert_allclose(drawn, roots, rtol=0, atol=1e-12)
    spread = 1e-4
    model = GaussianMixture.from_parameters([0.9, 0.1], [[0.0, 0], [1, 1]], [np.eye(2), np.eye(2) * spread**2])
    ax = plot_decision_boundaries(model, model.sample(300, random_state=0)[0])
    around = np.concatenate(pictures.lines(ax).get_segments()) - 1
    # log 0.1 − r²/2s² − 2 log s = log 0.9 − |x|²/2
    radius = spread * np.sqrt(2 * (np.log(1 / 9) - 2 * np.log(spread) + 1))
    np.testing.assert_allclose(np.linalg.norm(around, axis=1), radius, rtol=1e-3)


@pytest.mark.parametrize("uncertainty", [True, False])
def test_regions_are_tinted_by_the_most_probable_component(uncertainty):
    model, X = with_rows()
    points, shades = tints(plot_decision_boundaries(model, X, uncertainty=uncertainty))
    np.testing.assert_allclose(shades[:, :3], colours(3)[model.predict(points)])
    opacity, certain = shades[:, 3], model.predict_proba(points).max(axis=1)
    assert uncertainty == (np.ptp(opacity) > 0.1)
    assert not uncertainty or (np.diff(opacity[np.argsort(certain)]) > -1e-9).all()


@pytest.mark.parametrize("d", [1, 2])
def test_components_without_rows_have_no_regions(d):
    """Far from all rows, a posterior with three groups of twenty possible ones gives points to an empty one."""
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(m, s, (120, 2)) for m, s in [((0, 0), 1), ((8, 1), 1.5), ((0, 9), 0.5)]])[:, :d]
    model = BayesianGaussianMixture(n_components=20, random_state=0).fit(X)
    ax = plot_decision_boundaries(model, X)
    present = fitted_parameters(model).present
    drawn = np.unique(tints(ax)[1][:, :3], axis=0)
    np.testing.assert_allclose(drawn, np.unique(colours(20)[present], axis=0))
    assert d == 2 or len([line for line in ax.lines if len(line.get_xdata()) > 100]) == len(present)


def test_areas_of_density_along_an_axis_hold_their_share():
    model, X = with_rows(d=1)
    ax = plot_density(model, X)
    (x, density), (rows, _) = (line.get_data() for line in ax.lines)
    np.testing.assert_allclose(density, np.exp(model.score_samples(x[:, None])), rtol=1e-9)
    np.testing.assert_array_equal(rows, X[:, 0])
    drawn = model.sample(100_000, random_state=9)[0][:, 0]
    for area, share in zip(areas(ax), (0.99, 0.9, 0.5), strict=True):
        ends = [(path.vertices[:, 0].min(), path.vertices[:, 0].max()) for path in area.get_paths()]
        assert sum(((low < drawn) & (drawn < high)).mean() for low, high in ends) == pytest.approx(share, abs=0.012)


def test_contours_of_density_hold_their_share_at_the_levels_of_the_legend():
    model, X = with_rows()
    ax = plot_density(model, X)
    filled, lines = sorted((item for item in ax.collections if isinstance(item, ContourSet)), key=lambda it: it.zorder)
    assert (filled.filled, lines.filled) == (True, False)
    told = [float(text.split()[-1].replace("−", "-")) for text in legend(ax)[:3]]
    np.testing.assert_allclose(told, lines.levels[::-1], rtol=5e-3)
    scores = model.score_samples(model.sample(100_000, random_state=9)[0])
    np.testing.assert_allclose([(scores >= level).mean() for level in lines.levels], (0.99, 0.9, 0.5), atol=0.012)
    assert {text.partition("\N{NO-BREAK SPACE}")[0] for text in numbers(ax)} == {"0", "1", "2", "50", "90", "99"}
    for level, outline in zip(lines.levels, lines.get_paths(), strict=True):
        np.testing.assert_allclose(model.score_samples(outline.vertices), level, atol=0.05)


@pytest.mark.parametrize(("style", "sign"), [("default", -1), ("dark_background", 1)])
def test_uncertain_rows_are_larger_on_top_and_stand_out(style, sign):
    model, X = with_rows(apart=2.0)
    with plt.style.context(style):
        drawn = dots(plot_uncertainty(model, X, ax=plt.subplots()[1]))
    uncertainty = 1 - model.predict_proba(np.asarray(drawn.get_offsets())).max(axis=1)
    sizes, shades, opacity = drawn.get_sizes(), drawn.get_facecolor()[:, :3].sum(axis=1), drawn.get_facecolor()[:, 3]
    for values in (uncertainty, sizes, opacity, sign * shades):
        assert (np.diff(values) >= -1e-12).all()
    assert np.ptp(sizes) > 0
    assert sign * (shades[-1] - 1.5) > 0


def test_along_one_axis_uncertainty_is_a_height():
    model, X = with_rows(d=1)
    expected = np.column_stack([X[:, 0], 1 - model.predict_proba(X).max(axis=1)])
    np.testing.assert_allclose(dots(plot_uncertainty(model, X)).get_offsets(), expected, atol=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
def test_mean_and_share_of_uncertain_rows_are_of_all_rows(weighted):
    model, X = with_rows(n=3000, apart=1.5)
    uncertainty = 1 - model.predict_proba(X).max(axis=1)
    # Heavy where the mixture is sure, so that few rows drawn by chance would tell another mean.
    weight = np.where(uncertainty > 0.1, 0.01, 50.0) * (np.arange(3000) % 7 > 0) if weighted else None
    told = legend(plot_uncertainty(model, X, sample_weight=weight, max_points=5))
    mean, part = (np.average(values, weights=weight) for values in (uncertainty, uncertainty > 0.1))
    assert_contains(told, f"mean {mean:.2g}", f"above 0.1: {percent(part)} of rows")


def test_the_legend_counts_rows_or_sums_their_weights_and_heavier_rows_are_larger():
    model, X = with_rows()
    labels, weight = model.predict(X), np.linspace(0.1, 0.3, len(X))
    counts = np.bincount(labels, minlength=3)
    expected = [f"{k}:  {100 * model.weights_[k]:.0f}\N{NO-BREAK SPACE}%,  {counts[k]}" for k in range(3)]
    assert legend(plot_clusters(model, X))[:4] == ["component: weight, rows", *expected]
    weight[:10] = 0
    ax = plot_clusters(model, X, sample_weight=weight)
    assert legend(ax)[0] == "component: weight, weight of rows"
    told = [float(text.split(",  ")[1]) for text in legend(ax)[1:4]]
    np.testing.assert_allclose(told, np.bincount(labels, weight, minlength=3), rtol=5e-3)
    sizes = dots(ax).get_sizes()
    np.testing.assert_allclose(sizes / sizes[-1], weight[10:] / weight[-1])


def test_of_many_components_all_are_numbered_and_the_legend_lists_the_heaviest():
    model, X = with_rows(K=12)
    ax = plot_clusters(model, X)
    places = {text.get_text(): text.get_position() for text in ax.texts}
    assert {*places} == {*map(str, range(12))}
    np.testing.assert_allclose([places[str(k)] for k in range(12)], model.means_)
    heaviest = sorted(np.argsort(-model.weights_, kind="stable")[:6])
    assert [int(text.split(":")[0]) for text in legend(ax)[1:7]] == heaviest
    assert legend(ax)[7] == "and 6 lighter components"


@each_plot
def test_thinning_is_told_and_keeps_shares(plot):
    model, X = with_rows(n=20_000)
    pictures = [plot(model, X, max_points=1000, **how) for how in ({}, {"random_state": 0}, {"random_state": 1})]
    assert "1,000 of 20,000 rows shown" in legend(pictures[0])
    shown, again, other = (np.asarray(dots(ax).get_offsets()) for ax in pictures)
    assert len(np.unique(shown, axis=0)) == 1000
    shares, expected = (np.bincount(model.predict(rows), minlength=3) / len(rows) for rows in (shown, X))
    np.testing.assert_allclose(shares, expected, atol=0.06)
    np.testing.assert_array_equal(again, shown)
    assert not np.array_equal(other, shown)
    assert not [text for text in legend(plot(model, X, max_points=20_000)) if "shown" in text]


@each_plot
def test_axes_are_named_after_columns(plot):
    _, X = with_rows(d=4)
    frame = pd.DataFrame(X, columns=["mass", "speed", "spin", "charge"])
    fitted = GaussianMixture(2, random_state=0).fit(frame)
    ax = plot(fitted, frame, view=("speed", 3))
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("speed", "charge")
    assert plot(fitted, frame, view=2).get_xlabel() == "spin"
    of_view = plot in (plot_density, plot_decision_boundaries)  # which leaves features out
    for fit, rows, expected in ((fitted, frame, of_view), (*with_rows(), False)):
        assert any("view only" in text for text in legend(plot(fit, rows))) == expected
    plane = plot(fitted, frame)
    assert re.fullmatch(r"discriminating direction 1\n.*(mass|speed|spin|charge).*", plane.get_xlabel())
    assert plane.get_title()
    for n_directions in (1, 3):
        ax = plot(fitted, frame, view=directions(fitted, frame, n_directions=n_directions))
        assert ax.get_xlabel().startswith("direction 1\n")
        assert ax.get_ylabel().startswith("direction 2\n") == (n_directions > 1)


@each_plot
@pytest.mark.parametrize("view", [None, 2, "pairs"])
def test_names_of_columns_are_no_formulas_and_long_ones_stay_within_the_figure(plot, view):
    def drawn_with(names):
        frame = pd.DataFrame(with_rows(d=3, n=40)[1], columns=names)
        figure = np.ravel(plot(GaussianMixture(2, random_state=0).fit(frame), frame, view=view))[0].figure
        return figure, [label for ax in figure.axes for label in (ax.xaxis.label, ax.yaxis.label) if label.get_text()]

    names = ["price ($)", "cost ($)", r"$\foo$ and \$"]
    texts = [label._preprocess_math(label.get_text()) for label in drawn_with(names)[1]]  # what matplotlib writes
    assert not any(parsed for _, parsed in texts)
    assert any(name in text for name in names for text, _ in texts)
    figure, labels = drawn_with([f"{name} of the thing" * 20 for name in ("length", "width", "temperature")])
    figure.draw_without_rendering()
    low, high = figure.bbox.get_points()
    for box in (label.get_window_extent().get_points() for label in labels):
        assert view == 2 or ((low - 1 <= box) & (box <= high + 1)).all()


@each_plot
@pytest.mark.parametrize(("K", "d", "view"), [(2, 3, None), (12, 3, None), (8, 2, "pairs"), (8, 3, "pairs")])
def test_a_figure_is_narrow_and_its_legend_covers_nothing(plot, K, d, view):
    model, X = with_rows(K=K, d=d)
    X[:5, -1] = 1e4  # a line more: rows outside the axes
    axes = np.atleast_2d(plot(model, X, view=view))
    figure, legend = axes[0, 0].figure, legend_of(axes[0, 0])
    figure.draw_without_rendering()
    box = legend.get_window_extent()
    assert not any(box.overlaps(ax.get_tightbbox()) for ax in axes[np.tril_indices(len(axes))])
    assert all(map(figure.bbox.containsx, (box.x0, box.x1)))
    assert figure.get_figwidth() <= 5
    assert view or min(text.get_fontsize() for text in legend.get_texts()) >= 9


@each_plot
def test_pairs_are_a_grid_with_one_legend(plot):
    model, X = with_rows(d=3)
    grid = plot(model, X, view="pairs")
    assert grid.shape == (3, 3)
    assert {(ax.figure, ax.get_legend()) for ax in grid.ravel()} == {(grid[0, 0].figure, None)}
    assert (len(grid[0, 0].figure.legends), [ax.get_xlabel() for ax in grid[2]]) == (1, ["x0", "x1", "x2"])
    assert [ax.get_ylabel() for ax in grid[1:, 0]] == ["x1", "x2"]
    for i in range(3):
        assert all(grid[i, j].get_xlim() == grid[2, j].get_xlim() for j in range(i + 1))
    np.testing.assert_array_equal(np.sort(dots(grid[2, 1]).get_offsets(), axis=0), np.sort(X[:, [1, 2]], axis=0))
    assert plot(*with_rows(d=1), view="pairs").shape == (1, 1)
    assert [ax.get_xlabel() for ax in plot(*with_rows(d=7), view=(6, "x2", 3))[2]] == ["x6", "x2", "x3"]


def test_pairs_of_many_features_are_of_those_that_tell_components_apart():
    wide = np.random.default_rng(0).normal(size=(400, 9))
    wide[:, [1, 4, 8]] = with_rows(d=3)[1]
    wide[:133, 5] *= 9  # the same mean, another variance
    fitted = GaussianMixture(3, covariance_type="diag", random_state=0).fit(wide)
    grid = plot_clusters(fitted, wide, view="pairs")
    assert grid.shape == (6, 6)
    assert {"x1", "x4", "x5", "x8"} <= {ax.get_xlabel() for ax in grid[5]}
    assert "6 of 9 features, in which" in legend(grid[0, 0])


@each_plot
def test_far_rows_and_spikes_do_not_squeeze_the_rest(plot):
    model, X = with_rows()
    weights, means = [*(0.98 * model.weights_), 0.02], [*model.means_, [5e3, 5e3]]
    spiked = GaussianMixture.from_parameters(weights, means, [*model.covariances_, np.eye(2) * 1e-6])
    ax = plot(spiked, [*X, [5e3, 5e3], [-9e8, 0.0]])
    plain = plot(model, X)
    assert np.diff(ax.get_xlim()) < 2 * np.diff(plain.get_xlim())
    assert {*legend(ax)} >= {"outside the axes: 2 rows", "outside the axes: component 3"}
    assert not [text for text in legend(plain) if "outside" in text]


def test_what_is_near_is_seen_whole():
    heavy = [(np.random.default_rng(0).standard_t(degrees, size=(300, 2)), degrees) for degrees in (1.5, 4.0)]
    fits = [(GaussianMixture(1, tails="t", degrees_of_freedom=degrees).fit(X), X) for X, degrees in heavy]
    for model, X in (with_rows(), *fits):
        ax = plot_clusters(model, X)
        low, high = np.array([ax.get_xlim(), ax.get_ylim()]).T
        corners = [outline.get_xy() for outline in outlines(ax).values()]
        for rows in [*corners, X] if model.n_components > 1 else corners:
            assert ((low < rows) & (rows < high)).all()


@each_plot
@pytest.mark.parametrize(("d", "offset", "scale"), [(1, -1e9, 1.0), (2, 0.0, 1e-9), (2, -1e9, 1.0), (3, 0.0, 1e-9)])
def test_any_place_and_scale_is_drawn_alike(plot, d, offset, scale):
    model, X = with_rows(d=d)
    parts = model.weights_, model.means_ * scale + offset, model.covariances_ * scale**2
    ax, plain = plot(GaussianMixture.from_parameters(*parts), X * scale + offset), np.array(plot(model, X).get_xlim())
    expected = plain if d == 3 else plain * scale + offset
    np.testing.assert_allclose(ax.get_xlim(), expected, atol=1e-3 * np.ptp(expected))
    draw(ax)


@each_plot
def test_components_without_weight_are_not_drawn(plot):
    model = GaussianMixture.from_parameters([0.5, 0.5, 0.0], [[0.0, 0], [4, 0], [99, 99]], [np.eye(2)] * 3)
    ax = plot(model, model.sample(100, random_state=0)[0])
    assert {"0", "1"} == numbers(ax) & {"0", "1", "2"}
    assert ax.get_xlim()[1] < 20


@each_plot
@pytest.mark.parametrize(("K", "d", "n"), [(1, 1, 1), (1, 3, 20), (2, 2, 1), (9, 1, 20), (9, 4, 1)])
def test_every_shape_is_drawn_and_so_are_rows_that_do_not_vary(plot, K, d, n):
    model = a_mixture(K=K, d=d)
    for rows in (model.sample(n, random_state=0)[0], np.ones((30, d))):
        ax = plot(model, rows)
        draw(ax)
        assert legend_of(ax) is not None
    low, high = ax.get_xlim()
    assert d > 2 or low < 1 < high
    assert K > 2 or (d == 1 and plot is plot_density) or numbers(ax) >= {*map(str, range(K))}


@each_plot
def test_what_cannot_be_drawn_is_refused_and_what_to_do_told(plot):
    model, X = with_rows(n=60)
    other = type("GaussianMixture", (), {"__module__": "sklearn.mixture"})()
    elsewhere, best = gmm.open_rows(lambda: [np.eye(3)]), select(X, [1], ["full"], random_state=0)
    whole, gaps = GaussianMixture(2, random_state=0).fit(X), np.where(np.arange(60)[:, None] % 7 < [1, 0], np.nan, X)
    incomplete = GaussianMixture(2, missing="em", random_state=0).fit(gaps)
    seven, four = with_rows(d=7), with_rows(d=4)
    figure, pair = plt.subplots(1, 2)
    pair[0].set_xscale("log")
    solid = plt.figure().add_subplot(projection="3d")
    ours = plt.get_fignums()
    for what, rows, how, error, told in (
        (GaussianMixture().fit(np.eye(3)), elsewhere, {}, TypeError, "needs its rows in memory"),
        (GaussianMixture, X, {}, TypeError, "got the class GaussianMixture: create an instance and fit it"),
        (best, X, {}, TypeError, "pass its best mixture"),
        (other, X, {}, TypeError, "import it from gmm instead"),
        (whole, gaps, {}, ValueError, r"set_params\(missing='em'\)"),
        (incomplete, np.full((5, 2), np.nan), {}, ValueError, "rows to draw, got 5 rows without a value"),
        (model, X, {"max_points": 0}, InvalidParameterError, "expected max_points.*from 1, got 0"),
        (*seven, {"view": (0, 1, "x1")}, InvalidParameterError, "'x1' twice"),
        (*seven, {"view": "pairs", "ax": pair[1]}, InvalidParameterError, "give it no ax"),
        (model, X, {"view": directions(*four)}, InvalidParameterError, "got directions of 4 features"),
        (model, X, {"ax": pair}, TypeError, "ax must be one matplotlib Axes or None, got ndarray of Axes: pass one"),
        (model, X, {"ax": figure}, TypeError, "got Figure: pass one of its Axes"),
        (model, X, {"ax": solid}, InvalidParameterError, "got Axes of projection '3d'"),
        (model, X, {"ax": pair[0]}, InvalidParameterError, "ax must have linear scales, .* got log"),
    ):
        refused(told, plot, what, rows, error=error, **how)
    assert plt.get_fignums() == ours


@each_plot
@pytest.mark.parametrize("view", [None, "pairs"])
def test_a_figure_of_ours_is_closed_where_drawing_fails(plot, view, monkeypatch):
    model, X = with_rows(n=20)
    kept = plt.figure()
    monkeypatch.setattr(inside.planes, "notes", lambda *_: 1 / 0)
    refused(None, plot, model, X, error=ZeroDivisionError, view=view)
    assert plt.get_fignums() == [kept.number]


@pytest.mark.filterwarnings("ignore:Proactor event loop:RuntimeWarning")  # the kernel's client, on Windows
def test_a_notebook_shows_every_picture(tmp_path, monkeypatch):
    from nbclient import NotebookClient
    from nbformat.v4 import new_code_cell, new_notebook

    for folder in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(folder, str(tmp_path / folder.lower()))
    monkeypatch.delenv("MPLBACKEND", raising=False)
    model = "model = gmm.GaussianMixture(2, random_state=0).fit(X := [[0.0], [1.0], [7.0], [9.0]])"
    cells = [
        f"import gmm.plotting; {model}; gmm.plotting.plot_clusters(model, X);",
        "gmm.plotting.plot_convergence(model);",
        "import matplotlib.pyplot as plt; plt.plot(X);",
    ]
    page = new_notebook(cells=list(map(new_code_cell, cells)))
    NotebookClient(page, timeout=300).execute()
    assert [[list(out.data) for out in cell.outputs] for cell in page.cells] == [[["text/plain", "image/png"]]] * 3


def test_each_of_several_outlines_is_told_apart_and_as_it_was_given():
    model, X = with_rows(K=1)
    contents = (0.05, 0.5, 0.975, 0.999)
    ax = plot_clusters(model, X, content=contents[::-1])
    assert [text.split()[0] for text in legend(ax)[-4:]] == ["5", "50", "97.5", "99.9"]
    drawn = [outlines(ax)[f"component 0 content {content:g}"] for content in contents]
    styles = [(patch.get_linewidth(), patch._unscaled_dash_pattern) for patch in drawn]
    assert len(set(map(str, styles))) == 4
    told = legend(plot_density(model, X, content=(0.5, 0.995, 1 / 3)))[:3]
    assert [text.split()[0] for text in told] == ["33.3333", "50", "99.5"]
    assert not outlines(plot_clusters(model, X, content=[]))
    refused("content must be one share", plot_density, model, X, content=[], error=InvalidParameterError)


@each_plot
def test_only_the_given_axes_are_touched(plot):
    model, X = with_rows()
    figure, (left, right) = plt.subplots(1, 2)
    current = plt.figure()
    before = dict(mpl.rcParams)
    assert plot(model, X, ax=left) is left
    assert plt.gcf() is current
    assert plt.get_fignums() == [figure.number, current.number]
    assert not right.has_data()
    assert figure.axes == [left, right]
    figure.draw_without_rendering()
    plot(model, X)
    plot(model, X, view="pairs")
    assert dict(mpl.rcParams) == before


@each_plot
def test_text_is_legible_in_dark_surroundings(plot):
    with plt.style.context("dark_background"):
        ax = plot(*with_rows())
        ax.figure.draw_without_rendering()
        ax.set_xlim(0, 1e9)  # other ticks, made in the style that holds now
        ticks = [*ax.get_xticklabels(), *ax.get_xticklabels(minor=True), ax.xaxis.get_offset_text()]
    assert mpl.colors.to_hex(ax.figure.get_facecolor()) == "#ffffff"
    for text in (ax.title, ax.xaxis.label, *ticks, *legend_of(ax).get_texts()):
        assert sum(mpl.colors.to_rgb(text.get_color())) < 1.2


@each_plot
@pytest.mark.parametrize("d", [1, 2])
@pytest.mark.parametrize("style", ["dark_background", "default"])
def test_the_callers_dark_axes_show_the_message(plot, d, style):
    """Dark by the style that holds now or held when they were made."""
    with plt.style.context("dark_background"):
        ax = plt.subplots()[1]
        with plt.style.context(style):
            plot(*with_rows(d=d), ax=ax)
    lines = (item for item in ax.collections if isinstance(item, LineCollection | ContourSet))
    strokes = [colour for item in lines if item.get_zorder() >= 3 for colour in item.get_edgecolor()]
    inks = [text.get_color() for text in [*ax.texts, *ax.get_legend().get_texts()]]
    assert all(sum(mpl.colors.to_rgb(colour)) > 2 for colour in [*strokes, *inks])
    grounds = [ax.get_legend().get_frame(), *filter(None, (badge.get_bbox_patch() for badge in ax.texts))]
    assert all(sum(ground.get_facecolor()[:3]) < 0.1 for ground in grounds)


@each_plot
def test_a_legend_does_not_cover_the_callers_small_axes(plot):
    for n, is_visible in ((1, True), (4, False)):
        ax = plt.subplots(n, n, squeeze=False)[1][0, 0]
        plot(*with_rows(), ax=ax)
        legend = ax.get_legend()
        assert legend.get_visible() == is_visible
        covered, panel = legend.get_window_extent(), ax.get_window_extent()
        assert (covered.width * covered.height < panel.width * panel.height / 4) == is_visible


@pytest.mark.parametrize("thin", [0.3, 1e-2, 1e-4])
def test_regions_hold_their_share_however_alike_two_columns_are(thin):
    model = GaussianMixture.from_parameters([1.0], [[5.0, 5.0]], [1 + thin**2 * np.eye(2)])
    ax = plot_density(model, model.sample(200, random_state=0)[0], content=(0.5, 0.9))
    rows = model.sample(20_000, random_state=1)[0]
    lines = next(item for item in ax.collections if isinstance(item, ContourSet) and not item.filled)
    for (outline,), content in zip(lines.allsegs, (0.9, 0.5), strict=True):
        assert abs(Outline(outline).contains_points(rows).mean() - content) < 0.015


def test_a_component_too_thin_for_a_grid_is_its_ellipse():
    covariances = [[[1, 1 - 1e-9], [1 - 1e-9, 1]], [[0.3, 0], [0, 0.3]]]
    model = GaussianMixture.from_parameters([0.5, 0.5], [[0.0, 0.0], [3.0, -3.0]], covariances)
    ax = plot_density(model, [[3.0, -3.0], [0.0, 0.0]], content=0.9)
    (outline,) = [patch for patch in ax.patches if not patch.get_fill()]
    thin = GaussianMixture.from_parameters([1.0], [[0.0, 0.0]], covariances[:1])
    assert 0.8 < outline.get_path().contains_points(thin.sample(20_000, random_state=0)[0]).mean() < 1


@pytest.fixture(scope="module")
def cross():
    scales = np.repeat([[6, 1, 1], [1, 6, 1], [1, 1, 1], [1, 1, 1]], 150, axis=0)
    places = np.array([[0, 0, 0], [0.1, 0, 0], [30, 0, 0], [0, 30, 5]])
    X = np.random.default_rng(0).normal(size=(600, 3)) * scales + np.repeat(places, 150, axis=0)
    model = GaussianMixture(4, random_state=0, means_init=places).fit(X)
    return combine_components(model, X).at(3), X


def test_components_of_a_cluster_have_its_colour(cross):
    combined, X = cross
    ax = plot_clusters(combined, X, view=(0, 1))
    assert ax.get_title() == "3 clusters of 4 components"
    assert legend(ax)[0] == "cluster (components): weight, rows"
    assert re.fullmatch(r"0 \(0 \+ 1\):.*300", legend(ax)[1])
    rows_of_cross = dots(ax).get_facecolors()[:300]
    assert len(np.unique(rows_of_cross[:, :3].round(6), axis=0)) == 1
    assert rows_of_cross[:, 3].min() > 0.79  # between its two components none is uncertain
    refused(r"shows components only: pass combined\.model", plot_density, combined, X)


@each_plot
def test_rows_with_gaps_are_drawn_at_conditional_means_and_counted_as_they_are_predicted(plot):
    """A filled value would make a row surer than it is, or move it to another component."""
    rng = np.random.default_rng(0)
    X = rng.normal(np.repeat([0.0, 2.0, 4.0], 100)[:, None], 1, (300, 2))
    X[rng.random(X.shape) < 0.4] = np.nan
    fit = GaussianMixture(3, missing="em", random_state=0).fit(X)
    there = ~np.isnan(X).all(axis=1)
    labels, soft, filled = fit.predict(X[there]), fit.predict_proba(X[there]), fit.impute(X)[there]
    plain = GaussianMixture.from_parameters(fit.weights_, fit.means_, fit.covariances_)
    assert (labels != plain.predict(filled)).any()
    scene = scene_of(fit, X)
    np.testing.assert_array_equal(scene.counts, [0, *np.bincount(labels, minlength=3)])
    np.testing.assert_allclose(scene.responsibilities, soft)
    np.testing.assert_allclose(scene.uncertainty_of_all[there], 1 - soft.max(axis=1), atol=1e-12)
    np.testing.assert_array_equal(scene.source.rows[scene.sample_index], filled)
    assert plot(fit, X).get_title() == plot(fit, filled).get_title()
    weight = np.arange(300) % 3.0
    weighted = scene_of(fit, X, sample_weight=weight)
    np.testing.assert_array_equal(weighted.sample_index, np.flatnonzero(there & (weight > 0)))


@pytest.mark.parametrize("view", [None, "pairs", (0, 1)])
def test_long_names_that_read_alike_are_cut_where_they_differ(view):
    names = [f"concentration_of_substance_{j}_in_the_sample_in_micrograms_per_litre" for j in "abc"]
    rng = np.random.default_rng(0)
    table = pd.DataFrame(np.concatenate([rng.normal(size=(40, 3)), rng.normal(5, 1, (40, 3))]), columns=names)
    axes = np.ravel(plot_clusters(GaussianMixture(2, random_state=0).fit(table), table, view=view))
    labels = {text for ax in axes for text in (ax.get_xlabel(), ax.get_ylabel())} - {""}
    shown = re.findall(r"…[^…]*_(\w)_[^…]*…", "\n".join(sorted(labels)))
    assert {*shown} >= ({"a", "b"} if view == (0, 1) else {"a", "b", "c"})
    assert max(len(line) for label in labels for line in label.split("\n")) <= 42


# Machado, Oliveira & Fernandes (2009), severity 1, on linear RGB.
PROTANOPIA = [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
DEUTERANOPIA = [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def lab(shades, seen_as=None):
    """CIE L*a*b* of sRGB colours (n, 3), as seen with a kind of colour blindness."""
    linear = np.where(shades <= 0.04045, shades / 12.92, ((shades + 0.055) / 1.055) ** 2.4)
    if seen_as is not None:
        linear = np.clip(linear @ np.transpose(seen_as), 0, 1)
    ratio = linear @ XYZ.T / [0.9505, 1, 1.089]
    f = np.where(ratio > 0.008856, np.cbrt(ratio), 7.787 * ratio + 16 / 116)
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], axis=1)


def test_components_are_told_apart_by_everyone_in_grey_and_on_white_paper():
    for seen_as in (None, PROTANOPIA, DEUTERANOPIA):
        places = lab(colours(8), seen_as)
        distances = np.linalg.norm(places[:, None] - places[None], axis=2)
        assert distances[~np.eye(8, dtype=bool)].min() > 20  # a difference of 2 is just seen
    lightness = lab(colours(8))[:, 0]
    assert np.abs(np.diff(np.append(lightness, lightness[0]))).min() > 14
    assert 20 < lightness.min() < lightness.max() < 76
    np.testing.assert_array_equal(colours(20)[:3], colours(3))
    assert len(np.unique(colours(24), axis=0)) == 24
    assert ((colours(100) >= 0) & (colours(100) <= 1)).all()


CASES = {  # covariances of two components, how far they are apart, and the weight of the second
    "a weight of 1e-300": (np.eye(2), np.eye(2), 3.0, 1e-300),
    "the least weight, thin": (np.eye(2), [[1.0, 1 - 1e-9], [1 - 1e-9, 1.0]], 3.0, 5e-324),
    "no weight": (np.eye(2), np.eye(2), 3.0, 0.0),
    "very far apart": (np.eye(2), np.eye(2), 1e150, 0.5),
    "tiny": (1e-300 * np.eye(2), 1e-300 * np.eye(2), 1e-150, 0.5),
    "huge": (1e300 * np.eye(2), 1e300 * np.eye(2), 1e150, 0.5),
    "tiny and huge": (1e-300 * np.eye(2), 1e300 * np.eye(2), 0.0, 0.5),
    "of three features, very far": (np.eye(3), np.eye(3), 1e150, 1e-300),
    "of three features, thin in no axis": (1 + 1e-13 * np.eye(3), np.eye(3), 1.0, 0.5),
}


@each_plot
@pytest.mark.parametrize("case", CASES)
def test_whatever_the_numbers_there_is_a_picture(plot, case):
    """Each case is seen in all views, and so is each plot."""
    view = (0, None, "pairs")[(list(CASES).index(case) + PLOTS.index(plot)) % 3]
    first, second, apart, weight = CASES[case]
    means = np.multiply.outer([0.0, apart], np.ones(len(first)))
    model = GaussianMixture.from_parameters([1 - weight, weight], means, np.stack([first, second]))
    rows = np.random.default_rng(0).multivariate_normal(means[0], first, size=40)
    ax = np.ravel(plot(model, rows, view=view))[0]
    if view is not None:  # else a layout sees the same numbers; that of pairs has
        ax.figure.set_layout_engine("none")
    ax.figure.canvas.draw()

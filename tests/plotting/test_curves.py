"""Curves are what they are of: objectives pass by pass, criteria cell by cell."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.colors import to_hex
from matplotlib.text import Text

import gmm
from gmm import GaussianMixture, GaussianMixtureSearch, InvalidParameterError, NotFittedError, select
from gmm.plotting import plot_convergence, plot_criteria, plot_selection
from inside import FAINT, PARSIMONIOUS, Ending, Trace
from pictures import legend, line_data, markers
from tables import refused

pytestmark = pytest.mark.usefixtures("figures")

RNG = np.random.default_rng(0)
ROWS = np.concatenate([RNG.normal(-3, 1, (300, 2)), RNG.normal(3, 1, (450, 2)) * [1, 0.3]])


@pytest.fixture(scope="module")
def found():
    return select(ROWS, range(1, 6), random_state=0)


def ends(ax):
    """The single dots, as (x, y, whether they are full)."""
    dots = [line for line in ax.lines if line.get_marker() == "o" and len(line.get_xdata()) == 1]
    return {(*dot.get_xydata()[0], to_hex(dot.get_markerfacecolor()) != "#ffffff") for dot in dots}


def whole_ticks(axis):
    return all(float(tick).is_integer() for tick in axis.get_ticklocs())


@pytest.mark.filterwarnings("ignore::gmm.ConvergenceWarning")
@pytest.mark.parametrize("asked", [{}, {"max_iter": 2}, {"acceleration": None}, {"prior": "conjugate"}])
def test_there_is_a_line_for_each_start(asked):
    model = GaussianMixture(3, n_init=4, init_params="random_from_data", random_state=0, **asked).fit(ROWS)
    ax = plot_convergence(model)
    expected = [(tuple(range(1, len(t) + 1)), tuple(t.objective)) for t in model.histories_]
    back = [n for n, kept in enumerate(model.history_.accepted, 1) if not kept]
    assert sorted(expected) == sorted(line for line in line_data(ax) if line[0] != tuple(back))
    assert ends(ax) == {(len(t), t.objective[-1], t.converged) for t in model.histories_}
    ending, reason = ax.get_title().split("\n")
    assert (ending.lower().startswith(model.history_.ending), reason) == (True, model.history_.reason)
    assert whole_ticks(ax.xaxis)
    assert ("and prior" in ax.get_ylabel()) == ("prior" in asked)
    assert legend(ax)[0] == "other starts (3)"
    assert legend(ax)[1].startswith(f"start {model.history_.start + 1}, ")
    (best,) = [line for line in ax.lines if line.get_label().startswith("start ")]
    others = [line for line in ax.lines if line is not best and line.get_marker() not in "xo"]
    assert all(line.get_zorder() < best.get_zorder() for line in others)
    assert {to_hex(line.get_color()) for line in others}.isdisjoint({to_hex(best.get_color())})


def refit(*traces):
    """A fit with a history of some passes for each start, (lower bound, objective); the first is best."""
    model = GaussianMixture(2, random_state=0).fit(ROWS)
    passes = ([[*each, np.inf, 1, 0.1] for each in trace] for trace in traces)
    model.histories_ = tuple(Trace(np.array(each), "tol", True, start) for start, each in enumerate(passes))
    model.history_ = model.histories_[0]
    return model


def test_the_best_start_is_told_from_those_that_end_as_high():
    for ends, told in (
        ([-2.0, -2.1, -3.0], "the best"),
        ([-2.0, -2.0, -3.0], "tied with 1 other"),
        ([-2.0, -2.00001, -2.0 + 1e-9, -3.0], "tied with 2 others"),
    ):
        assert legend(plot_convergence(refit(*([(end - 1,) * 2, (end,) * 2] for end in ends))))[1] == f"start 1, {told}"
    for shift, differs in ((2e-2, True), (1e-4, False)):  # of one start the objective is not the log-likelihood
        ax = plot_convergence(refit([(-3, -3), (-2, -2)], [(-4, -4), (-3 + shift, -3)]))
        assert ax.get_ylabel().startswith("objective") == differs


def test_a_fit_that_began_at_its_end_says_so():
    for end, told in ((-2.0 + 1e-11, ["the start was the end: all passes gain 1e-11"]), (-1.9, [])):
        assert plot_convergence(refit([(-2, -2), (end, end)])).get_title().split("\n")[1:-1] == told


def test_numbers_are_read_off_without_an_offset_or_needless_digits():
    for bounds, longest in (((-6.844871, -6.84487), 10), ((-1.4382098088061, -1.438209808806), 9)):
        ax = plot_convergence(refit([(bound, bound) for bound in bounds]))
        ax.figure.draw_without_rendering()
        assert ax.yaxis.get_offset_text().get_text() == ""
        assert max(len(label.get_text()) for label in ax.get_yticklabels()) <= longest


def test_the_objective_is_named_as_it_is_where_it_is_not_the_log_likelihood():
    """Of small rows the ridge, which is 1e-6 whatever their scale, is a part that is seen."""
    asked = {"random_state": 0, "init_params": "random_from_data"}
    plain, ridged = "mean log-likelihood", "objective (nats per row):\nlog-likelihood"
    for scale, how, told in [
        (1, {}, f"{plain} (nats per row)"),
        (3e-3, {}, f"{ridged} minus the ridge penalty"),
        (3e-3, {"reg_covar": 1e-12}, f"{plain} (nats per row)"),
        (3e-3, {"acceleration": None}, f"{plain} (nats per row)"),
        (1, {"prior": "conjugate"}, f"{plain} and prior (nats per row)"),
        (3e-3, {"prior": "conjugate"}, f"{ridged} and prior minus the ridge penalty"),
    ]:
        model = GaussianMixture(3, **asked | how).fit(ROWS * scale)
        ax = plot_convergence(model)
        assert ax.get_ylabel() == told
        highest = max(y for _, values in line_data(ax) for y in values)
        assert (highest == pytest.approx(model.lower_bound_, rel=1e-4)) == told.startswith(plain)


def test_one_start_needs_no_legend_and_steps_taken_back_are_crossed():
    X, crossed = np.random.default_rng(1).normal(size=(300, 3)) ** 3, 0
    for seed in range(6):
        model = GaussianMixture(6, tol=1e-8, max_iter=1000, random_state=seed).fit(X)
        ax = plot_convergence(model)
        back = [n for n, kept in enumerate(model.history_.accepted, 1) if not kept]
        assert (not ax.figure.legends) == (not back)
        crosses = [line for line in ax.lines if line.get_marker() == "x"]
        assert [list(line.get_xdata()) for line in crosses] == ([back] if back else [])
        crossed += len(back)
    assert crossed


def test_it_draws_where_it_is_told_to_what_has_a_history():
    _, axes = plt.subplots(1, 2)
    assert plot_convergence(GaussianMixture(2, random_state=0).fit(ROWS), ax=axes[1]) is axes[1]
    assert not axes[0].lines
    refined = GaussianMixture(3, refine="split-merge", random_state=0).fit(ROWS)
    done = refined.history_.refinement
    assert f"kept {len(done.moves)} of {done.tried} moves" in plot_convergence(refined).get_title().split("\n")[1]
    for model, told in (
        (GaussianMixture.from_parameters([1.0], [[0.0]], [[[1.0]]]), "parameters were given or set"),
        (GaussianMixture(2, max_iter=0).fit(ROWS), "one pass.*max_iter of 1"),
    ):
        refused(told, plot_convergence, model, error=InvalidParameterError)


def values_of(found, name, criterion):
    cells = [n for n, kind in enumerate(found.covariance_type) if kind == name]
    return tuple(found.n_components[cells]), tuple(getattr(found, criterion)[cells])


@pytest.mark.parametrize(("criterion", "written"), [(None, "BIC"), ("aic", "AIC"), ("aicc", "AICc"), ("icl", "ICL")])
def test_there_is_a_line_for_each_type(found, criterion, written):
    ax, name = plot_selection(found, criterion=criterion), criterion or found.criterion
    assert (set(found.status), len(line_data(ax))) == ({"ok"}, 14)
    assert set(line_data(ax)) == {values_of(found, kind, name) for kind in found.covariance_type}
    best = int(np.nanargmin(getattr(found, name)))
    assert markers(ax, "*") == [(found.n_components[best], getattr(found, name)[best])]
    chosen = f"{found.n_components[best]} components, {found.covariance_type[best]}"
    assert (ax.get_title(), ax.get_ylabel()) == (f"{written} chooses {chosen}", f"{written} (smaller is better)")
    assert whole_ticks(ax.xaxis)


def test_the_lowest_five_are_named_apart_at_their_ends_in_their_colours(found):
    ax = plot_selection(found)
    lowest = {kind: min(values_of(found, kind, "bic")[1]) for kind in found.covariance_type}
    named = {text.get_text().removesuffix(" ↑"): tuple(text.get_color()) for text in ax.texts}
    assert list(named) == sorted(lowest, key=lowest.get)[:5]
    assert len({*named.values()}) == 5
    for kind, colour in named.items():
        (line,) = [line for line in ax.lines if tuple(line.get_ydata()) == values_of(found, kind, "bic")[1]]
        assert tuple(line.get_color()) == colour
    assert legend(ax)[0] == "9 other types"
    on_top = [line for line in ax.lines if line.get_marker() == "o" and len(line.get_xdata()) == 5][-1]
    assert min(on_top.get_ydata()) == found.bic[found.best_index]
    ax.figure.draw_without_rendering()
    boxes = sorted(Text.get_window_extent(text).intervaly.tolist() for text in ax.texts)
    assert all(upper[0] >= lower[1] - 3 for lower, upper in pairwise(boxes))  # names do not overlap


def test_a_spike_is_no_point_of_a_line_unless_all_are(found):
    number = 20  # of 3 components, some type
    status, bic = [*found.status], np.array(found.bic)
    status[number], bic[number] = "degenerate: component 1", -1e6
    ax = plot_selection(replace(found, status=tuple(status), bic=bic))
    assert [x for x, _ in markers(ax, "v")] == [found.n_components[number]]
    low, high = ax.get_ylim()
    assert 0 < low < markers(ax, "v")[0][1] < high
    assert all(-1e6 not in values for _, values in line_data(ax))
    assert "degenerate: criterion is meaningless" in legend(ax)
    ax = plot_selection(replace(found, status=("degenerate: component 0",) * len(found.status)))
    assert ax.get_title().endswith(", degenerate")
    assert len(line_data(ax)) == 14


def test_cells_that_did_not_converge_are_open_and_those_without_a_fit_are_told(found):
    status, bic = [*found.status], np.array(found.bic)
    status[5] = Ending.NOT_CONVERGED
    status[6], status[7:9] = "failed: singular: very", ["not tried"] * 2
    bic[6:9] = np.nan
    ax = plot_selection(replace(found, status=tuple(status), bic=bic))
    near = {(K, value, True) for K, value in zip(found.n_components[found.pursued], bic[found.pursued], strict=True)}
    assert ends(ax) == near | {(found.n_components[5], bic[5], False)}
    assert ax.get_title().split("\n")[1] == "not drawn: 1 failed, 2 not tried"


def test_what_lies_above_the_axes_is_marked_at_the_top():
    X = np.repeat([[0.0], [300.0]], 500, axis=0) + np.random.default_rng(0).normal(size=(1000, 1))
    found = select(X, range(1, 5), ["VVV"], random_state=0)
    ax = plot_selection(found)
    (low, high), values = ax.get_ylim(), ax.lines[0].get_ydata()
    assert max(values[1:]) - min(values) > 0.1 * (high - low)
    assert high < values[0]
    assert markers(ax, "^") == [(1, 1)]
    assert "above the picture" in legend(ax)
    ax = plot_criteria(found, criteria=["bic", "aic", "icl"])  # several lines share a grey triangle
    assert markers(ax, "^") == [(1, 1)]
    assert [line.get_color() for line in ax.lines if line.get_marker() == "^"] == [FAINT]
    assert legend(ax) == ["above the picture"]


def test_types_that_mean_the_same_share_a_line():
    ax = plot_selection(select(ROWS[:, :1], range(1, 3), PARSIMONIOUS, random_state=0))
    assert len(line_data(ax)) == 2
    assert {text.get_text().removesuffix(" ↑") for text in ax.texts} == {"EII = EEI = …", "VII = VEI = …"}


def test_of_a_selection_the_best_type_is_drawn_and_of_a_search_its_selection(found):
    best = found.covariance_type[found.best_index]
    ax = plot_criteria(found)
    drawn = [line for line in line_data(ax) if len(line[0]) == 5]
    assert drawn == [values_of(found, best, "bic"), values_of(found, best, "aic")]
    assert ax.get_title().endswith(f"\ncovariance type {best}")
    ax = plot_criteria(found, criteria="icl", covariance_type="EII")
    assert [line for line in line_data(ax) if len(line[0]) == 5] == [values_of(found, "EII", "icl")]
    search = GaussianMixtureSearch(n_components=[1, 2], covariance_type="full", random_state=0).fit(ROWS)
    best, table = search.best_estimator_, search.selection_
    for plot, what in ((plot_selection, table), (plot_criteria, table), (plot_convergence, best)):
        assert line_data(plot(search)) == line_data(plot(what))


def test_of_mixtures_the_rows_decide():
    weight = np.random.default_rng(0).uniform(0.5, 2, len(ROWS))
    models = [GaussianMixture(K, random_state=0).fit(ROWS, sample_weight=weight) for K in (3, 1, 2)]
    ax = plot_criteria(models, ROWS, criteria=("bic", "aicc", "icl"), sample_weight=weight)
    told = [models[n].criteria(ROWS, weight) for n in (1, 2, 0)]
    values = [tuple(each[name] for each in told) for name in ("bic", "aicc", "icl")]
    assert [line for line in line_data(ax) if len(line[0]) == 3] == [((1, 2, 3), each) for each in values]
    smallest = [(1 + int(np.argmin(each)), min(each)) for each in values]
    assert markers(ax, "*") == smallest
    assert ax.get_title().startswith(f"BIC chooses {smallest[0][0]} component")
    assert [text.get_text() for text in ax.texts] == ["BIC", "AICc", "ICL"]
    assert whole_ticks(ax.xaxis)


def test_what_criteria_cannot_be_drawn_of_is_refused_before_there_is_a_figure(found):
    one, few = GaussianMixture(1).fit(ROWS), GaussianMixture(1).fit(ROWS[:5])
    posterior = gmm.BayesianGaussianMixture().fit(ROWS)
    kinds = "expected a Selection, a fitted GaussianMixtureSearch, or a list of fitted mixtures"
    nec, weight = replace(found, nec=np.full(len(found.status), np.inf)), np.ones(len(ROWS))
    some = replace(found, nec=np.where(np.array(found.covariance_type) == "EII", np.inf, found.nec))
    for given, error, told in [
        ({"models": found, "criteria": []}, ValueError, "criteria must be one or more of .*'bic'.*, got none"),
        ({"models": one, "X": ROWS}, TypeError, f"{kinds}; got GaussianMixture"),
        ({"models": [one, None], "X": ROWS}, TypeError, f"{kinds}; got list with NoneType"),
        ({"models": [posterior], "X": ROWS}, TypeError, "got BayesianGaussianMixture, whose"),
        ({"models": found, "X": ["bic", "aic"]}, ValueError, r"X must be .*; did you mean criteria=\['bic', 'aic'\]\?"),
        ({"models": found, "X": ROWS}, ValueError, "X is only for fitted mixtures; a search has its criteria already$"),
        ({"models": found, "sample_weight": weight}, ValueError, "sample_weight is only for fitted mixtures; a search"),
        ({"models": [one], "X": ROWS, "covariance_type": "EII"}, ValueError, "covariance_type is only for a search"),
        ({"models": [few], "X": ROWS[:5], "criteria": "aicc"}, ValueError, "AICc is not finite for any of these"),
        ({"models": [one]}, InvalidParameterError, "pass X, or a Selection"),
        ({"models": [one, one], "X": ROWS}, InvalidParameterError, r"of components.*\[1, 1\]"),
        ({"models": [one, GaussianMixture(2)], "X": ROWS}, NotFittedError, "GaussianMixture instance is not fitted"),
        ({"models": found, "covariance_type": "full"}, InvalidParameterError, "'full'.*has EII, VII"),
        ({"models": some, "criteria": "nec", "covariance_type": "EII"}, InvalidParameterError, "'EII'.*finite NEC"),
        ({"selection": found, "criterion": "gini"}, InvalidParameterError, "a criterion among .*got 'gini'"),
        ({"selection": nec, "criterion": "nec"}, InvalidParameterError, "NEC is not finite"),
    ]:
        refused(told, plot_criteria if "models" in given else plot_selection, error=error, **given)
        assert not plt.get_fignums()

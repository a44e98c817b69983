"""What objects say of themselves: summaries of mixtures, classifiers and searches, tables, rows of predictions."""

import re
import sys
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

import gmm
from gmm import BayesianGaussianMixture, GaussianMixture, MixtureClassifier, select
from gmm.analysis import anomaly_threshold
from gmm.inference import standard_errors
from inside import CRITERIA, PARSIMONIOUS, StudentTails, choice
from tables import FAITHFUL, assert_contains, cases, refused, reloaded

RNG = np.random.default_rng(0)
X = np.concatenate([RNG.normal(-4, 1, (60, 2)), RNG.normal(4, 1, (40, 2))])
TABLE = pd.DataFrame(X, columns=["size", "age"])


@pytest.fixture(scope="module")
def mixture():
    return GaussianMixture(2, random_state=0).fit(TABLE)


def test_a_fit_knows_its_rows_their_weights_and_its_likelihood(mixture):
    text = str(mixture)
    assert f"n = 100, log-likelihood {mixture.log_likelihood(TABLE):.2f} " in text
    assert f"BIC {mixture.bic(TABLE):.2f}, AIC {mixture.aic(TABLE):.2f}" in text
    assert "n = 100" in mixture._repr_html_()
    assert " per row), BIC" in text
    for weight, unit in ((np.arange(1, 101), "row"), (np.linspace(0.1, 0.73, 100), "unit weight")):
        weighted = GaussianMixture(2, random_state=0).fit(TABLE, sample_weight=weight)
        assert f"({weighted.lower_bound_:.4f} per {unit}), BIC" in str(weighted)
    assert str(reloaded(mixture)) == text
    best = gmm.select(TABLE, 2, "full", standardize=True, random_state=0).best  # through other units
    assert f"n = 100, log-likelihood {best.log_likelihood(TABLE):.2f} " in str(best)
    for fit in (
        GaussianMixture(2, prior="conjugate", random_state=0).fit(X),
        BayesianGaussianMixture(n_components=2, random_state=0).fit(X),
        GaussianMixture(2, random_state=0).partial_fit(X),
        GaussianMixture.from_parameters([1.0], [[0.0]], [[[1.0]]]),
    ):
        assert "n = " not in str(fit)  # where no likelihood is known


@cases(
    *(("full", 2, "VVV (full)"), ("tied", 2, "EEE (tied)"), ("VVI", 2, "VVI (diag)"), ("VEI", 2, "VEI")),
    *(("full", 1, "V (full)"), ("diag", 1, "V (diag)"), ("spherical", 1, "V"), ("V", 1, "V"), ("EII", 1, "E")),
)
def test_every_text_on_a_mixture_names_its_covariances_by_both_names(covariance_type, d, both):
    """Of one column only the letter of the volume is left."""
    table = TABLE.iloc[:, :d]
    fit = GaussianMixture(2, covariance_type=covariance_type, random_state=0).fit(table)
    told = str(fit), fit._repr_html_(), repr(fit.summary(table)), fit.summary(table)._repr_html_()
    assert all(f" {both} covariance" in text for text in told)
    classifier = MixtureClassifier(covariance_type=covariance_type).fit(table, np.arange(100) < 60)
    assert f" {both} " in str(classifier)
    assert f">{both}<" in classifier._repr_html_()
    test = gmm.inference.bootstrap_lrt(table, 1, covariance_type=covariance_type, n_replicates=1, random_state=0)
    assert f", {both}: " in repr(test)


def test_a_summary_has_the_results_of_the_methods(mixture):
    for sample_weight in (None, np.where(np.arange(100) % 2, 0.5, 2.0)):
        summary = mixture.summary(TABLE, sample_weight)
        criteria = mixture.criteria(TABLE, sample_weight)
        assert summary.criteria == pytest.approx({name: criteria[name] for name in ("bic", "icl", "aic")})
        assert summary.log_likelihood == pytest.approx(mixture.log_likelihood(TABLE, sample_weight))
        assert (summary.n_rows, summary.n_noise, summary.degenerate) == (100, 0, {})
        np.testing.assert_array_equal(summary.counts, np.bincount(mixture.predict(TABLE)))
        for part in ("100 rows", f"ICL {criteria['icl']:.2f}", "rows  weight", "no component is degenerate"):
            assert part in repr(summary)
    assert_contains(repr(summary), "100 rows of weight 125, ", "per unit weight")
    assert "no component is degenerate" in summary._repr_html_()


def test_a_summary_is_a_table_of_components(mixture):
    frame = mixture.summary(TABLE).to_frame()
    assert list(frame) == ["component", "rows", "weight", "degenerate", "size mean", "size sd", "age mean", "age sd"]
    np.testing.assert_array_equal(frame["rows"], [40, 60] if mixture.means_[0, 0] > 0 else [60, 40])
    np.testing.assert_allclose(frame["age sd"], np.sqrt(mixture.covariances_[:, 1, 1]))
    assert set(frame["degenerate"]) == {""}
    heavy = GaussianMixture(2, tails="t", random_state=0).fit(TABLE).summary(TABLE).to_frame()
    assert list(heavy)[4:] == ["size mean", "size scale", "age mean", "age scale"]


@pytest.mark.filterwarnings("ignore:Covariances are nearly singular")  # of the copy, by some kernels
def test_the_reason_of_a_degenerate_component_is_printed():
    few = np.vstack([X[60:], [[90.0, 90.0]]])
    mixture = GaussianMixture(2, means_init=[[4, 4], [90, 90]], random_state=0).fit(few)
    told = "degenerate: component 1 (too few rows for its covariance)"
    assert told in str(mixture)
    assert told in repr(mixture.summary(few))
    assert mixture.summary(few).degenerate == {1: "too few rows for its covariance"}
    assert re.search(r"degenerate.* \d+, \d+ and \d+ more \(", str(GaussianMixture(40, max_iter=1).fit(X)))
    copied = np.column_stack([X[:, 0], X[:, 0]])
    for K, which in ((1, "component 0"), (2, "components 0, 1")):
        fit = GaussianMixture(K, reg_covar=1e-30, random_state=0).fit(copied)
        assert f"degenerate: {which} (columns that depend on each other)" in repr(fit.summary(copied))
    ties = np.vstack([X[:60], np.tile([4.0, 4.0], (40, 1))])
    mixture = GaussianMixture(2, random_state=0).fit(ties)
    told = repr(mixture.summary(ties))
    assert_contains(told, "no variance but reg_covar", without=["about"])
    assert_contains(str(mixture), "log-likelihood about ", "BIC about ")


@pytest.mark.filterwarnings("ignore:reg_covar hides groups")
def test_a_column_of_the_ridge_alone_is_named_beside_the_criteria():
    x = (X[:, 0] - X[:, 0].mean()) / X[:, 0].std()
    table = TABLE.assign(one=1.0, small=9e-4 * x, larger=1.1e-3 * x)  # reg_covar is half of a variance
    for K in (1, 2):
        fit = GaussianMixture(K, random_state=0).fit(table)
        for text in (str(fit), str(fit.summary(table))):
            assert "no variance but reg_covar in one, small, so" in text
    assert "reg_covar in" not in str(GaussianMixture(2, random_state=0).fit(TABLE))


def test_more_parameters_than_rows_are_told_wherever_criteria_are():
    few = np.random.default_rng(0).normal(size=(40, 8))
    search = gmm.select(few, 1, "VVV", random_state=0)
    for text in (str(search.best), repr(search.best.summary(few)), repr(search), search.best._repr_html_()):
        assert "44 free parameters for 40 rows: criteria are unreliable" in text
    assert "unreliable" not in repr(search.best.summary(few, np.full(40, 2.0)))
    assert "unreliable" not in repr(gmm.select(few, 1, "EEI", random_state=0))
    posterior = BayesianGaussianMixture(n_components=1, random_state=0).fit(few)
    assert "unreliable" not in repr(posterior.summary(few))  # it has no criteria


def test_noise_and_posteriors_are_summarised():
    noisy = np.vstack([X, [[60.0, -60.0], [-50.0, 40.0]]])
    summary = GaussianMixture(2, noise=True, random_state=0).fit(noisy).summary(noisy)
    assert summary.n_noise == 102 - summary.counts.sum() > 0
    assert f"102 rows, {summary.n_noise} of them noise" in repr(summary)
    posterior = BayesianGaussianMixture(n_components=3, random_state=0).fit(X)
    assert posterior.summary(X).criteria == {}
    assert "100 rows, log-likelihood " in repr(posterior.summary(X))
    errors = {"error_covariance": np.eye(2) / 10}
    fitted = GaussianMixture(2, random_state=0).fit(X, **errors)
    refused("expected the error_covariance", fitted.summary, X)
    assert fitted.summary(X, **errors).log_likelihood == pytest.approx(fitted.log_likelihood(X, **errors))


def test_standard_errors_are_a_table(mixture):
    errors = standard_errors(mixture, TABLE, method="information")
    frame, low = errors.to_frame(0.9), errors.intervals(0.9)
    assert len(frame) == 2 * 6
    row = frame.query("component == 1 and parameter == 'mean' and feature == 'age'").iloc[0].to_dict()
    told = {"component": 1, "parameter": "mean", "feature": "age", "estimate": mixture.means_[1, 1]}
    ends = dict(zip(("low", "high"), low.means[1, 1], strict=True))
    assert row == told | {"standard_error": errors.means[1, 1]} | ends
    row = frame.query("component == 0 and parameter == 'covariance' and feature == 'size, age'").iloc[0]
    assert (row.estimate, row.low) == (mixture.covariances_[0, 1, 0], low.covariances[0, 1, 0, 0])
    for name, n in {"tied": 6, "diag": 5, "spherical": 5, "VEE": 6}.items():
        fitted = GaussianMixture(2, covariance_type=name, random_state=0).fit(X)
        frame = standard_errors(fitted, X, n_replicates=4, random_state=0).to_frame()
        assert len(frame) == 2 * n
        assert (frame["low"] <= frame["high"]).all()


def test_credible_intervals_are_a_table():
    posterior = BayesianGaussianMixture(n_components=2, random_state=0).fit(TABLE)
    intervals = posterior.credible_intervals(0.9)
    frame = intervals.to_frame()
    assert len(frame) == 2 * 3
    row = frame.query("component == 1 and feature == 'age'").iloc[0]
    assert (row.low, row.high) == tuple(intervals.means[1, 1])
    assert_contains(repr(intervals), "size", "90")
    line = repr(posterior.credible_intervals()).splitlines()[2]
    assert {len(number.partition(".")[2]) for number in line.split()[4:] if number != "to"} == {2}


def test_predictions_print_their_first_rows(mixture):
    predicted = mixture.predict_from(TABLE[["size"]], level=0.9)
    lines = repr(predicted).splitlines()
    assert "100 rows" in lines[0]
    assert (lines[1].split(), lines[-1].strip()) == (["age"], "… and 94 more rows")
    assert f"{predicted.means[0, 0]:.2f} ± {predicted.deviations[0, 0]:.2f} (" in lines[2]
    assert len(repr(mixture.predict_from(TABLE[["size"]][:3])).splitlines()) == 5
    frame = predicted.to_frame()
    assert list(frame) == ["age", "age sd", "age low", "age high"]
    np.testing.assert_array_equal(frame["age low"], predicted.intervals[:, 0, 0])
    values = gmm.analysis.true_values(mixture, TABLE, np.eye(2) / 10)
    assert "… and 94 more rows" in repr(values)
    posterior = BayesianGaussianMixture(n_components=2, random_state=0).fit(X)
    assert "3 draws: 2 components, 2 features" in repr(posterior.sample_posterior(3))


def test_a_threshold_predicts_and_says_its_rate(mixture):
    threshold = anomaly_threshold(mixture, TABLE, 0.05)
    np.testing.assert_array_equal(threshold.predict(TABLE), mixture.score_samples(TABLE) < threshold.log_density)
    assert threshold.predict(TABLE.iloc[[0]] + [100.0, 100.0]).tolist() == [True]
    assert len(repr(threshold)) < 100
    assert "rate 5\N{NO-BREAK SPACE}%" in repr(threshold)


def test_a_classifier_has_a_confusion_matrix():
    classes = np.array(["low"] * 60 + ["high"] * 40)
    classes[:3] = "high"
    classifier = MixtureClassifier(covariance_type="VVV").fit(TABLE, classes)
    summary = classifier.summary(TABLE, classes)
    predicted = classifier.predict(TABLE)
    expected = [[((classes == one) & (predicted == other)).sum() for other in summary.labels] for one in summary.labels]
    np.testing.assert_array_equal(summary.confusion, expected)
    assert summary.accuracy == classifier.score(TABLE, classes)
    frame = summary.to_frame()
    assert list(frame["class"]) == list(frame)[1:] == ["high", "low"]
    for text in (repr(summary), summary._repr_html_()):
        assert "of the labelled rows are predicted right" in text
        assert f"{100 * np.mean(classes == 'low'):.1f}\N{NO-BREAK SPACE}% belong to the largest class" in text
    other = classifier.summary(TABLE[:4], ["low", "new", None, "low"], [1, 2, 5, 0.5])
    assert (list(other.labels), other.confusion.sum(), other.confusion.shape) == (["low", "new"], 3.5, (2, 2))


def test_a_table_needs_a_library(mixture, monkeypatch):
    tables = mixture.summary(TABLE), gmm.select(TABLE, 1, "diag")
    for name in ("pandas", "polars"):
        monkeypatch.setitem(sys.modules, name, None)
    for table in tables:
        refused("pandas or polars", table.to_frame, error=ImportError)


def test_degrees_of_freedom_at_the_limit_say_that_they_are_normal():
    assert StudentTails(200.0).text == "200 degrees of freedom, nearly normal"
    assert "normal" not in StudentTails(np.array([4.0, 200.0])).text


@pytest.mark.filterwarnings("ignore:A component is degenerate")
@pytest.mark.parametrize("constant", [1e8, 1e20, 1e308])
def test_means_that_differ_by_rounding_are_no_spread(constant):
    fit = GaussianMixture(3, random_state=0).fit(np.full((5, 1), constant))
    assert str(fit).splitlines()[-1].strip() == "degenerate: components 0, 1, 2 (too few rows for its covariance)"


# --- A search -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def found():
    return select(FAITHFUL, range(1, 6), random_state=0)


def lines(found, width=80):
    """What is printed in a terminal of this width."""
    console = Console(width=1000, color_system=None)
    with console.capture() as printed:
        console.print(*choice(found, width), sep="\n", soft_wrap=True)
    return [line.rstrip() for line in printed.get().splitlines()]


def marked(found, **statuses):
    """With other statuses, by the cell's components and type."""
    cells = (f"{name}_{K}" for name, K in zip(found.covariance_type, found.n_components, strict=True))
    told = (statuses.get(cell, status) for cell, status in zip(cells, found.status, strict=True))
    return replace(found, status=tuple(told))


def listed(shown, n):
    """The first mixtures of the list, and the line behind them."""
    first = next(number for number, line in enumerate(shown) if "loglik" in line) + 2
    return [line.replace("★", "").split() for line in shown[first : first + n]], shown[first + n]


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120])
@pytest.mark.parametrize("criterion", CRITERIA)
def test_no_line_is_longer_than_the_terminal(found, criterion, width):
    turned = replace(found, criterion=criterion, scores=getattr(found, criterion))
    least = 52  # of the title, and the list's columns that are never left out
    assert max(map(len, lines(turned, width))) <= max(width, least)


@pytest.mark.parametrize(("width", "decimals"), [(120, 2), (50, 2), (45, 1), (40, 0), (30, 2)])
def test_every_cell_is_in_the_grid(found, width, decimals):
    shown, grid = lines(found, width), {}
    for line in shown[: next(n for n, line in enumerate(shown) if "loglik" in line)]:
        words = line.split()
        if words and words[0] == "model":
            heading = words[1:]
        elif words and words[0] in PARSIMONIOUS:
            grid |= {(words[0], K): text for K, text in zip(heading, words[1:], strict=True)}
    cells = zip(found.covariance_type, found.n_components, found.scores, strict=True)
    for number, (name, K, score) in enumerate(cells):
        star = "★" if number == found.best_index else "^" if found.status[number].startswith("degenerate") else ""
        assert grid[name, f"K={K}"] == f"{star}{score:.{decimals}f}"
    assert len(grid) == len(found.scores)


def test_ten_are_listed_from_the_best_on_each_mixture_once(found):
    rows, behind = listed(lines(found), 10)
    deltas = [float(words[5]) for words in rows]
    assert (deltas, deltas[0]) == (sorted(deltas), 0)
    assert len({tuple(words[:2]) for words in rows}) == 10
    assert behind.startswith("★ best (smallest)")
    ones, _ = listed(lines(select(FAITHFUL[:, :1], [1, 2], random_state=0), 100), 3)
    assert {tuple(words[:2]) for words in ones} == {("2", "V"), ("2", "E"), ("1", "E")}


def test_what_was_not_chosen_is_marked(found):
    told = {"EEE_2": "degenerate: component 1", "VVV_3": "failed: no more rows", "EVV_3": "failed: no more rows"}
    shown = "\n".join(lines(marked(found, **told, EII_5="not tried", VII_5="not converged"), 100))
    signs = "^2325.22", "~3128.18", "3 EVV, VVV failed: no more rows", "^ a component is degenerate"
    assert_contains(shown, *signs, "~ not converged", "– not tried")
    assert shown.count("failed") == 3
    assert "^" not in shown[shown.index("loglik") : shown.index("★ best")]
    failed = marked(found, **{f"{name}_2": "failed: no" for name in PARSIMONIOUS})
    assert [line for line in lines(failed) if "failed:" in line] == ["2 all models failed: no"]


def test_a_number_of_components_that_was_not_tried_has_no_column(found):
    turned = marked(found, **{f"{name}_5": "not tried" for name in PARSIMONIOUS})
    shown = lines(replace(turned, complete=False))
    assert_contains(shown[1], "K=4", without=["K=5"])
    assert shown[-1].endswith("56 of 70 cells tried")
    assert "every cell was fitted once" in lines(replace(found, complete=False))[-1]


def test_a_summary_of_the_fit_tells_what_print_tells_without_rows(mixture):
    own, of_rows = mixture.summary(), mixture.summary(TABLE)
    assert (own.n_rows, own.counts, own.n_noise, own.feature_names) == (None, None, None, ("size", "age"))
    assert own.log_likelihood == pytest.approx(of_rows.log_likelihood)
    assert own.criteria == pytest.approx({name: of_rows.criteria[name] for name in ("bic", "aic")})
    assert str(mixture).endswith(repr(own))
    assert {*of_rows.to_frame()} - {*own.to_frame()} == {"rows"}
    np.testing.assert_allclose(own.standard_deviations**2, [np.diag(each) for each in mixture.covariances_])
    (i, j, value), _ = own.strongest_correlations
    assert value == pytest.approx(mixture.covariances_[0, i, j] / own.standard_deviations[0].prod())
    assert own.ending == mixture.history_.ending
    given = GaussianMixture.from_parameters([1.0], [[0.0]], [1.0], covariance_type="spherical").summary()
    assert (given.figures, given.diagnosis, given.strongest_correlations) == ("", "", [None])
    assert (given.covariance_model, given.ending) == ("V", "parameters given, not fitted")
    heavy = GaussianMixture(1, tails="t", degrees_of_freedom=4).fit(X).summary()
    assert heavy.tails in heavy.ending
    assert "4" in heavy.tails
    assert np.isnan(given.log_likelihood)


def test_a_search_gives_what_it_prints_in_parts():
    found = select(TABLE, (1, 2), ["EII", "VVV"], tails=["normal", "t"], random_state=0)
    (grid,), remarks = found.tables(), found.remarks("group")
    assert all(word in repr(found) for line in str(grid).splitlines()[1:] for word in line.split())
    assert grid.caption == "BIC by covariance model and number of components"
    assert found.ranking().columns[1].entries == [str(found.n_components[n]) for n in found.ranked(distinct=True)]
    assert found.ranking([3]).columns[2].entries == [found.kinds[3]]
    assert found.differences[found.best_index] == 0 <= np.nanmin(found.differences)
    assert_contains(repr(found), *remarks.certainty, *remarks.failures)
    assert remarks.advice == ("2 groups are the most that were tried: try n_components up to 6",)
    assert "<table" in grid._repr_html_()


def test_predictions_come_in_blocks(mixture):
    rows = gmm.open_rows(lambda: np.array_split(X, 7))
    with pytest.warns(UserWarning, match="names"):
        blocks = list(mixture.predict_blocks(rows))
    np.testing.assert_array_equal(np.concatenate([labels for _, labels, _ in blocks]), mixture.predict(TABLE))
    np.testing.assert_array_equal(np.concatenate([shares for *_, shares in blocks]), mixture.predict_proba(TABLE))
    assert [first for first, *_ in blocks] == [0, *np.cumsum([len(labels) for _, labels, _ in blocks])[:-1]]


def test_options_are_data():
    options = gmm.options()
    assert options.parameters.keys() == {*GaussianMixture().get_params(), *BayesianGaussianMixture().get_params()}
    assert options.parameters["n_init"].bounds == (1, 10**6)
    assert options.covariance_types(n_features=1) == ["E", "V"]
    assert options.covariance_types("all", 2) == list(PARSIMONIOUS)
    assert [options.covariance_model(name).printed(2) for name in options.conjugate_types] == [
        "VVV (full)", "EEE (tied)", "VVI (diag)", "VII (spherical)",
    ]  # fmt: skip


# --- What later changes do not reach, and what is refused ------------------------------------------


def test_a_summary_stays_that_of_its_fit():
    mixture = GaussianMixture(2, random_state=0).fit(X)
    of_fit, of_rows = mixture.summary(), mixture.summary(X)
    before = str(of_fit), str(of_rows)
    mixture.fit(X[:30])
    assert (str(of_fit), str(of_rows)) == before


def test_an_index_of_many_rows_does_not_overflow():
    index = gmm.inference.adjusted_rand_index
    assert index(np.full((2, 2), 2**62)) == pytest.approx(0, abs=1e-12)
    assert index(np.array([[2**62, 0], [0, 2**62]])) == pytest.approx(1)


OPTIONS, FIT, FOUND = gmm.options(), GaussianMixture(2, random_state=0).fit(X), select(X, [1, 2], "VVV", random_state=0)
NO_COUNTS = [[1, 2], [3]], [[np.inf, 1], [1, 1]], [[np.nan, 1], [1, 1]], [1, 2], [["a"]]
BLOCK_KINDS = gmm.sources.checked_rows(X, error_covariance=[0.1, 0.1])


@cases(
    *(("counts of rows", partial(gmm.inference.adjusted_rand_index, counts)) for counts in NO_COUNTS),
    *(("rows of", partial(gmm.analysis.Table.of, ["a", "b"], [row])) for row in ([1], [1, 2, 3])),
    *(("number of components and covariance", partial(FOUND.__getitem__, of)) for of in (2, None, (), (2,), "VVV")),
    ("its rows as X", lambda: FIT.summary(sample_weight=np.ones(3))),
    ("its rows as X", lambda: FIT.summary(error_covariance=1.0)),
    ("already have errors", lambda: GaussianMixture(2).fit(BLOCK_KINDS, error_covariance=np.ones(2))),
    ("n_features to be a whole number", lambda: OPTIONS.covariance_model("VVV", "a")),
    ("limited", lambda: OPTIONS.covariance_types("all", limited="no")),
    ("n to be a whole number", lambda: gmm.plotting.colours(2.5)),
    ("what a plotting function returns", lambda: gmm.plotting.encoded(None, "png")),
    ("what a plotting function returns", lambda: gmm.plotting.inline_svg([], "a", "b")),
    ("expected kind among", lambda: gmm.plotting.encoded(None, "jpg")),
    ("is not fitted yet", lambda: GaussianMixture().freeze()),
    (r"names, got \[1, '1'\]", lambda: gmm.sources.prediction_columns([1], [1], [[0.25, 0.75]], [1, "1"])),
    ("^'': expected a name ending in one of .csv", lambda: gmm.sources.check_target("")),
)
def test_what_is_no_argument_is_refused_in_words(told, call):
    refused(told, call, error=(TypeError, ValueError, KeyError))


def test_blocks_that_are_no_columns_are_not_written(tmp_path):
    for block in ({"x": 3}, {1: [1]}, {"x": np.array([1j])}):
        refused("names to columns", gmm.sources.write_table, tmp_path / "a.csv", [block])
    assert not list(tmp_path.iterdir())

"""Rows with missing values from files and streams: the fit, and the bits, are those of rows in memory."""

import numpy as np
import pandas as pd
import pytest

import gmm
from gmm import BayesianGaussianMixture, GaussianMixture
from inside import PARSIMONIOUS, as_source, source_to_fit
from inside import rows_incomplete as incomplete
from origins import assert_same, fitted, partitions, stream
from tables import groups_with_gaps, refused

pytestmark = [pytest.mark.filterwarnings("ignore::gmm.ConvergenceWarning"), pytest.mark.usefixtures("_small_chunks")]

N = 3000
ROWS = groups_with_gaps(n=N, share=0.15)
ROWS[[3, 1500, 2999]] = np.nan
WEIGHTS = np.random.default_rng(1).uniform(0.5, 2, N)
HOW = [{"covariance_type": name} for name in PARSIMONIOUS]
HOW += [{"acceleration": None}, {"prior": "conjugate"}, {"noise": True}, {"n_init": 3}, {"refine": "split-merge"}]
HOW += [{"init_params": "k-means++"}, {"init_params": "random"}, {"means_init": np.nan_to_num(ROWS[[0, 1, 2]])}]
HOW += [{"verbose": 1}]


@pytest.mark.parametrize("how", HOW, ids=lambda how: str(how)[:30])
def test_a_fit_from_blocks_is_the_fit_from_an_array(how):
    how = {"missing": "em", "max_iter": 12} | how
    assert_same(fitted(ROWS, **how), fitted(stream(ROWS), **how))


@pytest.mark.parametrize(("covariance_type", "dtype"), [("full", "f4"), ("full", "f8"), ("tied", "f4"), ("diag", "f8")])
def test_weighted_rows_in_windows(covariance_type, dtype, monkeypatch):
    """With windows of 1000 rows, patterns are in several of them."""
    rows = groups_with_gaps(n=8000, share=0.04).astype(dtype)
    weight = np.random.default_rng(0).uniform(0.1, 3, len(rows))
    weight[2000:3000] = 0
    how = {"covariance_type": covariance_type, "missing": "em", "max_iter": 8}
    monkeypatch.setattr(incomplete, "WINDOW", 1000)
    one = fitted(rows, weight, **how)
    for cuts, n_threads in (((7, 3600), 1), ((7999,), 3), ((500,), 2)):
        assert_same(one, fitted(stream(rows, weight, cuts), n_threads=n_threads, **how))
    monkeypatch.undo()
    whole = fitted(rows, weight, **how)
    np.testing.assert_allclose(one.means_, whole.means_, rtol=1e-3 if dtype == "f4" else 1e-9)


def fit_of(rows):
    return fitted(rows, missing="em", max_iter=20)


def test_tables_of_predictions_are_those_of_an_array(tmp_path):
    fit = fit_of(ROWS)
    for number, rows in enumerate((ROWS, stream(ROWS))):
        fit.predict_to(rows, tmp_path / f"{number}.csv")
    assert (tmp_path / "0.csv").read_bytes() == (tmp_path / "1.csv").read_bytes()
    one, other = (fit.predict_from(rows, [0, 2]) for rows in (ROWS[:, [0, 2]], stream(ROWS[:, [0, 2]])))
    np.testing.assert_array_equal(one.means, other.means)


def test_starts_see_the_gaps_of_rows_in_memory_filled():
    """Also of patterns that are filled in several batches."""
    rows = groups_with_gaps(n=40_000, share=0.1)
    fit = GaussianMixture(3, missing="em", random_state=0)
    array, blocks = (source_to_fit(fit, X, None) for X in (rows, stream(rows)))
    some = np.sort(np.random.default_rng(0).choice(40_000, 500, replace=False))
    np.testing.assert_array_equal(*(each.without_gaps.select_rows(some).rows for each in (array, blocks)))
    chunks = np.concatenate([chunk.rows for chunk in blocks.without_gaps.chunks()])
    np.testing.assert_allclose(chunks, array.without_gaps.rows, rtol=1e-12, atol=1e-12)


def test_dask_collections_with_gaps_are_labelled_but_not_fitted():
    array, fit = pytest.importorskip("dask.array"), fit_of(ROWS)
    rows, whole = array.from_array(ROWS, chunks=(700, 4)), ROWS[~np.isnan(ROWS).any(axis=1)]
    np.testing.assert_array_equal(fit.predict(rows).compute(), fit.predict(ROWS))
    threshold = gmm.analysis.anomaly_threshold(fit, whole[::2], 0.1)
    marks = threshold.predict(array.from_array(whole[1::2], chunks=(200, 4)))
    np.testing.assert_array_equal(marks, threshold.predict(whole[1::2]))
    for use in (fit_of, fit.score, threshold.predict):  # a row without a value is no anomaly nor normal
        refused("missing values cannot be combined with rows in partitions", use, rows)


@pytest.mark.parametrize("draw", [False, True])
def test_rows_of_dask_collections_are_filled_with_those_without_a_value(draw):
    da, frames = pytest.importorskip("dask.array"), pytest.importorskip("dask.dataframe")
    fit, table = fit_of(ROWS), pd.DataFrame(ROWS, columns=list("abcd"))
    filled = fit.impute(ROWS, draw=draw, random_state=0)
    np.testing.assert_array_equal(fit.impute(da.from_array(ROWS, chunks=(700, 4)), draw=draw, random_state=0), filled)
    named = fit_of(table).impute(frames.from_pandas(table, npartitions=3), draw=draw, random_state=0)
    pd.testing.assert_frame_equal(named, pd.DataFrame(filled, columns=table.columns))
    refused("rows in partitions", fit.impute, partitions(ROWS), draw=draw)


def test_a_posterior_of_blocks_is_that_of_an_array():
    how = {"n_components": 4, "missing": "em", "random_state": 0}
    assert_same(*(BayesianGaussianMixture(**how).fit(rows) for rows in (ROWS, stream(ROWS))))


def test_a_stream_with_gaps_is_learnt_block_by_block():
    rows, how = groups_with_gaps(n=20_000, share=0.1), {"missing": "em", "random_state": 0}
    whole, fit = GaussianMixture(2, **how).fit(rows), GaussianMixture(2, **how)
    for block in np.split(rows, 20):
        fit.partial_fit(block)
    assert fit.score(rows) == pytest.approx(whole.score(rows), abs=5e-3)


def test_infinity_is_refused_where_it_is_whatever_rows_have_no_value():
    rows = ROWS[:400].copy()
    rows[120], rows[250, 2] = np.nan, -np.inf
    for X in (rows, stream(rows)):
        refused(r"contains infinity(.|\n)*row 250, column 2", GaussianMixture(2, missing="em").fit, X)
        refused("NaN", GaussianMixture(2).fit, X)
    np.testing.assert_array_equal(stream(rows).take(np.array([250])), rows[[250]])  # the first look ends before


@pytest.mark.parametrize("d", [1, 2, 31, 33, 40, 64, 65, 130])
def test_patterns_are_those_of_an_array(d):
    rng = np.random.default_rng(d)
    kinds = rng.uniform(size=(7, d)) < 0.4
    kinds[1] = kinds[0]
    kinds[1, -1] ^= True  # wherever the last column is, two patterns differ there alone
    X = np.where(kinds[rng.integers(7, size=500)], np.nan, rng.normal(size=(500, d)))
    one, other = (as_source(rows, estimator="x", missing="em") for rows in (X, stream(X, cuts=(3, 400))))
    assert [of.n_rows for of in one.patterns] == [of.n_rows for of in other.patterns]
    assert sorted(of.n_rows for of in one.patterns) == sorted(np.unique(np.isnan(X), axis=0, return_counts=True)[1])
    for mine, its in zip(one.patterns, other.patterns, strict=True):
        np.testing.assert_array_equal(mine.missing, its.missing)
        assert (mine.weight, mine.error) == (its.weight, its.error)
    np.testing.assert_array_equal(one.survey.centre, other.survey.centre)


def test_a_value_that_is_too_large_is_refused_in_partitions_too_and_beside_weights_that_make_a_centre_infinite():
    told, fit = r"a value too large for GaussianMixture: .*got 1e\+300 at", GaussianMixture(2, missing="em").fit
    whole, rows = np.ones((N, 2)), ROWS.copy()
    whole[40, 0] = rows[40, 0] = 1e300
    refused(f"{told} column 0", fit, partitions(whole))
    refused(f"{told} row 40, column 0", fit, rows, sample_weight=np.full(N, 1e100))


@pytest.mark.parametrize("init_params", ["kmeans", "k-means++", "random_from_data"])
@pytest.mark.parametrize("covariance_type", ["full", "diag"])
def test_fits_begin_alike_whatever_rows_of_no_weight_are_among_them(covariance_type, init_params):
    weight = np.where(np.random.default_rng(2).uniform(size=N) < 0.4, 0, WEIGHTS)
    how = {"missing": "em", "init_params": init_params, "random_state": 0, "max_iter": 0}

    def begin(X, weight=None):
        return GaussianMixture(3, covariance_type=covariance_type, **how).fit(X, sample_weight=weight)

    some, memory = weight > 0, begin(ROWS, weight)
    for other in (begin(ROWS[some], weight[some]), begin(stream(ROWS, weight))):
        # Gaps are filled by a component whose fit ends when 1e-9 nats are left: at 1e-5 or so, rounding may end it.
        np.testing.assert_allclose(other.means_, memory.means_, rtol=0, atol=1e-4)

"""Rows in partitions elsewhere: tasks go there, sums come back, and the fit is that of the same rows in memory."""

import re
import shutil
import warnings
from functools import reduce
from operator import add

import numpy as np
import pytest

import gmm
from gmm import BayesianGaussianMixture, GaussianMixture
from gmm.em import e_step, m_step
from gmm.sources import partitioned_rows
from inside import CLASSIC
from origins import ROWS, WEIGHTS, D, K, N, assert_near, engine, fitted, partitions
from tables import ROOT, cases, refused

PAGE = ROOT / "docs" / "clusters.md"
WAYS = [{"covariance_type": name} for name in (*CLASSIC, "VEV")]
WAYS += [{"acceleration": None}, {"prior": "conjugate"}, {"refine": "split-merge"}, {"init_params": "k-means++"}]
WAYS += [{"means_init": [[50.0] * D, [54.0] * D, [58.0] * D]}, {"tails": "t"}, {"n_init": 2}]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("how", WAYS, ids=str)
def test_a_fit_over_partitions_is_the_fit_in_memory(how, weighted):
    weight = np.where(np.arange(N) % 10 == 3, 0, WEIGHTS) if weighted else None
    whole, X = fitted(ROWS, weight, **how), partitions(ROWS, weight)
    assert_near(fitted(X, **how), whole, 1e-9)
    for name in ("score", "log_likelihood", "bic", "aic", "criteria"):
        expected = getattr(whole, name)(ROWS, sample_weight=weight)
        assert getattr(whole, name)(X) == pytest.approx(expected, rel=1e-10), name


def test_a_posterior_is_fitted_over_partitions():
    X = partitions()
    whole, parts = (BayesianGaussianMixture(n_components=4, random_state=0).fit(rows) for rows in (ROWS, X))
    assert_near(parts, whole, 1e-8)
    for density in ("variational", "plug-in"):
        assert whole.score(X, density=density) == pytest.approx(whole.score(ROWS, density=density), rel=1e-10)
    refused(r"cannot be fetched.*freeze", whole.score, X, density="predictive", error=TypeError)


def test_float32_rows_stay_in_float32_and_so_does_what_is_made_of_their_mixture():
    rows = ROWS.astype(np.float32)
    whole, parts = fitted(rows), fitted(partitions(rows))
    np.testing.assert_allclose(parts.means_, whole.means_, rtol=1e-5)
    for made in (parts, m_step(whole, e_step(whole, rows)), gmm.analysis.adapt(whole, rows), whole.marginal([0, 1])):
        assert made.means_.dtype == np.float32
    mixed = partitioned_rows(lambda task: task(0, rows[:4000]) + task(1, ROWS[4000:]))
    assert fitted(mixed).means_.dtype == np.float64


@pytest.mark.filterwarnings("ignore::gmm.ConvergenceWarning")
def test_a_warm_start_knows_the_same_partitions_again():
    warm, cold, other = (GaussianMixture(K, random_state=0, warm_start=True, max_iter=m) for m in (2, 4, 4))
    for mixture in (warm, warm, cold, other):
        mixture.fit(partitions())
    np.testing.assert_array_equal(warm.means_, cold.means_)
    np.testing.assert_array_equal(other.means_, cold.means_)


def test_the_order_in_which_results_are_added_does_not_matter():
    def total(task):
        return reduce(add, [task(i, ROWS[i::4]) for i in (2, 0, 3, 1)])

    X = partitioned_rows(total)
    np.testing.assert_array_equal(X.take(np.array([0, 1, 2250])), ROWS[[0, 4, 1]])
    mixture = fitted(X)
    assert mixture.score(X) == pytest.approx(mixture.score(ROWS), rel=1e-12)


def test_what_is_wrong_with_a_partition_is_said():
    broken = ROWS.copy()
    broken[8000, 1] = np.nan
    for total, words in (
        (engine(broken), "row 8000, column 1"),
        (lambda task: task(0, ROWS) + task(1, ROWS[:, :2]), "got 3 in partition 0"),
        (lambda task: task(0, ROWS) + task(1, (ROWS, np.ones(N))), "same weights in all partitions"),
        (lambda task: task(0, (ROWS, -np.ones(N))), r"partition 0: .*Negative"),
        (lambda task: task(0, ROWS[:0]), "at least one row"),
        (lambda task: task(0, ROWS[:5]) + task(0, ROWS), "from 0, each once, got 0, 0"),
    ):
        refused(words, GaussianMixture(K).fit, partitioned_rows(total))
    refused("a function that adds up", partitioned_rows, [ROWS], error=TypeError)
    for name in ("predict", "predict_proba", "score_samples"):
        refused(r"rows of the engine total.*freeze", getattr(fitted(ROWS), name), partitions(), error=TypeError)


@cases(
    (ROWS[1:], r"partition 0.*9000.*8999"),
    (ROWS + 0.1, "changed between two passes"),
    ((ROWS, np.full(N, 2.0)), "weight was 9000 and is 18000"),
)
def test_rows_that_change_between_passes_are_noticed(rows, told):
    tasks = []

    def total(task):
        tasks.append(task)
        return task(0, ROWS if len(tasks) < 3 else rows)

    refused(told, GaussianMixture(K, random_state=0).fit, partitioned_rows(total))


@pytest.mark.filterwarnings("ignore::gmm.ConvergenceWarning")
@pytest.mark.parametrize("covariance_type", [*CLASSIC, "VVE"])
def test_the_two_halves_make_the_iterations_of_em(covariance_type):
    how = {"covariance_type": covariance_type, "random_state": 0, "tol": 0, "acceleration": None}
    mixture, expected = (GaussianMixture(K, max_iter=most, **how).fit(ROWS) for most in (0, 3))
    for bound in expected.lower_bounds_:
        statistics = reduce(add, (e_step(mixture, block) for block in np.split(ROWS, [100, 3000])))
        assert statistics.mean_log_evidence == pytest.approx(bound, rel=1e-12)
        mixture = m_step(mixture, statistics)
    np.testing.assert_allclose(mixture.means_, expected.means_, rtol=1e-10)
    np.testing.assert_allclose(mixture.covariances_, expected.covariances_, rtol=1e-8, atol=1e-8)


def test_the_m_step_says_what_it_does_not_take():
    mixture = fitted(ROWS)
    statistics, of_variances = (e_step(fitted(ROWS, covariance_type=name), ROWS) for name in ("full", "diag"))
    for other, given, words in (
        (GaussianMixture(4), statistics, r"of \(4, 3\).*got \(3, 3\)"),
        (mixture, e_step(fitted(ROWS[:, :2]), ROWS[:, :2]), r"of \(3, 3\).*got \(3, 2\)"),
        (GaussianMixture(K), of_variances, "moments"),
        (mixture, of_variances, r"second moments \(3, 3, 3\), got \(3, 3\)"),
        (GaussianMixture(K, reg_covar=0), e_step(mixture, ROWS[:1]), r"component \d is singular"),
    ):
        refused(words, m_step, other, given)
    assert m_step(GaussianMixture(K, covariance_type="diag"), statistics).covariances_.shape == (K, D)


def test_statistics_of_different_mixtures_do_not_add_up():
    one = e_step(GaussianMixture(3, random_state=0).fit(ROWS), ROWS)
    for other in (GaussianMixture(3, covariance_type="diag", random_state=0), GaussianMixture(1)):
        with pytest.raises(ValueError, match="statistics of the same mixture"):
            one + e_step(other.fit(ROWS), ROWS)
    with pytest.raises(TypeError):
        one + 1


@pytest.mark.parametrize("answered", [0, 1, 2, 3])
@pytest.mark.parametrize("wrong", [None, 5, "x", [None], [[]], {}, np.zeros((2, 2)), np.array(["x"])], ids=repr)
def test_what_is_no_sum_of_the_tasks_is_said(answered, wrong):
    """At the first look, when rows are taken for a start, and in a pass."""
    right, left = engine(ROWS), iter([True] * answered)
    source = partitioned_rows(lambda task: right(task) if next(left, False) else wrong)
    refused(r"what the task returned", GaussianMixture(2, random_state=0).fit, source, error=TypeError)


@pytest.fixture(scope="module")
def spark():
    sql = pytest.importorskip("pyspark.sql", reason="pyspark is not installed")
    if shutil.which("java") is None:
        pytest.skip("there is no Java")
    with warnings.catch_warnings(action="ignore"):
        session = sql.SparkSession.builder.master("local[2]").config("spark.ui.enabled", False).getOrCreate()
        yield session
        session.stop()


def test_a_fit_on_spark_is_the_fit_in_memory(spark):
    pd = pytest.importorskip("pandas")
    (text,) = re.findall(r"^```py\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    exec(compile("from functools import reduce\nfrom operator import add\n" + text, PAGE.name, "exec"), names := {})
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(3000, 2)) + 6 * rng.integers(2, size=(3000, 1)), columns=["a", "b"])
    with warnings.catch_warnings(action="ignore"):
        rows = spark.createDataFrame(frame).repartition(4).cache()
        there = GaussianMixture(2, random_state=0).fit(partitioned_rows(names["engine"](rows)))
    here = GaussianMixture(2, random_state=0).fit(frame)
    order = np.argsort(there.means_[:, 0])
    np.testing.assert_allclose(there.means_[order], here.means_[np.argsort(here.means_[:, 0])], atol=1e-4)
    assert there.score(frame) == pytest.approx(here.score(frame), abs=1e-6)
    assert list(there.feature_names_in_) == ["a", "b"]

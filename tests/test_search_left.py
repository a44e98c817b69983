"""Cells of many rows that cannot come near the best are left: what a search costs, and what it says of them."""

import itertools
from math import inf

import numpy as np
import pytest

import gmm
import inside
from deaths import many_lives
from inside import BestScore, Judge, Problem, SearchCheckpoint, SingularMatrixError, Totals, criteria, engine, finishing
from tables import refused, reloaded
from test_racing import moments

RNG = np.random.default_rng(1)
N, D, K = 60_000, 4, 5
MEANS, ROOTS = RNG.normal(size=(K, D)), RNG.normal(size=(K, D, D)) * 0.4 + np.eye(D)
OF = RNG.integers(K, size=N)
ROWS = MEANS[OF] + np.einsum("nij,nj->ni", ROOTS[OF], RNG.normal(size=(N, D)))
COUNTS = [K - 1, K, K + 1]


class Counted:
    """Blocks, and how often they were read."""

    def __init__(self):
        self.readings = 0

    def __call__(self):
        self.readings += 1
        yield from np.array_split(ROWS, 4)


def of_file(**how):
    counted = Counted()
    how = {"random_state": 0, "n_threads": 1} | how
    return gmm.select(gmm.open_rows(counted), COUNTS, "VVV", **how), counted.readings


@pytest.fixture
def _beyond_memory(monkeypatch):
    monkeypatch.setattr(finishing, "SEARCHED", 10_000)


def cell(selection, n_components):
    return list(selection.n_components).index(n_components)


def check_left(left, whole, n_components):
    """Check that a cell was left on its way to where it would have ended, which is no nearer than its status says."""
    one, other = (selection.estimators[cell(selection, n_components)] for selection in (left, whole))
    n = one.n_iter_
    assert n < other.n_iter_
    assert one.lower_bounds_[:n] == other.lower_bounds_[:n]
    assert not one.converged_
    status = left.status[cell(left, n_components)]
    assert status.startswith("left: at least ")
    assert status.endswith(" BIC behind the best")
    behind = int(status.split()[3].replace(",", ""))
    scores = whole.scores - whole.scores.min()
    assert 40 < behind <= scores[cell(whole, n_components)] < left.scores[cell(left, n_components)] - left.scores.min()


@pytest.mark.usefixtures("_beyond_memory")
def test_losers_cost_fewer_readings_than_the_best(monkeypatch):
    left, readings = of_file()
    with monkeypatch.context() as patched:
        patched.setattr(BestScore, "reason_to_leave", lambda *_, **how: None)
        whole, more = of_file()
    of_best = whole.best.n_iter_
    assert left.best.lower_bounds_ == whole.best.lower_bounds_
    assert max(one.n_iter_ for one in left.estimators) == of_best
    passes = sum(one.n_iter_ + 1 for one in left.estimators)  # with those of the criteria
    assert readings == passes + 2 < more  # the first look and the sample
    for n_components in (K - 1, K + 1):
        check_left(left, whole, n_components)
    # A cell far behind is left after its first update.
    found = gmm.select(gmm.open_rows(Counted()), K, ["VVV", "EII", "VII"], random_state=0, n_threads=1)
    assert found.best.covariance_type == "VVV"
    assert [one.n_iter_ for one in found.estimators[1:]] == [2, 2]
    assert all(status.startswith("left: at least ") for status in found.status[1:])


@pytest.mark.usefixtures("_beyond_memory")
@pytest.mark.parametrize("names", [["VVV", "EEE", "EVE"], ["VVI", "EII", "VEI"]], ids=str)
def test_the_table_has_the_criteria_of_each_mixture_whether_left_or_not(names):
    found = gmm.select(gmm.open_rows(Counted()), K, names, random_state=0, n_threads=1)
    assert any(status.startswith("left") for status in found.status)
    for i, one in enumerate(found.estimators):
        expected = one.criteria(ROWS)
        assert {name: getattr(found, name)[i] for name in expected} == pytest.approx(expected, rel=1e-12)


@pytest.mark.usefixtures("_beyond_memory")
@pytest.mark.parametrize(
    "how",
    [{}, {"prior": "conjugate"}, {"noise": 0.05}, {"acceleration": None}, {"covariance_type": ["tied", "diag"]}],
    ids=str,
)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_finished_cell_is_the_warm_started_fit_of_all_rows(how, dtype, monkeypatch):
    """The fit begins from the mixture of the sample, and has the same bits."""
    of_sample, run = {}, finishing._Finish.run

    def watched(self, is_up):
        of_sample.update(((one.n_components, one.covariance_type), one) for one in self.search.estimators)
        return run(self, is_up)

    monkeypatch.setattr(BestScore, "reason_to_leave", lambda *_, **how: None)
    monkeypatch.setattr(finishing._Finish, "run", watched)

    def source():
        rows, weights = ROWS.astype(dtype), np.where(np.arange(N) % 5, 1.5, 0.0)
        return gmm.open_rows(lambda: [(rows[:7000], weights[:7000]), (rows[7000:], weights[7000:])])

    how = {"n_components": [K - 1, K], "covariance_type": "VVV", "tol": 1e-6, "random_state": 0} | how
    found = gmm.select(source(), **how, n_threads=1)
    assert found.n_searched == 10_000
    for one in found.estimators:
        begin = of_sample[one.n_components, one.covariance_type]
        alone = begin.set_params(warm_start=True).fit(source())
        assert one.lower_bounds_ == alone.lower_bounds_
        np.testing.assert_array_equal(one.covariances_, alone.covariances_)


def test_a_run_from_near_its_end_is_judged_by_what_its_last_update_gained():
    best = BestScore("bic", 1000.0, 1.0)

    def reason(*passes):
        records = np.array([[bound, np.nan, inf, accepted, 0.0] for bound, accepted in passes])
        return best.reason_to_leave(records, 0, is_near=True)

    first, second = (-700.0, True), (-600.0, True)
    assert reason(first, second) is None  # which may gain 3000 nats more
    assert reason(first, second, (-599.0, True)) == "left: at least 138 BIC behind the best"
    assert reason(first, second, (-597.0, True)) is None
    assert reason(first, second, (-600.0, False)) is None  # a step that was too far tells nothing


@pytest.mark.usefixtures("_beyond_memory", "_always_due")
def test_a_cell_that_collapses_leaves_no_others_behind(tmp_path):
    # Half of the rows are tied in a column, but none of the sample that is searched.
    rng = np.random.default_rng(1)
    X = rng.normal(size=(40_000, 2)) + np.repeat([[3, 0], [0, 0]], 20_000, axis=0)
    source = gmm.open_rows(lambda: iter(np.array_split(X, 4)))
    sample = inside.sample_indices(source, 10_000, np.random.default_rng(inside.common_seed(0)))
    X[rng.choice(np.setdiff1d(np.arange(len(X)), sample), len(X) // 2, replace=False), 1] = 0.25
    source = gmm.open_rows(lambda: iter(np.array_split(X, 4)))

    def search(**how):
        return gmm.select(source, [2, 3], "VVV", random_state=0, n_threads=1, **how)

    path = tmp_path / "search.ckpt"
    whole = search()
    assert whole.status[0] == "ok"
    assert whole.status[1].startswith("degenerate")
    assert whole.best is whole.estimators[0]
    again, _ = many_lives(SearchCheckpoint, lambda: search(checkpoint=path, resume=True), 4, 60)
    assert again.status == whole.status
    assert again.best.lower_bounds_ == whole.best.lower_bounds_


@pytest.mark.usefixtures("_beyond_memory")
def test_the_cost_is_said_before_the_first_pass():
    steps = []
    selection, readings = of_file(callback=steps.append, random_state=2)
    on_all = [step for step in steps if step.readings]
    before = list(itertools.takewhile(lambda step: step.iteration is None, on_all))
    assert {step.cell for step in before} == {0, 1, 2}
    assert all(step.iteration is not None for step in on_all[len(before) :])
    assert 0.5 * readings < before[0].readings < 2 * readings
    assert not any(step.readings for step in steps[: len(steps) - len(on_all)])
    assert selection.complete
    last = {step.cell: step.seconds_left for step in on_all}
    assert set(last.values()) == {0.0}  # of the cells that were left, too


@pytest.mark.usefixtures("_beyond_memory", "_always_due")
def test_a_search_that_dies_again_and_again_leaves_the_same_cells(tmp_path):
    path = tmp_path / "search.ckpt"
    whole, _ = of_file()
    assert sum(status.startswith("left") for status in whole.status) == 2
    (again, _), lives = many_lives(SearchCheckpoint, lambda: of_file(checkpoint=path, resume=True), 4, 60)
    assert lives > 6
    assert again.status == whole.status
    for one, other in zip(again.estimators, whole.estimators, strict=True):
        assert one.lower_bounds_ == other.lower_bounds_
        np.testing.assert_array_equal(one.covariances_, other.covariances_)


def test_losers_in_memory_are_left_as_well(monkeypatch):
    monkeypatch.setattr(engine, "CELLS_WORTH_THREADS", 0)
    how = {"n_components": [K, K + 1], "covariance_type": ["VVV", "VVI"], "random_state": 0}
    left = gmm.select(ROWS, **how, n_threads=2)
    monkeypatch.setattr(BestScore, "reason_to_leave", lambda *_, **how: None)
    whole = gmm.select(ROWS, **how, n_threads=1)
    assert left.best.lower_bounds_ == whole.best.lower_bounds_
    of_left = [number for number, status in enumerate(left.status) if status.startswith("left")]
    assert of_left
    assert all(left.scores[number] >= whole.scores[number] - 0.05 for number in of_left)
    assert sum(one.n_iter_ for one in left.estimators) < sum(one.n_iter_ for one in whole.estimators)
    few = gmm.select(ROWS[:5000], [1, K, K + 1], ["EII", "VVV"], random_state=0)
    assert set(few.status) == {"ok"}


@pytest.mark.usefixtures("_beyond_memory")
@pytest.mark.parametrize("how", [{"criterion": "nec"}, {"criterion": "icl"}, {"prior": "conjugate"}], ids=str)
def test_a_cell_is_finished_where_passes_do_not_tell_its_criterion(how):
    assert not any(status.startswith("left") for status in of_file(max_iter=30, **how)[0].status)


@pytest.mark.usefixtures("_beyond_memory")
def test_what_was_left_is_shown_and_saved():
    selection, _ = of_file()
    shown = repr(selection)
    assert "≤ left: cannot come within 40 of the best" in shown
    assert sum("≤" in line for line in shown.splitlines()) == 3  # two cells and the legend
    assert selection.status[cell(selection, K + 1)] in selection._repr_html_()
    assert selection.best.converged_
    assert reloaded(selection).status == selection.status


@pytest.mark.parametrize("criterion", criteria.CRITERIA)
def test_no_criterion_is_below_what_its_likelihood_allows(criterion):
    rng = np.random.default_rng(0)
    for _ in range(100):
        loglik, p, n = 1000 * rng.normal(), int(rng.integers(1, 50)), float(rng.uniform(1, 100))
        entropy = rng.exponential()
        scores = criteria.evaluate(Totals(loglik, loglik - entropy, entropy), p, n, loglik - rng.exponential())
        least = criteria.least(criterion, loglik, p, n)
        assert least <= scores[criterion] + 1e-9
        assert (least == scores[criterion]) == (criteria.CRITERION[criterion].by_likelihood)
        assert criteria.least(criterion, loglik + 1, p, n) < least or abs(least) == inf


@pytest.mark.parametrize("source", ["array", "file"])
def test_an_explicit_tolerance_counts(source, monkeypatch):
    monkeypatch.setattr(finishing, "SEARCHED", 4000)
    few = ROWS[:5000]
    X, how = few if source == "array" else gmm.open_rows(lambda: [few]), {"covariance_type": "VVI", "random_state": 0}
    for tol in (1e-2, 1e-7, None):
        selection = gmm.select(X, 3, tol=tol, **how)
        assert selection.best.history_.reason.endswith(f"below tol={tol or 0.025 / len(few):g}")
    default = gmm.select(X, 3, **how)
    np.testing.assert_array_equal(default.best.means_, selection.best.means_)
    search = gmm.GaussianMixtureSearch(3, **how).fit(X)
    np.testing.assert_array_equal(default.best.means_, search.best_estimator_.means_)


@pytest.mark.usefixtures("_beyond_memory")
def test_a_cell_that_is_singular_on_all_rows_is_a_failed_cell(monkeypatch):
    fit, failing, types = finishing.fit_mixture, ["VVV"], ["VVV", "EEE", "VVI"]

    def fit_or_fail(source, settings, *rest, **how):
        if settings.objective.model.name in failing:
            raise SingularMatrixError(1)
        return fit(source, settings, *rest, **how)

    def search():
        return gmm.select(gmm.open_rows(Counted()), [2], types, random_state=0)

    monkeypatch.setattr(finishing, "fit_mixture", fit_or_fail)
    found = search()
    status = dict(zip(found.covariance_type, found.status, strict=True))
    assert status["VVV"].startswith("failed: ")
    assert "component 1 is singular" in status["VVV"]
    assert found.best.covariance_type in ("EEE", "VVI")
    failing += types
    assert isinstance(refused("component 1 is singular", search).__cause__, SingularMatrixError)


@pytest.mark.parametrize("name", ["EVI", "EVE", "EVV"])
def test_a_cell_with_a_component_on_ties_is_degenerate(name):
    """Equal volumes lift the component's variances: the statistics alone tell that it is on ties, as it is finished."""
    rows = np.random.default_rng(0).normal(size=(400, 3))
    rows[:200, 2] = 0.5
    of_rows = Problem(inside.ArraySource(rows), inside.Objective(inside.covariance_model(name), 1e-6), 1)
    degeneracy = inside.Degeneracy.of_fits(of_rows.objective, of_rows.rows, Judge.CRITERION)
    for shares, on_ties in ((np.repeat(np.eye(2), 200, axis=0), True), (np.tile(np.eye(2), (200, 1)), False)):
        (result,) = inside.short_runs(of_rows, [moments(rows, shares).reduced(of_rows.objective.model.layout)], 5)
        assert (degeneracy.first(result) >= 0) == on_ties

"""Short runs from several starts, the best of them, and when a run is given up."""

from math import inf
from types import SimpleNamespace

import numpy as np
import pytest

import inside
from inside import Continuation, Run, SolverSettings, StopTarget, choose_best, plain_records, short_runs
from tables import cases

ROWS = np.random.default_rng(0).normal(size=(200, 2)) + 6.0 * (np.arange(200) % 2)[:, None]


def mixture(means, covariance_type="diag", weights=None):
    """Round components of variance 1, by default of equal weights."""
    model, means = inside.covariance_model(covariance_type), np.asarray(means, dtype=float)
    covariances = model.layout.with_ridge(np.zeros(model.layout.shape(*means.shape)), 1.0)
    weights = np.full(len(means), 1 / len(means)) if weights is None else np.array(weights)
    return inside.MixtureParameters(weights, means, covariances, model)


def problem(rows=ROWS, ridge=1e-6, model="diag"):
    return inside.Problem(inside.ArraySource(rows), inside.Objective(inside.covariance_model(model), ridge), 1)


@cases(
    ([-9.0, -8.0, -7.0], 0.0, inf, False),  # too few passes to extrapolate
    ([-9.0, -8.9, -8.8, -8.7], 0.0, inf, True),
    ([-9.0, -8.0, -7.0, -6.0], 0.0, inf, False),
    ([-9.0], 0.0, 1.0, True),
    ([-9.0], 0.0, 10.0, False),
    ([-1.0, -1.0, -1.0, -1.5], -1.2, inf, True),  # a fall is not extrapolated
    ([-9.0, -9.0, -9.0, -9.0], -inf, inf, False),
    # Without a projection the highest bounds count: a move may be lower than before, if the ridge's term grows.
    ([-1.0, -1.0, -1.0, -1.5], -1.2, None, False),
    ([-1.0, -1.0, -1.0, -1.5], -0.9, None, True),
    ([-2.0, -1.9, -1.6, -1.8], 2.3, None, False),  # 30 times 0.4 / 3 are foreseen from -1.6
    ([-2.0, -1.9, -1.6, -1.8], 2.5, None, True),
)
def test_a_run_is_given_up_where_its_gains_do_not_reach_the_target(bounds, target, remaining, hopeless):
    records, asked = plain_records(bounds, 0.0), {} if remaining is None else {"safety": 1.0}
    if remaining is not None:
        records[:, 2] = remaining
    still = SimpleNamespace(why_stop=lambda: None)
    assert Run(still, 99, records=records).cannot_reach_target(StopTarget(target=target, **asked)) is hopeless


def test_short_runs_share_passes_and_are_those_of_each_start_alone():
    starts = [mixture([[0, 0], [6, 6]]), mixture([[0, 6], [6, 0]]), mixture([[3, 3], [3, 3.1]])]
    together = short_runs(problem(), starts, 5)
    for start, result in zip(starts, together, strict=True):
        (alone,) = short_runs(problem(), [start], 5)
        assert alone.lower_bound == result.lower_bound
        assert result.state is None
    assert choose_best(problem(), together) is together[0]


def test_the_best_is_without_degenerate_components_though_it_is_lower_and_a_singular_one_is_no_result():
    rows, starts = np.concatenate([ROWS, np.full((9, 2), 40.0)]), ([[3, 3], [40, 40]], [[0, 0], [6, 6]])
    for of_rows in (problem(rows), problem(rows, 0.0)):
        collapsed, good = results = short_runs(of_rows, [mixture(means) for means in starts], 9)
        assert choose_best(of_rows, results) is good
        assert choose_best(of_rows, [collapsed]) is collapsed
        if of_rows.objective.ridge:
            assert collapsed.lower_bound > good.lower_bound
        else:
            assert collapsed is None


@pytest.mark.parametrize("name", ["EVI", "EVE", "EVV"])
def test_a_component_on_ties_that_is_scaled_to_the_volume_of_the_other_is_degenerate(name):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(400, 3))
    rows[:200, 2] = 0.5
    tied, of_rows = np.repeat(np.eye(2), 200, axis=0), problem(rows, model=name)
    moments = [inside.from_responsibilities(of_rows.rows, one, inside.FULL) for one in (tied, rng.permutation(tied))]
    on_ties, good = short_runs(of_rows, [one.reduced(of_rows.objective.model.layout) for one in moments], 5)
    assert on_ties.lower_bound > good.lower_bound
    assert choose_best(of_rows, [on_ties, good]) is good


@pytest.mark.parametrize("accelerated", [True, False])
def test_a_run_that_is_left_goes_on_where_it_paused_and_another_is_compiled(accelerated):
    rows = np.random.default_rng(1).normal(size=(500, 3))
    begin, settings = Continuation(mixture(rows[:4])), SolverSettings(1e-9, 100, accelerated=accelerated)
    one = problem(rows)
    with one.e_step() as e_step:
        run, whole = (one.prepare_run(e_step, begin, settings) for _ in range(2))
        assert run.go(6, StopTarget(target=1e9, first=4)).n_passes == 4
        assert not run.ended
        assert run.go(4).n_passes == 8
        assert run.result.trace.lower_bounds == whole.go(8).result.trace.lower_bounds
        run = one.prepare_run(e_step, begin, settings)
        assert run.go(30).n_passes == 30
    assert len({*run.result.trace.seconds}) <= 2  # passes of one loop share their time


@pytest.mark.parametrize("accelerated", [True, False])
@pytest.mark.parametrize("asked", [{}, {"first": 5}, {"safety": 3.0}], ids=str)
def test_a_run_rests_after_the_same_pass_in_one_loop_and_pass_by_pass(asked, accelerated):
    rows, stop_target = np.random.default_rng(1).normal(size=(500, 3)), StopTarget(target=-3.0, **asked)
    one, begin, settings = problem(rows), Continuation(mixture(rows[:4])), SolverSettings(1e-12, 40, accelerated)
    with one.e_step() as e_step:
        runs = [one.prepare_run(e_step, begin, settings, callback=told) for told in (None, lambda iteration: False)]
        rested = [[run.go(target=stop_target).n_passes for _ in range(4)] for run in runs]
    assert rested[0] == rested[1]
    assert runs[0].result.trace == runs[1].result.trace
    assert rested[0][0] < 40

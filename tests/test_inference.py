"""The loop: what each pass measures, when it stops, and why. Its steps are stand-ins."""

import numpy as np
import pytest

from inside import DIAGONAL, GainBelow, PassBatch, SolverRun, SufficientStatistics, TextbookEM

NEVER = GainBelow(0.0)


class Number(int):
    """Parameters that a number stands for."""

    means = np.zeros((1, 1))


def climbing(bounds, *, stopping=NEVER, before=(), **how):
    """A climb over parameters 0, 1, 2, …, each measured as 10 × ``bounds[parameter]`` of weight 10."""
    measured = []

    class OnePass:
        def measure(self, parameters, family):
            measured.append(parameters)
            nothing = np.zeros((1, 1))
            evidence = {"log_evidence": 10 * bounds[parameters], "weight": 10}
            return SufficientStatistics(DIAGONAL, nothing, nothing[0], nothing, nothing, **evidence)

        def run_em(self, parameters, stopping, bounds, at_most, *, family, repair_empty):
            statistics = self.measure(parameters, family)
            return PassBatch([statistics.mean_log_evidence], statistics, parameters)

    class NextNumber:
        repaired = ()
        repair_empty = False

        def family(self, shape):
            return None

        def __call__(self, statistics, previous):
            return Number(measured[-1] + 1)

    solver = TextbookEM(Number(0), OnePass(), NextNumber(), stopping, before=before)
    return SolverRun(solver, before=before[-1] if before else None, **how), measured


def climb(bounds, **how):
    run, measured = climbing(bounds, **how)
    return run.go().result, measured


@pytest.mark.parametrize("max_iter", [0, 1, 3])
def test_a_pass_measures_the_parameters_before_its_update_and_a_closing_one_the_last(max_iter):
    bounds = [1.0, 2.0, 3.0, 4.0]
    result, measured = climb(bounds, max_iter=max_iter, start=3)
    assert result.trace.lower_bounds == tuple(bounds[:max_iter])
    assert result.trace.objective == result.trace.lower_bounds
    assert measured == list(range(max_iter + 1))
    assert result.parameters == max_iter
    assert result.lower_bound == bounds[max_iter]
    assert len(result.trace) == len(result.trace.seconds) == max_iter
    assert all(seconds >= 0 for seconds in result.trace.seconds)
    assert (result.trace.start, result.trace.converged) == (3, False)
    assert result.trace.reason == "max_iter reached"


@pytest.mark.parametrize("max_iter", [3, 9])
def test_converged_returns_what_its_last_pass_measured(max_iter):
    result, measured = climb([1.0, 2.0, 2.05, 2.06], stopping=GainBelow(0.1), max_iter=max_iter)
    assert result.parameters == 2
    assert measured == [0, 1, 2]
    assert result.lower_bound == result.trace.lower_bounds[-1] == 2.05
    assert result.trace.converged
    assert result.trace.reason == "gain 0.05 below tol=0.1"


def test_a_true_answer_of_the_callback_stops_at_what_was_measured_but_the_rule_is_the_reason_before_it():
    result, measured = climb([1.0, 2.0, 3.0], max_iter=9, callback=lambda r: r.n_iter == 2)
    assert measured == [0, 1]
    assert result.parameters == 1
    assert result.lower_bound == 2.0
    assert not result.trace.converged
    assert result.trace.reason == "stopped by the callback"
    for passes, converged in ((1, False), (2, True)):
        how = {"stopping": GainBelow(0.1), "callback": lambda r, passes=passes: r.n_iter == passes}
        assert climb([1.0, 1.0], max_iter=9, **how)[0].trace.converged is converged


@pytest.mark.parametrize(
    ("bounds", "tolerance", "stops"),
    [
        ([], 1.0, False),
        ([0.0], 1.0, False),
        ([0.0, 0.5], 1.0, True),
        ([0.0, 0.5], 0.5, False),
        ([0.0, -0.4], 0.5, True),
        ([0.0, -2.0], 0.5, False),
        ([0.0, 5.0, 5.1], 0.5, True),
        ([3.0, 3.0], 0.0, False),
    ],
)
def test_gain_below_looks_at_the_size_of_the_last_gain(bounds, tolerance, stops):
    assert (GainBelow(tolerance)(bounds) is not None) == stops


@pytest.mark.parametrize("legs", [(1, 1, 1, 1, 1, 1), (2, 3, 1), (4, 9)])
def test_a_climb_in_legs_is_the_climb(legs):
    bounds = [1.0, 2.0, 2.5, 2.7, 2.75, 2.76, 2.765]
    for stopping, max_iter in [(NEVER, 5), (GainBelow(0.1), 9)]:
        whole, _ = climb(bounds, stopping=stopping, max_iter=max_iter)
        run, measured = climbing(bounds, stopping=stopping, max_iter=max_iter)
        for leg in legs:
            made = run.n_passes
            assert run.go(leg).n_passes - made <= leg
            assert run.lower_bound == bounds[measured[-1]]
        assert run.ended
        assert run.result.lower_bound == whole.lower_bound
        assert run.result.parameters == whole.parameters
        assert run.result.trace.passes == whole.trace.passes
        assert (run.result.trace.reason, run.converged) == (whole.trace.reason, whole.trace.converged)

"""Several tasks over one source: the bits of one after the other, and one reading for all that wait for one."""

import threading
from contextlib import closing

import numpy as np
import pytest

import gmm
from inside import ArraySource, BestScore, Chunk, Ended, blocks, finishing, together

RNG = np.random.default_rng(5)
N = 9000
ROWS = RNG.normal(size=(N, 3)) @ RNG.normal(size=(3, 3)) + 5 * RNG.normal(size=(3, 3))[RNG.integers(3, size=N)]
WEIGHTS = np.where(np.arange(N) % 5, RNG.uniform(0.5, 2, N), 0.0)


def never():
    return False


class Counted:
    """Blocks of any sizes, and how often they were read."""

    def __init__(self, rows=ROWS, weight=None):
        self.rows, self.weight, self.readings = rows, weight, 0

    def __call__(self):
        self.readings += 1
        for part in np.array_split(np.arange(len(self.rows)), 7):
            yield self.rows[part] if self.weight is None else (self.rows[part], self.weight[part])


def one_after_the_other(source, tasks, is_up, between):
    return [Ended(task(source), 0.0) for task in tasks]


@pytest.mark.parametrize(
    ("how", "dtype", "weight"),
    [  # each with each
        ({}, np.float64, None),
        ({}, np.float32, WEIGHTS),
        ({"prior": "conjugate"}, np.float64, WEIGHTS),
        ({"prior": "conjugate"}, np.float32, None),
        ({"noise": 0.05}, np.float64, None),
        ({"noise": 0.05}, np.float32, WEIGHTS),
        ({"acceleration": None}, np.float64, WEIGHTS),
        ({"acceleration": None}, np.float32, None),
    ],
    ids=lambda value: "weighted" if isinstance(value, np.ndarray) else str(value),
)
def test_cells_are_finished_together_with_the_bits_of_one_after_the_other(how, dtype, weight, monkeypatch):
    monkeypatch.setattr(finishing, "SEARCHED", 3000)
    monkeypatch.setattr(BestScore, "reason_to_leave", lambda *_: None)  # of a race, the order would tell
    types = ["full", "EII", "tied"]

    def found():
        counted = Counted(ROWS.astype(dtype), weight)
        selection = gmm.select(gmm.open_rows(counted), [2, 3, 4], types, random_state=0, n_threads=1, **how)
        return selection, counted.readings

    jointly, readings = found()
    monkeypatch.setattr(finishing, "together", one_after_the_other)
    singly, more = found()
    assert len(jointly.scores) == 3
    assert readings < more
    for name in ("loglik", "scores", "icl", "nec", "n_components"):
        np.testing.assert_array_equal(getattr(jointly, name), getattr(singly, name), name)
    for one, same in zip(jointly.estimators, singly.estimators, strict=True):
        assert one.lower_bounds_ == same.lower_bounds_
        np.testing.assert_array_equal(one.covariances_, same.covariances_)


def test_there_are_as_many_readings_as_in_the_longest_task():
    counted = Counted()
    source = gmm.open_rows(counted)
    assert source.n_rows == N
    seen = []

    def task(name, passes):
        def read(rows):
            for _ in range(passes):
                n_rows = sum(len(chunk.rows) for chunk in rows.chunks(100))
                seen.append((name, n_rows))
            return name

        return read

    ended = together(source, [task("a", 2), task("b", 5), task("c", 0)], never)
    assert [one.result for one in ended] == ["a", "b", "c"]
    assert seen == [("a", N), ("b", N)] * 2 + [("b", N)] * 3
    assert counted.readings == 1 + 5  # the first look, and the longest


@pytest.mark.parametrize("weight", [None, WEIGHTS], ids=["", "weighted"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_each_task_has_lanes_of_its_own(weight, order, monkeypatch):
    monkeypatch.setattr(blocks, "_CHUNK_BYTES", 24 * 1000)
    source = gmm.open_rows(Counted(np.asarray(ROWS, order=order), weight))
    lanes = [1, 7, 999, 1000, 2048, 8999, 9000, 10**6]

    def task(rows, lane_rows):
        parts, weights, stop = [], [], 0
        for chunk in rows.chunks(lane_rows):
            assert chunk.first == stop
            assert chunk.first % lane_rows == 0
            stop += len(chunk.rows)
            assert stop == N or stop % lane_rows == 0
            parts.append(chunk.rows.copy())
            weights.append(chunk.sample_weight)
        np.testing.assert_array_equal(np.concatenate(parts), ROWS)
        if weight is not None:
            np.testing.assert_array_equal(np.concatenate(weights), weight)
        return len(parts)

    ended = together(source, [lambda rows, n=n: task(rows, n) for n in lanes], never)
    assert [one.result for one in ended][-3:] == [2, 1, 1]


def test_chunks_are_valid_until_the_next_alone():
    class OneBuffer(ArraySource):
        resident = None

        def chunks(self, lane_rows=1):
            buffer = np.empty((1000, 3))
            for start in range(0, N, 1000):
                buffer[...] = ROWS[start : start + 1000]
                yield Chunk(start, buffer, None)
                buffer[...] = np.nan

    (one,) = together(
        OneBuffer(ROWS), [lambda rows: np.concatenate([chunk.rows.copy() for chunk in rows.chunks(70)])], never
    )
    np.testing.assert_array_equal(one.result, ROWS)


def test_what_a_task_raises_ends_all_and_leaves_no_thread():
    def fails(rows):
        with closing(rows.chunks()) as chunks:
            next(chunks)
            raise ArithmeticError("as planned")

    def goes_on(rows):
        while True:
            for _ in rows.chunks():
                pass

    before = threading.active_count()
    with pytest.raises(ArithmeticError, match="as planned"):
        together(gmm.open_rows(Counted()), [goes_on, fails, goes_on], never)
    assert threading.active_count() == before


def test_a_source_that_changes_is_noticed():
    rows = [ROWS]
    source = gmm.open_rows(lambda: rows)
    assert source.n_rows == N

    def task(rows_):
        for _ in rows_.chunks():
            rows[0] = ROWS[:-1]
        for _ in rows_.chunks():
            pass

    with pytest.raises(ValueError, match=r"9000.*8999"):
        together(source, [task, task], never)


def test_a_task_may_leave_a_reading_and_begin_another(monkeypatch):
    monkeypatch.setattr(blocks, "_CHUNK_BYTES", 24 * 1000)
    counted = Counted()

    def leaves(rows):
        chunks = rows.chunks()
        first = next(chunks).rows.copy()
        chunks.close()
        return first, np.concatenate([chunk.rows.copy() for chunk in rows.chunks()])

    def stays(rows):
        return np.concatenate([chunk.rows.copy() for chunk in rows.chunks()])

    source = gmm.open_rows(counted)
    one, other = together(source, [leaves, stays], never)
    np.testing.assert_array_equal(one.result[0], ROWS[: len(one.result[0])])
    for all_rows in (one.result[1], other.result):
        np.testing.assert_array_equal(all_rows, ROWS)
    assert counted.readings == 3


@pytest.mark.parametrize("after", [0, 1, 3])
def test_once_the_time_is_up_the_first_task_goes_on_alone(after):
    passes = []

    def task(rows):
        for _ in range(5):
            n_rows = sum(len(chunk.rows) for chunk in rows.chunks())
            passes.append(n_rows)
        return "whole"

    before = threading.active_count()
    first, second = together(gmm.open_rows(Counted()), [task, task], lambda: len(passes) >= 2 * after)
    assert (first.result, second) == ("whole", None)
    assert passes == [N] * (5 + after)
    assert threading.active_count() == before

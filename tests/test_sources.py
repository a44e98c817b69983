"""A source that serves rows in pieces gives the bits of one array; the accelerated solver needs no rows at all."""

import multiprocessing
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest

from gmm import GaussianMixture, sources
from inside import (
    CLASSIC,
    STARTS,
    ArraySource,
    Chunk,
    EStep,
    MixtureParameters,
    Objective,
    Source,
    WhitenedMixture,
    covariance_model,
    mstep,
    sample_indices,
)

rng = np.random.default_rng(5)
N, D, K = 9000, 3, 3
ROWS = rng.normal(size=(N, D)) + 4 * rng.integers(K, size=(N, 1)) + 100
WEIGHTS = rng.uniform(0.2, 3, N)


@dataclass(frozen=True, eq=False)
class BlockSource(Source):
    """Rows from a list of uneven blocks, served in chunks of one to three lanes; counts the looks."""

    blocks: list[np.ndarray]
    sample_weight: np.ndarray | None = None
    looks: list[int] = field(default_factory=list)

    n_rows = property(lambda self: sum(map(len, self.blocks)))
    n_features = property(lambda self: self.blocks[0].shape[1])
    dtype = property(lambda self: self.blocks[0].dtype)

    def chunks(self, lane_rows=1):
        self.looks.append(lane_rows)
        rows, start, lanes = np.concatenate(self.blocks), 0, 0
        while start < len(rows):
            lanes = lanes % 3 + 1
            stop = start + lanes * max(lane_rows, 100)
            if lane_rows == 1:
                stop = start + 700 * lanes
            weight = None if self.sample_weight is None else self.sample_weight[start:stop]
            yield Chunk(start, np.array(rows[start:stop], order="F" if lanes == 2 else "C"), weight)
            start = stop

    def take(self, indices):
        return np.concatenate(self.blocks)[indices]


def in_blocks(rows, weight=None):
    return BlockSource(np.split(rows, [1, 5, 2500, 2501, 7000]), weight)


def described(mixture):
    values = {name: getattr(mixture, name) for name in ("weights_", "means_", "covariances_", "lower_bounds_")}
    return values | {"ends": (mixture.lower_bound_, mixture.n_iter_, mixture.converged_)}


def assert_same(one, other):
    for name, value in described(one).items():
        np.testing.assert_array_equal(value, described(other)[name], err_msg=name)


@pytest.mark.parametrize("acceleration", ["auto", None])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("covariance_type", CLASSIC)
def test_a_fit_from_pieces_is_the_fit_from_one_array(covariance_type, dtype, acceleration):
    rows = ROWS.astype(dtype)
    how = {"covariance_type": covariance_type, "acceleration": acceleration, "random_state": 0}
    whole = GaussianMixture(K, **how).fit(rows)
    for threads in (1, 2, 5):
        assert_same(GaussianMixture(K, n_threads=threads, **how).fit(in_blocks(rows)), whole)


@pytest.mark.parametrize("covariance_type", CLASSIC)
def test_weighted_rows_in_pieces_are_scored_and_fitted_alike(covariance_type):
    mixture = GaussianMixture(K, covariance_type=covariance_type, random_state=0)
    whole = mixture.fit(ROWS, sample_weight=WEIGHTS)
    pieces = GaussianMixture(**mixture.get_params()).fit(in_blocks(ROWS, WEIGHTS))
    assert_same(pieces, whole)
    for name in ("predict", "predict_proba", "score_samples"):
        np.testing.assert_array_equal(getattr(whole, name)(in_blocks(ROWS)), getattr(whole, name)(ROWS), err_msg=name)
    for name in ("score", "bic", "criteria"):
        assert getattr(whole, name)(in_blocks(ROWS, WEIGHTS)) == getattr(whole, name)(ROWS, sample_weight=WEIGHTS), name


class Listed(Source):
    """The least that a source needs: rows in chunks of two lanes."""

    def __init__(self, rows, n_rows=N):
        self.rows, self.n_rows, self.n_features, self.dtype = rows, n_rows, rows.shape[1], rows.dtype

    def chunks(self, lane_rows=1):
        step = 2 * lane_rows
        return (Chunk(start, self.rows[start : start + step], None) for start in range(0, len(self.rows), step))


def test_a_source_needs_no_more_than_its_size_its_type_and_chunks():
    source = Listed(ROWS)
    assert_same(GaussianMixture(K, random_state=0).fit(source), GaussianMixture(K, random_state=0).fit(ROWS))
    indices = np.array([0, 5, 5, N - 1])
    np.testing.assert_array_equal(source.take(indices), ROWS[indices])
    assert source.take(np.array([], dtype=int)).shape == (0, D)
    for bad, error in [([-1], IndexError), ([0, N], IndexError), ([1, 0], TypeError), ([0.0], TypeError)]:
        with pytest.raises(error, match="row numbers"):
            source.take(np.array(bad))
    with pytest.raises(ValueError, match="expected chunks of all 9000 rows of the source, got the first 8999"):
        Listed(ROWS[1:]).take(np.array([N - 1]))


class Days(sources.BlockSource):
    """The least that a source in blocks needs."""

    n_features, dtype, n_days = D, ROWS.dtype, 9

    def blocks(self, *, weighted):
        return (sources.Block(rows) for rows in np.split(ROWS, 9)[: self.n_days])


def test_a_source_in_blocks_needs_no_more_than_its_width_its_type_and_blocks():
    source = Days()
    assert_same(GaussianMixture(K, random_state=0).fit(source), GaussianMixture(K, random_state=0).fit(ROWS))
    assert repr(source) == "<rows of the blocks: 3 features, float64>"
    source.n_days = 8
    with pytest.raises(ValueError, match="the blocks changed between two readings: 9000 rows the first time, 8000 now"):
        source.take(np.array([N - 1]))


@pytest.mark.parametrize("unit", [1e-40, 1e38])
def test_the_unit_of_the_weights_changes_nothing_for_float32_rows(unit):
    rows = ROWS.astype(np.float32)
    one, other = (GaussianMixture(K, random_state=0).fit(rows, sample_weight=w) for w in (WEIGHTS, WEIGHTS * unit))
    np.testing.assert_allclose(other.means_, one.means_, rtol=1e-3)
    np.testing.assert_allclose(other.covariances_, one.covariances_, rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("gaps", [False, True])
@pytest.mark.parametrize("unit", [1e-9, 1.0, 1e9])
def test_what_is_predicted_of_float32_rows_does_not_depend_on_their_weights(gaps, unit):
    rows, weights = ROWS.astype(np.float32), WEIGHTS * unit
    if gaps:
        rows[::3, 0] = np.nan
        weights[::3] = 0.0  # of a whole pattern
    mixture = GaussianMixture(K, missing="em", random_state=0).fit(rows)
    for name in ("predict", "predict_proba", "score_samples"):
        predict = getattr(mixture, name)
        np.testing.assert_array_equal(predict(in_blocks(rows, weights)), predict(rows), err_msg=name)


@pytest.mark.parametrize("start", STARTS)
def test_every_start_takes_rows_in_pieces(start):
    how = {"init_params": start, "n_init": 2, "refine": "split-merge", "random_state": 3}
    assert_same(GaussianMixture(K, **how).fit(in_blocks(ROWS)), GaussianMixture(K, **how).fit(ROWS))


def test_a_warm_start_knows_the_rows_again_in_pieces():
    one, other = (GaussianMixture(K, warm_start=True, tol=0.05, random_state=0).fit(ROWS) for _ in range(2))
    assert_same(one.set_params(tol=1e-6).fit(in_blocks(ROWS)), other.set_params(tol=1e-6).fit(ROWS))
    assert in_blocks(ROWS).fingerprint == ArraySource(ROWS).fingerprint


def test_rows_are_looked_at_once_before_the_first_pass_and_once_more_for_a_tied_scatter():
    model = covariance_model("full")
    source = in_blocks(ROWS)
    mixture = WhitenedMixture(model.layout, np.zeros(1), ROWS[:1].copy(), np.eye(D)[None])
    with EStep(source, model.moments) as e_step:
        e_step(mixture)
    assert len(source.looks) == 2, "the survey and the pass"
    tied = covariance_model("tied")
    source = in_blocks(ROWS)
    mixture = WhitenedMixture(tied.layout, np.zeros(1), source.survey.centre[None], np.eye(D))
    with EStep(source, tied.moments) as e_step:
        e_step(mixture)
        e_step(mixture)
    assert len(source.looks) == 4, "the survey, the total scatter, and two passes"


def test_what_is_wrong_with_a_piece_is_said():
    rows = ROWS.copy()
    rows[8000, 1] = np.nan
    with pytest.raises(ValueError, match="row 8000, column 1"):
        GaussianMixture(K).fit(in_blocks(rows))
    fitted = GaussianMixture(K, random_state=0).fit(ROWS)
    with pytest.raises(ValueError, match="expecting 3 features"):
        fitted.predict(in_blocks(ROWS[:, :2]))
    with pytest.raises(ValueError, match=r"1 sample\(s\) \(shape=\(1, 3\)\).*of 2"):
        GaussianMixture(1).fit(BlockSource([ROWS[:1]]))
    with pytest.raises(ValueError, match=r"0 sample\(s\) \(shape=\(0, 3\)\).*of 1"):
        fitted.predict(BlockSource([ROWS[:0]]))
    with pytest.raises(ValueError, match="sample_weight cannot be combined"):
        fitted.score(in_blocks(ROWS), sample_weight=WEIGHTS)


@dataclass(frozen=True, eq=False)
class RearrangedSource(BlockSource):
    """A source that arranges its chunks anew once they have been surveyed."""

    arranged: Callable[[list[Chunk]], list[Chunk]] = list

    def chunks(self, lane_rows=1):
        chunks = list(super().chunks(lane_rows))
        return iter(chunks if lane_rows == 1 else self.arranged(chunks))


@pytest.mark.parametrize("method", ["predict", "predict_proba", "score_samples", "bic", "criteria", "fit"])
@pytest.mark.parametrize(
    ("arranged", "message"),
    [
        (lambda chunks: chunks[:-1], f"chunks of all {N} rows of the source, got the first"),
        (lambda chunks: [], f"chunks of all {N} rows of the source, got the first 0"),
        (lambda chunks: chunks[::-1], "row 0 next, got one from row"),
        (lambda chunks: [chunks[0], *chunks], "next, got one from row 0"),
    ],
)
def test_chunks_that_are_not_all_rows_in_order_are_refused(method, arranged, message):
    source = RearrangedSource([ROWS], arranged=arranged)
    fitted = GaussianMixture(K, means_init=ROWS[:K]).fit(ROWS)
    with pytest.raises(ValueError, match=message):
        getattr(fitted, method)(source)


@pytest.mark.parametrize("criterion", ["bic", "aic", "criteria"])
def test_a_criterion_counts_the_parameters_of_the_mixture_that_it_scored(criterion):
    """Another thread may fit the estimator anew meanwhile."""
    mixture = GaussianMixture(K, random_state=0).fit(ROWS)
    expected = getattr(mixture, criterion)(ROWS)

    def refit(chunks):
        mixture.set_params(n_components=1).fit(ROWS)
        return chunks

    assert getattr(mixture, criterion)(RearrangedSource([ROWS], arranged=refit)) == expected
    assert mixture.means_.shape == (1, D)


def statistics_elsewhere(connection, rows, model_name):
    """Serve statistics of rows that the asking process does not have."""
    model = covariance_model(model_name)
    with EStep(ArraySource(rows), model.moments, n_threads=1) as e_step:
        while (mixture := connection.recv()) is not None:
            connection.send(e_step(mixture))


@pytest.mark.parametrize("name", CLASSIC)
def test_the_solver_climbs_with_statistics_of_another_process(name):
    model, start = covariance_model(name), ROWS[[0, 3000, 6000]]
    spread = np.broadcast_to(model.layout.with_ridge(np.zeros(model.layout.shape(K, D)), 9.0), model.layout.shape(K, D))
    begin = MixtureParameters(np.full(K, 1 / K), start, np.array(spread), model)
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=statistics_elsewhere, args=(there, ROWS, name), daemon=True)
    process.start()
    state = mstep.QuasiNewtonState(Objective(model, 1e-6).family(start.shape), 1e-6, True)
    state.begin(*begin.as_estimate())
    objectives = []
    while not state.converged and len(objectives) < 200:
        offsets, centres, whiteners, *_ = state.next()
        here.send(WhitenedMixture(model.layout, offsets, centres, whiteners.reshape(model.layout.shape(K, D))))
        _, objective, _, accepted = state.take(here.recv(), 1e-13, repair_empty=True)
        objectives.append(objective)
        assert accepted or objective == objectives[-2]
    here.send(None)
    process.join()
    assert state.converged
    assert (np.diff(objectives) >= -1e-12).all()
    fitted = GaussianMixture(K, covariance_type=name, tol=1e-6, means_init=start, random_state=0).fit(ROWS)
    assert objectives[-1] == pytest.approx(fitted.history_.objective[-1], abs=1e-4)


def test_rows_without_weight_are_in_no_sample():
    weight = np.where(np.arange(N) % 3 == 0, 0.0, 1.0)
    for source in (ArraySource(ROWS, weight), in_blocks(ROWS, weight)):
        chosen = sample_indices(source, 1000, np.random.default_rng(0))
        assert source.n_used == np.count_nonzero(weight)
        assert weight[chosen].all()

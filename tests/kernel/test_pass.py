"""The pass against its twin: every form, layout, type, memory order, thread count and remainder."""

from itertools import starmap

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import reference
from inside import FULL, TIED, ArraySource, EStep, WhitenedMixture, _em, threads, tiles
from tables import LAYOUTS, NAMES, rows_and_mixture

CENTRED, LINEAR, SINGLE = 0, 1, 2
FORMS = {"chosen": -1, "centred": CENTRED, "linear": LINEAR, "centred32": SINGLE, "linear32": 3}
DTYPES = [np.float64, np.float32]
# Among them as many components as features, one less, and the widest of the linear form and the next.
SHAPES = [(1, 1), (2, 1), (1, 3), (3, 2), (5, 7), (4, 24), (11, 12), (12, 12), (8, 40), (8, 41)]

# float64 rows are computed in float64, whatever the form says: two of the five would be the same again.
CASES = {
    f"{np.dtype(dtype)}, {form}": (dtype, FORMS[form])
    for dtype, forms in ((np.float64, ("chosen", "centred", "linear")), (np.float32, FORMS))
    for form in forms
}

every_layout = pytest.mark.parametrize("name", LAYOUTS)
every_dtype = pytest.mark.parametrize("dtype", DTYPES)
every_case = pytest.mark.parametrize(("dtype", "form"), CASES.values(), ids=CASES)
every_kernel = pytest.mark.usefixtures("kernel")


def ways(dtype):
    """Yield every form for rows of this type, by every kernel in turn, and words for a message."""
    for name in tiles.kernels():
        tiles.use_kernel(name)
        for case, (of_dtype, form) in CASES.items():
            if of_dtype is dtype:
                yield form, f"{case}, kernel {name}"


class Twin:
    """The pass in long double: its responsibilities and log evidence, and moments in every layout."""

    def __init__(self, rows, mixture, weight=None, *, hard=False, given=None):
        self.X = np.asarray(rows, dtype=np.longdouble)
        self.weight = np.ones(len(rows)) if weight is None else weight
        K, d = mixture.centres.shape
        whiteners = reference.dense(mixture.whiteners, NAMES[mixture.layout], K, d).astype(np.longdouble)
        joint = self.joint = reference.whitened_log_joint(self.X, mixture.log_offset, mixture.centres, whiteners)
        if given is not None:
            self.responsibilities, self.log_evidence = np.asarray(given, dtype=np.longdouble), np.zeros(len(rows))
        elif hard:
            self.responsibilities, self.log_evidence = reference.hard_responsibilities(joint), joint.max(axis=1)
        else:
            self.responsibilities, self.log_evidence = reference.responsibilities(joint), reference.log_evidence(joint)
        self._moments = {}

    def moments(self, origins):
        """Return counts, first and second moments about these origins; once for the same."""
        key = origins.tobytes()
        if key not in self._moments:
            self._moments[key] = reference.statistics(self.X, self.responsibilities, self.weight, origins)
        return self._moments[key]

    def assert_matched_by(self, got, tolerance, case=""):
        """Every number of `got` is the twin's, about the origins that `got` states."""
        counts, first, second = self.moments(got.origins)
        size = np.abs(self.X - got.origins.mean(axis=0)).max() + np.ptp(got.origins, axis=0).max() + 1e-300
        total = self.weight.sum()
        second = reference.in_layout(second, NAMES[got.layout])
        for ours, expected, scale in (
            (got.counts, counts, total),
            (got.first, first, total * size),
            (got.second, second, total * size**2),
            (got.log_evidence, self.weight @ self.log_evidence, total * (1 + np.abs(self.log_evidence).max())),
            (got.weight, total, total),
        ):
            assert np.shape(ours) == np.shape(expected), case
            assert np.asarray(ours).dtype == np.float64, case
            assert np.abs(ours - expected).max() <= tolerance * scale, case


def tolerance_of(dtype, form):
    """What rounding may do: float32 arithmetic loses κ·eps, κ being some hundreds here."""
    single = dtype == np.float32 and (form == -1 or form & SINGLE)
    return 2e-4 if single else 1e-12


def test_a_far_or_thin_component_calls_for_the_centred_form_and_for_float64_and_adds_to_the_rounding():
    rows, mixture = rows_and_mixture("full", 3, 4, dtype=np.float32)
    e_step, shrunk = EStep(ArraySource(rows), FULL), (1, 8, 16, 1e4, np.nan)
    plans = [e_step.plan(mixture._replace(whiteners=mixture.whiteners * each)) for each in shrunk]
    assert [plan.linear for plan in plans] == [True, True, True, False, False]
    assert [plan.single for plan in plans[:4]] == [True, False, False, False]
    assert plans[2].rounding == pytest.approx(4 * plans[1].rounding)


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 3e-11), (np.float32, 3e-4)])
@every_layout
def test_the_form_that_is_chosen_is_exact_however_tight_the_components_are(name, dtype, tolerance):
    """Tight groups far from the data's centre: the linear form loses κ·eps there, κ being (1 / tight)² here."""
    rng, layout, linear = np.random.default_rng(2), LAYOUTS[name], []
    centres, whitener = np.array([[1.0, -1.0], [-1.0, 1.0], [1.0, 1.0]]), np.eye(2) if name in ("full", "tied") else 1.0
    for tight in 10.0 ** -np.append(np.arange(0, 5, 0.25), [6, 10]):
        rows = (centres[rng.integers(3, size=300)] + tight * rng.normal(size=(300, 2))).astype(dtype)
        mixture = WhitenedMixture(layout, np.zeros(3), centres, np.full(layout.shape(3, 2), whitener / tight))
        e_step = EStep(ArraySource(rows), layout)
        got, expected = e_step.rows(mixture, log_evidence=True), Twin(rows, mixture)
        assert np.abs(got.log_evidence - expected.log_evidence).max() < tolerance, f"{tight=}"
        linear.append(e_step.plan(mixture).linear)
    assert linear[0]
    assert not linear[-1]


@every_dtype
@every_layout
def test_rows_far_from_all_components_are_shared_out_exactly(name, dtype):
    """The centres count as well as the rows: float32 would lose all of a difference of squares of 1e4."""
    rows, mixture = rows_and_mixture(name, 2, 2, n=100, dtype=dtype)
    away, unit = np.array([[1e4, 1e4], [1e4, 1e4 + 1e-4]]), np.eye(2) if name in ("full", "tied") else 1.0
    mixture = WhitenedMixture(mixture.layout, np.zeros(2), away, unit * np.ones_like(mixture.whiteners))
    got = EStep(ArraySource(rows), mixture.layout).rows(mixture, responsibilities=True).responsibilities
    assert np.abs(got - Twin(rows, mixture).responsibilities).max() < 1e-6


@pytest.mark.parametrize("form", [CENTRED, LINEAR])
def test_rows_without_weights_count_once_after_rows_with_weights(form):
    rows, mixture = rows_and_mixture("full", n=6000)
    plan, scratch = EStep(ArraySource(rows), FULL, form=form).plan(mixture), _em.Scratch()
    lane = plan.lane_rows
    rows, weight = rows[: 2 * lane], np.random.default_rng(0).uniform(1, 2, lane)
    plan.start(scratch, 2 * lane)
    plan.walk(scratch, _em.RowTable(rows[:lane], weight), 0, 1)
    plan.walk(scratch, _em.RowTable(rows[lane:], first_lane=1), 0, 1)
    twin = Twin(rows, mixture, np.append(weight, np.ones(lane)))
    twin.assert_matched_by(plan.collect(plan.sums(scratch)), 1e-12)


@pytest.mark.parametrize("scale", [1e-25, 1e25])
@every_layout
def test_float32_rows_may_be_in_any_unit(name, scale):
    """Their squares are out of the range of float32."""
    rows, mixture = rows_and_mixture(name, 3, 2)
    rows = (rows * scale).astype(np.float32)
    scaled = WhitenedMixture(mixture.layout, mixture.log_offset, mixture.centres * scale, mixture.whiteners / scale)
    Twin(rows, scaled).assert_matched_by(EStep(ArraySource(rows), mixture.layout)(scaled), 2e-4)


def test_the_linear_form_is_for_few_features_and_a_lane_of_heavy_blocks_is_short():
    problems = starmap(rows_and_mixture, [("full", 2, 40), ("full", 2, 41), ("full", 1, 1000), ("diag", 2, 1000)])
    plans = [EStep(ArraySource(rows), mixture.layout).plan(mixture) for rows, mixture in problems]
    assert [plan.linear for plan in plans] == [True, False, False, True]
    assert plans[2].lane_rows < 2000
    assert plans[3].lane_rows > 1600


@every_case
@pytest.mark.parametrize("moments", LAYOUTS)
@every_layout
def test_moments_may_be_of_another_layout_than_the_whiteners(name, moments, dtype, form):
    """Though a linear form is asked for that is not there: its density is a prefix of its moments."""
    rows, mixture = rows_and_mixture(name, 4, 3, dtype=dtype)
    got = EStep(ArraySource(rows), LAYOUTS[moments], form=form)(mixture)
    Twin(rows, mixture).assert_matched_by(got, tolerance_of(dtype, form))


@pytest.mark.parametrize("form", [-1, CENTRED])
@pytest.mark.parametrize("moments", LAYOUTS)
@every_dtype
@every_layout
def test_nothing_is_read_that_was_not_written(name, moments, dtype, form):
    rows, mixture = rows_and_mixture(name, 4, 3, n=200, dtype=dtype)
    expected = EStep(ArraySource(rows), LAYOUTS[moments], form=form)(mixture)
    for poison in (1e300, np.nan):
        # What is freed here is what the next arrays of these sizes are made of.
        _ = [np.full(size, poison) for size in range(1, 130) for _ in range(8)]
        del _
        assert_same_bits(EStep(ArraySource(rows), LAYOUTS[moments], form=form)(mixture), expected)


@pytest.mark.parametrize("form", [-1, CENTRED, SINGLE])
@every_dtype
@pytest.mark.parametrize("moments", LAYOUTS)
def test_given_responsibilities_are_taken_as_they_are(moments, dtype, form):
    rows, mixture = rows_and_mixture("spherical", 3, 4, dtype=dtype)
    rng = np.random.default_rng(3)
    responsibilities, weight = rng.dirichlet(np.ones(3), size=len(rows)), rng.uniform(0, 3, len(rows))
    got = EStep(ArraySource(rows, weight), LAYOUTS[moments], form=form)(mixture, given=responsibilities)
    tolerance = 1e-5 if dtype == np.float32 else 1e-12
    Twin(rows, mixture, weight, given=responsibilities).assert_matched_by(got, tolerance)
    assert got.log_evidence == 0


@settings(max_examples=6 * settings.default.max_examples)
@given(
    name=st.sampled_from(sorted(LAYOUTS)),
    dtype=st.sampled_from(DTYPES),
    form=st.sampled_from(sorted(FORMS.values())),
    K=st.integers(1, 18),
    d=st.integers(1, 18),
    n=st.integers(1, 400),
    weighted=st.booleans(),
    hard=st.booleans(),
    kernel=st.sampled_from(tiles.kernels()),
)
def test_every_size_is_the_twins(name, dtype, form, K, d, n, weighted, hard, kernel):
    if hard:  # in float32 arithmetic a row at a border may go to the other side
        form = form & LINEAR if form >= 0 else CENTRED
    rows, mixture = rows_and_mixture(name, K, d, n, dtype, seed=K + 100 * d)
    weight = np.random.default_rng(n).integers(0, 3, n) / 1.7 if weighted else None
    if weighted:
        weight[0] = 1.0  # some are 0, and not all
    tiles.use_kernel(kernel)
    got = EStep(ArraySource(rows, weight), mixture.layout, form=form)(mixture, hard=hard)
    tolerance = 1e-11 if dtype == np.float64 or form in (CENTRED, LINEAR) else 2e-4
    Twin(rows, mixture, weight, hard=hard).assert_matched_by(got, tolerance)


@every_layout
@pytest.mark.parametrize("form", [CENTRED, LINEAR])
def test_no_row_is_lost_or_counted_twice_at_a_border(name, form):
    rows, mixture = rows_and_mixture(name, 2, 2, n=6000)
    lane = EStep(ArraySource(rows), mixture.layout, form=form).plan(mixture).lane_rows
    borders = [*range(32, 385, 32), lane, 2 * lane]
    for n in {border + step for border in borders for step in (-1, 0, 1)}:
        got = EStep(ArraySource(rows[:n]), mixture.layout, form=form)(mixture)
        assert got.weight == n
        Twin(rows[:n], mixture).assert_matched_by(got, 1e-12)


MEMORY_ORDERS = {
    "Fortran": np.asfortranarray,
    "strided": lambda rows: np.kron(rows, np.eye(3, 2, dtype=rows.dtype))[::3, ::2],
    "reversed rows": lambda rows: rows[::-1].copy()[::-1],
    "reversed columns": lambda rows: rows[:, ::-1].copy()[:, ::-1],
    "read-only": lambda rows: np.frombuffer(rows.tobytes(), rows.dtype).reshape(rows.shape),
    "repeated row": lambda rows: np.broadcast_to(rows[:1], rows.shape),
    "repeated column": lambda rows: np.broadcast_to(rows[:, :1], rows.shape),
}


def assert_same_bits(got, expected):
    for name in ("origins", "counts", "first", "second"):
        np.testing.assert_array_equal(getattr(got, name), getattr(expected, name))
    assert got.log_evidence == expected.log_evidence
    assert got.weight == expected.weight


@pytest.mark.parametrize("ordered", MEMORY_ORDERS.values(), ids=MEMORY_ORDERS)
@every_case
@every_layout
def test_the_memory_order_changes_no_bit(name, dtype, form, ordered):
    rows, mixture = rows_and_mixture(name, 3, 3, dtype=dtype)
    rows = ordered(rows)
    expected, got = (EStep(ArraySource(each), mixture.layout, form=form) for each in (np.array(rows, order="C"), rows))
    assert_same_bits(got(mixture), expected(mixture))


@pytest.mark.parametrize("n_threads", [2, 3, 5])
@every_case
@every_layout
def test_the_number_of_threads_changes_no_bit(name, dtype, form, n_threads, monkeypatch):
    monkeypatch.setattr(threads, "PASS_WORTH_THREADS", 1e6)
    rows, mixture = rows_and_mixture(name, 8, 8, n=19_999, dtype=dtype)
    expected, got = (EStep(ArraySource(rows), mixture.layout, n_threads=n, form=form) for n in (1, n_threads))
    with expected, got:
        assert_same_bits(got(mixture), expected(mixture))
        assert got._pool is not None, "this test needs a problem that is worth threads"
        wanted = {"labels": True, "log_evidence": True, "responsibilities": True}
        ours, theirs = got.rows(mixture, **wanted), expected.rows(mixture, **wanted)
    for output in wanted:
        np.testing.assert_array_equal(getattr(ours, output), getattr(theirs, output))


def merged_like_a_binary_counter(parts):
    """Add parts two by two as digits carry: the first 2^k, as many as there are, and then the rest."""
    if len(parts) == 1:
        return parts[0]
    half = 1 << (len(parts) - 1).bit_length() - 1
    return merged_like_a_binary_counter(parts[:half]) + merged_like_a_binary_counter(parts[half:])


@pytest.mark.parametrize("n_threads", [1, 3])
@pytest.mark.parametrize("n_lanes", [1, 2, 3, 7, 8, 13])
@pytest.mark.parametrize("form", [CENTRED, LINEAR])
@pytest.mark.parametrize("name", ["full", "diag", "spherical"])
def test_lanes_are_merged_like_a_binary_counter(name, form, n_lanes, n_threads):
    rows, mixture = rows_and_mixture(name, 8, 4, n=30_000)

    def e_step(rows):
        return EStep(ArraySource(rows), mixture.layout, origin=np.zeros(4), form=form, n_threads=n_threads)

    lane = e_step(rows).plan(mixture).lane_rows
    rows = rows[: n_lanes * lane - 5]
    parts = [e_step(rows[start : start + lane])(mixture) for start in range(0, len(rows), lane)]
    assert len(parts) == n_lanes
    with e_step(rows) as whole:
        assert_same_bits(whole(mixture), merged_like_a_binary_counter(parts))


@every_dtype
@every_layout
@pytest.mark.parametrize(("K", "d"), SHAPES)
def test_statistics_and_rows_are_the_twins(name, dtype, K, d):
    rows, mixture = rows_and_mixture(name, K, d, n=130 if d > 40 else 400, dtype=dtype)
    weight = np.random.default_rng(1).uniform(0, 2, len(rows))
    expected, weighted, rounding = Twin(rows, mixture), Twin(rows, mixture, weight), np.finfo(dtype).eps
    responsibilities, log_evidence = expected.responsibilities, expected.log_evidence
    for form, case in ways(dtype):
        tolerance = tolerance_of(dtype, form)
        got = EStep(ArraySource(rows, weight), mixture.layout, form=form)(mixture)
        weighted.assert_matched_by(got, tolerance, case)
        e_step = EStep(ArraySource(rows), mixture.layout, form=form)
        expected.assert_matched_by(e_step(mixture), tolerance, case)
        got = e_step.rows(mixture, labels=True, log_evidence=True, responsibilities=True)
        assert (got.responsibilities.dtype, got.log_evidence.dtype) == (dtype, np.float64), case
        assert (np.abs(got.log_evidence - log_evidence) <= tolerance * (1 + np.abs(log_evidence))).all(), case
        assert np.abs(got.responsibilities - responsibilities).max() <= 10 * tolerance + rounding, case
        chosen = responsibilities[np.arange(len(rows)), got.labels]
        assert (chosen >= responsibilities.max(axis=1) - 10 * tolerance).all(), case
    alone = e_step.rows(mixture, labels=True)
    assert (alone.log_evidence, alone.responsibilities) == (None, None), "only what is asked for"
    np.testing.assert_array_equal(alone.labels, got.labels)


@every_kernel
@pytest.mark.parametrize("hard", [False, True])
@every_case
@every_layout
def test_components_of_weight_zero_get_no_row_and_cost_nothing(name, dtype, form, hard):
    rows, mixture = rows_and_mixture(name, 5, 3, dtype=dtype)
    mixture.log_offset[[1, 4]] = -np.inf
    mixture.centres[1] += 12
    rows[:40] += dtype(12)
    kept, own = [0, 2, 3], () if name == "tied" else ("second",)
    whiteners = mixture.whiteners if name == "tied" else mixture.whiteners[kept]
    fewer = WhitenedMixture(mixture.layout, mixture.log_offset[kept], mixture.centres[kept], whiteners)
    blas = tiles.kernel() == "blas"  # where sums and densities of fewer components are other calls
    near = 1e-4 * (hard and blas)
    e_step = EStep(ArraySource(rows), mixture.layout, form=form)
    assert e_step.plan(mixture).work == e_step.plan(fewer).work
    got, expected = e_step(mixture, hard=hard), e_step(fewer, hard=hard)
    for part in ("origins", "counts", "first", *own):
        np.testing.assert_allclose(getattr(got, part)[kept], getattr(expected, part), rtol=near, atol=near)
        assert part == "origins" or not getattr(got, part)[[1, 4]].any()
    assert hard or (got.origins[[1, 4]] == mixture.centres[[1, 4]]).all()
    np.testing.assert_allclose(got.second.sum(axis=0), expected.second.sum(axis=0), rtol=near, atol=near)
    digits = {"rtol": 1e-4 if dtype == np.float32 else 1e-12, "atol": 1e-6} if blas else {"rtol": 0}
    np.testing.assert_allclose(got.log_evidence, expected.log_evidence, **digits)
    assert got.weight == expected.weight
    got, expected = (e_step.rows(each, labels=True, responsibilities=True) for each in (mixture, fewer))
    np.testing.assert_array_equal(got.labels, np.take(kept, expected.labels))
    np.testing.assert_allclose(got.responsibilities[:, kept], expected.responsibilities, **digits)
    assert not got.responsibilities[:, [1, 4]].any()


# --- What a pass tells of its components' shapes ------------------------------------------------


def assert_shapes_are_the_twins(rows, mixture, forms, weight=None):
    """Along axes a pass tells what a component's rows add up to, and what it would lose."""
    twin, size = Twin(rows, mixture, weight), mixture.whiteners.shape[-1] if mixture.layout in (FULL, TIED) else 1
    axes = np.random.default_rng(5).uniform(0.2, 0.8, size=mixture.whiteners.shape) / np.sqrt(size)  # no triangles
    log_rest = twin.weight @ reference.log_rest(twin.joint)
    written = reference.dense(axes, NAMES[mixture.layout], *mixture.centres.shape)
    masses, given = (twin.weight, np.ones(len(rows))), (mixture.centres, written)
    powers, unweighted = (reference.power_sums(twin.X, twin.responsibilities, mass, *given) for mass in masses)
    scale = max(np.abs(unweighted).max() + twin.weight.sum(), np.abs(powers).max())
    for form, case in forms:
        got = EStep(ArraySource(rows, weight), mixture.layout, form=form).diagnostics(mixture, axes)
        assert np.abs(got.log_rest - log_rest).max() <= 1e-10 * (twin.weight.sum() + np.abs(log_rest).max()), case
        assert np.abs(got.powers - powers).max() <= 1e-10 * scale, case
        twin.assert_matched_by(got.statistics, 1e-11, case)
    return got


@every_dtype
@every_layout
@pytest.mark.parametrize(("K", "d"), [(2, 1), (2, 3), (5, 7), (12, 2), (3, 50)])
def test_shapes_are_the_twins(name, dtype, K, d):
    rows, mixture = rows_and_mixture(name, K, d, n=150 if d > 40 else 400, dtype=dtype)
    for weight in (None, np.random.default_rng(1).integers(0, 3, len(rows)).astype(float)):
        forms = ((form, case) for form, case in ways(dtype) if form in (CENTRED, LINEAR))
        assert_shapes_are_the_twins(rows, mixture, forms, weight)


@every_kernel
def test_rows_that_one_component_owns_alone_lose_what_is_there_to_lose():
    """1 − r is exp(−2000) there: nothing that a difference or an underflow would know."""
    rows, mixture = rows_and_mixture("full", 3, 2, n=90)
    rows[:30] += 60.0
    moved = mixture._replace(centres=np.vstack([mixture.centres[:2], rows[:30].mean(axis=0)]))
    assert assert_shapes_are_the_twins(rows, moved, [(-1, "")]).log_rest[2] < -30 * 1000

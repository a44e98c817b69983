"""The compiled covariances under a constraint: none of the model are more likely, and the model's own laws hold."""

import itertools
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ortho_group

import reference
from inside import SingularMatrixError, covariance_model
from tables import DATA, FAITHFUL, IRIS, numbers_of

MODELS = ["EII", "EEI", "VEI", "EVI", "VEE", "EVE", "VVE", "EEV", "VEV", "EVV"]
DIAGONAL = ["EEI", "VEI", "EVI"]
ITERATED = ["EVE", "VVE"]  # whose update is one step of a climb
every_model = pytest.mark.parametrize("model", MODELS)
few = settings(max_examples=settings.default.max_examples // 2)
sizes = {"K": st.integers(1, 4), "d": st.sampled_from([1, 2, 3, 4, 9, 17]), "seed": st.integers(0, 2**16)}


def constrained(model, free, counts, previous=None):
    """The covariances, (K, d, d)."""
    kept = None if previous is None else np.ascontiguousarray(reference.in_layout(previous, model))
    stored = np.ascontiguousarray(reference.in_layout(free, model))
    found = covariance_model(model).constrained(stored, counts, previous=kept)
    return reference.dense(found, model, *free.shape[:2])


def fails(model, free, counts):
    try:
        constrained(model, free, counts)
    except SingularMatrixError:
        return True
    return False


def settled(model, free, counts, previous=None):
    """Where updates of the same moments lead to."""
    for _ in range(400 if model in ITERATED else 1):
        previous = constrained(model, free, counts, previous)
    return previous


def random_axes(rng, K, d):
    return ortho_group.rvs(d, size=K, random_state=rng).reshape(K, d, d) if d > 1 else np.ones((K, 1, 1))


def scatters(K, d, seed, spread=0.5):
    """Free covariances that are akin, with standard deviations over 10^±spread, and uneven counts."""
    rng = np.random.default_rng(seed)
    scale = 10 ** rng.uniform(-spread, spread, d)
    common = rng.normal(size=(d, d))
    rows = rng.normal(size=(K, d + 4, d)) @ (common + 0.5 * rng.normal(size=(K, d, d))) * scale
    volumes = 10 ** rng.uniform(-spread, spread, K)
    return volumes[:, None, None] * rows.transpose(0, 2, 1) @ rows / (d + 4), rng.dirichlet(np.ones(K)) * 100 + 0.01


def objective(covariances, free, counts):
    return reference.constraint_objective(covariances, free, counts) / counts.sum()


def close(a, b, tolerance=1e-9):
    """Matrices (K, d, d), each in its own size."""
    size = np.abs(b).max(axis=(1, 2), keepdims=True)
    return np.allclose(a / size, b / size, rtol=0, atol=tolerance)


# --- Against the model's definition -------------------------------------------------------------


def assert_meets(model, covariances):
    """Covariances are what the three letters say, in relative terms, to the precision of their eigenvalues."""
    d = covariances.shape[1]
    values = np.linalg.eigvalsh(covariances)
    volumes = np.exp(np.log(values).mean(axis=1))
    shapes = covariances / volumes[:, None, None]
    found = [np.abs(covariances - covariances.transpose(0, 2, 1)).max() / values.max()]
    if model[0] == "E":
        found.append(np.ptp(volumes) / volumes.max())
    if model[2] == "I":
        found.append(np.abs(covariances * (1 - np.eye(d))).max() / values.max())
    if model[1] == "I":
        found.append(np.abs(shapes - np.eye(d)).max())
    elif model[1] == "E":
        same = shapes if model[2] != "V" else values / volumes[:, None]
        found.append(np.ptp(same, axis=0).max() / same.max())
    elif model[2] == "E":
        products = np.einsum("kij,ljm->klim", covariances, covariances)
        found += [np.abs(products - products.swapaxes(0, 1)).max() / products.max()]
    assert max(found) < max(1e-9, 1e-15 * np.linalg.cond(covariances).max())


@pytest.mark.parametrize("model", [model for model in MODELS if model not in ITERATED])
@few
@given(**sizes, spread=st.sampled_from([0.0, 0.5, 1.5]))
def test_no_covariances_of_the_model_are_more_likely(model, K, d, seed, spread):
    """Those of other rows, near and far, are rivals: they reach all that the model allows."""
    free, counts = scatters(K, d, seed, spread)
    found, rng = constrained(model, free, counts), np.random.default_rng(seed)
    for size in 10.0 ** rng.uniform(-5, 0, 40):
        change = np.eye(d) + size * rng.normal(size=(K, d, d))
        rival = constrained(model, change @ free @ change.transpose(0, 2, 1), counts)
        assert_meets(model, rival)
        assert objective(rival, free, counts) < objective(found, free, counts) + 1e-12 * d


@pytest.mark.parametrize("model", ITERATED)
@few
@given(K=st.integers(2, 4), d=st.sampled_from([2, 3, 5, 9, 17]), seed=sizes["seed"], begun=st.booleans())
def test_updates_turn_common_axes_once_in_every_plane_and_rise_to_where_no_turn_is_better(model, K, d, seed, begun):
    """A climb of EM makes one between two passes."""
    free, counts = scatters(K, d, seed, 0.2)
    previous = constrained(model, *scatters(K, d, seed + 1)) if begun else None
    found = constrained(model, free, counts, previous)
    assert close(found, reference.with_common_axes(model, free, counts, previous), 1e-8)
    reached = [objective(found := constrained(model, free, counts, found), free, counts) for _ in range(400)]
    assert (np.diff(reached) > -1e-10).all()
    for i, j in zip(*np.triu_indices(d, 1), strict=True):
        for angle in (1e-5, -1e-5):  # which gains that times a slope that is left over
            turn = np.eye(d)
            turn[[i, j], [i, j]], turn[i, j], turn[j, i] = np.cos(angle), np.sin(angle), -np.sin(angle)
            assert objective(turn @ found @ turn.T, free, counts) < reached[-1] + 1e-10


@every_model
@few
@given(**sizes | {"d": st.integers(1, 4)}, exponent=st.sampled_from([-100, -7, 3, 100]))
def test_rows_that_scale_and_turn_take_their_covariances_along(model, K, d, seed, exponent):
    """Components have no order, covariances of the model stay, and volumes do not depend on where they begin."""
    free, counts = scatters(K, d, seed)
    scale, doubled = 10.0 ** (2 * exponent), 2.0 ** (6 * exponent)
    found, once = settled(model, free, counts), constrained(model, free, counts)
    assert close(settled(model, free * scale, counts), found * scale)
    assert close(constrained(model, free * scale, counts, found * scale), found * scale)
    np.testing.assert_array_equal(constrained(model, free * doubled, counts), once * doubled)
    if model not in DIAGONAL:
        turn = random_axes(np.random.default_rng(seed), 1, d)[0]
        assert close(constrained(model, turn @ free @ turn.T, counts), turn @ once @ turn.T)
    if model in ("VEI", "VEE", "VEV"):
        before = constrained(model, *scatters(K, d, seed + 1, 2.0))
        assert close(constrained(model, free, counts, before), once, 1e-12)
    order = np.random.default_rng(seed).permutation(K)
    assert close(constrained(model, free[order], counts[order]), once[order])
    assert close(constrained(model, once, counts), once)
    assert close(constrained(model, once, counts, once), once)


@every_model
@few
@given(**sizes, spread=st.sampled_from([0.0, 0.5, 2.0, 3.0]))
def test_covariances_are_what_the_letters_say_and_nothing_is_lost_from_where_they_begin(model, K, d, seed, spread):
    free, counts = scatters(K, d, seed, spread)
    before = constrained(model, *scatters(K, d, seed + 1, spread))
    assert_meets(model, constrained(model, free, counts))
    found = constrained(model, free, counts, before)
    assert_meets(model, found)
    assert objective(found, free, counts) > objective(before, free, counts) - 1e-12 * d


@pytest.mark.parametrize(("d", "seed"), [(3, 22), (3, 163), (3, 310), (4, 94), (4, 243), (4, 390)])
def test_nothing_is_lost_where_common_axes_are_nearly_those_of_a_flat_component(d, seed):
    """A turn by θ adds θ² to its least variance ε: beyond √ε no parabola shows where the logarithm goes."""
    rng = np.random.default_rng(seed)
    free, counts = scatters(3, d, seed)
    counts[0] = min(counts[0], 20)
    free[0] = np.diag([1e-11, *10 ** rng.uniform(-2, 1, d - 1)])
    turn = np.zeros((d, d))
    turn[0, 1:] = rng.normal(size=d - 1) * np.sqrt(1e-11) * 10 ** rng.uniform(-1, 1.5)
    turn[1:, 1:] = np.triu(rng.normal(size=(d - 1, d - 1)), 1) * 10 ** rng.uniform(-8, -2)
    axes = np.linalg.qr(np.eye(d) + turn - turn.T)[0]
    before = np.einsum("ij,kj,lj->kil", axes, np.einsum("ji,kjl,li->ki", axes, free, axes), axes)
    found = constrained("VVE", free, counts, before)
    assert objective(found, free, counts) > objective(before, free, counts) - 1e-6


@pytest.mark.parametrize("model", ITERATED)
@few
@given(K=st.integers(2, 4), d=st.integers(2, 9), seed=st.integers(0, 2**16))
def test_units_far_apart_leave_common_axes_room(model, K, d, seed):
    """Variances over 10^±16: no worse than the axes of the features, and than axes of those with like units."""
    free, counts = scatters(K, d, seed, 0.2)
    scale = 10 ** np.linspace(-8, 8, d)
    free *= np.outer(scale, scale)
    found = constrained(model, free, counts)
    diagonal = np.diagonal(free, axis1=1, axis2=2)
    if model == "EVE":
        volumes = np.exp(np.log(diagonal).mean(axis=1, keepdims=True))
        diagonal = diagonal / volumes * np.average(volumes, axis=0, weights=counts)
    assert objective(found, free, counts) > objective(diagonal[:, None] * np.eye(d), free, counts) - 1e-6


@few
@given(K=st.integers(2, 4), d=st.integers(2, 6), seed=st.integers(0, 2**16), digits=st.integers(0, 12))
def test_one_shape_needs_no_good_condition(K, d, seed, digits):
    """In other coordinates the covariances of VEE are those in these ones, up to rounding times the condition."""
    free, counts = scatters(K, d, seed, 0.2)
    into = np.linspace(0, digits / 2, d)[:, None] * -np.log(10)
    into = np.exp(into) * random_axes(np.random.default_rng(seed), 1, d)[0]
    expected = into.T @ constrained("VEE", free, counts) @ into
    found = constrained("VEE", into.T @ free @ into, counts)
    assert close(found, expected, 1e-12 * 10**digits)


@pytest.mark.parametrize("model", ["VEI", "VEE"])
@settings(max_examples=3 * settings.default.max_examples)
@given(d=st.integers(2, 5), seed=st.integers(0, 2**16), digits=st.integers(2, 8), share=st.floats(0.45, 0.55))
def test_thin_covariances_that_cross_share_a_shape(model, d, seed, digits, share):
    """The objective is all but flat between two walls: whole steps of Newton's method leap from one to the other."""
    rng, first = np.random.default_rng(seed), np.arange(d) < d // 2
    variances = 10.0 ** (-rng.uniform(2, digits, (2, d)) * np.stack([first, ~first]))
    axes = random_axes(rng, 1, d)[0] if model == "VEE" else np.eye(d)
    free, counts = (axes * variances[:, None]) @ axes.T, np.array([share, 1 - share]) * 300
    found, expected = constrained(model, free, counts), reference.two_of_one_shape(free, counts)
    assert objective(found, free, counts) == pytest.approx(objective(expected, free, counts), abs=1e-7)
    assert_meets(model, found)


@every_model
def test_without_scatter_there_is_no_solution(model):
    counts = np.array([3.0, 4.0])
    for nothing in (np.zeros((2, 3, 3)), np.full((2, 3, 3), np.nan), np.full((2, 3, 3), np.inf)):
        assert fails(model, nothing, counts)
    free, counts = scatters(3, 3, 0)
    free[1] = 0
    assert fails(model, free, counts) == (model not in ("EII", "EEI", "EEV"))
    for d, bad in itertools.product([4, 20, 60], [np.nan, np.inf]):
        free = np.tile(np.eye(d), (2, 1, 1))
        free[0, 2, 3] = free[0, 3, 2] = bad  # which has no eigenvectors
        assert fails(model, free, np.ones(2)) or model in ("EII", *DIAGONAL)


@pytest.mark.parametrize("model", ["EEI", "EEV", "VEE", "VEI", "VEV"])
def test_a_flat_component_borrows_the_shape_of_others_unless_it_is_heavy(model):
    free, _ = scatters(3, 3, 0)
    free[1, 2] = free[1, :, 2] = 0
    found = constrained(model, free, np.array([4.0, 1.0, 3.0]))
    assert_meets(model, found)
    assert np.linalg.eigvalsh(found).min() > 0
    if model[0] == "V":  # its volume can shrink for ever: 3 × 0.9 > 2, its rank
        assert fails(model, free[:2], np.array([1.0, 9.0]))


# --- Against mclust's starts and an exact solution ----------------------------------------------

EXACT = json.loads((DATA / "exact_orientation.json").read_text())


@pytest.mark.parametrize("run", EXACT, ids=lambda run: f"{run['dataset']} {run['model']},{run['G']} {run['start']}")
def test_common_orientations_are_exact(run):
    """The log-likelihood has a slope there, so that the published ones' own tolerance shows: some 1e-6."""
    dataset, G = run["dataset"], run["G"]
    X = {"iris": IRIS, "faithful": FAITHFUL}[dataset]
    labels = numbers_of(DATA / f"{dataset}_partitions.csv")[:, G - 2].astype(int)
    soft = np.eye(G)[labels] if run["start"] == "hard" else 0.7 * np.eye(G)[labels] + 0.3 / G
    counts = soft.sum(axis=0)
    means = soft.T @ X / counts[:, None]
    apart = X[:, None] - means
    free = np.einsum("nk,nki,nkj->kij", soft, apart, apart) / counts[:, None, None]
    parameters = counts / counts.sum(), means, settled(run["model"], free, counts)
    assert reference.mean_log_likelihood(X, parameters) * len(X) == pytest.approx(run["loglik_1"], abs=5e-6)


SPECTRA = {
    "plain": lambda d: np.linspace(1, 3, d),
    "graded": lambda d: 10.0 ** np.linspace(0, -12, d),
    "of two values": lambda d: np.where(np.arange(d) < d // 2, 1.0, 2.0),
    "tiny": lambda d: 1e-300 * np.linspace(1, 3, d),
    "huge": lambda d: 1e300 * np.linspace(1, 3, d),
    "nearly singular": lambda d: np.where(np.arange(d) < d // 2, 1.0, 1e-13),
}


@pytest.mark.parametrize("spectrum", SPECTRA)
@pytest.mark.parametrize("d", [2, 8, 9, 13, 32, 48, 49])  # Jacobi's rotations, our own tridiagonal form, LAPACK
def test_eigenvectors_of_any_width_and_spectrum_are_orthogonal_and_complete(d, spectrum):
    values, turns = SPECTRA[spectrum](d), random_axes(np.random.default_rng(d), 3, d)
    free = (turns * values) @ turns.swapaxes(1, 2)
    free = (free + free.swapaxes(1, 2)) / 2
    fitted = constrained("EEV", free, np.array([10.0, 20.0, 30.0]))  # of one spectrum, so they are those already
    assert np.abs(fitted / values.max() - free / values.max()).max() < 1e-13

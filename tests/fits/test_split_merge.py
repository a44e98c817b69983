"""Split and merge: never lower, never a spike, reproducible, and out of solutions that EM does not leave."""

import numpy as np
import pytest

import inside
import reference
from gmm import GaussianMixture
from inside import DIAGONAL, FULL, PARSIMONIOUS, SPHERICAL, TIED, ArraySource, EStep, moves, split_axes, split_step
from tables import IRIS, IRIS_BIC, refused, warned

every_type = pytest.mark.parametrize("covariance_type", [*PARSIMONIOUS, *reference.OF_FACTORS])
# From where the others are stuck, EEV finds out by itself.
stuck_types = pytest.mark.parametrize("covariance_type", [name for name in PARSIMONIOUS if name != "EEV"])
PRECISE = {"tol": 1e-7, "max_iter": 20_000}
NONE = np.zeros(4, dtype=bool)
CORNERS = np.array([[-9.0, -9.0], [-9.0, 9.0], [9.0, -9.0], [9.0, 9.0]])
# One component between the last two corners, two in the first.
STUCK = np.array([[9.0, 0.0], [-9.0, 9.0], [-10.0, -10.0], [-8.0, -8.0]])


def blobs(n=400, seed=0):
    rng = np.random.default_rng(seed)
    return CORNERS[rng.integers(4, size=n)] + rng.normal(size=(n, 2))


def stuck(covariance_type="full", refine="split-merge", **asked):
    return GaussianMixture(4, covariance_type=covariance_type, means_init=STUCK, refine=refine, **asked)


def collapsed(mixture, X, weight=None):
    parameters, rows = mixture._parameters, inside.Resolution.from_source(ArraySource(X, weight), mixture.reg_covar)
    return inside.Degeneracy(parameters.model, rows)(parameters).any()


@pytest.mark.filterwarnings("ignore:Some components are equal")  # of EII, before the moves
@stuck_types
def test_a_component_between_two_blobs_and_a_blob_shared_by_two_are_put_right(covariance_type):
    X = blobs()
    plain = stuck(covariance_type, refine=None).fit(X)
    refined = stuck(covariance_type).fit(X)
    assert refined.lower_bound_ > plain.lower_bound_ + 0.2
    nearest = np.abs(refined.means_[:, None] - CORNERS).max(axis=2).argmin(axis=1)
    assert sorted(nearest) == [0, 1, 2, 3]
    refinement = refined.history_.refinement
    assert len(refinement.moves) == 1
    assert refinement.moves[0][2] == pytest.approx(refined.lower_bound_ - plain.lower_bound_, abs=1e-9)
    assert refinement.passes > refinement.tried
    assert plain.history_.refinement is None


def test_many_rows_are_searched_on_a_sample():
    X = blobs(60_000)
    refined = stuck().fit(X)
    assert sorted(np.abs(refined.means_[:, None] - CORNERS).max(axis=2).argmin(axis=1)) == [0, 1, 2, 3]
    # A move costs as much as a pass over all rows, and a few passes end it.
    assert refined.history_.refinement.passes < 40


@pytest.mark.parametrize("covariance_type", IRIS_BIC)
@pytest.mark.parametrize("seed", range(10))
def test_the_best_known_optima_of_iris_are_found_from_every_seed(covariance_type, seed):
    asked = {"covariance_type": covariance_type, "random_state": seed} | PRECISE
    fitted = GaussianMixture(4, refine="split-merge", **asked).fit(IRIS)
    assert fitted.bic(IRIS) < IRIS_BIC[covariance_type][3] + 0.01
    # Of full covariances, some starts climb to nine rows, which are higher than the best sound optimum.
    assert not collapsed(fitted, IRIS) or collapsed(GaussianMixture(4, **asked).fit(IRIS), IRIS)


def cloud(seed, n=150, d=3):
    """Rows with heavy tails, skewed and lumped: nothing that a mixture fits well."""
    rng = np.random.default_rng(seed)
    lumps = rng.normal(size=(6, d))[rng.integers(6, size=n)]
    return 2 * lumps + rng.gamma(2.0, size=(n, d)) * rng.normal(size=d)


@pytest.mark.filterwarnings("ignore:Some components lost all rows")
@every_type
@pytest.mark.parametrize("seed", range(6))
def test_never_lower_and_no_new_spike(covariance_type, seed):
    X = cloud(seed)
    weight = np.random.default_rng(seed).uniform(0.5, 2, len(X)) if seed % 2 else None
    asked = {"covariance_type": covariance_type, "random_state": seed, "init_params": "random_from_data", "tol": 1e-5}
    plain = GaussianMixture(5, max_iter=2000, **asked).fit(X, sample_weight=weight)
    refined = GaussianMixture(5, max_iter=2000, refine="split-merge", **asked).fit(X, sample_weight=weight)
    assert refined.lower_bound_ >= plain.lower_bound_
    narrow = reference.shape_of(covariance_type) == "full" and np.linalg.cond(refined.covariances_).max() > 1e6
    if not (narrow or collapsed(refined, X, weight)):  # a spike's own rounding is larger
        assert refined.lower_bound_ == pytest.approx(refined.score(X, sample_weight=weight), rel=1e-9)
    if refined.history_.refinement.moves:
        assert not collapsed(refined, X, weight)
    else:
        np.testing.assert_array_equal(refined.means_, plain.means_)


@pytest.mark.parametrize("seed", range(3))
def test_columns_with_one_value_for_most_rows_do_not_lead_lower(seed):
    """Components settle on that value: nothing that is healthy comes near their likelihood."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(200, 4)) + 3 * rng.integers(0, 2, size=(200, 1))
    X[rng.uniform(size=200) < 0.6, 1:3] = 1.0
    plain, refined = (GaussianMixture(3, random_state=seed, refine=r).fit(X) for r in (None, "split-merge"))
    assert collapsed(plain, X)
    assert refined.lower_bound_ >= plain.lower_bound_


def test_a_spike_gives_way_only_to_what_is_higher_and_no_move_leads_to_one():
    """What a fit began with is returned unless a move leads higher, though a spike makes its likelihood meaningless."""
    X, spike = np.concatenate([blobs(), np.tile([[0.0, 30.0]], (12, 1))]), [[0.0, 30.0], *CORNERS[:3]]
    spiked, still, refined = (
        GaussianMixture(4, means_init=means, refine=refine, **PRECISE).fit(X)
        for means, refine in ((spike, None), (spike, "split-merge"), (CORNERS, "split-merge"))
    )
    assert collapsed(spiked, X)
    assert still.lower_bound_ == spiked.lower_bound_ > refined.lower_bound_  # there was something to resist
    assert not collapsed(refined, X)


@every_type
def test_no_random_number_decides_and_threads_change_no_bit(covariance_type):
    X = cloud(1, n=6000)
    how = {"covariance_type": covariance_type, "means_init": X[:5], "tol": 1e-5, "max_iter": 2000}
    one, other = (
        GaussianMixture(5, refine="split-merge", n_threads=n, random_state=seed, **how).fit(X)
        for n, seed in ((1, 0), (2, 1))
    )
    np.testing.assert_array_equal(one.means_, other.means_)
    assert one.history_.refinement == other.history_.refinement


@stuck_types
def test_the_order_of_rows_where_they_stand_and_repeats_do_not_matter(covariance_type):
    X = blobs()
    whole = stuck(covariance_type, **PRECISE).fit(X)
    assert whole.history_.refinement.moves
    shift = np.array([100.0, -50.0])
    for rows, moved, weight in (
        (X[::-1], 0, None),
        (X + shift, shift, None),
        (np.repeat(X, 3, axis=0), 0, None),
        (X, 0, np.full(len(X), 3)),
    ):
        other = stuck(covariance_type, **PRECISE).set_params(means_init=STUCK + moved).fit(rows, sample_weight=weight)
        # Of two halves that look alike, rounding chooses which is called which.
        one, two = (means[np.lexsort(means.round(3).T)] for means in (other.means_ - moved, whole.means_))
        np.testing.assert_allclose(one, two, atol=1e-4)
        (move,), (expected,) = other.history_.refinement.moves, whole.history_.refinement.moves
        assert move[2] == pytest.approx(expected[2], rel=1e-6)


@pytest.mark.parametrize("asked", [{"n_components": 1}, {"max_iter": 0}, {"max_iter": 1}, {"callback": 3}])
def test_where_there_is_nothing_to_refine_nothing_is_done(asked):
    """A callback that ends the fit ends it."""
    asked = {"n_components": 3, "random_state": 0} | asked
    last = asked.pop("callback", None)
    mixture = GaussianMixture(refine="split-merge", **asked)
    refined, _ = warned(mixture.fit, cloud(0, n=50), callback=lambda it: it.n_iter == last)
    assert refined.history_.refinement is None
    assert last is None or refined.n_iter_ == last


@pytest.mark.parametrize("acceleration", ["auto", None])
@pytest.mark.parametrize("covariance_type", [*PARSIMONIOUS, "factor1"])
def test_a_refinement_is_the_same_in_one_loop_and_pass_by_pass(covariance_type, acceleration):
    how = {"covariance_type": covariance_type, "acceleration": acceleration, "refine": "split-merge"}
    X, seen = IRIS[::2], []
    whole, watched = (GaussianMixture(4, random_state=0, **how) for _ in range(2))
    whole.fit(X)
    watched.fit(X, callback=seen.append)
    assert whole.history_ == watched.history_
    np.testing.assert_array_equal(whole.covariances_, watched.covariances_)
    assert {iteration.move for iteration in seen} >= {0, 1}


def diagnosis(parameters, X):
    rows = ArraySource(X)
    return inside.ComponentDiagnosis.of(parameters, rows, EStep(rows, parameters.model.layout))


def diagonal_mixture(means, variances):
    K = len(means)
    return inside.MixtureParameters(np.full(K, 1 / K), np.c_[means], np.c_[variances], inside.covariance_model("diag"))


@pytest.mark.filterwarnings("ignore:Some components are equal")  # of EII, before the moves
@stuck_types
def test_the_first_move_drops_the_superfluous_and_splits_the_stretched_along_its_length(covariance_type):
    X = blobs()
    look = diagnosis(stuck(covariance_type, refine=None).fit(X)._parameters, X)
    first = moves(look, NONE, np.zeros(4, int), NONE)[0]
    assert first.dropped in (2, 3)
    assert first.split == 0
    direction = look.step(first.split, first.axis)
    assert abs(direction[1]) > 10 * abs(direction[0])
    # Where there is a spike, it is what has to go.
    assert {move.dropped for move in moves(look, np.array([False, True, False, False]), np.zeros(4, int), NONE)} == {1}


@pytest.mark.parametrize("covariance_type", ["full", "tied", "diag"])
def test_a_column_of_one_value_promises_nothing_and_units_do_not_matter(covariance_type):
    """Only the ridge makes it wide: its fourth power is 0, not 3, but that tells nothing of the rows."""
    X, units = cloud(0), np.array([1e-3, 1.0, 1e3, 1.0])
    constant = np.insert(X, 3, 7.0, axis=1)
    fitted = GaussianMixture(3, covariance_type=covariance_type, random_state=0).fit(constant)
    mixture = fitted._parameters
    gains = diagnosis(mixture, constant).gains
    assert (gains >= 1e-9).sum(axis=1).max() == 3
    squares = units**2 if covariance_type == "diag" else np.outer(units, units)
    scaled = mixture.with_other(means=mixture.means * units, covariances=mixture.covariances * squares)
    both = (np.sort(each, axis=1) for each in (diagnosis(scaled, constant * units).gains, gains))  # axes have no order
    np.testing.assert_allclose(*both, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("layout", [FULL, TIED, DIAGONAL, SPHERICAL])
def test_axes_whiten_and_the_steps_along_them_are_the_matrix(layout):
    rng, (K, d) = np.random.default_rng(0), (3, 4)
    factors, weights, means = rng.normal(size=(K, d, d)), rng.dirichlet(np.ones(K)), rng.normal(size=(K, d))
    grams = factors @ factors.transpose(0, 2, 1)
    matrices = {FULL: grams, TIED: grams[0], DIAGONAL: grams[:, 0] ** 2, SPHERICAL: grams[:, 0, 0]}[layout]
    axes = split_axes(layout.code, weights, means, matrices)
    assert axes.shape == matrices.shape
    for k, dense in enumerate(layout.dense(matrices, K, d)):
        steps = np.stack([split_step(layout.code, matrices, axes, k, axis, d, 1.0) for axis in range(d)])
        np.testing.assert_allclose(steps.T @ steps, dense, rtol=1e-10, atol=1e-12)
        if layout in (FULL, TIED):
            rows = axes[k] if layout is FULL else axes
            np.testing.assert_allclose(rows @ steps.T, np.eye(d), atol=1e-10)
            # Orthogonal where the mean covariance is the identity; one for all has the axes of the means there.
            away = means - weights @ means
            metric = np.tensordot(weights, grams, 1) if layout is FULL else away.T * weights @ away
            products = rows @ metric @ rows.T
            np.testing.assert_allclose(products, np.diag(np.diag(products)), atol=1e-8 * products.max())


def test_axes_of_other_shapes_are_refused():
    code, ones = DIAGONAL.code, np.ones((2, 3))
    refused("layout of whole matrices", split_axes, 100_000, np.ones(2), ones, ones)
    refused("weights", split_axes, code, np.ones(3), ones, ones)
    refused("covariances", split_axes, code, np.ones(2), ones, np.ones((2, 4)))
    refused("axis of a component", split_step, code, ones, ones, 2, 0, 3, 1.0)
    refused("axes", split_step, code, ones, np.ones((1, 3)), 0, 0, 3, 1.0)


def test_no_move_drops_the_component_that_it_splits():
    """Not even where that promises most: the component is no loss, and bimodal. A promise is a number in any case."""
    look = diagnosis(diagonal_mixture([0.0, 1.0], [1.0, 1.0]), np.array([[0.0], [1.0], [1e60]]))
    assert np.isfinite(look.gains).all()
    look = diagnosis(diagonal_mixture([0.0, 0.1, 0.2], [80.0, 80.0, 81.0]), blobs()[:, 1:])
    assert (look.gains.max(axis=1) > look.losses).all()
    tried = moves(look, NONE[:3], np.zeros(3, int), NONE[:3])
    assert tried
    assert all(move.dropped != move.split for move in tried)


@pytest.mark.filterwarnings("ignore:Some components are equal")  # of EII, before the moves
@every_type
def test_the_neighbours_take_over_the_rows_of_a_dropped_component(covariance_type):
    X = blobs()
    parameters = stuck(covariance_type, refine=None).fit(X)._parameters
    left = inside.drop_component(EStep(ArraySource(X), parameters.model.layout), parameters.whitened(), 2)
    assert left.counts[2] == 0
    assert left.counts.sum() == pytest.approx(len(X), rel=1e-12)


def test_a_callback_ends_a_refinement_by_one_true_answer():
    """Moves on a sample begin by a run of their own, which no move follows then."""
    rng, moves = np.random.default_rng(0), []
    X = np.concatenate([rng.normal(m, 1, (6000, 2)) for m in ((0, 0), (3, 0), (0, 3), (4, 4), (8, 8))])

    def once(iteration):
        moves.append(iteration.move)
        return moves.count(1) == 1 and iteration.move == 1

    GaussianMixture(5, refine="split-merge", init_params="random_from_data", random_state=3).fit(X, callback=once)
    assert 1 in moves
    assert len(moves) - moves.index(1) <= 4

"""Laws of a whole fit, over the registry of covariance types: what may not change it, and what must."""

import copy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import logsumexp

import gmm
import reference
from gmm import BayesianGaussianMixture, GaussianMixture
from inside import CLASSIC, LIMITED, PARSIMONIOUS, STARTS, covariance_model
from tables import PARAMETERS, assert_same, copies, parameters, warned

K, D = 3, 2
every_type = pytest.mark.parametrize("covariance_type", [*PARSIMONIOUS, *reference.OF_FACTORS])
every_start = pytest.mark.parametrize("init_params", STARTS)

# A fit cut short by max_iter is what these tests want.
pytestmark = pytest.mark.filterwarnings("ignore:Best performing initialization")


def blobs(seed=0, n=240, d=D, grain=2.0**-6):
    """Rows of three overlapping groups, whole multiples of `grain`, so that moving them is exact."""
    rng = np.random.default_rng(seed)
    centres = rng.permutation([[-4.0, 0.0], [3.0, 3.0], [2.0, -5.0]]) @ np.eye(2, d)
    spreads = rng.uniform(0.5, 1.6, size=(3, d))
    group = rng.integers(3, size=n)
    rows = centres[group] + spreads[group] * rng.normal(size=(n, d))
    return np.round(rows / grain) * grain


def start(covariance_type, seed=0, shift=0.0, scale=1.0, d=D):
    """The same start of a fit of `blobs`, as an estimator's parameters, moved along with the rows."""
    rng = np.random.default_rng(seed + 1)
    means = np.array([[-3.0, 1.0], [2.0, 2.0], [1.0, -3.0]]) @ np.eye(2, d)
    shape = covariance_model(covariance_type).layout.shape(K, d)
    precisions = rng.uniform(0.2, 0.6, size=shape)
    if reference.shape_of(covariance_type) in ("full", "tied"):
        precisions = 0.1 + np.eye(d) * rng.uniform(0.2, 0.6)
        precisions = np.broadcast_to(precisions, shape)
    return {
        "n_components": K,
        "covariance_type": covariance_type,
        "weights_init": [0.5, 0.3, 0.2],
        "means_init": scale * means + shift,
        "precisions_init": precisions / scale**2,
    }


def assert_same_mixture(got, expected, rtol=1e-9):
    """Equal parameters, the means on the scale of the mixture's own spread."""
    np.testing.assert_allclose(got.weights_, expected.weights_, rtol=rtol, atol=rtol)
    size = np.abs(expected.means_ - expected.means_.mean(axis=0)).max()
    np.testing.assert_allclose(got.means_, expected.means_, rtol=0, atol=rtol * size)
    size = np.abs(expected.covariances_).max()
    np.testing.assert_allclose(got.covariances_, expected.covariances_, rtol=rtol, atol=rtol * size)
    np.testing.assert_allclose(got.lower_bound_, expected.lower_bound_, rtol=rtol)


def assert_same_bits(got, expected):
    assert_same(got, expected, names=(*PARAMETERS, "lower_bounds_", "lower_bound_"))


# --- The textbook, pass by pass -----------------------------------------------------------------


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("reg_covar", [0.0, 0.01])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("covariance_type", reference.CLOSED_FORMS)
def test_each_pass_is_the_textbooks(covariance_type, dtype, reg_covar, weighted):
    X = blobs(n=150).astype(dtype)
    weight = np.random.default_rng(5).uniform(0.2, 2, len(X)) if weighted else None
    given = start(covariance_type)
    covariances = covariance_model(covariance_type).layout.inverse(given["precisions_init"], D)
    weights, dense = np.array(given["weights_init"]), reference.dense(covariances, covariance_type, K, D)
    first = weights, given["means_init"], reference.constrained(dense, weights, covariance_type)
    bounds, path = reference.em(X.astype(np.float64), first, covariance_type, 12, weight=weight, reg_covar=reg_covar)
    tolerance = 1e-11 if dtype == np.float64 else 2e-5
    got = GaussianMixture(**given, tol=0, max_iter=12, reg_covar=reg_covar, acceleration=None)
    measured = []
    got.fit(X, sample_weight=weight, callback=lambda r: measured.append(r.parameters))
    np.testing.assert_allclose(got.lower_bounds_, bounds, rtol=tolerance)
    for ours, (weights, means, covariances) in zip([*measured, got._parameters], path, strict=True):
        written_out = reference.dense(ours.covariances, covariance_type, K, D)
        np.testing.assert_allclose(ours.weights, weights, rtol=10 * tolerance)
        np.testing.assert_allclose(ours.means, means, rtol=0, atol=50 * tolerance)
        np.testing.assert_allclose(written_out, covariances, rtol=0, atol=50 * tolerance)


def nearly_singular(seed):
    """Rows in which columns are copies but for noise of a millionth, and groups that are hardly there."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(40, 6)) * 10 ** rng.uniform(-2, 2, 6) + rng.integers(0, 3, 40)[:, None] * rng.integers(0, 4)
    X[:, 3:] = X[:, :3] * (1 + 1e-6 * rng.normal(size=(40, 3)))
    return X * 10 ** rng.uniform(0, 4)


@pytest.mark.filterwarnings("ignore::gmm.ConvergenceWarning")
@pytest.mark.parametrize("how", [{}, {"acceleration": None}, {"fixed": {"weights": True}}], ids=str)
@every_type
def test_no_solver_keeps_an_update_that_lowers_its_objective(covariance_type, how):
    """Where the update alone knows the ridge, the likelihood may fall by the change of ½ ridge Σ_k n_k tr Σ_k⁻¹."""
    for seed, ridge in enumerate([1e-9, 1e-6, 1e-3, 1.0] * 2):
        X, passes = nearly_singular(seed), []
        asked = {"covariance_type": covariance_type, "reg_covar": ridge, "max_iter": 25, "random_state": seed} | how
        asked |= {"weights_init": np.full(K, 1 / K)} if "fixed" in how else {}
        mixture, told = warned(GaussianMixture(K, tol=1e-9, **asked).fit, X, callback=passes.append)
        if "lost all rows" in str(told):
            continue  # a repair begins anew
        falls, allowed = -np.diff(mixture.history_.objective), np.zeros(len(passes) - 1)
        for i in range(len(falls) if how else 0):
            one, other = (each.parameters for each in passes[i : i + 2])
            dense = [reference.dense(each.covariances, covariance_type, K, 6) for each in (one, other)]
            traces = [np.trace(np.linalg.inv(each), axis1=1, axis2=2) for each in dense]
            shares = reference.responsibilities(reference.log_joint(X, one.weights, one.means, dense[0]))
            allowed[i] = ridge / 2 * (shares.mean(axis=0) @ (traces[0] - traces[1]))
        assert (falls <= np.maximum(allowed, 0) + 1e-3).all()


# --- Moving and stretching the rows -------------------------------------------------------------


MOVES = [(np.float64, shift, 1.0) for shift in (1e3, 1e7, -1e8)]
MOVES += [(np.float64, 0.0, scale) for scale in (1e-30, 1e10, 2.0**100)]
MOVES += [(np.float32, shift, 1.0) for shift in (1e3, 65536.0)]
MOVES += [(np.float32, 0.0, scale) for scale in (1e-15, 1e15)]


@pytest.mark.parametrize(("dtype", "shift", "scale"), MOVES)
@every_type
def test_rows_that_move_and_stretch_take_the_mixture_along(covariance_type, dtype, shift, scale):
    """Float32 is limited by the rounding of its input alone."""
    X, asked = blobs(), {"tol": 0, "max_iter": 25}
    rows = (X * scale + shift).astype(dtype)
    here = GaussianMixture(**start(covariance_type), **asked, reg_covar=1e-6).fit(X)
    there = GaussianMixture(**start(covariance_type, shift=shift, scale=scale), **asked, reg_covar=1e-6 * scale**2)
    there.fit(rows)
    near, density = 1e-6 if dtype is np.float64 else 5e-4, D * np.log(scale)
    np.testing.assert_allclose(np.add(there.lower_bounds_, density), here.lower_bounds_, rtol=near / 10)
    np.testing.assert_allclose(there.weights_, here.weights_, rtol=near)
    rounding = near + 4 * float(np.spacing(dtype(abs(shift)))) / scale
    np.testing.assert_allclose((there.means_.astype(float) - shift) / scale, here.means_, rtol=near, atol=rounding)
    covariances = there.covariances_.astype(float) / scale**2
    np.testing.assert_allclose(covariances, here.covariances_, rtol=near, atol=near)
    assert there.score(rows) + density == pytest.approx(here.score(X), rel=near)
    np.testing.assert_allclose(there.predict_proba(rows), here.predict_proba(X), atol=2 * near)


@every_start
@every_type
@pytest.mark.parametrize("scale", [2.0**-100, 2.0**100])
def test_the_unit_changes_nothing_of_a_default_fit(covariance_type, init_params, scale):
    X = blobs()
    asked = {"covariance_type": covariance_type, "init_params": init_params, "random_state": 3}
    here = GaussianMixture(K, reg_covar=2.0**-20, **asked).fit(X)
    there = GaussianMixture(K, reg_covar=2.0**-20 * scale**2, **asked).fit(X * scale)
    assert abs(there.n_iter_ - here.n_iter_) <= 2  # where it ends, gains are rounding
    np.testing.assert_allclose(there.means_ / scale, here.means_, rtol=1e-6)
    largest = np.abs(here.covariances_).max()  # of correlations near 0 no digits are sure
    np.testing.assert_allclose(there.covariances_ / scale**2, here.covariances_, rtol=1e-6, atol=1e-7 * largest)


# --- Order, repeats and weights -----------------------------------------------------------------


@every_type
def test_the_order_of_the_components_is_that_of_the_start(covariance_type):
    X, order, asked = blobs(), [2, 0, 1], start(covariance_type)
    of_each = slice(None) if covariance_type == "EEE" else order  # the one that all share
    here = GaussianMixture(**asked, tol=0, max_iter=20).fit(X)
    parts = {"weights_init": order, "means_init": order, "precisions_init": of_each}
    asked |= {name: np.asarray(asked[name])[some] for name, some in parts.items()}
    there = GaussianMixture(**asked, tol=0, max_iter=20).fit(X)
    np.testing.assert_allclose(there.lower_bounds_, here.lower_bounds_, rtol=1e-12)
    for name, some in zip(PARAMETERS, parts.values(), strict=True):
        np.testing.assert_allclose(getattr(there, name), getattr(here, name)[some], rtol=1e-9)
    np.testing.assert_array_equal(np.take(order, there.predict(X)), here.predict(X))


@every_start
@every_type
def test_weights_are_repeats_in_any_order_for_a_default_fit(covariance_type, init_params):
    X, rng = blobs(), np.random.default_rng(8)
    weight = rng.integers(0, 4, len(X))
    fitting = GaussianMixture(K, covariance_type=covariance_type, init_params=init_params, random_state=6)
    repeated = rng.permutation(np.repeat(X, weight, axis=0))
    expected = copy.copy(fitting).fit(repeated)
    for moved in (0, 40):  # what weighs nothing would be seen there
        X[weight == 0] += moved
        weighted = copy.copy(fitting).fit(X, sample_weight=weight)
        assert abs(weighted.n_iter_ - expected.n_iter_) <= 2 * (moved > 0)  # where it ends, gains are rounding
        assert_same_mixture(weighted, expected, rtol=1e-7)
    np.testing.assert_array_equal(weighted.predict(repeated), expected.predict(repeated))
    for name in ("score", "bic", "aic", "criteria"):
        ours = getattr(weighted, name)(X, sample_weight=weight)
        assert ours == pytest.approx(getattr(expected, name)(repeated), rel=1e-9)


@every_type
@settings(max_examples=settings.default.max_examples // 2)
@given(factor=st.floats(1e-3, 1e3))
def test_the_unit_of_the_weights_changes_nothing(covariance_type, factor):
    X, asked = blobs(), start(covariance_type) | {"tol": 0, "max_iter": 10}
    weight = np.random.default_rng(8).uniform(0.5, 2, len(X))
    got = GaussianMixture(**asked).fit(X, sample_weight=factor * weight)
    assert_same_mixture(got, GaussianMixture(**asked).fit(X, sample_weight=weight))


@every_type
def test_what_is_given_is_left_as_it_was(covariance_type):
    given = {name: np.array(values) for name, values in start(covariance_type).items() if name.endswith("_init")}
    X, weight = blobs(), np.random.default_rng(0).uniform(0.5, 2, 240)
    arrays = [X, weight, *given.values()]
    before = [values.copy() for values in arrays]
    GaussianMixture(**start(covariance_type) | given, max_iter=3).fit(X, None, weight).predict(X)
    for values, copied in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(values, copied)
        assert values.flags.writeable


# --- One thing said in two ways -----------------------------------------------------------------


@every_type
def test_the_rows_methods_agree_with_the_textbook_and_each_other(covariance_type):
    X = blobs()
    fitted = GaussianMixture(K, covariance_type=covariance_type, random_state=0).fit(X)
    joint = reference.log_joint(X, *parameters(fitted))
    evidence, of_parameters = reference.log_evidence(joint), fitted.n_parameters_ * np.log(len(X))
    np.testing.assert_allclose(fitted.score_samples(X), evidence, rtol=1e-11)
    probabilities = fitted.predict_proba(X)
    np.testing.assert_allclose(probabilities, reference.responsibilities(joint), atol=1e-11)
    np.testing.assert_array_equal(fitted.predict(X), probabilities.argmax(axis=1))
    for got, expected in (
        (fitted.score(X), evidence.mean()),
        (fitted.lower_bound_, evidence.mean()),
        (fitted.bic(X), of_parameters - 2 * evidence.sum()),
        (fitted.aic(X), 2 * fitted.n_parameters_ - 2 * evidence.sum()),
        (fitted.criteria(X)["icl"], of_parameters - 2 * joint.max(axis=1).sum()),
    ):
        assert got == pytest.approx(expected, rel=1e-12)


@every_type
def test_warm_fits_converge_where_the_one_fit_does(covariance_type):
    X, asked = blobs(), {"covariance_type": covariance_type, "random_state": 4, "tol": 1e-4}
    once = GaussianMixture(K, max_iter=200, **asked).fit(X)
    warm = GaussianMixture(K, max_iter=1, warm_start=True, **asked)
    converged = [warm.fit(X).converged_ for _ in range(once.n_iter_)]
    assert converged == [False] * (once.n_iter_ - 1) + [once.converged_]
    for _ in range(3):  # and stay there
        np.testing.assert_array_equal(warm.means_, once.means_)
        assert (warm.converged_, warm.lower_bound_) == (True, once.lower_bound_)
        assert (warm.n_iter_, warm.history_.remaining[-1]) == (1, once.history_.remaining[-1])
        warm.fit(X)
    assert not warm.set_params(tol=0).fit(X).converged_


# --- Chance -------------------------------------------------------------------------------------


@every_start
def test_a_seed_is_the_random_state_of_that_seed(init_params):
    asked = {"init_params": init_params, "n_init": 2, "max_iter": 5}
    np.random.seed(5)
    fits = [GaussianMixture(K, random_state=seed, **asked).fit(blobs()) for seed in (5, np.random.RandomState(5), None)]
    for other in fits[1:]:
        assert_same_bits(other, fits[0])


@pytest.mark.parametrize("make", [np.random.RandomState, np.random.default_rng])
def test_fits_with_one_generator_begin_at_starts_of_their_own(make):
    X, asked = blobs(), {"init_params": "random", "max_iter": 1, "tol": 0}
    mixture = GaussianMixture(K, random_state=make(5), **asked)
    first, second = (mixture.fit(X).lower_bounds_ for _ in range(2))
    assert first != second
    assert GaussianMixture(K, random_state=make(5), **asked).fit(X).lower_bounds_ == first


@pytest.mark.parametrize("covariance_type", CLASSIC)
def test_samples_are_drawn_from_the_mixture(covariance_type):
    given = reference.in_layout(np.array([[[4.0, 1.0], [1.0, 1.0]], np.eye(2)]), covariance_type)
    parts = [0.25, 0.75], [[0.0, 0.0], [50.0, 20.0]], given
    mixture = GaussianMixture.from_parameters(*parts, covariance_type=covariance_type)
    rows, labels = mixture.sample(40_000, random_state=0)
    assert (np.diff(labels) >= 0).all()
    np.testing.assert_array_equal(mixture.predict(rows), labels)
    np.testing.assert_allclose(np.bincount(labels) / 40_000, [0.25, 0.75], atol=0.01)
    for k, covariance in enumerate(reference.dense(given, covariance_type, 2, 2)):
        group = rows[labels == k]
        np.testing.assert_allclose(group.mean(axis=0), mixture.means_[k], atol=0.05)
        np.testing.assert_allclose(np.cov(group.T), covariance, atol=0.2)


# --- Features beside the ordinary mixture -------------------------------------------------------


CENTRES = np.array([[0, 0, 0], [9, -9, 0], [12, 12, 12]])
FEATURES = {
    "float32": {},
    "gaps": {"missing": "em"},
    "noise": {"noise": True},
    "a prior": {"prior": "conjugate"},
    "shared degrees of freedom": {"tails": "t"},
    "degrees of freedom of each": {"tails": "t", "degrees_of_freedom": "each"},
    "given degrees of freedom": {"tails": "t", "degrees_of_freedom": 4.5},
    "a limit": {"max_ratio": 9},
    "a fixed mean": {"fixed": {"means": [True, False, False]}, "means_init": CENTRES},
    "factors": {"covariance_type": "factor1"},
    "noise of factors": {"covariance_type": "ppca1"},
    "EM": {"acceleration": None},
    "moves": {"refine": "split-merge"},
    "starts": {"n_init": 2},
    "labels": {},
    "labels beside noise": {"noise": True},
    "a posterior": {},
    "a posterior beside noise": {"noise": True},
    "a posterior of labels": {},
    # Starts beside errors look at half of the rows, whatever these weigh: of weighted rows, at others than of repeats.
    "shared errors": {"means_init": CENTRES},
    "errors of each row": {"means_init": CENTRES},
    "errors of both kinds": {"means_init": CENTRES},
}
every_feature = pytest.mark.parametrize("feature", FEATURES)


def crowded(feature, n=300):
    """Rows of three groups in three columns, every tenth anywhere, and what a fit takes beside them; all by feature."""
    rng = np.random.default_rng(0)
    X, group = rng.normal(size=(n, 3)), rng.integers(3, size=n)
    X += CENTRES[group]
    X[::10] = rng.uniform(-20, 30, (len(X[::10]), 3))
    if feature == "gaps":
        X[np.arange(n) % 5 == 1, rng.integers(3)] = np.nan
    if "labels" in feature:
        return X, {"labels": np.where(np.arange(n) % 4 == 1, group, -1)}
    if "errors" in feature:
        errors = rng.uniform(0.1, 1, (n, 3))
        n_shared = {"shared errors": n, "errors of each row": 0, "errors of both kinds": n // 2}[feature]
        errors[:n_shared] = errors[rng.integers(2, size=n_shared)]
        return X, {"error_covariance": errors}
    return X.astype(np.float32) if feature == "float32" else X, {}


def of_feature(feature, X, beside, **how):
    asked = {"n_components": K, "covariance_type": "full", "random_state": 0} | FEATURES[feature] | how
    return (BayesianGaussianMixture if "posterior" in feature else GaussianMixture)(**asked).fit(X, **beside)


def beside_rows(beside):
    """Of what a fit takes, what a look at the rows takes again."""
    return {name: values for name, values in beside.items() if name != "labels"}


def assert_same_fit(got, expected):
    assert_same_bits(got, expected)
    assert got.noise_weight_ == expected.noise_weight_
    np.testing.assert_array_equal(got.degrees_of_freedom_, expected.degrees_of_freedom_)


@pytest.mark.usefixtures("_small_chunks")
@pytest.mark.parametrize("covariance_type", ["full", "diag"])
@every_feature
def test_threads_and_blocks_change_no_bit_of_a_feature(feature, covariance_type):
    (X, beside), how = crowded(feature, 20_000), {"max_iter": 3, "tol": 0}
    how |= {"covariance_type": covariance_type} if "covariance_type" not in FEATURES[feature] else {}
    how |= {"acceleration": None} if "errors" in feature else {}  # without the prior, whose sums are of chunks
    one, many = (of_feature(feature, X, beside, n_threads=n, **how) for n in (1, 3))
    blocks = gmm.open_rows(lambda: np.array_split(X, 5))
    for other in (many, of_feature(feature, blocks, beside, **how)):
        assert_same_fit(other, one)
    for rows in (X, blocks):
        scores = many.score_samples(rows, **beside_rows(beside))
        np.testing.assert_array_equal(scores, one.score_samples(X, **beside_rows(beside)))


@every_feature
def test_weights_are_repeats_in_any_order_beside_a_feature(feature):
    (X, beside), rng = crowded(feature), np.random.default_rng(8)
    weight, how = rng.integers(0, 4, len(X)), {"tol": 1e-7, "max_iter": 1000}
    X[weight == 0] += 40  # would be seen
    weighted = of_feature(feature, X, beside | {"sample_weight": weight}, **how)
    index = rng.permutation(np.repeat(np.arange(len(X)), weight))
    repeated = of_feature(feature, X[index], {name: values[index] for name, values in beside.items()}, **how)
    near = 1e-3 if feature == "float32" or "errors" in feature or "posterior" in feature else 1e-5
    assert_same_mixture(weighted, repeated, rtol=near)
    assert weighted.noise_weight_ == pytest.approx(repeated.noise_weight_, abs=near)
    np.testing.assert_allclose(weighted.degrees_of_freedom_, repeated.degrees_of_freedom_, rtol=1e-2)


@pytest.mark.parametrize("max_iter", [0, 1, 100])
@pytest.mark.parametrize("feature", [*FEATURES, *PARSIMONIOUS])
def test_a_saved_mixture_comes_back_bit_for_bit(feature, max_iter):
    (X, beside), how = crowded(feature), {"max_iter": max_iter}
    how |= {} if feature in FEATURES else {"covariance_type": feature}
    fitted = of_feature(feature if feature in FEATURES else "float32", X, beside, **how)
    beside = beside_rows(beside)
    for again in copies(fitted):
        assert_same_fit(again, fitted)
        start = {name: given for name, given in again.get_params().items() if name == "means_init"}
        assert again.get_params() == fitted.get_params() | start  # which no file keeps
        assert (again.history_, again.n_parameters_) == (fitted.history_, fitted.n_parameters_)
        np.testing.assert_array_equal(again.predict_proba(X, **beside), fitted.predict_proba(X, **beside))
        assert again.predict_proba(X, **beside).dtype == X.dtype
        assert again.score(X, **beside) == fitted.score(X, **beside)


OTHER_CLIMBS = {"float32", "moves", "EM"}  # of which other laws say when they fall
OTHER_CLIMBS |= {feature for feature in FEATURES if "errors" in feature or "posterior" in feature}
CLIMBS = [
    (feature, name)
    for feature in FEATURES
    for name in (LIMITED if feature == "a limit" else PARSIMONIOUS)
    if feature not in OTHER_CLIMBS and ("covariance_type" not in FEATURES[feature] or name == "VVV")
]


@pytest.mark.parametrize(("feature", "covariance_type"), CLIMBS)
def test_no_pass_beside_a_feature_falls_and_both_solvers_end_alike(feature, covariance_type):
    (X, beside), how = crowded(feature), {"max_iter": 20_000, "reg_covar": 0}
    how |= {"covariance_type": covariance_type} if "covariance_type" not in FEATURES[feature] else {}
    fast, slow = (
        of_feature(feature, X, beside, acceleration=acceleration, tol=tol, **how)
        for acceleration, tol in (("auto", 1e-10), (None, 1e-12))
    )
    for fit in (fast, slow):
        assert fit.converged_
        assert np.diff(fit.history_.objective).min(initial=0) > -1e-10
    assert fast.lower_bound_ > slow.lower_bound_ - 1e-5
    if fast.lower_bound_ < slow.lower_bound_ + 1e-9:
        assert fast.n_iter_ <= max(slow.n_iter_, 20)
        if feature != "degrees of freedom of each":  # of which the likelihood may be flat
            np.testing.assert_allclose(fast.degrees_of_freedom_, slow.degrees_of_freedom_, rtol=3e-2)


NOTHING = [{"missing": "em"}, {"noise": False}, {"prior": None}, {"tails": "normal"}]
NOTHING += [{"fixed": {"weights": False, "means": [False] * K}}, {"max_ratio": np.inf}]


@pytest.mark.parametrize("how", [{}, {"acceleration": None}, {"refine": "split-merge"}], ids=str)
@pytest.mark.parametrize("covariance_type", LIMITED)
def test_features_that_ask_for_nothing_are_the_ordinary_fit(covariance_type, how):
    X, weight = blobs(), np.random.default_rng(5).uniform(0.2, 2, 240)
    how = how | {"covariance_type": covariance_type, "random_state": 0}
    plain = GaussianMixture(K, **how).fit(X, sample_weight=weight)
    for nothing in NOTHING:
        asked = GaussianMixture(K, **nothing | how).fit(X, sample_weight=weight)
        assert_same_bits(asked, plain)
        assert asked.n_parameters_ == plain.n_parameters_
        np.testing.assert_array_equal(asked.score_samples(X), plain.score_samples(X))


@pytest.mark.parametrize("covariance_type", [*PARSIMONIOUS, *reference.OF_FACTORS])
@pytest.mark.parametrize("how", [{}, {"tails": "t"}, {"missing": "em"}], ids=["normal", "heavy tails", "gaps"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_densities_of_components_add_up_to_that_of_the_rows(covariance_type, how, dtype):
    rows = blobs(d=3).astype(dtype)
    if "missing" in how:
        rows[::5, 1] = np.nan
    mixture = GaussianMixture(K, covariance_type=covariance_type, max_iter=3, random_state=0, **how).fit(rows)
    log_densities = mixture.component_log_density(rows)
    assert log_densities.dtype == dtype
    rtol = 1e-12 if dtype == np.float64 else 1e-5
    np.testing.assert_allclose(logsumexp(log_densities, axis=1, b=mixture.weights_), mixture.score_samples(rows), rtol)

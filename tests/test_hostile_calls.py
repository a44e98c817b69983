"""Whatever is passed to the public API, it is an error that the documentation names, or the answer is right.

No other exception, none of Python's or numpy's own, no warning but the package's, no NaN, no crash. A run of the tests
draws the same 20 times so many inputs as `EACH` says; ``nox -s fuzz`` draws others, and as many as one likes.
"""

import pickle
import traceback
import warnings

import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

import gmm
from fuzz_files import saved, scores, use_mixture
from gmm import BayesianGaussianMixture, GaussianMixture, NormalInverseWishart
from inside import COVARIANCE_TYPES

EACH = 3  # times the examples of hypothesis' profile
often = settings(max_examples=EACH * settings.default.max_examples)

# --- What is passed -----------------------------------------------------------------------------

EXTREMES = (np.nan, np.inf, -np.inf, 0.0, -0.0, 1e308, -1e308, 1e200, 1e154, 1e-154, 1e-200, 5e-324, 1e16, -1e38, 3e38)
DTYPES = ("f8",) * 4 + ("f4", "f4", "f2", "g", "i8", "i1", "u1", "u8", "?", ">f8", ">f4", "O", "c16", "U8", "M8[s]")
SCALES = (1.0, 1.0, 1.0, 1e-3, 1e3, 1e8, 1e-8, 1e-30, 1e30, 1e-160, 1e150, 0.0)
JUNK = (None, True, -1, 0, 1, 2, 3, 10**30, 0.5, -0.5, np.nan, np.inf, "x", "", "full", b"x", (), [], {}, [1], object())
JUNK += (1j, np.int8(2), np.float32(1), np.array(2), np.array([1, 2]), np.zeros((0, 2)), np.ma.masked, print)
VIEWS = {
    "C": lambda X: X,
    "Fortran": np.asfortranarray,
    "backwards": lambda X: X[::-1, ::-1],
    "every other": lambda X: np.repeat(np.repeat(X, 2, axis=0), 2, axis=1)[::2, ::2],
    "one row for all": lambda X: np.broadcast_to(X[:1], X.shape) if len(X) else X,
    "not aligned": lambda X: unaligned(X),
    "list": lambda X: X.tolist(),
    "masked": lambda X: np.ma.masked_array(X, np.zeros(X.shape, bool), fill_value=0),  # numpy's 1e20 is no float16
    "flat": lambda X: X.ravel(),
    "deep": lambda X: X[None],
    "transposed": lambda X: X.T,
}
ORDINARY = ("C", "C", "C", "C", "Fortran", "backwards", "every other", "not aligned", "list")


def unaligned(X):
    room = np.zeros(X.nbytes + 1, np.uint8)
    moved = room[1:].view(X.dtype) if X.dtype.kind not in "O" else X.copy()
    moved = moved.reshape(X.shape)
    moved[...] = X
    return moved


@st.composite
def tables(draw, rows=range(13), columns=(0, *(1, 2, 3, 4) * 5)):
    """Numbers of (rows, columns) with a few extremes, of any type and in any place in memory."""
    n, d = draw(st.sampled_from(rows)), draw(st.sampled_from(columns))
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    X = rng.normal(size=(n, d)) + 6 * rng.integers(0, 2, size=(n, 1))
    match draw(st.integers(0, 9)):
        case 0:
            X = np.round(X)
        case 1:
            X[:] = X[:1]
        case 2:
            X[:, :1] = 1.5
        case 3:
            X = X[:, :1] * np.arange(1, d + 1)
    X = X * draw(st.sampled_from(SCALES)) + draw(st.sampled_from((0.0, 0.0, 0.0, 1.0, 1e8, -1e15)))
    for _ in range(draw(st.sampled_from((0, 0, 0, 1, 2))) if X.size else 0):
        X.flat[draw(st.integers(0, X.size - 1))] = draw(st.sampled_from(EXTREMES))
    view = draw(st.sampled_from(ORDINARY) | st.sampled_from(sorted(VIEWS)))
    return VIEWS[view](cast(X, draw(st.sampled_from(DTYPES))))


def cast(X, dtype):
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return X.astype(dtype)


plain = st.builds(
    lambda seed, n, d: np.random.default_rng(seed).normal(size=(n, d)),
    st.integers(0, 2**16), st.integers(2, 12), st.integers(1, 4),
)  # fmt: skip


def mostly(usual, else_):
    return st.integers(0, 7).flatmap(lambda number: usual if number else else_)


any_rows = mostly(st.one_of(plain, plain, tables()), st.sampled_from(JUNK))


@st.composite
def weights_of(draw, n):
    kind = draw(st.integers(0, 9))
    if kind < 6:
        return None
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    w = rng.random(max(n + draw(st.sampled_from((0, 0, 0, 0, -1, 1))), 0)) * draw(st.sampled_from(SCALES))
    if kind == 6 and w.size:
        w[0] = 0
    if kind == 7 and w.size:
        for _ in range(draw(st.integers(1, 4))):
            w[draw(st.integers(0, w.size - 1))] = draw(st.sampled_from((*EXTREMES, 1e30, 1e-60, -1.0)))
    if kind == 8:
        w = cast(w, draw(st.sampled_from(("f4", "f2", "g", "?", "O", ">f8", "c16"))))
    return draw(st.sampled_from(JUNK)) if kind == 9 else w[::-1]


positive = st.sampled_from((0.0, 1e-300, 1e-12, 1e-6, 1e-3, 1.0, 10.0, 1e6, 1e200, 1e308))
small = st.sampled_from((None, 0.0, 1e-6, 0.1, 1.0, 3.0, 50.0, 1e6, 1e-200, 1e200))
fragments = tables(range(1, 5), range(1, 5))  # for what is given: of the right shape, or nearly
priors = st.builds(
    NormalInverseWishart, mean=st.none() | fragments.map(np.ravel), shrinkage=small, dof=small, scale=small | fragments,
)  # fmt: skip
types = st.sampled_from(COVARIANCE_TYPES)
COMMON = {
    "covariance_type": types,
    "tol": positive,
    "reg_covar": st.sampled_from((0.0, 1e-6, 1e-6, 1e-3, 1.0, 1e-300, 1e300)),
    "max_iter": st.integers(0, 12),
    "n_init": st.integers(1, 3),
    "init_params": st.sampled_from(("kmeans", "k-means++", "random", "random_from_data", "hierarchical")) | fragments,
    "random_state": st.integers(0, 5),
    "warm_start": st.booleans(),
    "n_threads": st.sampled_from((None, 1, 2)),
    "acceleration": st.sampled_from(("auto", None)),
}
PARAMETERS = {
    GaussianMixture: COMMON
    | {
        "weights_init": fragments.map(np.ravel) | st.sampled_from(([0.5, 0.5], [1.0], [0.2, 0.3, 0.5], [1, 0])),
        "means_init": fragments,
        "precisions_init": fragments | st.just(np.eye(2)),
        "refine": st.sampled_from((None, "split-merge")),
        "prior": st.none() | st.just("conjugate") | priors,
        "tails": st.sampled_from(("normal", "t", "contaminated")),
        "degrees_of_freedom": st.sampled_from((None, 1.0, 2.5, 200.0, "each")),
        "trim": st.sampled_from((0.0, 0.1, 0.5, 0.999, 1e-300)),
        "max_ratio": st.sampled_from((None, 1.0, 12.0, 1e300)),
    },
    BayesianGaussianMixture: COMMON
    | {
        "weight_concentration_prior_type": st.sampled_from(("dirichlet_process", "dirichlet_distribution")),
        "weight_concentration_prior": small,
        "mean_precision_prior": small,
        "mean_prior": fragments.map(np.ravel),
        "degrees_of_freedom_prior": small,
        "covariance_prior": small | fragments,
    },
}


@st.composite
def parameters_of(draw, cls, at_most=3):
    known = PARAMETERS[cls]
    names = draw(st.lists(st.sampled_from(sorted(known)), max_size=at_most, unique=True))
    chosen = {"n_components": draw(st.integers(1, 4)), "max_iter": 12, "random_state": 0}
    chosen |= {name: draw(known[name]) for name in names}
    if draw(st.integers(0, 9)) == 0:
        chosen[draw(st.sampled_from(sorted({*known, "n_components"})))] = draw(st.sampled_from(JUNK))
    for name, most in {"n_init": 3, "max_iter": 12}.items():
        if isinstance(number := chosen.get(name), int) and number > most:
            del chosen[name]  # which would be done
    return chosen


@st.composite
def fits(draw, cls):
    X = draw(any_rows)
    return draw(parameters_of(cls)), X, draw(weights_of(len(X) if np.ndim(X) else 3))


# --- What comes back ----------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def some_calls_are_answered(request):
    """Else a law of the answers would hold where everything is refused."""
    ANSWERED.clear()
    yield
    assert any(ANSWERED) or len(ANSWERED) < 40 or request.node.name == "test_what_is_no_file"


ANSWERED = []  # whether each call of a test was
EXPECTED = (
    "(class|classes) .* no row|No row has values in both|(All columns|Column.s. .*) are constant|X (has|does)|"
    "A column-vector y|The weights add up|reg_covar=.* hides|.*[Cc]omponents?"
)


def answer(call, *given, **named):
    """What a call returns; None where it refuses in words. Only the package's own warnings may come."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", category=gmm.ConvergenceWarning)
        warnings.filterwarnings("ignore", EXPECTED, UserWarning)
        try:
            result = call(*given, **named)
            ANSWERED.append(result is not None)
            return result
        except (ValueError, TypeError) as error:
            ANSWERED.append(False)
            place = traceback.extract_tb(error.__traceback__)[-1]
            said = place.filename.endswith(".pyx") or place.line.startswith("raise ")
            if len(str(error)) < 10 or not said:
                raise AssertionError(f"a {type(error).__name__} that is not said in words of this package") from error
            return None


def assign(mixture, name, values):
    try:
        setattr(mixture, name, values)
    except AttributeError as error:  # as of every property without a setter
        raise TypeError(str(error)) from error


def finite(values):
    return bool(np.isfinite(values).all())


def is_right(mixture):
    """A fitted mixture is one, also where its numbers are, and its copies give the same."""
    use_mixture(mixture)
    assert finite(mixture.precisions_cholesky_)
    X = np.concatenate([mixture.means_, np.zeros((1, mixture.n_features_in_)), mixture.means_[:1] + 1.0])
    proba = scores(mixture, X)
    for again in (reloaded(mixture), pickle.loads(pickle.dumps(mixture)), mixture.freeze()):
        np.testing.assert_array_equal(again.predict_proba(X), proba)


def reloaded(what):
    return gmm.load(saved(what))


# --- Each call ----------------------------------------------------------------------------------

CLASSES = sorted(PARAMETERS, key=lambda cls: cls.__name__)
each_class = pytest.mark.parametrize("cls", CLASSES)


@each_class
@given(data=st.data())
@often
def test_fit(cls, data):
    parameters, X, weight = data.draw(fits(cls))
    mixture = answer(cls(**parameters).fit, X, sample_weight=weight)
    event("refused" if mixture is None else "fitted")
    if mixture is not None:
        is_right(mixture)
        answer(scores, mixture, X)
        if cls is GaussianMixture:
            values = [mixture.bic(X, weight), mixture.aic(X, weight), *mixture.criteria(X, weight).values()]
            assert not np.isnan(values).any()


@each_class
@given(data=st.data())
@often
def test_predict(cls, data):
    rng = np.random.default_rng(0)
    mixture = cls(n_components=2, random_state=0, tol=10.0).fit(rng.normal(size=(20, 2)))
    X = data.draw(st.one_of(tables(columns=[2]), tables(columns=[2]), any_rows))
    event("refused" if answer(scores, mixture, X) is None else "scored")
    if cls is BayesianGaussianMixture:
        density = data.draw(st.sampled_from(("plug-in", "predictive", "", None, 3)))
        values = answer(mixture.score_samples, X, density=density)
        assert values is None or not np.isnan(values).any()


@each_class
@given(data=st.data())
@often
def test_a_life(cls, data):
    """Whatever was called before, and refused or not, the next call is as right."""
    mixture = cls(n_components=2, random_state=0, max_iter=5)
    for _ in range(data.draw(st.integers(2, 5))):
        match data.draw(st.integers(0, 6)):
            case 0 | 1:
                answer(mixture.fit, data.draw(any_rows))
            case 2:
                answer(mixture.set_params, **data.draw(parameters_of(cls)))
            case 3:
                name = data.draw(st.sampled_from(("weights_", "means_", "covariances_", "precisions_cholesky_")))
                answer(assign, mixture, name, data.draw(fragments.map(np.ravel) | fragments))
            case 4:
                answer(mixture.predict_proba, data.draw(any_rows))
            case 5:
                mixture = pickle.loads(pickle.dumps(mixture))
            case 6:
                answer(mixture.sample, data.draw(st.sampled_from(JUNK[:8])))
    if hasattr(mixture, "weights_"):
        is_right(mixture.set_params(**cls().get_params()))  # a file holds the parameters, which must be right


@given(fragments.map(np.ravel), fragments, tables(range(1, 4), range(1, 5)), types, st.booleans())
@often
def test_from_parameters(weights, means, covariances, name, right):
    if right:  # of the right shapes, with whatever numbers
        K, d = np.shape(means) if np.ndim(means) == 2 else (1, 1)
        weights = np.full(K, 1 / K)
        covariances = covariances_of(name, np.eye(d + 1, d) + 1, K) if d else covariances
    mixture = answer(GaussianMixture.from_parameters, weights, means, covariances, covariance_type=name)
    event("refused" if mixture is None else "made")
    if mixture is not None:
        is_right(mixture)
        answer(scores, mixture, means)


def covariances_of(name, X, K):
    """The covariance of some rows, K times where components have one each."""
    covariances = GaussianMixture(covariance_type=name).fit(X).covariances_
    return np.concatenate([covariances] * K) if len(covariances) == 1 else covariances


columns = st.sampled_from((0, [1], [2, 0], (0, 1), "a", ["a"], range(3), [0, 0], [3], -1, *JUNK))
known = st.dictionaries(
    st.sampled_from((0, 1, 2, 0, 1, 2, -1, "a", 3, 1.5)), st.sampled_from((*EXTREMES, 1.0, None, "x")), max_size=3
)


@given(types, columns, known, st.one_of(tables(columns=[1, 2]), any_rows))
@often
def test_some_columns(name, columns, values, X):
    means = np.array([[0.0, 1.0, -2.0], [5.0, 1.0, 1e6]])
    covariances = covariances_of(name, [[0, 0, 0], [1, 0, 0], [1, 2, 1], [0, 2, 4]], 2)
    mixture = GaussianMixture.from_parameters([0.5, 0.5], means, covariances, covariance_type=name)
    for part in (answer(mixture.marginal, columns), answer(mixture.condition, values)):
        event("refused" if part is None else "made")
        if part is not None:
            is_right(part)
    predicted = answer(mixture.predict_from, X, columns, level=0.5)
    if predicted is not None:
        assert all(finite(part) for part in predicted[1:])


outputs = st.one_of(st.none(), st.none(), tables(), st.sampled_from(JUNK))


@given(st.one_of(tables(columns=[3]), any_rows), outputs, st.sampled_from((1, 1, 2, None, 0, -1, 1.5, "x")))
@often
def test_a_frozen_mixture(X, out, n_threads):
    covariances = [[1, 1, 1], [2, 2, 2]]
    frozen = GaussianMixture.from_parameters([0.5, 0.5], np.eye(2, 3), covariances, covariance_type="diag").freeze()
    for method in (frozen.predict, frozen.predict_proba, frozen.score_samples, frozen.log_joint):
        found = answer(method, X, out=out, n_threads=n_threads)
        if found is not None:
            found, rows = np.asarray(found), np.isfinite(np.asarray(X)).all(axis=1)
            assert np.isnan(found[~rows]).all() if found.dtype.kind == "f" else (found[~rows] == -1).all()
            assert not np.isnan(found[rows]).any() if found.dtype.kind == "f" else (found[rows] >= 0).all()


@given(data=st.data())
@settings(max_examples=settings.default.max_examples)
def test_select(data):
    X = data.draw(st.one_of(plain, any_rows))
    counts = data.draw(mostly(st.lists(st.integers(1, 4), min_size=1, max_size=3), st.sampled_from(JUNK)))
    names = data.draw(mostly(st.lists(types, min_size=1, max_size=3), st.sampled_from(JUNK)))
    criterion = data.draw(mostly(st.sampled_from(("bic", "aic", "aicc", "icl", "nec")), st.sampled_from(JUNK)))
    asked = st.sampled_from(("reg_covar", "prior", "tol", "acceleration", "refine", "max_iter", "init_params"))
    how = {name: data.draw(PARAMETERS[GaussianMixture][name]) for name in data.draw(st.sets(asked, max_size=2))}
    how["max_iter"] = min(how.get("max_iter", 12), 12)
    weight = data.draw(weights_of(len(X) if np.ndim(X) else 3))
    found = answer(gmm.select, X, counts, names, criterion=criterion, random_state=0, sample_weight=weight, **how)
    event("refused" if found is None else "found")
    if found is not None:
        assert not np.isnan(found.columns()[criterion][found.best_index])
        is_right(found.best)
        assert found._repr_html_()
        assert reloaded(found).best_index == found.best_index


@given(data=st.data())
@settings(max_examples=settings.default.max_examples)
def test_what_refits(data):
    parameters, X, weight = data.draw(fits(GaussianMixture))
    mixture = GaussianMixture(**parameters)
    n = data.draw(st.integers(0, 4))
    held_out = answer(gmm.inference.held_out_log_likelihood, mixture, X, n_splits=n, sample_weight=weight)
    assert held_out is None or not np.isnan(held_out.mean)
    test = answer(gmm.inference.bootstrap_lrt, X, data.draw(st.integers(0, 3)), n_replicates=2, random_state=0)
    assert test is None or 0 <= test.p_value <= 1
    methods = st.sampled_from(("weighted-bootstrap", "bootstrap", "information"))
    how = {"method": data.draw(mostly(methods, st.sampled_from(JUNK))), "n_replicates": 3, "random_state": 0}
    errors = answer(lambda: gmm.inference.standard_errors(mixture.fit(X), X, weight, **how))
    assert errors is None or all(finite(part) for part in (errors.weights, errors.means, errors.covariances))
    steps = answer(lambda: list(gmm.em.steps(X, data.draw(st.integers(0, 3)), max_iter=4, random_state=0)))
    assert steps is None or all(finite(step.responsibilities) for step in steps if step.responsibilities is not None)

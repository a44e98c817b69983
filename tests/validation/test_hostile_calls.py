"""Whatever is passed to the public API, it is an error that the documentation names, or the answer is right.

No other exception, none of Python's or numpy's own, no warning but the package's, no NaN, no crash. A run of the tests
draws the same inputs, for some tests `EACH` times as many; ``nox -s fuzz`` draws others, and as many as one likes.
"""

import pickle
import traceback
import warnings
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gmm
from fuzz_files import are_shares, scores, use_mixture
from gmm import BayesianGaussianMixture, GaussianMixture, NormalInverseWishart
from inside import CLASSIC, COVARIANCE_TYPES, CRITERIA
from tables import cases, copies, refused, reloaded

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
    moved = np.zeros(X.nbytes + 1, np.uint8)[1:].view(X.dtype).reshape(X.shape) if X.dtype.kind != "O" else X.copy()
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


def mostly(usual, else_):
    """What is right, with few exceptions: a call of many arguments is refused if any is wrong."""
    return st.integers(0, 11).flatmap(lambda number: usual if number else else_)


@st.composite
def groups(draw, rows=(8, 25)):
    """Rows that a mixture can be fitted to."""
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    n, d = draw(st.integers(*rows)), draw(st.integers(1, 3))
    return rng.normal(size=(n, d)) + 6 * rng.integers(0, 2, size=(n, 1))


junk = st.sampled_from(JUNK)
any_rows = mostly(st.one_of(groups((2, 12)), groups(), tables()), junk)


@st.composite
def length_of(draw, X, right=4):
    """The number of the rows, or now and then one less or more."""
    n = len(X) if np.ndim(X) else 3
    return max(n + draw(st.sampled_from((0,) * right + (-1, 1))), 0)


@st.composite
def weights_of(draw, X):
    kind = draw(st.integers(0, 9))
    if kind < 6:
        return None
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    w = rng.random(draw(length_of(X))) * draw(st.sampled_from(SCALES))
    if kind == 6:
        w[:1] = 0
    for _ in range(draw(st.integers(1, 4)) if kind == 7 and w.size else 0):
        w[draw(st.integers(0, w.size - 1))] = draw(st.sampled_from((*EXTREMES, 1e30, 1e-60, -1.0)))
    if kind == 8:
        w = cast(w, draw(st.sampled_from(("f4", "f2", "g", "?", "O", ">f8", "c16"))))
    return draw(junk) if kind == 9 else w[::-1]


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
        "tails": st.sampled_from(("normal", "t")),
        "degrees_of_freedom": st.sampled_from((None, 1.0, 2.5, 200.0, "each")),
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
        chosen[draw(st.sampled_from(sorted({*known, "n_components"})))] = draw(junk)
    for name, most in {"n_init": 3, "max_iter": 12}.items():
        if isinstance(number := chosen.get(name), int) and number > most:
            del chosen[name]  # which would be done
    return chosen


@st.composite
def fits(draw, cls):
    X = draw(any_rows)
    return draw(parameters_of(cls)), X, draw(weights_of(X))


@st.composite
def modest(draw, cls):
    """Parameters of which at most one is hostile, mostly none."""
    chosen = {"n_components": draw(st.integers(1, 4)), "max_iter": 12, "random_state": 0}
    chosen["covariance_type"] = draw(types if cls is GaussianMixture else st.sampled_from(CLASSIC))
    return chosen | (draw(parameters_of(cls, 1)) if draw(st.integers(0, 5)) == 5 else {})


noise = st.sampled_from((False, True, True, 0.3, 0.999, 1e-300, [[-9, -9], [9, 9]])) | fragments
missing = st.sampled_from(("error", "em", "em", "em"))


@st.composite
def with_gaps(draw):
    """Rows of which some values are missing, up to whole rows and columns of them."""
    X = draw(groups()) * draw(st.sampled_from(SCALES[:7])) + draw(st.sampled_from((0.0, 0.0, 1e8)))
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    X[rng.random(X.shape) < draw(st.sampled_from((0.1, 0.3, 0.6)))] = np.nan
    if draw(st.booleans()):
        X[np.isnan(X).all(axis=1)] = 0.5
    X[:, 0] = draw(mostly(st.just(X[:, 0]), st.just(np.nan)))
    X[0, -1] = draw(mostly(st.just(X[0, -1]), st.sampled_from(EXTREMES)))
    return cast(X, draw(st.sampled_from(("f8", "f8", "f4"))))


@st.composite
def labels_of(draw, X):
    """Classes of some rows, or what is none."""
    right = (((0, 1), -1), ((0, 1, 2), -1), (("a", "b"), None), ((0.0, 1.0), np.nan), ((True, False), None))
    odd = st.sampled_from(((5, 5), (0, "a"), (10**30,), (0, 1), (b"x", "x"), (True, False)))
    known, unknown = draw(mostly(st.sampled_from(right), st.tuples(odd, st.sampled_from((-1, None, np.nan, "", -2)))))
    rng, n = np.random.default_rng(draw(st.integers(0, 2**16))), draw(length_of(X, 20))
    share = draw(st.sampled_from((0.3, 0.8, 1.0, 0.0)))
    given_ = [known[rng.integers(len(known))] if rng.random() < share else unknown for _ in range(n)]
    odd = {13: np.array(given_, dtype=object), 14: draw(junk), 15: [[value] for value in given_]}
    return odd.get(draw(st.integers(0, 15)), given_)


@st.composite
def errors_of(draw, n, d):
    """Covariances of the errors of n rows of d columns, or what are none."""
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    shape = draw(st.sampled_from(((d,), (d, d), (n, d), (n, d, d), (n, d), (n, d, d), (n + 1, d), (d + 1,))))
    errors = rng.random(shape)
    if shape[-2:] == (d, d) and len(shape) != 1 + (n == d):
        roots = rng.normal(size=(*shape[:-1], draw(st.integers(1, max(d, 1)))))
        errors = roots @ roots.swapaxes(-1, -2)
    errors = errors * draw(st.sampled_from((*SCALES, 1e17)))
    if draw(st.integers(0, 9)) == 9 and errors.size:
        errors.flat[draw(st.integers(0, errors.size - 1))] = draw(st.sampled_from(EXTREMES))
    return draw(mostly(st.just(errors), junk))


some_types = st.lists(types, min_size=1, max_size=3)


# --- What comes back ----------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def some_calls_are_answered():
    """Else a law of the answers would hold where everything is refused."""
    ANSWERED.clear()
    yield
    assert any(ANSWERED) or len(ANSWERED) < 40


ANSWERED = []  # whether each call of a test was
EXPECTED = "Some (classes|columns)|Rows of class -1|X (has|does)|A column-vector y|The weights |reg_covar hides"
EXPECTED += "|.*[Cc]omponents?"


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
            said = place.filename.endswith((".pyx", ".pxi")) or place.line.startswith("raise ")
            if len(str(error)) < 10 or not said:
                raise AssertionError(f"a {type(error).__name__} that is not said in words of this package") from error
            return None


def finite(values):
    return bool(np.isfinite(values).all())


def has_numbers(found, *names):
    """Whether there is an answer, which is finite then, or all attributes of it that are named."""
    assert found is None or all(map(finite, [getattr(found, name) for name in names] or [found]))
    return found is not None


def is_right(mixture):
    """A fitted mixture is one, also where its numbers are, and its copies give the same."""
    use_mixture(mixture)
    assert finite(mixture.precisions_cholesky_)
    X = np.concatenate([mixture.means_, np.zeros((1, mixture.n_features_in_)), mixture.means_[:1] + 1.0])
    proba = scores(mixture, X)
    for again in (*copies(mixture), mixture.freeze()):
        np.testing.assert_array_equal(again.predict_proba(X), proba)


def is_mixture(mixture, X):
    """A fitted mixture of any kind is one, and so are its copies, whatever its rows."""
    answer(mixture.freeze)
    answer(use_mixture, mixture)
    proba = answer(scores, mixture, X)
    for other in copies(mixture):
        if proba is not None:
            np.testing.assert_array_equal(other.predict_proba(X), proba)


# --- Each call ----------------------------------------------------------------------------------

each_class = pytest.mark.parametrize("cls", sorted(PARAMETERS, key=lambda cls: cls.__name__))


@each_class
@given(data=st.data())
@often
def test_fit(cls, data):
    parameters, X, weight = data.draw(fits(cls))
    if mixture := answer(cls(**parameters).fit, X, sample_weight=weight):
        is_right(mixture)
        answer(scores, mixture, X)
        if cls is GaussianMixture:
            values = [mixture.bic(X, weight), mixture.aic(X, weight), *mixture.criteria(X, weight).values()]
            assert not np.isnan(values).any()


@each_class
@given(data=st.data())
@often
def test_predict(cls, data):
    mixture = cls(n_components=2, random_state=0, tol=10.0).fit(np.random.default_rng(0).normal(size=(20, 2)))
    X = data.draw(st.one_of(tables(columns=[2]), tables(columns=[2]), any_rows))
    answer(scores, mixture, X)
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
                with suppress(AttributeError):  # as of every property without a setter
                    answer(setattr, mixture, name, data.draw(fragments.map(np.ravel) | fragments))
            case 4:
                answer(mixture.predict_proba, data.draw(any_rows))
            case 5:
                mixture = pickle.loads(answer(pickle.dumps, mixture) or pickle.dumps(cls()))
            case 6:
                answer(mixture.sample, data.draw(st.sampled_from(JUNK[:8])))
    if answer(getattr, mixture, "n_parameters_", None):  # weights alone may have been assigned, or no mixture
        is_right(mixture.set_params(**cls().get_params()))  # a file holds the parameters, which must be right


@given(fragments.map(np.ravel), fragments, tables(range(1, 4), range(1, 5)), types, st.booleans())
@often
def test_from_parameters(weights, means, covariances, name, right):
    if right:  # of the right shapes, with whatever numbers
        K, d = np.shape(means) if np.ndim(means) == 2 else (1, 1)
        weights = np.full(K, 1 / K)
        covariances = covariances_of(name, np.eye(d + 1, d) + 1, K) if d else covariances
    mixture = answer(GaussianMixture.from_parameters, weights, means, covariances, covariance_type=name)
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
    for part in filter(None, (answer(mixture.marginal, columns), answer(mixture.condition, values))):
        is_right(part)
    predicted = answer(mixture.predict_from, X, columns, level=0.5)
    assert predicted is None or all(map(finite, predicted[1:]))


outputs = st.one_of(st.none(), st.none(), tables(), junk)


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
def test_what_refits(data):
    parameters, X, weight = data.draw(fits(GaussianMixture))
    how = {"n_splits": data.draw(st.integers(0, 4)), "sample_weight": weight}
    held_out = answer(gmm.inference.held_out_log_likelihood, GaussianMixture(**parameters), X, **how)
    assert held_out is None or not np.isnan(held_out.mean)
    test = answer(gmm.inference.bootstrap_lrt, X, data.draw(st.integers(0, 3)), n_replicates=2, random_state=0)
    assert test is None or 0 <= test.p_value <= 1
    steps = answer(lambda: list(gmm.em.steps(X, data.draw(st.integers(0, 3)), max_iter=4, random_state=0)))
    assert all(has_numbers(step, "counts") for step in steps or ())


EXTRAS = [(GaussianMixture, kind) for kind in ("noise", "gaps", "errors", "classes")]


@pytest.mark.parametrize(("cls", "kind"), [*EXTRAS, (BayesianGaussianMixture, "gaps")])
@given(data=st.data())
def test_what_fits_take(cls, kind, data):
    draw, how, parameters = data.draw, {}, data.draw(modest(cls))
    has_gaps = kind == "gaps" or (kind != "noise" and draw(st.integers(0, 2)) == 2)
    if has_gaps:
        parameters["missing"] = draw(mostly(missing, junk))
    if kind == "noise" or (cls is GaussianMixture and draw(st.integers(0, 4)) == 4):
        parameters["noise"] = draw(mostly(noise, junk)) if kind == "noise" else True
    X = draw(mostly(with_gaps() if has_gaps else groups(), any_rows))
    weight = draw(weights_of(X))
    if kind == "errors":
        how["error_covariance"] = draw(errors_of(*(np.shape(X) if np.ndim(X) == 2 else (3, 1))))
    if kind == "classes" or (kind == "errors" and draw(st.booleans())):
        how["labels"] = draw(labels_of(X))
    if kind == "classes" and draw(st.booleans()):
        counts = st.dictionaries(st.sampled_from((0, 1, 2, "a", "b", None)), st.integers(0, 3), max_size=3)
        how["components_per_class"] = draw(mostly(st.integers(0, 3) | counts, junk))
    mixture = answer(cls(**parameters).fit, X, sample_weight=weight, **how)
    if mixture is None:
        return
    is_mixture(mixture, X)
    if kind in ("noise", "gaps"):
        has_numbers(answer(mixture.impute, X, draw=draw(mostly(st.booleans(), junk)), random_state=0))
        if cls is GaussianMixture:
            scores = [*mixture.criteria(X, weight).values()] if kind == "gaps" else mixture.bic(X)
            assert not np.isnan(scores).any()
        sampled = answer(mixture.sample, 5)
        assert sampled is None or finite(sampled[0])
        used(mixture, X, data)
    elif kind == "errors":
        errors, far = how["error_covariance"], np.asarray(X, float) * draw(st.sampled_from((1.0, 1e6, 1e9, 1e120)))
        if (proba := answer(mixture.predict_proba, far, error_covariance=errors)) is not None:
            are_shares(proba, mixture)
        assert all(map(finite, answer(gmm.analysis.true_values, mixture, far, errors) or ()))
    else:
        assert how["labels"] is None or len(mixture.component_classes_) == len(mixture.weights_)
        errors = {"labels": how["labels"], "n_replicates": 2, "random_state": 0}
        answer(gmm.inference.standard_errors, mixture, X, weight, **errors)
        answer(mixture.fit, X)


@given(data=st.data())
def test_a_stream(data):
    mixture = GaussianMixture(**data.draw(modest(GaussianMixture)))
    for _ in range(data.draw(st.integers(1, 4))):
        X = data.draw(mostly(mostly(groups(), tables()), any_rows))
        decay = data.draw(mostly(st.sampled_from((0.0, 0.0, 0.5, 1.0)), junk))
        answer(mixture.partial_fit, X, sample_weight=data.draw(weights_of(X)), decay=decay)
        if data.draw(st.integers(0, 3)) == 3:
            mixture = pickle.loads(pickle.dumps(mixture))
        if data.draw(st.integers(0, 3)) == 3:
            answer(mixture.fit, data.draw(any_rows))
        if data.draw(st.integers(0, 5)) == 5 and hasattr(mixture, "weights_"):
            mixture = answer(reloaded, mixture) or mixture
    if hasattr(mixture, "weights_"):
        is_mixture(mixture.set_params(**GaussianMixture().get_params()), X)


@given(data=st.data())
@settings(max_examples=2 * settings.default.max_examples)
def test_a_search(data):
    asked = st.sampled_from(("reg_covar", "prior", "tol", "acceleration", "refine", "max_iter", "init_params"))
    how = {name: data.draw(PARAMETERS[GaussianMixture][name]) for name in data.draw(st.sets(asked, max_size=2))}
    how |= {"max_iter": min(how.get("max_iter", 12), 12), "random_state": 0}
    how["criterion"] = data.draw(mostly(st.sampled_from(CRITERIA), junk))
    if data.draw(st.booleans()):
        how |= {"standardize": data.draw(mostly(st.booleans(), junk)), "missing": data.draw(mostly(missing, junk))}
        how["noise"] = data.draw(mostly(noise, junk)) if data.draw(st.booleans()) else False
    X = data.draw(mostly(with_gaps() if repr(how.get("missing")) == "'em'" else groups(), any_rows))
    counts = data.draw(mostly(st.lists(st.integers(1, 4), min_size=1, max_size=3), junk))
    names, weight = data.draw(mostly(some_types, junk)), data.draw(weights_of(X))
    search = answer(gmm.GaussianMixtureSearch(counts, names, **how).fit, X, sample_weight=weight)
    if search is not None:
        assert finite(proba := search.predict_proba(X))
        assert np.all(search.score_samples(X) < np.inf)
        assert not np.isnan(search.score(X))
        assert pickle.loads(pickle.dumps(search)).predict(X).shape == (len(proba),)
        found = search.selection_
        assert not np.isnan(found.columns()[how["criterion"]][found.best_index])
        is_mixture(found.best, X)
        assert found._repr_html_()
        assert answer(reloaded, found).best_index == found.best_index
        for name in (*CRITERIA, data.draw(junk)):
            answer(found.best_by, name)
            answer(found.ranked, name)


@given(data=st.data())
def test_a_classifier(data):
    X = data.draw(mostly(groups(), any_rows))
    y = data.draw(labels_of(X))
    names = data.draw(st.sets(st.sampled_from(("tol", "reg_covar", "n_init", "n_threads", "prior")), max_size=2))
    how = {"max_iter": 12, "random_state": 0} | {name: data.draw(PARAMETERS[GaussianMixture][name]) for name in names}
    if data.draw(st.booleans()):
        how["n_components"] = data.draw(mostly(st.lists(st.integers(1, 3), min_size=1, max_size=2), junk))
    how["covariance_type"] = data.draw(mostly(some_types, junk))
    if data.draw(st.integers(0, 3)) == 3:
        how["class_prior"] = data.draw(mostly(fragments.map(np.ravel) | st.just([0.5, 0.5]), junk))
    classifier = answer(gmm.MixtureClassifier(**how).fit, X, y, data.draw(weights_of(X)))
    if classifier is not None:
        assert np.isfinite(classifier.bic_)
        for rows in (X, data.draw(any_rows)):
            proba = answer(classifier.predict_proba, rows)
            if has_numbers(proba):
                assert np.abs(proba.sum(axis=1) - 1).max(initial=0) < 1e-6
                assert set(classifier.predict(rows)) <= set(classifier.classes_)
                for again in copies(classifier):
                    np.testing.assert_array_equal(again.predict_proba(rows), proba)
        score = answer(classifier.score, X, data.draw(labels_of(X)), data.draw(weights_of(X)))
        assert score is None or 0 <= score <= 1


# --- What mixtures are used for -----------------------------------------------------------------


def used(mixture, X, data):
    """One of the uses of a fitted mixture."""
    match data.draw(st.integers(0, 7)):
        case 0:
            combined = answer(gmm.analysis.combine_components, mixture, X)
            for n_clusters in (None, 1, data.draw(mostly(st.integers(0, 5), junk))):
                if has_numbers(combined, "entropies"):
                    has_numbers(answer(combined.predict_proba, X, n_clusters))
                    answer(combined.predict, X, n_clusters)
                    answer(combined.at, n_clusters)
        case 1:
            how = {"balance": data.draw(mostly(st.sampled_from((0.0, 0.5, 1.0)), junk))}
            how["n_directions"] = data.draw(mostly(st.none() | st.integers(1, 4), junk))
            found = answer(gmm.analysis.directions, mixture, data.draw(st.none() | st.just(X)), **how)
            if has_numbers(found, "eigenvalues", "matrix"):
                moved = answer(found.transform, X)
                assert moved is None or np.isnan(np.asarray(X, float)).any() or finite(moved)
                assert pickle.loads(pickle.dumps(found)).matrix.shape == found.matrix.shape
                assert str(found)
        case 2:
            parts = st.lists(st.sampled_from(("weights", "means", "covariances")), min_size=1)
            how = {"parameters": data.draw(mostly(parts, junk)), "relevance": data.draw(mostly(positive, junk))}
            if adapted := answer(gmm.analysis.adapt, mixture, X, **how, n_iter=data.draw(st.integers(0, 2))):
                is_mixture(adapted, X)
        case 3:
            has_numbers(answer(gmm.analysis.fisher_vector, mixture, X, normalise=data.draw(st.booleans())))
        case 4:
            some = junk.filter(lambda number: not (isinstance(number, int) and number > 1e4))
            n_samples = data.draw(mostly(st.sampled_from((1, 9, 50)), some))
            has_numbers(answer(gmm.analysis.overlap, mixture, n_samples=n_samples, random_state=0))
            has_numbers(answer(gmm.analysis.column_overlap, mixture), "areas")
        case 5:
            rate = data.draw(mostly(st.sampled_from((0.1, 0.5, 0.9)), junk))
            found = answer(gmm.analysis.anomaly_threshold, mixture, X, rate)
            assert found is None or not np.isnan([found.log_density, found.low, found.high]).any()
        case 6:
            statistics = answer(gmm.em.e_step, mixture, X)
            if again := statistics and answer(gmm.em.m_step, mixture, statistics):
                is_mixture(again, X)
        case 7:
            method = data.draw(mostly(st.sampled_from(("weighted-bootstrap", "bootstrap", "information")), junk))
            errors = answer(gmm.inference.standard_errors, mixture, X, method=method, n_replicates=3, random_state=0)
            if has_numbers(errors, "weights", "means", "covariances"):
                intervals = answer(errors.intervals, data.draw(mostly(st.sampled_from((0.5, 0.95)), junk)))
                assert intervals is None or not any(np.isnan(part).any() for part in intervals)


@each_class
@given(data=st.data())
def test_a_use(cls, data):
    rows = data.draw(groups())
    mixture, other = answer(cls(**data.draw(modest(cls))).fit, rows), tables(columns=[rows.shape[1]])
    if mixture is not None:
        used(mixture, data.draw(st.just(rows) | other | other | any_rows), data)


@given(types, st.sampled_from(SCALES), tables(columns=[2]), st.data())
def test_a_use_of_an_extreme_mixture(name, scale, X, data):
    means = np.array([[0.0, 1.0], [5.0, 1.0], [0.0, 1.0]]) * scale
    covariances = covariances_of(name, [[0, 0], [1, 0], [1, 2], [0, 2]], 3)
    shares = ([0.5, 0.5, 0.0], [0.2, 0.3, 0.5], [1.0, 0.0, 0.0], [1 - 2e-300, 1e-300, 1e-300])
    covariances = covariances * data.draw(st.sampled_from((1.0, 1e-6, 1e6, 1e-100, 1e100)))
    weights = data.draw(st.sampled_from(shares))
    mixture = answer(GaussianMixture.from_parameters, weights, means, covariances, covariance_type=name)
    if mixture is not None:
        used(mixture, X, data)


@given(data=st.data())
def test_following(data):
    box = data.draw(mostly(st.just([[-9, -9], [15, 15]]), tables(range(1, 4)) | junk))
    known = {
        "forgetting": st.sampled_from((0.1, 0.9, 1e-12, 1 - 1e-12)),
        "min_rows": st.integers(1, 5),
        "confirm": st.integers(1, 3),
        "covariance_type": types,
        "reg_covar": positive,
    }
    asked = data.draw(st.sets(st.sampled_from(sorted(known)), max_size=2))
    how = {name: data.draw(mostly(known[name], junk)) for name in asked}
    tracker = answer(gmm.tracking.Tracker, box, data.draw(mostly(positive, junk)), **how)
    for _ in range(data.draw(st.integers(1, 4)) if tracker is not None else 0):
        X = data.draw(mostly(tables(columns=[len(np.transpose(box))]), any_rows))
        labels = answer(tracker.update, X)
        if labels is not None:
            assert labels.shape == (len(X),)
            assert all(map(finite, tracker.tracks()))
            assert repr(tracker)
            tracker = pickle.loads(pickle.dumps(tracker))
            if tracker.mixture is not None:
                is_mixture(tracker.mixture, X)


@cases(
    lambda mixture, X: mixture.fit(X, callback=lambda iteration: iteration.parameters.means),
    lambda mixture, X: gmm.select(X, 1, "full", callback=lambda progress: np.ones(2)),
    lambda mixture, X: GaussianMixture(noise=[[0, 0], [1e200, 1e200]]).fit(X),
    lambda mixture, X: gmm.inference.standard_errors(mixture, X, n_replicates=10**19),
    lambda mixture, X: gmm.inference.bootstrap_lrt(X, 1, n_replicates=10**19),
)
def test_what_numpy_once_refused(call):
    X = np.random.default_rng(0).normal(size=(10, 2))
    assert answer(call, GaussianMixture().fit(X), X) is None


@each_class
@cases(
    {}, {"covariance_type": "diag", "prior": "conjugate"}, {"means_init": np.eye(2)}, {"max_iter": 2**63, "tol": 0.1}
)
def test_numbers_of_a_narrow_type_or_of_any_size_are_numbers(asked, cls):
    """A product of narrow ones would overflow."""
    X, common = np.random.default_rng(0).normal(size=(300, 2)), {"max_iter": 100, "tol": 1e-2} | asked
    how = {name: value for name, value in common.items() if hasattr(cls, name)} | {"random_state": 0}
    narrow = {"max_iter": np.int8(100), "n_components": np.int8(2)}
    one, other = (cls(**{"n_components": 2} | how | more).fit(X) for more in ({}, narrow))
    np.testing.assert_array_equal(one.means_, other.means_)


def test_what_is_called_and_stops_like_an_iterator():
    n_calls, X = 0, np.random.default_rng(0).normal(size=(30, 2))

    def never(*_):
        raise StopIteration

    def once():
        nonlocal n_calls
        n_calls += 1
        return [X] if n_calls == 1 else never()

    rows = gmm.open_rows(once)
    for call, told in {
        lambda: GaussianMixture().fit(X, callback=never): "callback raised StopIteration: return True",
        lambda: gmm.select(X, 1, "full", callback=never): "callback raised StopIteration: return True",
        lambda: GaussianMixture(2, init_params=never).fit(X): r"init_params .*: expected .* of shape \(30, 2\)",
        lambda: gmm.open_rows(never): "the factory never raised StopIteration: expected an iterable of blocks",
        lambda: GaussianMixture(2).fit(rows): "the factory once raised StopIteration: expected an iterable of blocks",
    }.items():
        refused(told, call, error=RuntimeError)

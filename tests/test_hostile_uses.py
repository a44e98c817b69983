"""As `test_hostile_calls`, of what else fits take, and of what fitted mixtures are used for.

Noise, missing values, known classes, blocks of a stream, searches in standard units; directions, clusters of several
components, adaptation, overlap, thresholds, following, and files of each.
"""

import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import event, given
from hypothesis import strategies as st

import gmm
from fuzz_files import are_shares, scores, use_mixture
from gmm import BayesianGaussianMixture, GaussianMixture
from gmm.exchange.mclust import from_json
from inside import CLASSIC
from tables import refused
from test_hostile_calls import (
    EXTREMES,
    JUNK,
    PARAMETERS,
    SCALES,
    answer,
    any_rows,
    cast,
    covariances_of,
    each_class,
    finite,
    fragments,
    outputs,
    parameters_of,
    positive,
    reloaded,
    some_calls_are_answered,  # noqa: F401  of every test here as well
    tables,
    types,
    weights_of,
)

junk = st.sampled_from(JUNK)
some_types = st.lists(types, min_size=1, max_size=2)


# --- What is passed -----------------------------------------------------------------------------


def mainly(usual, else_):
    """Mostly what is right: a call of many arguments is refused if any is wrong."""
    return st.integers(0, 14).flatmap(lambda number: else_ if number == 14 else usual)


@st.composite
def groups(draw):
    """Rows that a mixture can be fitted to."""
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    n, d = draw(st.integers(8, 25)), draw(st.integers(1, 3))
    return rng.normal(size=(n, d)) + 6 * rng.integers(0, 2, size=(n, 1))


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
    if draw(st.integers(0, 9)) == 9:
        X[:, 0] = np.nan
    if draw(st.integers(0, 9)) == 9:
        X[0, -1] = draw(st.sampled_from(EXTREMES))
    return cast(X, draw(st.sampled_from(("f8", "f8", "f4"))))


@st.composite
def labels_of(draw, n):
    """Classes of some of n rows, or what is none."""
    right = (((0, 1), -1), ((0, 1, 2), -1), (("a", "b"), None), ((0.0, 1.0), np.nan), ((True, False), None))
    odd = st.sampled_from(((5, 5), (0, "a"), (10**30,), (0, 1), (b"x", "x"), (True, False)))
    known, unknown = draw(mainly(st.sampled_from(right), st.tuples(odd, st.sampled_from((-1, None, np.nan, "", -2)))))
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    length = max(n + draw(st.sampled_from((0,) * 20 + (-1, 1))), 0)
    share = draw(st.sampled_from((0.3, 0.8, 1.0, 0.0)))
    given_ = [known[rng.integers(len(known))] if rng.random() < share else unknown for _ in range(length)]
    match draw(st.integers(0, 15)):
        case 13:
            return np.array(given_, dtype=object)
        case 14:
            return draw(junk)
        case 15:
            return [[value] for value in given_]
    return given_


def length(X):
    return len(X) if np.ndim(X) else 3


# --- What comes back ----------------------------------------------------------------------------


def is_mixture(mixture, X):
    """A fitted mixture of any kind is one, and so are its copies, whatever its rows."""
    answer(mixture.freeze)
    answer(use_mixture, mixture)
    proba = answer(scores, mixture, X)
    for other in (reloaded(mixture), pickle.loads(pickle.dumps(mixture))):
        if proba is not None:
            np.testing.assert_array_equal(other.predict_proba(X), proba)


# --- What fits take -----------------------------------------------------------------------------


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
    return draw(mainly(st.just(errors), junk))


EXTRAS = [(GaussianMixture, kind) for kind in ("noise", "gaps", "errors", "classes")]


@pytest.mark.parametrize(("cls", "kind"), [*EXTRAS, (BayesianGaussianMixture, "gaps")])
@given(data=st.data())
def test_what_fits_take(cls, kind, data):
    draw, how, parameters = data.draw, {}, data.draw(modest(cls))
    has_gaps = kind == "gaps" or (kind != "noise" and draw(st.integers(0, 2)) == 2)
    if has_gaps:
        parameters["missing"] = draw(mainly(missing, junk))
    if kind == "noise" or (cls is GaussianMixture and draw(st.integers(0, 4)) == 4):
        parameters["noise"] = draw(mainly(noise, junk)) if kind == "noise" else True
    X = draw(mainly(with_gaps() if has_gaps else groups(), any_rows))
    n, d = np.shape(X) if np.ndim(X) == 2 else (length(X), 1)
    weight = draw(weights_of(n))
    if kind == "errors":
        how["error_covariance"] = draw(errors_of(n, d))
    if kind == "classes" or (kind == "errors" and draw(st.booleans())):
        how["labels"] = draw(labels_of(n))
    if kind == "classes" and draw(st.booleans()):
        counts = st.dictionaries(st.sampled_from((0, 1, 2, "a", "b", None)), st.integers(0, 3), max_size=3)
        how["components_per_class"] = draw(mainly(st.integers(0, 3) | counts, junk))
    mixture = answer(cls(**parameters).fit, X, sample_weight=weight, **how)
    event("refused" if mixture is None else "fitted")
    if mixture is None:
        return
    is_mixture(mixture, X)
    if kind in ("noise", "gaps"):
        filled = answer(mixture.impute, X, draw=draw(mainly(st.booleans(), junk)), random_state=0)
        assert filled is None or finite(filled)
        if cls is GaussianMixture:
            scores = [*mixture.criteria(X, weight).values()] if kind == "gaps" else mixture.bic(X)
            assert not np.isnan(scores).any()
        sampled = answer(mixture.sample, 5)
        assert sampled is None or finite(sampled[0])
        used(mixture, X, data)
    elif kind == "errors":
        errors, far = how["error_covariance"], np.asarray(X, float) * draw(st.sampled_from((1.0, 1e6, 1e9, 1e120)))
        proba = answer(mixture.predict_proba, far, error_covariance=errors)
        if proba is not None:
            are_shares(proba, mixture)
        values = answer(gmm.analysis.true_values, mixture, far, errors)
        assert values is None or all(finite(each) for each in values)
    else:
        assert how["labels"] is None or len(mixture.component_classes_) == len(mixture.weights_)
        errors = {"labels": how["labels"], "n_replicates": 2, "random_state": 0}
        answer(gmm.inference.standard_errors, mixture, X, weight, **errors)
        answer(mixture.fit, X)


@given(data=st.data())
def test_a_stream(data):
    mixture = GaussianMixture(**data.draw(modest(GaussianMixture)))
    for _ in range(data.draw(st.integers(1, 4))):
        X = data.draw(mainly(mainly(groups(), tables()), any_rows))
        decay = data.draw(mainly(st.sampled_from((0.0, 0.0, 0.5, 1.0)), junk))
        answer(mixture.partial_fit, X, sample_weight=data.draw(weights_of(length(X))), decay=decay)
        if data.draw(st.integers(0, 3)) == 3:
            mixture = pickle.loads(pickle.dumps(mixture))
        if data.draw(st.integers(0, 3)) == 3:
            answer(mixture.fit, data.draw(any_rows))
        if data.draw(st.integers(0, 5)) == 5 and hasattr(mixture, "weights_"):
            mixture = answer(reloaded, mixture) or mixture
    event("fitted" if hasattr(mixture, "weights_") else "refused")
    if hasattr(mixture, "weights_"):
        is_mixture(mixture.set_params(**GaussianMixture().get_params()), X)


@given(data=st.data())
def test_a_search(data):
    how = {"max_iter": 12, "random_state": 0, "standardize": data.draw(mainly(st.booleans(), junk))}
    how["missing"] = data.draw(mainly(missing, junk))
    how["noise"] = data.draw(mainly(noise, junk)) if data.draw(st.booleans()) else False
    X = data.draw(mainly(with_gaps() | groups() | groups(), any_rows))
    counts = data.draw(mainly(st.lists(st.integers(1, 4), min_size=1, max_size=2), junk))
    names, weight = data.draw(mainly(some_types, junk)), data.draw(weights_of(length(X)))
    search = answer(gmm.GaussianMixtureSearch(counts, names, **how).fit, X, sample_weight=weight)
    event("refused" if search is None else "found")
    if search is not None:
        proba = search.predict_proba(X)
        assert finite(proba)
        assert np.all(search.score_samples(X) < np.inf)
        assert not np.isnan(search.score(X))
        assert pickle.loads(pickle.dumps(search)).predict(X).shape == (len(proba),)
        found = search.selection_
        assert answer(reloaded, found).best_index == found.best_index
        for name in ("bic", "aic", "aicc", "icl", "nec", data.draw(junk)):
            answer(found.best_by, name)
            answer(found.ranked, name)


@given(data=st.data())
def test_a_classifier(data):
    X = data.draw(mainly(groups(), any_rows))
    y = data.draw(labels_of(length(X)))
    names = data.draw(st.sets(st.sampled_from(("tol", "reg_covar", "n_init", "n_threads", "prior")), max_size=2))
    how = {"max_iter": 12, "random_state": 0} | {name: data.draw(PARAMETERS[GaussianMixture][name]) for name in names}
    if data.draw(st.booleans()):
        how["n_components"] = data.draw(mainly(st.lists(st.integers(1, 3), min_size=1, max_size=2), junk))
    how["covariance_type"] = data.draw(mainly(some_types, junk))
    if data.draw(st.integers(0, 3)) == 3:
        how["class_prior"] = data.draw(mainly(fragments.map(np.ravel) | st.just([0.5, 0.5]), junk))
    classifier = answer(gmm.MixtureClassifier(**how).fit, X, y, data.draw(weights_of(length(X))))
    event("refused" if classifier is None else "fitted")
    if classifier is not None:
        assert np.isfinite(classifier.bic_)
        for rows in (X, data.draw(any_rows)):
            proba = answer(classifier.predict_proba, rows)
            if proba is not None:
                assert finite(proba)
                assert np.abs(proba.sum(axis=1) - 1).max(initial=0) < 1e-6
                assert set(classifier.predict(rows)) <= set(classifier.classes_)
                for again in (answer(reloaded, classifier), pickle.loads(pickle.dumps(classifier))):
                    np.testing.assert_array_equal(again.predict_proba(rows), proba)
        score = answer(classifier.score, X, data.draw(labels_of(length(X))), data.draw(weights_of(length(X))))
        assert score is None or 0 <= score <= 1


# --- What mixtures are used for -----------------------------------------------------------------


def used(mixture, X, data):
    """One of the uses of a fitted mixture."""
    match data.draw(st.integers(0, 7)):
        case 0:
            combined = answer(gmm.analysis.combine_components, mixture, X)
            if combined is not None:
                assert finite(combined.entropies)
                for n_clusters in (None, 1, data.draw(mainly(st.integers(0, 5), junk))):
                    proba = answer(combined.predict_proba, X, n_clusters)
                    assert proba is None or finite(proba)
                    answer(combined.predict, X, n_clusters)
                    answer(combined.at, n_clusters)
        case 1:
            rows = data.draw(st.none() | st.just(X))
            balance = data.draw(mainly(st.sampled_from((0.0, 0.5, 1.0)), junk))
            number = data.draw(mainly(st.none() | st.integers(1, 4), junk))
            found = answer(gmm.analysis.directions, mixture, rows, balance=balance, n_directions=number)
            if found is not None:
                assert finite(found.eigenvalues)
                assert finite(found.matrix)
                moved = answer(found.transform, X)
                assert moved is None or np.isnan(np.asarray(X, float)).any() or finite(moved)
                assert pickle.loads(pickle.dumps(found)).matrix.shape == found.matrix.shape
                assert str(found)
        case 2:
            parts = st.lists(st.sampled_from(("weights", "means", "covariances")), min_size=1)
            how = {"parameters": data.draw(mainly(parts, junk)), "relevance": data.draw(mainly(positive, junk))}
            adapted = answer(gmm.analysis.adapt, mixture, X, **how, n_iter=data.draw(st.integers(0, 2)))
            if adapted is not None:
                is_mixture(adapted, X)
        case 3:
            vector = answer(gmm.analysis.fisher_vector, mixture, X, normalise=data.draw(st.booleans()))
            assert vector is None or finite(vector)
        case 4:
            some = junk.filter(lambda number: not (isinstance(number, int) and number > 1e4))
            n_samples = data.draw(mainly(st.sampled_from((1, 9, 50)), some))
            shares = answer(gmm.analysis.overlap, mixture, n_samples=n_samples, random_state=0)
            assert shares is None or finite(shares)
            columns = answer(gmm.analysis.column_overlap, mixture)
            assert columns is None or finite(columns.areas)
        case 5:
            rate = data.draw(mainly(st.sampled_from((0.1, 0.5, 0.9)), junk))
            threshold = answer(gmm.analysis.anomaly_threshold, mixture, X, rate)
            assert threshold is None or not np.isnan([threshold.log_density, threshold.low, threshold.high]).any()
        case 6:
            statistics = answer(gmm.em.e_step, mixture, X)
            if statistics is not None:
                again = answer(gmm.em.m_step, mixture, statistics)
                if again is not None:
                    is_mixture(again, X)
        case 7:
            method = data.draw(st.sampled_from(("weighted-bootstrap", "bootstrap", "information")))
            errors = answer(gmm.inference.standard_errors, mixture, X, method=method, n_replicates=3, random_state=0)
            if errors is not None:
                assert all(finite(part) for part in (errors.weights, errors.means, errors.covariances))
                intervals = answer(errors.intervals, data.draw(mainly(st.sampled_from((0.5, 0.95)), junk)))
                assert intervals is None or not any(np.isnan(part).any() for part in intervals)


@each_class
@given(data=st.data())
def test_a_use(cls, data):
    rows = data.draw(groups())
    mixture = answer(cls(**data.draw(modest(cls))).fit, rows)
    if mixture is not None:
        other = tables(columns=[rows.shape[1]])
        X = data.draw(st.just(rows) | other | other | any_rows)
        used(mixture, X, data)


@given(types, st.sampled_from(SCALES), tables(columns=[2]), st.data())
def test_a_use_of_an_extreme_mixture(name, scale, X, data):
    means = np.array([[0.0, 1.0], [5.0, 1.0], [0.0, 1.0]]) * scale
    covariances = covariances_of(name, [[0, 0], [1, 0], [1, 2], [0, 2]], 3)
    shares = ([0.5, 0.5, 0.0], [0.2, 0.3, 0.5], [1.0, 0.0, 0.0], [1 - 2e-300, 1e-300, 1e-300])
    weights = data.draw(st.sampled_from(shares))
    spread = data.draw(st.sampled_from((1.0, 1e-6, 1e6, 1e-100, 1e100)))
    mixture = answer(GaussianMixture.from_parameters, weights, means, covariances * spread, covariance_type=name)
    if mixture is not None:
        used(mixture, X, data)


@given(data=st.data())
def test_following(data):
    box = data.draw(mainly(st.just([[-9, -9], [15, 15]]), tables(range(1, 4)) | junk))
    known = {
        "forgetting": st.sampled_from((0.1, 0.9, 1e-12, 1 - 1e-12)),
        "min_rows": st.integers(1, 5),
        "confirm": st.integers(1, 3),
        "covariance_type": types,
        "reg_covar": positive,
    }
    asked = data.draw(st.sets(st.sampled_from(sorted(known)), max_size=2))
    how = {name: data.draw(mainly(known[name], junk)) for name in asked}
    motion = data.draw(mainly(positive, junk))
    tracker = answer(gmm.tracking.Tracker, box, motion, **how)
    event("refused" if tracker is None else "made")
    for _ in range(data.draw(st.integers(1, 4)) if tracker is not None else 0):
        X = data.draw(mainly(tables(columns=[len(np.transpose(box))]), any_rows))
        labels = answer(tracker.update, X)
        if labels is not None:
            assert labels.shape == (len(X),)
            tracks = tracker.tracks()
            assert all(finite(column) for column in tracks)
            assert repr(tracker)
            tracker = pickle.loads(pickle.dumps(tracker))
            if tracker.mixture is not None:
                is_mixture(tracker.mixture, X)


@each_class
@given(data=st.data())
def test_where_answers_go(cls, data):
    rng = np.random.default_rng(0)
    mixture = cls(n_components=2, random_state=0, tol=10.0).fit(rng.normal(size=(20, 2)))
    X, out = data.draw(tables(columns=[2])), data.draw(outputs)
    if data.draw(st.booleans()) and np.ndim(X) == 2:
        shape = (len(X), 2) if data.draw(st.booleans()) else (len(X),)
        out = np.empty(shape, dtype=data.draw(st.sampled_from(("f8", "f4", "i8", ">f8", "O"))))
        if data.draw(st.integers(0, 3)) == 3:
            out.flags.writeable = False
    for name in ("predict", "predict_proba", "score_samples"):
        found = answer(getattr(mixture, name), X, out=out)
        if found is not None and out is not None:
            assert found is out
            assert finite(found) or name == "score_samples"


@given(content=st.binary(max_size=40) | junk)
def test_what_is_no_file(content):
    classes = (GaussianMixture, BayesianGaussianMixture, gmm.MixtureClassifier, gmm.Selection, gmm.FrozenMixture)
    for loader in (gmm.load, *(cls.load for cls in classes), from_json):
        if isinstance(content, str | int):
            with pytest.raises((ValueError, TypeError, OSError)):
                loader(content)
        else:
            assert answer(loader, content) is None


@pytest.mark.parametrize(
    "call",
    [
        lambda mixture, X: gmm.select(X, 1, np.array("full")),
        lambda mixture, X: gmm.select(X, 1, "full").best_by(np.array(["bic", "aic"])),
        lambda mixture, X: mixture.marginal(np.ma.masked),
        lambda mixture, X: gmm.inference.standard_errors(mixture, X, method=np.array(["bootstrap", "information"])),
        lambda mixture, X: gmm.MixtureClassifier().fit(X, [0, 1] * 5).score(X, [0, 1] * 5, np.full(10, 1j)),
        lambda mixture, X: GaussianMixture(noise={}).fit(X),
        lambda mixture, X: mixture.impute(X, draw=np.array([1, 2])),
        lambda mixture, X: gmm.analysis.adapt(mixture, X, parameters=None),
        lambda mixture, X: gmm.analysis.adapt(mixture, X, parameters=[["means"]]),
        lambda mixture, X: mixture.fit(X, checkpoint="fit.gmm", resume=np.array([1, 2])),
        lambda mixture, X: gmm.select(X, 1, "full", checkpoint="search.gmm", resume=pd.NA),
        lambda mixture, X: gmm.select(X, 1, "full", tails=np.ones((2, 2))),
        lambda mixture, X: mixture.fit(X, callback=lambda iteration: iteration.parameters.means),
        lambda mixture, X: gmm.select(X, 1, "full", callback=lambda progress: np.ones(2)),
        lambda mixture, X: GaussianMixture(noise=np.array(2.0)).fit(X),
        lambda mixture, X: GaussianMixture(noise=np.array(-0.1)).fit(X),
        lambda mixture, X: GaussianMixture(noise=[[0, 0], [1e200, 1e200]]).fit(X),
        lambda mixture, X: gmm.inference.standard_errors(mixture, X, n_replicates=10**19),
        lambda mixture, X: gmm.inference.bootstrap_lrt(X, 1, n_replicates=10**19),
    ],
)
def test_what_numpy_once_refused(call):
    X = np.random.default_rng(0).normal(size=(10, 2))
    assert answer(call, GaussianMixture().fit(X), X) is None


@each_class
@pytest.mark.parametrize(
    "asked",
    [{}, {"covariance_type": "diag", "prior": "conjugate"}, {"means_init": np.eye(2)}, {"max_iter": 2**63, "tol": 0.1}],
)
def test_numbers_of_a_narrow_type_or_of_any_size_are_numbers(cls, asked):
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
        lambda: GaussianMixture().fit(X, callback=never): "callback raised StopIteration: let it return True",
        lambda: gmm.select(X, 1, "full", callback=never): "callback raised StopIteration: let it return True",
        lambda: GaussianMixture(2, init_params=never).fit(X): r"init_params .*: expected .* of shape \(30, 2\)",
        lambda: gmm.open_rows(never): "the factory never raised StopIteration: expected an iterable of blocks",
        lambda: GaussianMixture(2).fit(rows): "the factory once raised StopIteration: expected an iterable of blocks",
    }.items():
        refused(told, call, error=RuntimeError)


def test_a_share_of_noise_in_an_array():
    X = np.random.default_rng(0).normal(size=(30, 2))
    one, other = (GaussianMixture(noise=share).fit(X) for share in (0.1, np.array(0.1)))
    np.testing.assert_array_equal(one.means_, other.means_)

"""What many tests begin with: rows of groups, rows with gaps, mixtures; and what they end with: equal ones, errors."""

import inspect
import itertools
import pickle
import subprocess
import sys
import warnings
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

import gmm
import inside
import reference
from fuzz_files import saved
from gmm import GaussianMixture

ROOT = Path(__file__).parents[1]
DATA = ROOT / "tests" / "data"
PACKAGE = files("gmm")
LAYOUTS = {"full": inside.FULL, "tied": inside.TIED, "diag": inside.DIAGONAL, "spherical": inside.SPHERICAL}
NAMES = {layout: name for name, layout in LAYOUTS.items()}
PARAMETERS = "weights_", "means_", "covariances_"


def numbers_of(path):
    return np.genfromtxt(path, delimiter=",", skip_header=1)


APPLES = numbers_of(DATA / "apples_with_gaps.csv")
BLOBS = np.load(DATA / "blobs.npy")
FAITHFUL = numbers_of(PACKAGE / "data" / "faithful.csv")
IRIS = numbers_of(DATA / "iris.csv")
IRIS_BIC = {
    "full": [829.9782, 574.0178, 580.8389, 621.75],
    "tied": [829.9782, 688.0972, 632.9633, 591.41],
    "diag": [1522.1202, 857.5515, 744.6317, 705.07],
    "spherical": [1804.0854, 1012.2352, 853.8090, 783.82],
}


def groups(n=200, d=3, K=3, seed=0, apart=2.0):
    """Rows of K groups of different shapes, which overlap."""
    rng = np.random.default_rng(seed)
    group = rng.integers(K, size=n)
    turn = rng.normal(size=(K, d, d)) / 2 + np.eye(d)
    return apart * rng.normal(size=(K, d))[group] + np.einsum("nij,nj->ni", turn[group], rng.normal(size=(n, d)))


def blobs(n=200, d=3, K=3, seed=0, apart=3.0, dtype=np.float64):
    """Rows of K round groups of one size."""
    rng = np.random.default_rng(seed)
    centres = apart * rng.normal(size=(K, d))
    return (centres[rng.integers(K, size=n)] + rng.normal(size=(n, d))).astype(dtype)


def factor_groups(n=200, d=20, q=2, K=2, seed=0, truth=None, apart=2.0):
    """Rows of q factors and noise about K places; another seed draws others of the same `truth`."""
    rng = np.random.default_rng(seed)
    places = rng if truth is None else np.random.default_rng(truth)
    loadings, centres = places.normal(size=(K, q, d)), apart * places.normal(size=(K, d))
    group = rng.integers(K, size=n)
    latent = np.einsum("nqd,nq->nd", loadings[group], rng.normal(size=(n, q)))
    return centres[group] + latent + rng.normal(size=(n, d))


def with_gaps(X, share=0.2, seed=0):
    """The rows without some of their values, at random; one at least is left in each row."""
    rng = np.random.default_rng(seed)
    gaps = rng.uniform(size=X.shape) < share
    gaps[np.arange(len(X)), rng.integers(X.shape[1], size=len(X))] = False
    return np.where(gaps, np.nan, X)


def groups_with_gaps(n=120, d=4, share=0.3, seed=0):
    """Rows of two groups, values missing at random, one at least left in each row."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) + 5 * (rng.uniform(size=(n, 1)) < 0.4)
    return with_gaps(X, share, seed + 1)


def incomplete(X, weight=None):
    return inside.IncompleteSource.from_rows(inside.ArraySource(X, weight))


def a_mixture(covariance_type="full", K=4, d=4, seed=0, apart=4.0, shift=0.0):
    """A mixture of a classic type, of random parameters."""
    rng = np.random.default_rng(seed)
    factors = rng.normal(size=(K, d, d))
    covariances = reference.in_layout(factors @ factors.transpose(0, 2, 1) + np.eye(d), covariance_type)
    weights, means = rng.dirichlet(np.full(K, 3.0)), rng.normal(scale=apart, size=(K, d)) + shift
    return GaussianMixture.from_parameters(weights, means, covariances, covariance_type=covariance_type)


def rows_and_mixture(name, K=3, d=2, n=500, dtype=np.float64, seed=0, offset=0.0):
    """Rows around K overlapping centres, and a mixture near them."""
    rng = np.random.default_rng(seed)
    centres = 2 * rng.normal(size=(K, d)) + offset
    rows = centres[rng.integers(K, size=n)] + 1.5 * rng.normal(size=(n, d))
    log_offset = np.log(rng.dirichlet(np.full(K, 5.0))) - d / 2 * np.log(2 * np.pi)
    layout = LAYOUTS[name]
    whiteners = rng.uniform(0.4, 1.0, size=layout.shape(K, d))
    if name in ("full", "tied"):
        whiteners = np.tril(0.2 * whiteners - 0.1) / np.sqrt(d) + np.eye(d) * 0.7
    return rows.astype(dtype), inside.WhitenedMixture(layout, log_offset, centres, whiteners)


def dense(mixture):
    """Its covariances, written out: (K, d, d)."""
    return reference.dense(mixture.covariances_, mixture.covariance_type, *mixture.means_.shape)


def parameters(mixture):
    """Weights, means, and covariances written out."""
    return mixture.weights_, mixture.means_, dense(mixture)


def assert_same(one, other, rtol=0.0, names=PARAMETERS):
    """Two fits have the same parameters: to the last bit, or nearly."""
    for name in names:
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=rtol, atol=rtol, err_msg=name)


def assert_contains(text, *parts, without=()):
    """A text has each of these parts, and none of others."""
    assert not [part for part in parts if part not in text], text
    assert not [part for part in without if part in text], text


def reloaded(what):
    return gmm.load(saved(what))


def copies(what):
    """The same again, from a file and from a pickle."""
    return reloaded(what), pickle.loads(pickle.dumps(what))


def pairwise(**axes):
    """Parameters of a test in so few cases that any two values of two axes meet."""
    cases = list(itertools.product(*(range(len(axis)) for axis in axes.values())))
    pairs = {case: {*itertools.combinations(enumerate(case), 2)} for case in cases}
    unmet, chosen = set().union(*pairs.values()), []
    while unmet:
        chosen.append(max(cases, key=lambda case: len(pairs[case] & unmet)))
        unmet -= pairs[chosen[-1]]
    values = [*map(list, axes.values())]
    return pytest.mark.parametrize(
        ",".join(axes), [[axis[n] for axis, n in zip(values, c, strict=True)] for c in chosen]
    )


def cases(*rows, ids=None):
    """Parametrize a test by rows, or a dict of rows, which have a value for each of the test's first parameters."""
    if len(rows) == 1:
        (table,) = rows
        rows, ids = [*table.values()], table

    def parametrized(test):
        width = len(rows[0]) if isinstance(rows[0], tuple) else 1
        names = [name for name in inspect.signature(test).parameters if name != "self"]
        return pytest.mark.parametrize(",".join(names[:width]), rows, ids=ids)(test)

    return parametrized


def noted(monkeypatch, owner, name, note):
    """Let a function do what it does; return the growing list of what `note` says of each call."""
    notes, whole = [], getattr(owner, name)

    def watched(*given, **how):
        notes.append(note(*given, **how))
        return whole(*given, **how)

    monkeypatch.setattr(owner, name, watched)
    return notes


def interrupt(*_, **__):
    """A callback: Ctrl-C."""
    raise KeyboardInterrupt


def warned(call, *arguments, **how):
    """What comes of a call, and the notes of its warnings or their texts, none of which is an error."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = call(*arguments, **how)
    return result, [note for each in caught for note in getattr(each.message, "__notes__", [str(each.message)])]


def python(*arguments, **options):
    """Run this interpreter; return what it printed, or fail with all that it said."""
    command = [sys.executable, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def refused(told, call, *arguments, error=ValueError, **how):
    """Check that a call is an error that tells this, or whatever for None; return it."""
    with pytest.raises(error, match=told) as caught:
        call(*arguments, **how)
    return caught.value

"""What many tests begin with: rows of groups, rows with gaps, mixtures; and what they end with: equal ones, errors."""

import itertools
import pickle
import subprocess
import sys
import warnings

import numpy as np
import pytest

import gmm
import reference
from fuzz_files import saved
from gmm import GaussianMixture

PARAMETERS = "weights_", "means_", "covariances_"


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


def a_mixture(covariance_type="full", K=4, d=4, seed=0, apart=4.0, shift=0.0):
    """A mixture of a classic type, of random parameters."""
    rng = np.random.default_rng(seed)
    factors = rng.normal(size=(K, d, d))
    covariances = reference.in_layout(factors @ factors.transpose(0, 2, 1) + np.eye(d), covariance_type)
    weights, means = rng.dirichlet(np.full(K, 3.0)), rng.normal(scale=apart, size=(K, d)) + shift
    return GaussianMixture.from_parameters(weights, means, covariances, covariance_type=covariance_type)


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

"""Call both modules from four threads, and compare with the estimator."""

from concurrent.futures import ThreadPoolExecutor

import from_c
import from_cython
import numpy as np
import pytest

from gmm import GaussianMixture

mixture = GaussianMixture.from_parameters(
    [0.2, 0.3, 0.5],
    [[0.0, 0.0], [3.0, 0.0], [0.0, 3.0]],
    np.stack([np.eye(2), 2 * np.eye(2), [[1.0, 0.5], [0.5, 1.0]]]),
)
frozen = mixture.freeze()
X = np.ascontiguousarray(mixture.sample(4000, random_state=0)[0])
X[7, 1] = np.nan


def by_cython(part):
    out = np.empty((len(part), 3))
    return out, from_cython.responsibilities(frozen, part, out)


def by_c(part):
    n = len(part)
    results = np.empty(n, dtype=np.intp), np.empty(n), np.empty((n, 3)), np.empty((n, 3))
    return results, from_c.score(frozen, part, *results)


parts = np.split(X, 4)
with ThreadPoolExecutor(4) as pool:
    row_by_row, in_parts = list(pool.map(by_cython, parts)), list(pool.map(by_c, parts))

for part, (ours, n_broken) in zip(parts, row_by_row, strict=True):
    np.testing.assert_allclose(ours, frozen.predict_proba(part), rtol=0, atol=1e-12)
    assert n_broken == np.isnan(part).any(axis=1).sum()
for part, ((labels, log_likelihood, responsibilities, log_joint), n_broken) in zip(parts, in_parts, strict=True):
    np.testing.assert_array_equal(labels, frozen.predict(part))
    np.testing.assert_array_equal(log_likelihood, frozen.score_samples(part))
    np.testing.assert_array_equal(responsibilities, frozen.predict_proba(part))
    np.testing.assert_array_equal(log_joint, frozen.log_joint(part))
    assert n_broken == np.isnan(part).any(axis=1).sum()

for call, results in ((from_cython.responsibilities, [np.empty((1, 3))]), (from_c.score, [np.empty(1)] * 4)):
    with pytest.raises(TypeError, match="expected a FrozenMixture, as `freeze` makes it, got GaussianMixture"):
        call(mixture, X[:1], *results)

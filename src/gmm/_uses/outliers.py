"""`outliers`: the rows that contaminated components spread more widely."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gmm._estimators.fitted import FittedMixture, fitted_parameters, source_of
from gmm._estimators.scorer import Scorer
from gmm._public import publish
from gmm._values.tails import ContaminatedTails


def outliers(model: FittedMixture, X: ArrayLike) -> NDArray[np.bool_]:
    """Tell which rows are outliers of a mixture with ``tails="contaminated"``.

    Parameters
    ----------
    model : GaussianMixture
        Fitted with ``tails="contaminated"``.
    X : array-like or data frame of shape (n, d), data set, or what `open_rows` returns

    Returns
    -------
    ndarray of bool, shape (n,)
        True for a row that is more likely one of the outliers of its most probable component than one of its good rows.

    Raises
    ------
    ValueError
        If the mixture has other tails, or the rows do not fit it.

    References
    ----------
    A. Punzo, P. D. McNicholas (2016). Parsimonious mixtures of multivariate contaminated normal distributions.
    *Biometrical Journal* 58, 1506-1537.

    Examples
    --------
    >>> import numpy as np
    >>> from gmm import GaussianMixture
    >>> from gmm.analysis import outliers
    >>> X = np.random.default_rng(0).normal(size=(200, 2))
    >>> X[:3] = [[20, 0], [0, -30], [25, 25]]
    >>> mixture = GaussianMixture(tails="contaminated", random_state=0).fit(X)
    >>> np.flatnonzero(outliers(mixture, X))
    array([0, 1, 2])
    """
    mixture = fitted_parameters(model)
    tails = mixture.tails
    if not isinstance(tails, ContaminatedTails):
        raise ValueError(
            f"expected a mixture with tails='contaminated', got tails={tails.name!r}; beside noise, rows with the "
            "label -1 are outliers, and anomaly_threshold finds rare rows of any mixture without noise"
        )
    # Where a row is as likely good as not, both densities are the same.
    highest = mixture.whitened().log_offset + np.log(2 * np.asarray(tails.good_shares))
    limits = highest - tails.limits(mixture.n_features) / 2
    parts = Scorer(mixture, model.n_threads).blocks(source_of(model, X), labels=True, log_evidence=True, largest=True)
    marks = []
    for _, rows in parts:
        assert rows.labels is not None
        assert rows.log_evidence is not None
        assert rows.largest is not None
        marks.append(np.log(rows.largest) + rows.log_evidence < limits[rows.labels])
    return np.concatenate(marks)


publish("gmm.analysis", [outliers])

"""`directions`: the few directions in which the components of a fitted mixture differ."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gmm._estimators.attributes import checked_for, estimator_of, source_of
from gmm._estimators.contract import given_names
from gmm._estimators.fitted import FittedMixture
from gmm._estimators.mixture import GaussianMixture
from gmm._fitting.moments import mean_and_covariance
from gmm._rows.input import as_source, check_any
from gmm._text.table import Table
from gmm._text.words import column_names, counted, omissions
from gmm._validation.scalars import check_real, check_whole
from gmm._values.coordinates import differences, leading, projected_mixture
from gmm._values.covariance import DEFAULT_COVARIANCE_TYPE, covariance_model
from gmm._values.layouts import Array

_DIRECTIONS_SHOWN, _FEATURES_SHOWN = 6, 20
_MIN_EIGENVALUE = 1e-10  # below it, components differ only by rounding


class Directions:
    """Directions in feature space in which the components of a mixture differ, the most discriminating first.

    They are a fitted transformer, for scikit-learn's pipelines, in which they do not change.

    Attributes
    ----------
    eigenvalues : ndarray of shape (m,)
        Eigenvalues of the kernel: how much the components differ along each direction.
    matrix : ndarray of shape (m, d)
        Coefficients of the features. Along the directions, rows have unit variances and no correlations.
    centre : ndarray of shape (d,)
        The origin of the coordinates: the mean.
    scales : ndarray of shape (d,)
        Standard deviations of the features; ``matrix * scales`` are coefficients of standardised features.
    feature_names : tuple of str
        Names of the features of the fit; empty if there were none.
    mixture : GaussianMixture
        The exact projection of the mixture on the directions, without its noise.
    """

    def __init__(
        self,
        eigenvalues: NDArray[np.float64],
        matrix: NDArray[np.float64],
        centre: NDArray[np.float64],
        scales: NDArray[np.float64],
        feature_names: tuple[str, ...],
        mixture: GaussianMixture,
    ) -> None:
        self.eigenvalues, self.matrix = eigenvalues, matrix
        self.centre, self.scales = centre, scales
        self.feature_names, self.mixture = feature_names, mixture

    def __repr__(self) -> str:
        """Return the sizes and the eigenvalues."""
        m, d = self.matrix.shape
        listed = ", ".join(f"{value:.3g}" for value in self.eigenvalues)
        return f"<Directions: {m} of {counted(d, 'feature')}, eigenvalues {listed}>"

    def __str__(self) -> str:
        """Return the sizes, the eigenvalues, and the unit vectors with a row for each feature."""
        d, shown = self.matrix.shape[1], self.unit_vectors[:_DIRECTIONS_SHOWN]
        names = column_names(self.feature_names, d)
        rows = [[names[j], *(f"{value:.3f}" for value in shown[:, j])] for j in range(min(d, _FEATURES_SHOWN))]
        headings, notes = ["", *self.get_feature_names_out()[: len(shown)]], omissions(feature=d - len(rows))
        return str(Table.of(headings, rows, repr(self)[1:-1], notes=notes))

    @property
    def unit_vectors(self) -> NDArray[np.float64]:
        """The same directions as vectors of length 1, (m, d): mclust's basis."""
        return np.asarray(self.matrix / np.linalg.norm(self.matrix, axis=1, keepdims=True))

    def transform(self, X: ArrayLike) -> NDArray[Any]:
        """Compute the coordinates of rows along the directions.

        Parameters
        ----------
        X : array-like or data frame of shape (n, d), data set, or what `open_rows` returns

        Returns
        -------
        ndarray of shape (n, m)
            float32 for float32 rows, else float64.
        """
        names = np.array(self.feature_names, dtype=object) if self.feature_names else None
        source = as_source(X, estimator=self, n_features=len(self.centre), feature_names=names)
        coordinates = np.empty((source.n_rows, len(self.matrix)), source.dtype)
        for first, rows, _ in source.chunks():
            coordinates[first : first + len(rows)] = (rows - self.centre) @ self.matrix.T
        return coordinates

    def fit(self, X: object = None, y: object = None) -> Self:
        """Do nothing, for pipelines: the directions are those of a mixture.

        Returns
        -------
        Directions
            The object itself.
        """
        return self

    def fit_transform(self, X: ArrayLike, y: object = None) -> NDArray[Any]:
        """Return `transform` of X."""
        return self.transform(X)

    def get_feature_names_out(self, input_features: object = None) -> NDArray[np.object_]:
        """Return the names of the coordinates: direction1, direction2, …."""
        return np.array([f"direction{i + 1}" for i in range(len(self.matrix))], dtype=object)

    def __sklearn_clone__(self) -> Self:
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return True


def directions(
    model: FittedMixture,
    X: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    *,
    balance: float = 0.5,
    n_directions: int | None = None,
) -> Directions:
    """Find the few directions in which means and covariances of a mixture's components differ (GMMDR).

    They solve M v = λ Σ v, where Σ is the covariance of all rows, B that of the means, W the mean of the covariances,
    and M = 2 b B Σ⁻¹ B + 2 (1 − b) Σ_k π_k (Σ_k − W) Σ⁻¹ (Σ_k − W), with the balance b.

    Parameters
    ----------
    model : GaussianMixture or BayesianGaussianMixture
        A fitted mixture.
    X : array-like or data frame of shape (n, d), data set, or what `open_rows` returns, default=None
        Rows, whose mean and covariance are used, by one pass. None uses those of the mixture, which are the same for a
        fit of "full" or "tied".
    sample_weight : array-like of shape (n,), default=None
    balance : float, default=0.5
        1 uses only means, as mclust's ``MclustDR`` by default: then there are at most K − 1 directions. 0 uses only
        covariances. 0.5 is M of Scrucca 2010.
    n_directions : int, default=None
        Maximum number of directions; None for all in which components differ.

    Returns
    -------
    Directions
        Those of mclust, up to signs: the coefficient that is largest in standard deviations is positive.

    Raises
    ------
    NotFittedError
        If the model is not fitted.
    ValueError
        If the components do not differ, or an argument is invalid.

    Notes
    -----
    The eigenvalue of the differences in covariances has no upper bound, so one wide component may determine the first
    direction. The directions separate these components, not groups that the mixture does not have. For "diag" and
    "spherical" with more than 64 features, without X, covariances are compared only in the 64 features in which
    variances differ most; with X, K matrices d × d are computed.

    References
    ----------
    L. Scrucca (2010). Dimension reduction for model-based clustering. *Statistics and Computing* 20, 471-484.
    L. Scrucca (2014). Graphical tools for model-based mixture discriminant analysis. *Advances in Data Analysis and
    Classification* 8, 147-165.

    Examples
    --------
    >>> import numpy as np, gmm
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(300, 5)) + 6 * np.eye(3, 5)[rng.integers(3, size=300)]
    >>> mixture = gmm.GaussianMixture(3, covariance_type="tied", random_state=0).fit(X)
    >>> plane = gmm.analysis.directions(mixture)
    >>> print(plane)
    Directions: 2 of 5 features, eigenvalues 0.874, 0.864
          direction1  direction2
      x0      -0.500      -0.674
      x1       0.780      -0.162
      x2      -0.361       0.721
      x3       0.021       0.007
      x4      -0.103      -0.013
    >>> bool((plane.mixture.predict(plane.transform(X)) == mixture.predict(X)).all())
    True
    """
    parameters = checked_for(model, "directions")
    balance = check_real(balance, "balance", "[0, 1]")
    if n_directions is not None:
        check_whole(n_directions, "n_directions")
    if X is None and sample_weight is not None:
        raise TypeError("expected X with sample_weight")
    with np.errstate(over="ignore", invalid="ignore"):
        between = differences(parameters, None if X is None else _mean_and_covariance(model, X, sample_weight))
        kernel = between.kernel(balance)
    if not np.isfinite(kernel).all():
        raise ValueError(
            "expected rows that vary about as much as the components differ: fourth powers of the components' "
            "differences, in standard deviations of the rows, overflow"
        )
    values, vectors = leading(kernel, _MIN_EIGENVALUE)
    if not len(values):
        raise ValueError("the components do not differ: expected several, with other means or covariances")
    matrix, centre = between.in_features(vectors[:, :n_directions]), between.centre
    weights, means = parameters.weights / parameters.weights.sum(), (parameters.means - centre) @ matrix.T
    covariances = parameters.model.layout.projected(parameters.covariances, parameters.n_components, matrix)
    projected = projected_mixture(weights, np.ascontiguousarray(means), covariances)
    projection = estimator_of(GaussianMixture, projected, n_threads=model.n_threads)
    return Directions(values[:n_directions], matrix, centre, between.scales, tuple(given_names(model)), projection)


def _mean_and_covariance(model: FittedMixture, X: ArrayLike, sample_weight: ArrayLike | None) -> tuple[Array, Array]:
    """Return the mean and covariance of rows, by maximum likelihood."""
    source, full = source_of(model, X, sample_weight), covariance_model(DEFAULT_COVARIANCE_TYPE)
    check_any(source)
    with np.errstate(over="ignore", invalid="ignore"):
        mean, unbiased = mean_and_covariance(full, source, model.n_threads)
        weight = source.survey.weight
        covariance = unbiased * (max(weight - 1, weight / 2) / weight)
    if not (np.isfinite(covariance).all() and (np.diag(covariance) > 0).any()):
        raise ValueError("expected rows that vary and have finite squares, for their covariance")
    return mean, covariance


Directions.__module__ = directions.__module__ = "gmm.analysis"

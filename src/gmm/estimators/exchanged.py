"""`ExchangedMixture`: fitted mixtures that come from other software and go to it."""

from __future__ import annotations

from copy import copy
from functools import partial
from typing import Any, Self

import numpy as np

from gmm.estimators.contract import given_names
from gmm.estimators.fitted import fitted_parameters, without_noise
from gmm.estimators.saved import SavedMixture, from_state
from gmm.exchange.onnx import write_onnx
from gmm.exchange.scikit_learn import as_sklearn, state_of_sklearn
from gmm.persistence import Writable, build_object

__all__ = ["ExchangedMixture"]


class ExchangedMixture(SavedMixture):
    """Base class of estimators that other software takes or makes."""

    _dtype: np.dtype[Any]

    def to_sklearn(self) -> Any:
        """Make scikit-learn's estimator of the same name, with this one's fitted attributes; *beyond*.

        Parameters and fitted attributes are the same, in float64, with these exceptions: a constrained covariance model
        becomes the covariance type that stores it, so that `bic` and `aic` there count its parameters; a start that
        scikit-learn does not have becomes its default, and a numpy Generator for `random_state` None; parameters that
        it does not have, `prior` among them, are left out.

        Returns
        -------
        sklearn.mixture.GaussianMixture or sklearn.mixture.BayesianGaussianMixture
            It needs this package no longer.

        Examples
        --------
        >>> from gmm import GaussianMixture
        >>> mixture = GaussianMixture.from_parameters([0.5, 0.5], [[-1.0], [1.0]], [[[1.0]], [[1.0]]])
        >>> mixture.to_sklearn().predict([[-3.0], [2.0]])
        array([0, 1])
        """
        without_noise(self, "scikit-learn's estimators")
        exact = copy(self)
        exact._dtype = np.dtype(np.float64)
        return as_sklearn(exact, fitted_parameters(self).model)

    @classmethod
    def from_sklearn(cls, estimator: Any) -> Self:
        """Make a fitted mixture from scikit-learn's estimator of the same name; *beyond*.

        Parameters
        ----------
        estimator : sklearn.mixture.GaussianMixture or sklearn.mixture.BayesianGaussianMixture
            Fitted. Its parameters and fitted attributes are taken over; ``lower_bound_`` is its own number, which
            belongs to the parameters before the last update and, for a posterior, lacks constants.

        Returns
        -------
        GaussianMixture or BayesianGaussianMixture

        Raises
        ------
        TypeError
            If it is another class's.
        ValueError
            If it is not fitted (`NotFittedError`), or its attributes are not a valid mixture.
        """
        header, arrays = state_of_sklearn(estimator, cls.__name__)
        return build_object("the estimator of scikit-learn", "mixture", partial(from_state, cls), header, arrays)

    def to_onnx(self, file: Writable, *, dtype: str = "float32", arithmetic: str = "float64") -> None:
        """Write the fitted mixture as an ONNX model, for runtimes without Python; *beyond*.

        Its input ``X`` is (n, d), its outputs are ``label`` (n,), ``probabilities`` (n, K) and ``log_likelihood``
        (n,): the results of `predict`, `predict_proba` and `score_samples`, noise included. The operators are those of
        opset 13. Components from which a row is farther than 1e154 standard deviations (1e19 in float32 arithmetic) are
        equally far from it; an estimator finds the nearest there too.

        Parameters
        ----------
        file : str, os.PathLike or binary file
            A path, used as given, or a file open for writing.
        dtype : {"float32", "float64"}, default="float32"
            Of rows and results.
        arithmetic : {"float64", "float32"}, default="float64"
            What the runtime computes in; "float32" is for devices without float64, and loses digits.

        Raises
        ------
        ModuleNotFoundError
            If the package ``onnx`` is not installed.
        ValueError
            If a type is unknown, or the mixture's numbers exceed float32 arithmetic.
        """
        parameters = fitted_parameters(self)
        about = {"covariance_type": parameters.model.known_as, "feature_names": given_names(self)}
        write_onnx(file, parameters.whitened(), dtype=dtype, arithmetic=arithmetic, about=about)

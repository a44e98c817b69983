"""`options`: the parameters of estimators and searches as data, for a parser, a form or a page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain
from types import MappingProxyType
from typing import NamedTuple

from gmm._estimators.criteria import CRITERION, Criterion
from gmm._selection.request import requested_types
from gmm._validation.combinations import EXCLUSIONS, Exclusion
from gmm._validation.parameters import OPTIONS
from gmm._validation.scalars import check_boolean, check_whole
from gmm._values.covariance import CLASSIC, CovarianceModel, covariance_model
from gmm._versions import EXTRAS, install_line


class Parameter(NamedTuple):
    """A parameter of the estimators.

    Attributes
    ----------
    expected : str
        The allowed values, as text.
    choices : tuple of str
        The texts among these values; "factor" and "ppca" may end with a number of factors.
    bounds : tuple of (float, float), optional
        The limits of its numbers, included where `expected` has a square bracket; None if it is not a number.
    """

    expected: str
    choices: tuple[str, ...]
    bounds: tuple[float, float] | None


class Options(NamedTuple):
    """The parameters, criteria and models of estimators and searches.

    Attributes
    ----------
    parameters : mapping of str to Parameter
        The parameters of `GaussianMixture` and `BayesianGaussianMixture`, by their names.
    criteria : mapping of str to Criterion
        The criteria of `select`, by their names, with their formats and the meaning of differences.
    conjugate_types : tuple of str
        The covariance types that `BayesianGaussianMixture` accepts, also by mclust's names (VVV, EEE, VVI and VII).
    exclusions : tuple of Exclusion
        The pairs of features that exclude each other, the reason, and what to do instead.
    installs : mapping of str to str
        The command that installs each optional package.
    """

    parameters: Mapping[str, Parameter]
    criteria: Mapping[str, Criterion]
    conjugate_types: tuple[str, ...]
    exclusions: tuple[Exclusion, ...]
    installs: Mapping[str, str]

    def covariance_model(self, name: str, n_features: int | None = None) -> CovarianceModel:
        """Return a covariance model.

        Parameters
        ----------
        name : str
            As the parameter `covariance_type`.
        n_features : int, default=None
            Number of columns, which the model must allow.

        Returns
        -------
        CovarianceModel
            It has the letters of its `volume`, `shape` and `orientation` (E: equal in all components; V: variable; I:
            the identity), its number of factors, `n_factors`, and its printed name, `printed(n_features)`.

        Raises
        ------
        ValueError
            If there is no such model.

        Examples
        --------
        >>> import gmm
        >>> gmm.options().covariance_model("VEI").shape
        'E'
        """
        return covariance_model(name, None if n_features is None else check_whole(n_features, "n_features"))

    def covariance_types(
        self,
        names: str | Iterable[str] = "all",
        n_features: int | None = None,
        n_factors: int | Iterable[int] | None = None,
        *,
        limited: bool = False,
    ) -> list[str]:
        """Return the covariance types that a search tries.

        Parameters
        ----------
        names, n_factors
            As in `select`.
        n_features : int, default=None
            Number of columns; None is any number above one.
        limited : bool, default=False
            Whether the search has a `max_ratio`.

        Returns
        -------
        list of str

        Raises
        ------
        TypeError, ValueError
            If one is unknown.

        Examples
        --------
        >>> import gmm
        >>> gmm.options().covariance_types(["VVV", "factor"], n_factors=[1, 2])
        ['VVV', 'factor1', 'factor2']
        """
        d = None if n_features is None else check_whole(n_features, "n_features")
        return requested_types(names, d, n_factors, limited=check_boolean(limited, "limited"))


def options() -> Options:
    """Return the parameters, criteria and models of estimators and searches as data.

    Error messages, the command line and the page of exclusions are made of it.

    Returns
    -------
    Options

    Examples
    --------
    >>> import gmm
    >>> gmm.options().parameters["tails"].choices
    ('normal', 't')
    >>> print(gmm.options().exclusions[0].message())
    fixed weights cannot be combined with noise: weights sum to one, and the fit estimates the weight of noise. Instead,
    fix means and covariances, or drop noise.
    """
    parameters = {}
    for name, option in OPTIONS.items():
        choices = chain.from_iterable(each.names for each in option.values)
        bounds = next((each.bounds for each in option.values if each.bounds is not None), None)
        parameters[name] = Parameter(" or ".join(each.text for each in option.values), tuple(choices), bounds)
    installs = {package: install_line(extra) for extra, packages in EXTRAS.items() for package in packages}
    offered, criteria = MappingProxyType(parameters), MappingProxyType(CRITERION)
    return Options(offered, criteria, CLASSIC, EXCLUSIONS, MappingProxyType(installs))


options.__module__ = "gmm"

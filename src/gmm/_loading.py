"""The function `load`, which opens any saved model."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NoReturn

from numpy.typing import NDArray

from gmm._estimators.bayesian import BayesianGaussianMixture
from gmm._estimators.fitted import FittedMixture
from gmm._estimators.mixture import GaussianMixture
from gmm._estimators.regressor import MixtureRegressor
from gmm._estimators.saved import from_state
from gmm._frozen_mixture import FrozenMixture
from gmm._persistence import Readable, load_object
from gmm._selection import MixtureClassifier, Selection
from gmm._selection.result import selection_from_state
from gmm._validation.scalars import check_boolean

_Saved = FittedMixture | FrozenMixture | MixtureClassifier | MixtureRegressor | Selection
_MAKERS: dict[str, Callable[[dict[str, Any], dict[str, NDArray[Any]]], _Saved]] = {
    BayesianGaussianMixture.__name__: partial(from_state, BayesianGaussianMixture),
    FrozenMixture.__name__: FrozenMixture.from_state,
    GaussianMixture.__name__: partial(from_state, GaussianMixture),
    MixtureClassifier.__name__: MixtureClassifier.from_state,
    MixtureRegressor.__name__: MixtureRegressor.from_state,
    Selection.__name__: partial(selection_from_state, Selection),
}


def _not_mapped(name: str, header: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> NoReturn:
    raise ValueError(
        f"mmap=True is for a FrozenMixture, got a {name}: load it without, freeze() it, save that with prepared=True"
    )


def load(file: Readable, *, mmap: bool = False) -> _Saved:
    """Load a mixture, frozen or not, a classifier, a regressor or a selection that its `save` method wrote.

    Parameters
    ----------
    file : str, os.PathLike, binary file or bytes
        A path, a file opened in binary mode (read to its end), or the content of such a file.
    mmap : bool, default=False
        Whether to score from the file itself, given by its path, for a frozen mixture that was saved with
        ``prepared=True``; see `FrozenMixture.load`.

    Returns
    -------
    GaussianMixture, BayesianGaussianMixture, FrozenMixture, MixtureClassifier, MixtureRegressor or Selection
        The saved object; every number is bit for bit the one that was saved.

    Raises
    ------
    ValueError
        If the file is not a saved model, is damaged, was written by a newer version of the format, or does not contain
        a valid object; the message gives the reason. Files from untrusted sources are safe to load: no code is run.
    TypeError
        If `file` is not a path, a binary file or bytes.
    OSError
        If the file cannot be read.

    See Also
    --------
    GaussianMixture.load, FrozenMixture.load, Selection.load : Accept only one of these.

    Examples
    --------
    >>> import io, gmm
    >>> file = io.BytesIO()
    >>> gmm.GaussianMixture.from_parameters([0.5, 0.5], [[-1.0], [1.0]], [[[1.0]], [[1.0]]]).save(file)
    >>> gmm.load(file.getvalue()).weights_
    array([0.5, 0.5])
    """
    if not check_boolean(mmap, "mmap"):
        return load_object(file, _MAKERS)
    refusals = {name: partial(_not_mapped, name) for name in _MAKERS}
    return load_object(file, refusals | {FrozenMixture.__name__: FrozenMixture.from_mapped}, mmap=True)


load.__module__ = "gmm"

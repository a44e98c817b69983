"""`load`: whatever has been saved, as what it was."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from numpy.typing import NDArray

from gmm.estimators.fitted import from_state
from gmm.estimators.mixture import GaussianMixture
from gmm.persistence import Readable, loaded
from gmm.selection import Selection
from gmm.selection.table import selection_from_state

__all__ = ["load"]

_MAKERS: dict[str, Callable[[dict[str, Any], dict[str, NDArray[Any]]], GaussianMixture | Selection]] = {
    GaussianMixture.__name__: partial(from_state, GaussianMixture),
    Selection.__name__: partial(selection_from_state, Selection),
}


def load(file: Readable) -> GaussianMixture | Selection:
    """Open what a `save` wrote: a mixture, or a selection.

    Parameters
    ----------
    file : str, os.PathLike, binary file or bytes
        A path, a file opened for reading, which is read to its end, or what such a file holds.

    Returns
    -------
    GaussianMixture or Selection
        What was saved, every number as it was.

    Raises
    ------
    ValueError
        If the file is nothing that was saved, is damaged, or of a newer version, or if what it holds is no mixture and
        no selection; it says what is wrong. A file can do no other harm, whoever wrote it.

    See Also
    --------
    GaussianMixture.load, Selection.load : The same, where only one of the two will do.

    Examples
    --------
    >>> import io, gmm
    >>> file = io.BytesIO()
    >>> gmm.GaussianMixture.from_parameters([0.5, 0.5], [[-1.0], [1.0]], [[[1.0]], [[1.0]]]).save(file)
    >>> gmm.load(file.getvalue()).weights_
    array([0.5, 0.5])
    """
    return loaded(file, _MAKERS)

"""Real data sets that need no network, each small enough to fit in seconds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import resources
from pathlib import Path

import numpy as np

from benchmarks.problems import TYPES

# Velocities of 82 galaxies in km/s, Roeder (1990), with the value 26690 as in R's MASS, which mclust uses.
GALAXIES = Path(__file__).parents[1] / "tests" / "data" / "galaxies.csv"


@dataclass(frozen=True)
class Dataset:
    """A named data set, a typical number of components for it, and the covariance types to fit."""

    name: str
    n_components: int
    load: Callable[[], np.ndarray]
    types: tuple[str, ...] = TYPES

    def title(self, covariance_type: str) -> str:
        """Return the name of a problem: data set, K, type."""
        return f"{self.name}, K={self.n_components}, {covariance_type}"


def bundled(name: str, columns: slice = slice(None), *, scaled: bool = True) -> Callable[[], np.ndarray]:
    """Return a loader of scikit-learn's data set of that name; `scaled` divides columns by their deviations."""

    def load() -> np.ndarray:
        from sklearn import datasets

        X = np.asarray(getattr(datasets, f"load_{name}")().data[:, columns], float)
        return np.asarray(X / X.std(axis=0)) if scaled else X

    return load


def digits_axes(n_axes: int) -> np.ndarray:
    """Return the first principal components of the digits."""
    from sklearn import datasets

    return projected(datasets.load_digits().data, n_axes)


def breast_cancer_axes() -> np.ndarray:
    """Return the first six principal components of the breast cancer set, after scaling its columns."""
    return projected(bundled("breast_cancer")(), 6)


def projected(X: np.ndarray, n_axes: int) -> np.ndarray:
    """Return the rows' first principal components."""
    centred = X - X.mean(axis=0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    return np.asarray(centred @ axes[:n_axes].T)


def pixels(name: str) -> Callable[[], np.ndarray]:
    """Return a loader of 4000 random pixels of a picture: red, green and blue."""

    def load() -> np.ndarray:
        from sklearn import datasets

        flat = datasets.load_sample_image(f"{name}.jpg").reshape(-1, 3).astype(float)
        return np.asarray(np.random.default_rng(0).choice(flat, 4000, replace=False))

    return load


def faithful() -> np.ndarray:
    """Return the eruptions of Old Faithful that the package ships."""
    text = resources.files("gmm").joinpath("data/faithful.csv").read_text()
    return np.loadtxt(text.splitlines(), delimiter=",", skiprows=1)


def galaxies() -> np.ndarray:
    """Return the velocities of the galaxies in 1000 km/s, one column."""
    return np.loadtxt(GALAXIES, skiprows=1)[:, np.newaxis] / 1000


DATASETS = (
    Dataset("iris", 3, bundled("iris")),
    Dataset("wine", 3, bundled("wine")),
    Dataset("breast cancer", 2, bundled("breast_cancer")),
    Dataset("digits, 10 axes", 10, partial(digits_axes, 10)),
    Dataset("linnerud", 2, bundled("linnerud")),
    Dataset("diabetes, body and blood", 3, bundled("diabetes", slice(2, 8))),
    Dataset("china, pixels", 8, pixels("china")),
    Dataset("flower, pixels", 6, pixels("flower")),
    Dataset("galaxies", 3, galaxies),
    Dataset("Old Faithful", 3, faithful),
)

# Harder problems: numbers of components and types for which fits are slow or have many optima.
HARDER = (
    Dataset("iris", 4, bundled("iris")),
    Dataset("wine", 4, bundled("wine"), ("tied",)),
    Dataset("breast cancer", 4, bundled("breast_cancer"), ("diag",)),
    Dataset("breast cancer, 6 axes", 3, breast_cancer_axes, ("full",)),
    Dataset("china, pixels", 16, pixels("china"), ("full",)),
)

"""`Tracker`: objects that are tracked from frame to frame, each a component of a mixture with noise."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gmm._estimators.attributes import estimator_of, fitted_parameters
from gmm._estimators.mixture import GaussianMixture
from gmm._estimators.outcome import quiet_fits
from gmm._estimators.scorer import Scorer
from gmm._passes.e_step import EStep
from gmm._passes.stepwise import implied_statistics
from gmm._rows.input import as_one_array, as_source
from gmm._rows.sources import ArraySource
from gmm._text.words import counted
from gmm._validation.checks import check_box
from gmm._validation.scalars import check_real, check_whole
from gmm._values.covariance import DEFAULT_COVARIANCE_TYPE, covariance_model
from gmm._values.layouts import Array
from gmm._values.noise import Noise
from gmm._values.objective import Objective
from gmm._values.parameters import MixtureParameters
from gmm._values.statistics import SufficientStatistics

_PASSES = 5  # over the rows of a frame
_AT_FIRST = 9.0  # times the variance of the movement, while the velocity is unknown
_LEAST_NOISE = 0.01  # of the weight
_MOST_MOTION = 1e140  # its square is finite, also times a count
_MORE_TRIED = 1  # numbers of new objects above the best


class Tracks(NamedTuple):
    """A row for each object in each frame, in the order of the frames.

    Attributes
    ----------
    frame : ndarray of int, shape (n,)
    track : ndarray of int, shape (n,)
        The number of the object.
    n_rows : ndarray of float, shape (n,)
        Rows of the object in the frame.
    position : ndarray of shape (n, d)
    velocity : ndarray of shape (n, d)
        Per frame.
    """

    frame: NDArray[np.intp]
    track: NDArray[np.intp]
    n_rows: Array
    position: Array
    velocity: Array


class _Objects(NamedTuple):
    """The objects after a frame.

    Parameters
    ----------
    mixture : MixtureParameters
    statistics : SufficientStatistics
        Statistics of the rows so far, discounted by age.
    numbers : int array of shape (K,)
        In the order of creation.
    velocity : array of shape (K, d)
    age : int array of shape (K,)
        Number of frames since the object was created, including that one.
    n_rows : array of shape (K,)
        Rows in this frame.
    """

    mixture: MixtureParameters
    statistics: SufficientStatistics
    numbers: NDArray[Any]
    velocity: NDArray[Any]
    age: NDArray[Any]
    n_rows: NDArray[Any]

    def subset(self, indices: NDArray[np.intp]) -> _Objects:
        """Return some of the objects."""
        noise, share = self.mixture.noise, 1 - float(self.mixture.weights[indices].sum())
        return _Objects(
            self.mixture.for_components(indices).with_noise(noise, max(_LEAST_NOISE, share)),
            self.statistics.reordered(indices),
            *(values[indices] for values in self[2:]),
        )

    def with_new(self, born: _Objects) -> _Objects:
        """Append new objects."""
        one, two = self.mixture, born.mixture
        parts = (one.weights, two.weights), (one.means, two.means), (one.covariances, two.covariances)
        mixture, statistics = _with_model_of(one, *map(np.concatenate, parts)), self.statistics.joined(born.statistics)
        return _Objects(mixture, statistics, *map(np.concatenate, zip(self[2:], born[2:], strict=True)))


class Tracker:
    """Tracks objects that have several rows in each frame, such as scanner points or moving pixels.

    Each object is a component of a mixture with uniform noise for the clutter. Before a frame, components move by their
    velocities; its rows then update them, and older rows are discounted. Rows that no object explains create new ones,
    if BIC is better with them, and an object without rows is removed when its weight is lost.

    Parameters
    ----------
    box : array-like of shape (2, d)
        The corners of a frame.
    motion : float
        Standard deviation of the movement from frame to frame that the velocity does not predict, in units of the rows.
    forgetting : float, default=0.3
        Share of older rows that each frame discards, between 0 and 1.
    min_rows : int, default=5
        Number of rows, after discounting, that create an object, and below which it is removed.
    confirm : int, default=3
        Number of frames with an object before it is one of `tracks`.
    covariance_type : {"full", "diag", "spherical"}, default="full"
    reg_covar : float, default=1e-6
    random_state : int, default=0
        Seed of the fits of new objects.

    Attributes
    ----------
    n_frames : int
        Number of frames so far.

    Notes
    -----
    If two objects overlap, their rows are ambiguous. The position of an object then depends more on its velocity, the
    more its rows may be those of others.

    Examples
    --------
    >>> import numpy as np, gmm
    >>> rng = np.random.default_rng(0)
    >>> tracker = gmm.tracking.Tracker([[0, 0], [100, 100]], motion=1.0)
    >>> for t in range(20):
    ...     first, second = rng.normal([10 + 4 * t, 50], 2, (15, 2)), rng.normal([50, 90 - 4 * t], 2, (15, 2))
    ...     labels = tracker.update(np.concatenate([first, second, rng.uniform(0, 100, (10, 2))]))
    >>> tracks = tracker.tracks()
    >>> np.unique(tracks.track), tracks.position[-2:].round()
    (array([0, 1]), array([[50., 14.],
           [86., 50.]]))
    """

    def __init__(
        self,
        box: ArrayLike,
        motion: float,
        *,
        forgetting: float = 0.3,
        min_rows: int = 5,
        confirm: int = 3,
        covariance_type: str = DEFAULT_COVARIANCE_TYPE,
        reg_covar: float = 1e-6,
        random_state: int = 0,
    ) -> None:
        if len(shape := np.shape(box)) != 2 or not shape[1]:
            raise ValueError(f"expected a box of shape (2, d), the corners of a frame, with d ≥ 1, got shape {shape}")
        self._noise, self._n_features = Noise(*check_box(box, "box", shape[1])), shape[1]
        self._model = covariance_model(covariance_type)
        if self._model.constraint or self._model.layout.pooled:
            raise ValueError(
                f"each object has its own covariance: expected one of full, diag and spherical, got {covariance_type!r}"
            )
        self._motion = check_real(motion, "motion", f"(0, {_MOST_MOTION})")
        self._forgetting = check_real(forgetting, "forgetting", "(0, 1)")
        self._objective = Objective(self._model, check_real(reg_covar, "reg_covar", "(0, inf)"), noise=self._noise)
        self._min_rows, self._confirm = check_whole(min_rows, "min_rows"), check_whole(confirm, "confirm")
        self._random_state = random_state
        self._objects: _Objects | None = None
        self._born_so_far = 0
        self._entries: list[tuple[int, int, float, Array, Array]] = []
        self._times_seen: dict[int, int] = {}
        self._confirmed: dict[int, int] = {}  # the numbers of tracks, by the order of creation
        self.n_frames = 0

    def __repr__(self) -> str:
        """Return the number of frames and of tracks."""
        return f"Tracker({counted(self.n_frames, 'frame')}, {counted(len(self._confirmed), 'track')})"

    def update(self, X: ArrayLike) -> NDArray[np.intp]:
        """Update the objects by the rows of the next frame.

        Parameters
        ----------
        X : array-like or data frame of shape (n, d)
            May be empty, of shape (0, d).

        Returns
        -------
        ndarray of int, shape (n,)
            The number of each row's object, which stays the same from frame to frame; −1 for clutter, and for objects
            that are not confirmed yet.

        Raises
        ------
        ValueError, TypeError
            If the rows are invalid; the tracker then does not change.
        """
        if np.shape(X) == (0, self._n_features):
            rows = ArraySource(np.empty((0, self._n_features)))
        else:
            rows = as_one_array(as_source(X, estimator=self, n_features=self._n_features), type(self).__name__)
        objects = None if self._objects is None else self._update_objects(self._objects, rows)
        labels = _labels(objects, rows)
        born = self._create_objects(rows.rows[labels < 0], rows.n_rows)
        if born is not None:
            objects = born if objects is None else objects.with_new(born)
        if objects is not None:
            survivors = np.flatnonzero(objects.statistics.counts >= self._min_rows)
            objects = objects.subset(survivors) if len(survivors) else None
        self._objects, self._born_so_far = objects, self._born_so_far + (0 if born is None else len(born.numbers))
        if objects is not None:
            for k in np.flatnonzero(objects.n_rows >= self._min_rows).tolist():
                number, position = int(objects.numbers[k]), objects.mixture.means[k]
                self._entries.append((self.n_frames, number, float(objects.n_rows[k]), position, objects.velocity[k]))
                self._times_seen[number] = self._times_seen.get(number, 0) + 1
                if self._times_seen[number] == self._confirm:
                    self._confirmed[number] = len(self._confirmed)
        self.n_frames += 1
        labels = _labels(objects, rows)
        if objects is None:
            return labels
        numbers = np.array([*(self._confirmed.get(born, -1) for born in objects.numbers.tolist()), -1])
        return numbers[labels]  # noise has the label −1, the last

    def tracks(self) -> Tracks:
        """Return a table of the confirmed objects, including their frames before confirmation."""
        shown = [entry for entry in self._entries if entry[1] in self._confirmed]
        d = self._n_features
        frame, born, n_rows, position, velocity = zip(*shown, strict=True) if shown else ((), (), (), (), ())
        return Tracks(
            np.array(frame, dtype=np.intp),
            np.array([self._confirmed[number] for number in born], dtype=np.intp),
            np.array(n_rows, dtype=np.float64),
            np.array(position, dtype=np.float64).reshape(-1, d),
            np.array(velocity, dtype=np.float64).reshape(-1, d),
        )

    @property
    def mixture(self) -> GaussianMixture | None:
        """The objects of the last frame as a fitted mixture, in the order of creation; None if there are none."""
        if self._objects is None:
            return None
        return estimator_of(GaussianMixture, self._objects.mixture, noise=np.asarray(self._noise.parameter).tolist())

    def _update_objects(self, before: _Objects, rows: ArraySource) -> _Objects:
        """Return the objects, updated by the rows of a frame."""
        velocity, past = before.velocity, before.statistics.scaled(1 - self._forgetting)
        expected = before.mixture.means + velocity
        past = replace(past.recentred(before.mixture.means), origins=expected)
        unpredicted = np.where(before.age == 1, _AT_FIRST, 1.0) * self._motion**2
        wide = self._model.layout.with_ridge(before.mixture.covariances, unpredicted)
        mixture = _with_model_of(before.mixture, before.mixture.weights, expected, wide)
        if rows.n_rows == 0:
            narrow = _with_model_of(before.mixture, before.mixture.weights, expected, before.mixture.covariances)
            return before._replace(mixture=narrow, statistics=past, age=before.age + 1, n_rows=np.zeros(len(expected)))
        with EStep(rows, self._model.layout, n_threads=1) as e_step:
            for _ in range(_PASSES):
                new = e_step(mixture.whitened())
                step = self._gain(mixture, rows, unpredicted) * (new.means - expected)
                both = replace(past, origins=expected + step) + new
                update = self._objective.update(both)
                mixture = _with_model_of(update, update.weights, update.means, update.covariances)
        mixture = _with_model_of(update, update.weights, expected + step, update.covariances)
        return before._replace(
            mixture=mixture,
            statistics=both,
            velocity=velocity + np.maximum(self._forgetting, 1 / before.age)[:, None] * step,
            age=before.age + 1,
            n_rows=new.counts,
        )

    def _gain(self, mixture: MixtureParameters, rows: ArraySource, unpredicted: Array) -> Array:
        """Return the gain, from 0 to 1, by which each object moves from its prediction to the mean of its rows, (K, 1).

        It is the Kalman gain, with less weight for rows that may be those of other objects.
        """
        shares = Scorer(mixture, 1).responsibilities(rows)
        rest = shares.sum(axis=1, keepdims=True) - shares
        weights = (shares * np.maximum(shares - rest, 0)).sum(axis=0)
        variances = self._model.layout.diagonal(mixture.covariances, mixture.n_features).mean(axis=1)
        return np.asarray(weights * unpredicted / (weights * unpredicted + variances))[:, None]

    def _create_objects(self, rows: Array, n_rows: int) -> _Objects | None:
        """Return new objects in the rows that no object explains: as many as BIC prefers to noise."""
        best, born = -2.0 * len(rows) * self._noise.log_density, None
        for K in range(1, len(rows) // max(self._min_rows, 2) + 1):
            mixture = GaussianMixture(
                K,
                covariance_type=self._model.type_name,
                noise=self._noise.parameter,
                reg_covar=self._objective.ridge,
                random_state=self._random_state,
                n_threads=1,
            )
            with quiet_fits():
                bic = mixture.fit(rows).bic(rows)
            if bic < best:
                best, born = bic, fitted_parameters(mixture)
            elif (0 if born is None else born.n_components) + _MORE_TRIED < K:
                break
        if born is None:
            return None
        counts, numbers = born.weights * len(rows), self._born_so_far + np.arange(born.n_components)
        shares = _with_model_of(born, counts / n_rows, born.means, born.covariances)
        statistics = implied_statistics(born, Objective(self._model)).scaled(len(rows))
        return _Objects(shares, statistics, numbers, np.zeros(born.means.shape), np.ones_like(numbers), counts)


def _labels(objects: _Objects | None, rows: ArraySource) -> NDArray[np.intp]:
    if objects is None or rows.n_rows == 0:
        return np.full(rows.n_rows, -1, dtype=np.intp)
    return Scorer(objects.mixture, 1).labels(rows)


def _with_model_of(other: MixtureParameters, weights: Array, means: Array, covariances: Array) -> MixtureParameters:
    """Return a mixture with the model and the noise of another; noise always has a share, or it would stay without."""
    weights = weights * min(1.0, (1 - _LEAST_NOISE) / float(weights.sum()))
    return other.with_other(weights=weights, means=means.copy(), covariances=covariances.copy())


Tracker.__module__ = Tracks.__module__ = "gmm.tracking"

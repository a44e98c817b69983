"""Objects that are followed: numbers that stay, births, ends, clutter, and what a frame may be."""

import pickle

import numpy as np
import pytest

import gmm
from gmm.tracking import Tracker
from tables import cases, refused

BOX = [[0, 0], [100, 60]]


def frames_of(paths, *, seed, n=40, clutter=20, m=20, spread=1.3):
    """Frames that show objects at paths(t), None where one is not there, and clutter."""
    rng = np.random.default_rng(seed)
    for t in range(n):
        places = [place for path in paths if (place := path(t)) is not None]
        rows = [rng.normal(place, spread, (rng.poisson(m), 2)) for place in places]
        yield rng.permutation(np.concatenate([*rows, rng.uniform(*BOX, (rng.poisson(clutter), 2))]))


def followed(frames, **how):
    tracker = Tracker(**{"box": BOX, "motion": 1.0} | how)
    for frame in frames:
        tracker.update(frame)
    return tracker


def right(t):
    return 10 + 2 * t, 20


def left(t):
    return 90 - 2 * t, 20


@pytest.mark.parametrize("covariance_type", ["full", "diag", "spherical"])
def test_two_that_cross_keep_their_numbers(covariance_type):
    tracker = followed(frames_of([right, left], seed=1), covariance_type=covariance_type)
    tracks = tracker.tracks()
    assert len(set(tracks.track)) == 2
    for number in set(tracks.track):
        mine = tracks.track == number
        path = right if tracks.position[mine, 0][0] < tracks.position[mine, 0][-1] else left
        expected = np.array([path(t) for t in tracks.frame[mine]])
        assert np.abs(tracks.position[mine] - expected).max() < 3
        # A mean of 20 rows has a standard error of 0.3.
        apart = np.abs(tracks.frame[mine] - 20) > 4
        assert np.sqrt(((tracks.position[mine] - expected)[apart] ** 2).mean()) < 0.6
        np.testing.assert_allclose(tracks.velocity[mine][-1], np.subtract(path(1), path(0)), atol=0.7)
    assert tracks.n_rows.mean() == pytest.approx(20, rel=0.1)
    assert tracker.mixture.noise_weight_ == pytest.approx(1 / 3, abs=0.03)


def test_objects_come_and_go_and_what_is_hidden_for_a_moment_is_the_same_after():
    paths = right, lambda t: None if t < 12 else (20 + t, 50), lambda t: None if t > 24 else (80, 45 - t)
    tracks = followed(frames_of(paths, seed=2)).tracks()
    frames = [tracks.frame[tracks.track == k] for k in {*tracks.track}]
    assert sorted((each.min(), each.max()) for each in frames) == [(0, 24), (0, 39), (12, 39)]
    tracks = followed(frames_of([lambda t: None if t in (14, 15) else right(t)], seed=5)).tracks()
    assert len(set(tracks.track)) == 1
    assert not {14, 15} & set(tracks.frame)


def test_clutter_alone_is_no_object():
    tracker = followed(frames_of([], seed=3, clutter=60))
    assert (len(tracker.tracks().frame), repr(tracker)) == (0, "Tracker(40 frames, 0 tracks)")
    assert (tracker.update(np.random.default_rng(0).uniform(*BOX, (50, 2))) == -1).mean() > 0.8


def test_labels_are_the_numbers_of_the_objects():
    tracker = Tracker(BOX, motion=1.0)
    rng = np.random.default_rng(4)
    for t in range(8):
        rows = np.concatenate([rng.normal(right(t), 1, (15, 2)), rng.normal(left(t), 1, (15, 2)), [[50, 59]]])
        labels = tracker.update(rows)
        if t < 2:
            assert (labels == -1).all()
            continue
        assert len(set(labels[:15])) == len(set(labels[15:30])) == 1
        assert labels[0] != labels[20]
        assert labels[30] == -1
    assert set(tracker.tracks().track) == {labels[0], labels[20]} == {0, 1}
    assert isinstance(tracker.mixture, gmm.GaussianMixture)
    np.testing.assert_array_equal(tracker.mixture.predict(rows)[:30] == 0, labels[:30] == 0)


@pytest.mark.parametrize("seed", [1, 2])
def test_rows_of_two_objects_move_neither(seed):
    """Side by side they cross in twenty frames; if shared rows counted as their own, their numbers would change."""
    rises, falls = (lambda t, sign=sign: (5 + 1.5 * t, 30 + sign * 0.15 * (t - 30)) for sign in (1, -1))
    tracks = followed(frames_of([rises, falls], seed=seed, n=60, spread=1.2)).tracks()
    first, last = (tracks.position[tracks.frame == t, 1] for t in (0, 59))
    assert len(first) == len(last) == 2
    np.testing.assert_allclose(last - 30, 30 - first, atol=2.5)


def test_a_frame_may_be_empty():
    tracker = followed(frames_of([right], seed=6, n=10))
    assert tracker.update(np.empty((0, 2))).shape == (0,)
    assert tracker.mixture is not None
    for _ in range(20):
        tracker.update(np.empty((0, 2)))
    assert tracker.mixture is None
    assert tracker.n_frames == 31
    assert len(Tracker(BOX, motion=1.0).update(np.empty((0, 2)))) == 0


@pytest.mark.parametrize("motion", [1e-300, 1e139])
def test_motion_of_any_size_has_a_gain(motion):
    rows = np.random.default_rng(0).normal([10, 20], 1, (20, 2))
    steps = np.array([[0, 0], [0, 1], [0, 2]])
    tracker = followed((rows + step for step in steps), motion=motion)
    tracks, expected = tracker.tracks(), steps * (motion > 1)
    np.testing.assert_allclose(tracks.position - tracks.position[0], expected, atol=0.1)
    assert tracker.mixture.noise_weight_ == pytest.approx(0.01)  # without clutter too, else none would come back


def test_neither_pickles_between_frames_nor_units_matter():
    frames = list(frames_of([right, left], seed=7))
    whole = followed(frames).tracks()
    again = pickle.loads(pickle.dumps(followed(frames[:20])))
    for frame in frames[20:]:
        again.update(frame)
    for one, other in zip(again.tracks(), whole, strict=True):
        np.testing.assert_array_equal(one, other)
    scaled = followed((frame * 64 for frame in frames), box=np.array(BOX) * 64, motion=64, reg_covar=1e-6 * 64**2)
    np.testing.assert_array_equal(whole.track, scaled.tracks().track)
    np.testing.assert_allclose(whole.position * 64, scaled.tracks().position, rtol=1e-6)


@cases(
    ({"box": [0, 1]}, "a box of shape \\(2, d\\)"),
    ({"box": [[0, 0], [0, 1]]}, "column 0 of box"),
    ({"motion": 1e200}, "motion to be a number in .0, 1e.140., got 1e.200"),
    ({"forgetting": np.float64(1)}, "forgetting to be a number in .0, 1., got .*1.0"),
    ({"covariance_type": "tied"}, "its own covariance"),
)
def test_what_cannot_be_followed_is_refused(how, told):
    refused(told, Tracker, **{"box": BOX, "motion": 1.0} | how)


def test_a_frame_that_is_refused_changes_nothing():
    tracker = followed(frames_of([right], seed=9, n=5))
    before = pickle.dumps(tracker)
    for rows in ([[1.0, np.nan]], [[1.0]], [[1.0, 2.0, 3.0]]):
        refused(r"NaN|features", tracker.update, rows)
    assert pickle.dumps(tracker) == before


def test_rows_far_from_the_box_take_no_object_with_them():
    # Noise takes all rows in a first pass; a step from none of them had led the means to 1e267.
    X = [[1.257e7, -1.321e7], [6.640e8, 6.105e8], [5.464e8, 6.362e8], [1.304e8, 9.471e7], [-7.037e7, -1.265e8]]
    X += [[5.377e8, 6.041e8], [3.675e8, 5.781e8], [4.754e8, 5.268e8], [-5.443e7, -3.163e7], [6.412e8, 7.043e8]]
    tracker = Tracker([[-9, -9], [15, 15]], 1e-300, covariance_type="spherical")
    assert (tracker.update([*X, [5.871e8, 7.366e8], [5.335e8, 6.352e8]]) == -1).all()

"""How well does a tracker follow moving objects, compared with a fit of each single frame?

The frames are simulated. Over all frames, objects that are missed, tracks that are none and switches of number are
counted; MOTA is 1 less their sum per object and frame (Bernardin & Stiefelhagen 2008).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from benchmarks.report import Report, Settings

PEERS, THREADS = ("gmm",), (1,)
BOX = np.array([[0, 0], [100, 60]])
SEEDS, N_FRAMES, CLUTTER = 5, 60, 25
LEAST = 0.98  # MOTA of the first scene


class Path(NamedTuple):
    """An object: first and last frame, where it is in each, and the standard deviations of its points."""

    first: int
    last: int
    at: Callable[[int], tuple[Any, Any]]
    spread: tuple[float, float]


PATHS = {
    "to the right": Path(0, 59, lambda t: (5 + 1.5 * t, 15 + 0.5 * t), (1.8, 1)),
    "to the left": Path(0, 59, lambda t: (95 - 1.5 * t, 15 + 0.5 * t), (1.8, 1)),
    "round": Path(0, 59, lambda t: (50 + 20 * np.cos(t / 9), 45 + 8 * np.sin(t / 9)), (1.5, 1.5)),
    "appears": Path(15, 59, lambda t: (10 + 1.2 * (t - 15), 55 - 0.9 * (t - 15)), (1.2, 2)),
    "vanishes": Path(0, 38, lambda t: (90 - 0.8 * t, 50 - 0.6 * t), (2, 1)),
}


def side_by_side(slope: float) -> dict[str, Path]:
    """Two objects that travel together and cross at frame 30, by 2 · `slope` a frame."""
    return {
        name: Path(0, 59, lambda t, sign=sign: (5 + 1.5 * t, 30 + sign * slope * (t - 30)), (1.2, 1.2))
        for name, sign in (("rises", 1), ("falls", -1))
    }


SCENES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "crossing": ({}, {}),
    "8 points": ({"points": 8}, {}),
    "every third frame": ({"every": 3}, {"motion": 3.0}),
    "side by side": ({"paths": side_by_side(0.1)}, {}),
    "side by side, seen as one": ({"paths": side_by_side(0.08)}, {}),  # at most 4 standard deviations apart
}


def run(settings: Settings, report: Report) -> bool:
    """Print the table; return whether the tracker follows the first scene."""
    seeds = range(1, 2 if settings.smoke else SEEDS + 1)
    report.note(
        f"means of {len(seeds)} videos of {N_FRAMES} frames; frame by frame: as many components as BIC prefers,"
    )
    report.note("numbered by the nearest means before")
    report.header("scene", "way", "misses", "false", "switches", "MOTA")
    right = True
    for scene, (arguments, given) in SCENES.items():
        if settings.only not in scene:
            continue
        videos = [video(seed, **arguments) for seed in seeds]
        for name, way in (("tracker", followed), ("frame by frame", alone)):
            found = np.mean(
                [tracking_scores(truth, way(frames, **(given if way is followed else {}))) for frames, truth in videos],
                axis=0,
            )
            report.row(scene, name, *(f"{number:.1f}" for number in found[:3]), f"{found[3]:.3f}")
            right &= settings.smoke or (scene, name) != ("crossing", "tracker") or found[3] >= LEAST
    return bool(right)


def video(seed: int, points: float = 20, every: int = 1, paths: dict[str, Path] = PATHS) -> Any:
    """Return the points of each frame, shuffled with clutter, and where the objects are in it, by name."""
    rng = np.random.default_rng(seed)
    frames, truth = [], []
    for t in range(0, N_FRAMES, every):
        there = {name: np.array(path.at(t)) for name, path in paths.items() if path.first <= t <= path.last}
        rows = [rng.uniform(*BOX, (rng.poisson(CLUTTER), 2))]
        for name, place in there.items():
            n = rng.poisson(points)
            rows.append(rng.normal(place, paths[name].spread, (n, 2)))
        frames.append(rng.permutation(np.concatenate(rows)))
        truth.append(there)
    return frames, truth


def followed(frames: Sequence[np.ndarray], motion: float = 1.0) -> list[dict[int, np.ndarray]]:
    """Return where the tracks of a `gmm.tracking.Tracker` are in each frame, by number."""
    from gmm.tracking import Tracker

    tracker = Tracker(BOX, motion)
    for rows in frames:
        tracker.update(rows)
    found_tracks: list[dict[int, np.ndarray]] = [{} for _ in frames]
    tracks = tracker.tracks()
    for t, k, place in zip(tracks.frame, tracks.track, tracks.position, strict=True):
        found_tracks[t][k] = place
    return found_tracks


def alone(frames: Sequence[np.ndarray], gate: float = 6.0, patience: int = 3) -> list[dict[int, np.ndarray]]:
    """Return where the components of each frame's own fit are, with the numbers of the nearest means before."""
    found_tracks: list[dict[int, np.ndarray]] = []
    seen: dict[int, tuple[int, np.ndarray]] = {}
    latest = 0
    for t, rows in enumerate(frames):
        means = components(rows)
        seen = {k: old for k, old in seen.items() if t - old[0] <= patience}
        known = list(seen)
        found = {known[i]: means[j] for i, j in matched([seen[k][1] for k in known], means, gate)}
        taken = {id(mean) for mean in found.values()}
        for mean in means:
            if id(mean) not in taken:
                found[latest] = mean
                latest += 1
        found_tracks.append(found)
        seen |= {k: (t, mean) for k, mean in found.items()}
    often = Counter(k for found in found_tracks for k in found)
    return [{k: place for k, place in found.items() if often[k] >= 3} for found in found_tracks]


def components(rows: np.ndarray) -> list[np.ndarray]:
    """Return the means of as many components with noise as BIC prefers."""
    from gmm import GaussianMixture

    best, means = 2 * len(rows) * np.log(np.prod(BOX[1] - BOX[0])), []
    for K in range(1, 9):
        fit = GaussianMixture(K, noise=BOX, random_state=0).fit(rows)
        bic = fit.bic(rows)
        if bic < best:
            best, means = bic, list(fit.means_)
        elif len(means) + 1 < K:
            break
    return means


def matched(ones: Sequence[np.ndarray], others: Sequence[np.ndarray], gate: float) -> list[tuple[int, int]]:
    """Return pairs of places nearer than `gate`, of the least total distance."""
    from scipy.optimize import linear_sum_assignment

    if not len(ones) or not len(others):
        return []
    distances = np.linalg.norm(np.asarray(ones)[:, None] - np.asarray(others), axis=2)
    pairs = zip(*linear_sum_assignment(np.minimum(distances, 10 * gate)), strict=True)
    return [(i, j) for i, j in pairs if distances[i, j] < gate]


def tracking_scores(
    truth: Sequence[dict[str, np.ndarray]], found_tracks: Sequence[dict[int, np.ndarray]], gate: float = 4.0
) -> tuple[int, int, int, float]:
    """Return misses, false tracks, switches, and MOTA; who was together stays so while they are near."""
    last: dict[str, int] = {}
    misses = false = switches = 0
    for there, found in zip(truth, found_tracks, strict=True):
        pairs: dict[str, int] = {}
        for name, k in last.items():
            near = name in there and k in found and k not in pairs.values()
            if near and np.linalg.norm(there[name] - found[k]) < gate:
                pairs[name] = k
        names = [name for name in there if name not in pairs]
        free = [k for k in found if k not in pairs.values()]
        for i, j in matched([there[name] for name in names], [found[k] for k in free], gate):
            switches += last.get(names[i], free[j]) != free[j]
            pairs[names[i]] = free[j]
        misses += len(there) - len(pairs)
        false += len(found) - len(pairs)
        last |= pairs
    return misses, false, switches, 1 - (misses + false + switches) / sum(map(len, truth))

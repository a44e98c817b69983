"""
Follow objects that move
========================

A scanner, or what moves in a video, gives a cloud of points for each frame:
several for each object, and clutter. Which object of this frame is which of the
one before? `gmm.Tracker` keeps a component for each object, moves it on by its
velocity, and lets the points of the next frame correct it.
"""

import base64
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.animation import PillowWriter
from scipy.optimize import linear_sum_assignment

from gmm import GaussianMixture, Tracker

# %%
# The video is simulated, so that the truth is known: two objects cross, one
# goes round, one appears and one vanishes. Each shows 20 points on average, and
# there are 25 of clutter. This is all that one has to write:

box = np.array([[0, 0], [100, 60]])
# sphinx_gallery_start_ignore
paths = {  # from frame, to frame, where, standard deviations of its points
    "to the right": (0, 59, lambda t: (5 + 1.5 * t, 15 + 0.5 * t), (1.8, 1)),
    "to the left": (0, 59, lambda t: (95 - 1.5 * t, 15 + 0.5 * t), (1.8, 1)),
    "round": (
        0,
        59,
        lambda t: (50 + 20 * np.cos(t / 9), 45 + 8 * np.sin(t / 9)),
        (1.5, 1.5),
    ),
    "appears": (
        15,
        59,
        lambda t: (10 + 1.2 * (t - 15), 55 - 0.9 * (t - 15)),
        (1.2, 2),
    ),
    "vanishes": (0, 38, lambda t: (90 - 0.8 * t, 50 - 0.6 * t), (2, 1)),
}


def video(seed, points=20, every=1):
    """The points of each frame, and where the objects are."""
    rng = np.random.default_rng(seed)
    shown, places = [], []
    for t in range(0, 60, every):
        there = {
            name: np.array(where(t))
            for name, (first, last, where, _) in paths.items()
            if first <= t <= last
        }
        rows = [rng.uniform(*box, (rng.poisson(25), 2))]
        for name, place in there.items():
            n = rng.poisson(points)
            rows.append(rng.normal(place, paths[name][3], (n, 2)))
        shown.append(rng.permutation(np.concatenate(rows)))
        places.append(there)
    return shown, places


# sphinx_gallery_end_ignore

frames, truth = video(seed=0)
tracker = Tracker(box, motion=1.0)
labels = [tracker.update(rows) for rows in frames]
tracks = tracker.tracks()
table = pd.DataFrame(
    {
        "frame": tracks.frame,
        "track": tracks.track,
        "points": tracks.n_rows.round(1),
        "x": tracks.position[:, 0].round(1),
        "y": tracks.position[:, 1].round(1),
    }
)
print(table.tail(5).to_string(index=False))

# %%
# As a film: a colour for each object, grey for clutter, and where it has been.

# sphinx_gallery_start_ignore
colours = plt.get_cmap("tab10").colors
fig, ax = plt.subplots(figsize=(6, 3.9), layout="constrained", dpi=80)


def draw(t):
    ax.clear()
    number = labels[t]
    ax.plot(*frames[t][number < 0].T, ".", color="0.7", markersize=3)
    for k in np.unique(number[number >= 0]):
        ax.plot(
            *frames[t][number == k].T, ".", color=colours[k % 10], markersize=4
        )
    for k in np.unique(tracks.track):
        past = (tracks.track == k) & (tracks.frame <= t)
        ax.plot(*tracks.position[past].T, color=colours[k % 10], linewidth=1)
        if (tracks.frame[past] == t).any():
            ax.annotate(str(k), tracks.position[past][-1], fontsize=12)
    ax.set(xlim=box[:, 0], ylim=box[:, 1], title=f"frame {t}")


class Film:
    """A GIF within the page."""

    def _repr_html_(self):
        writer = PillowWriter(fps=8)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "film.gif"
            with writer.saving(fig, path, dpi=80):
                for t in range(len(frames)):
                    draw(t)
                    writer.grab_frame()
            text = base64.b64encode(path.read_bytes()).decode()
        draw(35)
        return f'<img alt="the tracks" src="data:image/gif;base64,{text}">'


draw(35)
Film()
# sphinx_gallery_end_ignore

# %%
# How good is that? The usual measure counts, over all frames, objects that are
# missed, tracks that are none, and switches of number; MOTA is 1 less their sum
# per object and frame (Bernardin & Stiefelhagen 2008). Beside the tracker: each
# frame fitted alone, with as many components as BIC prefers, which get the
# numbers of the nearest means before.

# sphinx_gallery_start_ignore


def alone(shown, gate=6.0, patience=3):
    """Where the components of each frame are, by number."""
    told, seen, latest = [], {}, 0
    for t, rows in enumerate(shown):
        best, means = 2 * len(rows) * np.log(np.prod(box[1] - box[0])), []
        for K in range(1, 9):
            fit = GaussianMixture(K, noise=box, random_state=0).fit(rows)
            bic = fit.bic(rows)
            if bic < best:
                best, means = bic, fit.means_
            elif len(means) + 1 < K:
                break
        seen = {k: old for k, old in seen.items() if t - old[0] <= patience}
        known, found = list(seen), {}
        if known and len(means):
            steps = np.array([seen[k][1] for k in known])[:, None] - means
            distances = np.linalg.norm(steps, axis=2)
            pairs = linear_sum_assignment(np.minimum(distances, 10 * gate))
            found = {
                known[i]: j
                for i, j in zip(*pairs, strict=True)
                if distances[i, j] < gate
            }
        for j in set(range(len(means))) - set(found.values()):
            found[latest] = j
            latest += 1
        told.append({k: means[j] for k, j in found.items()})
        seen |= {k: (t, means[j]) for k, j in found.items()}
    often = pd.Series([k for found in told for k in found]).value_counts()
    return [
        {k: at for k, at in found.items() if often[k] >= 3} for found in told
    ]


def followed(shown, **how):
    """Where the tracks are in each frame, by number."""
    followed = Tracker(box, **{"motion": 1.0} | how)
    for rows in shown:
        followed.update(rows)
    told = [{} for _ in shown]
    for frame, k, _, at, _ in zip(*followed.tracks(), strict=True):
        told[frame][k] = at
    return told


def judged(places, told, gate=4.0):
    """Misses, false tracks, switches, and MOTA."""
    last, misses, false, switches = {}, 0, 0, 0
    for there, found in zip(places, told, strict=True):
        pairs = {}
        for name, k in last.items():  # who was together stays so
            near = name in there and k in found and k not in pairs.values()
            if near and np.linalg.norm(there[name] - found[k]) < gate:
                pairs[name] = k
        names = [name for name in there if name not in pairs]
        free = [k for k in found if k not in pairs.values()]
        distances = np.array(
            [[np.linalg.norm(there[a] - found[b]) for b in free] for a in names]
        ).reshape(len(names), len(free))
        for i, j in zip(
            *linear_sum_assignment(np.minimum(distances, 99)), strict=True
        ):
            if distances[i, j] < gate:
                switches += last.get(names[i], free[j]) != free[j]
                pairs[names[i]] = free[j]
        misses += len(there) - len(pairs)
        false += len(found) - len(pairs)
        last |= pairs
    total = sum(map(len, places))
    return misses, false, switches, 1 - (misses + false + switches) / total


# sphinx_gallery_end_ignore

ways = {"tracker": followed, "frame by frame": alone}
scores = {}
for title, how in {"as above": {}, "8 points": {"points": 8}}.items():
    videos = [video(seed, **how) for seed in range(1, 3)]
    for name, way in ways.items():
        each = [judged(places, way(shown)) for shown, places in videos]
        scores[title, name] = np.sum(each, axis=0) / [1, 1, 1, len(each)]
columns = ["misses", "false", "switches", "MOTA"]
print(pd.DataFrame(scores, index=columns).T.round(2))

# %%
# Two videos of 60 frames each. The tracker knows where an object should be,
# so a crossing is no riddle to it; a fit of one frame sees one cloud there, and
# both numbers are lost.
#
# It has its limits. Of few points, ``min_rows`` are often too many to ask, and
# the object is missed; with fewer, more clutter is followed. If every third
# frame is all there is, objects move further than ``motion`` says before their
# velocity is known:

slow = [video(seed, every=3) for seed in range(1, 3)]
limits = {
    motion: np.mean(
        [
            judged(places, followed(shown, motion=motion))[3]
            for shown, places in slow
        ]
    )
    for motion in (1.0, 3.0)
}
for motion, score in limits.items():
    print(f"every third frame, motion={motion}: MOTA {score:.2f}")

# %%
# Two objects that first appear on top of each other are one track until one of
# them leaves it. And of one detection per object, as a neural network gives
# them, with its looks beside its place, there is no cloud to fit: a Kalman
# filter with assignments, or a tracker that knows appearances, is the tool
# then.

# %%
# What to try next
# ----------------
#
# - ``tracker.mixture`` is the mixture of the last frame, for
#   `gmm.plotting.plot_clusters` or `gmm.overlap`.
# - ``forgetting`` near 1 follows objects whose shape changes quickly.
# - Slow change of one stream, without objects that come and go, is for
#   ``GaussianMixture.partial_fit`` with ``decay``.
#
# Used here: `gmm.Tracker`, `gmm.GaussianMixture` with ``noise``.

"""
Follow objects that move
========================

A scanner, or what moves in a video, gives a cloud of points for each frame:
several for each object, and clutter. Which object of this frame is which of the
one before? `gmm.tracking.Tracker` keeps a component for each object, moves it
on by its velocity, and lets the points of the next frame correct it.
"""

import base64
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from benchmarks.following import BOX, alone, followed, judged, video
from matplotlib.animation import PillowWriter

from gmm.tracking import Tracker

# %%
# The video is simulated, so that the truth is known: two objects cross, one
# goes round, one appears and one vanishes. Each shows 20 points on average, and
# there are 25 of clutter. This is all that one has to write:

frames, truth = video(seed=0)
tracker = Tracker(BOX, motion=1.0)
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
fig, ax = plt.subplots(figsize=(5, 3.9), layout="constrained", dpi=80)


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
    ax.set(xlim=BOX[:, 0], ylim=BOX[:, 1], title=f"frame {t}")


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
# numbers of the nearest means before. Both, and the video, are in
# ``benchmarks/following.py``; ``python -m benchmarks following`` prints more
# scenes and videos of each.

ways = {"tracker": followed, "frame by frame": alone}
scores = {}
for title, how in {"as above": {}, "8 points": {"points": 8}}.items():
    videos = [video(1, **how)]
    for name, way in ways.items():
        each = [judged(places, way(shown)) for shown, places in videos]
        scores[title, name] = np.sum(each, axis=0) / [1, 1, 1, len(each)]
columns = ["misses", "false", "switches", "MOTA"]
print(pd.DataFrame(scores, index=columns).T.round(2))

# %%
# Videos of 60 frames. The tracker knows where an object should be,
# so a crossing is no riddle to it; a fit of one frame sees one cloud there, and
# both numbers are lost.
#
# It has its limits. Of few points, ``min_rows`` are often too many to ask, and
# the object is missed; with fewer, more clutter is followed. If every third
# frame is all there is, objects move further than ``motion`` says before their
# velocity is known:

slow = [video(1, every=3)]
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
#   `gmm.plotting.plot_clusters` or `gmm.analysis.overlap`.
# - ``forgetting`` near 1 follows objects whose shape changes quickly.
# - Slow change of one stream, without objects that come and go, is for
#   ``GaussianMixture.partial_fit`` with ``decay``.
#
# Used here: `gmm.tracking.Tracker`.

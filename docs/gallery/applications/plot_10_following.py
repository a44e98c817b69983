"""
Follow objects that move
========================

A scanner or a video yields a cloud of points for each frame: several for each
object, and clutter. `gmm.tracking.Tracker` follows the objects from frame to
frame. It has a component for each object, moves it by its velocity, and
corrects it by the points of the next frame.
"""

import base64
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from benchmarks.following import BOX, alone, followed, tracking_scores, video
from matplotlib.animation import PillowWriter

from gmm.tracking import Tracker

# %%
# The video is simulated, so we know the truth: two objects cross, one circles,
# one appears and one vanishes. Each frame has about 20 points of each object,
# and 25 of clutter. This is the whole program:

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
# The film has a colour for each object, with its path, and grey for clutter.

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
# How good is the tracker? The usual measure counts missed objects, false tracks
# and switched numbers over all frames. MOTA is 1 minus their sum per object and
# frame (Bernardin & Stiefelhagen 2008). For comparison, a simple method fits
# each frame alone, with the K that BIC prefers, and numbers each component by
# the nearest mean of the previous frame. ``benchmarks/following.py`` has both
# and the video; ``python -m benchmarks following`` prints more scenes.

ways = {"tracker": followed, "frame by frame": alone}
scores = {}
for title, how in {"as above": {}, "8 points": {"points": 8}}.items():
    shown, places = (part[:40] for part in video(1, **how))
    for name, way in ways.items():
        scores[title, name] = tracking_scores(places, way(shown))
columns = ["misses", "false", "switches", "MOTA"]
print(pd.DataFrame(scores, index=columns).T.round(2))

# %%
# These are videos of 40 frames. The tracker predicts where an object should be,
# so it keeps numbers through a crossing. A fit of one frame sees one cloud
# there and loses both numbers.
#
# The tracker has limits. If an object shows fewer points than ``min_rows``, it
# is missed; with a smaller ``min_rows``, more clutter is followed. If only
# every third frame is available, objects move further than ``motion`` states
# before their velocity is known:

slow, places = video(1, every=3)
limits = {
    motion: tracking_scores(places, followed(slow, motion=motion))[3]
    for motion in (1.0, 3.0)
}
for motion, score in limits.items():
    print(f"every third frame, motion={motion}: MOTA {score:.2f}")

# %%
# Two objects that first appear on top of each other are one track until one of
# them leaves it. Detections of a neural network have one point per object, so
# there is no cloud to fit. Use a Kalman filter with assignments there, or a
# tracker that compares appearances.

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

"""A few pictures against stored ones; `python tests/test_plotting_images.py` stores them anew, to be looked at."""

import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from matplotlib.testing.compare import compare_images

from gmm import GaussianMixture
from gmm.plotting import plot_clusters, plot_decision_boundaries, plot_density, plot_uncertainty

DATA = Path(__file__).parent / "data"
STORED = DATA / "pictures"
TOLERANCE = 2.5  # root mean square of 255 levels; without one line of several it is 3 or more


def blobs():
    X = np.load(DATA / "blobs.npy")
    means = [[-0.6, -0.75], [-1.47, 1.0], [-2.25, 3.3], [-0.67, 1.8]]
    return GaussianMixture(4, means_init=means).fit(X), X


def iris():
    X = pd.read_csv(DATA / "iris.csv").iloc[:, :4]
    return GaussianMixture(3, init_params=np.repeat(np.eye(3), 50, axis=0)).fit(X), X


PICTURES = {
    "clusters": (plot_clusters, blobs, {}),
    "clusters_plane": (plot_clusters, iris, {}),
    "clusters_axis": (plot_clusters, iris, {"view": 2}),
    "clusters_pairs": (plot_clusters, iris, {"view": "pairs"}),
    "density": (plot_density, blobs, {}),
    "density_axis": (plot_density, iris, {"view": 2}),
    "boundaries": (plot_decision_boundaries, blobs, {}),
    "boundaries_axis": (plot_decision_boundaries, iris, {"view": 2}),
    "uncertainty": (plot_uncertainty, blobs, {}),
}


def store(name, folder):
    """Draw without any text, edge to edge: letters and layouts differ from machine to machine."""
    plot, data, how = PICTURES[name]
    with mpl.rc_context(mpl.rcParamsDefault):
        axes = np.ravel(plot(*data(), **how))
        figure = axes[0].figure
        figure.set_layout_engine("none")
        for legend in figure.legends:
            legend.remove()
        for ax in axes:
            ax.set_axis_off()
            ax.set_title("")
            for item in [*ax.texts, *filter(None, [ax.get_legend()])]:
                item.remove()
        figure.suptitle("")
        figure.set_size_inches((4.0, 4.0) if len(axes) > 1 else (3.2, 2.4))
        figure.savefig(folder / f"{name}.png", dpi=80, metadata={"Software": None}, pil_kwargs={"optimize": True})
    plt.close("all")


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_the_stored_one(name, tmp_path):
    if name.startswith("boundaries") and mpl.__version_info__ < (3, 11):
        pytest.skip("matplotlib before 3.11 draws fills otherwise")
    store(name, tmp_path)
    assert compare_images(STORED / f"{name}.png", tmp_path / f"{name}.png", tol=TOLERANCE) is None


if __name__ == "__main__":
    for picture in sys.argv[1:] or PICTURES:
        store(picture, STORED)

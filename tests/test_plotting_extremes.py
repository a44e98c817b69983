"""Pictures of mixtures at the ends of what numbers can say: tiny weights, far components, huge and tiny spreads."""

import numpy as np
import pytest

from gmm import GaussianMixture
from gmm.plotting import animate_fit, plot_clusters
from pictures import PLOTS, draw, each_plot

pytestmark = pytest.mark.usefixtures("figures")
THIN = np.array([[1.0, 1 - 1e-9], [1 - 1e-9, 1.0]])


def spread_out(first, second, apart, weight):
    """Two components, and rows of the first."""
    d = len(first)
    covariances = np.stack([first, second])
    model = GaussianMixture.from_parameters([1 - weight, weight], [np.zeros(d), np.full(d, apart)], covariances)
    return model, np.random.default_rng(0).multivariate_normal(np.zeros(d), first, size=40)


CASES = {
    "a weight of 1e-300": (np.eye(2), np.eye(2), 3.0, 1e-300),
    "the least weight, thin": (np.eye(2), THIN, 3.0, 5e-324),
    "no weight": (np.eye(2), np.eye(2), 3.0, 0.0),
    "a weight of 1e-300, far": (np.eye(2), np.eye(2), 1e9, 1e-300),
    "a weight of 1e-300, very far": (np.eye(2), np.eye(2), 1e150, 1e-300),
    "a weight of 1e-300, wide": (np.eye(2), 1e300 * np.eye(2), 3.0, 1e-300),
    "far apart": (np.eye(2), np.eye(2), 1e10, 0.5),
    "very far apart": (np.eye(2), np.eye(2), 1e150, 0.5),
    "tiny": (1e-300 * np.eye(2), 1e-300 * np.eye(2), 1e-150, 0.5),
    "huge": (1e300 * np.eye(2), 1e300 * np.eye(2), 1e150, 0.5),
    "tiny in the middle": (np.eye(2), 1e-300 * np.eye(2), 0.0, 0.5),
    "tiny and huge": (1e-300 * np.eye(2), 1e300 * np.eye(2), 0.0, 0.5),
    "of three features, very far": (np.eye(3), np.eye(3), 1e150, 1e-300),
    "of three features, of no weight to speak of": (1e-300 * np.eye(3), np.eye(3), 0.0, 1e-300),
    "of three features, tiny and huge": (1e-300 * np.eye(3), 1e300 * np.eye(3), 0.0, 0.5),
}


@each_plot
@pytest.mark.parametrize("case", CASES)
def test_whatever_the_numbers_there_is_a_picture(plot, case):
    """Each case is seen in all views, and so is each plot."""
    view = (0, None, "pairs")[(list(CASES).index(case) + PLOTS.index(plot)) % 3]
    ax = np.ravel(plot(*spread_out(*CASES[case]), view=view))[0]
    draw(ax) if view == 0 else ax.figure.canvas.draw()  # a layout sees the same numbers in two features


def test_a_number_beyond_the_edges_is_drawn_when_they_reach_it():
    ax = plot_clusters(*spread_out(np.eye(2), np.eye(2), 1e9, 1e-300))
    renderer = ax.figure.canvas.get_renderer()
    shown = {text.get_text(): text._check_xy(renderer) for text in ax.texts}
    assert shown == {"0": True, "1": False}
    ax.set(xlim=(0, 2e9), ylim=(0, 2e9))
    ax.figure.canvas.draw()


@pytest.mark.filterwarnings("ignore::gmm.ConvergenceWarning")
def test_a_film_of_a_tiny_weight_and_a_mean_that_comes_from_afar(tmp_path):
    X = np.random.default_rng(0).normal(size=(50, 2))
    begin = {"weights_init": [1 - 1e-15, 1e-15], "means_init": [[0, 0], [1e9, 1e9]]}
    film = animate_fit(X, 2, max_iter=4, **begin)
    film.save(tmp_path / "film.gif")
    assert (tmp_path / "film.gif").stat().st_size > 1000

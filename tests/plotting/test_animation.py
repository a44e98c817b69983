"""Animations: one frame for each pass, what moves is the fit, and files that anyone can open."""

import base64
import io
import re

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib import animation as films
from matplotlib import pyplot as plt
from PIL import Image
from scipy import stats

from gmm import GaussianMixture, em
from gmm.plotting import FitAnimation, animate_fit
from inside import colours, passes
from pictures import assert_ellipse_holds
from tables import cases, refused

RNG = np.random.default_rng(0)
PLANE = np.concatenate([RNG.normal(-3, 1, (60, 2)), RNG.normal(3, 1, (90, 2)) * [1, 0.3]])
ELLIPSES = "ellipses hold 50\N{NO-BREAK SPACE}% and 95\N{NO-BREAK SPACE}% of each component"
MEANS = {"means_init": [[-1.0, 0.0], [1.0, 0.0]]}
GIVEN = {"tol": 1e-4, **MEANS}


@pytest.fixture
def passes_of(monkeypatch):
    """The passes of a film that is not drawn."""
    monkeypatch.setattr(passes, "FitAnimation", lambda film, interval: film)
    return lambda *rows, **how: animate_fit(*rows, **how).passes


@pytest.fixture
def fitted():
    return animate_fit(PLANE, 2, **GIVEN), list(em.steps(PLANE, 2, responsibilities=True, **GIVEN))


def shown(film, number):
    film._draw_pass(number)
    return film._figure.axes


def gif(film, tmp_path, **how):
    film.save(tmp_path / "film.gif", **{"dpi": 50} | how)
    return Image.open(io.BytesIO((tmp_path / "film.gif").read_bytes()))


@pytest.mark.filterwarnings("ignore::gmm.ConvergenceWarning")
@cases({"tol": 1e-2, **MEANS}, {"max_iter": 3, **GIVEN}, {"acceleration": "auto", "max_iter": 4})
def test_there_is_a_frame_for_the_start_and_for_each_pass(asked, tmp_path):
    film = animate_fit(PLANE, 2, **asked)
    assert isinstance(film, FitAnimation)
    if "means_init" in asked:
        assert film.n_frames == 1 + len(list(em.steps(PLANE, 2, random_state=0, **asked)))
    assert film.n_frames > 2
    assert len(list(film.new_frame_seq())) == film.n_frames
    assert "tol" not in asked or gif(film, tmp_path).n_frames == film.n_frames


def test_frames_are_the_passes(fitted):
    film, steps = fitted
    for number, step in enumerate(steps, 1):
        left, right = shown(film, number)
        assert left.get_title(loc="left").startswith(f"Pass {number} of {len(steps)}")
        np.testing.assert_allclose([text.get_position() for text in left.texts[:2]], step.means)
        shades = np.clip(step.responsibilities @ colours(2), 0, 1)
        np.testing.assert_allclose(left.collections[0].get_facecolor()[:, :3], shades, atol=1e-12)
        np.testing.assert_allclose(right.lines[0].get_ydata(), [one.lower_bound for one in steps[:number]])
        assert list(right.lines[0].get_xdata()) == list(range(1, number + 1))
        assert right.get_title(loc="left") == f"Log-likelihood −{abs(step.lower_bound):.4f}"
        assert right.get_ylabel() == "mean log-likelihood (nats per row)"
        for k, way in enumerate(left.lines[:2]):
            np.testing.assert_allclose(np.transpose(way.get_data()), [one.means[k] for one in steps[:number]])
        assert_ellipses_are_of(step, left)
    assert left.get_title(loc="left").endswith(steps[-1].reason)
    right = shown(animate_fit(PLANE, 2, max_iter=2, prior="conjugate"), 2)[1]
    assert right.get_ylabel() == "mean log-likelihood and prior (nats per row)"
    assert right.get_title(loc="left").startswith("Log-likelihood and prior −")


def assert_ellipses_are_of(step, ax):
    assert len(ax.patches) == 4
    for patch in ax.patches:
        _, k, _, content = patch.get_gid().split()
        assert_ellipse_holds(patch, float(content), step.means[int(k)], step.covariances[int(k)])


def test_the_first_frame_is_the_start_in_grey(fitted):
    film, steps = fitted
    left, right = shown(film, 0)
    assert_ellipses_are_of(steps[0], left)
    red, green, blue, _ = left.collections[0].get_facecolor().T
    assert np.ptp([red, green, blue]) < 0.1
    assert left.get_title(loc="left") == "Start: 2 components"
    assert len(right.lines[0].get_xdata()) == 0
    np.testing.assert_allclose([text.get_position() for text in left.texts[:2]], GIVEN["means_init"])
    # Not once it has been shown to its end, either: films are shown again and again.
    shown(film, film.n_frames - 1)
    assert np.ptp(shown(film, 0)[0].collections[0].get_facecolor()[:, :3]) < 0.1


@pytest.mark.filterwarnings("ignore::gmm.ConvergenceWarning")
@pytest.mark.parametrize("name", ["EII", "VEI", "EVE", "VVV"])
def test_the_start_is_poor_unless_it_is_given(name, passes_of):
    """Rows for means, and a component is as wide as all rows; then it moves, soon and far."""
    passes = passes_of(PLANE, 3, covariance_type=name, random_state=1, max_iter=40)
    first, last = passes[0], passes[-1]
    for mean in first.mixture.means:
        assert np.abs(PLANE - mean).max(axis=1).min() < 1e-9
    np.testing.assert_allclose(first.mixture.weights, 1 / 3)
    traces = np.trace(first.mixture.covariances, axis1=1, axis2=2)
    np.testing.assert_allclose(traces, PLANE.var(axis=0).sum(), rtol=1e-4)
    assert passes[min(10, len(passes) - 1)].lower_bound > first.lower_bound + 0.1
    assert last.lower_bound > first.lower_bound + 0.3


def test_the_seed_chooses_the_start_and_weights_count_as_rows(passes_of):
    one, same, other = (passes_of(PLANE, 2, random_state=seed, max_iter=2)[0].mixture.means for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()
    weight = np.random.default_rng(0).integers(0, 3, len(PLANE))
    weighted = passes_of(PLANE, 2, sample_weight=weight, **GIVEN)
    repeated = passes_of(np.repeat(PLANE, weight, axis=0), 2, **GIVEN)
    bounds = [[one.lower_bound for one in passes] for passes in (weighted, repeated)]
    np.testing.assert_allclose(*bounds, rtol=1e-9)
    passes_of(PLANE, 2, sample_weight=weight, max_iter=2)  # whose poor start draws no row of weight 0


def test_one_feature_is_a_histogram_with_densities():
    X = PLANE[:, :1]
    how = {"max_iter": 5, "tol": 0, "means_init": [[-1.0], [1.0]]}
    film, steps = animate_fit(X, 2, **how), list(em.steps(X, 2, **how))
    for number, step in enumerate(steps, 1):
        left, _ = shown(film, number)
        x, total = left.lines[-1].get_data()  # above the marks of the rows
        parts = step.weights * stats.norm.pdf(x[:, None], step.means.T, np.sqrt(step.covariances.ravel()))
        np.testing.assert_allclose(total, parts.sum(axis=1), rtol=1e-6)
        drawn = [patch for patch in left.patches if patch.get_zorder() == 2]
        for patch, part in zip(drawn, parts.T, strict=True):
            np.testing.assert_allclose(patch.get_xy()[1 : len(x) + 1, 1], part, rtol=1e-6, atol=1e-12)
    assert left.get_xlabel() == "x0"


def test_more_features_are_seen_in_the_plane_that_tells_the_last_components_apart():
    X = np.hstack([PLANE, np.random.default_rng(1).normal(size=(len(PLANE), 2))])
    film = animate_fit(X, 2, max_iter=4)
    assert "discriminating direction 1" in film._figure.axes[0].get_xlabel()
    steps = list(em.steps(X, 2, max_iter=4, means_init=X[:2]))
    film = animate_fit(X, 2, max_iter=4, means_init=X[:2], view=(2, 0))
    left, _ = shown(film, 3)
    assert (left.get_xlabel(), left.get_ylabel()) == ("x2", "x0")
    np.testing.assert_allclose([text.get_position() for text in left.texts[:2]], steps[2].means[:, [2, 0]])
    assert animate_fit(X, 2, max_iter=2, view=3)._figure.axes[0].get_xlabel() == "x3"
    left = animate_fit(pd.DataFrame(PLANE, columns=["length", "width"]), 2, max_iter=2)._figure.axes[0]
    assert (left.get_xlabel(), left.get_ylabel()) == ("length", "width")


def test_many_rows_are_thinned_and_that_is_told():
    X = np.tile(PLANE, (20, 1)) + np.random.default_rng(0).normal(size=(3000, 2)) * 0.1
    left, _ = shown(animate_fit(X, 2, max_iter=2), 2)
    assert len(left.collections[0].get_offsets()) == 2000
    many = "2,000 of 3,000 rows shown"
    for rows, told in ((X, f"{ELLIPSES}\n{many}"), (PLANE, ELLIPSES), (X[:, :1], many), (PLANE[:, :1], "")):
        assert animate_fit(rows, 2, max_iter=2)._figure.get_supxlabel() == told


@pytest.mark.filterwarnings("ignore::gmm.ConvergenceWarning")
def test_what_is_beyond_the_edges_is_told_outside_of_the_axes():
    X = np.append(PLANE, [[4e3, 0.0]], axis=0)
    film = animate_fit(X, 2, max_iter=2, means_init=[[0.0, 0.0], [4e3, 0.0]], weights_init=[0.99, 0.01], tol=0)
    told = [ELLIPSES, "outside the axes: 1 row", "outside the axes: component 1"]
    assert shown(film, 2)[0].figure.get_supxlabel().split("\n") == told


def test_a_gif_waits_on_its_first_and_last_frame(tmp_path):
    film = animate_fit(PLANE, 2, interval=120, max_iter=4, tol=0)
    for how, wait in (({}, 120), ({"fps": 20}, 50)):
        picture, waits = gif(film, tmp_path, **how), []
        for number in range(picture.n_frames):
            picture.seek(number)
            waits.append(picture.info["duration"])
        assert (waits, picture.info["loop"]) == ([1000, wait, wait, wait, 2500], 0)
    assert picture.size == (250, 320)
    assert picture.convert("RGB").getpixel((1, 1)) == (255, 255, 255)


def test_a_notebook_shows_it_without_the_network():
    film = animate_fit(PLANE, 2, max_iter=3, tol=0)
    html = film._repr_html_()
    found = re.fullmatch(r'<img alt="([^"]*)" style="[^"]*" src="data:image/gif;base64,([^"]*)">', html)
    assert found[1] == "Animation of a fit: its start and 3 passes"
    assert Image.open(io.BytesIO(base64.b64decode(found[2]))).n_frames == 4
    assert not plt.get_fignums()
    assert film._repr_html_() == html


def test_matplotlib_can_save_it_too_by_any_writer_that_is_there(tmp_path, monkeypatch):
    film = animate_fit(PLANE, 2, max_iter=2)
    assert gif(film, tmp_path, writer=films.PillowWriter(fps=5)).n_frames == 3
    film.save(tmp_path / "film.html", writer="html", dpi=30)
    assert "<img" in (tmp_path / "film.html").read_text(encoding="utf-8")
    monkeypatch.setattr(films.FFMpegWriter, "isAvailable", classmethod(lambda cls: False))
    refused(r"film\.mp4'.*a \.gif", film.save, tmp_path / "film.mp4")


def test_a_gif_is_the_same_whatever_matplotlib_saves_by(tmp_path):
    film = animate_fit(PLANE, 2, max_iter=1)
    expected = np.asarray(gif(film, tmp_path).convert("RGB"))
    for setting in ({"bbox": "tight", "facecolor": "black"}, {"transparent": True, "facecolor": "none", "dpi": 300}):
        with mpl.rc_context({f"savefig.{name}": value for name, value in setting.items()}):
            np.testing.assert_array_equal(np.asarray(gif(film, tmp_path).convert("RGB")), expected)
            written = gif(film, tmp_path, writer=films.PillowWriter(fps=5)).convert("RGB")
        assert written.size == (250, 320)
        assert min(written.getpixel((1, 1))) > 250


@pytest.mark.skipif(not films.FFMpegWriter.isAvailable(), reason="needs ffmpeg")
def test_with_ffmpeg_a_film_is_saved(tmp_path):
    animate_fit(PLANE, 2, max_iter=2).save(tmp_path / "film.mp4")
    assert (tmp_path / "film.mp4").stat().st_size > 1000


def test_how_and_where_a_film_is_saved_is_judged_before_it_is_drawn(tmp_path, monkeypatch):
    film = animate_fit(PLANE, 2, max_iter=2)
    monkeypatch.setattr(film._figure, "savefig", None)
    for how, told in (
        ({"dpi": 0}, "dpi must be a finite number above 0, 'figure' or None; got 0"),
        ({"fps": -1}, "fps must be a finite number above 0, or None; got -1"),
        ({"fps": 10**400}, "fps must be .* got 10000"),
        ({"fps": 1e-4}, r"frames last at most 655 s; got fps=0.0001"),
    ):
        refused(told, film.save, tmp_path / "film.gif", **how)
    assert not list(tmp_path.iterdir())
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder.gif").mkdir()
    kinds = r"expected a file name that ends in \.gif, which Pillow writes, or in \.mp4, .*which ffmpeg writes; got '.*"
    for name, error, told in (
        *((name, ValueError, kinds + name) for name in ("film", "film.xyz", "folder", "folder.gif/film")),
        ("folder.gif", IsADirectoryError, r"folder\.gif', which is a folder"),
        ("nowhere/film.gif", FileNotFoundError, "there is no folder '.*nowhere'"),
    ):
        refused(told, film.save, tmp_path / name, error=error)


def test_a_film_that_was_saved_is_closed_and_may_be_saved_and_shown_again(tmp_path):
    film = animate_fit(PLANE, 2, max_iter=1)
    for how in ({}, {"writer": "pillow"}):
        for name in ("one.gif", "again.gif"):
            film.save(tmp_path / name, dpi=40, **how)
            assert not plt.get_fignums()
        assert (tmp_path / "one.gif").read_bytes() == (tmp_path / "again.gif").read_bytes()
    assert film._repr_html_()
    assert film.to_jshtml()
    shown(film, 1)


@cases(
    ({"interval": 0}, ValueError, "interval, in milliseconds, to be a whole number from 1 to 655350, got 0"),
    ({"X": GaussianMixture(2)}, TypeError, "expected rows first, .* components, got GaussianMixture first"),
    ({"view": "pairs"}, ValueError, "an animation has a single view.* got 'pairs'"),
    ({"max_iter": 0}, ValueError, "expected max_iter of 1 or more, got max_iter=0"),
    ({"n_init": 2}, ValueError, "animate_fit has no parameter n_init"),
    ({"X": [[np.nan], [0.0], [1.0]]}, ValueError, "NaN"),
)
def test_what_cannot_be_shown_is_refused(asked, error, match):
    refused(match, animate_fit, **{"X": PLANE, "n_components": 2} | asked, error=error)
    assert not plt.get_fignums()


def test_a_step_that_was_taken_back_says_so():
    told = []
    for seed in range(4):
        film = animate_fit(PLANE, 4, acceleration="auto", random_state=seed, tol=1e-8)
        back = [number for number, one in enumerate(film._film.passes, 1) if not one.accepted]
        told += [shown(film, number)[0].get_title(loc="left") for number in back]
        plt.close("all")
    assert told
    assert all(title.endswith(", step rejected") for title in told if ":" not in title)

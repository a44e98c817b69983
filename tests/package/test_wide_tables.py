"""Wide tables: diagonal and spherical models hold no d × d matrix, whatever they are asked."""

import tracemalloc
from contextlib import contextmanager

import matplotlib.pyplot as plt
import numpy as np
import pytest

import gmm
import inside
from gmm import GaussianMixture, NormalInverseWishart, em, load, select
from gmm.inference import bootstrap_lrt, held_out_log_likelihood
from inside import MixtureParameters, covariance_model, directions, discriminating, main
from tables import PARAMETERS

AXIS_ALIGNED = ["EII", "VII", "EEI", "VEI", "EVI", "VVI"]
every_model = pytest.mark.parametrize("name", AXIS_ALIGNED)
N, D, K = 30, 2500, 3
WIDEST = 4000  # where a page or a picture has words of each column

rng = np.random.default_rng(0)
spreads = rng.uniform(0.5, 2, size=WIDEST)
ALL = 2 * rng.normal(size=(K, WIDEST))[rng.integers(K, size=N)] + rng.normal(size=(N, WIDEST)) * spreads
X = ALL[:, :D]


@contextmanager
def no_matrix_of_all_features(d=D):
    """Fail if as much memory was taken as one matrix needs; scratch of the compiled passes is traced as well."""
    tracemalloc.start()
    try:
        yield
        taken = tracemalloc.get_traced_memory()[1] / (8 * d * d)
    finally:
        tracemalloc.stop()
    assert taken < 0.7, f"{taken:.2f} of a d × d matrix"


@pytest.fixture(scope="module", params=AXIS_ALIGNED)
def fitted(request):
    return GaussianMixture(K, covariance_type=request.param, random_state=0).fit(X)


def test_the_tracer_sees_a_matrix():
    with pytest.raises(AssertionError, match="of a d × d matrix"), no_matrix_of_all_features():
        np.eye(D)


HOW = [{"init_params": name} for name in ("kmeans", "hierarchical", "k-means++", "random")]
HOW += [{"n_init": 2}, {"acceleration": None}, {"refine": "split-merge"}, {"n_components": 1}, {"n_components": 8}]
HOW += [{"prior": "conjugate"}, {"prior": NormalInverseWishart(scale=2.0)}]


@pytest.mark.filterwarnings("ignore::gmm.ConvergenceWarning")
@pytest.mark.parametrize("how", HOW, ids=str)
@every_model
def test_a_fit(name, how):
    asked = {"n_components": K, "covariance_type": name, "random_state": 0, "max_iter": 20} | how
    with no_matrix_of_all_features():
        GaussianMixture(**asked).fit(X)


def test_the_methods_of_a_fitted_mixture(fitted, tmp_path):
    with no_matrix_of_all_features():
        assert str(fitted)
        assert fitted._repr_html_()
        assert len(set(fitted.predict(X))) == K
        np.testing.assert_allclose(fitted.predict_proba(X).sum(axis=1), 1)
        criteria = fitted.criteria(X)
        assert np.isfinite([fitted.score(X), fitted.bic(X), criteria["icl"], criteria["nec"]]).all()
        assert (fitted.sample(5)[0].shape, fitted.precisions_.shape) == ((5, D), fitted.covariances_.shape)
        fitted.save(tmp_path / "mixture.npz")
        again = GaussianMixture.from_parameters(
            *[getattr(fitted, name) for name in PARAMETERS], covariance_type=fitted.covariance_type
        )
        for mixture in (load(tmp_path / "mixture.npz"), again):
            assert mixture.score(X) == fitted.score(X)


def test_fits_one_pass_at_a_time_from_given_means_and_responsibilities(fitted):
    asked = {"n_components": K, "covariance_type": fitted.covariance_type, "random_state": 0, "max_iter": 3}
    shares = fitted.predict_proba(X)
    starts = {"means_init": fitted.means_}, {"precisions_init": fitted.precisions_}, {"init_params": lambda *_: shares}
    with no_matrix_of_all_features():
        assert list(em.steps(X, **asked))
        for start in starts:
            GaussianMixture(**asked, **start).fit(X)


@pytest.mark.parametrize("types", [["EII", "VII"], ["EEI"], ["VEI"], ["EVI"], ["VVI"]])
def test_a_search(types):
    with no_matrix_of_all_features():
        select(X, range(1, 3), covariance_type=types, random_state=0, n_threads=1)


@pytest.mark.filterwarnings("ignore:The statistic is 0")
def test_resampling():
    with no_matrix_of_all_features():
        held_out_log_likelihood(GaussianMixture(2, covariance_type="diag", random_state=0), X, n_splits=3)
        bootstrap_lrt(X, 1, covariance_type="spherical", n_replicates=2, n_init=1, random_state=0)


@pytest.mark.parametrize("name", ["spherical", "diag"])
def test_pictures_films_and_directions(name):
    fitted = GaussianMixture(K, covariance_type=name, random_state=0).fit(ALL)
    with no_matrix_of_all_features(WIDEST):
        for kind, view in (("clusters", None), ("decision_boundaries", 5), ("density", None), ("uncertainty", (0, 9))):
            getattr(gmm.plotting, f"plot_{kind}")(fitted, ALL, view=view)
            plt.close("all")
        gmm.plotting.animate_fit(ALL, 2, covariance_type=name, max_iter=3, random_state=0)
        gmm.plotting.plot_convergence(fitted)
        assert gmm.analysis.directions(fitted, n_directions=2).transform(ALL).shape == (N, 2)


@pytest.mark.needs("jinja2", "pyarrow", "rich")
def test_the_command_and_its_report(tmp_path, monkeypatch, capsys):
    # What makes a page's SVG of a picture sees no feature, and takes most of the time.
    monkeypatch.setattr(inside.plot_style, "inline_svg", lambda *asked: "<svg></svg>")

    def told(d):
        table, names = tmp_path / f"{d}.csv", ",".join(f"c{j}" for j in range(d))
        np.savetxt(table, ALL[:, :d], delimiter=",", header=names, comments="", fmt="%.4g")
        words = ["fit", str(table), "--components", "2", "--covariance", "diag", "--out", str(tmp_path / str(d))]
        return main([*words, "--report", str(tmp_path / f"{d}.html")])

    assert told(3) == 0  # which loads what both need
    with no_matrix_of_all_features(WIDEST):
        assert told(WIDEST) == 0


def a_mixture(n_components, d, name, *, apart=1.0):
    rng = np.random.default_rng(1)
    model = covariance_model(name)
    means = apart * rng.normal(size=(n_components, d))
    covariances = np.exp(rng.normal(size=model.layout.shape(n_components, d)) / 2)
    weights = rng.dirichlet(np.full(n_components, 5.0))
    return MixtureParameters(weights, means, model.constrained(covariances, weights), model)


@pytest.mark.parametrize("name", AXIS_ALIGNED)
@pytest.mark.parametrize("n_components", [3, 7])
def test_means_are_told_apart_in_the_same_plane_by_few_features_as_by_all(monkeypatch, name, n_components):
    mixture, names = a_mixture(n_components, 90, name), [f"x{j}" for j in range(90)]
    got = discriminating(mixture, names)
    monkeypatch.setattr(directions, "_MOST_FEATURES", 90)
    expected = discriminating(mixture, names)
    assert got.labels == expected.labels
    assert all(label.startswith("discriminating direction") for label in got.labels)
    np.testing.assert_allclose(got.matrix, expected.matrix, atol=1e-9)


@pytest.mark.parametrize("n_components", [1, 2, 3])
@pytest.mark.parametrize("apart", [0.0, 1.0])
@every_model
def test_a_plane_of_many_features_is_one(name, apart, n_components):
    mixture = a_mixture(n_components, 200, name, apart=apart)
    got = discriminating(mixture, [f"x{j}" for j in range(200)])
    away = (mixture.means - got.centre) @ got.matrix.T
    within = mixture.model.layout.projected(mixture.covariances, n_components, got.matrix)
    whole = (away.T * mixture.weights) @ away + np.tensordot(mixture.weights, within, axes=1)
    np.testing.assert_allclose(whole, np.eye(2), atol=1e-9)

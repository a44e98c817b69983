"""Pictures of pipelines: the mixture in the units of the rows in front of affine steps."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn import preprocessing
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, PolynomialFeatures, StandardScaler

from gmm import BayesianGaussianMixture, GaussianMixture, GaussianMixtureSearch, NotFittedError
from gmm.plotting import plot_clusters, plot_convergence
from inside import Scorer, scene_of
from pictures import each_plot

rng = np.random.default_rng(0)
X = np.concatenate([rng.normal(m, 1, (60, 3)) @ np.diag([1, 5, 0.2]) for m in (-3, 0, 4)]) + np.array([0, 1000, 3])
FRAME = pd.DataFrame(X, columns=["width", "height", "depth"])
pytestmark = pytest.mark.usefixtures("figures")
AFFINE = {
    "standard": [StandardScaler()],
    "min and max": [MinMaxScaler()],
    "robust, rotated": [preprocessing.RobustScaler(), PCA(random_state=0)],
    "whitened": [PCA(whiten=True, random_state=0), "passthrough"],
    "permuted": [ColumnTransformer([("last", StandardScaler(), [2]), ("first", "passthrough", [1, 0])])],
    "reflected": [FunctionTransformer(lambda rows: 2 - rows)],
    "nested": [make_pipeline(StandardScaler(), MinMaxScaler())],
}


def piped(steps, covariance_type="full", X=X):
    return make_pipeline(*steps, GaussianMixture(3, covariance_type=covariance_type, random_state=0)).fit(X)


@pytest.mark.parametrize("steps", AFFINE.values(), ids=AFFINE)
@pytest.mark.parametrize("covariance_type", ["full", "VII"])
def test_the_mixture_in_front_of_the_steps_has_the_same_responsibilities(steps, covariance_type):
    pipeline = piped(steps, covariance_type)
    scene = scene_of(pipeline, X)
    assert scene.names == ("x0", "x1", "x2")
    np.testing.assert_array_equal(scene.source.rows, X)
    np.testing.assert_allclose(scene.responsibilities, pipeline.predict_proba(X), atol=1e-8)
    density = Scorer(scene.mixture).rows(scene.source, log_evidence=True).log_evidence
    jacobian = density - pipeline.score_samples(X)
    moved = pipeline[:-1].transform(np.vstack([X[:1], X[:1] + np.eye(3)]))
    np.testing.assert_allclose(jacobian, np.linalg.slogdet(moved[1:] - moved[0])[1], atol=1e-7)


@each_plot
def test_every_plot_is_in_the_units_of_the_rows(plot):
    pipeline = piped([StandardScaler()], X=X[:, :2])
    ax = plot(pipeline, X[:, :2])
    low, high = ax.get_ylim()
    assert 800 < low < X[:, 1].min() < X[:, 1].max() < high


def test_names_are_those_of_the_columns():
    pipeline = piped([StandardScaler()], X=FRAME)
    assert scene_of(pipeline, FRAME).names == ("width", "height", "depth")
    assert plot_clusters(pipeline, FRAME, view=("height", "depth")).get_xlabel() == "height"
    columns = ColumnTransformer([("scaled", StandardScaler(), ["depth", "width"])], remainder="passthrough")
    of_names = piped([columns], X=FRAME)
    np.testing.assert_allclose(scene_of(of_names, FRAME).responsibilities, of_names.predict_proba(FRAME), atol=1e-9)
    polar = pl.DataFrame(X, schema=["width", "height", "depth"])
    assert scene_of(pipeline.fit(polar), polar).names == ("width", "height", "depth")


def test_behind_a_step_that_loses_directions_what_it_leaves_is_drawn():
    pipeline = piped([StandardScaler(), PCA(2, random_state=0), MinMaxScaler()])
    scene = scene_of(pipeline, X)
    assert scene.names == ("pca0", "pca1")
    np.testing.assert_allclose(scene.source.rows, pipeline[:2].transform(X))
    np.testing.assert_allclose(scene.responsibilities, pipeline.predict_proba(X), atol=1e-9)
    assert scene_of(piped([PolynomialFeatures(1)]), X).names == ("1", "x0", "x1", "x2")


@pytest.mark.parametrize("step", [FunctionTransformer(np.arcsinh), PolynomialFeatures(2)], ids=["arcsinh", "squares"])
def test_steps_that_are_not_affine_are_refused(step):
    with pytest.raises(ValueError, match=r"step '\w+' \(\w+\).*rows pipeline\[:-1\].transform\(X\)"):
        plot_clusters(piped([StandardScaler(), step]), X)
    words = pd.DataFrame({"a": X[:, 0], "b": ["x", "y", "z"] * 60})
    coded = ColumnTransformer([("a", "passthrough", ["a"]), ("b", preprocessing.OneHotEncoder(), ["b"])])
    with pytest.raises(ValueError, match="step 'columntransformer'"):
        plot_clusters(piped([coded], X=words), words)
    with pytest.raises(NotFittedError):
        plot_clusters(make_pipeline(StandardScaler(), GaussianMixture(2)), X)
    with pytest.raises(TypeError, match="expected a fitted GaussianMixture or GaussianMixtureSearch, got PCA"):
        plot_clusters(make_pipeline(StandardScaler(), PCA(2)).fit(X), X)


def test_noise_keeps_its_box_where_it_is_one():
    clutter = np.concatenate([X, rng.uniform(X.min(axis=0), X.max(axis=0), (40, 3))])
    noisy = GaussianMixture(3, noise=True, random_state=0)
    scene = scene_of(make_pipeline(StandardScaler(), noisy).fit(clutter), clutter)
    np.testing.assert_allclose(scene.mixture.noise.box, [clutter.min(axis=0), clutter.max(axis=0)])
    with pytest.raises(ValueError, match="step 'pca' rotates the box of noise"):
        scene_of(make_pipeline(PCA(random_state=0), noisy).fit(clutter), clutter)


def test_the_last_step_may_be_a_search_or_a_posterior():
    search = make_pipeline(StandardScaler(), GaussianMixtureSearch([3], "EII", random_state=0)).fit(X)
    np.testing.assert_allclose(scene_of(search, X).responsibilities, search.predict_proba(X), atol=1e-9)
    posterior = make_pipeline(StandardScaler(), BayesianGaussianMixture(n_components=3, random_state=0)).fit(X)
    plugged = posterior[-1].plug_in().predict_proba(posterior[0].transform(X))
    np.testing.assert_allclose(scene_of(posterior, X).responsibilities, plugged, atol=1e-9)
    assert plot_convergence(search).get_xlabel() == "pass"


def test_missing_values_are_named_before_steps():
    gaps = X.copy()
    gaps[3, 1] = np.nan
    for rows in (gaps, pd.DataFrame(gaps), pl.DataFrame(gaps)):
        pipeline = make_pipeline(StandardScaler(), GaussianMixture(2, missing="em", random_state=0)).fit(rows)
        with pytest.raises(ValueError, match="needs whole rows"):
            plot_clusters(pipeline, rows)
        filled = pipeline[-1].impute(pipeline[:-1].transform(rows))
        assert plot_clusters(pipeline[-1], filled).get_title() == "2 components"
    with pytest.raises(ValueError, match=r"step 'simpleimputer' .* is not affine"):
        plot_clusters(make_pipeline(SimpleImputer(), GaussianMixture(2)).fit(gaps), gaps)

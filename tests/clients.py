"""Other packages that fit scikit-learn's mixtures: the same answers with this package's classes in their place.

Not a part of the suite, as these packages need much: `nox -s clients`.
"""

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
import sklearn.mixture
from graspologic.cluster import GaussianCluster
from graspologic.plot import pairplot_with_gmm
from onnxruntime import InferenceSession
from pyod.models.gmm import GMM
from rdt.transformers import ClusterBasedNormalizer
from simpeg.utils import WeightedGaussianMixture
from sklearn.base import clone
from sklearn.metrics import adjusted_rand_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklego.mixture import BayesianGMMClassifier, BayesianGMMOutlierDetector, GMMClassifier, GMMOutlierDetector
from sklego.naive_bayes import BayesianGaussianMixtureNB, GaussianMixtureNB

import gmm

mpl.use("agg")
RNG = np.random.default_rng(0)
TRUTH = np.repeat([0, 1, 2], 120)
ROWS = np.array([[0, 0], [9, 0], [0, 9]])[TRUTH] + RNG.normal(size=(360, 2))
CLASSES = (TRUTH > 0).astype(int)
PLACES = {
    "GaussianMixture": """
        sklego.mixture.gmm_classifier sklego.mixture.gmm_outlier_detector sklego.naive_bayes pyod.models.gmm
        graspologic.cluster.gclust sklearn.mixture
    """,
    "BayesianGaussianMixture": """
        sklego.mixture.bayesian_gmm_classifier sklego.mixture.bayesian_gmm_detector sklego.naive_bayes sklearn.mixture
    """,
}


def answers(ask, monkeypatch):
    """What a client answers with scikit-learn's classes, then with those of this package."""
    theirs = ask()
    for name, modules in PLACES.items():
        for module in modules.split():
            monkeypatch.setattr(f"{module}.{name}", getattr(gmm, name))
    return theirs, ask()


@pytest.mark.parametrize("kind", [GMMClassifier, BayesianGMMClassifier, GaussianMixtureNB, BayesianGaussianMixtureNB])
def test_classifiers(kind, monkeypatch):
    def ask():
        model = make_pipeline(StandardScaler(), clone(kind(n_components=2, random_state=0))).fit(ROWS, CLASSES)
        return model.predict(ROWS), model.predict_proba(ROWS)

    (theirs, of_theirs), (ours, of_ours) = answers(ask, monkeypatch)
    np.testing.assert_array_equal(ours, theirs)
    assert np.mean(ours == CLASSES) > 0.99
    assert np.abs(of_ours - of_theirs).mean() < 0.01


@pytest.mark.parametrize("kind", [GMMOutlierDetector, BayesianGMMOutlierDetector])
@pytest.mark.parametrize("how", [{"threshold": 0.95}, {"method": "stddev", "threshold": 2}])
def test_outliers(kind, how, monkeypatch):
    theirs, ours = answers(lambda: kind(n_components=3, random_state=0, **how).fit(ROWS).predict(ROWS), monkeypatch)
    assert 0 < (ours == -1).sum() < 60
    assert np.mean(ours == theirs) > 0.98


@pytest.mark.parametrize("covariance_type", ["full", "tied", "diag", "spherical"])
def test_outlier_scores(covariance_type, monkeypatch):
    def ask():
        model = GMM(n_components=3, covariance_type=covariance_type, random_state=0).fit(ROWS)
        return model.decision_scores_, model.labels_, model.predict_proba(ROWS)

    theirs, ours = answers(ask, monkeypatch)
    np.testing.assert_allclose(ours[0], theirs[0], atol=0.01)
    np.testing.assert_array_equal(ours[1], theirs[1])
    np.testing.assert_allclose(ours[2], theirs[2], atol=0.01)


def test_numbers_of_tables(monkeypatch):
    table = pd.DataFrame({"value": ROWS[:, 0]})

    def ask():
        model = ClusterBasedNormalizer(max_clusters=5)
        model.fit(table, "value")
        model.set_random_state(np.random.RandomState(0), "transform")
        coded = model.transform(table)
        return model.reverse_transform(coded)["value"], coded

    theirs, ours = answers(ask, monkeypatch)
    for back, coded in (theirs, ours):
        assert list(coded) == ["value.normalized", "value.component"]
        assert np.mean(np.abs(back - table["value"]) < 0.01) > 0.95
    assert ours[1]["value.component"].nunique() <= 5


def test_clusters(monkeypatch):
    def ask():
        model = GaussianCluster(min_components=2, max_components=4, random_state=0).fit(ROWS, TRUTH)
        return model.n_components_, model.predict(ROWS), model.model_.means_

    theirs, ours = answers(ask, monkeypatch)
    assert ours[0] == theirs[0] == 3
    for _, labels, _ in (theirs, ours):
        assert adjusted_rand_score(TRUTH, labels) > 0.99
    np.testing.assert_allclose(np.sort(ours[2][:, 0]), np.sort(theirs[2][:, 0]), atol=0.01)


def test_pairs_of_columns(monkeypatch):
    def ask():
        model = sklearn.mixture.GaussianMixture(3, random_state=0).fit(ROWS)
        return len(pairplot_with_gmm(ROWS, model)[0].axes)

    theirs, ours = answers(ask, monkeypatch)
    assert ours == theirs


@pytest.mark.parametrize("covariance_type", ["full", "tied", "diag", "spherical"])
@pytest.mark.parametrize("kind", [gmm.GaussianMixture, gmm.BayesianGaussianMixture])
def test_graphs(kind, covariance_type, monkeypatch):
    for each in (gmm.GaussianMixture, gmm.BayesianGaussianMixture):
        monkeypatch.setattr(f"sklearn.mixture.{each.__name__}", each)
    from skl2onnx import to_onnx  # which looks classes up when it is imported

    model = kind(n_components=3, covariance_type=covariance_type, random_state=0).fit(ROWS)
    graph = to_onnx(model, ROWS[:1], options={id(model): {"score_samples": True}}, target_opset=18)
    labels, shares, scores = InferenceSession(graph.SerializeToString()).run(None, {"X": ROWS})
    np.testing.assert_array_equal(labels.ravel(), model.predict(ROWS))
    np.testing.assert_allclose(shares, model.predict_proba(ROWS), atol=1e-5)
    np.testing.assert_allclose(scores.ravel(), model.score_samples(ROWS), rtol=1e-5)


@pytest.mark.parametrize("covariance_type", ["full", "tied", "diag", "spherical"])
def test_steps_of_geophysics(covariance_type):
    rows = np.vstack([ROWS, ROWS[120:], ROWS[240:]])
    model = gmm.GaussianMixture(3, covariance_type=covariance_type, random_state=0).fit(rows)
    expected = model.score_samples(rows)
    model.means_ = model.means_[::-1]
    model.weights_ = model.weights_[::-1]
    if covariance_type != "tied":
        model.covariances_ = model.covariances_[::-1]
    WeightedGaussianMixture.compute_clusters_precisions(model)
    np.testing.assert_allclose(model.score_samples(rows), expected)
    WeightedGaussianMixture.order_clusters_GM_weight(model)
    assert (np.diff(model.weights_) <= 0).all()
    np.testing.assert_allclose(model.score_samples(rows), expected)
    WeightedGaussianMixture.compute_clusters_covariances(model)
    np.testing.assert_allclose(model.score_samples(rows), expected)
    of_rows = WeightedGaussianMixture._estimate_log_gaussian_prob_with_sensW
    weighed = of_rows(model, rows, np.ones_like(rows), model.means_, model.precisions_cholesky_, covariance_type)
    np.testing.assert_allclose(model._estimate_log_prob(rows), weighed)

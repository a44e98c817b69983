"""Views: which axes there are, what a mixture is on them, and what an ellipse holds."""

import numpy as np
import pytest
from scipy import stats

import inside
from gmm import GaussianMixture
from inside import InvalidParameterError, check_contents, discriminating, fitted_parameters, view_of
from tables import cases, refused

MODELS = [name for name in inside.COVARIANCE_TYPES if name.isupper()]
NAMES = ("length", "width", "height", "depth")
ROUND = GaussianMixture.from_parameters([1.0], [[1.0, 2, 3, 4]], np.eye(4)[None], feature_names=NAMES)


def four_features(covariance_type="full", K=3, seed=0):
    rng = np.random.default_rng(seed)
    rows = np.concatenate([rng.normal(0, rng.uniform(0.5, 2, 4), (150, 4)) + rng.normal(0, 4, 4) for _ in range(K)])
    return GaussianMixture(K, covariance_type=covariance_type, random_state=0).fit(rows)


def view(model, wanted=None):
    return view_of(fitted_parameters(model), inside.names_of_features(model), wanted)


@pytest.mark.parametrize("covariance_type", MODELS)
@pytest.mark.parametrize("wanted", [2, (0, 3), "discriminating"], ids=str)
def test_a_marginal_is_the_mixture_of_what_is_seen(covariance_type, wanted):
    model = four_features(covariance_type)
    seen = view(model, wanted)
    mixture = seen.marginal(fitted_parameters(model))
    dense = fitted_parameters(model).model.layout.dense(fitted_parameters(model).covariances, 3, 4)
    points = seen.project(model.sample(50, random_state=3)[0])
    means, turned = (model.means_ - seen.centre) @ seen.matrix.T, seen.matrix @ dense @ seen.matrix.T
    parts = [stats.multivariate_normal(*part).pdf(points) for part in zip(means, turned, strict=True)]
    density = model.weights_ @ parts
    ours = GaussianMixture.from_parameters(mixture.weights, mixture.means, mixture.covariances).score_samples(points)
    np.testing.assert_allclose(np.exp(ours), density, rtol=1e-9)


@pytest.mark.parametrize("offset", [0, 1e9])
@pytest.mark.parametrize("scale", [1e-9, 1, 1e9])
def test_units_of_the_features_change_nothing(scale, offset):
    rows = four_features().sample(600, random_state=0)[0]
    units = np.array([1.0, scale, 1.0, 1.0 / scale])
    mixtures = (fitted_parameters(fit) for fit in (as_fitted(rows), as_fitted(rows, units, offset)))
    original, scaled = (discriminating(mixture, NAMES) for mixture in mixtures)
    assert original.labels == scaled.labels
    loadings = original.matrix * rows.std(axis=0)
    assert (loadings[[0, 1], np.abs(loadings).argmax(axis=1)] > 0).all()  # whose signs are settled
    there = scaled.project(rows * units + offset * units)
    np.testing.assert_allclose(original.project(rows), there, atol=1e-5 if offset else 1e-9)


def as_fitted(rows, units=1.0, offset=0.0):
    blocks = np.split(rows * units, 3)
    means = np.array([block.mean(axis=0) for block in blocks]) + offset * units
    return GaussianMixture.from_parameters([1 / 3] * 3, means, [np.cov(block.T) for block in blocks])


def test_the_plane_is_fishers_where_covariances_are_equal():
    means, covariance = np.array([[0.0, 0, 0, 0], [6, 0, 0, 0], [0, 3, 0, 0]]), np.diag([1.0, 1, 50, 90])
    model = GaussianMixture.from_parameters([0.4, 0.3, 0.3], means, covariance, covariance_type="tied")
    seen = view(model)
    assert np.abs(seen.matrix[:, 2:]).max() < 1e-12 * np.abs(seen.matrix).max()
    assert seen.labels[0].startswith("discriminating direction 1\n+x0")
    assert seen.labels[1].startswith("discriminating direction 2\n")
    within = seen.matrix @ covariance @ seen.matrix.T
    between = np.cov(seen.project(means).T, aweights=model.weights_, ddof=0)
    np.testing.assert_allclose(within + between, np.eye(2), atol=1e-12)


def test_two_components_that_share_a_covariance_have_one_discriminating_direction():
    model = four_features("tied", K=2)
    seen = view(model)
    assert [label.split("\n")[0] for label in seen.labels] == ["discriminating direction 1", "principal direction 2"]
    apart = seen.project(model.means_)
    assert abs(apart[0, 0] - apart[1, 0]) > 1
    assert abs(apart[0, 1] - apart[1, 1]) < 1e-9


def test_means_are_told_apart_before_spreads_which_tell_the_rest():
    wide = np.diag([1.0, 1, 400, 1])
    means, covariances = np.array([[0.0, 0, 0, 0], [4, 0, 0, 0], [0, 4, 0, 0]]), [np.eye(4), np.eye(4), wide]
    seen = view(GaussianMixture.from_parameters([0.3, 0.3, 0.4], means, covariances))
    assert np.abs(seen.matrix[:, 2:]).max() < 1e-12
    alike = view(GaussianMixture.from_parameters([0.3, 0.3, 0.4], means * [1, 0, 0, 0], covariances))
    assert [label.split("\n")[1] for label in alike.labels] == ["+x0", "+x2"]
    spreads = view(GaussianMixture.from_parameters([0.5, 0.5], np.zeros((2, 4)), covariances[1:]))
    assert spreads.labels[0] == "discriminating direction 1\n+x2"


def test_one_component_is_seen_in_its_principal_plane():
    model = four_features(K=1)
    seen = view(model)
    assert [label.split("\n")[0] for label in seen.labels] == ["principal direction 1", "principal direction 2"]
    spread = np.sqrt(np.diag(model.covariances_[0]))
    axes = np.linalg.eigh(model.covariances_[0] / np.outer(spread, spread))[1][:, :-3:-1].T
    ours = seen.matrix * spread
    along = (ours * axes).sum(axis=1) / np.linalg.norm(ours, axis=1)
    np.testing.assert_allclose(np.abs(along), 1, atol=1e-9)


@cases(
    ("height", ("height",)),
    (np.int64(1), ("width",)),
    (("depth", 0), ("depth", "length")),
    ((3, 0, 2), ("depth", "length", "height")),
    ("pairs", NAMES),
)
def test_features_come_by_number_and_name(wanted, labels):
    seen = view(ROUND, wanted)
    assert (seen.labels, seen.of_pairs) == (labels, len(labels) > 2)
    assert seen.project(np.arange(4.0)[None]).tolist() == [[NAMES.index(label) for label in labels]]


def test_one_or_two_features_are_seen_as_they_are():
    for d in (1, 2):
        few = GaussianMixture.from_parameters([1.0], np.zeros((1, d)), np.eye(d)[None])
        assert view(few).shows_all
        assert view(few).labels == ("x0", "x1")[:d]
    assert view(GaussianMixture.from_parameters([1.0], [[0.0]], [[[1.0]]]), "discriminating").labels == ("x0",)


def test_a_view_that_cannot_be_is_refused_with_what_there_is():
    for wanted, told in (
        *((one, "") for one in ("lenght", 4, -1, True, tuple(range(7)), (), (1, "width"), 1.5, ("width", None))),
        (("a", "b"), r"got \('a', 'b'\).*no 'a'.*no 'b'.*"),
        ((0, 9), r"got \(0, 9\).*no 9.*"),
        (b"x0", "got b'x0'.*"),
    ):
        there = "The features are 0 to 3: 'length', 'width', 'height', 'd"
        refused(told + there, view, ROUND, wanted, error=InvalidParameterError)


def test_a_content_that_cannot_be_is_refused():
    for content in (0, 1, -0.5, 95, np.nan, "0.5", None):
        refused("number in .0, 1.", check_contents, content, error=InvalidParameterError)

"""Mixtures adapted to new rows, and the gradient of their likelihood, against the papers' equations."""

import numpy as np
import pandas as pd
import pytest

import reference
from gmm import BayesianGaussianMixture, GaussianMixture, NotFittedError
from gmm.analysis import adapt, fisher_vector
from gmm.em import e_step
from inside import PARSIMONIOUS
from tables import assert_same, refused
from tables import parameters as numbers

every_model = pytest.mark.parametrize("covariance_type", PARSIMONIOUS)
weighted = pytest.mark.parametrize("weighted", [False, True])

K, D, RELEVANCE = 3, 2, 16.0
ALL = ("weights", "means", "covariances")
rng = np.random.default_rng(0)
CENTRES = np.array([[-3.0, 0.0], [3.0, 1.0], [0.0, 4.0]])
OLD = CENTRES[rng.integers(K, size=600)] + rng.normal(size=(600, D)) * [1.0, 0.5]
NEW = CENTRES[rng.integers(2, size=60)] + rng.normal(size=(60, D)) + 0.5
WEIGHTS = rng.uniform(0.5, 2, len(NEW))


def fitted(covariance_type="full", **asked):
    return GaussianMixture(K, covariance_type=covariance_type, random_state=0, **asked).fit(OLD)


# --- Adaptation ---------------------------------------------------------------------------------


@weighted
@pytest.mark.parametrize("covariance_type", ["VVV", "VVI"])
def test_adapted_mixtures_are_those_of_the_paper(covariance_type, weighted):
    mixture, mass = fitted(covariance_type), WEIGHTS if weighted else np.ones(len(NEW))
    got = adapt(mixture, NEW, mass if weighted else None, relevance=RELEVANCE, parameters=ALL)
    expected = reference.adapted(NEW, numbers(mixture), mass, RELEVANCE)
    if covariance_type == "VVI":
        expected = (*expected[:2], np.stack([np.diag(np.diag(S)) for S in expected[2]]))
    for name, value, other in zip(ALL, numbers(got), expected, strict=True):
        np.testing.assert_allclose(value, other, rtol=1e-9, atol=1e-9, err_msg=name)


@pytest.mark.parametrize("covariance_type", ["full", "diag"])
def test_covariances_alone_are_about_the_means_that_stay(covariance_type):
    """Equation 13 of the paper with these means would be no covariance where rows are far from the origin."""
    mixture, far = fitted(covariance_type), NEW - 10
    weights, means, dense = numbers(mixture)
    got = adapt(mixture, far, relevance=RELEVANCE, parameters=["covariances"])
    np.testing.assert_array_equal(got.means_, mixture.means_)
    shares = reference.responsibilities(reference.log_joint(far, weights, means, dense))
    for k, n in enumerate(shares.sum(axis=0)):
        step, alpha = far - means[k], n / (n + RELEVANCE)
        about = (step.T * shares[:, k]) @ step / max(n, 1e-300)
        expected = alpha * about + (1 - alpha) * dense[k]
        expected = np.diag(np.diag(expected)) if covariance_type == "diag" else expected
        np.testing.assert_allclose(numbers(got)[2][k], expected, rtol=1e-8, atol=1e-9)


@every_model
def test_a_component_counts_as_rows_of_its_own(covariance_type):
    """As an M-step with rows at mean ± deviation along each axis of every component, which belong to it alone."""
    mixture = fitted(covariance_type)
    weights, means, dense = numbers(mixture)
    steps = np.sqrt(D) * np.linalg.cholesky(dense).transpose(0, 2, 1)
    pseudo = np.concatenate([means[:, None] + steps, means[:, None] - steps], axis=1).reshape(-1, D)
    rows = np.concatenate([NEW, pseudo])
    joint = reference.log_joint(NEW, weights, means, dense)
    shares = np.concatenate([reference.responsibilities(joint), np.repeat(np.eye(K), 2 * D, axis=0)])
    weight = np.concatenate([np.ones(len(NEW)), np.full(len(pseudo), RELEVANCE / (2 * D))])
    got = adapt(mixture, NEW, relevance=RELEVANCE, parameters=("means", "covariances"))
    np.testing.assert_array_equal(got.weights_, mixture.weights_)
    updated = GaussianMixture(K, covariance_type=covariance_type, max_iter=0, reg_covar=0, init_params=shares)
    expected = updated.fit(rows, sample_weight=weight)
    np.testing.assert_allclose(got.means_, expected.means_, rtol=1e-9)
    # One update of EVE or VVE turns the axes once, from where they were.
    exact = 0.1 if covariance_type in ("EVE", "VVE") else 1e-6
    np.testing.assert_allclose(got.covariances_, expected.covariances_, rtol=exact, atol=1e-9)


def test_a_mixture_of_all_relevance_stays():
    mixture = fitted()
    assert_same(adapt(mixture, NEW, relevance=1e308, parameters=ALL), mixture, rtol=1e-10)


@every_model
def test_more_passes_arrive_at_a_fixed_point(covariance_type):
    mixture = fitted(covariance_type)
    scores = [adapt(mixture, NEW, parameters=ALL, n_iter=n).score(NEW) for n in (1, 30)]
    assert scores[0] > mixture.score(NEW)
    first, last = (adapt(mixture, NEW, parameters="means", n_iter=n).means_ for n in (60, 61))
    np.testing.assert_allclose(first, last, atol=1e-4)


def test_only_what_is_asked_for_and_has_new_rows_changes():
    mixture = fitted()
    for part in ALL:
        got = adapt(mixture, NEW, parameters=[part])
        changed = {name for name in ALL if not np.array_equal(getattr(got, f"{name}_"), getattr(mixture, f"{name}_"))}
        assert changed == {part}
    got = adapt(mixture, mixture.means_[0] + [[0.5, 0.5]] * 5, parameters=("means", "covariances"))
    np.testing.assert_allclose(got.means_[1:], mixture.means_[1:], atol=0.05)
    assert np.abs(got.means_[0] - mixture.means_[0]).max() > 0.1
    noisy = fitted(noise=True)
    got = adapt(noisy, NEW, parameters=ALL)
    assert got.noise_weight_ == pytest.approx(noisy.noise_weight_) != 0
    assert np.isfinite(got.score(NEW))


def test_statistics_of_blocks_do_for_rows():
    mixture = fitted("diag")
    both = e_step(mixture, NEW[:20]) + e_step(mixture, NEW[20:])
    assert_same(adapt(mixture, both, parameters=ALL), adapt(mixture, NEW, parameters=ALL), rtol=1e-10)
    np.testing.assert_allclose(fisher_vector(mixture, both), fisher_vector(mixture, NEW), rtol=1e-10)


def test_rows_whose_squares_or_derivatives_overflow_are_refused():
    for use in (e_step, adapt, fisher_vector):
        refused("the sum of squares overflows", use, fitted("diag"), [[1e200, 0.0]])
    narrow = GaussianMixture.from_parameters([1.0], [[0.0]], [[1e-200]], covariance_type="diag")
    refused("in standard deviations, overflow", fisher_vector, narrow, [[1e100]])


def test_a_posterior_and_its_names_can_be_adapted():
    frame = pd.DataFrame(OLD, columns=["a", "b"])
    mixture = BayesianGaussianMixture(n_components=K, random_state=0).fit(frame)
    got = adapt(mixture, pd.DataFrame(NEW, columns=["a", "b"]), parameters=ALL)
    assert isinstance(got, GaussianMixture)
    assert list(got.feature_names_in_) == ["a", "b"]


def test_settings_and_classes_stay():
    gappy, labels = NEW.copy(), np.where(np.arange(len(OLD)) % 2, -1, OLD[:, 0] > OLD[:, 0].mean())
    gappy[0, 0] = np.nan
    mixture = GaussianMixture(4, missing="em", reg_covar=1e-3, n_threads=1, random_state=0)
    mixture.fit(OLD, labels=labels, components_per_class=2)
    got = adapt(mixture, gappy)
    assert got.predict(gappy).shape == (len(NEW),)
    assert got.component_classes_.tolist() == mixture.component_classes_.tolist()
    for name in ("missing", "reg_covar", "n_threads", "random_state"):
        assert getattr(got, name) == getattr(mixture, name)


def test_wrong_arguments_are_named():
    mixture = fitted()
    statistics = e_step(mixture, NEW)
    refused(None, adapt, GaussianMixture(2), NEW, error=NotFittedError)
    refused("relevance to be a number in", adapt, mixture, NEW, relevance=0)
    refused("parameters to name some of 'weights', 'means', 'covariances'", adapt, mixture, NEW, parameters=())
    refused(r"of \(3, 2\).*got \(2, 2\)", adapt, mixture, e_step(GaussianMixture(2).fit(OLD), NEW))
    refused("more than one pass", adapt, mixture, statistics, n_iter=2, error=TypeError)
    refused("no sample_weight with statistics", adapt, mixture, statistics, WEIGHTS, error=TypeError)


# --- Fisher vectors -----------------------------------------------------------------------------


@weighted
@pytest.mark.parametrize("covariance_type", ["EEI", "VEI", "EVI", "VVI"])
def test_a_fisher_vector_is_the_papers(covariance_type, weighted):
    mixture, mass = fitted(covariance_type), WEIGHTS if weighted else np.ones(len(NEW))
    expected, weight = reference.fisher_vector(NEW, numbers(mixture), mass), mass if weighted else None
    got = fisher_vector(mixture, NEW, weight, normalise=False)
    np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-12)
    rooted = np.sign(expected) * np.sqrt(np.abs(expected))
    np.testing.assert_allclose(fisher_vector(mixture, NEW, weight), rooted / np.linalg.norm(rooted), rtol=1e-6)


def test_rows_that_pull_nowhere_have_a_vector_of_zeros():
    at_rest = GaussianMixture.from_parameters([1.0, 0.0], [[0.0], [9.0]], np.ones((2, 1)), covariance_type="diag")
    assert not fisher_vector(at_rest, [[-1.0], [1.0]]).any()


@pytest.mark.parametrize("covariance_type", ["full", "tied", "spherical", "VEV", "EII"])
def test_other_covariances_are_refused(covariance_type):
    refused('expected covariance_type="diag"', fisher_vector, fitted(covariance_type), NEW)

"""The fourteen covariance models: what they are called, how many parameters they have, which are cases of which."""

import itertools
import re

import numpy as np
import pytest

import inside
import reference
from gmm import GaussianMixture, em, select
from inside import PARSIMONIOUS, Objective, SufficientStatistics, covariance_model, same_as
from tables import ROOT, dense, refused, reloaded
from tables import groups as rows

every_model = pytest.mark.parametrize("name", PARSIMONIOUS)
MODELS = [covariance_model(name) for name in PARSIMONIOUS]


def is_special_case(case, general):
    """Whether one model has less freedom in some part and more in none: identity, equal, variable."""
    return case != general and all("IEV".index(a) <= "IEV".index(b) for a, b in zip(case, general, strict=True))


PAIRS = [pair for pair in itertools.product(PARSIMONIOUS, repeat=2) if is_special_case(*pair)]

# Celeux & Govaert (1995), table 1, without the K d means and K − 1 weights that they call α; β = d (d + 1) / 2.
TABLE = {
    "EEE": lambda K, d, beta: beta,
    "VEE": lambda K, d, beta: beta + K - 1,
    "EVE": lambda K, d, beta: beta + (K - 1) * (d - 1),
    "VVE": lambda K, d, beta: beta + (K - 1) * d,
    "EEV": lambda K, d, beta: K * beta - (K - 1) * d,
    "VEV": lambda K, d, beta: K * beta - (K - 1) * (d - 1),
    "EVV": lambda K, d, beta: K * beta - (K - 1),
    "VVV": lambda K, d, beta: K * beta,
    "EEI": lambda K, d, beta: d,
    "VEI": lambda K, d, beta: d + K - 1,
    "EVI": lambda K, d, beta: K * d - K + 1,
    "VVI": lambda K, d, beta: K * d,
    "EII": lambda K, d, beta: 1,
    "VII": lambda K, d, beta: K,
}
# S Σ_k S is of the model whenever Σ_k is, for every diagonal S: lengths and angles across columns are not compared.
IN_ANY_UNITS = ("EEI", "VEI", "EVI", "VVI", "EEE", "VEE", "EVV", "VVV")
SHAPES = {"EEE": "dd"} | dict.fromkeys(("EII", "VII"), "K") | dict.fromkeys(("EEI", "VEI", "EVI", "VVI"), "Kd")


def test_there_are_fourteen_and_four_of_them_have_scikit_learns_names():
    assert sorted(PARSIMONIOUS) == sorted(TABLE)
    assert inside.COVARIANCE_TYPES == inside.CLASSIC + PARSIMONIOUS
    for alias, name in {"full": "VVV", "tied": "EEE", "diag": "VVI", "spherical": "VII"}.items():
        model = covariance_model(alias)
        assert model is covariance_model(name)
        assert (model.alias, model.type_name, model.name) == (alias, alias, name)
    assert {model.type_name for model in MODELS if not model.alias} == set(PARSIMONIOUS) - {"VVV", "EEE", "VVI", "VII"}


@pytest.mark.parametrize("name", ["VIE", "eii", "e", "", None, ["EII"], 3])
def test_another_name_is_refused_and_told_of_the_others(name):
    refused(r"'full', 'tied', 'diag', 'spherical', 'EII', 'VII'.*'VVV'", covariance_model, name)


@every_model
def test_numbers_of_parameters_are_the_papers_and_covariances_have_the_shape_of_their_layout(name):
    model, X = covariance_model(name), rows(seed=1, n=300, d=4)
    for K, d in itertools.product((1, 2, 5), (1, 2, 7)):
        assert model.n_parameters(K, d) == TABLE[name](K, d, d * (d + 1) // 2)
    mixture, size = fitted(name, X), {"K": 3, "d": 4}
    assert mixture.covariances_.shape == tuple(size[axis] for axis in SHAPES.get(name, "Kdd"))
    assert mixture.precisions_.shape == mixture.precisions_cholesky_.shape == mixture.covariances_.shape
    assert mixture.n_parameters_ == TABLE[name](3, 4, 10) + 3 * 4 + 2
    assert same_as(model, 2, 2) is model, "of several components and features no two models are the same"
    if model.alias:
        other = fitted(model.alias, X)
        np.testing.assert_array_equal(other.covariances_, mixture.covariances_)
        assert other.lower_bounds_ == mixture.lower_bounds_


def fitted(name, X, **asked):
    return GaussianMixture(3, covariance_type=name, **{"random_state": 0, "max_iter": 500} | asked).fit(X)


def drawn(name, seed, K=3, d=3):
    """Covariances of a model, (K, d, d), drawn as its letters say: λ_k D_k A_k D_kᵀ."""
    rng = np.random.default_rng(seed)

    def part(letter, draw, identity):
        if letter == "I":
            return [identity] * K
        return [draw()] * K if letter == "E" else [draw() for _ in range(K)]

    def shape():
        logs = rng.normal(size=d)
        return np.diag(np.exp(logs - logs.mean()))

    volumes = part(name[0], lambda: rng.uniform(0.5, 3), None)
    shapes = part(name[1], shape, np.eye(d))
    axes = part(name[2], lambda: np.linalg.qr(rng.normal(size=(d, d)))[0], np.eye(d))
    return np.array([v * D @ A @ D.T for v, A, D in zip(volumes, shapes, axes, strict=True)])


def estimated(model, covariances, counts):
    """The model's estimate, written out, from scatters n_k C_k."""
    K, d = covariances.shape[:2]
    second = np.ascontiguousarray(reference.in_layout(covariances * counts[:, None, None], model.name))
    zeros = np.zeros((K, d))
    statistics = SufficientStatistics(model.layout, zeros, counts, zeros, second, 0.0, counts.sum())
    return model.layout.dense(Objective(model).update(statistics).covariances, K, d)


@every_model
@pytest.mark.parametrize("general", PARSIMONIOUS)
def test_a_model_keeps_the_covariances_of_its_special_cases_alone(name, general):
    counts = np.array([20.0, 50.0, 30.0])
    other, kept = covariance_model(general), []
    for seed in range(3):
        covariances = drawn(name, seed)
        got = estimated(other, covariances, counts)
        kept.append(np.abs(got - covariances).max() < 1e-6 * np.abs(covariances).max())
    assert kept == [name == general or is_special_case(name, general)] * 3


@pytest.mark.parametrize(("case", "general"), PAIRS)
def test_more_freedom_never_ends_lower_than_where_less_has_led(case, general):
    X = rows(seed=3)
    less = fitted(case, X, reg_covar=1e-9, tol=1e-8)
    begin = less._parameters
    precisions = np.linalg.inv(begin.model.layout.dense(begin.covariances, 3, 3))
    precisions = reference.in_layout(precisions / (3 if general == "EEE" else 1), general)
    given = {"weights_init": less.weights_, "means_init": less.means_, "precisions_init": precisions}
    for acceleration in ("auto", None):
        more = fitted(general, X, reg_covar=1e-9, acceleration=acceleration, **given)
        assert more.lower_bounds_[0] == pytest.approx(less.lower_bound_, abs=1e-9)
        assert more.lower_bound_ >= less.lower_bound_ - 1e-10


@every_model
@pytest.mark.parametrize(("K", "d"), [(1, 1), (1, 3), (3, 1)])
def test_of_one_component_or_one_feature_a_model_is_the_first_that_is_the_same(name, K, d):
    model = covariance_model(name)
    same = same_as(model, K, d)
    assert same_as(same, K, d) is same
    assert MODELS.index(same) <= MODELS.index(model)
    assert same.n_parameters(K, d) == model.n_parameters(K, d)
    covariances, counts = drawn("VVV", 0, 3, d)[:K], np.array([20.0, 50.0, 30.0])[:K]
    got, expected = (estimated(of, covariances, counts) for of in (model, same))
    np.testing.assert_allclose(got, expected, rtol=1e-12)
    # Of none that comes before are all its covariances.
    free = drawn(name, 1, 3, d)[:K]
    for before in MODELS[: MODELS.index(same)]:
        assert np.abs(estimated(before, free, counts) - free).max() > 1e-3


@every_model
def test_parameters_of_a_model_are_taken_as_they_are_given_and_some_components_alone(name):
    model, means, kept = covariance_model(name), np.eye(3), np.array([2, 0])
    given, free = (np.ascontiguousarray(reference.in_layout(drawn(one, 4), name)) for one in (name, "VVV"))
    given, weights = given / (3 if model.layout.pooled else 1), np.array([0.2, 0.5, 0.3])
    mixture = GaussianMixture.from_parameters(weights, means, given, covariance_type=name)
    np.testing.assert_array_equal(mixture.covariances_, given)
    if model.constraint:
        refused(name, GaussianMixture.from_parameters, weights, means, free, covariance_type=name)
    whole = inside.MixtureParameters(weights, means, given, model)
    part = whole.for_components(kept)
    np.testing.assert_allclose(part.weights, [0.6, 0.4])
    np.testing.assert_array_equal(part.means, means[kept])
    of_part, of_whole = (reference.dense(one.covariances, name, len(one.weights), 3) for one in (part, whole))
    np.testing.assert_array_equal(of_part, np.asarray(of_whole)[kept])


@pytest.mark.filterwarnings("ignore::gmm.ConvergenceWarning")
@every_model
def test_eight_models_fit_the_same_in_any_units_of_the_columns(name):
    """Covariances become S Σ_k S, and every row's log density is less by the log-Jacobian Σ_j log s_j."""
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(size=(80, 4)) @ rng.normal(size=(4, 4)) + 2 * rng.normal(size=4) for _ in range(3)])
    start, units = rng.dirichlet(np.ones(3), size=240), np.array([0.02, 0.5, 7.0, 30.0])
    how = {"init_params": start, "reg_covar": 0, "tol": 0, "max_iter": 4, "acceleration": None}
    here, there = (fitted(name, rows, **how) for rows in (X, X * units))
    same_covariances = np.allclose(dense(there) / np.outer(units, units), dense(here), rtol=1e-6, atol=1e-9)
    same_bound = np.isclose(there.lower_bound_ + np.log(units).sum(), here.lower_bound_, rtol=0, atol=1e-8)
    assert same_covariances == same_bound == (name in IN_ANY_UNITS)


def test_the_guide_says_which_models_do():
    guide = (ROOT / "docs" / "covariance-models.md").read_text(encoding="utf-8")
    (told,) = re.findall(r"^Eight models do not depend on the units of the columns: (.*?)\.", guide, re.M | re.S)
    assert re.findall("[EVI]{3}", told) == list(IN_ANY_UNITS)
    (others,) = re.findall(r"The other six, (.*?), compare", guide, re.S)
    assert re.findall("[EVI]{3}", others) == [name for name in PARSIMONIOUS if name not in IN_ANY_UNITS]


def test_one_feature_has_the_two_models_that_mclust_names():
    X = np.random.default_rng(0).normal(np.repeat([[-3], [3]], 60, axis=0), np.repeat([[1], [2]], 60, axis=0))
    for name, same in (("E", "EII"), ("V", "VII")):
        assert covariance_model(name) is covariance_model(same)
        one, other = (GaussianMixture(2, covariance_type=kind, random_state=0).fit(X) for kind in (name, same))
        np.testing.assert_array_equal(one.covariances_, other.covariances_)
        assert f"1 feature, {name} covariance" in str(one)
        assert f"1 feature, {name} covariance" in str(other)
        assert reloaded(one).covariance_type == name
    found = select(X, [1, 2], random_state=0)
    assert found.covariance_type == ("E", "V") * 2
    assert found.best.covariance_type == "V"
    assert list(select(X, 2, ["V", "VII", "full"], random_state=0).bic) == [found.bic[3]] * 3


def test_a_model_of_one_feature_is_none_of_several():
    X, expected = np.random.default_rng(0).normal(size=(40, 2)), "covariance type 'V' is for one column: for 2 columns"
    mixture = GaussianMixture(2, covariance_type="V")
    for call in (
        lambda: mixture.fit(X),
        lambda: mixture.partial_fit(X),
        lambda: select(X, 2, "V"),
        lambda: next(iter(em.steps(X, 2, covariance_type="V"))),
        lambda: GaussianMixture.from_parameters([1.0], [[0.0, 1.0]], [1.0], covariance_type="V"),
    ):
        refused(expected, call)

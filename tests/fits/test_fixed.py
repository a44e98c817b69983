"""Fixed parameters: against the twin and scipy's optimum, what must not move, and what is refused."""

import itertools

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import multivariate_normal

import gmm
import reference
from gmm import GaussianMixture, NormalInverseWishart, select
from inside import LIMITED, PARSIMONIOUS, covariance_model, fitted_parameters
from tables import assert_same, cases, parameters, refused, reloaded

K, D = 3, 2
SEPARATE = "VVV", "VVI", "VII"  # covariances that do not depend on each other
MASKS = {
    "weights": {"weights": [True, False, False]},
    "means": {"means": [True, False, True]},
    "covariances": {"covariances": True},
    "all means": {"means": True, "weights": [False, True, False]},
    "most": {"weights": [True, True, False], "means": [False, True, False], "covariances": True},
    "everything": {"weights": True, "means": True, "covariances": True},
}
every_type = pytest.mark.parametrize("name", PARSIMONIOUS)  # with a prior, factors need covariances of their own
PRIOR = NormalInverseWishart([0.5, -1], 2.0, 5.0, 1.5)
pytestmark = pytest.mark.filterwarnings("ignore:Best performing initialization")


def rows():
    rng = np.random.default_rng(0)
    group = rng.integers(3, size=180)
    return 2.5 * rng.normal(size=(3, D))[group] + rng.normal(size=(180, D)) @ (np.eye(D) + 0.3)


def start(name):
    """Weights, means and covariances of a mixture of a model, the latter in its own shape."""
    rng = np.random.default_rng(5)
    factors = np.eye(D) + 0.4 * rng.normal(size=(K, D, D))
    model, weights = covariance_model(name), np.array([0.5, 0.2, 0.3])
    free = factors @ factors.transpose(0, 2, 1)
    stored = model.layout.reduced(free, covariance_model("full").layout, D)
    if model.layout.pooled:
        stored = stored / K
    return weights, 2.0 * rng.normal(size=(K, D)), model.constrained(stored, weights)


def beginning(name, fixed, **how):
    mixture = GaussianMixture.from_parameters(*start(name), covariance_type=name)
    return mixture.set_params(fixed=fixed, warm_start=True, **how)


def table(fixed):
    return np.array([np.broadcast_to(fixed.get(part, False), K) for part in ("weights", "means", "covariances")])


def assert_fixed(mixture, before, fixed):
    for part, then, mask in zip(("weights_", "means_", "covariances_"), before, table(fixed), strict=True):
        now = getattr(mixture, part)
        if mask.all():
            np.testing.assert_array_equal(now, then)
        elif mask.any():
            np.testing.assert_array_equal(now[mask], then[mask])
            assert part == "weights_" or (now[~mask] != then[~mask]).any()


@pytest.mark.parametrize("name", reference.CLOSED_FORMS)
@pytest.mark.parametrize("fixed", [*MASKS, "some covariances"])
def test_passes_are_those_of_the_twin(name, fixed):
    if fixed == "some covariances" and name not in SEPARATE:
        return
    X, masks = rows(), MASKS.get(fixed, {"covariances": [False, True, False], "means": [True, False, False]})
    weight = np.random.default_rng(3).uniform(0.5, 2, len(X))
    mixture = beginning(name, masks, tol=0, max_iter=12, reg_covar=0.01).fit(X, sample_weight=weight)
    given = parameters(beginning(name, masks))
    bounds, path = reference.em(X, given, name, 13, weight=weight, reg_covar=0.01, fixed=table(masks))
    np.testing.assert_allclose(mixture.lower_bounds_, bounds[:12], rtol=1e-10)
    np.testing.assert_allclose(mixture.lower_bound_, bounds[12], rtol=1e-10)
    for ours, theirs, near in zip(parameters(mixture), path[12], (1e-8, 1e-7, 1e-7), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=near, atol=1e-8)
    assert_fixed(mixture, start(name), masks)


def given_by(name):
    """The same as what a fit may begin with."""
    weights, means, covariances = start(name)
    precisions = reference.in_layout(np.linalg.inv(reference.dense(covariances, name, K, D)), name)
    if covariance_model(name).layout.pooled:
        precisions = precisions / K
    return {"weights_init": weights, "means_init": means, "precisions_init": precisions}


def assert_climbs(mixture, X, fixed, **fit):
    """Fit from the mixture that the estimator holds, and see what stays."""
    before = [np.array(getattr(mixture, part), X.dtype) for part in ("weights_", "means_", "covariances_")]
    mixture.set_params(max_iter=20).fit(X, **fit)
    assert np.diff(mixture.lower_bounds_).min() > (-1e-5 if X.dtype == np.float32 else -1e-10)
    assert_fixed(mixture, before, fixed)


@pytest.mark.parametrize(
    ("name", "fixed", "prior"),
    [(name, fixed, None) for name in [*PARSIMONIOUS, *reference.OF_FACTORS] for fixed in MASKS]
    + [(name, "means", PRIOR) for name in PARSIMONIOUS],  # beside it, factors need covariances of their own
)
def test_what_is_fixed_stays_and_the_likelihood_or_the_posterior_rises(name, fixed, prior):
    assert_climbs(beginning(name, MASKS[fixed], reg_covar=0, tol=0, prior=prior), rows(), MASKS[fixed])


def of_kind(kind, X):
    """Rows of a kind, what an estimator takes beside them, and what its fit takes."""
    numbers, weight = np.arange(len(X)), np.random.default_rng(4).uniform(0, 2, len(X))
    return {
        "float32": (X.astype(np.float32), {}, {}),
        "weights": (X, {}, {"sample_weight": weight}),
        "gaps": (np.where(np.arange(X.size).reshape(X.shape) % 10 == 0, np.nan, X), {"missing": "em"}, {}),
        "labels": (X, {}, {"labels": np.where(numbers % 4, -1, (numbers // 4) % 2)}),
        "noise": (X, {"noise": 0.1}, {}),
    }[kind]


@pytest.mark.parametrize("fixed", MASKS)
@pytest.mark.parametrize("kind", ["float32", "weights", "gaps", "labels", "noise"])
def test_fixed_parameters_go_with_all_kinds_of_rows_and_noise(fixed, kind):
    X, given, fit = of_kind(kind, rows())
    masks = {part: mask for part, mask in MASKS[fixed].items() if part != "weights" or kind != "noise"}
    mixture = beginning("VVV", masks, reg_covar=0, tol=0, **given)
    if kind == "noise":  # whose weight is estimated with all others
        mixture.set_params(warm_start=False, max_iter=0, **given_by("VVV")).fit(X)
        mixture.set_params(warm_start=True)
    assert_climbs(mixture, X, masks, **fit)
    assert kind != "noise" or 0 < mixture.noise_weight_ != pytest.approx(0.1, abs=1e-6)


def test_a_new_component_beside_a_known_one_is_where_scipy_finds_it():
    rng = np.random.default_rng(5)
    X = np.concatenate([rng.multivariate_normal([0, 0], [[1, 0.5], [0.5, 2]], 300), rng.normal([2, 3], 0.6, (40, 2))])
    known = multivariate_normal([0, 0], [[1, 0.5], [0.5, 2]]).pdf(X)
    fixed = {"means": [True, False], "covariances": [True, False]}
    given = {"means_init": [[0, 0], [2, 2]], "precisions_init": [np.linalg.inv([[1, 0.5], [0.5, 2]]), np.eye(2)]}
    mixture = GaussianMixture(2, **given, fixed=fixed, reg_covar=0, tol=1e-13, max_iter=2000).fit(X)

    def unexplained(numbers):
        share, factor = 1 / (1 + np.exp(-numbers[0])), np.array([[np.exp(numbers[3]), 0], numbers[4:6]])
        factor[1, 1] = np.exp(factor[1, 1])
        return -np.log((1 - share) * known + share * multivariate_normal(numbers[1:3], factor @ factor.T).pdf(X)).mean()

    found = minimize(unexplained, [-1, 2, 2, 0, 0, 0], method="BFGS", options={"gtol": 1e-8})
    assert mixture.lower_bound_ == pytest.approx(-found.fun, abs=1e-10)
    np.testing.assert_allclose(mixture.means_[1], found.x[1:3], atol=1e-4)
    assert mixture.weights_[1] == pytest.approx(1 / (1 + np.exp(-found.x[0])), abs=1e-5)
    assert mixture.n_parameters_ == 6
    assert mixture.bic(X) == pytest.approx(2 * len(X) * found.fun + 6 * np.log(len(X)), abs=1e-6)


@every_type
def test_one_component_of_a_fixed_mean_is_the_mode_of_its_covariance(name):
    """log p of (μ, Σ) given rows has the scatter T + Λ + κ (μ − m)(μ − m)ᵀ over n + dof + d + 2 rows."""
    X, m, at = rows(), np.array([0.5, -1]), np.array([[3.0, -2.0]])
    how = {"means_init": at, "fixed": {"means": True}, "prior": NormalInverseWishart(m, 30.0, 5.0, 1.5)}
    mixture = GaussianMixture(1, covariance_type=name, reg_covar=0, **how).fit(X)
    scatter = (X - at).T @ (X - at) + 1.5 * np.eye(D) + 30 * np.outer(at[0] - m, at[0] - m)
    if reference.shape_of(name) == "spherical":  # an inverse gamma density, as for each of d features
        expected = (np.trace(scatter) - 1.5) / (len(X) * D + 5 + 2 + D) * np.eye(D)
    elif reference.shape_of(name) == "diag":
        expected = np.diag(np.diag(scatter)) / (len(X) + 5 + 2 + 1)
    else:
        expected = scatter / (len(X) + 5 + D + 2)
    np.testing.assert_allclose(reference.dense(mixture.covariances_, name, 1, D)[0], expected, rtol=1e-10)


def n_fixed(name, fixed):
    """Free parameters that are fixed; those of covariances are fixed together."""
    weights, means, covariances = table(fixed).sum(axis=1)
    return min(weights, K - 1) + means * D + (covariances > 0) * covariance_model(name).n_parameters(K, D)


@pytest.mark.parametrize("name", [*PARSIMONIOUS, *reference.OF_FACTORS])
def test_fixed_parameters_are_not_counted(name):
    given = {"covariance_type": name, "weights_init": np.full(K, 1 / K), "random_state": 0, "n_init": 4}
    equal = GaussianMixture(K, fixed={"weights": True}, **given).fit(rows())  # from the usual starts
    np.testing.assert_array_equal(equal.weights_, np.full(K, 1 / K))
    whole = beginning(name, None).n_parameters_
    assert equal.n_parameters_ == whole - (K - 1)
    for masks in MASKS.values():
        assert beginning(name, masks, max_iter=1).fit(rows()).n_parameters_ == whole - n_fixed(name, masks)


def test_a_component_that_loses_its_rows_stays():
    weights, means, covariances = start("full")
    means[1, 0] += 1e4
    mixture = GaussianMixture.from_parameters(weights, means, covariances)
    mixture.set_params(fixed={"covariances": [False, True, False]}, warm_start=True, reg_covar=0)
    with pytest.warns(gmm.ConvergenceWarning, match="Some components have no rows"):
        mixture.fit(rows())
    assert mixture.remarks_["no rows"].startswith("Component(s) 1 have no rows")
    np.testing.assert_array_equal(mixture.covariances_[1], covariances[1])
    assert mixture.weights_[1] < 1e-15
    assert mixture.means_[1, 0] == means[1, 0]
    for _ in range(40):
        mixture.partial_fit(rows(), decay=0.5)  # of blocks no more than of all rows
    np.testing.assert_allclose(mixture.means_[1], means[1])
    np.testing.assert_array_equal(mixture.covariances_[1], covariances[1])


@pytest.mark.filterwarnings("ignore::gmm.ConvergenceWarning", "ignore::gmm.DegenerateWarning")
@pytest.mark.parametrize("name", ["VVV", "EEE"])
@pytest.mark.parametrize("fixed", [{"means": [True, False]}, {"weights": True}, {"means": True, "weights": True}])
def test_a_ridge_that_rounding_eats_is_raised_beside_fixed_parameters(name, fixed):
    X = 1e8 * np.outer(np.random.default_rng(0).normal(size=60), [1.0, 2.0, -1.0])
    how = {"means_init": X[[3, 15]], "weights_init": [0.25, 0.75], "max_iter": 20, "tol": 1e-6}
    mixture = GaussianMixture(2, covariance_type=name, fixed=fixed, **how).fit(X)
    assert np.isfinite(mixture.lower_bounds_).all()
    assert "weights" not in fixed or np.array_equal(mixture.weights_, how["weights_init"])
    stays = np.broadcast_to(fixed.get("means", False), 2)
    np.testing.assert_array_equal(mixture.means_[stays], X[[3, 15]][stays])


BLOCKS = [slice(0, 70), slice(70, 71), slice(71, 180)]  # one of a single row


@pytest.mark.parametrize("decay", [0.0, 0.01])
@pytest.mark.parametrize("name", reference.CLOSED_FORMS)
@pytest.mark.parametrize("fixed", [*MASKS, "nothing"])
def test_steps_are_those_of_the_twin(name, fixed, decay):
    masks, before = MASKS.get(fixed, {}), start(name)
    mixture = beginning(name, masks or None, reg_covar=1e-3)
    given = parameters(mixture)
    free = GaussianMixture.from_parameters(*before, covariance_type=name).n_parameters_ - n_fixed(name, masks)
    weight = np.random.default_rng(6).integers(1, 4, 180).astype(float)
    blocks = [(rows()[block], weight[block]) for block in BLOCKS]
    how = {"decay": decay, "reg_covar": 1e-3, "fixed": table(masks)}
    path = reference.stepwise_em(blocks, given, name, 3 * max(free, 1), **how)
    for (X, weight), after in zip(blocks, path, strict=True):
        bound = GaussianMixture.from_parameters(*given).score(X, sample_weight=weight)
        mixture.partial_fit(X, sample_weight=weight, decay=decay)
        assert mixture.lower_bound_ == pytest.approx(bound, rel=1e-10)
        assert_fixed(mixture, before, masks)
        for ours, theirs, near in zip(parameters(mixture), after, (1e-9, 1e-9, 1e-8), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=near, atol=1e-9)
        given = after


@pytest.mark.filterwarnings("ignore:Some components are equal")  # EEE beside the fixed mean
@pytest.mark.parametrize(
    ("name", "how"),
    [(name, {"prior": PRIOR}) for name in PARSIMONIOUS]
    + [(name, {"noise": [[-9, -9], [9, 9]]}) for name in [*PARSIMONIOUS, *reference.OF_FACTORS]],
)
def test_an_optimum_beside_fixed_parameters_stays_where_it_is(name, how):
    """With a mean that is fixed, the prior counts once in a fit that goes on, as with a free one."""
    how = {"fixed": {"means": [True, False, False]}, "covariance_type": name, "tol": 1e-13, "max_iter": 3000, **how}
    mixture = GaussianMixture(K, **how, **given_by(name)).fit(rows())
    assert_same(reloaded(mixture).partial_fit(rows(), sample_weight=np.full(180, 1e-6)), mixture, rtol=2e-3)
    np.testing.assert_array_equal(mixture.means_[0], start(name)[1][0])


def test_blocks_from_a_start_leave_fixed_parameters():
    X, means, fixed = rows(), start("full")[1], {"means": [True, False, True]}
    mixture = GaussianMixture(K, fixed=fixed, **given_by("full") | {"weights_init": None})
    for block in (X[:90], X[90:]):
        mixture.partial_fit(block)
    np.testing.assert_array_equal(mixture.means_[[0, 2]], means[[0, 2]])
    assert (mixture.means_[1] != means[1]).all()
    assert mixture.n_parameters_ == GaussianMixture(K).fit(X).n_parameters_ - 2 * D
    again = reloaded(mixture)
    np.testing.assert_array_equal(again.partial_fit(X).covariances_, mixture.partial_fit(X).covariances_)
    mixture.set_params(fixed=None).partial_fit(X)
    assert (mixture.means_ != means).all()
    refused("expected means_init", GaussianMixture(K, fixed=fixed).partial_fit, X)


def test_a_mixture_that_is_fixed_as_a_whole_is_scored():
    mixture = beginning("full", MASKS["everything"])
    score = mixture.score(rows())
    mixture.fit(rows())
    assert (mixture.score(rows()), mixture.n_parameters_, mixture.converged_) == (score, 0, True)
    assert mixture.lower_bound_ == pytest.approx(score, rel=1e-14)
    mixture.set_params(prior=NormalInverseWishart())
    assert mixture.partial_fit(rows()).lower_bounds_ == [pytest.approx(score)]
    assert_fixed(mixture, start("full"), MASKS["everything"])


def test_a_step_by_hand_and_one_at_a_time_fix_too():
    X = rows()
    fitted, by_hand = (beginning("full", MASKS["means"], tol=0, max_iter=n).fit(X) for n in (3, 0))
    for _ in range(3):
        by_hand = gmm.em.m_step(by_hand, gmm.em.e_step(by_hand, X))
    np.testing.assert_allclose(by_hand.covariances_, fitted.covariances_, rtol=1e-10)
    np.testing.assert_array_equal(by_hand.means_[0], fitted.means_[0])
    given = beginning("full", MASKS["means"])
    statistics, unfitted = gmm.em.e_step(given, X), GaussianMixture(K, fixed={"means": True})
    np.testing.assert_array_equal(gmm.em.m_step(given, statistics).means_[0], given.means_[0])
    refused("as it has the box of noise and fixed parameters", gmm.em.m_step, unfitted, statistics)
    steps = list(gmm.em.steps(X, K, fixed=MASKS["means"], tol=0, max_iter=3, **given_by("full")))
    np.testing.assert_array_equal(steps[-1].means[0], fitted.means_[0])
    np.testing.assert_allclose([step.lower_bound for step in steps], fitted.lower_bounds_, rtol=1e-10)


def test_standard_errors_of_what_is_fixed_are_none():
    mixture = beginning("full", MASKS["means"]).fit(rows())
    errors = gmm.inference.standard_errors(mixture, rows(), method="weighted-bootstrap", n_replicates=5, random_state=0)
    assert errors.means[[0, 2]].max() < 1e-14 < errors.means[1].min()


@cases(
    ("means.*: expected means_init", {"fixed": {"means": [True, False, False]}}),
    ("covariances.*: expected precisions_init", {"fixed": {"covariances": True}}),
    ("'covariances', got 'mean'", {"fixed": {"mean": True}}),
    ("each of 3 components for 'means', got", {"fixed": {"means": [True, False]}}),
    ("each of 3 components for 'means', got mask", {"fixed": {"means": np.ma.MaskedArray([True] * 3, mask=True)}}),
    ("must be a mapping of names to masks", {"fixed": "means"}),
    ("depend on each other", {"fixed": {"covariances": [True, False, False]}, "covariance_type": "EII"}),
    *(
        ("fixed", {"fixed": fixed, "means_init": np.eye(K, D)})
        for fixed in ({"means": None}, {"means": "yes"}, {"weights": [[True]]}, {1: True}, [])
    ),
)
def test_what_cannot_be_fixed_is_refused(message, given):
    for labels in (None, np.arange(180) % 3):  # which give no means
        refused(message, GaussianMixture(K, **given).fit, rows(), labels=labels)


@pytest.mark.parametrize("name", ["factor1", "ppca1", "VEE", "EVE"])
def test_fixed_covariances_that_are_not_of_the_model_are_refused(name):
    rng = np.random.default_rng(0)
    rows, roots = rng.normal(size=(300, 4)), rng.normal(size=(2, 4, 4))
    precisions = np.linalg.inv(roots @ roots.transpose(0, 2, 1) + np.eye(4))
    how = {"means_init": np.zeros((2, 4)), "precisions_init": precisions, "fixed": {"covariances": True}}
    refused(f"do not satisfy the model {name}", GaussianMixture(2, covariance_type=name, **how).fit, rows)


# --- In a search, and in split-merge moves --------------------------------------------------------


MEANS = np.array([[0.0, 0.0], [6.0, 0.3]])
PRECISIONS = {"diag": np.array([[1, 1], [0.8, 2]]), "spherical": np.array([1.1, 1.2])}
PRECISIONS["full"] = np.array([[[1, 0.1], [0.1, 1]], [[0.8, 0.1], [0.1, 2]]])
BOTH = {"means": True, "covariances": True}


rng = np.random.default_rng(0)
GROUPS = (90, [0, 0], 1), (90, [6, 0], [1.1, 0.7]), (45, [2, 5], 0.6), (30, [-3, -5], 1)  # the last two are new
X = np.concatenate([rng.normal(size=(n, 2)) * spread + mean for n, mean, spread in GROUPS])


def searched(data=X, n_components=range(2, 6), covariance_type=("full", "EEI", "VVE"), **how):
    how = {"fixed": {"means": True}, "means_init": MEANS, "random_state": 0} | how
    return select(data, n_components, covariance_type, **how)


def fits(found):
    return [mixture for mixture in found.estimators if mixture is not None]


def assert_known(found):
    assert len(fits(found)) > 0
    for mixture in fits(found):
        np.testing.assert_array_equal(mixture.means_[:2], MEANS.astype(mixture.means_.dtype))
        assert (mixture.means_[2:, None] != MEANS).any(axis=-1).all()


def test_fixed_means_stay_in_every_cell_of_all_models():
    found = searched(covariance_type="all", n_components=range(2, 5))
    assert found.status.count("ok") >= 40
    assert_known(found)
    for mixture in fits(found):
        K, of_covariances = mixture.n_components, covariance_model(mixture.covariance_type).n_parameters
        assert mixture.n_parameters_ == K - 1 + 2 * (K - 2) + of_covariances(K, 2)
        assert found.n_parameters[found.estimators.index(mixture)] == mixture.n_parameters_
    np.testing.assert_allclose(found.bic, -2 * found.loglik + found.n_parameters * np.log(len(X)), rtol=1e-12)


@pytest.mark.parametrize("covariances", [True, [True, False]])
@pytest.mark.parametrize("name", LIMITED)
def test_fixed_covariances_stay_as_well(name, covariances):
    how = {"covariance_type": name, "means_init": MEANS, "precisions_init": PRECISIONS[name]}
    found = searched(fixed={"means": True, "covariances": covariances}, **how)
    expected = GaussianMixture(2, fixed=BOTH, **how).fit(X).covariances_
    n = np.broadcast_to(covariances, 2).sum()
    assert_known(found)
    for mixture in fits(found):
        K, one = mixture.n_components, covariance_model(name).n_parameters(1, 2)
        np.testing.assert_array_equal(mixture.covariances_[:n], expected[:n])
        assert mixture.n_parameters_ == K - 1 + 2 * (K - 2) + one * (K - n)
        assert mixture.fixed["covariances"] == [True] * n + [False] * (K - n)
    assert found.best.n_components == 4 or name == "spherical"


@pytest.mark.parametrize("name", [*LIMITED, "tied", "VEE"])
def test_a_search_among_the_known_alone(name):
    """Of one component, and of one column, cells are of simpler models in another shape."""
    for n, columns in [(1, [0, 1]), (1, [0]), (2, [0])] if name != "VEE" else [(2, [0, 1])]:
        d, full = len(columns), PRECISIONS["full"][:n][:, columns][:, :, columns]
        precisions = {
            "full": full,
            "VEE": full[0] * np.array([1.0, 2.0])[:, None, None],
            "tied": full[0],
            "diag": full[:, range(d), range(d)],
        }.get(name, full[:, 0, 0])
        how = {"fixed": BOTH, "means_init": MEANS[:n, columns], "precisions_init": precisions}
        found = searched(X[:, columns], n, name, **how)
        single = GaussianMixture(n, covariance_type=name, tol=1e-5, max_iter=1000, **how).fit(X[:, columns])
        assert found.status == ("ok",)
        np.testing.assert_array_equal(found.best.means_, single.means_)
        np.testing.assert_allclose(found.best.covariances_, single.covariances_, rtol=1e-15)
        assert found.best.n_parameters_ == single.n_parameters_ == n - 1
        assert found.loglik[0] == pytest.approx(single.log_likelihood(X[:, columns]), abs=1e-2)
        best = searched(X[:, columns], n, name, prior=NormalInverseWishart(), **how).best
        np.testing.assert_array_equal(best.partial_fit(X[:, columns]).covariances_, found.best.covariances_)


def test_a_known_class_without_rows_is_no_degenerate_component():
    """Its covariance says nothing of the rows; a free one would have collapsed."""
    how = {"fixed": BOTH, "precisions_init": PRECISIONS["full"], "means_init": [[0, 0], [60, 60]]}
    found = searched(np.r_[X[:90], X[180:]], 4, "full", **how)
    assert found.status == ("ok",)
    assert found.best.weights_[1] < 1e-12


@pytest.mark.parametrize("name", ["full", "tied", "diag", "EVE", "VEI"])
def test_no_cell_is_below_a_fit_from_elsewhere(name):
    found, rng = searched(covariance_type=name, tol=1e-8, n_init=3), np.random.default_rng(0)
    for K, loglik in zip(found.n_components.tolist(), found.loglik, strict=True):
        fixed = {"means": [True, True] + [False] * (K - 2)}
        how = {"covariance_type": name, "fixed": fixed, "tol": 1e-7, "max_iter": 5000}
        for _ in range(6):
            begin = np.concatenate([MEANS, X[rng.choice(len(X), K - 2, replace=False)]])
            one = GaussianMixture(K, means_init=begin, **how).fit(X)
            if not one.summary(X).degenerate:  # few rows may make a spike, which a search passes by
                assert loglik > one.log_likelihood(X) - 0.05


def test_known_classes_and_new_ones_are_found_where_they_are_in_any_order():
    found, turned = searched(), searched(means_init=MEANS[::-1])
    assert found.best.n_components == 4
    new = found.best.means_[2:][np.argsort(found.best.means_[2:, 0])]
    np.testing.assert_allclose(new, [[-3, -5], [2, 5]], atol=0.5)
    np.testing.assert_allclose(turned.bic, found.bic, atol=0.1)
    np.testing.assert_array_equal(turned.best.means_[:2], MEANS[::-1])


@pytest.mark.parametrize("init_params", ["k-means++", "hierarchical", "random"])
def test_other_starts_have_known_components_first(init_params):
    found = searched(init_params=init_params, n_components=4, n_init=2)
    assert_known(found)
    np.testing.assert_allclose(found.bic, searched(n_components=4).bic, atol=0.5)


def test_moves_leave_fixed_parameters_and_improve():
    """A new component begins at a known one: a move gives it the class that is new."""
    begin = {"means_init": [[0, 0], [6, 0.3], [2.0, 5.0], [2.1, 5.1]], "fixed": {"means": [True, True, False, False]}}
    how = {"tol": 1e-7, "max_iter": 2000, "random_state": 0, **begin}
    plain, refined = GaussianMixture(4, **how).fit(X), GaussianMixture(4, refine="split-merge", **how).fit(X)
    assert refined.history_.refinement.moves
    assert all(dropped >= 2 for dropped, *_ in refined.history_.refinement.moves)
    assert refined.lower_bound_ > plain.lower_bound_ + 0.01
    np.testing.assert_array_equal(refined.means_[:2], MEANS)
    assert fitted_parameters(refined).fixed
    known = GaussianMixture(2, refine="split-merge", fixed={"means": True}, means_init=MEANS).fit(X)
    assert known.history_.refinement.tried == 0  # there is no move where all components are known


REFUSED = {
    "fewer components": ({"n_components": [1, 2]}, "expected n_components of 2 or more"),
    "no means": ({"means_init": None}, "expected means_init, got None$"),
    "covariances alone": ({"fixed": {"covariances": True}, "precisions_init": PRECISIONS["full"]}, "fixes all means"),
    "a joint model": ({"fixed": BOTH, "covariance_type": "VEE", "precisions_init": PRECISIONS["full"]}, "depend on"),
    "a mask": ({"fixed": {"means": [True]}}, "each of 2 components"),
    "another width": ({"means_init": MEANS[:, :1]}, "shape of .2, 2."),
    "another shape": ({"fixed": BOTH, "precisions_init": PRECISIONS["full"], "covariance_type": "diag"}, "precision"),
}


@pytest.mark.parametrize(("how", "words"), REFUSED.values(), ids=REFUSED)
def test_what_no_cell_can_have_is_refused(how, words):
    refused(words, searched, **how)


@pytest.mark.parametrize("order", [*itertools.permutations(range(3))])
@pytest.mark.parametrize("name", ["VVV", "EEE", "VVI", "VII", "VEE"])
@pytest.mark.parametrize("what", ["weights", "covariances", "both"])
def test_fixed_weights_and_covariances_go_to_the_groups_that_have_them(name, order, what):
    """Whatever their order: groups were numbered from heavy to light, and what is fixed laid over them by number."""
    rng, sizes, widths = np.random.default_rng(0), np.array([60, 360, 180]), np.array([0.5, 2.0, 1.0])
    X = 10 * np.repeat(np.eye(3, 2), sizes, axis=0) + np.repeat(widths, sizes)[:, None] * rng.normal(size=(600, 2))
    free = GaussianMixture(3, covariance_type=name, random_state=0).fit(X)
    chosen, given, fixed = list(order), {}, {}
    if what != "covariances":
        given, fixed = {"weights_init": free.weights_[chosen]}, {"weights": True}
    if what != "weights":
        precisions = free.precisions_ if name == "EEE" else free.precisions_[chosen]
        given, fixed = given | {"precisions_init": precisions}, fixed | {"covariances": True}
    mixture = GaussianMixture(3, covariance_type=name, random_state=0, fixed=fixed, **given).fit(X)
    assert mixture.score(X) == pytest.approx(free.score(X), abs=0.01)

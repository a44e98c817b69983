"""Units decide nothing of what is this package's own: rows × 1e-9 … 1e9, each column by itself.

The models are those that other units of columns leave as they are; components are compared in the order of a column.
"""

import numpy as np
import pytest

import gmm
from gmm import GaussianMixture, analysis, em, inference, select
from inside import main, resampling
from tables import IRIS, noted, warned

MODELS = ["VVV", "EEE", "VVI", "EEI"]
SCALES = [np.full(3, 1e-9), np.array([1e-9, 1, 1e9])]


def groups(seed, sizes=(100, 80, 60)):
    """Rows of three groups that the first column tells apart, (n, 3), and their groups, (n,)."""
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(3), sizes)
    X = rng.normal(size=(len(group), 3))
    X[:, 0] += np.array([-5, 0, 5])[group]
    X[:, 1] += 0.6 * X[:, 0] * (group == 1)
    return X, group


X, GROUP = groups(0)
NEW, _ = groups(1, (8, 8, 8))
MANY, _ = groups(1, (30, 30, 30))
TARGET = X[:, 0] * np.array([1, -1, 0.5])[GROUP] + 0.2 * np.random.default_rng(2).normal(size=len(X))
GAPS = np.where(np.arange(X.size).reshape(X.shape) % 11 == 0, np.nan, X)
SEARCH = gmm.GaussianMixtureSearch(3, MODELS, random_state=0)
FEW = {"n_replicates": 9, "random_state": 1}


def labels(mixture, rows):
    """The labels of rows, components in the order of their means in the first column; noise is −1."""
    found, order = mixture.predict(rows), np.argsort(np.argsort(mixture.means_[:, 0]))
    return np.where(found < 0, found, order[found])


def best_of(rows=X, **how):
    """A search's best mixture: K, its labels, and BIC in units of 1."""

    def use(scale):
        here = {name: value(scale) if callable(value) else value for name, value in how.items()}
        found = select(rows * scale, range(1, 5), **{"covariance_type": MODELS, "random_state": 0} | here)
        moved = 2 * np.isfinite(rows).sum(axis=0) @ np.log(scale)
        return found.best.n_components, labels(found.best, X * scale), found.best_index, found.bic.min() - moved

    return use


def mixture_of(scale, covariance_type="VVV"):
    """The mixture of three components, in the order of the first column."""
    best = select(X * scale, 3, covariance_type, random_state=0).best
    order = np.argsort(best.means_[:, 0])
    parts = best.weights_[order], best.means_[order], best.covariances_[order]
    fixed = GaussianMixture.from_parameters(*parts, covariance_type=best.covariance_type)
    return fixed.set_params(reg_covar=best.reg_covar)


def of_mixture(use, covariance_type="VVV"):
    return lambda scale: use(mixture_of(scale, covariance_type), scale)


def regression(scale, of_target):
    model = gmm.MixtureRegressor(3, random_state=0).fit(X * scale, TARGET * of_target)
    return model.predict(NEW * scale) / of_target, model.predict_interval(NEW * scale) / of_target


def classes(*given, **how):
    def use(scale):
        model = gmm.MixtureClassifier(*given, covariance_type=MODELS, random_state=0, **how).fit(X * scale, GROUP % 2)
        return model.predict(NEW * scale), model.bic_ - 2 * len(X) * np.log(scale).sum()

    return use


def bootstrap(scale):
    test = inference.bootstrap_lrt(X * scale, 2, **FEW)
    means = np.sort(test.alternative.means_[:, 0]) / scale[0]
    return test.statistic, test.p_value, test.replicates, means, labels(test.alternative, X * scale)


USES = {
    "select": best_of(),
    "select with noise": best_of(noise=True),
    "select with tails": best_of(tails="t"),
    "select with a prior": best_of(prior="conjugate", covariance_type=["VVV", "EEE"]),  # isotropic for others
    "select with gaps": best_of(GAPS, missing="em"),
    "select with errors": best_of(error_covariance=lambda scale: (0.1 * scale) ** 2, covariance_type="VVV"),
    "select by held-out rows": best_of(criterion="held_out"),
    "select in standard units": best_of(standardize=True),
    "select factors": best_of(covariance_type="factor1"),
    "GaussianMixtureSearch": lambda scale: labels(
        gmm.GaussianMixtureSearch(range(1, 5), MODELS, random_state=0).fit(X * scale).best_estimator_, X * scale
    ),
    "bootstrap_lrt": bootstrap,
    "split_lrt": lambda scale: inference.split_lrt(X * scale, [1, 2, 3], n_splits=3, random_state=0).splits,
    "stability": lambda scale: inference.stability(X * scale, [2, 3, 4], n_splits=3, random_state=0).splits,
    "held_out_log_likelihood": lambda scale: (
        inference.held_out_log_likelihood(SEARCH, X * scale, random_state=0).mean + np.log(scale).sum()
    ),
    "MixtureRegressor": lambda scale: regression(scale, 1.0),
    "MixtureRegressor of tiny targets": lambda scale: regression(scale, 1e-9),
    "MixtureRegressor of huge targets": lambda scale: regression(scale, 1e9),
    "MixtureClassifier": classes(),
    "MixtureClassifier of several": classes([1, 2, 3]),
    "MixtureClassifier in standard units": classes([1, 2, 3], standardize=True),
    "predict_proba": of_mixture(lambda model, scale: model.predict_proba(NEW * scale)),
    "freeze": of_mixture(lambda model, scale: model.freeze().score_samples(NEW * scale) + np.log(scale).sum()),
    "condition": of_mixture(lambda model, scale: model.condition({0: scale[0]}).means_ / scale[1:]),
    "predict_from": of_mixture(lambda model, scale: model.predict_from((NEW * scale)[:, :2], [0, 1]).means / scale[2]),
    "impute": of_mixture(lambda model, scale: model.impute(GAPS[:30] * scale) / scale),
    "sample": of_mixture(lambda model, scale: model.sample(20, 0)[0] / scale),
    "adapt": of_mixture(lambda model, scale: analysis.adapt(model, NEW * scale).means_ / scale),
    "anomaly_threshold": of_mixture(
        lambda model, scale: analysis.anomaly_threshold(model, X * scale, 0.05).predict(NEW * scale)
    ),
    "column_overlap": of_mixture(lambda model, scale: analysis.column_overlap(model).areas),
    "combine_components": of_mixture(lambda model, scale: analysis.combine_components(model, X * scale).n_clusters),
    "directions": of_mixture(lambda model, scale: analysis.directions(model, X * scale).eigenvalues),
    "distance": of_mixture(
        lambda model, scale: analysis.distance(model, analysis.adapt(model, NEW * scale), kind="bhattacharyya").value
    ),
    "drift": of_mixture(lambda model, scale: analysis.drift(model, MANY * scale, X * scale, n_replicates=99).p_value),
    "fisher_vector": of_mixture(lambda model, scale: analysis.fisher_vector(model, NEW * scale), "VVI"),
    "match": of_mixture(lambda model, scale: analysis.match(model, analysis.adapt(model, NEW * scale))),
    "overlap": of_mixture(lambda model, scale: analysis.overlap(model, n_samples=2000)),
    "true_values": of_mixture(
        lambda model, scale: analysis.true_values(model, NEW * scale, (0.3 * scale) ** 2).means / scale
    ),
    "standard_errors": of_mixture(
        lambda model, scale: [
            inference.standard_errors(model, X * scale, method=method, **FEW).means / scale
            for method in ("information", "weighted-bootstrap")
        ]
    ),
    "m_step": of_mixture(lambda model, scale: em.m_step(model, em.e_step(model, X * scale)).means_ / scale),
}
OWN = {*gmm.__all__, *analysis.__all__, *inference.__all__}
# What computes nothing of rows.
ELSEWHERE = {"adjusted_rand_index", "get_include", "load", "open_rows", "options", "show_versions"}


def test_every_public_function_has_its_use():
    functions = {name for name in OWN if name.islower() and not name.startswith("_")}
    assert functions - ELSEWHERE <= {name.split()[0] for name in USES}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_units_change_no_answer(use):
    here = answers(use(np.ones(3)))
    for scale in SCALES:
        np.testing.assert_allclose(answers(use(scale)), here, rtol=1e-3, atol=1e-3, err_msg=f"columns × {scale}")


def answers(found):
    return np.concatenate([np.ravel(each) for each in (found if isinstance(found, tuple | list) else [found])])


def stretched(seed, n=240, d=5, K=4):
    """Rows of groups that are much longer in one direction than in others, as measurements of one body are."""
    rng = np.random.default_rng(seed)
    common = rng.normal(size=(d, d)) * np.logspace(-1, 0.5, d)[:, None]
    shapes = (np.eye(d) + 0.3 * rng.normal(size=(K, d, d))) @ common
    group = rng.integers(K, size=n)
    return 5 * rng.normal(size=(K, d))[group] @ common + np.einsum("ni,nij->nj", rng.normal(size=(n, d)), shapes[group])


@pytest.mark.parametrize("covariance_type", ["full", "tied"])
@pytest.mark.parametrize(("rows", "K"), [(IRIS, 3), (stretched(0), 4), (stretched(1), 4)], ids=["iris", "one", "other"])
def test_starts_reach_the_best_optimum_as_often_in_any_units(rows, K, covariance_type):
    """The share of seeds differs by at most .2 between the rows' own units, standard deviations, and turned axes."""
    deviations = rows.std(axis=0)
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(len(deviations),) * 2))[0]
    scores = []
    for units in (np.eye(len(turn)), np.diag(1 / deviations), np.diag(1 / deviations) @ turn):
        how = {"covariance_type": covariance_type, "reg_covar": 0}
        fits = (GaussianMixture(K, random_state=seed, **how) for seed in range(20))
        scores.append([one.fit(rows @ units).score(rows @ units) + np.linalg.slogdet(units)[1] for one in fits])
    shares = (np.array(scores) > np.max(scores) - 1e-3).mean(axis=1)
    assert np.ptp(shares) <= 0.2
    assert shares.min() >= 0.8


@pytest.mark.needs("jinja2", "pyarrow", "rich")
@pytest.mark.parametrize("how", [["--components", "1:4"], ["--bayesian"]])
def test_units_change_no_labels_on_the_command_line(how, tmp_path):
    found = []
    for number, scale in enumerate([np.ones(3), *SCALES]):
        np.savetxt(tmp_path / "rows.csv", X * scale, delimiter=",", header="a,b,c", comments="", fmt="%.17g")
        out = tmp_path / str(number)
        assert main(["fit", str(tmp_path / "rows.csv"), "--out", str(out), "--quiet", *how]) == 0
        found.append(np.genfromtxt(out / "labels.csv", delimiter=",", names=True)["component"].astype(int))
    for each in found[1:]:
        assert len(set(zip(found[0].tolist(), each.tolist(), strict=True))) == len(set(found[0].tolist()))


# --- The ridge of scikit-learn's classes is absolute, and told ------------------------------------


@pytest.mark.parametrize("cls", [GaussianMixture, gmm.BayesianGaussianMixture])
def test_a_ridge_that_hides_groups_is_told_once(cls):
    rows = X * [1e-5, 1, 1e-12]
    message = warned(cls(n_components=2, random_state=0, max_iter=300).fit, rows)[0].remarks_["ridge"]
    assert message.startswith("reg_covar=1e-06 hides groups in columns")
    assert f"'x0' has {rows[:, 0].var():.3g}, 'x2' has {rows[:, 2].var():.3g}." in message
    assert "x1" not in message


@pytest.mark.parametrize("cls", [GaussianMixture, gmm.BayesianGaussianMixture])
def test_columns_that_are_wide_or_constant_are_no_such(cls):
    cls(n_components=2, random_state=0, max_iter=300).fit(X * [1e-2, 1, 0])
    cls(n_components=2, random_state=0, max_iter=300, reg_covar=1e-16).fit(X * [1e-5, 1, 1e5])


def halves(rows, n_components, random_state):
    """A start by the first column."""
    return np.eye(2)[(rows[:, 0] > 0).astype(int)] if n_components == 2 else np.ones((len(rows), 1))


@pytest.mark.parametrize("how", [{"max_ratio": 20}, {"noise": [[-20, -90, -9], [20, 90, 9]]}, {"init_params": halves}])
def test_what_is_given_in_the_units_of_the_rows_sees_them_in_these(how, monkeypatch):
    seen = noted(monkeypatch, resampling, "fit_mixture", lambda source, *_, **__: source.rows)
    rows = X * [1, 10, 1]
    for given in ({}, how):
        inference.bootstrap_lrt(rows, 1, n_init=1, n_replicates=1, random_state=0, n_threads=1, **given)
        assert np.array_equal(seen[0], rows) == bool(given)
        seen.clear()

"""A search in standard deviations: that of scaled rows, with results of the rows themselves."""

import numpy as np
import pytest
from sklearn.base import clone

from command import ok, result_in, text_in
from gmm import GaussianMixture, NormalInverseWishart, select
from inside import PARSIMONIOUS, Coordinates, covariance_model, fitted_parameters
from tables import cases, reloaded

rng = np.random.default_rng(3)
X = np.concatenate([rng.normal(m, 1, (60, 3)) @ np.diag([1, 5, 0.2]) for m in (-3, 0, 4)])
X[:, 1] += 1e3
WEIGHTS = rng.integers(1, 4, len(X)).astype(float)
CLOSED = {"EEI", "VEI", "EVI", "VVI", "EEE", "VEE", "EVV", "VVV"}
LETTERS = {"EII": "EEI", "VII": "VEI", "EVE": "EVV", "VVE": "VVV", "EEV": "EVV", "VEV": "VVV"}
LETTERS |= {name: name for name in CLOSED}


def deviations(X, weights=None):
    centre = np.average(X, axis=0, weights=weights)
    return centre, np.sqrt(np.average((X - centre) ** 2, axis=0, weights=weights))


@pytest.fixture(scope="module", params=[None, WEIGHTS], ids=["plain", "weighted"])
def found(request):
    return select(X, range(1, 4), standardize=True, sample_weight=request.param, random_state=0), request.param


def test_it_is_the_search_of_scaled_rows_with_the_jacobian(found):
    found, weights = found
    centre, scale = deviations(X, weights)
    of_scaled = select((X - centre) / scale, range(1, 4), sample_weight=weights, random_state=0)
    n = len(X) if weights is None else weights.sum()
    np.testing.assert_allclose(found.loglik, of_scaled.loglik - n * np.log(scale).sum(), rtol=1e-9)
    for name in ("bic", "aic", "aicc", "icl"):
        shifted = getattr(of_scaled, name) + 2 * n * np.log(scale).sum()
        # The entropy in ICL has no maximum where the fit ends, so rounding counts at first order.
        np.testing.assert_allclose(getattr(found, name), shifted, rtol=1e-8 if name == "icl" else 1e-9)
    np.testing.assert_allclose(found.nec, of_scaled.nec, rtol=1e-5)
    assert found.best_index == of_scaled.best_index
    again = reloaded(found)
    assert (again.standardized, found.standardized, of_scaled.standardized) == (True, True, False)
    assert "of standardised columns: 3 components" in repr(found) == repr(again)
    assert found.covariance_type == PARSIMONIOUS * 3
    np.testing.assert_array_equal(found.n_parameters, of_scaled.n_parameters)
    # Solutions that differ by rounding alone may come from other starts, with their components in another order.
    one, other = found.best.predict(X), of_scaled.best.predict((X - centre) / scale)
    np.testing.assert_array_equal(one[:, None] == one, other[:, None] == other)


def test_mixtures_are_those_of_the_rows(found):
    found, weights = found
    n = len(X) if weights is None else weights.sum()
    for number, fitted in enumerate(found.estimators):
        name = found.covariance_type[number]
        assert fitted.covariance_type == LETTERS[name] == covariance_model(name).for_scaled_columns.name
        assert n * fitted.score(X, sample_weight=weights) == pytest.approx(found.loglik[number], rel=1e-9)
        assert fitted.lower_bound_ == pytest.approx(found.loglik[number] / n, abs=1e-4)
        assert fitted.lower_bounds_[-1] == pytest.approx(fitted.lower_bound_, abs=1e-3)
        if name in CLOSED:
            assert fitted.bic(X, sample_weight=weights) == pytest.approx(found.bic[number], rel=1e-9)
        else:
            assert fitted.n_parameters_ >= found.n_parameters[number]


def test_noise_has_its_box_in_the_units_of_the_rows():
    clutter = np.concatenate([X, rng.uniform(X.min(axis=0) - 1, X.max(axis=0) + 1, (40, 3))])
    box = np.array([clutter.min(axis=0), clutter.max(axis=0)])
    for noise in (True, box):
        found = select(clutter, 3, ["EII", "VVV"], standardize=True, noise=noise, random_state=0)
        for number, fitted in enumerate(found.estimators):
            np.testing.assert_allclose(fitted_parameters(fitted).noise.box, box, rtol=1e-12)
            assert len(clutter) * fitted.score(clutter) == pytest.approx(found.loglik[number], rel=1e-9)
        assert (found.best.predict(clutter)[-40:] == -1).mean() > 0.5


@pytest.mark.parametrize("scale", [0.5, np.diag([0.5, 0.4, 0.3]) + 0.1], ids=["number", "matrix"])
@pytest.mark.parametrize("name", ["EEE", "VVI", "VVV"])
def test_a_prior_comes_along(name, scale):
    prior = NormalInverseWishart(mean=[0.1, 0, -0.2], shrinkage=5, dof=7, scale=scale)
    best = select(X, 3, name, standardize=True, prior=prior, reg_covar=0, tol=1e-9, random_state=0).best
    assert (best.prior.shrinkage, best.prior.dof) == (5, 7)
    centre, deviation = deviations(X)
    np.testing.assert_allclose(best.prior.mean, centre + deviation * prior.mean)
    parameters = fitted_parameters(best)
    again = GaussianMixture(**best.get_params() | {"init_params": best.predict_proba(X)}).fit(X)
    np.testing.assert_allclose(again.means_, parameters.means, rtol=1e-3)
    np.testing.assert_allclose(again.covariances_, parameters.covariances, rtol=1e-3, atol=1e-3 * deviation.min() ** 2)


def test_one_column_and_a_constant_one():
    single = select(X[:, :1], [2], ["VII"], standardize=True, random_state=0)
    assert (single.best.covariance_type, single.best.bic(X[:, :1])) == ("VII", pytest.approx(single.bic[0]))
    with_constant = np.column_stack([X[:, 0], np.full(len(X), 0.1)])
    with pytest.warns(UserWarning, match="constant"):
        fitted = select(with_constant, [2], ["VVI"], standardize=True, random_state=0).best
    np.testing.assert_allclose(fitted.means_[:, 1], 0.1)
    np.testing.assert_allclose(fitted.covariances_[:, 1], 1e-6, rtol=0.2)
    more, weights = np.vstack([with_constant, [0.0, 7.0]]), np.append(np.ones(len(X)), 0)
    again = select(more, [2], ["VVI"], standardize=True, sample_weight=weights, random_state=0).best
    np.testing.assert_allclose(again.covariances_, fitted.covariances_, rtol=1e-6)


@cases((1e9, {"reg_covar": 1e300}), (1e9, {"prior": NormalInverseWishart(scale=1e300)}), (1e-160, {}))
def test_a_spread_that_no_number_holds_in_the_units_of_the_columns_is_refused(unit, how):
    with pytest.raises(ValueError, match=r"variances of 2.2e-308 to 1.8e\+308 in units of the columns, got var"):
        select(unit * X, 1, ["full", "diag"], standardize=True, **how)


def test_values_that_are_missing_have_no_jacobian():
    """A search of rows with gaps agrees with the log density of what is there, in the rows' own units."""
    rng = np.random.default_rng(3)
    X = np.concatenate([rng.normal(size=(90, 3)), rng.normal(size=(90, 3)) + 4]) * [1, 100, 0.01]
    X[rng.random(X.shape) < 0.15] = np.nan
    X = X[~np.isnan(X).all(axis=1)]
    found = select(X, [1, 2], ["full", "diag"], standardize=True, missing="em", random_state=0)
    for loglik, mixture in zip(found.loglik, found.estimators, strict=True):
        assert loglik == pytest.approx(mixture.score_samples(X).sum(), rel=1e-9)
        assert mixture.lower_bound_ == pytest.approx(loglik / len(X), rel=1e-9)
    assert found.best.n_components == 2
    rows, weights = np.array([[0.0, 1.0], [1.0, 3.0], [2.0, np.nan]]), np.array([1.0, 1.0, 1e200])
    heavy = select(rows, 1, ["diag"], standardize=True, missing="em", sample_weight=weights)
    assert heavy.best.means_[0, 0] == 2  # others keep their units


def test_the_ridge_of_the_best_is_small_in_the_units_of_the_rows():
    rng = np.random.default_rng(5)
    X = [1e-5, 1e-4] * np.concatenate([rng.normal(size=(100, 2)), rng.normal(size=(100, 2)) + 4])
    found = select(X, [1, 2], "VVV", standardize=True, random_state=0)
    assert 0 < found.best.reg_covar <= 1e-6 * X[:, 0].var()
    assert found.best.criteria(X)["nec"] == pytest.approx(found.nec[found.best_index], rel=1e-3)
    assert clone(found.best).fit(X).score(X) == pytest.approx(found.best.score(X), abs=1e-3)


def test_float32_rows_stay_so():
    fitted = select(X.astype(np.float32), [3], ["EEE"], standardize=True, random_state=0).best
    assert fitted.means_.dtype == fitted.predict_proba(X.astype(np.float32)).dtype == np.float32
    exact = select(X, [3], ["EEE"], standardize=True, random_state=0).best
    np.testing.assert_allclose(np.sort(fitted.means_, axis=0), np.sort(exact.means_, axis=0), atol=1e-3)


@pytest.mark.parametrize("name", PARSIMONIOUS)
def test_a_mixture_comes_back_from_any_coordinates(name):
    fitted = GaussianMixture(2, covariance_type=name, random_state=0).fit(X)
    turned = Coordinates(np.array([1.0, -2.0, 5.0]), rng.normal(size=(3, 3)))
    restored = turned.restored(fitted_parameters(fitted))
    back = GaussianMixture.from_parameters(restored.weights, restored.means, restored.covariances)
    density = back.score_samples(X @ turned.scales.T + turned.centre) + np.linalg.slogdet(turned.scales)[1]
    np.testing.assert_allclose(density, fitted.score_samples(X), rtol=1e-7)


@pytest.mark.needs("jinja2", "pyarrow", "rich")
def test_the_command_line_scales(tmp_path):
    np.save(tmp_path / "rows.npy", X)
    words = "fit rows.npy --scale --components 3 --covariance EII,VVV --out out --report page.html"
    assert "3 components, EII of standardised columns: converged" in ok(*words.split(), cwd=tmp_path).stdout
    assert "EII of standardised columns" in text_in(tmp_path / "page.html")
    written, best = result_in(tmp_path / "out"), select(X, 3, ["EII", "VVV"], standardize=True, random_state=0).best
    assert written["standardized"]
    assert (written["best"]["covariance_type"], written["best"]["n_parameters"]) == ("EEI", 12)
    np.testing.assert_allclose(written["best"]["means"], best.means_, rtol=1e-6)


def test_units_do_not_depend_on_how_rows_lie_in_memory():
    rng = np.random.default_rng(6)
    X = np.vstack([rng.normal(size=(5000, 3)), rng.normal(size=(4000, 3)) * [1, 20, 300] + 5])
    how = {"standardize": True, "random_state": 0, "sample_weight": rng.uniform(0.5, 2, len(X))}
    expected = select(X, [2], ["VVV", "EII"], **how)
    for other in (np.asfortranarray(X), np.repeat(X, 2, axis=1)[:, ::2]):
        np.testing.assert_array_equal(select(other, [2], ["VVV", "EII"], **how).bic, expected.bic)

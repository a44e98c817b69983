"""Which components are degenerate: on few rows, narrower than rounding or the ridge, or no better than chance."""

from contextlib import suppress

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.metrics import adjusted_rand_score

import inside
import reference
from gmm import GaussianMixture, select
from inside import FULL, PARSIMONIOUS, Degeneracy, DegeneracyRule, MixtureParameters, Resolution, covariance_model
from tables import dense

RIDGE = 1e-6
every_model = pytest.mark.parametrize("name", [*PARSIMONIOUS, *reference.OF_FACTORS, "few factors"])


def degenerate_of(parameters, n):
    """Check the components of a mixture of n rows."""
    rows = Resolution(float(n), np.zeros(parameters.n_features), RIDGE)
    return Degeneracy(parameters.model, rows)(parameters)


def of_diagonals(name, weights, means, variances):
    """Components with these variances of the columns, of which the model keeps what it can."""
    layout = {"full": [np.diag(v) for v in variances], "tied": np.diag(variances[0]), "diag": variances}
    free = np.array(layout.get(reference.shape_of(name), np.mean(variances, axis=1)), dtype=float)
    return MixtureParameters(np.array(weights), np.array(means), free, covariance_model(name))


def mixture(name, weights, variances, apart=1.0):
    """Round components of given variances in two features, so far apart."""
    means = apart * np.arange(2.0 * len(weights)).reshape(-1, 2)
    return of_diagonals(name, weights, means, [[v, v] for v in variances])


def mixtures(name, numbers, ridges, rng):
    """Yield mixtures of a model with their statistics, their numbers of rows and their ridges."""
    model = inside.factor_model("factor", 1, False) if name == "few factors" else covariance_model(name)
    for _ in range(100):
        n, ridge = int(rng.choice(numbers)), float(rng.choice(ridges))
        with suppress(inside.SingularMatrixError):
            yield *a_mixture(model, ridge, n, rng), n, ridge


def a_mixture(model, ridge, n, rng):
    """Estimate a mixture from shares of rows; some have few or equal rows, copied or tiny columns, noise or tails."""
    K, d = int(rng.integers(1, 5)), int(rng.integers(1 + model.n_factors, 5 + model.n_factors))
    d += int(rng.choice([15, 48])) if rng.random() < 0.06 else 0  # BLAS, and LAPACK
    labels = np.concatenate([np.arange(K), rng.choice(K, n - K, p=rng.dirichlet(np.ones(K)))])
    X = rng.normal(size=(n, d)) + rng.choice([0.5, 4.0]) * rng.normal(size=(K, d))[labels]
    X[labels == 0, : rng.integers(d + 1)] = rng.choice([1.0, 3.0])
    X[:, -1] = X[:, rng.choice([0, -1, -1])]
    X *= 10.0 ** rng.choice([-4, 0, 0, 2], d)
    shares = np.eye(K)[labels] + rng.choice([0, 1e-3])
    moments = _moments(X, shares / shares.sum(axis=1, keepdims=True))
    statistics = inside.SufficientStatistics(FULL, np.zeros((K, d)), *moments, 0.0, float(n)).reduced(model.layout)
    parameters = inside.Objective(model, ridge).update(statistics)
    if rng.random() < 0.2:
        parameters = parameters.with_noise(inside.Noise(X.min(axis=0) - 1, X.max(axis=0) + 1), 0.1)
    elif rng.random() < 0.2:
        parameters = parameters.with_other(tails=inside.StudentTails(5.0))
    return parameters, statistics


@every_model
def test_causes_are_those_of_the_twin(name):
    rng, told = np.random.default_rng(0), set()
    for parameters, statistics, n, ridge in mixtures(name, [4, 8, 40, 200], [1e-9, 1e-6, 1e-2], rng):
        model, (K, d) = parameters.model, parameters.means.shape
        steps = rng.choice([0.0, 0.0, 1.0, 10.0], d)
        free = model.layout.dense(parameters.covariances, K, d)
        statistics = statistics if rng.random() < 0.5 else None
        if statistics and name in ("EVI", "EVE", "EVV"):
            of_rows = model.layout.per_count(statistics.scatter, statistics.counts)
            free = model.layout.dense(of_rows, K, d) + ridge * np.eye(d)
        for rule in DegeneracyRule:
            degeneracy = Degeneracy(model, Resolution(float(n), steps, ridge), rule)
            got = degeneracy.causes(parameters, statistics).tolist()
            assert got == reference.degenerate_causes(parameters, n, steps, ridge, rule.name, free)
            told |= set(got)
    assert told | {1, 2} == {0, 1, 2, 4, 5}


@every_model
def test_what_a_fit_is_worth_is_that_of_the_twin(name):
    rng, lost = np.random.default_rng(0), []
    for parameters, _, n, ridge in mixtures(name, [8, 40, 200], [1e-6, 1e-2], rng):
        steps = rng.choice([0.0, 0.1, 1.0, 10.0], parameters.n_features)
        weight = np.r_[np.full(n - 1, 2.0), rng.choice([2.0, 40.0 * n])]
        n_copies = weight.sum() / np.exp(np.log(weight).mean())
        check = Resolution(float(n), steps, ridge, weight=weight).check(parameters.model)
        noise = np.asarray(parameters.noise.variances) if parameters.noise else None
        got = check.worth(parameters.as_estimate(), noise, 1.0)
        lost.append(1 - reference.worth_of_bound(parameters, n, n_copies, steps, ridge, 1.0))
        assert 1 - got == pytest.approx(lost[-1], rel=1e-6, abs=1e-9)
    assert np.isinf(lost).any() or parameters.model.common
    assert (np.array(lost) == 0).any()
    assert len({round(x, 6) for x in lost if np.isfinite(x)}) > 3


def test_values_of_a_rounded_normal_column_are_worth_no_more_as_components_than_as_one():
    rounded = np.random.default_rng(0).normal(size=4000).round()
    values, counts = np.unique(rounded[np.abs(rounded) < 4], return_counts=True)
    shares, ridge = counts / counts.sum(), 1e-6
    variance = shares @ (values - shares @ values) ** 2
    parameters = of_diagonals("diag", shares, values[:, None], np.full((len(values), 1), ridge))
    bound = shares @ np.log(shares / np.sqrt(2 * np.pi * ridge))
    check = Resolution(4000.0, np.ones(1), ridge).check(parameters.model)
    as_one = -np.log(2 * np.pi * np.e * variance) / 2
    assert as_one - 0.01 < check.worth(parameters.as_estimate(), None, bound) < as_one + 0.01 < bound - 5


@pytest.mark.parametrize("name", ["VVI", "VEI", "VII", "EEI", "EII", "VVV"])
def test_what_densities_owe_to_rows_that_repeat_is_that_of_the_twin(name):
    """Of the variance h²/12, a component owes log(1 + 6/π) / 2 nats a row; one for all does if most owe so much."""
    rng, model, found = np.random.default_rng(0), covariance_model(name), []
    for _ in range(60):
        K, d, n = 3, int(rng.integers(2, 5)), int(rng.choice([40, 200]))
        labels = rng.integers(0, K, n)
        rows = rng.normal(size=(n, d)) + 4 * rng.normal(size=(K, d))[labels]
        repeated = rng.random(n) < rng.choice([0.2, 0.6, 1.0])
        repeated &= labels <= rng.choice([0, 2])
        rows[repeated, 0] = 9.0 * labels[repeated]
        rows[:, 1] = rng.choice([rows[:, 1], np.round(rows[:, 1] * rng.choice([0.5, 1, 2]))])
        weight = rng.integers(1, 4, n).astype(float)
        moments = _moments(rows, np.eye(K)[labels] * weight[:, None])
        statistics = inside.SufficientStatistics(FULL, np.zeros((K, d)), *moments, 0.0, weight.sum())
        parameters = inside.Objective(model, 1e-6).update(statistics.reduced(model.layout))
        owed = reference.owed_to_ties(parameters, rows, weight)
        limit = np.log1p(6 / np.pi) / 2
        expected = (owed > limit) & (not model.common or parameters.weights[owed > limit].sum() >= 0.5)
        check = Resolution(float(n), np.zeros(d), 1e-6).check(model)
        flags = np.array([len(np.unique(column)) < n for column in rows.T], np.uint8)
        got = check.ties(parameters.as_estimate(), None, np.zeros(K, np.uint8), rows, weight, flags)
        if name != "VVV" or not (got > expected * 6).any():  # where it is thinnest, it may owe more
            np.testing.assert_array_equal(got, expected * 6)
        found += got.tolist()
    assert set(found) == {0, 6}


OF_ONE_COVARIANCE = ("EII", "EEI", "EEE")


def words_of(parameters, n):
    rows = Resolution(float(n), np.zeros(parameters.n_features), RIDGE)
    causes = Degeneracy(parameters.model, rows).causes(parameters)
    return inside.degenerate.describe_causes(causes, parameters, rows, ["x", "y"])


@pytest.mark.parametrize("name", PARSIMONIOUS)
def test_few_rows_are_a_group_only_where_they_are_worth_more_than_chance_gives(name):
    """Far from all others they are one as soon as they leave their covariance a bound: from two or three rows on."""
    fewest = 2 if name in ("VVE", "VVV") else 1 if name not in OF_ONE_COVARIANCE else 1.5
    for rows, expected in ((fewest, True), (fewest + 0.02, False)):
        far = mixture(name, [1 - rows / 100, rows / 100], [1.0, 1.0], 1e40)
        assert degenerate_of(far, 100).tolist() == [False, expected]
    assert words_of(mixture(name, [0.99, 0.01], [1.0, 1.0], 1e9), 100) == {1: "too few rows for its covariance"}
    (reason,) = words_of(mixture(name, [0.97, 0.03], [1.0, 0.5]), 100).values()
    assert reason == "too few rows to distinguish a group from chance"
    assert not degenerate_of(mixture(name, [0.5, 0.5], [1.0, 1.0]), 1000).any()


@pytest.mark.parametrize("correlated", [False, True])
@pytest.mark.parametrize(("n", "d", "seed"), [(90, 30, 2), (90, 29, 3), (60, 20, 3), (120, 25, 2), (300, 100, 2)])
def test_groups_of_no_more_rows_than_columns_are_groups_under_one_covariance(n, d, seed, correlated):
    rng = np.random.default_rng(seed)
    means, labels = rng.normal(size=(3, d)), np.repeat(range(3), n // 3)
    means *= 20 / np.linalg.norm(means, axis=1, keepdims=True)
    noise = rng.normal(size=(n, d))
    X = means[labels] + (noise @ (rng.normal(size=(d, d)) / np.sqrt(d) + np.eye(d) / 2).T if correlated else noise)
    for name in ("EEE", "all") if d <= 30 else ("EEE",):
        found = select(X, range(1, 5), name, random_state=0)
        assert found.best.n_components == 3
        assert adjusted_rand_score(labels, found.best.predict(X)) == 1


@pytest.mark.parametrize(("n", "d"), [(10, 5), (12, 5), (15, 5), (20, 10), (30, 15), (100, 5)])
def test_noise_of_few_rows_is_one_component(n, d):
    found = [select(np.random.default_rng(seed).normal(size=(n, d)), range(1, 6), random_state=0) for seed in range(4)]
    assert [each.best.n_components for each in found] == [1] * 4


def _moments(X, shares):
    """Counts, first and second moments about the origin."""
    return shares.sum(axis=0), shares.T @ X, np.einsum("ik,ij,il->kjl", shares, X, X)


@pytest.mark.parametrize("ulps", [1, 2, 3])
@pytest.mark.parametrize("K", [1, 2])
@pytest.mark.parametrize("covariance_type", ["EEE", "VVV"])
def test_a_column_and_its_copy_are_singular_whatever_rounding_makes_of_them(covariance_type, K, ulps):
    covariance, model = np.ones((2, 2)), covariance_model(covariance_type)
    covariance[1, 1] += ulps * np.finfo(float).eps
    stored = covariance if model.layout.pooled else np.stack([covariance] * K)
    mixture = MixtureParameters(np.full(K, 1 / K), np.eye(2)[:K], stored, model)
    assert Degeneracy(model, Resolution(200.0, np.zeros(2), 0.0)).causes(mixture).tolist() == [3] * K
    assert reference.degenerate_causes(mixture, 200, np.zeros(2), 0.0, "ONE_NUMBER", None) == [3] * K


@pytest.mark.filterwarnings("ignore::gmm.DegenerateWarning")
@pytest.mark.parametrize("distinct", [1, 2])
def test_components_without_rows_are_named(distinct):
    rows = np.repeat(np.arange(2.0 * distinct).reshape(distinct, 2), 20, axis=0)
    mixture = GaussianMixture(4).fit(rows)
    assert f"n_components={distinct} gives the same density" in mixture.remarks_["no rows"]
    assert np.count_nonzero(mixture.weights_ > 1e-12) == distinct
    same = GaussianMixture(distinct).fit(rows)
    np.testing.assert_allclose(mixture.score_samples(rows), same.score_samples(rows))


@pytest.mark.parametrize("with_noise", [False, True])
@pytest.mark.parametrize("name", [*PARSIMONIOUS, "factor1"])
def test_a_run_is_judged_as_the_result_it_would_leave(name, with_noise):
    rng, model, found = np.random.default_rng(0), covariance_model(name), set()
    rows = np.concatenate([rng.normal(size=(60, 3)), rng.normal(4, 1, (60, 3)), np.full((3, 3), 9.0)])
    rows[:60, 2] = 0.5
    source, shares = inside.ArraySource(rows), np.repeat(np.eye(3), [60, 60, 3], axis=0)
    noise = inside.Noise(rows.min(axis=0), rows.max(axis=0), 0.01) if with_noise else inside.NO_NOISE
    problem = inside.Problem(source, inside.Objective(model, RIDGE, noise=noise), 1)
    in_numbers = Resolution.from_source(source, RIDGE)._replace(source=None)  # without a look at the rows
    for rule in DegeneracyRule:
        degeneracy = Degeneracy.for_fits(problem.objective, source, rule)
        for start in (shares, rng.permutation(shares), rng.dirichlet(np.ones(3), len(rows))):
            begin = inside.from_responsibilities(source, start, model.layout)
            with problem.e_step() as e_step:
                run = problem.prepare_run(e_step, begin, inside.SolverSettings(1e-9, 100)).go(3)
                alone = Degeneracy(model, in_numbers, rule)(run.result.parameters)
                assert degeneracy.first(run) == degeneracy.first(run.result)
                assert degeneracy.first(run, mixture_only=True) == (alone.argmax() if alone.any() else -1)
                found.add(degeneracy.first(run))
    assert len(found) > 1


def table(n_far, seed=0):
    """Two groups, and few rows near (20, −20)."""
    rng = np.random.default_rng(seed)
    groups = [rng.normal(mean, 1, (100, 2)) for mean in ((0, 0), (6, 0))]
    return np.concatenate([*groups, rng.normal((20, -20), 0.3, (n_far, 2))])


@pytest.mark.parametrize("name", OF_ONE_COVARIANCE)
@pytest.mark.parametrize("init_params", ["kmeans", "k-means++", "hierarchical"])
def test_a_fit_gives_a_group_of_three_rows_a_component(name, init_params):
    fit = GaussianMixture(3, covariance_type=name, init_params=init_params, random_state=0).fit(table(3))
    assert fit.weights_.min() * 203 == pytest.approx(3, abs=0.01)


@pytest.mark.parametrize("n_far", [2, 3])
@pytest.mark.parametrize("criterion", ["bic", "held_out"])
def test_a_search_gives_a_far_group_of_few_rows_a_component(n_far, criterion):
    rows = table(n_far)
    found = select(rows, range(1, 5), [*OF_ONE_COVARIANCE], criterion=criterion, random_state=0)
    assert found.status[found.best_index] == "ok"
    assert found.best.n_components == 3 or criterion == "held_out"
    labels = found.best.predict(rows)
    np.testing.assert_array_equal(labels == labels[-1], np.arange(200 + n_far) >= 200)


# --- Tables with tied values ----------------------------------------------------------------------


IRIS, SPECIES = load_iris(return_X_y=True)


def rounded_groups(n=120, seed=0):
    """Two groups with correlations; a column has steps of half a standard deviation."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3)) @ rng.normal(size=(3, 3))
    X[: n // 2, 0] += 6
    return np.column_stack([X[:, :2], np.round(2 * X[:, 2] / X[:, 2].std()) / 2])


def years(n=150, seed=0):
    rng = np.random.default_rng(seed)
    return np.column_stack([rng.normal(size=(n, 2)), rng.choice([2007.0, 2008.0, 2009.0], n)])


@pytest.mark.parametrize("rows", [IRIS[SPECIES == 0], rounded_groups(), years()], ids=["setosa", "groups", "years"])
def test_the_choice_does_not_follow_the_ridge(rows):
    """Three decades of the ridge change a component on ties by 6.9 per row in BIC."""
    fits = [select(rows, range(1, 4), random_state=0, reg_covar=ridge) for ridge in (1e-4, 1e-7)]
    assert np.ptp([found.scores[found.best_index] for found in fits]) < 2
    assert {found.status[found.best_index] for found in fits} == {"ok"}


@pytest.mark.parametrize("criterion", ["bic", "aic"])
@pytest.mark.parametrize("seed", range(6))
def test_no_winner_breaks_what_is_noted_of_ties(seed, criterion):
    """AIC likes components that follow the values of a column, and is kept from those of less than rounding."""
    rng, n, step = np.random.default_rng(seed), 70, 0.8 + seed / 10
    rounded = step * np.round((rng.normal(size=n) + 2 * rng.integers(0, 2, n)) / step)
    X, kinds = np.column_stack([rng.normal(size=n), rounded]), ["VVV", "EEE", "EEI", "VVI", "VEI"]
    found = select(X, range(1, 8), kinds, criterion=criterion, random_state=seed)
    assert any("components may collapse on single values" in note for note in found.notes)
    spread = dense(found.best)[:, 1, 1]
    assert found.status[found.best_index] == "ok"
    assert ((spread > step**2 / 12) | (4 * spread > rounded.var())).all()


def test_ties_beside_errors_are_not_noted():
    """Components are of true values there, which no step rounds."""
    X = np.round(rounded_groups(n=60))
    assert any("less than that of rounding" in note for note in select(X, 1, "diag").notes)
    assert select(X, 1, "diag", error_covariance=np.eye(3) / 12).notes == ()


@pytest.mark.parametrize("ridge", [1e-4, 1e-6])
def test_one_covariance_that_is_the_ridge_in_a_direction_is_degenerate(ridge):
    """Three distinct rows: two components leave no variance across the line through two of them."""
    rows = np.repeat(np.random.default_rng(0).normal(size=(3, 2)), 50, axis=0)
    result = select(rows, [1, 2, 3], ["EEE"], reg_covar=ridge, random_state=0)
    assert [status.partition(":")[0] for status in result.status] == ["ok", "degenerate", "degenerate"]


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("beside", [False, True])
def test_rows_of_one_value_are_a_group_of_a_fit(place, beside):
    """An appliance that is off, a saturated grey level: no other component is near, and the start is no accident."""
    for seed in range(4):
        rng = np.random.default_rng([seed, place])
        means, group = np.array([60.0, 120.0, 255.0]), np.repeat([0, 1, 2], [300, 200, 120])
        x = means[group] + 6 * rng.normal(size=len(group))
        x[group == place] = means[place]
        X = np.column_stack([x, rng.normal(size=len(x))]) if beside else x[:, None]
        found = GaussianMixture(3, random_state=seed).fit(X)
        assert "no variance but reg_covar in x0" in found.remarks_["degenerate"]
        assert adjusted_rand_score(group, found.predict(X)) > 0.99
        assert "reg_covar" in str(found.summary(X))


@pytest.mark.parametrize("name", ["EII", "VII", "EEI", "VEI", "EEE"])
def test_rows_narrower_than_the_shape_of_their_model_are_on_no_one_value(name):
    """Groups far apart, each narrow or wide in another column: no row repeats a value, and a search takes them."""
    rng, sizes = np.random.default_rng(1), [100, 100, 60, 60]
    means = [[0, 0, 0], [1000, 0, 0], [0, 1000, 0], [0, 0, 500]]
    spreads = [[0.1, 1, 1], [10, 1, 1], [1, 20, 1], [1, 1, 0.05]]
    X = np.concatenate([rng.normal(*of_group, (n, 3)) for *of_group, n in zip(means, spreads, sizes, strict=True)])

    def degenerate(rows):
        return GaussianMixture(4, covariance_type=name, random_state=0).fit(rows).summary(rows).degenerate

    assert degenerate(X) == degenerate(X.round(2)) == {}
    assert select(X, [1, 4], name, random_state=0).status == ("ok", "ok")
    X[:100, 0] = 0.25  # all rows of a group have one value, near those of others: their density owes little to it
    assert degenerate(X) == {}


@pytest.mark.parametrize("name", ["EVI", "EVE", "EVV"])
def test_rows_narrower_than_the_volume_of_their_model_are_on_no_one_value(name):
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(size=(200, 2)), 8 + 0.02 * rng.normal(size=(200, 2))])
    weight = np.where(np.arange(400) == 0, 1.5, 1.0)
    for of_rows in (None, weight):
        fitted = GaussianMixture(2, covariance_type=name, random_state=0).fit(X, sample_weight=of_rows)
        assert fitted.summary(X, sample_weight=of_rows).degenerate == {}


@pytest.mark.filterwarnings("ignore::gmm.DegenerateWarning")
@pytest.mark.parametrize("name", ["EEE", "VVV", "VII", "VEI"])
def test_ties_count_weights_as_repeats(name):
    rng = np.random.default_rng(0)
    for _ in range(6):
        X = np.concatenate([rng.normal(size=(12, 2)), [[9.0, 9.0]], rng.normal([9, 0], 0.1, (3, 2))])
        weight = rng.integers(1, 7, len(X))
        fit = GaussianMixture(3, covariance_type=name, random_state=0).fit
        weighted = fit(X, sample_weight=weight).summary(X, sample_weight=weight)
        repeated = np.repeat(X, weight, axis=0)
        assert sorted(weighted.degenerate) == sorted(fit(repeated).summary(repeated).degenerate)


# --- Rows that repeat off any lattice -------------------------------------------------------------

COUNTS = np.random.default_rng(5).poisson([0.4, 3, 20], (400, 3)).astype(float)
TOTALS = COUNTS.sum(axis=1, keepdims=True)
TRANSFORMS = {
    "log of parts in 10,000": lambda counts, totals: np.log1p(1e4 * counts / totals),
    "log by depth": lambda counts, totals: np.log1p(counts / totals * np.median(totals)),
    "log": lambda counts, _: np.log1p(counts),
    "square root": lambda counts, _: np.sqrt(counts),
    "square root of shares": lambda counts, totals: np.sqrt(counts / totals),
    "Anscombe": lambda counts, _: 2 * np.sqrt(counts + 3 / 8),
    "asinh of parts in 10,000": lambda counts, totals: np.arcsinh(1e4 * counts / totals),
}


@pytest.mark.parametrize("name", TRANSFORMS)
@pytest.mark.parametrize("covariance_type", ["VEE", "VVE", "EEE", "all"])
def test_no_component_of_a_search_is_narrow_on_one_value_of_transformed_counts(covariance_type, name):
    """A group of zeros is a component only where it is as wide as zeros and the next counts lie apart."""
    X = TRANSFORMS[name](COUNTS, TOTALS)
    best = select(X, range(1, 7), covariance_type, random_state=0).best
    labels = best.predict(X)
    for k in set(labels.tolist()) if best.n_components > 1 else ():
        rows = X[labels == k]
        value, n = max(zip(*np.unique(rows[:, 0], return_counts=True), strict=True), key=lambda pair: pair[1])
        if n > 0.9 * len(rows):
            others = np.abs(X[X[:, 0] != value, 0] - value)
            deviation = np.sqrt(dense(best)[k][0, 0])
            assert deviation > np.sort(others)[n // 10] / 5, (k, n)


@pytest.mark.parametrize("covariance_type", ["VEE", "VVE", "VEV", "VVV"])
@pytest.mark.parametrize("seed", [5, 6])
def test_no_component_of_a_search_is_a_plane_of_turned_codes(covariance_type, seed):
    """Six single-nucleotide polymorphisms, counted from 0 to 2, in principal components: no column repeats a value."""
    codes = np.random.default_rng(seed).binomial(2, [0.1, 0.2, 0.3, 0.4, 0.5, 0.3], (400, 6)).astype(float)
    vectors, lengths, _ = np.linalg.svd(codes - codes.mean(axis=0), full_matrices=False)
    best = select(vectors * lengths, range(1, 7), covariance_type, random_state=0).best
    assert np.linalg.eigvalsh(dense(best)).min() > 0.005**2


@pytest.mark.parametrize("gap", [1e3, 5e3, 1e5])
def test_groups_far_apart_at_equal_distances_are_no_rounded_values(gap):
    """Whatever the order of rows, which once told how far a value may be from a multiple."""
    for seed in range(20):
        rng = np.random.default_rng(seed)
        X = (rng.normal(size=300) + gap * rng.integers(0, 4, 300))[:, None]
        assert inside.ArraySource(X).survey.steps.tolist() == [0]
        assert GaussianMixture(4, random_state=0).fit(X).summary(X).degenerate == {}

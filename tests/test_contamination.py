"""What contaminated normal components are used for, against numpy, scipy's densities and draws."""

import numpy as np
import pytest
from scipy.stats import chi2, multivariate_normal

import gmm
import inside
import reference
from gmm import GaussianMixture, select
from gmm.analysis import outliers
from inside import FULL, ArraySource, ContaminatedTails, EStep, Objective, covariance_model, fitted_parameters
from tables import refused

CENTRES = np.array([[0.0, 0, 0], [9, 1, 0], [1, 9, 3]])


def contaminated(n=1500, seed=0, share=0.1, inflation=25):
    """Rows of three groups, and which of them are spread more widely."""
    rng = np.random.default_rng(seed)
    bad, group = rng.uniform(size=n) < share, rng.integers(3, size=n)
    return CENTRES[group] + rng.normal(size=(n, 3)) * np.where(bad, inflation**0.5, 1)[:, None], bad


ROWS, BAD = contaminated()


@pytest.fixture(scope="module")
def fitted():
    return GaussianMixture(3, tails="contaminated", random_state=0).fit(ROWS)


def density(mixture, rows, columns=slice(None)):
    """The mixture's density, by scipy's normal ones."""
    total = 0
    numbers = mixture.weights_, mixture.means_, mixture.covariances_, mixture.good_shares_, mixture.inflations_
    for weight, mean, covariance, good, inflation in zip(*numbers, strict=True):
        mean, covariance = mean[columns], covariance[columns][:, columns]
        both = (multivariate_normal(mean, scale * covariance).pdf(rows) for scale in (1, inflation))
        total += weight * np.dot([good, 1 - good], list(both))
    return total


def test_a_fit_finds_the_share_and_the_spread_of_outliers(fitted):
    np.testing.assert_allclose(fitted.good_shares_, 0.9, atol=0.04)
    np.testing.assert_allclose(fitted.inflations_, 25, rtol=0.3)
    assert fitted.n_parameters_ == GaussianMixture(3).fit(ROWS).n_parameters_ + 6
    assert np.isinf(fitted.degrees_of_freedom_)


@pytest.mark.parametrize("tails", ["t", "contaminated"])
def test_a_constant_column_leaves_a_fit_resistant(tails):
    rng = np.random.default_rng(0)
    groups = np.concatenate([rng.normal(0, 1, (300, 2)), rng.normal(6, 1, (200, 2))])
    rows = np.column_stack([np.concatenate([groups, rng.uniform(-60, 60, (25, 2))]), np.ones(525)])
    mixture = GaussianMixture(2, tails=tails, random_state=0).fit(rows)
    np.testing.assert_allclose(np.sort(mixture.means_[:, 0]), [0, 6], atol=0.2)


def test_marginals_are_contaminated_too(fitted):
    of_two = fitted.marginal([0, 2])
    expected = np.log(density(fitted, ROWS[:, [0, 2]], [0, 2]))
    np.testing.assert_allclose(of_two.score_samples(ROWS[:, [0, 2]]), expected, rtol=1e-11)


def test_outliers_are_the_rows_that_are_more_likely_bad(fitted):
    marks = outliers(fitted, ROWS)
    labels = fitted.predict(ROWS)
    expected = np.empty(len(ROWS), bool)
    for k in range(3):
        part, mean, covariance = labels == k, fitted.means_[k], fitted.covariances_[k]
        good = fitted.good_shares_[k] * multivariate_normal(mean, covariance).pdf(ROWS[part])
        bad = multivariate_normal(mean, fitted.inflations_[k] * covariance).pdf(ROWS[part])
        expected[part] = (1 - fitted.good_shares_[k]) * bad > good
    np.testing.assert_array_equal(marks, expected)
    assert (marks & BAD).sum() > 0.75 * BAD.sum()
    assert (marks & ~BAD).sum() < 0.05 * BAD.sum()
    stream = gmm.open_rows(lambda: [ROWS[:700], ROWS[700:]])
    np.testing.assert_array_equal(outliers(fitted, stream), marks)
    assert outliers(fitted, ROWS.astype(np.float32)).sum() == pytest.approx(marks.sum(), abs=2)


def test_a_fit_begins_with_the_spread_of_the_box():
    """Of rows of two groups, ten have a value far beyond all others."""
    rng = np.random.default_rng(0)
    rows = np.concatenate([rng.normal(0, 1, (300, 2)), rng.normal(6, 1, (200, 2))])
    far = rng.choice(500, 10, replace=False)
    rows[far, 0] = rng.normal(-9999, 10, 10)
    fit = GaussianMixture(2, tails="contaminated", random_state=0).fit(rows)
    np.testing.assert_array_equal(outliers(fit, rows), np.isin(np.arange(500), far))
    np.testing.assert_allclose(np.sort(fit.means_[:, 0]), [0, 6], atol=0.2)


def outlying(kind, n=200, seed=0):
    """Rows of two groups in three columns, some of them far away, mildly or extremely, in all directions or in one."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(n, 3)) @ np.array([[1, 0.5, 0], [0, 1, 0], [0, 0, 0.2]]) + 6 * (np.arange(n) % 2)[:, None]
    far = rng.choice(n, n // 20, replace=False)
    rows[far] += {
        "mild": 4 * rng.normal(size=(len(far), 3)),
        "extreme": 1e4 * rng.normal(size=(len(far), 3)),
        "clump": rng.normal(-9999 * np.eye(3)[0], 1, (len(far), 3)),
        "line": np.outer(300 * rng.standard_cauchy(len(far)), [1, 1, 1]),
    }[kind]
    return rows


@pytest.mark.parametrize("kind", ["mild", "extreme", "clump", "line"])
@pytest.mark.parametrize("covariance_type", [*inside.PARSIMONIOUS, *reference.OF_FACTORS])
def test_no_pass_lowers_the_likelihood_however_far_outliers_lie(covariance_type, kind):
    model, means = covariance_model(covariance_type, 3), np.array([[0.0, 0, 0], [6, 6, 6]])
    weights = np.full(2, 0.5)
    free = np.tile(np.eye(3), (2, 1, 1))
    covariances = model.constrained(model.layout.reduced(free / (2 if model.layout.pooled else 1), FULL, 3), weights)
    for inflation, good in ((5.0, 0.6), (10.0, 0.95), (1e8, 0.95)):
        tails = ContaminatedTails(np.full(2, good), np.full(2, inflation))
        begin = inside.MixtureParameters(weights, means, covariances, model, tails=tails)
        problem = inside.Problem(ArraySource(outlying(kind)), Objective(model, 0.0, tails=tails))
        with problem.e_step() as e_step:
            trace = (
                problem.run(e_step, inside.Beginning(begin), inside.SolverSettings(0, 60, accelerated=False))
                .go()
                .result.trace
            )
        bounds = np.asarray(trace.lower_bounds)
        assert (np.diff(bounds) > -1e-12 * (1 + np.abs(bounds[:-1]))).all()
        assert len(bounds) > 20


def test_sums_of_a_pass_over_parts_add_up_in_any_order():
    def total(task):
        parts = [task(number, part) for number, part in enumerate(np.array_split(ROWS, 7))]
        return sum(parts[1:], parts[0])

    begin = {"weights_init": np.full(3, 1 / 3), "means_init": CENTRES, "precisions_init": np.tile(np.eye(3), (3, 1, 1))}
    ends = [
        GaussianMixture(3, tails="contaminated", tol=1e-9, **begin).fit(rows)
        for rows in (ROWS, ROWS[::-1], gmm.sources.partitioned_rows(total))
    ]
    for other in ends[1:]:
        assert other.lower_bound_ == pytest.approx(ends[0].lower_bound_, abs=1e-12)
        np.testing.assert_allclose(other.means_, ends[0].means_, atol=1e-6)
        np.testing.assert_allclose(other.inflations_, ends[0].inflations_, rtol=1e-5)


@pytest.mark.parametrize("covariance_type", ["full", "diag", "spherical", "tied"])
def test_statistics_in_another_order_are_those_of_the_mixture_in_that_order(covariance_type):
    model, order = covariance_model(covariance_type), np.array([2, 0, 1])
    free = np.tile(np.eye(3), (3, 1, 1)) * [[[1.0]], [[2.0]], [[0.5]]]
    numbers = np.array([[0.9, 0.7, 0.95], [8.0, 30.0, 6.0]])
    free = model.layout.reduced(free / (3 if model.layout.pooled else 1), FULL, 3)
    weights = np.array([0.2, 0.3, 0.5])

    def statistics(components):
        scales = free if model.layout.pooled else free[components]
        tails = ContaminatedTails(*numbers[:, components])
        mixture = inside.MixtureParameters(weights[components], CENTRES[components], scales, model, tails=tails)
        with EStep(ArraySource(ROWS), model.layout) as e_step:
            return e_step(mixture.whitened())

    one, other = statistics(np.arange(3)).reordered(order), statistics(order)
    for part in ("counts", "origins", "first", "second", "precision"):
        np.testing.assert_allclose(getattr(one, part), getattr(other, part), rtol=1e-9, atol=1e-9)
    objective = Objective(model, tails=ContaminatedTails(*numbers))
    for number in (one, other):
        updated = objective.update(number).tails.numbers(3)
        np.testing.assert_allclose(updated, objective.update(other).tails.numbers(3), rtol=1e-9)


@pytest.mark.parametrize("tails", ["normal", "t"])
def test_other_tails_mark_no_outliers(tails):
    with pytest.raises(ValueError, match=f"tails='contaminated', got tails='{tails}'"):
        outliers(GaussianMixture(3, tails=tails, random_state=0).fit(ROWS), ROWS)


def test_samples_have_their_share_of_outliers(fitted):
    rows, labels = fitted.sample(30_000, random_state=0)
    for k in range(3):
        squares = np.square((rows[labels == k] - fitted.means_[k]) @ fitted.precisions_cholesky_[k]).sum(axis=1)
        good, inflation = fitted.good_shares_[k], fitted.inflations_[k]
        for least in (1, 10, 40):
            beyond = good * chi2(3).sf(least) + (1 - good) * chi2(3).sf(least / inflation)
            assert (squares > least).mean() == pytest.approx(beyond, abs=4 * (beyond / len(squares)) ** 0.5)


def test_a_search_chooses_the_tails_of_the_truth():
    every = ("normal", "t", "contaminated")
    assert select(ROWS, 3, "EII", tails=every, random_state=0).best.tails == "contaminated"
    found = select(CENTRES[0] + np.random.default_rng(0).normal(size=(500, 3)), 1, "EII", tails=every, random_state=0)
    assert found.best.tails == "normal"
    np.testing.assert_array_equal(np.diff(found.n_parameters), [1, 1])


def test_given_degrees_of_freedom_are_those_of_t_cells_alone():
    cells = select(ROWS, 3, "EII", tails=("t", "contaminated"), degrees_of_freedom=4, random_state=0).estimators
    assert [cell.degrees_of_freedom_ for cell in cells] == [4, np.inf]
    for wrong in ({"tails": "contaminated"}, {"tails": ("normal", "contaminated")}):
        refused("degrees_of_freedom", select, ROWS, 3, "EII", degrees_of_freedom=4, **wrong)


@pytest.mark.parametrize(
    ("how", "names"),
    [
        ({"tails": "contaminated"}, ["good share", "inflation"]),
        ({"tails": "t"}, ["degrees of freedom"]),
        ({"tails": "t", "degrees_of_freedom": 4}, []),
    ],
)
def test_standard_errors_have_scales_and_what_was_estimated_of_tails(how, names):
    fit = GaussianMixture(3, random_state=0, **how).fit(ROWS)
    errors = gmm.inference.standard_errors(fit, ROWS, n_replicates=4, random_state=0)
    table = errors.to_frame()
    assert dict.fromkeys(table["parameter"]) == dict.fromkeys(["weight", "mean", "scale", *names])
    numbers = fit._parameters.tails.numbers(3)
    for name, expected, off in zip(names, numbers, errors.tails, strict=False):
        part = table[table["parameter"] == name]
        np.testing.assert_array_equal(part["estimate"], expected)
        np.testing.assert_array_equal(part["standard_error"], off)
        assert (part["low"] <= part["high"]).all()
    assert errors.tails.shape == (len(names), 3)
    assert (errors.tails > 0).all()


def test_nec_does_not_depend_on_the_order_of_components():
    for seed in (110, 300):
        draws = np.random.default_rng(seed)
        X = draws.standard_cauchy((60, 1)) * np.where(draws.random((60, 1)) < 0.3, 30, 1)
        mixture = fitted_parameters(GaussianMixture(2, tails="contaminated", random_state=0).fit(X))
        of_one = [
            inside.Scorer(mixture.for_components(np.array(order))).log_likelihood_of_one(ArraySource(X), 1e-6)
            for order in ([0, 1], [1, 0])
        ]
        assert of_one[0] == pytest.approx(of_one[1], abs=1e-6)

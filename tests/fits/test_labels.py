"""Rows of known class, and noise beside them: pass and fit against the twin; what labels do to starts and files."""

import numpy as np
import pandas as pd
import pytest

import gmm
import inside
import reference
from gmm import BayesianGaussianMixture, GaussianMixture
from inside import FULL, PARSIMONIOUS, SPHERICAL, ArraySource, EStep, WhitenedMixture, _em, check_labels
from tables import LAYOUTS, NAMES, copies, refused, rows_and_mixture, warned

every_kernel = pytest.mark.usefixtures("kernel")
every_layout = pytest.mark.parametrize("name", LAYOUTS)
every_type = pytest.mark.parametrize("covariance_type", [*PARSIMONIOUS, *reference.OF_FACTORS])
K, D = 4, 2
OWNERS = np.array([0, 0, 1, -1])  # two components of the first class, one of the second, one of none
TIGHT = {"random_state": 0, "tol": 1e-8, "max_iter": 1000}


def fit(X, labels=None, K=K, per_class=1, sample_weight=None, **how):
    """A fit to rows of known class; two components are of class 0 where `per_class` is None."""
    per_class = {0: 2} if per_class is None else per_class
    mixture = GaussianMixture(K, **{"random_state": 0} | how)
    return mixture.fit(X, None, sample_weight, labels=labels, components_per_class=per_class)


def table(seed=0, n=900, d=D, share=0.3):
    """Rows of four overlapping groups; labels of some rows of the first three, −1 of the others."""
    rng = np.random.default_rng(seed)
    centres = 3 * rng.normal(size=(K, d))
    factors = 0.4 * rng.normal(size=(K, d, d)) + 0.8 * np.eye(d)
    group = rng.integers(K, size=n)
    X = centres[group] + np.einsum("ni,nij->nj", rng.normal(size=(n, d)), factors[group])
    labels = np.where((rng.uniform(size=n) < share) & (group < 3), OWNERS[group], -1)
    return X, labels, group, centres


def mixture_near(name, rows, log_noise=-np.inf):
    centres = rows[np.random.default_rng(1).integers(len(rows), size=K)].astype(float)
    return rows_and_mixture(name, K, rows.shape[1])[1]._replace(centres=centres, log_noise=log_noise)


def joint_of(rows, mixture, labels):
    """What the twin knows, with noise as the last column."""
    whiteners = reference.dense(mixture.whiteners, NAMES[mixture.layout], K, rows.shape[1]).astype(np.longdouble)
    joint = reference.whitened_log_joint(rows.astype(np.longdouble), mixture.log_offset, mixture.centres, whiteners)
    return reference.within_classes(reference.beside_noise(joint, mixture.log_noise), labels, [*OWNERS, -1])


def known(labels, owners=OWNERS):
    return inside.KnownClasses((labels + 1).astype(np.intc), np.asarray(owners))


BESIDE = {"labels": (True, -np.inf), "labels and noise": (True, -6.0), "noise": (False, -6.0)}
every_kind = pytest.mark.parametrize("kind", BESIDE)


def case(name, kind, dtype=np.float64, weight=None):
    """Rows, which may have labels, a mixture, which may have noise, and what the twin knows of them."""
    (X, labels, *_), (labelled, log_noise) = table(n=1500), BESIDE[kind]
    source, mixture = ArraySource(X.astype(dtype), weight), mixture_near(name, X.astype(dtype), log_noise)
    if not labelled:
        return source, mixture, joint_of(source.rows, mixture, np.full(len(X), -1))
    return source.with_changes(known=known(labels)), mixture, joint_of(source.rows, mixture, labels)


@every_layout
@every_kernel
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("hard", [False, True])
@every_kind
def test_a_pass_keeps_rows_to_their_classes_and_gives_noise_its_share(name, dtype, hard, kind):
    weight = np.random.default_rng(2).uniform(0.5, 2, 1500)
    source, mixture, joint = case(name, kind, dtype, weight)
    shares = reference.hard_responsibilities(joint) if hard else reference.responsibilities(joint)
    evidence = joint.max(axis=1) if hard else reference.log_evidence(joint)
    tolerance = 1e-12 if dtype == np.float64 else 3e-5
    for form in (-1, 0, 1, 3):
        with EStep(source, mixture.layout, form=form) as e_step:
            got = e_step(mixture, hard=hard)
        reference.check_statistics(got, source.rows, shares[:, :K], weight, name, 400 * tolerance)
        assert got.log_evidence == pytest.approx(float(weight @ evidence), rel=tolerance * 10)


@every_layout
@every_kernel
@every_kind
def test_results_of_rows_keep_to_their_classes_and_know_noise(name, kind):
    source, mixture, joint = case(name, kind)
    shares, evidence = reference.responsibilities(joint).astype(float), reference.log_evidence(joint).astype(float)
    with EStep(source, mixture.layout) as e_step:
        got = e_step.rows(mixture, labels=True, log_evidence=True, responsibilities=True, largest=True)
        totals = e_step.totals(mixture)
        if kind == "noise":
            log_rest = reference.log_rest(joint).sum(axis=0)[:K].astype(float)
            np.testing.assert_allclose(e_step.diagnostics(mixture, mixture.whiteners).log_rest, log_rest, rtol=1e-9)
    likeliest, entropy = joint.argmax(axis=1), -(shares * np.log(np.maximum(shares, 1e-300))).sum()
    np.testing.assert_array_equal(got.labels, np.where(likeliest == K, -1, likeliest))
    assert (got.labels == -1).any() == ("noise" in kind)
    np.testing.assert_allclose(got.log_evidence, evidence, rtol=1e-11)
    np.testing.assert_allclose(got.responsibilities, shares[:, :K], atol=1e-12)
    np.testing.assert_allclose(got.largest, shares.max(axis=1), atol=1e-12)
    assert totals == pytest.approx((evidence.sum(), float(joint.max(axis=1).sum()), entropy))


@every_kernel
def test_far_rows_stay_in_their_class():
    rows = np.array([[1e200, 0.0], [-1e200, 0.0], [1.0, 0.0], [0.0, 1e160]])
    mixture = WhitenedMixture(SPHERICAL, np.log([0.5, 0.5]), np.array([[1e200, 1.0], [0.0, 0.0]]), np.ones(2))
    labels = np.array([1, 0, 0, -1])
    with EStep(ArraySource(rows).with_changes(known=known(labels, [0, 1])), SPHERICAL) as e_step:
        got = e_step.rows(mixture, labels=True, responsibilities=True, log_evidence=True)
    np.testing.assert_array_equal(got.labels, [1, 0, 0, 1])
    np.testing.assert_array_equal(got.responsibilities, np.eye(2)[[1, 0, 0, 1]])


@every_type
@pytest.mark.parametrize("noise", [False, [[-30, -30], [30, 30]]], ids=["labels", "labels and noise"])
def test_passes_are_those_of_the_twin(covariance_type, noise):
    X, labels, _, centres = table()
    layout, n_passes, weights = inside.covariance_model(covariance_type).layout, 4, np.array([0.4, 0.3, 0.2, 0.1])
    precisions = layout.with_ridge(np.zeros(layout.shape(K, D)), 0.5)
    start = {"means_init": centres, "weights_init": weights, "precisions_init": precisions, "noise": noise}
    how = {"covariance_type": covariance_type, "max_iter": n_passes, "acceleration": None, "tol": 0, "reg_covar": 0}
    with pytest.warns(gmm.ConvergenceWarning):
        mixture = fit(X, labels, per_class=None, **start, **how)
    parameters, bounds = (0.95 * weights if noise else weights, centres, np.stack([2 * np.eye(D)] * K)), []
    for _ in range(n_passes):
        log_noise = np.log(1 - parameters[0].sum()) - 2 * np.log(60) if noise else -np.inf
        joint = reference.beside_noise(reference.log_joint(X, *parameters), log_noise)
        joint = reference.within_classes(joint, labels, [*OWNERS, -1])
        bounds.append(reference.log_evidence(joint).mean())
        if covariance_type not in reference.CLOSED_FORMS:
            break
        shares = reference.responsibilities(joint)[:, :K]
        parameters = reference.m_step(X, shares, np.ones(len(X)), covariance_type)
    np.testing.assert_allclose(mixture.lower_bounds_[: len(bounds)], bounds, rtol=1e-11)
    if len(bounds) == n_passes:
        np.testing.assert_allclose(mixture.weights_, parameters[0], rtol=1e-9)
        np.testing.assert_allclose(mixture.means_, parameters[1], rtol=1e-9, atol=1e-9)
        assert mixture.noise_weight_ == pytest.approx(1 - parameters[0].sum(), abs=1e-12)


@every_type
def test_unknown_labels_change_no_bit(covariance_type):
    X, *_ = table(n=300)
    one = fit(X, K=3, covariance_type=covariance_type)
    for labels in (np.full(len(X), -1), [None] * len(X), np.full(len(X), np.nan)):
        other = fit(X, labels, K=3, covariance_type=covariance_type)
        assert one.means_.tobytes() == other.means_.tobytes()
        assert len(other.classes_) == 0
        assert list(other.component_classes_) == [-1, -1, -1]


@every_type
@pytest.mark.parametrize("acceleration", ["auto", None])
def test_labels_of_all_rows_leave_nothing_to_iterate(covariance_type, acceleration):
    X, _, group, _ = table(n=400)
    mixture = fit(X, group, covariance_type=covariance_type, reg_covar=0, acceleration=acceleration)
    closed = covariance_type if covariance_type in reference.CLOSED_FORMS else "full"
    weights, means, free = reference.m_step(X, np.eye(K)[group], np.ones(len(X)), closed)
    np.testing.assert_allclose(mixture.weights_, weights, rtol=1e-12)
    np.testing.assert_allclose(mixture.means_, means, rtol=1e-11)
    if closed == covariance_type:
        own = reference.dense(mixture.covariances_, covariance_type, K, D)
        np.testing.assert_allclose(own, free, rtol=1e-9, atol=1e-12)


def test_names_of_classes_do_not_matter_and_stay_with_a_mixture():
    X, labels, *_ = table()
    numbers = fit(X, labels, per_class=None)
    strings = fit(X, np.array(["ash", "birch", None], dtype=object)[labels], per_class={"ash": 2})
    assert strings.means_.tobytes() == numbers.means_.tobytes()
    assert list(numbers.component_classes_) == [0, 0, 1, -1]
    for mixture in (strings, *copies(strings), strings.marginal([1]), strings.condition({0: 1.0})):
        assert list(mixture.classes_) == ["ash", "birch"]
        assert list(mixture.component_classes_) == ["ash", "ash", "birch", None]
    assert not hasattr(strings.fit(X), "classes_")


FORMS = {  # of four labels: the second class, an unknown one, the first and the second again
    "floats": (np.array([7, np.nan, 5, 7]), [5, 7]),
    "large integers": (np.array([2**62 + 1, None, 2**62, 2**62 + 1], object), [2**62, 2**62 + 1]),
    "truths": (np.array([True, None, False, True], object), [False, True]),
    "pandas": (pd.Series([7, None, 5, 7], dtype="Int64"), [5, 7]),
    "categories": (pd.Series(["b", None, "a", "b"], dtype="category"), ["a", "b"]),
    "Arrow": (pd.Series(["b", None, "a", "b"], dtype="string"), ["a", "b"]),
}
for kind in (int, float, str, object):
    masked = np.ma.MaskedArray(np.array([7, 9, 5, 7]).astype(kind), mask=[0, 1, 0, 0])
    FORMS[f"masked {kind.__name__}"] = masked, ["5", "7"] if kind is str else [5, 7]


@pytest.mark.parametrize("given", [lambda labels: labels, list, tuple], ids=["whole", "list", "tuple"])
@pytest.mark.parametrize(("labels", "expected"), FORMS.values(), ids=FORMS)
def test_labels_come_in_many_forms_and_may_be_unknown_in_each(labels, expected, given):
    classes, codes = check_labels(given(labels), 4)
    assert codes.tolist() == [1, -1, 0, 1]
    assert [(type(one), one) for one in classes.tolist()] == [(type(one), one) for one in expected]


def test_a_component_without_class_finds_a_new_group_and_few_labels_lead_where_many_do():
    X, labels, group, _ = table(seed=3)
    mixture = fit(X, np.where(group < 3, np.where(labels < 0, -1, group), -1))
    found = mixture.component_classes_[mixture.predict(X)]
    assert list(mixture.component_classes_) == [0, 1, 2, -1]
    assert (found == np.where(group < 3, group, -1)).mean() > 0.85
    X, _, group, _ = table(seed=3, n=2000)
    few = np.concatenate([np.flatnonzero(group == one)[:4] for one in range(K)])
    sparse = np.where(np.isin(np.arange(2000), few), group, -1)
    np.testing.assert_allclose(fit(X, sparse, **TIGHT).means_, fit(X, group).means_, atol=0.35)


def test_what_does_not_go_with_labels_is_refused():
    X, labels, *_ = table(n=100)
    odd, large = "integers, or strings, or missing", "labels between -2.* and 2.*, got "
    for given, match, *per_class in [
        (labels[:50], r"labels of shape \(100,\), one for each row"),
        (labels + 0.5, odd),
        ([object()] * 100, odd),
        (np.array(["a", 1] * 50, object), odd),
        (["a", 1] * 50, odd),
        (np.array([2**64 - 1, 0] * 50, np.uint64), f"{large}18446744073709551615"),
        (np.array([1e19, 3e19] * 50), rf"{large}1e\+19"),
        ([0, -(2**63) - 1] * 50, f"{large}-9223372036854775809"),
        ([0, 2**70] * 50, f"{large}1180591620717411303424"),
        (np.arange(100) % 2, r"1 of 3.*are 0"),
        (labels, r"components_per_class names 7: expected classes among \[0, 1\]", {7: 2}),
        (labels, "components_per_class of 1 or more, got 0 for class 0", 0),
        (labels, "expected n_components >= 4", 2),
        (labels, "class 1 has .* labelled rows for 90 components", {1: 90}),
        (None, "components_per_class needs rows of known class: expected labels, got None", 2),
    ]:
        refused(match, fit, X, given, 3, *per_class)
    plan = _em.Plan(mixture_near("full", X), FULL, np.zeros(D), np.ones(D), single=False)
    plan.start(scratch := _em.Scratch(), 100)
    refused("plan that states which components", plan.walk, scratch, _em.RowTable(X, code=np.zeros(100, np.intc)), 0, 1)


def test_labels_reach_other_ways_to_fit_or_are_refused_in_words():
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    X, labels, group, _ = table()
    pipe = make_pipeline(StandardScaler(), GaussianMixture(K, random_state=0))
    pipe.fit(X, labels, gaussianmixture__labels=labels)
    np.testing.assert_array_equal(pipe[-1].means_, fit(StandardScaler().fit_transform(X), labels).means_)
    assert not hasattr(pipe.fit(X, labels)[-1], "classes_")  # y is ignored
    names = np.array(["ash", "birch", "cherry", "date"])
    assert (names[GaussianMixture(K).fit_predict(X, labels=names[group])] == names[group]).mean() > 0.8
    refused(r"parameter 'labels'; GaussianMixture\.fit", gmm.select, X, 2, labels=labels, error=TypeError)


def five_groups(n=600):
    """Rows of three groups of class 0, near y = 0, and two of class 1, near y = 9; half of the rows have labels."""
    rng = np.random.default_rng(5)
    group = rng.integers(5, size=n)
    X = np.array([[-20.0, 0], [0, 0], [20, 0], [-10, 9], [10, 9]])[group] + rng.normal(size=(n, 2))
    return X, np.where(rng.uniform(size=n) < 0.5, group // 3, -1)


@pytest.mark.parametrize("covariance_type", ["full", "tied", "VEV", "EII"])
@pytest.mark.parametrize("init_params", ["k-means++", "random", "random_from_data", "hierarchical"])
def test_every_start_begins_within_classes(init_params, covariance_type):
    X, labels = five_groups()
    how = {"covariance_type": covariance_type, "init_params": init_params, "max_iter": 1000, "n_init": 3}
    mixture = fit(X, labels, 5, {0: 3, 1: 2}, **how)
    assert mixture.component_classes_.tolist() == [0, 0, 0, 1, 1]
    np.testing.assert_allclose(mixture.means_[:3, 1], 0, atol=1)
    np.testing.assert_allclose(mixture.means_[3:5, 1], 9, atol=1)


@pytest.mark.parametrize("noise", [False, True])
@pytest.mark.parametrize("n", [600, 30_000])
def test_split_merge_moves_components_within_their_class(n, noise):
    """Class 0 has two components in one of its three groups, class 1 one component for two groups."""
    X, labels = five_groups(n)
    means = [[-20.5, 0], [-19.5, 0], [10, 0], [-10, 9], [10, 9]]
    how = {"means_init": means, "max_iter": 300, "noise": noise}
    stuck, refined = (fit(X, labels, 5, {0: 3, 1: 2}, refine=refine, **how) for refine in (None, "split-merge"))
    assert refined.lower_bound_ > stuck.lower_bound_ + 0.1
    classes, moves = refined.component_classes_, refined.history_.refinement.moves
    assert moves
    assert all(classes[j] == classes[k] for j, k, _ in moves)
    np.testing.assert_allclose(np.sort(refined.means_[:3, 0]), [-20, 0, 20], atol=0.3)
    np.testing.assert_allclose(np.sort(refined.means_[3:, 0]), [-10, 10], atol=0.3)


def test_a_class_whose_rows_weigh_nothing_is_named_and_left_out():
    X, labels = np.arange(12.0)[:, None] ** 2, np.array(["a", "b", "c"] * 4)
    weight = np.where(labels == "b", 0.0, 1.0)
    mixture = fit(X, labels, 2, sample_weight=weight)
    assert mixture.remarks_["class without weight"].startswith("class 'b' has no row with a positive weight")
    assert mixture.classes_.tolist() == ["a", "c"]
    np.testing.assert_allclose(mixture.means_, fit(X[labels != "b"], labels[labels != "b"], 2).means_)
    weight[0] = 0
    _, told = warned(fit, X, labels, 3, sample_weight=np.maximum(weight, labels == "b"), reg_covar=1)
    assert "class" not in "".join(told)


@pytest.mark.parametrize("cls", [GaussianMixture, BayesianGaussianMixture])
def test_rows_that_weigh_nothing_give_no_component_a_start(cls):
    X, labels = np.random.default_rng(0).normal(size=(9, 2)), np.array([0, 0, 0, -1, 1, 1, -1, 1, 0])
    told, how = "1 of 3 components belong to no class, but there are 0 rows", {"labels": labels}
    refused(told, cls(n_components=3).fit, X, **how, sample_weight=labels >= 0)
    told, how = "class 1 has 1 labelled rows for 2 components", how | {"components_per_class": 2}
    refused(told, cls(n_components=4).fit, X, **how, sample_weight=[1, 1, 1, 1, 1, 0, 1, 0, 1])


@pytest.mark.filterwarnings("ignore:reg_covar hides groups", "ignore::gmm.ConvergenceWarning")
def test_a_row_of_nearly_all_weight_draws_a_start_without_overflow():
    X, labels, *_ = table(n=20)
    weights = np.ones(20)
    weights[np.flatnonzero(labels == -1)[-1]] = 1e200
    assert np.isfinite(fit(X, labels, sample_weight=weights).means_).all()

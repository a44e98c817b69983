"""`MixtureClassifier` against discriminant analysis, mclust, and a twin; and scikit-learn's checks."""

import io
import json
import re

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.datasets import load_wine
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis
from sklearn.preprocessing import StandardScaler

import gmm
import inside
import reference
from fuzz_files import saved
from gmm import GaussianMixture, MixtureClassifier, select
from inside import fitted_parameters
from tables import DATA, cases, copies, noted, refused, reloaded, warned, with_gaps
from tables import IRIS as FLOWERS

MCLUST = json.loads((DATA / "mclust_classes.json").read_text())
SPECIES = np.repeat([0, 1, 2], 50)
WINES = StandardScaler().fit_transform(load_wine().data[:, -8:]), load_wine().target
FEW = np.where(np.isin(np.arange(150), [0, 1, 2, 50, 51, 52, 100, 101, 102]), SPECIES, -1)


@pytest.mark.filterwarnings("ignore")
def test_each_class_is_the_best_of_plain_fits():
    """Cells learn nothing of each other: where they are sound, a loop over BIC ends there, to the bits."""
    rows = FLOWERS[SPECIES == 2]
    found = MixtureClassifier([2, 3], ["VVI", "EII"], random_state=0).fit(FLOWERS, SPECIES).mixtures_[2]
    cells = [{"n_components": K, "covariance_type": name} for K in (2, 3) for name in ("EII", "VVI")]
    loop = [clone(found).set_params(random_state=0, **cell).fit(rows) for cell in cells]
    sound = [mixture for mixture in loop if not mixture.summary(rows).degenerate]
    best = min(sound, key=lambda mixture: mixture.bic(rows))
    assert best.get_params() == found.get_params()
    np.testing.assert_array_equal(best.means_, found.means_)


def test_several_components_are_chosen_where_they_classify_better():
    """BIC of each class alone takes two components of columns that are skew, but tell nothing of the class."""
    how, rng, y = {"random_state": 0}, np.random.default_rng(0), np.arange(160) % 2
    X = np.column_stack([rng.normal(0.8 * y), rng.lognormal(0, 0.7, (160, 3))])
    assert select(X[y == 0], [1, 2], "VVI", **how).best.n_components == 2
    one, chosen = (MixtureClassifier(K, "VVI", **how).fit(X, y) for K in (1, [1, 2, 3]))
    for mixture, other in zip(one.mixtures_, chosen.mixtures_, strict=True):
        np.testing.assert_array_equal(mixture.covariances_, other.covariances_)
    angles, inner = np.random.default_rng(0).uniform(0, 2 * np.pi, 300), np.arange(300) % 2
    rings = np.column_stack([np.cos(angles), np.sin(angles)]) * (1 - 0.6 * inner)[:, None]
    rings += np.random.default_rng(1).normal(0, 0.1, rings.shape)
    fit = MixtureClassifier([1, 4], ["VVV"], **how).fit(rings, inner)
    assert max(mixture.n_components for mixture in fit.mixtures_) == 4
    few = np.concatenate([np.flatnonzero(inner == 0), np.flatnonzero(inner == 1)[:9]])  # too few to hold some out
    fit = MixtureClassifier([1, 4], **how).fit(rings[few], inner[few])
    assert {mixture.n_components for mixture in fit.mixtures_} == {1}


@pytest.mark.filterwarnings("ignore:Some columns are constant")
def test_an_error_names_the_class_that_cannot_be_fitted():
    X = np.where((SPECIES == 1)[:, None], 1.0, FLOWERS)
    refused("^class 1: ", MixtureClassifier([1, 2], "VVV", reg_covar=0, random_state=0).fit, X, SPECIES)


# Of its solvers, "lsqr" has the covariance of maximum likelihood, with the divisor n; "svd" divides by n - C.
PEERS = {"EEE": LinearDiscriminantAnalysis(solver="lsqr"), "VVV": QuadraticDiscriminantAnalysis()}


@pytest.mark.parametrize(("model", "theirs"), PEERS.items())
def test_all_labels_and_one_component_are_discriminant_analysis(model, theirs):
    ours = MixtureClassifier(covariance_type=model, reg_covar=0).fit(*WINES)
    expected = theirs.fit(*WINES).predict_log_proba(WINES[0])
    np.testing.assert_allclose(ours.predict_log_proba(WINES[0]), expected, atol=1e-9)


def joint_of(fit, X):
    """Log prior and density of each class."""
    return np.column_stack([mixture.score_samples(X) for mixture in fit.mixtures_]) + np.log(fit.class_prior_)


@pytest.mark.parametrize("name", MCLUST["edda"])
def test_edda_is_that_of_mclust(name):
    expected = MCLUST["edda"][name]
    ours = MixtureClassifier(covariance_type=name, reg_covar=0).fit(FLOWERS, SPECIES)
    joint = joint_of(ours, FLOWERS)
    # mclust's log-likelihood is that of the rows, without their labels; its parameters leave out the priors.
    assert reference.log_evidence(joint).sum() == pytest.approx(expected["loglik"], abs=1e-6)
    assert ours.log_likelihood_ == pytest.approx(joint[np.arange(150), SPECIES].sum(), abs=1e-8)
    assert ours.bic_ == pytest.approx(-2 * ours.log_likelihood_ + (expected["df"] + 2) * np.log(150))
    assert (ours.predict(FLOWERS) != SPECIES).sum() == expected["errors"]


@pytest.mark.parametrize("name", MCLUST["ssc"])
def test_semi_supervised_likelihood_is_no_lower_than_that_of_mclust(name):
    ours = MixtureClassifier(covariance_type=name, reg_covar=0).fit(FLOWERS, FEW)
    assert ours.log_likelihood_ > MCLUST["ssc"][name]["loglik"] - 1e-3
    assert ours.score(FLOWERS, SPECIES) > 0.95  # mclust: 0.86 to 0.89, in lower optima


def test_bic_chooses_among_the_models():
    each = {name: MixtureClassifier(covariance_type=name).fit(FLOWERS, SPECIES).bic_ for name in ("EII", "VEV", "VVV")}
    best = MixtureClassifier(covariance_type=list(each)).fit(FLOWERS, SPECIES)
    assert (best.bic_, best.mixtures_[0].covariance_type) == (min(each.values()), min(each, key=each.get))


def interleaved(n=600, seed=0):
    rng = np.random.default_rng(seed)
    group = rng.integers(4, size=n)
    X = np.array([[-4, 0], [1.5, 0], [-1.5, 0], [4, 0]])[group] + 0.5 * rng.normal(size=(n, 2))
    return X, np.where(group < 2, "even", "odd")


def test_several_components_separate_what_one_cannot():
    X, y = interleaved()
    one, several = MixtureClassifier().fit(X, y), MixtureClassifier(range(1, 4), random_state=0).fit(X, y)
    assert [mixture.n_components for mixture in several.mixtures_] == [2, 2]
    assert several.score(X, y) > 0.97 > 0.8 > one.score(X, y)
    sparse = np.where(np.random.default_rng(1).uniform(size=len(X)) < 0.1, y, None)
    semi = MixtureClassifier(2, ["EII", "VVV"], random_state=0).fit(X, sparse)
    assert [mixture.n_components for mixture in semi.mixtures_] == [2, 2]
    assert semi.score(X, y) > 0.97
    for n_components, chosen in ((1, 1), ([1, 2], 2)):  # of a class alone as well
        alone = MixtureClassifier(n_components, ["EII"]).fit(X[:, :1], np.zeros(len(X)))
        assert [mixture.n_components for mixture in alone.mixtures_] == [chosen]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.DataConversionWarning")
def test_what_stands_for_unknown():
    masked = np.ma.MaskedArray(SPECIES, mask=FEW < 0)
    none = [None if label < 0 else int(label) for label in FEW]
    for unknown in (FEW, np.where(FEW < 0, np.nan, FEW), none, masked, pd.DataFrame({"y": none})):
        fit = MixtureClassifier(covariance_type="EEE").fit(FLOWERS, unknown)
        assert fit.summary(FLOWERS, unknown).confusion.sum() == (FEW >= 0).sum()
        assert list(fit.classes_) == [0, 1, 2]
        assert fit.log_likelihood_ == MixtureClassifier(covariance_type="EEE").fit(FLOWERS, FEW).log_likelihood_
    signs = np.where(SPECIES == 0, -1, 1)  # beside one other class, −1 is a class
    assert list(MixtureClassifier(covariance_type="EEE").fit(FLOWERS, signs).classes_) == [-1, 1]
    names = [("a" if label else "b") if number % 3 else float("nan") for number, label in enumerate(SPECIES)]
    assert list(MixtureClassifier(covariance_type="EEE").fit(FLOWERS, names).classes_) == ["a", "b"]


def test_priors_are_those_given():
    X, y = WINES
    shares, given = (MixtureClassifier(1, "EEE", class_prior=p).fit(X, y) for p in (None, [0.8, 0.1, 0.1]))
    np.testing.assert_allclose(shares.class_prior_, np.bincount(y) / len(y))
    change = given.predict_log_proba(X) - shares.predict_log_proba(X) - np.log(given.class_prior_ / shares.class_prior_)
    np.testing.assert_allclose(change, np.broadcast_to(change[:, :1], change.shape), atol=1e-9)
    for wrong in ([0.5, 0.5], [0.5, 0.5, 0.5]):
        refused("The parameter 'class_prior'", MixtureClassifier(class_prior=wrong).fit, X, y)
    without = MixtureClassifier([1, 2], "VVI", class_prior=[0.5, 0.5, 0], random_state=0).fit(X, y)
    assert set(without.predict(X)) == {0, 1}


def test_probabilities_of_far_rows_add_up_to_one_and_farther_ones_have_the_priors():
    fit = MixtureClassifier(covariance_type="EII").fit(FLOWERS, SPECIES)
    for far in (1e15, 1e17, 1e149):
        np.testing.assert_allclose(fit.predict_proba([[far, -far, 3, 1], [-far, 3, 1, 2]]).sum(axis=1), 1)
    fit = MixtureClassifier(covariance_type="VVV").fit(FLOWERS, SPECIES)
    np.testing.assert_allclose(fit.predict_proba(np.full((1, 4), 1e300)), [[1 / 3] * 3])


def test_the_score_is_of_rows_of_known_class_alone():
    fit = MixtureClassifier(covariance_type="EEE").fit(FLOWERS, SPECIES)
    right = fit.predict(FLOWERS) == SPECIES
    assert fit.score(FLOWERS, SPECIES) == pytest.approx(right.mean())
    with pytest.warns(UserWarning, match="column-vector"):
        assert fit.score(FLOWERS, SPECIES[:, None]) == pytest.approx(right.mean())
    for unknown in (np.nan, -1):
        some, weight = np.where(np.arange(150) % 3 == 0, SPECIES, unknown), np.arange(150)
        assert fit.score(FLOWERS, some) == pytest.approx(right[::3].mean())
        expected = np.average(right[::3], weights=weight[::3])
        assert fit.score(FLOWERS, some, sample_weight=weight) == pytest.approx(expected)
    signs = np.where(SPECIES == 2, -1, 1)  # beside one other class, −1 is a class
    two = MixtureClassifier(covariance_type="EEE").fit(FLOWERS, signs)
    assert two.score(FLOWERS, signs) == pytest.approx((two.predict(FLOWERS) == signs).mean()) != 0.93  # of the others
    for y, weight in ((SPECIES[:10], None), (np.full(150, np.nan), None), (SPECIES, np.ones(3))):
        refused("expected", fit.score, FLOWERS, y, sample_weight=weight)


@pytest.mark.parametrize(("n_components", "unknown"), [([1, 2], True), (1, False)])
def test_missing_values_are_integrated_out(n_components, unknown):
    X, y = with_gaps(FLOWERS[:, 1:]), np.where(np.arange(150) % 4, SPECIES, -1) if unknown else SPECIES
    how = {"prior": "conjugate", "missing": "em", "random_state": 0}
    fit = MixtureClassifier(n_components, ["EEE", "VVV"], **how).fit(X, y)
    joint = joint_of(fit, X)
    np.testing.assert_allclose(fit.predict_proba(X), reference.responsibilities(joint), atol=1e-9)
    loglik = np.where(y < 0, reference.log_evidence(joint), joint[np.arange(150), SPECIES]).sum()
    assert fit.log_likelihood_ == pytest.approx(loglik, abs=1e-7)
    assert fit.score(X, SPECIES) > 0.93
    refused("NaN", MixtureClassifier(n_components).fit, X, y)


@pytest.mark.filterwarnings("ignore:A component of a class")
@pytest.mark.parametrize(("n_components", "n_covariances"), [(1, 1), ([2], 3)])
def test_rows_with_gaps_count(n_components, n_covariances):
    fit = MixtureClassifier(n_components, "EEE", missing="em", random_state=0).fit(with_gaps(FLOWERS[:, 2:]), SPECIES)
    n_means, n_weights = (sum(f(mixture.n_components) for mixture in fit.mixtures_) for f in (int, lambda K: K - 1))
    n_parameters = 2 * n_means + n_weights + 3 * n_covariances + 2
    assert fit.bic_ == pytest.approx(-2 * fit.log_likelihood_ + n_parameters * np.log(150))
    np.testing.assert_allclose(fit.class_prior_, 1 / 3)


@cases(
    ({}, "No row has"),
    ({"n_components": [2], "covariance_type": ["EEE", "VVV"], "random_state": 0}, "No row of classes 0, 1 has"),
    ({"covariance_type": ["EII", "VVI"]}, None),
)
def test_columns_that_no_row_has_together_are_told_once_and_by_name(how, told):
    rng, y = np.random.default_rng(0), np.repeat([0, 1], 100)
    X = rng.normal(size=(200, 3)) @ [[1, 0, 2], [0, 1, 2], [0, 0, 0.5]] + y[:, None]
    X[::2, 0], X[1::2, 1] = np.nan, np.nan
    frame = pd.DataFrame(X, columns=["length", "width", "height"])
    _, texts = warned(MixtureClassifier(missing="em", **how).fit, frame, y)
    expected = f"{told} values in both of these columns, .*: 'length' and 'width'. Drop"
    assert [re.match(expected, text) is not None for text in texts] == [True] * bool(told)


def test_a_fit_is_summarised():
    species = np.array(["setosa", "versicolor", "virginica"])[SPECIES]
    fit = MixtureClassifier(covariance_type="VEV", class_prior=[0.5, 0.25, 0.25]).fit(FLOWERS, species)
    call, headline, _, setosa, *_ = str(fit).splitlines()
    assert call == repr(fit)
    assert headline == "3 classes, 3 components, 4 features, log-likelihood -194.048 nats, BIC 578.499"
    assert setosa.split()[:7] == ["setosa", "0.5000", "VEV", "1.0000", "5.006", "±", "0.358"]
    assert "versicolor" in fit._repr_html_()
    assert str(unfitted := clone(fit)) == repr(unfitted)
    several = MixtureClassifier([2], ["VVV"], random_state=0).fit(interleaved()[0], np.arange(600) // 30)
    assert "… and 28 more components" in str(several)


def test_spikes_on_rounded_columns_are_told_of():
    few = FLOWERS.copy()
    few[SPECIES == 0] = np.resize(FLOWERS[[0, 5, 43]], (50, 4))  # three flowers again and again
    for classifier, rows, y, told in (
        (MixtureClassifier([3], ["VVI"], random_state=0), few, SPECIES != 0, "class False .*prior, fewer components"),
        (MixtureClassifier(), FLOWERS, np.where(np.arange(150) == 3, 7, SPECIES), "class 7 .* a simpler covariance"),
    ):
        with pytest.warns(UserWarning, match="A component of a class is degenerate"):
            classifier.fit(rows, y)
        assert re.search(f"A component of {told}", classifier.remarks_["degenerate class"])


@pytest.mark.parametrize("n_components", [1, [1, 2]])
@pytest.mark.parametrize("sparse", [False, True])
def test_standardized_columns_have_no_units(n_components, sparse):
    """Probabilities are the same in all units, and likelihoods are of the columns as they are."""
    X, y = interleaved()
    y = np.where(np.arange(len(X)) % 3 == 0, None, y) if sparse else y
    scales = np.array([1e3, 1e-5])
    how = {"standardize": True, "random_state": 0}
    one, other = (MixtureClassifier(n_components, ["EII", "VVV"], **how).fit(rows, y) for rows in (X, X * scales))
    np.testing.assert_allclose(one.predict_proba(X), other.predict_proba(X * scales), atol=1e-6)
    shift = len(X) * np.log(scales).sum()
    assert other.log_likelihood_ == pytest.approx(one.log_likelihood_ - shift, rel=1e-9)
    assert other.bic_ == pytest.approx(one.bic_ + 2 * shift, rel=1e-9)
    if not sparse:
        assert one.log_likelihood_ == pytest.approx(joint_of(one, X)[np.arange(len(X)), (y == "odd").astype(int)].sum())


def test_fits_of_standardized_columns_with_gaps_are_those_of_the_columns():
    """Each class has its own share of gaps, and a gap has no unit."""
    X = with_gaps(FLOWERS[:, 2:]) * [1e3, 1e-5]
    X[:20, 1] = np.nan
    how = {"missing": "em", "standardize": True, "reg_covar": 1e-9, "random_state": 0}
    for label, mixture in enumerate(MixtureClassifier([2], "VVI", **how).fit(X, SPECIES).mixtures_):
        assert mixture.lower_bound_ == pytest.approx(mixture.score(X[label == SPECIES]), abs=1e-6)


@pytest.mark.parametrize("n_components", [1, [1, 2]])
def test_mixtures_of_a_classifier_are_fitted_ones_with_its_settings(n_components):
    settings = {"missing": "em", "n_threads": 1, "random_state": 0}
    fit = MixtureClassifier(n_components, "VVI", reg_covar=1e-3, **settings).fit(FLOWERS, SPECIES)
    for mixture in (*fit.mixtures_, fit.as_mixture()):
        assert isinstance(mixture, GaussianMixture)
        assert fitted_parameters(mixture).n_components == mixture.n_components
        assert mixture.get_params().items() >= settings.items()
        assert 1e-5 < mixture.reg_covar < 1e-3  # in the units of the narrowest column


@pytest.mark.parametrize("n_components", [1, np.int64(2), np.array(2), [1, 2]])
def test_a_classifier_is_saved(n_components):
    X, y = interleaved()
    fit = MixtureClassifier(n_components, ["EEE", "VVI"], random_state=0).fit(X, y)
    for other in (*copies(fit), MixtureClassifier.load(saved(fit))):
        assert type(other) is MixtureClassifier
        np.testing.assert_array_equal(other.predict_proba(X), fit.predict_proba(X))
        assert (other.n_components, other.covariance_type) == (n_components, ["EEE", "VVI"])
    assert saved(other) == saved(fit)  # a pickle has no times
    with_prior = MixtureClassifier(covariance_type="EEE", prior=gmm.NormalInverseWishart(shrinkage=0.1)).fit(X, y)
    assert reloaded(with_prior).prior.shrinkage == 0.1


WRONG = {"n_components": 2.5, "covariance_type": ["typo"], "class_prior": [1.0], "standardize": "yes"}


@pytest.mark.parametrize(("name", "value"), WRONG.items())
def test_no_file_has_another_request(name, value, monkeypatch):
    fit = MixtureClassifier(2, "EEE", random_state=0).fit(*interleaved()).set_params(**{name: value})
    refused(name.replace("_", "."), fit.save, io.BytesIO(), error=(TypeError, ValueError))
    with monkeypatch.context() as careless:
        careless.setattr(MixtureClassifier, "_request", lambda *_: None)
        careless.setattr(inside.classifier, "_listed", lambda value: value)
        content = saved(fit)
    refused(name.replace("_", "."), gmm.load, content)


def test_what_it_cannot_do_is_said():
    alone = np.where(np.arange(150) == 3, 7, SPECIES)
    for match, asked, given in [
        ("requires y to be passed", {}, None),
        ("expected y of shape", {}, SPECIES[:10]),
        ("all are unknown", {}, np.full(150, np.nan)),
        (r"class 7 has 1.*or n_components=1", {"n_components": 2}, alone),
        ("ill-defined", {"covariance_type": "VVV", "reg_covar": 0}, alone),
        ("covariance.type", {"covariance_type": ["EII", "typo"]}, SPECIES),
        ("expected .*n_components", {"n_components": [2, 0]}, SPECIES),
        ("'tol' parameter of MixtureClassifier", {"tol": "small"}, SPECIES),
    ]:
        refused(match, MixtureClassifier(**asked).fit, FLOWERS, given)


def test_of_one_column_there_are_two_models(monkeypatch):
    tried = noted(monkeypatch, GaussianMixture, "fit", lambda mixture, *_, **how: mixture.covariance_type)
    MixtureClassifier().fit(FLOWERS[:, :1], SPECIES)
    assert tried == ["E", "V"]


def test_classes_whose_rows_weigh_nothing_are_named_and_unknown_ones_are_not():
    y = np.where(np.arange(150) % 5 == 0, -1, SPECIES)
    weight = np.where(SPECIES == 1, 0.0, np.where(y == -1, 0.0, 1.0))
    with pytest.warns(UserWarning, match="Some classes have no row with a positive weight"):
        classifier = MixtureClassifier(covariance_type="EEE").fit(FLOWERS, y, sample_weight=weight)
    (told,) = classifier.remarks_.values()
    assert told.startswith("class 1 has no row with a positive weight")
    assert classifier.classes_.tolist() == [0, 2]
    kept = weight > 0
    without = MixtureClassifier(covariance_type="EEE").fit(FLOWERS[kept], y[kept])
    np.testing.assert_allclose(classifier.predict_proba(FLOWERS), without.predict_proba(FLOWERS), atol=1e-9)


def test_types_of_which_each_class_has_too_few_rows_are_left_out(monkeypatch):
    """Of 30 columns and 20 rows a class: a component of a shape of its own is degenerate, and takes long."""
    y = np.repeat([0, 1, 2], 20)
    fitted = noted(monkeypatch, GaussianMixture, "fit", lambda mixture, *_, **how: mixture)
    rows = np.random.default_rng(0).normal(size=(60, 30)) + 3 * y[:, None]
    MixtureClassifier(1, covariance_type=["EVE", "EEI"], random_state=0).fit(rows, y)
    assert {mixture.covariance_type for mixture in fitted if mixture.n_components == 3} == {"EEI"}


def test_minus_one_beside_zero_and_one_is_told_to_be_no_class():
    rows, y = np.random.default_rng(0).normal(size=(90, 2)), np.repeat([-1, 0, 1], 30)
    with pytest.warns(UserWarning, match="class -1 are treated as unlabelled"):
        classifier = MixtureClassifier(1).fit(rows, y)
    assert classifier.classes_.tolist() == [0, 1]
    assert classifier.remarks_["classes of -1"].startswith("30 rows have the class -1")
    for told in (np.where(y == -1, 2, y), np.where(y == -1, None, y)):
        MixtureClassifier(1).fit(rows, told)  # without a warning, as each is an error here

"""Saved models and metadata beside them: what goes in comes out, and nothing else comes in."""

import copy
import datetime
import io
import os
import stat
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import fuzz_files
import gmm
from fuzz_files import saved as content
from gmm import BayesianGaussianMixture, FrozenMixture, GaussianMixture, MixtureClassifier, MixtureRegressor
from inside import load_state, save_state
from tables import DATA, cases, copies, refused, reloaded

HEADER = {"class": "Example", "tol": 1e-3, "names": ["Länge", "b"], "seed": None}
ARRAYS = {"weights": np.array([0.25, 0.75]), "means": np.arange(6.0).reshape(2, 3)}
X = np.random.default_rng(0).normal(size=(120, 2))


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "model.gmm"
    save_state(path, HEADER, ARRAYS)
    return path


def test_the_path_is_taken_as_it_is_and_the_same_values_give_the_same_bytes(saved, tmp_path):
    save_state(str(tmp_path / "no suffix"), HEADER, ARRAYS)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.gmm", "no suffix"]
    assert (tmp_path / "no suffix").read_bytes() == saved.read_bytes()


@pytest.mark.skipif(os.name != "posix", reason="permissions and links of POSIX")
def test_permissions_follow_the_mask_or_the_file_and_links_are_followed(saved, tmp_path):
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(saved.stat().st_mode) == 0o666 & ~mask
    saved.chmod(0o600)
    link = tmp_path / "link"
    link.symlink_to(saved)
    save_state(link, {"class": "Other"}, {})
    assert link.is_symlink()
    assert load_state(saved)[0]["class"] == "Other"
    assert stat.S_IMODE(saved.stat().st_mode) == 0o600


@pytest.mark.parametrize(("owner", "name"), [(np.lib.format, "write_array"), (Path, "open")])
def test_a_write_that_is_interrupted_leaves_the_old_file(owner, name, saved, monkeypatch):
    before, whole = saved.read_bytes(), getattr(owner, name)

    def interrupted(file, *how, **more):
        file.write(b"PK") if name != "open" else whole(file, *how).close()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, interrupted)
        refused(None, save_state, saved, HEADER, ARRAYS, error=KeyboardInterrupt)
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]


@cases(
    ({"rng": np.random.RandomState(0)}, {}, TypeError, "expected a JSON value for 'rng'"),
    ({"format": "mine"}, {}, ValueError, "may not set"),
    ({}, {"header": np.zeros(1)}, ValueError, "no array may be named 'header'"),
    ({}, {"a": np.array(["text"])}, TypeError, "got dtype <U4"),
    ({}, {"bad": np.array([None])}, TypeError, "expected numbers in array 'bad', got dtype object"),
)
def test_values_without_a_form_are_refused(header, state, error, match, tmp_path):
    refused(match, save_state, tmp_path / "model", header, state, error=error)
    assert not list(tmp_path.iterdir())


def test_a_missing_file_is_an_os_error_and_no_file_is_told(tmp_path):
    refused(None, load_state, tmp_path / "absent", error=FileNotFoundError)
    refused(None, save_state, tmp_path / "absent" / "model", HEADER, ARRAYS, error=FileNotFoundError)
    refused(r"(?i)directory|denied", save_state, tmp_path, HEADER, ARRAYS, error=OSError)
    refused("expected the path of a file to write, got an empty one", save_state, "", HEADER, ARRAYS)


class Trap:
    def __reduce__(self):
        return (pytest.fail, ("a pickle was loaded",))


@cases(
    (np.savez, np.array([Trap()], dtype=object), "foreign"),
    (np.savez_compressed, np.zeros(10**6), "is compressed"),
    (lambda path, header: path.write_bytes(fuzz_files.packed({"hello": b"world"})), None, "foreign.*saved model"),
    (lambda path, header: np.savez(path, a=np.zeros(3)), None, "foreign.*saved model"),
    ids=["pickle", "compressed", "archive", "arrays"],
)
def test_foreign_files_are_refused(save, header, told, tmp_path):
    path = tmp_path / "foreign.npz"
    save(path, header=header)
    refused(told, load_state, path)


def test_a_model_of_version_1_loads_for_ever():
    model = gmm.load(DATA / "model-v1.gmm")
    assert list(model.feature_names_in_) == ["eruptions", "waiting"]
    assert model.converged_
    np.testing.assert_allclose(model.weights_, [0.644114, 0.355886], rtol=1e-6)
    np.testing.assert_allclose(model.means_, [[4.2896902, 79.968457], [2.0364204, 54.478838]], rtol=1e-6)
    assert model.covariances_.shape == (2, 2, 2)


def test_a_posterior_of_rows_far_from_zero_loads():
    """Its prior's mean lies near the rows', not near 0."""
    model = BayesianGaussianMixture(n_components=2, random_state=0).fit([[6e150], [7e150], [6.5e150]])
    assert gmm.load(content(model)).mean_prior_ == model.mean_prior_


# --- What is saved beside a model -----------------------------------------------------------------


METADATA = {
    "date": "2026-05-04",
    "n_rows": 120,
    "scores": {"levels": [0.01, 0.5], "values": [-7.25, -2.0]},
    "source": "tänk ☃",
    "approved": True,
    "notes": None,
}
FITTED = GaussianMixture(2, random_state=0).fit(X)
OBJECTS = {
    "mixture": FITTED,
    "bayesian": BayesianGaussianMixture(n_components=2, random_state=0).fit(X),
    "frozen": FITTED.freeze(),
    "classifier": MixtureClassifier(1).fit(X, np.arange(120) % 2),
    "regressor": MixtureRegressor(1).fit(X, X[:, :1]),
    "selection": gmm.select(X, 1, ["EEE", "VVV"]),
}


@pytest.mark.parametrize("own", OBJECTS.values(), ids=OBJECTS)
def test_it_comes_back_as_it_was(own):
    again = gmm.load(content(own, metadata=METADATA))
    for same in (again, gmm.load(content(again)), type(own).load(content(again)), *copies(again), copy.deepcopy(again)):
        assert same.metadata == METADATA
    assert own.metadata == {}, "saving changes nothing"
    for other in ({"other": 1}, {}):
        assert gmm.load(content(again, metadata=other)).metadata == other
    assert "metadata" not in load_state(content(own))[0]
    again.metadata["scores"]["levels"].append(2)
    assert again.metadata == METADATA, "what is read is a copy"
    with pytest.raises(AttributeError):
        again.metadata = {}


def test_freeze_keeps_it_and_adds_the_names_of_the_features():
    named = GaussianMixture(1).fit(pytest.importorskip("pandas").DataFrame(X, columns=["width", "height"]))
    assert named.freeze().metadata == {"feature_names": ["width", "height"]}
    frozen = gmm.load(content(named, metadata=METADATA)).freeze()
    assert frozen.metadata == {"feature_names": ["width", "height"]} | METADATA
    assert FrozenMixture.load(content(frozen)).metadata == frozen.metadata
    assert gmm.load(content(named, metadata={"feature_names": "mine"})).freeze().metadata == {"feature_names": "mine"}
    assert FITTED.freeze().metadata == {}


def test_another_fit_has_none():
    one, other = (gmm.load(content(FITTED, metadata=METADATA)) for _ in range(2))
    other.means_ = other.means_ + 1
    other.predict(X)
    assert one.fit(X).metadata == other.metadata == {}


ENDLESS = {}
ENDLESS["a"] = [ENDLESS]


@cases(
    (ENDLESS, ValueError, "at most 20 levels"),
    ([1], TypeError, "expected metadata to be a dict of JSON values, got list"),
    ({"a": {2: 3}}, TypeError, r"keys of metadata\['a'\], got 2"),
    ({"a": [0, np.zeros(2)]}, TypeError, r"metadata\['a'\]\[1\].*got ndarray: pass its tolist\(\)"),
    ({"a": datetime.date(2026, 5, 4)}, TypeError, r"got date: pass its isoformat\(\)"),
    ({"a": (1, 2)}, TypeError, "got tuple: pass a list"),
    ({"a": object()}, TypeError, r"at metadata\['a'\] .*got object"),
    ({"a": [np.nan]}, ValueError, r"expected finite numbers in metadata, got nan at metadata\['a'\]\[0\]"),
)
@pytest.mark.parametrize("name", ["mixture", "selection"])
def test_what_json_cannot_hold_is_refused_in_words(wrong, error, message, name):
    refused(message, content, OBJECTS[name], error=error, metadata=wrong)


@pytest.mark.parametrize("wrong", [[], {"a": float("nan")}])
def test_a_file_with_other_metadata_is_refused(wrong):
    header, arrays = load_state(content(OBJECTS["frozen"]))
    header = {key: value for key, value in header.items() if not key.startswith("format")} | {"metadata": wrong}
    save_state(file := io.BytesIO(), header, arrays)
    refused("metadata", gmm.load, file.getvalue())


def test_numpy_scalars_among_the_parameters_are_saved():
    asked = {"max_iter": np.int32(500), "tol": np.float32(0.5), "random_state": np.int64(7), "warm_start": np.True_}
    loaded = reloaded(GaussianMixture(2, **asked).fit(X))
    assert {name: loaded.get_params()[name] for name in asked} == asked


@pytest.mark.parametrize("invalid", [{"max_iter": "many"}, {"tol": np.nan}, {"prior": "flat"}, {"n_threads": 0}])
def test_a_file_that_load_would_refuse_is_not_written(tmp_path, invalid):
    mixture = GaussianMixture(2, random_state=0).fit(X).set_params(**invalid)
    refused(f"The '{next(iter(invalid))}' parameter of GaussianMixture must be", mixture.save, tmp_path / "m.gmm")
    assert not list(tmp_path.iterdir())


def test_memory_order_of_given_means_changes_no_bits():
    """The linear form's origin is a sum whose order is that of the memory: a loaded mixture had other last digits."""
    rng = np.random.default_rng(0)
    for seed in range(20):
        means, rows = rng.normal(size=(3, 5)) * 10.0 ** rng.integers(-3, 3, 5), rng.normal(size=(4, 5))
        given = np.full(3, 1 / 3), np.asfortranarray(means), np.stack([np.eye(5) * (1 + seed)] * 3)
        mixture = GaussianMixture.from_parameters(*given)
        assert mixture.means_.flags.c_contiguous
        np.testing.assert_array_equal(reloaded(mixture).score_samples(rows), mixture.score_samples(rows))


@pytest.mark.parametrize("of", [Fraction, np.longdouble])
def test_numbers_that_json_does_not_know_are_saved(of):
    prior = gmm.NormalInverseWishart(mean=[of(0.5), of(1)], shrinkage=of(0.25))
    fit = GaussianMixture(2, tol=of(0.125), prior=prior, random_state=0).fit(X)
    again = reloaded(fit)
    assert (again.tol, list(again.prior.mean), again.prior.shrinkage) == (0.125, [0.5, 1], 0.25)
    np.testing.assert_array_equal(again.predict_proba(X), fit.predict_proba(X))

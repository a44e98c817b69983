"""What is saved beside a model: it comes back as it was, stays through `freeze`, and is checked in words."""

import copy
import datetime
import io
import pickle

import numpy as np
import pytest

import gmm
from gmm import BayesianGaussianMixture, FrozenMixture, GaussianMixture, MixtureClassifier
from inside import load_state, save_state

METADATA = {
    "date": "2026-05-04",
    "n_rows": 120,
    "scores": {"levels": [0.01, 0.5], "values": [-7.25, -2.0]},
    "source": "tänk ☃",
    "approved": True,
    "notes": None,
}
X = np.random.default_rng(0).normal(size=(120, 2))


def saved_objects():
    mixture = GaussianMixture(2, random_state=0).fit(X)
    return {
        "mixture": mixture,
        "bayesian": BayesianGaussianMixture(n_components=2, random_state=0).fit(X),
        "frozen": mixture.freeze(),
        "classifier": MixtureClassifier(1).fit(X, np.arange(120) % 2),
        "selection": gmm.select(X, 1, ["EEE", "VVV"]),
    }


OBJECTS = saved_objects()


def content(saved, **how):
    file = io.BytesIO()
    saved.save(file, **how)
    return file.getvalue()


@pytest.mark.parametrize("name", OBJECTS)
def test_it_comes_back_as_it_was(name):
    own = OBJECTS[name]
    again = gmm.load(content(own, metadata=METADATA))
    assert again.metadata == METADATA
    assert own.metadata == {}, "saving changes nothing"
    assert content(own, metadata=METADATA) == content(own, metadata=dict(METADATA))
    assert gmm.load(content(again)).metadata == METADATA, "the next file has it as well"
    assert gmm.load(content(again, metadata={"other": 1})).metadata == {"other": 1}
    assert gmm.load(content(again, metadata={})).metadata == {}
    assert type(own).load(content(again)).metadata == METADATA
    for same in (pickle.loads(pickle.dumps(again)), copy.deepcopy(again)):
        assert same.metadata == METADATA


@pytest.mark.parametrize("name", OBJECTS)
def test_without_any_a_file_has_none(name):
    assert "metadata" not in load_state(content(OBJECTS[name]))[0]
    assert gmm.load(content(OBJECTS[name])).metadata == {}


def test_what_is_read_is_a_copy():
    again = gmm.load(content(OBJECTS["frozen"], metadata=METADATA))
    again.metadata["scores"]["levels"].append(2)
    assert again.metadata == METADATA
    for loaded in (again, gmm.load(content(OBJECTS["mixture"]))):
        with pytest.raises(AttributeError):
            loaded.metadata = {}


def test_freeze_keeps_it_and_adds_the_names_of_the_features():
    pd = pytest.importorskip("pandas")
    named = GaussianMixture(1).fit(pd.DataFrame(X, columns=["width", "height"]))
    assert named.freeze().metadata == {"feature_names": ["width", "height"]}
    again = gmm.load(content(named, metadata=METADATA))
    frozen = again.freeze()
    assert frozen.metadata == {"feature_names": ["width", "height"]} | METADATA
    assert FrozenMixture.load(content(frozen)).metadata == frozen.metadata
    assert gmm.load(content(named, metadata={"feature_names": "mine"})).freeze().metadata == {"feature_names": "mine"}
    assert OBJECTS["mixture"].freeze().metadata == {}


def test_another_fit_has_none():
    again = gmm.load(content(OBJECTS["mixture"], metadata=METADATA))
    assert again.fit(X).metadata == {}
    again = gmm.load(content(OBJECTS["mixture"], metadata=METADATA))
    again.means_ = again.means_ + 1
    assert again.metadata == {}


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ([1], TypeError, "expected metadata to be a dict of JSON values, got list"),
        ({1: 2}, TypeError, "expected texts as keys of metadata, got 1 of type int"),
        ({"a": {2: 3}}, TypeError, r"keys of metadata\['a'\], got 2"),
        ({"a": [0, np.zeros(2)]}, TypeError, r"metadata\['a'\]\[1\].*got ndarray: pass its tolist\(\)"),
        ({"a": np.int64(1)}, TypeError, r"got int64: pass its tolist\(\)"),
        ({"a": datetime.date(2026, 5, 4)}, TypeError, r"got date: pass its isoformat\(\)"),
        ({"a": (1, 2)}, TypeError, "got tuple: pass a list"),
        ({"a": object()}, TypeError, r"at metadata\['a'\] .*got object"),
        ({"a": [np.nan]}, ValueError, r"expected finite numbers in metadata, got nan at metadata\['a'\]\[0\]"),
        ({"a": float("inf")}, ValueError, "got inf"),
    ],
)
@pytest.mark.parametrize("name", OBJECTS)
def test_what_json_cannot_hold_is_refused_in_words(name, wrong, error, message):
    with pytest.raises(error, match=message):
        content(OBJECTS[name], metadata=wrong)


def test_what_contains_itself_is_refused():
    endless = {}
    endless["a"] = [endless]
    with pytest.raises(ValueError, match="at most 20 levels"):
        content(OBJECTS["frozen"], metadata=endless)


@pytest.mark.parametrize("wrong", [[], 3, "text", {"a": float("nan")}])
def test_a_file_with_other_metadata_is_refused(wrong):
    header, arrays = load_state(content(OBJECTS["frozen"]))
    header = {key: value for key, value in header.items() if not key.startswith("format")} | {"metadata": wrong}
    file = io.BytesIO()
    save_state(file, header, arrays)
    with pytest.raises(ValueError, match="metadata"):
        gmm.load(file.getvalue())

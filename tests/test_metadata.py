"""What is saved beside a model: it comes back as it was, stays through `freeze`, and is checked in words."""

import copy
import datetime
import io
import pickle

import numpy as np
import pytest

import gmm
from fuzz_files import saved as content
from gmm import BayesianGaussianMixture, FrozenMixture, GaussianMixture, MixtureClassifier
from inside import load_state, save_state
from tables import refused

METADATA = {
    "date": "2026-05-04",
    "n_rows": 120,
    "scores": {"levels": [0.01, 0.5], "values": [-7.25, -2.0]},
    "source": "tänk ☃",
    "approved": True,
    "notes": None,
}
X = np.random.default_rng(0).normal(size=(120, 2))


FITTED = GaussianMixture(2, random_state=0).fit(X)
OBJECTS = {
    "mixture": FITTED,
    "bayesian": BayesianGaussianMixture(n_components=2, random_state=0).fit(X),
    "frozen": FITTED.freeze(),
    "classifier": MixtureClassifier(1).fit(X, np.arange(120) % 2),
    "selection": gmm.select(X, 1, ["EEE", "VVV"]),
}


@pytest.mark.parametrize("name", OBJECTS)
def test_it_comes_back_as_it_was(name):
    own = OBJECTS[name]
    again = gmm.load(content(own, metadata=METADATA))
    assert again.metadata == METADATA
    assert own.metadata == {}, "saving changes nothing"
    assert gmm.load(content(again)).metadata == METADATA, "the next file has it as well"
    assert gmm.load(content(again, metadata={"other": 1})).metadata == {"other": 1}
    assert gmm.load(content(again, metadata={})).metadata == {}
    assert type(own).load(content(again)).metadata == METADATA
    for same in (pickle.loads(pickle.dumps(again)), copy.deepcopy(again)):
        assert same.metadata == METADATA
    assert "metadata" not in load_state(content(own))[0]
    assert gmm.load(content(own)).metadata == {}
    again.metadata["scores"]["levels"].append(2)
    assert again.metadata == METADATA, "what is read is a copy"
    with pytest.raises(AttributeError):
        again.metadata = {}


def test_freeze_keeps_it_and_adds_the_names_of_the_features():
    pd = pytest.importorskip("pandas")
    named = GaussianMixture(1).fit(pd.DataFrame(X, columns=["width", "height"]))
    assert named.freeze().metadata == {"feature_names": ["width", "height"]}
    again = gmm.load(content(named, metadata=METADATA))
    frozen = again.freeze()
    assert frozen.metadata == {"feature_names": ["width", "height"]} | METADATA
    assert FrozenMixture.load(content(frozen)).metadata == frozen.metadata
    assert gmm.load(content(named, metadata={"feature_names": "mine"})).freeze().metadata == {"feature_names": "mine"}
    assert FITTED.freeze().metadata == {}


def test_another_fit_has_none():
    one, other = (gmm.load(content(FITTED, metadata=METADATA)) for _ in range(2))
    other.means_ = other.means_ + 1
    assert one.fit(X).metadata == other.metadata == {}


ENDLESS = {}
ENDLESS["a"] = [ENDLESS]


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        (ENDLESS, ValueError, "at most 20 levels"),
        ([1], TypeError, "expected metadata to be a dict of JSON values, got list"),
        ({"a": {2: 3}}, TypeError, r"keys of metadata\['a'\], got 2"),
        ({"a": [0, np.zeros(2)]}, TypeError, r"metadata\['a'\]\[1\].*got ndarray: pass its tolist\(\)"),
        ({"a": datetime.date(2026, 5, 4)}, TypeError, r"got date: pass its isoformat\(\)"),
        ({"a": (1, 2)}, TypeError, "got tuple: pass a list"),
        ({"a": object()}, TypeError, r"at metadata\['a'\] .*got object"),
        ({"a": [np.nan]}, ValueError, r"expected finite numbers in metadata, got nan at metadata\['a'\]\[0\]"),
    ],
)
@pytest.mark.parametrize("name", ["mixture", "selection"])
def test_what_json_cannot_hold_is_refused_in_words(name, wrong, error, message):
    refused(message, content, OBJECTS[name], error=error, metadata=wrong)


@pytest.mark.parametrize("wrong", [[], {"a": float("nan")}])
def test_a_file_with_other_metadata_is_refused(wrong):
    header, arrays = load_state(content(OBJECTS["frozen"]))
    header = {key: value for key, value in header.items() if not key.startswith("format")} | {"metadata": wrong}
    save_state(file := io.BytesIO(), header, arrays)
    refused("metadata", gmm.load, file.getvalue())

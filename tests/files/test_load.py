"""What leaves `load` is a valid mixture or selection, every number as it was; else a ValueError says what is wrong."""

import io
import json
import zipfile

import numpy as np
import pytest

import fuzz_files
import gmm
from fuzz_files import array_of, members, npy, packed, saved
from gmm import BayesianGaussianMixture, GaussianMixture, Selection
from inside import FORMAT_VERSION, PARSIMONIOUS
from tables import cases, refused, warned

RNG = np.random.default_rng(0)
X = np.concatenate([RNG.normal(size=(40, 3)), RNG.normal(5, 0.5, size=(40, 3))])
every_model = pytest.mark.parametrize("model", PARSIMONIOUS)


def fitted(n_components=3, rows=X, **how):
    return warned(GaussianMixture(n_components, **{"random_state": 0, "max_iter": 20} | how).fit, rows)[0]


FIT = saved(fitted(n_init=2, init_params="random_from_data"))
FOUND = gmm.select(X, [1, 2], ["full", "diag"], random_state=0)
TABLE = saved(FOUND)


def tampered(content, *, without=(), into=None, **parts):
    """A file with other arrays, or other values in its header, whose checksums are right."""
    arrays = {name.removesuffix(".npy"): array_of(member) for name, member in members(content).items()}
    header = json.loads(arrays.pop("header").tobytes())
    inside = header if into is None else header[into]
    for name, value in parts.items():
        (arrays if isinstance(value, np.ndarray) else inside)[name.replace("__", "/") if into is None else name] = value
    for name in without:
        (arrays if name in arrays else inside).pop(name)
    arrays = {"header": np.frombuffer(json.dumps(header).encode(), "u1")} | arrays
    return packed({f"{name}.npy": npy(values) for name, values in arrays.items()})


def array(name, content=FIT):
    return array_of(members(content)[f"{name}.npy"]).copy()


def with_item(name, index, value, content=FIT):
    values = array(name, content)
    values[index] = value
    return values


def assert_same(loaded, mixture, rows):
    for name in ("weights", "means", "covariances", "whiteners", "log_determinants"):
        np.testing.assert_array_equal(getattr(loaded._parameters, name), getattr(mixture._parameters, name))
    assert loaded._parameters.model is mixture._parameters.model
    np.testing.assert_array_equal(loaded.score_samples(rows), mixture.score_samples(rows))
    assert (loaded.weights_.dtype, saved(loaded)) == (mixture.weights_.dtype, saved(mixture))


@pytest.mark.parametrize(("K", "d"), [(1, 3), (4, 1), (3, 3)])
@every_model
def test_parameters_that_were_rounded_come_back_bit_for_bit(model, K, d):
    mixture = fitted(K, X[:, :d], covariance_type=model)
    shown = [getattr(mixture, f"{name}_").astype(np.float32) for name in ("weights", "means", "covariances")]
    given = GaussianMixture.from_parameters(*shown, covariance_type=model)
    assert given.weights_.sum() == pytest.approx(1, abs=1e-15)
    assert_same(gmm.load(saved(given)), given, X[:, :d])


@pytest.mark.parametrize("thickness", [1e-3, 1e-6, 3e-8, 1e-8])
@every_model
def test_a_fit_that_is_nearly_singular_comes_back(model, thickness):
    rows = np.column_stack([X[:, :2], X[:, 0] + X[:, 1] + thickness * RNG.normal(size=80)])
    try:
        mixture = fitted(2, rows, covariance_type=model, reg_covar=0.0)
    except ValueError:  # singular: there is nothing to save
        return
    assert_same(gmm.load(saved(mixture)), mixture, rows)
    parts = mixture._parameters
    given = GaussianMixture.from_parameters(parts.weights, parts.means, parts.covariances, covariance_type=model)
    np.testing.assert_array_equal(given.covariances_, mixture.covariances_)


NOT_MIXTURES = {
    "means of another width": ({"means": np.zeros((3, 1000))}, "covariance.*shape"),
    "NaN among the means": ({"means": with_item("means", (1, 2), np.nan)}, "'means' contains NaN.*column 2"),
    "weights of nothing": ({"weights": np.zeros(3)}, "'weights'.*normalized"),
    "a weight too few": ({"weights": np.array([0.5, 0.5])}, "'weights'"),
    "weights above one beside noise": (
        {"noise": np.array([[-9.0] * 3, [9.0] * 3]), "weights": np.full(3, 0.5)},
        "sum to at most 1, with noise",
    ),
    "a kind of tails": ({"degrees_of_freedom": np.array([5.0, 3.0])}, "'degrees_of_freedom'"),
    "a cause beyond the last": ({"causes": np.full(3, 7, "u1")}, "number up to 6.*'causes'"),
    "asymmetric covariances": ({"covariances": with_item("covariances", (1, 0, 1), 9.0)}, "symmetric.*component 1"),
    "indefinite covariances": ({"covariances": -array("covariances")}, "positive-definite.*component 0"),
    "another layout": ({"covariance_model": "EEI"}, "EEI covariance.*shape"),
    "another constraint": ({"covariance_model": "EEV"}, "do not satisfy the model EEV"),
    "a model by no name": ({"covariance_model": "VVX"}, "covariance type"),
    "passes of another shape": ({"passes": np.zeros((3, 5))}, "'passes'"),
    "passes neither kept nor not": ({"passes": with_item("passes", (0, 3), 0.5)}, "'passes'"),
    "more seconds than passes": ({"seconds": np.zeros(1000)}, "'seconds'"),
    "another start": ({"others": [3]}, "'others'"),
    "which start": ({"start": -1}, "'start'"),
    "a refinement": ({"refinement": {"moves": [[1, 2]], "tried": 1, "passes": 1.0}}, "'moves'"),
    "moves": ({"refinement": {"moves": [[10**400, 2, 1.0]], "tried": 1, "passes": 1.0}}, "'moves'"),
    "a bound that is NaN": ({"lower_bound": float("nan")}, "'lower_bound'"),
    "a type of data": ({"dtype": "float16"}, "dtype"),
    "too few names": ({"feature_names": ["a"]}, "feature names"),
    "names that are numbers": ({"feature_names": [1, 2, 3]}, "list of texts for feature_names, got 1 at index 0"),
}
SETTINGS = {"reg_covar": "x", "n_threads": -5, "n_components": 0, "covariance_type": "fulll", "tol": {"mean": None}}
SETTINGS |= {"max_iter": 1.5, "prior": {"unknown": 1}, "random_state": "x", "tol__x": 1, "unknown": 1, "self": 1}


@cases(NOT_MIXTURES)
def test_values_that_are_no_mixture_are_refused(parts, match):
    refused(match, GaussianMixture.load, tampered(FIT, **parts))


@pytest.mark.parametrize("content", [FIT, TABLE], ids=["mixture", "selection"])
def test_an_entry_of_another_type_is_refused_by_its_name(content):
    header = json.loads(array("header", content).tobytes())
    for name in header.keys() - {"format", "format_version", "gmm_version", "class"}:
        for wrong in (5, 0.5, "x", True, [1], {"x": 1}, None):
            if type(wrong) is not type(header[name]):
                refused(name, gmm.load, tampered(content, **{name: wrong}))


@pytest.mark.parametrize("name", SETTINGS)
def test_settings_are_those_that_a_fit_takes(name):
    told = "unknown" if name == "prior" else name.partition("__")[0]
    refused(told, gmm.load, tampered(FIT, into="parameters", **{name: SETTINGS[name]}))


def test_what_is_missing_is_told():
    for name in ("weights", "covariances", "passes", "others/0/seconds", "covariance_model", "parameters", "reason"):
        refused(f"'{name}' is missing", gmm.load, tampered(FIT, without=[name]))


NOT_TABLES = {
    "no cells": ({"mixtures": []}, "expected 0 cells in 'covariance_type'"),
    "a cell that is no header": ({"mixtures": [1, None, None, None]}, "cell 0 in 'mixtures'"),
    "cells without arrays": ({"mixtures": [{}] * 4}, "cell 0.*missing"),
    "no criterion": ({"criterion": "x"}, "criterion among"),
    "what another criterion chose": ({"criterion": "nec"}, "'scores'"),
    "a best before the first": ({"best_index": -1}, "'best_index'"),
    "a best that is not": ({"best_index": 3 - FOUND.best_index}, "'best_index'"),
    "types": ({"covariance_type": ["full"]}, "'covariance_type'"),
    "another type": ({"covariance_type": ["full", "diag", "full", "x"]}, "covariance type"),
    "status": ({"status": ["ok", "ok", "ok", "fine"]}, "cell 3 in 'status'"),
    "a fit that failed": ({"status": ["failed: x", "ok", "ok", "ok"]}, "expected no fit for cell 0, .*got one"),
    "numbers of components": ({"n_components": np.array([1.0, 1, 2, 2])}, "whole numbers in 'n_components'"),
    "another number of components": ({"n_components": np.array([1, 1, 2, 3])}, "3 components.*cell 3"),
    "numbers of parameters": ({"n_parameters": np.array([-1, 1, 2, 2])}, "cell 0"),
    "seconds": ({"seconds": np.zeros(3)}, "'seconds'"),
    "scores": ({"scores": np.zeros(4)}, "'scores'"),
    "no scores": ({"scores": np.full(4, np.nan), "bic": np.full(4, np.nan)}, "criterion in cell 0"),
    "weights of a cell": ({"2__weights": np.zeros(2)}, "cell 2.*'weights'"),
    "rows of other features": (
        {"0__means": np.zeros((1, 2)), "0__covariances": np.eye(2)[None], "0__steps": np.zeros(2)},
        "one number of features",
    ),
}


@cases(NOT_TABLES)
def test_tables_that_no_search_could_have_found_are_refused(parts, match):
    refused(match, Selection.load, tampered(TABLE, **parts))


def test_a_selection_comes_back_with_failures_and_what_was_not_tried():
    failed = gmm.select(X[:5], [1, 9], "diag", random_state=0)
    cut = gmm.select(X, [1, 2, 3], time_limit=0.0, random_state=0)
    assert "not tried" in cut.status
    for one in (failed, cut):
        assert saved(gmm.load(saved(one))) == saved(one)


# --- Archives -----------------------------------------------------------------------------------


def with_member(name, content):
    """A file with another member, whose checksum is right."""
    return packed(members(FIT) | {f"{name}.npy": content})


def headed(text):
    """An array's member with another header."""
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


@pytest.mark.parametrize("dtype", ["|S0", "|V0", "<U0", "<f8", "|O"])
@pytest.mark.parametrize("shape", [(10**10,), (2**62, 4), (10**30,), (-1, -3), (-3,), (1,) * 70])
def test_no_header_of_an_array_asks_for_more_than_the_file_has(dtype, shape):
    text = f"{{'descr': {dtype!r}, 'fortran_order': False, 'shape': {shape!r}, }}".encode()
    refused(r"'means'|damaged", gmm.load, with_member("means", headed(text) + bytes(24)))


ARRAY_HEADERS = ["(" * 400, "-" * 9000, "{'descr': '<f8'", "\x00", "{1: 2, 'shape': ()}", "[" * 9000, '"""']
HEADERS = [b"[" * 10**5, b"3", b"null", b"{}", b'{"format": "gmm-em model"}', b"\xff", b"1" * 5000]


@cases(
    *(with_member("means", headed(text.encode())) for text in ARRAY_HEADERS),
    *(with_member("header", npy(np.frombuffer(text, "u1"))) for text in HEADERS),
    ids=lambda _: "",
)
def test_no_header_breaks_its_reader(content):
    refused("not a saved model", gmm.load, content)


def test_other_versions_are_refused():
    member = bytearray(members(FIT)["means.npy"])
    member[6:8] = b"\x09\x00"
    refused(r"'means'.*version|damaged", gmm.load, with_member("means", member))
    refused(r"as bytes.*version 2.*install", gmm.load, tampered(FIT, format_version=FORMAT_VERSION + 1))
    for version in ("1", 1.5, True, None, float("inf")):
        refused("format_version", gmm.load, tampered(FIT, format_version=version))


def test_a_member_that_is_there_twice_or_lies_over_others_is_refused():
    file = io.BytesIO(FIT)
    with zipfile.ZipFile(file, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("means.npy", members(FIT)["means.npy"])
    refused("'means' occurs twice", gmm.load, file.getvalue())
    with zipfile.ZipFile(file := io.BytesIO(), "w") as archive:
        archive.writestr("means.npy", npy(np.zeros(5000)))
        archive.filelist *= 50
    refused("larger than the file", gmm.load, file.getvalue())


# --- Where files come from, and go to -----------------------------------------------------------


class Pipe:
    """What takes and gives bytes, takes at most so many at a time, and can neither seek nor tell."""

    def __init__(self, most=None):
        self.content, self.most = b"", most

    def write(self, more):
        self.content += more[: self.most]
        return min(len(more), self.most) if self.most else None

    def read(self):
        return self.content


@pytest.mark.parametrize("content", [FIT, TABLE], ids=["mixture", "selection"])
def test_every_source_and_target_holds_the_same(content, tmp_path):
    what, path = gmm.load(content), tmp_path / "saved"
    what.save(path)
    assert path.read_bytes() == content
    what.save(str(path))
    with path.open("wb", buffering=0) as file:
        what.save(file)
    assert path.read_bytes() == content
    for pipe in (Pipe(), Pipe(1000)):
        what.save(pipe)
        assert pipe.content == content
    with path.open("rb") as file:
        sources = [path, str(path), file, pipe, io.BytesIO(content), content, bytearray(content), memoryview(content)]
        for source in sources:
            assert saved(gmm.load(source)) == content
    assert saved(type(what).load(content)) == content


def test_what_is_no_place_is_a_type_error(tmp_path):
    for wrong, told in [(io.StringIO("x"), "text mode"), (3, "int: 3"), (None, "NoneType")]:
        refused(f"expected a path, a file opened in binary mode .*{told}", gmm.load, wrong, error=TypeError)
        refused(f"expected a path or a file opened in binary mode .*{told}", FOUND.save, wrong, error=TypeError)
    refused("got bytes", FOUND.save, b"path", error=TypeError)
    (tmp_path / "model").write_bytes(FIT)
    with (tmp_path / "model").open(encoding="latin-1") as file, pytest.raises(TypeError, match="text mode"):
        gmm.load(file)


def test_messages_name_the_source_and_what_it_holds(tmp_path):
    path = tmp_path / "broken"
    path.write_bytes(b"x")
    with path.open("rb") as file:
        for source, name in {path: "broken", file: "broken", b"x": "as bytes", io.BytesIO(b"x"): "BytesIO"}.items():
            refused(f"{name} is not a saved model", gmm.load, source)
    for content, kind in {b"a,b\n1,2\n": "text, such as a table", b"\x93NUMPY": "bytes"}.items():
        path.write_bytes(content)
        for how in ({}, {"mmap": True}):
            refused(rf"broken is not a saved model.*: expected a file .* save .*{kind}", gmm.load, path, **how)


def test_load_opens_whatever_has_save():
    assert isinstance(gmm.load(FIT), GaussianMixture)
    assert isinstance(gmm.load(TABLE), Selection)
    kinds = {name for name in gmm.__all__ if hasattr(getattr(gmm, name), "save")} - {"GaussianMixtureSearch"}
    mixtures = {"BayesianGaussianMixture", "FrozenMixture", "GaussianMixture"}
    assert kinds == mixtures | {"MixtureClassifier", "MixtureRegressor", "Selection"}
    known = " or ".join(map(repr, sorted(kinds)))
    refused(f"contains 'Other', expected {known}", gmm.load, tampered(FIT, **{"class": "Other"}))
    refused(r"contains \['GaussianMixture'\]", gmm.load, tampered(FIT, **{"class": ["GaussianMixture"]}))


@pytest.mark.parametrize(("base", "own"), [(GaussianMixture, {"noise": True}), (BayesianGaussianMixture, {})])
def test_a_subclass_loads_its_own_and_its_own_parameters_and_fits_as_the_saved_one_would(base, own):
    class Mine(base):
        def __init__(self, size=2):
            super().__init__(n_components=size, random_state=0, **own)
            self.size = size

    mixture = Mine(3).fit(X)
    back = Mine.load(saved(mixture))
    assert type(back) is Mine
    assert (back.get_params(), saved(back)) == ({"size": 3}, saved(mixture))
    refused("contains 'Mine'", gmm.load, saved(mixture))
    np.testing.assert_array_equal(back.fit(X * 1000 + 1e4).means_, mixture.fit(X * 1000 + 1e4).means_)
    plain = type("Plain", (GaussianMixture,), {})
    assert type(plain.load(saved(plain.from_parameters([1.0], [[0.0]], [[[1.0]]])))) is plain


def test_samples_beyond_single_precision_are_in_double():
    mixture = gmm.load(tampered(FIT, dtype="float32", means=np.full((3, 3), 1e200)))
    assert mixture.sample(5)[0].dtype == np.float64
    assert np.isfinite(mixture.sample(5)[0]).all()
    assert gmm.load(tampered(FIT, dtype="float32")).sample(5)[0].dtype == np.float32


@pytest.mark.parametrize(("kind", "n"), [("bytes", 400), ("values", 200)])
def test_damaged_files_load_as_valid_or_not_at_all(kind, n):
    told = list(dict(fuzz_files.outcomes(kind, 0, n)).values())
    assert len(told) == n
    assert not [each for each in told if each.startswith(fuzz_files.FAILED)]
    valid = {f"a valid {name}" for name in ("GaussianMixture", "MixtureClassifier", "MixtureRegressor", "Selection")}
    assert {*told} == {"ValueError"} | valid

"""JSON in mclust's terms: what is written is read again bit for bit, by R as well, and what R writes is read."""

import contextlib
import copy
import io
import json
import shutil
import subprocess
from functools import reduce
from operator import getitem

import numpy as np
import pytest

import tables
from fuzz_files import other_header
from gmm import GaussianMixture, NotFittedError, open_rows
from gmm.exchange.mclust import from_json, to_json
from inside import COVARIANCE_TYPES, PARSIMONIOUS, covariance_model
from tables import DATA, ROOT, assert_same, cases, refused

IRIS = tables.IRIS[:, :3]
FROM_R = json.loads((DATA / "mclust_files.json").read_text(encoding="utf-8"))


def fitted(covariance_type, K=3, X=IRIS):
    return GaussianMixture(K, covariance_type=covariance_type, random_state=0, max_iter=1000).fit(X)


def written(mixture, X=None):
    file = io.BytesIO()
    to_json(mixture, file, X)
    return file.getvalue()


def document_of(mixture, X=None):
    return json.loads(written(mixture, X))


def read(document):
    return from_json(json.dumps(document).encode())


def sigma_of(variance):
    """Σ_k (d, d, G) from mclust's decomposition alone (its manual page ``mclustVariance``)."""
    d, G = variance["d"], variance["G"]
    if "cholsigma" in variance:
        return np.einsum("jik,jlk->ilk", *[variance["cholsigma"]] * 2)
    if "cholSigma" in variance:
        factor = np.array(variance["cholSigma"])
        return np.repeat((factor.T @ factor)[..., None], G, axis=2)
    scale = np.broadcast_to(variance["scale"], G)
    shape = np.array(variance.get("shape", np.ones(d)))
    shape = np.broadcast_to(shape.reshape(d, -1), (d, G))
    axes = np.array(variance.get("orientation", np.eye(d)))
    axes = np.broadcast_to(axes.reshape(d, d, -1), (d, d, G))
    np.testing.assert_allclose(np.prod(shape, axis=0), 1)
    np.testing.assert_allclose(np.einsum("jik,jlk->ilk", axes, axes), np.eye(d)[..., None] * np.ones(G), atol=1e-12)
    return np.einsum("k,ijk,jk,ljk->ilk", scale, axes, shape, axes)


@pytest.mark.parametrize(("K", "d"), [(1, 3), (3, 1), (3, 3)])
@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
def test_there_and_back_no_bit_changes(covariance_type, K, d):
    X = IRIS[:, :d]
    ours = fitted(covariance_type, K, X)
    for content in (written(ours), written(ours, X)):
        again = from_json(content)
        assert (again.n_components, again.covariance_type) == (K, covariance_model(covariance_type).type_name)
        assert_same(again, ours)
        np.testing.assert_array_equal(again.predict(X), ours.predict(X))
    assert written(again) == written(ours)
    if d == 1:  # mclust has two models of one feature
        document, letter = document_of(ours), covariance_model(covariance_type).name[0]
        variance = document["parameters"]["variance"]
        assert document["modelName"] == variance["modelName"] == letter
        assert np.shape(variance["sigmasq"]) == ((K,) if letter == "V" else ())


@pytest.mark.parametrize("K", [1, 3])
@pytest.mark.parametrize("name", PARSIMONIOUS)
def test_what_is_written_is_what_mclust_holds(name, K):
    ours = fitted(name, K)
    document = document_of(ours, IRIS)
    told = {"modelName": name, "d": 3, "G": K, "n": 150, "df": ours.n_parameters_, "loglik": ours.log_likelihood(IRIS)}
    assert {each: document[each] for each in told} == told
    assert document["bic"] == pytest.approx(-ours.bic(IRIS), rel=1e-14)
    parameters, variance = document["parameters"], document["parameters"]["variance"]
    assert np.shape(parameters["mean"]) == (3, K)
    sigma = np.array(variance["sigma"])
    covariances = covariance_model(name).layout.dense(ours.covariances_, K, 3)
    np.testing.assert_array_equal(sigma, np.moveaxis(covariances, 0, -1))
    np.testing.assert_allclose(sigma_of(variance), sigma, rtol=1e-9, atol=1e-12)
    if name in ("VEE", "EEV", "VEV", "EVV"):  # else mclust has no order either
        assert (np.diff(variance["shape"], axis=0) <= 0).all()
    if K == 3:  # the same parts, in the same shapes, as R wrote of the same model
        theirs = FROM_R["fits"][name]["file"]["parameters"]["variance"]
        assert variance.keys() >= theirs.keys() - {"sigmasq"}
        for part in theirs.keys() & variance.keys() - {"modelName"}:
            assert np.shape(variance[part]) == np.shape(theirs[part]), part


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
@pytest.mark.parametrize("name", FROM_R["fits"])
def test_what_r_has_written_is_read(name):
    fit = FROM_R["fits"][name]
    ours = read(fit["file"])
    rows = IRIS[FROM_R["rows"], : ours.n_features_in_]
    np.testing.assert_allclose(ours.predict_proba(rows), fit["z"], atol=1e-12)


def test_names_go_along(tmp_path):
    ours = fitted("VVE", X=pytest.importorskip("pandas").DataFrame(IRIS, columns=["Länge", "b", "c"]))
    to_json(ours, tmp_path / "mixture.json")
    assert "Länge" in (tmp_path / "mixture.json").read_text(encoding="utf-8")
    with (tmp_path / "mixture.json").open("rb") as file:
        assert list(from_json(file).feature_names_in_) == ["Länge", "b", "c"]


def test_the_likelihood_is_that_of_the_criteria():
    rows = open_rows(lambda: [(IRIS, np.full(len(IRIS), 2.0))])
    ours = GaussianMixture(2, random_state=0).fit(rows)
    document = document_of(ours, rows)
    assert (document["n"], document["loglik"], document["bic"]) == (300, ours.log_likelihood(rows), -ours.bic(rows))
    beside = GaussianMixture(2, random_state=0).fit(IRIS, error_covariance=[0.01] * 3)
    refused("fitted to rows with errors", written, beside, IRIS)


def test_a_mixture_without_rows_has_no_likelihood():
    mixture = GaussianMixture.from_parameters([0.5, 0.5], [[-1.0], [1.0]], [[[1.0]], [[1.0]]])
    document = document_of(mixture)
    assert not {"n", "loglik", "bic"} & document.keys()
    assert {"modelName", "d", "G", "df", "feature_names"} <= document.keys()  # R computes the rest
    refused(None, written, GaussianMixture(), error=NotFittedError)
    refused("1 features", written, mixture, IRIS)


def test_what_is_no_such_file_is_refused():
    for content, message in {
        b"": "the content given as bytes is not JSON, or damaged",
        b"\xff\xfe": "is not JSON",
        b"[" * 100_000: "is not JSON",
        b"[1]": "contains list, expected an object with 'modelName' and 'parameters'",
        b'{"parameters": 3}': "expected dict for 'parameters'",
        b'{"parameters": {"pro": [1]}}': "'variance' is missing",
    }.items():
        refused(message, from_json, content)


@cases(
    (("modelName",), "EVX", "expected a covariance type among"),
    (("parameters", "pro"), [0.5, 0.6, 0.1], "normalized"),
    (("parameters", "pro"), [0.5, 0.5], r"expected 'mean' of shape \(d, G\) with G = 2"),
    (("parameters", "mean"), [[1, 2, 3], [1, 2]], "not a valid mixture"),
    (("parameters", "mean"), [[10**400] * 3] * 3, "expected numbers in 'mean'"),
    (("parameters", "variance", "sigma"), [[1.0]], r"expected 'sigma' of shape \(d, d, G\) = \(3, 3, 3\)"),
    (("parameters", "variance", "sigma"), np.ones((3, 3, 3)).tolist(), "positive-definite|do not satisfy"),
    (("feature_names",), ["a"], "feature"),
    (("d",), 2, "expected d = 3 and G = 3 as in 'mean', got d = 2 and G = 3"),
    (("parameters", "variance", "G"), "3", "got d = 3 and G = '3'"),
)
@pytest.mark.parametrize("name", ["VVV", "EII"])
def test_a_damaged_mixture_is_refused(where, value, message, name):
    document = copy.deepcopy(FROM_R["fits"][name]["file"])
    *way, last = where
    reduce(getitem, way, document)[last] = value
    refused(message, read, document)


def test_matrices_of_another_model_are_refused():
    document = document_of(fitted("VVV"))
    del document["covariance_type"]
    for name, told in (("EEE", "tied"), ("EII", "EII"), ("EVV", "EVV")):
        refused(f"do not satisfy the model {told}", read, document | {"modelName": name})


SPREAD = [[2.0, 0.5], [0.5, 1.0]]


@cases(("VVE", [SPREAD] * 2), ("EEE", SPREAD), ("EVI", [[2.0, 3.0], [6.0, 1.0]]), ("VII", [1.0, 4.0]))
def test_any_change_is_refused_or_a_mixture(name, covariances):
    parameters, rng = ([0.4, 0.6], [[0.0, 1.0], [2.0, 3.0]], covariances), np.random.default_rng(0)
    content = np.frombuffer(written(GaussianMixture.from_parameters(*parameters, covariance_type=name)), dtype=np.uint8)
    for _ in range(300):
        with contextlib.suppress(ValueError):
            again = from_json(other_header(content, rng))
            assert np.isfinite(again.predict_proba(np.zeros((1, again.n_features_in_)))).all()


# What R does with a fit of its own.
USES_IN_R = (
    "pdf(NULL)",
    "invisible(capture.output(print(fit), print(summary(fit, parameters = TRUE)), summary(fit$BIC)))",
    'for (what in c("BIC", "classification", "uncertainty", "density")) plot(fit, what)',
    "stopifnot(logLik(fit) == fit$loglik, abs(BIC(fit) + fit$bic) < 1e-9)",
    "stopifnot(length(fit$classification) == nrow(fit$data), all(abs(rowSums(fit$z) - 1) < 1e-9))",
    "invisible(MclustDR(fit))",
)


def in_r(place, script):
    np.savetxt(place / "X.csv", IRIS, fmt="%.17g", delimiter=",")
    page = (ROOT / "docs" / "from-mclust.md").read_text(encoding="utf-8")
    functions = (part.partition("```")[0] for part in page.split("```r\n")[1:])
    begin = [*functions, f'X <- as.matrix(read.csv("{place}/X.csv", header = FALSE))']
    (place / "script.R").write_text("\n".join(begin + script), encoding="utf-8")
    done = subprocess.run(["Rscript", str(place / "script.R")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


ASKED = ["Rscript", "-e", "library(mclust); library(jsonlite)"]
HAS_R = shutil.which("Rscript") and subprocess.run(ASKED, capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not HAS_R, reason="needs R with mclust and jsonlite")
def test_r_reads_and_writes_the_same(tmp_path):
    cases = {name: (fitted(name), 3) for name in PARSIMONIOUS} | {
        "V": (fitted("full", 2, IRIS[:, :1]), 1),
        "E": (fitted("tied", 2, IRIS[:, :1]), 1),
        "one": (fitted("VEV", 1), 3),
        "noise": (GaussianMixture(2, noise=True, random_state=0).fit(IRIS), 3),
    }
    script = []
    for name, (mixture, d) in cases.items():
        to_json(mixture, tmp_path / f"{name}.json", IRIS[:, :d])
        script += [
            f'D <- X[, 1:{d}, drop = FALSE]; fit <- read_gmm("{tmp_path}/{name}.json", D)',
            f'write.table(predict(fit, D)$z, "{tmp_path}/{name}.csv", sep = ",", row.names = FALSE, col.names = FALSE)',
            "logs <- log(dens(D, fit$modelName, fit$parameters)); noise <- !is.null(fit$parameters$Vinv)",
            "stopifnot(abs(sum(logs) - fit$loglik) < 1e-9, fit$n == 150)",
            "stopifnot(fit$df == nMclustParams(fit$modelName, fit$d, fit$G, noise = noise))",
            "stopifnot(abs(fit$bic - (2 * sum(logs) - fit$df * log(nrow(D)))) < 1e-9)",
            f"stopifnot(abs(fit$icl - {-mixture.criteria(IRIS[:, :d])['icl']!r}) < 1e-8)",
            f'write_gmm(fit, "{tmp_path}/{name}-again.json")',
            *(USES_IN_R if name in ("V", "one", "VEV", "noise") else ()),
        ]
    in_r(tmp_path, script)
    for name, (mixture, d) in cases.items():
        theirs = np.loadtxt(tmp_path / f"{name}.csv", delimiter=",", ndmin=2).reshape(150, -1)
        ours = mixture.predict_proba(IRIS[:, :d])
        ours = np.column_stack([ours, 1 - ours.sum(axis=1)])[:, : theirs.shape[1]]  # with noise in a last column
        np.testing.assert_allclose(ours, theirs, atol=1e-10 if name == "noise" else 1e-12)
        again = from_json(tmp_path / f"{name}-again.json")
        np.testing.assert_allclose(again.means_, mixture.means_, rtol=1e-14)


@pytest.mark.parametrize("covariance_type", ["EII", "VVV"])
def test_noise_has_the_last_proportion_and_mclusts_density(covariance_type):
    box = np.array([IRIS.min(axis=0) - 1, IRIS.max(axis=0) + 1])
    mixture = GaussianMixture(2, covariance_type=covariance_type, noise=box, random_state=0).fit(IRIS)
    document = document_of(mixture, IRIS)
    parameters = document["parameters"]
    assert (len(parameters["pro"]), parameters["pro"][-1]) == (3, mixture.noise_weight_)
    assert parameters["Vinv"] == pytest.approx(1 / np.prod(box[1] - box[0]))
    again = read(document)
    for method in ("score_samples", "predict"):
        np.testing.assert_array_equal(getattr(again, method)(IRIS), getattr(mixture, method)(IRIS))
    assert again.noise_weight_ == mixture.noise_weight_
    without_box = {name: value for name, value in parameters.items() if name != "noise"}
    refused(r"'Vinv'.*add 'noise'", read, document | {"parameters": without_box})

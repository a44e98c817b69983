"""ONNX models: what onnxruntime and onnx's own evaluator compute is what we compute, or an error in words."""

import io
import json
import sys

import numpy as np
import pytest

from gmm import BayesianGaussianMixture, GaussianMixture, NotFittedError
from gmm.exchange.onnx import to_onnx
from inside import CLASSIC, PARSIMONIOUS
from reference import OF_FACTORS
from tables import a_mixture, cases, refused

onnx = pytest.importorskip("onnx")
evaluator = pytest.importorskip("onnx.reference")
RESULTS = ("label", "probabilities", "log_likelihood")
# Type of rows and results, of the arithmetic, and how near the results are: of responsibilities, absolutely as well.
EXACT = {"float64": 1e-12, "float32": 1e-6}


def written(mixture, **how):
    file = io.BytesIO()
    to_onnx(mixture, file, **how)
    return file.getvalue()


def by_onnxruntime(content, X):
    runtime = pytest.importorskip("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    session = runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return dict(zip(RESULTS, session.run(RESULTS, {"X": X}), strict=True))


def by_onnx(content, X):
    found = evaluator.ReferenceEvaluator(onnx.load_from_string(content)).run(RESULTS, {"X": X})
    return dict(zip(RESULTS, found, strict=True))


RUNTIMES = pytest.mark.parametrize("run", [by_onnxruntime, by_onnx], ids=["onnxruntime", "onnx"])


def mixture(covariance_type="full", shift=0.0, **how):
    return a_mixture(covariance_type, shift=shift, **{"d": 5, "apart": 3.0} | how)


def assert_scored_alike(found, estimator, X, tolerance, **of_small_ones):
    """Compare with the estimator's results for the rows as they are, in float64."""
    exact = X.astype(np.float64)
    assert found["label"].dtype == np.int64
    assert found["probabilities"].dtype == found["log_likelihood"].dtype == X.dtype
    np.testing.assert_array_equal(found["label"], estimator.predict(exact))
    near = {"rtol": tolerance, "atol": 0} | of_small_ones
    np.testing.assert_allclose(found["probabilities"], estimator.predict_proba(exact), **near)
    np.testing.assert_allclose(found["log_likelihood"], estimator.score_samples(exact), rtol=tolerance)


@RUNTIMES
@pytest.mark.parametrize("dtype", EXACT)
@pytest.mark.parametrize("shift", [0.0, 1e4])
@pytest.mark.parametrize("covariance_type", CLASSIC)
def test_results_are_the_estimators(run, covariance_type, shift, dtype):
    estimator = mixture(covariance_type, shift)
    X = estimator.sample(3000, random_state=1)[0].astype(dtype)
    content = written(estimator, dtype=dtype)
    # A responsibility below 1e-30 is one of a log density that has lost digits in the estimator's linear form.
    for rows, loss in ((X, 1), (X[:1], 1), (1e6 * X[:20], 10)):  # far away, they belong to the nearest component
        assert_scored_alike(run(content, rows), estimator, rows, loss * EXACT[dtype], atol=1e-30)
    if dtype == "float32":  # whose arithmetic centres first
        assert_scored_alike(run(written(estimator, arithmetic=dtype), X), estimator, X, 1e-6, rtol=1e-4, atol=3e-6)
    frozen = written(estimator.freeze(), dtype=dtype)
    assert_scored_alike(run(frozen, X), estimator, X, EXACT[dtype], atol=1e-30)
    assert not onnx.load_from_string(frozen).metadata_props


@cases(*((GaussianMixture, name) for name in (*PARSIMONIOUS, *OF_FACTORS)), (BayesianGaussianMixture, "full"))
def test_every_covariance_model_and_a_posterior(cls, name):
    X = mixture().sample(400, random_state=1)[0]
    fitted = cls(n_components=3, covariance_type=name, random_state=0, max_iter=500).fit(X)
    assert_scored_alike(by_onnx(written(fitted, dtype="float64"), X), fitted, X, 1e-11, atol=1e-30)


@RUNTIMES
def test_one_feature_and_a_component_without_weight(run):
    estimator = GaussianMixture.from_parameters([0.0, 0.4, 0.6], [[0.0], [-1.0], [1.0]], [[[1.0]], [[1.0]], [[2.0]]])
    X = np.linspace(-40, 40, 100)[:, None]
    for dtype, tolerance in EXACT.items():
        found = run(written(estimator, dtype=dtype), X.astype(dtype))
        assert_scored_alike(found, estimator, X.astype(dtype), tolerance, atol=1e-30)
        assert (found["probabilities"][:, 0] == 0).all()


@RUNTIMES
@pytest.mark.parametrize("covariance_type", CLASSIC)
def test_rows_beyond_squares_have_numbers(run, covariance_type):
    estimator = mixture(covariance_type)
    for dtype, arithmetic, far in (("float64", "float64", 1e200), ("float32", "float32", 1e30)):
        X = np.array([[far] * 5, [0.0] * 5, [np.nan] * 5], dtype)
        with np.errstate(over="ignore"):
            found = run(written(estimator, dtype=dtype, arithmetic=arithmetic), X)
        np.testing.assert_allclose(found["probabilities"][0], 1 / 4)
        assert found["log_likelihood"][0] < -0.4 * np.finfo(arithmetic).max
        np.testing.assert_allclose(found["probabilities"][1], estimator.predict_proba(X[1:2])[0], atol=1e-5)
        assert np.isnan(found["probabilities"][2]).all()
        assert np.isnan(found["log_likelihood"][2])


def test_the_file_is_valid_and_describes_itself(tmp_path):
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame(mixture().sample(200, random_state=1)[0], columns=list("abcdé"))
    fitted = GaussianMixture(2, covariance_type="VVE", random_state=0).fit(table)
    to_onnx(fitted, tmp_path / "model.onnx")
    assert (tmp_path / "model.onnx").read_bytes() == written(fitted)
    model = onnx.load(tmp_path / "model.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 13)]
    assert (model.ir_version, model.producer_name) == (7, "gmm-em")
    told = {entry.key: json.loads(entry.value) for entry in model.metadata_props}
    assert told == {"covariance_type": "VVE", "feature_names": list("abcdé")}
    sizes = {
        value.name: [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in (*model.graph.input, *model.graph.output)
    }
    assert sizes == {"X": ["n", 5], "label": ["n"], "probabilities": ["n", 2], "log_likelihood": ["n"]}


@cases(
    ({"dtype": "float16"}, "expected dtype among 'float32', 'float64', got 'float16'"),
    ({"arithmetic": float}, "expected arithmetic among .*got <class 'float'>"),
    ({"dtype": "float64", "arithmetic": "float32"}, "expected arithmetic 'float64' for dtype 'float64'"),
    ({"arithmetic": "float32"}, "exceed float32: expected arithmetic='float64'"),
)
def test_other_types_are_refused_in_words(how, message):
    tiny = GaussianMixture.from_parameters([1.0], [[0.0]], [[[1e-90]]])
    refused(message, written, tiny, **how)
    X = np.array([[1e-45]])
    assert_scored_alike(by_onnx(written(tiny, dtype="float64"), X), tiny, X, 1e-12)


def test_what_cannot_be_written_leaves_nothing(tmp_path, monkeypatch):
    refused(None, to_onnx, GaussianMixture(), tmp_path / "model.onnx", error=NotFittedError)
    refused("binary mode", to_onnx, mixture(), io.StringIO(), error=TypeError)
    monkeypatch.setitem(sys.modules, "onnx", None)
    refused("python -m pip install onnx", to_onnx, mixture(), tmp_path / "model.onnx", error=ModuleNotFoundError)
    assert not list(tmp_path.iterdir())


@RUNTIMES
@pytest.mark.parametrize("covariance_type", ["tied", "VEV"])
@pytest.mark.parametrize("dtype", EXACT)
def test_noise_is_one_more_component_whose_label_is_minus_one(run, covariance_type, dtype):
    rng = np.random.default_rng(4)
    X = np.vstack([rng.normal(size=(150, 3)), rng.normal(size=(150, 3)) + 5, 20 * rng.uniform(size=(100, 3)) - 8])
    estimator = GaussianMixture(2, covariance_type=covariance_type, noise=True, random_state=0).fit(X)
    rows = np.vstack([X, np.full((1, 3), 1e5)]).astype(dtype)
    found = run(written(estimator, dtype=dtype), rows)
    assert (found["label"] == -1).sum() > 50
    assert found["probabilities"].shape == (401, 2)
    assert_scored_alike(found, estimator, rows, EXACT[dtype], atol=EXACT[dtype])

"""What goes with what: each pair of features works, or is refused by the table; each row of the table is reached."""

import ast
import itertools
import re
import runpy

import numpy as np
import pytest

import gmm
from command import fails
from gmm import GaussianMixture
from gmm.analysis import anomaly_threshold as threshold
from gmm.exchange.mclust import to_json
from gmm.exchange.onnx import to_onnx
from gmm.exchange.sklearn import to_sklearn
from gmm.plotting import plot_decision_boundaries, plot_density
from inside import EXCLUSIONS
from tables import PACKAGE, ROOT, refused

DOCS = ROOT / "docs"
rng = np.random.default_rng(0)
X = np.vstack([rng.normal(size=(60, 2)), rng.normal(size=(60, 2)) + 5])
HALVES = np.eye(2)[np.repeat([0, 1], 60)]
LABELS = np.where(np.arange(120) % 3 == 0, -1, np.repeat([0, 1], 60))
ERRORS = np.where(np.arange(240).reshape(120, 2) < 140, 0.3, rng.uniform(0.1, 0.5, size=(120, 2)))
GAPS = np.where(np.arange(240).reshape(120, 2) % 7 == 0, np.nan, X)
FIXED = {"fixed": {"means": True}, "means_init": [[0, 0], [5, 5]]}
KNOWN = {"how": {"error_covariance": [1.0, 1.0]}}
FACTORS = {"covariance_type": "factor1", "prior": "conjugate"}
SHAPES = {"fixed": {"covariances": True}, "precisions_init": [np.eye(2)] * 2}


def partitions(rows=X):
    return gmm.sources.partitioned_rows(lambda task: task(0, rows))


def stream(rows=X):
    return gmm.open_rows(lambda: [rows[:50], rows[50:]])


def fit(rows=X, sample_weight=None, kind=GaussianMixture, how=(), **parameters):
    return kind(n_components=2, random_state=0, **parameters).fit(rows, sample_weight=sample_weight, **dict(how))


def information(**parameters):
    return gmm.inference.standard_errors(fit(**parameters), X, method="information")


def heavy(rows=X, **parameters):
    return fit(rows, tails="t", **parameters)


NOISY = fit(noise=[[-9, -9], [9, 9]])
WITH_TAILS = {
    "a prior": lambda: heavy(prior="conjugate"),
    "fixed parameters": lambda: heavy(**FIXED),
    "noise": lambda: heavy(noise=True),
    "classified=True": lambda: heavy().log_likelihood(X, classified=True),
    "error_covariance": lambda: heavy().score_samples(X, error_covariance=[1.0, 1.0]),
    "missing values": lambda: heavy(GAPS, missing="em"),
    "refine": lambda: heavy(refine="split-merge"),
    "impute": lambda: heavy().impute(GAPS),
    "adapt": lambda: gmm.analysis.adapt(heavy(), X),
    "fisher_vector": lambda: gmm.analysis.fisher_vector(heavy(covariance_type="diag"), X),
    "column_overlap": lambda: gmm.analysis.column_overlap(heavy()),
    "distance": lambda: gmm.analysis.distance(fit(), heavy()),
    "directions": lambda: gmm.analysis.directions(heavy()),
    "method='information'": lambda: information(tails="t"),
    "ONNX": lambda: to_onnx(heavy(), "never-written"),
    "mclust": lambda: to_json(heavy(), "never-written"),
    "scikit-learn's estimators": lambda: to_sklearn(heavy()),
    "e_step": lambda: gmm.em.e_step(heavy(), X),
    "m_step": lambda: gmm.em.m_step(heavy(), gmm.em.e_step(fit(), X)),
    "partial_fit": lambda: GaussianMixture(2, tails="t").partial_fit(X),
    "bootstrap_lrt": lambda: gmm.inference.bootstrap_lrt(X, 1, tails="t"),
}
REACHED = {
    ("fixed weights", "noise"): lambda: fit(fixed={"weights": True}, weights_init=[0.5, 0.5], noise=True),
    ("fixed weights", "select"): lambda: gmm.select(X, 2, fixed={"weights": True, "means": True}, means_init=[[0, 0]]),
    ("a prior of factors", "dense covariances"): lambda: fit(**FACTORS, refine="split-merge"),
    ("labels", "rows in partitions"): lambda: fit(partitions(), how={"labels": LABELS}),
    ("error_covariance", "rows in partitions"): lambda: fit(partitions(), **KNOWN),
    ("missing values", "rows in partitions"): lambda: fit(partitions(GAPS), missing="em"),
    ("error_covariance", "BayesianGaussianMixture"): lambda: fit(kind=gmm.BayesianGaussianMixture, **KNOWN),
    ("error_covariance", "partial_fit"): lambda: fit(**KNOWN).partial_fit(X),
    ("a callable init_params", "rows beyond memory"): lambda: fit(stream(), init_params=lambda X, K, rng: HALVES),
    ("responsibilities as init_params", "rows in partitions"): lambda: fit(partitions(), init_params=HALVES),
    ("sample_weight", "a source of rows"): lambda: fit(stream(), sample_weight=np.ones(120)),
    ("select", "rows beyond memory"): lambda: gmm.select(stream(), 2),
    ("fixed parameters", "standardize"): lambda: gmm.select(X, 2, standardize=True, **FIXED),
    ("fixed covariances", "max_ratio"): lambda: fit(**SHAPES, max_ratio=9),
    ("max_ratio", "standardize"): lambda: gmm.select(X, 2, standardize=True, max_ratio=9),
    ("noise", "scikit-learn's estimators"): lambda: to_sklearn(NOISY),
    ("noise", "assigned parameters"): lambda: setattr(NOISY, "weights_", [0.5, 0.5]),
    ("degrees_of_freedom='each'", "assigned parameters"): lambda: setattr(
        heavy(degrees_of_freedom="each"), "weights_", [0.5, 0.5]
    ),
    ("noise", "anomaly_threshold"): lambda: threshold(NOISY, X, 0.1),
    ("noise", "distance"): lambda: gmm.analysis.distance(fit(), NOISY),
    ("missing values", "anomaly_threshold"): lambda: threshold(fit(missing="em"), GAPS, 0.1),
    ("noise", "true_values"): lambda: gmm.analysis.true_values(NOISY, X, [1.0, 1.0]),
    ("noise", "plot_density"): lambda: plot_density(NOISY, X),
    ("noise", "plot_decision_boundaries"): lambda: plot_decision_boundaries(NOISY, X),
    ("a prior", "method='information'"): lambda: information(prior="conjugate"),
    ("fixed parameters", "method='information'"): lambda: information(**FIXED),
    ("max_ratio", "method='information'"): lambda: information(max_ratio=9),
    ("a prior", "bootstrap_lrt"): lambda: gmm.inference.bootstrap_lrt(X, 1, prior="conjugate"),
    ("a prior", "split_lrt"): lambda: gmm.inference.split_lrt(X, 1, prior="conjugate"),
    ("noise", "split_lrt"): lambda: gmm.inference.split_lrt(X, 1, noise=True),
    **{("heavy tails", feature): call for feature, call in WITH_TAILS.items()},
    ("a prior", "m_step"): lambda: gmm.em.m_step(fit(prior="conjugate"), gmm.em.e_step(fit(), X)),
}


# Words of the command line for features; an option that needs none is its own.
OPTIONS = {
    "BayesianGaussianMixture": "--bayesian",
    "MixtureClassifier": "--class-column kind",
    "a range of components": "--components 3",
    "criterion": "--criterion bic",
    "time_limit": "--time-limit 9",
    "n_factors": "--n-factors 2",
    "heavy tails": "--tails t",
    "prior": "--prior conjugate",
    "refine": "--refine split-merge",
    "standardize": "--scale",
    "max_ratio": "--max-ratio 9",
    "noise": "--noise",
    "rows beyond memory": "--blocks",
    "missing='em'": "--missing em",
    "error_covariance": "--errors s0",
    "predict_from": "--known x0",
    "a table of rows": "rows.npy",
    "--label-column": "--label-column kind",
    "--where": "--where x0>0",
    "--plot": "--plot a.png",
    "--features": "--features x0",
}
IN_PYTHON = [row for row in EXCLUSIONS if (row.first, row.second) in REACHED]
ON_THE_LINE = [row for row in EXCLUSIONS if (row.first, row.second) not in REACHED]


def command_of(first, second):
    if first == "plot_convergence":
        return f"plot model.gmm --kind convergence {OPTIONS.get(second, second)}".split()
    if (first, second) == ("MixtureClassifier", "predict_from"):
        return ["predict", "classifier.gmm", "rows.npy", "--known", "x0"]
    command = "predict model.gmm rows.npy" if second == "predict_from" else "fit rows.npy"
    return f"{command} {OPTIONS.get(first, first)} {OPTIONS.get(second, second)}".split()


def pair_of(row):
    return f"{row.first} and {row.second}"


@pytest.mark.parametrize("row", IN_PYTHON, ids=pair_of)
def test_each_exclusion_is_reached(row):
    refused(re.escape(row.message()), REACHED[row.first, row.second])


@pytest.mark.needs("pyarrow", "rich")
@pytest.mark.parametrize("row", ON_THE_LINE, ids=pair_of)
def test_each_exclusion_of_the_command_line_names_the_options(row, tmp_path):
    np.save(tmp_path / "rows.npy", X)
    gmm.MixtureClassifier().fit(X, HALVES[:, 0].astype(int)).save(tmp_path / "classifier.gmm")
    words = command_of(row.first, row.second)
    tells = row.reason, row.instead.split(" as ")[0], *(word for word in words if word.startswith("--"))
    error = fails(2, *words, tells=tells, cwd=tmp_path)
    assert not any(name in error for name in ("Mixture", "plot_", "predict_", "n_components", "time_limit"))
    assert {path.suffix for path in tmp_path.iterdir()} == {".npy", ".gmm"}, "nothing is written"


@pytest.mark.needs("pyarrow", "rich")
@pytest.mark.parametrize(("kind", "instead"), [("density", "clusters"), ("boundaries", "clusters")])
def test_the_command_line_says_what_python_refuses_in_its_options(kind, instead, tmp_path):
    NOISY.save(tmp_path / "model.gmm")
    np.save(tmp_path / "rows.npy", X)
    told = f"noise cannot be combined with --kind {kind}", f"--kind {instead}"
    fails(2, "plot", "model.gmm", "rows.npy", "--kind", kind, "--out", "a.png", tells=told, cwd=tmp_path)


def pairs_named(function):
    """Yield the pairs that a function names in calls of `check_compatible`, in a dict or one called `others`."""
    nodes = list(ast.walk(function))
    named = [each for each in nodes if isinstance(each, ast.Assign) and getattr(each.targets[0], "id", "") == "others"]
    for call in nodes:
        if getattr(getattr(call, "func", None), "id", "") == "check_compatible" and isinstance(
            call.args[0], ast.Constant
        ):
            features, others = call.args
            given = named[0].value if getattr(others, "id", "") == "others" else others
            dicts = [each for each in ast.walk(given) if isinstance(each, ast.Dict)]
            yield from (frozenset((features.value, key.value)) for each in dicts for key in each.keys)


def test_every_pair_that_the_code_names_is_a_row():
    """One that the table lacks would go through without a word."""
    pairs = set()
    for path in PACKAGE.rglob("*.py"):
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(function, ast.FunctionDef):
                pairs |= {*pairs_named(function)}
    assert len(pairs) > 15
    assert pairs <= {frozenset(pair) for pair in REACHED}


def test_no_two_rows_say_the_same():
    pairs = {frozenset((row.first, row.second)) for row in EXCLUSIONS}
    assert len(EXCLUSIONS) == len(pairs) == len(REACHED) + len(ON_THE_LINE)


# What a fit may have, as parameters of the estimator, arguments of `fit`, and what becomes of the rows.
FEATURES = {
    "sample_weight": {"how": {"sample_weight": np.ones(120)}},
    "labels": {"how": {"labels": LABELS}},
    "errors": {"how": {"error_covariance": ERRORS}},
    "prior": {"prior": "conjugate"},
    "noise": {"noise": True},
    "gaps": {"missing": "em", "rows": lambda rows: GAPS.astype(rows.dtype)},
    "heavy tails": {"tails": "t"},
    "fixed means": FIXED,
    "fixed weights": {"fixed": {"weights": True}, "weights_init": [0.5, 0.5]},
    "refinement": {"refine": "split-merge"},
    "several starts": {"n_init": 3},
    "warm start": {"warm_start": True},
    "responsibilities": {"init_params": HALVES},
    "callable": {"init_params": lambda X, K, rng: HALVES},
    "named start": {"init_params": "k-means++"},
    "textbook EM": {"acceleration": None},
    "callback": {"how": {"callback": lambda iteration: False}},
    "float32": {"rows": lambda rows: rows.astype(np.float32)},
    "VVE": {"covariance_type": "VVE"},
    "max_ratio": {"max_ratio": 2},
    "stream": {"source": stream},
    "partitions": {"source": partitions},
}
ONE_PARAMETER = [{"responsibilities", "callable", "named start"}, {"fixed means", "fixed weights"}]
ONE_PARAMETER += [{"stream", "partitions"}, {"VVE", "max_ratio"}]
PAIRS = [
    pair for pair in itertools.combinations(FEATURES, 2) if not any({*pair} <= together for together in ONE_PARAMETER)
]


@pytest.mark.parametrize("pair", PAIRS, ids=" and ".join)
@pytest.mark.filterwarnings("ignore::gmm.ConvergenceWarning")
def test_a_pair_works_or_the_table_says_why_not(pair):
    parameters, how, rows, source = {}, {}, X, np.asarray
    for name in pair:
        feature = dict(FEATURES[name])
        how |= feature.pop("how", {})
        rows = feature.pop("rows", np.asarray)(rows)
        source = feature.pop("source", source)
        parameters |= feature
    mixture = GaussianMixture(2, random_state=0, max_iter=40, **parameters)
    try:
        mixture.fit(source(rows), **how)
    except ValueError as error:
        if not any(row.message() in str(error) for row in EXCLUSIONS):
            raise
        return
    bounds = mixture.lower_bounds_
    assert np.isfinite(bounds).all()
    if parameters.get("acceleration", "auto") is None:
        assert (np.diff(bounds) > -1e-5).all()
    assert mixture.weights_.sum() <= 1 + 1e-6


def test_the_page_prints_the_table():
    docutils = pytest.importorskip("docutils")
    assert "```{exclusions}\n```\n" in (DOCS / "what-goes-with-what.md").read_text(encoding="utf-8")
    extension = runpy.run_path(str(DOCS / "extensions" / "exclusions.py"))
    (table,) = extension["Exclusions"].run(None)
    cells = [[cell.astext() for cell in row] for row in table.findall(docutils.nodes.row)]
    assert cells[0] == ["this", "with this", "because", "instead"]
    told = [(first, second, *why) for first, both, *why in cells[1:] for second in both.split(", ")]
    assert told == [*map(tuple, EXCLUSIONS)]
    assert len(cells) < 60 < len(told), "pairs with one reason share a row"

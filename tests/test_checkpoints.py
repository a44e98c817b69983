"""Checkpoints: a fit that is killed anywhere continues to the same bits, and to no others."""

import os
import re
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest

import gmm
import inside
from command import json_of, run
from deaths import many_lives
from gmm import BayesianGaussianMixture, GaussianMixture, NormalInverseWishart
from inside import Checkpoint, checkpoints, record_of
from tables import interrupt, noted, refused, warned, with_gaps

pytestmark = [
    pytest.mark.filterwarnings("ignore:Best performing initialization"),
    pytest.mark.usefixtures("_always_due"),
]


def clusters(n=600, d=3, dtype=np.float64):
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) + 2.5 * rng.integers(0, 4, (n, 1))
    return rows.astype(dtype)


X = clusters()
WEIGHT = np.random.default_rng(0).integers(0, 4, len(X)).astype(float)
TIGHT = {"tol": 1e-7, "max_iter": 60, "random_state": 1}


def blocks():
    yield from (X[start : start + 97] for start in range(0, len(X), 97))


def fit_of(mixture, rows=X, **how):
    return warned(mixture.fit, rows, **how)[0]


def facts(mixture):
    """All that a fit found, as values that are equal only if all their bits are."""
    numbers = [mixture.weights_, mixture.means_, mixture.covariances_, mixture.precisions_cholesky_]
    traces = [(t.passes, t.reason, t.converged, t.start, t.refinement) for t in mixture.histories_]
    there = [trace is mixture.history_ for trace in mixture.histories_]
    return [array.tobytes() for array in numbers], mixture.lower_bound_, mixture.lower_bounds_, repr(traces), there


def fit(K=4, cls=GaussianMixture, **how):
    return lambda: cls(n_components=K, **TIGHT | how)


REFINED = {"refine": "split-merge", "init_params": "random", "tol": 1e-3}
FEW = {"rows": np.random.default_rng(14).normal(size=(20, 2))}
TWINS = {"rows": 1e3 * np.concatenate([X[:, [0, 1, 1]], np.repeat(X[:3, [0, 1, 1]] + 20, 40, axis=0)])}
DISTRIBUTION = {"weight_concentration_prior_type": "dirichlet_distribution", "covariance_type": "tied"}
CASES = {
    "starts": (fit(5, n_init=4), {}),
    "screened starts": (fit(3, n_init=5), {"rows": clusters(9000)}),
    "starts that fail": (fit(3, n_init=4, reg_covar=0, tol=1e-8, random_state=14), FEW),
    "float32": (fit(), {"rows": clusters(dtype=np.float32)}),
    "source": (fit(), {"rows": gmm.open_rows(blocks)}),
    "textbook": (fit(acceleration=None, covariance_type="VEV", max_iter=7), {"sample_weight": WEIGHT}),
    "repairs": (fit(3, means_init=[[0.0] * 3, [5.0] * 3, [1e3] * 3], reg_covar=1e-3), {}),
    "rounding eats the ridge": (fit(5, reg_covar=1e-14, warm_start=True), TWINS),
    "gaps": (fit(3, missing="em"), {"rows": gmm.open_rows(lambda: np.array_split(with_gaps(X), 7))}),
    "split-merge": (fit(6, max_iter=500, **REFINED), {}),
    "split-merge on a sample": (fit(6, max_iter=300, **REFINED), {"rows": clusters(40_000, 2)}),
    "Dirichlet process": (fit(6, BayesianGaussianMixture, max_iter=300), {}),
    "Dirichlet distribution": (fit(4, BayesianGaussianMixture, **DISTRIBUTION), {"rows": gmm.open_rows(blocks)}),
}


@pytest.mark.parametrize("watched", [True, False])
@pytest.mark.parametrize("case", CASES)
def test_whatever_a_fit_consists_of(case, watched, tmp_path):
    make, how = CASES[case]
    how = how | ({"callback": lambda iteration: False} if watched else {})
    expected = fit_of(make(), **how)
    how |= {"checkpoint": tmp_path / "fit.ckpt", "resume": True}
    mixture, lives = many_lives(Checkpoint, lambda: fit_of(make(), **how), 1, 500)  # the first is of its beginning
    assert facts(mixture) == facts(expected)
    assert lives >= 2
    assert not case.startswith("split-merge") or expected.history_.refinement.tried >= 8
    assert case != "split-merge" or expected.history_.refinement.moves
    assert not case.startswith("rounding") or record_of(mixture).solver_state is None


def test_a_fit_continues_on_other_threads_and_from_another_kind_of_source(tmp_path):
    path, large = tmp_path / "fit.ckpt", clusters(60_000, 4)
    expected = fit_of(fit(6, n_threads=1)(), large)
    ended = fit_of(fit(6, n_threads=2)(), large, callback=lambda i: i.n_iter == 4, checkpoint=path)
    assert ended.n_iter_ == 4
    np.save(tmp_path / "X.npy", large)
    again = fit_of(fit(6, n_threads=1)(), gmm.open_rows(tmp_path / "X.npy"), checkpoint=path, resume=True)
    assert facts(again) == facts(expected)


SCRIPT = """
    import sys, time, numpy as np, warnings
    warnings.simplefilter("ignore")
    import gmm
    from gmm._persistence import checkpoints
    checkpoints.SECONDS = checkpoints._SHARE = 0
    mixture = gmm.GaussianMixture(5, n_init=3, tol=1e-8, max_iter=80, random_state={seed})
    def slow(iteration):
        print(iteration.n_iter, flush=True)
        time.sleep({seconds})
    mixture.fit(gmm.open_rows({rows!r}), callback=slow, checkpoint={path!r}, resume=True)
    mixture.save({saved!r})
"""


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
def test_a_process_that_is_killed_at_any_pass(tmp_path):
    np.save(tmp_path / "X.npy", clusters(3000))
    rng = np.random.default_rng(0)
    places = {"rows": str(tmp_path / "X.npy"), "path": str(tmp_path / "fit.ckpt"), "saved": str(tmp_path / "saved.gmm")}

    def begin(seconds):
        code = textwrap.dedent(SCRIPT.format(seed=4, seconds=seconds, **places))
        return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)

    for sent in [signal.SIGKILL, signal.SIGTERM] * 2:
        process = begin(0.02)
        for _ in range(int(rng.integers(1, 25))):
            process.stdout.readline()
        process.send_signal(sent)
        process.communicate()
        assert process.returncode == -sent
    process = begin(0)
    printed, _ = process.communicate()
    assert process.returncode == 0
    expected = fit_of(GaussianMixture(5, n_init=3, tol=1e-8, max_iter=80, random_state=4), clusters(3000))
    assert facts(gmm.load(places["saved"])) == facts(expected)
    assert len(printed.split()) < sum(map(len, expected.histories_))


def paused(path, **how):
    """Leave the checkpoint of a fit that was interrupted."""
    return fit_of(fit()(), callback=lambda iteration: iteration.n_iter == 3, checkpoint=path, **how)


BESIDE = {"labels": np.resize([0, -1, 1, -1], len(X)), "error_covariance": np.full(X.shape, 0.1)}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rows": X + 1e-9}, "a digest of X was"),
        ({"rows": X[:-1]}, "the shape of X was '600 × 3 float64' and is '599 × 3 float64'"),
        ({"sample_weight": np.full(len(X), 2.0)}, "a digest of X was"),
        ({"reg_covar": 1e-3, "n_init": 2}, "n_init was 1 and is 2; reg_covar was 1e-06 and is 0.001"),
        ({"means_init": X[:4]}, "means_init was None and is 'an array of shape (4, 3)"),
        ({"init_params": lambda X, K, rng: np.eye(K)[np.arange(len(X)) % K]}, "init_params was 'kmeans' and is"),
        ({"prior": NormalInverseWishart()}, "prior was None and is {'mean': None"),
        ({"labels": np.roll(BESIDE["labels"], 1)}, "a digest of the labels was"),
        ({"error_covariance": 2 * BESIDE["error_covariance"]}, "a digest of X was"),
    ],
)
def test_another_fit_is_refused_with_what_differs(change, words, tmp_path):
    path = tmp_path / "fit.ckpt"
    how = {name: change.pop(name) for name in ("rows", "sample_weight", *BESIDE) if name in change}
    paused(path, **{name: BESIDE[name] for name in how if name in BESIDE})
    before = path.read_bytes()
    told = f"checkpoint of another fit.*{re.escape(words)}"
    refused(told, fit_of, GaussianMixture(4, **TIGHT | change), checkpoint=path, resume=True, **how)
    assert path.read_bytes() == before


def test_another_version_another_estimator_and_other_files_are_refused(tmp_path, monkeypatch):
    path, model, table = tmp_path / "fit.ckpt", tmp_path / "model.gmm", tmp_path / "rows.csv"
    paused(path).save(model)
    table.write_text("a,b\n1,2\n")
    resume = {"checkpoint": path, "resume": True}
    for call, told in {
        lambda: fit_of(fit(cls=BayesianGaussianMixture)(), **resume): r"was 'GaussianMixture'.*is 'BayesianGaussianM",
        lambda: fit_of(fit()(), checkpoint=model, resume=True): r"model\.gmm.*holds 'GaussianMixture'",
        lambda: gmm.load(path): "holds 'Checkpoint', expected",
        lambda: GaussianMixture(4).fit(X, resume=True): "path as checkpoint, got None",
        lambda: GaussianMixture(4).fit(X, checkpoint=3): "path or None for checkpoint",
        lambda: GaussianMixture(2).fit(X, checkpoint=table): r"rows\.csv is not a checkpoint",
        lambda: GaussianMixture(2).fit(X, checkpoint=model): r"model\.gmm is not a checkpoint",
    }.items():
        refused(told, call, error=(TypeError, ValueError))
    assert table.read_text() == "a,b\n1,2\n"
    for _ in range(2):  # without resume, a fit replaces its own file
        GaussianMixture(2, random_state=0).fit(X, checkpoint=tmp_path / "own")
    monkeypatch.setattr(checkpoints, "__version__", "99.0")
    refused(f"was written by version '{gmm.__version__}' of gmm, this is 99.0", fit_of, fit()(), **resume)


def test_a_file_with_wrong_values_is_refused(tmp_path, monkeypatch):
    path, state_of = tmp_path / "fit.ckpt", checkpoints._to_state
    for name, value, words in (
        ("stage", "elsewhere", "expected a stage of a fit in its header, got 'elsewhere'"),
        ("stage", "ended", "is not a complete Checkpoint: 'fit' is missing"),
        ("seeds", ["many"], "expected int for 'seeds'"),
        ("seeds", [], "expected at least one seed"),
    ):
        with monkeypatch.context() as patch:
            wrong = {name: value}
            patch.setattr(checkpoints, "_to_state", lambda it, wrong=wrong: (state_of(it)[0] | wrong, state_of(it)[1]))
            paused(path)
        told = rf"fit\.ckpt.*{re.escape(words)}"
        refused(told, fit_of, GaussianMixture(4, **TIGHT), checkpoint=path, resume=True)


def test_a_full_disk_leaves_the_last_checkpoint_and_a_wrong_place_is_an_error(tmp_path, monkeypatch, full_disk):
    long = TIGHT | {"means_init": X[:4]}
    path, words = tmp_path / "fit.ckpt", "could not be written .No space left on device.; the previous one"
    with pytest.warns(RuntimeWarning, match=words) as caught:
        mixture = GaussianMixture(4, **long).fit(X, callback=lambda _: False, checkpoint=path)
    assert [one.category for one in caught] == [RuntimeWarning]
    assert len(full_disk) > 10
    monkeypatch.undo()
    assert [file.name for file in tmp_path.iterdir()] == ["fit.ckpt"]
    seen = []
    again = fit_of(GaussianMixture(4, **long), callback=lambda i: seen.append(i.n_iter), checkpoint=path, resume=True)
    assert facts(again) == facts(mixture) == facts(fit_of(GaussianMixture(4, **long)))
    assert seen[0] == 4
    how = {"callback": pytest.fail, "checkpoint": tmp_path / "nowhere" / "fit.ckpt"}
    refused("nowhere", fit_of, unfitted := fit()(), error=FileNotFoundError, **how)
    assert not hasattr(unfitted, "means_")


def test_a_fit_that_ended_is_returned_without_a_pass_and_without_resume_it_begins_anew(tmp_path):
    path, make, seen = tmp_path / "fit.ckpt", fit(6, n_init=2, refine="split-merge"), []
    mixture = fit_of(make(), checkpoint=path)
    assert facts(fit_of(make(), callback=pytest.fail, checkpoint=path, resume=True)) == facts(mixture)
    anew = fit_of(fit()(), callback=lambda i: seen.append(i.n_iter), checkpoint=path)
    assert seen == list(range(1, anew.n_iter_ + 1))


@pytest.mark.parametrize("make", [lambda: None, lambda: np.random.default_rng(3), lambda: np.random.RandomState(3)])
def test_starts_by_chance_are_those_of_the_interrupted_fit(make, tmp_path):
    path, stop = tmp_path / "fit.ckpt", {"callback": lambda i: (i.start, i.n_iter) == (1, 2)}
    first = fit_of(fit(6, n_init=3, random_state=make())(), checkpoint=path, **stop)
    whole = fit_of(fit(6, n_init=3, random_state=make())(), checkpoint=path, resume=True)
    assert whole.histories_[0].passes == first.histories_[0].passes
    assert whole.histories_[1].passes[:2] == first.histories_[1].passes
    assert len(whole.histories_) == 3


def test_a_resumed_fit_is_as_warm_as_another_which_has_no_checkpoint(tmp_path):
    path, make = tmp_path / "fit.ckpt", fit(warm_start=True, tol=1e-12)
    fit_of(make(), callback=lambda i: i.n_iter == 9, checkpoint=path)
    warm, other = fit_of(make(), checkpoint=path, resume=True), fit_of(make())
    assert facts(fit_of(warm)) == facts(fit_of(other))


def test_a_short_fit_is_written_at_its_beginning_and_its_end(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "SECONDS", 5.0)
    written = noted(monkeypatch, Checkpoint, "write", lambda file, progress: progress.stage)
    fit_of(GaussianMixture(4, n_init=3, **TIGHT), callback=lambda _: False, checkpoint=tmp_path / "fit.ckpt")
    assert written == ["starts", "ended"]


@pytest.mark.needs("pyarrow")
def test_the_command_goes_on(tmp_path):
    np.save(tmp_path / "X.npy", X)
    words = ["fit", tmp_path / "X.npy", "--bayesian", "--max-components", 12, "--tol", "1e-4"]
    kept = [*words, "--checkpoint", tmp_path / "fit.ckpt", "--resume"]
    resumed, lives = many_lives(Checkpoint, lambda: json_of(*kept), 1, 500)
    assert lives > 2
    assert resumed["best"] == json_of(*words)["best"]


def test_ctrl_c_says_how_to_go_on(tmp_path, monkeypatch):
    path = tmp_path / "fit.ckpt"
    for kept in (path, None):
        error = refused(None, GaussianMixture(2).fit, X, error=KeyboardInterrupt, callback=interrupt, checkpoint=kept)
        notes = getattr(error, "__notes__", [])
        assert notes == ([] if kept is None else [f"the same fit with resume=True goes on from {path}"])
    pytest.importorskip("pyarrow")
    np.save(tmp_path / "X.npy", X)
    monkeypatch.setattr(inside.output, "write_json", interrupt)
    words = ["fit", "X.npy", "--bayesian", "--max-components", "2", "--json"]
    for more, told in (([], ""), (["--checkpoint", "a.ckpt"], "; --checkpoint a.ckpt --resume goes on")):
        done = run(*words, *more, cwd=tmp_path)
        assert (done.returncode, done.stderr.endswith(f"gmm fit: interrupted{told}\n")) == (130, True)

"""Checkpoints of searches: one that is killed anywhere goes on to the same result, without solving anything again."""

import itertools
import json
from contextlib import suppress

import numpy as np
import pytest

import gmm
from deaths import many_lives
from gmm import GaussianMixture, GaussianMixtureSearch
from inside import Clock, SearchCheckpoint, engine, main
from inside import cell_Cell as Cell
from tables import interrupt, refused

pytestmark = pytest.mark.usefixtures("_always_due")

RNG = np.random.default_rng(3)
X = RNG.normal(size=(700, 2)) + 3 * RNG.integers(0, 3, (700, 1))
WEIGHT = RNG.integers(0, 3, 700).astype(float)
WIDE = RNG.normal(size=(150, 2)) @ RNG.normal(size=(2, 64)) + RNG.normal(size=(150, 64))
COUNTS, TYPES = [1, 2, 3, 4], ["full", "EEI", "VEV"]


def facts(selection):
    """All that a search found but its seconds, as values that are equal only if all their bits are."""
    fits = [
        None if one is None else (one.means_.tobytes(), one.covariances_.tobytes(), one.lower_bounds_)
        for one in selection.estimators
    ]
    counts = selection.n_fresh_starts, selection.n_found_again, selection.complete
    return selection.scores.tobytes(), selection.icl.tobytes(), selection.status, fits, counts


CASES = {
    "of rows in memory": {},
    "on two threads": {"n_threads": 2},
    "with more starts": {"n_init": 2, "refine": "split-merge"},
    "with a prior": {"prior": "conjugate"},
    "with noise": {"noise": True},
    "with weights": {"sample_weight": WEIGHT},
    "of textbook EM": {"acceleration": None},
    "with cells that fail": {"reg_covar": 0.0, "X": np.repeat(X[:12], 9, axis=0)},
    "with tails": {"tails": ("normal", "t")},
    "with known components": {"fixed": {"means": True}, "means_init": [[0.0, 0.0], [3.0, 3.0]], "n_components": [2, 3]},
    "of factors": {"X": WIDE, "covariance_type": ["diag", "factor"], "n_factors": [1, 2], "n_init": 2},
}


@pytest.mark.parametrize("case", CASES)
def test_a_search_that_dies_again_and_again_has_the_same_bits(case, tmp_path, monkeypatch):
    monkeypatch.setattr(engine, "CELLS_WORTH_THREADS", 0)
    how = {"X": X, "n_components": COUNTS[:3], "covariance_type": TYPES, "random_state": 1, "n_threads": 1}
    how |= CASES[case]
    whole, path = facts(gmm.select(**how)), tmp_path / "search.ckpt"
    again, life = many_lives(SearchCheckpoint, lambda: gmm.select(checkpoint=path, resume=True, **how), 10, 50)
    assert life > 2
    assert facts(again) == whole


def test_what_was_solved_is_not_solved_again(tmp_path, monkeypatch):
    path, passes = tmp_path / "search.ckpt", []
    how = {"n_components": COUNTS, "covariance_type": TYPES, "random_state": 1, "checkpoint": path}
    whole = gmm.select(X, **how)
    with monkeypatch.context() as patched:
        for name in ("_solved", "_retried", "_refined"):
            patched.setattr(Cell, name, None)
        again = gmm.select(X, **how, resume=True, callback=passes.append)
    assert facts(again) == facts(whole)
    assert passes


@pytest.mark.parametrize("random_state", [None, np.random.RandomState(1), np.random.default_rng(1)], ids=str)
def test_chance_is_that_of_the_interrupted_search(random_state, tmp_path):
    path = tmp_path / "search.ckpt"
    how = {"n_components": [3], "covariance_type": "full", "random_state": random_state, "checkpoint": path}
    assert facts(gmm.select(X, **how)) == facts(gmm.select(X, **how, resume=True))


def test_a_search_whose_time_was_up_goes_on(tmp_path, monkeypatch):
    """What was left where it stood, for want of time, is no result."""
    how = {"n_components": COUNTS[:3], "covariance_type": TYPES, "random_state": 1, "tol": 1e-7, "n_threads": 1}
    whole = facts(gmm.select(X, **how))
    for most in (*range(3, 40, 9), 100, 300):
        asked = itertools.count()
        with monkeypatch.context() as patched:
            patched.setattr(Clock, "is_up", lambda clock, n=most, asked=asked: next(asked) > n and clock.has_solution)
            ended = gmm.select(X, **how, checkpoint=tmp_path / "search.ckpt", time_limit=99)
        assert not ended.complete or most >= 100
        assert facts(gmm.select(X, **how, checkpoint=tmp_path / "search.ckpt", resume=True)) == whole


def test_a_search_that_its_callback_ended_goes_on(tmp_path):
    how = {"n_components": COUNTS, "covariance_type": TYPES, "random_state": 2, "checkpoint": tmp_path / "search.ckpt"}
    for last in (2, 3):  # the best cell is then finished from where it is, and is better later
        gmm.select(X, **how, callback=lambda progress, last=last: progress.n_components == last, resume=True)
    assert facts(gmm.select(X, **how, resume=True)) == facts(gmm.select(X, **how))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"X": X + 1}, "a digest of X was"),
        ({"n_components": [1, 2]}, "n_components was [1, 2, 3, 4] and is [1, 2]"),
        ({"covariance_type": "full"}, "covariance_type was ['full', 'EEI', 'VEV'] and is ['full']"),
        ({"n_init": 3, "tol": 1e-4}, "n_init was 1 and is 3"),
        ({"random_state": 2}, "random_state was 1 and is 2"),
        ({"tails": "t"}, "tails was ['normal'] and is ['t']"),
        ({"fixed": {"means": True}, "means_init": [[0.0, 0.0]]}, "means_init was None and is"),
    ],
)
def test_another_search_is_refused_with_what_differs(change, words, tmp_path):
    how = {"X": X, "n_components": COUNTS, "covariance_type": TYPES, "random_state": 1, "time_limit": 0}
    gmm.select(**how, checkpoint=tmp_path / "search.ckpt")
    how |= {"checkpoint": tmp_path / "search.ckpt", "resume": True} | change
    assert words in str(refused("checkpoint of another search", gmm.select, **how))


def test_other_files_are_refused(tmp_path):
    fit, search = tmp_path / "fit.ckpt", tmp_path / "search.ckpt"
    GaussianMixture(2, random_state=0).fit(X, checkpoint=fit)
    gmm.select(X, 2, "full", random_state=0, checkpoint=search)
    refused(r"fit\.ckpt.*holds 'Checkpoint'", gmm.select, X, 2, "full", random_state=0, checkpoint=fit, resume=True)
    with pytest.raises(ValueError, match=r"fit\.ckpt is not a checkpoint: expected one, or a path without a file"):
        gmm.select(X, 2, "full", random_state=0, checkpoint=fit)
    refused(r"search\.ckpt.*holds 'SearchCheckpoint'", GaussianMixture(2).fit, X, checkpoint=search, resume=True)
    refused("expected its path as checkpoint", gmm.select, X, 2, "full", resume=True)


def test_a_damaged_file_is_refused(tmp_path):
    path, rng, n_refused = tmp_path / "search.ckpt", np.random.default_rng(0), 0
    how = {"n_components": [1, 2], "covariance_type": "full", "random_state": 0, "checkpoint": path}
    expected = facts(gmm.select(X, **how))
    content = path.read_bytes()
    for _ in range(60):
        damaged = bytearray(content)
        damaged[rng.integers(len(content))] ^= 1 << rng.integers(8)
        path.write_bytes(damaged if rng.uniform() < 0.8 else content[: rng.integers(len(content))])
        with suppress(ValueError):  # but for a byte that a ZIP archive keeps twice, or reads nowhere
            assert facts(gmm.select(X, **how, resume=True)) == expected
            continue
        n_refused += 1
    assert n_refused > 30


def test_a_full_disk_leaves_the_last_checkpoint_and_the_search_goes_on(tmp_path, monkeypatch, full_disk):
    path = tmp_path / "search.ckpt"
    how = {"n_components": COUNTS, "covariance_type": TYPES, "random_state": 1, "n_threads": 1}
    with pytest.warns(RuntimeWarning, match="the previous one is unchanged, and the search goes on"):
        found = gmm.select(X, **how, checkpoint=path)
    assert len(full_disk) > 4
    monkeypatch.undo()
    assert [file.name for file in tmp_path.iterdir()] == ["search.ckpt"]
    assert facts(found) == facts(gmm.select(X, **how, checkpoint=path, resume=True)) == facts(gmm.select(X, **how))


def test_ctrl_c_says_how_to_go_on(tmp_path):
    path = tmp_path / "search.ckpt"
    error = refused(None, gmm.select, X, [2, 3], "full", error=KeyboardInterrupt, checkpoint=path, callback=interrupt)
    assert error.__notes__ == [f"the same search with resume=True goes on from {path}"]


def test_the_estimator_and_the_command_keep_one_too(tmp_path, monkeypatch, capsys):
    search, path = GaussianMixtureSearch((1, 2, 3), "full", random_state=0), tmp_path / "search.ckpt"
    whole = facts(search.fit(X, checkpoint=path).selection_)
    with monkeypatch.context() as patched:
        patched.setattr(Cell, "_solved", None)
        assert facts(search.fit(X, checkpoint=path, resume=True).selection_) == whole
    pytest.importorskip("pyarrow")
    np.save(tmp_path / "X.npy", X)
    words = ["fit", str(tmp_path / "X.npy"), "--components", "1:3", "--covariance", ",".join(TYPES), "--json"]
    words += ["--checkpoint", str(tmp_path / "a.ckpt")]
    told = []
    for more in ([], ["--resume"]):
        assert main([*words, *more]) == 0
        told.append(json.loads(capsys.readouterr().out)["best"])
    assert told[0] == told[1]

"""Climbs told start by start and pass by pass: `histories_`, and `em_steps`."""

import pickle
from pathlib import Path

import numpy as np
import pytest

import gmm
from gmm import GaussianMixture, select
from gmm.selection import engine


def overlapping(seed, n=400, d=2, K=3, distance=2.0):
    """Rows of K Gaussians that are not told apart: EM takes its time."""
    rng = np.random.default_rng(seed)
    centres = distance * rng.normal(size=(K, d))
    return centres[rng.integers(K, size=n)] + rng.normal(size=(n, d))


# --- histories_ ---------------------------------------------------------------------------------


def test_every_start_that_was_climbed_has_a_history():
    X, ended = overlapping(0), []
    model = GaussianMixture(3, n_init=5, init_params="random_from_data", random_state=0, tol=1e-6)
    model.fit(X, callback=lambda iteration: ended.append((iteration.start, iteration.lower_bound)) and None)
    assert [trace.start for trace in model.histories_] == list(range(5))
    for trace in model.histories_:
        assert list(trace.lower_bounds) == [bound for start, bound in ended if start == trace.start]
    assert sum(trace is model.history_ for trace in model.histories_) == 1
    assert max(trace.lower_bounds[-1] for trace in model.histories_) == model.history_.lower_bounds[-1]


def test_a_start_that_was_left_out_has_none(capsys):
    X = overlapping(1, n=20_000, d=3, K=6, distance=4.0)
    model = GaussianMixture(6, n_init=6, init_params="random_from_data", random_state=0, verbose=1).fit(X)
    skipped = capsys.readouterr().out.count("not climbed")
    assert skipped > 0
    assert len(model.histories_) == 6 - skipped
    assert model.history_ in model.histories_


def test_a_refinement_stands_where_its_start_stood():
    X = overlapping(1, n=900, K=6, distance=5.0)
    asked = {"n_init": 3, "init_params": "random_from_data", "max_iter": 500, "random_state": 0}
    plain = GaussianMixture(6, **asked).fit(X)
    refined = GaussianMixture(6, refine="split-merge", **asked).fit(X)
    assert refined.history_.refinement.moves
    assert [trace.start for trace in refined.histories_] == [trace.start for trace in plain.histories_]
    for before, after in zip(plain.histories_, refined.histories_, strict=True):
        assert (after is refined.history_) == (before is plain.history_)
        assert after is refined.history_ or after.passes == before.passes


def test_a_callback_that_ends_the_fit_leaves_the_climbs_so_far():
    X = overlapping(0)
    model = GaussianMixture(3, n_init=4, init_params="random_from_data", random_state=0)
    model.fit(X, callback=lambda iteration: iteration.start == 1 and iteration.n_iter == 2)
    assert [trace.start for trace in model.histories_] == [0, 1]
    assert model.histories_[1].reason == "stopped by the callback"


def test_what_was_set_by_hand_has_no_history():
    model = GaussianMixture(2, random_state=0).fit(overlapping(0))
    model.weights_ = [0.5, 0.5]
    assert not hasattr(model, "histories_")
    assert not hasattr(GaussianMixture(2), "histories_")
    assert not hasattr(GaussianMixture.from_parameters([1.0], [[0.0]], [[[1.0]]]), "histories_")


@pytest.mark.filterwarnings("ignore::gmm.ConvergenceWarning")
def test_a_warm_start_tells_of_its_one_climb():
    X = overlapping(2)
    warm = GaussianMixture(3, n_init=3, max_iter=1, tol=0, warm_start=True, random_state=0)
    assert len(warm.fit(X).histories_) == 3
    for _ in range(29):
        assert warm.fit(X).histories_ == (warm.history_,)
    whole = GaussianMixture(3, n_init=3, max_iter=30, tol=0, random_state=0).fit(X)
    assert len(whole.histories_) == 3


def test_histories_go_to_files_and_pickles_and_back(tmp_path):
    model = GaussianMixture(3, n_init=4, init_params="random_from_data", random_state=1).fit(overlapping(0))
    model.save(tmp_path / "model")
    for copy in (GaussianMixture.load(tmp_path / "model"), pickle.loads(pickle.dumps(model))):
        assert copy.histories_ == model.histories_
        assert copy.history_ == model.history_
        assert any(trace is copy.history_ for trace in copy.histories_)
    GaussianMixture.load(tmp_path / "model").save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "model").read_bytes()


def test_a_file_from_before_holds_one_history():
    model = gmm.load(Path(__file__).parent / "data" / "model-v1.gmm")
    assert model.histories_ == (model.history_,)


def test_a_selection_keeps_them(tmp_path):
    found = select(overlapping(0), [2, 3], ["full", "tied"], random_state=0)
    found.save(tmp_path / "found")
    for selection in (found, gmm.Selection.load(tmp_path / "found")):
        for model in selection.estimators:
            assert model.histories_ == (model.history_,)


def test_a_climb_without_time_says_so(monkeypatch):
    """The clock is looked at before each cell, then between the legs of its climbs."""
    X = overlapping(5, n=600, K=5)

    def reasons(n_looks):
        looks = []

        def is_up(clock):
            looks.append(clock.found)
            return clock.found and sum(looks) > n_looks

        monkeypatch.setattr(engine.Clock, "is_up", is_up)
        found = select(X, [2, 5], "full", random_state=0, time_limit=9)
        return [model.history_.reason for model in found.estimators if model is not None]

    told = [reason for n_looks in range(12) for reason in reasons(n_looks)]
    assert "the time of the search was up" in told
    assert "to be continued" not in told

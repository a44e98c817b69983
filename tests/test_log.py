"""The logger "gmm": what it says of a fit and of a search, and that it changes and costs nothing."""

import logging

import numpy as np
import pytest

import gmm
from gmm import BayesianGaussianMixture, GaussianMixture

RNG = np.random.default_rng(0)
X = np.concatenate([RNG.normal(size=(100, 2)), RNG.normal(6, 1, size=(100, 2))])


def lines(caplog, level):
    return [record.getMessage() for record in caplog.records if record.name == "gmm" and record.levelno == level]


def test_a_fit_says_how_it_begins_and_how_each_start_ends(caplog):
    caplog.set_level(logging.INFO, "gmm")
    fitted = GaussianMixture(2, n_init=2, refine="split-merge", random_state=0).fit(X)
    told = lines(caplog, logging.INFO)
    assert told[0] == "fit: rows 200, features 2, components 2, full"
    ends = [line for line in told if f"({fitted.history_.reason})" in line]
    assert len(ends) == len(fitted.histories_)
    assert ends[0].startswith("start 1/2  converged")
    assert "split-merge" in told[-1]
    assert not lines(caplog, logging.DEBUG)
    BayesianGaussianMixture(n_components=3, random_state=0).fit(X)
    assert "lower bound" in lines(caplog, logging.INFO)[-1]


@pytest.mark.parametrize("acceleration", ["auto", None])
def test_every_pass_is_told_at_debug_and_changes_nothing(caplog, acceleration):
    mixture = GaussianMixture(3, acceleration=acceleration, random_state=0)
    quiet = mixture.fit(X).means_
    caplog.set_level(logging.DEBUG, "gmm")
    loud = GaussianMixture(3, acceleration=acceleration, random_state=0).fit(X)
    passes = lines(caplog, logging.DEBUG)
    assert len(passes) == loud.n_iter_
    assert passes[0].startswith("start 1/1  pass    1  ")
    np.testing.assert_array_equal(loud.means_, quiet)


def test_a_search_tells_every_cell(caplog):
    caplog.set_level(logging.INFO, "gmm")
    gmm.select(X, [1, 2], ["full", "diag"], random_state=0)
    told = "\n".join(lines(caplog, logging.INFO))
    assert "search: components 2, full  log-likelihood" in told
    assert "search: components 2, diag  log-likelihood" in told


def test_nothing_is_printed_unless_asked(capfd):
    GaussianMixture(2, random_state=0).fit(X)
    gmm.select(X, 1)
    assert capfd.readouterr() == ("", "")
    assert [type(handler) for handler in logging.getLogger("gmm").handlers] == [logging.NullHandler]

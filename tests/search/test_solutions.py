"""Other solutions near the best of a search: they divide the rows otherwise."""

import re
from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.metrics import adjusted_rand_score

from gmm import GaussianMixture, Selection, select
from tables import assert_contains, refused


@pytest.fixture(scope="module")
def of_flowers():
    flowers = load_iris(return_X_y=True)[0]
    flowers = (flowers - flowers.mean(axis=0)) / flowers.std(axis=0)
    return flowers, select(flowers, range(2, 5), ["EEE", "VEV", "VVV"], random_state=0)


def test_solutions_divide_the_rows_otherwise_at_about_the_same_criterion(of_flowers):
    flowers, found = of_flowers
    first, *others = found.solutions()
    assert first[1:] == (found.scores[found.best_index], found.n_found_again, found.n_new_starts, 0.0)
    assert first.mixture is found.best
    assert len(others) == 1
    for one in others:
        mixture = one.mixture
        assert one.criterion == pytest.approx(mixture.bic(flowers), abs=0.1)
        assert one.criterion <= found.bic.min() + 10
        assert 0 < one.n_starts <= one.n_seeds
        labels, of_best = mixture.predict(flowers), found.best.predict(flowers)
        assert adjusted_rand_score(labels, of_best) < 0.9
        tables = [[np.sum((of_best == a) & (labels == b)) for b in range(3)] for a in range(3)]
        stay = max(sum(tables[a][b] for a, b in enumerate(order)) for order in permutations(range(3)))
        assert one.share_moved == pytest.approx(1 - stay / len(flowers))
        np.testing.assert_array_equal(GaussianMixture(**mixture.get_params()).fit(flowers).means_, mixture.means_)
    told = repr(found)
    assert_contains(told, "another solution within 10 BIC\n", "cells farther from the best had few starts")
    assert re.search(r"2 VVV \(\+\d\.\d+\): 31.% of rows in other groups\n\d+ of \d+ random starts found it", told)
    np.testing.assert_array_equal(found.pursued, found.bic <= found.bic.min() + 10)
    assert "farther" not in repr(select(flowers, 1, random_state=0))


def test_solutions_of_standardised_columns_are_those_of_the_columns(of_flowers):
    scales, (flowers, found) = np.array([1e3, 1, 1e-2, 5]), of_flowers
    other = select(flowers * scales, range(2, 5), ["EEE", "VEV", "VVV"], random_state=0, standardize=True)
    (one,), (mine,) = other.others, found.others
    shift = 2 * len(flowers) * np.log(scales).sum()
    assert one.criterion == pytest.approx(mine.criterion + shift, abs=1e-3)
    assert one.mixture.bic(flowers * scales) == pytest.approx(one.criterion, abs=0.1)
    assert repr(other).split("another")[1] == repr(found).split("another")[1]


def test_one_solution_is_all_where_groups_lie_apart_and_criteria_of_rows_tell_none(of_flowers):
    rng = np.random.default_rng(0)
    found = select(np.concatenate([rng.normal(-4, 1, (60, 2)), rng.normal(4, 1, (40, 2))]), range(1, 4), random_state=0)
    assert [one.mixture for one in found.solutions()] == [found.best]
    assert "another solution" not in repr(found)
    for how in ({"criterion": "icl"}, {"prior": "conjugate"}):
        assert len(select(of_flowers[0], [2, 3], "VVV", random_state=0, **how).solutions()) == 1


def test_a_file_has_the_other_solutions(of_flowers, tmp_path):
    flowers, found = of_flowers
    found.save(tmp_path / "found.gmm")
    again = Selection.load(tmp_path / "found.gmm")
    assert repr(again) == repr(found)
    for one, other in zip(found.others, again.others, strict=True):
        assert one[1:] == other[1:]
        np.testing.assert_array_equal(one.mixture.predict_proba(flowers), other.mixture.predict_proba(flowers))
    (one,) = found.others
    for wrong in ({"n_starts": 9}, {"share_moved": 1.5}, {"n_seeds": 0.5}):
        replace(found, others=(one._replace(**wrong),)).save(tmp_path / "wrong.gmm")
        refused("'others'", Selection.load, tmp_path / "wrong.gmm")

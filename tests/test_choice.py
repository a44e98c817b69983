"""How a search is laid out: it fits the width, and says all that there is to say."""

from dataclasses import replace
from importlib.resources import files

import numpy as np
import pytest
from rich.console import Console

from gmm import select
from inside import CRITERIA, PARSIMONIOUS, choice

X = np.loadtxt(files("gmm") / "data" / "faithful.csv", delimiter=",", skiprows=1)


@pytest.fixture(scope="module")
def found():
    return select(X, range(1, 6), random_state=0)


def lines(found, width=80):
    """What is printed in a terminal of this width."""
    console = Console(width=1000, color_system=None)
    with console.capture() as printed:
        console.print(*choice(found, width), sep="\n", soft_wrap=True)
    return [line.rstrip() for line in printed.get().splitlines()]


def marked(found, **statuses):
    """With other statuses, by the cell's components and type."""
    cells = (f"{name}_{K}" for name, K in zip(found.covariance_type, found.n_components, strict=True))
    told = (statuses.get(cell, status) for cell, status in zip(cells, found.status, strict=True))
    return replace(found, status=tuple(told))


def listed(shown, n):
    """The first mixtures of the list, and the line behind them."""
    first = next(number for number, line in enumerate(shown) if "loglik" in line) + 2
    return [line.replace("★", "").split() for line in shown[first : first + n]], shown[first + n]


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120])
@pytest.mark.parametrize("criterion", CRITERIA)
def test_no_line_is_longer_than_the_terminal(found, criterion, width):
    turned = replace(found, criterion=criterion, scores=getattr(found, criterion))
    least = 52  # of the title, and the list's columns that are never left out
    assert max(map(len, lines(turned, width))) <= max(width, least)


@pytest.mark.parametrize(("width", "decimals"), [(120, 2), (50, 2), (45, 1), (40, 0), (30, 2)])
def test_every_cell_is_in_the_grid(found, width, decimals):
    shown, grid = lines(found, width), {}
    for line in shown[: next(n for n, line in enumerate(shown) if "loglik" in line)]:
        words = line.split()
        if words and words[0] == "model":
            heading = words[1:]
        elif words and words[0] in PARSIMONIOUS:
            grid |= {(words[0], K): text for K, text in zip(heading, words[1:], strict=True)}
    cells = zip(found.covariance_type, found.n_components, found.scores, strict=True)
    for number, (name, K, score) in enumerate(cells):
        star = "★" if number == found.best_index else ""
        assert grid[name, f"K={K}"] == f"{star}{score:.{decimals}f}"
    assert len(grid) == len(found.scores)


def test_ten_are_listed_from_the_best_on_each_mixture_once(found):
    rows, behind = listed(lines(found), 10)
    deltas = [float(words[5]) for words in rows]
    assert deltas == sorted(deltas)
    assert deltas[0] == 0
    assert len({tuple(words[:2]) for words in rows}) == 10
    assert behind.startswith("★ best (smallest)")
    ones, _ = listed(lines(select(X[:, :1], [1, 2], random_state=0), 100), 3)
    assert {tuple(words[:2]) for words in ones} == {("2", "V"), ("2", "E"), ("1", "E")}


def test_what_was_not_chosen_is_marked(found):
    told = {"EEE_2": "degenerate: component 1", "VVV_3": "failed: no more rows", "EVV_3": "failed: no more rows"}
    shown = "\n".join(lines(marked(found, **told, EII_5="not tried", VII_5="not converged"), 100))
    signs = "^2325.22", "~3129.05", "3 EVV, VVV failed: no more rows", "^ a component is degenerate"
    assert all(sign in shown for sign in (*signs, "~ not converged", "– not tried"))
    assert shown.count("failed") == 3
    assert "^" not in shown[shown.index("loglik") : shown.index("★ best")]
    failed = marked(found, **{f"{name}_2": "failed: no" for name in PARSIMONIOUS})
    assert [line for line in lines(failed) if "failed:" in line] == ["2 all models failed: no"]


def test_spikes_are_listed_only_where_there_is_nothing_else(found):
    sound, spike = {"EEE_3", "EEE_4", "VVE_2"}, "degenerate: component 0"
    cells = [f"{name}_{K}" for name, K in zip(found.covariance_type, found.n_components, strict=True)]
    rows, _ = listed(lines(marked(found, **dict.fromkeys({*cells} - sound, spike)), 100), 3)
    assert [words[:2] for words in rows] == [["3", "EEE"], ["4", "EEE"], ["2", "VVE"]]
    rows, _ = listed(lines(marked(found, **dict.fromkeys(cells, spike)), 100), 10)
    assert all("^" in "".join(words) for words in rows)


def test_a_number_of_components_that_was_not_tried_takes_no_room(found):
    turned = marked(found, **{f"{name}_5": "not tried" for name in PARSIMONIOUS})
    shown = lines(replace(turned, complete=False))
    assert "K=4" in shown[1]
    assert "K=5" not in shown[1]
    assert shown[-1].endswith("56 of 70 models tried")
    assert "every model was fitted once" in lines(replace(found, complete=False))[-1]

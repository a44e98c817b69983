"""How a search is laid out: it fits the width, and says all that there is to say."""

from dataclasses import replace
from importlib.resources import files

import numpy as np
import pytest
from rich.console import Console

from gmm import select
from inside import CLASSIC, CRITERIA, PARSIMONIOUS, choice

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
    told = list(found.status)
    for cell, status in statuses.items():
        name, K = cell.split("_")
        told[next(n for n, k in enumerate(found.n_components) if (k, found.covariance_type[n]) == (int(K), name))] = (
            status
        )
    return replace(found, status=tuple(told))


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120])
@pytest.mark.parametrize("criterion", CRITERIA)
def test_no_line_is_longer_than_the_terminal(found, criterion, width):
    turned = replace(found, criterion=criterion, scores=getattr(found, criterion))
    assert max(map(len, lines(turned, width))) <= max(
        width, 52
    )  # the title, and the list's columns that are never left out


def test_criteria_without_room_are_named(found):
    headings = next(line for line in lines(found, 60) if line.lstrip().startswith("K  model"))
    (told,) = [line for line in lines(found, 60) if "too narrow to show" in line]
    assert [name in headings for name in ("BIC", "NEC")] == [True, False]
    for criterion in ("AIC", "AICc", "ICL", "NEC"):
        assert (criterion in headings.split()) != (criterion in told.replace(",", "").split())
    assert "too narrow" not in "".join(lines(found, 120))


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


def test_what_is_more_numerous_goes_down():
    few = select(X, range(1, 7), CLASSIC, random_state=0)
    shown = lines(few)
    assert shown[1].split() == ["K", *CLASSIC]
    assert [line.split()[0] for line in shown[3:9]] == list("123456")


def test_ten_are_listed_from_the_best_on_each_mixture_once(found):
    shown = lines(found)
    first = next(n for n, line in enumerate(shown) if "loglik" in line) + 2
    listed = [line.replace("★", "").split() for line in shown[first : first + 10]]
    deltas = [float(words[5]) for words in listed]
    assert deltas == sorted(deltas)
    assert deltas[0] == 0
    assert len({tuple(words[:2]) for words in listed}) == 10
    assert shown[first + 10].startswith("★ best (smallest)")
    ones = lines(select(X[:, :1], [1, 2], random_state=0), 100)
    first = next(n for n, line in enumerate(ones) if "loglik" in line) + 2
    ones = ones[first : first + 3]
    assert {tuple(line.split()[-10:-8]) for line in ones} == {
        ("2", "V"),
        ("2", "E"),
        ("1", "E"),
    }


def test_what_was_not_chosen_is_marked(found):
    told = {"EEE_2": "degenerate: component 1", "VVV_3": "failed: no more rows", "EVV_3": "failed: no more rows"}
    turned = marked(found, **told, EII_5="not tried", VII_5="not converged")
    shown = "\n".join(lines(turned, 100))
    assert "^2325.22" in shown
    assert "~3129.05" in shown
    assert shown.count("failed") == 3
    assert "3 EVV, VVV failed: no more rows" in shown
    assert "^ a component is degenerate" in shown
    assert "~ not converged" in shown
    assert "– not tried" in shown
    listed = shown[shown.index("loglik") : shown.index("★ best")]
    assert "^" not in listed
    failed = marked(found, **{f"{name}_2": "failed: no" for name in PARSIMONIOUS})
    assert [line for line in lines(failed) if "failed:" in line] == ["2 all models failed: no"]


def test_spikes_are_listed_only_where_there_is_nothing_else(found):
    sound = {"EEE_3", "EEE_4", "VVE_2"}
    cells = [f"{name}_{K}" for name, K in zip(found.covariance_type, found.n_components, strict=True)]
    spiked = dict.fromkeys([cell for cell in cells if cell not in sound], "degenerate: component 0")
    shown = lines(marked(found, **spiked), 100)
    first = next(n for n, line in enumerate(shown) if "loglik" in line) + 2
    listed = shown[first : first + 3]
    assert [line.replace("★", "").split()[:2] for line in listed] == [
        ["3", "EEE"],
        ["4", "EEE"],
        ["2", "VVE"],
    ]
    shown = lines(marked(found, **dict.fromkeys(cells, "degenerate: component 0")), 100)
    assert all("^" in line for line in shown[first : first + 10])


def test_a_number_of_components_that_was_not_tried_takes_no_room(found):
    turned = marked(found, **{f"{name}_5": "not tried" for name in PARSIMONIOUS})
    shown = lines(replace(turned, complete=False))
    assert "K=4" in shown[1]
    assert "K=5" not in shown[1]
    assert shown[-1].endswith("56 of 70 models tried")
    assert "every model was fitted once" in lines(replace(found, complete=False))[-1]


def test_few_cells_are_a_list_alone_and_one_has_no_rival():
    shown = lines(select(X, [2, 3], CLASSIC, random_state=0))
    assert shown[10].startswith("★ best (smallest)")
    assert "found again by" in "".join(shown)
    assert shown[0].split()[:3] == ["K", "model", "loglik"]
    alone = lines(select(X, 2, "VVE", random_state=0))
    assert len(alone) in (3, 4)  # whether fresh starts were made or not
    assert "★" not in "".join(alone)

"""What was measured, for readers: Markdown of stored figures, and a plot of the grid."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.goals import OF_LIMIT, SCALING, VS_BASELINE, VS_BEST, VS_DAAL4PY, wording
from benchmarks.peers import OURS, OWN
from benchmarks.peers import PEERS as KNOWN
from benchmarks.problems import GRID
from benchmarks.report import Report, factor, line, number, percent, rule
from benchmarks.settings import Settings

PEERS: tuple[str, ...] = ()
THREADS = (1,)
Row = dict[str, Any]
# Okabe and Ito's colours, which the colour-blind tell apart, and markers for who sees none; ours is black. In this
# order they stand above each other in a cell's row, so that nobody hides another.
LOOKS = {
    "gmm (blas)": ("#000000", "d"),
    "sklearn": ("#E69F00", "o"),
    "armadillo": ("#009E73", "^"),
    "mclust": ("#CC79A7", "v"),
    "gmm": ("#000000", "D"),
    "gmmx": ("#D55E00", "P"),
    "pomegranate": ("#56B4E9", "X"),
    "tgmm": ("#B8A900", "<"),
    "daal4py": ("#0072B2", "s"),
}
HEIGHTS = dict(zip(LOOKS, np.linspace(0.32, -0.32, len(LOOKS)), strict=True))


def add_arguments(parser: ArgumentParser) -> None:
    """Add the files."""
    parser.add_argument("files", metavar="FILE.json", type=Path, nargs="+", help="what --json has written")
    parser.add_argument("--markdown", type=Path, help="file to write the Markdown to, instead of standard output")
    parser.add_argument("--plot", type=Path, help="PNG to draw the grid to")


def run(settings: Settings, report: Report) -> bool:
    """Write what is asked for."""
    given = settings.arguments
    contents = [json.loads(path.read_text()) for path in given.files]
    text = markdown(contents)
    if given.markdown:
        given.markdown.write_text(text)
    else:
        print(text)
    rows = grid_rows(contents)
    if given.plot and rows:
        try:
            draw(rows, given.plot)
        except ImportError as reason:
            report.skipped("the plot", str(reason))
    return True


def grid_rows(contents: Iterable[Mapping[str, Any]]) -> list[Row]:
    """Return the grid's rows in the grid's order; of two for one cell the later."""
    rows = [row for content in contents if content["question"] == "grid" for row in content["rows"]]
    latest = {(row["problem"], row["dtype"], row["n_threads"]): row for row in rows}
    order = [problem.name for problem in GRID]
    return sorted(latest.values(), key=lambda row: order.index(row["problem"]) if row["problem"] in order else -1)


def markdown(contents: Sequence[Mapping[str, Any]]) -> str:
    """Return everything: the grid by dtype and threads, and the other questions' tables as they were printed."""
    rows = grid_rows(contents)
    lines = [] if not rows else ["Milliseconds per EM iteration, the same start and number of iterations.", ""]
    for dtype, n_threads in sorted({(row["dtype"], row["n_threads"]) for row in rows}, key=panel_order):
        chosen = [row for row in rows if (row["dtype"], row["n_threads"]) == (dtype, n_threads)]
        lines += [*grid_table(chosen, dtype, n_threads), ""]
    if rows:
        lines += [*memory_table(rows), ""]
    for content in contents:
        if content["question"] != "grid":
            lines += [f"`python -m benchmarks {content['question']}`", "", *stored_table(content), ""]
    return "\n".join([*lines, *(f"- {text}" for text in conditions(contents))]) + "\n"


def panel_order(panel: tuple[str, int]) -> tuple[int, str]:
    """Return the order of tables and plots: one thread first, float64 first."""
    dtype, n_threads = panel
    return n_threads, "" if dtype == "float64" else dtype


def grid_table(rows: Sequence[Row], dtype: str, n_threads: int) -> list[str]:
    """Return a Markdown table of milliseconds and ratios."""
    peers = present(rows)
    ratios = (VS_BASELINE, VS_BEST, OF_LIMIT) if n_threads == 1 else (VS_BASELINE, VS_DAAL4PY, SCALING)
    what = f"{dtype}, {n_threads} thread{'s' * (n_threads > 1)}: rows × features, K, type"
    titles = (what, *peers, "limit", *ratios, "goals", "verdict")
    lines = [line(titles), rule(len(titles))]
    for row in rows:
        figures = [ratio(name, row["figures"].get(name)) for name in ratios]
        ms = [number(milliseconds(row, name)) for name in peers]
        lines.append(
            line(
                (
                    readable(row["problem"]),
                    *ms,
                    number(known(row["limit_ms"])),
                    *figures,
                    wording(row["goals"]),
                    row["verdict"],
                )
            )
        )
    return lines


def memory_table(rows: Sequence[Row]) -> list[str]:
    """Return a Markdown table of the megabytes that a fit adds to its process, on one thread."""
    alone = [row for row in rows if row["n_threads"] == 1]
    peers = [name for name in present(alone) if name not in OWN[1:]]
    lines = [line(("MB that a fit adds", "dtype", *peers)), rule(2 + len(peers))]
    for row in alone:
        grown = (known(row["peers"].get(name, {}).get("grown_mb")) for name in peers)
        lines.append(line((readable(row["problem"]), row["dtype"], *map(number, grown))))
    return lines


def stored_table(content: Mapping[str, Any]) -> list[str]:
    """Return a question's table and notes as they were printed."""
    table = content["table"]
    lines = [line(table[0]), rule(len(table[0])), *map(line, table[1:])] if table else []
    return [*lines, "", *(f"- {note}" for note in content["notes"])]


def conditions(contents: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the machines and versions, each once."""
    found = []
    for content in contents:
        told = content["conditions"]
        versions = ", ".join(f"{name} {version}" for name, version in told["versions"].items() if version)
        found.append(f"{told['cpu']}, {told['cpus']} CPUs; Python {told['python']}, {versions}")
        if content["question"] == "grid":
            found += [note for note in content["notes"] if note.startswith("the machine")]
    return list(dict.fromkeys(found))


def present(rows: Iterable[Row]) -> list[str]:
    """Return the peers that have an answer somewhere, ours last."""
    names = {name for row in rows for name in row["peers"]}
    return sorted(names, key=lambda name: (name in OWN, list(KNOWN).index(name)))


def milliseconds(row: Row, peer: str) -> float:
    """Return a peer's milliseconds per iteration, or nan."""
    return known(row["peers"].get(peer, {}).get("ms_per_iteration"))


def known(value: float | None) -> float:
    """Return nan for what JSON has as null."""
    return np.nan if value is None else value


def ratio(name: str, value: float | None) -> str:
    """Return a ratio, or a share of the limit, for the table."""
    text = percent(known(value)) if name == OF_LIMIT else factor(known(value))
    return text if text == "–" else f"**{text}**"


def readable(problem: str) -> str:
    """Return ``full-200k-8-16`` as a reader expects it."""
    kind, rows, d, n_components = problem.split("-")
    return f"{rows} × {d}, {n_components}, {kind}"


def draw(rows: Sequence[Row], path: Path) -> None:
    """Draw a dot per peer and cell over milliseconds, and the limit as a line, a panel per dtype and threads."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    panels = sorted({(row["dtype"], row["n_threads"]) for row in rows}, key=panel_order)
    labels = list(dict.fromkeys(readable(row["problem"]) for row in rows))
    columns = min(2, len(panels))
    lines = -(-len(panels) // columns)
    figure, grid = pyplot.subplots(
        lines,
        columns,
        sharex=True,
        sharey=True,
        squeeze=False,
        figsize=(1.5 + 5.5 * columns, 1.4 + 0.5 * len(labels) * lines),
        layout="constrained",
    )
    for axes, panel in zip(grid.flat, panels, strict=False):
        draw_panel(axes, [row for row in rows if (row["dtype"], row["n_threads"]) == panel], labels)
        axes.set_title(f"{panel[0]}, {panel[1]} thread{'s' * (panel[1] > 1)}", fontsize=10)
    for axes in grid.flat[len(panels) :]:
        axes.set_visible(False)
    for axes in grid[-1]:
        axes.set_xlabel("milliseconds per EM iteration")
    found = {name: mark for axes in grid.flat for mark, name in zip(*axes.get_legend_handles_labels(), strict=True)}
    names = ["limit", *present(rows)]
    marks = [found[name] for name in names]
    figure.legend(marks, names, loc="outside upper center", ncols=len(names), frameon=False)
    figure.savefig(path, dpi=150)
    pyplot.close(figure)


def draw_panel(axes: Any, rows: Sequence[Row], labels: Sequence[str]) -> None:
    """Draw one panel."""
    places = [labels.index(readable(row["problem"])) for row in rows]
    limits = [known(row["limit_ms"]) for row in rows]
    axes.vlines(limits, np.add(places, -0.4), np.add(places, 0.4), colors="#888888", linewidth=2.5, label="limit")
    for name in present(rows):
        colour, marker = LOOKS[name]
        axes.plot(
            [milliseconds(row, name) for row in rows],
            np.add(places, HEIGHTS[name]),
            marker,
            color=colour,
            label=name,
            markersize=7 if name == OURS else 6,
            markerfacecolor="none" if name in OWN[1:] else colour,
            markeredgecolor=colour if name in OWN else "white",
            markeredgewidth=1 if name in OWN else 0.4,
            zorder=4 if name == OURS else 3,
        )
    for place in range(1, len(labels), 2):
        axes.axhspan(place - 0.5, place + 0.5, color="#f4f4f4", zorder=0)
    axes.set_xscale("log")
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", which="major", color="#dddddd", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.xaxis.set_major_formatter("{x:g}")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)

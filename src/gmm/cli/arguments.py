"""The words of the command line: commands, options, and what their values may be."""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from typing import NoReturn

from gmm.criteria import CRITERIA

__all__ = ["parse"]

_EPILOG = """\
exit codes: 0 all went well, 1 the work failed, 2 bad usage, 130 interrupted.

examples:
  gmm fit                                             the Old Faithful eruptions, shipped inside
  gmm fit iris.csv --label-column species --out found
  gmm fit big.parquet --models EEE,VVV --components 2:20 --time-limit 60
  gmm fit iris.csv --out found --report               and a page to send to a colleague
  gmm predict found/model.gmm more.csv --proba --out labels.csv
  gmm plot found/model.gmm iris.csv --out iris.svg
"""

_KINDS = ("clusters", "pairs", "density", "boundaries", "uncertainty", "convergence")
_FILE_HELP = "table: .csv .tsv .txt (also .gz), .parquet, .arrow, .feather, .npy; - reads CSV text"


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line; bad usage ends the process with one line and exit code 2.

    Parameters
    ----------
    arguments : sequence of str, default=None
        The words after the program's name; None takes them from ``sys.argv``.

    Returns
    -------
    argparse.Namespace
        The options, ``command`` (the command's name), ``run`` (what to call with them) and ``words`` (all that was
        said).
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    parser, commands = _parser()
    options, unknown = parser.parse_known_args(words, argparse.Namespace(words=words))
    if unknown:
        commands[options.command].refuse(unknown)
    return options


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {' '.join(message.split())} (see {self.prog} --help)\n")

    def refuse(self, words: Sequence[str]) -> NoReturn:
        """End with what was not understood, and the option that the first of it is most like."""
        known = [option for option in self._option_string_actions if option.startswith("--")]
        near = get_close_matches(words[0].partition("=")[0], known, 1) if words[0].startswith("-") else []
        self.error(f"unrecognized arguments: {' '.join(words)}{f'; did you mean {near[0]}?' if near else ''}")


class _Version(argparse.Action):
    """Print the version, which is looked up only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        print(f"gmm {import_module('gmm').__version__}")
        parser.exit(0)


class _Command:
    """A command's function, imported when it is called."""

    def __init__(self, module: str, function: str) -> None:
        self.module, self.function = module, function

    def __call__(self, options: argparse.Namespace) -> int:
        return int(getattr(import_module(f".{self.module}", __package__), self.function)(options))


def _parser() -> tuple[_Parser, dict[str, _Parser]]:
    """The parser, and that of each command by its name."""
    parser = _Parser(
        prog="gmm",
        description="Fit, choose and use Gaussian mixtures.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for add in (_add_fit, _add_predict, _add_sample, _add_info, _add_plot):
        command = add(commands)
        command.add_argument("--quiet", action="store_true", help="print errors only")
        command.add_argument("--debug", action="store_true", help="show tracebacks")
    return parser, commands.choices


def _add_fit(commands: argparse._SubParsersAction[_Parser]) -> argparse.ArgumentParser:
    command = commands.add_parser(
        "fit",
        help="fit mixtures to a table and choose the best",
        description="Fit every number of components by every covariance model, each cell helped by "
        "the others, and choose the best by a criterion. Without FILE: the Old Faithful eruptions.",
    )
    command.set_defaults(run=_Command("fit", "fit"))
    command.add_argument("file", metavar="FILE", nargs="?", help=_FILE_HELP)
    _add_search(command)
    _add_columns(command)
    out = command.add_argument_group("results")
    out.add_argument("--out", metavar="DIR", help="write the model, labels, criteria and JSON here")
    out.add_argument("--format", choices=("csv", "parquet"), default="csv",
                     help="format of the labels in DIR (default csv)")  # fmt: skip
    out.add_argument("--json", action="store_true", help="print JSON instead of tables")
    out.add_argument("--report", metavar="HTML", nargs="?", const=True,
                     help="write a report to read in a browser, one file with its pictures inside "
                          "(default report.html, in DIR where there is one); needs matplotlib")  # fmt: skip
    out.add_argument("--plot", metavar="PICTURE",
                     help="write a picture of the rows and the best mixture: .png, .svg or .pdf; "
                          "needs matplotlib")  # fmt: skip
    return command


def _add_search(command: argparse.ArgumentParser) -> None:
    search = command.add_argument_group("search")
    search.add_argument("--components", metavar="K", type=_components, default=_components("1:9"),
                        help="numbers of components: 3, 2,4,6 or 1:9 (default 1:9)")  # fmt: skip
    types = search.add_mutually_exclusive_group()
    types.add_argument("--covariance", metavar="NAMES", type=_names, action="extend",
                       help="covariance models: all 14 (default) or some, as EEE,VVV or full,diag")  # fmt: skip
    types.add_argument("--models", metavar="NAMES", type=_names, action="extend",
                       help="another name of --covariance")  # fmt: skip
    search.add_argument("--criterion", choices=CRITERIA, default=CRITERIA[0],
                        help="what chooses; smaller is better (default bic)")  # fmt: skip
    search.add_argument("--time-limit", metavar="SECONDS", type=_non_negative,
                        help="begin no fit after so long, and tell if the search is incomplete")  # fmt: skip
    search.add_argument("--prior", choices=("conjugate",),
                        help="a prior against collapsing components, with mclust's defaults")  # fmt: skip
    search.add_argument("--n-init", metavar="N", type=_positive, default=1,
                        help="more starts per number of components, for all models (default 1)")  # fmt: skip
    search.add_argument("--max-iter", metavar="N", type=_positive, default=1000,
                        help="passes per start at most (default 1000)")  # fmt: skip
    search.add_argument("--tol", metavar="T", type=_non_negative, default=1e-5,
                        help="stop when less remains to be gained, nats per row (default 1e-5)")  # fmt: skip
    search.add_argument("--refine", choices=("split-merge",),
                        help="leave solutions that no pass leaves, in every cell, not in the best alone")  # fmt: skip
    search.add_argument("--reg-covar", metavar="R", type=_non_negative, default=1e-6,
                        help="added to every variance (default 1e-6)")  # fmt: skip
    search.add_argument("--seed", metavar="S", type=_natural, default=0,
                        help="seed of the starts (default 0: the same every time)")  # fmt: skip
    search.add_argument("--threads", metavar="N", type=_positive,
                        help="threads (default: all usable cores)")  # fmt: skip


def _add_columns(command: argparse.ArgumentParser) -> None:
    columns = command.add_argument_group("columns and rows")
    columns.add_argument("--columns", metavar="A,B", type=_names, action="extend",
                         help="fit these columns only (default: all numeric ones)")  # fmt: skip
    columns.add_argument("--exclude", metavar="C", type=_names, action="extend",
                         help="leave these columns out")  # fmt: skip
    columns.add_argument("--label-column", metavar="L",
                         help="compare the components with these labels; not fitted")  # fmt: skip
    columns.add_argument("--weight-column", metavar="W",
                         help="weights of the rows; not fitted")  # fmt: skip
    _add_reading(columns)


def _add_reading(command: argparse._ActionsContainer) -> None:
    command.add_argument("--header", action=argparse.BooleanOptionalAction,
                         help="the first line of delimited text names the columns, or is a row "
                              "(default: as its fields and what stands below them tell)")  # fmt: skip
    command.add_argument("--drop-missing", action="store_true",
                         help="leave out rows with missing values")  # fmt: skip


def _add_predict(commands: argparse._SubParsersAction[_Parser]) -> argparse.ArgumentParser:
    command = commands.add_parser(
        "predict",
        help="label the rows of a table by a saved model",
        description="Label each row with its most probable component. Columns are matched by "
        "name; a model without names takes the numeric columns in order.",
    )
    command.set_defaults(run=_Command("apply", "predict"))
    command.add_argument("model", metavar="MODEL", help="a saved model")
    command.add_argument("file", metavar="FILE", help=_FILE_HELP)
    command.add_argument("--proba", action="store_true", help="also the responsibilities")
    _add_reading(command)
    _add_out(command)
    return command


def _add_sample(commands: argparse._SubParsersAction[_Parser]) -> argparse.ArgumentParser:
    command = commands.add_parser(
        "sample", help="draw rows from a saved model", description="Draw rows from a saved model."
    )
    command.set_defaults(run=_Command("apply", "sample"))
    command.add_argument("model", metavar="MODEL", help="a saved model")
    command.add_argument("-n", "--rows", metavar="N", type=_positive, required=True,
                         help="how many rows")  # fmt: skip
    command.add_argument("--seed", metavar="S", type=_natural, default=0,
                         help="seed (default 0: the same every time)")  # fmt: skip
    command.add_argument("--component", action="store_true",
                         help="add a column with the component each row came from")  # fmt: skip
    _add_out(command)
    return command


def _add_info(commands: argparse._SubParsersAction[_Parser]) -> argparse.ArgumentParser:
    command = commands.add_parser("info", help="show a saved model", description="Show what a saved model holds.")
    command.set_defaults(run=_Command("apply", "info"))
    command.add_argument("model", metavar="MODEL", help="a saved model")
    command.add_argument("--json", action="store_true", help="print JSON instead of tables")
    return command


def _add_plot(commands: argparse._SubParsersAction[_Parser]) -> argparse.ArgumentParser:
    command = commands.add_parser(
        "plot",
        help="draw a saved model with the rows of a table",
        description="Draw a saved model with the rows of a table. Columns are matched by name; a model without names "
        "takes the numeric columns in order. More than two columns are shown from where the components differ most, "
        "unless --features says which. Needs matplotlib.",
    )
    command.set_defaults(run=_Command("plot", "plot"))
    command.add_argument("model", metavar="MODEL", help="a saved model")
    command.add_argument("file", metavar="FILE", nargs="?",
                         help=_FILE_HELP + "; none for --kind convergence, and by default the Old "
                              "Faithful eruptions for a model of them")  # fmt: skip
    command.add_argument("--kind", choices=_KINDS, default=_KINDS[0],
                         help="clusters: rows and components; pairs: every pair of columns; density: its contours; "
                              "boundaries: the regions of the components; uncertainty: where these are uncertain; "
                              f"convergence: the passes of the fit (default {_KINDS[0]})")  # fmt: skip
    command.add_argument("--features", metavar="A,B", type=_names,
                         help="the one or two columns to draw")  # fmt: skip
    command.add_argument("--out", metavar="PICTURE",
                         help=".png, .svg or .pdf (default: KIND.png in the current directory)")  # fmt: skip
    _add_reading(command)
    return command


def _add_out(command: argparse.ArgumentParser) -> None:
    command.add_argument("--out", metavar="FILE",
                         help=".csv, .tsv, .parquet, .arrow or .feather "
                              "(default: CSV on standard output)")  # fmt: skip


_MOST_COMPONENTS = 10_000


def _components(text: str) -> list[int]:
    """Read ``3``, ``2,4,6`` or ``1:9`` (both ends included), or any list of these."""
    found: list[int] = []
    for part in text.split(","):
        first, colon, last = part.partition(":")
        if not (first.strip().isdecimal() and (not colon or last.strip().isdecimal())):
            raise argparse.ArgumentTypeError(f"expected 3, 2,4,6 or 1:9, got {text!r}")
        if max(int(first), int(last if colon else first)) > _MOST_COMPONENTS:
            raise argparse.ArgumentTypeError(f"expected numbers up to {_MOST_COMPONENTS}, got {text!r}")
        found.extend(range(int(first), int(last if colon else first) + 1))
    if not found or min(found) < 1:
        raise argparse.ArgumentTypeError(f"expected numbers from 1 upwards, got {text!r}")
    return sorted(set(found))


def _names(text: str) -> list[str]:
    """Read names between commas; a name with a comma is quoted as in CSV."""
    names = [name.strip() for name in next(csv.reader([text], skipinitialspace=True), [])]
    if not names or "" in names:
        raise argparse.ArgumentTypeError(f"expected names between commas, got {text!r}")
    return names


def _natural(text: str) -> int:
    if not text.isdecimal() or int(text) >= 2**32:
        raise argparse.ArgumentTypeError(f"expected a whole number from 0 to 2^32-1, got {text!r}")
    return int(text)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 upwards, got {text!r}")
    return int(text)


def _non_negative(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a number from 0 upwards, got {text!r}")
    return value

"""The argument parser: commands, options and their allowed values."""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from importlib import import_module
from math import inf, nan
from typing import NoReturn

from gmm._estimators.criteria import OF_SEARCHES
from gmm._text.words import printable
from gmm._validation.given import TAILS
from gmm._values.tails import LEAST_DEGREES, MOST_DEGREES

_MOST_COMPONENTS = 10_000


def components(text: str) -> list[int]:
    """Parse ``3``, ``2,4,6``, ``1:9`` or ``1-9`` (both ends included), or a list of these."""
    numbers: list[int] = []
    for part in text.replace("-", ":").split(","):
        first, colon, last = part.partition(":")
        if not (first.strip().isdecimal() and (not colon or last.strip().isdecimal())):
            raise argparse.ArgumentTypeError(f"expected 3, 2,4,6 or 1:9, got {text!r}")
        if max(int(first), int(last if colon else first)) > _MOST_COMPONENTS:
            raise argparse.ArgumentTypeError(f"expected numbers up to {_MOST_COMPONENTS:,}, got {text!r}")
        if colon and int(first) > int(last):
            raise argparse.ArgumentTypeError(f"range {part.strip()} is empty; write {int(last)}:{int(first)}")
        numbers.extend(range(int(first), int(last if colon else first) + 1))
    if not numbers or min(numbers) < 1:
        raise argparse.ArgumentTypeError(f"expected positive integers, and ranges such as 1:9, got {text!r}")
    return sorted(set(numbers))


def names(text: str) -> list[str]:
    """Parse names separated by commas; a name that contains a comma is quoted as in CSV."""
    listed = [name.strip() for name in next(csv.reader([text], skipinitialspace=True), [])]
    if not listed or "" in listed:
        raise argparse.ArgumentTypeError(f"expected names separated by commas, got {text!r}")
    if again := [name for i, name in enumerate(listed) if name in listed[:i]]:
        raise argparse.ArgumentTypeError(f"expected each name once, got {again[0]!r} again")
    return listed


def delimiter(text: str) -> str:
    """Parse one character, or its name."""
    mark = {"tab": "\t", "\\t": "\t", "space": " "}.get(text, text)
    if len(mark.encode()) != 1 or mark in '"\r\n':
        raise argparse.ArgumentTypeError(f"expected one character, tab or space, got {text!r}")
    return mark


def tails(text: str) -> list[str]:
    """Parse ``t`` or ``normal,t,contaminated``."""
    listed = names(text)
    if unknown := [name for name in listed if name not in TAILS]:
        raise argparse.ArgumentTypeError(f"expected {', '.join(TAILS)}, or some with commas, got {unknown[0]!r}")
    return listed


def natural(text: str) -> int:
    """Parse an integer from 0 on that seeds random numbers."""
    if not text.isdecimal() or int(text) >= 2**32:
        raise argparse.ArgumentTypeError(f"expected an integer from 0 to 2^32-1, got {text!r}")
    return int(text)


def positive(text: str) -> int:
    """Parse an integer from 1 on."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a positive integer, got {text!r}")
    return int(text)


def _number(expected: str, holds: Callable[[float], bool]) -> Callable[[str], float]:
    def parsed(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = nan
        if not holds(value):
            raise argparse.ArgumentTypeError(f"expected {expected}, got {text!r}")
        return value

    return parsed


non_negative = _number("a non-negative number", lambda value: 0 <= value < inf)
at_least_one = _number("a number of at least 1", lambda value: 1 <= value < inf)
positive_number = _number("a positive number", lambda value: 0 < value < inf)
degrees = _number(
    f"a number from {LEAST_DEGREES} to {MOST_DEGREES}", lambda value: LEAST_DEGREES <= value <= MOST_DEGREES
)
probability = _number("a number between 0 and 1", lambda value: 0 < value < 1)


_EPILOG = """\
exit codes: 0 success, 1 failure, 2 bad usage, 130 interrupted.

examples:
  gmm fit                                             fit the bundled Old Faithful data
  gmm fit iris.csv --label-column species --out results
  gmm fit big.parquet --covariance EEE,VVV --components 2:20 --time-limit 60
  gmm fit iris.csv --out results --report             also write an HTML report
  gmm predict results/model.gmm more.csv --proba --out labels.csv
  gmm predict results/model.gmm part.csv --known height,age --level 0.9
  gmm plot results/model.gmm iris.csv --out iris.svg
"""

_CLOSE = 0.75  # similarity, from 0 to 1, of a mistyped option to the one that is suggested
_KINDS = ("clusters", "pairs", "density", "boundaries", "uncertainty", "combined", "convergence")
_FILE_HELP = (
    "table: .csv, .tsv or .txt (also .gz), .parquet, .arrow, .feather, .orc or .npy, or a folder of these; - reads CSV "
    "from standard input"
)


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line; on bad usage, print one line and exit with code 2.

    Parameters
    ----------
    arguments : sequence of str, default=None
        The arguments after the program's name; None stands for ``sys.argv[1:]``.

    Returns
    -------
    argparse.Namespace
        The options, ``command`` (the command's name), ``run`` (the function to call with the options) and ``words``
        (the arguments as given).
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    parser, commands = _parser()
    if words[:1] == ["select"]:
        parser.error("no command 'select'; use gmm fit, which also selects the model")
    options, unknown = parser.parse_known_args(words, argparse.Namespace(words=words))
    if len(unknown) == 1 and not unknown[0].startswith("-") and vars(options).get("file", "") is None:
        options.file = unknown.pop()  # argparse takes an optional FILE behind an option for an unknown word
    if unknown:
        commands[options.command].reject(unknown)
    return options


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {printable(' '.join(message.split()))} (see {self.prog} --help)\n")

    def reject(self, words: Sequence[str]) -> NoReturn:
        options = [option for option in self._option_string_actions if option.startswith("--")]
        if words[0].startswith("-"):
            near = get_close_matches(words[0].partition("=")[0], options, 1, _CLOSE)
            hint = f"; did you mean {near[0]}?" if near else ""
        else:
            hint = "; gmm reads one table at a time"
        self.error(f"unrecognized arguments: {' '.join(words)}{hint}")


class _Version(argparse.Action):
    """Print the version; `gmm` is imported only then."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        print(f"gmm {import_module('gmm').__version__}")
        parser.exit(0)


class _Command:
    """The function of a command, imported when it is called."""

    def __init__(self, module: str, function: str) -> None:
        self.module, self.function = module, function

    def __call__(self, options: argparse.Namespace) -> None:
        getattr(import_module(f".{self.module}", __package__), self.function)(options)


def _parser() -> tuple[_Parser, dict[str, _Parser]]:
    parser = _Parser(
        prog="gmm",
        description="Fit, choose and use Gaussian mixtures.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, (module, add, summary, description) in _COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=description)
        command.set_defaults(run=_Command(module, name))
        if name != "fit":
            command.add_argument("model", metavar="MODEL", help="a saved model")
        add(command)
        command.add_argument("--quiet", action="store_true", help="print errors only")
        command.add_argument("--debug", action="store_true", help="show tracebacks")
    return parser, commands.choices


def _add_fit(command: argparse.ArgumentParser) -> None:
    command.add_argument("file", metavar="FILE", nargs="?", help=_FILE_HELP)
    search = command.add_argument_group("search")
    search.add_argument("--components", metavar="K", type=components,
                        help="one number (3), a list (2,4,6) or an inclusive range (1:9, the default)")  # fmt: skip
    search.add_argument("--bayesian", action="store_true",
                        help="fit one variational Bayesian mixture, which leaves empty the components that it does not "
                             "need, instead of a search; of --covariance one of full (default), tied, diag, "
                             "spherical")  # fmt: skip
    search.add_argument("--max-components", metavar="K", type=positive,
                        help="largest number of components of --bayesian (default 20)")  # fmt: skip
    search.add_argument("--covariance", metavar="NAMES", type=names, action="extend",
                        help="covariance models: all 14 (default) or a list such as EEE,VVV or full,diag; "
                             "factor and ppca with --n-factors")  # fmt: skip
    search.add_argument("--n-factors", metavar="Q", type=components,
                        help="number of factors of the covariance models factor and ppca: one, a list or a range, as "
                             "for --components; --covariance factor2 says the same for one model")  # fmt: skip
    search.add_argument("--tails", metavar="NAMES", type=tails,
                        help="tails of the components: normal (default); t: heavier, so that rows far away count "
                             "little; contaminated: normal with a share of outliers; or a list to choose from, "
                             "such as normal,t")  # fmt: skip
    search.add_argument("--degrees-of-freedom", metavar="NU", type=degrees,
                        help="degrees of freedom of --tails t, 1 or more (default: estimated; 4 resists outliers, more "
                             "are nearer to normal tails)")  # fmt: skip
    search.add_argument("--criterion", type=str.lower, choices=OF_SEARCHES,
                        help="criterion to choose by; smaller is better (default bic); held_out is the deviance of "
                             "rows in five folds")  # fmt: skip
    search.add_argument("--time-limit", metavar="SECONDS", type=positive_number,
                        help="stop starting new fits after SECONDS; the output says if the search is "
                             "incomplete")  # fmt: skip
    search.add_argument("--prior", choices=("conjugate",),
                        help="prior that guards against degenerate components, with mclust's defaults")  # fmt: skip
    search.add_argument("--max-ratio", metavar="C", type=at_least_one,
                        help="guard against degenerate components: no variance along an axis of one is more than C "
                             "times the smallest of all (50 is a good C); for the covariance models full, diag and "
                             "spherical, then the default")  # fmt: skip
    search.add_argument("--noise", action="store_true", default=None,
                        help="add uniform noise over the box of the rows: a row may belong to it instead of to a "
                             "component, and has the label -1 then")  # fmt: skip
    search.add_argument("--trim", metavar="SHARE", type=probability,
                        help="leave out this share of the rows, such as 0.05: those of the least density, which have "
                             "the label -1; for one number of --components and one of --covariance, as there is no "
                             "comparison of mixtures that leave out other rows")  # fmt: skip
    search.add_argument("--scale", action="store_true", default=None,
                        help="search, or fit a classifier, in units of each column's standard deviation, so that units "
                             "do not matter; results are in the columns' own units")  # fmt: skip
    search.add_argument("--n-init", metavar="N", type=positive, default=1,
                        help="number of random restarts per fit (default 1)")  # fmt: skip
    search.add_argument("--max-iter", metavar="N", type=positive, default=1000,
                        help="maximum number of passes per start (default 1000)")  # fmt: skip
    search.add_argument("--tol", metavar="T", type=non_negative, default=None,
                        help="stop when the estimated remaining gain is below T nats per row (default 1e-5), or nats "
                             "in all with --bayesian (default 1e-3)")  # fmt: skip
    search.add_argument("--refine", choices=("split-merge",),
                        help="try split-merge moves for every mixture (default: only for the best ones)")  # fmt: skip
    search.add_argument("--reg-covar", metavar="R", type=non_negative, default=1e-6,
                        help="added to every variance, times the squared width of the narrowest column (default "
                             "1e-6)")  # fmt: skip
    search.add_argument("--seed", metavar="S", type=natural, default=0,
                        help="random seed of the starts (default 0; the same seed gives the same result)")  # fmt: skip
    search.add_argument("--threads", metavar="N", type=positive,
                        help="number of threads (default: all usable cores)")  # fmt: skip
    columns = command.add_argument_group("columns and rows")
    columns.add_argument("--columns", metavar="A,B", type=names, action="extend",
                         help="columns to fit (default: all numeric ones but constants, codes, copies, and those "
                              "that number rows)")  # fmt: skip
    columns.add_argument("--exclude", metavar="C", type=names, action="extend",
                         help="columns to leave out")  # fmt: skip
    columns.add_argument("--class-column", metavar="C",
                         help="column of classes, empty where unknown: fit a classifier, with a mixture for each class "
                              "of one component, or as many of --components as predict held-out rows best (or of the "
                              "best BIC: --criterion bic)")  # fmt: skip
    columns.add_argument("--label-column", metavar="L",
                         help="column of labels to compare with the components; not fitted")  # fmt: skip
    columns.add_argument("--weight-column", metavar="W",
                         help="column of row weights; not fitted")  # fmt: skip
    _add_errors(columns, "fitted")
    _add_reading(columns)
    columns.add_argument("--missing", choices=("em",),
                         help="em: fit rows with missing values too, by the values they have; a value may be missing "
                              "because of other values of its row, but not because of what it would be")  # fmt: skip
    _add_blocks(columns, "; a search then runs on a sample, and its three best cells on all rows")
    out = command.add_argument_group("results")
    out.add_argument("--out", metavar="DIR", help="write the model, labels, criteria and JSON to this directory")
    out.add_argument("--format", choices=("csv", "parquet"), default="csv",
                     help="format of the labels in DIR (default csv)")  # fmt: skip
    out.add_argument("--keep", metavar="A,B", type=names, action="extend",
                     help="columns to write beside the labels in DIR, such as identifiers; or all")  # fmt: skip
    _add_digits(out)
    _add_json(out)
    out.add_argument("--report", metavar="HTML", nargs="?", const=True,
                     help="write an HTML report, one file that includes its pictures "
                          "(default report.html, in DIR if --out is given); needs matplotlib")  # fmt: skip
    out.add_argument("--plot", metavar="PICTURE",
                     help="write a picture of the rows and the best mixture: .png, .svg or .pdf; "
                          "needs matplotlib")  # fmt: skip
    out.add_argument("--checkpoint", metavar="FILE",
                     help="keep in FILE how far the search or the fit has come, every five seconds")  # fmt: skip
    out.add_argument("--resume", action="store_true",
                     help="continue from the file of --checkpoint, with the same result as without the break; "
                          "if there is no such file, start from the beginning")  # fmt: skip


def _add_blocks(command: argparse._ActionsContainer, more: str = "") -> None:
    command.add_argument("--blocks", action="store_true",
                         help=f"read the table block by block, once for each pass, not into memory{more}")  # fmt: skip


def _add_digits(command: argparse._ActionsContainer) -> None:
    command.add_argument("--all-digits", action="store_true",
                         help="write probabilities in text with all digits, not with six decimals")  # fmt: skip


def _add_errors(command: argparse._ActionsContainer, which: str) -> None:
    command.add_argument("--errors", metavar="A,B", type=names, action="extend",
                         help=f"columns of standard errors, one for each of the {which} columns, in their order; "
                              "the mixture is of the values without errors")  # fmt: skip


def _add_reading(command: argparse._ActionsContainer) -> None:
    command.add_argument("--header", action=argparse.BooleanOptionalAction,
                         help="whether the first line of delimited text holds column names "
                              "(default: decided from its fields and the columns below)")  # fmt: skip
    command.add_argument("--decimal", choices=(".", ","),
                         help="decimal mark of delimited text (default: decided from its fields); the other one may "
                              "separate thousands")  # fmt: skip
    command.add_argument("--na", metavar="TEXT", action="append", default=[],
                         help="text that stands for a missing value in delimited text, beside NA, NaN, null, ? and an "
                              "empty field, or a number that does in any table; may be repeated")  # fmt: skip
    command.add_argument("--delimiter", metavar="MARK", type=delimiter,
                         help="what separates fields of delimited text: one character, or tab (default: decided from "
                              "its first lines)")  # fmt: skip
    command.add_argument("--skip", metavar="N", type=natural, default=0,
                         help="number of lines above a table in delimited text")  # fmt: skip
    command.add_argument("--comment", metavar="TEXT", default="",
                         help="leave out lines of delimited text that begin with TEXT")  # fmt: skip
    command.add_argument("--drop-missing", action="store_true",
                         help="leave out rows with missing values")  # fmt: skip


def _add_predict(command: argparse.ArgumentParser) -> None:
    command.add_argument("file", metavar="FILE", help=_FILE_HELP)
    outputs = command.add_mutually_exclusive_group()
    outputs.add_argument("--proba", action="store_true", help="also write the probabilities of components or classes")
    outputs.add_argument("--known", metavar="A,B", type=names, action="extend",
                        help="predict the model's other columns from these: their conditional means and standard "
                             "deviations")  # fmt: skip
    command.add_argument("--density", action="store_true",
                         help="also write the log density of each row: the lowest are the least usual")  # fmt: skip
    command.add_argument("--level", metavar="P", type=probability,
                         help="with --known, also intervals of this probability, such as 0.9")  # fmt: skip
    command.add_argument("--keep", metavar="A,B", type=names, action="extend",
                         help="columns of the table to write before the predictions; all for all of them")  # fmt: skip
    _add_digits(command)
    _add_errors(command, "model's")
    _add_reading(command)
    _add_blocks(command)
    _add_out(command)


def _add_sample(command: argparse.ArgumentParser) -> None:
    command.add_argument("-n", "--rows", metavar="N", type=positive, required=True,
                         help="number of rows")  # fmt: skip
    command.add_argument("--seed", metavar="S", type=natural, default=0,
                         help="random seed (default 0; the same seed gives the same rows)")  # fmt: skip
    command.add_argument("--component", action="store_true",
                         help="add a column with the component of each row")  # fmt: skip
    _add_out(command)


def _add_json(command: argparse._ActionsContainer) -> None:
    command.add_argument("--json", action="store_true", help="print JSON instead of tables")


def _add_export(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--out", metavar="FILE", required=True, help=".onnx or .json; without a suffix, as /dev/stdout, .json"
    )


def _add_plot(command: argparse.ArgumentParser) -> None:
    command.add_argument("file", metavar="FILE", nargs="?",
                         help=_FILE_HELP + "; not used with --kind convergence, and optional for a model of the Old "
                              "Faithful data")  # fmt: skip
    command.add_argument("--kind", choices=_KINDS, default=_KINDS[0],
                         help="clusters: rows and components; pairs: every pair of columns, at most six; "
                              "density: contours of the density; boundaries: regions of the components; uncertainty: "
                              "uncertain rows; combined: clusters of several components (of three always two); "
                              f"convergence: the passes of the fit (default {_KINDS[0]})")  # fmt: skip
    command.add_argument("--features", metavar="A,B", type=names,
                         help="columns to draw: one or two, or every pair of up to six")  # fmt: skip
    command.add_argument("--out", metavar="PICTURE",
                         help=".png, .svg or .pdf (default: KIND.png in the current directory)")  # fmt: skip
    _add_reading(command)


def _add_out(command: argparse.ArgumentParser) -> None:
    command.add_argument("--out", metavar="FILE",
                         help=".csv, .tsv, .parquet, .arrow or .feather "
                              "(default: CSV on standard output)")  # fmt: skip


_COMMANDS = {  # where its function is, what adds its options, and its words
    "fit": (
        "fit",
        _add_fit,
        "fit mixtures to a table and choose the best",
        "Fit every number of components with every covariance model and choose the best by a criterion. "
        "The fits reuse each other's solutions. Without FILE, the bundled Old Faithful data are fitted.",
    ),
    "predict": (
        "apply",
        _add_predict,
        "label the rows of a table with a saved model",
        "Label each row with its most probable component or class, or predict the columns not --known. "
        "Columns are matched by name; if the model has no names, the numeric columns are used in order.",
    ),
    "sample": ("apply", _add_sample, "draw rows from a saved model", "Draw rows from a saved model."),
    "info": ("apply", _add_json, "show a saved model", "Show the parameters of a saved model."),
    "export": (
        "apply",
        _add_export,
        "write a saved model for other software",
        "Write a saved model for other software: .onnx for ONNX runtimes, with float32 rows and results "
        "(needs onnx), or .json in mclust's terms, for R.",
    ),
    "plot": (
        "apply",
        _add_plot,
        "draw a saved model with the rows of a table",
        "Draw a saved model with the rows of a table. Columns are matched by name; if the model has no "
        "names, the numeric columns are used in order. More than two columns are projected onto the plane in which the "
        "components differ most, unless --features names columns. Rows count as for gmm predict: those that gmm fit "
        "--trim left out belong to components here, while its own --plot does not draw them. Needs matplotlib.",
    ),
}

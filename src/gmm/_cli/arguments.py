"""Commands and their options: one table, from which come the parser, the words of errors, and what needs what."""

from __future__ import annotations

import argparse
import csv
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from math import inf, nan
from operator import eq, ge, gt, le, lt, ne
from types import MappingProxyType
from typing import Any, NamedTuple, NoReturn

import gmm
from gmm._text.words import printable

IN_PYTHON = gmm.options()
_MOST_COMPONENTS = 10_000
_CRITERIA = tuple(IN_PYTHON.criteria)
_TAILS, _PRIORS, _MOVES = (IN_PYTHON.parameters[name].choices for name in ("tails", "prior", "refine"))


def components(text: str) -> list[int]:
    """Parse ``3``, ``2,4,6``, ``1:9`` or ``1-9`` (both ends included), or a list of these."""
    numbers: list[int] = []
    for part in text.replace("-", ":").split(","):
        first, colon, last = part.partition(":")
        if not (first.strip().isdecimal() and (not colon or last.strip().isdecimal())):
            raise argparse.ArgumentTypeError(f"expected a number (3), a list (2,4,6) or a range (1:9), got {text!r}")
        low, high = int(first), int(last if colon else first)
        if max(low, high) > _MOST_COMPONENTS:
            raise argparse.ArgumentTypeError(f"expected numbers up to {_MOST_COMPONENTS:,}, got {text!r}")
        if low > high:
            raise argparse.ArgumentTypeError(f"range {part.strip()} is empty; write {high}:{low}")
        numbers.extend(range(low, high + 1))
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


class Condition(NamedTuple):
    """A comparison of a column with a number or a text, as it is written."""

    column: str
    compare: Callable[[Any, Any], Any]
    value: str
    text: str


_COMPARISONS = {"<=": le, ">=": ge, "!=": ne, "==": eq, "=": eq, "<": lt, ">": gt}
_CONDITION = re.compile(rf"\s*(.+?)\s*({'|'.join(_COMPARISONS)})\s*(.+?)\s*")


def condition(text: str) -> Condition:
    """Parse ``spend > 0``."""
    parts = _CONDITION.fullmatch(text)
    if parts is None:
        among = ", ".join(_COMPARISONS)
        raise argparse.ArgumentTypeError(f"expected a condition such as 'spend > 0', with one of {among}, got {text!r}")
    return Condition(parts[1], _COMPARISONS[parts[2]], parts[3], text)


def tails(text: str) -> list[str]:
    """Parse ``t`` or ``normal,t``."""
    listed = names(text)
    if unknown := [name for name in listed if name not in _TAILS]:
        raise argparse.ArgumentTypeError(f"expected {', '.join(_TAILS)}, or some with commas, got {unknown[0]!r}")
    return listed


def _integer(text: str) -> float:
    return int(text) if text.isdecimal() else nan


def _number(
    expected: str, holds: Callable[[float], bool], kind: Callable[[str], float] = float
) -> Callable[[str], float]:
    """Return what parses a number of a kind for which a condition holds."""

    def parsed(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = nan
        if not holds(value):
            raise argparse.ArgumentTypeError(f"expected {expected}, got {text!r}")
        return value

    return parsed


natural = _number("an integer from 0 to 2^32-1", lambda value: 0 <= value < 2**32, _integer)  # seeds random numbers
positive = _number("a positive integer", lambda value: value >= 1, _integer)
non_negative = _number("a non-negative number", lambda value: 0 <= value < inf)
at_least_one = _number("a number of at least 1", lambda value: 1 <= value < inf)
positive_number = _number("a positive number", lambda value: 0 < value < inf)
_LEAST, _MOST = IN_PYTHON.parameters["degrees_of_freedom"].bounds or (1, inf)
degrees = _number(f"a number from {_LEAST:.0f} to {_MOST:.0f}", lambda value: _LEAST <= value <= _MOST)
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


class Option(NamedTuple):
    """An option, or a file, of a command.

    Attributes
    ----------
    usage : str
        How it is written, such as ``--seed S``.
    value : callable, tuple of str, True or None
        What parses its value, or its choices; True of a flag; None if the keywords have it.
    help : str
    parameter : str
        What Python calls it; empty where Python has no such parameter.
    keywords : mapping
        Further arguments for `argparse`.
    needs : str
        The option that has to be there as well.
    """

    usage: str
    value: Any
    help: str
    parameter: str = ""
    keywords: Mapping[str, Any] = MappingProxyType({})
    needs: str = ""

    @property
    def flag(self) -> str:
        """Its name, such as ``--seed``."""
        return self.usage.partition(" ")[0].rpartition("/")[2]

    @property
    def choices(self) -> tuple[str, ...]:
        """The values that have names."""
        return _TAILS if self.value is tails else self.value if isinstance(self.value, tuple) else ()

    def add_to(self, group: argparse._ActionsContainer) -> None:
        """Add it to a parser; names are those of all times that it is given."""
        written, _, metavar = self.usage.partition(" ")
        keywords: dict[str, Any] = {"help": self.help} | ({"dest": self.parameter} if self.parameter else {})
        if self.value is True:
            keywords["action"] = "store_true"
        elif isinstance(self.value, tuple):
            keywords["choices"] = self.value
        elif self.value is not None:
            keywords |= {"type": self.value, "metavar": metavar, "action": "extend" if self.value is names else "store"}
        group.add_argument(*written.split("/"), **{**keywords, **self.keywords})


class _Command(NamedTuple):
    """A command: its texts in the list of commands and on its own page, and groups of options by their titles.

    One option of a group with the title "|" may be given.
    """

    summary: str
    description: str
    groups: tuple[tuple[str, tuple[Option, ...]], ...]


# fmt: off
# Functions of `gmm.plotting` by kinds of pictures.
PICTURES = {
    "clusters": "plot_clusters", "pairs": "plot_clusters", "density": "plot_density",
    "boundaries": "plot_decision_boundaries", "uncertainty": "plot_uncertainty", "combined": "plot_clusters",
    "convergence": "plot_convergence",
}
_FILE_HELP = (
    "table: .csv, .tsv or .txt (also .gz), .parquet, .arrow, .feather, .orc or .npy, or a folder of these; - reads CSV "
    "from standard input"
)
_FILE = Option("file FILE", str, _FILE_HELP)
_BLOCKS_HELP = "read the table block by block, once for each pass, not into memory"
_ERRORS_HELP = (
    "columns of standard errors, one for each of the {} columns, in their order; the mixture is of the values without "
    "errors"
)
_DIGITS = Option("--all-digits", True, "write probabilities in text with all digits, not with six decimals")
_JSON = Option("--json", True, "print JSON instead of tables")
_OUT = Option("--out FILE", str, ".csv, .tsv, .parquet, .arrow or .feather (default: CSV on standard output)")
_READING = (
    Option("--header", None, "whether the first line of delimited text holds column names (default: decided from its "
           "fields and the columns below)", keywords={"action": argparse.BooleanOptionalAction}),
    Option("--decimal", (".", ","), "decimal mark of delimited text (default: decided from its fields); the other one "
           "may separate thousands"),
    Option("--na TEXT", str, "text that stands for a missing value in delimited text, besides NA, NaN, null, ? and an "
           "empty field, or a number that does in any table; may be repeated",
           keywords={"action": "append", "default": []}),
    Option("--delimiter MARK", delimiter, "what separates fields of delimited text: one character, or tab (default: "
           "decided from its first lines)"),
    Option("--skip N", natural, "number of lines above a table in delimited text", keywords={"default": 0}),
    Option("--comment TEXT", str, "leave out lines of delimited text that begin with TEXT; may be repeated",
           keywords={"action": "append", "default": []}),
    Option("--drop-missing", True, "leave out rows with missing values"),
)
_MOST_USED = (
    Option("--columns A,B", names, "columns to fit (default: all numeric ones but constants, codes, copies, and those "
           "that number rows)"),
    Option("--components K", components, "one number (3), a list (2,4,6) or an inclusive range (1:9, the "
           "default)", "n_components"),
    Option("--covariance NAMES", names, "covariance models: all 14 (default) or a list such as EEE,VVV or full,diag; "
           "factor and ppca with --n-factors", "covariance_type"),
    Option("--out DIR", str, "write the model, labels, criteria and JSON to this directory"),
    Option("--report HTML", str, "write an HTML report, one file that includes its pictures (default report.html, in "
           "DIR if --out is given); needs matplotlib", keywords={"nargs": "?", "const": True}),
)
_SEARCH = (
    Option("--bayesian", True, "fit one variational Bayesian mixture, which leaves empty the components that it does "
           "not need, instead of a search; of --covariance one of full (default), tied, diag, spherical"),
    Option("--max-components K", positive, "largest number of components of --bayesian (default 20)",
           needs="--bayesian"),
    Option("--n-factors Q", components, "number of factors of the covariance models factor and ppca: one, a list or a "
           "range, as for --components; --covariance factor2 does the same for one model", "n_factors"),
    Option("--tails NAMES", tails, "tails of the components: normal (default); t: heavier, so that rows far away count "
           "little; or normal,t to choose from both", "tails"),
    Option("--degrees-of-freedom NU", degrees, "degrees of freedom of --tails t, 1 or more (default: estimated; 4 "
           "resists outliers, more are nearer to normal tails)", "degrees_of_freedom", needs="--tails t"),
    Option("--criterion", _CRITERIA, "criterion to choose by; smaller is better (default bic); held_out is the "
           "deviance of rows in five folds", "criterion", {"type": str.lower}),
    Option("--time-limit SECONDS", positive_number, "stop starting new fits after SECONDS; the output reports if "
           "the search is incomplete", "time_limit"),
    Option("--prior", _PRIORS, "prior that guards against degenerate components, with mclust's "
           "defaults", "prior"),
    Option("--max-ratio C", at_least_one, "guard against degenerate components: no variance along an axis of one is "
           "more than C times the smallest of all (50 is a good C); for the covariance models full, diag and "
           "spherical, then the default", "max_ratio"),
    Option("--noise", True, "add uniform noise over the box of the rows: a row may belong to it instead of to a "
           "component, and has the label -1 then", "noise"),
    Option("--scale", True, "search, or fit a classifier, in units of each column's standard deviation, so that units "
           "do not matter; results are in the columns' own units", "standardize"),
    Option("--n-init N", positive, "number of random restarts per fit (default 1)", "n_init", {"default": 1}),
    Option("--max-iter N", positive, "maximum number of passes per start (default 1000)",
           "max_iter", {"default": 1000}),
    Option("--tol T", non_negative, "stop when the estimated remaining gain is below T nats per row (default 1e-5), or "
           "nats in all with --bayesian (default 1e-3)", "tol"),
    Option("--refine", _MOVES, "try split-merge moves for every mixture (default: only for the best "
           "ones)", "refine"),
    Option("--reg-covar R", non_negative, "added to every variance, times the squared width of the narrowest column "
           "(default 1e-6)", "reg_covar", {"default": 1e-6}),
    Option("--seed S", natural, "random seed of the starts (default 0; the same seed gives the same result)",
           "random_state", {"default": 0}),
    Option("--threads N", positive, "number of threads (default: all usable cores)", "n_threads"),
)
_COLUMNS = (
    Option("--exclude C", names, "columns to leave out"),
    Option("--where CONDITION", condition, "fit the rows for which this holds: a column, one of < <= > >= = !=, and a "
           "number or a text, such as 'spend > 0'; a missing value meets none; may be repeated, and all have to hold; "
           "gmm predict labels the other rows too", keywords={"action": "append", "default": []}),
    Option("--class-column C", str, "column of classes, empty where unknown: fit a classifier, with a mixture for each "
           "class of one component, or as many of --components as BIC chooses"),
    Option("--label-column L", str, "column of labels to compare with the components; not fitted"),
    Option("--weight-column W", str, "column of row weights; not fitted"),
    Option("--errors A,B", names, _ERRORS_HELP.format("fitted")),
    *_READING,
    Option("--missing", ("em",), "em: fit rows with missing values too, by the values they have; a value may be "
           "missing because of other values of its row, but not because of what it would "
           "be", "missing", {"default": "error"}),
    Option("--blocks", True, f"{_BLOCKS_HELP}; for one number of --components and one of --covariance, or --bayesian"),
)
_RESULTS = (
    Option("--format", ("csv", "parquet"), "format of the labels in DIR (default csv)", keywords={"default": "csv"}),
    Option("--keep A,B", names, "columns to write with the labels in DIR, such as identifiers; or all"),
    _DIGITS,
    _JSON,
    Option("--plot PICTURE", str, "write a picture of the rows and the best mixture: .png, .svg or .pdf; needs "
           "matplotlib"),
)
_PREDICTIONS = (
    Option("--proba", True, "also write the probabilities of components or classes"),
    Option("--known A,B", names, "predict the model's other columns from these: their conditional means and standard "
           "deviations"),
)
_PREDICT = (
    Option("--density", True, "also write the log density of each row: the lowest are the least usual"),
    Option("--level P", probability, "with --known, also intervals of this probability, such as 0.9", needs="--known"),
    Option("--keep A,B", names, "columns of the table to write before the predictions; all for all of them"),
    _DIGITS,
    Option("--errors A,B", names, _ERRORS_HELP.format("model's")),
    *_READING,
    Option("--blocks", True, _BLOCKS_HELP),
    _OUT,
)
_SAMPLE = (
    Option("-n/--rows N", positive, "number of rows", keywords={"required": True}),
    Option("--seed S", natural, "random seed (default 0; the same seed gives the same rows)",
           "random_state", {"default": 0}),
    Option("--component", True, "add a column with the component of each row"),
    _OUT,
)
_EXPORT = (
    Option("--out FILE", str, ".onnx or .json; without a suffix, as /dev/stdout, .json", keywords={"required": True}),
)
_PLOT = (
    Option("file FILE", str,
           f"{_FILE_HELP}; not used with --kind convergence, and optional for a model of the Old Faithful data",
           keywords={"nargs": "?"}),
    Option("--kind", tuple(PICTURES), "clusters: rows and components; pairs: every pair of columns, at most six; "
           "density: contours of the density; boundaries: regions of the components; uncertainty: uncertain rows; "
           "combined: clusters of several components (of three always two); convergence: the passes of the fit "
           "(default clusters)", keywords={"default": "clusters"}),
    Option("--features A,B", names, "columns to draw: one or two, or every pair of up to six",
           keywords={"action": "store"}),
    Option("--out PICTURE", str, ".png, .svg or .pdf (default: KIND.png in the current directory)"),
    *_READING,
)
_COMMANDS = {
    "fit": _Command(
        "fit mixtures to a table and choose the best",
        "Fit every number of components with every covariance model and choose the best by a criterion. "
        "Fits also start from the mixtures of others. Without FILE, the bundled Old Faithful data are fitted.",
        (("", (_FILE._replace(keywords={"nargs": "?"}), *_MOST_USED)),
         ("search", _SEARCH), ("columns and rows", _COLUMNS), ("results", _RESULTS)),
    ),
    "predict": _Command(
        "label the rows of a table with a saved model",
        "Label each row with its most probable component or class, or predict the columns not --known. "
        "Columns are matched by name; if the model has no names, the numeric columns are used in order.",
        (("", (_FILE,)), ("|", _PREDICTIONS), ("", _PREDICT)),
    ),
    "sample": _Command("draw rows from a saved model", "Draw rows from a saved model.", (("", _SAMPLE),)),
    "info": _Command("show a saved model", "Show the parameters of a saved model.", (("", (_JSON,)),)),
    "export": _Command(
        "write a saved model for other software",
        "Write a saved model for other software: .onnx for ONNX runtimes, with float32 rows and results "
        "(needs onnx), or .json in mclust's terms, for R.",
        (("", _EXPORT),),
    ),
    "plot": _Command(
        "draw a saved model with the rows of a table",
        "Draw a saved model with the rows of a table. Columns are matched by name; if the model has no "
        "names, the numeric columns are used in order. More than two columns are projected onto the plane in which the "
        "components differ most, unless --features names columns. Needs matplotlib.",
        (("", _PLOT),),
    ),
}
# fmt: on
OPTIONS = {
    option.parameter or option.flag.lstrip("-").replace("-", "_"): option
    for command in _COMMANDS.values()
    for _, options in command.groups
    for option in options
}
_FLAGS = {"--quiet", "--debug", *(option.flag for option in OPTIONS.values())}
PARAMETERS = tuple(name for name, option in OPTIONS.items() if option.parameter)  # of Python


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line; on bad usage, print one line and exit with code 2.

    Parameters
    ----------
    arguments : sequence of str, default=None
        The arguments after the program's name; None stands for ``sys.argv[1:]``.

    Returns
    -------
    argparse.Namespace
        The options by the names of `OPTIONS`, those of other commands as None, ``command`` (the command's name) and
        ``words`` (the arguments as given).
    """
    words = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    for i in range(len(words) - 1, 0, -1):  # argparse takes a text that begins with - for an option
        if words[i - 1] in ("--na", "--comment", "--delimiter") and words[i].startswith("-") and words[i] not in _FLAGS:
            words[i - 1 : i + 1] = [f"{words[i - 1]}={words[i]}"]
    parser, commands = _parser()
    if words[:1] == ["select"]:
        parser.error("no command 'select'; use gmm fit, which also selects the model")
    absent = dict.fromkeys(name for name in OPTIONS if name != "file")
    options, unknown = parser.parse_known_args(words, argparse.Namespace(words=words, **absent))
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


def _parser() -> tuple[_Parser, dict[str, _Parser]]:
    parser = _Parser(
        prog="gmm",
        description="Fit, choose and use Gaussian mixtures.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"gmm {gmm.__version__}", help="print the version")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, row in _COMMANDS.items():
        command = commands.add_parser(name, help=row.summary, description=row.description)
        if name == "fit":
            command.usage = "%(prog)s [options] [FILE]"
        else:
            command.add_argument("model", metavar="MODEL", help="a saved model")
        for title, options in row.groups:
            group: Any = command.add_argument_group(title) if title else command
            group = command.add_mutually_exclusive_group() if title == "|" else group
            for option in options:
                option.add_to(group)
        command.add_argument("--quiet", action="store_true", help="print errors only")
        command.add_argument("--debug", action="store_true", help="show tracebacks")
    return parser, commands.choices


# Options by what Python calls them.
_OPTIONS = {option.parameter: option.flag for option in OPTIONS.values() if option.parameter}
_OPTIONS |= {
    f"{option.parameter}={value!r}": option.flag if value is True else f"{option.flag} {value}"
    for option in OPTIONS.values()
    if option.parameter
    for value in (*option.choices, option.value)
    if isinstance(value, str | bool)
}
_OPTIONS |= {function: f"--kind {kind}" for kind, function in reversed(PICTURES.items())}
_OPTIONS |= {
    "BayesianGaussianMixture": "--bayesian",
    "MixtureClassifier": "--class-column",
    "a range of components": "--components",
    "a table of rows": "FILE",
    "error_covariance": "--errors",
    "predict_from": "--known",
    "rows beyond memory": "--blocks",
    "with noise=False": "without --noise",
}
_WORDS = [name for name in _OPTIONS if name == "tol" or re.search("[_=]", name)]  # no English ones
_IN_TEXT = re.compile(rf"(?<![\w'\"./-])({'|'.join(map(re.escape, _WORDS))})(?![\w'\"./-]\w|[\w'\"])")


class CommandError(Exception):
    """Raised when a command fails; the message is shown to the user."""

    exit_code = 1


class UsageError(CommandError):
    """Raised when the arguments are invalid for the given files."""

    exit_code = 2


def in_options(text: str, options: argparse.Namespace | None = None) -> str:
    """Name options of the command line in the place of parameters of Python."""
    is_bayesian = options is not None and bool(options.bayesian)
    names = _OPTIONS | ({"n_components": "--max-components"} if is_bayesian else {})
    return _IN_TEXT.sub(lambda name: names[name[0]], text)


@contextmanager
def checked(place: str, error: type[CommandError] = UsageError) -> Iterator[None]:
    """Name the place on the command line before what is wrong there.

    Raises
    ------
    CommandError
        For a ValueError.
    """
    try:
        yield
    except ValueError as reason:
        raise error(in_options(f"{place}: {reason}")) from reason


def check_options(options: argparse.Namespace, **models: str) -> None:
    """Check that options go together, also with `models`, named by their classes.

    Raises
    ------
    UsageError
        If one needs another, or two exclude each other.
    """
    given = {name: value for name, value in vars(options).items() if name in OPTIONS and value not in (None, False, [])}
    present = {*models.values(), *(f"--tails {name}" for name in given.get("tails", ()))}
    for name, value in given.items():
        flag = "FILE" if name == "file" else OPTIONS[name].flag
        present |= {flag, f"{flag} {value}"}
    for option in (OPTIONS[name] for name in given):
        if option.needs and option.needs not in present:
            raise UsageError(f"{option.flag} needs {option.needs}")
    names = _OPTIONS | models
    if heavy := [name for name in given.get("tails", ()) if name != "normal"]:
        names["heavy tails"] = f"--tails {heavy[0]}"
    for row in IN_PYTHON.exclusions:
        if {names.get(row.first, row.first), names.get(row.second, row.second)} <= present:
            raise UsageError(in_options(row.message(names), options))

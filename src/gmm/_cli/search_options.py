"""The options of ``gmm fit`` that say what is searched, and how fits climb."""

from __future__ import annotations

import argparse

from gmm._cli.option_values import (
    at_least_one,
    components,
    degrees,
    names,
    natural,
    non_negative,
    positive,
    positive_number,
    probability,
    tails,
)
from gmm._estimators.criteria import OF_SEARCHES

__all__ = ["add_search"]


def add_search(command: argparse.ArgumentParser) -> None:
    """Add the options that say what ``gmm fit`` searches, and how it climbs."""
    search = command.add_argument_group("search")
    search.add_argument("--components", metavar="K", type=components,
                        help="one number (3), a list (2,4,6) or an inclusive range (1:9, the default)")  # fmt: skip
    search.add_argument("--bayesian", action="store_true",
                        help="fit one variational Bayesian mixture, which leaves empty the components that it does not "
                             "need, instead of a search; of --covariance one of full (default), tied, diag, "
                             "spherical")  # fmt: skip
    search.add_argument("--max-components", metavar="K", type=positive,
                        help="largest number of components of --bayesian (default 20)")  # fmt: skip
    _add_shapes(search)
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
    _add_climb(search)


def _add_shapes(search: argparse._ActionsContainer) -> None:
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


def _add_climb(search: argparse._ActionsContainer) -> None:
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
                        help="added to every variance (default 1e-6)")  # fmt: skip
    search.add_argument("--seed", metavar="S", type=natural, default=0,
                        help="random seed of the starts (default 0; the same seed gives the same result)")  # fmt: skip
    search.add_argument("--threads", metavar="N", type=positive,
                        help="number of threads (default: all usable cores)")  # fmt: skip

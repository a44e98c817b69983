"""What goes with what: the pairs of features that exclude each other, and why.

The one table from which the error messages, the refusals of the command line and the page of the documentation come.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class CombinationError(ValueError):
    """Raised for two features that cannot be combined."""


class Exclusion(NamedTuple):
    """Two features that cannot be combined, as users write them, the reason, and what to do instead."""

    first: str
    second: str
    reason: str
    instead: str

    @property
    def message(self) -> str:
        """What is wrong, why, and what to do instead."""
        return self.message_with({})

    def message_with(self, names: Mapping[str, str]) -> str:
        """The message, in which some features have other names."""
        first, second = (names.get(feature, feature) for feature in (self.first, self.second))
        return f"{first} cannot be combined with {second}: {self.reason}. Instead, {self.instead}."


def _each_with(first: str, *others: str, reason: str, instead: str) -> tuple[Exclusion, ...]:
    return tuple(Exclusion(first, other, reason, instead) for other in others)


EXCLUSIONS = (
    # A fit.
    Exclusion(
        "fixed weights",
        "noise",
        "weights sum to one, and the fit estimates the weight of noise",
        "fix means and covariances, or leave noise out",
    ),
    Exclusion(
        "fixed weights",
        "select",
        "weights sum to one in every cell, and cells have different numbers of components",
        "fix means, or means and covariances",
    ),
    Exclusion(
        "a prior of factors",
        "whole covariances",
        "missing values, errors, fixed parameters, refine, precisions_init and partial_fit need whole covariances, and "
        "the prior of factor models is a density of their noise",
        "leave the prior out, or use another covariance type",
    ),
    Exclusion(
        "labels",
        "rows in partitions",
        "the labels are here, and the rows elsewhere",
        "pass rows that can be read here",
    ),
    Exclusion(
        "error_covariance",
        "rows in partitions",
        "the errors are here, and the rows elsewhere",
        "pass rows that can be read here",
    ),
    Exclusion(
        "error_covariance",
        "BayesianGaussianMixture",
        "its posterior has no closed form if true values are unknown",
        "fit by maximum likelihood, which takes a prior",
    ),
    Exclusion(
        "a callable init_params",
        "rows beyond memory",
        "the function takes all rows as one array",
        "pass the name of a start",
    ),
    Exclusion(
        "responsibilities as init_params",
        "rows in partitions",
        "the responsibilities are here, and the rows elsewhere",
        "pass the name of a start",
    ),
    Exclusion(
        "sample_weight",
        "a source of rows",
        "a source has its own weights",
        "name the column of weights when you open the source, or yield (rows, weights)",
    ),
    Exclusion(
        "warm_start of a fitted mixture",
        "checkpoint",
        "the fit begins with a mixture that the file does not contain",
        "leave one of them out",
    ),
    Exclusion("standardize", "rows in partitions", "the rows stay where they are", "scale them there"),
    Exclusion(
        "fixed parameters",
        "standardize",
        "fixed values are in the units of the rows",
        "divide the columns and the fixed values by the standard deviations first",
    ),
    Exclusion(
        "fixed covariances",
        "max_ratio",
        "the limit applies to all covariances together",
        "fix weights or means, or leave max_ratio out",
    ),
    Exclusion(
        "max_ratio",
        "standardize",
        "the limit applies to variances in the units of the rows",
        "divide the columns by their standard deviations first",
    ),
    *_each_with(
        "trim",
        *("error_covariance", "missing values"),
        reason="densities of rows with other errors or columns cannot be compared",
        instead="fit with noise=True",
    ),
    Exclusion("trim", "noise", "both are for rows far away", "leave one of them out"),
    Exclusion("trim", "rows in partitions", "the rows stay where they are", "pass rows that can be read here"),
    Exclusion("trim", "checkpoint", "a checkpoint does not keep which rows are left out", "leave one of them out"),
    *_each_with(
        "heavy tails",
        *("a prior", "fixed parameters"),
        reason="the update divides means and covariances by different counts of the rows",
        instead="fit with tails='normal'",
    ),
    Exclusion("heavy tails", "noise", "both are for rows far away", "leave one of them out"),
    Exclusion(
        "heavy tails",
        "classified=True",
        "no pass sums the largest joint densities under heavy tails",
        "take criteria(X), whose icl uses responsibilities",
    ),
    Exclusion(
        "heavy tails",
        "error_covariance",
        "the sum of a heavy-tailed and a normal distribution is neither",
        "fit with tails='normal'",
    ),
    Exclusion(
        "heavy tails",
        "missing values",
        "the precision of a row depends on all of its columns",
        "fit with tails='normal', or leave rows with gaps out",
    ),
    Exclusion(
        "heavy tails",
        "refine",
        "moves assume normal components",
        "leave refine out, and raise n_init",
    ),
    # What a fitted mixture is used for.
    Exclusion(
        "noise",
        "scikit-learn's estimators",
        "they have components only, and no noise",
        "fit with noise=False, or use gmm.exchange.onnx or gmm.exchange.mclust",
    ),
    Exclusion(
        "noise",
        "assigned parameters",
        "the weights of the components do not give the box of noise",
        "fit with noise=False",
    ),
    Exclusion(
        "noise",
        "anomaly_threshold",
        "no row lies below the density of noise",
        "fit with noise=False, or take the rows whose label is -1",
    ),
    Exclusion(
        "noise",
        "distance",
        "its density has no distance to a Gaussian",
        "fit with noise=False, or compare the components by match",
    ),
    Exclusion("noise", "reduce", "different mixtures have noise in different boxes", "fit with noise=False"),
    Exclusion("noise", "true_values", "noise says nothing about true values", "fit with noise=False"),
    Exclusion(
        "missing values",
        "anomaly_threshold",
        "densities of rows with other columns cannot be compared",
        "fill the gaps of these rows, and of rows to judge, by impute(X, draw=True), which keeps the rate of false "
        "alarms",
    ),
    Exclusion(
        "noise",
        "plot_density",
        "its density is the same everywhere",
        "fit with noise=False, or use plot_clusters or plot_uncertainty",
    ),
    Exclusion(
        "noise",
        "plot_decision_boundaries",
        "its region has no end",
        "fit with noise=False, or use plot_clusters or plot_uncertainty",
    ),
    *_each_with(
        "heavy tails",
        *("impute", "adapt", "fisher_vector", "column_overlap", "distance", "reduce", "directions"),
        *("method='information'", "ONNX", "mclust", "scikit-learn's estimators"),
        reason="its formulas hold for normal components only",
        instead="fit with tails='normal'",
    ),
    *_each_with(
        "heavy tails",
        *("e_step", "m_step", "partial_fit"),
        reason="statistics of parts of the rows do not add up",
        instead="use fit, which takes rows beyond memory as well",
    ),
    *_each_with(
        "tails='contaminated'",
        *("condition", "predict_from"),
        reason="given some columns, the share of outliers differs from row to row",
        instead="fit with tails='t', whose conditional distributions are t distributions",
    ),
    Exclusion(
        "error_covariance",
        "partial_fit",
        "it would treat measured rows as true values",
        "fit all rows with their errors",
    ),
    Exclusion(
        "trim",
        "partial_fit",
        "the rows of least density are unknown until all rows are read",
        "use fit, which takes rows beyond memory as well",
    ),
    Exclusion(
        "trim",
        "standard_errors",
        "each refit would leave out other rows",
        "leave out the rows in trimmed_, and fit the others without trim",
    ),
    Exclusion(
        "heavy tails",
        "bootstrap_lrt",
        "its starts do not grow from fewer components, so fits may miss the maximum",
        "use split_lrt with a large n_init: it needs only fits of K components that reach their maximum",
    ),
    Exclusion(
        "a prior",
        "method='information'",
        "the information matrix is that of the likelihood alone",
        "use another method",
    ),
    Exclusion(
        "fixed parameters",
        "method='information'",
        "the information matrix is that of all parameters",
        "use another method",
    ),
    Exclusion(
        "max_ratio",
        "method='information'",
        "the likelihood still rises beyond the limit",
        "use another method",
    ),
    *_each_with(
        "a prior",
        *("bootstrap_lrt", "split_lrt"),
        reason="the test compares maxima of the likelihood",
        instead="leave the prior out, or compare by held_out_log_likelihood",
    ),
    Exclusion(
        "noise",
        "split_lrt",
        "each half of the rows would have its own box, so there is no common hypothesis",
        "use bootstrap_lrt, which takes noise",
    ),
    Exclusion(
        "a prior",
        "m_step",
        "sums over rows do not contain the prior",
        "use fit, which takes partitioned rows as well",
    ),
    # The command line, whose options stand for the others.
    *_each_with(
        "BayesianGaussianMixture",
        *("a range of components", "criterion", "time_limit"),
        reason="one fit empties the components that it does not need, so there is nothing to choose",
        instead="give the largest number of components as n_components",
    ),
    Exclusion(
        "BayesianGaussianMixture",
        "n_factors",
        "posteriors of loadings have no closed form",
        "fit by maximum likelihood",
    ),
    Exclusion(
        "BayesianGaussianMixture",
        "heavy tails",
        "posteriors of heavy tails have no closed form",
        "fit by maximum likelihood",
    ),
    *_each_with(
        "BayesianGaussianMixture",
        *("prior", "refine", "standardize", "max_ratio"),
        reason="it has its own priors, in the units of the rows, and its own moves",
        instead="leave it out",
    ),
    Exclusion("trim", "BayesianGaussianMixture", "its bound is of all rows", "fit by maximum likelihood"),
    *_each_with(
        "trim",
        *("criterion", "time_limit", "standardize"),
        reason="it is for one fit, so there is nothing to choose",
        instead="leave it out",
    ),
    *_each_with(
        "MixtureClassifier",
        *("BayesianGaussianMixture", "another criterion than BIC and held_out", "noise", "heavy tails", "refine"),
        *("rows beyond memory", "max_ratio", "checkpoint", "time_limit", "predict_from"),
        *("error_covariance", "trim"),
        reason="it fits a mixture to each class in memory",
        instead="leave it out, or fit one mixture to all rows",
    ),
    Exclusion("MixtureClassifier", "--label-column", "the classes are labels already", "leave --label-column out"),
    Exclusion("MixtureClassifier", "--report", "a classifier has no report", "leave --report out"),
    Exclusion("MixtureClassifier", "--plot", "a classifier has no picture here", "leave --plot out"),
    *_each_with(
        "rows beyond memory",
        *("--drop-missing", "--report", "--plot"),
        reason="it needs all rows at once",
        instead="read the table into memory, or leave it out",
    ),
    Exclusion("error_covariance", "predict_from", "it treats known columns as true values", "leave the errors out"),
    *_each_with(
        "plot_convergence",
        *("a table of rows", "--features", "--drop-missing"),
        reason="it draws passes, not rows",
        instead="leave it out",
    ),
    Exclusion(
        "--drop-missing", "missing='em'", "a fit by EM keeps the rows with missing values", "leave one of them out"
    ),
)

_BY_PAIR = {frozenset((row.first, row.second)): row for row in EXCLUSIONS}


def refuse(feature: str, others: Mapping[str, object]) -> None:
    """Raise the error for a feature and the first of the others that is there, whose value is true."""
    for other, is_there in others.items():
        if is_there:
            raise CombinationError(_BY_PAIR[frozenset((feature, other))].message)

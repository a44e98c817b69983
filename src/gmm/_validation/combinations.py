"""What goes with what: the pairs of features that exclude each other, and why.

The one table from which the error messages, the refusals of the command line and the page of the documentation come.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations, compress
from typing import NamedTuple

from gmm._exceptions import InvalidParameterError


class CombinationError(InvalidParameterError):
    """Raised for two features that cannot be combined."""


class Exclusion(NamedTuple):
    """Two features that cannot be combined, as users write them, the reason, and what to do instead."""

    first: str
    second: str
    reason: str
    instead: str

    def message(self, names: Mapping[str, str] = {}) -> str:
        """Say what is wrong, why, and what to do instead; some features have other names."""
        first, second = (names.get(feature, feature) for feature in (self.first, self.second))
        return f"{first} cannot be combined with {second}: {self.reason}. Instead, {self.instead}."


# A feature, another or several, the reason, and what to do instead.
_TABLE: tuple[tuple[str, str | tuple[str, ...], str, str], ...] = (
    # A fit.
    ("fixed weights", "noise",
     "weights sum to one, and the fit estimates the weight of noise", "fix means and covariances, or leave noise out"),
    ("fixed weights", "select",
     "weights sum to one in every cell, and cells have different numbers of components",
     "fix means, or means and covariances"),
    ("a prior of factors", "whole covariances",
     "missing values, errors, fixed parameters, refine, precisions_init and partial_fit need whole covariances, and "
     "the prior of factor models is a density of their noise",
     "leave the prior out, or use another covariance type"),
    ("labels", "rows in partitions", "the labels are here, and the rows elsewhere", "pass rows that can be read here"),
    ("error_covariance", "rows in partitions",
     "the errors are here, and the rows elsewhere", "pass rows that can be read here"),
    ("missing values", "rows in partitions",
     "passes over rows with gaps are made here, and the rows stay where they are",
     "drop such rows or fill their gaps in the partitions, or fetch a sample as an array"),
    ("error_covariance", "BayesianGaussianMixture",
     "its posterior has no closed form if true values are unknown", "fit by maximum likelihood, which takes a prior"),
    ("a callable init_params", "rows beyond memory",
     "the function takes all rows as one array", "pass the name of a start"),
    ("responsibilities as init_params", "rows in partitions",
     "the responsibilities are here, and the rows elsewhere", "pass the name of a start"),
    ("sample_weight", "a source of rows",
     "a source has its own weights", "name the column of weights when you open the source, or yield (rows, weights)"),
    ("select", "rows beyond memory",
     "it makes thousands of passes over the rows",
     "search a sample in memory, such as take(indices) of gmm.open_rows or compute() of Dask, and fit the best mixture "
     "of it to all rows with warm_start=True"),
    ("fixed parameters", "standardize",
     "fixed values are in the units of the rows",
     "divide the columns and the fixed values by the standard deviations first"),
    ("fixed covariances", "max_ratio",
     "the limit applies to all covariances together", "fix weights or means, or leave max_ratio out"),
    ("max_ratio", "standardize",
     "the limit applies to variances in the units of the rows",
     "divide the columns by their standard deviations first"),
    ("heavy tails", ("a prior", "fixed parameters"),
     "the update divides means and covariances by different counts of the rows", "fit with tails='normal'"),
    ("heavy tails", "noise", "both are for rows far away", "leave one of them out"),
    ("heavy tails", "classified=True",
     "no pass sums the largest joint densities under heavy tails", "take criteria(X), whose icl uses responsibilities"),
    ("heavy tails", "error_covariance",
     "the sum of a heavy-tailed and a normal distribution is neither", "fit with tails='normal'"),
    ("heavy tails", "missing values",
     "the precision of a row depends on all of its columns", "fit with tails='normal', or leave rows with gaps out"),
    ("heavy tails", "refine", "moves assume normal components", "leave refine out, and raise n_init"),
    # What a fitted mixture is used for.
    ("noise", "scikit-learn's estimators",
     "they have components only, and no noise",
     "fit with noise=False, or use gmm.exchange.onnx or gmm.exchange.mclust"),
    ("noise", "assigned parameters",
     "the weights of the components do not give the box of noise", "fit with noise=False"),
    ("degrees_of_freedom='each'", "assigned parameters",
     "each component keeps its own degrees of freedom, whatever else it is assigned", "leave degrees_of_freedom out"),
    ("noise", "anomaly_threshold",
     "no row lies below the density of noise", "fit with noise=False, or take the rows whose label is -1"),
    ("noise", "distance",
     "its density has no distance to a Gaussian", "fit with noise=False, or compare the components by match"),
    ("noise", "true_values", "noise says nothing about true values", "fit with noise=False"),
    ("missing values", "anomaly_threshold",
     "densities of rows with other columns cannot be compared",
     "fill the gaps of these rows, and of rows to judge, by impute(X, draw=True), which keeps the rate of false "
     "alarms"),
    ("noise", "plot_density",
     "its density is the same everywhere", "fit with noise=False, or use plot_clusters or plot_uncertainty"),
    ("noise", "plot_decision_boundaries",
     "its region has no end", "fit with noise=False, or use plot_clusters or plot_uncertainty"),
    ("heavy tails",
     ("impute", "adapt", "fisher_vector", "column_overlap", "distance", "directions",
      "method='information'", "ONNX", "mclust", "scikit-learn's estimators"),
     "its formulas hold for normal components only", "fit with tails='normal'"),
    ("heavy tails", ("e_step", "m_step", "partial_fit"),
     "statistics of parts of the rows do not add up", "use fit, which takes rows beyond memory as well"),
    ("error_covariance", "partial_fit",
     "it would treat measured rows as true values", "fit all rows with their errors"),
    ("heavy tails", "bootstrap_lrt",
     "its starts do not grow from fewer components, so fits may miss the maximum",
     "use split_lrt with a large n_init: it needs only fits of K components that reach their maximum"),
    ("a prior", "method='information'", "the information matrix is that of the likelihood alone", "use another method"),
    ("fixed parameters", "method='information'",
     "the information matrix is that of all parameters", "use another method"),
    ("max_ratio", "method='information'", "the likelihood still rises beyond the limit", "use another method"),
    ("a prior", ("bootstrap_lrt", "split_lrt"),
     "the test compares maxima of the likelihood", "leave the prior out, or compare by held_out_log_likelihood"),
    ("noise", "split_lrt",
     "each half of the rows would have its own box, so there is no common hypothesis",
     "use bootstrap_lrt, which takes noise"),
    ("a prior", "m_step", "sums over rows do not contain the prior", "use fit, which takes partitioned rows as well"),
    # The command line, whose options stand for the others.
    ("BayesianGaussianMixture", ("a range of components", "criterion", "time_limit"),
     "one fit empties the components that it does not need, so there is nothing to choose",
     "give the largest number of components as n_components"),
    ("BayesianGaussianMixture", "n_factors", "posteriors of loadings have no closed form", "fit by maximum likelihood"),
    ("BayesianGaussianMixture", "heavy tails",
     "posteriors of heavy tails have no closed form", "fit by maximum likelihood"),
    ("BayesianGaussianMixture", ("prior", "refine", "standardize", "max_ratio"),
     "it has its own priors, in the units of the rows, and its own moves", "leave it out"),
    ("MixtureClassifier",
     ("BayesianGaussianMixture", "noise", "heavy tails", "refine", "rows beyond memory", "max_ratio",
      "time_limit", "predict_from", "error_covariance"),
     "it fits a mixture to each class in memory", "leave it out, or fit one mixture to all rows"),
    ("MixtureClassifier", "criterion", "BIC chooses", "leave it out"),
    ("MixtureClassifier", "--label-column", "the classes are labels already", "leave --label-column out"),
    ("MixtureClassifier", "--report", "a classifier has no report", "leave --report out"),
    ("MixtureClassifier", "--plot", "a classifier has no picture here", "leave --plot out"),
    ("rows beyond memory", ("criterion", "time_limit", "standardize"),
     "it is for one fit, so there is nothing to choose", "leave it out"),
    ("rows beyond memory", ("--drop-missing", "--where", "--report", "--plot"),
     "the table is read block by block", "leave one of them out"),
    ("error_covariance", "predict_from", "it treats known columns as true values", "leave the errors out"),
    ("plot_convergence", ("a table of rows", "--features", "--drop-missing"),
     "it draws passes, not rows", "leave it out"),
    ("--drop-missing", "missing='em'", "a fit by EM keeps the rows with missing values", "leave one of them out"),
)  # fmt: skip

EXCLUSIONS = tuple(
    Exclusion(first, second, reason, instead)
    for first, others, reason, instead in _TABLE
    for second in ([others] if isinstance(others, str) else others)
)
_BY_PAIR = {frozenset((row.first, row.second)): row for row in EXCLUSIONS}


def check_all_compatible(features: Mapping[str, object]) -> None:
    """Raise the error for the first two features that are there, whose values are true, and exclude each other."""
    for pair in combinations(compress(features, features.values()), 2):
        if exclusion := _BY_PAIR.get(frozenset(pair)):
            raise CombinationError(exclusion.message())


def check_compatible(feature: str, others: Mapping[str, object]) -> None:
    """Raise the error for a feature and the first of the others that is there, whose value is true, and excludes it."""
    for other, is_there in others.items():
        if is_there and (exclusion := _BY_PAIR.get(frozenset((feature, other)))):
            raise CombinationError(exclusion.message())

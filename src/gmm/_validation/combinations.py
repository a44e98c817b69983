"""Combinations: the pairs of features that exclude each other, and why.

Error messages, those of the command line and the page of the documentation all use this table.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations, compress
from typing import NamedTuple

from gmm._exceptions import InvalidParameterError


class CombinationError(InvalidParameterError):
    """Raised for two features that cannot be combined."""


class Exclusion(NamedTuple):
    """Two features that cannot be combined, by their names for users, the reason, and what to do instead."""

    first: str
    second: str
    reason: str
    instead: str

    def message(self, names: Mapping[str, str] = {}) -> str:
        """Return the message of the error; `names` replace those of some features."""
        first, second = (names.get(feature, feature) for feature in (self.first, self.second))
        return f"{first} cannot be combined with {second}: {self.reason}. Instead, {self.instead}."


# A feature, another or several, the reason, and what to do instead.
_TABLE: tuple[tuple[str, str | tuple[str, ...], str, str], ...] = (
    # A fit.
    ("fixed weights", "noise",
     "weights sum to one, and the fit estimates the weight of noise", "fix means and covariances, or drop noise"),
    ("fixed weights", "select",
     "weights sum to one in every cell, and cells have different numbers of components",
     "fix means, or means and covariances"),
    ("a prior of factors", "dense covariances",
     "missing values, errors, fixed parameters, refine, precisions_init and partial_fit need dense covariances, and "
     "the prior of factor models is a density of their noise",
     "drop the prior, or use another covariance type"),
    ("labels", "rows in partitions", "labels are local, and the rows are remote", "pass local rows"),
    ("error_covariance", "rows in partitions",
     "errors are local, and the rows are remote", "pass local rows"),
    ("missing values", "rows in partitions",
     "passes over rows with missing values are local, and the rows are remote",
     "drop such rows or impute their values in the partitions, or fetch a sample as an array"),
    ("error_covariance", "BayesianGaussianMixture",
     "its posterior has no closed form if true values are unknown", "fit by maximum likelihood, which accepts a prior"),
    ("a callable init_params", "rows beyond memory",
     "the function gets all rows as one array", "pass the name of a start"),
    ("responsibilities as init_params", "rows in partitions",
     "responsibilities are local, and the rows are remote", "pass the name of a start"),
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
     "the limit applies to all covariances together", "fix weights or means, or drop max_ratio"),
    ("max_ratio", "standardize",
     "the limit applies to variances in the units of the rows",
     "divide the columns by their standard deviations first"),
    ("heavy tails", ("a prior", "fixed parameters"),
     "the update divides means and covariances by different counts of the rows", "fit with tails='normal'"),
    ("heavy tails", "noise", "both are for rows far away", "drop one of them"),
    ("heavy tails", "classified=True",
     "no pass sums the largest joint densities under heavy tails", "use criteria(X), whose icl uses responsibilities"),
    ("heavy tails", "error_covariance",
     "the sum of a heavy-tailed and a normal distribution is neither", "fit with tails='normal'"),
    ("heavy tails", "missing values",
     "the precision of a row depends on all of its columns", "fit with tails='normal', or drop such rows"),
    ("heavy tails", "refine", "moves assume normal components", "drop refine, and raise n_init"),
    # Uses of a fitted mixture.
    ("noise", "scikit-learn's estimators",
     "they have components only, and no noise",
     "fit with noise=False, or use gmm.exchange.onnx or gmm.exchange.mclust"),
    ("noise", "assigned parameters",
     "the weights of the components do not give the box of noise", "fit with noise=False"),
    ("degrees_of_freedom='each'", "assigned parameters",
     "assigned parameters do not change the degrees of freedom", "drop degrees_of_freedom"),
    ("noise", "anomaly_threshold",
     "no row is below the density of noise", "fit with noise=False, or use the rows whose label is -1"),
    ("noise", "distance",
     "its density has no distance to a Gaussian", "fit with noise=False, or compare the components by match"),
    ("noise", "true_values", "noise has no density of true values", "fit with noise=False"),
    ("missing values", "anomaly_threshold",
     "densities of rows with other columns cannot be compared",
     "impute these rows and new rows by impute(X, draw=True), which preserves the rate of false alarms"),
    ("noise", "plot_density",
     "its density is the same everywhere", "fit with noise=False, or use plot_clusters or plot_uncertainty"),
    ("noise", "plot_decision_boundaries",
     "its region has no end", "fit with noise=False, or use plot_clusters or plot_uncertainty"),
    ("heavy tails",
     ("impute", "adapt", "fisher_vector", "column_overlap", "distance", "directions",
      "method='information'", "ONNX", "mclust", "scikit-learn's estimators"),
     "its formulas are those of normal components", "fit with tails='normal'"),
    ("heavy tails", ("e_step", "m_step", "partial_fit"),
     "statistics of parts of the rows do not add up", "use fit, which accepts rows beyond memory as well"),
    ("error_covariance", "partial_fit",
     "it would treat measured rows as true values", "fit all rows with their errors"),
    ("heavy tails", "bootstrap_lrt",
     "its starts do not extend fits of fewer components, so fits may miss the maximum",
     "use split_lrt with a large n_init: it needs only fits of K components that reach their maximum"),
    ("a prior", "method='information'", "the information matrix is that of the likelihood alone", "use another method"),
    ("fixed parameters", "method='information'",
     "the information matrix is that of all parameters", "use another method"),
    ("max_ratio", "method='information'", "the likelihood still rises beyond the limit", "use another method"),
    ("a prior", ("bootstrap_lrt", "split_lrt"),
     "the test compares maxima of the likelihood", "drop the prior, or compare by held_out_log_likelihood"),
    ("noise", "split_lrt",
     "each half of the rows would have its own box, so there is no common hypothesis",
     "use bootstrap_lrt, which accepts noise"),
    ("a prior", "m_step", "sums over rows do not contain the prior", "use fit, which accepts partitioned rows as well"),
    # The command line, whose options stand for the others.
    ("BayesianGaussianMixture", ("a range of components", "criterion", "time_limit"),
     "one fit empties the components that it does not need, so there is nothing to choose",
     "give the largest number of components as n_components"),
    ("BayesianGaussianMixture", "n_factors", "posteriors of loadings have no closed form", "fit by maximum likelihood"),
    ("BayesianGaussianMixture", "heavy tails",
     "posteriors of heavy tails have no closed form", "fit by maximum likelihood"),
    ("BayesianGaussianMixture", ("prior", "refine", "standardize", "max_ratio"),
     "it has its own priors, in the units of the rows, and its own moves", "drop the latter"),
    ("MixtureClassifier",
     ("BayesianGaussianMixture", "noise", "heavy tails", "refine", "rows beyond memory", "max_ratio",
      "time_limit", "predict_from", "error_covariance"),
     "it fits a mixture to each class in memory", "drop the latter, or fit one mixture to all rows"),
    ("MixtureClassifier", "criterion", "BIC chooses", "drop the latter"),
    ("MixtureClassifier", "--label-column", "the classes are labels already", "drop --label-column"),
    ("MixtureClassifier", "--report", "a classifier has no report", "drop --report"),
    ("MixtureClassifier", "--plot", "a classifier has no picture", "drop --plot"),
    ("rows beyond memory", ("criterion", "time_limit", "standardize"),
     "it is for one fit, so there is nothing to choose", "drop the latter"),
    ("rows beyond memory", ("--drop-missing", "--where", "--report", "--plot"),
     "the table is read block by block", "drop one of them"),
    ("error_covariance", "predict_from", "it treats known columns as true values", "drop the errors"),
    ("plot_convergence", ("a table of rows", "--features", "--drop-missing"),
     "it draws passes, not rows", "drop the latter"),
    ("--drop-missing", "missing='em'", "a fit by EM uses the rows with missing values", "drop one of them"),
)  # fmt: skip

EXCLUSIONS = tuple(
    Exclusion(first, second, reason, instead)
    for first, others, reason, instead in _TABLE
    for second in ([others] if isinstance(others, str) else others)
)
_BY_PAIR = {frozenset((row.first, row.second)): row for row in EXCLUSIONS}


def check_all_compatible(features: Mapping[str, object]) -> None:
    """Raise the error for the first two features that are present, by true values, and exclude each other."""
    for pair in combinations(compress(features, features.values()), 2):
        if exclusion := _BY_PAIR.get(frozenset(pair)):
            raise CombinationError(exclusion.message())


def check_compatible(feature: str, others: Mapping[str, object]) -> None:
    """Raise the error for a feature and the first of the others that is present, by a true value, and excludes it."""
    for other, is_present in others.items():
        if is_present and (exclusion := _BY_PAIR.get(frozenset((feature, other)))):
            raise CombinationError(exclusion.message())

"""What goes with what: the pairs of features that exclude each other, and why.

The one table from which the error messages, the refusals of the command line and the page of the documentation come.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["EXCLUSIONS", "CombinationError", "Exclusion", "refusal"]


class CombinationError(ValueError):
    """Raised for two features that cannot be combined."""


@dataclass(frozen=True)
class Exclusion:
    """Two features that cannot be combined, as users write them, the reason, and what to do instead."""

    first: str
    second: str
    reason: str
    instead: str

    @property
    def message(self) -> str:
        """The error."""
        return self.message_with({})

    def message_with(self, names: Mapping[str, str]) -> str:
        """The error, in which some features have other names."""
        first, second = (names.get(feature, feature) for feature in (self.first, self.second))
        return f"{first} cannot be combined with {second}: {self.reason}. Instead, {self.instead}."


def _each_with(first: str, *others: str, reason: str, instead: str) -> tuple[Exclusion, ...]:
    return tuple(Exclusion(first, other, reason, instead) for other in others)


EXCLUSIONS = (
    # A fit.
    Exclusion(
        "fixed weights",
        "noise",
        "all weights sum to one, and that of noise is estimated",
        "fix means and covariances, or leave noise out",
    ),
    Exclusion(
        "fixed weights",
        "select",
        "weights sum to one in every cell, and cells differ in their number of components",
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
        "the labels lie here, and the rows elsewhere",
        "pass rows that can be read here",
    ),
    Exclusion(
        "error_covariance",
        "rows in partitions",
        "the errors lie here, and the rows elsewhere",
        "pass rows that can be read here",
    ),
    Exclusion(
        "error_covariance",
        "BayesianGaussianMixture",
        "its posterior has no closed form where true values are unknown",
        "use GaussianMixture, which takes a prior",
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
        "the responsibilities lie here, and the rows elsewhere",
        "pass the name of a start",
    ),
    Exclusion(
        "sample_weight",
        "a source of rows",
        "a source has weights of its own",
        "name their column where the source is opened, or yield (rows, weights)",
    ),
    Exclusion(
        "warm_start of a fitted mixture",
        "checkpoint",
        "the fit begins with a mixture that only this process knows",
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
        "the limit is of all covariances together",
        "fix weights or means, or leave max_ratio out",
    ),
    Exclusion(
        "max_ratio",
        "standardize",
        "the limit is of variances in the units of the rows",
        "divide the columns by their standard deviations first",
    ),
    *_each_with(
        "trim",
        *("error_covariance", "missing values"),
        reason="densities of rows with other errors or columns cannot be compared",
        instead="fit with noise=True",
    ),
    Exclusion("trim", "noise", "both are for rows far away", "leave one of them out"),
    Exclusion(
        "trim",
        "rows in partitions",
        "the weights of the rows lie here, and the rows elsewhere",
        "pass rows that can be read here",
    ),
    Exclusion("trim", "checkpoint", "a file keeps no rows that are left out", "leave one of them out"),
    *_each_with(
        "heavy tails",
        *("a prior", "fixed parameters"),
        reason="their updates divide means and covariances by one count, and rows have a precision in the one alone",
        instead="fit with tails='normal'",
    ),
    Exclusion("heavy tails", "noise", "both are for rows far away", "leave one of them out"),
    Exclusion(
        "heavy tails",
        "classified=True",
        "it sums the largest joint density of each row, for which there is no pass of such components",
        "take criteria(X), whose icl is made of responsibilities",
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
        "moves compare components with normal ones",
        "leave refine out, and raise n_init",
    ),
    # What a fitted mixture is used for.
    Exclusion(
        "noise",
        "scikit-learn's estimators",
        "they have no density beside the components'",
        "fit with noise=False, or use gmm.exchange.onnx or gmm.exchange.mclust",
    ),
    Exclusion(
        "noise",
        "assigned parameters",
        "the weights of the components do not say where noise lies",
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
    Exclusion("noise", "reduce", "mixtures in different places have noise in different boxes", "fit with noise=False"),
    Exclusion("noise", "true_values", "it says nothing of where true values lie", "fit with noise=False"),
    Exclusion(
        "missing values",
        "anomaly_threshold",
        "densities of rows with other columns cannot be compared",
        "give each set of columns a threshold of its own, with the marginal mixture of these columns",
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
        reason="its formulas are those of normal components",
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
        "it would take rows for true values, as the mixture is of these",
        "fit all rows with their errors",
    ),
    Exclusion(
        "trim",
        "partial_fit",
        "the rows of least density are known once all rows are",
        "use fit, which takes rows beyond memory as well",
    ),
    Exclusion(
        "trim",
        "standard_errors",
        "refits to other rows leave other rows out",
        "fit the rows that trimmed_ leaves without trim",
    ),
    Exclusion(
        "heavy tails",
        "bootstrap_lrt",
        "its starts do not grow from fewer components, so that fits may miss the maximum",
        "use split_lrt, which holds for any fit",
    ),
    Exclusion(
        "a prior",
        "method='information'",
        "the information is that of the likelihood alone",
        "use another method",
    ),
    Exclusion(
        "fixed parameters",
        "method='information'",
        "the information is that of all parameters",
        "use another method",
    ),
    Exclusion(
        "max_ratio",
        "method='information'",
        "where the limit holds, the likelihood still rises beyond it",
        "use another method",
    ),
    Exclusion(
        "a prior",
        "bootstrap_lrt",
        "the test compares maxima of the likelihood",
        "leave the prior out, or compare by held_out_log_likelihood",
    ),
    Exclusion(
        "a prior",
        "split_lrt",
        "the test compares maxima of the likelihood",
        "leave the prior out, or compare by held_out_log_likelihood",
    ),
    Exclusion(
        "noise",
        "split_lrt",
        "its box would follow each half of the rows, so that there is no common hypothesis",
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
        reason="one fit empties the components that it does not need, so there is nothing to choose from",
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
        reason="it has priors of its own, in the units of the rows, and moves by the evidence",
        instead="leave it out",
    ),
    *_each_with(
        "MixtureClassifier",
        *("BayesianGaussianMixture", "another criterion than BIC", "noise", "heavy tails", "refine"),
        *("rows beyond memory", "max_ratio", "checkpoint", "time_limit", "predict_from"),
        *("--label-column", "--report", "--plot"),
        reason="it fits a mixture to the rows of each class in memory, which BIC chooses, and compares the classes",
        instead="leave it out, or fit one mixture to all rows",
    ),
    *_each_with(
        "rows beyond memory",
        *("--drop-missing", "--report", "--plot"),
        reason="it needs all rows at once",
        instead="read the table into memory, or leave it out",
    ),
    *_each_with(
        "plot_convergence",
        *("a table of rows", "--features", "--drop-missing"),
        reason="it draws passes, not rows",
        instead="leave it out",
    ),
    Exclusion("--drop-missing", "missing='em'", "that keeps the rows with missing values", "leave one of them out"),
)

_BY_PAIR = {frozenset((row.first, row.second)): row for row in EXCLUSIONS}


def refusal(first: str, second: str) -> CombinationError:
    """Return the error for two features that the table names."""
    return CombinationError(_BY_PAIR[frozenset((first, second))].message)

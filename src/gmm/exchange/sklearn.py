"""Fitted mixtures as scikit-learn's estimators, and back."""

from gmm._exchange.scikit_learn import from_sklearn, to_sklearn

__all__ = ["from_sklearn", "to_sklearn"]

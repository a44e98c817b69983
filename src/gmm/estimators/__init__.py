"""The public estimators, and what a fitted mixture can do."""

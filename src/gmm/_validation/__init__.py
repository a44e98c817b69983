"""Validation of input: one `check_` function for each argument that callers pass.

A compiled survey of the rows finds values of X that are not finite; the `raise_` functions word the errors.
"""

"""Passes over rows, parameter updates and solvers."""

"""Passes over the rows, parameter updates, and the loop that alternates them until it converges."""

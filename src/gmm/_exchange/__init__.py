"""Fitted mixtures in the terms of other software, a file for each; their packages are imported only when asked for."""

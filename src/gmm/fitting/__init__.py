"""One fit: starts, solver runs from the promising ones, split–merge moves, and the best result."""

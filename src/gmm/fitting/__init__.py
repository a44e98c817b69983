"""One fit: starting points, climbs from the promising ones, split-merge moves, and the best result."""

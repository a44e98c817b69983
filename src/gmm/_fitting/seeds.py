"""Seeds of starts, from what scikit-learn calls a random state."""

from __future__ import annotations

from functools import lru_cache
from numbers import Integral

import numpy as np

from gmm._fitting.sampling import Rng
from gmm._validation.parameters import check_random_state


def start_seeds(random_state: int | Rng | None, n_init: int) -> tuple[int, ...]:
    """Return the seeds of `n_init` starts; a generator, or numpy's global one for None, advances by a draw for each."""
    if isinstance(random_state, Integral):
        return _seeds_of(int(random_state), n_init)
    rng = check_random_state(random_state)
    if isinstance(rng, np.random.Generator):
        return tuple(int(rng.integers(2**63)) for _ in range(n_init))
    return tuple(int(rng.randint(2**31)) for _ in range(n_init))


def common_seed(random_state: int | Rng | None) -> int:
    """Return one seed for all fits of a comparison: an int itself; a generator advances by a draw."""
    if isinstance(random_state, Integral):
        return int(random_state)
    rng = check_random_state(random_state)
    draw = rng.integers if isinstance(rng, np.random.Generator) else rng.randint
    return int(draw(2**31))


@lru_cache
def _seeds_of(number: int, n_init: int) -> tuple[int, ...]:
    # Seeding a RandomState takes longer than everything else that a small fit does before its first pass.
    return start_seeds(check_random_state(number), n_init)

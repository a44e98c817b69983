"""The logger "gmm": how fits and searches go, for programs that run them unwatched.

INFO is for what happens a few times a fit: its rows, each start and how it ended, each cell of a search. DEBUG is for
every pass. Nothing is printed unless the program sets up logging.
"""

import logging  # which concurrent.futures, needed anyway, imports too

LOGGER = logging.getLogger("gmm")
LOGGER.addHandler(logging.NullHandler())


def follows_passes() -> bool:
    """Return whether anybody wants a line for every pass, which must come back to Python for it."""
    return LOGGER.isEnabledFor(logging.DEBUG)

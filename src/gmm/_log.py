"""The logger "gmm": the progress of fits and searches, for programs that run unattended.

INFO is for events that occur a few times a fit: its rows, each start and how it ended, each cell of a search. DEBUG is
for every pass. Nothing is printed unless the program sets up logging.
"""

import logging  # which concurrent.futures, needed anyway, imports too

LOGGER = logging.getLogger("gmm")
LOGGER.addHandler(logging.NullHandler())


def follows_passes() -> bool:
    """Return whether every pass is logged, so that it must return to Python."""
    return LOGGER.isEnabledFor(logging.DEBUG)

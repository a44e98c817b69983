"""``python -m gmm``: the command line."""

import sys

from gmm.cli import main

sys.exit(main())

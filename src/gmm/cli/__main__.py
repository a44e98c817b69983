"""Run the command line as ``python -m gmm.cli``."""

import sys

from gmm.cli import main

sys.exit(main())

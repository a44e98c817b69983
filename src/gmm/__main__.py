"""Run the command line with ``python -m gmm``."""

import sys

from gmm._cli import main

sys.exit(main())

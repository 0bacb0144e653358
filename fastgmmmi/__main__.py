"""Run the command line: ``python -m fastgmmmi``."""

import sys

from .cli import main

sys.exit(main())

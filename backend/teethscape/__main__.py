"""``python -m teethscape`` is the same as ``teethscape``."""

import sys

from teethscape.cli import main

if __name__ == "__main__":
    sys.exit(main())

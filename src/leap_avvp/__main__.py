"""``python -m leap_avvp`` is the ``leap-avvp`` command."""

import sys

from leap_avvp.cli import main

if __name__ == "__main__":
    sys.exit(main())

"""`python -m baton` is the command `baton`."""

from __future__ import annotations

import sys

from baton.cli.main import main

# A worker process imports its parent's main module under another name: it must not start a second
# command line.
if __name__ == "__main__":
    sys.exit(main())

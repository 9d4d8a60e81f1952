"""A parser of command lines that prints no password of an address it cannot understand."""

from __future__ import annotations

import argparse
import re
from typing import NoReturn


class QuietParser(argparse.ArgumentParser):
    """Hides addresses in its own errors, which quote the command line. Its subparsers do so too."""

    def error(self, message: str) -> NoReturn:
        # To the end: a password may have blanks.
        super().error(re.sub(r"(\w://).*", r"\1***", message, flags=re.DOTALL))

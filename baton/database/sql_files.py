"""Where the SQL files are: beside the package in a wheel, beside its folder in a checkout."""

from __future__ import annotations

from functools import cache
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent


@cache
def sql_folder() -> Path:
    """Return the folder that holds `migrations`, `functions` and `bootstrap.sql`.

    Raises:
        FileNotFoundError: the installation is incomplete.
    """
    # The checkout first: an editable install may have left a copy from another day in the package.
    for folder in (_PACKAGE.parent / "sql", _PACKAGE / "sql"):
        if (folder / "migrations").is_dir() and (folder / "functions").is_dir():
            return folder
    raise FileNotFoundError(f"Baton's SQL files are missing beside {_PACKAGE}: install the package again")

"""The application's module, and what `baton worker MODULE:NAME` names in it."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import inspect
import logging
import os
import sys
import traceback
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

from baton.cli.failures import CommandError
from baton.client.engine import Engine
from baton.core.worker import Worker
from baton.errors.texts import did_you_mean
from baton.runtime.pool import WorkerPool

log = logging.getLogger("baton.worker")

_LIBRARY = Path(os.__file__).parent
"""Where Python's standard library is."""


def import_application(name: str, *, is_logged: bool = False) -> ModuleType:
    """Import the module `name`, from the current directory or from Python's path.

    The traceback of an error in the module is printed; with `is_logged`, it is logged.

    Raises: CommandError.
    """
    _require_module_name(name)
    here = Path.cwd()
    _put_on_path(str(here))
    _require_not_hidden(name, here)
    try:
        return importlib.import_module(name)
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and error.name and f"{name}.".startswith(f"{error.name}."):
            near = did_you_mean(error.name, [path.stem for path in here.glob("*.py")]) if error.name == name else ""
            raise CommandError(f"there is no module {error.name!r} in {here} or on Python's path{near}") from None
        _show_traceback(error, is_logged)
        raise CommandError(f"module {name!r} cannot be imported: {type(error).__name__}: {error}") from error


def target_in(module: ModuleType, path: str, *, is_logged: bool = False) -> Engine | WorkerPool:
    """Return the engine or the worker pool that `path` names in a module; a function is called to make it.

    Raises: CommandError if it is something else, or nothing.
    """
    where = f"{module.__name__}:{path}"
    try:
        found: Any = functools.reduce(getattr, path.split("."), module)
    except AttributeError:
        known = [name for name, value in vars(module).items() if isinstance(value, Engine | WorkerPool)]
        raise CommandError(
            f"{where} should be an Engine or a WorkerPool, or a function that makes one, and is not there"
            f"{did_you_mean(path, known)}"
        ) from None
    if not _is_maker(found):
        return _checked(found, where)
    try:
        made = found()
    except Exception as error:
        _show_traceback(error, is_logged)
        raise CommandError(f"{where}() raises {type(error).__name__}: {error}") from error
    return _checked(made, f"{where}()")


def _show_traceback(error: Exception, is_logged: bool) -> None:
    """Show where the error is: it is in the application, and its author needs to know."""
    if is_logged:
        log.critical("the application raises %s", type(error).__name__, exc_info=error)
    else:
        traceback.print_exception(error)


def _checked(made: object, where: str) -> Engine | WorkerPool:
    if isinstance(made, Engine | WorkerPool):
        return made
    kind = _kind(made)
    raise CommandError(f"{where} should be an Engine or a WorkerPool, or a function that makes one, and is {kind}")


def _is_maker(found: object) -> bool:
    return callable(found) and not isinstance(found, Worker | Engine | WorkerPool)


def _kind(found: object) -> str:
    if isinstance(found, Worker):
        return f"the worker {found.name!r}: leave it out, the workers of a module are found by themselves"
    if inspect.iscoroutine(found):
        found.close()
        return "a coroutine: write def in place of async def"
    return f"of type {type(found).__name__}"


def _require_module_name(name: str) -> None:
    """Refuse the path of a file, and say which module it is."""
    path = name.removesuffix(".py")
    if path == name and os.sep not in name and not name.startswith("."):
        return
    parts = [part for part in Path(path).parts if part != "__init__"]
    if not parts or ".." in parts or Path(path).is_absolute():
        raise CommandError(
            f"{name!r} is the path of a file, and not the name of a module: go to the folder of the application, and "
            f"name the module, as in baton worker app"
        )
    module = ".".join(parts).lstrip(".")
    raise CommandError(f"{name!r} is the path of a file; name the module, as in baton worker {module}")


def _put_on_path(here: str) -> None:
    """Let modules of the current directory be found before installed ones, but after those of the standard library.

    Before these, a file of the application named queue.py or types.py would be imported by every library that asks for
    the module of Python's. The path is absolute, because processes that the pool starts inherit it.
    """
    if sys.path and sys.path[0] in ("", here) and not sys.flags.safe_path:
        del sys.path[0]  # `python -m baton` puts it first
    if here in sys.path:
        return
    own = [place for place, entry in enumerate(sys.path) if Path(entry) in (_LIBRARY, _LIBRARY / "lib-dynload")]
    sys.path.insert(max(own, default=len(sys.path) - 1) + 1, here)


def _require_not_hidden(name: str, here: Path) -> None:
    root = name.partition(".")[0]
    hidden = next((path for path in (here / f"{root}.py", here / root) if path.exists()), None)
    if hidden is not None and _is_pythons(importlib.util.find_spec(root)):
        raise CommandError(f"module {root!r} is Python's own, and hides {hidden}; give that another name")


def _is_pythons(found: ModuleSpec | None) -> bool:
    """Whether a module is in the standard library."""
    if found is None or found.origin is None:
        return False
    if found.origin in ("built-in", "frozen"):
        return True
    origin = Path(found.origin)
    return _LIBRARY in origin.parents and not {"site-packages", "dist-packages"}.intersection(origin.parts)

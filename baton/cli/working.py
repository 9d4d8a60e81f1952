"""`baton worker`: a process that runs the steps of the workers a module defines."""

from __future__ import annotations

import argparse
import asyncio
import importlib
import importlib.util
import logging
import os
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from baton.cli.failures import CommandError
from baton.core import registry
from baton.engine import Engine
from baton.pool import WorkerPool

log = logging.getLogger("baton")

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_ENGINE_OPTIONS = ("address", "schema")
_POOL_OPTIONS = ("queues", "lease", "grace")


def run(arguments: argparse.Namespace) -> None:
    """Run steps until a signal ends it; return when the pool has drained.

    Raises: CommandError if the module cannot be used, whatever entering an engine raises.
    """
    name, _, attribute = arguments.module.partition(":")
    _import_module(name)
    # After the import: logging that the application sets up itself is left as it is.
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format=LOG_FORMAT)
    if not registry.names():
        raise CommandError(f"module {name!r} defines no worker; decorate a function in it with @worker")
    engine = _engine_in(name, attribute, arguments) if attribute else Engine(**_given(arguments, _ENGINE_OPTIONS))
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(engine, _given(arguments, _POOL_OPTIONS)))
    _leave_threads_behind()


async def _serve(engine: Engine, pool_options: dict[str, Any]) -> None:
    async with engine, WorkerPool(engine, **pool_options) as pool:
        await pool.serve()


def _leave_threads_behind() -> None:
    """End the process now if a step hangs in a thread: it was given back, and Python would wait for it for ever."""
    if any(thread.name.startswith("AnyIO worker") and thread.is_alive() for thread in threading.enumerate()):
        logging.getLogger("baton.pool").warning("steps still hang in threads; the process ends without them")
        logging.shutdown()
        sys.stdout.flush()
        os._exit(0)


def _given(arguments: argparse.Namespace, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: value for name in names if (value := getattr(arguments, name)) is not None}


def _import_module(name: str) -> None:
    # A console script, unlike `python -m`, has its own folder there. Absolute, as processes the pool starts inherit it.
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)
    try:
        importlib.import_module(name)
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and error.name and f"{name}.".startswith(f"{error.name}."):
            raise CommandError(f"there is no module {error.name!r} in {here} or on Python's path") from None
        # The fault is in the module, and its author needs to see where.
        traceback.print_exc()
        raise CommandError(f"module {name!r} cannot be imported: {type(error).__name__}: {error}") from error


def _engine_in(name: str, attribute: str, arguments: argparse.Namespace) -> Engine:
    for option in _ENGINE_OPTIONS:
        if getattr(arguments, option) is not None:
            raise CommandError(f"--{option} belongs to an engine made here; leave it out, or :{attribute}")
    found = getattr(sys.modules[name], attribute, None)
    if not isinstance(found, Engine):
        kind = "not there" if found is None else f"of type {type(found).__name__}"
        raise CommandError(f"{name}:{attribute} should be an Engine and is {kind}")
    return found


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's, where that extra is installed; None for asyncio's own."""
    if importlib.util.find_spec("uvloop") is None:
        return None
    import uvloop

    return uvloop.new_event_loop

"""`baton worker`: a process that runs the steps of the workers a module defines."""

from __future__ import annotations

import argparse
import asyncio
import importlib
import importlib.util
import logging
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from baton.cli import logs, supervisor
from baton.cli.failures import CommandError
from baton.cli.health import endpoint, facts_of
from baton.client.engine import Engine
from baton.core import registry
from baton.runtime.health import Drained
from baton.runtime.pool import WorkerPool
from baton.tasks import Tasks

log = logging.getLogger("baton.worker")

GRACE_SECONDS = 30.0

DRAINED = 0
UNSETTLED = 75
_ENGINE_OPTIONS = ("address", "schema")
_POOL_OPTIONS = ("queues", "lease", "grace", "max_block")


def run(arguments: argparse.Namespace) -> int:
    """Run steps until a signal ends it; return the exit code when the pool, or each of several processes, has drained.

    Raises: CommandError if the module cannot be used, whatever entering an engine raises.
    """
    if arguments.tether is not None:
        arguments.tether.watch(_grace(arguments))
    elif arguments.processes is not None:
        return _supervise(arguments)
    name, _, attribute = arguments.module.partition(":")
    _import_module(name)
    # After the import: logging that the application sets up itself is left as it is.
    logs.set_up(arguments.log, arguments.log_level)
    if not registry.names():
        raise CommandError(f"module {name!r} defines no worker; decorate a function in it with @worker")
    engine = _engine_in(name, attribute, arguments) if attribute else Engine(**_given(arguments, _ENGINE_OPTIONS))
    pool = WorkerPool(engine, **_given(arguments, _POOL_OPTIONS))
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        drained = runner.run(_serve(engine, pool, arguments))
    code = DRAINED if drained.is_settled else UNSETTLED
    _leave_threads_behind(code)
    return code


async def _serve(engine: Engine, pool: WorkerPool, arguments: argparse.Namespace) -> Drained:
    def look() -> Mapping[str, object]:
        return {"pid": os.getpid(), **facts_of(pool.health())}

    reporting = Tasks()
    is_asked_early = _cancelled_by_sigterm()
    try:
        # Told before the database is reached: a process that waits for it lives.
        async with endpoint(arguments.health if arguments.tether is None else None, look):
            if arguments.tether is not None:
                reporting.start(arguments.tether.report(look), name="baton reports")
            async with engine, pool:
                # From here on the signals are the pool's.
                return await pool.serve()
    except asyncio.CancelledError:
        if not is_asked_early():
            raise
        log.info("SIGTERM before any step was served")
        return Drained(0, True)
    finally:
        await reporting.aclose()


def _cancelled_by_sigterm() -> Callable[[], bool]:
    """Let SIGTERM cancel the running task, so that it ends in order; return what tells whether it did."""
    asked: list[bool] = []
    task = asyncio.current_task()
    assert task is not None

    def end() -> None:
        asked.append(True)
        task.cancel()

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, end)
    return lambda: bool(asked)


def _supervise(arguments: argparse.Namespace) -> int:
    logs.set_up(arguments.log, arguments.log_level)
    command = supervisor.this_program(arguments.argv)

    async def supervise() -> int:
        return await supervisor.Supervisor(command, arguments.processes, _grace(arguments)).run(arguments.health)

    return asyncio.run(supervise())


def _grace(arguments: argparse.Namespace) -> float:
    return GRACE_SECONDS if arguments.grace is None else float(arguments.grace)


def _leave_threads_behind(code: int) -> None:
    """End the process now if a step hangs in a thread: it was given back, and Python would wait for it for ever."""
    if any(thread.name.startswith("AnyIO worker") and thread.is_alive() for thread in threading.enumerate()):
        logging.getLogger("baton.pool").warning("steps still hang in threads; the process ends without them")
        logging.shutdown()
        sys.stdout.flush()
        os._exit(code)


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

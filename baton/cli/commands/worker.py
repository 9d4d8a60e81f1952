"""`baton worker`: a process that runs the steps of the workers a module defines."""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import logging
import math
import os
import signal
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from baton.cli import logs, supervisor
from baton.cli.application import import_application, target_in
from baton.cli.arguments import add_address, count, duration, duration_or_forever, queues
from baton.cli.failures import CommandError
from baton.cli.health import endpoint, facts_of, parse_listening
from baton.cli.process_end import end_without_threads, name_threads
from baton.cli.supervisor_link import METRICS, parse_supervisor_link
from baton.client.engine import Engine
from baton.core import registry
from baton.runtime.health import Drained
from baton.runtime.pool import WorkerPool
from baton.runtime.signals import ending_signals, kept_from_children
from baton.tasks import Tasks

if TYPE_CHECKING:
    from baton.contrib.prometheus import Metrics

log = logging.getLogger("baton.worker")

GRACE_SECONDS = 30.0
SLOTS = 20
"""How many steps of a queue run at once, where nothing is said about it."""

DRAINED = 0
UNSETTLED = 75
_ENGINE_OPTIONS = ("address", "schema")
DEPTHS_SECONDS = 10.0
_POOL_OPTIONS = ("queues", "lease", "grace", "max_block", "keep")

_DESCRIPTION = """
Run steps until SIGTERM, SIGINT or SIGHUP. The first lets the steps that run finish within the grace period and gives
back the others; the second gives back all of them at once. Other processes run what is given back.
"""
_MODULE_HELP = """
a module to import, which defines workers or imports those that do; NAME is a WorkerPool in it, an Engine, or a function
that makes one of them
"""
_QUEUES_HELP = """
the queues to serve, and how many steps of each at once (default: those that the workers name, 20 of each)
"""
_LEASE_HELP = "others take over the steps of this process when nothing is heard of it for this long (default: 30)"
_GRACE_HELP = "how long running steps may go on after the first signal (default: 30)"
_MAX_BLOCK_HELP = "a step that blocks the event loop for longer ends the process, with code 70 (default: 600)"
_KEEP_HELP = "how long finished workflows are kept, as in 12h, 7d or forever (default: 7d)"
_PROCESSES_HELP = "start N such processes, each with these queues, and start another for each that dies"
_HEALTH_HELP = "answer GET /healthz and /readyz there, with the facts as JSON; for all processes with --processes"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.description = _DESCRIPTION
    parser.epilog = "TIME is a number of seconds, or one with a unit: 45s, 5m, 2h, 7d."
    parser.add_argument("module", metavar="MODULE[:NAME]", help=_MODULE_HELP)
    parser.add_argument("--queues", type=queues, metavar="QUEUE=N,...", help=_QUEUES_HELP)
    parser.add_argument("--lease", type=duration, metavar="TIME", help=_LEASE_HELP)
    parser.add_argument("--grace", type=duration, metavar="TIME", help=_GRACE_HELP)
    parser.add_argument("--max-block", type=duration, metavar="TIME", help=_MAX_BLOCK_HELP)
    parser.add_argument("--keep", type=duration_or_forever, metavar="TIME", help=_KEEP_HELP)
    parser.add_argument("--processes", type=count, metavar="N", help=_PROCESSES_HELP)
    parser.add_argument("--health", type=parse_listening, metavar="HOST:PORT", help=_HEALTH_HELP)
    parser.add_argument("--log", choices=logs.FORMS, help="text, or one JSON object a line (default: text)")
    parser.add_argument("--log-level", choices=logs.LEVELS, help="(default: info)")
    # How the supervisor connects itself with the processes it starts.
    parser.add_argument("--supervisor-link", type=parse_supervisor_link, help=argparse.SUPPRESS)
    add_address(parser, schema=None)


def run(arguments: argparse.Namespace) -> int:
    """Run steps until a signal ends it; return the exit code when the pool, or each of several processes, has drained.

    Raises: CommandError if the module cannot be used, whatever entering an engine raises.
    """
    if arguments.log is not None:
        logs.set_up(arguments.log, arguments.log_level)
    if arguments.supervisor_link is not None:
        arguments.supervisor_link.watch(_grace(arguments))
    elif arguments.processes is not None:
        return _supervise(arguments)
    engine, pool = _made(arguments)
    if arguments.supervisor_link is not None:
        arguments.supervisor_link.grace_seconds = pool.grace_seconds
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        name_threads(runner.get_loop())
        drained = runner.run(_serve(engine, pool, arguments))
        code = DRAINED if drained.is_settled else UNSETTLED
        end_without_threads(code)
    return code


def _made(arguments: argparse.Namespace) -> tuple[Engine, WorkerPool]:
    """Import the application; return its engine and pool, or make those it does not have."""
    is_json = arguments.log == "json"
    name, _, path = arguments.module.partition(":")
    module = import_application(name, is_logged=is_json)
    # After the import: without --log, logging that the application sets up itself is left as it is.
    logs.set_up(arguments.log, arguments.log_level)
    if not registry.names():
        raise CommandError(f"module {name!r} defines no worker; decorate a function in it with @worker")
    match target_in(module, path, is_logged=is_json) if path else None:
        case WorkerPool() as pool:
            _refuse(arguments, _POOL_OPTIONS, "WorkerPool")
            if pool.given_engine is not None:
                _refuse(arguments, _ENGINE_OPTIONS, "Engine")
            return pool.given_engine or Engine(**_given(arguments, _ENGINE_OPTIONS)), pool
        case Engine() as engine:
            _refuse(arguments, _ENGINE_OPTIONS, "Engine")
        case None:
            engine = Engine(**_given(arguments, _ENGINE_OPTIONS))
    return engine, _pool(engine, arguments)


def _pool(engine: Engine, arguments: argparse.Namespace) -> WorkerPool:
    options = _given(arguments, _POOL_OPTIONS)
    if options.get("keep") == math.inf:
        options["keep"] = None
    if "queues" not in options:
        options["queues"] = dict.fromkeys(registry.queues(), SLOTS)
        served = ",".join(f"{queue}={SLOTS}" for queue in options["queues"])
        log.info("serving the queues that the workers name, as with --queues %s", served)
    return WorkerPool(engine, **options)


def _refuse(arguments: argparse.Namespace, options: tuple[str, ...], made: str) -> None:
    for option in options:
        if getattr(arguments, option) is not None:
            given = f"--{option.replace('_', '-')}"
            raise CommandError(
                f"{given} cannot be used with {arguments.module}, which makes its own {made}; say it there, or leave "
                f"{given} out"
            )


async def _serve(engine: Engine, pool: WorkerPool, arguments: argparse.Namespace) -> Drained:
    def facts() -> Mapping[str, object]:
        return {"pid": os.getpid(), **facts_of(pool.health()), "grace_seconds": pool.grace_seconds}

    def reported() -> Mapping[str, object]:
        return facts() if metrics is None else {**facts(), METRICS: metrics.samples(pool.health()).as_json()}

    async def scraped() -> str:
        return "" if metrics is None else await metrics.text(pool, engine)

    link = arguments.supervisor_link
    metrics = _observed(pool, arguments)
    reporting = Tasks()
    ended_by = _cancelled_by_signals()
    try:
        # Before the database is reached: a process that waits for it is alive.
        async with endpoint(arguments.health if link is None else None, facts, scraped):
            if link is not None:
                reporting.start(link.report(reported), name="baton reports")
            async with engine:
                if link is not None and metrics is not None:
                    reporting.start(_read_depths(metrics, engine), name="baton queue depths")
                # Steps may fork as soon as the pool is entered, a moment before it handles the
                # signals.
                with kept_from_children(*ending_signals()):
                    async with pool:
                        return await pool.serve()
    except asyncio.CancelledError:
        if (received := ended_by()) is None:
            raise
        log.info("%s before any step was served", received.name)
        return Drained(0, True)
    finally:
        await reporting.aclose()


def _observed(pool: WorkerPool, arguments: argparse.Namespace) -> Metrics | None:
    """Let the events of the pool be counted, if somebody can ask for metrics."""
    if arguments.health is None:
        return None
    # Not every worker process is asked for metrics.
    from baton.contrib.prometheus import Metrics

    metrics = Metrics()
    pool.observe(metrics)
    return metrics


async def _read_depths(metrics: Metrics, engine: Engine) -> None:
    """Read the depths of the queues again and again: the supervisor, which is asked for them, has no connection."""
    while True:
        await metrics.refresh(engine)
        await asyncio.sleep(DEPTHS_SECONDS)


def _cancelled_by_signals() -> Callable[[], signal.Signals | None]:
    """Let SIGTERM and SIGHUP cancel the running task, so that it ends in order.

    Returns a function that returns the signal that did so; None while none did.
    """
    received: list[signal.Signals] = []
    task = asyncio.current_task()
    assert task is not None

    def end(number: signal.Signals) -> None:
        received.append(number)
        task.cancel()

    for number in ending_signals():
        # SIGINT raises KeyboardInterrupt, which ends the process with 130.
        if number != signal.SIGINT:
            asyncio.get_running_loop().add_signal_handler(number, end, number)
    return lambda: next(iter(received), None)


def _supervise(arguments: argparse.Namespace) -> int:
    logs.set_up(arguments.log, arguments.log_level)
    command = supervisor.this_program(arguments.argv)

    async def supervise() -> int:
        return await supervisor.Supervisor(command, arguments.processes, _grace(arguments)).run(arguments.health)

    return asyncio.run(supervise())


def _grace(arguments: argparse.Namespace) -> float:
    return GRACE_SECONDS if arguments.grace is None else float(arguments.grace)


def _given(arguments: argparse.Namespace, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: value for name in names if (value := getattr(arguments, name)) is not None}


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return uvloop's, where that extra is installed; None for asyncio's own."""
    if importlib.util.find_spec("uvloop") is None:
        return None
    import uvloop

    return uvloop.new_event_loop

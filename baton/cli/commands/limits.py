"""`baton limits`: the limits of queues and how far they are used; set or remove those of one."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict

from baton.cli.arguments import add_actor, add_address, add_json
from baton.cli.failures import CommandError
from baton.cli.terminal import print_json, print_lines, table
from baton.cli.text import visible
from baton.client.engine import Engine
from baton.core.queue_limits import Rate
from baton.database.queue_limits import LimitedQueue

HEADINGS = ("queue", "running", "starts", "a lane", "executing", "available", "")
ACTIONS = ("set", "remove")
OPTIONS = ("running", "starts", "per", "burst", "lane_running", "lane_starts", "lane_per", "lane_burst")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.description = (
        "List the queues that have limits, or change the limits of one. set: all its limits, what is left out is not "
        "bounded any more; remove: all of them. They hold over all worker pools, at once."
    )
    parser.add_argument("action", nargs="?", choices=ACTIONS, help="left out, all are listed")
    parser.add_argument("queue", nargs="?", metavar="QUEUE", help="the queue")
    parser.add_argument("--running", type=int, metavar="N", help="how many steps execute at once")
    parser.add_argument("--starts", type=float, metavar="N", help="how many units may start in --per seconds")
    parser.add_argument("--per", type=float, metavar="SECONDS")
    parser.add_argument("--burst", type=float, metavar="N", help="how many units may start at once after a rest")
    parser.add_argument("--lane-running", type=int, metavar="N", help="how many steps of each lane execute at once")
    parser.add_argument("--lane-starts", type=float, metavar="N", help="how many units of each lane may start")
    parser.add_argument("--lane-per", type=float, metavar="SECONDS")
    parser.add_argument("--lane-burst", type=float, metavar="N")
    add_json(parser)
    add_actor(parser)
    add_address(parser)


async def run(arguments: argparse.Namespace) -> None:
    """Print a line for each queue that has limits, or what became of those of one."""
    async with Engine(arguments.address, schema=arguments.schema, create=False) as engine:
        if arguments.action is not None:
            if arguments.queue is None:
                raise CommandError(f"which queue? baton limits {arguments.action} QUEUE")
            print(await _act(engine, arguments))
            return
        found = await engine.limits()
    if arguments.json:
        print_json([asdict(queue) for queue in found])
    elif found:
        print_lines(table(HEADINGS, [_row(queue) for queue in found], text=(0, 2, 3, len(HEADINGS) - 1)))
    else:
        print("no queue has limits; `baton limits set QUEUE --running 20` sets one")


async def _act(engine: Engine, arguments: argparse.Namespace) -> str:
    shown = f"queue {visible(arguments.queue)!r}"
    if arguments.action == "remove":
        had_any = await engine.remove_limit(arguments.queue, actor=arguments.actor)
        return f"{shown} has no limits any more" if had_any else f"{shown} had no limits"
    given = {option: getattr(arguments, option) for option in OPTIONS}
    has_changed = await engine.limit(arguments.queue, **given, actor=arguments.actor)
    return f"{shown} has these limits now" if has_changed else f"{shown} had these limits already"


def _row(queue: LimitedQueue) -> Sequence[str]:
    limits = queue.limits
    lane = ", ".join(text for text in (_running(limits.lane_running), _rate(limits.lane_rate)) if text is not None)
    return (
        queue.queue,
        "-" if limits.running is None else f"{limits.running:,}",
        _rate(limits.rate) or "-",
        lane or "-",
        f"{queue.executing:,}",
        f"{queue.available:,}",
        "; ".join(_remarks(queue)),
    )


def _running(most: int | None) -> str | None:
    return None if most is None else f"{most:,} running"


def _rate(rate: Rate | None) -> str | None:
    return None if rate is None else f"{rate.starts:,g} in {rate.per:g} s, {rate.burst:,g} at once"


def _remarks(queue: LimitedQueue) -> list[str]:
    remarks = []
    limits = queue.limits
    if limits.running is not None and queue.executing >= limits.running and queue.available:
        remarks.append("as many run as may")
    if queue.free_units is not None and queue.free_units < 1 and queue.available:
        remarks.append("its rate is used up for now")
    if queue.paused_lanes:
        remarks.append(f"paused: lane {', '.join(map(visible, queue.paused_lanes[:5]))}")
    return remarks

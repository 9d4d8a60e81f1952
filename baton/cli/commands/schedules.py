"""`baton schedules`: what is inserted by the clock, when next, and what was missed; pause, resume, run, delete one."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict

from baton.cli.arguments import add_actor, add_address, add_json
from baton.cli.failures import CommandError
from baton.cli.terminal import print_json, print_lines, table
from baton.cli.text import visible
from baton.client.engine import Engine
from baton.database.schedules import ScheduleRecord

HEADINGS = ("schedule", "when", "next", "last run", "")
ACTIONS = ("pause", "resume", "run", "delete")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.description = (
        "List the schedules, or act on one. pause: it fires nothing until it is resumed; resume: it goes on with its "
        "next slot from now; run: insert a run now, beside its slots; delete: its runs stay."
    )
    parser.add_argument("action", nargs="?", choices=ACTIONS, help="left out, all are listed")
    parser.add_argument("name", nargs="?", help="the schedule")
    add_json(parser)
    add_actor(parser)
    add_address(parser)


async def run(arguments: argparse.Namespace) -> None:
    """Print a line for each schedule, or what became of one."""
    async with Engine(arguments.address, schema=arguments.schema, create=False) as engine:
        if arguments.action is not None:
            if arguments.name is None:
                raise CommandError(f"which schedule? baton schedules {arguments.action} NAME")
            print(await _act(engine, arguments.action, arguments.name, arguments.actor))
            return
        found = await engine.schedules()
    if arguments.json:
        print_json([asdict(schedule) for schedule in found])
    elif found:
        print_lines(table(HEADINGS, [_row(schedule) for schedule in found], text=tuple(range(len(HEADINGS)))))
    else:
        print("there is no schedule; engine.schedule(name, workflow, cron=...) makes one")


async def _act(engine: Engine, action: str, name: str, actor: str | None) -> str:
    shown = visible(name)
    match action:
        case "pause":
            return (
                f"{shown} is paused"
                if await engine.pause_schedule(name, actor=actor)
                else f"{shown} was paused already"
            )
        case "resume":
            return f"{shown} goes on" if await engine.resume_schedule(name, actor=actor) else f"{shown} was not paused"
        case "run":
            return f"{shown}: inserted {visible((await engine.run_schedule(name, actor=actor)).id)}"
        case _:
            await engine.unschedule(name, actor=actor)
            return f"{shown} is deleted"


def _row(schedule: ScheduleRecord) -> Sequence[str]:
    when = schedule.cron if schedule.every is None else f"every {schedule.every:g} s"
    zone = "" if schedule.every is not None else f" {schedule.timezone}"
    following = "-" if schedule.next_at is None else f"{schedule.next_at:%Y-%m-%d %H:%M:%S %Z}"
    last = "-" if schedule.last_run is None else f"{schedule.last_run} ({schedule.last_state or 'pruned'})"
    return (schedule.name, f"{when}{zone}", following, last, "; ".join(_remarks(schedule)))


def _remarks(schedule: ScheduleRecord) -> list[str]:
    remarks = []
    if schedule.paused_at is not None:
        remarks.append(f"paused since {schedule.paused_at:%Y-%m-%d %H:%M:%S %Z}")
    if schedule.error is not None:
        times = "once" if schedule.failures == 1 else f"{schedule.failures} times"
        remarks.append(f"failed {times}: {schedule.error}")
    if schedule.is_waiting:
        remarks.append("waits for the end of the last run")
    if schedule.missed:
        remarks.append(f"{schedule.missed} missed, the last at {schedule.missed_at:%Y-%m-%d %H:%M %Z}")
    if schedule.skipped:
        remarks.append(f"{schedule.skipped} skipped")
    return remarks

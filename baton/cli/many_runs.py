"""What `baton list`, `cancel` and `retry` have in common: they choose workflows by tag, key, name, worker and time."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from baton.cli.arguments import moment_or_ago
from baton.cli.terminal import print_json
from baton.client.many_runs import ManyChanged
from baton.errors import InvalidOption

MOST_REFUSED_SHOWN = 20
_SINCE_HELP = "only those inserted since 2026-11-27, or 2026-11-27T10:00+01:00, or in the last 30m, 2h, 7d"


def add_choice(parser: argparse.ArgumentParser, *, failed_step: bool = True) -> None:
    """Add --tag, --key, --name, --since, --worker and --failed-step."""
    parser.add_argument(
        "--tag", action="append", type=_tag, metavar="NAME=VALUE", help="only workflows with this tag; may be repeated"
    )
    parser.add_argument("--key", help="only workflows that were inserted with this key")
    parser.add_argument("--name", help="only workflows with this workflow_name")
    parser.add_argument("--since", type=moment_or_ago, metavar="TIME", help=_SINCE_HELP)
    parser.add_argument("--worker", help="only workflows with a step that this worker runs")
    if failed_step:
        parser.add_argument("--failed-step", metavar="STEP", help="only workflows in which this step is discarded")


def choice(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the choice as arguments of `Engine.runs`, without what was not given."""
    tags = dict(arguments.tag) if arguments.tag else None
    given = {"tag": tags} | {
        option: getattr(arguments, option, None) for option in ("key", "name", "since", "worker", "failed_step")
    }
    return {option: value for option, value in given.items() if value is not None}


def add_yes(parser: argparse.ArgumentParser) -> None:
    """Add --yes."""
    parser.add_argument("--yes", action="store_true", help="do not ask, however many workflows it is")


def require_one_way(arguments: argparse.Namespace) -> bool:
    """Return whether workflows are chosen, and not one given by its id. Raises `InvalidOption` for both and neither."""
    chosen = bool(choice(arguments))
    if chosen == (arguments.id is not None):
        why = "give a workflow's id, or choose workflows by --tag, --key, --name, --since or --worker"
        raise InvalidOption("ID", arguments.id, why)
    return chosen


async def change_many(
    arguments: argparse.Namespace, change: Callable[..., Awaitable[ManyChanged]], verb: str, done: str
) -> None:
    """Count what matches, ask unless that was answered with --yes, change it, and print what became of it."""
    wanted = choice(arguments)
    matching = len((await change(**wanted, dry_run=True)).runs)
    if arguments.dry_run:
        if arguments.json:
            print_json({"workflows": matching})
        else:
            print(f"would {verb} {_workflows(matching)}")
        return
    if not matching:
        print("no workflow matches")
        return
    if not arguments.yes and not _is_confirmed(f"{verb} {_workflows(matching)}?"):
        print("nothing was changed")
        return
    changed = await change(**wanted, actor=arguments.actor, reason=arguments.reason)
    steps = "1 step" if changed.steps == 1 else f"{changed.steps:,} steps"
    print(f"{done} {steps} of {_workflows(len(changed.runs))}")
    for workflow_id, why in list(changed.refused.items())[:MOST_REFUSED_SHOWN]:
        print(f"  not {workflow_id}: {why}")
    if (more := len(changed.refused) - MOST_REFUSED_SHOWN) > 0:
        print(f"  and {more:,} more were refused")


def _is_confirmed(question: str) -> bool:
    if not sys.stdin.isatty():
        raise InvalidOption("--yes", False, f"{question} Nobody can answer here: repeat the command with --yes")
    return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")


def _workflows(count: int) -> str:
    return "1 workflow" if count == 1 else f"{count:,} workflows"


def _tag(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise argparse.ArgumentTypeError(f"{text!r} should read like team=red")
    return name, value

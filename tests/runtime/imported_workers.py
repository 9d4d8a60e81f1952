"""Workers for executors that import them."""

from __future__ import annotations

import logging

from baton import Context, Fail, NotKept, Snooze, worker


@worker(executor="thread")
def fails_in_thread() -> Fail:
    return Fail("no such article")


@worker(executor="thread", fatal=[LookupError])
def raises_in_thread() -> None:
    raise LookupError("no such article")


@worker(executor="process")
def fails_in_process() -> Fail:
    return Fail("no such article")


@worker(executor="process", fatal=[LookupError])
def raises_in_process() -> None:
    raise LookupError("no such article")


@worker(executor="own")
def fails_in_own() -> Fail:
    return Fail("no such article")


@worker(executor="own", fatal=[LookupError])
def raises_in_own() -> None:
    raise LookupError("no such article")


@worker(executor="process")
def keeps_in_process(ctx: Context) -> int | Snooze:
    if ctx.kept is None:
        try:
            ctx.keep(1)
        except NotKept:
            return Snooze(0, keep=3)
    return int(ctx.kept)


@worker(executor="thread")
def leaves_in_thread(ctx: Context) -> None:
    assert ctx._leave is not None
    ctx._leave("debug", "note", '"thread"')


@worker(executor="process")
def leaves_in_process(ctx: Context) -> None:
    assert ctx._leave is not None
    ctx._leave("debug", "note", '"process"')


@worker(executor="own")
def leaves_in_own(ctx: Context) -> None:
    assert ctx._leave is not None
    ctx._leave("debug", "note", '"own"')


@worker(executor="thread")
def debugged_in_thread(ctx: Context, number: int) -> None:
    logging.getLogger("library").warning("three")
    ctx.record("note", "thread")


@worker(executor="process")
def debugged_in_process(ctx: Context, number: int) -> None:
    logging.getLogger("library").warning("three")
    ctx.record("note", "process")


@worker(executor="thread")
def publishes_in_thread(ctx: Context) -> None:
    for number in range(3):
        ctx.publish("tokens", number)


@worker(executor="process")
def publishes_in_process(ctx: Context) -> None:
    for number in range(3):
        ctx.publish("tokens", number)

"""Tasks have an owner, who ends them; and what must be finished is finished."""

from __future__ import annotations

import asyncio

import pytest

from baton.tasks import Tasks, finish, wait_for_event


async def test_closing_ends_what_runs_and_what_that_started():
    tasks, ended = Tasks(), []

    async def inner():
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("inner")

    async def outer():
        try:
            await asyncio.Event().wait()
        finally:
            tasks.start(inner(), name="inner")
            await asyncio.sleep(0)
            ended.append("outer")

    tasks.start(outer(), name="outer")
    await asyncio.sleep(0)
    await tasks.aclose()

    assert sorted(ended) == ["inner", "outer"]


async def test_what_swallows_its_cancellation_is_named_and_left_behind(caplog):
    tasks, last = Tasks(), asyncio.Event()

    async def stubborn():
        while not last.is_set():
            try:
                await last.wait()
            except asyncio.CancelledError:
                continue

    task = tasks.start(stubborn(), name="a stubborn step")
    await asyncio.sleep(0)
    await tasks.aclose(patience=0.01)
    assert "cancelling does not end it: a stubborn step" in caplog.text

    last.set()
    await task


async def test_a_failure_nobody_awaits_is_in_the_log(caplog):
    tasks = Tasks()

    async def fails():
        raise ZeroDivisionError("unexpected")

    await asyncio.wait([tasks.start(fails(), name="a loop")])
    await asyncio.sleep(0)

    assert "a loop ended with an error that nobody expected" in caplog.text


async def test_what_must_be_finished_outlives_every_cancellation_of_its_caller():
    may_end, done = asyncio.Event(), []

    async def write():
        await may_end.wait()
        done.append("written")

    caller = asyncio.create_task(finish(asyncio.create_task(write())))
    for _ in range(3):
        await asyncio.sleep(0)
        caller.cancel()
    await asyncio.sleep(0)
    assert not caller.done()
    may_end.set()

    with pytest.raises(asyncio.CancelledError):
        await caller
    assert done == ["written"]


async def test_the_error_of_what_is_finished_reaches_the_caller():
    async def fails():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await finish(asyncio.create_task(fails()))


async def test_waiting_for_an_event_tells_whether_it_came():
    event = asyncio.Event()
    assert not await wait_for_event(event, 0.001)
    event.set()
    assert await wait_for_event(event, None)

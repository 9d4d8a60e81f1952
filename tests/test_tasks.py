"""Tasks have an owner, who ends them; and what must be finished is finished."""

from __future__ import annotations

import asyncio

import pytest

from baton.tasks import Tasks, finish, in_turn, wait_for_event


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


async def test_waiting_for_an_event_returns_whether_it_came():
    event = asyncio.Event()
    assert not await wait_for_event(event, 0.001)
    event.set()
    assert await wait_for_event(event, None)


async def test_calls_in_turn_are_prepared_while_the_one_before_is_under_way():
    seen = []

    async def call(number):
        seen.append(f"call {number}")
        for _ in range(3):
            await asyncio.sleep(0)
        seen.append(f"end {number}")

    async def calls():
        for number in (1, 2):
            seen.append(f"prepare {number}")
            await asyncio.sleep(0)
            yield lambda number=number: call(number)

    await in_turn(calls())

    assert seen == ["prepare 1", "prepare 2", "call 1", "end 1", "call 2", "end 2"]


async def test_a_call_in_turn_that_fails_is_the_last():
    seen = []

    async def call(number):
        seen.append(number)
        await asyncio.sleep(0)
        if number == 2:
            raise LookupError

    async def calls():
        for number in range(9):
            yield lambda number=number: call(number)

    with pytest.raises(LookupError):
        await in_turn(calls())

    assert seen == [0, 1, 2]


async def test_a_call_in_turn_has_ended_when_the_next_cannot_be_prepared():
    seen = []

    async def call():
        for _ in range(5):
            await asyncio.sleep(0)
        seen.append("ended")

    async def calls():
        yield call
        await asyncio.sleep(0)
        raise LookupError

    with pytest.raises(LookupError):
        await in_turn(calls())

    assert seen == ["ended"]


async def test_calls_in_turn_are_cancelled_with_their_caller():
    began, seen = asyncio.Event(), []

    async def call():
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            seen.append("ended")

    async def calls():
        yield call
        await asyncio.Event().wait()

    task = asyncio.ensure_future(in_turn(calls()))
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert seen == ["ended"]

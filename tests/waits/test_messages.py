"""Steps that receive messages."""

from __future__ import annotations

import pytest

from baton import Baton, Receive, SignalRefused, WorkerPool, result_of, worker
from tests.waiting import eventually

SECONDS = 20


@worker(name="messages join")
async def join(first: str, second: str) -> str:
    return f"{first} {second}"


@pytest.fixture
async def pool(engine):
    async with WorkerPool(engine) as pool:
        yield pool


def talk(**options):
    flow = Baton.new().add("one", Receive("chat", str, **options))
    flow.add("two", Receive("chat", str, **options), deps=["one"])
    return flow.add("join", join.new(result_of("one"), result_of("two")))


async def states(run):
    return {step.name: step.state for step in await run.steps()}


async def test_each_step_takes_the_oldest_message_that_none_took(engine, pool):
    run = await talk().insert()
    await run.send("chat", "hello")
    await run.send("chat", "world")
    await run.send("chat", "unread")

    assert await run.result(timeout=SECONDS) == "hello world"


async def test_a_message_wakes_a_step_that_waits(engine, pool):
    run = await talk().insert()
    await run.send("chat", "hello")
    await eventually(lambda: waits(run, "two"))

    await run.send("chat", "world")

    assert await run.result(timeout=SECONDS) == "hello world"


async def waits(run, name):
    return (await states(run))[name] == "waiting"


async def test_of_one_key_a_topic_keeps_the_first_message(engine, pool):
    run = await talk().insert()
    for text, key in [("hello", "1"), ("again", "1"), ("world", "2")]:
        await run.send("chat", text, key=key)

    assert await run.result(timeout=SECONDS) == "hello world"


async def test_messages_of_another_topic_are_not_taken(engine, pool):
    run = await talk(timeout=0.3, default="none").insert()

    await run.send("other", "hello")

    assert await run.result(timeout=SECONDS) == "none none"


async def test_two_steps_do_not_take_one_message(engine, pool):
    flow = Baton.new().add("one", Receive("chat")).add("two", Receive("chat", timeout=0.5, default="none"))
    run = await flow.insert()

    await run.send("chat", "hello")

    assert await run.wait(timeout=SECONDS) == "completed"
    assert await run.result() == {"one": "hello", "two": "none"}


async def test_a_step_retried_by_name_takes_the_next_message(engine, pool):
    run = await talk().insert()
    for text in ("hello", "world", "new"):
        await run.send("chat", text)
    await run.wait(timeout=SECONDS)

    await run.retry("two")

    assert await run.wait(timeout=SECONDS) == "completed"
    assert await run.result("two") == "new"


async def test_a_message_of_another_type_is_refused(engine):
    run = await talk().insert()

    with pytest.raises(SignalRefused, match=r"topic 'chat' of workflow .* the value does not fit: Expected `str`"):
        await run.send("chat", 7)


async def test_a_message_to_a_run_that_ended_is_refused(engine):
    run = await talk().insert()
    await run.cancel()

    with pytest.raises(SignalRefused, match="the workflow is cancelled, and takes no messages any more"):
        await run.send("chat", "late")

"""Which attempts run in this process, and which of them are cancelled."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest

from baton.database.messages import Claimed
from baton.runtime.attempts import Attempts, Cause
from baton.tasks import Tasks
from tests.waiting import eventually


def claimed(step_id, token):
    return Claimed(
        token=token,
        step_id=step_id,
        workflow_id="w",
        workflow_name=None,
        step=str(step_id),
        queue="default",
        worker="waits",
        args="{}",
        arg_refs=None,
        results=None,
        outcomes=None,
        attempt=1,
        max_attempts=1,
        timeout=None,
        is_join=False,
        map=None,
    )


@pytest.fixture
async def tasks():
    tasks = Tasks()
    yield tasks
    await tasks.aclose()


@pytest.fixture
def ended(tasks):
    return []


@pytest.fixture
def attempts(tasks, ended):
    async def waits(attempt):
        try:
            await asyncio.Event().wait()
        finally:
            ended.append((attempt.key, attempt.cause))

    return Attempts(waits, tasks)


async def test_the_claims_of_the_attempts_that_run_are_held(attempts):
    token = uuid4()
    attempts.start(claimed(1, token))
    attempts.start(claimed(2, token))

    assert attempts.held() == {(1, token), (2, token)}


async def test_only_attempts_under_the_given_claims_are_cancelled(attempts, ended):
    void, fresh = uuid4(), uuid4()
    for token in (void, fresh):
        attempts.start(claimed(1, token))
    attempts.start(claimed(2, void))
    await asyncio.sleep(0)

    attempts.cancel([(1, void), (3, void)], Cause.VOID)

    await eventually(lambda: len(attempts) == 2)
    assert ended == [((1, void), Cause.VOID)]
    assert attempts.held() == {(1, fresh), (2, void)}


async def test_all_attempts_are_cancelled_and_waited_for(attempts, ended):
    for step_id in range(3):
        attempts.start(claimed(step_id, uuid4()))
    await asyncio.sleep(0)
    assert not await attempts.ended(0)

    attempts.cancel_all(Cause.SHUTDOWN)

    assert await attempts.ended(10)
    assert [cause for _, cause in ended] == [Cause.SHUTDOWN] * 3

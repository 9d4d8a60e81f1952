"""Listening on the schema's channel, through every loss of the connection."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from baton.database import listener as listening
from baton.database.connections import Connector
from baton.database.listener import Listener
from baton.database.notifications import (
    ClaimsVoid,
    EntryDue,
    QueueHasWork,
    Reconnected,
    StepEnded,
    WorkflowFinished,
    channel,
    parse,
)
from baton.tasks import Tasks
from tests.waiting import eventually


@pytest.fixture
async def heard(database):
    """What is received, from the first LISTEN on."""
    tasks, notices = Tasks(), []
    listener = Listener(Connector(database), "baton", tasks)
    with listener.subscribed(notices.append):
        await asyncio.wait_for(listener.listening(), 5)
        yield notices
    await tasks.aclose()


async def notify(connection, payload):
    await connection.execute("select pg_notify($1, $2)", channel("baton"), payload)


async def listener_pid(connection):
    return await connection.fetchval(
        """
        select pid from pg_stat_activity
         where datname = current_database() and application_name = 'baton listener' and state = 'idle'
        """
    )


@pytest.mark.parametrize(
    ("payload", "notice"),
    [
        ("queue 1 default", QueueHasWork("default", 1)),
        ("queue 1000 with spaces  in it", QueueHasWork("with spaces  in it", 1000)),
        ("due 250", EntryDue(0.25)),
        ("cancel 7", ClaimsVoid(7)),
        ("workflow 8", WorkflowFinished(8)),
        ("step 9", StepEnded(9)),
        ("tomorrow's news", None),
        ("", None),
        ("queue many default", None),
        ("queue 0 default", None),
        ("queue -1 default", None),
        ("queue", None),
        ("due soon", None),
        ("due -250", None),
        ("due 1e3", None),
        (f"due {'9' * 400}", None),
        ("cancel", None),
        ("cancel 7.5", None),
        ("workflow x", None),
        (f"step {'9' * 5000}", None),
    ],
)
def test_a_notification_is_decoded(payload, notice):
    assert parse(payload) == notice


async def test_the_channel_is_the_one_the_database_notifies(connection):
    assert await connection.fetchval("select channel()") == channel("baton")


async def test_notifications_arrive_after_the_reconnect_was_announced(heard, connection):
    await notify(connection, "queue 1 default")
    await eventually(lambda: len(heard) == 2)

    assert heard == [Reconnected(), QueueHasWork("default", 1)]


async def test_an_unknown_notification_is_ignored(heard, connection, caplog):
    for payload in ("due soon", "cancel", "news", "queue 0 default", "queue 1 default"):
        await notify(connection, payload)
    await eventually(lambda: QueueHasWork("default", 1) in heard)

    assert heard == [Reconnected(), QueueHasWork("default", 1)]
    assert caplog.text == ""


async def test_after_a_lost_connection_it_listens_again_and_says_so(heard, connection):
    await connection.execute("select pg_terminate_backend($1)", await listener_pid(connection))
    await eventually(lambda: heard.count(Reconnected()) == 2)
    await notify(connection, "queue 1 default")

    assert await eventually(lambda: heard[-1] == QueueHasWork("default", 1))


async def test_a_frozen_connection_is_found_by_a_ping_and_replaced(database, connection, server, monkeypatch):
    if server.embedded is None:
        pytest.skip("the server's processes are not ours to stop")
    monkeypatch.setattr(listening, "PING_EVERY", 0.1)
    monkeypatch.setattr(listening, "PING_SECONDS", 0.3)
    tasks, notices = Tasks(), []
    listener = Listener(Connector(database), "baton", tasks)
    with listener.subscribed(notices.append):
        await asyncio.wait_for(listener.listening(), 5)
        frozen = await eventually(lambda: listener_pid(connection))
        os.kill(frozen, signal.SIGSTOP)
        try:
            await eventually(lambda: notices.count(Reconnected()) == 2)
        finally:
            os.kill(frozen, signal.SIGCONT)
        await notify(connection, "queue 1 default")
        await eventually(lambda: QueueHasWork("default", 1) in notices)
    await tasks.aclose()


async def test_no_connection_is_opened_without_a_subscriber(database, connection):
    Listener(Connector(database), "baton", Tasks())

    assert await listener_pid(connection) is None

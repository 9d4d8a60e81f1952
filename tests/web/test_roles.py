"""The dashboard with the rights of a database role that only reads, and as a command."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import httpx
import pytest

from baton import Engine
from baton.database.grants import grant
from tests.cli.command import ROOT, assert_refused, baton, free_port, started, terminated
from tests.waiting import eventually
from tests.web.served import SAME_ORIGIN, asking_as, token_in

ROLE = "baton_web_viewer"
TOKEN = "correct horse battery"


@pytest.fixture
async def viewing(database, server):
    """An engine with the rights of a viewer."""
    server.execute(f"drop role if exists {ROLE}", f"create role {ROLE} login password 'look'")
    owner = await asyncpg.connect(database)
    await grant(owner, "baton", {"viewer": [ROLE]})
    await owner.close()
    parts = urlsplit(database)
    host = parts.netloc.rpartition("@")[2]
    try:
        async with Engine(urlunsplit(parts._replace(netloc=f"{ROLE}:look@{host}")), create=False) as engine:
            yield engine
    finally:
        owner = await asyncpg.connect(database)
        await owner.execute(f"drop owned by {ROLE}; drop role {ROLE}")
        await owner.close()


async def test_a_viewer_reads_every_page(filled, viewing):
    run = {"id": filled.waiting}
    async with asking_as(viewing) as client:
        for page, query in [
            *[(page, {}) for page in ("", "runs", "queues", "pools", "schedules", "limits", "interventions", "doctor")],
            ("run", run),
            ("steps", run),
            ("step", {**run, "step": "a"}),
            ("data", {**run, "step": "a", "part": "result"}),
        ]:
            answer = await client.get(page, params=query)
            assert answer.status_code == 200, (page, answer.text)


@pytest.mark.parametrize(
    "fields",
    [
        {"action": "cancel"},
        {"action": "retry"},
        {"action": "signal", "step": "approval", "value": "{}"},
        {"action": "skip", "step": "a"},
        {"action": "pause", "queue": "lonely"},
        {"action": "limit", "queue": "lonely", "running": "1"},
        {"action": "run-schedule", "schedule": "nightly"},
        {"action": "pause-schedule", "schedule": "nightly"},
    ],
    ids=lambda fields: fields["action"],
)
async def test_the_database_refuses_each_write_of_a_viewer(filled, viewing, fields):
    """Although the application allows it."""
    async with asking_as(viewing) as client:
        await client.get("runs")
        fields = {"id": filled.waiting, "write_token": client.cookies["baton_write_token"], **fields}
        answer = await client.post("confirm", data=fields, headers=SAME_ORIGIN)

    assert answer.status_code == 403, answer.text
    assert "The database role of this dashboard may not do this" in answer.text


async def test_the_command_serves_the_dashboard_until_it_is_stopped(database, tmp_path, filled):
    port = free_port()
    command = [sys.executable, "-m", "baton", "web", "--listen", f"127.0.0.1:{port}", "--read-only"]
    given = {"DATABASE_URL": database, "PYTHONPATH": str(ROOT), "BATON_WEB_TOKEN": TOKEN}
    with started(command, cwd=tmp_path, **given) as process:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}/", trust_env=False) as client:

            async def is_up() -> bool:
                with contextlib.suppress(httpx.TransportError):
                    return (await client.get("healthz")).text == "ok\n"
                return False

            await eventually(is_up, deadline=30)
            assert (await client.get("runs")).status_code == 303
            form = await client.get("sign-in")
            fields = {"token": TOKEN, "write_token": token_in(form.text)}
            await client.post("sign-in", data=fields, headers=SAME_ORIGIN)
            assert "failed saga" in (await client.get("runs")).text
            assert (await client.get("confirm", params={"action": "cancel", "id": filled.waiting})).status_code == 403
        code, logged = await asyncio.to_thread(terminated, process)

    assert (code, logged) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--token", "short"], "it has at least 16"),
        (["--prefix", "baton"], "begins with a slash"),
        (["--listen", "203.0.113.1:1"], "cannot listen at 203.0.113.1:1"),
    ],
)
async def test_the_command_says_in_a_sentence_what_is_wrong(database, tmp_path, arguments, sentence):
    done = await asyncio.to_thread(baton, "web", *arguments, cwd=tmp_path, database=database)

    assert sentence in assert_refused(done)
    assert "short" not in done.stderr

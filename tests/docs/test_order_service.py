"""The order service: a real server, real workers in processes of their own, and one of these killed."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from baton.database.notifications import channel
from tests.cli.command import DEADLINE_SECONDS, ROOT, environment, worker_process
from tests.waiting import eventually

pytestmark = pytest.mark.slow

SERVERS = {
    "fastapi": ["uvicorn", "examples.orders.fastapi_app:app", "--port", "0"],
    "aiohttp": ["examples.orders.aiohttp_app", "0"],
}
WORKERS = "examples.orders.workers"
AN_HOUR = "3600"


class Service:
    """A server in a process of its own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.said: list[str] = []
        for line in process.stdout:
            self.said.append(line)
            if found := re.search(r"running on (http\S+)", line, re.IGNORECASE):
                self.address = found[1]
                return
        raise AssertionError(f"the server does not run: {self.said}")

    def stopped(self) -> str:
        """Send SIGTERM and return what the server said in all."""
        self.process.send_signal(signal.SIGTERM)
        rest, _ = self.process.communicate(timeout=DEADLINE_SECONDS)
        assert self.process.returncode in (0, -signal.SIGTERM), rest
        return "".join(self.said) + rest


@pytest.fixture(params=SERVERS)
def service(request, database) -> Iterator[Service]:
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", *SERVERS[request.param]],
        cwd=ROOT,
        env=environment(database),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield Service(process)
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
async def client(service):
    async with httpx.AsyncClient(base_url=service.address, timeout=DEADLINE_SECONDS, trust_env=False) as client:
        yield client


@contextmanager
def working(database, seconds_to_pack="0"):
    given = {"database": database, "ORDERS_SECONDS_TO_PACK": seconds_to_pack}
    with worker_process(WORKERS, "--lease", "2", cwd=ROOT, **given) as process:
        yield process


async def placed(client, article="kettle", quantity=2) -> int:
    answer = await client.post("/orders", json={"article": article, "quantity": quantity})
    assert answer.status_code == 202, answer.text
    return answer.json()["id"]


async def states(client, number) -> dict[str, str]:
    order = (await client.get(f"/orders/{number}")).json()
    return {step["name"]: step["state"] for step in order["steps"]}


async def until(client, number, **wanted: str) -> None:
    async def reached():
        return wanted.items() <= (await states(client, number)).items()

    await eventually(reached, deadline=DEADLINE_SECONDS, every=0.05)


async def events(response) -> list[tuple[str, object]]:
    found = []
    async for line in response.aiter_lines():
        if line.startswith("event: "):
            kind = line.removeprefix("event: ")
        elif line.startswith("data: "):
            found.append((kind, json.loads(line.removeprefix("data: "))))
    return found


async def test_an_order_is_finished_by_another_worker_when_the_first_is_killed(service, client, database, connection):
    number = await placed(client)
    with working(database, seconds_to_pack=AN_HOUR) as first:
        await until(client, number, charge="completed", pack="executing")
        first.send_signal(signal.SIGKILL)
        await asyncio.to_thread(first.wait)
    with working(database):
        await until(client, number, ship="completed")

    order = (await client.get(f"/orders/{number}")).json()
    assert (order["state"], order["article"], order["quantity"]) == ("completed", "kettle", 2)
    assert {step["name"]: step["attempt"] for step in order["steps"]} == {"check": 1, "charge": 1, "pack": 2, "ship": 1}
    assert await connection.fetchval("select count(*) from public.payments") == 1


async def test_the_events_have_every_end_and_stop_with_the_last(service, client, database):
    number = await placed(client)
    with working(database):
        async with client.stream("GET", f"/orders/{number}/events") as response:
            assert response.headers["content-type"].startswith("text/event-stream")
            received = await events(response)

    steps = [(data["step"], data["state"]) for kind, data in received if kind == "step"]
    assert sorted(steps) == [(step, "completed") for step in ("charge", "check", "pack", "ship")]
    assert (steps[0][0], steps[-1][0]) == ("check", "ship")
    assert received[-1] == ("end", {"state": "completed", "counts": {"completed": 4}})


async def test_the_events_of_a_finished_order_are_its_end(service, client, database):
    number = await placed(client)
    await client.post(f"/orders/{number}/cancel")

    async with client.stream("GET", f"/orders/{number}/events") as response:
        received = await events(response)

    assert [kind for kind, _ in received] == ["step"] * 4 + ["end"]
    assert received[-1] == ("end", {"state": "cancelled", "counts": {"cancelled": 4}})


async def test_an_order_is_cancelled_while_it_is_packed(service, client, database):
    number = await placed(client)
    with working(database, seconds_to_pack=AN_HOUR):
        await until(client, number, charge="completed", pack="executing")

        assert (await client.post(f"/orders/{number}/cancel")).json() == {"cancelled": 2}
        assert (await client.post(f"/orders/{number}/cancel")).json() == {"cancelled": 0}

    order = (await client.get(f"/orders/{number}")).json()
    assert order["state"] == "cancelled"
    assert (await states(client, number))["ship"] == "cancelled"


REFUSED = [{"article": "samovar"}, {"article": "kettle", "quantity": 0}, {"quantity": 1}]


@pytest.mark.parametrize("order", REFUSED, ids=str)
async def test_an_order_that_is_refused_leaves_no_workflow_and_wakes_nobody(service, client, connection, order):
    heard, name = [], channel("baton")
    await connection.add_listener(name, lambda *notice: heard.append(notice[-1]))

    assert (await client.post("/orders", json=order)).status_code == 422

    await connection.execute(f"notify {name}, 'mark'")
    await eventually(lambda: heard)
    assert heard == ["mark"]
    assert await connection.fetchval("select count(*) from public.orders") == 0
    assert await connection.fetchval("select count(*) from workflows") == 0


async def test_an_unknown_order_is_not_found(service, client):
    answers = [
        await client.get("/orders/7"),
        await client.get("/orders/7/events"),
        await client.post("/orders/7/cancel"),
    ]

    assert [answer.status_code for answer in answers] == [404, 404, 404]


async def test_a_server_that_stops_ends_its_streams_and_itself(service, client):
    number = await placed(client)
    async with client.stream("GET", f"/orders/{number}/events") as response:
        lines = response.aiter_lines()
        assert await anext(lines) == "event: level"
        stopping = asyncio.create_task(asyncio.to_thread(service.stopped))
        rest = [line async for line in lines]  # to a proper end: a cut stream would raise

    assert "event: end" not in rest
    assert "Traceback" not in await stopping


async def test_a_client_that_leaves_holds_nothing_up(service, client):
    number = await placed(client)
    async with client.stream("GET", f"/orders/{number}/events") as response:
        assert await anext(response.aiter_lines()) == "event: level"
    await client.aclose()

    assert "Traceback" not in await asyncio.to_thread(service.stopped)


with_fastapi = pytest.mark.parametrize("service", ["fastapi"], indirect=True)


@with_fastapi
async def test_a_large_order_waits_for_its_approval(service, client, database):
    """The worker is killed meanwhile; the approval is sent in the handler's transaction."""
    number = await placed(client, quantity=100)
    with working(database) as first:
        await until(client, number, approval="waiting")
        first.send_signal(signal.SIGKILL)
        await asyncio.to_thread(first.wait)

    answers = [await client.post(f"/orders/{number}/approve", json={"by": by}) for by in ("Ada", "Bob")]
    with working(database):
        await until(client, number, ship="completed")

    assert [answer.status_code for answer in answers] == [200, 200]
    assert await states(client, number) | {"remind": "skipped", "late approval": "skipped"} == await states(
        client, number
    )


@with_fastapi
async def test_after_a_day_an_approval_is_asked_for_again(service, client, database, connection):
    number = await placed(client, quantity=100)
    with working(database):
        await until(client, number, approval="waiting")
        await connection.execute(
            "update baton.queue set ends_at = ends_at - interval '1 day' where ends_at is not null"
        )
        await until(client, number, remind="completed", **{"late approval": "waiting"})
        await client.post(f"/orders/{number}/approve", json={"by": "Ada"})
        await until(client, number, ship="completed")


@with_fastapi
async def test_an_order_that_ended_takes_no_approval(service, client):
    number = await placed(client, quantity=100)
    await client.post(f"/orders/{number}/cancel")

    answer = await client.post(f"/orders/{number}/approve", json={"by": "Ada"})

    assert answer.status_code == 409
    assert "is cancelled, and takes no messages any more" in answer.text

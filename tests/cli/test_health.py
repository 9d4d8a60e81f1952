"""The health endpoint of one worker process, over real HTTP; and its answers to what is not HTTP."""

from __future__ import annotations

import asyncio
import signal
from argparse import ArgumentTypeError

import pytest

from baton.cli.health import Listening, answer, endpoint, parse_listening
from tests.cli.command import asked, free_port, status_is, terminated, worker_process
from tests.programs.shared_workers import noted
from tests.waiting import eventually

PROGRAM = "tests.programs.shared_workers"


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:8081", "127.0.0.1", 8081),
        ("[::1]:0", "::1", 0),
        (":8081", "", 8081),
        ("localhost:80", "localhost", 80),
    ],
)
def test_where_to_listen_is_read(text, host, port):
    assert parse_listening(text) == Listening(host, port)


@pytest.mark.parametrize("text", ["8081", "localhost", "localhost:", "localhost:http", "localhost:70000", ""])
def test_an_invalid_address_to_listen_at_is_refused(text):
    with pytest.raises(ArgumentTypeError, match="is not of the form HOST:PORT"):
        parse_listening(text)


@pytest.mark.parametrize(
    ("request_line", "is_ready", "status"),
    [
        ("GET /healthz HTTP/1.1", True, 200),
        ("GET /healthz HTTP/1.1", False, 200),
        ("GET /readyz HTTP/1.1", True, 200),
        ("GET /readyz?verbose HTTP/1.0", False, 503),
        ("HEAD /readyz HTTP/1.1", False, 503),
        ("GET / HTTP/1.1", True, 404),
        ("POST /readyz HTTP/1.1", True, 405),
        ("GET /readyz", True, 400),
        ("\x16\x03\x01", True, 400),
        ("", True, 400),
    ],
)
def test_each_request_has_its_answer(request_line, is_ready, status):
    assert answer(request_line, {"ready": is_ready}).status == status


@pytest.mark.parametrize("sent", [b"", b"\r\n\r\n", b"\x00" * 100, b"GET /healthz HTTP/1.1\r\n", b"a" * 100_000])
async def test_an_invalid_request_is_harmless(sent):
    port = free_port()
    async with endpoint(Listening("127.0.0.1", port), lambda: {"ready": True}):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        writer.close()

        assert await asked(port, "/readyz") == (200, {"ready": True})


async def test_a_silent_client_keeps_nobody_waiting():
    port = free_port()
    async with endpoint(Listening("127.0.0.1", port), lambda: {"ready": True}):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await asked(port, "/healthz") == (200, {"ready": True})
        writer.close()


@pytest.mark.slow
async def test_a_worker_is_ready_until_it_drains_and_alive_until_it_ends(
    database, engine, connection, effects, tmp_path
):
    port = free_port()
    given = {"database": database, "EFFECTS": str(effects.path)}
    with worker_process(PROGRAM, "--health", f"127.0.0.1:{port}", cwd=tmp_path, **given) as process:
        await eventually(lambda: status_is(port, 200), deadline=30)
        _, facts = await asked(port, "/readyz")
        assert facts["pid"] == process.pid
        assert facts["pool"] == await connection.fetchval("select id from pools")
        assert facts["faults"] == []
        await noted.new(seconds=2).insert()
        await eventually(lambda: effects.read(event="start"))

        process.send_signal(signal.SIGTERM)

        await eventually(lambda: status_is(port, 503))
        status, facts = await asked(port, "/healthz")
        assert (status, facts["faults"], facts["running"]) == (200, ["it is draining"], 1)
        code, _ = await asyncio.to_thread(terminated, process)
    assert code == 0

"""Workflows in all the states that a dashboard shows, and a browser."""

from __future__ import annotations

import asyncio
import os
import shutil
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any, Self, TypeVar

import pytest
from playwright.async_api import ConsoleMessage, Page, async_playwright

from baton import Baton, Signal, WorkerPool, each, result_of, worker
from tests.waiting import eventually

T = TypeVar("T")

BROWSERS = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
HOSTILE_ID = '<script>alert("x")</script>/../..?a=1&id=2#"\''
HOSTILE_NAME = '"><img src=x onerror=alert(1)>'
HOSTILE_STEP = "<svg onload=alert(1)>"


class Filled:
    """What is in the database: the ids of the runs, by what they are."""

    waiting: str
    saga: str
    mapped: str
    hostile: str = HOSTILE_ID


@pytest.fixture
def jobs() -> dict[str, Any]:
    """Workers by name."""

    @worker
    async def fetch(site: str) -> dict[str, str]:
        return {"site": site, "secret": "swordfish"}

    @worker
    async def join(left: Any = None, right: Any = None) -> str:
        return "joined"

    @worker(max_attempts=1)
    async def fail(number: int = 3) -> int:
        if number % 4 == 3:
            raise RuntimeError(f"<b>number</b> {number} is no good")
        return number

    @worker
    async def numbers() -> list[int]:
        return list(range(20))

    @worker(queue="lonely")
    async def lonely() -> None: ...

    return {one.name: one for one in (fetch, join, fail, numbers, lonely)}


@pytest.fixture
async def filled(engine: Any, jobs: dict[str, Any]) -> Filled:
    """Runs that wait for an approval, failed and were undone, mapped with failures, and have hostile names."""
    fetch, join, fail = jobs["fetch"], jobs["join"], jobs["fail"]
    inner = Baton.new().add("x", fetch.new(site="x")).add("y", join.new(result_of("x")))
    waiting = (
        Baton.new(workflow_name="compare", meta={"asked by": "ann"})
        .add("a", fetch.new(site="a"))
        .add("inner", inner, deps=["a"])
        .add("approval", Signal(dict), deps=["inner"])
        .add("ship", join.new(result_of("approval")))
    )
    saga = (
        Baton.new(workflow_name="failed saga")
        .add("hotel", fetch.new(site="hotel"), undo=join.new())
        .add("pay", fail.new(), deps=["hotel"])
        .add("alert", join.new(), runs="on failure")
    )
    mapped = Baton.new(workflow_name="map").add("n", jobs["numbers"].new()).add("each", fail.new(each(result_of("n"))))
    hostile = Baton.new(workflow_id=HOSTILE_ID, workflow_name=HOSTILE_NAME).add(HOSTILE_STEP, fail.new())
    runs = [await flow.insert() for flow in (waiting, saga, mapped, hostile)]
    async with WorkerPool(engine):
        for run in runs[1:]:
            await run.wait(timeout=30)
        await eventually(lambda: _is_waiting(runs[0]))
    await jobs["lonely"].new().insert()
    await engine.schedule("nightly", fetch.new(site="n"), cron="0 3 * * *", timezone="Europe/Berlin")
    found = Filled()
    found.waiting, found.saga, found.mapped = (run.id for run in runs[:3])
    return found


async def _is_waiting(run: Any) -> bool:
    return (await run.status()).counts.get("waiting") == 1


def browser_path() -> str:
    """The browser of this machine. Without one the test is skipped; in continuous integration it fails."""
    for name in BROWSERS:
        if found := shutil.which(name):
            return found
    missing = "there is no Chromium; install one (on Debian: apt install chromium)"
    if os.environ.get("CI"):
        pytest.fail(missing)
    pytest.skip(missing)


class Chromium:
    """One browser for all tests, in an event loop of its own: each test has another one."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="browser", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._wait(self._open())
        return self

    def __exit__(self, *_: object) -> None:
        self._wait(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def look(self, drive: Callable[[Page], Awaitable[T]], **options: Any) -> T:
        """Open a page, drive it, and return what that returns. Fails if a script or the page's policy complains."""

        async def driven() -> T:
            context = await self._browser.new_context(**options)
            context.set_default_timeout(10_000)
            page, complaints = await context.new_page(), []
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.on("console", lambda message: complaints.append(message.text) if _is_fault(message) else None)
            try:
                found = await drive(page)
            finally:
                await context.close()
            assert complaints == []
            return found

        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(driven(), self._loop))

    async def _open(self) -> None:
        self._playwright = await async_playwright().start()
        # As root Chromium runs without its sandbox only. It sees the tests' own pages and no others.
        # The shared memory of a container may be too small for it.
        arguments = ["--no-sandbox", "--disable-dev-shm-usage"]
        self._browser = await self._playwright.chromium.launch(executable_path=self._path, args=arguments)

    async def _close(self) -> None:
        await self._browser.close()
        await self._playwright.stop()

    def _wait(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(60)


def _is_fault(message: ConsoleMessage) -> bool:
    """A connection that is lost on purpose is no fault."""
    return message.type == "error" and "net::ERR" not in message.text and "Failed to load resource" not in message.text


@pytest.fixture(scope="session")
def chromium() -> Iterator[Chromium]:
    """The browser."""
    with Chromium(browser_path()) as opened:
        yield opened

"""Takes pictures of the pages, to be looked at, in both schemes, wide and narrow.

    python -m tests.web.screenshots FOLDER

Starts a PostgreSQL of its own, fills it, and runs a worker pool beside the dashboard.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from datetime import timedelta
from pathlib import Path

from playwright.async_api import Browser, async_playwright

from baton import Baton, Engine, Signal, WorkerPool, each, result_of, worker
from baton.web import User, dashboard
from baton.web.rendering import url
from tests.servers import temporary_server
from tests.waiting import eventually
from tests.web.conftest import browser_path
from tests.web.served import everybody_is, serving

WIDTHS = {"wide": 1180, "narrow": 360}


@worker
async def fetch(site: str) -> dict[str, str]:
    return {"site": site}


@worker
async def book(what: str) -> str:
    return f"booked {what}"


@worker
async def unbook(what: str | None = None) -> None: ...


@worker(max_attempts=1)
async def pay(amount: float) -> None:
    raise RuntimeError("the card was declined")


@worker
async def files() -> list[int]:
    return list(range(40))


@worker(max_attempts=2, backoff=0.01)
async def convert(number: int) -> int:
    if number % 11 == 7:
        raise ValueError(f"file {number} has no header")
    return number


@worker
async def publish(report: object = None, approval: object = None) -> str:
    return "published"


@worker(queue="reports")
async def report(day: str) -> str:
    return day


async def filled(engine: Engine) -> dict[str, str]:
    """Fill the database, and return the pages by name."""
    words = Baton.new().add("left", fetch.new("example.org/a")).add("right", fetch.new("example.org/b"), deps=["left"])
    approval = (
        Baton.new(workflow_name="weekly report", tags={"team": "news"})
        .add("sources", fetch.new("example.org"))
        .add("words", words, deps=["sources"])
        .add("approval", Signal(dict, timeout=timedelta(days=2)), deps=["words"])
        .add("publish", publish.new(result_of("words"), result_of("approval")))
    )
    saga = (
        Baton.new(workflow_name="trip", key="customer 7")
        .add("hotel", book.new("hotel"), undo=unbook.new(result_of("hotel", default=None)))
        .add("flight", book.new("flight"), deps=["hotel"], undo=unbook.new(result_of("flight", default=None)))
        .add("pay", pay.new(420.0), deps=["flight"])
        .add("tell the customer", publish.new(), runs="on failure")
    )
    mapped = Baton.new(workflow_name="convert").add("files", files.new())
    mapped.add("convert", convert.new(each(result_of("files")))).add("join", publish.new(result_of("convert")))
    runs = [await flow.insert() for flow in (approval, saga, mapped)]
    for number in range(30):
        await fetch.new(f"example.org/{number}").insert()
    await report.new("2026-11-27").insert()
    await engine.schedule("nightly report", report.new("today"), cron="0 3 * * *", timezone="Europe/Berlin")
    await engine.schedule("refresh", fetch.new("example.org"), every=900)
    await engine.pause_schedule("refresh", actor="ann")
    await engine.limit("reports", running=2, starts=60, per=60, actor="ann")
    for run in runs[1:]:
        await run.wait(timeout=60)
    await eventually(lambda: _waits(runs[0]), deadline=60)
    return {
        "overview": "",
        "runs": "runs",
        "approval": url("run", id=runs[0].id),
        "saga": url("run", id=runs[1].id),
        "map": url("run", id=runs[2].id, open="convert"),
        "step": url("step", id=runs[1].id, step="pay"),
        "steps": url("steps", id=runs[2].id, state="discarded"),
        "confirm": url("confirm", action="retry", id=runs[1].id),
        **{name: name for name in ("queues", "pools", "schedules", "limits", "interventions", "doctor")},
    }


async def _waits(run) -> bool:  # type: ignore[no-untyped-def]
    return (await run.status()).counts.get("waiting") == 1


async def take(browser: Browser, address: str, pages: dict[str, str], folder: Path) -> None:
    for scheme in ("light", "dark"):
        for name, width in WIDTHS.items():
            context = await browser.new_context(viewport={"width": width, "height": 700}, color_scheme=scheme)
            page = await context.new_page()
            for title, path in pages.items():
                await page.goto(address + path)
                await page.locator("main").wait_for()
                await page.screenshot(path=folder / f"{title}-{scheme}-{name}.png", full_page=True)
            await context.close()


async def main(folder: Path) -> None:
    logging.disable(logging.CRITICAL)
    with temporary_server() as server:
        async with Engine(server.dsn()) as engine, WorkerPool(engine, name="worker-1"):
            pages = await filled(engine)
            app = dashboard(engine, user=everybody_is(User("ann", may="everything")))
            async with serving(app) as address, async_playwright() as playwright:
                browser = await playwright.chromium.launch(executable_path=browser_path(), args=["--no-sandbox"])
                await take(browser, address, pages, folder)
                await browser.close()


if __name__ == "__main__":
    Path(sys.argv[1]).mkdir(parents=True, exist_ok=True)
    asyncio.run(main(Path(sys.argv[1])))

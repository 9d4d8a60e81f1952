"""The dashboard as people use it: in a Chromium, with a keyboard, narrow, dark, without a script, behind a proxy."""

from __future__ import annotations

import asyncio
import threading
from functools import partial
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from starlette.applications import Starlette
from starlette.routing import Mount

from baton import Run, WorkerPool
from baton.web import dashboard
from baton.web.rendering import url
from baton.web.serving import application, user_of
from baton.web.sign_in import Gate
from tests.waiting import eventually
from tests.web.conftest import HOSTILE_ID, HOSTILE_STEP
from tests.web.served import ANN, everybody_is, serving

TOKEN = "correct horse battery staple"
NARROW = {"width": 360, "height": 740}


@pytest.fixture
async def served(engine):
    """The address of a dashboard in which everybody may do everything."""
    async with serving(dashboard(engine, user=everybody_is(ANN))) as address:
        yield address


MOST_DIFFERENT = 11


def pages(filled: Any) -> list[str]:
    """The addresses of all pages; the first have all that there is to see, the others have it in other states."""
    return [
        "",
        "runs",
        url("run", id=filled.saga),
        url("steps", id=filled.saga),
        url("step", id=filled.saga, step="pay"),
        "queues",
        "pools",
        "schedules",
        "doctor",
        url("confirm", action="cancel", id=filled.waiting),
        url("confirm", action="signal", id=filled.waiting, step="approval"),
        url("run", id=filled.waiting),
        url("run", id=filled.mapped, open="each"),
        url("run", id=HOSTILE_ID),
        url("step", id=filled.waiting, step="approval"),
        url("step", id=HOSTILE_ID, step=HOSTILE_STEP),
        "nowhere",
    ]


@pytest.mark.parametrize(("scheme", "options"), [("light", {}), ("dark", {"runOnly": ["color-contrast"]})])
async def test_axe_finds_nothing_on_any_page(chromium, served, filled, scheme, options):
    """What depends on no colour is the same in both schemes."""

    async def drive(page):
        found = {}
        for path in pages(filled)[:MOST_DIFFERENT]:
            await page.goto(served + path)
            results = await Axe().run(page, options=options)
            for violation in results.response["violations"]:
                found[path, violation["id"]] = [node["html"][:200] for node in violation["nodes"][:3]]
        return found

    assert await chromium.look(drive, color_scheme=scheme) == {}


async def test_no_page_is_wider_than_a_telephone(chromium, served, filled):
    async def drive(page):
        wide = {}
        for path in pages(filled):
            await page.goto(served + path)
            wide[path] = await page.evaluate("document.documentElement.scrollWidth")
        return {path: width for path, width in wide.items() if width > NARROW["width"]}

    assert await chromium.look(drive, viewport=NARROW) == {}


async def test_nothing_is_asked_of_another_host_and_nothing_is_missing(chromium, served, filled):
    async def drive(page):
        odd = []
        page.on("response", lambda answer: odd.append(answer.url) if _is_odd(answer, served) else None)
        page.on("dialog", lambda dialog: odd.append(dialog.message))
        for path in pages(filled)[:-1]:
            await page.goto(served + path)
        return odd

    assert await chromium.look(drive) == []


def _is_odd(answer: Any, served: str) -> bool:
    return not answer.url.startswith(served) or answer.status >= 400


async def test_groups_open_and_close_in_place(chromium, served, filled):
    async def drive(page):
        await page.goto(served + url("run", id=filled.mapped))
        await page.evaluate("window.isSame = true")
        assert await page.locator("[data-key='each[3]']").count() == 0
        await page.locator("[data-key='each']").click()
        await page.locator("[data-key='each[3]']").wait_for()
        assert "open=each" in page.url
        await page.get_by_role("link", name="Close group each").click()
        await page.locator("[data-key='each[3]']").wait_for(state="detached")
        await page.go_back()
        await page.locator("[data-key='each[3]']").wait_for()
        return await page.evaluate("window.isSame")

    assert await chromium.look(drive)


async def test_a_box_of_the_picture_leads_to_its_step(chromium, served, filled):
    async def drive(page):
        await page.goto(served + url("run", id=filled.waiting))
        await page.locator("[data-key='approval']").click()
        await page.get_by_role("heading", name="approval").wait_for()
        return page.url

    assert "step=approval" in await chromium.look(drive)


async def test_a_run_is_cancelled_with_the_keyboard_alone(chromium, served, filled):
    async def drive(page):
        await page.goto(served + "runs")
        await _tab_to(page, "compare")
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/run?*")
        await _tab_to(page, "Cancel")
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/confirm?*")
        await _tab_to(page, "Cancel", "BUTTON")
        await page.keyboard.press("Enter")
        await page.get_by_text("2 steps cancelled.").wait_for()

    await chromium.look(drive)
    assert (await Run(filled.waiting).status()).state == "cancelled"


async def _tab_to(page: Any, text: str, tag: str = "A") -> None:
    """Press the tabulator until something of this text has the focus, which has to be seen."""
    for _ in range(60):
        await page.keyboard.press("Tab")
        found = await page.evaluate(
            "(e => [e.tagName, e.textContent.trim(), getComputedStyle(e).outlineStyle])(document.activeElement)"
        )
        if found[:2] == [tag, text]:
            assert found[2] != "none"
            return
    raise AssertionError(f"the keyboard does not reach {text!r}")


async def test_the_first_link_skips_to_the_content(chromium, served):
    async def drive(page):
        await page.goto(served)
        await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        return await page.evaluate("document.activeElement.id")

    assert await chromium.look(drive) == "main"


async def test_all_is_done_without_a_script(chromium, served, filled, engine, jobs):
    """Read, answer, retry, cancel many, pause and run now."""
    many = [(await jobs["lonely"].new().insert()).id for _ in range(2)]

    async def drive(page):
        await page.goto(served + url("step", id=filled.waiting, step="approval"))
        await page.get_by_role("link", name="Answer").click()
        await page.get_by_label("Value").fill('{"ok": true}')
        await page.get_by_role("button", name="Send the signal").click()
        await page.get_by_text("is recorded.").wait_for()

        await page.goto(served + url("run", id=filled.saga))
        await page.get_by_role("link", name="Retry", exact=True).click()
        await page.get_by_role("button", name="Retry").click()
        await page.get_by_text("opened again.").wait_for()

        await page.goto(served + "runs")
        for one in many:
            await page.locator(f"input[value='{one}']").check()
        await page.get_by_role("button", name="Cancel").click()
        await page.get_by_role("button", name="Cancel").click()
        await page.get_by_text("2 steps of 2 runs cancelled.").wait_for()

        await page.goto(served + "queues")
        await page.get_by_role("row", name="lonely").get_by_role("link", name="Pause").click()
        await page.get_by_role("button", name="Pause").click()
        await page.get_by_text("is paused.").wait_for()

        await page.goto(served + "schedules")
        await page.get_by_role("link", name="Run now").click()
        await page.get_by_role("button", name="Run now").click()
        await page.get_by_text("is inserted.").wait_for()

    await chromium.look(drive, java_script_enabled=False)
    assert {(await Run(one).status()).state for one in many} == {"cancelled"}
    assert (await Run(filled.saga).status()).state == "executing"


async def test_a_change_is_shown_without_loading_the_page(chromium, served, filled, engine):
    is_loaded = threading.Event()

    async def drive(page):
        await page.goto(served + url("run", id=filled.waiting))
        await page.evaluate("window.isSame = true")
        await page.locator("#live", has_text="live").wait_for()
        is_loaded.set()
        await page.locator("h1 .state-completed").wait_for()
        return await page.evaluate("window.isSame")

    async with WorkerPool(engine), asyncio.TaskGroup() as group:
        looking = group.create_task(chromium.look(drive))
        await eventually(is_loaded.is_set)
        await Run(filled.waiting).signal("approval", {"ok": True})
    assert looking.result()


async def test_a_page_goes_on_after_the_server_was_restarted(chromium, engine, filled):
    """The server is gone for a while; meanwhile something happens that the page has to show."""
    app = dashboard(engine, user=everybody_is(ANN))
    is_loaded = threading.Event()

    async def drive(page):
        await page.goto(address + url("run", id=filled.waiting))
        await page.locator("#live", has_text="live").wait_for()
        is_loaded.set()
        await page.locator("h1 .state-cancelled").wait_for(timeout=20_000)
        await page.locator("#live", has_text="live").wait_for()

    async with asyncio.TaskGroup() as group:
        async with serving(app) as address:
            looking = group.create_task(chromium.look(drive))
            await eventually(is_loaded.is_set)
        await Run(filled.waiting).cancel()
        async with serving(app, port=int(address.rstrip("/").rpartition(":")[2])):
            await looking


async def test_it_works_below_a_prefix_whatever_the_proxy_does(chromium, engine, filled):
    """One proxy strips the prefix and says nothing of it, another passes it on."""
    app = dashboard(engine, user=everybody_is(ANN))

    async def stripping(scope, receive, send):
        assert scope["path"].startswith("/ops/baton/")
        await app({**scope, "path": scope["path"].removeprefix("/ops/baton"), "root_path": ""}, receive, send)

    async def drive(prefixed, run, step, page):
        odd = []
        page.on("response", lambda answer: odd.append(answer.url) if _is_odd(answer, prefixed) else None)
        await page.goto(prefixed)
        await page.get_by_role("link", name=run, exact=True).click()
        await page.get_by_role("link", name=step, exact=True).first.click()
        await page.get_by_role("link", name="Retry").click()
        await page.get_by_role("button", name="Retry").click()
        await page.get_by_role("link", name="See it").click()
        await page.get_by_role("link", name="Schedules").click()
        await page.get_by_role("heading", name="Schedules").wait_for()
        return odd

    passing = Starlette(routes=[Mount("/ops/baton", app)])
    for proxied, run, step in ((stripping, "failed saga", "pay"), (passing, "map", "each[3]")):
        async with serving(proxied) as address:
            assert await chromium.look(partial(drive, f"{address}ops/baton/", run, step)) == []


async def test_who_knows_the_token_signs_in(chromium, engine, filled):
    app = application(engine, Gate(TOKEN, user_of(may_act=True, sees_data=True)), "/baton")

    async def drive(page):
        await page.goto(f"{address}baton/runs")
        for token in ("wrong", TOKEN):
            await page.get_by_label("Token").fill(token)
            await page.get_by_role("button", name="Sign in").click()
            await page.get_by_text("This is not the token." if token == "wrong" else "the operator").wait_for()
        await page.get_by_role("link", name="Runs", exact=True).click()
        await page.get_by_role("link", name="compare").wait_for()
        await page.get_by_role("button", name="Sign out").click()
        await page.get_by_label("Token").wait_for()

    async with serving(app) as address:
        await chromium.look(drive)

"""What each page shows, and what it costs."""

from __future__ import annotations

import pytest

from baton.database.connections import Connections
from baton.web import User
from tests.web.conftest import HOSTILE_ID, HOSTILE_NAME, HOSTILE_STEP
from tests.web.served import ANN, asking_as

PAGES = ("", "runs", "queues", "pools", "schedules", "interventions", "doctor")


@pytest.fixture
def statements(monkeypatch):
    """The statements that the engine's connections run."""
    seen: list[str] = []
    fetch = Connections.fetch

    async def counted(self, query, *args):
        seen.append(query)
        return await fetch(self, query, *args)

    monkeypatch.setattr(Connections, "fetch", counted)
    return seen


def addresses(filled):
    """Each page that is not live for its own sake, as path and parameters."""
    run = {"id": filled.waiting}
    return [
        *[(page, {}) for page in PAGES],
        ("runs", {"state": "failed", "name": "map", "since": "24h"}),
        ("run", run),
        ("run", {"id": filled.saga}),
        ("run", {"id": filled.mapped, "open": "each"}),
        ("run", {"id": HOSTILE_ID}),
        ("steps", run),
        ("steps", {"id": filled.mapped, "state": "discarded", "group": "each"}),
        ("step", {**run, "step": "a"}),
        ("step", {**run, "step": "approval"}),
        ("step", {"id": HOSTILE_ID, "step": HOSTILE_STEP}),
    ]


@pytest.mark.parametrize("page", PAGES)
async def test_each_page_says_what_to_do_while_there_is_nothing(engine, page):
    async with asking_as(engine) as client:
        answer = await client.get(page)

    assert answer.status_code == 200
    assert 'class="empty"' in answer.text or page == "doctor"


async def test_each_page_is_shown(engine, filled):
    async with asking_as(engine) as client:
        for page, query in addresses(filled):
            answer = await client.get(page, params=query)
            assert answer.status_code == 200, (page, query, answer.text)


async def test_each_page_costs_six_statements_at_most(engine, filled, statements):
    """Except that of the doctor, who examines the whole installation when asked."""
    async with asking_as(engine) as client:
        for page, query in addresses(filled):
            statements.clear()
            await client.get(page, params=query)
            assert page == "doctor" or 1 <= len(statements) <= 6, (page, len(statements))


async def test_what_is_wrong_comes_first(engine, filled):
    async with asking_as(engine) as client:
        text = (await client.get("")).text

    assert text.index("Needs attention") < text.index("The last hour") < text.index("Failed last")
    assert "No living pool serves queue &#39;lonely&#39;, in which 1 step waits." in text


async def test_a_run_is_shown_as_a_picture_and_as_an_equal_table(engine, filled):
    async with asking_as(engine) as client:
        text = (await client.get("run", params={"id": filled.waiting})).text

    for step in ("a", "inner", "inner/x", "inner/y", "approval", "ship"):
        assert f'data-key="{step}"' in text
    assert text.count("<tr>") == 1 + 6
    assert "approval</a> waits for a signal" in text
    assert text.count("waits for a signal") == 2


async def test_a_large_map_is_closed_until_it_is_opened(engine, filled):
    async with asking_as(engine) as client:
        closed = (await client.get("run", params={"id": filled.mapped})).text
        opened = (await client.get("run", params={"id": filled.mapped, "open": "each"})).text

    assert 'data-key="each[3]"' not in closed
    assert "5 discarded" in closed
    assert "15 completed" in closed
    assert 'data-key="each[3]"' in opened


async def test_what_failed_in_a_closed_group_is_named_first(engine, filled):
    async with asking_as(engine) as client:
        text = (await client.get("run", params={"id": filled.mapped})).text

    assert text.index("What failed") < text.index(">each[3]</a>") < text.index("Picture")


async def test_a_group_is_closed_when_that_is_asked(engine, filled):
    async with asking_as(engine) as client:
        text = (await client.get("run", params={"id": filled.waiting, "shut": "inner"})).text

    assert 'data-key="inner/x"' not in text
    assert "2 completed" in text


async def test_hostile_names_are_text_everywhere(engine, filled):
    async with asking_as(engine) as client:
        for page, query in addresses(filled):
            text = (await client.get(page, params=query)).text
            assert "<script>alert" not in text
            assert "<img" not in text
            assert "<svg onload" not in text
            assert "<b>number" not in text
        shown = (await client.get("runs")).text
    assert HOSTILE_NAME.replace('"', "&#34;").replace("<", "&lt;").replace(">", "&gt;") in shown


async def test_a_failed_step_shows_its_attempts_and_tracebacks(engine, filled):
    async with asking_as(engine) as client:
        text = (await client.get("step", params={"id": filled.saga, "step": "pay"})).text

    assert "RuntimeError: &lt;b&gt;number&lt;/b&gt; 3 is no good" in text
    assert "Traceback (most recent call last)" in text


async def test_arguments_and_results_are_hidden_unless_allowed(engine, filled):
    for user, is_shown in ((ANN, True), ("bob", False), (User("eve", may={"cancel"}), False)):
        async with asking_as(engine, user) as client:
            step = await client.get("step", params={"id": filled.waiting, "step": "a"})
            run = await client.get("run", params={"id": filled.waiting})
            for part in ("arguments", "result"):
                data = await client.get("data", params={"id": filled.waiting, "step": "a", "part": part})
                assert data.status_code == (200 if is_shown else 403)
        assert ("swordfish" in step.text) is is_shown
        assert ("asked by" in run.text) is is_shown


async def test_data_is_sent_as_a_file_and_not_as_a_page(engine, filled):
    async with asking_as(engine) as client:
        data = await client.get("data", params={"id": filled.waiting, "step": "a", "part": "result"})

    assert data.json() == {"site": "a", "secret": "swordfish"}
    assert data.headers["content-disposition"] == 'attachment; filename="result.json"'
    assert data.headers["x-content-type-options"] == "nosniff"


async def test_a_list_goes_on_by_key_without_gaps(engine, jobs):
    ids = [(await jobs["lonely"].new().insert()).id for _ in range(120)]
    seen, address = [], "runs"
    async with asking_as(engine) as client:
        while address:
            text = (await client.get(address)).text
            seen += [one for one in ids if one in text]
            after = text.partition('rel="next"')[0].rpartition('<a href="')[2].partition('"')[0]
            address = after.replace("&amp;", "&") if 'rel="next"' in text else None

    assert sorted(seen) == sorted(ids)


@pytest.mark.parametrize(
    ("address", "status", "sentence"),
    [
        ("run?id=nowhere", 404, "there is no workflow &#39;nowhere&#39;"),
        ("run", 400, "lacks the parameter id"),
        ("run?id=%00", 400, "cannot be right"),
        ("step?id=nowhere&step=a", 404, "there is no workflow"),
        ("runs?state=happy", 400, "may be executing, completed, failed, cancelled"),
        ("runs?since=tomorrow", 400, "which is not a time"),
        ("runs?after=older", 400, "begin with its first page"),
        ("runs?after=99999999999999999999", 400, "begin with its first page"),
        ("steps?id=nowhere&state=odd", 404, "there is no workflow"),
        ("confirm?action=explode&id=1", 400, "There is no action"),
        ("confirm?action=cancel", 400, "Choose a run first"),
        ("nowhere", 404, "There is no such page"),
    ],
)
async def test_bad_addresses_get_a_status_and_a_sentence(engine, address, status, sentence):
    async with asking_as(engine) as client:
        answer = await client.get(address)

    assert answer.status_code == status
    assert sentence in answer.text

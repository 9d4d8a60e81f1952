"""What each page shows, and what it costs."""

from __future__ import annotations

import pytest

from baton import Baton, Context, Run, WorkerPool, worker
from baton.database.connections import Connections
from baton.llm import Usage
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
        ("run", {**run, "around": "approval"}),
        ("interventions", run),
        ("usage", run),
        ("debug", {**run, "step": "a"}),
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


async def test_the_neighbourhood_of_a_step_is_shown_alone(engine, jobs):
    """Of a chain, what lies two dependencies away on both sides."""
    flow = Baton.new().add("s0", jobs["join"].new())
    for number in range(1, 9):
        flow.add(f"s{number}", jobs["join"].new(), deps=[f"s{number - 1}"])
    run = await flow.insert()
    async with asking_as(engine) as client:
        text = (await client.get("run", params={"id": run.id, "around": "s4"})).text
        missing = await client.get("run", params={"id": run.id, "around": "s99"})

    assert [number for number in range(9) if f'data-key="s{number}"' in text] == [2, 3, 4, 5, 6]
    assert missing.status_code == 404


async def test_more_steps_than_a_picture_can_show_are_listed(engine, jobs):
    flow = Baton.new()
    for number in range(1_501):
        flow.add(f"s{number}", jobs["lonely"].new())
    run = await flow.insert()
    async with asking_as(engine) as client:
        text = (await client.get("run", params={"id": run.id})).text
        listed = (await client.get("steps", params={"id": run.id, "after": 1_498})).text

    assert "More than 1,500 steps would be in view" in text
    assert "1,300 more steps are in view" in text
    assert [f">s{number}<" in listed for number in (1498, 1499, 1500)] == [False, True, True]


async def test_a_picture_is_laid_out_once_while_only_states_change(engine, filled, monkeypatch):
    from baton.web import run_picture

    laid_out, calls = run_picture.laid_out, []
    monkeypatch.setattr(run_picture, "laid_out", lambda diagram: calls.append(diagram) or laid_out(diagram))
    async with asking_as(engine) as client:
        await client.get("run", params={"id": filled.waiting})
        before = len(calls)
        await Run(filled.waiting).cancel()
        text = (await client.get("run", params={"id": filled.waiting})).text

    assert len(calls) == before
    assert 'class="baton-node baton-cancelled"' in text


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


@pytest.mark.parametrize(
    ("query", "is_found"),
    [
        ({"tag": "team=red"}, True),
        ({"tag": "team=red, env=live"}, True),
        ({"tag": "team=blue"}, False),
        ({"key": "order 7"}, True),
        ({"key": "order 8"}, False),
        ({"worker": "lonely"}, True),
        ({"worker": "fetch"}, False),
        ({"failed_step": "a"}, False),
        ({"since": "1h"}, True),
        ({"since": "2999-01-01"}, False),
    ],
)
async def test_runs_are_found_by_tag_key_worker_step_and_time(engine, jobs, query, is_found):
    flow = Baton.new(key="order 7", tags={"team": "red", "env": "live"}, workflow_name="wanted")
    await flow.add("a", jobs["lonely"].new()).insert()
    async with asking_as(engine) as client:
        text = (await client.get("runs", params=query)).text

    assert (">wanted</a>" in text) is is_found


async def test_entries_in_lanes_are_counted_too(engine, jobs):
    await engine.limit("lonely", lane_running=1)
    for lane in ("red", "blue", "blue"):
        await jobs["lonely"].new().with_options(lane=lane).insert()
    async with asking_as(engine) as client:
        text = (await client.get("queues")).text

    assert '<td class="number">3</td>' in text


async def test_the_usage_of_language_models_is_summed_up(engine):
    @worker
    async def ask(ctx: Context) -> str:
        ctx.record_usage(Usage(model="gpt-made-up <b>", provider="nobody", input_tokens=1200, output_tokens=34))
        return "answered"

    run = await ask.new().insert()
    async with WorkerPool(engine):
        await run.wait(timeout=20)
    async with asking_as(engine) as client:
        text = (await client.get("usage", params={"id": run.id})).text

    assert "1,234" in text
    assert "gpt-made-up &lt;b&gt;" in text
    assert "unknown" in text


async def test_what_attempts_left_for_debugging_is_shown_to_those_who_may(engine):
    @worker
    async def traced(ctx: Context, word: str) -> None:
        ctx.record("note", {"saw": word})

    run = await Baton.new(debug=True).add("traced", traced.new("<i>swordfish</i>")).insert()
    async with WorkerPool(engine):
        await run.wait(timeout=20)
    query = {"id": run.id, "step": "traced"}
    async with asking_as(engine) as client, asking_as(engine, "bob") as reader:
        text = (await client.get("debug", params=query)).text
        assert (await reader.get("debug", params=query)).status_code == 403

    assert "&lt;i&gt;swordfish&lt;/i&gt;" in text
    assert "note" in text

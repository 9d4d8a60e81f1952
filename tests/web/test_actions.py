"""What can be done from the dashboard."""

from __future__ import annotations

import pytest

from baton import Run
from tests.web.conftest import HOSTILE_STEP
from tests.web.served import SAME_ORIGIN, asking_as, confirmed, token_in


async def test_a_run_is_cancelled_with_a_reason(engine, filled):
    async with asking_as(engine) as client:
        answer = await confirmed(client, action="cancel", id=filled.waiting, reason="asked by the customer")

    assert "2 steps cancelled." in answer.text
    steps = {step.name: step for step in await Run(filled.waiting).steps()}
    assert steps["approval"].reason == "asked by the customer"


async def test_who_cancels_without_a_reason_is_named(engine, filled):
    async with asking_as(engine) as client:
        await confirmed(client, action="cancel", id=filled.waiting)

    steps = {step.name: step for step in await Run(filled.waiting).steps()}
    assert steps["approval"].reason == "by ann, in the dashboard"


async def test_a_step_is_cancelled(engine, filled):
    async with asking_as(engine) as client:
        answer = await confirmed(client, action="cancel", id=filled.waiting, step="approval")

    assert "1 step cancelled." in answer.text
    assert (await Run(filled.waiting).status()).counts["cancelled"] == 2


async def test_a_failed_run_is_retried(engine, filled):
    async with asking_as(engine) as client:
        answer = await confirmed(client, action="retry", id=filled.hostile)

    assert "1 step opened again." in answer.text
    assert (await Run(filled.hostile).status()).state == "executing"


async def test_a_refused_retry_is_a_conflict_and_changes_nothing(engine, filled):
    async with asking_as(engine) as client:
        answer = await confirmed(client, action="retry", id=filled.waiting, step="approval")

    assert answer.status_code == 409
    assert "Nothing was changed" in answer.text


async def test_the_form_says_first_what_it_would_change(engine, filled):
    async with asking_as(engine) as client:
        retry = (await client.get("confirm", params={"action": "retry", "id": filled.hostile})).text
        refused = (
            await client.get("confirm", params={"action": "retry", "id": filled.waiting, "step": "approval"})
        ).text

    assert "1 step: &lt;svg onload=alert(1)&gt;" in retry
    assert "As things are, this is refused" in refused
    assert (await Run(filled.hostile).status()).state == "failed"


async def test_a_step_is_completed_with_a_value(engine, filled):
    async with asking_as(engine) as client:
        await confirmed(client, action="complete", id=filled.hostile, step=HOSTILE_STEP, value='{"a": 1}')

    (step,) = await Run(filled.hostile).steps()
    assert (step.state, step.result) == ("completed", {"a": 1})
    assert (await Run(filled.hostile).status()).state == "completed"


async def test_a_step_is_skipped(engine, filled):
    async with asking_as(engine) as client:
        await confirmed(client, action="skip", id=filled.waiting, step="approval", reason="not needed")

    steps = {step.name: step.state for step in await Run(filled.waiting).steps()}
    assert steps["approval"] == steps["ship"] == "skipped"


async def test_a_step_that_waits_for_its_time_starts_now(engine, jobs):
    run = await jobs["fetch"].new(site="a").with_options(schedule_in=3600).insert()
    async with asking_as(engine) as client:
        answer = await confirmed(client, action="start-now", id=run.id, step="fetch")

    assert "1 step started." in answer.text
    assert (await run.status()).counts == {"available": 1}


async def test_each_action_is_noted_with_who_did_it(engine, filled):
    async with asking_as(engine) as client:
        await confirmed(client, action="retry", id=filled.saga, reason="card was renewed")
        await confirmed(client, action="cancel", id=filled.waiting, reason="twice", step="approval")
        of_run = (await client.get("interventions", params={"id": filled.saga})).text
        latest = (await client.get("interventions")).text

    assert "card was renewed" in of_run
    assert "twice" not in of_run
    assert latest.index("twice") < latest.index("card was renewed")
    noted = await Run(filled.saga).interventions()
    assert [(one.actor, one.action) for one in noted] == [("ann", "retry")]


async def test_a_signal_answers_a_step(engine, filled):
    async with asking_as(engine) as client:
        first = await confirmed(client, action="signal", id=filled.waiting, step="approval", value='{"ok": true}')
        second = await confirmed(client, action="signal", id=filled.waiting, step="approval", value='{"ok": false}')

    assert "The signal for &#39;approval&#39; is recorded." in first.text
    assert second.status_code == 409
    assert "Another signal came first" in second.text


@pytest.mark.parametrize(("value", "status"), [("{", 400), ("approved", 400), ('"a text"', 409), ("[]", 409)])
async def test_a_signal_that_does_not_fit_is_refused(engine, filled, value, status):
    async with asking_as(engine) as client:
        answer = await confirmed(client, action="signal", id=filled.waiting, step="approval", value=value)

    assert answer.status_code == status
    assert "Nothing was changed" in answer.text


async def test_a_queue_is_paused_and_resumed(engine, filled):
    async with asking_as(engine) as client:
        await confirmed(client, action="pause", queue="lonely")
        assert {queue.name: queue.paused_at is not None for queue in await engine.queues()}["lonely"]
        assert "paused" in (await client.get("queues")).text
        await confirmed(client, action="resume", queue="lonely")
        assert not {queue.name: queue.paused_at is not None for queue in await engine.queues()}["lonely"]


async def test_a_schedule_is_paused_resumed_and_run(engine, filled):
    async with asking_as(engine) as client:
        await confirmed(client, action="pause-schedule", schedule="nightly")
        assert (await engine.schedules())[0].paused_at is not None
        await confirmed(client, action="resume-schedule", schedule="nightly")
        assert (await engine.schedules())[0].paused_at is None
        answer = await confirmed(client, action="run-schedule", schedule="nightly")

    assert "nightly@" in answer.text
    assert len((await engine.runs(limit=10)).runs) == 6


async def test_many_runs_are_cancelled_at_once_and_the_rest_is_named(engine, filled, jobs):
    ids = [(await jobs["lonely"].new().insert()).id for _ in range(3)]
    async with asking_as(engine) as client:
        answer = await confirmed(client, action="cancel", id=[*ids, "nowhere"])

    assert "3 steps of 3 runs cancelled." in answer.text
    assert "there is no workflow &#39;nowhere&#39;" in answer.text
    assert {(await Run(one).status()).state for one in ids} == {"cancelled"}


async def test_more_runs_than_one_action_takes_are_refused(engine):
    async with asking_as(engine) as client:
        answer = await client.get("confirm", params={"action": "cancel", "id": [str(one) for one in range(201)]})

    assert answer.status_code == 400


@pytest.mark.parametrize("action", ["cancel", "retry"])
async def test_an_action_on_a_run_that_is_not_there_is_not_found(engine, action):
    async with asking_as(engine) as client:
        form = await client.get("confirm", params={"action": action, "id": "nowhere"})
        fields = {"action": action, "id": "nowhere", "write_token": client.cookies["baton_write_token"]}
        answer = await client.post("confirm", data=fields, headers=SAME_ORIGIN)

    assert (form.status_code, answer.status_code) == (404, 404)


async def test_limits_are_set_changed_and_removed(engine, filled):
    async with asking_as(engine) as client:
        await confirmed(client, action="limit", queue="lonely", running="3", starts="60", per="60")
        page = (await client.get("limits")).text
        (limited,) = await engine.limits()
        assert (limited.limits.running, limited.limits.rate.starts) == (3, 60)
        assert "0 of 3" in page
        assert "running=3" in page
        await confirmed(client, action="remove-limit", queue="lonely")
        assert await engine.limits() == []

    noted = [one.actor for one in await engine.interventions() if one.subject == "lonely"]
    assert noted == ["ann", "ann"]


@pytest.mark.parametrize("fields", [{"running": "many"}, {"running": "-1"}, {"starts": "5"}, {"running": "1.5"}])
async def test_limits_that_cannot_be_are_refused(engine, filled, fields):
    async with asking_as(engine) as client:
        answer = await confirmed(client, action="limit", queue="lonely", **fields)

    assert answer.status_code == 400
    assert await engine.limits() == []


async def test_a_lane_is_paused_and_shown_and_resumed(engine, filled):
    await engine.limit("lonely", lane_running=1)
    await engine.pause("lonely", lane="red")
    async with asking_as(engine) as client:
        assert "lane red is paused" in (await client.get("limits")).text
        query = {"action": "resume", "queue": "lonely", "lane": "red"}
        form = await client.get("confirm", params=query)
        await client.post("confirm", data={**query, "write_token": token_in(form.text)}, headers=SAME_ORIGIN)

    assert (await engine.limits())[0].paused_lanes == []

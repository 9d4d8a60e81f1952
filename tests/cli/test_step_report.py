"""`baton show ID STEP`: everything about one step."""

from __future__ import annotations

import json

from baton import Baton, WorkerPool, each, result_of
from tests.cli.command import assert_refused, assert_succeeded, baton
from tests.programs.shared_workers import counting, failing, noted, refusing, thinking

HOSTILE = "\x1b]0;owned\x07\u202e"


async def test_a_failed_step_shows_its_arguments_and_every_traceback(database, engine, tmp_path):
    async with WorkerPool(engine):
        flow = Baton.new(workflow_id="one").add("first", counting.new(number=7))
        flow.add("b", refusing.new(order="4711", amount=result_of("first"), lines=[1, "größe"]))
        assert await (await flow.insert()).wait(timeout=30) == "failed"

    said = assert_succeeded(baton("show", "one", "b", cwd=tmp_path, database=database))

    lines = said.splitlines()
    assert lines[0] == "step b of workflow one is discarded"
    facts = dict(line.strip().split(None, 1) for line in lines[1 : lines.index("")])
    assert facts["worker"] == "shared: refusing"
    assert facts["attempts"] == "2 of 2, each at most 30 s"
    assert facts["after"] == "first (completed)"
    assert {"queue", "began", "finished"} <= facts.keys()
    begin = lines.index("arguments") + 1
    assert json.loads("\n".join(lines[begin : lines.index("", begin)])) == {
        "order": "4711",
        "amount": "(the result of 'first')",
        "lines": [1, "größe"],
    }
    assert [line.split(" at ")[0] for line in lines if line.startswith("attempt ")] == [
        "attempt 1 failed",
        "attempt 2 failed",
    ]
    assert said.count("  Traceback (most recent call last):") == 2
    assert said.count('    raise LookupError(f"{order} is \\x1b[31mred")') == 2
    assert said.count("  LookupError: 4711 is \\x1b[31mred") == 2


async def test_a_completed_step_shows_its_result(database, engine, tmp_path):
    async with WorkerPool(engine):
        run = await Baton.new(workflow_id="one").add("a", counting.new(number=7)).insert()
        assert await run.result(timeout=30) == 7

    lines = assert_succeeded(baton("show", "one", "a", cwd=tmp_path, database=database)).splitlines()

    assert lines[0] == "step a of workflow one is completed"
    assert lines[lines.index("result") + 1] == "  7"
    assert not [line for line in lines if line.startswith(("attempt ", "  reason"))]


async def test_a_result_of_null_is_a_result_and_none_is_none(database, engine, tmp_path):
    async with WorkerPool(engine):
        flow = Baton.new(workflow_id="one").add("a", counting.new(number=None))
        await (await flow.insert()).wait(timeout=30)
    await Baton.new(workflow_id="two").add("a", counting.new(number=None)).insert()

    lines = assert_succeeded(baton("show", "one", "a", cwd=tmp_path, database=database)).splitlines()
    assert lines[lines.index("result") + 1] == "  null"
    assert "result" not in assert_succeeded(baton("show", "two", "a", cwd=tmp_path, database=database)).splitlines()


async def test_a_map_shows_what_its_dependents_get(database, engine, tmp_path):
    async with WorkerPool(engine):
        flow = Baton.new(workflow_id="one").add("m", counting.new(number=each([1, 2, 3])))
        await (await flow.insert()).wait(timeout=30)

    printed = json.loads(assert_succeeded(baton("show", "one", "m", "--json", cwd=tmp_path, database=database)))

    assert (printed["grouping"], printed["children"], printed["result"]) == ("map", 3, [1, 2, 3])


async def test_a_step_is_printed_as_json(database, engine, tmp_path):
    async with WorkerPool(engine):
        flow = Baton.new(workflow_id="one").add("a", counting.new(number=1))
        flow.add("b", failing.new(), deps=["a"]).add("c", counting.new(number=result_of("a")))
        await (await flow.insert()).wait(timeout=30)

    failed, last = [
        json.loads(assert_succeeded(baton("show", "one", step, "--json", cwd=tmp_path, database=database)))
        for step in ("b", "c")
    ]

    assert (failed["state"], failed["result"], failed["dependencies"]) == ("discarded", None, {"a": "completed"})
    assert [(error["attempt"], error["kind"]) for error in failed["errors"]] == [(1, "failed"), (2, "failed")]
    assert (last["args"], last["references"], last["result"]) == ({"number": None}, [[["number"], "a"]], 1)


async def test_nothing_of_a_step_steers_a_terminal(database, engine, connection, tmp_path):
    """Names and reasons that came through SQL may hold any character."""
    await Baton.new(workflow_id="one").add("a", noted.new()).add("b", noted.new(), deps=["a"]).insert()
    await connection.execute(
        "update steps set worker = $1::text, queue = $1::text, reason = $1::text, name = name || $1::text", HOSTILE
    )

    for step in ("a", "b"):
        said = assert_succeeded(baton("show", "one", f"{step}{HOSTILE}", cwd=tmp_path, database=database))

        assert said.count("\\x1b]0;owned\\x07\\u202e") >= 4
        assert said.replace("\n", "").isprintable()


async def test_a_step_that_is_not_there_gets_a_suggestion(database, engine, tmp_path):
    await Baton.new(workflow_id="one").add("charge", noted.new()).insert()

    said = assert_refused(baton("show", "one", "chrage", cwd=tmp_path, database=database))

    assert said == "workflow 'one' has no step 'chrage'; did you mean 'charge'?"


def test_a_step_of_a_workflow_that_is_not_there_is_one_sentence(database, tmp_path):
    said = assert_refused(baton("show", "nothing", "a", cwd=tmp_path, database=database))

    assert said == "there is no workflow 'nothing'; it was never committed, or it was pruned"


async def test_a_workflow_is_printed_as_json_with_a_flat_list_of_steps(database, engine, tmp_path):
    async with WorkerPool(engine):
        inner = Baton.new().add("x", counting.new(number=1)).add("y", counting.new(number=2), deps=["x"])
        flow = Baton.new(workflow_id="one", workflow_name="flow").add("g", inner).add("b", failing.new(), deps=["g"])
        await (await flow.insert()).wait(timeout=30)
    await Baton.new(workflow_id="two").add("a", noted.new().with_options(queue="gpu")).insert()

    one, two = [
        json.loads(assert_succeeded(baton("show", name, "--json", cwd=tmp_path, database=database)))
        for name in ("one", "two")
    ]

    assert (one["id"], one["name"], one["state"], one["counts"]) == (
        *("one", "flow", "failed"),
        {"completed": 3, "discarded": 1},
    )
    assert [(step["name"], step["parent"], step["children"], step["result"]) for step in one["steps"]] == [
        ("g", None, 2, None),
        ("g/x", "g", 0, 1),
        ("g/y", "g", 0, 2),
        ("b", None, 0, None),
    ]
    assert one["steps"][3]["errors"][0]["attempt"] == 1
    assert two["unserved"][0]["why"].startswith("no living worker pool serves queue 'gpu': start one with")


async def test_debug_prints_what_the_attempts_left(database, engine, tmp_path):
    async with WorkerPool(engine):
        run = await Baton.new(workflow_id="one", debug=True).add("a", thinking.new(order="4711")).insert()
        assert await run.wait(timeout=30) == "completed"

    lines = assert_succeeded(baton("show", "one", "a", "--debug", cwd=tmp_path, database=database)).splitlines()

    begin = next(place for place, line in enumerate(lines) if line.startswith("attempt 1 left this from "))
    assert lines[begin + 1 :] == [
        "  arguments",
        "    {",
        '      "order": "4711"',
        "    }",
        "  log",
        "    WARNING baton.step: odd \\x1b[31m order",
        "  thought",
        "    two",
        "    lines",
    ]
    said = json.loads(assert_succeeded(baton("show", "one", "a", "--debug", "--json", cwd=tmp_path, database=database)))
    assert [record["kind"] for record in said["debug"]] == ["arguments", "log", "thought"]


async def test_debug_says_when_there_is_nothing(database, engine, tmp_path):
    async with WorkerPool(engine):
        await (await Baton.new(workflow_id="one").add("a", counting.new(number=7)).insert()).wait(timeout=30)

    said = assert_succeeded(baton("show", "one", "a", "--debug", cwd=tmp_path, database=database))

    assert said.splitlines()[-1].startswith("no attempt has left debug records")

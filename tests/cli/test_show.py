"""`baton show`: what is said of each step."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from baton import Baton, WorkerPool
from baton.cli.show import drawing
from baton.cli.terminal import plain
from baton.cli.tree import tree
from baton.database.queries import Status
from tests.cli.command import assert_refused, assert_succeeded, baton
from tests.cli.test_tree import step
from tests.programs.shared_workers import failing, noted

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)


def shown(one, **facts):
    """The lines about one step, spaces squeezed."""
    from dataclasses import replace

    status = Status(None, "executing", NOW, None, {one.state: 1}, ())
    lines = drawing("w", status, tree([replace(one, **facts)]), NOW)
    return [" ".join(plain(line).split()) for line in lines][2:]


def ago(**duration):
    return NOW - timedelta(**duration)


def test_a_finished_step_has_its_attempts_and_how_long_the_last_one_took():
    assert shown(step("a"), attempt=2, attempted_at=ago(seconds=3), finished_at=ago(seconds=1.5)) == [
        "a completed 2/20 1.50 s"
    ]


def test_a_step_that_runs_says_since_when():
    assert shown(step("a", state="executing"), attempted_at=ago(minutes=2, seconds=5)) == [
        "a executing 1/20 2 min 05 s so far"
    ]


def test_a_step_that_waits_for_its_time_says_how_long():
    assert shown(step("a", state="scheduled"), attempt=0, scheduled_at=NOW + timedelta(hours=3)) == [
        "a scheduled in 3 h 00 min"
    ]


def test_a_step_that_failed_shows_its_last_error_in_one_line():
    errors = [{"attempt": 1, "error": "ValueError: no"}, {"attempt": 2, "error": "KeyError: 'a\nb'"}]

    assert shown(step("a", state="discarded", errors=errors)) == ["a discarded 1/20", "! attempt 2: KeyError: 'a b'"]


def test_a_step_that_was_cancelled_shows_the_reason():
    assert shown(step("a", state="cancelled"), attempt=0, reason="enough") == ["a cancelled", "! enough"]


def test_a_long_error_is_cut():
    errors = [{"attempt": 1, "error": "x" * 5_000}]

    assert len(shown(step("a", state="retryable", errors=errors))[1]) < 250


async def test_a_workflow_is_shown_from_its_first_step_to_its_last(database, engine, tmp_path, monkeypatch):
    monkeypatch.setenv("EFFECTS", str(tmp_path / "effects.log"))
    workflow = Baton.new(workflow_id="one").add("a", noted.new()).add("b", failing.new(), deps=["a"])
    workflow.add("c", noted.new(), deps=["b"]).add("d", noted.new(), deps=["a", "b"], ignore_discarded=True)
    async with WorkerPool(engine):
        run = await workflow.add("later", noted.new().with_options(queue="gpu"), deps=["a"]).insert()
        await run.result("d", timeout=30)
    await run.cancel("later", reason="no money")

    lines = assert_succeeded(baton("show", "one", cwd=tmp_path, database=database)).splitlines()

    assert lines[0] == "workflow one is failed: 2 completed, 2 cancelled, 1 discarded"
    facts = [" ".join(line.split()[:3]) for line in lines[2:]]
    assert facts == [
        "a completed 1/20",
        "├─ b discarded",
        "│ │ !",
        "│ ├─ c",
        "│ │ !",
        "│ └─ d",
        "└─ later cancelled",
        "! no money",
    ]
    assert "! attempt 2: ValueError: the disk is full" in lines[4]
    assert lines[7].endswith("after a")


async def test_what_nobody_can_run_is_named(database, engine, tmp_path):
    await Baton.new(workflow_id="stuck").add("a", noted.new().with_options(queue="gpu")).insert()

    said = assert_succeeded(baton("show", "stuck", cwd=tmp_path, database=database))

    assert "nobody can run 'a': no living worker pool serves queue 'gpu'" in said


async def test_ten_thousand_steps_are_shown_folded_or_all(database, engine, tmp_path):
    workflow = Baton.new(workflow_id="wide").add("first", noted.new())
    for number in range(9_999):
        workflow.add(f"step {number}", noted.new(), deps=["first"])
    await workflow.insert()

    folded = assert_succeeded(baton("show", "wide", cwd=tmp_path, database=database)).splitlines()
    whole = assert_succeeded(baton("show", "wide", "--all", cwd=tmp_path, database=database)).splitlines()

    assert len(folded) < 20
    assert "... and 9996 more that look alike (suspended); --all draws them" in folded[-1]
    assert len(whole) > 10_000


def test_a_workflow_that_is_not_there_is_an_error(database, tmp_path):
    said = assert_refused(baton("show", "nothing", cwd=tmp_path, database=database))

    assert said == "there is no workflow 'nothing'; it was never committed, or it was pruned"


async def test_a_named_workflow_is_shown_with_its_name(engine, database, tmp_path):
    run = await Baton.new(workflow_name="nightly").add("a", noted.new()).insert()

    assert f"workflow {run.id} (nightly) is executing" in assert_succeeded(
        baton("show", run.id, cwd=tmp_path, database=database)
    )


def test_nothing_is_created_by_looking(empty_database, tmp_path):
    assert "has no schema 'baton'" in assert_refused(baton("show", "w", cwd=tmp_path, database=empty_database))


def children(*states):
    return [step(f"a[{n}]", state=state) for n, state in enumerate(states)]


def test_a_closed_group_says_how_many_children_are_in_which_state():
    many = children(*["completed"] * 1_200, *["executing"] * 50)
    assert shown(step("a", state="suspended"), grouping="map", concurrency=50, children=many) == [
        "a suspended 1/20 map of 1,250, 50 at a time: 50 executing, 1200 completed",
        "",
        "--open a draws what is in it",
    ]


def test_an_open_group_says_what_it_is():
    assert shown(step("a"), grouping="workflow", children=children("completed")) == [
        "a completed workflow",
        "┊ a[0] completed 1/20",
    ]


def test_a_map_before_its_expansion_is_shown_as_a_map():
    assert shown(step("a", state="available"), attempt=0, grouping="map") == ["a available map"]

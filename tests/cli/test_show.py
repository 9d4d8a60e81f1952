"""`baton show`: what is said of each step."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from baton import Baton, Context, WorkerPool, worker
from baton.cli.drawing import drawing
from baton.cli.terminal import cut_line, plain
from baton.cli.text import cells
from baton.cli.tree import tree
from baton.database.messages import ClaimRequest
from baton.database.queries import Status, Unserved
from tests.cli.command import assert_refused, assert_succeeded, baton
from tests.cli.test_tree import step
from tests.programs.shared_workers import failing, noted

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)


def drawn(*steps, opened=(), unserved=(), width=None):
    """The lines about steps, as they are printed."""
    status = Status(None, "executing", NOW, None, {}, unserved)
    found = drawing("w", status, steps, tree(steps, opened=opened), NOW, width)
    cut = [line if width is None else cut_line(line, width) for line in found.tree]
    return [plain(line) for line in (*found.heading, [], *cut, *([[], *found.hints] if found.hints else []))]


def shown(one, **facts):
    """The lines about one step, spaces squeezed, without the hints."""
    lines = [" ".join(line.split()) for line in drawn(replace(one, **facts))][2:]
    return lines[: lines.index("")] if "" in lines else lines


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
    assert lines[-1] == "baton show one b prints its arguments and tracebacks"
    interventions = lines.index("interventions:")
    assert lines[interventions + 1].endswith("postgres: cancel 'later', 1 step changed: no money")
    facts = [" ".join(line.split()[:3]) for line in lines[2 : interventions - 1]]
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


async def test_of_two_steps_with_errors_the_one_that_failed_is_looked_into(database, engine, tmp_path):
    """The other one completed in its second attempt."""

    @worker(max_attempts=2, backoff=0)
    async def second_time(ctx: Context) -> None:
        if ctx.attempt == 1:
            raise ValueError("not yet")

    async with WorkerPool(engine):
        flow = Baton.new(workflow_id="one").add("a", second_time.new()).add("b", failing.new(), deps=["a"])
        await (await flow.insert()).wait(timeout=30)

    lines = assert_succeeded(baton("show", "one", cwd=tmp_path, database=database)).splitlines()

    assert lines[-1] == "baton show one b prints its arguments and tracebacks"


@pytest.mark.parametrize(
    ("silent_seconds", "says"),
    [
        (0, None),
        (20, "  worker pool killed, which runs 'a' and 1 other step, was last heard of 2"),
        (100, "ago; other pools take over now, if there are any"),
    ],
)
async def test_a_pool_that_is_not_heard_of_is_named(database, engine, connection, tmp_path, silent_seconds, says):
    """It was killed a moment ago, and its steps are shown as executing until its lease ends."""
    await Baton.new(workflow_id="one").add("a", noted.new()).add("b", noted.new()).insert()
    pool = await engine.store.register(name="killed", host="here", pid=1, limits={}, workers=[], lease_seconds=30)
    await engine.store.claim(pool, ClaimRequest(uuid4(), {"default": 2}))
    await connection.execute(
        "update pools set beat_at = beat_at - $1::interval, expires_at = expires_at - $1::interval",
        timedelta(seconds=silent_seconds),
    )

    heading = assert_succeeded(baton("show", "one", cwd=tmp_path, database=database)).split("\n\n")[0]

    if says is None:
        assert "worker pool" not in heading
    else:
        assert says in heading


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


def children(*states, **facts):
    return [replace(step(f"a[{n}]", state=state), **facts) for n, state in enumerate(states)]


def test_a_closed_group_says_how_many_children_are_in_which_state():
    many = children(*["completed"] * 1_200, *["executing"] * 50, attempted_at=ago(seconds=9))

    assert shown(step("a", state="suspended"), grouping="map", concurrency=50, children=many) == [
        "a executing 9.00 s so far map of 1,250, 50 at a time: 50 executing, 1,200 completed"
    ]
    assert drawn(step("a", state="completed", grouping="map", children=many))[-1] == "--open a draws what is in it"


def test_an_open_group_says_what_it_is():
    assert shown(step("a"), grouping="workflow", children=children("completed")) == [
        "a completed workflow",
        "┊ a[0] completed 1/20",
    ]


def test_a_map_before_its_expansion_is_shown_as_a_map():
    assert shown(step("a", state="available"), attempt=0, grouping="map") == ["a available map"]


@pytest.mark.parametrize(
    ("states", "state"),
    [
        (["completed", "executing", "available", "suspended"], "executing"),
        (["completed", "retryable", "available"], "available"),
        (["completed", "retryable", "scheduled"], "retryable"),
        (["scheduled", "suspended"], "scheduled"),
        (["suspended", "suspended"], "suspended"),
    ],
)
def test_a_group_is_called_what_its_most_active_child_is(states, state):
    group = step("g", state="suspended", grouping="workflow", children=children(*states))
    outer = step("o", state="suspended", grouping="workflow", children=[group])

    assert drawn(outer)[0] == f"workflow w is executing: {counted([*states, state, state])}"
    assert [line.split()[1:2] for line in drawn(outer)[2:3]] == [[state]]


def counted(states):
    order = ["suspended", "scheduled", "available", "executing", "retryable", "completed"]
    return ", ".join(f"{states.count(state)} {state}" for state in order if state in states)


def test_a_group_has_taken_as_long_as_its_children():
    first, last = children("completed", "completed")
    first = replace(first, attempted_at=ago(seconds=90), finished_at=ago(seconds=80))
    last = replace(last, attempted_at=ago(seconds=70), finished_at=ago(seconds=30))

    lines = shown(
        step("a"), grouping="map", children=[first, last], attempted_at=ago(seconds=29), finished_at=ago(seconds=28)
    )

    assert lines == ["a completed 1 min 02 s map of 2: 2 completed"]


def test_a_step_that_never_ran_has_no_duration_after_a_cancel():
    """It was claimed once and given back, which spends no attempt."""
    cancelled = step("a", state="cancelled")

    assert shown(cancelled, attempt=0, attempted_at=ago(hours=9), finished_at=NOW) == ["a cancelled"]


def test_a_step_cancelled_between_two_attempts_shows_the_first_one():
    """Its duration is not the time that it waited, and its error is shown as well as the reason."""
    errors = [{"attempt": 1, "at": ago(hours=1).isoformat(), "error": "ValueError: no"}]

    assert shown(
        step("a", state="cancelled"),
        errors=errors,
        reason="enough",
        attempted_at=ago(hours=1, seconds=2),
        finished_at=NOW,
    ) == ["a cancelled 1/20 2.00 s", "! enough", "! attempt 1: ValueError: no"]


def test_a_step_that_is_put_back_shows_why_and_its_last_error():
    errors = [{"attempt": 1, "error": "ValueError: no"}]

    assert shown(step("a", state="scheduled"), errors=errors, reason="no worker named 'a' is registered here") == [
        "a scheduled 1/20",
        "! no worker named 'a' is registered here",
        "! attempt 1: ValueError: no",
    ]


@pytest.mark.parametrize("zone", [UTC, None])
def test_a_step_that_is_infinitely_late_is_shown(zone):
    late = datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=zone)

    assert shown(step("a", state="scheduled"), attempt=0, scheduled_at=late) == ["a scheduled never"]


def test_a_step_whose_time_has_come_is_due():
    assert shown(step("a", state="scheduled"), attempt=0, scheduled_at=ago(seconds=1)) == ["a scheduled due"]


FAILED = {"errors": [{"attempt": 1, "error": "ValueError: no"}], "reason": "ValueError: no"}


def remarks(lines):
    return [line.partition("! ")[2] for line in lines if "! " in line]


def test_nested_reasons_say_the_root_once():
    root = replace(step("g/h/x", state="discarded"), **FAILED)
    inner = step("g/h", state="discarded", grouping="workflow", children=[root])
    inner = replace(inner, reason="step 'g/h/x' was discarded: ValueError: no")
    outer = step("g", state="discarded", grouping="workflow", children=[inner])
    outer = replace(
        outer, reason="2 of its 3 children were discarded; first step 'g/h/x' was discarded: ValueError: no"
    )
    after = step("after", "g", state="cancelled")
    after = replace(after, reason=f"step 'g' upstream was discarded: {outer.reason}")

    assert remarks(drawn(outer, after)) == [
        "2 of its 3 children were discarded; first step 'g/h/x' was discarded",
        "step 'g/h/x' was discarded",
        "attempt 1: ValueError: no",
        "step 'g' upstream was discarded",
    ]


def test_a_root_that_is_not_drawn_is_named_with_its_reason():
    root = replace(step("m[0]", state="discarded"), **FAILED)
    group = step("m", state="discarded", grouping="map", children=[root])
    group = replace(group, reason="step 'm[0]' was discarded: ValueError: no")

    assert remarks(drawn(group)) == ["step 'm[0]' was discarded: ValueError: no"]


def test_a_reason_that_the_engine_cut_is_still_recognised():
    why = "x" * 2_000
    root = replace(step("a", state="discarded"), errors=[{"attempt": 1, "error": why}], reason=why)
    below = step("b", "a", state="cancelled")
    below = replace(below, reason=f"step 'a' upstream was discarded: {why}"[:2_000])

    assert remarks(drawn(root, below))[1] == "step 'a' upstream was discarded"


def test_steps_that_nobody_can_run_for_one_reason_are_one_line():
    unserved = [Unserved(f"m[{n}]", "gpu", "w", "queue 'gpu' is paused") for n in range(90)]
    unserved += [Unserved(f"x{n}", "q", "w", f"why {n}") for n in range(6)]

    lines = drawn(step("a"), unserved=unserved)

    assert lines[1] == "  nobody can run 'm[0]' and 89 other steps: queue 'gpu' is paused"
    assert lines[2] == "  nobody can run 'x0': why 0"
    assert lines[6] == "  nor 2 other steps, for other reasons"


LONG = "a step with a name that is much longer than there is room for in a terminal of eighty columns " * 2


@pytest.mark.parametrize("width", [20, 80, 140])
def test_no_line_is_wider_than_the_terminal(width):
    """The states stay in it, however long the names and however deep the groups are."""
    failing_step = replace(step(LONG, state="discarded"), errors=[{"attempt": 1, "error": "日本語" * 200}])
    steps = [failing_step, *[step(f"{n}{LONG}", f"{n - 1}{LONG}" if n else LONG) for n in range(20)]]
    nested = step("innermost")
    for _ in range(50):
        nested = step("g", grouping="graph", children=[nested])

    lines = drawn(*steps, nested, width=width)[2:]
    lines = lines[: lines.index("")]

    assert max(map(cells, lines)) == width
    if width >= 80:
        assert sum("completed" in line for line in lines) == 71
        assert "discarded" in lines[0]


def test_a_name_that_steers_a_terminal_is_escaped():
    """Whatever inserts workflows through SQL, or a worker's error, may hold such characters."""
    hostile = "\x1b[2J\u202eexe\x07"
    one = replace(step(hostile, state="discarded"), errors=[{"attempt": 1, "error": hostile}])

    text = "\n".join(drawn(one, step("b", hostile), unserved=[Unserved(hostile, "q", "w", hostile)]))

    assert text.count("\\x1b[2J\\u202eexe\\x07") >= 4
    assert text.replace("\n", "").isprintable()

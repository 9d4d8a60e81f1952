"""`baton show`: what is said of each step."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from baton import Baton, Context, ExplainedStep, WorkerPool, causes, worker
from baton.cli.drawing import drawing
from baton.cli.terminal import cut_line, plain
from baton.cli.text import cells
from baton.cli.tree import tree
from baton.database.messages import ClaimRequest
from baton.database.queries import Status, Unserved
from tests.cli.command import assert_refused, assert_succeeded, baton
from tests.cli.test_tree import step
from tests.programs.shared_workers import counting, failing, noted

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)


def drawn(*steps, opened=(), unserved=(), width=None, why=None):
    """The lines about steps, as they are printed."""
    status = Status(None, "executing", NOW, None, {}, unserved)
    found = drawing("w", status, steps, tree(steps, opened=opened), NOW, width, explained=why)
    cut = [line if width is None else cut_line(line, width) for line in found.tree]
    return [plain(line) for line in (*found.heading, [], *cut, *([[], *found.hints] if found.hints else []))]


def why(**found):
    """Why steps are where they are, by name."""
    return {name: ExplainedStep(name, "suspended", cause) for name, cause in found.items()}


def shown(one, cause=None, **facts):
    """The lines about one step, spaces squeezed, without the hints."""
    explained = {} if cause is None else why(**{one.name: cause})
    lines = [" ".join(line.split()) for line in drawn(replace(one, **facts), why=explained)][2:]
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
    used_up = causes.AttemptsUsedUp(attempts=1, error="KeyError: 'a\nb'")

    assert shown(step("a", state="discarded"), used_up) == [
        "a discarded 1/20",
        "! was discarded, as its only attempt failed: KeyError: 'a b'",
    ]


def test_a_step_that_was_cancelled_shows_the_reason():
    cancelled = causes.EndedByCaller(state="cancelled", is_whole=False, reason="enough", actor="ann")

    assert shown(step("a", state="cancelled"), cancelled, attempt=0) == [
        "a cancelled",
        "! was cancelled by 'ann': enough",
    ]


def test_that_a_whole_workflow_was_cancelled_is_not_said_of_each_step():
    cancelled = causes.EndedByCaller(state="cancelled", is_whole=True, reason="enough", actor="ann")

    assert shown(step("a", state="cancelled"), cancelled, attempt=0) == ["a cancelled"]


def test_a_long_error_is_cut():
    retries = causes.Retries(attempt=1, max_attempts=2, error="x" * 5_000, seconds_left=3)

    assert len(shown(step("a", state="retryable"), retries)[1]) < 250


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
        "! was cancelled",
    ]
    assert "! was discarded, as all its 2 attempts failed, the last with: ValueError: the disk is full" in lines[4]
    assert "! was cancelled because of step 'b' upstream" in lines[6]
    assert lines[9].endswith("! was cancelled by a call of database role 'postgres': no money")
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
        causes.EndedByCaller(state="cancelled", is_whole=False, reason="enough", actor="ann"),
        errors=errors,
        attempted_at=ago(hours=1, seconds=2),
        finished_at=NOW,
    ) == ["a cancelled 1/20 2.00 s", "! was cancelled by 'ann': enough", "! attempt 1: ValueError: no"]


def test_a_step_that_is_put_back_shows_why_and_its_last_error():
    errors = [{"attempt": 1, "error": "ValueError: no"}]

    put_back = causes.PutBack(reason="no worker named 'a' is registered here", seconds_left=3)

    assert shown(step("a", state="scheduled"), put_back, errors=errors) == [
        "a scheduled 1/20",
        "! was put back (no worker named 'a' is registered here), and is tried again in 3 s",
        "! attempt 1: ValueError: no",
    ]


@pytest.mark.parametrize("zone", [UTC, None])
def test_a_step_that_is_infinitely_late_is_shown(zone):
    late = datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=zone)

    assert shown(step("a", state="scheduled"), attempt=0, scheduled_at=late) == ["a scheduled never"]


def test_a_step_whose_time_has_come_is_due():
    assert shown(step("a", state="scheduled"), attempt=0, scheduled_at=ago(seconds=1)) == ["a scheduled due"]


def remarks(lines):
    return [line.partition("! ")[2] for line in lines if "! " in line]


FAILED = causes.AttemptsUsedUp(attempts=1, error="ValueError: no")
BELOW = causes.EndedByStep(state="cancelled", step="a", step_state="discarded", reason="ValueError: no")


def test_what_ended_because_of_a_step_that_is_drawn_says_no_reason():
    lines = drawn(step("a", state="discarded"), step("b", "a", state="cancelled"), why=why(a=FAILED, b=BELOW))

    assert remarks(lines) == [
        "was discarded, as its only attempt failed: ValueError: no",
        "was cancelled because of step 'a' upstream",
    ]


def test_a_root_that_is_not_drawn_is_named_with_its_reason():
    group = step("m", state="discarded", grouping="map", children=[step("m[0]", state="discarded")])
    decided = causes.EndedByChild(state="discarded", step="m[0]", step_state="discarded", reason="ValueError: no")

    assert remarks(drawn(group, why=why(m=decided))) == [
        "was discarded because of step 'm[0]', which was discarded: ValueError: no"
    ]


@pytest.mark.parametrize(
    "cause",
    [
        causes.WaitsForSteps(steps=("a",)),
        causes.Completed(by="worker"),
        causes.Scheduled(seconds_left=3),
        causes.AboutToStart(queue="default"),
    ],
)
def test_nothing_is_said_of_what_the_drawing_shows(cause):
    assert len(shown(step("b"), cause)) == 1


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


async def test_watch_prints_each_end_where_there_is_no_terminal(database, engine, tmp_path):
    async with WorkerPool(engine):
        flow = Baton.new(workflow_id="w").add("a", counting.new(number=1)).add("b", counting.new(number=2), deps=["a"])
        assert await (await flow.insert()).wait(timeout=30) == "completed"

    lines = assert_succeeded(baton("show", "w", "--watch", cwd=tmp_path, database=database)).splitlines()

    assert [line.split("  ")[-1] for line in lines] == [
        "a is completed",
        "b is completed",
        "workflow w is completed",
    ]

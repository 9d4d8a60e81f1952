"""`baton list`: workflows, the newest first, and what failed in them."""

from __future__ import annotations

import json
import re

import pytest

from baton import Baton, WorkerPool
from baton.cli.main import parser
from tests.cli.command import assert_succeeded, baton
from tests.programs.shared_workers import counting, failing, noted


@pytest.fixture
async def workflows(engine):
    """One that completed, one that ignored a failure, one that failed, one that was cancelled, one that waits."""
    async with WorkerPool(engine):
        for flow in (
            Baton.new(workflow_id="done", workflow_name="nightly").add("a", counting.new(number=1)),
            Baton.new(workflow_id="ignored")
            .add("a", failing.new())
            .add("b", counting.new(number=1), deps=["a"], ignore_discarded=True),
            Baton.new(workflow_id="failed", workflow_name="nightly").add("a", failing.new()).add("b", failing.new()),
        ):
            await (await flow.insert()).wait(timeout=30)
    cancelled = await Baton.new(workflow_id="cancelled").add("a", noted.new()).insert()
    await cancelled.cancel()
    await Baton.new(workflow_id="waiting").add("a", noted.new()).add("b", noted.new(), deps=["a"]).insert()


def listed(*options, database, cwd):
    """The lines, spaces squeezed."""
    said = assert_succeeded(baton("list", *options, cwd=cwd, database=database))
    return [" ".join(line.split()) for line in said.splitlines()]


async def test_workflows_are_listed_with_what_failed(workflows, database, tmp_path):
    heading, *lines = listed(database=database, cwd=tmp_path)

    assert heading == "id state inserted name steps took"
    assert [re.sub(r"\d+ s ago|\d+\.\d\d s", "…", line) for line in lines if " ago" in line] == [
        "waiting executing … 0/2",
        "cancelled cancelled … 1 …",
        "failed failed … nightly 2 …",
        "ignored completed … 2 …",
        "done completed … nightly 1 …",
    ]
    assert [line for line in lines if line.startswith("!")] == [
        "! a and 1 more: ValueError: the disk is full",
        "! ignored: a: ValueError: the disk is full",
    ]


@pytest.mark.parametrize(
    ("options", "ids"),
    [
        (("--state", "failed"), ["failed"]),
        (("--state", "completed"), ["ignored", "done"]),
        (("--name", "nightly"), ["failed", "done"]),
        (("--name", "nightly", "--state", "completed"), ["done"]),
        (("--since", "1h"), ["waiting", "cancelled", "failed", "ignored", "done"]),
        (("--since", "2020-01-01", "--limit", "1"), ["waiting"]),
        (("--since", "2120-01-01T10:00+01:00"), []),
    ],
)
async def test_workflows_are_chosen(options, ids, workflows, database, tmp_path):
    printed = json.loads(assert_succeeded(baton("list", *options, "--json", cwd=tmp_path, database=database)))

    assert [run["id"] for run in printed["runs"]] == ids


async def test_a_list_says_where_it_goes_on(workflows, database, tmp_path):
    ids, after = [], ()
    while after is not None:
        *lines, last = listed("--limit", "2", *after, database=database, cwd=tmp_path)
        ids += [line.split()[0] for line in lines[1:] if " ago" in line]
        after = tuple(last.split()[:2]) if last.startswith("--after") else None
        if after is None:
            ids.append(last.split()[0])

    assert ids == ["waiting", "cancelled", "failed", "ignored", "done"]


def test_an_empty_list_says_so(database, tmp_path):
    assert listed(database=database, cwd=tmp_path) == ["there is no such workflow"]


@pytest.mark.parametrize("since", ["yesterday", "10:00", "-1h", "5 w", "nan"])
def test_a_time_that_makes_no_sense_is_a_usage_error(since, capsys):
    with pytest.raises(SystemExit):
        parser(only="list").parse_args(["list", f"--since={since}"])

    assert f"{since!r} is not a time such as 2026-11-27" in capsys.readouterr().err

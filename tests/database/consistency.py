"""Compares what the engine stores with what the rules say: counts, entries, groups, slots."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg

from baton.core.step_ids import ordinal_of, workflow_of

BITS = {"cancelled": 1, "discarded": 2, "skipped": 4}
OBSERVES = 8
FINAL = {"completed", "cancelled", "discarded", "skipped"}
STEPS = """
select s.id, s.name, s.state, s.pending, s.dependencies, s.dependents, s.attempt as counted, s.max_attempts,
       s.ignore_cancelled as cancelled, s.ignore_discarded as discarded, s.ignore_skipped as skipped,
       s.edges, s.began, s.not_needed,
       s.parent, s.first_child, s.children, s.returns, s.grouping, s.round, s.concurrency, s.slots, s.holds_slot,
       q.state as entry, q.attempt, q.is_join, w.state as flow, w.remaining, w.failed, w.total
  from baton.steps s
  left join baton.queue q on q.step_id = s.id
  left join baton.workflows w on w.key = s.id >> 22
 order by s.id
"""


async def assert_consistent(connection: asyncpg.Connection) -> None:
    """Fail unless every stored count is the one that the rules derive from the states."""
    workflows: dict[int, dict[int, Any]] = defaultdict(dict)
    for row in await connection.fetch(STEPS):
        workflows[workflow_of(row["id"])][ordinal_of(row["id"])] = row
    stray = await connection.fetch(
        "select q.step_id from baton.queue q left join baton.steps s on s.id = q.step_id where s.id is null"
    )
    faults = [f"entry {row['step_id']} without a step" for row in stray]
    faults += [fault for rows in workflows.values() for fault in Workflow(rows).faults()]
    assert not faults, "; ".join(faults)


@dataclass(frozen=True, slots=True)
class Workflow:
    """The rows of one workflow, by ordinal."""

    rows: dict[int, Any]

    def faults(self) -> Iterator[str]:
        for row in self.rows.values():
            for fault in [*self._of_step(row), *self._of_child(row), *self._of_group(row)]:
                yield f"{row['name']} {fault}"
        yield from self._of_whole()

    def _of_step(self, row: Any) -> Iterator[str]:
        if row["state"] == "suspended":
            yield from self._of_waiting(row)
        elif row["pending"] != 0:
            yield f"is {row['state']} and counts {row['pending']}"
        if (row["state"] == "queued") != (row["entry"] is not None):
            yield f"is {row['state']}, its entry {row['entry']}"
        attempt = row["counted"] if row["attempt"] is None else row["attempt"]
        if row["is_join"]:
            return
        # A map has twenty attempts to expand, however few its children have.
        most = max(20, row["max_attempts"]) if row["grouping"] == "map" else row["max_attempts"]
        if not (row["entry"] == "executing") <= attempt <= most:
            yield f"is at attempt {attempt} of {most}"
        if row["entry"] not in (None, "executing") and attempt >= most:
            yield "waits for an attempt it does not have"

    def _of_waiting(self, row: Any) -> Iterator[str]:
        if row["first_child"] is not None:
            open_children = [child["name"] for child in self.children(row) if child["state"] not in FINAL]
            if row["pending"] != len(open_children):
                yield f"counts {row['pending']}, but waits for {open_children}"
            return
        waits_for = [each for each in self.siblings(row["dependencies"]) if not counts_as_done(each, row)]
        slots = sum(self._is_bounded(each) and not each["holds_slot"] for each in [row, *self._groups_around(row)])
        if row["pending"] != len(waits_for) + slots:
            yield f"counts {row['pending']}, but waits for {len(waits_for)} steps and {slots} slots"
        if any(each["state"] in FINAL for each in waits_for):
            yield "waits for what ended without it"

    def _of_child(self, row: Any) -> Iterator[str]:
        if row["parent"] is None:
            return
        group = self.rows.get(row["parent"])
        ordinal = ordinal_of(row["id"])
        is_past = group is not None and group["round"] > 1
        if is_past and (group["first_child"] is None or ordinal < group["first_child"]):
            if row["state"] not in FINAL:
                yield f"is {row['state']} in an earlier round"
        elif group is None or group["first_child"] is None or ordinal not in children_of(group):
            yield "is no child of the group it names"
        elif row["state"] not in FINAL and group["state"] in FINAL:
            yield f"is {row['state']} in a group that is {group['state']}"

    def _of_group(self, row: Any) -> Iterator[str]:
        if row["is_join"] and (row["first_child"] is None or any(c["state"] not in FINAL for c in self.children(row))):
            yield "is to be judged, and has children that are not final"
        if row["first_child"] is None:
            if row["concurrency"] is not None and row["slots"] != row["concurrency"]:
                yield f"has {row['slots']} slots of {row['concurrency']}, and no children"
            return
        if row["entry"] is not None and not row["is_join"]:
            yield "has children, and would run again"
        strangers = [child["name"] for child in self.children(row) if child["parent"] != ordinal_of(row["id"])]
        if strangers:
            yield f"takes for its children {strangers}"
        if row["returns"] is not None and row["returns"] not in children_of(row):
            yield f"returns {row['returns']}, which is no child of it"
        # The slots of a group that ended are not counted; a retry counts them again.
        if row["concurrency"] is not None and row["state"] not in FINAL:
            yield from self._of_slots(row)

    def _of_slots(self, group: Any) -> Iterator[str]:
        going = [child for child in self.children(group) if child["state"] not in FINAL]
        holders = [child["name"] for child in going if child["holds_slot"]]
        # A child that is a group has no slot when it is opened again: see test_slots.py.
        going = [child for child in going if child["first_child"] is None]
        if group["slots"] + len(holders) != group["concurrency"]:
            yield f"has {group['slots']} free slots of {group['concurrency']}, and {holders} have one"
        lacking = [child["name"] for child in going if child["state"] != "suspended" and not child["holds_slot"]]
        if lacking:
            yield f"has children that go on without a slot: {lacking}"
        waiting = [child for child in going if child["state"] == "suspended" and not child["holds_slot"]]
        if group["slots"] and waiting:
            yield f"has {group['slots']} free slots, and {len(waiting)} children wait for one"

    def _of_whole(self) -> Iterator[str]:
        tops = [row for row in self.rows.values() if row["parent"] is None]
        remaining = sum(row["state"] not in FINAL for row in self.rows.values())
        bad = [row for row in tops if row["state"] in ("cancelled", "discarded") and not row["not_needed"]]
        is_failed = not all(map(self._is_ignored, bad))
        stored = next(iter(self.rows.values()))
        if stored["flow"] is None:
            yield "steps without a workflow"
            return
        expected = "executing" if remaining else "failed" if is_failed else "completed"
        if (stored["total"], stored["remaining"], stored["failed"]) != (len(self.rows), remaining, len(bad)):
            stored_counts = f"{stored['remaining']} remain and {stored['failed']} failed of {stored['total']}"
            yield f"the workflow says {stored_counts}; it is {remaining} and {len(bad)} of {len(self.rows)}"
        elif stored["flow"] != expected and (remaining or stored["flow"] != "cancelled"):
            yield f"the workflow is {stored['flow']}, and should be {expected}"

    def _groups_around(self, row: Any) -> Iterator[Any]:
        while row["parent"] is not None:
            row = self.rows[row["parent"]]
            yield row

    def _is_bounded(self, row: Any) -> bool:
        return row["parent"] is not None and self.rows[row["parent"]]["concurrency"] is not None

    def _is_ignored(self, row: Any) -> bool:
        dependents = [each for each in self.siblings(row["dependents"]) if not edge(row, each) & OBSERVES]
        return any(map(self._has_begun, dependents)) and all(counts_as_done(row, each) for each in dependents)

    def _has_begun(self, row: Any) -> bool:
        return bool(row["began"]) or any(map(self._has_begun, self.children(row)))

    def siblings(self, ordinals: Sequence[int]) -> list[Any]:
        return [self.rows[ordinal] for ordinal in ordinals]

    def children(self, group: Any) -> list[Any]:
        return [] if group["first_child"] is None else [self.rows[ordinal] for ordinal in children_of(group)]


def children_of(group: Any) -> range:
    """The ordinals of a group's children."""
    return range(group["first_child"], group["first_child"] + group["children"])


def counts_as_done(dependency: Any, dependent: Any) -> bool:
    ended = dependency["state"]
    return ended == "completed" or (ended in FINAL and bool(edge(dependency, dependent) & BITS[ended]))


def edge(dependency: Any, dependent: Any) -> int:
    """What a dependency means to its dependent, as bits."""
    if dependent["edges"] is None:
        return sum(bit for ended, bit in BITS.items() if dependent[ended])
    place: int = dependent["dependencies"].index(dependency["id"] & (1 << 22) - 1)
    return int(dependent["edges"][place])

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from baton.core.job import Job
from baton.core.references import result_of
from baton.core.worker import worker
from baton.core.workflow import Baton


@worker(name="fingerprint take")
def take(value: Any, other: Any = None) -> Any:
    return value


@worker(name="fingerprint other")
def other_take(value: Any) -> Any:
    return value


JOB = take.new(1)


def of(*jobs: Job, **options: Any) -> str:
    baton = Baton.new(**options)
    for position, job in enumerate(jobs):
        baton.add(f"s{position}", job)
    return baton.spec().fingerprint


def test_it_carries_its_version() -> None:
    assert of(JOB).startswith("1:")
    assert len(of(JOB)) == 66


def test_the_same_graph_has_the_same_one() -> None:
    assert of(JOB) == of(take.new(value=1))


def test_the_name_the_id_the_meta_and_debug_do_not_count() -> None:
    assert of(JOB) == of(JOB, workflow_id="x", workflow_name="n", meta={"a": 1}, debug=True)


def test_the_order_in_which_steps_were_added_does_not_count() -> None:
    forth = Baton.new().add("a", JOB).add("b", JOB, deps=["a", "c"]).add("c", JOB)
    back = Baton.new().add("c", JOB).add("b", JOB, deps=["c", "a"]).add("a", JOB)
    assert forth.spec().fingerprint == back.spec().fingerprint


def test_the_order_of_keys_does_not_count() -> None:
    assert of(take.new({"a": 1, "b": 2})) == of(take.new({"b": 2, "a": 1}))


@pytest.mark.parametrize(
    "job",
    [
        take.new(2),
        take.new(1, other=2),
        take.new(1.0),
        other_take.new(1),
        take.new([1]),
        JOB.with_options(queue="default"),
        JOB.with_options(timeout=None),
        JOB.with_options(priority=1),
        JOB.with_options(schedule_in=5),
    ],
    ids=str,
)
def test_what_the_caller_wrote_counts(job: Job) -> None:
    assert of(job) != of(JOB)


def test_flags_count_as_they_hold() -> None:
    assert of(JOB, ignore_skipped=True) != of(JOB)
    explicit = Baton.new().add("s0", JOB, ignore_skipped=True)
    assert of(JOB, ignore_skipped=True) == explicit.spec().fingerprint


def test_dependencies_count_whether_declared_or_by_reference() -> None:
    declared = Baton.new().add("a", JOB).add("b", JOB, deps=["a"])
    referenced = Baton.new().add("a", JOB).add("b", take.new(result_of("a")))
    apart = Baton.new().add("a", JOB).add("b", JOB)
    assert len({baton.spec().fingerprint for baton in (declared, referenced, apart)}) == 3


def test_a_delay_counts_as_a_delay_and_a_time_as_a_moment() -> None:
    assert of(JOB.with_options(schedule_in=60)) == of(JOB.with_options(schedule_in=timedelta(minutes=1)))
    utc = datetime(2024, 1, 1, 12, tzinfo=UTC)
    elsewhere = utc.astimezone(timezone(timedelta(hours=5)))
    assert of(JOB.with_options(scheduled_at=utc)) == of(JOB.with_options(scheduled_at=elsewhere))


PROGRAM = """
from baton.core.worker import worker
from baton.core.workflow import Baton
@worker
def take(value): ...
value = {"b": {"x", "y", "z", "w"}, "a": [frozenset("defg")]}
print(Baton.new().add("a", take.new(value)).spec().fingerprint)
"""


def test_a_set_has_the_same_one_in_another_process() -> None:
    found = {
        subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env={**os.environ, "PYTHONHASHSEED": str(seed), "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in (1, 2, 3)
    }
    assert len(found) == 1

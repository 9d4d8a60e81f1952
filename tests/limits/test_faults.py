"""Limits while worker processes are killed and frozen: never exceeded, and no slot is lost."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from baton import Baton
from tests.programs.limited_pool import effect
from tests.waiting import eventually

ROOT = Path(__file__).resolve().parents[2]
RUNNING, LANE_RUNNING, STEPS = 6, 2, 300


@contextmanager
def pools(database: str, log: Path, count: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    command = [sys.executable, "-m", "tests.programs.limited_pool", database, str(log)]
    running = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) for _ in range(count)]
    try:
        yield running
    finally:
        for process in running:
            process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait()


def most_at_once(events: Sequence[dict[str, Any]], ended: dict[int, int]) -> Counter[str]:
    """Return the most attempts that ran at once, in all and by lane; `ended` says when a process ended, by its id."""
    open_attempts: dict[tuple[int, str, int], dict[str, Any]] = {}
    moments = []
    for event in events:
        key = event["pid"], event["step"], event["attempt"]
        if event["event"] == "start":
            open_attempts[key] = event
            moments.append((event["at"], 1, event["lane"]))
        else:
            del open_attempts[key]
            moments.append((event["at"], -1, event["lane"]))
    moments += [(ended[pid], -1, event["lane"]) for (pid, _, _), event in open_attempts.items()]
    now: Counter[str] = Counter()
    most: Counter[str] = Counter()
    for _, change, lane in sorted(moments):
        for counted in ("all", lane):
            now[counted] += change
            most[counted] = max(most[counted], now[counted])
    return most


@pytest.fixture
async def run(engine):
    """A run of many steps in a few lanes of a queue with limits."""
    await engine.limit("service", running=RUNNING, lane_running=LANE_RUNNING)
    flow = Baton.new()
    for number in range(STEPS):
        lane = f"lane {number % 5}"
        flow.add(f"s{number}", effect.new(lane=lane).with_options(lane=lane))
    return await flow.insert()


async def test_no_limit_is_exceeded_while_processes_are_killed(database, engine, run, effects):
    """Each of them dies in the middle of its attempts; they count until they are rescued."""
    ended: dict[int, int] = {}
    with pools(database, effects.path, 4) as processes:
        for number, process in enumerate(processes[:3], 1):
            await eventually(lambda number=number: len(effects.read(event="end")) >= 30 * number, deadline=60)
            process.kill()
            process.wait()
            ended[process.pid] = time.monotonic_ns()
        assert await run.wait(timeout=60) == "completed"

    most = most_at_once(effects.read(), ended)
    assert most["all"] == RUNNING
    assert max(most[f"lane {number}"] for number in range(5)) == LANE_RUNNING
    assert (await engine.limits())[0].executing == 0


async def test_a_frozen_process_holds_its_slots_until_it_is_rescued(database, engine, run, effects):
    """Frozen past its lease. What it had begun does not count any more then, and its outcomes are refused."""
    with pools(database, effects.path, 1) as (frozen,):
        await eventually(lambda: effects.read(event="start"), deadline=60)
        frozen.send_signal(signal.SIGSTOP)
        stopped = time.monotonic_ns()
        with pools(database, effects.path, 1):
            assert await run.wait(timeout=60) == "completed"
            events = effects.read()

    most = most_at_once(events, {frozen.pid: stopped})
    assert most["all"] <= RUNNING
    assert (await engine.limits())[0].executing == 0

"""What is sent to steps that wait, against timeouts, a cancel and rollbacks, while worker processes are killed."""

from __future__ import annotations

import os
import random
from contextlib import ExitStack

import pytest

from campaign.drill import Drill
from campaign.tally import Tally
from campaign.waiting_drills import WAITING_DRILLS, signals_against_timeouts
from tests.faults.processes import worker_process

SEED = os.environ.get("BATON_SEED") or "waits"
ROUNDS = 50
ROUNDS_OF_A_PROCESS = 4


@pytest.mark.parametrize("drill", WAITING_DRILLS, ids=lambda drill: drill.__name__)
async def test_what_was_accepted_is_what_a_step_completes_with(database, drill):
    for n in range(3):
        chance = random.Random(f"{SEED}/{n}")
        async with Drill.begun(database, f"drill {n}", chance, Tally()) as one:
            await drill(one)


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_forty_signals_meet_their_timeouts_fifty_times(database, effects):
    """Two worker processes sweep as well, and every few rounds one of them is killed and another one started."""
    tally = Tally()
    with ExitStack() as processes:
        running = [processes.enter_context(worker_process(database, effects, queues={"other": 1})) for _ in range(2)]
        for n in range(ROUNDS):
            if n % ROUNDS_OF_A_PROCESS == 0:
                running.pop(0).process.kill()
                running.append(processes.enter_context(worker_process(database, effects, queues={"other": 1})))
            async with Drill.begun(database, f"drill {n}", random.Random(f"{SEED}/{n}"), tally) as drill:
                await signals_against_timeouts(drill)

    print("\n".join(tally.lines()))  # noqa: T201  # shown on request
    assert min(tally.counts.values()) > ROUNDS

"""Random workflows, run by two worker processes, end as an independent model of the rules says."""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from baton import Engine
from baton.run import Run
from tests.effects import Effects
from tests.model.behaviour import BY_HAND, Plan
from tests.model.checking import Observed, overcrowded, violations
from tests.model.graphs import random_plan, shaped_plans
from tests.programs.random_workers import EFFECTS, built
from tests.waiting import eventually

ROOT = Path(__file__).resolve().parents[1]
WORKFLOWS = 400
LIMITS = {"default": 10, "other": 5}
INSERTS_AT_ONCE = 4
SECONDS = 90.0


@dataclass(frozen=True, slots=True)
class Placed:
    """A plan and the run it became."""

    plan: Plan
    run: Run


@pytest.mark.slow
async def test_random_workflows_on_two_processes_end_as_the_rules_say(database, effects):
    seed = os.environ.get("BATON_SEED") or str(random.randrange(10**6))
    print(f"BATON_SEED={seed} draws these workflows again, BATON_SEED='{seed} 17' the 18th random one alone")
    plans = plans_of(seed)

    async with two_worker_processes(database, effects), Engine(database) as engine:
        placed = await insert_all(plans, engine)
        async with asyncio.timeout(SECONDS):
            states = await finished(placed, effects)
        observed = await observe(placed, states, effects)

    assert wrong_in(observed) == [], f"BATON_SEED={seed}"
    assert overcrowded([event for one in observed for event in one.events], LIMITS) == []
